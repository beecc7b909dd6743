"""Tangents inside a rollout: exponents, linear response, and shared tangents."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import ensemble, network, predict, quadratic, schedule

obs = pathjax.observables


def test_exponents_of_gradient_descent_match_its_curvatures(x64):
    curvatures, rate = np.array([1.0, 3.0, 7.0]), 0.1
    dynamics = quadratic(curvatures, rate)
    members = ensemble(dynamics, jnp.ones(3), jax.random.key(0))
    result = pathjax.rollout(
        dynamics, members, jnp.zeros(8), schedule(400), [obs.lyapunov(jax.random.key(1), dynamics, 3, every=4)]
    )
    growth = result.records["log_growth"]
    np.testing.assert_allclose(growth[0], 0, atol=1e-12)
    # The sum is exact from the first step, each exponent once the tangents have aligned.
    np.testing.assert_allclose(growth[1:].sum(1) / 4, np.log(1 - rate * curvatures).sum(), rtol=1e-11)
    np.testing.assert_allclose(growth[-10:] / 4, [np.log(1 - rate * curvatures)] * 10, rtol=1e-10)


@pytest.mark.slow
def test_heavy_ball_exponents_sum_to_the_logarithm_of_momentum(x64, key):
    dynamics, params, examples = network(key, sizes=(2, 2, 2), optimizer=optax.sgd(0.2, momentum=0.7))
    members, num = ensemble(dynamics, params, key), 12
    result = pathjax.rollout(dynamics, members, examples, schedule(20, 32), [obs.lyapunov(key, dynamics, 2 * num)])
    np.testing.assert_allclose(result.records["log_growth"][1:].sum(1), num * np.log(0.7), rtol=1e-9)


@pytest.mark.slow
def test_adams_second_moment_does_not_count_as_growth(key):
    dynamics, params, examples = network(key, optimizer=optax.adam(1e-3, eps_root=1e-12))
    members = ensemble(dynamics, params, key)
    measure = obs.lyapunov(key, dynamics, 2, every=5)
    growth = pathjax.rollout(dynamics, members, examples, schedule(50, 32), [measure]).records["log_growth"]
    assert np.abs(growth).max() < 1


def test_too_many_or_no_tangents_raise(key):
    dynamics, params, examples = network(key, sizes=(2, 2, 2))
    measure = obs.lyapunov(key, dynamics, 25)
    with pytest.raises(pathjax.InputError, match="25 tangents do not fit a state of 24 dimensions"):
        pathjax.rollout(dynamics, ensemble(dynamics, params, key), examples, schedule(2, 32), [measure])
    with pytest.raises(pathjax.InputError, match="num_tangents must be 1 or more, not 0"):
        obs.lyapunov(key, dynamics, 0)


# Pushed as one batch, and one by one.
@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(4, 7, 3), pytest.param((100, 110, 3), marks=pytest.mark.slow)])
def test_shared_tangents_equal_separate_ones(x64, key, sizes):
    dynamics, params, examples = network(key, sizes=sizes)
    members = ensemble(dynamics, params, key)
    measures = [
        obs.lyapunov(key, dynamics, 2, every=2),
        obs.linear_response(dynamics, pathjax.perturbation_directions(key, pathjax.on_sphere(), params, 3), every=2),
        obs.function_space_lyapunov(key, dynamics, predict, examples[0], 1, every=2),
    ]
    alone = pathjax.rollout(dynamics, members, examples, schedule(8, 32), measures).records
    nested = obs.share_tangents(obs.share_tangents(*measures[:2]), measures[2])
    for one in (obs.share_tangents(*measures), nested):
        shared = pathjax.rollout(
            dynamics, members, examples, schedule(8, 32), [one], options=pathjax.RolloutOptions(member_tile=3)
        ).records
        assert alone.keys() == shared.keys()
        for name, record in alone.items():
            np.testing.assert_allclose(shared[name], record, rtol=1e-9, atol=1e-12, err_msg=name)
    assert not alone["log_growth"][0].any() and not alone["function_log_growth"][0].any()


def test_tangents_of_different_cadences_cannot_be_shared(key):
    dynamics, _, _ = network(key)
    fast, slow = (obs.lyapunov(key, dynamics, 1, every=every) for every in (1, 2))
    elsewhere = obs.lyapunov(key, network(key, optimizer=optax.sgd(0.1))[0], 1)
    for observables in ((fast, slow), (fast, obs.weight_distance()), (fast, elsewhere), (obs.weight_norm(),), ()):
        with pytest.raises(pathjax.InputError, match="share tangents.*give"):
            obs.share_tangents(*observables)


def test_tangents_are_the_limit_of_finite_differences(x64, key):
    dynamics, params, examples = network(key)
    params, examples = jax.tree.map(lambda a: a.astype(jnp.result_type(float)), (params, examples[0]))[0], examples
    sphere = pathjax.on_sphere()
    directions = pathjax.perturbation_directions(key, sphere, params, 3)
    members = ensemble(dynamics, params, key, epsilons=(1e-7,), num_seeds=3)
    measures = [obs.weight_distance(every=5), obs.linear_response(dynamics, directions, every=5)]
    result = pathjax.rollout(dynamics, members, examples, schedule(50, 32), measures)
    ratio = result.records["distance"][:, 3:] / 1e-7 / result.records["tangent_norm"]
    np.testing.assert_allclose(ratio, 1, atol=1e-6)


def test_tangents_neither_overflow_nor_underflow():
    dynamics = quadratic([-990.0, 9.99], learning_rate=0.1)  # factors 100 and 0.001
    members = ensemble(dynamics, 1e-4 * jnp.ones(2), jax.random.key(0))
    measure = obs.linear_response(dynamics, jnp.eye(2), every=2)
    norms = pathjax.rollout(dynamics, members, jnp.zeros(8), schedule(10), [measure]).records["tangent_norm"]
    np.testing.assert_allclose(norms[:, 0], 100.0 ** np.arange(0, 11, 2), rtol=1e-4)
    np.testing.assert_allclose(norms[:, 1], 0.001 ** np.arange(0, 11, 2), rtol=1e-3)
