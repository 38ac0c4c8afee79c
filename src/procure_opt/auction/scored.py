"""Scoring auctions, in which suppliers of one kind choose a quality and a price.

A supplier of type θ delivers quality q at a cost of C(q, θ). With a score s(q) − p it offers the quality
q*(θ) = argmax s(q) − C(q, θ) whatever the competition, and what is left is an auction in k(θ) = C(q*, θ) − s(q*):

    p(θ) = s(q*) + k(θ) + ∫_θ k′(t) (S(t) / S(θ))^(n−1) dt,   k′(t) = C_θ(q*(t), t)

(Che 1993, RAND Journal of Economics 24; with second score the price depends on the next best offer, and is the same in
the mean). With a ratio p / q as score quality does depend on competition. Let π(y, θ) = max_q y q − C(q, θ) be what a
supplier earns at ratio y, and h the hazard of types. Then

    dy / dθ = (n − 1) h(θ) π / π_y,   π_y = q,   π(y(θ̄), θ̄) = 0

(Hanazono, Nakabayashi and Tsuruoka 2015), and with second ratio a supplier offers the y at which it earns nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, interpolate

from procure_opt.auction import symmetric, verify
from procure_opt.auction.market import Market, Quality
from procure_opt.auction.rules import FirstScore, RatioScore, SecondScore

Floats = NDArray[np.float64]
Curve = Callable[[Any], Any]

GOLDEN = (math.sqrt(5) - 1) / 2
SEARCHES = 90  # golden-section steps
TYPES, BIDS, QUALITIES = 41, 801, 401  # of which gains are looked for
LAST = 40.0  # −log of the probability that all rivals are of a higher type, beyond which none is followed


@dataclass(frozen=True, eq=False)
class ScoreEquilibrium:
    """Qualities and prices that are best responses to each other, up to ε, and what comes of them.

    Attributes:
        rule: The bidding rule.
        market: The market.
        types: θ, ascending, shape (points,).
        qualities: What each type offers in quality.
        prices: And what it asks. With second score: what its offer costs it, so that the next best sets the price.
        expected_payment: What the winner is paid in the mean.
        expected_cost: What its quality costs it in the mean.
        expected_quality: What it delivers in the mean.
        expected_score: The score that the buyer gets in the mean: s(q) − p, or p / q.
        win_probability: 1: somebody wins.
        epsilon: The most that a supplier of any type could gain by another quality and price.
        note: What else should be known.
    """

    rule: FirstScore | SecondScore | RatioScore
    market: Market
    types: Floats
    qualities: Floats
    prices: Floats
    expected_payment: float
    expected_cost: float
    expected_quality: float
    expected_score: float
    win_probability: tuple[float, ...]
    epsilon: float
    note: str = ""

    def bid(self, cost: Any, cls: int = 0) -> Any:
        """The price asked by a supplier of some type; NaN outside the types there are."""
        return self._at(cost, cls, self.prices)

    def quality(self, cost: Any, cls: int = 0) -> Any:
        """The quality offered by a supplier of some type."""
        return self._at(cost, cls, self.qualities)

    @property
    def low_bid(self) -> float:
        """The lowest price asked."""
        return float(self.prices.min())

    @property
    def rents(self) -> float:
        """What suppliers earn in the mean."""
        return self.expected_payment - self.expected_cost

    def expected(self, of: Callable[[Any, Any], Any]) -> float:
        """The mean of a function of the winner's quality and price, such as `lambda q, p: v(q) - p`.

        Raises:
            ValueError: with second score the winner's price depends on others.
        """
        if isinstance(self.rule, SecondScore) or getattr(self.rule, "second", False):
            raise ValueError("with second score the price depends on the next best offer; use expected_payment")
        at, weights = symmetric.cells(self.types)
        chance = _winning(self.market, at) * weights
        return float((chance * of(self.quality(at), self.bid(at))).sum())

    def _at(self, cost: Any, cls: int, values: Floats) -> Any:
        if cls:
            raise ValueError(f"there is no class {cls!r}; scores are solved for one class, 0")
        found = interpolate.CubicSpline(self.types, values, extrapolate=False)(cost)
        return float(found) if np.ndim(cost) == 0 else found


def _winning(market: Market, types: Floats) -> Floats:
    """The density of the winner's type."""
    distribution, count = market.classes[0]
    with np.errstate(divide="ignore"):
        none = symmetric.log_survivor(distribution, types)
        return np.asarray(count * distribution.pdf(types) * np.exp((count - 1) * none))


