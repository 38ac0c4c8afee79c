"""What it is worth to hold the contract already, and what changing the supplier costs the buyer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from procure_opt.auction import symmetric
from procure_opt.auction.clustered import few_clusters, least_squares
from procure_opt.auction.past import NO, YES, PastBids, past_bids
from procure_opt.auction.revealed import LEAST, Estimate, Floats, Places, numbers_of
from procure_opt.cells import (
    BadTable,
    Problem,
    Table,
    as_text,
)


def incumbency(bids: Table | PastBids, *, values: str | None = None, distribution: Any = None) -> dict[str, Estimate]:
    """What it is worth to hold the contract already, and what it costs the buyer to change the supplier.

    Looks at tenders in which the incumbent and somebody else bid:

    - `"bids"`: by how much the incumbent bids more than its rivals in the same tender, as the mean difference of logs
      (about a share), or of the column `values` as it stands, estimated costs for instance. Auction effects.
    - `"advantage"`: the δ by which the incumbent's cost would have to be lower for it to win as often as it does, where
      the lowest cost wins: P = ∫ f(c) S(c − δ)^m dc with m rivals; for costs uniform on [0, 1],
      δ + (1 − δ^(m + 1)) / (m + 1).
    - `"premium"`: what the buyer paid above the lowest rival bid to keep the incumbent, in the mean of all these
      tenders: changing the supplier costs at least that in the mean, since it was paid to be spared it.
    - `"saving"`: how much lower the new supplier's bid was where the incumbent was left: there, changing the supplier
      cost at most that in the mean.

    Standard errors are clustered by service where it is known, else by auction.

    Args:
        bids: Past tenders, with a column `incumbent` (yes or no), or with `service`, `date` and `winner`: the incumbent
            is then who won the tender of the same service before.
        values: A column to compare in the place of logs of bids.
        distribution: Of the rivals' costs, for δ (see `Market`). None: uniform, and δ is a share of their spread.

    Raises:
        BadTable: nothing tells who the incumbent is, a tender has two, or tenders of a service fall on one day.
        ValueError: there are fewer than 20 tenders in which an incumbent met a rival.

    References: Greenstein (1993), RAND Journal of Economics 24, on incumbents in repeated procurement.

    >>> import numpy as np
    >>> generator = np.random.default_rng(2)
    >>> rows = []
    >>> for auction in range(400):  # a rival's costs are uniform on [0, 1], the incumbent's lower by 0.3; bids 2 + cost
    ...     for bidder, cost in enumerate(generator.random(3) - [0.3, 0, 0]):
    ...         rows.append({"auction": auction, "bidder": bidder, "bid": 2 + cost, "incumbent": int(bidder == 0)})
    >>> found = incumbency(rows)
    >>> round(found["advantage"].value, 1), round(found["advantage"].se, 2), round(found["bids"].value, 2)
    (0.3, 0.03, -0.13)
    """
    past = past_bids(bids)
    table, auctions, notes = past.table, past.auctions, [*past.notes]
    incumbent = _incumbents(table, auctions)
    holders = np.bincount(auctions, incumbent)
    contested = (holders[auctions] == 1) & (np.bincount(auctions)[auctions] > 1)
    left_out = len(np.unique(auctions)) - len(np.unique(auctions[contested]))
    if left_out:
        notes.append(f"{left_out} auctions in which no incumbent, or nobody else, bid are left out")
    meeting, auction = np.unique(auctions[contested], return_inverse=True)
    if len(meeting) < LEAST:
        raise ValueError(f"an incumbent met a rival in {len(meeting)} auctions; at least {LEAST} are needed")
    rows, holds = table[contested], incumbent[contested]
    first = np.unique(auction, return_index=True)[1]
    by = rows["service"] if "service" in rows else rows["auction"]
    cluster = np.asarray(pd.factorize(by)[0], dtype=np.intp)
    notes += few_clusters(int(cluster.max()) + 1, "services" if "service" in rows else "auctions")
    y = np.log(rows["bid"].to_numpy(dtype=float)) if values is None else numbers_of(rows, (values,))[:, 0]
    told = tuple(notes)
    return {
        "bids": _bids_of_incumbents(y, holds, auction, cluster, told),
        "advantage": _advantage(rows, holds, auction, cluster[first], distribution, told),
        **_switching(rows, holds, auction, cluster[first], told),
    }


def _incumbents(table: pd.DataFrame, auctions: Places) -> NDArray[np.bool_]:
    """Whether each bid is the incumbent's."""
    problems: list[Problem] = []
    if "incumbent" in table:
        said = as_text(table["incumbent"])
        for row in table.index[~said.str.lower().isin([*YES, *NO])]:
            reason = f"{said[row]!r} is neither yes nor no: write 1 or 0"
            problems.append(Problem("bids", int(row), "incumbent", reason))
        holds = said.str.lower().isin(YES).to_numpy(dtype=bool)
        twice = np.bincount(auctions, holds)[auctions] > 1
        for row in table.index[twice & holds]:
            problems.append(Problem("bids", int(row), "incumbent", "the auction has another incumbent"))
    else:
        for name in ("service", "date"):
            if name not in table:
                reason = "the column is missing; give incumbent, or service and date to see who won before"
                problems.append(Problem("bids", 1, name, reason))
        if problems:
            raise BadTable(problems)
        holds = _won_before(table, auctions, problems)
    if problems:
        raise BadTable(problems)
    return holds


