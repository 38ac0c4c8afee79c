"""Package auctions in equilibrium: two local suppliers against one who does both lots, under each payment rule.

At given bids a core-selecting rule pays less than Vickrey–Clarke–Groves. Suppliers who know the rule bid otherwise, and
with independent uniform costs the order turns: the locals wait for each other to bring their package down.

Inside, all is counted from the ceiling down: a supplier's saving is the ceiling less its cost, its offer the ceiling
less its bid. To add a rule: write its price and the slope of its price, and list them in `CATALOGUE` at the foot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.optimize import brentq

from procure_opt.auction.distributions import Distribution
from procure_opt.auction.market import Floats
from procure_opt.tender import Tender

Mask = NDArray[np.bool_]


# ---- the market -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LocalLocalGlobal:
    """Two lots, a local supplier for each, and one supplier who bids on both together.

    The three costs are drawn apart, but for one thing: with probability γ the two locals have the same cost, as where
    both depend on the same wage (Ausubel & Baranov 2020). A lot that nobody offers to do for the ceiling or less is
    done in-house, at the ceiling. Suppliers whose cost is above it do not bid.

    Args:
        local: Distribution of a local's cost of its lot; a frozen one of `scipy.stats`, in currency.
        package: Distribution of the cost of both lots to the third.
        ceiling: What a lot costs in-house; the highest price of a lot, and half the highest of the package.
        correlation: γ, the probability that the locals' costs are the same, 0 to 1.

    Raises:
        ValueError: γ is outside 0 to 1, a cost has no lowest value, or the ceiling is at or below every cost.

    >>> market = LocalLocalGlobal(stats.uniform(80, 40), stats.uniform(160, 80), ceiling=120)
    >>> market.draw(2, np.random.default_rng(1)).round(1)
    array([[100.5, 118. , 171.5],
           [ 92.5,  96.9, 226.2]])
    """

    local: Distribution = field(default_factory=lambda: stats.uniform(0, 1))
    package: Distribution = field(default_factory=lambda: stats.uniform(0, 2))
    ceiling: float = 1.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.correlation <= 1:
            raise ValueError(
                f"correlation is {self.correlation!r}; it is the probability that the locals have the same cost, 0 to 1"
            )
        if not math.isfinite(self.ceiling):
            raise ValueError(f"ceiling is {self.ceiling!r}; it must be an amount, what a lot costs in-house")
        for name, lots in (("local", 1), ("package", 2)):
            distribution = getattr(self, name)
            missing = [each for each in ("sf", "pdf", "ppf", "support") if not hasattr(distribution, each)]
            if missing:
                raise ValueError(
                    f"{name} is {distribution!r}, which has no {', '.join(missing)}; give a frozen distribution of "
                    "scipy.stats, such as stats.uniform(80, 40)"
                )
            low, high = distribution.support()
            if not -math.inf < low < high:
                raise ValueError(
                    f"{name} costs run from {low} to {high}; they must have a lowest value and a width: truncate the "
                    "distribution, as stats.truncnorm does"
                )
            if low >= lots * self.ceiling:
                raise ValueError(
                    f"the ceiling of {self.ceiling} a lot is not above the lowest {name} cost, {low}, for {lots} "
                    f"lot{'s'[: lots - 1]}, so nobody there would bid; set it higher"
                )

    def draw(self, draws: int, generator: np.random.Generator) -> Floats:
        """Costs of the first local, the second, and the package, shape (draws, 3)."""
        uniform = generator.random((draws, 4))
        second = np.where(uniform[:, 3] < self.correlation, uniform[:, 0], uniform[:, 1])
        local = self.local.ppf(np.stack([uniform[:, 0], second], axis=1))
        costs: Floats = np.column_stack([local, self.package.ppf(uniform[:, 2])])
        return costs

    def least_cost(self, costs: Floats) -> Floats:
        """The least that both lots can cost, in-house work at the ceiling, for costs of shape (draws, 3)."""
        locals_ = np.minimum(costs[:, :2], self.ceiling).sum(axis=1)
        return np.asarray(np.minimum(locals_, np.minimum(costs[:, 2], 2 * self.ceiling)))

    @property
    def classes(self) -> tuple[tuple[Distribution, int], ...]:
        """The two locals, and the one who bids on both lots."""
        return (self.local, 2), (self.package, 1)


@dataclass(frozen=True)
class RandomPackages:
    """Suppliers who save by doing lots together: tenders drawn at random, each bid at its true cost.

    A supplier can do some of the lots, drawn at random, and bids on every set S of them, of which one can win, at

        (1 − synergy · (|S| − 1) / (reach − 1)) · Σ cost of the lots in S.

    No equilibrium is known in such markets. They show what rules pay at true costs, where only VCG gives no reason to
    bid otherwise.

    Args:
        lots: How many lots are let.
        bidders: How many suppliers there are.
        reach: How many lots each can do.
        synergy: What a supplier saves on all its lots together, as a share, from 0 to below 1.
        cost: Distribution of the cost of a lot, in currency.
        ceiling: What a lot costs in-house.

    Raises:
        ValueError: a count is not a whole number of at least 1, or another parameter is out of range.

    >>> tender = RandomPackages(lots=3, bidders=2, reach=2).draw(np.random.default_rng(3))
    >>> tender.bids[["bidder", "lots", "price"]].head(3)
      bidder lots   price
    0     S1    A   90.06
    1     S1    B   79.11
    2     S1  A;B  135.34
    """

    lots: int = 4
    bidders: int = 6
    reach: int = 3
    synergy: float = 0.2
    cost: Distribution = field(default_factory=lambda: stats.uniform(50, 50))
    ceiling: float = 120.0

    def __post_init__(self) -> None:
        for name, most in (("lots", 26), ("bidders", math.inf), ("reach", self.lots)):
            value = getattr(self, name)
            if value != int(value) or not 1 <= value <= most:
                raise ValueError(f"{name} is {value!r}; it must be a whole number from 1 to {most}")
        if not 0 <= self.synergy < 1:
            raise ValueError(f"synergy is {self.synergy!r}; it must be a share from 0 to below 1")
        if not float(self.cost.support()[0]) >= 0 or not self.ceiling > 0:
            raise ValueError("costs and the ceiling must be amounts of at least 0, the ceiling above 0")

    def draw(self, generator: np.random.Generator) -> Tender:
        """A tender with these suppliers' bids, rounded to 0.01; each lot can be done in-house at the ceiling."""
        names = [chr(ord("A") + lot) for lot in range(self.lots)]
        bids: list[dict[str, Any]] = []
        for supplier in range(1, self.bidders + 1):
            can = np.sort(generator.choice(self.lots, self.reach, replace=False))
            costs = self.cost.ppf(generator.random(self.reach))
            for size in range(1, self.reach + 1):
                saved = self.synergy * (size - 1) / max(1, self.reach - 1)
                for some in combinations(range(self.reach), size):
                    price = round((1 - saved) * float(costs[list(some)].sum()), 2)
                    bids.append(
                        {
                            "bid": f"S{supplier}.{len(bids) + 1}",
                            "bidder": f"S{supplier}",
                            "lots": [names[can[each]] for each in some],
                            "price": price,
                            "xor": "one",
                        }
                    )
        return Tender([{"lot": name, "in_house": self.ceiling} for name in names], bids)


