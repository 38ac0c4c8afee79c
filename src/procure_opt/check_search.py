"""A search for the best award, by plain enumeration with a floor, that shares nothing with the program or a solver.

Lots are filled one after the other by bids as a whole, in-house, or not at all; whatever is met is judged by the code
that judges the award itself (`Facts` in `check.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from procure_opt.check import Facts
    from procure_opt.tender import Tender

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Mask = NDArray[np.bool_]
Taken = tuple[int, ...]
State = tuple[int, int, float, float, int, tuple[float, ...], Taken]
Fees = tuple[tuple[int, float, float], ...]  # mark, fee, and what of the fee the floor does not hold

STEPS = 3_000_000  # a search gives up beyond so many steps, all its calls together: a few seconds
JUDGED = 300  # steps that judging an award counts for: that takes as long,
REPLACED = 6_000  # and that much longer where `Resilient` asks what would replace each winner
DEEP = 400  # more parts of lots than that are not searched: every part is a function that calls itself
ASCENT = 200  # steps towards the prices that give the highest floor
RELATIVE = 1e-9


class TooMuch(Exception):
    """What the search cannot decide, with the reason."""


class Option(NamedTuple):
    """One way to fill lots: a bid, or one lot in-house or unawarded.

    What it takes of each lot stands in groups of bits of one whole number, and what it leaves behind (xor labels,
    winners) in single bits: one operation compares all of them.
    """

    column: int
    take: int
    cost: float  # what it adds to the objective, at least
    clash: int  # marks it cannot stand beside
    marks: int  # marks it leaves
    first: Fees  # marks that cost a fee when they come first
    uses: tuple[tuple[int, float], ...]  # what it uses of which limit


class Limit(NamedTuple):
    """A constraint that is a sum: Σ uses ≤ room, each unit above it charged (infinitely, if it is hard)."""

    uses: Floats  # by column
    room: float
    charge: float

    def charged(self, used: float) -> float:
        """What so much of it costs."""
        over = used - self.room
        if math.isinf(self.charge):
            return math.inf if over > RELATIVE * max(100.0, abs(self.room)) else 0.0
        return self.charge * over if over > 0 else 0.0


class Count(NamedTuple):
    """A constraint on how many winners there are: at most (sign 1) or at least (−1), each more or less charged."""

    who: list[Places]  # the winners each bid adds, as places from the first of its marks
    number: float
    sign: int
    charge: float
    shift: int  # place of its first mark
    marks: int
    most: float  # how many winners a lot can add

    def charged(self, marks: int, lots: int) -> float:
        """What these winners cost at least, with so many lots still to fill."""
        over = self.sign * ((marks & self.marks).bit_count() - self.number)
        if self.sign < 0 and lots:
            over -= self.most * lots
        return over * self.charge if over > 0 else 0.0


# ---- the search -------------------------------------------------------------------------------------------


class Search:
    """All awards of a tender under a policy, from whole bids.

    Lots are filled in one order. Prices on lots and limits (`_prices`) give a floor: no award costs less than their sum
    and what the options taken cost above them. The search leaves out what its floor shows to be no better than the best
    award met, and what was met before with the same lots, marks and limits for no more. Constraints that are a sum or a
    count are charged on the way; all are judged at the end.

    Args:
        facts: An award of the tender.

    Raises:
        TooMuch: bids are divisible, quantities are odd, lots are too many, the objective is a score.
    """

    def __init__(self, facts: Facts) -> None:
        tender = facts.tender
        if (tender.min_fraction < 1).any():
            raise TooMuch("bids are divisible")
        self.facts = facts
        self.rules = Rules(facts)
        if len(tender.demand) + (0 if self.rules.whole else len(tender.price)) > DEEP:
            raise TooMuch(f"there are more than {DEEP} parts of lots")
        self.steps = 0
        order, (size, fills) = _order(tender), _whole_units(tender)
        # A lot is a group of bits that holds what is left of it, and above them one bit that guards the subtraction.
        self.everything = self.guard = 0
        self.at: list[int] = []
        start: dict[int, int] = {}
        place: dict[int, int] = {}
        for lot in order:
            start[lot], place[lot] = len(self.at), len(place)
            self.everything |= size[lot] << len(self.at)
            self.at += [place[lot]] * (size[lot].bit_length() + 1)
            self.guard |= 1 << (len(self.at) - 1)
        alone = [{lot: units} for lot, units in enumerate(size)]
        filled = [*fills, *alone, *alone]
        self.options = [
            option._replace(take=sum(units << start[lot] for lot, units in filled[option.column].items()))
            for option in self.rules.options()
        ]
        # By the first of the lots they fill: the search fills lots in order, so earlier ones are not open any more.
        self.place = [min(place[lot] for lot in filled[option.column]) for option in self.options]
        self.part = np.zeros((len(self.options), len(order)))
        for row, option in enumerate(self.options):
            for lot, units in filled[option.column].items():
                self.part[row, lot] = units / size[lot]
        self.guess: Floats | None = None

    def least(
        self,
        *,
        barred: Mask | None = None,
        extra: Floats | None = None,
        groups: Places | None = None,
        below: float = math.inf,
    ) -> tuple[float, Places | None]:
        """The least objective of an award, in money units, and its bids; infinite and None if there is none.

        Args:
            barred: Bidders whose bids are not accepted.
            extra: Money units added for each group that wins anything, once.
            groups: The group of each bidder.
            below: Awards with less than that only.

        Raises:
            TooMuch: after `STEPS` steps, or at a constraint that cannot be judged.
        """
        rules, at, guard, lots = self.rules, self.at, self.guard, len(self.part.T)
        fees, ways = self._ways(barred, extra, groups)
        best, found = below, None
        met: dict[tuple[int, int, int, tuple[float, ...]], float] = {}

        def visit(
            left: int, after: int, low: float, spent: float, marks: int, used: tuple[float, ...], taken: Taken
        ) -> None:
            nonlocal best, found
            if not left:
                value = self._judge(taken) + sum(fee for mark, fee in fees.items() if marks & mark)
                if value < best - _noise(best):
                    best, found = value, taken
                return
            if rules.complete:
                key = left, after, marks, tuple(round(much, 9) for much in used)
                if met.get(key, math.inf) <= spent:
                    return
                met[key] = spent
            place = at[(left & -left).bit_length() - 1]
            next_: list[tuple[float, int, State]] = []
            for number, (above, option) in enumerate(ways[place][after:], after + 1):
                self._step(1 + len(used) // 4)
                if low + above >= best:
                    break
                rest = (left | guard) - option.take
                if rest & guard != guard or marks & option.clash:
                    continue
                rest ^= guard
                following = at[(rest & -rest).bit_length() - 1] if rest else lots
                now, floor = spent + option.cost, low + above
                for mark, fee, dear in option.first:
                    if not marks & mark:
                        now += fee
                        floor += dear
                uses = list(used)
                for row, much in option.uses:
                    now -= rules.limits[row].charged(uses[row])
                    uses[row] += much
                    now += rules.limits[row].charged(uses[row])
                new = marks | option.marks
                bound = floor if rest and now < math.inf else now
                bound += sum(count.charged(new, lots - following) for count in rules.counts)
                if bound < best - _noise(best):
                    # The bids that fill one lot are taken in the order of the list: so each set of them comes once.
                    then = number if following == place else 0
                    state = rest, then, floor, now, new, tuple(uses), (*taken, option.column)
                    next_.append((bound, number, state))
            for bound, _, state in sorted(next_):
                if bound < best - _noise(best):
                    visit(*state)

        start = rules.start + sum(limit.charged(0.0) for limit in rules.limits)
        if ways and start < math.inf:
            visit(self.everything, 0, rules.start + self.floor, start, 0, (0.0,) * len(rules.limits), ())
        if found is None:
            return math.inf, None
        return best, np.array(sorted(column for column in found if column < rules.bids), dtype=np.intp)

    def _ways(
        self, barred: Mask | None, extra: Floats | None, groups: Places | None
    ) -> tuple[dict[int, float], list[list[tuple[float, Option]]]]:
        """The options of each lot, cheapest first by what they cost above the prices, and the marks that cost extra.

        Options that are barred are left out; nothing is left if a lot then has no option.
        """
        of, rules = self.facts.tender.bidder_of, self.rules
        fees: dict[int, float] = {}
        mark_of: dict[int, int] = {}
        if extra is not None and groups is not None:
            for group in np.flatnonzero(extra > 0):
                mark = 1 << (rules.places + len(fees))
                fees[mark] = float(extra[group])
                mark_of |= dict.fromkeys(np.flatnonzero(groups == group).tolist(), mark)
        kept, options = [], []
        for row, option in enumerate(self.options):
            bidder = int(of[option.column]) if option.column < rules.bids else -1
            if bidder < 0 or barred is None or not barred[bidder]:
                kept.append(row)
                mark = mark_of.get(bidder, 0)
                first = (*option.first, (mark, fees[mark], 0.0)) if mark else option.first
                options.append(option._replace(marks=option.marks | mark, first=first))
        part = self.part[kept]
        if not part.any(axis=0).all():
            return fees, []
        floor, above, dear = self._above(options, part)
        options = [
            option._replace(first=tuple((mark, fee, dear[mark]) for mark, fee, _ in option.first)) for option in options
        ]
        ways: list[list[tuple[float, Option]]] = [[] for _ in part.T]
        for number in np.argsort(above, kind="stable").tolist():
            ways[self.place[kept[number]]].append((float(above[number]), options[number]))
        self.floor = floor
        return fees, ways

    def _above(self, options: list[Option], part: Floats) -> tuple[float, Floats, dict[int, float]]:
        """A floor on the cost of filling all lots, and what options and first fees cost above it.

        Columns of the relaxation are the options, and beside them one for each fee, which is 1 if the fee is due. Rows
        are the limits, one for each xor label (at most 1), and for each fee and lot: Σ part of the lot ≤ fee is due.
        """
        fees = {mark: fee for option in options for mark, fee, _ in option.first}
        labels = sorted({option.clash for option in self.options} - {0})
        count, limits, of = len(options), self.rules.limits, self.facts.tender.bidder_of
        cost = np.array([option.cost for option in options] + list(fees.values()))
        uses = [np.append(limit.uses[[option.column for option in options]], np.zeros(len(fees))) for limit in limits]
        uses += [np.array([option.clash == one for option in options] + [False] * len(fees), float) for one in labels]
        guess = [0.0] * len(uses) if self.guess is None else self.guess[self.rules.lots :].tolist()
        for number, (mark, fee) in enumerate(fees.items()):
            its: Mask = np.array([bool(option.marks & mark) for option in options])
            won = self._won(of[[option.column for option in options if option.marks & mark]])
            for lot in np.flatnonzero((part[its] > 0).any(axis=0)).tolist():
                row = np.append(np.where(its, part[:, lot], 0.0), np.zeros(len(fees)))
                row[count + number] = -1.0
                uses.append(row)
                # In the award itself the fee is due for the lots won there.
                guess.append(fee / won.sum() if won[lot] else 0.0)
        shared = len(limits) + len(labels)
        room = np.array([limit.room for limit in limits] + [1.0] * len(labels) + [0.0] * (len(uses) - shared))
        charge = np.array([limit.charge for limit in limits] + [math.inf] * (len(uses) - len(limits)))
        table = np.array(uses).reshape(len(uses), len(cost)).T
        part = np.vstack([part, np.zeros((len(fees), part.shape[1]))])
        prices = None if self.guess is None else self.guess[: self.rules.lots]
        floor, above, (u, w) = _prices(cost, part, table, room, charge, prices, np.array(guess))
        if self.guess is None and not fees:
            self.guess = np.concatenate([u, w])
        return floor, above[:count], dict(zip(fees, above[count:].tolist()))

    def _won(self, bidders: Places) -> Mask:
        """The lots of which these bidders win any part in the award."""
        won = np.zeros(self.rules.lots, dtype=bool)
        won[self.facts.lot[np.isin(self.facts.bidder[self.facts.at], bidders)]] = True
        return won

    def _step(self, steps: int) -> None:
        self.steps += steps
        if self.steps > STEPS:
            raise TooMuch("there are too many awards to search")

    def _judge(self, taken: Taken) -> float:
        """The objective of an award in money units; infinite if it breaks a rule."""
        self._step(self.rules.judging)
        bids, lots = self.rules.bids, self.rules.lots
        chosen = np.zeros(bids + 2 * lots)
        chosen[list(taken)] = 1.0
        other = self.facts.other(np.flatnonzero(chosen[:bids]), chosen[bids : bids + lots], chosen[bids + lots :])
        value, unchecked = other.outcome()
        if unchecked:
            raise TooMuch(unchecked)
        return value


def _prices(
    cost: Floats, part: Floats, uses: Floats, room: Floats, charge: Floats, u: Floats | None, w: Floats
) -> tuple[float, Floats, tuple[Floats, Floats]]:
    """A floor on the cost of filling all lots, what each column costs above it, and prices to start from next time.

    With a price u on each lot and w ≥ 0 on each row Σ uses ≤ room (at most its charge), a column costs d = cost +
    uses · w − part · u above them; where no d is negative, no award costs less than Σ u − Σ room · w + Σ d of what it
    takes. Prices are found by subgradient steps on Σ u − Σ room · w + Σ min(0, d) (Held, Wolfe and Crowder 1974), then
    lowered until no d is negative, then raised as far as that allows.

    Args:
        cost, part, uses: By column, what it costs, its part of each lot, and what it uses of each row.
        room, charge: By row.
        u, w: Prices to start from; None = the cheapest offer for each lot.
    """
    size = np.abs(uses).max(axis=0, initial=0.0)
    size[size == 0] = 1.0
    uses, room, charge, w = uses / size, room / size, charge * size, w * size
    fills = np.asarray((part > 0).any(axis=1))
    if u is None:
        share = cost[fills] / part[fills].sum(axis=1)
        u = np.where(part[fills] > 0, share[:, None], np.inf).min(axis=0)
    step, most, kept = 0.1 * float(np.abs(cost[fills]).sum() / part.sum()), -math.inf, (u, w)
    for turn in range(ASCENT):
        above = cost + uses @ w - part @ u
        taken = above < 0
        value = float(u.sum() - room @ w + above[taken].sum())
        if value > most:
            most, kept = value, (u, w)
        pace = step / (1 + turn / 20)
        u = u + pace * (1 - part[taken].sum(axis=0))
        w = np.clip(w + pace * (uses[taken].sum(axis=0) - room), 0.0, charge)
    u, w = kept[0].copy(), kept[1].copy()
    for fee in np.flatnonzero(~fills):
        its = uses[fee] < 0
        w[its] *= min(1.0, cost[fee] / max(float(w[its].sum()), 1e-300))
    above = cost + uses @ w - part @ u
    for column in np.argsort(above):
        short = float(part[column] @ u - cost[column] - uses[column] @ w)
        if short > 0 and fills[column]:
            u -= part[column] * (short / (part[column] @ part[column]))
    for lot in range(len(u)):
        here = part[:, lot] > 0
        above = cost[here] + uses[here] @ w - part[here] @ u
        u[lot] += max(0.0, float((above / part[here, lot]).min()))
    above = np.maximum(0.0, cost + uses @ w - part @ u)
    return float(u.sum() - room @ w), above, (kept[0], kept[1] / size)


def _noise(value: float) -> float:
    """Awards that differ by less are equal: what adding up floats can be off by."""
    return 1e-7 + 1e-14 * abs(value) if math.isfinite(value) else 0.0


def _order(tender: Tender) -> list[int]:
    """Lots in the order in which they are filled: next to those filled already, so that few are open at a time."""
    beside: list[set[int]] = [set() for _ in tender.demand]
    for bid in range(len(tender.price)):
        lots = set(tender.quantity[[bid]].indices.tolist())
        for lot in lots:
            beside[lot] |= lots - {lot}
    order: list[int] = []
    rest, open_ = set(range(len(beside))), set[int]()
    while rest:
        lot = min(open_ or rest, key=lambda one: (len((beside[one] & rest) - open_), len(beside[one]), one))
        order.append(lot)
        rest.discard(lot)
        open_ = (open_ | beside[lot]) & rest
    return order


def _whole_units(tender: Tender) -> tuple[list[int], list[dict[int, int]]]:
    """The demand of each lot, and the quantities of each bid, as whole numbers of a unit of the lot's own."""
    demand = [_fraction(float(much)) for much in tender.demand]
    parts = [[much] for much in demand]
    bids: list[dict[int, Fraction]] = []
    for bid in range(len(tender.price)):
        row = tender.quantity[[bid]]
        bids.append({int(lot): _fraction(float(much)) for lot, much in zip(row.indices, row.data)})
        for lot, much in bids[-1].items():
            parts[lot].append(much)
    # The greatest unit that divides all quantities of a lot.
    unit = [Fraction(math.gcd(*(p.numerator for p in of)), math.lcm(*(p.denominator for p in of))) for of in parts]
    return (
        [int(much / one) for much, one in zip(demand, unit)],
        [{lot: int(much / unit[lot]) for lot, much in quantities.items()} for quantities in bids],
    )


