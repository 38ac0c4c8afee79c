"""What an award hangs on, against decisions made again and against plain enumeration."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import procure_opt as po
import strategies
import tiny
from procure_opt.scoring import RelativePrice
from procure_opt.solvers import solve
from test_award_brute import examples
from tiny import bid, lots, tender, won

# ---- prices to win ----------------------------------------------------------------------------------------


def may_win(offers: po.Tender, policy: po.Policy, name: str, price: float) -> bool:
    """Whether some optimal award holds the bid at this price: the tender is decided again with it."""
    rows = offers.every_bid
    rows.loc[rows["bid"] == name, "price"] = price
    try:
        award = po.award(offers.replace(bids=rows), policy)
    except po.Infeasible:
        return False
    assert award.tied is not None
    return name in award.tied or name in set(award.bids["bid"])


SHARES = lots("A", "B", estimate=1, in_house=60)
RATED = [bid("x", "X", "A", 20, quality=80), bid("y", "Y", "A", 18, quality=60), bid("z", "Z", "B", 30, quality=50),
         bid("p", "P", "A;B", 45, quality=70)]  # fmt: skip
FIRMS = [{"bidder": name, "deduction": 0.2 if name == "X" else 0} for name in "XYZP"]
PLAIN = tender(SHARES, *RATED, bidders=[{"bidder": name} for name in "XYZP"])
BARE = tender("A B", bid("x", "X", "A", 50), bid("y", "Y", "B", 50))
TO_WIN: dict[str, tuple[po.Tender, po.Policy, dict[str, float]]] = {
    "the next price": (tender("A", bid("x", "X", "A", 5), bid("y", "Y", "A", 7)), po.Policy(), {"x": 7, "y": 5}),
    "packages": (PLAIN, po.Policy(), {"x": 15, "y": 15, "z": 27, "p": 48}),
    "nothing else": (tender("A", bid("x", "X", "A", 5)), po.Policy(), {"x": math.inf}),
    "in-house": (tender(lots("A", in_house=9), bid("x", "X", "A", 5)), po.Policy(), {"x": 9}),
    "a reserve": (tender(lots("A", reserve=8), bid("x", "X", "A", 5, fixed=2)), po.Policy(), {"x": 6}),
    "above the reserve": (
        tender(lots("A", reserve=8), bid("x", "X", "A", 5), bid("y", "Y", "A", 20)), po.Policy(), {"x": 8, "y": 5}),
    "a setup charge": (
        tender("A", bid("x", "X", "A", 5, fixed=3), bid("y", "Y", "A", 10)), po.Policy(), {"x": 7, "y": 8}),
    "exclusive bids": (
        tender(SHARES, bid("x", "X", "A", 5, xor="1"), bid("y", "X", "B", 5, xor="1")), po.Policy(), {"x": 5, "y": 5}),
    "a budget": (tender("A", bid("x", "X", "A", 5)), po.Policy([po.Budget(9)]), {"x": 9}),
    "too small a budget": (tender("A B", bid("x", "X", "A", 5), bid("y", "Y", "B", 6), bid("z", "Z", "A", 2)),
                           po.Policy([po.Budget(9)]), {"x": 2, "y": 7, "z": 3}),
    "a share of spend": (BARE, po.Policy([po.MaxShare(0.6, of="spend")]), {"x": 75, "y": 75}),
    "a soft share of spend": (
        tender(lots("A", "B", in_house=90), bid("x", "X", "A", 50), bid("y", "Y", "B", 50)),
        po.Policy([po.MaxShare(0.5, of="spend", penalty=4)]), {"x": 64}),
    "concentration of spend": (BARE, po.Policy([po.MaxHHI(0.52, of="spend")]), {"x": 75}),
    "worth of quality": (PLAIN, po.Policy(objective=po.QualityAdjusted(0.25)), {"x": 12, "y": 7, "z": 22, "p": 52}),
    "a deduction": (tender("A", *RATED[:2], bidders=FIRMS[:2]), po.Policy(), {"x": 22, "y": 16}),
    "a discount reached": (
        tender("A", bid("x", "X", "A", 50), bid("y", "Y", "A", 95),
               discounts=[{"bidder": "X", "threshold": 100, "measure": "spend", "percent": 10}]),
        po.Policy(), {"x": 105, "y": 50}),
    "a discount together": (
        tender("A B", bid("x", "X", "A", 50), bid("z", "X", "B", 50), bid("y", "Y", "A;B", 90),
               discounts=[{"bidder": "X", "threshold": 2, "measure": "lots", "percent": 20}]),
        po.Policy(), {"x": 62, "y": 80}),
    "scores": (tender(lots("A", estimate=1), *RATED[:2]), po.Policy(objective=po.BestScore(RelativePrice(0.5))),
               {"x": 22, "y": 16}),
    "scores of a package": (
        tender(lots("A", "B", estimate=1), bid("x", "X", "A;B", 20, quality=80), bid("y", "Y", "A", 10, quality=60),
               bid("z", "Z", "B", 10, quality=60)),
        po.Policy(objective=po.BestScore(RelativePrice(0.5))), {"x": 25, "y": 6}),
    "too few bidders": (
        tender(lots("A", in_house=100), bid("x", "X", "A", 50), bid("y", "Y", "A", 60)), po.Policy(min_bidders=2),
        {"x": 60, "y": 50}),
    "a bid evaluated": (
        tender("A", bid("x", "X", "A", 50), bid("y", "Y", "A", 60)),
        po.Policy(ledger=po.Ledger(per_bid_evaluated=5, per_supplier=2, adaptation=0.1)), {"x": 60, "y": 50}),
    "divisible bids": (
        tender(lots("A", estimate=1, in_house=30), bid("x", "X", "A", 10, min_fraction=0.5),
               bid("y", "Y", "A", 20, min_fraction=0.25)),
        po.Policy([po.MaxShare(0.75)]), {"x": 25, "y": 30}),
    "a rule that asks for it": (
        tender(SHARES, *RATED), po.Policy([po.Require(bids=["x"]), po.Budget(80)]), {"x": 50, "p": math.nan}),
    "a rule that excludes it": (PLAIN, po.Policy([po.Exclude(bids=["x"])]), {"x": math.nan}),
    "a rule that charges for it": (PLAIN, po.Policy([po.Exclude(bids=["x"], penalty=6)]), {"x": 9}),
    "large amounts": (
        tender("A B", bid("x", "X", "A", 1e9), bid("y", "Y", "A", 1_000_000_000.03), bid("z", "Z", "B", 5e8),
               bid("p", "P", "A;B", 1_500_000_000.02), money_unit=0.01),
        po.Policy(), {"x": 1_000_000_000.02, "y": 1e9, "z": 500_000_000.02, "p": 1.5e9}),
}  # fmt: skip


@pytest.mark.parametrize("case", TO_WIN)
def test_the_price_to_win_is_the_largest_that_wins(case: str) -> None:
    offers, policy, expected = TO_WIN[case]
    award, unit = po.award(offers, policy), offers.money_unit
    for name, price in expected.items():
        assert po.price_to_win(award, name) == pytest.approx(price, nan_ok=True, abs=unit / 100, rel=0)
        if math.isinf(price):
            assert may_win(offers, policy, name, 10_000)
        elif math.isnan(price):
            assert not any(may_win(offers, policy, name, low) for low in (0, 1, 20, 45))
        else:
            assert may_win(offers, policy, name, price)
            assert not any(may_win(offers, policy, name, price + k * unit) for k in (1, 7))


@examples(25)
@given(tiny.tables(max_bids=5))
def test_prices_to_win_are_those_of_enumeration(tables: Any) -> None:
    found = list(tiny.every_award(*tables))
    if not found:
        return
    award = po.award(tender(tables[0], *tables[1]))
    for row in tables[1]:
        name = row["bid"]
        without = min((cost for cost, chosen in found if name not in chosen), default=math.inf)
        others = min((cost - row["price"] for cost, chosen in found if name in chosen), default=math.nan)
        price = without - others
        assert po.price_to_win(award, name) == pytest.approx(math.nan if price < 0 else price, nan_ok=True)


def test_prices_to_win_of_bids_that_do_not_count() -> None:
    rows = [bid("x", "X", "A", 5), bid("gone", "Y", "A", 4, status="withdrawn"), bid("set", "Z", "A", 4, fixed=9)]
    award = po.award(tender(lots("A", reserve=8), *rows))
    with pytest.raises(ValueError, match="bid 'gone' was rejected: withdrawn"):
        po.price_to_win(award, "gone")
    with pytest.raises(ValueError, match="there is no valid bid 'q'"):
        po.price_to_win(award, "q")
    assert math.isnan(po.price_to_win(award, "set"))  # its setup charge alone is above the reserve


# ---- what each rule costs ---------------------------------------------------------------------------------


def test_the_price_of_each_rule() -> None:
    rows = [bid("a", "X", "A", 10), bid("b", "X", "B", 10), bid("y", "Y", "B", 17)]
    rules = [po.MaxLots(1), po.MaxWinners(2), po.Cover(lots=["C"], penalty=4)]
    award = po.award(tender("A B C", *rows), po.Policy(rules))
    table = po.price_of_constraints(award)
    assert table["constraint"].tolist() == [repr(rule) for rule in rules]
    assert table["cost_without"].tolist() == pytest.approx([20, 27, math.nan], nan_ok=True)
    assert table["costs"].tolist() == pytest.approx([7, 0, math.nan], nan_ok=True)
    assert table["objective_without"].tolist() == pytest.approx([24, 31, math.nan], nan_ok=True)
    assert table["binds"].tolist() == [True, False, False]


def test_a_soft_rule_may_save_money() -> None:
    offers = tender("A", bid("x", "X", "A", 10), bid("y", "Y", "A", 11))
    award = po.award(offers, po.Policy([po.Exclude(bids=["x"], penalty=5)]))
    table = po.price_of_constraints(award)
    assert table[["costs", "objective_without", "binds"]].values.tolist() == [[1, 10, True]]


# ---- near ties --------------------------------------------------------------------------------------------


@examples(30)
@given(tiny.tables(), st.integers(0, 6), st.integers(0, 6))
def test_near_ties_are_those_of_enumeration(tables: Any, within: int, limit: int) -> None:
    found = sorted((cost, chosen) for cost, chosen in tiny.every_award(*tables))
    if not found:
        return
    award = po.award(tender(tables[0], *tables[1]))
    now = frozenset(award.bids["bid"])
    others = [(cost, chosen) for cost, chosen in found if cost <= found[0][0] + within and chosen != now]
    near = po.near_ties(award, within, limit=limit)
    assert near.complete == (len(others) <= limit)
    assert near.table["objective"].tolist() == [cost for cost, _ in sorted(others, key=lambda one: one[0])][:limit]
    assert (near.table["extra"] == near.table["objective"] - award.objective).all()
    given = {(frozenset(gained), frozenset(lost)) for gained, lost in near.table[["gained", "lost"]].values}
    assert len(given) == len(near)
    assert given <= {(chosen - now, now - chosen) for _, chosen in others}


def test_near_ties_by_hand() -> None:
    rows = [bid("x", "X", "A", 10), bid("y", "Y", "A", 11), bid("z", "Z", "A", 15)]
    award = po.award(tender(lots("A", in_house=12), *rows), po.Policy([po.Cover(penalty=13)]))
    near = po.near_ties(award, 3)
    assert near.table.values.tolist() == [
        [11, 1, ("y",), ("x",)], [12, 2, (), ("x",)], [13, 3, (), ("x",)]]  # fmt: skip
    assert near.complete
    assert not po.near_ties(award, 3, limit=2).complete
    with pytest.raises(ValueError, match="within is -1; it must be an amount of at least 0"):
        po.near_ties(award, -1)


# ---- many awards ------------------------------------------------------------------------------------------

PAIR = tender("A B", bid("a", "X", "A", 10, quality=80), bid("b", "X", "B", 10, quality=60), bid("y", "Y", "B", 17))
POLICIES = {
    "free": po.Policy(),
    "one each": po.Policy([po.MaxLots(1)]),
    "charged": po.Policy([po.MaxLots(1, penalty=5)]),
    "never": po.Policy([po.MaxLots(0)]),
}


def test_a_frontier_by_hand() -> None:
    table = po.frontier(PAIR, po.Policy(), po.MaxLots, [0, 1, 2])
    assert table["value"].tolist() == [0, 1, 2]
    assert table["status"].tolist() == ["infeasible", "optimal", "optimal"]
    for column, values in (("cost", [math.nan, 27, 20]), ("winners", [0, 2, 1]), ("quality", [math.nan, math.nan, 70]),
                           ("hhi", [math.nan, (10**2 + 17**2) / 27**2, 1])):  # fmt: skip
        assert table[column].tolist() == pytest.approx(values, nan_ok=True)
    assert po.frontier(PAIR, POLICIES["one each"], lambda m: po.Budget(m), [26, 27])["cost"].tolist() == pytest.approx(
        [math.nan, 27], nan_ok=True
    )


def test_scenarios_judge_each_other() -> None:
    found = po.scenarios(PAIR, POLICIES)
    assert found.table["cost"].tolist() == pytest.approx([20, 27, 20, math.nan], nan_ok=True)
    assert found.table["objective"].tolist() == pytest.approx([20, 27, 25, math.nan], nan_ok=True)
    assert found.awards["never"] is None
    nan = math.nan
    assert found.cross.to_numpy() == pytest.approx(
        np.array([[0, nan, 0, nan], [7 / 20, 0, 2 / 25, nan], [0, nan, 0, nan], [nan, nan, nan, nan]]), nan_ok=True
    )
    assert list(found.cross.index) == list(found.cross.columns) == list(POLICIES)


def judged_by_solving(offers: po.Tender, policy: po.Policy, award: po.Award) -> float:
    """The objective of an award under a policy: what it takes is fixed, and the rest is solved for."""
    plan = policy.plan(offers)
    program, names = plan.program, plan.tender.bid_names
    if set(award.bids["bid"]) - set(names):
        return math.nan
    lower, upper = program.lower.copy(), program.upper.copy()
    possible = plan.tender.lot_names[~np.isnan(plan.tender.in_house)]
    for key, columns, table in (("take", names, award.bids.set_index("bid")),
                                ("in_house", possible, award.in_house.set_index("lot"))):  # fmt: skip
        if key in program.start:
            where = slice(program.start[key], program.start[key] + len(columns))
            lower[where] = upper[where] = table["fraction"].reindex(columns).fillna(0.0)
    found = solve(dataclasses.replace(program, lower=lower, upper=upper))
    return math.nan if found.x is None else plan.objective(found.values) * plan.unit


@examples(60)
@given(st.data())
def test_scenarios_are_judged_as_by_solving(data: Any) -> None:
    offers = data.draw(strategies.tenders(divisible=data.draw(st.booleans())))
    rules = {str(i): data.draw(strategies.policies(offers)) for i in range(3)}
    try:
        found = po.scenarios(offers, rules)
    except ValueError as refused:  # discounts that cannot be told apart by scope, or by unit
        assume(not str(refused).startswith("discount of"))
        raise
    for judge, best in found.awards.items():
        for name, award in found.awards.items():
            worse = math.nan
            if best is not None and award is not None:
                extra = judged_by_solving(offers, rules[judge], award) - best.objective
                worse = extra / max(abs(best.objective), 1e-9)
            assert found.cross.loc[name, judge] == pytest.approx(worse, nan_ok=True, rel=1e-6, abs=1e-6)
            if judge == name and best is not None:
                assert found.cross.loc[name, judge] == pytest.approx(0, abs=1e-9)


def pools() -> list[Callable[[], Executor]]:
    # A fresh interpreter: a fork of a process with threads is not safe, and Python 3.12 says so.
    spawned = multiprocessing.get_context("spawn")
    return [lambda: ThreadPoolExecutor(2), lambda: ProcessPoolExecutor(2, mp_context=spawned)]


@pytest.mark.parametrize("pool", pools(), ids=["threads", "processes"])
def test_an_executor_changes_nothing(pool: Callable[[], Executor]) -> None:
    award = po.award(PANEL, VALUED)
    with pool() as executor:
        for run in (
            lambda **more: po.frontier(PAIR, po.Policy(), po.MaxLots, [0, 1, 2], **more),
            lambda **more: po.scenarios(PAIR, POLICIES, **more).cross,
            lambda **more: po.stability(award, draws=4, seed=5, **more).bids,
            lambda **more: po.stability(award, draws=4, seed=5, **more).acceptance.to_frame(),
            lambda **more: po.stability(award, draws=0, **more).evaluators,
        ):
            pd.testing.assert_frame_equal(run(), run(executor=executor))


# ---- stability --------------------------------------------------------------------------------------------

MARKS = {"x": (80, 60), "y": (60, 70)}
PANEL = tender(
    "A", bid("x", "X", "A", 100), bid("y", "Y", "A", 100),
    scores=[{"bid": name, "criterion": "method", "evaluator": evaluator, "score": score}
            for name, marks in MARKS.items() for evaluator, score in zip("EF", marks, strict=True)],
)  # fmt: skip
VALUED = po.Policy(objective=po.QualityAdjusted(1))


def test_stability_by_hand() -> None:
    found = po.stability(po.award(PANEL, VALUED), draws=0)  # x: 100 − 70, y: 100 − 65
    assert found.bids[["bid", "wins", "price_to_win", "change", "share", "quality_change"]].values.tolist() == [
        ["x", True, 105, 5, 0.05, -5], ["y", False, 95, -5, -0.05, 5]]  # fmt: skip
    assert found.smallest is not None
    assert found.smallest["bid"] == "x"
    assert found.complete
    # Without E: x 60, y 70. Without F: x 80, y 60.
    assert found.evaluators.values.tolist() == [["E", True, ("y",), ("x",), 100], ["F", False, (), (), 100]]
    assert math.isnan(found.other_winner)


def test_the_smallest_change_flips_a_winner_and_less_does_not() -> None:
    rows = [bid("x", "X", "A", 100), bid("y", "Y", "A", 108), bid("p", "P", "A;B", 190), bid("z", "Z", "B", 84)]
    offers = tender("A B", *rows)
    award = po.award(offers)
    smallest = po.stability(award).smallest
    assert smallest is not None
    assert (smallest["bid"], smallest["change"]) == ("p", -6)  # 6 of 190 is less than 6 of 100 or of 84

    def winners(change: int) -> tuple[list[str], Any]:
        moved = [row | {"price": row["price"] + change * (row["bid"] == smallest["bid"])} for row in rows]
        again = po.award(tender("A B", *moved))
        return won(again), again.tied

    assert winners(-5) == (["x", "z"], ())
    assert winners(-6)[1] == ("p", "x", "z")
    assert winners(-7) == (["p"], ())


def test_a_quality_step_counts_the_deduction() -> None:
    firms = [{"bidder": "X", "deduction": 0.2}, {"bidder": "Y"}]
    rows = [bid("x", "X", "A", 100, quality=50), bid("y", "Y", "A", 90, quality=50)]
    found = po.stability(po.award(tender("A", *rows, bidders=firms), VALUED))  # evaluated 80 − 50 and 90 − 50
    assert found.bids["price_to_win"].tolist() == [112, 80]
    # 12 dearer is 9.60 in evaluated money, so 9.6 points; y has to make up 10.
    assert found.bids["quality_change"].tolist() == pytest.approx([-9.6, 10])


def test_noise_is_that_of_the_marks_and_of_the_seed() -> None:
    award = po.award(PANEL, VALUED)
    found = po.stability(award, draws=60, seed=3)
    # Deviations ±10 and ±5 around two means of two marks: s² = (200 + 50) / (4 − 2).
    assert found.noise == pytest.approx(math.sqrt(125))
    # The means are 5 apart, each with variance 125 / 2: y wins with probability Φ(−5 / √125) = 0.327.
    assert found.other_winner == pytest.approx(0.327, abs=0.12)
    assert found.acceptance["y"] == found.other_winner == pytest.approx(1 - found.acceptance["x"])
    few = [po.stability(award, draws=10, seed=seed).acceptance.tolist() for seed in (3, 3, 4)]
    assert few[0] == few[1] != few[2]


def test_stability_of_many_bids_looks_at_the_nearest() -> None:
    rows = [bid(f"b{i}", f"B{i}", "A", 100 + 10 * i) for i in range(6)]
    found = po.stability(po.award(tender("A", *rows)), limit=2)
    assert sorted(found.bids["bid"]) == ["b0", "b1"]
    assert not found.complete


# ---- replacing a winner -----------------------------------------------------------------------------------


def test_replacement_costs_by_hand() -> None:
    rows = [bid("x", "X", "A;B", 50), bid("y", "Y", "A", 40), bid("z", "Z", "B", 45)]
    offers = tender(lots("A", "B", in_house=100), *rows)
    assert po.replacement_cost(po.award(offers)).to_dict() == {"X": 35}
    assert po.replacement_cost(po.award(offers.without("X"))).to_dict() == {"Y": 60, "Z": 55}
    bare = tender("A B", *rows)
    assert po.replacement_cost(po.award(bare.without("X"))).to_dict() == {"Y": math.inf, "Z": math.inf}


def test_other_winners_may_do_more_and_constraints_wait() -> None:
    offers = tender(lots("A", estimate=1), *(bid(name, name, "A", price, min_fraction=0) for name, price in
                                             (("x", 10), ("y", 20))))  # fmt: skip
    award = po.award(offers, po.Policy([po.MaxShare(0.6)]))
    assert award.bids["fraction"].tolist() == pytest.approx([0.6, 0.4])
    assert po.replacement_cost(award).tolist() == pytest.approx([0.6 * 20 - 6, 0.4 * 10 - 8])


def test_a_replacement_is_new_and_not_exclusive_of_what_is_let() -> None:
    rows = [bid("a", "X", "A", 10), bid("b", "Y", "B", 10, xor="1"), bid("y", "Y", "A", 15, xor="1"),
            bid("z", "Z", "A", 25, fixed=3), bid("w", "X", "A", 11)]  # fmt: skip
    assert po.replacement_cost(po.award(tender("A B", *rows))).to_dict() == {"X": 18, "Y": math.inf}


# ---- errors travel ----------------------------------------------------------------------------------------


def errors() -> list[Exception]:
    made: list[Exception] = [po.OutOfTime(12.5), po.Tied(("x", "y"))]
    for wrong in (
        lambda: po.Tender([{"lot": ""}], []),
        lambda: po.award(PAIR, po.Policy([po.MaxLots(1), po.Budget(26)])),
        lambda: po.award(PAIR, po.Policy(min_bidders=3, few_bidders="fail")),
    ):
        try:
            wrong()
        except (po.BadTable, po.Infeasible) as error:
            made.append(error)
    return made


@pytest.mark.parametrize("error", errors(), ids=lambda error: type(error).__name__)
def test_errors_pickle(error: Exception) -> None:
    same = pickle.loads(pickle.dumps(error))
    assert type(same) is type(error)
    assert str(same) == str(error)
    for field in ("bound", "tied", "problems", "conflict", "remedies", "remedies_together", "lots_without_bids"):
        assert str(getattr(same, field, None)) == str(getattr(error, field, None))


def test_an_award_pickles() -> None:
    award = po.award(PAIR, POLICIES["one each"])
    same = pickle.loads(pickle.dumps(award))
    assert same.tender == award.tender
    assert (same.cost, won(same), po.check(same)) == (award.cost, won(award), [])
