"""QR factorisation of tangents that stay pytrees: products of leaves, and a k x k problem in the middle."""

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from pathjax.typing import PyTree

# After equilibration, a Cholesky diagonal this small says that a column is nearly in the span of those before it, and
# that the Gram matrix has squared away the digits which would tell them apart.
SAFE_DIAGONAL = 1e-2


def orthonormalize(tangents: PyTree) -> tuple[PyTree, Float[Array, "k k"]]:
    """Q and R of k tangents on the leading axis: tangents_j = sum_i Q_i R_ij, Q orthonormal, R upper, R_ii > 0.

    CholeskyQR2 (Yamamoto et al. 2015, ETNA 44) with columns scaled to length 1 first; where the columns are too
    nearly dependent for it, Householder reflections on the concatenated leaves.

    >>> q, r = orthonormalize({"w": jnp.array([[3.0, 0.0, 0.0], [1.0, 2.0, 0.0]])})
    >>> r
    Array([[3., 1.],
           [0., 2.]], dtype=float32)
    """
    first, r_first, smallest = _cholesky_qr(tangents)

    def second_pass(_):
        q, r, _ = _cholesky_qr(first)
        return q, r @ r_first

    return jax.lax.cond(smallest > SAFE_DIAGONAL, second_pass, lambda _: _householder_qr(tangents), None)


def _gram(tangents: PyTree) -> Float[Array, "k k"]:
    """Inner products of the tangents over all leaves."""
    flat = [leaf.reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(tangents)]
    return sum(leaf @ leaf.T for leaf in flat)


def _combine(tangents: PyTree, matrix: Float[Array, "k k"]) -> PyTree:
    """The tangents sum_i t_i matrix_ij, on axis j."""
    return jax.tree.map(lambda leaf: (matrix.T @ leaf.reshape(leaf.shape[0], -1)).reshape(leaf.shape), tangents)


def _cholesky_qr(tangents: PyTree):
    """Q, R and the smallest diagonal element of the equilibrated factor (NaN where there is no factor)."""
    gram = _gram(tangents)
    lengths = jnp.sqrt(jnp.diagonal(gram))
    upper = jnp.linalg.cholesky(gram / jnp.outer(lengths, lengths)).T
    inverse = solve_triangular(upper, jnp.eye(len(lengths), dtype=upper.dtype)) / lengths[:, None]
    return _combine(tangents, inverse), upper * lengths[None, :], jnp.min(jnp.diagonal(upper))


def _householder_qr(tangents: PyTree):
    leaves, treedef = jax.tree.flatten(tangents)
    flat = [leaf.reshape(leaf.shape[0], -1) for leaf in leaves]
    q, r = jnp.linalg.qr(jnp.concatenate(flat, axis=1).T)
    signs = jnp.where(jnp.diagonal(r) < 0, -1, 1).astype(r.dtype)
    parts = jnp.split((q * signs[None]).T, list(_offsets(flat)), axis=1)
    q_tree = jax.tree.unflatten(treedef, [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)])
    return q_tree, signs[:, None] * r


def _offsets(flat):
    end = 0
    for leaf in flat[:-1]:
        end += leaf.shape[1]
        yield end
