"""The policy: objective, constraints, tie-break, ledger; made into a program, or published before opening."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procure_opt.constraints import Constraint, Cover
from procure_opt.ledger import Ledger
from procure_opt.measures import Places, accept, coverage, exclusive, kept, kept_cost, known, rated, spend, take
from procure_opt.program import Columns, Floats, Linear, Program, Rows
from procure_opt.scoring import Scoring, in_money, inadmissible
from procure_opt.tender import Tender

# ---- objectives -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LowestCost:
    """Minimise evaluated prices and in-house cost: Σ (1 − deduction) · net price + in-house."""

    def __call__(self, tender: Tender) -> Linear:
        """The cost in money units."""
        deduction = tender.bidders["deduction"].to_numpy(dtype=float)
        return spend(tender).under(1 - deduction) + kept_cost(tender)

    def unit(self, tender: Tender) -> float:
        """What one unit of the objective is worth in money."""
        return tender.money_unit


@dataclass(frozen=True)
class QualityAdjusted:
    """Minimise Σ fraction · (price − Σ over the bid's lots of value · quality) + in-house cost.

    A bid for part of a lot earns that part of its value. In-house earns value · in_house_quality where that is given.

    Args:
        value: Money a quality point a lot: a number, or a numeric column of the lots.
    """

    value: float | str

    def __post_init__(self) -> None:
        if not isinstance(self.value, str) and not (np.isfinite(self.value) and self.value >= 0):
            raise ValueError(
                f"QualityAdjusted: value is {self.value!r}; it must be money a point a lot, or a lots column"
            )

    def __call__(self, tender: Tender) -> Linear:
        """The adjusted cost in money units."""
        every_lot = np.ones(len(tender.demand), dtype=bool)
        if isinstance(self.value, str):
            worth = known(tender, self.value, every_lot)
        else:
            worth = np.full(len(every_lot), float(self.value))
        worth = worth / tender.money_unit
        quality = rated(tender, "quality")
        own_quality = np.nan_to_num(tender.lots["in_house_quality"].to_numpy(dtype=float))
        earned = take(tender).under((tender.part @ worth) * quality) + kept(tender).under(worth * own_quality)
        return LowestCost()(tender) - earned

    def unit(self, tender: Tender) -> float:
        """What one unit of the objective is worth in money."""
        return tender.money_unit


@dataclass(frozen=True)
class BestScore:
    """Maximise the estimate-weighted mean score of the lots (in-house scores 0); stated as minimising its negative.

    Σ_bids score · Σ_{its lots} estimate · fraction / Σ_lots estimate. Penalties of soft constraints are in points.

    Scores in money (`LowestPrice`, `MonetisedQuality`, …) are added up instead, in-house at its cost: Σ_bids score −
    in-house cost. Penalties are then in money. Bids the formula does not admit are set aside with the reason.

    Args:
        scoring: A formula of `procure_opt.scoring`, or any function of a tender giving one number a bid.

    Raises:
        ValueError: estimates blank or all 0; a score that is no number; points so small that they drown in the
            solver's tolerance; points below 0 where a lot may be done in-house, which would then be best for scoring 0.
    """

    scoring: Scoring

    @property
    def in_money(self) -> bool:
        """Whether the scores are minus an amount of money."""
        return in_money(self.scoring)

    def inadmissible(self, tender: Tender) -> dict[int, str]:
        """The bids the formula does not admit, by position, with the reason."""
        return inadmissible(self.scoring, tender)

    def __call__(self, tender: Tender) -> Linear:
        """Minus the mean score; in money the cost in money units."""
        scores = np.asarray(self.scoring(tender), dtype=float)
        wrong = tender.bid_names[~np.isfinite(scores)]
        if len(wrong):
            raise ValueError(f"{self.scoring!r} gives no score to bid {wrong[0]!r}; name it in `inadmissible` instead")
        if self.in_money:
            units = -scores / tender.money_unit
            whole = np.abs(units - np.rint(units)) < 1e-6 + 1e-14 * np.abs(units)
            return take(tender).under(np.where(whole, np.rint(units), units)) + kept_cost(tender)
        estimate = known(tender, "estimate", np.ones(len(tender.demand), dtype=bool))
        if not estimate.sum() > 0:
            raise ValueError("BestScore weighs lots by estimate, and all estimates are 0")
        self._refuse_points(tender, scores)
        weight = tender.part @ estimate / estimate.sum()
        return take(tender).under(-weight * scores)

    def _refuse_points(self, tender: Tender, scores: Floats) -> None:
        largest = np.abs(scores).max(initial=0)
        if 0 < largest < 0.01:
            raise ValueError(
                f"the largest score is {largest:.3g}: so small that differences drown in the solver's tolerance; give "
                f"the formula a larger scale"
            )
        may = tender.part @ (~np.isnan(tender.in_house)).astype(float) > 0
        below = tender.bid_names[(scores < 0) & may]
        if len(below):
            raise ValueError(
                f"bid {below[0]!r} scores below 0, and in-house, which scores 0, would be better for having no score; "
                f"leave in_house blank, or use a formula whose points start at 0"
            )

    def unit(self, tender: Tender) -> float:
        """One unit of the objective is a point, or what it is worth in money."""
        return tender.money_unit if self.in_money else 1.0


OBJECTIVES = (LowestCost, QualityAdjusted, BestScore)
Objective = LowestCost | QualityAdjusted | BestScore


# ---- tie-breaks -------------------------------------------------------------------------------------------


class Tied(Exception):
    """Several awards are optimal and the policy refuses to choose. `.tied`: the bids in which they differ."""

    def __init__(self, tied: Sequence[str]):
        self.tied = tuple(tied)
        super().__init__(
            f"several awards cost the same; they differ in the bids {', '.join(self.tied)}. Choose a tie-break "
            f"(DrawLots(seed), HigherQuality()) before opening"
        )

    def __reduce__(self) -> tuple[type[Tied], tuple[tuple[str, ...]]]:
        return Tied, (self.tied,)


@dataclass(frozen=True)
class DrawLots:
    """Draw among optimal awards: tied bids are called in the order of sha256("seed:bid").

    Each bid called is accepted if some optimal award accepts it together with those accepted, and without those
    refused, before it. Anyone can repeat the draw; it is fixed by the seed, which is announced before opening.

    Args:
        seed: Any whole number, published before opening.
    """

    seed: int = 0

    def order(self, names: Sequence[str]) -> list[str]:
        """The names in the order in which they are called."""
        return sorted(names, key=lambda name: hashlib.sha256(f"{self.seed}:{name}".encode()).hexdigest())

    def __call__(self, tender: Tender, tied: Places) -> Iterator[Linear]:
        """What to minimise next among the optimal awards: weights 2^k call 20 bids at a time."""
        position = {str(tender.bid_names[bid]): int(bid) for bid in tied}
        called = [position[name] for name in self.order(list(position))]
        for start in range(0, len(called), 20):
            group = called[start : start + 20]
            weight = np.zeros(len(tender.price))
            weight[group] = -(2.0 ** np.arange(len(group))[::-1])
            yield accept(tender).under(weight)


@dataclass(frozen=True)
class HigherQuality:
    """Among optimal awards the one of higher quality (weighted by estimate where all are given, else by lots).

    What is still tied is drawn by `DrawLots(0)`.
    """

    def __call__(self, tender: Tender, tied: Places) -> Iterator[Linear]:
        """What to minimise next among the optimal awards."""
        quality = np.zeros(len(tender.price))
        quality[tied] = rated(tender, "quality", tied)
        estimate = tender.estimate if not np.isnan(tender.estimate).any() else np.ones(len(tender.demand))
        total = estimate.sum() or 1.0
        yield take(tender).under(-quality * (tender.part @ estimate) / total)
        yield from DrawLots(0)(tender, tied)


@dataclass(frozen=True)
class Refuse:
    """Do not choose: raise `Tied` if more than one award is optimal."""

    def __call__(self, tender: Tender, tied: Places) -> Iterator[Linear]:
        """Raise."""
        raise Tied([str(tender.bid_names[bid]) for bid in tied])


TIE_BREAKS = (DrawLots, HigherQuality, Refuse)
TieBreak = Callable[[Tender, Places], Iterator[Linear]]


# ---- the policy -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Policy:
    """What an award must respect and what it aims at.

    Args:
        constraints: Values of `procure_opt.constraints`, or any function of a tender that returns `Rows`.
        objective: `LowestCost()`, `QualityAdjusted(value)` or `BestScore(scoring)`.
        tie_break: `DrawLots(seed)`, `HigherQuality()`, `Refuse()`, or None for no search.
        ledger: Transaction costs counted in the award.
        quality_weights: Weights of the criteria from which quality is derived; None = equal.
        min_bidders: A lot with fewer bidders is not let.
        few_bidders: What then happens: "keep in house" or "fail".

    >>> from procure_opt.constraints import MaxLots
    >>> Policy([MaxLots(2)]).constraints
    (MaxLots(n=2, per='bidder', lots=None, each=None, existing=None, penalty=None),)
    """

    constraints: Sequence[Constraint] = ()
    objective: Objective = field(default_factory=LowestCost)
    tie_break: TieBreak | None = field(default_factory=DrawLots)
    ledger: Ledger | None = None
    quality_weights: Mapping[str, float] | None = None
    min_bidders: int = 1
    few_bidders: str = "keep in house"

    def __post_init__(self) -> None:
        object.__setattr__(self, "constraints", tuple(self.constraints))
        for rule in self.constraints:
            if not callable(rule) or isinstance(rule, type):
                raise TypeError(f"{rule!r} is no constraint; write it with its figures, such as MaxLots(2)")
        for name, value in (("objective", self.objective), ("tie_break", self.tie_break), ("ledger", self.ledger)):
            if value is not None and (not callable(value) or isinstance(value, type)):
                raise TypeError(f"{name}={value!r}: write it with its figures, such as DrawLots(seed=1)")
        if isinstance(self.min_bidders, bool) or self.min_bidders != int(self.min_bidders) or self.min_bidders < 1:
            raise ValueError(f"min_bidders is {self.min_bidders!r}; it must be a whole number of at least 1")
        if self.few_bidders not in ("keep in house", "fail"):
            raise ValueError(f'few_bidders is {self.few_bidders!r}; it must be "keep in house" or "fail"')

    __hash__ = None  # type: ignore[assignment]

    def field(self, tender: Tender) -> tuple[Tender, tuple[str, ...]]:
        """The tender as it is evaluated, and the thin lots.

        Quality is derived, and bids are set aside that the formula does not admit or that are on thin lots.
        """
        tender = tender.scored(self.quality_weights)
        if isinstance(self.objective, BestScore):
            tender = tender.set_aside(self.objective.inadmissible(tender))
        thin: list[int] = []
        reasons: dict[int, str] = {}
        live = np.ones(len(tender.price), dtype=bool)
        while True:
            pairs = tender.part[np.flatnonzero(live)].tocoo()
            met = pairs.col
            if self.min_bidders > 1:
                met = np.unique(np.stack([met, tender.bidder_of[live][pairs.row]]), axis=1)[0]
            few = np.bincount(met, minlength=len(tender.demand)) < self.min_bidders
            new = [int(lot) for lot in np.flatnonzero(few) if lot not in thin]
            if not new:
                break
            thin += new
            for lot in new:
                for bid in np.flatnonzero(live & (tender.quantity[:, [lot]].toarray()[:, 0] > 0)):
                    live[bid] = False
                    reasons[int(bid)] = f"fewer than {self.min_bidders} bidders on lot {tender.lot_names[lot]}"
        return tender.set_aside(reasons), tuple(str(tender.lot_names[lot]) for lot in sorted(thin))

    def plan(self, given: Tender) -> Plan:
        """The program of this policy for a tender."""
        tender, thin = self.field(given)
        may_stay_open = np.zeros(len(tender.demand), dtype=bool)
        for rule in self.constraints:
            if isinstance(rule, Cover):
                may_stay_open |= tender.scope(rule.lots)
        rules = tuple((rule, rule(tender)) for rule in self.constraints)
        aim = self.objective(tender)
        ledger = Linear.fixed([0.0]) if self.ledger is None else self.ledger(tender)
        if not isinstance(self.objective, BestScore):
            aim = aim + ledger
        unit = self.objective.unit(tender)
        total, blocks = aim, [coverage(tender, may_stay_open), exclusive(tender)]
        for number, (_, rows) in enumerate(rules):
            if rows.penalty is None:
                blocks.append(rows)
                continue
            # Where the total of a share varies without steps, charges are exact to a quarter of a money unit.
            room = 0.25 * unit / (rows.penalty * max(len(rows), 1)) if (tender.min_fraction < 1).any() else 0.0
            soft, slack = rows.softened(f"slack {number:04d}", room=room)
            total = total + slack.total().times(rows.penalty / unit)
            blocks.append(soft)
        program = _closed(Program.build(total, blocks), may_stay_open)
        return Plan(given, tender, self, program, rules, aim, ledger, unit, thin, blocks[0], blocks[1])


def _closed(program: Program, may_stay_open: NDArray[np.bool_]) -> Program:
    """The program with nothing left unawarded where no `Cover` allows it."""
    if "unawarded" not in program.start:
        return program
    upper, at = program.upper.copy(), program.start["unawarded"]
    upper[at : at + len(may_stay_open)] *= may_stay_open
    return replace(program, upper=upper)


@dataclass(frozen=True, eq=False)
class Plan:
    """A tender under a policy as a program, with what each part of it stands for.

    `tender` is the one `given` with quality derived and bids on thin lots set aside. `aim` is the objective without the
    charges of soft rules, in units each worth `unit` of money (or points).
    """

    given: Tender
    tender: Tender
    policy: Policy
    program: Program
    rules: tuple[tuple[Constraint, Rows], ...]
    aim: Linear
    ledger: Linear
    unit: float
    thin: tuple[str, ...]
    coverage: Rows
    exclusive: Rows

    def objective(self, values: Mapping[str, Floats]) -> float:
        """The objective of values of the columns, charges recomputed: not what the slack columns happen to say."""
        return float(self.objectives(values))

    def objectives(self, values: Columns) -> Floats:
        """The same for values of many solutions."""
        total = self.aim.at(values)[..., 0]
        for _, rows in self.rules:
            if rows.penalty is not None:
                total = total + charged(rows, values).sum(axis=-1) * rows.penalty / self.unit
        return total

    @property
    def in_money(self) -> bool:
        """Whether the objective is money; else it is points."""
        goal = self.policy.objective
        return not isinstance(goal, BestScore) or goal.in_money


def charged(rows: Rows, values: Columns) -> Floats:
    """By how many units each row of a soft rule is exceeded, whole ones where it is charged by whole ones."""
    excess = rows.excess(values)
    return np.ceil(excess - 1e-6) if rows.whole else excess


# ---- announcing -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Announcement:
    """The rules as published, and a hash that fixes them together with the lots: SHA-256 of `fixed`, a JSON text."""

    text: str
    hash: str
    fixed: str = ""


def announce(policy: Policy, tender: Tender) -> Announcement:
    """The rules of a tender as text and as a hash, to be published before the bids are opened.

    The hash (SHA-256) covers the policy, the lots, currency and money unit, but no bid. `award(..., announced=hash)`
    refuses to award under any other rules.

    >>> tender = Tender([{"lot": "A", "in_house": 5}], [])
    >>> print(announce(Policy(), tender).text)
    Tender 'tender': 1 lot (A).
    Objective: LowestCost().
    Ties: DrawLots(seed=0).
    """
    lots = tender.lots["lot"].tolist()
    shown = ", ".join(lots[:10]) + (", …" if len(lots) > 10 else "")
    lines = [f"Tender {tender.name!r}: {len(lots)} lot{'s' if len(lots) != 1 else ''} ({shown})."]
    lines.append(f"Objective: {policy.objective!r}.")
    lines += [f"Constraint: {rule!r}." for rule in policy.constraints]
    lines.append(f"Ties: {policy.tie_break!r}.")
    if policy.ledger is not None:
        lines.append(f"Transaction costs: {policy.ledger!r}.")
    if policy.quality_weights is not None:
        lines.append(f"Quality weights: {dict(sorted(policy.quality_weights.items()))}.")
    if policy.min_bidders > 1:
        lines.append(f"A lot with fewer than {policy.min_bidders} bidders: {policy.few_bidders}.")
    fixed: dict[str, Any] = {
        "rules": lines[1:],
        "lots": json.loads(tender.lots.to_json(orient="records", double_precision=15)),
        "money_unit": tender.money_unit,
        "currency": tender.currency,
    }
    whole = json.dumps(fixed, sort_keys=True, ensure_ascii=False)
    return Announcement("\n".join(lines), hashlib.sha256(whole.encode()).hexdigest(), whole)
