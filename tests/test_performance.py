"""Performance: credits by hand, agreement against published figures, ratings against their moments, and the loop."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import procure_opt as po
from procure_opt.governance.performance import Indicator, Ratings, agreement, leniency, performance, reliability
from strategies import examples
from test_known import each_row

FEW = examples(30)

ANSWERED = Indicator("answered in 20 s", weight=2, credit=0.02, step=0.01, tolerance=0.01, most=0.06, penalty=100)
WAIT = Indicator("mean wait", better="lower", credit=0.01, step=10)


def reading(contract: str, indicator: str, period: str, measured: float, target: float, evaluator: str = "") -> Any:
    return {"contract": contract, "indicator": indicator, "period": period, "measured": measured, "target": target,
            "evaluator": evaluator}  # fmt: skip


ROWS = [
    reading("north", "answered in 20 s", "2026-01", 0.80, 0.80),
    reading("north", "answered in 20 s", "2026-02", 0.79, 0.80),  # within the tolerance
    reading("north", "answered in 20 s", "2026-03", 0.77, 0.80),  # two steps beyond it
    reading("north", "answered in 20 s", "2026-04", 0.60, 0.80),  # far more than the most
    reading("north", "mean wait", "2026-03", 45, 30),
    reading("south", "mean wait", "2026-01", 20, 30, "city"),
    reading("south", "mean wait", "2026-01", 60, 30, "university"),
]
DONE = performance(ROWS, [ANSWERED, WAIT])

# ---- credits and penalties --------------------------------------------------------------------------------


def test_credits_by_hand() -> None:
    found = DONE.charges({"north": 10_000, "south": 1_000})
    assert found.round(9).values.tolist() == [
        ["north", "2026-01", 10_000, 0, 0, 0, 10_000],
        ["north", "2026-02", 10_000, 0, 0, 0, 10_000],
        ["north", "2026-03", 10_000, 550, 550, 100, 9_350],  # 4 % and 1.5 %
        ["north", "2026-04", 10_000, 600, 600, 100, 9_300],
        ["south", "2026-01", 1_000, 10, 10, 0, 990],  # the mean of both evaluators is 40
    ]
    capped = DONE.charges({"north": 10_000, "south": 1_000}, at_risk=0.05)
    assert capped["credit"].tolist() == pytest.approx([0, 0, 500, 500, 10])
    assert capped["uncapped"].tolist() == pytest.approx(found["credit"].tolist())


def test_contracts_may_be_numbered() -> None:
    rows = [reading(7, "mean wait", period, 45, 30) for period in ("1", "2")]  # type: ignore[arg-type]
    done = performance(rows, [WAIT])
    assert done.charges({7: 100})["pay"].tolist() == pytest.approx([98.5, 98.5])  # type: ignore[dict-item]
    assert done.rating({7: "X"}).table.index.tolist() == ["X"]  # type: ignore[dict-item]


def test_how_often_it_was_missed() -> None:
    found = DONE.missed()
    assert found[["contract", "indicator", "periods", "missed"]].values.tolist() == [
        ["north", "answered in 20 s", 4, 2], ["north", "mean wait", 1, 1], ["south", "mean wait", 1, 1],
    ]  # fmt: skip
    assert found["worst"].tolist() == pytest.approx([0.19, 15, 10])
    assert found["share"].tolist() == pytest.approx([(0.04 + 0.06) / 4, 0.015, 0.01])
    assert found["penalty"].tolist() == [200, 0, 0]


def test_what_was_not_measured_is_told() -> None:
    """North was held to its wait in March alone; nobody ever measured courtesy."""
    assert DONE.unmeasured.values.tolist() == [
        ["north", "mean wait", "2026-01"], ["north", "mean wait", "2026-02"], ["north", "mean wait", "2026-04"],
    ]  # fmt: skip
    missing = performance(ROWS[-2:], [WAIT, Indicator("courtesy")]).unmeasured
    assert missing.values.tolist() == [["south", "courtesy", "2026-01"]]
    assert performance(ROWS[:4], [ANSWERED]).unmeasured.empty


@FEW
@given(st.floats(0, 2), st.floats(0.1, 2), st.floats(0, 1), st.sampled_from(["higher", "lower"]))
def test_laws_of_an_indicator(measured: float, target: float, worse: float, better: Any) -> None:
    each = Indicator("x", better=better, credit=0.1, step=0.2, tolerance=0.05, most=0.3)
    second = max(measured - worse, 0.0) if better == "higher" else measured + worse
    now, then = (each.shortfall(np.array([value]), np.array([target])) for value in (measured, second))
    assert 0 <= now[0] <= then[0]
    assert 0 <= each.share(now)[0] <= each.share(then)[0] <= 0.3
    points = [each.attained(np.array([value]), np.array([target]))[0] for value in (measured, second)]
    assert 0 <= points[1] <= points[0] <= 100
    if points[0] == 100:
        assert now[0] == 0


# ---- agreement --------------------------------------------------------------------------------------------

# Four judges of six, Shrout and Fleiss 1979, table 2.
JUDGED = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


@each_row("agreement.csv", "statistic")
def test_agreement(row: dict[str, str]) -> None:
    found = agreement(JUDGED)
    assert getattr(found, row["statistic"]) == pytest.approx(float(row["value"]), abs=float(row["tolerance"]), rel=0)
    assert (found.judged, found.evaluators) == (6, 4)


@FEW
@given(st.lists(st.lists(st.integers(0, 10), min_size=3, max_size=3), min_size=3, max_size=8), st.integers(1, 5))
def test_agreement_by_sums_of_squares(rows: list[list[int]], shift: int) -> None:
    """The mean squares from raw sums, in fractions."""
    n, k = len(rows), 3
    total = Fraction(sum(map(sum, rows)))
    square = sum(Fraction(x) ** 2 for row in rows for x in row) - total**2 / (n * k)
    between = sum(Fraction(sum(row)) ** 2 for row in rows) / k - total**2 / (n * k)
    judges = sum(Fraction(sum(column)) ** 2 for column in zip(*rows, strict=True)) / n - total**2 / (n * k)
    r, c = between / (n - 1), judges / (k - 1)
    e = (square - between - judges) / ((n - 1) * (k - 1))
    if square == 0:
        with pytest.raises(ValueError, match="all scores are the same"):
            agreement(rows)
        return
    found = agreement(rows)
    bottom = r + (k - 1) * e + Fraction(k) * (c - e) / n
    if r > e:
        assert found.single == pytest.approx(float((r - e) / bottom), abs=1e-9)
        assert found.mean == pytest.approx(float((r - e) / (r + (c - e) / n)), abs=1e-9)
        assert found.consistency == pytest.approx(float((r - e) / (r + (k - 1) * e)), abs=1e-9)
    elif r < e:
        assert (found.single, found.mean, found.consistency) == (0, 0, 0)
    assert 0 <= found.low <= found.single + 1e-9 <= found.high + 2e-9 <= 1 + 2e-9
    # A judge who is more lenient by the same everywhere does not change the order.
    lenient = [[row[0] + shift, *row[1:]] for row in rows]
    assert agreement(lenient).consistency == pytest.approx(found.consistency, abs=1e-9)


def test_intervals_hold_what_they_promise() -> None:
    """Judged and judges drawn: variances 1, 0.3 and 0.7, so that the correlation is 0.5; 400 tables of 15 × 4."""
    generator = np.random.default_rng(4)
    held = 0
    for _ in range(400):
        scores = (
            generator.normal(0, 1, (15, 1))
            + generator.normal(0, 0.3**0.5, (1, 4))
            + generator.normal(0, 0.7**0.5, (15, 4))
        )
        found = agreement(scores, 0.9)
        held += found.low <= 0.5 <= found.high
    assert 0.86 <= held / 400 <= 0.94  # 2.7 standard errors


def panel() -> list[Any]:
    """Two indicators: on politeness all agree, on order nobody does; one contract was not visited by C."""
    generator = np.random.default_rng(8)
    rows = []
    for contract in range(10):
        true = generator.uniform(60, 95)
        for evaluator, lenient in (("A", 0), ("B", 3), ("C", -3)):
            if (contract, evaluator) == (9, "C"):
                continue
            rows.append(
                reading(f"c{contract}", "polite", "2026", true + lenient + generator.normal(0, 1), 80, evaluator)
            )
            rows.append(reading(f"c{contract}", "order", "2026", generator.uniform(60, 95), 80, evaluator))
    return rows


def test_reliability_and_leniency() -> None:
    done = performance(panel(), [Indicator("polite"), Indicator("order")])
    found = reliability(done)
    assert found.loc["polite", "single"] > 0.8 and found.loc["order", "high"] < 0.8
    assert found["left_out"].tolist() == [1, 1] and found["judged"].tolist() == [9, 9]
    off = leniency(done).set_index(["indicator", "evaluator"])
    seen = {(row["indicator"], row["contract"], row["evaluator"]): row["measured"] for row in panel()}
    for who in "ABC":
        gaps = []
        for contract in range(10):
            others = [seen[key] for each in "ABC" if each != who and (key := ("polite", f"c{contract}", each)) in seen]
            if ("polite", f"c{contract}", who) in seen:
                gaps.append(seen["polite", f"c{contract}", who] - sum(others) / len(others))
        assert off.loc[("polite", who), "mean"] == pytest.approx(np.mean(gaps))
        assert off.loc[("polite", who), "se"] == pytest.approx(np.std(gaps, ddof=1) / len(gaps) ** 0.5)
    assert off["judged"].to_dict() == {(i, who): 9 if who == "C" else 10 for i in ("polite", "order") for who in "ABC"}
    alone = reliability(DONE)
    assert alone.loc["answered in 20 s", "why_not"].startswith("there is one evaluator")


# ---- ratings ----------------------------------------------------------------------------------------------


def test_ratings_by_hand() -> None:
    """A: 92 over three periods, B: 75; s² = 14.5, a = 419 / 3; Z = 419 / 433.5."""
    figures = {"A": (90, 92, 94), "B": (70, 80, 75)}
    rows = [reading(who, "kept", str(t), m, 100) for who, all_of in figures.items() for t, m in enumerate(all_of)]
    found = performance(rows, [Indicator("kept")]).rating()
    z = 419 / 433.5
    assert (found.within, found.between) == (pytest.approx(14.5), pytest.approx(419 / 3))
    assert found.table["credibility"].tolist() == pytest.approx([z, z])
    assert found.table["rating"].tolist() == pytest.approx([83.5 + 8.5 * z, 83.5 - 8.5 * z])
    # One bidder with both contracts: nothing tells bidders apart, and its rating is its mean.
    one = performance(rows, [Indicator("kept")]).rating({"A": "X", "B": "X"})
    assert one.table.loc["X", ["own", "periods", "credibility", "rating"]].tolist() == [83.5, 6, 0, 83.5]


def test_weights_count_where_several_are_measured() -> None:
    """North in March: answered 0.77 of 0.8 weighs 2, a wait of 45 for 30 weighs 1."""
    rated = DONE.rating().table
    north = (100 + 100 * 0.79 / 0.8 + (2 * 100 * 0.77 / 0.8 + 100 * 30 / 45) / 3 + 100 * 0.6 / 0.8) / 4
    assert rated.loc["north", "own"] == pytest.approx(north)
    assert rated.loc["south", "own"] == pytest.approx(75)


@FEW
@given(st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=5), min_size=2, max_size=5))
def test_moments_of_ratings(figures: list[list[int]]) -> None:
    """Bühlmann and Straub's estimators in fractions."""
    rows = [reading(f"v{i}", "kept", str(t), m, 100) for i, each in enumerate(figures) for t, m in enumerate(each)]
    free = sum(len(each) - 1 for each in figures)
    if not free:
        with pytest.raises(ValueError, match="no bidder has two periods"):
            performance(rows, [Indicator("kept")]).rating()
        return
    own = [Fraction(sum(each), len(each)) for each in figures]
    within = sum((Fraction(m) - own[i]) ** 2 for i, each in enumerate(figures) for m in each) / free
    total = sum(map(len, figures))
    middle = Fraction(sum(map(sum, figures)), total)
    spread = sum(len(each) * (own[i] - middle) ** 2 for i, each in enumerate(figures)) - (len(figures) - 1) * within
    between = max(Fraction(0), spread / (total - Fraction(sum(len(each) ** 2 for each in figures), total)))
    found = performance(rows, [Indicator("kept")]).rating()
    assert found.within == pytest.approx(float(within), abs=1e-8)
    assert found.between == pytest.approx(float(between), abs=1e-8)
    if between > Fraction(1, 10**6):
        z = [len(each) * between / (len(each) * between + within) for each in figures]
        mean = sum(a * b for a, b in zip(z, own, strict=True)) / sum(z)
        rating = [float(a * b + (1 - a) * mean) for a, b in zip(z, own, strict=True)]
        assert found.table["rating"].tolist() == pytest.approx(rating, abs=1e-7)


