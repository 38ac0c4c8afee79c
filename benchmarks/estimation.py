"""Costs from bids: how far each inversion is from the true costs, on the same draws, and how long it takes.

python benchmarks/estimation.py [NAME ...] [--draws 40] [--runs 5] [--write]

Names are markets (uniform, beta, lognormal, weibull) and `speed`; without any, all. Where the package simple-fpa can be
imported, its estimate of mirrored bids (highest bid wins) is a column of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction import kernels, quantiles
from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.market import Market
from procure_opt.auction.rules import FirstPrice
from procure_opt.auction.smooth import smooth
from results import Action, brief, in_turn, machine, options, table, write

Floats = NDArray[np.float64]
Invert = Callable[[Floats, int], Floats]

INVERSIONS: dict[str, Invert] = {each.name: each for each in (*kernels.CATALOGUE, *quantiles.CATALOGUE)}
OURS = "boundary"
CELLS = ((2, 200), (3, 200), (5, 200), (3, 1000))  # suppliers, auctions
SPEED = 100_000


@dataclass(frozen=True)
class Truncated:
    """A distribution between two values."""

    one: Any
    low: float
    high: float

    def support(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def _ends(self) -> tuple[float, float]:
        return float(self.one.cdf(self.low)), float(self.one.cdf(self.high))

    def pdf(self, x: Any) -> Any:
        below, above = self._ends
        return np.where((self.low <= x) & (x <= self.high), self.one.pdf(x) / (above - below), 0.0)

    def cdf(self, x: Any) -> Any:
        below, above = self._ends
        return np.clip((self.one.cdf(x) - below) / (above - below), 0.0, 1.0)

    def sf(self, x: Any) -> Any:
        below, above = self._ends
        return np.clip((above - self.one.cdf(x)) / (above - below), 0.0, 1.0)

    def ppf(self, q: Any) -> Any:
        below, above = self._ends
        return np.clip(self.one.ppf(below + np.asarray(q) * (above - below)), self.low, self.high)

    def isf(self, q: Any) -> Any:
        return self.ppf(1 - np.asarray(q))


MARKETS: dict[str, Any] = {
    "uniform": stats.uniform(0, 1),
    "beta": stats.beta(2, 3),
    "lognormal": Truncated(stats.lognorm(0.5), 0.3, 3.0),
    "weibull": stats.weibull_min(2),
}


class Cell(NamedTuple):
    """Mean over draws of root mean squared errors, by inversion."""

    market: str
    n: int
    auctions: int
    interior: dict[str, float]  # costs between their 10 % and 90 % quantiles; what is trimmed is left out
    kept: dict[str, float]  # of those the bids that `plain` does not trim, for all inversions
    full: dict[str, float]  # all bids; NaN if any is trimmed


def inversions() -> dict[str, Invert]:
    """Ours, and simple-fpa where it is installed."""
    try:
        return INVERSIONS | {"simple-fpa": mirrored_fpa()}
    except ImportError:
        return INVERSIONS


def mirrored_fpa() -> Invert:
    """simple-fpa, which knows auctions that the highest bid wins, on bids turned round, with its own bandwidth.

    Without covariates there is nothing to regress bids on: they are handed over as residuals. Of its settings only the
    share beyond which it mirrors is raised, to 10 %, as the default is narrower than its kernel and it warns of that.
    """
    from simple_fpa import Model

    def invert(bids: Floats, n: int) -> Floats:
        order = np.argsort(-bids)
        data = pd.DataFrame({"auctionid": np.repeat(np.arange(len(bids) // n), n), "bid": -bids})
        model = Model(data, ["auctionid"], "bid")
        model.data = pd.DataFrame({"_resid": -bids[order], "_trimmed": 0})
        model.fit(trim_percent=10)
        costs = np.empty(len(bids))
        costs[order] = -model.hat_v_rea
        return costs

    return invert


def bids_of(market: Any, n: int) -> Callable[[Floats], Floats]:
    """The bid function of n suppliers."""
    if market is MARKETS["uniform"]:
        return lambda costs: costs + (1 - costs) / n
    strategy = equilibrium(FirstPrice(), Market((market, n))).strategies[0]
    return lambda costs: np.asarray(strategy(costs), dtype=float)


def rmse(errors: Floats) -> float:
    """Of those that are not trimmed."""
    return float(np.sqrt(np.nanmean(errors**2)))


def measure(name: str, n: int, auctions: int, draws: int, tried: dict[str, Invert]) -> Cell:
    """One market, one size: the same draws for all."""
    market, found = MARKETS[name], {who: list[tuple[float, float, float]]() for who in tried}
    bid, (low, high) = bids_of(market, n), market.ppf([0.1, 0.9])
    for seed in range(draws):
        costs = market.ppf(np.random.default_rng([n, auctions, seed]).random(n * auctions))
        bids = bid(costs)
        inside = (costs >= low) & (costs <= high)
        common = inside & ~np.isnan(kernels.plain(bids, n))
        for who, invert in tried.items():
            errors = invert(bids, n) - costs
            full = math.nan if np.isnan(errors).any() else rmse(errors)
            found[who].append((rmse(errors[inside]), rmse(errors[common]), full))
    means = {who: np.mean(rows, axis=0) for who, rows in found.items()}
    interior, kept, full = ({who: float(mean[k]) for who, mean in means.items()} for k in range(3))
    return Cell(name, n, auctions, interior, kept, full)


def verdict(cells: Sequence[Cell], of: str) -> str:
    """How the default stands."""
    good = worst = 0
    for cell in cells:
        values = {who: value for who, value in getattr(cell, of).items() if not math.isnan(value)}
        good += values[OURS] <= 1.05 * min(values.values())
        worst += values[OURS] == max(values.values())
    return f"`{OURS}` is lowest or within 5 % of the lowest in {good} of {len(cells)} cells, and the worst in {worst}."


def errors_text(cells: Sequence[Cell], draws: int) -> str:
    """The tables of errors."""
    lines = [
        "## Costs from bids: errors",
        "",
        f"Root mean squared error of costs, mean over {draws} draws, the same for all. Costs: uniform on [0, 1], "
        "Beta(2, 3), lognormal(0, 0.5) between 0.3 and 3, Weibull of shape 2; equilibrium bids.",
    ]
    for of, told in (
        ("interior", "Costs between their 10 % and 90 % quantiles. What `plain` trims does not count for `plain`."),
        ("kept", "The same, for all over the bids that `plain` keeps."),
        ("full", "All costs. `plain` has none near the ends."),
    ):
        names = list(getattr(cells[0], of))
        head = ["market", "suppliers", "auctions", *(f"`{name}`" for name in names)]
        rows = [
            [cell.market, str(cell.n), str(cell.auctions), *(_four(getattr(cell, of)[name]) for name in names)]
            for cell in cells
        ]
        lines += ["", told, "", table(head, rows), "", verdict(cells, of)]
    return "\n".join(lines)


def _four(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def speed_text(runs: int) -> str:
    """Seconds for many bids, for the distribution of their costs, and for one replication of a bootstrap."""
    costs = np.random.default_rng(0).random(SPEED)
    bids = costs + (1 - costs) / 3
    actions: dict[str, Action] = {"smooth": lambda: lambda: smooth(costs)}
    for name, invert in INVERSIONS.items():
        actions[name] = lambda invert=invert: lambda: invert(bids, 3)
        actions[f"{name}, 5,000 bids"] = lambda invert=invert: lambda: invert(bids[:5000], 3)
    timed = in_turn(actions, runs)
    rows = [
        [f"`{name}`", *(brief(each) for one in (timed[name], timed[f"{name}, 5,000 bids"]) for each in one[:2])]
        for name in INVERSIONS
    ]
    rows.append(["`smooth`", *(brief(each) for each in timed["smooth"][:2]), "–", "–"])
    head = ["", f"{SPEED:,} bids, s", "of processor", "5,000 bids, s", "of processor"]
    return f"## Costs from bids: time\n\n{table(head, rows)}\n\nMedian of {runs} runs. {machine()}"


def main() -> None:
    chosen = options(__doc__, "markets, speed", draws=(int, 40, "draws a cell"))
    names = chosen.names or [*MARKETS, "speed"]
    tried = inversions()
    markets = [name for name in MARKETS if name in names]
    if markets:
        cells = [measure(name, n, auctions, chosen.draws, tried) for name in markets for n, auctions in CELLS]
        text = errors_text(cells, chosen.draws)
        print(text)
        if chosen.write:
            write("estimation: errors", text)
    if "speed" in names:
        text = speed_text(chosen.runs)
        print(text)
        if chosen.write:
            write("estimation: time", text)


if __name__ == "__main__":
    main()
