"""Maps over a leading axis in which no result depends on how many others there are."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core.types import PyTree

ON_ACCELERATORS = 64  # rows of a block; on a CPU rows are computed one by one


def map_in_blocks(fn: Callable, shared: PyTree, rows: PyTree) -> PyTree:
    """Applies `fn` to each row, in blocks of a fixed size.

    A plain `vmap` gives a row other bits if there are other numbers of rows, since sums are split differently, and so
    would a loop out of which the compiler moves what is the same for all rows.

    Args:
        fn: `fn(shared, row)`, which must not close over arrays.
        shared: arrays that are the same for all rows.
        rows: a tree with the rows on the leading axis.

    Returns:
        The results, on a leading axis.

    >>> map_in_blocks(lambda factor, x: factor * x, 2, jnp.arange(3))
    Array([0, 2, 4], dtype=int32)
    """

    def one(row):
        return fn(*jax.lax.optimization_barrier((shared, row)))

    num = len(jax.tree.leaves(rows)[0])
    if jax.default_backend() == "cpu":
        # A loop of one step would be compiled as no loop, and rounded otherwise.
        at_least_two = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), rows) if num == 1 else rows
        return jax.tree.map(lambda leaf: leaf[:num], jax.lax.map(one, at_least_two))
    blocks = -(-num // ON_ACCELERATORS)

    def padded(leaf):
        full = jnp.take(leaf, jnp.arange(blocks * ON_ACCELERATORS), axis=0, mode="clip")
        return full.reshape(blocks, ON_ACCELERATORS, *leaf.shape[1:])

    found = jax.lax.map(jax.vmap(one), jax.tree.map(padded, rows))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num], found)
