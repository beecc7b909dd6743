"""Permutation symmetries: found, applied, and planted ones recovered."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import pathjax
from pathjax import trees
from pathjax.models import CNN, MLP
from pathjax.models.layers import layer_outputs
from pathjax.symmetry import (
    group_activations,
    identity,
    infer_spec,
    invariance_error,
    inverse,
    match_activations,
    match_weights,
    permutation_spec,
    permute,
    random_permutation,
)


@pytest.fixture(autouse=True)
def as_users_write():
    """Networks here broadcast as their authors would."""
    with jax.numpy_rank_promotion("allow"):
        yield


class Residual(nn.Module):
    """Two residual blocks between dense layers."""

    stream: int
    hidden: int

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(self.stream)(x)
        for _ in range(2):
            x = x + nn.Dense(self.stream)(nn.relu(nn.Dense(self.hidden)(nn.LayerNorm()(x))))
        return nn.Dense(4)(x)


class Convolutional(nn.Module):
    """Linen's own convolutions, pooling, and the mean over places."""

    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(nn.relu(nn.Conv(6, (3, 3))(x)), (2, 2), (2, 2))
        return nn.Dense(4)(nn.relu(nn.Conv(8, (3, 3), strides=2)(x)).mean((1, 2)))


class Flattening(nn.Module):
    """Places and channels are flattened before the dense layers."""

    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(nn.relu(nn.Conv(6, (3, 3))(x)), (2, 2), (2, 2))
        return nn.Dense(4)(nn.relu(nn.Dense(9)(x.reshape(len(x), -1))))


class Transformer(nn.Module):
    """One block over tokens, with positions."""

    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(11, 12)(tokens) + self.param("position", nn.initializers.normal(), (tokens.shape[1], 12))
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=3, deterministic=True)(y, y)
        return nn.Dense(11)(x + nn.Dense(12)(nn.gelu(nn.Dense(20)(nn.LayerNorm()(x)))))


NETWORKS = {
    "mlp": (MLP((7, 9), 4, "gelu"), jnp.ones((3, 5)), {7, 9}),
    "cnn": (CNN((6, 8), 4), jnp.ones((2, 8, 8, 3)), {6, 8}),
    "convolutional": (Convolutional(), jnp.ones((2, 8, 8, 3)), {6, 8}),
    "flattening": (Flattening(), jnp.ones((2, 8, 8, 3)), {6, 9}),
    "residual": (Residual(6, 10), jnp.ones((3, 5)), {6, 10}),
    "transformer": (Transformer(), jnp.ones((2, 7), jnp.int32), {3, 4, 12, 20}),
}


def network(name, key):
    model, like, sizes = NETWORKS[name]
    params = model.init(key, like)["params"]
    params = jax.tree.map(lambda w: w + 0.1 * jax.random.normal(key, w.shape), params)  # biases that are not 0
    apply = lambda params, inputs: model.apply({"params": params}, inputs)  # noqa: E731
    is_float = jnp.issubdtype(like.dtype, jnp.floating)
    inputs = jax.random.normal(key, like.shape) if is_float else jax.random.randint(key, like.shape, 0, 11)
    return apply, params, inputs, sizes


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_permuted_network_computes_the_same(name, key):
    apply, params, inputs, sizes = network(name, key)
    spec = infer_spec(apply, params, inputs)
    assert set(spec.sizes.values()) == sizes
    permutation = random_permutation(spec, jax.random.key(1))
    moved = permute(spec, permutation, params)
    assert trees.norm(trees.subtract(moved, params)) > 0.5 * trees.norm(params)
    np.testing.assert_allclose(apply(moved, inputs), apply(params, inputs), rtol=1e-4, atol=1e-5)
    back = permute(spec, inverse(permutation), moved)
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "between",
    [
        lambda h: h * jnp.arange(7.0),  # a constant that differs from unit to unit
        lambda h: jnp.concatenate([h[:, :3], 2 * h[:, 3:]], axis=1),
        lambda h: jnp.cumsum(h, axis=1),
        lambda h: jnp.sort(h, axis=1),
        lambda h: h[:, ::-1] + h,
        lambda h: jnp.repeat(jnp.argmax(h, axis=1)[:, None], 7, axis=1).astype(float),
        lambda h: jnp.fft.rfft(h, axis=1).real.repeat(2, axis=1)[:, :7],  # an operation that is not known
        lambda h: (h.reshape(-1, 1, 7) * jnp.ones((1, 2, 1))).reshape(-1, 14)[:, :7],
        lambda h: jnp.concatenate([h, h], 1).reshape(-1, 7, 2).sum(2),  # a cut goes through it
        lambda h: jax.lax.pad(h, 0.0, [(0, 0, 0), (1, -1, 0)]),  # as long as before, but shifted
        lambda h: jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 1), (1, 1), [(0, 0), (1, -1)]),
        lambda h: jnp.argsort(h, axis=1).astype(float),
    ],
)
def test_what_is_no_symmetry_is_not_taken_for_one(between, key):
    params = {"w0": jax.random.normal(key, (5, 7)), "w1": jax.random.normal(key, (7, 3))}
    spec = infer_spec(lambda w, x: between(x @ w["w0"]) @ w["w1"], params, jnp.ones((2, 5)))
    assert spec.axes["w0"] == (None, None)


