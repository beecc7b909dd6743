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
import numpy as np
from jaxtyping import Array, Float, Key

from pathjax import trees
from pathjax.calibrate import to_distance
from pathjax.errors import require
from pathjax.typing import PyTree

LARGEST = 3e38  # about the largest number of float32


class Perturbation(NamedTuple):
    """`direction(key, params)` -> d params / d epsilon at 0; `apply(params, direction, epsilon)` -> moved params.

    `max_epsilon` is the largest size that makes sense.
    """

    direction: Callable[[Key[Array, ""], PyTree], PyTree]
    apply: Callable[[PyTree, PyTree, Float[Array, ""]], PyTree]
    max_epsilon: float


@functools.lru_cache  # equal ones are one, which is compiled once
def on_sphere(per_leaf: bool = True) -> Perturbation:
    """Move by the relative distance epsilon along the sphere that the weights lie on, in a random direction.

    The new point is uniform on the intersection of the sphere of radius |w| around 0 with the sphere of radius
    epsilon |w| around w: w (1 - epsilon^2/2) + u epsilon sqrt(1 - epsilon^2/4), with u a random tangent of length |w|
    (nothing cancels in this form). epsilon = 2 is the antipode. Norm and distance are right to 1e-6 from
    epsilon = 1e-6 in float32, for leaves of some 100 elements or more: for fewer the grid of floats is too coarse.

    Args:
        per_leaf: each leaf on its own sphere (default), or the whole tree on one. Leaves that have no direction
            along their sphere (one element, or all zeros) stay where they are.

    Source: uniform sampling by normalised Gaussians (Muller 1959), projected on the tangent space.

    >>> params = {"w": jnp.full((100, 10), 0.1)}
    >>> sphere = on_sphere()
    >>> moved = sphere.apply(params, sphere.direction(jax.random.key(0), params), 1e-3)
    >>> f"{trees.norm(moved):.5f} {trees.norm(trees.subtract(moved, params)):.5e}"
    '3.16228 3.16228e-03'
    """

    def direction(key, group):
        radius2 = trees.dot(group, group)
        tangent = trees.random_normal_like(key, group)
        for _ in range(2):  # twice: the first projection leaves a remainder of one rounding error
            along = trees.dot(tangent, group) / jnp.where(radius2 > 0, radius2, 1)
            tangent = jax.tree.map(lambda u, w, c=along: u - c * w, tangent, group)
        length = trees.norm(tangent)
        movable = (sum(leaf.size for leaf in jax.tree.leaves(group)) > 1) & (length > 0)
        return trees.scale(jnp.where(movable, jnp.sqrt(radius2) / length, 0), tangent)

    def apply(group, tangent, epsilon):
        radius = trees.norm(tangent)  # 0 where there is no direction to go
        along = jnp.where(radius > 0, -(epsilon**2) / 2, 0)
        across = epsilon * jnp.sqrt(1 - epsilon**2 / 4)
        step = jax.tree.map(lambda w, u: along * w + across * u, group, tangent)
        return to_distance(group, step, epsilon * radius)

    return _grouped(direction, apply, per_leaf, max_epsilon=2.0)


@functools.lru_cache
def gaussian(per_leaf: bool = False) -> Perturbation:
    """Add a Gaussian vector of 2-norm exactly epsilon (absolute, not relative to the weights).

    Args:
        per_leaf: a vector of norm epsilon on each leaf, or one on the whole tree (default). For independent noise of
            standard deviation sigma on D weights take epsilon = sigma sqrt(D).

    >>> params = {"w": jnp.ones((100, 10)), "b": jnp.zeros(10)}
    >>> noise = gaussian()
    >>> moved = noise.apply(params, noise.direction(jax.random.key(0), params), 0.5)
    >>> f"{trees.norm(trees.subtract(moved, params)):.5f}"
    '0.50000'
    """

    def direction(key, group):
        noise = trees.random_normal_like(key, group)
        return trees.scale(1 / trees.norm(noise), noise)

    def apply(group, tangent, epsilon):
        return to_distance(group, trees.scale(epsilon, tangent), epsilon * trees.norm(tangent))

    return _grouped(direction, apply, per_leaf, max_epsilon=LARGEST)


def directions(perturbation: Perturbation, key: Key[Array, ""], params: PyTree, num_seeds: int) -> PyTree:
    """Directions of seeds 0 .. num_seeds-1 on a leading axis; a seed's direction does not depend on how many there are.

    >>> directions(gaussian(), jax.random.key(0), {"w": jnp.ones(5)}, 3)["w"].shape
    (3, 5)
    """
    return _draw(perturbation, num_seeds, key, params)


@functools.partial(jax.jit, static_argnames=("perturbation", "num_seeds"))
def _draw(perturbation, num_seeds, key, params):
    def one(seed):
        return perturbation.direction(jax.random.fold_in(key, seed), params)

    return jax.vmap(one)(jnp.arange(num_seeds))


def check_epsilons(perturbation: Perturbation, epsilons) -> None:
    """Raise InputError unless there are epsilons, each given once and in 0 .. `max_epsilon`.

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


def one_ulp(params: PyTree) -> PyTree:
    """Move one weight by one unit in the last place: the largest weight of the last leaf that is not all zeros.

    The last leaf is the output side in the usual layouts: its weights get gradients whatever the data (a weight behind
    an input pixel that is always 0 would never tell anything).

    >>> one_ulp({"w": jnp.ones(2)})["w"] - 1
    Array([1.1920929e-07, 0.0000000e+00], dtype=float32)
    """
    leaves, treedef = jax.tree.flatten(params)
    candidates = [i for i, leaf in enumerate(leaves) if trees.is_float(leaf) and np.any(np.asarray(leaf))]
    require(bool(candidates), "all weights are 0: there is none to move by one ulp; initialise the model first")
    chosen = np.array(leaves[candidates[-1]])
    where = np.unravel_index(np.argmax(np.abs(chosen)), chosen.shape)
    chosen[where] = np.nextafter(chosen[where], chosen.dtype.type(np.inf))
    leaves[candidates[-1]] = jnp.asarray(chosen)
    return jax.tree.unflatten(treedef, leaves)


def _grouped(direction, apply, per_leaf: bool, max_epsilon: float) -> Perturbation:
    """A perturbation of the float leaves, leaf by leaf or all together; other leaves stay."""

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
