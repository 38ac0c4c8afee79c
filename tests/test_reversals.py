"""Whose presence decides, where the winner turns, which bids are abnormally low, and awards lot by lot."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import procure_opt as po
from procure_opt.abnormal import TESTS
from procure_opt.offers import as_tender
from procure_opt.scoring import PUBLISHED
from test_known import each_row, table
from test_scoring import bids_of, formula_of
from tiny import bid, lots, tender

Row = dict[str, Any]
POINTS = st.lists(
    st.builds(lambda price, quality: {"price": price, "quality": quality}, st.integers(50, 200), st.integers(0, 100)),
    min_size=2, max_size=7,
)  # fmt: skip

# ---- rank reversals ---------------------------------------------------------------------------------------


@each_row("reversals.csv", "source")
def test_known_reversals(row: dict[str, str]) -> None:
    bids, formula = bids_of(row), formula_of(row["formula"])
    found = po.rank_reversals(bids, formula)
    told = found[["removed", "winner_before", "winner_after"]].to_numpy().tolist()
    assert [row["removed"], row["before"], row["after"]] in told
    assert "independent of other bids" not in formula.claims
    assert not (found[["lead_before", "lead_after"]] < -1e-12).any(axis=None)


def test_every_formula_that_depends_on_other_bids_has_a_known_reversal() -> None:
    told = [formula_of(row["formula"]) for row in table("reversals.csv")]
    known = {type(getattr(formula, "scoring", formula)) for formula in told}
    dependent = {
        type(formula) for formula in PUBLISHED.values()
        if "independent of other bids" not in formula.claims and not hasattr(formula, "scoring")
    }  # fmt: skip
    assert dependent <= known


@pytest.mark.parametrize(("base", "winner"), [(83, "A"), (85, "B")])
def test_the_base_at_which_the_winner_turns(base: int, winner: str) -> None:
    """A beats B iff the lowest price is below m* = w_T (T_A − T_B) / (100 w_P (1 / P_B − 1 / P_A)) = 84."""
    turn = Fraction(7, 10) * 12 / (100 * Fraction(3, 10) * (Fraction(1, 100) - Fraction(1, 150)))
    assert turn == 84
    bids = [{"bid": "A", "price": 150, "quality": 94}, {"bid": "B", "price": 100, "quality": 82},
            {"bid": "C", "price": base, "quality": 0}]  # fmt: skip
    found = po.rank_reversals(bids, po.RelativePrice(0.3))
    assert len(found) == (winner == "A")


@settings(max_examples=25, deadline=None)
@given(POINTS)
def test_reversals_are_those_of_plain_arithmetic_and_absolute_scores_have_none(rows: list[Row]) -> None:
    def winners(left: list[int]) -> set[int]:
        base = min(rows[i]["price"] for i in left)
        points = {i: Fraction(40 * base, rows[i]["price"]) + Fraction(6, 10) * rows[i]["quality"] for i in left}
        return {i for i in left if points[i] == max(points.values())}

    everyone = list(range(len(rows)))
    expected = [
        str(i + 1) for i in everyone
        if i not in winners(everyone) and winners([j for j in everyone if j != i]) != winners(everyone)
    ]  # fmt: skip
    assert po.rank_reversals(rows, po.RelativePrice(0.4))["removed"].tolist() == expected
    for formula in (po.MonetisedQuality(2), po.LowestPrice(), po.QualityPerPrice()):
        assert po.rank_reversals(rows, formula).empty


def test_several_lots_are_looked_at_one_by_one() -> None:
    thirds = {"L1": 90, "L2": 60}
    rows = [
        bid(name + lot, name, lot, price, quality=quality)
        for lot, third in thirds.items()
        for name, price, quality in (("A", 150, 94), ("B", 100, 82), ("C", third, 60))
    ]
    found = po.rank_reversals(tender("L1 L2", *rows), po.RelativePrice(0.3))
    assert found[["lot", "removed"]].to_numpy().tolist() == [["L2", "CL2"]]


# ---- winner maps ------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(POINTS, st.lists(st.fractions(0, 1), min_size=5, max_size=5))
def test_a_map_names_the_winner_at_every_weight(rows: list[Row], weights: list[Fraction]) -> None:
    found = po.winner_map(rows, po.RelativePrice(0.5))
    assert found["weight_from"].iloc[0] == 0 and found["weight_to"].iloc[-1] == 1
    assert (found["weight_from"].iloc[1:].to_numpy() == found["weight_to"].iloc[:-1].to_numpy()).all()
    assert (found["winner"].iloc[1:].to_numpy() != found["winner"].iloc[:-1].to_numpy()).all()
    base = min(row["price"] for row in rows)
    for weight in weights:
        points = [weight * Fraction(100 * base, row["price"]) + (1 - weight) * row["quality"] for row in rows]
        best = {str(i + 1) for i, point in enumerate(points) if point == max(points)}
        here = found[(found["weight_from"] < float(weight) - 1e-9) & (found["weight_to"] > float(weight) + 1e-9)]
        assert here.empty or set(here["winner"].iloc[0].split("; ")) == best


def test_break_points_are_exact_and_weights_keep_to_the_law() -> None:
    bids = [{"bid": "A", "price": 150, "quality": 94}, {"bid": "B", "price": 100, "quality": 82}]
    found = po.winner_map(bids, po.RelativePrice(0.5))
    assert found["winner"].tolist() == ["A", "B"]
    assert found["weight_to"].iloc[0] == pytest.approx(9 / 34, abs=1e-15)  # 12 / (12 + 100 / 3)
    lawful = po.winner_map(bids, po.RelativePrice(0.5, floor=0.3))
    assert lawful[["weight_from", "weight_to", "winner"]].to_numpy().tolist() == [[0.3, 1, "B"]]
    rounded = po.winner_map(bids, po.Rounded(po.RelativePrice(0.5), 6))
    assert rounded["weight_to"].iloc[0] == pytest.approx(9 / 34, abs=1e-6)
    ties = po.winner_map([bids[0], bids[0] | {"bid": "C"}], po.HighestLowest(0.5))
    assert ties["winner"].tolist() == ["A; C"]


@pytest.mark.parametrize("formula", [po.LowestPrice(), po.Rounded(po.BestQuality()), len])
def test_a_formula_without_a_weight_has_no_map(formula: Any) -> None:
    with pytest.raises(ValueError, match="has no weight of price that could move"):
        po.winner_map([{"price": 5}], formula)


# ---- tables of bids ---------------------------------------------------------------------------------------


def test_what_a_table_of_bids_leaves_out_is_named() -> None:
    assert as_tender([{"price": 5}, {"price": 6}]).bid_names.tolist() == ["1", "2"]
    assert as_tender([{"price": 5, "bidder": "X"}, {"price": 6, "bidder": "X"}]).bid_names.tolist() == ["1", "2"]
    full = as_tender(pd.DataFrame({"price": [5, 6], "bidder": ["X", "Y"], "deduction": [0.1, 0], "estimate": [9, 9]}))
    assert (full.bid_names.tolist(), full.bidders["deduction"].tolist()) == (["X", "Y"], [0.1, 0])
    assert full.estimate.tolist() == [9]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "needs rows with a price"),
        ([{"cost": 5}], "needs rows with a price; this one has \\['cost'\\]"),
        ([{"price": 5, "estimate": 1}, {"price": 6, "estimate": 2}], "the bids of lot 'lot' differ in estimate"),
        (
            [{"price": 5, "bidder": "X", "deduction": 0}, {"price": 6, "bidder": "X", "deduction": 0.1}],
            "bidder 'X' differ",
        ),
        ([{"price": 5, "quality": 120}], "120 is out of range"),
        ([{"price": "five"}], "five"),
    ],
)
def test_tables_that_say_too_little(rows: list[Row], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        po.rank_reversals(rows, po.RelativePrice(1))


# ---- abnormally low ---------------------------------------------------------------------------------------


@each_row("abnormal.csv", "source")
def test_known_abnormally_low_bids(row: dict[str, str]) -> None:
    extra = {column: float(row[column]) for column in ("estimate", "reserve") if row[column]}
    bids = [{"bid": str(place + 1), "price": float(price)} | extra for place, price in enumerate(row["prices"].split())]
    found = po.abnormally_low(bids, formula_of(row["test"]))
    assert found["bid"][found["flagged"]].tolist() == row["flagged"].split()
    assert all(found["reason"])
    if row["thresholds"]:
        assert float(row["thresholds"]) in found["threshold"].round(9).tolist()


def test_the_italian_winner_is_the_highest_discount_below_the_threshold() -> None:
    row = next(row for row in table("abnormal.csv") if row["test"] == "ItalianTest()")
    found = po.abnormally_low([{"price": float(p), "estimate": 100} for p in row["prices"].split()], po.ItalianTest())
    assert found["price"][~found["flagged"]].min() == 86.6  # a discount of 13.4
    assert found["threshold"].iloc[0] == 86.38
    assert found["reason"].iloc[7] == "a discount of 14 % reaches 13.62 %"


@given(st.lists(st.integers(5_000, 10_000), min_size=5, max_size=25))
@settings(max_examples=25, deadline=None)
def test_the_italian_threshold_in_floats(prices: list[int]) -> None:
    bids = [{"price": price / 100, "estimate": 100} for price in prices]
    found = po.abnormally_low(bids, po.ItalianTest(digits=None))
    discounts = np.array([100 - price / 100 for price in sorted(prices)])
    kinds = sorted(set(discounts.round(9)))
    cut = -(-len(prices) // 10)
    rest = discounts[np.isin(discounts.round(9), kinds[cut : len(kinds) - cut])]
    if not len(rest):
        assert found["threshold"].isna().all() and not found["flagged"].any()
        return
    above = rest[rest > rest.mean() + 1e-12]
    limit = rest.mean() + (above.mean() - rest.mean() if len(above) else 0)
    assert found["threshold"].iloc[0] == pytest.approx(100 - limit, abs=1e-9)


@given(st.integers(3, 12), st.integers(30, 90))
@settings(max_examples=20, deadline=None)
def test_a_low_bid_passes_a_share_of_the_mean_from_a_known_ratio_on(n: int, percent: int) -> None:
    share = Fraction(percent, 100)
    ratio = share * (n - 1) / (n - share)
    low = -(-ratio * 10**9 // 1)
    for price, flagged in ((int(low), False), (int(low) - 1, True)):
        offers = tender("A", *(bid(f"b{i}", f"b{i}", "A", 10**9 if i else price) for i in range(n)))
        assert po.abnormally_low(offers, po.BelowShare(float(share)))["flagged"].iloc[0] == flagged


def test_deductions_play_no_part_and_lots_are_apart() -> None:
    rows = [bid("a", "X", "A", 50), bid("b", "Y", "A", 100), bid("c", "X", "B", 100), bid("d", "Y", "B", 101)]
    offers = tender("A B", *rows, bidders=[{"bidder": "X"}, {"bidder": "Y", "deduction": 0.6}])
    found = po.abnormally_low(offers, po.BelowShare(0.8))
    assert found[["lot", "bid", "threshold", "flagged"]].to_numpy().tolist() == [
        ["A", "a", 60, True], ["A", "b", 60, False], ["B", "c", 80.4, False], ["B", "d", 80.4, False],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: po.BelowShare(50), r"share is 50; it must be a share from 0 to 1"),
        (lambda: po.BelowShare(0.5, of="budget"), r"of is 'budget'"),
        (lambda: po.abnormally_low([{"price": 5}], po.SpanishTest()), r"with the estimate, and lot 'lot' has none"),
        (lambda: po.abnormally_low([{"price": 5}], po.ItalianTest()), r"ItalianTest compares with the estimate"),
        (lambda: po.ItalianTest(low_spread=0.15), r"belong together"),
        (lambda: po.WorldBankTest(0.8, 1, 1), r"a deviation needs 2 bids"),
        (lambda: po.AnyOf([]), r"AnyOf: give at least one test"),
        (lambda: po.abnormally_low(tender("A B", bid("p", "P", "A;B", 5)), po.BelowShare(0.5)), r"'p' is a package"),
    ],
)
def test_what_is_wrong_with_a_test(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_every_test_of_low_bids_has_a_known_answer() -> None:
    text = " ".join(row["test"] for row in table("abnormal.csv")) + " SCOTTISH_TEST is AllOf"
    assert all(test.__name__ in text for test in TESTS)


# ---- lot by lot -------------------------------------------------------------------------------------------


def test_the_package_that_no_award_by_lot_can_see() -> None:
    rows = [bid("a1", "A", "1", 100_000), bid("b1", "B", "1", 110_000), bid("a2", "A", "2", 120_000),
            bid("b2", "B", "2", 100_000), bid("b12", "B", "1;2", 180_000)]  # fmt: skip
    found = po.award_by_lot(tender("1 2", *rows), po.LowestPrice())
    assert found.table["bid"].tolist() == ["a1", "b2"] and found.table["optimal_bid"].tolist() == ["b12", "b12"]
    assert (found.price, found.score, found.optimal.score) == (200_000, -200_000, -180_000)
    assert (found.lost, found.saved) == (20_000, 20_000)


def test_a_limit_of_lots_by_two_rules() -> None:
    prices = {"X": (10, 10, 10), "Y": (30, 12, 11), "Z": (40, 30, 30)}
    rows = [bid(who + lot, who, lot, price) for who, each in prices.items() for lot, price in zip("ABC", each)]
    offers = tender("A B C", *rows)
    lead = po.award_by_lot(offers, po.LowestPrice(), max_lots=1)  # A by 20, then C by 19, then what is left
    assert (lead.table["bid"].tolist(), lead.price, lead.lost) == (["XA", "ZB", "YC"], 51, 0)
    order = po.award_by_lot(offers, po.LowestPrice(), 1, "order of lots")
    assert (order.table["bid"].tolist(), order.price, order.lost) == (["XA", "YB", "ZC"], 52, 1)
    free = po.award_by_lot(offers, po.LowestPrice())
    assert (set(free.table["bidder"]), free.price, free.lost) == ({"X"}, 30, 0)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=9, max_size=9), st.sampled_from(["largest advantage", "order of lots"]))
def test_no_rule_by_lot_beats_the_optimal_award(prices: list[int], rule: str) -> None:
    pairs = itertools.product("XYZ", "ABC")
    offers = tender("A B C", *(bid(who + lot, who, lot, price) for (who, lot), price in zip(pairs, prices)))
    found = po.award_by_lot(offers, po.LowestPrice(), 1, rule)
    assert sorted(found.table["bidder"]) == ["X", "Y", "Z"]
    best = min(sum(prices[3 * i + j] for i, j in enumerate(order)) for order in itertools.permutations(range(3)))
    assert found.optimal.price == best and found.lost == found.saved == found.price - best >= 0


def test_a_lot_nobody_is_left_for_is_open_or_in_house() -> None:
    rows = [bid("xa", "X", "A", 10), bid("xb", "X", "B", 10), bid("ya", "Y", "A", 12)]
    offers = tender([{"lot": "A", "estimate": 10}, {"lot": "B", "estimate": 30, "in_house": 50}], *rows)
    found = po.award_by_lot(offers, po.RelativePrice(1), 1, "order of lots")
    assert found.table[["bid", "price", "in_house"]].to_numpy().tolist() == [["xa", 10, False], ["", 50, True]]
    assert found.score == pytest.approx(100 * 10 / 40)
    assert found.optimal.score == pytest.approx((100 * 10 / 12 * 10 + 100 * 30) / 40)
    bare = tender(lots("A", "B", estimate=10), *rows)
    left = po.award_by_lot(bare, po.RelativePrice(1), 1, "order of lots")
    assert left.table["bid"].tolist() == ["xa", ""] and np.isnan(left.price) and np.isnan(left.lost)
    with pytest.raises(ValueError, match="rule is 'best'; it must be one of 'largest advantage', 'order of lots'"):
        po.award_by_lot(bare, po.RelativePrice(1), 1, "best")
