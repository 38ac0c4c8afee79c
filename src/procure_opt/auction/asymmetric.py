"""First price with suppliers of several classes: the boundary-value problem of Lebrun and of Maskin and Riley.

Class i has n_i suppliers with costs on [c̲_i, c̄_i], survivor S_i and hazard h_i. Let φ_i(b) be the cost at which it
bids b. Then for all classes that bid around b

    θ / (b − φ_i) = Σ_j n_j λ_j − λ_i,   λ_i = h_i(φ_i) φ_i′(b),

with θ = 1 − ρ (relative risk aversion). All classes leave off at one highest bid b̄ that can win; there
φ_i(b̄) = min(c̄_i, b̄). The lowest bid is unknown. From one that is too low the suppliers' costs catch up with their bids
before b̄; from one that is too high they never do. So it is found by halving, and the path above it, which runs away
from its neighbours, is followed between one of either kind (a straddle), halving again wherever the two part.

References: Lebrun (1999), International Economic Review 40; Maskin and Riley (2000), Review of Economic Studies 67;
Marshall, Meurer, Richard and Stromquist (1994), Games and Economic Behavior 7; Bajari (2001), Economic Theory 18.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, optimize

from procure_opt.auction.distributions import Affine

Floats = NDArray[np.float64]
Slope = Callable[[float, Floats], list[float]]

LOW, HIGH, STEP = -45.0, 60.0, 0.01  # the table of costs, over the log-odds of a quantile
END = 1e-6  # share of a support from either end where costs follow their power law
NEAR = 1e-11  # how near two lowest bids are brought, as a share of the bids
FIRST = 0.02  # of −log(b̄ − b), until the straddle begins
WIDEST = 1e6  # of their distance: how far off the true path may be
CLOSE, APART = 1e-9, 1e-6  # of its two paths: how near they are brought, and how far they may part
LAST, FAR = 1e-3, 1e-9  # shares of the bids, from the highest: where the path ends, and where its kind is decided
CUT = 1e-7  # where the path ends if the highest bid cuts off the costs of all
SOME = 1e-3  # and for two suppliers, if it cuts off those of some
IDLE = 0.02  # a path on which no v grows faster than that, by τ, never catches up
NEVER = 0.1  # a path whose margins are smaller than that share of the smallest one of a true path catches up
STEPS = 6_000  # of one path
SLACK = 1e-3  # of a bracket, at either end, where no edge is guessed
PAD, POOR = 0.02, 2  # how far from a guess a path is tried, as a share; after how many poor ones the interval is halved
GONE, SOON = 36.0, 14.0  # −log S at which a class is as good as used up: beside one other class, and beside several
TOLERANCE = 1e-10  # of a step, relative and absolute
ROUGH = 1e-3  # of the interval in which the lowest bid is looked for, where that is more
NODES, WEIGHTS = np.polynomial.legendre.leggauss(6)

ALONE = "with one supplier there is no competition; give the market another one, or the rule a reserve"
STIFF = (
    "close to the highest bid that can win one class follows the others too stiffly for this solver, as where several "
    "suppliers share the lowest of the highest costs, and others can cost more; truncate all classes at one highest "
    "cost, or set a reserve there"
)


class NotConverged(RuntimeError):
    """No strategy was found that could be verified; `epsilon` is what a supplier could gain by leaving the best one."""

    def __init__(self, message: str, epsilon: float = math.nan):
        super().__init__(message if math.isnan(epsilon) else f"{message} (epsilon {epsilon:.3g})")
        self.epsilon = epsilon


@dataclass(frozen=True, eq=False)
class Path:
    """Bids, and the costs at which each class makes them.

    Attributes:
        bids: Ascending, shape (points,).
        costs: φ, shape (classes, points).
        hazards: λ: how fast, over bids, −log of the probability grows that one of the class bids more.
        none: Probability that nobody bids less, Π S_i^n_i, shape (points,).
        weights: Of the points in sums over bids. The last point stands for all bids above the others.
        low: The lowest bid.
        high: The highest that can win.
        slopes: db / dc of each class there; NaN where not known.
    """

    bids: Floats
    costs: Floats
    hazards: Floats
    none: Floats
    weights: Floats
    low: float
    high: float
    slopes: Floats


class _Class(NamedTuple):
    """One class below the highest bid: costs from `low` to `top`, beyond which nobody of it can win."""

    low: float
    top: float
    full: float  # −log S(top): infinite where all of its costs lie below
    values: Floats  # log-odds of the cost between low and top, over those of its quantile
    slopes: Floats


def highest_bid(classes: Sequence[tuple[Any, int]], reserve: float) -> float:
    """b̄: the highest bid that can win, given a reserve (infinite: none).

    A supplier alone at the lowest ceiling c̄ asks what is best against others who bid their cost; of two there, none
    can ask more than c̄.
    """
    tops = sorted(float(each.support()[1]) for each, count in classes for _ in range(min(count, 2)))
    if len(tops) < 2:
        raise ValueError(ALONE)
    first, second = tops[0], min(tops[1], reserve)
    if reserve <= first and math.isfinite(reserve):
        return reserve
    if math.isinf(second):
        raise ValueError("suppliers of several classes need a highest cost, or a reserve; truncate the distributions")
    if second - first <= 1e-12 * max(1.0, abs(second)):
        return second
    others = [(each, count) for each, count in classes if each.support()[1] > first]

    def gain(bid: float) -> float:
        chance = sum(count * math.log(max(float(each.sf(bid)), 1e-300)) for each, count in others)
        return math.log(bid - first) + chance

    grid = np.linspace(first, second, 403)[1:-1]
    best = int(np.argmax([gain(float(bid)) for bid in grid]))
    step = float(grid[1] - grid[0])
    if reserve < tops[1] and best == len(grid) - 1:
        raise ValueError(
            f"the reserve, {reserve:g}, lies above the highest cost of one class, {first:g}, and below what its "
            f"supplier would ask; a reserve of at most {first:g}, or none, can be solved for"
        )

    def slope(bid: float) -> float:
        h = 1e-4 * step
        return (8 * (gain(bid + h) - gain(bid - h)) - (gain(bid + 2 * h) - gain(bid - 2 * h))) / (12 * h)

    low, high = max(grid[best] - step, first + 0.01 * step), min(grid[best] + step, second - 0.01 * step)
    return float(optimize.brentq(slope, low, high, xtol=1e-15))


def solved(classes: Sequence[tuple[Any, int]], reserve: float = math.inf, theta: float = 1.0) -> Path:
    """The equilibrium path of bids.

    Raises:
        ValueError: no bid can win, or the reserve falls where this does not hold.
        NotConverged: no lowest bid was found.
    """
    base = min(float(each.support()[0]) for each, _ in classes)
    unit = highest_bid(classes, reserve) - base
    if not unit > 0:
        raise ValueError(f"no bid above the lowest cost, {base:g}, can win: there is no competition to solve")
    # In units of the range of bids: the equilibrium moves along, and nothing is lost to large sums.
    measured = [(Affine(each, 1 / unit, -base / unit), count) for each, count in classes]
    path = _solved(measured, (reserve - base) / unit, theta)
    return replace(
        path,
        bids=base + unit * path.bids,
        costs=base + unit * path.costs,
        hazards=path.hazards / unit,
        weights=path.weights * unit,
        low=base + unit * path.low,
        high=base + unit * path.high,
    )


def _solved(classes: Sequence[tuple[Any, int]], reserve: float, theta: float) -> Path:
    end = highest_bid(classes, reserve)
    able = [float(each.support()[0]) < end for each, _ in classes]
    if sum(count for (_, count), may in zip(classes, able, strict=True) if may) < 2:
        raise ValueError(f"fewer than two suppliers can have costs below {end:g}: there is no competition to solve")
    shot = _Shot([pair for pair, may in zip(classes, able, strict=True) if may], end, theta)
    pieces = shot.followed()
    taus = np.concatenate([(b - a) / 2 * NODES + (a + b) / 2 for a, b, _ in pieces])
    states = np.column_stack([piece((b - a) / 2 * NODES + (a + b) / 2) for a, b, piece in pieces])
    weights = np.concatenate([(b - a) / 2 * WEIGHTS for a, b, _ in pieces]) * np.exp(-taus)
    costs, hazards = np.full((2, len(classes), len(taus)), np.inf)
    hazards[:] = 0.0
    inside = np.flatnonzero(able)
    for k, (tau, state) in enumerate(zip(taus.tolist(), states.T.tolist(), strict=True)):
        costs[inside, k] = [top - shot.rest(number, state[number]) for number, top in enumerate(shot.top)]
        hazards[inside, k] = shot.hazards(tau, state)
    none = np.exp(-(np.array(shot.counts) @ shot.survived(states)))
    slopes = np.full(len(classes), np.nan)
    slopes[inside] = shot.end_slopes
    path = Path(end - np.exp(-taus), costs, hazards, none, weights, end - math.exp(-pieces[0][0]), end, slopes)
    last, state = pieces[-1][1], np.asarray(pieces[-1][2](pieces[-1][1]))
    return _closed(path, shot, [pair[1] for pair in classes], inside, last, state)


def _closed(
    path: Path, shot: _Shot, counts: Sequence[int], inside: NDArray[np.intp], tau: float, state: Floats
) -> Path:
    """The path with one more point for all that is left above it, where everything follows its power law."""
    left, rest = math.exp(-tau), shot.rest
    survived, full = shot.survived(state[:, None])[:, 0], np.array(shot.full)
    mass = math.exp(-float(np.dot(shot.counts, survived))) - math.exp(-float(np.dot(shot.counts, full)))
    hazards = np.zeros(len(counts))
    hazards[inside] = shot.hazards(tau, state.tolist())
    falls = float(np.dot(counts, hazards))
    power = left * falls if not np.isfinite(full).all() else 0.5
    part = power / (power + 1)
    costs = np.full(len(counts), np.inf)
    near = part if not np.isfinite(full).all() else math.sqrt(part)
    costs[inside] = [top - near * rest(number, v) for number, (top, v) in enumerate(zip(shot.top, state, strict=True))]
    return replace(
        path,
        bids=np.append(path.bids, shot.end - part * left),
        costs=np.column_stack([path.costs, costs]),
        hazards=np.column_stack([path.hazards, hazards]),
        none=np.append(path.none, mass),
        weights=np.append(path.weights, 1 / falls),
    )


Piece = tuple[float, float, Callable[[Any], Floats]]


class _Fate(NamedTuple):
    """Whether a path catches up, and the τ at which it is seen to part from the true one (NaN where it is not)."""

    catches_up: bool
    when: float = math.nan


def _crossed(solver: Any, before: float, now: float) -> float:
    """The τ within the last step at which a ratio fell to 1."""
    share = math.log(before) / math.log(before / now) if 1 < before < math.inf else 1.0
    return float(solver.t_old + share * (solver.t - solver.t_old))


def _edge(
    judge: Callable[[float, float], _Fate],
    low: float,
    high: float,
    near: float,
    below: Sequence[tuple[float, float]] = (),
    above: Sequence[tuple[float, float]] = (),
) -> tuple[float, float]:
    """The lowest place that does not catch up, between the two ends of an interval no wider than `near`.

    Paths part exponentially: the later one is seen to part, the nearer it began to the edge. From two places on either
    side the edge is guessed; a place a little before the guess moves the farther end there. Where guesses do not
    help, the interval is halved.

    Args:
        judge: The fate of a place, given the width of the interval.
        low: A place that catches up.
        high: One that does not.
        near: How wide the interval may be.
        below: Places that catch up, with their times, if known.
        above: Places that do not.
    """
    below, above, poor = [*below], [*above], 0
    while high - low > near:
        width = high - low
        guess = _guessed(below, above) if poor < POOR else None
        if guess is None or not low < guess < high:
            place, poor = (low + high) / 2, 0
        else:
            pad = max(PAD * max(guess - low, high - guess), near / 4)
            place = guess - pad if guess - low > high - guess else guess + pad
            place = min(max(place, low + PAD * width), high - PAD * width) if width > 4 * near else (low + high) / 2
        catches_up, when = judge(place, width)
        if catches_up:
            low = place
            below.append((place, when))
        else:
            high = place
            above.append((place, when))
        poor = poor + 1 if high - low > width / 2 else 0
    return low, high


def _guessed(below: list[tuple[float, float]], above: list[tuple[float, float]]) -> float | None:
    """Where the edge is, if on both sides distances shrink by one rate over the time at which paths part."""
    if len(below) < 2 or len(above) < 2:
        return None
    (a, s), (b, t) = below[-2:]
    (d, v), (c, u) = above[-2:]
    if not (t > s and u > v):
        return None

    def gap(place: float) -> float:
        return math.log((place - a) / (place - b)) / (t - s) - math.log((d - place) / (c - place)) / (u - v)

    first, last = b + SLACK * (c - b), c - SLACK * (c - b)
    if not b < first < last < c or not gap(first) > 0 > gap(last):
        return None
    return float(optimize.brentq(gap, first, last))


class _Shot:
    """Paths upwards from a lowest bid, over τ = −log(b̄ − b), in v = −log S.

    Where b̄ cuts off costs, v = −log(1 − log S / log S(b̄)): what is left before the end is e^−v either way.
    """

    def __init__(self, classes: Sequence[tuple[Any, int]], end: float, theta: float):
        self.end, self.theta = end, theta
        self.counts = [int(count) if count == int(count) else count for _, count in classes]
        tables = [_tabled(each, end) for each, _ in classes]
        self.low, self.top = [each.low for each in tables], [each.top for each in tables]
        self._width = [each.top - each.low for each in tables]
        self._beyond = [end - each.top for each in tables]
        self._gap = max(self._beyond)
        self.full = [each.full for each in tables]
        self._cubics = [_cubics(each) for each in tables]
        self._tails = [tuple((float(each.values[k]), float(each.slopes[k])) for k in (0, -1)) for each in tables]
        self._bidders = sum(self.counts)
        self._free = not any(map(math.isfinite, self.full))
        pairs = zip(self.low, self.counts, strict=True)
        self._second = sorted(low for low, count in pairs for _ in range(min(count, 2)))[1]
        self._range = end - self._second
        self._many = max(10, *self.counts)
        self._used_up = SOON if len(tables) > 2 else GONE
        cut = [math.isfinite(full) for full in self.full]
        last, far = CUT if all(cut) else LAST, FAR
        # What is left of a class' costs, by what is left of bids, tends to a power of S at its ceiling.
        powers = [0.0 if its_cut else 1 / tails[1][1] for its_cut, tails in zip(cut, self._tails, strict=True)]
        total = sum(map(operator.mul, self.counts, powers))
        self._margins_end = [theta / max(total - power, 1e-12) for power in powers]
        self._mixed = any(cut) and not all(cut) and not any(self._beyond)
        if self._mixed:
            # Classes that are cut off follow the others the more stiffly the nearer the end, which is not waited for.
            far = min(0.03, SOME * (sum(self.counts) - 1) ** 2 / 4)
            last = 2 * far
        self.last, self._far = -math.log(last * self._range), -math.log(far * self._range)

    @property
    def end_slopes(self) -> Floats:
        """db / dc of each class at the highest bid."""
        if all(map(math.isfinite, self.full)) and not any(self._beyond):
            return np.zeros(len(self.full))
        if any(self._beyond):
            return np.where(np.array(self._beyond) > 0, np.nan, 1.0)
        return 1 / (1 + np.array(self._margins_end))

    # ---- what a state says: plain floats, since arrays of a few classes are slower ----

    def rest(self, number: int, v: float) -> float:
        """c̄ − c of a class, by the log-odds of c between c̲ and c̄ (cubic Hermite interpolation)."""
        odds = v if v > 30 else math.log(math.expm1(v)) if v > 1e-300 else -690.0
        if LOW < odds < HIGH:
            place = (odds - LOW) / STEP
            node = int(place)
            x = place - node
            a, b, c, d = self._cubics[number][node]
            value = a + x * (b + x * (c + x * d))
        else:
            first, last = self._tails[number]
            end, slope, start = (*last, HIGH) if odds >= HIGH else (*first, LOW)
            value = end + (odds - start) * slope
        if value > 0:
            share = math.exp(-value)
            return self._width[number] * share / (1 + share)
        return self._width[number] / (1 + math.exp(value))

    def margins(self, tau: float, state: Sequence[float]) -> list[float]:
        """b − φ of each class."""
        left = math.exp(-tau)
        return [self.rest(number, v) + self._beyond[number] - left for number, v in enumerate(state)]

    def hazards(self, tau: float, state: Sequence[float]) -> list[float]:
        """λ of each class; 0 where even the lowest cost bids higher."""
        least = 1e-12 * math.exp(-tau)  # a path that has caught up goes on for the rest of its step
        asks = [
            self.theta / max(margin, least) if margin > 0 or v > 0 else math.inf
            for margin, v in zip(self.margins(tau, state), state, strict=True)
        ]
        gone = self._gone(state)
        if gone is not None:  # its own first-order condition then says how fast the others' bids pass by
            others = self.counts[:gone] + self.counts[gone + 1 :]
            theirs = asks[:gone] + asks[gone + 1 :]
            total = (asks[gone] + sum(map(operator.mul, others, theirs))) / sum(others)
            return [total - ask for ask in asks]
        total = sum(map(operator.mul, self.counts, asks)) / (self._bidders - 1)
        if max(asks) < total < math.inf:
            return [total - ask for ask in asks]
        taken, bidders, total = 0.0, 0, math.inf
        for ask, count in sorted(zip(asks, self.counts, strict=True)):
            if ask >= total and bidders >= 2:
                break
            taken, bidders = taken + count * ask, bidders + count
            total = taken / (bidders - 1) if bidders > 1 else math.inf
        return [max(0.0, total - ask) if total < math.inf else 0.0 for ask in asks]

    def slope(self, tau: float, state: Floats) -> list[float]:
        """dv / dτ."""
        left, vs = math.exp(-tau), state.tolist()
        if self._free:
            return [left * hazard for hazard in self.hazards(tau, vs)]
        return [
            left * hazard * (math.exp(min(v, 300.0)) / full if full < math.inf else 1.0)
            for hazard, v, full in zip(self.hazards(tau, vs), vs, self.full, strict=True)
        ]

    def survived(self, states: Floats) -> Floats:
        """−log S, shape (classes, points)."""
        full = np.array(self.full)[:, None]
        cut = np.isfinite(full)
        return np.where(cut, -np.where(cut, full, 1.0) * np.expm1(-states), states)

    # ---- shots ----

    def fate(self, tau: float, state: Floats, tolerance: float = TOLERANCE) -> _Fate:
        """Whether on the path from here costs catch up with bids before the highest one, and when that is plain."""
        solver = self._solver(self.slope, tau, state, self._far, tolerance)
        steps, ahead, haste = 0, math.inf, math.inf
        while solver.status == "running":
            solver.step()
            # On the true path the margins shrink like b̄ − b, or like its square where one class has its ceiling below.
            rest = math.exp(-solver.t)
            least = NEVER * rest * (min(1.0, rest / self._gap) if self._gap > 0 else 1.0) / self._many
            steps += 1
            if steps > STEPS:
                raise NotConverged(STIFF)
            now: list[float] = solver.y.tolist()
            if solver.status == "failed":
                return _Fate(True)
            margins = self.margins(solver.t, now)
            was, ahead = ahead, min((m / least for m, v in zip(margins, now, strict=True) if v > 0), default=math.inf)
            if ahead <= 1:
                return _Fate(True, _crossed(solver, was, max(ahead, 1e-3)))
            gone = self._gone(now)
            if gone is not None:
                return _Fate(self._catches_up_alone(gone, solver.t, now))
            before, haste = haste, max(self.slope(solver.t, solver.y)) / IDLE
            if haste < 1:
                return _Fate(False, _crossed(solver, before, max(haste, 1e-3)))
        return _Fate(self._mixed and self._behind(float(solver.t), solver.y.tolist()))

    def _behind(self, tau: float, state: Sequence[float]) -> bool:
        """Whether the margins of those whose costs are not cut off are smaller than they tend to be."""
        left, margins = math.exp(-tau), self.margins(tau, state)
        ratios = [
            margin / left / tends
            for margin, tends, full in zip(margins, self._margins_end, self.full, strict=True)
            if math.isinf(full)
        ]
        return bool(sum(ratios) < len(ratios))

    def _solver(self, slope: Slope, tau: float, state: Floats, until: float, tolerance: float = TOLERANCE) -> Any:
        first = min(1e-5, (until - tau) / 2)
        solver: Any = integrate.DOP853
        return solver(slope, tau, state, until, rtol=tolerance, atol=tolerance, first_step=first)

    def followed(self) -> list[Piece]:
        """The path: between each two of its times a function of time."""
        start = np.zeros(len(self.low))

        def begun(bid: float, width: float) -> _Fate:
            return self.fate(-math.log(self.end - bid), start, max(TOLERANCE, ROUGH * width / self._range))

        low, high = _edge(begun, self._second, self.end, NEAR * self._range)
        if self._second == low or self.end == high:
            raise NotConverged(f"no lowest bid was found between {self._second:g} and {self.end:g}")
        tau = -math.log(self.end - (low + high) / 2)
        pieces = list(self._pieces(self.slope, tau, start, tau + FIRST))
        one, other = (self._at(-math.log(self.end - bid), start, tau + FIRST) for bid in (low, high))
        if not self._ends(pieces[-1][1], one):
            one, other, _ = self._narrowed(pieces[-1][1], one, other)
        while not self._ends(pieces[-1][1], one):
            round = list[Piece]()
            for piece in self._pieces(self._both, pieces[-1][1], np.append(one, other), self.last):
                round.append(piece)
                one, other = np.split(piece[2](piece[1]), 2)
                if _apart(one, other) > APART or self._ends(piece[1], one):
                    break
            share = 0.5
            if not self._ends(round[-1][1], one):
                one, other, share = self._narrowed(round[-1][1], one, other)
            pieces += [(begin, end, _between(both, share)) for begin, end, both in round]
        if self._used_up == GONE and pieces[-1][1] < self.last - 1e-6:  # one is gone; nothing runs away any more
            pieces += self._pieces(self.slope, pieces[-1][1], pieces[-1][2](pieces[-1][1]), self.last)
        return pieces

    def _at(self, tau: float, state: Floats, until: float) -> Floats:
        return np.asarray([piece(until) for _, _, piece in self._pieces(self.slope, tau, state, until)][-1])

    def _ends(self, tau: float, state: Floats) -> bool:
        return tau > self.last - 1e-6 or self._gone(state.tolist()) is not None

    def _gone(self, state: Sequence[float]) -> int | None:
        """The class that ends below the highest bid, once its costs are as good as used up."""
        if not self._gap:
            return None
        gone = (number for number, v in enumerate(state) if v > self._used_up and self._beyond[number] > 0)
        return next(gone, None)

    def _catches_up_alone(self, gone: int, tau: float, state: Sequence[float]) -> bool:
        """The same once its class is gone: from then on (b − c̄) Π S_j^n_j does not change, and at b̄ it is known."""
        most, now = math.log(self.end - self.top[gone]), math.log(self.end - math.exp(-tau) - self.top[gone])
        for number, (count, full, v) in enumerate(zip(self.counts, self.full, state, strict=True)):
            if number != gone:
                most, now = most - count * full, now + count * full * math.expm1(-v)
        return now < most

    def _both(self, tau: float, state: Floats) -> list[float]:
        one, other = np.split(state, 2)
        return self.slope(tau, one) + self.slope(tau, other)

    def _pieces(self, slope: Slope, tau: float, state: Floats, until: float) -> Iterator[Piece]:
        solver = self._solver(slope, tau, state, until)
        while solver.status == "running":
            solver.step()
            if solver.status == "failed":
                raise NotConverged("the path of bids broke off")
            yield float(solver.t_old), float(solver.t), solver.dense_output()

    def _narrowed(self, tau: float, one: Floats, other: Floats) -> tuple[Floats, Floats, float]:
        """The two paths, of which the first catches up and the other does not, brought close; where between them."""
        low, high, apart = 0.0, 1.0, other - one

        def moved(share: float, _: float = 0.0) -> _Fate:
            return self.fate(tau, one + share * apart)

        # They were told apart by paths with errors of their own: the true one may lie a little outside.
        before, after = moved(low), moved(high)
        while not before.catches_up:
            low, high, after = 2 * low - 1, low, before
            if low < -WIDEST:
                raise NotConverged("the path of bids broke off")
            before = moved(low)
        while after.catches_up:
            low, high, before = high, 2 * high + 1, after
            if high > WIDEST:
                raise NotConverged("the path of bids broke off")
            after = moved(high)
        low, high = _edge(moved, low, high, CLOSE / _apart(one, other), [(low, before.when)], [(high, after.when)])
        return one + low * apart, one + high * apart, (low + high) / 2


def _between(both: Callable[[Any], Floats], share: float) -> Callable[[Any], Floats]:
    def piece(tau: Any) -> Floats:
        one, other = np.split(both(tau), 2)
        return np.asarray(one + share * (other - one))

    return piece


def _apart(one: Floats, other: Floats) -> float:
    return float((np.abs(one - other) / (1 + np.abs(one))).max())


def _cubics(table: _Class) -> list[list[float]]:
    """The coefficients of each cell's polynomial, over its width."""
    left, right, rise = table.slopes[:-1] * STEP, table.slopes[1:] * STEP, np.diff(table.values)
    parts = [table.values[:-1], left, 3 * rise - 2 * left - right, left + right - 2 * rise]
    return [[float(each) for each in cell] for cell in zip(*parts, strict=True)]


