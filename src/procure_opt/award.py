"""The award: who gets what, at what cost, and how that is known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from procure_opt.infeasible import Infeasible, failed
from procure_opt.measures import inside, kept_cost, spend
from procure_opt.policy import Announcement, BestScore, Plan, Policy, announce, charged
from procure_opt.program import Floats, Solution, Status
from procure_opt.proof import Case, allowance, proof_of
from procure_opt.solvers import Limits, Report, solve
from procure_opt.tender import Schedule, Tender
from procure_opt.ties import choose, cut_off, differing, settled


class OutOfTime(Exception):
    """No award was found before the limit. `.bound`: no award can cost less than this."""

    def __init__(self, bound: float):
        self.bound = bound
        super().__init__(f"no award was found within the time limit; none can be better than {bound:,.2f}")

    def __reduce__(self) -> tuple[type[OutOfTime], tuple[float]]:
        return OutOfTime, (self.bound,)


@dataclass(frozen=True, eq=False)
class Award:
    """Who provides what, at what cost. All money is in currency units.

    Attributes:
        status: "optimal" (proven) or "feasible".
        cost: Net prices + in-house + ledger.
        price: Net prices, to bidders.
        objective: What was minimised: evaluated prices, quality value and charges of soft constraints included
            (equals `cost` in the plain case); with `BestScore` minus the score, plus charges.
        bound: No award has a lower `objective`.
        gap: (objective − bound) / |objective|.
        score: Estimate-weighted mean score (`BestScore`; of scores in money their sum, less in-house cost), else NaN.
        ledger: Transaction costs.
        bids: Accepted bids: the tender's columns, `fraction`, and `net` to be paid.
        by_bidder: Winners: lots, quantity, price (net), estimate, share (of prices + in-house).
        in_house: Lots done in-house: lot, fraction, cost.
        unawarded: Lots left unawarded, where `Cover` allows it.
        violations: Soft constraints exceeded: constraint, where, amount, unit, charge.
        hhi: Σ over ultimate owners of (their part of prices + in-house)², 0 to 1; a bidder of several owners is
            divided among them.
        tied: Bids in which optimal awards differ; () if the award is unique; None if not searched or not proven.
        tender, policy: As given.
    """

    status: str
    cost: float
    price: float
    objective: float
    bound: float
    gap: float
    score: float
    ledger: float
    bids: pd.DataFrame
    by_bidder: pd.DataFrame
    in_house: pd.DataFrame
    unawarded: tuple[str, ...]
    violations: pd.DataFrame
    hhi: float
    tied: tuple[str, ...] | None
    tender: Tender
    policy: Policy

    @cached_property
    def multipliers(self) -> tuple[Case, ...] | None:
        """The proof in exact arithmetic, from which `proof.recompute` gives the bound; None if none was found.

        Looked for when first asked for, by linear programs of its own.
        """
        return proof_of(self)

    @property
    def proof(self) -> str:
        """How it is known that no award is better: "exact", by the multipliers, or "solver", by its word."""
        return "solver" if self.multipliers is None else "exact"

    @cached_property
    def transaction_costs(self) -> pd.DataFrame:
        """The ledger item by item: `stage` (before, at or after the award), `amount`. Empty where none is counted."""
        ledger = self.policy.ledger
        found = pd.DataFrame(columns=["stage", "amount"]).astype({"amount": float})
        if ledger is not None:
            tender, _ = self.policy.field(self.tender)
            fraction = np.zeros(len(tender.price))
            fraction[pd.Index(tender.bid_names).get_indexer(pd.Index(self.bids["bid"]))] = self.bids["fraction"]
            amounts = ledger.amounts(tender, fraction, net_prices(tender, fraction))
            rows = {name: (ledger.stages[name], currency(units, tender.money_unit)) for name, units in amounts.items()}
            found = pd.DataFrame.from_dict(rows, orient="index", columns=["stage", "amount"])
        return found.rename_axis("item")

    @cached_property
    def ledger_ignored(self) -> pd.DataFrame:
        """What looking at prices alone would have cost: this award, and the one under the same policy without ledger.

        Rows `counted`, `ignored` and `difference`; columns `price`, `in_house`, every item of the ledger, `ledger`,
        `cost` and `objective`, each with all transaction costs. Looked for when first asked for. Where awards without
        the ledger are tied, it is the one that the policy's tie-break prefers; scores know no transaction costs, so
        that with `BestScore` both are the same.

        Raises:
            ValueError: the policy has no ledger.
        """
        if self.policy.ledger is None:
            raise ValueError("the policy has no ledger: nothing was counted that could have been ignored")
        blind = award(self.tender, replace(self.policy, ledger=None))
        unaware = replace(blind, policy=self.policy)
        rows: dict[str, dict[str, float]] = {}
        for name, each in (("counted", self), ("ignored", unaware)):
            items = each.transaction_costs["amount"]
            home = float(each.in_house["cost"].sum())
            scored = isinstance(self.policy.objective, BestScore)
            aim = each.objective + (items.sum() if each is unaware and not scored else 0.0)
            sums = {"ledger": float(items.sum()), "cost": each.price + home + items.sum(), "objective": aim}
            rows[name] = {
                "price": each.price,
                "in_house": home,
                **{str(item): float(amount) for item, amount in items.items()},
                **sums,
            }
        rows["difference"] = {key: rows["ignored"][key] - rows["counted"][key] for key in rows["counted"]}
        return pd.DataFrame.from_dict(rows, orient="index")

    def __repr__(self) -> str:
        parts = [f"{self.status}, cost {self.cost:,.2f}", f"{len(self.bids)} bids of {len(self.by_bidder)} bidders"]
        parts += [f"{len(self.in_house)} lots in-house"] if len(self.in_house) else []
        parts += [f"{len(self.unawarded)} unawarded"] if self.unawarded else []
        return f"Award({', '.join(parts)})"


def award(
    tender: Tender,
    policy: Policy | None = None,
    *,
    solver: Any = "highs",
    time_limit: float | None = None,
    gap: float = 0.0,
    progress: bool | Report = False,
    announced: str | Announcement | None = None,
) -> Award:
    """Decide who provides what under a policy: the best award there is, with a proof.

    Minimises the policy's objective over all awards that fill every lot exactly, respect xor labels and the policy's
    constraints. With HiGHS the award is optimal: the recomputed objective exceeds the proven bound by less than one
    money unit (with divisible bids, discounts or scores by at most max(one unit, 1e-9 · cost)).

    Args:
        tender: Lots and bids.
        policy: Rules; None = lowest cost, ties drawn with seed 0.
        solver: "highs", the name of a solver PuLP knows ("CBC", …), or a PuLP solver object. With PuLP the bound is
            that of the linear relaxation, and the award is "optimal" only if it meets that; ties are searched for by
            HiGHS all the same.
        time_limit: Seconds; the best award found so far is then "feasible".
        gap: Stop once (objective − bound) / |objective| is at most this; above 0 the award is never called optimal.
        progress: Print how a long solve goes (or call this function with it).
        announced: The hash (or `Announcement`) published before opening; any other rules are refused.

    Raises:
        Infeasible: no award satisfies the rules; says which conflict and what would help.
        OutOfTime: the limit passed without an award.
        Tied: several awards are optimal and the policy refuses to choose.
        ValueError: rules that do not fit the tender, or are not the announced ones.

    >>> tender = Tender(
    ...     lots=[{"lot": "north"}, {"lot": "south"}],
    ...     bids=[{"bid": "b1", "bidder": "Acme", "lots": "north;south", "price": 150},
    ...           {"bid": "b2", "bidder": "Bell", "lots": "south", "price": 70},
    ...           {"bid": "b3", "bidder": "Cora", "lots": "north", "price": 75}])
    >>> award(tender)
    Award(optimal, cost 145.00, 2 bids of 2 bidders)
    """
    policy = Policy() if policy is None else policy
    refuse_others(policy, tender, announced)
    limits = Limits.of(time_limit, gap, progress)
    plan = policy.plan(tender)
    limits = limits.in_units(plan.unit)
    if failed(plan):
        raise Infeasible(plan)
    solution = prove(plan, solver, limits)
    if solution.status is Status.INFEASIBLE:
        raise Infeasible(plan)
    if solution.x is None:
        raise OutOfTime(solution.bound * plan.unit)
    solution, tied = break_ties(plan, solution, limits)
    return read(plan, solution, tied)


def refuse_others(policy: Policy, tender: Tender, announced: str | Announcement | None) -> None:
    """Raise unless these are the rules announced."""
    if announced is None:
        return
    fixed = announced.hash if isinstance(announced, Announcement) else announced
    actual = announce(policy, tender)
    if actual.hash != fixed:
        raise ValueError(
            f"these are not the rules announced: their hash is {actual.hash}, announced was {fixed}. "
            f"The policy or the lots were changed after the announcement"
        )


def prove(plan: Plan, solver: Any, limits: Limits) -> Solution:
    """The best solution of a plan, whole columns whole, and its standing: optimal only if that is proven."""
    program = plan.program
    while True:
        found = solve(program, solver, limits)
        if found.x is None:
            return found
        exact = settled(found)
        if exact.x is not None:
            break
        # What the solver offered exists only within its tolerance: no award.
        program = found.program.extended([cut_off(found)])
    exact = replace(exact, objective=plan.objective(exact.values))
    proven = exact.objective - exact.bound < allowance(plan, exact.objective) and not limits.gap
    return replace(exact, status=Status.OPTIMAL if proven else Status.FEASIBLE)


def break_ties(plan: Plan, solution: Solution, limits: Limits) -> tuple[Solution, tuple[str, ...] | None]:
    """The optimal solution the policy prefers, and the names of the bids in which optimal solutions differ."""
    if plan.policy.tie_break is None or solution.status is not Status.OPTIMAL:
        return solution, None
    limits = replace(limits, report=None)
    search = differing(plan, solution, limits)
    if search is None:
        return solution, None
    face, tied = search
    chosen: Solution | None = solution
    if len(tied):
        chosen = choose(plan, face, tied, solution, limits)
    if chosen is None or time.monotonic() > limits.deadline:
        return solution, None
    same = replace(solution, x=chosen.x, program=chosen.program)
    return same, tuple(str(name) for name in plan.tender.bid_names[tied])


def read(plan: Plan, solution: Solution, tied: tuple[str, ...] | None) -> Award:
    """The award a solution stands for, with every figure recomputed from the bids."""
    tender, unit = plan.tender, plan.tender.money_unit
    values = solution.values
    fraction = values["take"]
    net = net_prices(tender, fraction)
    accepted = np.flatnonzero(fraction > 0)
    kept = np.zeros(len(tender.demand))
    if "in_house" in values:
        kept[~np.isnan(tender.in_house)] = values["in_house"]
    own_cost = np.where(kept > 0, np.nan_to_num(tender.in_house) * kept, 0.0)
    open_lots = np.zeros(len(tender.demand), dtype=bool)
    if "unawarded" in values and "unawarded" in plan.coverage.body.terms:
        may = plan.coverage.body.terms["unawarded"].sum(axis=0) > 0
        open_lots = may & (values["unawarded"] > 1e-9)
    spent, home = _exact_sum(net), _exact_sum(own_cost)
    ledger = 0.0 if plan.policy.ledger is None else plan.policy.ledger.of(tender, fraction, net)
    violations, charges = _violations(plan, values)
    aim = float(plan.aim.at(values)[0])
    objective = currency(aim, plan.unit) + charges
    _agree(plan, values, spent + home, ledger)
    bound = min(solution.bound * plan.unit, objective)
    scored = isinstance(plan.policy.objective, BestScore)
    return Award(
        status=solution.status.value,
        cost=currency(spent + home + ledger, unit),
        price=currency(spent, unit),
        objective=objective,
        bound=bound,
        gap=(objective - bound) / max(abs(objective), 1e-9),
        score=-currency(aim, plan.unit) if scored else np.nan,
        ledger=currency(ledger, unit),
        bids=tender.bids.iloc[accepted]
        .assign(fraction=fraction[accepted], net=_currencies(net[accepted], unit))
        .reset_index(drop=True),
        by_bidder=_by_bidder(tender, fraction, net, spent + home),
        in_house=pd.DataFrame(
            {
                "lot": tender.lot_names[kept > 0],
                "fraction": kept[kept > 0],
                "cost": _currencies(own_cost[kept > 0], unit),
            }
        ),
        unawarded=tuple(str(name) for name in tender.lot_names[open_lots]),
        violations=violations,
        hhi=_hhi(tender, net, spent + home),
        tied=tied,
        tender=plan.given,
        policy=plan.policy,
    )


def net_prices(tender: Tender, fraction: Floats) -> Floats:
    """What each bid is paid, in money units: price · fraction + fixed − its part of the discounts."""
    net = tender.price * fraction + np.where(fraction > 0, tender.fixed, 0)
    for schedule in tender.schedules:
        net = net - _discounts(tender, schedule, fraction)
    return net


def _discounts(tender: Tender, schedule: Schedule, fraction: Floats) -> Floats:
    covers = np.zeros(len(tender.demand), dtype=bool)
    covers[schedule.lots] = True
    own = (tender.bidder_of == schedule.bidder) & (fraction > 0)
    spent = np.where(own, tender.price * fraction * inside(tender, covers, own), 0.0)
    total = spent.sum()
    if not total > 0:
        return np.zeros(len(spent))
    if schedule.measure == "spend":
        reached = total
    elif schedule.measure == "quantity":
        reached = float((np.where(own, fraction, 0.0) @ tender.quantity)[covers].sum())
    else:
        reached = float(((own.astype(float) @ tender.quantity)[covers] > 0).sum())
    tier = int(np.searchsorted(schedule.thresholds, reached * (1 + 1e-12) + 1e-12, side="right"))
    if not tier:
        return np.zeros(len(spent))
    if schedule.kind == "all_units":
        off = schedule.percents[tier - 1] * total + schedule.amounts[tier - 1]
    else:
        ends = np.append(schedule.thresholds[1:tier], reached)
        off = schedule.percents[:tier] @ (ends - schedule.thresholds[:tier]) * total / reached if reached else 0.0
        off += schedule.amounts[:tier].sum()
    share: Floats = spent * min(off, total) / total
    return share


def _exact_sum(units: Floats) -> float:
    """Whole units are added as integers, so that no digit is lost."""
    if np.equal(units, np.rint(units)).all():
        return float(int(units.astype(np.int64).sum()))
    return float(np.sum(units))


def currency(units: float, unit: float) -> float:
    """Units as currency: whole units divided, not multiplied, by a unit such as 0.01, to print as they were written."""
    per = round(1 / unit)
    if per > 1 and abs(per * unit - 1) < 1e-12 and float(units).is_integer():
        return units / per
    return units * unit


def _currencies(units: Floats, unit: float) -> list[float]:
    return [currency(float(value), unit) for value in units]


def _by_bidder(tender: Tender, fraction: Floats, net: Floats, total: float) -> pd.DataFrame:
    won = np.flatnonzero(fraction > 0)
    who = tender.bidder_of[won]
    winners = np.unique(who)
    rows = []
    for bidder in winners:
        bids = won[who == bidder]
        lots = np.unique(tender.quantity[bids].indices)
        paid = _exact_sum(net[bids])
        rows.append(
            {
                "bidder": tender.bidder_names[bidder],
                "lots": len(lots),
                "quantity": float((tender.quantity[bids].sum(axis=1) * fraction[bids]).sum()),
                "price": currency(paid, tender.money_unit),
                "estimate": float(((tender.part[bids] @ tender.estimate) * fraction[bids]).sum()),
                "share": paid / total if total else 0.0,
            }
        )
    columns = ["bidder", "lots", "quantity", "price", "estimate", "share"]
    return pd.DataFrame(rows, columns=columns).set_index("bidder")


def _hhi(tender: Tender, net: Floats, total: float) -> float:
    if not total > 0:
        return 0.0
    _, weight = tender.groups("owner", split=True)
    by_bidder = np.bincount(tender.bidder_of, weights=net, minlength=len(tender.bidder_names))
    return float((((weight.T @ by_bidder) / total) ** 2).sum())


def _violations(plan: Plan, values: Mapping[str, Floats]) -> tuple[pd.DataFrame, float]:
    """What soft constraints are exceeded by, and what that is charged, in currency (points with scores)."""
    rows = []
    for rule, block in plan.rules:
        if block.penalty is None:
            continue
        excess = charged(block, values)
        for i in np.flatnonzero(excess > 1e-9):
            rows.append(
                {
                    "constraint": repr(rule),
                    "where": block.label(int(i)),
                    "amount": float(excess[i]),
                    "unit": block.unit,
                    "charge": float(excess[i]) * block.penalty,
                }
            )
    table = pd.DataFrame(rows, columns=["constraint", "where", "amount", "unit", "charge"])
    return table, float(table["charge"].sum()) if rows else 0.0


def _agree(plan: Plan, values: Mapping[str, Floats], total: float, ledger: float) -> None:
    """Raise if the program and the bids tell different stories: a defect, never to be passed over."""
    tender = plan.tender
    off = plan.coverage.excess(values)
    if off.max(initial=0.0) > 1e-6:
        raise RuntimeError(f"contradiction: {plan.coverage.label(int(off.argmax()))} is off by {off.max():g}")
    if plan.exclusive.excess(values).max(initial=0.0) > 1e-6:
        raise RuntimeError("contradiction: bids that exclude each other were accepted")
    for rule, block in plan.rules:
        body = block.body.at(values)
        limits = np.abs(np.nan_to_num(block.upper, posinf=0, neginf=0)) + np.abs(
            np.nan_to_num(block.lower, posinf=0, neginf=0)
        )
        room = 1e-6 * np.maximum(1.0, np.abs(block.body.constant) + limits)
        if block.penalty is None and (np.maximum(body - block.upper, block.lower - body) > room).any():
            raise RuntimeError(f"contradiction: {rule!r} does not hold in the award")
    if not isinstance(plan.policy.objective, BestScore) and not tender.bidders["deduction"].any():
        said = float((spend(tender).total() + kept_cost(tender) + plan.ledger).at(values)[0])
        total += ledger
        if abs(said - total) > max(1.0, 1e-9 * abs(total)) * (0.5 if not tender.schedules else 1.0):
            raise RuntimeError(f"contradiction: the program says {said}, the bids {total} money units")
