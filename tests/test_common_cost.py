"""Private against common cost, from past bids by number of bidders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from procure_opt.auction import FirstPrice, Market, equilibrium
from procure_opt.auction.common_cost import common_cost_test, rising
from procure_opt.auction.distributions import Affine, Sum
from procure_opt.cells import BadTable

Floats = NDArray[np.float64]
Bids = Callable[[int, Any], Any]
HOUSE = {2: 60, 3: 60, 5: 60}  # auctions by number of bidders


def table(bids: Bids, auctions: dict[int, int]) -> pd.DataFrame:
    """`bids(n, shape)` for each number of bidders."""
    parts, first = [], 0
    for n, count in auctions.items():
        names = np.repeat(np.arange(first, first + count), n)
        amount = np.asarray(bids(n, (count, n))).ravel()
        parts.append(pd.DataFrame({"auction": names, "bidder": np.tile(np.arange(n), count), "bid": amount}))
        first += count
    return pd.concat(parts, ignore_index=True)


def private(seed: int, scale: Callable[[np.random.Generator, int, int], Any] | None = None) -> Bids:
    """Bids of costs that are uniform from 1 to 2, times what `scale` makes of an auction."""
    generator = np.random.default_rng(seed)

    def bids(n: int, shape: Any) -> Any:
        cost = generator.uniform(1, 2, shape)
        factor = 1.0 if scale is None else scale(generator, n, shape[0])[:, None]
        return (cost + (2 - cost) / n) * factor

    return bids


PRIVATE, SIGNAL, POTENTIAL = stats.uniform(1, 0.3), stats.uniform(0, 1.2), 6


def market(n: int) -> Market:
    """n of 6 suppliers bid; the work costs each its own cost plus the mean of all 6 signals, also of those who do not
    bid: the same primitives whatever n."""
    unseen = (POTENTIAL - n) / POTENTIAL * SIGNAL.mean()
    return Market((Affine(PRIVATE, 1, unseen), n), common=Affine(SIGNAL, n / POTENTIAL))


STRATEGIES = {n: equilibrium(FirstPrice(), market(n)).strategies[0] for n in (2, 3, 5)}


def common(seed: int) -> Bids:
    generator = np.random.default_rng(seed)

    def bids(n: int, shape: Any) -> Any:
        sums = (
            market(n).known[0][0].private.ppf(generator.random(shape)) + SIGNAL.ppf(generator.random(shape)) / POTENTIAL
        )
        return STRATEGIES[n](sums)

    return bids


# ---- means of pseudo-costs --------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 8), st.floats(0.01, 0.3), st.sampled_from(["uniform", "exponential", "pareto"]))
def test_means_are_those_of_the_costs_behind_the_bids(n: int, trim: float, name: str) -> None:
    """Of costs at equal probabilities, whose bids are known in closed form."""
    shares = (np.arange(20_000) + 0.5) / 20_000
    cost, bid = {
        "uniform": (shares, shares + (1 - shares) / n),
        "exponential": (-np.log1p(-shares), -np.log1p(-shares) + 1 / (n - 1)),
        "pareto": ((1 - shares) ** (-1 / 4), (1 - shares) ** (-1 / 4) * 4 * (n - 1) / (4 * (n - 1) - 1)),
    }[name]
    exact = cost[(shares > trim) & (shares < 1 - trim)].mean()
    rows = pd.DataFrame({"auction": np.arange(20_000) // n, "bidder": np.arange(20_000) % n, "bid": bid, "bidders": n})
    found = common_cost_test(rows[: 20_000 // n * n], trim=trim, replications=1)
    assert found.table["cost"][n] == pytest.approx(exact, abs=2e-3)


def test_an_inversion_given_and_the_formula_agree() -> None:
    rows = table(private(3), {2: 400, 4: 400})
    alone = common_cost_test(rows, replications=99)
    inverted = common_cost_test(rows, lambda bids, n: (n * bids - 2) / (n - 1), replications=99)
    assert inverted.table["cost"].to_numpy() == pytest.approx(alone.table["cost"].to_numpy(), abs=0.03)
    assert inverted.table["cost"].to_numpy() == pytest.approx([1.5, 1.5], abs=0.03)
    assert inverted.verdict == alone.verdict == "private"


def test_an_inversion_that_trims_more_than_is_left_out_is_told() -> None:
    def trimming(bids: Floats, n: int) -> Floats:
        return np.where(np.arange(len(bids)) < 0.2 * len(bids), np.nan, bids)

    with pytest.raises(ValueError, match="raise trim"):
        common_cost_test(table(private(1), HOUSE), trimming)
    assert common_cost_test(table(private(1), HOUSE), trimming, trim=0.25, replications=19).table["cost"].notna().all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 10)), min_size=2, max_size=7))
def test_the_statistic_is_that_of_isotonic_regression(groups: list[tuple[float, float]]) -> None:
    means, weight = (np.array(each) for each in zip(*groups))
    fit = optimize.isotonic_regression(means, weights=weight).x
    exact = weight @ (fit - weight @ means / weight.sum()) ** 2
    assert rising(means, weight) == pytest.approx(exact, abs=1e-8)
    assert rising(np.stack([means, means]), weight)[1] == pytest.approx(exact, abs=1e-8)


# ---- direction --------------------------------------------------------------------------------------------


def test_with_a_common_part_pseudo_costs_rise_with_the_number_of_bidders() -> None:
    """Two ways: from bids of the equilibrium, and the means of w(s; n), which no bid enters."""
    expected = []
    for n in STRATEGIES:
        of = market(n).known[0][0]
        assert isinstance(of, Sum)
        shares = (np.arange(2000) + 0.5) / 2000
        some = shares[(shares > 0.05) & (shares < 0.95)]
        expected.append(of.expected_cost(of.ppf(some)).mean())
    found = common_cost_test(table(common(3), dict.fromkeys(STRATEGIES, 4000)), replications=49)
    assert np.diff(expected).min() > 0.01
    assert found.table["cost"].to_numpy() == pytest.approx(expected, abs=4 * float(found.table["error"].max()))
    assert (found.verdict, found.direction) == ("common", "rise")
    assert "common part" in str(found) and "correlate" not in str(found)


def test_cheap_auctions_that_draw_more_bidders_make_pseudo_costs_fall() -> None:
    found = common_cost_test(table(private(5, lambda _, n, count: np.full(count, 1.1 - 0.02 * n)), HOUSE))
    assert (found.verdict, found.direction) == ("falling", "fall")
    assert found.pvalue > 0.5
    assert any("draw more bidders" in note for note in found.notes)


def test_what_bidders_saw_and_the_table_does_not_tell_looks_like_a_common_part() -> None:
    """Hence the caution, and the correlation beside it."""
    seen = private(6, lambda generator, _, count: np.exp(generator.normal(0, 0.4, count)))
    found = common_cost_test(table(seen, {2: 400, 3: 400, 5: 400}))
    assert found.verdict == "common"
    assert found.correlation > 0.5
    assert f"their bids correlate by {found.correlation:.2f}" in str(found)
    assert any("does not tell" in note for note in found.notes)
    assert abs(common_cost_test(table(private(6), HOUSE)).correlation) < 0.2


# ---- size and power, small; large in benchmarks/heterogeneity.py ------------------------------------------


def rejected(bids: Callable[[int], Bids], samples: int, auctions: dict[int, int]) -> int:
    return sum(
        common_cost_test(table(bids(seed), auctions), replications=99, seed=seed).pvalue <= 0.05
        for seed in range(samples)
    )


def test_size_with_private_costs() -> None:
    """5 % of 60 are 3; none would happen by chance once in 22 times, more than 8 once in 350. More in
    benchmarks/heterogeneity.py."""
    assert 1 <= rejected(private, 60, HOUSE) <= 8


def test_power_against_a_common_part() -> None:
    assert rejected(common, 15, {2: 100, 3: 100, 5: 100}) >= 12


# ---- what is refused, and what is said --------------------------------------------------------------------


@pytest.mark.parametrize(
    "auctions, why",
    [({2: 60}, "two numbers of bidders"), ({2: 60, 3: 19}, "fewer than 20"), ({2: 5, 3: 5}, "fewer than 20")],
)
def test_too_few_auctions_say_nothing(auctions: dict[int, int], why: str) -> None:
    found = common_cost_test(table(private(2), auctions))
    assert found.verdict == "too little"
    assert np.isnan(found.pvalue) and np.isnan(found.rise) and not found.direction
    assert any(why in note for note in found.notes)
    assert "too little" in str(found)


def test_a_wide_interval_is_not_taken_for_private_costs() -> None:
    found = common_cost_test(table(private(2), {2: 20, 5: 20}), matters=1e-4)
    assert found.verdict == "too little"
    assert found.high > 1e-4


def test_auctions_with_one_bidder_or_of_which_bids_are_missing_are_left_out() -> None:
    rows = table(private(2), HOUSE).assign(bidders=np.nan)
    some = pd.DataFrame({"auction": ["p", "p", "s"], "bidder": [0, 1, 0], "bid": [9.0, 9.5, 7.0], "bidders": [3, 3, 1]})
    alone, more = common_cost_test(rows), common_cost_test(pd.concat([rows, some], ignore_index=True))
    pd.testing.assert_frame_equal(alone.table, more.table)
    assert alone.pvalue == more.pvalue
    told = " ".join(more.notes)
    assert "1 auctions of which not all bids are known" in told and "1 auctions with one bidder" in told


def test_the_order_of_rows_and_the_currency_do_not_matter() -> None:
    rows = table(private(8), HOUSE)
    shuffled = rows.sample(frac=1, random_state=1, ignore_index=True)
    one, other = common_cost_test(rows), common_cost_test(shuffled.assign(bid=1000 * shuffled["bid"]))
    assert other.pvalue == one.pvalue
    assert other.rise == pytest.approx(one.rise, rel=1e-9)
    assert other.table["cost"].to_numpy() == pytest.approx(1000 * one.table["cost"].to_numpy(), rel=1e-9)


@pytest.mark.parametrize("wrong", [{"trim": 0.5}, {"trim": 0.0}, {"level": 1.0}, {"matters": 0.0}, {"replications": 0}])
def test_shares_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="trim is a share"):
        common_cost_test(table(private(2), HOUSE), **wrong)


def test_a_bad_table_is_told() -> None:
    with pytest.raises(BadTable, match="bidder"):
        common_cost_test([{"auction": 1, "bid": 3}])