def _tabled(distribution: Any, end: float) -> _Class:
    """Costs over quantiles, both by their log-odds, which are straight lines towards either end."""
    low, high = (float(each) for each in distribution.support())
    top = min(high, end)
    left = float(distribution.sf(top)) if top < high else 0.0
    full = -math.log(left) if left > 0 else math.inf
    odds = np.linspace(LOW, HIGH, round((HIGH - LOW) / STEP) + 1)
    gone = np.exp(-np.logaddexp(0.0, -odds))  # 1 − e^−v
    rest = np.exp(-np.logaddexp(0.0, odds))  # e^−v
    if math.isinf(full):
        cost = np.where(odds < 0, distribution.ppf(gone), distribution.isf(rest))
        slope = gone * rest / np.maximum(distribution.pdf(cost), 1e-300)
    else:
        gone_mass = full * gone
        cost = np.where(gone_mass < 0.7, distribution.ppf(-np.expm1(-gone_mass)), distribution.isf(np.exp(-gone_mass)))
        slope = full * gone * rest * np.exp(-gone_mass) / np.maximum(distribution.pdf(cost), 1e-300)
    x, y = cost - low, top - cost
    good = np.flatnonzero((x > END * (top - low)) & (y > END * (top - low)))
    first, last = good[0], good[-1] + 1
    values, slopes = np.empty_like(odds), np.empty_like(odds)
    values[first:last] = np.log(x[first:last] / y[first:last])
    slopes[first:last] = slope[first:last] * (1 / x[first:last] + 1 / y[first:last])
    slopes[:first], slopes[last:] = slopes[first], slopes[last - 1]
    values[:first] = values[first] + slopes[first] * (odds[:first] - odds[first])
    values[last:] = values[last - 1] + slopes[last - 1] * (odds[last:] - odds[last - 1])
    return _Class(low, top, full, values, slopes)
