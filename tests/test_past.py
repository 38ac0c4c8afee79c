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
    """The rules, once more and row by row."""
    lowest: dict[tuple[str, str], tuple[float, int]] = {}
    why: dict[int, str] = {}
    for number, row in enumerate(rows, 2):
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
    bidders = Counter(auction for auction, _ in lowest)
    assert past.table["n"].to_dict() == {row: bidders[past.table["auction"][row]] for row in past.table.index}
    least = past.table.groupby("auction")["bid"].min()
    assert past.table.loc[past.table["winner"], "bid"].tolist() == [
        least[auction] for auction in past.table.loc[past.table["winner"], "auction"]
    ]
    assert past.table["winner"].sum() == len(bidders)


def test_the_number_of_bidders_that_is_given_counts_where_it_is_higher() -> None:
    rows = [{"auction": "A", "bidder": b, "bid": bid, "bidders": n} for b, bid, n in zip("PQ", (1, 2), (5, 5))]
    rows += [{"auction": "B", "bidder": b, "bid": 3, "bidders": n} for b, n in zip("PQR", (2, 2, None))]
    past = past_bids(rows)
    assert past.table["n"].tolist() == [5, 5, 3, 3, 3]
    assert any("lower than the bids" in note for note in past.notes)
    assert any("blank in 1 rows" in note for note in past.notes)


def test_a_winner_that_is_told_is_believed() -> None:
    rows = [{"auction": "A", "bidder": b, "bid": bid, "winner": w} for b, bid, w in zip("PQ", (1, 2), ("no", "yes"))]
    assert past_bids(rows).table["winner"].tolist() == [False, True]


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
