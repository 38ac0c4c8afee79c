"""What suppliers bid in equilibrium: known answers, closed forms, best responses and draws of the rule itself.

Distributions, closed forms, best responses and payments are written down here apart from the library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats
from scipy.integrate import quad
from scipy.optimize import brentq

from procure_opt.auction import verify
from procure_opt.auction.equilibrium import Equilibrium, equilibrium
from procure_opt.auction.market import Market
from procure_opt.auction.outcome import entry_regret
from procure_opt.auction.rules import AverageBid, FirstPrice, PricePoints, SecondPrice
from procure_opt.auction.symmetric import Strategy
from strategies import examples
from test_known import Row, each_row

Floats = NDArray[np.float64]


# ---- distributions ----------------------------------------------------------------------------------------


def uniform(low: float, high: float) -> Any:
    return stats.uniform(low, high - low)


@dataclass(frozen=True)
class Lognormal:
    """Lognormal costs, truncated to [low, high]."""

    mu: float
    sigma: float
    low: float
    high: float

    def _ends(self) -> tuple[float, float]:
        return self._score(self.low), self._score(self.high)

    def _score(self, x: Any) -> Any:
        return (np.log(np.clip(x, self.low, self.high)) - self.mu) / self.sigma

    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def cdf(self, x: Any) -> Any:
        a, b = special.ndtr(self._ends())
        return (special.ndtr(self._score(x)) - a) / (b - a)

    def sf(self, x: Any) -> Any:
        a, b = special.ndtr([-each for each in self._ends()])
        return (special.ndtr(-self._score(x)) - b) / (a - b)

    def logsf(self, x: Any) -> Any:
        return np.log(self.sf(x))

    def pdf(self, x: Any) -> Any:
        a, b = special.ndtr(self._ends())
        density = stats.norm.pdf(self._score(x)) / self.sigma / np.maximum(x, 1e-300) / (b - a)
        return np.where((np.asarray(x) < self.low) | (np.asarray(x) > self.high), 0.0, density)

    def ppf(self, q: Any) -> Any:
        a, b = special.ndtr(self._ends())
        return np.clip(np.exp(self.mu + self.sigma * special.ndtri(a + np.asarray(q) * (b - a))), self.low, self.high)

    def isf(self, q: Any) -> Any:
        a, b = special.ndtr([-each for each in self._ends()])
        return np.clip(np.exp(self.mu - self.sigma * special.ndtri(b + np.asarray(q) * (a - b))), self.low, self.high)

    def mean(self) -> float:
        return float(quad(lambda x: x * float(self.pdf(x)), self.low, self.high, epsabs=1e-13)[0])


@dataclass(frozen=True)
class Power:
    """S(c) = ((h − c) / w)^k on [h − w, h]: the lowest of k uniform costs, also for a k that is not whole."""

    k: float
    width: float = 1.0
    high: float = 1.0

    def support(self) -> tuple[float, float]:
        return self.high - self.width, self.high

    def _left(self, x: Any) -> Any:
        return np.clip((self.high - np.asarray(x, dtype=float)) / self.width, 0, 1)

    def sf(self, x: Any) -> Any:
        return self._left(x) ** self.k

    def logsf(self, x: Any) -> Any:
        return self.k * np.log(self._left(x))

    def cdf(self, x: Any) -> Any:
        with np.errstate(divide="ignore"):
            return -np.expm1(self.logsf(x))

    def pdf(self, x: Any) -> Any:
        x = np.asarray(x, dtype=float)
        with np.errstate(divide="ignore"):
            density = self.k / self.width * self._left(x) ** (self.k - 1)
        return np.where((x < self.high - self.width) | (x > self.high), 0.0, density)

    def isf(self, q: Any) -> Any:
        return self.high - self.width * np.asarray(q) ** (1 / self.k)

    def ppf(self, q: Any) -> Any:
        with np.errstate(divide="ignore"):
            return self.high - self.width - self.width * np.expm1(np.log1p(-np.asarray(q)) / self.k)

    def mean(self) -> float:
        return self.high - self.width * self.k / (self.k + 1)


@dataclass(frozen=True)
class Kumaraswamy:
    """F(c) = c^a with k = 1, S(c) = (1 − c)^k with a = 1: in general S = (1 − c^a)^k."""

    a: float
    k: float

    def support(self) -> tuple[float, float]:
        return 0.0, 1.0

    def sf(self, x: Any) -> Any:
        return (1 - np.clip(x, 0, 1) ** self.a) ** self.k

    def logsf(self, x: Any) -> Any:
        return np.log(self.sf(x))

    def cdf(self, x: Any) -> Any:
        return 1 - self.sf(x)

    def pdf(self, x: Any) -> Any:
        x = np.asarray(x, dtype=float)
        inside = np.clip(x, 0, 1)
        with np.errstate(divide="ignore"):
            density = self.a * self.k * inside ** (self.a - 1) * (1 - inside**self.a) ** (self.k - 1)
        return np.where((x < 0) | (x > 1), 0.0, density)

    def isf(self, q: Any) -> Any:
        return (1 - np.asarray(q) ** (1 / self.k)) ** (1 / self.a)

    def ppf(self, q: Any) -> Any:
        return self.isf(1 - np.asarray(q))

    def mean(self) -> float:
        return float(self.k * special.beta(1 + 1 / self.a, self.k))


DISTRIBUTIONS: dict[str, Callable[..., Any]] = {
    "U": uniform,
    "Lognormal": Lognormal,
    "Power": Power,
    "Beta": stats.beta,
    "Kumaraswamy": Kumaraswamy,
    "Weibull": stats.weibull_min,
    "Exponential": lambda mean: stats.expon(scale=mean),
}


# ---- known answers ----------------------------------------------------------------------------------------


@cache
def market(costs: str, options: str = "") -> Market:
    """`3 U(0, 1)` are three suppliers of that distribution; classes are set apart by `;`."""
    classes = []
    for text in costs.split(";"):
        count, distribution = text.split(maxsplit=1)
        classes.append((eval(distribution, DISTRIBUTIONS.copy()), int(count)))
    return Market(classes, **eval(f"dict({options})"))


@cache
def solved(rule: str, costs: str, options: str = "") -> Equilibrium:
    rules = {each.__name__: each for each in (AverageBid, FirstPrice, PricePoints, SecondPrice)}
    return equilibrium(eval(rule, rules), market(costs, options))  # type: ignore[arg-type]


SAYS: dict[str, Callable[[Equilibrium, float, int], float]] = {
    "bid": lambda found, at, cls: found.bid(at, cls),
    "low": lambda found, _, cls: found.low_bid,
    "high": lambda found, _, cls: max(float(each.bids[-1]) for each in found.strategies),
    "payment": lambda found, _, cls: found.expected_payment,
    "cost": lambda found, _, cls: found.expected_cost,
    "win": lambda found, _, cls: found.win_probability[cls],
    "awarded": lambda found, _, cls: found.award_probability,
    "bidding": lambda found, _, cls: found.bidding,
    "outlay": lambda found, _, cls: found.expected_outlay,
    "rents": lambda found, _, cls: found.rents,
    "surplus": lambda found, _, cls: float(found.market.in_house or math.nan) - found.expected_outlay,
    "ceiling": lambda found, _, cls: found.strategies[cls].ceiling,
    "pooled": lambda found, _, cls: found.strategies[cls].pooled,
}


def check(row: Row) -> None:
    what, _, cls = row["what"].partition(" ")
    found = solved(row["rule"], row["costs"], row["options"])
    says = SAYS[what](found, float(row["at"] or 0), int(cls or 0))
    assert says == pytest.approx(float(row["value"]), rel=0, abs=float(row["within"]))


@each_row("auction_first_price.csv", "costs", "rule", "what", "at")
def test_first_price(row: Row) -> None:
    check(row)


@each_row("auction_second_price.csv", "costs", "rule", "what", "at")
def test_second_price(row: Row) -> None:
    check(row)


@each_row("auction_risk_and_entry.csv", "costs", "options", "rule", "what", "at")
def test_risk_aversion_entry_and_reserve(row: Row) -> None:
    check(row)


@each_row("auction_asymmetric.csv", "costs", "options", "what", "at")
def test_suppliers_of_several_classes(row: Row) -> None:
    check(row)


@each_row("auction_preference.csv", "costs", "rule", "what", "at")
def test_preference_and_lead(row: Row) -> None:
    check(row)


@each_row("auction_floor_and_average.csv", "costs", "rule", "what", "at")
def test_floor_and_average_bid(row: Row) -> None:
    check(row)


# ---- draws of the rule itself -----------------------------------------------------------------------------


CASES = [
    ("FirstPrice()", "3 U(0, 1)", ""),
    ("FirstPrice(reserve=0.7)", "3 U(0, 1)", ""),
    ("FirstPrice(reserve=1.5)", "4 Lognormal(0, 0.5, 0.3, 3)", ""),
    ("FirstPrice()", "3 U(0, 1)", "risk_aversion=0.5"),
    ("FirstPrice(reserve=0.7)", "5 U(0, 1)", 'entry="uninformed", entry_cost=0.06, in_house=1'),
    ("FirstPrice(reserve=0.9)", "4 U(0, 1)", 'entry="informed", entry_cost=0.06, in_house=1'),
    ("SecondPrice(reserve=0.9)", "4 U(0, 1)", 'entry="informed", entry_cost=0.06, in_house=1'),
    ("SecondPrice(reserve=0.7)", "5 U(0, 1)", 'entry="uninformed", entry_cost=0.06, in_house=1'),
    ("FirstPrice(floor=0.5)", "3 U(0, 1)", ""),
    ("FirstPrice(floor=0.45)", "5 U(0, 1)", ""),
    ("FirstPrice()", "1 U(1, 2); 1 U(0, 2)", ""),
    ("FirstPrice()", "1 Power(1, 0.8); 1 Power(2, 0.9); 2 Power(0.5, 0.7714285714285715)", ""),
    ("FirstPrice()", "1 Lognormal(-0.1, 0.4, 0.4, 2.5); 3 Lognormal(0.1, 0.4, 0.4, 2.5)", ""),
    ("FirstPrice(preference={0: 0.1})", "1 U(0, 1); 1 U(0, 1)", ""),
    ("FirstPrice(preference={1: 0.1})", "1 U(0, 1); 1 U(0.2, 1.2)", ""),
    ("PricePoints(30, lead={0: 6})", "1 U(0, 1); 1 U(0, 1)", ""),
    ("PricePoints(30)", "3 U(0, 1)", ""),
    ("SecondPrice(reserve={0: 1, 1: 1.2}, advantage={1: 0.1})", "1 U(0, 1); 1 U(0.2, 1.2)", ""),
    ("SecondPrice(reserve=0.8, preference={1: 0.2})", "2 U(0, 1); 3 U(0.2, 1.2)", ""),
    ("SecondPrice()", "3 U(0, 1)", "correlation=0.5"),
    ("FirstPrice()", "3 U(0, 1)", "correlation=0.5"),
    ("FirstPrice(reserve=0.7)", "3 U(0, 1)", "correlation=0.5"),
    ("SecondPrice(reserve=0.7)", "3 U(0, 1)", "correlation=0.5"),
    ("AverageBid(reserve=1)", "5 U(0, 1)", ""),
]
cases = pytest.mark.parametrize("rule, costs, options", CASES)
DRAWS = 200_000


def drawn(found: Equilibrium, generator: np.random.Generator) -> tuple[Floats, NDArray[np.intp]]:
    """Costs of every supplier and their classes, by inversion; correlated by one factor."""
    cls = np.repeat(np.arange(len(found.market.classes)), found.market.counts)
    shape, same = (DRAWS, len(cls)), found.market.correlation
    shared, own = generator.standard_normal((DRAWS, 1)), generator.standard_normal(shape)
    scores = math.sqrt(same) * shared + math.sqrt(1 - same) * own
    costs = np.column_stack(
        [found.market.classes[k][0].ppf(special.ndtr(score)) for k, score in zip(cls, scores.T, strict=True)]
    )
    return costs, cls


@cases
def test_the_rule_drawn_pays_and_awards_what_is_expected(rule: str, costs: str, options: str) -> None:
    found, generator = solved(rule, costs, options), np.random.default_rng(20)
    drawn_costs, cls = drawn(found, generator)
    bids = np.column_stack([found.bid(cost, int(k)) for k, cost in zip(cls, drawn_costs.T, strict=True)])
    bids[generator.random(bids.shape) >= found.bidding] = np.nan
    winner, payment = found.rule(bids, cls, generator)
    own = np.where(winner < 0, 0.0, drawn_costs[np.arange(DRAWS), winner])
    of_class = [(winner >= 0) & (cls[winner] == k) for k in range(len(found.strategies))]
    shares = zip(of_class, found.win_probability, strict=True)
    for sample, exact in [(payment, found.expected_payment), (own, found.expected_cost), *shares]:
        error = float(np.std(sample)) / math.sqrt(DRAWS)
        assert abs(float(np.mean(sample)) - exact) <= 4 * error + 1e-9


# ---- best responses, apart from the verifier --------------------------------------------------------------


def gain(found: Equilibrium, factor: list[float], high: float = math.inf, costs: int = 13) -> float:
    """The most a supplier gains by another bid: rivals' evaluated bids inverted on a grid of their quantiles."""
    share = (np.arange(40_000) + 0.5) / 40_000
    asked = [
        (scale * found.bid(distribution.ppf(share), k), share)
        for k, ((distribution, _), scale) in enumerate(zip(found.market.classes, factor, strict=True))
    ]

    def none_below(evaluated: Floats, own: int) -> Floats:
        chance = np.ones_like(evaluated)
        for k, (theirs, shares) in enumerate(asked):
            bidding = np.isfinite(theirs)
            below = np.interp(evaluated, theirs[bidding], shares[bidding], left=0.0, right=float(bidding.mean()))
            chance *= (1 - found.bidding * below) ** (found.market.counts[k] - (k == own))
        return chance

    aversion, worst = found.market.risk_aversion, -math.inf
    for k, (distribution, _) in enumerate(found.market.classes):
        for cost in distribution.ppf(np.linspace(0.001, 0.97, costs)):
            own = found.bid(float(cost), k)
            if math.isnan(own):
                continue
            top = min(high, max(float(np.nanmax(theirs)) for theirs, _ in asked) / factor[k])
            if top <= cost:
                continue
            tried = np.append(np.linspace(cost, top, 4000), own)
            profit = np.maximum(tried - cost, 0) ** (1 - aversion) * none_below(factor[k] * tried, k)
            worst = max(worst, float(profit.max() - profit[-1]))
    return worst


