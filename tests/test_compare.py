"""Rules compared on the same draws: known answers, plain NumPy beside it, any executor, runs that were cut off.

Bids, payments and statistics are written down here apart from the library.
"""

from __future__ import annotations

import json
import math
import pickle
import re
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction import simulate
from procure_opt.auction.compare import Comparison, compare
from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.market import Market, Quality
from procure_opt.auction.multiple import holm
from procure_opt.auction.packages import LocalLocalGlobal, PackageEquilibrium, PackageRule
from procure_opt.auction.rules import (
    AverageBid,
    FirstPrice,
    FirstScore,
    PricePoints,
    RatioScore,
    SecondPrice,
    SecondScore,
)
from strategies import examples
from test_known import Row, each_row, table

Floats = NDArray[np.float64]
DRAWS = 200_000
UNIFORM = stats.uniform(0, 1)
FIVE = Market((UNIFORM, 5), in_house=1)
BOTH = {"first": FirstPrice(), "second": SecondPrice()}


def same(one: Comparison, other: Comparison) -> bool:
    """Whether two comparisons agree to the last bit."""
    return one.table.equals(other.table) and one.differences.equals(other.differences)


# ---- known answers ----------------------------------------------------------------------------------------


ENTRY = Market((UNIFORM, 5), in_house=1, entry_cost=0.06, entry="uninformed")
CASES: dict[str, tuple[Any, Market]] = {
    "first price": (FirstPrice(), FIVE),
    "second price": (SecondPrice(), FIVE),
    "reserve 0.5": (FirstPrice(reserve=0.5), FIVE),
    "risk averse": (FirstPrice(), Market((UNIFORM, 5), risk_aversion=0.5)),
    "floor 0.45": (FirstPrice(floor=0.45), FIVE),
    "average bid": (AverageBid(), FIVE),
    "ring of 3": (FirstPrice(), Market((UNIFORM, 5), rings={0: 3})),
    "uninformed entry": (FirstPrice(reserve=1), ENTRY),
    "uninformed entry and reserve 0.5": (FirstPrice(reserve=0.5), ENTRY),
    "two classes": (FirstPrice(), Market([(stats.uniform(1, 1), 1), (stats.uniform(0, 2), 1)])),
    "preference": (FirstPrice(preference={0: 0.1}), Market([(stats.uniform(0.2, 1), 1), (UNIFORM, 1)])),
}


@cache
def played(case: str) -> Comparison:
    rule, market = CASES[case]
    return compare({case: rule}, market, DRAWS, 11)


@each_row("auction_comparison.csv", "case", "measure")
def test_known_answers_through_draws(row: Row) -> None:
    found = played(row["case"]).table.loc[row["case"]]
    mean, error = found[row["measure"]], found[f"{row['measure']}_se"]
    assert mean == pytest.approx(float(row["value"]), abs=4 * error + 1e-8)
    assert found[f"{row['measure']}_low"] <= mean <= found[f"{row['measure']}_high"]


def test_every_case_is_known() -> None:
    assert set(CASES) == {row["case"] for row in table("auction_comparison.csv")}


@pytest.mark.parametrize("suppliers, ratio", [(3, 1 / 2), (5, 0.428571429)])
def test_the_variance_of_a_difference_is_that_of_common_random_numbers(suppliers: int, ratio: float) -> None:
    # A first price is the mean of the second price given the lowest cost: Var(SP − FP) = Var SP − Var FP.
    found = compare(BOTH, Market((UNIFORM, suppliers)), DRAWS, 3)
    first, second = DRAWS * found.table["payment_se"] ** 2
    gap = DRAWS * found.differences.query("measure == 'payment'")["se"].iloc[0] ** 2
    # C_(2) is Beta(2, n − 1), and the first price is (1 + (n − 1) C_(1)) / n with C_(1) of Beta(1, n).
    exact = stats.beta(2, suppliers - 1).var(), stats.beta(1, suppliers).var() * ((suppliers - 1) / suppliers) ** 2
    assert (second, first) == pytest.approx(exact, rel=0.02)
    assert gap == pytest.approx(exact[0] - exact[1], rel=0.02)
    assert gap / (first + second) == pytest.approx(ratio, rel=0.02)
    if suppliers == 3:
        assert gap == pytest.approx(1 / 30, rel=0.02)


