"""Costs from bids where bidders differ, do not like risk, or are ranked by a score instead of a price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction.kernels import boundary
from procure_opt.auction.past import PastBids, past_bids
from procure_opt.auction.revealed import Estimate, area, complete, resampled
from procure_opt.cells import Table

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

LEAST = 50  # bids of a class, up to which bids of other compositions are drawn in
FEWEST = 10  # bids of a class in all
BELOW = math.log(100)  # how far below its lowest bid a class may bid: that it does not is wrong one time in a hundred
MOMENTS = 3  # of the costs, that are compared between numbers of bidders
GROUP = 20  # auctions with the same number of bidders, below which they are not compared


def invert_classes(bids: Any, cls: Any, auction: Any, *, ring: Any = None, least: int = LEAST) -> Floats:
    """What each bid says it costs its bidder, with bidders of several classes:

        c = b − 1 / Σ_{j ≠ i} h_j(b) / (1 − H_j(b)),

    H_j and h_j being the distribution and density of the bids of rival j's class in auctions of the same composition
    (how many of each class bid). Densities are kernel estimates that hold up to both ends.

    Where a class has made fewer than `least` bids in auctions of a composition, those of the most alike compositions
    are drawn in, one after the other, until there are as many: first the compositions nearest in the number of bidders,
    among these the one that differs in the fewest bidders.

    Bidders of one ring in an auction are one bidder, who bids the lowest of their bids and does not compete with
    itself; their other bids were not meant to win and say nothing.

    Args:
        bids: Shape (m,).
        cls: The class of each bid's bidder, shape (m,).
        auction: The auction of each bid, shape (m,).
        ring: The ring each bidder belongs to, None or blank for none, shape (m,).
        least: Bids to estimate a distribution from.

    Returns:
        Costs, shape (m,); NaN where a bid had no rival, was below all that its rivals could have bid, or was a ring's
        other bid.

    Raises:
        ValueError: shapes differ, a bid is not finite, or a class has made fewer than 10 bids, or always the same one.

    References: Campo, Perrigne and Vuong (2003), Journal of Applied Econometrics 18; Bajari and Ye (2003), Review of
    Economics and Statistics 85, for rings.

    >>> generator = np.random.default_rng(0)
    >>> cost = generator.random((400, 3))  # all alike: bids are c + (1 − c) / 3
    >>> found = invert_classes((cost + (1 - cost) / 3).ravel(), ["a", "b", "b"] * 400, np.repeat(np.arange(400), 3))
    >>> bool(np.median(np.abs(found - cost.ravel())) < 0.01)
    True
    """
    bid, kind, place = _columns(bids, cls, auction)
    costs = np.full(len(bid), np.nan)
    serious = np.ones(len(bid), dtype=bool)
    if ring is not None:
        kind, serious = _as_one(bid, kind, place, ring)
    counted = np.bincount(kind[serious])
    for each in np.flatnonzero((counted > 0) & (counted < FEWEST)):
        row = int(np.flatnonzero(serious & (kind == each))[0])
        of = "its ring, in this size," if ring is not None and not _blank(list(ring)[row]) else "its class"
        raise ValueError(f"bid {row} is one of {counted[each]} that {of} has made in all; at least {FEWEST} are needed")
    costs[serious] = _costs(bid[serious], kind[serious], np.unique(place[serious], return_inverse=True)[1], least)
    return costs


def _blank(label: Any) -> bool:
    return bool(pd.isna(label)) or str(label) == ""


def _columns(bids: Any, cls: Any, auction: Any) -> tuple[Floats, Places, Places]:
    bid = np.asarray(bids, dtype=float)
    kind, place = (pd.factorize(np.asarray(each))[0].astype(np.intp) for each in (cls, auction))
    if not bid.ndim == 1 or not len(bid) == len(kind) == len(place):
        raise ValueError(f"bids, cls and auction must be as long: they have {bid.size}, {len(kind)} and {len(place)}")
    if not np.isfinite(bid).all():
        raise ValueError(f"bid {int(np.flatnonzero(~np.isfinite(bid))[0])} is not a number; leave such bids out")
    return bid, kind, place


def _as_one(bid: Floats, kind: Places, place: Places, ring: Any) -> tuple[Places, NDArray[np.bool_]]:
    """Classes with each ring as one of its own, and which bids are meant: all but those above their ring's lowest."""
    labels = pd.Series(list(ring), dtype=object)
    if len(labels) != len(bid):
        raise ValueError(f"there are {len(bid)} bids, and ring has {len(labels)} entries")
    named = ~np.array([_blank(each) for each in labels])
    member = np.where(named, pd.factorize(labels)[0], -1)
    serious = np.ones(len(bid), dtype=bool)
    rows = np.flatnonzero(named)
    rows = rows[np.lexsort((bid[rows], member[rows], place[rows]))]
    again = (np.diff(place[rows]) == 0) & (np.diff(member[rows]) == 0)
    serious[rows[1:][again]] = False
    together = np.bincount(place * (member.max() + 2) + member + 1)[place * (member.max() + 2) + member + 1]
    # one alone of its ring bids as its class does, but for the ring, which is of another size every time
    one = np.where(named & (together > 1), (member + 1) * (len(bid) + 1) + together, 0)
    return np.unique(np.column_stack([np.where(one > 0, 0, kind), one]), axis=0, return_inverse=True)[
        1
    ].ravel(), serious


