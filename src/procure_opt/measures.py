"""The columns of an award and what they amount to: coverage, shares, spend after discounts, winners, lots held."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.program import Family, Floats, Linear, Rows
from procure_opt.tender import Schedule, Tender

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]
TINY = 1e-6  # the smallest fraction of a divisible bid that can be accepted where it names no minimum


# ---- the columns every program has ------------------------------------------------------------------------


def take(tender: Tender) -> Linear:
    """The accepted fraction of each bid."""
    n = len(tender.price)
    whole = tender.min_fraction >= 1
    names = tender.bid_names
    return Family("take", np.zeros(n), np.ones(n), whole, lambda j: f"bid {names[j]} is accepted")()


def accept(tender: Tender) -> Linear:
    """1 for each bid of which any part is accepted."""
    divisible = np.flatnonzero(tender.min_fraction < 1)
    if not len(divisible):
        return take(tender)
    n, names = len(tender.price), tender.bid_names
    ones = np.ones(len(divisible))
    spread = sparse.csr_array((ones, (divisible, np.arange(len(divisible)))), shape=(n, len(divisible)))
    fraction = take(tender).rows(divisible)
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
    linked = Family("accept", bare.lower, bare.upper, bare.integer, bare.label, links)
    whole = sparse.csr_array(sparse.diags_array((tender.min_fraction >= 1).astype(float), format="csr"))
    return take(tender).under(whole) + linked().under(spread)


def partly(tender: Tender) -> Mask:
    """Lots of which a part may go one way and a part another, since a divisible bid touches them."""
    divisible = tender.quantity[np.flatnonzero(tender.min_fraction < 1)]
    mask = np.zeros(len(tender.demand), dtype=bool)
    mask[divisible.indices] = True
    return mask


def kept(tender: Tender) -> Linear:
    """The part of each lot that is done in-house."""
    possible = np.flatnonzero(~np.isnan(tender.in_house))
    return _by_lot(tender, "in_house", possible, "is done in-house")


def unawarded(tender: Tender) -> Linear:
    """The part of each lot that is left unawarded (coverage allows it only where a policy says so)."""
    return _by_lot(tender, "unawarded", np.arange(len(tender.demand)), "is left unawarded")


def _by_lot(tender: Tender, key: str, lots: Places, what: str) -> Linear:
    names = tender.lot_names
    ones = np.ones(len(lots))
    family = Family(key, ones * 0, ones, ~partly(tender)[lots], lambda k: f"lot {names[lots[k]]} {what}")
    spread = sparse.csr_array((ones, (lots, np.arange(len(lots)))), shape=(len(names), len(lots)))
    return family().under(spread)


def coverage(tender: Tender, may_stay_open: Mask) -> Rows:
    """Each lot's demand is met exactly, by accepted quantities and in-house; no free disposal."""
    names = tender.lot_names
    filled = take(tender).under(tender.quantity.T) + kept(tender).times(tender.demand)
    if may_stay_open.any():
        filled = filled + unawarded(tender).times(np.where(may_stay_open, tender.demand, 0.0))
    return Rows(filled, tender.demand, tender.demand, lambda i: f"lot {names[i]} is filled exactly")


def exclusive(tender: Tender) -> Rows:
    """At most one bid of an xor label is accepted."""
    members = np.flatnonzero(tender.xor_group >= 0)
    groups, position, size = np.unique(tender.xor_group[members], return_inverse=True, return_counts=True)
    table = sparse.csr_array((np.ones(len(members)), (position, members)), shape=(len(groups), len(tender.price)))
    shared = np.flatnonzero(size > 1)
    first = np.array([members[position == g][0] for g in shared], dtype=np.intp)
    bids = tender.bids
    who, label = bids["bidder"].to_numpy(), bids["xor"].to_numpy()
    body = accept(tender).under(table[shared])
    return Rows.at_most(body, 1.0, lambda i: f"bids {label[first[i]]!r} of {who[first[i]]} exclude each other")


# ---- what an award amounts to -----------------------------------------------------------------------------


