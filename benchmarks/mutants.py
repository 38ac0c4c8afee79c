"""Would the tests notice? Small faults put into `check.py`, `payments.py` and `scoring.py`, one at a time.

A mutant is the module with one fault: a comparison moved by its boundary or turned round, + for −, `and` for `or`, a
number one larger, True for False, a text changed, a statement left out, a value replaced by None, a condition that
always or never holds, min for max. Docstrings, annotations, imports and the texts of messages (f-strings) are left
alone. Of all mutants of a file a sample is drawn. Each is given to the tests that run the line it stands on, the
quickest first, until one fails: then it is killed. A mutant that takes far longer than the tests do counts as killed.

    python benchmarks/mutants.py check --sample 150 --seed 1
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import math
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "procure_opt"

# The tests that are about a file; a mutant that only others would notice counts as survived.
TESTS = {
    "check": ("check", "check_payments"),
    "payments": ("payments", "check_payments"),
    "scoring": ("scoring",),
}
PATIENCE = 20.0  # seconds a mutant has beyond five times what its tests take


# ---- the faults -------------------------------------------------------------------------------------------


class Mutant(NamedTuple):
    """A fault: which operator, at which line, and what it says there before and after."""

    kind: str
    line: int
    before: str
    after: str
    statement: tuple[int, int]  # the lines that count as run when it is
    put_in: Callable[[], None]  # into the tree it was found in

    def __str__(self) -> str:
        return f"{self.kind}, line {self.line}: {self.before} → {self.after}"


SWAPS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Div,), ast.Mod: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,), ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip
TWINS = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}


def faults(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """What may stand in a node's place, each with the name of the operator; None to leave a statement out."""
    match node:
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                for other in SWAPS[type(op)]:
                    yield "comparison", changed(node, ops=[*ops[:i], other(), *ops[i + 1 :]])
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in SWAPS:
            for other in SWAPS[type(op)]:
                yield "arithmetic", changed(node, op=other())
        case ast.BoolOp(op=op):
            yield "boolean", changed(node, op=SWAPS[type(op)][0]())
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield "negation", operand
        case ast.Constant(value=bool(value)):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield "constant", ast.Constant(value + 1)
        case ast.Constant(value=str(value)):
            yield "text", ast.Constant(f"XX{value}XX")
        case ast.Name(id=name) if name in TWINS:
            yield "min and max", changed(node, id=TWINS[name])
        case ast.Attribute(attr=name) if name in TWINS:
            yield "min and max", changed(node, attr=TWINS[name])
        case ast.Return(value=ast.expr()):
            yield "return", changed(node, value=ast.Constant(None))
        case ast.Assign() | ast.AnnAssign(value=ast.expr()):
            yield "assignment", changed(node, value=ast.Constant(None))
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()) | ast.Raise() | ast.Continue() | ast.Break():
            yield "statement", None
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield "condition", changed(node, test=ast.BoolOp(ast.And(), [test, ast.Constant(False)]))
            if not isinstance(node, ast.While):
                yield "condition", changed(node, test=ast.BoolOp(ast.Or(), [test, ast.Constant(True)]))


def changed(node: ast.AST, **fields: Any) -> ast.AST:
    """A copy of a node with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def mutants(tree: ast.Module) -> list[Mutant]:
    """Every mutant of a module."""
    found: list[Mutant] = []

    def visit(node: ast.AST, put: Callable[[ast.AST], None], lines: tuple[int, int]) -> None:
        for kind, other in () if untouched(node, "") else faults(node):
            after = "(left out)" if other is None else ast.unparse(other)
            into = partial(put, ast.Pass() if other is None else other)
            found.append(Mutant(kind, node.lineno, short(ast.unparse(node)), short(after), lines, into))  # type: ignore[attr-defined]
        for name, child in ast.iter_fields(node):
            if untouched(node, name):
                continue
            if isinstance(child, ast.AST):
                visit(child, partial(setattr, node, name), lines_of(child, lines))
            elif isinstance(child, list):
                for i, each in enumerate(child):
                    if isinstance(each, ast.AST) and not documentation(node, name, i, each):
                        visit(each, partial(child.__setitem__, i), lines_of(each, lines))

    visit(tree, lambda _: None, (0, 0))
    return found


def untouched(node: ast.AST, field: str) -> bool:
    """Parts that do nothing, or whose fault is no fault: annotations, texts of messages, checks of types alone."""
    checks_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    alias = isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) and not node.col_offset
    return (
        checks_types or alias or isinstance(node, ast.JoinedStr) or field in ("annotation", "returns", "decorator_list")
    )


def documentation(node: ast.AST, name: str, i: int, each: ast.AST) -> bool:
    """Whether a statement is a docstring."""
    return name == "body" and i == 0 and isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)


def lines_of(node: ast.AST, outer: tuple[int, int]) -> tuple[int, int]:
    """The lines of the innermost statement, of a compound one its head."""
    if not isinstance(node, ast.stmt):
        return outer
    body = getattr(node, "body", None)
    return node.lineno, max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno


def short(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 70 else line[:67] + "…"


# ---- running the tests ------------------------------------------------------------------------------------


class Mutated(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Finds one module, and loads the mutant in its place."""

    def __init__(self, module: str, tree: ast.Module):
        super().__init__(f"procure_opt.{module}", str(SOURCE / f"{module}.py"))
        self.tree = tree

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """Of that module alone."""
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, name: str) -> Any:
        """The mutant's."""
        return compile(ast.fix_missing_locations(self.tree), self.path, "exec")


