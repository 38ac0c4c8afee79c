"""Transaction costs: every item by hand and by other code, and what it costs to look at prices alone."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import brute
import procure_opt as po
import strategies
from procure_opt.check import Facts
from procure_opt.check_search import Search
from strategies import agree, agree_in_parts, awarded, examples
from test_known import ledger_tender, table

LOTS = [
    {"lot": "A", "incumbent": "X", "describing": 3, "again": 20, "watch": 1, "demand": 2},
    {"lot": "B", "incumbent": "Y", "describing": 4, "again": 50, "watch": 2},
]
BIDS = [
    {"bid": "xa", "bidder": "X", "lots": "A", "price": 10, "handling": 1, "drafting": 0.5, "disputes": 3},
    {"bid": "xb", "bidder": "X", "lots": "B", "price": 15, "handling": 2, "drafting": 0.5, "disputes": 5},
    {"bid": "yb", "bidder": "Y", "lots": "B", "price": 30, "handling": 4, "drafting": 0.75, "disputes": 7},
]
BIDDERS = [
    {"bidder": "X", "failing": 0.1, "claims": 0.2, "running": 6},
    {"bidder": "Y", "failing": 0, "claims": 0.1, "running": 9},
]
TENDER = po.Tender(LOTS, BIDS, BIDDERS)

# X wins A and B. Each item alone, as a number and by column, and what it comes to by hand.
ITEMS: list[tuple[dict[str, Any], str, float]] = [
    ({"search": 12.5}, "search", 12.5),
    ({"specification": 2}, "specification", 4),
    ({"specification": "describing"}, "specification", 7),
    ({"bid_preparation": 1.5}, "bid_preparation", 4.5),
    ({"bid_preparation": "drafting"}, "bid_preparation", 1.75),
    ({"per_bid_evaluated": 1}, "per_bid_evaluated", 3),
    ({"per_contract": "handling"}, "per_contract", 3),
    ({"per_supplier": "running"}, "per_supplier", 6),
    ({"per_switch": 1.25}, "per_switch", 1.25),
    ({"monitoring": "watch"}, "monitoring", 3),
    ({"adaptation": "claims"}, "adaptation", 5),
    ({"enforcement": 1}, "enforcement", 2),
    ({"enforcement": "disputes"}, "enforcement", 8),
    ({"default": 0.25, "replacement": 8}, "default", 4),
    ({"default": "failing", "replacement": "again"}, "default", 7),
]


@pytest.mark.parametrize(("given_", "item", "amount"), ITEMS)
def test_every_item_by_hand(given_: dict[str, Any], item: str, amount: float) -> None:
    award = po.award(TENDER, po.Policy(ledger=po.Ledger(**given_)))
    assert award.bids["bid"].tolist() == ["xa", "xb"]
    assert (award.price, award.ledger, award.cost) == (25, pytest.approx(amount), pytest.approx(25 + amount))
    found = award.transaction_costs
    assert found.loc[item, "amount"] == pytest.approx(amount)
    assert found["amount"].sum() == pytest.approx(amount)
    assert po.check(award) == []
    assert [each.rule for each in po.check(replace(award, policy=po.Policy()))][:2] == ["ledger", "cost"]


def test_every_figure_of_the_ledger_has_its_stage() -> None:
    figures = {field.name for field in fields(po.Ledger)} - {"incumbent", "replacement"}
    assert set(po.Ledger.stages) == figures
    assert {item for _, item, _ in ITEMS} == figures
    stages = po.award(TENDER, po.Policy(ledger=po.Ledger())).transaction_costs["stage"]
    assert list(dict.fromkeys(stages)) == ["before", "at", "after"]


def test_a_likely_default_and_disputes_decide() -> None:
    """Y asks 15 more for B, and X's default would cost 0.5 · 40 = 20."""
    assert po.award(TENDER, po.Policy(ledger=po.Ledger(default="failing", replacement="again"))).price == 25
    worse = TENDER.replace(bidders=[{**BIDDERS[0], "failing": 0.5}, BIDDERS[1]])
    award = po.award(worse, po.Policy(ledger=po.Ledger(default="failing", replacement=40)))
    assert (award.bids["bid"].tolist(), award.price, award.ledger) == (["xa", "yb"], 40, 20)
    award = po.award(TENDER, po.Policy(ledger=po.Ledger(enforcement="handling", per_contract=1)))
    assert award.ledger == 5
    disputed = [*BIDS[:1], {**BIDS[1], "disputes": 25}, BIDS[2]]
    award = po.award(TENDER.replace(bids=disputed), po.Policy(ledger=po.Ledger(enforcement="disputes")))
    assert award.bids["bid"].tolist() == ["xa", "yb"]


def test_parts_of_lots_default_pro_rata() -> None:
    offer = {"bid": "x", "bidder": "X", "lots": "A:1", "price": 2, "min_fraction": 0.5}
    tender = po.Tender([{"lot": "A", "demand": 4, "in_house": 40}], [offer])
    award = po.award(tender, po.Policy(ledger=po.Ledger(default=0.1, replacement=20, enforcement=3, search=1)))
    assert (award.ledger, award.cost) == (pytest.approx(0.1 * 20 / 4 + 3 + 1), pytest.approx(2 + 30 + 4.5))
    assert po.check(award) == []


