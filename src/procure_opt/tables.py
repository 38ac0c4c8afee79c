"""Tenders and policies in files: folders of CSV tables, Excel workbooks, OCDS documents; every error names the place.

A folder holds lots.csv and bids.csv (or bids.parquet) and, where needed, bidders.csv, discounts.csv, ownership.csv,
scores.csv, tender.toml (name, currency, money_unit) and policy.toml. A workbook holds sheets of the same names.
"""

from __future__ import annotations

import csv
import difflib
import importlib
import io
import json
import math
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from procure_opt import ocds
from procure_opt.cells import HALF, TEXT, BadTable, Problem, is_whole
from procure_opt.files import replacing
from procure_opt.policy import Policy
from procure_opt.policy_file import Toml, parse_policy
from procure_opt.tender import COLUMNS, REQUIRED, Tender

Found = Callable[[Problem], None]
PathLike = str | os.PathLike[str]

TABLES = tuple(COLUMNS)
ABOUT: dict[str, Any] = {"name": "", "currency": "", "money_unit": 0.01, "notes": []}  # tender.toml
JSON = (".json", ".jsonl", ".ndjson")
EXCEL = (".xlsx", ".xlsm")
TEXTS = pd.StringDtype(na_value=np.nan)
LONGEST_LINE = 10_000_000
LONGEST_CELL, MOST_ROWS = 32_767, 1_048_576  # of Excel
NO_OPENPYXL = "Excel workbooks need openpyxl: pip install 'procure-opt[excel]'"

# What a spreadsheet would take for a formula at the start of a cell, the last four in East Asian editions (OWASP).
# An apostrophe before it makes it text; one that was there before is doubled, so that reading takes off just what
# writing put on.
FORMULA = "=+-@\t\r\n＝＋－＠"  # fmt: skip
GUARDED = f"^'([{re.escape(FORMULA)}'])"


# ---- the doors --------------------------------------------------------------------------------------------


def read_tender(path: PathLike) -> Tender:
    """The tender in a folder, an .xlsx workbook or an OCDS document.

    Args:
        path: A folder with lots.csv, bids.csv and so on; a workbook with these as sheets; a JSON release, record or
            package, or JSON lines, that hold one tender.

    Raises:
        BadTable: with every problem, each with its file, row and column (in OCDS: the path in the document).

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "lots.csv").write_text("lot,estimate\\nnorth,100\\nsouth,80\\n")
    >>> _ = (folder / "bids.csv").write_text("bid,bidder,lots,price\\n1,Acme,north;south,150\\n2,Bell,south,70.50\\n")
    >>> read_tender(folder).bids["price"].tolist()
    [150.0, 70.5]
    """
    file = _existing(path)
    if file.suffix.lower() not in JSON or file.is_dir():
        return _tender(_book(file))
    return ocds.tender_of(_only_process(file))


def read_tenders(path: PathLike) -> Iterator[Tender]:
    """The tenders in a file that may hold many: OCDS packages and JSON lines, read one by one.

    A tender that cannot be read raises BadTable when its turn comes; `next` then goes on with the one after it.
    """
    file = _existing(path)
    if file.suffix.lower() not in JSON or file.is_dir():
        return iter([read_tender(file)])
    return map(ocds.tender_of, ocds.processes(file))


def read_policy(path: PathLike) -> Policy:
    """The policy in a policy.toml, in a folder or workbook that holds one, or the award limits of an OCDS document.

    Raises:
        BadTable: with every problem and the line it stands on.
    """
    file = _existing(path)
    if file.is_dir():
        if not (file / "policy.toml").is_file():
            raise BadTable([Problem("policy.toml", None, None, f"there is no policy.toml in {file}")])
        file = file / "policy.toml"
    if file.suffix.lower() in JSON:
        return Policy(ocds.limits_of(_only_process(file)))
    if file.suffix.lower() in EXCEL:
        lines = _workbook_lines(file, "policy")
        return parse_policy("\n".join(lines), f"{file.name}[policy]")
    problems: list[Problem] = []
    text = _decoded(file.read_bytes(), file.name, problems.append)
    if text is None:
        raise BadTable(problems)
    return parse_policy(text, file.name)


