"""Interventions that move the weights along directions given by the loss on the step's own batch."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.types import PyTree, State
from pathjax.curvature import leading_eigenpairs
from pathjax.interventions.base import Intervention
from pathjax.perturbations.directional import move_along
from pathjax.training.loss import Loss
from pathjax.training.loss_of_weights import LossOfWeights


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
        return _moved(state, LossOfWeights(own, state, batch).gradient(), epsilon)

    return Intervention(on_state, None)


def along_curvature(
    loss_fn: Callable,
    *,
    stochastic: bool = False,
    hparams_in_loss: bool = False,
    model_state: bool = False,
    max_products: int = 60,
) -> Intervention:
    """Moves the weights along the eigenvector of the largest (not the most negative) eigenvalue of the Hessian of the
    loss on the step's batch, by a 2-norm of exactly epsilon; the sign is random.

    Args:
        loss_fn, stochastic, hparams_in_loss, model_state: see `along_gradient`.
        max_products: maximum number of Hessian-vector products; see `pathjax.curvature.leading_eigenpairs`.

    Returns:
        An Intervention; epsilon is the 2-norm of the move.

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
        search, side = jax.random.split(key)
        at = LossOfWeights(own, state, batch)
        found = leading_eigenpairs(search, at.hessian(), at.floats, max_products=max_products)
        sign = jnp.where(jax.random.bernoulli(side), 1, -1)
        return _moved(state, trees.scale(sign, trees.index(found.vectors, 0)), epsilon)

    return Intervention(on_state, None)


def _moved(state: State, direction: PyTree, epsilon) -> State:
    length = trees.norm(direction)
    unit = trees.scale(1 / jnp.where(length > 0, length, 1), direction)
    zeros = jax.tree.map(jnp.zeros_like, trees.split_floats(state.params)[1])
    epsilon = jnp.asarray(epsilon, trees.float_type(state.params))
    return state._replace(params=move_along(state.params, trees.merge(unit, zeros), epsilon))
