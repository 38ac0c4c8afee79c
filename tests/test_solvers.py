"""One door, many solvers: the same cost behind each, honest limits, and a program an auditor can solve elsewhere."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cbcbox
import highspy
import numpy as np
import pulp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import procure_opt as po
import tiny
from procure_opt import highs, search, solvers
from procure_opt.program import Family, Floats, Linear, Program, Rows, Status
from test_award_brute import examples
from tiny import bid, lots, tender

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from sourcing import sourcing

CBC = pulp.COIN_CMD(path=cbcbox.cbc_bin_path(), msg=False, gapRel=0, gapAbs=0)


def generated(n_lots: int, n_bidders: int, bids_each: int) -> po.Tender:
    return po.Tender(*sourcing(n_lots, n_bidders, bids_each, seed=1).tables())


EASY = generated(30, 8, 12)
CAPPED = po.Policy([po.MaxShare(0.2)], tie_break=None)
HARD = generated(300, 40, 40)
TIGHT = po.Policy([po.MaxShare(0.03)], tie_break=None)


# ---- every door leads to the same cost --------------------------------------------------------------------


@pytest.fixture(scope="module")
def cost() -> float:
    """The cost with HiGHS."""
    return po.award(EASY, CAPPED).cost


DOORS = {"highs": "highs", "HiGHS": "HiGHS", "CBC": "CBC", "cbc": "cbc", "COIN_CMD": "COIN_CMD",
         "a CBC object": CBC, "a HiGHS object": pulp.HiGHS(msg=False)}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_every_solver_finds_the_same_cost(door: str, cost: float, capfd: pytest.CaptureFixture[str]) -> None:
    award = po.award(EASY, CAPPED, solver=DOORS[door])
    assert award.cost == cost
    assert award.bound <= award.cost
    assert po.check(award) == []
    assert capfd.readouterr() == ("", "")


@examples(20)
@given(tiny.tables())
@pytest.mark.parametrize("solver", ["highs", "CBC"])
def test_the_cost_is_that_of_plain_enumeration(solver: str, tables: Any) -> None:
    lowest, sets = tiny.best_awards(*tables)
    offers = tender(tables[0], *tables[1])
    if lowest is None:
        with pytest.raises(po.Infeasible):
            po.award(offers, solver=solver)
    else:
        award = po.award(offers, solver=solver)
        assert award.cost == lowest
        assert frozenset(award.bids["bid"]) in sets


def test_a_solver_whose_bound_is_not_met_proves_nothing() -> None:
    triangle = tender("A B C", *(bid(f"b{k}", "X", on, 2) for k, on in enumerate(["A;B", "B;C", "A;C"])),
                      *(bid(f"s{lot}", "Y", lot, 2) for lot in "ABC"))  # fmt: skip
    award = po.award(triangle, solver="CBC")
    assert (award.status, award.cost, award.bound, award.tied) == ("feasible", 4, 3, None)
    assert po.award(triangle).status == "optimal"


def test_a_solver_that_meets_the_bound_is_believed() -> None:
    award = po.award(tender("A", bid("x", "X", "A", 5), bid("y", "Y", "A", 7)), solver="CBC")
    assert (award.status, award.cost, award.bound) == ("optimal", 5, 5)


def test_solvers_that_are_not_there() -> None:
    offers = tender("A", bid("x", "X", "A", 5))
    with pytest.raises(ValueError, match=r"there is no solver 'Simplex'; there are highs, CBC, .*GLPK_CMD"):
        po.award(offers, solver="Simplex")
    missing = sorted(set(pulp.listSolvers()) - set(pulp.listSolvers(onlyAvailable=True)) - {"COIN_CMD"})
    with pytest.raises(ValueError, match=f"{missing[0]} is not installed here; installed are highs, CBC"):
        po.award(offers, solver=missing[0])
    with pytest.raises(TypeError, match="solver must be 'highs', the name of a PuLP solver"):
        po.award(offers, solver=7)


def test_cbc_says_infeasible_too() -> None:
    with pytest.raises(po.Infeasible):
        po.award(tender("A B", bid("x", "X", "A", 5), bid("y", "X", "B", 5)), po.Policy([po.MaxLots(1)]), solver="CBC")


# ---- limits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["highs", "CBC"])
@pytest.mark.parametrize("seconds", [1e-9, 0.01, 0.3, 1.5])
def test_a_time_limit_ends_in_a_true_award_or_none(seconds: float, solver: str) -> None:
    found = outcome(solver, seconds)
    if isinstance(found, po.OutOfTime):
        assert found.bound == -math.inf or 0 < found.bound < 8_000
        return
    assert found.status == "feasible"
    assert po.check(found) == []
    assert 0 < found.bound < found.cost
    assert found.gap == pytest.approx((found.cost - found.bound) / found.cost)
    assert found.tied is None


def outcome(solver: str, seconds: float) -> po.Award | po.OutOfTime:
    try:
        return po.award(HARD, TIGHT, solver=solver, time_limit=seconds)
    except po.OutOfTime as out:
        return out


def test_no_time_is_no_proof() -> None:
    with pytest.raises(po.OutOfTime, match="no award was found within the time limit"):
        po.award(HARD, TIGHT, time_limit=1e-9)


def test_beyond_a_deadline_nothing_is_solved() -> None:
    asked = tender(lots("A", "B", in_house=20), bid("x", "X", "A;B", 9), bid("y", "Y", "A", 6), bid("z", "Z", "B", 6))
    award = po.award(asked)
    with highs.deadline(0):
        with pytest.raises(TimeoutError, match="the time for solving is over"):
            po.award(asked)
        with highs.deadline(60), pytest.raises(TimeoutError):  # the earlier of two holds
            po.award(asked)
        with pytest.raises(TimeoutError):  # also in threads of their own
            po.pay(award, "vcg")
    with highs.deadline(60):
        assert po.award(asked).cost == award.cost == 9
    assert po.pay(award, "vcg").amounts.to_dict() == {"X": 12}


def test_what_is_at_work_is_stopped_at_the_deadline() -> None:
    """A market split: a program of 50 columns that branch and bound does not finish in an hour."""
    a = np.random.default_rng(1).integers(0, 100, (6, 50)).astype(float)
    half = np.floor(a.sum(axis=1) / 2)
    x = Family("x", np.zeros(50), np.ones(50), np.ones(50, dtype=bool), str)()
    apart = Family("apart", np.zeros(12), np.full(12, np.inf), np.zeros(12, dtype=bool), str)()
    sides = sparse.csr_array(np.vstack([np.eye(6), -np.eye(6)]).T)
    body = x.under(sparse.csr_array(a)) + apart.under(sides)
    program = Program.build(apart.total(), [Rows(body, half, half, str)])
    began = time.monotonic()
    with highs.deadline(0.5), pytest.raises(TimeoutError):
        highs.whole(program)
    assert time.monotonic() - began < 60
    assert not highs._RUNNING


def test_a_gap_is_kept_and_never_called_optimal() -> None:
    best = po.award(EASY, CAPPED)
    for gap in (1e-9, 0.05):
        award = po.award(EASY, CAPPED, gap=gap)
        assert award.status == "feasible"
        assert award.bound <= best.cost <= award.cost
        assert award.gap <= gap
        assert award.tied is None
        assert po.check(award) == []


@pytest.mark.parametrize("limit", [0, -1, math.nan])
def test_limits_that_are_none(limit: float) -> None:
    with pytest.raises(ValueError, match="it must be a positive number of seconds"):
        po.award(EASY, time_limit=limit)


@pytest.mark.parametrize("gap", [-0.1, 1, math.nan])
def test_gaps_that_are_none(gap: float) -> None:
    with pytest.raises(ValueError, match=r"it is a share of the cost, such as 0\.01"):
        po.award(EASY, gap=gap)


def test_progress_is_told_in_money_and_in_order() -> None:
    told: list[solvers.Progress] = []
    policy = po.Policy([po.MaxShare(0.055)], tie_break=None)
    award = po.award(generated(100, 20, 30), policy, time_limit=2, progress=told.append)
    assert told
    assert [each.seconds for each in told] == sorted(each.seconds for each in told)
    found = [each for each in told if math.isfinite(each.best)]
    assert [each.best for each in found] == sorted((each.best for each in found), reverse=True)
    assert award.cost <= found[-1].best * (1 + 1e-9)
    assert 0.5 * award.cost < found[-1].bound <= award.bound * (1 + 1e-9)


def test_progress_is_printed_to_stderr_alone(capfd: pytest.CaptureFixture[str]) -> None:
    po.award(EASY, CAPPED, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert all(" s   best " in line and "bound" in line for line in err.splitlines())
    assert err


# ---- the program on paper ---------------------------------------------------------------------------------


def solved_from_file(program: Program, path: Path) -> float:
    """The objective that HiGHS alone finds in the LP file."""
    program.write_lp(path)
    model = highspy.Highs()
    for option, value in (("output_flag", False), ("mip_rel_gap", 0.0), ("mip_abs_gap", 0.0)):
        model.setOptionValue(option, value)
    assert model.readModel(str(path)) == highspy.HighsStatus.kOk
    assert model.getNumCol() == program.width + 1  # one for the constant
    model.run()
    return float(model.getInfo().objective_function_value)


AWKWARD = tender(
    lots("north\\east", "Süd 1", "süd;1".replace(";", ","), estimate=10, in_house=50),
    bid("b-1", "Acme Ltd", "north\\east", 10),
    bid("b_1", "Acme-Ltd", "north\\east;Süd 1", 25),
    bid("b 1", "Acme_Ltd", "Süd 1", 9),
    bid("[b] >= 1", "Гранит\nи сыновья", "süd,1", 8, fixed=3),
    bid("=End", "公园", "süd,1", 11, min_fraction=0.5),
)
RULES = po.Policy(
    [po.MaxLots(1), po.MinWinners(3), po.MaxShare(0.7, of="spend"), po.Budget(100, penalty=2), po.MaxHHI(0.9)],
    ledger=po.Ledger(per_supplier=1, per_bid_evaluated=2),
)


def test_the_lp_file_solves_to_the_same_cost(tmp_path: Path) -> None:
    for offers, policy in ((EASY, CAPPED), (AWKWARD, RULES), (AWKWARD, po.Policy(objective=po.LowestCost()))):
        units = solved_from_file(policy.plan(offers).program, tmp_path / "award.lp")
        assert units * offers.money_unit == pytest.approx(po.award(offers, policy).objective, abs=1e-6)


ON_DEMAND = [po.MaxHHI(0.24), po.MaxHHI(0.45, penalty=1), po.MinQuality(70, penalty=1),
             po.MaxShare(0.4, of="spend", penalty=1)]  # fmt: skip


@pytest.mark.parametrize("rule", ON_DEMAND, ids=["hhi", "soft hhi", "soft mean", "soft share of spend"])
def test_rows_added_on_the_way_are_in_the_program_that_was_solved(rule: Any, tmp_path: Path) -> None:
    offers = tender(lots("A", "B", estimate=1, in_house=50), bid("x", "X", "A", 10, quality=40),
                    bid("y", "Y", "B", 10, quality=60), bid("z", "Z", "A", 30, quality=90))  # fmt: skip
    policy = po.Policy([rule])
    solved = solvers.solve(policy.plan(offers).program).program
    assert solved_from_file(solved, tmp_path / "award.lp") == pytest.approx(
        po.award(offers, policy).objective, abs=1e-6
    )


def test_the_lp_file_speaks_in_the_buyers_words(tmp_path: Path) -> None:
    RULES.plan(AWKWARD).program.write_lp(tmp_path / "award.lp")
    lines = (tmp_path / "award.lp").read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("\\")]
    for name in ("Acme Ltd", "Acme-Ltd", "Acme_Ltd", "Гранит и сыновья", "公园"):
        assert f"\\ MaxLots 1: {name}" in comments
    assert "\\ lot Süd 1 is filled exactly" in comments
    assert any("bid [b] >= 1 is accepted" in line for line in comments)
    assert "\\ Budget 100" in comments
    assert "\\ MinWinners 3" in comments
    rows = [line.split(":")[0].strip() for line in lines if line.startswith(" r") and ":" in line]
    assert len(rows) == len(set(rows))
    assert any(name.endswith("MaxLots_1_Acme_Ltd_at_most") for name in rows)
    assert all(name.isascii() for name in rows)


@examples(20)
@given(tiny.tables())
def test_every_lp_file_holds_its_program(tmp_path_factory: pytest.TempPathFactory, tables: Any) -> None:
    lowest, _ = tiny.best_awards(*tables)
    path = tmp_path_factory.getbasetemp() / "one.lp"
    if lowest is not None:
        program = po.Policy([po.MinWinners(0)]).plan(tender(tables[0], *tables[1])).program
        assert solved_from_file(program, path) == pytest.approx(lowest, abs=1e-6)


@pytest.mark.parametrize("solver", ["highs", "CBC"])
def test_awkward_names_make_no_difference(solver: str) -> None:
    plain = {"Acme Ltd": "P", "Acme-Ltd": "Q", "Acme_Ltd": "R", "Гранит\nи сыновья": "S", "公园": "T"}
    renamed = AWKWARD.replace(bids=AWKWARD.bids.assign(bidder=AWKWARD.bids["bidder"].map(plain)), bidders=None)
    award, same = (po.award(offers, RULES, solver=solver) for offers in (AWKWARD, renamed))
    assert award.cost == same.cost
    assert [plain[name] for name in award.bids["bidder"]] == same.bids["bidder"].tolist()
    assert po.check(award) == []


# ---- price and fix ----------------------------------------------------------------------------------------


@st.composite
def programs(draw: Any) -> Program:
    """Random programs of binary columns (and sometimes a bounded continuous one), rows of all kinds."""
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    whole = np.ones(width, dtype=bool)
    upper = np.ones(width)
    if draw(st.booleans()):
        whole[-1], upper[-1] = False, 3.0
    numbers = st.integers(-4, 9)
    matrix = np.array([[draw(numbers) for _ in range(width)] for _ in range(height)], dtype=float)
    columns = Family("x", np.zeros(width), upper, whole, str)()
    low = np.array([draw(st.sampled_from([-math.inf, 0, 2, 5])) for _ in range(height)], dtype=float)
    high = np.array([draw(st.sampled_from([math.inf, 6, 9])) for _ in range(height)], dtype=float)
    rows = Rows(columns.under(matrix), low, high, str)
    cost = columns.under(np.array([draw(numbers) for _ in range(width)], dtype=float))
    return Program.build(cost + Linear.fixed([draw(numbers)]), [rows])


def corners(program: Program) -> Iterator[float]:
    """Objectives of all feasible points: binaries enumerated, the continuous column moved to the ends it may reach."""
    matrix = program.matrix.toarray()
    for whole in itertools.product(*([0.0, 1.0] if high else [0.0] for high in program.upper[program.integer])):
        x = np.append(np.array(whole), [0.0] * (program.width - len(whole)))
        if len(whole) == program.width:
            if ((matrix @ x <= program.row_upper) & (matrix @ x >= program.row_lower)).all():
                yield float(program.cost @ x) + program.offset
            continue
        low, high = 0.0, float(program.upper[-1])
        rows = zip(matrix[:, -1], matrix @ x, program.row_lower, program.row_upper, strict=True)
        for step, fixed, least, most in rows:
            ends = sorted(((least - fixed) / step, (most - fixed) / step)) if step else (-math.inf, math.inf)
            if not step and not least <= fixed <= most:
                low = math.inf
            low, high = max(low, ends[0]), min(high, ends[1])
        if low <= high + 1e-12:
            yield from (float(program.cost @ x + program.cost[-1] * end) + program.offset for end in (low, high))


@examples(60)
@given(programs())
def test_the_search_finds_what_enumeration_finds(program: Program) -> None:
    lowest = min(corners(program), default=None)
    for work in (0, search.WORK):  # left to HiGHS at once, or branched upon here
        with patch.object(search, "WORK", work):
            found = solvers.solve(program)
        if lowest is None:
            assert found.status is Status.INFEASIBLE
        else:
            assert found.status is Status.OPTIMAL
            assert found.objective == pytest.approx(lowest, abs=1e-6)
            assert found.relaxed <= lowest + 1e-6
            assert found.bound <= lowest + 1e-6


@examples(60)
@given(programs(), st.data())
def test_a_session_solves_each_program_for_itself(program: Program, data: Any) -> None:
    """Other costs, bounds and offsets, sides of rows; a ceiling lets through what costs exactly that."""
    session, width = solvers.Session(program), program.width
    for _ in range(4):
        cost = np.array([data.draw(st.integers(-4, 9)) for _ in range(width)], dtype=float)
        upper = program.upper * np.array([data.draw(st.sampled_from([0, 1, 1])) for _ in range(width)])
        changed = replace(program, cost=cost, upper=upper, offset=float(data.draw(st.integers(-5, 5))))
        if data.draw(st.booleans()):
            changed = replace(changed, row_upper=program.row_upper + 1)
        lowest = min(corners(changed), default=None)
        found = session.solve(changed, solvers.Limits())
        if lowest is None:
            assert found.status is Status.INFEASIBLE
            continue
        assert found.objective == pytest.approx(lowest, abs=1e-6)
        assert found.bound <= lowest + 1e-6
        within = session.solve(changed, solvers.Limits(), lowest + 1e-7)
        assert within.objective == pytest.approx(lowest, abs=1e-6)
        assert session.solve(changed, solvers.Limits(), lowest - 0.5).x is None or not program.integer.all()


@examples(60)
@given(programs(), st.lists(st.floats(-20, 20), min_size=4, max_size=4))
def test_the_dual_bound_holds_for_any_multipliers(program: Program, multipliers: list[float]) -> None:
    duals: Floats = np.array(multipliers[: len(program.row_lower)])
    # A multiplier may push only against a bound that the row has.
    duals = np.where((duals > 0) & np.isinf(program.row_lower), 0.0, duals)
    duals = np.where((duals < 0) & np.isinf(program.row_upper), 0.0, duals)
    bound = highs.dual_bound(program, duals, program.cost - program.matrix.T @ duals)
    assert bound <= min(corners(program), default=math.inf) + 1e-9


@pytest.mark.parametrize(
    "policy", [CAPPED, po.Policy([po.MaxLots(6), po.MinWinners(4)]), po.Policy()], ids=["a cap", "counts", "none"]
)
def test_tree_and_highs_award_the_same(policy: po.Policy) -> None:
    with patch.object(search, "WORK", 0):
        fixed = po.award(EASY, policy)
    award = po.award(EASY, policy)
    assert (fixed.status, fixed.cost, fixed.tied) == (award.status, award.cost, award.tied)
    assert po.check(fixed) == []


@examples(15)
@given(tiny.tables(prices=st.integers(99_999_999_990, 100_000_000_005)), st.sampled_from([0, search.WORK]))
def test_a_cent_in_a_thousand_million_counts(tables: Any, work: int) -> None:
    lowest, sets = tiny.best_awards(*tables)
    if lowest is None:
        return
    with patch.object(search, "WORK", work):
        award = po.award(tender(tables[0], *tables[1]))
    assert award.cost == lowest
    assert set(award.tied or ()) == frozenset.union(*sets) - frozenset.intersection(*sets)
