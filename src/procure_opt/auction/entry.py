"""Who bids where bidding costs something."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from procure_opt.auction import symmetric
from procure_opt.auction.market import Market
from procure_opt.auction.outcome import private, risk_neutral

Floats = NDArray[np.float64]


def entering(market: Market, reserve: float) -> tuple[float, float, float]:
    """Probability to bid, the highest cost that does, and what it asks on top of its cost."""
    if market.entry == "fixed" or not market.entry_cost:
        return 1.0, math.inf, 0.0
    risk_neutral(market, "entry")
    private(market, "entry")
    if len(market.classes) > 1:
        raise ValueError("entry is solved for suppliers of one kind")
    if math.isinf(reserve):
        raise ValueError("where suppliers may stay away one may be alone, and needs a reserve to bid against")
    if market.entry == "informed":
        cutoff = informed_cutoff(market, reserve)
        return 1.0, cutoff, reserve - cutoff
    return uninformed_entry(market, reserve), math.inf, 0.0


def uninformed_entry(market: Market, reserve: float) -> float:
    """The probability q to enter at which a supplier earns what that costs: ∫ F (1 − qF)^(N−1) = e, up to the reserve.

    Levin and Smith (1994), American Economic Review 84. 1 if all enter even so.

    Raises:
        ValueError: not even one alone earns its entry cost.
    """
    distribution, count = market.classes[0]
    low, high = float(distribution.support()[0]), reserve
    at, weights = symmetric.cells(symmetric.grid(distribution, low, min(high, float(distribution.support()[1]))))
    sure = max(0.0, high - float(distribution.support()[1]))

    def earned(q: float) -> float:
        below = distribution.cdf(at)
        return float((weights * below * (1 - q * below) ** (count - 1)).sum()) + sure * (1 - q) ** (count - 1)

    if earned(0.0) <= market.entry_cost:
        raise ValueError(
            f"nobody enters: even alone a supplier earns {earned(0.0):g} in the mean, and entering costs "
            f"{market.entry_cost:g}; raise the reserve"
        )
    if earned(1.0) >= market.entry_cost:
        return 1.0
    return float(optimize.brentq(lambda q: earned(q) - market.entry_cost, 0.0, 1.0, xtol=1e-15))


def informed_cutoff(market: Market, reserve: float) -> float:
    """The highest cost that enters: (r − c) S(c)^(N−1) = e (Samuelson 1985, Economics Letters 17).

    Raises:
        ValueError: not even the lowest cost enters.
    """
    distribution, count = market.classes[0]
    low, high = float(distribution.support()[0]), min(reserve, float(distribution.support()[1]))

    def earned(cost: float) -> float:
        return float((reserve - cost) * distribution.sf(cost) ** (count - 1)) - market.entry_cost

    if earned(low) <= 0:
        raise ValueError(f"nobody enters: even at a cost of {low:g} a supplier earns less than entering costs it")
    if earned(high) >= 0:
        return high
    return float(optimize.brentq(earned, low, high, xtol=1e-15))
