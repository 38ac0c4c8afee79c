"""A district's programme: direct award or tender, several tenders in one budget, caps, third parties. See README.md.

python examples/08_yearly_programme/run.py [FOLDER]     with a folder, writes programme.png there
"""

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

import procure_opt as po
from procure_opt.auction import Market, SecondPrice, free_entry, optimal_reserve
from procure_opt.governance import (
    Indicator,
    Performance,
    leniency,
    make_or_buy,
    performance,
    public_value,
    reliability,
    risk_register,
)

HERE = Path(__file__).parent
LOW, WIDE, OWN = 0.75, 0.40, 1.15  # of the estimate: the lowest cost, the width of costs, and the work in house
TENDER, DIRECT, PER_BID = 30, 5, 1.5  # thousand yuan: a procedure, of either kind, and each bid evaluated
THRESHOLD = 400  # from which value on the district has had to invite tenders so far
YEARS = ("2026", "2027")
COUNCIL = {"2026": 5_300.0, "2027": 4_920.0}  # what the council gives for all services, direct awards too
DEPARTMENTS = ("civil affairs", "environment", "justice")  # in the order of their tenders
CAP = 1 / 3
ALL = po.MaxShare(CAP, per="owner", existing="held")  # what an owner holds already is counted in
RECORD = 0.5  # weight of the record in a bid's quality
FLOOR = 75  # of quality
AT_RISK = 0.10  # of a quarter's fee
INDICATORS = [
    Indicator("satisfaction", weight=2, credit=0.01, tolerance=15, most=0.08),
    Indicator("records", credit=0.005, tolerance=12, most=0.04),
    Indicator("certified staff", credit=0.01, step=0.02, tolerance=0.12, most=0.05),
]
EVALUATORS = ("university", "association", "residents")
SAID: list[str] = []  # what README.md repeats


def say(text: str) -> None:
    """Print, and hold README.md to it."""
    SAID.append(re.sub(r"(\d)%", r"\1 %", text).replace(" -", " −"))
    print(SAID[-1])


def rows(table: pd.DataFrame, **form: str) -> None:
    """Say the rows of a table as README.md has them: whole numbers, or as the column's format says."""
    print("\n" + " | ".join(["", *map(str, table.columns)]))
    for name, row in table.iterrows():
        cells = (form.get(str(c), "{:,.0f}").format(row[c]) for c in table.columns)
        say("| " + " | ".join([str(name), *cells]) + " |")


def read(name: str) -> pd.DataFrame:
    """A table of this example."""
    return pd.read_csv(HERE / f"{name}.csv")


# ---- direct award or tender -------------------------------------------------------------------------------


def costs(value: float) -> Any:
    """What a contract of so much value costs a supplier, which only the supplier knows."""
    return stats.uniform(LOW * value, WIDE * value)


def asked(value: float) -> float:
    """A direct award at what the one supplier asks: what the work would cost in house."""
    return make_or_buy(OWN * value, costs(value), 1, transaction=DIRECT, reserve=OWN * value, most=1).buy


def bargained(value: float) -> float:
    """A direct award to one who is offered the best price there is to offer, and refused if that is not enough."""
    offer = optimal_reserve(costs(value), OWN * value)
    return make_or_buy(OWN * value, costs(value), 1, transaction=DIRECT, reserve=offer, most=1).buy


def tendered(value: float, bidders: int) -> float:
    """A tender in which so many bid."""
    ceiling, how = OWN * value, {"transaction": TENDER, "per_bid": PER_BID, "most": bidders}
    return make_or_buy(ceiling, costs(value), bidders, reserve=ceiling, **how).buy


def coming(value: float, suppliers: int) -> int:
    """How many of the suppliers prepare a bid, which costs 6 and 0.8 % of the value."""
    market = Market((costs(value), suppliers), in_house=OWN * value, entry_cost=6 + 0.008 * value)
    return free_entry(market, SecondPrice(reserve=OWN * value))


