"""Bidding rules, as values: who wins one contract, and what is paid.

Each rule, called with bids of shape (draws, bidders), the class of each bidder and a generator for ties, says who wins
(−1: nobody) and what is paid (0 where nobody wins).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Outcome(NamedTuple):
    """Winner (−1: none) and payment (0 where there is none) of each draw."""

    winner: Places
    payment: Floats


def _positive(rule: object, name: str) -> None:
    value = getattr(rule, name)
    if value is not None and not 0 < value < math.inf:
        raise ValueError(f"{type(rule).__name__}: {name} is {value!r}; it must be an amount above 0, or None")


def _shares(rule: object, name: str) -> None:
    for number, share in getattr(rule, name).items():
        if not 0 <= share < 1:
            raise ValueError(f"{type(rule).__name__}: {name} of class {number} is {share!r}; it must be in [0, 1)")


def _lowest(value: Floats, generator: np.random.Generator | None) -> Places:
    """The bidder of the lowest value in each row (NaN: none), ties by lot; −1 where there is none."""
    value = np.where(np.isnan(value), np.inf, value)
    winner = value.argmin(axis=1)
    low = value[np.arange(len(value)), winner]
    if generator is not None:
        tied = np.flatnonzero((value == low[:, None]).sum(axis=1) > 1)
        if len(tied):
            drawn = np.where(value[tied] == low[tied, None], generator.random((len(tied), value.shape[1])), -1.0)
            winner[tied] = drawn.argmax(axis=1)
    return np.where(np.isinf(low), -1, winner)


def _paid(bids: Floats, winner: Places) -> Outcome:
    own = bids[np.arange(len(bids)), np.maximum(winner, 0)]
    return Outcome(winner, np.where(winner < 0, 0.0, own))


@dataclass(frozen=True)
class FirstPrice:
    """The lowest evaluated price wins and is paid the price it asked.

    The evaluated price of class k is (1 − δ_k) · price; the contract price stays as asked. That is a price preference,
    and China's deduction for small firms where the lowest evaluated price wins.

    Args:
        reserve: The highest price that may be asked; None: any.
        preference: δ by class, `{1: 0.1}`.
        floor: Bids below it are rejected as abnormally low.

    >>> rule = FirstPrice(reserve=100, preference={1: 0.1})
    >>> rule(np.array([[90.0, 95.0], [101.0, 102.0]]), np.array([0, 1]))
    Outcome(winner=array([ 1, -1]), payment=array([95.,  0.]))
    """

    reserve: float | None = None
    preference: Mapping[int, float] = field(default_factory=dict)
    floor: float | None = None

    def __post_init__(self) -> None:
        _positive(self, "reserve")
        _positive(self, "floor")
        _shares(self, "preference")
        if self.floor is not None and self.reserve is not None and self.floor >= self.reserve:
            raise ValueError(f"FirstPrice: the floor, {self.floor:g}, must be below the reserve, {self.reserve:g}")

    def factor(self, cls: Places) -> Floats:
        """1 − δ of each bidder."""
        return np.array([1 - self.preference.get(int(each), 0.0) for each in cls])

    def __call__(self, bids: Floats, cls: Places, generator: np.random.Generator | None = None) -> Outcome:
        """Who wins, and what is paid."""
        valid = bids <= (math.inf if self.reserve is None else self.reserve)
        valid &= bids >= (-math.inf if self.floor is None else self.floor)
        return _paid(bids, _lowest(np.where(valid, bids * self.factor(cls), np.inf), generator))


@dataclass(frozen=True)
class SecondPrice:
    """The lowest evaluated price wins and is paid its critical price: the highest with which it would still have won.

    The evaluated price of class k is (1 − δ_k) · price − d_k. Asking one's cost is a dominant strategy.

    Args:
        reserve: The highest price that may be asked, and the most that is paid; None: any. By class, `{0: 1, 1: 1.2}`,
            if it differs.
        preference: δ by class.
        advantage: d by class, in money.

    >>> rule = SecondPrice(reserve=100, preference={1: 0.1})
    >>> rule(np.array([[90.0, 95.0], [80.0, 120.0]]), np.array([0, 1]))
    Outcome(winner=array([1, 0]), payment=array([100., 100.]))
    """

    reserve: float | Mapping[int, float] | None = None
    preference: Mapping[int, float] = field(default_factory=dict)
    advantage: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _shares(self, "preference")
        caps = self.reserve.values() if isinstance(self.reserve, Mapping) else [self.reserve]
        if not all(cap is None or cap > 0 for cap in caps):
            raise ValueError(f"SecondPrice: reserve is {self.reserve!r}; it must be above 0, or None")
        if not all(math.isfinite(amount) for amount in self.advantage.values()):
            raise ValueError(f"SecondPrice: advantage is {self.advantage!r}; it must give classes an amount of money")

    def caps(self, cls: Places) -> Floats:
        """The reserve of each bidder; infinite without one."""
        if isinstance(self.reserve, Mapping):
            return np.array([float(self.reserve.get(int(each), math.inf)) for each in cls])
        return np.full(len(cls), math.inf if self.reserve is None else float(self.reserve))

    def factor(self, cls: Places) -> Floats:
        """1 − δ of each bidder."""
        return np.array([1 - self.preference.get(int(each), 0.0) for each in cls])

    def off(self, cls: Places) -> Floats:
        """d of each bidder."""
        return np.array([float(self.advantage.get(int(each), 0.0)) for each in cls])

    def __call__(self, bids: Floats, cls: Places, generator: np.random.Generator | None = None) -> Outcome:
        """Who wins, and what is paid."""
        caps, factor, off = self.caps(cls), self.factor(cls), self.off(cls)
        value = np.where(bids <= caps, bids * factor - off, np.inf)
        winner = _lowest(value, generator)
        rows, own = np.arange(len(bids)), np.maximum(winner, 0)
        rivals = value.copy()
        rivals[rows, own] = np.inf
        critical = (rivals.min(axis=1, initial=math.inf) + off[own]) / factor[own]
        return Outcome(winner, np.where(winner < 0, 0.0, np.minimum(critical, caps[own])))


@dataclass(frozen=True)
class AverageBid:
    """The bid closest to the mean of all wins and is paid what it asked; ties by lot.

    Args:
        reserve: The highest price that may be asked; None: the highest possible cost.
        discount: The benchmark is the mean less that share: with 0.05, closest to 95 % of the mean.
        exclusion: The rule of Italy's code of 2006 instead: bids that undercut the mean by as much as those that
            undercut it do on average, or by more, are excluded, and the lowest of the others wins.

    >>> AverageBid()(np.array([[90.0, 100.0, 104.0]]), np.array([0, 0, 0]))
    Outcome(winner=array([1]), payment=array([100.]))
    """

    reserve: float | None = None
    discount: float = 0.0
    exclusion: bool = False

    def __post_init__(self) -> None:
        _positive(self, "reserve")
        if not 0 <= self.discount < 1:
            raise ValueError(f"AverageBid: discount is {self.discount!r}; it must be a share in [0, 1)")

    def __call__(self, bids: Floats, cls: Places, generator: np.random.Generator | None = None) -> Outcome:
        """Who wins, and what is paid."""
        valid = np.isfinite(bids) & (bids <= (math.inf if self.reserve is None else self.reserve))
        count = np.maximum(valid.sum(axis=1), 1)
        asked = np.where(valid, bids, 0.0)
        mean = asked.sum(axis=1) / count
        if not self.exclusion:
            away = np.abs(bids - (1 - self.discount) * mean[:, None])
            # Bids equally far away must tie although their mean is rounded.
            digit = 1e-12 * np.maximum(np.abs(mean), 1e-300)[:, None]
            away = np.where(valid, np.round(away / digit) * digit, np.inf)
            return _paid(bids, _lowest(away, generator))
        under = np.where(valid & (bids < mean[:, None]), mean[:, None] - bids, 0.0)
        deviation = under.sum(axis=1) / np.maximum((under > 0).sum(axis=1), 1)
        room = 1e-12 * np.abs(mean)
        allowed = valid & ((bids > (mean - deviation + room)[:, None]) | (under.sum(axis=1) <= room)[:, None])
        return _paid(bids, _lowest(np.where(allowed, bids, np.inf), generator))


@dataclass(frozen=True)
class PricePoints:
    """Price points are weight · lowest price / price; with the points for quality added, most points win.

    The price points of China's Order 87 and of the World Bank's QCBS. `lead` is what a class is ahead on quality:
    earned, or given by an official (`hidden`: the others do not know of it and bid as if there were none).

    Args:
        weight: Points for the lowest price.
        lead: Points ahead, by class.
        reserve: The highest price that may be asked; None: any.
        hidden: Whether only those who have a lead know of it.

    >>> PricePoints(30, lead={0: 6})(np.array([[120.0, 100.0]]), np.array([0, 1]))
    Outcome(winner=array([0]), payment=array([120.]))
    """

    weight: float = 30.0
    lead: Mapping[int, float] = field(default_factory=dict)
    reserve: float | None = None
    hidden: bool = False

    def __post_init__(self) -> None:
        _positive(self, "weight")
        _positive(self, "reserve")
        for number, points in self.lead.items():
            if not 0 <= points < self.weight:
                raise ValueError(
                    f"PricePoints: the lead of class {number} is {points!r}; it must be at least 0 and below the "
                    f"weight, {self.weight:g}: with more no price of the others could win"
                )

    def __call__(self, bids: Floats, cls: Places, generator: np.random.Generator | None = None) -> Outcome:
        """Who wins, and what is paid."""
        valid = np.isfinite(bids) & (bids <= (math.inf if self.reserve is None else self.reserve))
        asked = np.where(valid, bids, np.inf)
        lead = np.array([self.lead.get(int(each), 0.0) for each in cls])
        with np.errstate(invalid="ignore"):
            points = self.weight * asked.min(axis=1, initial=math.inf)[:, None] / asked + lead
        return _paid(bids, _lowest(np.where(valid, -points, np.inf), generator))


@dataclass(frozen=True)
class FirstScore:
    """The highest value(quality) − price wins, and delivers the quality it promised at the price it asked (Che 1993).

    Args:
        value: s(q), money for quality, growing and concave; takes arrays.

    >>> FirstScore(lambda q: 10 * q).value(0.5)
    5.0
    """

    value: Callable[[Any], Any]


@dataclass(frozen=True)
class SecondScore:
    """The highest value(quality) − price wins, and has to match the score of the next, with any quality and price.

    Args:
        value: s(q), money for quality.
    """

    value: Callable[[Any], Any]


@dataclass(frozen=True)
class RatioScore:
    """The lowest price per unit of quality wins.

    Args:
        second: Whether the winner has to match the ratio of the next only, with any quality and price.
    """

    second: bool = False


CATALOGUE = (FirstPrice, SecondPrice, AverageBid, PricePoints, FirstScore, SecondScore, RatioScore)
