"""Quantities derived from a spectrum: finite-time exponents, dimension, entropy, pairing, and errors of any of them."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pathjax.analysis import statistics
from pathjax.analysis.statistics import Estimate
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require, require_count
from pathjax.core.types import AnyArray
from pathjax.lyapunov.result import LyapunovResult


@shown_in_short
class FiniteTimeExponents(NamedTuple):
    """`exponents` float[windows, k] in nats per unit of time, in the order of the factorization, each measured over
    the window of blocks that ends at `times` float[windows]."""

    times: Float[Array, " windows"]
    exponents: Float[Array, "windows k"]


def finite_time_exponents(result: LyapunovResult, window: int) -> FiniteTimeExponents:
    """Computes exponents of consecutive windows of `window` blocks; remaining blocks at the end are dropped.

    Args:
        result: a result of `lyapunov_spectrum` or a related function, not vmapped.
        window: number of blocks in each window.

    Returns:
        FiniteTimeExponents: an exponent for each window and tangent, in nats per unit of time, and the windows' ends.

    Raises:
        InputError: if the result has fewer blocks than `window`.

    >>> import jax, pathjax
    >>> halving, options = lambda x: x / 2, pathjax.SpectrumOptions(renormalize_every=2)
    >>> result = pathjax.lyapunov_spectrum(jax.random.key(0), halving, jnp.ones(3), k=2, length=40, options=options)
    >>> finite_time_exponents(result, window=5).times
    Array([10., 20., 30., 40.], dtype=float32)
    """
    require(result.log_growth.ndim == 2, "result must not be vmapped; vmap this function over it")
    blocks, k = result.log_growth.shape
    window = require_count("window", window, 1)
    require(1 <= window <= blocks, f"window must be 1 to {blocks} for {blocks} blocks, not {window}")
    num = blocks // window
    ends = result.times[window - 1 :: window]
    growth = jnp.sum(result.log_growth[: num * window].reshape(num, window, k), axis=1)
    return FiniteTimeExponents(ends, growth / jnp.diff(ends, prepend=0)[:, None])


def kaplan_yorke_dimension(exponents: Float[AnyArray, "... k"], num_dims: int | None = None) -> Float[Array, "..."]:
    """Computes the Kaplan-Yorke (Lyapunov) dimension j + (lambda_1 + ... + lambda_j) / |lambda_(j+1)|.

    Args:
        exponents: complete or leading spectra, in any order; leading axes are batches.
        num_dims: dimensions of the phase space, if known: the result where a complete spectrum's sum is not negative.

    Returns:
        0 if the largest exponent is negative; NaN if the exponents are too few: as long as their sum is not negative,
        the dimension is at least their number.

    Source: Kaplan & Yorke 1979.

    >>> float(kaplan_yorke_dimension(jnp.array([1.0, -0.5, -1.0])))
    2.5
    >>> float(kaplan_yorke_dimension(jnp.array([1.0, -0.5])))
    nan
    """
    ordered = -jnp.sort(-_spectra(exponents), axis=-1)
    k = ordered.shape[-1]
    sums = jnp.cumsum(ordered, axis=-1)
    j = jnp.sum(jnp.cumprod(jnp.where(sums >= 0, 1, 0), axis=-1), axis=-1)
    complete = jnp.where(k == (num_dims or 0), float(k), jnp.nan)
    sum_to_j = jnp.take_along_axis(sums, jnp.maximum(j - 1, 0)[..., None], axis=-1)[..., 0]
    after_j = jnp.take_along_axis(ordered, jnp.minimum(j, k - 1)[..., None], axis=-1)[..., 0]
    dimension = jnp.where(j == 0, 0.0, jnp.where(j == k, complete, j + sum_to_j / jnp.abs(after_j)))
    return jnp.where(jnp.any(jnp.isnan(ordered), axis=-1), jnp.nan, dimension)


def entropy_bound(exponents: Float[AnyArray, "... k"]) -> Float[Array, "..."]:
    """Computes the sum of the positive exponents: an upper bound on the entropy rate, in nats per unit of time.

    The bound is attained only for SRB measures. For a truncated spectrum, it sums the measured exponents.

    Args:
        exponents: float[..., k], in nats per unit of time.

    Returns:
        float[...], the sum of the positive exponents, in nats per unit of time.

    Source: Ruelle 1978 (the inequality), Pesin 1977 (equality).

    >>> float(entropy_bound(jnp.array([0.5, 0.25, -3.0])))
    0.75
    """
    return jnp.sum(jnp.maximum(_spectra(exponents), 0), axis=-1)


def pairing_defect(exponents: Float[AnyArray, "... k"], momentum: float | Array) -> Float[Array, "..."]:
    """Computes how far a complete spectrum of heavy-ball training is from lambda_i + lambda_(2D+1-i) = ln(momentum).

    v' = beta v + g, w' = w - eta v' is conformally symplectic, for any loss and any batches: finite-time exponents
    converge to pairs as time grows, and their total is D ln(beta) at every time.

    Args:
        exponents: float[..., 2D], all exponents of D weights and their momentum, in nats per step.
        momentum: the optimizer's momentum, between 0 and 1.

    Returns:
        float[...], the largest |lambda_i + lambda_(2D+1-i) - ln momentum|, in nats per step.

    Raises:
        InputError: if the number of exponents is odd.

    Source: Dressler 1988, Phys. Rev. A 38; Dettmann & Morriss 1996.

    >>> f"{pairing_defect(jnp.array([0.1, -0.5, -0.6, -1.2]), momentum=jnp.exp(-1.1)):.3f}"
    '0.000'
    """
    ordered = jnp.sort(_spectra(exponents), axis=-1)
    num = ordered.shape[-1]
    require(num % 2 == 0, f"{num} exponents cannot be paired; give the complete spectrum of weights and momenta")
    return jnp.max(jnp.abs(ordered + ordered[..., ::-1] - jnp.log(momentum)), axis=-1)


def _spectra(exponents) -> Array:
    expected = "expected exponents, float[..., k], as in result.exponents"
    require(not isinstance(exponents, LyapunovResult), f"a LyapunovResult was given; {expected}")
    array = jnp.asarray(exponents)
    require(array.ndim >= 1 and array.shape[-1] >= 1, f"an array of shape {array.shape} was given; {expected}")
    return array


def jackknife(statistic: Callable, result: LyapunovResult, num_groups: int = 20) -> Estimate:
    """Computes any function of the exponents, such as `kaplan_yorke_dimension`, with a standard error from leaving out
    each of `num_groups` groups of consecutive blocks; see `analysis.statistics.jackknife`. It cannot be traced.

    Args:
        statistic: `statistic(exponents) -> float`.
        result: a result of `lyapunov_spectrum` or a related function.
        num_groups: number of groups, left out one at a time.

    Returns:
        An Estimate: the statistic of all blocks, its standard error, and the number of groups.

    Raises:
        InputError: for fewer blocks than groups.

    >>> import jax, pathjax
    >>> result = pathjax.lyapunov_spectrum(jax.random.key(0), lambda x: x / 2, jnp.ones(3), k=2, length=100)
    >>> round(jackknife(lambda exponents: exponents.sum(), result).mean, 3)
    -1.386
    """
    require(result.log_growth.ndim == 2, "result must not be vmapped; give its runs one by one")
    growth, times = np.asarray(result.log_growth, np.float64), np.asarray(result.times, np.float64)
    return statistics.jackknife(statistic, growth, np.diff(times, prepend=0), num_groups)
