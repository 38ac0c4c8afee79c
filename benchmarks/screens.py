"""Screens under a known truth: size under competition, directions, power against rings, rare rings, speed.

python benchmarks/screens.py [NAME ...] [--auctions 4000] [--write]

Names are `size`, `directions`, `power`, `rare`, `pairs`, `independence`, `rings`, `missing` and `speed`; without any,
all. Tenders are those of `procure_opt.auction.cartels`, drawn from fixed seeds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from procure_opt.auction.cartels import BEHAVIOURS, Cover, Inflation, Phantom, Rotation, simulated_tenders
from procure_opt.auction.independence import exchangeability, independence
from procure_opt.auction.missing import missing_mass
from procure_opt.auction.past import past_bids
from procure_opt.auction.screens import NAMES, screen_test, screens
from results import brief, machine, options, table, write

Floats = Any
FIELD = (3, 4, 6, 10)
TESTED = ("CV", "SPD", "DIFFP", "RD", "ALTRD", "SKEW", "KURT", "KSTEST")
TOGETHER = 100  # auctions in which the bidders of a market meet


def percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def in_markets(bids: pd.DataFrame, auctions: int = TOGETHER) -> pd.DataFrame:
    """The same bids, with other bidders after every so many auctions."""
    market = (pd.factorize(bids["auction"])[0] // auctions).astype(str)
    return bids.assign(bidder=bids["bidder"] + "-" + market, market=market)


def size(auctions: int) -> str:
    rows = []
    for n in FIELD:
        for award in BEHAVIOURS:
            found = screen_test(simulated_tenders(auctions, n, award=award, seed=1000 + n), TESTED)
            shares = [
                (found.p[name].dropna() <= 0.05).mean() if n >= 4 or name != "KURT" else math.nan for name in TESTED
            ]
            rows.append([f"{award}, n = {n}", *map(percent, shares), percent((found.combined <= 0.05).mean())])
    told = (
        f"**Size.** Honest auctions with a p-value of at most 5 %, in %; {auctions:,} auctions with common "
        "shocks each, "
        f"whose standard error is {percent(math.sqrt(0.05 * 0.95 / auctions))} points. Two-sided where behaviours "
        "disagree (`DIRECTIONS`). The last column takes all eight together (Holm)."
    )
    return told + "\n\n" + table(["", *TESTED, "any"], rows)


def chance_above(one: Floats, two: Floats) -> float:
    one, two = one[~np.isnan(one)], two[~np.isnan(two)]
    return float(stats.mannwhitneyu(one, two).statistic / len(one) / len(two))


def directions(auctions: int) -> str:
    rows, signs = [], []
    for award, behaviours in BEHAVIOURS.items():
        honest = {n: screens(simulated_tenders(auctions, n, award=award, seed=99)).table for n in (4, 6)}
        for behaviour in behaviours:
            rigged = screens(simulated_tenders(auctions, 6, behaviour(3), award=award, seed=7)).table
            beside = honest[int(rigged["n"].iloc[0])]
            above = [chance_above(rigged[name].to_numpy(), beside[name].to_numpy()) for name in NAMES]
            rows.append([f"{award}: {behaviour.__name__}", *(f"{each:.2f}" for each in above)])
            marks = "".join("+" if each > 0.55 else "-" if each < 0.45 else "." for each in above)
            signs.append(f"{award}: {behaviour.__name__:11} {marks}")
    told = (
        f"**Directions.** The chance that a screen of an auction with a ring of 3 of 6 is above that of an honest one "
        f"with as many bids ({auctions:,} auctions each); 0.5 says nothing. As `DIRECTIONS` has it:"
    )
    return "\n\n".join([told, "```\n" + "\n".join(signs) + "\n```", table(["", *NAMES], rows)])


def power(auctions: int) -> str:
    rows = []
    for award, behaviours in BEHAVIOURS.items():
        for behaviour in behaviours:
            for members in (2, 3, 4):
                rigged = simulated_tenders(auctions, 6, behaviour(members), award=award, rigged=0.1, seed=11)
                acts = rigged.groupby("auction")["rigged"].any()
                found = screens(rigged)
                shares = []
                for told in (None, [behaviour.__name__]):
                    test = screen_test(found, ("CV", "RD", "KURT"), award=award, behaviours=told)
                    shares += [(test.p[name][acts[test.p.index]] <= 0.05).mean() for name in test.p]
                rows.append([f"{award}: {behaviour.__name__}, {members} of 6", *map(percent, shares)])
    told = (
        "**Power, one auction at a time.** Rigged auctions with a p-value of at most 5 %, in %; a tenth of "
        f"{auctions:,} "
        "auctions is rigged and is part of what they are compared with. Two-sided unless all behaviours agree, then in "
        "the direction of the behaviour. One auction says little: this is what a single screen can do."
    )
    names = ("CV", "RD", "KURT")
    return told + "\n\n" + table(["", *names, *(f"{name}, directed" for name in names)], rows)


def rare(auctions: int) -> str:
    rows = []
    for behaviour in BEHAVIOURS["first price"]:
        for members in (3, 4, 6):
            seen = []
            for seed in range(5):
                bids = simulated_tenders(1000, 6, behaviour(members), rigged=0.02, seed=200 + seed)
                acts = bids.groupby("auction")["rigged"].any()
                found = screen_test(bids, ("CV", "SPD", "RD", "KURT"), behaviours=[behaviour.__name__], seed=seed)
                first = found.combined.sort_values(kind="stable").index[:10]
                asked = acts[list(found.asked)]
                alone = (found.combined[~acts[found.p.index]] <= 0.05).sum()
                seen.append([acts[first].mean(), float(asked.sum()), float((~asked).sum()), float(alone)])
            mean = np.mean(seen, axis=0)
            rows.append(
                [f"{behaviour.__name__}, {members} of 6", percent(mean[0]), *(f"{each:.1f}" for each in mean[1:])]
            )
    told = (
        "**Rare rings.** 1,000 auctions of 6, 2 % of them rigged (about 20), means of five draws: the share "
        "of rigged ones "
        "among the ten that stand out most, in %; questions asked at 5 % false discoveries (Benjamini–Hochberg) about "
        "rigged and about honest auctions; and the honest ones at a p-value of 5 % without that correction."
    )
    head = ["", "precision at the top 10", "asked: rigged", "asked: honest", "honest at p ≤ 5 %"]
    return told + "\n\n" + table(head, rows)


def rare_pairs(auctions: int) -> str:
    rows = []
    repeats = max(5, auctions // 400)
    for behaviour in (Cover, Rotation, Phantom, Inflation):
        for members in (2, 3, 4):
            seen = []
            for seed in range(repeats):
                honest = in_markets(simulated_tenders(49 * TOGETHER, 6, seed=700 + seed))
                ring = simulated_tenders(TOGETHER, 6, behaviour(members), seed=900 + seed)
                ring = ring.assign(auction="R" + ring["auction"], bidder="R" + ring["bidder"])
                theirs = set(ring["bidder"][ring["member"]])
                past = past_bids(pd.concat([honest, ring]))
                pairs, slopes = independence(past, ["x"]).pairs, exchangeability(past, ["x"]).bidders
                fits = pairs["bidder"].isin(theirs) & pairs["other"].isin(theirs)
                asked = pairs["p_holm"] <= 0.05
                near = (pairs["bidder"].str.startswith("R") & ~fits).to_numpy()
                most = members * (members - 1) // 2
                own, others = (asked & fits).sum() / most, asked & ~fits
                bidder = slopes["bidder"]
                respond = bidder.isin(theirs) & (slopes["p_holm"] <= 0.05)
                honest_too = ((slopes["p_holm"] <= 0.05) & ~bidder.str.startswith("R")).sum()
                seen.append([
                    fits[:most].mean(), own, bidder[:members].isin(theirs).mean(), respond.sum() / members,
                    (others & near).sum(), (others & ~near).sum(), honest_too,
                ])  # fmt: skip
            mean = np.mean(seen, axis=0)
            name = f"{behaviour.__name__}, {members} of 6"
            rows.append([name, *map(percent, mean[:4]), *(f"{each:.2f}" for each in mean[4:])])
    told = (
        f"**Rare rings, by pair.** 50 markets of 6 bidders and {TOGETHER} auctions each, a ring in one of them (2 %); "
        f"means of {repeats} draws. Of the pairs that stand out most, as many as the ring has, those that are "
        "its own, in "
        "%; its pairs asked about at 5 % over all 750 pairs (Holm), in %; and how many other pairs are asked about: of "
        "the ring's market, and of honest markets. Slopes are those of `exchangeability`, over all 300 bidders (Holm)."
    )
    head = [
        "", "precision at the top", "pairs found", "slopes: precision", "slopes: members found",
        "others of its market", "honest pairs asked about", "slopes: honest bidders",
    ]  # fmt: skip
    return told + "\n\n" + table(head, rows)


def textbook(bids: pd.DataFrame, pair_out: bool) -> Floats:
    """p-values of Fisher's z: of demeaned residuals against 0, or leave-pair-out residuals against 1/(n − 1)."""
    log = np.log(bids["bid"])
    frame = bids.assign(e=log).pivot(index="auction", columns="bidder", values="e").to_numpy()
    n, count = frame.shape[1], len(frame)
    p = []
    for one, two in combinations(range(n), 2):
        others = [k for k in range(n) if k not in (one, two)] if pair_out else list(range(n))
        e = frame - frame[:, others].mean(axis=1, keepdims=True)
        r = np.corrcoef(e[:, one], e[:, two])[0, 1]
        z = (math.atanh(r) - (math.atanh(1 / (n - 1)) if pair_out else 0)) * math.sqrt(count - 3)
        p.append(2 * stats.norm.sf(abs(z)))
    return np.array(p)


