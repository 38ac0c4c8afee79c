"""A proof of the award that needs no trust in floating point: multipliers anyone can check, in exact arithmetic.

For any multipliers y of the rows, with reduced costs d = c − A'y, no solution costs less than

    Σ_i (y_i · row_lower_i if y_i > 0 else y_i · row_upper_i) + Σ_j min(d_j · lower_j, d_j · upper_j) + offset.

A solver only suggests y. Here the sum is computed exactly: floats are whole multiples of powers of two, so that all of
it is a sum of whole numbers. What one y leaves open is proven case by case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from operator import mul
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.highs import Relaxation, dual_bound, linear
from procure_opt.policy import Plan
from procure_opt.program import Floats, Program, Status
from procure_opt.search import narrowed, step
from procure_opt.ties import tolerance

if TYPE_CHECKING:
    from procure_opt.award import Award

Ints = NDArray[Any]  # int64, or Python's own where those might overflow
Places = NDArray[np.intp]
Bounds = tuple[Floats, Floats]
Value = Fraction | float  # a float only for what is infinite

ROOM = 1e-9  # rows that are not in whole numbers may be exceeded by this part of their largest figure (at least 1)
SAFE = 2.0**62  # below this a sum stays within int64
WHOLE = 1e-6  # how far from a whole number a column of a linear program counts as whole
WORK = 20_000_000  # entries of the matrix that linear programs after the first may go through
OVERHEAD = 20_000  # entries that one of them costs besides those of the matrix
MOST = 200_000  # columns; of larger programs no proof is tried
CANDIDATES = 64  # columns looked at where one is split on; each is tried once and then remembered


@dataclass(frozen=True)
class Case:
    """One step of a proof.

    The multipliers give an exact bound of what is left of the program, and columns are held to the values with which
    that bound does not reach the goal. If the bound itself reaches it, the case is closed. Otherwise it falls into
    x_column ≤ at, which the following cases prove, and x_column ≥ at + 1, which those after them prove; without a
    column the next case goes on with what is left.

    Attributes:
        multipliers: y by position of the row in the program, where it differs from that of the case it is a side of
            (0 in the first). Each is a float and means the rational number that it is.
        column: Position of the column that the case is split on, or None.
        at: The largest value on the lower side.
    """

    multipliers: Mapping[int, float]
    column: int | None = None
    at: int = 0


def bound(program: Program, cases: Sequence[Case], goal: Fraction) -> Value:
    """What every solution costs at least, by exact arithmetic from the multipliers alone; -inf if they show nothing.

    The cases are gone through one after the other: b is a case's bound, and a solution with x_j at t costs at least
    b + |d_j| · |t − the bound of x_j that d_j draws to|. Values with which that reaches the goal are left out, so the
    result is the least b of all closed cases, or the goal where values were left out. Where costs are whole multiples
    of a step (`search.step`), bounds are rounded up to the next objective there can be. Rows that are not in whole
    numbers count as kept by whoever exceeds them by at most 1e-9 of their largest figure, so that no decimal fraction
    which a float can only come near to excludes an award.

    Args:
        program: What is solved, in its own units.
        cases: The proof.
        goal: What is to be proven. The result is true whatever it is.

    Raises:
        ValueError: a case names a row or column that is not there, splits on one that need not be whole, or has a
            multiplier that is no finite number.
    """
    exact = _Exact.of(program)
    shown: list[Value] = []
    to_prove = [_Open(exact.bounds, np.zeros(len(program.row_lower)), -math.inf)]
    for case in cases:
        if not to_prove:
            break
        bounds, y, _ = to_prove.pop()
        y = _changed(y, case.multipliers)
        value, left_out, bounds = exact.within(y, bounds, goal)
        if left_out:
            shown.append(goal)
        if value >= goal:
            shown.append(value)
        elif case.column is None:
            to_prove.append(_Open(bounds, y, value))
        else:
            less, more = _split(program, bounds, case.column, case.at)
            to_prove += [_Open(more, y, value), _Open(less, y, value)]
    return min([*shown, *(each.value for each in to_prove)])


def verify(program: Program, cases: Sequence[Case], goal: Fraction) -> bool:
    """Whether the cases prove that no solution costs less than the goal: `bound(program, cases, goal) >= goal`.

    Raises:
        ValueError: as `bound`.

    >>> from procure_opt.program import Family, Linear, Rows, always
    >>> x = Family("x", np.zeros(2), np.ones(2), np.ones(2) > 0, lambda j: f"bid {j}")()
    >>> one = Rows.at_least(x.total(), 1.0, always("one of them"))
    >>> program = Program.build(x.under(np.array([7.0, 9.0])), [one])
    >>> verify(program, [Case({0: 7.0})], Fraction(7)), verify(program, [Case({0: 7.0})], Fraction(8))
    (True, False)
    """
    return bound(program, cases, goal) >= goal


def certify(program: Program, goal: Fraction) -> tuple[Case, ...] | None:
    """A proof that no solution costs less than the goal; None if none is found with a moderate number of cases.

    Multipliers are those of linear programs, rounded to multiples of a power of two that is small beside the goal's
    room. Columns to split on are chosen by the linear programs of both sides. The same program and goal always give
    the same cases.

    Args:
        program: What is solved.
        goal: What is to be proven, in the program's units.
    """
    if not 0 < program.width <= MOST:
        return None
    return _Search(program, goal).run()


def goal_of(plan: Plan, objective: Fraction) -> Fraction:
    """What has to be proven for an award of that objective to be optimal, both in the program's units.

    Where objectives come in steps, the objective itself: it is the next one above any bound that is less than a step
    below. Otherwise it less `allowance`.
    """
    unit = Fraction(step(plan.program))
    if not unit:
        return objective - Fraction(allowance(plan, float(objective)))
    offset = Fraction(plan.program.offset)
    nearest = offset + unit * round((objective - offset) / unit)
    return nearest if abs(nearest - objective) * 2**45 <= abs(objective) else objective  # what a float rounds off


def allowance(plan: Plan, objective: float) -> float:
    """By how much an optimal award's objective may exceed the bound: one money unit, and what scores or parts add."""
    unit = 1.0 if plan.in_money else 1e-7 * max(1.0, abs(objective))
    return max(unit, tolerance(plan, objective))


