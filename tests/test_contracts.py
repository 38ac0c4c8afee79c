"""Contracts: known answers, the same optima found by other ways, laws, and what a contract must hold to."""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from procure_opt import governance
from procure_opt.governance import (
    Exponential,
    Power,
    bond,
    cost_share,
    fixed_or_cost_plus,
    incentive_contract,
    inspection,
    linear_contract,
    regulation_menu,
    renewal,
    thoroughness,
)
from test_known import Row, each_row

ODDS = [[0.5, 0.3, 0.2], [0.25, 0.35, 0.4], [0.1, 0.3, 0.6]]
some = settings(max_examples=25, deadline=None)


def called(row: Row) -> Any:
    """What the call of a row gives, and of that what the row asks for."""
    names = {name: getattr(governance, name) for name in governance.__all__}
    found = eval(row["call"], names | {"U": lambda low, high: stats.uniform(low, high - low), "np": np})
    return eval(row["what"], {"found": found})


@each_row("contracts.csv", "call", "what")
def test_known_answers(row: Row) -> None:
    value, within = float(row["value"]), float(row["within"])
    assert called(row) == (value if math.isinf(value) else pytest.approx(value, abs=within, rel=0))


# ---- moral hazard -----------------------------------------------------------------------------------------


@st.composite
def situations(draw: Any, most: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Odds and efforts: two to five actions, two to five outcomes."""
    actions, outcomes = draw(st.integers(2, most)), draw(st.integers(2, most))
    parts = draw(
        st.lists(st.lists(st.integers(0, 20), min_size=outcomes, max_size=outcomes), min_size=actions, max_size=actions)
    )
    odds = np.array(parts, dtype=float)
    assume((odds.sum(axis=1) > 0).all())
    effort = np.array(draw(st.lists(st.integers(0, 100), min_size=actions, max_size=actions))) / 20
    return odds / odds.sum(axis=1, keepdims=True), effort


def mixture(odds: np.ndarray, effort: np.ndarray, a: int) -> float:
    """The least that it costs the supplier to look like action a by mixing the others; infinite if it cannot."""
    others = [h for h in range(len(effort)) if h != a]
    equal = np.vstack([odds[others].T, np.ones(len(others))])
    found = optimize.linprog(effort[others], A_eq=equal, b_eq=np.append(odds[a], 1))
    return float(found.fun) if found.status == 0 else math.inf


def dual(odds: np.ndarray, effort: np.ndarray, a: int, outside: float, held: float) -> float:
    """The least expected wage for action a as the largest value of the dual program, in wages over −held."""
    others = [h for h in range(len(effort)) if h != a]
    rows = np.vstack([odds[a], *(odds[a] - odds[h] for h in others)])
    # Wages w = x − held: rows · x ≥ sides.
    sides = np.array([outside + effort[a] + held, *(effort[a] - effort[h] for h in others)])
    found = optimize.linprog(-sides, A_ub=rows.T, b_ub=odds[a])
    return -float(found.fun) - held


@some
@given(situations(), st.floats(0, 2), st.sampled_from([0.0, 0.5, 2.0]), st.data())
def test_the_linear_program_is_as_good_as_its_dual(case: Any, outside: float, held: float, data: Any) -> None:
    odds, effort = case
    a = data.draw(st.integers(0, len(effort) - 1))
    if (least := mixture(odds, effort, a)) < effort[a] - 1e-6:
        with pytest.raises(ValueError, match=f"action {a} cannot be implemented"):
            incentive_contract(odds, effort, action=a, outside=outside, bond=held)
        return
    assume(least > effort[a] + 1e-6 or least == effort[a])
    found = incentive_contract(odds, effort, action=a, outside=outside, bond=held)
    assert found.expected_wage == pytest.approx(dual(odds, effort, a, outside, held), abs=1e-6)
    holds(found.wages.to_numpy(), odds, effort, a, outside)
    assert (found.wages >= -held - 1e-9).all()
    assert found.rent == pytest.approx(found.expected_wage - effort[a] - outside, abs=1e-9)


def holds(utilities: np.ndarray, odds: np.ndarray, effort: np.ndarray, a: int, outside: float) -> None:
    """The supplier takes part, and no other action is better for it."""
    left = [sum(p * u for p, u in zip(row, utilities)) - g for row, g in zip(odds, effort)]
    scale = max(1.0, float(np.abs(utilities).max()))
    assert left[a] >= outside - 1e-6 * scale
    assert all(left[a] >= other - 1e-6 * scale for other in left)


def highest_needed(odds: np.ndarray, effort: np.ndarray, a: int, outside: float, least: float) -> float:
    """The smallest ceiling on utilities under which some implement action a: one more linear program."""
    rows = np.vstack([odds[a], *(odds[a] - odds[h] for h in range(len(effort)) if h != a)])
    sides = np.array([outside + effort[a], *(effort[a] - effort[h] for h in range(len(effort)) if h != a)])
    n = odds.shape[1]
    below = np.hstack([np.eye(n), -np.ones((n, 1))])
    rows = np.vstack([np.hstack([-rows, np.zeros((len(rows), 1))]), below])
    bounds = [(least, None)] * n + [(None, None)]
    found = optimize.linprog([0] * n + [1], A_ub=rows, b_ub=np.append(-sides, np.zeros(n)), bounds=bounds)
    return float(found.fun)


UTILITIES = [
    (Power(), lambda w: np.sqrt(w), lambda w: 2 * np.sqrt(w)),
    (Power(0.3, 5.0), lambda w: (w + 5) ** 0.3, lambda w: (w + 5) ** 0.7 / 0.3),
    (Exponential(0.1), lambda w: (1 - np.exp(-0.1 * w)) / 0.1, lambda w: np.exp(0.1 * w)),
]


@some
@given(situations(), st.sampled_from(range(len(UTILITIES))), st.data())
def test_no_cheaper_contract_for_those_who_fear_risk(case: Any, which: int, data: Any) -> None:
    """The conditions of Kuhn and Tucker: what wages cost at the margin is a sum, with weights ≥ 0, of what binds."""
    (odds, effort), (utility, u, margin) = case, UTILITIES[which]
    effort = effort / 10
    a = data.draw(st.integers(0, len(effort) - 1))
    assume(mixture(odds, effort, a) > effort[a] + 1e-3)
    outside = 1.7
    try:
        found = incentive_contract(odds, effort, action=a, outside=outside, bond=4.0, utility=utility)
    except ValueError:
        # The utilities that are needed are more than any payment gives; 10 is the least upper bound of this one.
        assert isinstance(utility, Exponential)
        assert highest_needed(odds, effort, a, outside, u(-4.0)) > 10 - 1e-6
        return
    w = found.wages.to_numpy()
    v = u(w)
    holds(v, odds, effort, a, outside)
    rows = np.vstack([odds[a], *(odds[a] - odds[h] for h in range(len(effort)) if h != a)])
    sides = np.array([outside + effort[a], *(effort[a] - effort[h] for h in range(len(effort)) if h != a)])
    least = u(max(-4.0, utility.least))
    binding = rows[rows @ v - sides < 1e-6]
    floors = np.eye(len(v))[(v - least < 1e-6)]
    _, short = optimize.nnls(np.vstack([binding, floors]).T, odds[a] * margin(w))
    assert short < 1e-5 * max(1.0, float((odds[a] * margin(w)).max()))
    assert found.expected_wage >= found.first_best - 1e-6


def test_lotteries_on_finer_grids_come_down_to_the_program_in_utilities() -> None:
    exact = incentive_contract(ODDS, [0, 0.4, 1], action=2, outside=3, utility=Power()).expected_wage
    drawn = [
        incentive_contract(ODDS, [0, 0.4, 1], action=2, outside=3, utility=Power(), wages=np.linspace(0, 40, n + 1))
        for n in (40, 80, 160)
    ]
    costs = [found.expected_wage for found in drawn]
    assert costs == sorted(costs, reverse=True) and exact - 1e-9 <= costs[-1] < exact + 0.01
    for found in drawn:
        assert found.lottery is not None
        assert found.lottery.sum(axis=1).tolist() == pytest.approx([1, 1, 1])
        holds(found.lottery.to_numpy() @ np.sqrt(found.lottery.columns.to_numpy()), np.array(ODDS), [0, 0.4, 1], 2, 3)


@pytest.mark.parametrize("solver", ["HiGHS", "CBC"])
def test_solvers_agree(solver: str) -> None:
    found = incentive_contract(ODDS, [0, 1, 2.5], [2, 10, 18], solver=solver)
    assert (found.action, found.wages.round(6).tolist()) == (2, [0, 0, 7.5])


@pytest.mark.parametrize("unit", [1e-8, 1e-3, 1e6, 1e11])
def test_units_of_money_do_not_matter(unit: float) -> None:
    found = incentive_contract(ODDS, [0, unit, 2.5 * unit], [2 * unit, 10 * unit, 18 * unit], bond=unit)
    assert (found.wages / unit).tolist() == pytest.approx([-1, -1, 6.5])
    assert (found.rent / unit, found.net / unit) == pytest.approx((1, 10.5))


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("bond", [0.5, math.inf])
def test_units_of_money_do_not_matter_to_those_who_fear_risk(unit: float, bond: float) -> None:
    """u(w) = (1 − exp(−a w)) / a has the unit of money, a one over it."""
    one, other = (
        incentive_contract(ODDS, [0, 0.4 * x, x], action=2, outside=3 * x, bond=bond * x, utility=Exponential(0.1 / x))
        for x in (1.0, unit)
    )
    assert (other.wages / unit).tolist() == pytest.approx(one.wages.tolist(), rel=1e-6)
    assert other.expected_wage / unit == pytest.approx(one.expected_wage, rel=1e-7)


@some
@given(situations(), st.lists(st.floats(0, 6), min_size=2, max_size=4))
def test_a_larger_bond_never_raises_the_rent(case: Any, bonds: list[float]) -> None:
    odds, effort = case
    a = int(effort.argmax())
    assume(mixture(odds, effort, a) > effort[a] + 1e-3)
    rents = [incentive_contract(odds, effort, action=a, bond=held).rent for held in sorted(bonds)]
    assert all(later <= before + 1e-7 for before, later in itertools.pairwise(rents))


@pytest.mark.parametrize("bond", [2.0, 1e6, 1e15, math.inf])
def test_a_bond_beyond_the_rent_changes_nothing(bond: float) -> None:
    """A supplier that can lose more is not asked to: wages are those of the least bond that leaves no rent."""
    found = incentive_contract(ODDS, [0, 1, 2.5], [2, 10, 18], bond=bond)
    assert (found.wages.tolist(), found.rent) == (pytest.approx([-2, -2, 5.5]), pytest.approx(0, abs=1e-12))


@some
@given(situations(), st.floats(0, 2), st.floats(0, 6))
def test_rent_falls_one_for_one_with_the_bond(case: Any, outside: float, held: float) -> None:
    odds, effort = case
    a = int(effort.argmax())
    assume(mixture(odds, effort, a) > effort[a] + 1e-3)
    free, bonded = (incentive_contract(odds, effort, action=a, outside=outside, bond=each) for each in (0.0, held))
    assert bonded.rent == pytest.approx(max(0.0, free.rent - held), abs=1e-9)


def test_a_bond_beyond_what_floats_hold_in_utility() -> None:
    found, free = (
        incentive_contract(ODDS, [0, 0.4, 1], action=2, outside=3, bond=bond, utility=Exponential(0.1))
        for bond in (1e5, math.inf)
    )
    assert found.wages.tolist() == pytest.approx(free.wages.tolist(), abs=1e-6)


@some
@given(situations(4), st.data())
def test_the_action_chosen_is_the_best_of_all_that_were_named_one_by_one(case: Any, data: Any) -> None:
    odds, effort = case
    value = np.array(data.draw(st.lists(st.integers(0, 30), min_size=odds.shape[1], max_size=odds.shape[1])))
    chosen = incentive_contract(odds, effort, value)
    nets = []
    for a in range(len(effort)):
        with contextlib.suppress(ValueError):  # an action that cannot be implemented
            nets.append(incentive_contract(odds, effort, value, action=a).net)
    assert chosen.net >= max(nets) - 1e-6
    assert (chosen.table["note"] != "").tolist() == chosen.table["net"].isna().tolist()


@pytest.mark.parametrize(
    "told, arguments",
    [
        ("action 1 sum to 0.9", {"probabilities": [[0.5, 0.5], [0.5, 0.4]]}),
        ("action 0 are .* each must be from 0 to 1", {"probabilities": [[1.5, -0.5], [0.5, 0.5]]}),
        ("effort_cost of action 1 is -1", {"effort_cost": [0, -1]}),
        ("effort_cost has the shape", {"effort_cost": [0, 1, 2]}),
        ("bond is -1", {"bond": -1}),
        ("bond is '1'", {"bond": "1"}),
        ("one row for each action, at least one", {"probabilities": [], "effort_cost": []}),
        ("the probabilities of action 0, outcome 0, is 'a'; it must be a number", {"probabilities": [["a", "b"]] * 2}),
        ("value, outcome 1, is nan", {"value": [1, math.nan]}),
        ("effort_cost must name each action .* 'lazy' stands in one of them only", {"effort_cost": {"lazy": 0, 1: 1}}),
        ("outside is nan", {"outside": math.nan}),
        ("there is no action 7; there are 0, 1", {"action": 7}),
        ("give value=, or name an action=", {"action": None}),
        ("none below -0.5", {"bond": 0.5, "wages": [-1, 0, 1]}),
        ("no lottery over wages from 0 to 1 implements action 1", {"wages": [0, 1], "outside": 3}),
        ("there is no solver", {"solver": "abacus"}),
        (r"action 1 cannot be implemented: 0 \(100%\) gives .* costs the supplier 0, not 1",
         {"probabilities": [[0.5, 0.5], [0.5, 0.5]]}),
        ("needs more utility than payments can give", {"utility": Exponential(1.0), "outside": 3}),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_contract_is_named(told: str, arguments: dict[str, Any]) -> None:
    good: dict[str, Any] = {"probabilities": [[0.6, 0.4], [0.2, 0.8]], "effort_cost": [0, 1], "action": 1}
    with pytest.raises(ValueError, match=told):
        incentive_contract(**(good | arguments))


# ---- monitoring -------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.floats(0.5, 9), st.floats(0, 20), st.floats(0, 20), st.floats(0, 20), st.booleans())
def test_inspection_is_an_equilibrium(gain: float, penalty: float, cost: float, loss: float, prevents: bool) -> None:
    """What each side gets, from the game itself: neither can do better, and who commits can no longer be surprised."""

    def buyer(inspect: float, shirk: float) -> float:
        damage = loss * shirk * (1 - inspect * prevents)
        return inspect * cost + damage - inspect * shirk * penalty

    def supplier(inspect: float, shirk: float) -> float:
        return shirk * (gain - inspect * penalty)

    plays = inspection(gain, penalty, cost, loss, prevents=prevents)
    assert 0 <= plays.inspect <= 1 and 0 <= plays.shirk <= 1
    assert plays.cost == pytest.approx(buyer(plays.inspect, plays.shirk), abs=1e-9)
    assert all(plays.cost <= buyer(other, plays.shirk) + 1e-9 for other in (0, 1))
    assert all(supplier(plays.inspect, plays.shirk) >= supplier(plays.inspect, other) - 1e-9 for other in (0, 1))

    plan = inspection(gain, penalty, cost, loss, commitment=True, prevents=prevents)
    assert plan.cost == pytest.approx(buyer(plan.inspect, plan.shirk), abs=1e-9)
    assert all(supplier(plan.inspect, plan.shirk) >= supplier(plan.inspect, other) - 1e-9 for other in (0, 1))
    assert plan.cost <= plays.cost + 1e-9
    for p in np.linspace(0, 1, 21):  # other plans, with a supplier who answers as is best for it
        answer = float(supplier(p, 1) > supplier(p, 0))
        assert plan.cost <= buyer(p, answer) + 1e-9


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({"gain": 4, "penalty": 2, "cost": 3, "loss": 15}, (1, 1, 1)),  # 15 + 3 − 17: deters nobody, yet pays
        ({"gain": 4, "penalty": 2, "cost": 30, "loss": 15}, (0, 1, 15)),
        ({"gain": 4, "penalty": 2, "cost": 30, "loss": 15, "commitment": True}, (0, 1, 15)),
        ({"gain": 4, "penalty": 20, "cost": 100, "loss": 15, "commitment": True}, (0, 1, 15)),
        ({"gain": 4, "penalty": 0, "cost": 3, "loss": 15, "commitment": True}, (1, 1, 3)),
        ({"gain": 4, "penalty": 20, "cost": 3, "loss": 1, "commitment": True}, (0.2, 1, -2.6)),  # lives on penalties
    ],
)
def test_corners_of_inspection(arguments: dict[str, Any], expected: tuple[float, ...]) -> None:
    found = inspection(**arguments)
    assert (found.inspect, found.shirk, found.cost) == pytest.approx(expected, abs=1e-9)


@some
@given(st.floats(0.5, 9), st.floats(0, 20), st.floats(0.01, 2), st.floats(0, 30))
def test_a_bond_costs_no_more_than_any_other_that_deters(gain: float, cost: float, rate: float, above: float) -> None:
    most = gain + above
    found = bond(gain, cost, rate, most=most)
    assert found.inspect * found.amount == pytest.approx(gain) and found.inspect <= 1 + 1e-12
    for amount in np.linspace(gain, most, 50):
        assert found.cost <= cost * gain / amount + rate * amount + 1e-9


@some
@given(st.floats(0.1, 9), st.floats(0, 20), st.floats(0, 20), st.floats(0.1, 20))
def test_thoroughness_is_the_best(cost: float, loss: float, penalty: float, effort_cost: float) -> None:
    found = thoroughness(cost, loss, penalty, effort_cost)
    for m in np.linspace(0, 1, 201):
        effort = min(1.0, m * penalty / effort_cost)
        assert found.cost <= cost * m**2 / 2 + loss * (1 - effort) + 1e-9


def test_who_shirks_once_loses_just_what_it_gains() -> None:
    """Both value functions, summed period by period."""
    gain, discount, detection, renewed = 4.0, 0.9, 0.2, 0.8
    found = renewal(gain, discount, detection, renewed=renewed)
    complies = sum((discount * renewed) ** k * found.rent for k in range(500))
    shirks = found.rent + gain + (1 - detection) * discount * renewed * complies
    assert found.value == pytest.approx(complies) and shirks == pytest.approx(complies)
    assert found.rent > renewal(gain, discount, detection).rent


@pytest.mark.parametrize(
    "told, call",
    [
        ("gain is 0", lambda: inspection(0, 20, 3, 15)),
        ("penalty is -1", lambda: inspection(4, -1, 3, 15)),
        ("loss is nan", lambda: inspection(4, 20, 3, math.nan)),
        ("at most 3 deters nobody who gains 4", lambda: bond(4, 3, 0.06, most=3)),
        ("rate is 0", lambda: bond(4, 3, 0)),
        ("effort_cost is 0", lambda: thoroughness(4, 6, 3, 0)),
        ("discount is 1", lambda: renewal(4, 1, 0.2)),
        ("detection is 0", lambda: renewal(4, 0.9, 0)),
        ("noise has the shape", lambda: linear_contract([1, 1], [1, 1], [1], 1)),
        ("not positive definite", lambda: linear_contract([1, 1], [[1, 1], [1, 1]], [1, 1], 1)),
        ("must be a symmetric matrix", lambda: linear_contract([1, 1], [[1, 0.5], [0, 1]], [1, 1], 1)),
        ("not positive semidefinite", lambda: linear_contract([1, 1], [1, 1], [[1, 2], [2, 1]], 1)),
        ("risk_aversion is -1", lambda: linear_contract(1, 1, 1, -1)),
        ("value has the shape", lambda: linear_contract([], [], [], 1)),
        ("value is .* it must be numbers", lambda: linear_contract(["a", 1], [1, 1], [1, 1], 1)),
        ("least_effort has the shape", lambda: linear_contract([1, 1], [1, 1], [1, 1], 1, least_effort=[0, 0, 0])),
        ("and tasks at most 6", lambda: linear_contract([1] * 7, [1] * 7, [1] * 7, 1, least_effort=0)),
        ("no price can be expected", lambda: cost_share(stats.pareto(0.4), 2, effort_cost=1)),
        ("penalty is inf", lambda: inspection(4, math.inf, 3, 15)),
        ("most is nan", lambda: bond(4, 3, 0.06, most=math.nan)),
        ("unmeasured names task 2", lambda: linear_contract([1, 1], [1, 1], [1, 1], 1, unmeasured=[2])),
        ("bidders is 1", lambda: cost_share(stats.uniform(0, 1), 1, effort_cost=1)),
        ("least is 0", lambda: cost_share(stats.uniform(0, 1), 3, effort_cost=1, least=0)),
        ("risk is -1", lambda: cost_share(stats.uniform(0, 1), 3, effort_cost=1, risk=-1)),
        ("no highest value", lambda: regulation_menu(stats.expon(), 0.3)),
        ("cost_of_funds is -1", lambda: regulation_menu(stats.uniform(2, 1), -1)),
        ("outside of 2 to 3", lambda: regulation_menu(stats.uniform(2, 1), 0.3, at=[4])),
        ("friction_fixed is 3; it must be above", lambda: fixed_or_cost_plus(1, 0.5, 2, 3, 3)),
        ("gain is -2", lambda: fixed_or_cost_plus(1, 0.5, -2, 8, 3)),
    ],
)
def test_what_is_wrong_is_named(told: str, call: Any) -> None:
    with pytest.raises(ValueError, match=told):
        call()


# ---- pay by measured work ---------------------------------------------------------------------------------


@st.composite
def tasks(draw: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, list[int]]:
    n = draw(st.integers(1, 3))
    numbers = st.lists(st.integers(-10, 10), min_size=n * n, max_size=n * n)
    roots = [np.array(draw(numbers)).reshape(n, n) / 10 for _ in range(2)]
    cost, spread = roots[0] @ roots[0].T + 0.3 * np.eye(n), roots[1] @ roots[1].T
    p = np.array(draw(st.lists(st.integers(0, 10), min_size=n, max_size=n))) / 5
    missing = draw(st.sets(st.integers(0, n - 1), max_size=n - 1))
    return p, cost, spread, draw(st.floats(0, 3)), sorted(missing)


@some
@given(tasks())
def test_rates_are_the_best_and_effort_is_what_they_call_for(case: Any) -> None:
    p, cost, spread, r, missing = case
    found = linear_contract(p, cost, spread, r, unmeasured=missing, outside=1.5)
    measured = [task for task in range(len(p)) if task not in missing]

    def answer(b: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(cost, b, rcond=None)[0]

    def lost(rates: np.ndarray) -> float:
        b = np.zeros(len(p))
        b[measured] = rates
        t = answer(b)
        return -float(p @ t - t @ cost @ t / 2 - r * b @ spread @ b / 2)

    best = optimize.minimize(lost, np.zeros(len(measured)), method="BFGS", options={"gtol": 1e-9})
    assert found.surplus == pytest.approx(-best.fun, abs=1e-8)
    assert found.rates[measured] == pytest.approx(best.x, abs=1e-4)
    assert found.effort == pytest.approx(answer(found.rates), abs=1e-8)
    # The supplier's certainty equivalent is its outside option.
    kept = found.fixed + found.rates @ found.effort - found.effort @ cost @ found.effort / 2
    assert kept - r * found.rates @ spread @ found.rates / 2 == pytest.approx(1.5, abs=1e-8)
    assert found.surplus <= found.first_best + 1e-9


def answered(b: np.ndarray, cost: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Efforts of at least so much that leave a supplier the most of rates b: a bounded least-squares problem."""
    root = np.linalg.cholesky(cost)
    return optimize.lsq_linear(root.T, np.linalg.solve(root, b), (least, np.inf), method="bvls", tol=1e-14).x


@some
@given(tasks(), st.lists(st.integers(0, 5), min_size=3, max_size=3))
def test_no_other_rates_are_better_where_neglect_has_an_end(case: Any, ends: list[int]) -> None:
    p, cost, spread, r, missing = case
    least = -np.array(ends[: len(p)]) / 10
    found = linear_contract(p, cost, spread, r, unmeasured=missing, least_effort=least, outside=1.5)
    measured = [task for task in range(len(p)) if task not in missing]

    def surplus(rates: Any) -> float:
        b = np.zeros(len(p))
        b[measured] = rates
        t = answered(b, cost, least)
        return float(p @ t - t @ cost @ t / 2 - r * b @ spread @ b / 2)

    assert found.effort == pytest.approx(answered(found.rates, cost, least), abs=1e-6)
    assert found.surplus == pytest.approx(surplus(found.rates[measured]), abs=1e-6)
    assert surplus(found.rates[measured]) <= found.first_best + 1e-7
    generator = np.random.default_rng(2)
    tries = [found.rates[measured] + scale * generator.normal(size=len(measured))
             for scale in (0.01, 0.1, 1, 3) for _ in range(15)]  # fmt: skip
    assert max(map(surplus, [*tries, np.zeros(len(measured))])) <= found.surplus + 1e-7
    # Where the least is out of reach it changes nothing.
    free = linear_contract(p, cost, spread, r, unmeasured=missing)
    deep = linear_contract(p, cost, spread, r, unmeasured=missing, least_effort=-99)
    assert deep.rates == pytest.approx(free.rates, abs=1e-7)
    assert (deep.surplus, deep.first_best) == pytest.approx((free.surplus, free.first_best), abs=1e-7)


@some
@given(st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0, 3), st.floats(0, 4), st.floats(0, 4))
def test_with_one_task_more_monitoring_never_raises_shirking(
    value: float, cost: float, r: float, noise: float, more: float
) -> None:
    """Three ways to watch: to measure more precisely, to inspect more cheaply, to find more."""
    close, far = (linear_contract(value, cost, spread, r).effort[0] for spread in (noise, noise + more))
    assert close >= far - 1e-12
    cheap, dear = (thoroughness(cost + k, 6, 3, 9) for k in (0.0, more))
    assert cheap.detection >= dear.detection - 1e-12 and cheap.effort >= dear.effort - 1e-12
    assert inspection(1, 20, noise, 5).shirk <= inspection(1, 20, noise + more, 5).shirk + 1e-12


