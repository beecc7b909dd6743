"""How much the mean of several curves is off, at each time and jointly: the noise of whole curves."""

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

from pathjax.core.display import shown_in_short

FLOOR = 0.005  # relative model error: smaller deviations do not count against a law
FLOOR_LENGTH = 0.3  # correlation length of these deviations, relative to the whole time
LENGTHS = (0.1, 0.3, 1.0)  # of correlated parts, in units of the whole time, and in powers of ten of the time


@shown_in_short
class CurveNoise(NamedTuple):
    """The covariance of one unit's curve, float[time, time], and the variance of each of its parts at the last time."""

    covariance: np.ndarray
    variances: dict[str, float]


def estimate_curve_noise(curves: np.ndarray, t: np.ndarray) -> CurveNoise:
    """Estimates the covariance of curves from the deviations from their mean, without a law for the mean.

    Neighboring times of one curve are correlated: 60 times are worth one to three observations. The covariance is a sum
    of kernels: a factor of the whole curve, a factor of its growth, random walks in time and in growth, independent
    noise, and rough and smooth correlated noise, whose size is constant in time or proportional to growth. Their
    variances, 0 or more, maximize the likelihood of the deviations, which have (U - 1) / U of the curves' covariance.

    Args:
        curves: float[unit, time], the logarithm of the distance of U units.
        t: float[time], increasing, from above 0 to 1.

    Returns:
        CurveNoise.

    >>> rng = np.random.default_rng(0)
    >>> t, walks = np.arange(1, 31) / 30, rng.normal(size=(200, 30)).cumsum(1) / 30**0.5
    >>> bool(abs(estimate_curve_noise(walks, t).covariance[-1, -1] - 1) < 0.3)
    True
    """
    deviations = (curves - curves.mean(0)) * np.sqrt(len(curves) / (len(curves) - 1))
    total = np.mean(deviations**2) + 1e-300
    scatter = deviations.T @ deviations / total / len(curves)
    kernels = _kernels(curves.mean(0), t)
    parts = np.stack(list(kernels.values()))
    start = np.full(len(parts), np.log(1 / len(parts)))
    bounds = [(np.log(1e-8), np.log(1e2))] * len(parts)
    found = optimize.minimize(_deviance, start, (parts, scatter), jac=True, method="L-BFGS-B", bounds=bounds)
    sizes = total * np.exp(found.x)
    last = {name: float(size * kernel[-1, -1]) for (name, kernel), size in zip(kernels.items(), sizes, strict=True)}
    return CurveNoise(np.tensordot(sizes, parts, 1), last)


def _kernels(mean: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    """Returns covariances of the order of 1 by name."""
    grown = np.maximum.accumulate(np.abs(mean - mean[0] + 1e-3))
    grown = grown / grown[-1]
    apart, decades = (np.abs(np.subtract.outer(a, a)) for a in (t, np.log10(t)))
    growth = np.outer(grown, grown)
    found = {
        "a factor": np.ones_like(apart),
        "a factor of the growth": growth,
        "a walk in time": np.minimum.outer(t, t),
        "a walk in growth": np.minimum.outer(grown, grown),
        "independent": np.eye(len(t)),
        "independent, by growth": np.diag(grown**2),
    }
    for length in LENGTHS:
        found[f"rough, {length:g}"] = np.exp(-apart / length)
        found[f"smooth, {length:g}"] = np.exp(-((apart / length) ** 2) / 2)
        found[f"rough, {length:g} decades, by growth"] = growth * np.exp(-decades / length)
        found[f"smooth, {length:g} decades, by growth"] = growth * np.exp(-((decades / length) ** 2) / 2)
    return found


def _deviance(logs: np.ndarray, parts: np.ndarray, scatter: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns twice the negative log-likelihood of Gaussian deviations per unit, up to a constant, and its gradient."""
    sizes = np.exp(logs)
    covariance = np.tensordot(sizes, parts, 1) + 1e-9 * np.eye(len(scatter))
    factor = linalg.cho_factor(covariance, lower=True)
    inverse = linalg.cho_solve(factor, np.eye(len(scatter)))
    explained = inverse @ scatter
    slope = inverse - explained @ inverse
    value = 2 * np.log(np.diag(factor[0])).sum() + np.trace(explained)
    return float(value), sizes * np.tensordot(parts, slope, 2)


def covariance_of_mean(noise: CurveNoise, num_units: int, t: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Returns the covariance of the mean of curves: that of one divided by their number, and the floor.

    >>> t = np.array([0.5, 1.0])
    >>> covariance_of_mean(CurveNoise(np.eye(2), {}), 4, t, floor=0.0).tolist()
    [[0.25, 0.0], [0.0, 0.25]]
    """
    return noise.covariance / num_units + floor**2 * floor_correlation(t)


def floor_correlation(t: np.ndarray) -> np.ndarray:
    """Returns the correlation of the deviations of a law that is not exact: smooth ones, and independent ones.

    >>> floor_correlation(np.array([0.5, 0.5])).round(1).tolist()
    [[1.1, 1.0], [1.0, 1.1]]
    """
    apart = np.abs(np.subtract.outer(t, t))
    return np.exp(-apart / FLOOR_LENGTH) + 0.1 * np.eye(len(t))
