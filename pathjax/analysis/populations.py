"""Do two populations of runs differ by more than what tells the runs of each apart?"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from pathjax.analysis.intervals import CONFIDENCE, Interval
from pathjax.core.errors import require

ROUNDING = 1e-12
MIN_UNITS = 3  # for an interval


def jackknife_of_units(statistic: Callable[[np.ndarray], float], num: int) -> Interval:
    """Computes a statistic of independent units with a 95% confidence interval by leaving out each unit in turn.

    The standard error is sqrt((n - 1) / n sum (s_i - mean s)^2), and the interval is Student's, of n - 1 degrees of
    freedom.

    Args:
        statistic: maps the indices of units, int[k], to a number.
        num: number of units, 3 or more.

    Returns:
        Interval.

    Raises:
        InputError: for fewer than 3 units.

    Source: Efron & Stein 1981, Ann. Statist. 9.

    >>> values = np.array([1.0, 2.0, 3.0])
    >>> round(jackknife_of_units(lambda units: values[units].mean(), 3).low, 3)  # that of the mean, 2 - 2.484
    -0.484
    """
    require(num >= MIN_UNITS, f"{num} units do not give an interval: give {MIN_UNITS} or more")
    value = float(statistic(np.arange(num)))
    without = np.array([statistic(np.delete(np.arange(num), i)) for i in range(num)])
    error = float(np.sqrt((num - 1) / num * ((without - without.mean()) ** 2).sum()))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, num - 1)) * error
    return Interval(value, value - reach, value + reach)


def mean_of_pairs(distances: np.ndarray) -> float:
    """Computes the mean of the distances of different units.

    >>> mean_of_pairs(np.array([[0.0, 1.0], [1.0, 0.0]]))
    1.0
    """
    num = len(distances)
    return float((distances.sum() - np.trace(distances)) / (num * (num - 1)))


def energy_distance(within_a: np.ndarray, within_b: np.ndarray, between: np.ndarray) -> float:
    """Computes 2 <d(a_i, b_j)> - <d(a_i, a_j)> - <d(b_i, b_j)>, means over i != j.

    It is 0 on average if both populations have one distribution, however much runs differ. For the share of points
    that are decided differently it is a sum of squares, sum_p w_p sum_k (P_a(p, k) - P_b(p, k))^2, with the
    probabilities that a run of each population chooses class k. Pairs of one unit are left out, so that the populations
    may be paired, such as runs from the same initializations, and the estimate is not biased.

    Args:
        within_a, within_b: float[unit, unit], distances between runs of one population.
        between: float[unit, unit], from those of a (rows) to those of b.

    Returns:
        The distance; it can be negative by chance.

    Source: Szekely & Rizzo 2013, J. Stat. Plan. Inference 143.

    >>> near, far = np.array([[0.0, 1.0], [1.0, 0.0]]), np.full((2, 2), 3.0)
    >>> energy_distance(near, near, far)
    4.0
    """
    found = 2 * mean_of_pairs(between) - mean_of_pairs(within_a) - mean_of_pairs(within_b)
    scale = np.abs(between).max() + np.abs(within_a).max() + np.abs(within_b).max()
    return 0.0 if abs(found) < ROUNDING * scale else found  # equal sums in another order are equal
