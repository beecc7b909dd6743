"""Outputs of the members on sets of examples, and their differences from the baseline's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pathjax.core.errors import require
from pathjax.core.networks import bind
from pathjax.core.sources import require_set_in_memory
from pathjax.core.types import Observable, PyTree, Snapshot, Variable
from pathjax.observables.classification_measures import AUC, DEFAULT, MEASURES, OF_SETS, area_under_curve

BLOCK = 500  # maximum number of examples per evaluation, which bounds the memory of the hidden layers
DTYPES = ("float16", "float32", "float64")  # which files can hold
PER_EXAMPLE = {"outputs": "logit", "losses": "nats", "correct": "1"}


def classification(
    predict: Callable,
    sets: dict[str, tuple],
    *,
    every: int = 1,
    measures: Sequence[str] = DEFAULT,
    per_example: Sequence[str] = (),
    dtype: str | None = None,
) -> Observable:
    """Records losses, accuracies, and distances to the baseline in function space, on each named set.

    Records, for a set named "test", `test_<measure>` () for each requested measure of MEASURES or "auc", the area under
    the ROC curve; and `test_outputs` (test_example, class), `test_losses`, `test_correct` (test_example)
    for those of `per_example`. All of a set share one forward pass. The agreement equals the counterfactual accuracy,
    with the baseline's choices as truth. Each example is evaluated separately: a network whose output depends on the
    rest of a batch gives its output for a batch of one.

    A set with several labelings, such as images that show two patterns, has labels {"digit": ..., "garment": ...}: what
    depends on labels is then recorded for each, as `test_digit_loss` or `test_garment_correct`.

    Args:
        predict: `predict(params, inputs) -> logits`, shapes (n, ...) to (n, classes), or to (n, places, classes) for
            sequences, averaged over places. For a model with a state `predict(params, model_state, inputs)`, in
            evaluation mode; so for all observables.
        sets: name -> (inputs, labels), labels int (n,), or (n, places); or a dict of such labels by name.
        every: steps between records.
        measures: names in MEASURES, or "auc".
        per_example: names in PER_EXAMPLE, "outputs", "losses" and "correct".
        dtype: type of outputs and losses in the records, "float16", "float32" or "float64"; None: as computed.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member), `correct` of int8.

    Raises:
        InputError: for an unknown measure or dtype, or a set without one label for each input.

    >>> examples = (jnp.zeros((5, 3)), jnp.zeros(5, jnp.int32))
    >>> [v.name for v in classification(lambda w, x: x @ w, {"test": examples}).variables]
    ['test_loss', 'test_accuracy', 'test_agreement']
    """
    names, measures, per_example = tuple(sets), tuple(measures), tuple(per_example)
    for chosen, known in ((measures, OF_SETS), (per_example, PER_EXAMPLE)):
        for one in chosen:
            require(one in known, f"unknown measure '{one}'; choose from {', '.join(known)}")
    require(dtype is None or dtype in DTYPES, f"dtype must be one of {', '.join(DTYPES)}, or None, not {dtype!r}")
    for name, given in sets.items():
        require_set_in_memory(name, given)
        _check_set(name, *given)

    def reference(baseline, data):
        return {name: _logits_on(bind(predict, baseline), baseline.params, data[name][0]) for name in names}

    def read(carry, snapshot: Snapshot):
        record: dict[str, jax.Array] = {}
        for name in names:
            inputs, labels = snapshot.data[name]
            own = bind(predict, snapshot.state)
            found = _evaluated(
                own, snapshot.state.params, inputs, labels, snapshot.reference[name], measures, per_example
            )
            record |= {f"{name}_{key}": _recorded(value, dtype) for key, value in found.items()}
        return carry, record

    variables = tuple(v for name in names for v in _variables(name, sets[name][1], measures, per_example))
    return Observable(lambda snapshot: (), read, None, every, "member", variables, dict(sets), reference=reference)


def outputs(
    predict: Callable,
    sets: dict[str, tuple],
    *,
    every: int,
    per_example: Sequence[str] = tuple(PER_EXAMPLE),
    dtype: str | None = None,
) -> Observable:
    """Records each member's outputs, losses and correctness, example by example; see `classification`, which records
    these beside other measures in the same forward pass.

    The records of M members on n examples with c classes take M n (c + 1) numbers each time. To keep them out of
    memory, `pathjax.io.record_files.stream` writes them to disk chunk by chunk.

    Args:
        predict, sets, per_example, dtype: see `classification`.
        every: steps between records: a slow cadence.

    Returns:
        An Observable of scope "member"; its records are `test_outputs` (test_example, class), `test_losses` and
        `test_correct` (test_example), after (record, member), for a set named "test".

    Raises:
        InputError: see `classification`.

    >>> examples = (jnp.zeros((5, 3)), jnp.zeros(5, jnp.int32))
    >>> [v.dims for v in outputs(lambda w, x: x @ w, {"test": examples}, every=10).variables][:2]
    [('test_example', 'class'), ('test_example',)]
    """
    return classification(predict, sets, every=every, measures=(), per_example=per_example, dtype=dtype)


def _check_set(name: str, inputs: Any, labels: Any) -> None:
    require(labels is not None and len(_labelings(labels)) > 0, f"the set '{name}' has no labels: give at least one")
    num = len(jax.tree.leaves(inputs)[0])
    for prefix, own in _labelings(labels).items():
        shape = np.shape(own)
        fits = len(shape) in (1, 2) and shape[0] == num
        expected = f"give ({num},), or ({num}, places), one for each input"
        require(fits, f"{prefix}labels of the set '{name}' have shape {shape}: {expected}")


def _labelings(labels: Any) -> dict[str, Any]:
    """Returns labels by the beginning of their records' names: "" for a single labeling."""
    return {f"{name}_": own for name, own in labels.items()} if isinstance(labels, Mapping) else {"": labels}