class _Composition(NamedTuple):
    """Auctions with as many bidders of every class."""

    counts: Places
    rows: Places


def _costs(bid: Floats, kind: Places, place: Places, least: int) -> Floats:
    classes, auctions = int(kind.max()) + 1, int(place.max()) + 1
    counts = np.bincount(place * classes + kind, minlength=auctions * classes).reshape(auctions, classes)
    kinds, composition = np.unique(counts, axis=0, return_inverse=True)
    of_bid = composition.ravel()[place]
    order = np.argsort(of_bid, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(of_bid, minlength=len(kinds)))[:-1])
    compositions = [_Composition(each, some) for each, some in zip(kinds, rows)]
    costs = np.full(len(bid), np.nan)
    for own in compositions:
        if own.counts.sum() < 2:
            continue
        asked = bid[own.rows]
        hazards = np.stack([
            _hazard(_drawn_in(bid, kind, compositions, own, number, least), asked)
            if own.counts[number]
            else np.zeros(len(asked))
            for number in range(classes)
        ])  # fmt: skip
        rivals = np.repeat(own.counts[:, None], len(asked), axis=1)
        rivals[kind[own.rows], np.arange(len(asked))] -= 1
        with np.errstate(divide="ignore", invalid="ignore"):
            hazard = np.where(rivals > 0, rivals * hazards, 0.0).sum(axis=0)
            costs[own.rows] = asked - np.where(hazard > 0, 1 / hazard, np.nan)
    return costs


def _drawn_in(
    bid: Floats, kind: Places, compositions: Sequence[_Composition], own: _Composition, number: int, least: int
) -> Floats:
    """Bids of a class in auctions of a composition, and of the most alike ones if they are too few."""
    sample: Floats = bid[own.rows[kind[own.rows] == number]]
    if len(sample) >= least:
        return sample

    def unlike(other: _Composition) -> tuple[int, int]:
        off = other.counts - own.counts
        return abs(int(off.sum())), int(np.abs(off).sum())

    found, total = list[Floats](), 0
    for other in sorted(compositions, key=unlike):
        some = bid[other.rows[kind[other.rows] == number]]
        found.append(some)
        total += len(some)
        if total >= least:
            break
    return np.concatenate(found)


def _hazard(sample: Floats, at: Floats) -> Floats:
    """h / (1 − H): 0 below all bids that the class may make, infinite above."""
    ordered = np.sort(sample)
    gaps = ordered - boundary(ordered, 2)  # (1 − H) / h, by the same estimator as for bidders alike
    # The lowest of m bids lies above the lowest possible one by an exponential amount, with the mean gap / m.
    lowest = ordered[0] - BELOW * gaps[0] / len(ordered)
    with np.errstate(divide="ignore"):
        found = 1 / np.maximum(np.interp(at, ordered, gaps), 0.0)
    return np.asarray(np.where(at < lowest, 0.0, np.where(at > ordered[-1], np.inf, found)))


