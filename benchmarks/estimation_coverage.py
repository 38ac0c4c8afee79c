"""Intervals of costs estimated from bids: how often they hold the truth, and how long a thousand replications take.

python benchmarks/estimation_coverage.py [NAME ...] [--tables 200] [--replications 199] [--workers 1] [--write]

Names are markets (uniform, beta, lognormal, weibull) and `speed`; without any, all. For each market, so many tables of
past auctions are drawn, costs are estimated from each, and it is counted in how many of them the 95 % interval of a
quantile of costs, of the mean mark-up and of the means E c₁:ₙ and E c₂:ₙ holds the true one, and which share of
competitive tenders is won within the stated 90 % band (and would be, were the band that of the estimate alone).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.estimate import estimate_costs
from procure_opt.auction.fair_price import as_curves, mean_costs
from procure_opt.auction.market import Market
from procure_opt.auction.rules import FirstPrice
from procure_opt.auction.smooth import Smooth
from results import brief, machine, options, table, write

AT = np.linspace(0.3, 3.0, 20_001)
MARKETS = {
    "uniform": stats.uniform(1, 1),
    "beta": stats.beta(2, 3, loc=1),
    "lognormal": Smooth(AT, stats.lognorm.pdf(AT, 0.5)),
    "weibull": stats.weibull_min(2, loc=1),
}
SIZES = ((3, 20), (2, 40), (2, 200), (3, 100), (3, 400), (5, 100))  # bidders, auctions
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)


@cache
def asking(name: str, n: int) -> Any:
    """What is bid for each cost."""
    return equilibrium(FirstPrice(), Market((MARKETS[name], n))).bid


def bids(name: str, n: int, auctions: int, seed: Any) -> pd.DataFrame:
    """A table of past bids."""
    drawn = MARKETS[name].ppf(np.random.default_rng(seed).random((auctions, n)))
    auction, bidder = (each.ravel() for each in np.indices(drawn.shape))
    return pd.DataFrame({"auction": auction, "bidder": bidder, "bid": asking(name, n)(drawn).ravel()})


@cache
def truths(name: str, n: int) -> np.ndarray:
    """Quantiles, mean mark-up, the two means; by other means than those of the estimate: over a million shares."""
    costs, asked, share = MARKETS[name], asking(name, n), (np.arange(1_000_000) + 0.5) / 1_000_000
    every, lowest = costs.ppf(share), costs.ppf(1 - (1 - share) ** (1 / n))
    second = costs.ppf(stats.beta.ppf(share[::100], 2, n - 1))
    return np.array([*costs.ppf(SHARES), np.mean(1 - every / asked(every)), lowest.mean(), second.mean()])


def one(name: str, n: int, auctions: int, replications: int, number: int) -> tuple[np.ndarray, list[float]]:
    """Whether each interval holds the truth, and the shares of competitive tenders in the two bands."""
    costs, asked, true = MARKETS[name], asking(name, n), truths(name, n)
    found = estimate_costs(bids(name, n, auctions, [number, n, auctions]), replications=replications, seed=number)
    table = found.summary(SHARES)
    means = mean_costs(as_curves(found), n)
    low = np.append(table["low"], np.quantile(means[:, 1:], 0.025, axis=1))
    high = np.append(table["high"], np.quantile(means[:, 1:], 0.975, axis=1))
    fair = found.fair_price(n)
    shares = []
    at = costs.ppf(1 - np.geomspace(1, 1e-12, 100_001))
    for ends in ((fair.low, fair.high), fair.known_costs):
        below = 1 - costs.sf(np.interp(ends, asked(at), at)) ** n
        shares.append(float(below[1] - below[0]))
    return (low <= true) & (true <= high), shares


def coverage(names: list[str], tables: int, replications: int, workers: int) -> Iterator[list[str]]:
    """A row a market and size."""
    with ProcessPoolExecutor(workers) as pool:
        for name in names:
            for n, auctions in SIZES:
                run = pool.map if workers > 1 else map
                found = list(run(partial(one, name, n, auctions, replications), range(tables)))
                held = np.mean([each for each, _ in found], axis=0)
                band = np.mean([each for _, each in found], axis=0)
                row = [f"{name}, {n} bidders, {auctions} auctions", *(f"{each:.1%}" for each in [*held, *band])]
                print(" | ".join(row), flush=True)
                yield row


def speed() -> list[list[str]]:
    """A thousand replications of 5,000 bids, by one process and by two."""
    past = bids("beta", 5, 1000, 0)
    rows = []
    for workers in (1, 2):
        start = time.perf_counter()
        if workers == 1:
            estimate_costs(past, replications=1000)
        else:
            with ProcessPoolExecutor(workers) as pool:
                estimate_costs(past, replications=1000, executor=pool)
        rows.append([f"{workers} process" + ("es" if workers > 1 else ""), brief(time.perf_counter() - start)])
        print(" | ".join(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Count, time, print and write."""
    chosen = options(
        __doc__, "markets and speed", tables=(int, 200, "tables drawn"), replications=(int, 199, "of the bootstrap"),
        workers=(int, 1, "processes that tables are worked out in"),
    )  # fmt: skip
    names = chosen.names or [*MARKETS, "speed"]
    rows = list(coverage([n for n in names if n in MARKETS], chosen.tables, chosen.replications, chosen.workers))
    said = []
    if rows:
        heads = [
            "",
            *(f"q{share:g}" for share in SHARES),
            "mark-up",
            "E c₁",
            "E c₂",
            "90 % band",
            "without replications",
        ]
        error = math.sqrt(0.05 * 0.95 / chosen.tables)
        said += [
            f"How often the 95 % interval holds the truth, in {chosen.tables} tables with {chosen.replications} "
            f"replications each (standard error {error:.1%}), and the share of competitive tenders in the 90 % band.",
            table(heads, rows),
        ]
    if "speed" in names:
        said += ["Seconds for 1,000 replications of 5,000 bids.", table(["", "s"], speed())]
    text = "\n\n".join(["## Intervals of estimated costs", *said, machine()])
    print(text)
    if chosen.write:
        write("estimation_coverage", text)


if __name__ == "__main__":
    main()
