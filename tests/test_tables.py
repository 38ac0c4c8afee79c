"""Tables in files: round trips, and bad input, each with a clear place and reason."""

from __future__ import annotations

import datetime
import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from procure_opt.cells import BadTable, Problem
from procure_opt.constraints import Budget, MaxLots, MaxShare
from procure_opt.policy import BestScore, DrawLots, LowestCost, Policy, QualityAdjusted, Refuse
from procure_opt.scoring import RelativePrice
from procure_opt.tables import read_policy, read_tender, read_tenders, write_csv, write_tender
from procure_opt.tender import Tender

DATA = Path(__file__).parents[2] / "shared" / "data"

LOTS = "lot,estimate\nA,100\nB,80\n"
BIDS = "bid,bidder,lots,price\n1,Acme,A;B,150\n2,Bell,B,70.50\n"


def folder(path: Path, **files: str | bytes) -> Path:
    """A folder with lots.csv and bids.csv, some replaced or added: `bids=` is bids.csv, `tender_toml=` tender.toml."""
    for name, content in ({"lots": LOTS, "bids": BIDS} | files).items():
        file = path / (f"{name}.csv" if not name.endswith("_toml") else name.replace("_toml", ".toml"))
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problems(path: Path) -> list[tuple[str, int | None, str | None, str]]:
    with pytest.raises(BadTable) as caught:
        read_tender(path)
    return [tuple(problem) for problem in caught.value.problems]


def one_problem(path: Path) -> tuple[str, int | None, str | None, str]:
    found = problems(path)
    assert len(found) == 1, found
    return found[0]


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


FULL = Tender(
    lots=[
        {
            "lot": "north",
            "demand": 3,
            "estimate": 100.5,
            "in_house": 120,
            "reserve": 200,
            "period": "2026",
            "zone": "N",
        },
        {"lot": "south", "estimate": 80, "in_house_quality": 55.5, "zone": "S"},
    ],
    bids=[
        {"bid": "b1", "bidder": "Acme & Söhne", "lots": "north:2;south", "price": 150, "xor": "x", "fixed": 3},
        {"bid": "b2", "bidder": "Bell", "lots": "south", "price": 70.25, "min_fraction": 0.1, "co2": 1e-7},
        {"bid": "b10", "bidder": "007", "lots": "south", "price": None, "status": "withdrawn", "co2": 2.5},
    ],
    bidders=[
        {"bidder": "Acme & Söhne", "owner": "Holding", "members": "", "deduction": 0.06},
        {"bidder": "Bell", "kind": "social_organisation"},
        {"bidder": "007"},
        {"bidder": "Bell+Acme", "members": "Bell:0.25;Acme & Söhne:0.75"},
    ],
    discounts=[{"bidder": "Bell", "threshold": 2, "measure": "lots", "percent": 5, "lots": "north;south"}],
    ownership=[{"owner": "Crown", "owned": "Holding"}],
    scores=[
        {"bid": "b1", "criterion": "plan", "evaluator": evaluator, "score": score}
        for evaluator, score in [("Li", 80), ("Wu", 82.5)]
    ],
    name="Park, „Süd“",
    currency="EUR",
    notes=("read by hand",),
)


# ---- round trips ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["deep/folder", "deep/book.xlsx"])
def test_what_is_written_is_read_back(tmp_path: Path, target: str) -> None:
    write_tender(FULL, tmp_path / target)
    back = read_tender(tmp_path / target)
    assert back == FULL
    assert back.notes == FULL.notes
    assert back.rejected.equals(FULL.rejected)


def test_writing_is_deterministic_and_replaces_an_earlier_tender(tmp_path: Path) -> None:
    write_tender(FULL, tmp_path / "1")
    write_tender(FULL, tmp_path / "1.xlsx")
    write_tender(FULL, tmp_path / "2.xlsx")
    assert (tmp_path / "1.xlsx").read_bytes() == (tmp_path / "2.xlsx").read_bytes()
    small = FULL.replace(discounts=None, ownership=None, scores=None, notes=())
    write_tender(small, tmp_path / "1")
    write_tender(small, tmp_path / "2")
    names = sorted(file.name for file in (tmp_path / "2").iterdir())
    assert names == ["bidders.csv", "bids.csv", "lots.csv", "tender.toml"]
    assert [(tmp_path / "1" / name).read_bytes() for name in names] == [
        (tmp_path / "2" / name).read_bytes() for name in names
    ]
    assert read_tender(tmp_path / "1") == small


def test_bids_may_stand_in_parquet(tmp_path: Path) -> None:
    write_tender(FULL, tmp_path)
    (tmp_path / "bids.csv").unlink()
    FULL.every_bid.to_parquet(tmp_path / "bids.parquet")
    assert read_tender(tmp_path) == FULL
    (tmp_path / "bids.csv").write_text(BIDS)
    assert "keep one" in problems(tmp_path)[0][3]


