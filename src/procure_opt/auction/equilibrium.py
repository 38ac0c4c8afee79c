"""What suppliers bid under a rule when each does its best against the others, with an ε that says how nearly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, optimize, special

from procure_opt.auction import asymmetric, packages, scored, symmetric, verify
from procure_opt.auction.asymmetric import ALONE, NotConverged
from procure_opt.auction.market import Affine, Market
from procure_opt.auction.packages import LocalLocalGlobal, PackageRule
from procure_opt.auction.rules import (
    AverageBid,
    FirstPrice,
    FirstScore,
    PricePoints,
    RatioScore,
    SecondPrice,
    SecondScore,
)
from procure_opt.auction.symmetric import Strategy

Floats = NDArray[np.float64]

WHOLE = 1e-6  # by how much the chances to win may miss their sum
VERIFIED = 1e-5  # the largest ε, as a share of the spread of costs, with which strategies are returned


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """Bids that are best responses to each other, up to ε, and what comes of them.

    Attributes:
        rule: The bidding rule.
        market: The market as it bids: rings are one supplier.
        strategies: The bid for each cost, by class.
        low_bid: The lowest bid made.
        expected_payment: What is paid to suppliers in the mean, 0 where nothing is awarded.
        expected_cost: What the work costs the winner in the mean, 0 where nothing is awarded.
        win_probability: Of each class as a whole.
        epsilon: The most a supplier of any cost could gain by another bid (in utility where it is averse to risk).
        bidding: Probability that a supplier bids (uninformed entry); 1 otherwise.
        note: Which equilibrium this is where there are several, and what else should be known.
    """

    rule: Any
    market: Market
    strategies: tuple[Strategy, ...]
    low_bid: float
    expected_payment: float
    expected_cost: float
    win_probability: tuple[float, ...]
    epsilon: float
    bidding: float = 1.0
    note: str = ""

    def bid(self, cost: Any, cls: int = 0) -> Any:
        """The bid of a supplier of some cost and class; NaN if it does not bid."""
        if cls not in range(len(self.strategies)):
            raise ValueError(f"there is no class {cls!r}; classes are 0 to {len(self.strategies) - 1}")
        asked = self.strategies[cls](cost)
        return float(asked) if np.ndim(cost) == 0 else asked

    def bids(self, costs: Floats, generator: np.random.Generator | None = None) -> Floats:
        """The bids of all suppliers, shape (draws, bidders), NaN where one does not bid."""
        asked = np.empty_like(costs)
        for number, strategy in enumerate(self.strategies):
            some = self.market.cls == number
            asked[:, some] = strategy(costs[:, some])
        if self.bidding < 1 and generator is not None:
            asked[generator.random(costs.shape) > self.bidding] = np.nan
        return asked

    @property
    def award_probability(self) -> float:
        """The probability that a supplier is awarded the contract."""
        return float(sum(self.win_probability))

    @property
    def expected_outlay(self) -> float:
        """What the buyer spends in the mean: payments, and the in-house cost where nothing is awarded."""
        if self.award_probability > 1 - 1e-12:
            return self.expected_payment
        if self.market.in_house is None:
            return math.nan
        return self.expected_payment + (1 - self.award_probability) * self.market.in_house

    @property
    def expected_bidders(self) -> float:
        """How many bid in the mean."""
        ready = (
            count * float(distribution.cdf(min(strategy.ceiling, float(distribution.support()[1]))))
            for (distribution, count), strategy in zip(self.market.classes, self.strategies, strict=True)
        )
        return self.bidding * sum(ready)

    @property
    def rents(self) -> float:
        """What all suppliers earn together in the mean, after the costs of bidding."""
        paying = self.expected_bidders if self.market.entry == "informed" else self.bidding * self.market.bidders
        return self.expected_payment - self.expected_cost - paying * self.market.entry_cost


def equilibrium(rule: Any, market: Any) -> Any:
    """The equilibrium of a bidding rule in a market.

    Args:
        rule: A value of the catalogue of rules.
        market: Who bids, and what it costs them: a `Market`, or a `LocalLocalGlobal` for rules on packages.

    Returns:
        An `Equilibrium`; of scoring rules a `ScoreEquilibrium`, of rules on packages a `PackageEquilibrium`.

    Raises:
        ValueError: the rule has no equilibrium here, or none that can be computed; the message says why.
        NotConverged: no strategy could be verified; with its `epsilon`.

    >>> from scipy import stats
    >>> from procure_opt.auction.rules import FirstPrice
    >>> found = equilibrium(FirstPrice(), Market((stats.uniform(0, 1), 3)))
    >>> round(found.bid(0.2), 9), round(found.expected_payment, 9), found.epsilon < 1e-9
    (0.466666667, 0.5, True)
    """
    if isinstance(rule, PackageRule) or isinstance(market, LocalLocalGlobal):
        return _package(rule, market)
    solve = SOLVERS.get(type(rule))
    if solve is None:
        known = ", ".join(each.__name__ for each in SOLVERS)
        raise ValueError(f"there is no equilibrium for {rule!r}; there is one for {known}")
    _named(rule, market)
    found = solve(rule, market.acting())
    if isinstance(found, Equilibrium):
        _whole(found)
    spread = max(float(each.ppf(0.999) - each.ppf(0.001)) for each, _ in found.market.classes)
    if not found.epsilon <= VERIFIED * spread:
        raise NotConverged(f"the strategies found for {rule!r} could not be verified", found.epsilon)
    return found


def _named(rule: Any, market: Market) -> None:
    """Classes that a rule names have to be there, and to bid as they are."""
    for name in ("preference", "advantage", "lead", "reserve"):
        by_class = getattr(rule, name, None)
        if not isinstance(by_class, Mapping):
            continue
        for number in by_class:
            if number not in range(len(market.classes)):
                raise ValueError(
                    f"{type(rule).__name__}: {name} is for class {number!r}; the market has classes 0 to "
                    f"{len(market.classes) - 1}"
                )
            if market.acting().counts != market.counts and number in market.rings:
                raise ValueError(
                    f"{type(rule).__name__}: {name} is for class {number}, part of which is a ring; put the ring's "
                    "members into a class of their own"
                )


def _whole(found: Equilibrium) -> None:
    """The chances to win have to add up to the chance that anybody bids."""
    none = 1.0
    for (distribution, count), strategy in zip(found.market.classes, found.strategies, strict=True):
        bids = 1.0 if math.isinf(strategy.ceiling) else float(distribution.cdf(strategy.ceiling))
        none *= (1 - found.bidding * bids) ** count
    if not found.market.correlation and abs(found.award_probability - (1 - none)) > WHOLE:
        raise NotConverged(
            f"the chances to win under {found.rule!r} add up to {found.award_probability:.9f}, not {1 - none:.9f}",
            found.epsilon,
        )
    if not (math.isfinite(found.expected_payment) and math.isfinite(found.expected_cost)):
        raise ValueError(f"under {found.rule!r} the expected payment is infinite; truncate the distribution of costs")


def _reserve(rule: Any, market: Market) -> float:
    """The highest price that may be asked; infinite without one."""
    reserve = math.inf if rule.reserve is None else float(rule.reserve)
    lows = [float(each.support()[0]) for each, _ in market.classes]
    if reserve <= min(lows):
        raise ValueError(f"the reserve, {reserve:g}, is not above the lowest cost, {min(lows):g}: nobody can bid")
    return reserve


def _risk_neutral(market: Market, what: str) -> None:
    if market.risk_aversion or market.absolute_risk_aversion:
        raise ValueError(f"{what} is solved for suppliers who are neutral to risk; set risk_aversion to 0")


def _plain(market: Market, what: str) -> None:
    if market.correlation or market.common is not None:
        raise ValueError(f"{what} is solved for independent private costs; leave correlation and common out")


# ---- first price ------------------------------------------------------------------------------------------


def _first_price(rule: FirstPrice, market: Market) -> Equilibrium:
    reserve = _reserve(rule, market)
    factor = rule.factor(np.arange(len(market.classes))).tolist()
    if len({*factor}) == 1:  # a preference for all is one for none
        factor = [1.0] * len(factor)
        if len({id(each) for each, _ in market.classes}) == 1 < len(market.classes):
            return _split(rule, market)
    if len(market.classes) > 1:
        return _classes(rule, market, reserve, factor)
    if rule.floor is not None:
        return _floored(rule, market, reserve)
    if market.correlation:
        return _correlated(rule, market, reserve)
    if market.common is not None:
        raise ValueError("a common component is not solved for yet; leave it out")
    return _alike(rule, market, reserve)


def _split(rule: FirstPrice, market: Market) -> Equilibrium:
    """Classes that do not differ, solved as one."""
    found = _first_price(replace(rule, preference={}), replace(market, costs=(market.classes[0][0], market.bidders)))
    shares = tuple(found.award_probability * count / market.bidders for count in market.counts)
    strategies = found.strategies * len(market.counts)
    return replace(found, rule=rule, market=market, strategies=strategies, win_probability=shares)


def _alike(rule: FirstPrice, market: Market, reserve: float) -> Equilibrium:
    """Suppliers of one kind, all of whom bid, or who enter."""
    distribution, count = market.classes[0]
    low, high = (float(each) for each in distribution.support())
    theta, absolute = 1 - market.risk_aversion, market.absolute_risk_aversion
    bidding, top, beyond = _entering(market, reserve)
    if count == 1 and rule.reserve is None:
        raise ValueError(ALONE)
    top = min(top, high, reserve)
    if math.isinf(top):
        top = float(distribution.isf(math.exp(-min(700.0, 37 + symmetric.FAR * theta / (count - 1)))))
    nodes = symmetric.grid(distribution, low, top)
    if (count == 1 or bidding < 1) and reserve > top:
        beyond = reserve - top  # one who may be alone can always ask the reserve

    def log_win(cost: Any) -> Any:
        if count == 1:
            return np.zeros(np.shape(cost))
        if bidding < 1:
            return (count - 1) * np.log1p(-bidding * distribution.cdf(cost))
        return (count - 1) * symmetric.log_survivor(distribution, cost)

    bids = symmetric.first_price(nodes, log_win, theta, absolute, beyond)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        left = 1 - bidding * distribution.cdf(nodes)
        hazard = (count - 1) * bidding * distribution.pdf(nodes) / (left if bidding < 1 else distribution.sf(nodes))
        profit = bids - nodes
        exact = hazard * (np.expm1(np.minimum(absolute * profit, 700)) / absolute if absolute else profit / theta)
        exact[distribution.sf(nodes) <= 0] = np.nan
    ceiling = top if top < high else math.inf
    strategy = Strategy(nodes, bids, symmetric.slopes(nodes, bids, exact), ceiling=ceiling)
    at, mass = symmetric.masses(distribution, nodes)
    chance = count * bidding * mass * np.exp(log_win(at))
    payment, cost, wins = (float((chance * each).sum()) for each in (strategy(at), at, 1.0))
    epsilon = verify.first_price(market, [strategy], [1.0], reserve, bids=bidding) if count > 1 else 0.0
    return Equilibrium(rule, market, (strategy,), float(bids[0]), payment, cost, (wins,), epsilon, bidding)


def _entering(market: Market, reserve: float) -> tuple[float, float, float]:
    """Probability to bid, the highest cost that does, and what it asks on top of its cost."""
    if market.entry == "fixed" or not market.entry_cost:
        return 1.0, math.inf, 0.0
    _risk_neutral(market, "entry")
    _plain(market, "entry")
    if len(market.classes) > 1:
        raise ValueError("entry is solved for suppliers of one kind")
    if math.isinf(reserve):
        raise ValueError("where suppliers may stay away one may be alone, and needs a reserve to bid against")
    if market.entry == "informed":
        cutoff = informed_cutoff(market, reserve)
        return 1.0, cutoff, reserve - cutoff
    return uninformed_entry(market, reserve), math.inf, 0.0


def uninformed_entry(market: Market, reserve: float) -> float:
    """The probability q to enter at which a supplier earns what that costs: ∫ F (1 − qF)^(N−1) = e, up to the reserve.

    Levin and Smith (1994), American Economic Review 84. 1 if all enter even so.

    Raises:
        ValueError: not even one alone earns its entry cost.
    """
    distribution, count = market.classes[0]
    low, high = float(distribution.support()[0]), reserve
    at, weights = symmetric.cells(symmetric.grid(distribution, low, min(high, float(distribution.support()[1]))))
    sure = max(0.0, high - float(distribution.support()[1]))

    def earned(q: float) -> float:
        below = distribution.cdf(at)
        return float((weights * below * (1 - q * below) ** (count - 1)).sum()) + sure * (1 - q) ** (count - 1)

    if earned(0.0) <= market.entry_cost:
        raise ValueError(
            f"nobody enters: even alone a supplier earns {earned(0.0):g} in the mean, and entering costs "
            f"{market.entry_cost:g}; raise the reserve"
        )
    if earned(1.0) >= market.entry_cost:
        return 1.0
    return float(optimize.brentq(lambda q: earned(q) - market.entry_cost, 0.0, 1.0, xtol=1e-15))


def informed_cutoff(market: Market, reserve: float) -> float:
    """The highest cost that enters: (r − c) S(c)^(N−1) = e (Samuelson 1985, Economics Letters 17).

    Raises:
        ValueError: not even the lowest cost enters.
    """
    distribution, count = market.classes[0]
    low, high = float(distribution.support()[0]), min(reserve, float(distribution.support()[1]))

    def earned(cost: float) -> float:
        return float((reserve - cost) * distribution.sf(cost) ** (count - 1)) - market.entry_cost

    if earned(low) <= 0:
        raise ValueError(f"nobody enters: even at a cost of {low:g} a supplier earns less than entering costs it")
    if earned(high) >= 0:
        return high
    return float(optimize.brentq(earned, low, high, xtol=1e-15))


def _floored(rule: FirstPrice, market: Market, reserve: float) -> Equilibrium:
    """A floor under bids: those who would bid less, and some more, ask the floor, and share by lot."""
    assert rule.floor is not None
    if market.entry_cost and market.entry != "fixed":
        raise ValueError("a floor is solved for a fixed field of suppliers")
    _plain(market, "a floor")
    free = _alike(replace(rule, floor=None), market, reserve)
    floor, (distribution, count), strategy = rule.floor, market.classes[0], free.strategies[0]
    if floor <= free.low_bid:
        return replace(free, rule=rule, note="the floor does not bind")
    low, top = float(strategy.costs[0]), float(strategy.costs[-1])
    if floor >= strategy.bids[-1]:
        raise ValueError(f"the floor, {floor:g}, is not below the highest bid, {strategy.bids[-1]:g}: all would ask it")

    def rather(cost: float) -> float:
        """How much better off a supplier is at the floor."""
        pooled = float(distribution.cdf(cost))
        chance = float(distribution.sf(cost)) ** (count - 1)
        alone = (1 - (1 - pooled) ** count) / (count * pooled) if pooled > 1e-12 else 1.0
        gains = verify.utility(market, np.array([floor - cost, float(strategy(cost)) - cost]))
        return float(gains[0] * alone - gains[1] * chance)

    pooled = float(optimize.brentq(rather, low + 1e-12 * (top - low), min(floor, top), xtol=1e-15))
    own = replace(strategy, pooled=pooled, pool=floor)
    inside, left = float(distribution.cdf(pooled)), float(distribution.sf(pooled))
    nodes = np.unique(np.append(pooled, strategy.costs[strategy.costs > pooled]))
    at, mass = symmetric.masses(distribution, nodes)
    chance = count * mass * distribution.sf(at) ** (count - 1)
    below, share = symmetric.masses(distribution, np.unique(np.append(strategy.costs[strategy.costs < pooled], pooled)))
    mean = float((share * below).sum()) / inside
    wins = 1 - left**count
    payment = wins * floor + float((chance * strategy(at)).sum())
    cost = wins * mean + float((chance * at).sum())
    epsilon = verify.first_price(market, [own], [1.0], reserve, floor)
    note = f"costs of up to {pooled:.6g} ask the floor and share by lot"
    return Equilibrium(rule, market, (own,), floor, payment, cost, (wins + float(chance.sum()),), epsilon, note=note)


def _correlated(rule: FirstPrice, market: Market, reserve: float) -> Equilibrium:
    """Affiliated costs (Milgrom and Weber 1982), by the Gaussian copula."""
    distribution, count = market.classes[0]
    if market.entry_cost and market.entry != "fixed":
        raise ValueError("correlated costs are solved for a fixed field of suppliers")
    if count == 1:
        raise ValueError("with one supplier there is no competition, and nothing to be correlated")
    low, high = (float(each) for each in distribution.support())
    top = min(high, reserve, float(distribution.isf(1e-15)))
    nodes = symmetric.grid(distribution, low, top)
    scores, against, wins = symmetric.factor_hazard(market.correlation, count - 1)
    loss = interpolate.CubicSpline(scores, against)
    chance_at = interpolate.CubicSpline(scores, wins)

    def score(cost: Any) -> Any:
        return np.clip(special.ndtri(np.clip(distribution.cdf(cost), 1e-19, 1 - 1e-16)), -9, 9)

    theta, absolute = 1 - market.risk_aversion, market.absolute_risk_aversion
    bids = symmetric.first_price(nodes, lambda cost: -loss(score(cost)), theta, absolute)
    strategy = Strategy(nodes, bids, np.gradient(bids, nodes), ceiling=top if top < high else math.inf)
    at, mass = symmetric.masses(distribution, nodes)
    chance = count * mass * chance_at(score(at))
    payment, cost, won = (float((chance * each).sum()) for each in (strategy(at), at, 1.0))
    epsilon = verify.correlated(market, strategy, reserve)
    return Equilibrium(rule, market, (strategy,), float(bids[0]), payment, cost, (won,), epsilon)


def _classes(rule: Any, market: Market, reserve: float, factor: list[float]) -> Equilibrium:
    """Several classes, in evaluated prices: a preferred supplier has costs (1 − δ) c and is paid s / (1 − δ)."""
    _plain(market, "first price with several classes")
    if getattr(rule, "floor", None) is not None:
        raise ValueError("a floor is solved for suppliers of one kind")
    if market.entry_cost and market.entry != "fixed":
        raise ValueError("entry is solved for suppliers of one kind")
    if market.absolute_risk_aversion:
        raise ValueError("several classes are solved for relative risk aversion; set absolute_risk_aversion to 0")
    valued = [
        (each if share == 1 else Affine(each, share), count)
        for (each, count), share in zip(market.classes, factor, strict=True)
    ]
    limit = reserve if min(factor) == 1 else math.inf
    path = asymmetric.solved(valued, limit, 1 - market.risk_aversion)
    if math.isinf(limit) and reserve < path.high / min(factor):
        raise ValueError(
            f"with this preference prices of up to {path.high / min(factor):g} are asked; a reserve below that, here "
            f"{reserve:g}, caps prices that differ from evaluated ones, and is not solved for: leave one of the two out"
        )
    strategies, won, payment, cost = [], [], 0.0, 0.0
    mass = path.weights * path.none
    for number, ((valued_one, count), share) in enumerate(zip(valued, factor, strict=True)):
        wins = count * path.hazards[number] * mass
        strategies.append(_drawn(path, number, valued_one, share, limit))
        won.append(float(wins.sum()))
        payment += float((wins * path.bids).sum()) / share  # of evaluated prices
        known = np.isfinite(path.costs[number])
        cost += float((wins[known] * path.costs[number][known]).sum()) / share
    epsilon = verify.first_price(market, strategies, factor, reserve)
    return Equilibrium(rule, market, tuple(strategies), path.low, payment, cost, tuple(won), epsilon)


def _drawn(path: asymmetric.Path, number: int, valued: Any, share: float, reserve: float) -> Strategy:
    """The strategy of a class, from its path in evaluated prices."""
    low, high = (float(each) for each in valued.support())
    top = min(high, path.high)
    if low >= path.high:  # never wins
        ends = np.array([low, max(high, low + 1e-9)]) / share
        return Strategy(ends, ends, np.ones(2), ceiling=reserve)
    costs, bids, hazards = path.costs[number][:-1], path.bids[:-1], path.hazards[number][:-1]
    moving = (hazards > 0) & np.isfinite(costs)
    costs, bids, hazards = costs[moving], bids[moving], hazards[moving]
    growing = np.append(True, np.diff(np.maximum.accumulate(costs)) > 1e-13 * (high - low))
    costs, bids, hazards = costs[growing], bids[growing], hazards[growing]
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = valued.pdf(costs) / valued.sf(costs) / hazards
    start = path.low if moving[0] else float(bids[0])
    inside = (costs > low + 1e-12) & (costs < top - 1e-13 * (high - low))
    costs = np.concatenate([[low], costs[inside], [top]]) / share
    bids = np.concatenate([[min(start, float(bids[0]))], bids[inside], [path.high]]) / share
    exact = np.concatenate([[np.nan], exact[inside], [path.slopes[number]]])
    return Strategy(costs, bids, symmetric.slopes(costs, bids, exact), ceiling=reserve)


# ---- second price -----------------------------------------------------------------------------------------


def _second_price(rule: SecondPrice, market: Market) -> Equilibrium:
    """Asking one's cost is a dominant strategy; what is paid is an integral over rivals' lowest evaluated cost."""
    if market.common is not None:
        raise ValueError("a common component is not solved for yet; leave it out")
    numbers = np.arange(len(market.classes))
    caps, factor, off = rule.caps(numbers), rule.factor(numbers), rule.off(numbers)
    reserve = float(caps.max())
    if market.bidders == 1 and math.isinf(reserve):
        raise ValueError(ALONE)
    if all(cap <= float(each.support()[0]) for cap, (each, _) in zip(caps, market.classes, strict=True)):
        raise ValueError(f"the reserve, {reserve:g}, is below every cost: nobody can bid")
    bidding, cutoff, _ = _entering(market, reserve)
    if market.correlation:
        return _second_correlated(rule, market, caps, factor, off)
    return _truthful(rule, market, *_second_sums(market, np.minimum(caps, cutoff), caps, factor, off, bidding), bidding,
                     min(cutoff, reserve))  # fmt: skip


def _truthful(
    rule: Any, market: Market, won: Floats, payment: float, cost: float, bidding: float, ceiling: float
) -> Equilibrium:
    strategies, numbers = [], np.arange(len(market.classes))
    caps = np.minimum(rule.caps(numbers), ceiling)
    for (distribution, _), cap in zip(market.classes, caps, strict=True):
        low, high = float(distribution.support()[0]), float(distribution.ppf(1 - 1e-15))
        ends = np.array([low, max(min(high, cap), low + 1e-12)])
        limit = float(cap) if cap < float(distribution.support()[1]) else math.inf
        strategies.append(Strategy(ends, ends, np.ones(2), ceiling=limit))
    low = min(float(each.costs[0]) for each in strategies)
    return Equilibrium(rule, market, tuple(strategies), low, payment, cost, tuple(won.tolist()), 0.0, bidding,
                       note="asking one's cost is a dominant strategy")  # fmt: skip


def _second_sums(
    market: Market, tops: Floats, caps: Floats, factor: Floats, off: Floats, bidding: float,
    below: Callable[[int, Floats], Floats] | None = None, thick: Callable[[int, Floats], Floats] | None = None,
) -> tuple[Floats, float, float]:  # fmt: skip
    """Chances to win, expected payment and expected cost: with R the chance that no rival's evaluated cost is below s,
    Σ n [∫ price(s) R dF + ∫ price′ R F ds] up to the cap."""
    distributions = [each for each, _ in market.classes]
    lows = np.array([float(each.support()[0]) for each in distributions])
    highs = np.array([min(float(each.isf(1e-17)), top) for each, top in zip(distributions, tops, strict=True)])

    def score(number: int, cost: Any) -> Any:
        return factor[number] * cost - off[number]

    capped = np.array([score(k, caps[k]) for k in range(len(caps))])
    ends = np.unique(np.concatenate([
        [score(k, lows[k]) for k in range(len(caps))], [score(k, highs[k]) for k in range(len(caps))],
        capped[np.isfinite(capped)],
        *[score(k, symmetric.grid(each, float(lows[k]), float(highs[k])))
          for k, each in enumerate(distributions) if highs[k] > lows[k]],
    ]))  # fmt: skip
    at, weights = symmetric.cells(ends)

    def gone(number: int, s: Floats) -> Floats:
        """The chance that a supplier bids and has an evaluated cost of at most s."""
        cost = np.minimum((s + off[number]) / factor[number], highs[number])
        chance = distributions[number].cdf(cost) if below is None else below(number, cost)
        return np.asarray(bidding * chance)

    shares = [gone(k, at) for k in range(len(caps))]
    at_ends = [float(gone(k, ends[-1:])[0]) for k in range(len(caps))]
    won, payment, total = np.zeros(len(caps)), 0.0, 0.0
    for k, count in enumerate(market.counts):
        rivals = np.ones_like(at)
        for j, others in enumerate(market.counts):
            rivals *= (1 - shares[j]) ** (others - (j == k))
        price = (at + off[k]) / factor[k]
        within = (at <= score(k, highs[k])) & (at >= score(k, lows[k]))
        if thick is None:
            spans = np.clip((ends + off[k]) / factor[k], lows[k], highs[k])
            mass = np.where(within, bidding * symmetric.spread(distributions[k], spans, price, weights), 0.0)
        else:
            mass = weights * np.where(within, bidding * thick(k, price) / factor[k], 0.0)
        won[k] = count * float((mass * rivals).sum())
        paid = at <= capped[k]
        payment += count * float((mass * rivals * price).sum()) + count * float(
            (weights * rivals * shares[k] / factor[k])[paid].sum()
        )
        total += count * float((mass * rivals * price).sum())
        if math.isfinite(capped[k]) and capped[k] > ends[-1]:
            alone = math.prod((1 - at_ends[j]) ** (others - (j == k)) for j, others in enumerate(market.counts))
            payment += count * alone * at_ends[k] * (capped[k] - ends[-1]) / factor[k]
    return won, payment, total


def _second_correlated(rule: SecondPrice, market: Market, caps: Floats, factor: Floats, off: Floats) -> Equilibrium:
    """Given the common factor costs are independent; the factor is integrated over."""
    points, weights = special.roots_hermitenorm(96)
    own, rest = math.sqrt(market.correlation), math.sqrt(1 - market.correlation)
    sums: list[Any] = [0.0, 0.0, 0.0]
    for point, weight in zip(points, weights / weights.sum(), strict=True):

        def below(number: int, cost: Floats, point: float = point) -> Floats:
            place = special.ndtri(market.classes[number][0].cdf(cost))
            return np.asarray(special.ndtr((place - own * point) / rest))

        def thick(number: int, cost: Floats, point: float = point) -> Floats:
            distribution = market.classes[number][0]
            place = special.ndtri(np.clip(distribution.cdf(cost), 1e-300, 1 - 1e-16))
            ratio = np.exp((place**2 - ((place - own * point) / rest) ** 2) / 2) / rest
            return np.asarray(distribution.pdf(cost) * ratio)

        part = _second_sums(market, caps, caps, factor, off, 1.0, below, thick)
        sums = [whole + weight * each for whole, each in zip(sums, part, strict=True)]
    return _truthful(rule, market, sums[0], float(sums[1]), float(sums[2]), 1.0, math.inf)


# ---- average bid and price points -------------------------------------------------------------------------


def _average_bid(rule: AverageBid, market: Market) -> Equilibrium:
    """All ask the reserve: who deviates is farther from the mean than those who do not."""
    _plain(market, "an average-bid rule")
    if rule.exclusion:
        raise ValueError(
            "where bids that undercut the mean by much are excluded and the lowest other one wins, no common bid "
            "lasts: one slightly higher than all others wins outright, since these all undercut the mean as much as "
            "they do on average; there is no pure equilibrium to report"
        )
    if rule.discount:
        raise ValueError(
            "with the benchmark below the mean no common bid lasts: one that is slightly lower is closer to it; "
            "set discount to 0"
        )
    if market.bidders < 3:
        raise ValueError("of two bids both are equally close to their mean; average bids need three suppliers")
    if market.entry != "fixed" and market.entry_cost:
        raise ValueError("average bids are solved for a fixed field of suppliers")
    high = max(float(each.support()[1]) for each, _ in market.classes)
    price = high if rule.reserve is None else float(rule.reserve)
    if math.isinf(price):
        raise ValueError("costs have no upper end: give the rule a reserve, which all then ask")
    if price < high:
        raise ValueError(
            f"some costs are above the reserve, {price:g}; average bids are solved for where all can bid, with a "
            f"reserve of at least {high:g}"
        )
    strategies = []
    for distribution, _ in market.classes:
        ends = np.array([float(each) for each in distribution.support()])
        strategies.append(Strategy(ends, np.full(2, price), np.zeros(2)))
    n = market.bidders
    means = [
        float((mass * at).sum())
        for at, mass in (
            symmetric.masses(each, symmetric.grid(each, *(float(end) for end in each.support())))
            for each, _ in market.classes
        )
    ]
    cost = sum(count / n * mean for count, mean in zip(market.counts, means, strict=True))
    low = min(float(each.support()[0]) for each, _ in market.classes)
    tried = np.linspace(low, price, 401)[:-1]
    others = np.full((len(tried), n), price)
    others[:, 0] = tried
    wins = rule(others, market.cls, np.random.default_rng(0)).winner == 0
    epsilon = float(np.max(np.where(wins, tried - low, 0.0), initial=0.0))
    note = f"every common bid from the highest cost up to the reserve is an equilibrium; selected: {price:g}"
    won = tuple(count / n for count in market.counts)
    return Equilibrium(rule, market, tuple(strategies), price, price, cost, won, epsilon, note=note)


def _price_points(rule: PricePoints, market: Market) -> Equilibrium:
    """Without a lead, first price. A lead Δ of one supplier is a price preference δ = Δ / weight against the others:
    where it is decisive the lowest price is that of its strongest rival."""
    leads = {number: points for number, points in rule.lead.items() if points}
    if rule.hidden and leads:
        return _hidden(rule, market, leads)
    if len({*leads.values()}) > 1:
        raise ValueError(
            "with several different leads the points depend on who else bids, and no equilibrium is computed; "
            "give one lead to one class"
        )
    preference = {number: points / rule.weight for number, points in leads.items()}
    found = _first_price(FirstPrice(rule.reserve, preference), market)
    return replace(found, rule=rule)


def _hidden(rule: PricePoints, market: Market, leads: dict[int, float]) -> Equilibrium:
    """A lead that only its holder knows of: it asks what is best against others who bid as if there were none."""
    if len(leads) > 1 or any(market.counts[number] != 1 for number in leads):
        raise ValueError("a hidden lead is one supplier's: give it to a class of one")
    _plain(market, "a hidden lead")
    _risk_neutral(market, "a hidden lead")
    ((number, points),) = leads.items()
    open_ = _first_price(FirstPrice(rule.reserve), market)
    factor = [1 - points / rule.weight if k == number else 1.0 for k in range(len(market.classes))]
    rivals = verify.Rivals(market, open_.strategies, [1.0] * len(market.classes))
    reserve = math.inf if rule.reserve is None else float(rule.reserve)
    highest = max(float(each.bids[-1]) for each in open_.strategies) / factor[number]
    tried = np.linspace(open_.low_bid, min(reserve, highest), 8001)

    def profit(cost: float, asked: Floats) -> Floats:
        return np.asarray((asked - cost) * rivals.none_below(number, factor[number] * asked))

    low, high = (float(each) for each in market.classes[number][0].support())
    nodes = np.linspace(low, min(high, reserve), 1001)
    bids = np.array([_best(partial(profit, cost), tried) for cost in nodes.tolist()])
    bids = np.maximum.accumulate(np.maximum(bids, nodes))
    own = Strategy(nodes, bids, np.gradient(bids, nodes), ceiling=reserve if reserve < high else math.inf)
    strategies = tuple(own if k == number else each for k, each in enumerate(open_.strategies))
    won, payment, cost = _sums(market, strategies, factor)
    gain = verify.largest_gain(profit, verify.types(market, number, float(nodes[-1])), own, tried)
    regret = verify.first_price(market, strategies, factor, reserve)
    note = f"the others do not know of the lead; one that did could gain up to {regret:.4g} by another bid"
    low_bid = min(float(each.bids[0]) for each in strategies)
    return Equilibrium(rule, market, strategies, low_bid, payment, cost, won, max(gain, open_.epsilon), note=note)


def _best(profit: Callable[[Floats], Floats], tried: Floats) -> float:
    """The bid with the highest profit, sharpened twice around the best of those tried."""
    for _ in range(3):
        k = int(profit(tried).argmax())
        best = float(tried[k])
        tried = np.linspace(tried[max(k - 1, 0)], tried[min(k + 1, len(tried) - 1)], 101)
    return best


def _sums(
    market: Market, strategies: tuple[Strategy, ...], factor: list[float]
) -> tuple[tuple[float, ...], float, float]:
    """Chances to win, expected payment and expected cost of any strategies, by quadrature over the winner's cost."""
    rivals = verify.Rivals(market, strategies, factor)
    won, payment, cost = [], 0.0, 0.0
    for number, ((distribution, count), strategy) in enumerate(zip(market.classes, strategies, strict=True)):
        low, high = float(distribution.support()[0]), min(float(distribution.ppf(1 - 1e-15)), strategy.ceiling)
        at, mass = symmetric.masses(distribution, symmetric.grid(distribution, low, high))
        asked = strategy(at)
        chance = count * mass * rivals.none_below(number, factor[number] * asked)
        won.append(float(chance.sum()))
        payment += float((chance * asked).sum())
        cost += float((chance * at).sum())
    return tuple(won), payment, cost


def _package(rule: PackageRule, market: Any) -> Any:
    if not isinstance(market, LocalLocalGlobal):
        raise ValueError(f"a package rule needs a market with packages, LocalLocalGlobal(...), not {market!r}")
    return packages.solve(rule, market)


SOLVERS: dict[type, Callable[[Any, Any], Any]] = {
    FirstPrice: _first_price,
    SecondPrice: _second_price,
    AverageBid: _average_bid,
    PricePoints: _price_points,
    FirstScore: scored.score,
    SecondScore: scored.score,
    RatioScore: scored.ratio,
}
