import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from pathjax.core import trees
from pathjax.perturbations import along, gaussian, on_sphere, one_ulp, one_weight, restricted, sparse

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
def test_on_its_sphere_each_leaf_keeps_its_norm_and_moves_by_the_distance(params, epsilon):
    sphere = pathjax.on_sphere()
    moved = sphere.apply(params, sphere.direction(jax.random.key(1), params), jnp.float32(epsilon))
    for name, leaf in params.items():
        radius = norm64(leaf)
        np.testing.assert_allclose(norm64(moved[name]), radius, rtol=1e-6)
        np.testing.assert_allclose(norm64(difference64(moved[name], leaf)), np.float32(epsilon) * radius, rtol=1e-6)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_on_one_sphere_the_tree_keeps_its_norm_and_moves_by_the_distance(params, epsilon):
    sphere = pathjax.on_sphere(per_leaf=False)
    moved = sphere.apply(params, sphere.direction(jax.random.key(1), params), jnp.float32(epsilon))
    radius = norm64(*params.values())
    step = norm64(*(difference64(moved[name], params[name]) for name in params))
    np.testing.assert_allclose([norm64(*moved.values()), step], [radius, np.float32(epsilon) * radius], rtol=1e-6)


@pytest.mark.parametrize("per_leaf", [True, False])
@pytest.mark.parametrize("epsilon", [1e-5, 0.1, 100.0])
def test_gaussian_noise_has_norm_epsilon(params, per_leaf, epsilon):
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
    drawn = pathjax.perturbation_directions(jax.random.key(0), pathjax.on_sphere(), w, 4000)["w"]
    angles = np.arctan2(drawn[:, 1], drawn[:, 0])
    np.testing.assert_allclose(drawn[:, 2], 0, atol=1e-6)
    np.testing.assert_allclose([np.mean(np.cos(angles)), np.mean(np.sin(2 * angles))], 0, atol=0.05)


def test_leaves_without_a_direction_and_ints_stay_unchanged():
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
def test_epsilons_off_the_sphere_are_rejected(epsilon):
    with pytest.raises(pathjax.InputError, match="out of range"):
        pathjax.perturbations.check_epsilons(pathjax.on_sphere(), [0.1, epsilon])


def test_a_seed_keeps_its_direction_whatever_the_number_of_seeds(params):
    few, many = (pathjax.perturbation_directions(jax.random.key(0), pathjax.on_sphere(), params, n) for n in (2, 5))
    for a, b in zip(jax.tree.leaves(few), jax.tree.leaves(trees.index(many, slice(0, 2))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


NAMED = {
    "relative": (gaussian(per_leaf=True, relative=True), {"kernel", "bias", "out"}),
    "restricted": (restricted(gaussian(), "bias|out"), {"bias", "out"}),
    "restricted sphere": (restricted(on_sphere(), "^kernel$"), {"kernel"}),
    "sparse": (sparse(gaussian(), 0.01), {"kernel", "bias", "out"}),
    "sparse sphere": (sparse(on_sphere(), 0.02), {"kernel", "bias", "out"}),
    "one weight": (one_weight(), None),
}


@pytest.mark.parametrize("name", sorted(NAMED))
@pytest.mark.parametrize("epsilon", [1e-3, 0.5])
def test_a_partial_perturbation_moves_by_epsilon_and_leaves_the_rest_bitwise_unchanged(params, name, epsilon):
    perturbation, leaves = NAMED[name]
    direction = perturbation.direction(jax.random.key(1), params)
    moved = perturbation.apply(params, direction, jnp.float32(epsilon))
    changed = {leaf: np.asarray(moved[leaf] != params[leaf]) for leaf in params}
    if leaves is not None:
        assert {leaf for leaf in params if changed[leaf].any()} == leaves
    for leaf in params:  # elements without a direction do not move
        assert not (changed[leaf] & (np.asarray(direction[leaf]) == 0)).any()
    step = norm64(*(difference64(moved[leaf], params[leaf]) for leaf in params))
    np.testing.assert_allclose(step, np.float32(epsilon) * norm64(*direction.values()), rtol=1e-5)


def test_partial_perturbations_have_the_requested_sizes(params):
    def intervention_size(perturbation, key=1):
        direction = perturbation.direction(jax.random.key(key), params)
        moved = perturbation.apply(params, direction, 0.01)
        return {name: difference64(moved[name], params[name]) for name in params}

    steps = intervention_size(gaussian(per_leaf=True, relative=True))
    for name, step in steps.items():
        np.testing.assert_allclose(norm64(step), 0.01 * norm64(params[name]), rtol=1e-6)
    steps = intervention_size(gaussian(relative=True))
    np.testing.assert_allclose(norm64(*steps.values()), 0.01 * norm64(*params.values()), rtol=1e-6)
    for step in intervention_size(sparse(gaussian(), 0.01)).values():
        assert np.count_nonzero(step) == round(0.01 * step.size)
    hit = [[np.count_nonzero(step) for step in intervention_size(one_weight(), key).values()] for key in range(40)]
    assert all(sum(counts) == 1 for counts in hit) and np.mean([counts[0] for counts in hit]) > 0.9
    towards = jax.tree.map(lambda w: jnp.where(w > 0, w, 0), params)
    step = intervention_size(along(towards))
    along_it = sum(np.vdot(step[name], towards[name]) for name in params)
    assert along_it > (1 - 1e-6) * norm64(*step.values()) * norm64(*towards.values())
    assert all(not (step[name][np.asarray(towards[name]) == 0]).any() for name in params)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda params: restricted(gaussian(), "x").direction(jax.random.key(0), params),
            "pattern 'x' matches no leaf name",
        ),
        (lambda params: restricted(gaussian(), "("), "not a valid regular expression"),
        (lambda params: sparse(gaussian(), 0.0), "share 0 is out of range"),
        (lambda params: along(jax.tree.map(jnp.zeros_like, params)), "the direction has length 0"),
    ],
)
def test_invalid_partial_perturbations_are_rejected(params, make, message):
    with pytest.raises(pathjax.InputError, match=message):
        make(params)


@pytest.mark.slow
def test_leaves_of_one_element_stay_unchanged_on_their_spheres():
    """The projection's rounding error does not move them."""
    numbers, key = np.random.default_rng(0).normal(size=50).astype(np.float32), jax.random.key(0)
    params = {f"scale {i}": jnp.array([number]) for i, number in enumerate(numbers)} | {"w": jnp.ones(50)}
    direction = on_sphere().direction(key, params)
    moved = on_sphere().apply(params, direction, jnp.float32(0.1))
    assert all(moved[name] == params[name] for name in params if name != "w")
    assert not np.array_equal(moved["w"], params["w"])
