"""A city's service centre: visitors, windows, lots, what may go out, the award, five years on. See README.md.

python examples/06_service_centre/run.py [FOLDER]     with a folder, writes windows.png and monopoly.png there
"""

import math
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import procure_opt as po
from procure_opt.governance import LockIn, RepeatedTender, chain, outsourcing_checklist, remedies, windows

HERE = Path(__file__).parent
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri"]
HOURS = [str(hour) for hour in range(9, 17)]
WITHIN, TARGET = 15, 0.9  # minutes; share of visitors to be served in them
WEEKS = 50
HOUR = 38 * 1.35 / 0.7 / 1000  # thousand yuan: wage, on-costs, and 30 % of paid time not at a window
# Who receives several matters takes longer, and is paid more: clerks of one matter, of a theme, of all.
CLERKS = {"matter": (1.0, 1.0), "theme": (1.03, 1.02), "all": (1.10, 1.08)}
PLAIN, MINUTES = 60, 0.003  # each point of data sharing above 60 spares so much of the time at a window
BODIES = ("service centre", "department", "archive", "data office")
FRONT, BACK = {"stage": "front"}, {"stage": "back"}
BUDGET, HELD_BACK = 11_400, 0.23  # a year; the share of it that the windows may not use
HELD, HHI, THREE, SECOND = RULES = (
    po.MaxShare(0.35, per="owner", existing="held"),
    po.MaxHHI(0.2, per="owner"),
    po.MinWinners(3, per="owner", lots=FRONT),
    po.MaxShare(0.6, of="demand", per="owner", lots=["insurance"]),  # the longest queue has a second supplier
)
YEARS = 5
LEARNT = (0, 0.05, 0.09, 0.12, 0.14)  # what an incumbent saves of the cost after so many years
SAID: list[str] = []  # what README.md repeats


def say(text: str) -> None:
    """Print, and hold README.md to it."""
    SAID.append(re.sub(r"(\d)%", r"\1 %", text).replace(" -", " −"))
    print(SAID[-1])


def rows(table: pd.DataFrame, **form: str) -> None:
    """Say the rows of a table as README.md has them: whole numbers, or as the column's format says."""
    print("\n" + " | ".join(["", *table.columns]))
    for name, row in table.iterrows():
        say("| " + " | ".join([str(name), *(form.get(c, "{:,.0f}").format(row[c]) for c in table.columns)]) + " |")


def read(name: str) -> pd.DataFrame:
    """A table of this example."""
    return pd.read_csv(HERE / f"{name}.csv")


# ---- from visitors to windows to lots ---------------------------------------------------------------------


@cache
def open_windows(queue: str, spared: float = 0.0, share: float = 1.0) -> pd.DataFrame:
    """Windows to open, by queue and day (rows) and hour, if some of the time is spared and a share of visitors come."""
    table = read("visitors").merge(read("matters"), on="matter").assign(all="all")
    minutes = table[HOURS].mul(table["minutes"] * CLERKS[queue][0] * (1 - spared), axis=0)
    by = [table[queue].rename("queue"), table["day"]]
    come, busy = table[HOURS].groupby(by).sum(), minutes.groupby(by).sum()
    need = {
        hour: [
            windows(share * some, work / some, within=WITHIN, target=TARGET).agents
            for some, work in zip(come[hour], busy[hour])
        ]
        for hour in HOURS
    }
    return pd.DataFrame(need, index=come.index)


def yearly(queue: str, spared: float = 0.0) -> float:
    """What the windows cost in a year."""
    return float(open_windows(queue, spared).to_numpy().sum()) * WEEKS * HOUR * CLERKS[queue][1]


def queues() -> pd.DataFrame:
    """A queue for each matter, for each theme, or one: window hours a week, windows there must be, cost a year."""
    table = {}
    for queue, told in {"matter": "each matter", "theme": "each theme", "all": "all matters"}.items():
        need = open_windows(queue)
        table[told] = (need.to_numpy().sum(), need.groupby("queue").max().max(axis=1).sum(), yearly(queue))
    return pd.DataFrame.from_dict(table, orient="index", columns=["hours a week", "windows", "cost"])


def in_two() -> tuple[int, int]:
    """Window hours a week of insurance as one queue, and as two of half the visitors."""
    one, half = (int(open_windows("theme", share=share).loc["insurance"].to_numpy().sum()) for share in (1.0, 0.5))
    return one, 2 * half


