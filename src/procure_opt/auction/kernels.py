"""Costs from bids by smoothing: what a bid says of the cost behind it if suppliers bid as well as they can.

In a first-price auction of n suppliers with independent private costs of one distribution, whose bids have the
distribution G with density g, the bid b is best for the cost (Guerre, Perrigne and Vuong 2000, mirrored)

    c = b − (1 − G(b)) / ((n − 1) g(b)).

The inversions differ in how they estimate (1 − G) / g. Each takes bids of auctions that all have n suppliers, and gives
the cost behind each bid, in the order of the bids; NaN where it trims.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

Floats = NDArray[np.float64]

STEPS = 256  # of the grid of a kernel sum, to a bandwidth: its error is below 1e-4 of the sum
DEGREES = (1, 2, 3)  # of the curves that departures are measured from
FREQUENCIES = 500  # of departures, at most
WIDTHS = np.geomspace(0.3, 100.0, 40)  # κ: departures of about so many half waves over the bids are kept
PRIOR = 0.01  # bids' worth of prior on each weight of a curve, so that none runs off to nothing


@dataclass(frozen=True)
class Inversion:
    """A way from bids to costs, with what it claims.

    Args:
        name: What it is called by.
        invert: (bids, shape (m,); n) → costs, shape (m,).
        full_support: It gives a cost to each bid; otherwise it trims those near both ends, as NaN.
        least: The fewest bids it takes.
        increasing: A higher bid never comes with a lower cost, as in the equilibrium.
        source: Author, year, journal.
    """

    name: str
    invert: Callable[[ArrayLike, int], Floats]
    full_support: bool
    least: int
    increasing: bool
    source: str

    def __call__(self, bids: ArrayLike, n: int) -> Floats:
        return self.invert(bids, n)


def ranked(bids: ArrayLike, n: int, least: int) -> tuple[Floats, NDArray[np.intp]]:
    """Bids in ascending order, and where each one given stands in it.

    Raises:
        ValueError: n is not a whole number of at least 2, a bid is missing or infinite, there are fewer than `least`,
            or all are the same.
    """
    given = np.asarray(bids, dtype=float)
    if isinstance(n, bool) or not math.isfinite(n) or n != int(n) or n < 2:
        raise ValueError(f"n is {n!r}; bids say something of costs where at least 2 suppliers bid: give a whole number")
    if given.ndim != 1 or not np.isfinite(given).all():
        where = "" if given.ndim != 1 else f" (the first that is no amount stands at {np.argmin(np.isfinite(given))})"
        raise ValueError(f"bids must be one row of amounts{where}; leave out those that are missing")
    if len(given) < least:
        raise ValueError(f"there are {len(given)} bids of auctions with {n} suppliers; at least {least} are needed")
    order = np.argsort(given, kind="stable")
    places = np.empty(len(order), dtype=np.intp)
    places[order] = np.arange(len(order))
    if given[order[0]] == given[order[-1]]:
        raise ValueError(f"all {len(given)} bids are {given[0]:g}; costs can be told from bids only where bids differ")
    return given[order], places


# ---- kernel densities -------------------------------------------------------------------------------------


def triweight(u: Any) -> Any:
    """35/32 (1 − u²)³ within ±1."""
    return 35 / 32 * np.clip(1 - np.square(u), 0.0, None) ** 3


def bandwidth(sample: Floats) -> float:
    """The rule of thumb h = 2.978 · 1.06 · sd · m^(−1/5), the constant of which is for the triweight kernel.

    The exponent is that of Guerre, Perrigne and Vuong (2000) for both of their steps.
    """
    return float(2.978 * 1.06 * np.std(sample, ddof=1) * len(sample) ** -0.2)


def kernel_sums(sample: Floats, at: Floats, h: float) -> Floats:
    """Σ_j K((x − x_j) / h) at each x of `at` (ascending), the sample counted on a grid of h / 256.

    A point counts at the two nodes beside it, the more the nearer it is (Wand 1994, J. Comput. Graph. Statist. 3), and
    sums are read between nodes on a straight line: both errors are of the order of (step / h)².

    >>> sample = np.array([0.0, 0.25, 1.0])
    >>> bool(np.allclose(kernel_sums(sample, sample, 0.5), triweight((sample[:, None] - sample) / 0.5).sum(1), 1e-4))
    True
    """
    low, step = float(at[0]) - h, h / STEPS
    nodes = math.ceil((float(at[-1]) + h - low) / step) + 2
    place = (sample - low) / step
    place = place[(place >= 0) & (place < nodes - 1)]
    node = place.astype(np.intp)
    share = place - node
    counts = np.bincount(node, 1 - share, nodes) + np.bincount(node + 1, share, nodes)
    sums = np.convolve(counts, triweight(np.arange(-STEPS, STEPS + 1) / STEPS), "same")
    return np.asarray(np.interp(at, low + step * np.arange(nodes), sums))


def mirrored(sample: Floats) -> Floats:
    """The sample (ascending) with its mirror images beyond both ends."""
    return np.concatenate([2 * sample[0] - sample, sample, 2 * sample[-1] - sample])


def bent(sample: Floats, h: float) -> Floats:
    """The sample (ascending) with images beyond both ends that are bent so that the density may have a slope there.

    A point at the distance y from an end has its image at y + d y² + 0.55 d² y³ beyond it, with d an estimate of
    f′ / f at the end (Karunamuni and Zhang 2008, Statist. Probab. Lett. 78, 499).
    """
    below, above = (_image(distance, h) for distance in (sample - sample[0], (sample[-1] - sample)[::-1]))
    return np.concatenate([sample[0] - below, sample, sample[-1] + above])


def _image(distance: Floats, h: float) -> Floats:
    """Distances (ascending, from 0) of the images beyond an end."""
    m = len(distance)
    near = h * m**-0.05
    # The constant of the end kernel's bandwidth: its own moments (1/10 and 24/5) beside the triweight's (1/9, 350/429).
    wide = near * ((1 / 9) ** 2 * (24 / 5) / ((1 / 10) ** 2 * (350 / 429))) ** 0.2
    u = distance[distance <= wide] / wide
    # Densities times `near`, so that the least they count as does not depend on the unit.
    end = float((12 * (1 - u) * (0.5 - u)).sum()) / m * near / wide
    inside = float(triweight((near - distance) / near).sum()) / m
    d = (math.log(inside + m**-2.0) - math.log(max(end, m**-2.0))) / near
    return np.asarray(distance + d * distance**2 + 0.55 * d**2 * distance**3)


def _costs(bids: Floats, n: int, density: Floats) -> Floats:
    """c = b − (1 − G) / ((n − 1) g) with G the share of bids of at most b."""
    above = 1 - np.searchsorted(bids, bids, side="right") / len(bids)
    return np.asarray(bids - above / ((n - 1) * density))


def plain(bids: ArrayLike, n: int) -> Floats:
    """Costs by a triweight kernel, with h = 2.978 · 1.06 · sd · m^(−1/5), of bids at least h from both ends.

    Args:
        bids: Of auctions with n suppliers each, shape (m,), in currency.
        n: Suppliers of an auction.

    Returns:
        Costs, shape (m,); NaN within h of the lowest and of the highest bid, where the density comes out too low.

    Raises:
        ValueError: as `ranked`.

    Source: Guerre, Perrigne and Vuong 2000, Econometrica 68, 525.

    >>> costs = np.linspace(0, 1, 201)
    >>> found = plain((1 + costs) / 2, 2)
    >>> bool(np.isnan(found[0])), f"{found[100]:.2f}"
    (True, '0.50')
    """
    ordered, places = ranked(bids, n, 20)
    h = bandwidth(ordered)
    costs = _costs(ordered, n, kernel_sums(ordered, ordered, h) / (len(ordered) * h))
    costs[(ordered < ordered[0] + h) | (ordered > ordered[-1] - h)] = np.nan
    return costs[places]


def reflected(bids: ArrayLike, n: int) -> Floats:
    """Costs as `plain` has them, with bids mirrored at both ends, so that none need be trimmed.

    The density is then right at an end where it is level; where it is not, the error is of the order of h.

    Args, raises: as `plain`.

    Source: Schuster 1985, Commun. Statist. 14, 1123 (mirroring).

    >>> costs = np.linspace(0, 1, 201)
    >>> f"{np.abs(reflected((1 + costs) / 2, 2) - costs).max():.2f}"
    '0.01'
    """
    ordered, places = ranked(bids, n, 20)
    h = bandwidth(ordered)
    return _costs(ordered, n, kernel_sums(mirrored(ordered), ordered, h) / (len(ordered) * h))[places]


def generalised(bids: ArrayLike, n: int) -> Floats:
    """Costs as `reflected` has them, with images bent to the slope of the density at each end.

    Args, raises: as `plain`.

    Source: Hickman and Hubbard 2015, J. Appl. Econometrics 30, 739, with the estimator of Karunamuni and Zhang 2008.

    >>> costs = np.linspace(0, 1, 201)
    >>> f"{np.abs(generalised((1 + costs) / 2, 2) - costs).max():.2f}"
    '0.02'
    """
    ordered, places = ranked(bids, n, 20)
    h = bandwidth(ordered)
    return _costs(ordered, n, kernel_sums(bent(ordered, h), ordered, h) / (len(ordered) * h))[places]


# ---- the default ------------------------------------------------------------------------------------------


def boundary(bids: ArrayLike, n: int) -> Floats:
    """Costs from the gaps between neighbouring bids, for each bid, increasing in the bid.

    With b_1 ≤ … ≤ b_m the gaps y_i = (m − i + 1)(b_i − b_(i−1)) are nearly independent and exponential, with the mean
    (1 − G) / g at that place (Pyke 1965). So c = b − (mean gap) / (n − 1), where the mean is estimated like this:

    1. A curve with positive coefficients is fitted by likelihood: of degree 1 in the share s = (b − b_1) / (b_m − b_1),
       of degrees 2 and 3 in √s. A line is where costs are linear in bids, as for uniform, exponential, Pareto and
       power costs; the root is how costs start where their density starts from 0.
    2. The gaps over that curve are smoothed over their ranks by Silverman's kernel, mirrored at both ends
       (`over_ranks`). The curve has taken up what they have of slope and end, so mirroring costs little. The bandwidth
       is that of greatest likelihood if departures are a smooth random curve, infinite where there is nothing to see.
    3. The curves times their departures are averaged by Akaike weights, and costs put in ascending order, which never
       takes them farther from increasing ones (Chernozhukov, Fernández-Val and Galichon 2009, Biometrika 96, 559).

    Bids that are the same share the gap below them and have the same cost. What it is worst at is a narrow hump amid
    costs that are spread evenly: the curve that suits the hump can be wrong for the lowest tenth of the bids.

    Args:
        bids: Of auctions with n suppliers each, shape (m,), in currency.
        n: Suppliers of an auction.

    Returns:
        Costs, shape (m,), none of them missing.

    Raises:
        ValueError: as `ranked`; at least 10 bids are needed.

    Source: Silverman 1984, Ann. Statist. 12, 898 (kernel); Hjort and Glad 1995, Ann. Statist. 23, 882 (a curve to start
    from); Burnham and Anderson 2002 (Akaike weights).

    >>> costs = np.linspace(0, 1, 201)
    >>> f"{np.abs(boundary((1 + costs) / 2, 2) - costs).max():.2f}"
    '0.00'
    """
    ordered, places = ranked(bids, n, 10)
    gaps = Gaps.between(ordered)
    tried = [_curve(gaps, degree) for degree in DEGREES]
    loss = np.array([each for _, each in tried])
    weights = np.exp(loss.min() - loss)
    gap = sum(weight * curve for weight, (curve, _) in zip(weights, tried)) / weights.sum()
    return np.sort(ordered - gap / (n - 1))[places]


@dataclass(frozen=True, eq=False)
class Gaps:
    """The gaps below bids, as parts of the whole range, for all bids above the lowest.

    Attributes:
        size: y, shape (gaps,).
        middle: Where on the range they lie, shape (gaps,), 0 to 1.
        bids: Where the bids lie, shape (m,), 0 to 1.
        rank: The place of each bid among the gaps, shape (m,), from 0 to their number.
        width: The range, in currency.
    """

    size: Floats
    middle: Floats
    bids: Floats
    rank: Floats
    width: float

    @classmethod
    def between(cls, ordered: Floats) -> Gaps:
        width = float(ordered[-1] - ordered[0])
        values, first, alike = np.unique((ordered - ordered[0]) / width, return_index=True, return_counts=True)
        # As many bid on, in the mean over those that are alike, and share the gap.
        left = len(ordered) - first[1:] - (alike[1:] - 1) / 2
        shared = left * np.diff(values) / alike[1:]
        rank = first + (alike + 1) / 2 - alike[0]
        rank[0] = 0.0
        middle = (values[1:] + values[:-1]) / 2
        each = np.repeat(np.arange(len(values)), alike)
        above = each[alike[0] :] - 1
        return cls(shared[above], middle[above], values[each], rank[each], width)


def _curve(gaps: Gaps, degree: int) -> tuple[Floats, float]:
    """The mean gap at each bid, in currency, and half of Akaike's criterion of it."""
    start, inside = _start(gaps, degree)
    ratio = gaps.size / inside
    kappa = _width(ratio)
    departure, freedom = over_ranks(ratio, kappa)
    departure = np.maximum(departure, 0.05)  # a mean gap is positive
    at = np.interp(gaps.rank, np.arange(len(ratio)) + 0.5, departure)
    loss = float((np.log(inside * departure) + ratio / departure).sum()) + degree + freedom
    return gaps.width * start * at, loss


