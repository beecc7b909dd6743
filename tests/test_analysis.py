import numpy as np
import pytest

from pathjax.analysis.exponents import exponent, exponent_curve
from pathjax.analysis.response import largest_deviation, linear_response_ratio
from pathjax.analysis.statistics import batch_means, spread


@pytest.mark.parametrize("rho", [0.0, 0.8, -0.6])
def test_batch_means_errors_are_calibrated_on_correlated_series(rho):
    rng, zs = np.random.default_rng(0), []
    for _ in range(300):
        noise = rng.normal(size=4100)
        series = np.empty_like(noise)
        series[0] = noise[0]
        for i in range(1, len(noise)):
            series[i] = rho * series[i - 1] + noise[i]
        estimate = batch_means(series[100:])
        zs.append(estimate.mean / estimate.stderr)
    assert 0.85 < np.sqrt(np.mean(np.square(zs))) < 1.3  # Student's t with 19 degrees has 1.06


def test_too_few_values_have_a_mean_and_no_error():
    estimate = batch_means([1.0, 3.0])
    assert estimate.mean == 2.0 and np.isnan(estimate.stderr)
    assert np.isnan(batch_means([]).mean)


def test_spread_leaves_out_what_is_not_finite_and_says_so():
    some = spread([1.0, np.inf, 3.0, np.nan])
    assert (some.mean, some.n, some.total) == (2.0, 2, 4)
    assert spread([np.nan]).n == 0 and np.isnan(spread([5.0]).sd)


def test_ratio_takes_each_members_own_direction():
    ratio = linear_response_ratio(
        np.array([[0.0, 0.2, 0.9]]), np.array([[2.0, 3.0]]), np.array([0.0, 0.1, 0.3]), np.array([-1, 0, 1])
    )
    np.testing.assert_allclose(ratio, [[np.nan, 1.0, 1.0]])


def test_the_largest_deviation_is_over_time_and_not_finite_where_a_ratio_is_not():
    np.testing.assert_allclose(largest_deviation([[1.0, 1.0], [np.nan, 1.5]]), [np.nan, 0.5])


def test_exponents_are_per_step_and_windows_add_up():
    growth = np.arange(100.0)
    assert exponent(growth, every=10).mean == pytest.approx(4.95)
    curve = exponent_curve(growth, every=10, num_points=4)
    np.testing.assert_array_equal(curve.steps, [250, 500, 750, 1000])
    np.testing.assert_allclose(curve.local, [1.2, 3.7, 6.2, 8.7])
    np.testing.assert_allclose(curve.mean[-1], 4.95)
