"""Files are whole or as they were, whatever happens while they are written; a run that is stopped says so and ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import procure_opt as po
from procure_opt.files import replacing

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from sourcing import sourcing


def test_a_file_takes_its_place_when_it_is_all_written(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("former")
    with replacing(file) as beside:
        beside.write_text("new")
        assert (file.read_text(), beside.suffix, beside.parent) == ("former", ".csv", file.parent)
    assert file.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("wrong", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_fails_leaves_the_former_file_and_nothing_else(wrong: type[BaseException], tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("former")


    def fails() -> None:
        with replacing(file) as beside:
            beside.write_text("half")
            raise wrong

    with pytest.raises(wrong):
        fails()
    assert file.read_text() == "former"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_what_a_link_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a")
    with replacing(tmp_path / "link") as beside:
        beside.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a").read_text() == "new"


def test_what_is_no_file_is_written_to_as_it_is() -> None:
    with replacing(os.devnull) as beside:
        assert str(beside) == os.devnull


def test_a_tender_that_cannot_be_written_leaves_the_former_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = po.Tender([{"lot": "A"}], [{"bid": "1", "bidder": "X", "lots": "A", "price": 5}])
    other = po.Tender([{"lot": "B"}], [{"bid": "2", "bidder": "Y", "lots": "B", "price": 6}], name="other")
    po.write_tender(former, tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fails(self: Path, *_: object, **__: object) -> int:
        raise OSError("no space is left")

    monkeypatch.setattr(Path, "write_text", fails)  # of tender.toml, the last of its files
    with pytest.raises(OSError, match="no space"):
        po.write_tender(other, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


WRITING = """
import sys
import pandas as pd
from procure_opt.cli import _stopped
from procure_opt.tables import write_csv
import signal
signal.signal(signal.SIGTERM, _stopped)
tables = [pd.DataFrame({"bid": [f"{which}{i}" for i in range(20_000)]}) for which in "ab"]
print("ready", flush=True)
while True:
    for table in tables:
        write_csv(table, sys.argv[1])
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_ends_while_it_writes_leaves_a_whole_file(how: signal.Signals, tmp_path: Path) -> None:
    dice, file = random.Random(1), tmp_path / "out.csv"
    for _ in range(2):
        writer = subprocess.Popen([sys.executable, "-c", WRITING, str(file)], stdout=subprocess.PIPE)
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        while not file.exists():
            time.sleep(0.005)
        time.sleep(dice.uniform(0, 0.1))
        writer.send_signal(how)
        assert writer.wait(60) == (128 + how if how == signal.SIGTERM else -how)
        header, *rows = file.read_bytes().split()
        assert header == b"bid"
        assert rows in ([b"%c%d" % (which, i) for i in range(20_000)] for which in b"ab")
        if how == signal.SIGTERM:
            assert os.listdir(tmp_path) == ["out.csv"]
        writer.stdout.close()


@pytest.mark.parametrize("solver", ["highs", "CBC"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_long_run_that_is_stopped_says_so_and_writes_nothing(
    how: signal.Signals, solver: str, tmp_path: Path
) -> None:
    po.write_tender(po.Tender(*sourcing(300, 40, 40, seed=1).tables()), tmp_path / "hard")  # minutes under this cap
    (tmp_path / "policy.toml").write_text('[[constraint]]\nkind = "MaxShare"\nshare = 0.025\n')
    script = "from procure_opt.cli import main; main()"
    options = ["award", "hard", "--policy", "policy.toml", "--out", "out", "--lp", "program.lp", "--solver", solver]
    run = subprocess.Popen([sys.executable, "-c", script, *options], cwd=tmp_path, stderr=subprocess.PIPE,
                           stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip
    while not (tmp_path / "program.lp").exists():  # then only the search is left
        assert run.poll() is None
        time.sleep(0.05)
    time.sleep(random.Random(f"{how} {solver}").uniform(0, 3))
    run.send_signal(how)
    said, wrong = run.communicate(timeout=60)
    assert (run.returncode, said) == (128 + how, b"")
    assert wrong == b"Stopped: files that are not listed as written are as they were.\n"
    assert sorted(os.listdir(tmp_path)) == ["hard", "policy.toml", "program.lp"]
