"""Abnormally low bids: the tests of law and practice, as values, and one table that says which bid to ask about.

A test reads the prices on one lot as offered (no policy deduction) and says of each bid from which price on it would
be suspect, whether it is, and why. Prices are exact fractions, so that a bid at the threshold is never on both sides.
A flag is a reason to ask the bidder; only the Italian test excludes by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import ceil
from statistics import mean, median, pstdev, stdev
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from procure_opt.cells import Table
from procure_opt.offers import as_tender, lot_of
from procure_opt.tender import Tender


class Offers(NamedTuple):
    """The prices on one lot in currency, and what the lot's estimate and reserve say; None where blank."""

    lot: str
    prices: tuple[Fraction, ...]
    estimate: Fraction | None
    reserve: Fraction | None

    def known(self, column: str, what: str) -> Fraction:
        """The estimate or the reserve.

        Raises:
            ValueError: it is blank or 0.
        """
        value: Fraction | None = getattr(self, column)
        if not value:
            raise ValueError(f"{what} compares with the {column}, and lot {self.lot!r} has none")
        return value


class Verdict(NamedTuple):
    """What a test says of one bid: below which price it is suspect (None: no such price), whether it is, and why."""

    threshold: Fraction | None
    flagged: bool
    reason: str


class LowBidTest(Protocol):
    """A test: a verdict a bid."""

    def __call__(self, offers: Offers) -> list[Verdict]:
        """The verdicts, in the order of the prices."""
        ...


def abnormally_low(bids: Tender | Table, test: LowBidTest) -> pd.DataFrame:
    """Which bids a test finds abnormally low, lot by lot.

    Args:
        bids: A tender of bids on single lots, or a table of bids (`as_tender`) with `price` and, where the test needs
            it, `estimate` or `reserve`.
        test: A value of this module, such as `SpanishTest()` or `BelowShare(0.5, of="mean")`.

    Returns:
        One row a bid: lot, bid, bidder, price, threshold (NaN where the test has none), flagged, reason.

    Raises:
        ValueError: a package or part of a lot; an estimate or reserve that is needed and blank.

    >>> bids = [{"bidder": b, "price": p} for b, p in [("x", 42), ("y", 80), ("z", 85), ("v", 90), ("w", 103)]]
    >>> abnormally_low(bids, BelowShare(0.65, of="mean"))[["bid", "price", "threshold", "flagged"]].head(2)
      bid  price  threshold  flagged
    0   v   90.0       52.0    False
    1   w  103.0       52.0    False
    """
    tender = as_tender(bids)
    lots = lot_of(tender, "abnormally_low")
    per = _exact(tender.money_unit)
    rows = []
    for lot in np.unique(lots):
        here = np.flatnonzero(lots == lot)
        prices = tuple(Fraction(int(tender.price[bid] + tender.fixed[bid])) * per for bid in here)
        known = [_exact(one) if np.isfinite(one) else None for one in (tender.estimate[lot], tender.reserve[lot])]
        name = str(tender.lot_names[lot])
        for bid, price, verdict in zip(here, prices, test(Offers(name, prices, *known)), strict=True):
            rows.append(
                {
                    "lot": name,
                    "bid": str(tender.bid_names[bid]),
                    "bidder": str(tender.bidder_names[tender.bidder_of[bid]]),
                    "price": float(price),
                    "threshold": np.nan if verdict.threshold is None else float(verdict.threshold),
                    "flagged": verdict.flagged,
                    "reason": verdict.reason,
                }
            )
    return pd.DataFrame(rows, columns=["lot", "bid", "bidder", "price", "threshold", "flagged", "reason"])


def _exact(value: float) -> Fraction:
    """The decimal number a float was written as."""
    return Fraction(repr(float(value)))


def _percent(share: Fraction | float) -> str:
    return f"{float(share) * 100:.6g} %"


def _judge(price: Fraction, threshold: Fraction, what: str, inclusive: bool = False) -> Verdict:
    """Below the threshold (or at it), in words."""
    flagged = price <= threshold if inclusive else price < threshold
    words = ("at or below" if inclusive else "below") if flagged else ("above" if inclusive else "not below")
    return Verdict(threshold, flagged, f"{float(price):.10g} is {words} {what}, {float(threshold):.10g}")