def test_ratings_foresee_better_than_means() -> None:
    """Forty bidders of two to twelve periods: the next period is closer to the rating than to either mean."""
    generator = np.random.default_rng(6)
    quality = generator.normal(75, 5, 40)
    rows = [
        reading(f"v{i:02}", "kept", str(t), float(np.clip(quality[i] + generator.normal(0, 10), 0, 100)), 100)
        for i in range(40)
        for t in range(2 + i % 11)
    ]
    found = performance(rows, [Indicator("kept")]).rating()
    off = {name: ((found.table[name] - quality) ** 2).mean() for name in ("own", "rating")}
    assert off["rating"] < off["own"] and off["rating"] < ((found.mean - quality) ** 2).mean()


# ---- into the next tender ---------------------------------------------------------------------------------

RECORD = Ratings(pd.DataFrame({"rating": [90.0, 60.0]}, index=["A", "B"]), mean=75.0, within=1.0, between=1.0)
BIDS = [
    {"bid": "a", "bidder": "A", "lots": "L", "price": 104, "quality": 50},
    {"bid": "b", "bidder": "B", "lots": "L", "price": 100, "quality": 80},
    {"bid": "n", "bidder": "New", "lots": "L", "price": 103, "quality": 80},
]


def test_the_record_decides_the_next_tender() -> None:
    """At 0.2 a point: as offered b wins (84); by the record a (86) beats n (88) and b (88)."""
    goal = po.Policy(objective=po.QualityAdjusted(0.2))
    offered = po.award(po.Tender([{"lot": "L"}], BIDS), goal)
    recorded = po.award(po.Tender([{"lot": "L"}], RECORD.quality(BIDS)), goal)
    assert (offered.bids["bid"].tolist(), recorded.bids["bid"].tolist()) == (["b"], ["a"])
    assert RECORD.quality(BIDS)["quality"].tolist() == [90, 60, 75]
    assert RECORD.quality(BIDS, weight=0.25)["quality"].tolist() == [60, 75, 78.75]
    assert RECORD.quality(BIDS, newcomer=50)["quality"].tolist() == [90, 60, 50]


