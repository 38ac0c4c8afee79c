"""Price and quality into one number a bid: the published formulas, as values.

A formula gives points, or minus an amount of money where the lowest evaluated price wins (`in_money`). What it leaves
out it names in `inadmissible`. `claims` says what holds of it for all bids; tests hold it to exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from procure_opt.offers import (
    above_zero,
    each_lot,
    evaluated_price,
    figures,
    lot_of,
    money,
    of_lots,
    price_base,
    refuse_parts,
)
from procure_opt.tender import Tender

Floats = NDArray[np.float64]
Claims = frozenset[str]

SCALE = "scale invariant"  # the order of the bids is the same in cents and in millions
FALLS = "falls with price"  # a bid never gains by asking for more
RISES = "rises with quality"  # a bid never loses by being better
FULL = "lowest price gets the full points"  # 100, where only price counts
ALONE = "independent of other bids"  # a score is the same whoever else bids
WITHIN = "within 0 to 100"


class Scoring(Protocol):
    """A formula: one number a valid bid, higher is better; NaN for a bid it does not admit.

    Two attributes are looked for where they exist. `in_money`: whether scores are minus an amount of currency; then
    `BestScore` adds them up instead of averaging points. `inadmissible(tender)`: positions of the bids not admitted,
    each with the reason; `Policy` sets them aside before anything else is compared.
    """

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid in the order of `tender.bids`."""
        ...


# ---- what the formulas share ------------------------------------------------------------------------------


def _checked(formula: object, **within: tuple[float, float, float]) -> None:
    """Raise unless each parameter, given as (value, least, most), is a number in its range."""
    for name, (value, least, most) in within.items():
        if not (isinstance(value, (int, float)) and least <= value <= most):
            span = f"from {least:g} to {most:g}" if np.isfinite(most) else f"at least {least:g}"
            raise ValueError(f"{type(formula).__name__}: {name} is {value!r}; it must be {span}")