def test_numbers_are_written_short_and_exact(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [1.0, 0.1, 1e-7, float("nan"), -5.0, 1e300], "y": [1, 2, 3, 4, 5, 6]})
    write_csv(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().split() == ["x,y", "1,1", "0.1,2", "1e-07,3", ",4", "-5,5", "1e+300,6"]


def test_any_table_is_written_without_formulas(tmp_path: Path) -> None:
    names = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "'q", "''", "'=", "plain", "a,b", 'q"', "l\nl", "", None, True]
    write_csv(pd.DataFrame({"=name": names}), tmp_path / "new" / "t.csv")
    back = pd.read_csv(tmp_path / "new" / "t.csv", dtype=str, keep_default_na=False, skip_blank_lines=False)
    assert back.columns.tolist() == ["'=name"]
    shown = ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "''q", "'''", "''=", "plain", "a,b", 'q"', "l\nl"]
    assert back["'=name"].tolist() == [*shown, "", "", "True"]


@pytest.mark.parametrize("target", ["folder", "book.xlsx"])
def test_a_formula_for_a_name_leaves_as_harmless_text(tmp_path: Path, target: str) -> None:
    names = ["=cmd|'/c calc'!A1", "+1", "-2", "@SUM(A1)", "'=1", "''", "'x", "#N/A", "TRUE", "_x0041_", "=", "a\rb"]
    tender = Tender(
        [{"lot": name, "note": name} for name in names],
        [{"bid": name, "bidder": name, "lots": [name], "price": 1} for name in names],
    )
    write_tender(tender, tmp_path / target)
    assert read_tender(tmp_path / target) == tender
    if target == "folder":
        text = (tmp_path / target / "bids.csv").read_text()
        assert not any(cell.startswith(tuple("=+-@")) for line in text.splitlines() for cell in line.split(","))
    else:
        cells = [cell for row in openpyxl.load_workbook(tmp_path / target)["bids"] for cell in row]
        assert {cell.data_type for cell in cells} == {"s", "n"}
        assert all(cell.quotePrefix for cell in cells if str(cell.value).startswith(tuple("=+-@")))


odd_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6) | st.sampled_from(
    [
        "NA",
        "None",
        "nan",
        "007",
        "1e5",
        "1.0",
        "0",
        "-1",
        "=1+1",
        "'",
        "''=",
        "\ufeffx",
        "a b",
        "TRUE",
        "#REF!",
        "é",
        "\x00",
    ]
)
odd_name = odd_text.map(str.strip).filter(lambda text: text and ";" not in text and ":" not in text)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    names=st.lists(odd_name, min_size=1, max_size=4, unique=True),
    texts=st.lists(odd_text, min_size=4, max_size=4),
    prices=st.lists(st.integers(0, 10**13), min_size=4, max_size=4),
    qualities=st.lists(st.none() | st.floats(0, 100), min_size=4, max_size=4),
    excel=st.booleans(),
)
def test_odd_names_survive_the_round_trip(
    names: list[str], texts: list[str], prices: list[int], qualities: list[float | None], excel: bool
) -> None:
    rows = list(zip(names, texts, prices, qualities, strict=False))
    try:
        tender = Tender(
            [{"lot": name, text_column: text} for name, text, _, _ in rows for text_column in ["label"]],
            [
                {"bid": name, "bidder": name, "lots": [name], "price": price / 100, "quality": quality, "xor": text}
                for name, text, price, quality in rows
            ],
            name=texts[0],
        )
    except BadTable:
        assume(False)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / ("t.xlsx" if excel else "t")
        write_tender(tender, path)
        back = read_tender(path)
    assert back == tender
    assert (back.price == [round(price) for price in tender.price]).all()


# ---- reading CSV ------------------------------------------------------------------------------------------


def test_names_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    bids = "bid,bidder,lots,price,incumbent\n007,NA,A,1,010\n1e5,None,B,2,7\n"
    tender = read_tender(folder(tmp_path, bids=bids))
    assert tender.bids["bid"].tolist() == ["007", "1e5"]
    assert tender.bids["bidder"].tolist() == ["NA", "None"]
    assert tender.bids["incumbent"].tolist() == ["010", "7"]


