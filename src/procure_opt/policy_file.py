"""policy.toml, as a tender designer would write it, into a Policy; every error names the line."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from procure_opt import constraints, policy, scoring
from procure_opt.cells import BadTable, Problem
from procure_opt.ledger import Ledger
from procure_opt.policy import Policy

Key = tuple[str | int, ...]
Found = Callable[[Problem], None]

CHOICES: Mapping[str, tuple[type[Any], ...]] = {
    "objective": policy.OBJECTIVES,
    "tie_break": policy.TIE_BREAKS,
    "constraint": constraints.CATALOGUE,
    "scoring": scoring.CATALOGUE,
}
PLAIN = ("quality_weights", "min_bidders", "few_bidders")
KEYS = ("objective", "tie_break", "ledger", *PLAIN, "constraint")


def parse_policy(text: str, file: str = "policy.toml") -> Policy:
    """The policy a TOML text describes.

    Args:
        text: `objective`, `tie_break` and each `[[constraint]]` a table whose `kind` is the name of a class and whose
            other keys are its arguments (or just the name: `objective = "LowestCost"`; `tie_break = "none"`);
            `ledger` a table of the arguments of `Ledger`; `quality_weights`, `min_bidders`, `few_bidders`.
        file: How to call the text in problems.

    Raises:
        BadTable: with every problem and the line it stands on.

    >>> parse_policy('''
    ... objective = {kind = "QualityAdjusted", value = 120}
    ... [[constraint]]
    ... kind = "MaxLots"
    ... n = 2
    ... lots = {category = "cleaning"}
    ... ''').constraints
    (MaxLots(n=2, per='bidder', lots={'category': 'cleaning'}, each=None, existing=None, penalty=None),)
    """
    problems: list[Problem] = []
    toml = Toml(text, file, problems.append)
    made = _Maker(toml).policy()
    if problems:
        raise BadTable(sorted(problems, key=lambda problem: problem.row or 0))
    return made


class Toml:
    """A TOML text, what it says (`.data`), and where it says it (`.problem` finds the line of a key)."""

    def __init__(self, text: str, file: str, found: Found):
        self.text, self.file, self.found = text, file, found
        self.data: dict[str, Any] = {}
        self._lines: dict[Key, int] | None = None
        try:
            self.data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            place = re.search(r"\(at line (\d+)", str(error))
            line = int(place[1]) if place else len(text.splitlines())
            reason = str(error).split(" (at ")[0]
            found(Problem(file, line, None, f"this is not TOML: {reason[:1].lower()}{reason[1:]}"))
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"
            found(Problem(file, None, None, f"this cannot be read: {reason}"))

    def problem(self, key: Key, reason: str) -> None:
        """Report a problem on the line of a key, or of the nearest table that holds it."""
        if self._lines is None:
            self._lines = _lines(self.text)
        known = key
        while known and known not in self._lines:
            known = known[:-1]
        names = [part for part in key if isinstance(part, str)]
        self.found(Problem(self.file, self._lines.get(known), names[-1] if names else None, reason))


def _lines(text: str) -> dict[Key, int]:
    """The line of every key of a valid TOML text: each statement, alone, is a TOML text too."""
    found: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    lines = text.splitlines()
    start = 0
    while start < len(lines):
        end, statement = start + 1, None
        while statement is None:
            try:
                statement = tomllib.loads("\n".join(lines[start:end]))
            except tomllib.TOMLDecodeError:
                end += 1
                if end > len(lines):
                    return found
        header = lines[start].strip()
        if header.startswith("["):
            table = ()
            for part in _only_path(statement):
                table += (part,)
                if table in counts and not (header.startswith("[[") and part == _only_path(statement)[-1]):
                    table += (counts[table] - 1,)
            if header.startswith("[["):
                counts[table] = counts.get(table, 0) + 1
                table += (counts[table] - 1,)
            found.setdefault(table, start + 1)
        else:
            _note(statement, table, start + 1, found)
        start = end
    return found


def _only_path(statement: dict[str, Any]) -> list[str]:
    """The keys of a header, `[a.b]` read alone as {"a": {"b": {}}}."""
    path: list[str] = []
    inside: Any = statement
    while inside and inside != [{}]:
        path.append(next(iter(inside)))
        inside = inside[path[-1]]
    return path


def _note(value: Any, key: Key, line: int, found: dict[Key, int]) -> None:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, inside in parts:
        found.setdefault((*key, part), line)
        _note(inside, (*key, part), line, found)


class _Maker:
    """Values of the catalogues from tables; what cannot be made is reported and becomes None."""

    def __init__(self, toml: Toml):
        self.toml = toml

    def policy(self) -> Policy:
        data, arguments = self.toml.data, dict[str, Any]()
        hints = get_type_hints(Policy)
        for name, value in data.items():
            if name not in KEYS:
                self.toml.problem((name,), f"a policy has no {name!r}{_hint(name, KEYS)}")
            elif name == "constraint":
                arguments["constraints"] = self.rules(value)
            elif name == "tie_break" and isinstance(value, str) and value.lower() == "none":
                arguments[name] = None
            elif name in CHOICES:
                arguments[name] = self.chosen(name, value, (name,))
            elif name == "ledger":
                arguments[name] = self.made(Ledger, value, (name,))
            elif self.fits(name, value, hints[name], (name,)):
                arguments[name] = value
        whole = {name: value for name, value in arguments.items() if value is not None or name == "tie_break"}
        try:
            return Policy(**whole)
        except (ValueError, TypeError) as error:
            self.toml.problem(tuple([name for name in arguments if name in str(error)][:1]), str(error))
            return Policy()

    def rules(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            self.toml.problem(("constraint",), "write [[constraint]] with two brackets: a policy may hold several")
            return []
        made = [self.chosen("constraint", rule, ("constraint", i)) for i, rule in enumerate(value)]
        return [rule for rule in made if rule is not None]

    def chosen(self, choice: str, value: Any, key: Key) -> Any:
        """A value of the catalogue, from a table with its kind or from the bare name of its kind."""
        classes = {cls.__name__: cls for cls in CHOICES[choice]}
        table = {"kind": value} if isinstance(value, str) else value
        if not isinstance(table, dict):
            self.toml.problem(key, f'{_shown(value)} is no {choice}; write {{kind = "{next(iter(classes))}", ...}}')
            return None
        kind = table.get("kind")
        if not isinstance(kind, str) or kind not in classes:
            what = "kind is missing" if kind is None else f"there is no {choice} {_shown(kind)}"
            self.toml.problem((*key, "kind"), f"{what}{_hint(kind, classes)}")
            return None
        return self.made(classes[kind], {name: inside for name, inside in table.items() if name != "kind"}, key)

    def made(self, cls: type[Any], table: Any, key: Key) -> Any:
        """An instance of a dataclass from a table of its arguments."""
        if not isinstance(table, dict):
            self.toml.problem(key, f"{_shown(table)} is no {cls.__name__}; write a table of its figures")
            return None
        hints, known, right = get_type_hints(cls), {field.name: field for field in fields(cls) if field.init}, True
        arguments: dict[str, Any] = {}
        for name, value in table.items():
            if name not in known:
                self.toml.problem((*key, name), f"{cls.__name__} has no {name!r}{_hint(name, known)}")
                right = False
            elif name in CHOICES:
                arguments[name] = self.chosen(name, value, (*key, name))
                right = right and arguments[name] is not None
            else:
                arguments[name] = value
                right = self.fits(name, value, hints[name], (*key, name)) and right
        for name, field in known.items():
            if name not in table and field.default is MISSING and field.default_factory is MISSING:
                self.toml.problem(key, f"{cls.__name__} needs {name!r}, which is missing")
                right = False
        try:
            return cls(**arguments) if right else None
        except (ValueError, TypeError) as error:
            named = [name for name in table if re.search(rf"\b{re.escape(name)}\b", str(error))]
            self.toml.problem((*key, *named[:1]), str(error))
            return None

    def fits(self, name: str, value: Any, hint: Any, key: Key) -> bool:
        if _fits(value, hint):
            return True
        self.toml.problem(key, f"{name} is {_shown(value)}; it must be {' or '.join(dict.fromkeys(_words(hint)))}")
        return False


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) < 60 else f"{repr(value)[:57]}..."


def _hint(name: Any, known: Mapping[str, Any] | Sequence[str]) -> str:
    names = list(known)
    lower = {one.lower(): one for one in names}
    close = difflib.get_close_matches(str(name).lower(), lower, n=1)
    meant = f"did you mean {lower[close[0]]!r}? It" if close else "it"
    return f"; {meant} may be {', '.join(names)}"


def _fits(value: Any, hint: Any) -> bool:
    """Whether a TOML value may stand where a type is asked for; what TOML cannot say is left to the class itself."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inside)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bool):
        return isinstance(value, hint)
    if hint is types.NoneType:
        return value is None
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(_fits(one, inside[1]) for one in value.values())
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return isinstance(value, list) and all(_fits(one, inside[0]) for one in value)
    return True


def _words(hint: Any) -> list[str]:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return [words for one in inside if one is not types.NoneType for words in _words(one)]
    plain = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}
    if hint in plain:
        return [plain[hint]]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [f"a table{_of(inside[1])}"]
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return [f"a list{_of(inside[0])}"]
    return ["a value"]


def _of(hint: Any) -> str:
    return {float: " of numbers", int: " of whole numbers", str: " of texts"}.get(hint, "")
