"""Lyapunov spectra of any pure step function."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from pathjax import trees
from pathjax.errors import require
from pathjax.lyapunov.loop import as_partial, check_step, make_plan, measure
from pathjax.lyapunov.result import LyapunovResult
from pathjax.orthonormal import METHODS, normalize, orthonormalize
from pathjax.tangent_map import Select, random_tangents, split_moving
from pathjax.typing import PyTree


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

    The tangent map is applied to k tangents, which are orthonormalised every `qr_every` steps; the logarithms of the
    factors' diagonals are the growth. Both copies see the same `xs`: for a driven or random system these are the
    exponents of the random dynamical system. Can be jitted and vmapped (over starts, or over what step_fn depends on).

    Args:
        step_fn: `step_fn(state) -> state`, or `step_fn(state, x) -> state` if `xs` is given; pure.
        state: where it starts: a pytree of arrays. Its float leaves carry tangents, the others (counters, flags, PRNG
            keys) do not; see `select`.
        xs: what drives the steps: a pytree whose leaves have one row for each. For training see `scheduled_step`.
        k: how many exponents.
        length: steps that are measured, after the burn-in; by default all of `xs`.
        qr_every: steps between orthonormalisations. Directions collapse when exponents' differences times this come
            near 16 (float32) or 36 (float64): `check` says so. A shorter last block is counted by its length.
        burn_in: steps of state and tangents before that, for the state to reach its attractor and the tangents to turn.
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
        A LyapunovResult. Print nothing of it before `check(result)`.

    Raises:
        InputError: if tangents, xs and state do not fit one another, or a number is out of range.

    Source: Benettin et al., Meccanica 15 (1980); QR by CholeskyQR2 (Yamamoto et al., ETNA 44, 2015).

    >>> import pathjax
    >>> cat = jnp.array([[2.0, 1.0], [1.0, 1.0]])
    >>> result = lyapunov_spectrum(lambda x: (cat @ x) % 1, jnp.array([0.1, 0.2]), k=2, length=1000, burn_in=20)
    >>> pathjax.check(result)
    >>> [f"{exponent:.4f}" for exponent in result.exponents]
    ['0.9624', '-0.9624']
    """
    plan = make_plan(xs, length, burn_in, qr_every, tangent_chunk, save_r, select)
    require(method in METHODS, f"unknown method '{method}': choose one of {', '.join(METHODS)}")
    state, xs = jax.tree.map(jnp.asarray, (state, xs))
    check_step(step_fn, state, xs)
    tangents = start_tangents(state, tangents, key, k, select)
    factorise = as_partial(_FACTORISE[method])
    return measure(as_partial(step_fn), factorise, state, xs, tangents, dt, plan)


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
    plan = make_plan(xs, length, burn_in, normalize_every, None, False, select)
    state, xs = jax.tree.map(jnp.asarray, (state, xs))
    check_step(step_fn, state, xs)
    given = None if tangent is None else jax.tree.map(lambda a: jnp.asarray(a)[None], tangent)
    tangents = start_tangents(state, given, key, 1, select)
    factorise = as_partial(_normalize)
    return measure(as_partial(step_fn), factorise, state, xs, tangents, dt, plan)


def start_tangents(state: PyTree, tangents: PyTree, key, k: int, select: Select | None) -> PyTree:
    """The given tangents, after a check that they fit what moves, or random ones.

    >>> start_tangents(jnp.zeros(3), jnp.eye(3)[:2], None, 2, None).shape
    (2, 3)
    """
    drawn = jax.eval_shape(lambda key: random_tangents(key, state, k, select), jax.random.key(0))
    if tangents is None:
        return random_tangents(jax.random.key(0) if key is None else key, state, k, select)
    tangents, _ = split_moving(jax.tree.map(jnp.asarray, tangents), select)
    require(
        jax.tree.structure(tangents) == jax.tree.structure(drawn),  # type: ignore[operator]
        "tangents must be a pytree like the state's float leaves that are selected, with k rows in each leaf",
    )
    names = trees.leaf_names(drawn)
    for name, given, expected in zip(names, jax.tree.leaves(tangents), jax.tree.leaves(drawn), strict=True):
        require(
            given.shape == expected.shape,
            f"tangents of leaf '{name}' have shape {list(given.shape)}: expected {list(expected.shape)}, k={k} rows",
        )
    return jax.tree.map(lambda given, expected: given.astype(expected.dtype), tangents, drawn)


def _cholesky(state, tangents):
    return orthonormalize(tangents, "cholesky")


def _householder(state, tangents):
    return orthonormalize(tangents, "householder")


def _normalize(state, tangents):
    return normalize(tangents)


_FACTORISE = {"cholesky": _cholesky, "householder": _householder}
