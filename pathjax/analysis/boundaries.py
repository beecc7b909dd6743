"""Decision boundaries of data with two inputs, and the area between them."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require

EMPTY = 0.01  # points with a lower density, relative to the largest, count as empty


@shown_in_short
class Plane(NamedTuple):
    """A square grid of points around data, with two measures on it.

    Attributes:
        points: float32[num * num, 2], row by row from the lowest second input.
        num: points per side.
        extent: (left, right, bottom, top) of the grid's cells.
        near: float[num * num], the density of the data (a Gaussian kernel estimate) at each point; its sum is 1.
        empty: float[num * num], uniform where that density is below 1% of its maximum; its sum is 1.
    """

    points: np.ndarray
    num: int
    extent: tuple[float, float, float, float]
    near: np.ndarray
    empty: np.ndarray


def plane_of(inputs: np.ndarray, num: int = 48, margin: float = 0.3) -> Plane:
    """Returns a grid around data.

    Args:
        inputs: float[n, 2].
        num: points per side.
        margin: free space on each side, relative to the range of the data.

    Returns:
        Plane.

    Raises:
        InputError: for inputs of another shape, or on a line.

    >>> plane = plane_of(np.random.default_rng(0).normal(size=(99, 2)), num=8)
    >>> plane.points.shape, round(float(plane.near.sum()), 6), round(float(plane.empty.sum()), 6)
    ((64, 2), 1.0, 1.0)
    """
    data = np.asarray(inputs, float)
    require(data.ndim == 2 and data.shape[1] == 2, f"inputs have shape {data.shape}: expected (n, 2)")
    spread = np.linalg.matrix_rank(data - data.mean(0)) == 2
    require(bool(spread), "inputs lie on a line: give data that spread in two dimensions")
    low, high = data.min(0), data.max(0)
    low, high = low - margin * (high - low), high + margin * (high - low)
    step = (high - low) / num
    x, y = (low[i] + step[i] * (np.arange(num) + 0.5) for i in range(2))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    density = stats.gaussian_kde(data.T)(points.T)
    empty = (density < EMPTY * density.max()).astype(float)
    require(bool(empty.any()), f"margin={margin:g} leaves no place without data: choose a larger margin")
    extent = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    return Plane(points.astype(np.float32), num, extent, density / density.sum(), empty / empty.sum())


def area_between(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Computes the share of a measure on which two networks decide differently, sum_p w_p [a_p != b_p].

    Args:
        one, other: int[..., point], classes; they broadcast.
        weights: float[point], whose sum is 1, such as `Plane.near`.

    Returns:
        float[...], 0 to 1.

    >>> area_between(np.array([0, 1, 1]), np.array([0, 1, 0]), np.array([0.25, 0.25, 0.5])).item()
    0.5
    """
    return np.asarray((np.asarray(one) != np.asarray(other)) @ np.asarray(weights, float))


def areas_between(ones: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Computes `area_between` all pairs of two sets of networks.

    Args:
        ones, others: int[a, point] and int[b, point], classes.
        weights: float[point].

    Returns:
        float[a, b].

    >>> areas_between(np.array([[0, 1]]), np.array([[0, 1], [1, 0]]), np.array([0.5, 0.5])).tolist()
    [[0.0, 1.0]]
    """
    return np.stack([area_between(one, np.asarray(others), weights) for one in np.asarray(ones)])
