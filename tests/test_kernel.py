"""Tangent kernels against dense Jacobians and closed forms, and what is recorded of them in training."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from toy_maps import network, predict

import pathjax
from pathjax import kernel, trees
from pathjax.kernel import empirical_ntk, kernel_diagonal
from pathjax.observables.fluctuation import fluctuation
from pathjax.theory.ntk import one_hidden_fluctuation, relu_kernels

obs = pathjax.observables
KERNEL = ("kernel_norm", "kernel_drift", "kernel_drift_angle", "kernel_label_alignment", "kernel_distance")


def dense(apply, params, inputs, factors=None):
    """From the whole Jacobian, of all outputs by all weights."""
    floats, others = trees.split_floats(params)
    flat, unravel = ravel_pytree(floats)
    rates = jax.tree.map(lambda leaf: jnp.ones_like(leaf), floats)
    if factors is not None:
        chosen = jax.tree.map(lambda leaf, factor: None if leaf is None else factor, floats, factors, is_leaf=_is_none)
        rates = jax.tree.map(lambda leaf, factor: factor * jnp.ones_like(leaf), floats, chosen)
    outputs = lambda w: apply(trees.merge(unravel(w), others), inputs).reshape(len(inputs), -1)  # noqa: E731
    jacobian = np.asarray(jax.jacobian(outputs)(flat))
    scaled = jacobian * np.asarray(ravel_pytree(rates)[0])
    return np.einsum("icp,jcp->ij", scaled, jacobian) / jacobian.shape[1]


def _is_none(leaf):
    return leaf is None


def linen_case():
    from pathjax.models import MLP

    model = MLP(widths=(6, 5), num_classes=4, activation="tanh")
    inputs = jax.random.normal(jax.random.key(1), (7, 3), float)
    params = jax.tree.map(lambda a: a.astype(float), model.init(jax.random.key(0), inputs)["params"])
    return (lambda w, x: model.apply({"params": w}, x)), params, inputs


def plain_case():
    """With a leaf that counts, and outputs with two axes."""
    keys = jax.random.split(jax.random.key(0), 3)
    params = {
        "shift": jnp.array(2),
        "v": jax.random.normal(keys[0], (5, 2, 3), float),
        "w": jax.random.normal(keys[1], (3, 5), float),
    }
    apply = lambda p, x: jnp.tensordot(jnp.sin(x @ p["w"] + p["shift"]), p["v"], 1)  # noqa: E731
    return apply, params, jax.random.normal(keys[2], (7, 3), float)


@pytest.mark.parametrize("block_bytes", [2**27, 2000, 1])
@pytest.mark.parametrize("case", [linen_case, plain_case])
def test_the_kernel_is_that_of_the_dense_jacobian(x64, monkeypatch, case, block_bytes):
    """All inputs at once, in blocks of which the last is short, and one by one."""
    apply, params, inputs = case()
    monkeypatch.setattr(kernel, "BLOCK_BYTES", block_bytes)
    expected = dense(apply, params, inputs)
    atol = 1e-10 * np.abs(expected).max()
    np.testing.assert_allclose(empirical_ntk(apply, params, inputs), expected, rtol=1e-10, atol=atol)
    np.testing.assert_allclose(kernel_diagonal(apply, params, inputs), np.diag(expected), rtol=1e-10)
    rates = jax.tree.unflatten(jax.tree.structure(params), np.arange(len(jax.tree.leaves(params))) / 2)
    weighted = dense(apply, params, inputs, rates)
    assert np.abs(weighted - expected).max() > 0.1 * np.abs(expected).max()
    np.testing.assert_allclose(empirical_ntk(apply, params, inputs, rates), weighted, rtol=1e-10, atol=atol)
    np.testing.assert_allclose(kernel_diagonal(apply, params, inputs, rates), np.diag(weighted), rtol=1e-10)


def test_half_precision_is_summed_in_single():
    w, x = jnp.ones((4, 2), jnp.bfloat16), jnp.full((3, 4), 1 + 2**-7, jnp.bfloat16)
    found = empirical_ntk(lambda w, x: x @ w, w, x)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, 4 * (1 + 2**-7) ** 2, rtol=1e-6)  # between two numbers of bfloat16


def test_one_output_may_come_without_an_axis_and_what_does_not_fit_is_refused():
    x = jnp.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(empirical_ntk(lambda w, x: x @ w, jnp.ones(2), x), x @ x.T)
    with pytest.raises(pathjax.InputError, match=r"gave the shape \(\) for one example: expected \(1, ...\)"):
        empirical_ntk(lambda w, x: jnp.sum(x @ w), jnp.ones(2), x)
    with pytest.raises(pathjax.InputError, match="factors have the leaves v: give a number for each leaf.*: w"):
        empirical_ntk(lambda w, x: x @ w["w"], {"w": jnp.ones(2)}, x, {"v": 1.0})
    with pytest.raises(pathjax.InputError, match="a kernel of no inputs"):
        empirical_ntk(lambda w, x: x @ w, jnp.ones(2), x[:0])
    with pytest.raises(pathjax.InputError, match=r"3 inputs and labels of the shape \(2,\)"):
        obs.tangent_kernel(lambda w, x: x @ w, x, jnp.arange(2))
    with pytest.raises(pathjax.InputError, match="neither classes, .*nor targets"):
        obs.tangent_kernel(lambda w, x: x @ w, x, jnp.eye(3, dtype=int))


def test_each_network_of_a_batch_has_the_bits_that_it_has_alone(key):
    _, params, (inputs, _) = network(key)
    many = jax.vmap(lambda k: jax.tree.map(lambda a: a + jax.random.normal(k, a.shape), params))(jax.random.split(key))
    together = jax.jit(jax.vmap(lambda p: empirical_ntk(predict, p, inputs)))(many)
    alone = jax.jit(lambda p: empirical_ntk(predict, p, inputs))
    for m in range(2):
        np.testing.assert_array_equal(together[m], alone(trees.index(many, m)))


def relu_network(params, x):
    """In the NTK parametrization: see `pathjax.theory.ntk`."""
    for i, (w, b) in enumerate(params):
        x = jnp.sqrt(VARIANCES[0] / w.shape[0]) * x @ w + jnp.sqrt(VARIANCES[1]) * b[None]
        x = jax.nn.relu(x) if i < len(params) - 1 else x
    return x


VARIANCES = (1.5, 0.3)


def random_weights(key, sizes):
    keys = jax.random.split(key, (len(sizes), 2))
    return [
        (jax.random.normal(k[0], (a, b)), jax.random.normal(k[1], (b,)))
        for k, (a, b) in zip(keys, itertools.pairwise(sizes), strict=False)
    ]


def kernels_over_seeds(apply, key, sizes, inputs, num_seeds):
    one = lambda k: empirical_ntk(apply, random_weights(k, sizes), inputs)  # noqa: E731
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, num_seeds)), np.float64)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_wide_relu_networks_have_the_closed_form(key, depth):
    """Their mean is it, within its error, and each falls near it as 1 / sqrt(width)."""
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
    assert -0.65 < power < -0.35, deviations  # each deviation is known to 11% or so, the power to 0.06


def test_a_very_wide_network_is_near_it_alone(key):
    inputs = jax.random.normal(key, (4, 6))
    exact = relu_kernels(inputs, 1, *VARIANCES).ntk
    found = kernels_over_seeds(relu_network, key, (6, 4096, 2), inputs, 1)[0]
    assert np.abs(found - exact).max() < 5 * (3 / 4096) ** 0.5 * exact.max()


def test_outputs_covariance_over_seeds_is_the_other_kernel(key):
    inputs, num = jax.random.normal(key, (3, 6)), 4000
    outputs = jax.lax.map(
        lambda k: relu_network(random_weights(k, (6, 256, 256, 1)), inputs)[:, 0],
        jax.random.split(key, num),
        batch_size=20,
    )
    exact = relu_kernels(inputs, 2, *VARIANCES).nngp
    products = np.asarray(outputs)[:, :, None] * np.asarray(outputs)[:, None, :]
    error = products.std(0) / num**0.5
    assert (np.abs(products.mean(0) - exact) < 4.5 * error).all()


def test_learning_rates_make_the_usual_parametrization_the_other(key):
    inputs, sizes = jax.random.normal(key, (4, 6)), (6, 32, 32, 2)
    params = random_weights(key, sizes)
    scales = [((VARIANCES[0] / w.shape[0]) ** 0.5, VARIANCES[1] ** 0.5) for w, _ in params]
    scaled = jax.tree.map(lambda s, w: s * w, scales, params)

    def usual(params, x):
        for i, (w, b) in enumerate(params):
            x = x @ w + b[None]
            x = jax.nn.relu(x) if i < len(params) - 1 else x
        return x

    found = empirical_ntk(usual, scaled, inputs, jax.tree.map(lambda s: s**2, scales))
    np.testing.assert_allclose(found, empirical_ntk(relu_network, params, inputs), rtol=1e-4)


def test_closed_forms_at_their_ends():
    x = np.array([[1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])
    linear = relu_kernels(x, 0, 3.0, 0.5)
    np.testing.assert_allclose(linear.ntk, 1.5 * x @ x.T + 0.5)
    np.testing.assert_array_equal(linear.ntk, linear.nngp)
    deep = relu_kernels(x, 5)
    np.testing.assert_allclose(np.diag(deep.nngp)[:2], 5, rtol=1e-12)  # variance 2 keeps sizes
    np.testing.assert_allclose(np.diag(deep.ntk)[:2], 6 * 5, rtol=1e-12)  # and each layer adds as much
    assert not deep.ntk[2].any() and np.isfinite(deep.ntk).all()
    np.testing.assert_allclose(relu_kernels(x, 1).nngp[0, 1], 0, atol=1e-12)  # opposite inputs share no unit
    for bad in ({"depth": -1}, {"depth": 1, "weight_variance": 0.0}, {"depth": 1, "bias_variance": -1.0}):
        with pytest.raises(pathjax.InputError, match="out of range"):
            relu_kernels(x, **bad)
    with pytest.raises(pathjax.InputError, match="computes nothing"):
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
    return [float(number) for number in fluctuation(diagonals, jnp.ones(num_seeds, bool))]


@pytest.mark.parametrize("num_outputs", [1, 5])
@pytest.mark.parametrize("width", [16, 128])
def test_one_hidden_layer_fluctuates_exactly_so(key, width, num_outputs):
    found, error = fluctuation_at_start(key, 1, width, num_outputs, 1000)
    expected = one_hidden_fluctuation(width, num_outputs)
    assert abs(found - expected) < 4 * error and error < 0.15 * expected


def test_fluctuations_grow_as_depth_over_width(key):
    table = {(d, w): fluctuation_at_start(key, d, w, 1, 500) for d in (1, 2, 4) for w in (64, 256)}
    for depth in (1, 2, 4):
        (wide, wide_error), (narrow, narrow_error) = table[depth, 256], table[depth, 64]
        # But for the next order in depth / width.
        error = 4 * narrow * np.hypot(wide_error / wide, narrow_error / narrow)
        assert abs(narrow - 4 * wide) < error + narrow * 2 * depth / 64
    values = [table[depth, 256][0] for depth in (1, 2, 4)]
    steps = np.diff(values) / [1, 2] * 256
    assert (steps > 1).all() and (steps < 6).all()  # each layer adds a few / width
