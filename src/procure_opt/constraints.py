"""What an award must respect: each constraint is a value that turns a tender into rows.

To add one: write a frozen dataclass with `lots`, `each` and `penalty` whose `__call__` returns `Rows`, list it in
`CATALOGUE` at the foot, and give it a twin in `check.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar, dataclass_transform

import numpy as np
import pandas as pd
from scipy import sparse

from procure_opt.cells import as_written
from procure_opt.measures import (
    Mask,
    accept,
    by_bidder,
    digest,
    holdings,
    kept,
    kept_cost,
    known,
    lots_held,
    measure,
    partly,
    present,
    rated,
    spend,
    take,
    touching,
    unawarded,
    wins,
)
from procure_opt.program import Columns, Family, Floats, Linear, Rows, always
from procure_opt.tender import Filter, Tender

T = TypeVar("T")


class Constraint(Protocol):
    """A rule of the award, as a value."""

    @property
    def lots(self) -> Filter:
        """The scope."""
        ...

    @property
    def each(self) -> str | None:
        """A lots column: one rule for each of its values."""
        ...

    @property
    def penalty(self) -> float | None:
        """The charge for a unit by which it is exceeded; None = hard."""
        ...

    def __call__(self, tender: Tender) -> Rows:
        """The rows of the rule for this tender."""
        ...

    def remedy(self, change: float) -> str:
        """How to word the smallest change that makes an impossible tender possible."""
        ...


def _plain(value: Any) -> Any:
    """A value of NumPy as Python's: rules are announced as they are written, and read alike whoever wrote them."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (set, frozenset)):  # whose order differs from run to run, and with it the hash of the rules
        return sorted(map(_plain, value), key=repr)
    return type(value)(map(_plain, value)) if isinstance(value, (list, tuple)) else value


@dataclass_transform(frozen_default=True)
def _constraint(cls: type[T]) -> type[T]:
    """A frozen dataclass that can be a key although its filters are dicts, and whose figures are checked."""
    check = cls.__dict__.get("__post_init__")

    def post_init(self: Any) -> None:
        for name in self.__dataclass_fields__:
            object.__setattr__(self, name, _plain(getattr(self, name)))
        penalty = self.penalty
        if penalty is not None and not (_is_number(penalty) and penalty > 0):
            reason = f"it must be a positive amount of money a unit, at most {MOST:g}"
            raise ValueError(f"{cls.__name__}: penalty is {penalty!r}; {reason}")
        if check is not None:
            check(self)

    cls.__post_init__ = post_init  # type: ignore[attr-defined]
    made = dataclass(frozen=True)(cls)
    made.__hash__ = lambda self: hash(repr(self))  # type: ignore[method-assign]
    return made


# Beyond the one a sum of money is no longer exact to a unit, and a solver loses the rest beside it; nothing above 0 and
# below the other is meant, and floats run out of digits there.
MOST, LEAST = 1e15, 1e-15


def _is_number(value: object) -> bool:
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and bool(value == 0 or LEAST <= value <= MOST or -MOST <= value <= -LEAST)
    )


def _number(rule: str, name: str, value: object, low: float, high: float = math.inf) -> None:
    if not _is_number(value) or not low <= value <= high:  # type: ignore[operator]
        limits = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        if isinstance(value, (int, float)) and low <= value <= high:
            limits = f"of 0 or from {LEAST:g} to {MOST:g}, apart from its sign"
        raise ValueError(f"{rule}: {name} is {value!r}; it must be a number {limits}")


def _count(rule: str, name: str, value: object) -> None:
    if not _is_number(value) or value < 0 or value != int(value):  # type: ignore[operator, call-overload]
        raise ValueError(f"{rule}: {name} is {value!r}; it must be a whole number from 0 to {MOST:g}")


