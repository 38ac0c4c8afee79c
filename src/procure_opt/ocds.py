"""OCDS documents (releases, records, packages, JSON lines) into the tables of a tender, as found in the wild.

The Open Contracting Data Standard with its lots, bids and party scale extensions; v1.1.5 bids without rank are read
as well. What a document leaves open is filled in as the standard suggests, and said in `tender.notes`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from procure_opt.cells import HALF, BadTable, Problem, is_whole
from procure_opt.constraints import MOST, MaxLots
from procure_opt.tender import REQUIRED, Tender

Found = Callable[[Problem], None]
Row = dict[str, Any]

VIRTUAL_LOT = "LOT-0000"  # what eForms calls the one lot of a procedure without lots
CONSORTIUM = "+"

# Currencies whose smallest unit is not a hundredth (ISO 4217).
_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
MINOR_DIGITS = {code: digits for digits, codes in _DIGITS.items() for code in codes.split()}

# Where in the document the columns of the tables stand.
PLACES = {
    ("lots", "lot"): "id", ("lots", "estimate"): "value/amount", ("lots", "minimum_value"): "minimumValue/amount",
    ("bids", "bid"): "id", ("bids", "bidder"): "tenderers", ("bids", "lots"): "relatedLots",
    ("bids", "price"): "value/amount", ("bids", "status"): "status", ("bidders", "bidder"): "id",
}  # fmt: skip
LOT_TEXTS = {"title": "title", "status": "status", "category": "mainProcurementCategory"}


def money_unit(currency: str) -> float:
    """The smallest unit of a currency by its ISO 4217 code: JPY 1, KWD 0.001, most others 0.01.

    >>> money_unit("JPY"), money_unit("EUR"), money_unit("KWD")
    (1.0, 0.01, 0.001)
    """
    return float(f"1e-{MINOR_DIGITS.get(currency.upper(), 2)}")


@dataclass(frozen=True)
class Process:
    """One contracting process of a file, not yet read: the release, or the text of it, and where it stands."""

    file: str
    row: int | None
    path: str
    content: Any

    def problem(self, path: str, reason: str) -> Problem:
        """A problem at a place of this process."""
        return Problem(self.file, self.row, path or None, reason)

    def release(self) -> _Part:
        """The release of this process.

        Raises:
            BadTable: it is no JSON, no OCDS, or several processes.
        """
        content, path = self.content, self.path
        if isinstance(content, str):
            found = list(_processes(_parsed(content, self.file, self.row), self.file, self.row))
            if len(found) != 1:
                raise BadTable([self.problem("", f"a line holds one release or record, this one holds {len(found)}")])
            content, path = found[0].content, found[0].path
        part = _Part(content, path, self)
        if not content.keys() & {"tender", "bids"}:
            raise BadTable([self.problem(path, "there is no OCDS tender here, for there is neither a tender nor bids")])
        return part


def processes(path: Path) -> Iterator[Process]:
    """The contracting processes a file holds: releases of one process are merged, JSON lines come one by one."""
    with path.open("rb") as lines:
        by_line = path.suffix.lower() in (".jsonl", ".ndjson") or (
            _is_document(lines.readline()) and any(map(bytes.strip, lines))
        )
        lines.seek(0)
        if not by_line:
            document = _parsed(_decoded(lines.read(), path.name, None), path.name, None)
            yield from _processes(document, path.name, None)
            return
        for row, line in enumerate(lines, 1):
            if line.strip():
                yield Process(path.name, row, "", _decoded(line, path.name, row))


def _decoded(data: bytes, file: str, row: int | None) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = row or data.count(b"\n", 0, error.start) + 1
        reason = f"byte {error.start} ({data[error.start]:#04x}) is not UTF-8, which JSON must be"
        raise BadTable([Problem(file, row, None, reason)]) from None


def _is_document(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _parsed(text: str, file: str, row: int | None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        reason = f"this is not JSON: {error.msg} at character {error.colno}"
        raise BadTable([Problem(file, row or error.lineno, None, reason)]) from None
    except RecursionError:
        raise BadTable([Problem(file, row, None, "the JSON is nested too deeply to be OCDS")]) from None
    except ValueError:
        raise BadTable([Problem(file, row, None, "a number in the JSON has too many digits")]) from None


def _processes(document: Any, file: str, row: int | None) -> Iterator[Process]:
    """The processes in a release, a record, a package of either, or a list of any of these."""
    if isinstance(document, dict) and isinstance(document.get("records"), list):
        for i, record in enumerate(document["records"]):
            yield _of_record(record, Process(file, row, f"records/{i}", None))
    elif isinstance(document, dict) and isinstance(document.get("compiledRelease"), dict):
        yield _of_record(document, Process(file, row, "", None))
    elif isinstance(document, dict) and isinstance(document.get("releases"), list):
        yield from _by_process(document["releases"], "releases/", file, row)
    elif isinstance(document, list) and document and all(isinstance(one, dict) for one in document):
        yield from _by_process(document, "", file, row)
    elif isinstance(document, dict) and document.keys() & {"ocid", "tender", "bids"}:
        yield Process(file, row, "", document)
    else:
        keys = ", ".join(map(str, list(document)[:8])) if isinstance(document, dict) else type(document).__name__
        reason = f"this is JSON but no OCDS: a release, a record or a package of them was expected, not {keys or '{}'}"
        raise BadTable([Problem(file, row, None, reason)])


def _of_record(record: Any, at: Process) -> Process:
    path = f"{at.path}/compiledRelease".lstrip("/")
    if isinstance(record, dict) and isinstance(record.get("compiledRelease"), dict):
        return Process(at.file, at.row, path, record["compiledRelease"])
    releases = record.get("releases") if isinstance(record, dict) else None
    whole = [one for one in releases or [] if isinstance(one, dict) and "url" not in one]
    if not whole:
        reason = "the record holds no compiledRelease, and no releases but links"
        raise BadTable([Problem(at.file, at.row, at.path or None, reason)])
    return Process(at.file, at.row, f"{at.path}/releases".lstrip("/"), _compiled(whole))


def _by_process(releases: list[Any], path: str, file: str, row: int | None) -> Iterator[Process]:
    """Releases put together by ocid, in the order of the file."""
    groups: dict[object, list[int]] = {}
    for i, release in enumerate(releases):
        if not isinstance(release, dict):
            raise BadTable([Problem(file, row, f"{path}{i}", "a release is an object in curly brackets")])
        groups.setdefault(str(release.get("ocid", f"#{i}")), []).append(i)
    for members in groups.values():
        if len(members) == 1:
            yield Process(file, row, f"{path}{members[0]}", releases[members[0]])
        else:
            yield Process(file, row, path.rstrip("/"), _compiled([releases[i] for i in members]))


def _compiled(releases: list[Row]) -> Row:
    """Releases of one process merged by date, later ones over earlier ones (OCDS merging)."""
    merged: Row = {}
    for release in sorted(releases, key=lambda one: str(one.get("date", ""))):
        merged = _merged(merged, release)
    return merged


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        both = {key: _merged(old.get(key), new[key]) if key in new else old[key] for key in keys}
        return {key: value for key, value in both.items() if value is not None}
    if isinstance(old, list) and isinstance(new, list) and all(_has_id(item) for item in [*old, *new]):
        items = {str(item["id"]): item for item in old}
        for item in new:
            items[str(item["id"])] = _merged(items.get(str(item["id"]), {}), item)
        return list(items.values())
    return new


def _has_id(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("id"), (str, int))


# ---- reading parts of a document --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """An object inside a document, with its path; asking for something of the wrong kind is a problem."""

    value: Row
    path: str
    process: Process
    found: Found = lambda problem: None

    def at(self, key: str) -> str:
        return f"{self.path}/{key}".lstrip("/")

    def wrong(self, key: str, reason: str) -> None:
        self.found(self.process.problem(self.at(key), reason))

    def part(self, key: str) -> _Part:
        """The object under a key; empty if there is none."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, dict):
            self.wrong(key, f"this must be an object in curly brackets, not {_shown(value)}")
        return _Part(value if isinstance(value, dict) else {}, self.at(key), self.process, self.found)

    def parts(self, key: str) -> list[_Part]:
        """The objects in the list under a key."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, list):
            self.wrong(key, f"this must be a list in square brackets, not {_shown(value)}")
        items = value if isinstance(value, list) else []
        for i, item in enumerate(items):
            if not isinstance(item, dict):
                self.wrong(f"{key}/{i}", f"this must be an object in curly brackets, not {_shown(item)}")
        rows = [(i, item) for i, item in enumerate(items) if isinstance(item, dict)]
        return [_Part(item, self.at(f"{key}/{i}"), self.process, self.found) for i, item in rows]

    def text(self, key: str) -> str:
        """The text under a key, also of a whole number; blank if there is none."""
        value = self.value.get(key)
        if value is None:
            return ""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            self.wrong(key, f"this must be a text, not {_shown(value)}")
            return ""
        text = str(value).strip()
        if not is_whole(text):
            self.wrong(key, f"{_shown(value)} holds {HALF}")
            return ""
        return text

    def texts(self, key: str) -> list[str]:
        """The texts in the list under a key."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, list):
            self.wrong(key, f"this must be a list in square brackets, not {_shown(value)}")
        items = {f"{key}/{i}": item for i, item in enumerate(value if isinstance(value, list) else [])}
        inside = _Part(items, self.path, self.process, self.found)
        return [inside.text(place) for place in items]

    def number(self, key: str) -> float:
        """The number under a key, also one written as text; NaN if there is none."""
        value = self.value.get(key)
        try:
            number = math.nan if value is None or isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if value is not None and not math.isfinite(number):
            self.wrong(key, f"{_shown(value)} is not a number")
        return number


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) < 40 else f"{repr(value)[:37]}..."


