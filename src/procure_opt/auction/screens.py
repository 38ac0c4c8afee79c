"""Screens: what is odd about the spread, the spacing and the digits of bids, and what competition would have given.

Each screen is a number for an auction. Which way it goes where bidders collude depends on the award rule and on what
the ring does: covers close above the winning bid lower the variation of a first-price auction, phantom bids far above
it raise it, and in average-bid auctions rings that steer the mean raise what they lower elsewhere. `DIRECTIONS`, at the
foot, says which, as found by simulation; where behaviours disagree a screen is read two-sided.

Sources: Abrantes-Metz, Froeb, Geweke and Taylor, "A variance screen for collusion", International Journal of Industrial
Organization 24 (2006); Imhof, "Detecting bid-rigging cartels with descriptive statistics", Journal of Competition Law &
Economics 15 (2019); Huber and Imhof, "Machine learning with screens for detecting bid-rigging cartels", International
Journal of Industrial Organization 65 (2019); Wallimann, Imhof and Huber, "A machine learning approach for flagging
incomplete bid-rigging cartels", Computational Economics 62 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction.multiple import holm
from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import Table

Floats = NDArray[np.float64]

BLOCK = 4_000_000  # numbers held at a time
QUANTILES, DEGREE, STEPS = 1000, 3, 10  # of an estimated distribution: points; bends of a correction; corrections
SWEEPS, CHAINS, APART = 60, 50, 5  # rounds of swaps to random order; side by side; between two orders that are kept
SAME = 1e-12  # bids closer than that, as a share, are the same bid

TESTED = ("CV", "DIFFP", "RD", "SKEW")  # what auctions are tested by unless asked otherwise


@dataclass(frozen=True)
class Screen:
    """One number for each auction of n bids.

    Args:
        name: Of its column.
        formula: With b₁ ≤ … ≤ bₙ the bids, m their mean and s their standard deviation (n − 1).
        least: The fewest bids it can be had from.
        of: The formula on bids that ascend along the last axis.

    >>> Screen("range", "bₙ − b₁", 2, lambda bids: bids[..., -1] - bids[..., 0])([[9, 10, 12], [7, 7, 8]]).tolist()
    [3.0, 1.0]
    """

    name: str
    formula: str
    least: int
    of: Callable[[Floats], Floats]

    def __call__(self, bids: Any) -> Floats:
        """The screen of ascending bids, shape (auctions, n); NaN where n is too small, or where all bids are the same.

        RD and ALTRD are ∞ where the bids that lost are all the same and the lowest is below them. CV, SPD, DIFFP,
        ROUND and TIED are numbers where all bids are the same, too.
        """
        bids = np.asarray(bids, dtype=float)
        if bids.shape[-1] < self.least:
            return np.full(bids.shape[:-1], math.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.asarray(self.of(bids), dtype=float)
        return np.where(np.isinf(value) & (bids[..., 0] == bids[..., -1]), math.nan, value)

    def direction(self, award: str = "first price", behaviours: Sequence[str] | None = None) -> int:
        """1 if those of these behaviours that move it raise it, −1 if they lower it, 0 if they disagree or none does.

        Args:
            award: "first price" or "average bid".
            behaviours: Names of `DIRECTIONS`; all of the award rule if None.

        Raises:
            ValueError: an award rule or a behaviour is unknown.
        """
        if award not in DIRECTIONS:
            raise ValueError(f"award is {award!r}; it must be one of {', '.join(map(repr, DIRECTIONS))}")
        known = DIRECTIONS[award]
        for name in behaviours or ():
            if name not in known:
                raise ValueError(f"behaviours: {name!r} is unknown; there are {', '.join(known)}")
        signs = {known[name].get(self.name, 0) for name in (known if behaviours is None else behaviours)} - {0}
        return signs.pop() if len(signs) == 1 else 0


@dataclass(frozen=True, eq=False)
class Screens:
    """The screens of past auctions.

    Attributes:
        table: One row an auction, in the order of the bids: its name is the index, `n` the bids looked at, then a
            column for each screen; NaN where it cannot be had. RD and ALTRD are ∞ where the bids that lost are all the
            same.
        bids: What was looked at.
        notes: What was assumed.
    """

    table: pd.DataFrame
    bids: PastBids
    notes: tuple[str, ...] = ()

    def rule_of_thumb(self, cv: float = 0.06, rd: float = 1.0) -> pd.Series:
        """Auctions whose variation is low and whose winning bid stands apart from covers close together.

        CV < `cv` and RD > `rd` (Imhof, Karagök and Rutz 2018, Journal of Competition Law & Economics 14).
        """
        return pd.Series((self.table["CV"] < cv) & (self.table["RD"] > rd), name="rule_of_thumb")

    def test(self, only: str | Sequence[str] = TESTED, **how: Any) -> ScreenTest:
        """How far each auction is from what competition gives with as many bids: `screen_test`, with its arguments."""
        return screen_test(self, only, **how)


@dataclass(frozen=True, eq=False)
class ScreenTest:
    """Auctions beside simulated competition.

    Attributes:
        p: One row an auction, one column a screen: the p-value; NaN where the screen cannot be had.
        combined: The smallest p-value of each auction, times the number of screens as Holm has it.
        adjusted: The same, Benjamini and Hochberg's over all auctions: asking about those at or below 0.05 leaves at
            most 5 % of the questions to chance, on average.
        asked: Auctions whose `adjusted` is at most `level`, smallest first.
        directions: Of each screen: 1 looks for large values, −1 for small ones, 0 for both.
        level: Of false discoveries.
        untested: Auctions of fewer than three bids, or with fewer than `least` of as many bids.
    """

    p: pd.DataFrame
    combined: pd.Series
    adjusted: pd.Series
    asked: tuple[str, ...]
    directions: dict[str, int]
    level: float
    untested: int

    def questions(self) -> tuple[str, ...]:
        """What to ask about each auction that stands out; never a verdict."""
        told = []
        for auction in self.asked:
            row = self.p.loc[auction].dropna()
            name = str(row.idxmin())
            told.append(
                f"{auction}: {name} is such as competition gives once in {1 / row[name]:,.0f} auctions of as many "
                "bids. Is there something about the contract that explains it, or about the bidders?"
            )
        return tuple(told)


def screens(bids: Table | PastBids) -> Screens:
    """All screens of the catalogue, one row an auction.

    Args:
        bids: Past bids, see `past_bids`. Screens are of the bids there are, also where `bidders` says there were more.

    Raises:
        BadTable: see `past_bids`.

    >>> found = screens([{"auction": "A", "bidder": b, "bid": bid} for b, bid in zip("PQRS", (100, 110, 112, 114))])
    >>> found.table[["n", "CV", "SPD", "DIFFP", "RD", "RDNOR", "ALTRD"]].round(4).values.tolist()
    [[4.0, 0.057, 0.14, 0.1, 5.0, 2.1429, 5.0]]
    """
    past = past_bids(bids)
    auction = past.auctions
    names = past.table["auction"].drop_duplicates()
    columns = {screen.name: np.full(len(names), math.nan) for screen in SCREENS}
    for at, matrix in _by_size(past):
        for screen in SCREENS:
            columns[screen.name][at] = screen(matrix)
    size = np.bincount(auction)
    table = pd.DataFrame({"n": size, **columns}, index=pd.Index(names, name="auction"))
    notes = list(past.notes)
    more = int((past.table.groupby("auction", sort=False)["n"].first().to_numpy() > size).sum())
    if more:
        notes.append(f"{more} auctions had more bidders than there are bids; screens are of the bids there are")
    return Screens(table, past, tuple(notes))


def screen_test(
    bids: Table | PastBids | Screens,
    only: str | Sequence[str] = TESTED,
    *,
    award: str = "first price",
    behaviours: Sequence[str] | None = None,
    least: int = 20,
    draws: int = 20_000,
    level: float = 0.05,
    seed: int = 0,
) -> ScreenTest:
    """p-values of screens against competition with as many bids, under common shocks of any kind.

    For each n, that distribution of log bids is found of which auctions of n, with their means taken off, look like
    those that are seen with their means taken off. Auctions are drawn from it; the screens are free of scale, so the
    shocks need not be drawn. What is seen holds rigged auctions too, if there are
    any: where a ring is in most of them it is the norm, and these p-values say little (look at `independence` and
    `missing_mass` then).

    Args:
        bids: Past bids, or their `screens`.
        only: Names of screens, or one.
        award: "first price" or "average bid", for the directions.
        behaviours: What a ring is thought to do, for the directions: names of `DIRECTIONS`; any if None.
        least: Auctions there must be of n bids to tell what competition gives at n.
        draws: Auctions drawn for each n.
        level: Share of the questions that may be false, on average (Benjamini and Hochberg 1995).
        seed: Of the draws.

    Raises:
        ValueError: a screen, award rule or behaviour is unknown, there is no screen, too few draws, `level` is not
            between 0 and 1, or no auction can be tested.
        BadTable: see `past_bids`.

    >>> from procure_opt.auction.cartels import simulated_tenders
    >>> honest = screen_test(simulated_tenders(200, 5, seed=3))
    >>> honest.directions["CV"], len(honest.asked)
    (0, 0)
    """
    found = bids if isinstance(bids, Screens) else screens(bids)
    chosen = _chosen(only)
    _testable(found, least, draws, level)
    directions = {screen.name: screen.direction(award, behaviours) for screen in chosen}
    generator = np.random.default_rng(seed)
    p = np.full((len(found.table), len(chosen)), math.nan)
    for at, matrix in _by_size(found.bids):
        if matrix.shape[1] < 3 or len(at) < least:
            continue
        null = _null(matrix, draws, generator)
        for k, screen in enumerate(chosen):
            value = found.table[screen.name].to_numpy()[at]
            p[at, k] = _tail(value, screen(null), directions[screen.name])
    table = pd.DataFrame(p, index=found.table.index, columns=[screen.name for screen in chosen])
    least_p = np.fmin.reduce(holm(p), axis=1)
    had, discovery = ~np.isnan(least_p), np.full(len(least_p), math.nan)
    if had.any():
        discovery[had] = stats.false_discovery_control(least_p[had])
    asked = np.argsort(discovery, kind="stable")[: int((discovery <= level).sum())]
    combined = pd.Series(least_p, index=table.index, name="combined")
    adjusted = pd.Series(discovery, index=table.index, name="adjusted")
    return ScreenTest(
        table, combined, adjusted, tuple(map(str, table.index[asked])), directions, level, int((~had).sum())
    )


def subgroup_screens(
    bids: Table | PastBids, only: str | Sequence[str] = ("CV", "SPD", "DIFFP", "RD", "SKEW", "KSTEST"), most: int = 20
) -> pd.DataFrame:
    """Screens of every three and every four bids of an auction, for rings that are only part of the field.

    Args:
        bids: Past bids, see `past_bids`.
        only: Names of screens, or one.
        most: Auctions with more bids than that are refused: their subgroups grow with n⁴.

    Returns:
        One row an auction; columns `CV3_mean`, `CV3_median`, `CV3_min`, `CV3_max`, …, `CV4_mean`, …; NaN where there
        are too few bids.

    Raises:
        ValueError: a screen is unknown, or an auction has more than `most` bids.

    Source: Wallimann, Imhof and Huber, Computational Economics 62 (2023).

    >>> rows = [{"auction": "A", "bidder": b, "bid": bid} for b, bid in zip("PQRS", (80, 100, 101, 102))]
    >>> subgroup_screens(rows, ["CV"])[["CV3_min", "CV3_max", "CV4_mean"]].round(4).values.tolist()
    [[0.0099, 0.1317, 0.11]]
    """
    past = past_bids(bids)
    chosen = _chosen(only)
    names = past.table["auction"].drop_duplicates()
    told: dict[str, Callable[..., Any]] = {"mean": np.mean, "median": np.median, "min": np.min, "max": np.max}
    columns = {
        f"{screen.name}{size}_{word}": np.full(len(names), math.nan)
        for size in (3, 4) for screen in chosen for word in told
    }  # fmt: skip
    for at, matrix in _by_size(past):
        n = matrix.shape[1]
        if n > most:
            raise ValueError(f"auction {names.iloc[at[0]]!r} has {n} bids; raise `most` to take all their subgroups")
        for size in (3, 4):
            if n < size:
                continue
            subsets = np.array(list(combinations(range(n), size)))
            step = max(1, BLOCK // subsets.size)
            for start in range(0, len(at), step):
                some = at[start : start + step]
                groups = matrix[start : start + step][:, subsets]
                for screen in chosen:
                    value = screen(groups)
                    whole = ~np.isnan(value).any(axis=1)
                    for word, summary in told.items():
                        columns[f"{screen.name}{size}_{word}"][some[whole]] = summary(value[whole], axis=1)
    return pd.DataFrame(columns, index=pd.Index(names, name="auction"))


@dataclass(frozen=True, eq=False)
class Digits:
    """How often each digit leads, beside Benford's law.

    Attributes:
        table: One row a digit: `digit`, `share`, `benford`.
        distance: Mean absolute difference of the two.
        p: Of the χ² test, corrected for auctions being clusters (Rao and Scott 1981): bids of one auction start alike
            because the contract is the same.
        bids: Bids that have such a digit.
    """

    table: pd.DataFrame
    distance: float
    p: float
    bids: int


def digits(bids: Table | PastBids, place: int = 1) -> Digits:
    """First or second significant digits against Benford's law, log₁₀(1 + 1/d) and Σₖ log₁₀(1 + 1/(10k + d)).

    Amounts that span less than a few powers of ten do not follow the law for reasons of their own: first digits say
    little about contracts of one size, second digits more.

    Args:
        bids: Past bids, see `past_bids`.
        place: 1 or 2.

    Raises:
        ValueError: another place.

    Source: Benford, Proceedings of the American Philosophical Society 78 (1938).

    >>> digits([{"auction": k, "bidder": "A", "bid": 1.1**k} for k in range(300)]).table.round(3).values[0].tolist()
    [1.0, 0.32, 0.301]
    """
    if place not in (1, 2):
        raise ValueError(f"place is {place!r}; it must be 1 or 2")
    past = past_bids(bids)
    bid = past.table["bid"].to_numpy(dtype=float)
    # From the shortest decimal text of the number: 0.3 · 10 is 3 and not 2.9999999999999996.
    texts = [np.format_float_scientific(each, trim="-").replace(".", "") for each in bid]
    lead = np.array([int((text.split("e")[0] + "0")[place - 1]) for text in texts])
    possible = np.arange(1 if place == 1 else 0, 10)
    expected = BENFORD[place]
    off = (lead[:, None] == possible) - expected
    distance, df = off.mean(axis=0), len(possible) - 1
    clusters = np.column_stack([np.bincount(past.auctions, column) for column in off.T])
    # How many times the variance is that of independent bids, on average over digits.
    times = float(((clusters**2).sum(axis=0) / expected).sum()) / len(bid) / df
    p = float(stats.chi2.sf(len(bid) * (distance**2 / expected).sum() / times, df))
    table = pd.DataFrame({"digit": possible, "share": expected + distance, "benford": expected})
    return Digits(table, float(np.abs(distance).mean()), p, len(bid))


@dataclass(frozen=True, eq=False)
class Turns:
    """Whether bidders win in turn.

    Attributes:
        wins: One row a bidder: `bids`, `wins`, `share` of the wins.
        concentration: Σ share² of the wins.
        entropy: −Σ share log share, over log of the number of bidders: 1 if all win alike.
        expected: Σ share² where each auction's winner is drawn by chance among those who bid, by class.
        p_even: That wins are spread as evenly or more by that chance, or by the same chance for all who bid, whichever
            is the larger: chances read off the wins themselves are less even than the true ones.
        p_uneven: As unevenly or more.
        repeats: How often a winner also won the auction before, of the same class.
        expected_repeats: The same in random order.
        p_turns: That there are as few repeats or fewer in random order.
        auctions: Auctions looked at.
        notes: What was assumed of the bids.
    """

    wins: pd.DataFrame
    concentration: float
    entropy: float
    expected: float
    p_even: float
    p_uneven: float
    repeats: int
    expected_repeats: float
    p_turns: float
    auctions: int
    notes: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """What to ask, or that there is nothing to ask; never a verdict."""
        if min(self.p_turns, self.p_even) > 0.025:
            return f"{self.auctions} auctions: wins are spread, and follow each other, as chance would have it."
        what = "follow each other in turn" if self.p_turns <= self.p_even else "are spread evenly"
        return (
            f"{self.auctions} auctions: wins {what} more than chance would have it "
            f"(p = {min(self.p_turns, self.p_even):.2g}). Do capacity or seasons explain it, or did bidders take turns?"
        )


def turns(
    bids: Table | PastBids,
    group: Sequence[str] | None = None,
    *,
    by: str | None = None,
    draws: int = 999,
    seed: int = 0,
) -> Turns:
    """Bid rotation: how evenly and how regularly bidders win, given who bid.

    Two nulls, both within classes of contracts, because firms that work in different classes share the market without
    agreeing on it. Spread: each winner is drawn among the members of the group who bid, as often as they win in the
    class. Order: the winners of a class are permuted among its auctions in which they bid, by swaps that both winners
    could have won; repeats say whether turns are taken.

    Args:
        bids: Past bids, see `past_bids`, in order of `date` where there is one, else as they stand. Where there is no
            column `winner`, or it is blank throughout, the lowest bid is taken to have won, and noted. Where it names
            some winners, an auction in which it is blank or says no for all bids has none, and does not count.
        group: Bidders among whom turns might be taken; all if None. Auctions count in which two bid and one won.
        by: A column with the class of contract; None for one class.
        draws: Of each null.
        seed: Of the draws.

    Raises:
        ValueError: `by` is no column, a bidder is unknown, `winner` says no throughout, fewer than three
            auctions count, or no draws.

    Source of the random orders: Besag and Clifford, "Generalized Monte Carlo significance tests", Biometrika 76 (1989).

    >>> rows = [{"auction": a, "bidder": b, "bid": 100 + 5 * ((a + k) % 3), "date": f"2024-01-{a + 1:02d}"}
    ...         for a in range(24) for k, b in enumerate(("Acer", "Briar", "Cedar"))]
    >>> found = turns(rows)
    >>> found.repeats, found.p_turns < 0.01, round(found.entropy, 6)
    (0, True, 1.0)
    """
    past = past_bids(bids)
    table = past.table.assign(auction=past.auctions)
    if draws < 1:
        raise ValueError(f"draws is {draws!r}; give at least 1")
    if not table["winner"].any():
        raise ValueError(
            "winner: no bid is marked as the winner, the column says no throughout; write 1 beside each bid that won, "
            "or leave the column out, and the lowest bid is taken to have won"
        )
    if by is not None and by not in table:
        raise ValueError(f"by: there is no column {by!r}; there are {', '.join(past.table.columns)}")
    names = pd.Index(table["bidder"].unique())
    if group is not None:
        for name in group:
            if name not in names:
                raise ValueError(f"group: {name!r} has no bid in the table")
        names = pd.Index(list(dict.fromkeys(group)))
    table = table[table["bidder"].isin(names)]
    present = table.groupby("auction")["bidder"].transform("size")
    fits = present.ge(2) & table.groupby("auction")["winner"].transform("any")
    table = table[fits]
    if "date" in table:
        table = table.sort_values(["date", "auction"], kind="stable")
    count = table["auction"].nunique()
    if count < 3:
        raise ValueError(f"{count} auctions have two bidders of the group and a winner among them; turns need three")
    row = pd.factorize(table["auction"])[0]
    there = np.zeros((count, len(names)), dtype=bool)
    who = names.get_indexer(table["bidder"])
    there[row, who] = True
    won = table["winner"].to_numpy()
    winner = np.empty(count, dtype=np.intp)
    winner[row[won]] = who[won]
    kind = np.zeros(len(table), dtype=np.intp) if by is None else pd.factorize(table[by].astype(str))[0]
    cls = np.empty(count, dtype=np.intp)
    cls[row] = kind
    generator = np.random.default_rng(seed)
    spread, even = _spread(row, who, winner, cls, draws, generator)
    order = _repeats(there, winner, cls, draws, generator)
    wins = np.bincount(winner, minlength=len(names))
    share = wins / count
    some = share[share > 0]
    concentration = float((share**2).sum())
    repeats = int(_again(winner[:, None], cls)[0])
    said = pd.DataFrame(
        {"bids": np.bincount(who, minlength=len(names)), "wins": wins, "share": share},
        index=pd.Index(names, name="bidder"),
    )
    return Turns(
        said, concentration, float(-(some * np.log(some)).sum() / math.log(len(names))), float(spread.mean()),
        max(_share(each <= concentration + SAME) for each in (spread, even)), _share(spread >= concentration - SAME),
        repeats, float(order.mean()), _share(order <= repeats), count, past.notes,
    )  # fmt: skip


def _share(hits: NDArray[np.bool_]) -> float:
    """A p-value: the share of draws that are as extreme, the auctions themselves counted as one of them."""
    return float((1 + hits.sum()) / (1 + len(hits)))


def _spread(row: Any, who: Any, winner: Any, cls: Any, draws: int, generator: np.random.Generator) -> Floats:
    """Σ share² of wins drawn among those who bid: by how often they win in the class, and evenly; shape (2, draws)."""
    order = np.argsort(row, kind="stable")
    row, who = row[order], who[order]
    names, count = int(who.max()) + 1, len(winner)
    code = cls[row] * names + who
    entered = np.bincount(code)
    won = np.bincount(cls * names + winner, minlength=len(entered))
    # One win and one loss more than seen: who never won can still win.
    chance = ((won + 1) / (entered + 2))[code]
    # One line for all auctions: that of number r fills r to r + 1, in parts as its bidders' chances.
    total, last, size = np.bincount(row, chance), np.flatnonzero(np.diff(row, append=count)), np.bincount(row)
    edge = row + (np.cumsum(chance) - (np.cumsum(total) - total)[row]) / total[row]
    edge[last] = row[last] + 1
    values = np.empty((2, draws))
    for draw in range(draws):
        u = generator.uniform(size=count)
        by_wins = np.minimum(np.searchsorted(edge, np.arange(count) + u, side="right"), last)
        evenly = last - (u * size).astype(np.intp)
        for k, drawn in enumerate((by_wins, evenly)):
            values[k, draw] = ((np.bincount(who[drawn]) / count) ** 2).sum()
    return values


def _repeats(there: NDArray[np.bool_], winner: Any, cls: Any, draws: int, generator: np.random.Generator) -> Floats:
    """Repeats of winners in random order: chains of swaps between auctions of a class that both winners bid in.

    Chains start from what is seen; once they are in random order, one order in `APART` is kept of each.
    """
    width = min(draws, CHAINS)
    chains, kept = np.tile(winner[:, None], (1, width)), []
    for sweep in range(SWEEPS + APART * ((draws - 1) // width)):
        if sweep >= SWEEPS and (sweep - SWEEPS) % APART == 0:
            kept.append(_again(chains, cls))
        order = generator.permutation(len(winner))
        order = order[np.argsort(cls[order], kind="stable")]
        rank = np.arange(len(order)) - np.searchsorted(cls[order], cls[order])
        first = np.flatnonzero((rank[:-1] % 2 == 0) & (np.diff(cls[order]) == 0))
        one, two = order[first], order[first + 1]
        mine, other = chains[one], chains[two]
        swap = there[two[:, None], mine] & there[one[:, None], other]
        swap &= generator.integers(2, size=mine.shape, dtype=np.bool_)
        chains[one], chains[two] = np.where(swap, other, mine), np.where(swap, mine, other)
    return np.concatenate([*kept, _again(chains, cls)])[:draws]


def _again(winners: Any, cls: Any) -> Floats:
    """How often a winner won the auction before of the same class, shape (chains,)."""
    order = np.argsort(cls, kind="stable")
    same = np.diff(cls[order]) == 0
    ranked = winners[order]
    return np.asarray(((ranked[1:] == ranked[:-1]) & same[:, None]).sum(axis=0), dtype=float)


def _chosen(only: str | Sequence[str]) -> tuple[Screen, ...]:
    known, names = {screen.name: screen for screen in SCREENS}, (only,) if isinstance(only, str) else tuple(only)
    if not names:
        raise ValueError(f"only is empty; give one screen or more of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise ValueError(f"only: {name!r} is no screen; there are {', '.join(known)}")
    return tuple(known[name] for name in names)


def _testable(found: Screens, least: int, draws: int, level: float) -> None:
    if draws < 100:
        raise ValueError(f"draws is {draws!r}; give at least 100")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; give a share of false questions between 0 and 1, as 0.05")
    if least < 2:
        raise ValueError(f"least is {least!r}; give at least 2 auctions to tell competition from")
    size = found.table["n"].to_numpy()
    most = int(np.bincount(size[size >= 3], minlength=1).max())
    if most < least:
        raise ValueError(
            f"no auction can be tested: at most {most} have as many bids, three or more, and least is {least}; give "
            "more auctions, or a lower `least`"
        )


def _by_size(past: PastBids) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """For each number of bids the numbers of the auctions, and their bids in ascending order, shape (auctions, n)."""
    bid, auction = past.table["bid"].to_numpy(dtype=float), past.auctions
    ranked = bid[np.lexsort((bid, auction))]
    size = np.bincount(auction)
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    for n in np.unique(size):
        at = np.flatnonzero(size == n)
        yield at, ranked[start[at][:, None] + np.arange(n)]


def _null(matrix: Floats, draws: int, generator: np.random.Generator) -> Floats:
    """Ascending bids of simulated competition, shape (draws, n).

    The mean that is taken off is made of the same bids, so what is left is closer to normal than bids are. The
    quantiles are therefore bent, smoothly, until auctions drawn from them and demeaned likewise have those seen.
    """
    n, points = matrix.shape[1], (np.arange(QUANTILES) + 0.5) / QUANTILES
    seen = np.quantile(_demeaned(np.log(matrix)), points)
    guess, drawn = seen * math.sqrt(n / (n - 1)), generator.integers(QUANTILES, size=(min(draws, 5000), n))
    if seen[0] < seen[-1]:
        smooth = np.polynomial.chebyshev.chebvander(2 * (seen - seen[0]) / (seen[-1] - seen[0]) - 1, DEGREE)
        hat = smooth @ np.linalg.pinv(smooth)
        for _ in range(STEPS):
            guess = np.sort(guess + hat @ (seen - np.quantile(_demeaned(guess[drawn]), points)))
    # Between the quantiles, too: simulated bids that are the same by construction would hide real ones that are.
    return np.exp(np.sort(np.interp(generator.uniform(size=(draws, n)), points, guess), axis=1))


def _demeaned(log: Floats) -> Floats:
    return np.asarray(log - log.mean(axis=1, keepdims=True))


def _tail(value: Floats, null: Floats, direction: int) -> Floats:
    """p-values: the share of the null at least as far out, on the side of the direction, or on both."""
    null = np.sort(null[~np.isnan(null)])
    below = (1 + np.searchsorted(null, value, side="right")) / (1 + len(null))
    above = (1 + len(null) - np.searchsorted(null, value, side="left")) / (1 + len(null))
    p = below if direction < 0 else above if direction > 0 else np.minimum(1.0, 2 * np.minimum(below, above))
    return np.where(np.isnan(value), math.nan, p)


# ---- formulas, of bids that ascend along the last axis ----------------------------------------------------


def _standard(bids: Floats) -> Floats:
    """The standard deviation, exactly 0 where all bids are the same."""
    return np.asarray(np.where(bids[..., 0] == bids[..., -1], 0.0, bids.std(axis=-1, ddof=1)))


def _moment(bids: Floats, power: int) -> Floats:
    z = (bids - bids.mean(axis=-1, keepdims=True)) / _standard(bids)[..., None]
    return np.asarray((z**power).sum(axis=-1))


def _kurtosis(bids: Floats) -> Floats:
    n = bids.shape[-1]
    fourth = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * _moment(bids, 4)
    return np.asarray(fourth - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))


def _uniformity(bids: Floats) -> Floats:
    n = bids.shape[-1]
    x = (bids - bids[..., :1]) / (bids[..., -1:] - bids[..., :1])
    rank = np.arange(1, n + 1)
    return np.asarray(np.maximum((rank / n - x).max(axis=-1), (x - (rank - 1) / n).max(axis=-1)))


def _uniformity_of_ratios(bids: Floats) -> Floats:
    x, step = bids / _standard(bids)[..., None], np.arange(1, bids.shape[-1] + 1) / (bids.shape[-1] + 1)
    return np.asarray(np.abs(x - step).max(axis=-1))


def _round(bids: Floats) -> Floats:
    """The share of bids with at most three significant digits."""
    unit = 10.0 ** (np.floor(np.log10(bids) + SAME) - 2)
    return np.asarray((np.abs(bids / unit - np.round(bids / unit)) <= 1e-9).mean(axis=-1))


def _tied(bids: Floats) -> Floats:
    """The share of bids that another bid equals."""
    same = np.diff(bids, axis=-1) <= SAME * bids[..., 1:]
    no = np.zeros((*bids.shape[:-1], 1), dtype=bool)
    return np.asarray((np.concatenate([no, same], axis=-1) | np.concatenate([same, no], axis=-1)).mean(axis=-1))


BENFORD = {
    1: np.log10(1 + 1 / np.arange(1, 10)),
    2: np.log10(1 + 1 / (10 * np.arange(1, 10)[:, None] + np.arange(10))).sum(axis=0),
}

SCREENS: tuple[Screen, ...] = (
    Screen("CV", "s / m", 2, lambda b: _standard(b) / b.mean(axis=-1)),
    Screen("SPD", "(bₙ − b₁) / b₁", 2, lambda b: (b[..., -1] - b[..., 0]) / b[..., 0]),
    Screen("DIFFP", "(b₂ − b₁) / b₁", 2, lambda b: (b[..., 1] - b[..., 0]) / b[..., 0]),
    Screen("RD", "(b₂ − b₁) / s(b₂ … bₙ)", 3, lambda b: (b[..., 1] - b[..., 0]) / _standard(b[..., 1:])),
    Screen(
        "RDNOR", "(b₂ − b₁) / mean of all n − 1 gaps between neighbours", 3,
        lambda b: (b[..., 1] - b[..., 0]) * (b.shape[-1] - 1) / (b[..., -1] - b[..., 0]),
    ),
    Screen(
        "ALTRD", "(b₂ − b₁) / mean of the n − 2 gaps between losing neighbours", 3,
        lambda b: (b[..., 1] - b[..., 0]) * (b.shape[-1] - 2) / (b[..., -1] - b[..., 1]),
    ),
    Screen(
        "SKEW", "n / ((n − 1)(n − 2)) Σ ((b − m)/s)³", 3,
        lambda b: b.shape[-1] / ((b.shape[-1] - 1) * (b.shape[-1] - 2)) * _moment(b, 3),
    ),
    Screen("KURT", "n(n + 1)/((n − 1)(n − 2)(n − 3)) Σ ((b − m)/s)⁴ − 3(n − 1)²/((n − 2)(n − 3))", 4, _kurtosis),
    Screen("KSTEST", "largest distance of (b − b₁)/(bₙ − b₁) from the uniform law", 2, _uniformity),
    Screen("KSRATIO", "max |bᵢ/s − i/(n + 1)| (Huber and Imhof 2019), close to 1/CV", 2, _uniformity_of_ratios),
    Screen("ROUND", "share of bids with at most three significant digits", 1, _round),
    Screen("TIED", "share of bids that another bid equals", 2, _tied),
)  # fmt: skip

# Which way each behaviour of `cartels.py` moves a screen: + if an auction with a ring of 3 of 6 is above an honest one
# with as many bids with a chance of more than 0.55, - if of less than 0.45, . between (10,000 simulated auctions each).
NAMES = ("CV", "SPD", "DIFFP", "RD", "RDNOR", "ALTRD", "SKEW", "KURT", "KSTEST", "KSRATIO")
SIGNS = """
first price: Cover       ---...++++
first price: Rotation    --.+++-+++
first price: ShareRule   --.+++-+++
first price: Phantom     +++---+-.-
first price: Suppression ..........
first price: Inflation   +++......-
average bid: Cover       ++.....---
average bid: Rotation    ++.....---
average bid: ShareRule   ++.....---
average bid: Phantom     ++.---+-.-
average bid: Suppression ..........
average bid: Inflation   +++-----+-
average bid: Steering    +++......-
"""


def _directions(signs: str) -> dict[str, dict[str, dict[str, int]]]:
    found: dict[str, dict[str, dict[str, int]]] = {}
    for line in signs.strip().splitlines():
        award, row = line.split(": ")
        behaviour, marks = row.split()
        moves = {name: {"-": -1, "+": 1, ".": 0}[mark] for name, mark in zip(NAMES, marks, strict=True)}
        found.setdefault(award, {})[behaviour] = moves
    return found


DIRECTIONS = _directions(SIGNS)
