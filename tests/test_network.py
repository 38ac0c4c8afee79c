"""The network of bidders: measures by hand, the chain that shuffles tenders, planted groups and false alarms."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from procure_opt.auction import network
from procure_opt.auction.network import bid_network, suspicious_groups

TSUCHIURA = Path(__file__).parents[2] / "shared" / "data" / "tsuchiura" / "bids_2007_2011.csv"


def rows(met: dict[str, str], **more: Any) -> list[dict[str, Any]]:
    return [{"auction": a, "bidder": b, "bid": 10 + i, **more} for a, who in met.items() for i, b in enumerate(who)]


# ---- the network ------------------------------------------------------------------------------------------

SEEN = st.dictionaries(st.sampled_from("123456789"), st.sets(st.sampled_from("ABCDEF"), min_size=1), min_size=1)


@given(SEEN, st.sets(st.sampled_from("ABCDEF"), min_size=2, max_size=4))
@settings(max_examples=40, deadline=None)
def test_measures_from_the_sets_of_tenders(met: dict[str, set[str]], group: set[str]) -> None:
    found = bid_network(rows({a: "".join(sorted(who)) for a, who in met.items()}))
    at = {b: {a for a, who in met.items() if b in who} for b in "ABCDEF"}
    jaccard = {
        frozenset(pair): len(at[pair[0]] & at[pair[1]]) / len(at[pair[0]] | at[pair[1]])
        for pair in combinations([b for b in "ABCDEF" if at[b]], 2)
    }
    told = {frozenset((p.bidder_a, p.bidder_b)): p.weight for p in found.pairs.itertuples()}
    assert told == pytest.approx({pair: w for pair, w in jaccard.items() if w})
    if not all(at[b] for b in group):
        return
    inside = [jaccard[frozenset(pair)] for pair in combinations(sorted(group), 2)]
    assert found.cohesion(sorted(group)) == pytest.approx(stats.gmean(inside))
    graph = found.graph
    within = graph.subgraph(group).size("weight")
    boundary = nx.cut_size(graph, group, weight="weight")
    if within + boundary:
        assert found.exclusivity(sorted(group)) == pytest.approx(within / (within + boundary))
    if within:
        assert found.coherence(sorted(group)) == pytest.approx(stats.gmean(inside) / np.mean(inside))


def test_who_wins_and_who_never_met() -> None:
    found = bid_network(rows({"1": "AB", "2": "BA", "3": "C"}))
    assert found.bidders.values.tolist() == [["A", 2, 1], ["B", 2, 1], ["C", 1, 1]]
    assert found.cohesion(["A", "C"]) == 0
    assert np.isnan(found.coherence(["A", "C"]))
    with pytest.raises(ValueError, match="'Z' did not bid"):
        found.cohesion(["A", "Z"])
    with pytest.raises(ValueError, match="two members"):
        found.exclusivity(["A", "A"])


# ---- shuffled tenders -------------------------------------------------------------------------------------


def seated(auction: list[int], bidder: list[int], stratum: list[int] | None = None) -> network.Seats:
    arrays = (np.array(one, dtype=np.int64) for one in (auction, bidder, stratum or [0] * len(auction)))
    return network._seats(*arrays, max(bidder) + 1)


@given(SEEN, st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_shuffling_keeps_how_often_each_bids_in_each_class_and_nobody_is_twice_in_a_tender(
    met: dict[str, set[str]], seed: int
) -> None:
    bids = [(int(a), ord(b) - 65, int(a) % 2) for a, who in met.items() for b in sorted(who)]
    auction, bidder, stratum = (list(column) for column in zip(*bids))
    given = seated(auction, bidder, stratum)
    shuffled = network._shuffled(given, given.bidder, np.random.default_rng(seed))
    assert len(set(zip(auction, shuffled.tolist()))) == len(bids)
    assert sorted(zip(stratum, shuffled.tolist())) == sorted(zip(stratum, bidder))


def test_every_seating_with_the_same_margins_is_as_likely() -> None:
    """Tenders of 2, 2 and 1 bids and four bidders with 2, 1, 1, 1: all seatings listed, and drawn."""
    sizes, times = (2, 2, 1), (2, 1, 1, 1)
    possible = [
        choice
        for choice in product(*(list(combinations(range(4), size)) for size in sizes))
        if all(sum(b in who for who in choice) == times[b] for b in range(4))
    ]
    assert len(possible) == 12
    given = seated([0, 0, 1, 1, 2], [0, 1, 0, 2, 3])
    rng, bidder, counts = np.random.default_rng(4), given.bidder, dict.fromkeys(possible, 0)
    for _ in range(1_500):
        bidder = network._shuffled(given, bidder, rng)
        seats = bidder.tolist()
        counts[tuple(sorted(seats[:2])), tuple(sorted(seats[2:4])), (seats[4],)] += 1
    assert len(counts) == 12
    assert stats.chisquare(list(counts.values())).pvalue > 0.001


def test_chances_add_up_to_the_margins() -> None:
    times, size, count = np.array([8.0, 5, 4, 3, 1]), np.array([2.0, 3]), np.array([3.0, 5])
    chance = network._chances(times, size, count)
    assert chance @ count == pytest.approx(
        times, rel=0.01
    )  # who is everywhere has chance 1, which is approached slowly
    assert chance.sum(axis=0) == pytest.approx(size, rel=0.01)


def test_pairs_expected_are_as_many_as_there_are_and_near_those_of_shuffled_tenders() -> None:
    rng = np.random.default_rng(2)
    bids = [(a, int(b)) for a in range(40) for b in rng.choice(9, rng.integers(2, 6), replace=False)]
    auction, bidder = (list(column) for column in zip(*bids))
    given = seated(auction, bidder, [a % 2 for a in auction])
    i, j = np.triu_indices(9, 1)
    expected, _ = network._expected(given, i, j)
    size = np.bincount(auction)
    assert expected.sum() == pytest.approx((size * (size - 1) / 2).sum(), rel=1e-6)
    shuffled, met = given.bidder, []
    for _ in range(400):
        shuffled = network._shuffled(given, shuffled, rng)
        seats = np.zeros((40, 9))
        seats[given.auction, shuffled] = 1
        met.append((seats.T @ seats)[i, j])
    # The model lets sizes of tenders vary, shuffled tenders do not: it is near enough to measure surprise by.
    assert (np.abs(np.mean(met, axis=0) - expected) < 0.5 * np.std(met, axis=0)).all()


# ---- groups -----------------------------------------------------------------------------------------------


def ten_years(
    seed: int, ring: tuple[int, ...] = (), *, rotate: bool = True, tenders: int = 300
) -> list[dict[str, Any]]:
    """Tenders of three trades, each with bidders of its own among 24, some do all; the ring joins 4 in 10."""
    rng, turn = np.random.default_rng(seed), 0
    home, out = rng.integers(3, size=24), []
    for tender in range(tenders):
        trade = int(rng.integers(3))
        pool = [b for b in range(24) if home[b] == trade or b % 5 == 0]
        who = rng.choice(pool, min(len(pool), int(rng.integers(3, 6))), replace=False).tolist()
        bids = {f"B{b:02}": float(rng.uniform(80, 120)) for b in who}
        if ring and rng.random() < 0.4:
            names = [f"B{b:02}" for b in ring]
            bids |= {name: float(rng.uniform(100, 120)) for name in names}
            if rotate:
                bids[names[turn % len(ring)]] = 79.0
                turn += 1
        month = tender * 120 // tenders
        date = f"{2015 + month // 12}-{1 + month % 12:02}-01"
        out += [{"auction": tender, "bidder": b, "bid": x, "date": date, "trade": f"T{trade}"} for b, x in bids.items()]
    return out


@pytest.mark.parametrize("seed", range(3))
def test_a_ring_of_three_in_ten_years_of_tenders_is_the_first_group(seed: int) -> None:
    found = suspicious_groups(ten_years(seed, (1, 2, 3)), given="trade", permutations=99, seed=seed)
    first = found.table.iloc[0]
    assert first["members"] == ("B01", "B02", "B03")
    assert first["flagged"]
    assert first["p_together"] == pytest.approx(0.01)
    assert first["p_rotation"] < 0.02
    assert {"share owners", "in turns"} == {
        words for words in ("share owners", "in turns") if words in first["question"]
    }
    assert "guilty" not in first["question"]
    its = found.tenders[found.tenders["group"] == 0]
    assert len(its) == first["tenders"] > 100
    assert its["members"].map(len).min() == 2


def test_without_a_ring_groups_are_rarely_flagged() -> None:
    """12 markets at the level 5 %: more than 3 with a group flagged has a chance of 0.3 %."""
    alarms = [
        suspicious_groups(ten_years(seed, tenders=120), given="trade", permutations=99, seed=seed)
        .table["flagged"]
        .any()
        for seed in range(100, 112)
    ]
    assert sum(alarms) <= 3


def test_bidders_of_one_region_look_like_a_group_until_the_region_is_given() -> None:
    rng = np.random.default_rng(8)
    bids = [
        {"auction": tender, "bidder": f"{region}{b}", "bid": 1, "region": region}
        for tender in range(160)
        for region in ["north" if tender % 2 else "south"]
        for b in rng.choice(8, 4, replace=False)
    ]
    assert suspicious_groups(bids, permutations=99).table["flagged"].any()
    assert not suspicious_groups(bids, given="region", permutations=99).table["flagged"].any()


def test_results_do_not_depend_on_the_order_of_the_rows_but_on_the_seed_alone() -> None:
    bids = ten_years(0, (1, 2, 3), tenders=100)
    one, same = (suspicious_groups(bids, given="trade", permutations=29, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one.table, same.table)
    turned = suspicious_groups(bids[::-1], given="trade", permutations=29)
    assert turned.table["members"][0] == one.table["members"][0]
    assert turned.table["cohesion"][0] == pytest.approx(one.table["cohesion"][0])


def test_screens_are_compared_between_the_tenders_of_a_group_and_the_others() -> None:
    bids = ten_years(0, (1, 2, 3), tenders=150)
    plain = suspicious_groups(bids, given="trade", permutations=29)
    its = set(plain.tenders["auction"][plain.tenders["group"] == 0].astype(str))
    rng = np.random.default_rng(5)
    screens = pd.DataFrame({"auction": range(150), "noise": rng.normal(size=150), "word": "x"})
    screens["cv"] = rng.normal(size=150) - 2.0 * screens["auction"].astype(str).isin(its)
    found = suspicious_groups(bids, given="trade", permutations=29, evidence=screens)
    told = found.evidence[found.evidence["group"] == 0].set_index("measure")
    assert told["p_adjusted"]["screen cv"] < 0.02
    assert told["value"]["screen cv"] < told["expected"]["screen cv"]
    assert told["p"]["screen noise"] > 0.02
    here = screens["auction"].astype(str).isin(its)
    assert told["value"]["screen cv"] == pytest.approx(screens["cv"][here].mean())
    pd.testing.assert_frame_equal(found.table, plain.table)  # screens are told beside, they do not move the ranking
    with pytest.raises(ValueError, match="no column 'auction'"):
        suspicious_groups(bids, permutations=1, evidence=screens.drop(columns="auction"))
    with pytest.raises(ValueError, match="stands twice"):
        suspicious_groups(bids, permutations=1, evidence=pd.concat([screens, screens]))


def test_without_dates_turns_are_not_looked_at_and_it_says_so() -> None:
    bids = [{key: row[key] for key in ("auction", "bidder", "bid", "trade")} for row in ten_years(0, (1, 2, 3))]
    found = suspicious_groups(bids, given="trade", permutations=99)
    assert found.table["p_rotation"].isna().all()
    assert found.table["p"][0] == pytest.approx(0.02)
    assert any("no column date" in note for note in found.notes)


def test_where_nobody_meets_there_is_no_group() -> None:
    found = suspicious_groups(rows({"1": "A", "2": "B"}), permutations=3)
    assert found.table.empty
    assert found.evidence.empty
    assert "no classes" in found.notes[0]


def test_p_adjusted_for_the_false_discovery_rate() -> None:
    """Benjamini and Hochberg (1995), Table 1: at the rate 5 % four of fifteen are rejected."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    adjusted = network._adjusted(p)
    assert sum(one <= 0.05 for one in adjusted) == 4
    assert adjusted == pytest.approx(stats.false_discovery_control(p))
    assert network._adjusted([]) == []


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"given": "colour"}, "no column 'colour'; there are date, trade"),
        ({"given": "bid"}, "'bid' differs among the bids of the tender"),
        ({"level": 5.0}, r"^level is 5\.0; it is a probability above 0 and below 1"),
        ({"permutations": 0}, "^permutations is 0; it must be at least 1"),
        ({"least": 0}, "^least is 0; it must be at least 1"),
    ],
)
def test_what_cannot_be_asked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        suspicious_groups(ten_years(0, tenders=30), **wrong)


