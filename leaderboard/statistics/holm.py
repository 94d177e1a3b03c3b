"""Holm's correction of many p-values: the chance of any false claim stays below the level."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["holm"]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values in the given order; Holm, Scandinavian Journal of Statistics 6, 1979.

    The k-th smallest of m is multiplied by m - k + 1, then none may fall below a smaller one's.

    Args:
        p_values: (..., m) in [0, 1]; leading axes are separate families. m may be 0.

    Raises:
        ValueError: a value outside [0, 1], or that is no number.

    >>> holm([0.01, 0.03, 0.04]).round(12).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values must lie in [0, 1]: {p}")
    order = np.argsort(p, axis=-1, kind="stable")
    factors = np.arange(p.shape[-1], 0, -1)
    scaled = np.minimum(np.take_along_axis(p, order, -1) * factors, 1.0)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(scaled, axis=-1), -1)
    return adjusted