def _usable(rule: Any, market: Market) -> tuple[Quality, Any, int]:
    name = type(rule).__name__
    if market.quality is None:
        raise ValueError(f"{name} needs to know what quality costs; give the market quality=Quality(C)")
    if len(market.classes) > 1:
        raise ValueError(f"{name} is solved for suppliers of one kind; the market has {len(market.classes)} classes")
    if market.risk_aversion or market.absolute_risk_aversion or market.correlation or market.common is not None:
        raise ValueError(f"{name} is solved for risk-neutral suppliers with independent types")
    if market.entry != "fixed" and market.entry_cost:
        raise ValueError(f"{name} is solved for a fixed field of suppliers")
    distribution, count = market.classes[0]
    if count < 2:
        raise ValueError(f"with one supplier there is no competition; {name} needs two")
    if not math.isfinite(float(distribution.support()[1])):
        raise ValueError(f"{name} needs types with an upper end; truncate the distribution")
    return market.quality, distribution, count


def best(of: Curve, quality: Quality, shape: tuple[int, ...]) -> Floats:
    """argmax over qualities of functions concave in it, at once for all entries of a shape."""
    low, high = np.full(shape, quality.least), np.full(shape, quality.most)
    for _ in range(SEARCHES):
        one, other = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        better = of(one) >= of(other)
        low, high = np.where(better, low, one), np.where(better, other, high)
    found = (low + high) / 2
    # Comparing values finds a maximum to the square root of their precision; where the slope is 0 is sharper.
    h = 1e-3 * np.maximum(np.abs(found), 1e-2)
    free = (found > quality.least + 3 * h) & (found < quality.most - 3 * h)
    for _ in range(3):
        at = np.where(free, found, (quality.least + quality.most) / 2)
        slope = (8 * (of(at + h) - of(at - h)) - (of(at + 2 * h) - of(at - 2 * h))) / (12 * h)
        bend = (of(at + h) - 2 * of(at) + of(at - h)) / h**2
        step = np.where(free & (bend < 0), -slope / np.where(bend < 0, bend, -1.0), 0.0)
        found = found + np.clip(step, -h, h)
    if (found > quality.most - 1e-9 * (quality.most - quality.least)).any():
        raise ValueError(
            f"quality would be as high as it can, {quality.most:g}; give Quality a higher `most`, or a cost that grows"
        )
    return np.asarray(np.clip(found, quality.least, quality.most))


def _slope(quality: Quality, q: Floats, theta: Floats, low: float, high: float) -> Floats:
    """C_θ: five points inside the types there are."""
    h = 1e-4 * (high - low)
    at = np.clip(theta, low + 2 * h, high - 2 * h)
    out = theta - at
    c = quality.cost
    first = (8 * (c(q, at + h) - c(q, at - h)) - (c(q, at + 2 * h) - c(q, at - 2 * h))) / (12 * h)
    second = (c(q, at + h) - 2 * c(q, at) + c(q, at - h)) / h**2
    return np.asarray(first + out * second)