class Watch:
    """A pytest plugin: which test runs which lines of a file, and how long it takes."""

    def __init__(self, coverage: Any):
        self.coverage, self.seconds = coverage, {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self.coverage.switch_context(nodeid)
        self.seconds[nodeid] = time.perf_counter()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """It ends."""
        self.seconds[nodeid] = time.perf_counter() - self.seconds[nodeid]
        self.coverage.switch_context("")


OPTIONS = (
    "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=plain", f"--rootdir={ROOT}",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # Hypothesis is imported before, to be there at once
)  # fmt: skip


def pytest_run(arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    """The tests, silent, failing examples of Hypothesis told as they are found."""
    import pytest
    from hypothesis import Phase, settings

    settings.register_profile(
        "plain", derandomize=True, deadline=None, database=None, phases=(Phase.explicit, Phase.generate)
    )
    sys.path.insert(0, str(ROOT / "src"))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return int(pytest.main([*OPTIONS, *arguments], plugins=list(plugins)))


@dataclass(frozen=True)
class Covered:
    """Which tests run each line of a file, and the seconds each takes."""

    by_line: dict[int, list[str]]
    seconds: dict[str, float]

    def tests(self, mutant: Mutant) -> list[str]:
        """The tests that run a mutant, the quickest first; of what runs at import, all."""
        first, last = mutant.statement
        found = {test for line in range(first, last + 1) for test in self.by_line.get(line, ())}
        if not found and not any(line in self.by_line for line in range(first, last + 1)):
            return []
        everything = {test for tests in self.by_line.values() for test in tests}
        return sorted(found - {""} or everything - {""}, key=lambda test: self.seconds[test])


def covered(module: str, store: Path) -> Covered:
    """Run the tests of a file once, in a child, and see."""
    if not store.exists():
        if not os.fork():
            from coverage import Coverage

            seen = Coverage(include=[str(SOURCE / f"{module}.py")], data_file=None)
            watch = Watch(seen)
            seen.start()
            files = [str(ROOT / "tests" / f"test_{name}.py") for name in TESTS[module]]
            failed = pytest_run([*files, str(SOURCE / f"{module}.py")], [watch])
            seen.stop()
            data = seen.get_data()
            lines = data.contexts_by_lineno(str(SOURCE / f"{module}.py"))
            if not failed:  # pytest's code of success is 0
                store.write_text(json.dumps({"by_line": lines, "seconds": watch.seconds}))
            os._exit(failed)
        if os.waitstatus_to_exitcode(os.wait()[1]):
            raise SystemExit(f"the tests of {module} fail without any fault: mend them first")
    read = json.loads(store.read_text())
    return Covered({int(line): tests for line, tests in read["by_line"].items()}, read["seconds"])


def outcome(module: str, tree: ast.Module, mutant: Mutant, tests: list[str], seconds: float) -> str:
    """Whether the tests kill a mutant, each batch in a child of its own: "killed", "too slow" or "survived"."""
    if not tests:
        return "survived (no test runs it)"
    child = os.fork()
    if not child:
        os.setsid()
        mutant.put_in()  # the child's own copy
        sys.meta_path.insert(0, Mutated(module, tree))
        code = 1
        try:
            importlib.import_module("procure_opt")  # before pytest does, which loads files it is given by its own ways
            code = pytest_run(tests)
        finally:
            os._exit(code)
    until = time.monotonic() + PATIENCE + 5 * seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "killed" if os.waitstatus_to_exitcode(status) else "survived"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "too slow"


# ---- what is told -----------------------------------------------------------------------------------------


def interval(hits: int, tries: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    >>> [round(end, 3) for end in interval(90, 100)]
    [0.826, 0.945]
    """
    share, room = hits / tries, z * z / tries
    middle = (share + room / 2) / (1 + room)
    half = z * math.sqrt(share * (1 - share) / tries + room / tries / 4) / (1 + room)
    return middle - half, middle + half


def told(module: str, every: int, found: dict[Mutant, str], seed: int) -> str:
    """The share killed, and the survivors."""
    dead = sum(not each.startswith("survived") for each in found.values())
    low, high = interval(dead, len(found))
    lines = [
        f"{module}.py: {dead} of {len(found)} killed, {100 * dead / len(found):.1f} % "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f}), of {every:,} mutants, seed {seed}"
    ]
    return "\n".join(
        [*lines, *(f"- {mutant} [{each}]" for mutant, each in found.items() if each.startswith("survived"))]
    )


def main() -> None:
    """Draw mutants of a file, run their tests, tell who survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=list(TESTS), help="%(default)s")
    parser.add_argument("--sample", type=int, default=150, help="mutants of each file (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", type=Path, default=Path("out"), help="folder of what covers what (%(default)s)")
    chosen = parser.parse_args()
    os.environ["CI"] = "1"
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "src"))
    for name in ("pytest", "hypothesis", "pandas", "scipy.optimize", "scipy.stats", "highspy", "pulp", "networkx"):
        importlib.import_module(name)  # once, before the children, which then start at once
    chosen.store.mkdir(parents=True, exist_ok=True)
    for module in chosen.modules:
        tree = ast.parse((SOURCE / f"{module}.py").read_text(encoding="utf-8"))
        every = mutants(tree)
        lines = covered(module, chosen.store / f"covered_{module}.json")
        drawn = random.Random(chosen.seed).sample(range(len(every)), min(chosen.sample, len(every)))
        found: dict[Mutant, str] = {}
        for number, mutant in enumerate(every[i] for i in drawn):  # as drawn: the first of them are a sample too
            tests = lines.tests(mutant)
            start = time.monotonic()
            found[mutant] = outcome(module, tree, mutant, tests, sum(lines.seconds[test] for test in tests))
            spent = time.monotonic() - start
            print(f"{number + 1:4} {spent:6.1f} s  {len(tests):4} tests  {found[mutant]:10} {mutant}", flush=True)
        print(told(module, len(every), found, chosen.seed), flush=True)


if __name__ == "__main__":
    main()
