"""`check` keeps silent on a correct award and speaks on every other."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import procure_opt as po
import strategies
from procure_opt.check import TWINS, Facts
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


# ---- what is said, and from where on ----------------------------------------------------------------------

# Word for word what each broken constraint and each change is told as, worked out by hand from the tables at the head.
SAID_OF_RULES: dict[str, list[str]] = {
    "Budget": ["Budget: 30 is spent, 25 allowed"],
    "MinQuality": ["MinQuality (bid a1): quality is 50, at least 60 is asked for"],
    "AttributeBound": ["AttributeBound (bid b2): carbon is 5, at most 4 is allowed"],
    "MaxShare": ["MaxShare (Cora): 70 % of estimate, 50 % is allowed"],
    "MinShare": ["MinShare: 0 % of lots, at least 25 % is asked for"],
    "MaxLots": ["MaxLots (Cora): 2 lots, 1 are allowed"],
    "MinWinners": ["MinWinners: 2 winners, at least 3 are asked for"],
    "MaxWinners": ["MaxWinners: 3 winners, 2 are allowed"],
    "MaxHHI": ["MaxHHI: the index is 0.58, 0.5 is allowed"],
    "MinAward": [f"MinAward ({name}): wins 1 of lots: at least 2 or nothing" for name in ("Acme", "Bell")],
    "Capacity": ["Capacity (Cora): 2 units, there is room for 1"],
    "Separate": ["Separate (Holding): wins on both sides"],
    "Together": ["Together: the lots are parted: Acme, Bell"],
    "KeepIncumbents": ["KeepIncumbents: 1 lots leave their incumbent, 0 may: L1"],
    "Exclude": ["Exclude (bid c34): it is excluded"],
    "Require": ["Require (Dora): an award to it is required"],
    "Resilient": [f"Resilient ({name}): to replace it costs {more} more" for name, more in
                  (("Acme", 25 - 11), ("Bell", 90 - 19), ("Cora", 50 + 45 - 70))],
}  # fmt: skip


def sums(true: float) -> list[str]:
    return [f"{name}: it is {true:g}, the award says 100" for name in ("price", "cost", "objective")]


def shares(home: float = 0.0, **price: float) -> list[str]:
    """The shares and the index, where the winners' prices are these."""
    said = {"Acme": 0.11, "Bell": 0.19, "Cora": 0.7}
    total = sum(price.values()) + home
    lines = [f"by_bidder ({name}, share): it is {price[name] / total:.12g}, the award says {was:g}"
             for name, was in said.items() if name in price and price[name] / total != was]  # fmt: skip
    acme_and_bell = (price.get("Acme", 0) + price.get("Bell", 0)) / total  # of one owner
    index = acme_and_bell**2 + sum((paid / total) ** 2 for name, paid in price.items() if name in ("Cora", "Dora"))
    return [*lines, f"hhi: it is {index:.12g}, the award says 0.58"]