def score(rule: FirstScore | SecondScore, market: Market) -> ScoreEquilibrium:
    """The equilibrium under s(q) − p.

    >>> from scipy import stats
    >>> market = Market((stats.uniform(1, 1), 2), quality=Quality(lambda q, theta: theta * q**2 / 2))
    >>> found = score(FirstScore(lambda q: q), market)
    >>> round(found.bid(1.2), 8), round(found.expected_score, 8)
    (0.51406732, 0.30685282)
    """
    quality, distribution, count = _usable(rule, market)
    low, high = (float(each) for each in distribution.support())
    types = symmetric.grid(distribution, low, high)
    at, weights = symmetric.cells(types)

    def value(q: Any) -> Any:
        return np.asarray(rule.value(q), dtype=float)

    offered = best(lambda q: value(q) - quality.cost(q, types), quality, types.shape)
    inside = best(lambda q: value(q) - quality.cost(q, at), quality, at.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = (count - 1) * symmetric.log_survivor(distribution, types)
        fall = np.where(
            np.isneginf(log[:-1, None]),
            -np.inf,
            (count - 1) * symmetric.log_survivor(distribution, at) - log[:-1, None],
        )
        step = np.where(np.isneginf(log[:-1]), -np.inf, np.diff(log))
    part = (weights * _slope(quality, inside, at, low, high) * np.exp(fall)).sum(axis=1)
    above = np.zeros(len(types))
    for k in range(len(types) - 2, -1, -1):
        above[k] = part[k] + math.exp(step[k]) * above[k + 1]
    costs = np.asarray(quality.cost(offered, types), dtype=float)
    asked = costs + above
    chance = weights * _winning(market, at)
    margin = interpolate.CubicSpline(types, above)(at)
    cost_inside = np.asarray(quality.cost(inside, at), dtype=float)
    payment, cost = float((chance * (cost_inside + margin)).sum()), float((chance * cost_inside).sum())
    epsilon = _gain_by_score(rule, market, types, asked - value(offered)) if isinstance(rule, FirstScore) else 0.0
    second = isinstance(rule, SecondScore)
    note = "offering what one can deliver at cost is a dominant strategy; the next best offer sets the price"
    return ScoreEquilibrium(
        rule, market, types, offered, costs if second else asked, payment, cost, float((chance * inside).sum()),
        float((chance * value(inside)).sum()) - payment, (1.0,), epsilon, note if second else "",
    )  # fmt: skip


def _gain_by_score(rule: FirstScore, market: Market, types: Floats, asked: Floats) -> float:
    """ε: over qualities and over price less value, against rivals read off the strategies."""
    quality, distribution, count = _usable(rule, market)
    reach = 2 * float(best(lambda q: rule.value(q) - quality.cost(q, types[0]), quality, (1,))[0])
    levels = np.linspace(quality.least, min(quality.most, max(reach, quality.least + 1e-6)), QUALITIES)
    step = levels[1] - levels[0]

    def profit(theta: float, asks: Floats) -> Floats:
        near = levels[int(np.argmin(quality.cost(levels, theta) - rule.value(levels)))]
        fine = np.linspace(max(quality.least, near - step), near + step, 100 * QUALITIES)
        least = float(np.min(quality.cost(fine, theta) - rule.value(fine)))
        return np.asarray((asks - least) * distribution.sf(np.interp(asks, asked, types)) ** (count - 1))

    return _gain(market, profit, types, asked)


def _gain(market: Market, profit: Callable[[float, Floats], Floats], types: Floats, asked: Floats) -> float:
    tried = np.linspace(types[0], float(market.classes[0][0].ppf(1 - 1e-6)), TYPES)
    own = partial(np.interp, xp=types, fp=asked)
    return verify.largest_gain(verify.cost_by_cost(profit), tried, own, np.linspace(asked[0], asked[-1], BIDS), BIDS)


def ratio(rule: RatioScore, market: Market) -> ScoreEquilibrium:
    """The equilibrium where the lowest price per unit of quality wins.

    >>> from scipy import stats
    >>> market = Market((stats.uniform(1, 1), 2), quality=Quality(lambda q, theta: theta * (1 + q**2) / 2))
    >>> found = ratio(RatioScore(), market)
    >>> round(found.quality(1.2), 7), round(found.bid(1.2), 7)
    (1.3471506, 2.1777778)
    """
    quality, distribution, count = _usable(rule, market)
    low, high = (float(each) for each in distribution.support())

    def earned(y: Any, theta: Any) -> tuple[Floats, Floats]:
        """π(y, θ) and the quality chosen."""
        y, theta = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(theta, dtype=float))
        q = best(lambda q: y * q - quality.cost(q, theta), quality, y.shape)
        return np.asarray(y * q - quality.cost(q, theta)), q

    types = symmetric.grid(distribution, low, high)
    at, weights = symmetric.cells(types)
    even = _break_even(quality, types)
    if rule.second:
        y, last = even, types
    else:
        end = LAST / (count - 1)
        logs = np.linspace(0.0, 1.0, 4001) ** 2 * end
        last = distribution.isf(np.exp(-logs))

        def slope(minus: float, y: Floats) -> Floats:
            theta = np.atleast_1d(distribution.isf(math.exp(-(end - minus))))
            profit, q = earned(y, theta)
            return np.asarray(-(count - 1) * profit / q)

        start = [float(_break_even(quality, np.atleast_1d(last[-1]))[0])]
        path = integrate.solve_ivp(
            slope, (0.0, end), start, method="DOP853", t_eval=end - logs[::-1], rtol=1e-11, atol=1e-12
        )
        by_log = np.maximum(path.y[0][::-1], 0.0)
        with np.errstate(divide="ignore"):
            mine = np.minimum(-symmetric.log_survivor(distribution, types), end)
        y = np.where(mine >= end, even, interpolate.CubicSpline(np.sqrt(logs), by_log)(np.sqrt(mine)))
    _, q = earned(y, types)
    curve, chance = interpolate.CubicSpline(types, y), weights * _winning(market, at)
    if rule.second:
        return _second_ratio(rule, market, types, y, q, earned, curve)
    y_in = curve(at)
    _, q_in = earned(y_in, at)
    cost = np.asarray(quality.cost(q_in, at), dtype=float)
    epsilon = _gain_by_ratio(market, types, y, earned)
    return ScoreEquilibrium(
        rule, market, types, q, y * q, float((chance * y_in * q_in).sum()), float((chance * cost).sum()),
        float((chance * q_in).sum()), float((chance * y_in).sum()), (1.0,), epsilon,
    )  # fmt: skip


