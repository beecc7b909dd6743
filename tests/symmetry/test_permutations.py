"""Permutations of hidden units: explicit specs, and recovery of planted permutations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from pathjax.core import trees
from pathjax.models import MLP
from pathjax.models.intermediates import layer_outputs
from pathjax.symmetry import (
    group_activations,
    identity,
    infer_spec,
    match_activations,
    match_weights,
    permutation_spec,
    permute,
    random_permutation,
)


@pytest.fixture(autouse=True)
def as_users_write():
    """These networks use implicit broadcasting, as users do."""
    with jax.numpy_rank_promotion("allow"):
        yield


def test_flattened_axes_have_a_factor_for_each_original_axis():
    params = {"w0": jnp.ones((3, 5)), "w1": jnp.ones((20, 2)), "w2": jnp.ones((20, 2))}

    def apply(w, x):
        h = x.reshape(2, 4, 3) @ w["w0"]  # four positions with five channels each
        return h.reshape(2, 20) @ w["w1"] + h.transpose(0, 2, 1).reshape(2, 20) @ w["w2"]

    spec = infer_spec(apply, params, jnp.ones((2, 12)))
    assert spec.axes["w1"] == (((None, 4), ("P0", 5)), None) and spec.axes["w2"] == ((("P0", 5), (None, 4)), None)
    drawn = jax.tree.map(lambda w: np.random.default_rng(0).normal(size=w.shape).astype(np.float32), params)
    assert planted(spec, drawn, 0)


def test_recurrent_weights_have_one_group_on_two_axes(key):
    params = {"in": jnp.ones((3, 6)), "w": jnp.ones((6, 6)), "out": jnp.ones((6, 2))}
    spec = infer_spec(
        lambda w, x: jnp.tanh(jnp.tanh(x @ w["in"]) @ w["w"]) @ w["w"] @ w["out"], params, jnp.ones((1, 3))
    )
    assert spec.axes["w"] == ("P0", "P0")
    drawn = jax.tree.map(lambda w: np.asarray(jax.random.normal(key, w.shape)), params)
    planted = jax.tree.map(np.asarray, random_permutation(key, spec))
    found = match_weights(spec, permute(spec, planted, drawn), drawn)
    np.testing.assert_array_equal(found.permutation["P0"], planted["P0"])


def planted(spec, params, seed):
    """Whether matching recovers a random permutation of `params`."""
    permutation = jax.tree.map(np.asarray, random_permutation(jax.random.key(seed), spec))
    found = match_weights(spec, permute(spec, permutation, params), params).permutation
    return all(np.array_equal(found[group], permutation[group]) for group in permutation)


@pytest.mark.parametrize(("stream", "hidden"), [(30, 50), (3, 5)])
@pytest.mark.parametrize("biased", [True, False])
def test_planted_permutations_of_a_residual_block_are_recovered(stream, hidden, biased):
    """The block x + w1 relu(w0 x + b0) + b1 has no first or last layer that distinguishes the stream's units."""
    axes = {"w0": ("stream", "hidden"), "w1": ("hidden", "stream")}
    axes |= {"b0": ("hidden",), "b1": ("stream",)} if biased else {}
    sizes = {"stream": stream, "hidden": hidden}
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        shapes = {name: [sizes[group] for group in groups] for name, groups in axes.items()}
        params = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        found.append(planted(permutation_spec(params, axes), params, seed))
    assert sum(found) == 100


def mlp_weights(widths, inputs, seed):
    model = MLP(widths, 10)
    params = model.init(jax.random.key(seed), jnp.zeros((1, inputs)))["params"]
    spec = infer_spec(lambda w, x: model.apply({"params": w}, x), params, jnp.zeros((1, inputs)))
    return spec, jax.tree.map(np.asarray, params)


