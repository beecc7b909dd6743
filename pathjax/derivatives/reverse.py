"""Reverse mode: the influence of every example, and the early changes that matter most, in one backward pass."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.function_equality import Function, by_value
from pathjax.core.networks import of_networks, weights_of
from pathjax.core.sources import require_arrays
from pathjax.core.types import Dynamics, PyTree, State
from pathjax.tangents.qr import combine, orthonormalize
from pathjax.training.schedule import Schedule, check_indices, take_batch


def example_influence(
    dynamics: Dynamics, state: State, dataset: PyTree, schedule: Schedule, readout: Callable[[PyTree], Array]
) -> Float[Array, "T B"]:
    """Computes the derivative of a scalar of the final weights with respect to every example's weight at every step.

    Args:
        dynamics, state, dataset, schedule: see `sensitivity`; the loss must be given per example.
        readout: `readout(params)`, shape (): the test loss, or a prediction; for a model with a state
            `readout(params, model_state)`.

    Returns:
        float[T, B]: giving example `schedule.indices[t, b]` at step t the weight 1 + theta in place of 1 changes the
        readout by theta times this, for small theta. The states are stored at about sqrt(T) steps and recomputed
        between.

    Raises:
        InputError: for dynamics with interventions, or examples that do not exist.

    Source: reverse-mode differentiation through training (Maclaurin, Duvenaud, Adams 2015).

    >>> import optax, pathjax
    >>> def loss(w, x):
    ...     return 0.5 * (w - x) ** 2
    >>> dynamics = pathjax.training_dynamics(loss, optax.sgd(0.5))
    >>> schedule = pathjax.batch_schedule(jax.random.key(0), num_examples=2, batch_size=2, num_steps=1)
    >>> example_influence(dynamics, dynamics.init(1.0, {}), jnp.array([3.0, 3.0]), schedule, lambda w: w)
    Array([[0.5, 0.5]], dtype=float32)
    """
    _check(dynamics, schedule, dataset)
    weights = schedule.weights
    if weights is None:
        weights = jnp.ones(schedule.indices.shape, trees.float_type(state.params))
    return _influence(
        by_value(dynamics), Function(readout), state, dataset, schedule._replace(weights=jnp.asarray(weights))
    )


def _check(dynamics: Dynamics, schedule: Schedule, dataset: PyTree) -> None:
    hint = "reverse mode does not support interventions; give the dynamics without them"
    require(not dynamics.interventions, hint)
    require_arrays("the dataset", dataset)
    check_indices(schedule, dataset)


@functools.partial(jax.jit, static_argnames=("dynamics", "readout"))
def _influence(dynamics, readout, state, dataset, schedule: Schedule):
    def outcome(weights):
        final = _final(dynamics, dataset, schedule._replace(weights=weights), state)
        return of_networks(readout)(weights_of(final))

    return jax.grad(outcome)(schedule.weights)


def _final(dynamics, dataset, schedule: Schedule, state: State) -> State:
    """The final state; a backward pass stores only the states at the start of blocks of about sqrt(T) steps."""
    rows = (jnp.asarray(schedule.indices), schedule.weights)
    num_steps = len(rows[0])
    length = max(n for n in range(1, math.isqrt(num_steps) + 1) if num_steps % n == 0)

    def step(state, row):
        return dynamics.step(state, take_batch(dataset, schedule.key, state, row))[0], None

    @jax.checkpoint
    def block(state, rows):
        return jax.lax.scan(step, state, rows)[0], None

    blocks = jax.tree.map(lambda a: a.reshape(-1, length, *a.shape[1:]), rows)
    return jax.lax.scan(block, state, blocks)[0]


class EarlyDirections(NamedTuple):
    """Leading singular vectors of dw_T / dw_0: unit displacements `early` of the initial weights, like the params with
    a leading axis k, move the final weights by the singular `values`, along `late`. `residual` is |J^T u - s v| / s of
    each pair: 0 once converged."""

    values: Float[Array, " k"]
    early: PyTree
    late: PyTree
    residual: Float[Array, " k"]


def early_directions(
    key: Key[Array, ""],
    dynamics: Dynamics,
    state: State,
    dataset: PyTree,
    schedule: Schedule,
    *,
    k: int,
    num_iterations: int = 10,
) -> EarlyDirections:
    """Computes which small changes of the initial weights change the final ones most, and by how much.

    Subspace iteration with J = dw_T / dw_0, by jvp forward and by vjp backward along the run; all k directions
    together.

    Args:
        key: typed PRNG key for the random initial directions.
        dynamics, state, dataset, schedule: see `sensitivity`. The optimizer starts from its state in `state`.
        k: number of directions.
        num_iterations: each is a run forward and one backward for each direction; `residual` shows the convergence.

    Returns:
        EarlyDirections: k singular values in descending order, their directions, and residuals.

    Raises:
        InputError: for k below 1 or above the number of weights, no iterations, dynamics with interventions, or
            examples that do not exist.

    Source: randomized subspace iteration (Halko, Martinsson, Tropp 2011).

    >>> import optax, pathjax
    >>> curvatures = jnp.array([1.0, 5.0, 9.0])
    >>> dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(curvatures * w**2), optax.sgd(0.1))
    >>> schedule = pathjax.batch_schedule(jax.random.key(0), num_examples=2, batch_size=2, num_steps=2)
    >>> given = (dynamics, dynamics.init(jnp.ones(3), {}), jnp.zeros(2), schedule)
    >>> early_directions(jax.random.key(1), *given, k=2, num_iterations=30).values
    Array([0.81, 0.25], dtype=float32)
    """
    num = trees.num_elements(trees.split_floats(state.params)[0])
    require(1 <= k <= num, f"k must be 1 to {num}, the number of weights, not {k}")
    require(num_iterations >= 1, f"num_iterations must be 1 or more, not {num_iterations}")
    _check(dynamics, schedule, dataset)
    return _subspace(by_value(dynamics), k, num_iterations, state, dataset, schedule, key)


@functools.partial(jax.jit, static_argnames=("dynamics", "k", "num_iterations"))
def _subspace(dynamics, k: int, num_iterations: int, state: State, dataset, schedule: Schedule, key):
    floats, others = trees.split_floats(state.params)

    def final(floats):
        start = state._replace(params=trees.merge(floats, others))
        return trees.split_floats(_final(dynamics, dataset, schedule, start).params)[0]

    def forward(tangents):
        return jax.vmap(lambda tangent: jax.jvp(final, (floats,), (tangent,))[1])(tangents)

    def backward(cotangents):
        pull = jax.vjp(final, floats)[1]
        return jax.vmap(lambda cotangent: pull(cotangent)[0])(cotangents)

    def iterate(_, early):
        return orthonormalize(backward(forward(early))).q

    drawn = jax.vmap(lambda key: trees.random_normal_like(key, floats))(jax.random.split(key, k))
    early = jax.lax.fori_loop(0, num_iterations, iterate, orthonormalize(drawn).q)
    late = forward(early)
    factors = orthonormalize(late)
    # Singular vectors within the subspace: J V = Q R, and R = A s B^T of k x k.
    left, values, right = jnp.linalg.svd(factors.r)
    early, late = combine(early, right.T), combine(factors.q, left)
    back = backward(late)  # J^T u = s v
    miss = jax.vmap(lambda got, want, s: trees.norm(trees.subtract(got, trees.scale(s, want))))(back, early, values)
    return EarlyDirections(values, early, late, miss / jnp.where(values > 0, values, 1))
