"""The exact search: gaps tried one after the other, columns left out by reduced cost, and a tree over the rest.

Let L be the bound of the linear relaxation and d ≥ 0 a column's reduced cost. A solution that uses a column left at 0
costs at least L + d. So solutions of cost at most L + gap are found on the columns with d ≤ gap alone, which are few
when the gap is small. The gap is guessed, and widened until a solution lies within it: that one is the best there is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.highs import Basis, Relaxation, Told, dual_bound, whole
from procure_opt.program import Floats, Program, Status

Mask = NDArray[np.bool_]
WHOLE = 1e-6  # how far from a whole number a column of a linear program counts as whole
CANDIDATES = 8  # columns tried at a node before one is branched on
RELIABLE = 2  # observations of a column after which it need not be tried again
WORK = 50_000_000  # rows · columns · linear programs of a tree before HiGHS, whose cuts pay on harder programs, goes on
WIDEN = 1.7  # from one gap to the next
MOST = 0.75  # share of the columns beyond which HiGHS takes them all where much is fractional: a second call costs more
TANGLED = 0.1  # share of the rows: more fractional columns than that are much
HOPELESS = 0.35  # with more fractional columns than that HiGHS takes a large program whole at once
LARGE = 500_000  # rows · columns
PATIENCE = 2.0  # seconds of HiGHS before it is a tree's turn again
EASY = 0.2  # share of its budget: a tree that took less was on a gap far too small


class Effort(NamedTuple):
    """What it took: linear programs of trees, and seconds of HiGHS where a tree was not enough."""

    solves: int = 0
    seconds: float = 0.0


EASILY = Effort()


@dataclass(frozen=True)
class Found:
    """The best solution found; `x` is None if there is none.

    `bound` is below every solution, infinite where there is none within the ceiling; `complete` says that the search
    was not stopped; `worse` are solutions met on the way.
    """

    x: Floats | None
    objective: float
    bound: float
    complete: bool
    effort: Effort = EASILY
    worse: tuple[Floats, ...] = ()


NOTHING = Found(None, math.inf, -math.inf, False)


def step(program: Program) -> float:
    """By how much two different objectives differ at least: the common divisor of whole costs, else 0."""
    used = program.cost != 0
    costs = program.cost[used]
    if not used.any() or not program.integer[used].all() or np.abs(costs).max() > 2**53:
        return 0.0
    if not np.equal(costs, np.rint(costs)).all():
        return 0.0
    return float(np.gcd.reduce(np.abs(costs).astype(np.int64)))


def best(
    program: Program,
    relaxed: float,
    reduced: Floats,
    *,
    start: float,
    fractional: int,
    basis: Basis,
    last: Effort,
    gains: Gains,
    ceiling: float = math.inf,
    deadline: float = math.inf,
    near: float = 0.0,
    tell: Callable[[Told], None] | None = None,
) -> Found:
    """The best solution of a program, given the bound of its relaxation and the reduced costs there.

    Args:
        program: What to solve.
        relaxed: L, a bound below every solution.
        reduced: d, so that a solution with x_j above its lower bound costs at least L + d_j.
        start: The first gap to try.
        fractional: How many columns the relaxation leaves fractional.
        basis: Where the relaxation ended.
        last: What a program with the same rows took.
        gains: What branching has brought in programs with the same rows; added to.
        ceiling: Solutions that cost more are of no interest; if all do, none is returned.
        deadline: When to stop (`time.monotonic`).
        near: A relative gap that is near enough.
        tell: Told of progress.
    """
    fixable = program.integer & (reduced > 0) & np.isfinite(program.lower)
    height = len(program.row_lower)
    unit, tangled = step(program), fractional > TANGLED * height
    hopeless = fractional > HOPELESS * height and program.width * height > LARGE

    def hear(told: Told) -> None:
        if tell is not None:
            tell(Told(told.seconds, min(known.objective, told.best), max(bound, min(told.bound, limit))))

    def within(keep: Mask, ceiling: float) -> Found:
        part = narrowed(program, keep)
        if near or hopeless:
            found = _by_highs(part, ceiling, deadline, near, tell and hear)
        else:
            mine = gains.of(keep)
            found = in_turns(part, ceiling, basis.of(keep), last, mine, deadline, tell and hear)
            gains.take(keep, mine)
        if found.x is None:
            return found
        return replace(found, x=widened(found.x, keep), worse=tuple(widened(x, keep) for x in found.worse))

    def widened(part: Floats, keep: Mask) -> Floats:
        x = program.lower.copy()
        x[keep] = part
        return x

    known, bound = replace(NOTHING, objective=ceiling), relaxed
    gap, hard = max(start, 1e-9 * abs(relaxed), 1e-9), bool(near) or hopeless or last.seconds > 0
    while True:
        room = known.objective - relaxed
        keep = ~fixable | (reduced <= min(gap, room) * (1 + 1e-9) + 1e-6)
        closing = bool(gap >= room or keep.all() or hopeless or (hard and tangled and keep.mean() > MOST))
        keep = keep | (closing & (gap < room))
        limit = math.inf if closing else relaxed + gap
        # Where time may run out any solution is worth having; elsewhere one within the gap alone is found faster.
        hurried = hard and math.isfinite(deadline)
        better = ceiling if known.x is None else below(known.objective, unit)
        found = within(keep, better if hurried else min(limit, better))
        last, hard = found.effort, hard or found.effort.seconds > 0
        if found.objective < known.objective:
            known = replace(found, complete=False)
        if found.complete:
            bound = max(bound, min(known.objective, found.bound, limit))
        hear(Told(0.0, known.objective, bound))
        near_enough = known.x is not None and known.objective - bound <= near * abs(known.objective)
        if near_enough or (closing and found.complete):
            return replace(known, bound=bound, complete=True, effort=last)
        if not found.complete:
            return replace(known, bound=max(bound, min(found.bound, limit)), effort=last)
        easy = last.solves < EASY * _budget(height, int(keep.sum()))
        gap *= WIDEN ** (1.5 if hard else 2 if easy else 1)


def below(objective: float, unit: float) -> float:
    """What a better solution costs at most, where objectives differ by a unit (0: by a part in 1e9)."""
    return objective - (unit - min(0.5, 0.01 * unit) if unit else 1e-9 * max(1.0, abs(objective)))


def in_turns(
    program: Program,
    ceiling: float,
    basis: Basis,
    last: Effort,
    gains: Gains,
    deadline: float,
    tell: Callable[[Told], None] | None,
) -> Found:
    """The best solution of at most `ceiling`: a tree and HiGHS take turns, each longer than the one before.

    Which of the two is faster nobody knows beforehand; the one that was last time begins. Up to a deadline all but
    the first tenth of the time is for HiGHS.
    """
    tree = Tree(program, ceiling, basis, gains)
    now = time.monotonic()
    patience = math.inf if math.isfinite(deadline) else max(PATIENCE, 4 * last.seconds)
    if not last.seconds:
        budget = max(_budget(*program.matrix.shape), int(1.5 * last.solves))
        found = tree.go(budget, now + 0.1 * (deadline - now))
        if found.complete:
            return found
        patience = max(patience, 2 * (time.monotonic() - now))
    while True:
        now = time.monotonic()
        run = _by_highs(program, tree.top, min(deadline, now + patience), 0.0, tell)
        tree.learn(run)
        effort = Effort(tree.solves, time.monotonic() - now)
        if run.complete or time.monotonic() > deadline:
            best = run if tree.found.x is None else tree.found
            return replace(best, bound=run.bound, complete=run.complete, effort=effort)
        found = tree.go(math.inf, time.monotonic() + 2 * patience)
        if found.complete:
            return found
        patience *= 4


def _by_highs(
    program: Program, ceiling: float, deadline: float, near: float, tell: Callable[[Told], None] | None
) -> Found:
    """The best solution of at most `ceiling`, by HiGHS, or one that costs more if that is all it met."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        return NOTHING
    run = whole(program, ceiling=ceiling, seconds=seconds, gap=near, tell=tell)
    done = run.status in (Status.OPTIMAL, Status.INFEASIBLE) or bool(near and run.status is Status.FEASIBLE)
    if run.objective > ceiling:  # a solution, but HiGHS says no more of it than that none is within the ceiling
        return Found(run.x, run.objective, math.inf if done else run.bound, done)
    return Found(run.x, run.objective, run.bound, done)


