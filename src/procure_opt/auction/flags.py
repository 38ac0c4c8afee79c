"""Red flags: published signs in past tenders, lot by lot, that deserve a question and prove nothing.

Definitions and defaults are those of Cardinal (Open Contracting Partnership 2024,
github.com/open-contracting/cardinal-rs, docs/cli/indicators), extended from processes to lots and from single tenderers
to consortia.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from procure_opt.auction.past import PastBids
from procure_opt.auction.past_lots import SUBMITTED, PastLots, past_lots
from procure_opt.cells import Table
from procure_opt.ocds import Process

Row = dict[str, Any]

PRICE_ALONE = ("", "priceOnly", "costOnly", "lowestCost")

# Of four values or fewer none lies beyond a fence of 1.5 interquartile ranges, whatever they are.
LEAST_VALUES = 5

COLUMNS = ["code", "name", "flagged", "id", "process", "lot", "value", "why"]


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
    past = past_lots(source)
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