def scores_to_types(scores: Any, auction: Any, *, wins: Literal["highest", "lowest"] = "highest") -> Floats:
    """What each score says of its bidder: its pseudo-type k, the best score it could offer without a loss.

    A scoring auction is a first-price auction in k (Che 1993, RAND Journal of Economics 24; Asker and Cantillon 2008,
    same journal 39). With scores s(q) − p of which the highest wins, k = max_q s(q) − C(q) and

        k = S + G(S) / ((n − 1) g(S)).

    With scores p + v·q of which the lowest wins (A + B bidding: price, plus days times what a day is worth to the
    public), k = min_q C(q) + v·q and k = S − (1 − G(S)) / ((n − 1) g(S)). In both the winner gains the distance of S
    and k, so that what it offered costs it p less that.

    Args:
        scores: Shape (m,).
        auction: The auction of each score, shape (m,).
        wins: The score that wins.

    Returns:
        Types, shape (m,); NaN where a score had no rival.

    Raises:
        ValueError: `wins` is neither, shapes differ, or a score is not finite.

    >>> generator = np.random.default_rng(0)
    >>> theta = 1 + generator.random((500, 2))  # cost θ q² / 2 and score q − p: q = 1 / θ, and k = 1 / 2θ
    >>> price = 1 / (2 * theta) + (1 / theta - 1 / 2 - np.log(2 / theta) / 2) / (2 - theta)
    >>> found = scores_to_types((1 / theta - price).ravel(), np.repeat(np.arange(500), 2))
    >>> bool(np.abs(np.median(found - 1 / (2 * theta.ravel()))) < 0.005)
    True
    """
    if wins not in ("highest", "lowest"):
        raise ValueError(f'wins is {wins!r}; it must be "highest" or "lowest"')
    sign = -1.0 if wins == "highest" else 1.0
    score = sign * np.asarray(scores, dtype=float)
    return sign * invert_classes(score, np.zeros(score.shape), auction)


class _Moments(NamedTuple):
    """Of the bids of auctions with one number of bidders, with their standard mark-ups."""

    bids: Floats  # ∫ φ_k B dt, shape (moments,)
    markups: Floats  # ∫ φ_k (1 − t) B′ dt / (n − 1)


def risk_aversion(bids: Table | PastBids, *, replications: int = 200, seed: int = 0) -> Estimate:
    """η of the utility x^(1 − η) of a profit x, from bids in auctions with different numbers of bidders.

    With costs drawn alike in all of them, their quantiles must not depend on n:

        C(t) = B_n(t) − (1 − η)(1 − t) B_n′(t) / (n − 1),

    B_n being the quantiles of the bids (Guerre, Perrigne and Vuong 2009, Econometrica 77). Multiplied by the first
    Legendre polynomials φ and integrated, both sides are weighted sums of the ordered bids, and η is what makes the
    moments of the costs agree best, weighted with their bootstrap covariance. No bandwidth is needed.

    Args:
        bids: Past tenders of like contracts, or bids brought to a common footing.
        replications: Of the bootstrap, which draws auctions, for weights and standard error.
        seed: Of the bootstrap.

    Raises:
        ValueError: fewer than two numbers of bidders (of at least 2) have auctions enough, the bids with one of these
            numbers are all equal, or there are fewer than 2 replications.

    >>> generator = np.random.default_rng(0)
    >>> rows = []
    >>> for auction in range(600):  # η = 0.5, costs uniform on [0, 1]: bids are c + (1 − c) 0.5 / (n − 0.5)
    ...     n = 2 + 3 * (auction % 2)
    ...     for bidder, cost in enumerate(generator.random(n)):
    ...         rows.append({"auction": auction, "bidder": bidder, "bid": cost + (1 - cost) * 0.5 / (n - 0.5)})
    >>> found = risk_aversion(rows, replications=100)
    >>> found.interval[0] < 0.5 < found.interval[1], found.p_value < 0.05
    (True, True)
    """
    past = past_bids(bids)
    groups, notes = _by_number(past)
    if flat := [n for n, asked, _ in groups if asked[0] == asked[-1]]:
        raise ValueError(f"all bids in auctions with {flat[0]} bidders are equal: without variation they tell nothing")
    drawn = []
    for number, (n, asked, auctions) in enumerate(groups):

        def moments(counts: Places, n: int = n, asked: Floats = asked, auctions: Places = auctions) -> Floats:
            return np.concatenate(_moments(asked, counts[auctions], n))

        drawn.append(resampled(moments, int(auctions.max()) + 1, replications, seed + number))
    found = np.stack([np.concatenate(_moments(asked, np.ones(len(asked), dtype=np.intp), n)) for n, asked, _ in groups])
    again = np.stack(drawn, axis=1)
    theta, fit = 1.0, math.nan
    for _ in range(3):
        weights = [_weight(each[:, :MOMENTS] - theta * each[:, MOMENTS:]) for each in drawn]
        theta, fit = _agreeing(found, weights)
    spread = float(np.std([_agreeing(each, weights)[0] for each in again], ddof=1))
    degrees = (len(groups) - 1) * MOMENTS - 1
    alike = float(stats.chi2.sf(fit, degrees))
    notes.append(f"costs agree between numbers of bidders at a p-value of {alike:.3f} ({degrees} restrictions)")
    if theta <= 0 or theta > 1 + 2 * spread:
        notes.append("the figure is not from 0 to below 1: bids change with n as no such utility would have it")
    assumption = (
        "private, independent costs of bidders alike, distributed alike whatever the number of bidders, which all "
        "know; utility x^(1 − η) of the profit"
    )
    return Estimate(1 - theta, spread, assumption, tuple(notes))


