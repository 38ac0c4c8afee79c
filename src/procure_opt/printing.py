"""Tables and figures in words, printed."""

from __future__ import annotations

import math

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

out, err = Console(), Console(stderr=True, soft_wrap=True)


def say(text: str) -> None:
    """Print a line as it is."""
    out.print(escape(text), soft_wrap=True)


def show_table(title: str, frame: pd.DataFrame) -> None:
    """Print a table under its title."""
    table = Table(title=title, title_justify="left")
    numeric = [pd.api.types.is_numeric_dtype(frame[column].dtype) for column in frame]
    for column, number in zip(frame.columns, numeric, strict=True):
        table.add_column(str(column), justify="right" if number else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(escape(shown(value)) for value in row))
    out.print(table)


def shown(value: object) -> str:
    """A cell as text: two decimals from ten on, else four digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return (
            "–" if math.isnan(value) else f"{value:,.2f}" if abs(value) >= 10 or value.is_integer() else f"{value:.4g}"
        )
    return str(value)