def test_the_folder_names_the_tender_unless_tender_toml_does(tmp_path: Path) -> None:
    assert read_tender(folder(tmp_path)).name == tmp_path.name
    tender = read_tender(
        folder(tmp_path, tender_toml='name = "Park"\ncurrency = "JPY"\n', bids=BIDS.replace(".50", ""))
    )
    assert (tender.name, tender.currency, tender.money_unit) == ("Park", "JPY", 1.0)
    folder(tmp_path, tender_toml='name = 5\nunit = 2\nmoney_unit = -1\ncurrency = "EUR"')
    assert [problem[:3] for problem in problems(tmp_path)] == [
        ("tender.toml", 1, "name"), ("tender.toml", 2, "unit"), ("tender.toml", 3, "money_unit"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "bids",
    [
        "\ufeff" + BIDS,
        BIDS.replace("\n", "\r\n"),
        BIDS.replace("\n", "\r"),
        BIDS.replace("\n", "\n\n"),
        BIDS + ",,,\n" * 3,
        BIDS.replace(",", ", ").replace("price", "price "),
        BIDS.replace("70.50", '"70.50"'),
        BIDS.replace(",", "\t"),
        'bid;bidder;lots;price\n1;Acme;"A;B";150\n2;Bell;B;70.50\n',
        BIDS.replace("price", "price,,").replace("150", "150,,").replace("70.50", "70.50,,"),
        BIDS.rstrip(),
    ],
    ids=[
        "BOM",
        "CRLF",
        "CR",
        "blank lines",
        "blank rows",
        "spaces",
        "quotes",
        "tabs",
        "semicolons",
        "no name",
        "no end",
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, bids: str) -> None:
    expected = read_tender(folder(tmp_path))
    assert read_tender(folder(tmp_path, bids=bids)) == expected


def test_blank_cells_at_the_end_of_a_row_may_be_left_out(tmp_path: Path) -> None:
    lots = "lot,estimate,reserve\nA,100\nB,80,75\n"
    assert read_tender(folder(tmp_path, lots=lots)).lots["reserve"].isna().tolist() == [True, False]


def test_row_numbers_are_those_of_the_spreadsheet(tmp_path: Path) -> None:
    bids = 'bid,bidder,lots,price\n\n1,"Acme\nLtd",A,5\n,,,\n2,Bell,B,x\n3,Bell,Z,5\n'
    assert problems(folder(tmp_path, bids=bids)) == [
        ("bids.csv", 5, "price", "'x' is not a number"),
        ("bids.csv", 6, "lots", "'Z' is not in the lots table"),
    ]


def test_every_problem_of_every_table_is_listed(tmp_path: Path) -> None:
    found = problems(
        folder(
            tmp_path,
            lots="lot,estimate\nA,-1\nA,2\n",
            bids="bid,bidder,lots,price,quality\n1,Acme,A,5,101\n1,Nobody,A;Q,,5\n3,Acme,A,0.001,\n",
            bidders="bidder,owner\nAcme,Acme2\nAcme2,Acme\n",
            scores="bid,criterion,evaluator,score\n9,plan,Li,50\n1,plan,Wu,200\n",
            discounts="bidder,lots,threshold,measure,percent\nAcme,A,1,lots,5\nAcme,A,1,spend,5\n",
            ownership="owner,owned\nX,Y\nY,X\n",
        )
    )
    places = {problem[:3] for problem in found}
    assert places >= {
        ("lots.csv", 2, "estimate"), ("lots.csv", 3, "lot"),
        ("bids.csv", 2, "quality"), ("bids.csv", 3, "bid"), ("bids.csv", 3, "bidder"), ("bids.csv", 3, "lots"),
        ("bids.csv", 3, "price"), ("bids.csv", 4, "price"), ("scores.csv", 2, "bid"), ("scores.csv", 3, "score"),
        ("discounts.csv", 3, "lots"), ("ownership.csv", 2, "owner"),
    }  # fmt: skip
    assert any(file == "bidders.csv" and "circle" in reason for file, _, _, reason in found)
    assert [problem[0] for problem in found] == sorted(
        (problem[0] for problem in found), key=["lots.csv", "bids.csv", "bidders.csv", "discounts.csv",
                                                "ownership.csv", "scores.csv"].index
    )  # fmt: skip


@pytest.mark.parametrize(
    "price, reason",
    [
        ("", "the price is blank"),
        ("NaN", "'NaN' is not a number"),
        ("inf", "'inf' is not a number"),
        ("-5", "-5 is out of range: it must be at least 0"),
        ("ten", "'ten' is not a number"),
        ('"1,234,500"', "'1,234,500' is not a number: write it without thousands separators"),
        ("1 234", "'1 234' is not a number: write it without thousands separators"),
        ('"70,50"', "'70,50' is not a number: write the decimals with a point"),
        ("€70", "'€70' is not a number: write the figure alone, without currency, sign or unit"),
        ("70 EUR", "'70 EUR' is not a number: write the figure alone, without currency, sign or unit"),
        ("70.505", "70.505 is finer than the money unit 0.01"),
        ("1_000", "'1_000' is not a number"),
    ],
)
def test_a_price_that_is_none(tmp_path: Path, price: str, reason: str) -> None:
    bids = f"bid,bidder,lots,price\n1,Acme,A;B,150\n2,Bell,B,{price}\n"
    assert one_problem(folder(tmp_path, bids=bids)) == ("bids.csv", 3, "price", reason)


@pytest.mark.parametrize("quality", ["-0.1", "100.5", "good", "nan"])
def test_a_quality_outside_0_to_100(tmp_path: Path, quality: str) -> None:
    bids = f"bid,bidder,lots,price,quality\n1,Acme,A;B,150,100\n2,Bell,B,70.50,{quality}\n"
    assert one_problem(folder(tmp_path, bids=bids))[:3] == ("bids.csv", 3, "quality")


def test_missing_files_and_columns(tmp_path: Path) -> None:
    assert one_problem(tmp_path / "nowhere")[3] == "there is no such file or folder"
    assert [problem[:1] for problem in problems(tmp_path)] == [("lots.csv",), ("bids.csv",)]
    (tmp_path / "bids.csv").write_text("bid,bidder,lots,Price\n1,,A,5\n")
    assert problems(tmp_path) == [
        ("lots.csv", None, None, "the file is missing; it has the columns lot"),
        ("bids.csv", 1, "price", "the column is missing (there is 'Price')"),
        ("bids.csv", 2, "bidder", "the bidder is blank"),
    ]
    assert one_problem(tmp_path / "bids.csv")[3].startswith("give the folder that holds")
    (tmp_path / "old.xls").write_bytes(b"x")
    assert "save the workbook as .xlsx" in one_problem(tmp_path / "old.xls")[3]


def test_a_missing_column_is_one_problem(tmp_path: Path) -> None:
    assert one_problem(folder(tmp_path, bids="bid,bidder,price\n1,Acme,5\n"))[:3] == ("bids.csv", 1, "lots")
    assert one_problem(folder(tmp_path, bids=BIDS.replace("price", "price,price").replace("0\n", "0,1\n")))[3] == (
        "the column stands twice"
    )


def test_a_misnamed_table_is_not_passed_over(tmp_path: Path) -> None:
    folder(tmp_path, discount="bidder,threshold,measure,percent\nAcme,1,lots,5\n", award="lot,bid\nA,1\n")
    assert one_problem(tmp_path) == ("discount.csv", None, None, "rename the file to discounts.csv")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"  \r\n"])
