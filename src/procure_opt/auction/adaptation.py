"""What changing a contract costs after the award."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.auction.clustered import few_clusters, least_squares, within
from procure_opt.auction.kernels import boundary
from procure_opt.auction.past import PastBids, past_bids
from procure_opt.auction.revealed import LEAST, Estimate, Floats, Places, complete, numbers_of, resampled
from procure_opt.cells import (
    NUMBER,
    TEXT,
    BadTable,
    Problem,
    Table,
    check_unique,
    check_within,
    floats,
    read_table,
)

GAINS = ("positive", "extra")  # paid to the supplier: a bid is lower by them, but for what they cost to get
LOSSES = ("negative", "deductions")  # taken from it: a bid is higher by them, and by what they cost on top
ITEMS: dict[str, Any] = {
    "auction": TEXT, "bidder": TEXT, "item": TEXT, "price": NUMBER, "expected": NUMBER, "actual": NUMBER,
    "estimate": NUMBER,
}  # fmt: skip


def adaptation_costs(
    bids: Table | PastBids,
    items: Table | None = None,
    *,
    size: str | None = None,
    covariates: Sequence[str] = (),
    effects: Sequence[str] = ("n",),
    instruments: Sequence[str] = (),
    replications: int = 100,
    seed: int = 0,
) -> dict[str, Estimate]:
    """What it costs to change a contract after the award, for each unit of money that is changed.

    A bidder who expects to be paid A more, and D less, than it bids, asks for that less, and for what haggling costs it
    more (Bajari, Houghton and Tadelis 2014, American Economic Review 104):

        bid = cost + mark-up − (A + X) + (N + D) + K,   K = τ_A A + τ_X X + τ_N N + τ_D D.

    Lump-sum form (no `items`): least squares of the bid on A, X, N and D, so that τ is 1 + the coefficient of what is
    paid (A, X), and the coefficient of what is taken (N, D) − 1. Standard errors are clustered by auction.

    Unit-price form (`items`): a bidder is paid its price for what is done, and ranked by its price for what was
    announced. It asks more for what it expects to overrun, as far as a lopsided bid costs it, here
    P = σ Σ e q^e (b/e − s/E)², with e the estimated price, s = Σ b q^e and E = Σ e q^e. The first-order condition is

        Σ b q^a − P + A + X − N − D − (ā / hazard(s)) = cost + K,   ā = Σ e q^a / E,   b/e = s/E + (q^a/q^e − ā) / 2σ.

    1/2σ is estimated from the last, the hazard of the lowest rival score from scores of auctions with the same n,
    cleared of what all bidders of an auction have in common, and τ from the first by least squares. Standard errors
    are those of a bootstrap of all that, which draws auctions.

    Args:
        bids: Past tenders; at least one column of `positive` (A, adjustments paid), `extra` (X, extra work paid),
            `negative` (N, adjustments taken), `deductions` (D), all as amounts of at least 0. They are what bidders
            expected. What came about is that plus surprises, which draw τ towards 1 (A, X) or −1 (N, D) in the lump-sum
            form: give `instruments`.
        items: One row for each unit price: `auction`, `bidder`, `item`, `price`, `expected` (announced quantity),
            `actual` and `estimate` (the engineer's unit price).
        size: A column by which bids and amounts are divided (the engineer's estimate), so that large contracts do not
            outweigh the rest. Not with items, which are divided by Σ e q^a.
        covariates: Columns that costs depend on (shares of the size, if there is one).
        effects: Columns with a constant for each of their values; by default the number of bidders `n`, for mark-ups.
        instruments: Columns known at the time of the bids, as many as there are amounts or more (two-stage least
            squares); amounts of money, which are divided by the size too.
        replications: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        An estimate of τ for each amount there is; `"share"`, K as a share of the winning bids (published: 0.075–0.14
        for highway paving), NaN if no winner is known; in unit-price form also `"skew"`, 1/2σ: by how many percent of
        the estimate a unit price rises for each percent of overrun (published: 0.05).

    Raises:
        BadTable: a column is missing, an amount is blank or below 0, an item is given twice or belongs to no bid, or
            the items of a bid do not add up to it.
        ValueError: there are too few auctions, or the columns cannot be told apart.

    >>> import numpy as np
    >>> generator = np.random.default_rng(3)
    >>> rows = []
    >>> for auction in range(200):
    ...     gain, loss = generator.uniform(0, 20, 2)
    ...     for bidder, cost in enumerate(generator.uniform(80, 120, 4)):  # equilibrium: cost + (120 − cost) / 4
    ...         bid = cost + (120 - cost) / 4 - 0.2 * gain + 2.5 * loss
    ...         rows.append({"auction": auction, "bidder": bidder, "bid": bid, "positive": gain, "deductions": loss})
    >>> found = adaptation_costs(rows)
    >>> [(name, round(each.value, 1), each.se < 0.1) for name, each in found.items()]
    [('positive', 0.9, True), ('deductions', 1.4, True), ('share', 0.2, True)]
    """
    past = past_bids(bids)
    if past.table["auction"].nunique() < LEAST:
        raise ValueError(f"there are {past.table['auction'].nunique()} auctions; at least {LEAST} are needed")
    names, amounts = _expected(past.table)
    if items is None:
        return _lump_sums(past, names, amounts, size, covariates, effects, instruments)
    if size is not None or instruments:
        raise ValueError("size= and instruments= are for the lump-sum form; with items leave them out")
    return _unit_prices(past, items, names, amounts, covariates, effects, replications, seed)


def _expected(table: pd.DataFrame) -> tuple[tuple[str, ...], Floats]:
    """The amounts there are, and each bid's, shape (bids, amounts)."""
    names = tuple(name for name in GAINS + LOSSES if name in table)
    if not names:
        reason = "no column positive, extra, negative or deductions: nothing says what bidders expected to be changed"
        raise BadTable([Problem("bids", 1, None, reason)])
    amounts = numbers_of(table, names)
    problems: list[Problem] = []
    for name in names:
        check_within("bids", table, name, 0.0, math.inf, problems.append)
    if problems:
        raise BadTable(problems)
    return names, amounts


def _sign(names: Sequence[str]) -> Floats:
    return np.array([1.0 if name in GAINS else -1.0 for name in names])


def _lump_sums(
    past: PastBids, names: tuple[str, ...], amounts: Floats, size: str | None, covariates: Sequence[str],
    effects: Sequence[str], instruments: Sequence[str],
) -> dict[str, Estimate]:  # fmt: skip
    table = past.table
    bid, won = table["bid"].to_numpy(dtype=float), table["winner"].to_numpy(dtype=bool)
    scale = np.ones(len(table))
    if size is not None:
        scale, problems = numbers_of(table, (size,))[:, 0], list[Problem]()
        check_within("bids", table, size, 0.0, math.inf, problems.append, open_below=True)
        if problems:
            raise BadTable(problems)
    controls = [numbers_of(table, covariates), *_codes(table, effects)]
    known = numbers_of(table, instruments) / scale[:, None] if instruments else None
    fit = least_squares(bid / scale, amounts / scale[:, None], controls, past.auctions, names, known)
    tau, gradient = fit.coefficients + _sign(names), _of_winners(amounts[won], bid[won])
    errors = [*np.sqrt(np.diag(fit.covariance)), math.sqrt(gradient @ fit.covariance @ gradient)]
    assumption = _LUMP + (_AS_INSTRUMENTED if instruments else _AS_EXPECTED)
    notes = past.notes + few_clusters(fit.clusters, "auctions") + _without_winner(won)
    return {
        name: Estimate(float(value), float(se), assumption, notes, fit.clusters - 1.0)
        for name, value, se in zip([*names, "share"], [*tau, tau @ gradient], errors)
    }


def _of_winners(amounts: Floats, bid: Floats) -> Floats:
    """The amounts of winning bids as shares of these; NaN without any."""
    return amounts.sum(axis=0) / bid.sum() if len(bid) else np.full(amounts.shape[1], math.nan)


def _without_winner(won: NDArray[np.bool_]) -> tuple[str, ...]:
    return () if won.any() else ("no auction has a known winner: there is no share of winning bids",)


def _codes(table: pd.DataFrame, names: Sequence[str]) -> Iterator[Places]:
    missing = [Problem("bids", 1, name, "the column is missing") for name in names if name not in table]
    if missing:
        raise BadTable(missing)
    return (np.asarray(pd.factorize(table[name])[0], dtype=np.intp) for name in names)


def _margins(scores: Floats, n: Places) -> Floats:
    """The mark-up (1 − G) / ((n − 1) g) of each score against those of auctions with as many bidders."""
    margins = np.empty_like(scores)
    for size in np.unique(n).tolist():
        some = n == size
        margins[some] = scores[some] - boundary(scores[some], size)
    return margins


class _Prices(NamedTuple):
    """What the items of each bid come to, shape (bids,), and the terms of the skew, by item."""

    size: Floats  # Σ e q^e
    done: Floats  # Σ e q^a, the estimate of what was done
    paid: Floats  # Σ b q^a
    overrun: Floats  # Σ e q^e (q^a/q^e − ā)²
    tilt: Floats  # Σ e q^e (b/e − s/E)(q^a/q^e − ā)


def _prices(past: PastBids, items: Table) -> _Prices:
    table = past.table
    problems: list[Problem] = []
    rows = read_table("items", items, problems.append, ITEMS, tuple(ITEMS))
    if not problems:
        check_unique("items", rows, ["auction", "bidder", "item"], problems.append)
        for name in ("expected", "estimate"):
            check_within("items", rows, name, 0.0, math.inf, problems.append, open_below=True)
        for name in ("actual", "price"):
            check_within("items", rows, name, 0.0, math.inf, problems.append)
    key = ["auction", "bidder"]
    belongs = pd.MultiIndex.from_frame(rows[key])
    code = pd.MultiIndex.from_frame(table[key]).get_indexer(belongs)
    aside = belongs.isin(pd.MultiIndex.from_frame(past.set_aside[key]))
    for row in rows.index[(code < 0) & ~aside]:
        problems.append(Problem("items", int(row), None, "there is no such bid"))
    if problems:
        raise BadTable(problems)
    rows, code = rows[code >= 0], code[code >= 0]
    price, expected, actual, estimate = (floats(rows, name) for name in ("price", "expected", "actual", "estimate"))

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(code, values, minlength=len(table)), dtype=float)

    score, bid = total(price * expected), table["bid"].to_numpy(dtype=float)
    for row, asked, summed in zip(table.index, bid, score):
        if abs(asked - summed) > 1e-6 * asked:
            reason = f"the bid is {asked:g}, and its items come to {summed:g} (price × expected)" if summed else (
                "the bid has no items"
            )  # fmt: skip
            problems.append(Problem("bids", int(row), "bid", reason))
    if problems:
        raise BadTable(problems)
    size, done = total(estimate * expected), total(estimate * actual)
    if not done.min() > 0:
        row = int(table.index[done <= 0][0])
        raise BadTable([Problem("bids", row, None, "nothing of the contract was done: all actual quantities are 0")])
    overrun = actual / expected - (done / size)[code]
    above = price / estimate - (score / size)[code]
    weight = estimate * expected
    return _Prices(size, done, total(price * actual), total(weight * overrun**2), total(weight * above * overrun))


def _unit_prices(
    past: PastBids, items: Table, names: tuple[str, ...], amounts: Floats, covariates: Sequence[str],
    effects: Sequence[str], replications: int, seed: int,
) -> dict[str, Estimate]:  # fmt: skip
    table, auctions = past.table, past.auctions
    prices = _prices(past, items)
    n = table["n"].to_numpy(dtype=np.intp)
    usable, notes = _comparable(np.where(complete(past), n, 0), auctions)
    kept = np.flatnonzero(usable)
    bid, won = table["bid"].to_numpy(dtype=float), table["winner"].to_numpy(dtype=bool)
    shares = amounts / prices.done[:, None]
    free = numbers_of(table, covariates)
    kinds = [*_codes(table, [name for name in effects if name != "n"])]

    def fit(rows: Places) -> Floats:
        weight = float((prices.overrun[rows] / prices.size[rows]).sum())
        skew = float((prices.tilt[rows] / prices.size[rows]).sum()) / weight if weight > 0 else 0.0
        lopsided = max(0.0, skew) * prices.overrun / prices.done
        common = np.column_stack([shares, free, prices.overrun / prices.done])[rows]
        score = _cleared((bid / prices.size)[rows], common, [n[rows], *(kind[rows] for kind in kinds)])
        margin = _margins(score, n[rows])
        y = (prices.paid / prices.done - lopsided / 2 + shares @ _sign(names))[rows] - margin
        regressors = within(np.hstack([shares, free])[rows], [kind[rows] for kind in kinds])
        target = within(y[:, None], [kind[rows] for kind in kinds])[:, 0]
        tau = np.linalg.lstsq(regressors, target, rcond=None)[0][: len(names)]
        winners = rows[won[rows]]
        return np.append(tau, [tau @ _of_winners(amounts[winners], bid[winners]), skew])

    # said once, of all auctions: columns that cannot be told apart are an error here, not a number
    least_squares(bid[kept], shares[kept], [free[kept], *(kind[kept] for kind in kinds)], auctions[kept], names)
    value = fit(kept)
    number = np.unique(auctions[kept], return_inverse=True)[1]
    order = np.argsort(number, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(number)))

    def again(counts: Places) -> Floats:
        drawn = np.repeat(np.arange(len(counts)), counts)
        return fit(kept[np.concatenate([order[starts[each] : starts[each + 1]] for each in drawn])])

    se = resampled(again, len(starts) - 1, replications, seed).std(axis=0, ddof=1)
    notes = [*past.notes, *notes, *_without_winner(won[kept])]
    if not value[-1] > 0:
        notes.append("unit prices do not rise with what is overrun: lopsided bids are taken to cost nothing")
    return {
        name: Estimate(float(each), float(error), _UNIT + _AS_EXPECTED, tuple(notes))
        for name, each, error in zip([*names, "share", "skew"], value, se)
    }