def _one_of(formula: object, name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        words = ", ".join(repr(one) for one in allowed)
        raise ValueError(f"{type(formula).__name__}: {name} is {value!r}; it must be one of {words}")


def _weighed(weight: float, points: Floats, tender: Tender) -> Floats:
    """weight · price points + (1 − weight) · quality; quality is not asked for where it does not count."""
    if weight == 1:
        return points
    scores: Floats = weight * points + (1 - weight) * figures(tender, "quality")
    return scores


# ---- price points and quality, weighed --------------------------------------------------------------------


@dataclass(frozen=True)
class RelativePrice:
    """score = w · 100 · (base / price)^power + (1 − w) · quality; base is the lowest price (a package: cheapest cover).

    China, Ministry of Finance Order 87 (2017) Art. 55: w at least 0.3 for goods (`floor=0.3`), 0.1 for services.
    Competitive consultation, Cai Ku [2014] 214 Art. 24: the same with a floor and a cap. World Bank, quality- and
    cost-based selection: S = St · T + Sf · P with Sf = 100 · Fm / F, among bids of a minimum technical score:
    `Qualified(RelativePrice(0.2), minimum=75)`. EU and UK: the relative model. Western Switzerland, T2: `power=2`.

    Prices are evaluated prices (after a policy deduction); the contract price stays as offered. A score relative to the
    lowest price depends on bids that do not win: one more bid can change the winner (`rank_reversals`).

    Args:
        weight: w, the weight of price, 0 to 1; quality weighs 1 − w.
        floor, cap: The least and greatest weight the law admits.
        power: How steeply points fall.
        relative_quality: Count quality as 100 · quality / the best on the lot.

    Raises:
        ValueError: a weight the law does not admit; quality blank; a package with `relative_quality`.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p, "quality": 0}
    ...         for b, p in [("x", 1_000_000), ("y", 950_000), ("z", 1_100_000)]]
    >>> (RelativePrice(0.4)(Tender([{"lot": "A"}], bids))).round(2).tolist()
    [38.0, 40.0, 34.55]
    """

    weight: float
    floor: float = 0.0
    cap: float = 1.0
    power: float = 1.0
    relative_quality: bool = False

    claims: ClassVar[Claims] = frozenset({SCALE, FALLS, RISES, FULL, WITHIN})

    def __post_init__(self) -> None:
        _checked(self, weight=(self.weight, 0, 1), floor=(self.floor, 0, 1), cap=(self.cap, 0, 1))
        _checked(self, power=(self.power, 0, np.inf))
        if not self.floor <= self.weight <= self.cap:
            raise ValueError(
                f"RelativePrice: weight is {self.weight!r}; the law named admits {self.floor:g} to {self.cap:g}"
            )

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        price = evaluated_price(tender)
        ratio = np.where(price > 0, price_base(tender) / np.where(price > 0, price, 1), 1.0)
        points: Floats = 100 * ratio**self.power
        if not self.relative_quality or self.weight == 1:
            return _weighed(self.weight, points, tender)
        quality = figures(tender, "quality")
        best = each_lot(lot_of(tender, "quality relative to the best"), quality, "max")
        if not (best > 0).all():
            raise ValueError("quality relative to the best: on some lot no bid has a quality above 0")
        scores: Floats = self.weight * points + (1 - self.weight) * 100 * quality / best
        return scores


@dataclass(frozen=True)
class LinearPrice:
    """score = w · 100 · clip((zero · R − P) / ((zero − full) · R), 0, 1) + (1 − w) · quality.

    `of="lowest"`, R the lowest price on the lot: Switzerland, linear with a span of 50 %: `zero=1.5`; Germany, full
    points at the lowest price and none at twice that: `zero=2`. The span is a hidden weight: the wider it is, the less
    price counts. `of="estimate"` or `"reserve"`, R known before bids are opened (EU, absolute linear model): no bid
    then changes the score of another.

    Args:
        weight: w, the weight of price, 0 to 1.
        zero: From this multiple of R on a price earns nothing.
        full: Up to this multiple of R a price earns all points.
        of: "lowest", "estimate" or "reserve".

    Raises:
        ValueError: `full` is not below `zero`; R blank or 0; a package with `of="lowest"`; quality blank.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p} for b, p in [("x", 10), ("y", 12), ("z", 16)]]
    >>> LinearPrice(1, zero=1.5)(Tender([{"lot": "A"}], bids)).round(9).tolist()
    [100.0, 60.0, 0.0]
    """

    weight: float
    zero: float
    full: float = 1.0
    of: str = "lowest"

    def __post_init__(self) -> None:
        _checked(self, weight=(self.weight, 0, 1), zero=(self.zero, 0, np.inf), full=(self.full, 0, np.inf))
        _one_of(self, "of", self.of, ("lowest", "estimate", "reserve"))
        if not self.full < self.zero:
            raise ValueError(f"LinearPrice: full is {self.full!r} and zero {self.zero!r}; full must be below zero")
        if self.of == "lowest" and self.full != 1:
            raise ValueError("LinearPrice: with of='lowest' the lowest price earns all points, so full is 1")

    @property
    def claims(self) -> Claims:
        """What holds of it: full points need the lowest price as the reference, independence any other."""
        return frozenset({SCALE, FALLS, RISES, WITHIN, FULL if self.of == "lowest" else ALONE})

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        refuse_parts(tender)
        price = evaluated_price(tender)
        if self.of == "lowest":
            reference = each_lot(lot_of(tender, "LinearPrice"), price, "min")
        else:
            reference = of_lots(tender, self.of, "LinearPrice") / tender.money_unit
        if not (reference > 0).all():
            raise ValueError(f"LinearPrice: the {self.of} price is 0 for bid {tender.bid_names[~(reference > 0)][0]!r}")
        points = 100 * np.clip((self.zero * reference - price) / ((self.zero - self.full) * reference), 0, 1)
        return _weighed(self.weight, points, tender)


@dataclass(frozen=True)
class HighestLowest:
    """score = w · 100 · (P_max − P) / (P_max − P_min) + (1 − w) · quality, over the bids on the lot.

    Equal prices earn 100. Found in practice and discouraged: the worst bid sets the scale.

    Args:
        weight: w, the weight of price, 0 to 1.

    Raises:
        ValueError: a package; quality blank.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p} for b, p in [("x", 10), ("y", 12), ("z", 20)]]
    >>> HighestLowest(1)(Tender([{"lot": "A"}], bids)).tolist()
    [100.0, 80.0, 0.0]
    """

    weight: float

    claims: ClassVar[Claims] = frozenset({SCALE, FALLS, RISES, FULL, WITHIN})

    def __post_init__(self) -> None:
        _checked(self, weight=(self.weight, 0, 1))

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        price, lot = evaluated_price(tender), lot_of(tender, "HighestLowest")
        low, high = each_lot(lot, price, "min"), each_lot(lot, price, "max")
        span = np.where(high > low, high - low, 1.0)
        return _weighed(self.weight, np.where(high > low, 100 * (high - price) / span, 100.0), tender)


@dataclass(frozen=True)
class AveragePrice:
    """score = w · max(floor, 100 · (1 − n · |P − B| / B)) + (1 − w) · quality; n = `below` where P < B, else `above`.

    B = factor · (ceiling · reserve + (1 − ceiling) · trimmed mean of the prices on the lot). Chinese construction
    tenders use such benchmarks in many forms; Order 87 does not admit them for price points. The nearest to the mean
    wins, not the cheapest: a bid can gain by asking for more.

    Args:
        weight: w, the weight of price, 0 to 1.
        factor: The mean is multiplied by this.
        drop: Rows of (from so many bids, lowest left out, highest left out); a number below 1 is a share of the bids,
            rounded half up. The last row that applies counts: ((6, 0, 1), (7, 1, 1)).
        above, below: The loss in points a percent of B above or below it.
        floor: The least number of price points; None for no floor.
        ceiling: The weight of the reserve in B.

    Raises:
        ValueError: nothing left of the mean; a package; reserve or quality blank where needed.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p} for b, p in [("x", 90), ("y", 100), ("z", 110)]]
    >>> AveragePrice(1, above=1.2, below=0.8)(Tender([{"lot": "A"}], bids)).round(9).tolist()
    [92.0, 100.0, 88.0]
    """

    weight: float
    factor: float = 1.0
    drop: Sequence[Sequence[float]] = ()
    above: float = 1.0
    below: float = 1.0
    floor: float | None = 0.0
    ceiling: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "drop", tuple(tuple(row) for row in self.drop))
        _checked(self, weight=(self.weight, 0, 1), ceiling=(self.ceiling, 0, 1), factor=(self.factor, 1e-9, np.inf))
        _checked(self, above=(self.above, 0, np.inf), below=(self.below, 0, np.inf))
        if not all(len(row) == 3 and min(row) >= 0 for row in self.drop):
            raise ValueError(f"AveragePrice: drop is {self.drop!r}; write rows of (from bids, lowest, highest)")

    @property
    def claims(self) -> Claims:
        """What holds of it: points stay from 0 on only with a floor."""
        return frozenset({SCALE, RISES} | ({WITHIN} if self.floor is not None and self.floor >= 0 else set()))

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        price = evaluated_price(tender)
        mean = each_lot(lot_of(tender, "AveragePrice"), price, self.mean)
        reserve = of_lots(tender, "reserve", "AveragePrice") / tender.money_unit if self.ceiling else 0.0
        benchmark = self.factor * (self.ceiling * reserve + (1 - self.ceiling) * mean)
        if not (benchmark > 0).all():
            raise ValueError("AveragePrice: the benchmark of a lot is 0")
        loss = np.where(price < benchmark, self.below, self.above) * np.abs(price - benchmark) / benchmark
        points = 100 * (1 - loss)
        return _weighed(self.weight, points if self.floor is None else np.maximum(points, self.floor), tender)

    def mean(self, price: Any) -> float:
        """The mean of the prices of one lot without those dropped."""
        count, low, high = len(price), 0, 0
        for start, lowest, highest in self.drop:
            if count >= start:
                low, high = (int(n * count + 0.5) if n < 1 else int(n) for n in (lowest, highest))
        if low + high >= count:
            raise ValueError(f"AveragePrice: of {count} bids {low} lowest and {high} highest are dropped: none is left")
        return float(np.sort(price)[low : count - high].mean())