def _start(gaps: Gaps, degree: int) -> tuple[Floats, Floats]:
    """A curve with positive Bernstein coefficients at the bids and in the gaps: mean gaps by exponential likelihood."""

    def terms(share: Floats) -> Floats:
        z = share if degree == 1 else np.sqrt(share)
        return np.stack([math.comb(degree, k) * z**k * (1 - z) ** (degree - k) for k in range(degree + 1)], axis=1)

    basis, mean = terms(gaps.middle), float(gaps.size.mean())
    prior = np.full(degree + 1, math.log(mean))

    def loss(logs: Floats) -> float:
        curve = basis @ np.exp(logs)
        return float((np.log(curve) + gaps.size / curve).sum() + PRIOR / 2 * ((logs - prior) ** 2).sum())

    logs, here = prior, loss(prior)
    for _ in range(200):
        weights = np.exp(logs)
        curve = basis @ weights
        ratio = gaps.size / curve
        pull = weights * ((1 - ratio) / curve @ basis)
        scaled = basis * weights / curve[:, None]
        bend = scaled.T @ (scaled * (2 * ratio - 1)[:, None]) + np.diag(pull + PRIOR)
        if np.linalg.eigvalsh(bend)[0] <= 0:  # far from the best: its mean, which always leads there
            bend = scaled.T @ scaled + np.diag(np.maximum(pull, 0.0) + PRIOR)
        step = -np.linalg.solve(bend, pull + PRIOR * (logs - prior))
        step /= max(1.0, float(np.abs(step).max()) / 2)
        if np.abs(step).max() < 1e-8:
            break
        while (then := loss(logs + step)) > here + 1e-8:
            step = step / 2
        logs, here = logs + step, then
    weights = np.exp(logs)
    return terms(gaps.bids) @ weights, basis @ weights


