"""Quantities of the steps themselves: batch losses, and whether they are finite."""

import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.networks import as_network
from pathjax.core.types import Observable, Variable


def batch_loss(*, every: int = 1) -> Observable:
    """Records the loss on the batch of the last step, at the weights before it (NaN at step 0).

    Args:
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> batch_loss().variables[0].name
    'batch_loss'
    """

    def init(snapshot):
        return jnp.full((), jnp.nan, trees.float_type(snapshot.state.params))

    def update(before, transition):
        return transition.info.loss.astype(before.dtype)

    def read(loss, snapshot):
        return loss, {"batch_loss": loss}

    variables = (Variable("batch_loss", (), "nats", "loss on the step's batch, at the weights before the step"),)
    return Observable(init, read, update, every, "member", variables)


def mean_loss(*, every: int = 1) -> Observable:
    """Records the mean of the steps' batch losses since the last record (NaN at step 0).

    Args:
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> mean_loss().variables[0].name
    'mean_loss'
    """

    def init(snapshot):
        return jnp.zeros((), trees.float_type(snapshot.state.params)), jnp.zeros((), jnp.int32)

    def update(carry, transition):
        mean, num = carry
        return mean + (transition.info.loss.astype(mean.dtype) - mean) / (num + 1), num + 1

    def read(carry, snapshot):
        mean, num = carry
        return (jnp.zeros_like(mean), jnp.zeros_like(num)), {"mean_loss": jnp.where(num > 0, mean, jnp.nan)}

    variables = (Variable("mean_loss", (), "nats", "mean loss on the steps' batches since the last record"),)
    return Observable(init, read, update, every, "member", variables)


def first_nonfinite(*, every: int = 1) -> Observable:
    """Records the first step with a non-finite batch loss, -1 if there is none; checked after every step.

    Records also check the norm of the weights and of the model's state, which detects what no later loss can.

    Args:
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> first_nonfinite().variables[0].units
    'step'
    """

    def init(snapshot):
        return jnp.full((), -1, jnp.int32)

    def update(first, transition):
        broken = ~jnp.isfinite(transition.info.loss)
        return jnp.where((first < 0) & broken, transition.after.step, first)

    def read(first, snapshot):
        norm = trees.norm(trees.split_floats(as_network(snapshot.state))[0])
        first = jnp.where((first < 0) & ~jnp.isfinite(norm), snapshot.state.step, first)
        return first, {"first_nonfinite": first}

    label = "first step with a loss or a norm of the weights that is not finite (-1: none)"
    variables = (Variable("first_nonfinite", (), "step", label),)
    return Observable(init, read, update, every, "member", variables)
