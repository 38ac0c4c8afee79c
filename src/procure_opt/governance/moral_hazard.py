"""Incentive contracts: payments by outcome, under which the supplier does what the buyer cannot see.

The supplier chooses an action, the buyer sees an outcome. The contract for an action a is the cheapest one with

    Σ_j P(a, j) u(w_j) − g(a) ≥ outside                                      the supplier takes part,
    Σ_j P(a, j) u(w_j) − g(a) ≥ Σ_j P(h, j) u(w_j) − g(h)   for each h       no other action is better for it,
    w_j ≥ −bond                                                              it cannot lose more than its bond.

All three are linear in the utilities v_j = u(w_j) (Grossman and Hart 1983), so the programs below are written in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pulp
from numpy.typing import ArrayLike, NDArray

from procure_opt.governance.arguments import not_negative, number
from procure_opt.governance.utility import Neutral, Utility
from procure_opt.solvers import Limits, pulp_solver

Floats = NDArray[np.float64]

STEPS = 200  # of the interior-point method; some thirty are usual
CLOSE = 1e-6  # the share of the expected payment within which it is the least
HOLDS = 1e-6  # by how much, as a share of what is at stake, a constraint of a contract may fail


@dataclass(frozen=True, eq=False)
class IncentiveContract:
    """What to pay for each outcome.

    Attributes:
        action: What the supplier does under it.
        wages: The payment for each outcome; in a lottery the mean.
        expected_wage: Σ P w.
        rent: What the supplier has, in utility, over its outside option.
        first_best: What the same action would cost if it could be seen.
        net: Expected value of the outcomes less expected payment; NaN without `value`.
        table: By action `value`, `first_best`, `expected_wage`, `rent`, `net`, and in `note` why a row has none.
        lottery: The probability of each wage after each outcome (rows), where wages are drawn from a grid.
    """

    action: Any
    wages: pd.Series
    expected_wage: float
    rent: float
    first_best: float
    net: float
    table: pd.DataFrame
    lottery: pd.DataFrame | None = None


def incentive_contract(
    probabilities: pd.DataFrame | ArrayLike,
    effort_cost: ArrayLike,
    value: ArrayLike | None = None,
    *,
    action: Any = None,
    outside: float = 0.0,
    bond: float = 0.0,
    utility: Utility | None = None,
    wages: ArrayLike | None = None,
    solver: str = "HiGHS",
) -> IncentiveContract:
    """The cheapest contract for an action that the buyer cannot see: for the best of all actions, or for the one named.

    Risk-neutral suppliers: a linear program in the wages; of its rent the bond takes as much as there is, rent = max(0,
    rent without a bond − bond). Risk-averse ones: the program of Grossman and Hart in utilities, to a millionth of the
    expected payment, which a linear program confirms; or, with `wages`, the linear program of Prescott and Townsend,
    which draws a wage of that grid after each outcome and so needs no concavity.

    Args:
        probabilities: P, of each outcome (columns) after each action (rows), shape (actions, outcomes); a DataFrame
            gives them names.
        effort_cost: g, of each action, in utility (which is money without risk aversion), at least 0; named as the
            rows are, or in their order.
        value: What each outcome is worth to the buyer, in money; needed unless an action is named.
        action: The one to implement, by name (by position where there are none); None takes that of the highest net.
        outside: What the supplier has elsewhere, in utility.
        bond: What it can lose: wages are at least −bond. 0 is limited liability, `math.inf` none.
        utility: `Power`, `Exponential`, or anything of that kind; None is risk neutrality.
        wages: A grid of wages for lotteries.
        solver: Any solver PuLP knows, by name.

    Raises:
        ValueError: probabilities that do not sum to 1, negative costs, names that do not fit, an action that no
            payments can implement (with the mixture of other actions that looks the same and costs the supplier less).
        RuntimeError: what the solver found does not hold, or is not confirmed to be the cheapest, as figures that
            differ by many powers of ten may lead to. Nothing is returned then.

    References: Grossman and Hart (1983), Econometrica 51; Innes (1990), Journal of Economic Theory 52; Prescott and
    Townsend (1984), Econometrica 52.

    >>> odds = [[0.5, 0.3, 0.2], [0.25, 0.35, 0.4], [0.1, 0.3, 0.6]]
    >>> found = incentive_contract(odds, [0, 1, 2.5], [2, 10, 18])
    >>> found.action, found.wages.round(6).tolist(), round(found.rent, 6), round(found.net, 6)
    (2, [0.0, 0.0, 7.5], 2.0, 9.5)
    >>> incentive_contract(odds, [0, 1, 2.5], action=2, bond=1).wages.round(6).tolist()
    [-1.0, -1.0, 6.5]
    >>> from procure_opt.governance import Power
    >>> incentive_contract(odds, [0, 0.4, 1], action=2, outside=3, utility=Power()).wages.round(6).tolist()
    [1.0, 13.444444, 21.777778]
    """
    case = _read(probabilities, effort_cost, outside, bond, utility or Neutral())
    how = _how(case, wages, pulp_solver(solver, Limits()))
    table, found = _compared(case, _worth(case, value, action), action, how)
    if not found:
        raise ValueError("; ".join(table["note"] if action is None else table.loc[[action], "note"]))
    a = next(iter(found)) if action is not None else int(np.nanargmax(table["net"].to_numpy()))
    row = table.iloc[a]
    return IncentiveContract(
        case.actions[a],
        pd.Series(found[a].wages, case.outcomes, name="wage"),
        expected_wage=float(row["expected_wage"]),
        rent=float(row["rent"]),
        first_best=float(row["first_best"]),
        net=float(row["net"]),
        table=table,
        lottery=found[a].lottery,
    )


class _Case(NamedTuple):
    """Who can do what, and what it does to the outcomes."""

    odds: Floats
    effort: Floats
    outside: float
    floor: float  # the lowest wage
    utility: Utility
    actions: pd.Index
    outcomes: pd.Index

    def earns(self, utilities: Floats) -> Floats:
        """What each action leaves the supplier, in utility."""
        return np.asarray(self.odds @ utilities - self.effort)

    def seen(self, a: int) -> float:
        """What an action costs if it can be seen: the same payment whatever the outcome."""
        needed = self.outside + self.effort[a]
        if needed >= self.utility.most:
            return math.inf
        return max(self.floor, float(self.utility.inverse(max(needed, self.lowest))))

    @property
    def stake(self) -> float:
        """What is at stake in utility: the dearest effort, what is had elsewhere, or what can be lost."""
        asked = abs(self.outside) if math.isfinite(self.outside) else 0.0
        free = abs(self.lowest) if math.isfinite(self.lowest) else 0.0
        return max(float(self.effort.max()), asked) or free or 1.0

    @property
    def lowest(self) -> float:
        """The lowest utility."""
        return -math.inf if math.isinf(self.floor) else float(self.utility(self.floor))


class _Paid(NamedTuple):
    """Wages, the utility expected after each outcome, and the lottery if there is one."""

    wages: Floats
    utilities: Floats
    lottery: pd.DataFrame | None = None


def _read(probabilities: Any, effort_cost: Any, outside: float, bond: float, utility: Utility) -> _Case:
    table = probabilities if isinstance(probabilities, pd.DataFrame) else pd.DataFrame(np.atleast_2d(probabilities))
    if not table.size:
        raise ValueError(f"probabilities has the shape {table.shape}; give one row for each action, at least one")
    if not (table.index.is_unique and table.columns.is_unique):
        raise ValueError("probabilities names an action or an outcome twice")
    effort = _row("effort_cost", effort_cost, table.index, "action")
    odds = np.array([_row(f"the probabilities of action {name!r}", row.to_numpy(), table.columns, "outcome")
                     for name, row in table.iterrows()])  # fmt: skip
    for name, row in zip(table.index, odds):
        if not (row >= 0).all():
            raise ValueError(f"the probabilities of action {name!r} are {row.tolist()}; each must be from 0 to 1")
        if abs(row.sum() - 1) > 1e-9:
            raise ValueError(f"the probabilities of action {name!r} sum to {row.sum():.10g}; they must sum to 1")
    for name, cost in zip(table.index, effort):
        not_negative(**{f"effort_cost of action {name!r}": float(cost)})
    number("outside", outside)
    if bond != math.inf:  # no limited liability
        not_negative(bond=bond)
    return _Case(odds, effort, float(outside), max(0.0 - bond, utility.least), utility, table.index, table.columns)


def _row(what: str, values: Any, names: pd.Index, of: str) -> Floats:
    """One number for each name, in its order where the numbers are named too."""
    if isinstance(values, Mapping):
        values = pd.Series(values)
    if isinstance(values, pd.Series):
        if not values.index.is_unique or set(values.index) != set(names):
            odd = [name for name in [*values.index, *names] if (name in values.index) != (name in names)]
            told = f"{odd[0]!r} stands in one of them only" if odd else "a name stands there twice"
            raise ValueError(f"{what} must name each {of} of the probabilities once: {told}")
        values = values.reindex(names)
    row = np.asarray(values)
    if row.shape != (len(names),):
        raise ValueError(f"{what} has the shape {row.shape}; it must be one number for each {of}, ({len(names)},)")
    return np.array([number(f"{what}, {of} {name!r},", given) for name, given in zip(names, row)])


def _worth(case: _Case, value: Any, action: Any) -> Floats:
    if action is not None and action not in case.actions.tolist():
        raise ValueError(f"there is no action {action!r}; there are {', '.join(map(repr, case.actions))}")
    if value is not None:
        return np.asarray(case.odds @ _row("value", value, case.outcomes, "outcome"))
    if action is None:
        raise ValueError("which action is best depends on what outcomes are worth: give value=, or name an action=")
    return np.full(len(case.effort), math.nan)


def _compared(
    case: _Case, worth: Floats, action: Any, how: Callable[[int], _Paid | str]
) -> tuple[pd.DataFrame, dict[int, _Paid]]:
    """The table, and the contracts found; without those that cannot be better even if the action could be seen."""
    table = pd.DataFrame({"value": worth, "first_best": [case.seen(a) for a in range(len(worth))]}, case.actions)
    table[["expected_wage", "rent", "net"]] = math.nan
    table["note"] = "" if action is None else "another action was named"
    found: dict[int, _Paid] = {}
    best = -math.inf
    for a in _order(case, table, action):
        at_most = float(table["value"].iloc[a] - table["first_best"].iloc[a])
        paid = how(a) if not at_most <= best else f"not better: at most {at_most:.6g} even if it could be seen"
        if isinstance(paid, str):
            table.loc[case.actions[a], "note"] = paid
            continue
        found[a] = paid
        wage, rent = float(case.odds[a] @ paid.wages), float(case.earns(paid.utilities)[a]) - case.outside
        table.loc[case.actions[a], ["expected_wage", "rent", "net", "note"]] = wage, rent, worth[a] - wage, ""
        best = max(best, worth[a] - wage)
    return table, found


def _order(case: _Case, table: pd.DataFrame, action: Any) -> Sequence[int]:
    """The action named, or all, those first that would be best if they could be seen."""
    if action is not None:
        return [case.actions.tolist().index(action)]
    return [int(a) for a in np.argsort(-(table["value"] - table["first_best"]).to_numpy(), kind="stable")]


def _how(case: _Case, wages: Any, solver: Any) -> Callable[[int], _Paid | str]:
    """How an action is paid for: the contract, or why there is none."""
    if wages is not None:
        grid = np.unique(np.asarray(wages, dtype=float))
        if not len(grid) or not np.isfinite(grid).all() or grid[0] < case.floor:
            raise ValueError(f"wages must be a grid of numbers, none below {case.floor:g}, the least that can be paid")
        return lambda a: _drawn(case, a, grid, solver)

    def paid(a: int) -> _Paid | str:
        utilities = _utilities(case, a, solver)
        if utilities is None:
            return _why_not(case, a, solver)
        _confirm(case, a, utilities)
        return _Paid(np.asarray(case.utility.inverse(utilities)), utilities)

    return paid


def _confirm(case: _Case, a: int, utilities: Floats) -> None:
    """Both constraints, from the contract itself."""
    earns = case.earns(utilities)
    short = max(case.outside - earns[a], float(earns.max()) - earns[a])
    if short > HOLDS * max(float(np.abs(utilities).max()), float(case.effort.max())):
        raise RuntimeError(f"the solver's contract for action {case.actions[a]!r} falls short by {short:g}")


# ---- the programs -----------------------------------------------------------------------------------------


def _utilities(case: _Case, a: int, solver: Any) -> Floats | None:
    """The utilities after each outcome that cost the buyer least, or None where none will do."""
    if isinstance(case.utility, Neutral):
        return _neutral(case, a, solver)
    odds, cost = case.odds[a], case.utility.inverse
    if _cheapest(case, a, odds, solver) is None:
        return None
    low, most = case.lowest, _most(case)
    needed = case.outside + case.effort[a]
    inside = needed if needed < most else (max(low, 0.0) + most) / 2
    found = _descended(case, a, np.full(len(odds), max(inside, low + 1e-3 * max(case.stake, abs(low)))))
    for v in (_sharpened(case, a, found), found):
        # A convex cost is at its least where its slope, taken for a price, makes nothing near it cheaper.
        price = odds * case.utility.slope(v)
        other = _cheapest(case, a, price, solver, near=v)
        paid = max(float(odds @ np.abs(cost(v))), 1e-3 * case.stake * float(price.sum()))
        if other is not None and price @ (v - other) <= CLOSE * paid:
            return v
    raise RuntimeError(f"the least payment for action {case.actions[a]!r} was not found to {CLOSE:g} of it")


def _neutral(case: _Case, a: int, solver: Any) -> Floats | None:
    """The cheapest wages from 0 on, less the same amount after each outcome: all the rent, or all the bond.

    What is taken off every wage changes no choice, so that the bond, however large, needs to stand in no program.
    """
    wages = _cheapest(case._replace(floor=0.0, outside=-math.inf), a, case.odds[a], solver)
    if wages is None:
        return None
    rent = float(case.odds[a] @ wages - case.effort[a]) - case.outside
    return wages - min(rent, -case.floor)


def _cheapest(case: _Case, a: int, price: Floats, solver: Any, near: Floats | None = None) -> Floats | None:
    """The linear program: utilities after each outcome at a price for each; all there are, or those near some."""
    # In units of what is at stake, so that a solver's tolerances mean the same in cents and in millions.
    unit = case.stake
    problem: Any = pulp.LpProblem("contract", pulp.LpMinimize)
    least, most = np.full(len(price), case.lowest), np.full(len(price), _most(case))
    if near is not None:
        wide = unit + np.abs(near).max()
        least, most = np.maximum(least, near - wide), np.minimum(most, near + wide)
    bounds = np.column_stack([least, most]) / unit
    felt = [
        problem.add_variable(f"v{j}", *(None if math.isinf(bound) else bound for bound in pair))
        for j, pair in enumerate(bounds.tolist())
    ]
    effort = (case.effort / unit).tolist()
    earns = [pulp.lpDot(odds, felt) - cost for odds, cost in zip(case.odds.tolist(), effort)]
    problem.setObjective(pulp.lpDot((price / np.abs(price).max()).tolist(), felt))
    if math.isfinite(case.outside):
        problem.addConstraint(earns[a] >= case.outside / unit, "takes_part")
    for h in range(len(earns)):
        if h != a:
            problem.addConstraint(earns[a] >= earns[h], f"rather_than_{h}")
    return unit * _values(felt) if _solved(problem, solver) else None


def _descended(case: _Case, a: int, v: Floats) -> Floats:
    """The convex program by an interior-point method: on y · slack = μ, which goes to 0 (Boyd and Vandenberghe 2004).

    Args:
        case: Who can do what.
        a: The action.
        v: Where to start, between the bounds of utilities, whether or not the other constraints hold.
    """
    # In units of what is at stake, as above, and payments in what a unit of it costs where the search starts.
    unit = case.stake
    odds, (rows, sides), one = case.odds[a], _constraints(case, a), np.eye(len(v))
    odds = odds / float(odds @ case.utility.slope(v))
    v, sides, lowest, most = v / unit, sides / unit, case.lowest / unit, _most(case) / unit
    if math.isfinite(lowest):
        rows, sides = np.vstack([rows, one]), np.append(sides, np.full(len(v), lowest))
    if math.isfinite(most):
        rows, sides = np.vstack([rows, -one]), np.append(sides, np.full(len(v), -most))
    slack = np.maximum(rows @ v - sides, 1e-3)
    y = 1 / slack
    for _ in range(STEPS):
        slope, bend = odds * case.utility.slope(unit * v), odds * unit * case.utility.bend(unit * v)
        dual, primal = slope - rows.T @ y, rows @ v - slack - sides
        mu = float(y @ slack) / len(y)
        if max(np.abs(dual).max(), np.abs(primal).max(), mu) < 1e-13 * max(1.0, float(np.abs(v).max())):
            break
        target = 0.1 * mu - y * slack
        matrix = np.block([[np.diag(bend + 1e-14), -rows.T], [rows, np.diag(slack / y)]])
        dv, dy = np.split(np.linalg.solve(matrix, np.append(-dual, target / y - primal)), [len(v)])
        ds = rows @ dv + primal
        inside = min(_room(v - lowest, dv), _room(most - v, -dv))
        step = min(1.0, 0.99 * min(_room(slack, ds), _room(y, dy), inside))
        v, slack, y = v + step * dv, slack + step * ds, y + step * dy
    return unit * v


def _room(x: Floats, dx: Floats) -> float:
    """How far x can go along dx before one of it is 0."""
    falls = dx < 0
    return float((x[falls] / -dx[falls]).min(initial=math.inf))


def _most(case: _Case) -> float:
    most = case.utility.most
    return most if math.isinf(most) else most * (1 - 1e-9)


def _constraints(case: _Case, a: int) -> tuple[Floats, Floats]:
    """Taking part, and rather than each other action, as rows of rows · v ≥ sides."""
    others = np.arange(len(case.effort)) != a
    rows = np.vstack([case.odds[a], (case.odds[a] - case.odds)[others]])
    return rows, np.append(case.outside + case.effort[a], (case.effort[a] - case.effort)[others])


def _sharpened(case: _Case, a: int, v: Floats) -> Floats:
    """The same optimum to more digits: Newton's method on the constraints that bind; where it fails, v as it is."""
    odds, (rows, sides) = case.odds[a], _constraints(case, a)
    scale = max(case.stake, float(np.abs(v).max()))
    floor = case.lowest + 1e-6 * case.stake
    free = (v > floor) & (odds > 0)
    v = np.where(odds > 0, v, v - scale if math.isinf(case.lowest) else case.lowest)
    tight = np.abs(rows @ v - sides) < 1e-6 * scale
    a_free, x = rows[np.ix_(tight, free)], v.copy()
    x[v <= floor] = case.lowest
    for _ in range(20):
        slope = np.asarray(case.utility.slope(x[free]))
        bend = np.asarray(case.utility.bend(x[free]))
        kkt = np.block([[np.diag(odds[free] * bend), -a_free.T], [a_free, np.zeros((tight.sum(), tight.sum()))]])
        moved = np.linalg.lstsq(kkt, np.concatenate([-odds[free] * slope, (sides - rows @ x)[tight]]), rcond=None)[0]
        x[free] += moved[: free.sum()]
        if not (x[free] >= case.lowest).all() or not (x[free] < case.utility.most).all():
            return v
    paid = case.utility.inverse(v)
    cheaper = odds @ case.utility.inverse(x) <= odds @ (paid + CLOSE * np.abs(paid))
    feasible = (rows @ x >= sides - 1e-9 * scale).all()
    return x if cheaper and feasible else v


