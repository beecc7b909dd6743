"""Whether members end in the same valley: losses on the straight line to the baseline."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from pathjax.core.errors import require
from pathjax.core.networks import as_network, bind, weights_of
from pathjax.core.types import Network, Observable, PyTree, Variable
from pathjax.measures.interpolation import Line, Statistics, along_line, barrier, integral
from pathjax.observables.function_space import evaluate

NUM_POINTS = 11


def linear_connectivity(
    predict: Callable,
    sets: dict[str, tuple],
    *,
    every: int = 1,
    num_points: int = NUM_POINTS,
    statistics: Statistics | None = None,
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
        statistics: for a model with a state: how to recompute it at each point, ends included. None: the state is
            interpolated as the weights are, which is wrong for batch normalization between the ends (Jordan et al.
            2022).

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Source: linear mode connectivity (Frankle et al. 2020); recomputed statistics, REPAIR (Jordan et al. 2022).

    >>> linear_connectivity(lambda w, x: x @ w, {}, num_points=3).coords
    (('alpha', (0.0, 0.5, 1.0)),)
    """
    names, coords = tuple(sets), alphas(num_points)
    recompute = statistics and statistics.recompute

    def read(carry, snapshot):
        ends = weights_of(snapshot.baseline), weights_of(snapshot.state)
        points = Points(num_points, lambda weights: refreshed(recompute, weights, snapshot.data))
        return carry, lines(predict, *ends, snapshot.data["sets"], points)

    data = line_data(sets, statistics)
    return Observable(lambda snapshot: (), read, None, every, "member", line_variables(names), data, coords)


def line_data(sets: dict[str, tuple], statistics: Statistics | None) -> dict:
    """Returns an observable's data for lines.

    >>> line_data({"test": (1, 2)}, None)
    {'sets': {'test': (1, 2)}, 'statistics': None}
    """
    return {"sets": dict(sets), "statistics": None if statistics is None else statistics.inputs}


def refreshed(recompute: Callable | None, weights: PyTree, data: dict) -> PyTree:
    """Returns the network with its statistics recomputed, or unchanged if there is nothing to recompute.

    Args:
        recompute: see `pathjax.measures.interpolation.Statistics`.
        weights: weights or a Network.
        data: holds the inputs, as `line_data` returns them.

    >>> offset = lambda w, offset, x: jnp.mean(w * x)
    >>> refreshed(offset, Network(2.0, 0.0), {"statistics": jnp.array([1.0, 3.0])}).model_state
    Array(4., dtype=float32)
    """
    if recompute is None:
        return weights
    require(isinstance(weights, Network), "statistics are given, but the model has no state to recompute")
    state = recompute(weights.params, weights.model_state, data["statistics"])
    return weights._replace(model_state=state)


def alphas(num_points: int) -> tuple:
    """Returns the coordinate of a line's points.

    >>> alphas(2)
    (('alpha', (0.0, 1.0)),)
    """
    fits = isinstance(num_points, int) and num_points >= 2
    require(fits, f"num_points must be an integer of 2 or more, not {num_points!r}")
    return (("alpha", tuple(i / (num_points - 1) for i in range(num_points))),)


class Points(NamedTuple):
    """The points of a line: their number, what is done to a network there, and the prefix of their records' names."""

    num_points: int = NUM_POINTS
    prepare: Callable[[PyTree], PyTree] = lambda weights: weights
    prefix: str = ""


def lines(predict: Callable, a: PyTree, b: PyTree, sets: dict[str, tuple], points: Points) -> dict:
    """Returns the records of the line from a to b, by name; a and b are weights, or each a Network.

    >>> examples = (jnp.ones((5, 3)), jnp.zeros(5, jnp.int32))
    >>> sorted(lines(lambda w, x: x @ w, jnp.zeros((3, 2)), jnp.ones((3, 2)), {"test": examples}, Points(3)))[:3]
    ['test_accuracy_barrier', 'test_barrier', 'test_line_accuracy']
    """
    record: dict = {}
    for name, examples in sets.items():

        def at(weights, examples=examples):
            network = as_network(points.prepare(weights))
            bound = bind(predict, network)
            found = evaluate(bound, ("loss", "accuracy"), network.params, (*examples, examples[1]))
            return Line(found["loss"], found["accuracy"])

        found = along_line(at, a, b, jnp.linspace(0, 1, points.num_points))
        record |= {
            f"{points.prefix}{name}_line_loss": found.loss,
            f"{points.prefix}{name}_line_accuracy": found.accuracy,
            f"{points.prefix}{name}_barrier": barrier(found.loss),
            f"{points.prefix}{name}_line_integral": integral(found.loss),
            f"{points.prefix}{name}_accuracy_barrier": barrier(-found.accuracy),
            f"{points.prefix}{name}_line_accuracy_integral": integral(found.accuracy),
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
