"""Moves weights by an exact distance in spite of rounding.

A weight of 0.05 in float32 lies on a grid of spacing 4e-9: a move of relative size 1e-6 is rounded by a few percent in
each element, and its norm is off by 1e-4. This module corrects the length on the grid itself.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pathjax.core import trees
from pathjax.core.types import PyTree

NUM_RESCALES = 2  # the first removes nearly all of the error, the second most of the rest
NUM_NUDGES = 24  # single elements moved by one ulp; a few suffice, more help if leaves are small
NUM_CANDIDATES = 4096


def to_distance(start: PyTree, step: PyTree, distance: Float[Array, ""]) -> PyTree:
    """Returns `start + step`, adjusted within rounding so that its distance from `start` is `distance`.

    Args:
        start: tree of float leaves.
        step: tree of the same shape, with length `distance` up to rounding.
        distance: the target 2-norm over all leaves, in the units of the leaves.

    >>> start, noise = jax.random.normal(jax.random.key(0), (2, 1000))
    >>> moved = to_distance(start, 1e-6 * noise / trees.norm(noise), jnp.float32(1e-6))
    >>> f"{trees.norm(moved - start) / 1e-6:.5f}"
    '1.00000'
    """
    unit = trees.power_of_two(start, step)
    types = jax.tree.map(lambda leaf: leaf.dtype, start)
    start = jax.tree.map(lambda leaf, t: (leaf / unit).astype(t), start, types)
    moved = _moved(start, jax.tree.map(lambda leaf: leaf / unit, step), distance / unit)
    return jax.tree.map(lambda leaf, t: (leaf * unit).astype(t), moved, types)


def _moved(start: PyTree, step: PyTree, distance: Float[Array, ""]) -> PyTree:
    """`to_distance` for a largest element of about 1."""
    moved = jax.tree.map(lambda w, s: (w + s).astype(w.dtype), start, step)
    factor = jnp.ones_like(distance)
    for _ in range(NUM_RESCALES):
        realized = trees.norm(_difference(moved, start))
        factor = factor * jnp.where(realized > 0, distance / realized, 1)
        moved = jax.tree.map(lambda w, s, f=factor: (w + f * s).astype(w.dtype), start, step)
    # The largest leaf has the most elements to choose from.
    leaves, treedef = jax.tree.flatten(moved)
    largest = max(range(len(leaves)), key=lambda i: leaves[i].size)
    if not leaves[largest].size:  # empty leaves stay unchanged
        return moved
    squared = trees.squared_norms(_difference(moved, start))
    target2 = distance**2 - sum(squared[i] for i in range(len(leaves)) if i != largest)
    leaves[largest] = _nudge(jax.tree.leaves(start)[largest], leaves[largest], target2)
    return jax.tree.unflatten(treedef, leaves)


def _difference(moved: PyTree, start: PyTree) -> PyTree:
    """Computes moved - start, with at least 32 bits: squares of half precision have too few digits."""

    def one(a, b):
        wide = jnp.promote_types(a.dtype, jnp.float32)
        return a.astype(wide) - b.astype(wide)

    return jax.tree.map(one, moved, start)


def _nudge(start: Array, moved: Array, target2: Float[Array, ""]) -> Array:
    """Moves single elements by one ulp; each step takes the element that brings |moved - start|^2 closest to `target2`.

    Only the first NUM_CANDIDATES elements are candidates, each at most once. Steps past the closest point can find
    closer combinations; the best of all is returned.
    """
    origin, head = (a.reshape(-1)[:NUM_CANDIDATES] for a in (start, moved))

    def nudge(carry, _):
        head, untouched, miss, best, best_miss = carry
        neighbors = jnp.stack([jnp.nextafter(head, jnp.full_like(head, end)) for end in (jnp.inf, -jnp.inf)])
        change = (neighbors - head[None]) * ((neighbors - origin[None]) + (head - origin)[None])
        left = jnp.where(untouched[None], jnp.abs(miss - change), jnp.inf)
        choice = jnp.unravel_index(jnp.argmin(left), left.shape)
        head = head.at[choice[1]].set(neighbors[choice])
        miss = miss - change[choice]
        untouched = untouched.at[choice[1]].set(False)
        better = jnp.abs(miss) < best_miss
        best = jnp.where(better, head, best)
        return (head, untouched, miss, best, jnp.minimum(jnp.abs(miss), best_miss)), None

    miss = target2 - jnp.sum((moved - start) ** 2)
    first = (head, jnp.ones(head.shape, bool), miss, head, jnp.abs(miss))
    best = jax.lax.scan(nudge, first, length=NUM_NUDGES)[0][3]
    # Not `.at[:N].set`: a scatter with an empty index, an array that jaxlib 0.11.2 crashes on inside `shard_map`.
    return jnp.concatenate([best, moved.reshape(-1)[NUM_CANDIDATES:]]).reshape(moved.shape)
