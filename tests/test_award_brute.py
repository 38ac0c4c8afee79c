"""Awards of small random tenders of every feature against brute force, and what must not change an award."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import brute
import procure_opt as po
import strategies
from strategies import agree, agree_in_parts, awarded, examples


@examples(160)
@given(st.data())
def test_award_equals_brute_force(data: Any) -> None:
    tender = data.draw(strategies.tenders())
    policy = data.draw(strategies.policies(tender))
    agree(awarded(tender, policy), brute.best(tender, policy))


@pytest.mark.parametrize("name", strategies.RULES)
@examples(8)
@given(data=st.data())
def test_each_constraint_equals_brute_force(name: str, data: Any) -> None:
    tender = data.draw(strategies.tenders(max_lots=4, max_bids=7))
    policy = po.Policy([data.draw(strategies.rules(tender, name))])
    agree(awarded(tender, policy), brute.best(tender, policy))


@examples(60)
@given(st.data())
def test_divisible_award_equals_linear_programs(data: Any) -> None:
    tender = data.draw(strategies.tenders(divisible=True, discounts=False, max_lots=3, max_bids=5))
    policy = data.draw(
        strategies.policies(tender, names=brute.LINEAR, max_rules=2, soft=False, ledger=False, scores=False)
    )
    agree_in_parts(awarded(tender, policy), brute.best_fractions(tender, policy))


@examples(40)
@given(st.data())
def test_one_more_constraint_never_lowers_the_objective(data: Any) -> None:
    tender = data.draw(strategies.tenders())
    policy = data.draw(strategies.policies(tender, max_rules=2))
    name = data.draw(st.sampled_from([name for name in strategies.RULES if name != "Cover"]))
    more = dataclasses.replace(policy, constraints=(*policy.constraints, data.draw(strategies.rules(tender, name))))
    before, after = awarded(tender, policy), awarded(tender, more)
    if after is not None:
        assert before is not None
        assert after.objective >= before.objective - 1e-6


# ---- what changes nothing ---------------------------------------------------------------------------------


def changed(tender: po.Tender, **changes: Any) -> po.Tender:
    """The tender made again from its tables, some of them changed."""
    names = ("lots", "bidders", "discounts", "ownership", "scores")
    tables = {name: getattr(tender, name) for name in names} | {"bids": tender.every_bid}
    return po.Tender(**(tables | {"money_unit": tender.money_unit} | changes))


def sums_up_the_same(one: po.Award | None, other: po.Award | None, factor: float = 1.0) -> None:
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        for field in ("cost", "price", "objective"):
            assert getattr(other, field) == pytest.approx(factor * getattr(one, field), rel=1e-9, abs=1e-9), field


@examples(25)
@given(st.data())
def test_order_of_rows_does_not_matter(data: Any) -> None:
    tender = data.draw(strategies.tenders())
    policy = data.draw(strategies.policies(tender, max_rules=2))

    def shuffled(table: Any) -> Any:
        return table.iloc[data.draw(st.permutations(range(len(table))))].reset_index(drop=True)

    names = ("lots", "bidders", "discounts", "ownership", "scores")
    mixed = changed(
        tender, bids=shuffled(tender.every_bid), **{name: shuffled(getattr(tender, name)) for name in names}
    )
    one, other = awarded(tender, policy), awarded(mixed, policy)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.bids.equals(other.bids)
        assert one.by_bidder.equals(other.by_bidder)
        assert (one.cost, one.objective, one.tied) == (other.cost, other.objective, other.tied)


ALIKE = {"B1": "Acme Ltd", "B2": "Acme_Ltd", "B3": "Acme-Ltd", "B4": "=Acme Ltd", "B5": "Acme Ltd."}


@examples(25)
@given(st.data())
def test_names_of_bidders_do_not_matter(data: Any) -> None:
    tender = data.draw(strategies.tenders())
    names = tuple(
        name for name in strategies.RULES if name not in ("MinShare", "Exclude", "Require")
    )  # they name bidders
    policy = data.draw(strategies.policies(tender, max_rules=2, names=names))

    def renamed(table: Any, *columns: str) -> Any:
        return table.assign(**{column: [ALIKE.get(name, name) for name in table[column]] for column in columns})

    def consortium(text: str) -> str:
        return ";".join(
            ":".join([ALIKE.get(name, name), *rest]) for name, *rest in map(_split, filter(None, text.split(";")))
        )

    bidders = renamed(tender.bidders, "bidder")
    bidders["members"] = [consortium(text) for text in bidders["members"]]
    same = changed(
        tender, lots=renamed(tender.lots, "incumbent"), bids=renamed(tender.every_bid, "bidder"), bidders=bidders,
        discounts=renamed(tender.discounts, "bidder"),
    )  # fmt: skip
    one, other = awarded(tender, policy), awarded(same, policy)
    sums_up_the_same(one, other)
    if one is not None and other is not None:
        assert one.tied == other.tied
        assert one.bids["bid"].tolist() == other.bids["bid"].tolist()


def _split(member: str) -> list[str]:
    return member.split(":")


@examples(25)
@given(st.data(), st.sampled_from([0.01, 100.0]))
def test_unit_of_currency_does_not_matter(data: Any, factor: float) -> None:
    tender = data.draw(strategies.tenders())
    # Constraints without money in them: they mean the same in any currency.
    names = (
        "MaxShare",
        "MaxLots",
        "MaxHHI",
        "MinWinners",
        "MaxWinners",
        "MinQuality",
        "Capacity",
        "Separate",
        "Together",
    )
    policy = data.draw(strategies.policies(tender, names=names, max_rules=2, soft=False, ledger=False))
    one, goal = awarded(tender, policy), policy.objective
    if isinstance(goal, po.QualityAdjusted):
        assume(not isinstance(goal.value, str))
        policy = dataclasses.replace(policy, objective=po.QualityAdjusted(factor * float(goal.value)))

    def in_currency(table: Any, *columns: str) -> Any:
        return table.assign(**{column: (table[column] * factor).round(2) for column in columns})

    discounts = in_currency(tender.discounts, "amount")
    spend = discounts["measure"] == "spend"
    discounts["threshold"] = discounts["threshold"].where(~spend, (discounts["threshold"] * factor).round(2))
    lots, bids = in_currency(tender.lots, "in_house", "reserve"), in_currency(tender.every_bid, "price", "fixed")
    other = changed(tender, lots=lots, bids=bids, discounts=discounts, money_unit=factor)
    two = awarded(other, policy)
    if isinstance(goal, po.BestScore):
        two = two and dataclasses.replace(two, objective=factor * two.objective)  # points are no money
    sums_up_the_same(one, two, factor)
    if one is not None and two is not None:
        assert one.tied == two.tied


@examples(25)
@given(st.data())
def test_cbc_agrees(data: Any) -> None:
    tender = data.draw(strategies.tenders())
    policy = dataclasses.replace(data.draw(strategies.policies(tender, max_rules=2)), tie_break=None)
    one, other = awarded(tender, policy), awarded(tender, policy, solver="CBC")
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.objective == pytest.approx(one.objective, rel=1e-9, abs=1e-6)
        assert po.check(other) == []


def test_scopes_that_read_alike_are_kept_apart() -> None:
    # Both lists begin with the same five lots; L7 cannot be let, so all of them have to stay in-house.
    lots = [{"lot": f"L{i}", "in_house": 100} for i in range(1, 9)]
    bids = [{"bid": f"b{i}", "bidder": "X", "lots": f"L{i}", "price": 10} for i in range(1, 9)]
    five = ["L1", "L2", "L3", "L4", "L5"]
    rules = [po.Exclude(lots=["L7"]), po.Together([*five, "L6"]), po.Together([*five, "L7", "L8"])]
    award = po.award(po.Tender(lots, bids), po.Policy(rules))
    assert award.cost == 800
    assert po.check(award) == []
