"""Perturbations of leaves chosen by name, or of a share of the elements; all other weights stay bitwise unchanged."""

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.leaf_patterns import leaves_matching
from pathjax.core.types import PyTree
from pathjax.perturbations.base import Perturbation


def restricted(perturbation: Perturbation, pattern: str) -> Perturbation:
    """Restricts a perturbation to the leaves whose names (as in `trees.leaf_names`) match a regular expression.

    A relative epsilon is relative to these leaves.

    Args:
        perturbation: the perturbation of the matching leaves.
        pattern: a regular expression, searched for in each leaf's name.

    Returns:
        A Perturbation whose epsilon is that of `perturbation`.

    Raises:
        InputError: for an invalid pattern; when applied, for a pattern that matches no float leaf.

    >>> from pathjax.perturbations import gaussian
    >>> params = {"Dense_0": {"bias": jnp.zeros(3), "kernel": jnp.ones((3, 2))}}
    >>> biases = restricted(gaussian(), "bias$")
    >>> moved = biases.apply(params, biases.direction(jax.random.key(0), params), 0.5)
    >>> f"{trees.norm(moved['Dense_0']['bias']):.4f}", bool((moved["Dense_0"]["kernel"] == 1).all())
    ('0.5000', True)
    """
    marks = leaves_matching(pattern)

    def split(params: PyTree):
        chosen = dict(zip(trees.leaf_names(params), marks(params), strict=True))
        return trees.split(params, lambda name, leaf: chosen[name])

    def direction(key, params):
        chosen, others = split(params)
        return trees.merge(perturbation.direction(key, chosen), jax.tree.map(jnp.zeros_like, others))

    def apply(params, tangent, epsilon):
        chosen, others = split(params)
        return trees.merge(perturbation.apply(chosen, split(tangent)[0], epsilon), others)

    return Perturbation(direction, apply, perturbation.max_epsilon)


def sparse(perturbation: Perturbation, share: float) -> Perturbation:
    """Restricts a perturbation to a random share of each leaf's elements, at least one, treated as smaller leaves.

    Args:
        perturbation: the perturbation of the drawn elements.
        share: fraction of each leaf's elements, above 0 and at most 1.

    Returns:
        A Perturbation whose epsilon is that of `perturbation`.

    Raises:
        InputError: for a share that is out of range.

    >>> from pathjax.perturbations import gaussian
    >>> tenth = sparse(gaussian(), 0.1)
    >>> moved = tenth.apply({"w": jnp.ones(50)}, tenth.direction(jax.random.key(0), {"w": jnp.ones(50)}), 0.5)
    >>> int((moved["w"] != 1).sum())
    5
    """
    require(0 < share <= 1, f"share {share:g} is out of range: choose more than 0 and at most 1")

    def count(leaf):
        return max(1, round(share * leaf.size))

    def direction(key, params):
        floats, others = trees.split_floats(params)
        leaves, treedef = jax.tree.flatten(floats)
        keys = jax.random.split(jax.random.fold_in(key, 0), len(leaves))
        places = [
            jax.random.choice(k, leaf.size, (count(leaf),), replace=False) if leaf.size else jnp.zeros(0, int)
            for k, leaf in zip(keys, leaves, strict=True)
        ]
        parts = jax.tree.unflatten(treedef, [leaf.ravel()[at] for leaf, at in zip(leaves, places, strict=True)])
        moves = jax.tree.leaves(perturbation.direction(jax.random.fold_in(key, 1), parts))
        full = [
            jnp.zeros(leaf.size, leaf.dtype).at[at].set(move).reshape(leaf.shape)
            for leaf, at, move in zip(leaves, places, moves, strict=True)
        ]
        return trees.merge(jax.tree.unflatten(treedef, full), jax.tree.map(jnp.zeros_like, others))

    def apply(params, tangent, epsilon):
        floats, others = trees.split_floats(params)
        leaves, treedef = jax.tree.flatten(floats)
        moves = [move.ravel() for move in jax.tree.leaves(trees.split_floats(tangent)[0])]
        # The moving elements have a nonzero direction, so they are the largest.
        places = [jax.lax.top_k(jnp.abs(move), min(count(move), move.size))[1] for move in moves]
        parts, tangents = (
            jax.tree.unflatten(treedef, [a.ravel()[at] for a, at in zip(some, places, strict=True)])
            for some in (leaves, moves)
        )
        moved = jax.tree.leaves(perturbation.apply(parts, tangents, epsilon))
        full = [
            leaf.ravel().at[at].set(part).reshape(leaf.shape)
            for leaf, at, part in zip(leaves, places, moved, strict=True)
        ]
        return trees.merge(jax.tree.unflatten(treedef, full), others)

    return Perturbation(direction, apply, perturbation.max_epsilon)