def _fraction(quantity: float) -> Fraction:
    exact = Fraction(quantity).limit_denominator(1_000_000)
    if abs(float(exact) - quantity) > 1e-12 * max(1.0, quantity):
        raise TooMuch(f"a quantity is {quantity!r}, no simple fraction")
    return exact


# ---- what the policy makes of it --------------------------------------------------------------------------


class Rules:
    """What every option costs, which limits it uses and which winners it adds.

    Columns are the bids, then the lots in-house, then the lots unawarded. `complete` says that costs, limits and
    counts are all there is; else they are a lower bound, and only judging an award tells what it comes to.
    """

    def __init__(self, facts: Facts) -> None:
        tender, policy = facts.tender, facts.award.policy
        if type(policy.objective).__name__ not in ("LowestCost", "QualityAdjusted"):
            raise TooMuch(f"the search knows costs, not {type(policy.objective).__name__}")
        self.facts, self.bids, self.lots = facts, len(tender.price), len(tender.demand)
        self.nothing = np.zeros(self.lots)
        self.every = facts.other(np.arange(self.bids), self.nothing, self.nothing)
        self.whole = bool((tender.part.data >= 1 - RELATIVE).all())  # no lot is filled by several bids
        self.complete = not tender.schedules
        self.judging = JUDGED + REPLACED * sum(type(rule).__name__ == "Resilient" for rule in policy.constraints)
        self.start, self.places = 0.0, 0
        self.limits: list[Limit] = []
        self.counts: list[Count] = []
        self.supplier = np.zeros(len(tender.bidder_names))
        self.may_stay_open = np.zeros(self.lots, dtype=bool)
        own = np.where(np.isnan(tender.in_house), np.inf, tender.in_house)
        self.cost = np.concatenate([self._prices(), own, self.nothing])
        self._quality()
        self._ledger()
        for rule in policy.constraints:
            capture = CAPTURES.get(type(rule).__name__)
            if capture is None or not capture(self, rule):
                self.complete = False
        self.cost[self.bids + self.lots :][~self.may_stay_open] = np.inf
        if np.isnan(self.cost).any():
            raise TooMuch("qualities are missing")

    def options(self) -> Iterator[Option]:
        """Every option, without what it takes of each lot."""
        tender = self.facts.tender
        label = tender.xor_group
        labels, times = np.unique(label[label >= 0], return_counts=True)
        label_mark = {one: self._mark() for one in labels[times > 1].tolist()}
        supplier_mark = {one: self._mark() for one in np.flatnonzero(self.supplier > 0).tolist()}
        uses: list[list[tuple[int, float]]] = [[] for _ in self.cost]
        for row, limit in enumerate(self.limits):
            for column in np.flatnonzero(limit.uses).tolist():
                uses[column].append((row, float(limit.uses[column])))
        for column in np.flatnonzero(np.isfinite(self.cost)).tolist():
            clash, marks = 0, 0
            first: Fees = ()
            if column < self.bids:
                bidder = int(tender.bidder_of[column])
                clash = label_mark.get(int(label[column]), 0)
                supplier = supplier_mark.get(bidder, 0)
                marks = clash | supplier
                first = ((supplier, float(self.supplier[bidder]), 0.0),) if supplier else ()
                for count in self.counts:
                    marks |= sum(1 << (count.shift + int(place)) for place in count.who[column])
            yield Option(column, 0, float(self.cost[column]), clash, marks, first, tuple(uses[column]))

    def _mark(self) -> int:
        self.places += 1
        return 1 << (self.places - 1)

    def _prices(self) -> Floats:
        """k · (price + fixed charge) of each bid; of a price that discounts may lower, what is left at least."""
        tender, rate = self.facts.tender, self.facts.rate
        kept = np.ones(self.bids)
        for schedule in tender.schedules:
            inside = self.every.touching(np.isin(np.arange(self.lots), schedule.lots))
            inside &= tender.bidder_of == schedule.bidder
            kept[inside] = np.minimum(kept[inside], 1 - schedule.percents.max())
            self.start -= float(rate[schedule.bidder] * schedule.amounts.sum())
        return np.asarray(rate[tender.bidder_of] * (tender.price * kept + tender.fixed))

    def _quality(self) -> None:
        """With QualityAdjusted, what quality is worth is taken off."""
        if type(self.facts.award.policy.objective).__name__ == "QualityAdjusted":
            worth, home = self.facts.worth
            of_lots = self.every.sum(worth[self.every.lot] * self.every.part)
            self.cost[: self.bids] -= of_lots * self.facts.tender.quality
            self.cost[self.bids : self.bids + self.lots] -= home

    def _ledger(self) -> None:
        """Transaction costs: of every bid received, contract, lot let, supplier, and lot that leaves its incumbent."""
        ledger, tender, every = self.facts.award.policy.ledger, self.facts.tender, self.every
        if ledger is None:
            return
        unit, bids, bidders, lots = tender.money_unit, tender.bids, tender.bidders, tender.lots
        of_bids = (bids, every.bid), (bidders, tender.bidder_of)
        every_lot = np.arange(self.lots)
        before = float(ledger.search) + float(every.figure(ledger.specification, (lots, every_lot)).sum())
        for of_each in (ledger.per_bid_evaluated, ledger.bid_preparation):
            before += float(every.figure(of_each, *of_bids).sum())
        self.start += before / unit
        monitoring = every.figure(ledger.monitoring, (lots, every_lot))
        contract = every.figure(ledger.per_contract, *of_bids) + every.figure(ledger.enforcement, *of_bids)
        lost = every.figure(ledger.replacement, (lots, every_lot))
        default = every.figure(ledger.default, (bidders, tender.bidder_of)) * every.sum(lost[every.lot] * every.part)
        self.cost[: self.bids] += (contract + default + every.sum(monitoring[every.lot] * every.part)) / unit
        self.supplier = every.figure(ledger.per_supplier, (bidders, np.arange(len(bidders)))) / unit
        if ledger.per_switch and self.whole:
            money = every.figure(ledger.per_switch, (lots, np.arange(self.lots))) / unit
            self.cost += self._switches(ledger.incumbent, money)
        elif ledger.per_switch:
            self.complete = False

    def _switches(self, column: str, amount: Floats) -> Floats:
        """By column, the amounts of lots that leave their incumbent, where every lot goes to one bid as a whole."""
        every, incumbent = self.every, self.facts.incumbents(column)
        lost = np.where(incumbent != "", amount, 0.0)
        stays = self.facts.tender.bidder_names[every.bidder[every.at]] == incumbent[every.lot]
        return np.concatenate([every.sum(np.where(stays, 0.0, lost[every.lot])), lost, lost])

    def limit(
        self, rule: Any, bids: Floats, room: float, own: Floats | None = None, left: Floats | None = None
    ) -> None:
        """Add Σ uses ≤ room."""
        uses = [bids, self.nothing if own is None else own, self.nothing if left is None else left]
        self.limits.append(Limit(np.concatenate(uses), float(room), self.charge(rule)))

    def charge(self, rule: Any) -> float:
        """Money units for a unit above a constraint."""
        return math.inf if rule.penalty is None else float(rule.penalty) / self.facts.tender.money_unit