def narrowed(program: Program, keep: Mask) -> Program:
    """The program on some of its columns; those left out stay at their lower bounds."""
    if keep.all():
        return program
    out = np.flatnonzero(~keep & (program.lower != 0))
    rest = program.matrix[:, out] @ program.lower[out] if len(out) else 0.0
    return replace(
        program,
        cost=program.cost[keep],
        offset=program.offset + float(program.cost[out] @ program.lower[out]),
        lower=program.lower[keep],
        upper=program.upper[keep],
        integer=program.integer[keep],
        matrix=sparse.csr_array(program.matrix[:, np.flatnonzero(keep)]),
        row_lower=program.row_lower - rest,
        row_upper=program.row_upper - rest,
    )


@dataclass(frozen=True, eq=False)
class _Node:
    bound: float
    lower: Floats
    upper: Floats


def _budget(height: int, width: int) -> int:
    return WORK // (width * height + 1)


class Tree:
    """A search by branching on one column at a time, for the best solution of at most `ceiling`; can be interrupted.

    Depth first, the better side first. At each node columns are fixed by their reduced costs; the column to branch on
    is the one of `CANDIDATES` whose two sides raise the bound most, tried out or judged by what they did before
    (reliability branching: Achterberg, Koch and Martin 2005).

    Attributes:
        top: What a solution still looked for costs at most.
        found: The best solution so far.
    """

    def __init__(self, program: Program, ceiling: float, basis: Basis, gains: Gains):
        self.program = program
        self.top, self.found = ceiling, NOTHING
        self._unit = step(program)
        self._relaxation = Relaxation(program, basis)
        self._gains = gains
        self._stack = [_Node(-math.inf, program.lower, program.upper)]
        self._stuck = False

    @property
    def solves(self) -> int:
        """How many linear programs were solved."""
        return self._relaxation.solves

    def learn(self, found: Found) -> None:
        """A solution found elsewhere."""
        if found.x is not None and found.objective <= self.top:
            self._met(found.x, found.objective)

    def _met(self, x: Floats, objective: float) -> None:
        worse = self.found.worse if self.found.x is None else (*self.found.worse, self.found.x)
        self.found = replace(NOTHING, x=x, objective=objective, worse=worse)
        self.top = below(objective, self._unit)

    def go(self, solves: float, deadline: float) -> Found:
        """Search until so many linear programs were solved, or until a deadline."""
        while self._stack and not self._stuck:
            if self._relaxation.solves > solves or time.monotonic() > deadline:
                break
            self._visit(self._stack.pop())
        if self._stack or self._stuck:
            return self.found
        return replace(self.found, bound=self.found.objective, complete=True, effort=Effort(self.solves))

    def _visit(self, node: _Node) -> None:
        program, relaxation = self.program, self._relaxation
        if node.bound > self.top:
            return
        relaxation.within(node.lower, node.upper)
        if not relaxation.reaches(self.top):
            return
        x, duals = relaxation.point()
        reduced = program.cost - program.matrix.T @ duals
        here = replace(program, lower=node.lower, upper=node.upper)
        bound = dual_bound(here, duals, reduced)
        if bound > self.top:
            return
        lower, upper = fixed(here, x, reduced, self.top - bound)
        split = np.flatnonzero(program.integer & (np.abs(x - np.rint(x)) > WHOLE))
        if len(split):
            self._stack += _sides(relaxation, _Node(bound, lower, upper), x, split, self.top, self._gains)
            return
        rounded = _rounded(program, x)
        if rounded is None:
            self._stuck = True  # whole only as far as tolerances go: HiGHS may do better
        else:
            self._met(rounded, float(program.cost @ rounded) + program.offset)