def _drawn(case: _Case, a: int, grid: Floats, solver: Any) -> _Paid | str:
    """The lottery program: a wage of the grid is drawn after each outcome, and what is chosen is with which odds."""
    problem: Any = pulp.LpProblem("lottery", pulp.LpMinimize)
    shape = range(len(case.outcomes)), range(len(grid))
    chance = [[problem.add_variable(f"x{j}_{k}", 0) for k in shape[1]] for j in shape[0]]
    paid = [pulp.lpDot(grid.tolist(), row) for row in chance]
    felt = [pulp.lpDot(np.asarray(case.utility(grid)).tolist(), row) for row in chance]
    earns = [pulp.lpDot(odds, felt) - cost for odds, cost in zip(case.odds.tolist(), case.effort.tolist())]
    problem.setObjective(pulp.lpDot(case.odds[a].tolist(), paid))
    for j, row in enumerate(chance):
        problem.addConstraint(pulp.lpSum(row) == 1, f"one_wage_after_{j}")
    problem.addConstraint(earns[a] >= case.outside, "takes_part")
    for h in range(len(earns)):
        if h != a:
            problem.addConstraint(earns[a] >= earns[h], f"rather_than_{h}")
    if not _solved(problem, solver):
        return f"no lottery over wages from {grid[0]:g} to {grid[-1]:g} implements action {case.actions[a]!r}"
    drawn = np.array([_values(row) for row in chance])
    utilities = drawn @ np.asarray(case.utility(grid))
    _confirm(case, a, utilities)
    return _Paid(drawn @ grid, utilities, pd.DataFrame(drawn, case.outcomes, grid))


