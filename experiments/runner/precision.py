"""The floating-point precision of a run: of matrix products, of stored arrays and of the network's passes."""

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.sources import Source
from pathjax.core.types import PyTree

# Name -> precision of matrix products, type of weights and optimizer, type of the network's forward and backward pass.
PRECISIONS = {
    "float32": ("highest", jnp.float32, jnp.float32),
    "tf32": ("tensorfloat32", jnp.float32, jnp.float32),  # products with 10-bit mantissas on GPUs that support them
    "bfloat16": ("highest", jnp.float32, jnp.bfloat16),  # mixed precision: weights are rounded only for the passes
    "float64": ("highest", jnp.float64, jnp.float64),
}


@contextlib.contextmanager
def running_in(name: str) -> Iterator[None]:
    """Sets one of PRECISIONS within a `with` block.

    Raises:
        InputError: if the name is unknown.
    """
    require(name in PRECISIONS, f"unknown precision '{name}': choose one of {', '.join(PRECISIONS)}")
    with jax.enable_x64(name == "float64"), jax.default_matmul_precision(PRECISIONS[name][0]):
        yield


def stored(name: str, tree: PyTree) -> PyTree:
    """Casts weights and data to the type in which they are stored.

    >>> stored("bfloat16", jnp.ones(2)).dtype
    dtype('float32')
    """
    return _cast(tree, PRECISIONS[name][1])


class StoredSource:
    """A source whose examples are cast to the type in which data are stored.

    >>> from pathjax.data import ArraySource
    >>> source = StoredSource("float64", ArraySource((np.ones(3, np.float32), np.zeros(3, np.int32))))
    >>> [leaf.dtype.name for leaf in source.take(np.arange(2))]
    ['float64', 'int32']
    """

    def __init__(self, name: str, source: Source):
        self.name, self.source = name, source

    def __len__(self) -> int:
        return len(self.source)

    def take(self, indices: np.ndarray) -> PyTree:
        """Returns the examples at these indices."""
        # In NumPy: JAX's types depend on the thread, and a rollout reads ahead in another.
        return stored(self.name, jax.tree.map(np.asarray, self.source.take(indices)))


def computed(name: str, tree: PyTree) -> PyTree:
    """Casts weights and data to the type in which the network computes.

    >>> computed("bfloat16", jnp.ones(2)).dtype
    dtype(bfloat16)
    """
    return _cast(tree, PRECISIONS[name][2])


def _cast(tree: PyTree, dtype) -> PyTree:
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if trees.is_float(leaf) else leaf, tree)
