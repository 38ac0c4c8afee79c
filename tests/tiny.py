"""Tiny tenders in a line, and every award of one by plain enumeration, which shares no code with the package."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

import procure_opt as po

Row = dict[str, Any]
Found = tuple[int, frozenset[str]]
SMALL = st.integers(0, 12)


def lots(*names: str, **columns: Any) -> list[Row]:
    """Lots that share the values of their other columns."""
    return [{"lot": name, **columns} for name in names]


def bid(name: str, bidder: str, on: str, price: float, **columns: Any) -> Row:
    """A bid."""
    return {"bid": name, "bidder": bidder, "lots": on, "price": price, **columns}


def tender(lot_rows: list[Row] | str, *bids: Row, **more: Any) -> po.Tender:
    """A tender in whole units of money; lots without other columns may be given as "A B C"."""
    rows = lots(*lot_rows.split()) if isinstance(lot_rows, str) else lot_rows
    return po.Tender(rows, list(bids), **({"money_unit": 1} | more))


def won(award: po.Award) -> list[str]:
    """The accepted bids."""
    return sorted(award.bids["bid"])


@st.composite
def tables(
    draw: Callable[[Any], Any], *, max_lots: int = 4, max_bids: int = 7, prices: Any = SMALL
) -> tuple[list[Row], list[Row]]:
    """Lots and all-or-nothing bids on whole lots, prices so small that ties are common."""
    names = [f"L{i}" for i in range(draw(st.integers(1, max_lots)))]
    lot_rows = [{"lot": name, "in_house": draw(st.none() | prices), "estimate": 1} for name in names]
    bid_rows = [
        bid(
            f"b{i}",
            draw(st.sampled_from("XYZ")),
            ";".join(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))),
            draw(prices),
            xor=draw(st.sampled_from(["", "", "one"])),
            quality=draw(st.integers(0, 4)) * 25,
        )
        for i in range(draw(st.integers(1, max_bids)))
    ]
    return lot_rows, bid_rows


def every_award(lot_rows: Sequence[Row], bid_rows: Sequence[Row]) -> Iterator[Found]:
    """Cost and accepted bids of every award: each lot once, by a bid or in-house."""
    for count in range(len(bid_rows) + 1):
        for chosen in itertools.combinations(bid_rows, count):
            taken = [lot for row in chosen for lot in row["lots"].split(";")]
            labels = [(row["bidder"], row["xor"]) for row in chosen if row.get("xor")]
            rest = [row.get("in_house") for row in lot_rows if row["lot"] not in taken]
            if len(set(taken)) == len(taken) and len(set(labels)) == len(labels) and None not in rest:
                yield sum(row["price"] for row in chosen) + sum(rest), frozenset(row["bid"] for row in chosen)


def best_awards(lot_rows: Sequence[Row], bid_rows: Sequence[Row]) -> tuple[int | None, list[frozenset[str]]]:
    """The lowest cost and every set of bids that reaches it; None if there is no award."""
    found = list(every_award(lot_rows, bid_rows))
    lowest = min((cost for cost, _ in found), default=None)
    return lowest, [chosen for cost, chosen in found if cost == lowest]
