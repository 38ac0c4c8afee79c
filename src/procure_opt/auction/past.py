"""Past tenders, one row a bid: read once for estimation and screening, and what cannot be used set aside by rule."""

from __future__ import annotations

import math
from collections.abc import Iterable
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
TAKEN = {
    "n": "the bidders of the auction are put there (if it is their number, call it 'bidders')",
    "rule": "the rule by which a bid is set aside is put there",
    "why": "why a bid is set aside is put there",
}
SAME = ("reserve", "bidders", "date")  # what belongs to an auction, not to a bid
AMOUNTS = (1e-9, 1e15)
MOST = 1_000_000  # bidders of an auction
YES, NO = ("1", "yes", "y", "true", "x", "won"), ("", "0", "no", "n", "false", "lost")

# Why a bid is set aside, in the order in which it is looked at: the first reason that holds is the one told.
RULES = {
    "status": "its status says that it was not evaluated",
    "blank": "it has no amount",
    "not positive": "a bid must be above 0",
    "above the reserve": "it could not win",
    "second bid": "of several bids of one bidder in an auction the lowest counts",
}
RECKONED_WITH = ("", "status", "blank", "not positive")  # who made such a bid was there when its rivals made theirs


@dataclass(frozen=True, eq=False)
class PastBids:
    """Past tenders as estimators and screens read them.

    Attributes:
        table: The bids that count: `auction`, `bidder`, `bid` (above 0), `n` (bidders of the auction, see
            `past_bids`), `winner` (True or False; of no bid of the auction where it is not known), `reserve` and `date`
            where they were given, then the columns of the user's own. The index is the row of the table that was read
            (the header is row 1).
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
    it is above the reserve, or if the same bidder bid lower in the same auction.

    `n` counts the bidders of an auction with whom its bidders reckoned: those of the bids that are left, and those
    whose bid was not evaluated, has no amount or one that is not above 0. A bid above the reserve could not win, and
    who made no other is not counted. Where a column `bidders` says that there were more (of auctions of which only some
    bids are known), `n` is that. So if `n` is above the bids that are left, not all bids of the auction are known.

    The winner is who is told to have won; if it bid twice its lowest bid carries the win. Without a column `winner`, or
    if it is blank in all rows, the lowest bid is taken to have won, and where several are equally low none is.

    Args:
        bids: One row a bid: `auction`, `bidder`, `bid`; if known `reserve`, `bidders` (their number), `winner` (1 or
            0, yes or no), `status`, `date` (2024-05-31), and any columns of your own, but none called `n`, `rule` or
            `why`. A `PastBids` is handed back.

    Raises:
        BadTable: a column is missing or has a name that is taken, a cell is no number, no date or neither yes nor no,
            an amount is below 1e-9 or above 1e15, the rows of an auction name several reserves, dates or numbers of
            bidders, an auction has two winners, or no bid is left, with every problem.

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
    names = _names(bids)
    for name in [each for each in TAKEN if each in names]:
        problems.append(Problem("bids", 1, name, f"{TAKEN[name]}: give your column another name"))
    rows = read_table("bids", bids, problems.append, COLUMNS, REQUIRED, may_be_blank=("bid",))
    given = {column for column in COLUMNS if column in names}
    told = bool((rows["winner"] != "").any())
    rows["winner"] = _yes(rows["winner"], problems)
    if "date" in given:
        rows["date"] = _dates(rows["date"], problems)
    _possible(rows, problems)
    if not problems:
        _alike(rows, given, problems)
    if problems:
        raise BadTable(problems)
    rule = _rules(rows)
    if (rule != "").all():
        raise BadTable([Problem("bids", None, None, _nothing_left(rows, rule))])
    table = rows[rule == ""].drop(columns="status")
    n, notes = _bidders(rows, rule, "bidders" in given)
    table.insert(3, "n", n)
    table["winner"], more = _winners(rows, rule, problems) if told else _lowest(table, "winner" in given)
    if problems:
        raise BadTable(problems)
    aside = rows[rule != ""].assign(rule=rule[rule != ""])
    aside["why"] = aside["rule"].map(RULES).astype("str")
    unused = {"bidders"} | {column for column in ("reserve", "date") if column not in given}
    return PastBids(table.drop(columns=list(unused)), aside, (*notes, *more))


def counted_aside(set_aside: pd.DataFrame) -> str:
    """How many bids each rule sets aside, in words."""
    return ", ".join(f"{rule}: {count:,}" for rule, count in set_aside["rule"].value_counts().items())


def told_rows(rows: Iterable[Any]) -> str:
    """Row numbers in words, the first five of them.

    >>> told_rows([2, 5]), told_rows([7])
    ('rows 2, 5', 'row 7')
    """
    numbers = [str(row) for row in rows]
    more = f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else ""
    return ("row " if len(numbers) == 1 else "rows ") + ", ".join(numbers[:5]) + more


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
    dates = dates.where(dates.dt.year.between(1, 9999))  # of other years there are dates, but no calendar has them
    for row in cells.index[(texts != "").to_numpy() & dates.isna().to_numpy()]:
        reason = f"{cells[row]!r} is not a date: write the year first, as 2024-05-31"
        problems.append(Problem("bids", int(row), "date", reason))
    return dates


def _possible(rows: pd.DataFrame, problems: list[Problem]) -> None:
    """Amounts and numbers of bidders beyond what can be meant, or worked with."""
    low, high = AMOUNTS
    for column in ("bid", "reserve"):
        amount = rows[column].to_numpy(dtype=float)
        for row in rows.index[((amount > 0) & (amount < low)) | (amount > high)]:
            reason = f"{rows[column][row]:g} is no amount: it must be from {low:g} to {high:g}"
            problems.append(Problem("bids", int(row), column, reason))
    said = rows["bidders"].to_numpy(dtype=float)
    for row in rows.index[~np.isnan(said) & ~((said >= 0) & (said <= MOST) & (said % 1 == 0))]:
        reason = f"{rows['bidders'][row]:g} is no number of bidders: it must be whole and at most {MOST:,}"
        problems.append(Problem("bids", int(row), "bidders", reason))


def _alike(rows: pd.DataFrame, given: set[str], problems: list[Problem]) -> None:
    """What belongs to an auction must be the same in all its rows; blank cells contradict nothing."""
    for column in [each for each in SAME if each in given]:
        said = rows[column].dt.normalize() if column == "date" else rows[column]
        first = said.groupby(rows["auction"]).transform("first")
        stands = rows.index[said.notna().to_numpy()].to_series().groupby(rows["auction"]).min()
        for row in rows.index[(said.notna() & (said != first)).to_numpy()]:
            auction = rows["auction"][row]
            reason = (
                f"{_said(said[row])}, but {_said(first[row])} in row {stands[auction]} of the same auction {auction!r}"
                f": an auction has one {'number of bidders' if column == 'bidders' else column}"
            )
            problems.append(Problem("bids", int(row), column, reason))


def _said(value: Any) -> str:
    return f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else f"{value:.10g}"


def _nothing_left(rows: pd.DataFrame, rule: NDArray[np.object_]) -> str:
    if not len(rows):
        return "there is no bid"
    by_rule = [f"{RULES[each]}: {told_rows(rows.index[rule == each])}" for each in RULES if (rule == each).any()]
    return f"no bid is left; set aside are: {'; '.join(by_rule)}"


def _bidders(rows: pd.DataFrame, rule: NDArray[np.object_], given: bool) -> tuple[NDArray[np.intp], list[str]]:
    """n of each bid that counts, and what is to be noted of it."""
    reckoned = rows[np.isin(rule, RECKONED_WITH)].drop_duplicates(["auction", "bidder"])
    left, notes = rows[rule == ""], list[str]()
    counted = left["auction"].map(reckoned["auction"].value_counts()).to_numpy(dtype=float)
    said = left["auction"].map(rows.groupby("auction")["bidders"].max()).to_numpy(dtype=float)
    fewer = said < counted
    if fewer.any():
        notes.append(f"bidders is lower than the bidders there are in {fewer.sum():,} rows "
                     f"({told_rows(left.index[fewer])}); they are counted")  # fmt: skip
    blank = left["bidders"].isna().to_numpy()
    if given and blank.any():
        rest = "it is what other rows of the auction say, or bidders are counted"
        notes.append(f"bidders is blank in {blank.sum():,} rows ({told_rows(left.index[blank])}); {rest}")
    return np.fmax(counted, said).astype(np.intp), notes


def _winners(rows: pd.DataFrame, rule: NDArray[np.object_], problems: list[Problem]) -> tuple[pd.Series, list[str]]:
    """Whether each bid that counts has won, where it is told who did, and what is to be noted of it."""
    left, won, notes = rows[rule == ""], rows[rows["winner"]], list[str]()
    key = pd.MultiIndex.from_frame(left[["auction", "bidder"]])
    carries = pd.Series(key.isin(pd.MultiIndex.from_frame(won[["auction", "bidder"]])), left.index)
    moved = rows.index[(rule == "second bid") & rows["winner"].to_numpy()]
    if len(moved):
        notes.append(f"the bid that is told to have won is not the bidder's lowest ({told_rows(moved)}): its lowest "
                     "carries the win")  # fmt: skip
    winners = left[carries]
    for row in winners.index[winners["auction"].duplicated()]:
        reason = f"the auction {winners['auction'][row]!r} has another winner already"
        problems.append(Problem("bids", int(row), "winner", reason))
    lost = won.index[~won["auction"].isin(winners["auction"]).to_numpy()]
    if len(lost):
        notes.append(f"the winning bid is set aside ({told_rows(lost)}): no other is taken to have won there")
    return carries, notes


def _lowest(table: pd.DataFrame, given: bool) -> tuple[pd.Series, list[str]]:
    """The lowest bid of each auction, where it is alone; and what is to be noted of it."""
    why = "the column winner is blank" if given else "no column winner"
    notes = [f"{why}: the lowest bid is taken to have won"]
    least = table["bid"] == table.groupby("auction")["bid"].transform("min")
    tied = least.groupby(table["auction"]).transform("sum") > 1
    if tied.any():
        count = table.loc[tied, "auction"].nunique()
        notes.append(f"in {count:,} auctions several bids are equally low: none of them is taken to have won")
    return least & ~tied, notes


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
