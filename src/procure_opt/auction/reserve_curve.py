"""What the buyer spends in the mean against the reserve, for three ways in which suppliers come to bid."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from procure_opt.auction.fair_price import SHARES, Curves, as_curves, bidders

Floats = NDArray[np.float64]

MOST = 100  # replications that are followed; more say no more of the interval than its third digit


@dataclass(frozen=True)
class Costs:
    """One belief of the costs of N suppliers: the cost C(t) below which a share t of them lies, straight between."""

    cost: Floats
    share: Floats
    suppliers: int

    def below(self, cost: Floats) -> Floats:
        """F(c), nothing at the lowest cost and below, even where several costs are as low."""
        return np.where(cost > self.cost[0], np.interp(cost, self.cost, self.share), 0.0)

    def up_to(self, cost: Floats, height: Callable[[Floats], Floats]) -> Floats:
        """∫ height(F(c)) dc from the lowest cost to each of some, by Simpson's rule where F is straight."""
        cost = np.maximum(cost, self.cost[0])[:, None]
        costs = np.hstack([np.minimum(self.cost, cost), cost])
        shares = np.hstack([np.minimum(self.share, self.below(cost)), self.below(cost)])
        ends, middle = height(shares), height((shares[:, 1:] + shares[:, :-1]) / 2)
        return np.asarray((np.diff(costs) * (ends[:, 1:] + 4 * middle + ends[:, :-1]) / 6).sum(axis=1))


@dataclass(frozen=True, eq=False)
class ReserveCurve:
    """The buyer's expected outlay against the reserve.

    Attributes:
        table: A row a reserve, with columns `fixed`, and where entry costs something `uninformed` and `informed`; each
            with the ends `_low` and `_high` of its interval where the estimate has replications.
        best: A row a way to come to bid: the `reserve` of least outlay and that `outlay`, with intervals likewise.
        outside_cost: What is spent where nobody bids.
        suppliers: Who bid, or could.
        level: Of the intervals.
        rests_on: What the figures rest on, a sentence each.
    """

    table: pd.DataFrame
    best: pd.DataFrame
    outside_cost: float
    suppliers: int
    level: float
    rests_on: tuple[str, ...]


