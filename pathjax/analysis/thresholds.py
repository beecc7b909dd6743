"""When curves reach a value."""

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.errors import InputError


def time_to_threshold(steps: ArrayLike, values: ArrayLike, threshold: float, *, falling: bool = False) -> np.ndarray:
    """Returns the first step at which each curve reaches a threshold, interpolated linearly between records.

    Args:
        steps: float[T], ascending.
        values: float[T, ...]: one curve, or a curve for each member.
        threshold: the value to reach, from below; with `falling`, from above.

    Returns:
        float[...]: steps; the first step for a curve that begins at or beyond the threshold, NaN for one that never
        reaches it. Records that are NaN are not reached.

    Raises:
        InputError: if the lengths differ, or steps are not ascending.

    >>> time_to_threshold([0, 10, 20], [0.0, 0.4, 0.8], 0.5).item()
    12.5
    """
    times, curves = np.asarray(steps, float), np.asarray(values, float)
    if times.ndim != 1 or curves.shape[:1] != times.shape or not (np.diff(times) > 0).all() or not len(times):
        raise InputError(
            f"steps {times.shape} must ascend, and be as many as values {curves.shape} along their first axis"
        )
    above = -curves if falling else curves
    level = -threshold if falling else threshold
    reached = above >= level
    at = np.argmax(reached, axis=0)
    before = np.maximum(at - 1, 0)
    low, high = (np.take_along_axis(above, index[None], 0)[0] for index in (before, at))
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(high > low, (level - low) / (high - low), 1.0)
    part = np.where(np.isfinite(part), part, 1.0)
    found = np.where(at == 0, times[0], times[before] + part * (times[at] - times[before]))
    return np.where(reached.any(0), found, np.nan)