def _one_of(rule: str, name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{rule}: {name} is {value!r}; it must be {' or '.join(map(repr, allowed))}")


def scopes(tender: Tender, lots: Filter, each: str | None) -> Iterator[tuple[str, Mask, str]]:
    """The scopes of a rule: how to call it, the lots, and the value of `each` ("" without).

    Raises:
        ValueError: `each` is no lots column, or blank in the scope.
    """
    mask = tender.scope(lots)
    text = "" if lots is None else f" on {_filter_text(lots)}"
    if each is None:
        yield text, mask, ""
        return
    table = tender.lots
    if each not in table.columns:
        raise ValueError(f"each={each!r}: the lots have no such column; they have {', '.join(table.columns)}")
    value = table[each]
    blank = tender.lot_names[mask & (value.isna() | (value == "")).to_numpy()]
    if len(blank):
        raise ValueError(f"each={each!r} needs a value for every lot in scope; it is blank for {', '.join(blank[:8])}")
    code, values = pd.factorize(value.where(mask))
    for number, one in enumerate(values):
        name = as_written(one)
        yield f"{text} with {each} {name}", code == number, name


def _filter_text(lots: Filter) -> str:
    if isinstance(lots, Mapping):
        return ", ".join(f"{column} {value}" for column, value in lots.items())
    names = [str(name) for name in lots or ()]
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _over_scopes(rule: Any, tender: Tender, rows: Any) -> Rows:
    blocks = [rows(text, mask, value) for text, mask, value in scopes(tender, rule.lots, rule.each)]
    return replace(Rows.stack(blocks), penalty=rule.penalty)


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _money(amount: float) -> str:
    return f"{amount:,.2f}".removesuffix(".00")


def _enough(figure: float, digits: int, *, less: bool = False) -> float:
    """A remedy rounded to the safe side: up where more helps, down where less does."""
    scale = 10.0**digits
    return (math.floor if less else math.ceil)(figure * scale + (1e-6 if less else -1e-6)) / scale


@_constraint
class Budget:
    """Σ net prices + in-house cost ≤ amount, in the scope; the ledger is not counted.

    Args:
        amount: Money; with `each` a table of amounts (`each="period", amount={"2026": …}`) or one for all.
        lots, each: Scope, and one budget for each value of a lots column.
        penalty: Charge for each unit of money above.
    """

    amount: float | Mapping[str, float]
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        amounts = self.amount.values() if isinstance(self.amount, Mapping) else [self.amount]
        for amount in amounts:
            _number("Budget", "amount", amount, 0)
        if isinstance(self.amount, Mapping) and self.each is None:
            raise ValueError('Budget: a table of amounts needs each=, such as each="period"')

    def __call__(self, tender: Tender) -> Rows:
        """Rows, one a scope."""

        def rows(text: str, scope: Mask, value: str) -> Rows:
            amount = self.amount
            if isinstance(amount, Mapping):
                table = {str(key): float(money) for key, money in amount.items()}
                if value not in table:
                    raise ValueError(f"Budget: no amount for {self.each} {value!r}; there are {', '.join(table)}")
                amount = table[value]
            body = spend(tender, scope).total() + kept_cost(tender, scope)
            units = np.array([round(float(amount) / tender.money_unit, 6)])
            return Rows.at_most(
                body,
                units,
                lambda _: f"Budget {_money(float(amount))}{text}",
                unit="money",
                relax=np.array([1 / tender.money_unit]),
            )

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """The budget to raise to."""
        if isinstance(self.amount, Mapping):
            return f"raise every Budget by {_money(_enough(change, 2))}"
        return f"raise Budget to {_money(_enough(float(self.amount) + change, 2))}"


@_constraint
class AttributeBound:
    """A numeric column of the bids (or of their bidders) is at least, or at most, so much.

    across="bid": each accepted bid that touches the scope. across="award": the mean Σ w·value / Σ w over what is let,
    w = estimate · quantity / demand · fraction; in-house is left out, and nothing let satisfies it.

    Args:
        column: The column.
        at_least, at_most: The bounds; one of them, or both.
        across: "bid" or "award".
        penalty: Charge for each unit of the column short (a bid, or of the mean).
    """

    column: str
    at_least: float | None = None
    at_most: float | None = None
    across: str = "bid"
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None
    name: ClassVar[str] = "AttributeBound"
    unit: ClassVar[str] = "unit of the column"

    def __post_init__(self) -> None:
        _one_of(self.name, "across", self.across, ("bid", "award"))
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"{self.name}: give at_least=, at_most= or both")
        for bound in (self.at_least, self.at_most):
            if bound is not None:
                _number(self.name, "bound", bound, -math.inf)

    def __call__(self, tender: Tender) -> Rows:
        """Rows, one a bid or one a scope, for each bound."""

        def rows(text: str, scope: Mask, value: str) -> Rows:
            sides = [(sign, bound) for sign, bound in ((1.0, self.at_least), (-1.0, self.at_most)) if bound is not None]
            return Rows.stack([self._one_side(tender, text, scope, sign, bound) for sign, bound in sides])

        return _over_scopes(self, tender, rows)

    def _one_side(self, tender: Tender, text: str, scope: Mask, sign: float, bound: float) -> Rows:
        bids = touching(tender, scope)
        short = sign * (bound - rated(tender, self.column, bids))
        side = "at least" if sign > 0 else "at most"
        if self.across == "bid":
            bids, short = bids[short > 0], short[short > 0]
            body = accept(tender, bids).times(short)
            return Rows.at_most(
                body,
                0.0,
                lambda i: f"{self.column} of bid {tender.bid_names[bids[i]]} {side} {bound:g}{text}",
                unit=self.unit,
                relax=np.ones(len(bids)),
            )
        weight = tender.part[bids] @ known(tender, "estimate", scope)
        let = take(tender, bids).under(weight)
        return Rows.at_most(
            take(tender, bids).under(weight * short),
            0.0,
            lambda _: f"mean {self.column} {side} {bound:g}{text}",
            unit=self.unit,
            relax=np.ones(1),
            per=let,
        )

    def remedy(self, change: float) -> str:
        """The bound to move to."""
        if self.at_least is not None and self.at_most is not None:
            return f"widen the bounds of {self.column} by {change:.6g}"
        if self.at_least is not None:
            return f"accept {self.column} of at least {self.at_least - change:.6g}"
        return f"accept {self.column} of at most {(self.at_most or 0.0) + change:.6g}"