def unequal(auctions: int, n: int, seed: int) -> pd.DataFrame:
    """Honest log bids that are normal, with standard deviations that differ up to fourfold."""
    generator = np.random.default_rng(seed)
    spread = np.geomspace(0.05, 0.2, n)
    log = generator.normal(10, 1, (auctions, 1)) + spread * generator.standard_normal((auctions, n))
    return pd.DataFrame({
        "auction": np.repeat([f"A{k:06d}" for k in range(auctions)], n), "bid": np.exp(log).ravel(),
        "bidder": np.tile([f"F{k:02d}" for k in range(n)], auctions), "x": generator.standard_normal(auctions * n),
    })  # fmt: skip


def honest(auctions: int) -> str:
    rows = []
    for name, made in (("equal variances", simulated_tenders), ("variances 1 to 16", unequal)):
        for n in FIELD:
            markets = max(40, auctions // (n * (n - 1) // 2))
            bids = in_markets(made(markets * TOGETHER, n, seed=300 + n))
            told = n > 3 or made is simulated_tenders  # of three bids, only where variances are known to be equal
            ours = (independence(bids, equal_variances=n == 3).pairs["p"] <= 0.05).mean() if told else math.nan
            few = [group for _, group in bids.groupby("market", sort=False)][: min(markets, 150)]
            others = [np.mean(np.concatenate([textbook(group, way) for group in few]) <= 0.05) for way in (False, True)]
            f = math.nan
            if n < 10:
                f = (exchangeability(bids[bids["market"].astype(int) < 300], ["x"]).bidders["p"] <= 0.05).mean()
            pairs = markets * n * (n - 1) // 2
            rows.append([f"{name}, n = {n}", *map(percent, others), percent(ours), f"{pairs:,}", percent(f)])
    told = (
        f"**Independence under competition.** Honest pairs of bidders that met in {TOGETHER} auctions with "
        "common shocks, "
        "with a p-value of at most 5 %, in %: Fisher's z of demeaned residuals; of leave-pair-out residuals "
        "against their "
        "exact correlation 1/(n − 1), which takes variances to be equal and bids to be normal; and the products of "
        "`independence` with their number. At n = 3 three differences cannot tell unequal variances from "
        "dependence: no "
        "test can. The last column is the F-test of `exchangeability`, bidder by bidder."
    )
    return (
        told + "\n\n" + table(["", "demeaned", "leave-pair-out", "`independence`", "pairs", "`exchangeability`"], rows)
    )


def rings(auctions: int) -> str:
    rows = []
    repeats = max(10, auctions // 100)
    for award, behaviours in BEHAVIOURS.items():
        for behaviour in behaviours:
            for members in (2, 3, 4):
                if behaviour.__name__ == "Suppression":
                    rows.append([f"{award}: {behaviour.__name__}, {members} of 6", *["–"] * 5])
                    continue
                bids = in_markets(simulated_tenders(repeats * TOGETHER, 6, behaviour(members), award=award, seed=21))
                ring = [f"F{k:02d}" for k in range(1, members + 1)]
                inside, first, anyone, known, slopes = [], [], [], [], []
                for market, group in bids.groupby("market", sort=False):
                    names = {f"{name}-{market}" for name in ring}
                    found = independence(group, ["x"])
                    fits = found.pairs["bidder"].isin(names) & found.pairs["other"].isin(names)
                    inside.append((found.pairs["p"][fits] <= 0.05).mean())
                    first.append(bool(fits.iloc[0]))
                    anyone.append(found.p <= 0.05)
                    known.append(independence(group, ["x"], group=sorted(names)).p <= 0.05)
                    slopes.append(exchangeability(group, ["x"]).p <= 0.05)
                shares = [np.mean(each) for each in (inside, anyone, first, known, slopes)]
                rows.append([f"{award}: {behaviour.__name__}, {members} of 6", *map(percent, shares)])
    told = (
        f"**Rings that met in {TOGETHER} auctions.** In % of {repeats} markets of six bidders: pairs within "
        "the ring at "
        "5 %; any pair at 5 % (Holm over all 15); the pair that stands out most is of the ring; the ring as a `group` "
        "measured against the others (Holm); any bidder's slopes (Holm). Who stays away cannot be tested."
    )
    head = ["", "pairs", "any pair", "first pair is theirs", "as a group", "slopes"]
    return told + "\n\n" + table(head, rows)


def missing(auctions: int) -> str:
    rows = []
    repeats = max(10, auctions // 200)
    cases: list[tuple[str, Callable[[int], pd.DataFrame]]] = [
        (f"competition, n = {n}", lambda seed, n=n: simulated_tenders(400, n, seed=seed)) for n in FIELD
    ]
    for behaviour in BEHAVIOURS["first price"]:
        for members in (2, 3, 4, 6):
            if behaviour.__name__ != "Suppression" or members < 6:
                cases.append((
                    f"{behaviour.__name__}, {members} of 6",
                    lambda seed, b=behaviour, k=members: simulated_tenders(400, 6, b(k), seed=seed),
                ))  # fmt: skip
    for name, made in cases:
        seen = []
        for seed in range(repeats):
            found = missing_mass(
                made(500 + seed), (-0.02, -0.005, 0.005, 0.02), near=0.01, draws=199, information=1.0, seed=seed
            )
            low, high = found.cost_ratio_safe
            seen.append([low > high, found.share_safe > 1e-6, found.hole <= 0.05, found.share])
        mean = np.mean(seen, axis=0)
        rows.append([name, *map(percent, mean[:3]), percent(mean[3])])
    told = (
        f"**Missing bids.** {repeats} draws of 400 auctions; deviations of ±0.5 and ±2 %, mark-ups up to 50 %, "
        "log odds "
        "within 1. In %: draws in which no common ratio of cost to bid fits at 95 %; in which some bids do not fit "
        "competition even with costs and beliefs of their own; in which too few calls are within 1 % of the "
        "reserve, at 5 %; and the mean "
        "least share of bids that do not fit, at the estimates. A common ratio is an assumption that competition "
        "with spread-out costs breaks, too."
    )
    return told + "\n\n" + table(["", "no common ratio", "share above 0", "few close calls", "least share"], rows)


def speed(_: int) -> str:
    bids = pd.concat([
        simulated_tenders(100_000 // (4 * n), n, seed=n).assign(auction=lambda t, n=n: t["auction"] + f"/{n}")
        for n in (3, 5, 6, 10)
    ])  # fmt: skip
    past = past_bids(bids)
    rows = []
    for name, run in (
        ("read (`past_bids`)", lambda: past_bids(bids)),
        ("`screens`", lambda: screens(past)),
        ("`screen_test`", lambda: screen_test(past)),
        ("`independence`", lambda: independence(past, ["x"])),
        ("`exchangeability`", lambda: exchangeability(past, ["x"])),
        ("`missing_mass`", lambda: missing_mass(past)),
    ):
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
        rows.append([name, brief(sorted(taken)[1])])
    return f"**Speed.** Seconds for {len(past.table):,} bids, median of three.\n\n" + table(["", "s"], rows)


PARTS: dict[str, Callable[[int], str]] = {
    "size": size,
    "directions": directions,
    "power": power,
    "rare": rare,
    "pairs": rare_pairs,
    "independence": honest,
    "rings": rings,
    "missing": missing,
    "speed": speed,
}


def main() -> None:
    chosen = options(__doc__, "parts; all if none", auctions=(int, 4000, "auctions of a case, in most parts"))
    names = chosen.names or list(PARTS)
    parts = ["## Screens of past bids", machine()]
    for name in names:
        parts.append(PARTS[name](chosen.auctions))
        print(parts[-1], end="\n\n", flush=True)
    if chosen.write:
        write("screens", "\n\n".join(parts))


if __name__ == "__main__":
    main()