def inside(tender: Tender, scope: Mask, bids: Mask | None = None) -> Floats:
    """The part of each bid's price that belongs to a scope: 0 or 1, or by estimate where a package straddles.

    Only `bids` are looked at, if given; the others' part is 0.
    """
    if bids is not None:
        part = np.zeros(len(bids))
        part[bids] = inside(tender.keep(bids), scope)
        return part
    counts = tender.quantity.copy()
    counts.data = np.ones_like(counts.data)
    within, whole = counts @ scope.astype(float), counts.sum(axis=1)
    part = np.where(within == whole, 1.0, 0.0)
    straddling = np.flatnonzero((within > 0) & (within < whole))
    if len(straddling):
        estimate = known(tender, "estimate", np.isin(np.arange(len(scope)), tender.quantity[straddling].indices))
        weight = tender.part[straddling]
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


def rated(tender: Tender, column: str, bids: Mask) -> Floats:
    """A numeric column of the bids (or of their bidders), 0 outside `bids`; blanks raise, naming the bids."""
    table, bidders = tender.bids, tender.bidders
    if column in table.columns:
        series = table[column]
    elif column in bidders.columns:
        series = bidders[column].iloc[tender.bidder_of]
    else:
        raise ValueError(f"neither bids nor bidders have a column {column!r}")
    if not pd.api.types.is_numeric_dtype(series.dtype):
        raise ValueError(f"the column {column!r} holds text where numbers are needed")
    value = series.to_numpy(dtype=float)
    blank = tender.bid_names[bids & np.isnan(value)]
    if len(blank):
        raise ValueError(f"{column!r} is needed for every bid here, and is blank for {_some(blank)}")
    return np.where(bids, value, 0.0)


