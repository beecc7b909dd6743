"""Growth rates of finite separations by size, compared with the tangent's rate over the same steps."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.display import shown_in_short


@shown_in_short
class FiniteSizeCurve(NamedTuple):
    """For each bin of separations, float[bin]: the geometric mean `size`; the members' mean `rate` and the `tangent`'s
    over the same steps and directions, in nats per step; `excess`, their difference; `stderr`, its standard error over
    directions (NaN for a single direction); and the number of `directions`."""

    size: np.ndarray
    rate: np.ndarray
    tangent: np.ndarray
    excess: np.ndarray
    stderr: np.ndarray
    directions: np.ndarray


def finite_size_curve(
    distance: ArrayLike, tangent_norm: ArrayLike, epsilon: ArrayLike, seed: ArrayLike, every: int, num_windows: int = 20
) -> FiniteSizeCurve:
    """Computes how fast members separate from the baseline at each separation, and what their tangents predict.

    The run is cut into windows. In each window, a member has a separation and a growth rate, and the tangent of its
    direction has a rate. Windows are binned by separation, with bins a factor of 10^(1/2) wide. Comparing rates within
    windows removes the effects of nonstationary training and changing separations.

    Args:
        distance: float[t, member] to the baseline; members whose epsilon is 0 or whose distance is ever 0 or not finite
            are left out.
        tangent_norm: float[t, direction] at the same steps.
        epsilon, seed: float[member] and int[member].
        every: steps between records.
        num_windows: the maximum number of windows.

    >>> growth = np.exp(0.01 * np.arange(101))
    >>> curve = finite_size_curve(1e-3 * growth[:, None], growth[:, None], np.array([1e-3]), np.array([0]), every=1)
    >>> curve.rate.round(6), bool(abs(curve.excess[0]) < 1e-12)
    (array([0.01]), True)
    """
    distance, tangent_norm = np.asarray(distance, np.float64), np.asarray(tangent_norm, np.float64)
    members = np.flatnonzero((np.asarray(epsilon) > 0) & np.all(np.isfinite(distance) & (distance > 0), axis=0))
    ends = np.unique(np.linspace(0, len(distance) - 1, num_windows + 1).astype(int))
    steps = np.diff(ends)[:, None] * every
    logs, tangent_logs = np.log(distance[ends][:, members]), np.log(tangent_norm[ends][:, np.asarray(seed)[members]])
    rates, tangent_rates = np.diff(logs, axis=0) / steps, np.diff(tangent_logs, axis=0) / steps
    middles = (logs[1:] + logs[:-1]) / 2
    bins = np.floor(2 * middles / np.log(10))
    directions = np.broadcast_to(np.asarray(seed)[members], bins.shape)
    rows = [_one_bin(bins == b, middles, rates, tangent_rates, directions) for b in np.unique(bins)]
    columns = zip(*rows, strict=True) if rows else [()] * len(FiniteSizeCurve._fields)
    return FiniteSizeCurve(*(np.array(column) for column in columns))


def _one_bin(inside, middles, rates, tangent_rates, directions):
    excess = rates - tangent_rates
    by_direction = [np.mean(excess[inside & (directions == d)]) for d in np.unique(directions[inside])]
    num = len(by_direction)
    error = np.std(by_direction, ddof=1) / np.sqrt(num) if num > 1 else np.nan
    means = (np.mean(values[inside]) for values in (rates, tangent_rates, excess))
    return np.exp(np.mean(middles[inside])), *means, error, num
