"""Costs from bids by smoothing, and the smooth distribution of costs: closed forms, direct sums, claims, accuracy.

Bid functions, kernels and the slow version of the default are written down here apart from the library.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from procure_opt.auction import kernels, quantiles
from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.kernels import Inversion, boundary, plain, reflected
from procure_opt.auction.market import Market
from procure_opt.auction.rules import FirstPrice
from procure_opt.auction.smooth import Smooth, smooth
from strategies import examples

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import estimation

Floats = NDArray[np.float64]
ALL = (*kernels.CATALOGUE, *quantiles.CATALOGUE)
each_inversion = pytest.mark.parametrize("inversion", ALL, ids=lambda inversion: inversion.name)


def levels(m: int) -> Floats:
    return (np.arange(m) + 0.5) / m


# Quantiles of costs, and bids: theory sheet, A1.
CLOSED: dict[str, tuple[Callable[[Any], Any], Callable[[Any, int], Any]]] = {
    "uniform on [0, 1]": (lambda t: t, lambda c, n: c + (1 - c) / n),
    "survivor (1 - c)^2.5": (lambda t: 1 - (1 - t) ** 0.4, lambda c, n: c + (1 - c) / (2.5 * (n - 1) + 1)),
    "exponential of mean 2": (lambda t: -2 * np.log1p(-t), lambda c, n: c + 2 / (n - 1)),
    "Pareto of index 6": (lambda t: (1 - t) ** (-1 / 6), lambda c, n: c * 6 * (n - 1) / (6 * (n - 1) - 1)),
}


def drawn(n: int, auctions: int, seed: Any) -> tuple[Floats, Floats]:
    """Uniform costs, ascending, and the bids for them."""
    costs = np.sort(np.random.default_rng(seed).random(n * auctions))
    return costs, costs + (1 - costs) / n


def error(found: Floats, costs: Floats, inside: Any = ...) -> float:
    """Root mean squared error, of what is not trimmed."""
    return float(np.sqrt(np.nanmean((found - costs)[inside] ** 2)))


# ---- known answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("n", [2, 3, 5])
def test_costs_of_bids_at_even_quantiles_are_those_of_the_closed_form(name: str, n: int) -> None:
    """Without noise of sampling; in the middle 98 %, since the last gaps of even quantiles are not exponential."""
    quantile, bid = CLOSED[name]
    costs = quantile(levels(4000))
    found = boundary(bid(costs, n), n)
    assert np.abs(found - costs)[40:-40].max() < 0.006 * np.ptp(quantile(np.array([0.01, 0.99])))


def test_a_uniform_density_is_inverted_as_in_the_sheet() -> None:
    """F4: bids of n suppliers with costs uniform on [0, 1] stand for (n b - 1) / (n - 1)."""
    bids = np.linspace(0.25, 1, 20001)
    found = plain(bids, 4)
    kept = ~np.isnan(found)
    assert 0.5 < kept.mean() < 0.9
    assert np.abs(found - (4 * bids - 1) / 3)[kept].max() < 2e-4


def test_trimming_is_one_bandwidth_at_either_end() -> None:
    bids = drawn(3, 100, 1)[1]
    h = 2.978 * 1.06 * np.std(bids, ddof=1) * 300**-0.2
    trimmed = np.isnan(plain(bids, 3))
    assert (trimmed == ((bids < bids.min() + h) | (bids > bids.max() - h))).all()


# ---- sums that are not summed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["uniform", "lognormal", "student"], ids=["even", "skewed", "with bids far from all others"]
)
def test_binned_sums_are_direct_sums(name: str) -> None:
    generator = np.random.default_rng(5)
    sample = {
        "uniform": generator.random(2000),
        "lognormal": generator.lognormal(0, 0.5, 2000),
        "student": generator.standard_t(3, 2000),
    }[name]
    sample.sort()
    h = kernels.bandwidth(sample)
    assert h == pytest.approx(3.15668 * sample.std(ddof=1) * 2000**-0.2)
    for points in (sample, kernels.mirrored(sample), kernels.bent(sample, h)):
        at = sample[:: 1 if points is sample else 9]
        far = np.minimum(((at[:, None] - points) / h) ** 2, 1)
        direct = 35 / 32 * ((1 - far) * (1 - far) * (1 - far)).sum(axis=1)
        assert kernels.kernel_sums(points, at, h) == pytest.approx(direct, rel=1e-4)


def silverman(values: Floats, kappa: float) -> Floats:
    """The sum over all ranks and their mirror images, over and over, of Silverman's kernel times the values."""
    t, h = levels(len(values)), 1 / (math.pi * kappa)
    total = np.zeros(len(values))
    turns = math.ceil(10 * h) + 1  # farther images weigh less than 1e-6
    for turn in range(-turns, turns + 1):
        for image in (t + 2 * turn, 2 * turn - t):
            u = np.abs(t[:, None] - image) / h / math.sqrt(2)
            total += (np.exp(-u) * np.sin(u + math.pi / 4) / 2 / h) @ values / len(values)
    return total


