"""How a run depends on numbers: derivatives carried along it, and finite differences of the same beside them."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from pathjax import trees
from pathjax.derivatives.parameters import Displacements, Parameter, displacements
from pathjax.errors import require
from pathjax.schedule import Schedule, take_batch
from pathjax.tangent_map import advance, from_groups, split_moving, to_groups
from pathjax.typing import Batch, Dynamics, PyTree, State

TOLERANCE = 0.01  # of a derivative, by which a finite difference may differ before it is said


class Sensitivity(NamedTuple):
    """Derivatives of a run by K numbers theta, at R recorded steps.

    `norm` is |dw_t / d theta|, and `difference_norm` the same by central differences, |w_t(+size) - w_t(-size)| /
    (2 size); `disagreement` is the length of the difference of both vectors, relative to the derivative's. `readout`
    is what `readout(params)` gave along the run (R, ...), `readout_derivative` and `readout_difference` its derivative
    both ways, (R, K, ...). `tangents` is dw_T / d theta, like the params with K in front.
    """

    labels: tuple[str, ...]
    steps: Int[np.ndarray, "R"]
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
    copies of the run for each parameter, with theta = +size and -size: the finite difference shows how far the
    derivative is to be believed. With kinks (ReLU) it may not be, however small the size.

    Args:
        dynamics: see `training_dynamics`; hyperparameters are those of the state.
        state: where the run starts, see `dynamics.init`.
        dataset: a pytree of arrays with the examples on the leading axis.
        schedule: T steps.
        wrt: by label, see `hyperparameter`, `direction` and `example_weight`.
        every: steps between records, which divide T; default: T.
        readout: `readout(params)`, a pytree of float arrays, such as the test loss or a prediction.

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
    num_steps = len(schedule.indices)
    every = num_steps if every is None else every
    require(
        every >= 1 and num_steps % every == 0,
        f"every={every} does not divide the schedule's {num_steps} steps: choose a divisor",
    )
    moves = displacements(wrt, state, schedule)
    weighted = any(parameter.kind == "example_weight" for parameter in wrt.values())
    rows = jax.tree.map(
        lambda a: jnp.asarray(a).reshape(-1, every, a.shape[1]), _rows(schedule, weighted, moves.size.dtype)
    )
    read = readout or (lambda params: ())
    records, tangents = _run(dynamics, read, state, dataset, schedule.key, rows, moves)
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


def _rows(schedule: Schedule, weighted: bool, dtype) -> tuple:
    """Indices and weights; as many ones as there are examples where some weight is to be moved."""
    if schedule.weights is None and weighted:
        return schedule.indices, jnp.ones(schedule.indices.shape, dtype)
    return schedule.indices, schedule.weights


class _Carry(NamedTuple):
    state: State
    groups: tuple  # tangents of the state, see `to_groups`
    beside: State  # 2 K copies of the run: + size, then - size


@functools.partial(jax.jit, static_argnames=("dynamics", "read"))
def _run(dynamics, read, state: State, dataset, key, rows, moves: Displacements):
    def advance_all(carry, row):
        return _advance(dynamics, moves, take_batch(dataset, key, carry.state.step, row), carry), None

    def block(carry, part):
        carry = jax.lax.scan(advance_all, carry, part)[0]
        return carry, _record(read, moves, carry)

    moves = moves._replace(at=jnp.where(moves.at < 0, moves.at, moves.at + state.step))  # steps as the state counts
    first = _start(state, moves)
    last, later = jax.lax.scan(block, first, rows)
    records = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), _record(read, moves, first), later)
    return records, from_groups(last.groups).params


def _start(state: State, moves: Displacements) -> _Carry:
    moving = split_moving((state, None))[0][0]
    still = jax.tree.map(lambda leaf: jnp.zeros((len(moves.at), *leaf.shape), leaf.dtype), moving.opt_state)
    tangents = moving._replace(params=moves.params, opt_state=still, hparams=moves.hparams)

    def one(theta, params, hparams):
        floats, others = trees.split_floats(state.params)
        moved = jax.tree.map(lambda w, d: w + theta * d, floats, params)
        hparams = {name: value + theta * hparams[name] for name, value in state.hparams.items()}
        return state._replace(params=trees.merge(moved, others), hparams=hparams)

    beside = jax.vmap(one)(*_both_sides(moves.size, moves.params, moves.hparams))
    return _Carry(state, to_groups(tangents), beside)


def _both_sides(size, *arrays):
    """theta for 2 K copies, and what belongs to their parameters."""
    twice = jax.tree.map(lambda a: jnp.concatenate([a, a]), arrays)
    return jnp.concatenate([size, -size]), *twice


def _advance(dynamics, moves: Displacements, batch: Batch, carry: _Carry) -> _Carry:
    def step(both):
        return dynamics.step(both[0], batch._replace(weights=both[1]))[0], both[1]

    ones = _of_examples(moves, carry.state.step, batch.weights)
    state, groups = advance(step, (carry.state, batch.weights), _with_weights(carry.groups, ones))
    if ones is None or batch.weights is None:
        beside = jax.vmap(lambda one: step((one, None))[0])(carry.beside)
    else:
        theta, twice = _both_sides(moves.size, ones)
        weights = batch.weights[None] + theta[:, None] * twice
        beside = jax.vmap(lambda *both: step(both)[0])(carry.beside, weights)
    return _Carry(state[0], tuple(group[0] for group in groups), beside)


def _of_examples(moves: Displacements, step, weights):
    """What theta = 1 adds to the weights of a step's examples, (K, B); None where examples have no weights."""
    if weights is None:
        return None
    there = (moves.at == step)[:, None] & (moves.place[:, None] == jnp.arange(len(weights))[None])
    return there.astype(weights.dtype)