def write_tender(tender: Tender, path: PathLike) -> None:
    """Write a tender so that `read_tender` gives it back: to a folder of CSV files or, if it ends so, to an .xlsx.

    Bids set aside are written with the valid ones. Tables of an earlier tender in the folder are replaced or removed.
    Text that a spreadsheet would take for a formula is written as text.

    >>> import tempfile
    >>> tender = Tender([{"lot": "A"}], [{"bid": "1", "bidder": "=cmd|'/c calc'!A1", "lots": "A", "price": 5}])
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_tender(tender, folder)
    >>> print((folder / "bids.csv").read_text().strip())
    bid,bidder,lots,price
    1,'=cmd|'/c calc'!A1,A,5
    >>> read_tender(folder) == tender
    True
    """
    file = Path(path)
    if file.suffix.lower() in (*JSON, ".csv", ".parquet", ".toml", ".xls", ".ods"):
        raise ValueError(f"{file}: a tender is written to a folder or to an .xlsx workbook")
    tables = {
        "lots": tender.lots, "bids": tender.every_bid, "bidders": tender.bidders,
        "discounts": tender.discounts, "ownership": tender.ownership, "scores": tender.scores,
    }  # fmt: skip
    written = {name: _without_defaults(name, table) for name, table in tables.items()}
    about: dict[str, Any] = {"name": tender.name, "currency": tender.currency, "money_unit": tender.money_unit}
    if tender.notes:
        about["notes"] = list(tender.notes)
    if file.suffix.lower() in EXCEL:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_workbook(written, about, file)
        return
    file.mkdir(parents=True, exist_ok=True)
    kept = {name: table for name, table in written.items() if _says_something(name, table)}
    lines = [f"{key} = {_toml(value)}" for key, value in about.items()]
    with ExitStack() as all_of_them:  # put in their places one after another, once the last is written
        for name, table in kept.items():
            _write_csv(table, all_of_them.enter_context(replacing(file / f"{name}.csv")))
        beside = all_of_them.enter_context(replacing(file / "tender.toml"))
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    for name in written:
        (file / f"{name}.parquet").unlink(missing_ok=True)
        if name not in kept:
            (file / f"{name}.csv").unlink(missing_ok=True)


def write_csv(table: pd.DataFrame, path: PathLike) -> None:
    """Write a table as CSV (UTF-8): figures shortest, text that looks like a formula guarded by an apostrophe."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        _write_csv(table, beside)


def _write_csv(table: pd.DataFrame, file: Path) -> None:
    columns = [[_csv_cell(value) for value in table[column]] for column in table.columns]
    # Lines end as RFC 4180 has it: only then does the writer also quote a carriage return inside a cell.
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow([_csv_cell(str(column)) for column in table.columns])
        writer.writerows(zip(*columns, strict=True))


def read_rows(path: PathLike, sheet: str = "bids") -> pd.DataFrame:
    """One table as it is written, of a kind that is not of a tender, such as past bids: a .csv, a .parquet, or a sheet.

    Args:
        path: The file.
        sheet: Which sheet of an .xlsx.

    Returns:
        The table, with the number of each row in the file as its index (the header is row 1).

    Raises:
        BadTable: there is no such file or sheet, it is empty, or it is no table.
    """
    file, problems, frame = Path(path), list[Problem](), None
    kind = file.suffix.lower()
    if not file.is_file() or kind not in (".csv", ".parquet", *EXCEL):
        reason = f"give a file that ends in .csv, .parquet, {', '.join(EXCEL)}"
        raise BadTable([Problem(str(path), None, None, "there is no such file" if not file.is_file() else reason)])
    if kind == ".csv":
        frame = _csv(file, "", problems.append)
    elif kind == ".parquet":
        frame = _parquet(file, sheet, problems.append)
    else:
        book = _Book()
        rows = _sheets(file, (sheet,), book).get(sheet)
        problems += book.problems
        if not rows or not any(value is not None for value in rows[0]):
            there = ", ".join(_sheet_names(file))
            missing = f"the sheet is missing: name it {sheet!r} (there are: {there})"
            reason = missing if rows is None else "the first row is blank; it must name the columns"
            problems.append(Problem(f"{file.name}[{sheet}]", None, None, reason))
        else:
            frame = _of_sheet(rows, book.labels[sheet], problems.append)
    if problems or frame is None:
        raise BadTable(problems)
    return frame


def _sheet_names(file: Path) -> list[str]:
    with _damage(file):
        workbook = importlib.import_module("openpyxl").load_workbook(file, read_only=True)
        return [str(name) for name in workbook.sheetnames]


def _existing(path: PathLike) -> Path:
    file = Path(path)
    known = (*JSON, *EXCEL, ".toml")
    reason = ""
    if not file.exists():
        reason = "there is no such file or folder"
    elif file.is_file() and file.suffix.lower() in (".csv", ".parquet"):
        reason = f"give the folder that holds lots.csv and bids.csv, here {file.parent}"
    elif file.is_file() and file.suffix.lower() not in known:
        reason = f"give a folder, or a file that ends in {', '.join(known)}" + (
            ": save the workbook as .xlsx" if file.suffix.lower() in (".xls", ".ods", ".xlsb") else ""
        )
    if reason:
        raise BadTable([Problem(str(path), None, None, reason)])
    return file


def _only_process(file: Path) -> ocds.Process:
    found = list(islice(ocds.processes(file), 2))
    if len(found) == 1:
        return found[0]
    reason = "the file holds several tenders: use read_tenders" if found else "the file is empty"
    raise BadTable([Problem(file.name, None, None, reason)])


# ---- from raw tables to a tender --------------------------------------------------------------------------


@dataclass
class _Book:
    """What a folder or a workbook holds: raw tables, how to call them, and what was wrong already."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def _book(path: Path) -> _Book:
    if path.suffix.lower() == ".toml":
        raise BadTable([Problem(path.name, None, None, "this is a policy, not a tender: use read_policy")])
    book = _folder(path) if path.is_dir() else _workbook(path)
    about = ABOUT | {"name": path.resolve().name if path.is_dir() else path.stem} | book.about
    if "money_unit" not in book.about:
        about["money_unit"] = ocds.money_unit(about["currency"])
    book.about = about
    return book


