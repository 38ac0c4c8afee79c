"""Which awards are optimal, and the one the published rule picks: against enumeration, and by hand."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import procure_opt as po
import tiny
from procure_opt.scoring import RelativePrice
from test_award_brute import examples
from tiny import bid, lots, tender, won


def draw_by_hand(seed: int, optimal: list[frozenset[str]]) -> frozenset[str]:
    """The published rule: bids that differ are called in the order of sha256("seed:bid"); each is accepted if some
    optimal award accepts it together with those accepted and without those refused before it."""
    differing = frozenset.union(*optimal) - frozenset.intersection(*optimal)
    for name in sorted(differing, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()):
        optimal = [award for award in optimal if name in award] or optimal
    assert len(optimal) == 1
    return optimal[0]


# ---- by hand ----------------------------------------------------------------------------------------------

# Bids on lots A, B, C, and the bids in which optimal awards differ.
TIED: dict[str, tuple[list[tuple[str, str, int]], set[str]]] = {
    "one bid": ([("x", "A", 5)], set()),
    "a unique best": ([("x", "A", 5), ("y", "A", 6)], set()),
    "two": ([("x", "A", 5), ("y", "A", 5)], {"x", "y"}),
    "three": ([("x", "A", 5), ("y", "A", 5), ("z", "A", 5)], {"x", "y", "z"}),
    "two and a dearer": ([("x", "A", 5), ("y", "A", 5), ("z", "A", 6)], {"x", "y"}),
    "a package and its singles": ([("p", "A;B", 9), ("x", "A", 4), ("y", "B", 5)], {"p", "x", "y"}),
    "a package, and a dearer single": ([("p", "A;B", 9), ("x", "A", 4), ("y", "B", 5), ("z", "B", 6)], {"p", "x", "y"}),
    "two packages that overlap": (
        [("p", "A;B", 8), ("q", "B;C", 8), ("x", "A", 5), ("z", "C", 5)], {"p", "q", "x", "z"}),
    "nothing on a free lot": ([("x", "A", 0), ("y", "A", 0)], {"x", "y"}),
    "a bid and in-house": ([("x", "A", 7)], {"x"}),
}  # fmt: skip


@pytest.mark.parametrize("case", TIED)
def test_the_bids_in_which_optimal_awards_differ(case: str) -> None:
    rows, tied = TIED[case]
    used = sorted({lot for _, on, _ in rows for lot in on.split(";")})
    offers = tender(lots(*used, in_house=7), *(bid(name, name, on, price) for name, on, price in rows))
    award = po.award(offers)
    assert set(award.tied or ()) == tied
    assert award.tied == tuple(sorted(tied))


def test_bids_of_one_bidder_may_tie_too() -> None:
    offers = tender("A", bid("x", "X", "A", 5, xor="one"), bid("y", "X", "A", 5, xor="one"))
    assert po.award(offers).tied == ("x", "y")


def test_divisible_bids_tie_in_their_fractions() -> None:
    rows = [bid("x", "X", "A", 5, min_fraction=0), bid("y", "Y", "A", 5, min_fraction=0.5), bid("z", "Z", "A", 6)]
    award = po.award(tender("A", *rows))
    assert (award.tied, award.cost) == (("x", "y"), 5)
    dearer = po.award(tender("A", rows[0], rows[1] | {"price": 6}))
    assert (dearer.tied, dearer.bids["fraction"].tolist()) == ((), [1])


def test_a_tie_within_the_rules_only() -> None:
    rows = [bid("x", "X", "A", 5), bid("y", "Y", "A", 5), bid("z", "X", "B", 5)]
    assert po.award(tender("A B", *rows)).tied == ("x", "y")
    assert po.award(tender("A B", *rows), po.Policy([po.MaxLots(1)])).tied == ()


# ---- the draw ---------------------------------------------------------------------------------------------

PAIR = tender("A", bid("x", "X", "A", 5), bid("y", "Y", "A", 5))


def test_a_draw_is_repeatable_by_hand() -> None:
    # The digests of "0:x" and "0:y" begin with db and 1e, those of "1:x" and "1:y" with 55 and bb.
    for seed, first in ((0, "y"), (1, "x")):
        assert won(po.award(PAIR, po.Policy(tie_break=po.DrawLots(seed)))) == [first]


def test_the_default_is_a_draw_with_seed_0() -> None:
    assert won(po.award(PAIR)) == won(po.award(PAIR, po.Policy(tie_break=po.DrawLots(0))))


def test_the_draw_is_fair() -> None:
    drawn = [po.DrawLots(seed).order(["x", "y"])[0] for seed in range(400)]
    assert 160 <= drawn.count("x") <= 240
    first = [won(po.award(PAIR, po.Policy(tie_break=po.DrawLots(seed)))) for seed in range(12)]
    assert first == [[name] for name in drawn[:12]]


def test_the_draw_hangs_on_ids_not_on_rows() -> None:
    rows = [bid(f"b{i}", f"B{i}", "A", 5) for i in range(12)]
    lists = [rows, rows[::-1], rows[5:] + rows[:5]]
    assert len({tuple(won(po.award(tender("A", *some)))) for some in lists}) == 1
    seeds = {tuple(won(po.award(tender("A", *rows), po.Policy(tie_break=po.DrawLots(seed))))) for seed in range(8)}
    assert len(seeds) > 3


@examples(40)
@given(tiny.tables(), st.integers(0, 999))
def test_ties_and_draws_are_those_of_enumeration(tables: Any, seed: int) -> None:
    lowest, optimal = tiny.best_awards(*tables)
    if lowest is None:
        return
    award = po.award(tender(tables[0], *tables[1]), po.Policy(tie_break=po.DrawLots(seed)))
    assert award.cost == lowest
    assert set(award.tied or ()) == frozenset.union(*optimal) - frozenset.intersection(*optimal)
    assert frozenset(award.bids["bid"]) == draw_by_hand(seed, optimal)


@examples(15)
@given(tiny.tables(max_bids=5), st.integers(0, 9))
def test_the_draw_is_the_same_behind_every_door(tables: Any, seed: int) -> None:
    lowest, optimal = tiny.best_awards(*tables)
    if lowest is None:
        return
    award = po.award(tender(tables[0], *tables[1]), po.Policy(tie_break=po.DrawLots(seed)), solver="CBC")
    assert award.cost == lowest
    if award.tied is not None:  # the bound of the relaxation was met
        assert frozenset(award.bids["bid"]) == draw_by_hand(seed, optimal)


def test_sixty_tied_lots_are_drawn_at_once() -> None:
    names = [f"L{i}" for i in range(60)]
    rows = [bid(f"{who}{name}", who, name, 100 + i) for i, name in enumerate(names) for who in "xy"]
    began = time.perf_counter()
    award = po.award(tender(lots(*names), *rows), po.Policy(tie_break=po.DrawLots(7)))
    assert time.perf_counter() - began < 20
    assert len(award.tied or ()) == 120
    calls = {row["bid"]: hashlib.sha256(f"7:{row['bid']}".encode()).hexdigest() for row in rows}
    assert won(award) == sorted(min((f"x{name}", f"y{name}"), key=calls.__getitem__) for name in names)


# ---- other rules ------------------------------------------------------------------------------------------


def test_refuse_raises_and_names_the_bids() -> None:
    with pytest.raises(po.Tied, match="they differ in the bids x, y") as refused:
        po.award(PAIR, po.Policy(tie_break=po.Refuse()))
    assert refused.value.tied == ("x", "y")
    unique = tender("A", bid("x", "X", "A", 5), bid("y", "Y", "A", 6))
    assert po.award(unique, po.Policy(tie_break=po.Refuse())).tied == ()


def test_no_rule_no_search() -> None:
    assert po.award(PAIR, po.Policy(tie_break=None)).tied is None


def test_higher_quality_decides_ties_and_only_ties() -> None:
    policy = po.Policy(tie_break=po.HigherQuality())
    better = [bid("x", "X", "A", 5, quality=60), bid("y", "Y", "A", 5, quality=80), bid("z", "Z", "A", 6, quality=100)]
    award = po.award(tender("A", *better), policy)
    assert (won(award), award.tied) == (["y"], ("x", "y"))
    # What is still tied is drawn with seed 0.
    same = [bid(name, name, "A", 5, quality=70) for name in ("x", "y")]
    assert won(po.award(tender("A", *same), policy)) == won(po.award(PAIR))


def test_quality_weighs_by_estimate_where_it_is_known() -> None:
    # One lot for each of X and Y, all at the same price: X on A and Y on B, or the other way round.
    rows = [bid(f"{who}{lot}", who, lot, 5, quality=quality)
            for who, lot, quality in (("X", "A", 100), ("Y", "B", 50), ("Y", "A", 0), ("X", "B", 70))]  # fmt: skip
    policy = po.Policy([po.MaxLots(1)], tie_break=po.HigherQuality())
    assert won(po.award(tender("A B", *rows), policy)) == ["XA", "YB"]  # 100 + 50 > 0 + 70
    shares = [{"lot": "A", "estimate": 10}, {"lot": "B", "estimate": 90}]
    assert won(po.award(tender(shares, *rows), policy)) == ["XB", "YA"]  # 10 · 100 + 90 · 50 < 90 · 70


def test_higher_quality_needs_the_quality_of_tied_bids_alone() -> None:
    policy = po.Policy(tie_break=po.HigherQuality())
    with pytest.raises(ValueError, match="'quality' is needed for every bid here, and is blank for x"):
        po.award(tender("A", bid("x", "X", "A", 5), bid("y", "Y", "A", 5, quality=50)), policy)
    dearer = tender("A", *(bid(name, name, "A", 5, quality=50) for name in "xy"), bid("z", "Z", "A", 6))
    assert po.award(dearer, policy).tied == ("x", "y")


@examples(25)
@given(tiny.tables())
def test_higher_quality_is_that_of_enumeration(tables: Any) -> None:
    lowest, optimal = tiny.best_awards(*tables)
    if lowest is None:
        return
    points = {row["bid"]: row["quality"] * (row["lots"].count(";") + 1) for row in tables[1]}
    award = po.award(tender(tables[0], *tables[1]), po.Policy(tie_break=po.HigherQuality()))
    most = max(sum(points[name] for name in chosen) for chosen in optimal)
    assert sum(points[name] for name in award.bids["bid"]) == most
    best = [chosen for chosen in optimal if sum(points[name] for name in chosen) == most]
    assert frozenset(award.bids["bid"]) in best


# ---- what is no tie ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prices", [(1e9, 1e9 + 0.01), (1e9 + 0.01, 1e9), (123_456_789.12, 123_456_789.13)])
def test_a_cent_is_no_tie(prices: tuple[float, float]) -> None:
    rows = [bid(name, name, "A", price) for name, price in zip("xy", prices, strict=True)]
    award = po.award(tender("A", *rows, money_unit=0.01))
    assert (award.cost, award.tied) == (min(prices), ())


@pytest.mark.parametrize(("package", "tied"), [(2e9 + 0.01, ()), (2e9, ("p", "x", "z")), (1_999_999_999.99, ())])
def test_a_cent_more_for_a_package_is_no_tie(package: float, tied: tuple[str, ...]) -> None:
    rows = [
        bid("x", "X", "A", 1e9),
        bid("y", "Y", "A", 1e9 + 0.01),
        bid("z", "Z", "B", 1e9),
        bid("p", "P", "A;B", package),
    ]
    award = po.award(tender("A B", *rows, money_unit=0.01))
    assert (award.cost, award.tied) == (min(package, 2e9), tied)


def test_a_cent_among_many_large_lots_is_no_tie() -> None:
    """On every other lot x is a cent cheaper than y; on the others they tie."""
    names = [f"L{i}" for i in range(30)]
    rows = [bid(f"{who}{i}", who, name, 33_333_333 + (0.01 if who == "y" or i % 2 else 0))
            for i, name in enumerate(names) for who in "xy"]  # fmt: skip
    award = po.award(tender(lots(*names), *rows, money_unit=0.01))
    assert set(award.tied or ()) == {f"{who}{i}" for i in range(1, 30, 2) for who in "xy"}
    assert award.cost == 999_999_990.15


def test_scores_tie_to_a_thousand_millionth_of_a_point() -> None:
    policy = po.Policy(objective=po.BestScore(RelativePrice(0.5)))
    shares = lots("A", estimate=1)
    same = tender(shares, bid("x", "X", "A", 100, quality=50), bid("y", "Y", "A", 100, quality=50))
    near = tender(shares, bid("x", "X", "A", 100, quality=50), bid("y", "Y", "A", 100, quality=50.0001))
    assert po.award(same, policy).tied == ("x", "y")
    assert po.award(near, policy).tied == ()
    assert won(po.award(near, policy)) == ["y"]
