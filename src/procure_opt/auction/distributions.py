"""Distributions of costs that are made from others. All have what those of `scipy.stats` have that is used here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, stats

from procure_opt.auction import symmetric

Floats = NDArray[np.float64]
Distribution = Any  # a frozen distribution of scipy.stats, or anything with cdf, sf, pdf, ppf, isf and support

BREAKS = np.array([0, 1e-8, 1e-6, 1e-4, 1e-2, 0.1, 0.5, 0.9, 0.99, 1 - 1e-4, 1 - 1e-6, 1 - 1e-8, 1])
SHARES, SHARE_WEIGHTS = (each.ravel() for each in symmetric.cells(BREAKS))
TABLE = 4000  # points at which quantiles are looked up


@dataclass(frozen=True)
class Lowest:
    """The lowest of several independent costs of one distribution: S(c)^size.

    >>> from scipy import stats
    >>> float(Lowest(stats.uniform(0, 1), 3).sf(0.5))
    0.125
    """

    one: Distribution
    size: float

    def support(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        low, high = self.one.support()
        return float(low), float(high)

    def sf(self, x: Any) -> Any:
        """The probability of more than x."""
        return self.one.sf(x) ** self.size

    def cdf(self, x: Any) -> Any:
        """The probability of at most x."""
        with np.errstate(divide="ignore"):
            return -np.expm1(self.size * np.log1p(-np.asarray(self.one.cdf(x), dtype=float)))

    def pdf(self, x: Any) -> Any:
        """The density."""
        left = np.asarray(self.one.sf(x), dtype=float)
        return (
            self.size * self.one.pdf(x) * np.where(left > 0, left, 0 if self.size >= 1 else np.inf) ** (self.size - 1)
        )

    def isf(self, q: Any) -> Any:
        """The value that is exceeded with probability q."""
        return self.one.isf(np.asarray(q) ** (1 / self.size))

    def ppf(self, q: Any) -> Any:
        """The value that is not exceeded with probability q."""
        with np.errstate(divide="ignore"):
            return self.one.ppf(-np.expm1(np.log1p(-np.asarray(q, dtype=float)) / self.size))


@dataclass(frozen=True)
class Affine:
    """A distribution's costs times a factor, plus a shift.

    >>> from scipy import stats
    >>> Affine(stats.uniform(0, 1), 0.5, 2).support()
    (2.0, 2.5)
    """

    one: Distribution
    factor: float
    shift: float = 0.0

    def _from(self, x: Any) -> Any:
        return (np.asarray(x, dtype=float) - self.shift) / self.factor

    def support(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        low, high = self.one.support()
        return float(low) * self.factor + self.shift, float(high) * self.factor + self.shift

    def sf(self, x: Any) -> Any:
        """The probability of more than x."""
        return self.one.sf(self._from(x))

    def cdf(self, x: Any) -> Any:
        """The probability of at most x."""
        return self.one.cdf(self._from(x))

    def pdf(self, x: Any) -> Any:
        """The density."""
        return self.one.pdf(self._from(x)) / self.factor

    def isf(self, q: Any) -> Any:
        """The value that is exceeded with probability q."""
        return self.one.isf(q) * self.factor + self.shift

    def ppf(self, q: Any) -> Any:
        """The value that is not exceeded with probability q."""
        return self.one.ppf(q) * self.factor + self.shift


@dataclass(frozen=True, eq=False)
class Sum:
    """The distribution of s = c + v / n, and what s says of v.

    Integrals over v are taken in its quantiles, over the stretch where s − v / n is a possible private cost.

    Args:
        private: The distribution of c.
        common: The distribution of v.
        n: Suppliers.
    """

    private: Distribution
    common: Distribution
    n: int

    def support(self) -> tuple[float, float]:
        """The lowest and the highest sum."""
        (low, high), (least, most) = self.private.support(), self.common.support()
        return float(low + least / self.n), float(high + most / self.n)

    def _over(self, s: Any) -> tuple[Floats, Floats, Floats, Floats]:
        """Signals and weights, shape (…, points), and the quantiles between which they lie."""
        s = np.asarray(s, dtype=float)
        low, high = self.private.support()
        start = np.asarray(self.common.cdf(self.n * (s - high)), dtype=float)
        end = np.asarray(self.common.cdf(self.n * (s - low)), dtype=float)
        span = (end - start)[..., None]
        return self.common.ppf(start[..., None] + span * SHARES), span * SHARE_WEIGHTS, start, end

    def _density(self, s: Any) -> tuple[Floats, Floats]:
        """f(s) and E[v; s]."""
        signal, weight, _, _ = self._over(s)
        with np.errstate(invalid="ignore"):  # a density may be infinite at an end, on which no weight lies
            thick = np.nan_to_num(weight * self.private.pdf(np.asarray(s)[..., None] - signal / self.n), posinf=0.0)
        return thick.sum(axis=-1), (thick * signal).sum(axis=-1)

    def _beyond(self, s: Any) -> tuple[Floats, Floats]:
        """S(s) and E[v; s or more]: where v alone is enough, whatever the private cost, and where it is not."""
        signal, weight, _, end = self._over(s)
        thick = weight * self.private.sf(np.asarray(s)[..., None] - signal / self.n)
        rest = (1 - end)[..., None]
        high = self.common.ppf(end[..., None] + rest * SHARES)
        sure = rest * SHARE_WEIGHTS
        return thick.sum(axis=-1) + rest[..., 0], (thick * signal).sum(axis=-1) + (sure * high).sum(axis=-1)

    def pdf(self, s: Any) -> Floats:
        """The density."""
        return self._density(s)[0]

    def sf(self, s: Any) -> Floats:
        """The probability of more than s."""
        return np.clip(self._beyond(s)[0], 0.0, 1.0)

    def cdf(self, s: Any) -> Floats:
        """The probability of at most s."""
        signal, weight, start, _ = self._over(s)
        below = weight * self.private.cdf(np.asarray(s)[..., None] - signal / self.n)
        return np.asarray(np.clip(below.sum(axis=-1) + start, 0.0, 1.0))

    @cached_property
    def _quantiles(self) -> interpolate.PchipInterpolator:
        low, high = self.support()
        at = np.linspace(low, high, TABLE)
        gone = np.maximum.accumulate(self.cdf(at))
        kept = np.append(True, np.diff(gone) > 0)
        return interpolate.PchipInterpolator(gone[kept], at[kept])

    def ppf(self, q: Any) -> Floats:
        """The value that is not exceeded with probability q, to the width of a table's cell."""
        return np.asarray(self._quantiles(np.clip(q, *self._quantiles.x[[0, -1]])))

    def isf(self, q: Any) -> Floats:
        """The value that is exceeded with probability q, to the width of a table's cell."""
        return self.ppf(1 - np.asarray(q))

    def signal(self, s: Any) -> Floats:
        """E[v | s]."""
        thick, total = self._density(s)
        return np.where(thick > 0, total / np.where(thick > 0, thick, 1.0), self._end(s))

    def above(self, s: Any) -> Floats:
        """E[v | s or more]."""
        left, total = self._beyond(s)
        return np.where(left > 1e-13, total / np.where(left > 1e-13, left, 1.0), self._end(s))

    def _end(self, s: Any) -> Floats:
        """At an end of the support only one signal is possible."""
        (low, high), (least, most) = self.support(), self.common.support()
        return np.asarray(np.where(np.asarray(s) - low < high - np.asarray(s), least, most))

    def expected_cost(self, s: Any) -> Floats:
        """w(s): what the work costs in the mean if the lowest rival has the same sum."""
        return np.asarray(s + (self.signal(s) + (self.n - 2) * self.above(s)) / self.n)


def checked(distribution: Distribution, what: str) -> None:
    if isinstance(distribution, stats.rv_continuous | stats.rv_discrete):
        raise ValueError(f"the distribution of {what} has no parameters yet; write stats.uniform(80, 40), for instance")
    missing = [name for name in ("cdf", "sf", "pdf", "ppf", "isf", "support") if not hasattr(distribution, name)]
    if missing:
        raise ValueError(
            f"the distribution of {what} is {distribution!r}, which has no {', '.join(missing)}; "
            "give a frozen distribution of scipy.stats, such as stats.uniform(80, 40)"
        )
    low, high = distribution.support()
    if not low < high:
        raise ValueError(f"the distribution of {what} runs from {low} to {high}; it must have a width")
    if math.isinf(low):
        raise ValueError(f"the distribution of {what} has no lowest cost; truncate it, as stats.truncnorm does")
