"""Langevin dynamics: a step that samples the weights around those it began with."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pathjax.core import trees
from pathjax.core.errors import InputError, require
from pathjax.core.networks import as_network
from pathjax.core.types import Batch, Dynamics, Network, PyTree, State, StepInfo
from pathjax.training.hyperparameters import as_hyperparameters
from pathjax.training.loss import Loss, key_of_noise
from pathjax.training.loss_of_weights import LossOfWeights
from pathjax.training.network_checks import check_network

LOCAL_DECADES = 3  # of step sizes, for the steep directions
HYPERPARAMETERS = ("inverse_temperature", "localization", "step_size", "step_decades")


class Chain(NamedTuple):
    """What a chain carries beside its weights: where it began, and whether its last proposal was accepted."""

    center: PyTree
    accepted: Float[Array, ""]


def langevin_dynamics(loss_fn: Callable | Loss, *, adjusted: bool = True) -> Dynamics:
    """Returns a map whose iterates sample weights from exp(-U), with U = t L(w) + (gamma / 2) |w - w_0|^2.

    A step proposes w' = w - (e / 2) grad U + sqrt(e) xi, with xi normal: Langevin dynamics of step size e, which with
    batches are stochastic-gradient Langevin dynamics (SGLD). The proposal is accepted by the rule of Metropolis and
    Hastings, which makes the samples exact for any step size, as long as each step sees the same examples. So that
    chains move where the loss is flat and where it is steep, the step size is drawn log-uniformly from `step_size` to
    `step_size * 10^step_decades` at each step, half of the time from the first three decades of this range. So that
    they move along narrow valleys, only a random subset of the weights moves, each with a probability that is drawn
    log-uniformly from one weight to all. Without the rule all weights move.

    Hyperparameters are leaves of the state, by name: `inverse_temperature` t, `localization` gamma, `step_size` and
    `step_decades`. All of them are required. w_0 are the weights at `init`. Noise is drawn from the step's key: members
    sample independently if the ensemble is built `with_noise`.

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
    >>> h = {"inverse_temperature": 10.0, "localization": 0.0, "step_size": 0.1, "step_decades": 0.0}
    >>> state, batch = chain.init(jnp.zeros(3), h), Batch(None, None, jax.random.key(0))
    >>> chain.step(state, batch)[0].params.shape
    (3,)
    """
    loss = loss_fn if isinstance(loss_fn, Loss) else Loss(loss_fn)

    def init(params: PyTree | Network, hparams: dict) -> State:
        network = as_network(params)
        check_network(network, loss.takes_state)
        _check_names(hparams)
        hparams = as_hyperparameters(hparams, network.params)
        center, _ = trees.split_floats(network.params)
        chain = Chain(center, jnp.ones((), trees.float_type(center)))
        return State(network.params, chain, hparams, jnp.zeros((), jnp.int32), model_state=network.model_state)

    def step(state: State, batch: Batch) -> tuple[State, StepInfo]:
        key = key_of_noise(batch.key, state.noise)
        if key is None:
            raise InputError("Langevin dynamics draw noise: give batches with a key")
        keys = jax.random.split(jax.random.fold_in(key, 1), 4)
        size = _step_size(keys[0], state.hparams)
        weights, others = trees.split_floats(state.params)
        at = LossOfWeights(loss, state, batch)
        here = _Potential.at(at, weights)
        drawn = trees.random_normal_like(keys[1], weights)
        moving = _random_subset(keys[3], weights) if adjusted else jax.tree.map(jnp.ones_like, weights)
        there_weights = jax.tree.map(
            lambda w, g, xi, m: w + m * (jnp.sqrt(size).astype(w.dtype) * xi - (size / 2 * g).astype(w.dtype)),
            *(weights, here.slope, drawn, moving),
        )
        accepted = jnp.ones((), bool)
        if adjusted:
            there = _Potential.at(at, there_weights)
            forth = _distance(weights, there_weights, here, moving, size)
            back = _distance(there_weights, weights, there, moving, size)
            log_ratio = here.value - there.value + forth - back
            accepted = jnp.log(jax.random.uniform(keys[2], dtype=log_ratio.dtype)) < log_ratio  # False for NaN
        moved = jax.tree.map(lambda a, b: jnp.where(accepted, a, b), there_weights, weights)
        chain = state.opt_state._replace(accepted=accepted.astype(state.opt_state.accepted.dtype))
        after = state._replace(params=trees.merge(moved, others), opt_state=chain, step=state.step + 1)
        return after, StepInfo(here.loss)

    return Dynamics(init, step)


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


def _distance(start: PyTree, end: PyTree, at: _Potential, moving: PyTree, size) -> Array:
    """Returns |end - start + (size / 2) grad U(start)|^2 / (2 size) of the weights that move: minus the log density of
    the proposal."""
    off = jax.tree.map(lambda a, b, g, m: m * (b - a + size / 2 * g), start, end, at.slope, moving)
    return jnp.sum(trees.squared_norms(off)) / (2 * size)


def _random_subset(key, like: PyTree) -> PyTree:
    """Returns 1 for the weights that move and 0 for others."""
    share_key, key = jax.random.split(key)
    share = jnp.exp(-jax.random.uniform(share_key) * jnp.log(trees.num_elements(like)))
    chances = trees.random_normal_like(key, like)
    return jax.tree.map(lambda xi: (jax.scipy.stats.norm.cdf(xi) < share).astype(xi.dtype), chances)


def _step_size(key, hparams: dict) -> Array:
    """Draws a step size, half of the time from the smallest LOCAL_DECADES of the range."""
    whole, share = jax.random.uniform(key, (2,), jnp.result_type(hparams["step_size"]))
    decades = hparams["step_decades"]
    decades = jnp.where(whole < 0.5, jnp.minimum(decades, LOCAL_DECADES), decades)
    return hparams["step_size"] * 10 ** (decades * share)


def _check_names(hparams: dict) -> None:
    missing = [name for name in HYPERPARAMETERS if name not in hparams]
    unknown = sorted(set(hparams) - set(HYPERPARAMETERS))
    require(not missing, f"Langevin dynamics need the hyperparameters {', '.join(missing)}")
    require(not unknown, f"unknown hyperparameters {', '.join(unknown)}: give {', '.join(HYPERPARAMETERS)}")
