"""Red flags: published signs in past tenders, lot by lot, that deserve a question and prove nothing.

Definitions and defaults are those of Cardinal (Open Contracting Partnership 2024,
github.com/open-contracting/cardinal-rs, docs/cli/indicators), extended from processes to lots and from single tenderers
to consortia.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import BadTable, Problem, Table, as_written
from procure_opt.ocds import CONSORTIUM, Process, processes

Row = dict[str, Any]

SUBMITTED = ("valid", "disqualified", "pending", "submitted")  # "submitted": it was handed in and could not count
PRICE_ALONE = ("", "priceOnly", "costOnly", "lowestCost")
FINAL = ("active", "cancelled", "unsuccessful")

# Of four values or fewer none lies beyond a fence of 1.5 interquartile ranges, whatever they are.
LEAST_VALUES = 5

LOTS = ["id", "process", "kind", "buyer", "entity", "method", "details", "criteria", "start", "end", "said", "pending",
        "active", "suppliers"]  # fmt: skip
BIDS = ["lot", "bid", "bidder", "tenderers", "amount", "currency", "status", "date", "won", "package"]
AWARDS = ["supplier", "award", "category"]
COLUMNS = ["code", "name", "flagged", "id", "process", "lot", "value", "why"]


@dataclass(frozen=True, eq=False)
class PastLots:
    """Past tenders lot by lot, as red flags read them, whatever they were read from.

    Attributes:
        lots: One row a lot; a process without lots is one lot. `kind` is "process" or "lot", `said` the number of
            tenderers the document gives, `pending` whether an award is not final, `active` the number of active
            awards, `suppliers` those of all of them.
        bids: One row a bid and lot: `lot` (row of `lots`), `bid` (a number), `bidder`, `tenderers` (several in a
            consortium), `amount`, `currency`, `status`, `date`, `won`, `package` (one price for several lots).
        awards: One row an active award to one supplier and class of its items.
        notes: What was assumed.
        unread: What could not be read, with its place.
    """

    lots: pd.DataFrame
    bids: pd.DataFrame
    awards: pd.DataFrame
    notes: tuple[str, ...] = ()
    unread: tuple[Problem, ...] = ()


class Looked(NamedTuple):
    """What a flag looked at: lots, bidders or buyers, with those left out by reason and the fence it drew."""

    at: str
    number: int
    left_out: Mapping[str, int]
    fence: float = math.nan


class Found(NamedTuple):
    """What a flag found: rows of (flagged, id, process, lot, value, why), and what it looked at."""

    rows: list[Row]
    looked: list[Looked]


class Flag(Protocol):
    """A red flag: past lots to what is flagged, and to what could not be looked at."""

    @property
    def code(self) -> str:
        """Its code in the catalogue of Cardinal."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def definition(self) -> str:
        """What is flagged."""
        ...

    def __call__(self, past: PastLots) -> Found:
        """What is flagged."""
        ...


