"""The command line as a tender designer meets it: what it prints, what it writes, how it leaves."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import procure_opt as po
from procure_opt import cli, printing

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
        out, err = Console(width=200), Console(stderr=True, soft_wrap=True, width=200)
        for module in (printing, cli):
            monkeypatch.setattr(module, "out", out)
            monkeypatch.setattr(module, "err", err)
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


def test_an_award_that_can_be_contested_is_written(tmp_path: Path, call: Call) -> None:
    at = folder(tmp_path)
    code, out, _ = call("award", at, "--out", tmp_path, "--contest", tmp_path / "contest")
    assert code == 0
    digest = out.rsplit(": ", 1)[1].strip()
    rules = po.announce(po.Policy(), po.read_tender(at)).hash
    program, file = (str(tmp_path / "contest" / name) for name in ("verify_award.py", "award.json"))
    run = subprocess.run(
        [sys.executable, "-I", program, file, rules, digest], check=False, capture_output=True, encoding="utf-8"
    )
    assert (run.returncode, run.stdout) == (0, "Everything is verified.\n")
    code, _, err = call("award", at, "--out", tmp_path, "--contest", tmp_path / "no", "--pay", "vcg", "--by", "owner")
    assert code == 2
    assert "by bidder" in err
    assert not (tmp_path / "no").exists()


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


def test_transaction_costs_are_told_apart_from_prices(tmp_path: Path, call: Call) -> None:
    code, out, _ = call("award", folder(tmp_path, policy="ledger = {per_contract = 7}\n"), "--out", tmp_path / "out")
    assert code == 0
    assert "Transaction costs" in out and "per_contract" in out and "│ at" in out


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


PAST = Path(__file__).parents[1] / "examples" / "03_fair_price" / "bids.csv"


def test_costs_are_estimated_from_a_file(tmp_path: Path, call: Call) -> None:
    code, out, err = call(
        "estimate", PAST, "--covariates", "log(hectares)", "--bidders", 5, "--replications", 20, "--outside", 300,
        "--csv", tmp_path / "costs.csv",
    )  # fmt: skip
    assert (code, err) == (0, "")
    for words in ("2,130 bids of 8 bidders in 400 auctions", "Fair price", "competitive tenders with 5 bidders",
                  "costs look private", "Reserve of least outlay", "coefficient of log(hectares)"):  # fmt: skip
        assert words in out
    written = rows(tmp_path / "costs.csv")
    assert all(float(row["cost"]) < float(row["bid"]) for row in written)
    assert {"auction", "bidder", "bid", "cost", "markup", "row"} <= set(written[0])


def test_a_fair_price_is_asked_for_another_park(tmp_path: Path, call: Call) -> None:
    common = ("estimate", PAST, "--covariates", "log(hectares)", "--bidders", 5, "--replications", 0)
    code, out, _ = call(*common, "--at", "hectares=1", "--outside", 1)
    assert code == 0 and "(hectares 1.0)" in out
    assert "No reserve: outside_cost" in out
    assert "write name=value" in call(*common, "--at", "hectares")[2]
    assert "no covariate" in call(*common, "--at", "area=1")[2]


def test_past_bids_are_screened_and_what_stands_out_is_asked(tmp_path: Path, call: Call) -> None:
    code, out, err = call("screen", PAST, "--out", tmp_path / "out", "--top", 3)
    assert (code, err) == (0, "")
    assert "? Cedar, Elder and Ginkgo meet more often" in out
    assert "Not looked at by R003" in out
    assert rows(tmp_path / "out" / "groups.csv")[0]["members"] == "Cedar, Elder, Ginkgo"
    assert len(rows(tmp_path / "out" / "screens.csv")) == 400


def test_releases_are_screened_for_red_flags(tmp_path: Path, call: Call) -> None:
    bid = '{{"status": "valid", "tenderers": [{{"id": "{}"}}], "value": {{"amount": {}, "currency": "EUR"}}}}'
    bids = ", ".join(bid.format(*each) for each in (("W", 1), ("L", 2), ("M", 2)))
    awards = '[{"status": "active", "suppliers": [{"id": "W"}]}]'
    release = f'{{"ocid": "A", "bids": {{"details": [{bids}]}}, "awards": {awards}}}'
    (tmp_path / "past.jsonl").write_text(release + "\n", encoding="utf-8")
    code, out, err = call("screen", tmp_path / "past.jsonl")
    assert (code, err) == (0, "")
    assert "R028, process: A" in out or "R028, lot: A" in out


@pytest.mark.parametrize(
    "text, words",
    [
        ('auction,bidder,bid\nA,P,"1,200"\nA,Q,90\n', ["past.csv, row 2, column 'bid'", "thousands separators"]),
        ("auction,bidder\nA,P\n", ["past.csv, row 1, column 'bid'", "the column is missing"]),
        ("auction,bidder,bid\nA,P,1\n,Q,2\n", ["row 3, column 'auction'", "blank"]),
        ("", ["the file is empty"]),
        ("auction,bidder,bid\nA,P,-1\n", ["no bid is left"]),
        ("auction,bidder,bid,winner\nA,P,1,1\nA,Q,2,1\n", ["row 3, column 'winner'", "another winner"]),
    ],
)
@pytest.mark.parametrize("command", ["estimate", "screen"])
def test_tables_of_past_bids_that_cannot_be(
    command: str, text: str, words: list[str], tmp_path: Path, call: Call
) -> None:
    (tmp_path / "past.csv").write_text(text, encoding="utf-8")
    code, _, err = call(command, tmp_path / "past.csv")
    assert code == 2
    for word in words:
        assert word in err


def test_what_two_bids_cannot_tell_is_said(tmp_path: Path, call: Call) -> None:
    (tmp_path / "past.csv").write_text("auction,bidder,bid\nA,P,1\nA,Q,2\n", encoding="utf-8")
    code, out, _ = call("screen", tmp_path / "past.csv")
    assert code == 0
    assert "Not looked at, pairs of bidders: no auction has three bids" in out
    assert "Not looked at, missing bids: no column reserve" in out
    code, _, err = call("estimate", tmp_path / "past.csv")
    assert code == 2 and "10" in err


def test_a_file_of_past_bids_that_is_not_there(tmp_path: Path, call: Call) -> None:
    assert "there is no such file" in call("estimate", tmp_path / "none.csv")[2]
    (tmp_path / "past.doc").write_text("x", encoding="utf-8")
    assert "give a file that ends in" in call("screen", tmp_path / "past.doc")[2]
