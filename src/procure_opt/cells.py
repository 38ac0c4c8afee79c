"""Tables as people write them: texts, numbers and blanks read the same way everywhere, and every problem placed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Table = pd.DataFrame | Sequence[Mapping[str, Any]]

TEXT, NUMBER = "", math.nan


class Problem(NamedTuple):
    """One thing that is wrong in a table: where it stands and what would be right."""

    file: str
    row: int | None
    column: str | None
    reason: str

    def __str__(self) -> str:
        row_word, column_word = ("line", "key") if self.file.endswith("toml") else ("row", "column")
        if ".json" in self.file:
            row_word, column_word = "line", "at"
        row = "" if self.row is None else f", {row_word} {self.row}"
        column = "" if self.column is None else f", {column_word} {self.column!r}"
        return f"{self.file}{row}{column}: {self.reason}"


class BadTable(ValueError):
    """What is wrong in the tables. `.problems` lists every problem, not only the first."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = _said_once(problems)
        shown = [f"  {problem}" for problem in self.problems[:20]]
        if len(self.problems) > len(shown):
            shown.append(f"  … and {len(self.problems) - len(shown)} more, all in .problems")
        count = f"{len(self.problems)} problem" + ("s" if len(self.problems) != 1 else "")
        super().__init__("\n".join([f"{count} in the tables:", *shown]))

    def __reduce__(self) -> tuple[type[BadTable], tuple[tuple[Problem, ...]]]:
        return BadTable, (self.problems,)


