"""Building a program and awarding, against raw HiGHS on the same arrays and PuLP on the same model, in one run.

python benchmarks/award.py [SIZE ...] [--runs 5] [--write]     sizes: see SIZES; --write puts the table into RESULTS.md
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import highspy
import numpy as np
import pulp

import procure_opt as po
from procure_opt.program import Program
from procure_opt.solvers import pulp_model
from sourcing import sourcing


class Size(NamedTuple):
    """Lots, bidders, bids each, seed, and the largest share of the estimates for one bidder."""

    lots: int
    bidders: int
    bids_each: int
    seed: int
    share: float


SIZES = {
    "1,000": Size(100, 20, 50, 1, 0.2),
    "10,000": Size(600, 50, 200, 1, 0.2),
    "10,000 caps bind": Size(600, 50, 200, 1, 0.05),
    "20,000": Size(1000, 100, 200, 1, 0.2),
    "100,000": Size(3000, 200, 500, 1, 0.2),
}


def raw_highs(program: Program) -> float:
    """The objective HiGHS finds on the arrays, gap 0, everything else as it comes."""
    model: Any = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("mip_rel_gap", 0.0)
    model.setOptionValue("mip_abs_gap", 0.0)
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
    model.run()
    return float(model.getInfo().objective_function_value)


def with_pulp(program: Program) -> float:
    """The same through PuLP: model built from the arrays and solved by PuLP's HiGHS."""
    problem, columns = pulp_model(program)
    problem.solve(pulp.HiGHS(msg=False, gapRel=0))
    return float(program.cost @ np.array([column.varValue or 0.0 for column in columns])) + program.offset


def timed(action: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """Median seconds, and what the last run returned."""
    seconds, result = [], None
    for _ in range(runs):
        start = time.perf_counter()
        result = action()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def row(name: str, runs: int) -> list[str]:
    """One size: seconds and ratios, and a check that all find the same cost."""
    size = SIZES[name]
    lots, bids = sourcing(size.lots, size.bidders, size.bids_each, size.seed).tables()
    tender = po.Tender(lots, bids)
    policy = po.Policy([po.MaxShare(size.share)], tie_break=None)
    build, plan = timed(lambda: policy.plan(tender), runs)
    ours, award = timed(lambda: po.award(tender, policy), runs)
    raw, objective = timed(lambda: raw_highs(plan.program), runs)
    through, other = timed(lambda: with_pulp(plan.program), 1)
    draw, _ = timed(lambda: po.award(tender, po.Policy([po.MaxShare(size.share)])), 1)
    cost = round(award.cost / tender.money_unit)
    assert award.status == "optimal" and abs(cost - objective) < 0.5 and abs(cost - other) < 0.5, (
        cost,
        objective,
        other,
    )
    figures = [f"{raw:.2f}", f"{build:.3f}", f"{build / raw:.1%}", f"{ours:.2f}", f"{ours / raw:.2f}"]
    return [
        name,
        f"{size.lots:,}",
        f"{size.share:.0%}",
        *figures,
        f"{through:.2f}",
        f"{through / ours:.1f}",
        f"{draw:.2f}",
    ]


HEAD = [
    "bids",
    "lots",
    "cap",
    "raw HiGHS s",
    "build s",
    "build / raw",
    "award s",
    "award / raw",
    "PuLP s",
    "PuLP / award",
    "award and tie search s",
]


def main() -> None:
    """Run the sizes asked for and print, or write, a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", help=", ".join(SIZES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---:|" * len(HEAD)]
    for name in options.sizes or SIZES:
        lines.append("| " + " | ".join(row(name, options.runs)) + " |")
        print(lines[-1], flush=True)
    if options.write:
        made = ", ".join(f"{name} {version(name)}" for name in ("highspy", "pulp", "numpy", "scipy", "pandas"))
        head = f"Python {platform.python_version()}, {made}; {platform.machine()}, medians of {options.runs} runs."
        text = f"# Results\n\nWritten by `python benchmarks/award.py --write`. {head}\n\n## Awarding\n\n"
        note = "\nAll three find the same cost. `award` proves it, recomputes it from the bids and builds the tables.\n"
        (Path(__file__).parent / "RESULTS.md").write_text(text + "\n".join(lines) + "\n" + note)


if __name__ == "__main__":
    main()
