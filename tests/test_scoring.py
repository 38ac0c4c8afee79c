"""The published formulas: known answers, what each claims and no more, and awards by them from table to check."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import procure_opt as po
from procure_opt.policy_file import parse_policy
from procure_opt.scoring import CATALOGUE, PUBLISHED, rounded
from test_known import each_row, table
from tiny import bid, lots, tender, won

Row = dict[str, Any]

OTHERS = {
    "estimate as the scale": po.LinearPrice(0.5, zero=1.5, full=0.5, of="estimate"),
    "no floor": po.AveragePrice(0.5, floor=None),
    "quality decides": po.ExtendedRichtwert(0.1, "quality"),
    "median": po.WeightedRichtwert(0.5, "median"),
    "a budget in figures": po.Qualified(po.BestQuality(), budget=120),
    "rounded": po.Rounded(po.RelativePrice(0.3), 2),
    "rounded money": po.Rounded(po.LowestPrice(), 0),
    "with an addition": po.CorrectedPrice("coefficient", "upkeep"),
}
FORMULAS: dict[str, Any] = dict(PUBLISHED) | OTHERS
formulas = pytest.mark.parametrize("name", FORMULAS)


def formula_of(text: str) -> Any:
    """A formula or a test, as written in a table of known answers."""
    return eval(text, {name: getattr(po, name) for name in po.__all__})


def one_lot(rows: list[Row], factor: float = 1.0, **lot: float) -> po.Tender:
    """Bids on one lot, all money times a factor."""
    money = {"estimate": 150.0, "reserve": 200.0} | lot
    bids = [
        {"bid": f"b{place}", "bidder": f"b{place}", "lots": "A"} | row | {"price": row["price"] * factor}
        for place, row in enumerate(rows)
    ]
    return po.Tender([{"lot": "A"} | {name: value * factor for name, value in money.items()}], bids, money_unit=0.0001)


def printed(score: float, like: str, rule: str) -> str:
    """A score as a source prints it: as many digits, rounded half up or cut."""
    exact = Decimal(repr(round(float(score), 10)))
    return str(exact.quantize(Decimal(like), ROUND_HALF_UP if rule == "half up" else ROUND_DOWN))


# ---- known answers ----------------------------------------------------------------------------------------


def bids_of(row: dict[str, str]) -> list[Row]:
    """The bids of a row, called A, B, C, …"""
    given_ = zip(row["prices"].split(), row["qualities"].split())
    bids: list[Row] = [
        {"bid": "ABCDEFGHIJ"[place], "price": float(price), "quality": float(quality)}
        for place, (price, quality) in enumerate(given_)
    ]
    return [one | {"reserve": float(row["reserve"])} if row.get("reserve") else one for one in bids]


@each_row("scores.csv", "source")
def test_known_scores(row: dict[str, str]) -> None:
    offers = po.Tender(
        [{"lot": "A", "reserve": bids_of(row)[0].get("reserve")}],
        [{"bidder": one["bid"], "lots": "A"} | one for one in bids_of(row)],
    )
    expected = row["scores"].split()
    found = formula_of(row["formula"])(offers)
    assert [printed(score, like, row["printed"]) for score, like in zip(found, expected)] == expected
    digits = {len(like.partition(".")[2]) for like in expected}.pop()
    shown = po.Rounded(formula_of(row["formula"]), digits, row["printed"])(offers)
    assert shown.tolist() == [float(like) for like in expected]


def test_a_wrong_answer_in_print_is_wrong() -> None:
    scores = po.RelativePrice(0.4)(one_lot([{"price": p, "quality": 0} for p in (100, 95, 110)]))
    assert scores.round(1).tolist() != [38.2, 40.0, 35.3]


@each_row("hhi.csv", "source")
def test_known_concentration(row: dict[str, str]) -> None:
    shares = row["shares"].split()
    merged = row["merged"].split()
    firms = [{"bidder": f"F{n}", "owner": "one" if str(n) in merged else ""} for n in range(1, 1 + len(shares))]
    bids = [bid(f"b{n}", f"F{n}", f"L{n}", int(share)) for n, share in enumerate(shares, 1)]
    award = po.award(tender(lots(*(f"L{n}" for n in range(1, 1 + len(shares)))), *bids, bidders=firms))
    assert award.hhi * 10_000 == pytest.approx(float(row["hhi"]), abs=1e-9)


@pytest.mark.parametrize(
    ("value", "digits", "rule", "expected"),
    [
        (2.675, 2, "half up", 2.68), (2.675, 2, "half even", 2.68), (2.665, 2, "half even", 2.66),
        (2.665, 2, "half up", 2.67), (11 / 3, 2, "cut", 3.66), (11 / 3, 2, "half up", 3.67), (0.1 + 0.2, 1, "cut", 0.3),
        (-2.5, 0, "half up", -3), (-2.5, 0, "cut", -2), (-2.5, 0, "half even", -2), (1.005, 2, "half up", 1.01),
        (123456789.005, 2, "half up", 123456789.01),
    ],
)  # fmt: skip
def test_rounding(value: float, digits: int, rule: str, expected: float) -> None:
    assert rounded(value, digits, rule) == expected


@given(st.integers(-(10**9), 10**9), st.integers(0, 6), st.integers(0, 4))
def test_rounding_half_up_in_whole_numbers(units: int, places: int, digits: int) -> None:
    value = Fraction(units, 10**places)
    scaled = abs(value) * 10**digits
    whole = int(scaled) + (scaled - int(scaled) >= Fraction(1, 2))
    assert rounded(units / 10**places, digits) == (-1 if value < 0 else 1) * whole / 10**digits


def test_a_deduction_changes_who_wins_and_never_what_is_paid() -> None:
    offers = tender([{"lot": "A", "estimate": 100}], bid("x", "X", "A", 100), bid("y", "Y", "A", 95),
                    bidders=[{"bidder": "X", "deduction": 0.06}, {"bidder": "Y"}])  # fmt: skip
    assert po.RelativePrice(0.3)(offers.with_quality(np.zeros(2))).round(4).tolist() == [30, 29.6842]
    for scoring in (po.LowestPrice(), po.RelativePrice(1)):
        award = po.award(offers, po.Policy(objective=po.BestScore(scoring)))
        assert (won(award), award.price, award.bids["net"].tolist()) == (["x"], 100, [100])
        assert won(po.award(offers.replace(bidders=None), award.policy)) == ["y"]


# ---- each formula again, as plain arithmetic --------------------------------------------------------------


def linear(price: Fraction, full: Fraction, zero: Fraction) -> Fraction:
    return min(max((zero - price) / (zero - full), Fraction(0)), Fraction(1))


def plain_average(rows: list[Row]) -> Fraction:
    kept = sorted(row["price"] for row in rows)
    kept = kept if len(kept) < 6 else kept[:-1] if len(kept) == 6 else kept[1:-1]
    return sum(kept, Fraction(0)) / len(kept) * Fraction(95, 100)


PLAIN: dict[str, Callable[[Row, list[Row]], Any]] = {
    "China, Order 87 Art. 55, goods": lambda b, all_: 40 * low(all_) / b["price"] + Fraction(6, 10) * b["quality"],
    "China, Order 87 Art. 54, lowest evaluated price": lambda b, all_: -b["price"],
    "China, average price": lambda b, all_: max(
        Fraction(0),
        100 - (80 if b["price"] < (mid := plain_average(all_)) else 120) * abs(b["price"] - mid) / mid,
    ),
    "World Bank, quality- and cost-based": lambda b, all_: None if b["quality"] < 75 else
        20 * low([o for o in all_ if o["quality"] >= 75]) / b["price"] + Fraction(8, 10) * b["quality"],
    "World Bank, least-cost": lambda b, all_: None if b["quality"] < 75 else -b["price"],
    "World Bank, fixed budget": lambda b, all_: None if b["price"] > 150 else b["quality"],
    "EU, relative": lambda b, all_: 50 * low(all_) / b["price"] + 50 * b["quality"] / max(o["quality"] for o in all_),
    "EU, linear": lambda b, all_: 50 * linear(b["price"], Fraction(100), Fraction(200)) + b["quality"] / 2,
    "EU, monetised": lambda b, all_: -(b["price"] + 2 * (100 - b["quality"])),
    "EU, life-cycle cost": lambda b, all_:
        -(b["price"] + b["upkeep"] * sum(1 / Fraction(103, 100) ** t for t in range(1, 6))),
    "Germany, simple Richtwert": lambda b, all_: 100_000 * b["quality"] / b["price"],
    "Germany, extended Richtwert": lambda b, all_: None
        if b["quality"] / b["price"] < Fraction(9, 10) * max(o["quality"] / o["price"] for o in all_) else -b["price"],
    "Germany, weighted Richtwert": lambda b, all_:
        b["quality"] / mean(all_, "quality") / 2 - b["price"] / mean(all_, "price") / 2,
    "Switzerland, linear": lambda b, all_: 50 * linear(b["price"], low(all_), low(all_) * 3 / 2) + b["quality"] / 2,
    "Switzerland, T2": lambda b, all_: 50 * (low(all_) / b["price"]) ** 2 + b["quality"] / 2,
    "highest to lowest": lambda b, all_: b["quality"] / 2 + 50 * (
        Fraction(1) if high(all_) == low(all_) else (high(all_) - b["price"]) / (high(all_) - low(all_))),
    "Japan, addition": lambda b, all_: b["quality"] / 5 + 80 * (
        1 - b["price"] / 200 if b["price"] >= 140 else 1 - Fraction(140, 200) + (140 - b["price"]) / 400),
    "Japan, division": lambda b, all_: 100_000 * (100 + b["quality"]) / b["price"],
    "US, value-adjusted price": lambda b, all_: 2 * max(Fraction(0), min(b["quality"], Fraction(90)) - 60) - b["price"],
    "UK, price per quality point": lambda b, all_: None if b["quality"] < 50 else 100_000 / (b["price"] / b["quality"]),
    "with an addition": lambda b, all_: -(b["price"] / b["coefficient"] + b["upkeep"]),
}  # fmt: skip


def low(rows: list[Row]) -> Any:
    return min(row["price"] for row in rows)


def high(rows: list[Row]) -> Any:
    return max(row["price"] for row in rows)


def mean(rows: list[Row], column: str) -> Any:
    return sum(row[column] for row in rows) / len(rows)


BIDS = st.lists(
    st.builds(
        lambda price, quality, coefficient, upkeep: {
            "price": price, "quality": quality, "coefficient": coefficient, "upkeep": upkeep,
        },
        st.integers(1, 150), st.integers(1, 100), st.sampled_from([1, 1.25, 1.5]), st.integers(0, 20),
    ),
    min_size=2, max_size=8,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(BIDS)
def test_every_formula_is_its_plain_arithmetic(rows: list[Row]) -> None:
    exact = [{column: Fraction(value) for column, value in row.items()} for row in rows]
    offers = one_lot(rows)
    for name, plain in PLAIN.items():
        expected = [plain(row, exact) for row in exact]
        found = FORMULAS[name](offers)
        assert np.isnan(found).tolist() == [value is None for value in expected], name
        figures = [float("nan") if value is None else float(value) for value in expected]
        assert found == pytest.approx(figures, rel=1e-12, abs=1e-10, nan_ok=True), name


# ---- what each claims, and no more ------------------------------------------------------------------------


class Cases:
    """Many lots, each a case of its own, and the same with one bid of each changed: `at` the bid, `by` how much."""

    def __init__(self, cases: list[list[Row]], at: list[int], by: list[int]):
        self.cases, self.at = cases, at
        self.base = self.offers(cases)
        self.scaled = [self.offers(cases, factor) for factor in (0.01, 7)]
        self.dearer = self.offers(self.changed("price", by, 200))
        self.better = self.offers(self.changed("quality", by, 100))
        self.fewer = self.base.keep(~np.isin(self.base.bid_names, [f"{lot}-{one}" for lot, one in enumerate(at)]))

    def changed(self, column: str, by: list[int], most: int) -> list[list[Row]]:
        changed = [list(rows) for rows in self.cases]
        for rows, at, more in zip(changed, self.at, by):
            rows[at] = rows[at] | {column: min(most, rows[at][column] + more)}
        return changed

    @staticmethod
    def offers(cases: list[list[Row]], factor: float = 1.0) -> po.Tender:
        money = {"estimate": 150 * factor, "reserve": 200 * factor}
        bids = [
            bid(f"{lot}-{place}", f"B{place}", str(lot), **(row | {"price": row["price"] * factor}))
            for lot, rows in enumerate(cases)
            for place, row in enumerate(rows)
        ]
        return po.Tender([{"lot": str(lot)} | money for lot in range(len(cases))], bids, money_unit=0.0001)

    def scores(self, formula: Any, offers: po.Tender) -> list[dict[int, float]]:
        """For each lot the scores by bid, −∞ for a bid that is not admitted."""
        found: list[dict[int, float]] = [{} for _ in self.cases]
        for name, score in zip(offers.bid_names, formula(offers)):
            lot, place = name.split("-")
            found[int(lot)][int(place)] = float("-inf") if np.isnan(score) else float(score)
        return found


def order(scores: dict[int, float]) -> list[int]:
    """How each two bids compare, equal within what a float rounds off."""
    pairs = itertools.combinations(scores.values(), 2)
    return [0 if a == b or abs(a - b) <= 1e-9 * max(abs(a), abs(b)) else 1 if a > b else -1 for a, b in pairs]


def not_above(one: float, other: float) -> bool:
    return one <= other or one - other <= 1e-9 * max(1.0, abs(other))


def with_full_weight(formula: Any) -> Any:
    """The formula with all weight on price."""
    if hasattr(formula, "weight"):
        return replace(formula, weight=1.0)
    return replace(formula, scoring=with_full_weight(formula.scoring)) if hasattr(formula, "scoring") else formula


def scale_invariant(formula: Any, cases: Cases) -> list[bool]:
    base = [order(scores) for scores in cases.scores(formula, cases.base)]
    others = [[order(scores) for scores in cases.scores(formula, offers)] for offers in cases.scaled]
    return [one == small == large for one, small, large in zip(base, *others)]


def falls_with_price(formula: Any, cases: Cases) -> list[bool]:
    pairs = zip(cases.scores(formula, cases.dearer), cases.scores(formula, cases.base), cases.at)
    return [not_above(dearer[at], base[at]) for dearer, base, at in pairs]


def rises_with_quality(formula: Any, cases: Cases) -> list[bool]:
    pairs = zip(cases.scores(formula, cases.base), cases.scores(formula, cases.better), cases.at)
    return [not_above(base[at], better[at]) for base, better, at in pairs]


def lowest_gets_full(formula: Any, cases: Cases) -> list[bool]:
    full = cases.scores(with_full_weight(formula), cases.base)
    lowest = [min(range(len(rows)), key=lambda place: rows[place]["price"]) for rows in cases.cases]
    return [scores[place] == pytest.approx(100) for scores, place in zip(full, lowest)]


def independent(formula: Any, cases: Cases) -> list[bool]:
    pairs = zip(cases.scores(formula, cases.base), cases.scores(formula, cases.fewer))
    return [{place: base[place] for place in fewer} == pytest.approx(fewer, rel=1e-12) for base, fewer in pairs]


def within(formula: Any, cases: Cases) -> list[bool]:
    scores = cases.scores(formula, cases.base)
    return [all(one == float("-inf") or -1e-9 <= one <= 100 + 1e-9 for one in found.values()) for found in scores]


CLAIMS = {
    "scale invariant": scale_invariant,
    "falls with price": falls_with_price,
    "rises with quality": rises_with_quality,
    "lowest price gets the full points": lowest_gets_full,
    "independent of other bids": independent,
    "within 0 to 100": within,
}


@settings(max_examples=8, deadline=None)
@given(BIDS, st.integers(0, 7), st.integers(1, 50))
def test_formulas_keep_what_they_claim(rows: list[Row], at: int, by: int) -> None:
    cases = Cases([rows], [at % len(rows)], [by])
    for name, formula in FORMULAS.items():
        for claim in formula.claims:
            assert CLAIMS[claim](formula, cases) == [True], (name, claim)


@cache
def many_cases() -> Cases:
    rng = np.random.default_rng(4)
    cases = [
        [{"price": int(rng.integers(1, 150)), "quality": int(rng.integers(1, 101)),
          "coefficient": float(rng.choice([1, 1.25, 1.5])), "upkeep": int(rng.integers(0, 20))}
         for _ in range(int(rng.integers(2, 7)))]
        for _ in range(120)
    ]  # fmt: skip
    return Cases(cases, [int(rng.integers(len(rows))) for rows in cases], rng.integers(1, 50, len(cases)).tolist())


@formulas
def test_a_formula_claims_all_that_holds_and_nothing_else(name: str) -> None:
    formula = FORMULAS[name]
    assert {claim for claim, holds in CLAIMS.items() if all(holds(formula, many_cases()))} == formula.claims


@settings(max_examples=8, deadline=None)
@given(BIDS, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows: list[Row], random: Any) -> None:
    named = [row | {"bid": f"b{place}", "bidder": f"b{place}"} for place, row in enumerate(rows)]
    first, second = one_lot(named), one_lot(random.sample(named, len(named)))
    for formula in FORMULAS.values():
        scores = dict(zip(first.bid_names, formula(first)))
        assert dict(zip(second.bid_names, formula(second))) == pytest.approx(scores, nan_ok=True, rel=1e-12)


def test_every_class_and_every_name_is_tested() -> None:
    inside = [getattr(formula, "scoring", formula) for formula in FORMULAS.values()]
    assert {type(formula) for formula in (*FORMULAS.values(), *inside)} == set(CATALOGUE)
    assert set(PLAIN) <= set(FORMULAS)


# ---- from table to check ----------------------------------------------------------------------------------


@cache
def random_tender(seed: int) -> po.Tender:
    rng = np.random.default_rng(seed)
    rows = [
        bid(f"{who}{lot}", who, lot, int(rng.integers(50, 150)), quality=int(rng.integers(40, 101)),
            coefficient=float(rng.choice([1, 1.25])), upkeep=int(rng.integers(0, 20)))
        for lot in "ABC" for who in "XYZ"
    ]  # fmt: skip
    rows = [row | ({"quality": 90} if row["bidder"] == "X" else {}) for row in rows]
    return tender([{"lot": lot, "estimate": 150 + place, "reserve": 200} for place, lot in enumerate("ABC")], *rows)


@formulas
def test_an_award_by_a_formula_is_the_best_by_enumeration(name: str) -> None:
    formula = FORMULAS[name]
    for seed in range(20):
        offers = random_tender(seed)
        scores = dict(zip(offers.bid_names, formula(offers)))
        worth: dict[tuple[str, ...], float] = {}
        for who in itertools.product("XYZ", repeat=3):
            chosen = tuple(one + lot for one, lot in zip(who, "ABC"))
            if len(set(who)) == 3 and not any(np.isnan(scores[one]) for one in chosen):
                weights = np.ones(3) if getattr(formula, "in_money", False) else np.array([150, 151, 152]) / 453
                worth[chosen] = float(weights @ [scores[one] for one in chosen])
        if worth:
            break
    assert worth
    award = po.award(offers, po.Policy([po.MaxLots(1)], objective=po.BestScore(formula)))
    assert award.score == pytest.approx(max(worth.values()), rel=1e-9)
    assert worth[tuple(sorted(award.bids["bid"], key=lambda one: one[1]))] == pytest.approx(award.score, rel=1e-9)
    assert award.status == "optimal"
    assert po.check(award) == []


def test_a_bid_that_is_not_admitted_never_wins_and_the_reason_is_told() -> None:
    offers = tender(lots("A", estimate=100), bid("x", "X", "A", 10, quality=74), bid("y", "Y", "A", 80, quality=75),
                    bid("z", "Z", "A", 100, quality=95))  # fmt: skip
    policy = po.Policy(objective=po.BestScore(po.Qualified(po.RelativePrice(0.8), minimum=75)))
    award = po.award(offers, policy)  # the lowest price that counts is 80
    assert (won(award), award.score) == (["y"], pytest.approx(0.8 * 100 + 0.2 * 75))
    assert po.check(award) == []
    aside = policy.field(offers)[0].rejected
    assert aside[["bid", "reason"]].to_numpy().tolist() == [["x", "quality 74 is below the minimum of 75"]]
    least = po.award(offers, po.Policy(objective=po.BestScore(po.Qualified(po.LowestPrice(), minimum=90))))
    assert (won(least), least.score, least.cost, least.objective) == (["z"], -100, 100, 100)
    with pytest.raises(po.Infeasible, match=r"Not admitted: x \(quality 74 is below the minimum of 96\); y"):
        po.award(offers, po.Policy(objective=po.BestScore(po.Qualified(po.LowestPrice(), minimum=96))))


def test_the_check_finds_a_winner_that_is_not_admitted() -> None:
    offers = tender(lots("A", estimate=100), bid("x", "X", "A", 10, quality=74), bid("y", "Y", "A", 80, quality=75))
    award = po.award(offers, po.Policy(objective=po.BestScore(po.LowestPrice())))
    strict = po.Policy(objective=po.BestScore(po.Qualified(po.LowestPrice(), minimum=75)))
    found = po.check(replace(award, policy=strict))
    assert any("quality 74 is below the minimum of 75" in violation.message for violation in found)


def test_thin_lots_are_counted_without_bids_that_are_not_admitted() -> None:
    rows = [bid("x", "X", "A", 10, quality=50), bid("y", "Y", "A", 9, quality=80)]
    offers = tender(lots("A", in_house=500, estimate=1), *rows)
    policy = po.Policy(objective=po.BestScore(po.Qualified(po.LowestPrice(), minimum=60)), min_bidders=2)
    award = po.award(offers, policy)
    assert (won(award), award.in_house["lot"].tolist(), award.score) == ([], ["A"], -500)
    assert po.check(award) == []


def test_scores_in_money_are_exact_to_the_money_unit_and_weigh_in_house() -> None:
    offers = po.Tender(
        [{"lot": "A", "in_house": 300_000_000.01}, {"lot": "B", "in_house": 1}],
        [bid("x", "X", "A", 300_000_000.00), bid("y", "Y", "A", 300_000_000.02), bid("z", "Z", "B", 2)],
    )
    award = po.award(offers, po.Policy(objective=po.BestScore(po.LowestPrice())))
    assert (won(award), award.score, award.in_house["lot"].tolist()) == (["x"], -300_000_001.0, ["B"])
    same = po.award(offers)
    assert (same.cost, same.objective, won(same)) == (award.cost, award.objective, won(award))
    assert po.check(award) == []


def test_separate_lots_and_a_package_by_comparative_assessment() -> None:
    """Directive 2014/24, recital 79 and Art. 46, the example of the Commission's lawyers in OP-TED/ePO issue 159."""
    rows = [bid("a1", "A", "1", 100_000), bid("b1", "B", "1", 110_000), bid("a2", "A", "2", 120_000),
            bid("b2", "B", "2", 100_000)]  # fmt: skip
    package = bid("b12", "B", "1;2", 180_000)
    policy = po.Policy(objective=po.BestScore(po.LowestPrice()))
    assert po.award(tender("1 2", *rows), policy).score == -200_000
    award = po.award(tender("1 2", *rows, package), policy)
    assert (won(award), award.price) == (["b12"], 180_000)
    assert po.award(tender("1 2", *rows, package)).price == 180_000
    points = po.award(tender(lots("1", "2", estimate=100_000), *rows, package),
                      po.Policy(objective=po.BestScore(po.RelativePrice(1))))  # fmt: skip
    assert points.tied == ("a1", "b2", "b12")  # each scores 100 in its own place: relative points see no saving


