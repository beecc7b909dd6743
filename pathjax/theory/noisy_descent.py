"""Gradient descent on a quadratic, with noise that is added to the gradient or multiplies it: how two runs separate."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike
from scipy import special, stats


def noisy_descent(curvature: float | Array, rate: float, noise: float) -> Callable:
    """Returns a step on h w^2 / 2 with Gaussian noise on the gradient: w' = (1 - rate h) w - rate noise N(0, 1).

    In the limit of small steps each coordinate is an Ornstein-Uhlenbeck process.

    >>> noisy_descent(1.0, 0.1, 0.0)(jax.numpy.ones(2), jax.random.key(0))
    Array([0.9, 0.9], dtype=float32)
    """

    def step(w: Float[Array, " n"], key: Key[Array, ""]) -> Float[Array, " n"]:
        return w - rate * (curvature * w + noise * jax.random.normal(key, w.shape, w.dtype))

    return step


def multiplicative_descent(curvature: float | Array, rate: float, noise: float) -> Callable:
    """Returns a step on a quadratic whose curvature fluctuates: w' = (1 - rate h (1 + noise N(0, 1))) w.

    So does the curvature of a batch's loss. Noise that is common to two runs moves their separation, too.

    >>> multiplicative_descent(1.0, 0.1, 0.0)(jax.numpy.ones(2), jax.random.key(0))
    Array([0.9, 0.9], dtype=float32)
    """

    def step(w: Float[Array, " n"], key: Key[Array, ""]) -> Float[Array, " n"]:
        return w * (1 - rate * curvature * (1 + noise * jax.random.normal(key, w.shape, w.dtype)))

    return step


def descent_separation(
    curvature: ArrayLike, rate: float, noise: float, steps: ArrayLike, start: ArrayLike, common: bool = False
) -> np.ndarray:
    """Computes the rms separation of two runs of `noisy_descent`.

    With q = 1 - rate h, a separation of coordinate i is q^t start_i if both runs have the same noise, and its mean
    square is q^(2t) start_i^2 + 2 (rate noise)^2 (1 - q^(2t)) / (1 - q^2) if each has its own: a plateau, approached
    exponentially, which is the law of Brownian motion on a sphere.

    Args:
        curvature: h of each coordinate, float[n].
        rate: the learning rate.
        noise: standard deviation of the gradient's noise.
        steps: numbers of steps, int (...).
        start: the separation, float[n].
        common: whether both runs have the same noise.

    Returns:
        float64 (...), the root of the sum over coordinates of the mean squares.

    >>> descent_separation([1.0], 0.1, 0.0, [0, 1], [1.0]).tolist()
    [1.0, 0.9]
    """
    q, t = 1 - rate * np.asarray(curvature, float), np.asarray(steps, float)[..., None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # unstable modes become infinite
        kept = q ** (2 * t)
        added = np.where(q**2 == 1, t, (1 - kept) / (1 - q**2))
    variance = 0 if common else 2 * (rate * noise) ** 2 * added
    return np.sqrt((kept * np.asarray(start, float) ** 2 + variance).sum(-1))


def multiplicative_growth(curvature: float, rate: float, noise: float) -> tuple[float, float]:
    """Computes the growth of a separation per step of `multiplicative_descent` with common noise.

    A step multiplies the separation by q ~ N(m, s^2), with m = 1 - rate h and s = rate h noise. q^2 / s^2 is noncentral
    chi-squared: a mixture of chi-squared variables of 1 + 2 j degrees of freedom, j ~ Poisson(m^2 / 2 s^2), so that
    <log q^2> = log(2 s^2) + <digamma(1/2 + j)>.

    Args:
        curvature: h.
        rate: learning rate.
        noise: standard deviation of the curvature, relative to h.

    Returns:
        The rate of log <d^2> / 2, which is log(m^2 + s^2) / 2, and the rate of <log d>, the Lyapunov exponent
        <log |q|>. The first is larger: rare runs dominate the mean square.

    Source: Johnson, Kotz, Balakrishnan: Continuous Univariate Distributions 2 (1995), chapter 29.

    >>> [round(x, 4) for x in multiplicative_growth(1.0, 0.1, 1.0)]
    [-0.0992, -0.1117]
    """
    kept, spread = 1 - rate * curvature, abs(rate * curvature * noise)
    of_rms = float(np.log(kept**2 + spread**2) / 2)
    if spread**2 < 1e-6 * kept**2:  # <log |q|> = log |m| - s^2 / 2 m^2, up to s^4
        return of_rms, float(np.log(abs(kept)) - (spread / kept) ** 2 / 2)
    mean = (kept / spread) ** 2 / 2
    terms = np.arange(max(0, int(mean - 12 * mean**0.5)), int(mean + 12 * mean**0.5) + 60)
    mixed = stats.poisson.pmf(terms, mean) @ special.digamma(0.5 + terms)
    return of_rms, float((np.log(2 * spread**2) + mixed) / 2)
