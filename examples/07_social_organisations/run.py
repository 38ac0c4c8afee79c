"""Help for social organisations: a reserved share, consortia, a preference, incubation; and what bidders make of each.

python examples/07_social_organisations/run.py [FOLDER]     with a folder, writes help.png there; see README.md
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import integrate, optimize, stats

import procure_opt as po
from procure_opt.auction import Comparison, Equilibrium, FirstPrice, Market, SecondPrice, compare, equilibrium
from procure_opt.governance import RepeatedTender, chain

HERE = Path(__file__).parent
ORGS, NEW = {"kind": "social_organisation"}, {"purchase": "new"}
SHARE = 0.3
DAY_CARE = ["day care Old Town", "day care Harbour"]

# One new service, in thousand yuan a year: what it may cost a firm and an organisation, and what a bid costs either.
FIRMS, ORGANISATIONS = 3, 3
LOW, START, TOP, BID = 80.0, 95.0, 130.0, 0.8
LEARNT, LOST, ROUNDS = 2.5, 0.2, 10  # by contract; the chance that a round without one loses a step; a year each
Floats = NDArray[np.float64]
SAID: list[str] = []  # what README.md repeats


def say(text: str) -> None:
    """Print, and hold README.md to it."""
    SAID.append(text)
    print(text)


def row(*cells: object) -> None:
    """Say a row of a table as README.md has it."""
    say("| " + " | ".join(map(str, cells)) + " |")


def part(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.0f} %"


def signed(amount: float, digits: int = 1) -> str:
    """An amount with its sign."""
    return f"{amount:+.{digits}f}".replace("-", "−")


# ---- the award at the bids that came ----------------------------------------------------------------------


def read() -> po.Tender:
    """The district's tender."""
    lots, bids, bidders = (pd.read_csv(HERE / f"{name}.csv") for name in ("lots", "bids", "bidders"))
    return po.Tender(lots, bids, bidders, name="Social services", money_unit=1)


def preferring(tender: po.Tender, off: float) -> po.Tender:
    """The same bids, a share taken off the evaluated prices of social organisations."""
    preferred = tender.bidders["kind"] == ORGS["kind"]
    return tender.replace(bidders=tender.bidders.assign(deduction=off * preferred))


def awards(tender: po.Tender) -> dict[str, po.Award]:
    """Ways to help, at the same bids."""
    room = po.Capacity("posts")
    consortia = tender.bidders.loc[tender.bidders["members"] != "", "bidder"].tolist()
    alone, reserved = po.Exclude(bidders=consortia), po.MinShare(SHARE, bidders=ORGS, lots=NEW)
    named = po.Exclude(bidders={"kind": ["firm", "mixed"]}, lots=DAY_CARE)
    rules = {
        "no help, each alone": [room, alone],
        "30 % reserved, each alone": [room, alone, reserved],
        "no help, consortia": [room],
        "30 % reserved, consortia": [room, reserved],
        "30 % of each service": [room, po.MinShare(SHARE, bidders=ORGS, lots=NEW, each="service")],
        "two day cares reserved by name": [room, named],
    }
    found = dict(po.scenarios(tender, {name: po.Policy(each) for name, each in rules.items()}).awards)
    for off in (0.06, 0.1, 0.2):
        found[f"{part(off)} off, consortia"] = po.award(preferring(tender, off), po.Policy([room]))
    return {name: award for name, award in found.items() if award is not None}


def held(award: po.Award, kind: str) -> float:
    """The share of the new purchases, by estimate, that bidders of a kind win."""
    lots = award.tender.lots.set_index("lot")
    new = lots["estimate"].where(lots["purchase"] == "new", 0.0)
    kinds = award.tender.bidders.set_index("bidder")["kind"]
    won = award.bids[award.bids["bidder"].map(kinds) == kind]
    return float(sum(new[lot] for bundle in won["lots"] for lot in bundle.split(";")) / new.sum())


