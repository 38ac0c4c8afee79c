"""The columns of an award and what they amount to: coverage, shares, spend after discounts, winners, lots held."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.program import Columns, Family, Floats, Linear, Rows
from procure_opt.tender import Schedule, Tender

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]
T = TypeVar("T")
TINY = 1e-6  # the smallest fraction of a divisible bid that can be accepted where it names no minimum


def _once(make: Callable[[Tender], T]) -> Callable[[Tender], T]:
    """A function of a tender whose result is kept with the tender, since every rule asks for it."""

    @wraps(make)
    def get(tender: Tender) -> T:
        if make not in tender.derived:
            tender.derived[make] = make(tender)
        kept: T = tender.derived[make]
        return kept

    return get


# ---- the columns every program has ------------------------------------------------------------------------


@_once
def _fractions(tender: Tender) -> Family:
    n, names = len(tender.price), tender.bid_names
    return Family("take", np.zeros(n), np.ones(n), tender.min_fraction >= 1, lambda j: f"bid {names[j]} is accepted")


def take(tender: Tender, bids: Places | None = None) -> Linear:
    """The accepted fraction of each bid (or of these bids)."""
    return _fractions(tender)(bids)


@_once
def _divisible(tender: Tender) -> Places:
    return np.flatnonzero(tender.min_fraction < 1)


@_once
def _accepted(tender: Tender) -> Family:
    """1 for each divisible bid of which any part is accepted."""
    names, divisible = tender.bid_names, _divisible(tender)
    ones = np.ones(len(divisible))
    fraction = take(tender, divisible)
    bare = Family("accept", np.zeros(len(divisible)), ones, ones > 0, lambda k: f"any of bid {names[divisible[k]]}")
    smallest = np.maximum(tender.min_fraction[divisible], TINY)
    links = (
        Rows.at_most(fraction - bare(), 0.0, lambda k: f"bid {names[divisible[k]]}: a part needs acceptance"),
        Rows.at_least(
            fraction - bare().times(smallest),
            0.0,
            lambda k: f"bid {names[divisible[k]]}: at least {smallest[k]:.6g} of it or nothing",
        ),
    )
    return replace(bare, links=links, implied=lambda values: (fraction.at(values) > 0).astype(float))


def accept(tender: Tender, bids: Places | None = None) -> Linear:
    """1 for each bid (or each of these bids) of which any part is accepted."""
    divisible = _divisible(tender)
    if not len(divisible):
        return take(tender, bids)
    bids = np.arange(len(tender.price)) if bids is None else bids
    solid, loose = (np.flatnonzero(kind) for kind in (tender.min_fraction[bids] >= 1, tender.min_fraction[bids] < 1))
    whole = take(tender, bids[solid]).under(_pick(solid, len(bids)).T)
    some = _accepted(tender)(np.searchsorted(divisible, bids[loose]))
    return whole + some.under(_pick(loose, len(bids)).T)


@_once
def partly(tender: Tender) -> Mask:
    """Lots of which a part may go one way and a part another, since a divisible bid touches them."""
    mask = np.zeros(len(tender.demand), dtype=bool)
    mask[tender.quantity[_divisible(tender)].indices] = True
    return mask


@_once
def kept(tender: Tender) -> Linear:
    """The part of each lot that is done in-house."""
    possible = np.flatnonzero(~np.isnan(tender.in_house))
    return _by_lot(tender, "in_house", possible, "is done in-house")


@_once
def unawarded(tender: Tender) -> Linear:
    """The part of each lot that is left unawarded (coverage allows it only where a policy says so)."""

    def implied(values: Columns) -> Floats:
        filled = take(tender).under(tender.part.T) + kept(tender)
        rest = 1 - filled.at(values)
        return np.where(rest > 1e-9, rest, 0.0)

    return _by_lot(tender, "unawarded", np.arange(len(tender.demand)), "is left unawarded", implied)


def _by_lot(
    tender: Tender, key: str, lots: Places, what: str, implied: Callable[[Columns], Floats] | None = None
) -> Linear:
    names = tender.lot_names
    ones = np.ones(len(lots))
    family = Family(
        key, ones * 0, ones, ~partly(tender)[lots], lambda k: f"lot {names[lots[k]]} {what}", implied=implied
    )
    return family().under(_pick(lots, len(names)).T)


def coverage(tender: Tender, may_stay_open: Mask) -> Rows:
    """Each lot's demand is met exactly, by accepted quantities and in-house; no free disposal."""
    names = tender.lot_names
    filled = take(tender).under(tender.offers) + kept(tender).times(tender.demand)
    if may_stay_open.any():
        filled = filled + unawarded(tender).times(np.where(may_stay_open, tender.demand, 0.0))
    return Rows(filled, tender.demand, tender.demand, lambda i: f"lot {names[i]} is filled exactly")


