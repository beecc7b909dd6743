"""A branch for exceptional cases that costs nothing when none occurs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from pathjax.core.types import PyTree


def masked_update(exceptional: Bool[Array, ""], update: Callable[[PyTree], PyTree], value: PyTree) -> PyTree:
    """Returns `update(value)` if `exceptional` holds, else `value`; both must have the same shapes and types.

    This is a loop that runs once or not at all. `lax.cond` would copy large arrays into and out of its branches, and
    under vmap it would always run both; this runs `update` only if some element needs it.

    >>> halves = jax.vmap(lambda x: masked_update(x < 0, lambda x: 0 * x, x))
    >>> halves(jnp.array([-1.0, 4.0]))
    Array([-0.,  4.], dtype=float32)
    """

    def once(carry):
        return jnp.zeros_like(carry[0]), update(carry[1])

    return jax.lax.while_loop(lambda carry: carry[0], once, (exceptional, value))[1]