@_constraint
class MinQuality:
    """Quality at least `score`: of each accepted bid (across="bid"), or the estimate-weighted mean of what is let.

    across="award": Σ w·quality ≥ score · Σ w, w = estimate · quantity / demand · fraction, in-house left out.

    Args:
        score: Quality from 0 to 100.
        across: "bid" or "award".
        penalty: Charge for each quality point short.
    """

    score: float
    across: str = "award"
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _number("MinQuality", "score", self.score, 0, 100)
        _one_of("MinQuality", "across", self.across, ("bid", "award"))

    def __call__(self, tender: Tender) -> Rows:
        """Rows, one a bid or one a scope."""
        bound = AttributeBound("quality", at_least=self.score, across=self.across, lots=self.lots, each=self.each)
        return replace(bound(tender), unit="quality point", penalty=self.penalty)

    def remedy(self, change: float) -> str:
        """The floor to lower to."""
        return f"lower MinQuality to {_enough(self.score - change, 4, less=True):.6g}"


@_constraint
class MaxShare:
    """No entity holds more than a share: amount_g + existing_g ≤ share · (total + Σ existing).

    Args:
        share: 0 to 1.
        of: "estimate", "lots", "demand", "spend" (net prices; total with in-house), or a lots column.
        per: "bidder", "owner" or a bidders column.
        base: "scope": the total is of every lot in scope; "awarded": of what bidders win.
        existing: A bidders column with what they hold elsewhere already.
        penalty: Charge for each percentage point above, summed over entities.
    """

    share: float
    of: str = "estimate"
    per: str = "bidder"
    lots: Filter = None
    each: str | None = None
    base: str = "scope"
    existing: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _number("MaxShare", "share", self.share, 0, 1)

    def __call__(self, tender: Tender) -> Rows:
        """Rows, one a contender, for each scope."""

        def rows(text: str, scope: Mask, value: str) -> Rows:
            m = measure(tender, self.of, scope, self.per, base=self.base, existing=self.existing)
            body = m.amount - m.total.times(self.share).repeat(len(m.names))
            what = f"{_percent(self.share)} of {self.of}{text}"
            return _of_total(body, m.total, lambda g: f"MaxShare {what}: {m.names[g]}")

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """The share to allow."""
        return f"allow each {self.per} a share of {_percent(_enough(self.share + change, 6))}"


def _of_total(body: Linear, total: Linear, label: Any) -> Rows:
    """body ≤ 0 where a percentage point of `total` is one unit of relaxation."""
    count = len(body)
    if total.terms:
        points, per = np.full(count, 0.01), total.repeat(count)
    else:
        points, per = np.full(count, 0.01 * total.constant[0]), None
    return Rows.at_most(body, 0.0, label, unit="percentage point", relax=points, per=per)


@_constraint
class MinShare:
    """Chosen bidders together hold at least a share: Σ_g amount_g + existing ≥ share · (total + Σ existing).

    Args:
        share: 0 to 1.
        bidders: A list of bidders, or a filter such as `{"kind": "social_organisation"}`.
        penalty: Charge for each percentage point short.
    """

    share: float
    bidders: Filter = None
    of: str = "estimate"
    lots: Filter = None
    each: str | None = None
    base: str = "scope"
    existing: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _number("MinShare", "share", self.share, 0, 1)

    def __call__(self, tender: Tender) -> Rows:
        """One row a scope."""
        chosen = tender.among_bidders(self.bidders)
        who = "all bidders" if self.bidders is None else _filter_text(self.bidders)

        def rows(text: str, scope: Mask, value: str) -> Rows:
            # Contract partners, each once: a consortium is chosen by its own row.
            m = measure(tender, self.of, scope, "bidder", base=self.base, existing=self.existing, winners=True)
            body = m.total.times(self.share) - m.amount.rows(np.flatnonzero(chosen[m.who])).total()
            label = f"MinShare {_percent(self.share)} of {self.of} for {who}{text}"
            return _of_total(body, m.total, always(label))

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """The share to ask for."""
        return f"lower MinShare to {_percent(_enough(self.share - change, 6, less=True))}"


@_constraint
class MaxLots:
    """No entity holds more than n lots of the scope; a lot counts once, however small the part of it.

    Args:
        n: How many.
        existing: A bidders column with lots held already.
        penalty: Charge for each lot above.
    """

    n: int
    per: str = "bidder"
    lots: Filter = None
    each: str | None = None
    existing: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _count("MaxLots", "n", self.n)

    def __call__(self, tender: Tender) -> Rows:
        """Rows, one a contender, for each scope."""
        already = 0.0 if self.existing is None else holdings(tender, self.existing)
        whole = bool(np.equal(already, np.rint(already)).all())

        def rows(text: str, scope: Mask, value: str) -> Rows:
            (_, names, *_), held = lots_held(tender, scope, self.per, existing=self.existing)
            label, one = f"MaxLots {self.n}{text}", np.ones(len(names))
            return Rows.at_most(
                held, float(self.n), lambda g: f"{label}: {names[g]}", unit="lot", relax=one, whole=whole
            )

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """How many lots to allow."""
        return f"allow {self.n + change:g} lots for each {self.per}"


