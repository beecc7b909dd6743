"""The part of the gradient that one pattern causes: how much there is left to learn from it."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.networks import bind
from pathjax.core.types import Observable, Snapshot, Variable
from pathjax.measures.divergences import cross_entropy


def gradient_contrast(predict: Callable, pairs: Mapping[str, tuple[tuple, tuple]], *, every: int = 1) -> Observable:
    """Records the norm of the difference of the loss's gradients on two sets, such as with and without a pattern.

    Records, for a pair named "c", `c_gradient` (): |grad L_1 - grad L_2|, with L_i the mean cross-entropy over the set
    i. If the second set has the inputs of the first with one pattern permuted over examples, this is the gradient by
    which the association of this pattern with the labels is learned.

    Args:
        predict: `predict(params, inputs) -> logits`, shapes (n, ...) to (n, classes).
        pairs: name -> ((inputs, labels), (inputs, labels)), labels int (n,). Each set is evaluated at once.
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays (record, member).

    >>> examples = (jnp.zeros((5, 3)), jnp.zeros(5, jnp.int32))
    >>> [v.name for v in gradient_contrast(lambda w, x: x @ w, {"c": (examples, examples)}).variables]
    ['c_gradient']
    """

    names = tuple(pairs)

    def read(carry, snapshot: Snapshot):
        own = bind(predict, snapshot.state)
        floats, others = trees.split_floats(snapshot.state.params)

        def loss(floats, examples):
            inputs, labels = examples
            return jnp.mean(jax.vmap(cross_entropy)(own(trees.merge(floats, others), inputs), labels))

        record = {}
        for name in names:
            first, second = (jax.grad(loss)(floats, examples) for examples in snapshot.data[name])
            record[f"{name}_gradient"] = trees.norm(jax.tree.map(jnp.subtract, first, second))
        return carry, record

    variables = tuple(
        Variable(f"{name}_gradient", (), "nats/weight", f"norm of the difference of gradients ({name})")
        for name in names
    )
    return Observable(lambda snapshot: (), read, None, every, "member", variables, dict(pairs))
