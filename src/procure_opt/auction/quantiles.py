"""Costs from bids by quantiles: in equilibrium the supplier at the quantile t of costs is at the quantile t of bids.

With B and C the quantiles of bids and of costs, bids of auctions with n suppliers are best for (Marmer and Shneyerov
2012; Gimenes and Guerre 2022, both mirrored)

    C(t) = B(t) − (1 − t) B′(t) / (n − 1),        B(t) = (n − 1) / (1 − t)^(n−1) ∫_t^1 C(s) (1 − s)^(n−2) ds.

Both maps are linear: if the quantiles of costs are linear in what describes a tender, so are those of bids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from procure_opt.auction.kernels import Inversion, ranked

Floats = NDArray[np.float64]

CELLS = 400  # of equal probability, over which bids are averaged
NODES = 120  # of the integral over the lowest rival's rank


def cost_quantiles(t: ArrayLike, bids: ArrayLike, slopes: ArrayLike, n: int) -> Floats:
    """C(t) from the quantiles of bids B(t) and their derivatives B′(t), of auctions with n suppliers.

    Uniform costs: B(t) = t + (1 − t) / n, and C(t) = t.

    >>> cost_quantiles([0.0, 0.5], bids=[0.5, 0.75], slopes=[0.5, 0.5], n=2).tolist()
    [0.0, 0.5]
    """
    level, bid, slope = (np.asarray(each, dtype=float) for each in (t, bids, slopes))
    return np.asarray(bid - (1 - level) * slope / (n - 1))


def bid_quantiles(t: ArrayLike, costs: Callable[[Floats], Any], n: int) -> Floats:
    """B(t) from the quantiles of costs, of auctions with n suppliers.

    With s = 1 − (1 − t) w the bid is the mean of C over the rank of the lowest rival, given that it is above t:
    B(t) = ∫_0^1 C(1 − (1 − t) w) (n − 1) w^(n−2) dw, by the Gauss–Jacobi rule of 120 points.

    Args:
        t: Levels, 0 to 1, any shape.
        costs: C, such as the `ppf` of a distribution; it is not asked for C(1).
        n: Suppliers, at least 2.

    >>> from scipy import stats
    >>> bid_quantiles([0.0, 0.5], stats.uniform(0, 1).ppf, n=4).round(12).tolist()
    [0.25, 0.625]
    """
    level = np.asarray(t, dtype=float)[..., None]
    points, weights = special.roots_jacobi(NODES, 0, n - 2)
    values = np.asarray(costs(1 - (1 - level) * (1 + points) / 2), dtype=float)
    return np.asarray((values * (weights / weights.sum())).sum(axis=-1))


def quantiles(bids: ArrayLike, n: int) -> Floats:
    """Costs by the quantiles of bids, for each bid, increasing in the bid.

    B′ is the slope of a parabola fitted to the quantiles of bids around t, with Epanechnikov weights and a bandwidth of
    0.7 · m^(−1/5) in t, which needs no correction at either end; C is put in ascending order.

    Args:
        bids: Of auctions with n suppliers each, shape (m,), in currency.
        n: Suppliers of an auction.

    Returns:
        Costs, shape (m,), none of them missing.

    Raises:
        ValueError: as `kernels.ranked`; at least 20 bids are needed.

    Source: Marmer and Shneyerov 2012, J. Econometrics 167, 345; Gimenes and Guerre 2022, J. Econometrics 226.

    >>> costs = np.linspace(0, 1, 201)
    >>> f"{np.abs(quantiles((1 + costs) / 2, 2) - costs).max():.2f}"
    '0.00'
    """
    ordered, places = ranked(bids, n, 20)
    m = len(ordered)
    below = np.append(0.0, np.cumsum(ordered - ordered[0])) / m
    means = CELLS * np.diff(np.interp(np.arange(CELLS + 1) / CELLS, np.arange(m + 1) / m, below))
    middle = (np.arange(CELLS) + 0.5) / CELLS
    level = (np.arange(m) + 0.5) / m
    slope = np.interp(level, middle, parabolas(middle, means, 0.7 * m**-0.2))
    return np.sort(cost_quantiles(level, ordered, slope, n))[places]


def parabolas(at: Floats, values: Floats, width: float) -> Floats:
    """At each point the slope of the parabola that fits the values around it best, within `width` of it.

    >>> t = np.linspace(0, 1, 11)
    >>> parabolas(t, 3 * t**2, 0.5).round(12).tolist()[1:4]
    [0.6, 1.2, 1.8]
    """
    u = (at - at[:, None]) / width
    weight = np.clip(1 - u**2, 0.0, None)
    powers = np.stack([u**k for k in range(5)])
    moments = (weight * powers).sum(axis=-1)
    normal = np.stack([moments[k : k + 3] for k in range(3)]).transpose(2, 0, 1)
    right = ((weight * powers[:3]) @ values).T
    return np.linalg.solve(normal, right[..., None])[:, 1, 0] / width


CATALOGUE = (Inversion("quantiles", quantiles, True, 20, True, "Marmer and Shneyerov 2012, J. Econometrics 167, 345"),)
