"""Watching the supplier: inspections, bonds, and the contract that is renewed as long as nothing is found."""

from __future__ import annotations

import math
from dataclasses import dataclass

from procure_opt.governance.arguments import above_zero, not_negative, number


@dataclass(frozen=True)
class Inspection:
    """How often to inspect, and what comes of it.

    Attributes:
        inspect: The probability of an inspection.
        shirk: The probability that the supplier shirks.
        cost: What the buyer expects to lose: inspections and damage, less penalties received.
        note: What the supplier answers, and why.
    """

    inspect: float
    shirk: float
    cost: float
    note: str


def inspection(
    gain: float, penalty: float, cost: float, loss: float, *, commitment: bool = False, prevents: bool = True
) -> Inspection:
    """Inspection as a game between a buyer and a supplier who is tempted to shirk.

    With s = gain, D = penalty, k = cost and L = loss:

    - with commitment (a plan announced and kept): inspect with s / D, which is just enough; the supplier complies, and
      the buyer pays k s / D;
    - without (each inspection has to pay for itself): inspect with s / D, and the supplier shirks with k / (D + L), or
      k / D where the inspection finds the damage but does not prevent it; the buyer loses L times that.

    These hold while s ≤ D and an inspection of who shirks pays for itself. Where they do not, and where a committed
    buyer loses less by leaving the supplier alone (or by living on penalties), the answer is found among the corners
    and said in `note`.

    Args:
        gain: What shirking saves the supplier, above 0.
        penalty: What it pays if caught, at least 0; it goes to the buyer.
        cost: Of one inspection.
        loss: What shirking costs the buyer.
        commitment: Whether the buyer can bind itself to inspect.
        prevents: Whether an inspection comes in time to prevent the loss.

    Raises:
        ValueError: a number is negative, or gain is 0 (nothing tempts).

    References: Avenhaus, von Stengel and Zamir (2002),
    Handbook of Game Theory 3, chapter 51.

    >>> found = inspection(4, 20, 3, 15)
    >>> round(found.inspect, 6), round(found.shirk, 6), round(found.cost, 6)
    (0.2, 0.085714, 1.285714)
    >>> round(inspection(4, 20, 3, 15, commitment=True).cost, 6)
    0.6
    """
    above_zero(gain=gain)
    not_negative(penalty=penalty, cost=cost, loss=loss)
    spared = penalty + (loss if prevents else 0.0)  # by an inspection of a supplier who shirks
    if commitment:
        return _committed(gain, penalty, cost, loss, spared)
    if cost >= spared:
        return Inspection(0.0, 1.0, loss, "an inspection costs more than it brings: there is none, and all shirk")
    if gain > penalty:
        return Inspection(1.0, 1.0, loss + cost - spared, "the penalty does not deter: all shirk, and all is inspected")
    shirk = cost / spared
    return Inspection(gain / penalty, shirk, loss * shirk, "both mix: each is indifferent")


def _committed(gain: float, penalty: float, cost: float, loss: float, spared: float) -> Inspection:
    """The best of what a plan can lead to: the supplier, where indifferent, does what the buyer prefers."""
    enough = min(gain / penalty, 1.0) if penalty else 1.0
    plans = [
        Inspection(0.0, 1.0, loss, "deterring costs more than the damage: no inspections, and all shirk"),
        Inspection(enough, 1.0, loss + enough * (cost - spared), "penalties bring in more than shirking costs"),
    ]
    if gain >= penalty:
        plans.append(Inspection(1.0, 1.0, loss + cost - spared, "the penalty does not deter, but inspecting pays"))
    if gain <= penalty:
        plans.insert(0, Inspection(enough, 0.0, enough * cost, "inspections are just as likely as it takes to deter"))
    return min(plans, key=lambda plan: plan.cost)


@dataclass(frozen=True)
class Bond:
    """A bond (performance guarantee) and the inspections it goes with.

    Attributes:
        amount: D, forfeited if the supplier is found to shirk.
        inspect: The probability of inspection that is then enough, gain / D.
        cost: Inspections and what the bond costs to post.
    """

    amount: float
    inspect: float
    cost: float