def test_a_ratio_has_the_error_that_drawing_again_gives() -> None:
    """The delta method against a bootstrap."""
    market, draws = Market((UNIFORM, 5), in_house=1), 20_000
    found = compare({"lots": AverageBid(), "first": FirstPrice()}, market, draws, 5)
    generator = np.random.default_rng(8)
    costs = generator.random((draws, 5))
    winner, cheapest = costs[:, 0], costs.min(axis=1)
    ratios = []
    for _ in range(600):
        some = generator.integers(draws, size=draws)
        ratios.append(winner[some].mean() / cheapest[some].mean())
    row = found.table.loc["lots"]
    assert row["cost_ratio"] == pytest.approx(3, abs=4 * row["cost_ratio_se"])
    assert row["cost_ratio_se"] == pytest.approx(np.std(ratios), rel=0.1)
    # The other ratio is 1 without error, so that their difference has the same.
    gap = found.differences.query("measure == 'cost_ratio'").iloc[0]
    assert gap["difference"] == pytest.approx(1 - row["cost_ratio"])
    assert gap["se"] == pytest.approx(row["cost_ratio_se"], rel=1e-6)


@pytest.mark.parametrize("rule", [FirstScore(np.sqrt), SecondScore(np.sqrt), RatioScore(), RatioScore(second=True)])
def test_scores_give_what_their_equilibrium_expects(rule: Any) -> None:
    market = Market((stats.uniform(0.2, 0.3), 3), quality=Quality(lambda q, theta: theta * (1 + q**2) / 2, least=0.01))
    row = compare({"rule": rule}, market, 20_000, 4).table.loc["rule"]
    exact = equilibrium(rule, market)
    for measure, value in (
        ("payment", exact.expected_payment),
        ("production_cost", exact.expected_cost),
        ("quality", exact.expected_quality),
        ("rents", exact.rents),
    ):
        assert row[measure] == pytest.approx(value, abs=4 * row[f"{measure}_se"] + 1e-6), measure
    assert math.isnan(row["cost_ratio"])


# ---- plain NumPy beside it --------------------------------------------------------------------------------


