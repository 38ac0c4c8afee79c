"""Cuts: no whole solution breaks one, the point they were made for does, and textbook knots are cut."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procure_opt import cuts, solvers
from procure_opt.cuts import Cuts, Cutter, without
from procure_opt.highs import linear
from procure_opt.program import Family, Floats, Linear, Program, Rows, Status
from strategies import examples
from test_solvers import programs


def program_of(matrix: Any, upper: Any, *, lower: Any = -math.inf, cost: Any = -1.0, room: Any = 1.0) -> Program:
    """lower ≤ matrix @ x ≤ upper in binary columns; one that has more room than 1 is continuous."""
    table = np.array(matrix, dtype=float)
    rooms = np.broadcast_to(np.array(room, dtype=float), table.shape[1]).copy()
    columns = Family("x", np.zeros(table.shape[1]), rooms, rooms == 1, str)()
    sides = [np.broadcast_to(np.array(side, dtype=float), len(table)).copy() for side in (lower, upper)]
    aim = columns.under(np.broadcast_to(np.array(cost, dtype=float), table.shape[1]).copy())
    return Program.build(aim + Linear.fixed([0.0]), [Rows(columns.under(table), *sides, str)])


@st.composite
def packings(draw: Any) -> Program:
    """Bids on some of up to seven lots, each lot let at most once (or exactly once)."""
    lots = draw(st.integers(3, 7))
    bids = draw(st.lists(st.sets(st.integers(0, lots - 1), min_size=1, max_size=4), min_size=3, max_size=9))
    table = np.array([[lot in bid for bid in bids] for lot in range(lots)])
    exactly = draw(st.sampled_from([-math.inf, 1.0]))
    cost = [draw(st.integers(-20, 5)) for _ in bids]
    return program_of(table, 1.0, lower=exactly, cost=cost)


def whole_points(program: Program) -> list[Floats]:
    """All feasible points with whole columns 0 or 1, and a continuous one at several values."""
    ranges = [np.linspace(0, high, 13) if not whole else [0.0, 1.0] for high, whole in
              zip(program.upper, program.integer, strict=True)]  # fmt: skip
    found = []
    for point in itertools.product(*ranges):
        activity = program.matrix @ np.array(point)
        if (activity <= program.row_upper + 1e-12).all() and (activity >= program.row_lower - 1e-12).all():
            found.append(np.array(point))
    return found


@examples(150)
@given(st.one_of(programs(), packings()), st.data())
def test_no_whole_solution_breaks_a_cut(program: Program, data: Any) -> None:
    """Made for the relaxation's optimum, and for any point at all."""
    relaxed = linear(program)
    points = [np.array([data.draw(st.floats(0, 1)) for _ in range(program.width)])]
    points += [] if relaxed.x is None else [relaxed.x]
    feasible = whole_points(program)
    with patch.object(cuts, "KNOTS", 10.0):
        for x in points:
            found = Cutter(program).broken(x, np.arange(program.width, dtype=float))
            assert (found.matrix @ x > found.upper).all()
            for point in feasible:
                assert (found.matrix @ point <= found.upper + 1e-9).all()


@examples(80)
@given(st.one_of(programs(), packings()))
def test_with_and_without_cuts_the_best_is_the_same(program: Program) -> None:
    with patch.object(cuts, "KNOTS", 10.0):
        cut = solvers.solve(program)
    with patch.object(solvers, "CUTTING", 0):
        plain = solvers.solve(program)
    assert cut.status is plain.status
    assert plain.status is Status.INFEASIBLE or cut.objective == pytest.approx(plain.objective, abs=1e-6)
    assert plain.status is Status.INFEASIBLE or cut.relaxed >= plain.relaxed - 1e-6


TRIANGLE = program_of([[1, 1, 0], [0, 1, 1], [1, 0, 1]], 1.0)
RING = program_of([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1], [1, 0, 0, 0, 1]], 1.0)
# Of three bids of 6 under a cap of 10 one is accepted; by parts 10/6.
CAP = program_of([[6, 6, 6]], 10.0)
# A charge of 1 a unit beyond the cap (a continuous column): 6x + 6y + 6z ≤ 10 + s.
SOFT = program_of([[6, 6, 6, -1]], 10.0, cost=[-4, -4, -4, 1], room=[1, 1, 1, 9])


@pytest.mark.parametrize(
    ("program", "before", "after"),
    [(TRIANGLE, -1.5, -1), (RING, -2.5, -2), (CAP, -10 / 6, -1), (SOFT, -20 / 3, -6)],
    ids=["three that overlap in pairs", "a ring of five", "a cap that one bid fits", "a soft cap"],
)
def test_a_knot_is_cut(program: Program, before: float, after: float) -> None:
    with patch.object(cuts, "KNOTS", 10.0):
        relaxed = linear(program)
        assert relaxed.objective == pytest.approx(before)
        assert relaxed.x is not None and relaxed.duals is not None
        found = Cutter(program).broken(relaxed.x, np.zeros(program.width))
        assert linear(found.on(program)).objective == pytest.approx(after, abs=1e-6)


def test_a_clique_takes_in_the_cheapest_that_exclude_all_of_it() -> None:
    """Four bids in pairs on six lots, of which the point holds three; and a fifth that one of them does not exclude."""
    pairs = list(itertools.combinations(range(4), 2))
    table = np.array([[bid in pair for bid in range(4)] + [pair == (0, 1)] for pair in pairs])
    found = Cutter(program_of(table, 1.0)).broken(np.array([0.5, 0.5, 0.5, 0, 0]), np.zeros(5))
    assert found.matrix.toarray().tolist() == [[1, 1, 1, 1, 0]] and found.upper.tolist() == [1]


def test_cuts_hold_within_the_bounds_they_were_made_for() -> None:
    cutter = Cutter(CAP)
    assert cutter.holds_for(replace(CAP, upper=np.array([1.0, 0.0, 1.0]), lower=np.array([1.0, 0.0, 0.0])))
    assert not cutter.holds_for(replace(CAP, upper=np.array([2.0, 1.0, 1.0])))
    assert not cutter.holds_for(replace(CAP, lower=np.array([-1.0, 0.0, 0.0])))
    assert Cutter(SOFT).holds_for(replace(SOFT, upper=np.array([1.0, 1, 1, 50])))
    assert not Cutter(SOFT).holds_for(replace(SOFT, lower=np.array([0.0, 0, 0, -3])))


def test_rows_come_and_go() -> None:
    more = Cuts(TRIANGLE.matrix[:1] * 2, np.array([1.0])).on(TRIANGLE)
    assert (more.matrix.shape[0], more.row_upper[-1], more.row_lower[-1]) == (4, 1.0, -math.inf)
    less = without(more, np.array([0, 3]))
    assert (less.matrix.toarray() == TRIANGLE.matrix.toarray()[1:]).all() and len(less.row_upper) == 2
    assert Cuts.none(3).on(TRIANGLE) is TRIANGLE