@dataclass(frozen=True, eq=False)
class RedFlags:
    """What red flags found in past tenders: questions to look into, not verdicts.

    Attributes:
        table: One row a flag raised: `code`, `name`, `flagged` (process, lot, bidder, buyer, procuring entity), `id`,
            `process` and `lot` it stands in (blank where it is about all), `value` (as the definition says; 0 for a
            bidder where the flag measures the lot alone), `why`.
        summary: One row a flag and what it looked at: `looked_at` (how many), `left_out`, `flagged`, `fence`.
        not_computed: One row a flag and reason for which lots, bidders or buyers were not looked at: `left_out` of how
            many (`of`) and `why`.
        notes: What was assumed.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    not_computed: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        codes = self.table["code"].value_counts(sort=False)
        said = ", ".join(f"{code} {count:,}" for code, count in codes.items()) or "none"
        return f"RedFlags({len(self.table):,} raised: {said}; {len(self.not_computed)} reasons not to look)"


def red_flags(source: str | Path | Table | PastBids | Iterable[Process], *, flags: Sequence[Flag] = ()) -> RedFlags:
    """Cardinal's red flags in past tenders, lot by lot.

    A fence is Q1 − 1.5 IQR or Q3 + 1.5 IQR, with the quartiles by the median-unbiased quantile (R-8, Hyndman and Fan
    1996, The American Statistician 50). It is not drawn through fewer than five values, of which none could lie
    beyond it, nor where the quartiles are equal: then the flag needs a `threshold` of yours.

    In a process with lots each lot is looked at by itself; a bid for several lots at one price counts as a bid on each
    but its price is compared with none. Where several lots are there and a bid or award does not say for which it is,
    the process is looked at as a whole. The winners of a consortium's bid are all its members. Flags that compare
    prices look at lots where price alone decides, or where nothing is said of the criteria.

    Args:
        source: An OCDS file (a path), its `processes`, or releases as dicts; or past bids as `past_bids` takes them,
            with further columns where known: `buyer`, `entity` (procuring entity), `method` (open, selective ...),
            `details` (of the method), `criteria` (priceOnly, ratedCriteria ...), `published` and `deadline` (dates;
            `date` is then the day of the bid), `category` (a code of the kind of work), `currency`.
        flags: Those to look for, with thresholds of your own; left out: all of `FLAGS`.

    Raises:
        BadTable: there is no such file, nothing in it could be read, or the table is no table of bids.

    >>> bids = [{"auction": "cleaning", "bidder": "Acer", "bid": 100, "winner": 1},
    ...         {"auction": "cleaning", "bidder": "Briar", "bid": 90, "winner": 0, "status": "disqualified"},
    ...         {"auction": "guards", "bidder": "Acer", "bid": 70, "winner": 1}]
    >>> found = red_flags(bids)
    >>> found.table[["code", "flagged", "id", "value"]]
       code  flagged        id  value
    0  R018  process    guards    1.0
    1  R035  process  cleaning    1.0
    2  R035   bidder      Acer    0.0
    3  R036  process  cleaning    1.0
    """
    past = _past_lots(source)
    chosen = tuple(flags) or FLAGS
    rows: list[Row] = []
    summary: list[Row] = []
    missed: list[Row] = []
    for flag in chosen:
        found = flag(past)
        said = {"code": flag.code, "name": flag.name}
        rows += [said | row for row in found.rows]
        for looked in found.looked:
            whole = looked.number + sum(looked.left_out.values())
            kinds = ("process", "lot") if looked.at == "lot" else (looked.at,)
            raised = sum(row["flagged"] in kinds for row in found.rows)
            about = {"at": looked.at, "looked_at": looked.number, "left_out": whole - looked.number}
            summary.append(said | about | {"flagged": raised, "fence": looked.fence})
            if not whole:
                why, lots = f"there is no {looked.at} to look at", len(past.lots)
                missed.append(said | {"at": "lot", "left_out": lots, "of": lots, "why": why})
            for why, count in looked.left_out.items():
                missed.append(said | {"at": looked.at, "left_out": count, "of": whole, "why": why})
    for problem in past.unread:
        missed.append({"code": "all", "name": "", "at": "place", "left_out": 1, "of": 1, "why": str(problem)})
    return RedFlags(
        pd.DataFrame(rows, columns=COLUMNS),
        pd.DataFrame(summary, columns=["code", "name", "at", "looked_at", "left_out", "flagged", "fence"]),
        pd.DataFrame(missed, columns=["code", "name", "at", "left_out", "of", "why"]),
        past.notes,
    )


# ---- the flags --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShortPeriod:
    """R003: the bidders had fewer than `days` whole days from the start of the tender period to its end.

    Args:
        days: The least number of days.
        days_by_details: Another least number for some `procurementMethodDetails`.
        methods: The procurement methods looked at; none for all.
    """

    days: float = 15
    days_by_details: Mapping[str, float] = field(default_factory=dict)
    methods: tuple[str, ...] = ()

    code: ClassVar[str] = "R003"
    name: ClassVar[str] = "Short submission period"
    definition: ClassVar[str] = "end − start of the tender period in whole days < 15; value 1"

    def __call__(self, past: PastLots) -> Found:
        """The processes flagged."""
        each = past.lots.drop_duplicates("process")
        days = (each["end"] - each["start"]).dt.total_seconds() // 86_400
        least = each["details"].map(self.days_by_details).astype(float).fillna(self.days)
        each = each.assign(days=days, least=least)
        other = ~each["method"].isin(self.methods) if self.methods else pd.Series(False, each.index)
        seen, left_out = _left_out(
            each,
            {
                "of another procurement method": other,
                "the start or the end of the tender period is not given": days.isna(),
                "the tender period ends before it starts": days < 0,
            },
        )
        rows = [
            _row("process", one.process, 1.0,
                 f"Bidders had {one.days:.0f} days, fewer than {one.least:g}. Why so few, and who could know before?",
                 one.process)
            for one in _each(seen[seen["days"] < seen["least"]])
        ]  # fmt: skip
        return Found(rows, [Looked("process", len(seen), left_out)])


@dataclass(frozen=True)
class SingleBid:
    """R018: one tenderer alone bid although the procedure was competitive.

    Args:
        methods: The procurement methods called competitive.
    """

    methods: tuple[str, ...] = ("open", "selective")

    code: ClassVar[str] = "R018"
    name: ClassVar[str] = "Single bid received"
    definition: ClassVar[str] = "one tenderer, and the method is open or selective; value 1"

    def __call__(self, past: PastLots) -> Found:
        """The lots flagged."""
        bids = past.bids[past.bids["status"].isin(SUBMITTED)]
        counted = bids.groupby("lot")["bidder"].nunique().reindex(past.lots.index, fill_value=0)
        tenderers = past.lots["said"].where(past.lots["said"].notna(), counted)
        method = past.lots["method"]
        seen, left_out = _left_out(
            past.lots,
            {
                "the procurement method is not given": method == "",
                f"the procurement method is not {' or '.join(self.methods)}": ~method.isin(self.methods),
                "there are neither bids nor a number of tenderers": tenderers == 0,
            },
        )
        why = "One tenderer alone bid. What kept others away: the specification, the time, or an understanding?"
        rows = [_of_lot(past, lot, 1.0, why) for lot in seen.index[tenderers[seen.index] == 1]]
        return Found(rows, [Looked("lot", len(seen), left_out)])


@dataclass(frozen=True)
class CloseSecond:
    """R024: the second lowest valid bid lies unusually close above the winning bid.

    d = (second lowest valid bid − winning bid) / winning bid ≤ Q1 − 1.5 IQR, over lots with one active award, won by
    the lowest valid bid. Since d is never below 0, the fence is often out of reach: give a threshold.

    Args:
        threshold: In place of the fence, as a share (0.001).
    """

    threshold: float | None = None

    code: ClassVar[str] = "R024"
    name: ClassVar[str] = "Price close to winning bid"
    definition: ClassVar[str] = "(second lowest valid − winning bid) / winning bid ≤ Q1 − 1.5 IQR; value: this share"

    def __call__(self, past: PastLots) -> Found:
        """The lots, their winners and second bidders."""
        asked = "Did the two know of each other?"
        return _beyond_fence(past, -1, self.threshold, "begin", asked, ("winner", "second"))


@dataclass(frozen=True)
class ManyLosses:
    """R025: a tenderer bids often and wins unusually rarely.

    Its lots with a valid bid ≥ the upper quartile of these numbers, and wins / lots ≤ Q1 − 1.5 IQR, over lots with one
    active award.

    Args:
        percentile: Of the numbers of lots bid on, from which on a tenderer bids often.
        threshold: In place of the fence, as a share of wins.
    """

    percentile: float = 75
    threshold: float | None = None

    code: ClassVar[str] = "R025"
    name: ClassVar[str] = "Excessive unsuccessful bids"
    definition: ClassVar[str] = "lots with valid bids ≥ Q3 and wins / lots ≤ Q1 − 1.5 IQR; value: wins / lots"

    def __call__(self, past: PastLots) -> Found:
        """The tenderers flagged."""
        lots, not_seen = _left_out(past.lots, _unsettled(past.lots))
        valid = past.bids[past.bids["lot"].isin(lots.index) & (past.bids["status"] == "valid")]
        each = _by_tenderer(valid).groupby(["tenderer", "lot"])["won"].max().groupby("tenderer")
        bid_on, share = each.size(), each.mean()
        left_out: dict[str, int] = {}
        fence = _fence(share, -1, self.threshold, left_out)
        often = np.quantile(bid_on, self.percentile / 100, method="median_unbiased") if len(bid_on) else math.nan
        rows = [
            _row("bidder", bidder, float(share[bidder]),
                 f"Won {share[bidder] * bid_on[bidder]:.0f} of {bid_on[bidder]:,} lots bid on, where the usual share "
                 f"begins at {_percent(fence)}. Why does it go on bidding, and at which prices?")
            for bidder in bid_on.index[(bid_on >= often) & (share <= fence)]
        ]  # fmt: skip
        bidders = _by_fence("bidder", len(bid_on), left_out, fence)
        return Found(rows, [bidders, Looked("lot", len(lots), not_seen)])


@dataclass(frozen=True)
class SamePrice:
    """R028: different bidders asked the same price for the same lot or lots, disqualified bids among them.

    Prices of 0 and lots where quality alone decides (the price is then set by the buyer) are not looked at.
    """

    code: ClassVar[str] = "R028"
    name: ClassVar[str] = "Identical bid prices"
    definition: ClassVar[str] = "different tenderers, the same price above 0, valid or not; value 1"

    def __call__(self, past: PastLots) -> Found:
        """The lots and the tenderers flagged."""
        bids = past.bids[past.bids["status"].isin(SUBMITTED) & (past.bids["amount"] > 0)]
        priced = past.lots.index.isin(bids["lot"])
        seen, left_out = _left_out(
            past.lots,
            {"quality alone decides": past.lots["criteria"] == "qualityOnly", "no bid has a price": ~priced},
        )
        bids = bids[bids["lot"].isin(seen.index)]
        whole = bids["bid"].map(bids.groupby("bid")["lot"].agg(tuple))
        keys = [bids["lot"], whole, bids["amount"], bids["currency"]]
        several = bids.groupby(keys)["bidder"].transform("nunique") > 1
        rows = []
        for lot, here in bids[several].groupby("lot"):
            who = sorted({tenderer for one in here["tenderers"] for tenderer in one})
            alike = here.drop_duplicates(["amount", "bidder"]).groupby("amount")["bidder"]
            said = "; ".join(f"{' and '.join(sorted(them))} {amount:,.12g}" for amount, them in alike)
            why = f"The same price was asked by {said}. Is there a price list, a rounding, or an agreement?"
            rows += [_of_lot(past, lot, 1.0, why)]
            rows += [_of_bidder(past, lot, tenderer, 1.0, why) for tenderer in who]
        return Found(rows, [Looked("lot", len(seen), left_out)])


@dataclass(frozen=True)
class LateWinner:
    """R030: a valid bid of a winning supplier is dated after the end of the tender period.

    A deadline without a time of day means the end of that day.
    """

    code: ClassVar[str] = "R030"
    name: ClassVar[str] = "Late bid won"
    definition: ClassVar[str] = "a valid bid of a supplier of an active award is dated after the deadline; value 1"

    def __call__(self, past: PastLots) -> Found:
        """The lots flagged."""
        valid = past.bids[past.bids["status"] == "valid"]
        dated = past.lots.index.isin(valid["lot"][valid["date"].notna()])
        seen, left_out = _left_out(
            past.lots,
            {
                "the end of the tender period is not given": past.lots["end"].isna(),
                "there is no active award": past.lots["active"] == 0,
                "no valid bid has a date": ~dated,
            },
        )
        end, suppliers = valid["lot"].map(past.lots["end"]), past.lots["suppliers"]
        late = valid[(valid["date"] > end) & valid["lot"].isin(seen.index)]
        rows = []
        for lot, here in late.groupby("lot"):
            winners = [bid for bid in _each(here) if set(bid.tenderers) & set(suppliers[lot])]
            if winners:
                first = winners[0]
                why = (
                    f"{first.bidder} won with a bid of {first.date:%Y-%m-%d %H:%M}, after the deadline of "
                    f"{past.lots['end'][lot]:%Y-%m-%d %H:%M}. Was the deadline extended, for all?"
                )
                rows.append(_of_lot(past, lot, 1.0, why))
        return Found(rows, [Looked("lot", len(seen), left_out)])


@dataclass(frozen=True)
class OthersDisqualified:
    """R035: every bid was disqualified except those of the one bidder who was awarded.

    Args:
        threshold: The least number of other tenderers disqualified.
    """

    threshold: int = 1

    code: ClassVar[str] = "R035"
    name: ClassVar[str] = "All except winning bid disqualified"
    definition: ClassVar[str] = (
        "one bidder has valid bids and is the supplier of all active awards, at least 1 other tenderer is "
        "disqualified; value: how many"
    )

    def __call__(self, past: PastLots) -> Found:
        """The lots and their winners."""
        states = past.bids[past.bids["status"].isin(["valid", "disqualified"])]
        seen, left_out = _left_out(
            past.lots,
            {
                "an award is not final": past.lots["pending"],
                "there is no active award": past.lots["active"] == 0,
                "there are no bids": ~past.lots.index.isin(states["lot"]),
            },
        )
        # Only lots with one valid bidder and some bid disqualified are gone through one by one.
        valid = states[states["status"] == "valid"].groupby("lot")["bidder"].nunique()
        some = set(states["lot"][states["status"] == "disqualified"]) & set(valid.index[valid == 1]) & set(seen.index)
        rows = []
        for lot, here in states[states["lot"].isin(some)].groupby("lot"):
            winner = set(here["tenderers"][here["status"] == "valid"].iloc[0])
            others = {one for who in here["tenderers"][here["status"] == "disqualified"] for one in who} - winner
            if winner and winner == set(past.lots["suppliers"][lot]) and len(others) >= self.threshold:
                why = (
                    f"All others who bid ({', '.join(sorted(others))}) were disqualified. On which grounds, and was "
                    f"{' and '.join(sorted(winner))} held to the same?"
                )
                rows += [_of_lot(past, lot, float(len(others)), why)]
                rows += [_of_bidder(past, lot, tenderer, 0.0, why) for tenderer in sorted(winner)]
        return Found(rows, [Looked("lot", len(seen), left_out)])


@dataclass(frozen=True)
class LowestDisqualified:
    """R036: a disqualified bid is lower than every valid one, where price alone decides and there is an award."""

    code: ClassVar[str] = "R036"
    name: ClassVar[str] = "Lowest bid disqualified"
    definition: ClassVar[str] = "an active award, and the lowest bid submitted is disqualified; value 1"

    def __call__(self, past: PastLots) -> Found:
        """The lots flagged."""
        priced = past.bids[past.bids["amount"].notna() & ~past.bids["package"]]
        lowest = priced.groupby(["lot", "status"])["amount"].min().unstack("status")
        lowest = lowest.reindex(index=past.lots.index, columns=list(SUBMITTED)).astype(float)
        seen, left_out = _left_out(
            past.lots,
            {
                "there is no active award": past.lots["active"] == 0,
                **_not_by_price(past),
                "no valid bid has a price of its own": lowest["valid"].isna(),
            },
        )
        others = lowest[["valid", "pending", "submitted"]].min(axis=1)
        rows = []
        for lot in seen.index[(lowest["disqualified"] < others)[seen.index]]:
            below = 1 - lowest["disqualified"][lot] / lowest["valid"][lot]
            why = (
                f"The lowest bid was disqualified; it was {_percent(below)} below the lowest valid one. On which "
                "grounds, and were they announced?"
            )
            rows.append(_of_lot(past, lot, 1.0, why))
        return Found(rows, [Looked("lot", len(seen), left_out)])


@dataclass(frozen=True)
class ManyDisqualified:
    """R038: an unusual share of the bids submitted to a buyer, or by a tenderer, are disqualified.

    Disqualified / submitted ≥ Q3 + 1.5 IQR, each among its like: buyers, procuring entities, tenderers.

    Args:
        bids: A tenderer with fewer is left out.
        processes: A buyer or procuring entity with fewer is left out.
        threshold: In place of the fences, as a share.
    """

    bids: int = 2
    processes: int = 2
    threshold: float | None = None

    code: ClassVar[str] = "R038"
    name: ClassVar[str] = "Excessive disqualified bids"
    definition: ClassVar[str] = "disqualified / submitted bids of a buyer or tenderer ≥ Q3 + 1.5 IQR; value: this share"

    def __call__(self, past: PastLots) -> Found:
        """The buyers, procuring entities and tenderers flagged."""
        bids = past.bids[past.bids["status"].isin(SUBMITTED)].drop_duplicates("bid")
        bids = bids.join(past.lots[["process", "buyer", "entity"]], on="lot")
        bids = bids.assign(out=(bids["status"] == "disqualified").astype(float))
        rows: list[Row] = []
        looked = []
        kinds = (
            ("buyer", "buyer", bids, "process", self.processes),
            ("procuring entity", "entity", bids, "process", self.processes),
            ("bidder", "tenderer", _by_tenderer(bids), "bid", self.bids),
        )
        for kind, column, table, counted, least in kinds:
            each = table[table[column] != ""].groupby(column)
            enough = each[counted].nunique() >= least
            share = each["out"].mean()[enough]
            left_out = {}
            if (~enough).any():
                left_out[f"fewer than {least} {'bids' if counted == 'bid' else 'processes'}"] = int((~enough).sum())
            fence = _fence(share, 1, self.threshold, left_out)
            size, out = each.size(), each["out"].sum()
            for who in share.index[share >= fence]:
                why = (
                    f"{out[who]:.0f} of {size[who]:,} bids were disqualified, where the usual share ends at "
                    f"{_percent(fence)}. On which grounds, and were they the same for all?"
                )
                rows.append(_row(kind, who, float(share[who]), why))
            looked.append(_by_fence(kind, len(share), left_out, fence))
        return Found(rows, looked)


@dataclass(frozen=True)
class ManyTrades:
    """R048: what a supplier was awarded falls under unusually many kinds of work.

    Distinct first-level classes of the items awarded to it ≥ Q3 + 1.5 IQR, rounded up. A class that does not begin
    with so many digits is taken as it is written.

    Args:
        digits: The digits of a class (CPV, UNSPSC) that make the first level.
        awards: A supplier with fewer active awards of its own is left out.
        threshold: In place of the fence, as a number of classes.
    """

    digits: int = 2
    awards: int = 20
    threshold: float | None = None

    code: ClassVar[str] = "R048"
    name: ClassVar[str] = "Heterogeneous supplier"
    definition: ClassVar[str] = "distinct first-level item classes of a supplier ≥ Q3 + 1.5 IQR; value: their number"

    def __call__(self, past: PastLots) -> Found:
        """The suppliers flagged."""
        given = past.awards[past.awards["category"] != ""]
        short = given["category"].str.extract(rf"^(\d{{{self.digits}}})", expand=False)
        each = given.assign(first=short.fillna(given["category"])).groupby("supplier")
        enough = each["award"].nunique() >= self.awards
        kinds = each["first"].nunique()[enough].astype(float)
        left_out = {}
        if (~enough).any():
            left_out[f"fewer than {self.awards} awards with a class"] = int((~enough).sum())
        unclassed = set(past.awards["supplier"]) - set(given["supplier"])
        if unclassed:
            left_out["no award has a class"] = len(unclassed)
        fence = float(np.ceil(_fence(kinds, 1, self.threshold, left_out)))
        rows = [
            _row("bidder", who, float(kinds[who]),
                 f"Was awarded work of {kinds[who]:.0f} kinds, where the usual number ends below {fence:g}. "
                 "Does it do the work itself?")
            for who in kinds.index[kinds >= fence]
        ]  # fmt: skip
        return Found(rows, [_by_fence("bidder", len(kinds), left_out, fence)])


@dataclass(frozen=True)
class HeavyDiscount:
    """R058: the winning bid lies unusually far below the second lowest valid bid.

    d = (second lowest valid bid − winning bid) / winning bid ≥ Q3 + 1.5 IQR, over the lots of `CloseSecond`.

    Args:
        threshold: In place of the fence, as a share (0.5).
    """

    threshold: float | None = None

    code: ClassVar[str] = "R058"
    name: ClassVar[str] = "Heavily discounted bid"
    definition: ClassVar[str] = "(second lowest valid − winning bid) / winning bid ≥ Q3 + 1.5 IQR; value: this share"

    def __call__(self, past: PastLots) -> Found:
        """The lots and their winners."""
        asked = "A better method, a mistake, work left out, or a second bid that was not meant?"
        return _beyond_fence(past, 1, self.threshold, "end", asked, ("winner",))


# ---- what the flags share ---------------------------------------------------------------------------------


def _each(table: pd.DataFrame) -> Iterator[Any]:
    """The rows, their columns as attributes."""
    return iter(table.itertuples())


def _row(flagged: str, name: str, value: float, why: str, process: str = "", lot: str = "") -> Row:
    return {"flagged": flagged, "id": name, "process": process, "lot": lot, "value": value, "why": why}


def _of_lot(past: PastLots, lot: Any, value: float, why: str) -> Row:
    at = past.lots.loc[lot]
    return _row(at["kind"], at["id"], float(value), why, at["process"], at["id"])


def _of_bidder(past: PastLots, lot: Any, tenderer: str, value: float, why: str) -> Row:
    return _row("bidder", tenderer, value, why, past.lots["process"][lot], past.lots["id"][lot])


def _percent(share: float) -> str:
    return f"{100 * share:,.2f} %" if abs(share) < 0.1 else f"{100 * share:,.0f} %"


def _left_out(table: pd.DataFrame, reasons: Mapping[str, ArrayLike]) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows for which no reason holds, and how many the others are by the first reason that holds."""
    left, counts = np.ones(len(table), dtype=bool), {}
    for reason, holds in reasons.items():
        now = left & np.asarray(holds, dtype=bool)
        if now.any():
            counts[reason] = int(now.sum())
        left &= ~now
    return table[left], counts


