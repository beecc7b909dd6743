"""Whether a cloud of points is Gaussian, along random directions."""

import functools
from typing import NamedTuple

import numpy as np

NULL_DRAWS = 10_000  # sets of Gaussian points with which a set is compared
NUM_PLANES = 200
LEVEL = 0.05  # at which a plane counts as rejected


class Gaussianity(NamedTuple):
    """Mardia's skewness and kurtosis, and their p-values, each (...)."""

    skewness: np.ndarray
    kurtosis: np.ndarray
    skewness_p: np.ndarray
    kurtosis_p: np.ndarray


def mardia(points) -> Gaussianity:
    """Whether n points in k dimensions are Gaussian, whatever their mean and covariance.

    A p-value is the part of Gaussian sets that deviate as much, to both sides for the kurtosis. It comes from
    NULL_DRAWS sets of n Gaussian points, and so holds for few points too, where the tables for large n do not. Its
    standard error is sqrt(p (1 - p) / NULL_DRAWS), and none is below 1 / NULL_DRAWS.

    Args:
        points: float[..., n, k]; the statistics are NaN for n <= k + 1, and for points without spread or not finite.

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


def _statistics(points) -> tuple[np.ndarray, np.ndarray]:
    """Sums over all pairs of points are squares of sums over points: no n x n matrix is needed."""
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
    """The statistics of Gaussian sets, each in order of size."""
    rng = np.random.default_rng(0)
    parts = [_statistics(rng.normal(size=(NULL_DRAWS // 20, n, k))) for _ in range(20)]
    return np.sort(np.concatenate([p[0] for p in parts])), np.sort(np.concatenate([p[1] for p in parts]))


def _share_above(ordered, values) -> np.ndarray:
    """The part of the null's values, with this one among them, that are at least as large."""
    found = (len(ordered) - np.searchsorted(ordered, values, side="left") + 1) / (len(ordered) + 1)
    return np.where(np.isfinite(values), found, np.nan)


class Rejected(NamedTuple):
    """Parts of the random planes in which skewness, or kurtosis, says at the level of 5% that the points are not
    Gaussian. Of Gaussian points it is 5% on average."""

    skewness: float
    kurtosis: float


def rejected_planes(gram, seed: int = 0) -> Rejected:
    """Whether n points are Gaussian along pairs of random directions, from their inner products alone.

    The projections of n points on a random direction are jointly Gaussian with the Gram matrix as covariance, so they
    can be drawn without the points. Along random directions clouds of many dimensions all look Gaussian (Diaconis and
    Freedman 1984): what is found is about the few dimensions that hold most of the variance.

    Args:
        gram: float[n, n], with whatever origin; NaN for n <= 3, for equal points, and for those not finite.
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
