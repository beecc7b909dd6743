"""Perturbations of a part of the weights: leaves chosen by name, or a share of elements; all else stays to the bit."""

import re

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.perturbations.base import Perturbation


def restricted(perturbation: Perturbation, pattern: str) -> Perturbation:
    """A perturbation of the leaves whose names (as in `trees.leaf_names`) a regular expression is found in.

    Sizes that are relative are so to these leaves alone.

    Args:
        perturbation: of the leaves that are found.
        pattern: a regular expression, searched for in each leaf's name.

    Returns:
        A Perturbation with the epsilon of the given one.

    Raises:
        InputError: for a pattern that is none, and when it is applied, for one that no float leaf has.

    >>> from pathjax.perturbations import gaussian
    >>> params = {"Dense_0": {"bias": jnp.zeros(3), "kernel": jnp.ones((3, 2))}}
    >>> biases = restricted(gaussian(), "bias$")
    >>> moved = biases.apply(params, biases.direction(jax.random.key(0), params), 0.5)
    >>> f"{trees.norm(moved['Dense_0']['bias']):.4f}", bool((moved["Dense_0"]["kernel"] == 1).all())
    ('0.5000', True)
    """
    try:
        found = re.compile(pattern).search
    except re.error as error:
        require(False, f"'{pattern}' is no regular expression ({error}): expected one such as 'kernel$'")

    def split(params: PyTree):
        chosen, others = trees.split(params, lambda name, leaf: bool(found(name)) and trees.is_float(leaf))
        names = ", ".join(trees.leaf_names(trees.split_floats(params)[0]))
        require(bool(jax.tree.leaves(chosen)), f"no leaf's name has '{pattern}' in it: they are {names}")
        return chosen, others

    def direction(key, params):
        chosen, others = split(params)
        return trees.merge(perturbation.direction(key, chosen), jax.tree.map(jnp.zeros_like, others))

    def apply(params, tangent, epsilon):
        chosen, others = split(params)
        return trees.merge(perturbation.apply(chosen, split(tangent)[0], epsilon), others)

    return Perturbation(direction, apply, perturbation.max_epsilon)


def sparse(perturbation: Perturbation, share: float) -> Perturbation:
    """A perturbation of a random share of the elements of each leaf, at least one; of those it is as of whole leaves.

    Args:
        perturbation: of the elements that are drawn.
        share: of each leaf's elements, between 0 and 1.

    Returns:
        A Perturbation with the epsilon of the given one.

    Raises:
        InputError: for a share that is not between 0 and 1.

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
        whole = [
            jnp.zeros(leaf.size, leaf.dtype).at[at].set(move).reshape(leaf.shape)
            for leaf, at, move in zip(leaves, places, moves, strict=True)
        ]
        return trees.merge(jax.tree.unflatten(treedef, whole), jax.tree.map(jnp.zeros_like, others))

    def apply(params, tangent, epsilon):
        floats, others = trees.split_floats(params)
        leaves, treedef = jax.tree.flatten(floats)
        moves = [move.ravel() for move in jax.tree.leaves(trees.split_floats(tangent)[0])]
        # The elements that move are those whose direction is not 0: the largest.
        places = [jax.lax.top_k(jnp.abs(move), min(count(move), move.size))[1] for move in moves]
        parts, tangents = (
            jax.tree.unflatten(treedef, [a.ravel()[at] for a, at in zip(some, places, strict=True)])
            for some in (leaves, moves)
        )
        moved = jax.tree.leaves(perturbation.apply(parts, tangents, epsilon))
        whole = [
            leaf.ravel().at[at].set(part).reshape(leaf.shape)
            for leaf, at, part in zip(leaves, places, moved, strict=True)
        ]
        return trees.merge(jax.tree.unflatten(treedef, whole), others)

    return Perturbation(direction, apply, perturbation.max_epsilon)
