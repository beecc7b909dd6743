"""Several tests at once: p-values that say how often any of them errs."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values adjusted by Holm's step-down method, in the order in which they were given.

    In order of size, p_(k) of m becomes max_{j <= k} min(1, (m - j + 1) p_(j)). Rejecting those below a level errs, in
    any of the tests, with at most that probability, however the tests depend on one another.

    Args:
        p_values: of m tests; NaN where there was none, which counts as 1.

    Returns:
        float[m], the adjusted p-values.

    Source: Holm 1979, Scandinavian Journal of Statistics 6, 65.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.nan_to_num(np.asarray(p_values, float), nan=1.0)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1, p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(stepped)
    return adjusted
