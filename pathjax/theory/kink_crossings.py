"""Two runs between which kinks fall: each crossing adds a jump that does not depend on their separation.

A network with ReLU units is a smooth map in pieces. Where two runs are on different sides of a kink, their gradients
differ by an amount that does not shrink with their separation. docs/theory.md derives the laws.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike
from scipy import special

from pathjax.core.errors import require

RARE = 1e-6  # probability that may be cut off


def kink_walk(jump: float, extent: float, kinks_per_step: int = 1) -> Callable:
    """Returns a step in which all members are pushed apart by random kinks: hyperplanes v.w = b, the same for all.

    v is a random unit vector, b uniform in [-extent, extent]. Members are moved by +-jump / 2 in a random direction,
    the sign depending on their side, so that two members on different sides are moved apart by `jump`. A kink separates
    two members at distance d with probability r d, r = <|v_1|> / (2 extent) (`crossing_rate`).

    >>> w = kink_walk(0.1, 1.0)(jnp.zeros(3), jax.random.key(0))
    >>> round(float(jnp.linalg.norm(w)), 3)
    0.05
    """

    def step(w: Float[Array, " n"], key: Key[Array, ""]) -> Float[Array, " n"]:
        keys = jax.random.split(key, 3)
        normal, push = (jax.random.normal(k, (kinks_per_step, len(w)), w.dtype) for k in keys[:2])
        offset = jax.random.uniform(keys[2], (kinks_per_step,), w.dtype, -extent, extent)
        normal, push = (a / jnp.linalg.norm(a, axis=1, keepdims=True) for a in (normal, push))
        return w + jump / 2 * (jnp.sign(normal @ w - offset) @ push)

    return step


def crossing_rate(dim: int, extent: float, kinks_per_step: int = 1) -> float:
    """Computes r: crossings of `kink_walk` per step and distance, <|v_1|> / (2 extent) times the number of kinks.

    <|v_1|> = Gamma(n/2) / (sqrt(pi) Gamma((n+1)/2)) for a random unit vector in n dimensions.

    >>> crossing_rate(1, 1.0)
    0.5
    """
    mean = np.exp(special.gammaln(dim / 2) - special.gammaln((dim + 1) / 2)) / np.sqrt(np.pi)
    return float(kinks_per_step * mean / (2 * extent))


def kink_distances(rate: float, jump: float, steps: int, start: float, quantiles: ArrayLike = (0.5,)) -> dict:
    """Solves the model of independent jumps: d^2 = start^2 + jump^2 N, where N grows by 1 with probability rate d.

    This is `kink_walk` in many dimensions (50 are enough), where jumps are orthogonal to the separation and to one
    another. The distribution of N is propagated exactly, step by step. While rate d < 1 per run, most runs have no
    crossing, and the mean is that of a few; later d grows as start + (rate jump^2 / 2) t.

    Args:
        rate: r, crossings per step and distance.
        jump: J.
        steps: T.
        start: d(0), above 0.
        quantiles: of d to compute, from 0 to 1.

    Returns:
        float64 arrays (T + 1,): "mean" and "rms" of d, "none", the probability of no crossing so far; and "quantiles"
        (T + 1, len(quantiles)).

    Raises:
        InputError: if more than a millionth of the runs have more than one crossing per step, or start is not above 0.

    >>> found = kink_distances(0.1, 0.1, 100, 0.01)
    >>> round(float(found["none"][-1]), 3)  # (1 - 0.001)^100
    0.905
    """
    require(start > 0, f"start must be above 0, not {start:g}: runs that coincide have no kink between them")
    p, levels = np.array([1.0]), np.asarray(quantiles, float)
    rows: dict[str, list] = {"mean": [start], "rms": [start], "none": [1.0], "quantiles": [np.full(len(levels), start)]}
    for _ in range(steps):
        d = np.sqrt(start**2 + jump**2 * np.arange(len(p)))
        often = float(p[rate * d >= 1].sum())
        require(often < RARE, f"{often:.1g} of runs have several crossings per step: choose a smaller rate or jump")
        crossed = p * np.minimum(rate * d, 1)
        p = np.append(p - crossed, 0) + np.append(0, crossed)
        p = p[: max(1, np.flatnonzero(p > 1e-15)[-1] + 1)]
        d = np.sqrt(start**2 + jump**2 * np.arange(len(p)))
        rows["mean"].append(p @ d)
        rows["rms"].append(np.sqrt(p @ d**2))
        rows["none"].append(p[0])
        rows["quantiles"].append(d[np.searchsorted(np.cumsum(p), levels * (1 - 1e-12)).clip(max=len(p) - 1)])
    return {name: np.array(row) for name, row in rows.items()}


def kink_law(steps: ArrayLike, start: ArrayLike, growth: float, rate: float, jump: float) -> np.ndarray:
    """Computes the mean-field law of crossings: d(d^2)/dt = 2 growth d^2 + rate jump^2 d.

    d(t) = start exp(growth t) + (rate jump^2 / 2) (exp(growth t) - 1) / growth: linear in t if growth is 0. `growth` is
    the tangent's exponent less the healing of kinks.

    Args:
        steps: t, (...).
        start: d(0).
        growth: per step.
        rate: r, crossings per step and distance.
        jump: J.

    Returns:
        float64 (...).

    >>> kink_law([0, 100], 0.1, 0.0, 0.1, 0.1).round(3).tolist()
    [0.1, 0.15]
    """
    t, slope = np.asarray(steps, float), rate * jump**2 / 2
    moved = t if growth == 0 else np.expm1(growth * t) / growth
    return np.asarray(np.asarray(start) * np.exp(growth * t) + slope * moved)
