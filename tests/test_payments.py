"""Payments: known answers, their duality to selling auctions, what each rule claims, and traps others fell into.

Tables in `known/payments_*.csv` say who is paid how much, for tenders and sales in words (`test_known.py`).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import linprog

import brute
import procure_opt as po
import strategies
from procure_opt import payments
from procure_opt.payments import CATALOGUE
from strategies import awarded, examples
from test_award_brute import ALIKE, changed
from test_known import (
    FORWARD,
    LARGE_CATS,
    REVERSE,
    SHARED,
    SMALL_CATS,
    Row,
    cats_answers,
    each_row,
    gams_by_discounts,
    gams_by_segments,
    mirrored,
    needs_cats,
    pairs,
    read_offers,
    reverse_case,
    table,
)  # fmt: skip
from tiny import bid, lots, tender

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import cats

CORE = [name for name, rule in CATALOGUE.items() if isinstance(rule, payments.Core)]
BEYOND_THE_PRICE = [name for name in CATALOGUE if name != "pay_as_bid"]
NO_SEARCH = po.Policy(tie_break=None)


def amounts_of(text: str) -> dict[str, float]:
    """`L1 8; L2 none` as amounts; none is unknown, of a winner without whom there is no award."""
    return {name: math.nan if amount == "none" else float(amount) for name, amount in pairs(text)}


def faults(paid: po.Payments) -> list[str]:
    """What `check` finds, and what it could not look into left out."""
    return [str(found) for found in po.check(paid) if "not independently checked" not in found.message]


def pay_if(award: po.Award, rule: str, by: Any, why: str = "") -> po.Payments | None:
    """Payments; None where they are refused, for one of these reasons."""
    try:
        return po.pay(award, rule, by=by)
    except ValueError as refused:
        if not re.search(why, str(refused)):
            raise
        return None


def named(name: str, *rules: Any, **more: Any) -> po.Award:
    """The award of a tender in words."""
    return po.award(worded(name, **more), po.Policy(rules))


def worded(name: str, **more: Any) -> po.Tender:
    """A tender of `known/reverse_bids.csv`, or one given in words."""
    demand, bids = read_offers(REVERSE.get(name) or name.split("; "))
    rows = [{"lot": lot, "demand": units} | more.get("lots", {}) for lot, units in demand.items()]
    more = {key: value for key, value in more.items() if key != "lots"}
    return po.Tender(rows, [row | {"price": row["amount"]} for row in bids], **more)


# ---- known answers: tenders -------------------------------------------------------------------------------


@each_row("payments_tenders.csv", "tender", "rule", "payment")
def test_tender_pays(row: Row) -> None:
    offers, policy = reverse_case(row | {"without": ""})
    paid = po.pay(po.award(offers, policy), row["payment"])
    assert paid.amounts.to_dict() == pytest.approx(amounts_of(row["paid"]), nan_ok=True, abs=1e-8)
    assert paid.pivotal == tuple(name for name, amount in amounts_of(row["paid"]).items() if math.isnan(amount))
    assert paid.total == pytest.approx(sum(amounts_of(row["paid"]).values()), nan_ok=True)
    assert faults(paid) == []


def test_vcg_of_the_locals_is_outside_the_core() -> None:
    """8 + 8 against an offer of 10."""
    assert po.pay(named("outside core"), "vcg").core_violation == pytest.approx(6)
    assert po.pay(named("unequal locals"), "vcg").core_violation == pytest.approx(3)
    assert po.pay(named("six bidders"), "vcg").core_violation == pytest.approx(4)
    assert po.pay(named("two pairs"), "vcg").core_violation == pytest.approx(3)


def test_two_more_bidders_make_vcg_dearer() -> None:
    before, after = named("two packages"), named("two packages and two locals")
    assert (before.cost, after.cost) == (10, 4)
    assert [po.pay(before, rule).total for rule in ("vcg", "core")] == [10, pytest.approx(10)]
    assert [po.pay(after, rule).total for rule in ("vcg", "core")] == [16, pytest.approx(10)]


SHILLS = "G: AB 10; S1: A 1; S2: B 1"


def test_a_loser_who_bids_under_two_names() -> None:
    """Its work costs 12, so against G's 10 it loses; as S1 and S2 it is paid 18 under VCG, and 10 in the core."""
    honest = named("G: AB 10; S: AB 12")
    assert po.pay(honest, "vcg").amounts.to_dict() == {"G": 12}
    shills = named(SHILLS, bidders=[{"bidder": "G"}, *({"bidder": name, "owner": "S"} for name in ("S1", "S2"))])
    paid = po.pay(shills, "vcg")
    assert paid.amounts.to_dict() == {"S1": 9, "S2": 9} and paid.total - 12 == 6
    assert not paid.truthful and any("act as one" in reason and "S" in reason for reason in paid.why_not)
    assert po.pay(shills, "core").total == pytest.approx(10)
    together = po.pay(shills, "vcg", by="owner")
    assert together.amounts.to_dict() == {"S": 10} and together.truthful
    assert faults(together) == []


def test_two_losers_who_collude() -> None:
    """7 + 7 loses against 10; bidding 1 + 1 they are paid 18 for what costs them 14."""
    assert po.pay(named("G: AB 10; L1: A 7; L2: B 7"), "vcg").amounts.to_dict() == {"G": 14}
    lie = po.pay(named("G: AB 10; L1: A 1; L2: B 1"), "vcg")
    assert lie.amounts.to_dict() == {"L1": 9, "L2": 9} and lie.total - 14 == 4


@each_row("payments_factors.csv", "source")
def test_a_factor_on_the_price_divides_what_is_paid_beyond_it(row: Row) -> None:
    def of(name: str, column: str) -> float:
        return float(row[f"{name} {column}"])

    bidders = [{"bidder": name, "deduction": of(name, "deduction"), "a": of(name, "adaptation")} for name in "XY"]
    offers = tender("A", *[bid(name, name, "A", of(name, "bids")) for name in "XY"], bidders=bidders)
    award = po.award(offers, po.Policy(ledger=po.Ledger(adaptation="a")))
    for rule in ("vcg", *CORE[:2]):
        paid = po.pay(award, rule)
        assert paid.amounts.to_dict() == pytest.approx({row["wins"]: float(row["paid"])}, abs=1e-8), rule
        assert paid.truthful == (rule == "vcg") and faults(paid) == []


# ---- known answers: discounts, quality --------------------------------------------------------------------


@pytest.mark.parametrize("read", [
    gams_by_segments, gams_by_discounts, lambda without: gams_by_discounts(without, "spend"),
], ids=["segments", "incremental on quantity", "incremental on spend"])  # fmt: skip
def test_gams_bid_pays(read: Any) -> None:
    known = {row["vendor"]: float(row["vcg"]) for row in table("payments_gams_bid.csv")}
    award = po.award(read(""), NO_SEARCH)
    paid = po.pay(award, "vcg")
    assert paid.amounts.to_dict() == pytest.approx(known, abs=0.01) and paid.truthful
    core = po.pay(award, "core")
    assert core.total <= paid.total + 0.01 and core.core_violation < 0.01
    assert (core.amounts >= award.by_bidder["price"][core.amounts.index] - 1e-6).all()


def quality_tender() -> po.Tender:
    """Each pattern of qualities is an exclusive bid of its own.

    A bid has one quality: the mean by what a point is worth on each lot, so that the bid is worth what its pattern is.
    """
    worth, grade = {"A": 4, "B": 6, "C": 5}, {"L": 3, "H": 4}
    prices = {"S1 ABC": (3, 3, 4), "S2 AB": (4, 2), "S3 C": (3,)}  # a point of quality, on each lot
    rows = []
    for who, price in prices.items():
        bidder, on = who.split()
        for pattern in itertools.product("LH", repeat=len(on)):
            points = [grade[letter] for letter in pattern]
            mean = sum(worth[lot] * x for lot, x in zip(on, points)) / sum(worth[lot] for lot in on)
            total = sum(p * x for p, x in zip(price, points))
            name = f"{bidder} {''.join(pattern)}"
            rows.append(bid(name, bidder, ";".join(on), total, quality=mean, xor="pattern"))
    return po.Tender([{"lot": lot, "worth": value} for lot, value in worth.items()], rows, money_unit=1)


def test_quality_adjusted_vcg() -> None:
    known = {row["quality of A B C"]: row for row in table("payments_quality.csv")}
    found = set()
    for seed in range(8):
        policy = po.Policy(objective=po.QualityAdjusted("worth"), tie_break=po.DrawLots(seed))
        award = po.award(quality_tender(), policy)
        assert award.objective == pytest.approx(-24) and set(award.tied or ()) == {"S2 HH", "S2 LH"}
        pattern = "".join(name.split()[1] for name in sorted(award.bids["bid"]))
        paid, due = po.pay(award, "vcg"), known[pattern]
        assert paid.amounts.to_dict() == pytest.approx({name: float(due[name]) for name in ("S2", "S3")})
        utility = award.price + 24  # the surplus is what the buyer is worth beyond the prices
        assert utility - paid.total == pytest.approx(float(due["surplus"]))
        assert paid.truthful and faults(paid) == []
        found.add(pattern)
    assert found == known.keys()


