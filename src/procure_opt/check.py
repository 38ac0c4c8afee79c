"""An award checked again from the bids, by code that shares nothing with the program that found it.

Every accepted bid is taken apart into its lots; quantities, prices, discounts, costs, shares and every constraint are
added up again from those parts. Nothing the award says of itself is believed. Payments are checked in
`check_payments.py`, by a search that judges every award it meets by what stands here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.check_payments import check_payments
from procure_opt.tender import Tender

if TYPE_CHECKING:
    from procure_opt.award import Award
    from procure_opt.payments import Payments

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Mask = NDArray[np.bool_]

# Tolerances. Shares, indices, fractions, quantities and scores: one part in a thousand million. Money: a millionth of
# the money unit where every amount is a whole number of units, else (parts of bids, discounts) 1e-9 of the cost.
# Thresholds of discounts: what sums are rounded by.
RELATIVE = 1e-9
ROUNDING = 1e-12
OF_A_UNIT = 1e-6
SCORES = 1e-6  # points by which an optimal score may miss its bound
DECLARED = 1e-6  # of a unit of penalty: what a soft constraint declares and what it is exceeded by
REFILL_STEPS = 100_000  # the search of `Resilient` gives up beyond so many steps


class Violation(NamedTuple):
    """One thing that is wrong with an award: the rule broken, where, by how much, and a sentence."""

    rule: str
    where: str
    amount: float
    message: str

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"{self.rule}{where}: {self.message}"


class Excess(NamedTuple):
    """By how much a constraint is exceeded at one place, in the unit its penalty is charged in."""

    where: str
    amount: float
    message: str


class NotChecked(Exception):
    """A constraint that this code cannot decide, with the reason."""


Twin = Callable[["Facts", Any, Mask, str], Iterable[Excess]]


def check(done: Award | Payments) -> list[Violation]:
    """Every rule an award breaks and every number in it that is wrong; an empty list if there is none.

    The bids are walked one by one: they stand in the tender, once, unchanged, at an admissible fraction, and exclude
    each other where an `xor` label says so; each lot's demand is met exactly,

        Σ_b quantity_bl · fraction_b + demand_l · in_house_l + demand_l · unawarded_l = demand_l;

    discounts, net prices, cost, objective, the table by bidder and the concentration index are computed again; every
    constraint of the policy is held against its twin in `TWINS`. What soft constraints charge must be what the award
    declares; what it declares is no violation.

    Of payments the award is checked, and every amount: who is paid, at least the net price, and what the rule claims,
    against the awards that a search of its own finds without a winner, and against every coalition of the others.

    Args:
        done: An award or payments, also changed by hand.

    Returns:
        Violations, each with `rule`, `where`, `amount` and `message`; `str` of one is a sentence. A constraint without
        a twin, or one too large for its twin, is listed as "not independently checked", with a NaN amount; so are
        payments from divisible bids, or from too many awards to search.

    >>> import procure_opt as po
    >>> tender = po.Tender([{"lot": "A"}], [{"bid": "b1", "bidder": "X", "lots": "A", "price": 7},
    ...                                     {"bid": "b2", "bidder": "Y", "lots": "A", "price": 9}])
    >>> award = po.award(tender)
    >>> po.check(award)
    []
    >>> import dataclasses
    >>> print(po.check(dataclasses.replace(award, cost=6.0))[0])
    cost: it is 7, the award says 6
    """
    # An award is told from payments by what it has: both classes stand above this module.
    payments: Any = done if hasattr(done, "amounts") else None
    facts = Facts.of(done if payments is None else payments.award)
    found = [*facts.problems, *_coverage(facts), *_constraints(facts), *_numbers(facts)]
    if payments is not None:
        found += (Violation(*wrong) for wrong in check_payments(facts, payments))
    return found


@dataclass(frozen=True, eq=False)
class Facts:
    """What an award comes to, added up from its accepted bids; money in money units.

    `bid` holds the rows of the accepted bids in `tender.bids`, `fraction` how much of each is accepted; `own` and
    `left` the parts of each lot done in-house and left unawarded. `at`, `lot`, `part` have one entry for each lot of
    each accepted bid: which accepted bid, which lot, and how much of the lot's demand it takes.
    """

    award: Any
    tender: Tender
    bid: Places
    fraction: Floats
    own: Floats
    left: Floats
    problems: tuple[Violation, ...]

    @staticmethod
    def of(award: Any) -> Facts:
        """Read the award's tables; what cannot be read is a problem, and is left out."""
        problems: list[Violation] = []
        tender = _field(award, problems)
        bid, fraction = _accepted(award, tender, problems)
        own = _in_house(award, tender, problems)
        facts = Facts(award, tender, bid, fraction, own, np.zeros(len(own)), ())
        left = _unawarded(facts, problems)
        return Facts(award, tender, bid, fraction, own, left, tuple(problems))

    def other(self, bid: Places, own: Floats, left: Floats) -> Facts:
        """Another award of the same tender under the same policy: these bids as a whole, these parts of lots."""
        other = Facts(self.award, self.tender, bid, np.ones(len(bid)), own, left, ())
        other.__dict__["_entities"] = self._entities  # of the tender alone
        return other

    # ---- the parts of the accepted bids -------------------------------------------------------------------

    @cached_property
    def quantities(self) -> Any:
        """The quantities of the accepted bids at fraction 1, accepted bids × lots."""
        return self.tender.quantity[self.bid]

    @cached_property
    def at(self) -> Places:
        """The accepted bid of each part."""
        return np.repeat(np.arange(len(self.bid)), np.diff(self.quantities.indptr))

    @cached_property
    def lot(self) -> Places:
        """The lot of each part."""
        return np.asarray(self.quantities.indices, dtype=np.intp)

    @cached_property
    def units(self) -> Floats:
        """The quantity of each part."""
        return np.asarray(self.quantities.data * self.fraction[self.at], dtype=float)

    @cached_property
    def part(self) -> Floats:
        """The share of its lot's demand that each part takes."""
        return self.units / self.tender.demand[self.lot]

    @cached_property
    def split(self) -> Floats:
        """How each accepted bid's price divides over its parts: by estimate; NaN where that cannot be said."""
        worth = self.tender.estimate[self.lot] * (self.quantities.data / self.tender.demand[self.lot])
        whole = self.sum(worth)[self.at]
        share = np.divide(worth, whole, out=np.full(len(worth), np.nan), where=whole > 0)
        alone = self.sum(np.ones(len(self.at))) == 1
        return np.where(alone[self.at], 1.0, share)

    def sum(self, values: Floats) -> Floats:
        """Values of parts added up by accepted bid."""
        return np.bincount(self.at, weights=values, minlength=len(self.bid)).astype(float)

    def inside(self, lots: Mask, values: Floats, whole: Floats) -> Floats:
        """What of an amount (in all, and by part) belongs to these lots; no split is needed for all or nothing."""
        here = lots[self.lot]
        some, all_of_it = self.sum(here.astype(float)) > 0, self.sum((~here).astype(float)) == 0
        return np.where(all_of_it, whole, np.where(some, self.sum(np.where(here, values, 0.0)), 0.0))

    # ---- money --------------------------------------------------------------------------------------------

    @cached_property
    def price(self) -> Floats:
        """Price · fraction of each accepted bid, before discounts and fixed charges."""
        return self.tender.price[self.bid] * self.fraction

    @cached_property
    def off(self) -> tuple[tuple[Mask, Floats], ...]:
        """For each discount schedule its lots, and what it takes off each accepted bid."""
        return tuple(self._off(schedule) for schedule in self.tender.schedules)

    def _off(self, schedule: Any) -> tuple[Mask, Floats]:
        covers = np.isin(np.arange(len(self.tender.demand)), schedule.lots)
        mine = self.bidder == schedule.bidder
        spend = np.where(mine, self.inside(covers, self.split * self.price[self.at], self.price), 0.0)
        counted = mine[self.at] & covers[self.lot]
        match schedule.measure:
            case "lots":
                reached = float(len(np.unique(self.lot[counted])))
            case "quantity":
                reached = float(self.units[counted].sum())
            case _:
                reached = float(spend.sum())
        total = float(spend.sum())
        off = min(_discount(schedule, reached, total), total)
        return covers, spend * (off / total) if total > 0 else spend

    @cached_property
    def net(self) -> Floats:
        """What each accepted bid is paid: price · fraction + fixed charge − its part of the discounts."""
        return self.price + self.tender.fixed[self.bid] - sum((off for _, off in self.off), np.zeros(len(self.bid)))

    def paid(self, lots: Mask) -> Floats:
        """What of each accepted bid's net price belongs to these lots; discounts belong to the lots they cover."""
        gross = self.price + self.tender.fixed[self.bid]
        paid = self.inside(lots, self.split * gross[self.at], gross)
        for covers, off in self.off:
            covered = self.inside(covers, self.split, np.ones(len(self.bid)))
            both = self.inside(covers & lots, self.split, np.ones(len(self.bid)))
            paid = paid - off * np.divide(both, covered, out=np.zeros(len(off)), where=off > 0)
        return paid

    def in_house_cost(self, lots: Mask) -> float:
        """The cost of what is done in-house on these lots."""
        done = lots & (self.own > 0)
        return float((self.own[done] * self.tender.in_house[done]).sum())

    # ---- shares and counts --------------------------------------------------------------------------------

    @cached_property
    def bidder(self) -> Places:
        """The bidder of each accepted bid."""
        return self.tender.bidder_of[self.bid]

    @cached_property
    def every_lot(self) -> Mask:
        """All lots."""
        return np.ones(len(self.tender.demand), dtype=bool)

    @cached_property
    def _entities(self) -> dict[tuple[str, bool], tuple[Any, Any]]:
        return {}

    def entities(self, per: str, *, winners: bool = False) -> tuple[NDArray[np.object_], Any]:
        """Names of the entities, and the weight of each bidder in each (entities × bidders)."""
        if (per, winners) not in self._entities:
            names, weight = self.tender.groups(per, winners=winners)
            self._entities[per, winners] = names, weight.T.tocsr()
        return self._entities[per, winners]

    def amount(self, of: str, lots: Mask) -> Floats:
        """What each accepted bid takes of a measure within these lots."""
        if of == "spend":
            return self.paid(lots)
        return self.sum(np.where(lots[self.lot], _of_lots(self.tender, of)[self.lot] * self.part, 0.0))

    def won(self, of: str, lots: Mask) -> Floats:
        """The same by bidder."""
        amount = self.amount(of, lots)
        return np.bincount(self.bidder, weights=amount, minlength=len(self.tender.bidder_names)).astype(float)

    def held(self, column: str | None, of: str) -> Floats:
        """What each bidder holds elsewhere already."""
        if column is None:
            return np.zeros(len(self.tender.bidder_names))
        held = self.tender.bidders[column].to_numpy(dtype=float)
        return held / self.tender.money_unit if of == "spend" else held

    def total(self, rule: Any, lots: Mask) -> float:
        """What a share is a share of: all lots in scope, or what bidders win; with all that is held elsewhere."""
        held = float(self.held(rule.existing, rule.of).sum())
        if rule.base == "awarded" or rule.of == "spend":
            own = self.in_house_cost(lots) if rule.base == "scope" else 0.0
            return float(self.amount(rule.of, lots).sum()) + own + held
        return float(_of_lots(self.tender, rule.of)[lots].sum()) + held

    def shares(self, rule: Any, lots: Mask) -> tuple[NDArray[np.object_], Floats]:
        """The share of each entity; all 0 of a total of 0."""
        names, weight = self.entities(rule.per)
        amount = weight @ (self.won(rule.of, lots) + self.held(rule.existing, rule.of))
        total = self.total(rule, lots)
        return names, amount / total if total != 0 else amount * 0.0

    def room(self, rule: Any) -> tuple[Floats, Floats]:
        """The capacity of each entity, its bidders' together, and of each consortium by itself; NaN is no bound."""
        room = self.tender.bidders[rule.column].to_numpy(dtype=float)
        alone = _texts(self.tender.bidders["members"]) == ""
        theirs = (self.entities(rule.per)[1] > 0).astype(float)
        together = theirs @ np.where(alone, room, 0.0)
        return np.where(theirs @ alone.astype(float) > 0, together, np.nan), np.where(alone, np.nan, room)

    def touching(self, lots: Mask) -> Mask:
        """Which accepted bids have a part in these lots."""
        return self.sum(lots[self.lot].astype(float)) > 0

    def present(self, per: str, lots: Mask, *, winners: bool) -> tuple[NDArray[np.object_], Mask]:
        """Which entities have an accepted bid in these lots."""
        names, weight = self.entities(per, winners=winners)
        there = np.bincount(self.bidder[self.touching(lots)], minlength=weight.shape[1]) > 0
        return names, (weight > 0) @ there.astype(float) > 0

    def lots_held(self, per: str, lots: Mask, *, winners: bool = False) -> tuple[NDArray[np.object_], Floats]:
        """In how many different of these lots each entity has an accepted bid."""
        names, weight = self.entities(per, winners=winners)
        here = lots[self.lot]
        pairs = np.unique(self.bidder[self.at[here]] * len(lots) + self.lot[here])
        who, lot = np.divmod(pairs, len(lots))
        theirs = weight.tocsc()[:, who].tocoo()
        both = np.unique(theirs.row.astype(np.intp) * len(lots) + lot[theirs.col])
        return names, np.bincount(both // len(lots), minlength=len(names)).astype(float)

    def incumbents(self, column: str) -> NDArray[np.object_]:
        """Who holds each lot now, "" where nobody does."""
        return _texts(self.tender.lots[column])

    def switches(self, column: str, lots: Mask) -> Mask:
        """Lots of the scope whose incumbent does not hold all of them; in-house and unawarded are switches."""
        incumbent = self.incumbents(column)
        same = self.tender.bidder_names[self.bidder[self.at]] == incumbent[self.lot]
        held = np.bincount(self.lot[same], weights=self.part[same], minlength=len(lots))
        return np.asarray(lots & (incumbent != "") & (held < 1 - RELATIVE))

    # ---- what the policy makes of it ----------------------------------------------------------------------

    @cached_property
    def verdicts(self) -> tuple[tuple[Any, tuple[Excess, ...], str], ...]:
        """Each constraint, where it is exceeded, and why it could not be checked ("" if it was)."""
        return tuple((rule, *self.verdict(rule)) for rule in self.award.policy.constraints)

    def verdict(self, rule: Any) -> tuple[tuple[Excess, ...], str]:
        """Where a constraint is exceeded, and why it could not be checked ("" if it was)."""
        twin = TWINS.get(type(rule).__name__)
        if twin is None:
            return (), ": there is no twin of it"
        try:
            return tuple(_everywhere(self, rule, twin)), ""
        except NotChecked as reason:
            return (), f": {reason}"

    def declared(self, rule: Any) -> dict[str, float]:
        """Amount and charge that the award declares for a soft constraint (one of several, if they are equal)."""
        table = self.award.violations
        rows = table[table["constraint"] == repr(rule)]
        alike = max(1, sum(other == rule for other in self.award.policy.constraints))
        return {column: float(rows[column].sum()) / alike for column in ("amount", "charge")}

    def charge(self, rule: Any, found: tuple[Excess, ...], unchecked: str) -> float:
        """What a soft constraint charges; what cannot be checked is taken from the award."""
        if unchecked:
            return self.declared(rule)["charge"]
        return self.excess(found) * float(getattr(rule, "penalty", None) or 0.0)

    @staticmethod
    def excess(found: tuple[Excess, ...]) -> float:
        """The amounts added up, except infinite ones: what no money mends is a violation also of a soft rule."""
        return sum(excess.amount for excess in found if not math.isinf(excess.amount))

    @cached_property
    def aim(self) -> float | None:
        """What was minimised, charges of soft constraints left out, in units; None of an objective not known here.

        LowestCost: Σ (1 − deduction) · net + in-house + ledger. QualityAdjusted: less Σ value · quality of what is let
        and of what is done in-house. BestScore: −Σ score · estimate · part / Σ estimate, in points; of scores in money
        −Σ score + in-house.
        """
        tender, goal = self.tender, self.award.policy.objective
        kind = type(goal).__name__
        if kind == "BestScore" and self.in_money:
            scores = np.asarray(goal.scoring(tender))[self.bid]
            return -float(scores.sum()) / tender.money_unit + self.in_house_cost(self.every_lot)
        if kind == "BestScore":
            weight = self.amount("estimate", self.every_lot) / tender.estimate.sum()
            return -float((np.asarray(goal.scoring(tender))[self.bid] * weight).sum())
        if kind not in ("LowestCost", "QualityAdjusted"):
            return None
        rate = 1 - tender.bidders["deduction"].to_numpy(dtype=float)
        aim = float((rate[self.bidder] * self.net).sum()) + self.in_house_cost(self.every_lot) + self.ledger
        if kind == "QualityAdjusted":
            worth, home = self.worth
            points = tender.quality[self.bid][self.at] * self.part
            aim -= float((worth[self.lot] * points).sum() + (home * self.own).sum())
        return aim

    @cached_property
    def in_money(self) -> bool:
        """Whether the objective is money; else it is points."""
        goal = self.award.policy.objective
        return type(goal).__name__ != "BestScore" or bool(getattr(goal.scoring, "in_money", False))

    @cached_property
    def rate(self) -> Floats:
        """What a unit of net price counts for in the objective, by bidder: 1 − deduction + adaptation."""
        tender, ledger = self.tender, self.award.policy.ledger
        every = np.arange(len(tender.bidder_names))
        adaptation = 0.0 if ledger is None else self.figure(ledger.adaptation, (tender.bidders, every))
        return np.asarray(1 - tender.bidders["deduction"].to_numpy(dtype=float) + adaptation)

    @cached_property
    def worth(self) -> tuple[Floats, Floats]:
        """With QualityAdjusted what a quality point is worth on each lot, and what all of doing it in-house is."""
        tender, value = self.tender, self.award.policy.objective.value
        worth = _of_lots(tender, value if isinstance(value, str) else "lots") / tender.money_unit
        worth = worth if isinstance(value, str) else worth * value
        return worth, worth * np.nan_to_num(tender.lots["in_house_quality"].to_numpy(dtype=float))

    @cached_property
    def ledger(self) -> float:
        """Transaction costs in money units: each figure a number or a column."""
        ledger, tender = self.award.policy.ledger, self.tender
        if ledger is None:
            return 0.0
        bids, bidders, lots = tender.bids, tender.bidders, tender.lots
        every_bid, every_lot = np.arange(len(bids)), np.arange(len(lots))
        total = float(ledger.search) + self.figure(ledger.specification, (lots, every_lot)).sum()
        for of_bids in (ledger.per_bid_evaluated, ledger.bid_preparation):
            total += self.figure(of_bids, (bids, every_bid), (bidders, tender.bidder_of)).sum()
        for of_contracts in (ledger.per_contract, ledger.enforcement):
            total += self.figure(of_contracts, (bids, self.bid), (bidders, self.bidder)).sum()
        total += self.figure(ledger.per_supplier, (bidders, np.unique(self.bidder))).sum()
        if ledger.per_switch:
            gone = np.flatnonzero(self.switches(ledger.incumbent, self.every_lot))
            total += self.figure(ledger.per_switch, (lots, gone)).sum()
        let = np.bincount(self.lot, weights=self.part, minlength=len(lots))
        total += (self.figure(ledger.monitoring, (lots, every_lot)) * let).sum()
        lost = self.figure(ledger.replacement, (lots, every_lot))[self.lot] * self.part
        total += (self.figure(ledger.default, (bidders, self.bidder)) * self.sum(lost)).sum()
        adaptation = self.figure(ledger.adaptation, (bidders, self.bidder)) * self.net
        return float(total / tender.money_unit + adaptation.sum())

    def outcome(self) -> tuple[float, str]:
        """The objective with all charges, in money units, infinite if a hard rule is broken; or why nobody can say."""
        if self.aim is None:
            return math.nan, f"{type(self.award.policy.objective).__name__} is not known here"
        total = self.aim
        for rule in self.award.policy.constraints:
            found, unchecked = self.verdict(rule)
            if unchecked:
                return math.nan, f"{type(rule).__name__} cannot be{unchecked}"
            penalty = getattr(rule, "penalty", None)
            if any(penalty is None or math.isinf(excess.amount) for excess in found):
                return math.inf, ""
            total += self.excess(found) * float(penalty or 0.0) / self.tender.money_unit
        return total, ""

    @staticmethod
    def figure(value: float | str, *tables: tuple[pd.DataFrame, Any]) -> Floats:
        """A figure of the ledger, a number or a column, for each row asked for, from the first table that has it."""
        for table, rows in tables:
            if not isinstance(value, str):
                return np.full(len(rows), float(value))
            if value in table.columns:
                return np.asarray(table[value].to_numpy(dtype=float)[rows])
        raise ValueError(f"Ledger: there is no column {value!r}")

    def scopes(self, rule: Any) -> Iterator[tuple[Mask, str, str]]:
        """The lots of every scope of a rule; with `each` its value, and how to call it."""
        lots = self.tender.scope(getattr(rule, "lots", None))
        each = getattr(rule, "each", None)
        if each is None:
            yield lots, "", ""
            return
        values = self.tender.lots[each]
        for value in values[lots].unique():
            text = f"{value:g}" if isinstance(value, float) else str(value)
            yield lots & (values == value).to_numpy(), text, f"{each} {text}"

    def money(self, units: float) -> float:
        """The tolerance on an amount of money units."""
        exact = units == np.rint(units)
        return OF_A_UNIT + 4 * np.spacing(abs(units)) if exact else max(OF_A_UNIT, RELATIVE * abs(units))


def _discount(schedule: Any, reached: float, spend: float) -> float:
    """What a schedule takes off: of the highest threshold reached, or of every band."""
    tiers = list(zip(schedule.thresholds, schedule.percents, schedule.amounts))
    # A threshold is reached up to the rounding of sums of fractions, and not by a cent less.
    met = [tier for tier in tiers if reached >= tier[0] - ROUNDING * max(1.0, tier[0])]
    if not met:
        return 0.0
    if schedule.kind == "all_units":
        return float(met[-1][1] * spend + met[-1][2])
    off = sum(amount for _, _, amount in met)
    ends = [tier[0] for tier in met[1:]] + [reached]
    bands = [percent * max(0.0, end - threshold) for (threshold, percent, _), end in zip(met, ends)]
    return float(off + (sum(bands) * spend / reached if reached > 0 else 0.0))


def _of_lots(tender: Tender, of: str) -> Floats:
    """What each lot counts in a measure."""
    return np.ones(len(tender.demand)) if of == "lots" else tender.lots[of].to_numpy(dtype=float)


def _texts(column: pd.Series) -> NDArray[np.object_]:
    """Cells as names are written: a column of numeric ids is held as floats, and 7.0 is the id 7."""
    whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in column]
    return np.array(["" if pd.isna(value) else str(value) for value in whole], dtype=object)


