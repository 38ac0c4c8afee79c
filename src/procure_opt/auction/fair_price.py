"""What the work should cost under competition: where the winning bid of the next tender will lie.

Costs are handled as curves, C(t) the cost below which a share t of suppliers lies, straight between the points
`SHARES`: integrals against powers of 1 − t are then exact, and many curves (an estimate and its replications) are one
array.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procure_opt.auction.distributions import Distribution, checked

Floats = NDArray[np.float64]

# Close at both ends: a bid is a mean over those who cost more, however few, and the lowest of many costs is a low one.
FEW = np.concatenate([np.geomspace(1e-12, 1e-5, 30, endpoint=False), np.geomspace(1e-5, 0.05, 400)])
SHARES: Floats = np.unique(np.concatenate([FEW, np.linspace(0, 1, 701), 1 - FEW]))
DRAWN: Floats = (np.arange(200) + 0.5) / 200  # shares of tenders at which each replication's winning bid is looked up

UNTESTED = "Whether costs are private was not tested: these are costs as given, not estimated from bids."


@dataclass(frozen=True, eq=False)
class Curves:
    """What is believed of the costs of the suppliers of one kind.

    Attributes:
        costs: C(t) at `SHARES` of those who bid, a row a belief, the estimate first and after it its replications.
        bidding: F(r), the share of suppliers whose cost is low enough to bid; 1 without a reserve. Shape (rows,).
        common: How many times dearer an auction is than the one that the costs are for, at equal shares of auctions, in
            what bidders see and the buyer cannot tell beforehand; 1 if there is no such thing. Shape (rows, shares).
        risk_aversion: ρ of the utility x^(1 − ρ) of a profit x.
        private_cost: What the test of private against common costs says.
        rests_on: What all this rests on, a sentence each.
        reference: The auction they are for where none is named, in words; blank where nothing tells auctions apart.
    """

    costs: Floats
    bidding: Floats
    common: Floats
    risk_aversion: float = 0.0
    private_cost: str = UNTESTED
    rests_on: tuple[str, ...] = ()
    reference: str = ""


@dataclass(frozen=True)
class FairPrice:
    """Where the winning bid of one tender will lie if suppliers compete.

    Attributes:
        n: Bidders.
        level: With which probability the winning bid lies in the band (see `fair_price` for how nearly).
        low: Lower end of the band; `(1 − level) / 2` of competitive tenders end below it.
        high: Upper end.
        mean_lowest_cost: E c₁:ₙ, what the work costs the cheapest supplier in the mean.
        mean_second_cost: E c₂:ₙ, what it costs the next, and what the winner is paid in the mean.
        known_costs: The band if the estimate were the truth, without the uncertainty of what was estimated.
        private_cost: What the test of private against common costs says: if costs are common the band does not hold.
        rests_on: What the figures rest on, a sentence each.
        at: The auction they are for, where it was told apart by covariates.
        reference: The auction they are for in all that `at` does not name, in words; blank where nothing tells auctions
            apart.
    """

    n: int
    level: float
    low: float
    high: float
    mean_lowest_cost: float
    mean_second_cost: float
    known_costs: tuple[float, float]
    private_cost: str
    rests_on: tuple[str, ...]
    at: Mapping[str, Any] = field(default_factory=dict)
    reference: str = ""

    def __str__(self) -> str:
        named = ", ".join(f"{name} {value}" for name, value in self.at.items())
        where = named or (f"reference auction: {self.reference}" if self.reference else "")
        there = f" ({where})" if where else ""
        return "\n".join([
            self.private_cost,
            f"{self.level:.0%} of competitive tenders with {self.n} bidders{there} are won at {_told(self.low)} to "
            f"{_told(self.high)}.",
            f"Means: lowest cost {_told(self.mean_lowest_cost)}, second lowest {_told(self.mean_second_cost)}.",
            *(f"Rests on: {each}" for each in self.rests_on),
        ])  # fmt: skip


def _told(amount: float) -> str:
    """Four digits: more is not known."""
    return f"{float(f'{amount:.4g}'):,.10g}"


def fair_price(costs: Any, n: int, level: float = 0.90, *, at: Mapping[str, Any] | None = None) -> FairPrice:
    """The band in which the competitive winning bid of a tender with n bidders lies, in first price.

    The bid at a cost below which a share t lies is, with risk aversion ρ and θ = 1 − ρ,

        B(t) = C(t) + ∫_t^1 C′(s) [(1 − s) / (1 − t)]^((n−1)/θ) ds,

    and the lowest of n costs lies at a share below t with probability 1 − (1 − t)^n: the band is B at the
    (1 ± level) / 2 of that. With an estimate that has replications its ends are those of the mixture over them, which
    adds what is not known of the costs to what chance does in one tender; they are shifted so that their median is the
    estimate, for no auctions drawn anew have a lower cost than the lowest of those there are. From few auctions the
    band still holds a little less than it says: with costs uniform on 80 to 120, of 90 % of tenders 89.0 % from 20
    auctions with three bidders or 40 with two, 89.4 % from 100 with three (means of 60 samples). The means E c₁:ₙ and
    E c₂:ₙ are no band: with such costs and five bidders 40 % of competitive tenders are won above E c₂:ₙ.

    Args:
        costs: An estimate (see `estimate_costs`), or a distribution of a supplier's cost.
        n: Bidders in the tender; if the estimate was made with `potential=`, suppliers who could bid.
        level: Probability that the winning bid lies in the band.
        at: Of an estimate with covariates: what is different from its reference auction, `{"area": 1200}`.

    Raises:
        ValueError: n is not a whole number of at least 2, level not between 0 and 1, or `at` cannot be.

    References: Holt (1980), Journal of Political Economy 88, for the bid.

    >>> from scipy import stats
    >>> fair = fair_price(stats.uniform(80, 40), 5)
    >>> round(fair.low, 1), round(fair.high, 1)
    (88.3, 102.4)
    >>> round(fair.mean_lowest_cost, 2), round(fair.mean_second_cost, 2)
    (86.67, 93.33)
    """
    n = bidders(n)
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it must be between 0 and 1, such as 0.90")
    curves = as_curves(costs, at)
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    known = _mixed(curves, n, ends, slice(0, 1))
    low, high = known if len(curves.costs) == 1 else _mixed(_centred(curves), n, ends, slice(1, None))
    first, second = mean_costs(curves, n)[:, 0] * curves.common[0].mean()
    rule = f"first price, {n} bidders of one kind with private costs who know nothing of each other's"
    if curves.risk_aversion:
        rule += f", risk aversion {curves.risk_aversion:g} (so that bids are lower than E c₂:ₙ in the mean)"
    rests_on = (rule, *curves.rests_on)
    return FairPrice(n, level, float(low), float(high), float(first), float(second), (float(known[0]), float(known[1])),
                     curves.private_cost, rests_on, dict(at or {}), curves.reference)  # fmt: skip


def _centred(curves: Curves) -> Curves:
    """The replications shifted, at each share, so that their median is the estimate."""
    again = curves.costs[1:] + (curves.costs[0] - np.median(curves.costs[1:], axis=0))
    return replace(curves, costs=np.vstack([curves.costs[:1], np.maximum.accumulate(again, axis=1)]))


def _mixed(curves: Curves, n: int, ends: Floats, rows: slice) -> Floats:
    """Quantiles of the winning bid, mixed over beliefs and over what is an auction's own."""
    few = replace(curves, costs=curves.costs[rows], bidding=curves.bidding[rows])
    common = curves.common[rows]
    if common.size == 1:
        return np.asarray(winning_bids(few, n, ends)[0] * common[0, 0])
    won = winning_bids(few, n, DRAWN)
    return np.asarray(np.quantile(won[:, :, None] * common[:, None, :], ends))


