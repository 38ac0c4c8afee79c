"""How the benchmarks measure, and where they write: each replaces its own section of RESULTS.md and nothing else."""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from procure_opt.files import replacing

RESULTS = Path(__file__).parent / "RESULTS.md"
PACKAGES = ("highspy", "numpy", "scipy", "pandas", "pyscipopt")
LONG = 30.0  # seconds; what takes longer is run less often: as often as fits into `runs` times this
TITLE = """# Results

Each section is written by the script it names, with `--write`, and can be run again without the others. What is
compared is measured in turn in the same run, so that a busy machine slows all alike: look at the ratios.
"""

# Called once to get ready, which is not timed; what it returns is called, and that is.
Action = Callable[[], Callable[[], Any]]


class Timed(NamedTuple):
    """Median seconds, of the clock and of all processors together, and what the first run returned."""

    seconds: float
    cpu: float
    runs: int
    result: Any


def in_turn(actions: Mapping[str, Action], runs: int) -> dict[str, Timed]:
    """Run all actions in turn, `runs` times each, those over `LONG` seconds less often."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    first: dict[str, Any] = {}
    for turn in range(runs):
        for name, ready in actions.items():
            if turn and sum(seconds for seconds, _ in taken[name]) * (turn + 1) / turn > runs * LONG:
                continue
            run = ready()
            cpu, start = time.process_time(), time.perf_counter()
            result = run()
            taken[name].append((time.perf_counter() - start, time.process_time() - cpu))
            first.setdefault(name, result)
    middle = {name: [statistics.median(times) for times in zip(*taken[name])] for name in actions}
    return {name: Timed(middle[name][0], middle[name][1], len(taken[name]), first[name]) for name in actions}


def options(text: str | None, names: str, **more: tuple[type, Any, str]) -> Any:
    """What the command line says: names of instances, --runs, --write, and more options (type, default, help)."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--runs", type=int, default=5, help="times each is run, the median counts (%(default)s)")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    for name, (kind, default, told) in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=f"{told} (%(default)s)")
    chosen = parser.parse_args()
    if chosen.runs < 1:
        parser.error("--runs must be at least 1")
    return chosen


def machine(*also: str) -> str:
    """Versions and machine, in a sentence."""
    made = [f"Python {platform.python_version()}"]
    for name in (*PACKAGES, *also):
        try:
            made.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            made.append(f"no {name}")
    return f"{', '.join(made)}; {os.cpu_count()} cores, {platform.machine()}, {platform.system()}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left."""
    lines = [" | ".join(head), "|".join(["---", *["---:"] * (len(head) - 1)]), *(" | ".join(row) for row in rows)]
    return "\n".join(f"|{line}|" if line.startswith("---") else f"| {line} |" for line in lines)


def brief(seconds: float) -> str:
    """Seconds with three digits or so."""
    if math.isnan(seconds):
        return "–"
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.1f}" if seconds >= 10 else f"{seconds:.3g}"


def write(section: str, text: str, path: Path | None = None) -> None:
    """Put a text between the markers of a section, or with them at the end where there are none yet."""
    path = path or RESULTS
    start, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    before, after = path.read_text(encoding="utf-8") if path.exists() else TITLE, ""
    if start in before:
        before, _, rest = before.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"{path} has {start} but not {end} after it")
    after = after.strip("\n")
    body = f"{before.rstrip()}\n\n{start}\n{text.strip()}\n{end}\n" + (f"\n{after}\n" if after else "")
    with replacing(path) as beside:
        beside.write_text(body, encoding="utf-8")
