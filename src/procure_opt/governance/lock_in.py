"""Lock-in: a service tendered again and again, whose incumbent knows it better than any entrant.

Second price with a reserve. A supplier draws its cost c anew for each tender; an incumbent that has served k terms does
the work for c − δ(k). Entrants come as long as what they may earn pays for their bids: the more an incumbent has
learnt, the fewer come, and where none does the tender is a monopoly at the reserve.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.auction import symmetric
from procure_opt.auction.distributions import Distribution, checked
from procure_opt.governance.arguments import above_zero, number, whole
from procure_opt.governance.lowest_costs import lowest_costs

Floats = NDArray[np.float64]
Counts = NDArray[np.intp]

CHUNK = 1 << 15  # paths played at a time: what fits into a processor's cache
MOST_STATES = 20_000


# ---- one tender -------------------------------------------------------------------------------------------


class Contest(NamedTuple):
    """What one tender with an incumbent gives.

    Attributes:
        stays: Probability that the incumbent wins.
        price: Expected payment; where nobody is below the reserve the work costs the reserve.
        incumbent: The incumbent's expected profit.
        entrant: The expected profit of each entrant, its bid not paid for.
        unfilled: Probability that nobody is below the reserve.
    """

    stays: float
    price: float
    incumbent: float
    entrant: float
    unfilled: float


def contest(costs: Distribution, entrants: int, advantage: float = 0.0, *, reserve: float | None = None) -> Contest:
    """One second-price tender between an incumbent of cost c − δ and m entrants of cost c.

    With F the costs, S = 1 − F and I(x) = F(x + δ): the incumbent wins with ∫ S^m dI and earns ∫ I S^m dx, an entrant
    earns ∫ F S^(m−1) (1 − I) dx, and the price is the expectation of the second lowest, each up to the reserve r. For
    costs from 0 to 1 the incumbent wins with δ + (1 − δ^(m+1)) / (m + 1).

    Where δ is not the incumbent's lower cost but the buyer's own cost of switching, which she adds to entrants' prices,
    chances and profits are the same, and what she bears, switching included, is `price` + δ (if no reserve binds).

    Args:
        costs: Of each supplier, as distributions of `scipy.stats`.
        entrants: m ≥ 0.
        advantage: δ ≥ 0.
        reserve: r; None for the highest cost.

    Raises:
        ValueError: an argument out of range, or no reserve where costs have no upper end.

    >>> from scipy import stats
    >>> found = contest(stats.uniform(0, 1), 2, 0.3)
    >>> round(found.stays, 9), round(found.price, 9), round(found.entrant, 9)
    (0.624333333, 0.40765, 0.037158333)
    """
    checked(costs, "costs")
    whole("entrants", entrants, 0)
    number("advantage", advantage, 0)
    top = _reserve(costs, reserve)
    low = float(costs.support()[0])
    nodes = _nodes(costs, low - advantage, top, (advantage,))
    at, weights = symmetric.cells(nodes)
    left, gone, known = costs.sf(at), costs.cdf(at), costs.cdf(at + advantage)
    above, alone, fewer = costs.sf(at + advantage), left**entrants, left ** max(entrants - 1, 0)
    # ∫ S^m dI = [I S^m] + ∫ I m S^(m−1) dF, by parts: what entrants draw is known cell by cell, whatever its density.
    beats = float((symmetric.spread(costs, nodes, at, weights) * known * fewer).sum())
    at_top = float(costs.sf(top) ** entrants)
    return Contest(
        stays=float(costs.cdf(top + advantage)) * at_top + entrants * beats,
        price=low - advantage + float((weights * (alone + entrants * above * gone * fewer)).sum()),
        incumbent=float((weights * known * alone).sum()),
        entrant=float((weights * gone * fewer * above).sum()) if entrants else 0.0,
        unfilled=float(costs.sf(top + advantage)) * at_top,
    )


def two_tenders(
    costs: Distribution, bidders: int, advantage: float, *, discount: float = 1.0, reserve: float | None = None
) -> tuple[float, float, float]:
    """Prices of two tenders in a row, and their present value, where bidders foresee the second in the first.

    In the first all n are alike and bid c − β (V_I − V_E), what winning is worth in the second: rents of incumbency
    are bid away beforehand, E price₁ = E C_(2) − β (V_I − V_E). Lock-in then harms by keeping entrants away (Klemperer
    1995, Review of Economic Studies 62). With more tenders to come what losing is worth depends on who wins instead,
    and there is no such closed form: `lock_in` and `chain` leave foresight out.

    Args:
        costs: Of each supplier in each tender.
        bidders: n ≥ 2 in both tenders.
        advantage: δ of who won the first.
        discount: β, from 0 to 1.
        reserve: Of the second tender; None for the highest cost. The first has none.

    Raises:
        ValueError: an argument out of range, or no reserve where costs have no upper end.

    >>> from scipy import stats
    >>> [round(price, 6) for price in two_tenders(stats.uniform(0, 1), 3, 0.3, discount=0.9)]
    [0.32855, 0.40765, 0.695435]
    """
    whole("bidders", bidders, 2)
    number("discount", discount, 0, 1)
    second = contest(costs, bidders - 1, advantage, reserve=reserve)
    price = lowest_costs(costs, bidders)[1] - discount * (second.incumbent - second.entrant)
    return price, second.price, price + discount * second.price


# ---- tender after tender ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class RepeatedTender:
    """A service that is tendered again and again, by second price with a reserve.

    Who loses a tender, or does not bid below the reserve, has lost what it learnt: it is like any entrant in the next.

    Args:
        costs: Of a supplier for one period of service, drawn anew for each tender.
        entrants: How many might enter besides the incumbents.
        advantage: δ after 0, 1, 2 … periods of service in a row; the last figure holds from there on. Between whole
            periods it is interpolated.
        reserve: The most that is paid for a period, and what the work costs where nobody is below; None for the
            highest cost.
        entry_cost: What a bid costs an entrant.
        paid_bids: What of that the buyer refunds to each entrant.
        term: Periods from one tender to the next.
        winners: Among how many the work is split evenly, each paid the lowest price that did not win: 1 = winner takes
            all, 2 = dual sourcing; a cap of s on the share of one supplier is ⌈1/s⌉.
        most_terms: Terms in a row after which an incumbent has to sit out one tender; None for no such cap.
        tender_cost: What a tender costs the buyer.
        contract_cost: What each contract costs the buyer, each term.
        held: Periods the incumbents have served before the first tender; 0 = all begin alike.

    Raises:
        ValueError: an argument out of range.

    >>> from scipy import stats
    >>> hotline = RepeatedTender(stats.uniform(0, 1), 5, (0, 0.15, 0.3, 0.45, 0.6), entry_cost=0.02)
    >>> [hotline.entering(held) for held in range(5)]
    [5, 4, 3, 2, 0]
    """

    costs: Distribution
    entrants: int
    advantage: Sequence[float] = (0.0,)
    reserve: float | None = None
    entry_cost: float = 0.0
    paid_bids: float = 0.0
    term: float = 1.0
    winners: int = 1
    most_terms: int | None = None
    tender_cost: float = 0.0
    contract_cost: float = 0.0
    held: float = 1.0

    def __post_init__(self) -> None:
        checked(self.costs, "costs")
        if np.ndim(self.advantage) != 1 or not len(self.advantage):
            raise ValueError(
                f"advantage is {self.advantage!r}; give figures for 0, 1, 2 … periods of service, such as (0, 0.1)"
            )
        for held, each in enumerate(self.advantage):
            number(f"advantage after {held} periods", each, 0)
        object.__setattr__(self, "advantage", tuple(float(each) for each in self.advantage))
        if any(later < before for before, later in itertools.pairwise(self.advantage)):
            raise ValueError(f"advantage {self.advantage} falls; what was learnt in one period is not lost in the next")
        whole("entrants", self.entrants, 0)
        whole("winners", self.winners, 1)
        for name in ("entry_cost", "paid_bids", "tender_cost", "contract_cost", "held"):
            number(name, getattr(self, name), 0)
        if self.most_terms is not None:
            whole("most_terms", self.most_terms, 1)
        above_zero(term=self.term)
        if self.paid_bids > self.entry_cost:
            raise ValueError(f"paid_bids is {self.paid_bids:g}, more than a bid costs, entry_cost {self.entry_cost:g}")
        _reserve(self.costs, self.reserve)

    @property
    def ceiling(self) -> float:
        """The reserve, or the highest cost."""
        return _reserve(self.costs, self.reserve)

    def ahead(self, held: Any) -> Any:
        """δ after so many periods of service."""
        return np.interp(held, np.arange(len(self.advantage)), self.advantage)

    def entering(self, *held: float) -> int:
        """How many entrants bid against incumbents that have served so long: the most whose profit pays for a bid.

        An entrant expects term / K · ∫ F(c) P(fewer than K of the others are below c) dc, up to the reserve, and pays
        `entry_cost` − `paid_bids`.
        """
        return self._entering([float(self.ahead(each)) for each in held])

    def _entering(self, advantages: Sequence[float]) -> int:
        for count in range(self.entrants, 0, -1):
            if self._profit(count, advantages) >= self.entry_cost - self.paid_bids:
                return count
        return 0

    def _profit(self, entrants: int, advantages: Sequence[float]) -> float:
        low = float(self.costs.support()[0])
        at, weights = symmetric.cells(_nodes(self.costs, low, self.ceiling, advantages))
        own, fewer = self.costs.cdf(at), np.zeros((self.winners, *at.shape))
        fewer[0] = 1.0  # fewer[j]: the chance that exactly j of the others counted so far are below
        for chance in [own] * (entrants - 1) + [self.costs.cdf(at + ahead) for ahead in advantages]:
            fewer[1:] = fewer[1:] * (1 - chance) + fewer[:-1] * chance
            fewer[0] = fewer[0] * (1 - chance)
        return self.term / self.winners * float((weights * own * fewer.sum(axis=0)).sum())


@dataclass(frozen=True, eq=False)
class LockIn:
    """A market over time.

    Attributes:
        table: One row a tender: `period` in which it begins, `price` of a period of service with its standard error
            `price_se`, `entrants`, `monopoly` (probability that none but incumbents can bid), `stays` (share of the
            work that stays with who had it), `held` (mean periods in a row the winners have then served), `unfilled`,
            `outlay` of a period: price, bids paid for, tender and contracts.
        tender: What was played.
        draws: How many courses of events; 0 where the figures are exact.
    """

    table: pd.DataFrame
    tender: RepeatedTender
    draws: int

    @property
    def monopoly(self) -> float:
        """The probability that the last tender has no entrant."""
        return float(self.table["monopoly"].iloc[-1])

    def __repr__(self) -> str:
        first, last = self.table.iloc[0], self.table.iloc[-1]
        return (
            f"LockIn({len(self.table)} tenders: price {first['price']:.4g} to {last['price']:.4g}, "
            f"monopoly {first['monopoly']:.1%} to {last['monopoly']:.1%})"
        )


def lock_in(tender: RepeatedTender, periods: float = 8, *, draws: int = 100_000, seed: int = 0) -> LockIn:
    """How a market develops over tenders: simulated, for any costs, number of winners and cap.

    Bidders are myopic: they bid their cost, and enter if this tender alone pays for the bid. With foresight all would
    bid less before the last tender, by what incumbency is worth later (`two_tenders`: with uniform costs, β = 0.9 and δ
    = 0.3 the first price falls from 0.5 to 0.33, and the second stays), and an incumbent, who has more to lose than an
    entrant has to win, would be harder to beat. Early prices come out too high here, and who stays may be told too low.

    An incumbent that has sat out a tender is one of the entrants again. Of the entrants only the lowest costs are
    drawn, by Rényi's representation of order statistics.

    Args:
        tender: What is tendered.
        periods: How long, a whole multiple of the term.
        draws: Courses of events.
        seed: Of the draws.

    Raises:
        ValueError: periods that are no multiple of the term, draws below 1, or too many winners and tenders to
            tabulate who enters.

    >>> from scipy import stats
    >>> hotline = RepeatedTender(stats.uniform(0, 1), 5, (0, 0.15, 0.3, 0.45, 0.6), entry_cost=0.02)
    >>> lock_in(hotline, draws=20_000).table["monopoly"].round(2).tolist()
    [0.0, 0.0, 0.0, 0.15, 0.24, 0.32, 0.4, 0.46]
    """
    whole("draws", draws, 1)
    states = _states(tender, _tenders(tender, periods))
    generator = np.random.default_rng(seed)
    sums = np.zeros((states.tenders, 7))
    for start in range(0, draws, CHUNK):
        sums += _play(tender, states, min(CHUNK, draws - start), generator)
    mean = sums / draws
    # One course of events tells nothing of its spread.
    spread = np.sqrt(np.maximum(mean[:, 6] - mean[:, 0] ** 2, 0.0 if draws > 1 else np.nan) / max(draws - 1, 1))
    return LockIn(_table(tender, mean[:, :6], spread), tender, draws)


def chain(tender: RepeatedTender, periods: float = 8) -> LockIn:
    """The same without draws, for one winner: a Markov chain over the periods the incumbent has served.

    Args:
        tender: What is tendered, to one winner.
        periods: How long, a whole multiple of the term.

    Raises:
        ValueError: several winners, or periods that are no multiple of the term.

    >>> from scipy import stats
    >>> hotline = RepeatedTender(stats.uniform(0, 1), 5, (0, 0.15, 0.3, 0.45, 0.6), entry_cost=0.02)
    >>> chain(hotline).table[["price", "monopoly"]].iloc[[0, -1]].round(6).values.tolist()
    [[0.303347, 0.0], [0.636259, 0.465575]]
    """
    if tender.winners != 1:
        raise ValueError(f"winners is {tender.winners}; the chain is for one winner, lock_in simulates several")
    states = _states(tender, _tenders(tender, periods))
    at = [_alone(tender, states, level) for level in range(len(states.served))]
    chance = np.zeros(len(at))
    chance[states.start] = 1.0
    rows = []
    for _ in range(states.tenders):
        later = np.zeros(len(at))
        row = np.zeros(6)
        for level in np.flatnonzero(chance):
            found, entrants = at[level], int(states.entering[level])
            after = states.later[level]
            new = 1 - found.stays - found.unfilled
            held = found.stays * states.served[after] + new * states.served[states.fresh]
            only = float(entrants == 0 and not states.barred[level])
            row += chance[level] * np.array([found.price, entrants, only, found.stays, held, found.unfilled])
            np.add.at(later, [after, states.fresh, 0], chance[level] * np.array([found.stays, new, found.unfilled]))
        rows.append(row)
        chance = later
    return LockIn(_table(tender, np.array(rows), np.zeros(len(rows))), tender, 0)


def remedies(
    tender: RepeatedTender,
    changes: Mapping[str, Mapping[str, Any]],
    periods: float = 8,
    *,
    draws: int = 100_000,
    seed: int = 0,
) -> pd.DataFrame:
    """What caps, dual sourcing, shorter terms or paying entrants' bid costs do to a market.

    Args:
        tender: The market as it is.
        changes: By name, the arguments of `RepeatedTender` that differ. Where two suppliers need more staff than one
            (`pooling`), their costs differ too: {"two": {"winners": 2, "costs": dearer}}.
        periods: How long.
        draws: Courses of events, for each.
        seed: Of the draws.

    Returns:
        One row a remedy, the first "as it is": `monopoly` in the last tender, mean `price` and mean `outlay` of a
        period, `entrants`, `held` at the end, and `saves`, by which the outlay of a period is lower than as it is, with
        a standard error `saves_se` that is rather too large: prices of one course of events are taken to move together.

    Raises:
        ValueError: as `RepeatedTender` and `lock_in`, or a change called "as it is".
        TypeError: a change of something a `RepeatedTender` does not have.

    >>> from scipy import stats
    >>> hotline = RepeatedTender(stats.uniform(0, 1), 5, (0, 0.15, 0.3, 0.45, 0.6), entry_cost=0.02)
    >>> found = remedies(hotline, {"bids paid": {"paid_bids": 0.02}}, draws=5_000)
    >>> found["monopoly"].round(1).to_dict(), bool(found.loc["bids paid", "saves"] > 0)
    ({'as it is': 0.5, 'bids paid': 0.0}, True)
    """
    if "as it is" in changes:
        raise ValueError("changes names one 'as it is', which is the market without any; call it otherwise")
    rows = {}
    for name, change in {"as it is": {}, **changes}.items():
        found = lock_in(replace(tender, **change), periods, draws=draws, seed=seed)
        table = found.table
        rows[name] = {
            "monopoly": found.monopoly,
            "price": table["price"].mean(),
            "outlay": table["outlay"].mean(),
            "entrants": table["entrants"].mean(),
            "held": table["held"].iloc[-1],
            "se": table["price_se"].mean(),
        }
    result = pd.DataFrame.from_dict(rows, orient="index")
    result["saves"] = result["outlay"].iloc[0] - result["outlay"]
    result["saves_se"] = np.where(np.arange(len(result)) > 0, np.hypot(result["se"], result["se"].iloc[0]), 0.0)
    return result.drop(columns="se")


# ---- states -----------------------------------------------------------------------------------------------


class States(NamedTuple):
    """Where an incumbent may stand: periods served, δ, whether it must sit out, where it stands after one more term;
    where who has won its first term stands, where incumbents start; and who enters, by the levels of all seats."""

    tenders: int
    served: Floats
    ahead: Floats
    barred: NDArray[np.bool_]
    later: Counts
    fresh: int
    start: int
    entering: Counts


def _states(tender: RepeatedTender, count: int) -> States:
    steps = np.arange(count + 1) * tender.term
    served = np.unique(np.concatenate([steps, tender.held + steps]).round(9))
    later = np.minimum(np.searchsorted(served, (served + tender.term).round(9)), len(served) - 1)
    most = math.inf if tender.most_terms is None else tender.most_terms * tender.term
    barred = served >= most - 1e-9
    ahead = np.asarray(tender.ahead(served))
    if len(served) ** tender.winners > MOST_STATES:
        raise ValueError(
            f"{tender.winners} winners over {count} tenders can stand in {len(served):,}^{tender.winners} ways, more "
            f"than {MOST_STATES:,}; forecast fewer periods, or fewer winners"
        )
    known: dict[tuple[float, ...], int] = {}
    entering = np.zeros((len(served),) * tender.winners, dtype=np.intp)
    for levels in itertools.product(range(len(served)), repeat=tender.winners):
        key = tuple(sorted(float(ahead[level]) for level in levels if not barred[level]))
        if key not in known:
            known[key] = tender._entering(key)
        entering[levels] = known[key]
    fresh, start = (int(np.searchsorted(served, round(each, 9))) for each in (tender.term, tender.held))
    return States(count, served, ahead, barred, later, fresh, start, entering)


def _play(tender: RepeatedTender, states: States, paths: int, generator: np.random.Generator) -> Floats:
    """Sums over paths of price, entrants, monopoly, stays, periods held, unfilled and price squared, by tender."""
    seats, top = tender.winners, tender.ceiling
    level = np.full((seats, paths), states.start, dtype=np.intp)
    order = np.arange(seats + 1)[:, None]
    sums = np.zeros((states.tenders, 7))
    for row in sums:
        entrants = states.entering[tuple(level)]
        out = states.barred[level]
        bids = np.empty((2 * seats + 1, paths))
        bids[:seats] = np.where(out, np.inf, tender.costs.isf(generator.random(level.shape)) - states.ahead[level])
        left = entrants - order
        waited = np.cumsum(generator.standard_exponential(left.shape) / np.maximum(left, 1), axis=0)
        bids[seats:] = np.where(left > 0, tender.costs.isf(np.exp(-waited)), np.inf)
        bids[bids > top] = np.inf
        next_best = np.partition(bids, seats, axis=0)[seats]
        won = bids[:-1] < next_best
        stays, new = won[:seats], won[seats:].sum(axis=0)
        after = np.where(np.cumsum(~stays, axis=0) <= new, states.fresh, 0)
        level = np.where(stays, states.later[level], after)
        price = np.minimum(next_best, top)
        only = (entrants == 0) & ~out.all(axis=0)
        unfilled = seats - won.sum(axis=0)
        row += [price.sum(), entrants.sum(), only.sum(), stays.sum() / seats, states.served[level].sum() / seats,
                unfilled.sum() / seats, price @ price]  # fmt: skip
    return sums


def _alone(tender: RepeatedTender, states: States, level: int) -> Contest:
    """What a tender gives whose one incumbent stands at a level."""
    entrants = int(states.entering[level])
    if not states.barred[level]:
        return contest(tender.costs, entrants, float(states.ahead[level]), reserve=tender.ceiling)
    if not entrants:
        return Contest(0.0, tender.ceiling, 0.0, 0.0, 1.0)
    return contest(tender.costs, entrants - 1, reserve=tender.ceiling)._replace(stays=0.0)


def _table(tender: RepeatedTender, mean: Floats, spread: Floats) -> pd.DataFrame:
    table = pd.DataFrame(mean, columns=["price", "entrants", "monopoly", "stays", "held", "unfilled"])
    table.insert(0, "period", np.arange(len(table)) * tender.term)
    table.insert(2, "price_se", spread)
    contracts = tender.contract_cost * tender.winners * (1 - table["unfilled"])
    procedure = tender.tender_cost + tender.paid_bids * table["entrants"] + contracts
    return table.assign(outlay=table["price"] + procedure / tender.term)


def _tenders(tender: RepeatedTender, periods: float) -> int:
    count = number("periods", periods) / tender.term
    if count < 1 - 1e-9 or abs(count - round(count)) > 1e-9:
        raise ValueError(f"periods is {periods!r}; it must be a whole multiple of the term, {tender.term:g}")
    return round(count)


def _reserve(costs: Distribution, reserve: float | None) -> float:
    low, high = (float(each) for each in costs.support())
    top = high if reserve is None else number("reserve", reserve)
    if not low < top < math.inf:
        told = "costs have no upper end; give a reserve" if reserve is None else f"reserve is {reserve!r}"
        raise ValueError(f"{told}; it must be an amount above the lowest cost, {low:g}")
    return top


def _nodes(costs: Distribution, low: float, top: float, shifts: Sequence[float]) -> Floats:
    """Ends of cells from low to top, also where a density, or a shifted one, begins or ends."""
    own = costs.ppf(np.concatenate([np.geomspace(1e-12, 0.01, 12), np.linspace(0.01, 0.99, 60)]))
    own = np.concatenate(
        [own, np.clip(costs.support(), low - 1.0, top + 1.0), costs.isf(np.geomspace(1e-12, 0.01, 12))]
    )
    nodes = np.concatenate([np.linspace(low, top, 60), own, *[own - shift for shift in shifts]])
    nodes = np.unique(nodes[(nodes >= low) & (nodes <= top)])
    apart: Floats = nodes[np.append(True, np.diff(nodes) > 1e-13 * (top - low))]
    return apart
