"""What the members compute: losses, accuracies and agreement on sets of examples."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from pathjax.typing import Observable, PyTree, Snapshot, Variable

BLOCK = 500  # examples evaluated at once, at most: bounds the memory of the hidden layers


def classification(predict: Callable, sets: dict[str, tuple], every: int = 1) -> Observable:
    """Cross-entropy, accuracy and agreement with the baseline on each named set.

    Records, for a set named "test": test_loss () in nats; test_accuracy (), the fraction right; test_agreement (), the
    fraction of examples given the same class as by the baseline.

    Args:
        predict: `predict(params, inputs) -> logits`, shapes (n, ...) to (n, classes).
        sets: name -> (inputs, labels), labels int.
        every: steps between records.

    >>> examples = (jnp.zeros((5, 3)), jnp.zeros(5, jnp.int32))
    >>> [v.name for v in classification(lambda w, x: x @ w, {"test": examples}).variables]
    ['test_loss', 'test_accuracy', 'test_agreement']
    """
    names = tuple(sets)

    def reference(baseline, data):
        return {name: _over_examples(_choice(predict, baseline.params), data[name]) for name in names}

    def read(carry, snapshot: Snapshot):
        record: dict[str, jax.Array] = {}
        for name in names:
            values = _evaluate(predict, snapshot.state.params, snapshot.data[name], snapshot.reference[name])
            record |= {f"{name}_{what}": value for what, value in values.items()}
        return carry, record

    variables = tuple(
        Variable(f"{name}_{what}", (), units, f"{label} on the {name} set")
        for name in names
        for what, units, label in (
            ("loss", "nats", "mean cross-entropy"),
            ("accuracy", "1", "fraction classified right"),
            ("agreement", "1", "fraction classified as by the baseline"),
        )
    )
    return Observable(lambda snapshot: (), read, None, every, "member", variables, dict(sets), reference=reference)


def _choice(predict, params: PyTree):
    return lambda example: jnp.argmax(predict(params, example[0][None])[0])


def _evaluate(predict, params: PyTree, examples, baseline_choices) -> dict:
    def one(example):
        (inputs, label), baseline_choice = example
        logits = predict(params, inputs[None])[0]
        choice = jnp.argmax(logits)
        return {
            "loss": optax.softmax_cross_entropy_with_integer_labels(logits, label),
            "accuracy": choice == label,
            "agreement": choice == baseline_choice,
        }

    return jax.tree.map(jnp.mean, _over_examples(one, (examples, baseline_choices)))


def _over_examples(fn, examples):
    """`fn` of each example, in blocks of equal length where there is such: a shorter one is compiled once more."""
    num = len(jax.tree.leaves(examples)[0])
    equal = next((size for size in range(min(num, BLOCK), BLOCK // 2, -1) if num % size == 0), BLOCK)
    return jax.lax.map(fn, examples, batch_size=equal)
