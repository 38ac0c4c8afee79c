"""Reading a tender from CSV against pandas reading its largest file, as a ratio in one run.

python benchmarks/reading.py [BIDS] [--runs 7]     prints a row for bids in order and one for bids shuffled
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from procure_opt.tables import read_tender

LOTS, BIDDERS, PACKAGES = 20_000, 500, 0.3


def write_folder(folder: Path, bids: int, *, shuffled: bool) -> None:
    """A folder with lots.csv and a bids.csv of five columns; three in ten bids are for two to six lots."""
    rng = np.random.default_rng(1)
    pd.DataFrame({"lot": [f"L{i}" for i in range(LOTS)], "estimate": rng.lognormal(8, 0.6, LOTS).round(2)}).to_csv(
        folder / "lots.csv", index=False
    )
    size = np.where(rng.random(bids) < PACKAGES, rng.integers(2, 7, bids), 1)
    first = rng.integers(0, LOTS - 6, bids)
    table = pd.DataFrame(
        {
            "bid": [f"b{i}" for i in range(bids)],
            "bidder": [f"B{i}" for i in rng.integers(0, BIDDERS, bids)],
            "lots": [";".join(f"L{start + k}" for k in range(count)) for start, count in zip(first, size)],
            "price": (rng.lognormal(8, 0.6, bids) * size).round(2),
            "quality": rng.uniform(0, 100, bids).round(1),
        }
    )
    if shuffled:
        table = table.sample(frac=1, random_state=1)
    table.to_csv(folder / "bids.csv", index=False)


def seconds(read: Callable[[Path], Any], path: Path) -> float:
    """The time it takes to read a path."""
    start = time.perf_counter()
    read(path)
    return time.perf_counter() - start


def main() -> None:
    """Print the medians and the ratio; both are measured in turn, so that a busy machine slows both."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("bids", type=int, nargs="?", default=1_000_000)
    options.add_argument("--runs", type=int, default=7)
    chosen = options.parse_args()
    for shuffled in (False, True):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write_folder(folder, chosen.bids, shuffled=shuffled)
            times = [
                (seconds(pd.read_csv, folder / "bids.csv"), seconds(read_tender, folder)) for _ in range(chosen.runs)
            ]
            pandas, ours = (statistics.median(column) for column in zip(*times))
            order = "shuffled" if shuffled else "in order"
            print(
                f"{chosen.bids:,} bids {order}: pandas {pandas:.3f} s, read_tender {ours:.3f} s, {ours / pandas:.1f} x"
            )


if __name__ == "__main__":
    main()
