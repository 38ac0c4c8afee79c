"""The one door to solvers: HiGHS by arrays, and any solver PuLP knows."""

from __future__ import annotations

import inspect
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import highspy
import numpy as np
import pulp
from numpy.typing import NDArray

from procure_opt.program import Floats, Program, Solution, Status

SMALL = 2_000  # columns up to which the integer program goes to HiGHS whole
ROUNDS = 40  # of rows added on the way; what is then still violated shows in the award's recomputed objective


class Progress(NamedTuple):
    """Where a long solve stands: seconds so far, the best objective found, and what none can beat."""

    seconds: float
    best: float
    bound: float


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Limits:
    """How far to go: seconds left in all, the relative gap to stop at, and whom to tell on the way."""

    deadline: float = math.inf
    gap: float = 0.0
    report: Report | None = None

    @staticmethod
    def of(time_limit: float | None, gap: float = 0.0, progress: bool | Report = False) -> Limits:
        """Limits that begin to run now."""
        if time_limit is not None and not (isinstance(time_limit, (int, float)) and time_limit > 0):
            raise ValueError(f"time_limit is {time_limit!r}; it must be a positive number of seconds")
        if not 0 <= gap < 1:
            raise ValueError(f"gap is {gap!r}; it is a share of the cost, such as 0.01, and at least 0")
        report = _print_progress if progress is True else progress or None
        return Limits(math.inf if time_limit is None else time.monotonic() + time_limit, gap, report)

    def in_units(self, unit: float) -> Limits:
        """The same limits, told of in currency, and in seconds from now, by solves in units of the objective."""
        report, start = self.report, time.monotonic()
        if report is None:
            return self

        def tell(progress: Progress) -> None:
            report(Progress(time.monotonic() - start, progress.best * unit, progress.bound * unit))

        return replace(self, report=tell)

    @property
    def left(self) -> float:
        """Seconds left."""
        return max(self.deadline - time.monotonic(), 0.01)


def _print_progress(progress: Progress) -> None:
    gap = (progress.best - progress.bound) / max(abs(progress.best), 1e-9)
    print(
        f"{progress.seconds:7.1f} s   best {progress.best:,.2f}   bound {progress.bound:,.2f}   gap {gap:.3%}",
        file=sys.stderr,
        flush=True,
    )


def solve(program: Program, solver: Any = "highs", limits: Limits | None = None) -> Solution:
    """Solve a program to proven optimality (or to the limits), adding the rows it asks for on the way.

    Args:
        program: What to solve.
        solver: "highs", the name of any solver PuLP knows ("CBC", "GLPK_CMD", …), or a PuLP solver object.
        limits: Time, gap, progress.
    """
    limits = limits or Limits()
    once = _with_highs if isinstance(solver, str) and solver == "highs" else _with_pulp(solver, limits)
    last: Floats | None = None
    rounds = 0
    while True:
        solution = once(program, limits)
        rounds += 1
        missing = [] if solution.x is None else program.separate(solution.x)
        # Rows violated by less than the solver can notice change nothing, and would be asked for again and again.
        if not missing or _same(solution.x, last) or rounds > ROUNDS:
            return solution
        last = solution.x
        if time.monotonic() > limits.deadline:
            return replace(solution, x=None, status=Status.NOTHING)
        program = program.extended(missing)


def _same(x: Floats | None, last: Floats | None) -> bool:
    return x is not None and last is not None and len(x) == len(last) and bool(np.abs(x - last).max(initial=0) <= 1e-9)


# ---- HiGHS ------------------------------------------------------------------------------------------------


class _Run(NamedTuple):
    status: Status
    x: Floats | None
    objective: float
    bound: float
    duals: Floats | None


