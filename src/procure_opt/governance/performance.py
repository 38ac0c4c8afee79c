"""What was delivered: from measured indicators to service credits, to a rating, and into the next tender.

The table is `performance.csv`: contract, indicator, period, measured, target, evaluator; one row for each reading of an
indicator by an evaluator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from procure_opt.cells import NUMBER, TEXT, BadTable, Problem, Table, as_frame, check_unique, check_within, read_table
from procure_opt.governance.arguments import number

Floats = NDArray[np.float64]

KEY = ["contract", "indicator", "period"]
MOST = 1e15  # beyond it floats are no longer exact to a unit, and nothing delivered is counted in so many


# ---- what the contract says -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Indicator:
    """What a contract says of one indicator.

    With shortfall = what is missing to the target beyond the tolerance, the period's fee is reduced by
    min(most, credit · shortfall / step) of itself, and by `penalty` if there is any shortfall.

    Args:
        name: As in the table.
        better: Whether "higher" or "lower" figures are better.
        weight: In ratings.
        credit: Share of the fee for each step of shortfall.
        step: What counts as a step, in the unit of the indicator.
        tolerance: Shortfall that is let pass.
        most: The most of a period's fee that this indicator can take off.
        penalty: Money for each period with a shortfall.

    Raises:
        ValueError: a figure out of range.

    >>> Indicator("answered in 20 s", credit=0.02, step=0.01, most=0.06).share(np.array([0.0, 0.005, 0.1])).tolist()
    [0.0, 0.01, 0.06]
    """

    name: str
    better: Literal["higher", "lower"] = "higher"
    weight: float = 1.0
    credit: float = 0.0
    step: float = 1.0
    tolerance: float = 0.0
    most: float = 1.0
    penalty: float = 0.0

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise ValueError(f'{self.name}: better is {self.better!r}; it must be "higher" or "lower"')
        for field in ("weight", "credit", "tolerance", "penalty"):
            number(f"{self.name}: {field}", getattr(self, field), 0.0)
        number(f"{self.name}: most", self.most, 0.0, 1.0)
        number(f"{self.name}: step", self.step, 0.0, above=True)

    def shortfall(self, measured: Floats, target: Floats) -> Floats:
        """What is missing to the target, beyond the tolerance."""
        missing = target - measured if self.better == "higher" else measured - target
        # Decimals such as 0.8 − 0.79 are not exact; what is missing by less than a billionth of the target is not.
        return np.where(missing - self.tolerance > 1e-9 * np.abs(target), missing - self.tolerance, 0.0)

    def share(self, shortfall: Floats) -> Floats:
        """The share of the fee that a shortfall takes off."""
        return np.asarray(np.minimum(self.most, self.credit * shortfall / self.step))

    def attained(self, measured: Floats, target: Floats) -> Floats:
        """Points from 0 to 100: measured / target, or target / measured where lower is better, at most 100."""
        over, under = (measured, target) if self.better == "higher" else (target, measured)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.where(over >= under, 100.0, 100.0 * over / under)


# ---- what was delivered -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Performance:
    """What contracts delivered.

    Attributes:
        readings: The table as read.
        table: One row a contract, indicator and period: `measured` (mean of its evaluators), `target`, `evaluators`
            (how many), `shortfall`, `share` of the fee, `penalty`, `attained` (0 to 100).
        indicators: By name.
    """

    readings: pd.DataFrame
    table: pd.DataFrame
    indicators: dict[str, Indicator]

    def charges(self, fees: Mapping[str, float], at_risk: float = 1.0) -> pd.DataFrame:
        """What is taken off the fee of each contract and period.

        credit = fee · min(at_risk, Σ share over indicators); pay = fee − credit − Σ penalty.

        Args:
            fees: The fee of a period in money, by contract; of the contracts measured, and of no other.
            at_risk: The most of a period's fee that credits may take off, from 0 to 1; penalties are not part of that,
                so that pay may fall below 0.

        Returns:
            One row a contract and period: `fee`, `uncapped` (Σ share · fee), `credit`, `penalty`, `pay`.

        Raises:
            ValueError: a contract without a fee or a fee without readings, a fee below 0.
        """
        number("at_risk", at_risk, 0.0, 1.0)
        named = {str(contract): number(f"the fee of {contract}", fee, 0.0) for contract, fee in fees.items()}
        missing = sorted(set(self.table["contract"]) - set(named))
        if missing:
            raise ValueError(f"fees has no fee for {', '.join(missing[:8])}; there are {', '.join(named)}")
        idle = [contract for contract in named if contract not in set(self.table["contract"])]
        if idle:
            raise ValueError(f"fees names {', '.join(idle[:8])}, of which nothing was measured: no pay can be told")
        summed = self.table.groupby(["contract", "period"], sort=False)[["share", "penalty"]].sum().reset_index()
        fee = summed["contract"].map(named).astype(float)
        summed.insert(2, "fee", fee)
        summed["uncapped"] = fee * summed["share"]
        summed["credit"] = fee * np.minimum(summed["share"], at_risk)
        summed["pay"] = fee - summed["credit"] - summed["penalty"]
        return summed[["contract", "period", "fee", "uncapped", "credit", "penalty", "pay"]]

    @property
    def unmeasured(self) -> pd.DataFrame:
        """What was agreed on and not measured: rows `contract`, `indicator`, `period`.

        That is an indicator in a period of a contract that was held to it in another period, and one that was measured
        nowhere in all periods. No credit or penalty is taken for it, and it does not count in ratings.
        """
        read = {tuple(key) for key in self.table[KEY].itertuples(index=False)}
        held = {(contract, indicator) for contract, indicator, _ in read}
        idle = set(self.indicators) - {indicator for _, indicator in held}
        periods = self.table[["contract", "period"]].drop_duplicates().itertuples(index=False)
        rows = [
            (contract, name, period)
            for contract, period in periods
            for name in self.indicators
            if ((contract, name) in held or name in idle) and (contract, name, period) not in read
        ]
        return pd.DataFrame(rows, columns=KEY)

    def missed(self) -> pd.DataFrame:
        """One row a contract and indicator: `periods`, in how many it was `missed`, the `worst` shortfall, the mean
        `share` of the fee that it takes off (before `at_risk`), the sum of its `penalty`."""
        table = self.table.assign(missed=self.table["shortfall"] > 0)
        return table.groupby(["contract", "indicator"], sort=False).agg(
            periods=("period", "size"), missed=("missed", "sum"), worst=("shortfall", "max"), share=("share", "mean"),
            penalty=("penalty", "sum"),
        ).reset_index()  # fmt: skip

    def rating(self, bidders: Mapping[str, str] | None = None) -> Ratings:
        """A rating from 0 to 100 for each bidder, and how far it is to be believed.

        A period's points are Σ weight · attained / Σ weight over the indicators measured in it; own = their mean over
        the bidder's n periods. With s² the variance within bidders and a that between them, credibility Z = n / (n +
        s² / a), rating = Z · own + (1 − Z) · mean: the best linear forecast of the next period (Bühlmann and Straub
        1970, Mitteilungen der Vereinigung schweizerischer Versicherungsmathematiker 70).

        Args:
            bidders: Whose each contract is; None: contracts are called as their bidders.

        Raises:
            ValueError: a contract without a bidder, weights that are all 0, or no bidder with two periods.

        >>> rows = [{"contract": c, "indicator": "kept", "period": t, "measured": m, "target": 100}
        ...         for c, figures in {"A": (90, 92, 94), "B": (70, 80, 75)}.items() for t, m in enumerate(figures)]
        >>> found = performance(rows, [Indicator("kept")]).rating()
        >>> found.table[["own", "credibility", "rating"]].round(2).values.tolist()
        [[92.0, 0.97, 91.72], [75.0, 0.97, 75.28]]
        """
        weight = self.table["indicator"].map({name: each.weight for name, each in self.indicators.items()})
        if not weight.sum() > 0:
            raise ValueError("the weights of all indicators measured are 0; give one of them a weight")
        names = None if bidders is None else {str(contract): bidder for contract, bidder in bidders.items()}
        whose = self.table["contract"] if names is None else self.table["contract"].map(names)
        if whose.isna().any():
            nobody = self.table.loc[whose.isna(), "contract"].unique()
            raise ValueError(f"bidders does not say whose contract {', '.join(nobody[:8])} is")
        parts = pd.DataFrame({"bidder": whose, "contract": self.table["contract"], "period": self.table["period"],
                              "points": weight * self.table["attained"], "weight": weight})  # fmt: skip
        summed = parts.groupby(["bidder", "contract", "period"])[["points", "weight"]].sum()
        summed = summed[summed["weight"] > 0]
        return _credible((summed["points"] / summed["weight"]).groupby(level="bidder"))


def performance(table: Table, indicators: Sequence[Indicator]) -> Performance:
    """Read what was measured and hold it against what was agreed.

    Args:
        table: Columns `contract`, `indicator`, `period`, `measured`, `target` · `evaluator`. Several evaluators of one
            contract, indicator and period are averaged.
        indicators: What the contracts say of each indicator.

    Raises:
        BadTable: a column that is missing, a cell that is blank, below 0 or no number, an indicator nothing is agreed
            on, two readings by one evaluator, or evaluators who were given different targets.
        ValueError: two indicators of one name.

    >>> rows = [{"contract": "north", "indicator": "answered", "period": "2026-01", "measured": 0.76, "target": 0.8}]
    >>> found = performance(rows, [Indicator("answered", credit=0.01, step=0.01, penalty=500)])
    >>> found.charges({"north": 100_000}, at_risk=0.1)[["credit", "penalty", "pay"]].round(2).values.tolist()
    [[4000.0, 500.0, 95500.0]]
    """
    agreed = {each.name: each for each in indicators}
    if len(agreed) < len(indicators):
        twice = next(each.name for each in indicators if [other.name for other in indicators].count(each.name) > 1)
        raise ValueError(f"indicators has two called {twice!r}; one must say what is agreed on it")
    problems: list[Problem] = []
    required = (*KEY, "measured", "target")
    columns = {"contract": TEXT, "indicator": TEXT, "period": TEXT, "measured": NUMBER, "target": NUMBER}
    rows = read_table("performance", as_frame("performance", table, problems.append, required), problems.append,
                      columns | {"evaluator": TEXT}, required)  # fmt: skip
    check_within("performance", rows, "measured", 0.0, MOST, problems.append)
    check_within("performance", rows, "target", 0.0, MOST, problems.append)
    check_unique("performance", rows, [*KEY, "evaluator"], problems.append)
    for row, name in rows["indicator"][~rows["indicator"].isin(["", *agreed])].items():
        told = f"nothing is agreed on {name!r}; there are {', '.join(agreed)}"
        problems.append(Problem("performance", int(str(row)), "indicator", told))
    targets = rows.groupby(KEY, sort=False)["target"].transform("first")
    for row in rows.index[(rows["target"] - targets).abs() > 0]:
        told = f"one target for all evaluators is needed; another was told {float(targets[row]):g}"
        problems.append(Problem("performance", int(row), "target", told))
    if problems:
        raise BadTable(problems)
    return Performance(rows, _judged(rows, agreed), agreed)


def _judged(rows: pd.DataFrame, agreed: Mapping[str, Indicator]) -> pd.DataFrame:
    grouped = rows.groupby(KEY, sort=False)
    table = grouped.agg(measured=("measured", "mean"), target=("target", "first"), evaluators=("measured", "size"))
    table = table.reset_index()
    out = {name: np.zeros(len(table)) for name in ("shortfall", "share", "penalty", "attained")}
    for name, each in agreed.items():
        here = (table["indicator"] == name).to_numpy()
        measured, target = (table[column].to_numpy(dtype=float)[here] for column in ("measured", "target"))
        out["shortfall"][here] = each.shortfall(measured, target)
        out["share"][here] = each.share(out["shortfall"][here])
        out["penalty"][here] = np.where(out["shortfall"][here] > 0, each.penalty, 0.0)
        out["attained"][here] = each.attained(measured, target)
    return table.assign(**out)


# ---- how far the scores are to be believed ----------------------------------------------------------------


class Agreement(NamedTuple):
    """How far evaluators agree who all judged the same.

    Attributes:
        single: ICC(A,1): the share of the variance of one evaluator's scores that is of what was judged.
        low, high: Its interval.
        mean: ICC(A,k): the same for the mean of all k.
        mean_low, mean_high: Its interval.
        consistency: ICC(C,1): how far they agree on the order, strict and lenient ones alike.
        judged: How many were judged by all.
        evaluators: k.
    """

    single: float
    low: float
    high: float
    mean: float
    mean_low: float
    mean_high: float
    consistency: float
    judged: int
    evaluators: int


def agreement(scores: ArrayLike, level: float = 0.95) -> Agreement:
    """Intraclass correlations of scores, shape (judged, evaluators), both drawn from larger groups (two-way random).

    With mean squares R of rows, C of columns and E of the rest, n rows and k columns: ICC(A,1) = (R − E) / (R + (k − 1)
    E + k (C − E) / n), ICC(A,k) = (R − E) / (R + (C − E) / n), ICC(C,1) = (R − E) / (R + (k − 1) E) (Shrout and Fleiss
    1979, Psychological Bulletin 86); intervals by McGraw and Wong (1996, Psychological Methods 1). Estimates below 0,
    which chance may give, are reported as 0.

    Args:
        scores: No blanks: who was not judged by all is to be left out beforehand.
        level: Of the intervals.

    Raises:
        ValueError: fewer than two rows or columns, blanks, or scores that are all the same.

    >>> found = agreement([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    >>> [round(each, 2) for each in (found.single, found.low, found.high, found.mean, found.consistency)]
    [0.29, 0.02, 0.76, 0.62, 0.71]
    """
    table = np.asarray(scores, dtype=float)
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it must lie between 0 and 1")
    if table.ndim == 2 and table.shape[1] == 1:
        raise ValueError("there is one evaluator, with whom nobody can be compared; give the scores of two or more")
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(
            f"scores of the shape {table.shape} cannot be compared; give at least two rows (judged) and two columns "
            f"(evaluators), without blanks"
        )
    n, k = table.shape
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    r = k * float(rows.var(ddof=1))
    c = n * float(columns.var(ddof=1))
    e = float(((table - rows - columns + table.mean()) ** 2).sum()) / ((n - 1) * (k - 1))
    if not r + c + e > 0:
        raise ValueError("all scores are the same: they tell nothing apart, and agreement cannot be computed")
    above = max(r - e, 0.0)  # what was judged differs by no more than chance where this is 0: then nothing is agreed on
    single = above / (r + (k - 1) * e + k * (c - e) / n) if above else 0.0
    low, high = _interval(r, c, e, n, k, single, level)
    return Agreement(
        single,
        low,
        high,
        mean=k * single / (1 + (k - 1) * single),
        mean_low=k * low / (1 + (k - 1) * low),
        mean_high=k * high / (1 + (k - 1) * high),
        consistency=above / (r + (k - 1) * e) if above else 0.0,
        judged=n,
        evaluators=k,
    )


def _interval(r: float, c: float, e: float, n: int, k: int, single: float, level: float) -> tuple[float, float]:
    if single >= 1 - 1e-12:
        return 1.0, 1.0
    if not r > 0:
        return 0.0, 0.0
    a = k * single / (n * (1 - single))
    b = 1 + k * single * (n - 1) / (n * (1 - single))
    v = (a * c + b * e) ** 2 / ((a * c) ** 2 / (k - 1) + (b * e) ** 2 / ((n - 1) * (k - 1)))
    quantiles = stats.f.ppf((1 - level) / 2, v, n - 1), stats.f.isf((1 - level) / 2, v, n - 1)
    rest = k * c + (k * n - k - n) * e
    low, high = (max(0.0, float(n * (f * r - e) / (rest + n * f * r))) for f in quantiles)
    return low, high


def reliability(done: Performance, level: float = 0.95) -> pd.DataFrame:
    """How far the evaluators of each indicator agree, over the contracts and periods that all of them judged.

    Returns:
        One row an indicator: the attributes of `Agreement`, `left_out` (contracts and periods not judged by all),
        `why_not` where agreement cannot be computed.
    """
    rows = []
    for name, readings in done.readings.groupby("indicator", sort=False):
        table = readings.pivot(index=["contract", "period"], columns="evaluator", values="measured")
        whole = table.dropna()
        row: dict[str, Any] = {"indicator": name, "left_out": len(table) - len(whole), "why_not": ""}
        try:
            row |= agreement(whole, level)._asdict()
        except ValueError as problem:
            row["why_not"] = str(problem)
        rows.append(row)
    columns = ["indicator", *Agreement._fields, "left_out", "why_not"]
    return pd.DataFrame(rows, columns=columns).set_index("indicator")


def leniency(done: Performance) -> pd.DataFrame:
    """How each evaluator differs from the mean of the others who judged the same: one row an indicator and evaluator.

    Returns:
        `judged` (together with others), `mean` difference, its standard error `se`; NaN with fewer than two.
    """
    rows = done.readings[[*KEY, "evaluator", "measured"]].copy()
    grouped = rows.groupby(KEY)["measured"]
    count, total = grouped.transform("size"), grouped.transform("sum")
    rows = rows[count > 1].assign(off=lambda each: each["measured"] - (total - each["measured"]) / (count - 1))
    found = rows.groupby(["indicator", "evaluator"], sort=False)["off"]
    return found.agg(judged="size", mean="mean", se="sem").reset_index()


# ---- into the next tender ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of bidders, from 0 to 100.

    Attributes:
        table: One row a bidder: `own` (mean of its periods), `periods`, `credibility` Z, `rating`.
        mean: What is expected of a bidder nothing is known of.
        within: Variance of the periods of one bidder.
        between: Variance of bidders.
    """

    table: pd.DataFrame
    mean: float
    within: float
    between: float

    def of(self, bidders: Sequence[str], newcomer: float | None = None) -> Floats:
        """The rating of each, that of newcomers the mean unless another is given: no record is neither good nor bad."""
        other = self.mean if newcomer is None else newcomer
        number("newcomer", other, 0.0, 100.0)
        return self.table["rating"].reindex(list(bidders)).fillna(other).to_numpy(dtype=float)

    def quality(self, bids: Table, weight: float = 1.0, newcomer: float | None = None) -> pd.DataFrame:
        """Bids of the next tender, their `quality` being (1 − weight) · quality as offered + weight · rating.

        Args:
            bids: With `bidder`, and with `quality` where weight < 1.
            weight: Of the record, from 0 to 1; to be announced with the tender.
            newcomer: The rating of bidders without a record; None for the mean.

        Raises:
            ValueError: a weight outside 0 to 1, or a bid without quality where it is needed.

        >>> record = Ratings(pd.DataFrame({"rating": [90.0]}, index=["A"]), mean=80, within=1, between=1)
        >>> record.quality([{"bidder": "A", "quality": 60}, {"bidder": "New", "quality": 70}], weight=0.5)[
        ...     "quality"].tolist()
        [75.0, 75.0]
        """
        number("weight", weight, 0.0, 1.0)
        table = pd.DataFrame(bids).copy()
        rated = self.of(table["bidder"].astype(str).tolist(), newcomer)
        if weight < 1:
            offered = table["quality"].to_numpy(dtype=float) if "quality" in table else np.full(len(table), np.nan)
            if np.isnan(offered).any():
                raise ValueError(f"{int(np.isnan(offered).sum())} bids have no quality, which counts {1 - weight:.0%}")
            rated = (1 - weight) * offered + weight * rated
        return table.assign(quality=rated)

    def scores(self, bids: Table, criterion: str = "record", newcomer: float | None = None) -> pd.DataFrame:
        """The same as rows for the `scores` table of the next tender: bid, criterion, evaluator, score."""
        table = pd.DataFrame(bids)
        rated = self.of(table["bidder"].astype(str).tolist(), newcomer)
        return pd.DataFrame({"bid": table["bid"], "criterion": criterion, "evaluator": "record", "score": rated})


def _credible(points: Any) -> Ratings:
    """Bühlmann and Straub's estimators, each period of weight 1."""
    own, count = points.mean(), points.size()
    within_sum, free = float((points.var(ddof=0) * count).sum()), float((count - 1).sum())
    if not free > 0:
        raise ValueError("no bidder has two periods: how far ratings are to be believed cannot be told from them")
    within, total = within_sum / free, float(count.sum())
    between, weight = 0.0, np.zeros(len(own))
    if len(own) > 1:
        middle = float((own * count).sum()) / total
        spread = float((count * (own - middle) ** 2).sum()) - (len(own) - 1) * within
        between = max(0.0, spread / (total - float((count**2).sum()) / total))
    if between > 0:
        weight = (count * between / (count * between + within)).to_numpy()
    mean = float(weight @ own) / weight.sum() if between > 0 else float((own * count).sum()) / total
    rating = weight * own + (1 - weight) * mean
    table = pd.DataFrame({"own": own, "periods": count, "credibility": weight, "rating": rating})
    return Ratings(table.rename_axis("bidder"), mean, within, between)