def fixed(program: Program, x: Floats, reduced: Floats, gap: float) -> tuple[Floats, Floats]:
    """Bounds of the columns after fixing those whose reduced cost exceeds the gap."""
    room = gap + 1e-6
    low = program.integer & (reduced > room) & (np.abs(x - program.lower) < WHOLE)
    high = program.integer & (reduced < -room) & (np.abs(x - program.upper) < WHOLE)
    return np.where(high, program.upper, program.lower), np.where(low, program.lower, program.upper)


def _sides(
    relaxation: Relaxation, node: _Node, x: Floats, split: NDArray[np.intp], top: float, gains: Gains
) -> list[_Node]:
    """The two sides of the column that is best to branch on, the better one last."""
    away = x[split] - np.floor(x[split])
    likely = gains.likely(split, away)
    first = np.argsort(-np.abs(away - np.rint(away)), kind="stable") if likely is None else np.argsort(-likely.min(0))
    chosen, most = [], -math.inf
    for at in first[:CANDIDATES]:
        column = int(split[at])
        low, high = node.lower.copy(), node.upper.copy()
        low[column], high[column] = math.ceil(x[column]), math.floor(x[column])
        sides = [_Node(node.bound, node.lower, high), _Node(node.bound, low, node.upper)]
        if likely is not None and gains.count[:, column].min() >= RELIABLE:
            rise = likely[:, at]
        else:
            for number, side in enumerate(sides):
                relaxation.within(side.lower, side.upper)
                bound = relaxation.objective if relaxation.reaches(top) else math.inf
                sides[number] = replace(side, bound=max(bound, node.bound))
            rise = np.array([side.bound - node.bound for side in sides])
            if np.isinf(rise).any():
                return sides
            gains.add(column, rise, away[at])
        worth = float(np.maximum(rise, 1e-6).prod())
        if worth > most:
            most, chosen = worth, sides if rise[0] > rise[1] else sides[::-1]
    return chosen