# ---- known answers: sales, through the duality law --------------------------------------------------------


def sale(auction: str) -> tuple[po.Award, pd.Series]:
    """The procurement that mirrors a sale, and Σ r of the lots of each winner: it pays the seller Σ r − p."""
    demand, bids = read_offers(FORWARD[auction])
    reserve = next(float(row["reserve"]) for row in table("forward_awards.csv") if row["auction"] == auction)
    award = po.award(mirrored(demand, bids, reserve))
    return award, (award.bids["units"] * reserve).groupby(award.bids["bidder"]).sum()


@each_row("payments_sales.csv", "auction", "payment")
def test_sale_pays(row: Row) -> None:
    award, worth = sale(row["auction"])
    paid = po.pay(award, row["payment"])
    assert (worth - paid.amounts).to_dict() == pytest.approx(amounts_of(row["paid"]), abs=1e-8)
    assert paid.core_violation < 1e-6 and faults(paid) == []
    if row["payment"] in CORE:  # rules of one kind agree on the total
        assert [po.pay(award, rule).total for rule in CORE] == pytest.approx([paid.total] * len(CORE))


@each_row("forward_awards.csv", "auction")
def test_sale_pays_vcg(row: Row) -> None:
    award, worth = sale(row["auction"])
    paid = po.pay(award, "vcg")
    if row["VCG"]:
        assert (worth - paid.amounts).to_dict() == pytest.approx(amounts_of(row["VCG"]), abs=1e-9)
    assert paid.truthful and faults(paid) == []


@needs_cats
@pytest.mark.parametrize("name", [*SMALL_CATS, *LARGE_CATS[:3]])
def test_cats_pay(name: str) -> None:
    auction = cats.read_auction(SHARED / "cats" / f"{name}.txt")
    offers, worth = cats.procurement(auction)
    award, known = po.award(offers, NO_SEARCH), cats_answers()[f"{name}.txt"]
    paid = {rule: po.pay(award, rule) for rule in ("vcg", *CORE)}
    revenue = {rule: cats.forward(award, worth, found.amounts) for rule, found in paid.items()}
    assert revenue["vcg"].sum() == pytest.approx(np.sum(known["VCG"]), abs=5e-7)
    # The reference of the matching file stopped a money unit above the least revenue in the core.
    for rule in CORE:
        assert revenue[rule].sum() == pytest.approx(known["MRC"], abs=max(5.01e-7, 1.01 * auction.money_unit))
    assert paid["core"].core_violation < auction.money_unit / 100
    for column, rule in (("VCG", "vcg"), ("VCG_nearest", "core")):
        if f"{column}_by_bid" in known:
            said = {f"B{number}": amount for number, amount in known[f"{column}_by_bid"].items()}
            assert revenue[rule].to_dict() == pytest.approx(said, abs=1e-6)
        elif isinstance(known.get(column), list):
            order = sorted(revenue[rule].index, key=lambda bidder: int(bidder[1:]))
            assert revenue[rule][order].tolist() == pytest.approx(known[column], abs=1e-6)
    if name == "wurman2004example":  # awards tie; dummies 3, 4 and 5 are bidders 0, 1 and 2
        core = revenue["core"].reindex(["B0", "B1", "B2"]).fillna(0)
        said = known["VCG_nearest"]
        assert core["B0"] == pytest.approx(said["DB3"]) and core[["B1", "B2"]].sum() == pytest.approx(said["DB4+DB5"])


# ---- the duality law on sales drawn at random -------------------------------------------------------------
# The sale is worked out by itself: every allotment, every coalition, every corner of the core.

Goods = frozenset[str]
Sale = list[dict[Goods, int]]  # what each bidder would give for each of some bundles, of which it wants one


@st.composite
def sales(draw: Any) -> Sale:
    """Up to four goods and four bidders."""
    goods = "ABCD"[: draw(st.integers(2, 4))]
    bundles = st.frozensets(st.sampled_from(goods), min_size=1, max_size=3)
    wanted = st.dictionaries(bundles, st.integers(0, 10), min_size=1, max_size=3)
    return list(draw(st.lists(wanted, min_size=2, max_size=4)))


def allotments(wanted: Sale, at: int = 0, gone: Goods = frozenset()) -> Iterator[dict[int, Goods]]:
    """Every way to give some bidders one of their bundles each."""
    if at == len(wanted):
        yield {}
        return
    yield from allotments(wanted, at + 1, gone)
    for bundle in wanted[at]:
        if not bundle & gone:
            yield from ({at: bundle} | rest for rest in allotments(wanted, at + 1, gone | bundle))


def coalition_values(wanted: Sale) -> dict[frozenset[int], int]:
    """The most that the goods are worth to each set of bidders."""
    worth = [(sum(wanted[i][x] for i, x in found.items()), frozenset(found)) for found in allotments(wanted)]
    everyone = range(len(wanted))
    return {
        frozenset(some): max(value for value, users in worth if users <= set(some))
        for size in range(len(wanted) + 1)
        for some in itertools.combinations(everyone, size)
    }


def projections(goal: Any, rows: Any, most: Any, size: int, plane: tuple[Any, Any]) -> Any:
    """The goal projected on the plane and on the edges of any `size` of the rows; of these what meets all rows."""
    n, chosen = len(goal), list(itertools.combinations(range(len(rows)), size))
    some = np.array(chosen, dtype=int).reshape(len(chosen), size)
    left = np.concatenate([np.broadcast_to(plane[0], (len(some), *plane[0].shape)), rows[some]], axis=1)
    right = np.concatenate([np.broadcast_to(plane[1], (len(some), *plane[1].shape)), most[some]], axis=1)
    gram = left @ left.transpose(0, 2, 1)
    apart = np.abs(np.linalg.det(gram)) > 1e-9
    off = (left @ goal - right)[apart][..., None]
    found = goal - (left[apart].transpose(0, 2, 1) @ np.linalg.solve(gram[apart], off))[..., 0]
    return found[(found @ rows.T <= most + 1e-9).all(axis=1)].reshape(-1, n)


def nearest_in_core(rows: Any, most: Any, goal: Any) -> Any:
    """Of z ≥ 0 with rows @ z ≤ most those of the largest sum, and of these the nearest to the goal.

    The largest sum is at a corner; the nearest point is the projection of the goal on some face.
    """
    n = len(goal)
    rows, most = np.vstack([rows, -np.eye(n)]), np.append(most, np.zeros(n))
    corners = projections(goal, rows, most, n, (np.empty((0, n)), np.empty(0)))
    plane = np.ones((1, n)), np.array([corners.sum(axis=1).max()])
    near = np.concatenate([projections(goal, rows, most, size, plane) for size in range(n)])
    return near[np.linalg.norm(near - goal, axis=1).argmin()]


class Sold:
    """What the winners of a sale pay the seller under each rule."""

    def __init__(self, wanted: Sale, won: dict[int, Goods]) -> None:
        self.wanted, self.won, self.winners = wanted, won, sorted(won)
        self.worth = coalition_values(wanted)
        self.value = np.array([wanted[i][won[i]] for i in self.winners], dtype=float)

    def vcg(self) -> Any:
        everyone = frozenset(range(len(self.wanted)))
        others = np.array([self.worth[everyone - {i}] for i in self.winners])
        return others - (self.worth[everyone] - self.value)

    def core(self, reference: Any) -> Any:
        """Winners left out of a coalition keep no more of their value together than it would give up."""
        total = max(self.worth.values())
        least: dict[tuple[bool, ...], int] = {}
        for coalition, value in self.worth.items():
            out = tuple(i not in coalition for i in self.winners)
            least[out] = min(least.get(out, total - value), total - value)
        rows = {out: most for out, most in least.items() if any(out)}
        kept = nearest_in_core(
            np.array(list(rows), dtype=float), np.array(list(rows.values()), dtype=float), self.value - reference
        )
        return self.value - kept

    def clearing(self, *, pays: Any = None) -> float | None:
        """The least revenue at prices of goods at which everybody has the bundle it likes best; None if there are none.

        With `pays`: of the prices that cost the winners so much.
        """
        goods = sorted(frozenset().union(*(bundle for wanted in self.wanted for bundle in wanted)))

        def uses(bundle: Goods) -> Any:
            return np.array([float(good in bundle) for good in goods])

        sold = frozenset().union(*self.won.values())
        rows, most = [], []
        for i, wanted in enumerate(self.wanted):
            mine = self.won.get(i, frozenset())
            got = wanted.get(mine, 0)
            for bundle, value in [*wanted.items(), (frozenset(), 0)]:
                rows.append(uses(mine) - uses(bundle))
                most.append(got - value)
        equal = {} if pays is None else {"A_eq": [uses(self.won[i]) for i in self.winners], "b_eq": pays}
        bounds = [(0, None if good in sold else 0) for good in goods]
        found = linprog(uses(sold), A_ub=rows, b_ub=most, bounds=bounds, **equal)
        return float(found.fun) if found.status == 0 else None


