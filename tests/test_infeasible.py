"""Why no award is possible and what would help: the causes buyers meet, two conflicts at once, and every remedy tried.

The causes are those that a sourcing product explains to its users (Keelvar, "Troubleshoot scenario infeasibility").
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import procure_opt as po
import strategies
from procure_opt.infeasible import Covering, Exclusive
from strategies import awarded, examples
from tiny import Row, bid, lots, tables, tender

ONE_BY_ONE = ("MinAward", "Separate", "Together", "Exclude", "Require")  # waived one by one
IN_WHOLES = ("MaxLots", "MinWinners", "MaxWinners", "KeepIncumbents")


def refused(tender: po.Tender, *rules: Any, **more: Any) -> po.Infeasible:
    """What is said when there is no award."""
    with pytest.raises(po.Infeasible) as caught:
        po.award(tender, po.Policy(rules), **more)
    return caught.value


def possible(tender: po.Tender, *rules: Any) -> bool:
    """Whether there is an award."""
    return awarded(tender, po.Policy(rules, tie_break=None)) is not None


def eased(rule: Any, by: float) -> Any:
    """The rule with its own figure changed, as a remedy says."""
    match type(rule).__name__:
        case "Budget" if isinstance(rule.amount, Mapping):
            return replace(rule, amount={key: money + by for key, money in rule.amount.items()})
        case "Budget":
            return replace(rule, amount=rule.amount + by)
        case "MaxShare":
            return replace(rule, share=min(rule.share + by, 1.0))
        case "MinShare":
            return replace(rule, share=max(rule.share - by, 0.0))
        case "MaxHHI":
            return replace(rule, index=min(rule.index + by, 1.0))
        case "MinQuality":
            return replace(rule, score=max(rule.score - by, 0.0))
        case "AttributeBound":
            low = None if rule.at_least is None else rule.at_least - by
            high = None if rule.at_most is None else rule.at_most + by
            return replace(rule, at_least=low, at_most=high)
        case "MaxLots" | "MaxWinners":
            return replace(rule, n=rule.n + round(by))
        case "MinWinners":
            return replace(rule, n=max(rule.n - round(by), 0))
        case "KeepIncumbents":
            return replace(rule, max_switches=rule.max_switches + round(by))
        case "Resilient":
            return replace(rule, max_extra_cost=rule.max_extra_cost + by)
    raise AssertionError(f"{rule} has no figure of its own")


# ---- the causes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["highs", "CBC"])
def test_lots_that_nobody_bids_for(solver: str) -> None:
    said = refused(tender("C1 C4 C7", bid("b", "X", "C1", 5)), po.Budget(100), solver=solver)
    assert said.lots_without_bids == ("C4", "C7")
    assert len(said.conflict) == 1 and said.conflict[0] in (Covering("C4"), Covering("C7"))
    assert math.isnan(said.remedies[po.Budget(100)]) and said.remedies_together == {}
    assert "Lots C4, C7 have no valid bid and no in-house cost." in said.sentences


def test_lots_whose_only_bids_were_rejected() -> None:
    said = refused(tender([{"lot": "A", "reserve": 4}], bid("b", "X", "A", 5)))
    assert said.lots_without_bids == ("A",)
    assert "Lot A has no valid bid and no in-house cost." in said.sentences


def test_no_bid_fits_beside_another() -> None:
    """Every lot has bids, but packages overlap: only coverage is in the way, and no figure helps."""
    said = refused(tender("A B C", bid("p", "X", "A;B", 5), bid("q", "Y", "B;C", 5)), po.MaxLots(2))
    assert set(said.conflict) == {Covering("A"), Covering("C")} and said.lots_without_bids == ()
    assert math.isnan(said.remedies[po.MaxLots(2)]) and said.remedies_together == {}
    assert said.sentences[-1].startswith("No change of the constraints suffices")


def test_bids_that_exclude_each_other() -> None:
    said = refused(tender("A B", bid("a", "X", "A", 5, xor="one"), bid("b", "X", "B", 5, xor="one")))
    assert set(said.conflict) == {Exclusive(), Covering("A"), Covering("B")} and said.remedies == {}
    assert "xor labels" in str(said)


def test_rules_award_less_than_everything() -> None:
    """Incomplete coverage: two bidders at 40 % each leave a fifth of the work undone."""
    names = " ".join(f"L{i}" for i in range(10))
    both = tender(names, *(bid(f"{who}{lot}", who, lot, 1) for lot in names.split() for who in "XY"))
    cap = po.MaxShare(0.4, of="lots")
    said = refused(both, cap)
    assert said.conflict[0] == cap and len(said.conflict) == 10  # nine lots are one too many
    assert said.remedies == pytest.approx({cap: 0.1}) and said.remedies_together == pytest.approx({cap: 0.1})
    assert said.sentences[-1] == "Any one of these would do: allow each bidder a share of 50 %."


def test_a_bidder_who_did_not_bid_is_to_win() -> None:
    """Insufficient bids: a forced award to a bidder who did not bid, or not here."""
    absent = tender("A B", bid("a", "X", "A", 5), bid("b", "Y", "B", 5), bidders=[{"bidder": who} for who in "XYZ"])
    must = po.Require(bidders=["Z"])
    said = refused(absent, must, po.Budget(50))
    assert said.conflict == (must,)
    assert said.remedies[must] == 1 and math.isnan(said.remedies[po.Budget(50)])
    assert "waive 1 of the requirements" in str(said)
    here = po.Require(bidders=["X"], lots=["B"])
    assert refused(absent, here).conflict == (here,)
    assert refused(absent.without("X")).lots_without_bids == ("A",)


def test_bidders_lack_capacity() -> None:
    work = tender(
        lots("A", "B", "C", demand=10),
        *(bid(f"{who}{lot}", who, lot, 1) for who in "XY" for lot in "ABC"),
        bidders=[{"bidder": "X", "capacity": 12}, {"bidder": "Y", "capacity": 14}],
    )
    room = po.Capacity("capacity")
    said = refused(work, room)
    assert set(said.conflict) == {room, Covering("A"), Covering("B"), Covering("C")}
    assert said.remedies == pytest.approx({room: 6})  # Y then has room for two lots
    assert "add 6 to capacity of each bidder" in str(said)
    # Parts of lots would fit into 13 and 15.
    parts = refused(work.replace(bids=[row | {"min_fraction": 0} for row in work.bids.to_dict("records")]), room)
    assert parts.remedies[room] == pytest.approx(2)


def test_more_is_to_be_awarded_than_there_is() -> None:
    """Allocated volume above the total: 70 % for one and 50 % for another."""
    names = " ".join(f"L{i}" for i in range(10))
    both = tender(names, *(bid(f"{who}{lot}", who, lot, 1) for lot in names.split() for who in "XY"))
    first, second = po.MinShare(0.7, ["X"], of="lots"), po.MinShare(0.5, ["Y"], of="lots")
    said = refused(both, first, second)
    assert set(said.conflict) == {first, second}
    assert said.remedies == pytest.approx({first: 0.2, second: 0.2})
    assert sum(said.remedies_together.values()) == pytest.approx(0.2)
    assert "lower MinShare to 50 %" in str(said) and "lower MinShare to 30 %" in str(said)


def test_the_turnover_asked_for_is_above_that_of_the_lots() -> None:
    work = tender(lots("A", "B", estimate=5), *(bid(f"{who}{lot}", who, lot, 1) for who in "XY" for lot in "AB"))
    least = po.MinAward(12, of="estimate")
    said = refused(work, least)
    assert least in said.conflict and said.remedies == {least: 1}
    assert "let 1 bidder(s) win less than 12 of estimate" in str(said)


def test_a_split_is_needed_but_not_offered() -> None:
    """Bids are all or nothing, and no bidder may have it all."""
    cap = po.MaxShare(0.6, of="demand")
    whole = [bid(who, who, "A", 100) for who in "XY"]
    said = refused(tender("A", *whole), cap)
    assert set(said.conflict) == {cap, Covering("A")} and said.remedies == pytest.approx({cap: 0.4})
    assert "allow each bidder a share of 100 %" in str(said)
    assert possible(tender("A", *(row | {"min_fraction": 0.4} for row in whole)), cap)


def test_a_split_is_below_the_least_share() -> None:
    """Each bidder takes half or nothing, so three cannot share the work."""
    three = po.MinWinners(3)
    said = refused(tender("A", *(bid(who, who, "A", 100, min_fraction=0.5) for who in "XYZ")), three)
    assert three in said.conflict and said.remedies == {three: 1} and "ask for 2 winners only" in str(said)
    assert possible(tender("A", *(bid(who, who, "A", 100, min_fraction=0.3) for who in "XYZ")), three)


def market_split(rows: int, columns: int) -> po.Tender:
    """Quantities that must add up to half of their sums in every lot: easy to relax, hard to solve.

    Cornuejols & Dawande, A class of hard small 0-1 programs (IPCO 1998).
    """
    rng = np.random.default_rng(7)
    quantity = rng.integers(1, 100, (rows, columns))
    return tender(
        [{"lot": f"L{i}", "demand": int(half)} for i, half in enumerate(quantity.sum(axis=1) // 2)],
        *(
            bid(f"b{j}", f"B{j}", ";".join(f"L{i}:{quantity[i, j]}" for i in range(rows)), float(rng.integers(50, 99)))
            for j in range(columns)
        ),
    )


@pytest.mark.parametrize("solver", ["highs", "CBC"])
def test_out_of_time_is_no_infeasibility(solver: str) -> None:
    with pytest.raises(po.OutOfTime) as caught:
        po.award(market_split(4, 32), solver=solver, time_limit=1)
    said = caught.value
    assert not isinstance(said, po.Infeasible)
    assert 0 < said.bound < 99 * 32 and "time limit" in str(said)


# ---- two conflicts at once --------------------------------------------------------------------------------


def two_conflicts() -> tuple[po.Tender, po.Budget, po.MaxLots]:
    rows = [*lots("c1", "c2", kind="cleaning"), *lots("s1", "s2", kind="security")]
    bids = [
        bid("x1", "X", "c1", 60),
        bid("x2", "X", "c2", 70),
        bid("y2", "Y", "c2", 75),
        bid("g1", "G", "s1", 10),
        bid("g2", "G", "s2", 10),
    ]
    return (
        tender(rows, *bids, money_unit=0.01),
        po.Budget(100, lots={"kind": "cleaning"}),
        po.MaxLots(1, lots={"kind": "security"}),
    )


def test_two_disjoint_conflicts() -> None:
    park, budget, few = two_conflicts()
    said = refused(park, budget, few)
    assert all(math.isnan(change) for change in said.remedies.values()) and set(said.remedies) == {budget, few}
    assert said.remedies_together == pytest.approx({budget: 30, few: 1})
    assert said.sentences[-1] == (
        "No single change suffices; together these would do: raise Budget to 130; allow 2 lots for each bidder."
    )
    # The conflict named is one of the two, alone.
    assert set(said.conflict) in (
        {budget, Covering("c1"), Covering("c2")},
        {few, Covering("s1"), Covering("s2")},
    )
    assert possible(*together(park, budget, few, 30, 1))
    assert not possible(*together(park, budget, few, 29.99, 1))
    assert not possible(*together(park, budget, few, 30, 0))


def together(park: po.Tender, budget: po.Budget, few: po.MaxLots, money: float, more: int) -> tuple[Any, ...]:
    return park, replace(budget, amount=100 + money), replace(few, n=1 + more)


def test_a_second_conflict_behind_the_first() -> None:
    """A rule that would bind only once the other gives way is no part of the conflict, but of the remedy."""
    work = tender("A B", bid("a", "X", "A", 40), bid("b", "X", "B", 40), bid("p", "Y", "A;B", 100))
    one, money = po.MaxLots(1), po.Budget(70)
    said = refused(work, one, money)
    assert said.remedies_together == pytest.approx({one: 1, money: 10})
    assert possible(work, po.MaxLots(2), po.Budget(80)) and not possible(work, po.MaxLots(2), po.Budget(79))


def test_the_smallest_joint_change_is_relative_to_each_figure() -> None:
    work = tender(
        "A B", *(bid(f"{who}{lot}", who, lot, price) for who, price in [("X", 40), ("Y", 120)] for lot in "AB")
    )
    cap, money = po.MaxShare(0.9, of="lots"), po.Budget(80)
    said = refused(work, cap, money)
    assert said.remedies == pytest.approx({cap: 0.1, money: 80})
    assert said.remedies_together == pytest.approx({cap: 0.1})  # a ninth of the share, not as much money again
    cap, money = po.MaxShare(0.5, of="lots"), po.Budget(150)
    assert refused(work, cap, money).remedies_together == pytest.approx({money: 10})


# ---- every remedy, tried ----------------------------------------------------------------------------------


def less(rule: Any, change: float) -> float:
    """Slightly less of a change."""
    return change - 1 if type(rule).__name__ in IN_WHOLES else change * 0.999 - 1e-6


def more(rule: Any, change: float) -> float:
    """The change, and what a sum of fractions may be off by."""
    return change if type(rule).__name__ in IN_WHOLES else change * (1 + 1e-6) + 1e-7


@examples(40)
@given(st.data())
def test_remedies_suffice_and_less_does_not(data: Any) -> None:
    divisible = data.draw(st.booleans())
    work = data.draw(strategies.tenders(divisible=divisible, max_bids=7))
    names = st.sampled_from([name for name in strategies.RULES if name != "Cover"])
    rules = tuple(data.draw(strategies.rules(work, data.draw(names), soft=False)) for _ in range(2))
    # Not here: parts of bids where the total of a share, or what a mean is over, depends on the award.
    assume(not (divisible and any(of_what_is_won(rule) for rule in rules)))
    assume(rules[0] != rules[1] and not possible(work, *rules))
    check_remedies(work, rules)


def of_what_is_won(rule: Any) -> bool:
    return "spend" in repr(rule) or "awarded" in repr(rule) or "across='award'" in repr(rule)


def check_remedies(work: po.Tender, rules: tuple[Any, ...]) -> None:
    """What is said to help does, a little less does not, and what is said to be no help is none."""
    said = refused(work, *rules)
    assert set(said.remedies) == set(rules)
    for rule, change in said.remedies.items():
        rest = [other for other in rules if other is not rule]
        if not possible(work, *rest):
            assert math.isnan(change)
        elif math.isnan(change):
            assert isinstance(rule, po.Resilient)  # where nobody could replace a winner at any cost
        else:
            tried(work, rules, {rule: change})
    if said.remedies_together:
        tried(work, rules, said.remedies_together)
    elif not any(isinstance(rule, po.Resilient) for rule in rules):
        assert not possible(work)


def tried(work: po.Tender, rules: tuple[Any, ...], changes: Mapping[Any, float]) -> None:
    """The changes make an award possible; with less of any one of them there is none."""
    waived = {rule: change for rule, change in changes.items() if type(rule).__name__ in ONE_BY_ONE}
    figures = {rule: more(rule, change) for rule, change in changes.items() if rule not in waived}
    assert all(change == pytest.approx(round(change)) and change > 0.5 for change in waived.values())

    def instances(amounts: Mapping[Any, float]) -> float:
        """How many instances must be waived after these changes; NaN if no award is possible even so."""
        tender = work
        soft = []
        for rule in rules:
            if isinstance(rule, po.Capacity) and rule in amounts:
                # A column of its own: another rule may read the same one.
                room = tender.bidders[rule.column] + amounts[rule]
                tender = tender.replace(bidders=tender.bidders.assign(**{f"{rule} eased": room}))
                soft.append(replace(rule, column=f"{rule} eased"))
            elif rule in waived:
                soft.append(replace(rule, penalty=1e6))
            else:
                soft.append(eased(rule, amounts[rule]) if rule in amounts else rule)
        award = awarded(tender, po.Policy(soft, tie_break=None))
        return math.nan if award is None else float(award.violations["amount"].sum())

    assert instances(figures) == pytest.approx(sum(waived.values())), changes
    for rule in figures:
        assert not instances(figures | {rule: less(rule, changes[rule])}) <= sum(waived.values()) + 1e-6, (
            rule,
            changes,
        )


# ---- every conflict, by enumeration -----------------------------------------------------------------------

JUDGES: dict[str, Callable[[Any, list[Row], float], bool]] = {
    "Budget": lambda rule, chosen, cost: cost <= rule.amount,
    "MaxLots": lambda rule, chosen, cost: max(lots_of(chosen).values(), default=0) <= rule.n,
    "MinWinners": lambda rule, chosen, cost: len(lots_of(chosen)) >= rule.n,
    "MaxWinners": lambda rule, chosen, cost: len(lots_of(chosen)) <= rule.n,
    "MinQuality": lambda rule, chosen, cost: all(row["quality"] >= rule.score for row in chosen),
    "Exclude": lambda rule, chosen, cost: not set(rule.bidders) & set(lots_of(chosen)),
    "Require": lambda rule, chosen, cost: set(rule.bidders) <= set(lots_of(chosen)),
}
HARD = st.one_of(
    st.builds(po.Budget, st.integers(0, 30)),
    st.builds(po.MaxLots, st.integers(0, 2)),
    st.builds(po.MinWinners, st.integers(1, 3)),
    st.builds(po.MaxWinners, st.integers(0, 2)),
    st.builds(po.MinQuality, st.sampled_from([25, 50, 75]), across=st.just("bid")),
    st.builds(po.Exclude, bidders=st.sampled_from([["X"], ["Y"], ["Z"]])),
    st.builds(po.Require, bidders=st.sampled_from([["X"], ["Y"], ["Z"]])),
)


def lots_of(chosen: list[Row]) -> Counter[str]:
    """How many lots each winner has."""
    return Counter(row["bidder"] for row in chosen for _ in row["lots"].split(";"))


def can_hold(parts: Iterable[object], lot_rows: list[Row], bid_rows: list[Row]) -> bool:
    """Whether some choice of bids, no lot twice, satisfies these parts alone: lots to be filled, xor labels, rules."""
    parts = list(parts)
    needed = {part.lot for part in parts if isinstance(part, Covering)}
    own = {row["lot"]: row["in_house"] for row in lot_rows if row["in_house"] is not None}
    rules = [part for part in parts if not isinstance(part, (Covering, Exclusive))]
    for count in range(len(bid_rows) + 1):
        for some in itertools.combinations(bid_rows, count):
            taken = [lot for row in some for lot in row["lots"].split(";")]
            labels = [(row["bidder"], row["xor"]) for row in some if row["xor"]]
            rest = needed - set(taken)
            if len(set(taken)) < len(taken) or not rest <= set(own):
                continue
            if Exclusive() in parts and len(set(labels)) < len(labels):
                continue
            cost = sum(row["price"] for row in some) + sum(own[lot] for lot in rest)
            if all(JUDGES[type(rule).__name__](rule, list(some), cost) for rule in rules):
                return True
    return False


@examples(60)
@given(tables(max_bids=6), st.lists(HARD, max_size=3, unique=True))
def test_conflicts_are_minimal(rows: tuple[list[Row], list[Row]], rules: list[Any]) -> None:
    lot_rows, bid_rows = rows
    work = po.Tender(lot_rows, bid_rows, bidders=[{"bidder": who} for who in "XYZ"], money_unit=1)
    everything = [*(Covering(row["lot"]) for row in lot_rows), Exclusive(), *rules]
    assert possible(work, *rules) == can_hold(everything, lot_rows, bid_rows)
    assume(not possible(work, *rules))
    conflict = refused(work, *rules).conflict
    assert conflict and len(set(conflict)) == len(conflict) and set(conflict) <= set(everything)
    assert not can_hold(conflict, lot_rows, bid_rows)
    for part in conflict:
        assert can_hold([other for other in conflict if other != part], lot_rows, bid_rows), part
