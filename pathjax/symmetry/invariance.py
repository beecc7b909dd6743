"""Whether other weights compute the same."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from pathjax.core.types import PyTree


def invariance_error(apply: Callable, a: PyTree, b: PyTree, *inputs) -> Float[Array, ""]:
    """The largest |f_b - f_a| over all outputs, relative to the largest |f_a|.

    It is 0 but for rounding where b is a with its units permuted or scaled.

    Args:
        apply: `apply(params, *inputs)`, the outputs.
        a, b: weights of the same network.
        inputs: some examples.

    Returns:
        float, relative to the largest output.

    >>> float(invariance_error(lambda w, x: w * x, jnp.float32(2), jnp.float32(3), jnp.ones(4)))
    0.5
    """
    before, after = apply(a, *inputs), apply(b, *inputs)
    return jnp.max(jnp.abs(after - before)) / jnp.max(jnp.abs(before))