def test_with_two_tasks_more_monitoring_of_one_may_raise_shirking_on_the_other() -> None:
    """Cleaning by the square metre, and courtesy: the closer the first is measured, the less of the second."""
    blunt, sharp = (linear_contract([1, 1], [[1, 0.5], [0.5, 1]], [spread, 2], 2) for spread in (0.5, 0.05))
    assert sharp.effort[0] > blunt.effort[0] + 0.2
    assert sharp.effort[1] < blunt.effort[1] - 0.05
    assert sharp.surplus > blunt.surplus  # the buyer gains none the less


# ---- sharing the cost -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n, d, risk",
    [(3, 1.0, 0.0), (3, 1.0, 0.5), (5, 1.0, 0.5), (3, 5.0, 0.0)],
    ids=["neutral", "averse", "five", "corner"],
)
def test_cost_shares_pay_what_the_auction_pays(n: int, d: float, risk: float) -> None:
    """The auction itself: each bids what makes the contract worth nothing to it; the second-lowest price is paid."""
    found = cost_share(stats.uniform(0, 1), n, effort_cost=d, risk=risk)
    cost = np.sort(np.random.default_rng(5).uniform(size=(200_000, n)), axis=1)[:, :2]

    def paid(s: float) -> np.ndarray:
        x = s / d
        # s b − s (c − x) − d x² / 2 − ρσ² s² / 2 = 0
        bid = cost - x + d * x**2 / (2 * s) + risk * s / 2
        return (1 - s) * (cost[:, 0] - x) + s * bid[:, 1]

    drawn = paid(found.share)
    assert drawn.mean() == pytest.approx(found.expected_payment, abs=4.5 * drawn.std() / math.sqrt(len(drawn)))
    assert paid(1.0).mean() == pytest.approx(found.fixed_price, abs=4.5 * paid(1.0).std() / math.sqrt(len(drawn)))
    others = [paid(s).mean() for s in np.linspace(0.01, 1, 34)]
    assert drawn.mean() <= min(others) + 2e-3
    assert found.interior == (d == 1.0)