def _with_highs(program: Program, limits: Limits) -> Solution:
    """Price and fix: solve the linear relaxation; only columns whose reduced cost fits into the gap can matter.

    A column at 0 in the relaxation with reduced cost above (incumbent − relaxation) is in no better solution. So the
    integer program is solved on the cheapest columns first, which gives an incumbent, and then on every column that
    incumbent does not rule out; if the first set held them all, it was the whole program.
    """
    relaxed = _highs(program, limits, integer=False)
    if relaxed.status is not Status.OPTIMAL or relaxed.x is None or relaxed.duals is None:
        return Solution(relaxed.status, program)
    reduced = program.cost - program.matrix.T @ relaxed.duals
    bound = _dual_bound(program, relaxed.duals, reduced)
    found = Solution(Status.OPTIMAL, program, relaxed.x, relaxed.objective, bound, bound, reduced)
    whole = relaxed.x[program.integer]
    if np.abs(whole - np.rint(whole)).max(initial=0.0) <= 1e-9:
        return found
    fixable = program.integer & (program.lower == 0) & (program.upper == 1)
    keep = np.ones(program.width, dtype=bool)
    if program.width > SMALL:
        keep = ~fixable | (reduced <= _first_cut(reduced[fixable], program))
    while True:
        best = _highs(_fixed_to_zero(program, ~keep), limits, integer=True)
        if best.status is Status.INFEASIBLE and not keep.all():
            keep = np.ones(program.width, dtype=bool)
            continue
        if best.x is None:
            return replace(found, status=best.status, x=None, objective=np.inf, bound=max(bound, best.bound))
        gap = best.objective - bound
        needed = ~fixable | (reduced <= gap * (1 + 1e-9) + 1e-6)
        complete = bool((needed <= keep).all())
        near_enough = limits.gap > 0 and gap <= limits.gap * abs(best.objective)
        if complete or near_enough or time.monotonic() >= limits.deadline:
            # Columns left out cost more than the incumbent, so the small program's bound holds up to there.
            proven = min(best.bound, best.objective) if complete else bound
            status = best.status if complete else Status.FEASIBLE
            return replace(found, status=status, x=best.x, objective=best.objective, bound=max(bound, proven))
        keep = needed


def _first_cut(reduced: Floats, program: Program) -> float:
    """The reduced cost up to which columns make the first, small program: about three a row, at least 2,000."""
    count = min(len(reduced), max(SMALL, 3 * program.matrix.shape[0]))
    return float(np.partition(reduced, count - 1)[count - 1])


def _fixed_to_zero(program: Program, columns: NDArray[np.bool_]) -> Program:
    return replace(program, upper=np.where(columns, 0.0, program.upper)) if columns.any() else program


def _dual_bound(program: Program, duals: Floats, reduced: Floats) -> float:
    """Σ dual · row bound + Σ reduced cost · column bound: below every solution, whatever the multipliers.

    A multiplier on the side where its row has no bound, and a reduced cost on the side where its column has none,
    can only be rounding noise of the solver and count as 0.
    """
    with np.errstate(invalid="ignore"):
        rows = np.where(duals > 0, duals * program.row_lower, np.where(duals < 0, duals * program.row_upper, 0.0))
        columns = np.where(reduced > 0, reduced * program.lower, np.where(reduced < 0, reduced * program.upper, 0.0))
    noise = ~np.isfinite(rows)
    return float(rows[~noise].sum() + columns[np.isfinite(columns)].sum() + program.offset)