def reserve_curve(
    costs: Any,
    outside_cost: float,
    suppliers: int,
    *,
    entry_cost: float = 0.0,
    reserves: Any = None,
    level: float = 0.95,
    at: Mapping[str, Any] | None = None,
) -> ReserveCurve:
    """What the buyer spends in the mean against the reserve r, with v to be spent where nobody bids.

    In first price as in second price the outlay is E[min(c₂, r); somebody bids] + v P(nobody bids), where c₂ is the
    second lowest cost of those who bid, and who bids depends on how suppliers come to bid:

    * `fixed`: all N whose cost is below r (Myerson 1981);
    * `uninformed`: each of N decides before it knows its cost, with the probability q at which
      ∫ F (1 − qF)^(N−1) dc up to r is what bidding costs (Levin and Smith 1994);
    * `informed`: each knows it, and bids below the cost c* with (r − c*) S(c*)^(N−1) = entry cost (Samuelson 1985).

    Args:
        costs: An estimate (see `estimate_costs`), or a distribution of a supplier's cost.
        outside_cost: v, what doing the work oneself costs, or the next best offer.
        suppliers: N, those who bid in a fixed field, and who could where entry costs something.
        entry_cost: What preparing a bid costs a supplier; with 0 there is only the fixed field.
        reserves: Those to look at; 61 from the lowest cost to v if left out.
        level: Of the intervals, which are percentiles over replications.
        at: Of an estimate with covariates: what is different from its reference auction.

    Raises:
        ValueError: an argument is out of range, or a reserve is not above 0 or above the highest at which costs are
            known.

    >>> from scipy import stats
    >>> curve = reserve_curve(stats.uniform(0, 1), 1.0, 5, entry_cost=0.06, reserves=[0.5, 0.85, 1.0])
    >>> curve.table.round(6)
                fixed  uninformed  informed
    reserve
    0.50     0.328125    0.533306  0.456464
    0.85     0.333276    0.447757  0.452799
    1.00     0.333333    0.447151  0.459398
    >>> curve.best["reserve"].round(3).to_dict()
    {'fixed': 0.5, 'uninformed': 1.0, 'informed': 0.659}
    """
    suppliers = bidders(suppliers)
    curves = as_curves(costs, at)
    tried = _reserves(curves, outside_cost, reserves)
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it must be between 0 and 1, such as 0.95")
    ways = WAYS if entry_cost > 0 else {"fixed": fixed}
    if not 0 <= entry_cost < math.inf:
        raise ValueError(f"entry_cost is {entry_cost!r}; it must be an amount of at least 0")
    if curves.risk_aversion:
        raise ValueError("the reserve is worked out for suppliers who are neutral to risk")
    if curves.common.shape[1] > 1:
        raise ValueError(
            "bidders see of an auction what the buyer does not, so that one reserve means another in each; estimate "
            "with covariates that tell it, or take the curve of estimate.distribution, for an auction of median y"
        )
    replications = len(curves.costs) - 1
    rows = np.append(0, 1 + np.arange(min(replications, MOST)) * max(replications // MOST, 1))
    believed = [Costs(curves.costs[row], curves.bidding[row] * SHARES, suppliers) for row in rows]
    columns, best = dict[str, Floats](), dict[str, dict[str, float]]()
    looked = _reserves(curves, outside_cost, None)
    for name, way in ways.items():
        outlays = np.stack([outlay(way, each, tried, outside_cost, entry_cost) for each in believed])
        columns |= _with_interval(name, outlays, level)
        least = np.array([_least(way, each, looked, outside_cost, entry_cost) for each in believed])
        at_best = _with_interval("reserve", least[:, 0], level) | _with_interval("outlay", least[:, 1], level)
        best[name] = {key: float(value) for key, value in at_best.items()}
    index = pd.Index(tried, name="reserve")
    rests = (*curves.rests_on, f"{suppliers} suppliers of one kind with private costs, who are neutral to risk")
    table = pd.DataFrame(best).T.rename_axis("entry")
    return ReserveCurve(pd.DataFrame(columns, index), table, float(outside_cost), suppliers, level, rests)


def outlay(way: Way, costs: Costs, reserves: Floats, outside: float, entry_cost: float) -> Floats:
    """E[payment] + v P(nobody bids) at some reserves: who bids alone is paid the reserve, else the second cost."""
    n, low = costs.suppliers, costs.cost[0]
    entering, highest = way(costs, reserves, entry_cost)
    highest = np.maximum(highest, low)

    def second_above(share: Floats) -> Floats:
        left = 1 - entering[:, None] * share
        return np.asarray(n * left ** (n - 1) - (n - 1) * left**n)

    left = 1 - entering * costs.below(highest)
    none, alone = left**n, n * left ** (n - 1) * (1 - left)
    second = low + costs.up_to(highest, second_above) - highest * (none + alone)
    return np.asarray(second + alone * reserves + none * outside)


def fixed(costs: Costs, reserves: Floats, entry_cost: float) -> tuple[Floats, Floats]:
    """All bid whose cost is below the reserve."""
    return np.ones_like(reserves), reserves


def uninformed(costs: Costs, reserves: Floats, entry_cost: float) -> tuple[Floats, Floats]:
    """Each supplier enters with the probability at which that earns what it costs."""
    rivals, q = costs.suppliers - 1, np.zeros_like(reserves)

    def earned(q: Floats) -> Floats:
        return costs.up_to(reserves, lambda share: share * (1 - q[:, None] * share) ** rivals)

    def fall(q: Floats) -> Floats:
        return costs.up_to(reserves, lambda share: rivals * share**2 * (1 - q[:, None] * share) ** (rivals - 1))

    # What is earned falls and is convex in q: Newton's steps from 0 never go too far.
    enter = earned(q) > entry_cost
    for _ in range(100):
        step = np.where(enter & (q < 1), (earned(q) - entry_cost) / np.maximum(fall(q), 1e-300), 0.0)
        q = np.clip(q + np.maximum(step, 0.0), 0.0, 1.0)
        if step.max() < 1e-13:
            break
    return q, reserves


def informed(costs: Costs, reserves: Floats, entry_cost: float) -> tuple[Floats, Floats]:
    """Each supplier enters whose cost is below that at which winning alone just pays for it."""
    low = np.full_like(reserves, costs.cost[0])
    high = np.maximum(np.minimum(reserves, costs.cost[-1]), low)
    for _ in range(60):
        middle = (low + high) / 2
        pays = (reserves - middle) * (1 - costs.below(middle)) ** (costs.suppliers - 1) > entry_cost
        low, high = np.where(pays, middle, low), np.where(pays, high, middle)
    return np.ones_like(reserves), low


Way = Callable[[Costs, Floats, float], tuple[Floats, Floats]]  # -> probability to enter, highest cost that bids
WAYS: dict[str, Way] = {"fixed": fixed, "uninformed": uninformed, "informed": informed}


def _known_to(curves: Curves) -> float:
    """The highest reserve at which it is known who bids."""
    return math.inf if (curves.bidding == 1).all() else float(curves.costs[0, -1])


def _reserves(curves: Curves, outside_cost: float, reserves: Any) -> Floats:
    low, top = float(curves.costs[0, 0]), _known_to(curves)
    if not max(low, 0.0) < outside_cost < math.inf:
        raise ValueError(
            f"outside_cost, {outside_cost:g}, must be above the lowest cost a supplier can have, {low:g}: "
            "else do it in-house"
        )
    if reserves is None:
        return np.linspace(max(low, 0.0), min(outside_cost, top), 62)[1:]
    tried = np.atleast_1d(np.asarray(reserves, dtype=float))
    if not tried.size:
        raise ValueError("reserves names none: leave it out, or give one at least")
    if (tried <= 0).any():
        raise ValueError(f"reserves has {tried[tried <= 0][0]:g}; a reserve must be above 0")
    if not np.isfinite(tried).all() or tried.max() > top:
        raise ValueError(f"reserves must be amounts of at most {top:g}, up to where costs are known; got {reserves!r}")
    return tried


def _with_interval(name: str, values: Floats, level: float) -> dict[str, Floats]:
    """The estimate's values, and where there are replications percentiles over them."""
    if len(values) == 1:
        return {name: values[0]}
    low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: values[0], f"{name}_low": low, f"{name}_high": high}


def _least(way: Way, costs: Costs, tried: Floats, outside: float, entry_cost: float) -> tuple[float, float]:
    """The reserve of least outlay, and that outlay."""

    def spent(reserve: float) -> float:
        return float(outlay(way, costs, np.array([reserve]), outside, entry_cost)[0])

    best = int(outlay(way, costs, tried, outside, entry_cost).argmin())
    bounds = float(tried[max(best - 1, 0)]), float(tried[min(best + 1, len(tried) - 1)])
    found = float(
        optimize.minimize_scalar(spent, bounds=bounds, method="bounded", options={"xatol": 1e-7 * tried[-1]}).x
    )
    ends = [found, *bounds]
    return min(((reserve, spent(reserve)) for reserve in ends), key=lambda each: each[1])
