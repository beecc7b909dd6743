"""Kinks between a member and the baseline: units that are on for one and off for the other, and what they cause."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pathjax.core import trees
from pathjax.core.types import Observable, PyTree, Snapshot, Transition, Variable

Pattern = list[Array]  # for each layer, bool arrays: which units are on, for each example


def pattern_of(predict: Callable, params: PyTree, inputs: Any) -> Pattern:
    """Returns which units are on: whether what enters each activation is above 0.

    Args:
        predict: `predict(params, inputs, activation) -> outputs`, a network that calls `activation` in each layer, for
            example `lambda params, x, activation: MLP((100,), 10, activation).apply({"params": params}, x)`.
        params: weights.
        inputs: of n examples.

    Returns:
        A list of bool arrays, one for each call of the activation, of the shape of what entered it.

    >>> network = lambda w, x, activation: activation(w * x)
    >>> [layer.tolist() for layer in pattern_of(network, 2.0, jnp.array([-1.0, 1.0]))]
    [[False, True]]
    """
    found: Pattern = []

    def activation(z):
        found.append(z > 0)
        return jax.nn.relu(z)

    predict(params, inputs, activation)
    return found


def with_pattern(predict: Callable, params: PyTree, inputs: Any, pattern: Pattern, leak: float = 0.0) -> Array:
    """Returns the outputs of a network whose units are held on or off, whatever enters them.

    Args:
        predict, params, inputs: see `pattern_of`.
        pattern: of `pattern_of`, of this or of other weights.
        leak: slope of units that are off.

    Returns:
        The outputs.

    >>> network = lambda w, x, activation: activation(w * x)
    >>> with_pattern(network, 2.0, jnp.array([-1.0, 1.0]), [jnp.array([True, False])])
    Array([-2.,  0.], dtype=float32)
    """
    rest = iter(pattern)
    return predict(params, inputs, lambda z: jnp.where(next(rest), z, leak * z))


def kink_crossings(predict: Callable, loss: Callable, *, every: int = 1, leak: float = 0.0) -> Observable:
    """Records kinks between each member and the baseline on the steps' batches, and the gradient that they cause.

    At each step a unit of an example differs if it is on for the member and off for the baseline, or the reverse. The
    gradient due to kinks, G, is the member's gradient less its gradient with all units held as the baseline's: after a
    step of SGD it has moved the member by -rate G. With the separation s = w - w_0 before the step, the records hold
    sums over the steps since the last record, which add up whatever the cadence:

        crossings = sum of differing units,  kink_squared = sum |G|^2,  kink_along = sum <G, s>,
        separation_sum = sum |s|,  separation_squared = sum |s|^2.

    So r = crossings / separation_sum is the rate per step and distance, and rate kink_along / separation_squared the
    healing h per step (positive where kinks pull the two together).

    Args:
        predict: `predict(params, inputs, activation) -> outputs`; see `pattern_of`.
        loss: `loss(outputs, targets) -> losses` of the examples, whose mean is trained on.
        every: steps between records.
        leak: slope of units that are off; 0 for ReLU.

    Returns:
        An Observable of scope "member"; each step costs two more gradients and forward passes.

    >>> [v.name for v in kink_crossings(lambda w, x, f: f(x @ w), lambda out, y: (out - y) ** 2).variables][:2]
    ['crossings', 'kink_squared']
    """

    def gradient(params, examples, pattern):
        inputs, targets = examples

        def mean_loss(params):
            return jnp.mean(loss(with_pattern(predict, params, inputs, pattern, leak), targets))

        return jax.grad(mean_loss)(params)

    def update(sums, t: Transition):
        own, others = t.before.params, t.baseline.before.params
        pattern, held = (pattern_of(predict, params, t.batch.examples[0]) for params in (own, others))
        differing = jnp.sum(jnp.stack([jnp.sum(a != b) for a, b in zip(pattern, held, strict=True)]))
        kinks = jax.tree.map(jnp.subtract, *(gradient(own, t.batch.examples, one) for one in (pattern, held)))
        apart = jax.tree.map(jnp.subtract, own, others)
        square = _square(apart)
        along = sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(kinks), jax.tree.leaves(apart), strict=True))
        new = (differing.astype(square.dtype), _square(kinks), along, jnp.sqrt(square), square)
        return jax.tree.map(jnp.add, sums, new)

    def read(sums, snapshot: Snapshot):
        record = {variable.name: value for variable, value in zip(VARIABLES, sums, strict=True)}
        return jax.tree.map(jnp.zeros_like, sums), record

    def start(snapshot: Snapshot):
        zero = jnp.zeros((), trees.float_type(snapshot.state.params))
        return (zero,) * len(VARIABLES)

    return Observable(start, read, update, every, "member", VARIABLES, needs=("baseline",))


def _square(tree: PyTree) -> Array:
    return jnp.sum(trees.squared_norms(tree))


VARIABLES = (
    Variable("crossings", (), "1", "units that differ from the baseline's, summed over steps and examples"),
    Variable("kink_squared", (), "gradient^2", "squared gradient due to kinks, summed over steps"),
    Variable("kink_along", (), "gradient weight", "gradient due to kinks along the separation, summed over steps"),
    Variable("separation_sum", (), "weight", "distance before each step, summed over steps"),
    Variable("separation_squared", (), "weight^2", "squared distance before each step, summed over steps"),
)


def pattern_differences(predict: Callable, inputs: Any, *, every: int = 1) -> Observable:
    """Records on how many units of a fixed set a member differs from the baseline, and how many began and healed.

    Args:
        predict: see `pattern_of`.
        inputs: of n examples.
        every: steps between records.

    Returns:
        An Observable of scope "member" with `differing`, `begun` and `healed`: the number of (example, unit) pairs that
        differ, that differ and did not at the last record, and that did and no longer do. It stores one bit per pair
        and member.

    >>> [v.name for v in pattern_differences(lambda w, x, f: f(x @ w), jnp.ones((5, 3))).variables]
    ['differing', 'begun', 'healed']
    """

    def differences(snapshot: Snapshot):
        own = pattern_of(predict, snapshot.state.params, snapshot.data)
        return [a != b for a, b in zip(own, snapshot.reference, strict=True)]

    def reference(baseline, data):
        return pattern_of(predict, baseline.params, data)

    def read(before: Pattern, snapshot: Snapshot):
        now = differences(snapshot)
        counts = {
            "differing": sum(jnp.sum(a) for a in now),
            "begun": sum(jnp.sum(a & ~b) for a, b in zip(now, before, strict=True)),
            "healed": sum(jnp.sum(b & ~a) for a, b in zip(now, before, strict=True)),
        }
        return now, counts

    texts = {"differing": "differ from the baseline's", "begun": "began to differ", "healed": "ceased to differ"}
    variables = tuple(Variable(name, (), "1", f"pairs of example and unit that {text}") for name, text in texts.items())
    return Observable(differences, read, None, every, "member", variables, inputs, reference=reference)
