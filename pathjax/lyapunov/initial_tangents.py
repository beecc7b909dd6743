"""Initial tangents of a measurement: given or random."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.errors import require, require_count
from pathjax.core.types import PyTree
from pathjax.tangents.propagate import Select, random_tangents


def initial_tangents(key: Key[Array, ""], state: PyTree, tangents: PyTree, k: int, select: Select | None) -> PyTree:
    """Returns the given tangents, matched to the selected leaves by name, or random ones.

    >>> initial_tangents(jax.random.key(0), jnp.zeros(3), jnp.eye(3)[:2], 2, None).shape
    (2, 3)
    """
    k = require_count("k", k)
    drawn = jax.eval_shape(lambda key: random_tangents(key, state, k, select), jax.random.key(0))
    if tangents is None:
        return random_tangents(key, state, k, select)
    given = dict(zip(trees.leaf_names(tangents), jax.tree.leaves(tangents), strict=True))
    expected, treedef = jax.tree.flatten(drawn)
    names = trees.leaf_names(drawn)
    missing = [name for name in names if name not in given]
    require(
        not missing,
        f"tangents have no leaf '{''.join(missing[:1])}'; expected a pytree like the state, with k rows in each "
        "selected leaf",
    )
    leaves = []
    for name, like in zip(names, expected, strict=True):
        leaf = jnp.asarray(given[name], like.dtype)
        what = f"tangents of leaf '{name}'" if name else "tangents"
        shapes = f"{what} have shape {list(leaf.shape)}; expected {list(like.shape)}, with k={k} rows"
        require(leaf.shape == like.shape, shapes)
        known = not isinstance(leaf, jax.core.Tracer)
        require(not known or bool(jnp.all(jnp.isfinite(leaf))), f"{what} must be finite")
        leaves.append(leaf)
    return jax.tree.unflatten(treedef, leaves)