@pytest.mark.parametrize("kappa", [0.5, 3.0, 20.0])
def test_smoothing_over_ranks_is_a_direct_sum_of_the_kernel(kappa: float) -> None:
    values = np.random.default_rng(6).exponential(size=800)
    assert kernels.over_ranks(values, kappa)[0] == pytest.approx(silverman(values, kappa), rel=1e-4)


def test_degrees_of_freedom_are_the_trace_of_the_smoother() -> None:
    rows = [kernels.over_ranks(row, 4.0)[0] for row in np.eye(60)]
    assert kernels.over_ranks(np.ones(60), 4.0)[1] == pytest.approx(np.trace(rows))


def slowly(bids: Floats, n: int) -> Floats:
    """The default for bids that all differ, ascending, as its docstring has it, searched and summed the long way."""
    m = len(bids)
    share = (bids - bids[0]) / (bids[-1] - bids[0])
    gap = (m - np.arange(1, m)) * np.diff(share)
    middle = (share[1:] + share[:-1]) / 2
    t = levels(m - 1)
    curves, losses = [], []
    for degree in (1, 2, 3):

        def shape(x: Any, degree: int = degree) -> Any:
            z = x if degree == 1 else np.sqrt(x)
            return np.array([stats.binom.pmf(k, degree, z) for k in range(degree + 1)])

        def off(logs: Any, shape: Any = shape) -> float:
            curve = np.exp(logs) @ shape(middle)
            return float((np.log(curve) + gap / curve).sum() + 0.005 * ((logs - math.log(gap.mean())) ** 2).sum())

        logs = optimize.minimize(off, np.full(degree + 1, math.log(gap.mean())), method="BFGS").x
        start = np.exp(logs) @ shape(middle)
        ratio = gap / start
        k = np.arange(1, m - 1)
        cosines = math.sqrt(2 / (m - 1)) * np.cos(math.pi * k[:, None] * t) @ ratio

        def unlikely(kappa: float, k: Any = k, cosines: Any = cosines) -> float:
            return float(-stats.norm.logpdf(cosines, 0, np.sqrt(1 + (kappa / k) ** 4)).sum())

        kappa = min([0.0, *np.geomspace(0.3, 100, 40)], key=unlikely)
        smoothed = silverman(ratio, kappa) if kappa else np.full(m - 1, ratio.mean())
        smoothed = np.maximum(smoothed, 0.05)
        freedom = 1 + ((1 / (1 + (k / kappa) ** 4)).sum() if kappa else 0)
        beside = np.append(smoothed[0], smoothed), np.append(smoothed, smoothed[-1])
        curves.append(np.exp(logs) @ shape(share) * (beside[0] + beside[1]) / 2)
        losses.append((np.log(start * smoothed) + ratio / smoothed).sum() + degree + freedom)
    weights = np.exp(min(losses) - np.array(losses))
    found = bids - (bids[-1] - bids[0]) * (weights / weights.sum()) @ np.array(curves) / (n - 1)
    return np.sort(found)


@pytest.mark.parametrize("seed", range(4))
def test_the_default_is_what_its_docstring_says(seed: int) -> None:
    generator = np.random.default_rng(seed)
    humps = np.append(generator.normal(0, 1, 75), generator.normal(6, 1, 75))
    bids = np.sort([generator.random(150), generator.beta(3, 3, 150), generator.normal(size=150), humps][seed])
    assert boundary(bids, 3) == pytest.approx(slowly(bids, 3), abs=2e-4 * np.ptp(bids))


# ---- what each inversion claims ---------------------------------------------------------------------------


@each_inversion
def test_costs_for_all_bids_or_trimmed_at_both_ends(inversion: Inversion) -> None:
    missing = np.isnan(inversion(drawn(3, 100, 2)[1], 3))
    assert missing.any() != inversion.full_support
    assert missing[[0, -1]].all() == (not inversion.full_support)


@each_inversion
def test_the_fewest_bids(inversion: Inversion) -> None:
    bids = np.random.default_rng(3).random(inversion.least)
    assert inversion(bids, 2).shape == bids.shape
    with pytest.raises(ValueError, match=rf"{inversion.least - 1} bids .* at least {inversion.least} are needed"):
        inversion(bids[1:], 2)


