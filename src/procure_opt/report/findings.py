"""What a report says beyond the award itself: looked for in the name of its audience, within bounds, nothing silently.

Each part is begun only while there is time, and only for a tender that is not too large; a part that takes longer is
given up, but for what it has found by then. What is left out is noted with the reason.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from procure_opt.award import Award
from procure_opt.constraints import MaxHHI, MaxShare, MinQuality
from procure_opt.diagnose import (
    NearTies,
    Scenarios,
    Stability,
    frontier,
    near_ties,
    price_of_constraints,
    price_to_win,
    scenarios,
    stability,
)
from procure_opt.highs import deadline
from procure_opt.infeasible import Infeasible
from procure_opt.payments import Payments
from procure_opt.policy import Plan, Policy
from procure_opt.program import Rows
from procure_opt.report.audience import Audience
from procure_opt.tender import Tender

T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """How far a report looks. Counts give the same page on every machine; seconds do not, and the page says so.

    Attributes:
        seconds: For all that is looked for; None = counts alone.
        bids: Bids whose price to win is looked for: a quarter winners, then the losers nearest to what won their lots.
        near: Other awards listed.
        within: Share of the objective within which they lie.
        caps: Caps on an owner's share through which the frontier of cost and concentration goes.
        scenarios: Rules dropped one at a time in the comparison of scenarios, those that bind first.
        draws: Draws of evaluators' noise; 0 leaves it out.
        large: Bids above which near ties, frontier, scenarios and stability are not begun.
    """

    seconds: float | None = 120.0
    bids: int = 40
    near: int = 5
    within: float = 0.01
    caps: tuple[float, ...] = (1.0, 0.75, 0.5, 0.4, 0.3, 0.25, 0.2)
    scenarios: int = 4
    draws: int = 0
    large: int = 2_000

    def __post_init__(self) -> None:
        if self.seconds is not None and not self.seconds >= 0:
            raise ValueError(f"seconds is {self.seconds!r}; it must be at least 0, or None for no bound in time")
        for name in ("bids", "near", "scenarios", "draws", "large"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 0")
        if not self.within >= 0:
            raise ValueError(f"within is {self.within!r}; it must be a share of at least 0")
        if not all(0 < cap <= 1 for cap in self.caps):
            raise ValueError(f"caps are {self.caps!r}; each must be a share above 0 and at most 1")


@dataclass(frozen=True)
class LeftOut:
    """A part that is not there: its name and the reason, as keys of the texts, with the values of the reason."""

    what: str
    why: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Lost:
    """Why a bid did not win: the reason as a key of the texts, what it names, and the prices that may be told."""

    bid: str
    bidder: str
    lots: tuple[str, ...]
    why: str
    rule: Any = None
    status: str = ""
    price: float = math.nan
    price_to_win: float = math.nan


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found; None where it is not for the audience, or was left out.

    Attributes:
        lost: The bids not accepted, each with its reason.
        constraints: What rules cost; to others than the committee which ones bind.
        near, frontier, scenarios: As `diagnose` has them.
        moves: One row a bid whose price to win is known: `bid`, `bidder`, `wins`, `price`, `price_to_win`, `change`,
            `share`.
        evaluators: What one evaluator left out, and noise, change.
        ignored: What deciding without the ledger would have cost.
    """

    lost: tuple[Lost, ...]
    constraints: pd.DataFrame | None = None
    near: NearTies | None = None
    frontier: pd.DataFrame | None = None
    scenarios: Scenarios | None = None
    moves: pd.DataFrame | None = None
    evaluators: Stability | None = None
    ignored: float = math.nan
    left_out: tuple[LeftOut, ...] = ()


class Clock:
    """What time is left, and what was not begun."""

    def __init__(self, bounds: Bounds, *, tells: bool = True) -> None:
        self.bounds = bounds
        self.tells = tells  # why something failed: messages may name prices
        self.end = math.inf if bounds.seconds is None else time.monotonic() + bounds.seconds
        self.out: list[LeftOut] = []

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.end - time.monotonic()

    def skip(self, what: str, why: str, /, **values: object) -> None:
        """Note that a part was left out."""
        self.out.append(LeftOut(what, why, values))

    def run(self, what: str, part: Callable[[], T], share: float = 1.0) -> T | None:
        """The part, if it has an answer within a share of the time left; else it is noted as left out."""
        if self.left <= 0:
            self.late(what)
            return None
        try:
            with deadline(self.left * share):
                return part()
        except TimeoutError:
            self.late(what)
        except (ValueError, Infeasible) as none:
            self.skip(what, "out.failed", why=str(none)) if self.tells else self.skip(what, "out.undone")
        return None

    def late(self, what: str) -> None:
        """Note that there was no time for a part."""
        self.skip(what, "out.time", seconds=f"{self.bounds.seconds:g}")


