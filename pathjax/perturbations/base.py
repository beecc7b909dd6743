"""Perturbations: which weights move, in which direction and how far.

A `Perturbation` defines curves from every point of weight space: `direction` draws a curve's velocity at epsilon = 0,
which is also the initial tangent of its linear response, and `apply` follows the curve to a finite epsilon.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from pathjax.core import trees
from pathjax.core.blocks import map_in_blocks
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.function_equality import by_value, compares_by_value
from pathjax.core.types import Floats, PyTree

LARGEST = 3e38  # about the largest float32


@shown_in_short
@compares_by_value
class Perturbation(NamedTuple):
    """`direction(key, params)` -> d params / d epsilon at 0; `apply(params, direction, epsilon)` -> moved params.

    `max_epsilon` is the largest meaningful epsilon.
    """

    direction: Callable[[Key[Array, ""], PyTree], PyTree]
    apply: Callable[[PyTree, PyTree, Float[Array, ""]], PyTree]
    max_epsilon: float


def perturbation_directions(key: Key[Array, ""], perturbation: Perturbation, params: PyTree, num_seeds: int) -> PyTree:
    """Draws the directions of seeds 0 .. num_seeds-1 on a leading axis; a direction does not depend on num_seeds.

    Args:
        key: typed PRNG key; the key of `perturbed_ensemble` gives the same directions.
        perturbation: see `pathjax.perturbations`.
        params: the weights at which the directions start.
        num_seeds: number of directions.

    Returns:
        A tree like the params with a leading axis of length num_seeds: d params / d epsilon at epsilon = 0.

    >>> from pathjax.perturbations import gaussian
    >>> perturbation_directions(jax.random.key(0), gaussian(), {"w": jnp.ones(5)}, 3)["w"].shape
    (3, 5)
    """
    return _draw(by_value(perturbation), num_seeds, key, params)


@functools.partial(jax.jit, static_argnames=("perturbation", "num_seeds"))
def _draw(perturbation, num_seeds, key, params):
    def one(shared, seed):
        key, params = shared
        return perturbation.direction(jax.random.fold_in(key, seed), params)

    return map_in_blocks(one, (key, params), jnp.arange(num_seeds))


def check_epsilons(perturbation: Perturbation, epsilons: Floats) -> None:
    """Checks that there is at least one epsilon, that none repeats, and that each is in (0, `max_epsilon`].

    Args:
        perturbation: its `max_epsilon` is the upper limit.
        epsilons: a sequence of epsilons.

    Raises:
        InputError: if a check fails.

    >>> from pathjax.perturbations import on_sphere
    >>> check_epsilons(on_sphere(), [0.1, 2.0])
    """
    kind = type(perturbation).__name__
    require(isinstance(perturbation, Perturbation), f"perturbation must be one such as on_sphere(), not of type {kind}")
    array = np.asarray(epsilons)
    is_list = array.ndim == 1 and (array.size == 0 or array.dtype.kind in "fiu")
    require(is_list, f"epsilons must be a list of numbers, as in [0.01, 0.1], not {epsilons!r}")
    require(len(epsilons) >= 1, "epsilons is empty: give at least one epsilon")
    require(len(set(epsilons)) == len(epsilons), f"epsilons {tuple(epsilons)} repeat: give each once")
    for epsilon in epsilons:
        require(
            math.isfinite(epsilon) and 0 < epsilon <= perturbation.max_epsilon,
            f"epsilon {epsilon:g} is out of range: choose more than 0 and at most {perturbation.max_epsilon:g}"
            + (" (2 is the antipode on the sphere)" if perturbation.max_epsilon == 2 else ""),
        )


def grouped(direction: Callable, apply: Callable, per_leaf: bool, max_epsilon: float) -> Perturbation:
    """Builds a perturbation of the float leaves, leaf by leaf or jointly; other leaves stay unchanged.

    Args:
        direction, apply: like those of a `Perturbation`, for a list of leaves.
        per_leaf: perturb each leaf separately, with its own key.
        max_epsilon: see `Perturbation`.

    >>> shift = grouped(lambda key, leaves: leaves, lambda leaves, moves, epsilon: moves, False, 1.0)
    >>> shift.apply({"w": jnp.zeros(1), "count": 3}, {"w": jnp.ones(1), "count": 0}, 1.0)["w"]
    Array([1.], dtype=float32)
    """

    def groups(tree):
        leaves = jax.tree.leaves(trees.split_floats(tree)[0])
        return [[leaf] for leaf in leaves] if per_leaf else [leaves]

    def regroup(parts, like):
        floats, others = trees.split_floats(like)
        flat = [leaf for part in parts for leaf in part]
        flat = [new.astype(old.dtype) for new, old in zip(flat, jax.tree.leaves(floats), strict=True)]
        return trees.merge(jax.tree.unflatten(jax.tree.structure(floats), flat), others)

    def tree_direction(key, params):
        parts = groups(params)
        moved = [direction(jax.random.fold_in(key, i), part) for i, part in enumerate(parts)]
        zeros = jax.tree.map(lambda leaf: leaf if trees.is_float(leaf) else jnp.zeros_like(leaf), params)
        return regroup(moved, zeros)

    def tree_apply(params, tangent, epsilon):
        pairs = zip(groups(params), groups(tangent), strict=True)
        return regroup([apply(part, t, epsilon) for part, t in pairs], params)

    return Perturbation(tree_direction, tree_apply, max_epsilon)
