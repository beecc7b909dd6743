"""Traces from products with random vectors."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require_count
from pathjax.core.types import PyTree
from pathjax.curvature.lanczos import Eigenpairs


@shown_in_short
class Trace(NamedTuple):
    """An estimate of a trace, and its standard error over the random vectors."""

    value: Float[Array, ""]
    error: Float[Array, ""]


def estimate_trace(
    key: Key[Array, ""], product: Callable, like: PyTree, num_probes: int, known: Eigenpairs | None = None
) -> Trace:
    """Estimates the trace of a symmetric matrix by the mean of z^T A z over random vectors z of entries -1 and 1.

    With the eigenpairs that are known, tr A = sum_i q_i^T A q_i + tr (1 - Q Q^T) A (1 - Q Q^T), and only the second
    part, which varies less, is estimated.

    Args:
        key: typed PRNG key of the random vectors.
        product: `product(v) -> A v`, on trees like `like`.
        like: a tree of floats.
        num_probes: number of random vectors and of products, at least 2.
        known: orthonormal vectors with their Rayleigh quotients, as by `leading_eigenpairs`.

    Returns:
        The estimate and its standard error.

    Raises:
        InputError: for fewer than 2 random vectors.

    Source: Hutchinson 1990; the deflation as in Hutch++, Meyer et al. 2021.

    >>> found = estimate_trace(jax.random.key(0), lambda v: jnp.array([1.0, 2.0, 3.0]) * v, jnp.zeros(3), 4)
    >>> float(found.value), float(found.error)  # exact for a diagonal matrix
    (6.0, 0.0)
    """
    require_count("num_probes", num_probes, 2)
    like = trees.wide(like)

    def probe(key):
        z = _outside(known, trees.random_signs_like(key, like))
        return trees.dot(z, trees.wide(product(z)))

    values = jax.lax.map(probe, jax.random.split(key, num_probes))
    certain = 0 if known is None else jnp.sum(known.values)
    return Trace(certain + jnp.mean(values), jnp.std(values, ddof=1) / num_probes**0.5)


def _outside(known: Eigenpairs | None, z: PyTree) -> PyTree:
    """Returns the part of z that is orthogonal to the known vectors."""
    if known is None:
        return z
    along = jax.vmap(trees.dot, (0, None))(known.vectors, z)
    return jax.tree.map(lambda a, q: a - jnp.tensordot(along.astype(q.dtype), q, 1), z, known.vectors)