def test_the_record_as_one_criterion_of_several() -> None:
    offered = [
        {"bid": bid["bid"], "criterion": "concept", "evaluator": "panel", "score": bid["quality"]} for bid in BIDS
    ]
    scores = pd.concat([pd.DataFrame(offered), RECORD.scores(BIDS)])
    weights = {"concept": 0.75, "record": 0.25}
    scored = po.Tender([{"lot": "L"}], [bid | {"quality": None} for bid in BIDS], scores=scores).scored(weights)
    assert scored.quality.tolist() == pytest.approx(RECORD.quality(BIDS, weight=0.25)["quality"].tolist())


# ---- tables and arguments that are wrong ------------------------------------------------------------------


def test_every_problem_of_a_table_is_placed() -> None:
    rows = [
        reading("north", "answered in 20 s", "1", 0.8, 0.8, "a"),
        reading("north", "answered in 20 s", "1", 0.7, 0.9, "b"),
        reading("north", "answered in 20 s", "1", 0.7, 0.8, "a"),
        reading("north", "colour", "1", 0.7, 0.8),
        reading("north", "mean wait", "1", -1, 30),
        {**reading("north", "mean wait", "2", 5, 30), "measured": "much"},
    ]
    with pytest.raises(po.BadTable) as caught:
        performance(rows, [ANSWERED, WAIT])
    told = {(each.row, each.column): each.reason for each in caught.value.problems}
    assert set(told) == {(3, "target"), (4, "contract"), (5, "indicator"), (6, "measured"), (7, "measured")}
    assert "another was told 0.8" in told[3, "target"]
    assert told[5, "indicator"] == "nothing is agreed on 'colour'; there are answered in 20 s, mean wait"
    with pytest.raises(po.BadTable, match="column 'target': the column is missing"):
        performance([{"contract": "n", "indicator": "mean wait", "period": "1", "measured": 3}], [WAIT])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: Indicator("x", better="more"), 'better is \'more\'; it must be "higher" or "lower"'),  # type: ignore[arg-type]
        (lambda: Indicator("x", credit=-0.1), "x: credit is -0.1"),
        (lambda: Indicator("x", most=1.2), "x: most is 1.2; it must be a number from 0 to 1"),
        (lambda: Indicator("x", step=0), "x: step is 0"),
        (lambda: Indicator("x", weight="1"), "x: weight is '1'"),  # type: ignore[arg-type]
        (lambda: performance(ROWS, [ANSWERED, WAIT, replace(WAIT, credit=0.5)]), "two called 'mean wait'"),
        (lambda: DONE.charges({"north": 1, "south": 1, "west": 1}), "fees names west, of which nothing was measured"),
        (lambda: DONE.charges({"north": 1}), "no fee for south"),
        (lambda: DONE.charges({"north": 1, "south": -1}), "the fee of south is -1"),
        (lambda: DONE.charges({"north": 1, "south": 1}, at_risk=2), "at_risk is 2"),
        (lambda: DONE.rating({"north": "N"}), "whose contract south is"),
        (lambda: performance(ROWS[:4], [replace(ANSWERED, weight=0)]).rating(), "the weights of all indicators"),
        (lambda: agreement([[1, 2]]), r"shape \(1, 2\)"),
        (lambda: agreement(JUDGED, 1), "level is 1"),
        (lambda: RECORD.quality(BIDS, weight=1.5), "weight is 1.5"),
        (lambda: RECORD.quality([{"bidder": "A"}], weight=0.5), "1 bids have no quality, which counts 50%"),
        (lambda: RECORD.quality(BIDS, newcomer=120), "newcomer is 120"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(call: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
