"""What past bids say of costs: bids in, costs and mark-ups out, a distribution to plug into a market, and a fair price.

In first price with n bidders of one kind and private costs, each best response to the others,

    c = b − θ (1 − G(b)) / ((n − 1) g(b)),   θ = 1 − ρ,

G the distribution of the bids of auctions with n bidders, g its density and ρ relative risk aversion: the mark-up is
where a little more of it gains as much as the little less chance to win loses. Guerre, Perrigne and Vuong (2000),
Econometrica 68.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize
from scipy.stats import rankdata

from procure_opt.auction.bid_preparation import entry_cost
from procure_opt.auction.classes import invert_classes
from procure_opt.auction.common_cost import common_cost_test
from procure_opt.auction.distributions import Affine, Distribution
from procure_opt.auction.fair_price import SHARES, Curves, FairPrice, curve, fair_price, ordered
from procure_opt.auction.heterogeneity import deconvolve
from procure_opt.auction.homogenise import Design, coefficients, design
from procure_opt.auction.kernels import CATALOGUE as KERNELS
from procure_opt.auction.kernels import Inversion
from procure_opt.auction.past import PastBids, counted_aside, past_bids
from procure_opt.auction.quantiles import CATALOGUE as QUANTILES
from procure_opt.auction.revealed import Estimate
from procure_opt.auction.smooth import smooth
from procure_opt.auction.weibull import fit_weibull
from procure_opt.cells import BadTable, Problem, Table

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Invert = Callable[[Floats, int], Floats]  # bids of auctions with n bidders -> the cost behind each, NaN where trimmed

FEWEST = 10  # auctions with one number of bidders, below which nothing is estimated from them
CHUNK = 25  # replications worked out in one go
COMMON: Floats = (np.arange(50) + 0.5) / 50  # shares of auctions at which what is an auction's own is looked up


@dataclass(frozen=True)
class Parting:
    """A way to get at costs where bidders saw of an auction what the table does not tell: bid = y a, cost = y c.

    Args:
        name: What it is called by.
        part: Past bids of auctions that are alike but for y, to what they say.
        least: The fewest auctions with one number of bidders it takes.
        source: Author, year, journal.
    """

    name: str
    part: Callable[[PastBids], Parts]
    least: int
    source: str

    def __call__(self, past: PastBids) -> Parts:
        """What the bids say of c and y."""
        return self.part(past)


@dataclass(frozen=True, eq=False)
class Parts:
    """Costs c and what is an auction's own, y.

    Attributes:
        table: By row of the bids: `cost` and `y`, in currency.
        costs: Distribution of c.
        y: Distribution of y, in currency.
        notes: What was left out or assumed.
    """

    table: pd.DataFrame
    costs: Distribution
    y: Distribution
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sample:
    """Bids of auctions all of whose bids are known, as estimators read them.

    Attributes:
        bid: Shape (bids,).
        auction: The number of each bid's auction; bids of an auction stand together.
        n: Bids of each bid's auction.
        rivals: Bidders the bidder of each bid reckoned with, itself included: those of the auction, or with
            `potential=` all who could bid.
        x: What is seen of the auctions (see `Design`), shape (bids, terms).
        log_scale: ln of the unit bids are counted in.
        reserve: Of each bid's auction, where it keeps suppliers away; None where all bid.
        method: Bids and n to costs, or what parts costs from what is an auction's own.
        theta: 1 − ρ.
        cls: The class of each bid's bidder, where bidders of several classes bid differently.
    """

    bid: Floats
    auction: Ints
    n: Ints
    rivals: Ints
    x: Floats
    log_scale: Floats
    reserve: Floats | None
    method: Invert | Parting
    theta: float
    cls: Ints | None = None

    def again(self, generator: np.random.Generator) -> Sample:
        """As many auctions drawn with repetition, as many with each number of bidders as there are."""
        start = np.flatnonzero(np.append(True, np.diff(self.auction) != 0))
        size = np.diff(np.append(start, len(self.auction)))
        strata = [np.flatnonzero(self.rivals[start] == n) for n in np.unique(self.rivals)]
        chosen = np.concatenate([each[generator.integers(len(each), size=len(each))] for each in strata])
        counts = size[chosen]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.repeat(start[chosen], counts) + within
        return replace(
            self,
            auction=np.repeat(np.arange(len(chosen)), counts),
            **{name: getattr(self, name)[rows] for name in ("bid", "n", "rivals", "x", "log_scale")},
            reserve=None if self.reserve is None else self.reserve[rows],
            cls=None if self.cls is None else self.cls[rows],
        )


@dataclass(frozen=True, eq=False)
class Fit:
    """What a sample says.

    Attributes:
        cost: Of each bid, in the reference auction.
        distribution: Of those costs; where y is parted from them, of those in an auction of median y.
        curve: C(t) of the same at `fair_price.SHARES`, from the costs themselves, without smoothing.
        common: y over its median, at equal shares of auctions; 1 where it is not parted.
        coefficients: γ.
        level: How much dearer each bid's auction is than the reference auction: exp(x′γ) times scale, times what is
            believed of y over its median.
        bidding: F(r).
        notes: What was left out or assumed.
    """

    cost: Floats
    distribution: Distribution
    curve: Floats
    common: Floats
    coefficients: Floats
    level: Floats
    bidding: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Replications:
    """The same estimates from auctions drawn with repetition, a row a replication.

    Attributes:
        costs: C(t) at the shares of `fair_price.SHARES`, in the reference auction.
        markup: Mean mark-up as a share of the bid.
        coefficients: γ.
        bidding: F(r).
        common: y over its median, at equal shares of auctions.
    """

    costs: Floats
    markup: Floats
    coefficients: Floats
    bidding: Floats
    common: Floats


@dataclass(frozen=True, eq=False)
class CostEstimate:
    """What past bids say of the costs of the suppliers who made them.

    Attributes:
        table: The bids that were used: `auction`, `bidder`, `bid`, `n`, `winner`, `cost` and `markup` (bid − cost), in
            currency, NaN where the method cannot say; `level`, how much dearer the auction is than the reference
            auction. The index is the row of the table that was read.
        distribution: Of a supplier's cost in the reference auction, over all numbers of bidders, each bid counting
            once; it has what distributions of `scipy.stats` have and can stand in a `Market`. With `potential=` it is
            that of the suppliers whose cost is below the reserve.
        curve: C(t), the cost below which a share t of suppliers lies, at `fair_price.SHARES`, from the costs alone;
            summary and fair price are made of it, as `distribution` is smoothed to have a density.
        by_n: The distribution for each number of bidders alone: equal if costs are private and the number comes from
            outside. Empty where what is an auction's own is parted from costs.
        by_class: The same for each class of bidders, with `classes=`: what the classes of a `Market` are made of.
        common: y over its median at equal shares of auctions, where it is parted from costs; `distribution` is then
            that of an auction of median y. 1 elsewhere.
        bidding: F(r), the share of suppliers whose cost is below the reserve; 1 without `potential=`.
        coefficients: γ, by covariate.
        markup: The mean of (bid − cost) / bid (see `mean_markup`).
        method: By which costs were got at.
        risk_aversion: ρ.
        replications: Of the bootstrap; None without.
        notes: What was left out and assumed, a sentence each.
        past: All bids that counted, used or not.
        seen: What was seen of the auctions (see `homogenise`).
    """

    table: pd.DataFrame
    distribution: Distribution
    curve: Floats
    by_n: Mapping[int, Distribution]
    by_class: Mapping[str, Distribution]
    common: Floats
    bidding: float
    coefficients: pd.Series
    markup: float
    method: str
    risk_aversion: float
    replications: Replications | None
    notes: tuple[str, ...]
    past: PastBids
    seen: Design

    def __repr__(self) -> str:
        return (
            f"CostEstimate({len(self.table):,} bids of {self.table['auction'].nunique():,} auctions, method "
            f"{self.method!r}, {0 if self.replications is None else len(self.replications.markup):,} replications)"
        )

    @property
    def reference(self) -> str:
        """The auction that distribution, summary and fair price are for unless another is named, in words."""
        return self.seen.told()

    @cached_property
    def private_cost(self) -> str:
        """What the test of private against common costs says of these bids (see `common_cost_test`)."""
        alike = self.table.assign(bid=self.table["bid"] / self.table["level"])
        return str(common_cost_test(PastBids(alike[alike["bid"].notna()], alike[:0])))

    def costs(self, at: Mapping[str, Any] | None = None) -> Distribution:
        """The distribution of a supplier's cost in an auction told by its covariates."""
        x, log_scale = self.seen.at(at)
        return Affine(self.distribution, math.exp(float(x @ self.coefficients.to_numpy()) + log_scale))

    def curves(self, at: Mapping[str, Any] | None = None) -> Curves:
        """The estimate and its replications as curves (see `fair_price`)."""
        if len(self.by_class) > 1:
            raise ValueError(
                f"bidders of {len(self.by_class)} classes bid differently: put them into a market, such as "
                f"Market([(found.by_class[{next(iter(self.by_class))!r}], 2), …]), and ask for its equilibrium"
            )
        x, log_scale = self.seen.at(at)
        costs, gamma = self.curve[None, :], self.coefficients.to_numpy()[None, :]
        bidding, common = np.array([self.bidding]), self.common[None, :]
        if self.replications is not None:
            costs = np.vstack([costs, self.replications.costs])
            gamma = np.vstack([gamma, self.replications.coefficients])
            bidding = np.append(bidding, self.replications.bidding)
            common = np.vstack([common, self.replications.common])
        factor = np.exp(gamma @ x + log_scale)
        return Curves(factor[:, None] * costs, bidding, common, self.risk_aversion, self.private_cost, self._rests_on(),
                      self.reference)  # fmt: skip

    def summary(self, shares: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9), level: float = 0.95) -> pd.DataFrame:
        """Quantiles of costs in the reference auction, the mean mark-up and γ; with replications, intervals.

        Returns:
            A row a figure: `value`, and the ends `low` and `high` of its interval at the level.

        Raises:
            ValueError: a share is not from 0 to 1, or level not between them.
        """
        wrong = [share for share in shares if not 0 <= share <= 1]
        if wrong:
            raise ValueError(f"shares has {wrong[0]!r}; a share of suppliers is from 0 to 1")
        if not 0 < level < 1:
            raise ValueError(f"level is {level!r}; it must be between 0 and 1, such as 0.95")
        rows = {
            f"cost, {share:.4g} of suppliers below": float(np.interp(share, SHARES, self.curve)) for share in shares
        }
        rows["mark-up, mean share of the bid"] = self.markup
        rows |= {f"coefficient of {name}": float(value) for name, value in self.coefficients.items()}
        table = pd.DataFrame({"value": rows})
        if self.replications is not None:
            again = self.replications
            figures = [np.interp(shares, SHARES, row) for row in again.costs]
            drawn = np.column_stack([np.array(figures), again.markup, again.coefficients])
            table["low"], table["high"] = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return table

    def fair_price(self, n: int, level: float = 0.90, *, at: Mapping[str, Any] | None = None) -> FairPrice:
        """Where the winning bid of a tender with n bidders will lie if they compete: see `fair_price`."""
        return fair_price(self, n, level, at=at)

    def entry_cost(
        self, potential: int | str | None = None, *, at: Mapping[str, Any] | None = None, **how: Any
    ) -> Estimate:
        """What it costs to prepare a bid, in the reference auction or another: see `entry_cost`, with its arguments.

        Auctions with one bidder count here: that so few came is what speaks of the cost.

        Raises:
            ValueError: what is an auction's own is parted from costs: bids of an auction with one bidder cannot be.
        """
        if len(self.common) > 1:
            raise ValueError(f"the method {self.method!r} cannot bring bids of auctions with one bidder to a footing")
        table, gamma = self.past.table, self.coefficients.to_numpy()
        x, log_scale = self.seen.of(table)
        level = np.exp(x @ gamma + log_scale)
        amounts = {name: table[name] / level for name in ("bid", "reserve") if name in table}
        found = entry_cost(PastBids(table.assign(**amounts), table[:0]), potential, **how)
        here, log_unit = self.seen.at(at)
        return found.times(math.exp(float(here @ gamma) + log_unit))

    def _rests_on(self) -> tuple[str, ...]:
        fewest, most = self.table["n"].min(), self.table["n"].max()
        numbers = f"{fewest} to {most}" if fewest < most else f"{most}"
        told = (
            f"{len(self.table):,} bids of {self.table['auction'].nunique():,} past auctions with {numbers} bidders, by "
            f"the method {self.method!r}"
        )
        if self.replications is None:
            again = "nothing is said of how well costs are known: there are no replications"
        else:
            again = f"how well costs are known: {len(self.replications.markup):,} times auctions drawn anew"
        there = (f"reference auction: {self.reference}",) if self.seen.reference else ()
        return (told, *there, again, *self.notes)