@pytest.mark.parametrize("rule, costs, options, factor", [
    (*CASES[0], [1.0]), (*CASES[2], [1.0]), (*CASES[3], [1.0]), (*CASES[10], [1.0, 1.0]), (*CASES[11], [1.0] * 3),
    (*CASES[12], [1.0, 1.0]), (*CASES[13], [0.9, 1.0]), (*CASES[14], [1.0, 0.9]), (*CASES[15], [0.8, 1.0]),
])  # fmt: skip
def test_nobody_gains_by_another_bid(rule: str, costs: str, options: str, factor: list[float]) -> None:
    found = solved(rule, costs, options)
    high = getattr(found.rule, "reserve", None)
    assert found.epsilon < 1e-6
    assert gain(found, factor, math.inf if high is None else high) < 1e-6


@pytest.mark.parametrize("costs, factor", [
    ("1 U(0, 1); 2 U(0, 0.9)", [1.0, 1.0]),
    ("2 U(0, 1); 2 U(0.2, 1.2)", [1.0, 0.9]),
    ("1 U(0, 1); 1 U(0.2, 1.3); 2 U(0.3, 1.4)", [1.0] * 3),
])  # fmt: skip
def test_nobody_gains_where_highest_costs_differ(costs: str, factor: list[float]) -> None:
    preference = {k: 1 - share for k, share in enumerate(factor)}
    found = equilibrium(FirstPrice(preference=preference), market(costs))
    assert sum(found.win_probability) == pytest.approx(1, abs=1e-8)
    assert found.epsilon < 1e-6
    assert gain(found, factor) < 1e-6


