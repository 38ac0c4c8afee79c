"""Weibull costs in auctions that differ by what the bidders saw and the table does not tell, by maximum likelihood.

As in `heterogeneity` bids are y a, y the auction's and a the bidder's own; here a follows from Weibull costs and ln y
is normal. `fit_weibull` can do with winning bids alone (MacKay 2022, American Economic Journal: Microeconomics 14);
`compare_fits` asks whether that holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import interpolate, optimize, special, stats

from procure_opt.auction.heterogeneity import LEAST, with_markups
from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import BadTable, Problem, Table

Floats = NDArray[np.float64]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
FAR, LOST = 8.5, 60.0  # standard deviations of ln U, and −log of the lowest cost's survivor, up to where is integrated
TAIL, TAIL_WEIGHTS = np.polynomial.laguerre.laggauss(30)
SHAPES, SPREADS = (0.3, 40.0), (0.005, 3.0)  # within which α and σ are sought
STEP = 1e-4  # of numerical derivatives, in logs
NAMES = ("mu", "alpha", "sigma")


def weibull_bid(cost: Any, mu: float, alpha: float, n: int) -> Any:
    """What a supplier bids whose cost, as those of its n − 1 rivals, is Weibull with mean μ and shape α:

        b(c) = c + (μ / Γ₁) (n − 1)^(−1/α) / α · Γ(1/α, z) e^z,   z = (n − 1) (c Γ₁ / μ)^α,   Γ₁ = Γ(1 + 1/α),

    with the upper incomplete gamma function (MacKay 2022, American Economic Journal: Microeconomics 14).

    Raises:
        ValueError: a parameter is not above 0, or n is below 2.

    >>> round(float(weibull_bid(2.0, mu=10, alpha=2, n=4)), 8)
    6.21357799
    """
    if not (mu > 0 and alpha > 0 and n >= 2):
        raise ValueError(f"mu={mu!r}, alpha={alpha!r}, n={n!r}: mean and shape must be above 0, and n at least 2")
    scale = mu / math.gamma(1 + 1 / alpha)
    return cost + scale * _gap((np.asarray(cost, dtype=float) / scale) ** alpha, alpha, n)


def _gap(t: Any, alpha: float, n: int) -> Any:
    """Bid less cost where the scale is 1 and the cost t^(1/α): Γ(s, z) e^z is an integral over z + y for large z."""
    z, s = (n - 1) * np.asarray(t, dtype=float), 1 / alpha
    small, large = z <= 50.0, z > 50.0
    integral = np.empty_like(z)
    integral[small] = special.gamma(s) * special.gammaincc(s, z[small]) * np.exp(z[small])
    integral[large] = z[large] ** (s - 1) * ((1 + TAIL / z[large][..., None]) ** (s - 1) @ TAIL_WEIGHTS)
    return s * (n - 1) ** (-s) * integral


@dataclass(frozen=True, eq=False)
class WeibullFit:
    """bid = U h(X) b(c): costs c Weibull with mean μ and shape α, U lognormal with mean 1 and standard deviation σ.

    Attributes:
        estimates: By parameter (mu, alpha, sigma, then the covariates): `estimate`, `error`, `low`, `high` (95 %, in
            logs for the first three).
        covariance: Of (ln mu, ln alpha, ln sigma, covariates), the inverse of the Hessian.
        log_likelihood: Of the bids in logs of currency.
        use: "winning" or "all" bids.
        influence: What each auction (index) adds to the estimates, in the units of `covariance`.
        table: By row of past bids: `auction`, `bidder`, `bid`, `n`, `y`, `cost`, `markup`. y = U h(X); `y` and `cost`
            are means over what U may have been, given all bids of the auction, or the winning bid if not all are known.
        notes: What was left out or assumed.
    """

    estimates: pd.DataFrame
    covariance: Floats
    log_likelihood: float
    use: str
    influence: pd.DataFrame
    table: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def parameters(self) -> Floats:
        """ln mu, ln alpha, ln sigma, and the coefficients of the covariates."""
        values = self.estimates["estimate"].to_numpy()
        return np.append(np.log(values[:3]), values[3:])

    @property
    def costs(self) -> Any:
        """The distribution of c, in the currency of the bids where U h(X) = 1."""
        mu, alpha, _ = self.estimates["estimate"].iloc[:3]
        return stats.weibull_min(alpha, scale=mu / math.gamma(1 + 1 / alpha))

    @property
    def y(self) -> Any:
        """The distribution of U."""
        s = math.sqrt(math.log1p(self.estimates["estimate"]["sigma"] ** 2))
        return stats.lognorm(s, scale=math.exp(-(s**2) / 2))

    @property
    def share(self) -> float:
        """Of the variance of log costs, given X, what is private: Var ln c / (Var ln c + Var ln U)."""
        private = math.pi**2 / 6 / self.estimates["estimate"]["alpha"] ** 2
        return float(private / (private + math.log1p(self.estimates["estimate"]["sigma"] ** 2)))


@dataclass(frozen=True, eq=False)
class FitComparison:
    """Winning bids against all bids.

    Attributes:
        table: By parameter (logs of mu, alpha and sigma): `difference` of winning from all, `error`.
        statistic: Hausman's.
        degrees: Of freedom.
        pvalue: The chance of such a statistic or a larger one if the model holds.
    """

    table: pd.DataFrame
    statistic: float
    degrees: int
    pvalue: float

    def __str__(self) -> str:
        if self.pvalue >= 0.05:
            return f"winning bids and all bids say the same (p = {self.pvalue:.3f}): nothing speaks against the model"
        return (
            f"winning bids and all bids contradict each other (p = {self.pvalue:.3f}): costs are not Weibull, what the "
            "bidders saw is not lognormal, or bids are not those of this equilibrium"
        )


def fit_weibull(
    bids: Table | PastBids, use: Literal["winning", "all"] = "all", covariates: Sequence[str] = ()
) -> WeibullFit:
    """Costs and unobserved heterogeneity by maximum likelihood, from winning bids and n alone or from all bids.

    With L(x) the log bid at cost x (scale 1), δ = ln(μ / Γ₁) + Xβ and ln U normal with variance s² = ln(1 + σ²), the
    bids of an auction have the density

        ∫ φ_s(ln b₁ − δ − L(x)) f(x) Π_{i ≥ 2} g(L(x) + ln b_i − ln b₁) dx,   b₁ the lowest,   g(L(x)) = f(x) / L′(x),

    and the winning bid the same with n f(x) S(x)^(n−1) in the place of f Π g. Over x nothing jumps, as over U it would
    at the lowest bid there can be. The integral is of Gauss and Legendre over what both factors leave of it.

    Args:
        bids: Past bids (see `past_bids`). Auctions with one bidder are left out; of "all" those of which not all bids
            are known; of "winning" those without a winner.
        use: "winning" bids or "all" of them.
        covariates: Columns of numbers, the same for all bids of an auction; h(X) = exp(Xβ).

    Raises:
        ValueError: there are fewer than 30 auctions, covariates cannot be told apart, or no maximum is found.
        BadTable: a covariate is missing, blank, no number, or differs between bids of an auction.

    References: MacKay (2022), American Economic Journal: Microeconomics 14; White (1982), Econometrica 50.
    """
    if use not in ("winning", "all"):
        raise ValueError(f'use is {use!r}; it must be "winning" or "all"')
    past = past_bids(bids)
    x = _numbers(past, covariates)
    chosen, notes = _chosen(past, use)
    shift, unit = _standard(x[chosen.to_numpy()])
    auctions = _auctions(past.table[chosen], (x[chosen.to_numpy()] - shift) / unit, use)
    theta = _maximised(auctions)
    inverse = np.linalg.inv(_hessian(auctions, theta))
    # From covariates with mean 0 and variance 1 back to those given.
    back = np.diag(np.append(np.ones(3), 1 / unit))
    back[0, 3:] = -shift / unit
    covariance, estimated = back @ inverse @ back.T, back @ theta
    told = [_told(each, theta) for each in auctions]
    names = [*NAMES, *covariates]
    influence = np.concatenate([each.scores for each in told]) @ inverse @ back.T
    labels = pd.Index(np.concatenate([each.labels for each in auctions]), name="auction")
    bid = past.table.loc[chosen, "bid"]
    return WeibullFit(
        _estimates(estimated, covariance, names),
        covariance,
        float(sum(each.values.sum() for each in told) - np.log(bid).sum()),
        use,
        pd.DataFrame(influence, index=labels, columns=names),
        _costs(past, estimated, x),
        (*notes, *_at_an_edge(theta)),
    )


def compare_fits(winning: WeibullFit, every: WeibullFit) -> FitComparison:
    """Whether winning bids and all bids say the same, as they do if the model holds (Hausman 1978, Econometrica 46).

    Both estimates are consistent if costs are Weibull, heterogeneity is lognormal and bidders play the equilibrium;
    else they go apart, as losing bids weigh in one of them alone. With d the difference of the estimates in (ln mu,
    ln alpha, ln sigma, covariates), H = d′ V⁻¹ d is χ² with as many degrees of freedom as parameters. V is the sum of
    squares of what each auction adds to d (White 1982, Econometrica 50), so that it is positive whatever the sample.

    Args:
        winning: `fit_weibull(bids, "winning", …)`.
        every: `fit_weibull(bids, "all", …)` of the same bids.

    Raises:
        ValueError: the fits are of other uses, covariates or auctions (losing bids have to be known for the
            comparison), or all auctions have the same number of bidders. Winning bids then tell α and σ apart by the
            form of their distribution alone: the likelihood is nearly flat along a line of the two, and errors that
            rest on its curvature are far too small.
    """
    if (winning.use, every.use) != ("winning", "all"):
        raise ValueError(f'fits are of {winning.use!r} and {every.use!r} bids; give that of "winning", then of "all"')
    if winning.table.loc[winning.table["cost"].notna(), "n"].nunique() == 1:
        raise ValueError(
            f"all auctions have {winning.table['n'].max()} bidders; winning bids alone tell costs and heterogeneity "
            "apart by how bids change with the number of bidders: give auctions with several"
        )
    names = list(winning.influence.columns)
    if names != list(every.influence.columns):
        raise ValueError("the fits have different covariates; give both the same")
    apart = winning.influence.index.symmetric_difference(every.influence.index)
    if len(apart):
        raise ValueError(
            f"the fits are of different auctions ({len(apart)} are in one of them only, such as {apart[0]!r}); fit "
            "both to auctions with a winner of which all bids are known"
        )
    difference = winning.parameters - every.parameters
    influence = winning.influence - every.influence.loc[winning.influence.index]
    spread = influence.to_numpy().T @ influence.to_numpy()
    statistic = float(difference @ np.linalg.solve(spread, difference))
    table = pd.DataFrame({"difference": difference, "error": np.sqrt(np.diag(spread))}, index=pd.Index(names))
    return FitComparison(table, statistic, len(names), float(stats.chi2.sf(statistic, len(names))))


def _numbers(past: PastBids, covariates: Sequence[str]) -> Floats:
    """The covariates, shape (bids, covariates)."""
    table, problems = past.table, []
    for name in covariates:
        if name not in table.columns:
            problems.append(Problem("bids", 1, name, "the column is missing, and is named as a covariate"))
        elif not pd.api.types.is_numeric_dtype(table[name].dtype):
            problems.append(Problem("bids", None, name, "a covariate must have numbers only"))
        else:
            for row in table.index[table[name].isna()]:
                problems.append(Problem("bids", int(row), name, f"the covariate {name} is blank"))
            first = table.groupby("auction")[name].transform("first")
            for row in table.index[(table[name] != first) & table[name].notna() & first.notna()]:
                reason = f"{table[name][row]:g} differs from {first[row]:g}, which another bid of the auction has"
                problems.append(Problem("bids", int(row), name, reason))
    if problems:
        raise BadTable(problems)
    return table[list(covariates)].to_numpy(dtype=float).reshape(len(table), len(covariates))


def _chosen(past: PastBids, use: str) -> tuple[pd.Series, list[str]]:
    """The bids that are used, and what is said of auctions left out."""
    table, notes = past.table, list(past.notes)
    by = table.groupby("auction")
    known, won = by["bid"].transform("size"), by["winner"].transform("any")
    alone = table["n"] == 1
    out = [(alone, "with one bidder")]
    if use == "all":
        out.append(((table["n"] > known) & ~alone, "of which not all bids are known"))
    else:
        out.append((~won & ~alone, "without a winner"))
        higher = table["winner"] & ~alone & (table["bid"] > by["bid"].transform("min"))
        if higher.any():
            notes.append(f"in {higher.sum():,} auctions the winning bid is not the lowest; it is taken for it")
    chosen = ~alone
    for each, why in out:
        chosen &= ~each
        if each.any():
            notes.append(f"{table.loc[each, 'auction'].nunique():,} auctions {why} are left out")
    auctions = table.loc[chosen, "auction"].nunique()
    if auctions < LEAST:
        raise ValueError(f"{auctions} auctions have {use} bids that can be used; {LEAST} are needed")
    return (chosen & table["winner"] if use == "winning" else chosen), notes


def _standard(x: Floats) -> tuple[Floats, Floats]:
    """Means and standard deviations of covariates that can be told apart, from a constant and from each other."""
    shift, unit = x.mean(axis=0), x.std(axis=0)
    if x.shape[1]:
        scaled = (x - shift) / np.where(unit > 0, unit, 1.0)
        if not (unit > 0).all() or np.linalg.svd(scaled, compute_uv=False)[-1] < 1e-6 * math.sqrt(len(x)):
            raise ValueError("covariates cannot be told apart: one of them is constant, or follows from the others")
    return shift, unit


@dataclass(frozen=True, eq=False)
class _Auctions:
    """Auctions with n bidders as the likelihood reads them.

    Attributes:
        lowest: ln b₁, shape (auctions,).
        above: ln b_i − ln b₁ of the other bids that are used, shape (auctions, n − 1), or (auctions, 0).
        x: Covariates, shape (auctions, covariates).
        labels: What the auctions are called.
        rows: The rows of the bids, the lowest first.
    """

    n: int
    lowest: Floats
    above: Floats
    x: Floats
    labels: NDArray[Any]
    rows: NDArray[np.intp]


def _auctions(table: pd.DataFrame, x: Floats, use: str) -> list[_Auctions]:
    """By number of bidders."""
    order = np.lexsort((table["bid"], pd.factorize(table["auction"])[0], table["n"]))
    table, x, groups = table.iloc[order], x[order], []
    for n in np.unique(table["n"]):
        some = (table["n"] == n).to_numpy()
        wide = 1 if use == "winning" else int(n)
        logs = np.log(table["bid"].to_numpy()[some]).reshape(-1, wide)
        labels, rows = (each[some].reshape(-1, wide) for each in (table["auction"].to_numpy(), table.index.to_numpy()))
        above = logs[:, 1:] - logs[:, :1]
        groups.append(_Auctions(int(n), logs[:, 0], above, x[some][::wide], labels[:, 0], rows))
    return groups


@dataclass(frozen=True, eq=False)
class _Curve:
    """Bids of costs t^(1/α), scale 1: t of the log bid, and the log of bid less cost.

    Looked up, as the incomplete gamma function is dear: cubics through exact values and slopes, the latter in a
    coordinate in which both are smooth at the lowest cost.
    """

    alpha: float
    n: int
    t_of: Any
    log_gap_of: Any

    def cost(self, t: Any) -> Any:
        return t ** (1 / self.alpha)

    def log_gap(self, t: Any) -> Any:
        return self.log_gap_of(np.minimum(t ** (1 / max(self.alpha, 1.0)), self.log_gap_of.x[-1]))

    def log_bid(self, t: Any) -> Any:
        return np.log(self.cost(t) + np.exp(self.log_gap(t)))

    def t(self, log_bid: Any) -> Any:
        first, last = self.t_of.x[[0, -1]]
        beyond = np.exp(np.minimum(self.alpha * np.maximum(log_bid - last, 0.0), 300.0))
        return np.maximum(self.t_of(np.clip(log_bid, first, last)), 0.0) * beyond

    def log_density(self, log_bid: Any) -> Any:
        """ln g: the survivor function times bid / ((n − 1) (bid − cost)), from the first-order condition."""
        t = self.t(log_bid)
        return log_bid - t - math.log(self.n - 1) - self.log_gap(t)


@lru_cache(maxsize=100)
def _curve(alpha: float, n: int) -> _Curve:
    regular = max(alpha, 1.0)
    t = np.unique(np.concatenate([[0.0], np.geomspace(1e-10, 1e6, 400), np.linspace(0, 1.2, 100) ** regular]))
    gap = _gap(t, alpha, n)
    at, cost = t ** (1 / regular), t ** (1 / alpha)
    slope_t = regular * at ** (regular - 1)
    slope_cost = np.ones_like(at) if alpha >= 1 else at ** (1 / alpha - 1) / alpha
    apart = np.append(True, np.diff(at) > 1e-12 * at[1:])
    steep = (n - 1) * slope_t - slope_cost / gap
    log_gap = interpolate.CubicHermiteSpline(at[apart], np.log(gap)[apart], steep[apart])
    log_bid = np.log(cost + gap)
    kept = np.append(True, np.diff(np.maximum.accumulate(log_bid)) > 1e-13)
    slope = (cost + gap) / ((n - 1) * gap)
    return _Curve(alpha, n, interpolate.CubicHermiteSpline(log_bid[kept], t[kept], slope[kept]), log_gap)


@dataclass(frozen=True, eq=False)
class _Told:
    """Of each auction the log-likelihood, and its derivatives by the parameters."""

    values: Floats
    scores: Floats


def _parted(theta: Floats, x: Floats) -> tuple[float, float, Floats]:
    """α, s and δ."""
    alpha, sigma = math.exp(theta[1]), math.exp(theta[2])
    return alpha, math.sqrt(math.log1p(sigma**2)), theta[0] - math.lgamma(1 + 1 / alpha) + x @ theta[3:]


def _integrand(curve: _Curve, r: Floats, above: Floats, s: float, winning: bool) -> tuple[Floats, Floats, Floats]:
    """Log weights, ln U and the lowest log bid less δ + ln U, shape (auctions, nodes); r is ln b₁ − δ."""
    n, power = curve.n, min(max(curve.alpha, 1.0), 6.0)
    centre, least = r + s**2 / 2, float(curve.t_of.x[0])
    start = curve.t(np.maximum(centre - FAR * s, least))
    end = curve.t(np.maximum(centre + FAR * s, least + s))
    end = np.where(start < LOST / n / 2, np.minimum(end, LOST / n), end)
    low, high = start ** (1 / power), end ** (1 / power)
    half = (high - low)[:, None] / 2
    at = half * NODES + (high + low)[:, None] / 2
    t = at**power
    log_bid = curve.log_bid(t)
    v = r[:, None] - log_bid
    weight = np.log(half * WEIGHTS) + math.log(power) + (power - 1) * np.log(at)
    weight -= ((v + s**2 / 2) / s) ** 2 / 2 + math.log(s * math.sqrt(2 * math.pi))
    if winning:
        weight += math.log(n) - n * t
    else:
        weight += curve.log_density(log_bid[:, None] + above[:, :, None]).sum(axis=1) - t
    return weight, v, log_bid


def _values(auctions: _Auctions, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Log-likelihoods, and their derivatives by δ (with its sign) and by s."""
    alpha, s, delta = _parted(theta, auctions.x)
    curve, winning = _curve(alpha, auctions.n), not auctions.above.shape[1]
    values, by_delta, by_s = (np.empty(len(delta)) for _ in range(3))
    step = max(1, 2_000_000 // (len(NODES) * auctions.n))
    for first in range(0, len(delta), step):
        some = slice(first, first + step)
        r, above = (auctions.lowest - delta)[some], auctions.above[some]
        weight, v, _ = _integrand(curve, r, above, s, winning)
        values[some] = special.logsumexp(weight, axis=1)
        weight = np.exp(weight - values[some, None])
        q = v + s**2 / 2
        by_delta[some] = (weight * q).sum(axis=1) / s**2
        by_s[some] = (weight * q**2).sum(axis=1) / s**3 - s * by_delta[some] - 1 / s
    return values, by_delta, by_s


def _told(auctions: _Auctions, theta: Floats) -> _Told:
    """Values and scores by (ln mu, ln alpha, ln sigma, coefficients)."""
    values, by_delta, by_s = _values(auctions, theta)
    move = np.zeros_like(theta)
    move[1] = STEP
    by_alpha = (_values(auctions, theta + move)[0] - _values(auctions, theta - move)[0]) / (2 * STEP)
    sigma = math.exp(theta[2])
    by_sigma = by_s * sigma**2 / (1 + sigma**2) / math.sqrt(math.log1p(sigma**2))
    return _Told(values, np.column_stack([by_delta, by_alpha, by_sigma, by_delta[:, None] * auctions.x]))


def _maximised(auctions: list[_Auctions]) -> Floats:
    """The parameters of the highest likelihood, from the best of some starts."""
    count = sum(len(each.lowest) for each in auctions)

    def loss(theta: Floats) -> tuple[float, Floats]:
        told = [_told(each, theta) for each in auctions]
        return -sum(each.values.sum() for each in told) / count, -sum(each.scores.sum(axis=0) for each in told) / count

    starts = [_start(auctions, alpha) for alpha in (1.0, 2.0, 4.0)]
    start = min(starts, key=lambda theta: loss(theta)[0])
    free = (-math.inf, math.inf)
    edges = [(math.log(low), math.log(high)) for low, high in (SHAPES, SPREADS)]
    bounds = [free, *edges, *[free] * (len(start) - 3)]
    options: Any = {"ftol": 1e-13, "gtol": 1e-7, "maxiter": 500}
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    inner = np.abs(found.jac[[_inside(value, bound) for value, bound in zip(found.x, bounds)]])
    if not (np.isfinite(found.x).all() and (inner < 1e-3).all()):
        raise ValueError(
            f"no maximum of the likelihood was found ({found.message}); the largest slope is {inner.max():.2g}"
        )
    return np.asarray(found.x)


def _inside(value: float, bound: tuple[float, float]) -> bool:
    return bound[0] + 1e-6 < value < bound[1] - 1e-6


def _start(auctions: list[_Auctions], alpha: float) -> Floats:
    """What least squares make of the lowest bids, given α."""
    middle, spread = [], []
    for each in auctions:
        low, half, high = _curve(alpha, each.n).log_bid(-np.log([0.84, 0.5, 0.16]) / each.n)
        middle.append(np.full(len(each.lowest), half))
        spread.append(np.full(len(each.lowest), ((high - low) / 2) ** 2))
    x = np.concatenate([each.x for each in auctions])
    y = np.concatenate([each.lowest for each in auctions]) - np.concatenate(middle)
    design = np.column_stack([np.ones(len(x)), x])
    found = np.linalg.lstsq(design, y, rcond=None)[0]
    s2 = min(max(float((y - design @ found).var() - np.concatenate(spread).mean()), 0.01), 2.0)
    level = found[0] + s2 / 2 + math.lgamma(1 + 1 / alpha)
    return np.array([level, math.log(alpha), math.log(math.expm1(s2)) / 2, *found[1:]])


def _hessian(auctions: list[_Auctions], theta: Floats) -> Floats:
    """Of minus the log-likelihood, by differences of its derivatives."""
    rows = []
    for move in np.eye(len(theta)) * STEP * 10:
        up, down = (sum(_told(each, theta + side * move).scores.sum(axis=0) for each in auctions) for side in (1, -1))
        rows.append((down - up) / (2 * STEP * 10))
    hessian = (np.array(rows) + np.array(rows).T) / 2
    if not np.linalg.eigvalsh(hessian)[0] > 0:
        raise ValueError(
            "the likelihood is flat at its maximum: these bids do not tell shape, heterogeneity and covariates apart"
        )
    return np.asarray(hessian)


def _at_an_edge(theta: Floats) -> list[str]:
    notes = []
    for k, (name, (low, high)) in enumerate(zip(NAMES[1:], (SHAPES, SPREADS)), start=1):
        if not _inside(theta[k], (math.log(low), math.log(high))):
            notes.append(f"{name} is at the end of where it is sought ({low:g} to {high:g}): errors do not hold")
    return notes


def _estimates(theta: Floats, covariance: Floats, names: list[str]) -> pd.DataFrame:
    logs = np.arange(len(theta)) < 3
    error, reach = np.sqrt(np.diag(covariance)), stats.norm.isf(0.025)
    estimate = np.where(logs, np.exp(np.where(logs, theta, 0.0)), theta)
    ends = [
        np.where(logs, np.exp(np.where(logs, each, 0.0)), each)
        for each in (theta - reach * error, theta + reach * error)
    ]
    told = {"estimate": estimate, "error": np.where(logs, estimate, 1.0) * error, "low": ends[0], "high": ends[1]}
    return pd.DataFrame(told, index=pd.Index(names, name="parameter"))


def _costs(past: PastBids, theta: Floats, x: Floats) -> pd.DataFrame:
    """E[y | bids] and E[y c | bids] by row."""
    table = past.table
    whole = (table["n"] == table.groupby("auction")["bid"].transform("size")) & (table["n"] > 1)
    partly = (table["n"] > 1) & ~whole & table["winner"]
    told = [pd.DataFrame({"y": [], "cost": []})]
    for some, use in ((whole, "all"), (partly, "winning")):
        for each in _auctions(table[some], x[some.to_numpy()], use):
            told.append(_expected(each, theta))
    return with_markups(past, pd.concat(told))


def _expected(auctions: _Auctions, theta: Floats) -> pd.DataFrame:
    """E[U h | bids] and E[U h c_i | bids] of the bids that are used."""
    alpha, s, delta = _parted(theta, auctions.x)
    curve, wide = _curve(alpha, auctions.n), auctions.rows.shape[1]
    level, costs = np.empty(len(delta)), np.empty((len(delta), wide))
    step = max(1, 2_000_000 // (len(NODES) * auctions.n))
    for first in range(0, len(delta), step):
        some = slice(first, first + step)
        r, above = (auctions.lowest - delta)[some], auctions.above[some]
        weight, v, log_bid = _integrand(curve, r, above, s, wide == 1)
        weight = special.softmax(weight, axis=1)
        level[some] = (weight * np.exp(v)).sum(axis=1)
        bids = log_bid[:, None] + np.pad(above, ((0, 0), (1, 0)))[:, :, None]
        cost = curve.cost(curve.t(bids))
        costs[some] = ((weight * np.exp(v))[:, None] * cost).sum(axis=2) * np.exp(delta[some])[:, None]
    h = np.exp(auctions.x @ theta[3:])
    told = {"y": np.repeat(level * h, wide), "cost": costs.ravel()}
    return pd.DataFrame(told, index=auctions.rows.ravel())
