"""The benchmark scripts run: a tiny instance through each, its row, and a section put where it belongs. No times."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import procure_opt as po

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import auctions
import award
import contracts
import growth
import instances
import lock_in
import payments
import results
from cats import FAMILIES


def sourced() -> tuple[po.Tender, po.Policy]:
    """A sourcing tender under a cap."""
    return instances.capped(instances.Size(12, 5, 8), 0.4)


def auctioned() -> tuple[po.Tender, po.Policy]:
    """An auction of the CATS suite."""
    return instances.drawn("matching", 8, 20)


def test_instances_are_named_after_what_they_hold() -> None:
    tender, policy = instances.REGISTRY["sourcing-4000-cap5"]()
    assert len(tender.bids) == 4000
    assert policy == po.Policy([po.MaxShare(0.05)], tie_break=None)
    assert {f"{family}-128-2000" for family in FAMILIES} <= set(instances.REGISTRY)
    assert instances.chosen([], {"a": sourced, "b": sourced}, ["b", "c"]) == ["b"]
    with pytest.raises(SystemExit, match="there is no instance nowhere here; there are a, b"):
        instances.chosen(["nowhere"], {"a": sourced, "b": sourced})


@pytest.mark.parametrize("instance", [sourced, auctioned])
def test_awards(instance: instances.Instance) -> None:
    measured = award.measure("tiny", instance, 2, 60.0)
    found = {who: each.result for who, each in measured.timed.items()}
    assert {"award", "highs", "ties", "pulp"} <= set(found)
    assert ("scip" in found) == award.has_scip()
    assert all(each.proven for each in found.values())
    assert found["award"].objective == found["ties"].objective
    assert found["ties"].searched and not found["award"].searched
    assert len(measured.row) == len(award.HEAD)
    assert "## Awarding" in award.text([measured], 2, 60.0)


def test_what_ran_out_of_time_is_told_by_its_gap() -> None:
    proven = results.Timed(2.0, 2.0, 1, award.Outcome(100, 100, True))
    stopped = results.Timed(4.0, 4.0, 1, award.Outcome(102, 100, False))
    nothing = results.Timed(4.0, 4.0, 1, award.Outcome(float("inf"), 90, False))
    said = award.Measured("x", 1, 1, 0.1, {"award": proven, "highs": stopped, "scip": nothing, "ties": proven}, 4.0)
    assert (said.seconds("highs"), said.seconds("scip")) == ("> 4 (gap 0.02)", "> 4 (none found)")
    assert (said.compared("award", "highs"), said.compared("highs", "award")) == ("< 0.50", "> 2.00")
    assert (said.compared("highs", "scip"), said.compared("scip", "scip")) == ("–", "–")
    assert "geometric mean 0.50, largest 0.50 (x)" in award.summary([said])
    late = award.Measured("y", 1, 1, 0.1, {"award": stopped, "highs": stopped, "ties": stopped}, 4.0)
    assert (late.compared("award", "highs"), late.ties) == ("gap 1", "–")
    assert not award.summary([late])


@pytest.mark.parametrize("instance", [sourced, auctioned])
def test_payments(instance: instances.Instance) -> None:
    measured = payments.measure("tiny", instance, 2)
    assert measured.naive.result.all_of_them
    assert len(measured.vcg_row) == len(payments.VCG_HEAD)
    assert len(measured.core_row) == len(payments.CORE_HEAD)
    assert "## Payments" in payments.text([measured], 2, 120.0, 600.0)


def test_payments_without_patience_are_extrapolated() -> None:
    measured = payments.measure("tiny", sourced, 1, 0.0)
    assert len(measured.naive.result.amounts) == 1
    assert measured.factor == measured.naive.result.winners > 1
    assert measured.vcg_row[5] == f"1 of {measured.naive.result.winners}"
    assert measured.vcg_row[4].startswith("~ ")


def test_core_payments_that_take_too_long_are_stopped() -> None:
    decided = po.award(*sourced())
    found = payments.cored(decided, 60.0)()
    assert found is not None
    assert found.amounts.to_dict() == pytest.approx(po.pay(decided, "core").amounts.to_dict())
    assert payments.cored(decided, 0.0)() is None
    taken = results.Timed(1.0, 1.0, 1, payments.Naive(found.amounts, len(found.amounts)))
    late = payments.Measured("x", taken, taken, results.Timed(2.0, 2.0, 1, None), taken)
    assert late.core_row[2:5] == ["> 2", "> 2.00", "–"]


def test_growth() -> None:
    measured = growth.measure(sourced, 1, 60.0)
    assert measured.finished("award") and measured.finished("highs")
    alone = growth.measure(sourced, 1, 60.0, beside=False)
    assert "highs" not in alone.timed
    assert len(measured.row) == len(alone.row) == len(growth.HEAD)
    assert "growth.png" in growth.text([measured, alone], 1, 60.0)


def test_growth_is_plotted(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    small = growth.measure(sourced, 1, 60.0)
    large = growth.measure(lambda: instances.capped(instances.Size(24, 5, 16), 0.4), 1, 60.0, beside=False)
    growth.plot([small, large], tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", auctions.REGISTRY)
def test_auctions(name: str) -> None:
    measured = auctions.measure(name, auctions.REGISTRY[name], 1, 3000)
    assert len(measured.row) == len(auctions.HEAD)
    assert "## Bidding rules" in auctions.text([measured], {"growth": [["5 suppliers", "1"]]}, 1, 3000)


def test_auctions_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auctions, "market_of", lambda classes: auctions.MARKET)
    assert len(auctions.growth(1, 100)) == 10
    assert [len(row) for row in auctions.solving(1)] == [3] * 5


def test_contracts() -> None:
    measured = contracts.measure("4x6", 1)
    found = measured.timed["contract"].result
    assert found.expected_wage == pytest.approx(measured.timed["arrays"].result, abs=1e-9)
    assert measured.timed["averse"].result.expected_wage >= measured.timed["averse"].result.first_best
    assert measured.timed["all"].result.net >= measured.timed["all"].result.table["net"].max() - 1e-9
    assert len(measured.row) == len(contracts.HEAD) and measured.row[0] == "4 × 6"
    assert "## Contracts" in contracts.text([measured], 1)


def test_repeated_tenders() -> None:
    assert {"uniform", "two suppliers"} <= set(lock_in.MARKETS)
    one, two = lock_in.measure(["uniform", "two suppliers"], 1, 2_000)
    assert one.off < 5 and two.off != two.off  # standard errors off the chain, which two winners do not have
    assert len(one.row) == len(two.row) == len(lock_in.HEAD)
    assert "## Lock-in" in lock_in.text([one, two])


def test_a_section_replaces_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    results.write("one", "first", path)
    results.write("two", "second", path)
    results.write("three", "third", path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Results\n")
    results.write("two", "another\n", path)
    assert path.read_text(encoding="utf-8") == text.replace("second", "another")
    results.write("two", "second", path)
    assert path.read_text(encoding="utf-8") == text
    path.write_text("<!-- one -->\n", encoding="utf-8")
    with pytest.raises(ValueError, match="not <!-- end of one --> after it"):
        results.write("one", "first", path)


def test_slow_actions_are_run_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LONG", 0.0)
    timed = results.in_turn({"a": lambda: lambda: 1, "b": lambda: lambda: 2}, 3)
    assert [(each.runs, each.result) for each in timed.values()] == [(1, 1), (1, 2)]
    monkeypatch.setattr(results, "LONG", 60.0)
    assert results.in_turn({"a": lambda: lambda: 1}, 3)["a"].runs == 3


def test_a_table_is_markdown() -> None:
    assert results.table(["a", "b"], [["x", "1"]]) == "| a | b |\n|---|---:|\n| x | 1 |"
    assert [results.brief(seconds) for seconds in (0.01234, 12.34, 1234.5, float("nan"))] == [
        "0.0123",
        "12.3",
        "1,234",
        "–",
    ]
