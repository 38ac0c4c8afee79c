"""Proofs in exact arithmetic: true whatever they are made of, found where the gap is small, caught where false."""

from __future__ import annotations

import dataclasses
import math
import pickle
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import brute
import procure_opt as po
import strategies
import tiny
from procure_opt import proof, search
from procure_opt.program import Family, Program
from procure_opt.proof import Case, bound, certify, recompute, verify
from strategies import awarded, examples
from test_solvers import corners, generated, programs
from tiny import bid, lots, tender


@st.composite
def cases(draw: Any, program: Program) -> list[Case]:
    """Steps of a proof that may prove nothing: any multipliers, any split."""
    rows = st.integers(0, len(program.row_lower) - 1)
    multiplier = st.floats(-20, 20) | st.integers(-9, 9).map(float) | st.sampled_from([1e17, -1e-17])
    whole = st.sampled_from([None, *np.flatnonzero(program.integer).tolist()])
    one = st.builds(Case, st.dictionaries(rows, multiplier, max_size=3), whole, st.integers(-1, 2))
    found: list[Case] = draw(st.lists(one, max_size=9))
    return found


# ---- programs ---------------------------------------------------------------------------------------------


@examples(120)
@given(st.data())
def test_nothing_proves_more_than_is_true(data: Any) -> None:
    program = data.draw(programs())
    lowest = min(corners(program), default=math.inf)
    goal = Fraction(data.draw(st.integers(-20, 40))) / data.draw(st.sampled_from([1, 3]))
    given_cases = data.draw(cases(program))
    shown = bound(program, given_cases, goal)
    assert shown <= lowest + 1e-9
    with patch.object(proof, "SAFE", 0.0):  # Python's integers throughout
        assert bound(program, given_cases, goal) == shown


@examples(80)
@given(programs())
def test_the_optimum_is_proven_and_nothing_above_it(program: Program) -> None:
    lowest = min(corners(program), default=None)
    assume(lowest is not None)
    step = Fraction(search.step(program))
    goal = Fraction(lowest) if step else Fraction(lowest) - Fraction(1, 10**6)
    found = certify(program, goal)
    assert found is not None
    assert certify(program, goal) == found
    assert verify(program, found, goal)
    assert goal <= bound(program, found, goal) <= lowest + 1e-9
    for more in (goal + (step or 1), goal + 100):
        assert not verify(program, found, more)
        assert certify(program, more) is None


@examples(60)
@given(st.data())
def test_a_proof_that_was_tampered_with_shows_no_more(data: Any) -> None:
    program = data.draw(programs())
    lowest = min(corners(program), default=None)
    assume(lowest is not None and search.step(program) > 0)
    found = list(certify(program, Fraction(lowest)) or ())
    which = data.draw(st.integers(0, len(found) - 1))
    found[which : which + data.draw(st.integers(0, 2))] = data.draw(cases(program))
    assert bound(program, found, Fraction(lowest) + 1) <= lowest


def test_a_whole_column_between_broken_bounds_takes_whole_values() -> None:
    x = Family("x", np.array([0.5]), np.array([3.5]), np.array([True]), str)()
    program = Program.build(x.total(), [])
    for goal in range(4):
        assert bound(program, [Case({})], Fraction(goal)) == 1
    assert certify(program, Fraction(1)) == (Case({}),)


def test_what_does_not_fit_the_program_is_refused() -> None:
    program = po.Policy().plan(tender(lots("A", in_house=3), bid("x", "X", "A", 5, min_fraction=0.5))).program
    continuous = int(np.flatnonzero(~program.integer)[0])
    for wrong in (Case({9: 1.0}), Case({-1: 1.0}), Case({0: math.inf}), Case({0: math.nan})):
        with pytest.raises(ValueError, match=r"a multiplier of .* for row"):
            verify(program, [wrong], Fraction(3))
    for column in (continuous, -1, 99):
        with pytest.raises(ValueError, match="splits on column"):
            verify(program, [Case({}, column, 0)], Fraction(3))


# ---- awards -----------------------------------------------------------------------------------------------


def holds(award: po.Award, best: Fraction) -> bool:
    """Whether an award's proof is exact; what it shows must then be true, and no more than a unit below."""
    assert (award.proof == "exact") == (award.multipliers is not None)
    if award.multipliers is None:
        return False
    plan = award.policy.plan(award.tender)
    shown, room = recompute(award), Fraction(max(plan.unit if plan.in_money else 0, 1e-7 * abs(award.objective), 1e-7))
    assert Fraction(repr(award.objective)) - room <= shown <= best + abs(best) / 10**12 + Fraction(1, 10**12)
    dearer = dataclasses.replace(award, objective=award.objective - 2 * float(room))
    assert recompute(dearer, award.multipliers) <= best + Fraction(1, 10**9)
    assert dataclasses.replace(award, objective=award.objective + 4 * float(room) + 1).proof == "solver"
    return True


@examples(40)
@given(st.data())
def test_what_the_multipliers_show_is_true_of_any_tender(data: Any) -> None:
    offers = data.draw(strategies.tenders())
    policy = data.draw(strategies.policies(offers))
    award = awarded(offers, policy)
    if award is not None:
        lowest = brute.best(offers, policy)
        assert lowest is not None
        holds(award, lowest.objective)