def procedures() -> pd.DataFrame:
    """Each service: who comes, what each procedure is expected to cost, and which is better."""
    table = read("services").set_index("service")
    table["come"] = [coming(row.value, row.suppliers) for row in table.itertuples()]
    table["asked"], table["bargained"] = table["value"].map(asked), table["value"].map(bargained)
    table["tender"] = [tendered(row.value, row.come) for row in table.itertuples()]
    table["best"] = (table["tender"] < table["bargained"]).map({True: "tender", False: "direct"})
    return table


def from_value(bidders: int, direct: Any) -> float:
    """The value from which on a tender is cheaper than a direct award: both are linear in it."""
    saved = [direct(value) - tendered(value, bidders) for value in (1000.0, 2000.0)]
    return 1000 - 1000 * saved[0] / (saved[1] - saved[0]) if saved[1] > saved[0] else math.inf


# ---- what the third parties say ---------------------------------------------------------------------------


@cache
def delivered(evaluators: tuple[str, ...] = EVALUATORS) -> Performance:
    """Last year, as these evaluators judged it; the registry counts certificates either way."""
    readings = read("performance")
    return performance(readings[readings["evaluator"].isin([*evaluators, "registry"])], INDICATORS)


def credits_of(done: Performance) -> pd.Series:
    """What is taken off each contract's fee."""
    fees = read("contracts").set_index("contract")["fee"].to_dict()
    return done.charges(fees, AT_RISK).groupby("contract")["credit"].sum()


def scores() -> pd.DataFrame:
    """What each evaluator says of each bid: its quality as offered, and the record of its bidder."""
    bids, holders = read("bids"), read("contracts").set_index("contract")["bidder"].to_dict()
    found = []
    for name in EVALUATORS:
        rated = delivered((name,)).rating(holders).quality(bids, RECORD)
        found.append(pd.DataFrame({"bid": rated["bid"], "criterion": "quality", "evaluator": name,
                                   "score": rated["quality"]}))  # fmt: skip
    return pd.concat(found)


# ---- several tenders, one budget --------------------------------------------------------------------------


def programme(chosen: Sequence[str]) -> po.Tender:
    """The tenders of all departments as one: a lot is a service in a year."""
    lots, value = read("lots"), read("services").set_index("service")["value"]
    assert set(lots["service"]) == set(chosen), "what is tendered is what is better tendered"
    lots = lots.assign(estimate=lots["service"].map(value) / len(YEARS))
    by_year = [lots.assign(lot=lots["service"] + " " + year, period=int(year)) for year in YEARS]
    bids = read("bids").drop(columns="quality")
    return po.Tender(pd.concat(by_year), bids, read("bidders"), scores=scores(), name="programme", money_unit=1)


def policy(tender: po.Tender, budget: dict[str, float], *rules: object, cap: object = ALL) -> po.Policy:
    """The yearly budgets, what missing a service costs the public, and the cap on what one owner holds in all."""
    cover = [po.Cover([row.lot], penalty=row.missed) for row in tender.lots.itertuples() if row.missed > 0]
    return po.Policy(
        (po.Budget(budget, each="period"), *cover, cap, *rules), po.QualityAdjusted("value"), tie_break=None
    )


def spent(award: po.Award) -> dict[str, float]:
    """By year; the price of a bid on several lots is divided by their estimates."""
    lots, total = award.tender.lots.set_index("lot"), dict.fromkeys(YEARS, 0.0)
    for row in award.bids.itertuples():
        part = lots.loc[row.lots.split(";"), ["period", "estimate"]]
        for year, estimate in part.groupby("period")["estimate"].sum().items():
            total[str(year)] += row.net * estimate / part["estimate"].sum()
    for row in award.in_house.itertuples():
        total[str(lots.at[row.lot, "period"])] += row.cost
    return total