def test_an_empty_file(tmp_path: Path, content: bytes) -> None:
    file, _, _, reason = one_problem(folder(tmp_path, bids=content))
    assert (file, "empty" in reason) == ("bids.csv", True)


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    assert len(read_tender(folder(tmp_path, bids="bid,bidder,lots,price\n")).bids) == 0
    assert len(read_tender(folder(tmp_path, bids="bid,bidder,lots,price")).bids) == 0
    assert one_problem(folder(tmp_path, lots="lot,estimate\n", bids="bid,bidder,lots,price\n"))[3] == "there is no lot"


@pytest.mark.parametrize("encoding, row, words", [("latin-1", 3, "0xf6"), ("gbk", 3, "0xa8"), ("utf-16", 1, "UTF-16")])
def test_a_wrong_encoding_names_the_byte(tmp_path: Path, encoding: str, row: int, words: str) -> None:
    bids = BIDS.replace("Bell", "Böll" if encoding == "latin-1" else "Aé")
    file, found_row, _, reason = one_problem(folder(tmp_path, bids=bids.encode(encoding)))
    assert (file, found_row) == ("bids.csv", row)
    assert words in reason
    assert "CSV UTF-8" in reason


def test_a_wrong_encoding_of_the_header(tmp_path: Path) -> None:
    bids = BIDS.replace("price\n", "price,größe\n").encode("latin-1")
    assert one_problem(folder(tmp_path, bids=bids))[:2] == ("bids.csv", 1)


def test_rows_longer_than_the_header(tmp_path: Path) -> None:
    found = problems(folder(tmp_path, bids=BIDS.replace("150", "1,500,00") + "3,Bell,B,1,2\n"))
    assert [problem[:3] for problem in found] == [("bids.csv", 2, None), ("bids.csv", 4, None)]
    assert "has 6 cells, the header 4" in found[0][3]
    found = problems(folder(tmp_path, bids="bid;bidder;lots;price\n1;Acme;A;B;150\n"))
    assert [problem[:3] for problem in found] == [("bids.csv", 2, None)]


def test_a_quotation_mark_never_closed(tmp_path: Path) -> None:
    bids = 'bid,bidder,lots,price\n1,Acme,A,5\n2,"Bell,B,6\n3,Bell,B,7\n'
    assert one_problem(folder(tmp_path, bids=bids))[:2] == ("bids.csv", 3)
    assert "never closed" in one_problem(tmp_path)[3]
    bids = 'bid,bidder,lots,price\n1,"Ac"me,A,5\n'
    assert one_problem(folder(tmp_path, bids=bids))[:2] == ("bids.csv", 2)


