"""Whether a run fits into memory: told before it is asked for, as a system that runs out of it kills without a word."""

import jax

from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.engine import memory
from pathjax.engine.layout import member_mesh


def check_memory(what: str, arrays: PyTree, times: int = 1) -> None:
    """Raise InputError if arrays, of which only shapes and types are looked at, exceed all memory that there is.

    Args:
        what: takes so much, and so should be made smaller.
        arrays: pytree of arrays or `jax.ShapeDtypeStruct`s.
        times: how many of each.

    >>> check_memory("two numbers", jax.ShapeDtypeStruct((2,), "float32"))
    """
    needed = times * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(arrays))
    there = len(jax.local_devices()) * memory.of_device(member_mesh())
    require(
        needed <= there,
        f"{what} would take {needed / 2**30:,.1f} GiB of memory: choose less, so that it fits {there / 2**30:,.1f} GiB",
    )