def _by_number(past: PastBids) -> tuple[list[tuple[int, Floats, Places]], list[str]]:
    """For each number of bidders that has auctions enough: it, bids in order, and the auction of each."""
    known, groups, notes = complete(past), list[tuple[int, Floats, Places]](), list[str]()
    table = past.table[known]
    if not known.all():
        notes.append(f"{(~known).sum()} bids of auctions of which not all bids are known are left out")
    sizes = table.groupby("n")["auction"].nunique()
    for n, size in zip(sizes.index.to_numpy(dtype=np.intp).tolist(), sizes.tolist()):
        if n < 2 or size < GROUP:
            notes.append(f"{size} auctions with {n} bidders are left out" + ("" if n < 2 else ": they are too few"))
            continue
        rows = table[table["n"] == n].sort_values("bid", kind="stable")
        auctions = np.asarray(pd.factorize(rows["auction"])[0], dtype=np.intp)
        groups.append((n, rows["bid"].to_numpy(dtype=float), auctions))
    if len(groups) < 2:
        there = ", ".join(f"{size} with {n} bidders" for n, size in sizes.items())
        raise ValueError(
            f"the dislike of risk shows only in how bids change with the number of bidders: at least two numbers (2 or "
            f"more) with {GROUP} auctions each are needed; there are {there}"
        )
    return groups, notes


def _moments(bids: Floats, weights: Places, n: int) -> _Moments:
    shares = np.append(0.0, np.cumsum(weights) / weights.sum())
    by_bids, by_markups = [], []
    for order in range(MOMENTS):
        curve = np.polynomial.Legendre.basis(order, domain=[0.0, 1.0])
        by_bids.append(float(bids @ np.diff(curve.integ()(shares))))
        by_markups.append(area(bids, weights, lambda t, curve=curve: curve(t) * (1 - t) / (n - 1), 0.0))  # type: ignore[misc]
    return _Moments(np.array(by_bids), np.array(by_markups))


def _weight(drawn: Floats) -> Floats:
    return np.asarray(np.linalg.inv(np.cov(drawn, rowvar=False)))


def _agreeing(found: Floats, weights: Sequence[Floats]) -> tuple[float, float]:
    """θ = 1 − η, and how far apart it leaves the moments: Σ_n (r_n − r̄)′ W_n (r_n − r̄), r = bids − θ markups."""
    total = sum(weights)
    columns = np.stack([found[:, :MOMENTS], found[:, MOMENTS:]], axis=2)
    mean = np.linalg.solve(total, sum(weight @ each for weight, each in zip(weights, columns)))
    off = columns - mean
    gram = sum(each.T @ weight @ each for weight, each in zip(weights, off))
    theta = float(gram[0, 1] / gram[1, 1])
    return theta, float(gram[0, 0] - theta * gram[0, 1])