def test_the_grid_sees_a_supplier_who_could_gain() -> None:
    """The bids of a market of two, among three, leave 0.0443 to gain: the test above can fail."""
    found = solved("FirstPrice()", "2 U(0, 1)")
    wrong = Equilibrium(found.rule, market("3 U(0, 1)"), found.strategies, 0, 0, 0, (1,), 0)
    assert gain(wrong, [1.0], costs=2000) == pytest.approx(0.0443310539, abs=1e-5)


# ---- the verifier -----------------------------------------------------------------------------------------


def straight(low: float, high: float) -> Strategy:
    """Bids from `low` to `high` for costs from 0 to 1."""
    return Strategy(np.array([0.0, 1.0]), np.array([low, high]), np.full(2, high - low))


@pytest.mark.parametrize("low, gains, within", [(0.5, 0.0443310539, 1e-5), (0, 4 / 27, 1e-5), (1 / 3, 0, 1e-12)])
def test_the_verifier_finds_what_a_wrong_strategy_leaves_to_gain(low: float, gains: float, within: float) -> None:
    """Three suppliers who bid as if they were two, who bid their costs, and who do what is best."""
    found = verify.first_price(market("3 U(0, 1)"), [straight(low, 1)], [1.0])
    assert found == pytest.approx(gains, abs=within)
    assert found <= gains + 1e-9


