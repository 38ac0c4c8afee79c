"""What a payment is worth to a supplier: neutral to risk, or averse to it in two ways."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from procure_opt.governance.arguments import above_zero, not_negative, number


class Utility(Protocol):
    """What a payment is worth to the supplier: increasing and concave."""

    def __call__(self, wage: Any) -> Any:
        """u(w)."""

    def inverse(self, utility: Any) -> Any:
        """The payment that is worth so much."""

    def slope(self, utility: Any) -> Any:
        """What one more unit of utility costs there, d w / d u."""

    def bend(self, utility: Any) -> Any:
        """How fast that rises, d² w / d u²."""

    @property
    def least(self) -> float:
        """The lowest payment that has a utility."""

    @property
    def most(self) -> float:
        """What no payment is worth."""


@dataclass(frozen=True)
class Neutral:
    """u(w) = w: no fear of risk.

    >>> Neutral()(3.0)
    3.0
    """

    least = -math.inf
    most = math.inf

    def __call__(self, wage: Any) -> Any:
        """u(w)."""
        return wage

    def inverse(self, utility: Any) -> Any:
        """The payment that is worth so much."""
        return utility

    def slope(self, utility: Any) -> Any:
        """What one more unit of utility costs there."""
        return np.ones_like(utility)

    def bend(self, utility: Any) -> Any:
        """How fast that rises."""
        return np.zeros_like(utility)


@dataclass(frozen=True)
class Power:
    """u(w) = (wealth + w)^exponent.

    >>> Power(0.5)(9.0), Power(0.5).inverse(3.0)
    (3.0, 9.0)
    """

    exponent: float = 0.5
    wealth: float = 0.0

    most = math.inf

    def __post_init__(self) -> None:
        number("Power: exponent", self.exponent, 0, 1, above=True, below=True)  # 1 is Neutral()
        not_negative(**{"Power: wealth": self.wealth})

    @property
    def least(self) -> float:
        """The lowest payment that has a utility."""
        return -self.wealth

    def __call__(self, wage: Any) -> Any:
        """u(w)."""
        return (self.wealth + wage) ** self.exponent

    def inverse(self, utility: Any) -> Any:
        """The payment that is worth so much."""
        return utility ** (1 / self.exponent) - self.wealth

    def slope(self, utility: Any) -> Any:
        """What one more unit of utility costs there."""
        return utility ** (1 / self.exponent - 1) / self.exponent

    def bend(self, utility: Any) -> Any:
        """How fast that rises."""
        return (1 / self.exponent - 1) / self.exponent * utility ** (1 / self.exponent - 2)


@dataclass(frozen=True)
class Exponential:
    """u(w) = (1 − exp(−aversion · w)) / aversion: worth w where w is small, and never 1 / aversion.

    >>> round(float(Exponential(0.5)(1.0)), 6)
    0.786939
    """

    aversion: float

    least = -math.inf

    def __post_init__(self) -> None:
        above_zero(**{"Exponential: aversion": self.aversion})  # 0 is Neutral()

    @property
    def most(self) -> float:
        """What no payment is worth."""
        return 1 / self.aversion

    def __call__(self, wage: Any) -> Any:
        """u(w)."""
        with np.errstate(over="ignore"):  # where u is beyond what floats hold it is −inf
            return -np.expm1(-self.aversion * np.asarray(wage, dtype=float))[()] / self.aversion

    def inverse(self, utility: Any) -> Any:
        """The payment that is worth so much."""
        return -np.log1p(-self.aversion * utility) / self.aversion

    def slope(self, utility: Any) -> Any:
        """What one more unit of utility costs there."""
        return 1 / (1 - self.aversion * utility)

    def bend(self, utility: Any) -> Any:
        """How fast that rises."""
        return self.aversion / (1 - self.aversion * utility) ** 2


UTILITIES: tuple[type, ...] = (Neutral, Power, Exponential)