def _tender(book: _Book) -> Tender:
    """The tender of a book; what is wrong in several tables is told at once."""
    lacking = {name for name in ("lots", "bids") if name not in book.tables}
    empty = {name: pd.DataFrame({column: [] for column in REQUIRED[name]}, dtype="str") for name in lacking}
    problems = list(book.problems)
    try:
        tender = Tender(**(book.about | book.tables | empty))
    except BadTable as bad:
        garbled = {(problem.file, problem.row) for problem in problems if problem.row and problem.column is None}
        for problem in bad.problems:
            # What only follows from a table that is missing, or from a row out of joint, is not said as well.
            follows = problem.file in lacking or any(f"not in the {name} table" in problem.reason for name in lacking)
            named = problem._replace(file=book.labels.get(problem.file, problem.file))
            if not follows and named[:2] not in garbled:
                problems.append(named)
    if problems:
        order = {label: i for i, label in enumerate(book.labels.values())}
        raise BadTable(sorted(problems, key=lambda problem: (order.get(problem.file, -1), problem.row or 0)))
    return tender


def _checked_about(said: dict[str, Any], wrong: Callable[[str, str], None]) -> dict[str, Any]:
    """Name, currency, money unit and notes, as far as they are what they must be."""
    about: dict[str, Any] = {}
    for key, value in said.items():
        if key not in ABOUT:
            wrong(key, f"a tender has no {key!r}; it may be {', '.join(ABOUT)}")
        elif key == "money_unit":
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                wrong(key, f"{value!r} is no amount of money such as 0.01 or 1")
            else:
                about[key] = float(value)
        elif key == "notes":
            about[key] = [str(note) for note in value] if isinstance(value, list) else [str(value)]
        elif not isinstance(value, str):
            wrong(key, f"{value!r} must be a text in quotation marks")
        else:
            about[key] = value
    return about


def _misnamed(names: list[str], found: Callable[[str, str], None]) -> None:
    """Names that are nearly those of a table: left unread, they would be missed."""
    for name in names:
        close = difflib.get_close_matches(name.lower(), TABLES, n=1, cutoff=0.8)
        if name not in TABLES and close and close[0] not in names:
            found(name, close[0])


# ---- folders ----------------------------------------------------------------------------------------------


