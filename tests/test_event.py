"""The benchmark's large event: one seed one event, as many rows as it says, and an award that holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.sparse.csgraph import connected_components

import procure_opt as po

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from event import event, policy


@pytest.fixture(scope="module", name="small")
def _small() -> Any:
    return event(10_000, 1)


@pytest.fixture(scope="module", name="tender")
def _tender(small: Any) -> po.Tender:
    return po.Tender(*small)


def test_a_seed_names_one_event(small: Any) -> None:
    again, other = event(10_000, 1), event(10_000, 2)
    for name in ("lots", "bids", "bidders"):
        pd.testing.assert_frame_equal(getattr(small, name), getattr(again, name))
        assert not getattr(small, name).equals(getattr(other, name))


@pytest.mark.parametrize("bids", [3_000, 10_000, 33_333])
def test_sizes(bids: int) -> None:
    lots, offers, bidders = event(bids, 7)
    assert len(offers) == bids
    assert len(lots) == round(bids / 16.25)
    by_category = lots["category"].value_counts()
    assert by_category.max() - by_category.min() <= 1
    assert len(by_category) == max(2, round(len(lots) / 500))
    assert set(offers["bidder"]) <= set(bidders["bidder"])
    assert bidders["capacity"].between(4, 16).all()


def test_bids_are_on_single_lots_and_packages_of_one_category(small: Any) -> None:
    category = small.lots.set_index("lot")["category"]
    named = small.bids.set_index("bid")["lots"].str.split(";").explode()
    size = named.groupby(level=0).size()
    assert set(size) == {1, 2, 3, 4, 5, 6}
    assert 0.28 < (size > 1).mean() < 0.32
    assert not pd.MultiIndex.from_arrays([named.index, named]).has_duplicates
    assert (named.map(category).groupby(level=0).nunique() == 1).all()
    cents = small.bids["price"] * 100
    assert (cents > 0).all() and np.abs(cents - cents.round()).max() < 1e-6


def test_lots_are_wanted_by_several_bidders(tender: po.Tender) -> None:
    bidders = pd.DataFrame({"lot": tender.quantity.indices, "bidder": tender.bidder_of[tender.quantity.nonzero()[0]]})
    assert bidders.groupby("lot")["bidder"].nunique().median() >= 8


def test_side_constraints_are_a_cap_and_a_capacity_for_each_bidder_active_in_a_category(
    small: Any, tender: po.Tender
) -> None:
    category = small.lots.set_index("lot")["category"]
    pairs = small.bids.assign(category=small.bids["lots"].str.split(";").str[0].map(category))
    active = len(pairs.drop_duplicates(["bidder", "category"]))
    assert active == sum(round(15 / 16 * size) for size in category.value_counts())
    plan = policy(small.lots).plan(tender)
    assert [len(rows) for _, rows in plan.rules] == [active, active, 2, 2]
    # At full size: 320 categories of 500 lots, with 469 bidders in each.
    assert 2 * 320 * round(15 / 16 * 500) + 2 * 320 == pytest.approx(300_000, rel=0.01)


def test_categories_are_independent_parts(small: Any, tender: po.Tender) -> None:
    matrix = policy(small.lots).plan(tender).program.matrix
    graph = sparse.block_array([[None, matrix], [matrix.T, None]])
    _, part = connected_components(graph, directed=False)
    assert len(np.unique(part[matrix.shape[0] :])) == small.lots["category"].nunique()


def test_an_award_of_ten_thousand_bids(small: Any, tender: po.Tender) -> None:
    rules = policy(small.lots)
    award = po.award(tender, rules, gap=1e-4)
    assert award.gap <= 1e-4
    assert po.check(award) == []
    free = po.award(tender, po.Policy(rules.constraints[2:], tie_break=None), gap=1e-4)
    assert free.cost < 0.999 * award.cost  # caps and capacities bind
    room = small.bidders.set_index("bidder")["capacity"]
    assert (free.by_bidder["quantity"] > 2 * room[free.by_bidder.index]).any()
