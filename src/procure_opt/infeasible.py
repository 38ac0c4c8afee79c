"""Why no award satisfies the rules, and the smallest changes that would help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from procure_opt.constraints import Constraint
from procure_opt.policy import Plan, Policy, charged
from procure_opt.program import Linear, Program, Rows
from procure_opt.solvers import Limits, solve
from procure_opt.tender import Tender
from procure_opt.ties import cut_off, settled


@dataclass(frozen=True)
class Covering:
    """Part of a conflict: this lot has to be filled exactly."""

    lot: str

    def __repr__(self) -> str:
        return f"lot {self.lot!r} has to be filled"


@dataclass(frozen=True)
class Exclusive:
    """Part of a conflict: bids that exclude each other (xor) cannot both win."""

    def __repr__(self) -> str:
        return "xor labels"


@dataclass(frozen=True)
class FewBidders:
    """A conflict: the policy fails a tender with so few bidders on a lot."""

    lot: str
    wanted: int

    def __repr__(self) -> str:
        return f"lot {self.lot!r} has fewer than {self.wanted} bidders"


class Infeasible(Exception):
    """No award satisfies the rules.

    Attributes:
        conflict: A minimal set of rules that cannot hold together: constraint objects, `Covering(lot)` and
            `Exclusive()`, or `FewBidders(lot, wanted)`; drop any one of them and the rest can hold.
        remedies: For each hard constraint the smallest change of its own figure that, alone, makes an award possible
            (money, lots, winners, share from 0 to 1, points, …); NaN where none suffices.
        remedies_together: One smallest joint change, by constraint; empty where none suffices. Smallest: the sum of
            the changes, each relative to its figure.
        lots_without_bids: Lots that nothing can fill.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        super().__init__(plan)

    def __reduce__(self) -> tuple[Callable[[Policy, Tender], Infeasible], tuple[Policy, Tender]]:
        return _again, (self.plan.policy, self.plan.given)

    @cached_property
    def lots_without_bids(self) -> tuple[str, ...]:
        """Lots with no valid bid and no in-house cost that must be filled."""
        return nothing_fills(self.plan)

    @cached_property
    def conflict(self) -> tuple[object, ...]:
        """A minimal set of rules that cannot hold together."""
        return conflict(self.plan)

    @cached_property
    def remedies(self) -> dict[Constraint, float]:
        """The smallest change of each constraint alone."""
        hard = [rule for rule, rows in self.plan.rules if rows.penalty is None]
        if failed(self.plan):
            return dict.fromkeys(hard, np.nan)
        return {rule: _smallest(self.plan, [rule]).get(rule, np.nan) for rule in hard}

    @cached_property
    def remedies_together(self) -> dict[Constraint, float]:
        """One smallest joint change."""
        return {} if failed(self.plan) else _smallest(self.plan, _hard(self.plan))

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """What is wrong and what would help, a sentence each."""
        plan, said = self.plan, ["No award satisfies the rules."]
        if failed(plan):
            return (*said, f"The tender fails: {_lots(plan.thin)} {_has(plan.thin)} {_few(plan)}.")
        if self.lots_without_bids:
            some = self.lots_without_bids
            thin = [lot for lot in some if lot in plan.thin and plan.policy.min_bidders > 1]
            bare = [lot for lot in some if lot not in thin]
            if bare:
                said.append(f"{_lots(bare, 'Lot')} {_has(bare)} no valid bid and no in-house cost.")
                aside = plan.tender.rejected.iloc[len(plan.given.rejected) :]
                aside = aside[~aside["reason"].str.startswith("fewer than")].head(8)
                if len(aside):
                    why = [f"{name} ({reason})" for name, reason in zip(aside["bid"], aside["reason"])]
                    said.append(f"Not admitted: {'; '.join(why)}.")
            if thin:
                said.append(f"{_lots(thin, 'Lot')} {_has(thin)} {_few(plan)} and no in-house cost.")
            said.append("Give an in-house cost, or allow lots to stay unawarded with Cover(lots=…, penalty=…).")
            return tuple(said)
        said.append("These rules cannot hold together: " + "; ".join(map(repr, self.conflict)) + ".")
        helps = [rule.remedy(change) for rule, change in self.remedies.items() if not np.isnan(change)]
        if helps:
            said.append("Any one of these would do: " + "; ".join(helps) + ".")
        elif self.remedies_together:
            both = [rule.remedy(change) for rule, change in self.remedies_together.items()]
            said.append("No single change suffices; together these would do: " + "; ".join(both) + ".")
        else:
            said.append("No change of the constraints suffices; allow lots to stay unawarded with Cover(…).")
        return tuple(said)


def _again(policy: Policy, tender: Tender) -> Infeasible:
    return Infeasible(policy.plan(tender))


def _lots(names: Sequence[str], word: str = "lot") -> str:
    return f"{word}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _few(plan: Plan) -> str:
    return "no valid bid" if plan.policy.min_bidders == 1 else f"fewer than {plan.policy.min_bidders} bidders"


