"""What an equilibrium is, and what has to hold of a market before one is looked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procure_opt.auction.asymmetric import NotConverged
from procure_opt.auction.market import Market
from procure_opt.auction.symmetric import Strategy

Floats = NDArray[np.float64]

WHOLE = 1e-6  # by how much the chances to win may miss their sum


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """Bids that are best responses to each other, up to ε, and what comes of them.

    Attributes:
        rule: The bidding rule.
        market: The market as it bids: rings are one supplier.
        strategies: The bid for each cost, by class (with a common component: for each private cost + signal / n).
        low_bid: The lowest bid made.
        expected_payment: What is paid to suppliers in the mean, 0 where nothing is awarded.
        expected_cost: What the work costs the winner in the mean, 0 where nothing is awarded.
        win_probability: Of each class as a whole.
        epsilon: The most a supplier of any cost could gain by another bid (in utility where it is averse to risk), or,
            before it knows its cost, by another decision to enter.
        bidding: Probability that a supplier bids (uninformed entry); 1 otherwise.
        note: Which equilibrium this is where there are several, and what else should be known.
    """

    rule: Any
    market: Market
    strategies: tuple[Strategy, ...]
    low_bid: float
    expected_payment: float
    expected_cost: float
    win_probability: tuple[float, ...]
    epsilon: float
    bidding: float = 1.0
    note: str = ""

    def bid(self, cost: Any, cls: int = 0) -> Any:
        """The bid of a supplier of some cost and class; NaN if it does not bid."""
        if cls not in range(len(self.strategies)):
            raise ValueError(f"there is no class {cls!r}; classes are 0 to {len(self.strategies) - 1}")
        asked = self.strategies[cls](cost)
        return float(asked) if np.ndim(cost) == 0 else asked

    def bids(self, costs: Floats, generator: np.random.Generator | None = None) -> Floats:
        """The bids of all suppliers, shape (draws, bidders), NaN where one does not bid."""
        asked = np.empty_like(costs)
        for number, strategy in enumerate(self.strategies):
            some = self.market.cls == number
            asked[:, some] = strategy(costs[:, some])
        if self.bidding < 1 and generator is not None:
            asked[generator.random(costs.shape) > self.bidding] = np.nan
        return asked

    @property
    def award_probability(self) -> float:
        """The probability that a supplier is awarded the contract."""
        return float(sum(self.win_probability))

    @property
    def expected_outlay(self) -> float:
        """What the buyer spends in the mean: payments, and the in-house cost where nothing is awarded."""
        if self.award_probability > 1 - 1e-12:
            return self.expected_payment
        if self.market.in_house is None:
            return math.nan
        return self.expected_payment + (1 - self.award_probability) * self.market.in_house

    @property
    def expected_bidders(self) -> float:
        """How many bid in the mean."""
        ready = (
            count * float(distribution.cdf(min(strategy.ceiling, float(distribution.support()[1]))))
            for (distribution, count), strategy in zip(self.market.known, self.strategies, strict=True)
        )
        return self.bidding * sum(ready)

    @property
    def rents(self) -> float:
        """What all suppliers earn together in the mean, after the costs of bidding."""
        paying = self.expected_bidders if self.market.entry == "informed" else self.bidding * self.market.bidders
        return self.expected_payment - self.expected_cost - paying * self.market.entry_cost


def whole(found: Equilibrium) -> None:
    """The chances to win have to add up to the chance that anybody bids."""
    none = 1.0
    for (distribution, count), strategy in zip(found.market.known, found.strategies, strict=True):
        bids = 1.0 if math.isinf(strategy.ceiling) else float(distribution.cdf(strategy.ceiling))
        none *= (1 - found.bidding * bids) ** count
    if not found.market.correlation and abs(found.award_probability - (1 - none)) > WHOLE:
        raise NotConverged(
            f"the chances to win under {found.rule!r} add up to {found.award_probability:.9f}, not {1 - none:.9f}",
            found.epsilon,
        )
    if not (math.isfinite(found.expected_payment) and math.isfinite(found.expected_cost)):
        raise ValueError(f"under {found.rule!r} the expected payment is infinite; truncate the distribution of costs")


def entry_regret(found: Equilibrium) -> float:
    """What a supplier could gain by entering, or by staying away, against its strategy before it knows its cost.

    Who enters with probability 0 < q < 1 must earn just its entry cost in the mean; the payments say whether it does.
    """
    market = found.market
    if market.entry != "uninformed" or not market.entry_cost:
        return 0.0
    earned = (found.expected_payment - found.expected_cost) / (found.bidding * market.bidders)
    return abs(earned - market.entry_cost) if found.bidding < 1 else max(0.0, market.entry_cost - earned)


def reserve_of(rule: Any, market: Market) -> float:
    """The highest price that may be asked; infinite without one."""
    reserve = math.inf if rule.reserve is None else float(rule.reserve)
    lows = [float(each.support()[0]) for each, _ in market.known]
    if reserve <= min(lows):
        raise ValueError(f"the reserve, {reserve:g}, is not above the lowest cost, {min(lows):g}: nobody can bid")
    return reserve


def risk_neutral(market: Market, what: str) -> None:
    if market.risk_aversion or market.absolute_risk_aversion:
        raise ValueError(f"{what} is solved for suppliers who are neutral to risk; set risk_aversion to 0")


def private(market: Market, what: str) -> None:
    if market.correlation or market.common is not None:
        raise ValueError(f"{what} is solved for independent private costs; leave correlation and common out")
