"""Checks whether measured exponents can be trusted; if not, one line names the problem and its fix."""

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from pathjax.core.errors import InputError
from pathjax.lyapunov.finite_size import FiniteSizeExponents
from pathjax.lyapunov.result import LyapunovResult


def collapse_threshold(dtype: DTypeLike) -> float:
    """Returns the sine of an angle below which rounding dominates: 1e-5 in float32, 2e-14 in float64."""
    return 100 * float(jnp.finfo(dtype).eps)


def check_exponents(result: LyapunovResult | FiniteSizeExponents) -> None:
    """Raises InputError if a result cannot be trusted, with one line that names the problem and its fix.

    Works on vmapped results too, and then names the first faulty run. It cannot be traced.

    Args:
        result: a LyapunovResult or FiniteSizeExponents, possibly vmapped.

    Returns:
        None, if the exponents can be trusted.

    Raises:
        InputError: if the state or the tangents became non-finite, or tangents collapsed or vanished.

    >>> import jax, pathjax
    >>> check_exponents(pathjax.lyapunov_spectrum(jax.random.key(0), lambda x: x / 2, jnp.ones(3), k=2, length=50))
    """
    message = fault(result) if isinstance(result, LyapunovResult) else _diverged(int(np.max(result.first_nonfinite)))
    if message:
        raise InputError(message)


def fault(result: LyapunovResult) -> str:
    """Describes the fault of a result and how to fix it; "" if the result is valid."""
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
    which = f"{len(bad)} of {len(messages)} runs are faulty, the first is run {bad[0]}: " if len(messages) > 1 else ""
    return which + messages[bad[0]]


def _diverged(first_nonfinite: int) -> str:
    if first_nonfinite < 0:
        return ""
    return (
        f"the trajectory diverged: its state is not finite after step {first_nonfinite}, so it has no exponents; "
        "choose a smaller learning rate or time step, or fewer steps"
    )


def _fault_of_one(log_growth, times, collapse, first_nonfinite, every) -> str:
    if first_nonfinite >= 0:
        return _diverged(first_nonfinite)
    lost = np.flatnonzero(np.isnan(log_growth).any(axis=1) | np.isposinf(log_growth).any(axis=1))
    if len(lost):
        return f"the tangents are not finite at time {times[lost[0]]:g} although the state is: " + (
            "the step has no finite derivative there, as where Adam takes the square root of a gradient that is "
            "exactly 0 (a dead input); give optax.adam or adamw eps_root=1e-12, optax.rmsprop eps_in_sqrt=True"
            + (f", or, if they overflowed within a block, choose renormalize_every below {every}" if every > 1 else "")
        )
    worst, least = int(np.argmin(collapse)), collapse_threshold(log_growth.dtype)
    if collapse[worst] >= least:
        return ""
    return _collapsed(times[worst], collapse[worst], least, every)


def _collapsed(time, sine, least, every) -> str:
    if np.isnan(sine):
        return "no output depends on the selected leaves; choose another predict or select"
    where = f"in the block that ends at time {time:g}"
    if sine == 0:
        return (
            f"a tangent shrank to exactly 0 {where}: it underflowed, or the derivative of a step is singular; choose a "
            "smaller renormalize_every (at 1, an exponent of -inf means a singular derivative)"
        )
    what = (
        f"tangents collapsed onto one another {where} (the sine of their angle fell to {sine:.1e}, and below "
        f"{least:.0e} rounding dominates): "
    )
    drifted = "(in function space, tangents may have drifted to directions that no output sees; measure fewer steps)"
    if every > 1:
        fix = f"renormalize_every is too long at {every} for exponents this far apart; choose less, or fewer tangents"
    else:
        fix = "the derivative of the step is singular or nearly so; choose fewer exponents"
    return f"{what}{fix}, or float64 {drifted}"
