"""Past tenders lot by lot: the lots, bids and awards of OCDS processes, or of a table of past bids."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import BadTable, Problem, as_written
from procure_opt.ocds import CONSORTIUM, Process, processes

Row = dict[str, Any]

SUBMITTED = ("valid", "disqualified", "pending", "submitted")  # "submitted": it was handed in and could not count
FINAL = ("active", "cancelled", "unsuccessful")

LOTS = ["id", "process", "kind", "buyer", "entity", "method", "details", "criteria", "estimate", "start", "end", "said",
        "pending", "active", "suppliers"]  # fmt: skip
BIDS = ["lot", "bid", "bidder", "tenderers", "amount", "currency", "status", "date", "won", "package"]
AWARDS = ["supplier", "award", "category"]


@dataclass(frozen=True, eq=False)
class PastLots:
    """Past tenders lot by lot, as red flags read them, whatever they were read from.

    Attributes:
        lots: One row a lot; a process without lots is one lot. `kind` is "process" or "lot", `estimate` the value the
            document gives for it, `said` the number of tenderers it gives, `pending` whether an award is not final,
            `active` the number of active awards, `suppliers` those of all of them.
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


def past_lots(source: Any) -> PastLots:
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


def bids_of(past: PastLots) -> PastBids:
    """The bids of past lots as estimators and screens read them: a lot is an auction, a consortium a bidder.

    Set aside, beside what `past_bids` sets aside, are bids whose one price is for several lots. `estimate` is the value
    the document gives for the lot (it is no reserve: nothing says that a higher bid loses), `date` the day the tender
    period ended.

    Raises:
        BadTable: the amounts are in several currencies, or no bid is left.
    """
    seen = past.bids[past.bids["status"].isin(SUBMITTED)]
    named = seen[seen["bidder"] != ""]
    nameless = len(seen) - len(named)
    notes = [f"{nameless:,} bids name no tenderer and are not looked at"] if nameless else []
    money = sorted({*named.loc[named["amount"].notna(), "currency"]} - {""})
    if len(money) > 1:
        reason = f"amounts are in {', '.join(money)}: give the tenders of one currency, or convert them"
        raise BadTable([Problem("bids", None, "currency", reason)])
    lots = past.lots.loc[named["lot"]].reset_index(drop=True)
    known = named.groupby("lot")["won"].any().reindex(named["lot"]).to_numpy(dtype=bool)
    table = pd.DataFrame(
        {
            "auction": lots["id"].to_numpy(),
            "bidder": named["bidder"].to_numpy(),
            "bid": named["amount"].to_numpy(),
            "winner": [("yes" if won else "no") if told else "" for won, told in zip(named["won"], known)],
            "status": ["for several lots" if each.package else each.status for each in named.itertuples()],
            "date": lots["end"].dt.strftime("%Y-%m-%d").fillna("").to_numpy(),
            **{name: lots[name].to_numpy() for name in ("buyer", "method", "criteria", "estimate")},
        }
    )
    read = past_bids(table)
    return replace(read, notes=(*past.notes, *notes, *read.notes))


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
    kinds = {"estimate": float, "said": float, "amount": float, "active": int, "lot": int, "bid": int, "award": int}
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
            "estimate": _estimate(described.get(lot), tender, alone=len(parts.places) == 1),
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


def _estimate(lot: Any, tender: Any, *, alone: bool) -> float:
    """The value a lot is put at; a tender of one lot has one value."""
    own = math.nan if lot is None else lot.part("value").number("amount")
    return float(tender.part("value").number("amount") if alone and math.isnan(own) else own)


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
            "estimate": math.nan,
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
