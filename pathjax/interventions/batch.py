"""Changes of what a member sees in one step, while all others see the batch of the schedule."""

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
    """The label of one random example is another one, each as likely. It has no epsilon.

    Of examples that are (inputs, labels), labels int.

    Args:
        num_classes: labels are 0 to num_classes - 1.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: if there are fewer than two classes, or, when traced, if the labels are not integers.

    >>> batch = Batch((jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32)), None, jax.random.key(0))
    >>> changed = of_label(2).on_batch(jax.random.key(0), batch, None)
    >>> int(changed.examples[1].sum())
    1
    """
    require(num_classes >= 2, f"{num_classes} classes leave no other label: give 2 or more")

    def on_batch(key, batch: Batch, epsilon):
        inputs, labels = _labeled(batch)
        which, shift = jax.random.split(key)
        place = jax.random.randint(which, (), 0, len(labels))
        other = (labels[place] + jax.random.randint(shift, (), 1, num_classes)) % num_classes
        return batch._replace(examples=(inputs, labels.at[place].set(other.astype(labels.dtype))))

    return Intervention(None, on_batch)


def of_example_weight() -> Intervention:
    """epsilon is added to the weight of one random example (weights are 1 by default).

    The loss must be given example by example; see `training_dynamics`.

    Returns:
        An Intervention; epsilon is added to the weight.

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
    """One random example of the batch is another one of the dataset, each as likely. It has no epsilon.

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
    """Labels of the batch are others, each as likely; epsilon is the probability with which a label is.

    Of examples that are (inputs, labels), labels int. For a stretch of noise, let it happen at many steps.

    Args:
        num_classes: labels are 0 to num_classes - 1.

    Returns:
        An Intervention; epsilon is a probability.

    Raises:
        InputError: if there are fewer than two classes, epsilon is not in [0, 1], or the labels are not integers.

    >>> batch = Batch((jnp.zeros((400, 2)), jnp.zeros(400, jnp.int32)), None, jax.random.key(0))
    >>> noisy = of_label_noise(10).on_batch(jax.random.key(0), batch, 0.25)
    >>> 80 < int((noisy.examples[1] != 0).sum()) < 120
    True
    """
    require(num_classes >= 2, f"{num_classes} classes leave no other label: give 2 or more")

    def on_batch(key, batch: Batch, epsilon):
        inputs, labels = _labeled(batch)
        which, shift = jax.random.split(key)
        others = (labels + jax.random.randint(shift, labels.shape, 1, num_classes)) % num_classes
        noisy = jax.random.uniform(which, labels.shape) < epsilon
        return batch._replace(examples=(inputs, jnp.where(noisy, others, labels).astype(labels.dtype)))

    return Intervention(None, on_batch, check=between(0, 1))


def replace_batch(batch_size: int | None = None) -> Intervention:
    """The whole batch is of examples that are drawn at random, each at most once. It has no epsilon.

    Args:
        batch_size: how many; None: as many as the schedule's. Where examples have weights, there must be as many.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: for less than one; when it happens, for more than there are.

    >>> data = jnp.arange(100)
    >>> batch = Batch(data[:2], None, jax.random.key(0), data)
    >>> len(set(replace_batch(5).on_batch(jax.random.key(0), batch, None).examples.tolist()))
    5
    """
    require(batch_size is None or batch_size >= 1, f"a batch of {batch_size} examples: give 1 or more")

    def on_batch(key, batch: Batch, epsilon):
        num = len(jax.tree.leaves(_dataset(batch))[0])
        scheduled = len(jax.tree.leaves(batch.examples)[0])
        wanted = batch_size or scheduled
        require(wanted <= num, f"a batch of {wanted} out of {num} examples: give 1 to {num}")
        fits = batch.weights is None or wanted == scheduled
        require(fits, f"a batch of {wanted} examples, and the schedule has weights for {scheduled}: give that many")
        drawn = jax.random.choice(key, num, (wanted,), replace=False)
        return batch._replace(examples=examples_at(batch.dataset, drawn))

    return Intervention(None, on_batch)


