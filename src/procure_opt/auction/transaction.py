"""Transaction costs that past bids reveal: of preparing a bid, of changing a contract, of changing the supplier.

Each comes as an `Estimate`, with its standard error and the assumption without which it means nothing.

What entry and mark-ups are worth is read off bids without a bandwidth. A bidder who asks b gains b − c = X(b) / h(b),
with h the density of bids and X known from their distribution H alone; so the mean of anything it gains, weighted by w,
is ∫ w X db. That is a weighted sum of the bids in order, and as precise as a mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from procure_opt.auction import symmetric
from procure_opt.auction.kernels import boundary
from procure_opt.auction.past import NO, YES, PastBids, past_bids
from procure_opt.cells import (
    NUMBER,
    TEXT,
    BadTable,
    Problem,
    Table,
    as_text,
    check_unique,
    check_within,
    floats,
    read_table,
)

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
    """The measure over and again with auctions drawn with replacement, of which it is told how often each was drawn."""
    generator = np.random.default_rng(seed)
    draws = (np.bincount(generator.integers(0, auctions, auctions), minlength=auctions) for _ in range(replications))
    return np.array([measure(each) for each in draws], dtype=float)


def complete(past: PastBids) -> NDArray[np.bool_]:
    """Whether all bids of a bid's auction are known, not only those of some bidders."""
    return np.asarray(np.bincount(past.auctions)[past.auctions] == past.table["n"].to_numpy())


# --- What preparing a bid costs ---------------------------------------------------------------------------------------


class _Group(NamedTuple):
    """Bids that were made against the same competition."""

    n: int
    potential: int
    bids: Floats
    auctions: Places


class _Field(NamedTuple):
    """Who bid and who might have, by auction, and the bids in groups."""

    n: Places
    potential: Places
    reserve: Floats
    groups: tuple[_Group, ...]
    unanswered: int | None
    notes: tuple[str, ...]


Model = Literal["uninformed", "informed"]
Known = Literal["bidders", "potential"]


def entry_cost(
    bids: Table | PastBids,
    potential: int | str | None = None,
    *,
    reserve: float | None = None,
    model: Model = "uninformed",
    known: Known = "bidders",
    unanswered: int | None = None,
    replications: int = 200,
    seed: int = 0,
) -> Estimate:
    """What it costs to prepare a bid, from how many of those who could bid did.

    "uninformed" (Levin and Smith 1994, American Economic Review 84): suppliers enter before they know their cost,
    each with the probability p at which entry just pays,

        e = Σ_m Binom(N − 1, p)(m) π(m + 1),   π(n) = E[(b − c) S(c)^(n − 1)],   π(1) = r − E c.

    "informed" (Samuelson 1985, Economics Letters 17): they know their cost, and the one for whom entry just pays, at a
    cost of c*, wins only if it is alone: e = (r − c*)(1 − p)^(N − 1).

    p is n̄ / N if the tenders that nobody bid in are counted (`unanswered`), else that of the binomial distribution
    without its 0. No bandwidth is needed but for "informed" entry with "potential" bidders known, where c* takes the
    density of bids at the reserve.

    Args:
        bids: Past tenders (see `past_bids`) of like contracts, or bids brought to a common footing.
        potential: N, those who could have bid: a number, a column, or None for all who ever bid in the table.
        reserve: r, what one alone can ask. None: the mean of the column `reserve`; without one, the highest bid.
        model: When suppliers learn their cost.
        known: What they know of their competition when they bid: the number of "bidders", or only that of "potential"
            ones (then all who are alone, too, bid as the rest does).
        unanswered: Tenders without a bid, which stand in no table of bids.
        replications: Of the bootstrap, which draws auctions.
        seed: Of the bootstrap.

    Raises:
        BadTable: more bid than could.
        ValueError: there are fewer than 20 auctions, only one potential bidder, or no auction with two bidders.

    >>> import numpy as np
    >>> generator = np.random.default_rng(1)
    >>> rows = []
    >>> for auction in range(300):  # five who could bid at an entry cost of 0.06, costs uniform on [0, 1], r = 1
    ...     n = generator.binomial(5, 0.7434)
    ...     for bidder, cost in enumerate(generator.random(n)):
    ...         rows.append({"auction": auction, "bidder": bidder, "bid": cost + (1 - cost) / n if n > 1 else 1.0})
    >>> found = entry_cost(rows, potential=5, reserve=1.0, replications=50)
    >>> found.interval[0] < 0.06 < found.interval[1], found.se < 0.005
    (True, True)
    """
    if model not in ("uninformed", "informed") or known not in ("bidders", "potential"):
        raise ValueError(
            f'model is {model!r} and known is {known!r}; give "uninformed" or "informed", and "bidders" or "potential"'
        )
    field = _field(past_bids(bids), potential, reserve, unanswered, known)
    measure = partial(_ENTRY[model, known], field)
    once = np.ones(len(field.n), dtype=np.intp)
    value, drawn = measure(once), resampled(measure, len(field.n), replications, seed)
    notes = list(field.notes)
    for size, chance in _chances(field, once).items():
        notes.append(f"of {size} who could, each bid with probability {chance:.3f}")
        if chance == 1:
            notes.append("all bid in every tender: the figure is the most that entry can cost, not what it does")
    return Estimate(float(value), float(drawn.std(ddof=1)), _ENTRY_ASSUMPTION[model] + _KNOWN[known], tuple(notes))


