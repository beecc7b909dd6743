"""How walkers move from a common start, in numbers that Brownian motion on a sphere determines."""

from typing import NamedTuple

import numpy as np

from pathjax.analysis.covariance import cloud, pair_distances


class Motion(NamedTuple):
    """The motion of N walkers from one start w0, with displacements D_i = w_i - w0.

    Attributes:
        norm: mean of |w(T)| / |w0|. On a sphere 1.
        radial: mean of (|w(T)|^2 - |w0|^2) / |D|^2. On a sphere 0; if displacements are orthogonal to w0, 1.
        exponent: b of <|D|^2> ~ t^b over the later half of the time. Of Brownian motion 1, or less near the plateau.
        aging: <|D|^2> of the later half of the time over that of the earlier half. Of Brownian motion 1.
        common: <D_i . D_j> of different walkers over <|D|^2>: the share of drift. Of Brownian motion 0.
        spread: b of <|D_i - D_j|^2> ~ t^b, in which drift has no part. Of Brownian motion 1.
        dimension: participation ratio of the walkers at the end over N - 1, its value for many isotropic dimensions.
    """

    norm: float
    radial: float
    exponent: float
    aging: float
    common: float
    spread: float
    dimension: float


# Of Brownian motion on a sphere, far from its plateau.
BROWNIAN = Motion(1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0)


def motion_of(
    steps: np.ndarray, norm: np.ndarray, moved: np.ndarray, moved_later: np.ndarray, gram: np.ndarray
) -> Motion:
    """Computes the statistics of one start's walkers.

    Args:
        steps: float[time], of the records, from 0.
        norm: float[time, N], norms of the weights.
        moved: float[time, N], squared displacements from the start.
        moved_later: float[N], squared displacements from the middle to the end of the time.
        gram: float[time, N, N], inner products of the walkers, for any origin.

    Returns:
        Motion.

    >>> steps, walk = np.arange(9), np.arange(9.0)[:, None] * np.ones(3)  # in 3 orthogonal directions, from |w0| = 2
    >>> found = motion_of(steps, np.sqrt(4 + walk), walk, np.full(3, 4.0), walk[:, :, None] * np.eye(3))
    >>> np.round(found, 4).tolist()
    [1.7321, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    """
    num, last, middle = len(gram[0]), moved[-1], len(steps) // 2
    apart = (pair_distances(gram) ** 2).sum((1, 2)) / (num * (num - 1))  # mean of |D_i - D_j|^2 over pairs
    return Motion(
        norm=float((norm[-1] / norm[0]).mean()),
        radial=float(((norm[-1] ** 2 - norm[0] ** 2) / last).mean()),
        exponent=_power(steps[middle:], moved[middle:].mean(1)),
        aging=float(moved_later.mean() / moved[middle].mean()),
        common=float(1 - apart[-1] / (2 * last.mean())),
        spread=_power(steps[middle:], apart[middle:]),
        dimension=float(cloud(gram[-1]).participation_ratio / (num - 1)),
    )


def _power(steps: np.ndarray, values: np.ndarray) -> float:
    return float(np.polyfit(np.log(steps), np.log(values), 1)[0])