def _folder(path: Path) -> _Book:
    book = _Book()
    found = book.problems.append
    files = {file.name: file for file in sorted(path.iterdir()) if file.suffix.lower() in (".csv", ".parquet")}
    for table in TABLES:
        here = [name for name in (f"{table}.csv", f"{table}.parquet") if name in files]
        book.labels[table] = here[0] if here else f"{table}.csv"
        if len(here) > 1:
            found(Problem(here[1], None, None, f"there is {here[0]} too: keep one of them"))
        elif here:
            read = _csv if here[0].endswith(".csv") else _parquet
            frame = read(files[here[0]], table, found)
            if frame is not None:
                book.tables[table] = frame
        elif table in ("lots", "bids"):
            found(Problem(f"{table}.csv", None, None, f"the file is missing; it has the columns {_columns(table)}"))
    stems = {Path(name).stem: name for name in files}
    _misnamed(list(stems), lambda stem, close: found(
        Problem(stems[stem], None, None, f"rename the file to {close}{Path(stems[stem]).suffix.lower()}")
    ))  # fmt: skip
    written = path / "tender.toml"
    if written.is_file():
        text = _decoded(written.read_bytes(), written.name, found)
        toml = Toml(text or "", written.name, found)
        book.about = _checked_about(toml.data, lambda key, reason: toml.problem((key,), reason))
    return book


def _columns(table: str) -> str:
    return ", ".join(REQUIRED.get(table, ()))


