import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from pathjax import trees
from pathjax.perturbations import one_ulp

EPSILONS = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 1.9, 1.9999, 2.0]


def norm64(*leaves):
    return np.sqrt(sum(np.sum(np.asarray(leaf, np.float64) ** 2) for leaf in leaves))


def difference64(a, b):
    return np.asarray(a, np.float64) - np.asarray(b, np.float64)


@pytest.fixture(scope="module")
def params():
    keys = jax.random.split(jax.random.key(3), 3)
    return {
        "kernel": 0.05 * jax.random.normal(keys[0], (784, 100)),
        "bias": 0.1 * jax.random.normal(keys[1], (1000,)),
        "out": jax.random.normal(keys[2], (100, 10)),
    }


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_on_its_sphere_each_leaf_keeps_its_norm_and_goes_the_distance(params, epsilon):
    sphere = pathjax.on_sphere()
    moved = sphere.apply(params, sphere.direction(jax.random.key(1), params), jnp.float32(epsilon))
    for name, leaf in params.items():
        radius = norm64(leaf)
        np.testing.assert_allclose(norm64(moved[name]), radius, rtol=1e-6)
        np.testing.assert_allclose(norm64(difference64(moved[name], leaf)), np.float32(epsilon) * radius, rtol=1e-6)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_on_the_whole_sphere_the_tree_keeps_its_norm_and_goes_the_distance(params, epsilon):
    sphere = pathjax.on_sphere(per_leaf=False)
    moved = sphere.apply(params, sphere.direction(jax.random.key(1), params), jnp.float32(epsilon))
    radius = norm64(*params.values())
    step = norm64(*(difference64(moved[name], params[name]) for name in params))
    np.testing.assert_allclose([norm64(*moved.values()), step], [radius, np.float32(epsilon) * radius], rtol=1e-6)


@pytest.mark.parametrize("per_leaf", [True, False])
@pytest.mark.parametrize("epsilon", [1e-5, 0.1, 100.0])
def test_gaussian_noise_has_the_norm_that_was_asked_for(params, per_leaf, epsilon):
    noise = pathjax.gaussian(per_leaf)
    moved = noise.apply(params, noise.direction(jax.random.key(1), params), jnp.float32(epsilon))
    steps = [difference64(moved[name], params[name]) for name in params]
    if per_leaf:
        np.testing.assert_allclose([norm64(step) for step in steps], epsilon, rtol=1e-6)
    np.testing.assert_allclose(norm64(*steps), epsilon * (3**0.5 if per_leaf else 1), rtol=1e-6)


@pytest.mark.parametrize("perturbation", [pathjax.on_sphere(), pathjax.on_sphere(False), pathjax.gaussian()])
def test_the_direction_is_the_derivative_at_zero(x64, perturbation):
    params = {"w": jax.random.normal(jax.random.key(0), (30, 4))}
    direction = perturbation.direction(jax.random.key(1), params)
    moved = perturbation.apply(params, direction, 1e-6)
    np.testing.assert_allclose((moved["w"] - params["w"]) / 1e-6, direction["w"], atol=1e-5)


def test_directions_are_uniform_on_the_tangent_sphere():
    w = {"w": jnp.array([0.0, 0.0, 2.0])}
    drawn = pathjax.directions(pathjax.on_sphere(), jax.random.key(0), w, 4000)["w"]
    angles = np.arctan2(drawn[:, 1], drawn[:, 0])
    np.testing.assert_allclose(drawn[:, 2], 0, atol=1e-6)
    np.testing.assert_allclose([np.mean(np.cos(angles)), np.mean(np.sin(2 * angles))], 0, atol=0.05)


def test_leaves_without_a_direction_stay_and_ints_are_left_alone():
    params = {"zero": jnp.zeros(5), "one": jnp.array([3.0]), "count": jnp.array(4), "w": jnp.ones(100)}
    sphere = pathjax.on_sphere()
    moved = sphere.apply(params, sphere.direction(jax.random.key(0), params), 0.5)
    for name in ("zero", "one", "count"):
        np.testing.assert_array_equal(moved[name], params[name])
    assert not np.array_equal(moved["w"], params["w"])


def test_one_ulp_moves_one_weight_of_the_last_leaf_that_is_not_zero(params):
    moved = one_ulp({"a": params["out"], "z": jnp.zeros(3)})
    changed = np.flatnonzero(np.asarray(moved["a"] != params["out"]))
    assert len(changed) == 1 and np.array_equal(moved["z"], np.zeros(3))
    w = np.asarray(params["out"]).ravel()[changed[0]]
    assert np.asarray(moved["a"]).ravel()[changed[0]] == np.nextafter(w, np.float32(np.inf))
    with pytest.raises(pathjax.InputError, match="all weights are 0"):
        one_ulp({"z": jnp.zeros(3)})


@pytest.mark.parametrize("epsilon", [0.0, -0.1, 2.1, float("nan"), float("inf")])
def test_sizes_off_the_sphere_are_refused(epsilon):
    with pytest.raises(pathjax.InputError, match="out of range"):
        pathjax.perturbations.check_epsilons(pathjax.on_sphere(), [0.1, epsilon])


def test_a_seed_keeps_its_direction_whatever_the_number_of_seeds(params):
    few, many = (pathjax.directions(pathjax.on_sphere(), jax.random.key(0), params, n) for n in (2, 5))
    for a, b in zip(jax.tree.leaves(few), jax.tree.leaves(trees.index(many, slice(0, 2))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