def test_flattened_axes_have_a_factor_for_each_of_theirs():
    params = {"w0": jnp.ones((3, 5)), "w1": jnp.ones((20, 2)), "w2": jnp.ones((20, 2))}

    def apply(w, x):
        h = x.reshape(2, 4, 3) @ w["w0"]  # four places with five channels each
        return h.reshape(2, 20) @ w["w1"] + h.transpose(0, 2, 1).reshape(2, 20) @ w["w2"]

    spec = infer_spec(apply, params, jnp.ones((2, 12)))
    assert spec.axes["w1"] == (((None, 4), ("P0", 5)), None) and spec.axes["w2"] == ((("P0", 5), (None, 4)), None)
    drawn = jax.tree.map(lambda w: np.random.default_rng(0).normal(size=w.shape).astype(np.float32), params)
    assert planted(spec, drawn, 0)


def test_constants_that_are_the_same_for_all_units_fix_nothing(key):
    params = {"w0": jnp.ones((5, 7)), "w1": jnp.ones((7, 3))}
    spec = infer_spec(lambda w, x: (x @ w["w0"] * np.full((1, 7), 2.0) + 1) @ w["w1"], params, jnp.ones((2, 5)))
    assert spec.axes == {"w0": (None, "P0"), "w1": ("P0", None)}


def test_recurrent_weights_have_one_group_on_two_axes(key):
    params = {"in": jnp.ones((3, 6)), "w": jnp.ones((6, 6)), "out": jnp.ones((6, 2))}
    spec = infer_spec(
        lambda w, x: jnp.tanh(jnp.tanh(x @ w["in"]) @ w["w"]) @ w["w"] @ w["out"], params, jnp.ones((1, 3))
    )
    assert spec.axes["w"] == ("P0", "P0")
    drawn = jax.tree.map(lambda w: np.asarray(jax.random.normal(key, w.shape)), params)
    planted = jax.tree.map(np.asarray, random_permutation(spec, key))
    found = match_weights(spec, permute(spec, planted, drawn), drawn)
    np.testing.assert_array_equal(found.permutation["P0"], planted["P0"])


def planted(spec, params, seed):
    """A permutation of `params`, and whether matching finds it."""
    permutation = jax.tree.map(np.asarray, random_permutation(spec, jax.random.key(seed)))
    found = match_weights(spec, permute(spec, permutation, params), params).permutation
    return all(np.array_equal(found[group], permutation[group]) for group in permutation)


@pytest.mark.parametrize(("stream", "hidden"), [(30, 50), (3, 5)])
@pytest.mark.parametrize("biased", [True, False])
def test_planted_permutations_of_a_residual_block_are_recovered(stream, hidden, biased):
    """Its stream has no first or last layer that would tell its units apart: x + w1 relu(w0 x + b0) + b1."""
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
    permutation = jax.tree.map(np.asarray, random_permutation(spec, key))
    rng = np.random.default_rng(0)
    noisy = jax.tree.map(lambda w: w + 0.3 * np.std(w) * rng.normal(size=w.shape), permute(spec, permutation, params))
    found = match_weights(spec, noisy, params).permutation
    for group, wanted in permutation.items():
        np.testing.assert_array_equal(found[group], wanted)


def test_restarts_never_lose_and_equal_networks_stay_as_they_are():
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


def test_a_key_in_the_program_is_no_obstacle(key):
    params = {"w0": jnp.ones((5, 7)), "w1": jnp.ones((7, 3))}
    spec = infer_spec(lambda w, x: (x @ w["w0"]) @ w["w1"] + jax.random.normal(key, ()), params, jnp.ones((2, 5)))
    assert spec.sizes == {"P0": 7}


def test_small_problems_are_solved_exactly():
    """Against all 6! permutations of one hidden layer."""
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
    permutation = random_permutation(spec, key)
    features = layer_outputs(model)
    a, b = (
        group_activations(spec, features(weights, inputs)) for weights in (permute(spec, permutation, params), params)
    )
    found = match_activations(a, b)
    for group, wanted in permutation.items():
        np.testing.assert_array_equal(found[group], wanted)
    with pytest.raises(pathjax.InputError, match="they must be the same"):
        match_activations(a, {})
    with pytest.raises(pathjax.InputError, match="match nothing"):
        match_activations(*[{"P0": np.full((3, 2), np.nan)}] * 2)
    with pytest.raises(pathjax.InputError, match="num_restarts -1"):
        match_weights(spec, params, params, num_restarts=-1)
    with pytest.raises(pathjax.InputError, match="no layer's outputs"):
        group_activations(spec, {})


