"""Langevin dynamics: a step that samples the weights around those it began with."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError, require
from pathjax.core.networks import as_network
from pathjax.core.types import Batch, Dynamics, Network, PyTree, State, StepInfo
from pathjax.training.hyperparameters import as_hyperparameters
from pathjax.training.loss import Loss, key_of_noise
from pathjax.training.loss_of_weights import LossOfWeights
from pathjax.training.network_checks import check_network

TUNED_SHARE = 0.5  # of the steps
ACCEPTED = 0.57  # where the adjusted algorithm is most efficient in many dimensions (Roberts & Rosenthal 1998)
GAIN, FADING = 3.0, 0.6  # the n-th tuning of the logarithm of the step size is GAIN n^-FADING (p - ACCEPTED)
HYPERPARAMETERS = ("inverse_temperature", "localization", "step_size")
OF_THE_RULE = ("step_decades", "tuning_steps")  # if proposals may be refused


@shown_in_short
class Chain(NamedTuple):
    """What a chain carries beside its weights.

    Attributes:
        center: the weights where it began.
        accepted: 1 if its last proposal was accepted, else 0.
        log_size: logarithm of the tuned step size, in units of the temperature 1/t.
    """

    center: PyTree
    accepted: Float[Array, ""]
    log_size: Float[Array, ""]


def langevin_dynamics(loss_fn: Callable | Loss, *, adjusted: bool = True) -> Dynamics:
    """Returns a map whose iterates sample weights from exp(-U), with U = t L(w) + (gamma / 2) |w - w_0|^2.

    A step proposes w' = w - (e / 2) grad U + sqrt(e) xi, with xi normal: Langevin dynamics of step size e, which with
    batches are stochastic-gradient Langevin dynamics (SGLD). The proposal is accepted by the rule of Metropolis and
    Hastings, under which the chain converges to exp(-U) at any step size, as long as each step sees the same examples.
    There are two kinds of proposals, drawn anew at each step. In one, all weights move, by a step size that each chain
    tunes for an acceptance of 57% during the first `tuning_steps` steps: this mixes where the loss is like a quadratic.
    In the other, a random subset of the weights moves, each with the same probability, which is drawn log-uniformly
    from 1/d to 1 for d weights, by a step size drawn log-uniformly from `step_size` to `step_size * 10^step_decades`:
    this moves along narrow and curved valleys, as in singular models. Without the rule all weights move by `step_size`.

    Hyperparameters are leaves of the state, by name: `inverse_temperature` t, `localization` gamma and `step_size`, and
    with the rule `step_decades` and `tuning_steps`. All of them are required. w_0 are the weights at `init`. Noise is
    drawn from the step's key: members sample independently if the ensemble is built `with_noise`.

    Args:
        loss_fn: `loss_fn(params, examples)`, or a `pathjax.Loss` that says what else it takes.
        adjusted: whether proposals may be refused; without it all are accepted, as in SGLD, and samples have an error
            that grows with the step size.

    Returns:
        Dynamics whose StepInfo has the loss on the step's batch at the weights before the step.

    Raises:
        InputError: at `init`, if a hyperparameter is missing or unknown, or weights cannot be trained.

    Source: Welling & Teh 2011 (SGLD); Roberts & Tweedie 1996 (the adjusted algorithm, MALA).

    >>> chain = langevin_dynamics(lambda w, x: 0.5 * jnp.sum(w**2))
    >>> h = {"inverse_temperature": 10.0, "localization": 0.0}
    >>> h |= {"step_size": 0.1, "step_decades": 0.0, "tuning_steps": 0}
    >>> state, batch = chain.init(jnp.zeros(3), h), Batch(None, None, jax.random.key(0))
    >>> chain.step(state, batch)[0].params.shape
    (3,)
    """
    loss = loss_fn if isinstance(loss_fn, Loss) else Loss(loss_fn)

    def init(params: PyTree | Network, hparams: dict) -> State:
        network = as_network(params)
        check_network(network, loss.model_state)
        _check_names(hparams, HYPERPARAMETERS + OF_THE_RULE * adjusted)
        hparams = as_hyperparameters(hparams, network.params)
        center, _ = trees.split_floats(network.params)
        one = jnp.ones((), trees.float_type(center))
        chain = Chain(center, one, 0 * one)
        return State(network.params, chain, hparams, jnp.zeros((), jnp.int32), model_state=network.model_state)

    def step(state: State, batch: Batch) -> tuple[State, StepInfo]:
        key = key_of_noise(batch.key, state.noise)
        if key is None:
            raise InputError("Langevin dynamics draw noise: give batches with a key")
        keys = jax.random.split(jax.random.fold_in(key, 1), 3)
        weights, others = trees.split_floats(state.params)
        at = LossOfWeights(loss, state, batch)
        here = _Potential.at(at, weights)
        drawn = trees.random_normal_like(keys[0], weights)
        move = _drawn_move(keys[1], state, weights) if adjusted else _plain_move(state, weights)
        there_weights = jax.tree.map(
            lambda w, g, xi, m: (
                w + m * (jnp.sqrt(move.size).astype(w.dtype) * xi - (move.size / 2 * g).astype(w.dtype))
            ),
            *(weights, here.slope, drawn, move.moving),
        )
        chain, accepted = state.opt_state, jnp.ones((), bool)
        if adjusted:
            there = _Potential.at(at, there_weights)
            forth = _distance(weights, there_weights, here, move)
            back = _distance(there_weights, weights, there, move)
            log_ratio = here.value - there.value + forth - back
            accepted = is_accepted(keys[2], log_ratio)
            chain = chain._replace(log_size=_tuned(state, move, log_ratio))
        moved = jax.tree.map(lambda a, b: jnp.where(accepted, a, b), there_weights, weights)
        chain = chain._replace(accepted=accepted.astype(chain.accepted.dtype))
        after = state._replace(params=trees.merge(moved, others), opt_state=chain, step=state.step + 1)
        return after, StepInfo(here.loss)

    return Dynamics(init, step)


def is_accepted(key: Key[Array, ""], log_ratio: Float[Array, ""]) -> Bool[Array, ""]:
    """Draws whether a proposal is accepted: with the probability min(1, exp(log_ratio)), 0 for NaN.

    >>> bool(is_accepted(jax.random.key(0), jnp.float32(0.0))), bool(is_accepted(jax.random.key(0), jnp.float32(-99.0)))
    (True, False)
    """
    # The logarithm of a uniform value would be -inf once in 2^23 draws, and accept anything.
    return -jax.random.exponential(key, dtype=log_ratio.dtype) <= log_ratio


class _Move(NamedTuple):
    """A step size, 1 for the weights that move and 0 for others, and whether the size is the tuned one."""

    size: Array
    moving: PyTree
    is_tuned: Array


def _plain_move(state: State, weights: PyTree) -> _Move:
    return _Move(state.hparams["step_size"], jax.tree.map(jnp.ones_like, weights), jnp.array(False))


def _drawn_move(key, state: State, weights: PyTree) -> _Move:
    """Draws one of the two kinds of proposals."""
    key, subset_key = jax.random.split(key)
    hparams, dtype = state.hparams, jnp.result_type(state.hparams["step_size"])
    kind, share, decades = jax.random.uniform(key, (3,), dtype)
    is_tuned = kind < TUNED_SHARE
    tuned = jnp.exp(state.opt_state.log_size) / hparams["inverse_temperature"]
    drawn = hparams["step_size"] * 10 ** (hparams["step_decades"] * decades)
    chance = jnp.where(is_tuned, 1.0, jnp.exp(-share * jnp.log(trees.num_elements(weights))))
    chances = trees.random_uniform_like(subset_key, weights)
    moving = jax.tree.map(lambda u: (u < chance).astype(u.dtype), chances)
    return _Move(jnp.where(is_tuned, tuned, drawn).astype(dtype), moving, is_tuned)


def _tuned(state: State, move: _Move, log_ratio: Array) -> Array:
    """Returns the logarithm of the tuned step size after a proposal: stochastic approximation."""
    log_size = state.opt_state.log_size
    chance = jnp.nan_to_num(jnp.exp(jnp.minimum(log_ratio, 0)))
    rate = GAIN / (1 + state.step) ** FADING
    is_on = move.is_tuned & (state.step < state.hparams["tuning_steps"])
    return jnp.where(is_on, log_size + rate * (chance - ACCEPTED), log_size).astype(log_size.dtype)


class _Potential(NamedTuple):
    """U and its gradient at some weights, and the loss."""

    value: Array
    slope: PyTree
    loss: Array

    @staticmethod
    def at(loss: LossOfWeights, weights: PyTree) -> "_Potential":
        hparams, center = loss.state.hparams, loss.state.opt_state.center

        def potential(weights):
            mean = loss.mean(weights)
            square = jnp.sum(trees.squared_norms(trees.subtract(weights, center)))
            return hparams["inverse_temperature"] * mean + hparams["localization"] / 2 * square, mean

        (value, mean), slope = jax.value_and_grad(potential, has_aux=True)(weights)
        return _Potential(value, slope, mean)


def _distance(start: PyTree, end: PyTree, at: _Potential, move: _Move) -> Array:
    """Returns |end - start + (e / 2) grad U(start)|^2 / (2 e) of the weights that move, with the step size e: minus the
    log density of the proposal."""
    half = move.size / 2
    off = jax.tree.map(lambda a, b, g, m: m * (b - a + half * g), start, end, at.slope, move.moving)
    return jnp.sum(trees.squared_norms(off)) / (2 * move.size)


def _check_names(hparams: dict, expected: tuple[str, ...]) -> None:
    missing = [name for name in expected if name not in hparams]
    unknown = sorted(set(hparams) - set(expected))
    require(not missing, f"Langevin dynamics need the hyperparameters {', '.join(missing)}")
    require(not unknown, f"unknown hyperparameters {', '.join(unknown)}: give {', '.join(expected)}")
