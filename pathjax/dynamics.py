"""Training, and any other map, as a dynamical system."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from pathjax import trees
from pathjax.errors import InputError
from pathjax.typing import Batch, Dynamics, PyTree, State, StepInfo


def training_dynamics(
    loss_fn: Callable, optimizer: optax.GradientTransformation | Callable, *, stochastic: bool = False
) -> Dynamics:
    """The map that one training step is.

    Args:
        loss_fn: `loss_fn(params, examples)`, or `loss_fn(params, examples, key)` if `stochastic`; pure. It is
            differentiated by the float leaves of params; other leaves stay as they are. It returns the batch's mean
            loss, shape (), or the loss of each example, shape (B,), which the step averages: with the schedule's
            weights w, (1/B) sum_i w_i loss_i, so that weights of 1 are the plain mean.
        optimizer: an optax optimizer, or a function from a dict of hyperparameters to one. With the function,
            hyperparameters are leaves of the state: traced, swept by vmap, perturbed and differentiated like weights.
        stochastic: whether `loss_fn` takes the step's key (the same for all members).

    Raises:
        InputError: when traced with example weights while `loss_fn` returns a scalar.

    >>> quadratic = training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), lambda h: optax.sgd(h["learning_rate"]))
    >>> state = quadratic.init(jnp.ones(2), {"learning_rate": 0.1})
    >>> after, info = quadratic.step(state, Batch(None, None, jax.random.key(0)))
    >>> after.params
    Array([0.9, 0.9], dtype=float32)
    """

    def make_optimizer(hparams):
        return optimizer(hparams) if callable(optimizer) else optimizer

    def batch_loss(params, batch: Batch):
        args = (params, batch.examples, batch.key) if stochastic else (params, batch.examples)
        return _mean_loss(loss_fn(*args), batch.weights)

    def init(params: PyTree, hparams: dict) -> State:
        hparams = jax.tree.map(jnp.asarray, hparams)
        floats, _ = trees.split_floats(params)
        return State(params, make_optimizer(hparams).init(floats), hparams, jnp.zeros((), jnp.int32))

    def step(state: State, batch: Batch) -> tuple[State, StepInfo]:
        floats, others = trees.split_floats(state.params)
        loss_of = jax.value_and_grad(lambda floats: batch_loss(trees.merge(floats, others), batch))
        loss, gradients = loss_of(floats)
        updates, opt_state = make_optimizer(state.hparams).update(gradients, state.opt_state, floats)
        params = trees.merge(optax.apply_updates(floats, updates), others)
        return State(params, opt_state, state.hparams, state.step + 1), StepInfo(loss)

    return Dynamics(init, step)


def map_dynamics(fn: Callable[[PyTree, Batch], PyTree]) -> Dynamics:
    """Any map x -> fn(x, batch) as Dynamics; its state's `params` are x, and its loss is 0.

    >>> logistic = map_dynamics(lambda x, batch: 4 * x * (1 - x))
    >>> after, _ = logistic.step(logistic.init(jnp.float32(0.5), {}), Batch(None, None, jax.random.key(0)))
    >>> float(after.params)
    1.0
    """

    def init(params, hparams):
        return State(params, (), jax.tree.map(jnp.asarray, hparams), jnp.zeros((), jnp.int32))

    def step(state, batch):
        return state._replace(params=fn(state.params, batch), step=state.step + 1), StepInfo(jnp.zeros(()))

    return Dynamics(init, step)


def _mean_loss(loss, weights):
    loss = jnp.asarray(loss)
    if loss.ndim == 0 and weights is None:
        return loss
    if loss.ndim != 1:
        raise InputError(
            f"loss_fn returned shape {loss.shape}: expected () or, to use example weights, (batch,); "
            "return one loss for each example"
        )
    return jnp.mean(loss if weights is None else weights * loss)