@_constraint
class MinWinners:
    """At least n different entities win something in the scope; a consortium is one winner.

    Args:
        n: How many.
        penalty: Charge for each winner short.
    """

    n: int
    per: str = "bidder"
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _count("MinWinners", "n", self.n)

    def __call__(self, tender: Tender) -> Rows:
        """One row a scope."""

        def rows(text: str, scope: Mask, value: str) -> Rows:
            won = present(tender, scope, self.per)
            label = f"MinWinners {self.n}{text}"
            return Rows.at_least(won.total(), float(self.n), always(label), unit="winner", relax=np.ones(1), whole=True)

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """How many winners to ask for."""
        return f"ask for {self.n - change:g} winners only"


@_constraint
class MaxWinners:
    """At most n different entities win something in the scope; a consortium is one winner.

    Args:
        n: How many.
        penalty: Charge for each winner above.
    """

    n: int
    per: str = "bidder"
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _count("MaxWinners", "n", self.n)

    def __call__(self, tender: Tender) -> Rows:
        """One row a scope."""

        def rows(text: str, scope: Mask, value: str) -> Rows:
            _, won = wins(tender, scope, self.per)
            label = f"MaxWinners {self.n}{text}"
            return Rows.at_most(won.total(), float(self.n), always(label), unit="winner", relax=np.ones(1), whole=True)

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """How many winners to allow."""
        return f"allow {self.n + change:g} winners"


@_constraint
class MaxHHI:
    """Herfindahl–Hirschman index of the shares: Σ_g (amount_g / total)² ≤ index, 0 to 1.

    With squares h_g ≥ s_g² and total T the rows are Σ h_g ≤ index · T and tangents h_g ≥ 2t·amount_g − t²·T, added
    wherever a solution exceeds the index until Σ s² ≤ index + 1e-11. Scaled by T they are the cone form
    ‖amount‖ ≤ √index · T when T depends on the award (spend). In-house counts for nobody; a bidder that counts in full
    for several entities is divided among them.

    Args:
        index: 0 to 1.
        penalty: Charge for each 0.01 of the index above.
    """

    index: float
    of: str = "estimate"
    per: str = "bidder"
    lots: Filter = None
    each: str | None = None
    base: str = "scope"
    existing: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _number("MaxHHI", "index", self.index, 0, 1)

    def __call__(self, tender: Tender) -> Rows:
        """One row a scope, and tangents on demand."""

        def rows(text: str, scope: Mask, value: str) -> Rows:
            m = measure(tender, self.of, scope, self.per, base=self.base, existing=self.existing, split=True)
            # In thousandths of the largest total, so that a solver's tolerance of 1e-9 is far below the one stated.
            scale = 1000 / max(m.total.range()[1][0], 1e-9)
            amount, total = m.amount.times(scale), m.total.times(scale)
            count = len(m.names)
            key = f"square|{self.of}|{self.per}|{self.base}|{self.existing}|{digest(scope)}"
            label = f"MaxHHI {self.index:g} of {self.of}{text}"
            bare = Family(
                key,
                np.zeros(count),
                np.full(count, 1000.0),  # amount ≤ total ≤ 1000 here, and so is amount² / total
                np.zeros(count, dtype=bool),
                lambda g: f"{label}: square of the share of {m.names[g]}",
            )

            def tangents(who: Any, at: Floats) -> Rows:
                square = bare().rows(who)
                body = square - amount.rows(who).times(2 * at) + total.repeat(len(who)).times(at**2)
                return Rows.at_least(body, 0.0, lambda i: f"{label}: tangent for {m.names[who[i]]}")

            first = [tangents(np.arange(count), np.full(count, t)) for t in (0.1, 0.2, 0.4, 0.7, 1.0)]

            def implied(values: Columns) -> Floats:
                of = total.at(values)
                return np.where(of > 0, amount.at(values) ** 2 / np.where(of > 0, of, 1.0), 0.0)

            square = replace(bare, links=tuple(first), implied=implied)()

            def separate(values: Mapping[str, Floats]) -> Rows | None:
                whole = float(total.at(values)[0])
                share = amount.at(values) / whole if whole > 0 else np.zeros(count)
                modelled = square.at(values).sum() / whole if whole > 0 else 0.0
                if (share**2).sum() <= max(self.index, modelled) + 1e-11:
                    return None
                who = np.flatnonzero(share > 1e-9)
                return tangents(who, share[who])

            row = _of_total(square.total() - total.times(self.index), total, always(label))
            return replace(row, unit="0.01 of HHI", separate=separate)

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """The index to allow."""
        return f"allow an HHI of {_enough(self.index + change, 6):.6g}"


@_constraint
class MinAward:
    """An entity that wins anything in the scope wins at least so much: that much or nothing.

    Args:
        amount: In the measure `of`: money (estimate, spend), lots (different ones), demand, or a lots column.
        penalty: Charge for each entity that wins less.
    """

    amount: float
    of: str = "lots"
    per: str = "bidder"
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _number("MinAward", "amount", self.amount, 0)

    def __call__(self, tender: Tender) -> Rows:
        """Rows, one a contender, for each scope."""

        def rows(text: str, scope: Mask, value: str) -> Rows:
            (_, names, *_), won = wins(tender, scope, self.per, winners=False)
            if self.of == "lots":
                _, held = lots_held(tender, scope, self.per)
            else:
                held = measure(tender, self.of, scope, self.per).amount
            least = self.amount / tender.money_unit if self.of == "spend" else float(self.amount)
            label = f"MinAward {self.amount:g} of {self.of}{text}"
            return Rows.at_least(
                held - won.times(least),
                0.0,
                lambda g: f"{label}: {names[g]}",
                unit="instance",
                relax=np.full(len(names), max(least, 1e-9)),
                whole=True,
            )

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """How many to let through."""
        return f"let {change:g} {self.per}(s) win less than {self.amount:g} of {self.of}"


