"""`each=` stands for one rule for every value of a column: the same rows, and the same awards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import procure_opt as po
from procure_opt.program import Rows
from strategies import RULES, awarded, examples, rules, tenders

SCOPED = [name for name in RULES if name not in ("Exclude", "Resilient", "Cover")]  # these have one scope only


def one_by_one(tender: po.Tender, rule: Any) -> Iterator[Any]:
    """The rules that a rule with `each` stands for."""
    lots = tender.lots[tender.scope(rule.lots)]
    for value in lots[rule.each].unique():
        more = {"amount": rule.amount[value]} if isinstance(getattr(rule, "amount", None), dict) else {}
        yield replace(rule, lots=lots["lot"][lots[rule.each] == value].tolist(), each=None, **more)


def scoped(data: Any, tender: po.Tender, name: str) -> Any:
    """A rule of a class for each period or category."""
    return replace(data.draw(rules(tender, name)), each="period" if name == "Budget" else "category")


@pytest.mark.parametrize("name", SCOPED)
@examples(20)
@given(data=st.data())
def test_the_rows_are_those_of_one_rule_for_each_value(name: str, data: Any) -> None:
    tender = data.draw(tenders(divisible=True)).scored()
    rule = scoped(data, tender, name)
    try:
        together, apart = rule(tender), Rows.stack([one(tender) for one in one_by_one(tender, rule)])
    except ValueError as refused:
        assume(not str(refused).startswith("discount of"))  # one sum over lots inside and outside, and the like
        raise
    assert len(together) == len(apart)
    assert together.body.terms.keys() == apart.body.terms.keys()
    for key, block in together.body.terms.items():
        np.testing.assert_array_equal(block.toarray(), apart.body.terms[key].toarray())
    for field in ("lower", "upper", "relax"):
        np.testing.assert_array_equal(getattr(together, field), getattr(apart, field))


@examples(40)
@given(data=st.data())
def test_so_are_the_awards(data: Any) -> None:
    tender = data.draw(tenders(discounts=False)).scored()
    some = [scoped(data, tender, data.draw(st.sampled_from(SCOPED))) for _ in range(2)]
    written = [one for rule in some for one in one_by_one(tender, rule)]
    first, second = (awarded(tender, po.Policy(policy, tie_break=None)) for policy in (some, written))
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert first.objective == pytest.approx(second.objective, abs=1e-6)
        assert po.check(first) == []


def test_rows_are_made_for_those_who_bid_in_the_scope_or_hold_something() -> None:
    tender = po.Tender(
        [{"lot": lot, "category": lot[0], "in_house": 9} for lot in ("a1", "a2", "b1")],
        [{"bid": lot, "bidder": lot[0].upper(), "lots": lot, "price": 5} for lot in ("a1", "a2", "b1")],
        [{"bidder": name, "elsewhere": held} for name, held in (("A", 0), ("B", 0), ("C", 3))],
    )
    rule = po.MaxLots(1, each="category")
    rows = rule(tender)
    assert [rows.label(i) for i in range(len(rows))] == [
        "MaxLots 1 with category a: A", "MaxLots 1 with category b: B",
    ]  # fmt: skip
    # C bids for nothing, but holds three lots already: no award can satisfy the rule.
    with pytest.raises(po.Infeasible) as refused:
        po.award(tender, po.Policy([replace(rule, existing="elsewhere")]))
    assert set(refused.value.remedies.values()) == {2.0}


def test_a_capacity_below_zero_is_a_mistake() -> None:
    tender = po.Tender(
        [{"lot": "a", "in_house": 9}],
        [{"bid": "b", "bidder": "B", "lots": "a", "price": 5}],
        [{"bidder": "B", "room": 1}, {"bidder": "C", "room": -1}],
    )
    with pytest.raises(ValueError, match="'room' is below 0 for C"):
        po.award(tender, po.Policy([po.Capacity("room")]))
