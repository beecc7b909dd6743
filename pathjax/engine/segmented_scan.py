"""A scan in which few steps are exceptions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.types import PyTree


def segmented_scan(
    step: Callable, fast_step: Callable, steps_until_event: Callable, carry: PyTree, rows: PyTree
) -> PyTree:
    """Runs `carry = step(carry, row)` for each row, by `fast_step(carry, row)` wherever that is equivalent.

    `steps_until_event(carry)` is the number of rows from now on for which it is. A branch in each step would copy the
    carry every time; here the exceptions have their own loop between the others.

    >>> odd = lambda x, row: x + jnp.where(row == 2, 100, row)
    >>> segmented_scan(odd, lambda x, row: x + row, lambda x: jnp.where(x < 2, 2 - x, 9), jnp.int32(0), jnp.arange(4))
    Array(104, dtype=int32)
    """
    num = len(jax.tree.leaves(rows)[0])

    def segment(state):
        i, carry = state
        stop = i + jnp.minimum(steps_until_event(carry), num - i).astype(i.dtype)
        i, carry = _steps(fast_step, stop, rows, i, carry)
        return _steps(step, jnp.minimum(stop + 1, num), rows, i, carry)

    return jax.lax.while_loop(lambda state: state[0] < num, segment, (jnp.int32(0), carry))[1]


def _steps(step, stop, rows, i, carry):
    def one(state):
        i, carry = state
        return i + 1, step(carry, trees.index(rows, i))

    return jax.lax.while_loop(lambda state: state[0] < stop, one, (i, carry))
