"""Incentive contracts: how long one takes by size, through PuLP and as arrays, and how far both are apart.

python benchmarks/contracts.py [NAME ...] [--runs 5] [--write]

Names are sizes, actions x outcomes (50x200). Risk-neutral contracts are one linear program; beside them the same
program goes to SciPy as arrays. Risk-averse ones (u = √w) are the program in utilities.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from procure_opt.governance import IncentiveContract, Power, incentive_contract
from results import Timed, brief, in_turn, machine, options, table, write

Floats = NDArray[np.float64]

SIZES = ("5x10", "20x50", "50x200")
HEAD = ("actions × outcomes", "contract, s", "arrays, s", "apart", "risk-averse, s", "best of all actions, s")


class Situation(NamedTuple):
    """Random odds, effort costs that rise, and outcomes that are worth more and more."""

    odds: Floats
    effort: Floats
    value: Floats

    @property
    def action(self) -> int:
        """One in the middle."""
        return len(self.effort) // 2


def drawn(size: str, seed: int = 0) -> Situation:
    """The situation of a size."""
    actions, outcomes = map(int, size.split("x"))
    generator = np.random.default_rng(seed)
    odds = generator.dirichlet(np.ones(outcomes), actions)
    return Situation(odds, np.sort(generator.uniform(0, 0.1, actions)), np.sort(generator.uniform(0, 10, outcomes)))


def by_arrays(given: Situation) -> float:
    """The same linear program by SciPy: the least expected payment."""
    others = np.arange(len(given.effort)) != given.action
    rows = np.vstack([given.odds[given.action], (given.odds[given.action] - given.odds)[others]])
    sides = np.append(given.effort[given.action], (given.effort[given.action] - given.effort)[others])
    return float(linprog(given.odds[given.action], A_ub=-rows, b_ub=-sides).fun)


class Measured(NamedTuple):
    """One size."""

    size: str
    timed: dict[str, Timed]

    @property
    def row(self) -> list[str]:
        """A row of the table."""
        found: IncentiveContract = self.timed["contract"].result
        apart = abs(found.expected_wage - self.timed["arrays"].result)
        seconds = [brief(self.timed[name].seconds) for name in ("contract", "arrays", "averse", "all")]
        return [self.size.replace("x", " × "), *seconds[:2], f"{apart:.0e}", *seconds[2:]]


def measure(size: str, runs: int) -> Measured:
    """Time all of them in turn."""
    given = drawn(size)
    odds, effort, value = given
    actions: dict[str, Any] = {
        "contract": lambda: incentive_contract(odds, effort, action=given.action),
        "arrays": lambda: by_arrays(given),
        "averse": lambda: incentive_contract(odds, effort, action=given.action, outside=2, utility=Power()),
        "all": lambda: incentive_contract(odds, effort, value),
    }
    return Measured(size, in_turn({name: lambda run=run: run for name, run in actions.items()}, runs))


def text(measured: list[Measured], runs: int) -> str:
    """The section."""
    return f"""## Contracts

`python benchmarks/contracts.py`: one incentive contract, from tables to wages, median of {runs} runs. Odds are uniform
on the simplex, effort costs up to 0.1. "Arrays" is SciPy on the same linear program; "apart" how far the expected
payments are. The best of all actions takes one program for each action that could be it. {machine("pulp")}

{table(HEAD, [each.row for each in measured])}
"""


def main() -> None:
    """Measure, print, write."""
    chosen = options(__doc__, f"sizes, such as {', '.join(SIZES)}")
    measured = [measure(size, chosen.runs) for size in chosen.names or SIZES]
    told = text(measured, chosen.runs)
    print(told)
    if chosen.write:
        write("contracts", told)


if __name__ == "__main__":
    main()
