"""Bids as formulas compare them: evaluated prices, the cheapest cover of a package, figures that must be there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.cells import Table
from procure_opt.tender import Tender

Floats = NDArray[np.float64]


def evaluated_price(tender: Tender) -> Floats:
    """Price and fixed charge less the bidder's deduction, in money units, one a bid."""
    deduction = tender.bidders["deduction"].to_numpy(dtype=float)
    offered: Floats = (tender.price + tender.fixed) * (1 - deduction[tender.bidder_of])
    return offered


def refuse_parts(tender: Tender) -> None:
    """Raise if a bid takes part of a lot, or can be taken in part: formulas compare bids for whole lots."""
    if not len(tender.price):
        return
    whole = np.abs(tender.part.data - 1) <= 1e-12
    entire = np.bincount(np.repeat(np.arange(len(tender.price)), np.diff(tender.part.indptr)), ~whole) == 0
    partial = tender.bid_names[~entire | (tender.min_fraction < 1)]
    if len(partial):
        raise ValueError(
            f"scores compare bids for whole lots; bid {partial[0]!r} takes a part, or can be taken in part"
        )


def lot_of(tender: Tender, what: str) -> NDArray[np.intp]:
    """The lot of each bid, for what compares a bid with the others on its lot.

    Raises:
        ValueError: a bid takes a package or part of a lot; what it should be compared with is then undefined.
    """
    refuse_parts(tender)
    packages = tender.bid_names[np.diff(tender.quantity.indptr) != 1]
    if len(packages):
        raise ValueError(
            f"{what} compares bids on one lot, and bid {packages[0]!r} is a package. Formulas that admit packages: "
            f"RelativePrice, QualityPerPrice, and those in money"
        )
    return np.asarray(tender.quantity.indices, dtype=np.intp)


def money(tender: Tender) -> Floats:
    """The evaluated price in currency, one a bid."""
    refuse_parts(tender)
    if tender.schedules:
        raise ValueError(
            "a score belongs to one bid, and what a volume discount takes off depends on several: use LowestCost or "
            "QualityAdjusted, which count discounts"
        )
    per = round(1 / tender.money_unit)
    units = evaluated_price(tender)
    return units / per if per > 1 and abs(per * tender.money_unit - 1) < 1e-12 else units * tender.money_unit


def figures(tender: Tender, column: str) -> Floats:
    """A numeric column of the bids, given for every bid."""
    if column not in tender.bids:
        raise ValueError(f"the bids have no column {column!r}; they have {', '.join(tender.bids.columns)}")
    values = tender.quality if column == "quality" else pd.to_numeric(tender.bids[column], errors="coerce")
    known = np.asarray(values, dtype=float)
    blank = tender.bid_names[np.isnan(known)]
    if len(blank):
        raise ValueError(f"{column} is needed for every bid here, and is blank for {', '.join(blank[:8])}")
    return known


def of_lots(tender: Tender, column: str, needed_for: str) -> Floats:
    """The sum of a numeric column of the lots over the lots of each bid."""
    if column not in tender.lots:
        raise ValueError(f"{needed_for}: the lots have no column {column!r}")
    values = pd.to_numeric(tender.lots[column], errors="coerce").to_numpy(dtype=float)
    sums: Floats = tender.part @ np.nan_to_num(values)
    blank = tender.lot_names[np.isnan(values) & (np.bincount(tender.part.indices, minlength=len(values)) > 0)]
    if len(blank):
        raise ValueError(f"{needed_for} needs the {column} of every lot, and it is blank for {', '.join(blank[:8])}")
    return sums


def above_zero(tender: Tender, price: Floats, what: str) -> Floats:
    free = tender.bid_names[~(price > 0)]
    if len(free):
        raise ValueError(f"{what} divides by the price, and bid {free[0]!r} costs nothing")
    return price


def each_lot(lot: NDArray[np.intp], values: Floats, of: Any) -> Floats:
    """A figure of the values on each lot ("min", "mean", ..., or a function of them), given to each bid on the lot."""
    return pd.Series(values).groupby(lot).transform(of).to_numpy(dtype=float)


def price_base(tender: Tender) -> Floats:
    """What each bid's price is compared with: the cheapest exact cover of its lots by valid bids, in money units.

    For a bid on one lot that is the lowest evaluated price on the lot; for a package the cheapest set of valid bids,
    respecting xor, that together take exactly its lots.

    Raises:
        ValueError: a bid takes part of a lot only; what covers it exactly is then undefined.
    """
    refuse_parts(tender)
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


# ---- bids as a table --------------------------------------------------------------------------------------


def as_tender(bids: Tender | Table) -> Tender:
    """A tender, from a tender or from a table of bids alone.

    Args:
        bids: A `Tender`; or a table with `price`, and where wanted `bid` (left out: the bidder's name if each sends
            one, else the row's number), `bidder` (left out: the bid's name), `lots` (left out: one lot named "lot"),
            `quality`, `deduction` (of the bidder), `estimate` and `reserve` (of the lot), and any other column.

    Raises:
        ValueError: no bids, no price, or an estimate, reserve or deduction that is not one figure a lot or bidder.

    >>> as_tender([{"price": 5, "bidder": "X"}, {"price": 6, "bidder": "Y"}]).bid_names.tolist()
    ['X', 'Y']
    """
    if isinstance(bids, Tender):
        return bids
    table = pd.DataFrame(list(bids) if not isinstance(bids, pd.DataFrame) else bids).reset_index(drop=True)
    if "price" not in table or table.empty:
        raise ValueError(f"a table of bids needs rows with a price; this one has {list(table.columns) or 'no rows'}")
    numbers = pd.Series([str(row + 1) for row in table.index])
    if "bid" not in table:
        named = "bidder" in table and table["bidder"].notna().all() and table["bidder"].is_unique
        table["bid"] = table["bidder"] if named else numbers
    if "bidder" not in table:
        table["bidder"] = table["bid"]
    if "lots" not in table:
        table["lots"] = "lot"
    of_lots = [column for column in ("estimate", "reserve") if column in table]
    lots = _single(table, "lots", of_lots).rename(columns={"lots": "lot"})
    bidders = _single(table, "bidder", [column for column in ("deduction",) if column in table])
    return Tender(lots, table.drop(columns=[*of_lots, "deduction"], errors="ignore"), bidders)


def _single(table: pd.DataFrame, key: str, columns: list[str]) -> pd.DataFrame:
    """One row a value of the key, with columns that must say the same in all its rows."""
    rows = table[[key, *columns]].drop_duplicates()
    for name in rows[key][rows[key].duplicated()]:
        raise ValueError(
            f"the bids of {key.removesuffix('s')} {name!r} differ in {' or '.join(columns)}: give one figure"
        )
    return rows.reset_index(drop=True)