def of_batch(indices: Int[Array, "N B"], weights: Float[Array, "N B"] | None = None) -> Intervention:
    """The whole batch is another one: the examples of the row of `indices` whose number is epsilon.

    With a schedule's indices, epsilon is the step whose batch is seen: for batches t and t + 1 in turned order, take
    it twice, in step t with epsilon t + 1 and in step t + 1 with epsilon t. Rows may be longer or shorter than those of
    the run's own schedule.

    Args:
        indices: rows of examples.
        weights: of the examples, where the run's schedule has some.

    Returns:
        An Intervention; epsilon is the number of a row.

    Raises:
        InputError: for indices that are no table; when it happens, for examples that are not there, or weights that are
            missing.

    >>> data = jnp.arange(100)
    >>> batch = Batch(data[:2], None, jax.random.key(0), data)
    >>> of_batch(jnp.array([[0, 1], [7, 9]])).on_batch(None, batch, 1.0).examples
    Array([7, 9], dtype=int32)
    """
    seen = _rows(indices, weights)

    def on_batch(key, batch: Batch, epsilon):
        return seen(batch, jnp.asarray(epsilon, jnp.int32))

    return Intervention(None, on_batch, check=between(0, len(indices) - 1, whole=True))


def of_schedule(schedule: Schedule) -> Intervention:
    """The step's batch is that of another schedule: of another seed, another batch size, or of another part of the
    dataset. It has no epsilon; after the other schedule's end it begins anew.

    For another schedule all along, let it happen from step 0 until the end. For another data set, give both as one,
    and add the number of examples of the first to the indices of the second's schedule.

    Args:
        schedule: the other one.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: as `of_batch`.

    >>> data = jnp.arange(100)
    >>> batch = Batch(data[:2], None, jax.random.key(0), data, step=3)
    >>> other = Schedule(jnp.array([[0, 1, 2], [7, 8, 9]]), None, jax.random.key(0))
    >>> of_schedule(other).on_batch(None, batch, None).examples
    Array([7, 8, 9], dtype=int32)
    """
    seen = _rows(schedule.indices, schedule.weights)

    def on_batch(key, batch: Batch, epsilon):
        require(batch.step is not None, "the batch knows no step: give it as Batch.step")
        return seen(batch, jnp.asarray(batch.step) % len(schedule.indices))

    return Intervention(None, on_batch)


def _rows(indices, weights):
    """`(batch, number) -> batch` of the row of that number."""
    indices = np.asarray(indices)
    is_table = indices.ndim == 2 and indices.size > 0 and np.issubdtype(indices.dtype, np.integer)
    require(is_table, f"indices {indices.dtype}{indices.shape} are no batches: expected int (batches, examples)")
    shape = None if weights is None else np.shape(weights)
    require(
        shape in (None, indices.shape), f"weights of shape {shape} for indices of {indices.shape}: give one for each"
    )

    def seen(batch: Batch, number) -> Batch:
        num = len(jax.tree.leaves(_dataset(batch))[0])
        least, most = indices.min(), indices.max()
        require(least >= 0 and most < num, f"batches of examples {least} to {most} out of {num}: give 0 to {num - 1}")
        both = (batch.weights is None) == (weights is None)
        require(both, "of both schedules one has example weights: give them to `of_batch` too, or to none")
        own = None if weights is None else jnp.asarray(weights)[number]
        return batch._replace(examples=examples_at(batch.dataset, jnp.asarray(indices)[number]), weights=own)

    return seen


def _labeled(batch: Batch):
    """(inputs, labels) of a batch; InputError if its examples are something else."""
    is_pair = isinstance(batch.examples, tuple) and len(batch.examples) == 2
    labels = batch.examples[1] if is_pair else None
    fits = (
        isinstance(labels, (jax.Array, np.ndarray)) and labels.ndim == 1 and jnp.issubdtype(labels.dtype, jnp.integer)
    )
    require(
        fits, "the examples have no labels to change: expected (inputs, labels), labels whole numbers, one for each"
    )
    return batch.examples


def _dataset(batch: Batch):
    require(batch.dataset is not None, "the batch knows no other examples than its own: give it as Batch.dataset")
    return batch.dataset
