"""Who may bid, and what it costs them: markets for one contract, drawn from a seed.

A supplier's cost is its own business. What everybody knows is the distribution it is drawn from, one for each class of
suppliers: large firms and small ones, firms and social organisations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from procure_opt.auction.distributions import Distribution, Lowest, Sum, checked

Floats = NDArray[np.float64]
Entry = Literal["fixed", "uninformed", "informed"]


@dataclass(frozen=True)
class Quality:
    """What quality costs: C(q, θ), with θ the supplier's type, which `Market.costs` then is the distribution of.

    Args:
        cost: C(q, θ), growing and convex in q and growing in θ; takes arrays of the same shape.
        least: The lowest quality that can be offered.
        most: The highest.

    >>> Quality(lambda q, theta: theta * q**2 / 2).cost(0.5, 1.2)
    0.15
    """

    cost: Callable[[Any, Any], Any]
    least: float = 0.0
    most: float = 1e3

    def __post_init__(self) -> None:
        if not -math.inf < self.least < self.most < math.inf:
            raise ValueError(
                f"quality runs from {self.least!r} to {self.most!r}; give two amounts, the lower one first"
            )


@dataclass(frozen=True)
class Market:
    """Suppliers for one contract, by class, with what they know of each other.

    Args:
        costs: `(distribution, n)`, or classes `[(distribution, count), …]`, numbered from 0. Distributions are frozen
            ones of `scipy.stats` (or have the same methods); costs are in currency.
        in_house: What doing the work oneself costs; None if that is impossible.
        entry_cost: What preparing a bid costs a supplier.
        risk_aversion: ρ of the utility x^(1 − ρ) of a profit x (constant relative risk aversion), 0 ≤ ρ < 1.
        correlation: Of the costs, as that of a Gaussian copula with the same correlation between any two, 0 ≤ γ < 1.
        common: Distribution of a signal on what is the same for all, such as the state of the site: each supplier sees
            one of its own, and the work costs it its private cost plus the mean of all signals.
        absolute_risk_aversion: a of the utility 1 − e^(−a x) instead; at most one of the two.
        entry: Who bids: "fixed", all; "uninformed", suppliers decide before they know their cost, each with the same
            probability; "informed", they know their cost, and bid if it is low enough.
        rings: Members of rings, by class: `{0: 3}` means that three suppliers of class 0 bid as one, with the lowest
            of their costs.
        quality: What quality costs, for rules that score it.

    Raises:
        ValueError: there is no supplier, a count is not a whole number of at least 1, a parameter is out of range, a
            distribution is not one, or a ring is larger than its class.

    >>> from scipy import stats
    >>> market = Market([(stats.uniform(0, 1), 2), (stats.uniform(0.2, 1), 1)], in_house=1.5)
    >>> market.bidders, market.counts
    (3, (2, 1))
    >>> Market((stats.uniform(0, 1), 5), rings={0: 2}).acting().counts
    (3, 1)
    """

    costs: Any
    in_house: float | None = None
    entry_cost: float = 0.0
    risk_aversion: float = 0.0
    correlation: float = 0.0
    common: Distribution = None
    absolute_risk_aversion: float = 0.0
    entry: Entry = "fixed"
    rings: dict[int, int] = field(default_factory=dict)
    quality: Quality | None = None

    def __post_init__(self) -> None:
        for number, (distribution, count) in enumerate(self.classes):
            checked(distribution, f"class {number}")
            if isinstance(count, bool) or not math.isfinite(count) or count != int(count) or count < 1:
                raise ValueError(f"class {number} has {count!r} suppliers; it must be a whole number of at least 1")
        for number, size in self.rings.items():
            if number not in range(len(self.classes)) or size != int(size) or size < 1:
                raise ValueError(f"rings is {self.rings!r}; it must give classes their number of members, as {{0: 3}}")
            if size > self.counts[number]:
                raise ValueError(f"a ring of {size} is larger than class {number}, which has {self.counts[number]}")
        if self.correlation and any(size > 1 for size in self.rings.values()):
            raise ValueError("a ring's lowest cost is computed for independent costs; leave out correlation or rings")
        if self.in_house is not None and not math.isfinite(self.in_house):
            raise ValueError(f"in_house is {self.in_house!r}; it must be an amount, or None where it is impossible")
        for name, low, high in (
            ("entry_cost", 0.0, math.inf),
            ("risk_aversion", 0.0, 1.0),
            ("absolute_risk_aversion", 0.0, math.inf),
            ("correlation", 0.0, 1.0),
        ):
            if not low <= getattr(self, name) < high:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be at least {low:g} and below {high:g}")
        if self.risk_aversion and self.absolute_risk_aversion:
            raise ValueError("risk aversion is either relative or absolute; give one of the two")
        if self.entry not in ("fixed", "uninformed", "informed"):
            raise ValueError(f'entry is {self.entry!r}; it must be "fixed", "uninformed" or "informed"')
        if self.common is not None:
            checked(self.common, "the common component")

    @property
    def classes(self) -> tuple[tuple[Distribution, int], ...]:
        """Distribution and number of suppliers of each class."""
        costs = self.costs
        if isinstance(costs, tuple) and len(costs) == 2 and hasattr(costs[0], "cdf"):
            return (costs,)
        if not isinstance(costs, Sequence) or not costs:
            raise ValueError(
                f"costs is {costs!r}; it must be (distribution, number of suppliers), or a list of such pairs, "
                "one for each class; a market needs a supplier"
            )
        for pair in costs:
            if not isinstance(pair, Sequence) or len(pair) != 2:
                raise ValueError(f"a class is {pair!r}; it must be a pair of a distribution and a number of suppliers")
        return tuple((distribution, count) for distribution, count in costs)

    @property
    def counts(self) -> tuple[int, ...]:
        """Suppliers of each class."""
        return tuple(int(count) for _, count in self.classes)

    @property
    def bidders(self) -> int:
        """Suppliers in all."""
        return sum(self.counts)

    @property
    def cls(self) -> NDArray[np.intp]:
        """The class of each supplier, shape (bidders,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def known(self) -> tuple[tuple[Distribution, int], ...]:
        """What suppliers know when they bid, by class: their costs, or with a common component the sums of private
        cost and signal / n (see `Sum`), which bids are then functions of."""
        if self.common is None:
            return self.classes
        return tuple((Sum(private, self.common, self.bidders), count) for private, count in self.classes)

    def acting(self) -> Market:
        """The market as it bids: each ring is one supplier, whose cost is the lowest of its members'.

        A ring comes as a class of its own after the others, or in the place of its class if all of that belong to it;
        a ring of one is none.
        """
        rings = {number: size for number, size in self.rings.items() if size > 1}
        if not rings:
            return self if not self.rings else replace(self, rings={})
        classes, after = list[tuple[Distribution, int]](), list[tuple[Distribution, int]]()
        for number, (each, count) in enumerate(self.classes):
            size = rings.get(number, 0)
            ring = [(Lowest(each, size), 1)] if size else []
            classes += [(each, count - size)] if count > size else ring
            after += ring if count > size else []
        return replace(self, costs=classes + after, rings={})

    def draw(self, draws: int, generator: np.random.Generator) -> Floats:
        """Costs (with a common component: private parts), shape (draws, bidders)."""
        uniform = generator.random((draws, self.bidders))
        if self.correlation:
            shared = generator.standard_normal((draws, 1))
            own = special.ndtri(uniform)
            uniform = special.ndtr(math.sqrt(self.correlation) * shared + math.sqrt(1 - self.correlation) * own)
        first = 0
        for distribution, count in self.classes:
            some = slice(first, first + int(count))
            uniform[:, some] = distribution.ppf(uniform[:, some])
            first += int(count)
        return uniform

    def share(self, private: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """What suppliers know and what the work costs them, both of the shape of their private costs.

        Without a common component both are the private costs; with one, signals are drawn.
        """
        if self.common is None:
            return private, private
        signals = self.common.ppf(generator.random(private.shape))
        return private + signals / self.bidders, private + signals.mean(axis=1, keepdims=True)
