"""Damaged files through every reader: each is refused in words that name the place, or read correctly.

Good files are damaged: bytes flipped, dropped, cut off, in another encoding; cells swapped, emptied, made huge,
negative, endless, quoted or of another script; rows and columns doubled, dropped, renamed; values of JSON and TOML
replaced by others of any kind or nested deep; sheets of workbooks likewise. A reader must then raise `BadTable`, with
each problem in a file it was given, or return something that holds: a tender that is written and read again is the
same, and its award passes the check; past bids read again from their own table are the same; nothing is verified but
the award that was written; a run goes on from a checkpoint to what it gives without. A traceback, a warning, more than
`--seconds` for one file, or more than `--megabytes` of memory is a failure, and shown with its case.

    python benchmarks/fuzz.py --cases 10000 --seed 1 --write
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import json
import math
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scipy.stats

import procure_opt as po
import results
from procure_opt import verify_award
from procure_opt.auction.market_file import MarketFile, read_market
from procure_opt.auction.past import PastBids
from procure_opt.auction.past_file import read_past
from procure_opt.cells import BadTable, Problem
from procure_opt.governance import Indicator, cleaning, outsourcing_checklist, performance
from procure_opt.tables import read_rows, read_tenders

ROOT = Path(__file__).parents[1]
Files = dict[str, bytes]
Damage = Callable[[random.Random, bytes], bytes]

# ---- what people and machines put into files --------------------------------------------------------------

CELLS = (
    "", " ", "nan", "NaN", "inf", "-inf", "Infinity", "1e400", "1e308", "1e-320", "-1", "0", "-0", "0.001", "1e15",
    "99999999999999999999", "1,000", "12,5", "1 000", "１２", "٣", "½", "12%", "€5", "5 EUR", "0x10", "1_000", "TRUE",
    "NULL", "None", "N/A", "#REF!", "=1+1", "'", "''=x", "@SUM(A1)", '"', '""', 'a"b', "A;B", ";", "A;", ";;A", "A:1;B",
    "A:", ":1", "A:nan", "A:-1", "A:1e400", "A:0", "A;A", "\x00", "a\x00b", "\ufeff", "\u202egnp", "é", "e\u0301",
    "🏛", "北京", "x" * 40_000, "2026-02-30", "2024-05-31", "9999-12-31", "0001-01-01", "\r", "\n", "a\nb", "\t", ",",
    "<script>", "../../etc/passwd", "%s%n", "{0}", "[red]", "valid", "withdrawn", "yes", "2", "1", "0.5", "100", "1e5",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, "", " ", "x", 0, -1, 1, 2, 0.5, -0.5, 1e308, -1e308, 1e-320, 10**25, math.inf, math.nan, [], {},
    [[]], [None], [1, "a"], {"id": None}, {"id": 1}, {"a": {"b": []}}, "1", "1e400", "nan", "１２", "\x00", "🏛",
    "x" * 40_000, "A;B", "+", "2026-02-30", "\ud800",
)  # fmt: skip
LITERALS = (
    "true", "false", "0", "-1", "1", "2", "0.5", "-0.5", "1e308", "-1e308", "1e-320", "inf", "-inf", "nan",
    "1" + "0" * 25,
    "1" + "0" * 5000, '""', '"x"', '" "', "[]", "{}", "[[]]", "[1]", '["a"]', '{kind = "x"}', "{a = {b = []}}",
    "2026-01-01", "2026-01-01T00:00:00Z", "12:00:00", '"\\u0000"', '"🏛"', "[" * 3000 + "]" * 3000, '"bidder"',
    '"owner"', '"estimate"', '"spend"', '"lots"', '{lot = "A"}', "{0 = 1}", '{9 = "x"}', "1_000", "0x10",
)  # fmt: skip


def of_bytes(dice: random.Random, data: bytes) -> bytes:
    """Damage that knows nothing of what the bytes say."""
    at, other = dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)
    first, last = min(at, other), max(at, other)
    match dice.randrange(9):
        case 0:
            return data[:at]
        case 1:
            return data[:first] + data[last:]
        case 2:
            return data[:last] + data[first:]
        case 3:
            return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
        case 4:
            return data[:at] + bytes(dice.randrange(256) for _ in range(dice.randrange(1, 9))) + data[at:]
        case 5:
            return (
                data[:at] + dice.choice((b"\x00", b'"', b"\r", b"\n", b"\xef\xbb\xbf", b"\xff", b",", b";")) + data[at:]
            )
        case 6:
            return dice.choice((b"", b"\n", b"\xef\xbb\xbf", b"\x00" * 100, b"\xff\xfe", b'"'))
        case 7:
            return dice.choice((b"\xef\xbb\xbf", b"\n", b"\r\n\r\n", b" ")) + data
        case _:
            return data.replace(
                *dice.choice(((b"\r\n", b"\n"), (b"\n", b"\r"), (b",", b";"), (b",", b"\t"), (b"\n", b"\r\n")))
            )


def in_another_encoding(dice: random.Random, data: bytes) -> bytes:
    """The text as other programs save it."""
    text = data.decode("utf-8", errors="replace")
    return text.encode(dice.choice(("utf-16", "utf-8-sig", "latin-1", "gbk", "utf-32", "cp437")), errors="replace")


def of_cells(dice: random.Random, rows: list[list[Any]], cells: tuple[Any, ...]) -> list[list[Any]]:
    """A table with something swapped, replaced, doubled or missing."""
    rows = [list(row) for row in rows] or [[""]]
    i, j = dice.randrange(len(rows)), dice.randrange(len(rows))
    width = max(1, *map(len, rows))
    column = dice.randrange(width)
    match dice.randrange(12):
        case 0 | 1 | 2 | 3:
            row = rows[i]
            row += [""] * (column + 1 - len(row))
            row[column] = dice.choice(cells)
        case 4:
            rows[i], rows[j] = rows[j], rows[i]
        case 5:
            rows.insert(j, list(rows[i]))
        case 6:
            del rows[i]
        case 7:
            rows = [row[:column] + row[column + 1 :] for row in rows]
        case 8:
            rows = [row[: column + 1] + row[column:] for row in rows]
        case 9:
            name = rows[0][column] if column < len(rows[0]) else ""
            other = (
                f" {name} ",
                str(name).upper(),
                f"{name}s",
                "",
                "lot",
                "bid",
                "bidder",
                "price",
                "row",
                dice.choice(cells),
            )
            rows[0][column : column + 1] = [dice.choice(other)]
        case 10:
            rows[i].insert(column, dice.choice(cells))
        case _:
            value = dice.choice(cells)
            for row in rows[1:]:
                row[column : column + 1] = [value]
    return rows


def of_csv(dice: random.Random, data: bytes) -> bytes:
    """A CSV file with another table in it."""
    try:
        rows: list[list[Any]] = list(csv.reader(io.StringIO(data.decode("utf-8", errors="replace"), newline="")))
    except csv.Error:
        return of_bytes(dice, data)
    out = io.StringIO(newline="")
    quoting = dice.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    try:
        csv.writer(out, quoting=quoting, lineterminator=dice.choice(("\n", "\r\n"))).writerows(
            of_cells(dice, rows, CELLS)
        )
    except csv.Error:
        return of_bytes(dice, data)
    return out.getvalue().encode()


def of_json(dice: random.Random, data: bytes) -> bytes:
    """A JSON document with another value somewhere, one key more or less, or nested deep."""
    try:
        document = [json.loads(data)]
    except (ValueError, RecursionError):
        return of_bytes(dice, data)
    places: list[tuple[Any, Any]] = []

    def walk(inside: Any) -> None:
        items = inside.items() if isinstance(inside, dict) else enumerate(inside) if isinstance(inside, list) else ()
        for key, value in list(items):
            places.append((inside, key))
            walk(value)

    walk(document)
    inside, key = dice.choice(places)
    match dice.randrange(8):
        case 0 | 1 | 2:
            inside[key] = dice.choice(VALUES)
        case 3:
            del inside[key]
        case 4 if isinstance(inside, list):
            inside.append(json.loads(json.dumps(inside[key])))
        case 5 if isinstance(inside, dict):
            inside[dice.choice((f"{key} ", str(key).upper(), "id", "value", "lots", "releases", "url"))] = inside.pop(
                key
            )
        case 6:
            there, other = dice.choice(places)
            inside[key] = json.loads(json.dumps(there[other])) if other in there or isinstance(there, list) else None
        case _:
            text = json.dumps(document[0]) if document else ""
            deep = dice.choice(
                ("[" * 100_000, '{"a":' * 50_000, "9" * 5000, "1e999999", "-", "tru", "NaN", '"\\ud800"')
            )
            at = dice.choice([i for i, each in enumerate(text) if each in ":,"] or [0])
            return f"{text[: at + 1]}{deep}{text[at + 1 :]}".encode()
    return (
        json.dumps(document[0], ensure_ascii=dice.random() < 0.5).encode("utf-8", errors="surrogatepass")
        if document
        else b""
    )


def of_toml(dice: random.Random, data: bytes) -> bytes:
    """A TOML text with another value, key or line."""
    lines = data.decode("utf-8", errors="replace").splitlines()
    given = [i for i, line in enumerate(lines) if "=" in line]
    if not given:
        return of_bytes(dice, data)
    i = dice.choice(given)
    key, _, value = lines[i].partition("=")
    match dice.randrange(8):
        case 0 | 1 | 2 | 3:
            lines[i] = f"{key}= {dice.choice(LITERALS)}"
        case 4:
            del lines[i]
        case 5:
            lines.insert(dice.randrange(len(lines) + 1), lines[i])
        case 6:
            other = (f"{key.strip()}s", key.upper(), "kind", "a.b", '""', dice.choice(lines).partition("=")[0])
            lines[i] = f"{dice.choice(other)} = {value}"
        case _:
            j = dice.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines).encode()


def of_workbook(dice: random.Random, data: bytes) -> bytes:
    """A workbook with a sheet changed, or damage to what is inside the archive."""
    import openpyxl

    if dice.random() < 0.4:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as whole:
                parts = {name: whole.read(name) for name in whole.namelist()}
        except Exception:  # whatever is said of an archive that is damaged already
            return of_bytes(dice, data)
        name = dice.choice(sorted(parts))
        match dice.randrange(4):
            case 0:
                del parts[name]
            case 1:
                xml = parts[name].decode(errors="replace")
                swaps = (
                    ('t="s"', 't="e"'),
                    ('t="n"', 't="d"'),
                    ("<v>", "<f>1+1</f><v>"),
                    ('r="', 'r="ZZZ'),
                    ("sheet", "sheets"),
                )
                parts[name] = xml.replace(*dice.choice(swaps)).encode()
            case _:
                parts[name] = of_bytes(dice, parts[name])
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as again:
            for each, content in parts.items():
                again.writestr(each, content)
        return out.getvalue()
    try:
        workbook = openpyxl.load_workbook(io.BytesIO(data))
    except Exception:  # whatever openpyxl says of a workbook that is damaged already
        return of_bytes(dice, data)
    if not workbook.worksheets:
        return of_bytes(dice, data)
    sheet = dice.choice(workbook.worksheets)
    cells = (*CELLS, None, True, 1, -1, 0.5, 1e308, 10**25, math.inf)
    rows = of_cells(dice, [list(row) for row in sheet.iter_rows(values_only=True)], cells)
    title, at = sheet.title, workbook.index(sheet)
    workbook.remove(sheet)
    made = workbook.create_sheet(dice.choice([title] * 9 + [f"{title}s", title.upper(), "Sheet1"]), at)
    for row in rows:
        try:
            made.append(row)
        except (ValueError, openpyxl.utils.exceptions.IllegalCharacterError):
            made.append([None if isinstance(cell, str) else cell for cell in row])
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def of_parquet(dice: random.Random, data: bytes) -> bytes:
    """A Parquet file with another table in it, all of it texts, or with damage to its bytes."""
    import pandas as pd

    if dice.random() < 0.4:
        return of_bytes(dice, data)
    try:
        table = pd.read_parquet(io.BytesIO(data))
    except Exception:  # whatever is said of a file that is damaged already
        return of_bytes(dice, data)
    cells = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    texts = [list(table.columns), *([None if cell is None else str(cell) for cell in row] for row in cells)]
    head, *rows = of_cells(dice, texts, CELLS) or [[]]
    width = max(len(head), *map(len, rows)) if rows else len(head)
    names = [str(name) if i < len(head) else f"more {i}" for i, name in enumerate([*head, *[""] * width][:width])]
    if len(set(names)) < width:  # no Parquet file has two columns of one name
        return of_bytes(dice, data)
    out = io.BytesIO()
    pd.DataFrame([[*row, *[None] * width][:width] for row in rows], columns=names, dtype="str").to_parquet(out)
    return out.getvalue()


BY_END: dict[str, Damage] = {
    ".csv": of_csv, ".json": of_json, ".jsonl": of_json, ".toml": of_toml, ".xlsx": of_workbook, ".parquet": of_parquet,
}  # fmt: skip


def damaged(dice: random.Random, files: Files) -> Files:
    """One to three pieces of damage."""
    files = dict(files)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        name = dice.choice(sorted(files))
        how = dice.random()
        if how < 0.72:
            files[name] = BY_END[Path(name).suffix.lower()](dice, files[name])
        elif how < 0.92:
            files[name] = of_bytes(dice, files[name])
        elif how < 0.97:
            files[name] = in_another_encoding(dice, files[name])
        elif len(files) > 1:
            content = files.pop(name)
            if dice.random() < 0.5:
                files[
                    dice.choice((name.upper(), f"{Path(name).stem}s{Path(name).suffix}", dice.choice(sorted(files))))
                ] = content
            if not files:
                files[name] = b""
    return files


# ---- the readers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """A kind of file: good ones, what reads them (given the only file, or the folder), and what must hold then."""

    good: Callable[[], Files]
    read: Callable[[Path], Any]
    holds: Callable[[Any, Path], None] = lambda found, folder: None
    awards: Callable[[Any], None] = lambda found: None  # takes longer, and is asked of one case in so many


def only(folder: Path) -> Path:
    """The one file in a folder."""
    return next(folder.iterdir())


def tender_holds(tender: Any, folder: Path) -> None:
    """Written and read again it is the same."""
    again = folder / "again"
    po.write_tender(tender, again)
    read = po.read_tender(again)
    assert read == tender, "written and read again it is another tender"


def tender_awards(tender: Any) -> None:
    """Its award passes the check."""
    awarded(tender, po.Policy(tie_break=None))


def awarded(tender: po.Tender, policy: po.Policy) -> None:
    """The award passes the check, or it is said why there is none."""
    try:
        found = po.award(tender, policy, time_limit=10)
    except (po.Infeasible, po.OutOfTime, ValueError):
        return
    wrong = [each for each in po.check(found) if "not independently checked" not in each.message]
    assert not wrong, f"the check says: {wrong[0]}"


def tenders_award(tenders: list[Any]) -> None:
    """As of one tender."""
    for tender in tenders:
        tender_awards(tender)


def tenders_hold(tenders: list[Any], folder: Path) -> None:
    for tender in tenders:
        tender_holds(tender, folder)


def several(path: Path) -> list[Any]:
    """The tenders of a file; one that cannot be read does not keep the next ones back."""
    found: list[Any] = []
    tenders = read_tenders(path)
    first: BadTable | None = None
    for _ in range(1000):
        try:
            found.append(next(tenders))
        except StopIteration:
            break
        except BadTable as bad:
            first = first or bad
    if first is not None and not found:
        raise first
    return found


SMALL = po.Tender(
    [{"lot": lot, "estimate": 10, "in_house": 30, "area": area, "reserve": 40, "incumbent": "X", "period": 1}
     for lot, area in (("A", "n"), ("B", "s"), ("C", "s"))],
    [{"bid": f"{bidder}{lots}", "bidder": bidder, "lots": lots, "price": price, "quality": 70, "upkeep": 1}
     for bidder, lots, price in (("X", "A", 9), ("X", "B;C", 17), ("Y", "A", 10), ("Y", "B", 11), ("Z", "C", 12))],
    [{"bidder": bidder, "owner": owner, "kind": "firm", "room": 2}
     for bidder, owner in (("X", "O"), ("Y", "O"), ("Z", ""))],
)  # fmt: skip


def policy_awards(policy: Any) -> None:
    """What it awards passes the check."""
    awarded(SMALL, policy)


def policy_holds(policy: Any, folder: Path) -> None:
    """It is announced, or says why not."""
    try:
        announced = po.announce(policy, SMALL)
    except ValueError:
        return
    assert announced == po.announce(policy, SMALL)


def past_holds(past: PastBids, folder: Path) -> None:
    """Its own table read again is the same."""
    table = past.table
    assert (table["bid"] > 0).all() and not table.duplicated(["auction", "bidder"]).any()
    assert table.groupby("auction")["winner"].sum().max() <= 1
    asked = ["auction", "bidder", "bid", *(name for name in ("reserve",) if name in table)]
    again = po.auction.past_bids(table[asked])
    assert again.table[asked].equals(table[asked].reset_index(drop=True).set_axis(again.table.index)), (
        "read again it differs"
    )


def market_holds(found: MarketFile, folder: Path) -> None:
    """Costs can be drawn from it, and each rule has a name."""
    for distribution, _ in found.market.classes:
        low, high = distribution.support()
        assert low < high
        assert distribution.ppf(0.5) == distribution.ppf(0.5), "its median is no number"
    assert all(found.rules)


def performed(folder: Path) -> Any:
    """What was delivered."""
    return performance(read_rows(only(folder)), INDICATORS)


def performance_holds(done: Any, folder: Path) -> None:
    """Credits are from nothing to the fee, ratings from 0 to 100."""
    charged = done.charges(dict.fromkeys(done.table["contract"], 100.0))
    assert ((charged["credit"] >= 0) & (charged["credit"] <= 100)).all(), "a credit beyond the fee"
    try:
        rating = done.rating().table["rating"]
    except ValueError as refused:
        if "no bidder has two periods" not in str(refused):  # a table may be right, and too short to rate anybody
            raise
        return
    assert rating.between(0, 100).all(), "a rating beyond 0 to 100"


INDICATORS = (
    Indicator("answered in 20 s", weight=2, credit=0.01, step=0.01, tolerance=0.01, most=0.06),
    Indicator("settled at first call", weight=1, credit=0.005, step=0.01, most=0.04),
    Indicator("closed in 5 days", weight=2, credit=0.005, step=0.01, most=0.06),
    Indicator("courtesy", weight=1, credit=0.004, step=1, tolerance=1, most=0.04),
)


def checked(folder: Path) -> Any:
    """The checklist of what may be let, from three tables."""
    there = {path.stem: path for path in folder.iterdir()}
    lots, duties, regime = (read_rows(there.get(name, folder / f"{name}.csv")) for name in ("lots", "duties", "regime"))
    return str(outsourcing_checklist(lots, duties, regime))


def swept(folder: Path) -> Any:
    """Areas to be cleaned as staff and cost."""
    return cleaning(read_rows(only(folder)), wage=30)


def text(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def folder_files() -> Files:
    """A tender with every table."""
    return {
        "lots.csv": text("lot,estimate,in_house,reserve,demand,area,incumbent", "A,100,150,140,3,north,Acme",
                         "B,80,90,120,1,south,Bell", "C,60,,100,2,south,"),
        "bids.csv": text("bid,bidder,lots,price,fixed,quality,xor,min_fraction,status",
                         "1,Acme,A;B,150,5,80,,1,", "2,Bell,B,70.50,,60,one,1,valid", "3,Bell,B;C,130,0,70,one,1,",
                         "4,Cora & Co,A:3;C:2,99.95,,90,,1,", "5,Dora,C,61,,75,,0.25,", "6,Dora,A,95,,,,1,withdrawn",
                         "7,Dora,A,101.01,,66,,1,", "8,Acme+Bell,C,58,,66,,1,"),
        "bidders.csv": text("bidder,owner,kind,members,deduction", "Acme,Holding,firm,,0", "Bell,,firm,,0.06",
                            "Cora & Co,,social_organisation,,", "Dora,Holding,firm,,",
                            "Acme+Bell,,firm,Acme:0.7;Bell:0.3,"),
        "discounts.csv": text("bidder,lots,threshold,measure,percent,amount,kind", "Dora,A;C,2,lots,5,,all_units",
                              "Bell,B;C,100,spend,2,,incremental", "Bell,B;C,130,spend,3,,incremental"),
        "ownership.csv": text("owner,owned", "Holding,Middle", "Middle,Acme"),
        "tender.toml": text('name = "Parks"', 'currency = "EUR"', "money_unit = 0.01", 'notes = ["as published"]'),
    }  # fmt: skip


def scored_files() -> Files:
    """A tender with scores of evaluators, and its policy."""
    return {
        "lots.csv": text("lot,estimate", "A,100", "B,80"),
        "bids.csv": text("bid,bidder,lots,price", "1,Acme,A,90", "2,Bell,B,70", "3,Bell,A;B,150", "4,Acme,B,75"),
        "scores.csv": text("bid,criterion,evaluator,score", *(f"{bid},{what},{who},{50 + 7 * bid}"
                           for bid in (1, 2, 3, 4) for what in ("staff", "plan") for who in ("one", "two"))),
    }  # fmt: skip


def workbook() -> Files:
    """The same as a workbook."""
    with tempfile.TemporaryDirectory() as place:
        put(folder_files(), Path(place) / "tender")
        po.write_tender(po.read_tender(Path(place) / "tender"), Path(place) / "tender.xlsx")
        return {"tender.xlsx": (Path(place) / "tender.xlsx").read_bytes()}


def release(number: int = 1) -> dict[str, Any]:
    """A release with lots, bids, parties and an award."""
    lots = [{"id": f"LOT-{i}", "title": f"part {i}", "status": "active",
             "value": {"amount": 100.0 * i, "currency": "EUR"}}
            for i in (1, 2, 3)]  # fmt: skip
    details = [
        {"id": "b1", "status": "valid", "date": "2024-05-01T10:00:00Z", "tenderers": [{"id": "X", "name": "Acme"}],
         "value": {"amount": 90, "currency": "EUR"}, "relatedLots": ["LOT-1"]},
        {"id": "b2", "status": "valid", "tenderers": [{"id": "Y", "name": "Bell"}, {"id": "Z", "name": "Cora"}],
         "value": {"amount": 450.5, "currency": "EUR"}, "relatedLots": ["LOT-2", "LOT-3"]},
        {"id": "b3", "status": "valid", "tenderers": [{"id": "X"}], "value": {"amount": 190, "currency": "EUR"},
         "relatedLots": ["LOT-2"]},
        {"id": "b4", "tenderers": [{"id": "Z"}], "value": {"amount": 270, "currency": "EUR"}, "relatedLots": ["LOT-3"]},
        {"id": "b5", "status": "disqualified", "tenderers": [{"id": "Y"}], "relatedLots": ["LOT-1"]},
    ]  # fmt: skip
    return {
        "ocid": f"ocds-x-{number}", "id": "1", "date": "2024-06-01T00:00:00Z", "tag": ["award"],
        "parties": [{"id": who, "name": who, "roles": ["tenderer"], "details": {"scale": "sme"}} for who in "XYZ"],
        "buyer": {"id": "B", "name": "City"},
        "tender": {"id": "T", "title": "Parks", "procurementMethod": "open", "lots": lots, "numberOfTenderers": 3,
                   "tenderPeriod": {"startDate": "2024-04-01T00:00:00Z", "endDate": "2024-05-02T00:00:00Z"},
                   "lotDetails": {"maximumLotsAwardedPerSupplier": 2, "maximumLotsBidPerSupplier": 3}},
        "bids": {"details": details},
        "awards": [{"id": "a1", "status": "active", "suppliers": [{"id": "X"}], "relatedLots": ["LOT-1"],
                    "value": {"amount": 90, "currency": "EUR"}, "relatedBids": ["b1"]}],
    }  # fmt: skip


def past_table() -> bytes:
    """Past bids as a table."""
    rows = [f"{a},{2014 + a}-05-31,{who},{80 + 3 * a + 5 * i}.5,{120 + a},{'' if i else 'yes'},{'valid' if i else ''}"
            for a in range(1, 6) for i, who in enumerate(("Acme", "Bell", "Cora"))]  # fmt: skip
    return text("auction,date,bidder,bid,reserve,winner,status", *rows)


def past_workbook() -> Files:
    """Past bids as a sheet."""
    import openpyxl

    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.title = "bids"
    for row in csv.reader(io.StringIO(past_table().decode())):
        book.active.append([float(cell) if cell.replace(".", "").isdigit() else cell or None for cell in row])
    book.save(out)
    return {"past.xlsx": out.getvalue()}


def past_parquet() -> Files:
    """Past bids as Parquet."""
    import pandas as pd

    out = io.BytesIO()
    pd.read_csv(io.BytesIO(past_table())).to_parquet(out)
    return {"past.parquet": out.getvalue()}


def parquet_folder() -> Files:
    """A tender whose bids are Parquet."""
    import pandas as pd

    files, out = folder_files(), io.BytesIO()
    pd.read_csv(io.BytesIO(files.pop("bids.csv")), dtype="str").to_parquet(out)
    return files | {"bids.parquet": out.getvalue()}


def policy_sheet() -> Files:
    """A policy as a sheet of lines."""
    import openpyxl

    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.title = "policy"
    for line in POLICY.decode().splitlines():
        book.active.append([line])
    book.save(out)
    return {"tender.xlsx": out.getvalue()}


def contested() -> Files:
    """The file that a loser checks."""
    policy = po.Policy([po.MaxShare(0.7, per="owner"), po.MinQuality(50), po.Capacity("room"), po.MaxLots(2)],
                       tie_break=po.DrawLots(5))  # fmt: skip
    return {"award.json": json.dumps(po.contest(po.award(SMALL, policy)), indent=1).encode()}


def verified(folder: Path) -> Any:
    """What is in the file; refused if the program that checks it says that anything is wrong."""
    said = io.StringIO()
    with redirect_stdout(said):
        code = verify_award.main(str(only(folder)))
    if code == 1:
        raise BadTable([Problem(only(folder).name, None, None, said.getvalue())])
    return json.loads(only(folder).read_text(encoding="utf-8")), code


def verified_holds(found: Any, folder: Path) -> None:
    """It is what was written, to the last digit, and verified as it was then."""
    content, code = found
    assert code == 0, "it was verified, and now something is not checked"
    good = json.loads(contested()["award.json"])
    assert json.dumps(content, sort_keys=True) == json.dumps(good, sort_keys=True), "another file is verified"


RULES = (po.auction.FirstPrice(), po.auction.SecondPrice())
PLAYED = (RULES, po.auction.Market((scipy.stats.uniform(0, 1), 3)), 700, 4)


def checkpoint() -> Files:
    """What a comparison keeps of its finished draws."""
    with tempfile.TemporaryDirectory() as place:
        po.auction.compare(*PLAYED, checkpoint=Path(place) / "draws.jsonl")
        return {"draws.jsonl": (Path(place) / "draws.jsonl").read_bytes()}


def resumed(folder: Path) -> Any:
    """The comparison that goes on from there."""
    path = only(folder)
    try:
        return po.auction.compare(*PLAYED, checkpoint=path)
    except ValueError as refused:
        raise BadTable([Problem(path.name, None, None, str(refused))] if str(path) in str(refused) else []) from refused


def resumed_holds(found: Any, folder: Path) -> None:
    """It gives what it gives without."""
    assert found.table.equals(unbroken()), "it differs from what is worked out at once"


@functools.cache
def unbroken() -> Any:
    return po.auction.compare(*PLAYED).table


def example(folder: str, *names: str) -> Files:
    """Files of the book of examples."""
    return {name: (ROOT / "examples" / folder / name).read_bytes() for name in names}


POLICY = text(
    'objective = {kind = "BestScore", scoring = {kind = "RelativePrice", weight = 0.4}}',
    'tie_break = {kind = "DrawLots", seed = 3}', "min_bidders = 1", 'few_bidders = "keep in house"',
    "[[constraint]]", 'kind = "MaxShare"', "share = 0.6", 'per = "owner"', 'of = "estimate"', "penalty = 5",
    "[[constraint]]", 'kind = "MinQuality"', "score = 56", 'across = "bid"', 'lots = {area = "s"}',
    "[[constraint]]", 'kind = "MaxLots"', "n = 2", 'each = "area"',
    "[[constraint]]", 'kind = "Budget"', "amount = {1 = 100}", 'each = "period"',
    "[[constraint]]", 'kind = "Capacity"', 'column = "room"',
    "[[constraint]]", 'kind = "MaxHHI"', "index = 0.9", 'of = "lots"', "penalty = 1",
    "[[constraint]]", 'kind = "Separate"', 'first = ["A"]', 'second = ["C"]', "penalty = 2",
)  # fmt: skip
LEDGER = text(
    'objective = "LowestCost"', 'tie_break = "none"',
    "[ledger]", "per_contract = 1", "per_supplier = 2", "per_switch = 0.5", 'incumbent = "incumbent"',
    "monitoring = 0.1",
    "adaptation = 0.05", "search = 3",
    "[[constraint]]", 'kind = "KeepIncumbents"', 'column = "incumbent"', "max_switches = 2",
    "[[constraint]]", 'kind = "Cover"', "penalty = 50", 'lots = ["A", "B"]',
    "[[constraint]]", 'kind = "MinWinners"', "n = 1",
    "[[constraint]]", 'kind = "Resilient"', "max_extra_cost = 100",
)  # fmt: skip


READERS: dict[str, Reader] = {
    "tender, folder": Reader(folder_files, po.read_tender, tender_holds, tender_awards),
    "tender, scores": Reader(scored_files, po.read_tender, tender_holds, tender_awards),
    "tender, workbook": Reader(workbook, lambda folder: po.read_tender(only(folder)), tender_holds, tender_awards),
    "tender, Parquet": Reader(parquet_folder, po.read_tender, tender_holds, tender_awards),
    "tender, OCDS": Reader(lambda: {"t.json": json.dumps({"releases": [release()]}, indent=1).encode()},
                           lambda folder: po.read_tender(only(folder)), tender_holds, tender_awards),
    "tenders, lines": Reader(lambda: {"t.jsonl": b"\n".join(json.dumps(release(i)).encode() for i in (1, 2))},
                             lambda folder: several(only(folder)), tenders_hold, tenders_award),
    "policy": Reader(lambda: {"policy.toml": POLICY}, po.read_policy, policy_holds, policy_awards),
    "policy, ledger": Reader(lambda: {"policy.toml": LEDGER}, po.read_policy, policy_holds, policy_awards),
    "policy, workbook": Reader(policy_sheet, lambda folder: po.read_policy(only(folder)), policy_holds, policy_awards),
    "policy, OCDS": Reader(lambda: {"t.json": json.dumps(release()).encode()},
                           lambda folder: po.read_policy(only(folder)), policy_holds, policy_awards),
    "past bids": Reader(lambda: {"past.csv": past_table()}, lambda folder: read_past(only(folder)), past_holds),
    "past bids, workbook": Reader(past_workbook, lambda folder: read_past(only(folder)), past_holds),
    "past bids, Parquet": Reader(past_parquet, lambda folder: read_past(only(folder)), past_holds),
    "past bids, OCDS": Reader(lambda: {"past.json": json.dumps([release(i) for i in (1, 2, 3)]).encode()},
                              lambda folder: read_past(only(folder)), past_holds),
    "market": Reader(lambda: example("02_which_rule", "market.toml"), lambda folder: read_market(only(folder)),
                     market_holds),
    "performance": Reader(lambda: example("05_hotline", "performance.csv"), performed, performance_holds),
    "lots, duties, regime": Reader(lambda: example("04_make_or_buy", "lots.csv", "duties.csv", "regime.csv"), checked),
    "areas": Reader(lambda: {"areas.csv": text("zone,area,rate,times", "hall,400,250,1", "yard,4200,900,0.5")}, swept),
    "contested award": Reader(contested, verified, verified_holds),
    "checkpoint": Reader(checkpoint, resumed, resumed_holds),
}  # fmt: skip


# ---- running ----------------------------------------------------------------------------------------------


class TooLong(Exception):
    """A case took too long."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise in the midst of what takes longer."""

    def stop(*_: object) -> None:
        raise TooLong(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def put(files: Files, folder: Path) -> None:
    """Files in a folder that holds nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def outcome(reader: Reader, files: Files, folder: Path, seconds: float, awards: bool = True) -> tuple[str, str]:
    """ "refused", "read" or "failed", and what was said."""
    inside = folder / "files"
    put(files, inside)
    try:
        with limited(seconds), warnings.catch_warnings():
            warnings.simplefilter("error")
            found = reader.read(inside)
            reader.holds(found, folder)
            if awards:
                reader.awards(found)
    except BadTable as bad:
        names = {*files, *(Path(name).stem for name in files), inside.name, str(inside)}
        stray = [each for each in bad.problems if not any(name in each.file for name in names | FALLBACK)]
        if not bad.problems or not all(each.reason.strip() for each in bad.problems):
            return "failed", "refused without a reason"
        return ("failed", f"names no file of the case: {stray[0]}") if stray else ("refused", str(bad.problems[0]))
    except (Exception, MemoryError) as wrong:
        where = traceback.extract_tb(wrong.__traceback__)[-1]
        return "failed", f"{type(wrong).__name__}: {str(wrong)[:200]} ({Path(where.filename).name}:{where.lineno})"
    return "read", ""


# How tables are called where no file holds them.
FALLBACK = {"lots", "bids", "bidders", "discounts", "ownership", "scores", "policy", "duties", "regime", "zones"}


@dataclass(frozen=True)
class Told:
    """What became of the cases of one kind."""

    kind: str
    counts: Counter[str]
    failures: tuple[tuple[int, str], ...]
    slowest: float
    megabytes: float


SOME = 50  # of each kind in the tests


def run(kind: str, cases: range, seed: int, seconds: float = 60.0, every: int = 1) -> Told:
    """The cases of one kind, each drawn from its own number; of one in `every` the award is checked too."""
    reader = READERS[kind]
    good, counts, failures, slowest = reader.good(), Counter[str](), [], 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as place:
        for case in cases:
            files = damaged(random.Random(f"{kind} {seed} {case}"), good)
            start = time.perf_counter()
            what, said = outcome(reader, files, Path(place), seconds, case % every == 0)
            slowest = max(slowest, time.perf_counter() - start)
            counts[what] += 1
            if what == "failed":
                failures.append((case, said))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Told(kind, counts, tuple(failures), slowest, peak / 1024)


def main() -> None:
    """All readers; the failures are printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=list(READERS), help=", ".join(READERS))
    parser.add_argument("--cases", type=int, default=10_000, help="of each kind (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="for one case (%(default)s)")
    parser.add_argument("--every", type=int, default=5, help="of one case in so many an award is made (%(default)s)")
    parser.add_argument("--megabytes", type=int, default=1500, help="beyond what Python takes (%(default)s)")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    chosen = parser.parse_args()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + chosen.megabytes * 2**20,) * 2)
    told = []
    for kind in chosen.kinds:
        done = run(kind, range(chosen.first, chosen.first + chosen.cases), chosen.seed, chosen.seconds, chosen.every)
        told.append(done)
        print(f"{kind}: {dict(done.counts)}, slowest {done.slowest:.2f} s, {done.megabytes:.0f} MB", flush=True)
        said: Counter[str] = Counter(text for _, text in done.failures)
        for words, count in said.most_common(30):
            print(
                f"   {count} × {words} (case {next(case for case, text in done.failures if text == words)})", flush=True
            )
    if chosen.write:
        results.write("fuzz", report(told, chosen.seed, results.RESULTS.read_text(encoding="utf-8")))
    sys.exit(any(done.failures for done in told))


def report(told: list[Told], seed: int, before: str) -> str:
    """The section of RESULTS.md: kinds that were not run keep the rows they had."""
    rows = dict.fromkeys(READERS, "")
    for line in before.partition("<!-- fuzz -->")[2].partition("<!-- end of fuzz -->")[0].splitlines():
        name = line.strip("| ").split(" | ")[0]
        if name in rows:
            rows[name] = line
    for done in told:
        counts = (f"{done.counts[what]:,}" for what in ("refused", "read", "failed"))
        cells = [done.kind, str(seed), *counts, results.brief(done.slowest), f"{done.megabytes:.0f}"]
        rows[done.kind] = f"| {' | '.join(cells)} |"
    head = ["Files", "seed", "refused in words", "read and right", "failed", "slowest, s", "memory more, MB"]
    return "\n\n".join([
        "## Damaged files",
        "`python benchmarks/fuzz.py NAME ... --cases 10000 --seed SEED --every 20 --write`",
        f"Files of each kind, damaged at random and read; of one in twenty that is read the award is checked too. "
        f"Each row is one run of its own. {results.machine()}",
        "\n".join([results.table(head, []), *filter(None, rows.values())]),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