def some_bids(shape: float, seed: int) -> Floats:
    generator = np.random.default_rng(seed)
    return generator.beta(shape, 1.5, 90) + 0.3 * generator.integers(0, 2, 90)


@each_inversion
@given(
    shape=st.floats(0.5, 4), seed=st.integers(0, 10**6), factor=st.floats(1e-3, 1e6), shift=st.floats(-1, 1e3),
    n=st.integers(2, 8),
)  # fmt: skip
@examples(12)
def test_laws(inversion: Inversion, shape: float, seed: int, factor: float, shift: float, n: int) -> None:
    """Costs move with the unit and the origin of bids; no cost is above its bid; the order of bids does not matter."""
    bids = some_bids(shape, seed)
    costs = inversion(bids, n)
    spread = np.ptp(bids)
    moved = (inversion(factor * (bids + shift), n) / factor) - shift
    assert moved == pytest.approx(costs, abs=1e-7 * spread + 1e-10 * shift, nan_ok=True)
    assert (costs <= bids + 1e-12)[~np.isnan(costs)].all()
    assert inversion(bids[::-1], n)[::-1] == pytest.approx(costs, nan_ok=True)
    if inversion.increasing:
        assert (np.diff(costs[np.argsort(bids)]) >= 0).all()


@each_inversion
def test_mark_ups_fall_with_rivals_as_one_over_their_number(inversion: Inversion) -> None:
    """Before costs are put in order, (n - 1)(b - c) does not depend on n; the mean cost never does on the order."""
    bids = some_bids(2.0, 4)
    two, six = (np.nanmean(bids - inversion(bids, n)) for n in (2, 6))
    assert two == pytest.approx(5 * six)