@_constraint
class Capacity:
    """Σ quantity an entity wins in the scope ≤ its figure in a bidders column (blank = no bound).

    An owner's figure is the sum over its bidders, none if one of them is blank. A consortium's own figure bounds what
    the consortium wins, beside those of its members.

    Args:
        column: The bidders column.
        penalty: Charge for each unit of quantity above.
    """

    column: str
    per: str = "bidder"
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __call__(self, tender: Tender) -> Rows:
        """Rows, one a contender with a figure, for each scope."""
        table = tender.bidders
        if self.column not in table.columns or not pd.api.types.is_numeric_dtype(table[self.column].dtype):
            raise ValueError(f"Capacity: the bidders have no column of numbers {self.column!r}")
        room = table[self.column].to_numpy(dtype=float)
        names, weight = tender.groups(self.per)
        # An entity's room is that of its bidders proper: a consortium adds none to its members'.
        single = np.array([bidder not in tender._members for bidder in range(len(room))])
        mine = sparse.csr_array((weight.T > 0).astype(float) @ sparse.diags_array(single.astype(float)))
        bounded = np.asarray(mine @ np.isnan(room).astype(float)) == 0
        some = np.asarray(mine.sum(axis=1)) > 0
        limit = np.asarray(mine @ np.nan_to_num(room))
        bounded &= some
        joint = ~single & ~np.isnan(room)
        for who in (names[bounded & (limit < 0)], tender.bidder_names[joint & (room < 0)]):
            if len(who):
                raise ValueError(f"Capacity: {self.column!r} is below 0 for {', '.join(who[:8])}")

        def rows(text: str, scope: Mask, value: str) -> Rows:
            own = measure(tender, "demand", scope, self.per)
            sides = [(own, bounded, limit)]
            if joint.any():
                sides.append((measure(tender, "demand", scope, "bidder", winners=True), joint, room))
            has = [np.flatnonzero(given[m.who]) for m, given, _ in sides]
            who = np.concatenate([m.names[rows] for (m, *_), rows in zip(sides, has)])
            return Rows.at_most(
                Linear.stack([m.amount.rows(rows) for (m, *_), rows in zip(sides, has)]),
                np.concatenate([most[m.who[rows]] for (m, _, most), rows in zip(sides, has)]),
                lambda g: f"Capacity {self.column}{text}: {who[g]}",
                unit="unit of quantity",
                relax=np.ones(len(who)),
            )

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """How much room is lacking."""
        return f"add {change:g} to {self.column} of each {self.per}"


@_constraint
class Separate:
    """Nobody wins on both sides: an entity with a lot in `first` has none in `second` (operator and monitor).

    Args:
        first, second: Lots, as lists or filters.
        per: "owner" by default, so that an affiliate does not slip through.
        penalty: Charge for each entity on both sides.
    """

    first: Filter
    second: Filter
    per: str = "owner"
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __call__(self, tender: Tender) -> Rows:
        """Rows, one a contender on both sides, for each scope."""
        first, second = tender.scope(self.first), tender.scope(self.second)

        def rows(text: str, scope: Mask, value: str) -> Rows:
            one, here = wins(tender, scope & first, self.per, winners=False)
            other, there = wins(tender, scope & second, self.per, winners=False)
            who, at, again = np.intersect1d(one.who, other.who, assume_unique=True, return_indices=True)
            names, label = one.names[at], f"Separate {_filter_text(self.first)} from {_filter_text(self.second)}{text}"
            return Rows.at_most(
                here.rows(at) + there.rows(again),
                1.0,
                lambda g: f"{label}: {names[g]}",
                unit="instance",
                relax=np.ones(len(who)),
                whole=True,
            )

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """How many to let through."""
        return f"let {change:g} {self.per}(s) win both {_filter_text(self.first)} and {_filter_text(self.second)}"


