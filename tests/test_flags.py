"""Red flags: the demonstrations of Cardinal, hand-made tenders by lot, and a second reading of real ones."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procure_opt.auction.flags import (
    FLAGS,
    CloseSecond,
    HeavyDiscount,
    LateWinner,
    LowestDisqualified,
    ManyDisqualified,
    ManyLosses,
    ManyTrades,
    OthersDisqualified,
    RedFlags,
    SamePrice,
    ShortPeriod,
    SingleBid,
    red_flags,
)
from procure_opt.cells import BadTable

DATA = Path(__file__).parents[2] / "shared" / "data"
CARDINAL, TSUCHIURA = DATA / "ocds" / "cardinal", DATA / "tsuchiura"


def bid(who: str, amount: float | None = None, status: str = "valid", **more: Any) -> dict[str, Any]:
    """A bid; several letters are the members of a consortium."""
    value = {} if amount is None else {"value": {"amount": amount, "currency": "EUR"}}
    return {"status": status, "tenderers": [{"id": one} for one in who], **value, **more}


def award(who: str, status: str = "active", **more: Any) -> dict[str, Any]:
    return {"status": status, "suppliers": [{"id": one} for one in who], **more}


def release(ocid: str, bids: list[Any] = (), awards: list[Any] = (), **tender: Any) -> dict[str, Any]:  # type: ignore[assignment]
    return {"ocid": ocid, "tender": tender, "bids": {"details": list(bids)}, "awards": list(awards)}


def raised(found: RedFlags) -> set[tuple[str, str, float]]:
    return set(found.table[["flagged", "id", "value"]].round(5).itertuples(index=False, name=None))


def quantile_8(values: list[float], p: float) -> float:
    """Definition 8 of Hyndman and Fan (1996): the (n + 1/3) p + 1/3 -th value, between two the straight line."""
    x, h = sorted(values), (len(values) + 1 / 3) * p + 1 / 3
    h = min(max(h, 1), len(x))
    k = int(h)
    return x[k - 1] + (h - k) * (x[min(k, len(x) - 1)] - x[k - 1])


# Input files and outputs: github.com/open-contracting/cardinal-rs, docs/cli/indicators/R, "Demonstration". In that of
# R038 each buyer has one process, and the smaller number of the two documented minimums does not leave it out.
DEMONSTRATIONS: list[tuple[Any, set[tuple[str, str, float]]]] = [
    (CloseSecond(), {("process", "F", 1), ("bidder", "W", 0), ("bidder", "L", 0)}),
    (ManyLosses(), {("bidder", "F", 0.16667)}),
    (SamePrice(), {("process", "F", 1), ("bidder", "D", 1), ("bidder", "V", 1)}),
    (OthersDisqualified(), {("process", "F", 1), ("bidder", "V", 0)}),
    (LowestDisqualified(), {("process", "F", 1)}),
    (ManyDisqualified(processes=1), {("buyer", "B", 0.5)}),
    (HeavyDiscount(), {("process", "F", 99), ("bidder", "W", 0)}),
]


@pytest.mark.skipif(not CARDINAL.exists(), reason="the demonstrations are not here")
@pytest.mark.parametrize("flag, expected", DEMONSTRATIONS, ids=lambda case: getattr(case, "code", ""))
def test_the_demonstrations_of_cardinal(flag: Any, expected: set[tuple[str, str, float]]) -> None:
    assert raised(red_flags(CARDINAL / f"{flag.code}.example.jsonl", flags=[flag])) == expected


def items(*classes: str) -> list[Any]:
    return [{"classification": {"id": one}} for one in classes]


PERIOD = {"startDate": "2024-01-01T09:00:00Z", "endDate": "2024-01-15T09:00:00Z"}
CASES: list[tuple[Any, list[Any], set[tuple[str, str, float]]]] = [
    # 14 whole days are short of 15; 15 are not, nor is a day more than the hours to it
    (ShortPeriod(), [release("F", tenderPeriod=PERIOD),
                     release("ok", tenderPeriod=PERIOD | {"endDate": "2024-01-16T09:00:00Z"})], {("process", "F", 1)}),
    (ShortPeriod(), [release("F", tenderPeriod=PERIOD | {"endDate": "2024-01-16T08:59:00Z"})], {("process", "F", 1)}),
    (ShortPeriod(days=14), [release("ok", tenderPeriod=PERIOD)], set()),
    (ShortPeriod(days_by_details={"urgent": 5}),
     [release("F", tenderPeriod=PERIOD), release("ok", tenderPeriod=PERIOD, procurementMethodDetails="urgent")],
     {("process", "F", 1)}),
    (ShortPeriod(methods=("open",)),
     [release("F", tenderPeriod=PERIOD, procurementMethod="open"),
      release("ok", tenderPeriod=PERIOD, procurementMethod="direct")], {("process", "F", 1)}),
    # days without hours: from the first day to the last
    (ShortPeriod(), [release("F", tenderPeriod={"startDate": "2024-01-01", "endDate": "2024-01-15"}),
                     release("ok", tenderPeriod={"startDate": "2024-01-01", "endDate": "2024-01-16"})],
     {("process", "F", 1)}),
    (SingleBid(), [release("F", procurementMethod="open", numberOfTenderers=1),
                   release("ok", procurementMethod="direct", numberOfTenderers=1),
                   release("two", procurementMethod="selective", numberOfTenderers=2)], {("process", "F", 1)}),
    (SingleBid(), [release("F", [bid("A"), bid("A"), bid("B", status="withdrawn")], procurementMethod="open"),
                   release("ok", [bid("A"), bid("B", status="disqualified")], procurementMethod="open")],
     {("process", "F", 1)}),
    (LateWinner(), [release("F", [bid("A", date="2024-01-15T10:00:00Z")], [award("A")], tenderPeriod=PERIOD),
                    release("ok", [bid("A", date="2024-01-15T08:00:00Z"), bid("B", date="2024-01-16T08:00:00Z")],
                            [award("A")], tenderPeriod=PERIOD)], {("process", "F", 1)}),
    # the same moment in another time zone is not late, whatever the texts look like
    (LateWinner(), [release("ok", [bid("A", date="2024-01-15T10:00:00+02:00")], [award("A")], tenderPeriod=PERIOD)],
     set()),
    (LateWinner(), [release("ok", [bid("A", date="2024-01-15T10:00:00Z")], [award("A")],
                            tenderPeriod={"endDate": "2024-01-15"})], set()),
    (ManyTrades(awards=1), [release("", awards=[award("F", items=items("10000000", "11000000"))]),
                            *(release("", awards=[award(one, items=items("10000000"))]) for one in "1234")],
     {("bidder", "F", 2)}),
    (ManyTrades(awards=1, digits=1), [release("", awards=[award("F", items=items("10000000", "11000000"))]),
                                      *(release("", awards=[award(one, items=items("1"))]) for one in "1234")], set()),
    (ManyTrades(awards=2, threshold=2), [release("", awards=[award("F", items=items("10"))] * 2),
                                         release("", awards=[award("F", items=items("wood"))]),
                                         release("", awards=[award("G", items=items("10", "20"))])],
     {("bidder", "F", 2)}),
    (CloseSecond(threshold=0.01), [release("F", [bid("W", 100), bid("L", 101)], [award("W")]),
                                   release("ok", [bid("W", 100), bid("L", 101.1)], [award("W")])],
     {("process", "F", 0.01), ("bidder", "W", 0), ("bidder", "L", 0)}),
    # rated criteria, a winner who is not the lowest, several awards, an award not final: no price is compared
    (HeavyDiscount(threshold=0.1), [
        release("F", [bid("W", 100), bid("X", 120), bid("L", 150)], [award("W")], awardCriteria="priceOnly"),
        release("rated", [bid("W", 100), bid("L", 150)], [award("W")], awardCriteria="ratedCriteria"),
        release("lower", [bid("W", 100), bid("L", 50)], [award("W")]),
        release("two", [bid("W", 100), bid("L", 150)], [award("W"), award("L")]),
        release("open", [bid("W", 100), bid("L", 150)], [award("W"), award("L", "pending")])],
     {("process", "F", 0.2), ("bidder", "W", 0)}),
    # R036 asks for a strictly lower bid; currencies are not mixed
    (LowestDisqualified(), [release("F", [bid("A", 90, "disqualified"), bid("B", 100)], [award("B")]),
                            release("ok", [bid("A", 100, "disqualified"), bid("B", 100)], [award("B")]),
                            release("none", [bid("A", 90, "disqualified"), bid("B", 100)]),
                            release("mixed", [bid("B", 100),
                                              {"status": "disqualified", "value": {"amount": 1, "currency": "USD"}}],
                                    [award("B")])], {("process", "F", 1)}),
    (OthersDisqualified(threshold=2), [
        release("F", [bid("A"), bid("B", status="disqualified"), bid("C", status="disqualified")], [award("A")]),
        release("ok", [bid("A"), bid("B", status="disqualified"), bid("B", status="disqualified")], [award("A")])],
     {("process", "F", 2), ("bidder", "A", 0)}),
    # a consortium is one bidder with several members; its own member's other bid is no other's
    (OthersDisqualified(), [
        release("F", [bid("AB"), bid("C", status="disqualified")], [award("AB")]),
        release("ok", [bid("AB"), bid("A", status="disqualified")], [award("AB")])],
     {("process", "F", 1), ("bidder", "A", 0), ("bidder", "B", 0)}),
    (SamePrice(), [release("F", [bid("AB", 5), bid("C", 5), bid("D", 6)]), release("ok", [bid("A", 5), bid("A", 5)]),
                   release("free", [bid("A", 0), bid("B", 0)]),
                   release("set", [bid("A", 5), bid("B", 5)], awardCriteria="qualityOnly")],
     {("process", "F", 1), ("bidder", "A", 1), ("bidder", "B", 1), ("bidder", "C", 1)}),
    # a consortium's loss is a loss of each member
    (ManyLosses(threshold=0.0, percentile=75), [
        *(release(f"{i}", [bid("LM"), bid("W")], [award("W")]) for i in range(3)),
        *(release(f"x{i}", [bid(one)], [award(one)]) for i, one in enumerate("abcde"))],
     {("bidder", "L", 0), ("bidder", "M", 0)}),
]  # fmt: skip


@pytest.mark.parametrize("flag, releases, expected", CASES, ids=[f"{i}-{case[0].code}" for i, case in enumerate(CASES)])
def test_each_flag_on_a_few_processes(flag: Any, releases: list[Any], expected: set[tuple[str, str, float]]) -> None:
    assert raised(red_flags(releases, flags=[flag])) == expected


def of(lot: str, one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "relatedLots": lot.split("+")}


TWO_LOTS = release(
    "P",
    [of("N", bid("A", 10)), of("S", bid("A", 20)), of("S", bid("B", 20)), of("S", bid("C", 12, "disqualified"))],
    [of("N", award("A")), of("S", award("B"))],
    procurementMethod="open",
    lots=[{"id": "N"}, {"id": "S"}],
)


def test_lots_are_looked_at_one_by_one() -> None:
    flags = [SingleBid(), SamePrice(), LowestDisqualified(), OthersDisqualified()]
    found = red_flags([TWO_LOTS], flags=flags).table
    assert found[["code", "flagged", "id", "process", "lot"]].values.tolist() == [
        ["R018", "lot", "P/N", "P", "P/N"],
        ["R028", "lot", "P/S", "P", "P/S"],
        ["R028", "bidder", "A", "P", "P/S"],
        ["R028", "bidder", "B", "P", "P/S"],
        ["R036", "lot", "P/S", "P", "P/S"],
    ]


def test_the_price_of_a_package_is_compared_with_no_price_of_a_lot() -> None:
    packed = json.loads(json.dumps(TWO_LOTS))
    packed["bids"]["details"].append(of("N+S", bid("D", 12)))
    found = red_flags([packed], flags=[SingleBid(), SamePrice(), LowestDisqualified(), HeavyDiscount(threshold=0)])
    assert set(found.table["code"]) == {"R028"}  # N has two tenderers now; A and B still ask the same for S
    why = found.not_computed.set_index("code")["why"]
    assert (why[["R036", "R058"]] == "a bid has one price for several lots").all()
    packed["bids"]["details"] += [of("N+S", bid("E", 12)), of("N", bid("F", 12))]
    again = red_flags([packed], flags=[SamePrice()]).table
    assert set(again["id"][again["flagged"] == "bidder"]) == {"A", "B", "D", "E"}  # D and E for the same package, not F


def test_where_bids_do_not_name_their_lot_the_process_is_looked_at_as_a_whole() -> None:
    unnamed = json.loads(json.dumps(TWO_LOTS))
    del unnamed["bids"]["details"][0]["relatedLots"]
    found = red_flags([unnamed], flags=[LowestDisqualified(), HeavyDiscount(threshold=0)])
    assert found.table.empty  # over both lots the lowest bid is A's 10
    assert any("as a whole" in note for note in found.notes)
    assert found.not_computed["why"].tolist() == ["several active awards"]


def test_an_award_names_its_bid() -> None:
    """A bidder with two bids on a lot: the one named won, not the lower of the two."""
    bids = [bid("A", 10, id="low"), bid("A", 20, id="high"), bid("B", 15, id="b")]
    by_bid = release("P", bids, [award("A", relatedBids=["high"])])
    by_name = release("P", bids, [award("A")])
    flag = HeavyDiscount(threshold=0)
    assert red_flags([by_bid], flags=[flag]).not_computed["why"].tolist() == ["the lowest valid bid did not win"]
    assert raised(red_flags([by_name], flags=[flag])) == {("process", "P", 0.5), ("bidder", "A", 0)}


# ---- the fence --------------------------------------------------------------------------------------------


def gaps(values: list[float]) -> list[Any]:
    return [release(str(i), [bid("W", 1), bid("L", 1 + gap)], [award("W")]) for i, gap in enumerate(values)]


def test_the_fence_is_drawn_with_the_quantile_of_definition_8() -> None:
    values = [0.5, 0.25, 1.0, 0.75, 0.125, 8.0, 0.375]
    found = red_flags(gaps(values), flags=[CloseSecond(), HeavyDiscount()])
    q1, q3 = quantile_8(values, 0.25), quantile_8(values, 0.75)
    assert found.summary["fence"].tolist() == pytest.approx([q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)], abs=1e-12)
    assert raised(found) == {("process", "5", 8.0), ("bidder", "W", 0)}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=4))
@settings(max_examples=60)
def test_of_fewer_than_five_values_none_lies_beyond_a_fence(values: list[float]) -> None:
    q1, q3 = quantile_8(values, 0.25), quantile_8(values, 0.75)
    assert q1 == q3 or max(values) < q3 + 1.5 * (q3 - q1)
    assert q1 == q3 or min(values) > q1 - 1.5 * (q3 - q1)


def test_where_there_is_no_fence_it_says_so() -> None:
    few = red_flags(gaps([0.1, 0.2, 0.3, 9]), flags=[HeavyDiscount()])
    assert few.table.empty
    assert few.not_computed[["left_out", "of"]].values.tolist() == [[4, 4]]
    assert "5 are the least" in few.not_computed["why"][0]
    alike = red_flags(gaps([0.1] * 8 + [9]), flags=[HeavyDiscount()])
    assert alike.table.empty
    assert "give a threshold" in alike.not_computed["why"][0]


# ---- the same from a table --------------------------------------------------------------------------------


@st.composite
def past(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Past bids: each bidder once a tender, some disqualified, the lowest valid bid wins."""
    rows: list[dict[str, Any]] = []
    for tender in range(draw(st.integers(1, 8))):
        bidders = draw(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=5, unique=True))
        here = [
            {"auction": f"T{tender}", "bidder": one, "bid": draw(st.integers(10, 20)), "winner": 0,
             "status": draw(st.sampled_from(["valid", "valid", "disqualified"])), "buyer": f"b{tender % 2}"}
            for one in bidders
        ]  # fmt: skip
        valid = [row for row in here if row["status"] == "valid"]
        if valid:
            min(valid, key=lambda row: (row["bid"], row["bidder"]))["winner"] = 1
        rows += here
    if not any(row["status"] == "valid" for row in rows):
        rows[0]["status"] = "valid"
        rows[0]["winner"] = 1
    return rows