@pytest.mark.parametrize("filler", [b"x", b"1,", b'"'])
def test_a_line_of_100_megabytes_is_one_quick_problem(tmp_path: Path, filler: bytes) -> None:
    folder(tmp_path, bids=BIDS.encode() + filler * (100_000_000 // len(filler)) + b"\n")
    start = time.perf_counter()
    assert one_problem(tmp_path)[:2] == ("bids.csv", 4)
    assert time.perf_counter() - start < 10


def test_values_below_a_blank_column_name(tmp_path: Path) -> None:
    bids = BIDS.replace("price", "price,").replace("150", "150,x")
    assert one_problem(folder(tmp_path, bids=bids)) == (
        "bids.csv", 1, None, "column 5 holds values, but its name in row 1 is blank",
    )  # fmt: skip


def test_no_valid_bid_at_all_is_a_tender(tmp_path: Path) -> None:
    tender = read_tender(folder(tmp_path, bids="bid,bidder,lots,price,status\n1,Acme,A,,withdrawn\n"))
    assert len(tender.bids) == 0
    assert tender.rejected["reason"].tolist() == ["withdrawn"]


# ---- Excel ------------------------------------------------------------------------------------------------


def test_a_workbook_as_people_fill_it_in(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "park.xlsx",
        LOTS=[["lot", "estimate", "start"], ["A", "100", datetime.datetime(2026, 3, 1)], [2, 80, None], [None, None]],
        Bids=[["bid", "bidder", "lots", "price"], [1, "Acme", "A;2", 150], [], [2, "=1+1", 2, 70.5], ["", None]],
        notes=[["anything"]],
    )
    book = openpyxl.load_workbook(path)
    book["Bids"]["B4"].data_type = "s"
    book.save(path)
    tender = read_tender(path)
    assert tender.name == "park"
    assert tender.lots["lot"].tolist() == ["2", "A"]
    assert tender.lots["start"].tolist() == ["", "2026-03-01"]
    assert tender.bids["bidder"].tolist() == ["Acme", "=1+1"]
    assert tender.bids["price"].tolist() == [150.0, 70.5]


def test_problems_in_a_workbook(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "park.xlsx",
        lots=[["lot", "estimate"], ["A", "=1/0"]],
        bids=[
            ["bid", "bidder", "lots", "price"],
            [1, "Acme", "A", "=5+5"],
            [2, "Bell", "A", datetime.date(2026, 1, 2)],
        ],
        tender=[["key", "value"], ["currency", "EUR"], ["unit", 3]],
        bidder=[["bidder"], ["Acme"]],
    )
    book = openpyxl.load_workbook(path)
    book["lots"]["B2"] = "#DIV/0!"
    book.save(path)
    assert problems(path) == [
        ("park.xlsx[bidder]", None, None, "rename the sheet to bidders"),
        ("park.xlsx[lots]", 2, "B", "the cell shows the error #DIV/0!"),
        ("park.xlsx[bids]", 2, "D", "the formula has never been calculated: open the workbook in Excel, save it, "
         "and read it again"),
        ("park.xlsx[bids]", 2, "price", "the price is blank"),
        ("park.xlsx[bids]", 3, "price", "'2026-01-02' is not a number"),
        ("park.xlsx[tender]", 3, "unit", "a tender has no 'unit'; it may be name, currency, money_unit, notes"),
    ]  # fmt: skip


def test_the_results_of_formulas_are_read(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "b.xlsx", lots=[["lot"], ["A"]], bids=[["bid", "bidder", "lots", "price"], [1, "X", "A", 5]]
    )
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    sheet = "xl/worksheets/sheet2.xml"
    parts[sheet] = parts[sheet].replace(b"<v>5</v>", b"<f>2+3.5</f><v>5.5</v>")
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    assert read_tender(path).bids["price"].tolist() == [5.5]


def test_what_is_no_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"no zip")
    assert "no .xlsx workbook" in one_problem(tmp_path / "a.xlsx")[3]
    workbook(tmp_path / "b.xlsx", other=[["x"]])
    assert [problem[0] for problem in problems(tmp_path / "b.xlsx")] == ["b.xlsx[lots]", "b.xlsx[bids]"]
    workbook(tmp_path / "c.xlsx", lots=[[], ["lot"]], bids=[])
    assert all("first row is blank" in problem[3] for problem in problems(tmp_path / "c.xlsx"))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert "pip install 'procure-opt[excel]'" in one_problem(tmp_path / "b.xlsx")[3]
    with pytest.raises(ImportError, match="procure-opt"):
        write_tender(FULL, tmp_path / "c.xlsx")


def test_where_a_tender_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a folder or to an"):
        write_tender(FULL, tmp_path / "t.csv")


def test_a_cell_too_long_for_excel_is_refused(tmp_path: Path) -> None:
    tender = Tender([{"lot": "A", "text": "x" * 40_000}], [])
    with pytest.raises(ValueError, match="32,767 characters"):
        write_tender(tender, tmp_path / "t.xlsx")


# ---- OCDS -------------------------------------------------------------------------------------------------


def release(**changes: object) -> dict[str, object]:
    lots = [{"id": 1, "title": "North", "value": {"amount": 100, "currency": "JPY"}}, {"id": "LOT-2"}]
    bids = [
        {"id": 7, "tenderers": [{"id": "X", "name": "Xu"}], "relatedLots": [1],
         "value": {"amount": 90, "currency": "JPY"}},
        {"id": "8", "status": "valid", "tenderers": [{"id": "Z:1"}, {"id": "X"}], "relatedLots": ["1", "LOT-2"],
         "value": {"amount": "150", "currency": "JPY"}},
        {"id": "9", "status": "withdrawn", "tenderers": [{"id": "Y"}], "relatedLots": ["LOT-2"]},
    ]  # fmt: skip
    parties = [{"id": "Y", "name": "Yang", "details": {"scale": "sme"}}, {"id": "Z:1", "name": "Zhu"}]
    whole: dict[str, object] = {"ocid": "o-1", "parties": parties, "tender": {"lots": lots}, "bids": {"details": bids}}
    return whole | changes


def ocds(path: Path, document: object, name: str = "r.json") -> Path:
    (path / name).write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path / name


def test_a_release(tmp_path: Path) -> None:
    tender = read_tender(ocds(tmp_path, release()))
    assert (tender.name, tender.currency, tender.money_unit) == ("o-1", "JPY", 1.0)
    assert tender.lots["lot"].tolist() == ["1", "LOT-2"]
    assert tender.lots["title"].tolist() == ["North", ""]
    assert tender.lots["estimate"].fillna(-1).tolist() == [100, -1]
    assert tender.bids[["bid", "bidder", "lots", "price"]].to_numpy().tolist() == [
        ["7", "X", "1", 90], ["8", "X+Z:1", "1;LOT-2", 150],
    ]  # fmt: skip
    assert tender.rejected["reason"].tolist() == ["withdrawn"]
    bidders = tender.bidders.set_index("bidder")
    assert bidders["members"].to_dict() == {"X": "", "Y": "", "Z:1": "", "X+Z:1": "X;Z:1"}
    assert bidders["name"].to_dict() == {"X": "Xu", "Y": "Yang", "Z:1": "Zhu", "X+Z:1": "Xu + Zhu"}
    assert bidders.loc["Y", "scale"] == "sme"
    names, share = tender.groups("bidder")
    assert dict(zip(names, share.toarray()[tender.bidder_index("X+Z:1")], strict=True)) == {"X": 1, "Y": 0, "Z:1": 1}
    assert any("no status" in note for note in tender.notes)
    assert any("consortium X+Z:1" in note for note in tender.notes)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda one: {"releases": [one]},
        lambda one: {"ocid": "o-1", "compiledRelease": one},
        lambda one: {"records": [{"ocid": "o-1", "compiledRelease": one}]},
        lambda one: {"records": [{"ocid": "o-1", "releases": [one]}]},
        lambda one: [one],
        lambda one: {
            "releases": [one | {"bids": {}, "date": "2026"}, {"ocid": "o-1", "date": "2027", "bids": one["bids"]}]
        },
        lambda one: {
            "releases": [
                {"ocid": "o-1", "date": "2027", "tender": {"lots": [{"id": 1, "title": "North"}]}},
                one
                | {"date": "2026", "tender": {"lots": [one["tender"]["lots"][0] | {"title": "old"}, {"id": "LOT-2"}]}},
            ]
        },
        json.dumps,
    ],
)
def test_packages_and_records(tmp_path: Path, wrap: object) -> None:
    expected = read_tender(ocds(tmp_path, release()))
    assert read_tender(ocds(tmp_path, wrap(release()), "p.json")) == expected  # type: ignore[operator]
    assert read_tender(ocds(tmp_path, json.dumps(release()) + "\n", "p.jsonl")) == expected