SELLER: dict[str, Callable[[Sold], Any]] = {
    "pay_as_bid": lambda sold: sold.value,
    "vcg": Sold.vcg,
    "core": lambda sold: sold.core(sold.vcg()),
    "core_nearest_bid": lambda sold: sold.core(sold.value),
    "core_nearest_zero": lambda sold: sold.core(0 * sold.value),
}


def test_every_rule_has_its_sale() -> None:
    assert {*SELLER, "uniform"} == set(CATALOGUE)


@examples(80)
@given(sales(), st.data())
def test_a_payment_is_what_the_lots_cost_less_what_a_seller_is_paid(wanted: Sale, data: Any) -> None:
    goods = sorted(frozenset().union(*(bundle for offers in wanted for bundle in offers)))
    dearest = max(value for offers in wanted for value in offers.values())
    own = {good: data.draw(st.integers(dearest, dearest + 3)) for good in goods}
    bundles = {f"b{i}.{j}": (i, bundle) for i, offers in enumerate(wanted) for j, bundle in enumerate(offers)}
    rows = [
        bid(name, f"B{i}", ";".join(sorted(x)), sum(own[good] for good in x) - wanted[i][x], xor="one")
        for name, (i, x) in bundles.items()
    ]
    award = po.award(tender([{"lot": good, "in_house": cost} for good, cost in own.items()], *rows), NO_SEARCH)
    sold = Sold(wanted, dict(bundles[name] for name in award.bids["bid"]))
    assert sum(own.values()) - award.cost == max(sold.worth.values())
    names = [f"B{i}" for i in sold.winners]
    lots_cost = np.array([sum(own[good] for good in sold.won[i]) for i in sold.winners], dtype=float)
    for rule, asked in SELLER.items():
        if names:
            paid = po.pay(award, rule).amounts[names].to_numpy()
            assert paid == pytest.approx(lots_cost - asked(sold), abs=1e-6), rule
        assert len(po.pay(award, rule).amounts) == len(names)
    least = sold.clearing()
    if least is None:
        with pytest.raises(ValueError, match="no uniform prices"):
            po.pay(award, "uniform")
    elif names:
        asked = lots_cost - po.pay(award, "uniform").amounts[names].to_numpy()
        assert asked.sum() == pytest.approx(least, abs=1e-6)
        assert sold.clearing(pays=np.round(asked, 9)) is not None


# ---- claims, on tenders and policies of every feature -----------------------------------------------------


def alike(bidders: Iterable[str], world: brute.World, by: str) -> dict[str, frozenset[str]]:
    """Who acts as one: each bidder, or all whom common owners join, called by these owners."""
    if by == "bidder":
        return {name: frozenset([name]) for name in bidders}
    groups = {name: frozenset().union(*map(world.owners, world.members(name))) for name in world.firms}
    while any(one & other and one != other for one, other in itertools.combinations(groups.values(), 2)):
        groups = {
            name: frozenset().union(*(other for other in groups.values() if other & one))
            for name, one in groups.items()
        }
    return groups


class Enumerated:
    """The economies of an award from every award there is, priced in fractions (`brute.py`)."""

    def __init__(self, award: po.Award, by: str) -> None:
        world = brute.World(award.tender, award.policy)
        entity = alike(world.firms, world, by)
        net = award.bids.groupby("bidder")["net"].sum()
        self.winners = sorted({entity[name] for name in net.index}, key=sorted)
        self.price = np.array([sum(net[n] for n in net.index if entity[n] == one) for one in self.winners])
        self.factor = np.array([
            max(self.weight(world, name) for name in net.index if entity[name] == one) for one in self.winners
        ])  # fmt: skip
        found = [
            (one.objective, {entity[world.bids[name]["bidder"]] for name in one.bids})
            for one in brute.every_award(award.tender, award.policy)
        ]
        least = min(objective for objective, _ in found)
        room: dict[tuple[bool, ...], Fraction] = {}
        for objective, users in found:
            out = tuple(winner not in users for winner in self.winners)
            room[out] = min(room.get(out, objective - least), objective - least)
        self.room = {out: float(more) for out, more in room.items() if any(out)}

    @staticmethod
    def weight(world: brute.World, name: str) -> float:
        firm, ledger = world.firms[name], world.policy.ledger
        share = 0 if ledger is None else ledger.adaptation
        adaptation = brute.number(firm[share] if isinstance(share, str) else share)
        return float(1 - brute.number(firm["deduction"]) + adaptation)

    @property
    def contribution(self) -> Any:
        """What the best award without each winner costs more; infinite if there is none."""
        return np.array([
            min((more for out, more in self.room.items() if out[i]), default=math.inf) for i in range(len(self.winners))
        ])  # fmt: skip

    def amounts(self, paid: po.Payments) -> Any:
        """Amounts in the order of the winners here, who are those paid."""
        listed = {frozenset(name.split(" & ")): amount for name, amount in paid.amounts.items()}
        assert listed.keys() == set(self.winners) and len(paid.amounts) == len(self.winners)
        return np.array([listed[winner] for winner in self.winners])

    def excess(self, surplus: Any) -> float:
        """By how much coalitions are exceeded at most."""
        over = [self.factor[list(out)] @ np.nan_to_num(surplus)[list(out)] - more for out, more in self.room.items()]
        return max(over, default=0.0)

    def is_best(self, surplus: Any, goal: Any) -> bool:
        """Whether surpluses are the nearest to a goal of the largest total: its multipliers are found by programs."""
        free = np.isfinite(self.contribution)
        n, z, goal = int(free.sum()), surplus[free], goal[free]
        if not n:
            return True
        rows = np.array([np.where(out, self.factor, 0.0)[free] for out in self.room if np.array(out)[free].any()])
        most = np.array([more for out, more in self.room.items() if np.array(out)[free].any()])
        if -linprog(-np.ones(n), rows, most).fun > z.sum() + 1e-6:
            return False
        # goal − z = rowsᵀ y + 1 t − w, with y ≥ 0 where a row is met and w ≥ 0 where z is 0; what is off is minimised.
        met, nothing = rows[rows @ z > most - 1e-5], np.eye(n)[z < 1e-5]
        columns = np.hstack([met.T, np.ones((n, 1)), -np.ones((n, 1)), -nothing.T, np.eye(n), -np.eye(n)])
        cost = np.append(np.zeros(columns.shape[1] - 2 * n), np.ones(2 * n))
        return bool(linprog(cost, A_eq=columns, b_eq=goal - z).fun < 1e-4)


def cases(data: Any, **more: Any) -> po.Award:
    """An award of a random tender under a random policy in money."""
    offers = data.draw(strategies.tenders(**more))
    policy = dataclasses.replace(data.draw(strategies.policies(offers, scores=False, max_rules=2)), tie_break=None)
    award = awarded(offers, policy)
    assume(award is not None)
    assert award is not None
    return award


@examples(50)
@given(st.data())
def test_what_every_rule_claims(data: Any) -> None:
    award = cases(data)
    by: Any = data.draw(st.sampled_from(["bidder", "owner"]))
    truth = Enumerated(award, by)
    vcg = truth.contribution / truth.factor
    own = award.tender.lots.set_index("lot")["in_house"]
    totals = {}
    for name, rule in CATALOGUE.items():
        paid = pay_if(award, name, by, "no uniform prices|belong to no lot|none is given for")
        if paid is None:
            assert name == "uniform" or (name == "core_nearest_zero" and own.isna().any())
            continue
        amounts = truth.amounts(paid)
        surplus = amounts - truth.price
        assert not (surplus < -1e-9).any()  # winners are paid their prices
        known = name in ("pay_as_bid", "uniform") or np.isinf(vcg)
        assert (np.isnan(amounts) == (known & (name not in ("pay_as_bid", "uniform")))).all()
        assert {frozenset(one.split(" & ")) for one in paid.pivotal} == {
            winner for winner, amount in zip(truth.winners, amounts) if math.isnan(amount)
        }
        if rule.in_core:
            assert truth.excess(surplus) < 1e-5 and paid.core_violation < 1e-5
        else:
            assert paid.core_violation == pytest.approx(max(0.0, truth.excess(surplus)), abs=1e-5)
        totals[name] = float(np.nansum(amounts))
        if name == "vcg":
            assert surplus[np.isfinite(vcg)] == pytest.approx(vcg[np.isfinite(vcg)], abs=1e-7)
        elif name in CORE and name != "core_nearest_zero":
            assert truth.is_best(surplus, vcg if name == "core" else np.zeros(len(vcg))), name
        assert faults(paid) == []
    for name in CORE:
        if name in totals:
            assert totals[name] <= totals["vcg"] + 1e-6
            assert totals[name] == pytest.approx(totals["core"], abs=1e-6)