def _won_before(table: pd.DataFrame, auctions: Places, problems: list[Problem]) -> NDArray[np.bool_]:
    first = np.unique(auctions, return_index=True)[1]
    tenders = table.iloc[first][["service", "date"]]
    for row in tenders.index[tenders["date"].isna()]:
        problems.append(Problem("bids", int(row), "date", "the date is blank: it says which tender came before"))
    for row in tenders.index[tenders.duplicated() & tenders["date"].notna()]:
        reason = f"another tender of {tenders['service'][row]!r} has that date: it cannot be told which came before"
        problems.append(Problem("bids", int(row), "date", reason))
    winners = np.full(len(first), "", dtype=object)
    won = table["winner"].to_numpy(dtype=bool)
    winners[auctions[won]] = table["bidder"].to_numpy(dtype=object)[won]
    ordered = tenders.assign(winner=winners).sort_values("date", kind="stable")
    before = ordered.groupby("service")["winner"].shift().reindex(tenders.index).to_numpy(dtype=object)
    return np.asarray(table["bidder"].to_numpy(dtype=object) == before[auctions], dtype=bool)


def _bids_of_incumbents(
    y: Floats, holds: NDArray[np.bool_], auction: Places, cluster: Places, notes: tuple[str, ...]
) -> Estimate:
    fit = least_squares(y, holds[:, None].astype(float), [np.empty((len(y), 0)), auction], cluster, ("incumbent",))
    assumption = "what else makes an incumbent and its rivals differ is the same for all of them within a tender"
    return Estimate(
        float(fit.coefficients[0]), math.sqrt(float(fit.covariance[0, 0])), assumption, notes, fit.clusters - 1.0
    )


def _mean(values: Floats, cluster: Places) -> tuple[float, float]:
    """The mean and its standard error, clustered."""
    mean = float(values.mean())
    summed = np.bincount(cluster, values - mean)
    used = np.bincount(cluster) > 0
    groups = int(used.sum())
    if groups < 2:
        return mean, math.nan
    return mean, math.sqrt(groups / (groups - 1) * float((summed**2).sum())) / len(values)


