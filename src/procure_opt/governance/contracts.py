"""Contracts that share the cost or pay by measured work: how strong the incentive should be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from procure_opt.auction.distributions import Distribution
from procure_opt.auction.symmetric import cells, masses
from procure_opt.governance.arguments import above_zero, not_negative, number, whole
from procure_opt.governance.lowest_costs import costs_of, lowest_costs

Floats = NDArray[np.float64]

PIECES = 400  # of an integral over types
MOST_TASKS = 6  # with a least effort: each may be free, just at it, or held there


# ---- pay by measured work ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LinearContract:
    """A fixed amount and a rate for each task.

    Attributes:
        rates: b, paid for each unit that is measured; 0 for tasks that are not.
        effort: t, of each task, counted from what is done without any incentive; a negative one is neglect, down to
            `least_effort`.
        fixed: What is paid besides, so that the supplier has just its outside option.
        expected_pay: fixed + b't.
        surplus: p't − ½ t'Ct − ½ r b'Σb, what there is to share.
        first_best: The surplus if effort could be seen, ½ p'C⁻¹p where no least effort binds.
    """

    rates: Floats
    effort: Floats
    fixed: float
    expected_pay: float
    surplus: float
    first_best: float


def linear_contract(
    value: ArrayLike,
    effort_cost: ArrayLike,
    noise: ArrayLike,
    risk_aversion: float,
    *,
    unmeasured: Sequence[int] = (),
    outside: float = 0.0,
    least_effort: ArrayLike | None = None,
) -> LinearContract:
    """The rates to pay where a supplier has several tasks and some are hard to measure.

    Effort t costs ½ t'Ct, what is measured is t + ε with ε ~ N(0, Σ), the supplier's absolute risk aversion is r. It
    answers rates b with t = C⁻¹b, and so the best rates over the measured tasks M solve

        (C⁻¹ + rΣ)_MM b_M = (C⁻¹p)_M;   all measured: b = (I + rCΣ)⁻¹ p.

    Where effort on one task makes another dearer (C₁₂ > 0), a rate on what is measured draws effort from what is not:
    the better the substitute, the flatter the pay.

    Effort is counted from what a supplier does of itself, so that it may be negative: that is neglect. How far neglect
    can go, `least_effort` says. A supplier that has come to the end of it on some tasks answers b on the others alone,
    C_FF t_F = b_F − C_FS t_S, and there b_S ≤ (Ct)_S is as good as no rate: strong pay for what is measured then draws
    nothing more from the rest. Which tasks these are is found by trying all ways.

    Args:
        value: p, of a unit of each task to the buyer, in money, shape (tasks,).
        effort_cost: C, money for a squared unit, symmetric and positive definite, shape (tasks, tasks), or its diagonal
            (a number for one task).
        noise: Σ, symmetric and positive semidefinite, of the same shape (rows of tasks that are not measured do not
            count), or its diagonal.
        risk_aversion: r, at least 0, in one over money.
        unmeasured: Positions of tasks that are not measured.
        outside: What the supplier has elsewhere.
        least_effort: The least effort on each task, one number for all or one for each (0: what it does of itself it
            does in any case); None for no least. With it at most six tasks.

    Raises:
        ValueError: shapes that do not fit, C or Σ that are no such matrices, too many tasks.

    References: Holmström and Milgrom (1991), Journal of Law, Economics, and Organization 7.

    >>> found = linear_contract([1, 1], [[1, 0.5], [0.5, 1]], [0.5, 2], 2)
    >>> found.rates.round(6).tolist(), (found.effort + 0).round(6).tolist(), round(found.surplus, 6)
    ([0.333333, 0.166667], [0.333333, 0.0], 0.166667)
    >>> alone = linear_contract([1, 1], [[1, 0.5], [0.5, 1]], [0.5, 2], 2, unmeasured=[1])
    >>> alone.rates.round(6).tolist(), alone.effort.round(6).tolist()
    ([0.285714, 0.0], [0.380952, -0.190476])
    >>> kept = linear_contract([1, 1], [[1, 0.5], [0.5, 1]], [0.5, 2], 2, unmeasured=[1], least_effort=0)
    >>> kept.rates.round(6).tolist(), kept.effort.round(6).tolist()
    ([0.5, 0.0], [0.5, 0.0])
    """
    p = _numbers("value", value)
    if p.ndim != 1 or not len(p):
        raise ValueError(f"value has the shape {p.shape}; it must be one number for each task, at least one")
    cost, spread = _matrix("effort_cost", effort_cost, len(p)), _matrix("noise", noise, len(p))
    not_negative(risk_aversion=risk_aversion)
    number("outside", outside)
    if np.linalg.eigvalsh(cost)[0] <= 1e-12 * np.abs(cost).max():
        raise ValueError(
            "effort_cost is not positive definite: some mixture of tasks costs nothing, or tasks are perfect "
            "substitutes (for these, pay no rate at all unless every one is measured)"
        )
    missing = [task for task in unmeasured if task not in range(len(p))]
    if missing:
        raise ValueError(f"unmeasured names task {missing[0]!r}; tasks are numbered from 0 to {len(p) - 1}")
    m = np.setdiff1d(np.arange(len(p)), np.asarray(unmeasured, dtype=int))
    if len(m) and np.linalg.eigvalsh(spread[np.ix_(m, m)])[0] < -1e-12 * np.abs(spread).max():
        raise ValueError("noise is not positive semidefinite: it is no matrix of variances")
    if least_effort is None:
        response = np.linalg.inv(cost)
        b = np.zeros(len(p))
        b[m] = np.linalg.solve((response + risk_aversion * spread)[np.ix_(m, m)], (response @ p)[m])
        t, best = response @ b, 0.5 * float(p @ response @ p)
    else:
        least = _numbers("least_effort", least_effort)
        if least.shape not in ((), (1,), p.shape) or len(p) > MOST_TASKS:
            raise ValueError(
                f"least_effort has the shape {least.shape} for {len(p)} tasks; it must be one number, or one for each, "
                f"and tasks at most {MOST_TASKS}"
            )
        least = np.broadcast_to(least, p.shape)
        b, t = _held(p, cost, risk_aversion * spread, m, least)
        # What can be seen is as good as measured without noise.
        _, seen = _held(p, cost, 0 * spread, np.arange(len(p)), least)
        best = float(p @ seen - seen @ cost @ seen / 2)
    borne = 0.5 * float(t @ cost @ t) + 0.5 * risk_aversion * float(b @ spread @ b)
    return LinearContract(
        rates=b,
        effort=t,
        fixed=outside + borne - float(b @ t),
        expected_pay=outside + borne,
        surplus=float(p @ t) - borne,
        first_best=best,
    )


def _held(p: Floats, cost: Floats, risk: Floats, measured: NDArray[np.intp], least: Floats) -> tuple[Floats, Floats]:
    """The best rates and efforts where no effort is below its least: each task free (b = Ct), at its least where it
    would just go (the same, and t = least), or held there (t = least, b below Ct). Of all ways the best that holds."""
    n, one = len(p), np.eye(len(p))
    known = np.isin(np.arange(n), measured)
    goal = np.block([[cost, np.zeros((n, n))], [np.zeros((n, n)), np.where(np.outer(known, known), risk, 0.0)]])
    answers, at_least = np.hstack([cost, -one]), np.hstack([one, 0 * one])  # Ct − b, and t
    unpaid = np.hstack([0 * one, one])[~known]
    best: tuple[float, Floats, Floats] | None = None
    for way in itertools.product(("free", "just", "held"), repeat=n):
        free, held = (np.array([each == name for each in way]) for name in ("free", "held"))
        rows = np.vstack([answers[~held], at_least[~free], unpaid])
        sides = np.concatenate([np.zeros(int((~held).sum())), least[~free], np.zeros(len(unpaid))])
        matrix = np.block([[goal, rows.T], [rows, np.zeros((len(rows), len(rows)))]])
        x = np.linalg.lstsq(matrix, np.concatenate([p, np.zeros(n), sides]), rcond=None)[0][: 2 * n]
        t, b, room = x[:n], x[n:], 1e-9 * max(1.0, float(np.abs(x).max()))
        holds = np.abs(rows @ x - sides).max() < room and (t > least - room).all() and (answers @ x > -room)[held].all()
        worth = float(p @ t - x @ goal @ x / 2)
        if holds and (best is None or worth > best[0] + 1e-12 * abs(best[0])):
            best = worth, np.where(known, b, 0.0), np.maximum(t, least)
    if best is None:
        raise RuntimeError("no way of holding efforts at their least was found to hold")
    return best[1], best[2]


def _numbers(name: str, values: ArrayLike) -> Floats:
    """An array of finite numbers."""
    try:
        given = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {values!r}; it must be numbers") from None
    if not np.isfinite(given).all():
        raise ValueError(f"{name} is {given.tolist()}; every one must be a number")
    return np.atleast_1d(given) if name == "value" else given


def _matrix(name: str, values: ArrayLike, tasks: int) -> Floats:
    """A symmetric matrix, from a matrix or its diagonal."""
    given = np.atleast_1d(_numbers(name, values))
    matrix = np.diag(given) if given.ndim == 1 else given
    if matrix.shape != (tasks, tasks):
        raise ValueError(
            f"{name} has the shape {given.shape}; value has {tasks} tasks, so it must be ({tasks}, {tasks})"
        )
    if not np.allclose(matrix, matrix.T, rtol=1e-9, atol=0):
        raise ValueError(f"{name} must be a symmetric matrix")
    return matrix


# ---- sharing the cost -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CostShare:
    """Which share of the cost the supplier bears.

    Attributes:
        share: s, the share of each unit of cost that the supplier bears; 1 is a fixed price.
        reimbursed: α = 1 − s, the share that the buyer pays.
        effort: By how much the supplier lowers the cost.
        expected_payment: What the buyer pays in all.
        fixed_price: What it would pay at s = 1.
        cost_plus: What it would pay at s = 0, where bids say nothing and the supplier is drawn by lot.
        interior: Whether the formula holds; if not, the share lies at the end of what is allowed.
    """

    share: float
    reimbursed: float
    effort: float
    expected_payment: float
    fixed_price: float
    cost_plus: float
    interior: bool


def cost_share(costs: Any, bidders: int, *, effort_cost: float, risk: float = 0.0, least: float = 0.01) -> CostShare:
    """The share of the cost that a supplier chosen by auction should bear.

    The buyer pays (1 − s) C + s b, b the bid. Lowering the cost by x costs the supplier d x² / 2, so that x = s / d. A
    larger share brings effort, and a larger rent and premium for risk. The lowest bid wins, the price is set by the
    second (or by the winner's own if it is risk-neutral):

        E payment = E C_(1) + s Δ − s / d + (1 / d + ρσ²) s² / 2,   Δ = E[C_(2) − C_(1)],
        s* = (1 − dΔ) / (1 + dρσ²).

    Competition (a small Δ) makes for strong incentives. Where dΔ ≥ 1 the formula leaves what is possible: the payment
    falls all the way to s → 0, yet at s = 0 itself the bids say nothing and the choice is by lot. The smallest share
    allowed is then the answer, `interior` is False, and `cost_plus` is what s = 0 really pays.

    Args:
        costs: Distribution of a supplier's cost before effort, or an estimate from past bids.
        bidders: n, at least 2.
        effort_cost: d, above 0, money for a squared unit of cost saved. Effort s / d of more than the costs themselves
            leaves costs below 0: then d does not fit these costs.
        risk: ρσ², absolute risk aversion times the variance of costs that nobody foresees.
        least: The smallest share at which bids still say who is cheapest, above 0.

    Raises:
        ValueError: a number is out of range.

    References: McAfee and McMillan (1986), RAND Journal of Economics 17.

    >>> from scipy import stats
    >>> found = cost_share(stats.uniform(0, 1), 3, effort_cost=1)
    >>> round(found.share, 6), round(found.expected_payment, 6), round(found.cost_plus, 6)
    (0.75, -0.03125, 0.5)
    """
    distribution = costs_of(costs)
    n = whole("bidders", bidders, 2)  # one alone has nobody to set the price
    not_negative(risk=risk)
    above_zero(effort_cost=effort_cost)
    number("least", least, 0, 1, above=True)
    first, second = lowest_costs(distribution, n)
    if not math.isfinite(second):
        raise ValueError(f"with {n} bidders no price can be expected: costs have no upper end; truncate them")
    gap = second - first

    def payment(s: float) -> float:
        return first + s * gap - s / effort_cost + (1 / effort_cost + risk) * s**2 / 2

    wanted = (1 - effort_cost * gap) / (1 + effort_cost * risk)
    share = min(max(wanted, least), 1.0)
    return CostShare(
        share=share,
        reimbursed=1 - share,
        effort=share / effort_cost,
        expected_payment=payment(share),
        fixed_price=payment(1.0),
        cost_plus=lowest_costs(distribution, 1)[0],
        interior=share == wanted,
    )


# ---- a menu of contracts ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RegulationMenu:
    """A menu of cost shares, from which each supplier takes the one that is meant for it.

    Attributes:
        table: By `type` (β): `effort`, `cost` (β − e, which it is held to), `share` (of overruns borne), `transfer` (on
            top of the cost that is reimbursed), `rent`.
        social_cost: (1 + λ) E(C + t) − E rent, what the project costs society under the menu.
        fixed_price: The same under a fixed price.
        cost_plus: The same if every cost is reimbursed; with several suppliers, by lot.
        expected_outlay: E(C + t), what the buyer pays.
        expected_rent: Of the supplier (of the winner).
        pooled: Whether some types share an entry of the menu.
    """

    table: pd.DataFrame
    social_cost: float
    fixed_price: float
    cost_plus: float
    expected_outlay: float
    expected_rent: float
    pooled: bool


def regulation_menu(
    types: Any, cost_of_funds: float, *, effort_cost: float = 1.0, bidders: int = 1, at: ArrayLike | None = None
) -> RegulationMenu:
    """The menu for a supplier whose efficiency is unknown: from a fixed price for the best to shared costs for others.

    Cost is C = β − e, effort costs ψ = d e² / 2, a unit of public money costs society 1 + λ. Effort is distorted so as
    to leave less rent:

        ψ'(e) = 1 − λ / (1 + λ) · F / f · ψ'',   t(C) = t(β) − ψ'(e) (C − C(β)).

    With n suppliers the contract goes to the most efficient, with the same effort; competition takes away rent only:
    rent(β) = ∫_β ψ'(e(x)) (S(x) / S(β))^(n−1) dx. Where the formula would have effort below 0 the effort is 0 and all
    cost is reimbursed. A menu of shares can only ask less effort of less efficient types: where F / f falls, types are
    pooled in the share that is best for them together (`pooled`).

    Args:
        types: Distribution of β, with a highest value, or an estimate from past bids.
        cost_of_funds: λ, what raising one unit of public money costs besides the unit, at least 0.
        effort_cost: d, above 0.
        bidders: n.
        at: Types in the table; None takes eleven, evenly spaced.

    Raises:
        ValueError: a number is out of range, or there is no highest type.

    References: Laffont and Tirole (1986), Journal of Political Economy 94; (1987), Journal of Political Economy 95.

    >>> from scipy import stats
    >>> found = regulation_menu(stats.uniform(2, 1), 0.3, at=[2, 2.5, 3])
    >>> found.table[["share", "transfer", "rent"]].round(6).to_numpy().tolist()
    [[1.0, 1.384615, 0.884615], [0.884615, 0.804734, 0.413462], [0.769231, 0.295858, 0.0]]
    >>> round(found.social_cost, 8), round(found.fixed_price, 8), round(found.cost_plus, 8)
    (2.73846154, 2.75, 3.25)
    """
    distribution = costs_of(types)
    not_negative(cost_of_funds=cost_of_funds)
    above_zero(effort_cost=effort_cost)
    bidders = whole("bidders", bidders)
    low, high = (float(end) for end in distribution.support())
    if math.isinf(high):
        raise ValueError("types have no highest value; truncate the distribution, as stats.truncnorm does")
    told = np.linspace(low, high, 11) if at is None else np.sort(np.atleast_1d(np.asarray(at, dtype=float)))
    if not ((told >= low) & (told <= high)).all():
        raise ValueError(f"at names types outside of {low:g} to {high:g}")
    nodes = np.union1d(np.linspace(low, high, PIECES + 1), told)
    inside, weights = cells(nodes)
    left = np.asarray(distribution.sf(inside)) ** (bidders - 1)
    thick = _density(distribution, inside, distribution.pdf(inside).max())
    drag = effort_cost * cost_of_funds / (1 + cost_of_funds)
    wanted = 1 - drag * distribution.cdf(inside) / thick
    shown = 1 - drag * distribution.cdf(told) / _density(distribution, told, thick.max())
    pooled = bool((np.diff(np.maximum(wanted, 0.0).ravel()) > 1e-9).any())
    if pooled:
        # The buyer's loss is a square of the distance to the formula, weighted by the winner's density.
        weight = np.maximum(weights * thick * left, 1e-300).ravel()
        fitted = optimize.isotonic_regression(wanted.ravel(), weights=weight, increasing=False).x
        wanted, shown = fitted.reshape(wanted.shape), np.interp(told, inside.ravel(), fitted)
    share, shown = np.maximum(wanted, 0.0), np.maximum(shown, 0.0)
    beyond = np.append(np.cumsum((weights * share * left).sum(axis=1)[::-1])[::-1], 0.0)
    rent = beyond[np.searchsorted(nodes, told)] / np.maximum(distribution.sf(told) ** (bidders - 1), 1e-300)
    effort = shown / effort_cost
    table = pd.DataFrame({
        "type": told, "effort": effort, "cost": told - effort, "share": shown,
        "transfer": effort_cost * effort**2 / 2 + rent, "rent": rent,
    })  # fmt: skip
    # The winner's type has the density n f S^(n−1), and its rent is n ∫ ψ'(e) F S^(n−1) in the mean.
    points, mass = masses(distribution, nodes)
    chance = bidders * mass * np.asarray(distribution.sf(points)) ** (bidders - 1)
    exerted = share / effort_cost
    expected_rent = float((bidders * weights * share * distribution.cdf(inside) * left).sum())
    outlay = float((chance * (inside - exerted + effort_cost * exerted**2 / 2)).sum()) + expected_rent
    first = lowest_costs(distribution, bidders)
    return RegulationMenu(
        table=table,
        social_cost=(1 + cost_of_funds) * outlay - expected_rent,
        fixed_price=(1 + cost_of_funds) * (first[1] - 1 / (2 * effort_cost)) - (first[1] - first[0]),
        cost_plus=(1 + cost_of_funds) * lowest_costs(distribution, 1)[0],
        expected_outlay=outlay,
        expected_rent=expected_rent,
        pooled=pooled,
    )


def _density(distribution: Distribution, types: Floats, largest: float) -> Floats:
    """f, which may be 0 at an end: as good as 0 will do there, since shares do not fall below 0."""
    return np.asarray(np.maximum(distribution.pdf(types), 1e-9 * largest))


# ---- fixed price or cost-plus -----------------------------------------------------------------------------


@dataclass(frozen=True)
class FixedOrCostPlus:
    """Which of the two, and for which complexity.

    Attributes:
        decision: "fixed price" or "cost-plus".
        threshold: The complexity from which on cost-plus is better; `math.inf` if it never is.
        fixed_price: Design and adaptation under a fixed price, less the gain from its incentives.
        cost_plus: Design and adaptation under cost-plus.
        incompleteness: The probability of adaptation left by the design, under each of the two.
        interior: Whether the formula of the threshold holds; if not, it was found numerically.
    """

    decision: Literal["fixed price", "cost-plus"]
    threshold: float
    fixed_price: float
    cost_plus: float
    incompleteness: tuple[float, float]
    interior: bool


def fixed_or_cost_plus(
    complexity: float, design_cost: float, gain: float, friction_fixed: float, friction_cost_plus: float
) -> FixedOrCostPlus:
    """A fixed price saves costs, cost-plus saves haggling: which of them suits work of some complexity.

    Designing so that adaptation is needed only with probability x costs δ T (−log x), T the complexity. Adapting loses
    L, more under a fixed price. So x = min(1, δT / L), and a fixed price is better below

        T* = g / (δ log(L_F / L_C))   while δ T* ≤ L_C.

    Beyond that nothing is designed under cost-plus (x = 1), the formula no longer holds and T* solves
    δT (1 + log(L_F / δT)) = L_C + g; with g ≥ L_F − L_C a fixed price is always better. This parametrisation is ours,
    made after the model named.

    Args:
        complexity: T, above 0.
        design_cost: δ, above 0.
        gain: g, what a fixed price saves by its incentives, at least 0.
        friction_fixed: L_F, lost by one adaptation under a fixed price.
        friction_cost_plus: L_C, under cost-plus; above 0 and below L_F.

    Raises:
        ValueError: a number is out of range.

    References: Bajari and Tadelis (2001), RAND Journal of Economics 32.

    >>> found = fixed_or_cost_plus(3, 0.5, 2, 8, 3)
    >>> found.decision, round(found.threshold, 8), found.interior
    ('fixed price', 4.07818179, True)
    >>> found = fixed_or_cost_plus(9, 0.5, 4, 8, 3)
    >>> found.decision, round(found.threshold, 8), found.interior
    ('cost-plus', 8.69899633, False)
    """
    above_zero(complexity=complexity, design_cost=design_cost, friction_cost_plus=friction_cost_plus)
    not_negative(gain=gain)
    if not (friction_cost_plus < friction_fixed < math.inf):
        raise ValueError(
            f"friction_fixed is {friction_fixed:g}; it must be above friction_cost_plus, {friction_cost_plus:g}: "
            "adapting is harder under a fixed price"
        )
    effort = design_cost * complexity
    fixed, plus = _designed(effort, friction_fixed) - gain, _designed(effort, friction_cost_plus)
    threshold, interior = gain / (design_cost * math.log(friction_fixed / friction_cost_plus)), True
    if design_cost * threshold > friction_cost_plus:
        threshold, interior = math.inf, False
        if gain < friction_fixed - friction_cost_plus:
            threshold = optimize.brentq(
                lambda y: _designed(y, friction_fixed) - friction_cost_plus - gain,
                friction_cost_plus, friction_fixed, xtol=1e-14, rtol=1e-14,
            ) / design_cost  # fmt: skip
    return FixedOrCostPlus(
        decision="fixed price" if fixed < plus else "cost-plus",
        threshold=threshold,
        fixed_price=fixed,
        cost_plus=plus,
        incompleteness=(min(1.0, effort / friction_fixed), min(1.0, effort / friction_cost_plus)),
        interior=interior,
    )


def _designed(effort: float, friction: float) -> float:
    """Design and adaptation at the best design."""
    return friction if effort >= friction else effort * (1 + math.log(friction / effort))
