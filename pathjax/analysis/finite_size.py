"""Growth rates of finite separations by their size, against the tangent's over the same steps."""

from typing import NamedTuple

import numpy as np


class FiniteSizeCurve(NamedTuple):
    """For each bin of separations float[bin]: the geometric mean `size`; the members' mean `rate` and the `tangent`'s
    over the same steps and directions, nats per step; `excess`, their difference, with its standard error over
    directions `stderr` (NaN for a single one); and how many `directions` were there."""

    size: np.ndarray
    rate: np.ndarray
    tangent: np.ndarray
    excess: np.ndarray
    stderr: np.ndarray
    directions: np.ndarray


def finite_size_curve(distance, tangent_norm, epsilon, seed, every: int, num_windows: int = 20) -> FiniteSizeCurve:
    """How fast members separate from the baseline at each separation, and how fast their tangents say they should.

    The run is cut into windows; in each, a member's growth rate is taken at its separation there, and so is the rate
    of the tangent of its own direction. Windows are gathered by separation, in bins of a factor of 10^(1/2). Training
    is not stationary and separations change: comparing within windows takes both out.

    Args:
        distance: float[t, member] to the baseline; members with epsilon 0 or a distance that is not finite or 0 are
            left out.
        tangent_norm: float[t, direction] at the same steps.
        epsilon, seed: float[member] and int[member].
        every: steps between records.
        num_windows: at most.

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
    each = [np.mean(excess[inside & (directions == d)]) for d in np.unique(directions[inside])]
    error = np.std(each, ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.nan
    means = (np.mean(values[inside]) for values in (rates, tangent_rates, excess))
    return np.exp(np.mean(middles[inside])), *means, error, len(each)