def estimate_costs(
    bids: Table | PastBids,
    method: str | Invert = "boundary",
    *,
    covariates: str | Sequence[str] | None = None,
    scale: str | None = None,
    classes: str | None = None,
    potential: int | str | None = None,
    risk_aversion: float = 0.0,
    max_negative: float = 0.05,
    replications: int = 0,
    seed: int = 0,
    executor: Executor | None = None,
) -> CostEstimate:
    """The costs behind past bids in first price, and how they are distributed.

    Differences between auctions that covariates tell are taken off first (see `homogenise`); then the costs behind the
    bids are found for each number of bidders by itself, and pooled over them. One-bid auctions, auctions of which not
    all bids are known and numbers of bidders with fewer than ten auctions are left out, and `notes` says so.

    Args:
        bids: Past bids (see `past_bids`).
        method: A name in `METHODS`, or a function from bids and n to costs.
        covariates: Columns that tell auctions apart, as a list, `["log(area)", "region"]`, or as a formula.
        scale: A column in whose units bids are counted, such as the buyer's estimate or the reserve.
        classes: A column that tells the class of each bidder, where some have other costs than others: costs are then
            found from the bids of auctions with as many rivals of each class (see `invert_classes`, which stands in the
            place of `method`), and are in `by_class`.
        potential: Suppliers who could bid, as a number or a column: those who did not had costs above the reserve,
            and bidders reckoned with all. Left out, bidders knew how many bid, and costs are those of who does.
        risk_aversion: ρ of the utility x^(1 − ρ) of a profit x, 0 ≤ ρ < 1.
        max_negative: Share of costs below 0 above which the estimate is refused.
        replications: Of the bootstrap, which draws whole auctions for each number of bidders; 1,000 for intervals.
        seed: Of the bootstrap.
        executor: Where replications are worked out; what comes out does not depend on it.

    Raises:
        ValueError: there are too few auctions, all have one bidder, too many costs come out below 0, or an argument
            cannot be.
        BadTable: the table cannot be read, with every problem.

    >>> generator = np.random.default_rng(1)
    >>> costs = generator.uniform(80, 120, (200, 3))
    >>> rows = [{"auction": a, "bidder": i, "bid": c + (120 - c) / 3} for (a, i), c in np.ndenumerate(costs)]
    >>> found = estimate_costs(rows)
    >>> bool(np.abs(found.table["cost"] - costs.ravel()).mean() < 1), round(float(found.distribution.ppf(0.5)))
    (True, 100)
    """
    name, how = _method(method)
    past = past_bids(bids)
    _countable(replications, seed)
    table, rivals, notes = _usable(past, potential)
    seen = design(table, covariates, scale)
    sample = _sample(table, rivals, seen, classes, potential, how, risk_aversion)
    found = fit(sample)
    costs = found.cost * found.level
    notes += (*found.notes, *_credible(table, costs, max_negative))
    again = _replicated(sample, replications, seed, executor) if replications else None
    kept = table[["auction", "bidder", "bid", "n", "winner"]].assign(
        cost=costs, markup=table["bid"] - costs, level=found.level
    )
    gamma = pd.Series(found.coefficients, list(seen.names), dtype=float)
    by_n = {} if isinstance(how, Parting) else _apart(found.cost, rivals)
    by_class = {} if classes is None else _apart(found.cost, table[classes])
    return CostEstimate(kept.sort_index(), found.distribution, found.curve, by_n, by_class, found.common, found.bidding,
                        gamma, mean_markup(sample, found), name, risk_aversion, again, notes, past, seen)  # fmt: skip


