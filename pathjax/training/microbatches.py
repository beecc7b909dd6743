"""Gradients of a batch, accumulated over parts of it that fit into a cache or into memory."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core.errors import require, require_count
from pathjax.core.types import Batch, PyTree


def in_microbatches(gradient: Callable, size: int | None) -> Callable:
    """Averages a gradient over microbatches, one after the other.

    Args:
        gradient: `gradient(model_state, batch, key) -> (means, model_state)`; `means` is a tree of means over examples.
        size: examples per microbatch, or None for the whole batch.

    Returns:
        A function like `gradient`. Each microbatch has its own key, and the model's state of the one before.

    Raises:
        InputError: if `size` does not divide the batch.

    >>> mean = lambda model_state, batch, key: (jnp.mean(batch.examples), model_state)
    >>> float(in_microbatches(mean, 2)(None, Batch(jnp.arange(4.0), None, None), jax.random.key(0))[0])
    1.5
    """
    if size is None:
        return gradient
    require_count("microbatch", size, 1)

    def mean(model_state: PyTree, batch: Batch, key):
        num_examples = len(jax.tree.leaves(batch.examples)[0])
        divides = num_examples % size == 0
        require(divides, f"microbatch {size} does not divide the batch of {num_examples} examples: choose a divisor")
        num = num_examples // size
        rows = jax.tree.map(lambda a: a.reshape(num, size, *a.shape[1:]), (batch.examples, batch.weights))
        shapes = jax.eval_shape(gradient, model_state, batch, key)[0]
        # Sums of half precision would stall.
        zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, jnp.promote_types(a.dtype, jnp.float32)), shapes)

        def add(carry, microbatch):
            (total, state), (i, (examples, weights)) = carry, microbatch
            part = batch._replace(examples=examples, weights=weights)
            term, state = gradient(state, part, jax.random.fold_in(key, i))
            return (jax.tree.map(lambda a, b: a + b.astype(a.dtype) / num, total, term), state), None

        total, state = jax.lax.scan(add, (zeros, model_state), (jnp.arange(num), rows))[0]
        return jax.tree.map(lambda a, like: a.astype(like.dtype), total, shapes), state

    return mean
