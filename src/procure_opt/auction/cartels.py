"""Tenders drawn with a known truth: competition with common shocks, and rings that collude in one of several ways.

Screens are tried on these, never on accused firms. Costs are e^(shock) · a with a private: bidders know the shock, who
reads the bids does not. Without a ring all bid the first-price equilibrium of n bidders. A ring asks, through the
member that is to win, the best answer to outsiders who do not know of it:

    max_b (b − a) · P(no outsider is below b),   with outsiders at the equilibrium of n bidders;

where all bidders are members it asks `ALONE` of the reserve. What its other members do is a `Behaviour`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.market import Market
from procure_opt.auction.rules import FirstPrice

Floats = NDArray[np.float64]
Award = Literal["first price", "average bid"]

COSTS = stats.beta(2, 3, loc=0.7, scale=0.6)
ROOM = 1.1  # the reserve, as a multiple of the highest cost
ALONE = 0.9  # what a ring of all bidders asks, as a share of the reserve
TREMBLE = 0.02  # spread of log bids around the common bid of an average-bid auction


class Meeting(NamedTuple):
    """What members of a ring look at before they bid, each of shape (auctions, members); `most` (auctions, 1)."""

    costs: Floats
    own: Floats  # what each would bid without the ring
    asks: Floats  # what each asks where it is the one to win
    most: Floats  # the reserve
    n: int  # bidders of an auction, outsiders among them


def _behind(meeting: Meeting, turn: NDArray[np.intp], above: Floats) -> Floats:
    """The member whose turn it is asks its price, all others that much above it, as a share."""
    lead = np.take_along_axis(meeting.asks, turn[:, None], axis=1)
    bids = lead * (1 + above)
    np.put_along_axis(bids, turn[:, None], lead, axis=1)
    return bids


@dataclass(frozen=True)
class Cover:
    """The member with the lowest cost is to win; the others bid a little above it (`low` to `high`, as shares).

    >>> Cover(3).members
    3
    """

    members: int
    low: float = 0.01
    high: float = 0.05

    def __call__(self, meeting: Meeting, generator: np.random.Generator) -> Floats:
        turn = meeting.costs.argmin(axis=1)
        return _behind(meeting, turn, generator.uniform(self.low, self.high, meeting.costs.shape))


@dataclass(frozen=True)
class Rotation:
    """Members win in turn, whatever their costs; the others cover."""

    members: int
    low: float = 0.01
    high: float = 0.05

    def __call__(self, meeting: Meeting, generator: np.random.Generator) -> Floats:
        turn = np.arange(len(meeting.costs)) % self.members
        return _behind(meeting, turn, generator.uniform(self.low, self.high, meeting.costs.shape))


@dataclass(frozen=True)
class ShareRule:
    """Members get shares of the contracts, the first the most (k, k − 1, …, 1 in proportion); the others cover.

    Whoever is furthest behind its share comes next (the method of largest remainders, auction after auction).
    """

    members: int
    low: float = 0.01
    high: float = 0.05

    def __call__(self, meeting: Meeting, generator: np.random.Generator) -> Floats:
        share = np.arange(self.members, 0, -1) / (self.members * (self.members + 1) / 2)
        had, turn = np.zeros(self.members), np.empty(len(meeting.costs), dtype=np.intp)
        for auction in range(len(turn)):
            turn[auction] = np.argmax(share * (auction + 1) - had)
            had[turn[auction]] += 1
        return _behind(meeting, turn, generator.uniform(self.low, self.high, meeting.costs.shape))


@dataclass(frozen=True)
class Phantom:
    """The member with the lowest cost is to win; the others bid far off, between `low` and `high` of the way from its
    bid to the reserve."""

    members: int
    low: float = 0.3
    high: float = 0.9

    def __call__(self, meeting: Meeting, generator: np.random.Generator) -> Floats:
        turn = meeting.costs.argmin(axis=1)
        lead = np.take_along_axis(meeting.asks, turn[:, None], axis=1)
        way = generator.uniform(self.low, self.high, meeting.costs.shape)
        return _behind(meeting, turn, way * (meeting.most - lead) / lead)


@dataclass(frozen=True)
class Suppression:
    """The member with the lowest cost bids; the others stay away."""

    members: int

    def __call__(self, meeting: Meeting, generator: np.random.Generator) -> Floats:
        return _behind(meeting, meeting.costs.argmin(axis=1), np.full(meeting.costs.shape, np.nan))


@dataclass(frozen=True)
class Inflation:
    """All members bid what they would bid without the ring, times a factor."""

    members: int
    factor: float = 1.1

    def __call__(self, meeting: Meeting, generator: np.random.Generator) -> Floats:
        return np.asarray(meeting.own * self.factor)


@dataclass(frozen=True)
class Steering:
    """Members pull the mean of an average-bid auction onto the bid of one of them (Conley and Decarolis 2016).

    With outsiders at the common bid p, one member asks p (1 + d) and each of the k − 1 others
    p (1 + d (n − 1)/(k − 1)): the mean of all n is then p (1 + d).
    """

    members: int
    step: float = 0.015

    def __call__(self, meeting: Meeting, generator: np.random.Generator) -> Floats:
        if self.members < 2:
            raise ValueError("a mean is steered by two members or more")
        turn = np.arange(len(meeting.costs)) % self.members
        bids = meeting.own * (1 + self.step * (meeting.n - 1) / (self.members - 1))
        at = turn[:, None]
        np.put_along_axis(bids, at, np.take_along_axis(meeting.own, at, axis=1) * (1 + self.step), axis=1)
        return np.asarray(bids)


Behaviour = Cover | Rotation | ShareRule | Phantom | Suppression | Inflation | Steering


def simulated_tenders(
    auctions: int,
    n: int,
    ring: Behaviour | None = None,
    *,
    award: Award = "first price",
    rigged: float = 1.0,
    costs: Any = COSTS,
    shock: float = 0.3,
    likeness: float = 0.7,
    seed: int = 0,
) -> pd.DataFrame:
    """Past tenders of which everything is known: one row a bid, as `past_bids` reads them, and the truth beside.

    Args:
        auctions: How many.
        n: Bidders, the same in each auction.
        ring: What the first `ring.members` bidders do; None for competition.
        award: "first price", or "average bid" (closest to the mean wins): in competition all then ask the highest cost,
            with a spread of `TREMBLE`, one of the equilibria of that rule.
        rigged: The share of auctions in which the ring acts, drawn one by one.
        costs: Distribution of the private cost a.
        shock: Standard deviation of the common shock, in logarithms.
        likeness: Correlation of the covariate `x` (a distance, say) with the normal score of the bidder's own cost.
        seed: Of all draws. The same seed gives the same costs and shocks with and without a ring.

    Returns:
        `auction`, `bidder`, `bid`, `reserve`, `winner`, `date`, `x`, `cost`, `member` (of the ring), `rigged`.

    Raises:
        ValueError: fewer than two bidders, a ring larger than the field, or steering without a mean.

    >>> table = simulated_tenders(2, 3, Cover(2), seed=1)
    >>> table[["auction", "bidder", "member", "winner"]].head(3).values.tolist()
    [['A0001', 'F01', True, False], ['A0001', 'F02', True, False], ['A0001', 'F03', False, True]]
    """
    _check(auctions, n, ring, award, rigged)
    generator, ways = (np.random.default_rng([seed, stream]) for stream in range(2))
    level = np.exp(shock * generator.standard_normal((auctions, 1)))
    rank = generator.uniform(size=(auctions, n))
    x = likeness * stats.norm.ppf(rank) + math.sqrt(1 - likeness**2) * generator.standard_normal((auctions, n))
    private: Floats = np.asarray(costs.ppf(rank))
    top = float(costs.support()[1])
    if award == "average bid":
        bids = top * np.exp(TREMBLE * generator.standard_normal((auctions, n)))
    else:
        bids = np.asarray(equilibrium(FirstPrice(), Market((costs, n))).bid(private))
    acts = np.zeros(auctions, dtype=bool) if ring is None else generator.uniform(size=auctions) < rigged
    if ring is not None and acts.any():
        own = bids[acts, : ring.members]
        asks = own if award == "average bid" else _asks(costs, n, ring.members)(private[acts, : ring.members])
        most = np.full((int(acts.sum()), 1), ROOM * top)
        meeting = Meeting(private[acts, : ring.members], own, asks, most, n)
        bids[acts, : ring.members] = ring(meeting, ways)
    bids = np.minimum(bids, ROOM * top)
    away = np.abs(bids - np.nanmean(bids, axis=1, keepdims=True)) if award == "average bid" else bids
    first = np.nanargmin(away, axis=1)
    table = pd.DataFrame({
        "auction": np.repeat([f"A{number:04d}" for number in range(1, auctions + 1)], n),
        "bidder": np.tile([f"F{number:02d}" for number in range(1, n + 1)], auctions),
        "bid": (level * bids).ravel(),
        "reserve": np.repeat(level[:, 0] * ROOM * top * (1 + 1e-12), n),
        "winner": (np.arange(n) == first[:, None]).ravel(),
        "date": np.repeat(pd.Timestamp("2015-01-01") + pd.to_timedelta(np.arange(auctions), unit="D"), n),
        "x": x.ravel(),
        "cost": (level * private).ravel(),
        "member": np.tile(np.arange(n) < (ring.members if ring else 0), auctions),
        "rigged": np.repeat(acts, n),
    })  # fmt: skip
    return table[table["bid"].notna()].reset_index(drop=True)


def _check(auctions: int, n: int, ring: Behaviour | None, award: str, rigged: float) -> None:
    if auctions < 1 or n < 2:
        raise ValueError(f"{auctions} auctions of {n} bidders: give at least 1 auction of 2 bidders")
    if award not in get_args(Award):
        raise ValueError(f"award is {award!r}; it must be one of {', '.join(map(repr, get_args(Award)))}")
    if not 0 <= rigged <= 1:
        raise ValueError(f"rigged is {rigged!r}; it must be a share from 0 to 1")
    if ring is None:
        return
    if not 1 <= ring.members <= n:
        raise ValueError(f"a ring of {ring.members} among {n} bidders; it must have 1 to {n} members")
    if isinstance(ring, Steering) and award != "average bid":
        raise ValueError('only an average-bid auction has a mean to steer; give award="average bid"')


def _asks(costs: Any, n: int, members: int) -> Callable[[Floats], Floats]:
    """What a ring asks by the cost of the member that is to win: the best answer on a grid of outsiders' bids."""
    low, top = (float(end) for end in costs.support())
    if members == n:
        return lambda cost: np.maximum(cost, ALONE * ROOM * top)
    rival = np.asarray(costs.ppf(np.linspace(0, 1, 4001)[:-1]))
    asked, free = equilibrium(FirstPrice(), Market((costs, n))).bid(rival), costs.sf(rival) ** (n - members)
    nodes = np.linspace(low, top, 401)
    best = [asked[np.argmax((asked - cost) * free)] for cost in nodes[:-1]]
    return lambda cost: np.interp(cost, nodes, [*best, top])


FIRST_PRICE = (Cover, Rotation, ShareRule, Phantom, Suppression, Inflation)
BEHAVIOURS: dict[str, tuple[Any, ...]] = {"first price": FIRST_PRICE, "average bid": (*FIRST_PRICE, Steering)}
