"""Awarding, against HiGHS and SCIP on the same arrays and PuLP on the same model, in one run.

python benchmarks/award.py [NAME ...] [--runs 5] [--limit 300] [--write]     names: python benchmarks/instances.py

`award` goes from the tender to the proven award and its tables, tie-break None. HiGHS and SCIP get the arrays it made
(`policy.plan(tender).program`) and are timed while they solve them, at gap 0 and otherwise as they come.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import highspy
import numpy as np
import pulp

import procure_opt as po
from instances import REGISTRY, Instance, chosen
from procure_opt.program import Program
from procure_opt.solvers import pulp_model
from results import LONG, Timed, brief, in_turn, machine, options, table, write

SMALL = 10_000  # bids up to which PuLP is measured, where HiGHS alone does not take long
WORTH = 0.2  # seconds of HiGHS from which on an instance counts in the mean


class Outcome(NamedTuple):
    """What was found, in units of the program's objective; `searched` says that ties were looked for to the end."""

    objective: float
    bound: float
    proven: bool
    searched: bool = False

    @property
    def gap(self) -> float:
        """(objective − bound) / |objective|; infinite where nothing was found."""
        if not math.isfinite(self.objective):
            return math.inf
        return (self.objective - self.bound) / max(abs(self.objective), 1e-9)


def agree(one: Outcome, other: Outcome) -> bool:
    """Whether two proven objectives are the same: to half a unit, or a solver's tolerance where that is more."""
    return abs(one.objective - other.objective) <= 0.5 + 1e-9 * abs(one.objective)


def ours(tender: po.Tender, policy: po.Policy, limit: float) -> Outcome:
    """What `award` finds."""
    unit = policy.objective.unit(tender)
    try:
        award = po.award(tender, policy, time_limit=limit)
    except po.OutOfTime as told:
        return Outcome(math.inf, told.bound / unit, False)
    searched = award.tied is not None
    return Outcome(award.objective / unit, award.bound / unit, award.status == "optimal", searched)


def highs_model(program: Program, limit: float) -> Any:
    """The arrays in HiGHS, gap 0, everything else as it comes."""
    model: Any = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("mip_rel_gap", 0.0)
    model.setOptionValue("mip_abs_gap", 0.0)
    model.setOptionValue("time_limit", limit)
    a = program.matrix
    model.passModel(
        program.width,
        a.shape[0],
        a.nnz,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        program.offset,
        program.cost,
        program.lower,
        program.upper,
        program.row_lower,
        program.row_upper,
        a.indptr.astype(np.int32),
        a.indices.astype(np.int32),
        a.data,
        program.integer.astype(np.int32),
    )
    return model


def raw_highs(program: Program, limit: float) -> Callable[[], Outcome]:
    """HiGHS, ready to solve the arrays."""
    model = highs_model(program, limit)

    def run() -> Outcome:
        model.run()
        info, status = model.getInfo(), model.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible:
            return Outcome(math.inf, math.inf, True)
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return Outcome(math.inf, info.mip_dual_bound, False)
        x = np.array(model.getSolution().col_value)
        cost = float(program.cost @ np.where(program.integer, np.rint(x), x)) + program.offset
        return Outcome(cost, info.mip_dual_bound, status == highspy.HighsModelStatus.kOptimal)

    return run


def scip(program: Program, limit: float) -> Callable[[], Outcome]:
    """SCIP, ready to solve the arrays: it reads them from a file, which is faster than naming them one by one."""
    import pyscipopt

    model = pyscipopt.Model()
    model.hideOutput()
    with tempfile.TemporaryDirectory() as place:
        path = str(Path(place) / "program.mps")
        highs_model(program, limit).writeModel(path)
        model.readProblem(path)
    model.setParam("limits/time", limit)

    def run() -> Outcome:
        model.optimize()
        if model.getNSols() == 0:
            proven = model.getStatus() == "infeasible"
            return Outcome(math.inf, math.inf if proven else model.getDualbound(), proven)
        return Outcome(model.getObjVal(), model.getDualbound(), model.getStatus() == "optimal")

    return run


def has_scip() -> bool:
    """Whether SCIP is installed (the extra `scip`)."""
    try:
        import pyscipopt  # noqa: F401
    except ImportError:
        return False
    return True


def with_pulp(program: Program, limit: float) -> Outcome:
    """PuLP: its model made from the arrays, and solved by its HiGHS."""
    start = time.perf_counter()
    problem, columns = pulp_model(program)
    problem.solve(pulp.HiGHS(msg=False, gapRel=0, timeLimit=limit))
    values = np.array([column.varValue or 0.0 for column in columns])
    cost = float(program.cost @ np.where(program.integer, np.rint(values), values)) + program.offset
    return Outcome(cost, -math.inf, time.perf_counter() - start < limit)


