"""The rounds of example 07 played out draw by draw, and its arithmetic by hand."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from procure_opt.auction import FirstPrice, Market, equilibrium

SCRIPT = Path(__file__).parents[1] / "examples/07_social_organisations/run.py"


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("social_organisations", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def one_tender(
    low: float, firms: int, organisations: int, off: float, paths: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether an organisation wins, what is paid, and what the work costs, in each of so many tenders."""
    top, lowest = 130.0, np.array([80.0] * firms + [low] * organisations)
    costs = lowest + (top - lowest) * generator.random((paths, len(lowest)))
    preferred = np.arange(firms + organisations) >= firms
    counted = costs * np.where(preferred & (firms > 0), 1 - off, 1.0)
    order = np.argsort(counted, axis=1)
    rows, first = np.arange(paths), order[:, 0]
    factor = np.where(preferred[first] & (firms > 0), 1 - off, 1.0)
    second = counted[rows, order[:, 1]] if firms + organisations > 1 else np.full(paths, np.inf)
    return preferred[first], np.minimum(second / factor, top), costs[rows, first]


COURSES = ["6 % off for good", "reserved for 3 rounds", "10 % off for good", "bids paid for good"]


@pytest.mark.parametrize("name", COURSES)
def test_the_chain_is_what_ten_rounds_of_drawn_costs_give(run: ModuleType, name: str) -> None:
    paths, generator = 30_000, np.random.default_rng(3)
    course, exact = run.COURSES[name], run.played(run.COURSES[name])
    step = np.zeros(paths, dtype=int)
    for number in range(10):
        outlay, used, won = np.zeros(paths), np.zeros(paths), np.zeros(paths, dtype=bool)
        for there in np.unique(step):
            some = np.flatnonzero(step == there)
            low, which = 95 - 2.5 * float(there), course(number)
            come = run.tendered(which, low)
            won[some], paid, cost = one_tender(low, come.firms, come.organisations, which.off, len(some), generator)
            outlay[some] = paid + which.paid * come.organisations
            used[some] = cost + 0.8 * (come.firms + come.organisations)
        drawn = {"outlay": outlay, "share": won.astype(float), "used": used}
        for measure, values in drawn.items():
            error = values.std() / math.sqrt(paths)
            assert abs(values.mean() - getattr(exact, measure)[number]) < 4.5 * error + 1e-4, (measure, number)
        forgets = ~won & (generator.random(paths) < 0.2)
        step = np.clip(step + won - forgets, 0, 6)


@pytest.mark.parametrize(
    ("off", "firms", "organisations"), [(0.0, 3, 1), (0.06, 3, 2), (0.06, 3, 3), (0.14, 2, 3), (0.1, 1, 3)]
)
def test_what_a_bid_earns_is_what_drawn_costs_give(run: ModuleType, off: float, firms: int, organisations: int) -> None:
    paths = 200_000
    won, paid, cost = one_tender(95.0, firms, organisations, off, paths, np.random.default_rng(5))
    for kind, theirs, count in ((0, ~won, firms), (1, won, organisations)):
        earned = np.where(theirs, paid - cost, 0.0) / count
        error = earned.std() / math.sqrt(paths)
        assert abs(run.worth(run.Help(off=off), 95.0, firms, organisations, kind) - earned.mean()) < 4.5 * error


@pytest.mark.parametrize("count", [1, 2, 3])
def test_alone_each_earns_the_width_of_costs_over_n_and_n_plus_one(run: ModuleType, count: int) -> None:
    assert run.worth(run.RESERVED, 95.0, 0, count, 1) == pytest.approx(35 / (count * (count + 1)), abs=1e-5)


@pytest.mark.parametrize(
    ("off", "organisations", "comes"), [(0.0, 1, False), (0.06, 2, True), (0.06, 3, False), (0.1, 3, True)]
)
def test_with_first_price_the_same_suppliers_come(run: ModuleType, off: float, organisations: int, comes: bool) -> None:
    market = Market([(stats.uniform(80, 50), 3), (stats.uniform(95, 35), organisations)])
    found = equilibrium(FirstPrice(preference={1: off}), market)
    firm, organisation = run.margins(found).profits
    assert firm >= 0.8 and (organisation >= 0.8) == comes
    assert 3 * firm + organisations * organisation == pytest.approx(found.rents, abs=1e-4)
    other, _ = run.field(off, 95.0, 3, organisations)
    assert found.expected_payment == pytest.approx(other.expected_payment, abs=0.05)


def test_nobody_who_comes_would_rather_have_stayed_away(run: ModuleType) -> None:
    for off in np.arange(0, 21) / 100:
        for lowest in (80.0, 85.0, 90.0, 95.0):
            which = run.Help(off=float(off))
            come = run.tendered(which, lowest)
            assert come.firms + come.organisations >= 2
            if come.firms:
                assert run.worth(which, lowest, come.firms, come.organisations, 0) >= 0.8
            if come.organisations:
                assert run.worth(which, lowest, come.firms, come.organisations, 1) >= 0.8
            if come.organisations < 3:
                assert run.worth(which, lowest, come.firms, come.organisations + 1, 1) < 0.8


@pytest.mark.parametrize(
    ("saved", "back", "rate"),
    [
        ([-10.0, 0.0, 12.1], 3, 0.1),
        ([-10.0, 11.0, 0.0], 2, 0.1),
        ([-10.0, 5.0, 4.0], None, math.nan),
        ([1.0, 1.0, 1.0], 1, math.nan),
        ([-1.0, 2.0, -2.0], None, math.nan),
        ([0.0, 0.0], 1, math.nan),
    ],
)
def test_when_and_at_what_rate_it_pays(run: ModuleType, saved: list[float], back: int | None, rate: float) -> None:
    assert run.pays_back(np.array(saved)) == back
    assert run.return_rate(np.array(saved)) == pytest.approx(rate, abs=1e-9, nan_ok=True)
    if not math.isnan(rate):
        assert run.worth_today(np.array(saved), rate) == pytest.approx(0, abs=1e-9)