def one_by_one(tender: po.Tender, budget: dict[str, float], order: Sequence[str]) -> po.Award:
    """Each department in its turn, with the money and the room under the cap that those before it have left."""
    won: list[str] = []
    kept: list[str] = []
    for turn, department in enumerate(order):
        lots = tender.lots
        now, later = lots["tender"] == department, lots["tender"].isin(order[turn + 1 :])
        own = lots["in_house"].where(now | lots["lot"].isin(kept))
        lots = lots.assign(in_house=own, missed=lots["missed"].where(~later, 1.0))  # nobody misses yet what comes later
        mine = set(lots.loc[now, "lot"])
        whole = tender.bids["lots"].map(lambda names, mine=mine: set(names.split(";")) <= mine)
        bids = tender.bids[whole | tender.bids["bid"].isin(won)]
        part = tender.replace(lots=lots, bids=bids, scores=tender.scores[tender.scores["bid"].isin(bids["bid"])])
        award = po.award(part, policy(part, budget, po.Require(bids=won)))
        won, kept = award.bids["bid"].tolist(), award.in_house["lot"].tolist()
    return award


def by_quota(tender: po.Tender, budget: dict[str, float]) -> po.Award:
    """Each department has a share of both budgets in proportion to its estimates."""
    share = tender.lots.groupby("tender")["estimate"].sum() / tender.lots["estimate"].sum()
    quotas = [
        po.Budget({year: round(money * share[name]) for year, money in budget.items()}, {"tender": name}, "period")
        for name in DEPARTMENTS
    ]
    return po.award(tender, policy(tender, budget, *quotas))


def ways(tender: po.Tender, budget: dict[str, float]) -> dict[str, po.Award]:
    """Four ways to spend the same budgets on the same bids."""
    return {
        "all at once": po.award(tender, policy(tender, budget)),
        "one by one, civil affairs first": one_by_one(tender, budget, DEPARTMENTS),
        "one by one, justice first": one_by_one(tender, budget, DEPARTMENTS[::-1]),
        "a quota for each department": by_quota(tender, budget),
    }


def compared(found: dict[str, po.Award]) -> pd.DataFrame:
    """Outlay by year, net cost, and what nobody provides."""
    table = {way: (*spent(award).values(), award.objective, award.unawarded) for way, award in found.items()}
    return pd.DataFrame.from_dict(table, orient="index", columns=[*YEARS, "net", "not provided"])


def shifted(budget: dict[str, float], money: float) -> dict[str, float]:
    """The same money, some of it a year later."""
    first, second = YEARS
    return {first: budget[first] - money, second: budget[second] + money}


def later(tender: po.Tender, budget: dict[str, float]) -> pd.DataFrame:
    """All at once, if money may be moved from the first year to the second."""
    free = replace(policy(tender, budget), constraints=policy(tender, budget).constraints[1:])
    moves = range(0, 301, 30)
    found = po.frontier(tender, free, lambda money: po.Budget(shifted(budget, money), each="period"), moves)
    return found[["value", "price", "objective", "unawarded"]]


# ---- caps -------------------------------------------------------------------------------------------------


def caps(tender: po.Tender, budget: dict[str, float]) -> pd.DataFrame:
    """What the Federation, with its own firm, has of the programme and of all contracts, under each cap."""
    told = {
        "no cap": po.MaxShare(1.0),
        "a third, new contracts": po.MaxShare(CAP, per="owner"),
        "a third, all contracts": ALL,
        "a quarter of all, or 5 a point above": po.MaxShare(0.25, per="owner", existing="held", penalty=5),
    }
    found = po.scenarios(tender, {name: policy(tender, budget, cap=cap) for name, cap in told.items()})
    held, ours = tender.bidders.set_index("bidder")["held"], ["Federation", "Kangle"]
    here, table = tender.lots["estimate"].sum(), {}
    for name, award in found.awards.items():
        won = award.by_bidder["estimate"].reindex(ours).sum()
        above = award.violations.loc[award.violations["constraint"].str.startswith("MaxShare"), "charge"].sum()
        table[name] = (award.objective - above, won / here, (won + held[ours].sum()) / (here + held.sum()))
    return pd.DataFrame.from_dict(table, orient="index", columns=["net", "of the programme", "of all"])