SAID: dict[str, list[str]] = {
    "swap a winner": [
        *sums(114), "status: the objective is 114, the bound 100: that proves no optimum",
        "by_bidder (Acme): it wins nothing", "by_bidder (Dora): a winner is missing",
        *shares(Bell=19, Cora=70, Dora=25),
    ],
    "exclusive bids": [
        "xor (bids b1, b2): they exclude each other", *sums(103),
        "status: the objective is 103, the bound 100: that proves no optimum", "by_bidder (Acme): it wins nothing",
        "by_bidder (Bell, lots): it is 2, the award says 1", "by_bidder (Bell, quantity): it is 2, the award says 1",
        "by_bidder (Bell, price): it is 33, the award says 19",
        "by_bidder (Bell, estimate): it is 30, the award says 20",
        *shares(Bell=33, Cora=70),
    ],
    "drop a lot": [
        "coverage (lot L1): 0 of a demand of 1 is filled", *sums(89), "bound: 100 is above the objective 89",
        "by_bidder (Acme): it wins nothing", *shares(Bell=19, Cora=70),
    ],
    "overlap": [
        "coverage (lot L3): 2 of a demand of 1 is filled", *sums(150),
        "status: the objective is 150, the bound 100: that proves no optimum", "by_bidder (Dora): a winner is missing",
        *shares(Acme=11, Bell=19, Cora=70, Dora=50),
    ],
    "a rejected bid": [
        "accepted bids (bid late): it was rejected: withdrawn", "coverage (lot L2): 0 of a demand of 1 is filled",
        *sums(81), "bound: 100 is above the objective 81", "by_bidder (Bell): it wins nothing",
        *shares(Acme=11, Cora=70),
    ],
    "a bid twice": ["accepted bids (bid a1): it stands more than once"],
    "a bid that is none": [
        "accepted bids (bid zz): there is no such bid", "coverage (lot L1): 0 of a demand of 1 is filled", *sums(89),
        "bound: 100 is above the objective 89", "by_bidder (Acme): it wins nothing", *shares(Bell=19, Cora=70),
    ],
    "another bidder": ["accepted bids (bid a1): bidder is Acme, the award says Dora"],
    "another price": ["accepted bids (bid a1): price is 11.0, the award says 10.0"],
    "other lots": ["accepted bids (bid a1): lots is L1, the award says L2"],
    "half a bid": [
        "fractions (bid a1): 0.5 of it: it must be 1", "coverage (lot L1): 0.5 of a demand of 1 is filled",
        "net price (bid a1): it is 5.5, the award says 11", *sums(94.5), "bound: 100 is above the objective 94.5",
        "by_bidder (Acme, quantity): it is 0.5, the award says 1",
        "by_bidder (Acme, price): it is 5.5, the award says 11",
        "by_bidder (Acme, estimate): it is 5, the award says 10", *shares(Acme=5.5, Bell=19, Cora=70),
    ],
    "net": ["net price (bid a1): it is 11, the award says 12"],
    "price": ["price: it is 100, the award says 99.99"],
    "cost": ["cost: it is 100, the award says 100.01"],
    "ledger": ["ledger: it is 0, the award says 0.01"],
    "no cost": ["cost: it is 100, the award says nan"],
    "objective": ["objective: it is 100, the award says 99.99"],
    "a bound above": ["bound: 100.01 is above the objective 100"],
    "a bound that proves nothing": ["status: the objective is 100, the bound 98: that proves no optimum"],
    "index": ["hhi: it is 0.58, the award says 0.5"],
    "a winner's share": ["by_bidder (Acme, share): it is 0.11, the award says 0.2"],
    "a winner's lots": ["by_bidder (Acme, lots): it is 1, the award says 2"],
    "a winner left out": ["by_bidder (Acme): a winner is missing"],
    "a tie of strangers": ["tied: there is no valid bid zz"],
    "in-house on top": [
        "coverage (lot L1): 2 of a demand of 1 is filled", *sums(190)[1:],
        "status: the objective is 190, the bound 100: that proves no optimum", *shares(90, Acme=11, Bell=19, Cora=70),
    ],
    "in-house where it cannot be": [
        "in-house (lot L4): it cannot be done in-house: no in_house cost is given",
        "coverage (lot L4): 0 of a demand of 1 is filled", *sums(80), "bound: 100 is above the objective 80",
        "by_bidder (Cora): it wins nothing", "by_bidder (Dora): a winner is missing",
        *shares(Acme=11, Bell=19, Dora=50),
    ],
    "in-house in part": [
        "in-house (lot L1): 0.5 of it: it must be the whole lot", "coverage (lot L1): 1.5 of a demand of 1 is filled",
        *sums(145)[1:], "status: the objective is 145, the bound 100: that proves no optimum",
        *shares(45, Acme=11, Bell=19, Cora=70),
    ],
    "in-house too cheap": [
        "in-house (lot L1): it costs 90, the award says 80", sums(89)[0], *sums(179)[1:],
        "status: the objective is 179, the bound 100: that proves no optimum", "by_bidder (Acme): it wins nothing",
        *shares(90, Bell=19, Cora=70),
    ],
    "unawarded and filled": ["unawarded (lot L1): it is filled, and listed as unawarded"],
}  # fmt: skip


@pytest.mark.parametrize("name", SAID_OF_RULES)
def test_a_broken_constraint_is_told_word_for_word(name: str) -> None:
    assert [str(each) for each in po.check(replace(AWARD, policy=po.Policy([BROKEN[name][0]])))] == SAID_OF_RULES[name]


@pytest.mark.parametrize("what", SAID)
def test_a_change_is_told_word_for_word_with_its_amount(what: str) -> None:
    found = po.check(CHANGES[what][0](AWARD))
    assert [str(each) for each in found] == SAID[what]
    for each in found:
        stated = re.search(r"it is (\S+), the award says (\S+)$", each.message)
        if stated and each.rule != "accepted bids":
            true, said = float(stated[1]), float(stated[2])
            assert each.amount == pytest.approx(said - true, rel=1e-6, nan_ok=True)
        for told in (r"the objective is (\S+), the bound ([\d.]+):", r"^(\S+) is above the objective (\S+)$",
                     r"^(\S+) of a demand of (\S+) is filled$"):  # fmt: skip
            stated = re.search(told, each.message)
            if stated:
                assert each.amount == pytest.approx(float(stated[1]) - float(stated[2]))


