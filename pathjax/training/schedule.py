"""Batch schedules as arrays: the examples that every member sees at each step."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.sources import Streamed, is_source, require_arrays
from pathjax.core.types import Batch, Dynamics, PyTree, State


@shown_in_short
class Schedule(NamedTuple):
    """A batch schedule: `indices` int32[T, B] into the dataset, `weights` float[T, B] or None (all 1), and the `key` of
    the steps' randomness.

    Several schedules in one (`pathjax.stack_schedules`, `pathjax.fork_schedule`) have indices int32[T, S, B] and
    weights float[T, S, B]; `pathjax.with_schedules` chooses one of the S for each member.
    """

    indices: Int[Array, "T B"] | Int[Array, "T S B"]
    weights: Float[Array, "T B"] | Float[Array, "T S B"] | None
    key: Key[Array, ""]


def batch_schedule(
    key: Key[Array, ""],
    num_examples: int,
    batch_size: int,
    num_epochs: int | None = None,
    *,
    num_steps: int | None = None,
) -> Schedule:
    """Draws a new permutation of the examples for each epoch and cuts it into batches; leftover examples are dropped.

    Args:
        key: typed PRNG key; an epoch's permutation depends only on the key and the epoch's index.
        num_examples: size of the dataset.
        batch_size: B, at most `num_examples`.
        num_epochs: length in epochs of `num_examples // batch_size` steps. Give either this
        num_steps: or the length T in steps, at least 1.

    Returns:
        A Schedule of T steps: indices int32[T, batch_size] into the examples, no weights, and a key for the steps' own
        randomness.

    Raises:
        InputError: if a value is out of range, or not exactly one of num_epochs and num_steps is given.

    >>> batch_schedule(jax.random.key(0), num_examples=10, batch_size=3, num_epochs=2).indices.shape
    (6, 3)
    """
    require(
        1 <= batch_size <= num_examples,
        f"batch size {batch_size} does not fit {num_examples} examples: choose 1 to {num_examples}",
    )
    require((num_epochs is None) != (num_steps is None), "give either num_epochs or num_steps, not both")
    per_epoch = num_examples // batch_size
    steps = num_epochs * per_epoch if num_epochs is not None else num_steps or 0
    require(steps >= 1, f"a schedule of {steps} steps is empty: choose at least 1")
    order_key, draw_key = jax.random.split(key)
    return Schedule(_orders(num_examples, batch_size, steps, order_key), None, draw_key)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _orders(num_examples: int, batch_size: int, num_steps: int, key):
    per_epoch = num_examples // batch_size

    def epoch(i):
        order = jax.random.permutation(jax.random.fold_in(key, i), num_examples)
        return order[: per_epoch * batch_size].reshape(per_epoch, batch_size)

    epochs = jax.lax.map(epoch, jnp.arange(-(-num_steps // per_epoch)))
    return epochs.reshape(-1, batch_size)[:num_steps].astype(jnp.int32)


def take_batch(dataset: PyTree, key: Key[Array, ""], state: State, row: tuple) -> Batch:
    """Returns the batch of a state's next step: the examples at the schedule's indices, their weights, the step's key.

    Args:
        dataset: a pytree of arrays with the examples on the leading axis; or Streamed examples, which are not the whole
            data set, so that the batch has no `dataset`.
        key: the schedule's key.
        state: a member's state: its step, and its choice among several schedules.
        row: (indices int32[B], weights float[B] or None), the schedule's row at this step; (S, B) for S schedules.

    >>> state = State(params=(), opt_state=(), hparams={}, step=0)
    >>> take_batch(jnp.arange(5) ** 2, jax.random.key(0), state, (jnp.array([3, 1]), None)).examples
    Array([9, 1], dtype=int32)
    """
    indices, weights = own_row(state, row)
    whole = None if isinstance(dataset, Streamed) else dataset
    return Batch(examples_at(dataset, indices), weights, jax.random.fold_in(key, state.step), whole, state.step)


def own_row(state: State, row: tuple) -> tuple:
    """Returns a member's (indices, weights) of shape (B,) from a row of one or of several schedules.

    >>> state = State(params=(), opt_state=(), hparams={}, step=0, schedule=jnp.int32(1))
    >>> own_row(state, (jnp.array([[3, 1], [0, 2]]), None))
    (Array([0, 2], dtype=int32), None)
    """
    if not has_several(row):
        return row
    choice = 0 if state.schedule is None else state.schedule
    return jax.tree.map(lambda a: a[choice], row)


def has_several(row: tuple) -> bool:
    """Whether a schedule's row is one of several schedules, of shape (S, B).

    >>> has_several((jnp.zeros((3, 2), jnp.int32), None))
    True
    """
    return row[0].ndim == 2


def examples_at(dataset: PyTree, indices: Int[Array, "..."]) -> PyTree:
    """Returns the examples at the given indices.

    >>> examples_at((jnp.arange(5), 2 * jnp.arange(5)), jnp.array([3, 1]))[1]
    Array([6, 2], dtype=int32)
    """
    held = dataset.examples if isinstance(dataset, Streamed) else dataset
    return jax.tree.map(lambda a: a[indices], held)


def count_examples(dataset: PyTree, name: str = "the dataset") -> int:
    """Returns the number of examples, which must be the length of every array.

    Args:
        dataset: a pytree of arrays with the examples on the leading axis.
        name: what error messages call it.

    Raises:
        InputError: if the data set has no arrays or no examples, or its arrays differ in length.

    >>> count_examples((jnp.zeros((5, 2)), jnp.zeros(5)))
    5
    """
    require_arrays(name, dataset)
    lengths = sorted({jnp.shape(leaf)[0] if jnp.ndim(leaf) else 0 for leaf in jax.tree.leaves(dataset)})
    expected = "give arrays with the examples on the leading axis"
    require(len(lengths) > 0, f"{name} has no arrays: {expected}")
    require(len(lengths) == 1, f"{name} has arrays of {' and '.join(map(str, lengths))} examples: {expected}")
    require(lengths[0] > 0, f"{name} has no examples: {expected}")
    return lengths[0]


def check_indices(schedule: Schedule, dataset: PyTree) -> None:
    """Raises InputError if the schedule contains indices beyond the dataset.

    >>> check_indices(Schedule(jnp.array([[0, 4]]), None, jax.random.key(0)), jnp.arange(5))
    """
    lengths = [len(dataset)] if is_source(dataset) else [len(leaf) for leaf in jax.tree.leaves(dataset)]
    num_examples = min(lengths, default=None)
    least, largest = int(schedule.indices.min()), int(schedule.indices.max())
    require(least >= 0, f"the schedule has index {least}: indices must be 0 or more")
    require(
        num_examples is None or largest < num_examples,
        f"the schedule has index {largest}, but there are {num_examples} examples: use num_examples={num_examples}",
    )


def scheduled_step(dynamics: Dynamics, dataset: PyTree, schedule: Schedule) -> tuple[Callable, tuple]:
    """Returns training on a schedule as a step function and rows, as `lyapunov_spectrum` takes them.

    Args:
        dynamics: see `training_dynamics`.
        dataset: a pytree of arrays with the examples on the leading axis.
        schedule: T steps.

    Returns:
        `step_fn(state, row) -> state`, and the T rows of the schedule.

    >>> import optax, pathjax
    >>> dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.mean(x) * w**2, optax.sgd(0.1))
    >>> schedule = batch_schedule(jax.random.key(0), num_examples=4, batch_size=2, num_steps=3)
    >>> step_fn, rows = scheduled_step(dynamics, jnp.ones(4), schedule)
    >>> state, _ = jax.lax.scan(lambda state, x: (step_fn(state, x), None), dynamics.init(jnp.ones(()), {}), rows)
    >>> f"{state.params:.3f}"
    '0.729'
    """
    require_arrays("the dataset", dataset)
    # A Partial's arrays are arguments of the compiled program, not constants in it.
    step_fn = jax.tree_util.Partial(_step_on_schedule(dynamics.step), dataset, schedule.key)
    return step_fn, (schedule.indices, schedule.weights)


def _step_on_schedule(step: Callable) -> Callable:
    def step_on_schedule(dataset, key, state, row):
        return step(state, take_batch(dataset, key, state, row))[0]

    return step_on_schedule