def look(award: Award, audience: Audience, payments: Payments | None, bounds: Bounds) -> Findings:
    """What there is to say of an award to an audience."""
    clock = Clock(bounds, tells=audience.committee)
    reasons = why_lost(award, audience)
    if award.status != "optimal":
        for what in ("price_to_win", "constraints", *(("near", "frontier", "stability") if audience.committee else ())):
            clock.skip(what, "out.unproven")
        return Findings(tuple(reasons), left_out=tuple(clock.out))
    priced = clock.run("constraints", lambda: _constraints(award, audience, payments))
    to_win = _prices_to_win(award, audience, clock)
    lost = tuple(_known(replace(each, price_to_win=to_win.get(each.bid, math.nan)), to_win) for each in reasons)
    if not audience.committee:
        return Findings(lost, None if priced is None else priced[["constraint", "binds"]], left_out=tuple(clock.out))
    moves = _moves(award, to_win)
    if len(award.tender.price) > bounds.large:
        for what in ("near", "frontier", "scenarios", "stability"):
            clock.skip(what, "out.size", bids=f"{len(award.tender.price):,}", limit=f"{bounds.large:,}")
        return Findings(lost, priced, moves=moves, left_out=tuple(clock.out))
    room = bounds.within * abs(award.objective)
    return Findings(
        lost,
        priced,
        moves=moves,
        near=clock.run("near", lambda: near_ties(award, room, bounds.near), 0.5) if bounds.near else None,
        frontier=_frontier(award, clock),
        scenarios=clock.run("scenarios", lambda: _scenarios(award, priced, bounds)),
        evaluators=_evaluators(award, clock),
        ignored=_ignored(award, clock),
        left_out=tuple(clock.out),
    )


# ---- why bids did not win ---------------------------------------------------------------------------------


def why_lost(award: Award, audience: Audience) -> list[Lost]:
    """The reason of each bid that was not accepted, told from the bids and the rules, without solving anything.

    The price of a bid goes with it only if the audience may see it.
    """
    plan = award.policy.plan(award.tender)
    tender, given = plan.tender, award.tender
    won = set(award.bids["bid"])
    groups = {(row.bidder, row.xor) for row in award.bids.itertuples() if row.xor}
    home, open_lots = set(award.in_house.loc[award.in_house["fraction"] > 1 - 1e-9, "lot"]), set(award.unawarded)
    forbidden = barred(plan)
    found = []
    for bid in range(len(tender.price)):
        name, bidder = str(tender.bid_names[bid]), str(tender.bidder_names[tender.bidder_of[bid]])
        if name in won:
            continue
        lots = tuple(str(tender.lot_names[lot]) for lot in np.sort(tender.quantity[[bid]].indices))
        rule, row = None, tender.bids.iloc[bid]
        if bid in forbidden:
            why, rule = "why.barred", forbidden[bid]
        elif row["xor"] and (bidder, row["xor"]) in groups:
            why = "why.alternative"
        elif set(lots) <= home:
            why = "why.home"
        elif set(lots) <= open_lots:
            why = "why.open"
        else:
            why = "why.dearer"
        price = float(row["price"] + row["fixed"]) if audience.owns(bidder) else math.nan
        found.append(Lost(name, bidder, lots, why, rule, price=price))
    early = set(given.rejected["bid"])
    aside: Any = tender.rejected.itertuples()
    for each in aside:
        why, status = _aside(str(each.reason), each.bid in early, audience.owns(each.bidder))
        named = tuple(part.split(":")[0].strip() for part in str(each.lots).split(";") if part.strip())
        amount = float(each.price + each.fixed) if audience.owns(each.bidder) else math.nan
        found.append(Lost(str(each.bid), str(each.bidder), named, why, status=status, price=amount))
    return found


def _aside(reason: str, at_reading: bool, own: bool) -> tuple[str, str]:
    """The kind of reason for which a bid was set aside; its words, which may name a price, for its owner alone."""
    if reason.startswith("above the reserve"):
        return "why.reserve", ""
    if reason.startswith("fewer than "):
        return "why.thin", ""
    if at_reading:
        return ("why.status", reason) if own else ("why.invalid", "")
    return "why.formula", ""