def _break_even(quality: Quality, theta: Floats) -> Floats:
    """The lowest C(q, θ) / q."""
    least = max(quality.least, 1e-9)
    shown = Quality(quality.cost, least, quality.most)
    q = best(lambda q: -quality.cost(q, theta) / q, shown, theta.shape)
    return np.asarray(quality.cost(q, theta) / q)


def _second_ratio(
    rule: RatioScore, market: Market, types: Floats, y: Floats, q: Floats,
    earned: Callable[[Any, Any], tuple[Floats, Floats]], curve: Curve,
) -> ScoreEquilibrium:  # fmt: skip
    """The winner delivers what is best for it at the ratio of the next: a mean over the two lowest types."""
    quality, distribution, count = _usable(rule, market)
    own, own_weights = symmetric.cells(np.linspace(0.0, 1.0, 25))
    first = distribution.ppf(own).ravel()
    # The next type, given the first: its survivor is that of the first times u^(1 / (n − 1)).
    share, share_weights = symmetric.cells(np.linspace(0.0, 1.0, 13))
    left = distribution.sf(first)[:, None] * share.ravel()
    second = distribution.isf(left)
    theirs = curve(second)
    _, chosen = earned(theirs, np.broadcast_to(first[:, None], theirs.shape))
    density = count * own_weights.ravel()[:, None] * (count - 1) * share_weights.ravel()
    density = density * distribution.sf(first)[:, None] ** (count - 1) * share.ravel() ** (count - 2)
    cost = np.asarray(quality.cost(chosen, np.broadcast_to(first[:, None], theirs.shape)), dtype=float)
    payment, spent, level, mean = (float((density * each).sum()) for each in (theirs * chosen, cost, chosen, theirs))
    note = "offering the ratio at which one earns nothing is a dominant strategy; the next best offer sets the ratio"
    return ScoreEquilibrium(rule, market, types, q, y * q, payment, spent, level, mean, (1.0,), 0.0, note)


def _gain_by_ratio(
    market: Market, types: Floats, y: Floats, earned: Callable[[Any, Any], tuple[Floats, Floats]]
) -> float:
    distribution, count = market.classes[0]

    def profit(theta: float, ratios: Floats) -> Floats:
        rivals = np.interp(ratios, y, types)
        return np.asarray(earned(ratios, theta)[0] * distribution.sf(rivals) ** (count - 1))

    return _gain(market, profit, types, y)
