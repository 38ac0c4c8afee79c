"""The site says what the library does: commands as printed, every name documented, every table from its catalogue."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PRINTED = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class Command(NamedTuple):
    """A command of a page, what it prints, and the exit code it ends with."""

    line: str
    printed: str
    code: int


def commands(page: Path) -> list[Command]:
    """The commands of the `console` blocks of a page, in their order."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, printed = part.partition("\n")
            ends = re.search(r"# ends with exit code (\d+)$", line)
            found.append(Command(line, printed, int(ends[1]) if ends else 0))
    return found


def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    bin_ = tmp_path / ".venv/bin"
    bin_.mkdir(parents=True)
    (bin_ / "activate").write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n', encoding="utf-8")
    for folder in ("docs", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    written = commands(DOCS / "tutorial.md")
    done = "\x1e"
    script = "".join(f"{each.line}\necho {done}$?\n" for each in written)
    run = subprocess.run(
        ["bash"],
        input=script,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "100", "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error"},
        timeout=300,
    )
    parts = re.split(rf"{done}(\d+)\n", run.stdout)
    assert len(parts) == 2 * len(written) + 1, run.stdout
    checker = doctest.OutputChecker()
    for each, printed, code in zip(written, parts[::2], parts[1::2], strict=False):
        assert int(code) == each.code, f"$ {each.line}\n{printed}"
        assert checker.check_output(each.printed, printed, PRINTED), f"$ {each.line}\n{printed}"