# ---- the tender -------------------------------------------------------------------------------------------


def tender_of(process: Process) -> Tender:
    """The tender of one process.

    Raises:
        BadTable: with every problem, its column the path in the document.
    """
    problems: list[Problem] = []
    start = process.release()
    release = _Part(start.value, start.path, process, problems.append)
    notes: list[str] = []
    tender = release.part("tender")
    lots = _lots(release, tender, notes)
    bids = _bids(release, [lot["lot"] for lot, _ in lots], notes)
    bidders = _bidders(release, bids, notes)
    if not lots:
        problems.append(process.problem(tender.path, "there are neither lots nor bids, so there is nothing to award"))
    currency = _currency(release, problems.append)
    _note_bid_limit(release, notes)
    tables = {"lots": lots, "bids": bids, "bidders": bidders}
    arguments: dict[str, Any] = {name: _frame(name, rows) for name, rows in tables.items()}
    name = release.text("ocid") or tender.text("id") or tender.text("title") or Path(process.file).stem
    arguments |= {"name": name, "currency": currency, "money_unit": money_unit(currency), "notes": notes}
    try:
        made = Tender(**arguments)
    except BadTable as bad:
        paths = {table: [path for _, path in rows] for table, rows in tables.items()}
        spoken = {problem.column for problem in problems}
        placed = [_placed(problem, paths, process) for problem in bad.problems]
        problems += [problem for problem in placed if lots and problem.column not in spoken]
    if problems:
        raise BadTable(problems)
    return made


