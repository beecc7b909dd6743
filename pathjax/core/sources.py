"""Data sets that do not fit into memory: sources of examples, of which a rollout reads a chunk at a time."""

import math
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Int

from pathjax.core.errors import require
from pathjax.core.types import PyTree

ALIGNMENT = 64  # bytes


@runtime_checkable
class Source(Protocol):
    """Examples that are read when they are needed. A rollout takes one in place of a data set's arrays.

    `len(source)` is the number of examples, and `source.take(indices)` returns those at the indices, int64[n], in their
    order: a pytree of arrays with the examples on the leading axis, of the same structure and types at every call. A
    rollout asks for one example before it starts, to know these; then for all examples of a chunk of steps at once,
    each once and sorted by index, from a thread of its own, while the device computes the previous chunk.
    """

    def __len__(self) -> int:
        """Returns the number of examples."""

    def take(self, indices: Int[np.ndarray, " n"]) -> PyTree:
        """Returns the examples at these indices."""


class Streamed(NamedTuple):
    """The examples of one chunk, in place of a data set in memory; steps index them, and nothing else may be read."""

    examples: PyTree


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Returns an array, not filled yet, whose memory the devices of a CPU can use in place.

    JAX copies arrays that begin elsewhere than at a multiple of 64 bytes, once for each device.

    >>> array = aligned_empty((3, 2), np.float32)
    >>> array.shape, array.ctypes.data % ALIGNMENT
    ((3, 2), 0)
    """
    dtype = np.dtype(dtype)
    num_bytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(num_bytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + num_bytes].view(dtype).reshape(shape)


def is_source(dataset: Any) -> bool:
    """Returns whether a data set is a `Source`, not a pytree of arrays. NumPy's and JAX's arrays have a `take` too.

    >>> is_source(np.zeros(3)), is_source((np.zeros(3), np.zeros(3)))
    (False, False)
    """
    return isinstance(dataset, Source) and not isinstance(dataset, np.ndarray | jax.Array | type)


def require_set_in_memory(name: str, given: Any) -> None:
    """Raises InputError if a named set of examples is a `Source`, or has one among its parts.

    >>> require_set_in_memory("test", (np.zeros((3, 2)), np.zeros(3)))
    """
    for part in (given, *(given if isinstance(given, tuple | list) else ())):
        require_arrays(f"the set '{name}'", part)


def require_arrays(name: str, dataset: Any) -> None:
    """Raises InputError for a `Source`, where all examples are needed in memory.

    >>> require_arrays("the dataset", np.zeros(3))
    """
    require(not is_source(dataset), f"{name} is a Source, and all examples are needed in memory: give arrays")