def test_many_tenders_in_a_file(tmp_path: Path) -> None:
    good, bad = release(), release(ocid="o-2", tender={"lots": 5})
    lines = "\n".join([json.dumps(good), "", "{", json.dumps(bad), json.dumps(release(ocid="o-3"))])
    for name in ("many.jsonl", "many.json"):
        path = ocds(tmp_path, lines, name)
        tenders = read_tenders(path)
        assert next(tenders).name == "o-1"
        with pytest.raises(BadTable) as caught:
            next(tenders)
        assert caught.value.problems[0][:2] == (name, 3)
        with pytest.raises(BadTable) as caught:
            next(tenders)
        assert caught.value.problems[0][:3] == (name, 4, "tender/lots")
        assert [tender.name for tender in tenders] == ["o-3"]
        assert "use read_tenders" in one_problem(path)[3]
    package = ocds(tmp_path, {"releases": [good, release(ocid="o-3")]})
    assert [tender.name for tender in read_tenders(package)] == ["o-1", "o-3"]
    assert [tender.name for tender in read_tenders(folder(tmp_path))] == [tmp_path.name]
    assert one_problem(ocds(tmp_path, "", "e.jsonl"))[3] == "the file is empty"


def test_what_a_document_leaves_open(tmp_path: Path) -> None:
    bids = {"details": [{"tenderers": [{"id": "X"}], "value": {"amount": 5}}]}
    tender = read_tender(ocds(tmp_path, {"bids": bids}))
    assert tender.lots["lot"].tolist() == ["LOT-0000"]
    assert tender.bids["lots"].tolist() == ["LOT-0000"]
    assert len(tender.notes) == 4
    one = read_tender(ocds(tmp_path, release(tender={"lots": [{"id": "only"}]}, bids=bids)))
    assert one.bids["lots"].tolist() == ["only"]
    none = read_tender(ocds(tmp_path, release(bids={}, parties=[])))
    assert (len(none.lots), len(none.bids)) == (2, 0)


def test_problems_in_a_release_carry_the_path(tmp_path: Path) -> None:
    document = release()
    details = document["bids"]["details"]  # type: ignore[index]
    details[0] |= {"relatedLots": []}
    details[1] |= {"value": {"amount": "1,000", "currency": "USD"}, "tenderers": [{}]}
    details.append(details[0] | {"relatedLots": ["Q"], "value": {"amount": 90.5, "currency": "JPY"}})
    details.append({"id": "b", "relatedLots": "1", "tenderers": ["X"], "value": {}})
    found = problems(ocds(tmp_path, {"releases": [document]}))
    assert {(row, column) for _, row, column, _ in found} == {
        (None, f"releases/0/bids/details/{place}")
        for place in ["0/relatedLots", "1/value/amount", "1/value/currency", "1/tenderers", "3/id", "3/relatedLots",
                      "3/value/amount", "4/relatedLots", "4/tenderers", "4/tenderers/0", "4/value/amount"]
    }  # fmt: skip
    reasons = {column: reason for _, _, column, reason in found}
    assert reasons["releases/0/bids/details/3/id"] == "'7' stands already in releases/0/bids/details/0"
    assert reasons["releases/0/bids/details/3/relatedLots"] == "'Q' is not in tender/lots"
    assert reasons["releases/0/bids/details/3/value/amount"] == "90.5 is finer than the money unit 1"


