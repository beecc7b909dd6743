"""A scan in which few steps are exceptions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.types import PyTree


def segmented_scan(
    step: Callable, fast_step: Callable, steps_until_event: Callable, carry: PyTree, rows: PyTree
) -> tuple[PyTree, PyTree]:
    """Runs `carry, y = step(carry, row)` for each row, by `fast_step(carry, row)` wherever that is equivalent.

    `steps_until_event(carry)` is the number of rows from now on for which it is. A branch in each step would copy the
    carry every time; here the exceptions have their own loop between the others. Returns the carry and all y, as
    `lax.scan` does.

    >>> odd = lambda x, row: (x + jnp.where(row == 2, 100, row), row)
    >>> fast = lambda x, row: (x + row, row)
    >>> segmented_scan(odd, fast, lambda x: jnp.where(x < 2, 2 - x, 9), jnp.int32(0), jnp.arange(4))
    (Array(104, dtype=int32), Array([0, 1, 2, 3], dtype=int32))
    """
    num = len(jax.tree.leaves(rows)[0])

    def segment(state):
        i, carry, _ = state
        stop = i + jnp.minimum(steps_until_event(carry), num - i).astype(i.dtype)
        state = _steps(fast_step, stop, rows, state)
        return _steps(step, jnp.minimum(stop + 1, num), rows, state)

    one = jax.eval_shape(lambda: step(carry, trees.index(rows, 0))[1])
    room = jax.tree.map(lambda a: jnp.zeros((num, *a.shape), a.dtype), one)
    return jax.lax.while_loop(lambda state: state[0] < num, segment, (jnp.int32(0), carry, room))[1:]


def _steps(step, stop, rows, state):
    def one(state):
        i, carry, ys = state
        carry, y = step(carry, trees.index(rows, i))
        return i + 1, carry, jax.tree.map(lambda all_, new: all_.at[i].set(new), ys, y)

    return jax.lax.while_loop(lambda state: state[0] < stop, one, state)
