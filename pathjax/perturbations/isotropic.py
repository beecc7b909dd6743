"""Isotropic random directions: along the sphere of the weights, and Gaussian."""

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.perturbations.base import LARGEST, Perturbation, grouped
from pathjax.perturbations.exact_distance import to_distance


def on_sphere(per_leaf: bool = True) -> Perturbation:
    """Moves the weights by the relative distance epsilon along their sphere, in a random direction.

    The new point is uniform on the intersection of the sphere of radius |w| around 0 with the sphere of radius
    epsilon |w| around w: w (1 - epsilon^2/2) + u epsilon sqrt(1 - epsilon^2/4), with u a random tangent of length |w|
    (nothing cancels in this form). epsilon = 2 is the antipode. Norm and distance are accurate to 1e-6 from
    epsilon = 1e-6 in float32, for leaves of about 100 elements or more; for fewer, the grid of floats is too coarse.

    Args:
        per_leaf: move each leaf on its own sphere (default), or the whole tree on one sphere. Leaves that have no
            direction along their sphere (one element, or all zeros) stay unchanged.

    Returns:
        A Perturbation whose epsilon is the distance relative to the norm, 0 to 2.

    Source: uniform sampling by normalized Gaussians (Muller 1959), projected on the tangent space.

    >>> params = {"w": jnp.full((100, 10), 0.1)}
    >>> sphere = on_sphere()
    >>> moved = sphere.apply(params, sphere.direction(jax.random.key(0), params), 1e-3)
    >>> f"{trees.norm(moved):.5f} {trees.norm(trees.subtract(moved, params)):.5e}"
    '3.16228 3.16228e-03'
    """

    def direction(key, group):
        unit = trees.power_of_two(group)
        group = trees.scale(1 / unit, trees.wide(group))
        radius2 = trees.dot(group, group)
        tangent = trees.random_normal_like(key, group)
        for _ in range(2):  # twice, as the first projection leaves a rounding error
            along = trees.dot(tangent, group) / jnp.where(radius2 > 0, radius2, 1)
            tangent = jax.tree.map(lambda u, w, c=along: u - c * w, tangent, group)
        length = trees.norm(tangent)
        movable = (sum(leaf.size for leaf in jax.tree.leaves(group)) > 1) & (length > 0)
        return trees.scale(unit, trees.scale(jnp.where(movable, jnp.sqrt(radius2) / length, 0), tangent))

    def apply(group, tangent, epsilon):
        tangent = trees.wide(tangent)
        radius = trees.safe_norm(tangent)  # 0 if the group has no direction along its sphere
        along = jnp.where(radius > 0, -(epsilon**2) / 2, 0)
        across = epsilon * jnp.sqrt(1 - epsilon**2 / 4)
        step = jax.tree.map(lambda w, u: along * w + across * u, group, tangent)
        return to_distance(group, step, epsilon * radius)

    return grouped(direction, apply, per_leaf, max_epsilon=2.0)


def gaussian(per_leaf: bool = False, relative: bool = False) -> Perturbation:
    """Adds a Gaussian vector of 2-norm exactly epsilon.

    Args:
        per_leaf: add a vector of norm epsilon to each leaf, or one vector to the whole tree (default). For independent
            noise of standard deviation sigma on D weights, take epsilon = sigma sqrt(D).
        relative: whether epsilon is in units of the norm of the leaf, or of the whole tree. The norm of initial weights
            is their standard deviation times sqrt(D). Leaves or trees of zeros then stay unchanged.

    Returns:
        A Perturbation whose epsilon is the absolute distance, a 2-norm (relative to the weights' if `relative`).

    >>> params = {"w": jnp.ones((100, 10)), "b": jnp.zeros(10)}
    >>> noise = gaussian()
    >>> moved = noise.apply(params, noise.direction(jax.random.key(0), params), 0.5)
    >>> f"{trees.norm(trees.subtract(moved, params)):.5f}"
    '0.50000'
    """

    def direction(key, group):
        noise = trees.random_normal_like(key, trees.wide(group))
        return trees.scale((trees.safe_norm(group) if relative else 1) / trees.norm(noise), noise)

    def apply(group, tangent, epsilon):
        tangent = trees.wide(tangent)
        return to_distance(group, trees.scale(epsilon, tangent), epsilon * trees.safe_norm(tangent))

    return grouped(direction, apply, per_leaf, max_epsilon=LARGEST)
