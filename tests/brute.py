"""Every award of a tiny tender, priced in exact fractions: the slow oracle the fast program must agree with.

It reads nothing but the tables of the tender and the fields of the policy, and shares no code with the package.
Money, shares and quality are `Fraction`s made from the decimals people wrote, so a share of 0.3 is three tenths
and a bound that is met exactly is met.

All-or-nothing bids: every set of bids that fills the lots, every choice of in-house and of lots left open.
Divisible bids: every support, and on each a linear program in the fractions; only constraints that are linear or
decided by the support alone (`LINEAR`) are known there.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from scipy.optimize import linprog

LINEAR = (
    "Budget", "MinQuality", "AttributeBound", "MaxShare", "MinShare", "MaxLots", "MinWinners", "MaxWinners",
    "MinAward", "Capacity", "Separate", "Exclude", "Require", "Cover",
)  # fmt: skip


SLIVER = Fraction(1, 10**6)  # a bid of min_fraction 0 is accepted from a millionth of it on


class Possible(NamedTuple):
    """One award: accepted bids, lots kept in-house, lots left open; what is minimised, and the cost."""

    bids: frozenset[str]
    in_house: frozenset[str]
    unawarded: frozenset[str]
    objective: Fraction
    cost: Fraction


Parts = dict[str, tuple[int, int]]  # bounds on the part of each lot


class Best(NamedTuple):
    """The optimum: its objective, every award that reaches it, and the bids in which these awards differ."""

    objective: Fraction
    awards: tuple[Possible, ...]
    sets: frozenset[frozenset[str]]
    tied: frozenset[str]


def best(tender: Any, policy: Any) -> Best | None:
    """The optimal awards of a tender of all-or-nothing bids; None if there is no award at all."""
    awards = list(every_award(tender, policy))
    if not awards:
        return None
    lowest = min(award.objective for award in awards)
    optimal = tuple(award for award in awards if award.objective == lowest)
    sets = frozenset(award.bids for award in optimal)
    return Best(lowest, optimal, sets, frozenset.union(*sets) - frozenset.intersection(*sets))


def every_award(tender: Any, policy: Any) -> Iterator[Possible]:
    """Every feasible award of a tender of all-or-nothing bids."""
    world = World(tender, policy)
    if any(bid["least"] < 1 for bid in world.bids.values()):
        raise NotImplementedError("divisible bids: use best_fractions")
    for bids, kept, left in world.covers():
        award = Tried(world, *(dict.fromkeys(names, Fraction(1)) for names in (bids, kept, left)))
        penalty = award.penalty()
        if penalty is not None:
            yield Possible(frozenset(bids), frozenset(kept), frozenset(left), award.objective() + penalty, award.cost())


def exact(value: Any) -> Fraction | None:
    """The decimal a person wrote; None if blank."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return Fraction(str(value))


def number(value: Any) -> Fraction:
    """The decimal a person wrote, which must be there."""
    found = exact(value)
    assert found is not None, "a number is missing where it is needed"
    return found


def matches(row: dict[str, Any], key: str, wanted: Any) -> bool:
    """Whether a row passes a filter: None, a list of names, or {column: value or values}."""
    if wanted is None:
        return True
    if not isinstance(wanted, dict):
        return row[key] in list(wanted)
    for column, values in wanted.items():
        if row[column] not in (values if isinstance(values, (list, tuple, set)) else [values]):
            return False
    return True


