"""The classes that members choose at given points, such as a plane that shows their decision boundaries."""

from collections.abc import Callable

import jax.numpy as jnp

from pathjax.core.errors import require
from pathjax.core.networks import bind
from pathjax.core.types import AnyArray, Observable, Snapshot, Variable
from pathjax.observables.function_space import over_examples

MAX_CLASSES = 127  # in an int8


def decisions(predict: Callable, inputs: AnyArray, *, every: int, name: str = "plane") -> Observable:
    """Records the class that each member chooses for each of n inputs, argmax of its logits, in one byte.

    Args:
        predict: `predict(params[, model_state], inputs) -> logits`, shapes (n, ...) to (n, classes).
        inputs: (n, ...), such as the points of `pathjax.analysis.boundaries.plane_of`.
        every: steps between records.
        name: name of the set of inputs.

    Returns:
        An Observable of scope "member", which records `plane_decision` (plane_point), int8[record, member, n], for a
        set named "plane".

    Raises:
        InputError: when traced, for more than 127 classes.

    >>> decisions(lambda w, x: x @ w, jnp.zeros((9, 2)), every=5).variables[0].dims
    ('plane_point',)
    """
    label = f"class that is chosen at each point of the {name}"
    variables = (Variable(f"{name}_decision", (f"{name}_point",), "1", label),)

    def read(carry, snapshot: Snapshot):
        own = bind(predict, snapshot.state)

        def chosen(point):
            logits = own(snapshot.state.params, point[None])[0]
            fits = logits.ndim == 1 and logits.shape[0] <= MAX_CLASSES
            require(fits, f"predict returns logits of shape {logits.shape}: expected up to {MAX_CLASSES} classes")
            return jnp.argmax(logits).astype(jnp.int8)

        return carry, {variables[0].name: over_examples(chosen, snapshot.data)}

    return Observable(lambda snapshot: (), read, None, every, "member", variables, jnp.asarray(inputs))
