"""Screens against scipy and slow formulas, closed values, directions found anew, size under competition, turns."""

from __future__ import annotations

import math
import statistics
import sys
from collections import Counter
from itertools import combinations, pairwise, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from procure_opt.auction import cartels
from procure_opt.auction.cartels import BEHAVIOURS, Cover, Phantom, Rotation, ShareRule, Steering, simulated_tenders
from procure_opt.auction.screens import (
    BENFORD,
    DIRECTIONS,
    SCREENS,
    digits,
    screen_test,
    screens,
    subgroup_screens,
    turns,
)

screens_module = sys.modules[screens.__module__]
BY_NAME = {screen.name: screen for screen in SCREENS}


def rows(*auctions):
    return [
        {"auction": f"A{k}", "bidder": f"B{i}", "bid": bid}
        for k, bids in enumerate(auctions)
        for i, bid in enumerate(bids)
    ]


# ---- a slow second way, bid by bid ----


def ih_distance(b):
    n, s = len(b), statistics.stdev(b)
    x = [each / s for each in sorted(b)]
    plus = max(x[i - 1] - i / (n + 1) for i in range(1, n + 1))
    minus = max(i / (n + 1) - x[i - 1] for i in range(1, n + 1))
    return max(plus, minus)


def gaps(b):
    return [later - sooner for sooner, later in pairwise(sorted(b))]


SLOW = {
    "CV": lambda b: stats.variation(b, ddof=1),
    "SPD": lambda b: max(b) / min(b) - 1,
    "DIFFP": lambda b: gaps(b)[0] / min(b),
    "RD": lambda b: gaps(b)[0] / statistics.stdev(sorted(b)[1:]),
    "RDNOR": lambda b: gaps(b)[0] / statistics.fmean(gaps(b)),
    "ALTRD": lambda b: gaps(b)[0] / statistics.fmean(gaps(b)[1:]),
    "SKEW": lambda b: stats.skew(b, bias=False),
    "KURT": lambda b: stats.kurtosis(b, bias=False),
    "KSTEST": lambda b: stats.kstest([(x - min(b)) / (max(b) - min(b)) for x in b], "uniform").statistic,
    "KSRATIO": ih_distance,
    "ROUND": lambda b: sum(len(str(x).rstrip("0")) <= 3 for x in b) / len(b),
    "TIED": lambda b: sum(c for c in Counter(b).values() if c > 1) / len(b),
}
DISTINCT = st.lists(st.integers(10_000, 99_999), min_size=4, max_size=11, unique=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(DISTINCT, min_size=1, max_size=4))
def test_all_screens_agree_with_the_slow_way(auctions):
    table = screens(pd.DataFrame(rows(*auctions)).sample(frac=1, random_state=1)).table
    assert list(SLOW) == [screen.name for screen in SCREENS]
    for k, bids in enumerate(auctions):
        assert table.loc[f"A{k}", "n"] == len(bids)
        for name, slow in SLOW.items():
            assert table.loc[f"A{k}", name] == pytest.approx(slow(bids), rel=1e-7, abs=1e-9), name


@pytest.mark.parametrize(
    "bids, name, value",
    [
        ((100, 110, 112, 114), "RD", 5.0),  # 10 / 2
        ((100, 110, 112, 114), "ALTRD", 5.0),  # 10 / 2
        ((100, 110, 112, 114), "RDNOR", 15 / 7),  # 10 / (14/3)
        ((100, 110, 112, 114), "SPD", 0.14),
        ((100, 110, 112, 114), "DIFFP", 0.10),
        ((100, 110, 130), "ALTRD", 0.5),
        ((90, 110), "CV", math.sqrt(200) / 100),
        ((90, 110), "KSTEST", 0.5),
        # Equal steps: no gap stands out, no skewness, excess kurtosis −6/5 at every n, 1/n from the uniform law
        (tuple(range(100, 107)), "RDNOR", 1.0),
        (tuple(range(100, 107)), "ALTRD", 1.0),
        (tuple(range(100, 107)), "SKEW", 0.0),
        (tuple(range(100, 107)), "KURT", -1.2),
        (tuple(range(100, 107)), "KSTEST", 1 / 7),
        ((120_000, 123_400, 125_000, 126_000), "ROUND", 0.75),
        ((5, 5, 6, 7), "TIED", 0.5),
        ((7, 7, 7), "CV", 0.0),
        ((7, 7, 7), "TIED", 1.0),
    ],
)
def test_known_values(bids, name, value):
    assert screens(rows(bids)).table[name].iloc[0] == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_too_few_bids_or_nothing_to_divide_by_give_no_number(screen):
    for n in range(1, 6):
        value = screen(np.array([[100.0 + k**2 for k in range(n)]]))
        assert math.isnan(value[0]) == (n < screen.least)
    if screen.name not in ("CV", "SPD", "DIFFP", "ROUND", "TIED"):
        assert math.isnan(screen(np.full((1, 5), 0.1))[0])


