"""A city hotline: calls, agents, lots, tender, contract, a year's performance, the next tender. See README.md.

python examples/05_hotline/run.py
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd
from scipy import stats

import procure_opt as po
from procure_opt.governance import (
    Indicator,
    LockIn,
    Performance,
    Ratings,
    RepeatedTender,
    bond,
    chain,
    erlang_c,
    incentive_contract,
    inspection,
    performance,
    pooled_bids,
    public_value,
    reliability,
    remedies,
    risk_register,
)

HERE = Path(__file__).parent
HANDLING, WITHIN, TARGET = 200, 20, 0.8  # seconds; seconds; share of calls to be answered in them
LEAST = 2  # agents on duty, also at night
HOUR = 32 * 1.35 / 0.7 / 1000  # thousand yuan: wage, on-costs, and 30 % of paid time not at work
FOLLOW_UP = 18_000  # hours a year of looking after cases
DAY = range(8, 18)

INDICATORS = [
    Indicator("answered in 20 s", weight=2, credit=0.01, step=0.01, tolerance=0.01, most=0.06),
    Indicator("settled at first call", weight=1, credit=0.005, step=0.01, most=0.04),
    Indicator("closed in 5 days", weight=2, credit=0.005, step=0.01, most=0.06),
    Indicator("courtesy", weight=1, credit=0.004, step=1, tolerance=1, most=0.04),
]
LEDGER = po.Ledger(
    search=15,
    specification=10,
    per_bid_evaluated=2,
    per_contract=8,
    per_switch="handover",
    per_supplier="supervision",
    monitoring=12,
    adaptation="adaptation",
    enforcement=3,
    default="default",
    replacement="replacement",
)
POLICY = po.Policy(
    [po.MaxShare(0.75, per="owner"), po.MinWinners(2, per="owner"), po.MinQuality(75)],
    objective=po.QualityAdjusted(8),
    ledger=LEDGER,
)


# ---- demand -----------------------------------------------------------------------------------------------


def agents(calls: pd.Series, share: float = 1.0) -> pd.Series:
    """Agents on duty in each hour of the day, of a lot that takes a share of the calls."""
    return calls.map(lambda some: max(LEAST, erlang_c(some * share, HANDLING, within=WITHIN, target=TARGET).agents))


def splits(calls: pd.Series) -> pd.DataFrame:
    """Ways to make lots, with the agent hours of a day and what they cost in a year."""
    whole = agents(calls)
    hours = {
        "one lot": whole.sum(),
        "by time: day and night": whole.loc[DAY].sum() + whole.drop(DAY).sum(),
        "by share: two suppliers, half the calls each": 2 * agents(calls, 0.5).sum(),
        "by subject: 50, 30 and 20 % of the calls": sum(agents(calls, share).sum() for share in (0.5, 0.3, 0.2)),
    }
    table = pd.DataFrame({"hours_a_day": hours})
    table["cost"] = table["hours_a_day"] * 365 * HOUR
    table["pooling_loss"] = table["cost"] / table["cost"].iloc[0] - 1
    return table


def lots_of(calls: pd.Series) -> pd.DataFrame:
    """The lots as tendered, in thousand yuan a year."""
    need = agents(calls)
    hours = {"day": 365 * need.loc[DAY].sum(), "night": 365 * need.drop(DAY).sum(), "follow-up": FOLLOW_UP}
    table = pd.DataFrame({"lot": hours.keys(), "hours": hours.values()})
    table["estimate"] = (table["hours"] * HOUR).round()
    return table.assign(incumbent="Hailian", handover=[90, 40, 30], replacement=[700, 250, 200])


def two_for_the_day(calls: pd.Series, small: float) -> dict[str, po.Award]:
    """The day in two halves: bids on packages from what an hour costs, and the award as it comes, or with two winners.

    Whoever has both halves answers them from one queue. Lantern, which asks the least for an hour, can do only one.
    """
    day = calls.loc[DAY]
    rates = [
        {"bidder": "Hailian", "rate": HOUR},
        {"bidder": "Telecom", "rate": 1.02 * HOUR},
        {"bidder": "Lantern", "rate": small, "most": 1},
    ]
    halves = {"day, half the calls": 0.5, "day, the other half": 0.5}
    bids = pooled_bids(halves, rates, lambda share: 365 * float(agents(day, share).sum()), money_unit=1)
    tender = po.Tender([{"lot": lot} for lot in halves], bids, money_unit=1)
    return {"as it comes": po.award(tender), "two winners": po.award(tender, po.Policy([po.MinWinners(2)]))}


# ---- the contract -----------------------------------------------------------------------------------------


def contract_of_the_day() -> dict[str, float]:
    """Pay by outcome, a bond, and how often to listen in, in thousand yuan a month."""
    outcomes = ["below target", "on target", "above target"]
    odds = pd.DataFrame(
        [[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.1, 0.5, 0.4]],
        index=["lean shifts", "full shifts", "full shifts and training"],
        columns=outcomes,
    )
    free = incentive_contract(odds, [0, 12, 20], [40, 90, 100])
    bonded = incentive_contract(odds, [0, 12, 20], [40, 90, 100], bond=10)
    print(f"\nBest for the city: {free.action}; extra pay by outcome, thousand yuan a month, and with a bond of 10")
    print(pd.DataFrame({"no bond": free.wages, "bond of 10": bonded.wages}).round(2).to_string())
    print(f"the supplier keeps {free.rent:.2f} or {bonded.rent:.2f} beyond its effort")
    watch = inspection(gain=12, penalty=60, cost=2, loss=50, commitment=True)
    loose = inspection(gain=12, penalty=60, cost=2, loss=50)
    size = bond(gain=12, cost=2, rate=0.005)
    print(f"an announced plan of inspections costs {watch.cost:.2f} a month ({watch.inspect:.0%} of months), one that "
          f"is not kept to {loose.cost:.2f}; the bond that makes watching cheapest is {size.amount:.0f}")  # fmt: skip
    return {"free": free.rent, "bonded": bonded.rent, "announced": watch.cost, "unannounced": loose.cost}


# ---- a year later -----------------------------------------------------------------------------------------


def year(award: po.Award) -> tuple[Performance, pd.DataFrame]:
    """What was measured, and what is paid for it."""
    done = performance(pd.read_csv(HERE / "performance.csv"), INDICATORS)
    fees = dict.fromkeys(award.tender.lots["lot"], 0.0)
    for row in award.bids.itertuples():
        inside = award.tender.lots.set_index("lot")["estimate"].loc[str(row.lots).split(";")]
        fees |= (row.net * inside / inside.sum() / 12).to_dict()
    charged = done.charges(fees, at_risk=0.08)
    print("\nA year later: fee, credits and pay, thousand yuan")
    print(charged.groupby("contract", sort=False)[["fee", "credit", "pay"]].sum().round(1).to_string())
    return done, charged


def holders(award: po.Award) -> dict[str, str]:
    """Whose each lot is."""
    return {lot: row.bidder for row in award.bids.itertuples() for lot in str(row.lots).split(";")}


# ---- the next years ---------------------------------------------------------------------------------------


def next_tender(calls: pd.Series, award: po.Award, ratings: Ratings) -> tuple[po.Award, po.Award]:
    """The same lots a year later, a newcomer among the bidders: quality as offered, and half of it from the record."""
    held = holders(award)
    lots = lots_of(calls)
    lots["incumbent"] = lots["lot"].map(held)
    bids, bidders = (pd.read_csv(HERE / name) for name in ("bids.csv", "bidders.csv"))
    bids.loc[len(bids)] = ["lantern day", "Lantern", "day", 3050, 80]
    bidders.loc[len(bidders)] = ["Lantern", "firm", "Lantern", 0.03, 0.03, 45]
    tender = po.Tender(lots, bids, bidders, money_unit=1)
    return po.award(tender, POLICY), po.award(tender.replace(bids=ratings.quality(bids, weight=0.5)), POLICY)


def forecast() -> tuple[LockIn, pd.DataFrame]:
    """Five years of the day lot, tendered each year: costs of 2,700 to 3,700, an incumbent that learns."""
    market = RepeatedTender(
        stats.uniform(2700, 1000), entrants=4, advantage=(0, 120, 240, 330, 400), entry_cost=55, tender_cost=40,
        contract_cost=20,
    )  # fmt: skip
    changes = {
        "bids paid for": {"paid_bids": 30},
        "at most two terms in a row": {"most_terms": 2},
        "two suppliers": {"winners": 2},
        "half-year terms": {"term": 0.5},
        "five-year term": {"term": 5},
    }
    return chain(market, 5), remedies(market, changes, 5, draws=20_000, seed=1)


def main() -> None:
    """Count, tender, govern, check."""
    pd.set_option("display.width", 160, "display.max_columns", 20, "display.max_colwidth", 70)
    calls = pd.read_csv(HERE / "calls.csv").set_index("hour")["calls"]
    ways = splits(calls)
    print(f"{calls.sum():,} calls a day, {TARGET:.0%} to be answered in {WITHIN} s: agent hours and cost by lots")
    print(ways.round(3).to_string())

    halves = {small: two_for_the_day(calls, small) for small in (0.045, 0.040)}
    print("\nThe day in two halves, by what an hour of the small supplier costs, thousand yuan a year:")
    for small, ends in halves.items():
        told = "; ".join(f"{name}: {end.cost:,.0f} ({', '.join(end.by_bidder.index)})" for name, end in ends.items())
        print(f"{small:.3f}: {told}")

    tender = po.Tender(
        lots_of(calls), pd.read_csv(HERE / "bids.csv"), pd.read_csv(HERE / "bidders.csv"), name="hotline", money_unit=1
    )
    announced = po.announce(POLICY, tender)
    award = po.award(tender, POLICY, announced=announced)
    alone = po.award(tender, replace(POLICY, constraints=[po.MinQuality(75)]))
    cheapest = po.award(tender)
    print("\nLowest price alone:", ", ".join(cheapest.bids["bid"]), f"for {cheapest.price:,.0f}")
    print("All costs, no caps:", ", ".join(alone.bids["bid"]), f"for {alone.price:,.0f} + {alone.ledger:,.0f}")
    print("All costs, two suppliers:", ", ".join(award.bids["bid"]), f"for {award.price:,.0f} + {award.ledger:,.0f}")
    print(award.transaction_costs.round(1).to_string())
    print("ignoring them would have cost", round(award.ledger_ignored.at["difference", "objective"], 1))

    contract = contract_of_the_day()
    done, charged = year(award)
    agreed = reliability(done)
    courtesy = agreed.loc["courtesy", ["single", "low", "high", "mean"]].astype(float).round(2)
    print("\nThird parties' scores of courtesy:", courtesy.to_dict())
    ratings = done.rating(holders(award))
    print(ratings.table.round(2).to_string(), f"\nnewcomers: {ratings.mean:.2f}")

    offered, recorded = next_tender(calls, award, ratings)
    print("\nThe next tender, quality as offered:", ", ".join(offered.bids["bid"]))
    print("with half of it taken from the record:", ", ".join(recorded.bids["bid"]))

    market, answers = forecast()
    print("\nFive years of the day lot:")
    print(market.table.round(3).to_string(index=False))
    print(answers.round(3).to_string())

    every = [award, recorded, *(end for ends in halves.values() for end in ends.values())]
    problems = [str(problem) for each in every for problem in po.check(each)]
    print("\nIndependent check of all awards:", "; ".join(problems) or "nothing to report")
    register = risk_register(award, po.check(award), public_value(award, 80), done, market)
    print("\nRisk register:")
    print(register[["level", "source", "subject", "finding", "evidence"]].to_string(index=False))

    assert problems == []
    # Lots by time of day cost no agent; lots by share or subject do.
    assert ways["pooling_loss"].iloc[1] == 0 and ways["pooling_loss"].iloc[2:].min() > 0.15
    # One supplier is cheaper while pooling saves more than the small one's rate; two winners then cost the rest.
    dear, cheap = (list(ends.values()) for ends in halves.values())
    assert len(dear[0].by_bidder) == 1 and 0 < dear[1].cost - dear[0].cost < 0.01 * dear[0].cost
    assert len(cheap[0].by_bidder) == 2 and cheap[0].cost == cheap[1].cost
    assert award.by_bidder["estimate"].max() <= 0.75 * award.tender.lots["estimate"].sum()
    assert award.ledger_ignored.at["difference", "objective"] >= 0
    assert 0 <= contract["bonded"] < contract["free"] and contract["announced"] < contract["unannounced"]
    assert (charged["credit"] <= 0.08 * charged["fee"] + 1e-9).all() and charged["credit"].sum() > 0
    # The record costs the incumbent the lot that it neglected, and nobody else anything.
    assert set(offered.bids["bid"]) - set(recorded.bids["bid"]) == {"hailian day"}
    assert set(recorded.bids["bid"]) - set(offered.bids["bid"]) == {"lantern day"}
    assert market.table["price"].is_monotonic_increasing and market.monopoly > 0.1
    assert answers.loc["bids paid for", "monopoly"] < answers.loc["as it is", "monopoly"]
    assert set(register["level"]) == {"value", "performance"}


if __name__ == "__main__":
    main()
