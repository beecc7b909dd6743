"""Lyapunov exponents in function space: growth of the network's outputs rather than its weights."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.lyapunov.initial_tangents import initial_tangents
from pathjax.lyapunov.options import SpectrumOptions, check_unused
from pathjax.lyapunov.result import LyapunovResult
from pathjax.lyapunov.scan import measure, prepare
from pathjax.lyapunov.step_function import as_partial, fingerprint
from pathjax.tangents.propagate import Select, split_moving
from pathjax.tangents.qr import Factors, combine, orthonormalize


def function_space_spectrum(
    key: Key[Array, ""],
    step_fn: Callable,
    state: PyTree,
    xs: PyTree = None,
    *,
    predict: Callable,
    k: int,
    length: int | None = None,
    options: SpectrumOptions = SpectrumOptions(),
) -> LyapunovResult:
    """Computes `lyapunov_spectrum` with tangents measured by their effect on the outputs: |J_f t| in place of |t|.

    J_f is the derivative of `predict(state)`, the outputs on a probe set. Movement along symmetries of the network
    changes no output, so it does not count. Tangents stay displacements of the state; every `renormalize_every` steps
    they are recombined so that their J_f t are orthonormal. If a direction that no output sees outgrows the visible
    ones by more than the digits of a float, rounding dominates: `collapse` includes this, so `check_exponents` reports
    it, and float64 lasts longer.

    Args:
        key, step_fn, state, xs, length: see `lyapunov_spectrum`.
        predict: from state to outputs on the probe set, a pytree of floats. A `jax.tree_util.Partial` that holds the
            probe set as an argument keeps it out of the compiled program.
        k: number of exponents; at most the number of outputs.
        options: see `SpectrumOptions`; `method` does not apply.

    Returns:
        A LyapunovResult.

    Raises:
        InputError: see `lyapunov_spectrum`; also if the outputs are not floats or fewer than k.

    >>> step = lambda w: {"a": w["a"] * (1 - 0.1 * (w["a"] * w["b"] - 1) * w["b"]), "b": w["b"]}
    >>> start, product = {"a": 0.5, "b": 2.0}, lambda w: w["a"] * w["b"]
    >>> result = function_space_spectrum(jax.random.key(0), step, start, predict=product, k=1, length=9)
    >>> result.log_growth.shape
    (9, 1)
    """
    check_unused(options, ("method",), "function_space_spectrum")
    state, xs, plan = prepare(step_fn, state, xs, length, options)
    digest, outputs = fingerprint(predict, state)
    plan = plan._replace(program=plan.program + digest)
    require(
        all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(outputs)),
        "predict must return floats, which have a derivative; give logits, not classes",
    )
    tangents = initial_tangents(key, state, options.tangents, k, options.select)
    factorize = jax.tree_util.Partial(_factorize_with(options.select), as_partial(predict))
    return measure(step_fn, factorize, state, xs, tangents, options.dt, plan)


def orthonormalize_outputs(
    predict: Callable, state: PyTree, tangents: PyTree, select: Select | None = None, method: str = "cholesky"
) -> Factors:
    """Orthonormalizes by outputs: q = t R^-1 where J_f t = Q R, so that J_f q is orthonormal and q is still a tangent.

    Raises:
        InputError: if there are more tangents than outputs.

    >>> orthonormalize_outputs(lambda w: 2 * w, jnp.ones(2), jnp.eye(2)).q
    Array([[0.5, 0. ],
           [0. , 0.5]], dtype=float32)
    """
    moving, rest = split_moving(state, select)
    outputs, push = jax.linearize(lambda moving: predict(trees.merge(moving, rest)), moving)
    k, num_outputs = len(jax.tree.leaves(tangents)[0]), trees.num_elements(outputs)
    require(k <= num_outputs, f"{num_outputs} outputs cannot distinguish {k} tangents; choose 1 to {num_outputs}")
    factors = orthonormalize(jax.vmap(push)(tangents), method)
    inverse = solve_triangular(factors.r, jnp.eye(len(factors.r), dtype=factors.r.dtype))
    # The visible part of each tangent, relative to |J_f| (in the mean over directions); rounding swamps smaller parts.
    typical = trees.norm(push(trees.random_normal_like(jax.random.key(0), moving)))
    visible = jnp.linalg.norm(factors.r, axis=0) / (typical * jax.vmap(trees.norm)(tangents))
    return factors._replace(q=combine(tangents, inverse), collapse=jnp.minimum(factors.collapse, jnp.min(visible)))


def _factorize_with(select: Select | None) -> Callable:
    return lambda predict, state, tangents: orthonormalize_outputs(predict, state, tangents, select)
