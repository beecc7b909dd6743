"""How a run depends on numbers: derivatives carried along it, and finite differences of the same beside them."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.function_equality import Function, by_value
from pathjax.core.types import Dynamics, PyTree, State
from pathjax.derivatives.parameters import Displacements, Parameter, displacements, has_examples
from pathjax.derivatives.propagate import advance, record, start
from pathjax.tangents.propagate import from_groups
from pathjax.training.schedule import Schedule, check_indices, take_batch

TOLERANCE = 0.01  # of a derivative, by which a finite difference may differ before it is said


class Sensitivity(NamedTuple):
    """Derivatives of a run by K numbers theta, at R recorded steps.

    `norm` is |dw_t / d theta|, and `difference_norm` the same by central differences, |w_t(+epsilon) - w_t(-epsilon)| /
    (2 epsilon); `disagreement` is the length of the difference of both vectors, relative to the derivative's. `readout`
    is what `readout(params)` gave along the run (R, ...), `readout_derivative` and `readout_difference` its derivative
    both ways, (R, K, ...). `tangents` is dw_T / d theta, like the params with K in front.
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
    """Derivatives of the weights along a run, and of what is read off them, by all of `wrt` at once.

    Tangents are pushed forward along the run (the derivative of each step is taken once for all of them), beside two
    copies of the run for each parameter, with theta = +epsilon and -epsilon: the finite difference shows how far the
    derivative is to be believed. With kinks (ReLU) it may not be, however small the epsilon.

    Args:
        dynamics: see `training_dynamics`; hyperparameters are those of the state.
        state: where the run starts, see `dynamics.init`.
        dataset: a pytree of arrays with the examples on the leading axis.
        schedule: T steps.
        wrt: by label, see `hyperparameter`, `direction` and `example_weight`.
        every: steps between records, which divide T; default: T.
        readout: `readout(params)`, a pytree of float arrays, such as the test loss or a prediction.

    Returns:
        A Sensitivity at R = 1 + T / every records.

    Raises:
        InputError: if `every` does not divide T, or a parameter is not there.

    Source: forward-mode differentiation of the training map, as of hyperparameters by Franceschi et al. 2017.

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
        f"every={every} does not divide the schedule's {num_steps} steps: choose a divisor",
    )
    check_indices(schedule, dataset)
    read = readout or (lambda params: ())
    kinds = {
        str(leaf.dtype) for leaf in jax.tree.leaves(jax.eval_shape(read, state.params)) if not trees.is_float(leaf)
    }
    require(not kinds, f"readout gives {', '.join(kinds)}, which have no derivatives: give floats")
    moves = displacements(wrt, state, (num_steps, batch_size))
    rows = (schedule.indices, schedule.weights)
    rows = jax.tree.map(lambda a: jnp.asarray(a).reshape(-1, every, a.shape[1]), rows)
    program = (by_value(dynamics), Function(read), has_examples(wrt))
    records, tangents = _run(*program, state, dataset, schedule.key, rows, moves)
    norm, difference_norm, apart, values, by_derivative, by_difference = jax.tree.map(np.asarray, records)
    return Sensitivity(
        labels=tuple(wrt),
        steps=np.arange(0, num_steps + 1, every),
        norm=norm,
        difference_norm=difference_norm,
        disagreement=apart,
        readout=values,
        readout_derivative=by_derivative,
        readout_difference=by_difference,
        tangents=tangents,
    )


@functools.partial(jax.jit, static_argnames=("dynamics", "read", "weighted"))
def _run(dynamics, read, weighted: bool, state: State, dataset, key, rows, moves: Displacements):
    def one_step(carry, row):
        state, carried = carry
        batch = take_batch(dataset, key, state.step, row)
        return advance(dynamics, moves, weighted, batch, state, carried), None

    def block(carry, part):
        state, carried = jax.lax.scan(one_step, carry, part)[0]
        return (state, carried), record(read, moves, state.params, carried)

    moves = moves._replace(at=jnp.where(moves.at < 0, moves.at, moves.at + state.step))  # steps as the state counts
    first = start(state, moves)
    (_, last), later = jax.lax.scan(block, (state, first), rows)
    now = record(read, moves, state.params, first)
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), now, later), from_groups(last.groups).params


def disagreements(found: Sensitivity, tolerance: float = TOLERANCE) -> list[str]:
    """A line for each parameter whose finite difference is not what the derivative says, at the end of the run.

    Args:
        found: of `sensitivity`.
        tolerance: relative to the derivative.

    Returns:
        A line for each parameter that disagrees; none if all agree.

    >>> from pathjax.derivatives.parameters import direction
    >>> disagreements(Sensitivity(("w",), *[np.array([[value]]) for value in (0, 1.0, 2.0, 1.5)], (), (), (), ()))
    ['w: the finite difference is 2 and the derivative 1 (apart by 150% of it): kinks, or an epsilon that is too large']
    """
    lines = []
    for k, label in enumerate(found.labels):
        norm, difference, apart = (a[-1, k] for a in (found.norm, found.difference_norm, found.disagreement))
        if not apart <= tolerance:
            what = (
                f"the finite difference is {difference:.4g} and the derivative {norm:.4g} (apart by {apart:.0%} of it)"
            )
            lines.append(f"{label}: {what}: kinks, or an epsilon that is too large")
    return lines
