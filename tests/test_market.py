"""Markets: who bids and what it costs them; draws, rings, and markets that make no sense."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from procure_opt.auction.distributions import Lowest
from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.market import Market, Quality
from procure_opt.auction.rules import AverageBid, FirstPrice, PricePoints, SecondPrice
from strategies import examples

U = stats.uniform(0, 1)
WEAK = stats.uniform(0.2, 1)
NAN = math.nan


# ---- what a market says of itself -------------------------------------------------------------------------


def test_one_class_and_several() -> None:
    assert Market((U, 3)).counts == (3,)
    several = Market([(U, 2), (WEAK, 1)])
    assert (several.counts, several.bidders, several.cls.tolist()) == ((2, 1), 3, [0, 0, 1])


def test_a_ring_is_one_supplier_and_a_ring_of_one_is_none() -> None:
    market = Market([(U, 5), (WEAK, 2)], rings={0: 3})
    acting = market.acting()
    assert acting.bidders == 5 and sorted(acting.counts) == [1, 2, 2]
    assert not acting.rings and acting.acting() is acting
    (ring,) = [each for each, count in acting.classes if count == 1]
    assert ring.sf(0.3) == pytest.approx(0.7**3, abs=1e-15)
    for none in (Market((U, 5), rings={0: 1}), Market((U, 5), rings={})):
        assert none.acting().classes == ((U, 5),)
    assert Market((U, 3), rings={0: 3}).acting().counts == (1,)


@examples(25)
@given(st.sampled_from([U, stats.beta(2, 3), stats.expon(), stats.weibull_min(2)]), st.integers(2, 7))
def test_the_lowest_of_several_costs(one: Any, size: int) -> None:
    lowest, share = Lowest(one, size), np.linspace(0.01, 0.8, 25)
    costs = one.ppf(share)
    assert lowest.cdf(costs) == pytest.approx(1 - (1 - share) ** size, abs=1e-12)
    assert lowest.sf(costs) + lowest.cdf(costs) == pytest.approx(1, abs=1e-12)
    assert lowest.ppf(lowest.cdf(costs)) == pytest.approx(costs, rel=1e-9)
    assert lowest.isf(lowest.sf(costs)) == pytest.approx(costs, rel=1e-9)
    around = lowest.cdf(costs + 1e-6) - lowest.cdf(costs - 1e-6)
    assert lowest.pdf(costs) == pytest.approx(around / 2e-6, rel=1e-4)


# ---- draws ------------------------------------------------------------------------------------------------


def test_draws_are_those_of_the_seed_and_of_the_distributions() -> None:
    market = Market([(U, 2), (WEAK, 1)])
    costs = market.draw(100_000, np.random.default_rng(3))
    assert costs.shape == (100_000, 3)
    assert (costs == market.draw(100_000, np.random.default_rng(3))).all()
    assert stats.kstest(costs[:, 0], U.cdf).pvalue > 1e-3
    assert stats.kstest(costs[:, 2], WEAK.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(costs.T)[0, 1]) < 4 / math.sqrt(100_000)


@pytest.mark.parametrize("same", [0.2, 0.7])
def test_correlated_draws_keep_their_distributions(same: float) -> None:
    """Between two scores of a Gaussian copula the rank correlation is 6/π · asin(γ/2)."""
    costs = Market((stats.expon(), 3), correlation=same).draw(100_000, np.random.default_rng(4))
    assert stats.kstest(costs[:, 1], stats.expon().cdf).pvalue > 1e-3
    for one, two in ((0, 1), (1, 2)):
        rank = stats.spearmanr(costs[:, one], costs[:, two]).statistic
        assert rank == pytest.approx(6 / math.pi * math.asin(same / 2), abs=0.015)


# ---- markets that make no sense ---------------------------------------------------------------------------


@pytest.mark.parametrize("make, says", [
    (lambda: Market([]), "a market needs a supplier"),
    (lambda: Market(3), "(distribution, number of suppliers)"),
    (lambda: Market([U]), "a pair of a distribution and a number of suppliers"),
    (lambda: Market((U, 0)), "class 0 has 0 suppliers; it must be a whole number of at least 1"),
    (lambda: Market((U, -2)), "a whole number of at least 1"),
    (lambda: Market((U, 2.5)), "a whole number of at least 1"),
    (lambda: Market([(U, 2), (WEAK, 0)]), "class 1 has 0 suppliers"),
    (lambda: Market([("uniform", 2)]), "has no cdf"),
    (lambda: Market((stats.norm(), 3)), "no lowest cost; truncate it"),
    (lambda: Market((stats.uniform(1, 0), 3)), "it must have a width"),
    (lambda: Market((U, 3), in_house=math.inf), "in_house is inf; it must be an amount, or None"),
    (lambda: Market((U, 3), in_house=NAN), "in_house is nan"),
    (lambda: Market((U, 3), entry_cost=-1), "entry_cost is -1; it must be at least 0"),
    (lambda: Market((U, 3), entry_cost=NAN), "entry_cost is nan"),
    (lambda: Market((U, 3), risk_aversion=1), "risk_aversion is 1; it must be at least 0 and below 1"),
    (lambda: Market((U, 3), risk_aversion=NAN), "risk_aversion is nan"),
    (lambda: Market((U, 3), correlation=1), "correlation is 1"),
    (lambda: Market((U, 3), correlation=-0.1), "correlation is -0.1"),
    (lambda: Market((U, 3), absolute_risk_aversion=math.inf), "absolute_risk_aversion is inf"),
    (lambda: Market((U, 3), risk_aversion=0.1, absolute_risk_aversion=1), "give one of the two"),
    (lambda: Market((U, 3), entry="free"), '"fixed", "uninformed" or "informed"'),  # type: ignore[arg-type]
    (lambda: Market((U, 3), rings={0: 4}), "a ring of 4 is larger than class 0, which has 3"),
    (lambda: Market((U, 3), rings={1: 2}), "rings is {1: 2}"),
    (lambda: Market((U, 3), rings={0: 0}), "rings is {0: 0}"),
    (lambda: Market((U, 3), rings={0: 1.5}), "rings is {0: 1.5}"),  # type: ignore[dict-item]
    (lambda: Market((U, 3), common=3), "the common component"),
    (lambda: Quality(lambda q, t: t * q, 1, 1), "quality runs from 1 to 1"),
    (lambda: Quality(lambda q, t: t * q, NAN, 1), "quality runs from nan"),
])  # fmt: skip
def test_a_market_that_makes_no_sense_is_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        make()


@pytest.mark.parametrize("rule, market, says", [
    ("lowest price", Market((U, 3)), "there is one for FirstPrice"),
    (FirstPrice, Market((U, 3)), "there is no equilibrium for"),
    (FirstPrice(), Market((U, 1)), "with one supplier there is no competition"),
    (SecondPrice(), Market((U, 1)), "with one supplier there is no competition"),
    (FirstPrice(), Market((U, 3), rings={0: 3}), "with one supplier there is no competition"),
    (FirstPrice(reserve=0.2), Market((WEAK, 3)), "nobody can bid"),
    (FirstPrice(reserve=0.1), Market([(WEAK, 3), (stats.uniform(0.3, 1), 2)]), "nobody can bid"),
    (SecondPrice(reserve=0.1), Market((WEAK, 3)), "below every cost"),
    (FirstPrice(), Market([(stats.expon(), 2), (U, 2)], absolute_risk_aversion=1), "absolute_risk_aversion to 0"),
    (FirstPrice(floor=0.5), Market([(U, 2), (WEAK, 2)]), "a floor is solved for suppliers of one kind"),
    (FirstPrice(floor=1.5), Market((U, 3)), "all would ask it"),
    (FirstPrice(), Market((U, 3), entry="uninformed", entry_cost=0.1), "needs a reserve"),
    (FirstPrice(reserve=1), Market((U, 3), entry="uninformed", entry_cost=0.6), "nobody enters: even alone"),
    (FirstPrice(reserve=1), Market((U, 3), entry="informed", entry_cost=1.1), "nobody enters: even at a cost of 0"),
    (FirstPrice(reserve=1), Market([(U, 3), (WEAK, 2)], entry="informed", entry_cost=0.1), "suppliers of one kind"),
    (AverageBid(), Market((U, 2)), "average bids need three suppliers"),
    (AverageBid(), Market((stats.expon(), 3)), "give the rule a reserve"),
    (AverageBid(reserve=0.8), Market((U, 3)), "some costs are above the reserve"),
    (AverageBid(discount=0.05), Market((U, 3)), "set discount to 0"),
    (AverageBid(exclusion=True), Market((U, 3)), "no common bid lasts"),
    (AverageBid(), Market((U, 3), correlation=0.5), "leave correlation and common out"),
    (PricePoints(30, lead={0: 6, 1: 3}), Market([(U, 1), (WEAK, 2)]), "give one lead to one class"),
    (FirstPrice(), Market([(U, 1), (WEAK, 2)], correlation=0.5), "independent private costs"),
])  # fmt: skip
def test_a_rule_that_has_no_equilibrium_there_says_why(rule: Any, market: Market, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        equilibrium(rule, market)


def test_a_class_that_is_not_there_is_refused() -> None:
    found = equilibrium(FirstPrice(), Market((U, 3)))
    for number in (1, -1):
        with pytest.raises(ValueError, match="there is no class"):
            found.bid(0.5, number)