def _decoded(data: bytes, label: str, found: Found) -> str | None:
    """The text of a file; None, with a problem, if it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        wrong = "it looks like UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else (
            f"byte {error.start} ({data[error.start]:#04x}) is not UTF-8"
        )  # fmt: skip
        found(Problem(label, row, None, f"{wrong}: save the file as 'CSV UTF-8'" if label.endswith("csv") else wrong))
        return None


def _parquet(path: Path, table: str, found: Found) -> pd.DataFrame | None:
    try:
        data = pyarrow.parquet.read_table(path)
        data.validate(full=True)  # that texts are UTF-8 is checked by nothing else
        frame = data.to_pandas(types_mapper={pa.string(): TEXTS, pa.large_string(): TEXTS}.get, ignore_metadata=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        found(Problem(path.name, None, None, f"this is no Parquet file: {said}"))
        return None
    return _numbered(frame)


def _csv(path: Path, table: str, found: Found) -> pd.DataFrame | None:
    """A CSV table; the quick way where nothing is unusual, else the careful one, which can say what is wrong.

    A blank `table` is one that is not of a tender.
    """
    data = path.read_bytes()
    line = data[: data.find(b"\n", 0, LONGEST_LINE) + 1] or data[:LONGEST_LINE]
    if (data.removeprefix(b"\xef\xbb\xbf") or b" ").isspace():
        reason = f"the file is empty; its first row must name the columns {_columns(table)}".rstrip()
        found(Problem(path.name, None, None, reason))
        return None
    header = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    # European Excel separates cells by semicolons, which inside a cell stand between lots: commas come first.
    separator = next((mark for mark in ",;\t" if mark in header), ",")
    if b'"' not in data and b"\r" not in line[:-2] and "\ufffd" not in header and header.strip(separator):
        numeric = {name for name, default in COLUMNS.get(table, {}).items() if default != TEXT}
        names = [name.strip() for name in header.split(separator)]
        for numbers in (numeric, set[str]()):
            frame = _quickly(data, names, separator, numbers)
            if frame is not None:
                return _named(frame, names, path.name, found)
    return _carefully(data, separator, path.name, found)


def _quickly(data: bytes, names: list[str], separator: str, numbers: set[str]) -> pd.DataFrame | None:
    """The table by Arrow; None if a cell that should be a number is none, a row too long, or the text not UTF-8."""
    places = [str(place) for place in range(len(names))]
    types = {str(i): pa.float64() if name in numbers else pa.large_string() for i, name in enumerate(names)}
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(column_names=places, skip_rows=1),
            parse_options=pyarrow.csv.ParseOptions(delimiter=separator, quote_char=False, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    frame = table.to_pandas(types_mapper={pa.large_string(): TEXTS}.get)
    guarded = b"'" in data
    for place, column in zip(places, table.columns):
        if types[place] == pa.float64():
            if np.isfinite(frame[place].to_numpy()).sum() != len(column) - column.null_count:
                return None  # "nan" or "inf"
        elif guarded:
            frame[place] = pd.array(pc.replace_substring_regex(column, GUARDED, r"\1"), dtype=TEXTS)
    return _numbered(frame)


def _carefully(data: bytes, separator: str, label: str, found: Found) -> pd.DataFrame | None:
    """The table row by row, as spreadsheets count them, with everything that is wrong in its form."""
    longest, row = max((len(line), -row) for row, line in enumerate(data.split(b"\n"), 1))
    if longest > LONGEST_LINE:
        reason = f"the line is {longest:,} bytes long, which no row of a table is: are line ends missing?"
        found(Problem(label, -row, None, reason))
        return None
    text = _decoded(data, label, found)
    if text is None:
        return None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    rows, cells = [], []
    row = 0
    try:
        header = [name.strip() for name in next(reader)]
        row = 1
        if not any(header):
            found(Problem(label, 1, None, "the first row is blank; it must name the columns"))
            return None
        for row, line in enumerate(reader, 2):
            if len(line) > len(header) and any(cell.strip() for cell in line[len(header) :]):
                reason = (
                    f"the row has {len(line)} cells, the header {len(header)}: a text or number that holds "
                    f"{separator!r} must stand in quotation marks, or without it"
                )
                found(Problem(label, row, None, reason))
            if any(cell.strip() for cell in line):
                rows.append(row)
                cells.append([_unguarded(cell) for cell in line[: len(header)]] + [""] * (len(header) - len(line)))
    except csv.Error as error:
        said = {"unexpected end of data": "a quotation mark is opened and never closed"}.get(str(error), str(error))
        found(Problem(label, row + 1, None, f"the row cannot be read: {said}"))
        return None
    frame = pd.DataFrame(cells, columns=pd.RangeIndex(len(header)), dtype=TEXTS)
    return _named(_numbered(frame, rows), header, label, found)


def _numbered(frame: pd.DataFrame, rows: list[int] | None = None) -> pd.DataFrame:
    """The table with its rows numbered as a spreadsheet does, blank rows left out."""
    frame.index = pd.RangeIndex(2, len(frame) + 2, name="row")
    if rows is not None:
        frame.index = pd.Index(rows, name="row", dtype=int)
    if len(frame.columns) and _blank(frame.iloc[:, 0]).any():
        frame = frame[~np.logical_and.reduce([_blank(column) for _, column in frame.items()])]
    return frame


def _blank(column: pd.Series) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = (column.isna() | (column == "")).to_numpy(dtype=bool)
    return mask


def _named(frame: pd.DataFrame, names: list[str], label: str, found: Found) -> pd.DataFrame:
    """The table with its columns named; nameless ones must be empty."""
    frame.columns = pd.Index([_unguarded(name) for name in names])
    for place, name in enumerate(names):
        if not name and not _blank(frame.iloc[:, place]).all():
            found(Problem(label, 1, None, f"column {place + 1} holds values, but its name in row 1 is blank"))
    return frame.loc[:, [bool(name) for name in names]]


def _unguarded(cell: str) -> str:
    return re.sub(GUARDED, r"\1", cell) if cell.startswith("'") else cell


# ---- Excel ------------------------------------------------------------------------------------------------


def _workbook(path: Path) -> _Book:
    book = _Book()
    found = book.problems.append
    sheets = _sheets(path, (*TABLES, "tender"), book)
    about = sheets.pop("tender", [])
    for table, rows in sheets.items():
        if not any(value is not None for value in (rows or [[]])[0]):
            reason = f"the sheet's first row is blank; it must name the columns {_columns(table)}"
            found(Problem(book.labels[table], 1, None, reason))
            continue
        book.tables[table] = _of_sheet(rows, book.labels[table], found)
    for table in ("lots", "bids"):
        if table not in sheets:
            label = f"{path.name}[{table}]"
            found(Problem(label, None, None, f"the sheet is missing; it has the columns {_columns(table)}"))
    said: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for line, row in enumerate(about[1:], 2):
        name, value = (*row, None, None)[:2]
        key = _plain_text(name)
        lines.setdefault(key, line)
        if key == "notes":
            said.setdefault(key, []).append(_plain_text(value))
        elif key in ("name", "currency"):
            said[key] = _plain_text(value)
        elif key and value is not None:
            said[key] = value
    where = book.labels.get("tender", "")
    book.about = _checked_about(said, lambda key, reason: found(Problem(where, lines[key], key, reason)))
    return book


def _of_sheet(rows: list[list[Any]], label: str, found: Found) -> pd.DataFrame:
    """The table of a sheet, blank rows left out."""
    width = max(len(row) for row in rows)
    names = [_plain_text(value) for value in rows[0]] + [""] * (width - len(rows[0]))
    given = [i for i, row in enumerate(rows[1:], 1) if any(value not in (None, "") for value in row)]
    cells = [rows[i] + [None] * (width - len(rows[i])) for i in given]
    frame = pd.DataFrame(cells, columns=pd.RangeIndex(width), dtype=object)
    return _named(_numbered(frame, [i + 1 for i in given]), names, label, found)


def _workbook_lines(path: Path, sheet: str) -> list[str]:
    """A sheet that holds one text a row, such as the lines of a policy."""
    book = _Book()
    rows = _sheets(path, (sheet,), book).get(sheet)
    if rows is None:
        book.problems.append(Problem(f"{path.name}[{sheet}]", None, None, "the sheet is missing"))
    if book.problems:
        raise BadTable(book.problems)
    lines = [_plain_text(row[0]) if row else "" for row in rows or []]
    return ["" if line == "policy.toml" else line for line in lines]


def _sheets(path: Path, wanted: tuple[str, ...], book: _Book) -> dict[str, list[list[Any]]]:
    """The values of the sheets, row by row; what formulas gave when the workbook was last saved."""
    try:
        openpyxl = importlib.import_module("openpyxl")
    except ImportError:
        raise BadTable([Problem(path.name, None, None, NO_OPENPYXL)]) from None
    data = path.read_bytes()
    found = book.problems.append

    def opened(results: bool) -> Any:
        return openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=results)

    with _damage(path):
        workbook = opened(results=False)
    titles = {sheet.title.strip().lower(): sheet.title for sheet in workbook.worksheets}
    _misnamed(list(titles), lambda name, close: found(
        Problem(f"{path.name}[{titles[name]}]", None, None, f"rename the sheet to {close}")
    ))  # fmt: skip
    results = None
    sheets: dict[str, list[list[Any]]] = {}
    for name in [name for name in wanted if name in titles]:
        label = book.labels[name] = f"{path.name}[{titles[name]}]"
        with _damage(path):
            rows = shown = _cells(workbook[titles[name]])
            if any(cell.data_type == "f" for row in rows for cell in row):
                results = results or opened(results=True)
                shown = _cells(results[titles[name]])
        sheets[name] = [
            [_value(cell, before, label, found) for cell, before in zip(row, formulas)]
            for row, formulas in zip(shown, rows)
        ]
    return sheets


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Say that a workbook is damaged, whatever the libraries that take it apart stumble over: there is no one error."""
    try:
        with warnings.catch_warnings():  # about looks, such as conditional formats, which are not read
            warnings.simplefilter("ignore")
            yield
    except MemoryError:
        raise
    except Exception as error:
        reason = "this is no .xlsx workbook, or it is damaged or protected by a password: save it anew as .xlsx"
        said = f"{reason} ({str(error)[:200] or type(error).__name__})"
        raise BadTable([Problem(path.name, None, None, said)]) from None


