"""Tests whether a cloud of points is Gaussian along random directions."""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.display import shown_in_short

NULL_DRAWS = 10_000  # Gaussian sets drawn for the null distribution
NUM_PLANES = 200
LEVEL = 0.05  # significance level at which a plane is rejected


@shown_in_short
class Gaussianity(NamedTuple):
    """Mardia's skewness and kurtosis, and their p-values, each (...)."""

    skewness: np.ndarray
    kurtosis: np.ndarray
    skewness_p: np.ndarray
    kurtosis_p: np.ndarray


def mardia(points: ArrayLike) -> Gaussianity:
    """Tests whether n points in k dimensions are Gaussian, whatever their mean and covariance.

    A p-value is the fraction of Gaussian sets that deviate as much, two-sided for the kurtosis. It comes from
    NULL_DRAWS sets of n Gaussian points, so it also holds for small n, where asymptotic tables fail. Its standard error
    is sqrt(p (1 - p) / NULL_DRAWS), and no p-value is below 1 / NULL_DRAWS.

    Args:
        points: float[..., n, k]; the statistics are NaN if n <= k + 1, or points have no spread or are not finite.

    Source: Mardia 1970; p-values by simulation, which affine invariance makes exact (Davison and Hinkley 1997, 4.2).

    >>> mardia(np.random.default_rng(1).normal(size=(50, 2))).skewness_p > 0.01
    np.True_
    """
    points = np.asarray(points, float)
    n, k = points.shape[-2:]
    if n <= k + 1:
        return Gaussianity(*np.full((4, *points.shape[:-2]), np.nan))
    skewness, kurtosis = _statistics(points)
    null_skewness, null_kurtosis = _null(n, k)
    above = _share_above(null_kurtosis, kurtosis)
    return Gaussianity(
        skewness,
        kurtosis,
        _share_above(null_skewness, skewness),
        np.minimum(1, 2 * np.minimum(above, _share_above(-null_kurtosis[::-1], -kurtosis))),
    )


def _statistics(points) -> tuple[Any, Any]:
    """Skewness and kurtosis. Sums over all pairs of points are squares of sums over points: no n x n matrix needed."""
    n = points.shape[-2]
    centered = points - points.mean(-2, keepdims=True)
    scale = np.abs(centered).max((-2, -1), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        centered = centered / scale
    covariance = np.swapaxes(centered, -2, -1) @ centered / n
    usable = np.isfinite(covariance).all((-2, -1), keepdims=True)
    values, vectors = np.linalg.eigh(np.where(usable, covariance, np.eye(points.shape[-1])))
    usable &= values[..., :1, None] > 1e-12 * values[..., -1:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        white = np.where(usable, centered @ vectors / np.sqrt(values[..., None, :]), np.nan)
    thirds = np.einsum("...ni,...nj,...nl->...ijl", white, white, white) / n
    return (thirds**2).sum((-3, -2, -1)), ((white**2).sum(-1) ** 2).mean(-1)


@functools.lru_cache(maxsize=32)
def _null(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The statistics of Gaussian sets, each sorted."""
    rng = np.random.default_rng(0)
    parts = [_statistics(rng.normal(size=(NULL_DRAWS // 20, n, k))) for _ in range(20)]
    return np.sort(np.concatenate([p[0] for p in parts])), np.sort(np.concatenate([p[1] for p in parts]))


def _share_above(ordered, values) -> np.ndarray:
    """The fraction of values at least as large, among the null values and the value itself."""
    found = (len(ordered) - np.searchsorted(ordered, values, side="left") + 1) / (len(ordered) + 1)
    return np.where(np.isfinite(values), found, np.nan)


class Rejected(NamedTuple):
    """The fractions of random planes in which skewness, or kurtosis, rejects at the 5% level that the points are
    Gaussian. For Gaussian points they are 5% on average."""

    skewness: float
    kurtosis: float


def rejected_planes(gram: ArrayLike, seed: int = 0) -> Rejected:
    """Tests whether n points are Gaussian along pairs of random directions, given only their inner products.

    The projections of n points on a random direction are jointly Gaussian with the Gram matrix as covariance, so they
    can be drawn without the points. Along random directions every high-dimensional cloud appears Gaussian (Diaconis
    and Freedman 1984), so the result concerns the few dimensions that hold most of the variance.

    Args:
        gram: float[n, n], for any origin; the result is NaN if n <= 3, or points are equal or not finite.
        seed: of the NUM_PLANES planes.

    >>> points = np.random.default_rng(0).exponential(size=(100, 2))
    >>> rejected_planes(points @ points.T).skewness
    1.0
    """
    gram = np.asarray(gram, float)
    n = len(gram)
    centring = np.eye(n) - 1 / n
    centered = centring @ gram @ centring
    if n <= 3 or not np.isfinite(centered).all():
        return Rejected(np.nan, np.nan)
    values, vectors = np.linalg.eigh(centered)
    roots = vectors * np.sqrt(values.clip(0))
    planes = roots @ np.random.default_rng(seed).normal(size=(NUM_PLANES, n, 2))
    found = mardia(planes)
    parts = ((p < LEVEL).mean() if np.isfinite(p).all() else np.nan for p in (found.skewness_p, found.kurtosis_p))
    return Rejected(*(float(part) for part in parts))