@pytest.mark.parametrize("num", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_planted_permutations_of_a_wide_mlp_are_recovered(num):
    assert sum(planted(*mlp_weights((512, 512, 512), 20, seed), seed) for seed in range(num)) == num


def test_a_planted_permutation_is_recovered_through_noise(key):
    spec, params = mlp_weights((64, 64), 20, 0)
    permutation = jax.tree.map(np.asarray, random_permutation(key, spec))
    rng = np.random.default_rng(0)
    noisy = jax.tree.map(lambda w: w + 0.3 * np.std(w) * rng.normal(size=w.shape), permute(spec, permutation, params))
    found = match_weights(spec, noisy, params).permutation
    for group, expected in permutation.items():
        np.testing.assert_array_equal(found[group], expected)


def test_restarts_never_get_worse_and_equal_networks_stay_unchanged():
    spec, a = mlp_weights((8, 8), 5, 0)
    _, b = mlp_weights((8, 8), 5, 1)
    once, often = (match_weights(spec, a, b, num_restarts=num) for num in (0, 20))
    assert often.similarity >= once.similarity and often.start >= 0
    distances = [float(trees.norm(trees.subtract(a, permute(spec, m.permutation, b)))) for m in (once, often)]
    assert distances[1] <= distances[0] < float(trees.norm(trees.subtract(a, b)))
    same = match_weights(spec, a, a).permutation
    for group, units in identity(spec).items():
        np.testing.assert_array_equal(same[group], units)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_no_product_overflows_or_vanishes(scale):
    spec, params = mlp_weights((8, 8), 5, 0)
    assert planted(spec, jax.tree.map(lambda w: np.float32(scale) * w, params), 0)
    assert planted(spec, jax.tree.map(lambda w: (100 * w).astype(np.int8), params), 0)


def test_small_problems_are_solved_exactly():
    """The reference is the best of all 6! permutations of one hidden layer."""
    import itertools

    spec, a = mlp_weights((6,), 3, 0)
    _, b = mlp_weights((6,), 3, 1)
    best = min(
        float(trees.norm(trees.subtract(a, permute(spec, {"P0": np.array(p)}, b))))
        for p in itertools.permutations(range(6))
    )
    found = match_weights(spec, a, b).permutation
    np.testing.assert_allclose(trees.norm(trees.subtract(a, permute(spec, found, b))), best, rtol=1e-6)


def test_activations_recover_a_planted_permutation(key):
    model = MLP((12, 9), 4)
    inputs = jax.random.normal(key, (50, 5))
    params = model.init(key, inputs)["params"]
    spec = infer_spec(lambda w, x: model.apply({"params": w}, x), params, inputs)
    permutation = random_permutation(key, spec)
    features = layer_outputs(model)
    a, b = (
        group_activations(spec, features(weights, inputs)) for weights in (permute(spec, permutation, params), params)
    )
    found = match_activations(a, b)
    for group, expected in permutation.items():
        np.testing.assert_array_equal(found[group], expected)
    with pytest.raises(pathjax.InputError, match="must have the same shapes"):
        match_activations(a, {})
    with pytest.raises(pathjax.InputError, match="must be finite"):
        match_activations(*[{"P0": np.full((3, 2), np.nan)}] * 2)
    with pytest.raises(pathjax.InputError, match="num_restarts must be a nonnegative integer, not -1"):
        match_weights(spec, params, params, num_restarts=-1)
    with pytest.raises(pathjax.InputError, match="no layer's outputs"):
        group_activations(spec, {})


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"v": ("hidden",)}, "no leaf 'v': choose from b, w"),
        ({"w": ("hidden",)}, "'w' has 2 axes but 1 groups"),
        ({"w": ("hidden", None), "b": ("hidden",)}, "axes of 5 and of 3 units"),
        ({"w": (3, None)}, "'w' has an axis with groups 3: expected a name"),
        ({"w": "ab"}, "'w' has groups 'ab': give a tuple"),
        ({"w": ((("hidden", 2), (None, 3)), None)}, "an axis of length 5 with factors of product 6"),
    ],
)
def test_a_spec_that_does_not_match_the_weights_is_rejected(axes, message):
    with pytest.raises(pathjax.InputError, match=message):
        permutation_spec({"w": jnp.ones((5, 2)), "b": jnp.ones(3)}, axes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden": [0, 1, 2]}, "needs a permutation of 0 to 4"),
        ({"hidden": [0, 1, 2, 3, 3]}, "needs a permutation of 0 to 4"),
        ({}, "group 'hidden' has no permutation"),
        ({"hidden": [0, 1, 2, 3, 4], "other": [0]}, "unknown group 'other': choose from hidden"),
        ({"hidden": np.arange(5.0)}, "needs a permutation of 0 to 4"),
        ([0, 1, 2, 3, 4], "must be a dict with an array for each group"),
    ],
)
def test_invalid_permutations_are_rejected(given, message):
    params = {"w": jnp.ones((5, 2))}
    with pytest.raises(pathjax.InputError, match=message):
        permute(permutation_spec(params, {"w": ("hidden", None)}), given, params)


@pytest.mark.parametrize("other", [{"w": np.ones((4, 2))}, {"w": np.ones(5)}, {"v": np.ones((5, 2))}])
def test_weights_that_do_not_match_the_spec_are_rejected(other):
    params = {"w": np.ones((5, 2))}
    spec = permutation_spec(params, {"w": ("hidden", None)})
    for call in (lambda: match_weights(spec, params, other), lambda: permute(spec, {"hidden": np.arange(5)}, other)):
        with pytest.raises(pathjax.InputError, match="infer it from these weights"):
            call()
