"""How the time of an award grows with the number of bids, HiGHS on the same arrays beside it, as a table and a plot.

python benchmarks/growth.py [BIDS ...] [--runs 5] [--limit 1800] [--write]     writes growth.png too (extra `bench`)

Sourcing tenders of twenty bids a lot under a cap of 20 %, from 1,000 to 1,000,000 bids. HiGHS is left out from the size
on at which it takes over 300 s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from award import Outcome, agree, ours, raw_highs
from instances import GROWTH, Instance, chosen
from results import Timed, brief, in_turn, machine, options, table, write

PLOT = Path(__file__).parent / "growth.png"
PATIENCE = 300.0  # seconds for HiGHS


@dataclass(frozen=True)
class Measured:
    """One size."""

    lots: int
    bidders: int
    bids: int
    timed: dict[str, Timed]

    def seconds(self, who: str) -> float:
        """Seconds; NaN where it was not run."""
        return self.timed[who].seconds if who in self.timed else math.nan

    def finished(self, who: str) -> bool:
        """Whether it proved its answer."""
        return who in self.timed and self.timed[who].result.proven

    def told(self, who: str) -> str:
        """Seconds, and the gap left when time ran out."""
        if who not in self.timed or self.finished(who):
            return brief(self.seconds(who))
        gap = self.timed[who].result.gap
        return f"> {brief(self.seconds(who))} ({'none found' if math.isinf(gap) else f'gap {gap:.2g}'})"

    @property
    def row(self) -> list[str]:
        """The row of the table."""
        mine, theirs = self.finished("award"), self.finished("highs")
        sign = "" if mine and theirs else "< " if mine else "> "
        both = "highs" in self.timed and (mine or theirs)
        return [
            f"{self.bids:,}",
            f"{self.lots:,}",
            f"{self.bidders:,}",
            brief(self.seconds("build")),
            self.told("award"),
            self.told("highs"),
            f"{sign}{self.seconds('award') / self.seconds('highs'):.2f}" if both else "–",
            f"{1e6 * self.seconds('award') / self.bids:.0f}",
            "/".join(str(self.timed[who].runs) for who in ("award", "highs") if who in self.timed),
        ]


def measure(instance: Instance, runs: int, limit: float = 1800.0, beside: bool = True) -> Measured:
    """Measure one size, with HiGHS `beside` it or not."""
    tender, policy = instance()
    program = policy.plan(tender).program
    ways = {"build": lambda: lambda: policy.plan(tender), "award": lambda: lambda: ours(tender, policy, limit)}
    if beside:
        ways["highs"] = lambda: raw_highs(program, PATIENCE)
    timed = in_turn(ways, runs)
    if beside:
        mine: Outcome = timed["award"].result
        other: Outcome = timed["highs"].result
        assert not (mine.proven and other.proven) or agree(mine, other), (mine, other)
    return Measured(len(tender.lots), len(tender.bidders), len(tender.bids), timed)


HEAD = ["bids", "lots", "bidders", "build s", "award s", "HiGHS s", "award / HiGHS", "award µs a bid", "runs"]


def text(measured: list[Measured], runs: int, limit: float) -> str:
    """The section."""
    return f"""## Growth

`python benchmarks/growth.py --write`. {machine("matplotlib")}

Medians, of {runs} runs or of fewer where one takes over 30 s (last column). One sourcing tender of each size, twenty
bids a lot, no bidder above 20 % of the estimates; `award` goes from the tender to the proven award and its tables
within {limit:g} s, HiGHS solves the same arrays within {PATIENCE:g} s, and larger ones are not given to it once it does
not.

{table(HEAD, [each.row for each in measured])}

![Seconds against bids, both axes logarithmic](growth.png)"""


def plot(measured: Sequence[Measured], path: Path = PLOT) -> None:
    """Seconds against bids on logarithmic axes; hollow where time ran out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for who, label, colour, mark in (
        ("highs", "HiGHS on the same arrays", "#b8541f", "s"),
        ("award", "award()", "#1f5fa8", "o"),
        ("build", "building the program", "#808080", "^"),
    ):
        some = [each for each in measured if who in each.timed]
        bids, seconds = [each.bids for each in some], [each.seconds(who) for each in some]
        axes.plot(bids, seconds, color=colour, marker=mark, label=label, linewidth=1.8, markersize=6)
        short = [i for i, each in enumerate(some) if who != "build" and not each.finished(who)]
        axes.plot(
            [bids[i] for i in short],
            [seconds[i] for i in short],
            color=colour,
            marker=mark,
            markerfacecolor="white",
            linestyle="none",
            label=f"{label.split()[0]} stopped, unproven" if short else None,
        )
    first = measured[0]
    reach = [first.bids, measured[-1].bids]
    per_bid = first.seconds("award") / first.bids
    axes.plot(reach, [bids * per_bid for bids in reach], color="#a0a0a0", linestyle=":", label="in proportion to bids")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("bids")
    axes.set_ylabel("seconds")
    axes.set_title("Awarding a sourcing tender: twenty bids a lot, cap of 20 %", fontsize=11)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axes.grid(which="major", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path)


def main() -> None:
    """Measure the sizes asked for and print, or write, the table and the plot."""
    asked = options(__doc__, "numbers of bids: " + ", ".join(GROWTH), limit=(float, 1800.0, "seconds for an award"))
    measured: list[Measured] = []
    beside = True
    for name in sorted(chosen(asked.names, GROWTH), key=int):
        measured.append(measure(GROWTH[name], asked.runs, asked.limit, beside))
        beside = beside and measured[-1].finished("highs")
        print(" | ".join(measured[-1].row), flush=True)
        if asked.write:
            plot(measured)
            write("growth", text(measured, asked.runs, asked.limit))


if __name__ == "__main__":
    main()