# ---- from a policy file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ('{kind = "RelativePrice", weight = 0.4, floor = 0.3}', po.RelativePrice(0.4, floor=0.3)),
        ('{kind = "LinearPrice", weight = 0.5, zero = 1.5}', po.LinearPrice(0.5, 1.5)),
        ('{kind = "HighestLowest", weight = 1}', po.HighestLowest(1)),
        (
            '{kind = "AveragePrice", weight = 1, drop = [[6, 0, 1], [7, 1, 1]]}',
            po.AveragePrice(1, drop=((6, 0, 1), (7, 1, 1))),
        ),
        ('{kind = "WeightedRichtwert", weight = 0.5, reference = "median"}', po.WeightedRichtwert(0.5, "median")),
        ('{kind = "AdditionMethod", weight = 0.8, survey = "K"}', po.AdditionMethod(0.8, "K")),
        ('{kind = "QualityPerPrice", added = 100}', po.QualityPerPrice(100)),
        ('{kind = "ExtendedRichtwert", corridor = 0.1}', po.ExtendedRichtwert(0.1)),
        ('"LowestPrice"', po.LowestPrice()),
        ('"BestQuality"', po.BestQuality()),
        ('{kind = "MonetisedQuality", value = 20, reference = 100}', po.MonetisedQuality(20, 100)),
        (
            '{kind = "LifeCycleCost", yearly = ["energy"], years = 10, rate = 0.03, once = {disposal = 10}}',
            po.LifeCycleCost(["energy"], 10, 0.03, {"disposal": 10}),
        ),
        ('{kind = "CorrectedPrice", coefficient = "k"}', po.CorrectedPrice("k")),
        (
            '{kind = "Qualified", scoring = {kind = "RelativePrice", weight = 0.2}, minimum = {staff = 60}}',
            po.Qualified(po.RelativePrice(0.2), {"staff": 60}),
        ),
        (
            '{kind = "Rounded", rule = "cut", scoring = {kind = "Qualified", scoring = "LowestPrice", budget = 9}}',
            po.Rounded(po.Qualified(po.LowestPrice(), budget=9), 2, "cut"),
        ),
    ],
)
def test_a_policy_file_names_every_formula(text: str, formula: Any) -> None:
    found = parse_policy(f'objective = {{kind = "BestScore", scoring = {text}}}')
    assert found == po.Policy(objective=po.BestScore(formula))
    assert type(formula).__name__ in text