@pytest.mark.parametrize("name", [screen.name for screen in SCREENS if screen.name != "ROUND"])
def test_screens_do_not_depend_on_the_currency(name):
    bids = np.sort(np.random.default_rng(2).uniform(90, 120, (20, 5)), axis=1)
    assert BY_NAME[name](bids * 137.5) == pytest.approx(BY_NAME[name](bids), rel=1e-9, abs=1e-9)


def test_auctions_keep_their_order_and_missing_bidders_are_told():
    table = [{**row, "bidders": 5} for row in rows((10, 12), (11, 13, 14))]
    found = screens(table[::-1])
    assert list(found.table.index) == ["A1", "A0"]
    assert any("2 auctions had more bidders" in note for note in found.notes)


def test_rule_of_thumb():
    found = screens(rows((100, 104, 104.5, 105), (100, 101, 104, 106), (100, 130, 131, 132)))
    assert found.rule_of_thumb().tolist() == [True, False, False]
    assert found.rule_of_thumb(cv=0.2).tolist() == [True, False, True]


def test_covers_that_are_all_the_same_are_furthest_out():
    """Bids 100, 103, 103, 103: the winner stands apart from losers that do not differ at all."""
    honest = simulated_tenders(300, 4, seed=1)[["auction", "bidder", "bid"]]
    covers = pd.DataFrame({"auction": "Z", "bidder": list("PQRS"), "bid": [100.0, 103, 103, 103]})
    found = screens(pd.concat([honest, covers]))
    assert found.table.loc["Z", ["RD", "ALTRD"]].tolist() == [math.inf, math.inf]
    assert found.rule_of_thumb()["Z"]
    tested = found.test(["RD", "ALTRD"], behaviours=["Cover"])
    # As far out as p-values go: beside 20,000 draws, of which next to none has losers that are all the same.
    assert tested.p.loc["Z"].between(1 / 20_001, 10 / 20_001).all()
    assert (tested.p.loc["Z"] <= tested.p.min()).all()
    assert found.test(["RD"], behaviours=["Cover"]).asked == ("Z",)
    # The same with two losers, which two draws of a thousand values would often make the same.
    two = pd.DataFrame({"auction": "Z", "bidder": list("PQR"), "bid": [100.0, 103, 103]})
    three = pd.concat([simulated_tenders(300, 3, seed=1)[["auction", "bidder", "bid"]], two])
    assert screen_test(three, ["RD"], behaviours=["Cover"]).p.loc["Z", "RD"] <= 4 / 20_001
    threes = subgroup_screens(covers, ["RD"])
    # Three of the four threes have the winner and two covers; the fourth is three equal bids, and 0/0.
    assert threes.loc["Z"].isna().tolist() == [True] * 4 + [False] * 4
    assert threes.loc["Z", "RD4_max"] == math.inf


# ---- directions ----


def chance_above(one, two):
    """P(one > two) + P(=)/2, by Mann and Whitney's U."""
    return stats.mannwhitneyu(one, two).statistic / len(one) / len(two)


@pytest.mark.parametrize("award", BEHAVIOURS)
def test_directions_are_those_of_simulated_rings(award):
    assert set(DIRECTIONS[award]) == {each.__name__ for each in BEHAVIOURS[award]}
    honest = {n: screens(simulated_tenders(1500, n, award=award, seed=31)).table for n in (4, 6)}
    for behaviour in BEHAVIOURS[award]:
        rigged = screens(simulated_tenders(1500, 6, behaviour(3), award=award, seed=32)).table
        beside = honest[int(rigged["n"].iloc[0])]
        for name, told in DIRECTIONS[award][behaviour.__name__].items():
            above = chance_above(rigged[name].dropna(), beside[name].dropna()) - 0.5
            # Four standard errors of the two samples around the 0.05 from which a direction is told.
            if abs(above) > 0.09:
                assert told == np.sign(above), (behaviour.__name__, name, above)
            if abs(above) < 0.01:
                assert told == 0, (behaviour.__name__, name, above)


