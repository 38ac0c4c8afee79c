"""What the buyer spends against the reserve: closed forms, equilibria found by another way, and the best reserve."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from procure_opt.auction import Market, SecondPrice, equilibrium, optimal_reserve
from procure_opt.auction.estimate import estimate_costs
from procure_opt.auction.fair_price import Curves, curve
from procure_opt.auction.reserve_curve import reserve_curve

UNIFORM = stats.uniform(0, 1)


# Uniform costs, outside cost 1. Levin and Smith (1994) and Samuelson (1985), worked out by other means.
@pytest.mark.parametrize(
    "entry, suppliers, entry_cost, reserve, spent",
    [
        ("uninformed", 5, 0.06, 0.5, 0.533305954),
        ("uninformed", 5, 0.06, 0.7, 0.454296667),
        ("uninformed", 5, 0.06, 0.85, 0.447756577),
        ("uninformed", 5, 0.06, 1.0, 0.447151141),
        ("uninformed", 10, 0.06, 1.0, 0.465986421),
        ("informed", 4, 0.06, 0.624, 0.4900),
        ("informed", 4, 0.06, 1.0, 0.5087),
        ("fixed", 5, 0.0, 0.5, 0.328125),
        ("fixed", 5, 0.0, 1.0, 1 / 3),
    ],
)
def test_known_outlays(entry: str, suppliers: int, entry_cost: float, reserve: float, spent: float) -> None:
    found = reserve_curve(UNIFORM, 1.0, suppliers, entry_cost=entry_cost, reserves=[reserve])
    assert found.table[entry].tolist() == pytest.approx([spent], abs=4e-5 if entry == "informed" else 1e-8)


def _spent(market: Market, reserve: float, outside: float) -> float:
    """What is spent in equilibrium; nobody enters where even the lowest cost does not pay for it."""
    try:
        return float(equilibrium(SecondPrice(reserve), market).expected_outlay)
    except ValueError:
        return outside


@settings(max_examples=12, deadline=None)
@given(
    suppliers=st.integers(2, 6), share=st.floats(0.3, 1.1), entry_cost=st.floats(0.01, 0.08),
    costs=st.sampled_from([UNIFORM, stats.beta(2, 3), stats.beta(1, 0.5), stats.truncnorm(-2, 2, 0.5, 0.2)]),
)  # fmt: skip
def test_outlays_are_those_of_the_equilibrium(suppliers: int, share: float, entry_cost: float, costs: Any) -> None:
    outside = 1.2
    found = reserve_curve(costs, outside, suppliers, entry_cost=entry_cost, reserves=[share]).table
    for entry in ("fixed", "uninformed", "informed"):
        e = 0.0 if entry == "fixed" else entry_cost
        market = Market((costs, suppliers), in_house=outside, entry_cost=e, entry=entry)  # type: ignore[arg-type]
        spent = _spent(market, share, outside)
        assert found[entry].iloc[0] == pytest.approx(spent, abs=1e-5)  # straight between 1,500 points


@pytest.mark.parametrize("costs, outside", [(UNIFORM, 1.0), (stats.beta(2, 3), 0.8), (stats.uniform(1, 2), 2.6)])
def test_the_best_reserves_are_those_of_optimal_reserve(costs: Any, outside: float) -> None:
    entry_cost = 0.3 * float(costs.std())  # so high that not all enter, whatever the reserve
    best = reserve_curve(costs, outside, 4, entry_cost=entry_cost).best["reserve"]
    assert best["fixed"] == pytest.approx(optimal_reserve(costs, outside), abs=2e-3)
    assert best["uninformed"] == pytest.approx(outside, abs=1e-6)
    informed = optimal_reserve(costs, outside, "informed", bidders=4, entry_cost=entry_cost)
    assert best["informed"] == pytest.approx(informed, abs=2e-3)


def test_uniform_best_reserves() -> None:
    """U[1, 3], v = 2.6: (v + 1) / 2 in a fixed field, v where entry is uninformed; U[0, 1], N = 4, e = 0.06: 0.624."""
    assert reserve_curve(stats.uniform(1, 2), 2.6, 3).best.at["fixed", "reserve"] == pytest.approx(1.8, abs=1e-4)
    best = reserve_curve(UNIFORM, 1.0, 4, entry_cost=0.06).best["reserve"]
    assert best.round(3).to_dict() == {"fixed": 0.5, "uninformed": 1.0, "informed": 0.624}


def test_draws_of_a_fixed_field() -> None:
    """Second price with a reserve, played: who is alone below it is paid the reserve."""
    drawn = np.sort(np.random.default_rng(0).beta(2, 3, (400_000, 3)), axis=1)
    reserve, outside = 0.45, 0.9
    paid = np.where(drawn[:, 0] > reserve, outside, np.minimum(drawn[:, 1], reserve))
    found = reserve_curve(stats.beta(2, 3), outside, 3, reserves=[reserve]).table["fixed"].iloc[0]
    assert found == pytest.approx(paid.mean(), abs=4 * paid.std() / math.sqrt(400_000))


def believed(costs: list[Any], bidding: float = 1.0, **more: Any) -> Any:
    class Estimate:
        def curves(self, at: Any) -> Curves:
            rows = np.stack([curve(each) for each in costs])
            return Curves(rows, np.full(len(rows), bidding), **({"common": np.ones((len(rows), 1))} | more))

    return Estimate()


def test_intervals_are_percentiles_of_the_replications() -> None:
    beliefs = [stats.uniform(low, 1) for low in np.linspace(-0.1, 0.1, 21)]
    found = reserve_curve(believed([UNIFORM, *beliefs]), 1.2, 3, reserves=[0.9], level=0.9)
    one_by_one = [reserve_curve(each, 1.2, 3, reserves=[0.9]) for each in beliefs]
    ends = np.quantile([each.table["fixed"].iloc[0] for each in one_by_one], [0.05, 0.95])
    assert found.table.columns.tolist() == ["fixed", "fixed_low", "fixed_high"]
    assert found.table.iloc[0, 1:].tolist() == pytest.approx(ends.tolist(), abs=1e-9)
    ends = np.quantile([each.best.at["fixed", "reserve"] for each in one_by_one], [0.05, 0.95])
    assert found.best.loc["fixed", ["reserve_low", "reserve_high"]].tolist() == pytest.approx(ends.tolist(), abs=5e-3)
    assert found.best.at["fixed", "reserve_low"] < found.best.at["fixed", "reserve"]


def test_costs_known_up_to_a_reserve_serve_for_reserves_below_it() -> None:
    """Uniform costs of which only those below 0.7 are known: the same outlay, and no word above."""
    known = believed([stats.uniform(0, 0.7)], 0.7)
    here = reserve_curve(known, 1.0, 4, reserves=[0.3, 0.5, 0.7]).table["fixed"]
    there = reserve_curve(UNIFORM, 1.0, 4, reserves=[0.3, 0.5, 0.7]).table["fixed"]
    assert here.tolist() == pytest.approx(there.tolist(), abs=1e-9)
    with pytest.raises(ValueError, match=r"at most 0\.7, up to where costs are known"):
        reserve_curve(known, 1.0, 4, reserves=[0.8])


@pytest.mark.parametrize("ties", [1, 3])
def test_below_the_lowest_cost_nobody_works(ties: int) -> None:
    """An estimate, whose costs are known one by one: at reserves below them all is done at the outside cost."""
    costs = np.random.default_rng(0).uniform(80, 120, (20, 3))
    costs.ravel()[np.argsort(costs.ravel())[:ties]] = 79.0
    rows = [{"auction": a, "bidder": i, "bid": c + (120 - c) / 3} for (a, i), c in np.ndenumerate(costs)]
    found = estimate_costs(rows, replications=5)
    below = [1, 50, found.curves().costs[:, 0].min()]
    table = reserve_curve(found, 130.0, 3, entry_cost=0.1, reserves=below).table
    assert (table.to_numpy() == 130.0).all()
    dear = reserve_curve(found, 130.0, 3, entry_cost=1e6, reserves=[100, 130]).table
    assert (dear[["informed", "uninformed"]].to_numpy() == 130.0).all()


def test_an_atom_at_the_lowest_cost_bids_only_above_it() -> None:
    row = np.maximum(curve(stats.uniform(80, 40)), 90.0)[None, :]

    class Estimate:
        def curves(self, at: Any) -> Curves:
            return Curves(row, np.ones(1), np.ones((1, 1)))

    table = reserve_curve(Estimate(), 130.0, 2, reserves=[50, 90.0000001]).table["fixed"]
    assert table.tolist() == pytest.approx([130.0, 90 * (1 - 0.75**2) + 130 * 0.75**2], abs=0.1)


@pytest.mark.parametrize(
    "wrong, told",
    [
        (lambda: reserve_curve(stats.uniform(2, 1), 1.0, 3), "must be above the lowest cost .* 2: else do it in-house"),
        (lambda: reserve_curve(UNIFORM, math.inf, 3), "outside_cost, inf"),
        (lambda: reserve_curve(UNIFORM, 1.0, 1), "n is 1; competition needs"),
        (lambda: reserve_curve(UNIFORM, 1.0, 3, entry_cost=-1), "entry_cost is -1"),
        (lambda: reserve_curve(UNIFORM, 1.0, 3, reserves=[math.nan]), "reserves must be amounts"),
        (
            lambda: reserve_curve(UNIFORM, 1.0, 3, reserves=[-1000, 0.5]),
            "reserves has -1000; a reserve must be above 0",
        ),
        (lambda: reserve_curve(UNIFORM, 1.0, 3, reserves=[0]), "reserves has 0; a reserve must be above 0"),
        (lambda: reserve_curve(UNIFORM, 1.0, 3, reserves=[]), "reserves names none"),
        (lambda: reserve_curve(UNIFORM, 1.0, 3, level=5), "level is 5; it must be between 0 and 1"),
        (lambda: reserve_curve(UNIFORM, 1.0, math.nan), "n is nan; competition needs"),  # type: ignore[arg-type]
        (lambda: reserve_curve(believed([UNIFORM], risk_aversion=0.3), 1.0, 3), "neutral to risk"),
        (lambda: reserve_curve(believed([UNIFORM], common=np.ones((1, 5))), 1.0, 3), "means another in each"),
    ],
)
def test_what_may_not_be_asked(wrong: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        wrong()
