"""The member axis of a tile in the scan over steps."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from pathjax.core import trees
from pathjax.core.types import PyTree
from pathjax.engine.layout import Layout


class MemberAxis(NamedTuple):
    """`each` maps a function over members; `drop` removes the axis from trees that enter the scan, and `put` restores
    it."""

    each: Callable
    drop: Callable[[PyTree], PyTree]
    put: Callable[[PyTree], PyTree]


def member_axis(layout: Layout) -> MemberAxis:
    """Returns the member axis that is fast for a layout's tiles.

    A single member has no axis: with one, XLA on a CPU stores weights in another layout, which is slower
    (docs/performance.md), and copies all momentum at each step.

    >>> from pathjax.engine.layout import plan_layout
    >>> member_axis(plan_layout(num_members=5, member_bytes=24, member_tile=1)).drop([jax.numpy.ones((1, 3))])[0].shape
    (3,)
    """
    return _ALONE if layout.tile == 1 else _MANY


_MANY = MemberAxis(jax.vmap, lambda tree: tree, lambda tree: tree)
_ALONE = MemberAxis(
    lambda fn, in_axes=0: fn,
    lambda tree: trees.index(tree, 0),
    lambda tree: jax.tree.map(lambda a: a[None], tree),
)