@pytest.mark.parametrize(
    "document, words",
    [
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ({"a": 1}, "no OCDS"),
        ([1], "no OCDS"),
        (5, "no OCDS"),
        ({"releases": []}, "empty"),
        ({"releases": [5]}, "curly brackets"),
        ({"records": [{"releases": [{"url": "x"}]}]}, "nothing but links|no releases but links"),
        ({"ocid": "x", "tag": ["planning"]}, "no OCDS tender"),
        ({"ocid": "x", "tender": {"id": "t"}}, "neither lots nor bids"),
        ({"ocid": "x", "tender": 5}, "curly brackets"),
        ({"tender": {"lots": [{"id": "a", "value": {"amount": float("nan")}}]}}, "not a number"),
    ],
)
def test_json_that_is_no_ocds(tmp_path: Path, document: object, words: str) -> None:
    reasons = " ".join(problem[3] for problem in problems(ocds(tmp_path, document)))
    assert any(word in reasons for word in words.split("|")), reasons


def test_json_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes('{\n"ocid": "ö"}'.encode("latin-1"))
    assert one_problem(tmp_path / "r.json")[1] == 2
    (tmp_path / "r.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(release()).encode())
    assert len(read_tender(tmp_path / "r.json").bids) == 2


def test_limits_of_a_document_are_its_policy(tmp_path: Path) -> None:
    limits = {"maximumLotsAwardedPerSupplier": 1, "maximumLotsBidPerSupplier": 1}
    document = release()
    document["tender"]["lotDetails"] = limits  # type: ignore[index]
    path = ocds(tmp_path, document)
    assert read_policy(path) == Policy([MaxLots(1)])
    assert any("exceeded by X, Z:1" in note for note in read_tender(path).notes)
    assert read_policy(ocds(tmp_path, release())) == Policy()
    document["tender"]["lotDetails"] = {"maximumLotsAwardedPerSupplier": 1.5}  # type: ignore[index]
    with pytest.raises(BadTable, match="not a whole number"):
        read_policy(ocds(tmp_path, document))


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")
def test_documents_of_the_wild() -> None:
    read: dict[str, int] = {}
    wrong: list[Problem] = []
    for path in sorted([*DATA.glob("ocds/**/*.json*"), *DATA.glob("tsuchiura/*_lots.ocds.json")]):
        tenders = read_tenders(path)
        while True:
            try:
                tender = next(tenders)
            except StopIteration:
                break
            except BadTable as bad:
                wrong += bad.problems
            else:
                read[path.name] = read.get(path.name, 0) + 1
                assert len(tender.lots)
    assert all(problem.column for problem in wrong)
    assert read["20111222_lots.ocds.json"] == read["doffin_2024-113575_release_0.json"] == 1
    assert read["R024.example.jsonl"] == 5
    day = read_tender(DATA / "tsuchiura" / "20111222_lots.ocds.json")
    assert (len(day.lots), len(day.bids), len(day.bidders), day.money_unit) == (28, 92, 50, 1.0)
    assert read_policy(DATA / "ocds" / "ext_lots_readme_example1.json").constraints == (MaxLots(2),)


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")
def test_a_file_of_many_real_auctions() -> None:
    tenders = read_tenders(DATA / "tsuchiura" / "auctions_2011.ocds.jsonl")
    first = [next(tenders) for _ in range(20)]
    assert all(len(tender.lots) == 1 and tender.currency == "JPY" for tender in first)


# ---- policies ---------------------------------------------------------------------------------------------

POLICY = """\
objective = {kind = "QualityAdjusted", value = 120}
tie_break = {kind = "DrawLots", seed = 20260301}
quality_weights = {plan = 2, staff = 1}
min_bidders = 2
few_bidders = "fail"
ledger = {per_contract = 10}
[[constraint]]
kind = "MaxShare"
share = 0.4
per = "owner"
lots = {category = "cleaning"}

[[constraint]]
kind = "Budget"
each = "period"
amount = {2026 = 100, 2027 = 200}
"""


def policy_problems(path: Path, text: str) -> list[tuple[int | None, str | None, str]]:
    (path / "policy.toml").write_text(text)
    with pytest.raises(BadTable) as caught:
        read_policy(path)
    assert {problem.file for problem in caught.value.problems} == {"policy.toml"}
    return [tuple(problem[1:]) for problem in caught.value.problems]


def test_a_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("\ufeff" + POLICY, encoding="utf-8")
    policy = read_policy(tmp_path)
    assert policy.constraints == (
        MaxShare(0.4, per="owner", lots={"category": "cleaning"}),
        Budget({"2026": 100, "2027": 200}, each="period"),
    )
    assert policy.objective == QualityAdjusted(120)
    assert policy.tie_break == DrawLots(20260301)
    assert policy.quality_weights == {"plan": 2, "staff": 1}
    assert (policy.min_bidders, policy.few_bidders) == (2, "fail")
    assert read_policy(tmp_path / "policy.toml") == policy
    book = openpyxl.Workbook()
    book.active.title = "Policy"
    for line in ["policy.toml", *POLICY.splitlines()]:
        book.active.append([line])
    book.save(tmp_path / "p.xlsx")
    assert read_policy(tmp_path / "p.xlsx") == policy


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", Policy()),
        ('objective = "LowestCost"\ntie_break = "Refuse"', Policy(objective=LowestCost(), tie_break=Refuse())),
        ('tie_break = "none"', Policy(tie_break=None)),
        (
            'objective = {kind = "BestScore", scoring = {kind = "RelativePrice", weight = 0.5}}',
            Policy(objective=BestScore(RelativePrice(0.5))),
        ),
        ("[objective]\nkind = 'QualityAdjusted'\nvalue = 'worth'", Policy(objective=QualityAdjusted("worth"))),
    ],
)
def test_short_policies(tmp_path: Path, text: str, expected: Policy) -> None:
    (tmp_path / "policy.toml").write_text(text)
    assert read_policy(tmp_path) == expected


