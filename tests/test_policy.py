"""Objectives, tie-breaks, constraints, discounts and transaction costs, each against figures worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import procure_opt as po
from procure_opt.scoring import RelativePrice, price_base
from tiny import bid, lots, tender, won

# ---- announcing -------------------------------------------------------------------------------------------

PARK = [{"lot": "north", "estimate": 100}, {"lot": "south", "estimate": 80}]
OFFERS = [bid("x", "X", "north;south", 150, quality=50), bid("y", "Y", "south", 60, quality=50)]
RULES = po.Policy([po.MaxLots(2), po.Budget(500)], tie_break=po.DrawLots(20260301))


def test_the_rules_are_fixed_before_the_bids_are_there() -> None:
    before = po.announce(RULES, tender(PARK))
    opened = tender(PARK[::-1], *OFFERS)
    assert po.announce(RULES, opened) == before
    assert po.award(opened, RULES, announced=before.hash).cost == 150
    assert po.award(opened, RULES, announced=before).cost == 150
    assert po.award(opened, replace(RULES, constraints=list(RULES.constraints)), announced=before).cost == 150


def test_the_announcement_reads_well() -> None:
    policy = po.Policy(
        [po.MaxShare(0.4, per="owner", lots={"category": "cleaning"})],
        objective=po.QualityAdjusted(120),
        tie_break=po.HigherQuality(),
        ledger=po.Ledger(per_contract=5),
        quality_weights={"staff": 1, "method": 3},
        min_bidders=3,
    )
    shown = po.announce(policy, tender(lots(*(f"L{i}" for i in range(12))), name="park")).text.splitlines()
    assert shown == [
        "Tender 'park': 12 lots (L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, …).",
        "Objective: QualityAdjusted(value=120).",
        f"Constraint: {policy.constraints[0]!r}.",
        "Ties: HigherQuality().",
        f"Transaction costs: {policy.ledger!r}.",
        "Quality weights: {'method': 3, 'staff': 1}.",
        "A lot with fewer than 3 bidders: keep in house.",
    ]


OTHER_RULES: dict[str, po.Policy] = {
    "another cap": replace(RULES, constraints=(po.MaxLots(1), po.Budget(500))),
    "one rule less": replace(RULES, constraints=(po.MaxLots(2),)),
    "a rule made soft": replace(RULES, constraints=(po.MaxLots(2, penalty=1), po.Budget(500))),
    "another seed": replace(RULES, tie_break=po.DrawLots(20260302)),
    "no draw": replace(RULES, tie_break=po.Refuse()),
    "another objective": replace(RULES, objective=po.QualityAdjusted(0)),
    "transaction costs": replace(RULES, ledger=po.Ledger(per_contract=1)),
    "two bidders a lot": replace(RULES, min_bidders=2),
    "weights": replace(RULES, quality_weights={"method": 1}),
}


@pytest.mark.parametrize("name", OTHER_RULES)
def test_other_rules_are_refused(name: str) -> None:
    before, other = po.announce(RULES, tender(PARK)), OTHER_RULES[name]
    assert po.announce(other, tender(PARK)).hash != before.hash
    with pytest.raises(ValueError, match=f"these are not the rules announced: .* announced was {before.hash}"):
        po.award(tender(PARK, *OFFERS), other, announced=before.hash)


@pytest.mark.parametrize(
    "changed",
    [
        tender([PARK[0]]),
        tender([PARK[0], PARK[1] | {"estimate": 81}]),
        tender([PARK[0], PARK[1] | {"reserve": 70}]),
        tender([PARK[0], PARK[1] | {"category": "cleaning"}]),
        tender(PARK, money_unit=0.01),
        tender(PARK, currency="CNY"),
    ],
    ids=["a lot less", "an estimate", "a reserve", "a column", "money unit", "currency"],
)
def test_other_lots_are_refused(changed: po.Tender) -> None:
    with pytest.raises(ValueError, match="the lots were changed after the announcement"):
        po.award(changed, RULES, announced=po.announce(RULES, tender(PARK)).hash)


# ---- too few bidders --------------------------------------------------------------------------------------

OWN = lots("A", "B", "C", in_house=100)


def test_a_lot_with_too_few_bidders_is_kept_in_house() -> None:
    offers = tender(OWN, bid("x", "X", "A;B", 50), bid("y", "Y", "A", 60), bid("z", "Z", "B", 70),
                    bid("c1", "W", "C", 5), bid("c2", "W", "C", 6))  # fmt: skip
    award = po.award(offers, po.Policy(min_bidders=2))
    assert won(award) == ["x"]
    assert award.in_house["lot"].tolist() == ["C"]
    assert award.cost == 150
    assert award.tender == offers
    evaluated, thin = po.Policy(min_bidders=2).field(offers)
    assert thin == ("C",)
    assert evaluated.rejected[["bid", "reason"]].values.tolist() == [
        ["c1", "fewer than 2 bidders on lot C"], ["c2", "fewer than 2 bidders on lot C"]]  # fmt: skip
    assert po.award(offers).cost == 55
    assert po.check(award) == []


def test_bids_that_fall_away_are_counted_out_elsewhere() -> None:
    offers = tender(OWN, bid("x", "X", "A;B", 50), bid("y", "Y", "A;C", 60), bid("z", "Z", "B", 70))
    award = po.award(offers, po.Policy(min_bidders=2))  # C has Y alone; then A has X alone; then B has Z alone
    assert (won(award), award.cost) == ([], 300)
    assert po.check(award) == []


def test_or_the_tender_fails() -> None:
    offers = tender(OWN, *(bid(f"{who}{lot}", who, lot, 50) for who in "XY" for lot in "AB"), bid("c", "W", "C", 5))
    with pytest.raises(po.Infeasible, match="The tender fails: lot C has fewer than 2 bidders"):
        po.award(offers, po.Policy(min_bidders=2, few_bidders="fail"))
    assert po.award(offers, po.Policy(few_bidders="fail")).cost == 105
    with pytest.raises(po.Infeasible, match="Lot C has fewer than 2 bidders and no in-house cost"):
        po.award(offers.replace(lots=lots("A", "B", "C")), po.Policy(min_bidders=2))


# ---- quality from scores ----------------------------------------------------------------------------------

PANEL = [
    {"bid": "x", "criterion": criterion, "evaluator": evaluator, "score": score}
    for criterion, scores in (("method", (80, 60)), ("staff", (90, 90)))
    for evaluator, score in zip("EF", scores, strict=True)
]


def test_quality_weighs_the_criteria() -> None:
    offers = tender("A", bid("x", "X", "A", 5), scores=PANEL)
    weighted = po.award(offers, po.Policy(quality_weights={"method": 3, "staff": 1}))
    assert weighted.bids["quality"].tolist() == [75]  # (3 · 70 + 90) / 4
    assert po.award(offers).bids["quality"].tolist() == [80]
    assert po.award(offers, po.Policy(quality_weights={"method": 0.3, "staff": 0.1})).bids["quality"].tolist() == [
        pytest.approx(75)
    ]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"method": 1}, "quality_weights name .*'method'.*, the scores have the criteria .*'staff'"),
        ({"method": -1, "staff": 2}, "must not be negative"),
        ({"method": 0, "staff": 0}, "must not all be 0"),
    ],
)
def test_weights_that_do_not_fit(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        po.award(tender("A", bid("x", "X", "A", 5), scores=PANEL), po.Policy(quality_weights=weights))


def test_weights_without_scores() -> None:
    with pytest.raises(ValueError, match="the tender has no scores table to weigh"):
        po.award(tender("A", bid("x", "X", "A", 5)), po.Policy(quality_weights={"method": 1}))


# ---- objectives -------------------------------------------------------------------------------------------


def test_best_score_by_hand() -> None:
    rows = [bid("x", "X", "A", 1_000_000, quality=90), bid("y", "Y", "A", 950_000, quality=80),
            bid("z", "Z", "A", 1_100_000, quality=95)]  # fmt: skip
    award = po.award(tender(lots("A", estimate=1), *rows), po.Policy(objective=po.BestScore(RelativePrice(0.4))))
    assert won(award) == ["x"]
    assert award.score == pytest.approx(0.4 * 95 + 0.6 * 90)
    assert (award.cost, award.objective, award.status) == (1_000_000, -award.score, "optimal")
    assert po.check(award) == []


def test_a_package_is_compared_with_the_cheapest_cover_of_its_lots() -> None:
    shares = [{"lot": "A", "estimate": 1, "in_house": 10}, {"lot": "B", "estimate": 3}]
    rows = [
        bid("p", "P", "A;B", 100, quality=50),
        bid("a", "Q", "A", 30, quality=0),
        bid("b", "Q", "B", 60, quality=20),
    ]
    free = tender(shares, *rows)
    assert price_base(free).tolist() == [30, 60, 90]  # in the order a, b, p; in-house is no bid
    bound = tender(shares, rows[0], *(row | {"xor": "one"} for row in rows[1:]))
    assert price_base(bound).tolist() == [30, 60, 100]
    policy = po.Policy(objective=po.BestScore(RelativePrice(0.5)))
    together = po.award(free, policy)
    assert (won(together), together.score) == (["p"], pytest.approx(0.5 * 90 + 0.5 * 50))
    # Without p: lot A scores 50, lot B 60; the mean weighs B three times; lot A in-house would score 0.
    alone = po.award(free.without("P"), policy)
    assert (won(alone), alone.score) == (["a", "b"], pytest.approx((50 + 3 * 60) / 4))
    half = po.award(free.without("P"), replace(policy, constraints=(po.Exclude(bids=["a"]),)))
    assert (half.in_house["lot"].tolist(), half.score) == (["A"], pytest.approx(3 * 60 / 4))


def test_scores_are_points_and_cost_is_money() -> None:
    offers = tender(lots("A", estimate=1), bid("x", "X", "A", 100, quality=60), bid("y", "Y", "A", 90, quality=40))
    policy = po.Policy([po.Exclude(bids=["x"], penalty=3)], objective=po.BestScore(RelativePrice(0.5)),
                       ledger=po.Ledger(per_contract=7))  # fmt: skip
    award = po.award(offers, policy)  # x scores 75, y 70: with 3 points off, x still wins
    assert (won(award), award.score, award.cost) == (["x"], pytest.approx(75), 107)
    assert award.objective == pytest.approx(-72)
    dearer = po.award(offers, replace(policy, constraints=(po.Exclude(bids=["x"], penalty=6),)))
    assert (won(dearer), dearer.score) == (["y"], pytest.approx(70))


def test_scores_use_evaluated_prices() -> None:
    offers = tender(lots("A", estimate=1), bid("x", "X", "A", 100), bid("y", "Y", "A", 90),
                    bidders=[{"bidder": "X", "deduction": 0.2}, {"bidder": "Y"}])  # fmt: skip
    award = po.award(offers, po.Policy(objective=po.BestScore(RelativePrice(1))))
    assert (won(award), award.score, award.cost) == (["x"], 100, 100)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (bid("x", "X", "A", 5), "quality is needed for every bid here, and is blank for x"),
        (bid("x", "X", "A", 5, quality=1, min_fraction=0.5), "scores compare bids for whole lots; bid 'x'"),
        (bid("x", "X", "A:1", 5, quality=1), "scores compare bids for whole lots; bid 'x'"),
    ],
)
def test_bids_that_cannot_be_scored(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        po.award(tender([{"lot": "A", "demand": 2, "estimate": 1}], row),
                 po.Policy(objective=po.BestScore(RelativePrice(0.5))))  # fmt: skip


def test_quality_is_worth_money() -> None:
    rows = [bid(f"{who}{lot}", who, lot, price, quality=quality) for lot in "AB"
            for who, price, quality in (("x", 100, 50), ("y", 110, 80))]  # fmt: skip
    offers = tender([{"lot": "A", "worth": 0.5}, {"lot": "B", "worth": 0.1}], *rows)
    award = po.award(offers, po.Policy(objective=po.QualityAdjusted(0.5)))
    assert (won(award), award.objective, award.cost) == (["yA", "yB"], 2 * (110 - 40), 220)
    award = po.award(offers, po.Policy(objective=po.QualityAdjusted("worth")))
    assert (won(award), award.objective, award.cost) == (["xB", "yA"], 70 + 100 - 5, 210)
    assert po.check(award) == []


def test_in_house_quality_is_worth_money_where_it_is_known() -> None:
    shares = [{"lot": "A", "in_house": 105, "in_house_quality": 90}, {"lot": "B", "in_house": 105}]
    offers = tender(shares, bid("x", "X", "A", 100, quality=50), bid("y", "Y", "B", 110, quality=50))
    award = po.award(offers, po.Policy(objective=po.QualityAdjusted(0.5)))
    assert award.in_house["lot"].tolist() == ["A"]  # 105 − 45 = 60 < 75, but 105 > 85
    assert (award.objective, award.cost) == (60 + 85, 215)


def test_a_part_of_a_lot_earns_that_part_of_its_quality() -> None:
    offers = tender([{"lot": "A", "demand": 4}], bid("x", "X", "A:1", 10, quality=80),
                    bid("y", "Y", "A:3", 30, quality=40))  # fmt: skip
    assert po.award(offers, po.Policy(objective=po.QualityAdjusted(1))).objective == 40 - 80 / 4 - 40 * 3 / 4


def test_a_deduction_lowers_the_evaluated_price_only() -> None:
    offers = tender("A", bid("x", "X", "A", 100), bid("y", "Y", "A", 95),
                    bidders=[{"bidder": "X", "deduction": 0.1}, {"bidder": "Y"}])  # fmt: skip
    award = po.award(offers)
    assert (won(award), award.objective, award.cost, award.price, award.bound) == (["x"], 90, 100, 100, 90)
    assert award.bids["net"].tolist() == [100]
    assert won(po.award(offers, po.Policy([po.Budget(99)]))) == ["y"]
    adjusted = po.award(offers.replace(bids=[bid("x", "X", "A", 100, quality=10), bid("y", "Y", "A", 95, quality=16)]),
                        po.Policy(objective=po.QualityAdjusted(1)))  # fmt: skip
    assert (won(adjusted), adjusted.objective) == (["y"], 79)  # 90 − 10 > 95 − 16


# ---- what an award says -----------------------------------------------------------------------------------


def test_shares_lots_and_concentration() -> None:
    shares = [{"lot": lot, "estimate": k, "demand": 2, "in_house": 20} for k, lot in enumerate("ABCD", start=1)]
    rows = [bid("x", "X", "A", 10), bid("y", "Y", "B:1", 12), bid("y2", "Y", "B:1", 8, fixed=2),
            bid("z", "Z", "C", 19)]  # fmt: skip
    firms = [{"bidder": "X", "owner": "O"}, {"bidder": "Y", "owner": "O"},
             {"bidder": "Z", "members": "X:0.25;W:0.75"}]  # fmt: skip
    offers = tender(shares, *rows, bidders=firms)
    award = po.award(offers, po.Policy([po.Require(bids=["x", "y", "y2", "z"])]))
    assert (award.cost, award.price) == (71, 51)
    assert award.in_house.values.tolist() == [["D", 1, 20]]
    assert award.by_bidder.to_dict("index") == {
        "X": {"lots": 1, "quantity": 2, "price": 10, "estimate": 1, "share": 10 / 71},
        "Y": {"lots": 1, "quantity": 2, "price": 22, "estimate": 2, "share": 22 / 71},
        "Z": {"lots": 1, "quantity": 2, "price": 19, "estimate": 3, "share": 19 / 71},
    }
    assert award.hhi == pytest.approx(((10 + 22 + 19 / 4) ** 2 + (19 * 3 / 4) ** 2) / 71**2)
    assert po.check(award) == []


def test_an_award_to_nobody() -> None:
    award = po.award(tender(OWN))
    assert (award.cost, award.price, award.hhi, len(award.by_bidder), award.tied) == (300, 0, 0, 0, ())


# ---- discounts --------------------------------------------------------------------------------------------

# X wins lots A, B, C for 100, 60 and 40; 10 units in all. The tiers, and what is to be paid.
TIERS: dict[str, tuple[dict[str, Any], list[dict[str, float]], float]] = {
    "all units, from 3 lots": ({"measure": "lots"}, [{"threshold": 3, "percent": 10}], 180),
    "all units, from 4 lots": ({"measure": "lots"}, [{"threshold": 4, "percent": 10}], 200),
    "all units, from 10 units": ({"measure": "quantity"}, [{"threshold": 10, "percent": 10}], 180),
    "all units, above 10 units": ({"measure": "quantity"}, [{"threshold": 10.5, "percent": 10}], 200),
    "all units, from 200 spent": ({"measure": "spend"}, [{"threshold": 200, "percent": 10}], 180),
    "all units, from 201 spent": ({"measure": "spend"}, [{"threshold": 201, "percent": 10}], 200),
    "all units, measured before": ({"measure": "spend"}, [{"threshold": 190, "percent": 10}], 180),
    "the highest tier": (
        {"measure": "spend"}, [{"threshold": 100, "percent": 5}, {"threshold": 200, "percent": 10}], 180),
    "the tier below": (
        {"measure": "spend"}, [{"threshold": 100, "percent": 5}, {"threshold": 300, "percent": 10}], 190),
    "a sum": ({"measure": "spend"}, [{"threshold": 100, "amount": 10}, {"threshold": 200, "amount": 30}], 170),
    "a sum for lots": ({"measure": "lots"}, [{"threshold": 2, "amount": 15}], 185),
    "never more than the spend": ({"measure": "spend"}, [{"threshold": 0, "amount": 500}], 0),
    "bands of spend": (
        {"measure": "spend", "kind": "incremental"},
        [{"threshold": 50, "percent": 10}, {"threshold": 150, "percent": 20}], 200 - 10 - 10),
    "bands of units, 20 each": (
        {"measure": "quantity", "kind": "incremental"},
        [{"threshold": 4, "percent": 10}, {"threshold": 8, "percent": 50}], 200 - 8 - 20),
    "bands of lots": ({"measure": "lots", "kind": "incremental"}, [{"threshold": 1, "percent": 30}], 200 - 40),
    "sums that add up": (
        {"measure": "spend", "kind": "incremental"},
        [{"threshold": 100, "amount": 10}, {"threshold": 200, "amount": 30}], 160),
    "on A and B alone": ({"measure": "spend", "lots": "A;B"}, [{"threshold": 160, "percent": 10}], 184),
    "for another bidder": ({"measure": "spend", "bidder": "Y"}, [{"threshold": 0, "percent": 10}], 200),
}  # fmt: skip


@pytest.mark.parametrize("threshold", [100.0, 10_000_000.0, 100_000_000.0])
@pytest.mark.parametrize("short", [0.0, 0.01])
def test_a_cent_below_a_threshold_takes_nothing_off(threshold: float, short: float) -> None:
    price = threshold - short
    discounts = [{"bidder": "X", "measure": "spend", "threshold": threshold, "percent": 10}]
    award = po.award(po.Tender(lots=[{"lot": "A"}], bids=[bid("a", "X", "A", price)], discounts=discounts))
    assert award.cost == pytest.approx(price if short else 0.9 * price, rel=1e-12)
    assert po.check(award) == []


THREE = [{"lot": lot, "demand": demand, "estimate": 1} for lot, demand in zip("ABC", (2, 3, 5))]
SINGLES = [bid("a", "X", "A", 100), bid("b", "X", "B", 60), bid("c", "X", "C", 40), bid("y", "Y", "A;B;C", 900)]


@pytest.mark.parametrize("case", TIERS)
def test_discounts_by_hand(case: str) -> None:
    terms, tiers, net = TIERS[case]
    rows = [{"bidder": "X"} | terms | tier for tier in tiers]
    award = po.award(tender(THREE, *SINGLES, discounts=rows))
    assert won(award) == ["a", "b", "c"]
    assert award.price == award.cost == pytest.approx(net)
    assert award.bids["net"].sum() == pytest.approx(net)
    assert award.bids["price"].tolist() == [100, 60, 40]
    assert po.check(award) == []


def test_a_discount_is_spread_over_what_it_is_given_on() -> None:
    rows = [{"bidder": "X", "lots": "A;B", "measure": "spend", "threshold": 0, "amount": 16}]
    assert po.award(tender(THREE, *SINGLES, discounts=rows)).bids["net"].tolist() == [90, 54, 40]


def test_a_package_counts_by_estimate_and_fixed_charges_not_at_all() -> None:
    shares = [{"lot": "A", "estimate": 30}, {"lot": "B", "estimate": 10}]
    rows = [{"bidder": "X", "lots": "A", "measure": "spend", "threshold": 60, "percent": 10}]
    award = po.award(tender(shares, bid("p", "X", "A;B", 80, fixed=20), discounts=rows))
    assert award.price == 100 - 6  # 3/4 of 80 is inside
    assert po.award(tender(shares, bid("p", "X", "A;B", 79, fixed=20), discounts=rows)).price == 99


def test_a_discount_decides_the_award() -> None:
    rows = [{"bidder": "X", "measure": "lots", "threshold": 2, "percent": 20}]
    offers = tender("A B", bid("a", "X", "A", 100), bid("b", "X", "B", 100), bid("y", "Y", "A", 90),
                    bid("z", "Z", "B", 85), discounts=rows)  # fmt: skip
    assert (won(po.award(offers)), po.award(offers).cost) == (["a", "b"], 160)
    assert po.award(offers.replace(discounts=None)).cost == 175
    # Budgets and shares are of net prices.
    assert po.award(offers, po.Policy([po.Budget(160)])).cost == 160
    assert po.award(offers, po.Policy([po.MaxLots(1)])).cost == 175


# ---- replacing a winner -----------------------------------------------------------------------------------


def test_resilient_by_hand() -> None:
    offers = tender(
        lots("A", "B", in_house=100), bid("x", "X", "A;B", 50), bid("y", "Y", "A", 40), bid("z", "Z", "B", 45)
    )
    # X can be replaced by y and z for 35 more; Y and Z only in-house, for 60 and 55 more.
    assert won(po.award(offers, po.Policy([po.Resilient(35)]))) == ["x"]
    assert (won(po.award(offers, po.Policy([po.Resilient(34)])))) == []
    soft = po.award(offers, po.Policy([po.Resilient(20, penalty=2)]))
    assert (won(soft), soft.objective) == (["x"], 50 + 30)
    assert soft.violations[["amount", "unit", "charge"]].values.tolist() == [[15, "money", 30]]
    without_x = offers.without("X")
    assert won(po.award(without_x, po.Policy([po.Resilient(60)]))) == ["y", "z"]
    assert won(po.award(without_x, po.Policy([po.Resilient(59)]))) == ["z"]


def test_a_replacement_respects_xor_and_what_is_let_already() -> None:
    rows = [bid("a", "X", "A", 10), bid("b", "Y", "B", 10, xor="one"), bid("y", "Y", "A", 15, xor="one"),
            bid("z", "Z", "A;B", 60)]  # fmt: skip
    offers = tender([{"lot": "A", "in_house": 40}, {"lot": "B"}], *rows)
    rule = po.Resilient(29, lots=["A"])  # Y may not add y, Z cannot take half of z: in-house, 30 more
    assert won(po.award(offers, po.Policy([po.Resilient(30, lots=["A"])]))) == ["a", "b"]
    assert won(po.award(offers, po.Policy([rule]))) != ["a", "b"]


# ---- soft constraints -------------------------------------------------------------------------------------

# One bid a lot, so nothing can be done: X holds A and B for 50 (estimate 40), Y holds C for 50 (estimate 60).
FORCED = tender(
    [{"lot": lot, "estimate": estimate, "period": period, "incumbent": "Y"}
     for lot, estimate, period in (("A", 10, "2026"), ("B", 30, "2026"), ("C", 60, "2027"))],
    bid("a", "X", "A", 20, quality=40, carbon=5), bid("b", "X", "B", 30, quality=60, carbon=2),
    bid("c", "Y", "C", 50, quality=80, carbon=1),
    bidders=[{"bidder": "X", "room": 1, "elsewhere": 40, "owner": "O"}, {"bidder": "Y", "room": 1, "elsewhere": 0},
             {"bidder": "Z", "room": 1, "elsewhere": 60}],
)  # fmt: skip
SOFT: dict[str, tuple[Any, list[float], str, float]] = {
    "Budget": (po.Budget(90, penalty=2), [10], "money", 20),
    "Budget by year": (po.Budget({"2026": 45, "2027": 60}, each="period", penalty=2), [5], "money", 10),
    "MinQuality, mean": (po.MinQuality(75, penalty=3), [5], "quality point", 15),
    "MinQuality, each": (po.MinQuality(70, across="bid", penalty=1), [30, 10], "quality point", 40),
    "AttributeBound, mean": (
        po.AttributeBound("carbon", at_most=1, across="award", penalty=10), [0.7], "unit of the column", 7),
    "AttributeBound, each": (
        po.AttributeBound("carbon", at_least=2, at_most=4, penalty=10), [1, 1], "unit of the column", 20),
    "MaxShare": (po.MaxShare(0.5, penalty=3), [10], "percentage point", 30),
    "MaxShare of spend": (po.MaxShare(0.45, of="spend", penalty=3), [5, 5], "percentage point", 30),
    "MaxShare with more": (po.MaxShare(0.35, existing="elsewhere", penalty=1), [5], "percentage point", 5),
    "MinShare": (po.MinShare(0.7, bidders=["Y"], penalty=1), [10], "percentage point", 10),
    "MaxHHI": (po.MaxHHI(0.5, penalty=2), [2], "0.01 of HHI", 4),
    "MaxLots": (po.MaxLots(1, penalty=5), [1], "lot", 5),
    "MaxLots by year": (po.MaxLots(1, each="period", penalty=5), [1], "lot", 5),
    "MinWinners": (po.MinWinners(4, penalty=5), [2], "winner", 10),
    "MaxWinners": (po.MaxWinners(1, penalty=5), [1], "winner", 5),
    "MinAward": (po.MinAward(2, penalty=5), [1], "instance", 5),
    "MinAward of spend": (po.MinAward(51, of="spend", penalty=5), [1, 1], "instance", 10),
    "Capacity": (po.Capacity("room", penalty=5), [1], "unit of quantity", 5),
    "Separate": (po.Separate(["A"], ["B", "C"], penalty=5), [1], "instance", 5),
    "Together": (po.Together(penalty=5), [1], "instance", 5),
    "KeepIncumbents": (po.KeepIncumbents("incumbent", 0, penalty=5), [2], "switch", 10),
    "Exclude": (po.Exclude(bidders=["X"], penalty=5), [1, 1], "instance", 10),
    "Require": (po.Require(bidders=["Y", "Z"], penalty=5), [1], "instance", 5),
}  # fmt: skip


@pytest.mark.parametrize("case", SOFT)
def test_a_soft_constraint_is_charged_by_the_unit(case: str) -> None:
    rule, amounts, unit, charge = SOFT[case]
    award = po.award(FORCED, po.Policy([rule]))
    table = award.violations
    assert table["amount"].tolist() == pytest.approx(amounts)
    assert set(table["unit"]) == {unit}
    assert table["charge"].sum() == pytest.approx(charge)
    assert set(table["constraint"]) == {repr(rule)}
    assert (award.cost, award.objective) == (100, pytest.approx(100 + charge))
    assert award.status == "optimal"
    assert po.check(award) == []
    with pytest.raises(po.Infeasible):
        po.award(FORCED, po.Policy([replace(rule, penalty=None)]))


def test_every_kind_of_soft_constraint_is_in_that_table() -> None:
    from procure_opt.constraints import CATALOGUE

    assert {type(rule) for rule, *_ in SOFT.values()} | {po.Resilient, po.Cover} == set(CATALOGUE)


def test_a_lot_may_be_left_unawarded_at_a_charge() -> None:
    award = po.award(FORCED, po.Policy([po.Cover(lots=["A", "C"], penalty=25)]))
    assert (award.unawarded, award.cost, award.objective) == (("C",), 50, 75)
    assert award.violations[["where", "amount", "unit", "charge"]].values.tolist() == [["Cover lot C", 1, "lot", 25]]


def test_a_charge_is_weighed_against_money() -> None:
    offers = tender("A B", bid("a", "X", "A", 10), bid("b", "X", "B", 10), bid("y", "Y", "B", 17))
    assert won(po.award(offers, po.Policy([po.MaxLots(1, penalty=6)]))) == ["a", "b"]
    assert won(po.award(offers, po.Policy([po.MaxLots(1, penalty=8)]))) == ["a", "y"]
    assert po.award(offers, po.Policy([po.MaxLots(1, penalty=7)])).tied == ("b", "y")


# ---- transaction costs ------------------------------------------------------------------------------------

COSTLY = FORCED.replace(
    bids=FORCED.bids.assign(handling=[1, 2, 3]),
    bidders=FORCED.bidders.assign(joining=[10, 20, 30], claims=[0.1, 0.2, 0.3]),
    lots=FORCED.lots.assign(watch=[1, 2, 4], leaving=[100, 200, 400]),
)
LEDGERS: dict[str, tuple[po.Ledger, float]] = {
    "nothing": (po.Ledger(), 0),
    "a contract": (po.Ledger(per_contract=1), 3),
    "a contract, by column": (po.Ledger(per_contract="handling"), 1 + 2 + 3),
    "a supplier": (po.Ledger(per_supplier=10), 20),
    "a supplier, by column": (po.Ledger(per_supplier="joining"), 10 + 20),
    "a switch": (po.Ledger(per_switch=5), 10),
    "a switch, by column": (po.Ledger(per_switch="leaving"), 100 + 200),
    "a bid evaluated": (po.Ledger(per_bid_evaluated=2), 6),
    "adaptation": (po.Ledger(adaptation=0.1), 10),
    "adaptation, by column": (po.Ledger(adaptation="claims"), 0.1 * 50 + 0.2 * 50),
    "monitoring": (po.Ledger(monitoring=4), 12),
    "monitoring, by column": (po.Ledger(monitoring="watch"), 1 + 2 + 4),
    "all of it": (po.Ledger(1, 10, 5, 2, 0.1, 4), 3 + 20 + 10 + 6 + 10 + 12),
}


@pytest.mark.parametrize("case", LEDGERS)
def test_transaction_costs_by_hand(case: str) -> None:
    ledger, cost = LEDGERS[case]
    award = po.award(COSTLY, po.Policy(ledger=ledger))
    assert award.ledger == pytest.approx(cost)
    assert (award.cost, award.price, award.objective) == (pytest.approx(100 + cost), 100, pytest.approx(100 + cost))
    assert award.bound == pytest.approx(award.cost)
    assert po.check(award) == []


def test_transaction_costs_decide_and_budgets_ignore_them() -> None:
    rows = [bid("a", "X", "A", 10), bid("b", "Y", "B", 10), bid("p", "Z", "A;B", 23), bid("lost", "Z", "A", 50)]
    offers = tender(lots("A", "B", in_house=30), *rows)
    assert won(po.award(offers)) == ["a", "b"]
    award = po.award(offers, po.Policy([po.Budget(23)], ledger=po.Ledger(per_contract=4, per_bid_evaluated=1)))
    assert (won(award), award.cost, award.price) == (["p"], 23 + 4 + 4, 23)
    # In-house is no contract, no supplier and is not monitored.
    kept = po.award(offers, po.Policy(ledger=po.Ledger(per_contract=30, per_supplier=30, monitoring=10)))
    assert (won(kept), kept.cost) == ([], 60)


def test_parts_of_lots_are_monitored_pro_rata() -> None:
    offers = tender([{"lot": "A", "demand": 4, "in_house": 40}], bid("x", "X", "A:1", 2, min_fraction=0.5))
    award = po.award(offers, po.Policy(ledger=po.Ledger(monitoring=8, per_contract=3)))
    assert (award.cost, award.ledger) == (2 + 30 + 5, 5)


# ---- arguments that are wrong -----------------------------------------------------------------------------

WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: po.Budget(-1), r"Budget: amount is -1; it must be a number of at least 0"),
    (lambda: po.Budget("100"), r"Budget: amount is '100'"),  # type: ignore[arg-type]
    (lambda: po.Budget({"2026": 5}), r"a table of amounts needs each="),
    (lambda: po.Budget(5, penalty=0), r"Budget: penalty is 0; it must be a positive amount of money a unit"),
    (lambda: po.MaxShare(40), r"MaxShare: share is 40; it must be a number from 0 to 1"),
    (lambda: po.MinShare(float("nan")), r"MinShare: share is nan"),
    (lambda: po.MaxHHI(2500), r"MaxHHI: index is 2500; it must be a number from 0 to 1"),
    (lambda: po.MinQuality(101), r"MinQuality: score is 101; it must be a number from 0 to 100"),
    (lambda: po.MinQuality(50, across="lot"), r"MinQuality: across is 'lot'; it must be 'bid' or 'award'"),
    (lambda: po.AttributeBound("carbon"), r"AttributeBound: give at_least=, at_most= or both"),
    (lambda: po.MaxLots(1.5), r"MaxLots: n is 1\.5; it must be a whole number"),  # type: ignore[arg-type]
    (lambda: po.MaxLots(-1), r"MaxLots: n is -1"),
    (lambda: po.MaxLots(True), r"MaxLots: n is True"),
    (lambda: po.MinWinners(float("inf")), r"MinWinners: n is inf"),  # type: ignore[arg-type]
    (lambda: po.MaxWinners(None), r"MaxWinners: n is None"),  # type: ignore[arg-type]
    (lambda: po.MinAward(-1), r"MinAward: amount is -1"),
    (lambda: po.KeepIncumbents("incumbent", -1), r"KeepIncumbents: max_switches is -1"),
    (lambda: po.Exclude(), r"Exclude: say which bidders=, bids= or lots="),
    (lambda: po.Require(), r"Require: say which bidders=, bids= or lots="),
    (lambda: po.Resilient(-1), r"Resilient: max_extra_cost is -1"),
    (lambda: po.Cover(), r"Cover: penalty= is missing"),
    (lambda: po.QualityAdjusted(-1), r"QualityAdjusted: value is -1"),
    (lambda: RelativePrice(40), r"RelativePrice: weight is 40; it must be from 0 to 1"),
    (lambda: po.Ledger(per_contract=-1), r"Ledger: per_contract is -1; it must be at least 0, or name a column"),
    (lambda: po.Policy(min_bidders=0), r"min_bidders is 0; it must be a whole number of at least 1"),
    (lambda: po.Policy(few_bidders="cancel"), r'few_bidders is .cancel.; it must be "keep in house" or "fail"'),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
def test_figures_that_make_no_sense(case: int) -> None:
    made, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        made()


@pytest.mark.parametrize("fields", [{"constraints": [po.MaxLots]}, {"constraints": ["MaxLots"]},
                                    {"objective": po.LowestCost}, {"tie_break": "draw"}, {"ledger": 5}])  # fmt: skip
def test_a_policy_takes_values(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="write it with its figures"):
        po.Policy(**fields)


MISFITS: list[tuple[Any, str]] = [
    (po.MaxLots(1, lots=["A", "D"]), "there is no lot 'D'"),
    (po.MaxLots(1, lots=["a"]), "there is no lot 'a'; did you mean 'A'?"),
    (po.MaxLots(1, lots="A"), "give lots as a list, or a filter"),
    (po.MaxLots(1, lots=[]), "the list of lots is empty"),
    (po.MaxLots(1, lots={"period": "2031"}), "no lot matches {'period': '2031'}"),
    (po.MaxLots(1, lots={"region": "east"}), "the lots have no column 'region'; they have lot, demand"),
    (po.MaxLots(1, each="region"), "each='region': the lots have no such column"),
    (po.MaxLots(1, each="blank"), "each='blank' needs a value for every lot in scope; it is blank for B"),
    (po.MaxLots(1, per="region"), "per='region': the bidders have no such column"),
    (po.MaxLots(1, per="kind"), "per='kind' needs a value for every bidder; it is blank for X, Y, Z"),
    (po.MaxLots(1, existing="region"), "the bidders have no column of numbers 'region'"),
    (po.MaxShare(0.5, of="price"), "the lots have no column of numbers 'price'"),
    (po.MaxShare(0.5, of="reserve"), "'reserve' is needed for every lot here, and is blank for A, B, C"),
    (po.MaxShare(0.5, base="lots"), 'base is \'lots\'; it must be "scope" or "awarded"'),
    (po.MinShare(0.5, bidders=["Q"]), "there is no bidder 'Q'"),
    (po.MinShare(0.5, bidders={"kind": "firm"}), "no bidder matches {'kind': 'firm'}"),
    (po.Budget({"2026": 5}, each="period"), "Budget: no amount for period '2027'; there are 2026"),
    (po.AttributeBound("noise", at_most=1), "neither bids nor bidders have a column 'noise'"),
    (po.AttributeBound("xor", at_most=1), "the column 'xor' holds text where numbers are needed"),
    (po.Capacity("roam"), "Capacity: the bidders have no column of numbers 'roam'"),
    (po.KeepIncumbents("holder", 1), "the lots have no column 'holder' that names incumbents"),
    (po.Exclude(bids=["q"]), "there is no bid 'q'"),
    (po.Require(bidders="X"), "give bidders as a list, or a filter"),
    (po.Separate(["A"], ["Q"]), "there is no lot 'Q'"),
]


@pytest.mark.parametrize("case", range(len(MISFITS)), ids=[message for _, message in MISFITS])
def test_rules_that_do_not_fit_the_tender(case: int) -> None:
    rule, message = MISFITS[case]
    offers = FORCED.replace(lots=FORCED.lots.assign(blank=["a", "", "c"]))
    with pytest.raises(ValueError) as wrong:  # noqa: PT011
        po.award(offers, po.Policy([rule]))
    assert message in str(wrong.value)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (po.Policy(objective=po.QualityAdjusted("worth")), "the lots have no column of numbers 'worth'"),
        (po.Policy(ledger=po.Ledger(per_contract="fee")), "'fee'"),
        (po.Policy(ledger=po.Ledger(per_supplier="fee")), "'fee'"),
        (po.Policy(ledger=po.Ledger(adaptation="fee")), "'fee'"),
        (po.Policy(ledger=po.Ledger(monitoring="fee")), "the lots have no column of numbers 'fee'"),
        (po.Policy(ledger=po.Ledger(per_switch=1, incumbent="holder")), "the lots have no column 'holder'"),
    ],
)
def test_columns_that_are_not_there(policy: po.Policy, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        po.award(FORCED, policy)


def test_quality_that_is_not_there() -> None:
    offers = tender("A", bid("x", "X", "A", 5), bid("y", "Y", "A", 6, quality=5))
    for policy in (po.Policy([po.MinQuality(5)]), po.Policy(objective=po.QualityAdjusted(1))):
        with pytest.raises(ValueError, match="'quality' is needed for every bid here, and is blank for x"):
            po.award(offers, policy)
    assert np.isnan(po.award(offers).bids["quality"][0])
