"""Price points, with a lead that all know of or that only its holder does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procure_opt.auction import symmetric, verify
from procure_opt.auction.first_price import first_price
from procure_opt.auction.market import Market
from procure_opt.auction.outcome import Equilibrium, private, risk_neutral
from procure_opt.auction.rules import (
    FirstPrice,
    PricePoints,
)
from procure_opt.auction.symmetric import Strategy

Floats = NDArray[np.float64]


def price_points(rule: PricePoints, market: Market) -> Equilibrium:
    """Without a lead, first price. A lead Δ of one supplier is a price preference δ = Δ / weight against the others:
    where it is decisive the lowest price is that of its strongest rival."""
    leads = {number: points for number, points in rule.lead.items() if points}
    if rule.hidden and leads:
        return _hidden(rule, market, leads)
    if len({*leads.values()}) > 1:
        raise ValueError(
            "with several different leads the points depend on who else bids, and no equilibrium is computed; "
            "give one lead to one class"
        )
    preference = {number: points / rule.weight for number, points in leads.items()}
    found = first_price(FirstPrice(rule.reserve, preference), market)
    return replace(found, rule=rule)


def _hidden(rule: PricePoints, market: Market, leads: dict[int, float]) -> Equilibrium:
    """A lead that only its holder knows of: it asks what is best against others who bid as if there were none."""
    if len(leads) > 1 or any(market.counts[number] != 1 for number in leads):
        raise ValueError("a hidden lead is one supplier's: give it to a class of one")
    private(market, "a hidden lead")
    risk_neutral(market, "a hidden lead")
    ((number, points),) = leads.items()
    open_ = first_price(FirstPrice(rule.reserve), market)
    factor = [1 - points / rule.weight if k == number else 1.0 for k in range(len(market.classes))]
    rivals = verify.Rivals(market, open_.strategies, [1.0] * len(market.classes))
    reserve = math.inf if rule.reserve is None else float(rule.reserve)
    highest = max(float(each.bids[-1]) for each in open_.strategies) / factor[number]
    tried = np.linspace(open_.low_bid, min(reserve, highest), 8001)

    def profit(cost: Any, asked: Floats) -> Floats:
        return np.asarray((asked - cost) * rivals.none_below(number, factor[number] * asked))

    low, high = (float(each) for each in market.classes[number][0].support())
    nodes = np.linspace(low, min(high, reserve), 1001)
    bids = np.array([_best(partial(profit, cost), tried) for cost in nodes.tolist()])
    bids = np.maximum.accumulate(np.maximum(bids, nodes))
    own = Strategy(nodes, bids, np.gradient(bids, nodes), ceiling=reserve if reserve < high else math.inf)
    strategies = tuple(own if k == number else each for k, each in enumerate(open_.strategies))
    won, payment, cost = _sums(market, strategies, factor)
    gain = verify.largest_gain(profit, verify.types(market, number, float(nodes[-1])), own, tried)
    regret = verify.first_price(market, strategies, factor, reserve)
    note = f"the others do not know of the lead; one that did could gain up to {regret:.4g} by another bid"
    low_bid = min(float(each.bids[0]) for each in strategies)
    return Equilibrium(rule, market, strategies, low_bid, payment, cost, won, max(gain, open_.epsilon), note=note)


def _best(profit: Callable[[Floats], Floats], tried: Floats) -> float:
    """The bid with the highest profit, sharpened twice around the best of those tried."""
    for _ in range(3):
        k = int(profit(tried).argmax())
        best = float(tried[k])
        tried = np.linspace(tried[max(k - 1, 0)], tried[min(k + 1, len(tried) - 1)], 101)
    return best


def _sums(
    market: Market, strategies: tuple[Strategy, ...], factor: list[float]
) -> tuple[tuple[float, ...], float, float]:
    """Chances to win, expected payment and expected cost of any strategies, by quadrature over the winner's cost."""
    rivals = verify.Rivals(market, strategies, factor)
    won, payment, cost = [], 0.0, 0.0
    for number, ((distribution, count), strategy) in enumerate(zip(market.classes, strategies, strict=True)):
        low, high = float(distribution.support()[0]), min(float(distribution.ppf(1 - 1e-15)), strategy.ceiling)
        at, mass = symmetric.masses(distribution, symmetric.grid(distribution, low, high))
        asked = strategy(at)
        chance = count * mass * rivals.none_below(number, factor[number] * asked)
        won.append(float(chance.sum()))
        payment += float((chance * asked).sum())
        cost += float((chance * at).sum())
    return tuple(won), payment, cost
