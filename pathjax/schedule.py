"""Batch schedules as arrays: which examples every member sees at each step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pathjax.errors import require


class Schedule(NamedTuple):
    """`indices` int32[T, B] into the dataset; `weights` float[T, B] or None (all 1); `key` for what steps draw."""

    indices: Int[Array, "T B"]
    weights: Float[Array, "T B"] | None
    key: Key[Array, ""]


def batch_schedule(
    key: Key[Array, ""],
    num_examples: int,
    batch_size: int,
    num_epochs: int | None = None,
    *,
    num_steps: int | None = None,
) -> Schedule:
    """Each epoch a fresh permutation, cut into batches; the examples left over at an epoch's end are dropped.

    Args:
        key: typed PRNG key; the permutation of an epoch depends on it and on the epoch's number alone.
        num_examples: size of the dataset.
        batch_size: B, at most `num_examples`.
        num_epochs: length in epochs of `num_examples // batch_size` steps, or else
        num_steps: length T in steps, at least 1.

    Raises:
        InputError: if a number is out of its range, or both lengths or none are given.

    >>> batch_schedule(jax.random.key(0), num_examples=10, batch_size=3, num_epochs=2).indices.shape
    (6, 3)
    """
    require(
        1 <= batch_size <= num_examples,
        f"batch size {batch_size} does not fit {num_examples} examples: choose 1 to {num_examples}",
    )
    require((num_epochs is None) != (num_steps is None), "give either num_epochs or num_steps, and not both")
    per_epoch = num_examples // batch_size
    steps = num_epochs * per_epoch if num_epochs is not None else num_steps or 0
    require(steps >= 1, f"a schedule of {steps} steps holds nothing: choose at least 1")
    order_key, draw_key = jax.random.split(key)

    def epoch(number):
        order = jax.random.permutation(jax.random.fold_in(order_key, number), num_examples)
        return order[: per_epoch * batch_size].reshape(per_epoch, batch_size)

    epochs = jax.lax.map(epoch, jnp.arange(-(-steps // per_epoch)))
    return Schedule(epochs.reshape(-1, batch_size)[:steps].astype(jnp.int32), None, draw_key)
