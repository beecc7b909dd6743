"""Sensitivity of a run to parameters: forward derivatives, checked against finite differences in the same loop."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.function_equality import Function, by_value
from pathjax.core.networks import of_networks, weights_of
from pathjax.core.sources import require_arrays
from pathjax.core.types import Dynamics, PyTree, State
from pathjax.derivatives.parameters import Displacements, Parameter, displacements, has_examples
from pathjax.derivatives.propagate import advance, record, start
from pathjax.tangents.propagate import from_groups
from pathjax.training.schedule import Schedule, check_indices, take_batch

TOLERANCE = 0.01  # largest relative difference that is not reported


@shown_in_short
class Sensitivity(NamedTuple):
    """Derivatives of a run with respect to K parameters theta, at R recorded steps.

    `norm` is |dw_t / d theta|, and `difference_norm` the same by central differences, |w_t(+epsilon) - w_t(-epsilon)| /
    (2 epsilon); `disagreement` is the norm of the difference of the two vectors, relative to the derivative's.
    `readout` is `readout(params)` along the run (R, ...); `readout_derivative` and `readout_difference` are its
    derivative by both methods, (R, K, ...). `tangents` is dw_T / d theta, like the params with a leading axis K.
    """

    labels: tuple[str, ...]
    steps: Int[np.ndarray, " R"]
    norm: Float[np.ndarray, "R K"]
    difference_norm: Float[np.ndarray, "R K"]
    disagreement: Float[np.ndarray, "R K"]
    readout: PyTree
    readout_derivative: PyTree
    readout_difference: PyTree
    tangents: PyTree


def sensitivity(
    dynamics: Dynamics,
    state: State,
    dataset: PyTree,
    schedule: Schedule,
    wrt: Mapping[str, Parameter],
    *,
    every: int | None = None,
    readout: Callable[[PyTree], PyTree] | None = None,
) -> Sensitivity:
    """Computes derivatives of the weights along a run, and of a readout of them, with respect to all of `wrt`.

    Tangents are pushed forward along the run; each step is linearized once for all of them. For each parameter, two
    copies of the run with theta = +epsilon and -epsilon give the finite difference, which shows how far the derivative
    can be trusted. For nonsmooth networks (ReLU) the two may differ, however small the epsilon.

    Args:
        dynamics: see `training_dynamics`; hyperparameters are taken from the state.
        state: the initial state, see `dynamics.init`.
        dataset: a pytree of arrays with the examples on the leading axis.
        schedule: T steps.
        wrt: parameters by label; see `hyperparameter`, `direction` and `example_weight`.
        every: steps between records, a divisor of T; default: T.
        readout: `readout(params)`, a pytree of float arrays, such as the test loss or a prediction; for a model with a
            state `readout(params, model_state)`.

    Returns:
        A Sensitivity at R = 1 + T / every records.

    Raises:
        InputError: if `every` does not divide T, or a parameter does not exist.

    Source: forward-mode differentiation of the training map, for hyperparameters by Franceschi et al. 2017.

    >>> import optax, pathjax
    >>> from pathjax.derivatives import hyperparameter
    >>> dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), lambda h: optax.sgd(h["rate"]))
    >>> state = dynamics.init(jnp.ones(4), {"rate": 0.1})
    >>> schedule = pathjax.batch_schedule(jax.random.key(0), num_examples=4, batch_size=2, num_steps=10)
    >>> found = sensitivity(dynamics, state, jnp.zeros(4), schedule, {"rate": hyperparameter("rate")})
    >>> f"{found.norm[-1, 0]:.4f}", f"{2 * 10 * 0.9**9:.4f}"
    ('7.7484', '7.7484')
    """
    num_steps, batch_size = schedule.indices.shape
    every = num_steps if every is None else every
    require(
        every >= 1 and every == int(every) and num_steps % every == 0,
        f"every={every} does not divide the schedule's {num_steps} steps; choose a divisor",
    )
    require_arrays("the dataset", dataset)
    check_indices(schedule, dataset)
    read = readout or (lambda *network: ())
    shapes = jax.eval_shape(of_networks(read), weights_of(state))
    kinds = {str(leaf.dtype) for leaf in jax.tree.leaves(shapes) if not trees.is_float(leaf)}
    require(not kinds, f"readout must return floats, which have derivatives, not {', '.join(kinds)}")
    moves = displacements(wrt, state, (num_steps, batch_size))
    rows = (schedule.indices, schedule.weights)
    rows = jax.tree.map(lambda a: jnp.asarray(a).reshape(-1, every, a.shape[1]), rows)
    program = (by_value(dynamics), Function(read), has_examples(wrt))
    records, tangents = _run(*program, state, dataset, schedule.key, rows, moves)
    norm, difference_norm, disagreement, values, by_derivative, by_difference = jax.tree.map(np.asarray, records)
    return Sensitivity(
        labels=tuple(wrt),
        steps=np.arange(0, num_steps + 1, every),
        norm=norm,
        difference_norm=difference_norm,
        disagreement=disagreement,
        readout=values,
        readout_derivative=by_derivative,
        readout_difference=by_difference,
        tangents=tangents,
    )


@functools.partial(jax.jit, static_argnames=("dynamics", "read", "weighted"))
def _run(dynamics, read, weighted: bool, state: State, dataset, key, rows, moves: Displacements):
    def one_step(carry, row):
        state, carry = carry
        batch = take_batch(dataset, key, state, row)
        return advance(dynamics, moves, weighted, batch, state, carry), None

    def block(carry, part):
        state, carry = jax.lax.scan(one_step, carry, part)[0]
        return (state, carry), record(read, moves, state, carry)

    moves = moves._replace(at=jnp.where(moves.at < 0, moves.at, moves.at + state.step))  # count steps as the state does
    first = start(state, moves)
    (_, last), later = jax.lax.scan(block, (state, first), rows)
    now = record(read, moves, state, first)
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), now, later), from_groups(last.groups).params


def disagreements(found: Sensitivity, tolerance: float = TOLERANCE) -> list[str]:
    """Returns a line for each parameter whose finite difference disagrees with the derivative at the end of the run.

    Args:
        found: a result of `sensitivity`.
        tolerance: largest accepted difference, relative to the derivative.

    Returns:
        One line per disagreeing parameter; an empty list if all agree.

    >>> from pathjax.derivatives.parameters import direction
    >>> disagreements(Sensitivity(("w",), *[np.array([[value]]) for value in (0, 1.0, 2.0, 1.5)], (), (), (), ()))
    ['w: the finite difference is 2, the derivative 1 (they differ by 150%): nonsmooth dynamics or epsilon too large']
    """
    lines = []
    for k, label in enumerate(found.labels):
        norm, difference, error = (a[-1, k] for a in (found.norm, found.difference_norm, found.disagreement))
        if not error <= tolerance:
            what = f"the finite difference is {difference:.4g}, the derivative {norm:.4g} (they differ by {error:.0%})"
            lines.append(f"{label}: {what}: nonsmooth dynamics or epsilon too large")
    return lines