class World:
    """A tender and its policy as dictionaries."""

    def __init__(self, tender: Any, policy: Any) -> None:
        self.policy = policy
        self.lots = {row["lot"]: row for row in tender.lots.to_dict("records")}
        self.demand = {lot: number(row["demand"]) for lot, row in self.lots.items()}
        self.firms = {row["bidder"]: row for row in tender.bidders.to_dict("records")}
        self.owns = [(row["owner"], row["owned"]) for row in tender.ownership.to_dict("records")]
        self.owns += [(row["owner"], name) for name, row in self.firms.items() if row["owner"] not in ("", name)]
        self.quality = self._quality(tender)
        self.bids = {row["bid"]: self._bid(row) for row in tender.bids.to_dict("records")}
        self.offered = dict(self.bids)
        self.thin = self._drop_thin_lots()
        self.schedules = self._schedules(tender)
        covers = [self.scope(rule.lots) for rule in policy.constraints if type(rule).__name__ == "Cover"]
        self.coverable = set().union(*covers)

    def _bid(self, row: dict[str, Any]) -> dict[str, Any]:
        units = {}
        quality = self.quality.get(row["bid"], exact(row["quality"]))
        for piece in row["lots"].split(";"):
            lot, _, amount = piece.partition(":")
            units[lot] = Fraction(amount) if amount else self.demand[lot]
        return row | {
            "units": units, "price": number(row["price"]), "fixed": number(row["fixed"]),
            "least": max(number(row["min_fraction"]), SLIVER), "quality": quality,
        }  # fmt: skip

    def _quality(self, tender: Any) -> dict[str, Fraction]:
        """Quality from the scores: the mean over evaluators, then weighted over criteria."""
        marks: dict[str, dict[str, list[Fraction]]] = defaultdict(lambda: defaultdict(list))
        for row in tender.scores.to_dict("records"):
            marks[row["bid"]][row["criterion"]].append(number(row["score"]))
        weights = self.policy.quality_weights
        quality = {}
        for bid, criteria in marks.items():
            weight = {criterion: number(weights[criterion]) if weights else Fraction(1) for criterion in criteria}
            points = sum(weight[criterion] * sum(given) / len(given) for criterion, given in criteria.items())
            quality[bid] = Fraction(points) / sum(weight.values())
        return quality

    def _drop_thin_lots(self) -> set[str]:
        """Lots with too few bidders; bids on them fall away, which may make further lots thin."""
        thin: set[str] = set()
        while True:
            rivals: dict[str, set[str]] = {lot: set() for lot in self.lots}
            for bid in self.bids.values():
                for lot in bid["units"]:
                    rivals[lot].add(bid["bidder"])
            now = {lot for lot, who in rivals.items() if len(who) < self.policy.min_bidders}
            if now == thin:
                return thin
            thin = now
            self.bids = {name: bid for name, bid in self.bids.items() if not thin & set(bid["units"])}

    def _schedules(self, tender: Any) -> list[dict[str, Any]]:
        tiers: dict[Any, list[Any]] = defaultdict(list)
        for row in tender.discounts.to_dict("records"):
            scope = frozenset(lot.strip() for lot in row["lots"].split(";")) if row["lots"] else frozenset(self.lots)
            key = (row["bidder"], scope, row["measure"] or "spend", row["kind"] or "all_units")
            tiers[key].append((number(row["threshold"]), exact(row["percent"]), exact(row["amount"])))
        names = ("bidder", "lots", "measure", "kind")
        return [
            dict(zip(names, key, strict=True)) | {"tiers": sorted(rows, key=lambda r: r[0])}
            for key, rows in tiers.items()
        ]

    def covers(self) -> Iterator[tuple[list[str], list[str], list[str]]]:
        """Every exact cover by all-or-nothing bids: (bids, lots in-house, lots left open)."""
        if self.thin and self.policy.few_bidders == "fail":
            return
        names = list(self.bids)

        Chosen = tuple[list[str], dict[str, Fraction]]

        def choose(at: int, left: dict[str, Fraction], bids: list[str]) -> Iterator[Chosen]:
            if at == len(names):
                yield bids, left
                return
            yield from choose(at + 1, left, bids)
            bid = self.bids[names[at]]
            if any(left[lot] < units for lot, units in bid["units"].items()):
                return
            if any(self.exclude_each_other(bid, self.bids[other]) for other in bids):
                return
            rest = left | {lot: left[lot] - units for lot, units in bid["units"].items()}
            yield from choose(at + 1, rest, [*bids, names[at]])

        for bids, left in choose(0, self.demand, []):
            if any(0 < rest < self.demand[lot] for lot, rest in left.items()):
                continue
            empty = [lot for lot, rest in left.items() if rest]
            choices = []
            for lot in empty:
                own = ["in-house"] if exact(self.lots[lot]["in_house"]) is not None else []
                choices.append(own + (["open"] if lot in self.coverable else []))
            for choice in itertools.product(*choices):
                kept = [lot for lot, what in zip(empty, choice, strict=True) if what == "in-house"]
                yield bids, kept, [lot for lot in empty if lot not in kept]

    @staticmethod
    def exclude_each_other(one: dict[str, Any], other: dict[str, Any]) -> bool:
        return bool(one["xor"]) and (one["bidder"], one["xor"]) == (other["bidder"], other["xor"])

    def scope(self, wanted: Any) -> set[str]:
        return {lot for lot, row in self.lots.items() if matches(row, "lot", wanted)}

    def rules_of(self, rule: Any) -> list[tuple[Any, set[str]]]:
        """(value of `each`, lots) for every single rule a constraint stands for."""
        lots = self.scope(getattr(rule, "lots", None))
        each = getattr(rule, "each", None)
        if each is None:
            return [(None, lots)]
        values = {self.lots[lot][each] for lot in lots}
        return [(value, {lot for lot in lots if self.lots[lot][each] == value}) for value in sorted(values)]

    def owners(self, name: str) -> set[str]:
        """Everybody above who is owned by nobody."""
        above = {owner for owner, owned in self.owns if owned == name}
        return {top for owner in above for top in self.owners(owner)} if above else {name}

    def members(self, bidder: str) -> dict[str, Fraction]:
        text = self.firms[bidder]["members"]
        if not text:
            return {bidder: Fraction(1)}
        weights = {}
        for piece in text.split(";"):
            name, _, weight = piece.partition(":")
            weights[name.strip()] = Fraction(weight.strip()) if weight else Fraction(1)
        return weights

    def stands_for(self, bidder: str, per: str, *, winners: bool = False) -> dict[str, Fraction]:
        """The entities a bidder counts for, each with its weight."""
        if per == "bidder":
            return {bidder: Fraction(1)} if winners else self.members(bidder)
        if per == "owner":
            weights: dict[str, Fraction] = defaultdict(Fraction)
            for member, weight in self.members(bidder).items():
                for owner in self.owners(member):
                    weights[owner] = min(Fraction(1), weights[owner] + weight)
            return dict(weights)
        return {str(self.firms[bidder][per]): Fraction(1)}

    def inside(self, bid: dict[str, Any], lots: set[str]) -> Fraction:
        """The part of a bid's price that belongs to these lots, by estimate."""
        if set(bid["units"]) <= lots:
            return Fraction(1)
        if not set(bid["units"]) & lots:
            return Fraction(0)
        worth = {lot: number(self.lots[lot]["estimate"]) * q / self.demand[lot] for lot, q in bid["units"].items()}
        return Fraction(sum(w for lot, w in worth.items() if lot in lots)) / sum(worth.values())

    def worth(self, bid: dict[str, Any], of: str, lots: set[str]) -> Fraction:
        """What the whole bid takes of a measure other than spend."""
        units = {lot: q for lot, q in bid["units"].items() if lot in lots}
        return sum((self.total(of, lot) * q / self.demand[lot] for lot, q in units.items()), Fraction(0))

    def total(self, of: str, lot: str) -> Fraction:
        if of == "lots":
            return Fraction(1)
        return number(self.lots[lot][of])

    def evaluated(self, bid: dict[str, Any]) -> Fraction:
        return (bid["price"] + bid["fixed"]) * (1 - number(self.firms[bid["bidder"]]["deduction"]))

    def score(self, bid: dict[str, Any]) -> Fraction:
        """RelativePrice: weight · 100 · cheapest exact cover of the bid's lots / price + (1 − weight) · quality."""
        weight = number(self.policy.objective.scoring.weight)
        inside = [other for other in self.bids.values() if set(other["units"]) <= set(bid["units"])]
        base = self.evaluated(bid)
        for size in range(1, len(bid["units"]) + 1):
            for some in itertools.combinations(inside, size):
                lots = sorted(lot for other in some for lot in other["units"])
                apart = not any(self.exclude_each_other(one, other) for one, other in itertools.combinations(some, 2))
                if lots == sorted(bid["units"]) and apart:
                    base = min(base, sum((self.evaluated(other) for other in some), Fraction(0)))
        price = self.evaluated(bid)
        return weight * 100 * (base / price if price else 1) + (1 - weight) * bid["quality"]

    def attribute(self, bid: dict[str, Any], column: str) -> Fraction:
        return number(bid[column] if column in bid else self.firms[bid["bidder"]][column])