def _max_share(rules: Rules, rule: Any) -> bool:
    if rule.base != "scope" or rule.of == "spend":
        return False
    every, weight = rules.every, rules.every.entities(rule.per)[1].toarray()
    held = weight @ every.held(rule.existing, rule.of)
    for lots, _, _ in every.scopes(rule):
        total = every.total(rule, lots)
        if total:
            points = 100 * every.amount(rule.of, lots) / total
            for mine, already in zip(weight, 100 * held / total):
                rules.limit(rule, mine[every.bidder] * points, 100 * rule.share - already)
    return True


def _min_share(rules: Rules, rule: Any) -> bool:
    """What does not go to those chosen, be it in-house, is at most the rest."""
    if rule.base != "scope" or rule.of == "spend":
        return False
    every, tender = rules.every, rules.facts.tender
    chosen = tender.among_bidders(rule.bidders)
    held = float(every.held(rule.existing, rule.of)[~chosen].sum())
    for lots, _, _ in every.scopes(rule):
        total = every.total(rule, lots)
        if total:
            points = 100 * every.amount(rule.of, lots) / total
            kept = np.where(lots, 1.0 if rule.of == "lots" else tender.lots[rule.of].to_numpy(dtype=float), 0.0)
            kept = 100 * kept / total
            others = np.where(chosen[every.bidder], 0.0, points)
            rules.limit(rule, others, 100 * (1 - rule.share) - 100 * held / total, own=kept, left=kept)
    return True


