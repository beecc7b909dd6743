"""What is moved, in which direction and how far.

A `Perturbation` is a curve through every point of weight space: `direction` draws its velocity at epsilon = 0, which is
also the tangent to launch for its linear response, and `apply` follows it to a finite epsilon.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.function_equality import by_value, compares_by_value
from pathjax.core.types import PyTree

LARGEST = 3e38  # about the largest number of float32


@compares_by_value
class Perturbation(NamedTuple):
    """`direction(key, params)` -> d params / d epsilon at 0; `apply(params, direction, epsilon)` -> moved params.

    `max_epsilon` is the largest size that makes sense.
    """

    direction: Callable[[Key[Array, ""], PyTree], PyTree]
    apply: Callable[[PyTree, PyTree, Float[Array, ""]], PyTree]
    max_epsilon: float


def perturbation_directions(key: Key[Array, ""], perturbation: Perturbation, params: PyTree, num_seeds: int) -> PyTree:
    """Directions of seeds 0 .. num_seeds-1 on a leading axis; a seed's direction does not depend on how many there are.

    Args:
        key: typed PRNG key; the one that `perturbed_ensemble` is given makes the same directions.
        perturbation: see `pathjax.perturbations`.
        params: where the directions start.
        num_seeds: how many.

    Returns:
        A tree like the params with a leading axis of length num_seeds: d params / d epsilon at epsilon = 0.

    >>> from pathjax.perturbations import gaussian
    >>> perturbation_directions(jax.random.key(0), gaussian(), {"w": jnp.ones(5)}, 3)["w"].shape
    (3, 5)
    """
    return _draw(by_value(perturbation), num_seeds, key, params)


@functools.partial(jax.jit, static_argnames=("perturbation", "num_seeds"))
def _draw(perturbation, num_seeds, key, params):
    def one(seed):
        return perturbation.direction(jax.random.fold_in(key, seed), params)

    return jax.vmap(one)(jnp.arange(num_seeds))


def check_epsilons(perturbation: Perturbation, epsilons) -> None:
    """Raise InputError unless there are epsilons, each given once and in 0 .. `max_epsilon`.

    Args:
        perturbation: has a largest epsilon.
        epsilons: sizes.

    Returns:
        None.

    Raises:
        InputError: as said.

    >>> from pathjax.perturbations import on_sphere
    >>> check_epsilons(on_sphere(), [0.1, 2.0])
    """
    require(len(epsilons) >= 1, "there are no epsilons: give at least one epsilon")
    require(len(set(epsilons)) == len(epsilons), f"epsilons {tuple(epsilons)} repeat: give each once")
    for epsilon in epsilons:
        require(
            math.isfinite(epsilon) and 0 < epsilon <= perturbation.max_epsilon,
            f"epsilon {epsilon:g} is out of range: choose more than 0 and at most {perturbation.max_epsilon:g}"
            + (" (2 is the antipode on the sphere)" if perturbation.max_epsilon == 2 else ""),
        )


def grouped(direction, apply, per_leaf: bool, max_epsilon: float) -> Perturbation:
    """A perturbation of the float leaves, leaf by leaf or all together; other leaves stay.

    Args:
        direction, apply: as of a `Perturbation`, of a list of leaves.
        per_leaf: each leaf by itself, with a key of its own.
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
        return trees.merge(jax.tree.unflatten(jax.tree.structure(floats), flat), others)

    def whole_direction(key, params):
        parts = groups(params)
        moved = [direction(jax.random.fold_in(key, i), part) for i, part in enumerate(parts)]
        still = jax.tree.map(lambda leaf: leaf if trees.is_float(leaf) else jnp.zeros_like(leaf), params)
        return regroup(moved, still)

    def whole_apply(params, tangent, epsilon):
        pairs = zip(groups(params), groups(tangent), strict=True)
        return regroup([apply(part, t, epsilon) for part, t in pairs], params)

    return Perturbation(whole_direction, whole_apply, max_epsilon)
