"""The benchmark's tenders are those of the shared generator, to the cent (skipped where that file is missing)."""

import runpy
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parents[1]
SHARED = HERE.parent / "shared" / "data" / "sourcing" / "make.py"


@pytest.mark.skipif(not SHARED.exists(), reason="the shared generator is not here")
@pytest.mark.parametrize("size", [(300, 40, 100, 1), (10, 5, 3, 7), (3, 4, 20, 2)])
def test_same_numbers_for_the_same_seed(size: tuple[int, int, int, int]) -> None:
    ours = runpy.run_path(str(HERE / "benchmarks" / "sourcing.py"))["sourcing"](*size)
    estimate, in_house, bids = runpy.run_path(str(SHARED))["sourcing"](*size)
    np.testing.assert_array_equal(ours.estimate, estimate)
    np.testing.assert_array_equal(ours.in_house, in_house)
    np.testing.assert_array_equal(ours.bidder, [bidder for bidder, _, _ in bids])
    np.testing.assert_array_equal(ours.start, np.cumsum([0, *(len(lots) for _, lots, _ in bids)]))
    np.testing.assert_array_equal(ours.lots, np.concatenate([lots for _, lots, _ in bids]))
    np.testing.assert_array_equal(ours.price, [price for _, _, price in bids])