@dataclass(frozen=True, eq=False)
class Gains:
    """What branching on each column has raised the bound by, for each unit its value moved: down and up."""

    total: Floats
    count: Floats

    @staticmethod
    def none(width: int) -> Gains:
        """Of columns not branched on yet."""
        return Gains(np.zeros((2, width)), np.zeros((2, width)))

    def of(self, keep: Mask) -> Gains:
        """Those of some columns."""
        return Gains(self.total[:, keep], self.count[:, keep])

    def take(self, keep: Mask, part: Gains) -> None:
        """Put back those of some columns."""
        self.total[:, keep], self.count[:, keep] = part.total, part.count

    def add(self, column: int, rise: Floats, away: float) -> None:
        """One more observation."""
        self.total[:, column] += rise / np.array([away, 1 - away])
        self.count[:, column] += 1

    def likely(self, columns: NDArray[np.intp], away: Floats) -> Floats | None:
        """What branching on these columns is likely to raise the bound by; None before anything was observed."""
        if not self.count.any():
            return None
        mean = self.total.sum(axis=1, keepdims=True) / self.count.sum(axis=1, keepdims=True)
        count = self.count[:, columns]
        each = np.where(count > 0, self.total[:, columns] / np.maximum(count, 1), mean)
        return each * np.vstack([away, 1 - away])


def _rounded(program: Program, x: Floats) -> Floats | None:
    """The point with whole columns exactly whole; None if rows no longer hold."""
    rounded = np.where(program.integer, np.rint(x), x)
    activity = program.matrix @ rounded
    room = 1e-7 * np.maximum(1.0, sparse.csr_array(abs(program.matrix)) @ np.abs(rounded))
    holds = (activity <= program.row_upper + room).all() and (activity >= program.row_lower - room).all()
    return rounded if holds else None