def _fence(values: ArrayLike, side: int, threshold: float | None, left_out: dict[str, int]) -> float:
    """Q3 + 1.5 IQR (side 1) or Q1 − 1.5 IQR (side −1); NaN, and all are left out, where there is no fence."""
    data = np.asarray(values, dtype=float)
    if threshold is not None:
        return float(threshold)
    if not len(data):
        return math.nan
    if len(data) < LEAST_VALUES:
        left_out[f"no fence can be drawn through {len(data)} values, {LEAST_VALUES} are the least"] = len(data)
        return math.nan
    low, high = np.quantile(data, [0.25, 0.75], method="median_unbiased").tolist()
    if low == high:
        left_out[f"the quartiles are both {low:g}, so that nothing is unusual: give a threshold"] = len(data)
        return math.nan
    return float(high + 1.5 * (high - low) if side > 0 else low - 1.5 * (high - low))


def _by_fence(at: str, values: int, left_out: Mapping[str, int], fence: float) -> Looked:
    return Looked(at, 0 if math.isnan(fence) else values, left_out, fence)


def _by_tenderer(bids: pd.DataFrame) -> pd.DataFrame:
    """The bids, one row a member of a consortium."""
    return bids.explode("tenderers").rename(columns={"tenderers": "tenderer"}).dropna(subset=["tenderer"])