def numpy_draws(seed: int, draws: int, suppliers: int) -> Floats:
    """The costs of the first block."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 0))).random((draws, suppliers))


def test_a_comparison_is_what_plain_numpy_gives() -> None:
    draws, seed, funds, entry, evaluating, value = 20_001, 9, 0.3, 0.01, 0.002, 1.7
    market = Market((UNIFORM, 4), in_house=0.8, entry_cost=entry)
    rules = {"first": FirstPrice(reserve=0.7), "second": SecondPrice(reserve=0.6)}
    found = compare(rules, market, draws, seed, value=value, funds_cost=funds, evaluation_cost=evaluating, level=0.9)
    costs = np.sort(numpy_draws(seed, draws, 4), axis=1)
    wide = stats.t(draws - 1).ppf(0.95)
    each = {}
    for name, reserve in (("first", 0.7), ("second", 0.6)):
        awarded = costs[:, 0] <= reserve
        own = costs[:, 0] + ((1 - costs[:, 0]) ** 4 - (1 - reserve) ** 4) / (4 * (1 - costs[:, 0]) ** 3)
        paid = np.where(awarded, own if name == "first" else np.minimum(costs[:, 1], reserve), 0.0)
        work = np.where(awarded, costs[:, 0], 0.8)
        outlay = np.where(awarded, paid, 0.8)
        bids = (costs <= reserve).sum(axis=1)
        spent = 4 * entry + evaluating * bids
        each[name] = {
            "payment": paid,
            "outlay": outlay,
            "production_cost": work,
            "welfare": value - work - funds * outlay - spent,
            "rents": np.where(awarded, paid - costs[:, 0], 0.0) - 4 * entry,
            "share_0": awarded.astype(float),
            "share_in_house": 1.0 - awarded,
            "participation": bids.astype(float),
            "transaction_cost": spent,
        }
        for measure, values in each[name].items():
            row, error = found.table.loc[name], values.std(ddof=1) / math.sqrt(draws)
            assert row[measure] == pytest.approx(values.mean(), abs=1e-7), measure
            assert row[f"{measure}_se"] == pytest.approx(error, abs=1e-8), measure
            assert row[f"{measure}_low"] == pytest.approx(values.mean() - wide * error, abs=1e-7)
            assert row[f"{measure}_high"] == pytest.approx(values.mean() + wide * error, abs=1e-7)
        cheapest = np.minimum(costs[:, 0], 0.8).mean()
        assert found.table.at[name, "cost_ratio"] == pytest.approx(work.mean() / cheapest, abs=1e-9)
    needed = wide + stats.t(draws - 1).ppf(0.8)
    for measure in each["first"]:
        gap = found.differences.query("measure == @measure").iloc[0]
        off = each["second"][measure] - each["first"][measure]
        error = off.std(ddof=1) / math.sqrt(draws)
        assert (gap["rule"], found.base) == ("second", "first")
        assert gap["difference"] == pytest.approx(off.mean(), abs=1e-7)
        assert gap["se"] == pytest.approx(error, abs=1e-8)
        assert gap["p"] == pytest.approx(
            stats.ttest_rel(each["second"][measure], each["first"][measure]).pvalue, abs=1e-4
        )
        assert gap["p_holm"] == gap["p"]
        assert gap["detectable"] == pytest.approx(needed * error, abs=1e-7)


def loop(bids: Floats, reserve: float) -> tuple[list[int], list[float]]:
    """First price, draw by draw."""
    winners, payments = [], []
    for row in bids:
        valid = [(bid, k) for k, bid in enumerate(row) if not math.isnan(bid) and bid <= reserve]
        winners.append(min(valid)[1] if valid else -1)
        payments.append(min(valid)[0] if valid else 0.0)
    return winners, payments


def test_suppliers_who_stay_away_pay_nothing_and_are_the_same_under_every_rule() -> None:
    found = compare({"a": FirstPrice(reserve=1), "b": SecondPrice(reserve=1)}, ENTRY, 30_000, 2)
    coins = np.random.default_rng(np.random.SeedSequence(2, spawn_key=(0, 1))).random((30_000, 5))
    q = 0.743397725  # Levin and Smith: ∫ F (1 − qF)^4 = 0.06
    enters = coins < q
    bids = np.where(enters, numpy_draws(2, 30_000, 5), np.nan)
    winners, _ = loop(bids, 1.0)
    for name in ("a", "b"):
        row = found.table.loc[name]
        assert row["participation"] == pytest.approx(enters.sum(axis=1).mean(), abs=1e-12)
        assert row["transaction_cost"] == pytest.approx(0.06 * enters.sum(axis=1).mean(), abs=1e-12)
        assert row["share_in_house"] == pytest.approx(np.mean(np.array(winners) < 0), abs=1e-12)


def test_informed_suppliers_enter_up_to_their_cutoff() -> None:
    market = Market((UNIFORM, 4), in_house=1, entry_cost=0.06, entry="informed")
    row = compare({"first": FirstPrice(reserve=0.9)}, market, 50_000, 2).table.loc["first"]
    below = numpy_draws(2, 50_000, 4) <= 0.478048992  # Samuelson: (r − c) (1 − c)^3 = 0.06
    assert row["participation"] == pytest.approx(below.sum(axis=1).mean(), abs=1e-12)
    assert row["transaction_cost"] == pytest.approx(0.06 * below.sum(axis=1).mean(), abs=1e-12)


def test_correlated_costs_are_drawn_as_such() -> None:
    market = Market((UNIFORM, 3), correlation=0.5)
    found = compare(BOTH, market, DRAWS, 6)
    for name, rule in BOTH.items():
        exact = equilibrium(rule, market).expected_payment
        assert found.table.at[name, "payment"] == pytest.approx(exact, abs=4 * found.table.at[name, "payment_se"])
    assert found.table.at["first", "payment"] > found.table.at["second", "payment"]


@pytest.mark.parametrize(
    "rule, market",
    [
        (FirstPrice(), FIVE),
        (FirstPrice(floor=0.45), FIVE),
        (FirstPrice(reserve=0.5), FIVE),
        (FirstPrice(), Market((stats.weibull_min(2), 4))),
        (FirstPrice(), Market((stats.beta(2, 3), 4))),
        (FirstPrice(), Market([(stats.uniform(1, 1), 2), (stats.uniform(0, 2), 1)])),
    ],
)
def test_a_table_bids_what_the_strategy_bids(rule: FirstPrice, market: Market) -> None:
    found = equilibrium(rule, market)
    costs = market.draw(20_000, np.random.default_rng(1))
    spread = max(distribution.ppf(0.999) - distribution.ppf(0.001) for distribution, _ in market.classes)
    for number, (strategy, curve) in enumerate(zip(found.strategies, simulate.Player.of(found).curves)):
        mine = costs[:, market.cls == number]
        exact, looked_up = strategy(mine), curve(mine)
        assert np.array_equal(np.isnan(exact), np.isnan(looked_up))
        assert np.nanmax(np.abs(exact - looked_up)) <= 1.01e-7 * spread


# ---- the same numbers, whoever works them out -------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks small enough that a short run has many."""
    monkeypatch.setattr(simulate, "BLOCK", 1000)
    return 1000


