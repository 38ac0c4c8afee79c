"""`check` keeps silent on correct payments and speaks on every other; its search finds what enumeration finds."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

import procure_opt as po
import strategies
from procure_opt import check_search
from procure_opt.check import Facts
from procure_opt.check_payments import CLAIMS
from procure_opt.check_search import CAPTURES, Search
from procure_opt.constraints import CATALOGUE
from procure_opt.payments import CATALOGUE as PAYMENTS
from strategies import awarded, examples
from tiny import Row, bid, every_award, lots, tables, tender


@dataclass(frozen=True)
class Mine:
    """A payment rule that is in no catalogue."""

    name: str
    truthful = in_core = False

    def __call__(self, award: po.Award, by: Any) -> po.Payments:
        return po.Payments(award, self, by, po.pay(award).amounts)


def paid(award: po.Award, rule: str, amounts: dict[str, float], **more: Any) -> po.Payments:
    """Payments as they are said to be."""
    value = PAYMENTS.get(rule, Mine(rule))
    return po.Payments(award, value, more.pop("by", "bidder"), pd.Series(amounts, dtype=float), **more)


def found(payments: Any) -> list[tuple[str, str]]:
    """Rules and places of what `check` finds."""
    return [(violation.rule, violation.where) for violation in po.check(payments)]


# ---- known answers ----------------------------------------------------------------------------------------

# Offers in words: `AB 8 or C 9` is lots A and B for 8, or lot C for 9, not both. Payments are by rule. Sources: the
# worked examples of winner determination, VCG and core (theory sheet C2, by its number there), computed with brute
# force over all coalitions; DR: Day and Raghavan, "A combinatorial procurement auction featuring bundle price
# revelation without free-riding", Decision Support Systems 2008, section 2.2.
Case = tuple[str, list[Any], float | None, dict[str, dict[str, float]]]
THREE = "s1: A 10 and B 10 and C 10; s2: A 12 and B 13 and C 15; s3: A 20 and B 16 and C 18"
KNOWN: dict[str, Case] = {
    "C2.1 VCG outside the core": (
        "L1: A 2; L2: B 2; G: AB 10", [], None,
        {"vcg": {"L1": 8, "L2": 8}, "core": {"L1": 5, "L2": 5}, "core_nearest_bid": {"L1": 5, "L2": 5}},
    ),
    "C2.1b unequal locals": (
        "L1: A 1; L2: B 4; L3: B 7; G: AB 10", [], None,
        {"vcg": {"L1": 6, "L2": 7}, "core": {"L1": 4.5, "L2": 5.5}, "core_nearest_bid": {"L1": 3.5, "L2": 6.5}},
    ),
    "C2.2 six bidders": (
        "L1: A 2; L2: B 3; L3: C 4; G: ABC 15; H: AB 8 or C 9; K: BC 11 or A 6", [], None,
        {
            "vcg": {"L1": 5, "L2": 6, "L3": 8}, "core": {"L1": 4, "L2": 4, "L3": 7},
            "core_nearest_bid": {"L1": 4, "L2": 4, "L3": 7},
        },
    ),
    "C2.2b two packages": ("G: AB 10; H: AB 11", [], None, {"vcg": {"G": 11}, "core": {"G": 11}}),
    "C2.2b and two locals": (
        "G: AB 10; H: AB 10; L1: A 2; L2: B 2", [], None, {"vcg": {"L1": 8, "L2": 8}, "core": {"L1": 5, "L2": 5}},
    ),
    "C2.3 honest": ("G: AB 10; S: AB 12", [], None, {"vcg": {"G": 12}, "core": {"G": 12}}),
    "C2.3 shills": (
        "G: AB 10; S1: A 1; S2: B 1", [], None, {"vcg": {"S1": 9, "S2": 9}, "core": {"S1": 5, "S2": 5}},
    ),
    "C2.4 no cap": (THREE, [po.MaxLots(3)], None, {"vcg": {"s1": 40}, "core": {"s1": 40}}),
    "C2.4 cap 2": (THREE, [po.MaxLots(2)], None, {"vcg": {"s1": 31, "s2": 16}, "core": {"s1": 31, "s2": 16}}),
    "C2.4 cap 1": (
        THREE, [po.MaxLots(1)], None,
        {rule: dict.fromkeys(["s1", "s2", "s3"], math.nan) for rule in ("vcg", "core", "core_nearest_bid")},
    ),
    "C2.4 cap 1 and a fourth": (
        THREE + "; s4: A 19 and B 21 and C 19", [po.MaxLots(1)], None,
        {"vcg": {"s1": 19, "s2": 19, "s3": 19}, "core": {"s1": 19, "s2": 19, "s3": 19}},
    ),
    "C2.5 cap 1 with in-house": (
        THREE, [po.MaxLots(1)], 22,
        {rule: {"s1": 22, "s2": 22, "s3": 22} for rule in ("vcg", "core", "core_nearest_zero")},
    ),
    "C2.5 cap 2 with in-house": (THREE, [po.MaxLots(2)], 22, {"vcg": {"s1": 31, "s2": 16}}),
    "C2.6 at least two winners": (THREE, [po.MinWinners(2)], None, {"vcg": {"s1": 31, "s2": 16}}),
    "C2.6b two bidders, two winners": (
        "s1: A 10 and B 10 and C 10; s2: A 12 and B 13 and C 15", [po.MinWinners(2)], None,
        {"vcg": {"s1": math.nan, "s2": math.nan}},
    ),
    "C2.7 truth under cap 2": (THREE, [po.MaxLots(2)], None, {"vcg": {"s1": 11 + 20, "s2": 16}}),
    "DR a": (
        "1: A 9 or B 9 or C 9 or AB 12; 2: A 9 or B 9 or C 9 or AC 12; 3: A 9 or B 9 or C 9 or BC 12; "
        "4: A 9 or B 9 or C 9 or ABC 19", [], None, {"vcg": {"4": 21}, "core": {"4": 21}},
    ),
    "DR b": (
        "1: AB 12; 2: CD 12; 3: ABCD 27", [], None, {"vcg": {"1": 15, "2": 15}, "core": {"1": 13.5, "2": 13.5}},
    ),
    "DR c": (
        "1: AB 12; 2: CD 12; 3: BC 10; 4: A 8 or B 8 or C 8 or D 8 or AB 16 or AC 16 or AD 16 or BC 16 or BD 16 or "
        "CD 16 or ABC 24 or ABD 24 or ACD 24 or BCD 24 or ABCD 32", [], None,
        {"vcg": {"1": 14, "2": 14}, "core": {"1": 13, "2": 13}},
    ),
}  # fmt: skip


def offered(text: str, in_house: float | None = None, **more: Any) -> po.Tender:
    """A tender from offers in words."""
    rows = []
    for line in text.split("; "):
        bidder, offers = line.split(": ")
        split = " or " if " or " in offers else " and "
        for number, offer in enumerate(offers.split(split)):
            on, price = offer.split()
            xor = "one" if split == " or " else ""
            rows.append(bid(f"{bidder}.{number}", bidder, ";".join(on), float(price), xor=xor))
    names = sorted({lot for row in rows for lot in row["lots"].split(";")})
    return tender(lots(*names, in_house=in_house), *rows, **({"money_unit": 0.01} | more))


@pytest.mark.parametrize("name", KNOWN)
def test_known_payments(name: str) -> None:
    offers, rules, in_house, by_rule = KNOWN[name]
    award = po.award(offered(offers, in_house), po.Policy(rules))
    for rule, amounts in by_rule.items():
        pivotal = tuple(winner for winner, amount in amounts.items() if math.isnan(amount))
        assert po.pay(award, rule).amounts.to_dict() == pytest.approx(amounts, nan_ok=True, abs=1e-9)
        assert po.check(po.pay(award, rule)) == [], rule
        assert po.check(paid(award, rule, amounts, pivotal=pivotal)) == [], rule
        for winner in amounts.keys() - set(pivotal):
            for cents in (0.01, -0.01):
                wrong = found(paid(award, rule, amounts | {winner: amounts[winner] + cents}, pivotal=pivotal))
                assert {rule} <= {broken for broken, _ in wrong}, (rule, winner, cents)


# ---- everything that can be wrong -------------------------------------------------------------------------

AWARD = po.award(offered(KNOWN["C2.1b unequal locals"][0]))  # L1 for 1 and L2 for 4; VCG 6 and 7, core 4.5 and 5.5
VCG, CORE, BIDS = {"L1": 6, "L2": 7}, {"L1": 4.5, "L2": 5.5}, {"L1": 1, "L2": 4}
CAPPED = po.award(offered(THREE), po.Policy([po.MaxLots(1)]))  # all three are pivotal
NOBODY = dict.fromkeys(["s1", "s2", "s3"], math.nan)

WRONG: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "right": (paid(AWARD, "vcg", VCG), []),
    "a cent too much": (paid(AWARD, "vcg", VCG | {"L1": 6.01}), [("vcg", "L1")]),
    "a cent too little": (paid(AWARD, "vcg", VCG | {"L2": 6.99}), [("vcg", "L2")]),
    "prices are not VCG": (paid(AWARD, "vcg", BIDS), [("vcg", "L1"), ("vcg", "L2")]),
    "a loser is paid": (paid(AWARD, "vcg", VCG | {"G": 1}), [("amounts", "G")]),
    "a loser is paid nothing": (paid(AWARD, "vcg", VCG | {"G": 0}), [("amounts", "G")]),
    "a stranger is paid": (paid(AWARD, "vcg", VCG | {"Z": 1}), [("amounts", "Z")]),
    "a winner is not paid": (paid(AWARD, "vcg", {"L1": 6}), [("amounts", "L2")]),
    "unknown without a reason": (paid(AWARD, "vcg", VCG | {"L2": math.nan}), [("amounts", "L2")]),
    "VCG is not in the core": (paid(AWARD, "core", VCG), [("core", "G.0")]),
    "a unit too much in the core": (paid(AWARD, "core", {"L1": 4.5, "L2": 6.5}), [("core", "G.0")]),
    "the total can be raised": (paid(AWARD, "core", {"L1": 4.5, "L2": 5.4}), [("core", "total")]),
    "prices in the core": (paid(AWARD, "core", BIDS), [("core", "total")]),
    "not the nearest": (paid(AWARD, "core", {"L1": 4, "L2": 6}), [("core", "nearest")]),
    "nearest to something else": (paid(AWARD, "core_nearest_bid", CORE), [("core_nearest_bid", "nearest")]),
    "below the price": (paid(AWARD, "core", {"L1": 6, "L2": 3.99}), [("individual rationality", "L2")]),
    "not as bid": (paid(AWARD, "pay_as_bid", BIDS | {"L2": 4.01}), [("pay_as_bid", "L2")]),
    "less than bid": (paid(AWARD, "pay_as_bid", BIDS | {"L2": 3.99}), [("individual rationality", "L2")]),
    "not pivotal": (paid(AWARD, "vcg", VCG | {"L1": math.nan}, pivotal=("L1",)), [("pivotal", "L1")]),
    "a loser cannot be pivotal": (paid(AWARD, "vcg", VCG, pivotal=("G",)), [("pivotal", "G")]),
    "pivotal": (paid(CAPPED, "vcg", NOBODY, pivotal=("s1", "s2", "s3")), []),
    "pivotal not said": (
        paid(CAPPED, "vcg", NOBODY, pivotal=("s1", "s2")), [("amounts", "s3"), ("pivotal", "s3")],
    ),
    "pivotal and a big number": (
        paid(CAPPED, "core", NOBODY | {"s3": 1e9}, pivotal=("s1", "s2", "s3")), [("pivotal", "s3")],
    ),
    "by whom": (paid(AWARD, "vcg", VCG, by="lot"), [("payments", "")]),
    "a rule of one's own": (paid(AWARD, "mine", BIDS), [("mine", "")]),
    "an unproven award": (
        paid(replace(AWARD, status="feasible", bound=0.0, tied=None), "vcg", VCG), [("vcg", "")],
    ),
    "pay as bid from an unproven award": (
        paid(replace(AWARD, status="feasible", bound=0.0, tied=None), "pay_as_bid", BIDS), [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_payments(name: str) -> None:
    payments, places = WRONG[name]
    assert found(payments) == places
    assert all(": " in str(violation) for violation in po.check(payments))


def test_amounts_of_violations_are_money() -> None:
    (over,) = po.check(paid(AWARD, "core", VCG))
    assert over.amount == pytest.approx(3)  # 13 against the offer of 10
    assert over.message == "with the bids G.0 the buyer and G would gain 3"
    (short,) = po.check(paid(AWARD, "core", BIDS))
    assert -5 <= short.amount <= -2.5  # at least half of what is missing from 10
    (cent,) = po.check(paid(AWARD, "vcg", VCG | {"L1": 6.01}))
    assert cent.amount == pytest.approx(0.01)
    assert cent.message == "6 is due to it, it is paid 6.01"


def test_a_wrong_total() -> None:
    class Wrong(po.Payments):
        total = 14.0  # type: ignore[assignment]

    assert found(Wrong(AWARD, PAYMENTS["vcg"], "bidder", pd.Series(VCG, dtype=float))) == [("total", "")]


def test_a_winner_listed_twice() -> None:
    twice = pd.Series([6.0, 7.0, 7.0], index=["L1", "L2", "L2"])
    assert ("amounts", "L2") in found(replace(po.pay(AWARD, "vcg"), amounts=twice))


def test_the_award_is_checked_too() -> None:
    assert [rule for rule, _ in found(paid(replace(AWARD, cost=4.0), "vcg", VCG))] == ["cost"]


def test_an_award_that_is_not_the_best() -> None:
    worse = po.award(AWARD.tender, po.Policy([po.Exclude(bidders=["L1"])]))  # G alone, for 10
    false = replace(worse, policy=po.Policy(), bound=10.0)
    better = [violation for violation in po.check(paid(false, "vcg", {"G": 5})) if violation.rule == "award"]
    assert [violation.amount for violation in better] == [pytest.approx(5)]
    assert "L1.0, L2.0" in better[0].message


def test_scores_have_no_pivot() -> None:
    rows = [bid("a", "X", "A", 5, quality=50), bid("b", "Y", "A", 6, quality=40)]
    award = po.award(tender(lots("A", estimate=9), *rows), po.Policy(objective=po.BestScore(po.RelativePrice(0.5))))
    assert found(paid(award, "pay_as_bid", {"X": 5})) == []
    (refused,) = po.check(paid(award, "vcg", {"X": 6}))
    assert "only pay_as_bid" in refused.message


def test_what_is_too_much_is_said() -> None:
    rows = [bid("a", "X", "A", 5, min_fraction=0.5), bid("b", "Y", "A", 6)]
    (divisible,) = po.check(paid(po.award(tender("A", *rows)), "vcg", {"X": 6}))
    assert (divisible.rule, divisible.message) == ("vcg", "not independently checked: bids are divisible")
    assert math.isnan(divisible.amount)


def test_too_many_awards_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_search, "STEPS", 3)
    (steps,) = po.check(paid(AWARD, "vcg", VCG))
    assert "not independently checked: there are too many awards" in steps.message


def test_every_payment_rule_is_checked() -> None:
    assert set(CLAIMS) == set(PAYMENTS)


# ---- one price a unit for everybody -----------------------------------------------------------------------

# Lot A has three units. The first bid that wins nothing asks 6 a unit, in-house 10: the market clears up to 6.
UNITS = [bid("x", "X", "A:1", 4), bid("y", "Y", "A:2", 10), bid("z", "Z", "A:1", 6), bid("v", "V", "B", 7)]
UNIFORM = po.award(tender([{"lot": "A", "demand": 3, "in_house": 30}, {"lot": "B", "in_house": 9}], *UNITS))


@pytest.mark.parametrize(
    ("amounts", "place"),
    [
        ({"X": 6, "Y": 12, "V": 9}, None),
        ({"X": 6, "Y": 12.5, "V": 9}, "X"),  # not the same price a unit
        ({"X": 6.5, "Y": 13, "V": 9}, "bid z"),  # Z would have done it for 6
        ({"X": 6, "Y": 12, "V": 9.01}, "lot B in-house"),  # and B costs 9 in-house
        ({"X": 5.99, "Y": 11.98, "V": 9}, "total"),  # lower than need be
        ({"X": 6, "Y": 12, "V": 8}, "total"),
    ],
)
def test_uniform_prices(amounts: dict[str, float], place: str | None) -> None:
    assert po.pay(UNIFORM, "uniform").amounts.to_dict() == pytest.approx({"X": 6, "Y": 12, "V": 9})
    assert found(paid(UNIFORM, "uniform", amounts)) == ([("uniform", place)] if place else [])


def test_uniform_prices_with_one_of_two_offers() -> None:
    """X offers A for 3 or B for 6, and gets what it prefers: at 7 for B it earns 1, so A may cost no more than 4."""
    rows = [bid("xa", "X", "A", 3, xor="one"), bid("xb", "X", "B", 6, xor="one"), bid("y", "Y", "A", 1)]
    award = po.award(tender(lots("A", "B", in_house=7), *rows))
    assert po.pay(award, "uniform").amounts.to_dict() == pytest.approx({"X": 7, "Y": 4})
    assert po.check(po.pay(award, "uniform")) == []
    assert found(paid(award, "uniform", {"X": 7, "Y": 5})) == [("uniform", "bid xa")]
    assert found(paid(award, "uniform", {"X": 6.5, "Y": 3.5})) == [("uniform", "total")]


def test_uniform_prices_under_a_constraint() -> None:
    """One that binds has a price of its own; one that does not, has none."""
    for n, silent in ((4, True), (2, False)):
        rows = [bid("a", "X", "A", 1), bid("b", "X", "B", 1), bid("c", "X", "C", 1), bid("d", "Y", "C", 2)]
        award = po.award(tender(lots("A", "B", "C", in_house=9), *rows), po.Policy([po.MaxLots(n)]))
        found_ = po.check(po.pay(award, "uniform"))
        assert ["prices of constraints" in violation.message for violation in found_] == [True] * (not silent)


def test_uniform_evaluated_prices_are_not_checked() -> None:
    award = po.award(UNIFORM.tender, po.Policy(ledger=po.Ledger(monitoring=1)))
    (only,) = po.check(po.pay(award, "uniform"))
    assert "not independently checked" in only.message


# ---- what a price counts for ------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["share", 0.25])
def test_adaptation_divides_what_is_paid_beyond_the_price(column: Any) -> None:
    rows = [bid("a", "X", "A", 100), bid("b", "Y", "A", 130)]
    bidders = [{"bidder": "X", "share": 0.25}, {"bidder": "Y", "share": 0.25}]
    award = po.award(tender("A", *rows, bidders=bidders), po.Policy(ledger=po.Ledger(adaptation=column)))
    assert po.check(paid(award, "vcg", {"X": 130})) == []  # 100 + (1.25 · 130 − 1.25 · 100) / 1.25
    assert found(paid(award, "vcg", {"X": 137.5})) == [("vcg", "X")]


def test_deduction_divides_what_is_paid_beyond_the_price() -> None:
    rows = [bid("a", "X", "A", 100), bid("b", "Y", "A", 95)]
    bidders = [{"bidder": "X", "deduction": 0.1}, {"bidder": "Y"}]
    award = po.award(tender("A", *rows, bidders=bidders))
    for rule in ("vcg", "core"):
        assert po.check(paid(award, rule, {"X": 100 + 5 / 0.9})) == []
        assert found(paid(award, rule, {"X": 105})) != []


def test_owners_are_paid_as_one() -> None:
    rows = [bid("a", "X", "A", 3), bid("b", "Y", "B", 4), bid("c", "Z", "A", 6), bid("d", "W", "A;B", 20)]
    bidders = [{"bidder": "X", "owner": "Holding"}, {"bidder": "Y", "owner": "Holding"}, *({"bidder": b} for b in "ZW")]
    award = po.award(tender("A B", *rows, bidders=bidders))
    assert po.check(paid(award, "vcg", {"X": 6, "Y": 4 + 20 - 7})) == []
    assert po.check(paid(award, "vcg", {"Holding": 20}, by="owner")) == []
    assert po.check(paid(award, "pay_as_bid", {"Holding": 7}, by="owner")) == []
    assert found(paid(award, "vcg", {"Holding": 19}, by="owner")) == [("vcg", "Holding")]
    assert found(paid(award, "pay_as_bid", {"X": 3, "Y": 4}, by="owner")) != []


def test_a_consortium_joins_its_members_owners() -> None:
    rows = [bid("a", "X", "A", 3), bid("b", "Joint", "B", 4), bid("c", "V", "A;B", 20), bid("d", "Y", "A", 9)]
    bidders = [{"bidder": name} for name in "XYV"] + [{"bidder": "Joint", "members": "X:0.5;Y:0.5"}]
    award = po.award(tender("A B", *rows, bidders=bidders))
    assert po.check(paid(award, "vcg", {"X & Y": 20}, by="owner")) == []


# ---- against enumeration ----------------------------------------------------------------------------------


def vcg_by_enumeration(lot_rows: Sequence[Row], bid_rows: Sequence[Row], accepted: set[str]) -> dict[str, float]:
    """VCG amounts of the winners; infinite for those without whom there is no award."""

    def least(without: str) -> float:
        rest = [row for row in bid_rows if row["bidder"] != without]
        return min((float(cost) for cost, _ in every_award(lot_rows, rest)), default=math.inf)

    winners = {row["bidder"] for row in bid_rows if row["bid"] in accepted}
    won = [row for row in bid_rows if row["bid"] in accepted]
    price = {name: sum(row["price"] for row in won if row["bidder"] == name) for name in winners}
    return {name: price[name] + least(name) - least("") for name in winners}


@examples(60)
@given(tables(max_lots=4, max_bids=7), st.data())
def test_vcg_is_known_to_the_last_unit(rows: tuple[list[Row], list[Row]], data: Any) -> None:
    award = awarded(tender(rows[0], *rows[1]), po.Policy(tie_break=None))
    if award is None or award.bids.empty:
        return
    amounts = vcg_by_enumeration(*rows, accepted=set(award.bids["bid"]))
    pivotal = tuple(name for name, amount in amounts.items() if math.isinf(amount))
    amounts |= dict.fromkeys(pivotal, math.nan)
    assert po.check(paid(award, "vcg", amounts, pivotal=pivotal)) == []
    one = data.draw(st.sampled_from(sorted(amounts)))
    if one in pivotal:
        assert ("pivotal", one) in found(paid(award, "vcg", amounts, pivotal=tuple(set(pivotal) - {one})))
    else:
        change = data.draw(st.sampled_from([-1, 1, 0.001]))
        assert ("vcg", one) in found(paid(award, "vcg", amounts | {one: amounts[one] + change}, pivotal=pivotal))


def core_rows(
    rows: tuple[list[Row], list[Row]], winners: list[str], accepted: set[str]
) -> Iterator[tuple[list[bool], float]]:
    """For every award the winners it does without, and the most that these may earn together beyond their prices."""
    of = {row["bid"]: row["bidder"] for row in rows[1]}
    awards = [(cost, {of[name] for name in chosen}) for cost, chosen in every_award(*rows)]
    least = min(cost for cost, _ in awards)
    for cost, users in awards:
        yield [winner not in users for winner in winners], cost - least


@examples(60)
@given(tables(max_lots=4, max_bids=7, prices=st.integers(0, 30)), st.data())
def test_the_core_is_known_to_the_last_unit(rows: tuple[list[Row], list[Row]], data: Any) -> None:
    award = awarded(tender(rows[0], *rows[1]), po.Policy(tie_break=None))
    if award is None or award.bids.empty:
        return
    accepted = set(award.bids["bid"])
    amounts = vcg_by_enumeration(*rows, accepted=accepted)
    winners = [name for name, amount in sorted(amounts.items()) if math.isfinite(amount)]
    pivotal = tuple(sorted(amounts.keys() - set(winners)))
    if not winners:
        return
    price = {name: float(award.by_bidder.loc[name, "price"]) for name in winners}
    table = list(core_rows(rows, winners, accepted))
    body, room = np.array([row for row, _ in table], dtype=float), np.array([most for _, most in table])
    surplus = np.array([data.draw(st.integers(0, 12)) for _ in winners], dtype=float)
    if data.draw(st.booleans()):  # the largest total there is
        surplus = linprog(-np.ones(len(winners)), body, room, bounds=(0, None)).x
    said = {name: price[name] + extra for name, extra in zip(winners, surplus)} | dict.fromkeys(pivotal, math.nan)
    violations = [v for v in po.check(paid(award, "core", said, pivotal=pivotal)) if v.rule == "core"]
    over = float((body @ surplus - room).max())
    most = float(linprog(-np.ones(len(winners)), body, room, bounds=(0, None)).x.sum())
    if over > 1e-6:
        assert [violation.amount for violation in violations] == [pytest.approx(over)]
    elif surplus.sum() < most - 1e-3:
        assert [violation.where for violation in violations] == ["total"]
    elif surplus.sum() > most - 1e-6:
        vcg = np.array([amounts[name] - price[name] for name in winners])
        off = float(np.abs(nearest(body, room, most, vcg) - surplus).max())
        if not 1e-3 < off < 0.05:  # what lies between is a matter of the hundredth of a money unit
            assert [violation.where for violation in violations] == ["nearest"] * (off > 1e-3)


def nearest(body: Any, room: Any, total: float, goal: Any) -> Any:
    """The point of the largest total in the core that is nearest to a goal, by projecting in turns (Dykstra 1983)."""
    n = body.shape[1]
    x, planes = goal.copy(), [*zip(body, room), *zip(-np.eye(n), np.zeros(n))]
    more = np.zeros((len(planes), n))
    for _ in range(3000):
        x = x + (total - x.sum()) / n
        for i, (row, most) in enumerate(planes):
            if row.any():
                y = x + more[i]
                x = y - max(0.0, (row @ y - most) / (row @ row)) * row
                more[i] = y - x
    return x


@examples(40)
@given(st.data())
def test_what_is_paid_is_what_is_checked(data: Any) -> None:
    offers = data.draw(strategies.tenders())
    award = awarded(offers, data.draw(strategies.policies(offers, scores=False, max_rules=2)))
    if award is None:
        return
    rule, by = data.draw(st.sampled_from(sorted(PAYMENTS))), data.draw(st.sampled_from(["bidder", "owner"]))
    try:
        payments = po.pay(award, rule, by=by)
    except ValueError:  # no such prices, or no in-house cost to refer to
        return
    assert [str(violation) for violation in po.check(payments) if "not independently" not in violation.message] == []
    if math.isfinite(payments.total) and len(payments.amounts):
        more = payments.amounts.copy()
        # Objectives that are not whole are proven to a money unit: then half of one is what an amount may be off by.
        more.iloc[data.draw(st.integers(0, len(more) - 1))] += 0.75
        assert po.check(replace(payments, amounts=more)) != []


# ---- the search itself ------------------------------------------------------------------------------------


def searched(award: po.Award) -> Search:
    return Search(Facts.of(award))


@examples(60)
@given(st.data())
def test_the_search_finds_the_award_and_every_one_without_a_winner(data: Any) -> None:
    offers = data.draw(strategies.tenders())
    policy = data.draw(strategies.policies(offers, scores=False))
    award = awarded(offers, policy)
    if award is not None:
        compare(award, data)


@pytest.mark.parametrize("name", strategies.RULES)
@examples(6)
@given(data=st.data())
def test_the_search_respects_every_constraint(name: str, data: Any) -> None:
    offers = data.draw(strategies.tenders(max_lots=4, max_bids=7, discounts=False))
    award = awarded(offers, po.Policy([data.draw(strategies.rules(offers, name))], tie_break=None))
    if award is not None:
        compare(award, data)


def compare(award: po.Award, data: Any) -> None:
    """The search agrees with the program, whether it uses what it knows of constraints or judges every award."""
    search = searched(award)
    least, _ = search.least()
    assert least == pytest.approx(award.objective, rel=1e-9, abs=1e-6)
    search.rules.complete = False
    assert search.least()[0] == pytest.approx(least, rel=1e-12, abs=1e-6)
    if len(award.by_bidder):
        winner = data.draw(st.sampled_from(list(award.by_bidder.index)))
        policy = replace(award.policy, constraints=(*award.policy.constraints, po.Exclude(bidders=[winner])))
        other = awarded(award.tender, policy)
        barred = searched(award).facts.tender.bidder_names == winner
        without, _ = searched(award).least(barred=barred)
        assert without == pytest.approx(math.inf if other is None else other.objective, rel=1e-9, abs=1e-6)


def test_constraints_known_on_the_way_exist() -> None:
    assert set(CAPTURES) <= {rule.__name__ for rule in CATALOGUE}


@pytest.mark.parametrize(
    "rule", [po.MaxLots(8), po.MaxLots(2), po.MaxHHI(0.25, of="lots"), po.MaxShare(0.3, of="spend")], ids=repr
)
def test_eight_lots_and_forty_bids_take_a_moment(rule: Any) -> None:
    rng = np.random.default_rng(4)
    names = [f"L{i}" for i in range(8)]
    rows = [
        bid(f"b{i}", f"B{i % 10}", ";".join(rng.choice(names, size, replace=False)), int(rng.integers(10, 25) * size))
        for i, size in enumerate(rng.integers(1, 4, 40))
    ]
    award = po.award(tender(lots(*names, in_house=40), *rows), po.Policy([rule], tie_break=None))
    search, start = searched(award), time.perf_counter()
    amounts = {}
    for name, row in award.by_bidder.iterrows():
        without, _ = search.least(barred=award.tender.bidder_names == name)
        amounts[name] = row["price"] + without - award.objective
    assert po.check(paid(award, "vcg", amounts)) == []
    assert time.perf_counter() - start < 10  # about half a second on a machine with nothing else to do
    assert search.steps < check_search.STEPS / 4


def test_quantities_are_filled_exactly() -> None:
    """Parts of a lot that are no round numbers, and bids that fill a lot only together."""
    thirds = [bid(f"t{i}", f"T{i}", f"A:{1 / 3!r}", 10) for i in range(3)]
    tenths = [bid("u1", "U", "B:0.1", 1), bid("u2", "U", "B:0.2", 1), bid("v", "V", "B:0.7", 5), bid("w", "W", "B", 9)]
    award = po.award(tender("A B", *thirds, *tenths))
    least, bids = searched(award).least()
    assert least == 37
    assert bids is not None and list(award.tender.bid_names[bids]) == ["t0", "t1", "t2", "u1", "u2", "v"]
    gone = award.tender.bidder_names == "V"
    assert searched(award).least(barred=gone)[0] == 39
    gone = award.tender.bidder_names == "T1"
    assert math.isinf(searched(award).least(barred=gone)[0])
