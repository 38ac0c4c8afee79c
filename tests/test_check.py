"""`check` keeps silent on a correct award and speaks on every other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import procure_opt as po
import strategies
from procure_opt.check import TWINS
from procure_opt.constraints import CATALOGUE
from procure_opt.scoring import RelativePrice
from strategies import awarded, examples

LOTS = [
    {"lot": "L1", "estimate": 10, "in_house": 90, "area": "north", "incumbent": "Dora"},
    {"lot": "L2", "estimate": 20, "in_house": 90, "area": "north", "incumbent": "Bell"},
    {"lot": "L3", "estimate": 30, "in_house": 90, "area": "south", "incumbent": "Cora"},
    {"lot": "L4", "estimate": 40, "area": "south"},
]
BIDS = [
    {"bid": "a1", "bidder": "Acme", "lots": "L1", "price": 11, "quality": 50, "carbon": 3},
    {"bid": "b2", "bidder": "Bell", "lots": "L2", "price": 19, "quality": 60, "carbon": 5, "xor": "one"},
    {"bid": "b1", "bidder": "Bell", "lots": "L1", "price": 14, "quality": 60, "carbon": 5, "xor": "one"},
    {"bid": "c34", "bidder": "Cora", "lots": "L3;L4", "price": 70, "quality": 90, "carbon": 2},
    {"bid": "d1", "bidder": "Dora", "lots": "L1", "price": 25, "quality": 90, "carbon": 1},
    {"bid": "d3", "bidder": "Dora", "lots": "L3", "price": 50, "quality": 90, "carbon": 1},
    {"bid": "d4", "bidder": "Dora", "lots": "L4", "price": 45, "quality": 90, "carbon": 1},
    {"bid": "late", "bidder": "Dora", "lots": "L2", "price": 1, "quality": 90, "carbon": 1, "status": "withdrawn"},
]
BIDDERS = [
    {"bidder": "Acme", "owner": "Holding", "kind": "firm", "room": 2, "elsewhere": 30},
    {"bidder": "Bell", "owner": "Holding", "kind": "firm", "room": 2, "elsewhere": 10},
    {"bidder": "Cora", "kind": "firm", "room": 1, "elsewhere": 0},
    {"bidder": "Dora", "kind": "social_organisation", "room": 1, "elsewhere": 60},
]
TENDER = po.Tender(LOTS, BIDS, BIDDERS)
AWARD = po.award(TENDER)  # a1, b2 and c34 for 100


def test_the_award_is_right() -> None:
    assert sorted(AWARD.bids["bid"]) == ["a1", "b2", "c34"]
    assert AWARD.cost == 100
    assert po.check(AWARD) == []


# ---- constraints ------------------------------------------------------------------------------------------

# For every constraint of the catalogue one that the award breaks: where, and by how much.
BROKEN: dict[str, tuple[Any, str, float]] = {
    "Budget": (po.Budget(amount=25, lots={"area": "north"}), "", 5),
    "MinQuality": (po.MinQuality(score=60, across="bid"), "bid a1", 10),
    "AttributeBound": (po.AttributeBound("carbon", at_most=4), "bid b2", 1),
    "MaxShare": (po.MaxShare(0.5), "Cora", 20),
    "MinShare": (po.MinShare(0.25, bidders={"kind": "social_organisation"}, of="lots"), "", 25),
    "MaxLots": (po.MaxLots(1), "Cora", 1),
    "MinWinners": (po.MinWinners(3, per="owner"), "", 1),
    "MaxWinners": (po.MaxWinners(2), "", 1),
    "MaxHHI": (po.MaxHHI(0.5, per="owner"), "", 8),
    "MinAward": (po.MinAward(2, of="lots"), "Acme", 2),
    "Capacity": (po.Capacity("room"), "Cora", 1),
    "Separate": (po.Separate(["L1"], ["L2"]), "Holding", 1),
    "Together": (po.Together(["L1", "L2"]), "", 1),
    "KeepIncumbents": (po.KeepIncumbents("incumbent", max_switches=0), "", 1),
    "Exclude": (po.Exclude(bidders=["Cora"], lots=["L3"]), "bid c34", 1),
    "Require": (po.Require(bidders=["Dora"]), "Dora", 1),
    "Resilient": (po.Resilient(max_extra_cost=10), "Acme", 4 + 61 + 15),
    "Cover": (po.Cover(["L1"], penalty=7), "lot L1", 1),
}


def test_every_constraint_has_a_twin_and_a_case() -> None:
    names = {rule.__name__ for rule in CATALOGUE}
    assert names == set(TWINS) == set(BROKEN) == set(strategies.RULES)


@pytest.mark.parametrize("name", sorted(set(BROKEN) - {"Cover"}))
def test_broken_constraint(name: str) -> None:
    rule, where, amount = BROKEN[name]
    found = po.check(replace(AWARD, policy=po.Policy([rule])))
    assert {violation.rule for violation in found} == {name}
    assert where in {violation.where for violation in found}
    assert sum(violation.amount for violation in found) == pytest.approx(amount)
    assert all(str(violation).startswith(name) for violation in found)


@pytest.mark.parametrize("name", sorted(set(BROKEN) - {"Cover"}))
def test_soft_constraint_is_to_be_declared(name: str) -> None:
    rule, _, amount = BROKEN[name]
    soft = replace(rule, penalty=2.0)
    award = replace(AWARD, policy=po.Policy([soft]))
    found = po.check(award)
    assert {violation.rule for violation in found} == {name, "objective", "status"}  # which lack the charge
    row = {"constraint": repr(soft), "where": "", "amount": amount, "unit": "", "charge": 2 * amount}
    money = AWARD.objective + 2 * amount
    declared = replace(award, violations=pd.DataFrame([row]), objective=money, bound=money)
    assert po.check(declared) == []
    row["amount"] = 2 * amount
    assert [violation.rule for violation in po.check(replace(declared, violations=pd.DataFrame([row])))] == [name]


def test_unawarded_lots_need_a_cover() -> None:
    tender = po.Tender(LOTS, [bid for bid in BIDS if bid["bid"] != "a1"], BIDDERS)
    cover = po.Cover(["L1"], penalty=7)
    award = po.award(tender, po.Policy([cover]))
    assert award.unawarded == ("L1",)
    assert po.check(award) == []
    rules = [violation.rule for violation in po.check(replace(award, policy=po.Policy()))]
    assert rules == ["unawarded", "coverage", "objective", "bound"]
    undeclared = replace(award, violations=award.violations.iloc[:0])
    assert [violation.rule for violation in po.check(undeclared)] == ["Cover"]


def test_each_value_is_named() -> None:
    policy = po.Policy([po.MaxShare(0.9, each="area")])
    assert [violation.where for violation in po.check(replace(AWARD, policy=policy))] == ["Cora, area south"]


def test_constraint_without_twin_is_never_passed_over() -> None:
    class Mine:
        lots, each, penalty = None, None, None

        def __call__(self, tender: po.Tender) -> Any:
            raise NotImplementedError

        def remedy(self, change: float) -> str:
            return ""

    (found,) = po.check(replace(AWARD, policy=po.Policy([Mine()])))
    assert found.rule == "Mine"
    assert "not independently checked" in found.message


def test_replacement_too_large_to_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["procure_opt.check"], "REFILL_STEPS", 1)
    (found,) = po.check(replace(AWARD, policy=po.Policy([po.Resilient(1000)])))
    assert found.message.startswith("not independently checked: there are too many ways")


def test_replacement_by_divisible_bids_is_left_to_others() -> None:
    bids = [bid | {"min_fraction": 0.5 if bid["bid"] == "d1" else 1} for bid in BIDS]
    award = replace(po.award(po.Tender(LOTS, bids, BIDDERS)), policy=po.Policy([po.Resilient(1000)]))
    assert [violation.message for violation in po.check(award)] == [
        "not independently checked: divisible bids could replace Acme"
    ]


def test_replacement_takes_a_bid_once() -> None:
    lots = [{"lot": "A", "demand": 4}]
    bids = [
        {"bid": "x", "bidder": "X", "lots": "A:4", "price": 8},
        {"bid": "y", "bidder": "Y", "lots": "A:2", "price": 3},
        {"bid": "z", "bidder": "Z", "lots": "A:2", "price": 9},
    ]
    award = po.award(po.Tender(lots, bids))
    assert po.check(replace(award, policy=po.Policy([po.Resilient(4)]))) == []
    (found,) = po.check(replace(award, policy=po.Policy([po.Resilient(3.5)])))
    assert found.amount == pytest.approx(0.5)


def test_winner_nobody_can_replace() -> None:
    award = po.award(po.Tender([{"lot": "A"}], [{"bid": "x", "bidder": "X", "lots": "A", "price": 8}]))
    (found,) = po.check(replace(award, policy=po.Policy([po.Resilient(1e6)])))
    assert found.where == "X"
    assert found.amount == float("inf")


def test_thin_lots_are_not_let() -> None:
    found = po.check(replace(AWARD, policy=po.Policy(min_bidders=2)))
    assert ("accepted bids", "bid b2") in {(violation.rule, violation.where) for violation in found}
    assert (
        po.check(po.award(TENDER.replace(lots=[lot | {"in_house": 50} for lot in LOTS]), po.Policy(min_bidders=2)))
        == []
    )
    failing = po.Policy(min_bidders=2, few_bidders="fail")
    assert "min_bidders" in {violation.rule for violation in po.check(replace(AWARD, policy=failing))}


# ---- awards changed by hand -------------------------------------------------------------------------------


def with_bids(award: po.Award, *names: str) -> po.Award:
    """The award with these bids accepted instead, and nothing else changed."""
    every = award.tender.every_bid
    rows = every[every["bid"].isin(names)].assign(fraction=1.0, net=lambda row: row["price"])
    return replace(award, bids=rows.drop(columns="status").reset_index(drop=True))


def with_cell(award: po.Award, table: str, row: int, column: str, value: Any) -> po.Award:
    changed = getattr(award, table).copy()
    changed[column] = changed[column].astype(object)
    changed.iloc[row, changed.columns.get_loc(column)] = value
    return replace(award, **{table: changed})


def home(lot: str, fraction: float, cost: float) -> pd.DataFrame:
    return pd.DataFrame([{"lot": lot, "fraction": fraction, "cost": cost}])


CHANGES: dict[str, tuple[Callable[[po.Award], po.Award], set[str]]] = {
    "swap a winner": (
        lambda a: with_bids(a, "b2", "c34", "d1"), {"price", "cost", "objective", "by_bidder", "hhi", "status"},
    ),
    "exclusive bids": (lambda a: with_bids(a, "b1", "b2", "c34"), {"xor"}),
    "drop a lot": (lambda a: with_bids(a, "b2", "c34"), {"coverage"}),
    "overlap": (lambda a: with_bids(a, "a1", "b2", "c34", "d3"), {"coverage"}),
    "a rejected bid": (lambda a: with_bids(a, "a1", "late", "c34"), {"accepted bids"}),
    "a bid twice": (lambda a: replace(a, bids=pd.concat([a.bids, a.bids.head(1)])), {"accepted bids"}),
    "a bid that is none": (lambda a: with_cell(a, "bids", 0, "bid", "zz"), {"accepted bids", "coverage"}),
    "another bidder": (lambda a: with_cell(a, "bids", 0, "bidder", "Dora"), {"accepted bids"}),
    "another price": (lambda a: with_cell(a, "bids", 0, "price", 10.0), {"accepted bids"}),
    "other lots": (lambda a: with_cell(a, "bids", 0, "lots", "L2"), {"accepted bids"}),
    "half a bid": (lambda a: with_cell(a, "bids", 0, "fraction", 0.5), {"fractions", "coverage"}),
    "more than a bid": (lambda a: with_cell(a, "bids", 0, "fraction", 1.5), {"fractions", "coverage"}),
    "no number of a bid": (lambda a: with_cell(a, "bids", 0, "fraction", float("nan")), {"fractions", "coverage"}),
    "net": (lambda a: with_cell(a, "bids", 0, "net", 12.0), {"net price"}),
    "price": (lambda a: replace(a, price=99.99), {"price"}),
    "cost": (lambda a: replace(a, cost=100.01), {"cost"}),
    "ledger": (lambda a: replace(a, ledger=0.01), {"ledger"}),
    "no cost": (lambda a: replace(a, cost=float("nan")), {"cost"}),
    "objective": (lambda a: replace(a, objective=99.99), {"objective"}),
    "a bound above": (lambda a: replace(a, bound=100.01), {"bound"}),
    "a bound that proves nothing": (lambda a: replace(a, bound=98.0), {"status"}),
    "index": (lambda a: replace(a, hhi=0.5), {"hhi"}),
    "a winner's share": (lambda a: with_cell(a, "by_bidder", 0, "share", 0.2), {"by_bidder"}),
    "a winner's lots": (lambda a: with_cell(a, "by_bidder", 0, "lots", 2), {"by_bidder"}),
    "a winner left out": (lambda a: replace(a, by_bidder=a.by_bidder.iloc[1:]), {"by_bidder"}),
    "a tie of strangers": (lambda a: replace(a, tied=("zz",)), {"tied"}),
    "in-house on top": (
        lambda a: replace(a, in_house=home("L1", 1.0, 90.0)), {"coverage", "cost"},
    ),
    "in-house where it cannot be": (
        lambda a: replace(with_bids(a, "a1", "b2", "d3"), in_house=home("L4", 1.0, 1.0)), {"in-house", "coverage"},
    ),
    "in-house in part": (
        lambda a: replace(a, in_house=home("L1", 0.5, 45.0)), {"in-house", "coverage"},
    ),
    "in-house too cheap": (
        lambda a: replace(with_bids(a, "b2", "c34"), in_house=home("L1", 1.0, 80.0)), {"in-house", "cost"},
    ),
    "unawarded and filled": (
        lambda a: replace(a, unawarded=("L1",), policy=po.Policy([po.Cover(penalty=1)])), {"unawarded"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_change_is_seen(what: str) -> None:
    change, rules = CHANGES[what]
    found = po.check(change(AWARD))
    assert rules <= {violation.rule for violation in found}
    assert all(str(violation) for violation in found)


def test_score_is_recomputed() -> None:
    award = po.award(TENDER, po.Policy(objective=po.BestScore(RelativePrice(0.4))))
    assert po.check(award) == []
    assert [violation.rule for violation in po.check(replace(award, score=award.score + 0.01))] == ["score"]


def test_discounts_and_ledger_are_recomputed() -> None:
    discount = {"bidder": "Cora", "lots": "L3;L4", "threshold": 60, "measure": "spend", "percent": 10}
    ledger = po.Ledger(
        per_contract=1, per_supplier=2, per_switch=3, per_bid_evaluated=0.5, adaptation=0.1, monitoring=1
    )
    award = po.award(TENDER.replace(discounts=[discount]), po.Policy(ledger=ledger))
    assert po.check(award) == []
    assert award.price == pytest.approx(93)
    # 3 contracts, 3 suppliers, L1 leaves Dora, 7 valid bids, a tenth of 93, 4 lots let
    assert award.ledger == pytest.approx(3 + 6 + 3 + 3.5 + 9.3 + 4)
    without = replace(award, tender=TENDER)
    assert {"net price", "price", "ledger", "cost"} <= {violation.rule for violation in po.check(without)}


@examples(40)
@given(st.data())
def test_any_change_of_a_random_award_is_seen(data: Any) -> None:
    tender = data.draw(strategies.tenders())
    award = awarded(tender, data.draw(strategies.policies(tender, max_rules=1)))
    if award is None:
        return
    changes: list[Callable[[po.Award], po.Award]] = [
        lambda a: replace(a, cost=a.cost + 1),
        lambda a: replace(a, price=a.price - 1),
        lambda a: replace(a, objective=a.objective + 1),
        lambda a: replace(a, hhi=a.hhi + 0.01),
    ]
    if len(award.bids):
        row = data.draw(st.integers(0, len(award.bids) - 1))
        name = award.bids["bid"][row]
        changes += [
            lambda a: replace(a, bids=a.bids[a.bids["bid"] != name]),
            lambda a: replace(a, bids=pd.concat([a.bids, a.bids[a.bids["bid"] == name]])),
            lambda a: with_cell(a, "bids", row, "price", a.bids["price"][row] + 1),
            lambda a: with_cell(a, "bids", row, "net", a.bids["net"][row] + 1),
            lambda a: with_cell(a, "bids", row, "fraction", 0.5),
        ]
    idle = sorted(set(award.tender.bids["bid"]) - set(award.bids["bid"]))
    if idle:
        other = award.tender.bids.set_index("bid", drop=False).loc[[data.draw(st.sampled_from(idle))]]
        more = other.assign(fraction=1.0, net=other["price"] + other["fixed"])
        changes.append(lambda a: replace(a, bids=pd.concat([a.bids, more], ignore_index=True)))
    assert po.check(data.draw(st.sampled_from(changes))(award))