def selective_entry(
    bids: Table | PastBids,
    potential: int | str,
    *,
    reserve: float | None = None,
    known: Known = "bidders",
    replications: int = 200,
    seed: int = 0,
) -> Estimate:
    """By how much those who bid cost more, in the mean, for each one more who could have bid.

    0 if suppliers enter before they know their cost; below 0 if those of low cost enter, who are the fewer of the more
    (Marmer, Shneyerov and Xu 2013, Journal of Econometrics 176, who compare all quantiles of the costs of those who
    bid, given n and N; here their mean, which needs no bandwidth). `p_value` tests for 0: "uninformed" entry is
    rejected in favour of "informed" if it is small and the value negative.

    Args:
        bids: Past tenders of like contracts.
        potential: The column with N, which must vary.
        reserve: As in `entry_cost`.
        known: As in `entry_cost`; with "bidders", N is varied at the same n.
        replications: Of the bootstrap, which draws auctions.
        seed: Of the bootstrap.

    Raises:
        ValueError: N does not vary (among auctions with the same n), or there are fewer than 20 auctions.

    >>> import numpy as np
    >>> generator = np.random.default_rng(1)
    >>> rows = []
    >>> for auction in range(400):  # the one third, or half, of the lowest cost bid
    ...     could, n = (4, 2) if auction % 2 else (6, 2)
    ...     for bidder, cost in enumerate(generator.random(n) * n / could):
    ...         rows.append({"auction": auction, "bidder": bidder, "bid": cost / 2 + n / could / 2, "could": could})
    >>> found = selective_entry(rows, "could", replications=50)
    >>> found.value < 0, found.p_value < 0.001
    (True, True)
    """
    field = _field(past_bids(bids), potential, reserve, None, known)
    rivals = {each.n if known == "bidders" else 0 for each in field.groups}
    if len({(each.n if known == "bidders" else 0, each.potential) for each in field.groups}) == len(rivals):
        at = " among auctions with the same number of bidders" if known == "bidders" else ""
        raise ValueError(
            f"the number of potential bidders does not vary{at} (of at least {GROUP} auctions each), so that it cannot "
            "be seen who stays away"
        )
    measure = partial(_selection, field, known)
    value = measure(np.ones(len(field.n), dtype=np.intp))
    drawn = resampled(measure, len(field.n), replications, seed)
    assumption = (
        "private, independent costs; the number of potential bidders varies for reasons that have nothing to do with "
        "what the work costs" + _KNOWN[known]
    )
    return Estimate(float(value), float(np.nanstd(drawn, ddof=1)), assumption, field.notes)


def _field(
    past: PastBids, potential: int | str | None, reserve: float | None, unanswered: int | None, known: Known
) -> _Field:
    table, auctions, notes = past.table, past.auctions, list[str]()
    if len(past.set_aside):
        notes.append(f"{len(past.set_aside)} bids are set aside: who made them is not counted among those who bid")
    first = np.unique(auctions, return_index=True)[1]
    if len(first) < LEAST:
        raise ValueError(f"there are {len(first)} auctions; at least {LEAST} are needed for a standard error")
    if potential is None:
        potential = int(table["bidder"].nunique())
        notes.append(f"the {potential} who ever bid are taken for all who could have bid in every tender")
    if isinstance(potential, str):
        could = _amounts(table, (potential,))[first, 0].astype(np.intp)
    else:
        could = np.full(len(first), potential, dtype=np.intp)
    n = table["n"].to_numpy(dtype=np.intp)[first]
    said = potential if isinstance(potential, str) else None
    problems = [
        Problem("bids", int(row), said, f"{bid} bid where {may} could: potential bidders include those who bid")
        for row, bid, may in zip(table.index[first], n, could)
        if bid > may
    ]
    if problems:
        raise BadTable(problems)
    if could.min() < 2:
        raise ValueError("only one could bid: there is no entry to learn from; give potential= of at least 2")
    if unanswered is not None and len({*could.tolist()}) > 1:
        raise ValueError("unanswered is one number, and potential bidders vary; estimate each number of them by itself")
    asked = _reserves(table, first, reserve, notes)
    groups = _groups(past, n, could, known, notes)
    if not groups:
        raise ValueError(f"no {GROUP} auctions have the same number of bidders, of at least 2; nothing can be compared")
    return _Field(n, could, asked, groups, unanswered, tuple(notes))


def _reserves(table: pd.DataFrame, first: Places, reserve: float | None, notes: list[str]) -> Floats:
    highest = float(table["bid"].max())
    if reserve is not None:
        if reserve < highest:
            raise ValueError(f"reserve is {reserve:g}, and there is a bid of {highest:g}; give the ceiling of all bids")
        return np.full(len(first), float(reserve))
    given = table["reserve"].to_numpy(dtype=float)[first] if "reserve" in table else np.full(len(first), np.nan)
    if np.isnan(given).any():
        notes.append(f"the highest bid, {highest:g}, stands for the reserve of {np.isnan(given).sum()} auctions")
    return np.where(np.isnan(given), highest, given)


def _groups(past: PastBids, n: Places, could: Places, known: Known, notes: list[str]) -> tuple[_Group, ...]:
    """Bids in order, by n and N, or by N alone if that is all that bidders know."""
    bid, auctions, all_known = past.table["bid"].to_numpy(dtype=float), past.auctions, complete(past)
    keys = np.column_stack([n if known == "bidders" else np.zeros_like(n), could])
    kinds, kind = np.unique(keys, axis=0, return_inverse=True)
    kind = kind.ravel()
    order = np.lexsort((bid, kind[auctions]))
    ends = np.cumsum(np.bincount(kind[auctions], minlength=len(kinds)))[:-1]
    found, counted = [], np.bincount(kind, minlength=len(kinds))
    for number, (rows, (rivals, may)) in enumerate(zip(np.split(order, ends), kinds.tolist())):
        if known == "bidders" and rivals == 1:
            continue
        used = rows[all_known[rows]]
        which = f" (n = {rivals}, N = {may})" if known == "bidders" else f" (N = {may})"
        if (left := counted[number] - len(np.unique(auctions[used]))) > 0:
            notes.append(f"{left} auctions{which}, of which not all bids are known, serve only to count who bid")
        if counted[number] - left < GROUP:
            notes.append(f"{counted[number] - left} auctions{which} are few and serve only to count who bid")
            continue
        found.append(_Group(rivals, may, bid[used], auctions[used]))
    return tuple(found)