@examples(24)
@given(st.data())
def test_what_rules_claim_of_bids_that_can_be_accepted_in_part(data: Any) -> None:
    """What the best award without a winner costs is asked of `award` itself, with the winner excluded."""
    offers = data.draw(strategies.tenders(divisible=True, max_lots=3, max_bids=6))
    policy = data.draw(strategies.policies(offers, names=brute.LINEAR, max_rules=2, soft=False, scores=False))
    policy = dataclasses.replace(policy, tie_break=None)
    award = awarded(offers, policy)
    assume(award is not None)
    assert award is not None
    room = max(1e-5, 1e-9 * abs(award.objective))
    price, paid = award.by_bidder["price"], {}
    for name, rule in CATALOGUE.items():
        found = pay_if(
            award, name, "bidder", "no uniform prices|belong to no lot|none is given for|not proven to a money"
        )
        if found is None:
            continue
        paid[name] = found
        assert list(found.amounts.index) == sorted(price.index, key=list(award.tender.bidder_names).index)
        assert not (found.amounts - price[found.amounts.index] < -room).any()
        assert not rule.in_core or found.core_violation < 10 * room
        assert faults(found) == []
    weight = award.tender.bidders.set_index("bidder")["deduction"].rsub(1)
    weight = weight + (0 if policy.ledger is None else policy.ledger.adaptation)
    for name in price.index if "vcg" in paid else ():
        without = po.Exclude(bidders=[name])
        other = awarded(offers, dataclasses.replace(policy, constraints=(*policy.constraints, without)))
        more = math.nan if other is None else (other.objective - award.objective) / weight[name]
        assert paid["vcg"].amounts[name] == pytest.approx(price[name] + more, nan_ok=True, abs=10 * room)
    for name in CORE:
        if name in paid and "vcg" in paid:
            assert np.nansum(paid[name].amounts) <= np.nansum(paid["vcg"].amounts) + 10 * room


@examples(40)
@given(st.data())
def test_truthful_means_that_no_lie_pays(data: Any) -> None:
    """An entity bids something else on its lots, or nothing: its amount less what the work costs it never rises."""
    award = cases(data)
    by: Any = data.draw(st.sampled_from(["bidder", "owner"]))
    for name in (name for name, rule in CATALOGUE.items() if rule.truthful):
        paid = po.pay(award, name, by=by)
        if paid.truthful:
            no_lie_pays(data, paid)


def no_lie_pays(data: Any, paid: po.Payments, count: int = 4) -> None:
    award, by = paid.award, paid.by
    offers = award.tender
    costs = brute.World(offers, dataclasses.replace(award.policy, min_bidders=1))
    entity = alike(costs.firms, costs, by)

    def utility(who: frozenset[str], found: po.Payments) -> float:
        names = [row.bid for row in found.award.bids.itertuples() if entity[row.bidder] == who]
        work = brute.Tried(costs, dict.fromkeys(names, Fraction(1)), {}, {}).net
        listed = {frozenset(name.split(" & ")): amount for name, amount in found.amounts.items()}
        return listed.get(who, 0.0) - float(sum(work.values()))

    bids = offers.every_bid
    for _ in range(count if len(bids) else 0):
        who = entity[data.draw(st.sampled_from(sorted(bids["bidder"])))]
        mine = [entity[bidder] == who for bidder in bids["bidder"]]
        told = bids["price"].where(~np.array(mine), [data.draw(st.integers(0, 70)) for _ in mine])
        lie = awarded(changed(offers, bids=bids.assign(price=told)), award.policy)
        if lie is not None:
            assert utility(who, po.pay(lie, paid.rule, by=by)) <= utility(who, paid) + 1e-6


# ---- what changes nothing ---------------------------------------------------------------------------------

SAME_ORDER = ("lots", "bidders", "discounts", "ownership", "scores")


def pays(award: po.Award, by: Any = "bidder") -> dict[str, Any]:
    """Amounts by rule; what is refused, as refused."""
    assert po.pay(award, by=by).core_violation < 1e-5  # or the search for coalitions is wrong, and might never end
    paid = {rule: pay_if(award, rule, by) for rule in CATALOGUE}
    return {rule: {} if found is None else found.amounts.to_dict() for rule, found in paid.items()}


def same(one: dict[str, Any], other: dict[str, Any], factor: float = 1.0) -> None:
    """The same amounts; under uniform prices, which need not be unique, the same total."""
    for rule in CATALOGUE:
        this, that = one[rule], {name: factor * amount for name, amount in other[rule].items()}
        if rule == "uniform":
            assert sum(this.values()) == pytest.approx(sum(that.values()), abs=1e-6)
        else:
            assert this == pytest.approx(that, nan_ok=True, abs=1e-6), rule


@examples(20)
@given(st.data())
def test_order_of_rows_does_not_matter(data: Any) -> None:
    award = cases(data)
    award = po.award(award.tender, dataclasses.replace(award.policy, tie_break=po.DrawLots(0)))

    def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.iloc[data.draw(st.permutations(range(len(frame))))].reset_index(drop=True)

    rows = {name: shuffled(getattr(award.tender, name)) for name in SAME_ORDER}
    mixed = changed(award.tender, bids=shuffled(award.tender.every_bid), **rows)
    by = data.draw(st.sampled_from(["bidder", "owner"]))
    same(pays(award, by), pays(po.award(mixed, award.policy), by))


