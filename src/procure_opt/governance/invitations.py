"""How many suppliers to ask, in which order, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import optimize

from procure_opt.auction.symmetric import cells
from procure_opt.governance.arguments import above_zero, number, whole
from procure_opt.governance.lowest_costs import costs_of, lowest_costs

PIECES = 400  # of an integral over quotes


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
        ValueError: e is not positive, the best number is `most` or more, or no price can be expected without a reserve.

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
    ceiling = math.inf if reserve is None else number("reserve", reserve)
    order = 1 if award == "tender" else 0
    numbers = np.arange(1, whole("most", most) + 1)
    table = pd.DataFrame({"price": [lowest_costs(distribution, int(n), ceiling)[order] for n in numbers]}, numbers)
    table.index.name = "bidders"
    table["procedure"] = per_bid * numbers
    table["cost"] = table["price"] + table["procedure"]
    if not math.isfinite(table["cost"].min()):
        raise ValueError(f"no price can be expected of up to {most} bidders: costs have no upper end; give the reserve")
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
        outside: What the work costs without any of them; `math.inf` if it cannot be had.

    Raises:
        ValueError: there are no options, asking is not above 0, or `outside` is no number.

    References: Weitzman (1979), Econometrica 47; Kleinberg, Waggoner and Weyl (2016), arXiv 1603.00119.

    >>> from scipy import stats
    >>> found = search_order({"A": (stats.uniform(5, 4), 0.3), "B": (stats.uniform(6, 2), 0.05),
    ...                       "C": (stats.uniform(4, 8), 0.6)})
    >>> found.indices.round(8).to_dict(), round(found.cost, 8)
    ({'B': 6.4472136, 'A': 6.54919334, 'C': 7.09838668}, 6.74830666)
    """
    if not options:
        raise ValueError("there are no options to search among")
    if outside != math.inf:
        number("outside", outside)
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