@dataclass(frozen=True)
class _Savings:
    """The distribution of max(0, ceiling − cost): an atom at 0 where the supplier does not bid, and a density."""

    cost: Distribution
    ceiling: float

    @property
    def low(self) -> float:
        return max(0.0, self.ceiling - float(self.cost.support()[1]))

    @property
    def high(self) -> float:
        return self.ceiling - float(self.cost.support()[0])

    @property
    def none(self) -> float:
        """The probability of no bid."""
        return float(self.cost.sf(self.ceiling))

    @property
    def inner(self) -> Floats:
        """Where sums over the savings are cut besides their kinks: quantiles."""
        inner: Floats = np.clip(self.ceiling - self.cost.ppf([0.02, 0.15, 0.5, 0.85]), self.low, self.high)
        return inner

    def cdf(self, saving: Floats) -> Floats:
        below: Floats = np.where(saving < 0, 0.0, self.cost.sf(self.ceiling - saving))
        return below

    def pdf(self, saving: Floats) -> Floats:
        density: Floats = np.where(saving < 0, 0.0, self.cost.pdf(self.ceiling - saving))
        return density


# ---- the rules --------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """Who won each draw, and what was paid.

    Attributes:
        locals_win: Whether the locals' bids together were the lower, shape (draws,); a tie goes to them.
        payments: To the first local, the second, and the one of the package, shape (draws, 3), in currency.
        in_house: What lots without a bid cost in-house, shape (draws,).
    """

    locals_win: Mask
    payments: Floats
    in_house: Floats


@dataclass(frozen=True)
class PackageRule:
    """A payment rule for two local bids against one for the package; the lower total wins.

    With every amount counted from the ceiling down, locals who offer b₁ and b₂ and win against B ≤ b₁ + b₂ are paid the
    ceiling less p₁ and p₂; the third, where it wins, twice the ceiling less b₁ + b₂ (pay as bid: its bid).

    | payment | p₁ |
    |---|---|
    | pay_as_bid | b₁ |
    | vcg | max(0, B − b₂) |
    | core | VCG plus half of what the two then lack to B: the point of the core nearest to VCG |
    | proportional | B b₁ / (b₁ + b₂) |
    | core_nearest_bid | (B + b₁ − b₂) / 2, from 0 to B: the point of the core nearest to the bids |
    | core_nearest_zero | B / 2, from B − b₂ to b₁: the point of the core nearest to the ceiling |

    Source: Day & Cramton 2012; Erdil & Klemperer 2010; Ausubel & Baranov 2020, for sales; here with signs reversed.

    Args:
        payment: A name of `CATALOGUE`.

    Raises:
        ValueError: there is no such payment.

    >>> for name in CATALOGUE:
    ...     print(name, PackageRule(name).outcome(np.array([[2, 3]]), np.array([9]), ceiling=10).payments[0].tolist())
    pay_as_bid [2.0, 3.0, 0.0]
    vcg [6.0, 7.0, 0.0]
    core [4.0, 5.0, 0.0]
    proportional [4.133..., 4.866..., 0.0]
    core_nearest_bid [4.0, 5.0, 0.0]
    core_nearest_zero [4.5, 4.5, 0.0]
    """

    payment: str = "core"

    def __post_init__(self) -> None:
        if self.payment not in CATALOGUE:
            raise ValueError(f"payment is {self.payment!r}; it must be one of {', '.join(CATALOGUE)}")

    def outcome(self, local_bids: Any, package_bids: Any, ceiling: float = 1.0) -> Outcome:
        """Winners and payments.

        Args:
            local_bids: Prices, shape (draws, 2); above the ceiling they are rejected.
            package_bids: Prices for both lots, shape (draws,); above twice the ceiling they are rejected.
            ceiling: What a lot costs in-house.
        """
        asked, package = np.asarray(local_bids, dtype=float), np.asarray(package_bids, dtype=float)
        if asked.ndim != 2 or asked.shape[1:] != (2,) or package.shape != asked.shape[:1]:
            raise ValueError(
                f"local bids have the shape {asked.shape} and package bids {package.shape}; "
                "they must be (draws, 2) and (draws,)"
            )
        valid = asked <= ceiling
        offered = np.where(valid, ceiling - asked, 0.0)
        against = np.maximum(2 * ceiling - package, 0.0)
        locals_win = (offered.sum(axis=1) >= against) & valid.any(axis=1)
        package_wins = ~locals_win & (package <= 2 * ceiling)
        payments = np.zeros((len(asked), 3))
        for one in (0, 1):
            price = ceiling - self._price(offered[:, one], offered[:, 1 - one], against)
            payments[:, one] = np.where(locals_win & valid[:, one], price, 0.0)
        payments[:, 2] = np.where(package_wins, 2 * ceiling - self._package_price(offered.sum(axis=1), against), 0.0)
        done = np.where(package_wins, 2, np.where(locals_win, valid.sum(axis=1), 0))
        return Outcome(locals_win, payments, ceiling * (2.0 - done))

    @property
    def _price(self) -> Price:
        return CATALOGUE[self.payment].price

    def _package_price(self, offered: Floats, against: Floats) -> Floats:
        return against if self.payment == "pay_as_bid" else offered


Price = Callable[[Floats, Floats, Floats], Floats]
Slope = Callable[[Floats, Floats, "_Savings"], Floats]


class Formula(NamedTuple):
    """A rule for locals who win.

    Attributes:
        price: p₁(b₁, b₂, B) where b₁ + b₂ ≥ B ≥ 0.
        slope: ∫ ∂p₁/∂b₁ dG(B) over the B that lose to b₁ + b₂; None where both sides shade their bids.
    """

    price: Price
    slope: Slope | None


def _as_bid(own: Floats, other: Floats, against: Floats) -> Floats:
    return own + 0 * (other + against)


def _vickrey(own: Floats, other: Floats, against: Floats) -> Floats:
    return np.maximum(against - other, 0.0) + 0 * own


def _nearest_vickrey(own: Floats, other: Floats, against: Floats) -> Floats:
    least, theirs = np.maximum(against - other, 0.0), np.maximum(against - own, 0.0)
    return (against + least - theirs) / 2


def _proportional(own: Floats, other: Floats, against: Floats) -> Floats:
    both = own + other
    return against * np.where(both > 0, own, 0.0) / np.where(both > 0, both, 1.0)


def _nearest_bid(own: Floats, other: Floats, against: Floats) -> Floats:
    return np.clip((against + own - other) / 2, 0.0, against)


def _nearest_zero(own: Floats, other: Floats, against: Floats) -> Floats:
    return np.minimum(np.maximum(against / 2, against - other), own)


def _vickrey_slope(own: Floats, other: Floats, package: _Savings) -> Floats:
    return 0 * (own + other)


def _nearest_vickrey_slope(own: Floats, other: Floats, package: _Savings) -> Floats:
    return (package.cdf(own + other) - package.cdf(own)) / 2


def _proportional_slope(own: Floats, other: Floats, package: _Savings) -> Floats:
    both = own + other
    # ∫ B dG up to b₁ + b₂, with the atom at 0 adding nothing
    bounds = np.stack([np.full_like(both, package.low), np.clip(both, package.low, package.high)], axis=-1)
    nodes, weights = _gauss(bounds, 12)
    total = (nodes * package.pdf(nodes) * weights).sum(axis=-1)
    slope: Floats = other * total / np.where(both > 0, both, 1.0) ** 2
    return slope


def _nearest_bid_slope(own: Floats, other: Floats, package: _Savings) -> Floats:
    return (package.cdf(own + other) - package.cdf(np.abs(own - other))) / 2


def _nearest_zero_slope(own: Floats, other: Floats, package: _Savings) -> Floats:
    return np.maximum(package.cdf(own + other) - package.cdf(2 * own), 0.0)


# ---- the equilibrium --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Strategy:
    """What a supplier offers below the ceiling, by its saving: through these points, monotone between them.

    >>> Strategy(np.array([0.0, 1.0]), np.array([0.0, 0.5]))(np.array([0.5, 2.0])).tolist()
    [0.25, 0.5]
    """

    savings: Floats
    offers: Floats

    @cached_property
    def _through(self) -> Any:
        return PchipInterpolator(self.savings, self.offers)

    def __call__(self, saving: Floats) -> Floats:
        """The offers, of the shape of the savings."""
        offer: Floats = self._through(np.clip(saving, self.savings[0], self.savings[-1]))
        return offer

    def inverse(self, offer: Floats) -> Floats:
        """The highest saving at which no more is offered."""
        saving: Floats = np.interp(offer, self.offers, self.savings)
        return saving


@dataclass(frozen=True, eq=False)
class PackageEquilibrium:
    """Bids from which no supplier gains by departing, and what they lead to.

    Expectations are over all draws, with what is then done in-house counted at the ceiling. They integrate the rule's
    payments over the three costs; no formula of the solver enters, and none enters ε.

    Attributes:
        rule: The rule.
        market: The market.
        local: The locals' strategy, counted from the ceiling down.
        package: The strategy of the one who bids on both lots, counted from twice the ceiling down.

    >>> found = solve(PackageRule("core_nearest_zero"), LocalLocalGlobal(correlation=1.0))
    >>> round(found.bid(0.25), 6), round(found.expected_payment, 6), round(found.cost_ratio, 6)
    (0.25, 1.333333, 1.0)
    """

    rule: PackageRule
    market: LocalLocalGlobal
    local: Strategy
    package: Strategy

    def bid(self, cost: Any, cls: int = 0) -> Any:
        """The price asked at a cost, of its shape; above the ceiling the cost itself, which is rejected.

        Args:
            cost: Currency; a number or an array.
            cls: 0 a local, 1 the one who bids on both lots.
        """
        if cls not in (0, 1):
            raise ValueError(f"cls is {cls!r}; it must be 0, a local supplier, or 1, the one who bids on both lots")
        ceiling = (1 + cls) * self.market.ceiling
        saving = ceiling - np.asarray(cost, dtype=float)
        asked = np.where(saving >= 0, ceiling - (self.local, self.package)[cls](np.maximum(saving, 0.0)), cost)
        return float(asked) if asked.ndim == 0 else asked

    @property
    def expected_payment(self) -> float:
        """E of all payments and of in-house costs: what both lots cost the buyer."""
        return 2 * self.market.ceiling - self._expected.price

    @property
    def expected_cost(self) -> float:
        """E of what both lots cost those who do them, in-house work at the ceiling."""
        return 2 * self.market.ceiling - self._expected.saving

    @property
    def cost_ratio(self) -> float:
        """E of the cost to E of the least possible cost, at least 1."""
        return self.expected_cost / (2 * self.market.ceiling - self._expected.best)

    @property
    def win_probability(self) -> tuple[float, float]:
        """Of the locals (at least one does its lot), and of the one who bids on both."""
        return self._expected.locals_win, self._expected.package_wins

    @property
    def core_shortfall(self) -> float:
        """E of the most by which a coalition with the buyer could do better, at true costs.

        Where the locals win, that is what the buyer could save with the third's cost of both lots; where the third
        wins, with the locals' costs; 0 where the payments are in the core.
        """
        return self._expected.shortfall

    @cached_property
    def epsilon(self) -> float:
        """The most any supplier, at any cost, expects to gain by another bid: currency."""
        return max(self._local_gain(), self._package_gain())

    @cached_property
    def _savings(self) -> tuple[_Savings, _Savings]:
        return _savings(self.market)

    @cached_property
    def _expected(self) -> _Expected:
        """Sums over savings v₁, v₂ of the locals and V of the third, in panels between the kinks."""
        local, third = self._savings
        saving, chance = self._of_a_local(np.empty(0), order=16)
        same = self.market.correlation
        one, two = (each.ravel() for each in np.meshgrid(saving, saving))
        weight = np.concatenate([(1 - same) * np.outer(chance, chance).ravel(), same * chance])
        one, two = np.concatenate([one, saving])[:, None], np.concatenate([two, saving])[:, None]
        first, second = self.local(one), self.local(two)
        both = first + second
        savings, density = self._of_the_package(first, second, more=(one + two, self.package.inverse(one + two)))
        against = self.package(savings)
        wins = both >= against
        price = self.rule._price
        paid = np.where(
            wins,
            price(first, second, against) + price(second, first, against),
            self.rule._package_price(both, against),
        )
        lacking = np.maximum(np.where(wins, savings, one + two) - paid, 0.0)

        def mean(value: Floats) -> float:
            return float(weight @ (value * density).sum(axis=1))

        nobody = third.none * ((1 - same) * local.none**2 + same * local.none)
        return _Expected(
            price=mean(paid),
            saving=mean(np.where(wins, one + two, savings)),
            best=mean(np.maximum(one + two, savings)),
            locals_win=mean(wins.astype(float)) - nobody,
            package_wins=mean((~wins).astype(float)),
            shortfall=mean(lacking),
        )

    def _of_a_local(self, breaks: Floats, order: int) -> tuple[Floats, Floats]:
        """Savings of a local and their probabilities, in panels with these breaks too, shape (…, nodes)."""
        local = self._savings[0]
        ends = np.array([local.low, self.local.savings[0], *local.inner, local.high])
        ends = np.broadcast_to(ends, (*breaks.shape[:-1], len(ends)))
        nodes, weights = _gauss(np.sort(np.clip(np.concatenate([ends, breaks], -1), local.low, local.high)), order)
        none = np.zeros((*nodes.shape[:-1], 1))
        return np.concatenate([none, nodes], -1), np.concatenate([none + local.none, weights * local.pdf(nodes)], -1)

    def _of_the_package(self, own: Floats, other: Floats, more: tuple[Floats, ...] = ()) -> tuple[Floats, Floats]:
        """Savings of the third and their probabilities, in panels between the kinks of the payments at these offers."""
        third = self._savings[1]
        kinks = [own + other, own, other, np.abs(own - other), 2 * own, 2 * other]
        kinks = [self.package.inverse(kink) for kink in kinks] + [np.minimum(own + other, third.high), *more]
        shape = np.broadcast_shapes(*(kink.shape for kink in kinks))
        breaks = [np.broadcast_to(kink, shape) for kink in (*kinks, *np.array([third.low, *third.inner, third.high]))]
        inside = np.sort(np.clip(np.concatenate([each[..., -1:] for each in breaks], -1), third.low, third.high))
        nodes, weights = _gauss(inside, 4)
        none = np.zeros((*nodes.shape[:-1], 1))
        return np.concatenate([none, nodes], -1), np.concatenate([none + third.none, weights * third.pdf(nodes)], -1)

    def _local_gain(self) -> float:
        """The best response of a local at 60 savings, searched on a grid of offers and again around the best."""
        local = self._savings[0]
        types = np.linspace(local.low, local.high, 61)[1:]
        own = self.local(types)
        here = self._local_utility(types[:, None], own[:, None])[:, 0]
        grid = np.linspace(0.0, local.high, 161)
        first = self._local_utility(types[:, None], grid[None, :])
        near = grid[first.argmax(axis=1)][:, None] + np.linspace(-1, 1, 9) * grid[1]
        again = self._local_utility(types[:, None], np.maximum(near, 0.0))
        return float(max(0.0, (first.max(axis=1) - here).max(), (again.max(axis=1) - here).max()))

    def _local_utility(self, types: Floats, offers: Floats) -> Floats:
        """E of what a local with a saving v gets from an offer b: Σ (v − p₁(b, b₂, B)) over all that it beats."""
        offer = np.unique(offers)
        third = self._savings[1]
        least, most = self.package(np.array([third.low, third.high]))
        breaks = self.local.inverse(np.stack([offer, least - offer, most - offer], axis=-1))
        saving, chance = self._of_a_local(breaks, order=6)
        win, pay = self._local_terms(offer[:, None], self.local(saving))
        win, pay = (win * chance).sum(axis=-1), (pay * chance).sum(axis=-1)
        index = np.searchsorted(offer, offers)
        same = self.market.correlation
        apart: Floats = types * win[index] - pay[index]
        if not same:
            return apart
        types, offers = np.broadcast_arrays(types, offers)
        win, pay = self._local_terms(offers, self.local(types))
        return (1 - same) * apart + same * (types * win - pay)

    def _local_terms(self, own: Floats, other: Floats) -> tuple[Floats, Floats]:
        """The probability of winning with an offer against another local's, and the expected price."""
        own, other = (each[..., None] for each in np.broadcast_arrays(own, other))
        savings, chance = self._of_the_package(own, other)
        against = self.package(savings)
        chance = np.where(own + other >= against, chance, 0.0)
        return chance.sum(axis=-1), (chance * self.rule._price(own, other, against)).sum(axis=-1)

    def _package_gain(self) -> float:
        """The best response of the one who bids on both lots, searched as that of a local."""
        third = self._savings[1]
        types = np.linspace(third.low, third.high, 61)[1:]
        here = self._package_utility(types[:, None], self.package(types)[:, None])[:, 0]
        grid = np.linspace(0.0, min(third.high, 2 * self._savings[0].high), 161)
        first = self._package_utility(types[:, None], grid[None, :])
        near = grid[first.argmax(axis=1)][:, None] + np.linspace(-1, 1, 9) * grid[1]
        again = self._package_utility(types[:, None], np.maximum(near, 0.0))
        return float(max(0.0, (first.max(axis=1) - here).max(), (again.max(axis=1) - here).max()))

    def _package_utility(self, types: Floats, offers: Floats) -> Floats:
        """E of what the third with a saving V gets from an offer B: Σ (V − price) over the locals it beats."""
        local, same = self._savings[0], self.market.correlation
        offer = np.unique(offers)
        top = self.local.offers[-1]
        breaks = np.stack([self.local.inverse(offer), self.local.inverse(offer - top)], axis=-1)
        one, chance = self._of_a_local(breaks, order=6)
        first = self.local(one)
        room = offer[:, None] - first
        win, pay = self._beaten(first, room, offer[:, None], chance)
        if same:
            half = self.local.inverse(offer / 2)
            breaks = np.sort([local.low, self.local.savings[0], *local.inner, local.high])
            nodes, weights = _gauss(np.minimum(breaks, np.maximum(half, local.low)[:, None]), 12)
            mass = np.concatenate([np.full((len(half), 1), local.none), weights * local.pdf(nodes)], axis=-1)
            both = 2 * self.local(np.concatenate([np.zeros((len(half), 1)), nodes], axis=-1))
            mass = np.where(both < offer[:, None], mass, 0.0)
            price = self.rule._package_price(both, offer[:, None] + 0 * both)
            win = (1 - same) * win + same * mass.sum(axis=-1)
            pay = (1 - same) * pay + same * (mass * price).sum(axis=-1)
        index = np.searchsorted(offer, offers)
        utility: Floats = types * win[index] - pay[index]
        return utility

    def _beaten(self, first: Floats, room: Floats, offer: Floats, chance: Floats) -> tuple[Floats, Floats]:
        """Probability and price of beating a second local who offers less than the room the first leaves."""
        local = self._savings[0]
        limit = np.clip(self.local.inverse(room), local.low, local.high)
        breaks = np.sort([local.low, self.local.savings[0], *local.inner, local.high])
        nodes, weights = _gauss(np.minimum(breaks, limit[..., None]), 5)
        mass = np.concatenate([np.full((*limit.shape, 1), local.none), weights * local.pdf(nodes)], axis=-1)
        second = self.local(np.concatenate([np.zeros((*limit.shape, 1)), nodes], axis=-1))
        mass = np.where(second < room[..., None], mass, 0.0) * chance[..., None]
        both = first[..., None] + second
        price = self.rule._package_price(both, offer[..., None] + 0 * both)
        return mass.sum(axis=(-1, -2)), (mass * price).sum(axis=(-1, -2))


