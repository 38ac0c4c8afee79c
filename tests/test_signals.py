"""Costs with a common component: each supplier sees a signal of what the work costs all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction import FirstPrice, Market, SecondPrice, compare, equilibrium
from procure_opt.auction.average_bid import AverageBid
from procure_opt.auction.distributions import Sum

UNIFORM, NOTHING = stats.uniform(0, 1), stats.uniform(0, 1e-9)
MIXED = Market((stats.beta(2, 3), 4), common=stats.uniform(1, 2))


@pytest.mark.parametrize("suppliers", [2, 3, 5])
@pytest.mark.parametrize("v", [0.0, 0.3, 0.8, 0.99])
def test_where_all_is_common_bids_are_those_of_the_average_value_model(suppliers: int, v: float) -> None:
    """v uniform, costs their mean: w(v) = [(n + 2) v + n − 2] / 2n; first price bids w(v) + w′ (1 − v) / n.

    Worked out by hand from E[v | v > y] = (1 + y) / 2; with two suppliers the "wallet game" of Klemperer (1998),
    European Economic Review 42, whose bids are v in second price and (1 + v) / 2 in first price.
    """
    n = suppliers
    market = Market((NOTHING, n), common=UNIFORM)
    w, slope = ((n + 2) * v + n - 2) / (2 * n), (n + 2) / (2 * n)
    assert equilibrium(SecondPrice(), market).bid(v / n) == pytest.approx(w, abs=2e-8)
    assert equilibrium(FirstPrice(), market).bid(v / n) == pytest.approx(w + slope * (1 - v) / n, abs=2e-8)


@pytest.mark.parametrize("rule", [FirstPrice(), FirstPrice(0.8), SecondPrice(), SecondPrice(0.8)])
@pytest.mark.parametrize("shift", [0.0, 10.0])
def test_a_common_component_that_all_know_is_a_private_cost(rule: FirstPrice | SecondPrice, shift: float) -> None:
    if rule.reserve is not None:
        rule = type(rule)(rule.reserve + shift)
    shared = equilibrium(rule, Market((UNIFORM, 3), common=stats.uniform(shift, 1e-9)))
    alone = equilibrium(rule, Market((stats.uniform(shift, 1), 3)))
    costs = np.array([0.05, 0.4, 0.75])
    assert shared.bid(costs + shift / 3) == pytest.approx(alone.bid(costs + shift), abs=1e-7)
    for name in ("expected_payment", "expected_cost", "award_probability", "expected_bidders"):
        assert getattr(shared, name) == pytest.approx(getattr(alone, name), abs=1e-7)


def test_a_reserve_keeps_away_who_would_be_sorry_to_win() -> None:
    """Two suppliers, all common and uniform: s* + E[v | v > v*] / 2 = r, so that v* = (4 r − 1) / 3."""
    found = equilibrium(FirstPrice(0.8), Market((NOTHING, 2), common=UNIFORM))
    edge = (4 * 0.8 - 1) / 3
    assert found.strategies[0].ceiling == pytest.approx(edge / 2, abs=2e-8)
    assert found.bid(edge / 2 - 1e-7) == pytest.approx(0.8, abs=1e-5)
    assert np.isnan(found.bid(edge / 2 + 1e-6))
    assert found.award_probability == pytest.approx(1 - (1 - edge) ** 2, abs=1e-7)


def drawn(market: Market, draws: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and costs, from the definition."""
    ((private, n),) = market.classes
    generator = np.random.default_rng(seed)
    own, signals = (
        private.rvs((draws, n), random_state=generator),
        market.common.rvs((draws, n), random_state=generator),
    )
    return own + signals / n, own + signals.mean(axis=1)[:, None]


@pytest.mark.parametrize("reserve", [None, 2.55])
def test_both_rules_pay_the_same_and_what_a_simulation_says(reserve: float | None) -> None:
    known, cost = drawn(MIXED, 400_000, 1)
    first, second = (equilibrium(rule(reserve), MIXED) for rule in (FirstPrice, SecondPrice))
    assert first.expected_payment == pytest.approx(second.expected_payment, abs=1e-9)
    rows = np.arange(len(known))
    for found in (first, second):
        asked = np.nan_to_num(found.strategies[0](known), nan=np.inf)
        winner = asked.argmin(axis=1)
        price = np.sort(asked, axis=1)[:, 0 if found is first else 1]
        if reserve is not None:
            price = np.minimum(price, reserve)
        sold = np.isfinite(asked.min(axis=1))
        for told, sample in (
            (found.expected_payment, np.where(sold, price, 0)),
            (found.expected_cost, np.where(sold, cost[rows, winner], 0)),
            (found.award_probability, sold.astype(float)),
        ):
            assert abs(told - sample.mean()) < 4 * sample.std() / np.sqrt(len(sample)) + 1e-9


