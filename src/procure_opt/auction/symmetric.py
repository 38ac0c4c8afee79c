"""First price with suppliers of one kind: the bid in closed form, up to an integral.

With G(t) the probability that no rival has a cost below t, bids are

    b(c) = c + ∫_c^r (G(t) / G(c))^(1/θ) dt,   θ = 1 − ρ (relative risk aversion; Holt 1980),
    b(c) = c − log(1 − ∫_c^r a e^(−a(t−c)) G(t)/G(c) dt) / a   (absolute risk aversion a).

The ratio G(t) / G(c) is formed from logarithms, cell by cell from above: nothing tiny is divided by anything tiny.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, special

Floats = NDArray[np.float64]
Curve = Callable[[Any], Any]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(10)
QUANTILES, STEPS, NEAR = 500, 500, 120  # points of a grid: of equal probability, of equal cost, and close to its ends
FAR = 80.0  # −log of the probability, to the power of the rivals, up to where an unlimited support is followed


def grid(distribution: Any, low: float, high: float) -> Floats:
    """Costs from low to high, closer where they are likely and towards both ends."""
    top = min(high, float(distribution.support()[1]))
    quantiles = distribution.ppf(np.linspace(distribution.cdf(low), distribution.cdf(top), QUANTILES))
    near, tail = np.geomspace(1e-9, 0.02, NEAR), np.geomspace(1e-17, 1 / QUANTILES, NEAR)
    tails = [distribution.ppf(tail), distribution.isf(tail)]
    points = np.concatenate(
        [quantiles, *tails, np.linspace(low, high, STEPS), low + near * (high - low), high - near * (high - low)]
    )
    points = np.unique(points[(points >= low) & (points <= high)])
    apart: Floats = points[np.append(True, np.diff(points) > 1e-12 * (high - low))]
    apart[-1] = min(high, max(top, apart[-1]))
    return apart


def cells(nodes: Floats) -> tuple[Floats, Floats]:
    """Gauss–Legendre points and weights between each two nodes, shape (cells, 10)."""
    half = np.diff(nodes)[:, None] / 2
    return half * NODES + (nodes[1:, None] + nodes[:-1, None]) / 2, half * WEIGHTS


def masses(distribution: Any, nodes: Floats) -> tuple[Floats, Floats]:
    """Points between each two nodes, and probabilities for sums over costs, which in each cell add up to its own.

    A density that is infinite at the end of a support is thus none the less summed to 1.
    """
    at, weights = cells(nodes)
    return at, spread(distribution, nodes, at, weights)


def spread(distribution: Any, nodes: Floats, at: Floats, weights: Floats) -> Floats:
    """The probability between each two nodes over points there, as the density has it (evenly where that fails)."""
    density = weights * distribution.pdf(at)
    below, above = distribution.cdf(nodes), distribution.sf(nodes)
    exact = np.where(below[1:] < 0.5, np.diff(below), -np.diff(above))
    rough = density.sum(axis=1)
    usable = np.isfinite(rough) & (rough > 0)
    even = weights / weights.sum(axis=1, keepdims=True)
    shares = np.where(usable[:, None], density / np.where(usable, rough, 1.0)[:, None], even)
    return np.asarray(shares * exact[:, None])


def log_survivor(distribution: Any, cost: Any) -> Any:
    """log S."""
    with np.errstate(divide="ignore"):
        return distribution.logsf(cost) if hasattr(distribution, "logsf") else np.log(distribution.sf(cost))


@dataclass(frozen=True, eq=False)
class Strategy:
    """A bid for each cost that bids at all: a piecewise cubic through points and slopes; NaN above the ceiling.

    Args:
        costs: Ascending, shape (points,).
        bids: Not descending, shape (points,).
        slopes: db / dc there.
        pooled: Below that cost all bid alike (a floor); −inf if none do.
        pool: What they bid.
        ceiling: Who costs more than that does not bid. Between the last of `costs` and it, where nobody can win, a cost
            is its own bid.
    """

    costs: Floats
    bids: Floats
    slopes: Floats
    pooled: float = -math.inf
    pool: float = math.nan
    ceiling: float = math.inf

    def __post_init__(self) -> None:
        curve = interpolate.CubicHermiteSpline(self.costs, self.bids, self.slopes, extrapolate=False)
        object.__setattr__(self, "_curve", curve)

    def __call__(self, cost: Any) -> Any:
        """The bids of some costs."""
        cost = np.asarray(cost, dtype=float)
        inside = np.clip(cost, self.costs[0], self.costs[-1])
        bid: Any = np.where(cost <= self.costs[-1], self._curve(inside), cost)  # type: ignore[attr-defined]
        bid = np.where(cost <= self.pooled, self.pool, bid)
        return np.where(cost > self.ceiling, np.nan, bid)


def slopes(costs: Floats, bids: Floats, exact: Floats) -> Floats:
    """Slopes of a strategy: the exact ones where they are finite, else those of the neighbours."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        rough = np.nan_to_num(np.gradient(bids, costs), nan=0.0, posinf=0.0, neginf=0.0)
    return np.where(np.isfinite(exact), exact, np.asarray(rough))


