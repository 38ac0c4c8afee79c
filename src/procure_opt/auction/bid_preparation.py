"""What preparing a bid costs, from how many of those who could bid did."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.auction.revealed import GROUP, LEAST, Estimate, Floats, Places, area, complete, numbers_of, resampled
from procure_opt.cells import (
    BadTable,
    Problem,
    Table,
)


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
    without its 0. No bandwidth is needed: for "informed" entry with "potential" bidders known, c* is where the cubic
    (in the share of lower bids) nearest to the costs ends. In simulations of four markets with 300 tenders the mean of
    e was then off by −2 % to +6 %, its standard deviation 21 % to 26 %, and the interval held e in 90 % to 97 %; with
    60 tenders by +4 % to +14 %, 50 % to 70 %, and 86 % to 94 %.

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
        BadTable: more bid than could, or the column `potential` holds no whole numbers or differs within an auction.
        ValueError: an argument is out of range, there are fewer than 20 auctions, only one potential bidder, or no
            auction with two bidders.

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
    if unanswered is not None and not (unanswered >= 0 and float(unanswered).is_integer()):
        raise ValueError(f"unanswered is {unanswered!r}; it is a number of tenders, 0 or more")
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
        could = _potentials(table, potential, first, auctions)
    else:
        if not float(potential).is_integer():
            raise ValueError(f"potential is {potential!r}; give a whole number of suppliers")
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


def _potentials(table: pd.DataFrame, name: str, first: Places, auctions: Places) -> Places:
    """N of each auction: a whole number, the same in all its rows."""
    given = numbers_of(table, (name,))[:, 0]
    problems = []
    for row in np.flatnonzero((given != np.floor(given)) | np.isinf(given)).tolist():
        reason = f"{given[row]:g} is not a whole number of suppliers"
        problems.append(Problem("bids", int(table.index[row]), name, reason))
    for row in np.flatnonzero(given != given[first][auctions]).tolist():
        reason = f"{given[row]:g} here, and {given[first][auctions[row]]:g} in an earlier row of the same auction"
        problems.append(Problem("bids", int(table.index[row]), name, reason))
    if problems:
        raise BadTable(problems)
    return np.asarray(given[first], dtype=np.intp)


def _reserves(table: pd.DataFrame, first: Places, reserve: float | None, notes: list[str]) -> Floats:
    highest = float(table["bid"].max())
    if reserve is not None:
        if not math.isfinite(reserve):
            raise ValueError(f"reserve is {reserve!r}; give an amount of money, or leave it out for the highest bid")
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
    """c* is where the cubic in t nearest to the costs ends.

    Its value at t = 1 is ∫ K c dt with K = Σ_k (2k + 1) P_k, P_k the Legendre polynomials on [0, 1]. Costs are smooth
    where bids are not: these rise steeply towards the reserve. With c = b − (1 − pt) b′ / ((N − 1) p) and b(1) = r,

        r − c* = ∫ (K (1 − pt) / ((N − 1) p) + ∫_0^t K) db.
    """
    end = np.polynomial.Legendre([2 * k + 1 for k in range(4)], domain=[0.0, 1.0])
    until = end.integ(lbnd=0.0)

    def earned(group: _Group, weights: Places, p: float, reserve: float) -> float:
        size = group.potential

        def curve(t: Floats) -> Floats:
            return np.asarray(end(t) * (1 - p * t) / ((size - 1) * p) + until(t))

        return max(0.0, area(group.bids, weights, curve, reserve)) * float((1 - p) ** (size - 1))

    return _over_groups(field, counts, earned)


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
