"""The fair price: closed forms, equilibria found by another way, draws of tenders, and what may not be asked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from procure_opt.auction import FirstPrice, Market, equilibrium
from procure_opt.auction.distributions import Affine
from procure_opt.auction.fair_price import (
    SHARES,
    Curves,
    FairPrice,
    as_curves,
    bids,
    curve,
    fair_price,
    ordered,
    winning_bids,
)
from procure_opt.auction.smooth import Smooth

UNIFORM = stats.uniform(80, 40)


def lognormal(mu: float = 0.0, sigma: float = 0.5, low: float = 0.3, high: float = 3.0) -> Smooth:
    """A lognormal that is cut off, in a fine table."""
    at = np.linspace(low, high, 20_001)
    return Smooth(at, stats.lognorm.pdf(at, sigma, scale=math.exp(mu)))


MARKETS = {
    "uniform": UNIFORM,
    "beta": stats.beta(2, 3),
    "lognormal": lognormal(),
    "weibull": stats.weibull_min(2),
    "exponential": stats.expon(1, 2),
}


def test_the_worked_example() -> None:
    """Uniform on 80 to 120, five bidders: b = c + (120 − c) / 5; the lowest cost is above c with ((120 − c) / 40)^5."""
    fair = fair_price(UNIFORM, 5)
    share = 1 - (1 - np.array([0.05, 0.95])) ** (1 / 5)
    cost = 80 + 40 * share
    assert (fair.low, fair.high) == pytest.approx(cost + (120 - cost) / 5, abs=1e-5)
    assert (round(fair.low, 1), round(fair.high, 1)) == (88.3, 102.4)
    assert (fair.mean_lowest_cost, fair.mean_second_cost) == pytest.approx((260 / 3, 280 / 3), abs=1e-9)
    assert fair.known_costs == (fair.low, fair.high)


def test_the_means_are_no_band() -> None:
    """Of competitive awards with five bidders 40.2 % lie above E c₂:₅, and none below E c₁:₅."""
    won = winning_bids(as_curves(UNIFORM), 5, np.linspace(0, 1, 10_001))[0]
    assert (
        np.mean(won > 280 / 3) == pytest.approx((2 / 3) ** 5 * (5 / 4) ** 5, abs=2e-4) == pytest.approx(0.402, abs=5e-4)
    )
    assert won.min() > 260 / 3


# Bids and expected payments in equilibrium, from the formulas in the first column.
@pytest.mark.parametrize(
    "source, costs, n, cost, bid",
    [
        ("uniform: c + (1 − c) / n", stats.uniform(0, 1), 3, 0.2, 0.466666667),
        ("exponential: c + λ / (n − 1)", stats.expon(0, 2), 4, 0.7, 1.36666667),
        ("Weibull: with Γ(1/k, ·)", stats.weibull_min(2), 5, 0.5, 0.689468039),
        ("Beta(2, 3): quadrature", stats.beta(2, 3), 4, 0.25, 0.357491488),
        ("truncated lognormal: quadrature", lognormal(), 4, 0.8, 1.00846974),
    ],
)
def test_bids_of_closed_forms(source: str, costs: Any, n: int, cost: float, bid: float) -> None:
    curves = as_curves(costs)
    assert np.interp(cost, curves.costs[0], bids(curves, n)[0]) == pytest.approx(bid, abs=3e-6), source


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.parametrize("n, risk_aversion", [(2, 0.0), (5, 0.0), (4, 0.5)])
def test_bids_are_those_of_the_equilibrium(name: str, n: int, risk_aversion: float) -> None:
    costs = MARKETS[name]
    found = equilibrium(FirstPrice(), Market((costs, n), risk_aversion=risk_aversion))
    curves = Curves(curve(costs)[None, :], np.ones(1), np.ones((1, 1)), risk_aversion)
    at = costs.ppf(np.array([0.01, 0.2, 0.5, 0.8, 0.95]))
    spread = costs.ppf(0.99) - costs.ppf(0.01)
    assert np.interp(at, curves.costs[0], bids(curves, n)[0]) == pytest.approx(found.bid(at), abs=1e-5 * spread)


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.parametrize("n", [2, 3, 7])
def test_means_are_those_of_the_two_lowest_costs(name: str, n: int) -> None:
    costs = MARKETS[name]
    fair = fair_price(costs, n)
    top = float(costs.isf(1e-13))

    def first(c: float) -> float:
        return float(costs.sf(c) ** n)

    def second(c: float) -> float:
        return float(costs.sf(c) ** n + n * costs.cdf(c) * costs.sf(c) ** (n - 1))

    low = float(costs.support()[0])
    marks = [float(each) for each in costs.ppf([0.1, 0.5, 0.9, 0.999])]
    means = [low + integrate.quad(each, low, top, points=marks, limit=200)[0] for each in (first, second)]
    assert (fair.mean_lowest_cost, fair.mean_second_cost) == pytest.approx(means, abs=2e-6 * (top - low))


def test_what_is_paid_in_the_mean_is_the_second_cost() -> None:
    """Revenue equivalence; 0.899193822 is the virtual cost's integral."""
    curves = as_curves(lognormal())
    shares = (np.arange(20_000) + 0.5) / 20_000
    assert winning_bids(curves, 4, shares)[0].mean() == pytest.approx(0.899193822, abs=2e-6)
    assert fair_price(lognormal(), 4).mean_second_cost == pytest.approx(0.899193822, abs=1e-6)


