"""Rules written for one bidder: requirements counted a second way, spans against closed forms, prices put back in."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procure_opt.auction.tailored import tailored
from procure_opt.cells import BadTable
from procure_opt.scoring import (
    BestQuality,
    HighestLowest,
    LinearPrice,
    LowestPrice,
    MonetisedQuality,
    QualityPerPrice,
    RelativePrice,
)

PARKS = [
    {"bidder": "Acer", "staff": 60, "parks": 4, "seat": "city"},
    {"bidder": "Briar", "staff": 90, "parks": 0, "seat": "region"},
    {"bidder": "Cedar", "staff": 20, "parks": 1, "seat": "city"},
]
SIZE = {"requirement": "size", "attribute": "staff", "least": 50}
PAST = [
    {"auction": "2021", "bidder": "Acer", "bid": 100}, {"auction": "2021", "bidder": "Briar", "bid": 130},
    {"auction": "2022", "bidder": "Acer", "bid": 90}, {"auction": "2022", "bidder": "Dogwood", "bid": 99},
    {"auction": "2023", "bidder": "Dogwood", "bid": 400},
]  # fmt: skip


# ---- requirements -----------------------------------------------------------------------------------------


def test_the_one_past_winner_who_meets_a_requirement() -> None:
    bar = {"requirement": "large contracts here", "attribute": "past_largest", "least": 95, "most": 200}
    local = {"requirement": "seat", "attribute": "seat", "one_of": "City; county"}
    found = tailored(requirements=[bar, local, SIZE], bidders=PARKS, past=PAST)
    assert found.requirements.drop(columns="requirement").values.tolist() == [
        # meet, fail, unknown, only, past_winner, left_without: Dogwood's 400 is too much, of its other attributes
        # nothing is known, so that it neither meets nor fails them
        [1, 3, 0, "Acer", True, 2],
        [2, 1, 1, "", False, 1],
        [2, 1, 1, "", False, 1],
    ]
    assert found.bidders[["bidder", "past_wins", "fails", "unknown", "left"]].values.tolist() == [
        ["Acer", 2.0, (), (), True],
        ["Briar", 0.0, ("large contracts here", "seat"), (), False],
        ["Cedar", 0.0, ("large contracts here", "size"), (), False],
        ["Dogwood", 1.0, ("large contracts here",), ("seat", "size"), False],
    ]
    assert "Acer alone meets" in found.questions[0]
    assert "it won before" in found.questions[0]
    assert all(question.endswith("?") for question in found.questions)


def test_the_requirement_whose_loss_lets_most_in_is_named() -> None:
    parks = {"requirement": "parks cleaned", "attribute": "parks", "least": 3}
    found = tailored(requirements=[SIZE, parks], bidders=PARKS)
    assert found.requirements["left_without"].tolist() == [1, 2]
    assert "without 'parks cleaned' 1 more would be" in found.questions[-1]
    assert not tailored(requirements=[SIZE], bidders=PARKS).questions  # two are left: nothing to ask


@given(
    st.lists(st.lists(st.sampled_from([0, 1, 2, None]), min_size=3, max_size=3), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_counts_by_plain_loops(bidders: list[list[int | None]], asked: list[tuple[int, int]]) -> None:
    known = [{"bidder": f"b{i}", "x0": row[0], "x1": row[1], "x2": row[2]} for i, row in enumerate(bidders)]
    wanted = [{"requirement": f"r{i}", "attribute": f"x{x}", "least": least} for i, (x, least) in enumerate(asked)]
    given_out = {x for x in range(3) if any(row[x] is not None for row in bidders)}
    if not {x for x, _ in asked} <= given_out:
        return  # an attribute nobody has is refused; see below
    found = tailored(requirements=wanted, bidders=known).requirements

    def fails(row: list[int | None], x: int, least: int) -> bool:
        value = row[x]
        return value is not None and value < least

    for number, (x, least) in enumerate(asked):
        meet = [i for i, row in enumerate(bidders) if row[x] is not None and row[x] >= least]  # type: ignore[operator]
        unknown = sum(row[x] is None for row in bidders)
        others = [one for k, one in enumerate(asked) if k != number]
        left = sum(not any(fails(row, *one) for one in others) for row in bidders)
        only = f"b{meet[0]}" if len(meet) == 1 and not unknown else ""
        row = found.iloc[number]
        assert (row["meet"], row["unknown"], row["left_without"], row["only"]) == (len(meet), unknown, left, only)


# ---- criteria against price -------------------------------------------------------------------------------

# How much dearer the better of two bids may be that differ by d points of quality, by hand:
# w · 100 (1 − 1/r) = (1 − w) d  for prices relative to the lowest; w · 100 (r − 1)/(z − 1) = (1 − w) d for a line to
# z times it; q₂/q₁ for quality per price; willingness to pay · d over the price in money.
SPANS = [
    (RelativePrice(0.4), 40, 1 / (1 - 0.6 * 40 / 40) - 1),
    (RelativePrice(0.4), 60, 1 / (1 - 0.6 * 60 / 40) - 1),
    (RelativePrice(0.4), 70, math.inf),
    (RelativePrice(0.5, power=2), 36, 1 / 0.8 - 1),
    (LinearPrice(0.5, zero=1.5), 60, 0.3),
    (LinearPrice(0.5, zero=2), 60, 0.6),
    (LinearPrice(0.5, zero=2), 101 - 1, math.inf),
    (HighestLowest(0.6), 60, 0.0),  # of two bids the dearer has no points, however little it is dearer
    (HighestLowest(0.4), 70, math.inf),
    (QualityPerPrice(), 40, 70 / 30 - 1),
    (LowestPrice(), 100, 0.0),
    (BestQuality(), 1, math.inf),
]


@pytest.mark.parametrize("scoring, points, pays", SPANS, ids=lambda case: str(case))
def test_what_a_span_pays_for(scoring: Any, points: float, pays: float) -> None:
    """One criterion of two with half the weight: its marks of `points` around 50 are half as many of quality."""
    halves = [{"criterion": "concept", "weight": 1, "low": 50 - points / 2, "high": 50 + points / 2}]
    found = tailored(criteria=halves, scoring=scoring, spread=0.2)
    assert found.criteria["pays_for"][0] == pytest.approx(pays, abs=2e-6)
    assert found.criteria["decides_alone"][0] == (pays >= 0.2)
    assert bool(found.questions) == (pays >= 0.2)
    shared = tailored(criteria=[*halves, {"criterion": "rest", "weight": 1}], scoring=scoring, spread=0.2)
    if isinstance(scoring, RelativePrice) and scoring.power == 1 and points < 60:
        assert shared.criteria["pays_for"][0] == pytest.approx(1 / (1 - 0.6 * points / 2 / 40) - 1, abs=2e-6)
        assert shared.criteria["share"].tolist() == [0.5, 0.5]


def test_the_spread_of_past_bids() -> None:
    """Two past tenders of two bids, 30 % and 10 % apart: the 95 % quantile (R-8) of two values is the larger."""
    found = tailored(criteria=[{"criterion": "concept", "weight": 1}], scoring=RelativePrice(0.9), past=PAST)
    assert found.criteria["spread"][0] == pytest.approx(0.3)
    assert not found.criteria["decides_alone"][0]
    assert "2 past tenders" in found.notes[0]


# ---- the bids expected ------------------------------------------------------------------------------------

BIDS = [
    {"bidder": "Acer", "price": 100, "quality": 95}, {"bidder": "Briar", "price": 110, "quality": 60},
    {"bidder": "Cedar", "price": 99, "quality": 40},
]  # fmt: skip


@pytest.mark.parametrize("weight", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_the_price_to_win_wins_and_a_cent_more_does_not(weight: float) -> None:
    formula = RelativePrice(weight)
    found = tailored(bids=BIDS, scoring=formula, spread=0.2)

    def winner(rival: str, price: float) -> str:
        changed = [row | {"price": price if row["bidder"] == rival else row["price"]} for row in BIDS]
        low = min(row["price"] for row in changed)  # type: ignore[type-var]
        scores = {
            row["bidder"]: weight * 100 * low / row["price"] + (1 - weight) * row["quality"]  # type: ignore[operator]
            for row in changed
        }
        return max(scores, key=lambda name: (scores[name], name == rival))  # type: ignore[return-value]

    for row in found.rivals.itertuples():
        if math.isnan(row.price_to_win):
            assert winner(row.bid, 0.01) != row.bid
        else:
            assert winner(row.bid, row.price_to_win) == row.bid
            assert winner(row.bid, row.price_to_win + 0.01) != row.bid
        assert row.out_of_reach == (not row.price_to_win >= 100 / 1.2)


def test_one_bid_wins_at_every_weight() -> None:
    better = [BIDS[0], BIDS[1]]
    found = tailored(bids=better, scoring=RelativePrice(0.5), spread=0.2)
    assert found.winners["always"].all()
    assert any("at every weight of price from 0% to 100%" in question for question in found.questions)
    turned = tailored(bids=BIDS, scoring=RelativePrice(0.5), spread=0.2)
    assert not turned.winners["always"].any()
    assert turned.winners["winner"].tolist() == ["Acer", "Cedar"]


def test_a_gap_of_quality_that_no_usual_price_makes_up() -> None:
    far = [{"bidder": "Acer", "price": 100, "quality": 95}, {"bidder": "Cedar", "price": 90, "quality": 40}]
    found = tailored(bids=far, scoring=RelativePrice(0.3), spread=0.2)
    # 30 (1 − p/100) ≥ 0.7 · 55 has no solution
    assert math.isnan(found.rivals["price_to_win"][0])
    assert "no rival of Acer could win" in found.questions[0]
    near = tailored(bids=far, scoring=RelativePrice(0.8), spread=0.2)
    assert near.rivals["bid"].tolist() == ["Acer"] or not near.rivals["out_of_reach"].all()


def test_lots_are_looked_at_one_by_one() -> None:
    lots = [
        {**row, "lots": lot, "bid": f"{row['bidder']}-{lot}"} for lot in "NS" for row in BIDS[: 2 if lot == "N" else 3]
    ]
    found = tailored(bids=lots, scoring=RelativePrice(0.5), spread=0.2)
    assert found.winners.groupby("lot")["always"].first().to_dict() == {"N": True, "S": False}
    assert found.rivals["lot"].tolist() == ["N", "S", "S"]


def test_a_formula_without_a_weight_is_said() -> None:
    found = tailored(bids=BIDS, scoring=QualityPerPrice(), spread=0.2)
    assert found.winners.empty
    assert "who wins at which weight" in found.notes[0]


# ---- what cannot be asked ---------------------------------------------------------------------------------

CONCEPT = [{"criterion": "concept", "weight": 1}]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({}, "nothing to look at"),
        ({"requirements": [SIZE]}, "requirements, row 2, column 'attribute': bidders have no attribute 'staff'"),
        ({"requirements": [SIZE | {"attribute": "beds"}], "bidders": PARKS}, "there are staff, parks, seat"),
        ({"requirements": [SIZE | {"attribute": "seat"}], "bidders": PARKS}, "'seat' is not a number"),
        ({"requirements": [SIZE | {"one_of": "x"}], "bidders": PARKS}, "give least or most, or one_of"),
        ({"requirements": [{"requirement": "size", "attribute": "staff"}], "bidders": PARKS}, "give least or most"),
        ({"requirements": [SIZE, SIZE], "bidders": PARKS}, "row 3, column 'requirement': 'size' stands twice"),
        ({"requirements": [SIZE], "bidders": [*PARKS, PARKS[0]]}, "row 5, column 'bidder': 'Acer' stands twice"),
        ({"criteria": CONCEPT, "spread": 0.2}, "give scoring="),
        ({"criteria": CONCEPT, "scoring": RelativePrice(0.3)}, "how far do prices usually lie apart"),
        ({"criteria": CONCEPT, "scoring": RelativePrice(0.3), "spread": -1}, "spread is -1"),
        ({"criteria": [CONCEPT[0] | {"weight": 0}], "scoring": RelativePrice(0.3), "spread": 0.2}, "weight is above 0"),
        ({"criteria": [CONCEPT[0] | {"low": 9, "high": 9}], "scoring": RelativePrice(0.3), "spread": 0.2}, "best mark"),
        ({"criteria": CONCEPT, "scoring": RelativePrice(0.3), "past": PAST[-1:]}, "no past tender has two bids"),
        ({"bids": BIDS}, "give scoring="),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)  # fmt: skip
def test_what_cannot_be_asked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="(?s)" + message.replace("(", r"\(")):
        tailored(**wrong)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(BadTable) as bad:
        tailored(requirements=[{"requirement": "", "attribute": "staff", "least": "fifty"}], bidders=[{"bidder": ""}])
    assert {problem.column for problem in bad.value.problems} >= {"requirement", "least", "bidder"}


def test_money_for_quality() -> None:
    """20 a point: 50 points of quality are worth 1,000, half of what the cheaper bid asks."""
    marks = [{"criterion": "concept", "weight": 1, "low": 25, "high": 75}]
    found = tailored(criteria=marks, scoring=MonetisedQuality(20), spread=0.2, price=2_000)
    assert found.criteria["pays_for"][0] == pytest.approx(0.5, abs=1e-5)
    with pytest.raises(ValueError, match="sets quality against amounts of money"):
        tailored(criteria=marks, scoring=MonetisedQuality(20), spread=0.2)
    with pytest.raises(ValueError, match="price is 0"):
        tailored(criteria=marks, scoring=MonetisedQuality(20), spread=0.2, price=0)