class _Expected(NamedTuple):
    """Expectations, counted from twice the ceiling down."""

    price: float
    saving: float
    best: float
    locals_win: float
    package_wins: float
    shortfall: float


def solve(rule: PackageRule, market: LocalLocalGlobal) -> PackageEquilibrium:
    """Bids in Bayes–Nash equilibrium under a package rule, symmetric between the locals, verified by best responses.

    But for pay-as-bid, the one who bids on both lots can do no better than its cost. A local with a saving v offers b
    such that what a little more would win is worth what it would cost where it wins anyway:

        (v − b) · E g(b + b₂) = E ∫ ∂p₁/∂b dG(B),

    with B ~ G the saving of the third and b₂ the other local's offer. This gives v as a function of b, through the
    distribution of b₂ that follows from it; it is iterated until it stays. A local for whom even b = 0 is too much asks
    for the ceiling. Under pay-as-bid both sides shade, and damped best responses are iterated; where the locals' costs
    are correlated, or suppliers' costs reach beyond the ceiling, these may go in circles, and nothing is returned.

    Raises:
        RuntimeError: no equilibrium was found; the message gives the ε of the best try. No strategy is returned whose
            ε is above 1e-5 (pay-as-bid: 2e-3) of a local's highest saving.

    Source: Ausubel & Baranov 2020, Int. J. Game Theory 49; Goeree & Lien 2016, Theoretical Economics 11.

    >>> for name in ("vcg", "core"):
    ...     found = solve(PackageRule(name), LocalLocalGlobal())
    ...     print(name, round(found.expected_payment, 6), round(found.bid(0.5), 6), round(found.core_shortfall, 3))
    vcg 1.416667 0.5 0.125
    core 1.46734 0.671573 0.201
    """
    local, third = _savings(market)
    slope = CATALOGUE[rule.payment].slope
    if slope is None:
        found = PackageEquilibrium(rule, market, *_shaded_by_all(market))
    else:
        truth = Strategy(*(np.array([third.low, third.high]),) * 2)
        found = PackageEquilibrium(rule, market, _shaded(slope, market), truth)
    allowed = (2e-3 if slope is None else 1e-5) * local.high
    if not found.epsilon <= allowed:
        raise RuntimeError(
            f"no equilibrium of {rule.payment} was found in this market: with the bids found, a supplier would gain up "
            f"to {found.epsilon:.3g} by another bid (ε; at most {allowed:.3g} is accepted)"
        )
    return found


