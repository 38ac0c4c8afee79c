"""Whether bidders bid independently of each other and respond to all rivals alike (Bajari and Ye 2003).

Bids of an auction are alike because the contract is: log bid = shock of the auction + effect of the bidder +
covariates + residual. Taking off the mean of an auction of n bids removes the shock and makes independent residuals
correlate by −1/(n − 1); the mean of the n − 2 others makes them correlate by +1/(n − 1). Here the covariance of i and j
is estimated by products in which neither happens,

    u = mean over k ≠ l, both other than i and j, of (e_i − e_k)(e_j − e_l),

free of the shock, and of mean Cov(e_i, e_j) where the others are independent of them and of each other, however much
variances differ between bidders. With n = 4 the other two have the same u: which of the two pairs it is cannot be told
unless they also meet without each other. With n = 3 there is one other bid, k = l, and three differences tell three
variances and nothing more. Bids of three-bid auctions are compared only if told to (`equal_variances`), by

    u = ((e_i − e_k)² + (e_j − e_k)²) / 4 − (e_i − e_j)² / 2,

which is of mean Cov(e_i, e_j) where the three have the same variance, and else makes honest bidders stand out.

Source: Bajari and Ye, "Deciding between competition and collusion", Review of Economics and Statistics 85 (2003).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from procure_opt.auction.multiple import holm
from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import Table

Floats = NDArray[np.float64]
Whole = NDArray[np.intp]

BLOCK = 2_000_000  # numbers held at a time
NOISE = 1e-10  # residuals below that, as a share of the log bid, are rounding


@dataclass(frozen=True, eq=False)
class Independence:
    """Pairs of bidders, and whether their bids move together once the common shocks are gone.

    Attributes:
        pairs: One row a pair that met in `least` auctions or more: `bidder`, `other`, `auctions`, `covariance` (mean
            of u), `correlation` (with the variances from u of each with itself), `t`, `p` (two-sided, Student's t
            with auctions − 1), `p_holm` (over all pairs). Smallest p first.
        p: That any pair is as far off under independence (Holm).
        untested: Pairs that met in fewer auctions, not counting those that cannot be compared.
        residuals: Of each bid, with shock, bidder and covariates taken off; NaN where an auction has too few bids.
        notes: What was assumed or left out.
    """

    pairs: pd.DataFrame
    p: float
    untested: int
    residuals: pd.Series
    notes: tuple[str, ...] = ()

    def questions(self, level: float = 0.05) -> tuple[str, ...]:
        """What to ask about the pairs that stand out, at that probability of one false question; never a verdict."""
        found = self.pairs[self.pairs["p_holm"] <= level]
        return tuple(
            f"{row.bidder} and {row.other}: in {row.auctions} auctions their bids {_together(row)} beyond what all "
            f"bids share (p = {row.p_holm:.2g}). What do the two have in common: suppliers, subcontracts, a site, "
            "owners, or more? Or is it their rivals who have?"
            for row in found.itertuples()
        )


def _together(row: Any) -> str:
    # A variance estimated at 0 or below leaves the covariance without a correlation.
    if math.isnan(row.correlation):
        return "move together" if row.covariance > 0 else "move apart"
    return f"correlate by {row.correlation:+.2f}"


@dataclass(frozen=True, eq=False)
class Exchangeability:
    """Bidders, and whether each responds to the costs of all its rivals alike.

    Attributes:
        bidders: One row a bidder: `bidder`, `auctions`, `rivals` (told apart), `f`, `df`, `df_residual`, `p`, `p_holm`.
            Smallest p first.
        p: That any bidder is as far off under exchangeability (Holm).
        untested: Bidders with too few auctions.
    """

    bidders: pd.DataFrame
    p: float
    untested: int
    notes: tuple[str, ...] = ()

    def questions(self, level: float = 0.05) -> tuple[str, ...]:
        """What to ask about the bidders that stand out, at that probability of one false question; never a verdict."""
        found = self.bidders[self.bidders["p_holm"] <= level]
        return tuple(
            f"{row.bidder}: its bids respond to the costs of some rivals and not of others (p = {row.p_holm:.2g}). "
            "What does it know of them, and from whom?"
            for row in found.itertuples()
        )


def independence(
    bids: Table | PastBids,
    covariates: str | Sequence[str] = (),
    *,
    group: Sequence[str] | None = None,
    least: int = 10,
    equal_variances: bool = False,
) -> Independence:
    """Test of conditional independence, pair by pair, with common shocks removed and no bias from removing them.

    Under independence no pair stands out. Where some do, bidders fall into camps, and which camp has agreed is another
    question: three members of a ring, taken as the others, make two outsiders look alike. Test a suspected camp as a
    `group`, and see in `exchangeability` whose bids respond to whose costs.

    Args:
        bids: Past bids, see `past_bids`, with the covariates as columns.
        covariates: Cost shifters of the bidder in the auction (distance, backlog), as numbers: names of columns.
        group: Bidders to look among. The common shock is then read off all others, so that a ring of many does not hide
            behind itself; auctions with fewer than two others are left out. None looks at all pairs.
        least: Auctions a pair must have met in, not counting those that cannot be compared.
        equal_variances: Compare bids of three-bid auctions, too, on the assumption that the three bids vary alike. With
            standard deviations of 2, 11 and 20 % honest bidders are all found to move together.

    Raises:
        ValueError: a covariate is no column of numbers or has blanks, a bidder of the group is unknown, or no pair met
            often enough, where only three-bid auctions have pairs for instance.
        BadTable: see `past_bids`.

    Source: Bajari and Ye, Review of Economics and Statistics 85 (2003); the products are those of the module.

    >>> rng = np.random.default_rng(1)
    >>> rows = []
    >>> for auction in range(150):
    ...     level, common = rng.normal(12, 1), rng.normal(0, 0.1)
    ...     for bidder in "ABCDE":
    ...         own = common if bidder in "AB" else rng.normal(0, 0.1)
    ...         rows.append({"auction": auction, "bidder": bidder, "bid": np.exp(level + own + rng.normal(0, 0.05))})
    >>> found = independence(rows)
    >>> found.pairs[["bidder", "other"]].head(1).values.tolist(), found.p < 0.01
    ([['A', 'B']], True)
    """
    past, covariates = past_bids(bids), _names(covariates)
    if least < 3:
        raise ValueError(f"least is {least!r}; a pair needs at least 3 auctions to be tested")
    residuals, notes = _residuals(past, covariates)
    names = pd.Index(past.table["bidder"].unique())
    bidder, auction = names.get_indexer(past.table["bidder"]), past.auctions
    inside = None if group is None else _members(names, group)
    three = int((np.bincount(auction) == 3).sum()) if inside is None else 0
    if three and equal_variances:
        notes.append(f"{three} auctions of three bids: the three are taken to vary alike (equal_variances)")
    elif three:
        notes.append(
            f"{three} auctions of three bids are not compared: what two of them share cannot be told from unequal "
            "variances (equal_variances=True takes them to be equal)"
        )
    pair, products = _products(residuals, bidder, auction, inside, len(names), equal_variances)
    seen, compared = len(np.unique(pair)), ~np.isnan(products[0])
    pair, products = pair[compared], products[:, compared]
    codes, at, met = np.unique(pair, return_inverse=True, return_counts=True)
    mean, own, others = (np.bincount(at, each) / met for each in products)
    spread = np.bincount(at, (products[0] - mean[at]) ** 2)
    keep = met >= least
    if not keep.any():
        raise ValueError(
            f"no two bidders met in {least} auctions of {3 if equal_variances else 4} bids or more: lower `least`, or "
            "look at more years"
            + (
                f"; {three} auctions of three bids can be compared with `equal_variances=True`"
                if three and not equal_variances
                else ""
            )
        )
    codes, mean, met, spread, variance = codes[keep], mean[keep], met[keep], spread[keep], (own * others)[keep]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / np.sqrt(spread / (met - 1) / met)
        correlation = mean / np.sqrt(np.where((own > 0)[keep], variance, math.nan))
    nothing = np.isnan(t)
    if nothing.any():
        notes.append(
            f"{int(nothing.sum())} pairs bid exactly as the auction, the bidder and the covariates say: nothing is "
            "left that could move together, and p is 1"
        )
    p = np.where(nothing, 1.0, 2 * stats.t.sf(np.abs(t), met - 1))
    one, two = np.divmod(codes, len(names))
    pairs = pd.DataFrame({
        "bidder": names[one], "other": names[two], "auctions": met, "covariance": mean,
        "correlation": np.clip(correlation, -1.0, 1.0), "t": t, "p": p, "p_holm": holm(p),
    }).sort_values("p", kind="stable", ignore_index=True)  # fmt: skip
    series = pd.Series(residuals, index=past.table.index, name="residual")
    return Independence(pairs, float(pairs["p_holm"].min()), seen - int(keep.sum()), series, (*past.notes, *notes))


def exchangeability(bids: Table | PastBids, covariates: str | Sequence[str], *, least: int = 20) -> Exchangeability:
    """Test of exchangeability, bidder by bidder: the slopes of its bids in its rivals' cost shifters are all equal.

    With d the residual of the bidder less the mean of its rivals', times √((n − 1)/n) (of equal variance in auctions of
    all sizes), x its own shifters and x_j those of its rivals, F tests γ = 0 in

        d = α + β x + δ Σ_j x_j + Σ_j γ_j x_j 1{j bids} + error,

    with a γ for each rival met in `least` auctions or more, but the last one where they are all the rivals there are.

    Args:
        bids: Past bids, with the covariates as columns.
        covariates: Cost shifters that rivals know of each other (distance, backlog), as numbers; at least one.
        least: Auctions in which a bidder must bid, and must have met a rival, for this to be told apart.

    Raises:
        ValueError: no covariate, one that is no column of numbers or has blanks, or nobody bid often enough.
        BadTable: see `past_bids`.

    Source: Bajari and Ye, Review of Economics and Statistics 85 (2003).

    >>> from procure_opt.auction.cartels import Cover, simulated_tenders
    >>> found = exchangeability(simulated_tenders(300, 5, Cover(2), seed=1), ["x"])
    >>> sorted(found.bidders["bidder"].head(2)), found.p < 0.01
    (['F01', 'F02'], True)
    """
    covariates = _names(covariates)
    if not covariates:
        raise ValueError("give at least one covariate: rivals' costs have to show in something")
    past = past_bids(bids)
    residuals, notes = _residuals(past, covariates)
    shifters = _shifters(past, covariates)
    shifters = shifters - shifters.mean(axis=0)
    auction = past.auctions
    size = np.bincount(auction)
    usable = (size >= 3)[auction]
    total = np.bincount(auction, np.where(usable, residuals, 0.0))
    n = size[auction].astype(float)
    apart = np.full(len(residuals), np.nan)
    apart[usable] = ((residuals - (total[auction] - residuals) / (n - 1)) * np.sqrt((n - 1) / n))[usable]
    sums: Floats = np.column_stack([np.bincount(auction, column) for column in shifters.T]).astype(float)
    names = pd.Index(past.table["bidder"].unique())
    bidder = names.get_indexer(past.table["bidder"])
    # Who bids where, with its shifter: one sparse matrix for each covariate, auctions by bidders.
    shape = (len(size), len(names))
    there = sparse.csr_array((np.ones(len(bidder)), (auction, bidder)), shape=shape)
    shown = [sparse.csr_array((column, (auction, bidder)), shape=shape) for column in shifters.T]
    rows, untested = [], 0
    for one in range(len(names)):
        at = np.flatnonzero((bidder == one) & usable)
        tested = _f_test(at, one, apart, shifters, sums, auction, there, shown, least) if len(at) >= least else None
        if tested is None:
            untested += 1
        else:
            rows.append((names[one], len(at), *tested))
    if not rows:
        raise ValueError(f"nobody bid in {least} auctions and met two rivals as often; nothing can be told")
    found = pd.DataFrame(rows, columns=["bidder", "auctions", "rivals", "f", "df", "df_residual", "p"])
    found["p_holm"] = holm(found["p"].to_numpy())
    found = found.sort_values("p", kind="stable", ignore_index=True)
    return Exchangeability(found, float(found["p_holm"].min()), untested, (*past.notes, *notes))


def _names(covariates: str | Sequence[str]) -> tuple[str, ...]:
    return (covariates,) if isinstance(covariates, str) else tuple(covariates)


def _members(names: pd.Index, group: Sequence[str]) -> NDArray[np.bool_]:
    for name in group:
        if name not in names:
            raise ValueError(f"group: {name!r} has no bid in the table")
    if len(set(group)) < 2:
        raise ValueError("group: give two bidders or more")
    return np.asarray(names.isin(list(group)))


def _shifters(past: PastBids, covariates: Sequence[str]) -> Floats:
    for name in covariates:
        if name not in past.table:
            raise ValueError(f"covariates: there is no column {name!r}; there are {', '.join(past.table.columns)}")
        if not pd.api.types.is_numeric_dtype(past.table[name].dtype):
            raise ValueError(f"covariates: {name!r} is no column of numbers")
        blank = past.table.index[past.table[name].isna()]
        if len(blank):
            raise ValueError(f"covariates: {name!r} is blank in {len(blank)} rows (first: row {blank[0]})")
    return past.table[list(covariates)].to_numpy(dtype=float)


def _residuals(past: PastBids, covariates: Sequence[str]) -> tuple[Floats, list[str]]:
    """Log bids with effects of auctions, of bidders, and of covariates taken off by least squares."""
    auction, log = past.auctions, np.log(past.table["bid"].to_numpy(dtype=float))
    bidder = pd.factorize(past.table["bidder"])[0]
    columns = np.column_stack([log, _shifters(past, covariates)])
    notes = []
    small = (np.bincount(auction) < 3)[auction]
    if small.any():
        notes.append(f"{len(np.unique(auction[small]))} auctions of fewer than three bids are left out")
        if small.all():
            raise ValueError("no auction has three bids; with two, what they share cannot be told from a common shock")
    free = np.full(columns.shape, np.nan)
    free[~small] = _two_ways(columns[~small], auction[~small], np.asarray(bidder)[~small])
    outcome, given = free[~small, 0], free[~small, 1:]
    slope = np.linalg.lstsq(given, outcome)[0]
    residuals = np.full(len(log), np.nan)
    left = outcome - given @ slope
    residuals[~small] = np.where(np.abs(left) <= NOISE * np.maximum(np.abs(log[~small]), 1.0), 0.0, left)
    return residuals, notes


def _two_ways(columns: Floats, auction: Whole, bidder: Whole) -> Floats:
    """What is left of the columns beyond effects of auctions and of bidders (least squares, by sparse equations)."""
    auction, bidder = (np.unique(each, return_inverse=True)[1] for each in (auction, bidder))
    ones = np.ones(len(auction))
    by_auction = sparse.csr_array((ones, (np.arange(len(auction)), auction)))
    by_bidder = sparse.csr_array((ones, (np.arange(len(bidder)), bidder)))
    size = np.bincount(auction)
    within = columns - _means(columns, auction, size)
    met = sparse.csr_array(by_auction.T @ by_bidder)
    normal: Any = sparse.diags_array(np.bincount(bidder).astype(float)) - met.T @ (sparse.diags_array(1 / size) @ met)
    effects = np.empty((by_bidder.shape[1], columns.shape[1]))
    for k in range(columns.shape[1]):
        effects[:, k] = sparse.linalg.minres(normal, np.bincount(bidder, within[:, k]), rtol=1e-12)[0]
    left = columns - effects[bidder]
    return left - _means(left, auction, size)


def _means(columns: Floats, auction: Whole, size: Whole) -> Floats:
    """The mean of each auction, put beside each of its bids."""
    return np.column_stack([(np.bincount(auction, column) / size)[auction] for column in columns.T])


def _products(
    residuals: Floats, bidder: Whole, auction: Whole, inside: NDArray[np.bool_] | None, names: int, equal: bool
) -> tuple[Whole, Floats]:
    """Every two bidders in every auction: the pair (number · names + number); u, and that of each with itself."""
    pairs, products = [], []
    size = np.bincount(auction)
    order = np.lexsort((bidder, auction))
    order = order[~np.isnan(residuals[order])]
    for n in np.unique(size[auction[order]]):
        rows = order[size[auction[order]] == n].reshape(-1, n)
        one, two = np.triu_indices(n, 1)
        step = max(1, BLOCK // len(one))
        for start in range(0, len(rows), step):
            at = rows[start : start + step]
            e, who = residuals[at], bidder[at]
            others = np.ones(e.shape, dtype=bool) if inside is None else ~inside[who]
            fits = np.ones((len(e), len(one)), dtype=bool)
            if inside is not None:
                fits &= inside[who[:, one]] & inside[who[:, two]] & (others.sum(axis=1) >= 2)[:, None]
            values = _single(e, one, two, equal) if n == 3 else _several(e, others, one, two)
            pairs.append((who[:, one] * names + who[:, two])[fits])
            products.append(values[:, fits])
    return np.concatenate(pairs), np.concatenate(products, axis=1)


def _several(e: Floats, others: NDArray[np.bool_], one: Whole, two: Whole) -> Floats:
    """With m and q the means of the others and of their products: u = e_i e_j − (e_i + e_j) m + q."""
    first, second = e[:, one], e[:, two]
    count = others.sum(axis=1, keepdims=True) - others[:, one] - others[:, two]
    total, squares = (
        np.where(others, each, 0.0).sum(axis=1, keepdims=True)
        - np.where(others[:, one], each[:, one], 0.0)
        - np.where(others[:, two], each[:, two], 0.0)
        for each in (e, e**2)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        m, q = total / count, (total**2 - squares) / (count * (count - 1))
        pairs = ((first, second), (first, first), (second, second))
        return np.stack([a * b - (a + b) * m + q for a, b in pairs])


def _single(e: Floats, one: Whole, two: Whole, equal: bool) -> Floats:
    """With three bids the one other one gives the variance, taken to be the same for all; NaN if that is not told."""
    if not equal:
        return np.full((3, len(e), len(one)), math.nan)
    third = e[:, 3 - one - two]
    variance = ((e[:, one] - third) ** 2 + (e[:, two] - third) ** 2) / 4
    return np.stack([variance - (e[:, one] - e[:, two]) ** 2 / 2, variance, variance])


def _f_test(
    at: Whole, one: int, apart: Floats, shifters: Floats, sums: Floats, auction: Whole,
    there: sparse.csr_array, shown: list[sparse.csr_array], least: int,
) -> tuple[int, float, int, int, float] | None:  # fmt: skip
    """Rivals told apart, F, its degrees of freedom, and p; None where there is nothing to tell apart."""
    here = auction[at]
    met = np.asarray(there[here].sum(axis=0)).ravel()
    met[one] = 0
    rivals = np.flatnonzero(met >= least)
    if len(rivals) < 2:
        return None
    own = shifters[at]
    base = np.column_stack([np.ones(len(at)), own, sums[here] - own])
    told = np.column_stack([base, *(matrix[here][:, rivals].toarray() for matrix in shown)])
    left, rank = _sum_of_squares(base, apart[at])
    rest, more = _sum_of_squares(told, apart[at])
    df, df_residual = more - rank, len(at) - more
    if df < 1 or df_residual < 1 or rest <= 0:
        return None
    f = (left - rest) / df / (rest / df_residual)
    return len(rivals), float(f), df, df_residual, float(stats.f.sf(f, df, df_residual))


def _sum_of_squares(given: Floats, outcome: Floats) -> tuple[float, int]:
    slope, _, rank, _ = np.linalg.lstsq(given, outcome)
    return float(((outcome - given @ slope) ** 2).sum()), int(rank)
