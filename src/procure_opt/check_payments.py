"""Payments checked again, by a search for awards that shares nothing with the program or a solver.

What a winner is paid beyond its price depends on awards that were never made: the best one without it, and what any
group of others would do for less. They are searched for here, depth first, lot by lot, over bids as a whole; every
award that is met is judged by the same code that judges the award itself (`Facts` in `check.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from procure_opt.check_search import Rules, Search, TooMuch

if TYPE_CHECKING:
    from procure_opt.check import Facts

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Mask = NDArray[np.bool_]
Found = tuple[str, str, float, str]

RELATIVE = 1e-9  # amounts may be off by that much of the cost of the award, or by
OF_A_UNIT = 1e-6  # that much of the money unit
LINEAR = 1e-6  # amounts that solve linear equations: of the largest amount


# ---- what is checked --------------------------------------------------------------------------------------


def check_payments(facts: Facts, payments: Any) -> Iterator[Found]:
    """What is wrong with payments: rule, where, amount in currency, and a sentence.

    With k = 1 − deduction + adaptation of a winner, c its net price and W(S) the least objective of awards that use
    bids of S alone, under the same rules: `vcg` pays c + (W(N∖i) − W(N)) / k; of core rules

        W(N) + Σ_{i ∈ winners} k (amount − c)  ≤  objective(x) + Σ_{i used by x} k (amount − c)

    for every award x, no amount is below c, no core payments have a larger total, and none with that total are nearer
    to what the rule refers to. A winner without whom there is no award is `pivotal`, and its amount unknown.

    Args:
        facts: The award paid for, read by `check`.
        payments: With `award`, `rule`, `by`, `amounts`, `total` and `pivotal`.
    """
    if payments.by not in ("bidder", "owner"):
        yield "payments", "", math.nan, f"by is {payments.by!r}; it must be 'bidder' or 'owner'"
        return
    paid = Paid.of(facts, payments)
    yield from _table(paid)
    claim = CLAIMS.get(paid.rule)
    if claim is None:
        yield paid.rule, "", math.nan, "not independently checked: the rule is not known here"
        return
    yield from paid.losses
    try:
        yield from claim(paid)
    except TooMuch as reason:
        yield paid.rule, "", math.nan, f"not independently checked: {reason}"


@dataclass(frozen=True, eq=False)
class Paid:
    """Payments beside the award they are for; money in money units, one entry a winner."""

    facts: Facts
    payments: Any
    rule: str
    names: list[str]
    entity: Places
    winners: Places

    @staticmethod
    def of(facts: Facts, payments: Any) -> Paid:
        """Who won, by bidder or by those who share an owner."""
        names, entity = _entities(facts, payments.by)
        rule = str(getattr(payments.rule, "name", payments.rule))
        return Paid(facts, payments, rule, names, entity, np.unique(entity[facts.bidder]))

    @cached_property
    def winner_names(self) -> list[str]:
        """The names the amounts are listed by."""
        return [self.names[e] for e in self.winners]

    @cached_property
    def due(self) -> Floats:
        """Net prices."""
        return np.bincount(self.entity[self.facts.bidder], weights=self.facts.net, minlength=len(self.names))[
            self.winners
        ].astype(float)

    @cached_property
    def amount(self) -> Floats:
        """Amounts; NaN where there is none."""
        series = self.payments.amounts
        said = dict(zip(map(str, series.index), series.to_numpy(dtype=float)))
        return np.array([said.get(name, math.nan) for name in self.winner_names]) / self.facts.tender.money_unit

    @cached_property
    def losses(self) -> list[Found]:
        """Winners paid less than their net prices."""
        unit, found = self.facts.tender.money_unit, []
        for name, amount, due in zip(self.winner_names, self.amount, self.due):
            if amount < due - self.facts.money(due):
                message = f"it is paid {amount * unit:.15g}, less than its price {due * unit:.15g}"
                found.append(("individual rationality", name, (amount - due) * unit, message))
        return found

    @cached_property
    def rate(self) -> Floats:
        """What one unit of money counts for in the objective; of several bidders under one owner the largest."""
        rate = self.facts.rate
        return np.array([rate[self.facts.bidder[self.entity[self.facts.bidder] == e]].max() for e in self.winners])

    @cached_property
    def search(self) -> Search:
        """The search for other awards."""
        return Search(self.facts)

    @cached_property
    def objective(self) -> float:
        """W(N): the objective of the award.

        Raises:
            TooMuch: it cannot be said, or the award itself is wrong.
        """
        value, unchecked = self.facts.outcome()
        if unchecked:
            raise TooMuch(unchecked)
        if math.isinf(value):
            raise TooMuch("the award itself breaks a rule")
        return value

    @cached_property
    def without(self) -> Floats:
        """W(N∖i) for every winner; infinite where nothing else is left."""
        return np.array([self.search.least(barred=self.entity == e)[0] for e in self.winners])

    def room(self, units: float) -> float:
        """The tolerance on an amount that follows from an objective of so many units.

        Whole objectives are exact; others are proven to a money unit, and then the nearest unit is what counts.
        """
        whole = abs(units - round(units)) < OF_A_UNIT and abs(self.objective - round(self.objective)) < OF_A_UNIT
        return 2 * OF_A_UNIT if whole else 0.5

    def name(self, bidders: Places) -> str:
        """Entities in words."""
        return ", ".join(self.names[e] for e in np.unique(self.entity[bidders])) or "nobody"


def _entities(facts: Facts, by: str) -> tuple[list[str], Places]:
    """Who is paid as one, and the entity of every bidder: with "owner" all whom a common owner joins, however far."""
    tender = facts.tender
    if by == "bidder":
        return [str(name) for name in tender.bidder_names], np.arange(len(tender.bidder_names))
    owners, weight = tender.groups("owner")
    above = [weight[[bidder]].indices for bidder in range(len(tender.bidder_names))]
    root = np.arange(len(owners))
    for mine in above:
        root[np.isin(root, root[mine])] = root[mine].min()
    roots, entity = np.unique(root[[mine[0] for mine in above]], return_inverse=True)
    return [" & ".join(map(str, owners[root == one])) for one in roots], entity.astype(np.intp)


def _table(paid: Paid) -> Iterator[Found]:
    """Those paid are those who won, once each; amounts are unknown of the pivotal alone; the total is their sum."""
    payments, unit = paid.payments, paid.facts.tender.money_unit
    listed = [str(name) for name in payments.amounts.index]
    for name in dict.fromkeys(listed):
        if listed.count(name) > 1:
            yield "amounts", name, math.nan, "it stands more than once"
        if name not in paid.winner_names:
            amount = float(payments.amounts.iloc[listed.index(name)])
            message = f"it wins nothing, and is paid {amount:.15g}" if name in paid.names else "nobody is called so"
            yield "amounts", name, amount, message
    for name in paid.winner_names:
        if name not in listed:
            yield "amounts", name, math.nan, "a winner is missing"
    for name in payments.pivotal:
        if name not in paid.winner_names:
            yield "pivotal", str(name), math.nan, "it wins nothing"
    for name, amount in zip(paid.winner_names, paid.amount):
        if name in listed and not math.isfinite(amount) and name not in payments.pivotal:
            yield "amounts", name, math.nan, f"it is paid {amount:g}, and is not said to be pivotal"
    total = float(payments.amounts.to_numpy(dtype=float).sum())
    room = max(OF_A_UNIT, RELATIVE * abs(total / unit)) * unit
    if not abs(payments.total - total) <= room and not (math.isnan(total) and math.isnan(payments.total)):
        message = f"the amounts sum to {total:.15g}, the total is {payments.total:.15g}"
        yield "total", "", payments.total - total, message


# ---- what each rule claims --------------------------------------------------------------------------------


def _as_bid(paid: Paid) -> Iterator[Found]:
    """Amounts are net prices."""
    unit = paid.facts.tender.money_unit
    for name, amount, due in zip(paid.winner_names, paid.amount, paid.due):
        if amount > due + paid.facts.money(due):
            message = f"its price is {due * unit:.15g}, it is paid {amount * unit:.15g}"
            yield paid.rule, name, (amount - due) * unit, message
    if paid.payments.pivotal:
        yield from _pivotal(paid, both_ways=False)


def _pivotal(paid: Paid, *, both_ways: bool = True) -> Iterator[Found]:
    """Pivotal are those without whom there is no award, and only those; nobody can say what they are due."""
    for name, amount, without in zip(paid.winner_names, paid.amount, paid.without):
        said, true = name in paid.payments.pivotal, math.isinf(without)
        if said and not true:
            yield "pivotal", name, math.nan, "it is said to be pivotal, and there is an award without it"
        elif true and not said and both_ways:
            yield "pivotal", name, math.nan, "there is no award without it, and it is not said to be pivotal"
        elif true and math.isfinite(amount) and both_ways:
            money = amount * paid.facts.tender.money_unit
            yield "pivotal", name, money, f"there is no award without it, and it is paid {money:.15g} all the same"


def _from_the_best(paid: Paid) -> Iterator[Found]:
    """What every rule beyond the price needs: an objective in money, and an award that is proven and the best."""
    if type(paid.facts.award.policy.objective).__name__ == "BestScore":
        yield paid.rule, "", math.nan, "relative scores have no pivot: with BestScore only pay_as_bid is admitted"
        return
    if paid.facts.award.status != "optimal":
        yield paid.rule, "", math.nan, "the award is not proven optimal, which admits pay_as_bid only"
    least, bids = paid.search.least(below=paid.objective - paid.room(paid.objective))
    if bids is not None:
        better = (paid.objective - least) * paid.facts.tender.money_unit
        names = ", ".join(paid.facts.tender.bid_names[bids])
        yield "award", "", better, f"the bids {names or '(none)'} are better by {better:.15g}"


def _vcg(paid: Paid) -> Iterator[Found]:
    """amount = net price + (W(N∖i) − W(N)) / k."""
    wrong = list(_from_the_best(paid))
    yield from wrong
    if any(rule == paid.rule for rule, *_ in wrong):
        return
    yield from _pivotal(paid)
    unit = paid.facts.tender.money_unit
    for name, amount, price, rate, without in zip(paid.winner_names, paid.amount, paid.due, paid.rate, paid.without):
        if math.isfinite(without) and math.isfinite(amount):
            due = price + (without - paid.objective) / rate
            if not abs(amount - due) <= paid.room(without) / rate + 4 * np.spacing(abs(due)):
                message = f"{due * unit:.15g} is due to it, it is paid {amount * unit:.15g}"
                yield paid.rule, name, (amount - due) * unit, message


def _core(refer: Callable[[Paid], Floats]) -> Callable[[Paid], Iterator[Found]]:
    """No group of others would do it for less; no core payments sum to more; with that sum none are nearer to `refer`.

    A group that uses the winners U and is short of them pays nobody else: Σ_{i ∉ U} k (amount − c) ≤ objective − W(N).
    """

    def claim(paid: Paid) -> Iterator[Found]:
        wrong = list(_from_the_best(paid))
        yield from wrong
        if any(rule == paid.rule for rule, *_ in wrong):
            return
        yield from _pivotal(paid)
        unit = paid.facts.tender.money_unit
        free = np.isfinite(paid.without) & np.isfinite(paid.amount)
        amount = np.where(free, np.maximum(paid.amount, paid.due), paid.due)
        limit, least, bids = _undercut(paid, amount, math.inf)
        # Amounts solve linear equations, and meet rows of the core as exactly as floats add up.
        if limit - least > 2 * OF_A_UNIT + 2e-10 * abs(limit):
            names = ", ".join(paid.facts.tender.bid_names[bids]) or "(none)"
            message = f"with the bids {names} the buyer and {paid.name(paid.facts.tender.bidder_of[bids])} would gain"
            yield paid.rule, names, (limit - least) * unit, f"{message} {(limit - least) * unit:.15g}"
        elif not wrong and not paid.losses and free.any():
            over = limit - least
            raised = _way(paid, amount, free, over, np.ones(free.sum()), tolerance=LINEAR)
            if raised is not None:
                more = float(raised.sum()) * unit
                yield paid.rule, "total", -more, f"the total could be at least {more:.9g} more: no group would block it"
                return
            goal = refer(paid)[free] - amount[free]
            tolerance = max(0.01, 1e-8 * float(np.abs(goal).max()), 2 * over)
            nearer = _way(paid, amount, free, over, goal, tolerance=tolerance, same_total=True)
            if nearer is not None:
                moves = ", ".join(
                    f"{name} {move * unit:+.3g}" for name, move in zip(np.array(paid.winner_names)[free], nearer)
                )
                message = f"amounts with the same total are nearer to what the rule refers to: {moves}"
                yield paid.rule, "nearest", float(np.abs(nearer).max()) * unit, message

    return claim


def _undercut(paid: Paid, amount: Floats, over: float) -> tuple[float, float, Places | None]:
    """W(N) + Σ k (amount − c), the least of the same sum of any award, and its bids, if it is less by more than `over`.

    With `over` infinite the least is found in any case: the award itself comes to the first sum.
    """
    surplus = paid.rate * (amount - paid.due)
    limit = paid.objective + float(surplus.sum())
    extra = np.zeros(len(paid.names))
    extra[paid.winners] = surplus
    below = limit - over if math.isfinite(over) else limit + 1.0
    return limit, *paid.search.least(extra=extra, groups=paid.entity, below=below)


def _way(
    paid: Paid, amount: Floats, free: Mask, over: float, goal: Floats, *, tolerance: float, same_total: bool = False
) -> Floats | None:
    """A small move of core payments towards a goal that stays in the core; None if there is none.

    What keeps amounts where they are: rows of the core that they meet, and net prices. The part of the goal that no
    combination of these explains (its distance from their cone) is the way to move; if a group blocks the amounts so
    moved, its row is met too, and is taken in. A goal explained is a proof of optimality (Farkas; Karush, Kuhn and
    Tucker), up to the size of a move: rows count as met that are as near as that. Moves are long first, so that no
    row is overlooked, then of a hundredth of a money unit, or what the digits of a large cost leave of it.

    Args:
        over: By how much the amounts exceed rows of the core already.
    """
    rate, due, now = paid.rate[free], paid.due[free], amount[free]
    # A row blocks if the move exceeds it by more than adding up floats can.
    sure = 4e-7 + 4e-14 * abs(paid.objective)
    always = [np.ones(len(now)), -np.ones(len(now))] if same_total else []
    rows = [(-row, above) for row, above in zip(np.eye(len(now)), now - due)]

    def blocking(move: Floats) -> tuple[float, Places | None]:
        moved = amount.copy()
        moved[free] = np.maximum(now + move, due)
        limit, least, bids = _undercut(paid, moved, max(over, 0.0) + sure)
        return limit - least, bids

    for step in (max(0.1, 1e4 * sure), max(0.01, 1e2 * sure)):
        while True:
            met = always + [row for row, slack in rows if slack < step * float(np.linalg.norm(row))]
            way = goal - _onto_cone(np.array(met).reshape(len(met), len(now)).T, goal)
            length = float(np.linalg.norm(way))
            if length <= tolerance:
                break
            move = way * (min(step, length) if same_total else step) / length
            excess, bids = blocking(move)
            if bids is None:
                # How far it goes is told to a half, for the message.
                while not same_total and (now + 2 * move >= due).all() and blocking(2 * move)[1] is None:
                    move = 2 * move
                return np.asarray(move)
            used = np.isin(paid.winners[free], paid.entity[paid.facts.tender.bidder_of[bids]])
            row = np.where(used, 0.0, rate)
            rows.append((row, float(row @ move) - excess))
    return None


def _onto_cone(columns: Floats, target: Floats) -> Floats:
    """The point Σ weight · column, weights ≥ 0, nearest to the target."""
    return np.asarray(columns @ _weights(columns, target))


def _weights(columns: Floats, target: Floats) -> Floats:
    """Weights ≥ 0 for which Σ weight · column is nearest to the target (active sets of Lawson and Hanson 1974)."""
    weights, active = np.zeros(columns.shape[1]), np.zeros(columns.shape[1], dtype=bool)
    scale = float(np.linalg.norm(target)) * np.linalg.norm(columns, axis=0)
    for _ in range(20 * len(weights) + 20):
        pull = np.where(active, 0.0, columns.T @ (target - columns @ weights))
        if not (pull > 1e-11 * scale).any():
            return weights
        active[np.argmax(pull / np.maximum(scale, 1e-300))] = True
        while True:
            trial = np.zeros(len(weights))
            trial[active] = np.linalg.lstsq(columns[:, active], target, rcond=None)[0]
            if not (trial[active] < 0).any():
                break
            back = active & (trial < 0)
            part = float((weights[back] / (weights[back] - trial[back])).min())
            weights = weights + part * (trial - weights)
            active &= weights > 1e-14 * max(1.0, float(weights.max()))
        weights = trial
    raise TooMuch("the linear equations are too close to one another")


def _vcg_amounts(paid: Paid) -> Floats:
    return paid.due + (paid.without - paid.objective) / paid.rate


def _in_house(paid: Paid) -> Floats:
    """What doing the lots of each winner in-house would cost."""
    facts = paid.facts
    own = np.bincount(facts.at, weights=facts.tender.in_house[facts.lot] * facts.part, minlength=len(facts.bid))
    if np.isnan(own).any():
        raise TooMuch("lots that are let have no in-house cost")
    return np.bincount(paid.entity[facts.bidder], weights=own, minlength=len(paid.names))[paid.winners].astype(float)


# ---- one price a unit for everybody -----------------------------------------------------------------------


def _uniform(paid: Paid) -> Iterator[Found]:
    """One price λ a unit of each lot pays every winner: amount = Σ λ · quantity, and at λ the market clears.

    Where nothing but coverage and xor labels binds, no losing bid is below Σ λ · quantity (beyond what its bidder earns
    by the bid accepted instead), no lot is let above its in-house cost or kept in-house below it, and of all such
    prices none pay more in all. A constraint that binds has a price of its own, which is not looked for here.
    """
    facts, tender, policy = paid.facts, paid.facts.tender, paid.facts.award.policy
    if facts.award.status != "optimal":
        yield paid.rule, "", math.nan, "the award is not proven optimal, which admits pay_as_bid only"
    plain = type(policy.objective).__name__ == "LowestCost" and policy.ledger is None and not tender.schedules
    if not plain or tender.bidders["deduction"].any() or tender.fixed.any():
        raise TooMuch("what is uniform is evaluated prices, not amounts")
    won = np.zeros((len(paid.names), len(tender.demand)))
    np.add.at(won, (paid.entity[facts.bidder[facts.at]], facts.lot), facts.units)
    won, amount, unit = won[paid.winners], paid.amount, tender.money_unit
    if not len(amount) or not np.isfinite(amount).all():
        return
    room = 10 * OF_A_UNIT + 10 * RELATIVE * float(max(np.abs(amount).max(initial=0.0), abs(paid.objective)))
    off = amount - won @ np.linalg.lstsq(won, amount, rcond=None)[0]
    if (np.abs(off) > room).any():
        worst = int(np.abs(off).argmax())
        message = "no price a unit of each lot explains what the winners are paid; "
        message += f"the nearest are off by {off[worst] * unit:.9g} here"
        yield paid.rule, paid.winner_names[worst], float(off[worst]) * unit, message
        return
    if _binding(paid.search.rules):
        raise TooMuch("whether the market clears depends on the prices of constraints")
    rows, most, names = _clearing(facts, paid.search.rules.cost)
    size = max(1.0, float(np.abs(amount).max()), float(np.abs(most).max()))
    where = _in_the_way(won, amount / size, rows, most / size, room / size)
    if where is not None:
        message = f"no prices of the lots that pay the winners so much clear the market: {names[where]} is in the way"
        yield paid.rule, names[where], math.nan, message
        return
    # Weights on the rows that add up to the quantities won bound the total (duality): by what it is, if it is the most.
    total = float(amount.sum())
    table = np.vstack([rows.T, most / size])
    wanted = np.append(won.sum(axis=0), total / size)
    short = wanted - _onto_cone(np.hstack([table, np.append(np.zeros(len(rows.T)), 1.0)[:, None]]), wanted)
    if np.abs(short).max() * size > room * 10:
        yield paid.rule, "total", math.nan, "there are higher uniform prices at which the market clears"


def _in_the_way(won: Floats, amount: Floats, rows: Floats, most: Floats, room: float) -> int | None:
    """A row of those that no prices λ satisfy, won · λ = amount and rows · λ ≤ most; None if some prices do.

    Rows are taken in as they are exceeded. Prices are differences of two weights; what a row leaves unused is a weight.
    """
    lots = won.shape[1]
    chosen: list[int] = []
    while True:
        equal = np.hstack([won, -won, np.zeros((len(won), len(chosen)))])
        table = np.vstack([equal, np.hstack([rows[chosen], -rows[chosen], np.eye(len(chosen))])])
        wanted = np.concatenate([amount, most[chosen]])
        weights = _weights(table, wanted)
        off = np.abs(wanted - table @ weights)
        if (off > room).any():
            return chosen[int(off[len(won) :].argmax())]
        over = rows @ (weights[:lots] - weights[lots : 2 * lots]) - most
        over[chosen] = 0.0
        if not (over > room).any():
            return None
        chosen += np.argsort(-over)[: min(10, int((over > room).sum()))].tolist()


def _binding(rules: Rules) -> bool:
    """Whether a constraint may hold the award back: what is used up, and what is not a sum."""
    facts = rules.facts
    taken = np.concatenate([np.isin(np.arange(rules.bids), facts.bid), facts.own > 0, facts.left > 0])
    used_up = [limit.uses[taken].sum() > limit.room - 1e-6 * max(1.0, abs(limit.room)) for limit in rules.limits]
    return not rules.complete or bool(rules.counts) or any(used_up)


def _clearing(facts: Facts, cost: Floats) -> tuple[Floats, Floats, list[str]]:
    """What prices a unit of each lot satisfy where the market clears: rows · λ ≤ most; and how the rows are called."""
    tender = facts.tender
    each, names = np.diag(tender.demand), [f"bid {name}" for name in tender.bid_names]
    names += [f"lot {name} {what}" for what in ("in-house", "unawarded") for name in tender.lot_names]
    rows, most = np.vstack([tender.quantity.toarray(), each, each]), cost.copy()
    instead = {int(tender.xor_group[bid]): int(bid) for bid in facts.bid if tender.xor_group[bid] >= 0}
    for bid, group in enumerate(tender.xor_group.tolist()):
        rival = instead.get(group, bid)
        if rival != bid:
            rows[bid], most[bid] = rows[bid] - tender.quantity[[rival]].toarray()[0], most[bid] - cost[rival]
    # What is accepted is worth at least its cost.
    taken = np.concatenate([np.isin(np.arange(len(tender.price)), facts.bid), facts.own > 0, facts.left > 0])
    rows[taken], most[taken] = -rows[taken], -most[taken]
    there = np.isfinite(most)
    return rows[there], most[there], [name for name, it_is in zip(names, there) if it_is]


# What is checked of each rule of the catalogue.
CLAIMS: dict[str, Callable[[Paid], Iterator[Found]]] = {
    "pay_as_bid": _as_bid,
    "vcg": _vcg,
    "core": _core(_vcg_amounts),
    "core_nearest_bid": _core(lambda paid: paid.due),
    "core_nearest_zero": _core(_in_house),
    "uniform": _uniform,
}
