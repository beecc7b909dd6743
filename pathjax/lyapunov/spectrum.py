"""Lyapunov spectra of any pure step function."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.lyapunov.initial_tangents import initial_tangents
from pathjax.lyapunov.options import SpectrumOptions, check_unused
from pathjax.lyapunov.result import LyapunovResult
from pathjax.lyapunov.scan import measure, prepare
from pathjax.tangents.qr import METHODS, normalize, orthonormalize


def lyapunov_spectrum(
    key: Key[Array, ""],
    step_fn: Callable,
    state: PyTree,
    xs: PyTree = None,
    *,
    k: int,
    length: int | None = None,
    options: SpectrumOptions = SpectrumOptions(),
) -> LyapunovResult:
    """Computes the k largest Lyapunov exponents along a trajectory, with errors.

    The tangent map is applied to k tangents, which are orthonormalized every `renormalize_every` steps. The logarithms
    of the factors' diagonals are the growth: lambda_i = sum_n log R_ii(n) / (length dt). State and tangents see the
    same `xs`: for a driven or random system, these are the exponents of the random dynamical system. The function can
    be jitted, and vmapped over initial states or over anything that step_fn depends on.

    Args:
        key: typed PRNG key for the random tangents. In a `State` they are of the weights alone, with the optimizer's
            part 0, unless k exceeds the number of weights.
        step_fn: `step_fn(state) -> state`, or `step_fn(state, x) -> state` if `xs` is given; pure.
        state: the initial state, a pytree of arrays. Its float leaves carry tangents; the others (counters, flags, PRNG
            keys) do not; see `SpectrumOptions.select`.
        xs: inputs of the steps, a pytree whose leaves have one row per step. For training, see `scheduled_step`.
        k: number of exponents.
        length: number of measured steps, after the burn-in; by default all remaining rows of `xs`.
        options: see `SpectrumOptions`.

    Returns:
        A LyapunovResult. Call `check_exponents(result)` before you use it.

    Raises:
        InputError: if tangents, xs and state do not match, or a value is out of range.

    Source: Benettin et al., Meccanica 15 (1980); QR by CholeskyQR2 (Yamamoto et al., ETNA 44, 2015).

    >>> import pathjax, jax.numpy as jnp
    >>> cat, options = jnp.array([[2.0, 1.0], [1.0, 1.0]]), SpectrumOptions(burn_in=20)
    >>> step_fn, start = lambda x: (cat @ x) % 1, jnp.array([0.1, 0.2])
    >>> result = lyapunov_spectrum(jax.random.key(0), step_fn, start, k=2, length=1000, options=options)
    >>> pathjax.check_exponents(result)
    >>> [f"{exponent:.4f}" for exponent in result.exponents]
    ['0.9624', '-0.9624']
    """
    require(options.method in METHODS, f"unknown method '{options.method}'; choose one of {', '.join(METHODS)}")
    state, xs, plan = prepare(step_fn, state, xs, length, options)
    tangents = initial_tangents(key, state, options.tangents, k, options.select)
    return measure(step_fn, _FACTORIZE[options.method], state, xs, tangents, options.dt, plan)


def lyapunov_exponent(
    key: Key[Array, ""],
    step_fn: Callable,
    state: PyTree,
    xs: PyTree = None,
    *,
    length: int | None = None,
    options: SpectrumOptions = SpectrumOptions(),
) -> LyapunovResult:
    """Computes only the largest exponent: one tangent, divided by its norm every `renormalize_every` steps; no QR.

    Arguments, result and errors are those of `lyapunov_spectrum` with k=1. The options `tangent_chunk`, `method` and
    `save_r` do not apply.

    Args:
        key, step_fn, state, xs, length: see `lyapunov_spectrum`.
        options: see `SpectrumOptions`; `tangents` with k=1 row.

    Returns:
        A LyapunovResult with k=1.

    Raises:
        InputError: see `lyapunov_spectrum`; also if the tangent is 0.

    >>> import jax.numpy as jnp
    >>> result = lyapunov_exponent(jax.random.key(0), lambda x: 4 * x * (1 - x), 0.3, length=10_000)
    >>> bool(abs(result.exponents[0] - jnp.log(2)) < 4 * result.stderr[0])
    True
    """
    check_unused(options, ("tangent_chunk", "method", "save_r"), "lyapunov_exponent")
    state, xs, plan = prepare(step_fn, state, xs, length, options)
    tangents = initial_tangents(key, state, options.tangents, 1, options.select)
    length_of = trees.norm(tangents)
    known = not isinstance(length_of, jax.core.Tracer)
    require(not known or bool(length_of > 0), "the tangent is 0 and cannot grow; give another, or none")
    return measure(step_fn, _normalize, state, xs, tangents, options.dt, plan)


def _cholesky(state, tangents):
    return orthonormalize(tangents, "cholesky")


def _householder(state, tangents):
    return orthonormalize(tangents, "householder")


def _normalize(state, tangents):
    return normalize(tangents)


_FACTORIZE = {"cholesky": _cholesky, "householder": _householder}
