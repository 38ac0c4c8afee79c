"""Damaged files, some of each kind: refused in words that name the place, or read correctly (`benchmarks/fuzz.py`)."""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from procure_opt.cells import BadTable, Problem

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import fuzz


@pytest.mark.parametrize("kind", fuzz.READERS)
def test_damaged_files_are_refused_in_words_or_read_correctly(kind: str) -> None:
    told = fuzz.run(kind, range(fuzz.SOME), seed=7, every=10)
    assert told.failures == ()
    assert told.counts["refused"] > fuzz.SOME / 5
    assert told.counts["read"] > 0


@pytest.mark.parametrize(
    ("kind", "seed", "case"),
    [
        ("tender, folder", 11, 180),  # estimate times quantity beyond what floats hold
        ("tender, folder", 11, 9533),  # a discount on no lot beside other mistakes
        ("tender, workbook", 21, 2544),  # a row without cells among the facts of the tender
        ("policy, ledger", 21, 350),  # a penalty of 5,000 digits
        ("policy, OCDS", 21, 5113),  # at most 1e308 lots
        ("performance", 24, 7133),  # figures of 1e308, whose mean is none
        ("lots, duties, regime", 23, 5483),  # a column `lots` among the lots
    ],
)
def test_damage_that_once_went_through(kind: str, seed: int, case: int) -> None:
    assert fuzz.run(kind, range(case, case + 1), seed=seed, every=1).failures == ()


def test_a_text_in_parquet_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "past.parquet").write_bytes(fuzz.past_parquet()["past.parquet"].replace(b"Acme", b"A\xffme"))
    with pytest.raises(BadTable, match=r"past\.parquet: this is no Parquet file: .*UTF8"):
        fuzz.READERS["past bids, Parquet"].read(tmp_path)


def test_the_table_keeps_the_rows_of_what_was_not_run() -> None:
    def told(kind: str, read: int) -> fuzz.Told:
        return fuzz.Told(kind, Counter(refused=7, read=read), (), 0.25, 3)

    first = fuzz.report([told("market", 3), told("areas", 4)], 5, "")
    again = fuzz.report([told("market", 1)], 6, f"before\n<!-- fuzz -->\n{first}\n<!-- end of fuzz -->\n| areas | 0 |")
    rows = [line for line in again.splitlines() if line.startswith("| ")]
    assert rows[1:] == ["| market | 6 | 7 | 1 | 0 | 0.25 | 3 |", "| areas | 5 | 7 | 4 | 0 | 0.25 | 3 |"]


@pytest.mark.parametrize("kind", fuzz.READERS)
def test_good_files_are_read(kind: str, tmp_path: Path) -> None:
    reader = fuzz.READERS[kind]
    assert fuzz.outcome(reader, reader.good(), tmp_path, 60) == ("read", "")


def test_the_same_number_is_the_same_damage() -> None:
    good = fuzz.READERS["tender, folder"].good()
    twice = [fuzz.damaged(random.Random("7 3"), good) for _ in range(2)]
    assert twice[0] == twice[1] != good


def refuses(file: str, reason: str) -> fuzz.Reader:
    def read(folder: Path) -> None:
        raise BadTable([Problem(file, 2, "bid", reason)])

    return fuzz.Reader(lambda: {"bids.csv": b"bid\n1\n"}, read)


def loops(folder: Path) -> None:
    while True:
        pass


def stumbles(folder: Path) -> None:
    raise KeyError("price")


def differs(found: None, folder: Path) -> None:
    assert found == 1, "it is another"


@pytest.mark.parametrize(
    ("reader", "what", "said"),
    [
        (refuses("bids.csv", "it is wrong"), "refused", "bids.csv, row 2, column 'bid': it is wrong"),
        (refuses("other.csv", "it is wrong"), "failed", "names no file of the case"),
        (refuses("bids.csv", " "), "failed", "refused without a reason"),
        (fuzz.Reader(lambda: {"bids.csv": b""}, stumbles), "failed", "KeyError: 'price' (test_fuzz.py:"),
        (fuzz.Reader(lambda: {"bids.csv": b""}, loops), "failed", "TooLong: more than 0.2 s"),
        (fuzz.Reader(lambda: {"bids.csv": b""}, lambda folder: None, differs), "failed", "it is another"),
    ],
)
def test_what_counts_as_a_failure(reader: fuzz.Reader, what: str, said: str, tmp_path: Path) -> None:
    found = fuzz.outcome(reader, reader.good(), tmp_path, 0.2 if reader.read is loops else 60)
    assert found[0] == what
    assert said in found[1]
