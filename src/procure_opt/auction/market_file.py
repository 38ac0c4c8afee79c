"""market.toml, as a tender designer would write it: who may bid, the rules to compare, and how."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from scipy import stats

from procure_opt.auction.distributions import Distribution
from procure_opt.auction.market import Market
from procure_opt.auction.rules import CATALOGUE
from procure_opt.cells import BadTable, Problem
from procure_opt.policy_file import Key, Toml

RULES: dict[str, Any] = {rule.__name__: rule for rule in CATALOGUE if "__call__" in vars(rule)}  # on prices alone
DISTRIBUTIONS = {name for name in dir(stats) if isinstance(getattr(stats, name), stats.rv_continuous)}
COMMON = ("uniform", "truncnorm", "beta", "weibull_min", "lognorm", "expon", "triang")
MARKET = ("in_house", "entry_cost", "entry", "risk_aversion", "absolute_risk_aversion", "correlation", "rings")
HOW = ("draws", "seed", "base", "value", "funds_cost", "evaluation_cost", "level")
MOST = 1e15  # money, or a shape: beyond it nothing is meant, and distributions give no numbers
BY_CLASS = ("rings", "preference", "advantage", "lead")


@dataclass(frozen=True)
class MarketFile:
    """A market, the rules by name, and the arguments of `compare` that the file sets."""

    market: Market
    rules: dict[str, Any]
    how: dict[str, Any] = field(default_factory=dict)


def read_market(path: str | Path) -> MarketFile:
    """The market and the rules of a file; see `parse_market`.

    Raises:
        BadTable: with every problem and the line it stands on.
        OSError: the file cannot be read.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "market.toml"
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadTable([Problem(file.name, None, None, "this is not a text in UTF-8")]) from None
    return parse_market(text, file.name)


def parse_market(text: str, file: str = "market.toml") -> MarketFile:
    """The market and the rules that a TOML text describes.

    Args:
        text: A `[[costs]]` for each class, with the `distribution` by its name in `scipy.stats`, its parameters
            (shapes, `loc`, `scale`) and the `count` of suppliers; the other arguments of `Market`; a `[[rule]]` for
            each rule, with its `kind`, its parameters and, if wanted, a `name`; `[compare]` with those of `compare`.
        file: How to call the text in problems.

    Raises:
        BadTable: with every problem and the line it stands on.

    >>> found = parse_market('''
    ... in_house = 130
    ... [[costs]]
    ... distribution = "uniform"
    ... loc = 80
    ... scale = 40
    ... count = 5
    ... [[rule]]
    ... kind = "FirstPrice"
    ... reserve = 110
    ... [compare]
    ... draws = 1000
    ... ''')
    >>> found.market.counts, found.rules, found.how
    ((5,), {'FirstPrice(reserve=110)': FirstPrice(reserve=110, preference={}, floor=None)}, {'draws': 1000})
    """
    problems: list[Problem] = []
    toml = Toml(text, file, problems.append)
    made = None if problems else _Reader(toml).market_file()
    if made is None or problems:
        raise BadTable(sorted(problems, key=lambda problem: problem.row or 0))
    return made