def _some(names: NDArray[np.object_]) -> str:
    return ", ".join(map(str, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def touching(tender: Tender, scope: Mask) -> Mask:
    """Which bids have a lot in the scope."""
    return np.asarray(tender.quantity @ scope.astype(float)) > 0


def by_bidder(tender: Tender) -> sparse.csr_array:
    """Bidders × bids, 1 where the bid is the bidder's."""
    return sparse.csr_array(_pick(tender.bidder_of, len(tender.bidder_names)).T)


def spend(tender: Tender, scope: Mask | None = None) -> Linear:
    """Net price to each bidder for a scope (all lots if None), in money units: prices, fixed charges, discounts."""
    scope = np.ones(len(tender.demand), dtype=bool) if scope is None else scope
    part = inside(tender, scope)
    amount = take(tender).times(tender.price * part).under(by_bidder(tender))
    if tender.fixed.any():
        amount = amount + accept(tender).times(tender.fixed * part).under(by_bidder(tender))
    for number, schedule in enumerate(tender.schedules):
        off = discount(tender, number, schedule, scope)
        place = np.zeros((len(tender.bidder_names), 1))
        place[schedule.bidder] = 1.0
        amount = amount - off.under(sparse.csr_array(place))
    return amount


def kept_cost(tender: Tender, scope: Mask | None = None) -> Linear:
    """Cost of what is done in-house, in money units."""
    cost = np.nan_to_num(tender.in_house)
    return kept(tender).under(cost if scope is None else np.where(scope, cost, 0.0))


@dataclass(frozen=True, eq=False)
class Measure:
    """What each entity wins of something in a scope, with what it holds already, and the total it is a share of."""

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
    names, weight = tender.groups(per, winners=winners, split=split)
    if of == "spend":
        won = spend(tender, scope)
        total = won.total() if base == "awarded" else won.total() + kept_cost(tender, scope)
    else:
        value = scope.astype(float) if of == "lots" else known(tender, of, scope)
        each = tender.part @ value
        won = take(tender).times(each).under(by_bidder(tender))
        total = won.total() if base == "awarded" else Linear.fixed([value.sum()])
    amount = won.under(weight.T)
    if existing is not None:
        held = holdings(tender, existing)
        held = held / tender.money_unit if of == "spend" else held
        amount = amount + Linear.fixed(weight.T @ held)
        total = total + Linear.fixed([held.sum()])
    return Measure(names, amount, total)


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


def wins(tender: Tender, scope: Mask, per: str, *, winners: bool = True) -> tuple[NDArray[np.object_], Linear]:
    """1 for each entity that wins anything in the scope."""
    names, weight = tender.groups(per, winners=winners)
    n, whole = len(tender.price), tender.min_fraction >= 1
    touch = touching(tender, scope)
    belongs = sparse.csr_array((weight.T > 0).astype(float) @ by_bidder(tender))
    in_scope = sparse.csr_array(belongs @ sparse.diags_array(touch.astype(float), format="csr"))
    key = f"wins|{per}|{'itself' if winners else 'members'}|{digest(scope)}"
    ones = np.ones(len(names))
    label: Callable[[int], str] = lambda g: f"{names[g]} wins in {_where(tender, scope)}"  # noqa: E731
    bare = Family(key, ones * 0, ones, ones > 0, label)
    # All-or-nothing bids of one entity on one lot share one row: stronger than a row each, since coverage lets at
    # most one unit of the lot be accepted. Divisible bids get a row each.
    shared = in_scope.tocoo()
    solid = whole[shared.col]
    lots = tender.part[shared.col[solid]]
    count = np.diff(lots.indptr)
    entity, bid = np.repeat(shared.row[solid], count), np.repeat(shared.col[solid], count)
    keep = scope[lots.indices]
    pair, row = np.unique(entity[keep] * len(scope) + lots.indices[keep], return_inverse=True)
    solid_body = sparse.csr_array((lots.data[keep], (row, bid[keep])), shape=(len(pair), n))
    owner = _pick(pair // len(scope), len(names))
    loose = np.flatnonzero(~solid)
    loose_body, loose_owner = _pick(shared.col[loose], n), _pick(shared.row[loose], len(names))
    links = [
        Rows.at_most(
            take(tender).under(solid_body) - bare().under(owner),
            0.0,
            lambda i: f"{names[pair[i] // len(scope)]} wins if lot {tender.lot_names[pair[i] % len(scope)]} is its own",
        ),
        Rows.at_least(
            accept(tender).under(in_scope) - bare(), 0.0, lambda g: f"{names[g]} wins only with an accepted bid"
        ),
    ]
    if len(loose):
        body = accept(tender).under(loose_body) - bare().under(loose_owner)
        links.append(Rows.at_most(body, 0.0, lambda i: f"any of bid {tender.bid_names[shared.col[loose[i]]]} counts"))
    return names, Family(key, bare.lower, bare.upper, bare.integer, label, tuple(links))()


def present(tender: Tender, scope: Mask, per: str) -> Linear:
    """At most 1 for each winner in the scope, and 0 for everybody else; whole of itself where it is pushed up."""
    names, weight = tender.groups(per, winners=True)
    belongs = sparse.csr_array((weight.T > 0).astype(float) @ by_bidder(tender))
    touch = sparse.diags_array(touching(tender, scope).astype(float), format="csr")
    ones = np.ones(len(names))
    label: Callable[[int], str] = lambda g: f"{names[g]} is present in {_where(tender, scope)}"  # noqa: E731
    bare = Family(f"present|{per}|{digest(scope)}", ones * 0, ones, ones < 0, label)
    body = accept(tender).under(sparse.csr_array(belongs @ touch)) - bare()
    return replace(bare, links=(Rows.at_least(body, 0.0, lambda g: f"{label(g)}: only with an accepted bid"),))()


def lots_held(tender: Tender, scope: Mask, per: str, *, winners: bool = False) -> tuple[NDArray[np.object_], Linear]:
    """In how many lots of the scope each entity has an accepted bid, each lot once however small its part."""
    names, weight = tender.groups(per, winners=winners)
    belongs = sparse.csr_array((weight.T > 0).astype(float) @ by_bidder(tender)).tocoo()
    lots = tender.part[belongs.col]
    count = np.diff(lots.indptr)
    entity, bid, lot = np.repeat(belongs.row, count), np.repeat(belongs.col, count), lots.indices
    keep = scope[lot]
    entity, bid, lot, part = entity[keep], bid[keep], lot[keep], lots.data[keep]
    pair, at, size = np.unique(entity * len(scope) + lot, return_inverse=True, return_counts=True)
    # Two accepted bids of one entity can meet on a lot only if neither takes more than half of it.
    more_than_half = (part > 0.5) & (tender.min_fraction[bid] >= 1)
    alone = (size == 1) | (np.bincount(at, weights=~more_than_half, minlength=len(pair)) == 0)
    single = alone[at]
    shape = (len(names), len(tender.price))
    held = accept(tender).under(sparse.csr_array((np.ones(single.sum()), (entity[single], bid[single])), shape=shape))
    if not alone.all():
        meeting = np.flatnonzero(~alone)
        place = np.searchsorted(meeting, at[~single])
        ones = np.ones(len(meeting))
        who, which = pair[meeting] // len(scope), pair[meeting] % len(scope)
        label: Callable[[int], str] = lambda k: f"{names[who[k]]} holds some of lot {tender.lot_names[which[k]]}"  # noqa: E731
        key = f"holds|{per}|{'itself' if winners else 'members'}|{digest(scope)}"
        bare = Family(key, ones * 0, ones, ones > 0, label)
        pick, held_by = _pick(bid[~single], len(tender.price)), _pick(place, len(meeting))
        some = accept(tender).under(sparse.csr_array(held_by.T @ pick))
        links = (
            Rows.at_most(accept(tender).under(pick) - bare().under(held_by), 0.0, lambda i: label(int(place[i]))),
            Rows.at_least(some - bare(), 0.0, lambda k: f"{label(k)}, only with an accepted bid"),
        )
        family = Family(key, bare.lower, bare.upper, bare.integer, label, links)
        held = held + family().under(_pick(who, len(names)).T)
    return names, held


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
    offers = (tender.bidder_of == schedule.bidder) & touching(tender, covers)
    own = np.flatnonzero(offers)
    if not len(own) or not (covers & scope).any():
        return Linear.fixed([0.0])
    label = f"discount of {tender.bidder_names[schedule.bidder]} on {_where(tender, covers)}"
    width = len(tender.price)
    price = (tender.price * inside(tender, covers, offers))[own]
    spent = take(tender).under(_row(own, price, width))
    amount = np.asarray(tender.quantity @ covers.astype(float))[own]
    thresholds, percents = schedule.thresholds, schedule.percents
    amounts = np.cumsum(schedule.amounts) if schedule.kind == "incremental" else schedule.amounts
    solid = bool((tender.min_fraction[own] >= 1).all())
    if schedule.measure == "spend":
        measured, whole, levels = spent, solid and _whole(price), None
    elif schedule.measure == "quantity":
        measured, whole = take(tender).under(_row(own, amount, width)), solid and _whole(amount)
        levels = int(tender.demand[covers].sum()) if whole else None
    else:
        _, held = lots_held(tender, covers, "bidder", winners=True)
        measured, whole, levels = held.rows(np.array([schedule.bidder])), True, int(covers.sum())
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
        cut = (tender.price * inside(tender, covers & scope, offers))[own]
        split = _split_by_tier(key, label, tender, own, tier)
        off = off + split.under(np.repeat(percents, len(own)) * np.tile(cut, len(percents)))
    if banded:
        off = off + _bands(key, label, thresholds, spent, tier).under(percents)
    if amounts.any():
        off = off + _lump(key, label, amounts, spent, tier, float(price.min()) if solid and thresholds[0] > 0 else 0.0)
    if (banded or amounts.any()) and touching(tender, covers & ~scope)[own].any():
        raise ValueError(
            f"{label} is one sum over lots inside and outside of {_where(tender, scope)}: which part of it belongs "
            f"there cannot be said. Give it as a percentage of everything (all_units), or choose scopes that hold "
            f"all its lots"
        )
    return off


def _row(columns: Places, values: Floats, width: int) -> sparse.csr_array:
    return sparse.csr_array((values, (np.zeros(len(columns), dtype=int), columns)), shape=(1, width))


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
    measured, low, below, ceiling = measured.times(1 / size), thresholds / size, below / size, ceiling / size
    links = (
        Rows.at_most(bare().total(), 1.0, lambda _: f"{label}: one tier applies"),
        Rows.at_least(measured - bare().under(low), 0.0, lambda _: f"{label}: the threshold is reached"),
        Rows.at_most(
            measured - bare().under(ceiling - below[0]), below[0], lambda _: f"{label}: the highest threshold reached"
        ),
    )
    return Family(bare.key, zeros, ones, bare.integer, bare.label, links)()


def _split_by_tier(key: str, label: str, tender: Tender, own: Places, tier: Linear) -> Linear:
    """Accepted fractions split by the tier that applies (tier by tier): fraction · tier is linear in these columns."""
    count, size = len(tier), len(own)
    zeros, ones = np.zeros(count * size), np.ones(count * size)
    bare = Family(f"{key} split", zeros, ones, ones < 0, lambda k: f"{label}: bid {tender.bid_names[own[k % size]]}")
    of_bid = bare().under(_pick(np.tile(np.arange(size), count), size).T)
    fraction = take(tender).rows(own)
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
    return Family(bare.key, zeros, ones, bare.integer, bare.label, links)()


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
    return replace(bare, links=links)().times(most)


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
    return replace(bare, links=links)().rows(np.array([0])).times(most)
