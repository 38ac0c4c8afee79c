"""HiGHS by arrays: linear programs that restart warm, and integer programs with a known ceiling."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from threading import Thread
from typing import Any, NamedTuple

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.program import Floats, Program, Status

Mask = NDArray[np.bool_]
EXACT = {
    "output_flag": False,
    "mip_abs_gap": 0.0,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "mip_feasibility_tolerance": 1e-9,
    "random_seed": 0,
}
BASIC, NONBASIC = highspy.HighsBasisStatus.kBasic, highspy.HighsBasisStatus.kNonbasic
STATUSES = (highspy.HighsBasisStatus.kLower, BASIC, highspy.HighsBasisStatus.kUpper)
KIND = highspy.HighsModelStatus
KNOWN = (KIND.kOptimal, KIND.kInfeasible, KIND.kObjectiveBound)
LARGE = 20_000  # columns from which on a linear program may take more than a moment
STOPPED = (KIND.kTimeLimit, KIND.kInterrupt, KIND.kSolutionLimit, KIND.kIterationLimit)


class Run(NamedTuple):
    """What one call of HiGHS established; `duals` are the multipliers of a linear program's rows."""

    status: Status
    x: Floats | None
    objective: float
    bound: float
    duals: Floats | None


IMPOSSIBLE = Run(Status.INFEASIBLE, None, math.inf, math.inf, None)


class Told(NamedTuple):
    """What HiGHS says on the way: seconds of this call, best objective, bound."""

    seconds: float
    best: float
    bound: float


def linear(program: Program, seconds: float = math.inf) -> Run:
    """The linear relaxation, solved once; `bound` is recomputed from the multipliers."""
    return Relaxation(program).solve(program, seconds)


def whole(
    program: Program,
    *,
    ceiling: float = math.inf,
    seconds: float = math.inf,
    gap: float = 0.0,
    tell: Callable[[Told], None] | None = None,
) -> Run:
    """The integer program. With a `ceiling` only solutions of at most that objective are looked for."""
    if not program.width:
        return _without_columns(program)
    model, _, cost_scale = _model(program, whole=True)
    options: dict[str, Any] = {"mip_rel_gap": gap}
    if math.isfinite(ceiling):
        options["objective_bound"] = (ceiling - program.offset) * cost_scale
    if math.isfinite(seconds):
        options["time_limit"] = seconds
    _set(model, options)
    if tell is not None:
        _listen(model, tell, cost_scale, program.offset)
    _run(model)
    status, info = model.getModelStatus(), model.getInfo()
    if status in (KIND.kInfeasible, KIND.kUnboundedOrInfeasible, KIND.kObjectiveBound):
        return IMPOSSIBLE
    if status != KIND.kOptimal and status not in STOPPED:
        raise RuntimeError(f"HiGHS ended with {model.modelStatusToString(status)}")
    bound = info.mip_dual_bound / cost_scale + program.offset
    bound = bound if math.isfinite(bound) else -math.inf
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Run(Status.NOTHING, None, math.inf, bound, None)
    proven = status == KIND.kOptimal and not gap
    x = np.array(model.getSolution().col_value)
    objective = info.objective_function_value / cost_scale + program.offset
    return Run(Status.OPTIMAL if proven else Status.FEASIBLE, x, objective, bound, None)