def barred(plan: Plan) -> dict[int, Any]:
    """The bids that a hard rule forbids whatever else is accepted, with the first such rule.

    A row Σ a·x ≤ u over accepted bids with no a below 0 forbids a bid whose own a exceeds u. Rows from below are the
    same with other signs.
    """
    found: dict[int, Any] = {}
    least = plan.tender.min_fraction
    of_family = {"take": np.arange(len(least)), "accept": np.flatnonzero(least < 1)}
    smallest = {"take": least, "accept": np.ones(len(of_family["accept"]))}
    for rule, rows in plan.rules:
        if rows.penalty is not None or not rows.body.terms.keys() <= of_family.keys():
            continue
        for bid in _forbidden(rows, of_family, smallest):
            found.setdefault(int(bid), rule)
    return found


def _forbidden(rows: Rows, of_family: Mapping[str, Any], smallest: Mapping[str, Any]) -> Iterable[int]:
    for sign, limit in ((1.0, rows.upper), (-1.0, -rows.lower)):
        room = limit - sign * rows.body.constant
        fine = np.isfinite(room)
        for block in rows.body.terms.values():
            fine &= np.asarray((sign * block).min(axis=1).todense()).ravel() >= 0
        for key, block in rows.body.terms.items():
            cells = block.tocoo()
            over = sign * cells.data * smallest[key][cells.col] > room[cells.row] + 1e-9 * np.maximum(
                1.0, np.abs(room[cells.row])
            )
            yield from of_family[key][cells.col[over & fine[cells.row]]]


def _known(lost: Lost, to_win: Mapping[str, float]) -> Lost:
    """Where it was looked for and no price wins, that is the reason."""
    never = lost.why == "why.dearer" and lost.bid in to_win and math.isnan(to_win[lost.bid])
    return replace(lost, why="why.never") if never else lost


def _prices_to_win(award: Award, audience: Audience, clock: Clock) -> dict[str, float]:
    """Prices to win: for the committee of the bids that say most, for a bidder of its own, for the public none."""
    bids = _worth_asking(award, audience, clock.bounds.bids)
    every = [bidder for bidder in award.tender.bids["bidder"] if audience.owns(bidder)]
    found: dict[str, float] = {}

    def look_for() -> None:
        for bid in bids:
            found[bid] = price_to_win(award, bid)

    if bids:
        before = len(clock.out)
        clock.run("price_to_win", look_for, 0.5)
        del clock.out[before:]  # what is missing is told below
    if len(found) < len(every):
        clock.skip("price_to_win", "out.prices", done=f"{len(found):,}", all=f"{len(every):,}")
    return dict(found)


