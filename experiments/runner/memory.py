"""Checks array sizes before allocation, because a system that is out of memory kills the process without a message."""

import jax

from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.engine import memory
from pathjax.engine.layout import member_mesh


def check_memory(what: str, arrays: PyTree, times: int = 1) -> None:
    """Raises InputError if arrays exceed the memory of all devices.

    Args:
        what: the part of the run to name in the error message.
        arrays: pytree of arrays or `jax.ShapeDtypeStruct`s; only their shapes and types are used.
        times: the number of copies of each.

    >>> check_memory("two numbers", jax.ShapeDtypeStruct((2,), "float32"))
    """
    needed = times * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(arrays))
    available = len(jax.local_devices()) * memory.of_device(member_mesh())
    require(
        needed <= available,
        f"{what} would take {needed / 2**30:,.1f} GiB of memory: choose less, to fit into {available / 2**30:,.1f} GiB",
    )