def _highs(program: Program, limits: Limits, *, integer: bool) -> _Run:
    if not program.width:  # HiGHS calls a program without columns solved, whatever its rows say
        possible = bool((program.row_lower <= 1e-9).all() and (program.row_upper >= -1e-9).all())
        offset = program.offset if possible else math.inf
        status = Status.OPTIMAL if possible else Status.INFEASIBLE
        return _Run(status, np.empty(0) if possible else None, offset, offset, np.zeros(len(program.row_lower)))
    model: Any = highspy.Highs()
    for option, value in (
        ("output_flag", False),
        ("mip_rel_gap", limits.gap),
        ("mip_abs_gap", 0.0),
        ("time_limit", limits.left),
        ("primal_feasibility_tolerance", 1e-9),
        ("dual_feasibility_tolerance", 1e-9),
        ("mip_feasibility_tolerance", 1e-9),
        ("random_seed", 0),
    ):
        if not (option == "time_limit" and math.isinf(limits.deadline)):
            model.setOptionValue(option, value)
    whole = integer and bool(program.integer.any())
    kinds = program.integer.astype(np.int32) if whole else np.zeros(program.width, dtype=np.int32)
    scaled, row_scale, cost_scale = _scaled(program)
    a = scaled.matrix
    model.passModel(
        scaled.width,
        a.shape[0],
        a.nnz,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        scaled.offset,
        scaled.cost,
        scaled.lower,
        scaled.upper,
        scaled.row_lower,
        scaled.row_upper,
        a.indptr.astype(np.int32),
        a.indices.astype(np.int32),
        a.data,
        kinds,
    )
    if whole and limits.report is not None:
        _listen(model, limits.report, cost_scale)
    model.run()
    status, info = model.getModelStatus(), model.getInfo()
    kind = highspy.HighsModelStatus
    if status in (kind.kInfeasible, kind.kUnboundedOrInfeasible):
        return _Run(Status.INFEASIBLE, None, math.inf, math.inf, None)
    objective = info.objective_function_value / cost_scale
    bound = info.mip_dual_bound / cost_scale if whole else objective
    if status == kind.kOptimal:
        solution = model.getSolution()
        duals = None if whole else np.array(solution.row_dual) * row_scale / cost_scale
        proof = Status.OPTIMAL if not limits.gap or not whole else Status.FEASIBLE
        return _Run(proof, np.array(solution.col_value), objective, bound, duals)
    if status not in (kind.kTimeLimit, kind.kInterrupt, kind.kSolutionLimit, kind.kIterationLimit):
        raise RuntimeError(f"HiGHS ended with {model.modelStatusToString(status)}")
    bound = bound if whole and math.isfinite(bound) else -math.inf
    has_solution = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if not (whole and has_solution):
        return _Run(Status.NOTHING, None, math.inf, bound, None)
    return _Run(Status.FEASIBLE, np.array(model.getSolution().col_value), objective, bound, None)


def _scaled(program: Program) -> tuple[Program, Floats, float]:
    """The program with rows and costs brought to moderate size by powers of two, which round nothing, and the scales.

    Sums of money run to 1e11 cents, where a solver's absolute tolerance of 1e-9 is finer than any float.
    """
    a = program.matrix
    filled = np.flatnonzero(np.diff(a.indptr))
    largest = np.ones(a.shape[0])
    largest[filled] = np.maximum.reduceat(np.abs(a.data), a.indptr[filled]) if len(filled) else 1.0
    row = np.where(largest > 1024, 2.0 ** -np.floor(np.log2(np.maximum(largest, 1.0))), 1.0)
    dearest = np.abs(program.cost).max(initial=1.0)
    cost = 2.0 ** min(0.0, 17 - np.ceil(np.log2(dearest)))
    if cost == 1 and (row == 1).all():
        return program, row, 1.0
    matrix = a.copy()
    matrix.data = a.data * np.repeat(row, np.diff(a.indptr))
    changed = replace(
        program,
        matrix=matrix,
        row_lower=program.row_lower * row,
        row_upper=program.row_upper * row,
        cost=program.cost * cost,
        offset=program.offset * cost,
    )
    return changed, row, float(cost)


def _listen(model: Any, report: Report, cost_scale: float) -> None:
    def tell(event: Any) -> None:
        data = event.data_out
        report(Progress(data.running_time, data.mip_primal_bound / cost_scale, data.mip_dual_bound / cost_scale))

    model.setOptionValue("output_flag", True)  # without it HiGHS does not tell callbacks either
    model.setOptionValue("log_to_console", False)
    model.HandleUserInterrupt = True
    model.cbMipLogging += tell


# ---- PuLP -------------------------------------------------------------------------------------------------


def _with_pulp(solver: Any, limits: Limits) -> Callable[[Program, Limits], Solution]:
    chosen = pulp_solver(solver, limits) if isinstance(solver, str) else solver
    if not hasattr(chosen, "actualSolve") and not hasattr(chosen, "available"):
        raise TypeError(f"solver must be 'highs', the name of a PuLP solver or a PuLP solver object, got {solver!r}")

    def once(program: Program, limits: Limits) -> Solution:
        # PuLP's bounds and its word "optimal" are not to be trusted: the bound is that of HiGHS' relaxation.
        relaxed = _highs(program, limits, integer=False)
        if relaxed.status is not Status.OPTIMAL or relaxed.duals is None:
            return Solution(relaxed.status, program)
        reduced = program.cost - program.matrix.T @ relaxed.duals
        bound = _dual_bound(program, relaxed.duals, reduced)
        found = Solution(Status.FEASIBLE, program, None, math.inf, bound, bound, reduced)
        status, x = _run_pulp(*pulp_model(_scaled(program)[0]), chosen, program)
        if x is None:
            return replace(found, status=status)
        return replace(found, x=x, objective=float(program.cost @ x) + program.offset)

    return once


