"""QR factorisation of tangents that stay pytrees: products of leaves, and a k x k problem in the middle."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

from pathjax.errors import require
from pathjax.rarely import cond_rarely
from pathjax.typing import PyTree

# After equilibration, a Cholesky diagonal this small says that a column is nearly in the span of those before it, and
# that the Gram matrix has squared away the digits which would tell them apart.
SAFE_DIAGONAL = 1e-2


class Factors(NamedTuple):
    """tangents_j = sum_i q_i r_ij: q orthonormal like the tangents, r upper triangular with r_ii >= 0.

    `collapse` is the least r_ii / |column i of r|, the sine of the angle between a tangent and those before it: near
    rounding it says that they had collapsed onto one another. `fell_back`: Cholesky was not safe, Householder was used.
    """

    q: PyTree
    r: Float[Array, "k k"]
    collapse: Float[Array, ""]
    fell_back: Bool[Array, ""]


def orthonormalize(tangents: PyTree, method: str = "cholesky") -> Factors:
    """QR of k tangents on the leading axis of every leaf.

    Args:
        tangents: float leaves [k, ...].
        method: "cholesky": CholeskyQR2 of columns scaled to length 1, products of leaves only, which falls back to
            Householder reflections of the concatenated leaves where the columns are too nearly dependent. Or
            "householder": always those.

    Source: CholeskyQR2, Yamamoto et al. 2015, ETNA 44.

    >>> orthonormalize({"w": jnp.array([[3.0, 0.0, 0.0], [1.0, 2.0, 0.0]])}).r
    Array([[3., 1.],
           [0., 2.]], dtype=float32)
    """
    require(method in METHODS, f"unknown method '{method}': choose one of {', '.join(METHODS)}")
    # Scaled to a largest element of 1 first, or squares would over- or underflow.
    scales = _largest_elements(tangents)
    scales = jnp.where(scales > 0, scales, 1)
    q, r, fell_back = METHODS[method](_scale_each(tangents, 1 / scales))
    lengths = jnp.linalg.norm(r, axis=0)
    # A column that is exactly 0 has not collapsed onto others: its exponent is -inf.
    sines = jnp.where(lengths > 0, jnp.diagonal(r) / jnp.where(lengths > 0, lengths, 1), 1)
    return Factors(q, r * scales[None, :], jnp.min(sines), fell_back)


def normalize(tangents: PyTree) -> Factors:
    """`orthonormalize` for a single tangent: divided by its norm.

    >>> normalize(jnp.array([[3.0, 4.0]])).r
    Array([[5.]], dtype=float32)
    """
    scale = _largest_elements(tangents)
    scaled = _scale_each(tangents, 1 / jnp.where(scale > 0, scale, 1))
    norm = jnp.sqrt(jnp.diagonal(_gram(scaled)))
    q = _scale_each(scaled, 1 / jnp.where(norm > 0, norm, 1))
    return Factors(q, (norm * scale)[None], jnp.ones_like(norm[0]), jnp.array(False))


def combine(tangents: PyTree, matrix: Float[Array, "k m"]) -> PyTree:
    """The tangents sum_i t_i matrix_ij, on axis j.

    >>> combine(jnp.eye(2), jnp.array([[1.0], [2.0]]))
    Array([[1., 2.]], dtype=float32)
    """

    def one(leaf):
        mixed = matrix.T.astype(leaf.dtype) @ leaf.reshape(leaf.shape[0], -1)
        return mixed.reshape(-1, *leaf.shape[1:])

    return jax.tree.map(one, tangents)


def _largest_elements(tangents: PyTree) -> Float[Array, "k"]:
    leaves = [jnp.abs(leaf.reshape(leaf.shape[0], -1)) for leaf in jax.tree.leaves(tangents) if leaf.size]
    return jnp.max(jnp.stack([jnp.max(leaf, axis=1) for leaf in leaves]), axis=0)


def _scale_each(tangents: PyTree, factors: Float[Array, "k"]) -> PyTree:
    return jax.tree.map(lambda leaf: leaf * factors.reshape(-1, *[1] * (leaf.ndim - 1)).astype(leaf.dtype), tangents)


def _gram(tangents: PyTree) -> Float[Array, "k k"]:
    """Inner products of the tangents over all leaves."""
    flat = [leaf.reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(tangents)]
    return sum(leaf @ leaf.T for leaf in flat)


def _cholesky_qr2(tangents: PyTree):
    gram = _gram(tangents)
    first, r_first, smallest = _cholesky_qr(tangents, gram)
    # What is not finite is no matter of conditioning, and Householder would not mend it.
    unsafe = ~(smallest > SAFE_DIAGONAL) & jnp.all(jnp.isfinite(gram))

    def second_pass(tangents, first, r_first):
        q, r_second, _ = _cholesky_qr(first, _gram(first))
        return q, r_second @ r_first

    q, r = cond_rarely(
        unsafe, lambda tangents, *_: _householder_qr(tangents)[:2], second_pass, tangents, first, r_first
    )
    return q, r, unsafe


def _cholesky_qr(tangents: PyTree, gram: Float[Array, "k k"]):
    """Q, R and the smallest diagonal element of the equilibrated factor (NaN where there is no factor)."""
    lengths = jnp.sqrt(jnp.diagonal(gram))
    upper = jnp.linalg.cholesky(gram / jnp.outer(lengths, lengths)).T
    inverse = solve_triangular(upper, jnp.eye(len(lengths), dtype=upper.dtype)) / lengths[:, None]
    return combine(tangents, inverse), upper * lengths[None, :], jnp.min(jnp.diagonal(upper))


def _householder_qr(tangents: PyTree):
    leaves, treedef = jax.tree.flatten(tangents)
    flat = [leaf.reshape(leaf.shape[0], -1) for leaf in leaves]
    q, r = jnp.linalg.qr(jnp.concatenate(flat, axis=1).T)
    signs = jnp.where(jnp.diagonal(r) < 0, -1, 1).astype(r.dtype)
    ends = np.cumsum([leaf.shape[1] for leaf in flat])
    parts = jnp.split((q * signs[None]).T, ends[:-1], axis=1)
    pairs = zip(parts, leaves, strict=True)
    q_tree = jax.tree.unflatten(treedef, [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in pairs])
    return q_tree, signs[:, None] * r, jnp.array(False)


METHODS: dict[str, Callable] = {"cholesky": _cholesky_qr2, "householder": _householder_qr}