def too_tight(tender: po.Tender, budget: dict[str, float]) -> po.Infeasible:
    """Why a quarter cannot be the cap."""
    try:
        po.award(tender, policy(tender, budget, cap=po.MaxShare(0.25, per="owner", existing="held")))
    except po.Infeasible as refused:
        return refused
    raise AssertionError("the Federation has more than a quarter already")


# ---- how far the third parties are to be believed ---------------------------------------------------------


def needed(single: float, target: float) -> int:
    """Evaluators whose mean is as reliable as that: k r / (1 + (k − 1) r) ≥ target, for a single one's r."""
    return math.ceil(target * (1 - single) / (single * (1 - target)) - 1e-9)


def by_evaluator(tender: po.Tender, budget: dict[str, float]) -> tuple[pd.DataFrame, dict[str, tuple[bool, bool]]]:
    """Credits if all judge, or one alone; and whether the same win if one alone is heard, with the cap and without."""
    heard = {"all three": EVALUATORS, **{f"the {name} alone": (name,) for name in EVALUATORS}}
    credit = pd.DataFrame({told: credits_of(delivered(who)) for told, who in heard.items()}).T
    credit = credit[["home care", "parks", "youth counselling"]].assign(**{"all nine": credit.sum(axis=1)})
    same = {}
    for name in EVALUATORS:
        alone = tender.replace(scores=tender.scores[tender.scores["evaluator"] == name])
        same[name] = tuple(
            _winners(alone, budget, cap) == _winners(tender, budget, cap) for cap in (ALL, po.MaxShare(1.0))
        )
    return credit, same


def _winners(tender: po.Tender, budget: dict[str, float], cap: object) -> set[str]:
    return set(po.award(tender, policy(tender, budget, cap=cap)).bids["bid"])


# ---- figure -----------------------------------------------------------------------------------------------


