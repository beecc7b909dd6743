"""Finite distances compared with the prediction of linear response."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike


def linear_response_ratio(
    distance: ArrayLike, tangent_norm: ArrayLike, epsilon: ArrayLike, seed: ArrayLike
) -> Float[np.ndarray, "t member"]:
    """Computes d(t) / (epsilon |tangent(t)|) for each member: 1 where linear response holds, NaN for controls.

    Args:
        distance: float[t, member], distances to the baseline.
        tangent_norm: float[t, direction] at the same steps, per unit of epsilon.
        epsilon: float[member]; 0 for controls.
        seed: int[member], the member's direction.

    Returns:
        float[t, member].

    >>> linear_response_ratio([[0.0, 0.2]], [[2.0]], epsilon=[0.0, 0.1], seed=[-1, 0])
    array([[nan,  1.]])
    """
    distance, tangent_norm, epsilon = (np.asarray(a, np.float64) for a in (distance, tangent_norm, epsilon))
    perturbed = epsilon > 0
    predicted = epsilon * tangent_norm[:, np.where(perturbed, seed, 0)]
    return np.divide(distance, predicted, out=np.full(distance.shape, np.nan), where=perturbed & (predicted > 0))


def largest_deviation(ratio: ArrayLike) -> Float[np.ndarray, " member"]:
    """Computes the largest |ratio - 1| over time for each member; NaN if a ratio is not finite.

    >>> largest_deviation([[1.0, 1.0], [1.1, 0.7]]).round(3)
    array([0.1, 0.3])
    """
    return np.max(np.abs(np.asarray(ratio, np.float64) - 1), axis=0)