def first_price(
    nodes: Floats,
    log_win: Curve,
    theta: float = 1.0,
    absolute: float = 0.0,
    beyond: float = 0.0,
) -> Floats:
    """The bids at the nodes, the last of which bids its cost plus `beyond`.

    Args:
        nodes: Ascending costs, up to the highest that bids.
        log_win: log G.
        theta: 1 − ρ.
        absolute: a, instead of ρ.
        beyond: Reserve less the highest cost that bids, where that is lower (informed entry).
    """
    at, weights = cells(nodes)
    here, inside = log_win(nodes), log_win(at)
    power, shrink = 1 / theta, absolute
    with np.errstate(invalid="ignore"):
        fall = np.where(np.isneginf(here[:-1, None]), -np.inf, inside - here[:-1, None])
        step = np.where(np.isneginf(here[:-1]), -np.inf, here[1:] - here[:-1])
    part = (weights * np.exp(power * fall - shrink * (at - nodes[:-1, None]))).sum(axis=1)
    carried = np.exp(power * step - shrink * np.diff(nodes))
    above = np.empty(len(nodes))
    above[-1] = beyond if not absolute else -math.expm1(-absolute * beyond) / absolute
    for k in range(len(nodes) - 2, -1, -1):
        above[k] = part[k] + carried[k] * above[k + 1]
    if absolute:
        return nodes - np.log1p(-absolute * above) / absolute
    return nodes + above


def factor_hazard(correlation: float, rivals: int) -> tuple[Floats, Floats, Floats]:
    """For the Gaussian copula: normal scores x, −log of the "G" of the formula there, and the probability to win.

    Given the common factor m costs are independent. With x the score of one's own cost and k(x) the hazard, at x, of
    the lowest rival's score given one's own, −log G(x) = ∫ k (Milgrom and Weber 1982, theorem 14).
    """
    x = np.linspace(-9.0, 9.0, 3601)
    points, weights = special.roots_hermitenorm(120)
    weights = weights / weights.sum()
    own, rest = math.sqrt(correlation), math.sqrt(1 - correlation)

    def integrals(x: Floats) -> tuple[Floats, Floats]:
        # The factor given one's own score is normal with mean √γ x and variance 1 − γ.
        factor = own * x[:, None] + rest * points
        score = (x[:, None] - own * factor) / rest
        none = special.log_ndtr(-score)
        density = np.exp(-(score**2) / 2) / math.sqrt(2 * math.pi) / rest
        win = (weights * np.exp(rivals * none)).sum(axis=1)
        first = rivals * (weights * np.exp((rivals - 1) * none) * density).sum(axis=1)
        return first, win

    at, cell = cells(x)
    first, win = integrals(at.ravel())
    hazard = (first / np.maximum(win, 1e-300)).reshape(at.shape)
    return x, np.append(0.0, np.cumsum((hazard * cell).sum(axis=1))), integrals(x)[1]