def pulp_solver(name: str, limits: Limits) -> Any:
    """Any solver PuLP knows, silent; CBC is the one that comes with PuLP's extra, whatever PuLP's version."""
    wanted: dict[str, Any] = {"msg": False, "gapRel": limits.gap, "gapAbs": 0.0}
    if math.isfinite(limits.deadline):
        wanted["timeLimit"] = limits.left
    if name.upper() in ("CBC", "COIN", "COIN_CMD", "PULP_CBC_CMD"):
        return pulp.COIN_CMD(path=_cbc_path(), **wanted)
    known = {each.lower(): each for each in pulp.listSolvers()}
    if name.lower() not in known:
        raise ValueError(f"there is no solver {name!r}; there are highs, CBC, {', '.join(sorted(known.values()))}")
    real = known[name.lower()]
    takes = inspect.signature(type(pulp.getSolver(real, msg=False)).__init__).parameters
    solver = pulp.getSolver(real, **{key: value for key, value in wanted.items() if key in takes})
    if not solver.available():
        usable = ", ".join(pulp.listSolvers(onlyAvailable=True))
        raise ValueError(f"the solver {real} is not installed here; installed are highs, CBC, {usable}")
    return solver


def _cbc_path() -> str | None:
    try:
        import cbcbox

        path: str = cbcbox.cbc_bin_path()
        if os.access(path, os.X_OK):
            return path
    except (ImportError, RuntimeError):
        pass
    return getattr(getattr(pulp, "PULP_CBC_CMD", None), "pulp_cbc_path", None) or shutil.which("cbc")


def _finite(bound: float) -> float | None:
    return None if math.isinf(bound) else bound


def _expression(columns: list[Any], values: list[float]) -> Any:
    make = getattr(pulp.LpAffineExpression, "from_list", pulp.LpAffineExpression)  # PuLP 4, PuLP 3
    return make(list(zip(columns, values, strict=True)))


def pulp_model(program: Program) -> tuple[Any, list[Any]]:
    """The program as a PuLP problem and its variables; columns are named by position."""
    problem: Any = pulp.LpProblem("award", pulp.LpMinimize)
    bounds = zip(program.lower.tolist(), program.upper.tolist(), program.integer.tolist(), strict=True)
    x = [
        problem.add_variable(f"x{j}", _finite(low), _finite(high), "Integer" if whole else "Continuous")
        for j, (low, high, whole) in enumerate(bounds)
    ]
    used = np.flatnonzero(program.cost).tolist()
    problem.setObjective(_expression([x[j] for j in used], program.cost[used].tolist()))
    a = program.matrix
    start, index, data = a.indptr.tolist(), a.indices.tolist(), a.data.tolist()
    for i, (low, high) in enumerate(zip(program.row_lower.tolist(), program.row_upper.tolist(), strict=True)):
        if start[i] == start[i + 1]:
            continue  # checked against its bounds by HiGHS' relaxation, which runs first
        row = _expression([x[j] for j in index[start[i] : start[i + 1]]], data[start[i] : start[i + 1]])
        if low == high:
            problem.addConstraint(row == low, f"r{i}")
            continue
        if math.isfinite(high):
            problem.addConstraint(row <= high, f"r{i}u")
        if math.isfinite(low):
            problem.addConstraint(row >= low, f"r{i}l")
    return problem, x


def _run_pulp(problem: Any, x: list[Any], solver: Any, program: Program) -> tuple[Status, Floats | None]:
    result = problem.solve(solver)
    if hasattr(result, "has_solution"):  # PuLP 4
        solved, infeasible = result.has_solution, result.status.name == "Infeasible"
    else:  # PuLP 3, where a time-out has status "Optimal" and only sol_status tells
        solved = problem.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
        infeasible = problem.status == pulp.LpStatusInfeasible
    if not solved:
        return (Status.INFEASIBLE if infeasible else Status.NOTHING), None
    idle = np.where(np.isfinite(program.lower), program.lower, np.minimum(program.upper, 0.0))
    values = [idle[j] if column.varValue is None else column.varValue for j, column in enumerate(x)]
    return Status.FEASIBLE, np.array(values, dtype=float)