# ---- the award's own tables -------------------------------------------------------------------------------


def _field(award: Any, problems: list[Violation]) -> Tender:
    """The tender as it is evaluated: quality derived, bids set aside that scores do not admit or with too few rivals.

    Setting a bid on a thin lot aside takes a bidder from its other lots, so lots are counted until nothing changes.
    """
    policy = award.policy
    tender: Tender = award.tender.scored(policy.quality_weights)
    refused = getattr(getattr(policy.objective, "scoring", None), "inadmissible", None)
    if refused is not None:
        tender = tender.set_aside(refused(tender))
    bids = tender.quantity.tocoo()
    bid, lot = bids.coords
    alive = np.ones(len(tender.price), dtype=bool)
    while True:
        pairs = np.unique(lot[alive[bid]] * (len(tender.bidder_names) + 1) + tender.bidder_of[bid[alive[bid]]])
        thin = np.bincount(pairs // (len(tender.bidder_names) + 1), minlength=len(tender.demand)) < policy.min_bidders
        gone = np.unique(bid[thin[lot] & alive[bid]])
        if not len(gone):
            break
        alive[gone] = False
    for one in np.flatnonzero(thin) if policy.few_bidders == "fail" else ():
        message = f"fewer than {policy.min_bidders} bidders sent valid bids, and the policy then lets the tender fail"
        problems.append(Violation("min_bidders", f"lot {tender.lot_names[one]}", math.nan, message))
    aside = f"a lot of it has fewer than {policy.min_bidders} bidders"
    return tender.set_aside({int(gone): aside for gone in np.flatnonzero(~alive)})


def _accepted(award: Any, tender: Tender, problems: list[Violation]) -> tuple[Places, Floats]:
    """The accepted bids' rows in the tender and their fractions; every row must be a valid bid, unchanged, once."""
    place = {name: row for row, name in enumerate(tender.bid_names)}
    rejected = dict(zip(tender.rejected["bid"], tender.rejected["reason"]))
    table, offered = award.bids, tender.bids
    rows: dict[int, float] = {}
    for name, fraction in zip(table["bid"], table["fraction"]):
        if name not in place:
            reason = f"it was rejected: {rejected[name]}" if name in rejected else "there is no such bid"
            problems.append(Violation("accepted bids", f"bid {name}", math.nan, reason))
        elif place[name] in rows:
            problems.append(Violation("accepted bids", f"bid {name}", math.nan, "it stands more than once"))
        else:
            rows[place[name]] = float(fraction)
    known = table["bid"].isin(offered["bid"])
    mine = offered.set_index("bid").reindex(table["bid"][known])
    for column in mine.columns.intersection(table.columns):
        given, true = table.loc[known, column].to_numpy(), mine[column].to_numpy()
        changed = (given != true) & ~(pd.isna(given) & pd.isna(true))
        for name, said, is_so in zip(mine.index[changed], given[changed], true[changed]):
            message = f"{column} is {is_so}, the award says {said}"
            problems.append(Violation("accepted bids", f"bid {name}", math.nan, message))
    bid = np.array(list(rows), dtype=np.intp)
    fraction = np.array(list(rows.values()), dtype=float)
    for row in np.flatnonzero(~((fraction >= tender.min_fraction[bid] - RELATIVE) & (fraction <= 1 + RELATIVE))):
        least = tender.min_fraction[bid[row]]
        allowed = "it must be 1" if least == 1 else f"it must be 0 or from {least:g} to 1"
        if fraction[row] != 0:
            where = f"bid {tender.bid_names[bid[row]]}"
            problems.append(Violation("fractions", where, float(fraction[row]), f"{fraction[row]:g} of it: {allowed}"))
    some = (fraction != 0) & ~np.isnan(fraction)
    return bid[some], fraction[some]


def _in_house(award: Any, tender: Tender, problems: list[Violation]) -> Floats:
    """The part of each lot done in-house; only lots that can be, whole unless divisible bids touch the lot."""
    own = np.zeros(len(tender.demand))
    place = {name: row for row, name in enumerate(tender.lot_names)}
    shared = _shared(tender)
    for name, fraction, cost in zip(*(award.in_house[column] for column in ("lot", "fraction", "cost"))):
        wrong = Violation("in-house", f"lot {name}", math.nan, "")
        lot = place.get(name)
        if lot is None:
            problems.append(wrong._replace(message="there is no such lot"))
            continue
        if own[lot]:
            problems.append(wrong._replace(message="it stands more than once"))
        own[lot] += fraction
        if np.isnan(tender.in_house[lot]):
            problems.append(wrong._replace(message="it cannot be done in-house: no in_house cost is given"))
            own[lot] = 0.0  # the lot then counts as not covered, and its cost as unknown
            continue
        if not (0 < fraction <= 1 + RELATIVE) or (fraction < 1 - RELATIVE and not shared[lot]):
            allowed = "a part above 0 and at most 1" if shared[lot] else "the whole lot"
            problems.append(wrong._replace(amount=float(fraction), message=f"{fraction:g} of it: it must be {allowed}"))
        due = fraction * tender.in_house[lot]
        if not abs(cost / tender.money_unit - due) <= max(OF_A_UNIT, RELATIVE * due):
            due *= tender.money_unit
            message = f"it costs {due:.15g}, the award says {cost:.15g}"
            problems.append(wrong._replace(amount=cost - due, message=message))
    return own


def _unawarded(facts: Facts, problems: list[Violation]) -> Floats:
    """The part of each lot left unawarded: what nothing fills of the lots the award lists, if a Cover allows them."""
    tender, award = facts.tender, facts.award
    allowed = np.zeros(len(tender.demand), dtype=bool)
    for rule in award.policy.constraints:
        if type(rule).__name__ == "Cover":
            allowed |= tender.scope(rule.lots)
    filled = np.bincount(facts.lot, weights=facts.part, minlength=len(allowed)) + facts.own
    left, shared = np.zeros(len(allowed)), _shared(tender)
    place = {name: row for row, name in enumerate(tender.lot_names)}
    for name in award.unawarded:
        lot = place.get(name)
        if lot is None:
            problems.append(Violation("unawarded", f"lot {name}", math.nan, "there is no such lot"))
        elif not allowed[lot]:
            problems.append(Violation("unawarded", f"lot {name}", math.nan, "no Cover lets it stay unawarded"))
        elif filled[lot] >= 1 - RELATIVE:
            problems.append(Violation("unawarded", f"lot {name}", math.nan, "it is filled, and listed as unawarded"))
        else:
            left[lot] = 1.0 - filled[lot] if shared[lot] else 1.0
    return left


def _shared(tender: Tender) -> Mask:
    """Lots that divisible bids touch: only there can a part go one way and a part another."""
    divisible = np.flatnonzero(tender.min_fraction < 1)
    return np.isin(np.arange(len(tender.demand)), tender.quantity[divisible].indices)


# ---- the rules every award obeys --------------------------------------------------------------------------


def _coverage(facts: Facts) -> Iterator[Violation]:
    """Demand met exactly, and exclusive bids."""
    tender = facts.tender
    filled = np.bincount(facts.lot, weights=facts.part, minlength=len(tender.demand)) + facts.own + facts.left
    for lot in np.flatnonzero(~(np.abs(filled - 1) <= RELATIVE)):
        units, demand = filled[lot] * tender.demand[lot], tender.demand[lot]
        listed = ", and it is listed as unawarded" if facts.left[lot] else ""
        message = f"{units - facts.left[lot] * demand:g} of a demand of {demand:g} is filled{listed}"
        yield Violation("coverage", f"lot {tender.lot_names[lot]}", float(units - demand), message)
    group = tender.xor_group[facts.bid]
    for one in np.flatnonzero(np.bincount(group[group >= 0]) > 1) if (group >= 0).any() else ():
        names = ", ".join(tender.bid_names[facts.bid[group == one]])
        yield Violation("xor", f"bids {names}", float((group == one).sum() - 1), "they exclude each other")


# ---- constraints ------------------------------------------------------------------------------------------


def _constraints(facts: Facts) -> Iterator[Violation]:
    """Hard constraints that are exceeded, and soft ones that are exceeded by another amount than declared."""
    for rule, found, unchecked in facts.verdicts:
        name = type(rule).__name__
        if unchecked:
            yield Violation(name, "", math.nan, f"not independently checked{unchecked}")
        elif getattr(rule, "penalty", None) is None:
            yield from (Violation(name, *excess) for excess in found)
        else:
            yield from (Violation(name, *excess) for excess in found if math.isinf(excess.amount))
            amount, declared = facts.excess(found), facts.declared(rule)["amount"]
            if not abs(amount - declared) <= DECLARED * max(1.0, abs(amount)):
                where = _some(excess.where for excess in found if excess.where)
                message = f"exceeded by {amount:.9g}, the award declares {declared:.9g}"
                yield Violation(name, where, amount - declared, message)


def _everywhere(facts: Facts, rule: Any, twin: Twin) -> Iterator[Excess]:
    """What a twin finds in every scope of a rule."""
    for lots, value, name in facts.scopes(rule):
        for where, amount, message in twin(facts, rule, lots, value):
            yield Excess(", ".join(filter(None, [where, name])), amount, message)


def _budget(facts: Facts, rule: Any, lots: Mask, value: str) -> Iterator[Excess]:
    """Σ net prices + in-house cost ≤ amount."""
    amount = (
        {str(key): money for key, money in rule.amount.items()}[value] if hasattr(rule.amount, "items") else rule.amount
    )
    unit = facts.tender.money_unit
    spent = float(facts.paid(lots).sum()) + facts.in_house_cost(lots)
    if not spent <= amount / unit + facts.money(spent):
        yield Excess("", spent * unit - amount, f"{spent * unit:.15g} is spent, {amount:.15g} allowed")


def _min_quality(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Quality of each bid, or its mean, at least `score`."""
    return _between(facts, facts.tender.quality[facts.bid], rule.score, None, rule.across, lots, "quality")


def _attribute_bound(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """A column of the bids or bidders, of each bid or in the mean, between its bounds."""
    table, rows = facts.tender.bids, facts.bid
    if rule.column not in table.columns:
        table, rows = facts.tender.bidders, facts.bidder
    values = table[rule.column].to_numpy(dtype=float)[rows]
    return _between(facts, values, rule.at_least, rule.at_most, rule.across, lots, rule.column)


def _between(
    facts: Facts, values: Floats, low: float | None, high: float | None, across: str, lots: Mask, what: str
) -> Iterator[Excess]:
    here = facts.touching(lots)
    names = [f"bid {name}" for name in facts.tender.bid_names[facts.bid[here]]]
    values = values[here]
    if across == "award":
        weight = facts.amount("estimate", lots)[here]
        values = np.array([(weight * values).sum() / weight.sum()]) if (weight != 0).any() else np.empty(0)
        names, what = [""], f"mean {what}"
    slack = RELATIVE * np.maximum(1.0, np.abs(values))
    for i in np.flatnonzero(~(values >= low - slack)) if low is not None else ():
        yield Excess(names[i], float(low - values[i]), f"{what} is {values[i]:.9g}, at least {low:g} is asked for")
    for i in np.flatnonzero(~(values <= high + slack)) if high is not None else ():
        yield Excess(names[i], float(values[i] - high), f"{what} is {values[i]:.9g}, at most {high:g} is allowed")


def _max_share(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """(amount_g + existing_g) / (total + Σ existing) ≤ share, in percentage points."""
    names, share = facts.shares(rule, lots)
    for g in np.flatnonzero(~(share <= rule.share + RELATIVE)):
        message = f"{100 * share[g]:.9g} % of {rule.of}, {100 * rule.share:.9g} % is allowed"
        yield Excess(str(names[g]), float(100 * (share[g] - rule.share)), message)


def _min_share(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Σ chosen (amount + existing) / (total + Σ existing) ≥ share; a consortium is chosen by its own row."""
    chosen = facts.tender.among_bidders(rule.bidders)
    total = facts.total(rule, lots)
    theirs = float((facts.won(rule.of, lots) + facts.held(rule.existing, rule.of))[chosen].sum())
    share = theirs / total if total != 0 else rule.share  # a share of nothing is as good as any
    if not share >= rule.share - RELATIVE:
        message = f"{100 * share:.9g} % of {rule.of}, at least {100 * rule.share:.9g} % is asked for"
        yield Excess("", 100 * (rule.share - share), message)


def _max_lots(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Different lots held + lots held elsewhere ≤ n; a consortium's lots count in full for each member."""
    names, held = facts.lots_held(rule.per, lots)
    held = held + (facts.entities(rule.per)[1] > 0).astype(float) @ facts.held(rule.existing, "lots")
    for g in np.flatnonzero(~(held <= rule.n + RELATIVE)):
        yield Excess(str(names[g]), float(held[g] - rule.n), f"{held[g]:g} lots, {rule.n:g} are allowed")


def _min_winners(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Different winners ≥ n; a consortium is one."""
    count = int(facts.present(rule.per, lots, winners=True)[1].sum())
    if count < rule.n:
        yield Excess("", float(rule.n - count), f"{count} winners, at least {rule.n:g} are asked for")


def _max_winners(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Different winners ≤ n; a consortium is one."""
    count = int(facts.present(rule.per, lots, winners=True)[1].sum())
    if count > rule.n:
        yield Excess("", float(count - rule.n), f"{count} winners, {rule.n:g} are allowed")


def _divided(weight: Any) -> Any:
    """Weights (entities × bidders) of which no bidder has more than 1 in all: a sum of shares counts nothing twice."""
    dense = weight.toarray()
    return dense / np.maximum(dense.sum(axis=0), 1.0)


def _max_hhi(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Σ share² ≤ index, in hundredths."""
    amount = _divided(facts.entities(rule.per)[1]) @ (facts.won(rule.of, lots) + facts.held(rule.existing, rule.of))
    total = facts.total(rule, lots)
    index = float(((amount / total) ** 2).sum()) if total != 0 else 0.0
    if not index <= rule.index + RELATIVE:
        yield Excess("", 100 * (index - rule.index), f"the index is {index:.9g}, {rule.index:g} is allowed")


def _min_award(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """An entity that wins anything wins at least `amount`."""
    unit = facts.tender.money_unit if rule.of == "spend" else 1.0
    names, there = facts.present(rule.per, lots, winners=False)
    if rule.of == "lots":
        _names, amount = facts.lots_held(rule.per, lots)
    else:
        amount = facts.entities(rule.per)[1] @ facts.won(rule.of, lots) * unit
    for g in np.flatnonzero(there & ~(amount >= rule.amount - RELATIVE * max(1.0, abs(rule.amount)))):
        message = f"wins {amount[g]:.9g} of {rule.of}: at least {rule.amount:g} or nothing"
        yield Excess(str(names[g]), 1.0, message)


def _capacity(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Σ quantity ≤ the room of the entity's bidders together; a consortium has its own; a blank is no bound."""
    names, weight = facts.entities(rule.per)
    own = facts.won("demand", lots)
    together, alone = facts.room(rule)
    for who, units, room in ((names, weight @ own, together), (facts.tender.bidder_names, own, alone)):
        for g in np.flatnonzero(units > room + RELATIVE * np.maximum(1.0, room)):
            message = f"{units[g]:.9g} units, there is room for {room[g]:.9g}"
            yield Excess(str(who[g]), float(units[g] - room[g]), message)


def _separate(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Nobody wins on both sides."""
    names, first = facts.present(rule.per, lots & facts.tender.scope(rule.first), winners=False)
    _names, second = facts.present(rule.per, lots & facts.tender.scope(rule.second), winners=False)
    for g in np.flatnonzero(first & second):
        yield Excess(str(names[g]), 1.0, "wins on both sides")


def _together(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """One entity, or in-house, takes all the lots."""
    names, weight = facts.entities(rule.per, winners=True)
    all_of_it = lots.sum() * (1 - RELATIVE)
    alike = (weight > 0).astype(float) @ facts.won("lots", lots)
    if not ((alike >= all_of_it).any() or facts.own[lots].sum() >= all_of_it or facts.left[lots].sum() >= all_of_it):
        who = [str(name) for name in names[alike > 0]] + ["in-house"] * bool(facts.own[lots].any())
        yield Excess("", 1.0, f"the lots are parted: {', '.join(who)}")


def _keep_incumbents(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Lots that leave their incumbent ≤ max_switches."""
    gone = facts.switches(rule.column, lots)
    if gone.sum() > rule.max_switches:
        message = (
            f"{gone.sum()} lots leave their incumbent, {rule.max_switches:g} may: {_some(facts.tender.lot_names[gone])}"
        )
        yield Excess("", float(gone.sum() - rule.max_switches), message)


def _exclude(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """No accepted bid matches all the filters."""
    match = facts.tender.among_bidders(rule.bidders)[facts.bidder] & facts.touching(lots)
    match &= _among(facts.tender.bids, rule.bids)[facts.bid]
    for name in facts.tender.bid_names[facts.bid[match]]:
        yield Excess(f"bid {name}", 1.0, "it is excluded")


def _require(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Every bid, bidder or lot asked for is let."""
    tender, here = facts.tender, facts.touching(lots)
    if rule.bids is not None:
        for name in () if hasattr(rule.bids, "items") else rule.bids:
            if name not in tender.bid_names:
                yield Excess(f"bid {name}", 1.0, "it is required, and no valid bid")
        asked = _among(tender.bids, rule.bids) & (np.asarray(tender.quantity @ lots.astype(float)) > 0)
        for name in tender.bid_names[asked & ~np.isin(np.arange(len(asked)), facts.bid[here])]:
            yield Excess(f"bid {name}", 1.0, "it is required, and not accepted")
    if rule.bidders is not None:
        asked = tender.among_bidders(rule.bidders)
        for name in tender.bidder_names[asked & ~np.isin(np.arange(len(asked)), facts.bidder[here])]:
            yield Excess(str(name), 1.0, "an award to it is required")
    if rule.bids is None and rule.bidders is None:
        let = np.bincount(facts.lot, weights=facts.part, minlength=len(lots)) >= 1 - RELATIVE
        for name in tender.lot_names[lots & ~let]:
            yield Excess(f"lot {name}", 1.0, "it must be let to bidders")


def _cover(facts: Facts, _rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Lots of the scope that stay unawarded."""
    for lot in np.flatnonzero(lots & (facts.left > RELATIVE)):
        yield Excess(f"lot {facts.tender.lot_names[lot]}", float(facts.left[lot]), "it stays unawarded")


def _resilient(facts: Facts, rule: Any, lots: Mask, _: str) -> Iterator[Excess]:
    """Replacing any one winner costs at most `max_extra_cost` more than its contracts."""
    unit = facts.tender.money_unit
    for winner in np.unique(facts.bidder[facts.touching(lots)]):
        name = str(facts.tender.bidder_names[winner])
        again = _refill(facts, winner)
        extra = (again - float(facts.net[facts.bidder == winner].sum())) * unit
        if math.isinf(again):
            yield Excess(name, math.inf, "nothing can replace its contracts")
        elif not extra <= rule.max_extra_cost + unit * facts.money(again):
            yield Excess(name, extra - rule.max_extra_cost, f"to replace it costs {extra:.15g} more")


def _refill(facts: Facts, winner: int) -> float:
    """The least money that fills a winner's lots again, by other bids and in-house; infinite if nothing does.

    Dynamic programme over (quantities still missing, xor labels used): lot by lot, each bid that starts there is taken
    or not, then in-house fills what it may, and what is still not full is dropped.
    """
    tender = facts.tender
    gone = facts.bidder == winner
    lost = gone[facts.at]
    need = np.bincount(facts.lot[lost], weights=facts.units[lost], minlength=len(tender.demand))
    lots = np.flatnonzero(need > 0)
    starting = _starting(facts, winner, {int(lot): i for i, lot in enumerate(lots)})
    shared = _shared(tender)
    States = dict[tuple[tuple[float, ...], frozenset[int]], float]
    states: States = {(tuple(need[lots].tolist()), frozenset()): 0.0}
    steps = 0
    for i, lot in enumerate(lots):
        for units, price, label in starting[i]:
            steps += len(states)
            if steps > REFILL_STEPS:
                raise NotChecked(f"there are too many ways to replace {tender.bidder_names[winner]}")
            for (rest, used), cost in list(states.items()):
                left = list(rest)
                for j, much in units:
                    left[j] = round(left[j] - much, 9)
                if min(left) >= 0 and label not in used:
                    key = tuple(left), used | {label} if label >= 0 else used
                    states[key] = min(cost + price, states.get(key, math.inf))
        full: States = {}
        for (rest, used), cost in states.items():
            part = rest[i] / tender.demand[lot]
            if part <= RELATIVE:
                own = 0.0
            elif shared[lot] or part >= 1 - RELATIVE:
                own = tender.in_house[lot] * part
            else:
                own = math.nan
            if not np.isnan(own):
                key = (*rest[:i], 0.0, *rest[i + 1 :]), used
                full[key] = min(cost + own, full.get(key, math.inf))
        states = full
    return min(states.values(), default=math.inf)


def _starting(facts: Facts, winner: int, place: dict[int, int]) -> list[list[tuple[list[tuple[int, float]], int, int]]]:
    """For each lost lot the free bids of others whose first lot it is: quantities by place, price, xor label."""
    tender = facts.tender
    busy = set(tender.xor_group[facts.bid[facts.bidder != winner]]) - {-1}
    accepted = dict(zip(facts.bid.tolist(), facts.fraction))
    starting: list[list[tuple[list[tuple[int, float]], int, int]]] = [[] for _ in place]
    for bid in np.unique(tender.quantity[:, list(place)].tocoo().coords[0]):
        row = tender.quantity[[bid]]
        if tender.bidder_of[bid] == winner or not set(row.indices.tolist()) <= place.keys():
            continue
        if tender.min_fraction[bid] < 1 and accepted.get(int(bid), 0.0) < 1:
            raise NotChecked(f"divisible bids could replace {tender.bidder_names[winner]}")
        if bid not in accepted and tender.xor_group[bid] not in busy:
            units = sorted((place[int(lot)], float(much)) for lot, much in zip(row.indices, row.data))
            starting[units[0][0]].append(
                (units, int(tender.price[bid] + tender.fixed[bid]), int(tender.xor_group[bid]))
            )
    return starting


def _among(table: pd.DataFrame, wanted: Any) -> Mask:
    """Which bids a filter names: None (all), a list of bids, or {column: value or values}."""
    if wanted is None:
        return np.ones(len(table), dtype=bool)
    if not hasattr(wanted, "items"):
        return table["bid"].isin([str(name) for name in wanted]).to_numpy()
    mask = np.ones(len(table), dtype=bool)
    for column, values in wanted.items():
        mask &= table[column].isin(values if isinstance(values, (list, tuple, set)) else [values]).to_numpy()
    return mask


def _some(names: Iterable[object]) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")


# ---- the award's own numbers ------------------------------------------------------------------------------


def _numbers(facts: Facts) -> Iterator[Violation]:
    """Every figure the award states, computed again."""
    award, tender, unit = facts.award, facts.tender, facts.tender.money_unit
    price, own = float(facts.net.sum()), facts.in_house_cost(facts.every_lot)

    def money(name: str, where: str, said: float, units: float) -> Iterator[Violation]:
        if not abs(said / unit - units) <= facts.money(units):
            yield Violation(name, where, said - units * unit, f"it is {units * unit:.15g}, the award says {said:.15g}")

    def plain(name: str, where: str, said: float, true: float) -> Iterator[Violation]:
        if not abs(said - true) <= RELATIVE * max(1.0, abs(true)) and not (np.isnan(said) and np.isnan(true)):
            yield Violation(name, where, said - true, f"it is {true:.12g}, the award says {said:.12g}")

    place = {name: row for row, name in enumerate(tender.bid_names[facts.bid])}
    for name, said in zip(award.bids["bid"], award.bids["net"]):
        if name in place:
            yield from money("net price", f"bid {name}", said, float(facts.net[place[name]]))
    yield from money("price", "", award.price, price)
    yield from money("ledger", "", award.ledger, facts.ledger)
    yield from money("cost", "", award.cost, price + own + facts.ledger)
    yield from _objective(facts)
    strangers = sorted(set(award.tied or ()) - set(tender.bid_names))
    if strangers:
        yield Violation("tied", "", math.nan, f"there is no valid bid {_some(strangers)}")

    every, total = facts.every_lot, price + own
    net = facts.won("spend", every)
    _names, lots = facts.lots_held("bidder", every, winners=True)
    true = {
        "lots": lots, "quantity": facts.won("demand", every), "price": net, "estimate": facts.won("estimate", every),
        "share": net / total if total > 0 else net * 0.0,
    }  # fmt: skip
    listed = award.by_bidder.index
    winners = {str(tender.bidder_names[row]): int(row) for row in np.unique(facts.bidder)}
    for name in sorted(winners.keys() ^ set(listed)) + list(listed[listed.duplicated()]):
        message = "it stands more than once" if name in winners and name in listed else "a winner is missing"
        yield Violation("by_bidder", name, math.nan, message if name in winners else "it wins nothing")
    for column, values in true.items():
        compare = money if column == "price" else plain
        for name, said in award.by_bidder[column].items():
            if name in winners:
                yield from compare("by_bidder", f"{name}, {column}", float(said), float(values[winners[name]]))
    _names, weight = facts.entities("owner")
    shares = _divided(weight) @ true["share"]
    yield from plain("hhi", "", award.hhi, float((shares**2).sum()))


def _objective(facts: Facts) -> Iterator[Violation]:
    """What was minimised, charges of soft constraints on top; its bound; and what "optimal" claims."""
    award = facts.award
    kind = type(award.policy.objective).__name__
    aim, unit = facts.aim, facts.tender.money_unit if facts.in_money else 1.0
    if aim is None:
        yield Violation("objective", "", math.nan, f"not independently checked: {kind} is not known here")
        return
    if kind == "BestScore" and not abs(award.score / unit + aim) <= RELATIVE * max(1.0, abs(aim)):
        message = f"it is {-aim * unit:.12g}, the award says {award.score:.12g}"
        yield Violation("score", "", award.score + aim * unit, message)
    charges = sum(facts.charge(rule, found, unchecked) for rule, found, unchecked in facts.verdicts) / unit
    true = aim + charges
    slack = facts.money(true) if facts.in_money else RELATIVE * max(1.0, abs(true))
    said, bound = award.objective / unit, award.bound / unit
    if not abs(said - true) <= slack:
        message = f"it is {true * unit:.15g}, the award says {award.objective:.15g}"
        yield Violation("objective", "", (said - true) * unit, message)
    if not bound <= true + slack:
        message = f"{award.bound:.15g} is above the objective {true * unit:.15g}"
        yield Violation("bound", "", (bound - true) * unit, message)
    room = max(1.0, RELATIVE * abs(true)) if facts.in_money else SCORES
    if award.status == "optimal" and not true - bound < room:
        message = f"the objective is {true * unit:.15g}, the bound {award.bound:.15g}: that proves no optimum"
        yield Violation("status", "", (true - bound) * unit, message)


# A twin finds where a constraint is exceeded, and by how much. Every constraint of the catalogue has one.
TWINS: dict[str, Twin] = {
    "Budget": _budget, "MinQuality": _min_quality, "AttributeBound": _attribute_bound, "MaxShare": _max_share,
    "MinShare": _min_share, "MaxLots": _max_lots, "MinWinners": _min_winners, "MaxWinners": _max_winners,
    "MaxHHI": _max_hhi, "MinAward": _min_award, "Capacity": _capacity, "Separate": _separate, "Together": _together,
    "KeepIncumbents": _keep_incumbents, "Exclude": _exclude, "Require": _require, "Resilient": _resilient,
    "Cover": _cover,
}  # fmt: skip