# ---- a menu of contracts ----------------------------------------------------------------------------------

# Two groups of suppliers: the density is low between them, so that F / f first rises steeply and then falls.
GROUPS = type(
    "Groups", (), {
        "parts": (stats.truncnorm(-2.0, 6.0, 2.2, 0.1), stats.truncnorm(-6.0, 2.0, 2.8, 0.1)),
        "support": lambda self: (2.0, 3.0),
        "pdf": lambda self, x: sum(part.pdf(x) for part in self.parts) / 2,
        "cdf": lambda self, x: sum(part.cdf(x) for part in self.parts) / 2,
        "sf": lambda self, x: sum(part.sf(x) for part in self.parts) / 2,
        "ppf": lambda self, q: np.interp(q, self.cdf(np.linspace(2, 3, 20_001)), np.linspace(2, 3, 20_001)),
        "isf": lambda self, q: self.ppf(1 - np.asarray(q)),
    },
)()  # fmt: skip
MENUS = [
    (stats.uniform(2, 1), 0.3, 1.0, 1), (stats.uniform(2, 1), 0.3, 2.0, 3), (stats.beta(2, 3, 1, 2), 0.5, 1.0, 1),
    (stats.uniform(0, 1), 2.0, 2.0, 2), (GROUPS, 0.5, 1.0, 1),
    (GROUPS, 0.5, 1.0, 2),
]  # fmt: skip
menus = pytest.mark.parametrize(
    "menu", MENUS, ids=["uniform", "auctioned", "beta", "no effort", "two groups", "two groups auctioned"]
)