def as_releases(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    tenders: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        tenders[row["auction"]].append(row)
    return [
        release(name, [bid(row["bidder"], row["bid"], row["status"]) for row in here],
                [award(row["bidder"]) for row in here if row["winner"]], procurementMethod="open")
        | {"buyer": {"id": here[0]["buyer"]}}
        for name, here in tenders.items()
    ]  # fmt: skip


@given(past())
@settings(max_examples=12, deadline=None)
def test_a_table_and_its_releases_raise_the_same_flags(rows: list[dict[str, Any]]) -> None:
    table, releases = red_flags(rows), red_flags(as_releases(rows))
    pd.testing.assert_frame_equal(table.table, releases.table)
    columns = ["code", "at", "looked_at", "flagged", "fence"]
    pd.testing.assert_frame_equal(table.summary[columns], releases.summary[columns])


@given(past())
@settings(max_examples=12, deadline=None)
def test_every_lot_is_looked_at_or_accounted_for(rows: list[dict[str, Any]]) -> None:
    found = red_flags(rows)
    lots = len({row["auction"] for row in rows})
    summary = found.summary[found.summary["at"].isin(["lot", "process"])]
    assert (summary["looked_at"] + summary["left_out"] == lots).all()
    nothing = found.not_computed["why"].str.fullmatch("there is no (bidder|buyer|procuring entity) to look at")
    assert (found.not_computed.loc[nothing, ["left_out", "of"]] == lots).all(axis=None)
    assert found.not_computed["left_out"].min() > 0
    missed = found.not_computed[~nothing].groupby(["code", "at"])["left_out"].sum()
    told = found.summary.set_index(["code", "at"])["left_out"]
    assert missed.to_dict() == told[missed.index].to_dict()
    assert told.drop(missed.index).sum() == 0


def test_a_table_with_dates_and_classes() -> None:
    rows = [
        {"auction": 1, "bidder": "A", "bid": 5, "winner": 1, "published": "2024-01-01", "deadline": "2024-01-10",
         "date": "2024-01-11", "category": "90910000", "method": "open"},
        {"auction": 2, "bidder": "A", "bid": 5, "winner": 1, "published": "2024-01-01", "deadline": "2024-02-10",
         "date": "2024-02-10", "category": "79710000", "method": "limited"},
    ]  # fmt: skip
    found = red_flags(rows, flags=[ShortPeriod(), SingleBid(), LateWinner(), ManyTrades(awards=1, threshold=2)])
    assert found.table[["code", "id"]].values.tolist() == [["R003", "1"], ["R018", "1"], ["R030", "1"], ["R048", "A"]]


def test_what_was_submitted_but_cannot_win_still_counts_as_submitted() -> None:
    rows = [
        {"auction": "x", "bidder": "A", "bid": 50, "reserve": 60},
        {"auction": "x", "bidder": "B", "bid": 70, "reserve": 60},
    ]
    assert red_flags(rows, flags=[SingleBid()]).table.empty


# ---- what cannot be read ----------------------------------------------------------------------------------


def test_a_broken_line_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(json.dumps(release("F", procurementMethod="open", numberOfTenderers=1)) + "\n{broken\n")
    found = red_flags(path)
    assert found.table["id"].tolist() == ["F"]
    assert "line 2" in found.not_computed["why"].iloc[-1]
    path.write_text("{broken\n{broken\n")
    with pytest.raises(BadTable, match="line 1"):
        red_flags(path)


def test_lines_of_awards_alone_are_read(tmp_path: Path) -> None:
    lines = [
        {"ocid": one, "awards": [award(one, items=items("10", *extra))]} for one, *extra in ("F2", "1", "2", "3", "4")
    ]
    path = tmp_path / "awards.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    found = red_flags(path, flags=[ManyTrades(awards=1)])
    assert raised(found) == {("bidder", "F", 2)}
    assert found.not_computed.empty


def test_a_value_of_the_wrong_kind_is_reported() -> None:
    odd = release("F", [{"status": "valid", "tenderers": [{"id": "A"}], "value": {"amount": "many"}}])
    assert "'many' is not a number" in red_flags([odd]).not_computed["why"].iloc[-1]


def test_the_catalogue() -> None:
    codes = [flag.code for flag in FLAGS]
    assert codes == sorted(set(codes))
    assert codes == [f"R0{number}" for number in ("03", 18, 24, 25, 28, 30, 35, 36, 38, 48, 58)]
    for flag in FLAGS:
        assert flag.name
        assert flag.definition
        with pytest.raises(FrozenInstanceError):
            flag.threshold = 1  # type: ignore[attr-defined]


# ---- Tsuchiura --------------------------------------------------------------------------------------------


def tsuchiura() -> list[dict[str, str]]:
    with (TSUCHIURA / "bids_2007_2011.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def as_bids(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [
        {"auction": row["pid"], "bidder": row["bidder_id"], "bid": row["bid"], "winner": row["winner"],
         "status": "disqualified" if row["bidresult"] == "4" else "valid"}
        for row in rows
    ]  # fmt: skip


@pytest.mark.skipif(not TSUCHIURA.exists(), reason="the tenders of Tsuchiura are not here")
def test_the_tenders_of_tsuchiura_counted_a_second_time() -> None:
    """Each flag by plain loops over the 914 auctions of 2007–2011."""
    rows = tsuchiura()
    auctions: dict[str, list[tuple[str, float, bool, bool]]] = defaultdict(list)
    for row in rows:
        amount = float(row["bid"]) if row["bid"] else float("nan")
        auctions[row["pid"]].append((row["bidder_id"], amount, row["bidresult"] == "4", row["winner"] == "1"))
    count, ratios = dict.fromkeys(["R018", "R028", "R035", "R036"], 0), []
    for bids in auctions.values():
        priced = [one for one in bids if one[1] > 0]
        valid = [one for one in priced if not one[2]]
        won = [one for one in valid if one[3]]
        count["R018"] += len({one[0] for one in bids}) == 1
        count["R028"] += len({one[1] for one in priced}) < len({(one[0], one[1]) for one in priced})
        if not won:
            continue
        others = [one[1] for one in valid if one[0] != won[0][0]]
        out = [one for one in bids if one[2]]
        count["R035"] += {one[0] for one in valid} == {won[0][0]} and any(one[0] != won[0][0] for one in out)
        count["R036"] += any(one[1] < min(other[1] for other in valid) for one in out)
        if others and min(others) >= won[0][1]:
            ratios.append(min(others) / won[0][1] - 1)
    fence = quantile_8(ratios, 0.75) + 1.5 * (quantile_8(ratios, 0.75) - quantile_8(ratios, 0.25))
    found = red_flags(as_bids(rows))
    summary = found.summary[found.summary["at"] == "lot"].set_index("code")
    assert summary["flagged"][list(count)].to_dict() == count
    assert summary["looked_at"]["R058"] == len(ratios)
    assert summary["fence"]["R058"] == pytest.approx(fence, rel=1e-12)
    assert summary["flagged"]["R058"] == sum(ratio >= fence for ratio in ratios)
    assert summary["flagged"]["R024"] == 0
    assert [count[code] for code in sorted(count)] == [28, 126, 8, 55]
    assert np.round(fence, 4) == 0.0352


@pytest.mark.skipif(not TSUCHIURA.exists(), reason="the tenders of Tsuchiura are not here")
def test_tsuchiura_2011_as_a_table_and_as_releases() -> None:
    rows = [row for row in tsuchiura() if row["date"].startswith("2011")]
    table = red_flags(as_bids(rows)).table
    releases = red_flags(TSUCHIURA / "auctions_2011.ocds.jsonl").table

    def lots(found: pd.DataFrame) -> set[tuple[str, str, float]]:
        one = found[found["flagged"].isin(["lot", "process"])]
        names = one["id"].str.rsplit("/", n=1).str[-1]
        return set(zip(one["code"], names, one["value"].round(9)))

    assert lots(table) == lots(releases)
    assert len(lots(table)) > 50


def test_where_no_buyer_is_named_it_is_said_once() -> None:
    rows = [{"auction": at, "bidder": who, "bid": at + 9} for at in range(7) for who in "AB"]
    missed = red_flags(rows, flags=[ManyDisqualified()]).not_computed
    buyers = missed[missed["why"].str.contains("buyer")]
    assert buyers[["at", "left_out", "of", "why"]].values.tolist() == [["lot", 7, 7, "there is no buyer to look at"]]
    assert (missed["of"] > 0).all()


def test_a_file_that_is_not_there_or_holds_nothing_is_named(tmp_path: Path) -> None:
    for missing in ("nope.json", tmp_path / "nope.jsonl", tmp_path):
        with pytest.raises(BadTable, match="there is no such file"):
            red_flags(missing)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(BadTable, match=r"empty\.jsonl: there is no contracting process in it"):
        red_flags(empty)
