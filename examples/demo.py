"""A tender of a real size, awarded and checked: 300 lots of public services, 60 bidders, some 4,000 bids and packages.

python examples/demo.py [SEED]
"""

import sys
import time

import numpy as np
import pandas as pd

import procure_opt as po

LOTS, BIDDERS, OWNERS, BIDS_EACH = 300, 60, 45, 66
SERVICES = {"cleaning": 180_000, "greenery": 120_000, "security": 260_000}  # typical value of a lot
CAP, WINNERS = 0.08, 20


def tender(seed: int) -> po.Tender:
    """Lots of three services on a map, and bidders who are cheap near home and cheaper still for packages."""
    rng = np.random.default_rng(seed)
    service = rng.choice(list(SERVICES), LOTS)
    estimate = np.round(rng.lognormal(0, 0.5, LOTS) * pd.Series(service).map(SERVICES), -2)
    lots = pd.DataFrame({
        "lot": [f"L{i + 1}" for i in range(LOTS)],
        "service": service,
        "estimate": estimate,
        "in_house": np.round(estimate * rng.uniform(1.15, 1.45, LOTS), -2),
    })  # fmt: skip
    bidders = pd.DataFrame({
        "bidder": [f"Bidder {b + 1}" for b in range(BIDDERS)],
        "owner": [f"Owner {b % OWNERS + 1}" for b in range(BIDDERS)],
    })  # fmt: skip
    place, home = rng.random((LOTS, 2)), rng.random((BIDDERS, 2))
    bids = []
    for b in range(BIDDERS):
        distance = np.hypot(*(place - home[b]).T)
        cost = estimate * rng.lognormal(-0.15, 0.06) * (1 + 0.4 * distance)
        near = np.argsort(distance)[:80]
        for k in range(BIDS_EACH):
            size = rng.choice([1, 2, 3, 4, 5, 6], p=[0.6, 0.1, 0.1, 0.1, 0.05, 0.05])
            first = rng.choice(near)
            alike = near[service[near] == service[first]]
            taken = alike[np.argsort(np.hypot(*(place[alike] - place[first]).T))[:size]]
            saving = 1 - 0.03 * (len(taken) - 1)
            price = cost[taken].sum() * saving * rng.lognormal(0.03, 0.05)
            bids.append({
                "bid": f"{b + 1}/{k + 1}",
                "bidder": f"Bidder {b + 1}",
                "lots": [f"L{i + 1}" for i in taken],
                "price": round(price),
            })  # fmt: skip
    return po.Tender(lots, bids, bidders, name="demo", currency="CNY")


def main(seed: int = 1) -> None:
    """Award the tender under a cap, and say what the cap costs."""
    offers = tender(seed)
    rules = po.Policy(constraints=[po.MaxShare(CAP, per="owner"), po.MinWinners(WINNERS)])
    began = time.perf_counter()
    award = po.award(offers, rules)
    took = time.perf_counter() - began
    uncapped = po.award(offers, po.Policy(constraints=[po.MinWinners(WINNERS)]))

    packages = offers.bids["lots"].str.contains(";").sum()
    print(
        f"{LOTS} lots, {BIDDERS} bidders of {OWNERS} owners, {len(offers.bids):,} bids, {packages:,} of them packages"
    )
    print(f"rules: no owner above {CAP:.0%} of the estimated value, at least {WINNERS} winners")
    print(f"award: {award.status}, found and proven in {took:.1f} s")
    print(f"  cost   {award.cost:>14,.0f}")
    print(f"  bound  {award.bound:>14,.0f}   no award under these rules costs less")
    print(f"  {len(award.by_bidder)} winners, {len(award.in_house)} lots kept in house")
    print(f"  the cap costs {award.cost - uncapped.cost:,.0f} ({award.cost / uncapped.cost - 1:.2%})")
    owner = offers.bidders.set_index("bidder")["owner"]
    value = award.by_bidder["estimate"].groupby(owner.reindex(award.by_bidder.index)).sum()
    shares = (value / offers.lots["estimate"].sum()).sort_values(ascending=False)
    print("largest shares of the estimated value, by owner:")
    for name, share in shares.head(8).items():
        print(f"  {name:<10} {share:6.2%}")
    problems = po.check(award)
    print("checked by separate code: " + ("nothing to report" if not problems else "; ".join(map(str, problems))))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