def _variables(name: str, labels: Any, measures: Sequence[str], per_example: Sequence[str]) -> list[Variable]:
    labelings = _labelings(labels)
    found = []
    for measure in measures:
        units, label, labeled = "1", "area under the ROC curve", True
        if measure != AUC:
            units, label, labeled = MEASURES[measure].units, MEASURES[measure].label, MEASURES[measure].labeled
        for prefix in labelings if labeled else [""]:
            of = f" ({prefix[:-1]} labels)" if prefix else ""
            found.append(Variable(f"{name}_{prefix}{measure}", (), units, f"{label} on the {name} set{of}"))
    places = (f"{name}_place",) if next(iter(labelings.values())).ndim == 2 else ()
    for what in per_example:
        dims = (f"{name}_example", *places, *(["class"] if what == "outputs" else []))
        for prefix in labelings if what != "outputs" else [""]:
            found.append(Variable(f"{name}_{prefix}{what}", dims, PER_EXAMPLE[what], f"{what} on the {name} set"))
    return found


def _recorded(value, dtype):
    return value if dtype is None or value.dtype == jnp.int8 or value.ndim == 0 else value.astype(dtype)


def _logits_on(predict: Callable, params: PyTree, inputs: Any):
    return over_examples(lambda x: _logits(predict, params, x), inputs)


def evaluate(predict: Callable, measures: Sequence[str], params: PyTree, examples: tuple) -> dict[str, Array]:
    """Computes measures of a network on `examples`, (inputs, labels, another network's logits).

    >>> examples = (jnp.ones((5, 3)), jnp.zeros(5, jnp.int32), jnp.zeros((5, 2)))
    >>> float(evaluate(lambda w, x: x @ w, ["accuracy"], jnp.zeros((3, 2)), examples)["accuracy"])
    1.0
    """
    inputs, labels, others = examples
    return _evaluated(predict, params, inputs, labels, others, measures, ())


def _evaluated(predict, params, inputs, labels, others, measures, per_example) -> dict[str, Array]:
    """Returns all measures and all values per example, by name, from one pass over the examples."""
    labelings = _labelings(labels)
    first = next(iter(labelings))
    means = [name for name in measures if name != AUC]
    keeps_logits = AUC in measures or "outputs" in per_example

    def one(example):
        inputs, labelings, others = example
        logits = _logits(predict, params, inputs)
        values: dict[tuple[str, str], Array] = {}
        kept: dict[str, Array] = {}
        for prefix, label in labelings.items():
            own = [name for name in means if MEASURES[name].labeled or prefix == first]
            for name, value in _measured(own, logits, label, others).items():
                values[prefix if MEASURES[name].labeled else "", name] = value
            kept |= {f"{prefix}{what}": _kept(what, logits, label) for what in per_example if what != "outputs"}
        return values, kept, logits if keeps_logits else None

    values, kept, logits = over_examples(one, (inputs, labelings, others))
    found = {f"{prefix}{name}": MEASURES[name].finish(jnp.mean(value)) for (prefix, name), value in values.items()}
    if AUC in measures:
        found |= {f"{prefix}{AUC}": area_under_curve(logits, own) for prefix, own in labelings.items()}
    return found | kept | ({"outputs": logits} if "outputs" in per_example else {})


def _kept(what: str, logits, label):
    """Returns the loss or correctness of one example, or of each of its places."""
    if logits.ndim > 1:
        return jax.vmap(lambda *place: _kept(what, *place))(logits, label)
    if what == "losses":
        return MEASURES["loss"].of_example(logits, label, logits)
    return (jnp.argmax(logits) == label).astype(jnp.int8)


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
