"""Are costs the bidders' own, or is there a part that is the same for all and that nobody knows? A test on past bids.

If costs are private, what a bid says of its bidder's cost,

    c = b − (1 − G_n(b)) / ((n − 1) g_n(b)),

has the same distribution whatever the number of bidders n. If part of the cost is common, the right-hand side is not
the bidder's cost but w(s; n) = E[cost | own signal s, lowest rival's signal s], and to win against more rivals is worse
news of the cost: all of them saw signals no better than s. In a reverse auction w therefore *rises* with n, and
pseudo-costs with it (in an auction that sells, values fall with n). Haile, Hong and Shum (2003), NBER Working Paper
10105, compare means over the same quantiles, as is done here.

Of such means no density is needed. With B(t) the bid that a share t of bids does not exceed, the pseudo-cost of that
bid is C(t) = B(t) − (1 − t) B′(t) / (n − 1), and by parts

    ∫_p^q C dt = (n − 2)/(n − 1) ∫_p^q B dt + [(1 − p) B(p) − (1 − q) B(q)] / (n − 1),

which needs no bandwidth and has no bias that could be taken for an effect of n.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import Table

Floats = NDArray[np.float64]
Invert = Callable[[Floats, int], Floats]

LEAST = 20  # auctions with one number of bidders, below which nothing is said of them
TOGETHER = 0.1  # correlation of an auction's bids, from which on differences between auctions are named beside it

CAUTION = (
    "the test takes it that the number of bidders has nothing to do with the cost: if auctions that are cheap to serve "
    "draw more bidders, pseudo-costs fall with their number, and a common part can go unseen",
    "differences between auctions that the bidders saw and the table does not tell make pseudo-costs rise with the "
    "number of bidders as a common part does: take out what can be told by covariates first",
)
SENTENCES = {
    "private": "costs look private: they do not rise with the number of bidders, and a rise of more than {matters:.0%} "
    "would have been seen",
    "common": "the test speaks for a common part: what bids say of costs rises with the number of bidders, by "
    "{rise:.1%} from {fewest} to {most} (p = {pvalue:.3f}); fair prices that rest on private costs are then too low "
    "where few bid",
    "falling": "what bids say of costs falls with the number of bidders, by {fall:.1%} from {fewest} to {most} "
    "(p = {falling:.3f}): no common part does that; look at who bids where",
    "too little": "there is too little to tell private costs from a common part",
}


@dataclass(frozen=True, eq=False)
class CommonCostTest:
    """What past bids say of a common part in costs.

    Attributes:
        table: By number of bidders `n`: `auctions`, `cost` (mean pseudo-cost over the quantiles compared), `error`.
        statistic: χ̄², how much better costs that may only rise with n fit than equal ones; NaN if nothing is compared.
        pvalue: Its share in the bootstrap of auctions, were costs the same for all n.
        falling: The same against costs that fall with n.
        rise: From the fewest to the most bidders, by the line through the means, as a share of the mean cost.
        low, high: Interval of the rise, at one less the level.
        correlation: Of the bids of an auction, among those with the same number of bidders.
        verdict: "private", "common", "falling" or "too little".
        matters: The rise that had to be ruled out for "private".
        notes: What was left out, and what to beware of.
    """

    table: pd.DataFrame
    statistic: float
    pvalue: float
    falling: float
    rise: float
    low: float
    high: float
    correlation: float
    verdict: str
    matters: float
    notes: tuple[str, ...]

    @property
    def direction(self) -> str:
        """Where pseudo-costs go as bidders get more: "rise", "fall", or blank if nothing is compared."""
        return "" if np.isnan(self.rise) else "rise" if self.rise > 0 else "fall"

    def __str__(self) -> str:
        numbers = self.table.index
        ends = {"fewest": numbers.min(), "most": numbers.max()} if len(numbers) else {}
        told = {"rise": self.rise, "fall": -self.rise, "pvalue": self.pvalue, "falling": self.falling}
        said = SENTENCES[self.verdict].format(matters=self.matters, **told, **ends)
        if self.verdict == "common" and self.correlation > TOGETHER:
            said += (
                f"; or auctions differ in what the table does not tell: their bids correlate by {self.correlation:.2f}"
            )
        return said


def common_cost_test(
    bids: Table | PastBids,
    invert: Invert | None = None,
    *,
    trim: float = 0.05,
    level: float = 0.05,
    matters: float = 0.05,
    replications: int = 499,
    seed: int = 0,
) -> CommonCostTest:
    """Whether pseudo-costs rise with the number of bidders, as a part of the cost that is common to all makes them.

    Means of pseudo-costs between the quantiles `trim` and 1 − `trim` are compared across numbers of bidders: the
    hypothesis that they are equal against the alternative that they rise (Bartholomew's statistic, with p-values of a
    bootstrap that resamples auctions). Costs are called private if they do not rise and the interval of the rise ends
    below `matters`; if it does not, there is too little to tell. Bids must be of comparable auctions: divide them by
    what covariates explain first. The number of bidders must come from outside, such as from who was invited: see
    `CAUTION`, which every result repeats.

    Args:
        bids: Past bids (see `past_bids`). Auctions of which not all bids are known are left out, and those with one.
        invert: Bids of auctions with n bidders to pseudo-costs, NaN where it cannot say; None for the formula at the
            head of this module.
        trim: Share of bids left out at each end, 0 < trim < 0.5.
        level: Of the test, and of the interval.
        matters: The rise, as a share of the mean cost, that would matter.
        replications: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ValueError: a share is out of range, or `invert` cannot say the cost of bids between the quantiles.
        BadTable: the table cannot be read.

    >>> generator = np.random.default_rng(1)
    >>> rows = []
    >>> for auction in range(400):
    ...     n = 2 + auction % 2 * 2  # 2 or 4 bidders, and bids of uniform costs
    ...     for bidder, cost in enumerate(generator.uniform(1, 2, n)):
    ...         rows.append({"auction": auction, "bidder": bidder, "bid": cost + (2 - cost) / n})
    >>> found = common_cost_test(rows)
    >>> found.verdict, found.pvalue > 0.05
    ('private', True)
    """
    past = past_bids(bids)
    if not 0 < trim < 0.5 or not 0 < level < 1 or not matters > 0 or replications < 1:
        raise ValueError(
            f"trim={trim!r}, level={level!r}, matters={matters!r}, replications={replications!r}: trim is a share "
            "below one half, level one below 1, matters a share above 0, and replications at least 1"
        )
    table, notes = _comparable(past)
    generator = np.random.default_rng(seed)
    rows, drawn = [], []
    for n, group in table.groupby("n"):
        mean, replicated = _means(group, int(str(n)), invert, trim, replications, generator)
        rows.append((n, group["auction"].nunique(), mean, replicated.std(ddof=1) if replications > 1 else np.nan))
        drawn.append(replicated)
    means = pd.DataFrame(rows, columns=["n", "auctions", "cost", "error"]).set_index("n")
    if len(means) < 2 or not (means["error"] > 0).all():
        said = (*notes, f"two numbers of bidders with {LEAST} auctions each are needed", *CAUTION)
        unknown = math.nan
        return CommonCostTest(
            means,
            unknown,
            unknown,
            unknown,
            unknown,
            unknown,
            unknown,
            _correlation(table),
            "too little",
            matters,
            said,
        )
    return _tested(means, np.column_stack(drawn), _correlation(table), level, matters, notes)


def _comparable(past: PastBids) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The bids of auctions that can be compared, and how many cannot."""
    table = past.table
    known = table.groupby("auction")["bid"].transform("size")
    partly, alone = table["n"] > known, (table["n"] == 1)
    auctions = table[~partly & ~alone].drop_duplicates("auction")
    counts = auctions["n"].value_counts()
    few = ~table["n"].isin(counts.index[counts >= LEAST]) & ~partly & ~alone
    notes = list(past.notes)
    for out, why in (
        (partly, "of which not all bids are known"),
        (alone, "with one bidder"),
        (few, f"with a number of bidders that fewer than {LEAST} auctions have"),
    ):
        if out.any():
            notes.append(f"{table.loc[out, 'auction'].nunique():,} auctions {why} are left out")
    return table[~partly & ~alone & ~few], tuple(notes)