def _comparable(n: Places, auctions: Places) -> tuple[NDArray[np.bool_], list[str]]:
    """Bids with rivals, in auctions of whose number of bidders there are enough for a hazard."""
    sizes = n[np.unique(auctions, return_index=True)[1]]
    counted, notes = np.bincount(sizes), []
    for size in np.unique(sizes).tolist():
        if size == 0:
            notes.append(f"{counted[size]} auctions are left out, because not all of their bids are known")
        elif size < 2 or counted[size] < LEAST:
            notes.append(f"{counted[size]} auctions with {size} bidders are left out: {LEAST} with rivals are needed")
    usable = (n > 1) & (counted[n] >= LEAST)
    if not usable.any():
        raise ValueError(f"no {LEAST} auctions have the same number of bidders, of at least 2: no mark-up can be told")
    return usable, notes


def _cleared(score: Floats, common: Floats, effects: Sequence[Places]) -> Floats:
    """Scores less what all bidders of an auction have in common, but for the level of each number of bidders."""
    inside = within(np.column_stack([score, common]), effects)
    slope = np.linalg.lstsq(inside[:, 1:], inside[:, 0], rcond=None)[0]
    return np.asarray(score - common @ slope)


_AS_EXPECTED = "; the amounts are what bidders expected"
_AS_INSTRUMENTED = "; the instruments were known to bidders, and move bids through the expected amounts alone"
_LUMP = (
    "private costs, and mark-ups that depend on the number of bidders alone; changes are expected alike by all bidders "
    "of a tender, and what is paid and taken for them passes into bids in full"
)
_UNIT = (
    "private, independent costs of suppliers alike; each bids its best against the others, knowing the quantities that "
    "will be done; a lopsided bid costs the square of how lopsided it is"
)
