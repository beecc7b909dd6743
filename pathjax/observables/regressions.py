"""Predictions of regression networks, and their distances to the baseline's."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from pathjax.core.networks import bind
from pathjax.core.sources import require_set_in_memory
from pathjax.core.types import Observable, Snapshot, Variable
from pathjax.observables.function_space import over_examples


def regression(predict: Callable, sets: dict[str, tuple], *, every: int = 1) -> Observable:
    """Records losses, explained variance, and distances to the baseline in function space, on each named set.

    Records, for a set named "test", `test_loss` (), the mean of |f(x) - y|^2 / 2; `test_r2` (), the explained share of
    the targets' variance; `test_output_distance` (), the root mean square of |f(x) - f_0(x)| with f_0 the baseline.
    Each example is evaluated separately.

    Args:
        predict: `predict(params, inputs) -> outputs`, shapes (n, ...) to (n, outputs).
        sets: name -> (inputs, targets), targets float (n, outputs).
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> examples = (jnp.zeros((5, 3)), jnp.zeros((5, 1)))
    >>> [v.name for v in regression(lambda w, x: x @ w, {"test": examples}).variables]
    ['test_loss', 'test_r2', 'test_output_distance']
    """
    names = tuple(sets)
    for name in names:
        require_set_in_memory(name, sets[name])

    def outputs(state, inputs):
        bound = bind(predict, state)
        return over_examples(lambda x: bound(state.params, x[None])[0], inputs)

    def reference(baseline, data):
        return {name: outputs(baseline, data[name][0]) for name in names}

    def read(carry, snapshot: Snapshot):
        record: dict[str, Array] = {}
        for name in names:
            inputs, targets = snapshot.data[name]
            found = outputs(snapshot.state, inputs)
            squares = jnp.mean(jnp.sum((found - targets) ** 2, axis=-1))
            variance = jnp.mean(jnp.sum((targets - jnp.mean(targets, axis=0, keepdims=True)) ** 2, axis=-1))
            away = jnp.sqrt(jnp.mean(jnp.sum((found - snapshot.reference[name]) ** 2, axis=-1)))
            values = (squares / 2, 1 - squares / variance, away)
            record |= dict(zip(_names(name), values, strict=True))
        return carry, record

    variables = tuple(
        Variable(variable, (), units, f"{label} on the {name} set")
        for name in names
        for variable, (units, label) in zip(_names(name), _LABELS, strict=True)
    )
    return Observable(lambda snapshot: (), read, None, every, "member", variables, dict(sets), reference=reference)


_LABELS = (
    ("output^2", "half the mean squared error"),
    ("1", "share of the targets' variance that is explained"),
    ("output", "root mean square distance to the baseline's outputs"),
)


def _names(name: str) -> tuple[str, ...]:
    return f"{name}_loss", f"{name}_r2", f"{name}_output_distance"