def limits_of(process: Process) -> tuple[Any, ...]:
    """The constraints the document itself sets: at most so many lots awarded to one supplier."""
    problems: list[Problem] = []
    start = process.release()
    details = _Part(start.value, start.path, process, problems.append).part("tender").part("lotDetails")
    most = details.number("maximumLotsAwardedPerSupplier")
    if not math.isnan(most) and (not 1 <= most <= MOST or most != int(most)):
        details.wrong("maximumLotsAwardedPerSupplier", f"{most:g} is not a whole number from 1 to {MOST:g}")
    if problems:
        raise BadTable(problems)
    return () if math.isnan(most) else (MaxLots(int(most)),)


def _placed(problem: Problem, paths: dict[str, list[str]], process: Process) -> Problem:
    """A problem of a table as a problem of the document."""
    rows = paths.get(problem.file, [])
    inside = PLACES.get((problem.file, problem.column or ""), problem.column or "")
    start = rows[problem.row] if problem.row is not None and problem.row < len(rows) else problem.file
    reason = re.sub(r"row (\d+)$", lambda row: rows[int(row[1])], problem.reason)
    return process.problem(f"{start}/{inside}".rstrip("/"), reason.replace("the lots table", "tender/lots"))


def _frame(table: str, rows: list[tuple[Row, str]]) -> pd.DataFrame:
    """Rows as a table; `row` counts them, so that problems find the way back to the document."""
    columns = list(dict.fromkeys([*REQUIRED[table], *(column for row, _ in rows for column in row)]))
    return pd.DataFrame([row for row, _ in rows], columns=columns, index=pd.RangeIndex(len(rows), name="row"))


def _lots(release: _Part, tender: _Part, notes: list[str]) -> list[tuple[Row, str]]:
    rows: list[tuple[Row, str]] = []
    parts = tender.parts("lots")
    texts = {column: key for column, key in LOT_TEXTS.items() if any(key in part.value for part in parts)}
    floor = any("minimumValue" in part.value for part in parts)
    for part in parts:
        row: Row = {"lot": part.text("id"), "estimate": part.part("value").number("amount")}
        row |= {column: part.text(key) for column, key in texts.items()}
        if floor:
            row["minimum_value"] = part.part("minimumValue").number("amount")
        rows.append((row, part.path))
    gone = [row["lot"] for row, _ in rows if row.get("status") in ("cancelled", "withdrawn")]
    if gone:
        notes.append(f"the document calls these lots cancelled or withdrawn, they are lots here: {', '.join(gone)}")
    if not rows and release.part("bids").parts("details"):
        notes.append(f"the document has no lots: the whole tender is the one lot {VIRTUAL_LOT}")
        rows.append(({"lot": VIRTUAL_LOT, "estimate": tender.part("value").number("amount")}, tender.path))
    return rows


