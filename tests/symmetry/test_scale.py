"""Scale symmetries of ReLU units: inference and balancing."""

import jax
import jax.numpy as jnp
import pytest

import pathjax
from pathjax.core import trees
from pathjax.models import MLP
from pathjax.symmetry import balance, infer_scales, infer_spec, invariance_error, rescale


@pytest.fixture(autouse=True)
def as_users_write():
    """These networks use implicit broadcasting, as users do."""
    with jax.numpy_rank_promotion("allow"):
        yield


def relu_network(key, widths=(12, 9)):
    model = MLP(widths, 4)
    inputs = jax.random.normal(key, (50, 5))
    params = model.init(key, inputs)["params"]
    apply = lambda w, x: model.apply({"params": w}, x)  # noqa: E731
    return apply, params, inputs, infer_spec(apply, params, inputs)


def test_relu_units_scale(key):
    apply, params, inputs, spec = relu_network(key)
    scales = infer_scales(apply, spec, params, inputs)
    assert scales.signs["P0"] == (("Dense_0/bias", 0, 1), ("Dense_0/kernel", 0, 1), ("Dense_1/kernel", 1, -1))
    assert set(scales.signs) == {"P0", "P1"}


@pytest.mark.parametrize("activation", ["tanh", "gelu", "silu", "softplus"])
@pytest.mark.parametrize("size", [1, 16])
def test_smooth_units_have_no_scale_symmetry(activation, size, key):
    _, params, inputs, spec = relu_network(key)
    smooth = MLP((12, 9), 4, activation)
    assert infer_scales(lambda w, x: smooth.apply({"params": w}, x), spec, params, size * inputs).signs == {}


@pytest.mark.parametrize("scale", [1e-25, 1e12])
def test_no_square_of_weights_overflows_or_underflows(key, scale):
    apply, params, inputs, spec = relu_network(key)
    scales = infer_scales(apply, spec, params, inputs)
    factors = {group: jnp.full(size, scale) for group, size in spec.sizes.items() if group == "P0"}
    a, b = (balance(scales, weights) for weights in (params, rescale(scales, factors, params)))
    assert trees.norm(trees.subtract(a, b)) < 1e-4 * trees.norm(a)
    small = balance(scales, jax.tree.map(lambda w: 1e-25 * w, params))
    assert trees.norm(trees.subtract(jax.tree.map(lambda w: 1e25 * w, small), a)) < 1e-4 * trees.norm(a)


def test_scales_of_other_weights_are_rejected(key):
    apply, params, inputs, spec = relu_network(key)
    scales = infer_scales(apply, spec, params, inputs)
    with pytest.raises(pathjax.InputError, match="infer the scales for these weights"):
        balance(scales, relu_network(key, (5, 9))[1])


@pytest.mark.parametrize("widths", [(12, 9), pytest.param((8,) * 12, marks=pytest.mark.slow)])
def test_balanced_weights_compute_the_same_function_with_the_smallest_norm(key, widths):
    apply, params, inputs, spec = relu_network(key, widths)
    scales = infer_scales(apply, spec, params, inputs)
    scaled = jax.tree.map(jnp.array, params)
    for layer, width in enumerate(widths):
        factors = jnp.exp(jax.random.normal(jax.random.fold_in(key, layer), (width,)))
        own, after = f"Dense_{layer}", f"Dense_{layer + 1}"
        scaled[own] = jax.tree.map(lambda w, f=factors: w * f.reshape(-1, *[1] * (w.ndim - 1)), scaled[own])
        scaled[after]["kernel"] = scaled[after]["kernel"] / factors
    a, b = (balance(scales, weights) for weights in (params, scaled))
    assert trees.norm(trees.subtract(params, scaled)) > trees.norm(params) / 2
    assert invariance_error(apply, params, a, inputs) < 1e-4
    assert trees.norm(trees.subtract(a, b)) < 1e-4 * trees.norm(a)
    assert trees.norm(a) <= trees.norm(params) and trees.norm(a) <= trees.norm(scaled)