@dataclass(frozen=True)
class Measured:
    """One instance: what each took and found."""

    name: str
    lots: int
    bids: int
    build: float
    timed: dict[str, Timed]
    limit: float

    def seconds(self, who: str) -> str:
        """Seconds, or the gap left when time ran out."""
        if who not in self.timed:
            return "–"
        found: Outcome = self.timed[who].result
        if found.proven:
            return brief(self.timed[who].seconds)
        left = f"gap {found.gap:.2g}" if found.gap < math.inf else "none found"
        return f"> {brief(self.limit)} ({left})"

    def ratio(self, one: str, other: str) -> float:
        """Seconds of one by those of the other."""
        return self.timed[one].seconds / self.timed[other].seconds if other in self.timed else math.nan

    def compared(self, one: str, other: str) -> str:
        """The ratio of seconds; at least or at most that where time ran out for one; of gaps where it did for both."""
        if other not in self.timed:
            return "–"
        mine, theirs = self.timed[one].result, self.timed[other].result
        if not mine.proven and not theirs.proven:
            both = math.isfinite(theirs.gap) and theirs.gap > 0 and math.isfinite(mine.gap)
            return f"gap {mine.gap / theirs.gap:.2g}" if both else "–"
        sign = "" if mine.proven and theirs.proven else "< " if mine.proven else "> "
        return f"{sign}{self.ratio(one, other):.2f}"

    @property
    def ties(self) -> str:
        """What the search for ties takes besides, and the draw."""
        plain, drawn = self.timed["award"], self.timed["ties"]
        if not plain.result.proven:
            return "–"
        more = max(0.0, drawn.seconds - plain.seconds)
        return brief(more) if drawn.result.searched else f"> {brief(more)}"

    @property
    def row(self) -> list[str]:
        """The row of the table."""
        who = [name for name in ("award", "highs", "scip") if name in self.timed]
        return [
            self.name,
            f"{self.bids:,}",
            f"{self.lots:,}",
            brief(self.build),
            self.seconds("award"),
            self.seconds("highs"),
            self.compared("award", "highs"),
            self.seconds("scip"),
            self.compared("award", "scip"),
            self.seconds("pulp"),
            self.compared("award", "pulp"),
            self.ties,
            "/".join(str(self.timed[name].runs) for name in who),
        ]


def measure(name: str, instance: Instance, runs: int, limit: float = 300.0) -> Measured:
    """Measure one instance, and assert that all who proved their answer agree."""
    tender, policy = instance()
    drawing = replace(policy, tie_break=po.DrawLots())
    program = policy.plan(tender).program
    timed = in_turn({"build": lambda: lambda: policy.plan(tender)}, runs)
    actions = {
        "award": lambda: lambda: ours(tender, policy, limit),
        "highs": lambda: raw_highs(program, limit),
        "ties": lambda: lambda: ours(tender, drawing, limit),
    }
    if has_scip():
        actions["scip"] = lambda: scip(program, limit)
    timed |= in_turn(actions, runs)
    if len(tender.bids) <= SMALL and timed["highs"].seconds < LONG:
        timed |= in_turn({"pulp": lambda: lambda: with_pulp(program, limit)}, 1)
    build = timed.pop("build").seconds
    proven = {who: each.result for who, each in timed.items() if each.result.proven}
    for who, found in proven.items():
        for other, also in proven.items():
            assert agree(found, also), f"{name}: {who} finds {found.objective!r}, {other} {also.objective!r}"
    return Measured(name, len(tender.lots), len(tender.bids), build, timed, limit)


HEAD = [
    "instance",
    "bids",
    "lots",
    "build s",
    "award s",
    "HiGHS s",
    "award / HiGHS",
    "SCIP s",
    "award / SCIP",
    "PuLP s",
    "award / PuLP",
    "ties s",
    "runs",
]


def summary(measured: list[Measured]) -> str:
    """Means and the worst case, over instances that take a while and that somebody finished."""
    lines = []
    for other, named in (("highs", "HiGHS"), ("scip", "SCIP")):
        some = [
            each for each in measured
            if other in each.timed and each.timed["highs"].seconds > WORTH
            and (each.timed["award"].result.proven or each.timed[other].result.proven)
        ]  # fmt: skip
        if some:
            ratios = [each.ratio("award", other) for each in some]
            mean, worst = math.exp(sum(map(math.log, ratios)) / len(ratios)), max(ratios)
            where = some[ratios.index(worst)].name
            count = f"{len(some)} instance{'s' * (len(some) > 1)}"
            lines.append(
                f"award / {named}, {count} on which HiGHS takes over {WORTH} s and one of the two finishes: "
                f"geometric mean {mean:.2f}, largest {worst:.2f} ({where})."
            )
    return "\n".join(f"- {line}" for line in lines)


def text(measured: list[Measured], runs: int, limit: float) -> str:
    """The section."""
    return f"""## Awarding

`python benchmarks/award.py --write`. {machine("pulp")}

Medians, of {runs} runs or of fewer where one takes over 30 s (last column); {limit:g} s at most for each. All who
finish find the same cost. `award` goes from the tender to the proven award and its tables; HiGHS and SCIP are timed
solving the arrays it built, at gap 0 and otherwise as they come; PuLP makes its model of these arrays and solves it
with HiGHS, once, on small instances. `ties` is what finding all ties and drawing lots takes besides. Where time runs
out the gap left is shown; `>` and `<` mark ratios that are at least or at most so much, `gap` a ratio of gaps.

{table(HEAD, [each.row for each in measured])}

{summary(measured)}"""


def main() -> None:
    """Measure the instances asked for and print, or write, a table."""
    asked = options(__doc__, ", ".join(REGISTRY), limit=(float, 300.0, "seconds after which each is stopped"))
    measured: list[Measured] = []
    for name in chosen(asked.names, REGISTRY):
        measured.append(measure(name, REGISTRY[name], asked.runs, asked.limit))
        print(" | ".join(measured[-1].row), flush=True)
        if asked.write:  # after each, so that what was measured is kept whatever happens to the next
            write("award", text(measured, asked.runs, asked.limit))
    print(summary(measured))


if __name__ == "__main__":
    main()
