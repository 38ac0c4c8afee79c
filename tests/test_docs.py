"""Every example runs as its README says: by itself, from any folder, without a warning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import procure_opt as po

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted([*ROOT.glob("examples/*/run.py"), *ROOT.glob("examples/*.py")])


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.relative_to(ROOT).as_posix())
def test_an_example_runs(script: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        check=False,
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(po.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"},
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert "nothing to report" in run.stdout  # po.check
    assert not list(tmp_path.iterdir())


def test_every_folder_of_the_examples_has_its_story() -> None:
    folders = [path for path in (ROOT / "examples").iterdir() if path.is_dir() and path.name[0].isdigit()]
    assert folders
    for folder in folders:
        assert (folder / "run.py").exists()
        assert "run.py" in (folder / "README.md").read_text(encoding="utf-8")
        assert folder.name in (ROOT / "README.md").read_text(encoding="utf-8")


def _rows(text: str, heading: str) -> list[dict[str, str]]:
    """The first table below a heading."""
    lines = [line for line in text.split(heading, 1)[1].split("\n## ", 1)[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row)) for row in cells[2:]]


def test_the_readme_says_of_speed_what_was_measured() -> None:
    said = _rows((ROOT / "README.md").read_text(encoding="utf-8"), "## Speed\n")
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    measured = {row["instance"]: row for row in _rows(results, "## Awarding\n")}
    assert len(said) >= 5
    for row in said:
        assert row == {name: measured[row["instance"]][name] for name in row}
