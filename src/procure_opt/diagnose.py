"""What an award hangs on: prices to win, the price of each rule, near ties, frontiers, scenarios, stability."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.award import Award, award, currency, prove
from procure_opt.cells import as_written
from procure_opt.constraints import Constraint, replacement
from procure_opt.infeasible import Infeasible
from procure_opt.measures import accept, coverage, unawarded
from procure_opt.payments import By, Payment, pay
from procure_opt.policy import BestScore, Plan, Policy, QualityAdjusted
from procure_opt.program import Columns, Floats, Implied, Linear, Program, Rows, Status, always
from procure_opt.solvers import Limits, solve
from procure_opt.tender import Tender
from procure_opt.ties import settled, tolerance

T = TypeVar("T")

# ---- what it takes to win ---------------------------------------------------------------------------------


def price_to_win(award: Award, bid: str) -> float:
    """The largest price at which some optimal award contains the bid, all other bids unchanged.

    With V the best objective of awards that refuse the bid: the largest p such that an award with the bid at price p
    respects every rule and has an objective of at most V. The price enters objective, budgets and shares of spend
    linearly, so this is one integer program with p as a column. Where it does not (discounts on the bid, scores
    relative to the lowest price, concentration or soft shares of spend, divisible bids) the prices that win need not be
    an interval: 33 prices and the offered one are tried, and the upper end of the highest interval met is found by
    halving, to one money unit; a narrow interval above it can be missed.

    Returns:
        Money; NaN if the bid wins at no price, infinite if it wins at any (nothing can replace it, no reserve).

    Raises:
        ValueError: there is no such bid, or it was rejected for another reason than its price.

    >>> from procure_opt.award import award as decide
    >>> tender = Tender([{"lot": "A"}], [{"bid": "x", "bidder": "X", "lots": "A", "price": 5},
    ...                                  {"bid": "y", "bidder": "Y", "lots": "A", "price": 7}])
    >>> price_to_win(decide(tender), "x"), price_to_win(decide(tender), "y")
    (7.0, 5.0)
    """
    tender, bid = award.tender, as_written(bid)
    aside = tender.rejected[tender.rejected["bid"] == bid]
    if len(aside) and aside["reason"].iloc[0].startswith("above the reserve"):
        tender = _with_figure(tender, bid, "price", 0.0)
        if bid in set(tender.rejected["bid"]):
            return np.nan  # its fixed charge alone is above the reserve
    index = tender.bid_index(bid)
    ceiling = float((tender.part[[index]] @ tender.reserve)[0])
    highest = np.inf if np.isnan(ceiling) else np.floor(ceiling / tender.money_unit + 1e-9) - tender.fixed[index]

    def plan_at(units: float) -> Plan:
        return award.policy.plan(_with_figure(tender, bid, "price", units * tender.money_unit))

    offered = float(tender.price[index]) if tender is award.tender else highest
    units = _to_win(plan_at, bid, highest, offered)
    return units if np.isinf(units) or np.isnan(units) else round(units * tender.money_unit, 9)


def _with_figure(tender: Tender, bid: str, column: str, value: float) -> Tender:
    bids = tender.every_bid
    bids[column] = bids[column].where(bids["bid"] != bid, value)
    return tender.replace(bids=bids)


def _best_with(plan: Plan, index: int, wins: bool) -> float:
    """The best objective of awards with, or without, a bid, which is among the bids received either way."""
    bid = accept(plan.tender).rows(np.array([index]))
    row = Rows.at_least(bid, 1.0, always("wins")) if wins else Rows.at_most(bid, 0.0, always("loses"))
    return prove(replace(plan, program=plan.program.extended([row])), "highs", Limits()).objective


def _to_win(plan_at: Callable[[float], Plan], bid: str, highest: float, offered: float) -> float:
    # Two prices far apart, so that what a unit of price weighs is not lost in the rounding of large costs.
    far = float(np.floor(min(highest, max(offered, 2.0**20))))
    nought, one = plan_at(0.0), plan_at(max(far, 0.0))
    if bid not in set(nought.tender.bid_names):
        return np.nan  # on a lot with too few bidders
    index = nought.tender.bid_index(bid)
    whole = nought.tender.min_fraction[index] >= 1
    column = nought.program.start["take"] + index
    if whole and far >= 1 and _straight(nought.program, plan_at(1.0).program, one.program, far, column):
        without = _best_with(nought, index, wins=False)
        room = tolerance(nought, without) if np.isfinite(without) else 0.0
        return _with_figure_as_column(nought, one, far, index, without + (room if room < 0.5 else 0.0), highest)

    def wins(units: float) -> bool:
        plan = plan_at(units)
        if bid not in set(plan.tender.bid_names):
            return False
        at = plan.tender.bid_index(bid)
        best, without = _best_with(plan, at, wins=True), _best_with(plan, at, wins=False)
        return bool(np.isfinite(best) and best <= without + (tolerance(plan, without) if np.isfinite(without) else 0.0))

    without = abs(_best_with(nought, index, wins=False))
    top = np.floor(min(highest, 2 * max(offered, without if np.isfinite(without) else 1.0, 1.0)))
    while top < highest and wins(top):
        top *= 2
        if top > 2**50:
            return np.inf
    # The prices that win need not be an interval: the largest of a grid that does is taken, then its upper end.
    grid = np.unique(np.append(np.round(np.linspace(0, top, 33)), min(offered, top)))
    winning = [units for units in grid if wins(units)]
    if not winning:
        return np.nan
    low, high = max(winning), min((units for units in grid if units > max(winning)), default=top)
    while high - low > 1:
        middle = np.floor((low + high) / 2)
        low, high = (middle, high) if wins(middle) else (low, middle)
    return float(low)


def _straight(nought: Program, near: Program, distant: Program, far: float, column: int) -> bool:
    """Whether a figure enters one column only, and in proportion: seen at 0, 1 and far away."""
    if not (_differ_in_one_column(nought, near, column) and _differ_in_one_column(nought, distant, column)):
        return False
    slopes = [
        np.append(
            np.asarray((other.matrix - nought.matrix)[:, [column]].todense()), other.cost[column] - nought.cost[column]
        )
        / size
        for other, size in ((near, 1.0), (distant, far))
    ]
    return bool(np.allclose(slopes[0], slopes[1], rtol=1e-4, atol=1e-6))


def _differ_in_one_column(first: Program, second: Program, column: int) -> bool:
    if first.matrix.shape != second.matrix.shape or len(first.row_blocks) != len(second.row_blocks):
        return False
    if any(rows.separate is not None for rows in first.row_blocks):
        return False  # rows added on the way would depend on the figure too
    same = [
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("lower", "upper", "row_lower", "row_upper", "integer")
    ]
    if not all(same) or first.offset != second.offset:
        return False
    change = sparse.csr_array(second.matrix - first.matrix).tocoo()
    cost = np.flatnonzero(second.cost != first.cost)
    return bool((change.col[change.data != 0] == column).all() and (cost == column).all())


def _with_figure_as_column(nought: Plan, one: Plan, far: float, index: int, limit: float, highest: float) -> float:
    """Maximise the figure with the bid accepted and the objective at most `limit`."""
    program, column = nought.program, nought.program.start["take"] + index
    slope = np.asarray((one.program.matrix - program.matrix)[:, [column]].todense()).ravel()
    slope, rise = slope / far, (one.program.cost[column] - program.cost[column]) / far
    if not (slope != 0).any():  # the figure counts in the objective alone: what is left of the limit beside the rest
        rest = _best_with(nought, index, wins=True)
        if np.isinf(rest):
            return np.nan
        room = min((limit - rest) / rise, highest) if rise > 0 else highest
        return room if np.isinf(room) else float(np.floor(room + 1e-6)) if room >= -1e-6 else np.nan
    rows = sparse.csr_array(program.matrix)
    lower, upper = program.row_lower, program.row_upper
    if np.isfinite(limit):
        rows = sparse.csr_array(sparse.vstack([rows, sparse.csr_array(program.cost[None, :])]))
        slope = np.append(slope, rise)
        lower, upper = np.append(lower, -np.inf), np.append(upper, limit - program.offset)
    # The column is the figure in units of `size`, since beside costs of 1e11 a solver does not see a coefficient of 1.
    size = 2.0 ** np.floor(np.log2(max(np.abs(program.cost).max(initial=1.0), 1.0)))
    figure = replace(
        program,
        cost=np.append(np.zeros(program.width), -1.0),
        offset=0.0,
        matrix=sparse.csr_array(sparse.hstack([rows, sparse.csr_array(size * slope[:, None])])),
        lower=np.append(_set(program.lower, column, 1.0), 0.0),
        upper=np.append(program.upper, min(highest, 2.0**53) / size),
        integer=np.append(program.integer, False),
        row_lower=lower,
        row_upper=upper,
    )
    solution = solve(figure)
    if solution.x is None:
        return np.nan
    exact = settled(solution)
    x = solution.x if exact.x is None else exact.x
    value = float(x[-1]) * size
    if program.integer.all():  # then the highest figure that the rows allow beside x can be told to the last digit
        activity = rows @ x[:-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(
                slope > 0, (upper - activity) / slope, np.where(slope < 0, (lower - activity) / slope, np.inf)
            )
        value = min(float(room.min()), highest)
    return float(np.floor(value + 1e-6)) if value < 2.0**52 else np.inf


def _set(values: Floats, column: int, value: float) -> Floats:
    changed = values.copy()
    changed[column] = value
    return changed


# ---- what each rule costs ---------------------------------------------------------------------------------


def price_of_constraints(award: Award, rule: str | Payment | None = "vcg", *, by: By = "bidder") -> pd.DataFrame:
    """What each constraint costs: the award is decided again without it, at the same bids, and paid again.

    A rule that keeps a bidder out or small also takes competition from the others, so that it may cost more in payments
    than in prices.

    Args:
        rule: The payment rule of the payment columns; None leaves them out.
        by: Who acts as one in it.

    Returns:
        One row a constraint: `constraint`, `cost_without`, `costs` (cost − cost_without), `objective_without`,
        `binds` (whether dropping it improves the objective), `payments_without` and `costs_in_payments` (total
        payments − payments_without). NaN where no award exists without it, or no payments (a winner is pivotal, the
        award is not proven, or scores admit none).

    >>> from procure_opt.award import award as decide
    >>> from procure_opt.constraints import MaxLots
    >>> prices = {"s1": (10, 10, 10), "s2": (12, 13, 15), "s3": (20, 16, 18)}
    >>> tender = Tender([{"lot": lot} for lot in "ABC"],
    ...                 [{"bid": who + lot, "bidder": who, "lots": lot, "price": price}
    ...                  for who, row in prices.items() for lot, price in zip("ABC", row)])
    >>> table = price_of_constraints(decide(tender, Policy([MaxLots(2)])))
    >>> table[["costs", "costs_in_payments"]].values.tolist()
    [[2.0, 7.0]]
    """
    policy, rows = award.policy, []
    paid = _total_paid(award, rule, by)
    for number, constraint in enumerate(policy.constraints):
        others = tuple(other for at, other in enumerate(policy.constraints) if at != number)
        other = _decide(award.tender, replace(policy, constraints=others))
        cost, objective = (np.nan, np.nan) if other is None else (other.cost, other.objective)
        paid_without = np.nan if other is None else _total_paid(other, rule, by)
        unit = tolerance_in_money(award)
        rows.append(
            {
                "constraint": repr(constraint),
                "cost_without": cost,
                "costs": round(award.cost - cost, 9),
                "objective_without": objective,
                "binds": bool(award.objective - objective > unit),
                "payments_without": paid_without,
                "costs_in_payments": round(paid - paid_without, 9),
            }
        )
    columns = ["constraint", "cost_without", "costs", "objective_without", "binds"]
    columns += [] if rule is None else ["payments_without", "costs_in_payments"]
    return pd.DataFrame(rows, columns=columns)


def _total_paid(award: Award, rule: str | Payment | None, by: By) -> float:
    if rule is None or award.status != "optimal" or isinstance(award.policy.objective, BestScore):
        return np.nan
    return pay(award, rule, by=by).total


def tolerance_in_money(award: Award) -> float:
    """Half a money unit, or 1e-9 of the objective where that is more: smaller differences are none."""
    return max(award.policy.objective.unit(award.tender) / 2, 1e-9 * abs(award.objective))


def _decide(tender: Tender, policy: Policy) -> Award | None:
    try:
        return award(tender, replace(policy, tie_break=None))
    except Infeasible:
        return None


# ---- near ties --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class NearTies:
    """Other awards almost as good: `table` (objective, extra, gained, lost), and whether these are all of them."""

    table: pd.DataFrame
    complete: bool

    def __len__(self) -> int:
        return len(self.table)


def near_ties(award: Award, within: float, limit: int = 20) -> NearTies:
    """Awards whose objective is within so much money of the best, best first.

    Args:
        within: Money (points with `BestScore`).
        limit: How many at most; if there are more, `.complete` is False.

    Returns:
        `.table`: `objective`, `extra` (above the award's), `gained` and `lost` (bids, against the award).
    """
    if not within >= 0:
        raise ValueError(f"within is {within!r}; it must be an amount of at least 0")
    plan = award.policy.plan(award.tender)
    names, unit = plan.tender.bid_names, plan.unit
    now = set(award.bids["bid"])
    now_units = award.objective / unit
    now_units = float(np.rint(now_units)) if abs(now_units - np.rint(now_units)) < 1e-3 else now_units
    ceiling = now_units + within / unit + tolerance(plan, now_units)
    program = plan.program.extended([Rows.at_most(plan.program.objective, ceiling, lambda _: "within")])
    taken = np.array([name in now for name in names])
    open_now = np.isin(plan.tender.lot_names, award.unawarded)
    rows: list[dict[str, Any]] = []
    while True:
        program = program.extended([_another(plan, taken, open_now)])
        best = prove(replace(plan, program=program), "highs", Limits())
        if best.x is None or len(rows) == limit:
            break
        taken = best.values["take"] > 0
        if "unawarded" in best.values:
            open_now = best.values["unawarded"] > 0.5
        other = set(names[taken])
        rows.append(
            {
                "objective": currency(best.objective, unit),
                "extra": currency(best.objective - now_units, unit),
                "gained": tuple(name for name in names if name in other - now),
                "lost": tuple(name for name in names if name in now - other),
            }
        )
    table = pd.DataFrame(rows, columns=["objective", "extra", "gained", "lost"])
    return NearTies(table, best.status is Status.INFEASIBLE)


def _another(plan: Plan, taken: np.ndarray, open_lots: np.ndarray) -> Rows:
    """The accepted bids or the lots left open differ from these."""
    away = accept(plan.tender).under(np.where(taken, -1.0, 1.0)) + Linear.fixed([float(taken.sum())])
    if "unawarded" in plan.program.families:
        flip = unawarded(plan.tender).under(np.where(open_lots, -1.0, 1.0))
        away = away + flip + Linear.fixed([float(open_lots.sum())])
    return Rows.at_least(away, 1.0, lambda _: "another award")


# ---- many awards ------------------------------------------------------------------------------------------


def _summary(tender: Tender, policy: Policy) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Figures of the award, and the award as its fields but for the tender and the policy, which the caller has."""
    decided = _decide(tender, policy)
    if decided is None:
        nothing = dict.fromkeys(("cost", "price", "objective", "hhi", "quality"), np.nan)
        return {"status": "infeasible", **nothing, "winners": 0, "in_house": 0, "unawarded": 0}, None
    names = [each.name for each in fields(decided) if each.name not in ("tender", "policy")]
    return {
        "status": decided.status,
        "cost": decided.cost,
        "price": decided.price,
        "objective": decided.objective,
        "hhi": decided.hhi,
        "quality": _mean_quality(tender, decided),
        "winners": len(decided.by_bidder),
        "in_house": len(decided.in_house),
        "unawarded": len(decided.unawarded),
    }, {name: getattr(decided, name) for name in names}


def _mean_quality(tender: Tender, decided: Award) -> float:
    """The mean quality of what is let, weighted by estimate, or by lots where estimates are missing."""
    estimate = tender.estimate if not np.isnan(tender.estimate).any() else np.ones(len(tender.estimate))
    taken = pd.Index(tender.bid_names).get_indexer(pd.Index(decided.bids["bid"]))
    weight = (tender.part[taken] @ estimate) * decided.bids["fraction"].to_numpy()
    return float(weight @ decided.bids["quality"] / weight.sum()) if weight.sum() > 0 else np.nan


def _summaries(
    tenders: Sequence[Tender], policies: Sequence[Policy], executor: Executor | None
) -> list[tuple[dict[str, Any], Award | None]]:
    policies = [replace(policy, tie_break=None) for policy in policies]
    found = _each(executor, _summary, tenders, policies)
    return [
        (row, None if decided is None else Award(**decided, tender=tender, policy=policy))
        for (row, decided), tender, policy in zip(found, tenders, policies, strict=True)
    ]


def _each(executor: Executor | None, action: Callable[..., T], *arguments: Sequence[Any]) -> list[T]:
    """The action on each of the arguments, here or by an executor: in some 64 parcels, in which a tender goes once."""
    if executor is None:
        return list(map(action, *arguments))
    return list(executor.map(action, *arguments, chunksize=max(1, len(arguments[0]) // 64)))


def frontier(
    tender: Tender,
    policy: Policy,
    constraint: Callable[[Any], Constraint],
    values: Iterable[Any],
    *,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """How the award changes as one constraint tightens: the policy with `constraint(value)` added, for each value.

    Args:
        constraint: A function of the value, such as `MaxHHI` or `lambda n: MaxLots(n, per="owner")`.
        values: What to go through.
        executor: Any `concurrent.futures.Executor`; the results do not depend on it.

    Returns:
        One row a value: value, status ("infeasible" where no award exists, with NaN figures), cost, price, objective,
        hhi, quality (mean of what is let, by estimate), winners, in_house, unawarded.
    """
    values = list(values)
    policies = [replace(policy, constraints=(*policy.constraints, constraint(value))) for value in values]
    found = _summaries([tender] * len(values), policies, executor)
    return pd.DataFrame([{"value": value} | row for value, (row, _) in zip(values, found, strict=True)])


@dataclass(frozen=True, eq=False)
class Scenarios:
    """Several policies for one tender.

    Attributes:
        table: One row a policy, as in `frontier`.
        cross: Row s, column t: by what share the award of s is worse than the best under t, by t's objective;
            NaN where it breaks t's rules.
        awards: By name; None where there is none.
    """

    table: pd.DataFrame
    cross: pd.DataFrame
    awards: Mapping[str, Award | None]


def scenarios(tender: Tender, policies: Mapping[str, Policy], *, executor: Executor | None = None) -> Scenarios:
    """The awards under several policies side by side, and each judged by the others' rules.

    Args:
        policies: By name. Ties are not searched for: any one of the best awards stands for its policy.
        executor: Any `concurrent.futures.Executor`; the results do not depend on it.
    """
    found = _summaries([tender] * len(policies), list(policies.values()), executor)
    decided = [one for _, one in found]
    made = [i for i, one in enumerate(decided) if one is not None]
    best = [one for one in decided if one is not None]
    names = pd.Index(policies, name="policy")
    judges, taken = [list(policies.values())[i] for i in made], Taken.by(tender, best)
    cross = np.full((len(found), len(found)), np.nan)
    judged = _each(executor, _judged, [tender] * len(made), judges, [taken] * len(made))
    for judge, one, objectives in zip(made, best, judged, strict=True):
        cross[made, judge] = ((objectives - one.objective) / max(abs(one.objective), 1e-9)).round(12)
    return Scenarios(
        pd.DataFrame([row for row, _ in found], index=names),
        pd.DataFrame(cross, index=names, columns=names.rename("judged by")),
        dict(zip(policies, decided, strict=True)),
    )


class Taken(NamedTuple):
    """What awards of one tender take, a row each: fractions of its bids, and the parts of its lots done in-house."""

    bids: sparse.csr_array
    in_house: Floats

    @staticmethod
    def by(tender: Tender, awards: Sequence[Award]) -> Taken:
        """What these awards take."""
        bids, lots = pd.Index(tender.bid_names, dtype=object), pd.Index(tender.lot_names)
        names = pd.Index([name for each in awards for name in each.bids["bid"]], dtype=object)
        fractions = np.array([part for each in awards for part in each.bids["fraction"]], dtype=float)
        ends = np.cumsum([0, *(len(each.bids) for each in awards)])
        accepted = sparse.csr_array((fractions, bids.get_indexer(names), ends), shape=(len(awards), len(bids)))
        in_house = np.zeros((len(awards), len(lots)))
        for row, each in zip(in_house, awards, strict=True):
            row[lots.get_indexer(pd.Index(each.in_house["lot"]))] = each.in_house["fraction"]
        return Taken(accepted, in_house)

    def columns(self, tender: Tender, evaluated: Tender) -> dict[str, Any]:
        """The same as values of columns, where some bids of the tender may have been set aside."""
        known = pd.Index(tender.bid_names, dtype=object).isin(evaluated.bid_names)
        return {"take": self.bids[:, known], "in_house": self.in_house[:, ~np.isnan(tender.in_house)]}


def _judged(tender: Tender, policy: Policy, taken: Taken) -> Floats:
    """The objective of each award under another policy; NaN where it breaks the rules.

    From what an award takes follow the values of all columns (`Family.implied`), except where a rule leaves a choice
    open (`Resilient`: how a winner would be replaced) or asks for rows on the way: there the choice is solved for.
    """
    plan = policy.plan(tender)
    families, rules = plan.program.families, [rows for _, rows in plan.rules]
    given = taken.columns(tender, plan.tender)
    values, take = Implied(given, families), given["take"]
    bodies = [plan.aim, *(body for rows in rules for body in (rows.body, rows.per) if body is not None)]
    stands = np.diff(take.indptr) == np.diff(taken.bids.indptr)  # none of its bids was set aside
    result = np.full(len(stands), np.nan)
    unsure = stands.copy()
    if all(values.settles(key) for body in bodies for key in body.terms):
        whole = sparse.csr_array((np.mod(take.data, 1.0), take.indices, take.indptr), shape=take.shape).sum(axis=1) == 0
        for rows in (plan.coverage, plan.exclusive, *(rows for rows in rules if rows.penalty is None)):
            stands &= _hold(rows, values, whole)
        objectives = np.broadcast_to(plan.objectives(values), len(stands))
        stands &= np.isfinite(objectives)
        result[stands] = objectives[stands]
        unsure[:] = False
        for ask in (rows.separate for rows in rules if rows.separate is not None):
            unsure |= [bool(stand and ask(Implied(_row(values, i), families))) for i, stand in enumerate(stands)]
    for i in map(int, np.flatnonzero(unsure)):
        found = solve(_fixed(plan.program, _row(given, i)))
        result[i] = np.nan if found.x is None else plan.objective(found.values)
    return result * plan.unit


def _hold(rows: Rows, values: Columns, whole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which awards satisfy all rows, but for the rounding of a sum or, with fractions, what a solver leaves."""
    body = rows.body
    size = Linear({key: abs(block) for key, block in body.terms.items()}, np.abs(body.constant)).at(values)
    for bound in (rows.lower, rows.upper):
        size = size + np.abs(np.where(np.isfinite(bound), bound, 0.0))
    room = 1e-8 + np.where(whole, 1e-12, 1e-8)[:, None] * size
    activity = body.at(values)
    short = np.maximum(rows.lower - activity, activity - rows.upper)
    holds: NDArray[np.bool_] = (short - room).max(axis=1, initial=0.0) <= 0
    return holds


def _row(values: Columns, i: int) -> dict[str, Floats]:
    """The values of one solution out of many."""
    return {
        key: value[i] if isinstance(value, np.ndarray) else value[[i]].toarray()[0] for key, value in values.items()
    }


def _fixed(program: Program, given: Columns) -> Program:
    """The program with some families at given values."""
    lower, upper = program.lower.copy(), program.upper.copy()
    for key, value in given.items():
        if key in program.start:
            where = slice(program.start[key], program.start[key] + len(value))
            lower[where] = upper[where] = value
    return replace(program, lower=lower, upper=upper)


# ---- stability --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Stability:
    """How little would change the winners.

    Attributes:
        bids: One row a bid: `bid`, `bidder`, `wins`, `price`, `price_to_win`, `change` (price_to_win − price: a winner
            keeps its place up to it, a loser wins from it), `share` (of the price), and with `QualityAdjusted` the same
            step in quality points.
        smallest: The row of the smallest relative change that flips a winner; None if nothing does.
        complete: Whether every bid is in `bids`; the others are those farthest from winning by reduced cost.
        evaluators: One row an evaluator left out: `winners_change`, `gained`, `lost`, `cost`; None and NaN where a
            criterion of some bid would be left without a score.
        other_winner: Chance that another set of bids wins when each mean score moves by the evaluators' noise;
            NaN without scores, or where no score is given twice, so that noise cannot be told.
        acceptance: That chance bid by bid: how often each bid is accepted.
        noise: Standard deviation of a single score around the mean of its bid and criterion.
    """

    bids: pd.DataFrame
    smallest: pd.Series | None
    complete: bool
    evaluators: pd.DataFrame
    other_winner: float
    acceptance: pd.Series
    noise: float


def stability(
    award: Award, *, limit: int = 200, draws: int = 200, seed: int = 0, executor: Executor | None = None
) -> Stability:
    """The smallest price or quality change that flips a winner, the weight of single evaluators, and score noise.

    Noise: the pooled standard deviation s of scores around the mean of their bid and criterion; each draw moves every
    such mean by N(0, s²/evaluators), within 0–100, and decides again.

    Args:
        limit: How many bids to look at, those nearest to winning or losing first.
        draws: How many times to draw; 0 leaves the noise out.
        seed: Of the draws.
        executor: Any `concurrent.futures.Executor`; the results do not depend on it.
    """
    tender = award.tender
    nearest = _nearest(award, limit)
    run = map if executor is None else executor.map
    found = list(run(price_to_win, [award] * len(nearest), nearest))
    table = tender.bids.set_index("bid").loc[nearest, ["bidder", "price"]].reset_index()
    table.insert(2, "wins", table["bid"].isin(award.bids["bid"]))
    table["price_to_win"] = found
    table["change"] = table["price_to_win"] - table["price"]
    table["share"] = table["change"] / table["price"].where(table["price"] > 0)
    if isinstance(award.policy.objective, QualityAdjusted):
        table["quality_change"] = -table["change"] * _worth_of_a_point(award, table["bid"])
    flips = table[np.isfinite(table["share"])]
    smallest = flips.loc[flips["share"].abs().idxmin()] if len(flips) else None
    evaluators = _leave_one_out(award, executor)
    other, acceptance, noise = _under_noise(award, draws, seed, executor)
    return Stability(table, smallest, len(nearest) == len(tender.price), evaluators, other, acceptance, noise)


def _nearest(award: Award, limit: int) -> list[str]:
    plan = award.policy.plan(award.tender)
    names = plan.tender.bid_names
    if len(names) <= limit:
        return [str(name) for name in names]
    found = solve(plan.program)
    assert found.reduced_cost is not None
    at = found.program.start["take"]
    distance = np.abs(found.reduced_cost[at : at + len(names)])
    return [str(names[i]) for i in np.sort(np.argsort(distance, kind="stable")[:limit])]


def _worth_of_a_point(award: Award, bids: pd.Series) -> Floats:
    """Quality points that weigh as much as a unit of price, by bid."""
    objective = award.policy.objective
    assert isinstance(objective, QualityAdjusted)
    tender = award.tender
    value = tender.lots[objective.value].to_numpy(dtype=float) if isinstance(objective.value, str) else objective.value
    worth = tender.part @ (np.zeros(len(tender.demand)) + value)
    counts = 1 - tender.bidders["deduction"].to_numpy(dtype=float)[tender.bidder_of]
    with np.errstate(divide="ignore"):
        return np.array([(counts / worth)[tender.bid_index(name)] for name in bids])


def _leave_one_out(award: Award, executor: Executor | None) -> pd.DataFrame:
    scores = award.tender.scores
    rows, now = [], set(award.bids["bid"])
    people = sorted(scores["evaluator"].unique())
    fresh, every = [], set(zip(scores["bid"], scores["criterion"], strict=True))
    for person in people:
        rest = scores[scores["evaluator"] != person]
        if set(zip(rest["bid"], rest["criterion"], strict=True)) == every:
            fresh.append((person, award.tender.replace(scores=rest)))
        else:
            rows.append({"evaluator": person, "winners_change": None, "gained": (), "lost": (), "cost": np.nan})
    found = _summaries([tender for _, tender in fresh], [award.policy] * len(fresh), executor)
    for (person, _), (_, decided) in zip(fresh, found, strict=True):
        other = set() if decided is None else set(decided.bids["bid"])
        rows.append(
            {
                "evaluator": person,
                "winners_change": other != now,
                "gained": tuple(sorted(other - now)),
                "lost": tuple(sorted(now - other)),
                "cost": np.nan if decided is None else decided.cost,
            }
        )
    table = pd.DataFrame(rows, columns=["evaluator", "winners_change", "gained", "lost", "cost"])
    return table.sort_values("evaluator", ignore_index=True)


def _under_noise(award: Award, draws: int, seed: int, executor: Executor | None) -> tuple[float, pd.Series, float]:
    scores = award.tender.scores
    names = pd.Index(award.tender.bid_names, name="bid")
    if scores.empty or not draws:
        return np.nan, pd.Series(np.nan, index=names), np.nan
    cell = scores.groupby(["bid", "criterion"])["score"]
    mean, count = cell.transform("mean"), cell.transform("count")
    freedom = len(scores) - cell.ngroups
    if not freedom:
        return np.nan, pd.Series(np.nan, index=names), np.nan
    noise = float(np.sqrt(((scores["score"] - mean) ** 2).sum() / freedom))
    rng = np.random.default_rng(seed)
    one = scores.assign(score=mean, count=count).drop_duplicates(["bid", "criterion"]).drop(columns="evaluator")
    tenders = []
    for _ in range(draws):
        moved = one["score"] + rng.standard_normal(len(one)) * noise / np.sqrt(one["count"])
        table = one.assign(score=moved.clip(0, 100), evaluator="all").drop(columns="count")
        tenders.append(award.tender.replace(scores=table))
    accepted = np.zeros(len(names))
    now, other = set(award.bids["bid"]), 0
    for _, decided in _summaries(tenders, [award.policy] * draws, executor):
        winners = set() if decided is None else set(decided.bids["bid"])
        accepted += names.isin(winners)
        other += winners != now
    return other / draws, pd.Series(accepted / draws, index=names), noise


def replacement_cost(award: Award) -> pd.Series:
    """What it costs more, by winner, to fill its lots again with other bids and in-house if it defaults.

    The other awards stay as they are; xor labels are respected, other constraints do not bind an emergency. Infinite
    where nothing can replace the winner.
    """
    tender, _ = award.policy.field(award.tender)
    given = _row(Taken.by(tender, [award]).columns(tender, tender), 0)
    costs = {}
    for name in award.by_bidder.index:
        bidder = tender.bidder_index(name)
        extra = replacement(tender, bidder)
        # The award itself is part of the program, so that its fractions are columns there.
        program = Program.build(extra, [coverage(tender, np.ones(len(tender.demand), dtype=bool))])
        found = solve(_fixed(program, given))
        costs[name] = np.inf if found.x is None else round(found.objective * tender.money_unit, 9)
    return pd.Series(costs, name="extra_cost", dtype=float).rename_axis("bidder")