def at_these_bids(tender: po.Tender) -> dict[str, po.Award]:
    """Who wins and what it costs; what the reserved share costs, and how much more its winners could have asked."""
    found = awards(tender)
    for name, award in found.items():
        row(name, f"{award.price + award.in_house['cost'].sum():,.0f}", part(held(award, "social_organisation")),
            part(held(award, "mixed")), ", ".join(award.in_house["lot"]) or "–")  # fmt: skip
    price = {name: award.cost for name, award in found.items()}
    free = price["no help, consortia"]
    say(f"make the whole {price['no help, each alone'] - free:.0f} cheaper")
    say(f"by name costs {price['two day cares reserved by name'] - free:.0f}")
    chosen = found["30 % reserved, consortia"]
    costs = po.price_of_constraints(chosen)[["constraint", "costs", "costs_in_payments"]].iloc[-1]
    say(f"The share costs {costs['costs']:.0f} at these bids")
    helped = chosen.tender.bidders.loc[chosen.tender.bidders["kind"] == ORGS["kind"], "bidder"]
    winning = chosen.bids[chosen.bids["bidder"].isin(helped)]
    room = sum(po.price_to_win(chosen, bid) for bid in winning["bid"]) - winning["net"].sum()
    say(f"the organisations that win could have asked {room:.0f} more and still won")
    try:
        po.award(tender, po.Policy([po.Capacity("posts"), po.MinShare(0.6, bidders=ORGS, lots=NEW)]))
    except po.Infeasible as why:
        (most,) = (0.6 - by for rule, by in why.remedies.items() if isinstance(rule, po.MinShare))
        say(f"More than {part(most)} they could not carry")
    return found


# ---- what bidders make of it: one service, a fixed field --------------------------------------------------


def distribution(lowest: float) -> object:
    """Costs from the lowest to the district's own."""
    return stats.uniform(lowest, TOP - lowest)


def rules() -> dict[str, object]:
    """Ways to help, as bidding rules for firms (class 0) and organisations (class 1)."""
    return {
        "lowest price": FirstPrice(),
        "6 % off": FirstPrice(preference={1: 0.06}),
        "20 % off": FirstPrice(preference={1: 0.2}),
        "second price": SecondPrice(TOP),
        "second price, 6 % off": SecondPrice(TOP, preference={1: 0.06}),
        "second price, 7.5 ahead": SecondPrice(TOP, advantage={1: (START - LOW) / 2}),
        "reserved": SecondPrice({0: LOW, 1: TOP}),  # no firm can ask less than its lowest cost
    }


def fixed_field() -> Comparison:
    """Three firms and three organisations who all bid, whatever the rule."""
    market = Market([(distribution(LOW), FIRMS), (distribution(START), ORGANISATIONS)], in_house=TOP)
    found = compare(rules(), market, draws=40_000, seed=7)
    for name, line in found.table.iterrows():
        told = "–"
        if name != found.base:
            ends = to_base(found, str(name))[["difference", "low", "high"]]
            told = "{} ({} to {})".format(*(signed(amount, 2) for amount in ends))
        row(name, f"{line['payment']:.2f}", told, part(line["share_1"]), f"{line['production_cost']:.2f}",
            f"{line['rents']:.2f}")  # fmt: skip
    return found


def to_base(found: Comparison, rule: str, measure: str = "payment") -> pd.Series:
    """The paired difference of a rule to the base."""
    return found.differences.set_index(["measure", "rule"]).loc[(measure, rule)]


class Margins(NamedTuple):
    """What an equilibrium says by another route: each class' profit a supplier, and what is paid."""

    profits: tuple[float, ...]
    payment: float