def _unsettled(lots: pd.DataFrame) -> dict[str, pd.Series]:
    """Why it is not known who won a lot against whom."""
    return {
        "an award is not final": lots["pending"],
        "there is no active award": lots["active"] == 0,
        "several active awards": lots["active"] > 1,
    }


def _not_by_price(past: PastLots) -> dict[str, ArrayLike]:
    """Why prices of a lot may not be compared."""
    counted = past.bids[past.bids["status"].isin(SUBMITTED) & past.bids["amount"].notna()]
    currencies = counted.groupby("lot")["currency"].nunique().reindex(past.lots.index, fill_value=0)
    return {
        "price alone does not decide": ~past.lots["criteria"].isin(PRICE_ALONE),
        "the prices are in several currencies": currencies > 1,
        "a bid has one price for several lots": past.lots.index.isin(counted["lot"][counted["package"]]),
    }


def _gaps(past: PastLots) -> tuple[pd.DataFrame, dict[str, int]]:
    """The distance of the lowest valid bid of another bidder from the winning one, as a share of it, lot by lot."""
    valid = past.bids[(past.bids["status"] == "valid") & (past.bids["amount"] > 0)]
    valid = valid.sort_values("amount", kind="stable")
    first = valid[valid["won"]].drop_duplicates("lot").set_index("lot").reindex(past.lots.index)
    rival = ~valid["won"] & (valid["bidder"] != valid["lot"].map(first["bidder"]))
    other = valid[rival].drop_duplicates("lot").set_index("lot").reindex(past.lots.index)
    seen, left_out = _left_out(
        past.lots,
        {
            **_unsettled(past.lots),
            **_not_by_price(past),
            "the winning bid is not among the valid bids with a price": first["amount"].isna(),
            "there is no second valid bid with a price": other["amount"].isna(),
            "the lowest valid bid did not win": other["amount"] < first["amount"],
        },
    )
    at = seen.index
    gap = (other["amount"] - first["amount"]) / first["amount"]
    winner, second = first["tenderers"][at], other["tenderers"][at]
    return pd.DataFrame({"lot": at, "gap": gap[at], "winner": winner, "second": second}), left_out