def _savings(market: LocalLocalGlobal) -> tuple[_Savings, _Savings]:
    return _Savings(market.local, market.ceiling), _Savings(market.package, 2 * market.ceiling)


_legendre = cache(np.polynomial.legendre.leggauss)


def _gauss(breaks: Floats, order: int) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss–Legendre sums between sorted breaks, shape (…, panels · order)."""
    x, weight = _legendre(order)
    start, half = breaks[..., :-1, None], np.diff(breaks)[..., None] / 2
    shape = (*breaks.shape[:-1], -1)
    return (start + half * (1 + x)).reshape(shape), (half * weight).reshape(shape)


def _shaded(slope: Slope, market: LocalLocalGlobal) -> Strategy:
    """The locals' strategy where the third bids its cost."""
    local, third = _savings(market)
    same, top = market.correlation, local.high
    low, high = local.low, top
    savings = np.linspace(low, high, 65)

    def at(offer: Floats, low: float, high: float, savings: Floats) -> Floats:
        """The saving at which an offer is best, if the other local's offers from low to high have these savings."""
        offers = np.linspace(low, high, len(savings))
        ends = [np.full_like(offer, end) for end in (low, high)]
        kinks = [offer, *(k for end in (third.low, third.high) for k in (end - offer, offer - end, offer + end))]
        breaks = CubicSpline(offers, savings)(np.sort(np.clip(np.stack([*ends, *kinks], -1), low, high)))
        nodes, weights = _gauss(breaks, 12)
        pooled = np.full((len(offer), 1), local.cdf(savings[0]))
        chance = np.concatenate([pooled, local.pdf(nodes) * weights], axis=-1)
        other = np.concatenate([np.full((len(offer), 1), low), CubicSpline(savings, offers)(nodes)], axis=-1)
        own = offer[:, None] + 0 * other
        gain = (1 - same) * (third.pdf(own + other) * chance).sum(axis=-1) + same * third.pdf(2 * offer)
        loss = (1 - same) * (slope(own, other, third) * chance).sum(axis=-1) + same * slope(offer, offer, third)
        # Where more would win nothing more, no offer is too low
        more = np.where(gain > 0, loss / np.where(gain > 0, gain, 1.0), np.where(loss > 0, np.inf, 0.0))
        return np.minimum(offer + more, 3 * top)

    def found(goal: float, *now: Any) -> float:
        return float(brentq(lambda offer: at(np.array([offer]), *now)[0] - goal, 0.0, top, xtol=1e-15 * top))

    for _ in range(500):
        now = (low, high, savings)
        start = float(at(np.zeros(1), *now)[0])
        if start >= top:
            break
        low, high = (0.0 if start >= local.low else found(local.low, *now)), found(top, *now)
        savings = at(np.linspace(low, high, len(savings)), *now)
        savings[-1] = top
        # Half a step, from truth: some rules overshoot with a whole one
        low, high, savings = (low + now[0]) / 2, (high + now[1]) / 2, (savings + now[2]) / 2
        if not (np.diff(savings) > 0).all():
            # Who has more to gain would not offer more: the verification says what is wrong with the bids so far
            low, high, savings = now
            break
        if max(np.abs(savings - now[2]).max(), abs(high - now[1]), abs(low - now[0])) < 1e-11 * top:
            break
    offers = np.linspace(low, high, 1001)
    savings = at(offers, low, high, savings)
    keep = np.concatenate([[True], np.diff(np.maximum.accumulate(savings)) > 0])
    return Strategy(savings[keep], offers[keep])


