"""Where the boundary lies: what may be outsourced, whether to, and how many suppliers to ask."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from procure_opt.auction.distributions import Distribution, checked
from procure_opt.auction.symmetric import cells
from procure_opt.cells import NUMBER, TEXT, BadTable, Problem, Table, read_table
from procure_opt.governance.monitoring import above_zero, not_negative

Floats = NDArray[np.float64]

TAIL = np.geomspace(1e-14, 0.01, 60)
BREAKS: Floats = np.unique(np.concatenate([[0.0, 1.0], TAIL, np.linspace(0.01, 0.99, 197), 1 - TAIL]))
PIECES = 400  # of an integral over costs


# ---- the lowest costs of several --------------------------------------------------------------------------


def lowest_costs(costs: Distribution, bidders: int, ceiling: float = math.inf) -> tuple[float, float]:
    """The expected lowest and second-lowest of so many costs, each counted as at most the ceiling.

    E min(C_(k), r) = ∫ min(C(t), r) dB(t; k, n − k + 1), C(t) the cost below which a share t of suppliers lies. With
    one bidder the second-lowest is the ceiling, or the highest cost there can be.

    >>> from scipy import stats
    >>> [round(cost, 6) for cost in lowest_costs(stats.uniform(80, 40), 5)]
    [86.666667, 93.333333]
    """
    breaks = BREAKS if math.isinf(ceiling) else np.union1d(BREAKS, float(costs.cdf(ceiling)))
    share, weight = (each.ravel() for each in cells(breaks))
    # Above 1/2 the share beyond, which is the smaller number, says more precisely where a cost lies.
    with np.errstate(invalid="ignore"):
        cost = np.minimum(np.where(share < 0.5, costs.ppf(share), costs.isf(1 - share)), ceiling)
    n = bidders
    first = float(weight * n * (1 - share) ** (n - 1) @ cost)
    if n == 1:
        return first, min(ceiling, float(costs.support()[1]))
    return first, float(weight * n * (n - 1) * share * (1 - share) ** (n - 2) @ cost)


def costs_of(costs: Any) -> Distribution:
    """A distribution, or that of an estimate from past bids."""
    distribution = getattr(costs, "distribution", costs)
    checked(distribution, "costs")
    return distribution


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 1")
    return int(value)


# ---- make or buy ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MakeOrBuy:
    """Whether to buy, and how far from the other answer that is.

    Attributes:
        decision: "buy" if it costs less than the work in house, else "make".
        buy: What buying is expected to cost in all.
        make: What the work costs in house.
        saving: make − buy.
        parts: What `buy` consists of.
        fewest_bidders: The smallest number of bidders with which buying is cheaper; None if no number up to `most` is.
        best_bidders: The number with which buying costs least.
        break_even: How large each cost may be, all else equal, before the answer changes; adaptation is a share of the
            price, per_bid money a bid. Negative if buying is dearer even without that cost; NaN if it never arises.
        table: By number of bidders: `price` (expected, where a contract is made), `awarded` (probability), `buy`.
    """

    decision: Literal["buy", "make"]
    buy: float
    make: float
    saving: float
    parts: pd.Series
    fewest_bidders: int | None
    best_bidders: int
    break_even: pd.Series
    table: pd.DataFrame


def make_or_buy(
    in_house: float,
    costs: Any,
    bidders: int,
    *,
    adaptation: float = 0.0,
    transaction: float = 0.0,
    per_bid: float = 0.0,
    monitoring: float = 0.0,
    quality_loss: float = 0.0,
    reserve: float | None = None,
    most: int = 50,
) -> MakeOrBuy:
    """Whether to buy a service or to do it oneself: every cost of the contract counts, not only its price.

    Buy if E price(n) · (1 + adaptation) + transaction + per_bid · n + monitoring + quality_loss < in_house.

    The price is that of a tender in equilibrium: the expected second-lowest of n costs, which the lowest price and the
    second price lead to alike. With a reserve r a bid wins with 1 − S(r)^n, a winner is paid min(C_(2), r), and without
    one the work is done in house after all; what comes with a contract is then only counted where there is one.

    Args:
        in_house: What the work costs in house and is saved by not doing it there (avoidable cost).
        costs: Distribution of a supplier's cost (`scipy.stats`), or an estimate from past bids (`estimate_costs`).
        bidders: n, suppliers who will bid.
        adaptation: Expected cost of later changes, as a share of the price (F4 in `adaptation_costs`).
        transaction: Of making the contract: specification, award, start.
        per_bid: What one more bid costs to prepare and to evaluate; the buyer pays both in the end.
        monitoring: Of watching over the contract.
        quality_loss: What the service is worth less than in house, in money; negative if it is worth more.
        reserve: Ceiling price; None for none.
        most: Numbers of bidders in the table.

    Raises:
        ValueError: a cost is negative, or no price is defined (one bidder, no reserve, no highest cost).

    References: Coase (1937), Economica 4; Williamson (1985), The Economic Institutions of Capitalism.

    >>> from scipy import stats
    >>> found = make_or_buy(110, stats.uniform(80, 40), 5, adaptation=0.05, transaction=2, per_bid=0.3, monitoring=3,
    ...                     quality_loss=4)
    >>> found.decision, round(found.buy, 6), found.fewest_bidders, round(float(found.break_even["adaptation"]), 10)
    ('buy', 108.5, 5, 0.0660714286)
    """
    distribution, n = costs_of(costs), _whole("bidders", bidders)
    not_negative(
        in_house=in_house, adaptation=adaptation, transaction=transaction, per_bid=per_bid, monitoring=monitoring
    )
    if not math.isfinite(quality_loss):
        raise ValueError(f"quality_loss is {quality_loss:g}; it must be a number")
    table = _prices(distribution, reserve, max(n, _whole("most", most)))
    lumps = transaction + monitoring + quality_loss
    awarded, counts = table["awarded"], table.index.to_numpy()
    price = (table["price"] * awarded).where(awarded > 0, 0.0)
    table["buy"] = price * (1 + adaptation) + awarded * lumps + per_bid * counts + (1 - awarded) * in_house
    chance, paid, buy = (float(each.to_numpy()[n - 1]) for each in (awarded, price, table["buy"]))
    if math.isinf(buy):
        raise ValueError(
            f"with {n} bidder and no reserve= there is no highest price: costs have no upper end; give the reserve"
        )
    parts = {
        "price": paid, "adaptation": paid * adaptation, "transaction": chance * transaction, "bids": per_bid * n,
        "monitoring": chance * monitoring, "quality_loss": chance * quality_loss, "in_house": (1 - chance) * in_house,
    }  # fmt: skip
    saving = in_house - buy
    units = {
        "adaptation": (adaptation, paid), "transaction": (transaction, chance), "per_bid": (per_bid, float(n)),
        "monitoring": (monitoring, chance), "quality_loss": (quality_loss, chance),
    }  # fmt: skip
    margins = {name: now + saving / unit if unit > 0 else math.nan for name, (now, unit) in units.items()}
    enough = counts[table["buy"] < in_house]
    return MakeOrBuy(
        decision="buy" if buy < in_house else "make",
        buy=buy,
        make=float(in_house),
        saving=saving,
        parts=pd.Series(parts, name="cost"),
        fewest_bidders=int(enough[0]) if len(enough) else None,
        best_bidders=int(counts[table["buy"].argmin()]),
        break_even=pd.Series(margins, name="break-even"),
        table=table,
    )


def _prices(costs: Distribution, reserve: float | None, most: int) -> pd.DataFrame:
    """The expected price where a contract is made, and how likely one is, for 1 to `most` bidders."""
    ceiling = math.inf if reserve is None else float(reserve)
    if math.isnan(ceiling):
        raise ValueError("reserve is NaN; give a price, or None for no ceiling")
    rows = []
    for n in range(1, most + 1):
        none = float(costs.sf(ceiling)) ** n if math.isfinite(ceiling) else 0.0
        second = lowest_costs(costs, n, ceiling)[1]
        paid = second - (ceiling * none if none else 0.0)
        rows.append({"bidders": n, "price": paid / (1 - none) if none < 1 else math.nan, "awarded": 1 - none})
    return pd.DataFrame(rows).set_index("bidders")


# ---- quality that no contract can describe ----------------------------------------------------------------


@dataclass(frozen=True)
class QualityShading:
    """What a contractor, an employee and a planner who sees all would do.

    Attributes:
        decision: "buy" (a contractor) or "make" (an employee), whichever has the larger surplus.
        contractor: Surplus with a contractor.
        employee: Surplus with an employee.
        first_best: Surplus if quality could be contracted for.
        efforts: `cost_cutting` and `innovation` by each of them.
        break_even: The harm of cost cutting at which both are alike; buying is better below it, and `math.inf` says
            that it is for any harm up to `saving`.
    """

    decision: Literal["buy", "make"]
    contractor: float
    employee: float
    first_best: float
    efforts: Mapping[str, tuple[float, float]]
    break_even: float


def quality_shading(saving: float, harm: float, innovation: float, weakness: float) -> QualityShading:
    """Make or buy where quality is not verifiable: a contractor saves too much, an employee tries too little.

    Effort e on cutting costs saves 2A√e and does harm of 2B√e to quality; effort i on innovation is worth 2G√i. A
    contractor, who keeps what it saves and half of what it invents, takes √e = A, √i = G / 2; an employee, who has
    κ = weakness / 2 of both, and of savings net of harm, √e = κ(A − B), √i = κG. Hence the surpluses

        contractor  A² − 2AB + ¾G²,
        employee    (2κ − κ²) [(A − B)² + G²],
        first best  (A − B)² + G².

    Args:
        saving: A, above 0.
        harm: B, at least 0 and at most A: cost cutting is worth something in itself.
        innovation: G, at least 0.
        weakness: λ, the share of an idea that cannot be used without the employee who had it, from 0 to 1.

    Raises:
        ValueError: a number is out of range.

    References: Hart, Shleifer and Vishny (1997), Quarterly Journal of Economics 112.

    >>> found = quality_shading(1, 0.2, 0.8, 0.6)
    >>> found.decision, round(found.contractor, 6), round(found.employee, 6), round(found.break_even, 9)
    ('buy', 1.08, 0.6528, 0.517412994)
    """
    not_negative(saving=saving, harm=harm, innovation=innovation)
    if not 0 <= weakness <= 1:
        raise ValueError(f"weakness is {weakness:g}; it is a share, from 0 to 1")
    if not (saving > 0 and harm <= saving):
        raise ValueError(f"harm is {harm:g} and saving {saving:g}; saving must be above 0, and harm at most that")
    a, b, g, kappa = saving, harm, innovation, weakness / 2
    best = (a - b) ** 2 + g**2
    contractor, employee = a**2 - 2 * a * b + 0.75 * g**2, (2 * kappa - kappa**2) * best
    efforts = {
        "contractor": (a**2, g**2 / 4),
        "employee": ((kappa * (a - b)) ** 2, (kappa * g) ** 2),
        "first_best": ((a - b) ** 2, g**2),
    }
    even = _harm_at_which_both_are_alike(a, g, 2 * kappa - kappa**2)
    return QualityShading("buy" if contractor > employee else "make", contractor, employee, best, efforts, even)


def _harm_at_which_both_are_alike(a: float, g: float, k: float) -> float:
    """The root of k B² + 2A(1 − k) B = (1 − k) A² + (¾ − k) G², which the difference of the surpluses crosses."""
    q = (1 - k) * a**2 + (0.75 - k) * g**2
    even = q / (a * (1 - k) + math.sqrt((a * (1 - k)) ** 2 + k * q))
    return even if even <= a else math.inf


# ---- how many to ask --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Invitations:
    """How many suppliers to ask.

    Attributes:
        bidders: The number with which price and procedure together cost least.
        cost: What they cost then.
        table: By number: `price` (expected), `procedure`, `cost`.
    """

    bidders: int
    cost: float
    table: pd.DataFrame


def invitations(
    costs: Any,
    per_bid: float,
    award: Literal["tender", "quotes"] = "tender",
    *,
    reserve: float | None = None,
    most: int = 200,
) -> Invitations:
    """How many suppliers to ask, where each one more costs something.

    In a tender they compete: min_n E C_(2:n) + e n. Posted quotes are taken as they stand: min_n E C_(1:n) + e n.

    Args:
        costs: Distribution of a supplier's cost (or of posted quotes), or an estimate from past bids.
        per_bid: e, of preparing and evaluating one more bid (of asking for one more quote), above 0.
        award: "tender" or "quotes".
        reserve: Ceiling price, at which one who bids alone is paid; None for none. Costs above it count as the reserve:
            the buyer can have the work for that elsewhere.
        most: The largest number considered.

    Raises:
        ValueError: e is not positive, or the best number is `most` or more.

    References: Stigler (1961), Journal of Political Economy 69.

    >>> from scipy import stats
    >>> tender, quotes = invitations(stats.uniform(0, 1), 0.02), invitations(stats.uniform(0, 1), 0.02, "quotes")
    >>> tender.bidders, round(tender.cost, 9), quotes.bidders, round(quotes.cost, 9)
    (9, 0.38, 6, 0.262857143)
    """
    distribution = costs_of(costs)
    above_zero(per_bid=per_bid)
    if award not in ("tender", "quotes"):
        raise ValueError(f'award is {award!r}; it must be "tender" or "quotes"')
    ceiling = math.inf if reserve is None else float(reserve)
    order = 1 if award == "tender" else 0
    numbers = np.arange(1, _whole("most", most) + 1)
    table = pd.DataFrame({"price": [lowest_costs(distribution, int(n), ceiling)[order] for n in numbers]}, numbers)
    table.index.name = "bidders"
    table["procedure"] = per_bid * numbers
    table["cost"] = table["price"] + table["procedure"]
    best = int(numbers[table["cost"].argmin()])
    if best == most > 1:
        raise ValueError(f"at per_bid={per_bid:g} more than {most} should be asked; raise most=")
    return Invitations(best, float(table["cost"].min()), table)


def reservation_price(costs: Any, per_quote: float) -> float:
    """The quote to stop at when suppliers are asked one after the other: ∫ F up to z = e. It is also the expected cost.

    Args:
        costs: Distribution of quotes.
        per_quote: e, of asking for one more, above 0.

    Raises:
        ValueError: e is not positive.

    References: Weitzman (1979), Econometrica 47.

    >>> from scipy import stats
    >>> round(reservation_price(stats.uniform(0, 1), 0.02), 9)
    0.2
    """
    distribution = costs_of(costs)
    above_zero(per_quote=per_quote)
    low, top = (float(end) for end in distribution.support())

    def saved(z: float) -> float:
        nodes = np.unique(np.clip(np.append(np.linspace(low, z, PIECES), top), low, z))
        at, weights = cells(nodes)
        return float((weights * distribution.cdf(at)).sum()) - per_quote

    # Beyond the median half of what z grows by is saved.
    high = float(distribution.ppf(0.5)) + 2 * per_quote
    return float(optimize.brentq(saved, low, high, xtol=1e-13, rtol=1e-13))


@dataclass(frozen=True, eq=False)
class SearchOrder:
    """Whom to ask in which order, and when to stop.

    Attributes:
        indices: z of each option, the order in which to ask: stop when the best quote is below the next index.
        cost: What is paid in the end and for asking, in the mean.
    """

    indices: pd.Series
    cost: float


def search_order(options: Mapping[Hashable, tuple[Any, float]], outside: float = math.inf) -> SearchOrder:
    """In which order to ask suppliers who differ, and when to stop (Pandora's boxes).

    Each option i has the index z_i at which one more question just pays, E (z_i − X_i)⁺ = e_i. Ask in the order of z,
    stop at a quote below all indices left. The expected cost of this, asking included, is E min(outside, min_i max(z_i,
    X_i)).

    Args:
        options: For each supplier the distribution of its quote and the cost of getting it.
        outside: What the work costs without any of them.

    Raises:
        ValueError: there are no options, or asking is not above 0.

    References: Weitzman (1979), Econometrica 47; Kleinberg, Waggoner and Weyl (2016), arXiv 1603.00119.

    >>> from scipy import stats
    >>> found = search_order({"A": (stats.uniform(5, 4), 0.3), "B": (stats.uniform(6, 2), 0.05),
    ...                       "C": (stats.uniform(4, 8), 0.6)})
    >>> found.indices.round(8).to_dict(), round(found.cost, 8)
    ({'B': 6.4472136, 'A': 6.54919334, 'C': 7.09838668}, 6.74830666)
    """
    if not options:
        raise ValueError("there are no options to search among")
    quotes = {name: costs_of(distribution) for name, (distribution, _) in options.items()}
    index = {name: reservation_price(quotes[name], price) for name, (_, price) in options.items()}
    z = pd.Series(index, name="index").sort_values(kind="stable")
    low, high = float(z.min()), min(outside, *(max(index[name], float(quotes[name].isf(1e-15))) for name in quotes))
    if high <= low:
        return SearchOrder(z, float(min(low, outside)))
    ends = [end for each in quotes.values() for end in (*each.support(), *each.ppf(np.linspace(0.001, 0.999, PIECES)))]
    nodes = np.unique(np.clip([*z, *ends, *np.linspace(low, high, PIECES)], low, high))
    at, weights = cells(nodes[np.append(True, np.diff(nodes) > 0)])
    dearer = np.prod([np.where(at < index[name], 1.0, quote.sf(at)) for name, quote in quotes.items()], axis=0)
    return SearchOrder(z, low + float((weights * dearer).sum()))


# ---- what may be outsourced at all ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Checklist:
    """What is missing before a tender may go out.

    Attributes:
        findings: One a row: `lot` (blank: the tender as a whole), `about`, `sentence`, `source`.
        front_share: The share of the estimates that lies in lots marked front-end; NaN without estimates.
    """

    findings: pd.DataFrame
    front_share: float

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.findings.empty

    @property
    def by_lot(self) -> dict[str, tuple[str, ...]]:
        """The sentences, by lot; under "" those on the tender as a whole."""
        return {str(lot): tuple(rows["sentence"]) for lot, rows in self.findings.groupby("lot", sort=False)}

    def __str__(self) -> str:
        return "\n".join(self.findings["sentence"]) or "nothing is missing"


OBJECT = {  # what a lot says of its object, and what to write where it does not
    "unit": "in what its quantity is counted, such as m² or calls",
    "quantity": "how much of it there is to do",
    "indicator": "by what its fulfilment is measured",
    "price_base": "for what a price is asked, such as a month or a unit",
}
STAGES = {"front": "done before the public", "back": "done behind it"}


def outsourcing_checklist(
    lots: Any, duties: Table | None = None, regime: Table | None = None, bodies: tuple[str, ...] = ()
) -> Checklist:
    """What is missing before lots may be put out to tender: legality, responsibility, and a measurable object.

    1. No rule of the regime bars a lot.
    2. Each lot is marked front-end or back-end (column `stage`: front, back).
    3. Each lot is some duty's, and each duty has exactly one accountable owner, of the bodies if these are given: what
       is outsourced is the work, not the responsibility.
    4. Each lot states its object measurably: `unit`, `quantity`, `indicator`, `price_base`.

    Args:
        lots: A table with `lot`, and the columns that rules and the object ask for; or a tender.
        duties: A table with `duty`, `owner` and `lot` (blank where the work stays in house); a second row of the same
            duty and owner gives it another lot.
        regime: The rules of law or policy in force, as a table: `rule` (its name), `column` of the lots, `test` (see
            `TESTS`), `value`, `share` (blank: each such lot is barred; else at most that share of the estimates may lie
            in such lots), `says` (why, in words) and `source`. None checks no rule, and says so.
        bodies: Who may be accountable; () for anybody.

    Raises:
        BadTable: a table cannot be read, a rule names a test or a column there is not, a duty's lot is unknown.

    References: Williamson (1999), Journal of Law, Economics, and Organization 15 (what governments should not buy).

    >>> lots = [{"lot": "park", "kind": "service", "stage": "front", "unit": "m²", "quantity": 42000,
    ...          "indicator": "share of inspections passed", "price_base": "m² and month"}]
    >>> duties = [{"duty": "clean parks", "owner": "parks office", "lot": "park"}]
    >>> regime = [{"rule": "works", "column": "kind", "test": "is", "value": "works", "says": "works are no service",
    ...            "source": "regulation of the example"}]
    >>> print(outsourcing_checklist(lots, duties, regime))
    nothing is missing
    >>> print(outsourcing_checklist([lots[0] | {"unit": ""}], duties, regime))
    lot park does not say in what its quantity is counted, such as m² or calls (column unit)
    """
    problems: list[Problem] = []
    offered = _read_lots(lots, problems)
    held = read_table("duties", duties, problems.append, {"duty": TEXT, "owner": TEXT, "lot": TEXT}, ("duty",))
    columns = {"rule": TEXT, "column": TEXT, "test": TEXT, "value": TEXT, "share": NUMBER, "says": TEXT, "source": TEXT}
    rules = read_table("regime", regime, problems.append, columns, ("rule", "column", "test", "value", "source"))
    problems += _unknown(offered, held, rules)
    if problems:
        raise BadTable(problems)
    findings = [*_barred(offered, rules), *_unmarked(offered), *_unowned(offered, held, bodies), *_vague(offered)]
    if regime is None:
        findings.insert(0, ("", "regime", "no rules were given, so none was checked", ""))
    estimate, front = offered["estimate"].to_numpy(), (offered["stage"] == "front").to_numpy()
    return Checklist(
        pd.DataFrame(findings, columns=["lot", "about", "sentence", "source"]),
        float(estimate[front].sum() / estimate.sum()) if estimate.sum() > 0 else math.nan,
    )


def _read_lots(lots: Any, problems: list[Problem]) -> pd.DataFrame:
    columns = {"lot": TEXT, "stage": TEXT, "estimate": NUMBER, **dict.fromkeys(OBJECT, TEXT), "quantity": NUMBER}
    table = read_table("lots", getattr(lots, "lots", lots), problems.append, columns, ("lot",))
    twice = table["lot"].duplicated() & (table["lot"] != "")
    problems += [
        Problem("lots", int(row), "lot", f"lot {lot!r} stands there twice")
        for row, lot in zip(table.index[twice], table["lot"][twice].tolist())
    ]
    return table


def _unknown(lots: pd.DataFrame, duties: pd.DataFrame, rules: pd.DataFrame) -> Iterator[Problem]:
    """What tables say of each other that is not so."""
    for row, lot in duties["lot"].items():
        if lot and lot not in set(lots["lot"]):
            yield Problem("duties", int(str(row)), "lot", f"there is no lot {lot!r}")
    for row, rule in rules.iterrows():
        place = int(str(row))
        if rule["column"] and rule["column"] not in lots.columns:
            yield Problem(
                "regime", place, "column", f"the lots have no column {rule['column']!r}, which the rule asks for"
            )
        if rule["test"] and rule["test"] not in TESTS:
            yield Problem("regime", place, "test", f"{rule['test']!r} is no test; there are {', '.join(TESTS)}")
        elif rule["test"] in NUMERIC and _number(rule["value"]) is None:
            yield Problem("regime", place, "value", f"{rule['value']!r} is not a number, which {rule['test']!r} needs")
        elif rule["test"] in NUMERIC and not pd.api.types.is_numeric_dtype(lots.get(rule["column"], pd.Series([0.0]))):
            told = f"column {rule['column']!r} holds no numbers, which {rule['test']!r} needs"
            yield Problem("regime", place, "column", told)
        if not math.isnan(rule["share"]):
            if not 0 <= rule["share"] <= 1:
                yield Problem("regime", place, "share", f"{rule['share']:g} is not a share, from 0 to 1")
            blank = lots.loc[lots["estimate"].isna(), "lot"]
            if len(blank):
                yield Problem(
                    "lots", None, "estimate", f"a rule on shares needs it, and {', '.join(blank[:8])} has none"
                )


Finding = tuple[str, str, str, str]


def _barred(lots: pd.DataFrame, rules: pd.DataFrame) -> Iterator[Finding]:
    for rule in rules.to_dict("records"):
        met = TESTS[rule["test"]](lots[rule["column"]], str(rule["value"])).to_numpy()
        why = f": {rule['says']}" if rule["says"] else ""
        told = f"{rule['column']} {rule['test']} {rule['value']}"
        if math.isnan(rule["share"]):
            for lot in lots["lot"][met].tolist():
                yield lot, "regime", f"lot {lot} may not be put out, since {told}{why}", rule["source"]
            continue
        share = lots["estimate"][met].sum() / lots["estimate"].sum()
        if share > rule["share"]:
            told = f"lots where {told} are {share:.0%} of the estimates, and may be {rule['share']:.0%}{why}"
            yield "", "regime", told, rule["source"]


def _unmarked(lots: pd.DataFrame) -> Iterator[Finding]:
    for lot, stage in zip(lots["lot"], lots["stage"]):
        if stage not in STAGES:
            marks = " or ".join(f"{name} ({told})" for name, told in STAGES.items())
            now = f"is marked {stage!r}" if stage else "is not marked"
            yield lot, "stage", f"lot {lot} {now}; it must be {marks} (column stage)", ""


def _unowned(lots: pd.DataFrame, duties: pd.DataFrame, bodies: tuple[str, ...]) -> Iterator[Finding]:
    for duty in dict.fromkeys(duties["duty"]):
        rows = duties[duties["duty"] == duty]
        owners = [owner for owner in dict.fromkeys(rows["owner"]) if owner]
        where = next(filter(None, rows["lot"]), "")
        if not owners:
            yield where, "owner", f"the duty {duty} has no accountable owner", ""
        elif len(owners) > 1:
            yield where, "owner", f"the duty {duty} has {len(owners)} owners, {' and '.join(owners)}; name one", ""
        elif bodies and owners[0] not in bodies:
            told = (
                f"the duty {duty} is owned by {owners[0]}, who may not be accountable for it ({', '.join(bodies)} may)"
            )
            yield where, "owner", told, ""
    for lot in lots["lot"][~lots["lot"].isin(duties["lot"])]:
        yield lot, "owner", f"lot {lot} belongs to no duty, so that nobody is accountable for it", ""


def _vague(lots: pd.DataFrame) -> Iterator[Finding]:
    for _, row in lots.iterrows():
        for column, told in OBJECT.items():
            given = row[column] > 0 if column == "quantity" else row[column] != ""
            if not given:
                yield row["lot"], column, f"lot {row['lot']} does not say {told} (column {column})", ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _among(column: pd.Series, value: str) -> pd.Series:
    return column.astype(str).isin([each.strip() for each in value.split(";")])


TESTS: dict[str, Callable[[pd.Series, str], pd.Series]] = {  # when a rule concerns a lot; several values as "a;b"
    "is": _among,
    "is not": lambda column, value: ~_among(column, value),
    "above": lambda column, value: column.astype(float) > float(value),
    "below": lambda column, value: column.astype(float) < float(value),
}
NUMERIC = ("above", "below")
