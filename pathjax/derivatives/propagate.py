"""Tangents of K parameters carried along a run, with two finite-difference copies of the run for each."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core import trees
from pathjax.core.networks import as_network, of_networks
from pathjax.core.types import Batch, Dynamics, State
from pathjax.derivatives.parameters import Displacements
from pathjax.tangents import propagate
from pathjax.tangents.propagate import Groups, from_groups, split_moving, to_groups


class Carried(NamedTuple):
    """Tangents of the state in `groups` (see `pathjax.tangents.propagate.to_groups`), and the states of 2 K copies of
    the run, those with theta = +epsilon first."""

    groups: Groups
    copies: State


def start(state: State, moves: Displacements) -> Carried:
    """Returns the initial carry: the tangents are the displacements.

    >>> state = State(params=jnp.ones(2), opt_state=(), hparams={"rate": jnp.float32(0.5)}, step=0)
    >>> no_example = jnp.array([-1]), jnp.array([0])
    >>> faster = Displacements(jnp.zeros((1, 2)), {"rate": jnp.ones(1)}, *no_example, jnp.array([0.25]))
    >>> start(state, faster).copies.hparams["rate"]
    Array([0.75, 0.25], dtype=float32)
    """
    moving, _ = split_moving((state, None))[0]
    # Weights and hyperparameters are displaced; the tangents of all other floats start at 0.
    at_rest = jax.tree.map(lambda leaf: jnp.zeros((len(moves.at), *leaf.shape), leaf.dtype), moving)
    by_name = {name: moves.hparams.get(name) for name in state.hparams}
    tangents = at_rest._replace(params=moves.params, hparams=by_name)

    def one(theta, params, hparams):
        floats, others = trees.split_floats(state.params)
        moved = jax.tree.map(lambda w, d: (w + theta * d).astype(w.dtype), floats, params)
        values = {name: state.hparams[name] + theta * change for name, change in hparams.items()}
        return state._replace(params=trees.merge(moved, others), hparams=state.hparams | values)

    copies = jax.vmap(one)(*_both_sides(moves.epsilon, moves.params, moves.hparams))
    return Carried(to_groups(tangents), copies)


def _both_sides(epsilon, *arrays):
    """Returns theta for 2 K copies, and the arrays of their parameters."""
    twice = jax.tree.map(lambda a: jnp.concatenate([a, a]), arrays)
    return jnp.concatenate([epsilon, -epsilon]), *twice


def advance(
    dynamics: Dynamics, moves: Displacements, weighted: bool, batch: Batch, state: State, carried: Carried
) -> tuple[State, Carried]:
    """Advances the run, its tangents and its copies by one step; `weighted`: whether a parameter is an example weight.

    >>> from pathjax.training.dynamics import map_dynamics
    >>> doubling = map_dynamics(lambda x, batch: 2 * x)
    >>> state = doubling.init(jnp.ones(1), {})
    >>> along = Displacements(jnp.ones((1, 1)), {}, jnp.array([-1]), jnp.array([0]), jnp.array([0.25]))
    >>> batch = Batch(None, None, jax.random.key(0))
    >>> advance(doubling, along, False, batch, state, start(state, along))[1].copies.params.ravel()
    Array([2.5, 1.5], dtype=float32)
    """
    weights = batch.weights
    if weights is None and weighted:
        weights = jnp.ones(len(jax.tree.leaves(batch.examples)[0]), moves.epsilon.dtype)

    def step(both):
        return dynamics.step(both[0], batch._replace(weights=both[1]))[0], both[1]

    ones = _of_examples(moves, state.step, weights)
    after, groups = propagate.advance(step, (state, weights), _with_weights(carried.groups, ones))
    if ones is None or weights is None:
        copies = jax.vmap(lambda one: step((one, None))[0])(carried.copies)
    else:
        theta, twice = _both_sides(moves.epsilon, ones)
        copies = jax.vmap(lambda *both: step(both)[0])(carried.copies, weights[None] + theta[:, None] * twice)
    return after[0], Carried(tuple(group[0] for group in groups), copies)


def _of_examples(moves: Displacements, step, weights):
    """Returns what theta = 1 adds to the weights of a step's examples, (K, B); None if examples have no weights."""
    if weights is None:
        return None
    hit = (moves.at == step)[:, None] & (moves.place[:, None] == jnp.arange(len(weights))[None])
    return hit.astype(weights.dtype)


def _with_weights(groups: Groups, ones) -> Groups:
    """Returns tangents of (state, weights), given those of the state."""
    ends = np.cumsum([len(jax.tree.leaves(group)[0]) for group in groups])
    starts = [0, *ends[:-1]]
    return tuple((group, None if ones is None else ones[i:j]) for group, i, j in zip(groups, starts, ends, strict=True))


def record(read: Callable, moves: Displacements, state: State, carried: Carried) -> tuple:
    """Returns |dw/dtheta| (K,), the same by differences, their disagreement; readout, its derivatives both ways (K,
    ...).

    >>> along = Displacements(jnp.ones((1, 1)), {}, jnp.array([-1]), jnp.array([0]), jnp.array([0.25]))
    >>> state = State(params=jnp.ones(1), opt_state=(), hparams={}, step=0)
    >>> [float(x[0]) for x in record(jnp.sum, along, state, start(state, along))[:3]]
    [1.0, 1.0, 0.0]
    """
    read_off = of_networks(read)
    floats, others = trees.split_floats(as_network(state))
    values, push = jax.linearize(lambda floats: read_off(trees.merge(floats, others)), floats)
    tangents, num = as_network(from_groups(carried.groups)), len(moves.epsilon)
    sides, copies = (slice(num), slice(num, None)), as_network(carried.copies)
    plus, minus = (jax.tree.map(lambda leaf, side=side: leaf[side], copies) for side in sides)

    def one(tangent, plus, minus, epsilon):
        a, b = (trees.split_floats(own.params)[0] for own in (plus, minus))
        difference = trees.scale(0.5 / epsilon, trees.subtract(a, b))
        norm = trees.norm(tangent.params)
        disagreement = trees.norm(trees.subtract(difference, tangent.params)) / jnp.where(norm > 0, norm, 1)
        of_readout = trees.scale(0.5 / epsilon, trees.subtract(read_off(plus), read_off(minus)))
        return norm, trees.norm(difference), disagreement, push(tangent), of_readout

    norm, by_differences, disagreement, by_derivative, of_readout = jax.vmap(one)(tangents, plus, minus, moves.epsilon)
    return norm, by_differences, disagreement, values, by_derivative, of_readout
