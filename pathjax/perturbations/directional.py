"""Perturbations along a given direction, or along an axis of weight space."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.perturbations.base import LARGEST, Perturbation
from pathjax.perturbations.exact_distance import to_distance


def along(tree: PyTree, relative: bool = False) -> Perturbation:
    """Moves the weights by a 2-norm of exactly epsilon along a given tree, e.g. a gradient or a Hessian eigenvector.

    Every seed has the same direction. With `restricted`, the direction is the tree's part on the chosen leaves.

    Args:
        tree: a tree like the params; its norm does not matter.
        relative: whether epsilon is in units of the norm of the weights.

    Returns:
        A Perturbation whose epsilon is the absolute distance, a 2-norm (relative to the weights' if `relative`).

    Raises:
        InputError: if the tree's norm is 0 or not finite; when applied, if the tree does not match the weights.

    >>> ahead = along({"w": jnp.array([0.0, 2.0])})
    >>> params = {"w": jnp.ones(2)}
    >>> ahead.apply(params, ahead.direction(jax.random.key(0), params), 0.5)["w"]
    Array([1. , 1.5], dtype=float32)
    """
    floats = trees.split_floats(tree)[0]
    _check_length(trees.safe_norm(floats))
    by_name = dict(zip(trees.leaf_names(floats), jax.tree.leaves(floats), strict=True))

    def direction(key, params):
        moving, others = trees.split_floats(params)
        own = [by_name.get(name) for name in trees.leaf_names(moving)]
        wanted = dict(zip(trees.leaf_names(moving), map(jnp.shape, jax.tree.leaves(moving)), strict=True))
        given = {name: jnp.shape(leaf) for name, leaf in by_name.items()}
        fits = wanted.items() <= given.items()
        require(fits, f"the direction has leaves {given}, but the weights {wanted}: give a tree like the weights")
        unscaled = jax.tree.unflatten(jax.tree.structure(moving), own)
        length = trees.safe_norm(unscaled)
        _check_length(length)
        scale = (trees.safe_norm(moving) if relative else 1) / length
        typed = jax.tree.map(lambda d, w: (scale * d).astype(w.dtype), unscaled, moving)
        return trees.merge(typed, jax.tree.map(jnp.zeros_like, others))

    return Perturbation(direction, move_along, LARGEST)


def _check_length(length) -> None:
    if not isinstance(length, jax.core.Tracer):
        message = f"the direction has length {float(length):g}: give a direction of finite, nonzero length"
        require(0 < length < LARGEST, message)


def one_weight() -> Perturbation:
    """Moves a single weight by epsilon, up or down; all weights are equally likely.

    Returns:
        A Perturbation whose epsilon is the absolute distance.

    >>> single = one_weight()
    >>> moved = single.apply({"w": jnp.ones(50)}, single.direction(jax.random.key(0), {"w": jnp.ones(50)}), 0.5)
    >>> int((moved["w"] != 1).sum())
    1
    """

    def direction(key, params):
        floats, others = trees.split_floats(params)
        leaves, treedef = jax.tree.flatten(floats)
        which, sign = jax.random.split(key)
        place = jax.random.randint(which, (), 0, trees.num_elements(floats))
        up = jax.random.rademacher(sign, (), int)
        moves = []
        for leaf in leaves:
            inside = (place >= 0) & (place < leaf.size)
            hot = jnp.arange(leaf.size) == jnp.where(inside, place, -1)
            moves.append((up * hot).astype(leaf.dtype).reshape(leaf.shape))
            place = place - leaf.size
        return trees.merge(jax.tree.unflatten(treedef, moves), jax.tree.map(jnp.zeros_like, others))

    def apply(params, tangent, epsilon):
        floats, others = trees.split_floats(params)
        moves = trees.split_floats(tangent)[0]
        moved = jax.tree.map(lambda w, d: jnp.where(d != 0, (w + epsilon * d).astype(w.dtype), w), floats, moves)
        return trees.merge(moved, others)

    return Perturbation(direction, apply, LARGEST)


def move_along(params: PyTree, tangent: PyTree, epsilon: Array | float) -> PyTree:
    """Moves the weights by epsilon times a tangent, by exactly that distance. Other weights stay bitwise unchanged.

    >>> move_along({"w": jnp.ones(2)}, {"w": jnp.array([0.0, 1.0])}, 0.5)["w"]
    Array([1. , 1.5], dtype=float32)
    """
    floats, others = trees.split_floats(params)
    moves = trees.wide(trees.split_floats(tangent)[0])
    moved = to_distance(floats, trees.scale(epsilon, moves), epsilon * trees.safe_norm(moves))
    moved = jax.tree.map(lambda w, new, d: jnp.where(d != 0, new, w), floats, moved, moves)
    return trees.merge(moved, others)
