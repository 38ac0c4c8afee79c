"""What a supplier could gain by leaving its strategy: best responses, evaluated apart from whatever solved for it.

Only the rule, the market and the strategies are looked at. The chance to win with a bid is read off the rivals'
strategies by the costs at which they bid less, and profits are compared over a fine grid of bids, once more refined
around the best. ε is the largest gain over all costs (ex interim).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from procure_opt.auction.market import Market
from procure_opt.auction.symmetric import Strategy

Floats = NDArray[np.float64]
Profit = Callable[[float, Floats], Floats]  # of a cost and some bids: expected utility

TYPES, BIDS, REFINED = 61, 1501, 201
FINE = 20001  # costs at which rivals' strategies are inverted


def utility(market: Market, profit: Floats) -> Floats:
    """The utility of a profit."""
    if market.absolute_risk_aversion:
        return np.asarray(-np.expm1(np.minimum(-market.absolute_risk_aversion * profit, 700)))
    if market.risk_aversion:
        return np.asarray(np.sign(profit) * np.abs(profit) ** (1 - market.risk_aversion))
    return profit


def types(market: Market, number: int, top: float) -> Floats:
    """Costs of a class at which gains are looked for: likely ones, and evenly spread ones."""
    distribution = market.classes[number][0]
    low = float(distribution.support()[0])
    high = min(top, float(distribution.ppf(1 - 1e-6)))
    likely = distribution.ppf(np.linspace(0, 1, TYPES)[:-1] * distribution.cdf(high))
    return np.unique(np.clip(np.append(likely, np.linspace(low, high, TYPES)), low, high))


class Rivals:
    """The chance that no rival of one supplier has a lower evaluated bid.

    Args:
        market: The market as it bids.
        strategies: Of each class.
        factor: 1 − δ of each class: evaluated is factor · bid.
        bids: Probability that a supplier bids at all (uninformed entry).
    """

    def __init__(self, market: Market, strategies: Sequence[Strategy], factor: Sequence[float], bids: float = 1.0):
        self.market, self.bids = market, bids
        self._costs, self._asked = list[Floats](), list[Floats]()
        self._pools = [(share * each.pool, each.pooled) for each, share in zip(strategies, factor, strict=True)]
        for (distribution, _), strategy, share in zip(market.classes, strategies, factor, strict=True):
            low = float(distribution.support()[0])
            high = min(strategy.ceiling, float(distribution.ppf(1 - 1e-15)))
            if not high > low:  # nobody of this class bids
                self._costs.append(np.array([low]))
                self._asked.append(np.array([np.inf]))
                continue
            spread = np.linspace(low, high, FINE)
            likely = distribution.ppf(np.linspace(0, 1, FINE) * float(distribution.cdf(high)))
            costs = np.unique(np.concatenate([spread, likely, strategy.costs[strategy.costs <= high]]))
            if strategy.pooled > -math.inf:
                costs = np.append(np.nextafter(strategy.pooled, np.inf), costs[costs > strategy.pooled])
            self._costs.append(costs)
            self._asked.append(share * strategy(costs))

    def cost(self, number: int, evaluated: Floats) -> Floats:
        """The cost at which a class makes an evaluated bid: below its lowest bid −inf, above its highest inf."""
        asked = self._asked[number]
        found = np.interp(evaluated, asked, self._costs[number])
        pool, pooled = self._pools[number]
        least = np.where(evaluated > pool, pooled, -np.inf)
        return np.where(evaluated < asked[0], least, np.where(evaluated > asked[-1], np.inf, found))

    def none_below(self, number: int, evaluated: Floats) -> Floats:
        """The chance that of the rivals of a supplier of a class none has a lower evaluated bid."""
        chance = np.ones(np.shape(evaluated))
        for other, (distribution, count) in enumerate(self.market.classes):
            some = count - (other == number)
            if not some:
                continue
            cost = self.cost(other, evaluated)
            lowest, highest = float(distribution.support()[0]), float(self._costs[other][-1])
            gone = distribution.cdf(np.clip(cost, lowest, highest))
            chance = chance * (1 - self.bids * np.where(np.isneginf(cost), 0.0, gone)) ** some
        return chance


def largest_gain(
    profit: Profit, costs: Floats, own: Callable[[Any], Any], bids: Floats, refined: int = REFINED
) -> float:
    """sup over costs of the best profit less that of the strategy."""
    worst = 0.0
    for cost in costs:
        asked = float(own(cost))
        mine = 0.0 if math.isnan(asked) else float(profit(float(cost), np.array([asked]))[0])
        tried = profit(float(cost), bids)
        best = int(np.nanargmax(tried))
        near = np.linspace(bids[max(best - 1, 0)], bids[min(best + 1, len(bids) - 1)], refined)
        gain = max(float(np.nanmax(profit(float(cost), near))), float(tried[best])) - mine
        worst = max(worst, gain)
    return worst


def first_price(
    market: Market,
    strategies: Sequence[Strategy],
    factor: Sequence[float],
    reserve: float = math.inf,
    floor: float = -math.inf,
    bids: float = 1.0,
) -> float:
    """ε where the lowest evaluated bid wins and is paid what it asked."""
    rivals, worst, n = Rivals(market, strategies, factor, bids), 0.0, market.bidders
    for number, own in enumerate(strategies):
        pooled = own.pooled if own.pooled > -math.inf else None
        if own.costs[0] > own.ceiling or np.isnan(own(own.costs[0])):
            continue  # nobody of this class bids
        inside = 0.0 if pooled is None else float(market.classes[number][0].cdf(pooled))

        def profit(cost: float, asked: Floats, number: int = number, inside: float = inside) -> Floats:
            chance = rivals.none_below(number, factor[number] * asked)
            if inside:  # those who ask the floor share by lot with all who do
                chance = np.where(asked <= floor, (1 - (1 - inside) ** n) / (n * inside), chance)
            valid = (asked <= reserve * (1 + 1e-12)) & (
                asked >= floor - 1e-12 * abs(floor) if floor > -math.inf else True
            )
            return np.asarray(np.where(valid, utility(market, asked - cost) * chance, 0.0))

        pairs = [(each, share) for each, share in zip(strategies, factor, strict=True) if each.costs[0] <= each.ceiling]
        high = min(reserve, max(float(each.bids[-1]) * share for each, share in pairs) / factor[number])
        low = (
            floor if inside else max(floor, min(float(each.bids[0]) * share for each, share in pairs) / factor[number])
        )
        made = own.bids[(own.bids >= low) & (own.bids <= high)]
        asked = np.unique(np.append(np.linspace(low, high, BIDS), made[:: max(1, len(made) // BIDS)]))
        worst = max(worst, largest_gain(profit, types(market, number, float(own.costs[-1])), own, asked))
    return worst


def correlated(market: Market, strategy: Strategy, reserve: float) -> float:
    """ε of first price in one class, with costs of a Gaussian copula: integrated over the common factor."""
    distribution, count = market.classes[0]
    rivals = Rivals(market, [strategy], [1.0])
    points, weights = special.roots_hermitenorm(64)
    weights = weights / weights.sum()
    own, rest = math.sqrt(market.correlation), math.sqrt(1 - market.correlation)

    def profit(cost: float, asked: Floats) -> Floats:
        score = float(special.ndtri(np.clip(distribution.cdf(cost), 1e-15, 1 - 1e-15)))
        factor = own * score + rest * points
        theirs = rivals.cost(0, asked)
        low, high = distribution.support()
        place = special.ndtri(np.clip(distribution.cdf(np.clip(theirs, low, high)), 0, 1))
        left = special.ndtr(-(place[:, None] - own * factor) / rest)
        left[np.isneginf(theirs)] = 1.0
        chance = (weights * left ** (count - 1)).sum(axis=1)
        return np.asarray(utility(market, asked - cost) * chance)

    bids = np.linspace(float(strategy.bids[0]), min(reserve, float(strategy.bids[-1])), BIDS)
    return largest_gain(profit, types(market, 0, float(strategy.costs[-1])), strategy, bids)
