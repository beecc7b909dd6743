"""Cadences as nested scans, one level per cadence, the fastest innermost.

A `lax.cond` on the step number would run every branch at every step under vmap. So cadences must divide one another.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax

from pathjax.core.types import PyTree


def nested_scans(
    levels: list[int], leaf: Callable, read: Callable, carry: PyTree, rows: PyTree, path: dict[int, Any] | None = None
) -> tuple[PyTree, dict]:
    """Runs nested scans: `leaf(carry, rows)` advances levels[0] steps, `read(every, carry, at)` records at each level.

    `path`, if given, has an entry per record for some of the levels; `at` is the current entry, or None. Records have
    one time axis for their own level and each slower one.
    """

    def block(level, carry, xs):
        every = levels[level]
        rows, path = xs
        at = path.get(every)
        if level == 0:
            carry, records = leaf(carry, rows)
        else:
            finer = {n: entries for n, entries in path.items() if n < every}
            carry, records = jax.lax.scan(functools.partial(block, level - 1), carry, (rows, finer))
        carry, now = read(every, carry, at)
        return carry, records | now

    def nest(every, tree):
        """Splits the leading axis: one axis per level from the slowest on, then the entries of one step of the last."""
        ratios = [slow // fast for fast, slow in zip(levels, levels[1:], strict=False) if fast >= every]
        return jax.tree.map(lambda a: a.reshape(len(a) // math.prod(ratios), *ratios[::-1], *a.shape[1:]), tree)

    by_leaf = jax.tree.map(lambda a: a.reshape(len(a) // levels[0], levels[0], *a.shape[1:]), rows)
    nested = (nest(levels[0], by_leaf), {every: nest(every, entries) for every, entries in (path or {}).items()})
    return jax.lax.scan(functools.partial(block, len(levels) - 1), carry, nested)
