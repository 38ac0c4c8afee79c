"""The tables of a report as an Excel workbook, a sheet each, in which no text is ever calculated."""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from procure_opt.report.content import Column, Section, Table, tables
from procure_opt.report.texts import Words
from procure_opt.report.wording import blank
from procure_opt.tables import FORMULA, LONGEST_CELL, MOST_ROWS, NO_OPENPYXL, undated

UNHELD = re.compile("_(?=x[0-9A-Fa-f]{4}_)|[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
FORMATS = {"money": "#,##0.00", "share": "0.0%", "count": "#,##0", "number": "General"}


def bound(sections: Sequence[Section], t: Words) -> bytes:
    """The workbook as the content of a file; the same tables always give the same one."""
    try:
        openpyxl: Any = importlib.import_module("openpyxl")
        cells: Any = importlib.import_module("openpyxl.cell")
        styles: Any = importlib.import_module("openpyxl.styles")
    except ImportError:
        raise ImportError(NO_OPENPYXL) from None
    book = openpyxl.Workbook(write_only=True)
    heading = styles.Font(bold=True)
    for table in tables(sections):
        if len(table.rows) >= MOST_ROWS:
            raise ValueError(f"{table.key} has more than the {MOST_ROWS:,} rows of an Excel sheet")
        sheet = book.create_sheet(t(f"table.{table.key}"))
        sheet.freeze_panes = "A2"
        for number, width in enumerate(_widths(table, t)):
            sheet.column_dimensions[_letter(number)].width = width
        first = [_cell(cells.WriteOnlyCell(sheet), Column(column.label), column.label, t) for column in table.columns]
        for cell in first:
            cell.font = heading
        sheet.append(first)
        for row in table.rows:
            pairs = zip(table.columns, row, strict=True)
            sheet.append([_cell(cells.WriteOnlyCell(sheet), column, value, t) for column, value in pairs])
    raw = io.BytesIO()
    book.save(raw)
    return undated(raw)


def _cell(cell: Any, column: Column, value: Any, t: Words) -> Any:
    """A cell whose type is said and not guessed: a number, or text that stays text."""
    if blank(value):
        return cell
    if column.kind == "yes":
        value = t("yes" if value else "no")
    if not isinstance(value, str) and column.kind in FORMATS and np.isfinite(float(value)):
        cell.value = float(value)
        cell.number_format = FORMATS[column.kind]
        return cell
    text = _escaped(str(value))
    cell.value = text[: LONGEST_CELL - 1] + "…" if len(text) > LONGEST_CELL else text
    cell.data_type = "s"
    cell.quotePrefix = text.startswith(tuple(FORMULA))
    return cell


def _escaped(text: str) -> str:
    """Characters that XML cannot hold, as Excel writes them: _x0001_."""
    return UNHELD.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def _widths(table: Table, t: Words) -> list[float]:
    """As wide as the longest text among the first rows, within reason."""
    wide = []
    for at, column in enumerate(table.columns):
        texts = [column.label, *(column.written(row[at], t) for row in table.rows[:100])]
        longest = max(sum(2 if ord(each) > 0x2E80 else 1 for each in text) for text in texts)
        wide.append(min(60.0, max(8.0, longest + 2.0)))
    return wide


def _letter(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
