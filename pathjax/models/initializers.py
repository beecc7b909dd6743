"""Initializers in the form that flax takes: `init(key, shape, dtype)`."""

import math

import jax
import jax.numpy as jnp


def kaiming_sphere(fan_in: int):
    """Kaiming initialisation with its fuzzy shell shrunk to a sphere.

    Normal numbers rescaled to the exact 2-norm sqrt(size) sqrt(2 / fan_in), for weights and biases alike, so that a
    perturbation along the sphere stays in the distribution.

    Args:
        fan_in: number of inputs of the layer (also for its bias).

    Source: He et al. 2015 (the scale), Muller 1959 (uniform points on a sphere).

    >>> w = kaiming_sphere(784)(jax.random.key(0), (784, 100))
    >>> f"{jnp.linalg.norm(w):.4f}"
    '14.1421'
    """

    def init(key, shape, dtype=jnp.float32):
        normal = jax.random.normal(key, shape, dtype)
        return normal * (math.sqrt(math.prod(shape) * 2 / fan_in) / jnp.sqrt(jnp.sum(normal**2)))

    return init