def _why_not(case: _Case, a: int, solver: Any) -> str:
    """Why nothing implements an action: a mixture of others looks the same and costs less (Hermalin and Katz 1991)."""
    problem: Any = pulp.LpProblem("mixture", pulp.LpMinimize)
    others = [h for h in range(len(case.effort)) if h != a]
    share = [problem.add_variable(f"s{h}", 0) for h in others]
    problem.setObjective(pulp.lpDot(case.effort[others].tolist(), share))
    problem.addConstraint(pulp.lpSum(share) == 1, "one")
    for j, odds in enumerate(case.odds.T):
        problem.addConstraint(pulp.lpDot(odds[others].tolist(), share) == float(odds[a]), f"outcome_{j}")
    name = f"action {case.actions[a]!r} cannot be implemented"
    if others and _solved(problem, solver):
        mixed = _values(share)
        if mixed @ case.effort[others] < case.effort[a]:
            told = " and ".join(f"{case.actions[h]!r} ({x:.0%})" for h, x in zip(others, mixed) if x > 1e-9)
            return (
                f"{name}: {told} gives the same outcomes as often (to 1e-7) and costs the supplier "
                f"{mixed @ case.effort[others]:.6g}, not {case.effort[a]:.6g}"
            )
    return f"{name}: it needs more utility than payments can give ({case.utility!r} stays below {case.utility.most:g})"


def _solved(problem: Any, solver: Any) -> bool:
    result = problem.solve(solver)
    if hasattr(result, "has_solution"):  # PuLP 4
        return bool(result.has_solution)
    return bool(problem.sol_status == pulp.LpSolutionOptimal)


def _values(variables: list[Any]) -> Floats:
    """Their values; one that no row and no cost names has none, and is then as good at 0."""
    return np.array([0.0 if each.varValue is None else each.varValue for each in variables])
