"""Whether members end in the same valley: losses on the straight line to the baseline."""

from collections.abc import Callable

import jax.numpy as jnp

from pathjax.core.errors import require
from pathjax.core.types import Observable, PyTree, Variable
from pathjax.measures.interpolation import Line, along_line, barrier, integral
from pathjax.observables.function_space import evaluate

NUM_POINTS = 11


def linear_connectivity(
    predict: Callable, sets: dict[str, tuple], *, every: int = 1, num_points: int = NUM_POINTS
) -> Observable:
    """Records losses and accuracies between the baseline (alpha = 0) and each member (alpha = 1), without alignment.

    Records, for a set named "test":
        test_line_loss (alpha), test_line_accuracy (alpha): at equally spaced points
        test_barrier (): the highest excess of the loss over the straight line between the end losses
        test_line_integral (): the mean loss along the line (trapezoidal rule)
        test_accuracy_barrier (), test_line_accuracy_integral (): the same for the accuracy, whose barrier is its
            deepest fall below the straight line

    Args:
        predict: `predict(params, inputs) -> logits`, shapes (n, ...) to (n, classes).
        sets: name -> (inputs, labels), labels int.
        every: steps between records.
        num_points: number of points on the line, including both ends.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Source: linear mode connectivity (Frankle et al. 2020).

    >>> linear_connectivity(lambda w, x: x @ w, {}, num_points=3).coords
    (('alpha', (0.0, 0.5, 1.0)),)
    """
    names, coords = tuple(sets), alphas(num_points)

    def read(carry, snapshot):
        record = lines(predict, snapshot.baseline.params, snapshot.state.params, snapshot.data, num_points)
        return carry, record

    return Observable(lambda snapshot: (), read, None, every, "member", line_variables(names), dict(sets), coords)


def alphas(num_points: int) -> tuple:
    """Returns the coordinate of a line's points.

    >>> alphas(2)
    (('alpha', (0.0, 1.0)),)
    """
    fits = isinstance(num_points, int) and num_points >= 2
    require(fits, f"num_points must be an integer of 2 or more, not {num_points!r}")
    return (("alpha", tuple(i / (num_points - 1) for i in range(num_points))),)


def lines(predict: Callable, a: PyTree, b: PyTree, sets: dict[str, tuple], num_points: int, prefix: str = "") -> dict:
    """Returns the records of the line from a to b, by name.

    >>> examples = (jnp.ones((5, 3)), jnp.zeros(5, jnp.int32))
    >>> sorted(lines(lambda w, x: x @ w, jnp.zeros((3, 2)), jnp.ones((3, 2)), {"test": examples}, 3))[:3]
    ['test_accuracy_barrier', 'test_barrier', 'test_line_accuracy']
    """
    record: dict = {}
    for name, examples in sets.items():

        def at(params, examples=examples):
            found = evaluate(predict, ("loss", "accuracy"), params, (*examples, examples[1]))
            return Line(found["loss"], found["accuracy"])

        line = along_line(at, a, b, jnp.linspace(0, 1, num_points))
        record |= {
            f"{prefix}{name}_line_loss": line.loss,
            f"{prefix}{name}_line_accuracy": line.accuracy,
            f"{prefix}{name}_barrier": barrier(line.loss),
            f"{prefix}{name}_line_integral": integral(line.loss),
            f"{prefix}{name}_accuracy_barrier": barrier(-line.accuracy),
            f"{prefix}{name}_line_accuracy_integral": integral(line.accuracy),
        }
    return record


def line_variables(names: tuple[str, ...], prefix: str = "", then: str = "") -> tuple[Variable, ...]:
    """Returns names and units of the records of `lines`."""
    return tuple(
        Variable(f"{prefix}{name}_{what}", dims, units, f"{label} on the {name} set{then}")
        for name in names
        for what, dims, units, label in (
            ("line_loss", ("alpha",), "nats", "mean cross-entropy on the line from the baseline"),
            ("line_accuracy", ("alpha",), "1", "fraction classified right on the line from the baseline"),
            ("barrier", (), "nats", "highest excess of the loss over the chord"),
            ("line_integral", (), "nats", "mean cross-entropy along the line from the baseline"),
            ("accuracy_barrier", (), "1", "deepest fall of the accuracy below the chord"),
            ("line_accuracy_integral", (), "1", "mean accuracy along the line from the baseline"),
        )
    )