def _shaded_by_all(market: LocalLocalGlobal, rounds: int = 600) -> tuple[Strategy, Strategy]:
    """Strategies under pay-as-bid: best responses on grids, each round a step towards them."""
    local, third = _savings(market)
    same = market.correlation
    own, whole = np.linspace(local.low, local.high, 241), np.linspace(third.low, third.high, 361)
    below, below_whole = local.cdf(own), third.cdf(whole)
    chance = np.diff(local.cdf((own[1:] + own[:-1]) / 2), prepend=0.0, append=1.0)
    # Where the ceiling binds, those with little to gain offer next to nothing, so the grid is finest there
    grid = local.high * np.linspace(0, 1, 501) ** 1.5
    grid_whole = min(third.high, 2 * local.high) * np.linspace(0, 1, 501) ** 1.5
    offers, offers_whole = (own + local.low) / 2, (whole + third.low) / 2
    for turn in range(rounds):
        step = max(0.005, 2 / (turn + 4))
        win = (1 - same) * chance @ np.interp(offers[:, None] + grid, offers_whole, below_whole, left=0.0)
        if same:
            win = win + same * np.interp(offers[:, None] + grid, offers_whole, below_whole, left=0.0)
        win_whole = (1 - same) * chance @ np.interp(grid_whole - offers[:, None], offers, below, left=0.0)
        win_whole = win_whole + same * np.interp(grid_whole / 2, offers, below, left=0.0)
        offers = np.maximum.accumulate(offers + step * (_best(grid, own, win) - offers))
        best = _best(grid_whole, whole, win_whole)
        offers_whole = np.maximum.accumulate(offers_whole + step * (best - offers_whole))
    return Strategy(own, offers), Strategy(whole, offers_whole)