@pytest.mark.parametrize(
    "text, line, key, words",
    [
        ('\nobjectve = "LowestCost"', 2, "objectve", "did you mean 'objective'"),
        ('\nobjective = "LowstCost"', 2, "kind", "did you mean 'LowestCost'"),
        ('\n[[constraint]]\nkind = "maxshare"\nshare = 0.4', 3, "kind", "did you mean 'MaxShare'"),
        ("[[constraint]]\nshare = 0.4", 1, "kind", "kind is missing"),
        ('[[constraint]]\nkind = "MaxShare"\nshares = 0.4\nshare = 1', 3, "shares", "did you mean 'share'"),
        ('\n[[constraint]]\nkind = "MaxShare"', 2, "constraint", "needs 'share'"),
        ('[[constraint]]\nkind = "MaxShare"\n\nshare = "0.4"', 4, "share", "must be a number"),
        ('[[constraint]]\nkind = "MaxShare"\n\nshare = true', 4, "share", "must be a number"),
        ('[[constraint]]\nkind = "MaxShare"\nshare = 40', 3, "share", "from 0 to 1"),
        ('[[constraint]]\nkind = "MaxLots"\nn = 2.5', 3, "n", "whole number"),
        ('[[constraint]]\nkind = "MaxLots"\nn = 2\nlots = "A"', 4, "lots", "a table or a list of texts"),
        ('[[constraint]]\nkind = "MaxLots"\nn = 2\nlots = ["A",\n"B",\n3]\nper = 1', 7, "per", "must be a text"),
        ('[constraint]\nkind = "MaxLots"\nn = 2', 1, "constraint", "two brackets"),
        ('[[constraint]]\nkind = "MaxLots"\nn = 2\n[constraint.lots]\nx = 1\n[[constraint]]\nkind = 5', 7, "kind", "5"),
        ("min_bidders = 2\nfew_bidders = 'retry'", 2, "few_bidders", "keep in house"),
        ("min_bidders = 0", 1, "min_bidders", "at least 1"),
        ("quality_weights = {plan = 'much'}", 1, "quality_weights", "a table of numbers"),
        ("[ledger]\nper_contracts = 5", 2, "per_contracts", "did you mean 'per_contract'"),
        ("ledger = 5", 1, "ledger", "a table"),
        ("objective = 5", 1, "objective", 'write {kind = "LowestCost"'),
        ('objective = {kind = "BestScore", scoring = {kind = "Relativ", weight = 1}}', 1, "kind", "RelativePrice"),
        ("min_bidders = 2\nmin_bidders = 3", 2, None, "cannot overwrite a value"),
        ("min_bidders = \n", 1, None, "this is not TOML"),
        ("min_bidders = [1,\n2", 2, None, "this is not TOML"),
    ],
)
def test_a_mistake_in_a_policy(tmp_path: Path, text: str, line: int, key: str | None, words: str) -> None:
    found = policy_problems(tmp_path, text)
    assert (line, key) in [problem[:2] for problem in found]
    assert any(words in problem[2] for problem in found), found
    assert len(found) <= 2


def test_all_mistakes_of_a_policy_are_listed(tmp_path: Path) -> None:
    text = (
        'objectiv = 1\n[[constraint]]\nkind = "MaxShare"\nshare = 7\n[[constraint]]\nkind = "MaxLot"\nn = 1\n[lots]\n'
    )
    assert [problem[:2] for problem in policy_problems(tmp_path, text)] == [
        (1, "objectiv"), (4, "share"), (6, "kind"), (8, "lots"),
    ]  # fmt: skip


def test_where_there_is_no_policy(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml", workbook(tmp_path / "b.xlsx", lots=[["lot"]])):
        with pytest.raises(BadTable, match=r"there is no|missing"):
            read_policy(path)
    (tmp_path / "policy.toml").write_bytes("# ö".encode("latin-1"))
    with pytest.raises(BadTable, match="not UTF-8"):
        read_policy(tmp_path)
    with pytest.raises(BadTable, match="use read_policy"):
        read_tender(tmp_path / "policy.toml")