def carried(w, x):
    """Two blocks over a stream, their weights stacked; ways through it are collected on the way."""
    block = lambda h, own: (h + jnp.tanh(h @ own[0]) @ own[1], h.sum(0))  # noqa: E731
    h, sums = jax.lax.scan(block, x @ w["w0"], (w["up"], w["down"]))
    return (h + sums.sum(0)) @ w["w1"]


def branching(other):
    return lambda w, x: jax.lax.cond(x[0, 0] > 0, lambda h: h, other, x @ w["w0"]) @ w["w1"]


PROGRAMS_WITHIN = {
    "scan": (carried, {"P0": 6, "P1": 7}),
    "fori": (lambda w, x: jax.lax.fori_loop(0, 3, lambda i, h: jnp.tanh(h @ w["w"]), x @ w["w0"]) @ w["w1"], {"P0": 6}),
    "while": (
        lambda w, x: jax.lax.while_loop(lambda h: h.sum() > 1, lambda h: 0.1 * h @ w["w"], x @ w["w0"]) @ w["w1"],
        {"P0": 6},
    ),
    "cond": (branching(jnp.tanh), {"P0": 6}),
    "reversing cond": (branching(lambda h: h[:, ::-1]), {}),
    "rolling fori": (
        lambda w, x: jax.lax.fori_loop(0, 3, lambda i, h: jnp.roll(h, 1, 1), x @ w["w0"]) @ w["w1"],
        {},
    ),
    "order of steps": (lambda w, x: jax.lax.scan(lambda c, u: (2 * c + u, c), 0 * x[0], w["w1"])[1] @ w["w0"], {}),
    "split along examples": (lambda w, x: sum(jnp.split(x @ w["w0"], 2, 0)) @ w["w1"], {"P0": 6}),
    "split along units": (lambda w, x: sum(jnp.split(x @ w["w0"], 2, 1)) @ w["w1"][:3], {}),
}


@pytest.mark.parametrize("name", sorted(PROGRAMS_WITHIN))
def test_loops_branches_and_pieces_are_looked_into(name, key):
    apply, sizes = PROGRAMS_WITHIN[name]
    shapes = {"w0": (5, 6), "w": (6, 6), "up": (2, 6, 7), "down": (2, 7, 6), "w1": (6, 5)}
    params = {
        name: jax.random.normal(jax.random.fold_in(key, i), shape) for i, (name, shape) in enumerate(shapes.items())
    }
    inputs = jax.random.normal(key, (4, 5))
    spec = infer_spec(apply, params, inputs)
    used = {group: size for group, size in spec.sizes.items() if sum(group in axes for axes in spec.axes.values()) > 1}
    assert sorted(used.values()) == sorted(sizes.values())
    moved = permute(spec, random_permutation(spec, key), params)
    assert invariance_error(apply, params, moved, inputs) < 1e-5


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"v": ("hidden",)}, "no leaf 'v': choose from b, w"),
        ({"w": ("hidden",)}, "'w' has 2 axes and 1 groups"),
        ({"w": ("hidden", None), "b": ("hidden",)}, "axes of 5 and of 3 units"),
        ({"w": (3, None)}, "'w' has an axis of groups 3: expected a name"),
        ({"w": "ab"}, "'w' has groups 'ab': give a tuple"),
        ({"w": ((("hidden", 2), (None, 3)), None)}, "an axis of 5 and factors of 6 in all"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused(axes, message):
    with pytest.raises(pathjax.InputError, match=message):
        permutation_spec({"w": jnp.ones((5, 2)), "b": jnp.ones(3)}, axes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden": [0, 1, 2]}, "no permutation of 0 to 4"),
        ({"hidden": [0, 1, 2, 3, 3]}, "no permutation of 0 to 4"),
        ({}, "no permutation of group 'hidden' is given"),
        ({"hidden": [0, 1, 2, 3, 4], "other": [0]}, "no group 'other' to permute: they are hidden"),
        ({"hidden": np.arange(5.0)}, "no permutation of 0 to 4"),
        ([0, 1, 2, 3, 4], "is no dict with an array for each group"),
    ],
)
def test_what_is_no_permutation_is_refused(given, message):
    params = {"w": jnp.ones((5, 2))}
    with pytest.raises(pathjax.InputError, match=message):
        permute(permutation_spec(params, {"w": ("hidden", None)}), given, params)


@pytest.mark.parametrize("other", [{"w": np.ones((4, 2))}, {"w": np.ones(5)}, {"v": np.ones((5, 2))}])
def test_other_weights_than_the_specs_are_refused(other):
    params = {"w": np.ones((5, 2))}
    spec = permutation_spec(params, {"w": ("hidden", None)})
    for refuse in (lambda: match_weights(spec, params, other), lambda: permute(spec, {"hidden": np.arange(5)}, other)):
        with pytest.raises(pathjax.InputError, match="infer it of these weights|does not fit"):
            refuse()