@_constraint
class Together:
    """All lots of the scope go to one entity, or all are done in-house.

    Args:
        penalty: Charge if they are not kept together (a scope).
    """

    lots: Filter = None
    per: str = "bidder"
    each: str | None = None
    penalty: float | None = None

    def __call__(self, tender: Tender) -> Rows:
        """One row a scope: the number of holders is at most 1."""

        def rows(text: str, scope: Mask, value: str) -> Rows:
            names, weight = tender.groups(self.per, winners=True)
            lots, bids = np.flatnonzero(scope), touching(tender, scope)
            allowed = sparse.csr_array((weight[tender.bidder_of[bids]] > 0).astype(float))
            parts = [
                (accept(tender, bids), allowed, "an entity chosen for all lots"),
                (kept(tender).rows(lots), sparse.csr_array(np.ones((len(lots), 1))), "all lots done in-house"),
                (unawarded(tender).rows(lots), sparse.csr_array(np.ones((len(lots), 1))), "all lots left unawarded"),
            ]
            holders = Linear.fixed([0.0])
            for part, may, what in parts:
                none, label = np.zeros(may.shape[1]), always(f"Together{text}: {what}")
                bare = Family(f"{what}|{self.per}|{digest(scope)}", none, none + 1, none == 0, label)
                link = Rows.at_most(part - bare().under(may), 0.0, label)
                holders = holders + replace(bare, links=(link,), implied=_any_part(part, may))().total()
            # However many holders there are, it is one instance.
            most = np.full(1, len(names) + 1.0)
            return Rows.at_most(holders, 1.0, always(f"Together{text}"), unit="instance", relax=most, whole=True)

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """Which lots to part."""
        return f"allow {_filter_text(self.lots) if self.lots is not None else 'the lots'} to be parted"


def _any_part(part: Linear, may: sparse.csr_array) -> Callable[[Columns], Floats]:
    """1 for each column of `may` of whose parts any is above 0."""
    return lambda values: np.minimum((part.at(values) > 1e-9) @ may, 1.0)


@_constraint
class KeepIncumbents:
    """At most so many lots leave their incumbent; a lot stays only if the incumbent holds all of it.

    Args:
        column: A lots column naming the incumbent; blank does not count, in-house is a switch.
        max_switches: How many.
        penalty: Charge for each switch above.
    """

    column: str
    max_switches: int
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _count("KeepIncumbents", "max_switches", self.max_switches)

    def __call__(self, tender: Tender) -> Rows:
        """One row a scope."""

        names, stays = staying(tender, self.column)

        def rows(text: str, scope: Mask, value: str) -> Rows:
            counted = scope & (names != "")
            switches = Linear.fixed([float(counted.sum())]) - stays.under(counted.astype(float))
            return Rows.at_most(
                switches,
                float(self.max_switches),
                lambda _: f"KeepIncumbents, at most {self.max_switches} switches{text}",
                unit="switch",
                relax=np.ones(1),
                whole=True,
            )

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """How many switches to allow."""
        return f"allow {self.max_switches + change:g} switches"


def staying(tender: Tender, column: str) -> tuple[Any, Linear]:
    """The incumbent of each lot, and 1 where it holds the whole lot."""
    table = tender.lots
    if column not in table.columns:
        raise ValueError(
            f"the lots have no column {column!r} that names incumbents; they have {', '.join(table.columns)}"
        )
    names = np.array([as_written(value) for value in table[column]], dtype=object)
    bidder = pd.Index(tender.bidder_names).get_indexer(pd.Index(names))
    of_lot = tender.part.tocoo()
    own = bidder[of_lot.col] == tender.bidder_of[of_lot.row]
    shape = (len(names), len(tender.price))
    part = sparse.csr_array((of_lot.data[own], (of_lot.col[own], of_lot.row[own])), shape=shape)
    held = take(tender).under(part)
    ones = np.ones(len(names))
    label: Callable[[int], str] = lambda i: f"lot {tender.lot_names[i]} stays with {names[i]}"  # noqa: E731
    bare = Family(f"stays|{column}", ones * 0, ones, ones > 0, label)
    link = Rows.at_least(
        held - bare(), 0.0, lambda i: f"lot {tender.lot_names[i]} stays only if {names[i]} holds all of it"
    )
    return names, replace(bare, links=(link,), implied=lambda values: (held.at(values) > 1 - 1e-6).astype(float))()


@_constraint
class Exclude:
    """No bid is accepted that matches all the filters given.

    Args:
        bidders, bids, lots: Lists or filters; a bid touches the lots if any of its lots is among them.
        penalty: Charge for each such bid accepted.
    """

    bidders: Filter = None
    bids: Filter = None
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        if self.bidders is None and self.bids is None and self.lots is None:
            raise ValueError("Exclude: say which bidders=, bids= or lots=")

    def __call__(self, tender: Tender) -> Rows:
        """One row a bid."""
        match = tender.among_bids(self.bids) & tender.among_bidders(self.bidders)[tender.bidder_of]
        bids = touching(tender, tender.scope(self.lots))
        bids = bids[match[bids]]
        rows = Rows.at_most(
            accept(tender, bids),
            0.0,
            lambda i: f"Exclude bid {tender.bid_names[bids[i]]}",
            unit="instance",
            relax=np.ones(len(bids)),
            whole=True,
        )
        return replace(rows, penalty=self.penalty)

    def remedy(self, change: float) -> str:
        """How many to admit."""
        return f"admit {change:g} of the excluded bids"


def _rejected(tender: Tender, bids: Filter) -> list[str]:
    """Bids of a list that were set aside."""
    if bids is None or isinstance(bids, Mapping):
        return []
    aside = set(tender.rejected["bid"])
    return [str(name) for name in bids if str(name) in aside]


