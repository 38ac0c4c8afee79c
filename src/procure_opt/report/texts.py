"""Every fixed text of a report, in English and in Chinese: the table `texts.csv` beside this file."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Words:
    """The texts of one language.

    >>> Words("en")("page.of", shown=60, all=300), Words("zh")("head.award")
    ('60 of 300 rows shown; the workbook holds all.', '中标结果')
    """

    lang: str

    def __post_init__(self) -> None:
        if self.lang not in LANGUAGES:
            raise ValueError(f"lang is {self.lang!r}; it must be {' or '.join(map(repr, LANGUAGES))}")

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, with values put in."""
        text = TEXTS[key][LANGUAGES.index(self.lang)]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in TEXTS

    def named(self, kind: str, name: str) -> str:
        """The word for a name that may be one of ours or the user's own (a column), which stays as it is."""
        key = f"{kind}.{name}"
        return self(key) if key in TEXTS else name

    def listed(self, items: list[str]) -> str:
        """Names in a row."""
        return ("、" if self.lang == "zh" else ", ").join(items)

    def share(self, value: float, digits: int = 1) -> str:
        """A share as a percentage."""
        if math.isnan(value):
            return "–"
        figure = f"{100 * value:.{digits}f}".removesuffix(".0").replace("-", "−")
        return f"{figure}%" if self.lang == "zh" else f"{figure} %"


def _read() -> Mapping[str, tuple[str, str]]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as table:
        return {row["key"]: (row["en"], row["zh"]) for row in csv.DictReader(table)}


TEXTS = _read()