def fit(sample: Sample) -> Fit:
    """The costs behind bids, as they would be in the reference auction, and their distribution."""
    gamma = coefficients(sample.x, np.log(sample.bid) - sample.log_scale, sample.rivals)
    level = np.exp(sample.x @ gamma + sample.log_scale)
    alike = sample.bid / level
    if isinstance(sample.method, Parting):
        parts = sample.method(_as_past(sample, alike))
        median = float(parts.y.ppf(0.5))
        cost, own = (parts.table[column].to_numpy(dtype=float) for column in ("cost", "y"))
        common = np.asarray(parts.y.ppf(COMMON), dtype=float) / median
        level *= own / median
        costs = Affine(parts.costs, median)
        return Fit(cost * median / own, costs, curve(costs), common, gamma, level, 1.0, parts.notes)
    if sample.cls is not None:
        cost = alike - sample.theta * (alike - invert_classes(alike, sample.cls, sample.auction))
        return Fit(cost, smooth(_known(cost)), ordered(_known(cost)), np.ones(1), gamma, level, 1.0)
    bidding = 1.0 if sample.reserve is None else participation(sample.n, sample.rivals)
    cost = np.empty_like(alike)
    for n in np.unique(sample.rivals):
        here = np.flatnonzero(sample.rivals == n)
        if sample.reserve is None:
            markup = alike[here] - sample.method(alike[here], int(n))
        else:
            top = sample.reserve[here] / level[here]
            markup = below_reserve(alike[here], top, int(n), bidding, sample.method)
        cost[here] = alike[here] - sample.theta * markup
    return Fit(cost, smooth(_known(cost)), ordered(_known(cost)), np.ones(1), gamma, level, bidding)