@examples(20)
@given(st.data())
def test_names_of_bidders_do_not_matter(data: Any) -> None:
    offers = data.draw(strategies.tenders())
    blind = tuple(rule for rule in strategies.RULES if rule not in ("MinShare", "Exclude", "Require"))
    award = awarded(offers, data.draw(strategies.policies(offers, scores=False, max_rules=2, names=blind)))
    assume(award is not None)
    assert award is not None

    def renamed(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
        return frame.assign(**{column: [ALIKE.get(name, name) for name in frame[column]] for column in columns})

    bidders = renamed(offers.bidders, "bidder")
    bidders["members"] = [re.sub(r"B\d", lambda found: ALIKE[found[0]], text) for text in bidders["members"]]
    other = changed(
        offers, lots=renamed(offers.lots, "incumbent"), bids=renamed(offers.every_bid, "bidder"), bidders=bidders,
        discounts=renamed(offers.discounts, "bidder"),
    )  # fmt: skip
    now = pays(po.award(other, award.policy))
    same({rule: {ALIKE[name]: amount for name, amount in paid.items()} for rule, paid in pays(award).items()}, now)


@examples(20)
@given(st.data())
def test_unit_of_currency_does_not_matter(data: Any) -> None:
    offers = data.draw(strategies.tenders())
    free = ("MaxShare", "MaxLots", "MaxHHI", "MinWinners", "MaxWinners", "MinQuality", "Capacity", "Separate")
    policy = data.draw(strategies.policies(offers, names=free, max_rules=2, soft=False, ledger=False, scores=False))
    policy = dataclasses.replace(policy, objective=po.LowestCost())

    def in_cents(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
        return frame.assign(**{column: (frame[column] / 100).round(2) for column in columns})

    discounts = in_cents(offers.discounts, "amount")
    spend = discounts["measure"] == "spend"
    discounts["threshold"] = discounts["threshold"].where(~spend, (discounts["threshold"] / 100).round(2))
    cents = changed(
        offers, lots=in_cents(offers.lots, "in_house", "reserve"), bids=in_cents(offers.every_bid, "price", "fixed"),
        discounts=discounts, money_unit=0.01,
    )  # fmt: skip
    one, other = awarded(offers, policy), awarded(cents, policy)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        same(pays(one), pays(other), 100)


@examples(20)
@given(st.data())
def test_bidders_that_own_themselves_are_paid_the_same_by_owner(data: Any) -> None:
    offers = data.draw(strategies.tenders())
    alone = changed(offers, bidders=offers.bidders.assign(owner="", members=""), ownership=[])
    award = awarded(alone, data.draw(strategies.policies(alone, scores=False, max_rules=2)))
    if award is not None:
        same(pays(award, "bidder"), pays(award, "owner"))


@examples(20)
@given(st.data())
def test_what_was_asked_before_does_not_matter(data: Any) -> None:
    """Coalitions found for one rule serve the next."""
    award = cases(data)
    again = po.award(award.tender, award.policy)
    assume(again.bids.equals(award.bids))
    forward = pays(award)
    for rule in reversed(CATALOGUE):
        if forward[rule]:
            assert po.pay(again, rule).amounts.to_dict() == pytest.approx(forward[rule], nan_ok=True, abs=1e-6)


# ---- a lie that pays, and 1,500 that do not ---------------------------------------------------------------

THREE = {"s1": (10, 10, 10), "s2": (12, 13, 15), "s3": (20, 16, 18)}


def side_by_side(reports: Any) -> po.Tender:
    """The tender of three suppliers as often as there are reports of s1, on lots of their own."""
    rows = [
        bid(f"{name} {lot}{i}", f"{name} of {i}", f"{lot}{i}", report[at] if name == "s1" else costs[at])
        for i, report in enumerate(reports)
        for name, costs in THREE.items()
        for at, lot in enumerate("ABC")
    ]
    return po.Tender([{"lot": f"{lot}{i}"} for i in range(len(reports)) for lot in "ABC"], rows, money_unit=1)


def test_no_report_is_better_than_the_truth_under_a_cap_on_lots() -> None:
    """1,500 random reports of s1, fifty tenders at a time: none is worth more to it than the 11 of the truth."""
    rng = np.random.default_rng(7)
    best = -math.inf
    for _ in range(30):
        reports = rng.integers(0, 31, (50, 3))
        award = po.award(side_by_side(reports), po.Policy([po.MaxLots(2)], tie_break=None))
        paid = po.pay(award, "vcg")
        assert paid.truthful
        lots_won = award.by_bidder["lots"].reindex(paid.amounts.index)
        utility = (paid.amounts - 10 * lots_won)[[name.startswith("s1") for name in paid.amounts.index]]
        best = max(best, utility.max())
    award = po.award(side_by_side([THREE["s1"]]), po.Policy([po.MaxLots(2)]))
    assert po.pay(award, "vcg").amounts["s1 of 0"] - 20 == 11 == best


def test_a_cap_on_spend_makes_a_lie_pay() -> None:
    """At 0.45 of its costs s1 is let B and C, for 31 instead of 28."""
    rule = po.MaxShare(0.6, of="spend")
    truth, lie = named("three suppliers", rule), named("s1 bids 0.45 of its cost", rule)
    paid, told = po.pay(truth, "vcg"), po.pay(lie, "vcg")
    assert (paid.amounts["s1"] - 20, told.amounts["s1"] - 20) == (8, pytest.approx(11))
    assert not paid.truthful and not told.truthful
    (reason,) = paid.why_not
    assert "MaxShare(share=0.6, of='spend'" in reason and "prices" in reason


# ---- truthful, and why not --------------------------------------------------------------------------------

TWO = (
    bid("a", "X", "A", 10, quality=50, carbon=3), bid("b", "Y", "B", 10, quality=60, carbon=3),
    bid("c", "Z", "A", 20, quality=70, carbon=3), bid("d", "Z", "B", 20, quality=50, carbon=3),
)  # fmt: skip
PLACES = lots("A", "B", estimate=10, region="north", in_house=40)

WHY_NOT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "nothing": ({}, {}, ""),
    "share of estimate": ({"constraints": [po.MaxShare(0.6)]}, {}, ""),
    "lots, winners and HHI of lots": (
        {"constraints": [po.MaxLots(1), po.MinWinners(2), po.MaxHHI(0.6, of="lots")]}, {}, "",
    ),
    "soft lots": ({"constraints": [po.MaxLots(1, penalty=3)]}, {}, ""),
    "budget on all never binds": ({"constraints": [po.Budget(60)]}, {}, ""),
    "ledger": ({"ledger": po.Ledger(per_contract=1, per_supplier=1, adaptation=0.1)}, {}, ""),
    "quality of each bid": ({"constraints": [po.MinQuality(50)]}, {}, ""),
    "quality that some lack": ({"constraints": [po.MinQuality(55, lots=["A"])]}, {}, ""),
    "mean quality": ({"constraints": [po.MinQuality(55, across="award")]}, {}, ""),
    "a column that is no price": ({"constraints": [po.AttributeBound("carbon", at_most=5)]}, {}, ""),
    "quality adjusted": ({"objective": po.QualityAdjusted(1)}, {}, ""),
    "deduction": ({}, {"bidders": [{"bidder": "X", "deduction": 0.1}, {"bidder": "Y"}, {"bidder": "Z"}]}, ""),
    "share of spend": ({"constraints": [po.MaxShare(0.6, of="spend")]}, {}, "MaxShare"),
    "least share of spend": ({"constraints": [po.MinShare(0.1, ["Z"], of="spend", penalty=1)]}, {}, "MinShare"),
    "HHI of spend": ({"constraints": [po.MaxHHI(0.9, of="spend")]}, {}, "MaxHHI"),
    "least award of spend": ({"constraints": [po.MinAward(2, of="spend")]}, {}, "MinAward"),
    "budget on a part": ({"constraints": [po.Budget(60, lots=["A"])]}, {}, "Budget"),
    "budget on each part": ({"constraints": [po.Budget(80, each="region")]}, {}, "Budget"),
    "soft budget": ({"constraints": [po.Budget(60, penalty=1)]}, {}, "Budget"),
    "budget where quality counts": (
        {"constraints": [po.Budget(60)], "objective": po.QualityAdjusted(1)}, {}, "Budget",
    ),
    "budget where transactions cost": (
        {"constraints": [po.Budget(60)], "ledger": po.Ledger(per_contract=1)}, {}, "Budget",
    ),
    "budget and a deduction": (
        {"constraints": [po.Budget(60)]}, {"bidders": [{"bidder": name, "deduction": 0.1} for name in "XYZ"]}, "Budget",
    ),
    "replacement": ({"constraints": [po.Resilient(100)]}, {}, "Resilient"),
    "ceiling on the price of a bid": ({"constraints": [po.AttributeBound("price", at_most=15)]}, {}, "AttributeBound"),
    "ceiling on the mean price": (
        {"constraints": [po.AttributeBound("price", at_most=15, across="award")]}, {}, "AttributeBound",
    ),
    "above the reserve": ({}, {"lots": [PLACES[0] | {"reserve": 15}, PLACES[1]]}, "above the reserve"),
    "affiliates": ({}, {"bidders": [{"bidder": name, "owner": owner} for name, owner in ("XH", "YH", "ZZ")]}, "as one"),
    "pivotal": ({"constraints": [po.Require(bidders=["X"])]}, {}, "without X there is no award"),
}  # fmt: skip


@pytest.mark.parametrize("case", WHY_NOT)
def test_why_not(case: str) -> None:
    policy, more, reason = WHY_NOT[case]
    award = po.award(tender(more.get("lots", PLACES), *TWO, **{k: v for k, v in more.items() if k != "lots"}),
                     po.Policy(**policy))  # fmt: skip
    paid = po.pay(award, "vcg")
    assert paid.truthful == (not reason) == (not paid.why_not)
    assert not reason or any(reason in why for why in paid.why_not)
    for rule in ("pay_as_bid", *CORE):  # there the winner's own price is always in the way
        assert any("own price" in why for why in po.pay(award, rule).why_not)


def test_owners_who_are_paid_as_one_may_tell_the_truth() -> None:
    bidders = [{"bidder": "X", "owner": "H"}, {"bidder": "Y", "owner": "H"}, {"bidder": "Z"}]
    award = po.award(tender("A B", *TWO, bidders=bidders))
    assert po.pay(award, "vcg", by="owner").truthful
    assert po.pay(award, "vcg", by="owner").amounts.to_dict() == {"H": 40}


def test_the_number_of_bidders_that_opens_a_lot_depends_on_bids() -> None:
    """X loses against Y's offer for both lots; without its bid on B that lot is not let, and X wins A."""
    rows = [bid("xa", "X", "A", 3), bid("xb", "X", "B", 100), bid("y", "Y", "A;B", 10), bid("z", "Z", "A", 30)]
    policy = po.Policy(min_bidders=2)
    truth = po.pay(po.award(tender(lots("A", "B", in_house=20), *rows), policy), "vcg")
    lie = po.pay(po.award(tender(lots("A", "B", in_house=20), rows[0], *rows[2:]), policy), "vcg")
    assert truth.amounts.to_dict() == {"Y": 23} and lie.amounts["X"] - 3 == 17
    assert not truth.truthful


def test_bidders_of_one_owner_with_different_deductions() -> None:
    """Y counts for half its price, but its owner is paid as if it counted whole: a dearer bid of Y pays."""
    bidders = [{"bidder": "X", "owner": "H"}, {"bidder": "Y", "owner": "H", "deduction": 0.5}, {"bidder": "Z"}]
    dear = [*TWO[:1], TWO[1] | {"price": 30}, *TWO[2:]]
    truth = po.pay(po.award(tender("A B", *TWO, bidders=bidders)), "vcg", by="owner")
    lie = po.pay(po.award(tender("A B", *dear, bidders=bidders)), "vcg", by="owner")
    assert set(lie.award.bids["bid"]) == set(truth.award.bids["bid"]) == {"a", "b"}
    assert lie.amounts["H"] <= truth.amounts["H"] or not truth.truthful


def test_a_ledger_that_counts_the_price_once_more() -> None:
    """`per_contract` may name any column of the bids: with the price there, a price counts twice."""
    policy = po.Policy(ledger=po.Ledger(per_contract="price"))
    truth = po.pay(po.award(tender("A", bid("x", "X", "A", 10), bid("z", "Z", "A", 20)), policy), "vcg")
    lie = po.pay(po.award(tender("A", bid("x", "X", "A", 0), bid("z", "Z", "A", 20)), policy), "vcg")
    assert lie.amounts["X"] <= truth.amounts["X"] or not truth.truthful


# ---- caps that are cut as they are exceeded ---------------------------------------------------------------


Concentrated = tuple[dict[str, int], str, float, Any]  # what lots are estimated at, offers, the index, the penalty

CONCENTRATED: dict[str, Concentrated] = {
    "a cap of which prices take 0.346": (
        {"A": 16, "B": 6, "C": 12}, "X: A 10; Y: B 10; Z: C 10; G: AC 22; H: BC 22", 0.37, None,
    ),
    "G and H would pay for it too": (
        {"A": 16, "B": 6, "C": 12}, "X: A 10; Y: B 10; Z: C 10; G: AC 22; H: BC 22", 0.2, 12,
    ),
    "a coalition that gains 2": ({"A": 13, "B": 6, "C": 9}, "1: AB 20; 2: A 4; 3: BC 8; 4: A 8; 5: B 2", 0.5, None),
    "a coalition that pays for it and gains 21": (
        {"A": 8, "B": 4, "C": 4}, "1: A 7; 2: AB 14; 3: C 5; 4: B 7", 0.45, 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONCENTRATED)
def test_coalitions_keep_an_index_of_concentration(case: str) -> None:
    """Rows of the index are added as they are exceeded, also while coalitions are searched for."""
    estimate, offers, index, penalty = CONCENTRATED[case]
    rows = [row | {"price": row["amount"]} for row in read_offers(offers.split("; "))[1]]
    places = [{"lot": lot, "estimate": size, "in_house": 40} for lot, size in estimate.items()]
    award = po.award(tender(places, *rows), po.Policy([po.MaxHHI(index, of="estimate", penalty=penalty)]))
    truth = Enumerated(award, "bidder")
    for rule in ("pay_as_bid", "vcg", "core", "core_nearest_bid"):
        paid = po.pay(award, rule)
        assert paid.core_violation == pytest.approx(max(0.0, truth.excess(truth.amounts(paid) - truth.price)), abs=1e-6)
        assert faults(paid) == []


def test_coalitions_are_charged_for_a_share_of_what_is_let() -> None:
    """Doing all of it in-house costs 157 more; without both, X and Y would be paid 160 beyond their prices."""
    facts = (("A", 16, 9, "V", 9), ("B", 7, 13, "Y", 1), ("C", 10, 54, "X", 4), ("D", 6, 51, "X", 5))
    places = [dict(zip(("lot", "estimate", "in_house", "incumbent", "area"), row)) for row in facts]
    rows = [
        bid("b2", "Y", "B", 18, quality=60), bid("b3", "Y", "C", 22, quality=20), bid("b4", "Y", "D", 25, quality=90),
        bid("b5", "X", "C;A;B", 45, quality=60),
    ]  # fmt: skip
    bidders = [{"bidder": "X", "elsewhere": 2}, {"bidder": "Y", "elsewhere": 3, "deduction": 0.1}]
    share = po.MinShare(0.3, ["X"], of="area", lots=["D", "A"], base="awarded", existing="elsewhere", penalty=6)
    ledger = po.Ledger(per_supplier="elsewhere", per_switch="area", adaptation=0.25, monitoring="area")
    policy = po.Policy([share], objective=po.QualityAdjusted(0.5), ledger=ledger)
    award = po.award(tender(places, *rows, bidders=bidders), policy)
    vcg = po.pay(award, "vcg")
    assert vcg.amounts.to_dict() == pytest.approx({"X": 45 + 100.75 / 1.25, "Y": 25 + 59.25 / 1.15})
    assert vcg.core_violation == pytest.approx(3)
    core = po.pay(award, "core")
    assert core.core_violation < 1e-6 and faults(core) == []


def test_a_second_price_under_a_soft_index_of_concentration() -> None:
    """Both bidders would be charged for the same excess."""
    places = [{"lot": "A", "estimate": 16, "in_house": 49}, {"lot": "B", "estimate": 18, "in_house": 0}]
    policy = po.Policy([po.MaxHHI(0.2, of="estimate", penalty=12)])
    award = po.award(tender(places, bid("x", "X", "A", 7), bid("y", "Y", "A", 9)), policy)
    assert po.pay(award).core_violation == 0
    for rule in ("vcg", *CORE[:2]):
        assert po.pay(award, rule).amounts.to_dict() == pytest.approx({"X": 9})


def test_noise_of_a_solver_is_no_coalition() -> None:
    """Discounts and soft indices are known to a tolerance only; what they are off by must not be found for ever."""
    places = [{"lot": "A", "demand": 3, "in_house": 29.18}, {"lot": "B", "demand": 3, "in_house": 20.47}]
    rows = [bid("b0", "X", "B:3", 7.8, fixed=2), bid("b1", "Y", "A:2;B:3", 23.26), bid("b2", "X", "A:2;B:2", 18.7),
            bid("b3", "X", "A:2", 8.71)]  # fmt: skip
    off = [{"bidder": "X", "threshold": 2, "measure": "lots", "percent": 5},
           {"bidder": "Y", "threshold": 2, "measure": "lots", "percent": 20}]  # fmt: skip
    award = po.award(po.Tender(places, rows, discounts=off))
    for rule in CORE:
        assert po.pay(award, rule).amounts.to_dict() == pytest.approx({"X": 20.47})
    sizes = (("A", 30), ("B", 40), ("C", 10))
    places = [{"lot": lot, "estimate": size} | ({} if lot == "C" else {"in_house": 4}) for lot, size in sizes]
    rows = [bid("b1", "B1", "B;C", 2), bid("b6", "B0", "A;B;C", 2), bid("b3", "B4", "A;B;C", 3)]
    award = po.award(po.Tender(places, rows), po.Policy([po.MaxHHI(0.3, penalty=0.1)]))
    for rule in ("vcg", *CORE[:2]):
        paid = po.pay(award, rule)
        assert paid.amounts.to_dict() == pytest.approx({"B1": 4.09375}) and paid.core_violation < 1e-6


def test_a_budget_is_exceeded_by_winners_that_ask_nothing() -> None:
    rows = [bid("x", "X", "A", 0), bid("y", "Y", "B", 0), bid("z", "Z", "A", 6), bid("w", "W", "B", 6)]
    paid = po.pay(po.award(tender(PLACES, *rows), po.Policy([po.Budget(7)])), "vcg")
    assert [(over.amount, over.paid) for over in paid.over_budget] == [(7, 12)]


def test_what_is_paid_beyond_prices_belongs_to_bids_in_proportion_to_them() -> None:
    """X asks 1 for A and nothing for B: all it is paid beyond that is for A, to the cent."""
    rows = [bid("xa", "X", "A", 1), bid("xb", "X", "B", 0), bid("ya", "Y", "A", 4), bid("yb", "Y", "B", 4)]
    award = po.award(tender(PLACES, *rows), po.Policy([po.Budget(5, lots=["A"]), po.Budget(5, lots=["B"])]))

    def over(amount: float) -> list[tuple[str, float]]:
        paid = dataclasses.replace(po.pay(award), amounts=pd.Series({"X": amount}))
        return [(each.budget, each.paid) for each in paid.over_budget]

    assert over(5) == over(5 + 1e-9) == []
    assert over(5.01) == [("Budget 5.00 on A", 5.01)]
    assert over(20) == [("Budget 5.00 on A", 20)]


@pytest.mark.parametrize(
    ("unit", "prices", "amounts"),
    [
        (0.01, (0.07, 0.35), {"X": 0.35}),  # 35 times 0.01 is 0.35000000000000003
        (0.05, (0.05, 0.15), {"X": 0.15}),
        (5.0, (5, 35), {"X": 35}),
        (0.3, (0.3, 2.1), {"X": 2.1}),
        (1e6, (2e6, 7e6), {"X": 7e6}),
    ],
)
def test_amounts_are_money_whatever_its_unit(unit: float, prices: Any, amounts: dict[str, float]) -> None:
    rows = [bid("x", "X", "A", prices[0]), bid("y", "Y", "A", prices[1])]
    award = po.award(po.Tender([{"lot": "A"}], rows, money_unit=unit))
    assert po.pay(award, "vcg").amounts.to_dict() == amounts
    assert po.pay(award).amounts.to_dict() == {"X": prices[0]}


# ---- what is refused --------------------------------------------------------------------------------------


def test_an_award_that_is_not_proven_is_paid_as_bid_only() -> None:
    demand, bids = read_offers(REVERSE["unequal locals"])
    offers = po.Tender([{"lot": lot} for lot in demand], [row | {"price": row["amount"]} for row in bids])
    rough = po.award(offers, po.Policy(tie_break=None), gap=0.01)
    late = dataclasses.replace(po.award(offers, NO_SEARCH), status="feasible", bound=0.0, gap=1.0)
    for award in (rough, late):
        assert award.status == "feasible"
        assert po.pay(award).amounts.to_dict() == {"L1": 1, "L2": 4}
        assert po.pay(award, by="owner").amounts.to_dict() == {"L1": 1, "L2": 4}
        for rule in BEYOND_THE_PRICE:
            with pytest.raises(ValueError, match=r"not proven.*pay_as_bid"):
                po.pay(award, rule)


def test_what_is_no_award_or_no_rule() -> None:
    award = po.award(tender(PLACES, *TWO))
    with pytest.raises(TypeError, match="pay takes an award"):
        po.pay(award.tender, "vcg")  # type: ignore[arg-type]
    for wrong in (None, payments.Vickrey):
        with pytest.raises(TypeError, match="no payment rule"):
            po.pay(award, wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='"vcg", "bid" or "zero"'):
        payments.Core("price")  # type: ignore[arg-type]


def test_scores_relative_to_other_bids_have_no_pivot() -> None:
    objective = po.BestScore(po.RelativePrice(0.5))
    award = po.award(tender(PLACES, *TWO), po.Policy(objective=objective))
    paid = po.pay(award)
    assert paid.total == award.price and any("scores" in why for why in paid.why_not)
    for rule in BEYOND_THE_PRICE:
        with pytest.raises(ValueError, match=r"BestScore.*pay_as_bid only"):
            po.pay(award, rule)


def test_what_there_is_is_named() -> None:
    award = named("outside core")
    with pytest.raises(ValueError, match="'nucleolus'") as refused:
        po.pay(award, "nucleolus")
    assert all(rule in str(refused.value) for rule in CATALOGUE)
    with pytest.raises(ValueError, match=r"by is 'firm'.*bidder.*owner"):
        po.pay(award, by="firm")  # type: ignore[arg-type]


def test_a_rule_of_ones_own() -> None:
    class Twice:
        name, truthful, in_core = "twice", False, False

        def __call__(self, award: po.Award, by: Any) -> po.Payments:
            return po.Payments(award, self, by, 2 * po.pay(award, by=by).amounts)

    award = named("outside core")
    paid = po.pay(award, Twice())
    assert paid.amounts.to_dict() == {"L1": 4, "L2": 4} and paid.core_violation == 0
    assert "twice" in repr(paid) and "8.00" in repr(paid)
    assert po.pay(award, CATALOGUE["core"]).amounts.to_dict() == po.pay(award, "core").amounts.to_dict()


def test_the_in_house_cost_that_a_reference_needs() -> None:
    with pytest.raises(ValueError, match=r"core_nearest_zero.*in-house.*A, B"):
        po.pay(named("outside core"), "core_nearest_zero")


def test_nobody_wins_anything() -> None:
    award = po.award(tender(lots("A", in_house=5), bid("x", "X", "A", 9)))
    for rule in CATALOGUE:
        paid = po.pay(award, rule)
        assert paid.amounts.empty and paid.total == 0 and paid.pivotal == () and paid.core_violation == 0
        assert faults(paid) == []


# ---- without whom there is no award -----------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["vcg", "core", "core_nearest_bid"])
def test_what_is_due_to_the_pivotal_is_unknown(rule: str) -> None:
    award = named("three suppliers", po.MaxLots(1))
    paid = po.pay(award, rule)
    assert paid.amounts.isna().all() and math.isnan(paid.total)
    assert paid.pivotal == ("s1", "s2", "s3") and paid.core_violation == 0
    assert any("s1, s2, s3" in why for why in paid.why_not) and faults(paid) == []


@pytest.mark.parametrize("rule", ["core", "core_nearest_bid"])
def test_the_core_of_the_others_where_one_is_pivotal(rule: str) -> None:
    """Nobody but X offers A; on B and C the locals ask 1 + 4 against 10 of G, or 7 of L3 for C."""
    paid = po.pay(named("X: A 3; L1: B 1; L2: C 4; L3: C 7; G: BC 10"), rule)
    due = {"L1": 4.5, "L2": 5.5} if rule == "core" else {"L1": 3.5, "L2": 6.5}
    assert paid.amounts.to_dict() == pytest.approx(due | {"X": math.nan}, nan_ok=True)
    assert paid.pivotal == ("X",) and math.isnan(paid.total) and paid.core_violation < 1e-9
    assert faults(paid) == []


def test_one_who_is_pivotal_beside_every_other_makes_nobody_else_so() -> None:
    """G needs X for A, so X is used by every coalition: what it earns blocks nobody."""
    paid = po.pay(named("X: A 3 and B 9; L1: B 2; G: B 5"), "core")
    assert paid.amounts.to_dict() == pytest.approx({"X": math.nan, "L1": 5}, nan_ok=True)


# ---- one price a unit -------------------------------------------------------------------------------------


def units(*prices: float, demand: int, **more: Any) -> po.Tender:
    """Offers of one unit each."""
    rows = [bid(f"b{i}", f"B{i}", "A:1", price, **more) for i, price in enumerate(prices)]
    return tender([{"lot": "A", "demand": demand}], *rows)


def test_identical_units_are_paid_the_first_price_that_loses() -> None:
    paid = po.pay(po.award(units(4, 5, 6, 7, 9, demand=3)), "uniform")
    assert paid.amounts.to_dict() == pytest.approx({"B0": 7, "B1": 7, "B2": 7}) and faults(paid) == []
    assert po.pay(paid.award, "vcg").amounts.to_dict() == {"B0": 7, "B1": 7, "B2": 7}


def test_a_dearer_loser_of_two_units_does_not_set_the_price() -> None:
    rows = [bid("x", "X", "A:2", 8), bid("y", "Y", "A:1", 5), bid("z", "Z", "A:1", 6), bid("v", "V", "A:2", 20)]
    paid = po.pay(po.award(tender([{"lot": "A", "demand": 3}], *rows)), "uniform")
    assert paid.amounts.to_dict() == pytest.approx({"X": 12, "Y": 6})


def test_regional_suppliers_have_no_uniform_prices() -> None:
    with pytest.raises(ValueError, match=r"no uniform prices.*18\.00.*19\.00.*vcg or core"):
        po.pay(named("regional suppliers"), "uniform")


def test_uniform_prices_belong_to_lots() -> None:
    for award in (
        po.award(tender("A", bid("x", "X", "A", 5, fixed=2, min_fraction=0), bid("y", "Y", "A", 9))),
        po.award(tender("A", *TWO[::2]), po.Policy(ledger=po.Ledger(per_supplier=1))),
    ):
        with pytest.raises(ValueError, match=r"^uniform prices are prices of lots, .* belong to no lot: fixed"):
            po.pay(award, "uniform")


def test_uniform_prices_that_a_rule_makes_impossible() -> None:
    """X is let A because a rule asks for it: at a price Y would take, it earns less than it asks."""
    award = po.award(tender("A", bid("x", "X", "A", 9), bid("y", "Y", "A", 5)), po.Policy([po.Require(bidders=["X"])]))
    with pytest.raises(ValueError, match=r"^no uniform prices exist under these rules: X wins because .* vcg or core$"):
        po.pay(award, "uniform")


@examples(40)
@given(st.integers(2, 4), st.data())
def test_one_lot_each_is_an_assignment_market(size: int, data: Any) -> None:
    """There the highest prices are VCG (Leonard, Journal of Political Economy 91, 1983), and VCG is in the core."""
    names = "ABCD"[:size]
    cost = st.integers(0, 20)
    rows = [
        bid(f"{bidder} {lot}", f"B{bidder}", lot, data.draw(cost), xor="one")
        for bidder in range(data.draw(st.integers(1, 5))) for lot in names
    ]  # fmt: skip
    award = po.award(tender(lots(*names, in_house=15), *rows), NO_SEARCH)
    vcg = po.pay(award, "vcg")
    assert po.pay(award, "uniform").amounts.to_dict() == pytest.approx(vcg.amounts.to_dict(), abs=1e-6)
    assert vcg.core_violation < 1e-6
    for rule in CORE:
        assert po.pay(award, rule).amounts.to_dict() == pytest.approx(vcg.amounts.to_dict(), abs=1e-6)


# ---- budgets ----------------------------------------------------------------------------------------------


def test_budgets_cap_awards_and_what_exceeds_them_is_said() -> None:
    """The locals ask 4 of 12; paid 16 they exceed it, and in the core, paid 10, they do not."""
    award = named("outside core", po.Budget(12))
    (over,) = po.pay(award, "vcg").over_budget
    assert over.budget.startswith("Budget 12.00") and (over.amount, over.paid) == (12, 16)
    assert po.pay(award).over_budget == po.pay(award, "core").over_budget == ()


def test_budgets_of_years() -> None:
    rows = [{"lot": lot, "period": year, "estimate": 10} for lot, year in (("A", "2026"), ("B", "2027"))]
    budget = po.Budget({"2026": 25, "2027": 15}, each="period")
    award = po.award(tender(rows, *TWO), po.Policy([budget]))
    paid = po.pay(award, "vcg")
    assert paid.pivotal == ("Y",)  # Z's 20 would exceed what 2027 has
    assert paid.over_budget == () and paid.amounts["X"] == 20
    loose = po.award(tender(rows, *TWO), po.Policy([po.Budget({"2026": 25, "2027": 20}, each="period")]))
    assert po.pay(loose, "vcg").over_budget == ()
    tight = po.award(tender(rows, *TWO[:3], bid("d", "Z", "B", 14)), po.Policy([budget, po.MaxLots(1)]))
    assert po.pay(tight, "pay_as_bid").over_budget == ()


def test_a_budget_of_a_part() -> None:
    """Half of G's 10 is A's, so A's 5 allow it, and not the 8 that L1 is paid."""
    more = {"lots": {"estimate": 1}}
    award = named("outside core", po.Budget(5, lots=["A"]), **more)
    (over,) = po.pay(award, "vcg").over_budget
    assert (over.amount, over.paid) == (5, 8)
    assert po.pay(award, "core").over_budget == ()


# ---- traps ------------------------------------------------------------------------------------------------


def test_a_second_price_is_in_the_core() -> None:
    """A core that binds coalitions with the winner too would pay it no more than its price."""
    award = named("1: A 12; 2: A 20")
    for rule in ("vcg", *CORE[:2]):
        paid = po.pay(award, rule)
        assert paid.amounts.to_dict() == {"1": pytest.approx(20)} and paid.core_violation < 1e-9
    more = dataclasses.replace(po.pay(award, "vcg"), amounts=pd.Series({"1": 20.5}))
    assert more.core_violation == pytest.approx(0.5)


def test_a_coalition_that_is_worse_off_by_one_unit_of_money_blocks() -> None:
    """X and Y would be paid 10 each, by what A and B would cost without them; G takes both for 19."""
    rows = [bid("x", "X", "A", 4), bid("y", "Y", "B", 4), bid("v", "V", "A", 10), bid("w", "W", "B", 10)]
    award = po.award(tender("A B", *rows, bid("g", "G", "A;B", 19)))
    assert po.pay(award, "vcg").amounts.to_dict() == {"X": 10, "Y": 10}
    assert po.pay(award, "vcg").core_violation == 1
    assert po.pay(award, "core").amounts.to_dict() == pytest.approx({"X": 9.5, "Y": 9.5}, abs=1e-9)
    assert payments.Economies.of(award, "bidder").searches == 3  # one for the violation, two for the core


def test_a_gap_of_one_unit_of_money_leaves_no_uniform_prices() -> None:
    """Three packages of two of three lots: half of each costs 15, and no award less than 16."""
    pairs = [bid(f"p{i}", f"P{i}", lots, 10) for i, lots in enumerate(("A;B", "B;C", "C;A"))]
    award = po.award(tender("A B C", *pairs, bid("all", "Q", "A;B;C", 16)))
    assert award.cost == 16
    with pytest.raises(ValueError, match=r"could be filled for 15\.00, the award costs 16\.00"):
        po.pay(award, "uniform")


def test_what_others_would_have_done_is_worked_out_once() -> None:
    award = named("outside core")
    first = payments.Economies.of(award, "bidder")
    po.pay(award, "vcg")
    assert payments.Economies.of(award, "bidder") is first
    assert payments.Economies.of(award, "owner") is not first


def test_a_point_that_is_not_the_nearest_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pairs: surpluses of 3 at most, and 3 together, near to (3, 3). A solver once gave (0, 3) as a success."""
    table, costs, goal = np.array([[1.0, 0], [0, 1], [1, 1]]), np.array([3.0, 3, 3]), np.array([3.0, 3])
    assert payments.nearest(table, costs, goal) == pytest.approx([1.5, 1.5], abs=1e-12)
    g = np.vstack([-table, np.eye(2), np.ones(2), -np.ones(2)])
    h = np.concatenate([-costs + table @ goal, -goal, [3 - goal.sum()], [goal.sum() - 3]])
    assert payments._is_nearest(np.array([1.5, 1.5]) - goal, g, h)
    for wrong in ([0, 3], [3, 0], [1, 2], [1.49, 1.51], [1.5, 1.6], [1.4, 1.5]):
        assert not payments._is_nearest(np.array(wrong) - goal, g, h), wrong
        assert not payments._is_nearest((np.array(wrong) - goal) / 100, g, h / 100), wrong
    free = np.array([[1.0, 0]]), np.array([-1.0])  # y₁ ≥ −1 binds nowhere near: the reference itself is the nearest
    assert payments._is_nearest(np.zeros(2), *free)
    assert not payments._is_nearest(np.array([0.0, 1e-8]), *free)
    monkeypatch.setattr(payments, "_is_nearest", lambda *_: False)
    with pytest.raises(RuntimeError, match=r"^the nearest payments in the core were not verified to be optimal$"):
        payments.nearest(table, costs, goal)


def test_the_nearest_point_of_many_rows_that_say_the_same() -> None:
    """Coalitions that are met twice over, or follow from others, change nothing."""
    rows = np.array(list(itertools.product([0.0, 1.0], repeat=4))[1:])
    costs = rows.sum(axis=1) * 3
    costs[rows.sum(axis=1) >= 2] = 5
    again = payments.nearest(np.vstack([rows] * 3), np.tile(costs, 3), np.array([3.0, 3, 3, 3]))
    assert again == pytest.approx([1.25] * 4, abs=1e-9)


def test_vcg_of_an_award_that_is_not_the_best_would_pay_below_prices() -> None:
    """G's 10 taken for the best award: without G it is 5, so G would be paid 10 + 5 − 10 = 5."""
    worse = named("unequal locals", po.Exclude(bidders=["L1"]))
    assert worse.bids["bidder"].tolist() == ["G"]
    unproven = dataclasses.replace(worse, policy=po.Policy(), status="feasible", bound=5.0)
    with pytest.raises(ValueError, match="below a price"):
        po.pay(unproven, "vcg")


SCRIPT = """
import procure_opt as po
offers = {"L1": "A 2", "L2": "B 3", "L3": "C 4", "G": "ABC 15", "H": "AB 8", "K": "BC 11", "M": "D 2"}
rows = [{"bid": f"of {who}", "bidder": who, "lots": ";".join(text.split()[0]), "price": int(text.split()[1])}
        for who, text in offers.items()]
firms = [{"bidder": who, "owner": "Group" if who in ("L1", "M") else ""} for who in offers]
tender = po.Tender([{"lot": lot, "in_house": 9} for lot in "DCBA"], rows, firms)
award = po.award(tender)
for by in ("bidder", "owner"):
    for rule in ("pay_as_bid", "vcg", "core", "core_nearest_bid", "core_nearest_zero", "uniform"):
        paid = po.pay(award, rule, by=by)
        print(rule, by, paid.amounts.to_dict(), paid.pivotal, paid.core_violation, paid.why_not, paid.over_budget)
"""


def test_the_hash_seed_does_not_matter() -> None:
    said = []
    for seed in ("0", "4242"):
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], check=True, capture_output=True, encoding="utf-8", timeout=120,
            env=os.environ | {"PYTHONPATH": str(Path(po.__file__).parents[1]), "PYTHONHASHSEED": seed},
        )  # fmt: skip
        said.append(run.stdout)
    assert said[0] == said[1] and said[0].count("\n") == 12