@menus
def test_each_type_takes_its_own_entry_of_the_menu(menu: Any) -> None:
    types, funds, d, _ = menu
    low, high = types.support()
    entries = regulation_menu(types, funds, effort_cost=d, at=np.linspace(low, high, 41)).table
    for own, entry in entries.iterrows():
        # Whoever bears a share s of overruns makes an effort of s / d, whatever the rest.
        effort = entries["share"] / d
        kept = entries["transfer"] - entries["share"] * (entry["type"] - effort - entries["cost"]) - d * effort**2 / 2
        assert kept.max() <= kept[own] + 2e-5
        assert kept[own] == pytest.approx(entry["rent"], abs=1e-9)
    assert (entries["rent"] >= -1e-12).all()


def social_cost(types: Any, share: Any, funds: float, d: float, n: int) -> float:
    """(1 + λ)(C + ψ) + λ rent over types, on midpoints of equal steps; shares given there."""
    low, high = types.support()
    x = low + (np.arange(len(share)) + 0.5) / len(share) * (high - low)
    step, survivor = (high - low) / len(share), types.sf(x)
    density = n * types.pdf(x) * survivor ** (n - 1)
    rent = n * (share * types.cdf(x) * survivor ** (n - 1)).sum() * step
    return float((density * (1 + funds) * (x - share / d + share**2 / (2 * d))).sum() * step + funds * rent)