def margins(found: Equilibrium, points: int = 4_000) -> Margins:
    """Profits as ∫ Q F dc, payment as Σ n E[(c + F / f) Q], Q being the chance to win that bids give a cost c."""
    quantile = (np.arange(points) + 0.5) / points
    classes, factor = found.market.classes, found.rule.factor(np.arange(len(found.market.classes)))
    costs = [each.ppf(quantile) for each, _ in classes]
    asked = [part * found.bid(cost, number) for number, (cost, part) in enumerate(zip(costs, factor, strict=True))]
    profits, payment = [], 0.0
    for number, ((each, count), cost) in enumerate(zip(classes, costs, strict=True)):
        wins = np.ones(points)
        for other, (_, rivals) in enumerate(classes):
            wins *= np.interp(asked[number], asked[other], 1 - quantile, 1, 0) ** (rivals - (other == number))
        rent = quantile / each.pdf(cost)
        profits.append(float((rent * wins).mean()))
        payment += count * float(((cost + rent) * wins).mean())
    return Margins(tuple(profits), payment)


def least_payment(outside: float) -> float:
    """What no rule undercuts: E min(J, v) over all suppliers, with J = 2 c − lowest uniform up to 2 · TOP − lowest."""
    def above(x: float) -> float:
        shares = ((2 * TOP - low - x) / (2 * (TOP - low)) for low in (LOW,) * FIRMS + (START,) * ORGANISATIONS)
        return math.prod(min(max(share, 0.0), 1.0) for share in shares)

    return LOW + float(integrate.quad(above, LOW, outside, points=[START] if outside > START else None)[0])


# ---- who comes --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Help:
    """A share off the evaluated price, the part of an organisation's bid that is paid for, or a reserved contract."""

    off: float = 0.0
    paid: float = 0.0
    reserved: bool = False


class Tendered(NamedTuple):
    """Who comes, what the district spends, the chance that an organisation wins, and what work and bids use up."""

    firms: int
    organisations: int
    outlay: float
    share: float
    used: float


@cache
def field(off: float, lowest: float, firms: int, organisations: int) -> tuple[Equilibrium, Margins]:
    """The second-price tender of those who come."""
    kinds = ((distribution(LOW), firms), (distribution(lowest), organisations))
    preference = {1: off} if firms and organisations else {}
    market = Market([(each, count) for each, count in kinds if count], in_house=TOP)
    found = equilibrium(SecondPrice(TOP, preference=preference), market)
    return found, margins(found)


def worth(which: Help, lowest: float, firms: int, organisations: int, kind: int) -> float:
    """What a bid earns a supplier of a kind: 0 a firm, 1 an organisation."""
    return field(which.off, lowest, firms, organisations)[1].profits[kind if firms else 0]


@cache
def tendered(which: Help, lowest: float, bid: float = BID) -> Tendered:
    """Firms decide first, organisations after them, each as long as what it earns in the mean pays for its bid."""
    for firms in range(0 if which.reserved else FIRMS, -1, -1):
        organisations = 0
        while organisations < ORGANISATIONS and worth(which, lowest, firms, organisations + 1, 1) >= bid - which.paid:
            organisations += 1
        if firms == 0 or worth(which, lowest, firms, organisations, 0) >= bid:
            break
    found, _ = field(which.off, lowest, firms, organisations)
    share = found.win_probability[-1] if organisations else 0.0
    outlay = found.expected_payment + which.paid * organisations
    used = found.expected_cost + bid * (firms + organisations)
    return Tendered(firms, organisations, outlay, share, used)


def who_comes() -> dict[str, Tendered]:
    """The first tender, where preparing a bid costs something."""
    ways = {
        "no help": Help(),
        "4 % off": Help(off=0.04),
        "6 % off": Help(off=0.06),
        "10 % off": Help(off=0.1),
        "14 % off": Help(off=0.14),
        "20 % off": Help(off=0.2),
        "bids paid": Help(paid=BID),
        "reserved": Help(reserved=True),
    }
    found = {name: tendered(which, START) for name, which in ways.items()}
    for name, one in found.items():
        row(name, one.firms, one.organisations, f"{one.outlay:.2f}", part(one.share), f"{one.used:.2f}")
    alone = worth(Help(), START, FIRMS, 1, 1)
    say(f"one organisation among three firms would earn {alone:.2f} in the mean and pay {BID:.2f} for its bid")
    everybody = field(0.0, START, FIRMS, ORGANISATIONS)[0].expected_payment
    say(f"with all six the outlay would be {everybody:.2f}")
    enough = next(x for x in np.arange(41) / 200 if tendered(Help(off=x), START).share >= SHARE)
    mixed = SHARE * found["reserved"].outlay + (1 - SHARE) * found["no help"].outlay
    say(f"reserving three contracts in ten costs {mixed:.2f} a contract")
    reached = tendered(Help(off=float(enough)), START)
    say(f"{100 * enough:.1f} % off gives them {part(reached.share)} of all for {reached.outlay:.2f}")
    return found


