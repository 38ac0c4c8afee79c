"""Groups of bidders under a known truth: false alarms, rings found, rare rings, speed.

python benchmarks/groups.py [NAME ...] [--markets 200] [--write]

Names are `alarms`, `power`, `rare` and `speed`; without any, all. A market is ten years of tenders of three trades: 24
bidders, each of one trade but every fifth of all, three to five bidders a tender drawn from those of the trade, costs
uniform on [80, 120]. Ring tenders are joined by all its members, who bid above 100 but for the one who is to win.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from procure_opt.auction.flags import red_flags
from procure_opt.auction.network import SuspiciousGroups, bid_network, suspicious_groups
from procure_opt.auction.past import past_bids
from results import brief, machine, options, table, write

LEVEL = 0.05


def market(
    seed: int, ring: int = 0, share: float = 0.0, *, award: str = "turns", tenders: int = 200
) -> list[dict[str, Any]]:
    """A market with a ring of so many, which takes this share of tenders: in "turns", drawn by "lot", or "one" wins."""
    rng, turn, rows = np.random.default_rng(seed), 0, []
    home = rng.integers(3, size=24)
    members = [b for b in range(24) if b % 5][:ring]
    for tender in range(tenders):
        trade = int(rng.integers(3))
        pool = [b for b in range(24) if home[b] == trade or b % 5 == 0]
        who = rng.choice(pool, min(len(pool), int(rng.integers(3, 6))), replace=False).tolist()
        bids = {b: float(rng.uniform(80, 120)) for b in who}
        if ring and rng.random() < share:
            bids |= {b: float(rng.uniform(100, 120)) for b in members}
            chosen = {"turns": turn % ring, "lot": int(rng.integers(ring)), "one": 0}[award]
            bids[members[chosen]] = 79.0
            turn += 1
        month = tender * 120 // tenders
        about = {"auction": tender, "date": f"{2015 + month // 12}-{1 + month % 12:02}-01", "trade": f"T{trade}"}
        rows += [about | {"bidder": f"B{b:02}", "bid": x} for b, x in bids.items()]
    return rows


def searched(rows: list[dict[str, Any]], seed: int, *, given: str | tuple[str, ...] = "trade") -> SuspiciousGroups:
    return suspicious_groups(rows, given=given, permutations=99, level=LEVEL, seed=seed)


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def alarms(markets: int) -> str:
    rows = []
    for tenders in (60, 200, 400):
        for given, said in (("trade", "trade given"), ((), "nothing given")):
            any_of: dict[str, list[bool]] = {"p": [], "p_together": [], "p_exclusive": [], "p_rotation": []}
            for seed in range(markets):
                found = searched(market(10_000 + seed, tenders=tenders), seed, given=given).table
                for name, seen in any_of.items():
                    seen.append(bool((found[name] <= LEVEL).any()))
            rows.append([f"{tenders} tenders, {said}", *(percent(np.mean(seen)) for seen in any_of.values())])
    return (
        f"**False alarms.** Share of {markets} markets without a ring in which any group is flagged at the level 5 % "
        f"(%), and by each test alone.\n\n" + table(["", "any group", "together", "exclusive", "rotation"], rows)
    )


def ring_found(found: SuspiciousGroups, size: int) -> tuple[bool, bool, bool]:
    """Whether the first group is the ring, whether it is flagged, and whether turns are."""
    ring = {f"B{b:02}" for b in [b for b in range(24) if b % 5][:size]}
    exact = [i for i, who in enumerate(found.table["members"]) if set(who) == ring]
    if not exact:
        return False, False, False
    row = found.table.iloc[exact[0]]
    return exact[0] == 0, bool(row["flagged"]), bool(row["p_rotation"] <= LEVEL)


def power(markets: int) -> str:
    rows = []
    for size in (2, 3, 4):
        for share in (0.1, 0.2, 0.4):
            for award in ("turns", "lot", "one"):
                seen = [
                    ring_found(searched(market(20_000 + seed, size, share, award=award), seed), size)
                    for seed in range(markets // 4)
                ]
                first, flagged, turns = np.mean(seen, axis=0)
                rows.append([f"{size} members, {share:.0%}, {award}", *map(percent, (first, flagged, turns))])
    return (
        f"**Rings found.** {markets // 4} markets of 200 tenders each; the ring takes this share of them, and its "
        "members win in turns, by lot, or one always. Share of markets in which exactly the ring is the first group, "
        "is flagged, and is seen to take turns (%).\n\n" + table(["", "first", "flagged", "turns"], rows)
    )


def rare(markets: int) -> str:
    markets = max(markets, 50)
    groups, alarms, rings = [], 0, 0
    for seed in range(markets):
        has = seed % 50 == 0
        rings += has
        found = searched(market(30_000 + seed, 3 if has else 0, 0.2), seed).table
        alarms += int(not has and found["flagged"].any())
        hit = [set(who) == {"B01", "B02", "B03"} and has for who in found["members"]]
        groups.append(found.assign(hit=hit))
    every = pd.concat(groups).sort_values(["p", "p_together"], kind="stable")
    top = min(10, rings)
    return (
        f"**Rare rings.** {markets} markets of 200 tenders, in {rings} of them (2 %) a ring of three that takes 20 % "
        f"of the tenders in turns. Of the {top} groups of least p over all markets "
        f"{int(every['hit'].head(top).sum())} are rings; of the markets without one "
        f"{percent(alarms / (markets - rings))} % have a group flagged; of the groups flagged "
        f"{percent(every['hit'][every['flagged']].mean())} % are rings."
    )


def speed(markets: int) -> str:
    del markets
    rng = np.random.default_rng(0)
    auction = np.repeat(np.arange(10_000), 5)
    bids = pd.DataFrame({"auction": auction, "bidder": rng.integers(1_000, size=50_000), "trade": auction % 20})
    bids = bids.assign(bidder="B" + bids["bidder"].astype(str), bid=rng.uniform(80, 120, 50_000))
    past, rows = past_bids(bids), []
    for name, run in (
        ("`bid_network`", lambda: bid_network(past)),
        ("`bid_network` and its networkx graph", lambda: bid_network(past).graph),
        ("`suspicious_groups`, 20 classes, 199 markets", lambda: suspicious_groups(past, given="trade")),
        ("`red_flags`", lambda: red_flags(past)),
    ):
        start, cpu = time.perf_counter(), time.process_time()
        run()
        rows.append([name, brief(time.perf_counter() - start), brief(time.process_time() - cpu)])
    return f"**Speed.** {len(past.table):,} bids of 1,000 bidders.\n\n" + table(["", "s", "s of processor"], rows)


PARTS: dict[str, Callable[[int], str]] = {"alarms": alarms, "power": power, "rare": rare, "speed": speed}


def main() -> None:
    chosen = options(__doc__, "parts; all if none", markets=(int, 200, "markets of a case"))
    names = chosen.names or list(PARTS)
    text = "\n\n".join(["## Groups of bidders", machine("networkx"), *(PARTS[name](chosen.markets) for name in names)])
    print(text)
    if chosen.write:
        write("groups", text)


if __name__ == "__main__":
    main()