_END: ContextVar[float] = ContextVar("_END", default=math.inf)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Within it nothing is solved beyond so many seconds from now: whatever would be ends in TimeoutError."""
    before = _END.set(min(_END.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _END.reset(before)


def heeding() -> dict[str, Any]:
    """For a pool of threads, that keep the deadline of the thread that starts them."""
    return {"initializer": _END.set, "initargs": (_END.get(),)}


def _left() -> float:
    """Seconds until the deadline.

    Raises:
        TimeoutError: it has passed.
    """
    left = _END.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for solving is over")
    return left


_RUNNING: dict[int, Any] = {}  # models at work on what may take long


def _run(model: Any) -> None:
    """Run what may take long so that Ctrl-C and other signals are heard: Python hears none while it waits for HiGHS.

    Another thread does the work; this one waits, and stops it at the deadline, or if it is stopped itself.
    """
    left = _left()
    # Not highspy's startSolve: its locks belong to the class, and refuse a second model at work in another thread.
    model.HandleUserInterrupt = True
    work = Thread(target=model.run, daemon=True)
    _RUNNING[id(model)] = model
    try:
        work.start()
        work.join(None if math.isinf(left) else left)
        if work.is_alive():
            model.cancelSolve()
            work.join()  # whoever goes on may come back to this model
            raise TimeoutError("the time for solving is over")
    except BaseException:
        model.cancelSolve()  # this one alone: others may be at work for somebody else
        raise
    finally:
        del _RUNNING[id(model)]


def stop() -> None:
    """Stop HiGHS in whatever thread it is at work on something long."""
    for model in tuple(_RUNNING.values()):
        model.cancelSolve()


class Basis(NamedTuple):
    """Which columns and rows are basic, and which of the other columns are at their upper bounds."""

    columns: Mask
    rows: Mask
    high: Mask

    def of(self, keep: Mask) -> Basis:
        """The basis on some of the columns, if none of those left out is basic."""
        return Basis(self.columns[keep], self.rows, self.high[keep])

    def told(self) -> Any:
        """As HiGHS takes it."""
        basis = highspy.HighsBasis()
        codes = np.where(self.columns, 1, np.where(self.high, 2, 0))
        basis.col_status = [STATUSES[code] for code in codes.tolist()]
        basis.row_status = [BASIC if basic else NONBASIC for basic in self.rows.tolist()]
        basis.valid = True
        return basis


class Relaxation:
    """A linear relaxation that stays in HiGHS: after new bounds, costs or rows it restarts from the last basis.

    HiGHS' presolve takes several times what the dual simplex does on programs like these, so it is off.

    Args:
        program: The first program.
        basis: Where to start.

    Attributes:
        program: The first program.
        solves: How many linear programs it has solved.
    """

    def __init__(self, program: Program, basis: Basis | None = None):
        self.program, self._offset = program, program.offset
        self._model, self._row_scale, self._cost_scale = _model(program, whole=False)
        _set(self._model, {"presolve": "off", "simplex_strategy": 1})
        self._lower, self._upper, self._cost = program.lower, program.upper, program.cost
        self.solves = 0
        if basis is not None:
            self._model.setBasis(basis.told())

    def add(self, matrix: sparse.csr_array, upper: Floats) -> None:
        """Add rows matrix @ x ≤ upper."""
        count = len(upper)
        starts, columns = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
        self._model.addRows(count, np.full(count, -np.inf), upper, matrix.nnz, starts, columns, matrix.data)
        self._row_scale = np.append(self._row_scale, np.ones(count))

    def drop(self, rows: NDArray[np.intp]) -> None:
        """Leave rows out again."""
        self._model.deleteRows(len(rows), rows.astype(np.int32))
        self._row_scale = np.delete(self._row_scale, rows)

    @property
    def basis(self) -> Basis:
        """Where the last solve ended."""
        basic = np.asarray(self._model.getBasicVariables()[1])
        columns, rows = np.zeros(len(self._lower), dtype=bool), np.zeros(len(self._row_scale), dtype=bool)
        columns[basic[basic >= 0]] = True
        rows[-1 - basic[basic < 0]] = True
        x = np.array(self._model.getSolution().col_value)
        return Basis(columns, rows, ~columns & (x > self._lower) & (x >= self._upper))

    def within(self, lower: Floats, upper: Floats) -> None:
        """Set the bounds of the columns."""
        changed = np.flatnonzero((lower != self._lower) | (upper != self._upper)).astype(np.int32)
        if len(changed):
            self._model.changeColsBounds(len(changed), changed, lower[changed], upper[changed])
        self._lower, self._upper = lower, upper

    def costing(self, cost: Floats) -> None:
        """Set the costs of the columns."""
        changed = np.flatnonzero(cost != self._cost).astype(np.int32)
        if len(changed):
            self._model.changeColsCost(len(changed), changed, cost[changed] * self._cost_scale)
        self._cost = cost

    def solve(self, program: Program, seconds: float = math.inf) -> Run:
        """The relaxation of a program with the same rows: its bounds and costs, from the last basis."""
        if not program.width:
            return _without_columns(program)
        self._model.setOptionValue("time_limit", self._model.getRunTime() + seconds)
        self.within(program.lower, program.upper)
        self.costing(program.cost)
        self._offset = program.offset
        status = self._ended(math.inf)
        if status in STOPPED:
            return Run(Status.NOTHING, None, math.inf, -math.inf, None)
        if status != KIND.kOptimal:
            return IMPOSSIBLE
        x, duals = self.point()
        bound = dual_bound(program, duals, program.cost - program.matrix.T @ duals)
        return Run(Status.OPTIMAL, x, self.objective, bound, duals)

    def reaches(self, ceiling: float) -> bool:
        """Solve; whether any point costs at most `ceiling`."""
        status = self._ended(ceiling)
        if status in STOPPED:
            raise RuntimeError(f"HiGHS ended with {self._model.modelStatusToString(status)}")
        return bool(status == KIND.kOptimal and self.objective <= ceiling)

    def _ended(self, ceiling: float) -> Any:
        """Solve; how that ended."""
        _left()
        self.solves += 1
        model = self._model
        model.setOptionValue("objective_bound", min((ceiling - self._offset) * self._cost_scale, 1e200))
        run = _run if len(self._cost) > LARGE else type(model).run  # a thread costs a tenth of a millisecond
        run(model)
        if model.getModelStatus() not in (*KNOWN, *STOPPED):
            model.clearSolver()  # a basis gone stale: once more from the start
            run(model)
        status = model.getModelStatus()
        if status not in (*KNOWN, *STOPPED, KIND.kUnboundedOrInfeasible):
            raise RuntimeError(f"HiGHS ended with {model.modelStatusToString(status)}")
        return status

    @property
    def objective(self) -> float:
        """The objective of the last solve."""
        return float(self._model.getInfo().objective_function_value / self._cost_scale) + self._offset

    def point(self) -> tuple[Floats, Floats]:
        """The solution last found, and the multipliers of the rows."""
        solution = self._model.getSolution()
        return np.array(solution.col_value), np.array(solution.row_dual) * self._row_scale / self._cost_scale


def dual_bound(program: Program, duals: Floats, reduced: Floats) -> float:
    """Σ dual · row bound + Σ reduced cost · column bound: below every solution, whatever the multipliers.

    A multiplier on the side where its row has no bound, and a reduced cost on the side where its column has none,
    can only be rounding noise of the solver and count as 0.
    """
    with np.errstate(invalid="ignore"):
        rows = np.where(duals > 0, duals * program.row_lower, np.where(duals < 0, duals * program.row_upper, 0.0))
        columns = np.where(reduced > 0, reduced * program.lower, np.where(reduced < 0, reduced * program.upper, 0.0))
    noise = ~np.isfinite(rows)
    return float(rows[~noise].sum() + columns[np.isfinite(columns)].sum() + program.offset)


def _without_columns(program: Program) -> Run:
    """HiGHS calls a program without columns solved, whatever its rows say."""
    possible = bool((program.row_lower <= 1e-9).all() and (program.row_upper >= -1e-9).all())
    offset = program.offset if possible else math.inf
    status = Status.OPTIMAL if possible else Status.INFEASIBLE
    return Run(status, np.empty(0) if possible else None, offset, offset, np.zeros(len(program.row_lower)))


def _model(program: Program, *, whole: bool) -> tuple[Any, Floats, float]:
    _greeted()
    model: Any = highspy.Highs()
    _set(model, EXACT)
    kinds = program.integer if whole else np.zeros(program.width, dtype=bool)
    scaled, row_scale, cost_scale = scale(program)
    a = scaled.matrix
    model.passModel(
        scaled.width,
        a.shape[0],
        a.nnz,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        0.0,  # offsets are added outside, so that ceilings need not be told with or without them
        scaled.cost,
        scaled.lower,
        scaled.upper,
        scaled.row_lower,
        scaled.row_upper,
        a.indptr.astype(np.int32),
        a.indices.astype(np.int32),
        a.data,
        kinds.astype(np.int32),
    )
    return model, row_scale, cost_scale


@cache
def _greeted() -> None:
    """Let HiGHS greet where nobody listens: from 1.16 on its first model in a process prints a banner."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        highspy.Highs()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _set(model: Any, options: dict[str, Any]) -> None:
    for option, value in options.items():
        model.setOptionValue(option, value)


def scale(program: Program) -> tuple[Program, Floats, float]:
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
    )
    return changed, row, float(cost)


def _listen(model: Any, tell: Callable[[Told], None], cost_scale: float, offset: float) -> None:
    def heard(event: Any) -> None:
        data = event.data_out
        best, bound = (each / cost_scale + offset for each in (data.mip_primal_bound, data.mip_dual_bound))
        tell(Told(data.running_time, best, bound))

    model.setOptionValue("output_flag", True)  # without it HiGHS does not tell callbacks either
    model.setOptionValue("log_to_console", False)
    model.cbMipLogging += heard