def test_directions_disagree_between_awards_and_behaviours():
    cv = BY_NAME["CV"]
    assert cv.direction("first price", ["Cover", "Rotation"]) == -1
    assert cv.direction("first price", ["Phantom"]) == 1
    assert cv.direction("first price") == 0
    assert cv.direction("average bid", ["Steering"]) == 1
    assert cv.direction("average bid") == 1
    assert BY_NAME["ROUND"].direction() == 0
    with pytest.raises(ValueError, match="'second price'"):
        cv.direction("second price")
    with pytest.raises(ValueError, match="'Collusion' is unknown; there are Cover"):
        cv.direction("first price", ["Collusion"])


# ---- against competition ----


@pytest.mark.parametrize("n", [3, 4, 6, 10])
def test_five_percent_of_honest_auctions_are_below_five_percent(n):
    table = simulated_tenders(1500, n, seed=100 + n)
    for behaviours in (None, ["Cover", "Rotation"]):
        found = screen_test(table, ["CV", "SPD", "DIFFP", "RD", "SKEW"], behaviours=behaviours, draws=8000)
        size = (found.p <= 0.05).mean()
        assert size.between(0.035, 0.065).all(), size.to_dict()
        # Over all screens of an auction at most as many: Holm's bound.
        assert (found.combined <= 0.05).mean() <= 0.065
        assert not found.asked


def test_multiple_testing_is_that_of_holm_and_of_benjamini_and_hochberg():
    table = simulated_tenders(300, 5, Cover(5), rigged=0.05, seed=8)
    found = screen_test(table, ["CV", "RD", "KURT"], draws=2000, level=0.1)
    for auction in found.p.index[:40]:
        ordered = sorted(found.p.loc[auction])
        assert found.combined[auction] == pytest.approx(min(1, 3 * ordered[0]))
    ranked = found.combined.sort_values()
    by_hand = [min(len(ranked) * ranked.iloc[k] / (k + 1) for k in range(j, len(ranked))) for j in range(len(ranked))]
    assert found.adjusted[ranked.index].tolist() == pytest.approx(np.minimum(by_hand, 1).tolist())
    assert list(found.asked) == list(found.adjusted[found.adjusted <= 0.1].sort_values(kind="stable").index)


def test_auctions_all_of_whose_bidders_cover_stand_out():
    table = simulated_tenders(1000, 6, Cover(6), rigged=0.02, seed=4)
    truth = table.groupby("auction")["rigged"].any()
    found = screens(table).test(["CV", "SPD", "KURT"], behaviours=["Cover"])
    first = found.combined.sort_values(kind="stable").index[:10]
    assert truth[first].mean() >= 0.6
    assert truth[list(found.asked)].mean() >= 0.6
    for asked, question in zip(found.asked, found.questions()):
        assert asked in question
        assert question.endswith("?")


def test_few_auctions_of_a_size_are_not_tested():
    table = pd.concat([simulated_tenders(40, 4, seed=1), simulated_tenders(3, 5, seed=1).assign(auction="Z" + "A")])
    table.loc[table["auction"] == "ZA", "auction"] = np.repeat(["Z1", "Z2", "Z3"], 5)
    table["bidder"] = table["bidder"] + table.groupby("auction").cumcount().astype(str)
    found = screen_test(table, ["CV"], draws=500)
    assert found.p["CV"].isna().sum() == 3
    assert found.untested == 3
    assert found.adjusted.notna().sum() == 40


def test_what_cannot_be_tested_is_said():
    with pytest.raises(ValueError, match="'cv' is no screen; there are CV"):
        screen_test(rows((1, 2, 3)), ["cv"])
    with pytest.raises(ValueError, match="at least 100"):
        screen_test(rows((1, 2, 3)), draws=5)


@pytest.mark.parametrize(
    "call, told",
    [
        ({"only": []}, "only is empty; give one screen or more of CV"),
        ({"level": 5}, "level is 5; give a share"),
        ({"level": 0.0}, "level is 0.0; give a share"),
        ({"least": 0}, "least is 0; give at least 2"),
        ({"least": 11}, "at most 10 have as many bids, three or more, and least is 11"),
        ({}, "least is 20"),
    ],
)
def test_the_argument_that_is_wrong_is_named(call, told):
    table = simulated_tenders(10, 4, seed=1)
    with pytest.raises(ValueError, match=told):
        screen_test(table, **call)
    with pytest.raises(ValueError, match=told):
        screens(table).test(**call)


def test_two_bids_are_too_few_to_test():
    with pytest.raises(ValueError, match="at most 0 have as many bids"):
        screen_test(simulated_tenders(30, 2, seed=1))


