"""Who wins a lot under a formula, whose mere presence decides it, and how the winner turns with the weight of price."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.cells import Table
from procure_opt.offers import as_tender, lot_of
from procure_opt.scoring import Scoring
from procure_opt.tender import Tender

Floats = NDArray[np.float64]

STEPS = 512  # stretches searched for a change of winner where scores are not straight lines in the weight
WITHIN = 1e-9  # how near a change of winner is then found


def rank_reversals(bids: Tender | Table, scoring: Scoring) -> pd.DataFrame:
    """Every bid that does not win its lot and without which another bid would win it.

    Bids are removed one at a time. Formulas independent of other bids give an empty table.

    Args:
        bids: A tender of bids on single lots, or a table of bids (`as_tender`).
        scoring: A formula.

    Returns:
        One row a bid found: lot, removed, winner_before, winner_after (ties as "a; b"), score_before (of the winner
        before, with all bids), score_after (of the winner after, without the bid), lead_before (of the winner before
        over the winner after, with all bids) and lead_after (of the winner after, without the bid); NaN
        where one of the two is not admitted.

    Raises:
        ValueError: a package or part of a lot, or what the formula refuses.

    >>> from procure_opt.scoring import RelativePrice
    >>> bids = [{"bid": "A", "price": 150, "quality": 94}, {"bid": "B", "price": 100, "quality": 82},
    ...         {"bid": "C", "price": 60, "quality": 60}]
    >>> rank_reversals(bids, RelativePrice(0.3)).drop(columns=["lot", "lead_before", "lead_after"])
      removed winner_before winner_after  score_before  score_after
    0       C             A            B          77.8         87.4
    """
    rows = []
    for lot, here in _lots(as_tender(bids)):
        scores = np.asarray(scoring(here), dtype=float)
        before = best(scores)
        for bid in np.flatnonzero(~before):
            rest = np.arange(len(before)) != bid
            without = np.full(len(before), np.nan)
            without[rest] = scoring(here.keep(rest))
            after = best(without)
            if (after != before).any() and before.any():
                new = after & ~before
                one, other = int(np.argmax(before)), int(np.argmax(new if new.any() else after))
                rows.append(
                    {
                        "lot": lot,
                        "removed": str(here.bid_names[bid]),
                        "winner_before": names(here, before),
                        "winner_after": names(here, after),
                        "score_before": scores[one],
                        "score_after": without[other],
                        "lead_before": scores[one] - scores[other],
                        "lead_after": without[other] - without[one],
                    }
                )
    columns = "lot removed winner_before winner_after score_before score_after lead_before lead_after"
    return pd.DataFrame(rows, columns=columns.split())


def winner_map(bids: Tender | Table, scoring: Any) -> pd.DataFrame:
    """Who wins each lot as the weight of price moves from 0 to 1 (or over the weights the formula's law admits).

    Where all scores are straight lines in the weight, as those of every formula here, break points are intersections of
    lines. Else (`Rounded`) the weights are searched in 512 stretches and every change of winner found is narrowed down
    to 1e-9; a winner for less than one stretch can be missed.

    Args:
        bids: A tender of bids on single lots, or a table of bids (`as_tender`).
        scoring: A formula with a `weight`, the weight of price; its own value of it does not matter.

    Returns:
        One row an interval: lot, weight_from, weight_to, winner (ties as "a; b"). At a break point the neighbours tie.

    Raises:
        ValueError: a formula without a weight, a package, or what the formula refuses.

    >>> from procure_opt.scoring import RelativePrice
    >>> bids = [{"bid": "A", "price": 150, "quality": 94}, {"bid": "B", "price": 100, "quality": 82}]
    >>> winner_map(bids, RelativePrice(0.5)).round(6)
       lot  weight_from  weight_to winner
    0  lot     0.000000   0.264706      A
    1  lot     0.264706   1.000000      B
    """
    low, high = _span(scoring)
    rows = []
    for lot, here in _lots(as_tender(bids)):
        breaks = [low, *_breaks(here, scoring, low, high), high]
        runs: list[tuple[float, float, str]] = []
        for start, end in pairwise(breaks):
            winner = names(here, best(_scores(here, scoring, (start + end) / 2)))
            same = bool(runs) and runs[-1][2] == winner
            runs.append((runs.pop()[0] if same else start, end, winner))
        rows += [(lot, *run) for run in runs]
    return pd.DataFrame(rows, columns=["lot", "weight_from", "weight_to", "winner"])


def best(scores: Floats) -> NDArray[np.bool_]:
    """Which bids have the highest score, equal within 1e-12 of it; nobody where no bid has a score."""
    known = ~np.isnan(scores)
    if not known.any():
        return known
    top = float(np.max(scores[known]))
    return known & (np.where(known, scores, -np.inf) >= top - 1e-12 * max(1.0, abs(top)))


def names(tender: Tender, which: NDArray[np.bool_]) -> str:
    """The bids as one text."""
    return "; ".join(str(name) for name in tender.bid_names[which])


def _lots(tender: Tender) -> Iterator[tuple[str, Tender]]:
    """The name and the bids of every lot with bids."""
    lots = lot_of(tender, "a ranking")
    for lot in np.unique(lots):
        yield str(tender.lot_names[lot]), tender.keep(lots == lot)


def _span(scoring: Any) -> tuple[float, float]:
    """The least and greatest weight of price a formula admits."""
    known = {one.name for one in fields(scoring)} if is_dataclass(scoring) else set()
    if "weight" in known:
        return (float(scoring.floor), float(scoring.cap)) if "cap" in known else (0.0, 1.0)
    if "scoring" in known:
        return _span(scoring.scoring)
    raise ValueError(f"{scoring!r} has no weight of price that could move; a formula with one is RelativePrice(0.3)")


def _at(scoring: Any, weight: float) -> Any:
    """The formula at another weight of price."""
    if any(one.name == "weight" for one in fields(scoring)):
        return replace(scoring, weight=weight)
    return replace(scoring, scoring=_at(scoring.scoring, weight))


def _scores(tender: Tender, scoring: Any, weight: float) -> Floats:
    return np.asarray(_at(scoring, weight)(tender), dtype=float)


def _breaks(tender: Tender, scoring: Any, low: float, high: float) -> list[float]:
    """Weights strictly between at which the winner may change."""
    start, end = _scores(tender, scoring, low), _scores(tender, scoring, high)
    room = 1e-9 * max(1.0, float(np.nanmax(np.abs([start, end]), initial=0.0)))
    off = [_scores(tender, scoring, low + t * (high - low)) - start - t * (end - start) for t in (0.1, 0.37, 0.5, 0.83)]
    if np.nanmax(np.abs(off), initial=0.0) > room:
        return _searched(tender, scoring, low, high)
    found = set()
    for i, j in zip(*np.triu_indices(len(start), 1), strict=True):
        ahead, behind = start[i] - start[j], end[j] - end[i]
        if ahead * behind > 0:
            found.add(low + float(ahead / (ahead + behind)) * (high - low))
    return sorted(weight for weight in found if low < weight < high)


def _searched(tender: Tender, scoring: Any, low: float, high: float) -> list[float]:
    """Changes of the winner by bisection."""

    def winner(weight: float) -> str:
        return names(tender, best(_scores(tender, scoring, weight)))

    found = []
    for start, end in pairwise(np.linspace(low, high, STEPS + 1).tolist()):
        left, right = start, end
        first, last = winner(left), winner(right)
        if first == last:
            continue
        while right - left > WITHIN:
            middle = (left + right) / 2
            now = winner(middle)
            if now == first:
                left = middle
            else:
                right, last = middle, now
        found.append((left + right) / 2)
        if last != winner(end):
            found += [weight for weight in (end,) if low < weight < high]
    return found
