"""Bidding rules as they are called: who wins, what is paid, ties by lot, rules that make no sense."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from procure_opt import auction
from procure_opt.auction import equilibrium
from procure_opt.auction.rules import CATALOGUE, AverageBid, FirstPrice, PricePoints, SecondPrice
from strategies import examples

Floats = NDArray[np.float64]
PRICED = (FirstPrice, SecondPrice, AverageBid, PricePoints)


def called(rule: Any, *bids: float, cls: list[int] | None = None, seed: int = 0) -> tuple[int, float]:
    """Winner and payment of one draw."""
    numbers = np.array(cls or [0] * len(bids))
    winner, payment = rule(np.array([bids], dtype=float), numbers, np.random.default_rng(seed))
    return int(winner[0]), float(payment[0])


# ---- the catalogue ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", CATALOGUE, ids=lambda rule: rule.__name__)
def test_every_rule_is_public_frozen_explained_and_solved(rule: type) -> None:
    assert getattr(auction, rule.__name__) is rule
    assert rule.__name__ in auction.__all__
    assert rule.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert rule.__doc__ and ("Args:" in rule.__doc__)
    assert rule in equilibrium.__globals__["SOLVERS"]


@pytest.mark.parametrize("rule", PRICED, ids=lambda rule: rule.__name__)
def test_every_rule_of_prices_has_an_example(rule: type) -> None:
    assert ">>> " in (rule.__doc__ or "")


# ---- examples that can be followed by eye -----------------------------------------------------------------


NAN = math.nan


@pytest.mark.parametrize("rule, bids, cls, winner, payment", [
    (FirstPrice(), (3, 2, 4), [0, 0, 0], 1, 2),
    (FirstPrice(reserve=2), (3, 2, 4), [0, 0, 0], 1, 2),
    (FirstPrice(reserve=1.9), (3, 2, 4), [0, 0, 0], -1, 0),
    (FirstPrice(floor=2.5), (3, 2, 4), [0, 0, 0], 0, 3),
    (FirstPrice(floor=2), (3, 2, 4), [0, 0, 0], 1, 2),
    (FirstPrice(), (NAN, 2, 4), [0, 0, 0], 1, 2),
    (FirstPrice(), (NAN, NAN), [0, 0], -1, 0),
    (FirstPrice(preference={1: 0.1}), (90, 99, 101), [0, 1, 1], 1, 99),
    (FirstPrice(preference={1: 0.1}), (90, 101, 102), [0, 1, 1], 0, 90),
    (FirstPrice(reserve=100, preference={1: 0.1}), (95, 101), [0, 1], 0, 95),
    (SecondPrice(), (3, 2, 4), [0, 0, 0], 1, 3),
    (SecondPrice(reserve=2.5), (3, 2, 4), [0, 0, 0], 1, 2.5),
    (SecondPrice(reserve=5), (NAN, 2, NAN), [0, 0, 0], 1, 5),
    (SecondPrice(reserve={0: 1, 1: 4}), (2, 2, 3), [0, 1, 1], 1, 3),
    (SecondPrice(preference={1: 0.1}), (90, 95), [0, 1], 1, 100),
    (SecondPrice(preference={1: 0.1}), (90, 110), [0, 1], 0, 99),
    (SecondPrice(advantage={1: 10}), (90, 95), [0, 1], 1, 100),
    (SecondPrice(advantage={1: 10}), (90, 105), [0, 1], 0, 95),
    (SecondPrice(reserve=98, advantage={1: 10}), (90, 95), [0, 1], 1, 98),
    (AverageBid(), (90, 100, 104), [0, 0, 0], 1, 100),
    (AverageBid(reserve=103), (90, 100, 104), [0, 0, 0], -2, 0),
    (AverageBid(discount=0.1), (85, 100, 104), [0, 0, 0], 0, 85),
    (AverageBid(exclusion=True), (70, 90, 95, 100), [0] * 4, 1, 90),
    (AverageBid(exclusion=True), (100, 100, 99, 100), [0] * 4, -2, 0),
    (PricePoints(30), (120, 100, 110), [0, 0, 0], 1, 100),
    (PricePoints(30, lead={0: 6}), (124, 100), [0, 1], 0, 124),
    (PricePoints(30, lead={0: 6}), (126, 100), [0, 1], 1, 100),
    (PricePoints(30, reserve=110), (120, 115), [0, 0], -1, 0),
])  # fmt: skip
def test_who_wins_and_what_is_paid(
    rule: Any, bids: tuple[float, ...], cls: list[int], winner: int, payment: float
) -> None:
    if winner == -2:
        # The mean of the two that are valid is 95, both 5 away; and nobody undercuts by more than the only one who
        # does: in both cases someone wins, and is paid what it asked.
        won, paid = called(rule, *bids, cls=cls)
        assert won in range(len(bids)) and paid == bids[won]
    else:
        assert called(rule, *bids, cls=cls) == (winner, pytest.approx(payment))


@pytest.mark.parametrize("base, most", [(100, 125), (80, 400 / 3), (60, 150), (40, 200)])
def test_a_dummy_low_bid_widens_what_a_lead_is_worth(base: float, most: float) -> None:
    """A lead of 6 of 30 points over a rival at 100 is worth 1 / (1/100 − 6/(30 m)) at the lowest price m."""
    assert most == pytest.approx(1 / (1 / 100 - 6 / (30 * base)))
    lead = {0: 26, 1: 20}  # and none for the dummy, of class 2, which cannot win
    bids = (100, base) if base < 100 else (100, 1e6)
    assert called(PricePoints(30, lead=lead), most - 0.01, *bids, cls=[0, 1, 2])[0] == 0
    assert called(PricePoints(30, lead=lead), most + 0.01, *bids, cls=[0, 1, 2])[0] == 1


def test_a_common_price_in_an_average_bid_auction_and_those_who_leave_it() -> None:
    """Who deviates from a common price by Δ is (n − 1)/n · Δ from the mean, the others Δ/n."""
    for asked in (0.2, 0.9, 0.999999, 1.1):
        winners = {called(AverageBid(), asked, 1, 1, 1, 1, seed=seed)[0] for seed in range(60)}
        assert winners == {1, 2, 3, 4}


@pytest.mark.parametrize("n", [5, 10, 20])
def test_where_the_mean_excludes_a_common_price_does_not_last(n: int) -> None:
    """The others all undercut the mean, by as much as they do on average: the one who asks a little more wins alone."""
    bids = (100.1, *[100] * (n - 1))
    assert {called(AverageBid(exclusion=True), *bids, seed=seed)[0] for seed in range(40)} == {0}


# ---- laws -------------------------------------------------------------------------------------------------


bids_of = st.lists(st.integers(1, 12).map(float), min_size=2, max_size=6)
RULES = [
    FirstPrice(reserve=9), FirstPrice(floor=3), FirstPrice(preference={1: 0.25}), SecondPrice(reserve=9),
    SecondPrice(advantage={1: 2}), SecondPrice(preference={1: 0.25}), AverageBid(), AverageBid(exclusion=True),
    PricePoints(30, lead={1: 6}), PricePoints(30, reserve=9),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=str)
@examples(40)
@given(bids=bids_of, rest=st.lists(st.integers(0, 1), min_size=6, max_size=6), seed=st.integers(0, 9))
def test_a_winner_is_valid_and_never_paid_less_than_it_asked(
    rule: Any, bids: list[float], rest: list[int], seed: int
) -> None:
    winner, paid = called(rule, *bids, cls=rest[: len(bids)], seed=seed)
    if winner < 0:
        assert paid == 0
        return
    assert paid >= bids[winner] - 1e-12
    if not isinstance(rule, SecondPrice):
        assert paid == bids[winner]
    if getattr(rule, "reserve", None) is not None:
        assert paid <= rule.reserve
    if getattr(rule, "floor", None) is not None:
        assert bids[winner] >= rule.floor


@pytest.mark.parametrize("rule", RULES, ids=str)
@examples(15)
@given(bids=bids_of, rest=st.lists(st.integers(0, 1), min_size=6, max_size=6))
def test_a_winner_who_asks_less_still_wins_except_by_the_mean(rule: Any, bids: list[float], rest: list[int]) -> None:
    """By second price also up to what it is paid, and not above."""
    cls = rest[: len(bids)]
    winner, paid = called(rule, *bids, cls=cls)
    if winner < 0 or isinstance(rule, AverageBid):
        return

    def asks(amount: float) -> int:
        other = [*bids]
        other[winner] = amount
        return called(rule, *other, cls=cls)[0]

    floor = getattr(rule, "floor", None) or 0.0
    assert asks(max(floor, bids[winner] - 0.01)) == winner
    if isinstance(rule, SecondPrice) and paid < math.inf:
        assert asks(paid - 1e-6) == winner
        assert asks(paid + 1e-6) != winner


@pytest.mark.parametrize("rule", [FirstPrice(), FirstPrice(floor=2), SecondPrice(), AverageBid(), PricePoints(30)])
def test_ties_are_broken_by_lot_and_by_the_seed(rule: Any) -> None:
    bids, cls = np.full((30_000, 3), 2.0), np.zeros(3, dtype=int)
    winner, payment = rule(bids, cls, np.random.default_rng(1))
    again, _ = rule(bids, cls, np.random.default_rng(1))
    assert (winner == again).all() and (payment == 2).all()
    assert np.bincount(winner, minlength=3) == pytest.approx(10_000, abs=4 * math.sqrt(30_000 * 2 / 9))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_draws_do_not_depend_on_each_other(rule: Any) -> None:
    generator = np.random.default_rng(2)
    bids, cls = generator.uniform(1, 10, (50, 4)), np.array([0, 0, 1, 1])
    winner, payment = rule(bids, cls, generator)
    for row, won, paid in zip(bids, winner, payment, strict=True):
        assert called(rule, *row, cls=cls.tolist()) == (won, pytest.approx(paid))


# ---- rules that make no sense -----------------------------------------------------------------------------


@pytest.mark.parametrize("make, says", [
    (lambda: FirstPrice(reserve=0), "reserve is 0; it must be an amount above 0"),
    (lambda: FirstPrice(reserve=-1), "above 0"),
    (lambda: FirstPrice(reserve=NAN), "above 0"),
    (lambda: FirstPrice(reserve=math.inf), "above 0, or None"),
    (lambda: FirstPrice(floor=NAN), "floor is nan"),
    (lambda: FirstPrice(floor=5, reserve=5), "the floor, 5, must be below the reserve, 5"),
    (lambda: FirstPrice(preference={0: 1}), "in [0, 1)"),
    (lambda: FirstPrice(preference={0: -0.1}), "preference of class 0 is -0.1; it must be in [0, 1)"),
    (lambda: FirstPrice(preference={0: NAN}), "in [0, 1)"),
    (lambda: SecondPrice(reserve=0), "above 0"),
    (lambda: SecondPrice(reserve=NAN), "above 0"),
    (lambda: SecondPrice(reserve={0: 1, 1: -1}), "above 0"),
    (lambda: SecondPrice(preference={0: 1}), "in [0, 1)"),
    (lambda: AverageBid(reserve=0), "above 0"),
    (lambda: AverageBid(discount=1), "a share in [0, 1)"),
    (lambda: AverageBid(discount=NAN), "a share in [0, 1)"),
    (lambda: PricePoints(0), "weight is 0"),
    (lambda: PricePoints(NAN), "weight is nan"),
    (lambda: PricePoints(30, lead={0: 30}), "below the weight, 30"),
    (lambda: PricePoints(30, lead={0: -1}), "at least 0"),
    (lambda: PricePoints(30, lead={0: NAN}), "at least 0"),
    (lambda: PricePoints(30, reserve=-2), "above 0"),
])  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        make()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_cannot_be_changed(rule: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule.reserve = 1
