"""Tangent kernels compared with dense Jacobians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.tangent_kernels import dense, random_weights, relu_network
from pathjax.core import trees
from pathjax.measures import ntk
from pathjax.measures.ntk import empirical_ntk, kernel_diagonal

obs = pathjax.observables


def linen_case():
    from pathjax.models import MLP

    model = MLP(widths=(6, 5), num_classes=4, activation="tanh")
    inputs = jax.random.normal(jax.random.key(1), (7, 3), float)
    params = jax.tree.map(lambda a: a.astype(float), model.init(jax.random.key(0), inputs)["params"])
    return (lambda w, x: model.apply({"params": w}, x)), params, inputs


def plain_case():
    """A function with an integer leaf and outputs with two axes."""
    keys = jax.random.split(jax.random.key(0), 3)
    params = {
        "shift": jnp.array(2),
        "v": jax.random.normal(keys[0], (5, 2, 3), float),
        "w": jax.random.normal(keys[1], (3, 5), float),
    }
    apply = lambda p, x: jnp.tensordot(jnp.sin(x @ p["w"] + p["shift"]), p["v"], 1)  # noqa: E731
    return apply, params, jax.random.normal(keys[2], (7, 3), float)


@pytest.mark.parametrize("block_bytes", [2**27, 2000, 1])
@pytest.mark.parametrize("case", [pytest.param(linen_case, marks=pytest.mark.slow), plain_case])
def test_the_kernel_agrees_with_the_dense_jacobian(x64, monkeypatch, case, block_bytes):
    """All inputs in one block, in blocks of which the last is short, and one by one."""
    apply, params, inputs = case()
    monkeypatch.setattr(ntk, "BLOCK_BYTES", block_bytes)
    expected = dense(apply, params, inputs)
    atol = 1e-10 * np.abs(expected).max()
    np.testing.assert_allclose(empirical_ntk(apply, params, inputs), expected, rtol=1e-10, atol=atol)
    np.testing.assert_allclose(kernel_diagonal(apply, params, inputs), np.diag(expected), rtol=1e-10)
    rates = jax.tree.unflatten(jax.tree.structure(params), np.arange(len(jax.tree.leaves(params))) / 2)
    weighted = dense(apply, params, inputs, rates)
    assert np.abs(weighted - expected).max() > 0.1 * np.abs(expected).max()
    np.testing.assert_allclose(empirical_ntk(apply, params, inputs, rates), weighted, rtol=1e-10, atol=atol)
    np.testing.assert_allclose(kernel_diagonal(apply, params, inputs, rates), np.diag(weighted), rtol=1e-10)


def test_half_precision_is_summed_in_float32():
    w, x = jnp.ones((4, 2), jnp.bfloat16), jnp.full((3, 4), 1 + 2**-7, jnp.bfloat16)
    found = empirical_ntk(lambda w, x: x @ w, w, x)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, 4 * (1 + 2**-7) ** 2, rtol=1e-6)  # between two bfloat16 values


def test_one_output_needs_no_axis_and_mismatched_inputs_are_rejected():
    x = jnp.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(empirical_ntk(lambda w, x: x @ w, jnp.ones(2), x), x @ x.T)
    with pytest.raises(pathjax.InputError, match=r"returned shape \(\) for one example: expected \(1, ...\)"):
        empirical_ntk(lambda w, x: jnp.sum(x @ w), jnp.ones(2), x)
    with pytest.raises(pathjax.InputError, match="factors have the leaves v: give a scalar for each leaf.*: w"):
        empirical_ntk(lambda w, x: x @ w["w"], {"w": jnp.ones(2)}, x, {"v": 1.0})
    with pytest.raises(pathjax.InputError, match="inputs is empty"):
        empirical_ntk(lambda w, x: x @ w, jnp.ones(2), x[:0])
    with pytest.raises(pathjax.InputError, match=r"labels of shape \(2,\) do not match 3 inputs"):
        obs.tangent_kernel(lambda w, x: x @ w, x, jnp.arange(2))
    with pytest.raises(pathjax.InputError, match="labels must be classes, .*or targets"):
        obs.tangent_kernel(lambda w, x: x @ w, x, jnp.eye(3, dtype=int))


def test_vmapped_networks_run_one_by_one_in_the_memory_of_one():
    sizes, num = (100, 200, 10), 8
    params = jax.vmap(lambda k: random_weights(k, sizes))(jax.random.split(jax.random.key(0), num))
    inputs = jax.random.normal(jax.random.key(1), (20, 100))

    def scratch(fn, *args):
        return jax.jit(fn).lower(*args).compile().memory_analysis().temp_size_in_bytes

    one = lambda p: empirical_ntk(relu_network, p, inputs)  # noqa: E731
    of_one = scratch(one, trees.index(params, 0))
    gradients = len(inputs) * trees.num_bytes(trees.index(params, 0))
    assert of_one < 2 * gradients  # the gradients of one output, not of ten
    assert scratch(jax.vmap(one), params) < 1.5 * of_one
    together = jax.jit(jax.vmap(one))(params)
    for m in range(num):
        alone = jax.jit(one)(trees.index(params, m))
        np.testing.assert_allclose(together[m], alone, rtol=1e-5, atol=1e-5 * np.abs(alone).max())