def figure(services: pd.DataFrame, tender: po.Tender, budget: dict[str, float], folder: Path) -> None:
    """From which value on a tender pays; and net cost as the budgets shrink."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(11, 4.4), dpi=150, layout="constrained")
    FigureCanvasAgg(drawn)
    left, right = drawn.subplots(1, 2)
    for bidders in (1, 2, 3, 4, 5):
        saved = [bargained(value) - tendered(value, bidders) for value in (50, 1900)]
        left.plot((50, 1900), saved, color="#999999", linewidth=1)
        left.annotate(f"{bidders} bid", (1900, saved[1]), (4, -3), textcoords="offset points", fontsize=9)
    for best, colour in (("tender", "C0"), ("direct", "#c0504d")):
        some = services[services["best"] == best]
        left.plot(some["value"], some["bargained"] - some["tender"], "o", color=colour, label=f"better: {best}")
    for name, off, side in (
        ("home care", (-7, 1), "right"), ("flood gauges", (6, 4), "left"), ("map of pipes", (6, -12), "left"),
        ("mediators' training", (-8, -38), "left"),
    ):  # fmt: skip
        at = services.at[name, "value"], services.at[name, "bargained"] - services.at[name, "tender"]
        left.annotate(name, at, off, textcoords="offset points", ha=side, fontsize=9)
    left.axhline(0, color="#444444", linewidth=0.8)
    left.set_xlim(0, 2100)
    left.set_xlabel("value of the contract, thousand yuan")
    left.set_ylabel("a tender saves, against a direct award well bargained")
    left.legend(frameon=False, fontsize=9, loc="upper left")
    cuts = [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    found = [compared(ways(tender, {year: round((1 - cut) * money) for year, money in budget.items()})) for cut in cuts]
    for way, mark in zip(found[0].index, "os^v"):
        right.plot([100 * cut for cut in cuts], [table.at[way, "net"] for table in found], marker=mark, label=way)
    right.set_xlabel("both budgets cut by, per cent")
    right.set_ylabel("prices less quality, and what is missed")
    right.legend(frameon=False, fontsize=9)
    drawn.savefig(folder / "programme.png")


# ---- the story --------------------------------------------------------------------------------------------


def main(folder: Path | None = None) -> None:
    """Choose procedures, let, cap, ask who judges."""
    pd.set_option("display.width", 160, "display.max_columns", 20, "display.max_colwidth", 70)
    services = procedures()
    shown = services[["value", "suppliers", "come", "asked", "bargained", "tender", "best"]]
    rows(shown, best="{}")
    from_on = {n: (from_value(n, asked), from_value(n, bargained)) for n in (2, 3, 4, 5)}
    rows(pd.DataFrame.from_dict(from_on, orient="index", columns=["asked", "bargained"]))
    direct = services[["asked", "bargained", "tender"]].sum()
    by_rule = services["tender"].where(services["value"] >= THRESHOLD, services["bargained"]).sum()
    best = services[["bargained", "tender"]].min(axis=1).sum()
    say(f"Awarding everything directly costs {direct['bargained']:,.0f} if all bargains are good and "
        f"{direct['asked']:,.0f} if none is, inviting tenders for everything {direct['tender']:,.0f}, from {THRESHOLD} "
        f"on {by_rule:,.0f}, case by case {best:,.0f}.")  # fmt: skip

    reserved = services.loc[services["best"] == "direct", "bargained"].sum() / len(YEARS)
    budget = {year: float(math.floor(money - reserved)) for year, money in COUNCIL.items()}
    say(f"direct awards will take {reserved:,.0f} a year, which leaves {budget['2026']:,.0f} and {budget['2027']:,.0f}")
    tender = programme(services.index[services["best"] == "tender"])
    found = ways(tender, budget)
    table = compared(found)
    rows(table.assign(**{"not provided": table["not provided"].map(", ".join)}), **{"not provided": "{}"})
    moved = later(tender, budget)
    print("\nMoving money to the second year:")
    print(moved.round(0).to_string(index=False))
    step = moved.loc[moved["objective"].idxmin()]
    gain = moved["objective"].iloc[0] - step["objective"]
    say(f"Moving {step['value']:,.0f} from 2026 to 2027 provides everything and is worth {gain:,.0f}")

    final = shifted(budget, float(step["value"]))
    rules = replace(policy(tender, final), tie_break=po.DrawLots(20260105))
    award = po.award(tender, rules, announced=po.announce(rules, tender))
    print(f"\n{award}")
    print(award.bids[["bid", "lots", "net"]].to_string(index=False))
    capped, refused = caps(tender, final), too_tight(tender, final)
    rows(capped, **{"of the programme": "{:.0%}", "of all": "{:.0%}"})
    print(refused)
    least = 0.25 + min(change for change in refused.remedies.values() if not math.isnan(change))
    say(f"A cap of a quarter cannot be kept by any award: the least that can is {least:.1%}")

    done = delivered()
    agreed, lenient = reliability(done), leniency(done).set_index(["indicator", "evaluator"])["mean"]
    print("\nHow far the evaluators agree, and how they differ from the others:")
    print(agreed[["single", "low", "high", "mean", "consistency"]].astype(float).round(2).to_string())
    print(lenient.round(1).to_string())
    one = agreed.loc["satisfaction"]
    say(f"of one evaluator of satisfaction {one['single']:.2f} ({one['low']:.2f} to {one['high']:.2f}), of the mean of "
        f"three {one['mean']:.2f}; of records {agreed.at['records', 'single']:.2f}")  # fmt: skip
    say(f"{needed(one['single'], 0.75)} evaluators for 0.75, {needed(one['single'], 0.9)} for 0.90")
    order = 3 * one["consistency"] / (1 + 2 * one["consistency"])
    say(f"the three agree to {order:.2f} on the order")
    readings = done.readings.query("contract == 'home care' and indicator == 'satisfaction'")
    means = readings.groupby("evaluator")["measured"].mean()
    kind = means["association"] - means[["university", "residents"]].mean()
    say(f"The association is kinder than the two others by {lenient['satisfaction', 'association']:.1f} points, to its "
        f"member, the Federation, by {kind:.1f}.")  # fmt: skip
    credit, same = by_evaluator(tender, final)
    rows(credit)
    print("the same winners if one alone is heard, (under the cap, without a cap):", same)
    stable = po.stability(award, limit=1, draws=20, seed=1)
    say(f"in {stable.other_winner:.0%} of the draws")
    print(stable.evaluators.to_string(index=False))
    print("accepted in some of the draws:", stable.acceptance[stable.acceptance.between(0.01, 0.99)].to_dict())
    near = po.near_ties(award, within=10)
    print(near.table.to_string(index=False))
    say(f"the next best award is worse by {near.table['extra'].iloc[0]:.1f} only")
    floor = po.award(tender, policy(tender, final, po.MinQuality(FLOOR, across="bid")))
    say(f"A floor of {FLOOR} for every bid would cost {floor.objective - award.objective:,.0f} and leave "
        f"{', '.join(floor.unawarded)} without anybody")  # fmt: skip

    checks = po.check(award)
    print("\nIndependent check of the award:", "; ".join(map(str, checks)) or "nothing to report")
    register = risk_register(award, checks, public_value(award, FLOOR), done)
    print(register[["level", "subject", "finding"]].drop_duplicates().to_string(index=False))
    if folder is not None:
        figure(services, tender, budget, folder)

    assert checks == [] and award.status == "optimal" and award.unawarded == ()
    # From which value on a tender pays, once more by hand: prices of uniform costs have a closed form.
    for bidders, (against_asked, against_bargained) in from_on.items():
        price, cost = LOW + WIDE * 2 / (bidders + 1), TENDER + PER_BID * bidders
        offer = (OWN + LOW) / 2
        chance = (offer - LOW) / WIDE
        assert math.isclose(against_asked, (cost - DIRECT) / (OWN - price), rel_tol=1e-6)
        bargain = chance * offer + (1 - chance) * OWN
        assert math.isclose(against_bargained, (cost - chance * DIRECT) / (bargain - price), rel_tol=1e-6)
    # Neither size nor the number of suppliers decides alone; looking case by case beats every rule of thumb.
    assert services.at["flood gauges", "best"] == "direct" == services.at["archive repair", "best"]
    assert best < min(by_rule, direct["tender"], direct["bargained"])
    # Deciding at once is never worse, each way keeps both budgets, and what is spent adds up to the price.
    assert table["net"].idxmin() == "all at once"
    assert all(spent(each)[year] <= budget[year] + 1e-6 for each in found.values() for year in YEARS)
    assert math.isclose(sum(spent(award).values()), award.price) and sum(final.values()) == sum(budget.values())
    by_move = moved.set_index("value")["objective"]
    assert math.isclose(by_move[0], by_move[120]) and math.isclose(by_move[0], by_move[270])
    held = tender.bidders.set_index("bidder")["held"]
    assert held["Federation"] + held["Kangle"] == 4_200
    assert capped["net"].is_monotonic_increasing
    assert capped.at["a third, new contracts", "of all"] > CAP >= capped.at["a third, all contracts", "of all"]
    assert [type(each) for each in refused.conflict] == [po.MaxShare]
    # Under the cap it does not matter who is heard, without it it does; and money depends on it either way.
    assert all(under for under, _ in same.values()) and not all(without for _, without in same.values())
    assert credit["home care"].idxmin() == "the association alone"
    assert one["single"] < 0.5 < agreed.at["records", "single"]
    assert set(register["level"]) == {"value", "performance"}
    told = " ".join((HERE / "README.md").read_text(encoding="utf-8").split())
    assert [text for text in SAID if text not in told] == []


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
