"""Many bidding rules on one market, compared on the same draws of what the work costs the suppliers.

Common random numbers: costs are drawn once and every rule is played on them, so that differences between rules are far
better known than the rules themselves. With first and second price Var(SP − FP) = Var SP − Var FP, half of what
independent draws would give with three suppliers of uniform costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction.asymmetric import NotConverged
from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.market import Market
from procure_opt.auction.multiple import holm
from procure_opt.auction.packages import LocalLocalGlobal
from procure_opt.auction.scored import ScoreEquilibrium
from procure_opt.auction.simulate import (
    BIDS,
    CHEAPEST,
    COST,
    ENTRANTS,
    PAYMENT,
    QUALITY,
    WON,
    Found,
    Game,
    Moments,
    simulated,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Measure = Callable[[Floats], tuple[float, Floats]]  # means of what was summed -> value and gradient

POWER = 0.8  # of the test that a detectable difference refers to


@dataclass(frozen=True, eq=False)
class Comparison:
    """Bidding rules on one market, with intervals.

    Attributes:
        table: A row a rule, in the order given. Each measure x comes as `x`, its standard error `x_se` and the ends
            `x_low` and `x_high` of its interval, mean ± t · se (for ratios by the delta method):

            | measure | what it is |
            |---|---|
            | `payment` | what suppliers are paid, 0 where nothing is awarded |
            | `outlay` | payment, and the in-house cost where nothing is awarded |
            | `production_cost` | what the work costs whoever does it: the winner, or in-house |
            | `cost_ratio` | mean production cost / mean cost of the cheapest supplier or in-house (not for scores) |
            | `welfare` | value − production cost − λ · outlay − transaction cost |
            | `quality` | what is delivered, in the mean of contracts awarded (only where the market has a quality) |
            | `rents` | payment less the winner's cost and all entry costs |
            | `share_0`, `share_1`, … | chance that a supplier of the class wins, as the market bids |
            | `share_in_house` | chance that nothing is awarded |
            | `hhi` | Σ of squared shares of the classes in what is awarded, 0–1 |
            | `participation` | mean number of bids |
            | `transaction_cost` | entry costs (in a fixed field all pay them), and the buyer's of evaluating bids |

            Then `epsilon`, what a supplier could gain by another bid, and `note`: which equilibrium this is, or why
            there is none. A rule without one has NaN elsewhere. Outlay and production cost are NaN where nothing is
            awarded at times and the work cannot be done in-house.
        differences: A row a rule other than the base and measure: `difference` to the base on the same draws, `se`,
            `low`, `high`, `p` (two-sided t), `p_holm` (Holm's over the rules, for each measure apart) and `detectable`:
            the difference found in 80 of 100 repetitions at the level.
        equilibria: Of the rules that have one.
        draws: How many tenders were drawn.
        base: The rule the others are compared with.
        level: Of the intervals.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    equilibria: Mapping[str, Found]
    draws: int
    base: str
    level: float
    moments: Moments = field(repr=False)

    def __str__(self) -> str:
        shown = ["payment", "payment_se", "outlay", "cost_ratio", "rents", "participation", "epsilon", "note"]
        head = f"{self.draws:,} draws, compared with {self.base}"
        return f"{head}\n{self.table[shown].to_string(float_format='{:.6g}'.format)}"

    def plot(self) -> Figure:
        """Payments with their intervals, and what each class bids for each cost.

        Raises:
            ImportError: matplotlib is not there.
        """
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError:
            raise ImportError('plots need matplotlib: pip install "procure-opt[plot]"') from None
        figure = Figure(figsize=(11, 4.5), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        self._plot_payments(left)
        self._plot_bids(right)
        return figure

    def _plot_payments(self, axes: Axes) -> None:
        for place, (_, row) in enumerate(self.table.iterrows()):
            colour = f"C{place % 10}"
            if math.isnan(row["payment"]):
                axes.text(0.02, place, "no equilibrium", transform=axes.get_yaxis_transform(), va="center", fontsize=9)
                continue
            off = [[row["payment"] - row["payment_low"]], [row["payment_high"] - row["payment"]]]
            axes.errorbar(row["payment"], place, xerr=off, marker="o", capsize=4, color=colour)
            axes.annotate(f"{row['payment']:.4g}", (row["payment"], place), (0, 7), textcoords="offset points",
                          ha="center", fontsize=9)  # fmt: skip
        axes.set_yticks(range(len(self.table)), [str(name) for name in self.table.index])
        axes.set_ylim(len(self.table) - 0.5, -0.5)
        axes.margins(x=0.15)
        axes.set_xlabel(f"mean payment, with its {self.level:.0%} interval")
        axes.grid(axis="x", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)

    def _plot_bids(self, axes: Axes) -> None:
        lines = ("-", "--", ":", "-.")
        for place, name in enumerate(self.table.index):
            if name not in self.equilibria:
                continue
            found = self.equilibria[name]
            for number, (distribution, _) in enumerate(found.market.classes):
                costs = np.linspace(float(distribution.ppf(0.0)), float(distribution.ppf(0.999)), 400)
                told = f"_{name}" if number else name
                axes.plot(costs, found.bid(costs, number), lines[number % 4], color=f"C{place % 10}", label=told)
        classes = len(next(iter(self.equilibria.values())).market.classes)
        for number in range(classes if classes > 1 else 0):
            axes.plot([], [], lines[number % 4], color="#606060", label=f"class {number}")
        ends = axes.get_xlim()
        axes.axline((ends[0], ends[0]), slope=1, color="#a0a0a0", linewidth=0.8, zorder=0)
        axes.set_xlim(ends)
        axes.set_xlabel("cost")
        axes.set_ylabel("bid (grey: the cost itself)")
        axes.legend(frameon=False, fontsize=8)


def compare(
    rules: Mapping[str, Any] | Sequence[Any],
    market: Market | LocalLocalGlobal,
    draws: int,
    seed: int,
    *,
    executor: Executor | None = None,
    checkpoint: str | Path | None = None,
    base: str | int | None = None,
    value: float | None = None,
    funds_cost: float = 0.0,
    evaluation_cost: float = 0.0,
    level: float = 0.95,
    progress: bool = False,
) -> Comparison:
    """Compare bidding rules on one market, with suppliers who bid their best response to each rule.

    1. The equilibrium of each rule is computed once, here.
    2. Costs are drawn, once for all rules, and each rule is played on them with the bids of its equilibrium. Rules
       under which different suppliers take part see the same costs.
    3. Means and products of what comes out give the measures, their standard errors and the paired differences.

    Args:
        rules: By name, or a sequence, which are then named by what they are.
        market: Who bids, and what it costs them: a `Market`, or a `LocalLocalGlobal` for rules on packages, where a
            class is said to win if one of it does, and what is done in-house is paid, and costs, the ceiling.
        draws: How many tenders; at least 2.
        seed: The same seed gives the same numbers, wherever and by however many they are worked out.
        executor: Who works out the draws, in blocks of 65,536: any `concurrent.futures.Executor`, such as the
            `client.get_executor()` of a Dask cluster; None: this process.
        checkpoint: A file that keeps each finished block: the same call goes on from there. `draws` may grow; whatever
            else enters the draws must be the same.
        base: The rule to compare the others with, by name or place; None: the first that has an equilibrium.
        value: What the work is worth, for `welfare`; None: left out of it.
        funds_cost: λ: what it costs to raise one unit of public money, on top of it.
        evaluation_cost: What it costs the buyer to evaluate a bid.
        level: Of the intervals.
        progress: Show a bar on stderr.

    Raises:
        ValueError: no rule has an equilibrium in this market, or the base has none; a parameter is out of range; the
            checkpoint is one of another comparison.

    >>> from scipy import stats
    >>> from procure_opt.auction.rules import FirstPrice, SecondPrice
    >>> market = Market((stats.uniform(0, 1), 5), in_house=1)
    >>> found = compare([FirstPrice(), SecondPrice()], market, 100_000, 1)
    >>> found.table["payment"].round(2).to_dict()
    {'FirstPrice()': 0.33, 'SecondPrice()': 0.33}
    >>> paid = found.differences.query("measure == 'payment'").iloc[0]
    >>> paid["rule"], bool(paid["low"] < 0 < paid["high"])
    ('SecondPrice()', True)
    """
    if not isinstance(market, Market | LocalLocalGlobal):
        raise ValueError(f"rules are compared on a Market, or on a LocalLocalGlobal, not {market!r}")
    if isinstance(draws, bool) or draws != int(draws) or draws < 2:
        raise ValueError(f"draws is {draws!r}; it must be a whole number of at least 2")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be a whole number of at least 0")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it must be between 0 and 1, such as 0.95")
    for told, amount in (("funds_cost", funds_cost), ("evaluation_cost", evaluation_cost)):
        if not 0 <= amount < math.inf:
            raise ValueError(f"{told} is {amount!r}; it must be at least 0")
    named = _named(rules)
    found, missing = _solved(named, market)
    names = list(found)
    chosen = _base(base, list(named), found, missing)
    acting = market if isinstance(market, LocalLocalGlobal) else market.acting()
    game = Game(acting, tuple(found.values()), names.index(chosen), int(seed))
    moments = simulated(game, int(draws), names, executor, checkpoint, progress)
    measures = _measures(game.market, moments, float(value or 0), float(funds_cost), float(evaluation_cost))
    return Comparison(
        _table(list(named), found, missing, measures, moments, level),
        _differences(list(named), names, chosen, measures, moments, level),
        found, int(draws), chosen, level, moments,
    )  # fmt: skip


def _named(rules: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Rules by name; those of a sequence by what sets them apart from their defaults."""
    if not rules:
        raise ValueError("there is no rule to compare; give some, such as [FirstPrice(), SecondPrice()]")
    if isinstance(rules, Mapping):
        return {str(name): rule for name, rule in rules.items()}
    named: dict[str, Any] = {}
    for rule in rules:
        name = told = _told(rule)
        number = 1
        while name in named:
            number += 1
            name = f"{told} ({number})"
        named[name] = rule
    return named


def _told(rule: Any) -> str:
    if not is_dataclass(rule) or isinstance(rule, type):
        return repr(rule)
    parts = []
    for each in fields(rule):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        given = getattr(rule, each.name)
        if given != default:
            shown = getattr(given, "__name__", repr(given)) if callable(given) else repr(given)
            parts.append(f"{each.name}={shown}")
    return f"{type(rule).__name__}({', '.join(parts)})"


def _solved(named: Mapping[str, Any], market: Market | LocalLocalGlobal) -> tuple[dict[str, Found], dict[str, str]]:
    """Equilibria, and why there is none."""
    found: dict[str, Found] = {}
    missing: dict[str, str] = {}
    for name, rule in named.items():
        try:
            each = equilibrium(rule, market)
        except (ValueError, NotConverged) as why:
            missing[name] = str(why)
            continue
        if isinstance(each, ScoreEquilibrium) or getattr(market, "quality", None) is None:
            found[name] = each
        else:
            missing[name] = "costs are types here, at which quality is more or less dear, and this rule asks for none"
    if not found:
        told = "; ".join(f"{name}: {why}" for name, why in missing.items())
        raise ValueError(f"no rule has an equilibrium in this market: {told}")
    return found, missing


def _base(base: str | int | None, names: list[str], found: Mapping[str, Found], missing: Mapping[str, str]) -> str:
    if base is None:
        return next(iter(found))
    if isinstance(base, int) and not isinstance(base, bool) and 0 <= base < len(names):
        base = names[base]
    if base not in names:
        raise ValueError(f"the base, {base!r}, is none of the rules, which are {', '.join(names)}")
    if base in missing:
        raise ValueError(f"the base, {base}, has no equilibrium here: {missing[str(base)]}; choose another base")
    return str(base)


def _measures(
    market: Market | LocalLocalGlobal, moments: Moments, value: float, funds: float, evaluation: float
) -> dict[str, Measure]:
    """Each measure as a function of the means of what was summed, with its gradient."""
    sums, classes = moments.mean.shape[1], len(market.classes)
    single = market if isinstance(market, Market) else None  # for packages in-house work is in what was summed
    quality_matters = single is not None and single.quality is not None
    unit = np.eye(sums)
    payment, cost, quality, bids, entrants, cheapest = (unit[row] for row in
                                                        (PAYMENT, COST, QUALITY, BIDS, ENTRANTS, CHEAPEST))  # fmt: skip
    won = unit[WON:].sum(axis=0)
    always = np.all(moments.mean[:, WON:].sum(axis=1) > 1 - 0.5 / moments.draws)
    in_house, entry = 0.0, 0.0 * entrants
    if single is not None:
        entry = single.entry_cost * entrants
        if single.in_house is not None or not always:
            in_house = math.nan if single.in_house is None else single.in_house
    outlay, production, transaction = payment - in_house * won, cost - in_house * won, entry + evaluation * bids

    def linear(slope: Floats, start: float = 0.0) -> Measure:
        return lambda mean: (float(slope @ mean) + start, slope)

    def ratio(above: Floats, below: Floats, start: float = 0.0) -> Measure:
        def measured(mean: Floats) -> tuple[float, Floats]:
            divisor = float(below @ mean)
            if divisor == 0:
                return math.nan, np.full(sums, math.nan)
            quotient = (float(above @ mean) + start) / divisor
            return quotient, (above - quotient * below) / divisor

        return measured

    def hhi(mean: Floats) -> tuple[float, Floats]:
        total = float(won @ mean)
        if total == 0:
            return math.nan, np.full(sums, math.nan)
        shares = mean[WON:] / total
        index = float(shares @ shares)
        return index, np.append(np.zeros(WON), 2 * (shares - index) / total)

    measures = {
        "payment": linear(payment),
        "outlay": linear(outlay, in_house),
        "production_cost": linear(production, in_house),
        "cost_ratio": ratio(production, cheapest, math.nan if quality_matters else in_house),
        "welfare": linear(-production - funds * outlay - transaction, value - in_house * (1 + funds)),
    }
    if quality_matters:
        measures["quality"] = ratio(quality, won)
    measures["rents"] = linear(payment - cost - entry)
    for number in range(classes):
        measures[f"share_{number}"] = linear(unit[WON + number])
    measures["share_in_house"] = linear(-won, 1.0)
    return measures | {"hhi": hhi, "participation": linear(bids), "transaction_cost": linear(transaction)}


def _spread(gradient: Floats, products: Floats, other: Floats, draws: int) -> float:
    """The covariance of two estimates."""
    return float(gradient @ products @ other) / (draws - 1) / draws


def _table(
    names: list[str], found: Mapping[str, Found], missing: Mapping[str, str], measures: Mapping[str, Measure],
    moments: Moments, level: float,
) -> pd.DataFrame:  # fmt: skip
    wide = float(stats.t.ppf((1 + level) / 2, moments.draws - 1))
    rows: list[dict[str, Any]] = []
    places = {name: place for place, name in enumerate(found)}
    for name in names:
        row: dict[str, Any] = {}
        for measure, of in measures.items():
            mean, error = math.nan, math.nan
            if name in found:
                place = places[name]
                mean, gradient = of(moments.mean[place])
                error = _root(_spread(gradient, moments.own[place], gradient, moments.draws))
            row |= {measure: mean, f"{measure}_se": error}
            row |= {f"{measure}_low": mean - wide * error, f"{measure}_high": mean + wide * error}
        row["epsilon"] = found[name].epsilon if name in found else math.nan
        row["note"] = getattr(found[name], "note", "") if name in found else missing[name]
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(names, name="rule"))


def _differences(
    names: list[str], found: list[str], base: str, measures: Mapping[str, Measure], moments: Moments, level: float
) -> pd.DataFrame:
    degrees, draws, rest = moments.draws - 1, moments.draws, found.index(base)
    wide = float(stats.t.ppf((1 + level) / 2, degrees))
    needed = wide + float(stats.t.ppf(POWER, degrees))
    rows: list[dict[str, Any]] = []
    for measure, of in measures.items():
        theirs, slope = of(moments.mean[rest])
        variance = _spread(slope, moments.own[rest], slope, draws)
        for name in names:
            if name == base:
                continue
            gap, error = math.nan, math.nan
            if name in found:
                place = found.index(name)
                mine, gradient = of(moments.mean[place])
                gap = mine - theirs
                both = _spread(gradient, moments.cross[place], slope, draws)
                error = _root(_spread(gradient, moments.own[place], gradient, draws) + variance - 2 * both)
            p = math.nan if math.isnan(gap) else float(gap == 0)
            if error > 0:
                p = 2 * float(stats.t.sf(abs(gap) / error, degrees))
            rows.append({"rule": name, "measure": measure, "difference": gap, "se": error, "low": gap - wide * error,
                         "high": gap + wide * error, "p": p, "detectable": needed * error})  # fmt: skip
    columns = ["rule", "measure", "difference", "se", "low", "high", "p", "p_holm", "detectable"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = table.groupby("measure")["p"].transform(lambda p: holm(p.to_numpy(dtype=float)))
    return table


def _root(variance: float) -> float:
    """The standard error; a variance that rounding left below 0 is 0."""
    return math.sqrt(max(variance, 0.0)) if not math.isnan(variance) else math.nan