@dataclass(frozen=True)
class WeightedRichtwert:
    """Z = (1 − w) · L / L_ref − w · P / P_ref, with L_ref and P_ref the mean or median quality and price on the lot.

    Germany, UfAB, gewichtete Richtwertmethode. Every bid shifts the references, so one more bid can change the winner.
    Scores may be negative.

    Args:
        weight: w, the weight of price, 0 to 1.
        reference: "mean" or "median".

    Raises:
        ValueError: a reference of 0; a package; quality blank.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p, "quality": q}
    ...         for b, p, q in [("x", 50, 60), ("y", 150, 80)]]
    >>> WeightedRichtwert(0.5)(Tender([{"lot": "A"}], bids)).round(6).tolist()
    [0.178571, -0.178571]
    """

    weight: float
    reference: str = "mean"

    claims: ClassVar[Claims] = frozenset({SCALE, FALLS, RISES})

    def __post_init__(self) -> None:
        _checked(self, weight=(self.weight, 0, 1))
        _one_of(self, "reference", self.reference, ("mean", "median"))

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        lot = lot_of(tender, "WeightedRichtwert")
        price, quality = evaluated_price(tender), figures(tender, "quality")
        prices, qualities = each_lot(lot, price, self.reference), each_lot(lot, quality, self.reference)
        if not ((prices > 0) & (qualities > 0)).all():
            raise ValueError(f"WeightedRichtwert: on some lot the {self.reference} price or quality is 0")
        scores: Floats = (1 - self.weight) * quality / qualities - self.weight * price / prices
        return scores


