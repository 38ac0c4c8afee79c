"""What the winners are paid: as bid, Vickrey–Clarke–Groves, core-selecting, uniform prices.

To add one: write a frozen dataclass with a `name`, what it claims, and `__call__(award, by)`, and list it in
`CATALOGUE` at the foot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog, nnls
from scipy.sparse.csgraph import connected_components

from procure_opt.award import Award, prove
from procure_opt.constraints import Budget, scopes
from procure_opt.highs import heeding, linear
from procure_opt.measures import accept, inside
from procure_opt.policy import BestScore, LowestCost, Plan
from procure_opt.program import Family, Floats, Linear, Program, Rows, Solution, Status
from procure_opt.search import step
from procure_opt.solvers import Limits, Session, solve
from procure_opt.tender import Tender
from procure_opt.ties import settled

By = Literal["bidder", "owner"]
Mask = NDArray[np.bool_]


# ---- the payments -----------------------------------------------------------------------------------------


class OverBudget(NamedTuple):
    """A budget that the prices kept to and the payments exceed: money."""

    budget: str
    amount: float
    paid: float


@dataclass(frozen=True, eq=False)
class Payments:
    """What each winner is paid.

    Attributes:
        award: The award paid for.
        rule: The payment rule.
        by: "bidder" or "owner": who acts as one.
        amounts: Money by winner, unrounded; NaN for winners without whom there is no award.
        pivotal: Those winners.
    """

    award: Award
    rule: Payment
    by: By
    amounts: pd.Series
    pivotal: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """Σ amounts; NaN if any amount is."""
        return math.fsum(self.amounts)

    @cached_property
    def core_violation(self) -> float:
        """The largest amount by which a coalition's row is exceeded: max_S Σ_{winners∖S} surplus − (W(S) − W(N)).

        S ranges over all sets of bidders (or owners) that can fill the lots by themselves; 0 if the payments are in the
        core. Winners without whom there is no award (`pivotal`), whose payment is open, count as paid their price. In
        evaluated money. One integer program.
        """
        economies = Economies.of(self.award, self.by)
        surplus = np.nan_to_num(economies.surplus_of(self.amounts))
        least = 1e-10 * max(1.0, abs(economies.objective))
        found = economies.blocking(surplus, least)
        return max((coalition.excess(surplus) for coalition in found), default=0.0) * economies.plan.unit

    @cached_property
    def why_not(self) -> tuple[str, ...]:
        """Each reason why truthful bids may not be best for a bidder under this rule; empty if they are."""
        return tuple(_why_not(self))

    @property
    def truthful(self) -> bool:
        """Whether no bidder gains by other bids than its costs, whatever the others bid."""
        return not self.why_not

    @cached_property
    def over_budget(self) -> tuple[OverBudget, ...]:
        """Budgets that the prices kept to and the payments exceed.

        Where a budget is on some lots, what a winner gets beyond its price is divided among its bids in proportion to
        their prices. Winners whose payment is open (`pivotal`) count with their prices.
        """
        return tuple(_over_budget(self))

    def __repr__(self) -> str:
        return f"Payments({self.rule.name}, {len(self.amounts)} winners, total {self.total:,.2f})"


def pay(award: Award, rule: str | Payment = "pay_as_bid", *, by: By = "bidder") -> Payments:
    """What the winners of an award are paid under a payment rule.

    Amounts are computed where the award was decided, in evaluated prices: with k = 1 − deduction + adaptation of a
    winner, a surplus s in the objective is s / k in money. W(S) is the least objective with the bids of S alone, under
    the same rules, ledger and soft penalties, and N everybody.

    Args:
        award: A proven award (`pay_as_bid`: any).
        rule: A name of the catalogue ("pay_as_bid", "vcg", "core", "core_nearest_bid", "core_nearest_zero",
            "uniform"), or a payment value.
        by: Who acts as one: each bidder, or everyone under one owner ("owner"; amounts are then by owner, and bidders
            that several owners share join these).

    Raises:
        ValueError: the rule is not known, does not apply (`BestScore` admits pay_as_bid only), needs a proof the award
            does not have, or has no answer (no uniform prices, no in-house cost to refer to).

    >>> from procure_opt import Tender, award
    >>> decided = award(Tender([{"lot": "A"}], [{"bid": "x", "bidder": "X", "lots": "A", "price": 80},
    ...                                         {"bid": "y", "bidder": "Y", "lots": "A", "price": 100}]))
    >>> pay(decided).amounts.to_dict(), pay(decided, "vcg").amounts.to_dict()
    ({'X': 80.0}, {'X': 100.0})
    """
    if by not in ("bidder", "owner"):
        raise ValueError(f'by is {by!r}; it must be "bidder" or "owner"')
    if not isinstance(award, Award):
        raise TypeError(f"pay takes an award, not {award!r}: decide it first, award(tender, policy)")
    if isinstance(rule, type) or not (isinstance(rule, str) or callable(rule)):
        raise TypeError(f"{rule!r} is no payment rule: give a name ({', '.join(CATALOGUE)}) or a value such as Core()")
    if isinstance(rule, str):
        if rule not in CATALOGUE:
            raise ValueError(f"there is no payment rule {rule!r}; there are {', '.join(CATALOGUE)}")
        rule = CATALOGUE[rule]
    return rule(award, by)


class Payment(Protocol):
    """A payment rule as a value; the claims are held to by the tests."""

    @property
    def name(self) -> str:
        """What the rule is called in the catalogue."""
        ...

    @property
    def truthful(self) -> bool:
        """Claims that truthful bids are best where nothing in the policy breaks that."""
        ...

    @property
    def in_core(self) -> bool:
        """Claims that no coalition would do the work for less."""
        ...

    def __call__(self, award: Award, by: By) -> Payments:
        """The payments."""
        ...


# ---- the rules --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PayAsBid:
    """Each winner is paid its net price."""

    name: ClassVar[str] = "pay_as_bid"
    truthful: ClassVar[bool] = False
    in_core: ClassVar[bool] = True

    def __call__(self, award: Award, by: By = "bidder") -> Payments:
        """The payments."""
        entities = Entities.of(award, by)
        return Payments(award, self, by, entities.money(np.zeros(len(entities.names))))


@dataclass(frozen=True)
class Vickrey:
    """Each winner is paid its price and what the others save by its presence: price + (W(N∖i) − W(N)) / k.

    Vickrey 1961, Clarke 1971, Groves 1973; k = 1 − deduction + adaptation. With by="owner" k is the largest of the
    owner's winning bidders.
    """

    name: ClassVar[str] = "vcg"
    truthful: ClassVar[bool] = True
    in_core: ClassVar[bool] = False

    def __call__(self, award: Award, by: By = "bidder") -> Payments:
        """The payments."""
        economies = Economies.of(award, by)
        return economies.paid(self, economies.contribution / economies.entities.factor)


@dataclass(frozen=True)
class Core:
    """Of the payments that no coalition undercuts, those of the largest total, and of these the nearest to a reference.

    max Σ p, then min Σ (p − reference)², subject to p ≥ price and, for every coalition S,
    Σ_{winners∖S} k (p − price) ≤ W(S) − W(N). Coalitions are generated as they are violated (Day and Raghavan 2007),
    the quadratic program is Day and Cramton's (2012).

    Args:
        reference: "vcg", "bid" (the prices) or "zero" (the in-house cost of the lots won: where a seller would be
            paid zero, a buyer pays what the work costs without any bidder).
    """

    reference: Literal["vcg", "bid", "zero"] = "vcg"
    truthful: ClassVar[bool] = False
    in_core: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.reference not in ("vcg", "bid", "zero"):
            raise ValueError(f'reference is {self.reference!r}; it must be "vcg", "bid" or "zero"')

    @property
    def name(self) -> str:
        """What the rule is called."""
        return {"vcg": "core", "bid": "core_nearest_bid", "zero": "core_nearest_zero"}[self.reference]

    def __call__(self, award: Award, by: By = "bidder") -> Payments:
        """The payments."""
        economies = Economies.of(award, by)
        entities = economies.entities
        if self.reference == "vcg":
            reference = economies.contribution / entities.factor
        elif self.reference == "bid":
            reference = np.zeros(len(entities.names))
        else:
            reference = entities.in_house - entities.price
        return economies.paid(self, economies.core(reference))


@dataclass(frozen=True)
class Uniform:
    """One price a unit of each lot for everybody: the highest prices at which the award clears the market.

    Prices λ are multipliers of the lots in the linear relaxation: a winner is paid Σ λ · quantity, and at these prices
    nobody, the buyer's own staff included, would rather have another contract. They exist only where the relaxation
    costs what the award does. The total is the highest of all such prices. Deductions, adaptation and other costs of
    a bid enter as evaluated prices: what a winner gets beyond its evaluated price is divided by k.
    """

    name: ClassVar[str] = "uniform"
    truthful: ClassVar[bool] = False
    in_core: ClassVar[bool] = False

    def __call__(self, award: Award, by: By = "bidder") -> Payments:
        """The payments.

        Raises:
            ValueError: there are no such prices.
        """
        economies = Economies.of(award, by)
        prices = clearing_prices(economies.plan, economies.objective, economies.entities)
        return Payments(award, self, by, economies.entities.money(prices))


# ---- who is paid ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Entities:
    """The winners that act as one, and what they bid; money in money units.

    Attributes:
        names: Of the winning entities.
        of_bid: The entity of each bid of the tender; −1 if it wins nothing.
        price: Net price of what each wins.
        factor: k = 1 − deduction + adaptation: what a unit of money to it weighs in the objective.
        taken: The accepted fraction of each bid.
    """

    tender: Tender
    names: tuple[str, ...]
    of_bid: NDArray[np.intp]
    price: Floats
    factor: Floats
    taken: Floats

    @staticmethod
    def of(award: Award, by: By) -> Entities:
        """The winners of an award."""
        tender = award.policy.field(award.tender)[0]
        everyone, of_bidder = _together(tender, by)
        accepted = [tender.bid_index(name) for name in award.bids["bid"]]
        taken = np.zeros(len(tender.price))
        taken[accepted] = award.bids["fraction"].to_numpy(dtype=float)
        mine = of_bidder[tender.bidder_of]
        winners = np.unique(mine[accepted])
        place = np.full(len(everyone), -1)
        place[winners] = np.arange(len(winners))
        net = award.bids["net"].to_numpy(dtype=float) / tender.money_unit
        net = np.where(np.abs(net - np.rint(net)) < 1e-6, np.rint(net), net)
        price = np.bincount(place[mine[accepted]], weights=net, minlength=len(winners)).astype(float)
        k = weights(award)
        factor = np.zeros(len(winners))
        np.maximum.at(factor, place[mine[accepted]], k[tender.bidder_of[accepted]])
        names = tuple(everyone[winner] for winner in winners)
        return Entities(tender, names, place[mine], price, factor, taken)

    def money(self, surplus: Floats) -> pd.Series:
        """Price plus surplus as money by name."""
        amounts = (self.price + surplus) * self.tender.money_unit
        per = round(1 / self.tender.money_unit)
        if abs(per * self.tender.money_unit - 1) < 1e-12:
            amounts = (self.price + surplus) / per  # 83 cents are 0.83, not 0.8300000000000001
        return pd.Series(amounts, index=pd.Index(self.names, dtype=object), dtype=float, name="amount")

    @cached_property
    def in_house(self) -> Floats:
        """What the lots of each would cost in-house.

        Raises:
            ValueError: a lot won has no in-house cost.
        """
        won = np.flatnonzero(self.taken)
        lots = np.unique(self.tender.quantity[won].indices)
        blank = self.tender.lot_names[lots[np.isnan(self.tender.in_house[lots])]]
        if len(blank):
            raise ValueError(
                f"core_nearest_zero refers to the in-house cost of the lots won; none is given for "
                f"{', '.join(blank[:8])}"
            )
        own = (self.tender.part[won] @ np.nan_to_num(self.tender.in_house)) * self.taken[won]
        return np.bincount(self.of_bid[won], weights=own, minlength=len(self.names)).astype(float)


def weights(award: Award) -> Floats:
    """k = 1 − deduction + adaptation of each bidder: what a unit of money to it weighs in the objective."""
    tender, ledger = award.tender, award.policy.ledger
    k: Floats = 1 - tender.bidders["deduction"].to_numpy(dtype=float)
    return k if ledger is None or not ledger.adaptation else k + ledger.of_bidders(tender, ledger.adaptation)


def _together(tender: Tender, by: By) -> tuple[list[str], NDArray[np.intp]]:
    """The entities that act as one, and the one of each bidder."""
    if by == "bidder":
        return [str(name) for name in tender.bidder_names], np.arange(len(tender.bidder_names))
    owners, weight = tender.groups("owner")
    graph: Any = sparse.block_array([[None, weight], [weight.T, None]], format="csr")
    count, label = connected_components(graph, directed=False)
    of_bidder, of_owner = label[: len(tender.bidder_names)], label[len(tender.bidder_names) :]
    names = [" & ".join(str(owner) for owner in owners[of_owner == group]) for group in range(count)]
    return names, of_bidder.astype(np.intp)


# ---- economies --------------------------------------------------------------------------------------------


class Coalition(NamedTuple):
    """An award by others: which winners it leaves out, and how much more it costs (evaluated money units)."""

    out: Mask
    costs: float

    def excess(self, surplus: Floats) -> float:
        """By how much the winners left out earn more than it would cost to do without them."""
        return float(surplus[self.out].sum()) - self.costs


@dataclass(eq=False)
class Economies:
    """The tender with some of its bidders: what each winner contributes, and coalitions that would do for less.

    Coalitions found for one payment rule serve the next, so the economies of an award are kept while it lives.

    Attributes:
        objective: W(N), in units of the objective.
        coalitions: Awards by others met so far.
        searches: Integer programs solved to look for blocking coalitions.
    """

    award: Award
    by: By
    plan: Plan
    entities: Entities
    objective: float
    coalitions: list[Coalition] = field(default_factory=list)
    searches: int = 0

    @staticmethod
    def of(award: Award, by: By) -> Economies:
        """The economies of a proven award.

        Raises:
            ValueError: it is not proven, or its objective is not money.
        """
        if isinstance(award.policy.objective, BestScore):
            raise ValueError(
                "BestScore admits pay_as_bid only: scores are relative to the bids received, so that what an award "
                "without a bidder would have scored is not defined"
            )
        if award.status != "optimal":
            raise ValueError(
                f"the award is {award.status!r}, not proven optimal, and a payment that rests on what others would "
                f"have done could fall below a price; use pay_as_bid, or award without a limit and a gap"
            )
        known = _KNOWN.setdefault(award, {})
        if by not in known:
            plan = award.policy.plan(award.tender)
            objective = award.objective / plan.unit
            whole = step(plan.program) > 0
            entities = Entities.of(award, by)
            known[by] = Economies(award, by, plan, entities, round(objective) if whole else objective)
        return known[by]

    def paid(self, rule: Payment, surplus: Floats) -> Payments:
        """Payments of price plus surplus (money units); none to winners without whom there is no award."""
        finite = np.where(self.pivotal, np.nan, surplus)
        pivotal = tuple(self.entities.names[i] for i in np.flatnonzero(self.pivotal))
        return Payments(self.award, rule, self.by, self.entities.money(finite), pivotal)

    def surplus_of(self, amounts: pd.Series) -> Floats:
        """k (amount − price) in money units: what amounts of money are worth in the objective."""
        money = amounts.reindex(list(self.entities.names)).to_numpy(dtype=float) / self.award.tender.money_unit
        return self.entities.factor * (money - self.entities.price)

    @property
    def pivotal(self) -> Mask:
        """Winners without whom there is no award."""
        return np.isinf(self.contribution)

    @cached_property
    def contribution(self) -> Floats:
        """W(N∖i) − W(N) of each winner, infinite where nothing can do without it; two at a time."""
        everyone = range(len(self.entities.names))
        with ThreadPoolExecutor(2, **heeding()) as threads:
            halves = list(threads.map(self._without_each, (everyone[0::2], everyone[1::2])))
        costs = np.empty(len(everyone))
        for number, found in (pair for half in halves for pair in half):
            costs[number] = math.inf if found is None else max(0.0, found.objective - self.objective)
            if found is not None:
                self.coalitions += self._coalitions(found)
        return costs

    def _without_each(self, numbers: range) -> list[tuple[int, Solution | None]]:
        program, session = self.plan.program, Session(self.plan.program)
        at, found = program.start.get("take", 0), []
        for number in numbers:
            upper = program.upper.copy()
            upper[at + np.flatnonzero(self.entities.of_bid == number)] = 0.0
            best = prove(replace(self.plan, program=replace(program, upper=upper)), session, Limits())
            if best.status not in (Status.OPTIMAL, Status.INFEASIBLE):
                raise ValueError(
                    f"the best award without {self.entities.names[number]} is not proven to a money unit, so its "
                    f"payment is not known exactly; use pay_as_bid"
                )
            found.append((number, None if best.x is None else best))
        return found

    def _coalition(self, values: Mapping[str, Floats]) -> Coalition:
        used = np.unique(self.entities.of_bid[values["take"] > 1e-9])
        out = ~np.isin(np.arange(len(self.entities.names)), used)
        return Coalition(out, self.plan.objective(values) - self.objective)

    def _coalitions(self, found: Solution) -> list[Coalition]:
        """Who does for less in another award: all together, and each change that can be made for itself.

        Where the two awards differ in several places that share no lot, each place alone is an award too if it keeps
        the rules, and its row says more than the sum of all.
        """
        program, values = self.plan.program, found.values
        together = [self._coalition(values)]
        if set(program.families) - {"take", "in_house"}:
            return together
        other = np.concatenate([values[key] for key in program.families])
        changed = np.flatnonzero(np.abs(other - self._awarded) > 1e-9)
        lots = program.matrix[: len(self.plan.tender.demand)][:, changed]  # coverage comes first
        graph: Any = sparse.block_array([[None, lots], [lots.T, None]], format="csr")
        _, label = connected_components(graph, directed=False)
        places = label[lots.shape[0] :]
        for place in np.unique(places) if len(np.unique(places)) > 1 else ():
            x = self._awarded.copy()
            x[changed[places == place]] = other[changed[places == place]]
            activity = program.matrix @ x
            if (activity <= program.row_upper + 1e-9).all() and (activity >= program.row_lower - 1e-9).all():
                together.append(self._coalition(program.split(x)))
        return [each for each in together if each.out.any()]

    @cached_property
    def _awarded(self) -> Floats:
        """The award as columns of the program, where these are bids and lots only."""
        program, tender = self.plan.program, self.plan.tender
        values = {"take": self.entities.taken}
        own = pd.Series(self.award.in_house["fraction"].to_numpy(), index=self.award.in_house["lot"], dtype=float)
        values["in_house"] = own.reindex(tender.lot_names[~np.isnan(tender.in_house)]).fillna(0.0).to_numpy()
        return np.concatenate([values[key] for key in program.families])

    @cached_property
    def _charged(self) -> tuple[Session, list[NDArray[np.intp]]]:
        """The program in which using a winner can be charged for, and the columns that carry the charge of each."""
        tender, of_bid = self.plan.tender, self.entities.of_bid
        at = self.plan.program.start.get("take", 0)
        own = [np.flatnonzero(of_bid == number) for number in range(len(self.entities.names))]
        several = [number for number, bids in enumerate(own) if not _exclude_each_other(tender, bids)]
        if not several:
            return Session(self.plan.program), [at + bids for bids in own]
        used = _used(tender, of_bid, several)
        program = self.plan.program.aiming(self.plan.program.objective + used.under(np.zeros(len(several))))
        at, place = program.start["take"], {number: i for i, number in enumerate(several)}
        columns = [
            np.array([program.start["used"] + place[number]]) if number in place else at + bids
            for number, bids in enumerate(own)
        ]
        return Session(program), columns

    def blocking(self, surplus: Floats, least: float) -> list[Coalition]:
        """The coalition with the largest excess at these surpluses, and parts of it; none if it is below `least`.

        min over awards of objective + Σ surplus of the winners used: below W(N) + Σ surplus by the excess.
        """
        session, columns = self._charged
        program = session.program
        cost = program.cost.copy()
        for mine, charge in zip(columns, surplus, strict=True):
            cost[mine] += charge
        self.searches += 1
        ceiling = self.objective + float(surplus.sum()) - least
        charged = replace(program, cost=cost)
        if any(rows.separate is not None for rows in program.row_blocks):
            found = solve(charged, session)  # rows that are added on the way belong to a coalition's award too
        else:
            found = session.solve(charged, Limits(), ceiling)
        if found.x is None:
            return []
        met = [settled(found), *(replace(found, x=x) for x in found.worse)]
        every = [coalition for each in met if each.x is not None for coalition in self._coalitions(each)]
        return every if any(coalition.excess(surplus) >= least for coalition in every) else []

    def core(self, reference: Floats) -> Floats:
        """The surpluses in money (surplus / k) of the largest total in the core, nearest to a reference."""
        free = ~self.pivotal
        surplus = np.zeros(len(free))
        if not free.any():
            return surplus
        alone = [Coalition(np.arange(len(free)) == i, self.contribution[i]) for i in np.flatnonzero(free)]
        least = max(1e-6, 1e-10 * abs(self.objective))
        while True:
            rows = [row for row in (*alone, *self.coalitions) if row.out[free].any()]
            table = np.array([row.out[free] * self.entities.factor[free] for row in rows]).reshape(-1, int(free.sum()))
            table, costs = _tightest(table, np.array([row.costs for row in rows]))
            surplus[free] = nearest(table, costs, reference[free])
            found = self.blocking(surplus * self.entities.factor, least)
            known = {row.out.tobytes(): row.costs for row in (*alone, *self.coalitions)}
            tighter = [row for row in found if row.costs < known.get(row.out.tobytes(), math.inf) - least / 2]
            if not tighter:  # what a known row is exceeded by is rounding
                return surplus
            self.coalitions += tighter


_KNOWN: WeakKeyDictionary[Award, dict[By, Economies]] = WeakKeyDictionary()


def _exclude_each_other(tender: Tender, bids: NDArray[np.intp]) -> bool:
    """Whether at most one of these bids can be accepted, and only whole."""
    groups = tender.xor_group[bids]
    whole = bool((tender.min_fraction[bids] >= 1).all())
    return whole and (len(bids) == 1 or bool((groups >= 0).all() and (groups == groups[0]).all()))


def _used(tender: Tender, of_bid: NDArray[np.intp], several: list[int]) -> Linear:
    """1 for each of several winners of which anything is accepted."""
    lots, count = len(tender.demand), len(several)
    place = np.full(of_bid.max() + 1, -1)
    place[several] = np.arange(count)
    mine = np.flatnonzero((of_bid >= 0) & (place[of_bid] >= 0))
    # Of the bids that take a lot whole coverage admits one: they share a row a lot. Any other bid gets its own.
    lots_of = np.diff(tender.part.indptr)
    entire = np.bincount(np.repeat(np.arange(len(of_bid)), lots_of), tender.part.data < 1 - 1e-12) == 0
    solid = (tender.min_fraction[mine] >= 1) & entire[mine]
    whole, loose = mine[solid], mine[~solid]
    part = tender.part[whole]
    bid = np.repeat(whole, np.diff(part.indptr))
    pair, row = np.unique(place[of_bid[bid]] * lots + part.indices, return_inverse=True)
    ones = np.ones(count)
    bare = Family("used", ones * 0, ones, ones > 0, lambda i: f"winner {several[i]} is used")

    def block(rows: NDArray[Any], bids: NDArray[Any], who: NDArray[Any], height: int) -> Rows:
        body = sparse.csr_array((np.ones(len(bids)), (rows, bids)), shape=(height, len(of_bid)))
        charge = sparse.csr_array((np.ones(height), (np.arange(height), who)), shape=(height, count))
        return Rows.at_most(accept(tender).under(body) - bare().under(charge), 0.0, lambda _: "used if accepted")

    links = (
        block(row, bid, pair // lots, len(pair)),
        block(np.arange(len(loose)), loose, place[of_bid[loose]], len(loose)),
    )
    return replace(bare, links=tuple(rows for rows in links if len(rows)))()


# ---- the nearest point of the core ------------------------------------------------------------------------


def _tightest(table: Floats, costs: Floats) -> tuple[Floats, Floats]:
    """Rows of the same coefficients once, with the smallest right-hand side."""
    rows, which = np.unique(table, axis=0, return_inverse=True)
    least = np.full(len(rows), np.inf)
    np.minimum.at(least, which.ravel(), costs)
    return rows, least


def nearest(table: Floats, costs: Floats, reference: Floats) -> Floats:
    """The z ≥ 0 with table @ z ≤ costs of the largest Σ z that is nearest to a reference.

    The largest total T is a linear program, the nearest point with that total a least distance problem (Lawson and
    Hanson 1974, ch. 23), solved once more with its binding rows as equations. That it is optimal is then verified: the
    way to the reference is a combination of the binding rows, with multipliers of the right sign.

    Raises:
        RuntimeError: it could not be verified.
    """
    count = len(reference)
    if not count:
        return np.empty(0)
    scale = max(1.0, float(np.abs(reference).max()), float(np.abs(costs).max()))
    reference, costs = reference / scale, costs / scale
    # y = z − reference, so that G y ≥ h: the rows, z ≥ 0, and Σ z = T as two of them.
    g = np.vstack([-table, np.eye(count), np.ones(count), -np.ones(count)])
    h = np.concatenate([-costs + table @ reference, -reference, np.zeros(2)])
    h[-2] = _largest_total(table, costs) - reference.sum()
    h[-1] = -h[-2]
    # T is known up to rounding, and which of some roundings suits the search for what binds only the check can tell.
    for rounding in (1e-10, 1e-9, 0.0, 1e-11, 1e-8, 1e-12):
        loose = h - rounding * np.append(np.zeros(len(h) - 2), np.ones(2))
        weight, _ = nnls(np.vstack([g.T, loose]), np.append(np.zeros(count), 1.0), maxiter=50 * len(h))
        for threshold in (1e-6, 1e-9, 0.0):
            binding = np.append(weight[:-2] > threshold * max(1e-300, weight.max()), [True, False])
            y = np.linalg.lstsq(g[binding], h[binding], rcond=None)[0]
            if _is_nearest(y, g, h):
                z: Floats = np.maximum(0.0, (y + reference) * scale)
                return z
    raise RuntimeError("the nearest payments in the core were not verified to be optimal")


def _largest_total(table: Floats, costs: Floats) -> float:
    """The largest Σ z with table @ z ≤ costs and z ≥ 0: a linear program, its vertex solved again from what binds."""
    count = table.shape[1]
    found: Any = linprog(-np.ones(count), A_ub=table, b_ub=costs, method="highs-ds")
    if found.status != 0:
        raise RuntimeError(f"the largest total of payments was not found: {found.message}")
    rows, sides = np.vstack([table, np.eye(count)]), np.append(costs, np.zeros(count))
    weight = np.append(-found.ineqlin.marginals, found.lower.marginals)
    binding = weight > 1e-9
    # Σ z = Σ weight · side over what binds, where 1 = Σ weight · row: the multipliers are small exact numbers.
    exact = np.zeros(len(sides))
    exact[binding] = np.linalg.lstsq((rows * np.append(np.ones(len(costs)), -np.ones(count))[:, None])[binding].T,
                                     np.ones(count), rcond=None)[0]  # fmt: skip
    return float(exact @ sides)


def _is_nearest(y: Floats, g: Floats, h: Floats) -> bool:
    """Karush–Kuhn–Tucker for min ‖y‖² subject to G y ≥ h: y = Gᵀ λ with λ ≥ 0 on rows that bind."""
    slack = g @ y - h
    if slack.min() < -1e-9:
        return False
    binding = slack < 1e-8
    if not binding.any():
        return bool(np.abs(y).max(initial=0.0) < 1e-9)
    _, left = nnls(g[binding].T, y, maxiter=50 * len(h))
    return bool(left < 1e-8)


# ---- uniform prices ---------------------------------------------------------------------------------------


def clearing_prices(plan: Plan, objective: float, entities: Entities) -> Floats:
    """The surplus of each winner, in money units, at the highest uniform prices (see `Uniform`).

    Prices λ are the multipliers of the coverage rows. All optimal multipliers are searched for the largest
    Σ_winners λ · quantity.

    Raises:
        ValueError: there are none.
    """
    program = plan.program
    strange = [key for key, start in program.start.items() if key not in ("take", "in_house")
               and program.cost[start : start + program.families[key].size].any()]  # fmt: skip
    if strange:
        raise ValueError(
            "uniform prices are prices of lots, and this award has costs that belong to no lot: fixed charges, "
            "discounts, costs of a contract or a supplier, or charges of soft rules"
        )
    relaxed = linear(program)
    room = max(1e-6, 1e-9 * abs(objective))
    if relaxed.bound < objective - room:
        unit = plan.unit
        raise ValueError(
            f"no uniform prices exist: with parts of bids the lots could be filled for {relaxed.bound * unit:,.2f}, "
            f"the award costs {objective * unit:,.2f}, and at any prices of the lots some bidder would rather have "
            f"another contract; use vcg or core"
        )
    at = program.start["take"]
    won = np.flatnonzero(entities.taken)
    lots = len(plan.tender.demand)
    gain = sparse.csr_array(sparse.diags_array(entities.taken[won]) @ plan.tender.quantity[won])
    by_entity = sparse.csr_array(
        (np.ones(len(won)), (entities.of_bid[won], np.arange(len(won)))), shape=(len(entities.names), len(won))
    )
    per_lot = sparse.csr_array(by_entity @ gain)
    duals = _multipliers(program, _award_of(plan, entities), np.asarray(per_lot.sum(axis=0)).ravel(), lots)
    if duals is None:
        raise ValueError("no uniform prices exist under these rules; use vcg or core")
    cost = by_entity @ (program.cost[at + won] * entities.taken[won])
    surplus: Floats = np.asarray(per_lot @ duals[:lots] - cost) / entities.factor
    if (surplus < -room).any():
        worst = entities.names[int(surplus.argmin())]
        raise ValueError(
            f"no uniform prices exist under these rules: {worst} wins because a rule asks for it, at a price above "
            f"what the lots are worth; use vcg or core"
        )
    return np.maximum(surplus, 0.0)


def _award_of(plan: Plan, entities: Entities) -> Floats:
    """The award as columns of its program: the bids as taken, the rest as cheap as that allows."""
    program, at = plan.program, plan.program.start["take"]
    lower, upper = program.lower.copy(), program.upper.copy()
    lower[at : at + len(entities.taken)] = upper[at : at + len(entities.taken)] = entities.taken
    found = linear(replace(program, lower=lower, upper=upper))
    if found.x is None:
        raise RuntimeError("contradiction: the award is no solution of its own program")
    return found.x


def _multipliers(program: Program, x: Floats, worth: Floats, lots: int) -> Floats | None:
    """Optimal multipliers of the rows, with the largest worth · (those of the first rows, the lots); None if none are.

    Multipliers are optimal where they leave nothing on the table at an optimal x: in rows y = y⁺ − y⁻ and columns
    d = c − Aᵀy = d⁺ − d⁻, a part may be above 0 only where x is at that bound.
    """
    rows, width = len(program.row_lower), program.width
    activity = program.matrix @ x
    near = 1e-9 * np.maximum(1.0, sparse.csr_array(abs(program.matrix)) @ np.abs(x))
    sides = (
        activity <= program.row_lower + near,
        activity >= program.row_upper - near,
        x <= program.lower + 1e-9,
        x >= program.upper - 1e-9,
    )
    upper = np.where(np.concatenate(sides), np.inf, 0.0)
    matrix, one = program.matrix.T.tocsr(), sparse.eye_array(width, format="csr")
    equations: Any = sparse.hstack([matrix, -matrix, one, -one], format="csr")
    aim = np.zeros(2 * (rows + width))
    aim[:lots], aim[rows : rows + lots] = -worth, worth
    dual: Any = linprog  # its stubs know no sparse equations
    found = dual(
        aim,
        A_eq=equations,
        b_eq=program.cost,
        bounds=np.column_stack([np.zeros(len(upper)), upper]),
        method="highs",
    )
    return found.x[:rows] - found.x[rows : 2 * rows] if found.status == 0 else None


# ---- what a rule can claim --------------------------------------------------------------------------------


def _why_not(payments: Payments) -> list[str]:
    award, rule = payments.award, payments.rule
    tender, policy = award.tender, award.policy
    reasons = []
    if not rule.truthful:
        reasons.append(f"under {rule.name} a winner's own price enters what it is paid")
    if isinstance(policy.objective, BestScore):
        reasons.append("scores relative to other bids let a bid change what the others are worth")
    plan = policy.plan(tender)
    dearer = policy.plan(with_dearer_bids(tender))
    for (constraint, rows), (_, others) in zip(plan.rules, dearer.rules, strict=True):
        if _same(rows, others) or _never_binds(plan, constraint):
            continue
        reasons.append(f"{constraint!r} depends on the prices bid, so that a bid can change what the rule allows")
    if policy.min_bidders > 1:
        reasons.append(f"a lot with fewer than {policy.min_bidders} bidders is not let, so a bid opens it to others")
    ledger = policy.ledger
    if ledger is not None and {"price", "fixed"} & {getattr(ledger, each.name) for each in fields(ledger)}:
        reasons.append("the ledger counts a column of prices, so that a price weighs more than once")
    if payments.pivotal:
        reasons.append(f"without {', '.join(payments.pivotal)} there is no award, so that a payment is not defined")
    above = tender.rejected[tender.rejected["reason"].str.startswith("above the reserve")]
    if len(above):
        reasons.append(
            f"bids above the reserve were set aside ({', '.join(above['bid'].head(8))}): at the reserve such a bid "
            f"might win and be paid more than it asks"
        )
    names, of_bidder = _together(tender, "owner")
    bidding = np.unique(tender.bidder_of)
    shared = np.flatnonzero(np.bincount(of_bidder[bidding], minlength=len(names)) > 1)
    if payments.by == "bidder" and len(shared):
        reasons.append(f'bidders of {", ".join(names[i] for i in shared[:8])} may act as one; pay with by="owner"')
    if payments.by == "owner":
        k = weights(award)
        uneven = [names[i] for i in shared if np.ptp(k[bidding[of_bidder[bidding] == i]]) > 0]
        if uneven:
            reasons.append(
                f"prices of the bidders of {', '.join(uneven[:8])} weigh differently in the objective (deduction, "
                f"adaptation), and the owner is paid as if all weighed the most"
            )
    return reasons


def with_dearer_bids(tender: Tender) -> Tender:
    """The tender with other prices, each raised by a different share."""
    rows = np.arange(len(tender.price))
    dearer = tender.keep(rows >= 0)
    for name in ("price", "fixed"):
        figure: NDArray[np.int64] = getattr(tender, name) * (3 + rows % 7) + (name == "price")
        object.__setattr__(dearer, name, figure)
    unit = tender.money_unit
    changed = dearer.bids.assign(price=dearer.price * unit, fixed=dearer.fixed * unit)
    object.__setattr__(dearer, "_bids", changed)
    return dearer


def _same(first: Rows, second: Rows) -> bool:
    if len(first) != len(second) or first.body.terms.keys() != second.body.terms.keys():
        return False
    if not (np.array_equal(first.lower, second.lower) and np.array_equal(first.upper, second.upper)):
        return False
    if not np.array_equal(first.body.constant, second.body.constant):
        return False
    pairs = [(first.body, second.body)] + ([(first.per, second.per)] if first.per and second.per else [])
    for one, other in pairs:
        for key, block in one.terms.items():
            mine, theirs = one.families[key], other.families[key]
            apart = sparse.csr_array(abs(block - other.terms[key]))
            if mine.size != theirs.size or apart.data.any():
                return False
            if not all(_same(link, twin) for link, twin in zip(mine.links, theirs.links, strict=True)):
                return False
    return True


def _never_binds(plan: Plan, constraint: Any) -> bool:
    """Whether a budget is on exactly what is minimised: the cheapest award then keeps it if any does."""
    whole = isinstance(constraint, Budget) and constraint.penalty is None and constraint.each is None
    if not whole or not plan.tender.scope(constraint.lots).all() or not isinstance(plan.policy.objective, LowestCost):
        return False
    plain = plan.policy.ledger is None and not plan.tender.bidders["deduction"].any()
    return plain and all(rows.penalty is None for _, rows in plan.rules)


def _over_budget(payments: Payments) -> list[OverBudget]:
    award = payments.award
    tender = award.policy.field(award.tender)[0]
    entities = Entities.of(award, payments.by)
    amounts = payments.amounts.to_numpy(dtype=float)
    won = np.flatnonzero(entities.taken)
    net = pd.Series(award.bids["net"].to_numpy(dtype=float), index=award.bids["bid"])
    net_of = net.reindex(tender.bid_names[won]).to_numpy()
    who = entities.of_bid[won]
    price = np.bincount(who, weights=net_of, minlength=len(amounts))
    # What a winner gets beyond its price belongs to its bids in proportion to their prices; where all are 0, alike.
    weight = np.where(price[who] > 0, net_of, 1.0)
    part_of = weight / np.bincount(who, weights=weight, minlength=len(amounts))[who]
    raised = net_of + np.nan_to_num(amounts - price)[who] * part_of
    own = dict(zip(award.in_house["lot"], award.in_house["cost"], strict=True))
    found = []
    for rule in award.policy.constraints:
        if not isinstance(rule, Budget):
            continue
        for text, scope, value in scopes(tender, rule.lots, rule.each):
            amount = float(rule.amount[value] if isinstance(rule.amount, Mapping) else rule.amount)
            part = inside(tender, scope)[won]
            kept = sum(cost for lot, cost in own.items() if scope[tender.lot_names == lot].any())
            met, paid = float(part @ net_of) + kept, float(part @ raised) + kept
            if paid > amount + 1e-6 * max(tender.money_unit, amount) >= met:
                found.append(OverBudget(f"Budget {amount:,.2f}{text}", amount, paid))
    return found


CATALOGUE: Mapping[str, Payment] = {
    rule.name: rule for rule in (PayAsBid(), Vickrey(), Core(), Core("bid"), Core("zero"), Uniform())
}
