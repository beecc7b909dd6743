"""Brownian motion in the plane of n dimensions and on a sphere: steps, and exact mean and rms distances.

A walker takes Gaussian steps of standard deviation `size` in each direction. Two members of an ensemble with noise of
their own (`pathjax.with_noise`) are two walkers; with common noise, they keep their distance in the plane.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike
from scipy import special, stats

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require

NUM_HARMONICS = 400  # of the expansion of the chord; its error falls as the inverse square of their number
NUM_NODES = 600  # of the quadrature


@shown_in_short
class Distances(NamedTuple):
    """Mean and root mean square of a distance, float64 (...)."""

    mean: np.ndarray
    rms: np.ndarray


def walk(size: float) -> Callable:
    """Returns a step of a walk in the plane, `step(x, key) -> x + size * N(0, 1)`.

    >>> walk(0.1)(jnp.zeros(3), jax.random.key(0)).shape
    (3,)
    """

    def step(x: Float[Array, "..."], key: Key[Array, ""]) -> Float[Array, "..."]:
        return x + size * jax.random.normal(key, x.shape, x.dtype)

    return step


def sphere_walk(size: float) -> Callable:
    """Returns a step on a sphere about 0: a Gaussian step in the tangent plane, then back to the norm of before.

    >>> x = sphere_walk(0.1)(jnp.array([3.0, 4.0]), jax.random.key(0))
    >>> round(float(jnp.linalg.norm(x)), 5)
    5.0
    """

    def step(x: Float[Array, " n"], key: Key[Array, ""]) -> Float[Array, " n"]:
        radius = jnp.linalg.norm(x)
        normal = x / radius
        drawn = size * jax.random.normal(key, x.shape, x.dtype)
        moved = x + drawn - normal * jnp.vdot(normal, drawn)
        return moved * (radius / jnp.linalg.norm(moved))

    return step


def walk_distances(dim: int, variance: ArrayLike, start: ArrayLike = 0.0) -> Distances:
    """Computes mean and rms of |x| for x ~ N(start, variance) in n dimensions.

    rms^2 = start^2 + n v, and the mean is that of a noncentral chi distribution,
    sqrt(pi v / 2) L_{1/2}^{(n/2-1)}(-start^2 / 2v). Two walkers with noise of their own have v = 2 t size^2 after t
    steps, and one walker seen from its start has v = t size^2.

    Args:
        dim: n.
        variance: of each coordinate, (...).
        start: the distance at variance 0, (...).

    Returns:
        Distances, float64 (...).

    Raises:
        InputError: for fewer than 1 dimension, or a negative variance or start.

    Source: Johnson, Kotz, Balakrishnan: Continuous Univariate Distributions 2 (1995), chapter 29.

    >>> found = walk_distances(1, 1.0)
    >>> round(float(found.mean), 4), float(found.rms)  # sqrt(2 / pi), 1
    (0.7979, 1.0)
    """
    require(dim >= 1, f"dim must be 1 or more, not {dim}")
    v, d0 = np.broadcast_arrays(np.asarray(variance, float), np.asarray(start, float))
    require(bool((v >= 0).all() and (d0 >= 0).all()), "variance and start must be 0 or more")
    rms = np.sqrt(d0**2 + dim * v)
    # <sqrt(Q)> = (1 / 2 sqrt(pi)) int (1 - <exp(-s Q)>) s^(-3/2) ds, with s = exp(u) / <Q>. The integrand is smooth and
    # decays at both ends as exp(-|u| / 2), so that the trapezoidal rule converges exponentially.
    u = np.linspace(-80, 80, 1281)
    square = np.where(rms > 0, rms**2, 1)[..., None]
    s, spread = np.exp(u), v[..., None] / square
    logs = -dim / 2 * np.log1p(2 * s * spread) - s * d0[..., None] ** 2 / square / (1 + 2 * s * spread)
    mean = rms * (-np.expm1(logs) * np.exp(-u / 2)).sum(-1) * (u[1] - u[0]) / (2 * np.sqrt(np.pi))
    return Distances(np.where(v > 0, mean, d0), rms)


def sphere_distances(dim: int, radius: float, size: float, steps: ArrayLike, start: float = 0.0) -> Distances:
    """Computes mean and rms of the chord between a walker on a sphere and a fixed point, after steps of `sphere_walk`.

    With x the cosine of the angle, every harmonic G_l (a Gegenbauer polynomial with G_l(1) = 1) decays by itself:
    <G_l(x_t)> = f_l^t G_l(x_0), where f_l = <G_l(1 / sqrt(1 + chi^2_{n-1} size^2 / R^2))> is that of one step. So

        rms^2 = 2 R^2 (1 - f_1^t x_0),  mean = sum_l N_l c_l f_l^t G_l(x_0),

    where N_l is the number of harmonics of degree l and c_l the coefficient of the chord R sqrt(2 (1 - x)). In the
    limit of small steps f_1 = exp(-(n - 1) size^2 / 2 R^2). For two walkers with noise of their own, pass 2 t steps.

    Args:
        dim: n, of the space around the sphere, 2 or more.
        radius: R.
        size: standard deviation of a step in each tangent direction.
        steps: numbers of steps t, int (...).
        start: chord at t = 0, from 0 to 2 R.

    Returns:
        Distances, float64 (...), towards sqrt(2) R (rms). While the walkers are so near that 400 harmonics do not
        suffice, the mean is the exact rms times the ratio of mean and rms in the plane of n - 1 dimensions.

    Raises:
        InputError: for fewer than 2 dimensions, negative steps, or a start beyond 2 R.

    Source: Perrin 1928, Ann. Sci. Ec. Norm. Sup. 45 (rotational Brownian motion).

    >>> found = sphere_distances(3, 1.0, 0.1, [0, 10**6])
    >>> found.rms.round(4).tolist(), round(float(found.mean[1]), 4)  # 4/3, the mean chord of a sphere in 3 dimensions
    ([0.0, 1.4142], 1.3333)
    """
    require(dim >= 2, f"dim must be 2 or more, not {dim}: a sphere in {dim} dimensions has no room to move")
    require(bool((np.asarray(steps) >= 0).all()), "steps must be 0 or more")
    require(0 <= start <= 2 * radius, f"start must be from 0 to 2 R, {2 * radius:g}, not {start:g}")
    cosine, t = 1 - start**2 / (2 * radius**2), np.asarray(steps, float)
    factors = _factors(dim, size / radius)
    powers = np.where(t[..., None] == 0, 1.0, np.sign(factors) ** t[..., None] * np.abs(factors) ** t[..., None])
    rms = radius * np.sqrt(np.maximum(2 * (1 - powers[..., 1] * cosine), 0))
    terms = radius * powers * _chord(dim) * _harmonics(dim, np.array([cosine]))[:, 0]
    sizes = np.abs(terms)
    converged = (sizes.max(-1) < 1e6 * radius) & (sizes[..., -10:].max(-1) < 1e-6 * radius)
    plane = walk_distances(dim - 1, t * size**2, start)
    with np.errstate(divide="ignore", invalid="ignore"):
        nearly_flat = rms * plane.mean / plane.rms
    return Distances(np.where(t == 0, start, np.where(converged, terms.sum(-1), nearly_flat)), rms)


def _harmonics(dim: int, x: np.ndarray) -> np.ndarray:
    """Returns G_l(x), float[l, points], by the recurrence of Gegenbauer polynomials with G_l(1) = 1."""
    found = [np.ones_like(x), x]
    for degree in range(1, NUM_HARMONICS):
        above = 2 * degree + dim - 2
        found.append((above * x * found[-1] - degree * found[-2]) / (degree + dim - 2))
    return np.stack(found[: NUM_HARMONICS + 1])


def _chord(dim: int) -> np.ndarray:
    """Returns N_l c_l, c_l = <sqrt(2 (1 - x)) G_l(x)> over the sphere: c_l = c_0 (-1/2)_l / (n - 1/2)_l."""
    degree = np.arange(1, NUM_HARMONICS + 1)
    log_many = special.gammaln(degree + dim - 2) - special.gammaln(degree + 1) - special.gammaln(dim - 1)
    log_many += np.log(2 * degree + dim - 2)
    ratios = (degree - 1.5) / (degree + dim - 1.5)
    signs, logs = np.cumprod(np.sign(ratios)), np.cumsum(np.log(np.abs(ratios)))
    # The mean chord: c_0 = 2^(n-1) Gamma(n/2)^2 / (sqrt(pi) Gamma(n - 1/2))
    log_mean = (dim - 1) * np.log(2) + 2 * special.gammaln(dim / 2) - special.gammaln(dim - 0.5) - np.log(np.pi) / 2
    return np.exp(log_mean) * np.concatenate([[1.0], signs * np.exp(log_many + logs)])


def _factors(dim: int, size: float) -> np.ndarray:
    """Returns <G_l(cos of one step)> for each degree; the squared step has a chi-squared distribution."""
    levels, weights = np.polynomial.legendre.leggauss(NUM_NODES)
    squares = stats.chi2.ppf((levels + 1) / 2, dim - 1) * size**2
    return _harmonics(dim, 1 / np.sqrt(1 + squares)) @ weights / 2
