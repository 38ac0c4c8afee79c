"""Missing bids: demands by loops, bounds by trying, the linear program against closed forms, Tsuchiura."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from procure_opt.auction.cartels import Cover, simulated_tenders
from procure_opt.auction.missing import cost_bounds, least_share, missing_mass

TSUCHIURA = Path(__file__).resolve().parents[2] / "shared" / "data" / "tsuchiura" / "bids_2007_2011.csv"
seen = pytest.mark.skipif(not TSUCHIURA.exists(), reason="the shared files are not here")


def rows(*auctions, reserve=None):
    return [
        {"auction": f"A{k}", "bidder": f"B{i}", "bid": bid, **({} if reserve is None else {"reserve": reserve})}
        for k, bids in enumerate(auctions)
        for i, bid in enumerate(bids)
    ]


def slow_demand(auctions, rho, reserve=math.inf):
    won = []
    for bids in auctions:
        for k, bid in enumerate(bids):
            rival, mine = min([*bids[:k], *bids[k + 1 :], reserve]), bid * (1 + rho)
            won.append(0.5 if math.isclose(mine, rival, rel_tol=1e-11) else float(mine < rival))
    return sum(won) / len(won)


BIDS = st.lists(st.integers(80, 120), min_size=2, max_size=5)


@settings(max_examples=30, deadline=None)
@given(st.lists(BIDS, min_size=1, max_size=5), st.sampled_from([None, 120, 125]))
def test_demand_agrees_with_loops(auctions, reserve):
    deviations = (-0.1, -0.05, 0.02, 0.25)
    found = missing_mass(rows(*auctions, reserve=reserve), deviations, draws=3)
    assert found.demand == pytest.approx(slow_demand(auctions, 0, reserve or math.inf))
    slow = [slow_demand(auctions, rho, reserve or math.inf) for rho in deviations]
    assert found.table["demand"].tolist() == pytest.approx(slow)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 0.9), st.floats(0.01, 0.9), st.floats(0.001, 0.3), st.booleans())
def test_bounds_are_where_the_deviation_stops_to_pay(won, part, size, up):
    rho = size if up else -size
    changed = won * part if up else won + (1 - won) * part
    bound = float(cost_bounds(won, changed, np.array([rho]))[0])
    # By trying: the gain from deviating as a function of κ changes its sign at the bound, in the direction told.
    for kappa in (bound - 1e-3, bound + 1e-3):
        pays = changed * (1 + rho - kappa) > won * (1 - kappa)
        assert pays == (kappa > bound if up else kappa < bound)


def test_bounds_where_nothing_changes():
    assert cost_bounds(0.3, np.array([0.3, 0.3]), np.array([-0.1, 0.1])).tolist() == [-math.inf, -math.inf]
    assert np.isnan(cost_bounds(0.0, np.array([0.0]), np.array([0.1]))).all()


# ---- the linear program ----


@pytest.mark.parametrize(
    "won, changed, rho, highest", [(0.25, 0.249, 0.01, 0.5), (0.4, 0.38, 0.1, 0.3), (0.3, 0.1, 0.1, 0.2)]
)
def test_least_share_of_one_raise_in_closed_form(won, changed, rho, highest):
    # A competitive bid has d(ρ) ≤ q d(0) with q = (1 − κ)/(1 + ρ − κ), at most that of the lowest κ; another has
    # d(ρ) ≤ d(0) ≤ 1. So the others weigh x with D(ρ) ≤ q (D(0) − x) + x.
    kappa = 1 / (1 + highest)
    q = (1 - kappa) / (1 + rho - kappa)
    share = max(0.0, (changed - q * won) / (1 - q))
    assert least_share(np.array([won, changed]), np.array([rho]), (0.0, highest)) == pytest.approx(share, abs=1e-7)


def test_least_share_grows_with_deviations_and_with_limits():
    demand, rho = np.array([0.25, 0.7, 0.2495]), np.array([-0.02, 0.001])
    odds = np.log(demand / (1 - demand))
    shares = []
    for k in (2.0, 0.5, 0.05):
        shares.append(least_share(demand, rho, beliefs=(1 / (1 + np.exp(k - odds)), 1 / (1 + np.exp(-k - odds)))))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.2)
    assert least_share(demand, rho, (0.02, 0.1)) >= least_share(demand, rho, (0.0, 0.5)) - 1e-9
    wide = least_share(demand, rho, (0.0, 0.2), region=(np.full(3, 0.2), np.full(3, 0.2)))
    assert wide <= least_share(demand, rho, (0.0, 0.2)) + 1e-9
    # Nobody believes that a higher bid wins more often.
    assert math.isnan(least_share(np.array([0.2, 0.3]), np.array([0.1])))


def test_beliefs_drawn_at_random_give_an_upper_bound_that_can_be_far_off():
    """The 0.303379 of the authors' own tests (Tsuchiura, ρ = −2 %, mark-ups up to 60 %, log odds within ½ of those of
    0.65 and 0.48, mean beliefs within 0.0125 in squares) rests on 384 draws. Over all beliefs the least share is 0."""
    demand, tolerance = np.array([4077, 1470]) / 5876, 0.0125
    drawn = np.random.RandomState(0).rand(10_000, 3)
    beliefs, cost = -np.sort(-drawn[:, :2], axis=1), drawn[:, 2]
    odds = np.log(np.array([0.65, 0.48]) / (1 - np.array([0.65, 0.48])))
    low, high = 1 / (1 + np.exp(0.5 - odds)), 1 / (1 + np.exp(-0.5 - odds))
    fits = ((beliefs >= low) & (beliefs <= high)).all(axis=1) & (cost >= 1 / 1.6)
    beliefs, cost = beliefs[fits], cost[fits]
    assert fits.sum() == 384
    pays = beliefs[:, 0] * (0.98 - cost) > beliefs[:, 1] * (1 - cost) + 1e-8
    # The disc of mean beliefs from outside: where the solution leaves it, a tangent is added.
    normals, share = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]), 0.0
    for _ in range(60):
        found = optimize.linprog(
            pays.astype(float), normals @ beliefs.T, normals @ demand + math.sqrt(tolerance),
            np.ones((1, len(cost))), [1.0], bounds=(0, None), method="highs",
        )  # fmt: skip
        share, off = found.fun, found.x @ beliefs - demand
        if math.hypot(*off) <= math.sqrt(tolerance) * (1 + 1e-9):
            break
        normals = np.vstack([normals, off / math.hypot(*off)])
    assert share == pytest.approx(0.303379, abs=5e-6)
    # Within the disc: D(0) higher by 0.1112, D(−2 %) as it is.
    region = (np.array([-0.1112, 0.1112]), np.array([0.1112, -0.1112]))
    exact = least_share(
        demand[::-1], np.array([-0.02]), (0.0, 0.6), beliefs=(low[::-1], high[::-1]), region=region, grid=401
    )
    assert region[1][0] ** 2 < tolerance
    assert exact == 0.0


# ---- inference ----


def test_safe_bounds_are_wider_and_seeded():
    table = simulated_tenders(200, 5, seed=1)
    one, two = missing_mass(table, draws=199), missing_mass(table, draws=199)
    assert one.table.equals(two.table)
    up = one.table["deviation"] > 0
    assert (one.table["bound_safe"][up] >= one.table["bound"][up]).all()
    assert (one.table["bound_safe"][~up] <= one.table["bound"][~up]).all()
    assert one.share_safe <= one.share


def test_safe_bounds_are_exact_where_all_auctions_are_alike():
    """Resampling 30 auctions of one kind shows no spread; Clopper and Pearson's limits do, by another function."""
    found = missing_mass(rows(*[(90, 95, 100)] * 30), (-0.06, 0.02), draws=50)
    assert found.table["bound"].tolist() == pytest.approx([1 - 0.06 - 0.06, -math.inf])
    # Each auction has one winner; asking 6 % less changes who wins in 30 of 30, asking 2 % more in 0 of 30.
    least = stats.binomtest(30, 30).proportion_ci(0.95, "exact").low
    most = stats.binomtest(0, 30).proportion_ci(0.95, "exact").high
    safe = [1 - 0.06 - 0.06 / least, 1 + 0.02 - 0.02 / most]
    assert found.table["bound_safe"].tolist() == pytest.approx(safe)
    assert "inf" not in found.question


