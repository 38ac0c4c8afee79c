"""What an argument may be: a number within bounds, or a whole number. What it is not, an error says by its name."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np


def number(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, above: bool = False, below: bool = False
) -> float:
    """A finite number from low to high.

    Args:
        name: What errors call it.
        value: What was given.
        low: The least it may be.
        high: The most.
        above: Whether it must be more than `low`.
        below: Whether it must be less than `high`.

    Raises:
        ValueError: it is no such number.

    >>> number("share", 0.4, 0, 1)
    0.4
    >>> number("share", 40, 0, 1)
    Traceback (most recent call last):
    ValueError: share is 40; it must be a number from 0 to 1
    """
    if not _real(value) or not math.isfinite(value) or not (
        (low < value if above else low <= value) and (value < high if below else value <= high)
    ):  # fmt: skip
        raise ValueError(f"{name} is {_shown(value)}; it must be a number{_bounds(low, high, above, below)}")
    return float(value)


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least so much; 3.0 is one.

    Args:
        name: What errors call it.
        value: What was given.
        least: The least it may be.

    Raises:
        ValueError: it is no such number.

    >>> whole("bidders", 3.0)
    3
    """
    if not _real(value) or not math.isfinite(value) or value != int(value) or value < least:
        raise ValueError(f"{name} is {_shown(value)}; it must be a whole number of at least {least}")
    return int(value)


def above_zero(**values: Any) -> None:
    """Every number is above 0, or an error that names it."""
    for name, value in values.items():
        number(name, value, 0.0, above=True)


def not_negative(**values: Any) -> None:
    """Every number is at least 0, or an error that names it."""
    for name, value in values.items():
        number(name, value, 0.0)


def _real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _shown(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def _bounds(low: float, high: float, above: bool, below: bool) -> str:
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isfinite(low) and math.isfinite(high) and not above and not below:
        return f" from {low:g} to {high:g}"
    least = [] if math.isinf(low) else [f"above {low:g}" if above else f"of at least {low:g}"]
    most = [] if math.isinf(high) else [f"below {high:g}" if below else f"at most {high:g}"]
    return " " + " and ".join(least + most)
