"""Multiple testing: p-values that control the probability of any false rejection."""

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.errors import require


def holm(p_values: ArrayLike) -> np.ndarray:
    """Adjusts p-values by Holm's step-down method, keeping their order.

    In ascending order, p_(k) of m becomes max_{j <= k} min(1, (m - j + 1) p_(j)). If all tests with adjusted p-values
    below a level are rejected, the probability of any false rejection is at most that level, however the tests depend
    on one another.

    Args:
        p_values: of m tests; NaN, a missing test, counts as 1.

    Returns:
        float[m], the adjusted p-values.

    Raises:
        InputError: if there is another number of axes than one, or a p-value is not in [0, 1].

    Source: Holm 1979, Scandinavian Journal of Statistics 6, 65.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.nan_to_num(np.asarray(p_values, float), nan=1.0)
    require(p.ndim == 1, f"p-values must have one axis, not {p.ndim}")
    require(bool(np.all((p >= 0) & (p <= 1))), "p-values must be between 0 and 1")
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1, p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(stepped)
    return adjusted