def joined() -> tuple[float, float]:
    """A reserved contract's payment if two of the three organisations bid as one, which each could do alone."""
    market = Market((distribution(START), ORGANISATIONS), in_house=TOP)
    together = equilibrium(SecondPrice(TOP), replace(market, rings={0: 2}))
    return equilibrium(SecondPrice(TOP), market).expected_payment, together.expected_payment


# ---- several rounds ---------------------------------------------------------------------------------------

NOTHING, RESERVED = Help(), Help(reserved=True)
Course = Callable[[int], Help]
COURSES: dict[str, Course] = {
    "reserved for 2 rounds": lambda t: RESERVED if t < 2 else NOTHING,
    "reserved for 3 rounds": lambda t: RESERVED if t < 3 else NOTHING,
    "reserved for 5 rounds": lambda t: RESERVED if t < 5 else NOTHING,
    "reserved for good": lambda t: RESERVED,
    "6 % off for 3 rounds": lambda t: Help(off=0.06) if t < 3 else NOTHING,
    "6 % off for good": lambda t: Help(off=0.06),
    "10 % off for good": lambda t: Help(off=0.1),
    "bids paid for good": lambda t: Help(paid=BID),
    "reserved for 3 rounds, then 4 % off": lambda t: RESERVED if t < 3 else Help(off=0.04),
}


class Played(NamedTuple):
    """Means by round."""

    outlay: Floats
    share: Floats
    used: Floats


def played(course: Course, learnt: float = LEARNT, lost: float = LOST, bid: float = BID) -> Played:
    """The rounds of a service: a contract teaches the organisations a step, a round without one may lose them one.

    Steps, each of which takes `learnt` off their lowest cost until it is that of firms, are a Markov chain; what one
    of them learns all know.
    """
    lowest = np.maximum(LOW, START - learnt * np.arange(math.ceil((START - LOW) / learnt) + 1))
    steps, last = np.arange(len(lowest)), len(lowest) - 1
    chance, rounds = (steps == 0).astype(float), []
    for number in range(ROUNDS):
        here = [tendered(course(number), float(low), bid) for low in lowest]
        rounds.append([chance @ [getattr(one, name) for one in here] for name in Played._fields])
        won = chance * [one.share for one in here]
        later = np.zeros(len(lowest))
        np.add.at(later, np.minimum(steps + 1, last), won)
        np.add.at(later, np.maximum(steps - 1, 0), lost * (chance - won))
        chance = later + (1 - lost) * (chance - won)
    return Played(*np.array(rounds).T)


def worth_today(saved: Floats, rate: float) -> float:
    """Present value at the first round."""
    return float((saved / (1 + rate) ** np.arange(len(saved))).sum())


def pays_back(saved: Floats) -> int | None:
    """The round from which on more has been saved than spent; None if that does not come."""
    ahead = np.flatnonzero(np.cumsum(saved) < 0)
    first = int(ahead[-1]) + 2 if len(ahead) else 1
    return first if first <= len(saved) else None


def return_rate(saved: Floats) -> float:
    """The discount rate at which what is saved later is worth what was spent first; NaN where there is none."""
    if saved[0] >= 0 or saved.sum() <= 0:
        return math.nan
    return float(optimize.brentq(lambda rate: worth_today(saved, rate), 0, 10))