def _chances(field: _Field, counts: Places) -> dict[int, float]:
    """p for each N."""
    chances = {}
    for size in np.unique(field.potential).tolist():
        weights = np.where(field.potential == size, counts, 0)
        if not weights.any():
            continue
        if field.unanswered is not None:
            chances[size] = float(weights @ field.n) / (size * (weights.sum() + field.unanswered))
        else:
            chances[size] = _chance(float(weights @ field.n / weights.sum()), size)
    return chances


def _chance(mean: float, size: int) -> float:
    """p of Binom(N, p) without its 0, from the mean: N p / (1 − (1 − p)^N)."""
    if mean >= size:
        return 1.0
    if mean <= 1:
        return 0.0

    def over(p: float) -> float:
        return size * p + mean * math.expm1(size * math.log1p(-p))

    return float(optimize.brentq(over, 1e-12, 1 - 1e-12, xtol=1e-14))


def _over_groups(field: _Field, counts: Places, each: Callable[[_Group, Places, float, float], float]) -> float:
    """The mean of a measure of each group, told its weights, p and reserve, by the bids of the groups."""
    chances, total, weight = _chances(field, counts), 0.0, 0
    for group in field.groups:
        counted = counts[group.auctions]
        if not counted.any() or not chances[group.potential] > 0:
            continue
        reserve = float(np.average(field.reserve[group.auctions], weights=counted))
        total += float(counted.sum()) * each(group, counted, chances[group.potential], reserve)
        weight += int(counted.sum())
    return float(total / weight) if weight else math.nan


def _uninformed_known(field: _Field, counts: Places) -> float:
    """∫ F (1 − pF)^(N − 1) dc up to the reserve, which the sum over m comes to, with dc written in bids."""

    def earned(group: _Group, weights: Places, p: float, reserve: float) -> float:
        n, size = group.n, group.potential

        def curve(t: Floats) -> Floats:
            stay = 1 - p * t
            slope = stay ** (size - 1) - (size - 1) * p * t * stay ** (size - 2)
            return np.asarray(t * stay ** (size - 1) + (1 - t) * slope / (n - 1))

        return area(group.bids, weights, curve, reserve)

    return _over_groups(field, counts, earned)


def _uninformed_potential(field: _Field, counts: Places) -> float:
    """E[(b − c) (1 − pH)^(N − 1)], with b − c = (1 − pH) / ((N − 1) p h)."""

    def earned(group: _Group, weights: Places, p: float, reserve: float) -> float:
        size = group.potential
        return area(group.bids, weights, lambda t: (1 - p * t) ** size / ((size - 1) * p), reserve)

    return _over_groups(field, counts, earned)


def _informed_known(field: _Field, counts: Places) -> float:
    """The marginal bidder has the highest cost of those who bid, and bids it if it is not alone."""

    def earned(group: _Group, weights: Places, p: float, reserve: float) -> float:
        counted = np.flatnonzero(weights)[-2:]
        highest = min(reserve, 2 * group.bids[counted[-1]] - group.bids[counted[0]])
        return float((reserve - highest) * (1 - p) ** (group.potential - 1))

    return _over_groups(field, counts, earned)


def _informed_potential(field: _Field, counts: Places) -> float:
    """The marginal bidder bids the reserve r, at a mark-up of (1 − p) / ((N − 1) p h(r))."""

    def earned(group: _Group, weights: Places, p: float, reserve: float) -> float:
        size = group.potential
        return float((1 - p) ** size) / ((size - 1) * p) * _slope_at_top(group.bids, weights, reserve)

    return _over_groups(field, counts, earned)


def _slope_at_top(bids: Floats, weights: Places, reserve: float) -> float:
    """1 / h at the reserve: the slope there of a cubic that ends in it, through the upper quantiles."""
    shares = (np.cumsum(weights) - weights / 2) / weights.sum()
    window = min(1.0, 2 / math.pow(len(bids), 1 / 7))
    upper = (shares > 1 - window) & (weights > 0)
    root = np.sqrt(weights[upper])
    from_top = (1 - shares[upper]) / window
    powers = np.stack([from_top, from_top**2, from_top**3], axis=1)
    fitted = np.linalg.lstsq(powers * root[:, None], (reserve - bids[upper]) * root, rcond=None)[0]
    return max(0.0, float(fitted[0]) / window)


def _selection(field: _Field, known: Known, counts: Places) -> float:
    """The slope, in N, of the mean cost of those who bid, with n held fixed if it is known."""
    chances = _chances(field, counts)
    means = [
        (group.n, group.potential, counts[group.auctions].sum(), _mean_cost(field, group, counts, chances, known))
        for group in field.groups
        if counts[group.auctions].any()
    ]
    n, size, weight, cost = (np.array(column, dtype=float) for column in zip(*means))
    stratum = np.unique(n, return_inverse=True)[1]
    off = size - (np.bincount(stratum, weight * size) / np.bincount(stratum, weight))[stratum]
    spread = float((weight * off**2).sum())
    return float((weight * off * cost).sum()) / spread if spread > 0 else math.nan


def _mean_cost(field: _Field, group: _Group, counts: Places, chances: dict[int, float], known: Known) -> float:
    """The mean bid less the mean mark-up."""
    weights, p, rivals = counts[group.auctions], 1.0, group.n - 1.0
    if known == "potential":
        p = chances[group.potential]
        rivals = (group.potential - 1) * p
    reserve = float(np.average(field.reserve[group.auctions], weights=weights))
    markup = area(group.bids, weights, lambda t: (1 - p * t) / rivals, reserve)
    return float(np.average(group.bids, weights=weights)) - markup


_ENTRY: dict[tuple[Model, Known], Callable[[_Field, Places], float]] = {
    ("uninformed", "bidders"): _uninformed_known,
    ("uninformed", "potential"): _uninformed_potential,
    ("informed", "bidders"): _informed_known,
    ("informed", "potential"): _informed_potential,
}
_ENTRY_ASSUMPTION: dict[Model, str] = {
    "uninformed": "private, independent costs; suppliers alike, who enter before they know their cost, and as long as "
    "it pays; the reserve turns nobody away",
    "informed": "private, independent costs; suppliers alike, who know their cost before they enter, and do if it pays",
}
_KNOWN: dict[Known, str] = {
    "bidders": "; they know how many bid",
    "potential": "; they know how many could bid, and not how many do",
}