def _share(test: object, **values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{type(test).__name__}: {name} is {value!r}; it must be a share from 0 to 1, such as 0.5")


# ---- plain tests and how to combine them ------------------------------------------------------------------

REFERENCES = {
    "mean": "the mean of all bids",
    "mean of others": "the mean of the other bids",
    "mean without highest": "the mean without the highest bid",
    "median": "the median of all bids",
    "next lowest": "the next higher bid",
    "estimate": "the estimate",
    "reserve": "the reserve",
}


@dataclass(frozen=True)
class BelowShare:
    """Suspect if price < share · reference.

    Dear bids of friends raise the mean and let a low bid pass: where the other n − 1 bids are p, a bid b passes share κ
    of the mean if b / p ≥ κ (n − 1) / (n − κ).

    Args:
        share: κ, a share of the reference.
        of: "mean", "mean of others", "mean without highest", "median", "next lowest", "estimate" or "reserve".
        inclusive: Whether a bid at the threshold is suspect.
        at_least: With fewer bids the test does not apply.

    >>> [v.flagged for v in BelowShare(0.5, of="next lowest")(Offers("A", (Fraction(39), Fraction(80)), None, None))]
    [True, False]
    """

    share: float
    of: str = "mean"
    inclusive: bool = False
    at_least: int = 1

    def __post_init__(self) -> None:
        _share(self, share=self.share)
        if self.of not in REFERENCES:
            raise ValueError(f"BelowShare: of is {self.of!r}; it must be one of {', '.join(REFERENCES)}")

    def __call__(self, offers: Offers) -> list[Verdict]:
        """The verdicts, in the order of the prices."""
        prices = offers.prices
        if len(prices) < self.at_least:
            return [Verdict(None, False, f"fewer than {self.at_least} bids: the test does not apply")] * len(prices)
        return [self._of_one(offers, place) for place in range(len(prices))]

    def _of_one(self, offers: Offers, place: int) -> Verdict:
        price, others = offers.prices[place], offers.prices[:place] + offers.prices[place + 1 :]
        if self.of in ("estimate", "reserve"):
            reference = offers.known(self.of, "BelowShare")
        elif self.of == "mean":
            reference = mean(offers.prices)
        elif self.of == "median":
            reference = median(offers.prices)
        elif self.of == "next lowest":
            above = [other for other in offers.prices if other > price]
            if not above:
                return Verdict(None, False, "no bid is higher")
            reference = min(above)
        elif not others:
            return Verdict(None, False, "there is no other bid")
        elif self.of == "mean of others":
            reference = mean(others)
        else:
            reference = mean(sorted(offers.prices)[:-1])
        what = f"{_percent(self.share)} of {REFERENCES[self.of]}"
        return _judge(price, _exact(self.share) * reference, what, self.inclusive)


@dataclass(frozen=True)
class BelowAmount:
    """Suspect if price < amount: a fixed floor, published before bids are opened.

    Args:
        amount: In currency.

    >>> [v.flagged for v in BelowAmount(50)(Offers("A", (Fraction(49), Fraction(50)), None, None))]
    [True, False]
    """

    amount: float

    def __call__(self, offers: Offers) -> list[Verdict]:
        """The verdicts, in the order of the prices."""
        return [_judge(price, _exact(self.amount), "the floor") for price in offers.prices]


@dataclass(frozen=True)
class AnyOf:
    """Suspect if at least one of several tests says so; the threshold is the highest of theirs.

    China's pilot on abnormally low bids and Poland's Art. 224 have this form, with figures to be taken from the text in
    force: `AnyOf([BelowShare(x, "mean"), BelowShare(y, "next lowest"), BelowShare(z, "reserve")])`.

    Args:
        tests: The tests.
    """

    tests: Sequence[LowBidTest]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tests", _some(self, self.tests))

    def __call__(self, offers: Offers) -> list[Verdict]:
        """The verdicts, in the order of the prices."""
        together = []
        for verdicts in _by_bid(self.tests, offers):
            limits = [verdict.threshold for verdict in verdicts if verdict.threshold is not None]
            together.append(_together(verdicts, any(v.flagged for v in verdicts), max(limits, default=None)))
        return together


@dataclass(frozen=True)
class AllOf:
    """Suspect if all of several tests say so; the threshold is the lowest of theirs.

    Args:
        tests: The tests.
    """

    tests: Sequence[LowBidTest]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tests", _some(self, self.tests))

    def __call__(self, offers: Offers) -> list[Verdict]:
        """The verdicts, in the order of the prices."""
        together = []
        for verdicts in _by_bid(self.tests, offers):
            limits = [verdict.threshold for verdict in verdicts if verdict.threshold is not None]
            # A test without a threshold suspects no price, so that no price is suspect to all.
            lowest = min(limits) if len(limits) == len(verdicts) else None
            together.append(_together(verdicts, all(v.flagged for v in verdicts), lowest))
        return together


def _some(test: object, tests: Sequence[LowBidTest]) -> tuple[LowBidTest, ...]:
    if not tests:
        raise ValueError(f"{type(test).__name__}: give at least one test")
    return tuple(tests)


def _by_bid(tests: Sequence[LowBidTest], offers: Offers) -> list[tuple[Verdict, ...]]:
    return list(zip(*(test(offers) for test in tests), strict=True))


def _together(verdicts: Sequence[Verdict], flagged: bool, limit: Fraction | None) -> Verdict:
    """One verdict, with the reasons of the tests that agree with it."""
    return Verdict(limit, flagged, "; ".join(verdict.reason for verdict in verdicts if verdict.flagged == flagged))


# ---- the tests of particular laws -------------------------------------------------------------------------


@dataclass(frozen=True)
class SpanishTest:
    """Spain, RD 1098/2001 Art. 85: suspect by the number of bids.

    1 bid: more than `single` below the estimate. 2: more than `pair` below the other. 3: more than `margin` below the
    mean, the highest bid left out of it if it is more than `margin` above it; and in any case more than `single` below
    the estimate. 4 and more: more than `margin` below the mean; if bids are more than `margin` above it, a new mean
    without those, or of the `least` lowest bids if fewer than `least` remain.

    Args:
        single, pair, margin: Shares: 0.25, 0.20 and 0.10 in the text.
        least: Bids the new mean is of at least.

    Raises:
        ValueError: one or three bids, and no estimate.

    >>> prices = tuple(Fraction(p) for p in (70, 98, 100, 102))
    >>> [v.flagged for v in SpanishTest()(Offers("A", prices, None, None))]
    [True, False, False, False]
    """

    single: float = 0.25
    pair: float = 0.20
    margin: float = 0.10
    least: int = 3

    def __post_init__(self) -> None:
        _share(self, single=self.single, pair=self.pair, margin=self.margin)

    def __call__(self, offers: Offers) -> list[Verdict]:
        """The verdicts, in the order of the prices."""
        prices, below = offers.prices, 1 - _exact(self.single)
        if len(prices) == 1:
            limit = below * offers.known("estimate", "SpanishTest")
            return [_judge(prices[0], limit, f"{_percent(below)} of the estimate (one bid)")]
        if len(prices) == 2:
            limit = (1 - _exact(self.pair)) * max(prices)
            return [_judge(price, limit, f"{_percent(limit / max(prices))} of the other bid") for price in prices]
        counted = self._counted(prices)
        limit = (1 - _exact(self.margin)) * mean(counted)
        what = f"{_percent(1 - _exact(self.margin))} of the mean of {len(counted)} of {len(prices)} bids"
        if len(prices) == 3:
            floor = below * offers.known("estimate", "SpanishTest")
            if floor > limit:
                limit, what = floor, f"{_percent(below)} of the estimate"
        return [_judge(price, limit, what) for price in prices]

    def _counted(self, prices: tuple[Fraction, ...]) -> list[Fraction]:
        """The bids the mean is of."""
        high = (1 + _exact(self.margin)) * mean(prices)
        rest = sorted(price for price in prices if price <= high)
        if len(prices) == 3:
            return rest if len(rest) == 2 else sorted(prices)
        return rest if len(rest) >= self.least else sorted(prices)[: self.least]


@dataclass(frozen=True)
class ItalianTest:
    """Italy, D.Lgs. 163/2006 Art. 86(1): bids whose discount reaches the threshold T = m + s are excluded.

    r = 100 · (1 − price / estimate). The ⌈wing · n⌉ highest and as many lowest discounts are left out, equal discounts
    counting as one (Council of State, plenary, 2017). m is the mean of the rest, s the mean of r − m over those of the
    rest above m. Discounts and threshold are rounded half up to `digits`; the means between are not. The winner is the
    highest discount below T.

    Later forms are parameters. `corrected_from` so many bids: T = m + s · (1 − d₁ · d₂ / 100), d₁ and d₂ the first two
    decimals of the sum of the discounts that are left. With fewer, if s / m ≤ `low_spread`: T = `low_factor` · m.

    Args:
        wing: The share of bids left out at each end.
        blocks: Whether equal discounts in a wing count as one.
        digits: Digits of discounts and threshold in percent; None for no rounding.
        least: With fewer bids the test does not apply.
        corrected_from, low_spread, low_factor: See above; None: not used.

    Raises:
        ValueError: no estimate; only one of low_spread and low_factor.

    >>> prices = tuple(100 - Fraction(r) for r in "5.1 8.0 10.2 11.0 12.3 12.9 13.4 14.0 15.5 22.0".split())
    >>> found = ItalianTest()(Offers("A", prices, Fraction(100), None))
    >>> float(found[0].threshold), [v.flagged for v in found].index(True)
    (86.38, 7)
    """

    wing: float = 0.1
    blocks: bool = True
    digits: int | None = 3
    least: int = 5
    corrected_from: int | None = None
    low_spread: float | None = None
    low_factor: float | None = None

    def __post_init__(self) -> None:
        _share(self, wing=self.wing)
        if (self.low_spread is None) != (self.low_factor is None):
            raise ValueError("ItalianTest: low_spread and low_factor belong together; give both or none")

    def __call__(self, offers: Offers) -> list[Verdict]:
        """The verdicts, in the order of the prices."""
        estimate = offers.known("estimate", "ItalianTest")
        discounts = [self._rounded(100 * (1 - price / estimate)) for price in offers.prices]
        rest = self._inside(sorted(discounts))
        if len(discounts) < self.least or not rest:
            why = f"fewer than {self.least} bids" if len(discounts) < self.least else "no discount is left by the wings"
            return [Verdict(None, False, f"{why}: the test does not apply")] * len(discounts)
        limit = self._rounded(self._limit(rest, len(discounts)))
        price = estimate * (1 - limit / 100)
        return [
            Verdict(
                price,
                r >= limit,
                f"a discount of {float(r):.10g} % {'reaches' if r >= limit else 'is below'} {float(limit):.10g} %",
            )
            for r in discounts
        ]

    def _rounded(self, value: Fraction) -> Fraction:
        if self.digits is None:
            return value
        scaled = value * 10**self.digits
        whole = (Decimal(scaled.numerator) / Decimal(scaled.denominator)).to_integral_value(ROUND_HALF_UP)
        return Fraction(int(whole), 10**self.digits)

    def _inside(self, discounts: list[Fraction]) -> list[Fraction]:
        """The discounts the wings leave."""
        count = ceil(_exact(self.wing) * len(discounts))
        if not self.blocks:
            return discounts[count : len(discounts) - count]
        kinds = sorted(set(discounts))
        kept = set(kinds[count : len(kinds) - count])
        return [r for r in discounts if r in kept]

    def _limit(self, rest: list[Fraction], bids: int) -> Fraction:
        middle = mean(rest)
        above = [r - middle for r in rest if r > middle]
        spread = mean(above) if above else Fraction(0)
        if self.corrected_from is not None and bids >= self.corrected_from:
            decimals = f"{int(sum(rest) * 100) % 100:02d}"
            return middle + spread * (1 - Fraction(int(decimals[0]) * int(decimals[1]), 100))
        if self.low_spread is not None and self.low_factor is not None and spread <= _exact(self.low_spread) * middle:
            return _exact(self.low_factor) * middle
        return middle + spread


@dataclass(frozen=True)
class WorldBankTest:
    """World Bank: with few bids below a share of the estimate, with more below the mean less so many deviations.

    Args:
        share: With few bids: suspect below this share of the estimate.
        deviations: With more: suspect below mean − deviations · standard deviation of the bids.
        relative_from: From so many bids on the second.
        sample: Whether the deviation is that of a sample (n − 1).

    Raises:
        ValueError: few bids and no estimate.

    >>> prices = tuple(Fraction(p) for p in (60, 96, 98, 100, 102))
    >>> WorldBankTest(share=0.8, deviations=1, relative_from=5)(Offers("A", prices, None, None))[0].flagged
    True
    """

    share: float
    deviations: float
    relative_from: int
    sample: bool = True

    def __post_init__(self) -> None:
        _share(self, share=self.share)
        if self.relative_from < 2:
            raise ValueError(f"WorldBankTest: relative_from is {self.relative_from!r}; a deviation needs 2 bids")

    def __call__(self, offers: Offers) -> list[Verdict]:
        """The verdicts, in the order of the prices."""
        if len(offers.prices) < self.relative_from:
            return BelowShare(self.share, of="estimate")(offers)
        spread = (stdev if self.sample else pstdev)([float(price) for price in offers.prices])
        limit = mean(offers.prices) - _exact(self.deviations) * Fraction(spread)
        return [
            _judge(price, limit, f"the mean less {self.deviations:g} standard deviations") for price in offers.prices
        ]


TESTS = (BelowShare, BelowAmount, AnyOf, AllOf, SpanishTest, ItalianTest, WorldBankTest)

# Scotland: below 85 % of the mean without the highest bid, and more than 1 % below the next higher bid.
SCOTTISH_TEST = AllOf([BelowShare(0.85, of="mean without highest"), BelowShare(0.99, of="next lowest")])
# Ukraine: at least 40 % below the mean of the others, or at least 30 % below the next higher bid.
UKRAINIAN_TEST = AnyOf(
    [BelowShare(0.60, of="mean of others", inclusive=True), BelowShare(0.70, of="next lowest", inclusive=True)]
)
