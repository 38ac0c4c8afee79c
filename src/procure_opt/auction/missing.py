"""Missing bids: what winning bids a shade higher or lower would have brought, and what costs that goes together with.

With D(ρ) the share of bids that would have won had they been (1 + ρ) times as high, all else equal, a bidder with cost
κb does not gain by bidding b (1 + ρ) only if D(0) (1 − κ) ≥ D(ρ) (1 + ρ − κ), that is

    κ ≤ (D(0) − (1 + ρ) D(ρ)) / (D(0) − D(ρ))   for ρ > 0,     κ ≥ the same   for ρ < 0.

If winners could have asked more without losing, costs are low; if losers could have won for a little less, costs are
high. Where no κ does both, bidders with a common κ did not each bid for themselves.
Source: Chassang, Kawai, Nakabayashi and Ortner, "Robust screens for noncompetitive bidding in procurement auctions",
Econometrica 90 (2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, sparse, stats

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import Table

Floats = NDArray[np.float64]

TIE = 1e-12  # amounts closer than that, as a share, are the same amount


@dataclass(frozen=True, eq=False)
class MissingMass:
    """What past bids say about κ, the cost as a share of the bid, and about close calls.

    Attributes:
        table: One row a deviation ρ ≠ 0: `deviation`, `demand` D(ρ), `bounds` ("κ at most" or "κ at least"), `bound`,
            and `bound_safe`, which all hold together with probability `level` (Bonferroni): the laxer of a bootstrap by
            auction and of Clopper and Pearson's limits for the share of auctions in which the deviation changes who
            wins. The latter matter where few do: no close call among 40 auctions does not say that there are none.
        demand: D(0).
        cost_ratio: The lowest and the highest κ that all bounds and the range of mark-ups leave, at the estimates; the
            lowest above the highest where they leave none.
        cost_ratio_safe: The same with the bounds that hold together with probability `level`.
        share: The least share of bids that cannot have been competitive, with costs and beliefs that differ from bid to
            bid (see `least_share`), at the estimates.
        share_safe: The same where the demands are only known to lie in a region that holds with probability `level`.
        close: Auctions whose lowest two bids are apart by more than nothing and at most `near` of the reserve.
        next_close: Auctions where they are apart by `near` to twice that.
        ties: Auctions whose lowest two bids are equal.
        hole: The p-value of so few close calls (binomial, one-sided): where the difference has a density that does not
            rise from 0 on, `close` is at least half of the two.
        near: That share of the reserve.
        level: Of confidence.
        bids: Bids looked at.
        auctions: Auctions looked at.
        notes: What was assumed or left out.
    """

    table: pd.DataFrame
    demand: float
    cost_ratio: tuple[float, float]
    cost_ratio_safe: tuple[float, float]
    share: float
    share_safe: float
    close: int
    next_close: int
    ties: int
    hole: float
    near: float
    level: float
    bids: int
    auctions: int
    notes: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """What to ask the market, or that there is nothing to ask; never a verdict."""
        low, high = self.cost_ratio_safe
        asked = []
        if low > high:
            asked.append(
                f"no common ratio of cost to bid explains them (it would have to be at least {low:.3f} and at most "
                f"{max(high, 0.0):.3f}): do costs differ that much, did bidders misjudge their rivals, or did they "
                "not bid each for itself?"
            )
        if self.share_safe > 1e-6:
            asked.append(f"at least {self.share_safe:.1%} of them do not fit competition under the limits stated: why?")
        if self.hole < 1 - self.level:
            asked.append(
                f"the lowest two bids are apart by at most {self.near:.2%} of the reserve in {self.close} auctions, by "
                f"up to twice that in {self.next_close}: why are there so few close calls?"
            )
        of = f"{self.bids:,} bids in {self.auctions:,} auctions"
        return f"{of}: " + (" ".join(asked) if asked else "nothing here that competition would not explain.")


def missing_mass(
    bids: Table | PastBids,
    deviations: Sequence[float] = (-0.02, 0.001),
    *,
    bidders: Sequence[str] | None = None,
    markup: tuple[float, float] = (0.0, 0.5),
    information: float | None = None,
    near: float = 0.002,
    draws: int = 999,
    level: float = 0.95,
    seed: int = 0,
) -> MissingMass:
    """Whether past bids can each have been the bidder's best, given how often others were close.

    A bid's rival is the lowest other bid of the auction, or the reserve where that is lower. A tie counts half.
    Auctions of which only one bid is left are left out, and noted.

    Args:
        bids: Past bids, see `past_bids`.
        deviations: The ρ, above −1 and other than 0.
        bidders: Whose bids to look at (against all rivals); None for all.
        markup: The lowest and highest mark-up on cost that is thought possible; κ is 1 / (1 + mark-up).
        information: How far, in log odds, what a bidder believed of its chances may be from D; None for any.
        near: What counts as a close call, as a share of the reserve (of the lowest bid where there is none).
        draws: Bootstrap samples of whole auctions.
        level: Of confidence.
        seed: Of the bootstrap.

    Raises:
        ValueError: a parameter is out of range, a bidder is unknown, or no auction has two bids.
        BadTable: see `past_bids`.

    Source: Chassang, Kawai, Nakabayashi and Ortner, Econometrica 90 (2022); Clopper and Pearson, Biometrika 26 (1934).

    >>> table = [{"auction": a, "bidder": b, "bid": bid, "reserve": 110}
    ...          for a in range(40) for b, bid in (("Acer", 100 - a % 2 * 10), ("Briar", 95), ("Cedar", 104))]
    >>> found = missing_mass(table, deviations=(-0.06, 0.04), draws=99)
    >>> found.table[["deviation", "demand", "bounds"]].round(3).values.tolist()
    [[-0.06, 0.667, 'κ at least'], [0.04, 0.333, 'κ at most']]
    >>> found.cost_ratio_safe[0] > found.cost_ratio_safe[1]
    True
    """
    past = past_bids(bids)
    rho = _checked(deviations, markup, information, near, draws, level)
    at, auction, notes = _histories(past, bidders)
    counted, group = len(at), np.unique(auction, return_inverse=True)[1]
    wins = _wins(at[:, 0], at[:, 1], np.append(0.0, rho))
    sums: Floats = np.column_stack([np.bincount(group, column) for column in wins.T]).astype(float)
    size = np.bincount(group).astype(float)
    demand = sums.sum(axis=0) / counted
    sampled = _bootstrap(sums, size, draws, seed)
    bound = cost_bounds(demand[0], demand[1:], rho)
    safe = _safe(demand, sampled, rho, _exact(sums, size, (1 - level) / len(rho)), level)
    limits = _limits(markup)
    order = np.argsort(rho)
    table = pd.DataFrame({
        "deviation": rho, "demand": demand[1:], "bounds": np.where(rho > 0, "κ at most", "κ at least"),
        "bound": bound, "bound_safe": safe,
    }).iloc[order].reset_index(drop=True)  # fmt: skip
    beliefs = _odds(demand, information)
    region = _region(demand, sampled, rho, _exact(sums, size, (1 - level) / (2 * len(rho))), level)
    close, after, ties, rounded = _calls(past, near)
    if rounded:
        notes.append(f"close calls: {rounded} auctions left out whose bids are rounded to more than {near / 2:.2%}")
    return MissingMass(
        table, float(demand[0]), _between(bound, rho, limits), _between(safe, rho, limits),
        least_share(demand, rho, markup, beliefs=beliefs),
        least_share(demand, rho, markup, beliefs=beliefs, region=region),
        close, after, ties, float(stats.binom.cdf(close, close + after, 0.5)), near, level, counted, len(size),
        (*past.notes, *notes),
    )  # fmt: skip


def cost_bounds(won: Any, changed: Any, rho: Floats) -> Floats:
    """The bounds on κ: at most where ρ > 0, at least where ρ < 0; −∞ where D does not change, NaN where D(0) is 0.

    Args:
        won: D(0).
        changed: D(ρ), with deviations along the last axis.
        rho: Deviations.

    >>> cost_bounds(0.4, np.array([0.5, 0.2]), np.array([-0.1, 0.1])).round(6).tolist()
    [0.5, 0.9]
    """
    won, changed = np.broadcast_arrays(np.asarray(won, dtype=float), np.asarray(changed, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = (won - (1 + rho) * changed) / (won - changed)
    return np.where(won == changed, np.where(won > 0, -math.inf, math.nan), bound)


def least_share(
    demand: Floats,
    rho: Floats,
    markup: tuple[float, float] = (0.0, 0.5),
    *,
    beliefs: tuple[Floats, Floats] | None = None,
    region: tuple[Floats, Floats] | None = None,
    grid: int = 101,
) -> float:
    """The least share of bids that no competitive bidder can have made, with costs and beliefs of their own each.

    A bid is competitive if the bidder, with cost κb and the belief to win with probability d(ρ) at b (1 + ρ), gains by
    no deviation: d(0) (1 − κ) ≥ d(ρ) (1 + ρ − κ). Beliefs fall in ρ, and are right on average. For a given κ this is
    linear in (mass, mass times d), so the least share is one linear program over a grid of κ: no beliefs are drawn.

    Args:
        demand: D(0), then D(ρ).
        rho: Deviations, without 0.
        markup: The lowest and highest mark-up on cost.
        beliefs: The lowest and the highest d(0), d(ρ) of any bid; None for 0 to 1.
        region: How far mean beliefs may be below and above `demand`: of D(0), then of the differences D(ρ) − D(0).
        grid: Values of κ.

    Returns:
        The share; NaN where no beliefs at all give such demands.

    Source: Chassang, Kawai, Nakabayashi and Ortner, Econometrica 90 (2022), who draw beliefs at random; that gives
    an upper bound of the least share, and one far off where few draws are admitted.

    >>> least_share(np.array([0.4, 0.4]), np.array([0.01]))
    0.4
    """
    # The last stands for bids that are not competitive.
    ratios = np.append(np.linspace(*_limits(markup), grid), math.nan)
    moves = np.append(0.0, rho)
    order, count = np.argsort(moves), len(moves)
    low, high = (np.zeros(count), np.ones(count)) if beliefs is None else beliefs
    falling = np.zeros((count - 1, count + 1))
    falling[np.arange(count - 1), 1 + order[1:]], falling[np.arange(count - 1), 1 + order[:-1]] = 1.0, -1.0
    within = np.vstack([np.column_stack([low, -np.eye(count)]), np.column_stack([-high, np.eye(count)]), falling])
    blocks = []
    for ratio in ratios:
        gains = np.zeros((0 if math.isnan(ratio) else count - 1, count + 1))
        gains[:, 1] = -(1 - ratio)
        gains[np.arange(len(gains)), 2 + np.arange(len(gains))] = (1 + rho - ratio)[: len(gains)]
        blocks.append(np.vstack([within, gains]))
    # Mean beliefs as D(0) and differences from it.
    means = np.column_stack([np.zeros(count), np.eye(count)])
    means[1:, 1] = -1.0
    target = np.append(demand[0], demand[1:] - demand[0])
    below, above = (np.zeros(count), np.zeros(count)) if region is None else region
    every = np.tile(means, len(ratios))
    apart = sparse.block_diag([sparse.coo_array(block) for block in blocks])
    upper = sparse.vstack([apart, sparse.csr_array(every), sparse.csr_array(-every)], format="csr")
    limit = np.concatenate([np.zeros(sum(map(len, blocks))), target + above + 1e-12, 1e-12 - (target - below)])
    cost = np.zeros(every.shape[1])
    cost[-(count + 1)] = 1.0
    mass = np.tile(np.eye(count + 1)[:1], len(ratios))
    found = optimize.linprog(cost, upper, limit, mass, [1.0], bounds=(0, None), method="highs")
    return math.nan if found.fun is None else max(0.0, round(float(found.fun), 9))


def _checked(
    deviations: Sequence[float], markup: tuple[float, float], information: float | None, near: float,
    draws: int, level: float,
) -> Floats:  # fmt: skip
    rho = np.unique(np.asarray(deviations, dtype=float))
    if not len(rho) or not np.isfinite(rho).all() or (rho <= -1).any() or (rho == 0).any():
        raise ValueError(f"deviations is {deviations!r}; give shares above −1 and other than 0, as (-0.02, 0.001)")
    if not 0 <= markup[0] < markup[1] < math.inf:
        raise ValueError(f"markup is {markup!r}; give the lowest and the highest as shares of cost, as (0, 0.5)")
    if information is not None and not information > 0:
        raise ValueError(f"information is {information!r}; give log odds above 0, or None")
    if not 0 < near < 1:
        raise ValueError(f"near is {near!r}; give a share of the reserve between 0 and 1")
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws is {draws!r} and level {level!r}; give at least 1 sample and a level between 0 and 1")
    return rho


def _histories(past: PastBids, bidders: Sequence[str] | None) -> tuple[Floats, NDArray[np.intp], list[str]]:
    """Each bid and its rival, shape (bids, 2), with the number of its auction."""
    bid, auction = past.table["bid"].to_numpy(dtype=float), past.auctions
    ranked = np.lexsort((bid, auction))
    start = np.flatnonzero(np.append(True, np.diff(auction[ranked]) > 0))
    size = np.diff(np.append(start, len(bid)))
    lowest, second = np.empty(len(start)), np.full(len(start), math.inf)
    lowest[:] = bid[ranked[start]]
    second[size > 1] = bid[ranked[start[size > 1] + 1]]
    first = np.zeros(len(bid), dtype=bool)
    first[ranked[start]] = True
    rival = np.where(first, second[auction], lowest[auction])
    if "reserve" in past.table:
        rival = np.minimum(rival, past.table["reserve"].fillna(math.inf).to_numpy(dtype=float))
    keep, notes = size[auction] > 1, []
    if not keep.all():
        notes.append(f"{int((size == 1).sum())} auctions with one bid are left out")
    if bidders is not None:
        known = set(past.table["bidder"])
        for name in bidders:
            if name not in known:
                raise ValueError(f"bidders: {name!r} has no bid in the table")
        keep &= past.table["bidder"].isin(list(bidders)).to_numpy()
    if not keep.any():
        raise ValueError("no auction is left that has two bids; what a bid won against cannot be seen")
    return np.column_stack([bid, rival])[keep], auction[keep], notes


def _wins(bid: Floats, rival: Floats, moves: Floats) -> Floats:
    """1 where the bid times 1 + ρ would have won, ½ where it would have tied, shape (bids, moves)."""
    ratio = rival[:, None] / (bid[:, None] * (1 + moves))
    return np.where(np.abs(ratio - 1) <= TIE, 0.5, (ratio > 1).astype(float))


def _bootstrap(sums: Floats, size: Floats, draws: int, seed: int) -> Floats:
    """Demands in samples of as many auctions, shape (draws, moves)."""
    # Many auctions have the same counts: a sample says how often each kind of them is drawn.
    kinds, often = np.unique(np.column_stack([sums, size]), axis=0, return_counts=True)
    times = np.random.default_rng(seed).multinomial(len(size), often / len(size), size=draws)
    return np.asarray((times @ kinds[:, :-1]) / (times @ kinds[:, -1])[:, None])


def _limits(markup: tuple[float, float]) -> tuple[float, float]:
    return 1 / (1 + markup[1]), 1 / (1 + markup[0])


def _between(bound: Floats, rho: Floats, limits: tuple[float, float]) -> tuple[float, float]:
    low = np.fmax.reduce(bound[rho < 0], initial=limits[0])
    high = np.fmin.reduce(bound[rho > 0], initial=limits[1])
    return float(low), float(high)


def _odds(demand: Floats, information: float | None) -> tuple[Floats, Floats] | None:
    """The range of beliefs whose log odds are at most that far from those of the demands."""
    if information is None:
        return None
    with np.errstate(divide="ignore"):
        odds = np.log(demand) - np.log1p(-demand)
    return 1 / (1 + np.exp(information - odds)), 1 / (1 + np.exp(-information - odds))


def _exact(sums: Floats, size: Floats, tail: float) -> tuple[Floats, Floats]:
    """The least and the greatest |D(ρ) − D(0)|, each wrong with probability `tail`, shape (deviations,).

    Clopper and Pearson's limits are of the share of auctions that a deviation changes; by how many bids it changes
    those is taken as seen, by one where none is.
    """
    change = np.abs(sums[:, 1:] - sums[:, :1])
    hit, auctions = (change > 0).sum(axis=0), len(sums)
    each = np.where(hit > 0, change.sum(axis=0) / np.maximum(hit, 1), 1.0) / size.mean()
    low = np.where(hit > 0, stats.beta.ppf(tail, np.maximum(hit, 1), auctions - hit + 1), 0.0)
    high = np.where(hit < auctions, stats.beta.ppf(1 - tail, hit + 1, np.maximum(auctions - hit, 1)), 1.0)
    return low * each, high * each


def _safe(demand: Floats, sampled: Floats, rho: Floats, exact: tuple[Floats, Floats], level: float) -> Floats:
    """Bounds on κ that all hold with probability `level`."""
    spread, tail, up = cost_bounds(sampled[:, :1], sampled[:, 1:], rho), (1 - level) / len(rho), rho > 0
    high = np.quantile(spread, 1 - tail, axis=0, method="higher")
    low = np.quantile(spread, tail, axis=0, method="lower")
    # Who wins already can lose by asking more, who does not can win by asking less.
    changed = demand[0] + np.where(up, -np.minimum(exact[1], demand[0]), np.minimum(exact[0], 1 - demand[0]))
    limit = cost_bounds(demand[0], changed, rho)
    return np.where(up, np.maximum(high, limit), np.minimum(low, limit))


def _region(
    demand: Floats, sampled: Floats, rho: Floats, exact: tuple[Floats, Floats], level: float
) -> tuple[Floats, Floats]:
    """How far D(0) and the differences D(ρ) − D(0) may be below and above, all of them with probability `level`."""
    target = np.append(demand[0], demand[1:] - demand[0])
    off = np.column_stack([sampled[:, 0], sampled[:, 1:] - sampled[:, :1]]) - target
    error = off.std(axis=0)
    worst = np.max(np.abs(off) / np.where(error > 0, error, 1.0), axis=1)
    reach = np.quantile(worst, level, method="higher") * error
    less, more = (np.append(0.0, each) for each in (np.abs(target[1:]) - exact[0], exact[1] - np.abs(target[1:])))
    up = np.append(False, rho > 0)
    return np.maximum(reach, np.where(up, more, less)), np.maximum(reach, np.where(up, less, more))


def _calls(past: PastBids, near: float) -> tuple[int, int, int, int]:
    """Auctions that were close, next to close, tied; and those that are rounded too much to tell."""
    table = past.table.assign(auction=past.auctions).sort_values(["auction", "bid"], kind="stable")
    place = table.groupby("auction").cumcount()
    first, second = (table[place == k].set_index("auction")["bid"] for k in (0, 1))
    first = first.loc[second.index]
    scale = first
    if "reserve" in table:
        scale = table.groupby("auction")["reserve"].first().loc[second.index].fillna(first)
    bid = table["bid"].to_numpy(dtype=float)
    unit = np.zeros(len(bid))
    for power in range(10):
        unit[np.abs(np.round(bid / 10**power) * 10**power - bid) <= TIE * bid] = 10.0**power
    coarse = pd.Series(unit, index=table["auction"]).groupby(level=0).min().loc[second.index]
    apart = ((second - first) / scale).to_numpy(dtype=float)
    fine = (coarse / scale).to_numpy(dtype=float) <= near / 2
    tied = apart <= TIE
    close, after = fine & ~tied & (apart <= near), fine & (apart > near) & (apart <= 2 * near)
    return int(close.sum()), int(after.sum()), int(tied.sum()), int((~fine).sum())