# ---- what ignoring them would have cost -------------------------------------------------------------------


def test_what_ignoring_transaction_costs_would_have_cost() -> None:
    """The table of the worked example: 104.20 in prices becomes 125.201, and 106.50 becomes 117.74."""
    blind, aware = table("transaction_costs_awards.csv")
    ledger = po.Ledger(0.4, "relation", 1, 0.15, adaptation="friction")
    award = po.award(ledger_tender(), po.Policy(ledger=ledger))
    names = {
        "price": "price",
        "per_contract": "contracts",
        "per_supplier": "relationship",
        "per_switch": "switching",
        "adaptation": "adaptation",
        "per_bid_evaluated": "evaluation",
        "cost": "total",
    }
    for row, known in (("counted", aware), ("ignored", blind)):
        for column, name in names.items():
            assert award.ledger_ignored.at[row, column] == pytest.approx(float(known[name]), abs=1e-9), column
    assert award.ledger_ignored.at["difference", "cost"] == pytest.approx(7.461, abs=1e-9)
    assert award.ledger_ignored.at["difference", "objective"] == pytest.approx(7.461, abs=1e-9)
    assert (award.price, award.ledger, award.cost) == (106.5, pytest.approx(11.24), pytest.approx(117.74))


def test_nothing_to_ignore() -> None:
    award = po.award(TENDER)
    assert award.transaction_costs.empty
    with pytest.raises(ValueError, match="the policy has no ledger"):
        _ = award.ledger_ignored


def test_scores_know_no_transaction_costs() -> None:
    bids = [{**bid, "quality": 50} for bid in BIDS]
    tender = TENDER.replace(lots=[{**lot, "estimate": 20} for lot in LOTS], bids=bids)
    goal = po.BestScore(po.RelativePrice(0.4))
    award = po.award(tender, po.Policy(objective=goal, ledger=po.Ledger(per_contract=5)))
    assert award.ledger_ignored.loc["difference"].abs().max() == 0


FEW = examples(25)


@examples(80)
@given(st.data())
def test_awards_with_a_ledger_equal_brute_force(data: st.DataObject) -> None:
    """Every award priced in fractions, item by item, by code that shares nothing."""
    tender = data.draw(strategies.tenders(max_lots=4, max_bids=7))
    policy = data.draw(strategies.policies(tender, max_rules=1, scores=False, ledger=False))
    policy = replace(policy, ledger=data.draw(strategies.ledgers()))
    award, best = awarded(tender, policy), brute.best(tender, policy)
    agree(award, best)
    if award is None or best is None:
        return
    mine = [each for each in best.awards if each.bids == frozenset(award.bids["bid"])]
    assert any(float(each.cost) == pytest.approx(award.cost, abs=1e-9) for each in mine)


@examples(40)
@given(st.data())
def test_divisible_awards_with_a_ledger_equal_linear_programs(data: st.DataObject) -> None:
    tender = data.draw(strategies.tenders(divisible=True, discounts=False, max_lots=3, max_bids=5))
    policy = po.Policy(ledger=data.draw(strategies.ledgers(switches=False)))
    agree_in_parts(awarded(tender, policy), brute.best_fractions(tender, policy))


@examples(40)
@given(st.data())
def test_the_search_of_the_check_counts_every_award_as_it_is(data: st.DataObject) -> None:
    """What it adds up on the way, and prunes by, is the objective of each award, or less where it says so."""
    tender = data.draw(strategies.tenders(discounts=False, max_lots=4, max_bids=7))
    goal = data.draw(strategies.objectives(tender, scores=False))
    policy = po.Policy(objective=goal, ledger=data.draw(strategies.ledgers()), tie_break=None)
    award = awarded(tender, policy)
    if award is None:
        return
    rules = Search(Facts.of(award)).rules
    bids, lots = list(tender.bid_names), list(tender.lot_names)
    for each in brute.every_award(tender, policy):
        taken = [bids.index(bid) for bid in each.bids] + [rules.bids + lots.index(lot) for lot in each.in_house]
        winners = {tender.bidder_of[bids.index(bid)] for bid in each.bids}
        added = rules.start + rules.cost[taken].sum() + rules.supplier[list(winners)].sum()
        assert added <= float(each.objective) + 1e-9
        if rules.complete:
            assert added == pytest.approx(float(each.objective), abs=1e-9)