# --- What changing a contract costs -----------------------------------------------------------------------------------

GAINS = ("positive", "extra")  # paid to the supplier: a bid is lower by them, but for what they cost to get
LOSSES = ("negative", "deductions")  # taken from it: a bid is higher by them, and by what they cost on top
ITEMS: dict[str, Any] = {
    "auction": TEXT, "bidder": TEXT, "item": TEXT, "price": NUMBER, "expected": NUMBER, "actual": NUMBER,
    "estimate": NUMBER,
}  # fmt: skip


class _Fit(NamedTuple):
    """Coefficients, their covariance, and the number of clusters."""

    coefficients: Floats
    covariance: Floats
    clusters: int


def adaptation_costs(
    bids: Table | PastBids,
    items: Table | None = None,
    *,
    size: str | None = None,
    covariates: Sequence[str] = (),
    effects: Sequence[str] = ("n",),
    instruments: Sequence[str] = (),
    replications: int = 100,
    seed: int = 0,
) -> dict[str, Estimate]:
    """What it costs to change a contract after the award, for each unit of money that is changed.

    A bidder who expects to be paid A more, and D less, than it bids, asks for that less, and for what haggling costs it
    more (Bajari, Houghton and Tadelis 2014, American Economic Review 104):

        bid = cost + mark-up − (A + X) + (N + D) + K,   K = τ_A A + τ_X X + τ_N N + τ_D D.

    Lump-sum form (no `items`): least squares of the bid on A, X, N and D, so that τ is 1 + the coefficient of what is
    paid (A, X), and the coefficient of what is taken (N, D) − 1. Standard errors are clustered by auction.

    Unit-price form (`items`): a bidder is paid its price for what is done, and ranked by its price for what was
    announced. It asks more for what it expects to overrun, as far as a lopsided bid costs it, here
    P = σ Σ e q^e (b/e − s/E)², with e the estimated price, s = Σ b q^e and E = Σ e q^e. The first-order condition is

        Σ b q^a − P + A + X − N − D − (ā / hazard(s)) = cost + K,   ā = Σ e q^a / E,   b/e = s/E + (q^a/q^e − ā) / 2σ.

    1/2σ is estimated from the last, the hazard of the lowest rival score from scores of auctions with the same n,
    cleared of what all bidders of an auction have in common, and τ from the first by least squares. Standard errors
    are those of a bootstrap of all that, which draws auctions.

    Args:
        bids: Past tenders; at least one column of `positive` (A, adjustments paid), `extra` (X, extra work paid),
            `negative` (N, adjustments taken), `deductions` (D), all as amounts of at least 0. They are what bidders
            expected. What came about is that plus surprises, which draw τ towards 1 (A, X) or −1 (N, D) in the lump-sum
            form: give `instruments`.
        items: One row for each unit price: `auction`, `bidder`, `item`, `price`, `expected` (announced quantity),
            `actual` and `estimate` (the engineer's unit price).
        size: A column by which bids and amounts are divided (the engineer's estimate), so that large contracts do not
            outweigh the rest. Not with items, which are divided by Σ e q^a.
        covariates: Columns that costs depend on (shares of the size, if there is one).
        effects: Columns with a constant for each of their values; by default the number of bidders `n`, for mark-ups.
        instruments: Columns known at the time of the bids, as many as there are amounts or more (two-stage least
            squares); amounts of money, which are divided by the size too.
        replications: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        An estimate of τ for each amount there is; `"share"`, K as a share of the winning bids (published: 0.075–0.14
        for highway paving); in unit-price form also `"skew"`, 1/2σ: by how many percent of the estimate a unit price
        rises for each percent of overrun (published: 0.05).

    Raises:
        BadTable: a column is missing, an amount is blank or below 0, an item is given twice or belongs to no bid, or
            the items of a bid do not add up to it.
        ValueError: there are too few auctions, or the columns cannot be told apart.

    >>> import numpy as np
    >>> generator = np.random.default_rng(3)
    >>> rows = []
    >>> for auction in range(200):
    ...     gain, loss = generator.uniform(0, 20, 2)
    ...     for bidder, cost in enumerate(generator.uniform(80, 120, 4)):  # equilibrium: cost + (120 − cost) / 4
    ...         bid = cost + (120 - cost) / 4 - 0.2 * gain + 2.5 * loss
    ...         rows.append({"auction": auction, "bidder": bidder, "bid": bid, "positive": gain, "deductions": loss})
    >>> found = adaptation_costs(rows)
    >>> [(name, round(each.value, 1), each.se < 0.1) for name, each in found.items()]
    [('positive', 0.9, True), ('deductions', 1.4, True), ('share', 0.2, True)]
    """
    past = past_bids(bids)
    if past.table["auction"].nunique() < LEAST:
        raise ValueError(f"there are {past.table['auction'].nunique()} auctions; at least {LEAST} are needed")
    names, amounts = _expected(past.table)
    if items is None:
        return _lump_sums(past, names, amounts, size, covariates, effects, instruments)
    if size is not None or instruments:
        raise ValueError("size= and instruments= are for the lump-sum form; with items leave them out")
    return _unit_prices(past, items, names, amounts, covariates, effects, replications, seed)


def _expected(table: pd.DataFrame) -> tuple[tuple[str, ...], Floats]:
    """The amounts there are, and each bid's, shape (bids, amounts)."""
    names = tuple(name for name in GAINS + LOSSES if name in table)
    if not names:
        reason = "no column positive, extra, negative or deductions: nothing says what bidders expected to be changed"
        raise BadTable([Problem("bids", 1, None, reason)])
    amounts = _amounts(table, names)
    problems: list[Problem] = []
    for name in names:
        check_within("bids", table, name, 0.0, math.inf, problems.append)
    if problems:
        raise BadTable(problems)
    return names, amounts


