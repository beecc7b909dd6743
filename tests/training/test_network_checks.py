"""Weights that a step cannot train are rejected; all others are trained."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen, nnx

import pathjax
from helpers.small_runs import INPUTS, KEY, assert_rejected, end, mse


def test_weights_that_cannot_be_trained_are_rejected():
    assert_rejected(
        "contain 'activation' of type .*: pass arrays only", optax.sgd(0.1), eqx.nn.MLP(3, 1, 4, 1, key=KEY)
    )
    assert_rejected("'w' of type complex64: pass real and imaginary", optax.sgd(0.1), {"w": jnp.ones(3) * 1j})
    assert_rejected("complex64", optax.sgd(0.1), {"w": jnp.ones(3), "c": jnp.ones(3) * 1j})
    assert_rejected("'w' contain NaN or infinite", optax.sgd(0.1), {"w": jnp.array([1.0, jnp.nan, 1.0])})
    assert_rejected("'params' contain NaN or infinite", optax.sgd(0.1), jnp.array([1.0, jnp.inf, 1.0]))
    assert_rejected("has values that float32 cannot hold", optax.sgd(0.1), np.array([1e300, 1, 1]))
    assert_rejected("has values that float32 cannot hold", optax.sgd(0.1), np.array([1e-60, 1, 1]))
    assert_rejected("has values that int32 cannot hold", optax.sgd(0.1), {"w": np.ones(3), "n": np.array([2**40])})
    assert_rejected("contain 'params' of type ndarray", optax.sgd(0.1), np.array([None, 1, 1]))
    assert_rejected("the weights have no leaves", optax.sgd(0.1), {})
    start = pathjax.Network(jnp.ones(3), {"f": jnp.tanh})
    assert_rejected("model_state contain 'f' of type", optax.sgd(0.1), start, flags={"model_state": True})
    start = pathjax.Network(jnp.ones(3), 1j * jnp.ones(3))
    assert_rejected(
        "model_state contain 'model_state' of type complex64", optax.sgd(0.1), start, flags={"model_state": True}
    )


def test_weights_with_a_key_named_params_and_variables_of_other_kinds_are_trained():
    loss = lambda p, x: mse(p["params"]["w"], x) * p["scale"]  # noqa: E731
    end(optax.sgd(0.1), {"params": {"w": jnp.ones(3)}, "scale": jnp.ones(())}, pathjax.gaussian(), loss)

    class Own(nnx.Variable):
        pass

    class Model(nnx.Module):
        def __init__(self):
            self.w = Own(jnp.ones(3))

    graph, weights = nnx.split(Model(), Own)
    found = end(optax.sgd(0.1), weights, loss=lambda p, x: mse(nnx.merge(graph, p).w[...], x))
    np.testing.assert_array_equal(jax.tree.leaves(found)[0], end(optax.sgd(0.1)))
    nested = {"enc": {"params": {"w": jnp.ones(3)}, "batch_stats": {"mean": jnp.ones(3)}}}
    assert_rejected("the linen collections batch_stats", optax.sgd(0.1), nested)
    assert_rejected("the linen collections batch_stats", optax.sgd(0.1), ({"w": jnp.ones(3)}, nested["enc"]))


def test_weights_that_hold_a_key_or_the_state_of_a_module_are_rejected():
    with_key = {"w": jnp.ones(3), "k": jax.random.key(0)}
    assert_rejected("the PRNG key 'k', which no step advances: take the step's key", optax.sgd(0.1), with_key)
    model, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(3, "batch", mode="batch")
    both = (eqx.filter(model, eqx.is_inexact_array), state)
    assert_rejected("contain an equinox.nn.State, which is not trained: pass pathjax.Network", optax.sgd(0.1), both)


def test_variables_that_are_not_parameters_are_rejected():
    class Normalized(linen.Module):
        @linen.compact
        def __call__(self, x):
            return linen.BatchNorm(use_running_average=False)(linen.Dense(1)(x))

    variables = Normalized().init(KEY, INPUTS)
    loss = lambda v, x: mse(v["params"]["Dense_0"]["kernel"][:, 0], x)  # noqa: E731
    assert_rejected(
        "the linen collections batch_stats, which are not trained: pass pathjax.Network",
        optax.sgd(0.1),
        variables,
        loss=loss,
    )

    class Dropped(nnx.Module):
        def __init__(self, rngs):
            self.linear, self.dropout = nnx.Linear(3, 1, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

    for module, kind in ((Dropped(nnx.Rngs(0)), "RngCount|RngKey"), (nnx.BatchNorm(3, rngs=nnx.Rngs(0)), "BatchStat")):
        _, weights = nnx.split(module)
        assert_rejected(f"an nnx.({kind}), which is not trained: split it off", optax.sgd(0.1), weights)
