"""A city that does not exist: ten years of tenders for the cleaning of its parks, and everything nobody there can see.

python examples/03_fair_price/city.py     writes bids.csv, the table of past bids, beside this file

Eight suppliers can clean a park. For one of h hectares the work costs a supplier h^0.9 · c thousand yuan, with c its
own, between 80 and 120. Preparing a bid costs money too, so that each bids on some six parks in ten only; those who do
see at the visit of the park how many there are, and ask their best against so many. In the last seven years three of
them have been a ring: where one of them bids the others mostly come along, the cheapest is meant to win, and the others
bid a little above it.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from procure_opt.auction import FirstPrice, Market, equilibrium

SUPPLIERS = ["Acer", "Birch", "Cedar", "Dogwood", "Elder", "Fir", "Ginkgo", "Hazel"]
RING = {"Cedar", "Elder", "Ginkgo"}
RING_SINCE, YEARS, PARKS = 2019, range(2016, 2026), 40
COSTS = stats.beta(2, 3, 80, 40)
SIZE, RESERVE, IN_HOUSE = 0.9, 140.0, 130.0  # reserve and in-house cost of a park of one hectare
ENTERS, COMES_ALONG = 0.6, 0.7


def asked(n: int) -> object:
    """What a supplier bids against n − 1 others, by its cost; alone it asks the reserve."""
    if n == 1:
        return lambda cost: np.full(np.shape(cost), RESERVE)
    return equilibrium(FirstPrice(RESERVE), Market((COSTS, n))).bid


def entry_cost() -> float:
    """What it must cost to prepare a bid for suppliers to enter six times in ten (Levin and Smith 1994).

    Who is one of n earns ∫ F S^(n−1) in the mean, and who is alone RESERVE − c.
    """
    c = np.linspace(80, 120, 20001)
    alone = RESERVE - COSTS.mean()
    earns = [alone, *(np.trapezoid(COSTS.cdf(c) * COSTS.sf(c) ** (n - 1), c) for n in range(2, len(SUPPLIERS) + 1))]
    others = np.arange(len(SUPPLIERS))
    chance = stats.binom(len(SUPPLIERS) - 1, ENTERS).pmf(others)
    return float(chance @ earns)


def tenders(years: range, seed: int, *, ring: bool = True) -> pd.DataFrame:
    """Past bids: auction, date, hectares, bidder, bid, reserve."""
    generator = np.random.default_rng(seed)
    bid = {n: asked(n) for n in range(1, len(SUPPLIERS) + 1)}
    rows = []
    for year in years:
        for park in range(PARKS):
            hectares = round(math.exp(generator.normal(0.7, 0.6)), 1)
            enter = [name for name in SUPPLIERS if generator.random() < ENTERS]
            along = [name for name in sorted(RING) if generator.random() < COMES_ALONG]
            if ring and year >= RING_SINCE and RING & set(enter):
                enter = [name for name in SUPPLIERS if name in {*enter, *along}]
            costs = dict(zip(enter, COSTS.rvs(len(enter), random_state=generator), strict=True))
            shade = generator.uniform(1.005, 1.03, len(enter))
            members = [name for name in enter if name in RING] if ring and year >= RING_SINCE else []
            meant = min(members, key=costs.__getitem__, default=None)
            serious = len(enter) - max(len(members) - 1, 0)
            for name, more in zip(enter, shade, strict=True):
                cover = name in members and name != meant
                own = costs[meant if cover else name]
                price = float(bid[serious](own)) * (more if cover else 1)
                level = max(hectares, 0.1) ** SIZE
                rows.append({
                    "auction": f"{year}-{park + 1:02}", "date": f"{year}-{1 + park % 12:02}-15",
                    "hectares": max(hectares, 0.1), "bidder": name, "bid": round(min(price, RESERVE) * level, 2),
                    "reserve": round(RESERVE * level, 2),
                })  # fmt: skip
    return pd.DataFrame(rows)


if __name__ == "__main__":
    tenders(YEARS, seed=5).to_csv(Path(__file__).parent / "bids.csv", index=False)
