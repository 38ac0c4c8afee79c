"""The site says what the library does: commands as printed, every name documented, every table from its catalogue."""

from __future__ import annotations

import builtins
import doctest
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

import procure_opt as po
from procure_opt import abnormal, constraints, payments, policy, scoring
from procure_opt.auction import rules
from procure_opt.auction.estimate import METHODS
from procure_opt.auction.flags import FLAGS
from procure_opt.auction.screens import SCREENS
from procure_opt.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
PRINTED = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PACKAGES = {"procure_opt": po, "procure_opt.auction": po.auction, "procure_opt.governance": po.governance}

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
NAME = re.compile(r"\[`(po(?:\.\w+)+)`\]\(([^)\s]+)\)")
LISTED = re.compile(r"```\{reference\} (\S+)\n(.*?)```", re.DOTALL)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# ---- the tutorial -----------------------------------------------------------------------------------------


class Command(NamedTuple):
    """A command of a page, what it prints, and the exit code it ends with."""

    line: str
    printed: str
    code: int


def commands(page: Path) -> list[Command]:
    """The commands of the `console` blocks of a page, in their order."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", text(page), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, printed = part.partition("\n")
            ends = re.search(r"# ends with exit code (\d+)$", line)
            found.append(Command(line, printed, int(ends[1]) if ends else 0))
    return found


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="the tutorial's commands are those of a shell")
def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    shell = tmp_path / ".venv/bin"
    shell.mkdir(parents=True)
    (shell / "activate").write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n', encoding="utf-8")
    for folder in ("docs", "examples", "src"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    written = commands(DOCS / "tutorial.md")
    done = "\x1e"
    run = subprocess.run(
        ["/bin/bash"],
        input="".join(f"{each.line}\necho {done}$?\n" for each in written),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "100", "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error"},
        timeout=600,
    )
    parts = re.split(rf"{done}(\d+)\n", run.stdout)
    assert len(parts) == 2 * len(written) + 1, run.stdout
    checker = doctest.OutputChecker()
    for each, printed, code in zip(written, parts[::2], parts[1::2], strict=False):
        assert int(code) == each.code, f"$ {each.line}\n{printed}"
        assert checker.check_output(each.printed, printed, PRINTED), f"$ {each.line}\n{printed}"


# ---- the reference ----------------------------------------------------------------------------------------


def public() -> Iterator[tuple[str, str, Any]]:
    """Package, name and value of all that is public."""
    for package, module in PACKAGES.items():
        yield from ((package, name, getattr(module, name)) for name in module.__all__)


EVERY = [each for each in public() if not inspect.ismodule(each[2])]
NAMED = [pytest.param(*each, id=f"{each[0]}.{each[1]}") for each in EVERY]
EXPLAINED = [each for each in NAMED if inspect.isclass(each.values[2]) or inspect.isfunction(each.values[2])]


def on_pages() -> list[tuple[str, str, Path]]:
    """Package and name of all that reference pages list, and the page."""
    pages = ((page, found) for page in PAGES for found in LISTED.findall(text(page)))
    return [(package, name, page) for page, (package, names) in pages for name in names.split()]


def test_every_public_name_is_in_the_reference_once() -> None:
    assert sorted((package, name) for package, name, _ in on_pages()) == sorted(each[:2] for each in EVERY)


def section(doc: str, title: str) -> dict[str, str]:
    """The entries of a section of a docstring: what stands before the colon, and after it."""
    found = re.search(rf"^{title}:\n((?:    .*\n|\n)+)", doc + "\n", re.MULTILINE)
    entries = re.findall(r"^    (\S[^:]*): ?(.*)", found[1], re.MULTILINE) if found else []
    return dict(entries)


@pytest.mark.parametrize("package, name, value", EXPLAINED)
def test_a_docstring_speaks_of_what_is_there(package: str, name: str, value: Any) -> None:
    doc = inspect.getdoc(value)
    assert doc
    parameters = set(inspect.signature(value).parameters)
    told = {each.strip("*` ") for entry in section(doc, "Args") for each in entry.split(",")}
    assert told <= parameters, f"{name} has no parameter {', '.join(sorted(told - parameters))}"
    for error in ", ".join(section(doc, "Raises")).split(", "):
        kind = getattr(builtins, error, None) or getattr(po, error, None) or getattr(po.auction, error, None)
        assert not error or (inspect.isclass(kind) and issubclass(kind, Exception)), f"{name} raises {error}?"


SESSIONS = "\n".join(line for page in (ROOT / "README.md", *PAGES) for line in text(page).splitlines()
                     if line.startswith((">>> ", "... ")))  # fmt: skip


def example(name: str, value: Any) -> bool:
    """Whether there is one, in its docstring or in a session of a page."""
    return ">>> " in (value.__doc__ or "") or re.search(rf"\b{name}\b", SESSIONS) is not None


def returned() -> set[str]:
    """Classes that a function with an example returns, which shows them."""
    hints = (inspect.signature(value).return_annotation for _, name, value in EVERY
             if inspect.isfunction(value) and example(name, value))  # fmt: skip
    return {name for hint in hints for name in re.findall(r"\w+", str(hint))}


# What there is no example of, and why.
WITHOUT = {
    "OutOfTime": "what comes of a limit depends on the machine",
    "NotConverged": "every rule that is solved converges",
    "Ratings": "a method of Performance returns it; docs/governance.md has one",
    "ScoreEquilibrium": "equilibrium returns it without saying so in its annotation; docs/equilibrium.md has one",
}


@pytest.mark.parametrize("package, name, value", EXPLAINED)
def test_everything_public_is_shown_at_work(package: str, name: str, value: Any) -> None:
    assert (example(name, value) or name in returned()) != (name in WITHOUT)


def catalogues() -> Any:
    """docs/catalogues.py, which makes the tables of the reference."""
    spec = importlib.util.spec_from_file_location("catalogues", DOCS / "catalogues.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ENTRIES: dict[str, list[str]] = {
    "constraints": [each.__name__ for each in constraints.CATALOGUE],
    "objectives": [each.__name__ for each in policy.OBJECTIVES],
    "tie-breaks": [each.__name__ for each in policy.TIE_BREAKS],
    "scoring": [each.__name__ for each in scoring.CATALOGUE],
    "published": list(scoring.PUBLISHED),
    "low bids": [each.__name__ for each in abnormal.TESTS],
    "payments": list(payments.CATALOGUE),
    "rules": [each.__name__ for each in rules.CATALOGUE],
    "estimators": list(METHODS),
    "screens": [each.name for each in SCREENS],
    "flags": [each.code for each in FLAGS],
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_catalogue_is_a_table_with_a_row_for_each_entry(name: str) -> None:
    """Each entry is named in the first cell of its row, and no cell that says something of it is blank."""
    _, _, *rows = catalogues().TABLES[name]().splitlines()
    cells = [re.split(r"(?<!\\) \| ", row.removeprefix("| ").removesuffix(" |")) for row in rows]
    assert len(rows) == len(ENTRIES[name])
    assert all(entry in first for entry, (first, *_) in zip(ENTRIES[name], cells, strict=True))
    assert all(second.strip() for _, second, *_ in cells)


def test_every_option_of_the_command_line_is_told() -> None:
    told = catalogues().TABLES["commands"]()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        section = re.search(rf"^## procure-opt {name}\n(.*?)(?=^## |\Z)", told, re.DOTALL | re.MULTILINE)
        assert section is not None
        options = [each.opts[0] for each in command.params if each.param_type_name == "option" and each.name != "help"]
        assert re.findall(r"^\| `(--[\w-]+)", section[1], re.MULTILINE) == options


def test_every_table_stands_on_a_page() -> None:
    marks = [mark for page in PAGES for mark in re.findall(r"```\{catalogue\} (.+)\n```", text(page))]
    assert sorted(marks) == sorted(catalogues().TABLES)
    assert set(marks) == {*ENTRIES, "commands"}


# ---- links, the table of problems, examples ---------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_formulas_are_plain_text(page: Path) -> None:
    """What sets formulas would be loaded from elsewhere."""
    assert not re.search(r"\$\$|\\(?:sum|frac|int|ge|le)\b", text(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for _, target in LINK.findall(text(page)):
        if not target.startswith(("http", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_linked_name_stands_on_the_page_it_is_linked_to(page: Path) -> None:
    listed = {(f"{package}.{name}".replace("procure_opt", "po", 1), place) for package, name, place in on_pages()}
    for name, target in NAME.findall(text(page)):
        assert (name, (page.parent / target).resolve()) in listed, f"{name} is not on {target}"


ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in text(DOCS / "problems.md").splitlines()
    if line.startswith("| ") and not line.startswith(("| problem |", "|---"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_problem_is_computed_and_shown_where_the_table_says(row: list[str]) -> None:
    """Each page of the last column speaks of a name of the row; an example, in what it runs or reads."""
    _, whom, computes, where = row
    assert set(whom.split(", ")) <= {"government", "suppliers", "third party", "public"}
    names = [name.rsplit(".", maxsplit=1)[-1] for name, _ in NAME.findall(computes)]
    names += re.findall(r"`procure-opt (\w+)`", computes)
    assert names and LINK.findall(where)
    for _, target in LINK.findall(where):
        page = DOCS / target
        folder = ROOT / "examples" / page.stem
        files = [*folder.glob("*.py"), *folder.glob("*.toml")] if page.parent.name == "examples" else [page]
        said = "\n".join(map(text, files))
        assert any(re.search(rf"\b{name}\b", said) for name in names), f"{target} shows none of {', '.join(names)}"


def test_every_example_is_a_page_and_every_page_is_in_the_contents() -> None:
    folders = {path.parent.name for path in (ROOT / "examples").glob("*/README.md")}
    assert {page.stem for page in (DOCS / "examples").glob("*.md")} == folders
    contents = re.findall(r"```\{toctree\}\n(.*?)```", text(DOCS / "index.md"), re.DOTALL)
    listed = [line for block in contents for line in block.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted({page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES} - {"index"})
    for page in (DOCS / "examples").glob("*.md"):
        assert f"{{include}} ../../examples/{page.stem}/README.md" in text(page)


# ---- the built site ---------------------------------------------------------------------------------------


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the site is built by `make docs`, whose packages are not here")
    pytest.importorskip("furo", reason="the site is built by `make docs`, whose packages are not here")
    pytest.importorskip("myst_parser", reason="the site is built by `make docs`, whose packages are not here")
    built = tmp_path / "site"
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(built)],
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    assert run.returncode == 0 and run.stderr == "", run.stderr
    loads = re.compile(r"""<(?:script|img|iframe|link|source|video)\b[^>]*?(?:src|href)\s*=\s*["']?(?:https?:)?//""")
    pages = list(built.rglob("*.html"))
    assert len(pages) >= len(PAGES)
    for page in pages:
        assert loads.findall(text(page)) == [], page.name
    for sheet in built.rglob("*.css"):
        assert not re.search(r"""(?:@import|url\()\s*["']?(?:https?:)?//""", text(sheet)), sheet.name
    assert "vcg" in text(built / "searchindex.js")  # search is in a file beside the pages
    assert "{catalogue}" not in "".join(map(text, pages))