@_constraint
class Require:
    """Chosen bids, bidders or lots must be let.

    bids: each of them is accepted. bidders: each of them has an accepted bid (touching `lots`, if given).
    lots alone: they are let to bidders, not done in-house or left unawarded.

    Args:
        bidders, bids, lots: Lists or filters.
        penalty: Charge for each that is not met.
    """

    bidders: Filter = None
    bids: Filter = None
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        if self.bidders is None and self.bids is None and self.lots is None:
            raise ValueError("Require: say which bidders=, bids= or lots=")

    def __call__(self, tender: Tender) -> Rows:
        """One row a bid, a bidder or a lot, for each scope."""
        more = {"unit": "instance", "whole": True}

        asked, whom = tender.among_bids(self.bids), np.flatnonzero(tender.among_bidders(self.bidders))
        lost = _rejected(tender, self.bids)

        def rows(text: str, scope: Mask, value: str) -> Rows:
            touch = touching(tender, scope)
            blocks: list[Rows] = []
            if self.bids is not None:
                none, label = np.zeros(len(lost)), lambda i: f"Require bid {lost[i]}, which was rejected"
                blocks.append(Rows.at_least(Linear.fixed(none), 1.0, label, relax=none + 1, **more))
                bids = touch[asked[touch]]
                blocks.append(
                    Rows.at_least(
                        accept(tender, bids),
                        1.0,
                        lambda i: f"Require bid {tender.bid_names[bids[i]]}",
                        relax=np.ones(len(bids)),
                        **more,
                    )
                )
            if self.bidders is not None:
                some = accept(tender, touch).under(by_bidder(tender, touch)[whom])
                blocks.append(
                    Rows.at_least(
                        some,
                        1.0,
                        lambda i: f"Require an award to {tender.bidder_names[whom[i]]}{text}",
                        relax=np.ones(len(whom)),
                        **more,
                    )
                )
            if self.bids is None and self.bidders is None:
                lots = np.flatnonzero(scope)
                let = take(tender, touch).under(tender.part[touch].T).rows(lots)
                blocks.append(
                    Rows.at_least(
                        let,
                        1.0,
                        lambda i: f"Require lot {tender.lot_names[lots[i]]} to be let",
                        relax=np.ones(len(lots)),
                        **more,
                    )
                )
            return Rows.stack(blocks)

        return _over_scopes(self, tender, rows)

    def remedy(self, change: float) -> str:
        """How many to waive."""
        return f"waive {change:g} of the requirements"


@_constraint
class Resilient:
    """No single winner's default costs more than so much to replace.

    For each bidder i with increments g of the others' bids and k of in-house, at the award's own fractions:
    Σ quantity·g + demand·k = what i held, lot by lot, and Σ price·g + new fixed charges + in-house·k − net price of i
    ≤ max_extra_cost. Increments respect xor and minimum fractions; other constraints do not bind an emergency, and
    discounts are left out of replacement.

    Args:
        max_extra_cost: Money.
        lots: Only winners of lots in this scope are looked at.
        penalty: Charge for each unit of money above, summed over bidders.
    """

    max_extra_cost: float
    lots: Filter = None
    each: str | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        _number("Resilient", "max_extra_cost", self.max_extra_cost, 0)

    def __call__(self, tender: Tender) -> Rows:
        """One row a bidder with bids in the scope."""
        scope = tender.scope(self.lots)
        limit = round(self.max_extra_cost / tender.money_unit, 6)
        blocks = []
        for bidder in np.unique(tender.bidder_of[touching(tender, scope)]):
            extra = replacement(tender, int(bidder), scope)
            label = always(f"Resilient {_money(self.max_extra_cost)}: default of {tender.bidder_names[bidder]}")
            unit = np.array([1 / tender.money_unit])
            blocks.append(Rows.at_most(extra, limit, label, unit="money", relax=unit))
        return replace(Rows.stack(blocks), penalty=self.penalty)

    def remedy(self, change: float) -> str:
        """The cost to allow."""
        return f"allow a replacement to cost {_money(_enough(self.max_extra_cost + change, 2))} more"