def mean_markup(sample: Sample, found: Fit) -> float:
    """The mean of (bid − cost) / bid over all bids with a cost.

    Where costs come from bids one by one it needs no density, for

        E[(b − c) / b] = θ ∫ (1 − G(b)) / b db / (n − 1) = θ (E ln b − ln b_low) / (n − 1),

    with b_low the lowest possible bid, as far below the lowest as the second lowest is above it (Robson and Whitlock
    1964, Biometrika 51).
    """
    if not isinstance(sample.method, Inversion) or sample.reserve is not None or sample.cls is not None:
        return float(np.nanmean(1 - found.cost * found.level / sample.bid))
    total = 0.0
    for n in np.unique(sample.rivals):
        alike = (sample.bid / found.level)[sample.rivals == n]
        bids, counts = np.unique(alike, return_counts=True)
        low = max(2 * bids[0] - bids[min(1, len(bids) - 1)], bids[0] / 2)
        total += sample.theta * float(counts @ np.log(bids / low)) / (int(n) - 1)
    return total / len(sample.bid)


def _as_past(sample: Sample, bids: Floats) -> PastBids:
    """A sample as a table, each bid that of a bidder of its own."""
    rows = np.arange(len(bids))
    table = pd.DataFrame({"auction": sample.auction, "bidder": rows, "bid": bids, "n": sample.n}, index=rows)
    lowest = table.groupby("auction")["bid"].idxmin().to_numpy()
    return PastBids(table.assign(winner=table.index.isin(lowest)), table[:0])