@menus
def test_no_other_menu_costs_society_less(menu: Any) -> None:
    types, funds, d, n = menu
    low, high = types.support()
    x = low + (np.arange(4000) + 0.5) / 4000 * (high - low)
    found = regulation_menu(types, funds, effort_cost=d, bidders=n, at=x)
    share = found.table["share"].to_numpy()
    assert (np.diff(share) <= 1e-12).all() and share.min() >= 0
    assert found.pooled == (types is GROUPS)
    assert found.social_cost == pytest.approx(social_cost(types, share, funds, d, n), abs=2e-5)
    best = social_cost(types, share, funds, d, n)
    generator = np.random.default_rng(1)
    for _ in range(40):
        knots = np.sort(generator.uniform(0, 1, 6))[::-1]
        other = np.interp(x, np.linspace(low, high, 6), knots)
        for weight in (0.02, 0.2, 1.0):
            assert social_cost(types, (1 - weight) * share + weight * other, funds, d, n) >= best - 1e-7
    assert found.social_cost <= found.fixed_price + 1e-9 and found.social_cost <= found.cost_plus + 1e-9


def test_rents_of_an_auctioned_menu_average_to_the_expected_rent() -> None:
    found = regulation_menu(stats.uniform(2, 1), 0.3, bidders=3, at=np.linspace(2, 3, 2001))
    x, rent = found.table["type"].to_numpy(), found.table["rent"].to_numpy()
    assert integrate.simpson(rent * 3 * (3 - x) ** 2, x=x) == pytest.approx(found.expected_rent, abs=1e-9)


# ---- fixed price or cost-plus -----------------------------------------------------------------------------


@some
@given(st.floats(0.1, 2), st.floats(0, 8), st.floats(0.5, 4), st.floats(0.2, 6), st.floats(0.1, 30))
def test_the_threshold_parts_fixed_price_from_cost_plus(
    design: float, gain: float, plus: float, more: float, complexity: float
) -> None:
    """Designs compared one by one, without the formula."""
    x = np.exp(-np.linspace(0, 12, 4001))
    worst = plus + more
    spent = [
        float((design * complexity * -np.log(x) + friction * x).min()) - saved
        for friction, saved in ((worst, gain), (plus, 0.0))
    ]
    found = fixed_or_cost_plus(complexity, design, gain, worst, plus)
    assert (found.fixed_price, found.cost_plus) == pytest.approx(spent, abs=1e-4)
    if abs(spent[0] - spent[1]) > 1e-3:
        assert found.decision == ("fixed price" if spent[0] < spent[1] else "cost-plus")
        assert (complexity < found.threshold) == (spent[0] < spent[1])
