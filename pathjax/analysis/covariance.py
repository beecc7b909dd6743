"""The size, shape and dimension of a cloud of points, from the points' inner products."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pathjax.core.display import shown_in_short


@shown_in_short
class Cloud(NamedTuple):
    """Statistics of n points whose covariance has the eigenvalues `spectrum` (descending, at most n - 1 nonzero).

    `total_variance` is the sum of the eigenvalues, `participation_ratio` is (sum)^2 / sum of squares, and
    `effective_dimension` is the exponential of the entropy of their shares. The last two are at most n - 1, whatever
    the dimension of the space.
    """

    total_variance: np.ndarray
    spectrum: np.ndarray
    participation_ratio: np.ndarray
    effective_dimension: np.ndarray


def pair_distances(gram: ArrayLike) -> np.ndarray:
    """Computes the distances of all pairs from inner products (..., n, n).

    >>> pair_distances(np.diag([9.0, 16.0])).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    gram = np.asarray(gram, float)
    own = np.diagonal(gram, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore"):  # members that overflowed get NaN
        return np.sqrt(np.maximum(own[..., :, None] + own[..., None, :] - 2 * gram, 0))


def cloud(gram: ArrayLike) -> Cloud:
    """Computes statistics of n points from their inner products, for any origin.

    Args:
        gram: float[..., n, n]. A single point gives NaN. Variances below rounding count as 0.

    Source: the participation ratio as in Gao et al. 2017; the effective dimension of Roy and Vetterli 2007.

    >>> cloud(np.eye(3)).participation_ratio.round(12).tolist()
    2.0
    """
    gram = np.asarray(gram)
    eps = np.finfo(gram.dtype).eps if np.issubdtype(gram.dtype, np.floating) else np.finfo(float).eps
    gram, n = gram.astype(float), gram.shape[-1]
    centring = np.eye(n) - 1 / max(1, n)
    centered = centring @ gram @ centring
    known = np.isfinite(centered).all((-2, -1), keepdims=True) & (n > 1)
    spectrum = np.linalg.eigvalsh(np.where(known, centered, 0))[..., ::-1] / max(1, n - 1)
    rounding = eps * np.abs(np.where(known, gram, 0)).max((-2, -1), initial=0)[..., None]
    spectrum = np.where(spectrum > rounding, spectrum, 0)
    spectrum = np.where(known[..., 0], spectrum, np.nan)
    total = np.where(known[..., 0, 0], spectrum.sum(-1), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = spectrum / total[..., None]
        entropy = -np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0).sum(-1)
        participation = total**2 / (spectrum**2).sum(-1)
    effective = np.where(total > 0, np.exp(entropy), np.nan)
    return Cloud(total, spectrum, participation, effective)
