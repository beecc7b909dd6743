"""The regime of a distance at each step: roundoff, linear response, beyond linear, or saturated."""

import numpy as np
from numpy.typing import ArrayLike

REGIMES = ("below the roundoff floor", "linear response", "beyond linear", "saturated")
UNKNOWN = -1


def regimes(
    distance: ArrayLike,
    floor: ArrayLike,
    response_ratio: ArrayLike,
    saturation: ArrayLike,
    *,
    tolerance: float = 0.05,
    above_floor: float = 3.0,
    saturated: float = 0.9,
) -> np.ndarray:
    """Returns the index into REGIMES for each step and member; UNKNOWN (-1) where a value is missing.

    Args:
        distance: float[step, member], to the baseline.
        floor: float[step], the roundoff member's distance.
        response_ratio: float[step, member], the distance divided by the tangent's prediction; NaN without a tangent.
        saturation: float[step], the distance of independently initialized networks; NaN without such networks.
        tolerance: the largest deviation of the ratio from 1 at which the response counts as linear.
        above_floor: a distance is below the roundoff floor unless it is larger than this multiple of `floor`.
        saturated: a distance counts as saturated from this fraction of `saturation`.

    >>> regimes(np.array([[1e-7, 0.1, 9.5]]), np.array([1e-7]), np.array([[1, 1.01, 0.5]]), np.array([10.0])).tolist()
    [[0, 1, 3]]
    """
    distance, ratio = np.asarray(distance, float), np.asarray(response_ratio, float)
    floor, saturation = (np.asarray(a, float)[:, None] for a in (floor, saturation))
    linear = np.abs(ratio - 1) <= tolerance
    labels = np.where(np.isnan(ratio), UNKNOWN, np.where(linear, 1, 2))
    labels = np.where(distance >= saturated * saturation, 3, labels)  # False for NaN
    labels = np.where(distance <= above_floor * floor, 0, labels)
    known = np.isfinite(distance) & np.isfinite(floor)
    return np.where(known, labels, UNKNOWN).astype(np.int8)
