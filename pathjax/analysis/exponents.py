"""Lyapunov exponents from recorded log-growth. Training is not stationary: a mean over it summarizes its path."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pathjax.analysis.statistics import Estimate, blocking
from pathjax.core.display import shown_in_short


@shown_in_short
class ExponentCurve(NamedTuple):
    """At each of `steps`: the exponent in the window that ends there (`local`), the mean since step 0 (`mean`) and its
    standard error (`stderr`), all in nats per step."""

    steps: np.ndarray
    local: np.ndarray
    mean: np.ndarray
    stderr: np.ndarray


def exponent(log_growth: ArrayLike, every: int) -> Estimate:
    """Computes the mean exponent and its standard error by blocking, in nats per step.

    Args:
        log_growth: float[t], nats in each interval (without the record of step 0).
        every: steps per interval.

    >>> f"{exponent(np.full(100, 0.5), every=10).mean:.3f}"
    '0.050'
    """
    mean, stderr = blocking(np.asarray(log_growth, np.float64) / every)
    return Estimate(float(mean), float(stderr))


def exponent_curve(log_growth: ArrayLike, every: int, num_points: int = 40) -> ExponentCurve:
    """Computes the exponent over time, at `num_points` steps or fewer.

    >>> exponent_curve(np.full(100, 0.5), every=10, num_points=2).steps
    array([ 500, 1000])
    """
    rates = np.asarray(log_growth, np.float64) / every
    ends = np.unique(np.linspace(0, len(rates), num_points + 1).astype(int))
    local = [np.mean(rates[a:b]) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    so_far = [blocking(rates[:end]) for end in ends[1:]]
    means, errors = (np.array(column) for column in zip(*so_far, strict=True))
    return ExponentCurve(ends[1:] * every, np.array(local), means, errors)
