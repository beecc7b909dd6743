"""Layers that diverge linearly in time, combined by sum and by product: two guesses why distances grow as they do."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike


def drifting_layers(velocity: ArrayLike) -> Callable:
    """Returns a step in which the gain of each layer drifts in proportion to where it began: g' = g + velocity g0.

    The state is (gains, their start), so that two members that begin apart diverge linearly, layer by layer.

    >>> step = drifting_layers(0.1)
    >>> [a.tolist() for a in step((jnp.ones(2), jnp.ones(2)))]
    [[1.100000023841858, 1.100000023841858], [1.0, 1.0]]
    """

    def step(state: tuple[Float[Array, " layers"], Float[Array, " layers"]]):
        gains, start = state
        return gains + jnp.asarray(velocity, gains.dtype) * start, start

    return step


def sum_of_layers(distances: ArrayLike, velocities: ArrayLike, steps: ArrayLike) -> np.ndarray:
    """Computes the distance over all weights, if that of layer l is d_l (1 + v_l t): the root of the sum of squares.

    It is linear if all v_l are equal, and for different ones convex, towards linear: sqrt(a + b t + c t^2) with
    b^2 <= 4 a c. So sums of layers that diverge linearly never become Brownian, sqrt(t), in time; that is how the
    distance grows with the number of layers.

    Args:
        distances: d_l at t = 0, float[layers].
        velocities: v_l, float[layers].
        steps: t, (...).

    Returns:
        float64 (...).

    >>> sum_of_layers([3.0, 4.0], [0.1, 0.1], [0, 10]).tolist()
    [5.0, 10.0]
    """
    t = np.asarray(steps, float)[..., None]
    return np.sqrt(((np.asarray(distances, float) * (1 + np.asarray(velocities, float) * t)) ** 2).sum(-1))


def product_of_layers(depth: int, velocity: float, steps: ArrayLike) -> np.ndarray:
    """Computes the growth of a product of `depth` gains that each grow as 1 + v t: (1 + v t)^depth.

    A power of t at any finite depth; with depth v fixed, the limit of many layers is exp(depth v t).

    Args:
        depth: number of layers.
        velocity: v, per step.
        steps: t, (...).

    Returns:
        float64 (...).

    >>> product_of_layers(3, 0.1, [0, 10]).tolist()
    [1.0, 8.0]
    """
    return np.asarray((1 + velocity * np.asarray(steps, float)) ** depth)