def test_the_verifier_at_the_cost_where_most_is_to_gain() -> None:
    """ε(c) of three who bid as if they were two: (1 − c)³ (16/27 − 1/2) from c = 1/4, and its mean is 1/64."""

    def best(cost: float) -> float:
        bids = np.linspace(max(cost, 0.5), 1, 20_001)
        return float(((bids - cost) * (2 * (1 - bids)) ** 2).max()) - (1 - cost) ** 3 / 2

    assert best(0.5) == pytest.approx(0.5**3 * (16 / 27 - 1 / 2), abs=1e-8)
    costs = (np.arange(400) + 0.5) / 400
    assert max(best(float(cost)) for cost in costs) == pytest.approx(0.0443310539, abs=1e-5)


# ---- closed forms at any parameters -----------------------------------------------------------------------


@examples(15)
@given(st.floats(0.2, 5), st.integers(2, 12), st.floats(0.05, 0.95), st.floats(0, 0.9))
def test_costs_whose_survivor_is_a_power(k: float, n: int, cost: float, aversion: float) -> None:
    """b = c + θ (1 − c) / (k (n − 1) + θ), and payments are b over the density of the lowest cost."""
    assume(k * (n - 1) > 0.5)
    found = equilibrium(FirstPrice(), Market((Power(k), n), risk_aversion=aversion))
    theta = 1 - aversion
    assert found.bid(cost) == pytest.approx(cost + theta * (1 - cost) / (k * (n - 1) + theta), abs=1e-8)
    lowest = 1 / (k * n + 1)
    paid = lowest + theta * (1 - lowest) / (k * (n - 1) + theta)
    assert found.expected_payment == pytest.approx(paid, abs=1e-7)


