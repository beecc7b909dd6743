"""The invariance error: how much the function of a network changes under a symmetry."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from pathjax.core.networks import of_networks
from pathjax.core.types import PyTree


def invariance_error(apply: Callable, a: PyTree, b: PyTree, *inputs) -> Float[Array, ""]:
    """Computes the largest |f_b - f_a| over all outputs, relative to the largest |f_a|.

    It is 0 up to rounding if b is a with units permuted or rescaled.

    Args:
        apply: `apply(params, *inputs)` returns the outputs; `apply(params, model_state, *inputs)` if a and b are each a
            `pathjax.Network`.
        a, b: weights of the same network.
        inputs: some examples.

    Returns:
        float, relative to the largest output.

    >>> float(invariance_error(lambda w, x: w * x, jnp.float32(2), jnp.float32(3), jnp.ones(4)))
    0.5
    """
    before, after = (of_networks(apply)(one, *inputs) for one in (a, b))
    return jnp.max(jnp.abs(after - before)) / jnp.max(jnp.abs(before))
