"""Past bids: what counts, what is set aside by which rule, and what cannot be read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procure_opt.auction.past import RULES, past_bids
from procure_opt.auction.past_file import read_past
from procure_opt.cells import BadTable

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "auction": st.sampled_from("AB"),
            "bidder": st.sampled_from("PQR"),
            "bid": st.sampled_from([None, -1.0, 0.0, 1.0, 2.0, 3.0, 9.0]),
            "reserve": st.just(5.0),
            "status": st.sampled_from(["", "valid", "Valid", "disqualified"]),
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_each_row_counts_or_is_set_aside_by_one_rule(rows: list[dict[str, Any]]) -> None:
    """The rules, once more and row by row; who is reckoned with, and who won."""
    lowest: dict[tuple[str, str], tuple[float, int]] = {}
    why: dict[int, str] = {}
    there: set[tuple[str, str]] = set()
    for number, row in enumerate(rows, 2):
        if row["status"].lower() not in ("", "valid") or row["bid"] is None or row["bid"] <= row["reserve"]:
            there.add((row["auction"], row["bidder"]))
        if row["status"].lower() not in ("", "valid"):
            why[number] = "status"
        elif row["bid"] is None:
            why[number] = "blank"
        elif row["bid"] <= 0:
            why[number] = "not positive"
        elif row["bid"] > row["reserve"]:
            why[number] = "above the reserve"
        else:
            key = (row["auction"], row["bidder"])
            if key in lowest and lowest[key][0] <= row["bid"]:
                why[number] = "second bid"
                continue
            if key in lowest:
                why[lowest[key][1]] = "second bid"
            lowest[key] = (row["bid"], number)
    if not lowest:
        with pytest.raises(BadTable, match="no bid is left"):
            past_bids(rows)
        return
    past = past_bids(rows)
    assert past.set_aside["rule"].to_dict() == why
    assert set(past.set_aside["rule"]) <= set(RULES)
    assert sorted(past.table.index) == sorted(number for _, number in lowest.values())
    bidders = Counter(auction for auction, _ in there)
    assert past.table["n"].to_dict() == {row: bidders[past.table["auction"][row]] for row in past.table.index}
    for auction in {auction for auction, _ in lowest}:
        bids = sorted((bid, row) for (where, _), (bid, row) in lowest.items() if where == auction)
        alone = len(bids) == 1 or bids[0][0] < bids[1][0]
        won = past.table.index[(past.table["auction"] == auction) & past.table["winner"]].tolist()
        assert won == ([bids[0][1]] if alone else [])


def test_the_number_of_bidders_that_is_given_counts_where_it_is_higher() -> None:
    rows = [{"auction": "A", "bidder": b, "bid": bid, "bidders": n} for b, bid, n in zip("PQ", (1, 2), (5, 5))]
    rows += [{"auction": "B", "bidder": b, "bid": 3, "bidders": n} for b, n in zip("PQR", (2, 2, None))]
    past = past_bids(rows)
    assert past.table["n"].tolist() == [5, 5, 3, 3, 3]
    assert any("lower than the bidders there are in 3 rows (rows 4, 5, 6)" in note for note in past.notes)
    assert any("blank in 1 rows (row 6)" in note for note in past.notes)


def test_a_winner_that_is_told_is_believed() -> None:
    rows = [{"auction": "A", "bidder": b, "bid": bid, "winner": w} for b, bid, w in zip("PQ", (1, 2), ("no", "yes"))]
    assert past_bids(rows).table["winner"].tolist() == [False, True]


def made(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the auction A, of bidders P, Q, R, … who bid 1, 2, 3, … unless they say otherwise."""
    return [{"auction": "A", "bidder": "PQRSTU"[k], "bid": k + 1.0} | row for k, row in enumerate(rows)]


