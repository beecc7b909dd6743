"""Symmetric matrices of the weights as functions v -> A v on trees."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core.errors import require
from pathjax.core.types import PyTree


def hessian(loss: Callable, weights: PyTree) -> Callable:
    """Returns the product v -> H v with the Hessian of a loss, H_ij = d^2 L / dw_i dw_j: the jvp of the gradient.

    Args:
        loss: `loss(weights) -> float[]`.
        weights: a tree of floats.

    Returns:
        A linear function of trees like the weights. A product costs about two gradients.

    Source: Pearlmutter 1994, Neural Computation 6.

    >>> hessian(lambda w: w["a"] ** 2 * w["b"], {"a": 1.0, "b": 3.0})({"a": 1.0, "b": 0.0})
    {'a': Array(6., dtype=float32, weak_type=True), 'b': Array(2., dtype=float32, weak_type=True)}
    """
    return lambda v: jax.jvp(jax.grad(loss), (weights,), (v,))[1]


def gradient_covariance(losses: Callable, weights: PyTree) -> Callable:
    """Returns the product v -> C v with the covariance of the gradients g_i of single examples,

    C = (1/n) sum_i (g_i - g) (g_i - g)^T, with their mean g. The noise of a batch of B examples, drawn with
    replacement, has the covariance C / B. A product is a jvp and a vjp; no gradient of an example is formed.

    Args:
        losses: `losses(weights) -> float[n]`, one loss for each example.
        weights: a tree of floats.

    Returns:
        A linear function of trees like the weights.

    Raises:
        InputError: if `losses` returns something else than one loss for each example.

    >>> gradient_covariance(lambda w: jnp.array([1.0, 3.0]) * w, jnp.float32(1.0))(jnp.float32(1.0))
    Array(1., dtype=float32)
    """
    values, backward = jax.vjp(losses, weights)
    require(
        values.ndim == 1,
        f"the covariance of gradients needs the loss of each example, not shape {values.shape}: return shape (n,)",
    )

    def product(v: PyTree) -> PyTree:
        along = jax.jvp(losses, (weights,), (v,))[1]
        return backward((along - jnp.mean(along)) / len(along))[0]

    return product


def precondition(product: Callable, diagonal: PyTree) -> Callable:
    """Returns the product with P^(-1/2) A P^(-1/2), which has the eigenvalues of P^(-1) A, for a diagonal P > 0.

    Args:
        product: the product with A.
        diagonal: a tree like the weights, the diagonal of P.

    >>> precondition(lambda v: 8 * v, jnp.array([4.0, 1.0]))(jnp.ones(2))
    Array([2., 8.], dtype=float32)
    """
    roots = jax.tree.map(jnp.sqrt, diagonal)

    def divide(v: PyTree) -> PyTree:
        return jax.tree.map(jnp.divide, v, roots)

    return lambda v: divide(product(divide(v)))
