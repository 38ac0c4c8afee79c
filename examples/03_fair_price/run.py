"""Ten years of tenders, a ring among the bidders, and the next tender: from past bids to a ceiling, a rule, an award.

python examples/03_fair_price/run.py [FOLDER]     with a folder, writes fair_price.png and ring.png there; see README.md
"""

import sys
from pathlib import Path

import city
import numpy as np
import pandas as pd

import procure_opt as po
from procure_opt.auction import (
    AverageBid,
    Comparison,
    CostEstimate,
    Estimate,
    FirstPrice,
    Market,
    PastBids,
    SecondPrice,
    SuspiciousGroups,
    compare,
    equilibrium,
    estimate_costs,
    independence,
    past_bids,
    read_past,
    reserve_curve,
    suspicious_groups,
)

HERE = Path(__file__).parent
RESERVES = (100, 105, 110, 115, 120)
COVARIATES = ["log(hectares)"]
NEXT_PARKS = {"North": 1.4, "Harbour": 3.2, "Mill": 2.1, "Castle": 5.0}


def ring_by_year(past: PastBids, members: tuple[str, ...]) -> pd.Series:
    """Of the tenders to which one of them came, the share to which another came too."""
    table = past.table[past.table["bidder"].isin(members)]
    met = table.groupby("auction").agg(year=("date", lambda date: date.iloc[0].year), members=("bidder", "size"))
    return (met["members"] > 1).groupby(met["year"]).mean()


def before(past: PastBids, year: int) -> pd.DataFrame:
    """The bids before a year, as they were read."""
    table = past.table[past.table["date"].dt.year < year]
    return table.drop(columns=["n", "winner"])


def rules_of(costs: CostEstimate, entry: Estimate) -> Comparison:
    """What each rule would cost for a park of one hectare, with suppliers who decide whether to prepare a bid."""
    market = Market(
        (costs.costs({"hectares": 1.0}), len(city.SUPPLIERS)),
        in_house=city.IN_HOUSE, entry_cost=entry.value, entry="uninformed",
    )  # fmt: skip
    rules = {f"first price, {reserve}": FirstPrice(reserve) for reserve in RESERVES}
    rules |= {"second price, 120": SecondPrice(120), "closest to the mean": AverageBid(140)}
    return compare(rules, market, draws=40_000, seed=2, base="first price, 120")


def next_tender(reserve: float) -> tuple[po.Award, po.Payments]:
    """Four parks at once, bid for by suppliers with the true costs who know the rule; nobody may have more than two."""
    truth = Market(
        (city.COSTS, len(city.SUPPLIERS)), in_house=city.IN_HOUSE, entry_cost=city.entry_cost(), entry="uninformed"
    )
    bids_of = equilibrium(FirstPrice(reserve), truth)
    generator = np.random.default_rng(11)
    lots, bids = [], []
    for park, hectares in NEXT_PARKS.items():
        level = hectares**city.SIZE
        own = round(city.IN_HOUSE * level, 2)
        lots.append({"lot": park, "estimate": own, "in_house": own, "reserve": round(reserve * level, 2)})
        asked = bids_of.bids(city.COSTS.rvs((1, len(city.SUPPLIERS)), random_state=generator), generator)[0]
        bids += [
            {"bid": f"{park}-{name}", "bidder": name, "lots": park, "price": round(level * price, 2)}
            for name, price in zip(city.SUPPLIERS, asked, strict=True)
            if np.isfinite(price)
        ]
    decided = po.award(po.Tender(lots, bids, name="Four parks"), po.Policy([po.MaxLots(2)]))
    return decided, po.pay(decided, "pay_as_bid")


def forecast(costs: CostEstimate, last: pd.DataFrame, coming: pd.DataFrame) -> pd.DataFrame:
    """The winning bids of a year, with the estimate's bands and with last year's mean, in all and by the hectare."""
    tenders = coming.groupby("auction").agg(bid=("bid", "min"), hectares=("hectares", "first"), n=("bid", "size"))
    tenders = tenders[tenders["n"] > 1]
    mean = last.groupby("auction").agg(bid=("bid", "min"), hectares=("hectares", "first"))
    tenders["mean"] = mean["bid"].mean()
    tenders["by_hectare"] = (mean["bid"] / mean["hectares"]).mean() * tenders["hectares"]
    fair = [costs.fair_price(row.n, at={"hectares": row.hectares}) for row in tenders.itertuples()]
    middle = [costs.fair_price(row.n, 1e-6, at={"hectares": row.hectares}).low for row in tenders.itertuples()]
    tenders["forecast"], tenders["low"], tenders["high"] = middle, [f.low for f in fair], [f.high for f in fair]
    return tenders


