"""Splitting a service into lots: what is lost by it, and bids by which an award weighs that against competition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from procure_opt.cells import NUMBER, TEXT, BadTable, Problem, Table, check_unique, check_within, read_table
from procure_opt.governance.arguments import above_zero, number, whole
from procure_opt.governance.demand import Queue

MOST_LOTS = 10  # of one queue: each set of them is a bid


def pooling(
    fewest: Callable[[float], Queue],
    arrivals: float,
    shares: Sequence[int | Sequence[float]] = (1, 2, 3, 4),
    *,
    cost: float = 1.0,
    shrinkage: float = 0.0,
) -> pd.DataFrame:
    """What splitting a queue into lots costs in staff: small queues need more agents for the same service.

    Args:
        fewest: The fewest agents for arrivals: `lambda calls: erlang_c(calls, 180)`.
        arrivals: Of the whole service.
        shares: Ways to split it, at least one: a number of equal lots, or the share of each lot.
        cost: Money for one paid member of staff.
        shrinkage: Share of paid time not at work.

    Returns:
        One row a split: `lots`, `shares`, `agents` of each lot, `total`, `extra` agents against one lot, `staff` paid,
        `cost`, and `loss`, the share by which the cost exceeds that of one lot. What `cost` exceeds that of one lot by
        is what competition for several lots must save to pay for itself; in an award `pooled_bids` weighs the two.

    Raises:
        ValueError: shares that do not sum to 1, no shares, or a cost below 0.
        TypeError: fewest gives no queue.

    >>> from procure_opt.governance import erlang_c
    >>> pooling(lambda calls: erlang_c(calls, 180), 200, (1, 2, 4))[["lots", "agents", "total", "extra"]]
       lots        agents  total  extra
    0     1         (14,)     14      0
    1     2        (8, 8)     16      2
    2     4  (5, 5, 5, 5)     20      6
    """
    number("cost", cost, 0)
    if not len(shares):
        raise ValueError("shares is empty; give ways to split the service, such as (1, 2)")
    one = fewest(arrivals)
    if not isinstance(one, Queue):
        raise TypeError(f"fewest gives {one!r}; it must give a Queue, as erlang_c does")
    rows = []
    for split in shares:
        parts = _parts(split)
        queues = [fewest(arrivals * part) for part in parts]
        total = sum(queue.agents for queue in queues)
        staff = sum(queue.staff(shrinkage) for queue in queues)
        rows.append(
            {
                "lots": len(parts),
                "shares": parts,
                "agents": tuple(queue.agents for queue in queues),
                "total": total,
                "extra": total - one.agents,
                "staff": staff,
                "cost": cost * staff,
                "loss": staff / one.staff(shrinkage) - 1,
            }
        )
    return pd.DataFrame(rows)


def _parts(split: Any) -> tuple[float, ...]:
    if np.ndim(split) == 0:
        count = whole("shares", split)
        return (1 / count,) * count
    parts = tuple(number("a share", part, 0, 1, above=True) for part in split)
    if abs(sum(parts) - 1) > 1e-9:
        raise ValueError(f"shares {parts} must all be above 0 and sum to 1; they sum to {sum(parts):g}")
    return parts


def pooled_bids(
    arrivals: Mapping[str, float], rates: Table, need: Callable[[float], float], *, money_unit: float = 0.01
) -> pd.DataFrame:
    """Bids on every package of lots of one queue, from what each supplier asks for a member of staff.

    Whoever has several lots serves them from one queue, and so needs fewer for them together than apart:

        price of a package = rate · need(Σ arrivals of its lots).

    What splitting loses thus stands in the prices of packages, and an award of these bids weighs it exactly against
    what it is to bring: suppliers who can do no more than one lot, caps against a monopoly, a second supplier at hand.

    Args:
        arrivals: Of each lot, in the unit `need` takes: {"east": 100, "west": 100} calls an hour.
        rates: Columns `bidder`, `rate` (money for one member of staff over the time of the contract) · `most` (lots it
            can take at most; blank: all); any other, such as `quality`, goes to each of its bids.
        need: Staff for arrivals: `lambda calls: erlang_c(calls, 180).staff(0.3)`.
        money_unit: What prices are rounded to.

    Returns:
        Rows for the bids of a `Tender`: `bid`, `bidder`, `lots`, `price`, `xor` (a bidder gets one package at most),
        `staff`.

    Raises:
        BadTable: a column that is missing, blank, or out of range, a bidder that stands twice.
        ValueError: no lots or too many, arrivals that are not above 0, a need that is no number.

    >>> from procure_opt.governance import erlang_c
    >>> rates = [{"bidder": "Large", "rate": 9}, {"bidder": "Small", "rate": 6.5, "most": 1}]
    >>> bids = pooled_bids({"east": 100, "west": 100}, rates, lambda calls: erlang_c(calls, 180).agents)
    >>> bids[["bid", "staff", "price"]].values.tolist()
    [['Large: east', 8.0, 72.0], ['Large: west', 8.0, 72.0], ['Large: east + west', 14.0, 126.0],
     ['Small: east', 8.0, 52.0], ['Small: west', 8.0, 52.0]]
    """
    if not 0 < len(arrivals) <= MOST_LOTS:
        raise ValueError(f"arrivals has {len(arrivals)} lots; it must have 1 to {MOST_LOTS}: each set of them is a bid")
    above_zero(money_unit=money_unit, **{f"arrivals of {lot}": much for lot, much in arrivals.items()})
    problems: list[Problem] = []
    columns = {"bidder": TEXT, "rate": NUMBER, "most": NUMBER}
    table = read_table("rates", rates, problems.append, columns, ("bidder", "rate"))
    check_within("rates", table, "rate", 0.0, math.inf, problems.append)
    check_within("rates", table, "most", 1.0, math.inf, problems.append)
    check_unique("rates", table, ["bidder"], problems.append)
    if problems:
        raise BadTable(problems)
    sets = [lots for size in range(1, len(arrivals) + 1) for lots in itertools.combinations(arrivals, size)]
    staff = {lots: number(f"need for {' + '.join(lots)}", need(sum(arrivals[lot] for lot in lots)), 0) for lots in sets}
    rows = []
    for offer in table.to_dict("records"):
        most, rate = offer.pop("most"), offer.pop("rate")
        for lots in sets:
            if not len(lots) > most:
                units = round(rate * staff[lots] / money_unit)
                rows.append(
                    {
                        "bid": f"{offer['bidder']}: {' + '.join(lots)}",
                        **offer,
                        "lots": list(lots),
                        "price": round(units * money_unit, 9),
                        "xor": "package",
                        "staff": staff[lots],
                    }
                )
    return pd.DataFrame(rows, columns=None if rows else ["bid", "bidder", "lots", "price", "xor", "staff"])
