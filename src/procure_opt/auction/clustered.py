"""Least squares with effects taken out, and standard errors that allow for likeness within clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from procure_opt.auction.revealed import FEW, Floats, Places


class Fit(NamedTuple):
    """Coefficients, their covariance, and the number of clusters."""

    coefficients: Floats
    covariance: Floats
    clusters: int


def within(values: Floats, effects: Sequence[Places]) -> Floats:
    """Values less the mean of their kind, for every sort of kinds; one after the other until nothing changes."""
    small = 1e-12 * np.abs(values).max(axis=0)
    values = values - values.mean(axis=0)
    for _ in range(1000):
        before = values
        for kind in effects:
            counts = np.maximum(np.bincount(kind), 1)
            means = np.stack([np.bincount(kind, column) / counts for column in values.T], axis=1)
            values = values - means[kind]
        if len(effects) < 2 or (np.abs(values - before) <= small).all():
            return values
    raise ValueError("effects cannot be told apart: leave out those that say nearly the same")


def least_squares(
    y: Floats, x: Floats, controls: Sequence[Any], cluster: Places, names: Sequence[str], known: Floats | None = None
) -> Fit:
    """Coefficients of x, with covariates (first of the controls) and effects (the rest), errors clustered (CR1).

    Liang and Zeger (1986), Biometrika 73. With `known`, two-stage least squares.
    """
    covariates, effects = controls[0], controls[1:]
    if known is not None and known.shape[1] < x.shape[1]:
        raise ValueError(f"there are {known.shape[1]} instruments for {x.shape[1]} amounts; give one for each at least")
    regressors = within(np.hstack([x, covariates]), effects)
    z = regressors if known is None else within(np.hstack([known, covariates]), effects)
    target = within(y[:, None], effects)[:, 0]
    scale = np.sqrt((regressors**2).mean(axis=0))
    flat = [name for name, each in zip([*names, *["a covariate"] * covariates.shape[1]], scale) if not each > 1e-9]
    fitted = regressors if known is None else z @ np.linalg.lstsq(z, regressors, rcond=None)[0]
    if flat or np.linalg.matrix_rank(fitted / np.where(scale > 0, scale, 1.0), tol=1e-7 * math.sqrt(len(y))) < len(
        scale
    ):
        which = f"{' and '.join(flat)} {'does' if len(flat) == 1 else 'do'} not vary" if flat else "some say the same"
        raise ValueError(f"the columns cannot be told apart once effects are taken out: {which}")
    bread = np.linalg.inv(fitted.T @ fitted)
    coefficients = bread @ (fitted.T @ target)
    score = fitted * (target - regressors @ coefficients)[:, None]
    summed = np.stack([np.bincount(cluster, column) for column in score.T], axis=1)
    clusters, free = len(summed), len(y) - len(scale) - 1 - sum(int(kind.max()) for kind in effects)
    if free <= 0:
        raise ValueError(f"{len(y)} bids are too few for that many columns and effects")
    correction = clusters / (clusters - 1) * (len(y) - 1) / free
    covariance = correction * bread @ (summed.T @ summed) @ bread
    wanted = slice(0, x.shape[1])
    return Fit(coefficients[wanted], covariance[wanted, wanted], clusters)


def few_clusters(clusters: int, what: str) -> tuple[str, ...]:
    return (f"{clusters} {what} are few: standard errors are on the low side",) if clusters < FEW else ()