@dataclass(frozen=True)
class AdditionMethod:
    """score = w · 100 · f(P) + (1 − w) · quality, f(P) = 1 − P / C; below K, f(P) = 1 − K / C + slope · (K − P) / C.

    Japan, overall evaluation by addition. C is the lots' `reserve`, K the survey base price below which a bid is
    examined and a lower price earns only half as much. Points for quality, A of at most B, weigh X · A / B: give
    quality as 100 · A / B and w = 1 − X / 100.

    Args:
        weight: w, the weight of price, 0 to 1.
        survey: K: a share of the reserve, or a numeric column of the lots; None for no such price.
        slope: What a price below K still earns, against one above.

    Raises:
        ValueError: a reserve or K blank; K above the reserve; quality blank.

    >>> lots = [{"lot": "A", "reserve": 100}]
    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p} for b, p in [("x", 60), ("y", 80), ("z", 90)]]
    >>> AdditionMethod(1, survey=0.7)(Tender(lots, bids)).round(9).tolist()
    [35.0, 20.0, 10.0]
    """

    weight: float
    survey: float | str | None = None
    slope: float = 0.5

    claims: ClassVar[Claims] = frozenset({SCALE, FALLS, RISES, ALONE, WITHIN})

    def __post_init__(self) -> None:
        _checked(self, weight=(self.weight, 0, 1), slope=(self.slope, 0, 1))
        if self.survey is not None and not isinstance(self.survey, str):
            _checked(self, survey=(self.survey, 0, 1))

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        refuse_parts(tender)
        price = evaluated_price(tender) * tender.money_unit
        ceiling = of_lots(tender, "reserve", "AdditionMethod")
        if self.survey is None:
            least = np.zeros(len(price))
        elif isinstance(self.survey, str):
            least = of_lots(tender, self.survey, "AdditionMethod")
        else:
            least = self.survey * ceiling
        if (least > ceiling).any() or not (ceiling > 0).all():
            raise ValueError("AdditionMethod: the reserve must be above 0 and not below the survey base price")
        share = 1 - np.maximum(price, least) / ceiling + self.slope * np.maximum(least - price, 0) / ceiling
        return _weighed(self.weight, 100 * share, tender)


# ---- quality for the price --------------------------------------------------------------------------------


@dataclass(frozen=True)
class QualityPerPrice:
    """Z = scale · (added + quality) / price; the highest wins.

    Germany, UfAB, einfache Richtwertmethode Z = L / P, printed times 10⁵; with a surcharge `added`, (L + c) / P. Japan,
    division method: standard and added points over the price. China, Order 18 (no longer in force): score over price.
    UK, price per quality point: P / Q, the lowest wins, is the same order. No bid changes the score of another.

    Args:
        added: Points every admissible bid has (Japan: 100, the standard points).
        scale: What Z is multiplied by, to be read easily.

    Raises:
        ValueError: a price of 0; quality blank.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p, "quality": q}
    ...         for b, p, q in [("1", 65_000, 60), ("2", 74_000, 75), ("3", 100_000, 100)]]
    >>> QualityPerPrice()(Tender([{"lot": "A"}], bids)).round(2).tolist()
    [92.31, 101.35, 100.0]
    """

    added: float = 0.0
    scale: float = 100_000.0

    claims: ClassVar[Claims] = frozenset({SCALE, FALLS, RISES, ALONE})

    def __post_init__(self) -> None:
        _checked(self, added=(self.added, 0, np.inf), scale=(self.scale, 1e-9, np.inf))

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        refuse_parts(tender)
        price = above_zero(tender, evaluated_price(tender) * tender.money_unit, "QualityPerPrice")
        scores: Floats = self.scale * (self.added + figures(tender, "quality")) / price
        return scores