def proof_of(award: Award) -> tuple[Case, ...] | None:
    """The proof of an optimal award; None if there is none, or none is found (see `certify`)."""
    if award.status != "optimal":
        return None
    plan = award.policy.plan(award.tender)
    return certify(plan.program, _goal(plan, award))


def recompute(award: Award, multipliers: Sequence[Case] | None = None) -> Fraction:
    """What no award's objective is below, in currency, recomputed exactly from the bids and an award's multipliers.

    It equals `award.objective` where costs are whole money units, and is elsewhere below it by at most one money unit,
    1e-9 of the cost or, with scores, 1e-7 of the score, whichever is largest.

    Args:
        award: The award.
        multipliers: Those to look at instead of the award's own.

    Raises:
        ValueError: the award carries no multipliers, they do not fit its program, or they prove nothing at all.

    >>> import procure_opt as po
    >>> tender = po.Tender([{"lot": "A"}], [{"bid": "b1", "bidder": "X", "lots": "A", "price": 7.25}])
    >>> award = po.award(tender)
    >>> award.proof, recompute(award)
    ('exact', Fraction(29, 4))
    """
    cases = award.multipliers if multipliers is None else multipliers
    if cases is None:
        raise ValueError("the award carries no multipliers; its proof is the solver's word")
    plan = award.policy.plan(award.tender)
    shown = bound(plan.program, cases, _goal(plan, award))
    if shown == -math.inf:
        raise ValueError("these multipliers prove nothing")
    return Fraction(shown) * _decimal(plan.unit)


