"""Past tenders, one row a bid: read once for estimation and screening, and what cannot be used set aside by rule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.cells import NUMBER, TEXT, BadTable, Problem, Table, read_table

COLUMNS: dict[str, Any] = {
    "auction": TEXT, "bidder": TEXT, "bid": NUMBER, "reserve": NUMBER, "bidders": NUMBER,
    "winner": TEXT, "status": TEXT, "date": TEXT,
}  # fmt: skip
REQUIRED = ("auction", "bidder", "bid")
YES, NO = ("1", "yes", "y", "true", "x", "won"), ("", "0", "no", "n", "false", "lost")

# Why a bid is set aside, in the order in which it is looked at: the first reason that holds is the one told.
RULES = {
    "status": "its status says that it was not evaluated",
    "blank": "it has no amount",
    "not positive": "a bid must be above 0",
    "above the reserve": "it could not win",
    "second bid": "of several bids of one bidder in an auction the lowest counts",
}


@dataclass(frozen=True, eq=False)
class PastBids:
    """Past tenders as estimators and screens read them.

    Attributes:
        table: The bids that count: `auction`, `bidder`, `bid` (above 0), `n` (bidders of the auction), `winner` (True
            or False), `reserve` and `date` where they were given, then the columns of the user's own. The index is the
            row of the table that was read (the header is row 1).
        set_aside: The bids that do not count, with the same columns as given, `rule` (a key of `RULES`) and `why`.
        notes: What was assumed.
    """

    table: pd.DataFrame
    set_aside: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def auctions(self) -> NDArray[np.intp]:
        """The number of each bid's auction, 0 for the first that stands in the table."""
        return np.asarray(pd.factorize(self.table["auction"])[0], dtype=np.intp)

    def __repr__(self) -> str:
        bidders = self.table["bidder"].nunique()
        return (
            f"PastBids({len(self.table):,} bids of {bidders:,} bidders in {self.table['auction'].nunique():,} "
            f"auctions; {len(self.set_aside):,} set aside)"
        )


def past_bids(bids: Table | PastBids) -> PastBids:
    """The bids of past tenders, with what cannot be used set aside and the rule it falls under.

    A bid is set aside if its status is neither blank nor "valid", if it has no amount or one that is not above 0, if
    it is above the reserve, or if the same bidder bid lower in the same auction. `n` counts the bids that are left;
    where a column `bidders` says that there were more (of auctions of which only some bids are known), it is that.

    Args:
        bids: One row a bid: `auction`, `bidder`, `bid`; if known `reserve`, `bidders` (their number), `winner` (1 or
            0, yes or no), `status`, `date` (2024-05-31), and any columns of your own. A `PastBids` is handed back.

    Raises:
        BadTable: a column is missing, a cell is no number, no date or neither yes nor no, an auction has two winners,
            or no bid is left, with every problem.

    >>> past = past_bids([
    ...     {"auction": "2023-1", "bidder": "Acer", "bid": 90, "reserve": 100},
    ...     {"auction": "2023-1", "bidder": "Acer", "bid": 95, "reserve": 100},
    ...     {"auction": "2023-1", "bidder": "Briar", "bid": 104, "reserve": 100},
    ...     {"auction": "2023-1", "bidder": "Cedar", "bid": 97, "reserve": 100},
    ... ])
    >>> past
    PastBids(2 bids of 2 bidders in 1 auctions; 2 set aside)
    >>> past.set_aside["rule"].to_dict()
    {3: 'second bid', 4: 'above the reserve'}
    """
    if isinstance(bids, PastBids):
        return bids
    problems: list[Problem] = []
    rows = read_table("bids", bids, problems.append, COLUMNS, REQUIRED, may_be_blank=("bid",))
    given = {column for column in COLUMNS if column in _names(bids)}
    rows["winner"] = _yes(rows["winner"], problems)
    if "date" in given:
        rows["date"] = _dates(rows["date"], problems)
    if problems:
        raise BadTable(problems)
    rule = _rules(rows)
    table = rows[rule == ""].drop(columns="status")
    if table.empty:
        raise BadTable([Problem("bids", None, None, "no bid is left" if len(rows) else "there is no bid")])
    notes = []
    counted = table.groupby("auction")["bid"].transform("size").to_numpy()
    said = table["bidders"].to_numpy(dtype=float)
    fewer = said < counted
    if fewer.any():
        at = table.index[fewer][0]
        notes.append(f"bidders is lower than the bids there are in {fewer.sum()} rows (first: row {at}); bids counted")
    if "bidders" in given and np.isnan(said).any():
        notes.append(f"bidders is blank in {np.isnan(said).sum()} rows; bids counted")
    table.insert(3, "n", np.fmax(counted, said).astype(int))
    if "winner" not in given:
        lowest = table.groupby("auction")["bid"].idxmin().to_numpy()
        table["winner"] = table.index.isin(lowest)
        notes.append("no column winner: the lowest bid is taken to have won")
    won = table[table["winner"]]
    for row in won.index[won["auction"].duplicated()]:
        reason = f"the auction {won['auction'][row]!r} has another winner already"
        problems.append(Problem("bids", int(row), "winner", reason))
    if problems:
        raise BadTable(problems)
    aside = rows[rule != ""].assign(rule=rule[rule != ""])
    aside["why"] = aside["rule"].map(RULES).astype("str")
    unused = {"bidders"} | {column for column in ("reserve", "date") if column not in given}
    return PastBids(table.drop(columns=list(unused)), aside, tuple(notes))


def _names(bids: Table) -> set[str]:
    columns = bids.columns if isinstance(bids, pd.DataFrame) else {name for row in bids for name in row}
    return {str(name).strip() for name in columns}


def _yes(cells: pd.Series, problems: list[Problem]) -> pd.Series:
    """The column as True and False."""
    said = cells.str.lower()
    for row in cells.index[~said.isin([*YES, *NO])]:
        problems.append(Problem("bids", int(row), "winner", f"{cells[row]!r} is neither yes nor no: write 1 or 0"))
    return said.isin(YES)


def _dates(cells: pd.Series, problems: list[Problem]) -> pd.Series:
    """The column as dates."""
    texts = cells.str.replace(r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3", regex=True)
    dates = pd.to_datetime(texts.where(texts != ""), errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    for row in cells.index[(texts != "").to_numpy() & dates.isna().to_numpy()]:
        reason = f"{cells[row]!r} is not a date: write the year first, as 2024-05-31"
        problems.append(Problem("bids", int(row), "date", reason))
    return dates


def _rules(rows: pd.DataFrame) -> NDArray[np.object_]:
    """The rule each bid is set aside by, blank for those that count."""
    bid, reserve = rows["bid"].to_numpy(dtype=float), rows["reserve"].fillna(math.inf).to_numpy(dtype=float)
    rule = np.select(
        [~rows["status"].str.lower().isin(["", "valid"]).to_numpy(), np.isnan(bid), bid <= 0, bid > reserve],
        ["status", "blank", "not positive", "above the reserve"],
        default="",
    ).astype(object)
    left = rows[rule == ""].sort_values("bid", kind="stable")
    again = left.index[left.duplicated(["auction", "bidder"]).to_numpy()]
    rule[rows.index.isin(again)] = "second bid"
    return rule
