"""Tangent kernels of random networks compared with the closed forms for wide networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.tangent_kernels import VARIANCES, random_weights, relu_network
from pathjax.measures.ntk import empirical_ntk, kernel_diagonal
from pathjax.observables.gradient_variance import fluctuation
from pathjax.theory.ntk import one_hidden_fluctuation, relu_kernels


def kernels_over_seeds(apply, key, sizes, inputs, num_seeds):
    one = lambda k: empirical_ntk(apply, random_weights(k, sizes), inputs)  # noqa: E731
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, num_seeds)), np.float64)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_wide_relu_networks_have_the_closed_form(key, depth):
    """The mean equals it within its error, and the deviation of a network falls as 1 / sqrt(width)."""
    inputs = jax.random.normal(key, (4, 6))
    exact, num_seeds = relu_kernels(inputs, depth, *VARIANCES).ntk, 40
    widths = (48, 768)
    deviations = []
    for width in widths:
        found = kernels_over_seeds(
            relu_network, jax.random.fold_in(key, width), (6, *[width] * depth, 2), inputs, num_seeds
        )
        deviations.append(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))
    error = found.std(0, ddof=1) / num_seeds**0.5
    assert (np.abs(found.mean(0) - exact) < 4.5 * error).all() and (error < 0.02 * np.abs(exact).max()).all()
    power = np.log(deviations[1] / deviations[0]) / np.log(widths[1] / widths[0])
    assert -0.65 < power < -0.35, deviations  # each deviation is known to about 11%, the power to 0.06


def test_a_single_very_wide_network_is_near_the_closed_form(key):
    inputs = jax.random.normal(key, (4, 6))
    exact = relu_kernels(inputs, 1, *VARIANCES).ntk
    found = kernels_over_seeds(relu_network, key, (6, 4096, 2), inputs, 1)[0]
    assert np.abs(found - exact).max() < 5 * (3 / 4096) ** 0.5 * exact.max()


@pytest.mark.slow
def test_the_covariance_of_outputs_over_seeds_is_the_nngp_kernel(key):
    inputs, num = jax.random.normal(key, (3, 6)), 800
    outputs = jax.lax.map(
        lambda k: relu_network(random_weights(k, (6, 256, 256, 1)), inputs)[:, 0],
        jax.random.split(key, num),
        batch_size=20,
    )
    exact = relu_kernels(inputs, 2, *VARIANCES).nngp
    products = np.asarray(outputs)[:, :, None] * np.asarray(outputs)[:, None, :]
    error = products.std(0) / num**0.5
    assert (np.abs(products.mean(0) - exact) < 4.5 * error).all()


def test_learning_rates_turn_the_standard_parametrization_into_the_ntk_parametrization(key):
    inputs, sizes = jax.random.normal(key, (4, 6)), (6, 32, 32, 2)
    params = random_weights(key, sizes)
    scales = [((VARIANCES[0] / w.shape[0]) ** 0.5, VARIANCES[1] ** 0.5) for w, _ in params]
    scaled = jax.tree.map(lambda s, w: s * w, scales, params)

    def standard(params, x):
        for i, (w, b) in enumerate(params):
            x = x @ w + b[None]
            x = jax.nn.relu(x) if i < len(params) - 1 else x
        return x

    found = empirical_ntk(standard, scaled, inputs, jax.tree.map(lambda s: s**2, scales))
    np.testing.assert_allclose(found, empirical_ntk(relu_network, params, inputs), rtol=1e-4)


def test_closed_forms_in_special_cases():
    x = np.array([[1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])
    linear = relu_kernels(x, 0, 3.0, 0.5)
    np.testing.assert_allclose(linear.ntk, 1.5 * x @ x.T + 0.5)
    np.testing.assert_array_equal(linear.ntk, linear.nngp)
    deep = relu_kernels(x, 5)
    np.testing.assert_allclose(np.diag(deep.nngp)[:2], 5, rtol=1e-12)  # variance 2 preserves sizes
    np.testing.assert_allclose(np.diag(deep.ntk)[:2], 6 * 5, rtol=1e-12)  # and each layer adds the same amount
    assert not deep.ntk[2].any() and np.isfinite(deep.ntk).all()
    np.testing.assert_allclose(relu_kernels(x, 1).nngp[0, 1], 0, atol=1e-12)  # opposite inputs activate no common unit
    for bad in ({"depth": -1}, {"depth": 1, "weight_variance": 0.0}, {"depth": 1, "bias_variance": -1.0}):
        with pytest.raises(pathjax.InputError, match="must be"):
            relu_kernels(x, **bad)
    with pytest.raises(pathjax.InputError, match="must be at least 1, not 0 and 1"):
        one_hidden_fluctuation(0, 1)


def without_biases(params, x):
    for i, w in enumerate(params):
        x = jnp.sqrt(2 / w.shape[0]) * x @ w
        x = jax.nn.relu(x) if i < len(params) - 1 else x
    return x


def fluctuation_at_start(key, depth, width, num_outputs, num_seeds):
    inputs, sizes = jax.random.normal(key, (2, 6)), (6, *[width] * depth, num_outputs)
    one = lambda k: kernel_diagonal(without_biases, [w for w, _ in random_weights(k, sizes)], inputs)  # noqa: E731
    diagonals = jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, num_seeds))
    return [float(value) for value in fluctuation(diagonals, jnp.ones(num_seeds, bool))]


@pytest.mark.slow
@pytest.mark.parametrize("num_outputs", [1, 5])
@pytest.mark.parametrize("width", [16, 128])
def test_one_hidden_layer_has_the_exact_fluctuation(key, width, num_outputs):
    found, error = fluctuation_at_start(key, 1, width, num_outputs, 1000)
    expected = one_hidden_fluctuation(width, num_outputs)
    assert abs(found - expected) < 4 * error and error < 0.15 * expected


@pytest.mark.slow
def test_fluctuations_grow_as_depth_over_width(key):
    table = {(d, w): fluctuation_at_start(key, d, w, 1, 150) for d in (1, 2, 4) for w in (64, 256)}
    for depth in (1, 2, 4):
        (wide, wide_error), (narrow, narrow_error) = table[depth, 256], table[depth, 64]
        # Up to the next order in depth / width.
        error = 4 * narrow * np.hypot(wide_error / wide, narrow_error / narrow)
        assert abs(narrow - 4 * wide) < error + narrow * 2 * depth / 64
    values = [table[depth, 256][0] for depth in (1, 2, 4)]
    steps = np.diff(values) / [1, 2] * 256
    assert (steps > 1).all() and (steps < 6).all()  # each layer adds a few / width