@each_inversion
@pytest.mark.parametrize(
    ("bids", "n", "told"),
    [
        ([1.0, 2.0] * 20, 1, "n is 1; bids say something of costs where at least 2 suppliers bid"),
        ([1.0, 2.0] * 20, 2.5, "n is 2.5; .* give a whole number"),
        ([1.0, math.nan] * 20, 2, "one row of amounts .*first that is no amount stands at 1.*; leave out"),
        ([[1.0, 2.0]] * 20, 2, "one row of amounts; leave out"),
        ([7.5] * 40, 2, "all 40 bids are 7.5; costs can be told from bids only where bids differ"),
    ],
)
def test_what_cannot_be_inverted(inversion: Inversion, bids: Any, n: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        inversion(bids, n)


def test_names_are_unique() -> None:
    assert len({inversion.name for inversion in ALL}) == len(ALL) == 5
    assert all(inversion.name == inversion.invert.__name__ for inversion in ALL)


# ---- bids that are the same -------------------------------------------------------------------------------


def test_rounded_bids_have_the_costs_of_exact_ones() -> None:
    costs, bids = drawn(3, 500, 8)
    rounded = np.round(bids, 2)
    found, exact = boundary(rounded, 3), boundary(bids, 3)
    assert len(np.unique(rounded)) < 80
    assert all(len(set(found[rounded == bid])) == 1 for bid in np.unique(rounded))
    assert np.abs(found - exact).max() < 0.03
    assert error(found, costs) < 1.5 * error(exact, costs)


def test_two_values_are_enough_to_answer() -> None:
    found = boundary(np.repeat([1.0, 2.0], 10), 2)
    assert np.isfinite(found).all() and (np.diff(found) >= 0).all()


# ---- accuracy: a small version of benchmarks/estimation.py ------------------------------------------------


@pytest.mark.parametrize(
    ("n", "auctions", "trimmed", "mirrored", "everywhere"),
    [
        (2, 200, 0.0213, 0.0226, 0.0251), (3, 200, 0.0125, 0.0130, 0.0143), (5, 200, 0.0054, 0.0061, 0.0068),
        (3, 1000, 0.0066, 0.0069, None),
    ],
)  # fmt: skip
def test_yardsticks_of_kernels_and_the_default_below_them(
    n: int, auctions: int, trimmed: float, mirrored: float, everywhere: float | None
) -> None:
    """Means over draws of the error over costs of .1 to .9, what is trimmed left out, and over all (section 1.2)."""
    rows = []
    for seed in range(40):
        costs, bids = drawn(n, auctions, [n, auctions, seed])
        inside = (costs >= 0.1) & (costs <= 0.9)
        ours, both, ends = (invert(bids, n) for invert in (boundary, reflected, plain))
        rows.append([error(ends, costs, inside), error(both, costs, inside), error(both, costs),
                     error(ours, costs, inside), error(ours, costs)])  # fmt: skip
    means, errors = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / 40**0.5
    known = np.array([trimmed, mirrored, math.nan if everywhere is None else everywhere])
    # The yardsticks are means over 40 draws of their own.
    assert not (np.abs(means[:3] - known) > 3 * 2**0.5 * errors[:3]).any()
    assert means[3] < 0.9 * min(means[:2]) and means[4] < 0.9 * means[2]


def test_the_default_has_the_lowest_errors_in_four_markets() -> None:
    """The benchmark, with fewer draws of one size."""
    cells = [estimation.measure(market, 3, 200, 12, estimation.INVERSIONS) for market in estimation.MARKETS]
    assert [cell.market for cell in cells] == ["uniform", "beta", "lognormal", "weibull"]
    for cell in cells:
        for errors in (cell.kept, cell.full):
            others = [each for who, each in errors.items() if who != "boundary" and not math.isnan(each)]
            assert len(others) >= 3 and errors["boundary"] <= 1.05 * min(others)
    # Over costs of which `plain` trims some, and so counts the easier ones only.
    near = [cell.interior["boundary"] <= 1.05 * min(cell.interior.values()) for cell in cells]
    assert sum(near) >= 3 and all(cell.interior["boundary"] < max(cell.interior.values()) for cell in cells)
    assert "lowest or within 5 % of the lowest in 4 of 4 cells, and the worst in 0" in estimation.verdict(cells, "full")
    assert estimation.errors_text(cells, 12).count("| weibull | 3 | 200 |") == 3


def two_humps() -> tuple[Any, Any, Any]:
    """Costs with two humps: quantiles, density, and bids of three suppliers, by quadrature."""
    low, high = stats.beta(8, 24), stats.beta(24, 8)
    at = np.linspace(0, 1, 20001)
    left = (low.sf(at) + high.sf(at)) / 2
    tail = np.append(np.cumsum(((left[1:] ** 2 + left[:-1] ** 2) / 2)[::-1])[::-1], 0) * at[1]
    with np.errstate(invalid="ignore"):
        bids = at + np.where(left > 1e-9, tail / left**2, 0.0)
    return at, 1 - left, bids


def test_two_humps_are_found_the_better_the_more_bids_there_are() -> None:
    at, gone, bid = two_humps()
    errors = []
    for m in (300, 3000, 20000):
        draws = []
        for seed in range(4):
            costs = np.sort(np.interp(np.random.default_rng(seed).random(m), gone, at))
            bids = np.interp(costs, at, bid)
            draws.append([error(invert(bids, 3), costs) for invert in (boundary, reflected)])
        errors.append(np.mean(draws, axis=0))
    for ours, other in errors:
        assert ours < 0.9 * other
    assert errors[0][0] > 2 * errors[1][0] > 3 * errors[2][0]


# ---- the smooth distribution ------------------------------------------------------------------------------

SAMPLES: dict[str, Floats] = {
    "even": np.random.default_rng(1).random(400),
    "from nothing": np.random.default_rng(2).beta(2, 3, 400),
    "skewed": 1e6 * np.random.default_rng(3).lognormal(0, 1, 400),
    "with a hole": np.append(np.linspace(0, 1, 50), np.linspace(99, 100, 50)),
    "rounded": np.round(np.random.default_rng(4).normal(100, 5, 400)),
    "few": np.arange(10.0),
}
each_sample = pytest.mark.parametrize("name", SAMPLES)


@each_sample
def test_the_density_adds_up_to_one_and_the_rest_follows_from_it(name: str) -> None:
    costs = SAMPLES[name]
    found = smooth(costs)
    low, high = found.support()
    assert (low, high) == (costs.min(), costs.max())
    inner = np.linspace(low, high, 9)
    for a, b in pairwise(inner):
        breaks = found.points[(found.points > a) & (found.points < b)]
        pieces = np.concatenate([[a], breaks, [b]])
        mass = float((np.diff(pieces) * (found.pdf(pieces[1:]) + found.pdf(pieces[:-1])) / 2).sum())
        assert mass == pytest.approx(found.cdf(b) - found.cdf(a), abs=1e-12)
    fine = np.linspace(low, high, 200_001)
    assert np.trapezoid(found.pdf(fine), fine) == pytest.approx(1, abs=1e-6)
    assert np.trapezoid(fine * found.pdf(fine), fine) == pytest.approx(found.mean(), abs=1e-6 * high)
    assert found.cdf(inner) + found.sf(inner) == pytest.approx(np.ones(9), abs=1e-12)
    assert found.cdf([low - 1, low, high, high + 1]).tolist() == pytest.approx([0, 0, 1, 1], abs=1e-12)
    assert found.sf([low - 1, high, high + 1]).tolist() == pytest.approx([1, 0, 0], abs=1e-12)
    assert found.cdf(inner).max() <= 1 and found.sf(inner).max() <= 1
    assert found.pdf([low - 1, high + 1]).tolist() == [0, 0]


@each_sample
def test_quantiles_turn_probabilities_back(name: str) -> None:
    found = smooth(SAMPLES[name])
    q = np.concatenate([[0, 1e-12, 1e-6], np.linspace(0, 1, 1001), [1 - 1e-6, 1]])
    assert found.cdf(found.ppf(q)) == pytest.approx(q, abs=1e-9)
    assert found.sf(found.isf(q)) == pytest.approx(q, abs=1e-9)
    low, high = found.support()
    assert (found.ppf(0), found.ppf(1), found.isf(0), found.isf(1)) == pytest.approx((low, high, high, low))
    assert np.isnan(found.ppf([-0.1, 1.1, math.nan])).all() and np.isnan(found.isf(2))
    assert found.ppf(0.3).shape == () and found.ppf([[0.3], [0.4]]).shape == (2, 1)


def test_far_quantiles_are_those_of_the_tail() -> None:
    found = Smooth(np.linspace(0, 1, 11), np.linspace(1, 0, 11))
    assert found.isf(1e-20) == pytest.approx(1 - 1e-10, abs=1e-15)
    assert found.sf(1 - 1e-6) == pytest.approx(1e-12)
    assert found.mean() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "one", [stats.uniform(0, 1), stats.beta(2, 3), stats.weibull_min(2)], ids=["uniform", "beta", "weibull"]
)
def test_a_distribution_is_found_again(one: Any) -> None:
    """Within the Kolmogorov–Smirnov distance that a sample of 2,000 has from its own in 99 % of cases, 1.63 / √m."""
    costs = one.rvs(2000, random_state=np.random.default_rng(7))
    found = smooth(costs)
    at = np.linspace(*found.support(), 501)
    assert np.abs(found.cdf(at) - one.cdf(at)).max() < 1.63 / 2000**0.5
    assert np.abs(found.pdf(at) - one.pdf(at)).max() < 0.2 * one.pdf(at).max()