class _Reader:
    """What the file describes; what cannot be made is reported."""

    def __init__(self, toml: Toml):
        self.toml, self.data = toml, toml.data

    def market_file(self) -> MarketFile | None:
        known = (*MARKET, "costs", "rule", "compare")
        for name in self.data:
            if name not in known:
                self.toml.problem((name,), f"a market has no {name!r}{_hint(name, known)}")
        classes = [self.suppliers(table, key) for table, key in self.tables("costs", "class of suppliers")]
        rules = self.rules(len(classes))
        how = self.how()
        arguments = {name: self.data[name] for name in MARKET if name in self.data}
        if "rings" in arguments:
            arguments["rings"] = self.by_class("rings", arguments["rings"], ("rings",), len(classes))
        if any(each is None for each in classes) or any(value is None for value in arguments.values()):
            return None
        try:
            return MarketFile(Market(classes, **arguments), rules, how)
        except (ValueError, TypeError) as wrong:
            self.toml.problem(tuple([name for name in arguments if name in str(wrong)][:1]), str(wrong))
            return None

    def tables(self, name: str, what: str) -> list[tuple[dict[str, Any], Key]]:
        value = self.data.get(name, [])
        if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
            self.toml.problem((name,), f"write [[{name}]], with two brackets, for each {what}; one is needed at least")
            return []
        return [(each, (name, i)) for i, each in enumerate(value)]

    def suppliers(self, table: dict[str, Any], key: Key) -> tuple[Distribution, int] | None:
        """A class of suppliers."""
        parameters = {name: value for name, value in table.items() if name not in ("distribution", "count")}
        name = table.get("distribution")
        if not isinstance(name, str) or name not in DISTRIBUTIONS:
            close = difflib.get_close_matches(str(name), sorted(DISTRIBUTIONS), n=1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            told = "distribution is missing" if name is None else f"scipy.stats has no continuous distribution {name!r}"
            self.toml.problem(
                (*key, "distribution"), f"{told}; {meant}it may be {', '.join(COMMON)} or any other there"
            )
            return None
        distribution = getattr(stats, name)
        shapes = [each.strip() for each in (distribution.shapes or "").split(",") if each.strip()]
        known, right = (*shapes, "loc", "scale"), True
        for each, value in parameters.items():
            if each not in known:
                self.toml.problem((*key, each), f"{name} has no parameter {each!r}{_hint(each, known)}")
                right = False
            elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST:
                self.toml.problem((*key, each), f"{each} is {value!r}; it must be a number from {-MOST:g} to {MOST:g}")
                right = False
        for each in shapes:
            if each not in parameters:
                self.toml.problem(key, f"{name} needs {each!r}, which is missing; it has {', '.join(known)}")
                right = False
        count = table.get("count")
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            told = "is missing" if count is None else f"is {count!r}"
            self.toml.problem((*key, "count"), f"count {told}; it must be a whole number of at least 1")
            right = False
        if not right or count is None:
            return None
        made = distribution(**parameters)
        if not made.support()[0] < made.support()[1]:
            given = ", ".join(f"{each} = {value}" for each, value in parameters.items())
            self.toml.problem(key, f"{name} with {given} is no distribution; scale, for one, must be above 0")
            return None
        return made, count

    def rules(self, classes: int) -> dict[str, Any]:
        """The rules by their name, or by what sets them apart."""
        named: dict[str, Any] = {}
        for table, key in self.tables("rule", "bidding rule"):
            kind = table.get("kind")
            if not isinstance(kind, str) or kind not in RULES:
                told = "kind is missing" if kind is None else f"there is no rule {kind!r} in a file"
                self.toml.problem((*key, "kind"), f"{told}{_hint(kind, RULES)}")
                continue
            cls, right = RULES[kind], True
            known = {each.name: each for each in fields(cls)}
            arguments = {name: value for name, value in table.items() if name not in ("kind", "name")}
            for name, value in arguments.items():
                if name not in known:
                    self.toml.problem((*key, name), f"{kind} has no {name!r}{_hint(name, (*known, 'name'))}")
                    right = False
                elif name in BY_CLASS or (name == "reserve" and isinstance(value, dict)):
                    arguments[name] = self.by_class(name, value, (*key, name), classes)
                    right = right and arguments[name] is not None
                elif isinstance(value, bool) is not isinstance(known[name].default, bool) or not isinstance(
                    value, int | float
                ):
                    wanted = "true or false" if isinstance(known[name].default, bool) else "a number"
                    self.toml.problem((*key, name), f"{name} is {value!r}; it must be {wanted}")
                    right = False
            if not right:
                continue
            try:
                rule = cls(**arguments)
            except (ValueError, TypeError) as wrong:
                self.toml.problem((*key, *[name for name in arguments if name in str(wrong)][:1]), str(wrong))
                continue
            told = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
            name = table.get("name", f"{kind}({told})")
            if not isinstance(name, str) or not name.strip():
                self.toml.problem((*key, "name"), f"name is {name!r}; it must be a text, and not blank")
                continue
            if name in named:
                self.toml.problem((*key, "name"), f"there are two rules {name!r}; give each a name of its own")
            named[name] = rule
        return named

    def by_class(self, name: str, value: Any, key: Key, classes: int) -> dict[int, Any] | None:
        """Figures by class: keys of TOML are texts, and must be numbers of classes."""
        right = {str(number): number for number in range(classes)}
        if (
            not isinstance(value, dict)
            or not all(each in right for each in value)
            or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in value.values())
        ):
            self.toml.problem(
                key, f"{name} is {value!r}; it must be figures by class, as {{0 = 1}}; classes are 0 to {classes - 1}"
            )
            return None
        return {right[each]: figure for each, figure in value.items()}

    def how(self) -> dict[str, Any]:
        """Arguments of `compare`."""
        table = self.data.get("compare", {})
        if not isinstance(table, dict):
            self.toml.problem(("compare",), "write [compare], with one bracket")
            return {}
        for name, value in table.items():
            wanted: Any = str | int if name == "base" else int if name in ("draws", "seed") else int | float
            if name not in HOW:
                self.toml.problem(("compare", name), f"compare has no {name!r}{_hint(name, HOW)}")
            elif isinstance(value, bool) or not isinstance(value, wanted):
                right = "the name of a rule" if name == "base" else "a number"
                self.toml.problem(("compare", name), f"{name} is {value!r}; it must be {right}")
        return dict(table)


def _hint(name: Any, known: Iterable[str]) -> str:
    names = list(known)
    lower = {one.lower(): one for one in names}
    close = difflib.get_close_matches(str(name).lower(), lower, n=1)
    meant = f"did you mean {lower[close[0]]!r}? It" if close else "it"
    return f"; {meant} may be {', '.join(names)}"
