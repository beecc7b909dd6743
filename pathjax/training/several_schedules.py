"""Several batch schedules in one; schedules that fork; the whole data set at every step."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from pathjax.core.errors import require, require_count
from pathjax.training.schedule import Schedule, batch_schedule


def stack_schedules(schedules: Sequence[Schedule]) -> Schedule:
    """Joins S schedules to one, of which each member follows one; see `pathjax.with_schedules`.

    Members on the same schedule see the same batches. All share the first schedule's key, the randomness of steps
    (dropout): for noise of members' own, see `pathjax.with_noise`.

    Args:
        schedules: S schedules of the same length T and batch size B, all with weights or all without.

    Returns:
        A Schedule with indices int32[T, S, B], and weights float[T, S, B] or None.

    Raises:
        InputError: if `schedules` is empty, or they differ in shape.

    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> stack_schedules([batch_schedule(key, 10, 5, num_steps=4) for key in keys]).indices.shape
    (4, 3, 5)
    """
    require(len(schedules) > 0, "schedules is empty: give at least one")
    first = schedules[0]
    require(first.indices.ndim == 2, "a schedule to stack holds several already: stack single schedules, all at once")
    for other in schedules[1:]:
        shapes = [tuple(one.indices.shape) for one in (first, other)]
        require(
            shapes[0] == shapes[1], f"schedules have shapes {shapes[0]} and {shapes[1]}: give the same steps, sizes"
        )
        same = (first.weights is None) == (other.weights is None)
        require(same, "only some schedules have example weights: give weights to all or to none")
    indices = np.stack([one.indices for one in schedules], 1)
    weights = None if first.weights is None else np.stack([np.asarray(one.weights) for one in schedules], 1)
    return Schedule(jnp.asarray(indices), None if weights is None else jnp.asarray(weights), first.key)


def fork_schedule(key: Key[Array, ""], schedule: Schedule, num_forks: int, at_step: int, num_examples: int) -> Schedule:
    """Forks a schedule, or each of S: the same batches before a step, and from it on other random orders.

    The forks of schedule s are s * num_forks, ..., (s + 1) * num_forks - 1, in the order in which `pathjax.fork`
    repeats members. Fork 0 keeps the batches of its parent; each other one begins an epoch of its own at `at_step`.

    Args:
        key: typed PRNG key of the new orders, which also depend on `at_step` and the number of schedules.
        schedule: T steps of one or of S schedules.
        num_forks: number of forks of each.
        at_step: the first step at which batches differ, 0 to T - 1.
        num_examples: size of the dataset, as for `batch_schedule`.

    Returns:
        A Schedule of S * num_forks schedules, with the weights and the key of the given one.

    Raises:
        InputError: if a value is out of range.

    >>> trunk = batch_schedule(jax.random.key(0), 10, 5, num_steps=4)
    >>> tree = fork_schedule(jax.random.key(1), trunk, 3, 2, 10)
    >>> tree.indices.shape, bool((tree.indices[:2] == trunk.indices[:2, None]).all())
    ((4, 3, 5), True)
    """
    require_count("num_forks", num_forks, 1)
    indices = np.asarray(schedule.indices)
    indices = indices[:, None] if indices.ndim == 2 else indices
    num_steps, num, batch_size = indices.shape
    late = f"at_step must be 0 to {num_steps - 1}, a step of the schedule, not {at_step}"
    require(0 <= require_count("at_step", at_step, 0) < num_steps, late)
    repeated = np.repeat(indices, num_forks, 1)
    at_key = jax.random.fold_in(jax.random.fold_in(key, at_step), num * num_forks)
    for i in range(num * num_forks):
        if i % num_forks:
            own = batch_schedule(jax.random.fold_in(at_key, i), num_examples, batch_size, num_steps=num_steps - at_step)
            repeated[at_step:, i] = own.indices
    weights = schedule.weights
    if weights is not None:
        weights = jnp.repeat(jnp.asarray(weights).reshape(num_steps, num, batch_size), num_forks, 1)
    return Schedule(jnp.asarray(repeated), weights, schedule.key)


def full_batch_schedule(num_examples: int, num_steps: int) -> Schedule:
    """Returns the schedule whose every batch is the whole dataset, in its order: gradient descent without noise.

    Args:
        num_examples: size of the dataset.
        num_steps: T.

    Returns:
        A Schedule with indices int32[T, num_examples], which take the memory of one row, and `jax.random.key(0)` for
        the steps' randomness: `_replace(key=...)` gives another.

    Raises:
        InputError: if a value is below 1.

    >>> full_batch_schedule(num_examples=3, num_steps=2).indices.tolist()
    [[0, 1, 2], [0, 1, 2]]
    """
    require_count("num_examples", num_examples, 1)
    require_count("num_steps", num_steps, 1)
    row = np.arange(num_examples, dtype=np.int32)
    indices = np.broadcast_to(row, (num_steps, num_examples))
    return Schedule(indices, None, jax.random.key(0))  # type: ignore[arg-type]