# For each constraint a limit that the award just keeps, one a little stricter, and by how much that is exceeded.
LIMITS: dict[str, tuple[Callable[[float], Any], float, float, float]] = {
    "Budget": (lambda x: po.Budget(x, lots={"area": "north"}), 30, 29.99, 0.01),
    "Budget of all": (po.Budget, 100, 99.99, 0.01),
    "MinQuality": (lambda x: po.MinQuality(x, across="bid"), 50, 50.001, 0.001),
    "MinQuality in the mean": (lambda x: po.MinQuality(x, across="award"), 0.1 * 50 + 0.2 * 60 + 0.7 * 90, 80.1, 0.1),
    "AttributeBound, most": (lambda x: po.AttributeBound("carbon", at_most=x), 5, 4.999, 0.001),
    "AttributeBound, least": (lambda x: po.AttributeBound("carbon", at_least=x), 2, 2.001, 0.001),
    "AttributeBound of bidders": (lambda x: po.AttributeBound("elsewhere", at_most=x), 30, 29.5, 0.5),
    "MaxShare": (po.MaxShare, 0.7, 0.699, 0.1),
    "MaxShare of spend": (lambda x: po.MaxShare(x, of="spend", lots=["L1", "L2"]), 19 / 30, 0.63, 1 / 3),
    "MaxShare of owners": (lambda x: po.MaxShare(x, per="owner", of="lots", lots=["L1", "L2", "L3"]),
                           2 / 3, 0.66, 2 / 3),
    "MaxShare with what is held": (lambda x: po.MaxShare(x, existing="elsewhere"), 0.35, 0.349, 0.1),
    "MinShare": (lambda x: po.MinShare(x, bidders=["Cora"], of="lots"), 0.5, 0.501, 0.1),
    "MinShare with what is held": (lambda x: po.MinShare(x, bidders=["Dora"], existing="elsewhere"), 0.3, 0.301, 0.1),
    "MaxLots": (po.MaxLots, 2, 1, 1),
    "MaxLots of owners": (lambda x: po.MaxLots(x, per="owner", lots=["L1", "L2"]), 2, 1, 1),
    "MaxLots with what is held": (lambda x: po.MaxLots(x, existing="elsewhere", lots=["L1", "L2"]), 60, 59, 1),
    "MaxLots of owners, with what is held": (
        lambda x: po.MaxLots(x, per="owner", existing="elsewhere", lots=["L1", "L2"]), 60, 41, 1 + 19),
    "MinWinners": (po.MinWinners, 3, 4, 1),
    "MinWinners among owners": (lambda x: po.MinWinners(x, per="owner"), 2, 3, 1),
    "MaxWinners": (po.MaxWinners, 3, 2, 1),
    "MaxHHI": (po.MaxHHI, 0.01 + 0.04 + 0.49, 0.539, 0.1),
    "MaxHHI of owners": (lambda x: po.MaxHHI(x, per="owner"), 0.58, 0.579, 0.1),
    "MaxHHI with what is held": (lambda x: po.MaxHHI(x, existing="elsewhere"),
                                 0.04 + 0.0225 + 0.1225 + 0.09, 0.274, 0.1),
    "MinAward": (lambda x: po.MinAward(x, of="lots"), 1, 2, 2),
    "MinAward of money": (lambda x: po.MinAward(x, of="spend"), 11, 11.01, 1),
    "MinAward of worth": (lambda x: po.MinAward(x, of="estimate", lots=["L2", "L3"]), 20, 21, 1),
    "KeepIncumbents": (lambda x: po.KeepIncumbents("incumbent", max_switches=x), 1, 0, 1),
    "Resilient": (po.Resilient, 71, 70.99, 0.01),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_may_be_reached_and_no_more(name: str) -> None:
    rule, kept, stricter, amount = LIMITS[name]
    assert po.check(replace(AWARD, policy=po.Policy([rule(kept)]))) == []
    found = po.check(replace(AWARD, policy=po.Policy([rule(stricter)])))
    assert {each.rule for each in found} == {name.partition(" ")[0].rstrip(",")}
    assert sum(each.amount for each in found) == pytest.approx(amount, rel=1e-6)


def test_figures_are_right_up_to_the_tolerance_that_is_stated() -> None:
    for name, off in (("price", 1e-9), ("cost", 1e-9), ("objective", 1e-9), ("bound", 1e-9), ("ledger", 1e-9),
                      ("hhi", 5e-10)):  # fmt: skip
        value = getattr(AWARD, name)
        assert po.check(replace(AWARD, **{name: value + off})) == [], name
        assert [each.rule for each in po.check(replace(AWARD, **{name: value + 4e-8}))] == [name], name
    assert po.check(replace(AWARD, bound=99.995)) == []  # within one cent
    assert [each.rule for each in po.check(replace(AWARD, bound=99.99))] == ["status"]
    assert po.check(replace(AWARD, bound=50.0, status="feasible")) == []


def test_what_a_cover_leaves_open_is_said() -> None:
    tender = po.Tender(LOTS, [each for each in BIDS if each["bid"] != "a1"], BIDDERS)
    award = po.award(tender, po.Policy([po.Cover(["L1"], penalty=7)]))

    def said(changed: po.Award) -> list[str]:
        return [str(each) for each in po.check(changed)]

    assert said(replace(award, unawarded=("L1", "L9"))) == ["unawarded (lot L9): there is no such lot"]
    assert said(replace(award, unawarded=("L1", "L2")))[0] == "unawarded (lot L2): no Cover lets it stay unawarded"
    assert said(replace(award, unawarded=()))[0] == "coverage (lot L1): 0 of a demand of 1 is filled"
    assert said(replace(award, violations=award.violations.assign(amount=0.5)))[0] == (
        "Cover (lot L1): exceeded by 1, the award declares 0.5"
    )


def test_more_than_one_place_in_house_is_said() -> None:
    twice = pd.concat([home("L1", 1.0, 90.0)] * 2)
    found = [str(each) for each in po.check(replace(with_bids(AWARD, "b2", "c34"), in_house=twice))]
    assert found[:2] == [
        "in-house (lot L1): it stands more than once",
        "coverage (lot L1): 2 of a demand of 1 is filled",
    ]
    stranger = replace(AWARD, in_house=home("L9", 1.0, 0.0))
    assert [str(each) for each in po.check(stranger)] == ["in-house (lot L9): there is no such lot"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (po.Require(bids=["d1"]), ["Require (bid d1): it is required, and not accepted"]),
        (po.Require(bids=["late"]), ["Require (bid late): it is required, and no valid bid"]),
        (po.Require(bids=["a1", "b2"]), []),
        (po.Require(lots=["L1", "L2"]), []),
        (po.Exclude(bids=["a1", "d1"]), ["Exclude (bid a1): it is excluded"]),
        (po.Exclude(bidders={"kind": "social_organisation"}), []),
        (po.Exclude(bids={"bidder": ["Acme", "Dora"], "quality": 50}), ["Exclude (bid a1): it is excluded"]),
        (po.Exclude(bids={"bidder": ["Acme", "Bell"], "quality": 1}), []),
        (po.Exclude(bids={"bidder": "Bell"}), ["Exclude (bid b2): it is excluded"]),
        (po.Exclude(bidders=["Cora"], lots=["L1"]), []),
        (po.Separate(["L1"], ["L2"], per="bidder"), []),
        (po.Separate(["L3"], ["L4"]), ["Separate (Cora): wins on both sides"]),
        (po.Together(["L3", "L4"]), []),
        (po.Together(["L1", "L2"], per="owner"), []),
        (po.MaxShare(0.5, base="awarded"), ["MaxShare (Cora): 70 % of estimate, 50 % is allowed"]),
        (po.Budget({"north": 29, "south": 71}, each="area"), ["Budget (area north): 30 is spent, 29 allowed"]),
        (po.MaxLots(1, each="area"), ["MaxLots (Cora, area south): 2 lots, 1 are allowed"]),
        (po.MinQuality(95, lots=["L4"], across="bid"),
         ["MinQuality (bid c34): quality is 90, at least 95 is asked for"]),
        (po.MinQuality(60, lots={"area": "north"}, across="award"),
         ["MinQuality: mean quality is 56.6666667, at least 60 is asked for"]),
    ],
)  # fmt: skip
def test_rules_on_some_are_told_where(rule: Any, said: list[str]) -> None:
    assert [str(each) for each in po.check(replace(AWARD, policy=po.Policy([rule])))] == said


