"""Costs from bids by quantiles: both maps against closed forms and quadrature, the slopes against least squares.

What every inversion claims is tested in test_kernels.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from procure_opt.auction.quantiles import bid_quantiles, cost_quantiles, parabolas, quantiles
from strategies import examples


def lognormal() -> tuple[Any, Any]:
    """Distribution function and quantiles of a lognormal (0, 0.5) truncated to [0.3, 3]."""
    whole = stats.lognorm(0.5)
    a, b = whole.cdf([0.3, 3.0])
    return lambda c: (whole.cdf(c) - a) / (b - a), lambda t: whole.ppf(a + t * (b - a))


BETA, WEIBULL = stats.beta(2, 3), stats.weibull_min(2)
POWER = (lambda c: 1 - (1 - c) ** 2.5, lambda t: 1 - (1 - t) ** 0.4)

# Theory sheet A1: distribution function, quantiles, suppliers, cost, bid.
KNOWN: dict[str, tuple[Any, Any, int, float, float]] = {
    "A1.fp.U01.n3.c0.2": (lambda c: c, lambda t: t, 3, 0.2, 0.466666667),
    "A1.fp.Spow2.5.n4.c0.3": (*POWER, 4, 0.3, 0.382352941),
    "A1.fp.Fc2.n3.c0.4": (lambda c: c**2, np.sqrt, 3, 0.4, 0.646530612),
    "A1.fp.Beta23.n4.c0.25": (BETA.cdf, BETA.ppf, 4, 0.25, 0.357491488),
    "A1.fp.TLN.n4.c0.8": (*lognormal(), 4, 0.8, 1.00846974),
    "A1.fp.Weib2.n5.c0.5": (WEIBULL.cdf, WEIBULL.ppf, 5, 0.5, 0.689468039),
    "A1.fp.Expo.n4.c0.7": (stats.expon(0, 2).cdf, stats.expon(0, 2).ppf, 4, 0.7, 1.36666667),
}


@pytest.mark.parametrize("name", KNOWN)
def test_bids_of_the_sheet(name: str) -> None:
    below, quantile, n, cost, bid = KNOWN[name]
    assert bid_quantiles(below(cost), quantile, n) == pytest.approx(bid, rel=2e-6)


@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("t", [0.0, 0.3, 0.9])
def test_bids_are_the_integral_over_levels(n: int, t: float) -> None:
    """The formula as it is printed, by adaptive quadrature."""
    for quantile in (lambda s: s**2, lognormal()[1], BETA.ppf):
        integral = quad(lambda s, q=quantile: q(s) * (1 - s) ** (n - 2), t, 1, epsabs=1e-12)[0]
        printed = (n - 1) / (1 - t) ** (n - 1) * integral
        assert bid_quantiles(t, quantile, n) == pytest.approx(printed, rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_powers_in_closed_form(n: int, k: int) -> None:
    """C(t) = 1 − (1 − t)^k: by hand, B(t) = 1 − (1 − t)^k (n − 1) / (n − 1 + k)."""
    t = np.linspace(0, 1, 11)
    bids = 1 - (1 - t) ** k * (n - 1) / (n - 1 + k)
    slopes = k * (1 - t) ** (k - 1) * (n - 1) / (n - 1 + k)
    assert bid_quantiles(t, lambda s: 1 - (1 - s) ** k, n) == pytest.approx(bids, abs=1e-12)
    assert cost_quantiles(t, bids, slopes, n) == pytest.approx(1 - (1 - t) ** k, abs=1e-12)


@given(
    roots=st.lists(st.floats(0, 5), min_size=1, max_size=4), n=st.integers(2, 9), t=st.floats(0, 0.95),
    factor=st.floats(0.1, 10),
)  # fmt: skip
@examples(30)
def test_there_and_back(roots: list[float], n: int, t: float, factor: float) -> None:
    """Costs → bids → costs, the slope of bids by differences; both maps are linear."""

    def costs(s: Any) -> Any:
        return 3 + sum(root * s ** (k + 1) for k, root in enumerate(roots))

    at = np.array([t, t + 1e-4, t + 2e-4])
    bids = bid_quantiles(at, costs, n)
    slope = (-3 * bids[0] + 4 * bids[1] - bids[2]) / 2e-4
    assert cost_quantiles(t, bids[0], slope, n) == pytest.approx(costs(t), rel=1e-5)
    assert bid_quantiles(t, lambda s: factor * costs(s) + s, n) == pytest.approx(factor * bids[0] + t + (1 - t) / n)


def test_shapes_are_kept() -> None:
    assert bid_quantiles(0.5, lambda s: s, 2).shape == ()
    assert bid_quantiles(np.zeros((2, 3)), lambda s: s, 2).shape == (2, 3)


# ---- slopes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 7, 30, 59])
def test_slopes_are_those_of_weighted_least_squares(at: int) -> None:
    generator = np.random.default_rng(at)
    x, y = np.sort(generator.random(60)), generator.random(60)
    weight = np.clip(1 - ((x - x[at]) / 0.4) ** 2, 0, None)
    fitted = np.polynomial.Polynomial.fit(x, y, 2, w=np.sqrt(weight)).convert()
    assert parabolas(x, y, 0.4)[at] == pytest.approx(fitted.deriv()(x[at]))


@given(a=st.floats(-5, 5), b=st.floats(-5, 5), c=st.floats(-5, 5), width=st.floats(0.1, 1))
@examples(20)
def test_slopes_of_parabolas_are_exact(a: float, b: float, c: float, width: float) -> None:
    x = np.linspace(0, 1, 50)
    assert parabolas(x, a + b * x + c * x**2, width) == pytest.approx(b + 2 * c * x, abs=1e-8)


# ---- the inversion ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5])
def test_uniform_costs_are_found(n: int) -> None:
    """Bids at even quantiles, which are linear in the level."""
    costs = (np.arange(2000) + 0.5) / 2000
    assert quantiles(costs + (1 - costs) / n, n) == pytest.approx(costs, abs=1e-3)


def test_more_bids_say_more() -> None:
    errors, t = [], np.linspace(0, 1, 501)
    at, to = BETA.ppf(t), bid_quantiles(t, BETA.ppf, 3)
    for m in (200, 2000, 20000):
        found = []
        for seed in range(4):
            costs = np.sort(np.random.default_rng(seed).beta(2, 3, m))
            bids = np.interp(costs, at, to)
            found.append(math.sqrt(np.mean((quantiles(bids, 3) - costs) ** 2)))
        errors.append(np.mean(found))
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]