def _max_lots(rules: Rules, rule: Any) -> bool:
    if not rules.whole:
        return False  # a bidder may hold parts of a lot by several bids, and it counts once
    every, member = rules.every, rules.every.entities(rule.per)[1].toarray() > 0
    held = member.astype(float) @ every.held(rule.existing, "lots")
    for lots, _, _ in every.scopes(rule):
        count = every.sum(lots[every.lot].astype(float))
        for mine, already in zip(member, held):
            rules.limit(rule, np.where(mine[every.bidder], count, 0.0), rule.n - already)
    return True


def _capacity(rules: Rules, rule: Any) -> bool:
    every, weight = rules.every, rules.every.entities(rule.per)[1].toarray()
    together, alone = every.room(rule)
    each = np.eye(len(alone))
    for lots, _, _ in every.scopes(rule):
        units = every.amount("demand", lots)
        for mine, room in [*zip(weight, together), *zip(each, alone)]:
            if not math.isnan(room):
                rules.limit(rule, mine[every.bidder] * units, room)
    return True


def _budget(rules: Rules, rule: Any) -> bool:
    every, tender = rules.every, rules.facts.tender
    amounts = {str(key): money for key, money in rule.amount.items()} if hasattr(rule.amount, "items") else None
    if tender.schedules:
        return False
    for lots, value, _ in every.scopes(rule):
        paid = every.paid(lots) * tender.money_unit
        if np.isnan(paid).any():
            return False
        own = np.where(lots, np.nan_to_num(tender.in_house), 0.0) * tender.money_unit
        rules.limit(rule, paid, rule.amount if amounts is None else amounts[value], own=own)
    return True