# What one discount takes off Cora's 70 for L3 and L4, by hand.
DISCOUNTS: list[tuple[dict[str, Any] | list[dict[str, Any]], float]] = [
    ({"threshold": 2, "measure": "lots", "amount": 5}, 5),
    ({"threshold": 3, "measure": "lots", "amount": 5}, 0),
    ({"threshold": 2, "measure": "quantity", "percent": 10}, 7),
    ({"threshold": 70, "measure": "spend", "percent": 10}, 7),
    ({"threshold": 70.01, "measure": "spend", "percent": 10}, 0),
    ({"threshold": 1, "measure": "lots", "amount": 99}, 70),  # no more than there is
    ([{"threshold": 1, "measure": "lots", "amount": 3}, {"threshold": 2, "measure": "lots", "amount": 5}], 5),
    ([{"threshold": 10, "measure": "spend", "percent": 10, "kind": "incremental"},
      {"threshold": 30, "measure": "spend", "percent": 50, "kind": "incremental"}], 2 + 20),  # 20 at 10 %, 40 at half
    ([{"threshold": 10, "measure": "spend", "amount": 3, "kind": "incremental"},
      {"threshold": 30, "measure": "spend", "amount": 4, "kind": "incremental"},
      {"threshold": 80, "measure": "spend", "amount": 4, "kind": "incremental"}], 3 + 4),
    ([{"threshold": 0, "measure": "lots", "percent": 10, "kind": "incremental"},
      {"threshold": 1, "measure": "lots", "percent": 20, "kind": "incremental"}], 0.3 / 2 * 70),
]  # fmt: skip