def _beyond_fence(
    past: PastLots, side: int, threshold: float | None, word: str, asked: str, flagged: Sequence[str]
) -> Found:
    """The lots whose distance lies at or beyond the fence, and the bidders of them in the columns `flagged`."""
    gaps, left_out = _gaps(past)
    fence = _fence(gaps["gap"], side, threshold, left_out)
    rows = []
    for gap in _each(gaps[side * gaps["gap"] >= side * fence]):
        why = (
            f"The second bid lay {_percent(gap.gap)} above the winning one, where the usual distances {word} at "
            f"{_percent(fence)}. {asked}"
        )
        rows += [_of_lot(past, gap.lot, gap.gap, why)]
        rows += [_of_bidder(past, gap.lot, name, 0.0, why) for column in flagged for name in getattr(gap, column)]
    return Found(rows, [_by_fence("lot", len(gaps), left_out, fence)])


# ---- reading ----------------------------------------------------------------------------------------------


def _past_lots(source: Any) -> PastLots:
    if isinstance(source, (PastBids, pd.DataFrame)):
        return _of_table(past_bids(source))
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise BadTable([Problem(str(source), None, None, "there is no such file")])
        return _of_processes(processes(path), path.name)
    items = list(source)
    if items and all(isinstance(item, Mapping) and "auction" not in item for item in items):
        items = [Process("releases", row, "", item) for row, item in enumerate(items, 1)]
    if items and all(isinstance(item, Process) for item in items):
        return _of_processes(items)
    return _of_table(past_bids(items))


