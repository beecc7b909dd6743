"""The roundoff member's perturbation: one weight, moved by one unit in the last place."""

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree


def one_ulp(params: PyTree) -> PyTree:
    """Moves one weight by one unit in the last place: the largest weight of the last leaf that is not all zeros.

    In the usual layouts the last leaf belongs to the output layer, whose weights get gradients for any data (a weight
    behind an input pixel that is always 0 would have no effect).

    Args:
        params: the weights.

    Returns:
        The same tree with one element moved.

    Raises:
        InputError: if all weights are 0.

    >>> one_ulp({"w": jnp.ones(2)})["w"] - 1
    Array([1.1920929e-07, 0.0000000e+00], dtype=float32)
    """
    leaves, treedef = jax.tree.flatten(params)
    candidates = [i for i, leaf in enumerate(leaves) if trees.is_float(leaf) and np.any(np.asarray(leaf))]
    require(bool(candidates), "all weights are 0: one_ulp needs a nonzero weight; initialize the model first")
    chosen = np.array(leaves[candidates[-1]])
    where = np.unravel_index(np.argmax(np.abs(chosen)), chosen.shape)
    chosen[where] = np.nextafter(chosen[where], chosen.dtype.type(np.inf))
    leaves[candidates[-1]] = jnp.asarray(chosen)
    return jax.tree.unflatten(treedef, leaves)