class Backwards(Executor):
    """Works out nothing before all it can get has been submitted, and then the last first."""

    def __init__(self) -> None:
        self.calls: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.sizes: list[int] = []
        self.lock = threading.Timer(0.2, self.work)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        if not self.calls:
            self.lock.start()
        future: Future[Any] = Future()
        self.calls.append((future, fn, args))
        self.sizes.append(args[1])
        return future

    def work(self) -> None:
        for future, fn, args in reversed(self.calls):
            future.set_result(fn(*args))


RULES = {"first": FirstPrice(), "mean": AverageBid(), "second": SecondPrice(), "none": AverageBid(discount=0.1)}


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_threads_give_the_same_numbers(small: int, workers: int) -> None:
    alone = compare(RULES, FIVE, 7 * small + 1, 1)
    with ThreadPoolExecutor(workers) as pool:
        assert same(alone, compare(RULES, FIVE, 7 * small + 1, 1, executor=pool))


def test_order_does_not_matter_and_work_is_in_proportion_to_draws(small: int) -> None:
    backwards = Backwards()
    assert same(compare(RULES, FIVE, 7 * small + 1, 1), compare(RULES, FIVE, 7 * small + 1, 1, executor=backwards))
    assert backwards.sizes == [small] * 7 + [1]


def test_more_blocks_than_are_handed_out_at_once(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "AHEAD", 2)
    with ThreadPoolExecutor(2) as pool:
        assert same(compare(BOTH, FIVE, 9 * small, 1), compare(BOTH, FIVE, 9 * small, 1, executor=pool))


def test_what_is_sent_to_workers_is_small_and_whole() -> None:
    classes = Market([(stats.uniform(0.2, 0.8), 1), (UNIFORM, 2)], rings={1: 2})
    game = simulate.Game(classes.acting(), (equilibrium(FirstPrice(), classes),), 0, 1)
    sent = pickle.dumps(game)
    assert len(sent) < 500_000
    assert np.array_equal(pickle.loads(sent)(3, 500).mean, game(3, 500).mean)


@pytest.mark.filterwarnings("default")  # a cluster that starts slowly, or closes late, warns of itself
def test_a_dask_cluster_gives_the_same_numbers(small: int) -> None:
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    alone = compare(RULES, FIVE, 7 * small + 1, 1)
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "120s", "distributed.comm.timeouts.tcp": "120s"}),
        distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(4)
        addresses = sorted(client.scheduler_info(-1)["workers"])
        for workers in (1, 2, 4):
            executor = client.get_executor(workers=addresses[:workers])
            assert same(alone, compare(RULES, FIVE, 7 * small + 1, 1, executor=executor))