@examples(30)
@given(st.data())
def test_the_search_of_the_check_leaves_out_no_better_award(data: st.DataObject) -> None:
    """Its floors hold with every item: without any one bidder it finds what brute force does."""
    tender = data.draw(strategies.tenders(max_lots=4, max_bids=7))
    policy = data.draw(strategies.policies(tender, max_rules=2, scores=False, ledger=False))
    policy = replace(policy, ledger=data.draw(strategies.ledgers()), tie_break=None)
    award = awarded(tender, policy)
    if award is None:
        return
    search = Search(Facts.of(award))
    for who in (None, *range(len(tender.bidder_names))):
        barred = np.arange(len(tender.bidder_names)) == who
        found, _ = search.least(barred=barred)
        without = [] if who is None else [po.Exclude(bidders=[tender.bidder_names[who]])]
        best = brute.best(tender, replace(policy, constraints=(*policy.constraints, *without)))
        assert found == pytest.approx(math.inf if best is None else float(best.objective), abs=1e-6)


@FEW
@given(st.data())
def test_drawn_awards_pass_the_check_and_ignoring_never_saves(data: st.DataObject) -> None:
    tender = data.draw(strategies.tenders())
    policy = po.Policy(ledger=data.draw(strategies.ledgers()), tie_break=None)
    award = awarded(tender, policy)
    if award is None:
        return
    assert po.check(award) == []
    assert award.transaction_costs["amount"].sum() == pytest.approx(award.ledger, abs=1e-6)
    assert award.ledger_ignored.at["difference", "objective"] >= -2 * tender.money_unit
    # By hand, item by item: lots, all bids, accepted bids.
    ledger, bids = policy.ledger, tender.bids
    assert ledger is not None
    firms = tender.bidders.set_index("bidder")

    def column(frame: pd.DataFrame, value: Any) -> Any:
        """A number, a column of theirs, or of their bidders."""
        if not isinstance(value, str):
            return np.full(len(frame), float(value))
        return frame[value] if value in frame else frame["bidder"].map(firms[value])

    amount = award.transaction_costs["amount"]
    assert amount["specification"] == pytest.approx(np.sum(column(tender.lots, ledger.specification)))
    assert amount["bid_preparation"] == pytest.approx(np.sum(column(bids, ledger.bid_preparation)))
    assert amount["enforcement"] == pytest.approx(np.sum(column(award.bids, ledger.enforcement)))


@FEW
@given(st.data())
def test_vcg_with_these_costs_is_checked_by_other_code(data: st.DataObject) -> None:
    """The search of the check finds the marginal economies by itself."""
    tender = data.draw(strategies.tenders())
    award = awarded(tender, po.Policy(ledger=data.draw(strategies.ledgers())))
    if award is None:
        return
    payments = po.pay(award, "vcg")
    found = [each for each in po.check(payments) if "not independently" not in each.message]
    assert found == []


# ---- figures that are wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"search": -1}, "search is -1; it must be at least 0"),
        ({"search": "fee"}, "search is 'fee'; it arises once"),
        ({"default": 1.2, "replacement": 3}, "default is 1.2; it is a probability"),
        ({"default": 0.2}, "default needs replacement"),
        ({"enforcement": float("nan")}, "enforcement is nan"),
        ({"per_contract": math.inf}, "per_contract is inf"),
        ({"per_contract": True}, "per_contract is True"),
        ({"per_contract": [1]}, r"per_contract is \[1\]; it must be at least 0, or name a column"),
        ({"incumbent": 3}, "incumbent is 3; it must name the lots column"),
    ],
)
def test_wrong_figures_are_named(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        po.Ledger(**wrong)


@pytest.mark.parametrize("item", sorted({field.name for field in fields(po.Ledger)} - {"incumbent", "search"}))
def test_figures_below_0_in_a_column_are_named(item: str) -> None:
    """A negative cost would be paid for out of nothing: one bad cell decides an award."""
    wrong = TENDER.replace(
        lots=[lot | {"own": -1} for lot in LOTS],
        bids=[bid | {"own": -1} for bid in BIDS] if item in ("per_contract", "per_bid_evaluated", "bid_preparation",
                                                           "enforcement") else BIDS,
        bidders=[each | {"own": -1} for each in BIDDERS],
    )  # fmt: skip
    more = {"replacement": 3} if item == "default" else {"default": 0.1} if item == "replacement" else {}
    with pytest.raises(ValueError, match="Ledger: 'own' must be at least 0, and is less for"):
        po.award(wrong, po.Policy(ledger=po.Ledger(**({item: "own"} | more))))
    texts = TENDER.replace(bidders=[each | {"own": "much"} for each in BIDDERS])
    with pytest.raises(ValueError, match="own"):
        po.award(texts, po.Policy(ledger=po.Ledger(**({item: "own"} | more))))


def test_a_probability_in_a_column_is_looked_at() -> None:
    tender = TENDER.replace(bidders=[{**BIDDERS[0], "failing": 10}, BIDDERS[1]])
    with pytest.raises(ValueError, match="'failing' is a probability, from 0 to 1, and is not for X"):
        po.award(tender, po.Policy(ledger=po.Ledger(default="failing", replacement=1)))
    with pytest.raises(ValueError, match="the lots have no column of numbers 'fee'"):
        po.award(TENDER, po.Policy(ledger=po.Ledger(specification="fee")))