@dataclass(frozen=True)
class ExtendedRichtwert:
    """Bids whose Z = quality / price is at least (1 − corridor) · the best Z on the lot; among them `decide` decides.

    Germany, UfAB, erweiterte Richtwertmethode. By "price" the score is minus the evaluated price, by "quality" the
    quality. Bids outside the corridor are inadmissible. Removing the best Z widens the corridor.

    Args:
        corridor: s, a share such as 0.1.
        decide: "price" or "quality".

    Raises:
        ValueError: a price of 0; a package; quality blank.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p, "quality": q}
    ...         for b, p, q in [("1", 65_000, 60), ("2", 74_000, 75), ("3", 100_000, 100)]]
    >>> ExtendedRichtwert(0.05, "quality")(Tender([{"lot": "A"}], bids)).tolist()
    [nan, 75.0, 100.0]
    """

    corridor: float
    decide: str = "price"

    def __post_init__(self) -> None:
        _checked(self, corridor=(self.corridor, 0, 1))
        _one_of(self, "decide", self.decide, ("price", "quality"))

    @property
    def claims(self) -> Claims:
        """What holds of it: quality lies within 0 to 100, minus a price does not."""
        return frozenset({SCALE, FALLS, RISES} | (set() if self.in_money else {WITHIN}))

    @property
    def in_money(self) -> bool:
        """Whether scores are minus an amount of money."""
        return self.decide == "price"

    def inadmissible(self, tender: Tender) -> dict[int, str]:
        """The bids outside the corridor, by position."""
        ratio = QualityPerPrice()(tender)
        best = each_lot(lot_of(tender, "ExtendedRichtwert"), ratio, "max")
        least = (1 - self.corridor) * best * (1 - 1e-12)
        return {
            int(
                bid
            ): f"quality per price {ratio[bid]:.6g} is more than {self.corridor:g} below the best, {best[bid]:.6g}"
            for bid in np.flatnonzero(ratio < least)
        }

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid; NaN outside the corridor."""
        scores = -money(tender) if self.in_money else figures(tender, "quality").copy()
        scores[list(self.inadmissible(tender))] = np.nan
        return np.asarray(scores, dtype=float)


# ---- in money, or by quality alone ------------------------------------------------------------------------


@dataclass(frozen=True)
class LowestPrice:
    """score = − evaluated price, in currency: the lowest evaluated price wins.

    China, Order 87 Art. 54: only the policy deduction changes the evaluated price, the contract price stays as offered.
    EU, Directive 2014/24 Art. 67: price only. World Bank, least-cost selection, and FAR 15.101-2, lowest price
    technically acceptable: `Qualified(LowestPrice(), minimum=70)`.

    >>> bids = [{"bid": "x", "bidder": "X", "lots": "A", "price": 100},
    ...         {"bid": "y", "bidder": "Y", "lots": "A", "price": 95}]
    >>> firms = [{"bidder": "X", "deduction": 0.1}, {"bidder": "Y"}]
    >>> LowestPrice()(Tender([{"lot": "A"}], bids, firms)).tolist()
    [-90.0, -95.0]
    """

    claims: ClassVar[Claims] = frozenset({SCALE, FALLS, RISES, ALONE})
    in_money: ClassVar[bool] = True

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        return -money(tender)


@dataclass(frozen=True)
class BestQuality:
    """score = quality: the best technical bid wins, whatever its price.

    World Bank, quality-based selection. Fixed-budget selection: `Qualified(BestQuality(), budget=...)`. EU, Directive
    2014/24 Art. 67(2): a fixed price, competition on quality only.

    >>> bids = [{"bid": "x", "bidder": "X", "lots": "A", "price": 100, "quality": 80}]
    >>> BestQuality()(Tender([{"lot": "A"}], bids)).tolist()
    [80.0]
    """

    claims: ClassVar[Claims] = frozenset({SCALE, FALLS, RISES, ALONE, WITHIN})

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        refuse_parts(tender)
        return figures(tender, "quality").copy()


@dataclass(frozen=True)
class MonetisedQuality:
    """score = Σ over the bid's lots of value · (clip(quality, least, most) − reference) − evaluated price, in currency.

    US Department of Defense, value-adjusted total evaluated price: what exceeds the required quality is worth published
    money, `MonetisedQuality(value, reference=60, least=60, most=90)`. UK: P − Q · willingness to pay. Sweden
    (Bergman and Lundberg), bid plus money for missing quality: `reference=100`. No bid changes the score of another.

    Args:
        value: Money a quality point a lot: a number, or a numeric column of the lots.
        reference: The quality that costs and earns nothing.
        least, most: Below and above these a point is worth nothing.

    Raises:
        ValueError: least above most; value or quality blank.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p, "quality": q}
    ...         for b, p, q in [("x", 100, 60), ("y", 110, 80)]]
    >>> MonetisedQuality(2, reference=100)(Tender([{"lot": "A"}], bids)).tolist()
    [-180.0, -150.0]
    """

    value: float | str
    reference: float = 0.0
    least: float = 0.0
    most: float = 100.0

    claims: ClassVar[Claims] = frozenset({FALLS, RISES, ALONE})
    in_money: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.value, str):
            _checked(self, value=(self.value, 0, np.inf))
        _checked(self, reference=(self.reference, 0, 100), least=(self.least, 0, 100), most=(self.most, 0, 100))
        if self.least > self.most:
            raise ValueError(f"MonetisedQuality: least is {self.least!r}, above most, {self.most!r}")

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        price = money(tender)
        if isinstance(self.value, str):
            worth = of_lots(tender, self.value, "MonetisedQuality")
        else:
            worth = np.asarray(self.value * tender.part.sum(axis=1), dtype=float)
        scores: Floats = worth * (np.clip(figures(tender, "quality"), self.least, self.most) - self.reference) - price
        return scores


@dataclass(frozen=True)
class LifeCycleCost:
    """score = − (evaluated price + Σ_t cost_t / (1 + rate)^t), in currency; t in years.

    EU, Directive 2014/24 Art. 68: use, maintenance, end of life and externalities, discounted.

    Args:
        yearly: Columns of the bids with what is paid at the end of each year.
        years: How many years.
        rate: Discount rate a year, such as 0.03.
        once: Columns of the bids paid once, and at the end of which year.

    Raises:
        ValueError: a column that is missing, no number, or blank.

    >>> bids = [{"bid": "x", "bidder": "X", "lots": "A", "price": 100, "energy": 11, "disposal": 12.1}]
    >>> formula = LifeCycleCost(yearly=["energy"], years=1, rate=0.1, once={"disposal": 2})
    >>> formula(Tender([{"lot": "A"}], bids)).round(9).tolist()
    [-120.0]
    """

    yearly: Sequence[str] = ()
    years: int = 1
    rate: float = 0.0
    once: Mapping[str, int] = field(default_factory=dict)

    claims: ClassVar[Claims] = frozenset({FALLS, RISES, ALONE})
    in_money: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "yearly", tuple(self.yearly))
        _checked(self, years=(self.years, 0, np.inf), rate=(self.rate, -0.99, np.inf))
        if min(self.once.values(), default=0) < 0 or any(int(n) != n for n in (self.years, *self.once.values())):
            raise ValueError("LifeCycleCost: years are whole numbers from 0 on")

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        cost = money(tender).copy()
        worth = sum((1 + self.rate) ** -year for year in range(1, self.years + 1))
        for column in self.yearly:
            cost += figures(tender, column) * worth
        for column, year in self.once.items():
            cost += figures(tender, column) * (1 + self.rate) ** -year
        return -cost


@dataclass(frozen=True)
class CorrectedPrice:
    """score = − (evaluated price / coefficient + addition), in currency.

    Ukraine, most economically advantageous tender: features raise the coefficient above 1, life-cycle cost is added,
    and the corrected price is rounded to 2 digits, `Rounded(CorrectedPrice("coefficient"), 2)`.

    Args:
        coefficient: A column of the bids, above 0.
        addition: A column of the bids, or None.

    Raises:
        ValueError: a column that is missing, no number, blank, or a coefficient of 0 or less.

    >>> bids = [{"bid": "x", "bidder": "X", "lots": "A", "price": 100, "coefficient": 1.25, "upkeep": 5}]
    >>> CorrectedPrice("coefficient", "upkeep")(Tender([{"lot": "A"}], bids)).tolist()
    [-85.0]
    """

    coefficient: str
    addition: str | None = None

    in_money: ClassVar[bool] = True

    @property
    def claims(self) -> Claims:
        """What holds of it: the addition is money of its own."""
        return frozenset({FALLS, RISES, ALONE} | ({SCALE} if self.addition is None else set()))

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        by = figures(tender, self.coefficient)
        if not (by > 0).all():
            where = tender.bid_names[~(by > 0)][0]
            raise ValueError(f"CorrectedPrice: {self.coefficient} of bid {where!r} is not above 0")
        corrected = money(tender) / by
        if self.addition is not None:
            corrected = corrected + figures(tender, self.addition)
        return -corrected


# ---- formulas around formulas -----------------------------------------------------------------------------


def in_money(scoring: object) -> bool:
    """Whether a formula's scores are minus an amount of money."""
    return bool(getattr(scoring, "in_money", False))


