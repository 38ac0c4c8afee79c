"""Which awards are optimal, and the one that the published rule picks among them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from procure_opt.measures import Places
from procure_opt.policy import Plan
from procure_opt.program import Floats, Linear, Program, Rows, Solution, Status, always
from procure_opt.solvers import Limits, solve


def tolerance(plan: Plan, objective: float) -> float:
    """Objectives closer than this are equal: half a unit where costs are whole, else 1e-9 of the objective.

    With scores, which are no money, 1e-9 points.
    """
    program = plan.program
    used = program.cost != 0
    if not plan.in_money or not used.any():
        return 1e-9 * max(1.0, abs(objective))
    if program.integer[used].all() and np.equal(program.cost, np.rint(program.cost)).all():
        return 0.5
    return max(1e-9 * abs(objective), 1e-6)


@dataclass(frozen=True, eq=False)
class Face:
    """The optimal awards of a program: what a solution may still be, given that it is as good as `found`.

    Columns whose reduced cost exceeds what separates the optimum from the relaxation are fixed where they are.
    `limit` is the highest objective that still counts as optimal.
    """

    program: Program
    limit: float

    @staticmethod
    def of(plan: Plan, found: Solution) -> Face:
        """The awards as good as the best one found."""
        program, reduced = found.program, found.reduced_cost
        assert reduced is not None
        limit = found.objective + tolerance(plan, found.objective)
        gap = limit - found.relaxed
        fixed_high = program.integer & (reduced < -gap - 1e-6) & np.isfinite(program.upper)
        fixed_low = program.integer & (reduced > gap + 1e-6)
        lower = np.where(fixed_high, program.upper, program.lower)
        upper = np.where(fixed_low, program.lower, program.upper)
        return Face(replace(program, lower=lower, upper=upper), limit)

    def with_rows(self, *rows: Rows) -> Face:
        """The awards of the face that also satisfy these rows."""
        return replace(self, program=self.program.extended(rows))

    def best(self, aim: Linear, limits: Limits, *, near: bool = False) -> Solution:
        """The award of the face that is best for another aim; no `x` if there is none.

        With `near` the aim stays so close to the objective that minimising it leaves the face only when it is empty;
        the search is then as easy as the first. Otherwise the face is held by a row. A solver's tolerance could let an
        award in that is not of the face; it is then cut off and the search repeated.
        """
        objective = self.program.objective
        face = self if near else self.with_rows(Rows.at_most(objective, self.limit, always("as good as the best")))
        while True:
            solution = solve(face.program.aiming(aim), "highs", limits)
            if solution.status is not Status.OPTIMAL:
                # Stopped on the way: that says nothing of the face.
                unknown = Status.INFEASIBLE if solution.status is Status.INFEASIBLE else Status.NOTHING
                return replace(solution, status=unknown, x=None)
            rounded = settled(solution)
            if rounded.x is not None and objective.at(rounded.values)[0] <= self.limit + 1e-6:
                return rounded
            if rounded.x is not None and near:
                return replace(solution, status=Status.INFEASIBLE, x=None)
            face = face.with_rows(cut_off(solution))


def cut_off(solution: Solution) -> Rows:
    """A row that every other whole-number solution satisfies: Σ_{x=1} (1 − x) + Σ_{x=0} x ≥ 1 over binary columns."""
    program, values = solution.program, solution.values
    total = Linear.fixed([0.0])
    for key, family in program.families.items():
        binary = family.integer & (family.upper <= 1)
        if binary.any():
            on = np.where(values[key] > 0.5, -1.0, 1.0) * binary
            total = total + family().under(on) + Linear.fixed([float((binary & (on < 0)).sum())])
    return Rows.at_least(total, 1.0, always("another award"))


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
        again = solve(replace(program, lower=low, upper=high, integer=np.zeros_like(program.integer)))
        if again.x is None:
            return replace(solution, x=None)
        fresh = again.x
        if again.program.width != program.width:  # rows were added on the way, with columns that are left out here
            values = again.values
            fresh = np.concatenate([values[key] for key in program.families])
        near = np.rint(fresh)
        x = np.where(program.integer, x, np.where(np.abs(fresh - near) < 1e-9, near, fresh))
    elif not _holds(program, x):
        return replace(solution, x=None)
    return replace(solution, x=x, objective=float(program.cost @ x) + program.offset)


def _holds(program: Program, x: Floats) -> bool:
    activity = program.matrix @ x
    off = np.maximum(activity - program.row_upper, program.row_lower - activity)
    over = np.flatnonzero(off > 1e-9)
    # Whole columns: what is left is the rounding of one sum.
    weight = sparse.csr_array(abs(program.matrix[over])) @ np.abs(x) if len(over) else np.empty(0)
    return bool((off[over] <= 1e-9 + 1e-12 * weight).all())


def differing(plan: Plan, found: Solution, limits: Limits) -> tuple[Face, Places] | None:
    """The optimal face, and the bids in which optimal awards differ; None if the limits stop the search.

    Each search looks for an optimal award that departs from the first in a bid not yet seen to differ (and, by a
    weight too small to leave the face, in as many of them as possible), until there is none.
    """
    face = Face.of(plan, found)
    start, program = found.values["take"], face.program
    take, at = program.families["take"](), program.start["take"]
    free = program.upper[at : at + len(start)] > program.lower[at : at + len(start)]
    whole = program.families["take"].integer
    seen = np.zeros(len(start), dtype=bool)

    def look(aim: Linear, *, near: bool, among: Face) -> bool | None:
        other = among.best(aim, limits, near=near)
        if other.x is None:
            return False if other.status is Status.INFEASIBLE else None
        # Within the tolerance of the cost a fraction may move by its square root: that is no other award.
        changed = np.abs(other.values["take"] - start) > np.where(whole, 0.5, 1e-4)
        fresh = bool((changed & ~seen).any())
        seen[changed] = True
        return fresh

    room = face.limit - found.objective
    while (unseen := free & whole & ~seen).any() and _can_move(face, found):
        away = np.where(start > 0.5, 1.0, -1.0) * unseen
        departs = take.under(-away) + Linear.fixed([float((unseen & (start > 0.5)).sum())])
        elsewhere = face.with_rows(Rows.at_least(departs, 1.0, always("another award")))
        aim = program.objective + take.under(away * (0.8 * room / unseen.sum()))
        if (more := look(aim, near=True, among=elsewhere)) is None:
            return None
        if not more:
            break
    # Fractions: away from where they are, all together; then each for itself, since together they may cancel out.
    fractions = np.flatnonzero(free & ~whole)
    together = [np.where(start > 0.5, 1.0, -1.0) * (free & ~whole)]
    alone = [sign * (np.arange(len(start)) == bid) for bid in fractions for sign in (1.0, -1.0)]
    for direction in [*together, *alone] if len(fractions) else []:
        if (direction * ~seen).any() and look(take.under(direction * ~seen), near=False, among=face) is None:
            return None
    return face, np.flatnonzero(seen)


def _can_move(face: Face, found: Solution) -> bool:
    """Whether a whole column that is 0 could be more: an optimal award that drops a bid must take something else."""
    program = face.program
    free = program.upper > program.lower
    x = np.concatenate(
        [found.values.get(key, np.zeros(family.size)) for key, family in program.families.items()] or [np.empty(0)]
    )
    return bool((free & ((x < 0.5) | ~program.integer)).any())


def choose(plan: Plan, face: Face, tied: Places, found: Solution, limits: Limits) -> Solution | None:
    """The optimal award that the policy's tie-break picks; None if the limits stop the search."""
    assert plan.policy.tie_break is not None
    chosen = found
    for aim in plan.policy.tie_break(plan.tender, tied):
        better = face.best(aim, limits)
        if better.x is None:
            return None
        chosen = better
        value = float(aim.at(better.values)[0])
        face = face.with_rows(Rows.at_most(aim, value + 1e-9 * max(1.0, abs(value)), always("as the rule prefers")))
    return chosen if found.program.integer.all() else _cheapest(found.program, chosen)


def _cheapest(program: Program, chosen: Solution) -> Solution:
    """The whole columns as chosen, the fractions by the objective itself: the choice was made within a tolerance."""
    values = chosen.values
    x = np.concatenate([values[key] for key in program.families])
    lower, upper = np.where(program.integer, x, program.lower), np.where(program.integer, x, program.upper)
    best = solve(replace(program, lower=lower, upper=upper))
    return chosen if best.x is None else settled(best)
