"""Average bid: who is closest to the mean wins."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from procure_opt.auction import symmetric
from procure_opt.auction.market import Market
from procure_opt.auction.outcome import Equilibrium, private
from procure_opt.auction.rules import (
    AverageBid,
)
from procure_opt.auction.symmetric import Strategy

Floats = NDArray[np.float64]


def average_bid(rule: AverageBid, market: Market) -> Equilibrium:
    """All ask the reserve: who deviates is farther from the mean than those who do not."""
    private(market, "an average-bid rule")
    if rule.exclusion:
        raise ValueError(
            "where bids that undercut the mean by much are excluded and the lowest other one wins, no common bid "
            "lasts: one slightly higher than all others wins outright, since these all undercut the mean as much as "
            "they do on average; there is no pure equilibrium to report"
        )
    if rule.discount:
        raise ValueError(
            "with the benchmark below the mean no common bid lasts: one that is slightly lower is closer to it; "
            "set discount to 0"
        )
    if market.bidders < 3:
        raise ValueError("of two bids both are equally close to their mean; average bids need three suppliers")
    if market.entry != "fixed" and market.entry_cost:
        raise ValueError("average bids are solved for a fixed field of suppliers")
    high = max(float(each.support()[1]) for each, _ in market.classes)
    price = high if rule.reserve is None else float(rule.reserve)
    if math.isinf(price):
        raise ValueError("costs have no upper end: give the rule a reserve, which all then ask")
    if price < high:
        raise ValueError(
            f"some costs are above the reserve, {price:g}; average bids are solved for where all can bid, with a "
            f"reserve of at least {high:g}"
        )
    strategies = []
    for distribution, _ in market.classes:
        ends = np.array([float(each) for each in distribution.support()])
        strategies.append(Strategy(ends, np.full(2, price), np.zeros(2)))
    n = market.bidders
    means = [
        float((mass * at).sum())
        for at, mass in (
            symmetric.masses(each, symmetric.grid(each, *(float(end) for end in each.support())))
            for each, _ in market.classes
        )
    ]
    cost = sum(count / n * mean for count, mean in zip(market.counts, means, strict=True))
    low = min(float(each.support()[0]) for each, _ in market.classes)
    tried = np.linspace(low, price, 401)[:-1]
    others = np.full((len(tried), n), price)
    others[:, 0] = tried
    wins = rule(others, market.cls, np.random.default_rng(0)).winner == 0
    epsilon = float(np.max(np.where(wins, tried - low, 0.0), initial=0.0))
    note = f"every common bid from the highest cost up to the reserve is an equilibrium; selected: {price:g}"
    won = tuple(count / n for count in market.counts)
    return Equilibrium(rule, market, tuple(strategies), price, price, cost, won, epsilon, note=note)
