"""A large sourcing event from a seed: many categories, single and package bids, caps and winners in each category.

python benchmarks/event.py [2600000] [--seed 1] [--patience 2.5] [--write]     HiGHS on the same arrays beside it
python benchmarks/event.py BIDS --csv FOLDER     writes lots.csv, bids.csv and bidders.csv

The model is that of `sourcing.py`, category by category. 2.6 million bids are on 160,000 lots in 320 categories: a
category is the lanes of a region or the sites of one service, 500 lots on a map of its own. Of 18,750 bidders each has
one home and is active in some eight categories: 150,000 pairs of bidder and category, 17 bids each on average, a few
of over 60. Nobody knows a whole category. Bids are on the lots nearest to home, 70 % on single lots and 30 % on
packages of 2 to 6 neighbours. A bidder is as efficient in all its bids of a category: without rules the strongest would
win all they can reach, twice what they have room for.

The rules (`policy`) hold in each category: nobody wins more than a share of the estimates or more lots than it has room
for, and the winners are neither too few nor too many. At full size these are 300,640 rows. Capacity binds for every
sixth winner and costs about 1 %, the share for a few where lots are large, the number of winners, about what it would
be anyway, in some categories from above or below. Every lot can be done in-house, so there always is an award.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import Any, NamedTuple

import highspy
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.spatial import KDTree

import procure_opt as po
from award import highs_model
from results import brief, machine, table, write

Places = NDArray[np.int64]

BIDS_A_LOT = 16.25
LOTS_A_CATEGORY = 500
BIDDERS_A_LOT = 15 / 16  # of a category: each active in it then has 17 bids there on average
CATEGORIES_A_BIDDER = 8
PACKAGES = 0.3
LARGEST = 6  # lots of a package
GAP = 1e-4
HEAD = ["bids", "lots", "side constraints", "award s", "gap", "memory GB", "HiGHS s", "award / HiGHS"]


class Event(NamedTuple):
    """The tables of an event, as `procure_opt.Tender` takes them."""

    lots: pd.DataFrame  # lot, category, estimate, in_house
    bids: pd.DataFrame  # bid, bidder, lots, price
    bidders: pd.DataFrame  # bidder, capacity


def event(bids: int, seed: int) -> Event:
    """Draw an event of exactly so many bids; the draws come in a fixed order, so that a seed names one event for good.

    A bidder's cost of a lot is estimate · (1 + distance / 2) · efficiency, with efficiency drawn for each category; a
    package of k lots saves 4 % for each lot beyond the first; the price is that cost with a mark-up of 10 % and noise
    of 8 %, in whole cents. Doing a lot in-house costs 2.5 times its estimate. `capacity`, from 4 to 16, is how many
    lots a bidder can serve in any one category. Bids come in the order of their bidders.

    Args:
        bids: How many, from some thousands on.
        seed: Any whole number.
    """
    rng = np.random.default_rng(seed)
    n_lots = round(bids / BIDS_A_LOT)
    categories = max(2, round(n_lots / LOTS_A_CATEGORY))
    first = np.linspace(0, n_lots, categories + 1).round().astype(np.int64)  # the first lot of each category
    estimate, place = rng.lognormal(3, 0.6, n_lots), rng.random((n_lots, 2))

    active = np.round(BIDDERS_A_LOT * np.diff(first)).astype(np.int64)  # bidders in each category
    n_bidders = max(int(active.sum() / min(CATEGORIES_A_BIDDER, categories)), int(active.max()))
    home = rng.random((n_bidders, 2))
    # A pair is a bidder in a category; until the end bids stand pair by pair, and pairs category by category.
    of_pair = np.concatenate([np.sort(rng.choice(n_bidders, size, replace=False)) for size in active])
    efficiency, appetite = rng.lognormal(0, 0.1, len(of_pair)), rng.lognormal(0, 0.5, len(of_pair))
    count = 1 + rng.multinomial(bids - len(of_pair), appetite / appetite.sum())
    pair = np.repeat(np.arange(len(of_pair)), count)
    packed = rng.random(bids) < PACKAGES
    size = np.where(packed, rng.integers(2, LARGEST + 1, bids), 1)

    # Each bid has a lot at its centre, by its rank from home: single lots in turn, packages anywhere within reach.
    reach = np.maximum(4, np.ceil(0.8 * count)).astype(np.int64)
    first_bid = np.cumsum(count) - count
    turn = np.cumsum(~packed) - (~packed)
    turn -= turn[first_bid][pair]
    rank = np.where(packed, (rng.random(bids) * reach[pair]).astype(np.int64), turn % reach[pair])
    centre, neighbours = np.empty(bids, dtype=np.int64), np.empty((n_lots, LARGEST), dtype=np.int64)
    pairs = np.cumsum(active) - active
    for category in range(categories):
        lots = slice(first[category], first[category + 1])
        its_pairs = np.arange(pairs[category], pairs[category] + active[category])
        its_bids = slice(first_bid[its_pairs[0]], first_bid[its_pairs[-1]] + count[its_pairs[-1]])
        tree = KDTree(place[lots])
        near = tree.query(home[of_pair[its_pairs]], k=min(int(reach[its_pairs].max()), tree.n))[1]
        centre[its_bids] = lots.start + near[pair[its_bids] - its_pairs[0], rank[its_bids] % near.shape[1]]
        neighbours[lots] = lots.start + tree.query(place[lots], k=LARGEST)[1]

    start = np.append(0, np.cumsum(size))
    bid = np.repeat(np.arange(bids), size)
    taken = neighbours[centre[bid], np.arange(start[-1]) - start[bid]]
    distance = np.hypot(*(place[taken] - home[of_pair[pair[bid]]]).T)
    cost = np.add.reduceat(estimate[taken] * (1 + 0.5 * distance), start[:-1]) * efficiency[pair]
    price = np.round(cost * (1 - 0.04 * (size - 1)) * rng.lognormal(0, 0.08, bids) * 1.1, 2)

    order = np.argsort(of_pair[pair], kind="stable")
    packages = pc.binary_join(pa.ListArray.from_arrays(pa.array(start, pa.int32()), _names("L", taken)), ";")
    return Event(
        lots=pd.DataFrame({
            "lot": _column(_names("L", np.arange(n_lots))),
            "category": _column(_names("C", np.repeat(np.arange(categories), np.diff(first)))),
            "estimate": estimate,
            "in_house": np.round(2.5 * estimate, 2),
        }),
        bids=pd.DataFrame({
            "bid": _column(_names("b", np.arange(bids))),
            "bidder": _column(_names("B", of_pair[pair[order]])),
            "lots": _column(packages.take(pa.array(order))),
            "price": price[order],
        }),
        bidders=pd.DataFrame({
            "bidder": _column(_names("B", np.arange(n_bidders))),
            "capacity": rng.integers(4, 17, n_bidders).astype(float),
        }),
    )  # fmt: skip


def _names(letter: str, numbers: Places) -> Any:
    return pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")


def _column(texts: Any) -> pd.Series:
    return pd.Series(pd.array(texts, dtype="str"))


def policy(lots: pd.DataFrame) -> po.Policy:
    """The rules of an event, each in every category; their figures grow with the categories.

    Of the estimates a bidder wins at most what 12.5 mean lots are (2.5 % of 500), and at most `capacity` lots; the
    winners are from 22 to 25 for 100 lots (110 to 125 of about 470 bidders). Ties are not searched for.
    """
    size = len(lots) / lots["category"].nunique()
    rules = (
        po.MaxShare(round(12.5 / size, 4), each="category"),
        po.Capacity("capacity", each="category"),
        po.MinWinners(round(0.22 * size), each="category"),
        po.MaxWinners(round(0.25 * size), each="category"),
    )
    return po.Policy(rules, tie_break=None)


def measured(bids: int, seed: int, patience: float) -> str:
    """Draw and decide an event, then give HiGHS the same arrays and the same gap; say seconds and memory on the way.

    Args:
        bids: How many.
        seed: Of the generator.
        patience: HiGHS is stopped after so many times what the award took; 0 leaves it out.
    """
    begun = time.perf_counter()

    def say(what: str) -> str:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{time.perf_counter() - begun:8.1f} s {memory:6.2f} GB  {what}", flush=True)
        return f"{memory:.1f}"

    tables = event(bids, seed)
    say(f"drawn: {len(tables.lots):,} lots, {bids:,} bids")
    tender, rules = po.Tender(*tables), policy(tables.lots)
    say("read")
    plan = rules.plan(tender)
    height, width = plan.program.matrix.shape
    side = sum(len(rows) for _, rows in plan.rules)
    say(f"planned: {side:,} side constraints; {height:,} rows, {width:,} columns, {plan.program.matrix.nnz:,} entries")
    del plan
    start = time.perf_counter()
    award = po.award(tender, rules, gap=GAP, progress=True)
    ours = time.perf_counter() - start
    memory = say(f"decided: {award}, gap {award.gap:.1e}")
    row = [f"{bids:,}", f"{len(tables.lots):,}", f"{side:,}", brief(ours), f"{award.gap:.1e}", memory]
    if not patience:
        return table(HEAD, [[*row, "–", "–"]])
    model = highs_model(rules.plan(tender).program, patience * ours)
    model.setOptionValue("mip_rel_gap", GAP)
    start = time.perf_counter()
    model.run()
    theirs = time.perf_counter() - start
    late = model.getModelStatus() == highspy.HighsModelStatus.kTimeLimit
    left = f" (gap {model.getInfo().mip_gap:.2g})" if late else ""
    say(f"HiGHS: {'stopped' if late else 'done'}, gap {model.getInfo().mip_gap:.2g}")
    return table(HEAD, [[*row, "> " * late + brief(theirs) + left, "< " * late + f"{ours / theirs:.2f}"]])


def main() -> None:
    """Measure an event and print, or write, a table; or write its tables as CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bids", type=int, nargs="?", default=2_600_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=2.5, help="of HiGHS, in times of the award's (%(default)s)")
    parser.add_argument("--csv", type=Path, help="only write the tables into this folder")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    options = parser.parse_args()
    if options.csv:
        options.csv.mkdir(parents=True, exist_ok=True)
        for name, drawn in event(options.bids, options.seed)._asdict().items():
            drawn.to_csv(options.csv / f"{name}.csv", index=False)
        return
    text = measured(options.bids, options.seed, options.patience)
    print(text)
    if options.write:
        head = "## A sourcing event of many categories\n\n`python benchmarks/event.py --write`. "
        said = (
            f"`award` goes from the tender to the award, proven to a gap of {GAP:g}, and its tables; memory is the "
            f"most the process held until then, HiGHS not yet started."
        )
        if options.patience:
            times = f"{options.patience:g} times as long"
            said += f" HiGHS gets the same arrays and the same gap, and is stopped after {times}."
        write("event", f"{head}{machine()}\n\n{said}\n\n{text}")


if __name__ == "__main__":
    main()
