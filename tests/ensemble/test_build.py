import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.toy_maps import ensemble, network


def test_members_are_in_order_and_labeled(key):
    dynamics, params, _ = network(key)
    built = ensemble(dynamics, params, key, epsilons=(0.1, 0.01), num_seeds=2, hparams={"learning_rate": 0.5})
    members = built.members
    assert list(members.role) == ["baseline", "replica", "roundoff", *["perturbed"] * 4]
    np.testing.assert_array_equal(members.epsilon, [0, 0, 0, 0.1, 0.1, 0.01, 0.01])
    np.testing.assert_array_equal(members.seed, [-1, -1, -1, 0, 1, 0, 1])
    assert all(len(leaf) == 7 for leaf in jax.tree.leaves(built.state))
    np.testing.assert_array_equal(built.state.hparams["learning_rate"], np.full(7, 0.5, np.float32))
    for name, leaf in built.state.params.items():
        np.testing.assert_array_equal(leaf[0], params[name])
        np.testing.assert_array_equal(leaf[0], leaf[1])


def test_a_seed_goes_the_same_way_at_every_epsilon(key):
    dynamics, params, _ = network(key)
    w = ensemble(dynamics, params, key, epsilons=(0.01, 0.02), num_seeds=2).state.params["w0"]
    small, large = (w[i] - w[0] for i in (3, 5))
    cosine = jnp.vdot(small, large) / jnp.linalg.norm(small) / jnp.linalg.norm(large)
    assert cosine > 0.999
    assert abs(jnp.vdot(small, w[4] - w[0])) < 0.9 * jnp.vdot(small, small)


def test_optimizer_state_with_counters_and_moments_is_built_for_each_member(key):
    import optax

    dynamics, params, _ = network(key, optimizer=optax.adam(0.1))
    state = ensemble(dynamics, params, key).state
    assert state.opt_state[0].count.shape == (7,) and state.opt_state[0].mu["w0"].shape == (7, 5, 7)


@pytest.mark.parametrize("epsilon", [1e-12, 1e-9])
def test_perturbations_lost_in_rounding_raise(key, epsilon):
    dynamics, params, _ = network(key)
    with pytest.raises(pathjax.InputError, match="lost in rounding"):
        ensemble(dynamics, params, key, epsilons=(epsilon,))


def test_weights_that_cannot_move_on_their_sphere_raise(key):
    import optax

    dynamics = pathjax.training_dynamics(lambda p, x: p["a"] ** 2 + p["b"] ** 2, optax.sgd(0.1))
    with pytest.raises(pathjax.InputError, match="the perturbation has no direction"):
        ensemble(dynamics, {"a": jnp.float32(1.0), "b": jnp.float32(2.0)}, key)


@pytest.mark.parametrize(
    ("epsilons", "num_seeds", "message"),
    [
        ((0.1,), 0, "num_seeds must be 1 or more, not 0"),
        ((0.1, 0.1), 1, "repeat"),
        ((3.0,), 1, "out of range"),
    ],
)
def test_invalid_ensembles_raise(key, epsilons, num_seeds, message):
    dynamics, params, _ = network(key)
    with pytest.raises(pathjax.InputError, match=message):
        ensemble(dynamics, params, key, epsilons=epsilons, num_seeds=num_seeds)


def test_independent_networks_are_the_last_members(key):
    dynamics, params, _ = network(key)
    others = [network(jax.random.key(seed))[1] for seed in (1, 2)]
    options = {"epsilons": [0.1], "num_seeds": 2}

    def build(independent):
        return pathjax.perturbed_ensemble(
            key, dynamics, params, pathjax.on_sphere(), independent=independent, **options
        )

    built = build(pathjax.core.trees.stack(others))
    assert list(built.members.role[3:]) == ["perturbed"] * 2 + ["independent"] * 2
    np.testing.assert_array_equal(built.state.params["w0"][5:], np.stack([other["w0"] for other in others]))
    for wrong, message in (
        (others[0], "expected \\(networks, \\*\\(7,\\)\\)"),
        ({"w": jnp.ones(3)}, "same leaves as the baseline"),
    ):
        with pytest.raises(pathjax.InputError, match=message):
            build(wrong)