def _sign(names: Sequence[str]) -> Floats:
    return np.array([1.0 if name in GAINS else -1.0 for name in names])


def _lump_sums(
    past: PastBids, names: tuple[str, ...], amounts: Floats, size: str | None, covariates: Sequence[str],
    effects: Sequence[str], instruments: Sequence[str],
) -> dict[str, Estimate]:  # fmt: skip
    table = past.table
    bid, won = table["bid"].to_numpy(dtype=float), table["winner"].to_numpy(dtype=bool)
    scale = np.ones(len(table))
    if size is not None:
        scale, problems = _amounts(table, (size,))[:, 0], list[Problem]()
        check_within("bids", table, size, 0.0, math.inf, problems.append, open_below=True)
        if problems:
            raise BadTable(problems)
    controls = [_amounts(table, covariates), *_codes(table, effects)]
    known = _amounts(table, instruments) / scale[:, None] if instruments else None
    fit = _least_squares(bid / scale, amounts / scale[:, None], controls, past.auctions, names, known)
    tau, gradient = fit.coefficients + _sign(names), amounts[won].sum(axis=0) / bid[won].sum()
    errors = [*np.sqrt(np.diag(fit.covariance)), math.sqrt(gradient @ fit.covariance @ gradient)]
    assumption = _LUMP + (_AS_INSTRUMENTED if instruments else _AS_EXPECTED)
    notes = past.notes + _few(fit.clusters, "auctions")
    return {
        name: Estimate(float(value), float(se), assumption, notes, fit.clusters - 1.0)
        for name, value, se in zip([*names, "share"], [*tau, tau @ gradient], errors)
    }


def _amounts(table: pd.DataFrame, names: Sequence[str]) -> Floats:
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


def _codes(table: pd.DataFrame, names: Sequence[str]) -> Iterator[Places]:
    missing = [Problem("bids", 1, name, "the column is missing") for name in names if name not in table]
    if missing:
        raise BadTable(missing)
    return (np.asarray(pd.factorize(table[name])[0], dtype=np.intp) for name in names)


def _within(values: Floats, effects: Sequence[Places]) -> Floats:
    """Values less the mean of their kind, for every sort of kinds; one after the other until nothing changes."""
    small = 1e-12 * np.abs(values).max(axis=0)
    values = values - values.mean(axis=0)
    for _ in range(1000):
        before = values
        for kind in effects:
            counts = np.maximum(np.bincount(kind), 1)
            means = np.stack([np.bincount(kind, column) / counts for column in values.T], axis=1)
            values = values - means[kind]
        if len(effects) < 2 or (np.abs(values - before) <= small).all():
            return values
    raise ValueError("effects cannot be told apart: leave out those that say nearly the same")


def _least_squares(
    y: Floats, x: Floats, controls: Sequence[Any], cluster: Places, names: Sequence[str], known: Floats | None = None
) -> _Fit:
    """Coefficients of x, with covariates (first of the controls) and effects (the rest), errors clustered (CR1).

    Liang and Zeger (1986), Biometrika 73. With `known`, two-stage least squares.
    """
    covariates, effects = controls[0], controls[1:]
    if known is not None and known.shape[1] < x.shape[1]:
        raise ValueError(f"there are {known.shape[1]} instruments for {x.shape[1]} amounts; give one for each at least")
    regressors = _within(np.hstack([x, covariates]), effects)
    z = regressors if known is None else _within(np.hstack([known, covariates]), effects)
    target = _within(y[:, None], effects)[:, 0]
    scale = np.sqrt((regressors**2).mean(axis=0))
    flat = [name for name, each in zip([*names, *["a covariate"] * covariates.shape[1]], scale) if not each > 1e-9]
    fitted = regressors if known is None else z @ np.linalg.lstsq(z, regressors, rcond=None)[0]
    if flat or np.linalg.matrix_rank(fitted / np.where(scale > 0, scale, 1.0), tol=1e-7 * math.sqrt(len(y))) < len(
        scale
    ):
        which = f"{' and '.join(flat)} {'does' if len(flat) == 1 else 'do'} not vary" if flat else "some say the same"
        raise ValueError(f"the columns cannot be told apart once effects are taken out: {which}")
    bread = np.linalg.inv(fitted.T @ fitted)
    coefficients = bread @ (fitted.T @ target)
    score = fitted * (target - regressors @ coefficients)[:, None]
    summed = np.stack([np.bincount(cluster, column) for column in score.T], axis=1)
    clusters, free = len(summed), len(y) - len(scale) - 1 - sum(int(kind.max()) for kind in effects)
    if free <= 0:
        raise ValueError(f"{len(y)} bids are too few for that many columns and effects")
    correction = clusters / (clusters - 1) * (len(y) - 1) / free
    covariance = correction * bread @ (summed.T @ summed) @ bread
    wanted = slice(0, x.shape[1])
    return _Fit(coefficients[wanted], covariance[wanted, wanted], clusters)


def _few(clusters: int, what: str) -> tuple[str, ...]:
    return (f"{clusters} {what} are few: standard errors are on the low side",) if clusters < FEW else ()


def _margins(scores: Floats, n: Places) -> Floats:
    """The mark-up (1 − G) / ((n − 1) g) of each score against those of auctions with as many bidders."""
    margins = np.empty_like(scores)
    for size in np.unique(n).tolist():
        some = n == size
        margins[some] = scores[some] - boundary(scores[some], size)
    return margins


class _Prices(NamedTuple):
    """What the items of each bid come to, shape (bids,), and the terms of the skew, by item."""

    size: Floats  # Σ e q^e
    done: Floats  # Σ e q^a, the estimate of what was done
    paid: Floats  # Σ b q^a
    overrun: Floats  # Σ e q^e (q^a/q^e − ā)²
    tilt: Floats  # Σ e q^e (b/e − s/E)(q^a/q^e − ā)


