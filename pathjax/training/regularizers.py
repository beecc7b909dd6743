"""Regularizers of the loss, whose strengths are hyperparameters: they can be swept, and set in a window of steps."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pathjax.core import trees
from pathjax.core.leaf_patterns import leaves_matching
from pathjax.core.types import AnyArray, PyTree

PENALTIES = ("l1", "l2", "tilt")
REGULARIZERS = (*PENALTIES, "label_smoothing")


def penalty(params: PyTree, strengths: Mapping[str, Any], on: str | None = None) -> Float[Array, ""]:
    """Computes l1 sum |w| + l2 / 2 sum w^2 + tilt sum r w, the penalties that are added to a loss.

    The signs r are fixed and random, given by "tilt_seed" (0 by default), so that the gradient of the last is a
    constant force in a random direction, as large as that of l1 in each weight: a control of l1.

    Args:
        params: the weights.
        strengths: "l1", "l2", "tilt" and "tilt_seed", scalars by name; others are not read.
        on: regular expression, searched for in the names of leaves: only these are penalized; None: all.

    Returns:
        The sum, of shape ().

    Raises:
        InputError: if `on` is not a regular expression, or matches no leaf.

    >>> penalty({"w": jnp.array([3.0, -4.0]), "b": jnp.ones(1)}, {"l1": 1.0, "l2": 2.0}, on="^w").item()
    32.0
    """
    leaves = _chosen(params, on)
    seed = strengths.get("tilt_seed", 0)
    of_leaf = {
        "l1": lambda w, _: jnp.sum(jnp.abs(w)),
        "l2": lambda w, _: jnp.sum(w**2) / 2,
        "tilt": lambda w, i: jnp.sum(w * random_signs(w.shape, seed, i)),
    }
    return sum(
        (
            strengths[name] * sum(norm(leaf, i) for i, leaf in enumerate(leaves))
            for name, norm in of_leaf.items()
            if name in strengths
        ),
        jnp.zeros(()),
    )


def random_signs(shape: Sequence[int], seed: Any, leaf: int = 0) -> Int[Array, "..."]:
    """Returns signs that look random, by hashing the index of each element: the seed may differ between members.

    Args:
        shape: of the result.
        seed: a whole number, traced or not, of any type.
        leaf: a number that tells leaves apart.

    Returns:
        int32, -1 or 1.

    Source: the finalizer of MurmurHash3 (Appleby, public domain). It costs a few operations on integers, where
    `jax.random` would take as long as the step.

    >>> int(jnp.abs(random_signs((4, 5), 3)).sum()), bool((random_signs((99,), 0) != random_signs((99,), 1)).any())
    (20, True)
    """
    index = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
    mixed = index * jnp.uint32(0x9E3779B1) ^ (jnp.asarray(seed).astype(jnp.uint32) * jnp.uint32(0x27D4EB2F))
    mixed = mixed + jnp.uint32((leaf + 1) * 0x165667B1 % 2**32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = (mixed ^ (mixed >> shift)) * jnp.uint32(factor)
    return 1 - 2 * ((mixed ^ (mixed >> 16)) >> 31).astype(jnp.int32)


def _chosen(params: PyTree, on: str | None) -> list:
    floats = trees.split_floats(params)[0]
    leaves = jax.tree.leaves(floats)
    marks = [True] * len(leaves) if on is None else leaves_matching(on)(floats)
    return list(itertools.compress(leaves, marks))


def smoothed_cross_entropy(
    logits: Float[AnyArray, "... classes"], labels: Int[AnyArray, "..."], smoothing: Any
) -> Float[Array, "..."]:
    """Computes (1 - s) * -log p(label) + s * mean over classes of -log p, the cross-entropy with smoothed labels.

    Args:
        logits: of all classes, on the last axis.
        labels: the classes.
        smoothing: s, the share of a label that all classes get in equal parts.

    Returns:
        A loss for each label, in nats.

    Source: Szegedy et al. 2016.

    >>> smoothed_cross_entropy(jnp.zeros((1, 4)), jnp.array([2]), 0.1).item()
    1.3862943649291992
    """
    log_p = jax.nn.log_softmax(logits)
    right = jnp.take_along_axis(log_p, labels[..., None], axis=-1)[..., 0]
    return -(1 - smoothing) * right - smoothing * jnp.mean(log_p, axis=-1)
