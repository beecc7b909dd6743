import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathjax.analysis.exponents import exponent, exponent_curve
from pathjax.analysis.finite_size import finite_size_curve
from pathjax.analysis.linear_response import largest_deviation, linear_response_ratio
from pathjax.analysis.statistics import blocking, jackknife, pairwise_sum, spread


def autoregressive(rho, rng, num=4096):
    noise = rng.normal(size=num + 100)
    for i in range(1, len(noise)):
        noise[i] += rho * noise[i - 1]
    return noise[100:]


@pytest.mark.parametrize("rho", [0.0, 0.8, -0.6])
def test_errors_are_calibrated_on_correlated_series(rho):
    rng = np.random.default_rng(0)
    estimate = blocking(np.stack([autoregressive(rho, rng) for _ in range(300)], axis=1))
    exact = 1 / (1 - rho) / 4096**0.5
    assert 0.85 < np.sqrt(np.mean(np.square(estimate.mean / estimate.stderr))) < 1.15
    assert np.mean(np.abs(estimate.stderr / exact - 1) < 0.3) > 0.97


def test_the_error_of_a_telescoping_series_is_not_naive():
    rng = np.random.default_rng(0)
    series = np.diff(rng.normal(size=(8193, 50)), axis=0) + 0.05 * rng.normal(size=(8192, 50))
    estimate = blocking(series)
    assert np.all(estimate.stderr < series.std(0) / 8192**0.5 / 4)
    assert np.sqrt(np.mean(np.square(estimate.mean / estimate.stderr))) < 1.1


def test_jax_and_numpy_series_have_the_same_estimate(x64):
    series = autoregressive(0.5, np.random.default_rng(1), 1001)
    np.testing.assert_allclose(jax.jit(blocking)(jnp.asarray(series)), blocking(series), rtol=1e-12)


@pytest.mark.slow
def test_long_float32_series_lose_no_digits():
    series = np.full(1_000_001, 0.1, np.float32)
    assert abs(float(pairwise_sum(jnp.asarray(series))) / (0.1 * 1_000_001) - 1) < 2e-7


def test_too_few_values_have_a_mean_and_no_error():
    estimate = blocking(np.array([1.0, 3.0]))
    assert estimate.mean == 2.0 and np.isnan(estimate.stderr)
    assert np.isnan(blocking(np.array([])).mean)


def test_spread_leaves_out_and_counts_values_that_are_not_finite():
    some = spread([1.0, np.inf, 3.0, np.nan])
    assert (some.mean, some.n, some.total) == (2.0, 2, 4)
    assert spread([np.nan]).n == 0 and np.isnan(spread([5.0]).sd)


def test_ratio_uses_each_members_own_direction():
    ratio = linear_response_ratio(
        np.array([[0.0, 0.2, 0.9]]), np.array([[2.0, 3.0]]), np.array([0.0, 0.1, 0.3]), np.array([-1, 0, 1])
    )
    np.testing.assert_allclose(ratio, [[np.nan, 1.0, 1.0]])


def test_the_largest_deviation_is_over_time_and_nan_if_a_ratio_is_nan():
    np.testing.assert_allclose(largest_deviation([[1.0, 1.0], [np.nan, 1.5]]), [np.nan, 0.5])


def test_exponents_are_per_step_and_windows_add_up():
    growth = np.arange(100.0)
    assert exponent(growth, every=10).mean == pytest.approx(4.95)
    curve = exponent_curve(growth, every=10, num_points=4)
    np.testing.assert_array_equal(curve.steps, [250, 500, 750, 1000])
    np.testing.assert_allclose(curve.local, [1.2, 3.7, 6.2, 8.7])
    np.testing.assert_allclose(curve.mean[-1], 4.95)


def test_finite_size_curve_finds_growth_that_tangents_do_not_predict():
    # d' = 0.001 d + c exceeds the tangent's rate by c / d.
    steps, c = np.arange(0, 1001), 1e-5
    start = np.array([1e-4, 1e-2, 0.0, np.inf])
    tangent = np.exp(0.01 * steps / 10)[:, None] * np.ones((1, 2))
    distance = (start + c / 0.001) * np.exp(0.001 * steps)[:, None] - c / 0.001
    curve = finite_size_curve(
        distance, tangent, np.array([1.0, 1.0, 0.0, 1.0]), np.array([0, 1, -1, 0]), every=1, num_windows=500
    )
    np.testing.assert_allclose(curve.tangent, 0.001, rtol=1e-9)
    np.testing.assert_allclose(curve.excess * curve.size, c, rtol=0.35)
    assert np.all(np.diff(curve.size) > 0) and np.isnan(curve.stderr[curve.directions == 1]).all()


def test_the_jackknife_error_of_a_ratio_is_calibrated():
    rng = np.random.default_rng(0)
    values = []
    for _ in range(200):
        growth = rng.normal([2.0, 1.0], 0.3, size=(200, 2))
        values.append(jackknife(lambda rates: rates[0] / rates[1], growth, np.ones(200)))
    means, errors = np.array(values).T
    assert 0.85 < means.std() / errors.mean() < 1.15