def _said_once(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Without repetition. A cell that could not be read is blank to later checks: what was said first is enough."""
    unique = tuple(dict.fromkeys(problems))
    spoken = {problem[:3] for problem in unique if not problem.reason.endswith("is blank")}
    missing = {(p.file, p.column) for p in unique if p.reason.startswith("the column is missing")}
    return tuple(
        p for p in unique if not (p.reason.endswith("is blank") and (p[:3] in spoken or (p.file, p.column) in missing))
    )


Found = Callable[[Problem], None]
NO_ROWS = pd.RangeIndex(0, name="row")


def read_table(
    table: str,
    data: Table | None,
    found: Found,
    columns: Mapping[str, Any],
    required: Sequence[str] = (),
    may_be_blank: Sequence[str] = (),
) -> pd.DataFrame:
    """The table with every standard column, texts as stripped str, numbers as floats, rows numbered.

    Args:
        table: What to call it in problems.
        data: None for a table without rows.
        found: Told of each problem.
        columns: The standard columns, each with its default: a text, or a number.
        required: Those that must be there and filled in.
        may_be_blank: Those among them that may have blank cells.
    """
    if data is None:
        return pd.DataFrame({name: constant(default, NO_ROWS) for name, default in columns.items()}, index=NO_ROWS)
    frame = as_frame(table, data, found, required)
    for column in required:
        if column not in frame.columns:
            alike = [c for c in frame.columns if str(c).strip().lower() == column]
            hint = f" (there is {alike[0]!r})" if alike else f" (there are {', '.join(map(str, frame.columns))})"
            found(Problem(table, 1, column, f"the column is missing{hint if len(frame.columns) else ''}"))
    out: dict[str, Any] = {}
    for column, default in columns.items():
        if column not in frame.columns:
            out[column] = constant(default, frame.index)
        elif default == TEXT:
            out[column] = as_text(frame[column])
        else:
            blank_is_wrong = column in required and column not in may_be_blank
            out[column] = as_number(table, frame[column], float(default), blank_is_wrong, found)
    for column in frame.columns:
        if column not in columns:
            out[str(column)] = as_either(frame[column])
    for column in required:
        if columns[column] == TEXT and column in frame.columns:
            for row in frame.index[(out[column] == "").to_numpy()]:
                reason = "the bid names no lot" if column == "lots" else f"the {column} is blank"
                found(Problem(table, int(row), column, reason))
    return pd.DataFrame(out, index=frame.index, copy=False)


def constant(default: Any, index: pd.Index) -> pd.Series:
    """A column that says the same in every row."""
    if default == TEXT:
        return pd.Series(pd.array(pa.repeat(pa.scalar(TEXT, pa.large_string()), len(index)), dtype="str"), index=index)
    return pd.Series(np.broadcast_to(float(default), len(index)), index=index)


def as_frame(table: str, data: Table, found: Found, required: Sequence[str] = ()) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        frame = data.copy(deep=False)
    elif isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        frame = pd.DataFrame(list(data), columns=None if len(data) else list(required))
    else:
        raise TypeError(f"{table} must be a DataFrame or a list of dicts, got {type(data).__name__}")
    frame.columns = [str(column).strip() for column in frame.columns]
    for column in frame.columns[frame.columns.duplicated()].unique():
        found(Problem(table, 1, column, "the column stands twice"))
    frame = frame.loc[:, ~frame.columns.duplicated()]
    if frame.index.name != "row":
        frame.index = pd.RangeIndex(2, len(frame) + 2, name="row")
    return frame


def as_text(column: pd.Series, write: Callable[[Any], str] | None = None) -> pd.Series:
    """Texts without white space around them, blank where nothing is given."""
    if not isinstance(column.dtype, pd.StringDtype):
        cells = [(write or as_written)(value) for value in column]
        return pd.Series(cells, index=column.index, dtype="str", name=column.name)
    text = as_arrow(column)
    if text.null_count:
        text = text.fill_null("")
    if _has_blanks(text):
        text = pc.utf8_trim_whitespace(text)
    return pd.Series(pd.array(text, dtype="str"), index=column.index, name=column.name)


def as_arrow(column: pd.Series) -> Any:
    """The same texts as one Arrow array, whose functions are many times faster than those of pandas."""
    texts = pa.array(column, type=pa.large_string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _has_blanks(texts: Any) -> bool:
    """Whether any byte is white space or not ASCII (read as signed bytes, both are at most 32): a quick look
    that most columns of identifiers pass, and that spares them the trimming."""
    data = texts.buffers()[2]
    return data is not None and bool((np.frombuffer(data, np.int8) <= 32).any())


def as_written(value: Any) -> str:
    """A cell as text: blank for nothing, whole numbers without a decimal point, no white space around."""
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return ""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


HALF = "half of a character (a lone surrogate, which no text may hold)"


def is_whole(text: str) -> bool:
    """Whether a text can be written: JSON and Excel can smuggle in halves of characters."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def as_number(table: str, column: pd.Series, default: float, blank_is_wrong: bool, found: Found) -> pd.Series:
    """Numbers as floats, blanks as the default; every cell that is no number is a problem."""
    name = str(column.name)
    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers = _plain(column)
        given = ~np.isnan(numbers)
        if np.isinf(np.fmax.reduce(np.abs(numbers), initial=0)):
            for row in column.index[np.isinf(numbers)]:
                found(Problem(table, int(row), name, "the number is infinite"))
    else:
        text = as_text(column)
        numbers = _numbers(text)
        given = (text != "").to_numpy()
        for row, cell in text[given & np.isnan(numbers)].items():
            found(Problem(table, int(str(row)), name, f"{cell[:60]!r} is not a number{_advice(cell)}"))
    if blank_is_wrong:
        for row in column.index[~given]:
            found(Problem(table, int(row), name, f"the {name} is blank"))
    if not math.isnan(default) and not given.all():
        numbers = np.where(given, numbers, default)
    return pd.Series(numbers, index=column.index)


def _plain(column: pd.Series) -> NDArray[np.float64]:
    return column.to_numpy() if column.dtype == np.float64 else column.to_numpy(dtype=float, na_value=np.nan)


def _numbers(text: pd.Series) -> NDArray[np.float64]:
    """The finite numbers the cells hold, NaN where a cell is blank or holds something else."""
    cells = as_arrow(text)
    try:
        numbers = pc.cast(pc.if_else(pc.equal(cells, ""), None, cells), pa.float64())
        values = numbers.to_numpy(zero_copy_only=False)
        return np.where(np.isinf(values), math.nan, values)
    except pa.ArrowInvalid:
        read = [as_quantity(cell) for cell in cells.to_pylist()]
        return np.array([math.nan if number is None else number for number in read])


def as_quantity(text: str) -> float | None:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _advice(cell: str) -> str:
    if re.fullmatch(r"[+-]?\d{1,3}([, '\u00a0\u202f]\d{3})+(\.\d+)?", cell):
        return ": write it without thousands separators"
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        return ": write the decimals with a point"
    if re.search(r"[^\W\d_]|[$€£¥₹%]", cell) and re.search(r"\d", cell):
        return ": write the figure alone, without currency, sign or unit"
    return ""


def as_either(column: pd.Series) -> pd.Series:
    """A column of the user's own: numbers if every cell given is one, else text (007 is a name, not a number)."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers = _plain(column)
        return pd.Series(numbers, index=column.index) if not np.isnan(numbers).all() else constant(TEXT, column.index)
    text = as_text(column)
    numbers, given = _numbers(text), (text != "").to_numpy()
    if not given.any() or (given & np.isnan(numbers)).any() or text.str.contains(r"^[+-]?0[0-9]").any():
        return text
    return pd.Series(numbers, index=column.index)


def floats(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return frame[column].to_numpy(dtype=float)


def check_unique(table: str, frame: pd.DataFrame, columns: list[str], found: Found) -> None:
    if not frame.duplicated(columns).any():
        return
    given = frame[frame[columns[0]] != ""]
    first: dict[tuple[str, ...], int] = {}
    for row, key in zip(given.index, given[columns].itertuples(index=False, name=None), strict=True):
        if first.setdefault(key, row) != row:
            found(Problem(table, int(row), columns[0], f"{', '.join(key)!r} stands already in row {first[key]}"))


def check_within(
    table: str, frame: pd.DataFrame, column: str, low: float, high: float, found: Found,
    *, open_below: bool = False, open_above: bool = False,
) -> None:  # fmt: skip
    value = frame[column].to_numpy(dtype=float)
    least, most = np.fmin.reduce(value, initial=math.inf), np.fmax.reduce(value, initial=-math.inf)
    if (low < least or (low == least and not open_below)) and (most < high or (most == high and not open_above)):
        return
    bad = (value < low) | (value > high) | (open_below & (value == low)) | (open_above & (value == high))
    if math.isfinite(high):
        range_text = f"from {low:g} to {high:g}" + (f", less than {high:g}" if open_above else "")
    else:
        range_text = f"{'above' if open_below else 'at least'} {low:g}"
    for row, one in zip(frame.index[bad], value[bad], strict=True):
        found(Problem(table, int(row), column, f"{one:g} is out of range: it must be {range_text}"))
