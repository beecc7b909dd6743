"""What the steps themselves tell: batch losses, and whether they are still numbers."""

import jax.numpy as jnp

from pathjax import trees
from pathjax.typing import Observable, Variable


def batch_loss(every: int = 1) -> Observable:
    """The loss on the batch of the step that led here, at the weights before it (NaN at step 0, which no step led to).

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


def first_nonfinite(every: int = 1) -> Observable:
    """The first step whose batch loss was not finite, -1 while there is none. Looks at every step.

    >>> first_nonfinite().variables[0].units
    'step'
    """

    def init(snapshot):
        return jnp.full((), -1, jnp.int32)

    def update(first, transition):
        broken = ~jnp.isfinite(transition.info.loss)
        return jnp.where((first < 0) & broken, transition.after.step, first)

    def read(first, snapshot):
        return first, {"first_nonfinite": first}

    variables = (Variable("first_nonfinite", (), "step", "first step with a non-finite loss (-1: none)"),)
    return Observable(init, read, update, every, "member", variables)
