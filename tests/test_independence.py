"""Independence and exchangeability: products by loops, regressions by dummies, size at n = 3, 4, 6 and 10, power."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from procure_opt.auction.cartels import Cover, Rotation, simulated_tenders
from procure_opt.auction.independence import Independence, exchangeability, independence
from procure_opt.auction.multiple import holm


def normal_bids(auctions, deviations, seed, together=()):
    """Bids with a common shock, own standard deviations, and residuals that some bidders share in part."""
    generator = np.random.default_rng(seed)
    n = len(deviations)
    e = generator.standard_normal((auctions, n))
    shared = generator.standard_normal((auctions, 1))
    for bidder in together:
        e[:, [bidder]] = math.sqrt(0.3) * e[:, [bidder]] + math.sqrt(0.7) * shared
    log = generator.normal(10, 1, (auctions, 1)) + e * np.asarray(deviations) + 0.1 * np.arange(n)
    return pd.DataFrame({
        "auction": np.repeat(np.arange(auctions), n), "bidder": np.tile([f"F{k:02d}" for k in range(n)], auctions),
        "bid": np.exp(log).ravel(), "x": generator.standard_normal(auctions * n),
    })  # fmt: skip


def in_markets(table, auctions):
    """The same bids, with other bidders after every so many auctions."""
    market = (pd.factorize(table["auction"])[0] // auctions).astype(str)
    return table.assign(bidder=table["bidder"] + "-" + market)


# ---- the same in loops ----


def slow_residuals(table, covariates):
    """By dummies for all auctions and bidders."""
    dummies = pd.get_dummies(table[["auction", "bidder"]].astype(str), dtype=float).to_numpy()
    given = np.column_stack([dummies, table[list(covariates)].to_numpy()])
    log = np.log(table["bid"].to_numpy())
    return log - given @ np.linalg.lstsq(given, log, rcond=1e-10)[0]


def slow_product(e, i, j):
    others = [k for k in range(len(e)) if k not in (i, j)]
    if len(others) == 1:
        k = others[0]
        return ((e[i] - e[k]) ** 2 + (e[j] - e[k]) ** 2) / 4 - (e[i] - e[j]) ** 2 / 2
    return np.mean([(e[i] - e[k]) * (e[j] - e[m]) for k, m in permutations(others, 2)])


@settings(max_examples=12, deadline=None)
@given(st.integers(3, 6), st.integers(0, 99))
def test_pairs_agree_with_loops(n, seed):
    table = normal_bids(12, [0.1] * n, seed).sample(frac=1, random_state=seed)
    found = independence(table, ["x"], equal_variances=True)
    residual = pd.Series(slow_residuals(table, ["x"]), index=found.residuals.index)
    assert found.residuals.to_numpy() == pytest.approx(residual.to_numpy(), abs=1e-9)
    frame = table.assign(e=residual.to_numpy()).pivot(index="auction", columns="bidder", values="e")
    assert len(found.pairs) == n * (n - 1) // 2
    for row in found.pairs.itertuples():
        i, j = frame.columns.get_loc(row.bidder), frame.columns.get_loc(row.other)
        u = [slow_product(e, i, j) for e in frame.to_numpy()]
        test = stats.ttest_1samp(u, 0)
        assert (row.covariance, row.t, row.p) == pytest.approx((np.mean(u), test.statistic, test.pvalue), rel=1e-6)


@pytest.mark.parametrize("n", [4, 5, 6])
def test_a_group_is_measured_against_outsiders_alone(n):
    table = normal_bids(15, [0.1] * n, 3)
    found = independence(table, group=["F00", "F01"])
    frame = table.assign(e=slow_residuals(table, [])).pivot(index="auction", columns="bidder", values="e").to_numpy()
    u = [slow_product(e, 0, 1) for e in frame]
    assert found.pairs[["bidder", "other"]].to_numpy().tolist() == [["F00", "F01"]]
    assert found.pairs["covariance"][0] == pytest.approx(np.mean(u))
    three = independence(normal_bids(15, [0.1] * 5, 3), group=["F00", "F01", "F02"])
    assert len(three.pairs) == 3


@pytest.mark.parametrize("n", [3, 4, 7])
def test_common_shocks_of_any_size_change_nothing(n):
    table = normal_bids(20, [0.1] * n, 5)
    shocked = table.assign(bid=table["bid"] * np.repeat(np.random.default_rng(1).lognormal(0, 3, 20), n))
    one, two = (independence(each, equal_variances=True).pairs for each in (table, shocked))
    assert two["t"].to_numpy() == pytest.approx(one["t"].to_numpy(), rel=1e-6)


@pytest.mark.parametrize(
    "deviations, error",
    [([0.1] * 3, 0.05), ([0.1] * 6, 0.04), ([0.05, 0.1, 0.2, 0.15], 0.15), ([0.1, 0.2, 0.1, 0.3, 0.05, 0.1], 0.09)],
)
def test_correlations_are_those_put_in(deviations, error):
    # One long market; unequal variances do not matter with four bids or more.
    table = normal_bids(20_000, deviations, 8, together=(0, 1))
    pairs = independence(table, equal_variances=len(deviations) == 3).pairs.set_index(["bidder", "other"])
    assert pairs.loc[("F00", "F01"), "correlation"] == pytest.approx(0.7, abs=error)
    if len(deviations) == 4:
        # Of four, the other two differ from the pair by as much as the pair from them.
        assert pairs.loc[("F02", "F03"), "t"] == pytest.approx(pairs.loc[("F00", "F01"), "t"])
    else:
        assert pairs.index[0] == ("F00", "F01")


# ---- size ----


def demeaned_p(table):
    """The textbook way: residuals of demeaned bids, Fisher's z. It takes −1/(n − 1) for collusion turned round."""
    log = np.log(table["bid"])
    e = log - log.groupby(table["auction"]).transform("mean")
    e = e - e.groupby(table["bidder"]).transform("mean")
    frame = table.assign(e=e).pivot(index="auction", columns="bidder", values="e")
    p = []
    for one, two in combinations(frame.columns, 2):
        z = math.atanh(np.corrcoef(frame[one], frame[two])[0, 1]) * math.sqrt(len(frame) - 3)
        p.append(2 * stats.norm.sf(abs(z)))
    return np.array(p)