def test_the_seed_decides(small: int) -> None:
    assert same(compare(BOTH, FIVE, 3 * small, 1), compare(BOTH, FIVE, 3 * small, 1))
    assert not same(compare(BOTH, FIVE, 3 * small, 1), compare(BOTH, FIVE, 3 * small, 2))


def test_a_rule_is_the_same_beside_any_others(small: int) -> None:
    many = compare(RULES, FIVE, 3 * small, 1).table
    alone = compare({"mean": AverageBid()}, FIVE, 3 * small, 1).table
    pd.testing.assert_frame_equal(many.loc[["mean"]], alone, rtol=1e-13)
    turned = compare(dict(reversed(RULES.items())), FIVE, 3 * small, 1, base="first").table
    pd.testing.assert_frame_equal(many, turned.loc[list(RULES)], rtol=1e-13)


# ---- runs that were cut off -------------------------------------------------------------------------------


class Stops(ThreadPoolExecutor):
    """Fails from some block on."""

    def __init__(self, block: int) -> None:
        super().__init__(1)
        self.block = block

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        def work() -> Any:
            if args[0] >= self.block:
                raise RuntimeError("the power went")
            return fn(*args)

        return super().submit(work)


@pytest.fixture
def cut_off(small: int, tmp_path: Path) -> Path:
    """The checkpoint of a run that stopped after four blocks of seven."""
    path = tmp_path / "draws.jsonl"
    with Stops(4) as pool, pytest.raises(RuntimeError, match="the power went"):
        compare(RULES, FIVE, 7 * small, 1, executor=pool, checkpoint=path)
    assert sorted(json.loads(line)["block"] for line in lines(path)[1:]) == [0, 1, 2, 3]
    return path


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


class Counts(Executor):
    """Works at once, and knows what it was asked for."""

    def __init__(self) -> None:
        self.blocks: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        self.blocks.append(args[0])
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


def test_a_run_goes_on_where_it_stopped(small: int, cut_off: Path) -> None:
    counts = Counts()
    resumed = compare(RULES, FIVE, 7 * small, 1, executor=counts, checkpoint=cut_off)
    assert counts.blocks == [4, 5, 6]
    assert same(resumed, compare(RULES, FIVE, 7 * small, 1))
    counts = Counts()
    assert same(resumed, compare(RULES, FIVE, 7 * small, 1, executor=counts, checkpoint=cut_off))
    assert counts.blocks == []


def test_a_block_cut_off_in_writing_is_worked_out_again(small: int, cut_off: Path) -> None:
    cut_off.write_bytes(cut_off.read_bytes()[:-50])
    counts = Counts()
    resumed = compare(RULES, FIVE, 7 * small, 1, executor=counts, checkpoint=cut_off)
    assert counts.blocks == [3, 4, 5, 6]
    assert same(resumed, compare(RULES, FIVE, 7 * small, 1))
    assert len(lines(cut_off)) == 8
    cut_off.write_text(lines(cut_off)[0][:20], encoding="utf-8")
    assert same(resumed, compare(RULES, FIVE, 7 * small, 1, checkpoint=cut_off))


def test_a_block_that_was_changed_is_worked_out_again(small: int, cut_off: Path) -> None:
    first, *blocks = lines(cut_off)
    place = next(i for i, line in enumerate(blocks) if json.loads(line)["block"] == 2)
    digit = re.search(r"\d(?=, )", blocks[place].partition('"mean"')[2])
    assert digit is not None
    at = blocks[place].index('"mean"') + len('"mean"') + digit.start()
    changed = f"{blocks[place][:at]}{9 - int(digit[0])}{blocks[place][at + 1 :]}"
    assert json.loads(changed)["mean"] != json.loads(blocks[place])["mean"]
    blocks[place] = changed
    cut_off.write_bytes("\n".join([first, *blocks, "not a block"]).encode() + b"\n\xff\xfe\n")
    counts = Counts()
    resumed = compare(RULES, FIVE, 7 * small, 1, executor=counts, checkpoint=cut_off)
    assert counts.blocks == [2, 4, 5, 6]
    assert same(resumed, compare(RULES, FIVE, 7 * small, 1))