def participation(n: Ints, potential: Ints) -> float:
    """F(r) from the number of bids of auctions in which anybody bid at all, each bid telling that of its auction.

    The number of bids is binomial without its zeros: the likeliest share p has Σ n = Σ N p / (1 − (1 − p)^N).
    """
    auctions = 1 / n

    def over(share: float) -> float:
        return float((auctions * potential * share / -np.expm1(potential * np.log1p(-share))).sum() - len(n))

    if (n == potential).all():
        return 1.0
    if (n == 1).all():
        raise ValueError("in no auction did two suppliers bid: how many stayed away cannot be told")
    return float(optimize.brentq(over, 1e-9, 1 - 1e-12, xtol=1e-12))


def below_reserve(bids: Floats, reserve: Floats, potential: int, bidding: float, invert: Invert) -> Floats:
    """Mark-ups where bidders reckon with all who could bid: (1 − p G(b)) / ((N − 1) p g(b)), p = F(r).

    Bids crowd below the reserve, where g grows without limit; that of y = √(r − b) does not, and g(b) = g(y) / 2y.
    Guerre, Perrigne and Vuong (2000), section 4.
    """
    root = np.sqrt(np.maximum(reserve - bids, 0.0))
    y = root.max() - root
    left = (rankdata(-bids) - 0.5) / len(bids)
    density = left / (y - invert(y, 2))
    markup: Floats = (1 - bidding * (1 - left)) * 2 * root / ((potential - 1) * bidding * density)
    return markup


def _method(method: str | Invert) -> tuple[str, Invert | Parting]:
    if callable(method):
        return getattr(method, "name", getattr(method, "__name__", type(method).__name__)), method
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}; there are {', '.join(METHODS)}")
    return method, METHODS[method]


