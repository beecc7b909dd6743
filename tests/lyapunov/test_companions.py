"""Functions of exponents, covariant vectors, finite-size exponents and function space."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.toy_maps import network, spectrum
from pathjax.lyapunov import jackknife
from pathjax.theory import systems


def contraction(x):
    return jnp.array([0.5, 0.25, 0.1]) * x


def test_finite_time_exponents_average_to_the_exponents():
    result = spectrum(lambda x: 4 * x * (1 - x), 0.3, k=1, length=1000, renormalize_every=2, dt=0.1)
    windows = pathjax.finite_time_exponents(result, window=50)
    np.testing.assert_allclose(windows.times, np.arange(1, 11) * 10, rtol=1e-5)
    np.testing.assert_allclose(windows.exponents.mean(0), result.exponents, rtol=1e-5)


def test_functions_of_exponents_take_batches():
    batch = jnp.array([[1.0, -2.0], [1.0, -4.0]])
    np.testing.assert_allclose(pathjax.kaplan_yorke_dimension(batch), [1.5, 1.25])
    np.testing.assert_allclose(pathjax.entropy_bound(batch), [1, 1])
    np.testing.assert_allclose(pathjax.pairing_defect(batch, momentum=math.exp(-1)), [0, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("exponents", "num_dims", "expected"),
    [
        ([-0.1, -0.2], None, 0.0),
        ([0.5, 0.0, -1.0], None, 2.5),
        ([0.5, -0.1], None, math.nan),  # truncated: the sum is not yet negative
        ([0.5, -0.5], 2, 2.0),
        ([0.5, 0.1], 2, 2.0),
        ([-1.0, 0.5], None, 1.5),  # in any order
        ([0.5, -math.inf], None, 1.0),
        ([0.5, math.nan], None, math.nan),
    ],
)
def test_kaplan_yorke_dimension(exponents, num_dims, expected):
    dimension = pathjax.kaplan_yorke_dimension(jnp.array(exponents), num_dims)
    np.testing.assert_allclose(dimension, expected, rtol=1e-6)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    xs = jax.random.normal(jax.random.key(0), (4000,))
    result = spectrum(lambda x, noise: jnp.exp(noise) * x, 1e-30, xs, k=1)
    mean, stderr = jackknife(lambda exponents: exponents[0], result)
    assert mean == pytest.approx(float(result.exponents[0]), rel=1e-5)
    assert stderr == pytest.approx(1 / 4000**0.5, rel=0.4)


def test_covariant_vectors_of_a_rotation_with_growth_have_right_angles(x64):
    rotation = 1.2 * jnp.array([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]])
    shrink = jnp.array([[0.3]])
    step = lambda s: (rotation @ s[0], shrink @ s[1])  # noqa: E731
    r = spectrum(step, (jnp.ones(2), jnp.ones(1)), k=3, length=100, burn_in=30, save_r=True).r
    vectors = pathjax.covariant_vectors(r, transient=30)
    np.testing.assert_allclose(vectors.angles[:, :2, 2], math.pi / 2, atol=1e-7)
    np.testing.assert_allclose(vectors.log_growth.mean(0), np.log([1.2, 1.2, 0.3]), atol=1e-2)


def test_small_separations_of_a_smooth_map_grow_as_the_tangent(x64):
    start = {"x": jnp.array(0.1), "y": jnp.array(0.1)}
    rates = pathjax.finite_size_exponents(
        jax.random.key(0),
        systems.henon,
        start,
        epsilons=[0.3, 1e-4, 1e-8],
        length=4000,
        options=pathjax.SpectrumOptions(burn_in=100),
    )
    np.testing.assert_allclose(rates.exponents[1:], rates.tangent, atol=2e-3)
    assert rates.exponents[0] < rates.tangent - 0.01 and rates.roundoff < 1e-14


def test_a_map_with_jumps_is_stable_infinitesimally_and_unstable_at_finite_size(x64):
    # Contracts by 0.9, except for a jump by 1 that separates twins at distance d with probability about d.
    def step(x):
        return (0.9 * x + 0.2357) % 1

    rates = pathjax.finite_size_exponents(
        jax.random.key(0), step, jnp.array(0.3), epsilons=[0.1, 1e-9], length=20_000, num_twins=1
    )
    assert rates.tangent == pytest.approx(math.log(0.9)) and rates.exponents[1] == pytest.approx(
        math.log(0.9), abs=1e-5
    )
    assert rates.exponents[0] > 0


@pytest.mark.slow
def test_finite_size_exponents_of_training_approach_the_tangent(x64, key):
    dynamics, params, examples = network(key)
    params, examples = (params, (examples[0].astype(float), examples[1]))
    step_fn, xs = pathjax.scheduled_step(dynamics, examples, pathjax.batch_schedule(key, 32, 8, num_steps=200))
    state = dynamics.init(params, {})
    rates = pathjax.finite_size_exponents(
        jax.random.key(0),
        step_fn,
        state,
        xs,
        epsilons=[1e-6],
        num_twins=2,
        options=pathjax.SpectrumOptions(renormalize_every=10),
    )
    np.testing.assert_allclose(rates.exponents[0], rates.tangent, atol=1e-6)


def test_function_space_ignores_movement_along_a_symmetry(x64):
    # f(w) = w0 w1: from (2, 1), w -> (1.1 w0, w1 / 1.1) preserves f, in value and derivative along the orbit.
    result = pathjax.function_space_spectrum(
        jax.random.key(0),
        lambda w: w * jnp.array([1.1, 1 / 1.1]),
        jnp.array([2.0, 1.0]),
        predict=lambda w: w[0] * w[1],
        k=1,
        length=40,
    )
    np.testing.assert_allclose(result.exponents, 0, atol=1e-12)