def lots() -> pd.DataFrame:
    """The lots of lots.csv: the themes with their hours and cost, data sharing with what a point spares a year."""
    table, need = read("lots").set_index("lot"), open_windows("theme").groupby("queue")
    hours = need.sum().sum(axis=1) * WEEKS
    table.loc[hours.index, "quantity"] = hours
    table.loc[hours.index, "demand"] = need.max().max(axis=1)
    table.loc[hours.index, "estimate"] = (hours * HOUR * CLERKS["theme"][1]).round()
    table.loc["sharing", "value"] = round((yearly("theme") - yearly("theme", 30 * MINUTES)) / 30, 1)
    return table.reset_index()


# ---- the award --------------------------------------------------------------------------------------------


def policy(*rules: object, held_back: float = 0.0) -> po.Policy:
    """Quality at what it is worth, within the budget, what of it windows may use, and the windows one can staff."""
    front = po.Budget(round(BUDGET * (1 - held_back), 2), lots=FRONT)
    always = (po.Budget(BUDGET), front, po.Capacity("windows", lots=FRONT))
    return po.Policy((*always, *rules), objective=po.QualityAdjusted("value"), tie_break=None)


def spent(award: po.Award, stage: str) -> float:
    """On lots in front, or behind: no bid has lots of both."""
    of = award.bids["lots"].str.split(";").str[0].map(award.tender.lots.set_index("lot")["stage"])
    return float(award.bids.loc[of == stage, "net"].sum())


def windows_first(tender: po.Tender, held_back: float) -> po.Award:
    """The windows are let as if nothing came after them, and then the rest, with the money that is left."""
    unseen = tender.lots["value"].where(tender.lots["stage"] == "front", 0.0)
    first = po.award(tender.replace(lots=tender.lots.assign(value=unseen)), policy(*RULES, held_back=held_back))
    front = first.bids.loc[~first.bids["lots"].isin(tender.lots.query("stage == 'back'")["lot"]), "bid"]
    left = po.Budget(round(BUDGET - spent(first, "front"), 2), lots=BACK)
    return po.award(tender, policy(*RULES, left, po.Require(bids=front.tolist()), held_back=held_back))


def shares_held_back(tender: po.Tender) -> pd.DataFrame:
    """By the share held back: windows first and all at once, with what the windows need less in the years after."""
    table = {}
    for share in (0.0, 0.225, 0.23, 0.235):
        orders = windows_first(tender, share), po.award(tender, policy(*RULES, held_back=share))
        row: list[float] = []
        for award in orders:
            sharing = float(award.bids.set_index("lots").at["sharing", "quality"])
            spared = yearly("theme") - yearly("theme", MINUTES * (sharing - PLAIN))
            row += [spent(award, "front"), spent(award, "back"), spared, award.objective]
        table[f"{share:.1%}"] = row
    columns = ["front", "back", "spared", "net"]
    return pd.DataFrame.from_dict(table, orient="index", columns=[*columns, *(f"{name}, at once" for name in columns)])


def owners(award: po.Award) -> pd.DataFrame:
    """By ultimate owner: the share of this tender, and of all contracts in the city."""
    whose = award.tender.bidders["bidder"].replace({"Huizhi": "Huizhi Group", "Jingban": "Huizhi Group"}).to_numpy()
    won = award.by_bidder["estimate"].reindex(award.tender.bidders["bidder"]).fillna(0.0).to_numpy()
    held, total = award.tender.bidders["held"].to_numpy(), award.tender.lots["estimate"].sum()
    table = pd.DataFrame({"here": won / total, "in all": (won + held) / (total + held.sum())})
    return table.groupby(whose).sum()