@pytest.mark.parametrize("auctions, n", [(20, 3), (40, 3), (40, 6), (100, 3)])
def test_few_honest_auctions_are_not_asked_about(auctions, n):
    """None of 40 auctions may have a close call within 0.1 %; that bounds nobody's costs."""
    asked = []
    for seed in range(12):
        found = missing_mass(simulated_tenders(auctions, n, seed=seed), draws=99, seed=seed)
        low, high = found.cost_ratio_safe
        asked.append(low > high or found.share_safe > 1e-6)
        assert "inf" not in found.question
    assert sum(asked) <= 2  # of 12 at 5 %: more than 2 once in 50


def test_gaps_in_a_thousand_auctions_are_still_asked_about():
    found = missing_mass(simulated_tenders(1000, 6, Cover(6), seed=2), (-0.02, 0.005), draws=99)
    assert found.cost_ratio[1] == -math.inf
    assert found.cost_ratio_safe[0] > found.cost_ratio_safe[1]
    assert found.share_safe > 0
    assert "inf" not in found.question


def test_safe_bounds_hold_in_honest_markets_with_one_ratio_of_cost_to_bid():
    # S = (c0/c)^a: the mark-up is the same for all costs, κ = 1 − 1/(a (n − 1)), and every bid is its bidder's best.
    n, a = 4, 6.0
    kappa = 1 - 1 / (a * (n - 1))
    costs = stats.pareto(a)
    asked = []
    for seed in range(25):
        generator = np.random.default_rng(seed)
        bids = costs.rvs((300, n), random_state=generator) / kappa * generator.lognormal(0, 1, (300, 1))
        table = [
            {"auction": k, "bidder": f"B{i}", "bid": bid} for k, row in enumerate(bids) for i, bid in enumerate(row)
        ]
        found = missing_mass(table, (-0.02, -0.005, 0.005, 0.02), draws=199, seed=seed)
        low, high = found.cost_ratio_safe
        asked.append(not low - 1e-9 <= kappa <= high + 1e-9)
    assert np.mean(asked) <= 0.16