@pytest.mark.skipif(not TSUCHIURA.exists(), reason="the tenders of Tsuchiura are not here")
def test_the_tenders_of_tsuchiura() -> None:
    """Groups of a city in which firms were found to collude; without classes, regions and trades are groups as well."""
    bids = pd.read_csv(TSUCHIURA).rename(columns={"pid": "auction", "bidder": "name", "bidder_id": "bidder"})
    bids["status"] = bids["bidresult"].map({4: "disqualified"}).fillna("valid")
    found = suspicious_groups(bids[["auction", "bidder", "bid", "winner", "status", "date"]], permutations=19)
    valid = bids[bids["status"].eq("valid") & bids["bid"].gt(0)].drop_duplicates(["auction", "bidder"])
    seats = pd.crosstab(valid["auction"], valid["bidder"].astype(str))
    for row in found.table.head(5).itertuples():
        together = (seats[list(row.members)].sum(axis=1) >= 2).sum()
        assert row.tenders == together
        assert row.p_together == pytest.approx(0.05)
    assert len(found.table) > 20


def test_the_drawing() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = suspicious_groups(ten_years(0, (1, 2, 3), tenders=60), given="trade", permutations=9)
    ax = found.plot()
    assert {text.get_text() for text in ax.texts} >= {"B01", "B02", "B03"}
    plt.close("all")
