"""How much the mean of several curves is off, at each time and jointly: the noise of whole curves."""

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

# The curves of two units differ smoothly; these parts, with variances that are estimated, describe how.
PARTS = ("one factor for the whole curve", "a factor of its growth", "a random walk", "rough", "smooth", "independent")
FLOOR = 0.003  # no law is exact: deviations of this relative size do not count as evidence
FLOOR_LENGTH = 0.3  # correlation length of these deviations, relative to the whole time
START = 1e-3  # variances begin here, relative to their sum


class CurveNoise(NamedTuple):
    """The covariance of one unit's curve, float[time, time], and the variance of each of PARTS at the last time."""

    covariance: np.ndarray
    variances: dict[str, float]


def estimate_curve_noise(curves: np.ndarray, t: np.ndarray) -> CurveNoise:
    """Estimates the covariance of curves from the deviations from their mean, without a law for the mean.

    Neighboring times of one curve are correlated: 60 times are worth one to three observations. The covariance sums
    five kernels: a factor of the whole curve, a factor of its growth, a random walk, an exponentially correlated part
    and independent noise. Their variances maximize the likelihood of the deviations, which have (U - 1) / U of the
    covariance of the curves.

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
    mean = curves.mean(0)
    deviations = (curves - mean) * np.sqrt(len(curves) / (len(curves) - 1))
    total = np.mean(deviations**2) + 1e-300
    scatter = deviations.T @ deviations / total / len(curves)
    kernels = _kernels(mean, t)
    lengths = np.log([0.3, 0.3])
    start = np.append(np.full(len(PARTS), np.log(1 / len(PARTS))), lengths)

    def deviance(logs):
        parts = kernels(logs[-2:])
        return _deviance(sum(np.exp(v) * part for v, part in zip(logs[:-2], parts, strict=True)), scatter)

    bounds = [(np.log(1e-8), np.log(1e2))] * len(PARTS) + [(np.log(0.02), np.log(3.0)), (np.log(0.1), np.log(3.0))]
    found = optimize.minimize(deviance, start, method="L-BFGS-B", bounds=bounds)
    parts = kernels(found.x[-2:])
    sizes = total * np.exp(found.x[:-2])
    covariance = sum(size * part for size, part in zip(sizes, parts, strict=True))
    last = {name: float(size * part[-1, -1]) for name, size, part in zip(PARTS, sizes, parts, strict=True)}
    return CurveNoise(covariance, last)


def _kernels(mean: np.ndarray, t: np.ndarray):
    """Returns the kernels of PARTS, of the order of 1, as a function of the logarithms of two correlation lengths."""
    growth = mean / max(np.abs(mean).max(), 1e-12)
    apart = np.abs(t[:, None] - t)
    fixed = [np.ones_like(apart), np.outer(growth, growth), np.minimum(t[:, None], t)]

    def kernels(lengths):
        rough, smooth = np.exp(lengths)
        return [*fixed, np.exp(-apart / rough), np.exp(-((apart / smooth) ** 2) / 2), np.eye(len(t))]

    return kernels


def _deviance(covariance: np.ndarray, scatter: np.ndarray) -> float:
    """Twice the negative log-likelihood of Gaussian deviations per unit, up to a constant."""
    factor = linalg.cholesky(covariance + 1e-9 * np.eye(len(covariance)), lower=True)
    whitened = linalg.solve_triangular(factor, scatter, lower=True)
    trace = np.trace(linalg.solve_triangular(factor, whitened.T, lower=True))
    return 2 * np.log(np.diag(factor)).sum() + trace


def covariance_of_mean(noise: CurveNoise, num_units: int, t: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Returns the covariance of the mean of curves: that of one divided by their number, and the floor.

    >>> t = np.array([0.5, 1.0])
    >>> covariance_of_mean(CurveNoise(np.eye(2), {}), 4, t, floor=0.0).tolist()
    [[0.25, 0.0], [0.0, 0.25]]
    """
    apart = np.abs(t[:, None] - t)
    smooth = np.exp(-apart / FLOOR_LENGTH) + 0.1 * np.eye(len(t))
    return noise.covariance / num_units + floor**2 * smooth