def _prices(past: PastBids, items: Table) -> _Prices:
    table = past.table
    problems: list[Problem] = []
    rows = read_table("items", items, problems.append, ITEMS, tuple(ITEMS))
    if not problems:
        check_unique("items", rows, ["auction", "bidder", "item"], problems.append)
        for name in ("expected", "estimate"):
            check_within("items", rows, name, 0.0, math.inf, problems.append, open_below=True)
        for name in ("actual", "price"):
            check_within("items", rows, name, 0.0, math.inf, problems.append)
    key = ["auction", "bidder"]
    belongs = pd.MultiIndex.from_frame(rows[key])
    code = pd.MultiIndex.from_frame(table[key]).get_indexer(belongs)
    aside = belongs.isin(pd.MultiIndex.from_frame(past.set_aside[key]))
    for row in rows.index[(code < 0) & ~aside]:
        problems.append(Problem("items", int(row), None, "there is no such bid"))
    if problems:
        raise BadTable(problems)
    rows, code = rows[code >= 0], code[code >= 0]
    price, expected, actual, estimate = (floats(rows, name) for name in ("price", "expected", "actual", "estimate"))

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(code, values, minlength=len(table)), dtype=float)

    score, bid = total(price * expected), table["bid"].to_numpy(dtype=float)
    for row, asked, summed in zip(table.index, bid, score):
        if abs(asked - summed) > 1e-6 * asked:
            reason = f"the bid is {asked:g}, and its items come to {summed:g} (price × expected)" if summed else (
                "the bid has no items"
            )  # fmt: skip
            problems.append(Problem("bids", int(row), "bid", reason))
    if problems:
        raise BadTable(problems)
    size, done = total(estimate * expected), total(estimate * actual)
    if not done.min() > 0:
        row = int(table.index[done <= 0][0])
        raise BadTable([Problem("bids", row, None, "nothing of the contract was done: all actual quantities are 0")])
    overrun = actual / expected - (done / size)[code]
    above = price / estimate - (score / size)[code]
    weight = estimate * expected
    return _Prices(size, done, total(price * actual), total(weight * overrun**2), total(weight * above * overrun))


def _unit_prices(
    past: PastBids, items: Table, names: tuple[str, ...], amounts: Floats, covariates: Sequence[str],
    effects: Sequence[str], replications: int, seed: int,
) -> dict[str, Estimate]:  # fmt: skip
    table, auctions = past.table, past.auctions
    prices = _prices(past, items)
    n = table["n"].to_numpy(dtype=np.intp)
    usable, notes = _comparable(np.where(complete(past), n, 0), auctions)
    kept = np.flatnonzero(usable)
    bid, won = table["bid"].to_numpy(dtype=float), table["winner"].to_numpy(dtype=bool)
    shares = amounts / prices.done[:, None]
    free = _amounts(table, covariates)
    kinds = [*_codes(table, [name for name in effects if name != "n"])]

    def fit(rows: Places) -> Floats:
        weight = float((prices.overrun[rows] / prices.size[rows]).sum())
        skew = float((prices.tilt[rows] / prices.size[rows]).sum()) / weight if weight > 0 else 0.0
        lopsided = max(0.0, skew) * prices.overrun / prices.done
        common = np.column_stack([shares, free, prices.overrun / prices.done])[rows]
        score = _cleared((bid / prices.size)[rows], common, [n[rows], *(kind[rows] for kind in kinds)])
        margin = _margins(score, n[rows])
        y = (prices.paid / prices.done - lopsided / 2 + shares @ _sign(names))[rows] - margin
        regressors = _within(np.hstack([shares, free])[rows], [kind[rows] for kind in kinds])
        target = _within(y[:, None], [kind[rows] for kind in kinds])[:, 0]
        tau = np.linalg.lstsq(regressors, target, rcond=None)[0][: len(names)]
        winners = rows[won[rows]]
        return np.append(tau, [tau @ amounts[winners].sum(axis=0) / bid[winners].sum(), skew])

    # said once, of all auctions: columns that cannot be told apart are an error here, not a number
    _least_squares(bid[kept], shares[kept], [free[kept], *(kind[kept] for kind in kinds)], auctions[kept], names)
    value = fit(kept)
    number = np.unique(auctions[kept], return_inverse=True)[1]
    order = np.argsort(number, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(number)))

    def again(counts: Places) -> Floats:
        drawn = np.repeat(np.arange(len(counts)), counts)
        return fit(kept[np.concatenate([order[starts[each] : starts[each + 1]] for each in drawn])])

    se = resampled(again, len(starts) - 1, replications, seed).std(axis=0, ddof=1)
    notes = [*past.notes, *notes]
    if not value[-1] > 0:
        notes.append("unit prices do not rise with what is overrun: lopsided bids are taken to cost nothing")
    return {
        name: Estimate(float(each), float(error), _UNIT + _AS_EXPECTED, tuple(notes))
        for name, each, error in zip([*names, "share", "skew"], value, se)
    }


def _comparable(n: Places, auctions: Places) -> tuple[NDArray[np.bool_], list[str]]:
    """Bids with rivals, in auctions of whose number of bidders there are enough for a hazard."""
    sizes = n[np.unique(auctions, return_index=True)[1]]
    counted, notes = np.bincount(sizes), []
    for size in np.unique(sizes).tolist():
        if size == 0:
            notes.append(f"{counted[size]} auctions are left out, because not all of their bids are known")
        elif size < 2 or counted[size] < LEAST:
            notes.append(f"{counted[size]} auctions with {size} bidders are left out: {LEAST} with rivals are needed")
    usable = (n > 1) & (counted[n] >= LEAST)
    if not usable.any():
        raise ValueError(f"no {LEAST} auctions have the same number of bidders, of at least 2: no mark-up can be told")
    return usable, notes


def _cleared(score: Floats, common: Floats, effects: Sequence[Places]) -> Floats:
    """Scores less what all bidders of an auction have in common, but for the level of each number of bidders."""
    inside = _within(np.column_stack([score, common]), effects)
    slope = np.linalg.lstsq(inside[:, 1:], inside[:, 0], rcond=None)[0]
    return np.asarray(score - common @ slope)