@pytest.mark.parametrize("n, markets", [(3, 700), (4, 350), (6, 140), (10, 50)])
def test_five_percent_of_honest_pairs_are_below_five_percent(n, markets):
    table = in_markets(simulated_tenders(markets * 80, n, seed=40 + n), 80)
    pairs = independence(table, equal_variances=n == 3).pairs
    assert len(pairs) == markets * n * (n - 1) // 2
    size = (pairs["p"] <= 0.05).mean()
    assert 0.035 <= size <= 0.065, size
    assert pairs["covariance"].mean() == pytest.approx(0, abs=3 * pairs["covariance"].std() / math.sqrt(len(pairs)) * 2)


def test_demeaning_alone_rejects_honest_bidders():
    for n, least in ((3, 0.99), (4, 0.75), (6, 0.3)):
        table = simulated_tenders(8 * 80, n, seed=1)
        p = np.concatenate([demeaned_p(group) for _, group in table.groupby(pd.factorize(table["auction"])[0] // 80)])
        assert np.mean(p <= 0.05) > least


@pytest.mark.parametrize("n, markets", [(4, 120), (6, 80)])
def test_five_percent_of_honest_bidders_respond_to_rivals_alike(n, markets):
    table = in_markets(simulated_tenders(markets * 80, n, seed=60 + n), 80)
    found = exchangeability(table, ["x"]).bidders
    assert len(found) == markets * n
    # Two standard errors of the share, beyond the 1.5 points that the benchmark holds it to with more markets.
    assert (found["p"] <= 0.05).mean() == pytest.approx(0.05, abs=0.015 + 2 * math.sqrt(0.05 * 0.95 / len(found)))


# ---- exchangeability ----


def test_f_is_that_of_two_regressions():
    n, auctions = 5, 60
    table = simulated_tenders(auctions, n, seed=2)
    found = exchangeability(table, ["x"]).bidders.set_index("bidder").loc["F03"]
    e = table.assign(e=slow_residuals(table, ["x"])).pivot(index="auction", columns="bidder", values="e").to_numpy()
    x = table.pivot(index="auction", columns="bidder", values="x").to_numpy()
    others = [0, 1, 3, 4]
    d = e[:, 2] - e[:, others].mean(axis=1)
    alike = np.column_stack([np.ones(auctions), x[:, 2], x[:, others].sum(axis=1)])
    apart = np.column_stack([np.ones(auctions), x[:, 2], x[:, others]])
    left, rest = (((d - g @ np.linalg.lstsq(g, d)[0]) ** 2).sum() for g in (alike, apart))
    f = (left - rest) / 3 / (rest / (auctions - 6))
    assert (found["f"], found["df"], found["df_residual"]) == pytest.approx((f, 3, auctions - 6))
    assert found["p"] == pytest.approx(stats.f.sf(f, 3, auctions - 6))


# ---- power ----


@pytest.mark.parametrize("members", [2, 3])
def test_rings_that_cover_are_found(members):
    table = simulated_tenders(200, 6, Cover(members), seed=12)
    ring = {f"F{k:02d}" for k in range(1, members + 1)}
    found = independence(table, ["x"])
    first = found.pairs.iloc[0]
    assert {first["bidder"], first["other"]} <= ring
    assert found.p < 0.01
    assert all(question.endswith("?") for question in found.questions())
    assert found.questions()
    slopes = exchangeability(table, ["x"])
    assert set(slopes.bidders["bidder"][:members]) == ring
    assert slopes.p < 0.01
    assert all(question.endswith("?") for question in slopes.questions())


def test_a_ring_of_four_of_six_shows_against_outsiders():
    table = simulated_tenders(200, 6, Rotation(4), seed=12)
    ring = ["F01", "F02", "F03", "F04"]
    assert independence(table, group=ring).p < 1e-6


# ---- what cannot be tested ----


def test_auctions_of_two_are_left_out_and_told():
    small = pd.DataFrame({"auction": np.repeat(["x1", "x2"], 2), "bidder": ["F00", "F01"] * 2, "bid": [1.0, 2, 3, 4]})
    table = normal_bids(20, [0.1] * 4, 1)
    found = independence(pd.concat([table, small]))
    assert found.residuals.isna().sum() == 4
    assert any("2 auctions of fewer than three bids" in note for note in found.notes)
    assert found.pairs["t"].to_numpy() == pytest.approx(independence(table).pairs["t"].to_numpy(), rel=1e-6)


def test_auctions_of_three_are_compared_only_if_told_to():
    # Honest bidders of unequal variances: with equal ones assumed, the two that vary less seem to move together.
    unequal = normal_bids(60, [0.02, 0.11, 0.20], 1)
    assert independence(unequal, equal_variances=True).p < 1e-3
    with pytest.raises(ValueError, match="60 auctions of three bids can be compared with `equal_variances=True`"):
        independence(unequal)
    four = normal_bids(20, [0.1] * 4, 1).assign(auction=lambda t: "four " + t["auction"].astype(str))
    both = independence(pd.concat([unequal, four]))
    assert both.pairs["auctions"].tolist() == [20] * 6
    assert any("60 auctions of three bids are not compared" in note for note in both.notes)
    named = four.assign(bidder="G" + four["bidder"])
    apart = independence(pd.concat([unequal, named]))
    assert len(apart.pairs) == 6
    assert apart.untested == 3


def test_unequal_variances_reject_no_more_often_than_they_should():
    table = in_markets(normal_bids(60 * 60, [0.02, 0.11, 0.20, 0.1], 4), 60)
    assert (independence(table).pairs["p"] <= 0.05).mean() <= 0.09


def test_rounding_noise_is_no_evidence():
    # Each bids the same share of the contract every time: all that is left of the bids is rounding.
    table = [
        {"auction": a, "bidder": f"f{(b + a) % 6}", "bid": 90.0 + 5 * ((b + a) % 6)}
        for a in range(60) for b in range((2, 3, 4)[a % 3])
    ]  # fmt: skip
    found = independence(table, equal_variances=True)
    assert (found.pairs["p"] == 1).all()
    assert found.questions() == ()
    assert (found.residuals.dropna() == 0).all()
    assert any("nothing is left that could move together" in note for note in found.notes)


def test_a_question_without_a_correlation_has_no_number():
    pairs = pd.DataFrame([["A", "B", 12, -0.1, math.nan, -9.0, 0.0, 0.001]], columns=[
        "bidder", "other", "auctions", "covariance", "correlation", "t", "p", "p_holm"])  # fmt: skip
    (question,) = Independence(pairs, 0.001, 0, pd.Series(dtype=float)).questions()
    assert "in 12 auctions their bids move apart beyond" in question


def test_one_covariate_can_be_given_by_its_name():
    table = simulated_tenders(60, 4, seed=2)
    assert independence(table, "x").pairs.equals(independence(table, ["x"]).pairs)
    assert exchangeability(table, "x").bidders.equals(exchangeability(table, ["x"]).bidders)
    with pytest.raises(ValueError, match="no column 'area'"):
        independence(table, "area")


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda t: independence(t, ["distance"]), "no column 'distance'; there are auction"),
        (lambda t: independence(t.assign(x="near"), ["x"]), "'x' is no column of numbers"),
        (lambda t: independence(t.assign(x=t["x"].where(t.index != 4)), ["x"]), r"blank in 1 rows \(first: row 6\)"),
        (lambda t: independence(t, group=["F00", "F99"]), "'F99' has no bid"),
        (lambda t: independence(t, group=["F00"]), "two bidders or more"),
        (lambda t: independence(t, least=30), "no two bidders met in 30 auctions"),
        (lambda t: independence(t, least=2), "at least 3 auctions"),
        (lambda t: independence(t[t["bidder"] < "F02"]), "no auction has three bids"),
        (lambda t: exchangeability(t, []), "at least one covariate"),
        (lambda t: exchangeability(t, ["x"], least=50), "nobody bid in 50 auctions"),
    ],
)
def test_what_cannot_be_tested_is_said(call, told):
    with pytest.raises(ValueError, match=told):
        call(normal_bids(20, [0.1] * 4, 1))


def test_holm():
    # Holm 1979: sorted p times m, m − 1, …, raised to be monotone.
    assert holm(np.array([0.04, 0.01, 0.03, 0.005])).tolist() == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm(np.array([[0.5, 0.9], [0.02, math.nan]]))[0].tolist() == [1.0, 1.0]
    assert holm(np.array([[0.5, 0.9], [0.02, math.nan]]))[1][0] == pytest.approx(0.02)
