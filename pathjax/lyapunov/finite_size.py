"""Growth rates of finite separations: twin trajectories that are rescaled to a fixed distance from the baseline."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from pathjax.analysis.statistics import blocking
from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require, require_count
from pathjax.core.types import Floats, PyTree
from pathjax.lyapunov.options import SpectrumOptions, check_unused
from pathjax.lyapunov.result import in_float64
from pathjax.lyapunov.scan import Plan, prepare
from pathjax.lyapunov.step_function import as_partial, take_step
from pathjax.tangents.propagate import advance, from_groups, random_tangents, split_moving, to_groups


@shown_in_short
class FiniteSizeExponents(NamedTuple):
    """Growth rates of separations, and of the tangent in the same run, in nats per unit of time.

    Attributes:
        epsilons: float[S], the requested separations.
        exponents, stderr: float[S], their growth rates, with standard errors by blocking of the mean over twins.
        tangent, tangent_stderr: float, the largest Lyapunov exponent, which the rates approach as epsilon goes to 0.
        roundoff: float, approximately the separation that rounding alone causes at each step; rates for epsilons near
            it are meaningless.
        first_nonfinite: number of steps after which the baseline was found not finite, -1 if never; `check_exponents`
            reports it.
    """

    epsilons: Float[Array, " S"]
    exponents: Float[Array, " S"]
    stderr: Float[Array, " S"]
    tangent: Float[Array, ""]
    tangent_stderr: Float[Array, ""]
    roundoff: Float[Array, ""]
    first_nonfinite: Int[Array, ""]


class _Loop(NamedTuple):
    """`twins` [M, ...]: their selected leaves; `separation` [M]: their rounded distances; `tangents` [P, ...]."""

    state: PyTree
    twins: PyTree
    separation: Array
    tangents: PyTree


def finite_size_exponents(
    key: Key[Array, ""],
    step_fn: Callable,
    state: PyTree,
    xs: PyTree = None,
    *,
    epsilons: Floats,
    length: int | None = None,
    num_twins: int = 4,
    options: SpectrumOptions = SpectrumOptions(),
) -> FiniteSizeExponents:
    """Computes the growth rate of a separation as a function of epsilon: <log(|separation| / epsilon)> / time.

    Each twin starts at the distance epsilon from the baseline in a random direction and sees the same `xs`. Every
    `renormalize_every` steps, the log of the ratio of its distance to the last one is recorded, and it is moved along
    the line to the baseline back to epsilon; remaining steps at the end are dropped. For small epsilons the rate is the
    largest Lyapunov exponent if the step is smooth. It may differ where the step is nonsmooth (ReLU) or stable only to
    infinitesimal perturbations.

    The distance is the 2-norm of the difference of the arrays: leave periodic coordinates unwrapped (no `% 1`), or
    twins on two sides of the seam seem far apart. Choose `renormalize_every` so short that a separation stays close to
    epsilon: at epsilon times exp(exponent * renormalize_every), the step should still be linear.

    Args:
        key: typed PRNG key of the twins' directions.
        step_fn, state, xs, length: see `lyapunov_spectrum`.
        epsilons: separations, in the 2-norm over the selected leaves.
        num_twins: number of directions. They align with the same few directions, so they are not independent samples:
            errors come from blocks of time.
        options: see `SpectrumOptions`. It may have burn_in (a multiple of renormalize_every), renormalize_every, dt and
            select.

    Returns:
        FiniteSizeExponents, in nats per unit of time.

    Raises:
        InputError: if an epsilon is not positive, or arguments do not match.

    Source: Aurell et al. 1997, J. Phys. A 30 (growth rates of finite perturbations), with the rescaling of Benettin
    et al. 1976 in place of their exit times, which contracting separations never reach.

    >>> step, key = lambda x: 4 * x * (1 - x), jax.random.key(0)
    >>> rates = finite_size_exponents(key, step, jnp.float32(0.3), epsilons=[1e-2, 1e-3], length=5000)
    >>> bool(jnp.all(abs(rates.exponents - rates.tangent) < 0.05))
    True
    """
    check_unused(options, ("tangents", "tangent_chunk", "method", "save_r"), "finite_size_exponents")
    state, xs, plan = prepare(step_fn, state, xs, length, options)
    num_twins = require_count("num_twins", num_twins, 1)
    asked = np.atleast_1d(epsilons)
    require(asked.size > 0 and bool(np.all(asked > 0)), "epsilons must be positive separations, such as [1e-2, 1e-4]")
    require(
        plan.burn_in % plan.every == 0 and plan.length >= plan.every,
        f"burn_in {plan.burn_in} must be a multiple of renormalize_every={plan.every}, and length "
        f"{plan.length} at least {plan.every}",
    )
    draws = jax.random.split(key, num_twins)
    directions = _unit(jax.vmap(lambda key: trees.index(random_tangents(key, state, 1, options.select), 0))(draws))
    growth, tangent_growth, rounded, roundoff, first_nonfinite = _measure(
        as_partial(step_fn), state, xs, directions, jnp.asarray(asked), plan
    )
    time = plan.every * options.dt
    mean, stderr = in_float64(blocking, growth / time)
    tangent, tangent_stderr = in_float64(blocking, tangent_growth / time)
    return FiniteSizeExponents(rounded, mean, stderr, tangent, tangent_stderr, roundoff, first_nonfinite)


@functools.partial(jax.jit, static_argnames="plan")
def _measure(step_fn, state, xs, directions, sizes, plan: Plan):
    """Log-growth in each block, in the mean over twins: of separations [blocks, S] and of tangents [blocks]."""
    moving, _ = split_moving(state, plan.select)
    num_twins = len(jax.tree.leaves(directions)[0])
    sizes = sizes.astype(trees.float_type(moving))
    each_size = jnp.repeat(sizes, num_twins)
    starts = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * len(sizes)), directions)
    block = functools.partial(_block, step_fn, plan, each_size, starts)
    twins, separation = _place(moving, starts, each_size)
    loop = _Loop(state, twins, separation, directions)
    burn_in = plan.burn_in // plan.every
    loop, _ = _run(block, loop, xs, 0, burn_in, plan.every)
    loop, (growth, tangent_growth, finite) = _run(block, loop, xs, burn_in, plan.length // plan.every, plan.every)
    growth = growth.reshape(-1, len(sizes), num_twins).mean(axis=-1)
    roundoff = jnp.finfo(sizes.dtype).eps * trees.norm(split_moving(loop.state, plan.select)[0])
    first = jnp.where(jnp.all(finite), -1, plan.burn_in + (jnp.argmin(finite) + 1) * plan.every)
    return growth, tangent_growth.mean(axis=-1), sizes, roundoff, first


def _run(block, loop: _Loop, xs, first: int, num_blocks: int, every: int):
    rows = slice(first * every, (first + num_blocks) * every)
    part = jax.tree.map(lambda a: a[rows].reshape(num_blocks, every, *a.shape[1:]), xs)
    return jax.lax.scan(block, loop, part, length=num_blocks)


def _block(step_fn, plan: Plan, sizes, starts, loop: _Loop, part):
    """Advances `every` steps and rescales to `sizes`; returns the log-growth of separations [M] and tangents [P], and
    whether the state is finite."""
    step = functools.partial(_step, step_fn, plan)
    (state, twins, tangents), _ = jax.lax.scan(step, (loop.state, loop.twins, loop.tangents), part, length=plan.every)
    moving, _ = split_moving(state, plan.select)
    offsets = jax.vmap(trees.subtract, (0, None))(twins, moving)
    distance = jax.vmap(trees.norm)(offsets)
    # Twins that have met the baseline restart in their initial direction.
    offsets = jax.tree.map(lambda o, s: jnp.where(_like(distance, o) > 0, o, s), offsets, starts)
    twins, separation = _place(moving, offsets, sizes / jnp.where(distance > 0, distance, 1))
    growth = jnp.log(distance / loop.separation), jnp.log(jax.vmap(trees.norm)(tangents))
    return _Loop(state, twins, separation, _unit(tangents)), (*growth, jnp.isfinite(trees.norm(moving)))


def _step(step_fn, plan: Plan, carry, row):
    state, twins, tangents = carry
    _, rest = split_moving(state, plan.select)

    def step(state):
        return take_step(step_fn, state, row)

    # Leaves that are not selected follow the baseline, for the twins as in the tangent map.
    twins = jax.vmap(lambda twin: split_moving(step(trees.merge(twin, rest)), plan.select)[0])(twins)
    state, groups = advance(step, state, to_groups(tangents), plan.select)
    return (state, twins, from_groups(groups)), None


def _place(moving, offsets, factors):
    """Places twins at `moving + factor * offset`, and returns their distances after rounding."""
    twins = jax.tree.map(lambda m, o: m[None] + _like(factors, o) * o, moving, offsets)
    return twins, jax.vmap(lambda twin: trees.norm(trees.subtract(twin, moving)))(twins)


def _unit(tangents):
    """Divides each tangent on the leading axis by its norm."""
    norms = jax.vmap(trees.norm)(tangents)
    return jax.tree.map(lambda leaf: leaf / _like(norms, leaf), tangents)


def _like(factors, leaf):
    return factors.reshape(-1, *[1] * (leaf.ndim - 1)).astype(leaf.dtype)
