"""Costs from past bids: the truth of drawn markets, every method of the catalogue, intervals, refusals, real tables."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from procure_opt.auction import FirstPrice, Market, equilibrium
from procure_opt.auction.estimate import METHODS, CostEstimate, Parting, estimate_costs, participation
from procure_opt.auction.fair_price import fair_price
from procure_opt.auction.past import past_bids
from procure_opt.cells import BadTable

SHARED = Path(__file__).parents[2] / "shared" / "data"
INVERSIONS = [name for name, method in METHODS.items() if not isinstance(method, Parting)]


def uniform(auctions: dict[int, int], seed: int = 0, low: float = 80, width: float = 40) -> pd.DataFrame:
    """Bids of uniform costs, b = c + (c̄ − c) / n, for so many auctions with each number of bidders."""
    generator, rows = np.random.default_rng(seed), []
    for n, count in auctions.items():
        for auction in range(count):
            for bidder, cost in enumerate(generator.uniform(low, low + width, n)):
                rows.append((f"{n}-{auction}", bidder, cost + (low + width - cost) / n, cost))
    return pd.DataFrame(rows, columns=["auction", "bidder", "bid", "truth"])


def missed(found: CostEstimate, table: pd.DataFrame) -> float:
    """Root mean square of estimated less true costs."""
    truth = table["truth"].to_numpy()[found.table.index - 2]
    return float(np.sqrt(np.nanmean((found.table["cost"].to_numpy() - truth) ** 2)))


# ---- the truth is recovered -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", INVERSIONS)
def test_every_method_finds_the_costs(method: str) -> None:
    table = uniform({2: 200, 4: 150}, seed=3)
    found = estimate_costs(table, method)
    inside = found.table["cost"].notna().to_numpy()
    assert inside.all() if METHODS[method].full_support else 0.2 < inside.mean() < 1
    assert missed(found, table) < 2.0  # of a width of 40
    assert (found.table["markup"] + found.table["cost"])[inside].tolist() == pytest.approx(
        found.table["bid"][inside].tolist()
    )
    if METHODS[method].increasing:
        for _, each in found.table.groupby("n"):
            assert (each.sort_values("bid")["cost"].diff().dropna() >= 0).all()


def test_the_default_is_closer_than_the_yardstick() -> None:
    """Three bidders, 200 auctions, uniform on 0 to 1: plain kernels miss by 0.0125 inside; here over ten draws."""
    gaps = []
    for seed in range(10):
        table = uniform({3: 200}, seed, 0.5, 1.0)
        found = estimate_costs(table)
        inside = table["truth"].between(0.6, 1.4).to_numpy()
        gaps.append(((found.table["cost"].to_numpy() - table["truth"].to_numpy())[inside] ** 2).mean())
    assert math.sqrt(np.mean(gaps)) < 0.0125


def test_pooled_costs_are_those_of_all_numbers_of_bidders() -> None:
    table = uniform({2: 60, 3: 80, 5: 40}, seed=1)
    found = estimate_costs(table)
    assert list(found.by_n) == [2, 3, 5]
    weights = {2: 120, 3: 240, 5: 200}
    at = np.linspace(85, 115, 7)
    by_weight = sum(weights[n] * each.cdf(at) for n, each in found.by_n.items()) / sum(weights.values())
    counted = (found.table["cost"].to_numpy() <= at[:, None]).mean(axis=1)
    assert found.distribution.cdf(at) == pytest.approx(by_weight, abs=0.02)
    assert found.distribution.cdf(at) == pytest.approx(counted, abs=0.02)
    alone = estimate_costs(table[table["auction"].str.startswith("3-")])
    assert found.by_n[3].ppf(at / 120) == pytest.approx(alone.distribution.ppf(at / 120), rel=1e-9)


def test_what_is_estimated_stands_in_a_market() -> None:
    found = estimate_costs(uniform({3: 200}, seed=2))
    paid = equilibrium(FirstPrice(), Market((found.distribution, 5))).expected_payment
    assert found.fair_price(5).mean_second_cost == pytest.approx(paid, abs=0.4)  # the one is smoothed, the other not
    assert paid == pytest.approx(280 / 3, abs=1.0)


@pytest.mark.parametrize("risk_aversion", [0.0, 0.6])
def test_risk_aversion_shrinks_mark_ups(risk_aversion: float) -> None:
    """Uniform, ρ: b = c + (1 − c)(1 − ρ) / (n − ρ)."""
    generator = np.random.default_rng(4)
    cost = generator.uniform(0, 1, (300, 3))
    bid = 1 + cost + (1 - cost) * (1 - risk_aversion) / (3 - risk_aversion)
    rows = [{"auction": a, "bidder": i, "bid": b} for (a, i), b in np.ndenumerate(bid)]
    found = estimate_costs(rows, risk_aversion=risk_aversion)
    assert np.abs(found.table["cost"].to_numpy() - 1 - cost.ravel()).mean() < 0.02
    asked = equilibrium(FirstPrice(), Market((stats.uniform(1, 1), 3), risk_aversion=risk_aversion)).bid(
        1 + generator.random((100_000, 3)).min(axis=1)
    )
    fair = found.fair_price(3)
    assert (fair.low, fair.high) == pytest.approx(np.quantile(asked, [0.05, 0.95]), abs=0.03)


def kept_out(auctions: int, potential: int, reserve: float, seed: int) -> pd.DataFrame:
    """Uniform costs on 1 to 2, of which those below the reserve bid, reckoning with all who could."""
    generator, rows = np.random.default_rng(seed), []
    for auction in range(auctions):
        cost = generator.random(potential)
        for bidder in np.flatnonzero(cost < reserve - 1):
            c, r = cost[bidder], reserve - 1
            bid = 1 + c + ((1 - c) ** potential - (1 - r) ** potential) / (potential * (1 - c) ** (potential - 1))
            rows.append((auction, bidder, bid, 1 + c, reserve))
    return pd.DataFrame(rows, columns=["auction", "bidder", "bid", "truth", "reserve"])


def test_a_reserve_that_keeps_suppliers_away() -> None:
    table = kept_out(400, 5, 1.7, seed=5)
    found = estimate_costs(table, potential=5, replications=20)
    assert found.bidding == pytest.approx(0.7, abs=0.04)
    assert missed(found, table) < 0.015
    assert missed(estimate_costs(table), table) > 0.05  # who reads the same bids as those of rivals who are known
    fair = found.fair_price(5)
    assert fair.low == pytest.approx(fair_price_of_reserve(5, 1.7, 0.05), abs=0.02)
    assert fair.high == pytest.approx(fair_price_of_reserve(5, 1.7, 0.95), abs=0.02)


def fair_price_of_reserve(n: int, reserve: float, share: float) -> float:
    """A quantile of the winning bid, given that somebody bids, from the closed form."""
    r = reserve - 1
    c = 1 - (1 - share * (1 - (1 - r) ** n)) ** (1 / n)
    return 1 + c + ((1 - c) ** n - (1 - r) ** n) / (n * (1 - c) ** (n - 1))


def test_reserves_that_differ_are_counted_in() -> None:
    table = kept_out(200, 4, 1.6, seed=6)
    double = table.assign(bid=2 * table["bid"], reserve=2 * table["reserve"], truth=2 * table["truth"])
    both = pd.concat([table, double.assign(auction=double["auction"] + 1000)])
    found = estimate_costs(both, scale="reserve", potential=4)
    assert missed(found, both) < 0.03
    with pytest.raises(ValueError, match="the reserve must be the same in all auctions, or bids be counted in it"):
        estimate_costs(both, potential=4)


@settings(max_examples=15, deadline=None)
@given(share=st.floats(0.2, 0.95), potential=st.integers(2, 9))
def test_who_could_bid_and_did(share: float, potential: int) -> None:
    """Numbers of bids exactly as a binomial distribution without its zeros has them."""
    n = np.arange(1, potential + 1)
    auctions = 1e5 * stats.binom.pmf(n, potential, share)
    rows = np.repeat(n, np.round(auctions).astype(int) * n)
    assert participation(rows, np.full(len(rows), potential)) == pytest.approx(share, abs=2e-3)


def test_classes_have_costs_of_their_own() -> None:
    """Cheng (2006): S = ((1 − c) / w)^α with α = (1, 2), w = (0.75, 1): bids c + (1 − c) / 3 and c + (1 − c) / 2."""
    generator, rows = np.random.default_rng(7), []
    for auction in range(400):
        for bidder, (alpha, w, m) in {"weak": (1, 0.75, 2), "strong": (2, 1.0, 1)}.items():
            cost = 1 - w * generator.random() ** (1 / alpha)
            rows.append((auction, bidder, 1 + cost + (1 - cost) / (m + 1), 1 + cost))
    table = pd.DataFrame(rows, columns=["auction", "bidder", "bid", "truth"]).assign(kind=lambda t: t["bidder"])
    found = estimate_costs(table, classes="kind")
    assert missed(found, table) < 0.03
    shares = np.array([0.25, 0.5, 0.75])
    assert found.by_class["weak"].ppf(shares) == pytest.approx(2 - 0.75 * (1 - shares), abs=0.04)
    assert found.by_class["strong"].ppf(shares) == pytest.approx(2 - (1 - shares) ** 0.5, abs=0.04)
    with pytest.raises(ValueError, match=r"bidders of 2 classes bid differently: put them into a market.*'strong'"):
        found.fair_price(2)


def lumpy(auctions: int, seed: int, spread: float = 0.3) -> pd.DataFrame:
    """Bids y (c + (2 − c) / 3) of three with uniform costs on 1 to 2, y lognormal and seen by the bidders alone."""
    generator, rows = np.random.default_rng(seed), []
    for auction in range(auctions):
        y = math.exp(generator.normal(3, spread))
        for bidder, cost in enumerate(generator.uniform(1, 2, 3)):
            rows.append((auction, bidder, y * (cost + (2 - cost) / 3), y * cost))
    return pd.DataFrame(rows, columns=["auction", "bidder", "bid", "truth"])


@pytest.mark.parametrize("method", [name for name in METHODS if name not in INVERSIONS])
def test_what_only_the_bidders_saw_is_parted_from_costs(method: str) -> None:
    table = lumpy(250, seed=8)
    found = estimate_costs(table, method)
    naive = estimate_costs(table, max_negative=1.0)
    assert missed(found, table) < 0.15 * table["truth"].mean() < missed(naive, table) / 2
    assert np.log(found.common).std() == pytest.approx(0.3, abs=0.06)
    assert float(found.distribution.ppf(0.5)) == pytest.approx(1.5 * math.exp(3), rel=0.08)
    generator = np.random.default_rng(9)
    cost = generator.uniform(1, 2, (100_000, 3)).min(axis=1)
    won = np.exp(generator.normal(3, 0.3, 100_000)) * (cost + (2 - cost) / 3)
    fair = found.fair_price(3)
    assert (fair.low, fair.high) == pytest.approx(np.quantile(won, [0.05, 0.95]), rel=0.12)
    assert fair.mean_second_cost == pytest.approx(won.mean(), rel=0.05)


# ---- covariates -------------------------------------------------------------------------------------------


def seen(auctions: int, seed: int) -> pd.DataFrame:
    """Costs (area / 100)^0.8 · [1.3 in the north] times uniform ones on 80 to 120."""
    generator, rows = np.random.default_rng(seed), []
    for auction in range(auctions):
        n, area = int(generator.integers(2, 5)), float(generator.uniform(50, 500))
        town = ["north", "south", "south"][int(generator.integers(3))]
        level = (area / 100) ** 0.8 * (1.3 if town == "north" else 1.0)
        for bidder, cost in enumerate(generator.uniform(80, 120, n)):
            rows.append((auction, bidder, level * (cost + (120 - cost) / n), level * cost, area, town))
    return pd.DataFrame(rows, columns=["auction", "bidder", "bid", "truth", "area", "town"])


def test_what_is_seen_of_auctions_is_taken_off() -> None:
    table = seen(250, seed=10)
    found = estimate_costs(table, covariates=["log(area)", "town"], replications=30)
    assert found.coefficients.to_dict() == pytest.approx({"log(area)": 0.8, "town = south": -math.log(1.3)}, abs=0.02)
    ratio = found.table["cost"].to_numpy() / table["truth"].to_numpy()
    assert np.abs(ratio - 1).mean() < 0.02
    assert found.fair_price(4, at={"area": 100, "town": "south"}).mean_lowest_cost == pytest.approx(88, rel=0.02)
    north = found.fair_price(4, at={"area": 200, "town": "north"})
    assert north.mean_lowest_cost == pytest.approx(88 * 2**0.8 * 1.3, rel=0.02)
    assert north.at == {"area": 200, "town": "north"}
    assert found.reference == f"area {found.seen.reference['area']:.6g}, town 'south'"
    at = {"area": 100, "town": "south"}
    assert found.costs(at).ppf(0.5) == pytest.approx(100, rel=0.03)
    ends = found.curves(at).costs[0][[0, -1]]
    assert ends[1] == pytest.approx(found.costs(at).support()[1], rel=1e-6)
    assert ends[0] == pytest.approx(found.costs(at).support()[0], rel=0.03) and ends[0] < found.costs(at).support()[0]
    assert found.summary().loc["coefficient of log(area)", "low"] < 0.8 < found.summary().loc[
        "coefficient of log(area)", "high"]  # fmt: skip


def test_a_formula_gives_the_same() -> None:
    pytest.importorskip("patsy")
    table = seen(60, seed=11)
    listed = estimate_costs(table, covariates=["log(area)", "town"])
    formula = estimate_costs(table, covariates="np.log(area) + C(town)")
    assert formula.table["cost"].tolist() == pytest.approx(listed.table["cost"].tolist(), rel=1e-9)


def test_bids_counted_in_the_buyers_estimate() -> None:
    table = uniform({3: 100}, seed=12)
    worth = table["auction"].factorize()[0] % 7 + 1.0
    scaled = table.assign(bid=table["bid"] * worth, truth=table["truth"] * worth, worth=worth)
    found = estimate_costs(scaled, scale="worth")
    assert found.table["cost"].tolist() == pytest.approx((estimate_costs(table).table["cost"] * worth).tolist())
    assert found.fair_price(3, at={"worth": 2.0}).low == pytest.approx(2 * estimate_costs(table).fair_price(3).low)


# ---- laws -------------------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 50), factor=st.sampled_from([0.01, 3.0, 1000.0]))
def test_neither_the_order_of_rows_nor_the_currency_matters(seed: int, factor: float) -> None:
    table = uniform({2: 15, 3: 15}, seed)
    shuffled = table.sample(frac=1, random_state=seed)
    here = estimate_costs(table)
    there = estimate_costs(shuffled.assign(bid=shuffled["bid"] * factor))
    key = ["auction", "bidder"]
    one, two = (each.table.sort_values(key)["cost"].to_numpy() for each in (here, there))
    assert two == pytest.approx(one * factor, rel=1e-7)
    assert there.fair_price(3).high == pytest.approx(here.fair_price(3).high * factor, rel=1e-7)
    assert there.markup == pytest.approx(here.markup, rel=1e-7)


def test_replications_depend_on_the_seed_alone() -> None:
    table = uniform({2: 20, 3: 20}, seed=13)
    here = estimate_costs(table, replications=60, seed=1).replications
    with ThreadPoolExecutor(2) as pool:
        there = estimate_costs(table, replications=60, seed=1, executor=pool).replications
    other = estimate_costs(table, replications=60, seed=2).replications
    assert here is not None and there is not None and other is not None
    assert (here.costs == there.costs).all() and (here.markup == there.markup).all()
    assert (here.costs != other.costs).any()
    fewer = estimate_costs(table, replications=7, seed=1).replications
    assert fewer is not None and (fewer.costs == here.costs[:7]).all()


def test_a_function_is_a_method() -> None:
    def half(bids: Any, n: int) -> Any:
        return bids / n

    found = estimate_costs(uniform({2: 20}), half)
    assert found.method == "half"
    assert (found.table["cost"] == found.table["bid"] / 2).all() and found.markup == 0.5


def test_auctions_are_drawn_whole_and_as_many_with_each_number_of_bidders() -> None:
    """A method that hands back how often each bid was drawn: all bids of an auction as often."""
    table = uniform({2: 12, 3: 15}, seed=14)
    auction = dict(zip(table["bid"].round(9), table["auction"]))
    seen_draws = []

    def note(bids: Any, n: int) -> Any:
        seen_draws.append((n, pd.Series(bids.round(9)).value_counts()))
        return bids * 0.9

    estimate_costs(table, note, replications=4)
    for n, counts in seen_draws:
        assert counts.sum() == {2: 24, 3: 45}[n]
        by_auction = counts.groupby([auction[bid] for bid in counts.index])
        assert (by_auction.nunique() == 1).all() and (by_auction.size() == n).all()
    assert max(counts.max() for _, counts in seen_draws[2:]) > 1


# ---- intervals --------------------------------------------------------------------------------------------


def test_intervals_hold_what_they_say() -> None:
    """Small: 16 tables of 60 auctions with three bidders, 30 replications; the full study is a benchmark."""
    shares, held, in_band = (0.25, 0.5, 0.75), [], []
    for seed in range(16):
        found = estimate_costs(uniform({3: 60}, 100 + seed), replications=30, seed=seed)
        table = found.summary(shares)
        truth = 80 + 40 * np.array(shares)
        held.append((table["low"].to_numpy()[:3] <= truth) & (truth <= table["high"].to_numpy()[:3]))
        fair = found.fair_price(3)
        # b = c + (120 − c) / 3 is below x where the lowest of three costs is below (3 x − 120) / 2.
        ends = 1 - ((120 - np.clip((3 * np.array([fair.low, fair.high]) - 120) / 2, 80, 120)) / 40) ** 3
        in_band.append(ends[1] - ends[0])
        assert table["low"].le(table["value"]).mean() > 0.8
    assert 0.85 <= np.mean(held) <= 1.0
    assert 0.87 <= np.mean(in_band) <= 0.95


def test_without_replications_there_is_no_interval() -> None:
    found = estimate_costs(uniform({3: 30}))
    assert found.summary().columns.tolist() == ["value"]
    fair = found.fair_price(3)
    assert fair.known_costs == (fair.low, fair.high)
    assert any("there are no replications" in each for each in fair.rests_on)


def test_fair_price_speaks_of_private_costs_and_of_what_it_rests_on() -> None:
    found = estimate_costs(uniform({2: 150, 4: 150}, seed=15), replications=10)
    fair = found.fair_price(4)
    assert str(fair).splitlines()[0] == fair.private_cost == found.private_cost
    assert fair.private_cost.startswith("costs look private")
    assert any(
        "900 bids of 300 past auctions with 2 to 4 bidders, by the method 'boundary'" in r for r in fair.rests_on
    )
    assert fair == fair_price(found, 4)


def test_entry_cost_counts_auctions_with_one_bidder() -> None:
    """Levin and Smith (1994): uniform costs, r = 1, five who could bid, entry cost 0.06: q = 0.743397725."""
    generator, rows = np.random.default_rng(16), []
    for auction in range(500):
        n, level = generator.binomial(5, 0.743397725), 1 + auction % 2
        for bidder, cost in enumerate(generator.random(n)):
            rows.append((auction, bidder, level * (cost + (1 - cost) / n), level))
    table = pd.DataFrame(rows, columns=["auction", "bidder", "bid", "reserve"])
    found = estimate_costs(table, scale="reserve", max_negative=0.1)
    cost = found.entry_cost(5, replications=50)
    at_one = cost.value / found.seen.reference["reserve"]
    assert at_one == pytest.approx(0.06, abs=4 * cost.se)
    assert cost.se < 0.01
    with pytest.raises(ValueError, match="'deconvolution' cannot bring bids of auctions with one bidder"):
        estimate_costs(lumpy(60, 1), "deconvolution").entry_cost(5)


# ---- what is left out, and what is refused ----------------------------------------------------------------


def test_what_is_left_out_is_told() -> None:
    table = uniform({2: 20, 3: 20, 7: 3}, seed=17)
    alone = pd.DataFrame([{"auction": "x", "bidder": 1, "bid": 100.0}, {"auction": "y", "bidder": 1, "bid": 90.0}])
    bad = pd.DataFrame([{"auction": "2-0", "bidder": 0, "bid": 500.0}, {"auction": "z", "bidder": 1, "bid": -1.0}])
    found = estimate_costs(pd.concat([table, alone, bad], ignore_index=True))
    told = " | ".join(found.notes)
    assert "2 bids were set aside (" in told and "second bid: 1" in told and "not positive: 1" in told
    assert "2 auctions with one bidder (2 bids) are left out" in told
    assert "3 auctions with a number of bidders that fewer than 10 auctions have (21 bids) are left out" in told
    assert len(found.table) == 100
    part = table.assign(bidders=table["auction"].map(lambda a: 4 if a in ("2-1", "3-1") else math.nan))
    assert "2 auctions of which not all bids are known (5 bids) are left out" in " | ".join(estimate_costs(part).notes)


def test_the_table_keeps_the_rows_it_came_from() -> None:
    table = uniform({2: 30}, seed=18)
    found = estimate_costs(table.sample(frac=1, random_state=0))
    read = past_bids(table.sample(frac=1, random_state=0)).table
    assert found.table["bid"].equals(read["bid"])
    assert found.table.columns.tolist() == ["auction", "bidder", "bid", "n", "winner", "cost", "markup", "level"]
    assert found.table["winner"].sum() == 30
    assert found.markup == pytest.approx((found.table["markup"] / found.table["bid"]).mean(), rel=0.1)


@pytest.mark.parametrize("theta", [1.0, 0.6])
def test_the_mean_mark_up_is_that_of_the_costs_behind_the_bids(theta: float) -> None:
    """Without a density, against the mean over bids whose costs are known: b = c + (1 − c) θ / (n − 1 + θ)."""
    costs = np.random.default_rng(4).random((40_000, 3))
    asked = costs + (1 - costs) * theta / (2 + theta)
    auction, bidder = (each.ravel() for each in np.indices(costs.shape))
    table = pd.DataFrame({"auction": auction, "bidder": bidder, "bid": asked.ravel()})
    found = estimate_costs(table, risk_aversion=1 - theta)
    shares = (1 - costs / asked).ravel()
    assert abs(found.markup - shares.mean()) < 4 * shares.std() / np.sqrt(len(shares))


def refused(table: pd.DataFrame, told: str, kind: type[ValueError] = ValueError, **how: Any) -> None:
    with pytest.raises(kind, match=told):
        estimate_costs(table, **how)


def test_too_little_is_refused() -> None:
    table = uniform({2: 9, 3: 8})
    refused(table, r"too few auctions: at most 9 with the same number of bidders \(2\), and 10 are needed")
    refused(uniform({1: 50}), "every auction has one bidder only: without competition bids say nothing of costs")
    refused(uniform({2: 20}).assign(bidders=5), "of no auction all bids are known")


def test_too_many_costs_below_0_are_refused_with_the_rows() -> None:
    """What differs between auctions by far more than costs do looks like mark-ups of more than the bid."""
    table = lumpy(60, seed=19, spread=1.0)
    found = estimate_costs(table, max_negative=1.0)
    below = found.table["cost"] < 0
    rows = ", ".join(map(str, found.table.index[below][:10]))
    refused(table, rf"{below.mean():.1%} of the costs come out below 0 \(rows {rows}, …\), more than max_negative=5.0%")
    assert any("come out below 0" in each and "are kept" in each for each in found.notes)


def test_columns_of_ones_own_are_what_one_says_they_are() -> None:
    """`level` and `rivals` are words that the estimate uses too."""
    table = seen(60, seed=21)
    named = table.rename(columns={"area": "level", "town": "rivals"})
    here = estimate_costs(table, covariates=["log(area)", "town"])
    there = estimate_costs(named, covariates=["log(level)", "rivals"])
    assert there.table.equals(here.table)
    assert there.coefficients.index.tolist() == ["log(level)", "rivals = south"]
    kept = kept_out(60, 4, 1.7, seed=1)
    by_column = estimate_costs(kept.assign(rivals=4), potential="rivals")
    assert by_column.table.equals(estimate_costs(kept, potential=4).table)


def test_who_bids_against_one_who_is_set_aside_is_not_taken_for_one_of_fewer() -> None:
    table = uniform({2: 20, 3: 20, 4: 20}, seed=22).assign(status="")
    table.loc[table["auction"].eq("3-4") & table["bidder"].eq(1), "status"] = "disqualified"
    found = estimate_costs(table)
    without = estimate_costs(table[table["auction"] != "3-4"])
    assert found.table["cost"].tolist() == without.table["cost"].tolist()
    assert found.table["cost"].min() > 60
    assert "1 auctions of which not all bids are known (2 bids) are left out" in found.notes


def test_refusals_tell_what_was_set_aside() -> None:
    table = uniform({3: 30}).assign(reserve=1000.0)
    late = table.assign(bid=np.where(table["bidder"] > 0, 2000.0, table["bid"]))
    aside = r"; 60 bids were set aside \(above the reserve: 60\)"
    refused(late, "every auction has one bidder only: without competition bids say nothing of costs" + aside)
    refused(table.assign(status="ok"), r"no bid is left; .* rows 2, 3, 4, 5, 6 and 85 more")
    few = late[: 3 * 5].assign(bid=lambda t: np.where(t["bidder"] > 1, t["bid"], t["bid"] % 1000 + 1))
    refused(few, r"too few auctions: at most 5 .* are needed; 5 bids were set aside \(above the reserve: 5\)")
    half = table.assign(status=np.where(table["bidder"] > 0, "late", ""))
    refused(half, r"of no auction all bids are known: .* \(status: 60\)")


@pytest.mark.parametrize("shares, level, told", [([-1, 2], 0.9, "shares has -1"), ([0.5], 5, "level is 5")])
def test_a_summary_that_cannot_be(shares: Any, level: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        estimate_costs(uniform({3: 20})).summary(shares, level)


@pytest.mark.parametrize(
    "how, told",
    [
        ({"replications": -1}, "replications is -1; it must be a whole number of at least 0"),
        ({"replications": 2.5}, "replications is 2.5; it must be a whole number"),
        ({"seed": -1, "replications": 2}, "seed is -1; it must be a whole number"),
        ({"covariates": ["bidder"]}, r"column 'bidder': it differs within the auction '3-0' \(0 in row 2, 1 in row 3"),
        ({"scale": "truth"}, "column 'truth': it differs within the auction '3-0'"),
        ({"method": "magic"}, "there is no method 'magic'; there are plain, "),
        ({"risk_aversion": 1.0}, "risk_aversion is 1.0; it must be at least 0 and below 1"),
        ({"potential": 5}, "all bids need a reserve"),
        ({"potential": "could"}, "potential is 'could', which is no column"),
        ({"classes": "kind"}, "classes is 'kind', which is no column"),
        ({"classes": "bidder", "potential": 9}, "leave out potential="),
        ({"covariates": ["area"]}, "covariates has 'area', which is no column"),
        ({"method": "weibull", "risk_aversion": 0.3}, "knows neither risk_aversion="),
        ({"classes": "rare"}, "class 'b' has made 1 bids; 10 are needed"),
    ],
)
def test_what_cannot_be_asked(how: dict[str, Any], told: str) -> None:
    table = uniform({3: 40}).assign(rare="a")
    table.loc[0, "rare"] = "b"
    refused(table, told, **how)


def test_more_bids_than_who_could_is_a_problem_of_its_rows() -> None:
    table = uniform({3: 20}).assign(reserve=200.0, could=4)
    table.loc[3, "could"] = 2
    refused(table, "row 5, column 'could': 2 suppliers could bid, and 3 did", BadTable, potential="could")


# ---- every method says what it is -------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_name_and_a_source(name: str) -> None:
    method = METHODS[name]
    assert method.name == name and method.source and method.least >= 10
    with pytest.raises(AttributeError):
        method.name = "other"


# ---- real tables ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (SHARED / "tsuchiura").exists(), reason="the shared files are not here")
def test_tenders_of_a_town() -> None:
    table = pd.read_csv(SHARED / "tsuchiura" / "bids_2007_2011.csv").rename(
        columns={"pid": "auction", "bidder": "name", "bidder_id": "bidder", "reserveprice": "reserve"}
    )
    found = estimate_costs(table, scale="reserve", replications=5)
    assert found.table["cost"].notna().all()
    fair = found.fair_price(5, at={"reserve": 1e6})
    assert 0.5e6 < fair.low < fair.high < 1.01e6
    assert fair.private_cost


@pytest.mark.skipif(not (SHARED / "timber").exists(), reason="the shared files are not here")
def test_timber_auctions_turned_round() -> None:
    """They sell, so that values are above bids: mirrored at a sum above all of them, they are costs below bids."""
    rows = []
    for n in (2, 3):
        table = pd.read_csv(SHARED / "timber" / f"n{n}.csv")
        rows += [
            {"auction": f"{n}-{a}", "bidder": i, "bid": 1000 - b} for (a, i), b in np.ndenumerate(table.to_numpy())
        ]
    found = estimate_costs(rows, replications=5)
    assert list(found.by_n) == [2, 3] and len(found.table) == 2 * 107 + 3 * 108
    assert (found.table["markup"] >= 0).all()
    assert found.fair_price(3).low < found.fair_price(2).low
