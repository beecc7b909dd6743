"""Changes of what a member sees in one step, while all others see the batch of the schedule."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from pathjax.errors import require
from pathjax.interventions.intervention import Intervention
from pathjax.schedule import examples_at
from pathjax.typing import Batch


def of_label(num_classes: int) -> Intervention:
    """The label of one random example is another one, each as likely. It has no size.

    Of examples that are (inputs, labels), labels int.

    >>> batch = Batch((jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32)), None, jax.random.key(0))
    >>> changed = of_label(2).on_batch(batch, jax.random.key(0), None)
    >>> int(changed.examples[1].sum())
    1
    """
    require(num_classes >= 2, f"{num_classes} classes leave no other label: give 2 or more")

    def on_batch(batch: Batch, key, size):
        inputs, labels = batch.examples
        which, shift = jax.random.split(key)
        place = jax.random.randint(which, (), 0, len(labels))
        other = (labels[place] + jax.random.randint(shift, (), 1, num_classes)) % num_classes
        return batch._replace(examples=(inputs, labels.at[place].set(other.astype(labels.dtype))))

    return Intervention(None, on_batch)


def of_example_weight() -> Intervention:
    """The size is added to the weight of one random example (weights are 1 by default).

    The loss must be given example by example; see `training_dynamics`.

    >>> batch = Batch((jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32)), None, jax.random.key(0))
    >>> sorted(of_example_weight().on_batch(batch, jax.random.key(0), 0.5).weights.tolist())
    [1.0, 1.0, 1.0, 1.5]
    """

    def on_batch(batch: Batch, key, size):
        num = len(jax.tree.leaves(batch.examples)[0])
        weights = jnp.ones(num, jnp.result_type(float)) if batch.weights is None else batch.weights
        place = jax.random.randint(key, (), 0, num)
        return batch._replace(weights=weights.at[place].add(jnp.asarray(size, weights.dtype)))

    return Intervention(None, on_batch)


def of_example() -> Intervention:
    """One random example of the batch is another one of the dataset, each as likely. It has no size.

    >>> data = jnp.arange(100)
    >>> batch = Batch(data[:4], None, jax.random.key(0), data)
    >>> int((of_example().on_batch(batch, jax.random.key(0), None).examples != data[:4]).sum())
    1
    """

    def on_batch(batch: Batch, key, size):
        which, what = jax.random.split(key)
        place = jax.random.randint(which, (), 0, len(jax.tree.leaves(batch.examples)[0]))
        num = len(jax.tree.leaves(_dataset(batch))[0])
        other = examples_at(batch.dataset, jax.random.randint(what, (), 0, num))
        examples = jax.tree.map(lambda all_, one: all_.at[place].set(one), batch.examples, other)
        return batch._replace(examples=examples)

    return Intervention(None, on_batch)


def of_batch(indices: Int[Array, "T B"]) -> Intervention:
    """The whole batch is another one: the examples of the row of `indices` whose number is the size.

    With a schedule's indices, the size is the step whose batch is seen: for batches t and t + 1 in turned order, take
    it twice, in step t with size t + 1 and in step t + 1 with size t. With those of another schedule, the size is the
    step of that one.

    Raises:
        InputError: for indices that are no table.

    >>> data = jnp.arange(100)
    >>> batch = Batch(data[:2], None, jax.random.key(0), data)
    >>> of_batch(jnp.array([[0, 1], [7, 9]])).on_batch(batch, None, 1.0).examples
    Array([7, 9], dtype=int32)
    """
    indices = jnp.asarray(indices)
    require(indices.ndim == 2, f"indices of shape {indices.shape} are no batches: expected (batches, examples)")

    def on_batch(batch: Batch, key, size):
        row = indices[jnp.asarray(size, jnp.int32)]
        return batch._replace(examples=examples_at(_dataset(batch), row))

    return Intervention(None, on_batch)


def _dataset(batch: Batch):
    require(batch.dataset is not None, "the batch knows no other examples than its own: give it as Batch.dataset")
    return batch.dataset