def _bids(release: _Part, lots: list[str], notes: list[str]) -> list[tuple[Row, str]]:
    rows: list[tuple[Row, str]] = []
    parts = release.part("bids").parts("details")
    nameless = bool(parts) and not any("id" in part.value for part in parts)
    dated = any("date" in part.value for part in parts)
    unstated = unplaced = 0
    for i, part in enumerate(parts):
        status = part.text("status")
        named = part.texts("relatedLots")
        unstated += not status
        unplaced += not named and len(lots) == 1
        if not named and len(lots) > 1:
            part.wrong("relatedLots", f"the bid does not say for which of the {len(lots)} lots it is")
        row: Row = {
            "bid": str(i + 1) if nameless else part.text("id"),
            "bidder": _bidder_name(part),
            "lots": named or lots[:1],
            "price": part.part("value").number("amount"),
            "status": status,
        }
        if dated:
            row["date"] = part.text("date")
        if not row["bidder"]:
            part.wrong("tenderers", "the bid names no tenderer")
        rows.append((row, part.path))
    if nameless:
        notes.append("the bids have no ids: they are numbered in the order of the document")
    if unstated:
        notes.append(f"{unstated} of {len(rows)} bids have no status and count as valid")
    if unplaced:
        notes.append(f"{unplaced} of {len(rows)} bids name no lot: they are for the only lot there is")
    return rows


def _tenderers(bid: _Part) -> dict[str, _Part]:
    """The tenderers of a bid by id (by name where there is no id), sorted."""
    parts = {part.text("id") or part.text("name"): part for part in bid.parts("tenderers")}
    return {name: parts[name] for name in sorted(parts) if name}


def _bidder_name(bid: _Part) -> str:
    return CONSORTIUM.join(_tenderers(bid))


def _bidders(release: _Part, bids: list[tuple[Row, str]], notes: list[str]) -> list[tuple[Row, str]]:
    """Every tenderer, and every consortium of tenderers, that sent a bid."""
    parties = {part.text("id"): part for part in release.parts("parties")}
    names: dict[str, str] = {}
    rows: dict[str, tuple[Row, str]] = {}
    for bid in release.part("bids").parts("details"):
        tenderers = _tenderers(bid)
        for name, part in tenderers.items():
            party = parties.get(part.text("id"))
            known = party.text("name") if party else ""
            names[name] = names.get(name) or part.text("name") or known
            row: Row = {"bidder": name, "members": "", "name": names[name]}
            row["scale"] = party.part("details").text("scale") if party else ""
            rows[name] = (row, part.path)
        if len(tenderers) > 1:
            whole = CONSORTIUM.join(tenderers)
            row = {"bidder": whole, "members": ";".join(tenderers), "scale": ""}
            row["name"] = f" {CONSORTIUM} ".join(names[name] or name for name in tenderers)
            if whole not in rows:
                notes.append(f"the tenderers of a joint bid are the consortium {whole}; caps bind on each member")
            rows[whole] = (row, bid.at("tenderers"))
            for name in tenderers:
                if ";" in name:
                    bid.wrong("tenderers", f"the id {name!r} of a member of a consortium may not hold a semicolon")
    for column in ("members", "name", "scale"):
        if not any(row[column] for row, _ in rows.values()):
            for row, _ in rows.values():
                del row[column]
    return list(rows.values())


def _currency(release: _Part, found: Found) -> str:
    """The one currency of all lots and bids; another one beside it is a problem."""
    tender, details = release.part("tender"), release.part("bids").parts("details")
    lots = tender.parts("lots")
    values = [part.part("value") for part in [tender, *lots, *details]] + [part.part("minimumValue") for part in lots]
    given = [(part, part.text("currency").upper()) for part in values if part.value.get("currency") is not None]
    for part, currency in given:
        if currency != given[0][1]:
            reason = f"{currency} where {given[0][0].at('currency')} says {given[0][1]}: a tender has one currency"
            found(release.process.problem(part.at("currency"), reason))
    return given[0][1] if given else ""


def _note_bid_limit(release: _Part, notes: list[str]) -> None:
    most = release.part("tender").part("lotDetails").number("maximumLotsBidPerSupplier")
    if math.isnan(most):
        return
    lots: dict[str, set[str]] = {}
    for bid in release.part("bids").parts("details"):
        for name in _tenderers(bid):
            lots.setdefault(name, set()).update(bid.texts("relatedLots"))
    over = [name for name, its in lots.items() if len(its) > most]
    kept = f"exceeded by {', '.join(over)}" if over else "kept by all"
    notes.append(f"a supplier may bid for at most {most:g} lots (maximumLotsBidPerSupplier), {kept}")