def wins(distribution: Any, delta: float, rivals: Places) -> Floats:
    """The probability to win with a cost lower by δ against each number of rivals: ∫ f(c) S(c − δ)^m dc.

    >>> from scipy import stats
    >>> wins(stats.uniform(0, 1), 0.3, np.array([1, 2])).round(9).tolist()
    [0.755, 0.624333333]
    """
    low, high = float(distribution.support()[0]), float(distribution.isf(1e-13))
    start, end = low + max(delta, 0.0), high + min(delta, 0.0)
    if not start < end:
        return np.full(len(rivals), float(delta > 0))
    at, mass = symmetric.masses(distribution, symmetric.grid(distribution, start, end))
    left = distribution.sf(at.ravel() - delta) ** rivals[:, None]
    return np.asarray(distribution.cdf(start) + left @ mass.ravel())


def _advantage(
    rows: pd.DataFrame,
    holds: NDArray[np.bool_],
    auction: Places,
    cluster: Places,
    distribution: Any,
    notes: tuple[str, ...],
) -> Estimate:
    won = np.bincount(auction, holds & rows["winner"].to_numpy(dtype=bool)).astype(float)
    first = np.unique(auction, return_index=True)[1]
    sizes, kind = np.unique(rows["n"].to_numpy(dtype=np.intp)[first] - 1, return_inverse=True)
    shares = np.bincount(kind) / len(kind)
    rate, error = _mean(won, cluster)
    equal = float(shares @ (1 / (sizes + 1)))
    told = (*notes, f"incumbents win {rate:.3f} of tenders in which equal bidders would win {equal:.3f}")
    assumption = (
        "the lowest cost wins; costs are private, independent and alike but for a fixed advantage of the incumbent"
    )
    if distribution is None:
        distribution, told = stats.uniform(0, 1), (*told, "costs are taken to be uniform: δ is a share of their spread")
    if rate in (0.0, 1.0):
        told = (*told, "they win all or none: no advantage is too large")
        return Estimate(math.inf if rate else -math.inf, math.nan, assumption, told)

    def over(delta: float) -> float:
        return float(shares @ wins(distribution, delta, sizes)) - rate

    reach = float(distribution.isf(1e-9) - distribution.ppf(1e-9))
    delta = float(optimize.brentq(over, -reach, reach, xtol=1e-12 * reach))
    step = 1e-4 * reach
    slope = (over(delta + step) - over(delta - step)) / (2 * step)
    return Estimate(delta, error / slope, assumption, told)


def _switching(
    rows: pd.DataFrame, holds: NDArray[np.bool_], auction: Places, cluster: Places, notes: tuple[str, ...]
) -> dict[str, Estimate]:
    bid, won = rows["bid"].to_numpy(dtype=float), rows["winner"].to_numpy(dtype=bool)
    own, rival, taken = (np.full(int(auction.max()) + 1, math.inf) for _ in range(3))
    own[auction[holds]] = bid[holds]
    np.minimum.at(rival, auction[~holds], bid[~holds])
    taken[auction[won & ~holds]] = bid[won & ~holds]
    kept = np.bincount(auction, holds & won) > 0
    left = np.isfinite(taken)
    paid = np.where(kept, np.maximum(own - rival, 0.0), 0.0)
    saved = (own - taken)[left]
    decided = kept | left
    most, least = float(paid.max()), float(saved.min()) if len(saved) else math.inf
    one = (
        f"if it were the same every time: at least {most:g} (the most paid to keep an incumbent)"
        + (f" and at most {least:g} (the least for which one was left)" if len(saved) else "")
        + ("; these contradict each other, so that it varies" if most > least else "")
    )
    if not decided.all():
        notes = (*notes, f"{(~decided).sum()} auctions without a winner are left out of the switching cost")
    assumption = "bids are compared by price and the cost of changing the supplier alone, which the buyer knows"
    premium = Estimate(*_mean(paid[decided], cluster[decided]), assumption, (*notes, one))
    if not len(saved):
        missing = "no incumbent was ever left"
        return {"premium": premium, "saving": Estimate(math.nan, math.nan, assumption, (*notes, missing))}
    return {"premium": premium, "saving": Estimate(*_mean(saved, cluster[left]), assumption, (*notes, one))}
