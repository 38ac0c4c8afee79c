"""Past bids from OCDS documents: the same as from a table of the same tenders."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procure_opt.auction.past import past_bids
from procure_opt.auction.past_file import read_past
from procure_opt.cells import BadTable

BIDS = Path(__file__).resolve().parents[1] / "examples" / "03_fair_price" / "bids.csv"
Write = Callable[[list[dict[str, Any]]], Path]


def bid(number: int, who: str, amount: float | None, status: str = "valid", **more: Any) -> dict[str, Any]:
    currency = more.pop("currency", "EUR")
    value = {} if amount is None else {"value": {"amount": amount, "currency": currency}}
    parties = [{"id": one} for one in who.split("+") if one]
    return {"id": str(number), "status": status, "tenderers": parties, **value, **more}


def release(ocid: str, bids: list[dict[str, Any]], winners: list[dict[str, Any]], **tender: Any) -> dict[str, Any]:
    awards = [{"id": str(i), "status": "active", **each} for i, each in enumerate(winners)]
    return {"ocid": ocid, "tender": tender, "bids": {"details": bids}, "awards": awards}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(releases: list[dict[str, Any]]) -> Path:
        path = tmp_path / "past.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in releases), encoding="utf-8")
        return path

    return written


def test_documents_and_a_table_of_the_same_tenders_say_the_same(write: Write) -> None:
    with BIDS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    releases, numbers = [], itertools.count()
    for auction, group in itertools.groupby(rows, key=lambda row: row["auction"]):
        offered = [(next(numbers), row) for row in group]
        least = min(float(row["bid"]) for _, row in offered)
        lowest = [i for i, row in offered if float(row["bid"]) == least]
        bids = [bid(i, row["bidder"], float(row["bid"])) for i, row in offered]
        releases.append(release(auction, bids, [{"relatedBids": [str(lowest[0])]}] if len(lowest) == 1 else []))
    found, other = read_past(write(releases)).table, past_bids(rows).table
    assert len(found) == len(rows) > 1000
    for column in ("auction", "bidder", "bid", "n", "winner"):
        assert found[column].tolist() == other[column].tolist()


def test_lots_consortia_and_what_does_not_count(write: Write) -> None:
    bids = [
        bid(1, "P", 10, relatedLots=["n"]),
        bid(2, "Q+R", 9, relatedLots=["n"]),
        bid(3, "S", 8, "disqualified", relatedLots=["n"]),
        bid(4, "P", 15, relatedLots=["n", "s"]),
        bid(5, "T", 6, relatedLots=["s"]),
        bid(6, "U", 5, "withdrawn", relatedLots=["s"]),
        bid(7, "", 4, relatedLots=["s"]),
    ]
    lots = [{"id": "n", "value": {"amount": 12}}, {"id": "s"}]
    document = release("A", bids, [{"relatedBids": ["2"], "relatedLots": ["n"]}], lots=lots, value={"amount": 99})
    document["tender"]["tenderPeriod"] = {"endDate": "2024-05-31T10:00:00Z"}
    past = read_past(write([document]))
    seen = past.table[["auction", "bid", "n", "winner"]].to_numpy().tolist()
    # On lot n P, the consortium and S met; on lot s T, and P by its price for both.
    assert seen == [["A/n", 10, 3, False], ["A/n", 9, 3, True], ["A/s", 6, 2, False]]
    assert past.table["estimate"].fillna(-1).tolist() == [12, 12, -1]
    assert past.table["date"].dt.strftime("%Y-%m-%d").tolist() == ["2024-05-31"] * 3
    aside = past.set_aside[["auction", "bidder", "status", "rule"]].to_numpy().tolist()
    assert aside == [
        ["A/n", "S", "disqualified", "status"],
        ["A/n", "P", "for several lots", "status"],
        ["A/s", "P", "for several lots", "status"],
    ]
    assert any("1 bids name no tenderer" in note for note in past.notes)


def test_who_won_is_not_guessed_where_other_documents_say_it(write: Write) -> None:
    told = release("A", [bid(1, "P", 10), bid(2, "Q", 9)], [{"relatedBids": ["1"]}])
    untold = release("B", [bid(3, "P", 10), bid(4, "Q", 9)], [])
    assert read_past(write([told, untold])).table["winner"].tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    "bids, words",
    [
        ([bid(1, "P", 10), bid(2, "Q", 9, currency="CNY")], "amounts are in CNY, EUR"),
        ([], "there is no bid"),
        ([bid(1, "P", 10, "withdrawn")], "there is no bid"),
        ([bid(1, "P", None)], "no bid is left"),
    ],
)
def test_documents_whose_bids_cannot_be_screened(bids: list[dict[str, Any]], words: str, write: Write) -> None:
    with pytest.raises(BadTable, match=r"past\.jsonl") as raised:
        read_past(write([release("A", bids, [])]))
    assert words in str(raised.value)