def _of_processes(them: Iterable[Process], file: str = "the releases") -> PastLots:
    """The lots, bids and awards of OCDS processes."""
    lots: list[Row] = []
    bids: list[Row] = []
    awards: list[Row] = []
    unread: list[Problem] = []
    notes: dict[str, int] = {}
    read = 0
    for process in them:
        try:
            _read_process(process, lots, bids, awards, unread, notes)
            read += 1
        except BadTable as bad:
            unread += bad.problems
    if not read:
        raise BadTable(unread or [Problem(file, None, None, "there is no contracting process in it")])
    said = tuple(f"{text} ({count:,} times)" for text, count in notes.items())
    return _dated(
        PastLots(_frame(lots, LOTS), _frame(bids, BIDS), _frame(awards, AWARDS), said, tuple(dict.fromkeys(unread)))
    )


def _frame(rows: list[Row], columns: list[str]) -> pd.DataFrame:
    """Rows as a table whose columns have the right kind even where there are none."""
    table = pd.DataFrame(rows, columns=columns)
    kinds = {"said": float, "amount": float, "active": int, "lot": int, "bid": int, "award": int}
    kinds |= {"pending": bool, "won": bool, "package": bool}
    return table.astype({column: kind for column, kind in kinds.items() if column in columns})


class Parts(NamedTuple):
    """The parts of a release, and which lots each is for: rows of the table of lots by name."""

    name: str
    tender: Any
    bids: list[Any]
    awards: list[Any]
    places: dict[str, int]
    by_lot: bool
    of_bid: list[list[str]]
    of_award: list[list[str]]
    suppliers: list[tuple[str, ...]]

    def active(self, award: int) -> bool:
        return bool(self.awards[award].text("status") == "active")


