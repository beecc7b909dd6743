"""The compiled loop of a spectrum: steps of state and tangents in blocks, an orthonormalisation at each block's end."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pathjax import trees
from pathjax.errors import InputError, require
from pathjax.lyapunov.result import LyapunovCarry, LyapunovResult, average
from pathjax.orthonormal import Factors
from pathjax.tangent_map import Select, advance, from_groups, to_groups
from pathjax.typing import PyTree


class Plan(NamedTuple):
    """What is fixed when the loop is compiled: `burn_in` steps that are thrown away, `length` that are measured, ..."""

    length: int
    burn_in: int
    every: int
    tangent_chunk: int | None
    save_r: bool
    select: Select | None


class Block(NamedTuple):
    """What is kept of a block."""

    log_growth: Float[Array, "k"]
    collapse: Float[Array, ""]
    r: Float[Array, "k k"] | None


class _Loop(NamedTuple):
    state: PyTree
    tangents: PyTree
    step: Array
    num_fallbacks: Array
    first_nonfinite: Array


def make_plan(xs, length, burn_in, every, tangent_chunk, save_r, select) -> Plan:
    """Check the numbers; without `length`, all of `xs` after the burn-in is measured.

    >>> make_plan(jnp.zeros(10), None, 2, 1, None, False, None).length
    8
    """
    sizes = {len(leaf) for leaf in jax.tree.leaves(xs)}
    require(len(sizes) <= 1, f"the leaves of xs have {sorted(sizes)} rows: expected as many in all, one for each step")
    require(bool(sizes) or length is not None, "without xs a length is needed: length=10_000, say")
    require(burn_in >= 0, f"burn_in {burn_in} is out of range: choose 0 steps or more")
    for name, value in (("qr_every", every), ("tangent_chunk", tangent_chunk)):
        require(value is None or value >= 1, f"{name} {value} is out of range: choose 1 or more")
    available = sizes.pop() if sizes else None
    if length is None:
        length = available - burn_in
    require(length >= 1, f"{length} steps measure nothing: choose a length of 1 or more after burn_in={burn_in}")
    require(
        available is None or burn_in + length <= available,
        f"burn_in={burn_in} and length={length} need {burn_in + length} rows of xs, which has {available}",
    )
    return Plan(length, burn_in, every, tangent_chunk, save_r, select)


def check_step(step_fn: Callable, state: PyTree, xs: PyTree) -> None:
    """Trace one step and see that it returns a state like the one it was given.

    >>> check_step(lambda x: 2 * x, jnp.ones(3), None)
    """
    row = jax.tree.map(lambda a: a[0], xs)
    after = jax.eval_shape(lambda state, row: take_step(step_fn, state, row), state, row)
    if jax.tree.structure(after) != jax.tree.structure(state):  # type: ignore[operator]
        raise InputError(
            "step_fn must return a state like the one it is given, and returned another structure "
            f"({type(after).__name__}); if it returns more, as in (state, info), give lambda s, x: step_fn(s, x)[0]"
        )
    pairs = zip(trees.leaf_names(state), jax.tree.leaves(state), jax.tree.leaves(after), strict=True)
    for name, a, b in pairs:
        require(
            (a.shape, a.dtype) == (b.shape, b.dtype),
            f"step_fn turns {a.dtype}{list(a.shape)} into {b.dtype}{list(b.shape)} (leaf '{name}'): give a state of "
            "the shapes and types that it returns",
        )
        require(
            not jnp.issubdtype(a.dtype, jnp.complexfloating),
            f"leaf '{name}' is complex: split it into its real and imaginary part",
        )


def take_step(step_fn: Callable, state: PyTree, row: PyTree) -> PyTree:
    """`step_fn(state)`, or `step_fn(state, row)` if it is driven.

    >>> take_step(lambda x, y: x + y, 1, 2), take_step(lambda x: 2 * x, 1, None)
    (3, 2)
    """
    return step_fn(state) if row is None else step_fn(state, row)


def as_partial(fn: Callable) -> jax.tree_util.Partial:
    """A function as a pytree: a `Partial` keeps the arrays that it holds as leaves, and so as program arguments.

    >>> as_partial(as_partial(jnp.sin)).func is jnp.sin
    True
    """
    return fn if isinstance(fn, jax.tree_util.Partial) else jax.tree_util.Partial(fn)


@functools.partial(jax.jit, static_argnames="plan")
def measure(
    step_fn: Callable, factorise: Callable, state: PyTree, xs: PyTree, tangents: PyTree, dt: float, plan: Plan
) -> LyapunovResult:
    """Run the plan. `factorise(state, tangents) -> Factors` says what orthonormal means; like `step_fn`, it is a
    `jax.tree_util.Partial`, so that arrays which it holds are arguments of the program and not constants in it."""
    factors: Factors = factorise(state, tangents)
    zero = jnp.zeros((), jnp.int32)
    loop = _Loop(state, factors.q, zero, factors.fell_back.astype(jnp.int32), zero - 1)
    block = functools.partial(_block, step_fn, factorise, plan)
    if plan.burn_in:
        loop, _ = _segment(block, loop, xs, 0, plan.burn_in, plan.every)
    loop, blocks = _segment(block, loop, xs, plan.burn_in, plan.length, plan.every)
    ends = [*range(plan.every, plan.length + 1, plan.every)]
    ends += [plan.length] if plan.length % plan.every else []
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
        LyapunovCarry(loop.state, loop.tangents),
    )


def _segment(block, loop: _Loop, xs, start: int, num_steps: int, every: int) -> tuple[_Loop, Block]:
    """Whole blocks in a scan, and a shorter one at the end if steps are left over."""
    num_blocks, rest = divmod(num_steps, every)
    middle, end = start + num_blocks * every, start + num_steps
    parts = []
    if num_blocks:
        whole = jax.tree.map(lambda a: a[start:middle].reshape(num_blocks, every, *a.shape[1:]), xs)
        loop, blocks = jax.lax.scan(lambda loop, part: block(loop, part, every), loop, whole, length=num_blocks)
        parts.append(blocks)
    if rest:
        loop, last = block(loop, jax.tree.map(lambda a: a[middle:end], xs), rest)
        parts.append(jax.tree.map(lambda a: a[None], last))
    return loop, jax.tree.map(lambda *a: jnp.concatenate(a), *parts)


def _block(step_fn, factorise, plan: Plan, loop: _Loop, part, num_steps: int) -> tuple[_Loop, Block]:
    step = functools.partial(_step, step_fn, plan)
    loop = loop._replace(tangents=to_groups(loop.tangents, plan.tangent_chunk))
    if num_steps == 1:
        loop, _ = step(loop, jax.tree.map(lambda a: a[0], part))
    else:
        loop, _ = jax.lax.scan(step, loop, part, length=num_steps)
    factors: Factors = factorise(loop.state, from_groups(loop.tangents))
    fallbacks = loop.num_fallbacks + factors.fell_back.astype(jnp.int32)
    kept = Block(jnp.log(jnp.diagonal(factors.r)), factors.collapse, factors.r if plan.save_r else None)
    return loop._replace(tangents=factors.q, num_fallbacks=fallbacks), kept


def _step(step_fn, plan: Plan, loop: _Loop, row) -> tuple[_Loop, None]:
    state, tangents = advance(lambda state: take_step(step_fn, state, row), loop.state, loop.tangents, plan.select)
    step = loop.step + 1
    first = jnp.where((loop.first_nonfinite < 0) & ~_is_finite(state), step, loop.first_nonfinite)
    return _Loop(state, tangents, step, loop.num_fallbacks, first), None


def _is_finite(state):
    """Whether all floats are: 0 times them sums to 0 then, which is one pass without a temporary array."""
    floats, _ = trees.split_floats(state)
    return sum(jnp.sum(0 * leaf) for leaf in jax.tree.leaves(floats)) == 0
