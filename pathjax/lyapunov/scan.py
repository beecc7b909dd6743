"""The compiled loop of a spectrum: blocks of steps of state and tangents, each ending in an orthonormalization."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pathjax.core.errors import require, require_count
from pathjax.core.function_equality import by_value
from pathjax.core.types import PyTree
from pathjax.lyapunov.options import SpectrumOptions
from pathjax.lyapunov.result import LyapunovCarry, LyapunovResult, average
from pathjax.lyapunov.step_function import as_arrays, as_partial, check_step, take_step
from pathjax.tangents.propagate import Select, advance, from_groups, split_moving, to_groups
from pathjax.tangents.qr import Factors


class Plan(NamedTuple):
    """Everything fixed at compile time: `burn_in` steps are discarded, `length` steps are measured."""

    length: int
    burn_in: int
    every: int
    tangent_chunk: int | None
    save_r: bool
    select: Select | None
    program: str  # a fingerprint: see step_function.py


class Block(NamedTuple):
    """What is kept of each block."""

    log_growth: Float[Array, " k"]
    collapse: Float[Array, ""]
    r: Float[Array, "k k"] | None


class _Loop(NamedTuple):
    state: PyTree
    tangents: PyTree
    step: Array
    num_fallbacks: Array
    first_nonfinite: Array


def prepare(
    step_fn: Callable, state: PyTree, xs: PyTree, length: int | None, options: SpectrumOptions
) -> tuple[PyTree, PyTree, Plan]:
    """Checks all arguments, and returns state and xs as arrays and the plan.

    Without `length`, all rows of `xs` after the burn-in are measured.

    >>> prepare(lambda x, y: x, 1.0, jnp.zeros(10), None, SpectrumOptions(burn_in=2))[2].length
    8
    """
    dt, select = options.dt, options.select
    state, xs = as_arrays(state, "state"), as_arrays(xs, "xs")
    traced = isinstance(dt, jax.core.Tracer)
    require(traced or dt > 0, f"dt must be positive, not {dt}")
    leaves = jax.tree.leaves(xs)
    require(all(leaf.ndim for leaf in leaves), "every leaf of xs must have one row per step")
    sizes = {len(leaf) for leaf in leaves}
    require(len(sizes) <= 1, f"all leaves of xs must have one row per step, not {sorted(sizes)} rows")
    require(bool(sizes) or length is not None, "without xs, a length is required, such as length=10_000")
    require(select is None or callable(select), f"select must be a function from leaf name to bool, not {select!r}")
    burn_in = require_count("burn_in", options.burn_in, 0)
    every = require_count("renormalize_every", options.renormalize_every, 1)
    chunk = None if options.tangent_chunk is None else require_count("tangent_chunk", options.tangent_chunk, 1)
    available = sizes.pop() if sizes else None
    length = (available or 0) - burn_in if length is None else require_count("length", length)
    require(length >= 1, f"length must be 1 or more after burn_in={burn_in}, not {length}")
    require(
        available is None or burn_in + length <= available,
        f"burn_in={burn_in} and length={length} need {burn_in + length} rows of xs, but it has {available}",
    )
    program = check_step(step_fn, state, xs)
    return state, xs, Plan(length, burn_in, every, chunk, options.save_r, by_value(select), program)


def measure(
    step_fn: Callable, factorize: Callable, state: PyTree, xs: PyTree, tangents: PyTree, dt: float, plan: Plan
) -> LyapunovResult:
    """Runs the plan. `factorize(state, tangents) -> Factors` defines orthonormality. Arrays held by it or `step_fn` as
    a `jax.tree_util.Partial` are arguments of the program, and not constants in it."""
    loop, blocks = run(as_partial(step_fn), as_partial(factorize), state, xs, tangents, plan)
    ends = np.minimum(np.arange(plan.every, plan.length + plan.every, plan.every), plan.length)
    times = dt * jnp.array(ends, blocks.log_growth.dtype)
    exponents, stderr = average(blocks.log_growth, times)
    return LyapunovResult(
        exponents,
        stderr,
        blocks.log_growth,
        times,
        blocks.r,
        blocks.collapse,
        loop.num_fallbacks,
        loop.first_nonfinite,
        jnp.array(plan.every),
        LyapunovCarry(loop.state, loop.tangents),
    )


@functools.partial(jax.jit, static_argnames="plan")
def run(
    step_fn: Callable, factorize: Callable, state: PyTree, xs: PyTree, tangents: PyTree, plan: Plan
) -> tuple[_Loop, Block]:
    """Runs burn-in and measurement; returns the final loop state and the blocks."""
    factors: Factors = factorize(state, tangents)
    zero = jnp.zeros((), jnp.int32)
    loop = _Loop(state, factors.q, zero, factors.fell_back.astype(jnp.int32), zero - 1)
    block = functools.partial(_block, step_fn, factorize, plan)
    if plan.burn_in:
        loop, _ = _segment(block, loop, xs, 0, plan.burn_in, plan.every)
    return _segment(block, loop, xs, plan.burn_in, plan.length, plan.every)


def _segment(block, loop: _Loop, xs, start: int, num_steps: int, every: int) -> tuple[_Loop, Block]:
    """Scans full blocks, then a shorter one if steps remain."""
    num_blocks, rest = divmod(num_steps, every)
    middle, end = start + num_blocks * every, start + num_steps
    parts = []
    if num_blocks:
        full = jax.tree.map(lambda a: a[start:middle].reshape(num_blocks, every, *a.shape[1:]), xs)
        loop, blocks = jax.lax.scan(lambda loop, part: block(loop, part, every), loop, full, length=num_blocks)
        parts.append(blocks)
    if rest:
        loop, last = block(loop, jax.tree.map(lambda a: a[middle:end], xs), rest)
        parts.append(jax.tree.map(lambda a: a[None], last))
    return loop, jax.tree.map(lambda *a: jnp.concatenate(a), *parts)


def _block(step_fn, factorize, plan: Plan, loop: _Loop, part, num_steps: int) -> tuple[_Loop, Block]:
    step = functools.partial(_step, step_fn, plan)
    loop = loop._replace(tangents=to_groups(loop.tangents, plan.tangent_chunk))
    if num_steps == 1:
        loop, _ = step(loop, jax.tree.map(lambda a: a[0], part))
    else:
        loop, _ = jax.lax.scan(step, loop, part, length=num_steps)
    factors: Factors = factorize(loop.state, from_groups(loop.tangents))
    fallbacks = loop.num_fallbacks + factors.fell_back.astype(jnp.int32)
    growth = jnp.log(jnp.diagonal(factors.r))
    # Within one step a tangent can only vanish in the derivative's kernel; within several it may have underflowed.
    vanished = jnp.any(jnp.isneginf(growth)) & (num_steps > 1)
    kept = Block(growth, jnp.where(vanished, 0, factors.collapse), factors.r if plan.save_r else None)
    return loop._replace(tangents=factors.q, num_fallbacks=fallbacks), kept


def _step(step_fn, plan: Plan, loop: _Loop, row) -> tuple[_Loop, None]:
    state, tangents = advance(lambda state: take_step(step_fn, state, row), loop.state, loop.tangents, plan.select)
    step = loop.step + 1
    moving, _ = split_moving(state, plan.select)
    first = jnp.where((loop.first_nonfinite < 0) & ~is_finite(moving), step, loop.first_nonfinite)
    return _Loop(state, tangents, step, loop.num_fallbacks, first), None


def is_finite(floats: PyTree) -> Array:
    """Whether all elements are finite: 0 times them then sums to 0, in one pass without a temporary array.

    >>> bool(is_finite({"x": jnp.ones(3), "y": jnp.inf}))
    False
    """
    return sum((jnp.sum(0 * leaf) for leaf in jax.tree.leaves(floats)), jnp.zeros(())) == 0
