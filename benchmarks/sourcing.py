"""Sourcing tenders from a seed: lots on a map, bidders with a home, bids on single lots and on packages of neighbours.

python benchmarks/sourcing.py LOTS BIDDERS BIDS_EACH SEED FOLDER    writes lots.csv and bids.csv
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse


class Sourcing(NamedTuple):
    """A tender as arrays; bid j takes the lots `lots[start[j]:start[j + 1]]`, nearest to its centre first."""

    estimate: NDArray[np.float64]  # (lots,)
    in_house: NDArray[np.float64]  # (lots,) cost of doing the lot oneself, in currency
    bidder: NDArray[np.int64]  # (bids,)
    start: NDArray[np.int64]  # (bids + 1,)
    lots: NDArray[np.int64]
    price: NDArray[np.float64]  # (bids,) in currency, whole cents

    @property
    def cover(self) -> sparse.csr_array:
        """Lots x bids, 1 where the bid takes the lot."""
        ones = np.ones(len(self.lots))
        return sparse.csc_array((ones, self.lots, self.start), shape=(len(self.estimate), len(self.price))).tocsr()

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Lots and bids as `procure_opt.Tender` takes them."""
        names = np.array([f"L{i}" for i in range(len(self.estimate))], dtype=object)
        lots = pd.DataFrame({"lot": names, "estimate": self.estimate, "in_house": self.in_house})
        named = names[self.lots]
        bids = pd.DataFrame({
            "bid": [f"b{j}" for j in range(len(self.price))],
            "bidder": [f"B{i}" for i in self.bidder],
            "lots": [";".join(named[a:b]) for a, b in zip(self.start[:-1], self.start[1:])],
            "price": self.price,
        })  # fmt: skip
        return lots, bids


def sourcing(n_lots: int, n_bidders: int, bids_each: int, seed: int, package_share: float = 0.3) -> Sourcing:
    """Draw a tender; the draws come in a fixed order, so that a seed names one tender for good.

    A bidder's cost of a lot is estimate · (1 + distance / 2) · efficiency; a package of k lots saves 4 % for each lot
    beyond the first; the price is that cost with a mark-up of 10 % and noise of 8 %.
    """
    rng = np.random.default_rng(seed)
    estimate = rng.lognormal(3, 0.6, n_lots)
    place, home = rng.random((n_lots, 2)), rng.random((n_bidders, 2))
    taken: list[NDArray[np.int64]] = []
    cost, noise = np.empty(n_bidders * bids_each), np.empty(n_bidders * bids_each)
    for bidder in range(n_bidders):
        distance = np.hypot(*(place - home[bidder]).T)
        efficiency = rng.lognormal(0, 0.1)
        near = np.argsort(distance)[: max(4, int(bids_each * 0.8))]
        alone = estimate * (1 + 0.5 * distance)
        for k in range(bids_each):
            if rng.random() < package_share:
                centre = near[rng.integers(0, len(near))]
                lots = _nearest(place, near, centre, int(rng.integers(2, 7)))
            else:
                lots = near[k % len(near) : k % len(near) + 1]
            j = bidder * bids_each + k
            taken.append(lots)
            cost[j] = alone[lots].sum() * efficiency
            noise[j] = rng.lognormal(0, 0.08)
    size = np.array([len(lots) for lots in taken])
    return Sourcing(
        estimate=estimate,
        in_house=np.round(2.5 * estimate, 2),
        bidder=np.repeat(np.arange(n_bidders), bids_each),
        start=np.concatenate([[0], np.cumsum(size)]),
        lots=np.concatenate(taken),
        price=np.round(cost * (1 - 0.04 * (size - 1)) * noise * 1.1, 2),
    )


def _nearest(place: NDArray[np.float64], among: NDArray[np.int64], centre: int, size: int) -> NDArray[np.int64]:
    """The `size` lots of `among` nearest to the lot `centre`, itself first."""
    away = np.hypot(*(place[among] - place[centre]).T)
    if size < len(among):
        candidates = np.argpartition(away, size)[:size]
        return among[candidates[np.argsort(away[candidates])]]
    return among[np.argsort(away)]


if __name__ == "__main__":
    *sizes, folder = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, table in zip(("lots", "bids"), sourcing(*map(int, sizes)).tables()):
        table.to_csv(Path(folder) / f"{name}.csv", index=False)
