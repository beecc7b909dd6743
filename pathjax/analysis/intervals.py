"""Means, shares and spreads of independent units, such as initializations, with 95% confidence intervals."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from pathjax.analysis.statistics import half_interval

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A value and its 95% confidence interval."""

    value: float
    low: float
    high: float


def mean_over_units(values: np.ndarray) -> Interval:
    """Returns the mean of independent units, such as initializations, with Student's interval; NaN values are left out.

    >>> mean_over_units(np.array([1.0, 2.0, 3.0])).value
    2.0
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(*[float("nan")] * 3)
    mean, reach = float(known.mean()), float(half_interval(known, CONFIDENCE))
    return Interval(mean, mean - reach, mean + reach)


def share(num: int, total: int) -> Interval:
    """Returns a share of independent units, with the exact interval of Clopper and Pearson.

    >>> share(10, 10).low.round(3)
    np.float64(0.692)
    """
    found = stats.binomtest(num, total).proportion_ci(CONFIDENCE, "exact")
    return Interval(num / total, found.low, found.high)


def spread_of_units(values: np.ndarray) -> Interval:
    """Returns the standard deviation of independent values, with the chi-squared interval.

    >>> spread_of_units(np.array([1.0, 2.0, 3.0])).value
    1.0
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return Interval(*[float("nan")] * 3)
    sd, freedom = float(known.std(ddof=1)), len(known) - 1
    low, high = np.sqrt(freedom / stats.chi2.ppf([(1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2], freedom))
    return Interval(sd, sd * float(low), sd * float(high))


def spread_within(values: np.ndarray) -> Interval:
    """Returns the standard deviation of runs of one unit, from the variances of all units.

    Args:
        values: float[unit, run], the baseline and others; NaN where a run has no value.

    Returns:
        The root of the mean of the variances over units, and that of the ends of Student's interval of the
        mean.

    >>> spread_within(np.array([[1.0, 3.0], [2.0, 4.0]])).value ** 2
    2.0000000000000004
    """
    variances = np.array(
        [row[np.isfinite(row)].var(ddof=1) if np.isfinite(row).sum() > 1 else np.nan for row in values]
    )
    return Interval(*(float(np.sqrt(max(one, 0.0))) for one in mean_over_units(variances)))


def spread_from_baseline(values: np.ndarray, baseline: np.ndarray) -> Interval:
    """Returns the standard deviation of two runs that differ as members and baseline do: sqrt(<(t - t_0)^2> / 2).

    Args:
        values: float[unit, member].
        baseline: float[unit].
    """
    squares = (values - baseline[:, None]) ** 2 / 2
    known = np.isfinite(squares).any(1)
    means = np.array([np.nanmean(row) for row in squares[known]])
    return Interval(*(float(np.sqrt(max(one, 0.0))) for one in mean_over_units(means)))
