"""Means with standard errors, and spreads."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

MIN_BLOCKS = 16  # fewer block means give no usable estimate of their spread: the error is then NaN
SIGNIFICANCE = 0.01  # level of the test for correlated block means


class Estimate(NamedTuple):
    """A mean and its standard error, in the same units; the error is NaN if it cannot be estimated."""

    mean: Any
    stderr: Any


class Spread(NamedTuple):
    """Mean, sample standard deviation, median, and 16% and 84% quantiles of the n finite values among `total`."""

    mean: float
    sd: float
    median: float
    low: float
    high: float
    n: int
    total: int


def blocking(values: Any) -> Estimate:
    """Computes the mean of a correlated series and its standard error by automated blocking.

    Neighbors are averaged repeatedly until the block means are uncorrelated or 16 are left. Correlations of either
    sign count: log-growth is often anticorrelated, and then a naive error is far too large. The block means of a
    drifting series stay correlated; its error is that of the 16 to 31 longest blocks.

    Args:
        values: float[n, ...], NumPy or JAX, in time order. The error of fewer than 16 values is NaN.

    Returns:
        Mean and standard error, float[...].

    Source: automated blocking (Jonsson 2018, Phys. Rev. E 98, 043304), after Flyvbjerg & Petersen (1989).

    >>> blocking(np.ones(100))
    Estimate(mean=np.float64(1.0), stderr=array(0.))
    """
    xp = values.__array_namespace__()
    levels = _levels(values)
    mean = pairwise_sum(values) / max(len(values), 1)
    if len(values) < MIN_BLOCKS:
        return Estimate(mean if len(values) else mean * xp.nan, xp.zeros_like(mean) + xp.nan)
    correlations, errors = zip(*(_correlation_and_error(xp, level) for level in levels), strict=True)
    best = errors[-1]
    remaining = xp.zeros_like(best)
    # From the longest blocks down to the shortest for which neither these nor any longer blocks are correlated.
    for i in reversed(range(len(levels))):
        remaining = remaining + correlations[i]
        best = xp.where(remaining < _chi_squared(len(levels) - i), errors[i], best)
    return Estimate(mean, best)


def pairwise_sum(values: Any) -> Any:
    """Computes the sum over the leading axis by halves; in float32 it loses no digits, however long the series.

    >>> pairwise_sum(np.ones((5, 2)))
    array([5., 5.])
    """
    xp = values.__array_namespace__()
    while len(values) > 1:
        if len(values) % 2:
            values = xp.concat([values, xp.zeros_like(values[:1])])
        values = values[0::2] + values[1::2]
    return xp.sum(values, axis=0)


def _levels(values) -> list:
    """The series, and the means of its blocks of 2, 4, 8, ..."""
    levels = [values]
    while len(levels[-1]) // 2 >= MIN_BLOCKS:
        last = levels[-1][: len(levels[-1]) // 2 * 2]
        levels.append((last[0::2] + last[1::2]) / 2)
    return levels


def _correlation_and_error(xp, level):
    """The squared correlation of neighboring blocks as a chi-squared statistic, and the error if they have none."""
    n = len(level)
    deviation = level - xp.mean(level, axis=0, keepdims=True)
    variance = xp.mean(deviation**2, axis=0)
    covariance = xp.sum(deviation[1:] * deviation[:-1], axis=0) / n
    ratio = ((1 - 1 / n) * variance / n + covariance) / xp.where(variance > 0, variance, 1)
    # The error includes remaining positive correlations to first order; leaving out negative ones is safe.
    total = variance + 2 * xp.where(covariance > 0, covariance, 0)
    return n * xp.where(variance > 0, ratio, 0) ** 2, xp.sqrt(total / (n - 1))


def _chi_squared(dof: int) -> float:
    from scipy.special import chdtri

    return float(chdtri(dof, SIGNIFICANCE))


def half_interval(values: ArrayLike, confidence: float = 0.95) -> Any:
    """Computes half the confidence interval of a mean of independent values: t s / sqrt(n), with Student's t of n - 1.

    Args:
        values: float[n, ...].
        confidence: probability that the interval covers the mean, if values are normal.

    Returns:
        float[...]; NaN for fewer than 2 values.

    >>> round(float(half_interval([1.0, 2.0, 3.0])), 3)  # 4.303 / sqrt(3)
    2.484
    """
    from scipy import stats

    values = np.asarray(values, float)
    num = len(values)
    if num < 2:
        return np.full(values.shape[1:], np.nan)
    return stats.t.ppf((1 + confidence) / 2, num - 1) * values.std(axis=0, ddof=1) / num**0.5


def jackknife(statistic: Callable, growth: np.ndarray, durations: np.ndarray, num_groups: int = 20) -> Estimate:
    """Computes a function of mean rates and its standard error by leaving out each of `num_groups` blocks in turn.

    Args:
        statistic: maps rates float[k] to a scalar.
        growth: float[n, k], the growth in each interval; with n < `num_groups` the error is NaN.
        durations: float[n], the length of each interval.
        num_groups: each group should be longer than the correlation time of the growth.

    Source: Efron & Stein 1981, Ann. Statist. 9.

    >>> jackknife(lambda rates: rates.max(), np.ones((40, 2)), np.full(40, 2.0))
    Estimate(mean=0.5, stderr=0.0)
    """
    groups = np.array_split(np.arange(len(growth)), num_groups)
    value = float(statistic(growth.sum(0) / durations.sum()))
    if len(growth) < num_groups:
        return Estimate(value, float("nan"))
    without = []
    for group in groups:
        rest = np.delete(growth, group, axis=0).sum(0) / np.delete(durations, group).sum()
        without.append(float(statistic(rest)))
    deviations = np.array(without) - np.mean(without)
    return Estimate(value, float(np.sqrt((num_groups - 1) * np.mean(deviations**2))))


def spread(values: ArrayLike) -> Spread:
    """Summarizes the finite values.

    >>> spread([1.0, 2.0, 3.0, float("nan")]).median
    2.0
    """
    values = np.asarray(values, np.float64).ravel()
    good = values[np.isfinite(values)]
    if len(good) == 0:
        nan = float("nan")
        return Spread(nan, nan, nan, nan, nan, 0, len(values))
    low, median, high = (float(q) for q in np.quantile(good, [0.16, 0.5, 0.84]))
    sd = float(np.std(good, ddof=1)) if len(good) > 1 else float("nan")
    return Spread(float(np.mean(good)), sd, median, low, high, n=len(good), total=len(values))