def exclusive(tender: Tender) -> Rows:
    """At most one bid of an xor label is accepted."""
    members = np.flatnonzero(tender.xor_group >= 0)
    groups = pd.Series(tender.xor_group[members])
    members = members[groups.duplicated(keep=False).to_numpy()]
    _, first, position = np.unique(tender.xor_group[members], return_index=True, return_inverse=True)
    first, bids = members[first], tender.bids
    who, label = bids["bidder"].to_numpy(), bids["xor"].to_numpy()
    body = accept(tender, members).under(_pick(position, len(first)).T)
    return Rows.at_most(body, 1.0, lambda i: f"bids {label[first[i]]!r} of {who[first[i]]} exclude each other")


# ---- what an award amounts to -----------------------------------------------------------------------------


def inside(tender: Tender, scope: Mask, bids: Mask | None = None) -> Floats:
    """The part of each bid's price that belongs to a scope: 0 or 1, or by estimate where a package straddles.

    Only `bids` are looked at, if given; the others' part is 0.
    """
    part, which = np.zeros(len(tender.price)), touching(tender, scope)
    which = which if bids is None else which[bids[which]]
    part[which] = _part_inside(tender, scope, which)
    return part


def _part_inside(tender: Tender, scope: Mask, bids: Places) -> Floats:
    """The same for bids that touch the scope, one value each of these."""
    weight = tender.part[bids]
    row = np.repeat(np.arange(len(bids)), np.diff(weight.indptr))
    straddling = np.bincount(row, weights=~scope[weight.indices], minlength=len(bids)) > 0
    part = np.ones(len(bids))
    if straddling.any():
        weight = weight[np.flatnonzero(straddling)]
        estimate = known(tender, "estimate", np.isin(np.arange(len(scope)), weight.indices))
        total = weight @ estimate
        if (total <= 0).any():
            raise ValueError("the price of a package is apportioned by estimate, and its lots are estimated at 0")
        part[straddling] = (weight @ np.where(scope, estimate, 0.0)) / total
    return part


def known(tender: Tender, column: str, lots: Mask) -> Floats:
    """A numeric column of the lots, 0 outside `lots`.

    Raises:
        ValueError: where it is blank on one of them, naming the lots.
    """
    table = tender.lots
    if column not in table.columns or not pd.api.types.is_numeric_dtype(table[column].dtype):
        numeric = [c for c in table.columns if pd.api.types.is_numeric_dtype(table[c].dtype)]
        raise ValueError(f"the lots have no column of numbers {column!r}; they have {', '.join(numeric)}")
    value = table[column].to_numpy(dtype=float)
    blank = tender.lot_names[lots & np.isnan(value)]
    if len(blank):
        raise ValueError(f"{column!r} is needed for every lot here, and is blank for {_some(blank)}")
    return np.where(lots, value, 0.0)


