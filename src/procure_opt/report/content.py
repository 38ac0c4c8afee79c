"""What a section of a report is made of: the page and the workbook are written from the same tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from procure_opt.report.texts import Words
from procure_opt.report.wording import blank, money, number

# How the figures of a column are written. Text is as it is.
KINDS = ("text", "money", "number", "count", "share", "yes", "told")
TEXTS = ("text", "yes", "told")  # sorted as text; "told" is a figure in words of several units, set to the right


SENTENCE, WORD = 34, 22  # characters from which on a text is a sentence, and a word is broken


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table."""
    yield from frame.itertuples(index=False)


def long(text: str) -> bool:
    """Whether a text has a word that must be broken to fit."""
    return any(len(word) > WORD for word in text.split())


@dataclass(frozen=True)
class Column:
    """A column: its heading in words, and how what stands in it is written."""

    label: str
    kind: str = "text"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a column is one of {', '.join(KINDS)}, not {self.kind!r}")

    @property
    def figures(self) -> bool:
        """Whether figures of one unit stand in it, to be sorted as such."""
        return self.kind not in TEXTS

    def written(self, value: Any, t: Words) -> str:
        """A value as text."""
        if blank(value):
            return "–"
        if self.kind in ("text", "told"):
            return str(value)
        if self.kind == "yes":
            return t("yes" if value else "no")
        if self.kind == "share":
            return t.share(float(value))
        if self.kind == "count":
            return f"{int(value):,}"
        return money(value) if self.kind == "money" else number(value)


@dataclass(frozen=True)
class Table:
    """A table of values.

    Attributes:
        key: Names its title and its sheet, `table.<key>`.
        columns, rows: What stands in it, unformatted.
        marks: By (row, column): "low" (the least), "won" (accepted), "out" (set aside).
        most: Rows and columns that the page shows; the workbook has all.
        lead: Columns before those of which there may be too many.
        page: Whether it stands on the page too, or in the workbook alone.
        note: What to know of it, below the title.
    """

    key: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    marks: Mapping[tuple[int, int], str] = field(default_factory=dict)
    most: tuple[int, int] = (60, 24)
    lead: int = 0
    page: bool = True
    note: str = ""

    def prose(self, at: int) -> bool:
        """Whether sentences stand in a column, which needs room."""
        some = (row[at] for row in self.rows[: self.most[0]])
        return self.columns[at].kind == "text" and any(isinstance(each, str) and len(each) > SENTENCE for each in some)


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG text, with what it shows in words."""

    key: str
    svg: str
    alt: str
    note: str = ""
    title: str = ""


@dataclass(frozen=True)
class Figures:
    """Drawings side by side."""

    title: str
    drawings: tuple[Figure, ...]


@dataclass(frozen=True)
class Text:
    """A paragraph ("p"), a list ("ul"), a remark ("note"), or something word for word ("pre")."""

    lines: Sequence[str]
    style: str = "p"
    title: str = ""


@dataclass(frozen=True)
class Keys:
    """Key figures: what it is, the figure."""

    pairs: Sequence[tuple[str, str]]


Block = Table | Figures | Text | Keys


@dataclass(frozen=True)
class Section:
    """One section: who acts, which one it is, and its blocks."""

    actor: str
    key: str
    blocks: Sequence[Block]


def tables(sections: Sequence[Section]) -> Iterator[Table]:
    """The tables of all sections, in their order."""
    for section in sections:
        yield from (block for block in section.blocks if isinstance(block, Table))


def saying(columns: list[Column], rows: list[list[Any]]) -> tuple[list[Column], list[list[Any]]]:
    """Without the columns in which nothing, or nothing but 0 or the whole, stands."""

    def says(at: int) -> bool:
        values = [row[at] for row in rows]
        dull = {"share": 1.0, "money": 0.0}.get(columns[at].kind)
        return any(not blank(value) and value != dull for value in values)

    kept = [at for at in range(len(columns)) if says(at)] if rows else list(range(len(columns)))
    return [columns[at] for at in kept], [[row[at] for at in kept] for row in rows]