def _worth_asking(award: Award, audience: Audience, most: int) -> list[str]:
    """Bids in the order in which their prices to win are looked for.

    Losers nearest to what was paid for their lots come first, then winners. Where a price does not enter in proportion
    (discounts, parts of lots) many awards must be decided for one bid: these come last.
    """
    tender, _ = award.policy.field(award.tender)
    won = set(award.bids["bid"])
    at = pd.Index(tender.bid_names).get_indexer(pd.Index(award.bids["bid"]))
    part = tender.part[at].multiply(award.bids["fraction"].to_numpy(dtype=float)[:, None]).tocsr()
    size = np.where(np.isfinite(tender.estimate) & (tender.estimate > 0), tender.estimate, 1.0)
    worth = part @ size
    rate = award.bids["net"].to_numpy(dtype=float) / np.where(worth > 0, worth, 1.0)
    paid = np.asarray(part.T @ rate) * size + np.nan_to_num(tender.in_house) * tender.money_unit * _kept(award, tender)
    ask = (tender.price + tender.fixed) * tender.money_unit
    instead = np.maximum(tender.part @ paid, 1e-9)
    bent = np.isin(tender.bidder_of, [each.bidder for each in tender.schedules]) | (tender.min_fraction < 1)
    order = sorted(range(len(ask)), key=lambda bid: (bent[bid], abs(ask[bid] / instead[bid] - 1), bid))
    mine = [str(tender.bid_names[bid]) for bid in order if audience.owns(tender.bidder_names[tender.bidder_of[bid]])]
    losers = [bid for bid in mine if bid not in won]
    winners = [bid for bid in mine if bid in won]
    first = losers[: max(most - len(winners), most * 3 // 4)]
    return [*first, *winners][:most]


def _kept(award: Award, tender: Tender) -> Any:
    """The part of each lot done in-house."""
    kept = np.zeros(len(tender.demand))
    kept[pd.Index(tender.lot_names).get_indexer(pd.Index(award.in_house["lot"]))] = award.in_house["fraction"]
    return kept


def _moves(award: Award, to_win: Mapping[str, float]) -> pd.DataFrame:
    """By how much a price must move to flip its bid."""
    bids = award.tender.bids
    table = bids[bids["bid"].isin(list(to_win))][["bid", "bidder", "price"]].reset_index(drop=True)
    table.insert(2, "wins", table["bid"].isin(award.bids["bid"]))
    table["price_to_win"] = table["bid"].map(dict(to_win)).astype(float)
    table["change"] = table["price_to_win"] - table["price"]
    table["share"] = table["change"] / table["price"].where(table["price"] > 0)
    return table.sort_values("share", key=lambda share: share.abs(), kind="stable", ignore_index=True)


def _evaluators(award: Award, clock: Clock) -> Stability | None:
    """What leaving out each evaluator changes, and the noise of scores where draws are asked for."""
    if award.tender.scores.empty:
        return None
    draws = clock.bounds.draws
    if not draws:
        clock.skip("noise", "out.asked")
    return clock.run("stability", lambda: stability(award, limit=0, draws=draws))


# ---- what rules cost --------------------------------------------------------------------------------------


def _constraints(award: Award, audience: Audience, payments: Payments | None) -> pd.DataFrame:
    named = payments is not None and payments.rule.name != "pay_as_bid" and audience.committee
    if named and payments is not None:
        return price_of_constraints(award, payments.rule, by=payments.by)
    return price_of_constraints(award, None)


def _frontier(award: Award, clock: Clock) -> pd.DataFrame | None:
    """The award as the cap on an owner's share of the estimates (of the lots, without them) is tightened."""
    tender = award.tender
    of = "lots" if np.isnan(tender.estimate).any() or not tender.estimate.sum() > 0 else "estimate"
    free = replace(award.policy, constraints=tuple(
        rule for rule in award.policy.constraints
        if not (isinstance(rule, (MaxShare, MaxHHI)) and rule.lots is None and rule.each is None)
    ))  # fmt: skip
    rows: list[pd.DataFrame] = []
    caps = sorted(clock.bounds.caps, reverse=True)

    def go_through() -> bool:
        for cap in caps:
            rows.append(frontier(tender, free, lambda cap: MaxShare(cap, of=of, per="owner"), [cap]))
            if rows[-1]["status"].iloc[0] == "infeasible":
                break  # nor does any award exist under a tighter cap
        return True

    if clock.run("frontier", go_through, 0.6) is None and rows:
        clock.skip("frontier", "out.frontier", shown=len(rows), all=len(caps))
    return pd.concat(rows, ignore_index=True) if rows else None


def _scenarios(award: Award, priced: pd.DataFrame | None, bounds: Bounds) -> Scenarios:
    """The announced policy, price alone, and the policy without each of its rules, those that bind first."""
    policy = award.policy
    order = list(range(len(policy.constraints)))
    if priced is not None:
        order.sort(key=lambda number: (not priced["binds"].iloc[number], number))
    ways = {"announced": policy, "price": Policy(quality_weights=policy.quality_weights)}
    for number in sorted(order[: bounds.scenarios]):
        rest = tuple(rule for at, rule in enumerate(policy.constraints) if at != number)
        ways[f"without {number}"] = replace(policy, constraints=rest)
    return scenarios(award.tender, ways)


def _ignored(award: Award, clock: Clock) -> float:
    if award.policy.ledger is None:
        return math.nan
    found = clock.run("ignored", lambda: award.ledger_ignored)
    return math.nan if found is None else float(found["objective"].to_numpy()[-1])


def floor_of(policy: Policy) -> float:
    """The least mean quality that a policy asks for over all lots; NaN if it asks for none."""
    floors = [rule.score for rule in policy.constraints
              if isinstance(rule, MinQuality) and rule.lots is None and rule.each is None]  # fmt: skip
    return max(floors, default=math.nan)


def shares(award: Award, of: str, per: str) -> pd.Series:
    """The share of each entity in what is let and kept, largest first; NaN where estimates are missing."""
    tender: Tender = award.policy.field(award.tender)[0]
    names, weight = tender.groups(per)
    at = pd.Index(tender.bid_names).get_indexer(pd.Index(award.bids["bid"]))
    part = award.bids["fraction"].to_numpy(dtype=float)[:, None] * tender.part[at].toarray()
    measure = {"lots": np.ones(len(tender.demand)), "demand": tender.demand, "estimate": tender.estimate}
    if of == "spend":
        amount, total = award.bids["net"].to_numpy(dtype=float), award.price + float(award.in_house["cost"].sum())
    else:
        amount, total = part @ measure[of], float(measure[of].sum())
    held = np.zeros(len(tender.bidder_names))
    np.add.at(held, tender.bidder_of[at], amount)
    share = pd.Series(weight.T @ held / total if total else np.nan, index=names)
    return share[share > 0].sort_values(ascending=False, kind="stable")
