"""What bidders saw and the table does not tell, and costs that are common: accuracy, coverage, size and power.

python benchmarks/heterogeneity.py [NAME ...] [--runs 5] [--samples 100] [--write]

Names are `share` (the private share against plain pseudo-costs), `coverage` (its interval), `likelihood` (estimates
and errors of the Weibull model), `comparison` (winning bids against all), `common` (private against common cost) and
`speed`; without any, all. Each figure is from `--samples` samples, seeded by their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import integrate, stats

from procure_opt.auction import FirstPrice, Market, equilibrium
from procure_opt.auction.common_cost import common_cost_test
from procure_opt.auction.distributions import Affine
from procure_opt.auction.heterogeneity import deconvolve, private_share
from procure_opt.auction.kernels import boundary
from procure_opt.auction.weibull import compare_fits, fit_weibull, weibull_bid
from results import brief, in_turn, machine, options, table, write

Drawn = Callable[[int, Any, np.random.Generator], tuple[Any, Any]]

# ---- markets: costs and bids ------------------------------------------------------------------------------


def uniform(n: int, shape: Any, generator: np.random.Generator) -> tuple[Any, Any]:
    """From 0.5 to 1.5."""
    cost = generator.uniform(0.5, 1.5, shape)
    return cost, cost + (1.5 - cost) / n


def pareto(n: int, shape: Any, generator: np.random.Generator) -> tuple[Any, Any]:
    """S = c⁻⁴."""
    cost = generator.random(shape) ** (-1 / 4)
    return cost, cost * 4 * (n - 1) / (4 * (n - 1) - 1)


def weibull(n: int, shape: Any, generator: np.random.Generator) -> tuple[Any, Any]:
    """Mean 1, shape 3."""
    cost = generator.weibull(3.0, shape) / math.gamma(4 / 3)
    return cost, weibull_bid(cost, 1.0, 3.0, n)


MARKETS: dict[str, tuple[Drawn, float]] = {
    "uniform": (
        uniform,
        integrate.quad(lambda c: math.log(c) ** 2, 0.5, 1.5)[0] - integrate.quad(math.log, 0.5, 1.5)[0] ** 2,
    ),
    "Pareto": (pareto, 1 / 16),
    "Weibull": (weibull, math.pi**2 / 54),
}


def past(drawn: Drawn, auctions: dict[int, int], deviation: float, seed: int) -> pd.DataFrame:
    """Bids in auctions whose log costs differ by a normal ln y, by number of bidders."""
    generator, parts, first = np.random.default_rng(seed), [], 0
    for n, count in auctions.items():
        y = np.exp(generator.normal(3, deviation, (count, 1)))
        bid = (y * drawn(n, (count, n), generator)[1]).ravel()
        names = np.repeat(np.arange(first, first + count), n)
        parts.append(pd.DataFrame({"auction": names, "bidder": np.tile(np.arange(n), count), "bid": bid}))
        first += count
    return pd.concat(parts, ignore_index=True)


# ---- the private share ------------------------------------------------------------------------------------

FIELDS = [(2, 0.2), (3, 0.3), (5, 0.2), (5, 0.5)]


def share(samples: int) -> list[list[str]]:
    """500 auctions: error of the private share of log costs, and of one that takes all bids for independent."""
    rows = []
    for name, (drawn, variance) in MARKETS.items():
        for n, deviation in FIELDS:
            truth, found, blind = variance / (variance + deviation**2), [], []
            for seed in range(samples):
                bids = past(drawn, {n: 500}, deviation, seed)
                found.append(deconvolve(bids).share)
                cost = boundary(bids["bid"].to_numpy(), n)
                spread = np.log(cost[cost > 0]).var()
                blind.append(spread / (spread + deviation**2))
            error = np.array(found) - truth
            within = (np.abs(error) <= 0.05).mean()
            told = [f"{truth:.3f}", f"{error.mean():+.3f}", f"{(error**2).mean() ** 0.5:.3f}", f"{within:.0%}"]
            rows.append([f"{name}, n = {n}, sd ln y {deviation}", *told, f"{np.mean(blind) - truth:+.3f}"])
    return rows


def coverage(samples: int) -> list[list[str]]:
    """How often the 95 % interval of the bootstrap holds the share."""
    rows = []
    for name, (drawn, variance) in MARKETS.items():
        for auctions in (200, 500):
            truth, inside, width = variance / (variance + 0.09), 0, []
            for seed in range(samples):
                found = private_share(past(drawn, {4: auctions}, 0.3, seed), replications=200, seed=seed)
                inside += found.low <= truth <= found.high
                width.append(found.high - found.low)
            rows.append([f"{name}, n = 4, {auctions} auctions", f"{inside / samples:.1%}", f"{np.mean(width):.3f}"])
    return rows


# ---- the likelihood ---------------------------------------------------------------------------------------

TRUTH = np.array([math.log(10), math.log(2), math.log(0.2), -1.0, 1.0])


def tendered(auctions: int, seed: int) -> pd.DataFrame:
    """As in the example of MacKay's package auctionr: 2 to 10 bidders, two covariates."""
    generator = np.random.default_rng(seed)
    sigma = math.exp(TRUTH[2])
    s = math.sqrt(math.log1p(sigma**2))
    n = generator.integers(2, 11, auctions)
    x = generator.normal([-1.0, 1.0], [0.5, 0.8], (auctions, 2))
    level = np.exp(generator.normal(-(s**2) / 2, s, auctions) + x @ TRUTH[3:])
    parts = []
    for k in range(auctions):
        cost = generator.weibull(2.0, n[k]) * 10 / math.gamma(1.5)
        bid = level[k] * weibull_bid(cost, 10.0, 2.0, int(n[k]))
        parts.append(pd.DataFrame({"auction": k, "bidder": np.arange(n[k]), "bid": bid, "x1": x[k, 0], "x2": x[k, 1]}))
    return pd.concat(parts, ignore_index=True)


