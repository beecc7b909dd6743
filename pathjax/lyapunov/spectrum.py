"""Lyapunov spectra of any pure step function."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.lyapunov.initial_tangents import initial_tangents
from pathjax.lyapunov.result import LyapunovResult
from pathjax.lyapunov.scan import measure, prepare
from pathjax.tangents.propagate import Select
from pathjax.tangents.qr import METHODS, normalize, orthonormalize


def lyapunov_spectrum(
    step_fn: Callable,
    state: PyTree,
    xs: PyTree = None,
    *,
    k: int,
    length: int | None = None,
    qr_every: int = 1,
    burn_in: int = 0,
    tangents: PyTree = None,
    key: Key[Array, ""] | None = None,
    method: str = "cholesky",
    tangent_chunk: int | None = None,
    save_r: bool = False,
    dt: float = 1.0,
    select: Select | None = None,
) -> LyapunovResult:
    """The k largest Lyapunov exponents along a trajectory, with errors.

    The tangent map is applied to k tangents, which are orthonormalized every `qr_every` steps; the logarithms of the
    factors' diagonals are the growth. Both copies see the same `xs`: for a driven or random system these are the
    exponents of the random dynamical system. Can be jitted and vmapped (over starts, or over what step_fn depends on).

    Args:
        step_fn: `step_fn(state) -> state`, or `step_fn(state, x) -> state` if `xs` is given; pure.
        state: where it starts: a pytree of arrays. Its float leaves carry tangents, the others (counters, flags, PRNG
            keys) do not; see `select`.
        xs: what drives the steps: a pytree whose leaves have one row for each. For training see `scheduled_step`.
        k: how many exponents.
        length: steps that are measured, after the burn-in; by default all of `xs`.
        qr_every: steps between orthonormalizations. Directions collapse when exponents' differences times this come
            near 16 (float32) or 36 (float64): `check_exponents` says so. A shorter last block is counted by its length.
        burn_in: steps of state and tangents before that, for state and tangents to settle.
        tangents: k displacements to start with, on a leading axis of every leaf that moves; by default random ones.
        key: typed PRNG key of the random tangents (default: `jax.random.key(0)`). In a `State` they are of the weights
            alone, with the optimizer at rest, unless k exceeds the number of weights.
        method: "cholesky" (products of leaves, with a fallback to Householder where that is not safe), or
            "householder".
        tangent_chunk: how many tangents are pushed at once, to bound memory; each chunk is compiled by itself. By
            default all k, but on a CPU up to 16 large ones one by one, which is faster there.
        save_r: whether to keep the triangular factors, which `covariant_vectors` needs: blocks k^2 numbers.
        dt: time units a step, for maps that integrate a flow.
        select: which float leaves carry tangents, by name ("params/Dense_0/kernel"); by default all, but in a `State`
            not its hyperparameters. What is not selected drives the rest as it does the baseline, so the exponents are
            conditional ones (Pecora & Carroll 1990): of one layer, say, driven by the others.

    Returns:
        A LyapunovResult. Print nothing of it before `check_exponents(result)`.

    Raises:
        InputError: if tangents, xs and state do not fit one another, or a number is out of range.

    Source: Benettin et al., Meccanica 15 (1980); QR by CholeskyQR2 (Yamamoto et al., ETNA 44, 2015).

    >>> import pathjax
    >>> cat = jnp.array([[2.0, 1.0], [1.0, 1.0]])
    >>> result = lyapunov_spectrum(lambda x: (cat @ x) % 1, jnp.array([0.1, 0.2]), k=2, length=1000, burn_in=20)
    >>> pathjax.check_exponents(result)
    >>> [f"{exponent:.4f}" for exponent in result.exponents]
    ['0.9624', '-0.9624']
    """
    require(method in METHODS, f"unknown method '{method}': choose one of {', '.join(METHODS)}")
    options = {"tangent_chunk": tangent_chunk, "save_r": save_r, "select": select}
    state, xs, plan = prepare(step_fn, state, xs, length, burn_in, qr_every, dt, **options)
    tangents = initial_tangents(state, tangents, key, k, select)
    return measure(step_fn, _FACTORIZE[method], state, xs, tangents, dt, plan)


def lyapunov_exponent(
    step_fn: Callable,
    state: PyTree,
    xs: PyTree = None,
    *,
    length: int | None = None,
    normalize_every: int = 1,
    burn_in: int = 0,
    tangent: PyTree = None,
    key: Key[Array, ""] | None = None,
    dt: float = 1.0,
    select: Select | None = None,
) -> LyapunovResult:
    """The largest exponent alone: one tangent, divided by its norm every `normalize_every` steps; no QR.

    Arguments and result are those of `lyapunov_spectrum` with k=1; `tangent` has no leading axis.

    >>> result = lyapunov_exponent(lambda x: 4 * x * (1 - x), 0.3, length=10_000)
    >>> bool(abs(result.exponents[0] - jnp.log(2)) < 4 * result.stderr[0])
    True
    """
    options = {"select": select, "every_name": "normalize_every"}
    state, xs, plan = prepare(step_fn, state, xs, length, burn_in, normalize_every, dt, **options)
    given = None if tangent is None else jax.tree.map(lambda a: jnp.asarray(a)[None], tangent)
    tangents = initial_tangents(state, given, key, 1, select)
    length_of = trees.norm(tangents)
    known = not isinstance(length_of, jax.core.Tracer)
    require(not known or bool(length_of > 0), "the tangent is 0, which never grows: give another, or none")
    return measure(step_fn, _normalize, state, xs, tangents, dt, plan)


def _cholesky(state, tangents):
    return orthonormalize(tangents, "cholesky")


def _householder(state, tangents):
    return orthonormalize(tangents, "householder")


def _normalize(state, tangents):
    return normalize(tangents)


_FACTORIZE = {"cholesky": _cholesky, "householder": _householder}
