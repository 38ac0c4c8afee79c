"""The command line as a tender designer meets it: what it prints, what it writes, how it leaves."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import procure_opt as po
from procure_opt import cli

EXAMPLE = Path(__file__).parents[1] / "examples" / "01_quanzhou_park"
LOTS = "lot,estimate,in_house\nnorth,100,130\nsouth,80,110\n"
BIDS = "bid,bidder,lots,price\na,=cmd|calc,north,90\nb,Birch,north;south,150\nc,Cedar,south,75\n"


def folder(tmp_path: Path, lots: str = LOTS, bids: str = BIDS, policy: str | None = None) -> Path:
    (tmp_path / "lots.csv").write_text(lots, encoding="utf-8")
    (tmp_path / "bids.csv").write_text(bids, encoding="utf-8")
    if policy is not None:
        (tmp_path / "policy.toml").write_text(policy, encoding="utf-8")
    return tmp_path


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line: exit code and what was printed."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["procure-opt", *map(str, arguments)])
        monkeypatch.setattr(cli, "out", cli.Console(width=200))
        monkeypatch.setattr(cli, "err", cli.Console(stderr=True, soft_wrap=True, width=200))
        try:
            cli.main()
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return run


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_award_is_printed_and_written(tmp_path: Path, call: Call) -> None:
    policy = '[[constraint]]\nkind = "MaxShare"\nshare = 0.6\n'
    code, out, err = call("award", folder(tmp_path, policy=policy), "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    for words in (
        "optimal",
        "165.00",
        "=cmd|calc",
        "Cedar",
        "MaxShare",
        "15.00",
        "Checked by other code: nothing found",
    ):
        assert words in out
    written = rows(tmp_path / "out" / "award.csv")
    # A formula leaves as harmless text.
    assert [(row["bid"], row["bidder"], row["net"]) for row in written] == [
        ("a", "'=cmd|calc", "90"),
        ("c", "Cedar", "75"),
    ]
    assert (tmp_path / "out" / "winners.csv").exists()


def test_every_problem_is_listed_with_exit_code_2(tmp_path: Path, call: Call) -> None:
    bad = 'bid,bidder,lots,price\na,Alder,north,"1,000"\na,Birch,east,-5\nc,,south,¥75\n'
    code, out, err = call("award", folder(tmp_path, bids=bad))
    assert (code, out) == (2, "")
    for place in ("row 2, column 'price'", "row 3, column 'bid'", "row 3, column 'lots'", "row 3, column 'price'",
                  "row 4, column 'bidder'", "row 4, column 'price'"):  # fmt: skip
        assert f"bids.csv, {place}" in err
    assert len(err.splitlines()) == 6


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ('[[constraint]]\nkind = "MaxShares"\nshare = 0.4\n', ["policy.toml", "line 2", "MaxShare"]),
        ('[[constraint]]\nkind = "MaxLots"\nn = 1\nlots = {zone = "x"}\n', ["zone"]),
        ('[[constraint]]\nkind = "MaxLots"\nn = 1\nlots = ["west"]\n', ["west"]),
    ],
)
def test_a_policy_that_does_not_fit(policy: str, words: list[str], tmp_path: Path, call: Call) -> None:
    code, _, err = call("award", folder(tmp_path, policy=policy))
    assert code == 2
    assert all(word in err for word in words)


def test_no_award_is_explained(tmp_path: Path, call: Call) -> None:
    policy = '[[constraint]]\nkind = "Budget"\namount = 100\n'
    code, _, err = call("award", folder(tmp_path, policy=policy))
    assert code == 1
    assert "raise Budget to 150" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["award"], "Missing argument"),
        (["award", "no/such/folder"], "no/such/folder"),
        (["award", EXAMPLE, "--solver", "magic"], "magic"),
        (["award", EXAMPLE, "--gap", "2"], "gap is 2"),
        (["award", EXAMPLE, "--announced", "0123"], "not the rules announced"),
        (["award", EXAMPLE, "--policy", "no.toml"], "no.toml"),
        (["decide"], "decide"),
    ],
)
def test_wrong_calls(arguments: list[object], words: str, call: Call) -> None:
    code, _, err = call(*arguments)
    assert code == 2
    assert words in err


def test_announced_rules_are_the_ones_awarded_by(tmp_path: Path, call: Call) -> None:
    source = folder(tmp_path, policy='tie_break = {kind = "DrawLots", seed = 7}\n')
    code, out, _ = call("announce", source)
    assert code == 0
    fixed = out.split("Hash: ")[1].strip()
    assert fixed == po.announce(po.read_policy(source), po.read_tender(source)).hash
    lp = tmp_path / "x.lp"
    code, out, _ = call("award", source, "--announced", fixed, "--out", tmp_path / "out", "--lp", lp)
    assert code == 0
    assert "lot_north_is_filled" in lp.read_text(encoding="utf-8")


def test_as_installed(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "procure-opt"
    if not command.exists():
        pytest.skip("procure-opt is not installed beside this Python")
    done = subprocess.run(
        [command, "award", folder(tmp_path), "--solver", "CBC", "--out", tmp_path / "out"],
        capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "150.00" in done.stdout