CURVES = ["U(0, 1)", "Beta(2, 3)", "Beta(1, 2)", "Lognormal(0, 0.5, 0.3, 3)", "Weibull(1.5)", "Kumaraswamy(1.5, 2)"]


@examples(10)
@given(st.sampled_from(CURVES), st.integers(2, 8), st.floats(0.2, 1))
def test_first_and_second_price_pay_the_same(costs: str, n: int, part: float) -> None:
    """And what virtual costs say, integrated apart: E pay = ∫ (c + F/f) n f S^(n−1) up to the reserve."""
    distribution = market(f"{n} {costs}").classes[0][0]
    reserve = float(distribution.ppf(part)) if part < 0.95 else float(distribution.ppf(1 - 1e-9))
    first = equilibrium(FirstPrice(reserve), Market((distribution, n)))
    second = equilibrium(SecondPrice(reserve), Market((distribution, n)))

    def virtual(c: float) -> float:
        return (c * float(distribution.pdf(c)) + float(distribution.cdf(c))) * n * float(distribution.sf(c)) ** (n - 1)

    paid, _ = quad(virtual, float(distribution.support()[0]), reserve, epsabs=1e-11, epsrel=1e-11, limit=200)
    for found in (first, second):
        assert found.expected_payment == pytest.approx(paid, abs=1e-8)
        assert found.award_probability == pytest.approx(1 - float(distribution.sf(reserve)) ** n, abs=1e-9)
    assert first.expected_cost == pytest.approx(second.expected_cost, abs=1e-9)


