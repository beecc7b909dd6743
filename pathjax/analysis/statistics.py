"""Means with errors, and spreads."""

from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A mean and its standard error, in the same units; the error is NaN where it cannot be told."""

    mean: float
    stderr: float


class Spread(NamedTuple):
    """Of n finite values among `total`: mean, sample standard deviation, median and the 16% and 84% quantiles."""

    mean: float
    sd: float
    median: float
    low: float
    high: float
    n: int
    total: int


def batch_means(values, num_batches: int = 20) -> Estimate:
    """The mean of a correlated series, with the standard error from the means of consecutive batches.

    Args:
        values: float[n], in time order.
        num_batches: 16 to 32 were calibrated or conservative for log-growth, which is often anticorrelated. Batches
            differ in length by one at most. With fewer values than batches there is no error to be told: NaN.

    Source: batch means (Flegal & Jones 2010, Ann. Statist. 38).

    >>> batch_means(np.ones(100))
    Estimate(mean=1.0, stderr=0.0)
    """
    values = np.asarray(values, np.float64)
    if len(values) < num_batches:
        return Estimate(float(np.mean(values)) if len(values) else float("nan"), float("nan"))
    means = [np.mean(batch) for batch in np.array_split(values, num_batches)]
    return Estimate(float(np.mean(values)), float(np.std(means, ddof=1) / np.sqrt(num_batches)))


def spread(values) -> Spread:
    """Summary of the finite ones among the values.

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
