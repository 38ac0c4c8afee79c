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
Profit = Callable[[Floats, Floats], Floats]  # of costs and bids that broadcast: expected utility

TYPES, BIDS, REFINED = 61, 1501, 201
SIGNALS, SUMS = 1000, 301  # of a common component
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
    """sup over costs of the best profit less that of the strategy.

    Args:
        profit: Of costs of shape (costs, 1) and bids of shape (costs or 1, bids).
        costs: Shape (costs,).
        own: The strategy; NaN where it does not bid.
        bids: Ascending, tried for each cost; the best one once more on a finer scale.
        refined: How many are tried there.
    """
    column = costs[:, None]
    asked = np.asarray(own(costs), dtype=float)
    with np.errstate(invalid="ignore"):
        mine = np.nan_to_num(profit(column, asked[:, None])[:, 0], nan=0.0)
    tried = profit(column, bids[None, :])
    best = np.nanargmax(tried, axis=1)
    near = np.linspace(bids[np.maximum(best - 1, 0)], bids[np.minimum(best + 1, len(bids) - 1)], refined, axis=1)
    most = np.maximum(np.nanmax(profit(column, near), axis=1), np.nanmax(tried, axis=1))
    return max(0.0, float((most - mine).max()))


def cost_by_cost(profit: Callable[[float, Floats], Floats]) -> Profit:
    """The profit of one cost, for several."""

    def of(costs: Floats, bids: Floats) -> Floats:
        rows = np.broadcast_to(bids, (len(costs), bids.shape[1]))
        return np.array([profit(cost, row) for cost, row in zip(costs[:, 0].tolist(), rows, strict=True)])

    return of


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

        def profit(cost: Floats, asked: Floats, number: int = number, inside: float = inside) -> Floats:
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
    return largest_gain(cost_by_cost(profit), types(market, 0, float(strategy.costs[-1])), strategy, bids)


def signalled(market: Market, strategy: Strategy, reserve: float, *, second: bool) -> float:
    """ε of first and second price in one class with a common component, as bids on s = c + v / n.

    With A(b) the chance that one rival bids more than b, and m(b) its mean signal if it does, a bid b earns
    A^(n−1) (b − s − (n−1)/n m) under first price.
    """
    ((private, count),) = market.classes
    top = float(strategy.costs[-1])
    cost = np.union1d(
        np.linspace(float(strategy.costs[0]), top, SUMS), strategy.costs[:: len(strategy.costs) // SUMS + 1]
    )
    left, mean = _rival_above(private, market.common, count, cost)
    asked = strategy(cost)
    rivals = count - 1
    chance = left**rivals
    burden = chance * rivals / count * mean
    if second:  # paid: the mean of the lowest rival's bid, or the reserve where nobody else bids
        steps = -np.diff(chance) * (asked[1:] + asked[:-1]) / 2
        last = reserve if strategy.ceiling < math.inf else asked[-1]
        income = np.append(np.cumsum(steps[::-1])[::-1], 0.0) + chance[-1] * last
    else:
        income = chance * asked
    profit = income - burden - np.outer(cost, chance)  # of each sum (rows), bidding as each other does (columns)
    return float((profit.max(axis=1) - np.diagonal(profit)).max())


def _rival_above(private: Any, common: Any, count: int, at: Floats) -> tuple[Floats, Floats]:
    """The chance that c + v / n is above some sums, and the mean of v if it is.

    The narrower of c and v / n is taken at quantiles of equal weight, the other by its survivor function.
    """
    quantiles = (np.arange(SIGNALS) + 0.5) / SIGNALS
    widths = [float(np.ptp(each.ppf([0.01, 0.99]))) for each in (private, common)]
    if widths[0] > widths[1] / count:
        signals = np.asarray(common.ppf(quantiles))
        more = np.array([private.sf(each - signals / count) for each in at])
        left, total = more.mean(axis=1), (more * signals).mean(axis=1)
    else:
        least = count * (at[:, None] - private.ppf(quantiles))
        fine = np.asarray(common.ppf(np.linspace(0, 1, FINE)))
        # E[v; v above x], from above; between two quantiles v has its mean of a straight line.
        steps = (fine[1:] + fine[:-1]) / 2 / (FINE - 1)
        sums = np.append(np.cumsum(steps[::-1])[::-1], 0.0)
        above = common.sf(least)
        place = np.clip((1 - above) * (FINE - 1), 0, FINE - 1)
        cell = np.minimum(place.astype(int), FINE - 2)
        partial = (cell + 1 - place) * (np.clip(least, fine[0], fine[-1]) + fine[cell + 1]) / 2 / (FINE - 1)
        left, total = above.mean(axis=1), (sums[cell + 1] + partial).mean(axis=1)
    return left, total / np.maximum(left, 1e-300)