@pytest.mark.parametrize("rule", [FirstPrice(), SecondPrice(), FirstPrice(2.55)])
def test_no_other_bid_earns_more_in_a_simulation(rule: FirstPrice | SecondPrice) -> None:
    """The own sum is fixed, rivals are drawn: deviations are chosen on one half of the draws, judged on the other."""
    found = equilibrium(rule, MIXED)
    assert found.epsilon < 1e-6
    private, n = MIXED.classes[0]
    generator = np.random.default_rng(7)
    own = private.rvs((400_000, n - 1), random_state=generator)
    signals = MIXED.common.rvs(own.shape, random_state=generator)
    rival = np.nan_to_num(found.strategies[0](own + signals / n), nan=np.inf).min(axis=1)
    others = signals.sum(axis=1) / n
    for s in (0.5, 0.7):
        mine = found.bid(s)

        def profit(bid: float, some: slice, s: float = s) -> NDArray[np.float64]:
            paid = np.minimum(rival, 3.0)[some] if isinstance(rule, SecondPrice) else bid
            return np.where(rival[some] > bid, paid - s - others[some], 0.0)

        tried = mine + np.linspace(-0.3, 0.3, 31)
        if rule.reserve is not None:
            tried = tried[tried <= rule.reserve]
        best = max(tried, key=lambda bid: profit(float(bid), slice(0, 200_000)).mean())
        gain = profit(float(best), slice(200_000, None)) - profit(mine, slice(200_000, None))
        assert gain.mean() < 3.5 * gain.std() / np.sqrt(len(gain)) + 1e-9


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([UNIFORM, stats.beta(2, 3), stats.truncnorm(-2, 2, 1, 0.4)]),
    st.sampled_from([UNIFORM, stats.beta(3, 2, 0, 4), stats.uniform(2, 0.1)]),
    st.integers(2, 6),
)
def test_the_sum_is_a_distribution(private: object, common: object, n: int) -> None:
    of = Sum(private, common, n)
    low, high = of.support()
    at = np.linspace(low, high, 41)
    assert of.cdf(at) + of.sf(at) == pytest.approx(np.ones(41), abs=1e-7)
    sample = private.rvs(20_000, random_state=1) + common.rvs(20_000, random_state=2) / n  # type: ignore[attr-defined]
    assert stats.kstest(sample, of.cdf).pvalue > 1e-4
    assert of.cdf(of.ppf([0.1, 0.5, 0.9])) == pytest.approx([0.1, 0.5, 0.9], abs=1e-5)
    mean, some = common.mean(), float(of.above(low))  # type: ignore[attr-defined]
    assert some == pytest.approx(mean, abs=1e-6)


def test_a_winner_who_forgot_the_others_signals_loses() -> None:
    """Winner's curse: to ask one's naive expected cost loses money in the mean, the equilibrium does not."""
    known, cost = drawn(MIXED, 100_000, 3)
    rows, winner = np.arange(len(known)), known.argmin(axis=1)
    naive = known[rows, winner] + 0.75 * 2.0  # E[v] of the three others, over four
    assert (naive - cost[rows, winner]).mean() < -0.05
    assert equilibrium(FirstPrice(), MIXED).rents > 0.05


def test_rules_are_compared_on_costs_with_a_common_component() -> None:
    found = compare({"first": FirstPrice(), "second": SecondPrice()}, MIXED, 40_000, 5)
    for name in ("first", "second"):
        solved = found.equilibria[name]
        row = found.table.loc[name]
        assert row["payment_low"] - 0.01 < solved.expected_payment < row["payment_high"] + 0.01
        assert abs(row["production_cost"] - solved.expected_cost) < 0.02
    assert (found.table["cost_ratio"] > 1).all()  # the lowest sum is not always the lowest cost


@pytest.mark.parametrize(
    "rule, market, told",
    [
        (FirstPrice(), Market([(UNIFORM, 2), (stats.uniform(0, 2), 1)], common=UNIFORM), "one kind"),
        (FirstPrice(), Market((UNIFORM, 1), common=UNIFORM), "two of them"),
        (FirstPrice(), Market((UNIFORM, 3), common=UNIFORM, risk_aversion=0.5), "neutral to risk"),
        (SecondPrice(), Market((UNIFORM, 3), common=UNIFORM, correlation=0.5), "independent signals"),
        (FirstPrice(floor=0.5), Market((UNIFORM, 3), common=UNIFORM), "floor"),
        (FirstPrice(), Market((UNIFORM, 3), common=stats.expon()), "truncate"),
        (FirstPrice(0.3), Market((UNIFORM, 3), common=UNIFORM), "nobody can bid"),
        (FirstPrice(), Market((stats.beta(0.3, 0.3, 0, 3), 3), common=stats.beta(0.2, 0.2, 0, 3)), "would not grow"),
        (AverageBid(), MIXED, "private costs"),
    ],
)
def test_markets_that_are_not_solved_say_why(rule: object, market: Market, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        equilibrium(rule, market)