# ---- what is wrong ----------------------------------------------------------------------------------------

PACKAGE = tender([{"lot": "A", "estimate": 1}, {"lot": "B", "estimate": 1}], bid("p", "P", "A;B", 9, quality=5),
                 bid("a", "Q", "A", 4, quality=5))  # fmt: skip
SINGLE = tender([{"lot": "A", "estimate": 1}], bid("x", "X", "A", 5), bid("y", "Y", "A", 0, quality=3))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: po.RelativePrice(0.2, floor=0.3), r"weight is 0.2; the law named admits 0.3 to 1"),
        (lambda: po.LinearPrice(0.5, zero=1), r"full must be below zero"),
        (lambda: po.LinearPrice(0.5, zero=1.5, full=1.2), r"full is 1"),
        (lambda: po.LinearPrice(0.5, zero=1.5, of="budget"), r"of is 'budget'; it must be one of 'lowest', 'estimate'"),
        (lambda: po.AveragePrice(1, drop=[(6, 1)]), r"rows of \(from bids, lowest, highest\)"),
        (lambda: po.AveragePrice(1, drop=[(1, 1, 1)])(one_lot([{"price": 5}, {"price": 6}])), r"none is left"),
        (lambda: po.WeightedRichtwert(0.5, "mode"), r"'mean', 'median'"),
        (lambda: po.WeightedRichtwert(0.5)(one_lot([{"price": 5, "quality": 0}])), r"price or quality is 0"),
        (lambda: po.AdditionMethod(0.5, survey=1.5), r"survey is 1.5"),
        (lambda: po.AdditionMethod(0.5)(SINGLE), r"needs the reserve of every lot, and it is blank for A"),
        (lambda: po.AdditionMethod(0.5, "K")(one_lot([{"price": 5}])), r"the lots have no column 'K'"),
        (lambda: po.MonetisedQuality(2, least=60, most=50), r"least is 60, above most, 50"),
        (lambda: po.MonetisedQuality(-1), r"value is -1"),
        (lambda: po.LifeCycleCost(["energy"])(SINGLE), r"the bids have no column 'energy'"),
        (lambda: po.LifeCycleCost(years=1.5), r"whole numbers"),  # type: ignore[arg-type]
        (lambda: po.CorrectedPrice("k")(one_lot([{"price": 5, "k": 0}])), r"k of bid 'b0' is not above 0"),
        (lambda: po.Qualified(po.LowestPrice()), r"give a minimum, a budget or both"),
        (lambda: po.Qualified(po.LowestPrice(), minimum=3)(SINGLE), r"quality is needed for every bid here.*x"),
        (lambda: po.Rounded(po.LowestPrice(), 2, "up"), r"rule is 'up'; it must be one of 'half up', 'half even'"),
        (lambda: po.Rounded(po.LowestPrice(), 20), r"digits is 20"),
        (lambda: po.QualityPerPrice()(SINGLE), r"bid 'y' costs nothing"),
        (lambda: po.RelativePrice(0.5, relative_quality=True)(one_lot([{"price": 1, "quality": 0}])), r"above 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_formula(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


@pytest.mark.parametrize(
    "formula",
    [po.LinearPrice(0.5, 1.5), po.HighestLowest(0.5), po.AveragePrice(0.5), po.WeightedRichtwert(0.5),
     po.ExtendedRichtwert(0.1), po.RelativePrice(0.5, relative_quality=True)],
    ids=lambda formula: type(formula).__name__,
)  # fmt: skip
def test_a_mean_or_a_maximum_of_the_bids_is_not_defined_for_packages(formula: Any) -> None:
    with pytest.raises(
        ValueError, match=r"compares bids on one lot, and bid 'p' is a package|relative to the best.*'p'"
    ):
        po.award(PACKAGE, po.Policy(objective=po.BestScore(formula)))


@pytest.mark.parametrize(
    "formula",
    [po.RelativePrice(0.5), po.QualityPerPrice(), po.LowestPrice(), po.BestQuality(), po.MonetisedQuality(1)],
    ids=lambda formula: type(formula).__name__,
)  # fmt: skip
def test_other_formulas_admit_packages(formula: Any) -> None:
    award = po.award(PACKAGE, po.Policy(objective=po.BestScore(formula)))
    assert won(award) == ["p"]
    assert po.check(award) == []


def test_a_package_earns_the_value_of_quality_on_each_of_its_lots() -> None:
    offers = tender([{"lot": "A", "worth": 2}, {"lot": "B", "worth": 3}], bid("p", "P", "A;B", 9, quality=5))
    assert po.MonetisedQuality(10)(offers).tolist() == [10 * 5 * 2 - 9]
    assert po.MonetisedQuality("worth")(offers).tolist() == [(2 + 3) * 5 - 9]


@pytest.mark.parametrize(
    ("formula", "extra", "message"),
    [
        (po.QualityPerPrice(scale=1e-6), {}, r"drown in the solver's tolerance"),
        (po.WeightedRichtwert(0.9), {"in_house": 9}, r"bid 'x' scores below 0, and in-house"),
        (lambda offers: np.full(len(offers.price), np.nan), {}, r"gives no score to bid 'x'"),
    ],
)
def test_scores_that_cannot_be_maximised(formula: Any, extra: Row, message: str) -> None:
    rows = [bid("x", "X", "A", 5, quality=50), bid("y", "Y", "A", 9, quality=9)]
    offers = tender([{"lot": "A", "estimate": 1} | extra], *rows)
    with pytest.raises(ValueError, match=re.compile(message)):
        po.award(offers, po.Policy(objective=po.BestScore(formula)))


def test_a_discount_belongs_to_no_single_bid() -> None:
    tier = {"bidder": "X", "threshold": 1, "measure": "lots", "percent": 5}
    offers = tender("A", bid("x", "X", "A", 5), discounts=[tier])
    with pytest.raises(ValueError, match=r"use LowestCost or QualityAdjusted"):
        po.award(offers, po.Policy(objective=po.BestScore(po.LowestPrice())))


def test_known_tables_are_tables() -> None:
    assert all(isinstance(frame, list) for frame in map(table, ("scores.csv", "reversals.csv", "abnormal.csv")))
    assert isinstance(po.rank_reversals(bids_of(table("reversals.csv")[0]), po.RelativePrice(0.3)), pd.DataFrame)


# ---- the ends of what is admitted -------------------------------------------------------------------------

# Each parameter: a formula made with it, its least and greatest value, and what is said of the range.
ENDS: dict[str, tuple[Callable[[Any], Any], float, float | None, str]] = {
    "RelativePrice: weight": (lambda x: po.RelativePrice(x), 0, 1, "from 0 to 1"),
    "RelativePrice: floor": (lambda x: po.RelativePrice(1, floor=x), 0, 1, "from 0 to 1"),
    "RelativePrice: cap": (lambda x: po.RelativePrice(0, cap=x), 0, 1, "from 0 to 1"),
    "RelativePrice: power": (lambda x: po.RelativePrice(0.5, power=x), 0, None, "at least 0"),
    "LinearPrice: weight": (lambda x: po.LinearPrice(x, zero=2), 0, 1, "from 0 to 1"),
    "LinearPrice: full": (lambda x: po.LinearPrice(0.5, zero=1e9, full=x, of="reserve"), 0, None, "at least 0"),
    "HighestLowest: weight": (po.HighestLowest, 0, 1, "from 0 to 1"),
    "AveragePrice: weight": (po.AveragePrice, 0, 1, "from 0 to 1"),
    "AveragePrice: ceiling": (lambda x: po.AveragePrice(1, ceiling=x), 0, 1, "from 0 to 1"),
    "AveragePrice: above": (lambda x: po.AveragePrice(1, above=x), 0, None, "at least 0"),
    "AveragePrice: below": (lambda x: po.AveragePrice(1, below=x), 0, None, "at least 0"),
    "AveragePrice: factor": (lambda x: po.AveragePrice(1, factor=x), 1e-9, None, "at least 1e-09"),
    "WeightedRichtwert: weight": (po.WeightedRichtwert, 0, 1, "from 0 to 1"),
    "AdditionMethod: weight": (po.AdditionMethod, 0, 1, "from 0 to 1"),
    "AdditionMethod: slope": (lambda x: po.AdditionMethod(0.5, slope=x), 0, 1, "from 0 to 1"),
    "AdditionMethod: survey": (lambda x: po.AdditionMethod(0.5, survey=x), 0, 1, "from 0 to 1"),
    "QualityPerPrice: added": (lambda x: po.QualityPerPrice(added=x), 0, None, "at least 0"),
    "QualityPerPrice: scale": (lambda x: po.QualityPerPrice(scale=x), 1e-9, None, "at least 1e-09"),
    "ExtendedRichtwert: corridor": (po.ExtendedRichtwert, 0, 1, "from 0 to 1"),
    "MonetisedQuality: value": (po.MonetisedQuality, 0, None, "at least 0"),
    "MonetisedQuality: reference": (lambda x: po.MonetisedQuality(1, reference=x), 0, 100, "from 0 to 100"),
    "MonetisedQuality: least": (lambda x: po.MonetisedQuality(1, least=x, most=100), 0, 100, "from 0 to 100"),
    "MonetisedQuality: most": (lambda x: po.MonetisedQuality(1, least=0, most=x), 0, 100, "from 0 to 100"),
    "LifeCycleCost: rate": (lambda x: po.LifeCycleCost(rate=x), -0.99, None, "at least -0.99"),
    "LifeCycleCost: years": (lambda x: po.LifeCycleCost(years=x), 0, None, "at least 0"),
    "Qualified: budget": (lambda x: po.Qualified(po.LowestPrice(), budget=x), 0, None, "at least 0"),
    "Rounded: digits": (lambda x: po.Rounded(po.LowestPrice(), x), 0, 9, "from 0 to 9"),
}


@pytest.mark.parametrize("name", ENDS)
def test_parameters_are_admitted_up_to_their_ends_and_no_further(name: str) -> None:
    make, least, most, span = ENDS[name]
    for end, step in ((least, -1), (most, 1)):
        if end is None:
            make(1e12 if "years" not in name and "full" not in name else 7)
            continue
        make(end)
        beyond = end + step * (1 if "years" in name or "digits" in name else 0.004 if end != 1e-9 else 9e-10)
        with pytest.raises(ValueError, match=re.escape(f"{name} is {beyond!r}; it must be {span}")):
            make(beyond)
    if name not in ("AdditionMethod: survey", "Qualified: budget"):  # where None has a meaning
        with pytest.raises(ValueError, match=re.escape(f"{name} is None; it must be {span}")):
            make(None)


@pytest.mark.parametrize(
    ("formula", "lot", "expected"),
    [
        (po.LifeCycleCost(["upkeep"]), {}, [-103.0, -53.0]),  # one year, not discounted
        (po.LifeCycleCost(["upkeep"], years=0), {}, [-100.0, -50.0]),
        (po.LifeCycleCost(once={"upkeep": 0}, rate=0.5), {}, [-103.0, -53.0]),
        (po.LifeCycleCost(once={"upkeep": 1}, rate=0.5), {}, [-102.0, -52.0]),
        (po.MonetisedQuality(1), {}, [-100.0 + 60, -50.0 + 80]),  # from 0 to 100 points, none of them free
        (po.MonetisedQuality(1, least=70), {}, [-100.0 + 70, -50.0 + 80]),
        (po.MonetisedQuality(1, most=70), {}, [-100.0 + 60, -50.0 + 70]),
        (po.AveragePrice(1), {}, [100 * (1 - 25 / 75), 100 * (1 - 25 / 75)]),  # a percent a percent, either side
        (po.AveragePrice(1, above=4, floor=-50.0), {}, [100 * (1 - 4 / 3), 100 * (1 - 25 / 75)]),
        (po.AveragePrice(1, above=4), {}, [0.0, 100 * (1 - 25 / 75)]),
        (po.AdditionMethod(1), {"reserve": 200}, [50.0, 75.0]),
        (po.AdditionMethod(1, survey=0.5), {"reserve": 200}, [50.0, 50.0 + 0.5 * 25]),  # half below K, of itself
        (po.AdditionMethod(1, survey="K"), {"reserve": 100, "K": 100}, [0.0, 25.0]),  # K may be the reserve itself
        (po.QualityPerPrice(), {}, [60_000.0, 160_000.0]),
        (po.RelativePrice(1), {}, [50.0, 100.0]),
        (po.LinearPrice(1, zero=3), {}, [50.0, 100.0]),
        (po.WeightedRichtwert(1, "median"), {}, [-100 / 75, -50 / 75]),
        (po.Qualified(po.LowestPrice(), minimum={"quality": 60, "upkeep": 3}), {}, [-100.0, -50.0]),
        (po.Qualified(po.LowestPrice(), minimum={"upkeep": 3, "quality": 61}), {}, [np.nan, -50.0]),
        (po.Qualified(po.LowestPrice(), budget=100), {}, [-100.0, -50.0]),
        (po.Qualified(po.LowestPrice(), budget="most"), {"most": 99}, [np.nan, -50.0]),
        (po.Rounded(po.QualityPerPrice(scale=1), 1), {}, [0.6, 1.6]),
        (po.Rounded(po.Qualified(po.LowestPrice(), minimum=61)), {}, [np.nan, -50.0]),
    ],
    ids=lambda each: re.sub(r"[^A-Za-z0-9=.]+", " ", repr(each))[:60] if not isinstance(each, list) else "",
)  # fmt: skip
def test_what_is_left_out_is_as_the_text_says(formula: Any, lot: Row, expected: list[float]) -> None:
    offers = tender([{"lot": "A"} | lot], bid("x", "X", "A", 100, quality=60, upkeep=3),
                    bid("y", "Y", "A", 50, quality=80, upkeep=3))  # fmt: skip
    assert formula(offers) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: po.AdditionMethod(1, survey="K")(one_lot([{"price": 5}], K=201)), "must be above 0 and not below"),
        (lambda: po.AdditionMethod(1, survey="K")(
            tender([{"lot": "A", "reserve": 9, "K": 9}, {"lot": "B", "reserve": 9, "K": 10}],
                   bid("x", "X", "A", 5), bid("y", "Y", "B", 5))), "the reserve must be above 0 and not below"),
        (lambda: po.AdditionMethod(1)(tender([{"lot": "A", "reserve": 0}], bid("x", "X", "A", 0))),
         "^AdditionMethod: the reserve must be above 0 and not below the survey base price$"),
        (lambda: po.LinearPrice(1, 2)(tender("A", bid("x", "X", "A", 0), bid("y", "Y", "A", 3))),
         "^LinearPrice: the lowest price is 0 for bid 'x'$"),
        (lambda: po.LinearPrice(1, 2, of="reserve")(tender([{"lot": "A", "reserve": 0}], bid("x", "X", "A", 0))),
         "the reserve price is 0 for bid 'x'"),
        (lambda: po.AveragePrice(1)(tender("A", bid("x", "X", "A", 0))), "^AveragePrice: the benchmark of a lot is 0$"),
        (lambda: po.RelativePrice(0.5, relative_quality=True)(one_lot([{"price": 1, "quality": 0}])),
         "^quality relative to the best: on some lot no bid has a quality above 0$"),
        (lambda: po.ExtendedRichtwert(0.1)(PACKAGE), "^ExtendedRichtwert compares bids on one lot"),
        (lambda: po.HighestLowest(0.1)(PACKAGE), "^HighestLowest compares bids on one lot"),
        (lambda: po.AveragePrice(0.1)(PACKAGE), "^AveragePrice compares bids on one lot"),
        (lambda: po.WeightedRichtwert(0.1)(PACKAGE), "^WeightedRichtwert compares bids on one lot"),
        (lambda: po.LifeCycleCost(once={"upkeep": -1}), "^LifeCycleCost: years are whole numbers from 0 on$"),
        (lambda: po.LifeCycleCost(once={"upkeep": 1.5}), "years are whole numbers"),  # type: ignore[dict-item]
        (lambda: po.AveragePrice(1, drop=[(6, 0, -1)]), r"drop is \(\(6, 0, -1\),\); write rows of"),
    ],
)  # fmt: skip
def test_what_a_formula_cannot_be_used_on(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


PARTS = tender([{"lot": "A", "demand": 2, "reserve": 90, "estimate": 90}],
               bid("x", "X", "A:1", 5, quality=5), bid("y", "Y", "A:1", 6, quality=5))  # fmt: skip


@pytest.mark.parametrize(
    "formula", [po.BestQuality(), po.LinearPrice(1, 2), po.AdditionMethod(1), po.QualityPerPrice()], ids=repr
)
def test_formulas_on_points_need_bids_for_whole_lots(formula: Any) -> None:
    with pytest.raises(ValueError, match="compare bids for whole lots"):
        formula(PARTS)


def test_what_a_score_is_counted_in() -> None:
    money = [po.LowestPrice(), po.MonetisedQuality(1), po.LifeCycleCost(), po.CorrectedPrice("k"),
             po.ExtendedRichtwert(0.1), po.Qualified(po.LowestPrice(), 5), po.Rounded(po.LowestPrice())]  # fmt: skip
    points = [po.RelativePrice(1), po.BestQuality(), po.QualityPerPrice(), po.ExtendedRichtwert(0.1, "quality"),
              po.Qualified(po.BestQuality(), 5), po.Rounded(po.BestQuality())]  # fmt: skip
    assert [getattr(each, "in_money", None) for each in money] == [True] * len(money)
    assert [po.scoring.in_money(each) for each in points] == [False] * len(points)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_finite_number_stays_as_it_is(value: float) -> None:
    assert rounded(value, 2) == pytest.approx(value, nan_ok=True)


def test_a_number_is_read_to_thirteen_digits_and_rounded_once() -> None:
    assert rounded(0.2499999999999, 1) == 0.2  # 13 digits: below the tie
    assert rounded(0.24999999999999, 1) == 0.3  # 14 digits: what is beyond is the float's own error
    assert [rounded(0.25, 1), rounded(0.25, 1, "half even"), rounded(-0.25, 1)] == [0.3, 0.2, -0.3]
    assert [rounded(7.5, 0), rounded(123.456, 0), rounded(123.456, 3)] == [8.0, 123.0, 123.456]
