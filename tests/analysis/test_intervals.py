"""Intervals of means, shares and spreads, by drawn data."""

import numpy as np
from scipy import stats

from pathjax.analysis.intervals import (
    mean_over_units,
    share,
    spread_from_baseline,
    spread_of_units,
    spread_within,
)

RNG = np.random.default_rng(0)


def coverage(draw, truth, num=1000):
    found = [draw() for _ in range(num)]
    return np.mean([one.low <= truth <= one.high for one in found])


def test_intervals_of_means_and_spreads_cover():
    assert 0.93 < coverage(lambda: mean_over_units(RNG.normal(2, 3, 6)), 2) < 0.97
    assert 0.93 < coverage(lambda: spread_of_units(RNG.normal(2, 3, 6)), 3) < 0.97
    within = lambda: spread_within(RNG.normal(size=(10, 1)) + 0.5 * RNG.normal(size=(10, 3)))  # noqa: E731
    assert 0.92 < coverage(within, 0.5) < 0.98

    def pairs():
        base = RNG.normal(size=10)
        return spread_from_baseline(base[:, None] + 0.5 * 2**0.5 * RNG.normal(size=(10, 2)), base)

    assert 0.92 < coverage(pairs, 0.5) < 0.98

    def unequal():  # variances that differ by a factor of 2 between units
        return spread_within(np.exp(0.35 * RNG.normal(size=(10, 1)) - 0.06) * RNG.normal(size=(10, 3)))

    assert 0.88 < coverage(unequal, np.exp(2 * 0.35**2 - 0.12) ** 0.5) < 0.98


def test_values_that_are_missing_are_left_out():
    assert mean_over_units(np.array([1.0, np.nan, 3.0])).value == 2
    assert np.isnan(mean_over_units(np.array([np.nan])).value) and np.isnan(spread_of_units(np.array([1.0])).value)
    found = spread_within(np.array([[1.0, 3.0, np.nan], [np.nan, np.nan, 1.0], [2.0, 2.0, 2.0]]))
    assert found.value == 1.0


def test_shares_have_the_exact_interval():
    found = share(9, 10)
    # Clopper and Pearson: the binomial tails at the ends are 2.5% each.
    assert (
        abs(stats.binom.sf(8, 10, found.low) - 0.025) < 1e-6 and abs(stats.binom.cdf(9, 10, found.high) - 0.025) < 1e-6
    )
