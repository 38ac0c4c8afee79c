"""Scoring auctions and reserves: known answers, draws of the two lowest types, and what a reserve is best at."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from procure_opt.auction import (
    FirstPrice,
    FirstScore,
    Market,
    Quality,
    RatioScore,
    ScoreEquilibrium,
    SecondPrice,
    SecondScore,
    equilibrium,
    free_entry,
    optimal_reserve,
)

KNOWN = pd.read_csv(Path(__file__).parent / "known" / "auction_scores.csv")
RULES = {
    "naive": FirstScore(lambda q: q),
    "optimal": FirstScore(lambda q: q / 2 + q**2 / 4),
    "ratio": RatioScore(),
    "second ratio": RatioScore(second=True),
}


@cache
def solved(name: str, n: int) -> ScoreEquilibrium:
    ratio = "ratio" in name
    quality = Quality(lambda q, theta: theta * (1 + q**2) / 2 if ratio else theta * q**2 / 2)
    found = equilibrium(RULES[name], Market((stats.uniform(1, 1), n), quality=quality))
    assert isinstance(found, ScoreEquilibrium)
    return found


@pytest.mark.parametrize("source, rule, n, quantity, value", list(KNOWN.itertuples(index=False, name=None)))
def test_known_answers(source: str, rule: str, n: int, quantity: str, value: float) -> None:
    found = solved(rule, n)
    if quantity == "utility":
        shown = found.expected(lambda q, p: q - p)
    elif quantity in ("bid", "quality"):
        shown = getattr(found, quantity)(1.2)
    else:
        shown = getattr(found, quantity)
    assert shown == pytest.approx(value, abs=1e-8)
    assert found.epsilon < 1e-6


@pytest.mark.parametrize("n", [2, 3, 5])
def test_draws_of_the_two_lowest_types(n: int) -> None:
    """Under second ratio the winner delivers θ₂ / θ₁, at the ratio θ₂; under first score it delivers 1 / θ₁."""
    two = np.sort(np.random.default_rng(n).uniform(1, 2, (200_000, n)), axis=1)[:, :2]
    second = solved("second ratio", n)
    quality = two[:, 1] / two[:, 0]
    first = solved("naive", n)
    price = first.bid(two[:, 0])
    for drawn, expected in [
        (quality, second.expected_quality),
        (two[:, 1] * quality, second.expected_payment),
        (two[:, 0] * (1 + quality**2) / 2, second.expected_cost),
        (1 / two[:, 0], first.expected_quality),
        (price, first.expected_payment),
    ]:
        assert drawn.mean() == pytest.approx(expected, abs=4 * drawn.std() / np.sqrt(len(drawn)))


def test_second_score_pays_what_first_score_does() -> None:
    market = Market((stats.uniform(1, 1), 3), quality=Quality(lambda q, theta: theta * q**2 / 2))
    second = equilibrium(SecondScore(lambda q: q), market)
    first = solved("naive", 3)
    # Drawn apart: the winner has to leave the buyer the score of the next, 1 / (2 θ₂).
    two = np.sort(np.random.default_rng(1).uniform(1, 2, (200_000, 3)), axis=1)[:, :2]
    paid = 1 / two[:, 0] - 1 / (2 * two[:, 1])
    assert second.expected_payment == pytest.approx(first.expected_payment, abs=1e-9)
    assert second.expected_payment == pytest.approx(paid.mean(), abs=4 * paid.std() / np.sqrt(len(paid)))


@pytest.mark.parametrize("rule", [FirstScore(lambda q: q), SecondScore(lambda q: q), RatioScore()])
def test_a_market_without_a_cost_of_quality(rule: FirstScore | SecondScore | RatioScore) -> None:
    with pytest.raises(ValueError, match="needs to know what quality costs"):
        equilibrium(rule, Market((stats.uniform(1, 1), 2)))


# ---- reserves and entry -----------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution, outside, reserve", [
    (stats.uniform(1, 2), 2.6, 1.8),
    (stats.beta(2, 3), 0.8, 0.440861584),
    (stats.weibull_min(2), 1.5, 0.861406787),
])  # fmt: skip
def test_myersons_reserve(distribution: object, outside: float, reserve: float) -> None:
    assert optimal_reserve(distribution, outside) == pytest.approx(reserve, abs=1e-8)


@pytest.mark.parametrize("n", [2, 5])
def test_no_other_reserve_costs_less(n: int) -> None:
    """The outlay at reserves around it, by the equilibria of another rule."""
    one = stats.beta(2, 3)
    best = optimal_reserve(one, 0.8)
    outlay = [
        equilibrium(FirstPrice(best + d), Market((one, n), in_house=0.8)).expected_outlay for d in (-0.02, 0, 0.02)
    ]
    assert outlay[1] < min(outlay[0], outlay[2])


def test_a_reserve_below_every_cost_is_no_reserve() -> None:
    with pytest.raises(ValueError, match="do it in-house"):
        optimal_reserve(stats.uniform(1, 2), 0.9)


@pytest.mark.parametrize("cost", [0.06, 0.02, 0.11])
def test_free_entry_is_the_largest_number_that_pays(cost: float) -> None:
    """U(0, 1): each of n earns 1 / (n (n + 1)); with a reserve of 1 one alone earns 1/2."""
    entered = free_entry(Market((stats.uniform(0, 1), 12), entry_cost=cost), SecondPrice(1))
    assert 1 / (entered * (entered + 1)) >= cost > 1 / ((entered + 1) * (entered + 2))
