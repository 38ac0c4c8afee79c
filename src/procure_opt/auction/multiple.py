"""Many tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def holm(p: Floats) -> Floats:
    """p-values of a family of tests, so adjusted that one wrong rejection among them has the chance stated.

    In ascending order p_(i) becomes max over j ≤ i of min(1, (m − j + 1) p_(j)) (Holm 1979, Scandinavian Journal of
    Statistics 6). NaN stays, and does not count.

    Args:
        p: Shape (…, tests); each row is a family.

    >>> holm(np.array([0.01, 0.04, 0.03, np.nan])).round(4).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    order = np.argsort(p, axis=-1)
    count = np.sum(~np.isnan(p), axis=-1, keepdims=True)
    rank = np.arange(p.shape[-1])
    raised = np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * np.maximum(count - rank, 1), axis=-1)
    adjusted = np.empty_like(raised)
    np.put_along_axis(adjusted, order, np.minimum(raised, 1.0), axis=-1)
    return adjusted