def kaplan_zamir(first: tuple[float, float], second: tuple[float, float], bid: float) -> tuple[float, float]:
    """The costs at which suppliers with uniform costs on two intervals make a bid, in closed form."""
    l1, h1, l2, h2 = -first[1], -first[0], -second[1], -second[0]
    least, apart = (l1 + l2) / 2, (l2 - l1) / 2
    x, top = -bid - least, (h1 * h2 - least**2) / (h1 + h2 - 2 * least) - least
    one = (apart**2 / (h1 - l1) - apart + top) / (top * math.exp(-apart / top))
    two = (apart**2 / (h2 - l2) + apart + top) / (top * math.exp(apart / top))
    value1 = l1 + apart**2 / (apart - x + one * x * math.exp(-apart / x))
    value2 = l2 + apart**2 / (-apart - x + two * x * math.exp(apart / x))
    return -value1, -value2


def test_the_closed_form_is_the_printed_one() -> None:
    """Kaplan and Zamir's v1 on [0, 5], v2 on [6, 7]: φ1(4) = 4.39616982, φ2(4) = 6.52417006."""
    assert kaplan_zamir((2, 7), (0, 1), 3) == pytest.approx((7 - 4.39616982, 7 - 6.52417006), abs=1e-8)


@examples(4)
@given(st.floats(0.05, 0.6), st.floats(0.7, 1.4), st.floats(0.8, 1.5))
def test_two_uniform_intervals_of_kaplan_and_zamir(low: float, high: float, other: float) -> None:
    assume(high > low + 0.2 and (high + other) / 2 > max(low, 0.3) and abs(high - other) > 0.02)
    first, second = (low, high), (0.0, other)
    end = (high + other) / 2
    assume(end > low + 0.2)
    found = equilibrium(FirstPrice(), Market([(uniform(*first), 1), (uniform(*second), 1)]))
    for bid in np.linspace(found.low_bid + 0.02, end - 0.02, 7):
        costs = kaplan_zamir(first, second, float(bid))
        for k, cost in enumerate(costs):
            assert found.bid(cost, k) == pytest.approx(bid, abs=1e-7)


# ---- limits -----------------------------------------------------------------------------------------------


def alike(one: Equilibrium, other: Equilibrium, within: float = 1e-7) -> None:
    """The same bids of the first class, and the same payments and costs."""
    low, high = (float(each) for each in one.market.classes[0][0].support())
    costs = np.linspace(low, high, 31)[:-1]
    assert other.bid(costs) == pytest.approx(one.bid(costs), abs=within, nan_ok=True)
    for name in ("expected_payment", "expected_cost", "award_probability", "low_bid"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), abs=within), name


@pytest.mark.parametrize("reserve", [None, 0.6])
def test_classes_that_do_not_differ_are_one(reserve: float | None) -> None:
    """The boundary-value problem of equal classes has the closed form of one class for its solution."""
    alike(
        equilibrium(FirstPrice(reserve), Market((uniform(0, 1), 5))),
        equilibrium(FirstPrice(reserve), Market([(uniform(0, 1), 2), (uniform(0, 1), 3)])),
    )


def test_a_ring_of_one_is_no_ring_and_a_preference_of_nothing_no_preference() -> None:
    plain = solved("FirstPrice()", "5 U(0, 1)")
    alike(plain, solved("FirstPrice()", "5 U(0, 1)", "rings={0: 1}"), 0)
    weak = "1 U(0, 1); 1 U(0.2, 1.2)"
    alike(solved("FirstPrice()", weak), solved("FirstPrice(preference={1: 0})", weak), 1e-12)
    alike(solved("FirstPrice()", weak), solved("PricePoints(30, lead={1: 0})", weak), 1e-12)


