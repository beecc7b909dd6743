"""Members keep the types of the weights, their distance for weights of any size, and their bits beside others."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.small_runs import KEY, assert_rejected, ensemble_of, run
from pathjax.core.types import State
from pathjax.interventions import intervened, of_weights


def test_independent_networks_have_the_types_of_the_baseline(x64):
    match = "independent networks have a leaf of type float64; expected float32"
    assert_rejected(match, optax.sgd(0.1), jnp.ones(3, jnp.float32), independent=np.ones((2, 3)))


@pytest.mark.parametrize("size", [1e-30, 1e-25, 1e-15, 1e15, 1e25])
@pytest.mark.parametrize("kind", ["sphere", "gaussian"])
def test_weights_of_any_size_are_perturbed_by_epsilon(size, kind):
    weights = {"a": size * jax.random.normal(KEY, (40, 5)), "b": size * jnp.ones(60)}
    kinds = {"sphere": pathjax.on_sphere(), "gaussian": pathjax.gaussian(per_leaf=True, relative=True)}
    _, ensemble = ensemble_of(optax.sgd(0.1), weights, kinds[kind], loss=lambda p, x: 0.0, epsilons=[1e-3])
    for name, leaf in weights.items():
        start, moved = (np.asarray(a, np.float64) for a in (leaf, ensemble.state.params[name][3]))
        assert abs(np.linalg.norm(moved - start) / np.linalg.norm(start) / 1e-3 - 1) < 1e-4


@pytest.mark.parametrize("x64", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "dtype", [pytest.param(t, marks=pytest.mark.slow) for t in (jnp.bfloat16, "float16", "float32")]
)
def test_weights_keep_their_types_leaf_by_leaf(dtype, x64):
    with jax.enable_x64(x64):
        weights = {"a": jax.random.normal(KEY, (3, 20)).astype(dtype), "b": jnp.ones(20, jnp.float32)}
        loss = lambda p, x: jnp.mean((x.astype(jnp.float32) @ p["a"].astype(jnp.float32) + p["b"][None]) ** 2)  # noqa: E731
        types = jax.tree.map(lambda leaf: leaf.dtype, weights)
        for kind in (pathjax.on_sphere(), pathjax.gaussian(), pathjax.on_sphere(per_leaf=False)):
            dynamics, ensemble = ensemble_of(optax.adam(0.01), weights, kind, loss, epsilons=[0.2])
            assert jax.tree.map(lambda leaf: leaf.dtype, ensemble.state.params) == types
            found = run(intervened(dynamics, {"kick": of_weights(kind)}), ensemble)
            assert jax.tree.map(lambda leaf: leaf.dtype, found.ensemble.state.params) == types
            state = State(weights, (), {}, 0)
            moved = of_weights(kind).on_state(KEY, state, None, 0.2).params
            assert jax.tree.map(lambda leaf: leaf.dtype, moved) == types
            start, away = (np.asarray(tree["b"], np.float64) for tree in (weights, moved))
            assert np.linalg.norm(away - start) > 0


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64])
def test_the_roundoff_member_is_one_ulp_of_its_leaf_away(x64, dtype):
    weights = {"a": jnp.ones((3, 20), jnp.float32), "b": jnp.full(20, 1.5, dtype)}
    _, ensemble = ensemble_of(optax.sgd(0.1), weights, loss=lambda p, x: 0.0)
    leaf = ensemble.state.params["b"]
    away = np.asarray(leaf[2], np.float64) - np.asarray(leaf[0], np.float64)
    assert leaf.dtype == dtype and sorted(away)[-1] == float(jnp.finfo(dtype).eps) and np.count_nonzero(away) == 1


@pytest.mark.parametrize("kind", [pathjax.on_sphere(), pathjax.on_sphere(per_leaf=False), pathjax.gaussian()])
def test_more_seeds_and_epsilons_change_no_bit_of_other_members(kind):
    weights = {"a": jax.random.normal(KEY, (37, 27)), "b": jax.random.normal(KEY, (11,))}
    loss = lambda p, x: 0.0  # noqa: E731
    weights["c"] = jax.random.normal(KEY, (3,)).astype(jnp.bfloat16)
    few = ensemble_of(optax.sgd(0.1), weights, kind, loss, epsilons=[0.1], num_seeds=2)[1]
    many = ensemble_of(optax.sgd(0.1), weights, kind, loss, epsilons=[0.1, 0.2], num_seeds=7)[1]
    for name in weights:
        np.testing.assert_array_equal(few.state.params[name][:5], many.state.params[name][:5])


@pytest.mark.slow
def test_more_seeds_change_no_bit_of_a_network_of_usual_size():
    sizes = [(784, 128), (128,), (128, 64), (64,), (64, 10), (10,)]
    weights = {str(i): jax.random.normal(KEY, size) for i, size in enumerate(sizes)}
    one, two, many = (
        ensemble_of(optax.sgd(0.1), weights, loss=lambda p, x: 0.0, num_seeds=n)[1].state.params for n in (1, 2, 9)
    )
    for name in weights:
        np.testing.assert_array_equal(one[name][:4], many[name][:4])
        np.testing.assert_array_equal(two[name][:5], many[name][:5])
