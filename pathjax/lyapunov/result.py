"""What a spectrum is, and whether it can be trusted."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pathjax.analysis.statistics import blocking, pairwise_sum
from pathjax.errors import InputError, require
from pathjax.typing import PyTree

if TYPE_CHECKING:
    from pathjax.lyapunov.finite_size import FiniteSizeExponents


class LyapunovCarry(NamedTuple):
    """Where a measurement stopped: `lyapunov_spectrum(step_fn, carry.state, ..., tangents=carry.tangents)` goes on."""

    state: PyTree
    tangents: PyTree


class LyapunovResult(NamedTuple):
    """A spectrum of k exponents, measured over blocks of steps that each end in an orthonormalisation.

    Attributes:
        exponents: float[k], largest first; nats per unit of time (per step, unless `dt` was given).
        stderr: float[k], their standard errors by `analysis.statistics.blocking`; NaN with fewer than 16 blocks.
        log_growth: float[blocks, k], log R_ii of each block, in nats, in the order of the factorisation.
        times: float[blocks], the time at the end of each block, since the end of the burn-in.
        r: float[blocks, k, k], the triangular factors, if they were asked for.
        collapse: float[blocks], the least sine of the angle between a tangent and those before it at the block's end.
        num_fallbacks: how many factorisations Householder did because Cholesky was not safe, burn-in included.
        first_nonfinite: how many steps were done when what moves was first not finite, burn-in included; -1 if never.
        qr_every: steps a block; the last one may be shorter.
        carry: to go on from.
    """

    exponents: Float[Array, "k"]
    stderr: Float[Array, "k"]
    log_growth: Float[Array, "blocks k"]
    times: Float[Array, "blocks"]
    r: Float[Array, "blocks k k"] | None
    collapse: Float[Array, "blocks"]
    num_fallbacks: Int[Array, ""]
    first_nonfinite: Int[Array, ""]
    qr_every: Int[Array, ""]
    carry: LyapunovCarry


def average(log_growth: Float[Array, "blocks k"], times: Float[Array, "blocks"]):
    """Exponents, largest first, with their standard errors: growth over time, the last block counted by its length.

    >>> exponents, _ = average(jnp.array([[2.0, 4.0], [2.0, 4.0], [1.0, 2.0]]), jnp.array([2.0, 4.0, 5.0]))
    >>> exponents
    Array([2., 1.], dtype=float32)
    """
    return in_float64(_average, log_growth, times)


def in_float64(statistic: Callable, *series: Array):
    """A statistic of recorded series, by NumPy in float64; where they are traced, by JAX, compiled in one piece.

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
    # What each block grew beyond the mean, over the mean duration: a shorter last block weighs as little as it lasts.
    beyond = (log_growth - means[None] * durations) / xp.mean(durations)
    errors = blocking(beyond).stderr
    order = xp.argsort(-means)
    return means[order], errors[order]


def join_results(first: LyapunovResult, second: LyapunovResult) -> LyapunovResult:
    """One result of a measurement and its continuation from the first one's carry.

    `first_nonfinite` is counted from the start of the part in which it was found.

    >>> import pathjax
    >>> part = lambda x: pathjax.lyapunov_spectrum(lambda x: 3 * x, x, k=2, length=50)
    >>> one = part(jnp.full(2, 1e-30))
    >>> join_results(one, part(1e-30 * jnp.ones(2))).log_growth.shape
    (100, 2)
    """
    require((first.r is None) == (second.r is None), "one result has r and the other has not: measure both alike")
    shapes = first.log_growth.shape, second.log_growth.shape
    require(
        all(len(shape) == 2 for shape in shapes) and shapes[0][1] == shapes[1][1],
        f"log-growths of shapes {shapes[0]} and {shapes[1]} cannot be joined: give two results of equal k, and vmap "
        "over batches of them",
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
        second.qr_every,
        second.carry,
    )


def collapse_threshold(dtype) -> float:
    """Sines below this are mostly rounding: 1e-5 in float32, 2e-14 in float64."""
    return 100 * float(jnp.finfo(dtype).eps)


def check(result: "LyapunovResult | FiniteSizeExponents") -> None:
    """Raise if a result cannot be trusted, with one line that names the fault and the mend.

    Works on vmapped results too: it names the first that is at fault. Not for tracing.

    Raises:
        InputError: if the state or the tangents became non-finite, or tangents collapsed or vanished.

    >>> import pathjax
    >>> check(pathjax.lyapunov_spectrum(lambda x: x / 2, jnp.ones(3), k=2, length=50))
    """
    message = fault(result) if isinstance(result, LyapunovResult) else _diverged(int(np.max(result.first_nonfinite)))
    if message:
        raise InputError(message)


def fault(result: LyapunovResult) -> str:
    """What is wrong with a result, and how to mend it; "" if nothing is."""
    blocks, k = result.log_growth.shape[-2:]
    runs = zip(
        np.reshape(result.log_growth, (-1, blocks, k)),
        np.reshape(result.times, (-1, blocks)),
        np.reshape(result.collapse, (-1, blocks)),
        np.ravel(result.first_nonfinite),
        np.ravel(result.qr_every),
        strict=True,
    )
    messages = [_fault_of_one(*run) for run in runs]
    bad = [i for i, message in enumerate(messages) if message]
    if not bad:
        return ""
    which = f"{len(bad)} of {len(messages)} runs are at fault, the first is run {bad[0]}: " if len(messages) > 1 else ""
    return which + messages[bad[0]]


def _diverged(first_nonfinite: int) -> str:
    if first_nonfinite < 0:
        return ""
    return (
        f"the trajectory diverged: its state is not finite after step {first_nonfinite}, and no exponent of it "
        "means anything; take a smaller learning rate or time step, or stop before"
    )


def _fault_of_one(log_growth, times, collapse, first_nonfinite, qr_every) -> str:
    if first_nonfinite >= 0:
        return _diverged(first_nonfinite)
    lost = np.flatnonzero(np.isnan(log_growth).any(axis=1) | np.isposinf(log_growth).any(axis=1))
    if len(lost):
        return f"the tangents are not finite at time {times[lost[0]]:g} although the state is: " + (
            "the step has no finite derivative there, as where Adam takes the square root of a gradient that is "
            "exactly 0 (a dead input): give optax.adam or adamw eps_root=1e-12, optax.rmsprop eps_in_sqrt=True"
            + (f"; or they overflowed within a block: take a qr_every below {qr_every}" if qr_every > 1 else "")
        )
    worst, least = int(np.argmin(collapse)), collapse_threshold(log_growth.dtype)
    if collapse[worst] >= least:
        return ""
    return _collapsed(times[worst], collapse[worst], least, qr_every)


def _collapsed(time, sine, least, qr_every) -> str:
    if np.isnan(sine):
        return "no output depends on what moves: give another predict, or another select"
    where = f"in the block that ends at time {time:g}"
    if sine == 0:
        return (
            f"a tangent shrank to exactly 0 {where}: it underflowed, or a step's derivative is singular; take a "
            "smaller qr_every (at 1, an exponent of -inf is a singular derivative's)"
        )
    what = (
        f"tangents collapsed onto one another {where} (the sine of their angle fell to {sine:.1e}; below {least:.0e} "
    )
    what += "it is mostly rounding): "
    drifted = "(in function space, tangents may have drifted to where no output sees them: measure a shorter stretch)"
    if qr_every > 1:
        mend = f"qr_every is too long at {qr_every} for exponents so far apart; take a smaller one, or fewer tangents"
    else:
        mend = "the step's derivative is singular, or nearly; ask for fewer exponents"
    return f"{what}{mend}, or float64 {drifted}"
