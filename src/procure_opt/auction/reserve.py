"""Which reserve to set, and how many suppliers come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import optimize

from procure_opt.auction import symmetric
from procure_opt.auction.distributions import Distribution
from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.market import Entry, Market
from procure_opt.auction.rules import SecondPrice


def optimal_reserve(
    distribution: Distribution,
    outside_cost: float,
    entry: Entry = "fixed",
    *,
    bidders: int | None = None,
    entry_cost: float = 0.0,
) -> float:
    """The reserve with which a buyer who otherwise pays `outside_cost` spends least in the mean.

    With a fixed field of suppliers of one kind that is Myerson's: J(r) = v, with the virtual cost J(c) = c + F(c)/f(c),
    whatever their number (or the highest cost, if that is lower). Where suppliers decide on entry before they know
    their cost it is v: every rent taken from them keeps some away (Levin and Smith 1994). Where they know it
    (Samuelson 1985) it lies between, and is found by minimising the expected outlay.

    Args:
        distribution: Of a supplier's cost.
        outside_cost: v, what doing the work oneself costs, or the next best offer.
        entry: Who bids: "fixed", "uninformed" or "informed" (see `Market`).
        bidders: Suppliers there are; needed with "informed" entry, and where J is not increasing.
        entry_cost: What preparing a bid costs a supplier.

    Raises:
        ValueError: even the lowest cost is above `outside_cost`, or `bidders` is needed.

    References: Myerson (1981), Mathematics of Operations Research 6.

    >>> from scipy import stats
    >>> round(optimal_reserve(stats.uniform(1, 2), 2.6), 9)
    1.8
    >>> round(optimal_reserve(stats.uniform(0, 1), 1, "informed", bidders=4, entry_cost=0.06), 3)
    0.624
    """
    low = float(distribution.support()[0])
    if not outside_cost > low:
        raise ValueError(
            f"outside_cost, {outside_cost:g}, is not above the lowest cost a supplier can have, {low:g}: do it in-house"
        )
    if entry == "fixed":
        return _fixed(distribution, float(outside_cost), bidders)
    if entry == "uninformed":
        return float(outside_cost)
    if entry != "informed":
        raise ValueError(f'entry is {entry!r}; it must be "fixed", "uninformed" or "informed"')
    if bidders is None or not entry_cost > 0:
        raise ValueError("with informed entry the reserve depends on bidders= and entry_cost=; give both")
    market = Market((distribution, bidders), in_house=outside_cost, entry_cost=entry_cost, entry="informed")

    def outlay(reserve: float) -> float:
        try:
            return float(equilibrium(SecondPrice(reserve), market).expected_outlay)
        except ValueError:  # a reserve at which nobody enters
            return float(outside_cost)

    tried = np.linspace(low, outside_cost, 102)[1:]
    best = int(np.argmin([outlay(float(each)) for each in tried]))
    bounds = float(tried[max(best - 1, 0)]), float(tried[min(best + 1, len(tried) - 1)])
    return float(optimize.minimize_scalar(outlay, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x)


def _fixed(distribution: Distribution, outside: float, bidders: int | None) -> float:
    low, high = (float(each) for each in distribution.support())
    top = min(high, outside)
    nodes = symmetric.grid(distribution, low, top)[1:]

    def over(cost: Any) -> Any:
        return cost + distribution.cdf(cost) / np.maximum(distribution.pdf(cost), 1e-300) - outside

    above = over(nodes)
    crossings = np.flatnonzero((above[:-1] < 0) & (above[1:] >= 0))
    if not len(crossings):
        return top if above[-1] < 0 else low
    found = [float(optimize.brentq(over, nodes[k], nodes[k + 1], xtol=1e-15)) for k in crossings]
    if above[-1] < 0:
        found.append(top)
    if len(found) == 1:
        return found[0]
    if bidders is None:
        raise ValueError(
            "the virtual cost c + F / f is not increasing here, so that the reserve depends on the number of "
            "suppliers; give bidders="
        )
    return max(found, key=lambda reserve: _surplus(distribution, outside, bidders, reserve))


def _surplus(distribution: Distribution, outside: float, bidders: int, reserve: float) -> float:
    """∫ (v − J) n f S^(n−1) up to the reserve."""
    at, weights = symmetric.cells(symmetric.grid(distribution, float(distribution.support()[0]), reserve))
    left = distribution.sf(at) ** (bidders - 1)
    return float((weights * bidders * left * ((outside - at) * distribution.pdf(at) - distribution.cdf(at))).sum())


def free_entry(market: Market, rule: Any) -> int:
    """How many suppliers bid where each who does can pay for its entry: the largest n with (payment − cost) / n ≥ e.

    Suppliers enter one after the other and before they know their cost; there are `market.bidders` of them.

    Raises:
        ValueError: the market has several classes, entry costs nothing, or not even one enters.

    >>> from scipy import stats
    >>> free_entry(Market((stats.uniform(0, 1), 10), entry_cost=0.06), SecondPrice(reserve=1))
    3
    """
    if len(market.classes) > 1:
        raise ValueError("entry is counted for suppliers of one kind")
    if not market.entry_cost > 0:
        raise ValueError("entry_cost is 0: all suppliers enter")
    distribution, potential = market.classes[0]
    entered = 0
    for count in range(1, potential + 1):
        if count == 1 and getattr(rule, "reserve", None) is None:
            continue  # one alone without a reserve could ask anything
        there = replace(market, costs=(distribution, count), entry="fixed", rings={})
        found = equilibrium(rule, there)
        if (found.expected_payment - found.expected_cost) / count < market.entry_cost:
            break
        entered = count
    if not entered:
        raise ValueError(f"nobody enters: even alone a supplier earns less than entering costs, {market.entry_cost:g}")
    return entered
