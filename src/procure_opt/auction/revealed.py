"""A number that past bids reveal, with its standard error and the assumption without which it means nothing.

What entry and mark-ups are worth is read off bids without a bandwidth. A bidder who asks b gains b − c = X(b) / h(b),
with h the density of bids and X known from their distribution H alone; so the mean of anything it gains, weighted by w,
is ∫ w X db. That is a weighted sum of the bids in order, and as precise as a mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction.past import PastBids
from procure_opt.cells import BadTable, Problem, floats

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Curve = Callable[[Floats], Floats]

LEAST = 20  # auctions, below which nothing is estimated
GROUP = 5  # auctions with the same number of bidders, below which their bids are not used by themselves
FEW = 40  # auctions or services, below which clustered standard errors are known to be too small


@dataclass(frozen=True)
class Estimate:
    """A number that bids reveal, how far it can be trusted, and what it stands on.

    Attributes:
        value: In the unit of the bids, or as its source says.
        se: Its standard error.
        assumption: What has to be true for it to mean what it says.
        notes: What was found on the way, and what was left out.
        degrees: Degrees of freedom of the standard error; infinite from a bootstrap.

    >>> found = Estimate(3.0, 0.5, "costs are independent")
    >>> [round(float(end), 3) for end in found.interval]
    [2.02, 3.98]
    >>> found.p_value < 1e-8
    True
    """

    value: float
    se: float
    assumption: str
    notes: tuple[str, ...] = ()
    degrees: float = math.inf

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval."""
        width = float(stats.t.ppf(0.975, self.degrees)) * self.se
        return self.value - width, self.value + width

    def times(self, factor: float) -> Estimate:
        """The same in another unit."""
        return replace(self, value=self.value * factor, se=self.se * factor)

    @property
    def p_value(self) -> float:
        """How likely a value at least as far from 0 is, were 0 the truth."""
        if not self.se > 0:
            return math.nan
        return float(2 * stats.t.sf(abs(self.value) / self.se, self.degrees))


def area(bids: Floats, weights: Any, curve: Curve, top: float) -> float:
    """∫ curve(H(b)) db from the lowest possible bid to `top`, with H the distribution of the bids.

    The lowest possible bid is put as far below the lowest bid as the second lowest is above it (Robson and Whitlock
    1964, Biometrika 51); the density of bids is never 0 there, because mark-ups are finite.

    Args:
        bids: Ascending, shape (m,).
        weights: How often each counts, shape (m,).
        curve: Of the share of bids that are lower.
        top: The highest bid that can be made; of no matter if the curve ends in 0.
    """
    shares = np.append(0.0, np.cumsum(weights))
    levels = curve(shares / shares[-1])
    counted = np.flatnonzero(weights)[:2]
    lowest = 2 * bids[counted[0]] - bids[counted[-1]]
    return float(top * levels[-1] - lowest * levels[0] - bids @ np.diff(levels))


def resampled(measure: Callable[[Places], Any], auctions: int, replications: int, seed: int) -> Floats:
    """The measure over and again with auctions drawn with replacement, of which it is told how often each was drawn.

    Raises:
        ValueError: fewer than two replications, of which there is no spread.
    """
    if replications < 2:
        raise ValueError(f"replications is {replications!r}; a standard error needs at least 2, better 100 or more")
    generator = np.random.default_rng(seed)
    draws = (np.bincount(generator.integers(0, auctions, auctions), minlength=auctions) for _ in range(replications))
    return np.array([measure(each) for each in draws], dtype=float)


def complete(past: PastBids) -> NDArray[np.bool_]:
    """Whether all bids of a bid's auction are known, not only those of some bidders."""
    return np.asarray(np.bincount(past.auctions)[past.auctions] == past.table["n"].to_numpy())


def numbers_of(table: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Columns of numbers, shape (bids, columns)."""
    problems = []
    for name in names:
        if name not in table:
            problems.append(Problem("bids", 1, name, "the column is missing"))
        elif not pd.api.types.is_numeric_dtype(table[name].dtype):
            problems.append(Problem("bids", 1, name, "the column must hold numbers"))
        else:
            for row in table.index[table[name].isna()]:
                problems.append(Problem("bids", int(row), name, f"the {name} is blank"))
    if problems:
        raise BadTable(problems)
    return np.column_stack([np.empty((len(table), 0)), *(floats(table, name) for name in names)])