def test_one_screen_can_be_given_by_its_name():
    table = simulated_tenders(30, 4, seed=1)
    assert screen_test(table, "CV").p.equals(screen_test(table, ["CV"]).p)
    assert subgroup_screens(table, "CV").equals(subgroup_screens(table, ["CV"]))


# ---- subgroups and digits ----


def test_subgroups_are_all_threes_and_fours():
    bids = (100, 103, 104, 111, 118, 119)
    table = subgroup_screens(rows(bids, (5, 6)), ["CV", "RD"])
    for size in (3, 4):
        for name in ("CV", "RD"):
            values = [SLOW[name](group) for group in combinations(bids, size)]
            for word, summary in {"mean": np.mean, "median": np.median, "min": min, "max": max}.items():
                assert table.loc["A0", f"{name}{size}_{word}"] == pytest.approx(summary(values))
    assert table.loc["A1"].isna().all()
    with pytest.raises(ValueError, match="'A0' has 6 bids"):
        subgroup_screens(rows(bids), most=5)


def test_benford_known_shares():
    # Hill 1995, "A statistical derivation of the significant-digit law", Statistical Science 10.
    assert BENFORD[1].round(3).tolist() == [0.301, 0.176, 0.125, 0.097, 0.079, 0.067, 0.058, 0.051, 0.046]
    assert BENFORD[2].round(3).tolist() == [0.120, 0.114, 0.109, 0.104, 0.100, 0.097, 0.093, 0.090, 0.088, 0.085]


def test_digits_read_as_written():
    table = digits(rows((0.3, 20, 3.07), (305.5, 9)), place=2).table
    assert table.set_index("digit")["share"][[0, 7, 5]].tolist() == [1.0, 0.0, 0.0]
    assert digits(rows((0.3, 20, 3.07), (305.5, 9))).table.set_index("digit")["share"][[2, 3, 9]].tolist() == [
        0.2,
        0.6,
        0.2,
    ]
    with pytest.raises(ValueError, match="1 or 2"):
        digits(rows((1, 2)), place=3)


def test_digits_of_one_auction_count_as_one():
    generator = np.random.default_rng(6)

    def p(exponents, copies):
        return digits(rows(*(10**each * np.ones(copies) for each in exponents))).p

    honest = [generator.uniform(3, 7, 60) for _ in range(50)]
    assert p(honest[0], 1) == pytest.approx(p(honest[0], 4))
    assert np.mean([p(each, 4) <= 0.05 for each in honest]) <= 0.15
    assert 0.3 <= np.mean([p(each, 4) <= 0.5 for each in honest]) <= 0.7
    # The χ² test itself, where each auction has one bid.
    lead = [int(str(10**each)[0]) for each in honest[0]]
    seen = np.array([lead.count(digit) for digit in range(1, 10)])
    variance = sum(((1 - b) ** 2 * k + b**2 * (60 - k)) / b for b, k in zip(BENFORD[1], seen)) / 60 / 8
    statistic = stats.chisquare(seen, 60 * BENFORD[1]).statistic
    assert p(honest[0], 1) == pytest.approx(stats.chi2.sf(statistic / variance, 8))
    assert digits(rows(*generator.uniform(1000, 9999, (250, 4)))).p < 1e-6


# ---- turns ----


def test_rotation_is_seen_and_competition_is_not():
    taken = turns(simulated_tenders(90, 4, Rotation(4), seed=3), draws=199)
    assert taken.repeats == 0
    assert taken.p_turns <= 0.01
    assert taken.p_even <= 0.05
    assert taken.question.endswith("?")
    shared = turns(simulated_tenders(90, 4, ShareRule(4), seed=3), draws=199)
    assert shared.wins["wins"].tolist() == [36, 27, 18, 9]
    assert shared.p_turns <= 0.01


def test_turns_of_a_group_and_entropy_by_hand():
    table = rows((1, 2, 9), (2, 1, 9), (2, 1, 9), (9, 8, 1), (1, 2, 3))
    found = turns(table, ["B0", "B1"], draws=9)
    assert found.auctions == 4
    assert found.wins["wins"].tolist() == [2, 2]
    assert (found.concentration, found.entropy) == (0.5, 1.0)
    assert found.repeats == 1


def test_turns_reject_rarely_under_competition():
    honest = simulated_tenders(60 * 40, 3, seed=1)
    market = pd.factorize(honest["auction"])[0] // 40
    found = [turns(group, draws=99) for _, group in honest.groupby(market)]
    for each in ("p_turns", "p_even", "p_uneven"):
        assert np.mean([getattr(one, each) <= 0.05 for one in found]) <= 0.12