def test_at_least_two_winners_keep_prices_in_the_core_and_price_the_rule() -> None:
    """Without the rule s1 does it all for 30 and is paid 40; with it prices are still in the core, and 47 is paid."""
    free, split = named("three suppliers"), named("three suppliers", po.MinWinners(2))
    assert po.pay(split).core_violation == 0
    assert (free.cost, split.cost) == (30, 32)
    assert (po.pay(free, "vcg").total, po.pay(split, "vcg").total) == (40, 47)


def test_the_rules_bind_what_others_would_have_done() -> None:
    """One lot each, and without s1 too: without the cap in that economy s1 would be paid 12 for C, s2 4 and s3 8."""
    paid = po.pay(named("four suppliers", po.MaxLots(1)), "vcg")
    assert paid.amounts.to_dict() == {"s1": 19, "s2": 19, "s3": 19}
    assert (paid.amounts >= paid.award.by_bidder["price"]).all()


def test_which_rules_are_truthful_and_which_in_the_core() -> None:
    """Nobody undercuts winners that are paid what they ask; a uniform price may exceed what another lot costs."""
    claims = {name: (rule.truthful, rule.in_core) for name, rule in payments.CATALOGUE.items()}
    assert claims == {
        "pay_as_bid": (False, True), "vcg": (True, False), "core": (False, True), "core_nearest_bid": (False, True),
        "core_nearest_zero": (False, True), "uniform": (False, False),
    }  # fmt: skip
    assert all(type(claim) is bool for both in claims.values() for claim in both)


