"""Cadences as nested scans, one level for each, the fastest innermost.

A `lax.cond` on the step number would, under vmap, run every branch at every step. So cadences must divide one another.
"""

import functools
from collections.abc import Callable

import jax


def nested_scans(levels: list[int], leaf: Callable, read: Callable, carry, rows, path=None):
    """Scans in scans: `leaf(carry, rows)` advances by levels[0] steps, `read(every, carry, at)` records at each level.

    `path`, if there is one, has an entry for every levels[0] steps; `at` is the last of them. Records have one time
    axis for their own level and each slower one.
    """

    def block(level, carry, xs):
        rows, path = xs
        if level == 0:
            carry, records = leaf(carry, rows)
        else:
            carry, records = jax.lax.scan(functools.partial(block, level - 1), carry, xs)
        carry, now = read(levels[level], carry, jax.tree.map(lambda a: a[(-1,) * level], path))
        return carry, records | now

    ratios = [slow // fast for fast, slow in zip(levels, levels[1:], strict=False)][::-1]
    nested = jax.tree.map(lambda a: a.reshape(-1, *ratios, levels[0], *a.shape[1:]), rows)
    nested_path = jax.tree.map(lambda a: a.reshape(-1, *ratios, *a.shape[1:]), path)
    return jax.lax.scan(functools.partial(block, len(levels) - 1), carry, (nested, nested_path))