def _countable(replications: int, seed: int) -> None:
    for name, number in (("replications", replications), ("seed", seed)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
            raise ValueError(f"{name} is {number!r}; it must be a whole number of at least 0")


def _usable(past: PastBids, potential: int | str | None) -> tuple[pd.DataFrame, pd.Series, tuple[str, ...]]:
    """The bids of auctions that say something of costs, auction by auction, their rivals, and what was left out."""
    table, notes, aside = past.table, [*past.notes], ""
    if len(past.set_aside):
        aside = f"{len(past.set_aside):,} bids were set aside ({counted_aside(past.set_aside)})"
        notes.append(aside)
        aside = f"; {aside}"
    bids = table.groupby("auction")["bid"].transform("size")
    partly = table["n"] > bids
    if partly.all():
        raise ValueError(f"of no auction all bids are known: there were more bidders than bids everywhere{aside}")
    table, notes = _without(table, partly, notes, "of which not all bids are known")
    if potential is None:
        alone = table["n"] == 1
        if alone.all():
            raise ValueError(f"every auction has one bidder only: without competition bids say nothing of costs{aside}")
        table, notes = _without(table, alone, notes, "with one bidder")
        rivals = table["n"]
    else:
        rivals = _potential(table, potential)
    counts = rivals[~table["auction"].duplicated()].value_counts()
    if counts.max() < FEWEST:
        raise ValueError(
            f"there are too few auctions: at most {counts.max()} with the same number of bidders "
            f"({counts.idxmax()}), and {FEWEST} are needed{aside}"
        )
    few = rivals.map(counts) < FEWEST
    table, notes = _without(table, few, notes, f"with a number of bidders that fewer than {FEWEST} auctions have")
    if potential is None and "reserve" in table and table["reserve"].notna().any():
        notes.append("costs are those of suppliers who bid; of costs above the reserve nothing is known")
    table = table.iloc[np.argsort(pd.factorize(table["auction"])[0], kind="stable")]
    return table, rivals[table.index], tuple(notes)


def _without(table: pd.DataFrame, out: pd.Series, notes: list[str], why: str) -> tuple[pd.DataFrame, list[str]]:
    if not out.any():
        return table, notes
    gone = table.loc[out, "auction"].nunique()
    return table[~out], [*notes, f"{gone:,} auctions {why} ({out.sum():,} bids) are left out"]


def _potential(table: pd.DataFrame, potential: int | str) -> pd.Series:
    """Suppliers who could bid, by bid."""
    if isinstance(potential, str):
        if potential not in table:
            raise ValueError(f"potential is {potential!r}, which is no column; there are {', '.join(table.columns)}")
        could = pd.to_numeric(table[potential], errors="coerce")
    else:
        could = pd.Series(float(potential), table.index)
    problems = []
    for row in table.index[~(could >= np.maximum(table["n"], 2)) | (could % 1 != 0)]:
        reason = (
            f"{could[row]:g} suppliers could bid, and {table['n'][row]} did: it must be a whole number of at least 2"
        )
        problems.append(Problem("bids", int(row), potential if isinstance(potential, str) else None, reason))
    if problems:
        raise BadTable(problems)
    return could.astype(int)


def _sample(
    table: pd.DataFrame,
    rivals: pd.Series,
    seen: Design,
    classes: str | None,
    potential: int | str | None,
    method: Invert | Parting,
    risk_aversion: float,
) -> Sample:
    if not 0 <= risk_aversion < 1:
        raise ValueError(f"risk_aversion is {risk_aversion!r}; it must be at least 0 and below 1")
    if isinstance(method, Parting) and (risk_aversion or potential is not None or classes is not None):
        raise ValueError(f"the method {method.name!r} knows neither risk_aversion= nor potential= nor classes=")
    if classes is not None and potential is not None:
        raise ValueError("with classes= bidders know who bids: leave out potential=")
    reserve = None
    if potential is not None:
        if "reserve" not in table or table["reserve"].isna().any():
            raise ValueError("potential= says that the reserve kept suppliers away: all bids need a reserve")
        reserve = table["reserve"].to_numpy(dtype=float)
        level = reserve / np.exp(seen.log_scale)
        if seen.names or np.ptp(level) > 1e-9 * level.max():
            raise ValueError(
                "with potential= the reserve must be the same in all auctions, or bids be counted in it: "
                "give scale='reserve' and no covariates"
            )
    bids, n = table["bid"].to_numpy(dtype=float), table["n"].to_numpy(dtype=np.intp)
    auction = np.asarray(pd.factorize(table["auction"])[0], dtype=np.intp)
    cls = None if classes is None else _classes(table, classes)
    return Sample(bids, auction, n, rivals.to_numpy(dtype=np.intp), seen.x, seen.log_scale, reserve,
                  method, 1 - risk_aversion, cls)  # fmt: skip


def _classes(table: pd.DataFrame, column: str) -> Ints:
    """The class of each bid's bidder, as a number."""
    if column not in table:
        raise ValueError(f"classes is {column!r}, which is no column; there are {', '.join(table.columns)}")
    blank = table[column].isna() | (table[column].astype(str).str.strip() == "")
    if blank.any():
        raise BadTable(Problem("bids", int(row), column, "the class is blank") for row in table.index[blank])
    counts = table[column].value_counts()
    if counts.min() < FEWEST:
        raise ValueError(
            f"class {counts.idxmin()!r} has made {counts.min()} bids; {FEWEST} are needed: join it to another"
        )
    return np.asarray(pd.factorize(table[column])[0], dtype=np.intp)


def _credible(table: pd.DataFrame, costs: Floats, max_negative: float) -> tuple[str, ...]:
    """What should be known of the costs that were found; refused are too many below 0."""
    trimmed, negative = np.isnan(costs), costs < 0
    if not negative.any() and not trimmed.any():
        return ()
    share = float(negative.sum() / max((~trimmed).sum(), 1))
    rows = ", ".join(map(str, table.index[negative][:10])) + (", …" if negative.sum() > 10 else "")
    if share > max_negative:
        raise ValueError(
            f"{share:.1%} of the costs come out below 0 (rows {rows}), more than max_negative={max_negative:.1%}: "
            "these are not bids of competitors who know how many they are; look at auctions that differ, at bids that "
            "are not meant, or at a reserve that keeps suppliers away"
        )
    notes = [f"{negative.sum():,} costs ({share:.1%}) come out below 0 (rows {rows}) and are kept"] if share else []
    if trimmed.any():
        notes.append(
            f"the method gives no cost for {trimmed.sum():,} bids, at either end; the distribution is without them"
        )
    return tuple(notes)


def _known(costs: Floats) -> Floats:
    return costs[~np.isnan(costs)]


def _replicated(sample: Sample, replications: int, seed: int, executor: Executor | None) -> Replications:
    numbers = np.arange(replications)
    chunks = [numbers[first : first + CHUNK] for first in range(0, replications, CHUNK)]
    run = map if executor is None else executor.map
    parts = list(run(partial(_some_replications, sample, seed), chunks))
    return Replications(*(np.concatenate([part[k] for part in parts]) for k in range(5)))


def _some_replications(sample: Sample, seed: int, numbers: Ints) -> tuple[Floats, ...]:
    """Each replication has a generator of its own, from the seed and its number."""
    rows = []
    for number in numbers:
        drawn = sample.again(np.random.default_rng([seed, int(number)]))
        found = fit(drawn)
        rows.append((found.curve, mean_markup(drawn, found), found.coefficients, found.bidding, found.common))
    return tuple(np.array(each, dtype=float) for each in zip(*rows))


def _apart(costs: Floats, by: pd.Series) -> dict[Any, Distribution]:
    """The distribution of costs by what a column says."""
    return {value: smooth(_known(costs[(by == value).to_numpy()])) for value in sorted(by.unique().tolist())}


def _deconvolved(past: PastBids) -> Parts:
    found = deconvolve(past, METHODS["boundary"])
    return Parts(found.table, found.costs, found.y, found.notes)


def _weibull(past: PastBids) -> Parts:
    found = fit_weibull(past)
    return Parts(found.table, found.costs, found.y, found.notes)


PARTINGS = (
    Parting("deconvolution", _deconvolved, 30, "Krasnokutskaya 2011, Review of Economic Studies 78, 293"),
    Parting("weibull", _weibull, 30, "MacKay 2022, American Economic Journal: Microeconomics 14"),
)
METHODS: dict[str, Any] = {each.name: each for each in (*KERNELS, *QUANTILES, *PARTINGS)}