def figures(costs: CostEstimate, years: pd.Series, tenders: pd.DataFrame, groups: SuspiciousGroups, to: Path) -> None:
    """When the ring began; costs beside the truth, and next year's bids in their bands."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    groups.plot(left)
    left.set_title("Who meets whom; coloured: a group to ask about", fontsize=10)
    right.bar(years.index, years, color=["#8888aa" if year < city.RING_SINCE else "#c0504d" for year in years.index])
    right.set_title("Where one of the three bids, another does too", fontsize=10)
    right.set_ylabel("share of tenders")
    figure.savefig(to / "ring.png")

    figure = Figure(figsize=(11, 4.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    at = np.linspace(78, 122, 300)
    left.plot(at, city.COSTS.cdf(at), color="#606060", label="truth, which nobody sees")
    left.plot(at, costs.costs({"hectares": 1.0}).cdf(at), color="C0", label="from the bids of 2016–2018")
    left.set_xlabel("cost of a park of one hectare, thousand yuan")
    left.set_ylabel("share of suppliers below")
    left.legend(frameon=False, fontsize=9)
    shown = tenders.sort_values("forecast").reset_index()
    middle = (shown["low"] + shown["high"]) / 2
    right.errorbar(shown.index, middle, yerr=(shown["high"] - shown["low"]) / 2, fmt="none", color="C0", capsize=3)
    right.plot(shown.index, shown["bid"], "k.", label="winning bid")
    right.plot(shown.index, shown["mean"], color="#c0504d", linewidth=1, label="last year's mean")
    right.set_xlabel("tenders of 2026, by forecast")
    right.set_ylabel("thousand yuan")
    right.legend(frameon=False, fontsize=9)
    figure.savefig(to / "fair_price.png")


def main(folder: Path | None = None) -> None:
    """From bids to costs, from costs to a rule, from the rule to an award; each beside the truth."""
    pd.set_option("display.width", 160, "display.max_columns", 20)
    past = read_past(HERE / "bids.csv")
    print(past)

    print("\n1. Is there a group to ask about?")
    groups, pairs = suspicious_groups(past), independence(past)
    members = groups.table["members"].iloc[0]
    print(groups.table[["members", "tenders", "wins", "cohesion", "p", "flagged"]].to_string(index=False))
    print(pairs.pairs.head(4)[["bidder", "other", "auctions", "correlation", "p_holm"]].round(4).to_string(index=False))
    years = ring_by_year(past, members)
    print("Where one of them bids another does too:", years.round(2).to_dict())
    start = int(years.diff().idxmax())

    print(f"\n2. Costs, from the bids before {start}")
    clean = past_bids(before(past, start))
    costs = estimate_costs(clean, covariates=COVARIATES, replications=200, seed=1)
    shares = [0.1, 0.25, 0.5, 0.75, 0.9]
    one = costs.costs({"hectares": 1.0})
    beside = pd.DataFrame({"share": shares, "estimated": one.ppf(shares), "truth": city.COSTS.ppf(shares)})
    print(beside.round(2).to_string(index=False))
    size = costs.coefficients["log(hectares)"]
    print(f"costs grow with the hectares to the power of {size:.3f} (truth {city.SIZE}); {costs.private_cost}")
    entry = costs.entry_cost(len(city.SUPPLIERS), at={"hectares": 1.0})
    print(f"preparing a bid costs {entry.value:.2f} ± {entry.se:.2f} (truth {city.entry_cost():.2f})")

    print("\n3. What a park of one hectare should cost, and what it did cost where the three met")
    fair = costs.fair_price(5, at={"hectares": 1.0})
    print(fair)

    print("\n4. The ceiling and the rule")
    curve = reserve_curve(costs, city.IN_HOUSE, len(city.SUPPLIERS), entry_cost=entry.value, at={"hectares": 1.0})
    print(curve.best.round(2).to_string())
    rules = rules_of(costs, entry)
    print(rules.table[["outlay", "outlay_se", "participation", "share_in_house"]].round(3).to_string())
    chosen = float(str(rules.table["outlay"].drop("second price, 120").idxmin()).rpartition(" ")[2])

    print(f"\n5. Four parks, first price, ceiling {chosen:g} times hectares to the power of 0.9, two at most for each")
    decided, payments = next_tender(chosen)
    print(decided.bids[["bid", "bidder", "price"]].to_string(index=False))
    print(f"cost {decided.cost:,.2f}, {decided.status}; paid {payments.total:,.2f}; "
          f"in-house it would be {decided.tender.lots['in_house'].sum():,.2f}")  # fmt: skip
    problems = [*po.check(decided), *po.check(payments)]
    print("Checked by other code:", "; ".join(map(str, problems)) or "nothing to report")

    print("\n6. The bids of the next year, forecast and made")
    coming = city.tenders(range(2026, 2027), seed=6, ring=False)
    last = past.table[past.table["date"].dt.year == 2025]
    tenders = forecast(costs, last, coming)
    errors = {name: float((tenders[name] - tenders["bid"]).abs().mean()) for name in ("forecast", "by_hectare", "mean")}
    inside = float(tenders["bid"].between(tenders["low"], tenders["high"]).mean())
    print("mean absolute error:", {name: round(error, 1) for name, error in errors.items()})
    print(f"{inside:.0%} of {len(tenders)} winning bids lie in their band of 90 %")
    if folder is not None:
        figures(costs, years, tenders, groups, folder)

    assert set(members) == city.RING and groups.table["flagged"].iloc[0] and start == city.RING_SINCE
    assert np.abs(beside["estimated"] / beside["truth"] - 1).max() < 0.02 and abs(size - city.SIZE) < 0.02
    assert abs(entry.value - city.entry_cost()) < 3 * entry.se
    assert problems == [] and decided.status == "optimal"
    assert errors["forecast"] < 0.6 * errors["by_hectare"] < errors["mean"]
    assert inside > 0.75


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