def _decimal(number: float) -> Fraction:
    """The decimal number a float stands for."""
    return Fraction(repr(float(number)))


def _goal(plan: Plan, award: Award) -> Fraction:
    return goal_of(plan, _decimal(award.objective) / _decimal(plan.unit))


# ---- exact arithmetic -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Exact:
    """A program by columns, its rows loosened, bounds of whole columns whole, and the step between objectives."""

    program: Program
    matrix: sparse.csc_array
    row_lower: Floats
    row_upper: Floats
    bounds: Bounds
    step: Fraction

    @staticmethod
    def of(program: Program) -> _Exact:
        a = program.matrix
        row = np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))
        ends = np.stack([program.row_lower, program.row_upper])
        finite = np.where(np.isfinite(ends), ends, 0.0)
        largest = np.maximum(1.0, np.abs(finite).max(axis=0))
        np.maximum.at(largest, row, np.abs(a.data))
        broken = (finite != np.rint(finite)).any(axis=0)
        broken[row[(a.data != np.rint(a.data)) | ~program.integer[a.indices]]] = True
        room = np.where(broken, ROOM * largest, 0.0)
        lower = np.where(program.integer, np.ceil(program.lower), program.lower)
        upper = np.where(program.integer, np.floor(program.upper), program.upper)
        unit = Fraction(step(program))
        return _Exact(program, sparse.csc_array(a), ends[0] - room, ends[1] + room, (lower, upper), unit)

    def within(self, y: Floats, bounds: Bounds, goal: Fraction) -> tuple[Value, bool, Bounds]:
        """The bound of the columns within bounds, whether values of columns are left out by it, and the bounds then."""
        lower, upper = bounds
        live = np.flatnonzero((lower != 0) | (upper != 0))
        d, shift = self._reduced(y, live)
        value = self._sum(y, d, shift, lower[live], upper[live])
        if value == -math.inf or self.risen(value) >= goal:
            return self.risen(value), False, bounds
        limit = (self.below(goal) - value) * 2**shift  # of d · steps: what costs more reaches the goal
        most = math.floor(limit)
        if most >= SAFE:
            d = d.astype(object)
        steps = np.minimum(most // np.where(d == 0, 1, np.abs(d)), 2**50).astype(float)
        start, span = np.where(d > 0, lower[live], upper[live]), upper[live] - lower[live]
        sure = np.abs(start) + np.minimum(span, steps) < 2.0**50  # such floats hold every whole number
        held = (d != 0) & self.program.integer[live] & sure & (steps < span)
        fall, rise = held & (d > 0), held & (d < 0)
        lower, upper = lower.copy(), upper.copy()
        upper[live[fall]] = lower[live[fall]] + steps[fall]
        lower[live[rise]] = upper[live[rise]] - steps[rise]
        endless = ~self.program.integer[live] & (d != 0) & np.isinf(span)
        for j, reduced in zip(live[endless].tolist(), d[endless].tolist()):
            if reduced > 0:
                upper[j] = _above(Fraction(lower[j]) + limit / reduced)
            else:
                lower[j] = -_above(-Fraction(upper[j]) - limit / reduced)
        return self.risen(value), bool(held.any() or endless.any()), (lower, upper)

    def below(self, goal: Fraction) -> Fraction:
        """Objectives above this reach the goal."""
        if not self.step:
            return goal
        offset = Fraction(self.program.offset)
        return offset + self.step * (math.ceil((goal - offset) / self.step) - 1)

    def risen(self, value: Value) -> Value:
        """The least objective there can be that is not below the value."""
        if not self.step or not isinstance(value, Fraction):
            return value
        offset = Fraction(self.program.offset)
        return offset + self.step * math.ceil((value - offset) / self.step)

    def _reduced(self, y: Floats, live: Places) -> tuple[Ints, int]:
        """d = c − A'y of some columns as whole multiples of 2^-shift."""
        part = self.matrix[:, live]
        column = np.repeat(np.arange(len(live)), np.diff(part.indptr))
        used = y[part.indices] != 0
        column, entry, weight = column[used], part.data[used], y[part.indices[used]]
        cost = self.program.cost[live]
        left, right = _fraction_bits(entry), _fraction_bits(y[y != 0])
        shift = max(left + right, _fraction_bits(cost))
        right = shift - left
        size = np.abs(cost) + np.bincount(column, weights=np.abs(entry * weight), minlength=len(live))
        fits = shift < 500 and max(size.max(initial=0.0), np.abs(weight).max(initial=0.0)) < SAFE / 2.0**shift
        kind: Any = np.int64 if fits else object
        d = _scaled(cost, shift, kind)
        first = np.flatnonzero(np.diff(column, prepend=-1))
        if len(first):
            d[column[first]] -= np.add.reduceat(_scaled(entry, left, kind) * _scaled(weight, right, kind), first)
        return d, shift

    def _sum(self, y: Floats, d: Ints, shift: int, lower: Floats, upper: Floats) -> Value:
        rows = np.flatnonzero(y)
        at = np.where(y[rows] > 0, self.row_lower[rows], self.row_upper[rows])
        ends, used = np.where(d > 0, lower, upper), d != 0
        if not np.isfinite(at).all() or not np.isfinite(ends[used]).all():
            return -math.inf
        columns = used & (ends != 0)
        left, bits = _fraction_bits(y[rows]), _fraction_bits(np.concatenate([at, ends[columns]]))
        total = _dot(_scaled(y[rows], left, object), _scaled(at, bits, object)) << max(shift - left, 0)
        total += _dot(d[columns], _scaled(ends[columns], bits, object)) << max(left - shift, 0)
        return Fraction(total, 1 << max(left, shift) + bits) + Fraction(self.program.offset)


class _Open(NamedTuple):
    """What is still to be proven: columns within bounds, the multipliers last seen, and the bound they gave."""

    bounds: Bounds
    y: Floats
    value: Value


def _fraction_bits(values: Floats) -> int:
    """The least k ≥ 0 for which all values are whole multiples of 2^-k."""
    values = values[values != 0]
    if not len(values):
        return 0
    mantissa, exponent = np.frexp(values)
    digits = np.ldexp(mantissa, 53).astype(np.int64)
    zeros = np.frexp((digits & -digits).astype(float))[1] - 1
    return max(0, int((53 - zeros - exponent).max()))


def _scaled(values: Floats, shift: int, kind: Any) -> Ints:
    """values · 2^shift, which are whole."""
    if kind is np.int64:
        return np.ldexp(values, shift).astype(np.int64)
    ratios = (value.as_integer_ratio() for value in values.tolist())
    scaled = np.empty(len(values), dtype=object)
    scaled[:] = [(top << shift) // below for top, below in ratios]
    return scaled


def _dot(a: Ints, b: Ints) -> int:
    """Σ a · b, in Python's own integers."""
    return sum(map(mul, a.tolist(), b.tolist()))


def _above(number: Fraction) -> float:
    """A float that is not below the number."""
    near = float(number)
    return near if near >= number else math.nextafter(near, math.inf)


def _changed(y: Floats, multipliers: Mapping[int, float]) -> Floats:
    """Multipliers with some of them replaced."""
    y = y.copy()
    for row, value in multipliers.items():
        if not 0 <= row < len(y) or not math.isfinite(value):
            raise ValueError(f"a multiplier of {value!r} for row {row!r}: the program has rows 0 to {len(y) - 1}")
        y[row] = value
    return y


def _split(program: Program, bounds: Bounds, column: int, at: int) -> tuple[Bounds, Bounds]:
    """The two sides x ≤ at and x ≥ at + 1."""
    if not 0 <= column < program.width or not program.integer[column] or at != int(at):
        raise ValueError(f"a case splits on column {column!r} at {at!r}: that is no whole column of the program")
    lower, upper = bounds
    low, high = lower.copy(), upper.copy()
    high[column] = min(upper[column], at)
    low[column] = max(lower[column], at + 1)
    return (lower, high), (low, upper)


# ---- the search for a proof -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Side:
    """What a linear program says of the columns within bounds; no point `x` where all of it lies beyond the goal."""

    bounds: Bounds
    objective: float
    y: Floats
    x: Floats | None


class _Fork(NamedTuple):
    """A column, and what linear programs say of both its sides."""

    column: int
    at: int
    less: _Side
    more: _Side


class _Search:
    """Multipliers from linear programs, made into cases until all are closed or the work is too much."""

    def __init__(self, program: Program, goal: Fraction):
        self.program, self.goal = program, goal
        self.exact = _Exact.of(program)
        self.fine = float(self.exact.step) or 1e-9 * max(1.0, abs(float(goal)))
        self.ceiling = float(self.exact.below(goal)) + self.fine / 2  # rounding multipliers costs less than half
        a = program.matrix
        self.largest = np.ones(a.shape[0])
        np.maximum.at(self.largest, np.repeat(np.arange(a.shape[0]), np.diff(a.indptr)), np.abs(a.data))
        self.grid = 2.0 ** np.minimum(0.0, np.floor(np.log2(self.fine / (16 * max(1, a.shape[0]) * self.largest))))
        self.gains: dict[int, tuple[float, float]] = {}  # by column: what a unit down and a unit up last brought
        self.keep = np.ones(program.width, dtype=bool)  # columns not left out by the first multipliers
        self.relaxation: Relaxation | None = None  # of those
        self.phase_one: Relaxation | None = None  # by how much its rows have to give way

    def run(self) -> tuple[Case, ...] | None:
        """The cases, or None."""
        bounds, cases = self.exact.bounds, list[Case]()
        y = np.zeros(len(self.largest))
        if not np.isfinite(bounds).all():
            cases.append(Case({}))
            _, _, bounds = self.exact.within(y, bounds, self.goal)
        run = linear(self.program)
        if run.status is not Status.OPTIMAL or run.x is None or run.duals is None:
            return None
        stack = [(y, _Side(bounds, run.bound, run.duals, run.x))]
        while stack:
            last, side = stack.pop()
            y = self._rounded(side.y)
            change = {row: float(y[row]) for row in np.flatnonzero(y != last).tolist()}
            value, _, bounds = self.exact.within(y, side.bounds, self.goal)
            if value >= self.goal:
                cases.append(Case(change))
                continue
            if self.relaxation is None:
                self.keep = (bounds[0] != 0) | (bounds[1] != 0)
                self.relaxation = Relaxation(narrowed(self.program, self.keep))
            if side.x is None:
                return None
            if (side.x < bounds[0] - WHOLE).any() or (side.x > bounds[1] + WHOLE).any():  # held to other values now
                again = self._side(self.relaxation, bounds, side.y)
                if again is None:
                    return None
                cases.append(Case(change))
                stack.append((y, again))
                continue
            fork = self._fork(self.relaxation, bounds, side, side.x)
            if fork is None:
                return None
            cases.append(Case(change, fork.column, fork.at))
            stack += [(y, fork.more), (y, fork.less)]
        return tuple(cases)

    def _rounded(self, y: Floats) -> Floats:
        """Short multipliers, none on the side where its row has no bound."""
        possible = np.where(y > 0, np.isfinite(self.program.row_lower), np.isfinite(self.program.row_upper))
        return np.where(possible, np.rint(y / self.grid) * self.grid, 0.0)

    def _fork(self, relaxation: Relaxation, bounds: Bounds, side: _Side, x: Floats) -> _Fork | None:
        """The column whose sides gain most: solved for once, and from then on expected to gain what it last did."""
        away = np.where(self.program.integer & (bounds[0] < bounds[1]), np.abs(x - np.rint(x)), 0.0)
        columns = np.argsort(-away, kind="stable")[:CANDIDATES]
        worth: dict[int, float] = {}
        forks: dict[int, _Fork] = {}
        for column in columns[away[columns] > WHOLE].tolist():
            if column not in self.gains:
                if self._is_long(relaxation):
                    return None
                fork = self._solved(relaxation, bounds, side, column, x[column])
                if fork is None or fork.less.x is None or fork.more.x is None:
                    return fork
                forks[column] = fork
            down, up = self.gains[column]
            part, room = x[column] % 1, self.ceiling + self.fine - side.objective
            worth[column] = max(min(down * part, room), 1e-6) * max(min(up * (1 - part), room), 1e-6)
        if not worth or self._is_long(relaxation):
            return None
        best = max(worth, key=worth.__getitem__)
        return forks.get(best) or self._solved(relaxation, bounds, side, best, x[best])

    def _is_long(self, relaxation: Relaxation) -> bool:
        solves = relaxation.solves + (self.phase_one.solves if self.phase_one is not None else 0)
        return solves * (relaxation.program.matrix.nnz + OVERHEAD) >= WORK

    def _solved(self, relaxation: Relaxation, bounds: Bounds, side: _Side, column: int, value: float) -> _Fork | None:
        at = math.floor(value)
        less, more = (self._side(relaxation, each, side.y) for each in _split(self.program, bounds, column, at))
        if less is None or more is None:
            return None
        room = self.ceiling + self.fine - side.objective
        down, up = (min(each.objective - side.objective, room) for each in (less, more))
        self.gains[column] = down / (value - at), up / (at + 1 - value)
        return _Fork(column, at, less, more)

    def _side(self, relaxation: Relaxation, bounds: Bounds, base: Floats) -> _Side | None:
        """The linear program within bounds; where nothing is feasible, `base` moved until it shows that."""
        lower, upper = (each[self.keep] for each in bounds)
        here = replace(relaxation.program, lower=lower, upper=upper)
        relaxation.within(lower, upper)
        if not relaxation.reaches(self.ceiling):
            _, y = relaxation.point()
            if _shown(here, y) > self.ceiling:
                return _Side(bounds, math.inf, y, None)
            if not relaxation.reaches(math.inf):
                ray = self._ray(here)
                if ray is None:
                    return None
                missing = max(self.ceiling - _shown(here, base), 0.0) + self.fine
                return _Side(bounds, math.inf, base + 2 * missing * ray, None)
        point, y = relaxation.point()
        x = np.zeros(self.program.width)
        x[self.keep] = point
        return _Side(bounds, relaxation.objective, y, x)

    def _ray(self, program: Program) -> Floats | None:
        """Multipliers that give a bound of 1 were all costs 0, so that no solution can be there; None if not found."""
        height = len(self.largest)
        none, free = np.zeros(2 * height), np.full(2 * height, np.inf)
        lower, upper = np.concatenate([program.lower, none]), np.concatenate([program.upper, free])
        if self.phase_one is None:
            give = sparse.diags_array(self.largest)
            widened = replace(
                program,
                cost=np.concatenate([0 * program.cost, none + 1]),
                offset=0.0,
                lower=lower,
                upper=upper,
                integer=np.zeros(len(lower), dtype=bool),
                matrix=sparse.csr_array(sparse.hstack([program.matrix, give, -give])),
            )
            self.phase_one = Relaxation(widened)
        self.phase_one.within(lower, upper)
        short = self.phase_one.objective if self.phase_one.reaches(math.inf) else 0.0
        return self.phase_one.point()[1] / short if short > WHOLE else None


def _shown(program: Program, y: Floats) -> float:
    """The bound from multipliers, in floating point."""
    return dual_bound(program, y, program.cost - program.matrix.T @ y)
