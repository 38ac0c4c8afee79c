"""Which awards are optimal, and the one that the published rule picks among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.measures import Places
from procure_opt.policy import Plan
from procure_opt.program import Floats, Linear, Program, Rows, Solution, Status
from procure_opt.solvers import Limits, solve


def tolerance(plan: Plan, objective: float) -> float:
    """Objectives closer than this are equal: half a unit where costs are whole, else 1e-9 of the objective.

    With scores, which are no money, 1e-9 points.
    """
    program = plan.program
    used = program.cost != 0
    if plan.unit != plan.tender.money_unit or not used.any():
        return 1e-9 * max(1.0, abs(objective))
    if program.integer[used].all() and np.equal(program.cost, np.rint(program.cost)).all():
        return 0.5
    return max(1e-9 * abs(objective), 1e-6)


@dataclass(frozen=True, eq=False)
class Face:
    """The optimal awards of a program: what a solution may still be, given that it is as good as `found`.

    Columns whose reduced cost exceeds what separates the optimum from the relaxation are fixed where they are.
    """

    program: Program
    objective: Linear
    limit: float

    @staticmethod
    def of(plan: Plan, found: Solution, within: float = 0.0) -> Face:
        """The awards within so much (in units of the objective) of the best one found."""
        program, reduced = found.program, found.reduced_cost
        assert reduced is not None
        limit = found.objective + tolerance(plan, found.objective) + within
        gap = limit - found.relaxed
        low = np.where(program.integer & (reduced < -gap - 1e-6), program.upper, program.lower)
        high = np.where(program.integer & (reduced > gap + 1e-6), program.lower, program.upper)
        low = np.where(np.isfinite(low), low, program.lower)
        face = replace(program, lower=low, upper=high)
        row = Rows.at_most(program.objective, limit, lambda _: "as good as the best")
        return Face(face, program.objective, limit).with_rows(row)

    def with_rows(self, *rows: Rows) -> Face:
        """The awards of the face that also satisfy these rows."""
        program = self.program.extended(rows)
        # Families keep their order and only grow, so the narrowed bounds go back to the columns they belong to.
        low, high = program.lower.copy(), program.upper.copy()
        for key, at in self.program.start.items():
            size, to = self.program.families[key].size, program.start[key]
            low[to : to + size] = self.program.lower[at : at + size]
            high[to : to + size] = self.program.upper[at : at + size]
        return replace(self, program=replace(program, lower=low, upper=high))

    def best(self, aim: Linear, solver: Any, limits: Limits) -> Solution:
        """The award of the face that is best for another aim.

        A solver's tolerance could let an award in that is not of the face; it is then cut off and the search repeated.
        """
        face = self
        while True:
            program = face.program
            aimed = program.aiming(aim)
            aimed = replace(aimed, lower=_moved(program, aimed, "lower"), upper=_moved(program, aimed, "upper"))
            solution = solve(aimed, solver, limits)
            if solution.x is None:
                return solution
            rounded = settled(solution)
            if rounded.x is not None and self.objective.at(rounded.values)[0] <= self.limit + 1e-6:
                return rounded
            face = face.with_rows(cut_off(solution))


def _moved(old: Program, new: Program, bound: str) -> Floats:
    values: Floats = getattr(new, bound).copy()
    for key, at in old.start.items():
        size, to = old.families[key].size, new.start[key]
        values[to : to + size] = getattr(old, bound)[at : at + size]
    return values


def cut_off(solution: Solution) -> Rows:
    """A row that every other whole-number solution satisfies: Σ_{x=1} (1 − x) + Σ_{x=0} x ≥ 1 over binary columns."""
    program, values = solution.program, solution.values
    total = Linear.fixed([0.0])
    for key, family in program.families.items():
        binary = family.integer & (family.upper <= 1)
        if binary.any():
            on = np.where(values[key] > 0.5, -1.0, 1.0) * binary
            total = total + family().under(on) + Linear.fixed([float((binary & (on < 0)).sum())])
    return Rows.at_least(total, 1.0, lambda _: "another award")


def settled(solution: Solution) -> Solution:
    """The solution with whole columns rounded, and the others solved for again with those fixed.

    `x` is None if that is impossible, since the solver's tolerance was used up for something that does not exist.
    """
    assert solution.x is not None
    program = solution.program
    x = solution.x.copy()
    x[program.integer] = np.rint(x[program.integer])
    if not program.integer.all():
        low, high = np.where(program.integer, x, program.lower), np.where(program.integer, x, program.upper)
        again = solve(
            replace(program, lower=low, upper=high, integer=np.zeros_like(program.integer)), "highs", Limits()
        )
        if again.x is None or again.program.width != program.width:
            return replace(solution, x=None)
        near = np.rint(again.x)
        x = np.where(program.integer, x, np.where(np.abs(again.x - near) < 1e-9, near, again.x))
    elif not _holds(program, x):
        return replace(solution, x=None)
    return replace(solution, x=x, objective=float(program.cost @ x) + program.offset)


def _holds(program: Program, x: Floats) -> bool:
    activity = program.matrix @ x
    weight = sparse.csr_array(abs(program.matrix)) @ np.abs(x)
    slack = 1e-9 * np.maximum(1.0, weight)
    return bool((activity <= program.row_upper + slack).all() and (activity >= program.row_lower - slack).all())


def differing(plan: Plan, found: Solution, solver: Any, limits: Limits) -> tuple[Face, Places] | None:
    """The optimal face, and the bids in which optimal awards differ; None if the limits stop the search.

    Each search looks for the optimal award that departs from the first in as many bids as possible that have not
    been seen to differ, until none departs.
    """
    face = Face.of(plan, found)
    start, program = found.values["take"], face.program
    at = program.start["take"]
    free = program.upper[at : at + len(start)] > program.lower[at : at + len(start)]
    seen = np.zeros(len(start), dtype=bool)
    take = program.families["take"]()
    if not _other_columns(face, found):
        return face, np.flatnonzero(seen)
    for sides in _directions(start):
        while True:
            weight = np.where(free & ~seen, sides, 0.0)
            if not weight.any():
                break
            other = face.best(take.under(weight), solver, limits)
            if other.status is Status.NOTHING or (other.x is None and other.status is not Status.INFEASIBLE):
                return None
            if other.x is None:
                break
            changed = np.abs(other.values["take"] - start) > 1e-6
            if not (changed & ~seen).any():
                break
            seen |= changed
    return face, np.flatnonzero(seen)


def _other_columns(face: Face, found: Solution) -> bool:
    """Whether any whole column is left that could move, or any fraction."""
    program = face.program
    x = np.concatenate(
        [found.values[key] if key in found.values else np.zeros(program.families[key].size) for key in program.families]
    )
    free = program.upper > program.lower
    movable = free & ((np.abs(x) < 0.5) | ~program.integer)
    return bool(movable.any())


def _directions(start: Floats) -> Iterator[NDArray[np.float64]]:
    """Away from the first award: whole bids the other way, fractions first up, then down."""
    yield np.where(start > 1 - 1e-9, 1.0, -1.0)
    if ((start > 1e-9) & (start < 1 - 1e-9)).any():
        yield np.where((start > 1e-9) & (start < 1 - 1e-9), 1.0, 0.0)


def choose(plan: Plan, face: Face, tied: Places, found: Solution, solver: Any, limits: Limits) -> Solution | None:
    """The optimal award that the policy's tie-break picks; None if the limits stop the search."""
    assert plan.policy.tie_break is not None
    chosen = found
    for aim in plan.policy.tie_break(plan.tender, tied):
        better = face.best(aim, solver, limits)
        if better.x is None:
            return None
        chosen = better
        value = float(aim.at(better.values)[0])
        face = face.with_rows(Rows.at_most(aim, value + 1e-9 * max(1.0, abs(value)), lambda _: "as the rule prefers"))
    return chosen
