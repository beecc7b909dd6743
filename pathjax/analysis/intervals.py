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
    """Returns a share of independent units, with the exact interval of Clopper and Pearson; NaN of no units.

    >>> round(share(10, 10).low, 3)
    0.692
    """
    if total == 0:
        return Interval(float("nan"), 0.0, 1.0)
    found = stats.binomtest(num, total).proportion_ci(CONFIDENCE, "exact")
    return Interval(num / total, float(found.low), float(found.high))


def spread_of_units(values: np.ndarray) -> Interval:
    """Returns the standard deviation of independent values, with the chi-squared interval.

    The interval is that of normal values. Of equal ones, such as steps on a coarse grid, it is [0, 0], which says
    nothing.

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
    """Returns the standard deviation of runs of one unit, from the variances of all units; see `root_mean_square`.

    Args:
        values: float[unit, run], the baseline and others; NaN where a run has no value.

    >>> spread_within(np.array([[1.0, 3.0], [2.0, 4.0]])).value ** 2
    2.0000000000000004
    """
    rows = [row[np.isfinite(row)] for row in np.asarray(values, float)]
    rows = [row for row in rows if len(row) > 1]
    freedom = sum(len(row) - 1 for row in rows)
    return root_mean_square(np.array([row.var(ddof=1) for row in rows]), freedom)


def spread_from_baseline(values: np.ndarray, baseline: np.ndarray) -> Interval:
    """Returns the standard deviation of two runs that differ as members and baseline do: sqrt(<(t - t_0)^2> / 2).

    Args:
        values: float[unit, member]; NaN where a member has no value.
        baseline: float[unit].

    >>> spread_from_baseline(np.array([[3.0], [4.0]]), np.array([1.0, 2.0])).value ** 2
    2.0000000000000004
    """
    squares = (np.asarray(values, float) - np.asarray(baseline, float)[:, None]) ** 2 / 2
    rows = [row[np.isfinite(row)] for row in squares]
    rows = [row for row in rows if len(row)]
    return root_mean_square(np.array([row.mean() for row in rows]), sum(len(row) for row in rows))


def root_mean_square(variances: np.ndarray, freedom: int) -> Interval:
    """Returns the root of the mean of the units' variances, with an interval that allows these to differ.

    The mean is taken as chi-squared distributed, with 2 mean^2 / (its squared standard error) degrees of freedom, 1 to
    `freedom`: those of normal values, if all units have one variance.

    Args:
        variances: float[unit].
        freedom: the number of independent squares in all variances.

    Source: Satterthwaite 1946, Biometrics Bulletin 2, 110.
    """
    if not len(variances):
        return Interval(*[float("nan")] * 3)
    mean = float(variances.mean())
    error = float(variances.var(ddof=1)) / len(variances) if len(variances) > 1 else 0.0
    own = min(max(2 * mean**2 / error, 1.0), float(freedom)) if error > 0 else float(freedom)
    low, high = own / stats.chi2.ppf([(1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2], own)
    return Interval(*(float(np.sqrt(mean * factor)) for factor in (1.0, low, high)))
