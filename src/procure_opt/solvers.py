"""The one door to solvers: HiGHS by arrays, and any solver PuLP knows."""

from __future__ import annotations

import inspect
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pulp

from procure_opt.cuts import Cutter, without
from procure_opt.highs import Relaxation, Run, Told, heeding, linear, scale, stop
from procure_opt.parts import independent, joined
from procure_opt.program import Floats, Program, Solution, Status
from procure_opt.search import EASILY, Gains
from procure_opt.search import best as search

LARGE = 50_000  # columns from which on parts are solved two at a time
ROWS = ("matrix", "row_lower", "row_upper", "integer")  # what programs of a session have in common
CUTTING = 20  # rounds of cuts
WORTHWHILE = 0.02  # the share of what cuts have raised the bound by that a round has to add for another one to follow
IDLE = 150  # cuts that hold nothing back are kept for other bounds and costs, up to so many: they slow all down
STALLED = 2  # rounds in a row that add less
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

    @property
    def tell(self) -> Callable[[Told], None] | None:
        """What HiGHS is to tell on the way."""
        report = self.report
        return None if report is None else lambda told: report(Progress(*told))


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
        solver: "highs", the name of any solver PuLP knows ("CBC", "GLPK_CMD", …), a PuLP solver object, or a
            `Session` for programs that differ in bounds and costs only.
        limits: Time, gap, progress.
    """
    limits = limits or Limits()
    once: Callable[[Program, Limits], Solution]
    if isinstance(solver, Session):
        once = solver.solve
    else:
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


def _with_highs(program: Program, limits: Limits) -> Solution:
    return Session(program, again=False).solve(program, limits)


class Session:
    """Programs with the same rows, solved one after the other with other bounds or costs.

    A program that falls into independent parts is solved part by part, on both cores where there is much to do.

    Args:
        program: The first of them.
        again: Whether others are to follow, for which the parts are kept ready.
    """

    def __init__(self, program: Program, again: bool = True):
        self.program = program
        self.again = again
        self._places = independent(program)
        self._parts: dict[int, _Part] = {}

    def solve(self, program: Program, limits: Limits, ceiling: float = math.inf) -> Solution:
        """The best solution (of at most `ceiling`, where one is given: a part in 1e9 more is as good)."""
        if any(getattr(program, name) is not getattr(self.program, name) for name in ROWS):
            return Session(program).solve(program, limits, ceiling)
        ceiling += 1e-9 * max(1.0, abs(ceiling))
        if len(self._places) == 1:
            return self._part(0, program, limits, ceiling)
        alone = replace(limits, report=None)
        with ThreadPoolExecutor(2 if program.width > LARGE else 1, **heeding()) as threads:
            numbers = range(len(self._places))
            try:
                solved = list(threads.map(lambda i: self._part(i, self._places[i].of(program), alone), numbers))
            except (KeyboardInterrupt, SystemExit):  # the end: what is at work is stopped, the rest not begun
                threads.shutdown(wait=False, cancel_futures=True)
                stop()
                raise
        found = joined(program, self._places, solved)
        if limits.report is not None:
            limits.report(Progress(0.0, found.objective, found.bound))
        return found

    def _part(self, number: int, program: Program, limits: Limits, ceiling: float = math.inf) -> Solution:
        part = self._parts.get(number)
        if part is None or not part.cutter.holds_for(program):
            part = _Part(program)
            if self.again:
                self._parts[number] = part
        return part.solve(program, limits, ceiling)


class _Part:
    """Programs with the same rows that do not fall into parts.

    One that is as last time is not solved again; others restart from the basis the last one ended with, with the cuts
    met so far and a gap a little above the median of the last ones.
    """

    def __init__(self, program: Program):
        self.cutter = Cutter(program)
        self._sharp = program
        self._relaxation = Relaxation(program)
        self._gaps: list[float] = []
        self._effort = EASILY  # of the last search
        self._learnt = Gains.none(program.width)
        self._solved: tuple[Program, Solution] | None = None

    def solve(self, program: Program, limits: Limits, ceiling: float) -> Solution:
        """The best solution of at most `ceiling`."""
        if self._solved is not None and _alike(self._solved[0], program) and math.isinf(ceiling):
            return replace(self._solved[1], program=program)
        solution = self._search(program, limits, ceiling)
        gap = solution.objective - solution.relaxed
        if math.isfinite(gap) and gap > 0:
            self._gaps.append(gap)
        if math.isinf(ceiling) and solution.status in (Status.OPTIMAL, Status.INFEASIBLE):
            self._solved = program, solution
        return solution

    def _search(self, program: Program, limits: Limits, ceiling: float) -> Solution:
        """The linear relaxation with cuts, and if that is not whole the search between its bound and the best."""
        sharp, relaxed = self._root(program, limits, ceiling)
        if relaxed.status is not Status.OPTIMAL or relaxed.x is None or relaxed.duals is None:
            return Solution(relaxed.status, program)
        reduced = sharp.cost - sharp.matrix.T @ relaxed.duals
        found = Solution(Status.OPTIMAL, program, relaxed.x, relaxed.objective, relaxed.bound, relaxed.bound, reduced)
        if relaxed.bound > ceiling:
            return replace(found, status=Status.INFEASIBLE, x=None, objective=math.inf)
        fractional = _fractional(program, relaxed.x)
        if not fractional:
            return found
        gap = 1.2 * float(np.median(self._gaps)) if self._gaps else 0.0
        best = search(
            sharp,
            relaxed.bound,
            reduced,
            start=max(gap, _first_gap(reduced, fractional)),
            fractional=fractional,
            basis=self._relaxation.basis,
            last=self._effort,
            gains=self._learnt,
            ceiling=ceiling,
            deadline=limits.deadline,
            near=limits.gap,
            tell=limits.tell,
        )
        self._effort = best.effort
        bound = max(relaxed.bound, best.bound)
        if best.x is None:
            status = Status.INFEASIBLE if best.complete else Status.NOTHING
            return replace(found, status=status, x=None, objective=math.inf, bound=bound)
        status = Status.OPTIMAL if best.complete and not limits.gap else Status.FEASIBLE
        return replace(found, status=status, x=best.x, objective=best.objective, bound=bound, worse=best.worse)

    def _root(self, program: Program, limits: Limits, ceiling: float) -> tuple[Program, Run]:
        """The program with cuts, and its relaxation: as long as new ones raise the bound."""
        relaxed = self._relaxed(program, limits)
        first, stalled = relaxed.bound, 0
        for _ in range(CUTTING):
            if relaxed.x is None or relaxed.duals is None or relaxed.bound > ceiling:
                break
            if not _fractional(program, relaxed.x) or time.monotonic() > limits.deadline:
                break
            cuts = self.cutter.broken(relaxed.x, program.cost - self._sharp.matrix.T @ relaxed.duals)
            if not len(cuts):
                break
            self._sharp = cuts.on(self._sharp)
            self._relaxation.add(cuts.matrix, cuts.upper)
            last, relaxed = relaxed.bound, self._relaxed(program, limits)
            stalled = stalled + 1 if relaxed.bound - last < WORTHWHILE * (relaxed.bound - first) else 0
            if stalled == STALLED:
                break
        if relaxed.duals is not None:
            idle = np.flatnonzero(relaxed.duals == 0)
            idle = idle[idle >= len(self.cutter.program.row_lower)]
            if len(idle) > IDLE:
                self._relaxation.drop(idle)
                self._sharp = without(self._sharp, idle)
                relaxed = self._relaxed(program, limits)
        return self._with_cuts(program), relaxed

    def _relaxed(self, program: Program, limits: Limits) -> Run:
        return self._relaxation.solve(self._with_cuts(program), limits.left)

    def _with_cuts(self, program: Program) -> Program:
        costs_and_bounds = {name: getattr(program, name) for name in ("cost", "offset", "lower", "upper")}
        return replace(self._sharp, **costs_and_bounds)


def _alike(first: Program, second: Program) -> bool:
    same = all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("lower", "upper", "cost"))
    return same and first.offset == second.offset


def _fractional(program: Program, x: Floats) -> int:
    return int((np.abs(x - np.rint(x))[program.integer] > 1e-9).sum())


def _first_gap(reduced: Floats, fractional: int) -> float:
    """The first gap to try: within it lie four columns for each one that the relaxation left fractional."""
    above = reduced[reduced > 1e-9]
    if not len(above):
        return 0.0
    return float(np.partition(above, min(4 * fractional, len(above)) - 1)[min(4 * fractional, len(above)) - 1])


# ---- PuLP -------------------------------------------------------------------------------------------------


def _with_pulp(solver: Any, limits: Limits) -> Callable[[Program, Limits], Solution]:
    chosen = pulp_solver(solver, limits) if isinstance(solver, str) else solver
    if not hasattr(chosen, "actualSolve") and not hasattr(chosen, "available"):
        raise TypeError(f"solver must be 'highs', the name of a PuLP solver or a PuLP solver object, got {solver!r}")

    def once(program: Program, limits: Limits) -> Solution:
        # PuLP's bounds and its word "optimal" are not to be trusted: the bound is that of HiGHS' relaxation.
        relaxed = linear(program, limits.left)
        if relaxed.status is not Status.OPTIMAL or relaxed.duals is None:
            return Solution(relaxed.status, program)
        reduced = program.cost - program.matrix.T @ relaxed.duals
        found = Solution(Status.FEASIBLE, program, None, math.inf, relaxed.bound, relaxed.bound, reduced)
        status, x = _run_pulp(*pulp_model(scale(program)[0]), chosen, program)
        if x is None:
            # Some solvers that ran out of time call the program infeasible.
            late = time.monotonic() > limits.deadline
            return replace(found, status=Status.NOTHING if late else status)
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