def bond(gain: float, cost: float, rate: float, *, most: float = math.inf) -> Bond:
    """The bond that deters at the least cost: a larger one spares inspections and costs more to post.

    D minimises k s / D + ρ D: D* = √(k s / ρ), which costs 2 √(k s ρ). A bond below s deters under no inspection, so
    where D* < s it is s, with an inspection always; and where D* is more than what may be asked for, it is that.

    Args:
        gain: s, what shirking saves the supplier, above 0.
        cost: k, of one inspection, at least 0.
        rate: ρ, what a bond costs for the time of the contract as a share of its amount, above 0; the buyer pays it in
            the price.
        most: The largest bond that may be asked for, by law or by what bidders can raise.

    Raises:
        ValueError: even the largest bond is below the gain.

    References: Becker and Stigler (1974), Journal of Legal Studies 3.

    >>> found = bond(4, 3, 0.06)
    >>> round(found.amount, 7), round(found.cost, 8)
    (14.1421356, 1.69705627)
    """
    above_zero(gain=gain, rate=rate)
    not_negative(cost=cost)
    if most != math.inf:
        number("most", most)
    if not most >= gain:
        raise ValueError(f"a bond of at most {most:g} deters nobody who gains {gain:g} by shirking")
    amount = min(max(math.sqrt(cost * gain / rate), gain), most)
    return Bond(amount, gain / amount, cost * gain / amount + rate * amount)


@dataclass(frozen=True)
class Thoroughness:
    """How thoroughly to inspect.

    Attributes:
        detection: m, the probability that shirking is found.
        effort: The probability that the supplier delivers.
        cost: What the buyer expects to lose.
    """

    detection: float
    effort: float
    cost: float


def thoroughness(cost: float, loss: float, penalty: float, effort_cost: float) -> Thoroughness:
    """How thoroughly to inspect where effort comes in degrees.

    The buyer minimises κ m² / 2 + L (1 − e), the supplier answers with e = min(1, m F / c), so that

        m* = min(1, c / F, L F / (c κ)).

    Args:
        cost: κ, of detection, above 0.
        loss: L, if the supplier does not deliver.
        penalty: F, if that is found.
        effort_cost: c, of effort e being c e² / 2, above 0.

    Raises:
        ValueError: a number is out of range.

    >>> thoroughness(4, 6, 3, 9)
    Thoroughness(detection=0.5, effort=0.16666666666666666, cost=5.5)
    """
    above_zero(cost=cost, effort_cost=effort_cost)
    not_negative(loss=loss, penalty=penalty)
    # Beyond c / F the supplier delivers for sure, and more inspection brings nothing.
    enough = effort_cost / penalty if penalty else math.inf
    detection = min(1.0, enough, loss * penalty / (effort_cost * cost))
    effort = min(1.0, detection * penalty / effort_cost)
    return Thoroughness(detection, effort, cost * detection**2 / 2 + loss * (1 - effort))


@dataclass(frozen=True)
class Renewal:
    """What makes the contract worth keeping.

    Attributes:
        rent: What the supplier must earn in each period over its costs.
        value: What the contract is then worth to it.
    """

    rent: float
    value: float


def renewal(gain: float, discount: float, detection: float, *, renewed: float = 1.0) -> Renewal:
    """The rent with which a supplier would rather have the contract renewed than shirk once.

    Shirking gains s now and loses with probability m all that would follow, R δ / (1 − δ). So

        R ≥ s (1 − δ) / (δ m), with δ the discount factor times the probability of renewal where nothing is found.

    Args:
        gain: s, above 0.
        discount: Discount factor of a period, above 0 and below 1.
        detection: m, above 0 and at most 1.
        renewed: The probability that a contract is renewed where nothing is found: below 1 where law asks for a new
            tender; the rent that is then needed is higher.

    Raises:
        ValueError: a number is out of range.

    References: Klein and Leffler (1981), Journal of Political Economy 89.

    >>> found = renewal(4, 0.9, 0.2)
    >>> round(found.rent, 8), round(found.value, 6)
    (2.22222222, 22.222222)
    """
    above_zero(gain=gain)
    number("discount", discount, 0, 1, above=True, below=True)
    for name, value in (("detection", detection), ("renewed", renewed)):
        number(name, value, 0, 1, above=True)
    kept = discount * renewed
    rent = gain * (1 - kept) / (kept * detection)
    return Renewal(rent, rent / (1 - kept))