def over_ranks(values: Floats, kappa: float) -> tuple[Floats, float]:
    """Values smoothed over their ranks by Silverman's kernel, mirrored at both ends, and the degrees of freedom.

    With t the rank as a share of all, from 0 to 1, and h = 1 / (π κ), the kernel is K(u) = ½ e^(−|u|/√2)
    sin(|u|/√2 + π/4), which divides the k-th cosine over the ranks by 1 + (k / κ)⁴: no sum is cut short or binned.

    >>> smooth, freedom = over_ranks(np.array([1.0, 3.0, 1.0, 3.0]), 0.0)
    >>> smooth.round(9).tolist(), freedom
    ([2.0, 2.0, 2.0, 2.0], 1.0)
    """
    k = np.arange(len(values))
    kept = 1 / (1 + (k / kappa) ** 4) if kappa else (k == 0).astype(float)
    return fft.idct(kept * fft.dct(values, norm="ortho"), norm="ortho"), float(kept.sum())


def _width(ratio: Floats) -> float:
    """κ of greatest likelihood if the k-th cosine of the ratios has the variance 1 + (κ / k)⁴; 0 if none helps."""
    cosines = fft.dct(ratio, norm="ortho")[1 : FREQUENCIES + 1] ** 2
    variance = 1 + (WIDTHS[:, None] / np.arange(1, len(cosines) + 1)) ** 4
    loss = (np.log(variance) + cosines / variance - cosines).sum(axis=1) / 2
    best = int(np.argmin(loss))
    return float(WIDTHS[best]) if loss[best] < 0 else 0.0


CATALOGUE = (
    Inversion("plain", plain, False, 20, False, "Guerre, Perrigne and Vuong 2000, Econometrica 68, 525"),
    Inversion("reflected", reflected, True, 20, False, "Schuster 1985, Commun. Statist. 14, 1123"),
    Inversion("generalised", generalised, True, 20, False, "Hickman and Hubbard 2015, J. Appl. Econometrics 30, 739"),
    Inversion("boundary", boundary, True, 10, True, "Silverman 1984, Ann. Statist. 12, 898; Hjort and Glad 1995"),
)