def rated(tender: Tender, column: str, bids: Places | None = None) -> Floats:
    """A numeric column of the bids (or of their bidders), for these bids or all; blanks raise, naming the bids."""
    table, bidders = tender.bids, tender.bidders
    bids = np.arange(len(tender.price)) if bids is None else bids
    if column in table.columns:
        series = table[column].iloc[bids]
    elif column in bidders.columns:
        series = bidders[column].iloc[tender.bidder_of[bids]]
    else:
        raise ValueError(f"neither bids nor bidders have a column {column!r}")
    if not pd.api.types.is_numeric_dtype(series.dtype):
        raise ValueError(f"the column {column!r} holds text where numbers are needed")
    value: Floats = series.to_numpy(dtype=float)
    blank = tender.bid_names[bids[np.isnan(value)]]
    if len(blank):
        raise ValueError(f"{column!r} is needed for every bid here, and is blank for {_some(blank)}")
    return value


def _some(names: NDArray[np.object_]) -> str:
    return ", ".join(map(str, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def touching(tender: Tender, scope: Mask) -> Places:
    """The bids that have a lot in the scope.

    Whatever is said of a scope is built on these alone, so that a rule for each of many scopes costs what one rule for
    all of them does.
    """
    if scope.all():
        return np.arange(len(tender.price))  # there is no bid without a lot
    met = np.sort(tender.offers[np.flatnonzero(scope)].indices)
    return met[np.diff(met, prepend=-1) > 0].astype(np.intp)  # each once; `np.unique` takes ten times as long


def by_bidder(tender: Tender, bids: Places) -> sparse.csr_array:
    """Bidders × these bids, 1 where the bid is the bidder's."""
    return sparse.csr_array(_pick(tender.bidder_of[bids], len(tender.bidder_names)).T)


def spend(tender: Tender, scope: Mask | None = None) -> Linear:
    """Net price to each bidder for a scope (all lots if None), in money units: prices, fixed charges, discounts."""
    scope = np.ones(len(tender.demand), dtype=bool) if scope is None else scope
    bids = touching(tender, scope)
    part, whose = _part_inside(tender, scope, bids), by_bidder(tender, bids)
    amount = take(tender, bids).times(tender.price[bids] * part).under(whose)
    if tender.fixed.any():
        amount = amount + accept(tender, bids).times(tender.fixed[bids] * part).under(whose)
    for number, schedule in enumerate(tender.schedules):
        off = discount(tender, number, schedule, scope)
        amount = amount - off.under(_pick(np.array([schedule.bidder]), len(tender.bidder_names)).T)
    return amount


def kept_cost(tender: Tender, scope: Mask | None = None) -> Linear:
    """Cost of what is done in-house, in money units."""
    cost = np.nan_to_num(tender.in_house)
    return kept(tender).under(cost if scope is None else np.where(scope, cost, 0.0))


class Contenders(NamedTuple):
    """Who may win something in a scope: positions among the names of `tender.groups`, and those names.

    `bids` are those that touch the scope, `weight` (entities × bids) what each counts for each.
    """

    who: Places
    names: NDArray[np.object_]
    bids: Places
    weight: sparse.csr_array

    @property
    def belongs(self) -> sparse.csr_array:
        """1 where a bid counts for an entity at all."""
        return sparse.csr_array((self.weight > 0).astype(float))


def contenders(
    tender: Tender,
    scope: Mask,
    per: str,
    *,
    winners: bool = False,
    split: bool = False,
    existing: str | None = None,
) -> Contenders:
    """The entities with a bid in the scope, or that hold something already; all others win nothing there anyway.

    Args:
        scope: The lots that count.
        per: "bidder", "owner" or a bidders column.
        winners: Count a consortium as itself, not as its members.
        split: Divide a bidder that counts for several entities among them.
        existing: A bidders column with what they hold already.
    """
    names, weight = tender.groups(per, winners=winners, split=split)
    bids = touching(tender, scope)
    weight_of_bid = sparse.csr_array(weight[tender.bidder_of[bids]].T)
    there = np.diff(weight_of_bid.indptr) > 0
    if existing is not None:
        there |= weight.T @ (holdings(tender, existing) != 0) > 0
    who = np.flatnonzero(there)
    return Contenders(who, names[who], bids, weight_of_bid[who])


@dataclass(frozen=True, eq=False)
class Measure:
    """What each contender wins of something in a scope, with what it holds already, and the total it is a share of.

    `who` are their positions among the names of `tender.groups`.
    """

    who: Places
    names: NDArray[np.object_]
    amount: Linear
    total: Linear


def measure(
    tender: Tender,
    of: str,
    scope: Mask,
    per: str = "bidder",
    *,
    base: str = "scope",
    existing: str | None = None,
    winners: bool = False,
    split: bool = False,
) -> Measure:
    """Every share and spend expression of the library: amounts by entity, and their total.

    Args:
        of: "estimate", "lots", "demand", "spend", or a numeric column of the lots.
        scope: The lots that count.
        per: "bidder", "owner" or a bidders column.
        base: "scope": the total is of all lots in scope; "awarded": of what bidders win.
        existing: A bidders column with what they hold already; added to amounts and total.
        winners: Count a consortium as itself, not as its members.
        split: Divide a bidder that counts for several entities among them.
    """
    if base not in ("scope", "awarded"):
        raise ValueError(f'base is {base!r}; it must be "scope" or "awarded"')
    who, names, bids, weight = contenders(tender, scope, per, winners=winners, split=split, existing=existing)
    _, counts_for = tender.groups(per, winners=winners, split=split)
    if of == "spend":
        won = spend(tender, scope)
        amount = won.under(sparse.csr_array(counts_for.T)[who])
        total = won.total() if base == "awarded" else won.total() + kept_cost(tender, scope)
    else:
        value = scope.astype(float) if of == "lots" else known(tender, of, scope)
        won = take(tender, bids).times(tender.part[bids] @ value)
        amount = won.under(weight)
        total = won.total() if base == "awarded" else Linear.fixed([value.sum()])
    if existing is not None:
        held = holdings(tender, existing)
        held = held / tender.money_unit if of == "spend" else held
        amount = amount + Linear.fixed((counts_for.T @ held)[who])
        total = total + Linear.fixed([held.sum()])
    return Measure(who, names, amount, total)


def holdings(tender: Tender, column: str) -> Floats:
    """What each bidder holds elsewhere already, from a column of the bidders; blanks raise, naming the bidders."""
    table = tender.bidders
    if column not in table.columns or not pd.api.types.is_numeric_dtype(table[column].dtype):
        raise ValueError(f"the bidders have no column of numbers {column!r}")
    held: Floats = table[column].to_numpy(dtype=float)
    blank = tender.bidder_names[np.isnan(held)]
    if len(blank):
        raise ValueError(f"{column!r} is needed for every bidder, and is blank for {_some(blank)}")
    return held


def wins(tender: Tender, scope: Mask, per: str, *, winners: bool = True) -> tuple[Contenders, Linear]:
    """1 for each contender that wins anything in the scope."""
    found = contenders(tender, scope, per, winners=winners)
    _, names, bids, _ = found
    belongs, count = found.belongs, np.diff(found.weight.indptr)
    key = f"wins|{per}|{'itself' if winners else 'members'}|{digest(scope)}"
    ones = np.ones(len(names))
    label: Callable[[int], str] = lambda g: f"{names[g]} wins in {_where(tender, scope)}"  # noqa: E731
    bare = Family(key, ones * 0, ones, ones > 0, label)
    some = accept(tender, bids).under(belongs)
    links = (
        Rows.at_most(some - bare().times(count), 0.0, lambda g: f"{names[g]} wins if any of its bids is accepted"),
        Rows.at_least(some - bare(), 0.0, lambda g: f"{names[g]} wins only with an accepted bid"),
        *_one_by_one(tender, scope, found, bare),
    )
    return found, replace(bare, links=links, implied=_any(some))()


def _one_by_one(tender: Tender, scope: Mask, found: Contenders, won: Family) -> tuple[Rows, Rows]:
    """A contender wins if it has a lot, or any part of a divisible bid: each of its lots and of these bids for itself.

    All-or-nothing bids of one contender on one lot share a row: stronger than a row each, since coverage lets at most
    one unit of the lot be accepted.
    """
    _, names, bids, _ = found
    entity, bid = found.belongs.nonzero()
    solid = tender.min_fraction[bids[bid]] >= 1
    part = tender.part[bids[bid[solid]]]
    count = np.diff(part.indptr)
    keep = scope[part.indices]
    at, lot, data = np.repeat(entity[solid], count)[keep], part.indices[keep], part.data[keep]
    pair, row = np.unique(at * len(scope) + lot, return_inverse=True)
    column = np.repeat(bid[solid], count)[keep]
    body = take(tender, bids).under(sparse.csr_array((data, (row, column)), shape=(len(pair), len(bids))))
    who, where = pair // len(scope), pair % len(scope)
    loose, whose = bids[bid[~solid]], entity[~solid]
    return (
        Rows.at_most(
            body - won(who),
            0.0,
            lambda i: f"{names[who[i]]} wins if lot {tender.lot_names[where[i]]} is its own",
            cut=True,
        ),
        Rows.at_most(
            accept(tender, loose) - won(whose),
            0.0,
            lambda i: f"any of bid {tender.bid_names[loose[i]]} counts",
            cut=True,
        ),
    )


def present(tender: Tender, scope: Mask, per: str) -> Linear:
    """At most 1 for each winner in the scope, and 0 for everybody else; whole of itself where it is pushed up."""
    found = contenders(tender, scope, per, winners=True)
    names, ones = found.names, np.ones(len(found.names))
    label: Callable[[int], str] = lambda g: f"{names[g]} is present in {_where(tender, scope)}"  # noqa: E731
    bare = Family(f"present|{per}|{digest(scope)}", ones * 0, ones, ones < 0, label)
    accepted = accept(tender, found.bids).under(found.belongs)
    link = Rows.at_least(accepted - bare(), 0.0, lambda g: f"{label(g)}: only with an accepted bid")
    return replace(bare, links=(link,), implied=_any(accepted))()


def lots_held(
    tender: Tender, scope: Mask, per: str, *, winners: bool = False, existing: str | None = None
) -> tuple[Contenders, Linear]:
    """In how many lots of the scope each contender has an accepted bid, each lot once however small its part.

    Lots held already (`existing`, a bidders column) are added; they count in full for each member of a consortium.
    """
    found = contenders(tender, scope, per, winners=winners, existing=existing)
    who, names, bids, _ = found
    entity, own = found.belongs.nonzero()
    lots = tender.part[bids[own]]
    count = np.diff(lots.indptr)
    keep = scope[lots.indices]
    entity, own = np.repeat(entity, count)[keep], np.repeat(own, count)[keep]
    lot, part = lots.indices[keep], lots.data[keep]
    pair, at, size = np.unique(entity * len(scope) + lot, return_inverse=True, return_counts=True)
    # Two accepted bids of one entity can meet on a lot only if neither takes more than half of it.
    more_than_half = (part > 0.5) & (tender.min_fraction[bids[own]] >= 1)
    alone = (size == 1) | (np.bincount(at, weights=~more_than_half, minlength=len(pair)) == 0)
    single = alone[at]
    shape = (len(names), len(bids))
    once = sparse.csr_array((np.ones(single.sum()), (entity[single], own[single])), shape=shape)
    held = accept(tender, bids).under(once)
    if not alone.all():
        meeting = np.flatnonzero(~alone)
        place = np.searchsorted(meeting, at[~single])
        ones = np.ones(len(meeting))
        holder, which = pair[meeting] // len(scope), pair[meeting] % len(scope)
        label: Callable[[int], str] = lambda k: f"{names[holder[k]]} holds some of lot {tender.lot_names[which[k]]}"  # noqa: E731
        key = f"holds|{per}|{'itself' if winners else 'members'}|{digest(scope)}"
        bare = Family(key, ones * 0, ones, ones > 0, label)
        offered = accept(tender, bids[own[~single]])
        some = offered.under(_pick(place, len(meeting)).T)
        links = (
            Rows.at_most(offered - bare(place), 0.0, lambda i: label(int(place[i]))),
            Rows.at_least(some - bare(), 0.0, lambda k: f"{label(k)}, only with an accepted bid"),
        )
        held = held + replace(bare, links=links, implied=_any(some))().under(_pick(holder, len(names)).T)
    if existing is not None:
        _, weight = tender.groups(per, winners=winners)
        already = (weight.T > 0).astype(float) @ holdings(tender, existing)
        held = held + Linear.fixed(already[who])
    return found, held


def _any(accepted: Linear) -> Callable[[Columns], Floats]:
    """1 where a number of accepted bids is not 0."""
    return lambda values: np.minimum(accepted.at(values), 1.0)


def _pick(columns: NDArray[np.integer], width: int) -> sparse.csr_array:
    """A matrix whose row i is 1 in columns[i] alone."""
    content = (np.ones(len(columns)), columns, np.arange(len(columns) + 1))
    return sparse.csr_array(content, shape=(len(columns), width))


def digest(mask: Mask) -> str:
    return hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=8).hexdigest()


def _where(tender: Tender, scope: Mask) -> str:
    if scope.all():
        return "the tender"
    names = tender.lot_names[scope]
    return f"lot {names[0]}" if len(names) == 1 else f"lots {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"


# ---- volume discounts -------------------------------------------------------------------------------------


def discount(tender: Tender, number: int, schedule: Schedule, scope: Mask) -> Linear:
    """What one discount schedule takes off within a scope, as one row in money units.

    all_units: Σ_tier [tier is the highest reached] · (percent_tier · spend + amount_tier); incremental: each band's
    own percent, and the amounts of all thresholds reached. Spend is price · fraction inside the schedule's lots.

    Raises:
        ValueError: where the part of a lump sum or of banded percentages that belongs to the scope is undefined.
    """
    covers = np.zeros(len(scope), dtype=bool)
    covers[schedule.lots] = True
    own = touching(tender, covers)
    own = own[tender.bidder_of[own] == schedule.bidder]
    if not len(own) or not (covers & scope).any():
        return Linear.fixed([0.0])
    label = f"discount of {tender.bidder_names[schedule.bidder]} on {_where(tender, covers)}"
    price = tender.price[own] * _part_inside(tender, covers, own)
    spent = take(tender, own).under(price)
    amount = np.asarray(tender.quantity[own] @ covers.astype(float))
    thresholds, percents = schedule.thresholds, schedule.percents
    amounts = np.cumsum(schedule.amounts) if schedule.kind == "incremental" else schedule.amounts
    solid = bool((tender.min_fraction[own] >= 1).all())
    if schedule.measure == "spend":
        measured, whole, levels = spent, solid and _whole(price), None
    elif schedule.measure == "quantity":
        measured, whole = take(tender, own).under(amount), solid and _whole(amount)
        levels = int(tender.demand[covers].sum()) if whole else None
    else:
        found, held = lots_held(tender, covers, "bidder", winners=True)
        measured, whole, levels = held.rows(np.searchsorted(found.who, [schedule.bidder])), True, int(covers.sum())
    banded = schedule.kind == "incremental" and bool(percents.any())
    if banded and schedule.measure != "spend":
        unit_price = price / np.where(amount > 0, amount, 1.0)
        if levels is not None and levels <= 500:
            thresholds, percents, amounts = _by_level(thresholds, percents, amounts, levels)
            banded = False
        elif schedule.measure == "quantity" and np.ptp(unit_price) <= 1e-9 * unit_price.max():
            thresholds, measured, whole = thresholds * unit_price[0], spent, False
        else:
            raise ValueError(
                f"{label}: an incremental percentage on quantities needs whole quantities (at most 500 units) or the "
                f"same price a unit in all bids of the bidder; measure it by spend instead"
            )
    key = f"discount {number}"
    tier = _tiers(key, label, thresholds, measured, whole)
    off = Linear.fixed([0.0])
    if percents.any() and not banded:
        offers = np.isin(np.arange(len(tender.price)), own)
        cut = tender.price[own] * inside(tender, covers & scope, offers)[own]
        split = _split_by_tier(key, label, tender, own, tier)
        off = off + split.under(np.repeat(percents, len(own)) * np.tile(cut, len(percents)))
    if banded:
        off = off + _bands(key, label, thresholds, spent, tier).under(percents)
    if amounts.any():
        off = off + _lump(key, label, amounts, spent, tier, float(price.min()) if solid and thresholds[0] > 0 else 0.0)
    if (banded or amounts.any()) and np.isin(own, touching(tender, covers & ~scope)).any():
        raise ValueError(
            f"{label} is one sum over lots inside and outside of {_where(tender, scope)}: which part of it belongs "
            f"there cannot be said. Give it as a percentage of everything (all_units), or choose scopes that hold "
            f"all its lots"
        )
    return off


def _whole(values: Floats) -> bool:
    return bool(np.equal(np.mod(values, 1), 0).all())


def _by_level(thresholds: Floats, percents: Floats, amounts: Floats, levels: int) -> tuple[Floats, Floats, Floats]:
    """Bands over 1, 2, 3 … whole units as tiers: at k units the mean percentage is Σ percent · units in band / k."""
    k = np.arange(max(1, int(np.ceil(thresholds[0]))), levels + 1)
    if not len(k):
        return thresholds, percents * 0, amounts * 0
    ends = np.append(thresholds[1:], np.inf)
    in_band = np.clip(np.minimum(k[:, None], ends) - thresholds, 0, None)
    reached = np.searchsorted(thresholds, k, side="right") - 1
    return k.astype(float), in_band @ percents / k, amounts[reached]


def _tiers(key: str, label: str, thresholds: Floats, measured: Linear, whole: bool) -> Linear:
    """1 for the highest threshold reached; thresholds count as reached from exactly there on."""
    count = len(thresholds)
    zeros, ones = np.zeros(count), np.ones(count)
    bare = Family(f"{key} tier", zeros, ones, ones > 0, lambda t: f"{label}: threshold {thresholds[t]:.15g} applies")
    most = max(measured.range()[1][0], thresholds[-1])
    size = max(most, 1.0)
    # What is not whole lies below a threshold by at least what a solver can tell apart, or half a money unit.
    below = np.ceil(thresholds) - 1 if whole else thresholds - max(4e-9 * size, min(0.5, 1e-6 * size))
    ceiling = np.append(below[1:], most)
    plain, steps = measured, thresholds

    def implied(values: Columns) -> Floats:
        reached = (plain.at(values) * (1 + 1e-12) + 1e-12 >= steps).astype(float)
        highest: Floats = -np.diff(reached, axis=-1, append=0.0)
        return highest

    # Scaled, but not so far that a solver takes a money unit below the threshold for nothing.
    scale = min(size, 1e7)
    measured, low, below, ceiling = measured.times(1 / scale), thresholds / scale, below / scale, ceiling / scale
    links = (
        Rows.at_most(bare().total(), 1.0, lambda _: f"{label}: one tier applies"),
        Rows.at_least(measured - bare().under(low), 0.0, lambda _: f"{label}: the threshold is reached"),
        Rows.at_most(
            measured - bare().under(ceiling - below[0]), below[0], lambda _: f"{label}: the highest threshold reached"
        ),
    )
    return replace(bare, links=links, implied=implied)()


def _split_by_tier(key: str, label: str, tender: Tender, own: Places, tier: Linear) -> Linear:
    """Accepted fractions split by the tier that applies (tier by tier): fraction · tier is linear in these columns."""
    count, size = len(tier), len(own)
    zeros, ones = np.zeros(count * size), np.ones(count * size)
    bare = Family(f"{key} split", zeros, ones, ones < 0, lambda k: f"{label}: bid {tender.bid_names[own[k % size]]}")
    of_bid = bare().under(_pick(np.tile(np.arange(size), count), size).T)
    fraction = take(tender, own)
    none = (Linear.fixed([1.0]) - tier.total()).repeat(size)
    links = (
        Rows.at_most(of_bid - fraction, 0.0, lambda i: f"{label}: no more than is accepted"),
        Rows.at_least(of_bid - fraction + none, 0.0, lambda i: f"{label}: all that is accepted"),
        Rows.at_most(
            bare() - tier.under(_pick(np.repeat(np.arange(count), size), count)),
            0.0,
            lambda i: f"{label}: in the tier reached",
        ),
    )

    def implied(values: Columns) -> Floats:
        parts, reached = fraction.at(values), tier.at(values)
        return np.concatenate([reached[..., [t]] * parts for t in range(count)], axis=-1)

    return replace(bare, links=links, implied=implied)()


def _bands(key: str, label: str, thresholds: Floats, spent: Linear, tier: Linear) -> Linear:
    """Spend beyond each threshold up to the next; the columns are parts of the most that can be spent."""
    count, words = len(thresholds), thresholds
    most = max(spent.range()[1][0], thresholds[-1], 1.0)
    spent, thresholds = spent.times(1 / most), thresholds / most
    width = np.append(np.diff(thresholds), 1 - thresholds[-1])
    bare = Family(f"{key} band", np.zeros(count), width, width < 0, lambda t: f"{label}: beyond {words[t]:.15g}")
    reached = tier.under(np.triu(np.ones((count, count))))
    beyond = tier.under(np.triu(np.ones((count, count)), 1))
    first = spent - bare().total()
    links = (
        Rows.at_most(bare() - reached.times(width), 0.0, lambda t: f"{label}: band {t + 1} opens at its threshold"),
        Rows.at_least(bare() - beyond.times(width), 0.0, lambda t: f"{label}: band {t + 1} is full before the next"),
        Rows.at_most(first, thresholds[0], lambda _: f"{label}: below the first threshold"),
        Rows.at_least(first - reached.rows(np.array([0])).times(thresholds[0]), 0.0, lambda _: f"{label}: full below"),
    )

    def implied(values: Columns) -> Floats:
        return (spent.at(values) - thresholds).clip(0.0, width)

    return replace(bare, links=links, implied=implied)().times(most)


def _lump(key: str, label: str, amounts: Floats, spent: Linear, tier: Linear, least: float) -> Linear:
    """The tier's sum of money, but never more than what is spent (`least` = the smallest possible spend if any)."""
    plain = tier.under(amounts)
    if least >= amounts.max():
        return plain
    most, all_spent = amounts.max(), max(spent.range()[1][0], 1.0)
    bare = Family(
        f"{key} sum",
        np.zeros(2),
        np.ones(2),
        np.array([False, True]),
        lambda i: (f"{label}: money off", f"{label}: the sum exceeds what is spent")[i],
    )
    off, capped = bare().rows(np.array([0])).times(most), bare().rows(np.array([1]))
    links = (
        Rows.at_most(off - plain, 0.0, lambda _: f"{label}: at most its amount"),
        Rows.at_most(off - spent, 0.0, lambda _: f"{label}: at most what is spent"),
        Rows.at_least(off - plain + capped.times(most), 0.0, lambda _: f"{label}: its amount, or"),
        Rows.at_least(off - spent - capped.times(all_spent), -all_spent, lambda _: f"{label}: all that is spent"),
    )

    def implied(values: Columns) -> Floats:
        amount, limit = plain.at(values), spent.at(values)
        return np.concatenate([np.minimum(amount, limit) / most, (amount > limit).astype(float)], axis=-1)

    return replace(bare, links=links, implied=implied)().rows(np.array([0])).times(most)
