"""When half of each pattern is learned, and how much that varies between runs."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from pathjax.analysis.intervals import Interval, spread_from_baseline, spread_of_units, spread_within
from pathjax.analysis.thresholds import time_to_threshold

SIDES = ("m", "c")


def curve(trajectory: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps of a variable's records, and its values, float[init, member, time]."""
    values = trajectory[name]
    (time,) = set(values.dims) - {"init", "member"}
    return trajectory[time].values.astype(float), values.transpose("init", "member", time).values.astype(float)


def half_times(trajectory: xr.Dataset, side: str, chance: float) -> np.ndarray:
    """Returns the step at which the accuracy on one-sided dominoes is half of the way from chance to 1.

    Args:
        trajectory: of the dominoes experiment.
        side: "m" or "c".
        chance: accuracy of guessing.

    Returns:
        float[init, member], interpolated between records; NaN where it is not reached.
    """
    steps, values = curve(trajectory, f"{side}_accuracy")
    return time_to_threshold(steps, np.moveaxis(values, -1, 0), (1 + chance) / 2)


def kinds_of(trajectory: xr.Dataset) -> dict[str, np.ndarray]:
    """Returns which members are perturbed by which epsilon, follow another order, or have one rounding error."""
    role, epsilon = trajectory.role.values, trajectory.epsilon.values
    found = {f"epsilon {e:g}": epsilon == e for e in np.unique(epsilon[role == "perturbed"])}
    kinds = {"one rounding error": role == "roundoff"} | found | {"another order of batches": role == "fork"}
    return {name: own for name, own in kinds.items() if own.any()}


def spreads(trajectory: xr.Dataset, values: np.ndarray) -> dict[str, Interval]:
    """Returns the standard deviation of a quantity, float[init, member], between runs that differ in each way."""
    found: dict[str, Interval] = {}
    for name, own in kinds_of(trajectory).items():
        if name == "another order of batches":
            found[name] = spread_within(np.concatenate([values[:, :1], values[:, own]], axis=1))
        else:
            found[name] = spread_from_baseline(values[:, own], values[:, 0])
    return found | {"another initialization": spread_of_units(values[:, 0])}


def first_learned(times: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the index of the side that is half learned first, -1 where none is or both at the same step.

    >>> first_learned([np.array([1.0, np.nan, np.nan]), np.array([2.0, 5.0, np.nan])]).tolist()
    [0, 1, -1]
    """
    m, c = (np.where(np.isfinite(own), own, np.inf) for own in times)
    return np.where(m < c, 0, np.where(c < m, 1, -1))