def _means(
    group: pd.DataFrame, n: int, invert: Invert | None, trim: float, replications: int, generator: np.random.Generator
) -> tuple[float, Floats]:
    """The mean pseudo-cost of auctions with n bidders, and that of auctions drawn anew, shape (replications,)."""
    ordered = group.sort_values("bid", kind="stable")
    bid, auction = ordered["bid"].to_numpy(), pd.factorize(ordered["auction"], sort=True)[0]
    auctions = int(auction.max()) + 1

    def mean(times: NDArray[np.intp]) -> float:
        if invert is None:
            return _mean_cost(bid, times, n, trim)
        return _mean_of(invert(np.repeat(bid, times), n), n, trim)

    every = np.ones(len(bid), dtype=np.intp)
    share = np.full(auctions, 1 / auctions)
    drawn = [mean(generator.multinomial(auctions, share)[auction]) for _ in range(replications)]
    return mean(every), np.array(drawn)


def _mean_cost(bid: Floats, times: NDArray[np.intp], n: int, trim: float) -> float:
    """∫ C dt / (1 − 2 trim) by parts, from ascending bids that each count `times`."""
    size = times.sum()
    below = np.cumsum(times) / size
    inside = np.diff(np.clip(np.append(0.0, below), trim, 1 - trim))
    counted = times > 0
    # The k-th of m bids is at k / (m + 1) in the mean; of bids that count several times the middle one.
    place = (below * size - (times - 1) / 2) / (size + 1)
    ends = np.interp([trim, 1 - trim], place[counted], bid[counted])
    parts = (1 - trim) * ends[0] - trim * ends[1]
    return float(((n - 2) * (inside @ bid) + parts) / (n - 1) / (1 - 2 * trim))