def test_a_preference_of_all_is_one_of_nobody() -> None:
    weak = "1 U(0, 1); 1 U(0.2, 1.2)"
    alike(solved("FirstPrice()", weak), solved("FirstPrice(preference={0: 0.1, 1: 0.1})", weak))


def test_costs_that_are_hardly_correlated_are_independent() -> None:
    alike(solved("FirstPrice()", "3 U(0, 1)"), solved("FirstPrice()", "3 U(0, 1)", "correlation=1e-9"), 1e-6)
    alike(solved("SecondPrice()", "3 U(0, 1)"), solved("SecondPrice()", "3 U(0, 1)", "correlation=1e-9"), 1e-6)


@pytest.mark.parametrize("same", [0.3, 0.7])
def test_two_correlated_suppliers(same: float) -> None:
    """Given one's own score x the other's is normal, mean γ x: b = c + ∫_c^1 exp(−∫_c^t k), k its hazard at x."""
    score = np.linspace(-7.5, 7.5, 300_001)
    spread = math.sqrt(1 - same**2)
    away = (1 - same) * score / spread
    hazard = np.exp(stats.norm.logpdf(away) - special.log_ndtr(-away)) / spread
    middle, step, density = (hazard[1:] + hazard[:-1]) / 2, np.diff(score), stats.norm.pdf(score)
    loss = np.append(0.0, np.cumsum(middle * step))
    found = solved("FirstPrice()", "2 U(0, 1)", f"correlation={same}")
    for at in range(100_000, 220_001, 20_000):
        above = density[at:] * np.exp(loss[at] - loss[at:])
        bid = float(special.ndtr(score[at])) + float(((above[1:] + above[:-1]) / 2 * step[at:]).sum())
        assert found.bid(float(special.ndtr(score[at]))) == pytest.approx(bid, abs=1e-6)


def test_affiliation_makes_first_price_dearer_than_second() -> None:
    """Milgrom and Weber 1982, theorem 15, signs reversed."""
    first, second = (solved(f"{rule}Price()", "3 U(0, 1)", "correlation=0.5") for rule in ("First", "Second"))
    assert first.expected_payment > second.expected_payment + 0.01


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_supplier_of_uniform_costs_wins_as_often_as_the_lowest_bid_says(size: int) -> None:
    """Envelope theorem: what a supplier earns falls from b̲ at cost 0 to 0 at cost 1 by its chance to win."""
    found = solved("FirstPrice()", "5 U(0, 1)", f"rings={{0: {size}}}")
    outside = 5 - size
    assert found.win_probability[0] / outside == pytest.approx(found.low_bid, abs=1e-7)


def test_samuelson_a_second_way() -> None:
    """Four who know their costs, e = 0.06, in-house 1: r* = 0.624 costs 0.4900, and r = 1 costs 0.5087."""
    cheapest = []
    for reserve in (0.604, 0.624, 0.644, 1.0):
        cut = float(brentq(lambda c, r=reserve: (r - c) * (1 - c) ** 3 - 0.06, 0, 1))  # type: ignore[misc]
        # One who enters alone is paid the reserve; of more the second lowest cost, of density 12 c (1 − c)², is paid.
        c = (np.arange(200_000) + 0.5) * cut / 200_000
        second = 12 * c * (1 - c) ** 2 * cut / 200_000
        outlay = (1 - cut) ** 4 + 4 * cut * (1 - cut) ** 3 * reserve + float((c * second).sum())
        options = 'entry="informed", entry_cost=0.06, in_house=1'
        for rule in ("FirstPrice", "SecondPrice"):
            found = solved(f"{rule}(reserve={reserve})", "4 U(0, 1)", options)
            assert found.expected_outlay == pytest.approx(outlay, abs=1e-7)
        cheapest.append(outlay)
    assert min(cheapest) == cheapest[1] == pytest.approx(0.4900, abs=5e-5)
    assert cheapest[-1] == pytest.approx(0.5087, abs=5e-5)


# ---- laws -------------------------------------------------------------------------------------------------


