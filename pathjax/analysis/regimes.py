"""What a distance means at each step: rounding, the derivative, more than that, or as far as anything goes."""

import numpy as np

REGIMES = ("below the roundoff floor", "linear response", "beyond linear", "saturated")
UNKNOWN = -1


def regimes(
    distance, floor, response_ratio, saturation, *, tolerance=0.05, above_floor=3.0, saturated=0.9
) -> np.ndarray:
    """For each step and member its place in REGIMES; UNKNOWN (-1) where a number is missing.

    Args:
        distance: float[step, member], to the baseline.
        floor: float[step], the roundoff member's distance.
        response_ratio: float[step, member], distance over what the tangent predicts; NaN where there is no tangent.
        saturation: float[step], the distance of independently initialized networks; NaN where there are none.
        tolerance: of the ratio from 1, within which the response is linear.
        above_floor: floors that a distance must be above to mean anything.
        saturated: the part of the distance of independent networks at which it counts as saturated.

    >>> regimes(np.array([[1e-7, 0.1, 9.5]]), np.array([1e-7]), np.array([[1, 1.01, 0.5]]), np.array([10.0])).tolist()
    [[0, 1, 3]]
    """
    distance, ratio = np.asarray(distance, float), np.asarray(response_ratio, float)
    floor, saturation = (np.asarray(a, float)[:, None] for a in (floor, saturation))
    linear = np.abs(ratio - 1) <= tolerance
    labels = np.where(np.isnan(ratio), UNKNOWN, np.where(linear, 1, 2))
    labels = np.where(distance >= saturated * saturation, 3, labels)  # False where there is nothing to compare with
    labels = np.where(distance <= above_floor * floor, 0, labels)
    known = np.isfinite(distance) & np.isfinite(floor)
    return np.where(known, labels, UNKNOWN).astype(np.int8)