def _read_process(
    process: Process, lots: list[Row], bids: list[Row], awards: list[Row], unread: list[Problem], notes: dict[str, int]
) -> None:
    """The rows of one process, added to the tables."""
    release = replace(_with_bids(process).release(), found=unread.append)
    parts = _parts(release, f"{process.file}:{process.row or 1}", len(lots), notes)
    lots += _lot_rows(release, parts)
    start = 1 + (bids[-1]["bid"] if bids else -1)
    for number, bid in enumerate(parts.bids):
        if not bid.text("status"):
            _note(notes, "a bid has no status and counts as valid")
        bids += _bid_rows(parts, number, start + number)
    for number in range(len(parts.awards)):
        if parts.active(number) and len(parts.suppliers[number]) == 1:
            awards += _award_rows(parts, number, 1 + (awards[-1]["award"] if awards else -1))


def _with_bids(process: Process) -> Process:
    """A release of awards alone, which is enough for a few flags, as one with no bids; any other as it is."""
    content = process.content
    if isinstance(content, str) and '"awards"' in content and not ('"tender"' in content or '"bids"' in content):
        with suppress(ValueError):
            content = json.loads(content)
    if isinstance(content, Mapping) and "awards" in content and not content.keys() & {"tender", "bids"}:
        return replace(process, content={**content, "bids": {}})
    return process


def _parts(release: Any, otherwise: str, start: int, notes: dict[str, int]) -> Parts:
    tender, bids, awards = release.part("tender"), release.part("bids").parts("details"), release.parts("awards")
    of_bid = [list(dict.fromkeys(bid.texts("relatedLots"))) for bid in bids]
    its = dict(zip((bid.text("id") for bid in bids), of_bid))
    of_award = [
        list(
            dict.fromkeys(
                award.texts("relatedLots") or [lot for i in award.texts("relatedBids") for lot in its.get(i, ())]
            )
        )
        for award in awards
    ]
    named = [part.text("id") for part in tender.parts("lots")]
    named = list(dict.fromkeys([*named, *(lot for some in (*of_bid, *of_award) for lot in some)]))
    if len(named) > 1 and not all((*of_bid, *of_award)):
        _note(notes, "a bid or award does not say for which of several lots it is: the process is looked at as a whole")
        named = []
    whole = named or [""]
    name = release.text("ocid") or tender.text("id") or otherwise
    return Parts(
        name, tender, bids, awards, {lot: start + i for i, lot in enumerate(whole)}, bool(named),
        [(some if named else []) or whole for some in of_bid], [(some if named else []) or whole for some in of_award],
        [tuple(sorted(_ids(award.parts("suppliers")))) for award in awards],
    )  # fmt: skip


def _lot_rows(release: Any, parts: Parts) -> Iterator[Row]:
    tender, period = parts.tender, parts.tender.part("tenderPeriod")
    described = {part.text("id"): part for part in tender.parts("lots")}
    for lot in parts.places:
        about = [i for i in range(len(parts.awards)) if lot in parts.of_award[i]]
        active = [i for i in about if parts.active(i)]
        yield {
            "id": f"{parts.name}/{lot}" if parts.by_lot else parts.name,
            "process": parts.name,
            "kind": "lot" if parts.by_lot else "process",
            "buyer": _org(release.part("buyer")),
            "entity": _org(tender.part("procuringEntity")),
            "method": tender.text("procurementMethod"),
            "details": tender.text("procurementMethodDetails"),
            "criteria": _criteria(described.get(lot)) or _criteria(tender),
            "start": period.text("startDate"),
            "end": period.text("endDate"),
            "said": math.nan if parts.by_lot else tender.number("numberOfTenderers"),
            "pending": any(parts.awards[i].text("status") not in FINAL for i in about),
            "active": len(active),
            "suppliers": tuple(sorted({one for i in active for one in parts.suppliers[i]})),
        }


def _bid_rows(parts: Parts, at: int, number: int) -> Iterator[Row]:
    """One row a lot the bid is for."""
    bid = parts.bids[at]
    who = tuple(sorted(_ids(bid.parts("tenderers"))))
    value = bid.part("value")
    row = {"bid": number, "bidder": CONSORTIUM.join(who), "tenderers": who, "date": bid.text("date")}
    row |= {"amount": value.number("amount"), "currency": value.text("currency")}
    row |= {"status": bid.text("status").lower() or "valid", "package": len(parts.of_bid[at]) > 1}

    def won(award: int) -> bool:
        related = parts.awards[award].texts("relatedBids")
        return bid.text("id") in related if related else bool(who) and who == parts.suppliers[award]

    winning = [i for i in range(len(parts.awards)) if parts.active(i) and won(i)]
    for lot in parts.of_bid[at]:
        yield row | {"lot": parts.places[lot], "won": any(lot in parts.of_award[i] for i in winning)}


def _award_rows(parts: Parts, at: int, number: int) -> Iterator[Row]:
    """One row a class of the items awarded; where the award does not list them, of the items of its lots."""
    everything = not parts.by_lot or len(parts.places) == 1
    items = parts.awards[at].parts("items") or [
        item for item in parts.tender.parts("items") if everything or item.text("relatedLot") in parts.of_award[at]
    ]
    for one in sorted({item.part("classification").text("id") for item in items} or {""}):
        yield {"supplier": parts.suppliers[at][0], "award": number, "category": one}


def _note(notes: dict[str, int], text: str) -> None:
    notes[text] = notes.get(text, 0) + 1


def _ids(parties: Iterable[Any]) -> set[str]:
    return {name for part in parties if (name := part.text("id") or part.text("name"))}


def _org(part: Any) -> str:
    return str(part.text("id") or part.text("name"))


