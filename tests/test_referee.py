"""What a referee found: each a small tender whose award, or figure, once was wrong."""

from __future__ import annotations

from typing import Any

import pytest

import procure_opt as po

M = 1_000_000


def bids(*rows: tuple[Any, Any, Any, float], **more: Any) -> list[dict[str, Any]]:
    return [{"bid": b, "bidder": who, "lots": lots, "price": price} | more for b, who, lots, price in rows]


def two_on_each(n: int, x: Any, y: Any) -> list[dict[str, Any]]:
    own = [(f"x{i}", "Xia", f"L{i}", x(i)) for i in range(1, n + 1)]
    return bids(*own, *[(f"y{i}", "Yan", f"L{i}", y(i)) for i in range(1, n + 1)])


def test_rules_on_scopes_that_are_written_alike_stay_apart() -> None:
    tender = po.Tender(
        [{"lot": f"L{i}"} for i in range(1, 8)],
        two_on_each(7, lambda i: 10 if i < 7 else 50, lambda i: 20 if i < 7 else 10),
    )
    scopes = [f"L{i}" for i in range(1, 7)], [f"L{i}" for i in (1, 2, 3, 4, 5, 7)]
    for first, second in (scopes, scopes[::-1]):
        award = po.award(tender, po.Policy([po.Together(first), po.Together(second)]))
        assert (award.cost, po.check(award)) == (110, [])


def test_concentration_in_two_scopes() -> None:
    lots = [{"lot": f"L{i}", "estimate": 100} for i in range(1, 13)]
    tender = po.Tender(lots, two_on_each(12, lambda i: 10, lambda i: 11 if i in (9, 10, 11) else 20))
    loose = po.MaxHHI(1.0, lots=[f"L{i}" for i in range(1, 9)])
    tight = po.MaxHHI(0.5, lots=[f"L{i}" for i in (1, 2, 3, 4, 5, 9, 10, 11)])
    assert [po.award(tender, po.Policy(rules)).cost for rules in ([loose, tight], [tight, loose])] == [133, 133]


def test_defaults_in_two_scopes() -> None:
    lots = [{"lot": "A", "in_house": 100}, {"lot": "B", "in_house": 1000}]
    tender = po.Tender(lots, bids(("x", "X", "A", 10), ("x2", "X", "B", 10), ("y", "Y", "A", 20), ("y2", "Y", "B", 20)))
    wide, tight = po.Resilient(500, lots=["A"]), po.Resilient(5, lots=["B"])
    for rules in ([wide, tight], [tight, wide]):
        award = po.award(tender, po.Policy(rules))
        assert (award.bids["bid"].tolist(), po.check(award)) == (["x", "y2"], [])


def test_numeric_ids() -> None:
    tender = po.Tender([{"lot": 1, "inc": 1}, {"lot": 2, "inc": 2}], bids((1, 1, 1, 10), (2, 2, 2, 10)))
    award = po.award(tender, po.Policy([po.KeepIncumbents("inc", 0)]))
    assert (award.cost, po.check(award)) == (20, [])
    assert tender.without(1).bids["bid"].tolist() == ["2"]


def test_numeric_values_of_each() -> None:
    tender = po.Tender([{"lot": "A", "zone": 20260101}, {"lot": "B", "zone": 20260102}],
                       bids(("a", "X", "A", 10), ("b", "X", "B", 10)))  # fmt: skip
    assert po.award(tender, po.Policy([po.Budget({"20260101": 10, "20260102": 10}, each="zone")])).cost == 20


def test_a_discount_does_not_ask_for_the_estimates_of_others() -> None:
    tier = {"bidder": "X", "lots": "A", "threshold": 1, "measure": "lots", "percent": 10}
    offers = bids(("x", "X", "A", 20), ("x2", "X", "B", 20), ("y", "Y", "A;B", 50))
    tender = po.Tender([{"lot": "A"}, {"lot": "B"}], offers, discounts=[tier])
    award = po.award(tender)
    assert (award.cost, po.check(award)) == (38, [])


def test_spend_just_below_a_threshold() -> None:
    lots = [{"lot": "A", "estimate": 1}, {"lot": "B", "estimate": 2}, {"lot": "C", "estimate": 1}]
    tier = {"bidder": "X", "lots": "A", "threshold": M, "measure": "spend", "percent": 10}
    tender = po.Tender(lots, bids(("p", "X", "A;B", 2_999_999), ("c", "Y", "C", 5)), discounts=[tier])
    assert po.award(tender).cost == 3_000_004


def test_joint_owners_share_a_concentration() -> None:
    tender = po.Tender([{"lot": "A", "estimate": 1}], bids(("c", "C", "A", 10)), [{"bidder": "C", "members": "M;N"}])
    award = po.award(tender, po.Policy([po.MaxHHI(0.5)]))
    assert (award.hhi, po.check(award)) == (0.5, [])


def test_a_charged_share_of_spend_is_charged_in_full() -> None:
    offers = bids(("b1", "Z", "A", 3 * M), ("b2", "Z", "A", 19 * M), ("b3", "X", "A", 0), ("b4", "Z", "A", 10 * M))
    held = [{"bidder": "X", "held": M}, {"bidder": "Y", "held": 2 * M}, {"bidder": "Z", "held": 0}]
    tender = po.Tender([{"lot": "A", "in_house": 4.99 * M}], offers, held)
    award = po.award(tender, po.Policy([po.MaxShare(0.4, of="spend", existing="held", penalty=0.2 * M)]))
    assert (award.status, award.objective, po.check(award)) == ("optimal", 4_990_000, [])


def test_an_award_is_no_near_tie_of_itself() -> None:
    tender = po.Tender([{"lot": "A"}, {"lot": "B"}], bids(("x", "X", "A;B", 10), ("y", "Y", "A;B", 12)))
    near = po.near_ties(po.award(tender, po.Policy([po.Together(["A"])])), 5)
    assert near.table[["extra", "gained", "lost"]].values.tolist() == [[2.0, ("y",), ("x",)]]
    assert near.complete


@pytest.mark.parametrize(("unit", "truth"), [(0.01, 2.5e9), (1e-6, 2.5e9)])
def test_prices_to_win_of_any_size(unit: float, truth: float) -> None:
    tender = po.Tender([{"lot": "A"}], bids(("c", "C", "A", 2e9), ("d", "D", "A", 2.5e9)), money_unit=unit)
    assert po.price_to_win(po.award(tender), "c") == truth


def test_a_charge_may_fall_as_the_price_rises() -> None:
    tender = po.Tender([{"lot": "A"}], bids(("x", "X", "A", 0), ("y", "Y", "A", 0)))
    award = po.award(tender, po.Policy([po.MinAward(3, of="spend", penalty=10)]))
    assert po.price_to_win(award, "x") == 10  # 0 and a charge of 10, or 10 and none


def test_noise_cannot_be_told_from_one_evaluator() -> None:
    scores = [{"bid": b, "criterion": "c", "evaluator": "e", "score": s} for b, s in (("x", 50), ("y", 60))]
    tender = po.Tender([{"lot": "A"}], bids(("x", "X", "A", 10), ("y", "Y", "A", 11)), scores=scores)
    stable = po.stability(po.award(tender, po.Policy(objective=po.QualityAdjusted(1))))
    assert stable.other_winner != stable.other_winner
    assert stable.evaluators["winners_change"].tolist() == [None]
