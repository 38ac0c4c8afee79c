"""School meals after the Chilean tender: units in regions, 35 firms, package bids, hundreds of scenarios of the rules.

python benchmarks/meals.py [--units 30|90] [--scenarios 700] [--workers 2] [--raw 10] [--limit 300] [--write]

Published of the tender (Epstein, Henríquez, Catalán, Weintraub and Martínez, Interfaces 32(6), 2002): 90 territorial
units, a third of them let each year; 35 firms whose financial class allows them 1 to 8 units; over 10,000 package bids,
all or nothing; least and most firms a region; quality in the objective; 500 to 700 scenarios of these rules solved to
proven optimality within a day, each award then judged by the rules of the others. The figures are drawn.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import procure_opt as po
from award import Outcome, agree, raw_highs
from results import brief, machine, table, write

Rules = list[Any]
REGIONS = 3 * (4, 5, 6, 7, 8)  # units of each region, along the country; five regions, 30 units, are let each year
CLASSES = {"A": (8, 8), "B": (6, 8), "C": (4, 8), "D": (2, 6), "E": (1, 5)}  # units a firm may hold, how many firms
SCALES = (100, 90, 85, 80)  # percent of these caps, in the scenarios


def meals(units: int = 30, packages: int = 12_000, seed: int = 1) -> po.Tender:
    """Draw the tender of one year's 30 units, or of all 90; the draws come in a fixed order, so a seed names a tender.

    A firm bids on the units nearest to its home (a tenth of all, and 4 % more for each unit of its cap), alone and in
    packages of neighbours up to its cap, about `packages` in all, in proportion to the squares of the caps. A unit
    costs it estimate · efficiency · (1 + distance / 5) · noise of 6 %. A package saves up to 6 %, the more the more
    meals it has (synergies were estimated at 5 %), and each price has noise of 3 %.
    """
    rng = np.random.default_rng(seed)
    region = np.repeat(np.arange(len(REGIONS)), REGIONS)
    place = np.stack([region + rng.random(len(region)), rng.random(len(region))], axis=1)
    children = rng.lognormal(np.log(9_000), 0.4, len(region)).round(-1)
    estimate = (children * 220 * rng.lognormal(0, 0.05, len(region))).round()
    let = {30: np.flatnonzero(region < 5), 90: np.arange(90)}[units]
    away = np.hypot(*(place[let, None] - place[None, let]).transpose(2, 0, 1))
    away = away / away.max()
    caps = np.array([cap for cap, count in CLASSES.values() for _ in range(count)])
    firms = [f"F{i + 1:02d}" for i in range(len(caps))]
    quality = rng.normal(70, 10, len(caps)).clip(30, 100).round(1)
    names = np.array([f"U{i + 1:02d}" for i in let], dtype=object)
    bids: list[dict[str, Any]] = []
    for firm, cap in enumerate(caps):
        near = np.argsort(away[rng.integers(units)])[: round((0.1 + 0.04 * cap) * units)]
        cost = estimate[let] * rng.lognormal(0, 0.06) * (1 + away[near[0]] / 5) * rng.lognormal(0, 0.06, units)
        count = round(packages * cap**2 / (caps**2).sum()) if cap > 1 else 0
        for chosen in [(unit,) for unit in sorted(near)] + _packages(rng, away, near, int(cap), count):
            some = list(chosen)
            scale = 1 - np.exp(-max(children[let[some]].sum() / 9_000 - 1, 0) / 3) if len(some) > 1 else 0.0
            price = (cost[some].sum() * (1 - 0.06 * scale) * rng.lognormal(0, 0.03)).round()
            bids.append({"bid": f"b{len(bids) + 1}", "bidder": firms[firm], "lots": ";".join(names[some]),
                         "price": price, "quality": quality[firm]})  # fmt: skip
    lots = pd.DataFrame({"lot": names, "region": [f"R{i + 1:02d}" for i in region[let]], "estimate": estimate[let]})
    scaled = {f"cap {scale} %": np.maximum(np.floor(caps * scale / 100 + 0.5), 1) for scale in SCALES}
    return po.Tender(lots, bids, pd.DataFrame({"bidder": firms} | scaled), money_unit=1, name=f"meals of {units} units")


def _packages(
    rng: np.random.Generator, away: NDArray[np.float64], among: NDArray[np.intp], cap: int, count: int
) -> list[tuple[int, ...]]:
    """Different sets of 2 to `cap` units, each of a centre and some of the units nearest to it."""
    found: set[tuple[int, ...]] = set()
    for _ in range(20 * count):  # a small firm has not so many
        if len(found) == count:
            break
        size, centre = int(rng.integers(2, cap + 1)), rng.choice(among)
        near = among[np.argsort(away[centre, among])][1 : 2 * size]
        found.add(tuple(sorted([int(centre), *map(int, rng.choice(near, min(size - 1, len(near)), replace=False))])))
    return sorted(found)


def catalogue(tender: po.Tender, count: int = 700, seed: int = 1) -> dict[str, po.Policy]:
    """Different scenarios of the rules by what they say, drawn from all combinations of the levels below."""
    units = len(tender.lots)
    most_lots = [(f"caps {scale} %", [po.Capacity(f"cap {scale} %")]) for scale in SCALES]
    least_here: list[tuple[str, Rules]] = [("", [])]
    least_here += [(f"{n} or more firms a region", [po.MinWinners(n, each="region")]) for n in (2, 3)]
    most_here: list[tuple[str, Rules]] = [("", [])]
    most_here += [(f"{n} or fewer firms a region", [po.MaxWinners(n, each="region")]) for n in (6, 5, 4)]
    least: list[tuple[str, Rules]] = [("", [])]
    least += [(f"{n} or more firms", [po.MinWinners(n)]) for n in ((12, 14) if units == 30 else (25, 28))]
    floor: list[tuple[str, Rules]] = [
        ("", []),
        ("mean quality 72", [po.MinQuality(72)]),
        ("no quality below 60", [po.MinQuality(60, across="bid")]),
    ]
    share: list[tuple[str, Rules]] = [("", []), ("shares to 6.5 units", [po.MaxShare(6.5 / units)])]
    budget: list[tuple[str, Rules]] = [("", []), ("budget", [po.Budget(round(0.88 * tender.lots["estimate"].sum()))])]
    worth = [(f"a point worth {value:,}" if value else "cost alone", value) for value in (0, 1_000, 2_000, 4_000)]
    every = list(product(most_lots, least_here, most_here, least, floor, share, budget, worth))
    chosen = np.random.default_rng(seed).permutation(len(every))[:count]
    made: dict[str, po.Policy] = {}
    for *levels, (text, value) in (every[i] for i in chosen):
        name = ", ".join([*(said for said, _ in levels if said), text])
        objective = po.QualityAdjusted(value) if value else po.LowestCost()
        made[name] = po.Policy([rule for _, rules in levels for rule in rules], objective, tie_break=None)
    return made


def report(
    tender: po.Tender, policies: Mapping[str, po.Policy], executor: Executor | None, raw: int, limit: float
) -> str:
    """Decide and judge the scenarios, and a sample of them by HiGHS alone on the same arrays, for `limit` seconds each.

    Raises:
        AssertionError: HiGHS proves another objective.
    """
    start = time.perf_counter()
    found = po.scenarios(tender, policies, executor=executor)
    seconds = time.perf_counter() - start
    status = found.table["status"].value_counts()
    rows, taken = [], []
    optimal = found.table.index[found.table["status"] == "optimal"]
    for name in optimal[np.linspace(0, len(optimal) - 1, min(raw, len(optimal))).astype(int)]:
        solve = raw_highs(policies[name].plan(tender).program, limit)
        start = time.perf_counter()
        other = solve()
        taken.append(time.perf_counter() - start)
        ours = found.awards[name].objective / tender.money_unit
        assert not other.proven or agree(Outcome(ours, ours, True), other), (name, ours, other)
        rows.append([name, brief(taken[-1]) + ("" if other.proven else f" (gap {other.gap:.2g})")])
    packages = int(tender.bids["lots"].str.contains(";").sum())
    lines = [
        f"{len(tender.lots)} units, {len(tender.bidders)} firms, {len(tender.bids):,} bids, {packages:,} of them "
        f"packages: of {len(policies)} scenarios {status.get('optimal', 0)} are proven optimal and "
        f"{status.get('infeasible', 0)} impossible, in {brief(seconds)} s, {brief(seconds / len(policies))} s each. Of "
        f"the {found.cross.size:,} pairs, {int(found.cross.notna().sum().sum()):,} awards keep the other's rules.",
    ]
    if rows:
        lines += [f"HiGHS alone: median {brief(statistics.median(taken))} s.", table(["scenario", "HiGHS s"], rows)]
    return "\n\n".join(lines)


def main() -> None:
    """Run the scenarios and print, or write, what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=30, choices=(30, 90))
    parser.add_argument("--scenarios", type=int, default=700)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--raw", type=int, default=10, help="how many of them HiGHS alone solves too (%(default)s)")
    parser.add_argument("--limit", type=float, default=300.0, help="its seconds for each (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the figures into RESULTS.md")
    options = parser.parse_args()
    tender = meals(options.units, seed=options.seed)
    policies = catalogue(tender, options.scenarios)
    # A fresh interpreter for each worker: a fork of a process with threads is not safe.
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn")) as executor:
        text = report(tender, policies, executor, options.raw, options.limit)
    print(text)
    if options.write:
        command = f"python benchmarks/meals.py --units {options.units} --workers {options.workers} --write"
        head = f"## School meals, {options.units} units\n\n`{command}`. {machine()}"
        write(f"meals {options.units}", f"{head}\n\n{text}")


if __name__ == "__main__":
    main()