def test_a_reserve_that_keeps_some_away() -> None:
    """Uniform, three who could bid, r = 0.7: paid 0.45815 in the mean of all tenders, 0.973 of which are let."""
    kept = Curves(curve(stats.uniform(0, 0.7))[None, :], np.array([0.7]), np.ones((1, 1)))
    cost = 0.2
    assert np.interp(cost, kept.costs[0], bids(kept, 3)[0]) == pytest.approx(0.452604167, abs=1e-6)
    assert bids(kept, 3)[0, -1] == pytest.approx(0.7)

    class Estimate:
        def curves(self, at: Any) -> Curves:
            return kept

    fair = fair_price(Estimate(), 3)
    assert fair.mean_second_cost * 0.973 == pytest.approx(0.45815, abs=1e-7)
    drawn = np.random.default_rng(0).random((200_000, 3)).min(axis=1)
    asked = equilibrium(FirstPrice(0.7), Market((stats.uniform(0, 1), 3))).bid(drawn)
    won = asked[~np.isnan(asked)]
    assert np.mean(won < fair.low) == pytest.approx(0.05, abs=0.002)
    assert np.mean(won > fair.high) == pytest.approx(0.05, abs=0.002)
    assert drawn[drawn < 0.7].mean() == pytest.approx(fair.mean_lowest_cost, abs=0.002)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_as_many_tenders_as_stated_end_in_the_band(level: float) -> None:
    costs = stats.beta(2, 3)
    fair = fair_price(costs, 4, level)
    generator = np.random.default_rng(1)
    won = equilibrium(FirstPrice(), Market((costs, 4))).bid(costs.rvs((100_000, 4), random_state=generator).min(axis=1))
    error = math.sqrt((1 - level) / 2 / 100_000)
    assert np.mean(won < fair.low) == pytest.approx((1 - level) / 2, abs=4 * error)
    assert np.mean(won > fair.high) == pytest.approx((1 - level) / 2, abs=4 * error)


def mixed(costs: list[Any], common: Any) -> Any:
    """Beliefs of which the first is the estimate and the others its replications."""

    class Estimate:
        def curves(self, at: Any) -> Curves:
            rows = np.stack([curve(each) for each in costs])
            return Curves(rows, np.ones(len(rows)), np.tile(common, (len(rows), 1)))

    return Estimate()


def test_beliefs_and_what_is_an_auctions_own_are_mixed() -> None:
    """Draws: which of two beliefs holds, how dear the auction is, then costs."""
    beliefs, common = [stats.uniform(90, 20), stats.uniform(80, 20), stats.uniform(100, 20)], np.array([0.9, 1.0, 1.2])
    fair = fair_price(mixed(beliefs, common), 3)
    generator = np.random.default_rng(2)
    cost = 20 * generator.random((300_000, 3)).min(axis=1)
    won = (np.where(generator.random(300_000) < 0.5, 80, 100) + cost + (20 - cost) / 3) * generator.choice(
        common, 300_000
    )
    assert (fair.low, fair.high) == pytest.approx(np.quantile(won, [0.05, 0.95]), abs=0.15)
    alone = (90 + cost + (20 - cost) / 3) * generator.choice(common, 300_000)
    assert fair.known_costs == pytest.approx(np.quantile(alone, [0.05, 0.95]), abs=0.15)
    assert fair.mean_second_cost == pytest.approx(alone.mean(), abs=0.05)


def test_what_is_not_known_widens_the_band() -> None:
    sure = fair_price(mixed([UNIFORM, UNIFORM], np.ones(1)), 5)
    assert (sure.low, sure.high) == pytest.approx(sure.known_costs, abs=0.05)
    unsure = fair_price(mixed([UNIFORM, stats.uniform(70, 40), stats.uniform(90, 40)], np.ones(1)), 5)
    assert unsure.low < sure.low - 5 and unsure.high > sure.high + 5


def test_replications_that_all_lie_to_one_side_of_the_estimate_do_not_shift_the_band() -> None:
    """A resample's lowest cost is never below the sample's: what beliefs add is their spread."""
    aside = fair_price(mixed([UNIFORM, *[stats.uniform(low, 40) for low in (83, 85, 87)]], np.ones(1)), 5)
    around = fair_price(mixed([UNIFORM, *[stats.uniform(low, 40) for low in (78, 80, 82)]], np.ones(1)), 5)
    assert (aside.low, aside.high) == pytest.approx((around.low, around.high), abs=1e-9)
    alone = fair_price(mixed([UNIFORM, stats.uniform(85, 40)], np.ones(1)), 5)
    assert (alone.low, alone.high) == pytest.approx(alone.known_costs, abs=0.05)


