"""Outputs of the members on sets of examples, and their differences from the baseline's."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pathjax.core.errors import require
from pathjax.core.networks import bind
from pathjax.core.types import Observable, PyTree, Snapshot, Variable
from pathjax.measures.divergences import cross_entropy, jeffreys, jensen_shannon, soft_cross_entropy

BLOCK = 500  # maximum number of examples per evaluation, which bounds the memory of the hidden layers


class Measure(NamedTuple):
    """A number per example, from a member's logits, the label and the baseline's logits, and a function of its mean.

    `metric`: "metric" (for the outputs on the set), "pseudometric" (different outputs may have distance 0), or "" for
    neither."""

    units: str
    label: str
    of_example: Callable[[Array, Array, Array], Array]
    finish: Callable[[Array], Array] = lambda mean: mean
    metric: str = ""


def _right(logits, label):
    return (jnp.argmax(logits) == label).astype(logits.dtype)


MEASURES = {
    "loss": Measure("nats", "mean cross-entropy", lambda z, y, z0: cross_entropy(z, y)),
    "accuracy": Measure("1", "fraction classified right", lambda z, y, z0: _right(z, y)),
    "agreement": Measure("1", "fraction classified as by the baseline", lambda z, y, z0: _right(z, jnp.argmax(z0))),
    "loss_difference": Measure(
        "nats", "mean cross-entropy, less the baseline's", lambda z, y, z0: cross_entropy(z, y) - cross_entropy(z0, y)
    ),
    "accuracy_difference": Measure(
        "1", "fraction classified right, less the baseline's", lambda z, y, z0: _right(z, y) - _right(z0, y)
    ),
    "counterfactual_loss": Measure(
        "nats", "cross-entropy with the baseline's choices as truth", lambda z, y, z0: cross_entropy(z, jnp.argmax(z0))
    ),
    "soft_counterfactual_loss": Measure(
        "nats", "cross-entropy with the baseline's probabilities as truth", lambda z, y, z0: soft_cross_entropy(z, z0)
    ),
    "soft_counterfactual_accuracy": Measure(
        "1", "the baseline's probability of the member's choice", lambda z, y, z0: jax.nn.softmax(z0)[jnp.argmax(z)]
    ),
    "disagreement": Measure(
        "1",
        "fraction classified otherwise than by the baseline",
        lambda z, y, z0: 1 - _right(z, jnp.argmax(z0)),
        metric="pseudometric",
    ),
    "jeffreys": Measure("nats", "symmetrised Kullback-Leibler divergence", lambda z, y, z0: jeffreys(z, z0)),
    "js_distance": Measure(
        "nats^0.5",
        "Jensen-Shannon distance, the mean over examples",
        lambda z, y, z0: jnp.sqrt(jensen_shannon(z, z0)),
        metric="metric",
    ),
    "logit_distance": Measure(
        "logit",
        "2-norm distance of the logits, root mean square over examples",
        lambda z, y, z0: jnp.sum((z - z0) ** 2),
        jnp.sqrt,
        "metric",
    ),
    "softmax_distance": Measure(
        "1",
        "2-norm distance of the probabilities, root mean square over examples",
        lambda z, y, z0: jnp.sum((jax.nn.softmax(z) - jax.nn.softmax(z0)) ** 2),
        jnp.sqrt,
        "metric",
    ),
}
DEFAULT = ("loss", "accuracy", "agreement")


def classification(
    predict: Callable, sets: dict[str, tuple], *, every: int = 1, measures: Sequence[str] = DEFAULT
) -> Observable:
    """Records losses, accuracies, and distances to the baseline in function space, on each named set.

    Records, for a set named "test", `test_<measure>` () for each requested measure of MEASURES. The agreement equals
    the counterfactual accuracy, with the baseline's choices as truth. Each example is evaluated separately: a network
    whose output depends on the rest of a batch gives its output for a batch of one.

    Args:
        predict: `predict(params, inputs) -> logits`, shapes (n, ...) to (n, classes), or to (n, places, classes) for
            sequences, averaged over places. For a model with a state `predict(params, model_state, inputs)`, in
            evaluation mode; so for all observables.
        sets: name -> (inputs, labels), labels int (n,), or (n, places).
        every: steps between records.
        measures: names in MEASURES.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: for an unknown measure.

    >>> examples = (jnp.zeros((5, 3)), jnp.zeros(5, jnp.int32))
    >>> [v.name for v in classification(lambda w, x: x @ w, {"test": examples}).variables]
    ['test_loss', 'test_accuracy', 'test_agreement']
    """
    names, measures = tuple(sets), tuple(measures)
    for measure in measures:
        require(measure in MEASURES, f"unknown measure '{measure}'; choose from {', '.join(MEASURES)}")

    def reference(baseline, data):
        return {name: _logits_on(bind(predict, baseline), baseline.params, data[name]) for name in names}

    def read(carry, snapshot: Snapshot):
        record: dict[str, jax.Array] = {}
        for name in names:
            examples = (*snapshot.data[name], snapshot.reference[name])
            values = evaluate(bind(predict, snapshot.state), measures, snapshot.state.params, examples)
            record |= {f"{name}_{measure}": value for measure, value in values.items()}
        return carry, record

    variables = tuple(
        Variable(f"{name}_{measure}", (), MEASURES[measure].units, f"{MEASURES[measure].label} on the {name} set")
        for name in names
        for measure in measures
    )
    return Observable(lambda snapshot: (), read, None, every, "member", variables, dict(sets), reference=reference)


def _logits_on(predict: Callable, params: PyTree, examples: tuple):
    return over_examples(lambda x: _logits(predict, params, x[0]), examples)


def evaluate(predict: Callable, measures: Sequence[str], params: PyTree, examples: tuple) -> dict[str, Array]:
    """Computes measures of a network on `examples`, (inputs, labels, another network's logits).

    >>> examples = (jnp.ones((5, 3)), jnp.zeros(5, jnp.int32), jnp.zeros((5, 2)))
    >>> float(evaluate(lambda w, x: x @ w, ["accuracy"], jnp.zeros((3, 2)), examples)["accuracy"])
    1.0
    """

    def one(example):
        inputs, label, others = example
        return _measured(measures, _logits(predict, params, inputs), label, others)

    means = jax.tree.map(jnp.mean, over_examples(one, examples))
    return {name: MEASURES[name].finish(mean) for name, mean in means.items()}


def _measured(measures: Sequence[str], logits, label, others) -> dict[str, Array]:
    """Computes the measures of one example; for a sequence, their mean over places."""
    if logits.ndim == 1:
        return {name: MEASURES[name].of_example(logits, label, others) for name in measures}
    return jax.tree.map(jnp.mean, jax.vmap(lambda *place: _measured(measures, *place))(logits, label, others))


def _logits(predict, params: PyTree, inputs):
    logits = predict(params, inputs[None])[0]
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))  # half precision counts only to a few hundred


def over_examples(fn: Callable, examples: PyTree) -> PyTree:
    """Maps `fn` over examples, in blocks of equal length if possible; a shorter last block compiles separately.

    >>> over_examples(lambda x: 2 * x, jnp.arange(3))
    Array([0, 2, 4], dtype=int32)
    """
    num = len(jax.tree.leaves(examples)[0])
    equal = next((size for size in range(min(num, BLOCK), BLOCK // 2, -1) if num % size == 0), BLOCK)
    return jax.lax.map(fn, examples, batch_size=equal)
