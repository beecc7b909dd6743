"""Interventions that move the weights along directions given by the loss on the step's own batch."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental.sparse.linalg import lobpcg_standard
from jax.flatten_util import ravel_pytree

from pathjax.core import trees
from pathjax.core.types import PyTree, State
from pathjax.interventions.base import Intervention
from pathjax.perturbations.directional import move_along


def along_gradient(loss_fn: Callable, *, hparams_in_loss: bool = False) -> Intervention:
    """Moves the weights along the gradient of the loss on the step's batch, by a 2-norm of exactly epsilon.

    Args:
        loss_fn: `loss_fn(params, examples)`, as in `training_dynamics`: one loss for the batch or one for each example.
        hparams_in_loss: whether `loss_fn` takes the dict of hyperparameters as its last argument.

    Returns:
        An Intervention; epsilon is the 2-norm of the move.

    >>> from pathjax.core.types import Batch
    >>> kick = along_gradient(lambda w, x: jnp.sum(w**2))
    >>> state = State(params=jnp.array([3.0, 4.0]), opt_state=(), hparams={}, step=0)
    >>> kick.on_state(None, state, Batch(None, None, None), jnp.float32(5.0)).params
    Array([6., 8.], dtype=float32)
    """

    def on_state(key, state, batch, epsilon):
        floats, loss = _loss(loss_fn, hparams_in_loss, state, batch)
        return _moved(state, jax.grad(loss)(floats), epsilon)

    return Intervention(on_state, None)


def along_curvature(loss_fn: Callable, *, hparams_in_loss: bool = False, num_iterations: int = 30) -> Intervention:
    """Moves the weights along the leading eigenvector of the Hessian of the loss on the step's batch, by a 2-norm of
    exactly epsilon; the sign is random.

    Args:
        loss_fn: see `along_gradient`.
        hparams_in_loss: see `along_gradient`.
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

    def on_state(key, state, batch, epsilon):
        floats, loss = _loss(loss_fn, hparams_in_loss, state, batch)
        flat, unravel = ravel_pytree(floats)

        def product(vectors):
            along = jax.vmap(lambda v: jax.jvp(jax.grad(lambda x: loss(unravel(x))), (flat,), (v,))[1], 1, 1)
            return along(vectors)

        start = jax.random.normal(key, (flat.size, 1), flat.dtype)
        _, vectors, _ = lobpcg_standard(product, start, m=num_iterations)
        sign = jnp.where(jnp.sum(start * vectors) < 0, -1, 1)
        return _moved(state, unravel(sign * vectors[:, 0]), epsilon)

    return Intervention(on_state, None)


def _loss(loss_fn: Callable, hparams_in_loss: bool, state: State, batch):
    """The float leaves of the weights, and the mean loss as a function of them."""
    floats, others = trees.split_floats(state.params)
    more = (state.hparams,) if hparams_in_loss else ()
    return floats, lambda floats: jnp.mean(loss_fn(trees.merge(floats, others), batch.examples, *more))


def _moved(state: State, direction: PyTree, epsilon) -> State:
    length = trees.norm(direction)
    unit = trees.scale(1 / jnp.where(length > 0, length, 1), direction)
    zeros = jax.tree.map(jnp.zeros_like, trees.split_floats(state.params)[1])
    epsilon = jnp.asarray(epsilon, trees.float_type(state.params))
    return state._replace(params=move_along(state.params, trees.merge(unit, zeros), epsilon))
