"""Interventions that move the weights along directions given by the loss on the step's own batch."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental.sparse.linalg import lobpcg_standard
from jax.flatten_util import ravel_pytree

from pathjax.core import trees
from pathjax.core.types import Batch, Network, PyTree, State
from pathjax.interventions.base import Intervention
from pathjax.perturbations.directional import move_along
from pathjax.training.loss import Loss, key_of_noise


def along_gradient(
    loss_fn: Callable, *, stochastic: bool = False, hparams_in_loss: bool = False, model_state: bool = False
) -> Intervention:
    """Moves the weights along the gradient of the loss on the step's batch, by a 2-norm of exactly epsilon.

    Args:
        loss_fn: as in `training_dynamics`, with the same flags: `loss_fn(params, examples)` returns one loss for the
            batch or one for each example.
        stochastic: whether `loss_fn` takes a key; it is the key of the step, or of the member's own noise.
        hparams_in_loss: whether `loss_fn` takes the dict of hyperparameters as its last argument.
        model_state: whether `loss_fn` takes and returns the model's state, which stays as it is.

    Returns:
        An Intervention; epsilon is the 2-norm of the move.

    >>> from pathjax.core.types import Batch
    >>> kick = along_gradient(lambda w, x: jnp.sum(w**2))
    >>> state = State(params=jnp.array([3.0, 4.0]), opt_state=(), hparams={}, step=0)
    >>> kick.on_state(None, state, Batch(None, None, None), jnp.float32(5.0)).params
    Array([6., 8.], dtype=float32)
    """

    own = Loss(loss_fn, model_state, stochastic, hparams_in_loss)

    def on_state(key, state, batch, epsilon):
        floats, loss = _loss_at(own, state, batch)
        return _moved(state, jax.grad(loss)(floats), epsilon)

    return Intervention(on_state, None)


def along_curvature(
    loss_fn: Callable,
    *,
    stochastic: bool = False,
    hparams_in_loss: bool = False,
    model_state: bool = False,
    num_iterations: int = 30,
) -> Intervention:
    """Moves the weights along the eigenvector of the largest (not the most negative) eigenvalue of the Hessian of the
    loss on the step's batch, by a 2-norm of exactly epsilon; the sign is random.

    Args:
        loss_fn, stochastic, hparams_in_loss, model_state: see `along_gradient`.
        num_iterations: maximum number of LOBPCG iterations.

    Returns:
        An Intervention; epsilon is the 2-norm of the move.

    Source: Knyazev 2001 (LOBPCG), by `jax.experimental.sparse.linalg`. It needs at least 5 weights.

    >>> from pathjax.core.types import Batch
    >>> steep = jnp.array([1.0, 2.0, 10.0, 3.0, 1.0, 4.0])
    >>> kick = along_curvature(lambda w, x: 0.5 * jnp.sum(steep * w**2))
    >>> state = State(params=jnp.zeros(6), opt_state=(), hparams={}, step=0)
    >>> moved = kick.on_state(jax.random.key(0), state, Batch(None, None, None), jnp.float32(5.0)).params
    >>> f"{abs(moved[2]):.3f}"
    '5.000'
    """

    own = Loss(loss_fn, model_state, stochastic, hparams_in_loss)

    def on_state(key, state, batch, epsilon):
        floats, loss = _loss_at(own, state, batch)
        flat, unravel = ravel_pytree(floats)

        def product(vectors):
            along = jax.vmap(lambda v: jax.jvp(jax.grad(lambda x: loss(unravel(x))), (flat,), (v,))[1], 1, 1)
            return along(vectors)

        start = jax.random.normal(key, (flat.size, 1), flat.dtype)
        _, vectors, _ = lobpcg_standard(product, start, m=num_iterations)
        sign = jnp.where(jnp.sum(start * vectors) < 0, -1, 1)
        return _moved(state, unravel(sign * vectors[:, 0]), epsilon)

    return Intervention(on_state, None)


def _loss_at(loss: Loss, state: State, batch: Batch):
    """The float leaves of the weights, and the mean loss of the step's batch as a function of them."""
    floats, others = trees.split_floats(state.params)
    key = key_of_noise(batch.key, state.noise)

    def mean(floats):
        network = Network(trees.merge(floats, others), state.model_state)
        return loss.of_batch(network, batch, key, state.hparams)[0]

    return floats, mean


def _moved(state: State, direction: PyTree, epsilon) -> State:
    length = trees.norm(direction)
    unit = trees.scale(1 / jnp.where(length > 0, length, 1), direction)
    zeros = jax.tree.map(jnp.zeros_like, trees.split_floats(state.params)[1])
    epsilon = jnp.asarray(epsilon, trees.float_type(state.params))
    return state._replace(params=move_along(state.params, trees.merge(unit, zeros), epsilon))