@pytest.mark.parametrize(("tiers", "off"), DISCOUNTS)
def test_what_a_discount_takes_off(tiers: Any, off: float) -> None:
    rows = [{"bidder": "Cora", "lots": "L3;L4"} | tier for tier in (tiers if isinstance(tiers, list) else [tiers])]
    discounted = replace(AWARD, tender=TENDER.replace(discounts=rows))
    net, price = (str(each) for each in po.check(discounted)[:2]) if off else ("", "")
    if off:
        assert net == f"net price (bid c34): it is {70 - off:.15g}, the award says 70"
        assert price == f"price: it is {100 - off:.15g}, the award says 100"
    else:
        assert po.check(discounted) == []


def test_a_score_in_money_is_recomputed_in_money() -> None:
    award = po.award(TENDER, po.Policy(objective=po.BestScore(po.LowestPrice())))
    assert po.check(award) == []
    found = po.check(replace(award, score=-99.0))
    assert [(str(each), each.amount) for each in found] == [("score: it is -100, the award says -99", 1.0)]
    worse = po.check(replace(award, objective=101.0, bound=100.5))
    assert [str(each) for each in worse] == [
        "objective: it is 100, the award says 101",
        "bound: 100.5 is above the objective 100",
    ]


def test_a_score_in_points_is_recomputed() -> None:
    """Cora's 70 against 50 + 45 for L3 and L4 is not the cheapest cover by itself: all points are full but Dora's."""
    award = po.award(TENDER, po.Policy(objective=po.BestScore(RelativePrice(1))))
    assert award.score == pytest.approx(100)
    found = po.check(replace(award, score=99.0, objective=-99.0, bound=-99.0))
    assert [str(each) for each in found] == [
        "score: it is 100, the award says 99",
        "objective: it is -100, the award says -99",
        "bound: -99 is above the objective -100",
    ]
    assert [str(each) for each in po.check(replace(award, bound=-100.1))] == [
        "status: the objective is -100, the bound -100.1: that proves no optimum"
    ]


def test_a_long_list_is_cut_short() -> None:
    rows = [{"bid": f"b{i}", "bidder": "X", "lots": f"L{i}", "price": 5} for i in range(10)]
    award = po.award(po.Tender([{"lot": f"L{i}", "was": "Y"} for i in range(10)], rows))
    for count, said in ((8, "L0, L1, L2, L3, L4, L5, L6, L7"), (9, "L0, L1, L2, L3, L4, L5, L6, L7 and 1 more")):
        rule = po.KeepIncumbents("was", max_switches=0, lots=[f"L{i}" for i in range(count)])
        (found,) = po.check(replace(award, policy=po.Policy([rule])))
        assert found.message == f"{count} lots leave their incumbent, 0 may: {said}"


def test_a_lot_filled_in_parts() -> None:
    lots = [{"lot": "A", "demand": 4, "estimate": 8, "in_house": 40}]
    bids = [{"bid": "x", "bidder": "X", "lots": "A", "price": 20, "min_fraction": 0.25},
            {"bid": "y", "bidder": "Y", "lots": "A", "price": 24, "min_fraction": 0.5}]  # fmt: skip
    tender = po.Tender(lots, bids, money_unit=1)
    award = po.award(tender, po.Policy([po.MaxShare(0.5)]))
    assert award.bids["fraction"].tolist() == [0.5, 0.5]
    assert po.check(award) == []

    def said(**fractions: float) -> list[str]:
        changed = award.bids.assign(fraction=award.bids["bid"].map(fractions))
        wrong = [each for each in po.check(replace(award, bids=changed)) if each.rule in ("fractions", "coverage")]
        return [str(each) for each in wrong]

    assert said(x=0.5, y=0.4) == [
        "fractions (bid y): 0.4 of it: it must be 0 or from 0.5 to 1",
        "coverage (lot A): 3.6 of a demand of 4 is filled",
    ]
    assert said(x=0.25, y=0.75) == []
    assert said(x=0.0, y=1.0) == []
    assert said(x=0.5, y=0.75) == ["coverage (lot A): 5 of a demand of 4 is filled"]
    half = replace(award, bids=award.bids.query("bid == 'x'"), in_house=home("A", 0.5, 20.0))
    assert not {"in-house", "coverage", "fractions"} & {each.rule for each in po.check(half)}
    none = replace(award, bids=award.bids.query("bid == 'x'"), in_house=home("A", 1.25, 50.0))
    assert str(po.check(none)[0]) == "in-house (lot A): 1.25 of it: it must be a part above 0 and at most 1"


