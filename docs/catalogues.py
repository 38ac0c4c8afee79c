"""The catalogues as tables of the site, made when it is built: they cannot say anything but what the code does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sentence(value: object) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())


def named(value: Any) -> str:
    """A public class, linked to its docstring."""
    package = ".".join(value.__module__.split(".")[: 2 if ".auction." in value.__module__ else 1])
    return f"{{py:obj}}`{value.__name__} <{package}.{value.__name__}>`"


def yes(holds: object) -> str:
    return "yes" if holds else "–"


def _constraints() -> str:
    from procure_opt.check import TWINS
    from procure_opt.constraints import CATALOGUE

    return table(
        ["constraint", "says", "checked by a twin"],
        ([named(rule), sentence(rule), yes(rule.__name__ in TWINS)] for rule in CATALOGUE),
    )


def _policy(kind: str) -> str:
    from procure_opt import policy

    return table(["value", "says"], ([named(each), sentence(each)] for each in getattr(policy, kind)))


def _scoring() -> str:
    from procure_opt.scoring import CATALOGUE, PUBLISHED

    def laws(formula: type) -> str:
        def inside(value: Any) -> Any:
            return [type(value), *(inside(value.scoring) if hasattr(value, "scoring") else [])]

        return "; ".join(law for law, value in PUBLISHED.items() if formula in inside(value))

    return table(
        ["formula", "says", "law or practice"],
        ([named(formula), sentence(formula), laws(formula)] for formula in CATALOGUE),
    )


def _published() -> str:
    from procure_opt.scoring import PUBLISHED

    return table(
        ["law or practice", "formula", "claims"],
        ([law, f"`{written(value)}`", ", ".join(sorted(value.claims))]  # type: ignore[attr-defined]
         for law, value in PUBLISHED.items()),
    )  # fmt: skip


def written(value: Any) -> str:
    """A value as one would write it, without what is left at its default.

    >>> from procure_opt import LowestPrice, Qualified, RelativePrice
    >>> written(RelativePrice(0.4, floor=0.3)), written(Qualified(LowestPrice(), minimum=75))
    ('RelativePrice(0.4, floor=0.3)', 'Qualified(LowestPrice(), minimum=75)')
    """
    said = []
    for each in fields(value):
        given = getattr(value, each.name)
        text = written(given) if is_dataclass(given) else repr(given)
        if each.default is MISSING:
            said.append(text)
        elif given != each.default:
            said.append(f"{each.name}={text}")
    return f"{type(value).__name__}({', '.join(said)})"


def _low_bids() -> str:
    from procure_opt.abnormal import TESTS

    return table(["test", "says"], ([named(each), sentence(each)] for each in TESTS))


def _payments() -> str:
    from procure_opt.payments import CATALOGUE

    return table(
        ["name", "says", "truthful bids are best", "no coalition would do it for less", "source"],
        (
            [f"`{name}`", sentence(rule) + _reference(rule), yes(rule.truthful), yes(rule.in_core), cited(rule)]
            for name, rule in CATALOGUE.items()
        ),
    )


def cited(value: object) -> str:
    """Whom a docstring cites.

    >>> from procure_opt.payments import Core
    >>> cited(Core)
    'Day and Raghavan 2007, Day and Cramton 2012'
    """
    found = re.findall(r"([A-Z][a-z]+(?: and [A-Z][a-z]+)?)(?:'s)? \(?(\d{4})", inspect.getdoc(value) or "")
    return ", ".join(f"{who} {year}" for who, year in found) or "–"


def _reference(rule: Any) -> str:
    return f" Reference: {rule.reference}." if hasattr(rule, "reference") else ""


def _rules() -> str:
    from procure_opt.auction.equilibrium import SOLVERS
    from procure_opt.auction.rules import CATALOGUE

    return table(
        ["rule", "says", "equilibrium", "in a market file"],
        ([named(rule), sentence(rule), yes(rule in SOLVERS), yes("__call__" in vars(rule))] for rule in CATALOGUE),
    )


def _estimators() -> str:
    from procure_opt.auction.estimate import METHODS, Parting

    def row(name: str, how: Any) -> list[str]:
        if isinstance(how, Parting):
            return [f"`{name}`", "yes", "by what is an auction's own", f"{how.least} auctions", how.source]
        bids = "yes" if how.full_support else "trims both ends"
        return [f"`{name}`", bids, "yes" if how.increasing else "not everywhere", f"{how.least} bids", how.source]

    return table(
        ["method", "a cost for every bid", "a higher bid, a higher cost", "needs", "source"],
        (row(name, how) for name, how in METHODS.items()),
    )


def _screens() -> str:
    from procure_opt.auction.screens import DIRECTIONS, SCREENS

    arrow = {1: "up", -1: "down", 0: "–"}

    def moved(screen: Any, award: str) -> str:
        return "; ".join(
            f"{name} {arrow[signs[screen.name]]}"
            for name, signs in DIRECTIONS[award].items()
            if signs.get(screen.name)
        )

    return table(
        ["screen", "formula", "fewest bids", "collusion in first price moves it", "in average bids"],
        ([f"`{each.name}`", each.formula, each.least, moved(each, "first price"), moved(each, "average bid")]
         for each in SCREENS),
    )  # fmt: skip


def _flags() -> str:
    from procure_opt.auction.flags import FLAGS

    return table(["code", "name", "flagged if"], ([each.code, each.name, each.definition] for each in FLAGS))


def _commands() -> str:
    from typer.main import get_command

    from procure_opt.cli import app

    parts: list[str] = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        given = [each.metavar or each.name.upper() for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option" and each.name != "help"]
        rows = [
            [f"`{' '.join([*each.opts, *each.secondary_opts])}`", each.help or "", _default(each.default)]
            for each in options
        ]
        parts += [f"## procure-opt {name}", re.sub(r"(--\w+)", r"`\1`", " ".join((command.help or "").split()))]
        parts += [f"```sh\nprocure-opt {name} {' '.join(given)}\n```"]
        parts += [table(["option", "says", "left out"], rows)] if rows else []
    return "\n\n".join(parts)


def _default(value: Any) -> str:
    return "" if value is None or value == [] or value is False else f"`{value}`"


TABLES: Mapping[str, Callable[[], str]] = {
    "constraints": _constraints,
    "objectives": lambda: _policy("OBJECTIVES"),
    "tie-breaks": lambda: _policy("TIE_BREAKS"),
    "scoring": _scoring,
    "published": _published,
    "low bids": _low_bids,
    "payments": _payments,
    "rules": _rules,
    "estimators": _estimators,
    "screens": _screens,
    "flags": _flags,
    "commands": _commands,
}
