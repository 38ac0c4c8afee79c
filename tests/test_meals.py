"""The school meals benchmark: the tender has the published sizes, scenarios differ, and a few of them are decided."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import procure_opt as po

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import meals


@pytest.mark.parametrize("units, regions", [(30, 5), (90, 15)])
def test_the_sizes_are_those_published(units: int, regions: int) -> None:
    tender = meals.meals(units)
    assert (len(tender.lots), tender.lots["region"].nunique(), len(tender.bidders)) == (units, regions, 35)
    size = np.diff(tender.quantity.indptr)
    cap = tender.bidders["cap 100 %"].to_numpy()
    assert (size.min(), size.max(), cap.max()) == (1, 8, 8)
    assert (size > 1).sum() > 10_000
    assert (size <= cap[tender.bidder_of]).all()
    assert (tender.min_fraction == 1).all()
    assert not len(tender.rejected)
    lots = np.split(tender.quantity.indices, tender.quantity.indptr[1:-1])
    assert len({(who, *some) for who, some in zip(tender.bidder_of, lots, strict=True)}) == len(lots)


def test_a_seed_names_a_tender_and_its_scenarios() -> None:
    tender = meals.meals(30, packages=300, seed=7)
    assert tender == meals.meals(30, packages=300, seed=7) != meals.meals(30, packages=300, seed=8)
    policies = meals.catalogue(tender)
    assert len(policies) == 700 == len({repr(policy) for policy in policies.values()})
    assert list(meals.catalogue(tender, 5)) == list(policies)[:5]
    assert all(policy.tie_break is None for policy in policies.values())


def test_a_few_scenarios_are_proven() -> None:
    tender = meals.meals(30, packages=400, seed=2)
    policies = meals.catalogue(tender, 12) | {"nobody": po.Policy([po.MaxWinners(0)])}
    found = po.scenarios(tender, policies)
    assert set(found.table["status"]) == {"optimal", "infeasible"}
    assert found.table["status"].eq("optimal").sum() > 6
    for name, award in found.awards.items():
        if award is not None:
            assert po.check(award) == []
            assert found.cross.loc[name, name] == 0
    assert (found.cross.isna() | (found.cross >= 0)).all(axis=None)


def test_the_report() -> None:
    tender = meals.meals(30, packages=200, seed=3)
    text = meals.report(tender, meals.catalogue(tender, 3), None, 2, 60.0)
    assert "of 3 scenarios 3 are proven optimal and 0 impossible" in text
    assert "HiGHS alone: median" in text