_AS_EXPECTED = "; the amounts are what bidders expected"
_AS_INSTRUMENTED = "; the instruments were known to bidders, and move bids through the expected amounts alone"
_LUMP = (
    "private costs, and mark-ups that depend on the number of bidders alone; changes are expected alike by all bidders "
    "of a tender, and what is paid and taken for them passes into bids in full"
)
_UNIT = (
    "private, independent costs of suppliers alike; each bids its best against the others, knowing the quantities that "
    "will be done; a lopsided bid costs the square of how lopsided it is"
)


# --- What changing the supplier costs ---------------------------------------------------------------------------------


def incumbency(bids: Table | PastBids, *, values: str | None = None, distribution: Any = None) -> dict[str, Estimate]:
    """What it is worth to hold the contract already, and what it costs the buyer to change the supplier.

    Looks at tenders in which the incumbent and somebody else bid:

    - `"bids"`: by how much the incumbent bids more than its rivals in the same tender, as the mean difference of logs
      (about a share), or of the column `values` as it stands, estimated costs for instance. Auction effects.
    - `"advantage"`: the δ by which the incumbent's cost would have to be lower for it to win as often as it does, where
      the lowest cost wins: P = ∫ f(c) S(c − δ)^m dc with m rivals; for costs uniform on [0, 1],
      δ + (1 − δ^(m + 1)) / (m + 1).
    - `"premium"`: what the buyer paid above the lowest rival bid to keep the incumbent, in the mean of all these
      tenders: changing the supplier costs at least that in the mean, since it was paid to be spared it.
    - `"saving"`: how much lower the new supplier's bid was where the incumbent was left: there, changing the supplier
      cost at most that in the mean.

    Standard errors are clustered by service where it is known, else by auction.

    Args:
        bids: Past tenders, with a column `incumbent` (yes or no), or with `service`, `date` and `winner`: the incumbent
            is then who won the tender of the same service before.
        values: A column to compare in the place of logs of bids.
        distribution: Of the rivals' costs, for δ (see `Market`). None: uniform, and δ is a share of their spread.

    Raises:
        BadTable: nothing tells who the incumbent is, a tender has two, or tenders of a service fall on one day.
        ValueError: there are fewer than 20 tenders in which an incumbent met a rival.

    References: Greenstein (1993), RAND Journal of Economics 24, on incumbents in repeated procurement.

    >>> import numpy as np
    >>> generator = np.random.default_rng(2)
    >>> rows = []
    >>> for auction in range(400):  # a rival's costs are uniform on [0, 1], the incumbent's lower by 0.3; bids 2 + cost
    ...     for bidder, cost in enumerate(generator.random(3) - [0.3, 0, 0]):
    ...         rows.append({"auction": auction, "bidder": bidder, "bid": 2 + cost, "incumbent": int(bidder == 0)})
    >>> found = incumbency(rows)
    >>> round(found["advantage"].value, 1), round(found["advantage"].se, 2), round(found["bids"].value, 2)
    (0.3, 0.03, -0.13)
    """
    past = past_bids(bids)
    table, auctions, notes = past.table, past.auctions, [*past.notes]
    incumbent = _incumbents(table, auctions)
    holders = np.bincount(auctions, incumbent)
    contested = (holders[auctions] == 1) & (np.bincount(auctions)[auctions] > 1)
    left_out = len(np.unique(auctions)) - len(np.unique(auctions[contested]))
    if left_out:
        notes.append(f"{left_out} auctions in which no incumbent, or nobody else, bid are left out")
    meeting, auction = np.unique(auctions[contested], return_inverse=True)
    if len(meeting) < LEAST:
        raise ValueError(f"an incumbent met a rival in {len(meeting)} auctions; at least {LEAST} are needed")
    rows, holds = table[contested], incumbent[contested]
    first = np.unique(auction, return_index=True)[1]
    by = rows["service"] if "service" in rows else rows["auction"]
    cluster = np.asarray(pd.factorize(by)[0], dtype=np.intp)
    notes += _few(int(cluster.max()) + 1, "services" if "service" in rows else "auctions")
    y = np.log(rows["bid"].to_numpy(dtype=float)) if values is None else _amounts(rows, (values,))[:, 0]
    told = tuple(notes)
    return {
        "bids": _bids_of_incumbents(y, holds, auction, cluster, told),
        "advantage": _advantage(rows, holds, auction, cluster[first], distribution, told),
        **_switching(rows, holds, auction, cluster[first], told),
    }


def _incumbents(table: pd.DataFrame, auctions: Places) -> NDArray[np.bool_]:
    """Whether each bid is the incumbent's."""
    problems: list[Problem] = []
    if "incumbent" in table:
        said = as_text(table["incumbent"]).str.lower()
        for row in table.index[~said.isin([*YES, *NO])]:
            reason = f"{table['incumbent'][row]!r} is neither yes nor no: write 1 or 0"
            problems.append(Problem("bids", int(row), "incumbent", reason))
        holds = said.isin(YES).to_numpy(dtype=bool)
        twice = np.bincount(auctions, holds)[auctions] > 1
        for row in table.index[twice & holds]:
            problems.append(Problem("bids", int(row), "incumbent", "the auction has another incumbent"))
    else:
        for name in ("service", "date"):
            if name not in table:
                reason = "the column is missing; give incumbent, or service and date to see who won before"
                problems.append(Problem("bids", 1, name, reason))
        if problems:
            raise BadTable(problems)
        holds = _won_before(table, auctions, problems)
    if problems:
        raise BadTable(problems)
    return holds


