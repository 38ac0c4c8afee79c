"""Second price: who asks least is paid what would just have won."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from procure_opt.auction import signals, symmetric
from procure_opt.auction.asymmetric import ALONE
from procure_opt.auction.entry import entering
from procure_opt.auction.market import Market
from procure_opt.auction.outcome import Equilibrium
from procure_opt.auction.rules import (
    SecondPrice,
)
from procure_opt.auction.symmetric import Strategy

Floats = NDArray[np.float64]


def second_price(rule: SecondPrice, market: Market) -> Equilibrium:
    """Asking one's cost is a dominant strategy; what is paid is an integral over rivals' lowest evaluated cost."""
    if market.common is not None:
        return signals.solve(rule, market)
    numbers = np.arange(len(market.classes))
    caps, factor, off = rule.caps(numbers), rule.factor(numbers), rule.off(numbers)
    reserve = float(caps.max())
    if market.bidders == 1 and math.isinf(reserve):
        raise ValueError(ALONE)
    if all(cap <= float(each.support()[0]) for cap, (each, _) in zip(caps, market.classes, strict=True)):
        raise ValueError(f"the reserve, {reserve:g}, is below every cost: nobody can bid")
    bidding, cutoff, _ = entering(market, reserve)
    if market.correlation:
        return _second_correlated(rule, market, caps, factor, off)
    return _truthful(rule, market, *_second_sums(market, np.minimum(caps, cutoff), caps, factor, off, bidding), bidding,
                     min(cutoff, reserve))  # fmt: skip


def _truthful(
    rule: Any, market: Market, won: Floats, payment: float, cost: float, bidding: float, ceiling: float
) -> Equilibrium:
    strategies, numbers = [], np.arange(len(market.classes))
    caps = np.minimum(rule.caps(numbers), ceiling)
    for (distribution, _), cap in zip(market.classes, caps, strict=True):
        low, high = float(distribution.support()[0]), float(distribution.ppf(1 - 1e-15))
        ends = np.array([low, max(min(high, cap), low + 1e-12)])
        limit = float(cap) if cap < float(distribution.support()[1]) else math.inf
        strategies.append(Strategy(ends, ends, np.ones(2), ceiling=limit))
    low = min(float(each.costs[0]) for each in strategies)
    return Equilibrium(rule, market, tuple(strategies), low, payment, cost, tuple(won.tolist()), 0.0, bidding,
                       note="asking one's cost is a dominant strategy")  # fmt: skip


def _second_sums(
    market: Market, tops: Floats, caps: Floats, factor: Floats, off: Floats, bidding: float,
    below: Callable[[int, Floats], Floats] | None = None, thick: Callable[[int, Floats], Floats] | None = None,
) -> tuple[Floats, float, float]:  # fmt: skip
    """Chances to win, expected payment and expected cost: with R the chance that no rival's evaluated cost is below s,
    Σ n [∫ price(s) R dF + ∫ price′ R F ds] up to the cap."""
    distributions = [each for each, _ in market.classes]
    lows = np.array([float(each.support()[0]) for each in distributions])
    highs = np.array([min(float(each.isf(1e-17)), top) for each, top in zip(distributions, tops, strict=True)])

    def score(number: int, cost: Any) -> Any:
        return factor[number] * cost - off[number]

    capped = np.array([score(k, caps[k]) for k in range(len(caps))])
    ends = np.unique(np.concatenate([
        [score(k, lows[k]) for k in range(len(caps))], [score(k, highs[k]) for k in range(len(caps))],
        capped[np.isfinite(capped)],
        *[score(k, symmetric.grid(each, float(lows[k]), float(highs[k])))
          for k, each in enumerate(distributions) if highs[k] > lows[k]],
    ]))  # fmt: skip
    at, weights = symmetric.cells(ends)

    def gone(number: int, s: Floats) -> Floats:
        """The chance that a supplier bids and has an evaluated cost of at most s."""
        cost = np.minimum((s + off[number]) / factor[number], highs[number])
        chance = distributions[number].cdf(cost) if below is None else below(number, cost)
        return np.asarray(bidding * chance)

    shares = [gone(k, at) for k in range(len(caps))]
    at_ends = [float(gone(k, ends[-1:])[0]) for k in range(len(caps))]
    won, payment, total = np.zeros(len(caps)), 0.0, 0.0
    for k, count in enumerate(market.counts):
        rivals = np.ones_like(at)
        for j, others in enumerate(market.counts):
            rivals *= (1 - shares[j]) ** (others - (j == k))
        price = (at + off[k]) / factor[k]
        within = (at <= score(k, highs[k])) & (at >= score(k, lows[k]))
        if thick is None:
            spans = np.clip((ends + off[k]) / factor[k], lows[k], highs[k])
            mass = np.where(within, bidding * symmetric.spread(distributions[k], spans, price, weights), 0.0)
        else:
            mass = weights * np.where(within, bidding * thick(k, price) / factor[k], 0.0)
        won[k] = count * float((mass * rivals).sum())
        paid = at <= capped[k]
        payment += count * float((mass * rivals * price).sum()) + count * float(
            (weights * rivals * shares[k] / factor[k])[paid].sum()
        )
        total += count * float((mass * rivals * price).sum())
        if math.isfinite(capped[k]) and capped[k] > ends[-1]:
            alone = math.prod((1 - at_ends[j]) ** (others - (j == k)) for j, others in enumerate(market.counts))
            payment += count * alone * at_ends[k] * (capped[k] - ends[-1]) / factor[k]
    return won, payment, total


def _second_correlated(rule: SecondPrice, market: Market, caps: Floats, factor: Floats, off: Floats) -> Equilibrium:
    """Given the common factor costs are independent; the factor is integrated over."""
    points, weights = special.roots_hermitenorm(96)
    own, rest = math.sqrt(market.correlation), math.sqrt(1 - market.correlation)
    sums: list[Any] = [0.0, 0.0, 0.0]
    for point, weight in zip(points, weights / weights.sum(), strict=True):

        def below(number: int, cost: Floats, point: float = point) -> Floats:
            place = special.ndtri(market.classes[number][0].cdf(cost))
            return np.asarray(special.ndtr((place - own * point) / rest))

        def thick(number: int, cost: Floats, point: float = point) -> Floats:
            distribution = market.classes[number][0]
            place = special.ndtri(np.clip(distribution.cdf(cost), 1e-300, 1 - 1e-16))
            ratio = np.exp((place**2 - ((place - own * point) / rest) ** 2) / 2) / rest
            return np.asarray(distribution.pdf(cost) * ratio)

        part = _second_sums(market, caps, caps, factor, off, 1.0, below, thick)
        sums = [whole + weight * each for whole, each in zip(sums, part, strict=True)]
    return _truthful(rule, market, sums[0], float(sums[1]), float(sums[2]), 1.0, math.inf)
