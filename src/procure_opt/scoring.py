"""Price and quality into one number a bid: the published formulas, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from procure_opt.tender import Tender

Floats = NDArray[np.float64]


class Scoring(Protocol):
    """A formula: one number a valid bid, higher is better."""

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid in the order of `tender.bids`."""
        ...


def evaluated_price(tender: Tender) -> Floats:
    """Price and fixed charge less the bidder's deduction, in money units, one a bid."""
    deduction = tender.bidders["deduction"].to_numpy(dtype=float)
    offered: Floats = (tender.price + tender.fixed) * (1 - deduction[tender.bidder_of])
    return offered


def price_base(tender: Tender) -> Floats:
    """What each bid's price is compared with: the cheapest exact cover of its lots by valid bids, in money units.

    For a bid on one lot that is the lowest evaluated price on the lot; for a package the cheapest set of valid bids,
    respecting xor, that together take exactly its lots.

    Raises:
        ValueError: a bid takes part of a lot only; what covers it exactly is then undefined.
    """
    whole = np.abs(tender.part.data - 1) <= 1e-12
    entire = np.bincount(np.repeat(np.arange(len(tender.price)), np.diff(tender.part.indptr)), ~whole) == 0
    partial = tender.bid_names[~entire | (tender.min_fraction < 1)] if len(tender.price) else []
    if len(partial):
        raise ValueError(
            f"scores compare bids for whole lots; bid {partial[0]!r} takes a part, or can be taken in part"
        )
    price = evaluated_price(tender)
    lots = [frozenset(row) for row in np.split(tender.part.indices, tender.part.indptr[1:-1])] if len(price) else []
    on_lot: dict[int, list[int]] = {}
    for bid, its in enumerate(lots):
        for lot in its:
            on_lot.setdefault(lot, []).append(bid)
    base: dict[frozenset[int], float] = {}
    for its in lots:
        if its not in base:
            base[its] = _cheapest_cover(its, frozenset(), on_lot, lots, price, tender.xor_group, {})
    return np.array([base[its] for its in lots])


def _cheapest_cover(
    wanted: frozenset[int],
    used: frozenset[int],
    on_lot: dict[int, list[int]],
    lots: list[frozenset[int]],
    price: Floats,
    xor: NDArray[np.intp],
    seen: dict[tuple[frozenset[int], frozenset[int]], float],
) -> float:
    if not wanted:
        return 0.0
    key = (wanted, used)
    if key not in seen:
        best = np.inf
        for bid in on_lot[min(wanted)]:
            label = int(xor[bid])
            if lots[bid] <= wanted and label not in used:
                taken = used | {label} if label >= 0 else used
                rest = _cheapest_cover(wanted - lots[bid], taken, on_lot, lots, price, xor, seen)
                best = min(best, float(price[bid]) + rest)
        seen[key] = best
    return seen[key]


@dataclass(frozen=True)
class RelativePrice:
    """score = w · 100 · base / price + (1 − w) · quality, base the lowest price (for a package: cheapest cover).

    China, Ministry of Finance Order 87 (2017) Art. 55, where w is at least 0.3 for goods and 0.1 for services. Prices
    are evaluated prices (after a policy deduction); the contract price stays as offered. A score relative to the
    lowest price depends on bids that do not win: one more bid can change the winner.

    Args:
        weight: w, the weight of price, 0 to 1.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p, "quality": 0}
    ...         for b, p in [("x", 1_000_000), ("y", 950_000), ("z", 1_100_000)]]
    >>> (RelativePrice(0.4)(Tender([{"lot": "A"}], bids))).round(2).tolist()
    [38.0, 40.0, 34.55]
    """

    weight: float

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ValueError(f"RelativePrice: weight is {self.weight!r}; it must be from 0 to 1")

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        price = evaluated_price(tender)
        points = np.where(price > 0, 100 * price_base(tender) / np.where(price > 0, price, 1), 100.0)
        if self.weight == 1:
            return points
        blank = tender.bid_names[np.isnan(tender.quality)]
        if len(blank):
            raise ValueError(f"quality is needed for every bid here, and is blank for {', '.join(blank[:8])}")
        scores: Floats = self.weight * points + (1 - self.weight) * tender.quality
        return scores


CATALOGUE = (RelativePrice,)