def test_draws_may_be_added(small: int, cut_off: Path) -> None:
    compare(RULES, FIVE, 4 * small + 10, 1, checkpoint=cut_off)
    assert same(compare(RULES, FIVE, 9 * small, 1, checkpoint=cut_off), compare(RULES, FIVE, 9 * small, 1))
    assert same(compare(RULES, FIVE, 2 * small, 1, checkpoint=cut_off), compare(RULES, FIVE, 2 * small, 1))


@pytest.mark.parametrize(
    "rules, market, seed, told",
    [
        (RULES, FIVE, 2, "its seed is 1, and here it is 2"),
        (BOTH, FIVE, 1, "its rules is ['first', 'mean', 'second'], and here it is ['first', 'second']"),
        (
            RULES,
            Market((stats.uniform(0, 1.001), 5), in_house=1),
            1,
            "its market or the parameters of its rules differ",
        ),
        (RULES | {"first": FirstPrice(reserve=0.9)}, FIVE, 1, "its market or the parameters of its rules differ"),
        (RULES, Market((UNIFORM, 6), in_house=1), 1, "its market or the parameters of its rules differ"),
    ],
)
def test_the_checkpoint_of_another_comparison_is_refused(
    small: int, cut_off: Path, rules: Any, market: Market, seed: int, told: str
) -> None:
    before = cut_off.read_bytes()
    with pytest.raises(ValueError, match=re.escape(told)):
        compare(rules, market, 7 * small, seed, checkpoint=cut_off)
    assert cut_off.read_bytes() == before