@cases
def test_bids_are_not_below_costs_and_grow_with_them(rule: str, costs: str, options: str) -> None:
    found = solved(rule, costs, options)
    for k, (distribution, _) in enumerate(found.market.classes):
        some = distribution.ppf(np.linspace(0, 0.9999, 400))
        bids = found.bid(some, k)
        bidding = np.isfinite(bids)
        assert (bids[bidding] >= some[bidding] - 1e-9).all()
        assert (np.diff(bids[bidding]) >= -1e-9).all()
        assert not np.isfinite(bids[np.argmin(bidding) :]).any() or bidding.all()  # who stays away costs more
        reserve = getattr(found.rule, "reserve", None)
        if isinstance(reserve, float):
            assert bids[bidding].max() <= reserve + 1e-12
            assert np.isnan(bids[some > reserve]).all()


@examples(6)
@given(
    st.sampled_from([stats.uniform(), stats.beta(2, 3), stats.beta(1, 2), stats.weibull_min(1.5)]),
    st.integers(2, 6), st.floats(1e-3, 1e6), st.floats(0, 10),
)  # fmt: skip
def test_costs_in_another_currency(one: Any, n: int, unit: float, shift: float) -> None:
    args = () if one.dist.name == "uniform" else one.args
    moved = one.dist(*args, loc=unit * shift, scale=unit)
    here, there = (equilibrium(FirstPrice(), Market((each, n))) for each in (one, moved))
    assert there.expected_payment / unit - shift == pytest.approx(here.expected_payment, abs=1e-8)
    assert there.bid(unit * (0.4 + shift)) / unit - shift == pytest.approx(here.bid(0.4), abs=1e-8)
    assert there.epsilon / unit < 1e-6


@examples(6)
@given(st.sampled_from(CURVES), st.integers(2, 10), st.sampled_from([FirstPrice(), SecondPrice()]))
def test_one_more_bidder_is_cheaper(costs: str, n: int, rule: Any) -> None:
    distribution = market(f"{n} {costs}").classes[0][0]
    fewer, more = (equilibrium(rule, Market((distribution, count))) for count in (n, n + 1))
    assert more.expected_payment < fewer.expected_payment
    assert more.expected_cost < fewer.expected_cost


@pytest.mark.parametrize("rule, turned", [
    ("FirstPrice(preference={1: 0.1})", "FirstPrice(preference={0: 0.1})"), ("SecondPrice()", "SecondPrice()"),
    ("SecondPrice(advantage={1: 0.1})", "SecondPrice(advantage={0: 0.1})"),
])  # fmt: skip
def test_the_order_of_classes_does_not_matter(rule: str, turned: str) -> None:
    one = solved(rule, "1 U(0, 1); 1 U(0.2, 1.2)")
    other = solved(turned, "1 U(0.2, 1.2); 1 U(0, 1)")
    assert other.expected_payment == pytest.approx(one.expected_payment, abs=1e-9)
    assert other.win_probability[::-1] == pytest.approx(one.win_probability, abs=1e-9)
    assert other.bid(0.5, 1) == pytest.approx(one.bid(0.5, 0), abs=1e-9)


@pytest.mark.parametrize("rule", [FirstPrice(1.0), SecondPrice(1.0)])
def test_epsilon_covers_the_decision_to_enter(rule: Any) -> None:
    """U(0, 1), reserve 1: with probability q each earns ∫ F (1 − q F)^4, more than 0.06 if fewer than that come."""
    found = equilibrium(rule, Market((stats.uniform(0, 1), 5), entry_cost=0.06, entry="uninformed"))
    assert entry_regret(found) < 1e-9 and entry_regret(found) <= found.epsilon
    at = (np.arange(100_000) + 0.5) / 100_000
    for q in (0.5, 0.9):
        fewer = equilibrium(rule, Market((stats.uniform(0, 1), 5), entry_cost=float(np.mean(at * (1 - q * at) ** 4)),
                                         entry="uninformed"))  # fmt: skip
        assert fewer.bidding == pytest.approx(q, abs=1e-6)
        told = replace(fewer, market=replace(fewer.market, entry_cost=0.06))
        assert entry_regret(told) == pytest.approx(abs(np.mean(at * (1 - q * at) ** 4) - 0.06), abs=1e-6)