def test_trimmed_costs_are_left_out() -> None:
    costs = np.linspace(1, 2, 30)
    assert smooth(np.append(costs, [math.nan] * 5)).cdf(1.4) == smooth(costs).cdf(1.4)


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        ([1.0, math.inf] * 9, "a cost is infinite"),
        ([1.0, math.nan] * 9, "9 costs are known; a distribution needs at least 10"),
        ([3.0] * 12, "all 12 costs are 3; a distribution needs some that differ"),
    ],
)
def test_costs_without_a_distribution(costs: list[float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        smooth(costs)


@pytest.mark.parametrize(
    ("points", "heights"),
    [([0, 1], [1]), ([1, 0], [1, 1]), ([0, 1], [0, 0]), ([0, 1], [1, -1]), ([0, 1], [1, math.nan]), ([0], [1])],
)
def test_tables_without_a_distribution(points: list[float], heights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"points must ascend|heights must be at least 0"):
        Smooth(np.array(points, dtype=float), np.array(heights, dtype=float))


def test_a_table_is_not_changed_from_outside() -> None:
    heights = np.ones(2)
    found = Smooth(np.array([0.0, 1.0]), heights)
    heights[0] = 9
    assert found.pdf(0.0) == 1
    with pytest.raises(ValueError, match="read-only"):
        found.heights[0] = 2


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_loop_closes(n: int) -> None:
    """Bids → costs → distribution → bids: the bid function that comes out is the one that went in, to 0.02 / n."""
    costs = np.linspace(0.05, 0.95, 19)
    off, payments = [], []
    for seed in range(5):
        bids = drawn(n, 1000, [n, seed])[1]
        found = equilibrium(FirstPrice(), Market((smooth(boundary(bids, n)), n)))
        off.append(found.strategies[0](costs) - costs - (1 - costs) / n)
        payments.append(found.expected_payment)
        assert found.epsilon < 1e-6
    assert np.sqrt(np.mean(np.square(off))) < 0.02 / n
    assert np.mean(payments) == pytest.approx(2 / (n + 1), abs=0.01)