def against_monopoly(tender: po.Tender) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each rule by itself, and all: what it costs, how much the largest has, and what replacing a winner may cost."""
    found = po.scenarios(
        tender,
        {
            "no rule": policy(),
            "35 % an owner": policy(replace(HELD, existing=None)),
            "35 % an owner, with what it holds": policy(HELD),
            "HHI of 0.20": policy(HHI),
            "three owners in front": policy(THREE),
            "two for insurance": policy(SECOND),
            "all four, by bidder": policy(*(replace(rule, per="bidder") for rule in RULES)),
            "all four": policy(*RULES),
        },
    )
    table = found.table[["price", "objective"]].rename(columns={"objective": "net"})
    table["HHI"] = [(owners(award)["here"] ** 2).sum() for award in found.awards.values()]
    table["largest"] = [owners(award)["here"].idxmax() for award in found.awards.values()]
    table["here"] = [owners(award)["here"].max() for award in found.awards.values()]
    table["largest in all"] = [owners(award)["in all"].max() for award in found.awards.values()]
    table["replacing"] = [po.replacement_cost(award).max() for award in found.awards.values()]
    # Also at the concentrations just met, so that no award lies below the curve.
    indices = sorted({0.15, 0.16, 0.18, 0.22, 0.3, 0.7, *np.ceil(1000 * table["HHI"]) / 1000})
    return table, po.frontier(tender, policy(), lambda index: po.MaxHHI(index, per="owner"), indices)


# ---- five years -------------------------------------------------------------------------------------------


def let_every_year(estimate: float, able: int, learnt: float = 1.0, cheaper: float = 0.0) -> RepeatedTender:
    """Costs within 12 % of the estimate, a bid costs 0.5 %; entrants lack so much of what an incumbent knows."""
    return RepeatedTender(
        stats.uniform((0.88 - cheaper) * estimate, 0.24 * estimate), entrants=able - 1,
        advantage=tuple(learnt * ahead * estimate for ahead in LEARNT), entry_cost=8 + 0.005 * estimate,
        tender_cost=30, contract_cost=15,
    )  # fmt: skip


def able_to(tender: po.Tender, need: float) -> int:
    """Owners who can staff so many windows."""
    room = tender.bidders.assign(owner=tender.bidders["owner"].replace({"Huizhi": "Group", "Jingban": "Group"}))
    return int((room.groupby("owner")["windows"].sum() >= need).sum())


def by_theme(tender: po.Tender, learnt: float) -> list[LockIn]:
    """The windows as four contracts."""
    themes = tender.lots[tender.lots["content"] == "receiving applications"]
    return [
        chain(let_every_year(row.estimate, able_to(tender, row.demand), learnt), YEARS)
        for row in themes.itertuples(index=False)
    ]


def as_one(tender: po.Tender) -> RepeatedTender:
    """The windows as one contract, whose management is cheaper by 3 %."""
    themes = tender.lots[tender.lots["content"] == "receiving applications"]
    return let_every_year(themes["estimate"].sum(), able_to(tender, themes["demand"].sum()), cheaper=0.03)


def outlays(markets: list[LockIn]) -> pd.Series:
    """What all of them cost, year by year."""
    return sum((market.table["outlay"] for market in markets), start=pd.Series(0.0, index=range(YEARS)))


def five_years(tender: po.Tender) -> pd.DataFrame:
    """Outlay of the windows in the first and fifth year and in the mean, and how likely nobody enters in the fifth."""
    ways = {"one contract": [chain(as_one(tender), YEARS)]}
    for learnt, told in ((0.5, "half of"), (0.75, "a quarter of"), (1.0, "nothing of")):
        ways[f"four, neighbours know {told} it"] = by_theme(tender, learnt)
    table = {}
    for told, markets in ways.items():
        cost, alone = outlays(markets), sum(market.monopoly for market in markets) / len(markets)
        table[told] = (cost.iloc[0], cost.iloc[-1], cost.mean(), alone)
    return pd.DataFrame.from_dict(table, orient="index", columns=["first", "fifth", "mean", "no entrant"])


def balance(tender: po.Tender, price: float, learnt: float) -> float:
    """What four contracts save from the second year to the fifth, less what the rules cost in the first."""
    return float((outlays([chain(as_one(tender), YEARS)]) - outlays(by_theme(tender, learnt))).iloc[1:].sum()) - price


# ---- figures ----------------------------------------------------------------------------------------------


def draw_windows(axes: Any) -> None:
    """Windows by the hour of a week."""
    for queue, told, colour in (
        ("matter", "a queue for each matter", "#c0504d"), ("theme", "for each theme", "C0"),
        ("all", "one for all", "#606060"),
    ):  # fmt: skip
        open_now = open_windows(queue).groupby("day", sort=False).sum().loc[DAYS].to_numpy().ravel()
        axes.step(range(41), [*open_now, open_now[-1]], where="post", label=told, color=colour)
    axes.set_xticks(range(0, 40, 4), [tick for day in DAYS for tick in (f"{day}\n9", "13")])
    axes.set_ylabel("windows open")
    axes.set_ylim(0)
    axes.set_title("Windows it takes to serve nine visitors in ten within 15 minutes", fontsize=11)
    axes.legend(frameon=False, fontsize=9, ncols=3)


def draw_rules(axes: Any, table: pd.DataFrame, curve: pd.DataFrame) -> None:
    """Net cost against concentration: the best there is, and each rule."""
    axes.step(curve["value"], curve["objective"], where="post", color="C0", label="best at an HHI of at most so much")
    axes.plot(table["HHI"], table["net"], "k.", label="best under each rule")
    for name in ("no rule", "three owners in front", "two for insurance", "all four, by bidder", "all four"):
        at = table.at[name, "HHI"], table.at[name, "net"]
        axes.annotate(name, at, (6, 6), textcoords="offset points", fontsize=9)
    axes.set_xlim(0.1, 0.85)
    axes.set_xlabel("concentration by owner (HHI)")
    axes.set_ylabel("prices less quality at its worth")
    axes.legend(frameon=False, fontsize=9)


def draw_years(axes: Any, tender: po.Tender) -> None:
    """Outlay over five years, as one contract and as four."""
    years, mark = range(1, YEARS + 1), {"marker": "o", "markersize": 4}
    axes.plot(years, outlays([chain(as_one(tender), YEARS)]), color="#c0504d", label="one contract", **mark)
    for learnt, told, style in ((0.5, "half", "-"), (0.75, "a quarter", "--"), (1.0, "nothing", ":")):
        cost, label = outlays(by_theme(tender, learnt)), f"four, neighbours know {told}"
        axes.plot(years, cost, style, color="C0", label=label, **mark)
    axes.set_xticks(list(years))
    axes.set_xlabel("year")
    axes.set_ylabel("outlay for the windows, thousand yuan")
    axes.legend(frameon=False, fontsize=9)


def figures(tender: po.Tender, table: pd.DataFrame, curve: pd.DataFrame, folder: Path) -> None:
    """Two pictures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    week, both = (Figure(figsize=size, dpi=150, layout="constrained") for size in ((8, 4), (11, 4.2)))
    FigureCanvasAgg(week)
    FigureCanvasAgg(both)
    draw_windows(week.add_subplot())
    left, right = both.subplots(1, 2)
    draw_rules(left, table, curve)
    draw_years(right, tender)
    week.savefig(folder / "windows.png")
    both.savefig(folder / "monopoly.png")