def test_any_other_file_is_no_checkpoint(small: int, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    for text in ("Dear sir,\n", '{"seed": 1}\n', "[1]\n", "Dear sir, without an end of line", "[" * 50_000 + "\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="no checkpoint of a comparison; name another file"):
            compare(BOTH, FIVE, small, 1, checkpoint=path)
        assert path.read_text(encoding="utf-8") == text


# ---- laws -------------------------------------------------------------------------------------------------


@examples(60)
@given(st.integers(1, 3), st.integers(2, 40), st.integers(1, 40), st.data())
def test_moments_of_parts_are_those_of_the_whole(rules: int, first: int, second: int, data: st.DataObject) -> None:
    base = data.draw(st.integers(0, rules - 1))
    values = np.random.default_rng(data.draw(st.integers(0, 99))).normal(1e3, 1, (rules, 3, first + second))
    whole = simulate.Moments.of(values[:, :, :first], base).with_(simulate.Moments.of(values[:, :, first:], base), base)
    assert whole.draws == first + second
    for rule in range(rules):
        both = np.cov(values[rule], values[base], bias=True) * whole.draws
        assert whole.mean[rule] == pytest.approx(values[rule].mean(axis=1))
        assert whole.own[rule] == pytest.approx(both[:3, :3], abs=1e-6)
        assert whole.cross[rule] == pytest.approx(both[:3, 3:], abs=1e-6)


@examples(200)
@given(st.lists(st.floats(0, 1) | st.just(math.nan), max_size=7))
def test_holm_rejects_what_holm_rejects(p: list[float]) -> None:
    """Step down: at each level reject the smallest p-values as long as they are at most α / (number left)."""
    adjusted = holm(np.array(p, dtype=float))
    known = sorted(value for value in p if not math.isnan(value))
    for level in (0.01, 0.05, 0.2, 0.5):
        rejected = 0
        while rejected < len(known) and known[rejected] <= level / (len(known) - rejected):
            rejected += 1
        assert np.sum(adjusted <= level * (1 + 1e-12)) >= rejected
        assert np.sum(adjusted <= level * (1 - 1e-12)) <= rejected
    assert [math.isnan(value) for value in p] == np.isnan(adjusted).tolist()


@examples(15)
@given(st.integers(2, 5), st.floats(0.3, 1.2), st.floats(0, 1), st.integers(0, 9))
def test_money_adds_up(suppliers: int, reserve: float, funds: float, seed: int) -> None:
    market = Market((UNIFORM, suppliers), in_house=1.1, entry_cost=0.01)
    rules = [FirstPrice(reserve=reserve), SecondPrice(reserve=reserve), AverageBid(), PricePoints(30)]
    found = compare(rules, market, 500, seed, value=2, funds_cost=funds)
    for _, row in found.table.loc[list(found.equilibria)].iterrows():
        assert row["share_0"] + row["share_in_house"] == pytest.approx(1)
        assert row["outlay"] - row["rents"] - suppliers * 0.01 == pytest.approx(row["production_cost"])
        spent = row["production_cost"] + funds * row["outlay"] + row["transaction_cost"]
        assert row["welfare"] == pytest.approx(2 - spent)
        assert row["cost_ratio"] >= 1 - 1e-12
        assert row["hhi"] == pytest.approx(1)


# ---- what it says -----------------------------------------------------------------------------------------


def test_a_rule_without_an_equilibrium_stays_with_the_reason() -> None:
    found = compare(RULES, FIVE, 500, 1)
    row = found.table.loc["none"]
    assert "no common bid lasts" in row["note"]
    assert row.drop("note").isna().all()
    assert found.differences.query("rule == 'none'").drop(columns=["rule", "measure"]).isna().to_numpy().all()
    assert found.differences.query("rule != 'none'").notna().to_numpy().all()
    assert set(found.equilibria) == {"first", "mean", "second"}
    assert compare({"none": RULES["none"], "first": FirstPrice()}, FIVE, 500, 1).base == "first"


def test_rules_that_ask_for_no_quality_are_not_compared_where_it_has_a_cost() -> None:
    market = Market((stats.uniform(1, 1), 3), quality=Quality(lambda q, theta: theta * q**2 / 2))
    found = compare([FirstScore(lambda q: q), FirstPrice()], market, 500, 1)
    assert "asks for none" in found.table.at["FirstPrice()", "note"]


def test_without_an_in_house_alternative_what_is_not_awarded_has_no_cost() -> None:
    for reserve, known in ((0.5, False), (1, True)):
        row = compare([FirstPrice(reserve=reserve)], Market((UNIFORM, 3)), 2000, 1).table.iloc[0]
        assert row[["outlay", "production_cost", "cost_ratio", "welfare"]].notna().tolist() == [known] * 4
        assert row["payment"] > 0


def test_names() -> None:
    found = compare([FirstPrice(), FirstPrice(0.9, {0: 0.0}), FirstPrice(), FirstPrice()], FIVE, 50, 1, base=2)
    assert found.table.index.tolist() == [
        "FirstPrice()",
        "FirstPrice(reserve=0.9, preference={0: 0.0})",
        "FirstPrice() (2)",
        "FirstPrice() (3)",
    ]
    assert found.base == "FirstPrice() (2)"
    assert "50 draws, compared with FirstPrice() (2)" in str(found)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"rules": []}, "there is no rule to compare"),
        ({"rules": [AverageBid(discount=0.1)]}, "no rule has an equilibrium in this market: AverageBid"),
        ({"rules": RULES, "base": "none"}, "the base, none, has no equilibrium here: with the benchmark"),
        ({"rules": RULES, "base": "third"}, "'third', is none of the rules, which are first, mean, second, none"),
        ({"base": 7}, "7, is none of the rules, which are first, second"),
        ({"market": "cheap"}, "rules are compared on a Market, or on a LocalLocalGlobal, not 'cheap'"),
        ({"draws": 1}, "draws is 1; it must be a whole number of at least 2"),
        ({"draws": 10.5}, "draws is 10.5"),
        ({"seed": -1}, "seed is -1"),
        ({"level": 95}, "level is 95; it must be between 0 and 1"),
        ({"funds_cost": -0.1}, "funds_cost is -0.1; it must be at least 0"),
        ({"evaluation_cost": math.inf}, "evaluation_cost is inf"),
    ],
)
def test_errors(change: dict[str, Any], told: str) -> None:
    arguments: dict[str, Any] = {"rules": BOTH, "market": FIVE, "draws": 100, "seed": 1} | change
    with pytest.raises(ValueError, match=re.escape(told)):
        compare(**arguments)


