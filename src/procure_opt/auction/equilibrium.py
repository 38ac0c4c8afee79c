"""What suppliers bid under a rule when each does its best against the others, with an ε that says how nearly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procure_opt.auction import packages, scored
from procure_opt.auction.asymmetric import NotConverged
from procure_opt.auction.average_bid import average_bid
from procure_opt.auction.first_price import first_price
from procure_opt.auction.market import Market
from procure_opt.auction.outcome import Equilibrium, entry_regret, whole
from procure_opt.auction.packages import LocalLocalGlobal, PackageRule
from procure_opt.auction.price_points import price_points
from procure_opt.auction.rules import (
    AverageBid,
    FirstPrice,
    FirstScore,
    PricePoints,
    RatioScore,
    SecondPrice,
    SecondScore,
)
from procure_opt.auction.second_price import second_price

Floats = NDArray[np.float64]

VERIFIED = 1e-5  # the largest ε, as a share of the spread of costs, with which strategies are returned


def equilibrium(rule: Any, market: Any) -> Any:
    """The equilibrium of a bidding rule in a market.

    Args:
        rule: A value of the catalogue of rules.
        market: Who bids, and what it costs them: a `Market`, or a `LocalLocalGlobal` for rules on packages.

    Returns:
        An `Equilibrium`; of scoring rules a `ScoreEquilibrium`, of rules on packages a `PackageEquilibrium`.

    Raises:
        ValueError: the rule has no equilibrium here, or none that can be computed; the message says why.
        NotConverged: no strategy could be verified; with its `epsilon`.

    >>> from scipy import stats
    >>> from procure_opt.auction.rules import FirstPrice
    >>> found = equilibrium(FirstPrice(), Market((stats.uniform(0, 1), 3)))
    >>> round(found.bid(0.2), 9), round(found.expected_payment, 9), found.epsilon < 1e-9
    (0.466666667, 0.5, True)
    """
    if isinstance(rule, PackageRule) or isinstance(market, LocalLocalGlobal):
        return _package(rule, market)
    solve = SOLVERS.get(type(rule))
    if solve is None:
        known = ", ".join(each.__name__ for each in SOLVERS)
        raise ValueError(f"there is no equilibrium for {rule!r}; there is one for {known}")
    _named(rule, market)
    found = solve(rule, market.acting())
    if isinstance(found, Equilibrium):
        whole(found)
        found = replace(found, epsilon=max(found.epsilon, entry_regret(found)))
    spread = max(float(each.ppf(0.999) - each.ppf(0.001)) for each, _ in found.market.known)
    if not found.epsilon <= VERIFIED * spread:
        raise NotConverged(f"the strategies found for {rule!r} could not be verified", found.epsilon)
    return found


def _named(rule: Any, market: Market) -> None:
    """Classes that a rule names have to be there, and to bid as they are."""
    for name in ("preference", "advantage", "lead", "reserve"):
        by_class = getattr(rule, name, None)
        if not isinstance(by_class, Mapping):
            continue
        for number in by_class:
            if number not in range(len(market.classes)):
                raise ValueError(
                    f"{type(rule).__name__}: {name} is for class {number!r}; the market has classes 0 to "
                    f"{len(market.classes) - 1}"
                )
            if market.acting().counts != market.counts and number in market.rings:
                raise ValueError(
                    f"{type(rule).__name__}: {name} is for class {number}, part of which is a ring; put the ring's "
                    "members into a class of their own"
                )


def _package(rule: PackageRule, market: Any) -> Any:
    if not isinstance(market, LocalLocalGlobal):
        raise ValueError(f"a package rule needs a market with packages, LocalLocalGlobal(...), not {market!r}")
    if not isinstance(rule, PackageRule):
        raise ValueError(f"a market with packages needs a package rule, such as PackageRule(), not {rule!r}")
    return packages.solve(rule, market)


SOLVERS: dict[type, Callable[[Any, Any], Any]] = {
    FirstPrice: first_price,
    SecondPrice: second_price,
    AverageBid: average_bid,
    PricePoints: price_points,
    FirstScore: scored.score,
    SecondScore: scored.score,
    RatioScore: scored.ratio,
}