@settings(max_examples=20, deadline=None)
@given(
    factor=st.floats(0.1, 50), shift=st.floats(0, 100), n=st.integers(2, 12), level=st.floats(0.2, 0.98),
    name=st.sampled_from(list(MARKETS)),
)  # fmt: skip
def test_laws(factor: float, shift: float, n: int, level: float, name: str) -> None:
    """Costs in another currency, and dearer by an amount; more bidders; a wider band."""
    costs = MARKETS[name]
    here, there = fair_price(costs, n, level), fair_price(Affine(costs, factor, shift), n, level)
    for one in ("low", "high", "mean_lowest_cost", "mean_second_cost"):
        assert getattr(there, one) == pytest.approx(shift + factor * getattr(here, one), rel=1e-9)
    more, wider = fair_price(costs, n + 1, level), fair_price(costs, n, level + 0.01)
    assert more.low < here.low and more.high < here.high
    assert more.mean_lowest_cost < here.mean_lowest_cost and more.mean_second_cost < here.mean_second_cost
    assert wider.low < here.low and wider.high > here.high
    assert costs.support()[0] < here.mean_lowest_cost < here.low
    assert here.mean_lowest_cost < here.mean_second_cost


def test_many_bidders_leave_no_number_that_is_none() -> None:
    fair = fair_price(stats.expon(0, 1), 500)
    assert fair.low == pytest.approx(1 / 499 + -math.log(0.95) / 500, rel=1e-3)
    assert math.isfinite(fair.high)


@pytest.mark.parametrize(
    "costs, start", [([10, 12, 15], 8), ([10, 10, 12], 8), ([10, 40], 5), ([-3, 1, 2], -3), ([7, 7], 7), ([4], 4)]
)
def test_the_lowest_possible_cost_is_below_the_lowest_known(costs: list[float], start: float) -> None:
    """As far as the second lowest is above it, at least half of it, and never above it; the k-th at k / (m + 1)."""
    row = ordered(np.array(costs[::-1], dtype=float))
    assert row[0] == start and (np.diff(row) >= 0).all()
    assert np.interp(1 / (len(costs) + 1), SHARES, row) == pytest.approx(costs[0], abs=0.05)  # straight between points
    assert row[-1] == costs[-1]


def test_the_auction_that_the_band_is_for_is_named() -> None:
    class Estimate:
        def curves(self, at: Any) -> Curves:
            row = curve(UNIFORM)[None, :]
            return Curves(row, np.ones(1), np.ones((1, 1)), reference="hectares 2.52, town 'south'")

    band = "are won at 88.33 to 102.4."
    told = str(fair_price(Estimate(), 5)).splitlines()[1]
    assert told == f"90% of competitive tenders with 5 bidders (reference auction: hectares 2.52, town 'south') {band}"
    there = str(fair_price(Estimate(), 5, at={"hectares": 3})).splitlines()[1]
    assert there == f"90% of competitive tenders with 5 bidders (hectares 3) {band}"


def test_shares_ascend_from_0_to_1() -> None:
    assert SHARES[0] == 0 and SHARES[-1] == 1 and (np.diff(SHARES) > 0).all()


def test_it_says_what_it_rests_on_and_the_test_of_private_costs_first() -> None:
    said = str(fair_price(UNIFORM, 5)).splitlines()
    assert said[0] == "Whether costs are private was not tested: these are costs as given, not estimated from bids."
    assert said[1] == "90% of competitive tenders with 5 bidders are won at 88.33 to 102.4."
    assert said[2] == "Means: lowest cost 86.67, second lowest 93.33."
    assert all(line.startswith("Rests on: ") for line in said[3:]) and len(said) == 5
    assert isinstance(fair_price(UNIFORM, 5), FairPrice)


@pytest.mark.parametrize(
    "wrong, told",
    [
        (lambda: fair_price(UNIFORM, 1), "n is 1; competition needs a whole number of at least 2 bidders"),
        (lambda: fair_price(UNIFORM, 2.5), "n is 2.5"),  # type: ignore[arg-type]
        (lambda: fair_price(UNIFORM, math.nan), "n is nan; competition needs a whole number"),  # type: ignore[arg-type]
        (lambda: fair_price(UNIFORM, "5"), "n is '5'; competition needs"),  # type: ignore[arg-type]
        (lambda: fair_price(UNIFORM, math.inf), "n is inf; competition needs"),  # type: ignore[arg-type]
        (lambda: fair_price(UNIFORM, True), "n is True"),
        (lambda: fair_price(UNIFORM, 5, 1.0), "level is 1.0; it must be between 0 and 1"),
        (lambda: fair_price(UNIFORM, 5, 90), "level is 90"),
        (lambda: fair_price(UNIFORM, 5, at={"area": 3}), "at= is for estimates with covariates"),
        (lambda: fair_price(stats.norm(100, 5), 5), "has no lowest cost"),
        (lambda: fair_price(stats.uniform, 5), "has no parameters yet"),
        (lambda: fair_price([1, 2], 5), "has no cdf"),
    ],
)
def test_what_may_not_be_asked(wrong: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        wrong()