def _has(names: Sequence[str]) -> str:
    return "have" if len(names) > 1 else "has"


def nothing_fills(plan: Plan) -> tuple[str, ...]:
    """Lots that no valid bid touches and that cannot be done in-house or stay open."""
    _, high = plan.coverage.body.range()
    return tuple(str(name) for name in plan.tender.lot_names[high < plan.coverage.lower * (1 - 1e-9)])


def failed(plan: Plan) -> bool:
    """Whether the policy fails the tender for want of bidders, whatever the rules."""
    return bool(plan.thin) and plan.policy.few_bidders == "fail"


def _hard(plan: Plan) -> list[Constraint]:
    return [rule for rule, rows in plan.rules if rows.penalty is None and rows.relax is not None]


def _possible(blocks: Sequence[Rows]) -> bool:
    program = Program.build(Linear.fixed([0.0]), blocks)
    while True:
        found = solve(program)
        if found.x is None:
            return False
        if settled(found).x is not None:
            return True
        program = found.program.extended([cut_off(found)])


@dataclass(frozen=True, eq=False)
class _Part:
    names: tuple[object, ...]
    rows: Rows


def conflict(plan: Plan) -> tuple[object, ...]:
    """A minimal conflict, by halving (QuickXplain, Junker 2004): rules first, then lots."""
    tender = plan.tender
    if failed(plan):
        return (FewBidders(plan.thin[0], plan.policy.min_bidders),)
    parts = [_Part((rule,), rows) for rule, rows in plan.rules if rows.penalty is None]
    if len(plan.exclusive):
        parts.append(_Part((Exclusive(),), plan.exclusive))
    lots = [
        _Part((Covering(str(name)),), _only(plan.coverage, np.array([i]))) for i, name in enumerate(tender.lot_names)
    ]
    # No lot may be filled twice, whatever else is dropped: demand bounds what is bought.
    background = [Rows.at_most(plan.coverage.body, plan.coverage.upper, plan.coverage.label)]
    found = _explain(background, False, [*lots, *parts])
    return tuple(name for part in reversed(found) for name in part.names)


def _only(rows: Rows, which: np.ndarray) -> Rows:
    return Rows(rows.body.rows(which), rows.lower[which], rows.upper[which], lambda i: rows.label(int(which[i])))


def _explain(background: list[Rows], grown: bool, parts: list[_Part]) -> list[_Part]:
    if grown and not _possible(background):
        return []
    if len(parts) <= 1:
        return parts
    half = len(parts) // 2
    left, right = parts[:half], parts[half:]
    second = _explain([*background, *(part.rows for part in left)], bool(left), right)
    first = _explain([*background, *(part.rows for part in second)], bool(second), left)
    return [*first, *second]


def _smallest(plan: Plan, rules: Sequence[Constraint]) -> dict[Constraint, float]:
    """The smallest relaxation of these rules, each by one figure, that lets an award exist; {} if none does."""
    blocks, total, changes = [plan.coverage, plan.exclusive], Linear.fixed([0.0]), {}
    for number, (rule, rows) in enumerate(plan.rules):
        if rows.penalty is not None:
            continue
        if any(rule is chosen for chosen in rules) and rows.relax is not None:
            eased, slack = rows.softened(f"change {number:04d}", shared=_one_figure(rows), room=1e-6)
            total = total + slack.total().times(1 / _scale(rule))
            changes[rule] = (slack, rows)
            blocks.append(eased)
        else:
            blocks.append(rows)
    solution = solve(Program.build(total, blocks), "highs", Limits())
    if solution.x is None:
        return {}
    # What the award found exceeds each rule by, not what its slack column says: that is true to the last digit.
    values, amounts = solution.values, {}
    for rule, (_, rows) in changes.items():
        owed = charged(rows, values)
        amount = float(owed.max(initial=0.0) if _one_figure(rows) else owed.sum()) * _figure(rows)
        if amount > 1e-9:
            amounts[rule] = amount
    return amounts


def _one_figure(rows: Rows) -> bool:
    """Whether the rule has one figure that all its rows share; instances are waived one by one."""
    return rows.unit != "instance"


def _figure(rows: Rows) -> float:
    """What one unit of relaxation is in the rule's own figure: shares and indices are given from 0 to 1."""
    return 0.01 if rows.unit in ("percentage point", "0.01 of HHI") else 1.0


def _scale(rule: Constraint) -> float:
    """The rule's own figure, by which changes of different rules are made comparable."""
    for name in ("amount", "score", "share", "n", "index", "max_switches", "max_extra_cost", "at_least", "at_most"):
        value = getattr(rule, name, None)
        if isinstance(value, dict):
            value = max(value.values(), default=1.0)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value:
            return abs(float(value)) * (100.0 if name in ("share", "index") else 1.0)
    return 1.0
