"""Whether a run fits into memory: told before it is asked for, as a system that runs out of it kills without a word."""

import os

import jax

from pathjax.errors import require
from pathjax.typing import PyTree


def check_memory(what: str, arrays: PyTree, times: int = 1) -> None:
    """Raise InputError if arrays, of which only shapes and types are looked at, exceed all memory that there is.

    Args:
        what: takes so much, and so should be made smaller.
        arrays: pytree of arrays or `jax.ShapeDtypeStruct`s.
        times: how many of each.

    >>> check_memory("two numbers", jax.ShapeDtypeStruct((2,), "float32"))
    """
    needed, there = times * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(arrays)), _memory()
    require(
        needed <= there,
        f"{what} would take {needed / 2**30:,.1f} GiB of memory: choose less, so that it fits {there / 2**30:,.1f} GiB",
    )


def _memory() -> int:
    """Bytes of the accelerator's memory, or of the machine's."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    return statistics.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
