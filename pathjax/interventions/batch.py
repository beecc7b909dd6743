"""Interventions on a member's batch in one step, while all other members see the scheduled batch."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pathjax.core.errors import require
from pathjax.core.types import Batch
from pathjax.interventions.base import Intervention
from pathjax.interventions.epsilon_checks import between
from pathjax.training.schedule import Schedule, examples_at


def of_label(num_classes: int) -> Intervention:
    """Changes the label of one random example to another class, all equally likely. Takes no epsilon.

    Examples must be (inputs, labels), with integer labels.

    Args:
        num_classes: the number of classes; labels are 0 to num_classes - 1.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: if there are fewer than two classes or, when traced, if the labels are not integers.

    >>> batch = Batch((jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32)), None, jax.random.key(0))
    >>> changed = of_label(2).on_batch(jax.random.key(0), batch, None)
    >>> int(changed.examples[1].sum())
    1
    """
    require(num_classes >= 2, f"num_classes must be 2 or more, not {num_classes}")

    def on_batch(key, batch: Batch, epsilon):
        inputs, labels = _labeled(batch)
        which, shift = jax.random.split(key)
        place = jax.random.randint(which, (), 0, len(labels))
        other = (labels[place] + jax.random.randint(shift, (), 1, num_classes)) % num_classes
        return batch._replace(examples=(inputs, labels.at[place].set(other.astype(labels.dtype))))

    return Intervention(None, on_batch)


def of_example_weight() -> Intervention:
    """Adds epsilon to the weight of one random example (weights are 1 by default).

    The loss must be given per example; see `training_dynamics`.

    Returns:
        An Intervention; epsilon is the change of the weight.

    >>> batch = Batch((jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32)), None, jax.random.key(0))
    >>> sorted(of_example_weight().on_batch(jax.random.key(0), batch, 0.5).weights.tolist())
    [1.0, 1.0, 1.0, 1.5]
    """

    def on_batch(key, batch: Batch, epsilon):
        num = len(jax.tree.leaves(batch.examples)[0])
        weights = jnp.ones(num, jnp.result_type(float)) if batch.weights is None else batch.weights
        place = jax.random.randint(key, (), 0, num)
        return batch._replace(weights=weights.at[place].add(jnp.asarray(epsilon, weights.dtype)))

    return Intervention(None, on_batch)


def of_example() -> Intervention:
    """Replaces one random example of the batch by a random example of the dataset. Takes no epsilon.

    Returns:
        An Intervention without an epsilon.

    >>> data = jnp.arange(100)
    >>> batch = Batch(data[:4], None, jax.random.key(0), data)
    >>> int((of_example().on_batch(jax.random.key(0), batch, None).examples != data[:4]).sum())
    1
    """

    def on_batch(key, batch: Batch, epsilon):
        which, what = jax.random.split(key)
        place = jax.random.randint(which, (), 0, len(jax.tree.leaves(batch.examples)[0]))
        num = len(jax.tree.leaves(_dataset(batch))[0])
        other = examples_at(batch.dataset, jax.random.randint(what, (), 0, num))
        examples = jax.tree.map(lambda all_, one: all_.at[place].set(one), batch.examples, other)
        return batch._replace(examples=examples)

    return Intervention(None, on_batch)


def of_label_noise(num_classes: int) -> Intervention:
    """Changes labels of the batch to other classes, all equally likely; epsilon is the probability for each label.

    Examples must be (inputs, labels), with integer labels. For a period of label noise, let it happen at many steps.

    Args:
        num_classes: the number of classes; labels are 0 to num_classes - 1.

    Returns:
        An Intervention; epsilon is a probability.

    Raises:
        InputError: if there are fewer than two classes, epsilon is not in [0, 1], or the labels are not integers.

    >>> batch = Batch((jnp.zeros((400, 2)), jnp.zeros(400, jnp.int32)), None, jax.random.key(0))
    >>> noisy = of_label_noise(10).on_batch(jax.random.key(0), batch, 0.25)
    >>> 80 < int((noisy.examples[1] != 0).sum()) < 120
    True
    """
    require(num_classes >= 2, f"num_classes must be 2 or more, not {num_classes}")

    def on_batch(key, batch: Batch, epsilon):
        inputs, labels = _labeled(batch)
        which, shift = jax.random.split(key)
        others = (labels + jax.random.randint(shift, labels.shape, 1, num_classes)) % num_classes
        noisy = jax.random.uniform(which, labels.shape) < epsilon
        return batch._replace(examples=(inputs, jnp.where(noisy, others, labels).astype(labels.dtype)))

    return Intervention(None, on_batch, check=between(0, 1))


def replace_batch(batch_size: int | None = None) -> Intervention:
    """Replaces the whole batch by random examples, drawn without replacement. Takes no epsilon.

    Args:
        batch_size: number of examples; None: as many as the schedule's. With example weights, it must be as many.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: for a batch_size below 1 or, when the intervention happens, above the number of examples.

    >>> data = jnp.arange(100)
    >>> batch = Batch(data[:2], None, jax.random.key(0), data)
    >>> len(set(replace_batch(5).on_batch(jax.random.key(0), batch, None).examples.tolist()))
    5
    """
    require(batch_size is None or batch_size >= 1, f"batch_size must be 1 or more, not {batch_size}")

    def on_batch(key, batch: Batch, epsilon):
        num = len(jax.tree.leaves(_dataset(batch))[0])
        scheduled = len(jax.tree.leaves(batch.examples)[0])
        wanted = batch_size or scheduled
        require(wanted <= num, f"batch_size must be 1 to {num}, the number of examples, not {wanted}")
        fits = batch.weights is None or wanted == scheduled
        require(fits, f"the schedule has weights for {scheduled} examples; batch_size must be the same, not {wanted}")
        drawn = jax.random.choice(key, num, (wanted,), replace=False)
        return batch._replace(examples=examples_at(batch.dataset, drawn))

    return Intervention(None, on_batch)


def of_batch(indices: Int[Array, "N B"], weights: Float[Array, "N B"] | None = None) -> Intervention:
    """Replaces the whole batch by the examples in a row of `indices`; epsilon is the row number.

    With a schedule's indices, epsilon is the step whose batch is seen. To swap batches t and t + 1, use it twice: in
    step t with epsilon t + 1, and in step t + 1 with epsilon t. Rows may be longer or shorter than those of the run's
    own schedule.

    Args:
        indices: rows of example indices.
        weights: example weights; required if the run's schedule has weights.

    Returns:
        An Intervention; epsilon is a row number.

    Raises:
        InputError: if indices are not a 2-D integer array or, when the intervention happens, if examples do not exist
            or weights are missing.

    >>> data = jnp.arange(100)
    >>> batch = Batch(data[:2], None, jax.random.key(0), data)
    >>> of_batch(jnp.array([[0, 1], [7, 9]])).on_batch(None, batch, 1.0).examples
    Array([7, 9], dtype=int32)
    """
    batch_at_row = _rows(indices, weights)

    def on_batch(key, batch: Batch, epsilon):
        return batch_at_row(batch, jnp.asarray(epsilon, jnp.int32))

    return Intervention(None, on_batch, check=between(0, len(indices) - 1, integer=True))


def of_schedule(schedule: Schedule) -> Intervention:
    """Takes the step's batch from another schedule: another seed, batch size, or part of the dataset. Takes no epsilon.

    The other schedule starts again after its last row. To follow it for the whole run, let the intervention happen from
    step 0 until the end; to let many members each follow one of several schedules, see `pathjax.with_schedules`. A
    schedule of the same batch size costs no second step, and its `moved` stays 0. For another data set, concatenate
    both and add the number of examples of the first to the indices of the second's schedule.

    Args:
        schedule: the other schedule.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: see `of_batch`.

    >>> data = jnp.arange(100)
    >>> batch = Batch(data[:2], None, jax.random.key(0), data, step=3)
    >>> other = Schedule(jnp.array([[0, 1, 2], [7, 8, 9]]), None, jax.random.key(0))
    >>> of_schedule(other).on_batch(None, batch, None).examples
    Array([7, 8, 9], dtype=int32)
    """
    batch_at_row = _rows(schedule.indices, schedule.weights)

    def on_batch(key, batch: Batch, epsilon):
        require(batch.step is not None, "the batch has no step; set Batch.step")
        return batch_at_row(batch, jnp.asarray(batch.step) % len(schedule.indices))

    return Intervention(None, on_batch, measured=False)


def _rows(indices, weights):
    """Returns `batch_at_row(batch, row) -> Batch`."""
    indices = np.asarray(indices)
    is_table = indices.ndim == 2 and indices.size > 0 and np.issubdtype(indices.dtype, np.integer)
    require(is_table, f"indices must be integers of shape (batches, examples), not {indices.dtype}{indices.shape}")
    shape = None if weights is None else np.shape(weights)
    require(shape in (None, indices.shape), f"weights must have the shape of indices, {indices.shape}, not {shape}")

    def batch_at_row(batch: Batch, row) -> Batch:
        num = len(jax.tree.leaves(_dataset(batch))[0])
        least, most = indices.min(), indices.max()
        require(least >= 0 and most < num, f"indices must be 0 to {num - 1}, not {least} to {most}")
        both = (batch.weights is None) == (weights is None)
        require(both, "only one of the two schedules has example weights; give weights to both or to neither")
        own = None if weights is None else jnp.asarray(weights)[row]
        return batch._replace(examples=examples_at(batch.dataset, jnp.asarray(indices)[row]), weights=own)

    return batch_at_row


def _labeled(batch: Batch):
    """Returns (inputs, labels) of a batch; raises InputError if its examples are anything else."""
    is_pair = isinstance(batch.examples, tuple) and len(batch.examples) == 2
    labels = batch.examples[1] if is_pair else None
    fits = (
        isinstance(labels, (jax.Array, np.ndarray)) and labels.ndim == 1 and jnp.issubdtype(labels.dtype, jnp.integer)
    )
    require(fits, "the examples have no labels to change; expected (inputs, labels) with one integer label per example")
    return batch.examples


def _dataset(batch: Batch):
    missing = "the batch has no data set to draw examples from"
    fix = "give arrays, not a Source (data.stream=False), or set Batch.dataset"
    require(batch.dataset is not None, f"{missing}: {fix}")
    return batch.dataset