@examples(20)
@given(st.data())
def test_so_it_is_of_divisible_bids(data: Any) -> None:
    offers = data.draw(strategies.tenders(divisible=True, discounts=False, max_lots=3, max_bids=5))
    policy = data.draw(
        strategies.policies(offers, names=brute.LINEAR, max_rules=2, soft=False, ledger=False, scores=False)
    )
    award, least = awarded(offers, policy), brute.best_fractions(offers, policy)
    if award is not None and least is not None:
        holds(award, Fraction(least) + Fraction(1, 10**6))


@examples(25)
@given(tiny.tables(prices=st.integers(99_999_999_990, 100_000_000_005)))
def test_a_unit_in_a_thousand_million_is_proven(tables: Any) -> None:
    lowest, _ = tiny.best_awards(*tables)
    if lowest is None:
        return
    award = po.award(tender(tables[0], *tables[1]))
    assert award.proof == "exact"
    assert recompute(award) == award.cost == lowest
    for wrong in (-1, 1):
        claimed = dataclasses.replace(award, objective=award.objective + wrong)
        assert recompute(claimed, award.multipliers) <= lowest
    assert claimed.proof == "solver"


@examples(25)
@given(tiny.tables(max_lots=5, max_bids=9))
def test_where_the_linear_program_is_whole_one_case_is_enough(tables: Any) -> None:
    single = [row | {"lots": row["lots"].split(";")[0], "xor": ""} for row in tables[1]]
    try:
        award = po.award(tender(tables[0], *single))
    except po.Infeasible:
        return
    assert award.proof == "exact"
    assert award.multipliers is not None and len(award.multipliers) == 1
    assert recompute(award) == award.cost


TRIANGLE = tender("A B C", *(bid(f"b{k}", "X", on, 20) for k, on in enumerate(["A;B", "B;C", "A;C"])),
                  *(bid(f"s{lot}", "Y", lot, 21) for lot in "ABC"))  # fmt: skip


def test_what_one_case_leaves_open_is_proven_by_several() -> None:
    award = po.award(TRIANGLE)
    assert (award.cost, award.proof) == (41, "exact")
    first, *rest = award.multipliers or ()
    assert first.column is not None
    assert recompute(award) == 41
    assert recompute(award, [first]) == recompute(award, [dataclasses.replace(first, column=None)]) == 30
    assert recompute(award, [first, *rest[:-1]]) < 41
    with pytest.raises(ValueError, match="these multipliers prove nothing"):
        recompute(award, [])


def test_an_award_that_is_not_proven_carries_no_multipliers() -> None:
    award = po.award(TRIANGLE, solver="CBC")
    assert (award.status, award.proof, award.multipliers) == ("feasible", "solver", None)
    with pytest.raises(ValueError, match="carries no multipliers"):
        recompute(award)


def test_any_solver_that_meets_the_bound_is_proven() -> None:
    award = po.award(tender("A", bid("x", "X", "A", 5), bid("y", "Y", "A", 7)), solver="CBC")
    assert (award.status, award.proof, recompute(award)) == ("optimal", "exact", 5)


def test_a_large_program_is_left_to_the_solver() -> None:
    with patch.object(proof, "MOST", 5):
        assert po.award(TRIANGLE).proof == "solver"
    with patch.object(proof, "WORK", 0):
        assert po.award(TRIANGLE).proof == "solver"


def test_a_share_that_no_float_can_state_excludes_no_award() -> None:
    # 0.1 + 0.2 is more than 0.3 as floats: read strictly, the row would exclude the award, and "prove" a dearer one.
    offers = tender([{"lot": name, "estimate": part, "in_house": 100} for name, part in zip("ABC", (0.1, 0.2, 0.7))],
                    bid("a", "X", "A", 1), bid("b", "X", "B", 1), bid("c", "Y", "C", 1))  # fmt: skip
    award = po.award(offers, po.Policy([po.MaxShare(0.3, lots=["A", "B", "C"])]))
    assert (award.cost, award.proof, recompute(award)) == (102, "exact", 102)
    assert award.policy.plan(offers).program.row_upper.min() < 0.1 + 0.2


def test_charges_without_end_are_proven() -> None:
    policy = po.Policy([po.MaxShare(0.4, of="estimate", penalty=0.3), po.Budget(1, penalty=0.25)])
    award = po.award(tender(lots("A", "B", estimate=3, in_house=90), bid("x", "X", "A;B", 20)), policy)
    assert not np.isfinite(policy.plan(award.tender).program.upper).all()
    assert holds(award, Fraction(repr(award.objective)))


def test_the_proof_travels_with_the_award() -> None:
    award = po.award(generated(20, 5, 20), po.Policy([po.MaxShare(0.4)]))
    assert award.proof == "exact"
    copy = pickle.loads(pickle.dumps(award))
    assert copy.__dict__["multipliers"] == award.multipliers
    assert recompute(copy) == Fraction(repr(award.cost))
    assert len(award.multipliers or ()) > 1
    short = [Fraction(value).denominator for case in award.multipliers or () for value in case.multipliers.values()]
    assert max(short) <= 2**24