def _with_weights(groups, ones):
    """Tangents of (state, weights) from those of the state."""
    ends = np.cumsum([len(jax.tree.leaves(group)[0]) for group in groups])
    starts = [0, *ends[:-1]]
    return tuple((group, None if ones is None else ones[i:j]) for group, i, j in zip(groups, starts, ends, strict=True))


def _record(read, moves: Displacements, carry: _Carry):
    """Norms, differences' norms, disagreement; the readout, and its derivative both ways."""
    floats, others = trees.split_floats(carry.state.params)
    values, push = jax.linearize(lambda floats: read(trees.merge(floats, others)), floats)
    tangents = from_groups(carry.groups).params
    num = len(moves.size)
    plus, minus = (jax.tree.map(lambda leaf, s=s: leaf[s], carry.beside.params) for s in (slice(num), slice(num, None)))

    def one(tangent, plus, minus, size):
        a, b = (trees.split_floats(params)[0] for params in (plus, minus))
        difference = trees.scale(0.5 / size, trees.subtract(a, b))
        norm = trees.norm(tangent)
        apart = trees.norm(trees.subtract(difference, tangent)) / jnp.where(norm > 0, norm, 1)
        of_readout = trees.scale(0.5 / size, trees.subtract(read(plus), read(minus)))
        return norm, trees.norm(difference), apart, push(tangent), of_readout

    norm, difference_norm, apart, by_derivative, by_difference = jax.vmap(one)(tangents, plus, minus, moves.size)
    return norm, difference_norm, apart, values, by_derivative, by_difference


def disagreements(found: Sensitivity, tolerance: float = TOLERANCE) -> list[str]:
    """A line for each parameter whose finite difference is not what the derivative says, at the end of the run.

    >>> from pathjax.derivatives.parameters import direction
    >>> disagreements(Sensitivity(("w",), *[np.array([[value]]) for value in (0, 1.0, 2.0, 1.5)], (), (), (), ()))
    ['w: the finite difference is 2 and the derivative 1 (apart by 150% of it): kinks, or a size that is too large']
    """
    lines = []
    for k, label in enumerate(found.labels):
        norm, difference, apart = (a[-1, k] for a in (found.norm, found.difference_norm, found.disagreement))
        if not apart <= tolerance:
            what = (
                f"the finite difference is {difference:.4g} and the derivative {norm:.4g} (apart by {apart:.0%} of it)"
            )
            lines.append(f"{label}: {what}: kinks, or a size that is too large")
    return lines
