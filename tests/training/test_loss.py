"""What a loss returns: a number or one for each example, and the state of a model."""

import jax
import jax.numpy as jnp
import optax
import pytest

import pathjax
from helpers.small_runs import KEY, assert_rejected, ensemble_of, mse


@pytest.mark.parametrize(
    "loss",
    [
        lambda w, x: (mse(w, x), jnp.float32(0.9)),
        lambda w, x: [mse(w, x), mse(w, x)],
        lambda w, x: {"loss": mse(w, x)},
    ],
    ids=["pair", "list", "dict"],
)
def test_a_loss_with_auxiliary_results_is_rejected(loss):
    assert_rejected("loss_fn returned a (tuple|list|dict): return the loss alone", optax.sgd(0.1), loss=loss)


@pytest.mark.parametrize("shape", [(3,), (5,), (1,), (4, 2), (0,)])
def test_a_loss_of_another_length_than_the_batch_is_rejected(shape):
    assert_rejected(r"for 4 examples: expected", optax.sgd(0.1), loss=lambda w, x: jnp.zeros(shape) + mse(w, x))


def test_a_loss_that_takes_other_arguments_is_one_line():
    noisy = lambda w, x, key: mse(w, x + jax.random.normal(key, x.shape))  # noqa: E731
    assert_rejected(r"loss_fn\(params, examples\) failed .*set model_state, stochastic", optax.sgd(0.1), loss=noisy)
    assert_rejected(r"loss_fn\(params, examples, key\) failed", optax.sgd(0.1), loss=mse, flags={"stochastic": True})
    assert_rejected("which has no gradient", optax.sgd(0.1), loss=lambda w, x: jnp.int32(3))
    assert_rejected("loss_fn returned a NoneType", optax.sgd(0.1), loss=lambda w, x: None)


def test_microbatches_of_half_precision_are_summed_in_single_precision():
    inputs = jnp.ones((1024, 3))
    schedule = pathjax.batch_schedule(KEY, 1024, 1024, num_steps=2)
    loss = lambda w, x: jnp.mean(x @ w.astype(jnp.float32))  # noqa: E731
    for size in (None, 1):
        given = (optax.sgd(0.5), jnp.array([1.0, 2, 3], jnp.bfloat16))
        dynamics, ensemble = ensemble_of(*given, loss=loss, flags={"microbatch": size})
        found = pathjax.rollout(dynamics, ensemble, inputs, schedule, []).ensemble.state.params[0]
        assert found.tolist() == [0, 1, 2]


def test_a_state_that_is_missing_or_that_nothing_takes_is_rejected():
    with_state = lambda w, s, x: (mse(w, x), s)  # noqa: E731
    assert_rejected("there is none: pass pathjax.Network", optax.sgd(0.1), loss=with_state, flags={"model_state": True})
    assert_rejected(
        "the loss takes none: set model_state=True", optax.sgd(0.1), pathjax.Network(jnp.ones(3), jnp.zeros(2))
    )
    for change, match in (
        (lambda s: (mse, s), "loss_fn returned a function"),
        (lambda s: (1.0, s.astype(jnp.int32)), r"changed model_state from float32\[2\] to int32\[2\]"),
        (lambda s: (1.0, jnp.zeros(3)), r"from float32\[2\] to float32\[3\]"),
        (lambda s: (1.0, {"a": s}), "from the structure"),
        (lambda s: 1.0, r"must return \(loss, new_model_state\)"),
    ):
        start = pathjax.Network(jnp.ones(3), jnp.zeros(2))
        assert_rejected(match, optax.sgd(0.1), start, loss=lambda w, s, x, f=change: f(s), flags={"model_state": True})
