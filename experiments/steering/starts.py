"""Random initial weights as vectors, and moves that keep their distribution."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pathjax.analysis.subset_simulation import rotated
from pathjax.core.errors import require
from pathjax.core.types import PyTree


class Spheres(NamedTuple):
    """Networks whose leaves are uniform on spheres, as `kaiming_sphere` draws them.

    Attributes:
        radii: float[leaf].
        sizes: int[leaf], elements of each leaf.
        unravel: from a vector to the weights.
    """

    radii: np.ndarray
    sizes: tuple[int, ...]
    unravel: Callable[[jax.Array], PyTree]

    def draw(self, rng: np.random.Generator, num: int) -> np.ndarray:
        """Draws `num` vectors, float[num, weight]."""
        normal = [rng.normal(size=(num, size)) for size in self.sizes]
        parts = [r * z / np.linalg.norm(z, axis=1, keepdims=True) for r, z in zip(self.radii, normal, strict=True)]
        return np.concatenate(parts, axis=1)

    def move(self, rng: np.random.Generator, vectors: np.ndarray, size: float) -> np.ndarray:
        """Rotates each leaf on its sphere by the angle `size`."""
        return np.concatenate([rotated(rng, part, size) for part in self._parts(vectors)], axis=1)

    def weights(self, vectors: np.ndarray) -> PyTree:
        """Returns the weights of the vectors, with a leading axis."""
        return jax.vmap(self.unravel)(jnp.asarray(vectors, jnp.float32))

    def _parts(self, vectors: np.ndarray) -> Sequence[np.ndarray]:
        return np.split(vectors, np.cumsum(self.sizes)[:-1], axis=1)


def spheres_of(init: Callable[[jax.Array], PyTree]) -> Spheres:
    """Returns the spheres on which an initializer draws leaves.

    Raises:
        InputError: if norms of a leaf differ between two draws.

    >>> import jax.numpy as jnp
    >>> from pathjax.models import MLP
    >>> model = MLP((8,), 2)
    >>> found = spheres_of(lambda key: model.init(key, jnp.zeros((1, 2)))["params"])
    >>> found.sizes, found.draw(np.random.default_rng(0), 3).shape
    ((8, 16, 2, 16), (3, 42))
    """
    draws = [init(jax.random.key(seed)) for seed in range(2)]
    norms = [np.array([np.linalg.norm(np.asarray(leaf)) for leaf in jax.tree.leaves(draw)]) for draw in draws]
    same = np.allclose(norms[0], norms[1], rtol=1e-4)
    require(same, "leaves do not have the same norm in each draw: choose initializer kaiming_sphere")
    sizes = tuple(leaf.size for leaf in jax.tree.leaves(draws[0]))
    return Spheres(norms[0], sizes, ravel_pytree(draws[0])[1])