def rounds() -> pd.DataFrame:
    """Each course against no help: outlay by round, what is saved, when and at what rate it pays, what it uses up."""
    rest, table = played(lambda t: NOTHING), {}
    for name, course in COURSES.items():
        one = played(course)
        saved, more = rest.outlay - one.outlay, float((one.used - rest.used).sum())
        back, rate = pays_back(saved), return_rate(saved)
        table[name] = {
            "first": one.outlay[0], "last": one.outlay[-1], "share": one.share[-1], "saved": saved.sum(),
            "saved_8": worth_today(saved, 0.08), "back": back, "rate": rate, "used": more,
            "course": np.cumsum(saved),
        }  # fmt: skip
        row(name, f"{one.outlay[0]:.1f}", f"{one.outlay[3]:.1f}", f"{one.outlay[-1]:.1f}", part(one.share[-1]),
            signed(saved.sum()), signed(table[name]["saved_8"]), back or "never",
            "–" if math.isnan(rate) else part(rate), signed(more))  # fmt: skip
    return pd.DataFrame(table).T


def against_none(course: Course, **how: float) -> Floats:
    """What a course saves in each round against no help."""
    return played(lambda t: NOTHING, **how).outlay - played(course, **how).outlay


def by_learning(course: Course, learnt: Sequence[float], lost: Sequence[float]) -> pd.DataFrame:
    """What ten rounds save, by what a contract teaches (rows) and the chance to lose a step (columns)."""
    table = {chance: [against_none(course, learnt=by, lost=chance).sum() for by in learnt] for chance in lost}
    found = pd.DataFrame(table, index=list(learnt))
    for by, line in found.iterrows():
        row(f"{by:g}", *map(signed, line))
    return found


def by_bid(course: Course, costs: Sequence[float]) -> pd.DataFrame:
    """What ten rounds save, now and at 8 %, and up to which rate, by what a bid costs."""
    table = {}
    for bid in costs:
        saved, alone = against_none(course, bid=bid), tendered(NOTHING, START, bid).organisations
        table[bid] = {"saved": saved.sum(), "saved_8": worth_today(saved, 0.08), "rate": return_rate(saved)}
        row(f"{bid:.1f}", alone, signed(saved.sum()), signed(worth_today(saved, 0.08)), part(return_rate(saved)))
    return pd.DataFrame(table).T


def each_for_itself() -> tuple[pd.Series, pd.Series]:
    """Outlay in ten reserved rounds where only who serves learns; and if nobody may serve twice in a row."""
    steps = np.arange(math.ceil((START - LOW) / LEARNT) + 1)
    market = RepeatedTender(
        distribution(START), entrants=ORGANISATIONS - 1, advantage=np.minimum(LEARNT * steps, START - LOW).tolist(),
        reserve=TOP, entry_cost=BID, held=0,
    )  # fmt: skip
    return chain(market, ROUNDS).table["outlay"], chain(replace(market, most_terms=1), ROUNDS).table["outlay"]


# ---- the figure -------------------------------------------------------------------------------------------