def test_winners_are_permuted_among_auctions_they_bid_in():
    """Against all orders, by enumeration: three bidders, one of whom is absent twice."""
    table = rows((1, 2, 3), (2, 1, 3), (1, 2), (2, 1), (3, 2, 1), (1, 2, 3))
    winners, there = [0, 1, 0, 1, 2, 0], [3, 3, 2, 2, 3, 3]
    orders = [order for order in permutations(winners) if all(who < n for who, n in zip(order, there))]
    expected = np.mean([sum(a == b for a, b in pairwise(order)) for order in orders])
    found = turns(table, draws=4000)
    assert found.repeats == 0
    assert found.expected_repeats == pytest.approx(expected, abs=0.06)
    few = np.mean([sum(a == b for a, b in pairwise(order)) == 0 for order in orders])
    assert found.p_turns == pytest.approx(few, abs=0.04)


def test_chances_of_the_spread_are_those_of_a_slow_draw():
    """Shares of wins by the docstring's chances, exactly: mean of Σ share² over independent draws."""
    table = rows((1, 2, 3), (2, 1, 3), (1, 2), (2, 1), (3, 2, 1), (1, 2, 3))
    winners, there = [0, 1, 0, 1, 2, 0], [3, 3, 2, 2, 3, 3]
    weight = [(winners.count(k) + 1) / (sum(n > k for n in there) + 2) for k in range(3)]
    chance = np.array([[w * (k < n) for k, w in enumerate(weight)] for n in there])
    chance /= chance.sum(axis=1, keepdims=True)
    # E(Σ wins)² = variance + mean².
    expected = ((chance * (1 - chance)).sum(axis=0) + chance.sum(axis=0) ** 2).sum() / 36
    found = turns(pd.DataFrame(table).sample(frac=1, random_state=2).sort_values("auction"), draws=4000)
    assert found.expected == pytest.approx(expected, abs=0.006)
    # A table whose auctions are not together is the same table.
    mixed = pd.DataFrame(table).sample(frac=1, random_state=2)
    assert turns(mixed, draws=4000).expected == pytest.approx(expected, abs=0.006)


def test_rounds_of_swaps_do_not_grow_with_the_draws_alone(monkeypatch):
    """Ten times the draws are not ten times the rounds of swaps on ten times the chains: chains are kept from."""
    widths = []
    plain = screens_module._again

    def counted(winners, cls):
        widths.append(winners.shape[1])
        return plain(winners, cls)

    monkeypatch.setattr(screens_module, "_again", counted)
    turns(simulated_tenders(40, 3, seed=1), draws=999)
    assert max(widths) == screens_module.CHAINS
    assert len(widths) == 1 + math.ceil(999 / screens_module.CHAINS)


def test_firms_that_each_have_their_class_do_not_take_turns():
    # Two kinds of contract alternate, and each firm is strong in one: winners alternate and nobody agreed on it.
    generator = np.random.default_rng(5)
    table = [
        {"auction": a, "bidder": b, "bid": 100 + (30 if (a + k) % 2 else 0) + generator.uniform(), "class": a % 2}
        for a in range(40) for k, b in enumerate(("Acer", "Briar"))
    ]  # fmt: skip
    assert turns(table, draws=199).p_turns <= 0.01
    assert turns(table, by="class", draws=199).p_turns == 1.0


def test_many_bidders_of_equal_strength_do_not_share_out_the_wins():
    generator, found = np.random.default_rng(3), []
    for _ in range(40):
        who = np.argsort(generator.uniform(size=(300, 30)), axis=1)[:, :5]
        table = pd.DataFrame({
            "auction": np.repeat(np.arange(300), 5), "bidder": [f"F{k}" for k in who.ravel()],
            "bid": generator.uniform(90, 110, 1500),
        })  # fmt: skip
        found.append(turns(table, draws=99).p_even)
    assert np.mean(np.array(found) <= 0.05) <= 0.125  # of 40 at 5 %: more once in 70
    assert np.mean(np.array(found) <= 0.5) >= 0.3


def test_turns_of_nobody():
    with pytest.raises(ValueError, match="no column 'class'"):
        turns(rows((1, 2), (1, 2), (2, 1)), by="class")
    with pytest.raises(ValueError, match="'X' has no bid"):
        turns(rows((1, 2), (1, 2), (2, 1)), ["X", "B0"])
    with pytest.raises(ValueError, match="turns need three"):
        turns(rows((1, 2), (1, 2)))
    with pytest.raises(ValueError, match="draws is 0"):
        turns(rows((1, 2), (1, 2), (2, 1)), draws=0)