def test_every_item_of_a_ledger_is_recomputed() -> None:
    """a1, b2 and c34 for 100; L1 leaves its incumbent; 7 valid bids of Acme 1, Bell 2, Cora 1 and Dora 3."""
    lots = [lot | {"watch": i, "again": 10 * i} for i, lot in enumerate(LOTS, 1)]
    bidders = [each | {"risk": i / 10, "of_each": i} for i, each in enumerate(BIDDERS, 1)]
    tender = TENDER.replace(lots=lots, bidders=bidders)
    items: list[tuple[dict[str, Any], float]] = [
        ({"search": 7}, 7),
        ({"specification": 2}, 4 * 2),
        ({"specification": "watch"}, 1 + 2 + 3 + 4),
        ({"per_bid_evaluated": 0.5}, 7 * 0.5),
        ({"bid_preparation": "of_each"}, 1 * 1 + 2 * 2 + 1 * 3 + 3 * 4),
        ({"per_contract": "carbon"}, 3 + 5 + 2),
        ({"enforcement": "of_each"}, 1 + 2 + 3),
        ({"per_supplier": "of_each"}, 1 + 2 + 3),
        ({"per_switch": "watch"}, 1),
        ({"monitoring": "watch"}, 1 + 2 + 3 + 4),
        ({"adaptation": "risk"}, 0.1 * 11 + 0.2 * 19 + 0.3 * 70),
        ({"default": "risk", "replacement": "again"}, 0.1 * 10 + 0.2 * 20 + 0.3 * (30 + 40)),
        ({"default": 0.5, "replacement": 4}, 0.5 * 4 * 4),
    ]
    for figures, expected in items:
        award = replace(AWARD, tender=tender, policy=po.Policy(ledger=po.Ledger(**figures)))
        cost = AWARD.cost + expected
        right = replace(award, ledger=expected, cost=cost, objective=cost, bound=cost)
        assert po.check(right) == [], figures
        assert str(po.check(award)[0]) == f"ledger: it is {expected:.15g}, the award says 0", figures


def test_an_objective_that_is_not_known_is_said() -> None:
    class Mine(po.LowestCost):
        pass

    (found,) = po.check(replace(AWARD, policy=po.Policy(objective=Mine())))
    assert str(found) == "objective: not independently checked: Mine is not known here"


def test_deductions_and_quality_in_money_are_recomputed() -> None:
    bidders = [each | {"deduction": 0.1 if each["bidder"] == "Cora" else 0.0} for each in BIDDERS]
    preferred = replace(AWARD, tender=TENDER.replace(bidders=bidders))
    assert [str(each) for each in po.check(preferred)] == [
        "objective: it is 93, the award says 100",
        "bound: 100 is above the objective 93",
    ]
    for value, worth in ((0.5, 0.5 * (50 + 60 + 2 * 90)), ("estimate", 10 * 50 + 20 * 60 + (30 + 40) * 90)):
        valued = replace(AWARD, policy=po.Policy(objective=po.QualityAdjusted(value)))
        true = 100 - worth
        assert str(po.check(valued)[0]) == f"objective: it is {true:.15g}, the award says 100"
    lots = [lot | {"in_house_quality": 80, "in_house": 90} for lot in LOTS]
    own = replace(with_bids(AWARD, "a1", "b2"), in_house=pd.concat([home("L3", 1.0, 90.0), home("L4", 1.0, 90.0)]),
                  tender=TENDER.replace(lots=lots), policy=po.Policy(objective=po.QualityAdjusted(0.5)))  # fmt: skip
    said = {each.rule: each.message for each in po.check(own)}
    assert said["objective"] == f"it is {11 + 19 + 180 - 0.5 * (50 + 60 + 80 + 80):g}, the award says 100"


def test_what_is_held_together_may_be_in_house_or_open() -> None:
    rule = po.Policy([po.Together(["L1", "L2"])])
    own = replace(with_bids(AWARD, "c34"), in_house=pd.concat([home("L1", 1.0, 90.0), home("L2", 1.0, 90.0)]))
    assert "Together" not in {each.rule for each in po.check(replace(own, policy=rule))}
    mixed = replace(with_bids(AWARD, "b2", "c34"), in_house=home("L1", 1.0, 90.0), policy=rule)
    assert "Together: the lots are parted: Bell, in-house" in [str(each) for each in po.check(mixed)]


def test_a_package_is_divided_by_estimate_where_a_rule_is_on_a_part_of_it() -> None:
    """c34 asks 70 for L3 and L4, worth 30 and 40."""
    for lots, part in ((["L3"], 30), (["L4"], 40), (["L1", "L3"], 11 + 30), (["L2", "L4"], 19 + 40)):
        assert po.check(replace(AWARD, policy=po.Policy([po.Budget(part, lots=lots)]))) == []
        (found,) = po.check(replace(AWARD, policy=po.Policy([po.Budget(part - 0.01, lots=lots)])))
        assert found.message == f"{part} is spent, {part - 0.01:.15g} allowed"
    discount = {"bidder": "Cora", "lots": "L3;L4", "threshold": 1, "measure": "lots", "percent": 10}
    cheaper = replace(AWARD, tender=TENDER.replace(discounts=[discount]))
    said = [str(each) for each in po.check(replace(cheaper, policy=po.Policy([po.Budget(20, lots=["L3"])])))]
    assert "Budget: 27 is spent, 20 allowed" in said  # a discount belongs to the lots it covers