def replacement(tender: Tender, bidder: int, scope: Mask | None = None) -> Linear:
    """What it costs more, in money units, to replace a bidder's contracts (see `Resilient`).

    With a scope: if the bidder wins in it; else what it holds need not be filled again.
    """
    name = tender.bidder_names[bidder]
    own = tender.bidder_of == bidder
    lots = touching_lots(tender, own)
    others = ~own
    others[touching(tender, ~lots)] = False
    others = np.flatnonzero(others)
    key = f"replace {name}|{'' if scope is None else digest(scope)}"
    part = partly(tender)
    where = np.flatnonzero(lots & ~np.isnan(tender.in_house))
    n, whole = len(others), tender.min_fraction[others] >= 1
    zeros, ones = np.zeros(n), np.ones(n)
    more = Family(
        f"{key} by", zeros, ones, whole, lambda i: f"if {name} defaults: more of bid {tender.bid_names[others[i]]}"
    )
    home = np.ones(len(where))
    inside = Family(
        f"{key} in-house",
        home * 0,
        home,
        ~part[where],
        lambda i: f"if {name} defaults: lot {tender.lot_names[where[i]]} in-house",
    )
    grown = take(tender, others) + more()
    spread = sparse.csr_array((home, (where, np.arange(len(where)))), shape=(len(lots), len(where)))
    lost = take(tender).times(own.astype(float)).under(tender.quantity.T)
    filled = more().under(tender.quantity[others].T) + inside().under(spread).times(tender.demand) - lost
    its_lots = np.flatnonzero(lots)
    if scope is not None and not scope.all():
        found, won = wins(tender, scope, "bidder")
        place = np.searchsorted(found.who, np.full(len(its_lots), bidder))
        spare = np.ones(len(its_lots))
        left = Family(f"{key} left", spare * 0, spare, spare < 0, always(f"if {name} defaults: a lot left, outside"))
        only = Rows.at_most(left() + won.rows(place), 1.0, always(f"{name} wins nothing there"))
        spread_left = sparse.csr_array((spare, (its_lots, np.arange(len(its_lots)))), shape=(len(lots), len(its_lots)))
        filled = filled + replace(left, links=(only,))().under(spread_left).times(tender.demand)
    links = [
        Rows(
            filled.rows(its_lots),
            np.zeros(len(its_lots)),
            np.zeros(len(its_lots)),
            lambda i: f"if {name} defaults: lot {tender.lot_names[its_lots[i]]} is filled again",
        ),
        Rows.at_most(
            kept(tender).rows(where) + inside(), 1.0, lambda i: f"if {name} defaults: no lot more than once in-house"
        ),
    ]
    solid = np.flatnonzero(whole)
    accepted = accept(tender, others)
    if len(solid) < n:
        loose = np.flatnonzero(~whole)
        smallest = np.maximum(tender.min_fraction[others[loose]], 1e-6)
        again = Family(
            f"{key} accepts",
            np.zeros(len(loose)),
            np.ones(len(loose)),
            np.ones(len(loose), dtype=bool),
            lambda i: f"if {name} defaults: any of bid {tender.bid_names[others[loose[i]]]}",
        )
        links += [
            Rows.at_most(grown.rows(loose) - again(), 0.0, lambda i: f"if {name} defaults: a part needs acceptance"),
            Rows.at_least(
                grown.rows(loose) - again().times(smallest), 0.0, lambda i: f"if {name} defaults: the least part"
            ),
            Rows.at_least(again() - accepted.rows(loose), 0.0, lambda i: f"if {name} defaults: contracts stay"),
        ]
        flags = sparse.csr_array((np.ones(len(loose)), (loose, np.arange(len(loose)))), shape=(n, len(loose)))
        keep = sparse.csr_array(sparse.diags_array(whole.astype(float), format="csr"))
        after = grown.under(keep) + again().under(flags)
    else:
        after = grown
    links.append(
        Rows.at_most(after, 1.0, lambda i: f"if {name} defaults: bid {tender.bid_names[others[i]]} at most once")
    )
    groups = tender.xor_group
    everyone = accept(tender)
    change = sparse.csr_array((ones, (others, np.arange(n))), shape=(len(own), n))
    final = everyone + (after - accepted).under(change)
    shared = [np.flatnonzero((groups == g) & ~own) for g in np.unique(groups[groups >= 0])]
    shared = [members for members in shared if len(members) > 1]
    if shared:
        table = sparse.csr_array(np.array([np.isin(np.arange(len(own)), members) for members in shared], dtype=float))
        links.append(
            Rows.at_most(final.under(table), 1.0, lambda i: f"if {name} defaults: exclusive bids stay exclusive")
        )
    more = Family(more.key, more.lower, more.upper, more.integer, more.label, tuple(links))
    price = more().under(tender.price[others].astype(float)) + inside().under(np.nan_to_num(tender.in_house)[where])
    fixed = (after - accepted).under(tender.fixed[others].astype(float))
    return price + fixed - spend(tender).rows(np.array([bidder]))


def touching_lots(tender: Tender, bids: Mask) -> Mask:
    """Which lots these bids touch."""
    mask = np.zeros(len(tender.demand), dtype=bool)
    mask[tender.quantity[np.flatnonzero(bids)].indices] = True
    return mask


@_constraint
class Cover:
    """Lots of the scope may stay unawarded, each at a penalty.

    Args:
        lots: Which (None: all).
        penalty: Charge for each lot left unawarded.
    """

    lots: Filter = None
    penalty: float | None = None
    each: str | None = None

    def __post_init__(self) -> None:
        if self.penalty is None:
            raise ValueError("Cover: penalty= is missing; it is the charge for a lot left unawarded")

    def __call__(self, tender: Tender) -> Rows:
        """One row a lot: it is not left unawarded, or charged for."""
        lots = tender.scope(self.lots)
        rows = Rows.at_most(
            unawarded(tender).rows(np.flatnonzero(lots)),
            0.0,
            lambda i: f"Cover lot {tender.lot_names[lots][i]}",
            unit="lot",
            relax=np.ones(int(lots.sum())),
        )
        return replace(rows, penalty=self.penalty)

    def remedy(self, change: float) -> str:
        """Never needed: a charge can always be paid."""
        return "raise nothing: Cover is never in the way"


CATALOGUE = (
    Budget,
    MinQuality,
    AttributeBound,
    MaxShare,
    MinShare,
    MaxLots,
    MinWinners,
    MaxWinners,
    MaxHHI,
    MinAward,
    Capacity,
    Separate,
    Together,
    KeepIncumbents,
    Exclude,
    Require,
    Resilient,
    Cover,
)