def _criteria(part: Any) -> str:
    """What decides: a code as the standard has it, or told from the kinds of criteria of the extension."""
    if part is None or part.value.get("awardCriteria") is None:
        return ""
    if not isinstance(part.value["awardCriteria"], Mapping):
        return str(part.text("awardCriteria"))
    kinds = {one.text("type") for one in part.part("awardCriteria").parts("criteria")} - {""}
    if not kinds:
        return ""
    return "priceOnly" if kinds <= {"price", "cost"} else "qualityOnly" if kinds == {"quality"} else "ratedCriteria"


def _of_table(past: PastBids) -> PastLots:
    """The lots, bids and awards of a table of past bids; what `past_bids` set aside counts as submitted."""
    kept = past.table.assign(status="valid")
    aside = past.set_aside.copy()
    said_status = aside["status"].str.lower().replace({"excluded": "disqualified", "rejected": "disqualified"})
    aside["status"] = said_status.where(aside["rule"] == "status", "submitted") if len(aside) else said_status
    rows = pd.concat([kept, aside[[c for c in aside.columns if c not in ("rule", "why", "bidders")]]]).sort_index()
    notes = list(past.notes)
    lot = pd.Series(pd.factorize(rows["auction"])[0], index=rows.index)
    texts = ("buyer", "entity", "method", "details", "criteria", "published", "deadline", "category", "currency")
    text = {c: rows[c].map(as_written) if c in rows else pd.Series("", rows.index) for c in texts}
    each: dict[str, Any] = {}
    for column in texts:
        filled = text[column][text[column] != ""].groupby(lot)
        each[column] = filled.first().reindex(range(lot.max() + 1), fill_value="")
        differ = int((filled.nunique() > 1).sum())
        if differ and column != "currency":
            notes.append(f"{column} is not the same in all rows of {differ} auctions: the first counts")
    if "method" not in rows:
        notes.append("no column method: every auction is taken to have been open or selective")
        each["method"] = each["method"].replace("", "open")
    won, bidder = rows["winner"].astype(bool), rows["bidder"].astype(str)
    suppliers: dict[int, set[str]] = {}
    for at, who in zip(lot[won].tolist(), bidder[won].tolist()):
        suppliers.setdefault(at, set()).add(who)
    more = rows["n"].groupby(lot).max()
    counted = rows["bidder"].groupby(lot).nunique()
    lots = pd.DataFrame(
        {
            "id": rows["auction"].groupby(lot).first().astype(str),
            "process": rows["auction"].groupby(lot).first().astype(str),
            "kind": "process",
            **{c: each[c] for c in ("buyer", "entity", "method", "details", "criteria")},
            "start": each["published"],
            "end": each["deadline"],
            "said": more.where(more > counted),
            "pending": False,
            "active": won.groupby(lot).any().astype(int),
            "suppliers": [tuple(sorted(suppliers.get(at, ()))) for at in range(lot.max() + 1)],
        },
        columns=LOTS,
    )
    bids = pd.DataFrame(
        {
            "lot": lot, "bid": range(len(rows)), "bidder": bidder, "tenderers": [(who,) for who in bidder],
            "amount": rows["bid"], "currency": text["currency"], "status": rows["status"],
            "date": rows["date"] if "date" in rows and "deadline" in rows else pd.NaT, "won": won, "package": False,
        },
        columns=BIDS,
    )  # fmt: skip
    awards = pd.DataFrame({"supplier": bidder[won], "award": lot[won], "category": lot[won].map(each["category"])})
    bids, awards = bids.reset_index(drop=True), awards.reset_index(drop=True)
    return _dated(PastLots(lots, bids, awards, tuple(notes)))


def _dated(past: PastLots) -> PastLots:
    """Dates as moments; those that are none are noted."""
    notes = list(past.notes)

    def moments(texts: pd.Series, what: str, *, end: bool = False) -> pd.Series:
        if pd.api.types.is_datetime64_any_dtype(texts):
            return texts.dt.tz_localize("UTC") if texts.dt.tz is None else texts
        said = texts.astype("str").str.replace(r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3", regex=True)
        dates = pd.to_datetime(said.where(said != ""), errors="coerce", format="ISO8601", utc=True)
        dates = dates.astype("datetime64[us, UTC]")
        wrong = int(((said != "") & dates.isna()).sum())
        if wrong:
            notes.append(f"{wrong} of {len(said)} {what} are no dates and count as not given")
        # A day without a time of day lasts until midnight.
        days = end & (said.str.len() == 10)
        return dates.where(~days, dates + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1))

    starts = moments(past.lots["start"], "starts of tender periods")
    ends = moments(past.lots["end"], "ends of tender periods", end=True)
    sent = moments(past.bids["date"], "dates of bids")
    lots, bids = past.lots.assign(start=starts, end=ends), past.bids.assign(date=sent)
    unknown = sorted(set(bids["status"]) - {*SUBMITTED, "invited", "withdrawn"})
    if unknown:
        notes.append(f"bids of these states are not looked at: {', '.join(unknown)}")
    if (lots["criteria"] == "").any() and len(bids):
        unsaid = int((lots["criteria"] == "").sum())
        notes.append(f"criteria are not given for {unsaid:,} lots: price alone is taken to decide")
    return replace(past, lots=lots, bids=bids, notes=tuple(notes))


FLAGS: tuple[Flag, ...] = (
    ShortPeriod(),
    SingleBid(),
    CloseSecond(),
    ManyLosses(),
    SamePrice(),
    LateWinner(),
    OthersDisqualified(),
    LowestDisqualified(),
    ManyDisqualified(),
    ManyTrades(),
    HeavyDiscount(),
)