class Tried:
    """One award under trial: fractions of bids, fractions of lots in-house, lots left open."""

    def __init__(
        self, world: World, bids: dict[str, Fraction], kept: dict[str, Fraction], left: dict[str, Fraction]
    ) -> None:
        self.world, self.kept, self.left = world, kept, left
        self.fraction = bids
        self.won = {name: world.bids[name] for name in bids}
        self.off = list(self._discounts())
        self.net = {name: self.paid(name, set(world.lots)) for name in bids}

    # ---- money --------------------------------------------------------------------------------------------

    def paid(self, name: str, lots: set[str]) -> Fraction:
        """The net price of what a bid does on these lots: price and fixed charge by estimate, discounts where given."""
        bid = self.won[name]
        paid = (bid["price"] * self.fraction[name] + bid["fixed"]) * self.world.inside(bid, lots)
        for scope, offs in self.off:
            if name in offs:
                paid -= offs[name] * self.world.inside(bid, scope & lots) / self.world.inside(bid, scope)
        return paid

    def _discounts(self) -> Iterator[tuple[set[str], dict[str, Fraction]]]:
        """For every schedule its lots, and what it takes off each bid."""
        for schedule in self.world.schedules:
            scope = set(schedule["lots"])
            part = {}
            units, lots = Fraction(0), set()
            for name, bid in self.touching(scope).items():
                if bid["bidder"] == schedule["bidder"]:
                    part[name] = bid["price"] * self.fraction[name] * self.world.inside(bid, scope)
                    units += sum(q * self.fraction[name] for lot, q in bid["units"].items() if lot in scope)
                    lots |= set(bid["units"]) & scope
            spend = sum(part.values(), Fraction(0))
            reached = {"lots": Fraction(len(lots)), "quantity": units, "spend": spend}[schedule["measure"]]
            off = min(spend, self._discount(schedule, reached, spend))
            yield scope, {name: off * share / spend for name, share in part.items() if share}

    @staticmethod
    def _discount(schedule: dict[str, Any], reached: Fraction, spend: Fraction) -> Fraction:
        off = Fraction(0)
        tiers = schedule["tiers"]
        for i, (threshold, percent, amount) in enumerate(tiers):
            if reached < threshold:
                break
            if schedule["kind"] == "all_units":
                off = spend * percent / 100 if amount is None else amount
            elif amount is not None:
                off += amount
            elif reached:
                upper = min(reached, tiers[i + 1][0]) if i + 1 < len(tiers) else reached
                off += percent / 100 * spend * (upper - threshold) / reached
        return off

    def in_house_cost(self, lots: set[str] | None = None) -> Fraction:
        worth = self.world.lots
        inside = [lot for lot in self.kept if lots is None or lot in lots]
        return sum((self.kept[lot] * number(worth[lot]["in_house"]) for lot in inside), Fraction(0))

    def ledger(self) -> Fraction:
        """What the transactions cost; figures are numbers or columns."""
        world, ledger = self.world, self.world.policy.ledger
        if ledger is None:
            return Fraction(0)

        def figure(value: Any, *rows: dict[str, Any]) -> Fraction:
            """A number, or what the first row that has the column says."""
            return number(next(row[value] for row in rows if value in row) if isinstance(value, str) else value)

        total = number(ledger.search)
        total += sum(figure(ledger.specification, row) for row in world.lots.values())
        for bid in world.bids.values():
            firm = world.firms[bid["bidder"]]
            total += figure(ledger.per_bid_evaluated, bid, firm) + figure(ledger.bid_preparation, bid, firm)
        for name in {bid["bidder"] for bid in self.won.values()}:
            total += figure(ledger.per_supplier, world.firms[name])
        for name, bid in self.won.items():
            firm = world.firms[bid["bidder"]]
            total += figure(ledger.per_contract, bid, firm) + figure(ledger.enforcement, bid, firm)
            total += figure(ledger.adaptation, firm) * self.net[name]
            for lot, units in bid["units"].items():
                watched = figure(ledger.monitoring, world.lots[lot])
                lost = figure(ledger.default, firm) * figure(ledger.replacement, world.lots[lot])
                total += (watched + lost) * units * self.fraction[name] / world.demand[lot]
        if ledger.per_switch:
            gone = self.switches(ledger.incumbent, set(world.lots))
            total += sum(figure(ledger.per_switch, world.lots[lot]) for lot in gone)
        return total

    def cost(self) -> Fraction:
        return sum(self.net.values(), Fraction(0)) + self.in_house_cost() + self.ledger()

    def objective(self) -> Fraction:
        """What the policy minimises, penalties apart."""
        world, goal = self.world, self.world.policy.objective
        if type(goal).__name__ == "BestScore":
            everything = sum(number(row["estimate"]) for row in world.lots.values())
            points = [world.score(bid) * self.taken(n, "estimate", set(world.lots)) for n, bid in self.won.items()]
            return -sum(points, Fraction(0)) / everything
        total = self.in_house_cost() + self.ledger()
        for name, bid in self.won.items():
            total += (1 - number(world.firms[bid["bidder"]]["deduction"])) * self.net[name]
        if type(goal).__name__ == "QualityAdjusted":
            value = {lot: number(row[goal.value] if isinstance(goal.value, str) else goal.value)
                     for lot, row in world.lots.items()}  # fmt: skip
            for name, bid in self.won.items():
                for lot, units in bid["units"].items():
                    total -= self.fraction[name] * value[lot] * bid["quality"] * units / world.demand[lot]
            for lot, fraction in self.kept.items():
                total -= fraction * value[lot] * (exact(world.lots[lot]["in_house_quality"]) or 0)
        return total

    # ---- constraints --------------------------------------------------------------------------------------

    def penalty(self) -> Fraction | None:
        """What the soft constraints charge; None if a hard one is broken."""
        charge = self.charge_for_open_lots()
        for rule in self.world.policy.constraints:
            name = type(rule).__name__
            if name == "Cover":
                continue
            price = exact(getattr(rule, "penalty", None))
            for value, lots in self.world.rules_of(rule):
                excess = getattr(self, name)(rule, lots, value)
                if excess is None or (excess > 0 and price is None):
                    return None
                if price is not None:
                    charge += excess * price
        return charge

    def charge_for_open_lots(self) -> Fraction:
        charge = Fraction(0)
        for rule in self.world.policy.constraints:
            if type(rule).__name__ == "Cover":
                parts = [part for lot, part in self.left.items() if lot in self.world.scope(rule.lots)]
                charge += sum(parts, Fraction(0)) * number(rule.penalty)
        return charge

    def touching(self, lots: set[str]) -> dict[str, dict[str, Any]]:
        return {name: bid for name, bid in self.won.items() if lots & set(bid["units"])}

    def taken(self, name: str, of: str, lots: set[str]) -> Fraction:
        bid = self.won[name]
        if of == "spend":
            return self.paid(name, lots)
        return self.fraction[name] * self.world.worth(bid, of, lots)

    def won_by(self, per: str, of: str, lots: set[str]) -> dict[str, Fraction]:
        """Each entity's amount; every entity of the tender has a place, also one that wins nothing."""
        amounts: dict[str, Fraction] = {}
        for bidder in self.world.firms:
            for entity in self.world.stands_for(bidder, per):
                amounts.setdefault(entity, Fraction(0))
        for name, bid in self.won.items():
            for entity, weight in self.world.stands_for(bid["bidder"], per).items():
                amounts[entity] += weight * self.taken(name, of, lots)
        return amounts

    def held(self, per: str, column: str | None) -> tuple[dict[str, Fraction], Fraction]:
        """What entities hold elsewhere, and the sum over all bidders."""
        amounts: dict[str, Fraction] = defaultdict(Fraction)
        total = Fraction(0)
        for bidder, row in self.world.firms.items() if column else ():
            here = exact(row[column]) or Fraction(0)
            total += here
            for entity, weight in self.world.stands_for(bidder, per).items():
                amounts[entity] += weight * here
        return amounts, total

    def spent(self, lots: set[str]) -> Fraction:
        return sum((self.taken(name, "spend", lots) for name in self.won), self.in_house_cost(lots))

    def filled(self, lot: str) -> Fraction:
        units = [bid["units"].get(lot, Fraction(0)) * self.fraction[name] for name, bid in self.won.items()]
        others = self.kept.get(lot, Fraction(0)) + self.left.get(lot, Fraction(0))
        return sum(units, others * self.world.demand[lot])

    def whole(self, rule: Any, lots: set[str]) -> Fraction:
        won = sum((self.taken(name, rule.of, lots) for name in self.won), Fraction(0))
        if rule.base == "awarded":
            return won
        if rule.of == "spend":
            return won + self.in_house_cost(lots)
        return sum((self.world.total(rule.of, lot) for lot in lots), Fraction(0))

    def shares(self, rule: Any, lots: set[str]) -> list[Fraction]:
        amounts, (before, all_before) = self.won_by(rule.per, rule.of, lots), self.held(rule.per, rule.existing)
        total = self.whole(rule, lots) + all_before
        return [(amount + before.get(who, Fraction(0))) / total for who, amount in amounts.items()] if total else []

    def winners(self, per: str, lots: set[str]) -> set[str]:
        bidders = {bid["bidder"] for bid in self.touching(lots).values()}
        return {entity for bidder in bidders for entity in self.world.stands_for(bidder, per, winners=True)}

    def lots_of(self, per: str, lots: set[str]) -> dict[str, set[str]]:
        """The lots in which each entity has any part."""
        has: dict[str, set[str]] = defaultdict(set)
        for bid in self.touching(lots).values():
            for entity in self.world.stands_for(bid["bidder"], per):
                has[entity] |= lots & set(bid["units"])
        return has

    def switches(self, column: str, lots: set[str]) -> set[str]:
        """Lots whose incumbent does not hold all of them."""
        gone = set()
        for lot in lots:
            incumbent = self.world.lots[lot][column]
            units = [bid["units"].get(lot, 0) * self.fraction[name] for name, bid in self.won.items()
                     if bid["bidder"] == incumbent]  # fmt: skip
            if incumbent and sum(units) < self.world.demand[lot]:
                gone.add(lot)
        return gone

    def Budget(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        amount = rule.amount[value] if isinstance(rule.amount, dict) else rule.amount
        return max(Fraction(0), self.spent(lots) - number(amount))

    def MinQuality(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        return self._attribute(rule, lots, {name: bid["quality"] for name, bid in self.won.items()}, rule.score, None)

    def AttributeBound(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        column = {name: self.world.attribute(bid, rule.column) for name, bid in self.touching(lots).items()}
        return self._attribute(rule, lots, column, rule.at_least, rule.at_most)

    def _attribute(self, rule: Any, lots: set[str], column: dict[str, Fraction], low: Any, high: Any) -> Fraction:
        here = self.touching(lots)
        if rule.across == "bid":
            values = [column[name] for name in here]
        else:
            weight = {name: self.taken(name, "estimate", lots) for name in here}
            total = sum(weight.values())
            values = [sum((weight[name] * column[name] for name in here), Fraction(0)) / total] if total else []
        short = sum((max(Fraction(0), number(low) - v) for v in values), Fraction(0)) if low is not None else 0
        over = sum((max(Fraction(0), v - number(high)) for v in values), Fraction(0)) if high is not None else 0
        return Fraction(short + over)

    def MaxShare(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        over = [100 * (share - number(rule.share)) for share in self.shares(rule, lots)]
        return sum((max(Fraction(0), points) for points in over), Fraction(0))

    def MinShare(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        mine, total = self.total_of_chosen(rule, lots)
        return max(Fraction(0), 100 * (number(rule.share) - mine / total)) if total else Fraction(0)

    def total_of_chosen(self, rule: Any, lots: set[str]) -> tuple[Fraction, Fraction]:
        """What the chosen bidders hold, and the total it is a share of."""
        mine, total = Fraction(0), self.whole(rule, lots)
        for name, row in self.world.firms.items():
            chosen = matches(row, "bidder", rule.bidders)
            before = exact(row[rule.existing]) or Fraction(0) if rule.existing else Fraction(0)
            total += before
            mine += chosen * before
            won = [self.taken(bid, rule.of, lots) for bid in self.won if self.won[bid]["bidder"] == name]
            mine += chosen * sum(won, Fraction(0))
        return mine, total

    def MaxLots(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        counts: dict[str, Fraction] = defaultdict(Fraction)
        for who, theirs in self.lots_of(rule.per, lots).items():
            counts[who] += len(theirs)
        for bidder, row in self.world.firms.items() if rule.existing else ():
            for who in self.world.stands_for(bidder, rule.per):
                counts[who] += exact(row[rule.existing]) or Fraction(0)
        return sum((max(Fraction(0), count - number(rule.n)) for count in counts.values()), Fraction(0))

    def MinWinners(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        return max(Fraction(0), Fraction(rule.n) - len(self.winners(rule.per, lots)))

    def MaxWinners(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        return max(Fraction(0), len(self.winners(rule.per, lots)) - Fraction(rule.n))

    def MaxHHI(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        # A bidder that counts in full for several entities is divided among them.
        amounts: dict[str, Fraction] = defaultdict(Fraction)
        before = Fraction(0)
        for bidder, row in self.world.firms.items():
            stands = self.world.stands_for(bidder, rule.per)
            most = max(Fraction(1), sum(stands.values(), Fraction(0)))
            held = (exact(row[rule.existing]) or Fraction(0)) if rule.existing else Fraction(0)
            before += held
            own = [name for name, bid in self.won.items() if bid["bidder"] == bidder]
            won = sum((self.taken(name, rule.of, lots) for name in own), held)
            for entity, weight in stands.items():
                amounts[entity] += weight / most * won
        total = self.whole(rule, lots) + before
        index = sum(((amount / total) ** 2 for amount in amounts.values()), Fraction(0)) if total else Fraction(0)
        return max(Fraction(0), 100 * (index - number(rule.index)))

    def MinAward(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        has = self.lots_of(rule.per, lots)
        amounts: dict[str, Any]
        if rule.of == "lots":
            amounts = {who: len(theirs) for who, theirs in has.items()}
        else:
            amounts = self.won_by(rule.per, rule.of, lots)
        return Fraction(sum(amounts[who] < number(rule.amount) for who in has))

    def Capacity(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        over = Fraction(0)
        for who, units in self.won_by(rule.per, "demand", lots).items():
            bound = self.bound(who, rule)
            if bound is not None:
                over += max(Fraction(0), units - bound)
        for bidder, row in self.world.firms.items():
            room = exact(row[rule.column]) if row["members"] else None
            if room is not None:
                own = [name for name, bid in self.won.items() if bid["bidder"] == bidder]
                won = sum((self.taken(name, "demand", lots) for name in own), Fraction(0))
                over += max(Fraction(0), won - room)
        return over

    def bound(self, who: str, rule: Any) -> Fraction | None:
        """An entity's capacity: what its bidders have together; none if one of them has no bound."""
        firms = self.world.firms
        if rule.per == "bidder":
            return exact(firms[who][rule.column]) if who in firms else None
        theirs = [exact(row[rule.column]) for name, row in firms.items()
                  if not row["members"] and who in self.world.stands_for(name, rule.per)]  # fmt: skip
        return None if None in theirs or not theirs else sum((units for units in theirs if units), Fraction(0))

    def Separate(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        first, second = (self.lots_of(rule.per, self.world.scope(side)) for side in (rule.first, rule.second))
        return Fraction(len(set(first) & set(second)))

    def Together(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        if all(self.kept.get(lot, 0) == 1 for lot in lots) or all(self.left.get(lot, 0) == 1 for lot in lots):
            return Fraction(0)
        held: dict[str, Fraction] = defaultdict(Fraction)
        for name, bid in self.won.items():
            for entity in self.world.stands_for(bid["bidder"], rule.per, winners=True):
                held[entity] += self.taken(name, "lots", lots)
        return Fraction(len(lots) not in held.values())

    def KeepIncumbents(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        return max(Fraction(0), len(self.switches(rule.column, lots)) - Fraction(rule.max_switches))

    def Exclude(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        firms = self.world.firms
        return Fraction(sum(
            matches(bid, "bid", rule.bids) and matches(firms[bid["bidder"]], "bidder", rule.bidders)
            for bid in self.touching(lots).values()
        ))  # fmt: skip

    def Require(self, rule: Any, lots: set[str], value: Any) -> Fraction:
        here = self.touching(lots)
        lacking = 0
        if rule.bids is not None:
            offered = {name: bid for name, bid in self.world.offered.items() if lots & set(bid["units"])}
            asked = [name for name, row in offered.items() if matches(row, "bid", rule.bids)]
            lacking += sum(name not in here for name in asked)
        if rule.bidders is not None:
            present = {bid["bidder"] for bid in here.values()}
            asked = [name for name, row in self.world.firms.items() if matches(row, "bidder", rule.bidders)]
            lacking += sum(name not in present for name in asked)
        if rule.bids is None and rule.bidders is None:
            lacking += sum(self.left.get(lot, 0) > 0 or self.kept.get(lot, 0) > 0 for lot in lots)
        return Fraction(lacking)

    def Resilient(self, rule: Any, lots: set[str], value: Any) -> Fraction | None:
        """For each winner the cheapest way to fill its lots again; None if there is a winner nobody can replace."""
        over = Fraction(0)
        for winner in {bid["bidder"] for bid in self.touching(lots).values()}:
            gone = {name for name, bid in self.won.items() if bid["bidder"] == winner}
            again = self._refill(gone, winner)
            if again is None:
                return None
            extra = again - sum(self.net[name] for name in gone)
            over += max(Fraction(0), extra - number(rule.max_extra_cost))
        return over

    def _refill(self, gone: set[str], winner: str) -> Fraction | None:
        world = self.world
        need: dict[str, Fraction] = defaultdict(Fraction)
        for name in gone:
            for lot, units in self.won[name]["units"].items():
                need[lot] += units
        stay = [name for name in self.won if name not in gone]
        free = [name for name, bid in world.bids.items() if name not in self.won and bid["bidder"] != winner]
        ways = []
        for size in range(len(free) + 1):
            for more in itertools.combinations(free, size):
                after = [*stay, *more]
                if any(
                    world.exclude_each_other(world.bids[a], world.bids[b]) for a, b in itertools.combinations(after, 2)
                ):
                    continue
                rest = dict(need)
                for name in more:
                    for lot, units in world.bids[name]["units"].items():
                        rest[lot] = rest.get(lot, Fraction(0)) - units
                own = [lot for lot, units in rest.items() if units]
                if any(rest[lot] != world.demand[lot] or exact(world.lots[lot]["in_house"]) is None for lot in own):
                    continue
                paid = sum(world.bids[name]["price"] + world.bids[name]["fixed"] for name in more)
                ways.append(Fraction(paid) + sum(number(world.lots[lot]["in_house"]) for lot in own))
        return min(ways, default=None)


# ---- divisible bids ---------------------------------------------------------------------------------------


def best_fractions(tender: Any, policy: Any) -> float | None:
    """The least objective with divisible bids: a linear program on every support; None if nothing is feasible.

    Once it is said which bids are accepted at all, everything here is affine in their fractions and in the parts
    done in-house, so its coefficients are found by trying: what it comes to at 0 and at each unit vector.
    Hard constraints of `LINEAR` and `Cover`; no discounts, and no switches in the ledger, whose number leaps.
    """
    world = World(tender, policy)
    assert not world.schedules
    assert policy.ledger is None or not policy.ledger.per_switch
    assert all(type(rule).__name__ in LINEAR for rule in policy.constraints)
    if world.thin and policy.few_bidders == "fail":
        return None
    values = []
    for size in range(len(world.bids) + 1):
        for support in itertools.combinations(world.bids, size):
            pairs = itertools.combinations([world.bids[name] for name in support], 2)
            if not any(world.exclude_each_other(one, other) for one, other in pairs):
                values += [_least(world, support, own, left) for own, left in _ways_without(world, support)]
    return min((value for value in values if value is not None), default=None)


def _ways_without(world: World, support: tuple[str, ...]) -> Iterator[tuple[Parts, Parts]]:
    """Every choice of bounds for the part of each lot that is done in-house, and for the part left open."""
    shared = {lot for bid in world.bids.values() if bid["least"] < 1 for lot in bid["units"]}
    choices: list[list[tuple[int, int, int, int]]] = []
    for lot, row in world.lots.items():
        own, left = int(exact(row["in_house"]) is not None), int(lot in world.coverable)
        if lot in shared:
            choices.append([(0, own, 0, left)])
        elif any(lot in world.bids[name]["units"] for name in support):
            choices.append([(0, 0, 0, 0)])
        else:
            choices.append([(1, 1, 0, 0)] * own + [(0, 0, 1, 1)] * left)
    for choice in itertools.product(*choices):
        named = dict(zip(world.lots, choice, strict=True))
        yield (
            {lot: (bounds[0], bounds[1]) for lot, bounds in named.items() if bounds[1]},
            {lot: (bounds[2], bounds[3]) for lot, bounds in named.items() if bounds[3]},
        )


def _least(world: World, support: tuple[str, ...], own: Parts, left: Parts) -> float | None:
    columns = [*(("bid", name) for name in support), *(("own", lot) for lot in own), *(("left", lot) for lot in left)]

    def tried(unit: tuple[str, str] | None) -> Tried:
        parts = {kind: {name: Fraction((kind, name) == unit) for what, name in columns if what == kind}
                 for kind in ("bid", "own", "left")}  # fmt: skip
        return Tried(world, *parts.values())

    nothing, units = tried(None), [tried(column) for column in columns]

    def affine(amount: Callable[[Tried], Fraction]) -> tuple[list[float], float]:
        constant = amount(nothing)
        return [float(amount(unit) - constant) for unit in units], float(constant)

    rows = []
    for rule in world.policy.constraints:
        for value, lots in world.rules_of(rule):
            wanted = _at_most_zero(world, nothing, rule, lots, value)
            if wanted is None:
                return None
            rows += [affine(amount) for amount in wanted]
    filled = [affine(lambda award, lot=lot: award.filled(lot)) for lot in world.lots]  # type: ignore[misc]
    costs, constant = affine(lambda award: award.objective() + award.charge_for_open_lots())
    if not columns:
        return None
    found = linprog(
        costs,
        A_ub=[row for row, _ in rows] or None,
        b_ub=[-bound for _, bound in rows] or None,
        A_eq=[row for row, _ in filled],
        b_eq=[float(world.demand[lot]) for lot in world.lots],
        bounds=[(float(world.bids[name]["least"]), 1) for name in support] + [*own.values(), *left.values()],
    )
    return float(found.fun) + constant if found.status == 0 else None


def _at_most_zero(
    world: World, support: Tried, rule: Any, lots: set[str], value: Any
) -> list[Callable[[Tried], Fraction]] | None:
    """Affine amounts a hard constraint keeps at or below 0; None if the support alone breaks it."""
    kind, zero = type(rule).__name__, Fraction(0)
    if kind == "Cover":
        return []
    assert rule.penalty is None
    if kind == "Budget":
        return [
            lambda award: (
                award.spent(lots) - number(rule.amount[value] if isinstance(rule.amount, dict) else rule.amount)
            )
        ]
    if kind in ("MaxShare", "MinShare"):
        share = number(rule.share)
    if kind == "MaxShare":
        before, everything = support.held(rule.per, rule.existing)
        return [
            lambda award, who=who: award.won_by(rule.per, rule.of, lots)[who] + before.get(who, zero)  # type: ignore[misc]
            - share * (award.whole(rule, lots) + everything)
            for who in support.won_by(rule.per, rule.of, lots)
        ]  # fmt: skip
    if kind == "MinShare":
        return [lambda award: share * award.total_of_chosen(rule, lots)[1] - award.total_of_chosen(rule, lots)[0]]
    if kind == "Capacity":
        bounds = {who: support.bound(who, rule) for who in support.won_by(rule.per, "demand", lots)}
        return [
            lambda award, who=who, bound=bound: award.won_by(rule.per, "demand", lots)[who] - bound  # type: ignore[misc]
            for who, bound in bounds.items() if bound is not None
        ]  # fmt: skip
    if kind == "MinAward" and rule.of != "lots":
        return [
            lambda award, who=who: number(rule.amount) - award.won_by(rule.per, rule.of, lots)[who]  # type: ignore[misc]
            for who in support.lots_of(rule.per, lots)
        ]
    if kind in ("MinQuality", "AttributeBound") and rule.across == "award":
        sides = [(rule.score, 1)] if kind == "MinQuality" else [(rule.at_least, 1), (rule.at_most, -1)]
        column = "quality" if kind == "MinQuality" else rule.column
        return [
            lambda award, bound=bound, sign=sign: sum(  # type: ignore[misc]
                (sign * (number(bound) - world.attribute(bid, column)) * award.taken(name, "estimate", lots)
                 for name, bid in award.touching(lots).items()), zero)
            for bound, sign in sides if bound is not None
        ]  # fmt: skip
    if kind == "Require" and rule.bids is None and rule.bidders is None:
        return [lambda award: sum((award.kept.get(lot, zero) + award.left.get(lot, zero) for lot in lots), zero)]
    return None if getattr(support, kind)(rule, lots, value) > 0 else []