def _best(grid: Floats, savings: Floats, win: Floats) -> Floats:
    """The best offer at each saving: the vertex of the parabola through the best point of the grid and its neighbours.

    Whoever cannot win offers all of its saving.
    """
    left_over = savings[:, None] - grid
    values = np.where(left_over < 0, left_over, left_over * win)
    best = len(grid) - 1 - values[:, ::-1].argmax(axis=1)
    mid = np.clip(best, 1, len(grid) - 2)
    row = np.arange(len(values))
    left, right = grid[mid] - grid[mid - 1], grid[mid + 1] - grid[mid]
    up, down = values[row, mid] - values[row, mid - 1], values[row, mid] - values[row, mid + 1]
    bend = up * right + down * left
    shift = np.where(bend > 0, (up * right**2 - down * left**2) / np.where(bend > 0, 2 * bend, 1.0), 0.0)
    vertex = np.clip(grid[mid] + shift, grid[mid - 1], grid[mid + 1])
    peak: Floats = np.where(best == mid, vertex, grid[best])
    return peak


CATALOGUE: Mapping[str, Formula] = {
    "pay_as_bid": Formula(_as_bid, None),
    "vcg": Formula(_vickrey, _vickrey_slope),
    "core": Formula(_nearest_vickrey, _nearest_vickrey_slope),
    "proportional": Formula(_proportional, _proportional_slope),
    "core_nearest_bid": Formula(_nearest_bid, _nearest_bid_slope),
    "core_nearest_zero": Formula(_nearest_zero, _nearest_zero_slope),
}