def likelihood(samples: int) -> list[list[str]]:
    """Bias and root mean squared error in logs, and how often the 95 % interval holds the truth."""
    rows = []
    for use in ("winning", "all"):
        fits = [fit_weibull(tendered(200, seed), use, ("x1", "x2")) for seed in range(samples)]  # type: ignore[arg-type]
        error = np.array([fit.parameters for fit in fits]) - TRUTH
        reach = 1.96 * np.array([np.sqrt(np.diag(fit.covariance)) for fit in fits])
        for k, name in enumerate(("ln mu", "ln alpha", "ln sigma", "x1", "x2")):
            held = (np.abs(error[:, k]) <= reach[:, k]).mean()
            told = [f"{error[:, k].mean():+.3f}", f"{(error[:, k] ** 2).mean() ** 0.5:.3f}", f"{held:.1%}"]
            rows.append([f"{name}, {use} bids", *told])
    return rows


def comparison(samples: int) -> list[list[str]]:
    """How often winning bids and all bids are said to contradict each other, at 5 %."""
    rows = []
    for name, auctions, drawn in [
        ("Weibull (size)", 100, weibull),
        ("Weibull (size)", 300, weibull),
        ("Weibull (size)", 1000, weibull),
        ("uniform (power)", 300, uniform),
        ("Pareto (power)", 300, pareto),
    ]:
        said = 0
        for seed in range(samples):
            bids = past(drawn, dict.fromkeys((2, 3, 4, 6), auctions // 4), 0.2, seed)
            said += compare_fits(fit_weibull(bids, "winning"), fit_weibull(bids, "all")).pvalue <= 0.05
        rows.append([f"{name}, {auctions} auctions", f"{said / samples:.1%}"])
    return rows


# ---- private against common cost --------------------------------------------------------------------------

POTENTIAL = 6  # suppliers there are; the work costs the mean of all their signals, and one's own part


def shared(width: float) -> Drawn:
    """Signals from 0 to `width`, private parts from 1 to 1.3; who does not bid has a signal all the same."""
    private, signal = stats.uniform(1, 0.3), stats.uniform(0, width)
    strategies: dict[int, Any] = {}

    def drawn(n: int, shape: Any, generator: np.random.Generator) -> tuple[Any, Any]:
        unseen = (POTENTIAL - n) / POTENTIAL * signal.mean()
        if n not in strategies:
            market = Market((Affine(private, 1, unseen), n), common=Affine(signal, n / POTENTIAL))
            strategies[n] = equilibrium(FirstPrice(), market).strategies[0]
        known = private.ppf(generator.random(shape)) + signal.ppf(generator.random(shape)) / POTENTIAL + unseen
        return known, strategies[n](known)

    return drawn


def common(samples: int) -> list[list[str]]:
    """How often the test speaks for a common part, at 5 %; auctions are of 2, 3, 4 and 6 bidders."""
    markets = {f"private, {name}": drawn for name, (drawn, _) in MARKETS.items()}
    markets |= {f"common, signals to {width}": shared(width) for width in (0.6, 1.2, 2.4)}
    rows = []
    for name, drawn in markets.items():
        told = [name]
        for auctions in (100, 400, 1600):
            said = sum(
                common_cost_test(past(drawn, dict.fromkeys((2, 3, 4, 6), auctions // 4), 0.0, seed), seed=seed).pvalue
                <= 0.05
                for seed in range(samples)
            )
            told.append(f"{said / samples:.1%}")
        rows.append(told)
    return rows


def speed(runs: int) -> list[list[str]]:
    """Seconds for 5,000 and 100,000 bids."""
    rows = []
    for auctions in (1_250, 25_000):
        bids = past(weibull, {4: auctions}, 0.3, 1)
        timed = in_turn(
            {
                "deconvolve": lambda bids=bids: lambda: deconvolve(bids),  # type: ignore[misc]
                "fit_weibull, winning": lambda bids=bids: lambda: fit_weibull(bids, "winning"),  # type: ignore[misc]
                "fit_weibull, all": lambda bids=bids: lambda: fit_weibull(bids, "all"),  # type: ignore[misc]
            },
            runs,
        )
        rows += [[f"{name}, {4 * auctions:,} bids", brief(each.seconds)] for name, each in timed.items()]
    return rows


PARTS: dict[str, tuple[Callable[[int], list[list[str]]], str, list[str]]] = {
    "share": (
        share,
        "Private share of the variance of log costs, 500 auctions: error by deconvolution; last, the mean error where "
        "all bids are taken for independent:",
        ["market", "truth", "bias", "RMSE", "within 0.05", "blind"],
    ),
    "coverage": (
        coverage,
        "The 95 % interval of that share, 200 replications:",
        ["market", "holds the truth", "mean width"],
    ),
    "likelihood": (
        likelihood,
        "Weibull likelihood, 200 auctions (mu 10, alpha 2, sigma 0.2, coefficients −1 and 1):",
        ["parameter", "bias", "RMSE", "95 % interval holds"],
    ),
    "comparison": (
        comparison,
        "Winning bids against all bids, share of samples with p ≤ 5 %:",
        ["costs", "contradicted"],
    ),
    "common": (
        common,
        "Private against common cost, share of samples with p ≤ 5 %:",
        ["costs", "100 auctions", "400", "1,600"],
    ),
    "speed": (speed, "Seconds:", ["what", "seconds"]),
}


def main() -> None:
    """Measure what is asked for and print, or write, the tables."""
    asked = options(__doc__, "any of " + ", ".join(PARTS), samples=(int, 100, "samples of a figure"))
    unknown = set(asked.names) - set(PARTS)
    if unknown:
        raise SystemExit(f"there is no {', '.join(sorted(unknown))} here; there are {', '.join(PARTS)}")
    said = [
        f"## Auctions that differ, and common costs\n\n`python benchmarks/heterogeneity.py --write`. {machine()}\n\n"
        f"{asked.samples} samples a figure, the same for all methods."
    ]
    for name, (run, title, head) in PARTS.items():
        if not asked.names or name in asked.names:
            said.append(f"{title}\n\n{table(head, run(asked.runs if name == 'speed' else asked.samples))}")
    text = "\n\n".join(said)
    print(text)
    if asked.write:
        write("heterogeneity", text)


if __name__ == "__main__":
    main()
