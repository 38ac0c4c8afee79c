"""How fast repeated tenders are simulated, and how far the simulation is from the Markov chain where there is one.

python benchmarks/lock_in.py [NAME ...] [--runs 5] [--draws 125000] [--write]

Eight tenders a course of events. Entry is tabulated once a run, and that is part of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import stats

from procure_opt.governance import LockIn, RepeatedTender, chain, lock_in
from results import Timed, brief, in_turn, machine, options, table, write

PERIODS = 8
LEARNING = (0, 0.15, 0.3, 0.45, 0.6)
MARKETS: dict[str, RepeatedTender] = {
    "uniform": RepeatedTender(stats.uniform(0, 1), 5, LEARNING, entry_cost=0.02),
    "lognormal": RepeatedTender(stats.lognorm(0.3), 5, LEARNING, reserve=2.0, entry_cost=0.02),
    "twenty entrants": RepeatedTender(stats.uniform(0, 1), 20, LEARNING, entry_cost=0.001),
    "capped": RepeatedTender(stats.uniform(0, 1), 5, LEARNING, entry_cost=0.02, most_terms=3),
    "two suppliers": RepeatedTender(stats.uniform(0, 1), 5, LEARNING, entry_cost=0.02, winners=2),
    "three suppliers": RepeatedTender(stats.uniform(0, 1), 5, LEARNING, entry_cost=0.01, winners=3),
}
HEAD = ["market", "tender-periods", "s", "million a s", "price in period 8", "standard errors off the chain"]


@dataclass(frozen=True)
class Measured:
    """One market."""

    name: str
    timed: Timed
    exact: LockIn | None

    @property
    def found(self) -> LockIn:
        """What the first run gave."""
        result: LockIn = self.timed.result
        return result

    @property
    def off(self) -> float:
        """The largest distance of a price from the chain's, in standard errors; NaN where there is no chain."""
        if self.exact is None:
            return float("nan")
        gap = np.abs(self.found.table["price"] - self.exact.table["price"])
        return float((gap / self.found.table["price_se"]).max())

    @property
    def row(self) -> list[str]:
        """The row of the table."""
        count = self.found.draws * len(self.found.table)
        last = self.found.table.iloc[-1]
        price = f"{last['price']:.4f} ± {last['price_se']:.4f}"
        speed = count / self.timed.seconds / 1e6
        return [self.name, f"{count:,}", brief(self.timed.seconds), f"{speed:.2f}", price, brief(self.off)]


def measure(names: list[str], runs: int, draws: int) -> list[Measured]:
    """Each market simulated in turn."""

    def ready(name: str) -> Callable[[], LockIn]:
        return partial(lock_in, MARKETS[name], PERIODS, draws=draws)

    timed = in_turn({name: partial(ready, name) for name in names}, runs)
    return [
        Measured(name, timed[name], chain(MARKETS[name], PERIODS) if MARKETS[name].winners == 1 else None)
        for name in names
    ]


def text(measured: list[Measured]) -> str:
    """The section."""
    head = "## Lock-in: repeated tenders simulated\n\n`python benchmarks/lock_in.py`. "
    told = (
        "Eight tenders a course of events; entry tabulated within the time. Prices of eight periods beside those of "
        "the Markov chain: the largest of eight distances, in standard errors."
    )
    return f"{head}{machine()}\n\n{told}\n\n{table(HEAD, (each.row for each in measured))}"


def main() -> None:
    """Measure, print, and write if asked to."""
    asked = options(__doc__, f"markets: {', '.join(MARKETS)}", draws=(int, 125_000, "courses of events"))
    measured = measure(asked.names or list(MARKETS), asked.runs, asked.draws)
    said = text(measured)
    print(said)
    if asked.write:
        write("lock_in", said)


if __name__ == "__main__":
    main()