def test_a_ring_that_leaves_gaps_is_asked_about_and_competition_is_not():
    honest = missing_mass(simulated_tenders(400, 6, seed=2), draws=199)
    assert honest.cost_ratio_safe[0] <= honest.cost_ratio_safe[1]
    assert honest.hole > 0.05
    assert honest.question.endswith("nothing here that competition would not explain.")
    ring = missing_mass(simulated_tenders(400, 6, Cover(6), seed=2), (-0.02, 0.005), draws=199, near=0.005)
    assert ring.cost_ratio_safe[0] > ring.cost_ratio_safe[1]
    assert ring.question.endswith("?")


def test_close_calls_by_hand():
    auctions = [(1000.0, 1000.1, 1003), (1000, 1000.3, 1009), (1000, 1000, 1001), (1000, 1000.15), (1000, 1000.9)]
    auctions = [tuple(bid + 0.007 for bid in bids) for bids in auctions]
    found = missing_mass(rows(*auctions, reserve=1000.0 * 2), draws=3, near=0.0001)
    # Apart, over 2,000: 0.005 %, 0.015 %, 0, 0.0075 %, 0.045 %.
    assert (found.close, found.next_close, found.ties) == (2, 1, 1)
    assert found.hole == pytest.approx(stats.binom.cdf(2, 3, 0.5))
    rounded = missing_mass(rows((1000, 2000), (3000, 5000)), draws=3)
    assert (rounded.close, rounded.next_close) == (0, 0)
    assert any("2 auctions left out whose bids are rounded" in note for note in rounded.notes)


def test_some_bidders_against_all_rivals():
    found = missing_mass(rows((10, 12, 13), (11, 10, 15)), (-0.1, 0.1), bidders=["B1"], draws=3)
    assert found.bids == 2
    assert found.demand == 0.5
    assert found.auctions == 2


@pytest.mark.parametrize(
    "call, told",
    [
        ({"deviations": (0.0, 0.1)}, "other than 0"),
        ({"deviations": ()}, "give shares above"),
        ({"deviations": (-1.0,)}, "above −1"),
        ({"markup": (0.5, 0.1)}, "lowest and the highest"),
        ({"information": 0.0}, "log odds above 0"),
        ({"near": 0.0}, "between 0 and 1"),
        ({"draws": 0}, "at least 1 sample"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"bidders": ["X"]}, "'X' has no bid"),
    ],
)
def test_what_cannot_be_looked_at_is_said(call, told):
    with pytest.raises(ValueError, match=told):
        missing_mass(rows((10, 12), (11, 13)), **call)


def test_auctions_of_one_bid_are_left_out_and_told():
    found = missing_mass(rows((10, 12), (11,)), draws=3)
    assert (found.auctions, found.bids) == (1, 2)
    assert "1 auctions with one bid are left out" in found.notes
    with pytest.raises(ValueError, match="no auction is left that has two bids"):
        missing_mass(rows((10,), (11,)))


# ---- Tsuchiura ----


@seen
def test_tsuchiura_costs_cannot_be_both_low_and_high():
    """Chassang et al. 2022: what winners left on the table bounds κ above, what losers missed bounds it below."""
    raw = pd.read_csv(TSUCHIURA)
    table = raw.rename(columns={"pid": "auction", "reserveprice": "reserve"})[["auction", "bidder", "bid", "reserve"]]
    found = missing_mass(table, (-0.02, 0.001), draws=199)
    # The same from the raw file, in pandas: lowest bid of each bidder, at most the reserve, auctions with two bids.
    lowest = (
        raw[(raw["bid"] > 0) & (raw["bid"] <= raw["reserveprice"])]
        .groupby(["pid", "bidder"])[["bid", "reserveprice"]]
        .min()
    )
    groups = [group.to_numpy() for _, group in lowest.groupby("pid") if len(group) > 1]
    for rho, told in ((-0.02, 0.649078), (0.0, 0.226434), (0.001, 0.222592)):
        won = []
        for group in groups:
            for k, (bid, reserve) in enumerate(group):
                rival, mine = min(*np.delete(group[:, 0], k), reserve), bid * (1 + rho)
                won.append(0.5 if math.isclose(mine, rival, rel_tol=1e-11) else float(mine < rival))
        assert np.mean(won) == pytest.approx(told, abs=1e-6)
        ours = found.demand if rho == 0 else found.table.set_index("deviation")["demand"][rho]
        assert ours == pytest.approx(told, abs=1e-6)
    assert (found.bids, found.auctions) == (3904, 883)
    low, high = found.cost_ratio
    assert (low, high) == pytest.approx((0.9693, 0.9421), abs=5e-5)
    assert found.cost_ratio_safe[0] > found.cost_ratio_safe[1]
    assert found.hole < 1e-6
    assert "did bidders misjudge" in found.question
