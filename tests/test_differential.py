"""Three solvers give the same award under every constraint; a thousand tenders in `benchmarks/differential.py`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import procure_opt as po

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import differential
from differential import KINDS, Answer

EACH = 2  # tenders under each constraint


def test_solvers_agree() -> None:
    pytest.importorskip("hypothesis")
    told = differential.compare(differential.cases(EACH * len(KINDS), seed=5), ("highs", "CBC"))
    assert told.apart == []
    assert told.cases == EACH * len(KINDS)
    assert min(told.counts[kind] for kind in KINDS) >= EACH
    assert told.answers["awarded"] > told.cases / 2
    assert told.answers["infeasible"] > 0


def test_scip_agrees() -> None:
    pytest.importorskip("pyscipopt")
    told = differential.compare(differential.cases(len(KINDS), seed=6), ("highs", "SCIP_PY"))
    assert told.apart == []


def test_the_same_seed_is_the_same_tenders() -> None:
    first, again = (list(differential.cases(2 * len(KINDS), seed=1)) for _ in range(2))
    assert first == again != list(differential.cases(2 * len(KINDS), seed=2))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Answer("infeasible"), "awarded, and infeasible"),
        (Answer("", 101.0), "objective 100.0, and 101.0"),
        (Answer("", 100.0, frozenset("a")), "tied frozenset(), and frozenset({'a'})"),
        (Answer("", 100.0, frozenset(), frozenset("c")), "bids frozenset({'b'}), and frozenset({'c'})"),
        (Answer("", 100.4, None, frozenset("c")), ""),
        (Answer("", 100.0, frozenset(), frozenset("b")), ""),
    ],
)
def test_what_counts_as_a_disagreement(other: Answer, said: str) -> None:
    assert Answer("", 100.0, frozenset(), frozenset("b")).agrees(other, 0.5) == said


def test_what_a_tender_holds_is_counted() -> None:
    tender = po.Tender([{"lot": "A"}, {"lot": "B"}], [{"bid": "1", "bidder": "X", "lots": "A;B", "price": 5}])
    policy = po.Policy([po.MaxLots(1, penalty=3), po.MinWinners(1)], tie_break=None)
    held = {"MaxLots", "MaxLots, soft", "MinWinners", "packages", "objective LowestCost", "ties by none"}
    assert set(differential.holds(tender, policy)) == held
    assert "ties by DrawLots" in differential.holds(tender, replace(policy, tie_break=po.DrawLots(1)))
