import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pathjax
from helpers.toy_maps import ensemble, quadratic, schedule


def batch(examples=None, weights=None):
    return pathjax.Batch(examples, weights, jax.random.key(0))


def test_a_step_is_gradient_descent():
    dynamics = quadratic([1.0, 4.0], learning_rate=0.25)
    state, info = dynamics.step(dynamics.init(jnp.array([2.0, 1.0]), {}), batch())
    np.testing.assert_allclose(state.params, [1.5, 0.0], atol=1e-7)
    assert int(state.step) == 1 and float(info.loss) == 4.0


def test_hyperparameters_are_leaves_that_can_be_swept_and_differentiated():
    dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), lambda h: optax.sgd(h["learning_rate"]))

    def after(rate):
        return dynamics.step(dynamics.init(jnp.ones(()), {"learning_rate": rate}), batch())[0].params

    np.testing.assert_allclose(jax.vmap(after)(jnp.array([0.1, 0.5])), [0.9, 0.5], rtol=1e-6)
    np.testing.assert_allclose(jax.grad(after)(0.1), -1.0, rtol=1e-6)


def test_example_weights_multiply_the_losses_of_examples():
    dynamics = pathjax.training_dynamics(lambda w, x: w * x, optax.sgd(1.0))
    state = dynamics.init(jnp.zeros(()), {})
    examples, weights = jnp.array([1.0, 3.0]), jnp.array([2.0, 0.0])
    assert float(dynamics.step(state, batch(examples))[0].params) == -2.0
    assert float(dynamics.step(state, batch(examples, weights))[0].params) == -1.0
    scalar = pathjax.training_dynamics(lambda w, x: jnp.mean(w * x), optax.sgd(1.0))
    with pytest.raises(pathjax.InputError, match="return one loss for each example"):
        scalar.step(state, batch(examples, weights))


def test_a_stochastic_loss_gets_the_key_of_the_step():
    dynamics = pathjax.training_dynamics(lambda w, x, key: w * jax.random.normal(key), optax.sgd(1.0), stochastic=True)
    state, _ = dynamics.step(dynamics.init(jnp.zeros(()), {}), batch())
    np.testing.assert_allclose(state.params, -jax.random.normal(jax.random.key(0)), rtol=1e-6)


def test_leaves_that_are_not_floats_stay_unchanged():
    params = {"w": jnp.ones(2), "count": jnp.array(3), "mask": jnp.array([True, False])}
    dynamics = pathjax.training_dynamics(lambda p, x: jnp.sum(jnp.where(p["mask"], p["w"], 0.0)), optax.adam(0.1))
    state, _ = dynamics.step(dynamics.init(params, {}), batch())
    np.testing.assert_allclose(state.params["w"], [0.9, 1.0], rtol=1e-5)
    for name in ("count", "mask"):
        assert state.params[name] is params[name]


@pytest.mark.parametrize("weighted", [False, True])
def test_microbatches_equal_the_whole_batch_up_to_rounding(key, weighted, x64):
    def loss_fn(params, examples):
        return jnp.tanh(examples @ params) ** 2

    def after(microbatch):
        dynamics = pathjax.training_dynamics(loss_fn, optax.adam(0.1), microbatch=microbatch)
        weights = jnp.arange(12.0) if weighted else None
        batch = pathjax.Batch(jax.random.normal(key, (12, 3)), weights, key)
        return jax.jit(dynamics.step)(dynamics.init(jnp.ones(3), {}), batch)

    full_batch = after(None)
    chex.assert_trees_all_close(after(4), full_batch, rtol=1e-12)
    chex.assert_trees_all_close(after(1), full_batch, rtol=1e-12)
    with pytest.raises(pathjax.InputError, match="microbatch 5 does not divide the batch of 12 examples"):
        after(5)


@pytest.mark.parametrize(("dtype", "x64"), [(jnp.float32, True), (jnp.bfloat16, False), (jnp.float64, True)])
def test_hyperparameters_get_the_type_of_the_weights_of_at_least_32_bits(key, dtype, x64):
    with jax.enable_x64(x64):
        dynamics = pathjax.training_dynamics(
            lambda w, x: 0.5 * jnp.sum(w**2), lambda h: optax.sgd(h["learning_rate"], momentum=h["momentum"])
        )
        hparams = {"learning_rate": 0.1, "momentum": 0.5}
        state = dynamics.init(jnp.ones(100, dtype), hparams)
        after, _ = dynamics.step(state, pathjax.Batch(None, None, key))
        assert jax.tree.map(lambda a: a.dtype, after) == jax.tree.map(lambda a: a.dtype, state)
        members = ensemble(dynamics, jnp.ones(100, dtype), key, hparams=hparams)
        result = pathjax.rollout(dynamics, members, jnp.zeros(8), schedule(2), [pathjax.observables.weight_distance()])
        assert result.ensemble.state.hparams["momentum"].dtype == jnp.promote_types(dtype, jnp.float32)


def test_hyperparameters_of_the_loss_are_leaves_too(key):
    """The strength of a regularizer, with and without other extra arguments of the loss."""
    for stochastic in (False, True):

        def loss_fn(w, x, *more, stochastic=stochastic):
            assert len(more) == 1 + stochastic
            return 0.5 * more[-1]["strength"] * jnp.sum(w**2) + 0 * x

        dynamics = pathjax.training_dynamics(loss_fn, optax.sgd(1.0), stochastic=stochastic, hparams_in_loss=True)
        batch = pathjax.Batch(jnp.zeros(4), None, key)
        states = [dynamics.init(jnp.ones(3), {"strength": strength}) for strength in (0.25, 0.5)]
        np.testing.assert_allclose([dynamics.step(state, batch)[0].params[0] for state in states], [0.75, 0.5])
        in_parts = pathjax.training_dynamics(
            loss_fn, optax.sgd(1.0), stochastic=stochastic, hparams_in_loss=True, microbatch=2
        )
        np.testing.assert_allclose(in_parts.step(states[0], batch)[0].params, 0.75)