@pytest.mark.parametrize(
    "row, n",
    [
        ({"status": "disqualified"}, 3), ({"bid": None}, 3), ({"bid": 0}, 3), ({"bid": -4}, 3),
        ({"bid": 60}, 2), ({"bidder": "P"}, 2), ({"bidder": "P", "status": "late"}, 2),
    ],
)  # fmt: skip
def test_rivals_reckoned_with_who_was_set_aside_but_not_with_who_could_not_win(row: dict[str, Any], n: int) -> None:
    past = past_bids([each | {"reserve": 50} for each in made({}, {}, row)])
    assert past.table["n"].tolist() == [n, n] and past.set_aside.index.tolist() == [4]


@pytest.mark.parametrize("name", ["n", " n ", "rule", "why"])
def test_names_that_are_taken(name: str) -> None:
    with pytest.raises(BadTable, match="give your column another name") as raised:
        past_bids(made({name: 3}, {name: 3}))
    assert [(each.row, each.column) for each in raised.value.problems] == [(1, name.strip())]


@pytest.mark.parametrize(
    "column, one, other, told",
    [
        ("bidders", 3, 9, "9, but 3 in row 3 of the same auction 'A': an auction has one number of bidders"),
        ("reserve", 50, 60, "60, but 50 in row 3 of the same auction 'A': an auction has one reserve"),
        ("date", "2024-05-31", "2024-06-01", "2024-06-01, but 2024-05-31 in row 3 of the same auction 'A'"),
    ],
)
def test_rows_of_an_auction_that_contradict_each_other(column: str, one: Any, other: Any, told: str) -> None:
    rows = made({column: None}, {column: one}, {column: other}, {column: one}, {column: other})
    with pytest.raises(BadTable) as raised:
        past_bids(rows)
    assert [(each.row, each.column) for each in raised.value.problems] == [(4, column), (6, column)]
    assert told in str(raised.value)
    past_bids(made({column: None}, {column: one}, {column: one}))


def test_hours_of_a_day_are_no_contradiction() -> None:
    past_bids(made({"date": "2024-05-31T10:00:00"}, {"date": "2024-05-31T11:30:00"}))


def test_of_two_bids_the_lowest_carries_the_win() -> None:
    rows = made({"winner": 0}, {"bidder": "P", "winner": 1}, {"winner": 0})
    past = past_bids(rows)
    assert past.table["winner"].to_dict() == {2: True, 4: False}
    assert any("not the bidder's lowest (row 3)" in note for note in past.notes)
    both = past_bids(made({"winner": 1}, {"bidder": "P", "winner": 1}, {"winner": 0}))
    assert both.table["winner"].to_dict() == {2: True, 4: False}


@pytest.mark.parametrize("change", [{"status": "disqualified"}, {"bid": None}, {"bid": 0}, {"bid": 60}])
def test_a_winner_who_is_set_aside_is_told(change: dict[str, Any]) -> None:
    rows = [each | {"reserve": 50} for each in made({"winner": 1} | change, {"winner": 0}, {"winner": 0})]
    past = past_bids(rows)
    assert not past.table["winner"].any()
    assert past.notes == ("the winning bid is set aside (row 2): no other is taken to have won there",)


def test_of_bids_that_are_equally_low_none_has_won() -> None:
    past = past_bids([*made({"bid": 3}, {"bid": 3}, {"bid": 4}), {"auction": "B", "bidder": "P", "bid": 3}])
    assert past.table["winner"].tolist() == [False, False, False, True]
    assert "in 1 auctions several bids are equally low: none of them is taken to have won" in past.notes


def test_a_blank_column_counts_as_none() -> None:
    past = past_bids(made({"winner": ""}, {"winner": None}))
    assert past.table["winner"].tolist() == [True, False]
    assert past.notes == ("the column winner is blank: the lowest bid is taken to have won",)


def test_two_winners_are_a_problem() -> None:
    with pytest.raises(BadTable, match="row 3, column 'winner': the auction 'A' has another winner already"):
        past_bids(made({"winner": 1}, {"winner": 1}))


