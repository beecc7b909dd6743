"""Inferred permutation symmetries: all that exist, and no others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from pathjax.core import trees
from pathjax.models import CNN, MLP
from pathjax.symmetry import infer_spec, invariance_error, inverse, permute, random_permutation


@pytest.fixture(autouse=True)
def as_users_write():
    """These networks use implicit broadcasting, as users do."""
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
    """Linen's own convolutions, pooling, and the mean over positions."""

    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(nn.relu(nn.Conv(6, (3, 3))(x)), (2, 2), (2, 2))
        return nn.Dense(4)(nn.relu(nn.Conv(8, (3, 3), strides=2)(x)).mean((1, 2)))


class Flattening(nn.Module):
    """Positions and channels are flattened before the dense layers."""

    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(nn.relu(nn.Conv(6, (3, 3))(x)), (2, 2), (2, 2))
        return nn.Dense(4)(nn.relu(nn.Dense(9)(x.reshape(len(x), -1))))


class Transformer(nn.Module):
    """One block over tokens with position embeddings."""

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
    params = jax.tree.map(lambda w: w + 0.1 * jax.random.normal(key, w.shape), params)  # nonzero biases
    apply = lambda params, inputs: model.apply({"params": params}, inputs)  # noqa: E731
    is_float = jnp.issubdtype(like.dtype, jnp.floating)
    inputs = jax.random.normal(key, like.shape) if is_float else jax.random.randint(key, like.shape, 0, 11)
    return apply, params, inputs, sizes


LARGE = ("cnn", "convolutional", "transformer", "vit")  # compiled longest
NAMES = [name if name not in LARGE else pytest.param(name, marks=pytest.mark.slow) for name in sorted(NETWORKS)]


@pytest.mark.parametrize("name", NAMES)
def test_a_permuted_network_computes_the_same_function(name, key):
    apply, params, inputs, sizes = network(name, key)
    spec = infer_spec(apply, params, inputs)
    assert set(spec.sizes.values()) == sizes
    permutation = random_permutation(jax.random.key(1), spec)
    moved = permute(spec, permutation, params)
    assert trees.norm(trees.subtract(moved, params)) > 0.5 * trees.norm(params)
    np.testing.assert_allclose(apply(moved, inputs), apply(params, inputs), rtol=1e-4, atol=1e-5)
    back = permute(spec, inverse(permutation), moved)
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "between",
    [
        lambda h: h * jnp.arange(7.0),  # a constant that differs between units
        lambda h: jnp.concatenate([h[:, :3], 2 * h[:, 3:]], axis=1),
        lambda h: jnp.cumsum(h, axis=1),
        lambda h: jnp.sort(h, axis=1),
        lambda h: h[:, ::-1] + h,
        lambda h: jnp.repeat(jnp.argmax(h, axis=1)[:, None], 7, axis=1).astype(float),
        lambda h: jnp.fft.rfft(h, axis=1).real.repeat(2, axis=1)[:, :7],  # an unsupported operation
        lambda h: (h.reshape(-1, 1, 7) * jnp.ones((1, 2, 1))).reshape(-1, 14)[:, :7],
        lambda h: jnp.concatenate([h, h], 1).reshape(-1, 7, 2).sum(2),  # a split cuts through it
        lambda h: jax.lax.pad(h, 0.0, [(0, 0, 0), (1, -1, 0)]),  # the same length, but shifted
        lambda h: jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 1), (1, 1), [(0, 0), (1, -1)]),
        lambda h: jnp.argsort(h, axis=1).astype(float),
    ],
)
def test_non_symmetries_are_not_inferred(between, key):
    params = {"w0": jax.random.normal(key, (5, 7)), "w1": jax.random.normal(key, (7, 3))}
    spec = infer_spec(lambda w, x: between(x @ w["w0"]) @ w["w1"], params, jnp.ones((2, 5)))
    assert spec.axes["w0"] == (None, None)


def test_constants_that_are_equal_for_all_units_fix_nothing(key):
    params = {"w0": jnp.ones((5, 7)), "w1": jnp.ones((7, 3))}
    spec = infer_spec(lambda w, x: (x @ w["w0"] * np.full((1, 7), 2.0) + 1) @ w["w1"], params, jnp.ones((2, 5)))
    assert spec.axes == {"w0": (None, "P0"), "w1": ("P0", None)}


def test_a_prng_key_in_the_program_fixes_nothing(key):
    params = {"w0": jnp.ones((5, 7)), "w1": jnp.ones((7, 3))}
    spec = infer_spec(lambda w, x: (x @ w["w0"]) @ w["w1"] + jax.random.normal(key, ()), params, jnp.ones((2, 5)))
    assert spec.sizes == {"P0": 7}


def carried(w, x):
    """Two blocks over a stream with stacked weights; the scan also collects outputs."""
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
def test_symmetries_are_inferred_through_loops_branches_and_splits(name, key):
    apply, sizes = PROGRAMS_WITHIN[name]
    shapes = {"w0": (5, 6), "w": (6, 6), "up": (2, 6, 7), "down": (2, 7, 6), "w1": (6, 5)}
    params = {
        name: jax.random.normal(jax.random.fold_in(key, i), shape) for i, (name, shape) in enumerate(shapes.items())
    }
    inputs = jax.random.normal(key, (4, 5))
    spec = infer_spec(apply, params, inputs)
    used = {group: size for group, size in spec.sizes.items() if sum(group in axes for axes in spec.axes.values()) > 1}
    assert sorted(used.values()) == sorted(sizes.values())
    moved = permute(spec, random_permutation(key, spec), params)
    assert invariance_error(apply, params, moved, inputs) < 1e-5