def _cells(sheet: Any) -> list[list[Any]]:
    """The cells of a sheet; how many it says to have may be wrong, and values are made of them here, not later."""
    sheet.reset_dimensions()
    return [list(row) for row in sheet.iter_rows()]


def _value(cell: Any, before: Any, label: str, found: Found) -> Any:
    """What a cell shows, as a number or text; dates as 2026-03-01."""
    value = cell.value
    if before.data_type == "f" and value is None:
        reason = "the formula has never been calculated: open the workbook in Excel, save it, and read it again"
        found(Problem(label, before.row, before.column_letter, reason))
    elif cell.data_type == "e":
        found(Problem(label, before.row, before.column_letter, f"the cell shows the error {value}"))
        return None
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    text = _unescaped(value) if isinstance(value, str) else value
    if isinstance(text, str) and not is_whole(text):
        found(Problem(label, before.row, before.column_letter, f"{value!r} holds {HALF}"))
        return None
    return text


def _plain_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def _write_workbook(tables: dict[str, pd.DataFrame], about: dict[str, Any], path: Path) -> None:
    try:
        openpyxl = importlib.import_module("openpyxl")
        write_only_cell = importlib.import_module("openpyxl.cell").WriteOnlyCell
    except ImportError:
        raise ImportError(NO_OPENPYXL) from None
    longest = max(tables, key=lambda name: len(tables[name]))
    if len(tables[longest]) >= MOST_ROWS:
        raise ValueError(
            f"{longest} has more than the {MOST_ROWS:,} rows of an Excel sheet: write the tender to a folder"
        )
    sheets: dict[str, list[Iterable[Any]]] = {
        name: [list(table.columns), *table.itertuples(index=False, name=None)]
        for name, table in tables.items()
        if _says_something(name, table)
    }
    notes = [("notes", note) for note in about.pop("notes", [])]
    sheets["tender"] = [("key", "value"), *about.items(), *notes]
    cells = {name: [[_excel_cell(value) for value in row] for row in rows] for name, rows in sheets.items()}
    workbook = openpyxl.Workbook(write_only=True)
    for name, rows in cells.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append([_dressed(*cell, write_only_cell(sheet)) for cell in row])
    raw = io.BytesIO()
    workbook.save(raw)
    with replacing(path) as beside:
        beside.write_bytes(undated(raw))


