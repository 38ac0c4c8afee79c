"""The distribution of costs that are known one by one, such as those estimated from bids, smoothed for a market."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from procure_opt.auction.kernels import bandwidth, bent, kernel_sums

Floats = NDArray[np.float64]

LEAST = 10  # costs
CELLS = (500, 50_000)  # of the table, at least and at most
FINE = 40  # cells to a bandwidth


@dataclass(frozen=True, eq=False)
class Smooth:
    """A distribution whose density runs straight between the points of a table.

    Everything else is exact for that density: `cdf` and `sf` are its integrals, `ppf` and `isf` solve a quadratic.

    Args:
        points: Ascending, shape (points,), in currency; the first and the last are the ends of the support.
        heights: The density there, up to a factor: at least 0, shape (points,).

    Raises:
        ValueError: points do not ascend, a height is negative or missing, or all are 0.

    >>> triangle = Smooth(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    >>> float(triangle.pdf(0.5)), float(triangle.sf(0.5)), float(triangle.ppf(0.75))
    (1.0, 0.25, 0.5)
    """

    points: Floats
    heights: Floats
    _below: Floats = field(init=False, repr=False)
    _above: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        points, heights = (np.array(each, dtype=float) for each in (self.points, self.heights))
        if points.ndim != 1 or points.shape != heights.shape or len(points) < 2 or not (np.diff(points) > 0).all():
            raise ValueError("points must ascend, at least two of them, with a height for each")
        if not (np.isfinite(heights).all() and (heights >= 0).all() and heights.any()):
            raise ValueError("heights must be at least 0, and not all of them 0")
        cells = np.diff(points) * (heights[1:] + heights[:-1]) / 2
        total = cells.sum()
        for name, value in (
            ("points", points),
            ("heights", heights / total),
            ("_below", np.append(0.0, np.cumsum(cells)) / total),
            ("_above", np.append(0.0, np.cumsum(cells[::-1]))[::-1] / total),
        ):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Smooth({self.points[0]:.6g} to {self.points[-1]:.6g}, mean {self.mean():.6g})"

    def support(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        return float(self.points[0]), float(self.points[-1])

    def pdf(self, x: Any) -> Any:
        """The density."""
        return np.interp(np.asarray(x, dtype=float), self.points, self.heights, left=0.0, right=0.0)

    def cdf(self, x: Any) -> Any:
        """The probability of at most x."""
        x, k = self._cell(x)
        return np.minimum(self._below[k] + (x - self.points[k]) * (self.heights[k] + self.pdf(x)) / 2, 1.0)

    def sf(self, x: Any) -> Any:
        """The probability of more than x."""
        x, k = self._cell(x)
        return np.minimum(self._above[k + 1] + (self.points[k + 1] - x) * (self.heights[k + 1] + self.pdf(x)) / 2, 1.0)

    def ppf(self, q: Any) -> Any:
        """The value that is not exceeded with probability q; NaN where q is no probability."""
        q = np.asarray(q, dtype=float)
        k = np.clip(np.searchsorted(self._below, q, side="left") - 1, 0, len(self.points) - 2)
        start, end = self.heights[k], self.heights[k + 1]
        way = _way(q - self._below[k], start, end, self.points[k + 1] - self.points[k])
        return np.where((q >= 0) & (q <= 1), self.points[k] + way, np.nan)[()]

    def isf(self, q: Any) -> Any:
        """The value that is exceeded with probability q; NaN where q is no probability."""
        q = np.asarray(q, dtype=float)
        k = len(self.points) - 1 - np.searchsorted(self._above[::-1], q, side="left")
        k = np.clip(k, 0, len(self.points) - 2)
        start, end = self.heights[k + 1], self.heights[k]
        way = _way(q - self._above[k + 1], start, end, self.points[k + 1] - self.points[k])
        return np.where((q >= 0) & (q <= 1), self.points[k + 1] - way, np.nan)[()]

    def mean(self) -> float:
        """The mean."""
        width, middle = np.diff(self.points), (self.points[1:] + self.points[:-1]) / 2
        level, rise = (self.heights[1:] + self.heights[:-1]) / 2, np.diff(self.heights)
        return float((width * (middle * level + rise * width / 12)).sum())

    def _cell(self, x: Any) -> tuple[Floats, NDArray[np.intp]]:
        """Values, moved to the support, and the points below them."""
        inside = np.clip(np.asarray(x, dtype=float), self.points[0], self.points[-1])
        return inside, np.clip(np.searchsorted(self.points, inside, side="right") - 1, 0, len(self.points) - 2)


def _way(mass: Any, start: Any, end: Any, width: Any) -> Any:
    """How far into a cell, from where its density is `start`, that much probability is."""
    rise = (end - start) / width
    root = np.sqrt(np.maximum(start**2 + 2 * rise * mass, 0.0))
    both = start + root
    return np.clip(2 * mass / np.where(both > 0, both, 1.0), 0.0, width)


def smooth(costs: ArrayLike) -> Smooth:
    """The distribution of costs, of which some are known, from the lowest to the highest of them.

    Its density is a triweight kernel estimate with h = 2.978 · 1.06 · sd · m^(−1/5), mirrored at both ends with images
    bent to its slope there (Karunamuni and Zhang 2008), tabulated at 40 points to a bandwidth or more.

    Args:
        costs: Shape (m,), in currency; those trimmed (NaN) are left out.

    Raises:
        ValueError: a cost is infinite, fewer than 10 are left, or all are the same.

    >>> estimated = smooth(np.linspace(80, 120, 401))
    >>> estimated
    Smooth(80 to 120, mean 100)
    >>> f"{estimated.cdf(90):.2f} {estimated.ppf(0.5):.2f}"
    '0.25 100.00'
    """
    given = np.asarray(costs, dtype=float).ravel()
    if np.isinf(given).any():
        raise ValueError("a cost is infinite; a distribution can be estimated from amounts only")
    given = np.sort(given[~np.isnan(given)])
    if len(given) < LEAST:
        raise ValueError(f"{len(given)} costs are known; a distribution needs at least {LEAST}")
    if given[0] == given[-1]:
        raise ValueError(f"all {len(given)} costs are {given[0]:g}; a distribution needs some that differ")
    h = bandwidth(given)
    cells = math.ceil((given[-1] - given[0]) / h * FINE)
    points = np.linspace(given[0], given[-1], min(max(cells, CELLS[0]), CELLS[1]) + 1)
    return Smooth(points, np.maximum(kernel_sums(bent(given, h), points, h), 0.0))