def test_the_outcome_of_an_award_in_money_units() -> None:
    def outcome(*rules: Any, **more: Any) -> tuple[float, str]:
        return Facts.of(replace(AWARD, policy=po.Policy(rules, **more))).outcome()

    assert outcome() == (10_000, "")
    assert outcome(po.MaxLots(2)) == (10_000, "")
    assert outcome(po.MaxLots(1)) == (float("inf"), "")
    assert outcome(po.MaxLots(1, penalty=3), po.MaxShare(0.5, penalty=2)) == (10_000 + 300 + 4_000, "")
    assert outcome(po.Resilient(0, penalty=1)) == (10_000 + 1_400 + 7_100 + 2_500, "")
    unknown, why = outcome(po.MaxLots(2), objective=type("Mine", (po.LowestCost,), {})())
    assert (np.isnan(unknown), why) == (True, "Mine is not known here")
    unknown, why = outcome(type("Theirs", (po.MaxLots,), {})(2))
    assert (np.isnan(unknown), why) == (True, "Theirs cannot be: there is no twin of it")


def test_what_no_money_mends_is_a_violation_of_a_soft_rule_too() -> None:
    award = po.award(po.Tender([{"lot": "A"}], [{"bid": "x", "bidder": "X", "lots": "A", "price": 8}]))
    soft = replace(award, policy=po.Policy([po.Resilient(5, penalty=1)]))
    assert [str(each) for each in po.check(soft)] == ["Resilient (X): nothing can replace its contracts"]
    assert Facts.of(soft).outcome() == (float("inf"), "")


def test_a_consortium_has_room_of_its_own_and_takes_its_part_of_its_members() -> None:
    rows = [{"bid": "x", "bidder": "X", "lots": "A", "price": 5},
            {"bid": "z", "bidder": "XY", "lots": "B;C", "price": 5}]  # fmt: skip

    def said(**room: float) -> list[str]:
        bidders = [{"bidder": name, "room": room[name]} for name in ("X", "Y")]
        bidders += [{"bidder": "XY", "members": "X:0.75;Y:0.25", "room": room["XY"]}]
        award = po.award(po.Tender([{"lot": lot} for lot in "ABC"], rows, bidders))
        return [str(each) for each in po.check(replace(award, policy=po.Policy([po.Capacity("room")])))]

    assert said(X=2.5, Y=0.5, XY=2) == []
    assert said(X=2.5, Y=0.5, XY=1) == ["Capacity (XY): 2 units, there is room for 1"]
    assert said(X=2, Y=0.5, XY=2) == ["Capacity (X): 2.5 units, there is room for 2"]
    assert said(X=2.5, Y=0.25, XY=2) == ["Capacity (Y): 0.5 units, there is room for 0.25"]


def test_shares_of_nothing_are_nothing() -> None:
    free = po.award(po.Tender([{"lot": "A"}], [{"bid": "x", "bidder": "X", "lots": "A", "price": 0}]))
    rules = (po.MaxShare(0.5, of="spend"), po.MaxHHI(0.5, of="spend"), po.MinShare(0.5, bidders=["X"], of="spend"))
    assert po.check(replace(free, policy=po.Policy(rules))) == []


def test_bids_on_a_thin_lot_are_told_why_they_are_set_aside() -> None:
    found = [str(each) for each in po.check(replace(AWARD, policy=po.Policy(min_bidders=2)))]
    assert found[0] == "accepted bids (bid b2): it was rejected: a lot of it has fewer than 2 bidders"
    failing = [str(each) for each in po.check(replace(AWARD, policy=po.Policy(min_bidders=2, few_bidders="fail")))]
    assert failing[0] == (
        "min_bidders (lot L2): fewer than 2 bidders sent valid bids, and the policy then lets the tender fail"
    )


def test_a_lot_that_must_be_let_is_not_done_in_house() -> None:
    own = replace(with_bids(AWARD, "b2", "c34"), in_house=home("L1", 1.0, 90.0))
    said = [str(each) for each in po.check(replace(own, policy=po.Policy([po.Require(lots=["L1", "L2"])])))]
    assert "Require (lot L1): it must be let to bidders" in said
    assert not any("lot L2" in each for each in said)


def test_part_of_a_lot_stays_open() -> None:
    bids = [{"bid": "x", "bidder": "X", "lots": "A", "price": 20, "min_fraction": 0.25}]
    tender = po.Tender([{"lot": "A", "demand": 4}], bids, money_unit=1)
    award = po.award(tender, po.Policy([po.Cover(penalty=100)]))
    half = replace(award, bids=award.bids.assign(fraction=0.5, net=10.0), unawarded=("A",))
    said = [str(each) for each in po.check(half)]
    assert "Cover (lot A): exceeded by 0.5, the award declares 0" in said
    assert not any(each.startswith(("coverage", "unawarded")) for each in said)


def test_a_ledger_without_switches_needs_no_incumbents() -> None:
    tender = po.Tender([{"lot": "A"}], [{"bid": "x", "bidder": "X", "lots": "A", "price": 5}])
    assert po.check(po.award(tender, po.Policy(ledger=po.Ledger(search=7)))) == []


