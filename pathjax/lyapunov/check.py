"""Whether measured exponents can be trusted; if not, one line that names the fault and the mend."""

import jax.numpy as jnp
import numpy as np

from pathjax.core.errors import InputError
from pathjax.lyapunov.finite_size import FiniteSizeExponents
from pathjax.lyapunov.result import LyapunovResult


def collapse_threshold(dtype) -> float:
    """Sines below this are mostly rounding: 1e-5 in float32, 2e-14 in float64."""
    return 100 * float(jnp.finfo(dtype).eps)


def check_exponents(result: LyapunovResult | FiniteSizeExponents) -> None:
    """Raise if a result cannot be trusted, with one line that names the fault and the mend.

    Works on vmapped results too: it names the first that is at fault. Not for tracing.

    Args:
        result: a LyapunovResult or FiniteSizeExponents, possibly vmapped; not for tracing.

    Returns:
        None: it says nothing if the exponents can be trusted.

    Raises:
        InputError: if the state or the tangents became non-finite, or tangents collapsed or vanished.

    >>> import jax, pathjax
    >>> check_exponents(pathjax.lyapunov_spectrum(jax.random.key(0), lambda x: x / 2, jnp.ones(3), k=2, length=50))
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
        np.ravel(result.renormalize_every),
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


def _fault_of_one(log_growth, times, collapse, first_nonfinite, every) -> str:
    if first_nonfinite >= 0:
        return _diverged(first_nonfinite)
    lost = np.flatnonzero(np.isnan(log_growth).any(axis=1) | np.isposinf(log_growth).any(axis=1))
    if len(lost):
        return f"the tangents are not finite at time {times[lost[0]]:g} although the state is: " + (
            "the step has no finite derivative there, as where Adam takes the square root of a gradient that is "
            "exactly 0 (a dead input): give optax.adam or adamw eps_root=1e-12, optax.rmsprop eps_in_sqrt=True"
            + (f"; or they overflowed within a block: take a renormalize_every below {every}" if every > 1 else "")
        )
    worst, least = int(np.argmin(collapse)), collapse_threshold(log_growth.dtype)
    if collapse[worst] >= least:
        return ""
    return _collapsed(times[worst], collapse[worst], least, every)


def _collapsed(time, sine, least, every) -> str:
    if np.isnan(sine):
        return "no output depends on what moves: give another predict, or another select"
    where = f"in the block that ends at time {time:g}"
    if sine == 0:
        return (
            f"a tangent shrank to exactly 0 {where}: it underflowed, or a step's derivative is singular; take a "
            "smaller renormalize_every (at 1, an exponent of -inf is a singular derivative's)"
        )
    what = (
        f"tangents collapsed onto one another {where} (the sine of their angle fell to {sine:.1e}; below {least:.0e} "
    )
    what += "it is mostly rounding): "
    drifted = "(in function space, tangents may have drifted to where no output sees them: measure a shorter stretch)"
    if every > 1:
        mend = f"renormalize_every is too long at {every} for exponents so far apart: shorten it or take fewer tangents"
    else:
        mend = "the step's derivative is singular, or nearly; ask for fewer exponents"
    return f"{what}{mend}, or float64 {drifted}"