def _mean_of(cost: Floats, n: int, trim: float) -> float:
    """The mean of the pseudo-costs of ascending bids between the quantiles."""
    below = np.linspace(0, 1, len(cost) + 1)
    inside = np.diff(np.clip(below, trim, 1 - trim))
    unknown = int((np.isnan(cost) & (inside > 0)).sum())
    if unknown:
        raise ValueError(
            f"invert gives no cost for {unknown} of {len(cost)} bids with {n} bidders between the quantiles "
            f"{trim:g} and {1 - trim:g}; raise trim, or invert without trimming"
        )
    return float(inside[inside > 0] @ cost[inside > 0] / inside.sum())


def _tested(
    means: pd.DataFrame, drawn: Floats, correlation: float, level: float, matters: float, notes: tuple[str, ...]
) -> CommonCostTest:
    """The verdict, with the bootstrap's deviations from the means as what chance does."""
    cost, weight = means["cost"].to_numpy(), 1 / means["error"].to_numpy() ** 2
    chance = drawn - cost
    pvalues = []
    for sign in (1, -1):
        found, by_chance = rising(sign * cost, weight), rising(sign * chance, weight)
        pvalues.append(float((1 + (by_chance >= found).sum()) / (1 + len(chance))))
    number = means.index.to_numpy(dtype=float)
    centred = number - (weight @ number) / weight.sum()
    line = weight * centred / (weight @ centred**2) * (number[-1] - number[0])
    size = (weight @ cost) / weight.sum()
    rise, error = float(line @ cost / size), float((chance @ line).std(ddof=1) / size)
    reach = float(stats.norm.isf(level / 2)) * error
    verdict = "common" if pvalues[0] < level else "falling" if pvalues[1] < level else "private"
    if verdict == "private" and rise + reach > matters:
        verdict = "too little"
    statistic = float(rising(cost, weight))
    said = (*notes, *CAUTION)
    low, high = rise - reach, rise + reach
    return CommonCostTest(
        means, statistic, pvalues[0], pvalues[1], rise, low, high, correlation, verdict, matters, said
    )


def rising(means: Floats, weight: Floats) -> Floats:
    """Σ w (m* − m̄)², m* the weighted means that fit best among those that do not fall (max-min formula).

    Args:
        means: Shape (…, groups).
        weight: 1 / variance of each, shape (groups,).

    References: Bartholomew (1959), Biometrika 46.

    >>> float(rising(np.array([1.0, 3.0]), np.array([2.0, 2.0]))), float(rising(np.array([3.0, 1.0]), np.ones(2)))
    (4.0, 0.0)
    """
    total = np.cumsum(weight * means, axis=-1)
    total = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    mass = np.append(0.0, np.cumsum(weight))
    last = np.triu(np.ones((len(weight), len(weight)), dtype=bool))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (total[..., None, 1:] - total[..., :-1, None]) / (mass[1:] - mass[:-1, None])
    between = np.where(last, between, np.nan)
    fit = [between[..., : k + 1, k:].min(axis=-1).max(axis=-1) for k in range(len(weight))]
    overall = total[..., -1:] / mass[-1]
    return np.asarray((weight * (np.stack(fit, axis=-1) - overall) ** 2).sum(axis=-1))


def _correlation(table: pd.DataFrame) -> float:
    """The mean product of two bids of an auction, less their number's mean, over the variance."""
    if table.empty:
        return float("nan")
    deviation = table["bid"] - table.groupby("n")["bid"].transform("mean")
    by = deviation.groupby(table["auction"])
    total, size = by.sum().to_numpy(), by.size().to_numpy()
    squares = (deviation**2).groupby(table["auction"]).sum().to_numpy()
    pairs = (total**2 - squares) / (size * (size - 1))
    spread = (squares / size).mean()
    return float(pairs.mean() / spread) if spread > 0 else float("nan")
