"""First price: who asks least, counted with a preference, is paid what it asked."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, optimize, special

from procure_opt.auction import asymmetric, signals, symmetric, verify
from procure_opt.auction.asymmetric import ALONE
from procure_opt.auction.distributions import Affine
from procure_opt.auction.entry import entering
from procure_opt.auction.market import Market
from procure_opt.auction.outcome import Equilibrium, private, reserve_of
from procure_opt.auction.rules import (
    FirstPrice,
)
from procure_opt.auction.symmetric import Strategy

Floats = NDArray[np.float64]


def first_price(rule: FirstPrice, market: Market) -> Equilibrium:
    reserve = reserve_of(rule, market)
    factor = rule.factor(np.arange(len(market.classes))).tolist()
    if len({*factor}) == 1:  # a preference for all is one for none
        factor = [1.0] * len(factor)
        if len({id(each) for each, _ in market.classes}) == 1 < len(market.classes):
            return _split(rule, market)
    if market.common is not None:
        return signals.solve(rule, market)
    if len(market.classes) > 1:
        return _classes(rule, market, reserve, factor)
    if rule.floor is not None:
        return _floored(rule, market, reserve)
    if market.correlation:
        return _correlated(rule, market, reserve)
    return _alike(rule, market, reserve)


def _split(rule: FirstPrice, market: Market) -> Equilibrium:
    """Classes that do not differ, solved as one."""
    found = first_price(replace(rule, preference={}), replace(market, costs=(market.classes[0][0], market.bidders)))
    shares = tuple(found.award_probability * count / market.bidders for count in market.counts)
    strategies = found.strategies * len(market.counts)
    return replace(found, rule=rule, market=market, strategies=strategies, win_probability=shares)


def _alike(rule: FirstPrice, market: Market, reserve: float) -> Equilibrium:
    """Suppliers of one kind, all of whom bid, or who enter."""
    distribution, count = market.classes[0]
    low, high = (float(each) for each in distribution.support())
    theta, absolute = 1 - market.risk_aversion, market.absolute_risk_aversion
    bidding, top, beyond = entering(market, reserve)
    if count == 1 and rule.reserve is None:
        raise ValueError(ALONE)
    top = min(top, high, reserve)
    if math.isinf(top):
        top = float(distribution.isf(math.exp(-min(700.0, 37 + symmetric.FAR * theta / (count - 1)))))
    nodes = symmetric.grid(distribution, low, top)
    if (count == 1 or bidding < 1) and reserve > top:
        beyond = reserve - top  # one who may be alone can always ask the reserve

    def log_win(cost: Any) -> Any:
        if count == 1:
            return np.zeros(np.shape(cost))
        if bidding < 1:
            return (count - 1) * np.log1p(-bidding * distribution.cdf(cost))
        return (count - 1) * symmetric.log_survivor(distribution, cost)

    bids = symmetric.first_price(nodes, log_win, theta, absolute, beyond)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        left = 1 - bidding * distribution.cdf(nodes)
        hazard = (count - 1) * bidding * distribution.pdf(nodes) / (left if bidding < 1 else distribution.sf(nodes))
        profit = bids - nodes
        exact = hazard * (np.expm1(np.minimum(absolute * profit, 700)) / absolute if absolute else profit / theta)
        exact[distribution.sf(nodes) <= 0] = np.nan
    ceiling = top if top < high else math.inf
    strategy = Strategy(nodes, bids, symmetric.slopes(nodes, bids, exact), ceiling=ceiling)
    at, mass = symmetric.masses(distribution, nodes)
    chance = count * bidding * mass * np.exp(log_win(at))
    payment, cost, wins = (float((chance * each).sum()) for each in (strategy(at), at, 1.0))
    epsilon = verify.first_price(market, [strategy], [1.0], reserve, bids=bidding) if count > 1 else 0.0
    return Equilibrium(rule, market, (strategy,), float(bids[0]), payment, cost, (wins,), epsilon, bidding)


def _floored(rule: FirstPrice, market: Market, reserve: float) -> Equilibrium:
    """A floor under bids: those who would bid less, and some more, ask the floor, and share by lot."""
    assert rule.floor is not None
    if market.entry_cost and market.entry != "fixed":
        raise ValueError("a floor is solved for a fixed field of suppliers")
    private(market, "a floor")
    free = _alike(replace(rule, floor=None), market, reserve)
    floor, (distribution, count), strategy = rule.floor, market.classes[0], free.strategies[0]
    if floor <= free.low_bid:
        return replace(free, rule=rule, note="the floor does not bind")
    low, top = float(strategy.costs[0]), float(strategy.costs[-1])
    if floor >= strategy.bids[-1]:
        raise ValueError(f"the floor, {floor:g}, is not below the highest bid, {strategy.bids[-1]:g}: all would ask it")

    def rather(cost: float) -> float:
        """How much better off a supplier is at the floor."""
        pooled = float(distribution.cdf(cost))
        chance = float(distribution.sf(cost)) ** (count - 1)
        alone = (1 - (1 - pooled) ** count) / (count * pooled) if pooled > 1e-12 else 1.0
        gains = verify.utility(market, np.array([floor - cost, float(strategy(cost)) - cost]))
        return float(gains[0] * alone - gains[1] * chance)

    pooled = float(optimize.brentq(rather, low + 1e-12 * (top - low), min(floor, top), xtol=1e-15))
    own = replace(strategy, pooled=pooled, pool=floor)
    inside, left = float(distribution.cdf(pooled)), float(distribution.sf(pooled))
    nodes = np.unique(np.append(pooled, strategy.costs[strategy.costs > pooled]))
    at, mass = symmetric.masses(distribution, nodes)
    chance = count * mass * distribution.sf(at) ** (count - 1)
    below, share = symmetric.masses(distribution, np.unique(np.append(strategy.costs[strategy.costs < pooled], pooled)))
    mean = float((share * below).sum()) / inside
    wins = 1 - left**count
    payment = wins * floor + float((chance * strategy(at)).sum())
    cost = wins * mean + float((chance * at).sum())
    epsilon = verify.first_price(market, [own], [1.0], reserve, floor)
    note = f"costs of up to {pooled:.6g} ask the floor and share by lot"
    return Equilibrium(rule, market, (own,), floor, payment, cost, (wins + float(chance.sum()),), epsilon, note=note)


def _correlated(rule: FirstPrice, market: Market, reserve: float) -> Equilibrium:
    """Affiliated costs (Milgrom and Weber 1982), by the Gaussian copula."""
    distribution, count = market.classes[0]
    if market.entry_cost and market.entry != "fixed":
        raise ValueError("correlated costs are solved for a fixed field of suppliers")
    if count == 1:
        raise ValueError("with one supplier there is no competition, and nothing to be correlated")
    low, high = (float(each) for each in distribution.support())
    top = min(high, reserve, float(distribution.isf(1e-15)))
    nodes = symmetric.grid(distribution, low, top)
    scores, against, wins = symmetric.factor_hazard(market.correlation, count - 1)
    loss = interpolate.CubicSpline(scores, against)
    chance_at = interpolate.CubicSpline(scores, wins)

    def score(cost: Any) -> Any:
        return np.clip(special.ndtri(np.clip(distribution.cdf(cost), 1e-19, 1 - 1e-16)), -9, 9)

    theta, absolute = 1 - market.risk_aversion, market.absolute_risk_aversion
    bids = symmetric.first_price(nodes, lambda cost: -loss(score(cost)), theta, absolute)
    strategy = Strategy(nodes, bids, np.gradient(bids, nodes), ceiling=top if top < high else math.inf)
    at, mass = symmetric.masses(distribution, nodes)
    chance = count * mass * chance_at(score(at))
    payment, cost, won = (float((chance * each).sum()) for each in (strategy(at), at, 1.0))
    epsilon = verify.correlated(market, strategy, reserve)
    return Equilibrium(rule, market, (strategy,), float(bids[0]), payment, cost, (won,), epsilon)


def _classes(rule: Any, market: Market, reserve: float, factor: list[float]) -> Equilibrium:
    """Several classes, in evaluated prices: a preferred supplier has costs (1 − δ) c and is paid s / (1 − δ)."""
    private(market, "first price with several classes")
    if getattr(rule, "floor", None) is not None:
        raise ValueError("a floor is solved for suppliers of one kind")
    if market.entry_cost and market.entry != "fixed":
        raise ValueError("entry is solved for suppliers of one kind")
    if market.absolute_risk_aversion:
        raise ValueError("several classes are solved for relative risk aversion; set absolute_risk_aversion to 0")
    valued = [
        (each if share == 1 else Affine(each, share), count)
        for (each, count), share in zip(market.classes, factor, strict=True)
    ]
    limit = reserve if min(factor) == 1 else math.inf
    path = asymmetric.solved(valued, limit, 1 - market.risk_aversion)
    if math.isinf(limit) and reserve < path.high / min(factor):
        raise ValueError(
            f"with this preference prices of up to {path.high / min(factor):g} are asked; a reserve below that, here "
            f"{reserve:g}, caps prices that differ from evaluated ones, and is not solved for: leave one of the two out"
        )
    strategies, won, payment, cost = [], [], 0.0, 0.0
    mass = path.weights * path.none
    for number, ((valued_one, count), share) in enumerate(zip(valued, factor, strict=True)):
        wins = count * path.hazards[number] * mass
        strategies.append(_drawn(path, number, valued_one, share, limit))
        won.append(float(wins.sum()))
        payment += float((wins * path.bids).sum()) / share  # of evaluated prices
        known = np.isfinite(path.costs[number])
        cost += float((wins[known] * path.costs[number][known]).sum()) / share
    epsilon = verify.first_price(market, strategies, factor, reserve)
    return Equilibrium(rule, market, tuple(strategies), path.low, payment, cost, tuple(won), epsilon)


def _drawn(path: asymmetric.Path, number: int, valued: Any, share: float, reserve: float) -> Strategy:
    """The strategy of a class, from its path in evaluated prices."""
    low, high = (float(each) for each in valued.support())
    top = min(high, path.high)
    if low >= path.high:  # never wins
        ends = np.array([low, max(high, low + 1e-9)]) / share
        return Strategy(ends, ends, np.ones(2), ceiling=reserve)
    costs, bids, hazards = path.costs[number][:-1], path.bids[:-1], path.hazards[number][:-1]
    moving = (hazards > 0) & np.isfinite(costs)
    costs, bids, hazards = costs[moving], bids[moving], hazards[moving]
    growing = np.append(True, np.diff(np.maximum.accumulate(costs)) > 1e-13 * (high - low))
    costs, bids, hazards = costs[growing], bids[growing], hazards[growing]
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = valued.pdf(costs) / valued.sf(costs) / hazards
    start = path.low if moving[0] else float(bids[0])
    inside = (costs > low + 1e-12) & (costs < top - 1e-13 * (high - low))
    costs = np.concatenate([[low], costs[inside], [top]]) / share
    bids = np.concatenate([[min(start, float(bids[0]))], bids[inside], [path.high]]) / share
    exact = np.concatenate([[np.nan], exact[inside], [path.slopes[number]]])
    return Strategy(costs, bids, symmetric.slopes(costs, bids, exact), ceiling=reserve)
