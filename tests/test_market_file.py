"""market.toml: what it describes, and what is said where it is wrong; `procure-opt compare` on it."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from procure_opt.auction.compare import compare
from procure_opt.auction.market_file import parse_market, read_market
from procure_opt.auction.rules import AverageBid, FirstPrice, PricePoints, SecondPrice
from procure_opt.cells import BadTable
from test_cli import Call, call

__all__ = ["call"]

TEXT = """in_house = 130
rings = {0 = 2}
[[costs]]
distribution = "uniform"
loc = 80
scale = 40
count = 4
[[costs]]
distribution = "triang"
c = 0.5
loc = 80
scale = 40
count = 1
[[rule]]
kind = "SecondPrice"
reserve = {0 = 110, 1 = 120}
[[rule]]
name = "mean"
kind = "AverageBid"
[[rule]]
kind = "PricePoints"
weight = 30
lead = {1 = 2}
hidden = false
[compare]
draws = 500
seed = 3
"""


def test_what_a_file_describes() -> None:
    found = parse_market(TEXT)
    assert found.market.counts == (4, 1)
    assert (found.market.in_house, found.market.rings) == (130, {0: 2})
    assert found.market.classes[0][0].support() == (80, 120)
    assert found.market.classes[1][0].mean() == pytest.approx(100)
    assert list(found.rules.values()) == [SecondPrice({0: 110, 1: 120}), AverageBid(), PricePoints(30, {1: 2})]
    assert list(found.rules)[1] == "mean"
    assert found.how == {"draws": 500, "seed": 3}


@pytest.mark.parametrize(
    "old, new, told",
    [
        (
            "in_house = 130",
            "inhouse = 130",
            "line 1, key 'inhouse': a market has no 'inhouse'; did you mean 'in_house'?",
        ),
        ("in_house = 130", "in_house = nan", "line 1, key 'in_house': in_house is nan; it must be an amount"),
        ("{0 = 2}", "{2 = 2}", "line 2, key 'rings': rings is {'2': 2}; it must be figures by class"),
        ("{0 = 2}", "{0 = 5}", "a ring of 5 is larger than class 0, which has 4"),
        (
            '"uniform"',
            '"unifrom"',
            "line 4, key 'distribution': scipy.stats has no continuous distribution 'unifrom'; did",
        ),
        ('"uniform"', '"poisson"', "no continuous distribution 'poisson'"),
        ('distribution = "uniform"\n', "", "line 3, key 'distribution': distribution is missing"),
        ("c = 0.5\n", "", "line 8, key 'costs': triang needs 'c', which is missing; it has c, loc, scale"),
        ("c = 0.5", "d = 0.5", "line 10, key 'd': triang has no parameter 'd'; it may be c, loc, scale"),
        ("scale = 40\ncount = 4", "scale = -1\ncount = 4", "uniform with loc = 80, scale = -1 is no distribution"),
        ("scale = 40\ncount = 4", 'scale = "x"\ncount = 4', "line 6, key 'scale': scale is 'x'; it must be a number"),
        ("count = 4", "count = 0", "line 7, key 'count': count is 0; it must be a whole number of at least 1"),
        ("count = 4", "", "key 'count': count is missing"),
        (
            '"AverageBid"',
            '"MeanBid"',
            "line 19, key 'kind': there is no rule 'MeanBid' in a file; it may be FirstPrice",
        ),
        ('"AverageBid"', '"averagebid"', "did you mean 'AverageBid'?"),
        ('"AverageBid"', '"FirstScore"', "there is no rule 'FirstScore' in a file"),
        ("weight = 30", "wight = 30", "line 22, key 'wight': PricePoints has no 'wight'; did you mean 'weight'?"),
        (
            "weight = 30",
            "weight = -3",
            "line 22, key 'weight': PricePoints: weight is -3; it must be an amount above 0",
        ),
        ("weight = 30", "weight = true", "line 22, key 'weight': weight is True; it must be a number"),
        ("hidden = false", "hidden = 1", "line 24, key 'hidden': hidden is 1; it must be true or false"),
        ("lead = {1 = 2}", "lead = {5 = 2}", "line 23, key 'lead': lead is {'5': 2}; it must be figures by class"),
        ('name = "mean"', 'name = "SecondPrice(reserve={0: 110, 1: 120})"', "there are two rules"),
        ('name = "mean"', 'name = " "', "key 'name': name is ' '; it must be a text, and not blank"),
        ('name = "mean"', "name = [1]", "key 'name': name is [1]; it must be a text, and not blank"),
        ("scale = 40\ncount = 4", "scale = 1e300\ncount = 4", "scale is 1e+300; it must be a number from -1e+15 to"),
        ("draws = 500", "drawn = 500", "line 26, key 'drawn': compare has no 'drawn'; did you mean 'draws'?"),
        ("draws = 500", 'draws = "many"', "line 26, key 'draws': draws is 'many'; it must be a number"),
        ("[compare]", "[[compare]]", "write [compare], with one bracket"),
        ("loc = 80", "loc = ", "line 5: this is not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, told: str) -> None:
    assert old in TEXT
    with pytest.raises(BadTable, match=re.escape(told)):
        parse_market(TEXT.replace(old, new, 1))


def test_every_problem_is_listed() -> None:
    wrong = TEXT.replace("in_house", "inhouse").replace('"AverageBid"', '"MeanBid"').replace("draws", "drawn")
    with pytest.raises(BadTable) as problems:
        parse_market(wrong)
    assert [problem.row for problem in problems.value.problems] == [1, 19, 26]


@pytest.mark.parametrize("text, told", [("", "write [[costs]]"), ("[costs]\ncount = 1", "write [[costs]], with two")])
def test_classes_and_rules_are_needed(text: str, told: str) -> None:
    with pytest.raises(BadTable, match=re.escape(told)):
        parse_market(text)


def test_a_file_or_its_folder(tmp_path: Path) -> None:
    (tmp_path / "market.toml").write_text(TEXT, encoding="utf-8")
    assert read_market(tmp_path).rules == read_market(tmp_path / "market.toml").rules == parse_market(TEXT).rules
    (tmp_path / "market.toml").write_bytes(b"\xff")
    with pytest.raises(BadTable, match="not a text in UTF-8"):
        read_market(tmp_path)


SHORT = """[[costs]]
distribution = "uniform"
count = 3
[[rule]]
kind = "FirstPrice"
[[rule]]
kind = "SecondPrice"
[[rule]]
kind = "AverageBid"
discount = 0.1
[compare]
draws = 400
"""


def test_compare_is_printed_and_written(tmp_path: Path, call: Call) -> None:
    (tmp_path / "market.toml").write_text(SHORT, encoding="utf-8")
    code, out, err = call("compare", tmp_path / "market.toml", "--csv", tmp_path / "rules.csv", "--seed", 5)
    assert (code, err) == (0, "")
    for words in (
        "400 tenders drawn",
        "What it costs",
        "Who wins",
        "Outlay against FirstPrice()",
        "no common bid lasts",
    ):
        assert words in out
    written = pd.read_csv(tmp_path / "rules.csv", index_col="rule")
    market = parse_market(SHORT)
    exact = compare(market.rules, market.market, 400, 5)
    assert written["payment"].tolist() == pytest.approx(exact.table["payment"].tolist(), nan_ok=True)
    beside = pd.read_csv(tmp_path / "rules_differences.csv")
    assert beside["difference"].tolist() == pytest.approx(exact.differences["difference"].tolist(), nan_ok=True)
    assert "50 tenders drawn" in call("compare", tmp_path, "--draws", 50)[1]


def test_compare_plots_and_keeps_draws(tmp_path: Path, call: Call) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "market.toml").write_text(SHORT, encoding="utf-8")
    code, _, err = call("compare", tmp_path, "--plot", tmp_path / "a.png", "--checkpoint", tmp_path / "draws.jsonl")
    assert (code, err) == (0, "")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    code, _, err = call("compare", tmp_path, "--seed", 6, "--checkpoint", tmp_path / "draws.jsonl")
    assert code == 2
    assert "its seed is 0, and here it is 6" in err


def test_compare_says_what_is_wrong(tmp_path: Path, call: Call) -> None:
    assert call("compare", tmp_path)[0] == 2
    (tmp_path / "market.toml").write_text(SHORT.replace("uniform", "unifrom"), encoding="utf-8")
    code, _, err = call("compare", tmp_path)
    assert code == 2
    assert "market.toml, line 2, key 'distribution': scipy.stats has no continuous distribution 'unifrom'" in err


def test_rules_of_a_file_are_those_of_the_catalogue() -> None:
    assert isinstance(parse_market(SHORT).rules["FirstPrice()"], FirstPrice)
