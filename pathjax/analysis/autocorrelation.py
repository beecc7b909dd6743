"""Two-time correlations and their integrated time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.display import shown_in_short

WINDOW = 5  # the sum over a correlation stops after this many integrated times (Sokal 1997)


@shown_in_short
class TwoTime(NamedTuple):
    """Correlations (time, time) and their standard errors."""

    correlation: np.ndarray
    stderr: np.ndarray


def two_time_correlation(projections: ArrayLike) -> TwoTime:
    """Computes the cosine between the weights at any two times, from their projections on K random directions.

    Args:
        projections: float[time, K], as `observables.weight_projections` records them for a member.

    Returns:
        Correlation C and its standard error (1 - C^2) / sqrt(K), which holds for large K.

    Source: the sample correlation of K pairs of normal variables (Fisher 1915).

    >>> two_time_correlation(np.ones((2, 100))).correlation.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    projections = np.asarray(projections, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = projections / np.linalg.norm(projections, axis=1, keepdims=True)
    correlation = np.clip(unit @ unit.T, -1, 1)
    return TwoTime(correlation, (1 - correlation**2) / np.sqrt(projections.shape[1]))


def integrated_time(correlation: ArrayLike, every: int = 1) -> float:
    """Computes the integrated correlation time: every (1/2 + sum over tau >= 1 of C(tau)), in steps.

    It is NaN if the series is too short for its correlation, or empty. The sum ends at the first tau of at least 5
    integrated times, as later terms add only noise. It is meant for correlations that decay; of an oscillating
    correlation it sums only some of the first oscillations.

    Args:
        correlation: C(t_w, t_w + tau) for tau = 0, every, 2 every, ...
        every: steps between the values.

    Source: Madras and Sokal 1988.

    >>> round(integrated_time(0.5 ** np.arange(100)), 6)
    1.496094
    """
    correlation = np.asarray(correlation, float)
    if not len(correlation):
        return float("nan")
    times = np.cumsum(correlation) - correlation[0] / 2
    enough = np.flatnonzero(np.arange(len(times)) >= WINDOW * np.maximum(times, 0.5))  # 0.5: no memory
    return float(every * times[enough[0]]) if len(enough) and np.isfinite(times[enough[0]]) else float("nan")