def bidders(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int | float | np.number) or not (n >= 2 and n % 1 == 0):
        raise ValueError(f"n is {n!r}; competition needs a whole number of at least 2 bidders")
    return int(n)


def as_curves(costs: Any, at: Mapping[str, Any] | None = None) -> Curves:
    """The curves of an estimate, or of a distribution."""
    if hasattr(costs, "curves"):
        found: Curves = costs.curves(at)
        return found
    checked(costs, "the costs")
    if at:
        raise ValueError("at= is for estimates with covariates; a distribution has none")
    return Curves(curve(costs)[None, :], np.ones(1), np.ones((1, 1)), rests_on=("the distribution of costs as given",))


def curve(distribution: Distribution) -> Floats:
    """C(t) at `SHARES`; where there is no highest cost, that of one in 10¹² stands for it."""
    half = int(np.searchsorted(SHARES, 0.5))
    upper = distribution.isf(1 - SHARES[half:])
    if not np.isfinite(upper[-1]):
        upper[-1] = distribution.isf(1e-12)
    return np.concatenate([np.asarray(distribution.ppf(SHARES[:half]), dtype=float), np.asarray(upper, dtype=float)])


def ordered(costs: Floats) -> Floats:
    """C(t) at `SHARES` of costs that are known one by one, straight between them: a density would have to be smoothed.

    Of m costs the k-th lowest stands at the share k / (m + 1) that lies below it in the mean. C(0) is as far below the
    lowest as the second lowest is above it, but not below half of it: the lowest of some costs is above the lowest that
    a supplier can have (Robson and Whitlock 1964, Biometrika 51).

    >>> np.interp([1 / 3, 0.5, 2 / 3], SHARES, ordered(np.array([3.0, 2.5]))).round(2).tolist()
    [2.5, 2.75, 3.0]
    """
    costs = np.sort(costs)
    lowest, higher = costs[0], costs[costs > costs[0]][:1]
    start = min(lowest, max(2 * lowest - higher[0], lowest / 2)) if len(higher) else lowest
    shares = np.arange(len(costs) + 1) / (len(costs) + 1)
    return np.asarray(np.interp(SHARES, shares, np.append(start, costs)), dtype=float)


