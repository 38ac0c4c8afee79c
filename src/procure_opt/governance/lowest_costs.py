"""The lowest and the second-lowest of several costs: what competition can be expected to lead to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procure_opt.auction.distributions import Distribution, checked
from procure_opt.auction.symmetric import cells
from procure_opt.governance.arguments import whole

Floats = NDArray[np.float64]

# Shares of suppliers up to one half, closer and closer to 0; the other half is told by the share that is dearer.
HALF: Floats = np.concatenate([[0.0], np.geomspace(1e-14, 0.01, 60), np.linspace(0.02, 0.5, 97)])


def lowest_costs(costs: Distribution, bidders: int, ceiling: float = math.inf) -> tuple[float, float]:
    """The expected lowest and second-lowest of so many costs, each counted as at most the ceiling.

    E min(C_(k), r) = ∫ min(C(t), r) dB(t; k, n − k + 1), C(t) the cost below which a share t of suppliers lies. With
    one bidder the second-lowest is the ceiling, or the highest cost there can be. Where the tail of the costs is so
    heavy that there is no expectation, it is infinite.

    Args:
        costs: Distribution of one supplier's cost.
        bidders: n ≥ 1.
        ceiling: r, in the same money.

    Raises:
        ValueError: bidders that are no whole number.

    References: David and Nagaraja (2003), Order Statistics.

    >>> from scipy import stats
    >>> [round(cost, 6) for cost in lowest_costs(stats.uniform(80, 40), 5)]
    [86.666667, 93.333333]
    >>> lowest_costs(stats.pareto(0.9), 2)[1]
    inf
    """
    n = whole("bidders", bidders)
    share, weight = _half(float(costs.cdf(ceiling)))
    left, other = _half(float(costs.sf(ceiling)))
    cheap = weight * np.minimum(costs.ppf(share), ceiling)
    dear = other * np.minimum(costs.isf(left), ceiling)
    first = float((cheap * n * (1 - share) ** (n - 1)).sum()) + _tail(dear * n * left ** (n - 1))
    if n == 1:
        return first, min(ceiling, float(costs.support()[1]))
    pairs = n * (n - 1)
    second = float((cheap * pairs * share * (1 - share) ** (n - 2)).sum())
    return first, second + _tail(dear * pairs * (1 - left) * left ** (n - 2))


def _half(kink: float) -> tuple[Floats, Floats]:
    """Points and weights for shares up to one half, also broken where the ceiling begins to count."""
    return cells(np.union1d(HALF, kink) if 0 < kink < 0.5 else HALF)


def _tail(parts: Floats) -> float:
    """The sum over cells of the dearer half; of the first, where costs may grow without end, from those beside it.

    A tail that falls like a power gives parts in a fixed proportion to cells that are each as much wider.
    """
    sums = parts.sum(axis=1)
    if not math.isfinite(sums[0]) or (sums[2] > 0 and sums[0] > 1e-9 * sums.sum()):
        falls = sums[1] / sums[2]
        sums[0] = sums[1] * falls / (1 - falls) if falls < 1 - 1e-6 else math.inf
    return float(sums.sum())


def costs_of(costs: Any) -> Distribution:
    """A distribution of costs, or that of an estimate from past bids.

    Raises:
        ValueError: it is no frozen distribution, or costs have no lower end.
    """
    distribution = getattr(costs, "distribution", costs)
    checked(distribution, "costs")
    return distribution
