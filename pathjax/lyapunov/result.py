"""The result of a measurement: exponents with errors, and the blocks that they are averages of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pathjax.analysis.statistics import blocking, pairwise_sum
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.types import PyTree


class LyapunovCarry(NamedTuple):
    """Where a measurement ended: `lyapunov_spectrum(step_fn, carry.state, ..., tangents=carry.tangents)` continues."""

    state: PyTree
    tangents: PyTree


@shown_in_short
class LyapunovResult(NamedTuple):
    """A spectrum of k exponents, measured over blocks of steps that each end in an orthonormalization.

    Attributes:
        exponents: float[k], largest first; nats per unit of time (per step, unless `dt` was given).
        stderr: float[k], their standard errors by `analysis.statistics.blocking`; NaN with fewer than 16 blocks.
        log_growth: float[blocks, k], log R_ii of each block, in nats, in the order of the factorization.
        times: float[blocks], the time at the end of each block, since the end of the burn-in.
        r: float[blocks, k, k], the triangular factors, with `save_r`; otherwise None.
        collapse: float[blocks], the least sine of the angle between a tangent and those before it at the block's end.
        num_fallbacks: number of factorizations by Householder because Cholesky was not safe, including the burn-in.
        first_nonfinite: number of steps after which a selected leaf was first not finite, including the burn-in; -1 if
            never.
        renormalize_every: steps per block; the last block may be shorter.
        carry: state and tangents at the end, to continue from.
    """

    exponents: Float[Array, " k"]
    stderr: Float[Array, " k"]
    log_growth: Float[Array, "blocks k"]
    times: Float[Array, " blocks"]
    r: Float[Array, "blocks k k"] | None
    collapse: Float[Array, " blocks"]
    num_fallbacks: Int[Array, ""]
    first_nonfinite: Int[Array, ""]
    renormalize_every: Int[Array, ""]
    carry: LyapunovCarry


def average(
    log_growth: Float[Array, "blocks k"], times: Float[Array, " blocks"]
) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """Returns exponents, largest first, with standard errors: growth over time, the last block weighted by its length.

    >>> exponents, _ = average(jnp.array([[2.0, 4.0], [2.0, 4.0], [1.0, 2.0]]), jnp.array([2.0, 4.0, 5.0]))
    >>> exponents
    Array([2., 1.], dtype=float32)
    """
    return in_float64(_average, log_growth, times)


def in_float64(statistic: Callable, *series: Array) -> Any:
    """Computes a statistic of recorded series by NumPy in float64 or, if they are traced, by JAX in one compiled piece.

    >>> in_float64(lambda x: x.mean(axis=0), jnp.ones((4, 2)))
    Array([1., 1.], dtype=float32)
    """
    if any(isinstance(values, jax.core.Tracer) for values in series):
        return jax.jit(statistic)(*series)
    with np.errstate(invalid="ignore"):  # exponents of -inf have no error
        results = statistic(*(np.asarray(values, np.float64) for values in series))
    return jax.tree.map(lambda value: jnp.asarray(value, series[0].dtype), results)


def _average(log_growth, times):
    xp = log_growth.__array_namespace__()
    means = pairwise_sum(log_growth) / times[-1]
    durations = xp.diff(times, prepend=0)[:, None]
    # The growth of each block beyond the mean, over the mean duration, so that a shorter last block weighs less.
    beyond = (log_growth - means[None] * durations) / xp.mean(durations)
    errors = blocking(beyond).stderr
    order = xp.argsort(-means)
    return means[order], errors[order]


def join_results(first: LyapunovResult, second: LyapunovResult) -> LyapunovResult:
    """Joins a measurement with its continuation from the first one's carry.

    `first_nonfinite` counts from the start of the part in which it was found.

    Args:
        first: a measurement.
        second: its continuation from `first.carry`, with the same options.

    Returns:
        A LyapunovResult of both parts.

    Raises:
        InputError: if only one of the two has triangular factors, or k differs.

    >>> import pathjax
    >>> part = lambda x: pathjax.lyapunov_spectrum(jax.random.key(0), lambda x: 3 * x, x, k=2, length=50)
    >>> one = part(jnp.full(2, 1e-30))
    >>> join_results(one, part(1e-30 * jnp.ones(2))).log_growth.shape
    (100, 2)
    """
    require((first.r is None) == (second.r is None), "only one result has r; measure both with the same save_r")
    shapes = first.log_growth.shape, second.log_growth.shape
    require(
        all(len(shape) == 2 for shape in shapes) and shapes[0][1] == shapes[1][1],
        f"log-growths of shapes {shapes[0]} and {shapes[1]} cannot be joined; give two results of equal k, and vmap "
        "over batches",
    )
    log_growth = jnp.concatenate([first.log_growth, second.log_growth])
    times = jnp.concatenate([first.times, first.times[-1] + second.times])
    exponents, stderr = average(log_growth, times)
    return LyapunovResult(
        exponents,
        stderr,
        log_growth,
        times,
        None if first.r is None or second.r is None else jnp.concatenate([first.r, second.r]),
        jnp.concatenate([first.collapse, second.collapse]),
        first.num_fallbacks + second.num_fallbacks,
        jnp.where(first.first_nonfinite >= 0, first.first_nonfinite, second.first_nonfinite),
        second.renormalize_every,
        second.carry,
    )
