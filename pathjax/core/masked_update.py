"""A branch for exceptions, which costs nothing where there is none."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from pathjax.core.types import PyTree


def masked_update(exceptional: Bool[Array, ""], amend: Callable[[PyTree], PyTree], usual: PyTree) -> PyTree:
    """`amend(usual)` where `exceptional` holds, else `usual`; shapes and types must be the same.

    A loop that runs once or not at all: `lax.cond` would copy large arrays in and out of its branches, and under vmap
    run both always, where this runs `amend` only if some element needs it.

    >>> halves = jax.vmap(lambda x: masked_update(x < 0, lambda x: 0 * x, x))
    >>> halves(jnp.array([-1.0, 4.0]))
    Array([-0.,  4.], dtype=float32)
    """

    def once(carry):
        return jnp.zeros_like(carry[0]), amend(carry[1])

    return jax.lax.while_loop(lambda carry: carry[0], once, (exceptional, usual))[1]