def test_progress_is_told_on_stderr(small: int, capsys: pytest.CaptureFixture[str]) -> None:
    compare(BOTH, FIVE, 3 * small, 1, progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "3000/3000" in said.err
    compare(BOTH, FIVE, small, 1)
    assert capsys.readouterr() == ("", "")


def test_plot() -> None:
    pytest.importorskip("matplotlib")
    weak = Market([(stats.uniform(0.2, 0.8), 1), (UNIFORM, 2)], in_house=1.5)
    rules = {"first": FirstPrice(), "preference": FirstPrice(preference={0: 0.1}), "none": AverageBid(discount=0.1)}
    payments, bids = compare(rules, weak, 1000, 1).plot().axes
    assert [label.get_text() for label in payments.get_yticklabels()] == list(rules)
    assert [text.get_text() for text in payments.texts if "no" in text.get_text()] == ["no equilibrium"]
    drawn = [text.get_text() for text in bids.get_legend().get_texts()]
    assert drawn == ["first", "preference", "class 0", "class 1"]


def test_plots_need_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=re.escape('pip install "procure-opt[plot]"')):
        compare(BOTH, FIVE, 100, 1).plot()


@pytest.mark.parametrize("correlation", [0.0, 1.0])
def test_rules_on_packages_give_what_their_equilibria_expect(correlation: float) -> None:
    """The headline of C1: with independent uniform costs VCG is the cheapest of these rules."""
    names = ["vcg", "core", "core_nearest_zero", "core_nearest_bid"]
    market = LocalLocalGlobal(correlation=correlation)
    found = compare({name: PackageRule(name) for name in names}, market, 60_000, 3, base="vcg")
    for name in names:
        row, told = found.table.loc[name], found.equilibria[name]
        assert isinstance(told, PackageEquilibrium)
        for measure, expected in (
            ("payment", told.expected_payment), ("outlay", told.expected_payment),
            ("production_cost", told.expected_cost), ("cost_ratio", told.cost_ratio),
            ("share_0", told.win_probability[0]), ("share_1", told.win_probability[1]),
        ):  # fmt: skip
            assert abs(row[measure] - expected) < 4.5 * row[f"{measure}_se"] + 1e-9, (name, measure)
    against = found.differences.query("measure == 'payment'")
    if not correlation:
        assert (against["low"] > 0).all()


def test_in_house_work_counts_at_the_ceiling() -> None:
    """Costs that are mostly above the ceiling, and the sums by hand."""
    market = LocalLocalGlobal(stats.uniform(0, 3), stats.uniform(0, 6), ceiling=1.0)
    row = compare({"vcg": PackageRule("vcg")}, market, 30_000, 3).table.loc["vcg"]
    costs = np.random.default_rng(8).uniform(0, [3, 3, 6], (200_000, 3))
    least = np.minimum(np.minimum(costs[:, :2], 1).sum(axis=1), np.minimum(costs[:, 2], 2))
    assert abs(row["production_cost"] - least.mean()) < 5 * row["production_cost_se"]
    nobody = (2 / 3) ** 2 * (2 / 3)
    assert abs(row["share_in_house"] - nobody) < 5 * row["share_in_house_se"]
    assert row["cost_ratio"] == pytest.approx(1, abs=1e-12)


def test_rules_of_another_kind_of_market_have_no_equilibrium() -> None:
    found = compare([PackageRule("vcg"), FirstPrice()], LocalLocalGlobal(), 100, 1)
    assert "packages" in found.table.loc["FirstPrice()", "note"]
    with pytest.raises(ValueError, match="LocalLocalGlobal"):
        compare([PackageRule("vcg")], Market((UNIFORM, 2)), 100, 1)