def _won_before(table: pd.DataFrame, auctions: Places, problems: list[Problem]) -> NDArray[np.bool_]:
    first = np.unique(auctions, return_index=True)[1]
    tenders = table.iloc[first][["service", "date"]]
    for row in tenders.index[tenders["date"].isna()]:
        problems.append(Problem("bids", int(row), "date", "the date is blank: it says which tender came before"))
    for row in tenders.index[tenders.duplicated() & tenders["date"].notna()]:
        reason = f"another tender of {tenders['service'][row]!r} has that date: it cannot be told which came before"
        problems.append(Problem("bids", int(row), "date", reason))
    winners = np.full(len(first), "", dtype=object)
    won = table["winner"].to_numpy(dtype=bool)
    winners[auctions[won]] = table["bidder"].to_numpy(dtype=object)[won]
    ordered = tenders.assign(winner=winners).sort_values("date", kind="stable")
    before = ordered.groupby("service")["winner"].shift().reindex(tenders.index).to_numpy(dtype=object)
    return np.asarray(table["bidder"].to_numpy(dtype=object) == before[auctions], dtype=bool)


def _bids_of_incumbents(
    y: Floats, holds: NDArray[np.bool_], auction: Places, cluster: Places, notes: tuple[str, ...]
) -> Estimate:
    fit = _least_squares(y, holds[:, None].astype(float), [np.empty((len(y), 0)), auction], cluster, ("incumbent",))
    assumption = "what else makes an incumbent and its rivals differ is the same for all of them within a tender"
    return Estimate(
        float(fit.coefficients[0]), math.sqrt(float(fit.covariance[0, 0])), assumption, notes, fit.clusters - 1.0
    )


def _mean(values: Floats, cluster: Places) -> tuple[float, float]:
    """The mean and its standard error, clustered."""
    mean = float(values.mean())
    summed = np.bincount(cluster, values - mean)
    used = np.bincount(cluster) > 0
    groups = int(used.sum())
    if groups < 2:
        return mean, math.nan
    return mean, math.sqrt(groups / (groups - 1) * float((summed**2).sum())) / len(values)


def wins(distribution: Any, delta: float, rivals: Places) -> Floats:
    """The probability to win with a cost lower by δ against each number of rivals: ∫ f(c) S(c − δ)^m dc.

    >>> from scipy import stats
    >>> wins(stats.uniform(0, 1), 0.3, np.array([1, 2])).round(9).tolist()
    [0.755, 0.624333333]
    """
    low, high = float(distribution.support()[0]), float(distribution.isf(1e-13))
    start, end = low + max(delta, 0.0), high + min(delta, 0.0)
    if not start < end:
        return np.full(len(rivals), float(delta > 0))
    at, mass = symmetric.masses(distribution, symmetric.grid(distribution, start, end))
    left = distribution.sf(at.ravel() - delta) ** rivals[:, None]
    return np.asarray(distribution.cdf(start) + left @ mass.ravel())


def _advantage(
    rows: pd.DataFrame,
    holds: NDArray[np.bool_],
    auction: Places,
    cluster: Places,
    distribution: Any,
    notes: tuple[str, ...],
) -> Estimate:
    won = np.bincount(auction, holds & rows["winner"].to_numpy(dtype=bool)).astype(float)
    first = np.unique(auction, return_index=True)[1]
    sizes, kind = np.unique(rows["n"].to_numpy(dtype=np.intp)[first] - 1, return_inverse=True)
    shares = np.bincount(kind) / len(kind)
    rate, error = _mean(won, cluster)
    equal = float(shares @ (1 / (sizes + 1)))
    told = (*notes, f"incumbents win {rate:.3f} of tenders in which equal bidders would win {equal:.3f}")
    assumption = (
        "the lowest cost wins; costs are private, independent and alike but for a fixed advantage of the incumbent"
    )
    if distribution is None:
        distribution, told = stats.uniform(0, 1), (*told, "costs are taken to be uniform: δ is a share of their spread")
    if rate in (0.0, 1.0):
        told = (*told, "they win all or none: no advantage is too large")
        return Estimate(math.inf if rate else -math.inf, math.nan, assumption, told)

    def over(delta: float) -> float:
        return float(shares @ wins(distribution, delta, sizes)) - rate

    reach = float(distribution.isf(1e-9) - distribution.ppf(1e-9))
    delta = float(optimize.brentq(over, -reach, reach, xtol=1e-12 * reach))
    step = 1e-4 * reach
    slope = (over(delta + step) - over(delta - step)) / (2 * step)
    return Estimate(delta, error / slope, assumption, told)


def _switching(
    rows: pd.DataFrame, holds: NDArray[np.bool_], auction: Places, cluster: Places, notes: tuple[str, ...]
) -> dict[str, Estimate]:
    bid, won = rows["bid"].to_numpy(dtype=float), rows["winner"].to_numpy(dtype=bool)
    own, rival, taken = (np.full(int(auction.max()) + 1, math.inf) for _ in range(3))
    own[auction[holds]] = bid[holds]
    np.minimum.at(rival, auction[~holds], bid[~holds])
    taken[auction[won & ~holds]] = bid[won & ~holds]
    kept = np.bincount(auction, holds & won) > 0
    left = np.isfinite(taken)
    paid = np.where(kept, np.maximum(own - rival, 0.0), 0.0)
    saved = (own - taken)[left]
    decided = kept | left
    most, least = float(paid.max()), float(saved.min()) if len(saved) else math.inf
    one = (
        f"if it were the same every time: at least {most:g} (the most paid to keep an incumbent)"
        + (f" and at most {least:g} (the least for which one was left)" if len(saved) else "")
        + ("; these contradict each other, so that it varies" if most > least else "")
    )
    if not decided.all():
        notes = (*notes, f"{(~decided).sum()} auctions without a winner are left out of the switching cost")
    assumption = "bids are compared by price and the cost of changing the supplier alone, which the buyer knows"
    premium = Estimate(*_mean(paid[decided], cluster[decided]), assumption, (*notes, one))
    if not len(saved):
        missing = "no incumbent was ever left"
        return {"premium": premium, "saving": Estimate(math.nan, math.nan, assumption, (*notes, missing))}
    return {"premium": premium, "saving": Estimate(*_mean(saved, cluster[left]), assumption, (*notes, one))}