# ---- the story --------------------------------------------------------------------------------------------


def main(folder: Path | None = None) -> None:
    """Count, check, let, forecast."""
    pd.set_option("display.width", 160, "display.max_columns", 20)
    ways, (one, two) = queues(), in_two()
    say(f"{read('visitors')[HOURS].to_numpy().sum() / 5:,.0f} visitors a day")
    rows(ways)
    say(f"Insurance takes {one} window hours a week as one queue, and {two} as two: {two / one - 1:.0%} more.")

    draft = outsourcing_checklist(read("draft"), read("draft_duties"), read("regime"), bodies=BODIES)
    mended = outsourcing_checklist(lots(), read("duties"), read("regime"), bodies=BODIES)
    say(f"finds {len(draft.findings)} things in it")
    for sentence in draft.findings["sentence"]:
        print(f"- {sentence}")
    say(f"front-end work was {draft.front_share:.0%} of the draft, and is {mended.front_share:.0%}")
    print(mended)

    tender = po.Tender(lots(), read("bids"), read("bidders"), ownership=read("ownership"), name="centre", money_unit=1)
    worth = tender.lots.set_index("lot").at["sharing", "value"]
    say(f"A point of data sharing spares windows of {worth:.1f} a year.")
    held = shares_held_back(tender)
    rows(held[["front", "back", "spared", "net", "net, at once"]])
    say(f"half a point more costs {held.at['23.5%', 'net'] - held.at['23.0%', 'net']:,.0f}")

    # What was announced is what counts: the award refuses any other rules.
    rules = replace(policy(*RULES, held_back=HELD_BACK), tie_break=po.DrawLots(20260301))
    award = po.award(tender, rules, announced=po.announce(rules, tender))
    print(f"\n{award}, HHI {award.hhi:.3f}")
    print(award.bids[["bid", "lots", "fraction", "net", "quality"]].to_string(index=False))
    table, curve = against_monopoly(tender)
    shares = {"HHI": "{:.2f}", "largest": "{}", "here": "{:.0%}", "largest in all": "{:.0%}"}
    rows(table, **shares)
    costs = po.price_of_constraints(award, None)["objective_without"].tail(len(RULES))
    cap, idle, also, second = award.objective - costs
    say(f"the cap costs {cap:.0f}, the second supplier for insurance {second:.0f}, the HHI {idle:.0f}, the three "
        f"owners {also:.0f}")  # fmt: skip
    print("\nNet cost at each concentration:")
    print(curve[["value", "objective", "price", "hhi", "winners"]].round(3).to_string(index=False))

    years = five_years(tender)
    rows(years, **{"no entrant": "{:.0%}"})
    cost = table.at["all four", "net"] - table.at["no rule", "net"]
    gains = {learnt: balance(tender, cost, learnt) for learnt in (0.5, 0.75, 1.0)}
    say(f"The rules cost {cost:,.0f} in the first year. Over five years they gain {gains[0.5]:,.0f} where neighbours "
        f"know half, {gains[0.75]:,.0f} where they know a quarter, and lose {-gains[1.0]:,.0f} where they know "
        f"nothing.")  # fmt: skip
    enough = max(part for part in (1 - step / 10 for step in range(11)) if balance(tender, cost, part) > 0)
    say(f"They pay as long as neighbours know {1 - enough:.0%} of it or more.")
    changes = {"40 of each bid is paid": {"paid_bids": 40}, "two terms in a row at most": {"most_terms": 2},
               "one term of five years": {"term": 5}, "two suppliers, half each": {"winners": 2}}  # fmt: skip
    answers = remedies(as_one(tender), changes, YEARS, draws=20_000, seed=1)
    rows(answers[["monopoly", "outlay", "saves"]], monopoly="{:.0%}")

    problems = po.check(award)
    print("\nIndependent check of the award:", "; ".join(map(str, problems)) or "nothing to report")
    if folder is not None:
        figures(tender, table, curve, folder)

    assert problems == [] and award.status == "optimal" and award.tied == ()
    assert not draft.complete and mended.complete and {"citizens", "permits"} < set(draft.by_lot)
    # Themes are the cheapest queues: wider than a matter, and narrow enough for clerks who know them.
    assert ways["cost"].idxmin() == "each theme" and ways["hours a week"].idxmin() == "all matters"
    # All at once is never worse; 23 % held back makes windows first as good, less buys nothing and more costs.
    assert (held["net, at once"] <= held["net"] + 1e-6).all()
    assert held["net"].idxmin() == "23.0%" and math.isclose(held.at["23.0%", "net"], held.at["0.0%", "net, at once"])
    assert spent(award, "front") <= BUDGET * (1 - HELD_BACK) and award.price <= BUDGET
    # The longest queue is split, and nobody has more than the rules allow, counted again from the award.
    insurance = award.bids[award.bids["lots"] == "insurance"]
    assert len(insurance) == 2 and insurance["fraction"].max() <= 0.6 and abs(insurance["fraction"].sum() - 1) < 1e-9
    assert owners(award)["in all"].max() <= 0.35 and (owners(award)["here"] ** 2).sum() <= 0.2
    assert table["net"].idxmin() == "no rule" and table.at["all four", "replacing"] < table.at["no rule", "replacing"]
    assert curve["objective"].is_monotonic_decreasing
    # What the two rules that bind nobody ask for is had without them.
    lean = po.award(tender, policy(HELD, SECOND, held_back=HELD_BACK))
    assert math.isclose(lean.objective, award.objective) and math.isclose(award.objective, table.at["all four", "net"])
    assert set(lean.bids["bid"]) == set(award.bids["bid"])
    # Counted by bidder a group with two names keeps what it may not have counted by owner.
    assert table.at["all four, by bidder", "here"] > 0.35 > table.at["all four", "here"]
    assert able_to(tender, 107) == 2 and able_to(tender, 30) == 6 and ways.at["each theme", "windows"] == 107
    assert gains[0.5] > gains[0.75] > 0 > gains[1.0]
    assert years.at["one contract", "fifth"] > years.at["one contract", "first"]
    told = " ".join((HERE / "README.md").read_text(encoding="utf-8").split())
    assert [text for text in SAID if text not in told] == []


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