def test_nothing_is_left_and_why() -> None:
    rows = made({"status": "late"}, {"bid": None}, *[{"bid": -1}] * 2)
    with pytest.raises(BadTable) as raised:
        past_bids(rows)
    assert (
        "its status says that it was not evaluated: row 2; it has no amount: row 3; a bid must be above 0: rows 4, 5"
        in str(raised.value)
    )
    with pytest.raises(BadTable, match="rows 2, 3, 4, 5, 6 and 1 more"):
        past_bids(made(*[{"bid": -1}] * 6))
    with pytest.raises(BadTable, match="there is no bid"):
        past_bids([])


@pytest.mark.parametrize(
    "change, told",
    [
        ({"bid": 1e300}, "row 3, column 'bid': 1e+300 is no amount: it must be from 1e-09 to 1e+15"),
        ({"bid": 5e-324}, "row 3, column 'bid': 4.94066e-324 is no amount"),
        ({"reserve": 1e16}, "row 3, column 'reserve': 1e+16 is no amount"),
        ({"bidders": 1e30}, "row 3, column 'bidders': 1e+30 is no number of bidders: it must be whole and at most 1,"),
        ({"bidders": 2.5}, "row 3, column 'bidders': 2.5 is no number of bidders"),
        ({"bidders": -1}, "row 3, column 'bidders': -1 is no number of bidders"),
    ],
)
def test_figures_that_cannot_be_meant(change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadTable) as raised:
        past_bids(made({}, change))
    assert told in str(raised.value)


@pytest.mark.parametrize("date, told", [("20240531", "2024-05-31"), ("2024-05-31T10:00:00+02:00", "2024-05-31")])
def test_dates(date: str, told: str) -> None:
    past = past_bids([{"auction": "A", "bidder": "P", "bid": 1, "date": date}])
    assert str(past.table["date"].iloc[0])[:10] == told


def test_a_workbook_and_a_parquet_file_are_read_alike(tmp_path: Path) -> None:
    frame = pd.DataFrame({"auction": ["A", "A", "B"], "bidder": ["P", "Q", "P"], "bid": [2.5, 3, 4], "area": [1, 1, 2]})
    frame.to_csv(tmp_path / "past.csv", index=False)
    frame.to_parquet(tmp_path / "past.parquet")
    with pd.ExcelWriter(tmp_path / "past.xlsx") as book:
        frame.to_excel(book, sheet_name="bids", index=False)
    first, *others = (read_past(tmp_path / f"past.{kind}") for kind in ("csv", "parquet", "xlsx"))
    for other in others:
        pd.testing.assert_frame_equal(first.table, other.table, check_dtype=False, check_index_type=False)


def test_a_workbook_without_the_sheet(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "past.xlsx") as book:
        pd.DataFrame({"auction": ["A"]}).to_excel(book, sheet_name="Tabelle1", index=False)
    with pytest.raises(BadTable, match="the sheet is missing"):
        read_past(tmp_path / "past.xlsx")


@pytest.mark.skipif(not (SHARED / "tsuchiura").exists(), reason="the tenders of Tsuchiura are not here")
def test_tsuchiura() -> None:
    raw = pd.read_csv(SHARED / "tsuchiura" / "bids_2007_2011.csv").rename(
        columns={"pid": "auction", "reserveprice": "reserve"}
    )
    past = past_bids(raw[["auction", "date", "bidder", "bid", "reserve", "winner"]])
    assert past.set_aside["rule"].value_counts().to_dict() == {"blank": 24, "second bid": 18, "above the reserve": 1}
    assert len(past.table) + len(past.set_aside) == len(raw)
    assert past.table["auction"].nunique() == raw["pid" if "pid" in raw else "auction"].nunique()


def test_a_year_that_no_calendar_has_is_no_date() -> None:
    given = (("X", "0000-05-31"), ("Y", "2024-05-31"))
    rows = [{"auction": "a", "bidder": who, "bid": 5, "date": date} for who, date in given]
    with pytest.raises(BadTable, match="'0000-05-31' is not a date: write the year first"):
        past_bids(rows)