def test_replacements_by_several_bids_and_in_house() -> None:
    """Cora's L3 and L4 for 70: Dora asks 50 and 45; in-house does L3 alone, for 90; an xor bid of Bell is busy."""
    more = [*BIDS, {"bid": "e", "bidder": "Echo", "lots": "L3;L4", "price": 93, "fixed": 1},
            {"bid": "f", "bidder": "Bell", "lots": "L3;L4", "price": 1, "xor": "one"}]  # fmt: skip
    bidders = [*BIDDERS, {"bidder": "Echo"}]
    award = replace(AWARD, tender=po.Tender(LOTS, more, bidders))
    extra = {each.where: each.amount for each in po.check(replace(award, policy=po.Policy([po.Resilient(0)])))
             if each.rule == "Resilient"}  # fmt: skip
    assert extra == pytest.approx({"Acme": 25 - 11, "Bell": 90 - 19, "Cora": 94 - 70})
    dearer = [each | ({"price": 96} if each["bid"] in ("e", "d3") else {}) for each in more]
    award = replace(AWARD, tender=po.Tender(LOTS, dearer, bidders))
    extra = {each.where: each.amount for each in po.check(replace(award, policy=po.Policy([po.Resilient(0)])))
             if each.rule == "Resilient"}  # fmt: skip
    assert extra["Cora"] == pytest.approx(97 - 70)


def test_a_divisible_bid_that_is_taken_whole_is_no_replacement() -> None:
    bids = [{"bid": "x", "bidder": "X", "lots": "A:2", "price": 8},
            {"bid": "y", "bidder": "Y", "lots": "A:2", "price": 3, "min_fraction": 0.5},
            {"bid": "z", "bidder": "Z", "lots": "A:2", "price": 10}]  # fmt: skip
    award = po.award(po.Tender([{"lot": "A", "demand": 4}], bids), po.Policy(tie_break=None))
    assert sorted(award.bids["bid"]) == ["x", "y"]
    found = po.check(replace(award, policy=po.Policy([po.Resilient(0)], tie_break=None)))
    assert {each.where: each.amount for each in found if each.amount == 2} == {"X": pytest.approx(10 - 8)}


def test_a_part_is_replaced_by_as_much_in_house() -> None:
    """Half of A in-house costs 9 of 18, and Z's half 10: X's, for 8, is replaced for 1 more."""
    bids = [{"bid": "x", "bidder": "X", "lots": "A:2", "price": 8},
            {"bid": "y", "bidder": "Y", "lots": "A:2", "price": 3, "min_fraction": 0.5},
            {"bid": "z", "bidder": "Z", "lots": "A:2", "price": 10}]  # fmt: skip
    award = po.award(po.Tender([{"lot": "A", "demand": 4, "in_house": 18}], bids), po.Policy(tie_break=None))
    assert sorted(award.bids["bid"]) == ["x", "y"] and award.cost == 11
    found = po.check(replace(award, policy=po.Policy([po.Resilient(0)], tie_break=None)))
    assert {each.where: each.amount for each in found if each.where == "X"} == {"X": pytest.approx(9 - 8)}


def test_a_lot_that_is_worth_nothing_does_not_count_in_a_mean() -> None:
    lots = [{"lot": "A", "estimate": 0}, {"lot": "B", "estimate": 10}]
    bids = [{"bid": lot, "bidder": lot, "lots": lot, "price": 5, "quality": q} for lot, q in (("A", 90), ("B", 50))]
    award = replace(po.award(po.Tender(lots, bids)), policy=po.Policy([po.MinQuality(60, across="award")]))
    assert [str(each) for each in po.check(award)] == ["MinQuality: mean quality is 50, at least 60 is asked for"]


def test_incumbents_may_have_numbers_for_names() -> None:
    """A column of 7 and a blank is one of figures: 7.0 is the bidder 7, and the blank is nobody."""
    lots = [{"lot": "A", "incumbent": 7}, {"lot": "B", "incumbent": None}]
    bids = [{"bid": "a", "bidder": 7, "lots": "A", "price": 5}, {"bid": "b", "bidder": 8, "lots": "B", "price": 5}]
    award = po.award(po.Tender(lots, bids), po.Policy([po.KeepIncumbents("incumbent", 0)]))
    assert po.check(award) == []


def test_what_an_unknown_soft_rule_charges_is_taken_from_the_award() -> None:
    rule = type("Theirs", (po.MaxLots,), {})(1, penalty=2.0)
    row = {"constraint": repr(rule), "where": "", "amount": 3.0, "unit": "", "charge": 6.0}
    charged = replace(AWARD, policy=po.Policy([rule]), violations=pd.DataFrame([row]), objective=106.0, bound=106.0)
    assert [str(each) for each in po.check(charged)] == ["Theirs: not independently checked: there is no twin of it"]
