"""The risk register: what each module found, on its level, and nothing where nothing was found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import procure_opt as po
from procure_opt.auction.flags import red_flags
from procure_opt.auction.screens import screens
from procure_opt.governance.checklist import outsourcing_checklist
from procure_opt.governance.lock_in import RepeatedTender, chain
from procure_opt.governance.performance import Indicator, performance
from procure_opt.governance.risks import COLUMNS, LEVELS, public_value, risk_register

LOTS = [
    {"lot": "A", "estimate": 100, "in_house": 300, "in_house_quality": 40},
    {"lot": "B", "estimate": 300},
    {"lot": "C", "estimate": 100, "in_house": 20, "in_house_quality": 90},
]
BIDS = [
    {"bid": "xa", "bidder": "X", "lots": "A", "price": 90, "quality": 60},
    {"bid": "xb", "bidder": "X", "lots": "B", "price": 280, "quality": 80},
    {"bid": "yb", "bidder": "Y", "lots": "B", "price": 290, "quality": 90},
]
AWARD = po.award(po.Tender(LOTS, BIDS))


def told(*found: Any) -> list[tuple[str, ...]]:
    return [tuple(row) for row in risk_register(*found)[["level", "source", "subject", "finding"]].values.tolist()]


def test_public_value_by_hand() -> None:
    """X provides A at 60 and B at 80; C stays in house at 90."""
    found = public_value(AWARD, 70)
    assert found.table[["lot", "quality", "shortfall"]].values.tolist() == [["A", 60, 10], ["B", 80, 0], ["C", 90, 0]]
    assert found.mean == pytest.approx((60 * 100 + 80 * 300 + 90 * 100) / 500)
    assert told(found) == [("value", "public value", "lot A", "quality is below the floor")]
    assert told(public_value(AWARD, 60)) == []
    # Divisible bids: a quarter of lot A in house at 40.
    half = [{"bid": "x", "bidder": "X", "lots": "A:3", "price": 30, "quality": 60, "min_fraction": 0.5}]
    lots = [{"lot": "A", "demand": 4, "estimate": 1, "in_house": 80, "in_house_quality": 40}]
    assert public_value(po.award(po.Tender(lots, half)), 0).mean == pytest.approx(0.75 * 60 + 0.25 * 40)
    unknown = [{key: value for key, value in bid.items() if key != "quality"} for bid in BIDS]
    found = public_value(po.award(po.Tender(LOTS, unknown)), 50)
    assert [row[2:] for row in told(found)] == [(f"lot {lot}", "its quality is not known") for lot in "AB"]
    unestimated = po.award(po.Tender([{"lot": "A"}], BIDS[:1]))
    found = public_value(unestimated, 50)
    assert np.isnan(found.mean) and found.table["quality"].tolist() == [60]
    with pytest.raises(ValueError, match="floor is 120"):
        public_value(AWARD, 120)


def test_an_award() -> None:
    """X receives 370 of 390, and HHI is 0.9."""
    (row,) = told(AWARD)
    assert row == ("value", "award", "X", "few share the award")
    assert "HHI 0.900" in risk_register(AWARD).at[0, "evidence"]
    rules = [po.MaxShare(0.5, penalty=1), po.Cover(lots=["C"], penalty=1)]
    found = told(po.award(po.Tender(LOTS, BIDS), po.Policy(rules)))
    assert ("value", "award", "lot C", "nobody provides it") in found
    assert any(row[0] == "process" and "MaxShare" in row[3] for row in found)
    tied = po.award(po.Tender([{"lot": "A"}], [BIDS[0], {**BIDS[0], "bid": "ya", "bidder": "Y"}]))
    assert ("process", "award", "xa, ya", "several awards cost the same") in told(tied)
    assert told(replace(AWARD, status="feasible", hhi=0.2)) == [
        ("process", "award", "the award", "it is not proven to be the best")
    ]


def test_the_check() -> None:
    assert told(po.check(AWARD)) == []
    wrong = po.check(replace(AWARD, cost=1.0))
    assert [row[:2] for row in told(wrong)] == [("process", "check")] * len(wrong) and wrong


def test_past_tenders() -> None:
    rows = [
        {"auction": i, "bidder": b, "bid": 100 + 5 * j + i * (j + 1) / 7, "winner": j == 0, "date": "2026-01-01"}
        for i in range(40)
        for j, b in enumerate("PQRS")
    ]
    rows.append({"auction": 40, "bidder": "P", "bid": 100.0, "winner": True, "date": "2026-01-01"})
    found = red_flags(rows)
    assert len(found.table) > 0
    register = risk_register(found)
    assert len(register) == len(found.table) and set(register["level"]) == {"process"}
    assert set(register["source"]) == {f"red flag {code}" for code in found.table["code"]}
    # Thirty auctions of drawn bids, and three whose losers stay close together behind the winner.
    generator = np.random.default_rng(2)
    drawn = [100 * np.exp(generator.normal(0, 0.1, 5)) for _ in range(30)]
    close = [np.array([100, 109, 109.1, 109.2, 109.3]) + i for i in range(3)]
    bids = [{"auction": f"t{i}", "bidder": f"b{j}", "bid": bid} for i, each in enumerate([*drawn, *close])
            for j, bid in enumerate(each)]  # fmt: skip
    tested = screens(bids).test(draws=4_000, level=0.2)
    register = risk_register(tested)
    assert register["subject"].tolist() == [f"auction {name}" for name in tested.asked]
    assert len(register) > 0 and register["ask"].tolist() == list(tested.questions())


def test_performance_and_lock_in() -> None:
    rows = [
        {"contract": c, "indicator": "order", "period": str(t), "measured": m, "target": 80, "evaluator": e}
        for c, t, e, m in [("n", 1, "a", 90), ("n", 1, "b", 60), ("n", 2, "a", 70), ("n", 2, "b", 95),
                           ("s", 1, "a", 85), ("s", 1, "b", 84)]
    ]  # fmt: skip
    done = performance(rows, [Indicator("order")])
    assert told(done) == [
        ("performance", "indicators", "contract n", "order was missed"),
        ("performance", "third party", "order", "evaluators do not agree"),
    ]
    assert "in 1 of 2 periods, at worst by 5; credits of 0.0% of the fees" in risk_register(done).at[0, "evidence"]
    charged = performance(rows[:2], [Indicator("order", credit=0.01, penalty=50), Indicator("quiet")])
    assert "credits of 5.0% of the fees, penalties of 50.00" in risk_register(charged).at[0, "evidence"]
    assert ("performance", "indicators", "contract n", "quiet was not measured") in told(charged)
    market = RepeatedTender(stats.uniform(0, 1), 5, (0, 0.15, 0.3, 0.45, 0.6), entry_cost=0.02)
    assert told(chain(market)) == [("value", "lock-in", "the market", "the incumbent may become a monopoly")]
    assert "above 10% from period 3" in risk_register(chain(market)).at[0, "evidence"]
    assert told(chain(replace(market, paid_bids=0.02))) == []


def test_what_may_be_outsourced() -> None:
    checklist = outsourcing_checklist([{"lot": "A"}])
    found = told(checklist)
    assert len(found) == len(checklist.findings) > 0
    assert {row[1] for row in found} == {"what may be outsourced"}


def test_levels_stand_in_their_order() -> None:
    rows = [
        ["performance", "diary", "north", "a gate stood open", "3 May", "Who closes it?"],
        ["value", "survey", "south", "few know of it", "12 of 100", "Tell them."],
    ]
    own = pd.DataFrame(rows, columns=COLUMNS)
    found = risk_register(own, po.check(replace(AWARD, cost=1.0)), AWARD, public_value(AWARD, 70))
    assert list(dict.fromkeys(found["level"])) == list(LEVELS)
    assert found["source"].iloc[[0, -1]].tolist() == ["survey", "diary"]
    assert (found != "").all().all() and list(found.columns) == COLUMNS
    assert risk_register().empty


def test_what_is_no_finding() -> None:
    with pytest.raises(TypeError, match="a risk register is not made of int; give any of Award"):
        risk_register(5)
    with pytest.raises(TypeError, match="it holds str"):
        risk_register(["late"])
    with pytest.raises(ValueError, match="'source' is missing"):
        risk_register(pd.DataFrame({"level": ["value"]}))
    with pytest.raises(ValueError, match="no level 'fate'"):
        risk_register(pd.DataFrame([["fate", *"abcde"]], columns=COLUMNS))
