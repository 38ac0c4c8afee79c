"""Make or buy: whether to put a service out, by all its costs, or by what no contract can say of its quality."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from procure_opt.auction.distributions import Distribution
from procure_opt.governance.arguments import not_negative, number, whole
from procure_opt.governance.lowest_costs import costs_of, lowest_costs

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
            With `per_bid` far more of them may be too dear again, as `table` shows.
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
        in_house: What the work costs in house and is saved by not doing it there (avoidable cost). This and all other
            amounts are in one money, for one length of time.
        costs: Distribution of a supplier's cost (`scipy.stats`), or an estimate from past bids (`estimate_costs`).
        bidders: n, suppliers who will bid.
        adaptation: Expected cost of later changes as a share of the price, 0.05 for 5 % (`adaptation_costs` finds it).
        transaction: Of making the contract: specification, award, start.
        per_bid: What one more bid costs to prepare and to evaluate; the buyer pays both in the end.
        monitoring: Of watching over the contract.
        quality_loss: What the service is worth less than in house, in money; negative if it is worth more.
        reserve: Ceiling price; None for none.
        most: Numbers of bidders in the table.

    Raises:
        ValueError: a cost is negative or no number, or no price can be expected (one bidder or very heavy tails, and
            no reserve).

    References: Coase (1937), Economica 4; Williamson (1985), The Economic Institutions of Capitalism.

    >>> from scipy import stats
    >>> found = make_or_buy(110, stats.uniform(80, 40), 5, adaptation=0.05, transaction=2, per_bid=0.3, monitoring=3,
    ...                     quality_loss=4)
    >>> found.decision, round(found.buy, 6), found.fewest_bidders, round(float(found.break_even["adaptation"]), 10)
    ('buy', 108.5, 5, 0.0660714286)
    """
    distribution, n = costs_of(costs), whole("bidders", bidders)
    not_negative(
        in_house=in_house, adaptation=adaptation, transaction=transaction, per_bid=per_bid, monitoring=monitoring
    )
    number("quality_loss", quality_loss)
    table = _prices(distribution, reserve, max(n, whole("most", most)))
    lumps = transaction + monitoring + quality_loss
    awarded, counts = table["awarded"], table.index.to_numpy()
    price = (table["price"] * awarded).where(awarded > 0, 0.0)
    table["buy"] = price * (1 + adaptation) + awarded * lumps + per_bid * counts + (1 - awarded) * in_house
    chance, paid, buy = (float(each.to_numpy()[n - 1]) for each in (awarded, price, table["buy"]))
    if math.isinf(buy):
        raise ValueError(
            f"with bidders={n} and no reserve= no price can be expected: costs have no upper end, and that of the "
            "second-lowest is infinite in the mean; give the reserve"
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
    ceiling = math.inf if reserve is None else number("reserve", reserve)
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
    number("weakness", weakness, 0, 1)
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