def test_which_bids_exclude_each_other() -> None:
    offers = tender(
        "A B C", bid("p", "X", "A", 1, xor="p"), bid("q", "X", "B", 1, xor="p"), bid("r", "X", "C", 1, xor="r"),
        bid("s", "X", "C", 1), bid("t", "X", "C", 1, xor="p", min_fraction=0.5),
        bid("u", "X", "B", 1, min_fraction=0.5),
    )  # fmt: skip

    def exclude(*names: str) -> bool:
        return payments._exclude_each_other(offers, np.array([offers.bid_index(name) for name in names]))

    assert [exclude("p", "q"), exclude("s"), exclude("r")] == [True, True, True]
    assert [exclude("p", "r"), exclude("r", "p", "q"), exclude("p", "s"), exclude("s", "r")] == [False] * 4
    assert [exclude("p", "q", "t"), exclude("u"), exclude("t")] == [False] * 3  # a part leaves room for another


def test_a_winner_under_two_labels_is_charged_once() -> None:
    """X takes A and B, each under a label of its own; Y's package of both costs 7 more than X's two bids."""
    mine = bid("a", "X", "A", 4, xor="one"), bid("b", "X", "B", 5, xor="two")
    offers = tender("A B", *mine, bid("y", "Y", "A;B", 16))
    paid = po.pay(po.award(offers), "core")
    assert paid.amounts.to_dict() == {"X": pytest.approx(16)}
    assert paid.core_violation == 0
    more = dataclasses.replace(paid, amounts=paid.amounts + 3)
    assert more.core_violation == pytest.approx(3)
