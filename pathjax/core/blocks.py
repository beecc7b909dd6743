"""Maps over a leading axis in which no result depends on how many others there are."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core.types import PyTree

ON_ACCELERATORS = 64  # rows of a block; on a CPU rows are computed one by one


def map_in_blocks(fn: Callable, rows: PyTree) -> PyTree:
    """Applies `fn` to each row, in blocks of a fixed size.

    A plain `vmap` gives a row other bits if there are other numbers of rows, since sums are split differently.

    Args:
        fn: a function of one row.
        rows: a tree with the rows on the leading axis.

    Returns:
        The results, on a leading axis.

    >>> map_in_blocks(lambda x: 2 * x, jnp.arange(3))
    Array([0, 2, 4], dtype=int32)
    """
    num = len(jax.tree.leaves(rows)[0])
    if jax.default_backend() == "cpu":
        return jax.lax.map(fn, rows)
    blocks = -(-num // ON_ACCELERATORS)

    def padded(leaf):
        full = jnp.take(leaf, jnp.arange(blocks * ON_ACCELERATORS), axis=0, mode="clip")
        return full.reshape(blocks, ON_ACCELERATORS, *leaf.shape[1:])

    found = jax.lax.map(jax.vmap(fn), jax.tree.map(padded, rows))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num], found)
