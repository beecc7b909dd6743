"""Covariant Lyapunov vectors, computed from the triangular factors alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError, require


@shown_in_short
class CovariantVectors(NamedTuple):
    """Vectors that the tangent map carries into one another, each growing with its own exponent.

    Attributes:
        coefficients: float[blocks, k, k]; column i is the i-th vector at the end of the block, of length 1, in the
            basis of the orthonormalized tangents there.
        angles: float[blocks, k, k], in radians, between the lines of vectors i and j: 0 to pi/2; near 0 they are
            tangent.
        log_growth: float[blocks, k], the log-growth of each vector within the block, in nats.
    """

    coefficients: Float[Array, "blocks k k"]
    angles: Float[Array, "blocks k k"]
    log_growth: Float[Array, "blocks k"]


def covariant_vectors(r: Float[Array, "blocks k k"] | None, transient: int = 0) -> CovariantVectors:
    """Computes covariant vectors by Ginelli's backward iteration C <- R^-1 C, from a spectrum with `save_r=True`.

    Args:
        r: the result's triangular factors. The measurement needs a burn-in, in which the tangents align forward in
            time.
        transient: number of blocks at the end that are iterated through and dropped, because the vectors there have not
            yet converged. At each block the error falls by the ratio of the growth of neighboring exponents.

    Returns:
        CovariantVectors of all blocks but the transient.

    Raises:
        InputError: if r is missing, or not longer than the transient.

    Source: Ginelli et al. 2007, Phys. Rev. Lett. 99, 130601.

    >>> shear = lambda x: jnp.array([[2.0, 1.0], [0.0, 0.5]]) @ x
    >>> import pathjax
    >>> options = pathjax.SpectrumOptions(burn_in=20, save_r=True)
    >>> r = pathjax.lyapunov_spectrum(jax.random.key(0), shear, jnp.zeros(2), k=2, length=100, options=options).r
    >>> f"{covariant_vectors(r, transient=20).angles[0, 0, 1]:.4f}"  # the eigenvectors are (1, 0) and (-2, 3)
    '0.9828'
    """
    if r is None:
        raise InputError("the result has no triangular factors; measure with save_r=True")
    require(r.ndim == 3, f"r must have shape [blocks, k, k], not {r.ndim} axes; vmap over the others")
    require(0 <= transient < len(r), f"transient must be 0 to {len(r) - 1} for {len(r)} blocks, not {transient}")

    def backward(c, r_block):
        before = solve_triangular(r_block, c)
        lengths = jnp.linalg.norm(before, axis=0)
        return before / lengths[None], (c, -jnp.log(lengths))

    start = jnp.eye(r.shape[-1], dtype=r.dtype)
    # Any upper triangular start would do; this one is in general position.
    start = jnp.triu(jnp.ones_like(start)) / jnp.sqrt(jnp.arange(1, len(start) + 1, dtype=r.dtype))[None]
    _, (coefficients, log_growth) = jax.lax.scan(backward, start, r, reverse=True)
    keep = len(r) - transient
    return CovariantVectors(coefficients[:keep], _angles(coefficients[:keep]), log_growth[:keep])


def _angles(c: Float[Array, "blocks k k"]) -> Float[Array, "blocks k k"]:
    """From half the sum and difference of unit vectors, which loses no digits at small angles (Kahan)."""
    u, v = c[:, :, :, None], c[:, :, None, :]
    v = v * jnp.where(jnp.sum(u * v, axis=1, keepdims=True) < 0, -1, 1)
    return 2 * jnp.arctan2(jnp.linalg.norm(u - v, axis=1), jnp.linalg.norm(u + v, axis=1))