def bids(curves: Curves, n: int) -> Floats:
    """B(t) at `SHARES` of those who bid, a row a belief."""
    power = (n - 1) / (1 - curves.risk_aversion)
    left = 1 - curves.bidding[:, None] * SHARES
    ratio = left[:, 1:] / left[:, :-1]
    # ∫ of ((1 − s) / (1 − t))^power over a cell, by its width in s; both ways where the cell is narrow.
    width = np.where(ratio < 1, 1 - ratio, 1.0)
    inside = np.where(ratio < 1, (1 - ratio ** (power + 1)) / ((power + 1) * width), 1.0)
    part, carried = np.diff(curves.costs, axis=1) * inside, ratio**power
    above = np.zeros_like(curves.costs)
    for k in range(len(SHARES) - 2, -1, -1):
        above[:, k] = part[:, k] + carried[:, k] * above[:, k + 1]
    return curves.costs + above


def winning_bids(curves: Curves, n: int, shares: Floats) -> Floats:
    """The winning bids below which these shares of tenders end in which anybody bids, shape (rows, shares)."""
    asked = bids(curves, n)
    some = 1 - (1 - curves.bidding) ** n
    lowest = (1 - (1 - shares * some[:, None]) ** (1 / n)) / curves.bidding[:, None]
    return np.array([np.interp(at, SHARES, row) for at, row in zip(lowest, asked)], dtype=float)


def mean_costs(curves: Curves, n: int) -> Floats:
    """E c₁:ₙ and E c₂:ₙ (where only one bids, the highest cost that does), shape (2, rows), given that one bids."""
    none = (1 - curves.bidding) ** n
    top, low = curves.costs[:, -1], curves.costs[:, 0]
    up_to = low + np.stack([waiting(curves, n)[-1], second_waiting(curves, n)[-1]])
    return np.asarray((up_to - none * top) / (1 - none))


def waiting(curves: Curves, n: int) -> Floats:
    """∫ S^n dc from the lowest cost up to each, shape (points, rows)."""
    left = 1 - curves.bidding * SHARES[:, None]
    step = left[:-1] - left[1:]
    power = (left[:-1] ** (n + 1) - left[1:] ** (n + 1)) / ((n + 1) * step)
    return np.vstack([np.zeros(len(curves.costs)), np.cumsum(np.diff(curves.costs, axis=1).T * power, axis=0)])


def second_waiting(curves: Curves, n: int) -> Floats:
    """∫ P(c₂:ₙ > c) dc from the lowest cost up to each, shape (points, rows)."""
    return np.asarray(n * waiting(curves, n - 1) - (n - 1) * waiting(curves, n))