def inadmissible(scoring: Any, tender: Tender) -> dict[int, str]:
    """The bids a formula does not admit, by position, with the reason."""
    finds = getattr(scoring, "inadmissible", None)
    return {} if finds is None else dict(finds(tender))


@dataclass(frozen=True)
class Qualified:
    """A formula among the bids that reach the minimum quality and keep within the budget; the others are inadmissible.

    World Bank QCBS: `Qualified(RelativePrice(0.2), minimum=75)`; least-cost: `Qualified(LowestPrice(), minimum=75)`;
    fixed budget: `Qualified(BestQuality(), budget=100_000)`; FAR 15.101-2, lowest price technically acceptable, where
    each factor must pass: `Qualified(LowestPrice(), minimum={"staff": 60, "safety": 60})`. The lowest price is that of
    a qualified bid. For an award, `award.policy.field(award.tender)[0].rejected` lists the others with the reason.

    Args:
        scoring: The formula.
        minimum: Least quality; or least values of numeric columns of the bids.
        budget: Greatest price as offered: a number for each lot, or a numeric column of the lots.

    Raises:
        ValueError: neither minimum nor budget; a column missing or blank.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p, "quality": q}
    ...         for b, p, q in [("x", 50, 60), ("y", 80, 90)]]
    >>> tender = Tender([{"lot": "A"}], bids)
    >>> Qualified(RelativePrice(0.2), minimum=75)(tender).tolist()
    [nan, 92.0]
    >>> Qualified(RelativePrice(0.2), minimum=75).inadmissible(tender)
    {0: 'quality 60 is below the minimum of 75'}
    """

    scoring: Scoring
    minimum: float | Mapping[str, float] | None = None
    budget: float | str | None = None

    def __post_init__(self) -> None:
        if self.minimum is None and self.budget is None:
            raise ValueError("Qualified: give a minimum, a budget or both")
        if self.budget is not None and not isinstance(self.budget, str):
            _checked(self, budget=(self.budget, 0, np.inf))

    @property
    def in_money(self) -> bool:
        """As the formula inside."""
        return in_money(self.scoring)

    @property
    def claims(self) -> Claims:
        """As the formula inside; a budget in figures is money that does not scale with the bids."""
        inside: Claims = getattr(self.scoring, "claims", frozenset())
        return inside - {FULL} - ({SCALE} if isinstance(self.budget, (int, float)) else set())

    def inadmissible(self, tender: Tender) -> dict[int, str]:
        """The bids that do not qualify, and those the formula does not admit among the others, by position."""
        found: dict[int, str] = {}
        least = self.minimum if isinstance(self.minimum, Mapping) else {"quality": self.minimum}
        for column, minimum in least.items():
            if minimum is not None:
                values = figures(tender, column)
                for bid in np.flatnonzero(values < minimum):
                    found.setdefault(int(bid), f"{column} {values[bid]:.6g} is below the minimum of {minimum:g}")
        if self.budget is not None:
            offered = (tender.price + tender.fixed) * tender.money_unit
            if isinstance(self.budget, str):
                budget = of_lots(tender, self.budget, "Qualified")
            else:
                budget = np.asarray(self.budget * tender.part.sum(axis=1), dtype=float)
            for bid in np.flatnonzero(offered > budget * (1 + 1e-12)):
                found.setdefault(int(bid), f"price {offered[bid]:.15g} is above the budget of {budget[bid]:.15g}")
        rest = _rest(tender, found)
        inside = inadmissible(self.scoring, tender.keep(rest))
        return found | {int(np.flatnonzero(rest)[bid]): reason for bid, reason in inside.items()}

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid; NaN for those not admitted."""
        rest = _rest(tender, self.inadmissible(tender))
        scores = np.full(len(rest), np.nan)
        if rest.any():
            scores[rest] = self.scoring(tender.keep(rest))
        return scores


def _rest(tender: Tender, gone: Mapping[int, str]) -> NDArray[np.bool_]:
    rest = np.ones(len(tender.price), dtype=bool)
    rest[list(gone)] = False
    return rest


RULES = {"half up": ROUND_HALF_UP, "half even": ROUND_HALF_EVEN, "cut": ROUND_DOWN}


@dataclass(frozen=True)
class Rounded:
    """The scores of a formula at the published digit, in decimal arithmetic.

    A score is read to 13 significant digits first: what a float holds beyond is its own error and not the formula's, so
    that a tie at the digit is one. "half up" is away from zero, as law and schools mean it. Rounding makes ties.

    Args:
        scoring: The formula.
        digits: Digits after the point.
        rule: "half up", "half even", or "cut".

    Raises:
        ValueError: another rule; digits not from 0 to 9.

    >>> bids = [{"bid": b, "bidder": b, "lots": "A", "price": p} for b, p in [("x", 10), ("y", 11)]]
    >>> tender = Tender([{"lot": "A"}], bids)
    >>> [Rounded(LinearPrice(1, zero=1.75), 1, rule)(tender).tolist() for rule in ("half up", "cut")]
    [[100.0, 86.7], [100.0, 86.6]]
    """

    scoring: Scoring
    digits: int = 2
    rule: str = "half up"

    def __post_init__(self) -> None:
        _one_of(self, "rule", self.rule, tuple(RULES))
        _checked(self, digits=(self.digits, 0, 9))

    @property
    def in_money(self) -> bool:
        """As the formula inside."""
        return in_money(self.scoring)

    @property
    def claims(self) -> Claims:
        """As the formula inside; rounding is not scale invariant where scores are money or quality over money."""
        inside: Claims = getattr(self.scoring, "claims", frozenset())
        return inside if WITHIN in inside else inside - {SCALE}

    def inadmissible(self, tender: Tender) -> dict[int, str]:
        """As the formula inside."""
        return inadmissible(self.scoring, tender)

    def __call__(self, tender: Tender) -> Floats:
        """The scores, one a bid."""
        return np.array([rounded(score, self.digits, self.rule) for score in self.scoring(tender)], dtype=float)


def rounded(value: float, digits: int, rule: str = "half up") -> float:
    """A number at a digit after the point, by a rule of `RULES`, read to 13 significant digits; NaN stays NaN.

    >>> rounded(2.675, 2), rounded(2.665, 2, "half even"), rounded(11 / 3, 2, "cut")
    (2.68, 2.66, 3.66)
    """
    if not np.isfinite(value):
        return float(value)
    return float(Decimal(f"{value:.13g}").quantize(Decimal(1).scaleb(-digits), RULES[rule]))


CATALOGUE = (
    RelativePrice, LinearPrice, HighestLowest, AveragePrice, WeightedRichtwert, AdditionMethod, QualityPerPrice,
    ExtendedRichtwert, LowestPrice, BestQuality, MonetisedQuality, LifeCycleCost, CorrectedPrice, Qualified, Rounded,
)  # fmt: skip

# The formulas under the names of their laws; where a figure is the tender's own choice, an example of it.
PUBLISHED: Mapping[str, Scoring] = {
    "China, Order 87 Art. 55, goods": RelativePrice(0.4, floor=0.3),
    "China, Order 87 Art. 55, services": RelativePrice(0.2, floor=0.1),
    "China, Order 87 Art. 54, lowest evaluated price": LowestPrice(),
    "China, competitive consultation": RelativePrice(0.3),
    "China, Order 18, quality over price": QualityPerPrice(),
    "China, average price": AveragePrice(1, 0.95, ((6, 0, 1), (7, 1, 1)), above=1.2, below=0.8),
    "World Bank, quality- and cost-based": Qualified(RelativePrice(0.2), minimum=75),
    "World Bank, least-cost": Qualified(LowestPrice(), minimum=75),
    "World Bank, fixed budget": Qualified(BestQuality(), budget="estimate"),
    "World Bank, quality-based": BestQuality(),
    "EU, relative": RelativePrice(0.5, relative_quality=True),
    "EU, linear": LinearPrice(0.5, zero=1.0, full=0.5, of="reserve"),
    "EU, monetised": MonetisedQuality(2.0, reference=100),
    "EU, life-cycle cost": LifeCycleCost(["upkeep"], years=5, rate=0.03),
    "Germany, simple Richtwert": QualityPerPrice(),
    "Germany, extended Richtwert": ExtendedRichtwert(0.1),
    "Germany, weighted Richtwert": WeightedRichtwert(0.5),
    "Germany, linear to twice the lowest": LinearPrice(0.5, zero=2),
    "Switzerland, linear": LinearPrice(0.5, zero=1.5),
    "Switzerland, T2": RelativePrice(0.5, power=2),
    "highest to lowest": HighestLowest(0.5),
    "Japan, division": QualityPerPrice(added=100),
    "Japan, addition": AdditionMethod(0.8, survey=0.7),
    "US, lowest price technically acceptable": Qualified(LowestPrice(), minimum=60),
    "US, value-adjusted price": MonetisedQuality(2.0, reference=60, least=60, most=90),
    "UK, price per quality point": Qualified(QualityPerPrice(), minimum=50),
    "UK, monetised": MonetisedQuality(2.0),
    "Ukraine, features": Rounded(CorrectedPrice("coefficient"), 2),
}