def figure(table: pd.DataFrame, folder: Path) -> None:
    """What a preference costs by its size, and what each course has saved by round."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(11, 4.6), dpi=150, layout="constrained")
    FigureCanvasAgg(drawn)
    left, right = drawn.subplots(1, 2)
    off = np.linspace(0, 0.2, 201)
    come = [tendered(Help(off=float(share)), START) for share in off]
    all_bid = [field(float(share), START, FIRMS, ORGANISATIONS)[0].expected_payment for share in off]
    left.plot(100 * off, all_bid, "--", color="#606060", label="all six bid")
    spent = [one.outlay for one in come]
    left.plot(100 * off, spent, color="C0", label="those come whom it pays")
    left.axhline(tendered(RESERVED, START).outlay, color="C4", linewidth=1, label="reserved")
    counts = [(one.firms, one.organisations) for one in come]
    starts = [0, *(k for k in range(1, len(off)) if counts[k] != counts[k - 1])]
    for start, end in zip(starts, [*starts[1:], len(off)], strict=True):
        middle = (start + end - 1) // 2
        firms, organisations = counts[middle]
        left.annotate(f"{firms}+{organisations}", (100 * off[middle], come[middle].outlay),
                      (0 if firms == FIRMS else 7, -14), textcoords="offset points", ha="center", fontsize=8,
                      color="C0")  # fmt: skip
    left.set_xticks(range(0, 21, 5))
    left.set_xlabel("% off the evaluated prices of social organisations")
    left.set_ylabel("mean outlay, thousand yuan")
    left.set_title("One tender, and the firms + organisations that come", fontsize=10)
    shown = ["reserved for 2 rounds", "reserved for 3 rounds", "reserved for 5 rounds", "reserved for good",
             "6 % off for 3 rounds", "6 % off for good"]  # fmt: skip
    for place, name in enumerate(shown):
        line, colour = ("--", "C0") if name.startswith("6 %") else ("-", f"C{place + 1}")
        right.plot(range(1, ROUNDS + 1), table.at[name, "course"], line if "good" not in name else line + "o",
                   color=colour, markersize=3, label=name)  # fmt: skip
    right.axhline(0, color="#909090", linewidth=0.8)
    right.set_xlabel("round")
    right.set_ylabel("saved so far against no help, thousand yuan")
    right.set_title("Ten rounds", fontsize=10)
    for axes in (left, right):
        axes.grid(color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.legend(frameon=False, fontsize=8)
    drawn.savefig(folder / "help.png")


def surprises(found: Comparison) -> list[str]:
    """Equilibria whose payment is not that of their own draws, or not what virtual costs say it is."""
    told = []
    for name, one in found.equilibria.items():
        drawn, error = found.table.loc[name, ["payment", "payment_se"]]
        if abs(drawn - one.expected_payment) > 4.5 * error + 1e-4:
            told.append(f"{name}: {drawn:.3f} drawn, {one.expected_payment:.3f} expected")
        if isinstance(one.rule, FirstPrice) and abs(margins(one).payment - one.expected_payment) > 1e-3:
            told.append(f"{name}: {margins(one).payment:.3f} by virtual costs, {one.expected_payment:.3f} expected")
    return told


def main(folder: Path | None = None) -> None:
    """Award, respond, repeat; check."""
    print("1. At these bids: cost, new purchases won by organisations and by mixed consortia, in house")
    decided = at_these_bids(read())
    problems = [f"{name}: {problem}" for name, award in decided.items() for problem in po.check(award)]
    print("Checked by separate code:", "; ".join(problems) or "nothing to report")

    print("\n2. Bids respond: payment, against the lowest price, organisations win, production cost, suppliers keep")
    fixed = fixed_field()
    best = optimize.minimize_scalar(
        lambda off: field(float(off), START, FIRMS, ORGANISATIONS)[0].expected_payment, bounds=(0, 0.2)
    )
    least = least_payment(TOP)
    say(f"the best preference is {100 * best.x:.1f} %, with {best.fun:.2f}")
    say(f"no rule whatever costs less than {least:.2f}")
    print("Draws and virtual costs against equilibria:", "; ".join(surprises(fixed)) or "agree")

    print("\n3. Bids cost something: firms, organisations, outlay, organisations win, work and bids use up")
    first = who_comes()
    apart, together = joined()
    say(f"If two of the three join, a reserved contract costs {together:.2f} instead of {apart:.2f}")

    print("\n4. Ten rounds: outlay in 1, 4 and 10, organisations win in 10, saved, at 8 %, pays back, rate, used more")
    table = rounds()
    for name in ("6 % off for good", "reserved for 3 rounds"):
        say(f"{table.at[name, 'used'] / table.at[name, 'saved']:.2f} ({name})")
    print("Reserved for 3 rounds: saved by what a contract teaches (rows), by the chance to lose a step (0, 20, 50 %)")
    varied = by_learning(COURSES["reserved for 3 rounds"], (1.5, 2.5, 3.5), (0.0, 0.2, 0.5))
    print("and by what a bid costs: organisations without help, saved, at 8 %, rate")
    dearer = by_bid(COURSES["reserved for 3 rounds"], (0.5, 0.8, 1.0))
    own, in_turn = each_for_itself()
    say(f"from {own.iloc[0]:.1f} to {own.iloc[-1]:.1f} in ten reserved rounds, not to "
        f"{played(COURSES['reserved for good']).outlay[-1]:.1f}")  # fmt: skip
    say(f"costs {(in_turn - own).mean():.1f} more a round")
    if folder is not None:
        figure(table, folder)

    assert problems == []
    read_me = " ".join((HERE / "README.md").read_text(encoding="utf-8").split())
    assert [told for told in SAID if told not in read_me] == []

    # At these bids consortia save more than a third of what the share costs, and names cost more than a share.
    prices = {name: award.cost for name, award in decided.items()}
    assert prices["no help, consortia"] < prices["no help, each alone"] < prices["30 % reserved, consortia"]
    by_share = (prices["30 % reserved, consortia"], prices["30 % reserved, each alone"])
    assert by_share[0] < by_share[1] < prices["two day cares reserved by name"]
    assert held(decided["30 % reserved, consortia"], "social_organisation") >= SHARE
    # A preference leaves what is paid to the prices asked.
    assert decided["6 % off, consortia"].price == decided["no help, consortia"].price

    # The strong bid lower beside a preferred rival, up to a point; for uniform costs three routes give one payment.
    assert surprises(fixed) == [] and fixed.table["epsilon"].max() < 1e-3
    assert to_base(fixed, "6 % off")["high"] < 0 < to_base(fixed, "20 % off")["low"]
    assert to_base(fixed, "6 % off", "production_cost")["low"] > 0
    assert to_base(fixed, "second price")["low"] < 0 < to_base(fixed, "second price")["high"]
    own_reserve = {0: (TOP + LOW) / 2, 1: (TOP + START) / 2}
    market = fixed.equilibria["lowest price"].market
    optimal = equilibrium(SecondPrice(own_reserve, advantage={1: (START - LOW) / 2}), market)
    assert math.isclose(optimal.expected_outlay, least, abs_tol=1e-6)
    ahead = fixed.equilibria["second price, 7.5 ahead"].expected_payment
    assert math.isclose(ahead, least_payment(2 * TOP - LOW), abs_tol=1e-6) and least < ahead < best.fun
    assert math.isclose(first["no help"].outlay, LOW + 2 * (TOP - LOW) / (FIRMS + 1), abs_tol=1e-6)
    assert math.isclose(first["reserved"].outlay, START + 2 * (TOP - START) / (ORGANISATIONS + 1), abs_tol=1e-6)

    # Without help none of them comes; with too much no firm does, and a preference is a reserved contract.
    assert (first["no help"].organisations, first["20 % off"].firms) == (0, 0)
    assert first["20 % off"] == first["reserved"]
    assert first["10 % off"].outlay < first["bids paid"].outlay < first["no help"].outlay < first["reserved"].outlay
    # Every help uses up more than it spares; what the district saves are the firms' margins.
    assert min(one.used for one in first.values()) == first["no help"].used and table["used"].min() > 0
    # Reserved rounds pay if they end, and if enough is learnt.
    assert table.at["reserved for good", "back"] is None and table.at["reserved for 3 rounds", "back"] is not None
    assert varied.loc[1.5].max() < 5 < varied.at[2.5, 0.2] and varied.at[1.5, 0.5] < 0
    # They pay because nobody comes without help: where one does, hardly.
    assert dearer.at[0.5, "saved_8"] < 0 < dearer.at[1.0, "saved_8"] < dearer.at[BID, "saved_8"]
    assert table.at["6 % off for good", "saved"] > 2 * table.at["6 % off for 3 rounds", "saved"] > 0
    assert own.iloc[-1] > played(COURSES["reserved for good"]).outlay[-1] + 5 and together > apart > least


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
