"""Costs with a part that is the same for all, of which each supplier sees a signal.

The work costs supplier i its private cost c_i plus the mean of all signals v_1 … v_n. What it knows of that is summed
up by s_i = c_i + v_i / n (Goeree and Offerman 2003, Economic Journal 113): its cost in the mean, where it wins against
a lowest rival whose sum is y, is s_i + h(y), with

    h(y) = (E[v | s = y] + (n − 2) E[v | s ≥ y]) / n.

To win is bad news of the others' signals. With w(s) = s + h(s) second price has bids w(s), and first price the mean of
w over the lowest rival's sum, given that it is above one's own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, optimize

from procure_opt.auction import symmetric, verify
from procure_opt.auction.asymmetric import NotConverged
from procure_opt.auction.distributions import Sum
from procure_opt.auction.market import Market
from procure_opt.auction.outcome import WHOLE, Equilibrium, reserve_of, risk_neutral
from procure_opt.auction.rules import FirstPrice, SecondPrice
from procure_opt.auction.symmetric import Strategy

Floats = NDArray[np.float64]

THIN = 3  # of the points of a grid one is kept: each costs integrals over signals


def _of(rule: FirstPrice | SecondPrice, market: Market) -> Sum:
    """What suppliers of one kind know, with a common component."""
    risk_neutral(market, "a common component")
    if len(market.classes) > 1:
        raise ValueError("a common component is solved for suppliers of one kind, and without rings")
    if market.bidders < 2:
        raise ValueError("a common component is what suppliers share: it needs two of them")
    if market.correlation or (market.entry_cost and market.entry != "fixed"):
        raise ValueError("a common component is solved for independent signals and a fixed field of suppliers")
    if getattr(rule, "floor", None) is not None:
        raise ValueError("a floor is solved for private costs; leave it or the common component out")
    of: Sum = market.known[0][0]
    if not all(math.isfinite(end) for end in of.support()):
        raise ValueError("private costs and the common component both need a highest value; truncate them")
    return of


def _cutoff(of: Sum, reserve: float) -> float:
    """The highest sum that bids: at the reserve it earns nothing where nobody else bids."""
    low, high = of.support()

    def earned(s: float) -> float:
        return reserve - s - (of.n - 1) / of.n * float(of.above(s))

    if earned(low) <= 0:
        raise ValueError(
            f"the reserve, {reserve:g}, is not above {reserve - earned(low):g}, what the work costs in the mean where "
            "the only bidder has the lowest cost: nobody can bid"
        )
    return high if earned(high) >= 0 else float(optimize.brentq(earned, low, high, xtol=1e-14))


def _nodes(of: Sum, top: float) -> tuple[Floats, Floats]:
    """Sums up to the highest that bids, and w there, which must grow."""
    (low, high), (least, most) = of.private.support(), of.common.support()
    kinks = np.array([high + least / of.n, low + most / of.n])
    nodes = symmetric.grid(of, of.support()[0], top)
    nodes = np.append(nodes[:-1:THIN], nodes[-1])
    nodes = np.union1d(nodes, kinks[(kinks > nodes[0]) & (kinks < nodes[-1])])
    worth = of.expected_cost(nodes)
    if (np.diff(worth) < -1e-9 * (worth[-1] - worth[0])).any():
        raise ValueError(
            "with these distributions a higher sum of private cost and signal can mean a lower expected cost, so that "
            "bids would not grow with it; no equilibrium is computed (log-concave densities always do)"
        )
    return nodes, worth


def solve(rule: FirstPrice | SecondPrice, market: Market) -> Equilibrium:
    """First or second price with a common component; strategies are functions of s.

    Both rules pay the same in the mean: w of the lowest rival, or the reserve where no other bids.
    """
    of, second = _of(rule, market), isinstance(rule, SecondPrice)
    reserve = float(rule.caps(np.zeros(1, int))[0]) if isinstance(rule, SecondPrice) else reserve_of(rule, market)
    top, end = _cutoff(of, reserve), of.support()[1]
    nodes, worth = _nodes(of, top)
    at, weights = symmetric.cells(nodes)
    mass = symmetric.spread(of, nodes, at, weights)  # of one supplier
    paid = reserve if top < end else float(worth[-1])
    left, inside = of.sf(nodes), of.sf(at)
    bids = _mean_above(of, at, left, mass * inside ** (of.n - 2), paid)
    asked = worth if second else bids
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = (of.n - 1) * of.pdf(nodes) / left * (bids - worth)
    exact[left <= 1e-13] = np.nan
    mean = interpolate.CubicHermiteSpline(nodes, bids, symmetric.slopes(nodes, bids, exact))(at)
    steep = symmetric.slopes(nodes, asked, np.full(len(nodes), np.nan) if second else exact)
    strategy = Strategy(nodes, asked, steep, ceiling=top if top < end else math.inf)
    wins = of.n * mass * inside ** (of.n - 1)
    won, bidding = float(wins.sum()), 1 - float(left[-1]) ** of.n
    epsilon = verify.signalled(market, strategy, reserve, second=second)
    if abs(won - bidding) > WHOLE:
        raise NotConverged(f"the chances to win add up to {won:.9f}, not {bidding:.9f}", epsilon)
    cost = at + (of.n - 1) / of.n * of.above(at)
    payment, total = float((wins * mean).sum()), float((wins * cost).sum())
    note = "bids are functions of the private cost plus signal / n"
    return Equilibrium(rule, market, (strategy,), float(asked[0]), payment, total, (won,), epsilon, note=note)


def _mean_above(of: Sum, at: Floats, left: Floats, share: Floats, paid: float) -> Floats:
    """At each node the mean of w over the lowest rival's sum, given that it is above; `paid` where none of them bids.

    In each cell the lowest rival's chances add up to what the survivor function says, so that a mean is a mean.

    Args:
        of: What suppliers know.
        at: Sums within the cells.
        left: The survivor function at the nodes between them.
        share: The chances of the lowest rival at `at`, up to a factor for each cell.
        paid: At the end.
    """
    none = left ** (of.n - 1)
    total = share.sum(axis=1, keepdims=True)
    share = share * np.where(total > 0, (none[:-1] - none[1:])[:, None] / np.where(total > 0, total, 1.0), 0.0)
    worth = (share * of.expected_cost(at)).sum(axis=1)
    sums = np.append(np.cumsum(worth[::-1])[::-1], 0.0) + none[-1] * paid
    return np.maximum.accumulate(np.where(none > 1e-300, sums / np.maximum(none, 1e-300), paid))
