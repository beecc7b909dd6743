"""A branch for exceptions, which stays one under vmap."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from pathjax.typing import PyTree


def cond_rarely(exceptional: Bool[Array, ""], rare: Callable, usual: Callable, *args: PyTree) -> PyTree:
    """`lax.cond(exceptional, rare, usual, *args)`, but under vmap `rare` runs only when some element needs it.

    Plain `lax.cond` turns into a select there, which always runs both.

    >>> halves = jax.vmap(lambda x: cond_rarely(x < 0, lambda x: 0 * x, lambda x: x / 2, x))
    >>> halves(jnp.array([-1.0, 4.0]))
    Array([-0.,  2.], dtype=float32)
    """

    @jax.custom_batching.custom_vmap
    def choose(exceptional, args):
        return jax.lax.cond(exceptional, rare, usual, *args)

    @choose.def_vmap
    def choose_for_all(axis_size, in_batched, exceptional, args):
        batched, args_batched = in_batched
        exceptional = exceptional if batched else jnp.broadcast_to(exceptional, (axis_size,))
        axes = jax.tree.map(lambda b: 0 if b else None, args_batched)

        def all_usual(exceptional, *args):
            return jax.vmap(usual, in_axes=axes, axis_size=axis_size)(*args)

        def each_its_own(exceptional, *args):
            both = [jax.vmap(fn, in_axes=axes, axis_size=axis_size)(*args) for fn in (rare, usual)]
            return jax.tree.map(lambda a, b: _select(exceptional, a, b), *both)

        out = cond_rarely(jnp.any(exceptional), each_its_own, all_usual, exceptional, *args)
        return out, jax.tree.map(lambda _: True, out)

    return choose(exceptional, args)


def _select(condition, a, b):
    return jnp.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b)