def _keep_incumbents(rules: Rules, rule: Any) -> bool:
    if not rules.whole:
        return False
    for lots, _, _ in rules.every.scopes(rule):
        gone = rules._switches(rule.column, lots.astype(float))
        bids, own, left = np.split(gone, [rules.bids, rules.bids + rules.lots])
        rules.limit(rule, bids, rule.max_switches, own=own, left=left)
    return True


def _winners(rules: Rules, rule: Any) -> bool:
    names, weight = rules.every.entities(rule.per, winners=True)
    member = weight.toarray() > 0
    sign = 1 if type(rule).__name__ == "MaxWinners" else -1
    for lots, _, _ in rules.every.scopes(rule):
        touching = rules.every.touching(lots)
        who = [np.flatnonzero(member[:, bidder] & met) for bidder, met in zip(rules.every.bidder, touching)]
        most = float(max(map(len, who), default=0)) if rules.whole else math.inf
        marks = ((1 << len(names)) - 1) << rules.places
        rules.counts.append(Count(who, rule.n, sign, rules.charge(rule), rules.places, marks, most))
        rules.places += len(names)
    return True


def _each_bid(rules: Rules, rule: Any) -> bool:
    """What a rule about single bids says of each bid alone."""
    if getattr(rule, "across", "bid") != "bid":
        return False
    for bid in range(rules.bids):
        found, unchecked = rules.facts.other(np.array([bid]), rules.nothing, rules.nothing).verdict(rule)
        if unchecked:
            return False
        if found:
            rules.cost[bid] += sum(excess.amount for excess in found) * rules.charge(rule)
    return True


def _cover(rules: Rules, rule: Any) -> bool:
    for lots, _, _ in rules.every.scopes(rule):
        rules.cost[rules.bids + rules.lots :][lots] += rules.charge(rule)
        rules.may_stay_open |= lots
    return True


# Constraints that are a sum over accepted bids and lots kept, or a count of winners. What a function here returns
# False of, and every other constraint, is respected by judging complete awards.
CAPTURES: dict[str, Callable[[Rules, Any], bool]] = {
    "Budget": _budget, "MinQuality": _each_bid, "AttributeBound": _each_bid, "MaxShare": _max_share,
    "MinShare": _min_share, "MaxLots": _max_lots, "MinWinners": _winners, "MaxWinners": _winners,
    "Capacity": _capacity, "KeepIncumbents": _keep_incumbents, "Exclude": _each_bid, "Cover": _cover,
}  # fmt: skip