def test_turns_where_nobody_won():
    bids = rows((1, 2), (1, 2), (2, 1), (1, 2))
    table = [{**row, "winner": "no"} for row in bids]
    with pytest.raises(ValueError, match="winner: no bid is marked as the winner, the column says no throughout"):
        turns(table)
    table[0]["winner"] = "yes"
    with pytest.raises(ValueError, match="1 auctions have two bidders of the group and a winner"):
        turns(table)
    blank = turns([{**row, "winner": ""} for row in bids], draws=9)
    assert blank.wins["wins"].tolist() == [3, 1]
    assert any("lowest bid is taken to have won" in note for note in blank.notes)


# ---- the simulated rings themselves ----


def test_competition_and_ring_share_their_costs_and_differ_in_bids():
    honest, rigged = simulated_tenders(50, 5, seed=9), simulated_tenders(50, 5, Cover(3), seed=9)
    assert np.array_equal(honest["cost"], rigged["cost"])
    outsiders = ~rigged["member"].to_numpy()
    assert np.array_equal(honest["bid"][outsiders], rigged["bid"][outsiders])
    assert (rigged.groupby("auction")["bid"].min() >= honest.groupby("auction")["bid"].min() - 1e-9).mean() > 0.9


def test_covers_are_above_the_lead_of_the_cheapest_member():
    table = simulated_tenders(80, 5, Cover(3), seed=9)
    for _, auction in table[table["member"]].groupby("auction"):
        lead = auction.loc[auction["cost"].idxmin(), "bid"]
        others = auction["bid"].drop(auction["cost"].idxmin()) / lead - 1
        assert others.between(0.01, 0.05).all()


@pytest.mark.parametrize("n, members", [(5, 3), (6, 2), (4, 3)])
def test_a_ring_asks_the_best_answer_to_outsiders(n, members):
    # Uniform costs: outsiders ask q + (1 − q)/n, so the ring maximises (b − c)(1 − b)^m, m = n − k, by
    # b = (1 + m c)/(1 + m).
    asks, m = cartels._asks(stats.uniform(0, 1), n, members), n - members
    for cost in (0.3, 0.5, 0.9):
        assert asks(np.array(cost)) == pytest.approx((1 + m * cost) / (1 + m), abs=2e-3)


def test_steering_puts_the_mean_on_one_member():
    own = np.full((4, 3), 2.0)
    meeting = cartels.Meeting(own, own, own, np.full((4, 1), 9.0), 6)
    bids = Steering(3, step=0.02)(meeting, np.random.default_rng(0))
    for auction, lead in enumerate((0, 1, 2, 0)):
        assert bids[auction, lead] == pytest.approx(2.04)
        assert (bids[auction].sum() + 3 * 2.0) / 6 == pytest.approx(2.04)


def test_suppressed_bids_are_not_there_and_rigged_ones_are_marked():
    table = simulated_tenders(200, 5, cartels.Suppression(3), rigged=0.25, seed=2)
    size = table.groupby("auction").agg(n=("bid", "size"), rigged=("rigged", "any"))
    assert set(size["n"][size["rigged"]]) == {3}
    assert set(size["n"][~size["rigged"]]) == {5}
    assert 0.15 < size["rigged"].mean() < 0.35
    assert table.groupby("auction")["winner"].sum().eq(1).all()


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda: simulated_tenders(0, 3), "at least 1 auction of 2"),
        (lambda: simulated_tenders(5, 3, Cover(4)), "a ring of 4 among 3"),
        (lambda: simulated_tenders(5, 3, award="lowest"), "'first price', 'average bid'"),
        (lambda: simulated_tenders(5, 3, rigged=2), "share from 0 to 1"),
        (lambda: simulated_tenders(5, 3, Steering(2)), "average-bid auction has a mean"),
        (lambda: simulated_tenders(5, 3, Steering(1), award="average bid"), "two members or more"),
    ],
)
def test_rings_that_cannot_be(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_phantom_bids_stay_below_the_reserve():
    table = simulated_tenders(100, 4, Phantom(4), seed=1)
    assert (table["bid"] < table["reserve"]).all()
    assert (table[table["winner"]]["bid"] / table[table["winner"]]["reserve"]).round(9).nunique() == 1