def undated(raw: io.BytesIO) -> bytes:
    """A workbook without the time of writing, so that the same tables always give the same file."""
    out = io.BytesIO()
    with zipfile.ZipFile(raw) as dated, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bare:
        for name in dated.namelist():
            content = dated.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", content)
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            bare.writestr(info, content)
    return out.getvalue()


def _excel_cell(value: Any) -> tuple[str, str]:
    """Type and content of a cell: a number ("n") in its shortest exact form, or text ("s")."""
    if not isinstance(value, str):
        return "n", _figure(value)
    text = _escaped(value)
    if len(text) > LONGEST_CELL:
        reason = f"longer than the {LONGEST_CELL:,} characters an Excel cell holds"
        raise ValueError(f"{value[:40]!r}… is {reason}: write the tender to a folder")
    return ("s" if text else "n"), text


def _dressed(kind: str, text: str, cell: Any) -> Any:
    """The cell, its type said and not guessed: no text is ever a formula, an error or a number."""
    cell.value = text or None
    cell.data_type = kind
    cell.quotePrefix = kind == "s" and text.startswith(tuple(FORMULA))
    return cell


def _escaped(text: str) -> str:
    """Characters that XML cannot hold, as Excel writes them: _x0001_."""
    return re.sub(
        "_(?=x[0-9A-Fa-f]{4}_)|[\x00-\x08\x0b-\x1f\ufffe\uffff]", lambda found: f"_x{ord(found[0]):04X}_", text
    )


def _unescaped(text: str) -> str:
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


# ---- cells ------------------------------------------------------------------------------------------------


def _says_something(name: str, table: pd.DataFrame) -> bool:
    """Whether a table is needed, or has rows or columns of the user's own."""
    return name in ("lots", "bids", "bidders") or len(table) > 0 or not set(table.columns) <= set(COLUMNS[name])


def _without_defaults(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The table without the standard columns that say nothing."""

    def says_nothing(column: str) -> bool:
        default = COLUMNS[table].get(column)
        if default is None or column in REQUIRED[table]:
            return False
        values = frame[column]
        return bool((values.isna() if pd.isna(default) else values == default).all())

    return frame[[column for column in frame.columns if not says_nothing(column)]]


def _csv_cell(value: Any) -> str:
    """A cell as CSV has it, guarded where a spreadsheet would calculate it."""
    if not isinstance(value, str):
        return _figure(value)
    return f"'{value}" if value.startswith((*FORMULA, "'")) else value


def _figure(value: Any) -> str:
    """A number in its shortest exact form, blank where there is none."""
    if pd.isna(value):
        return ""
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return str(value)


def _toml(value: Any) -> str:
    """A text, number or list of texts as TOML, which JSON is but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
