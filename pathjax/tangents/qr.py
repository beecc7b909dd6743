"""QR factorization of tangents that stay pytrees: products of leaves and a k x k problem."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

from pathjax.core.errors import require
from pathjax.core.masked_update import masked_update
from pathjax.core.types import PyTree

# Thresholds of the smallest diagonal element of the equilibrated Cholesky factor: the sine of the angle between a
# column and the span of those before it. Above ONE_PASS, one pass makes Q orthonormal to rounding. Below SAFE, squaring
# in the Gram matrix has lost the digits that distinguish the columns.
ONE_PASS, SAFE = 0.7, 1e-2
METHODS = ("cholesky", "householder")


class Factors(NamedTuple):
    """tangents_j = sum_i q_i r_ij, with orthonormal q shaped like the tangents and upper triangular r with r_ii >= 0.

    `collapse` is the smallest r_ii / |column i of r|, the sine of the angle between a tangent and the span of those
    before it; near rounding error, the tangents have collapsed onto one another. `fell_back` says whether Cholesky was
    not safe and Householder was used.
    """

    q: PyTree
    r: Float[Array, "k k"]
    collapse: Float[Array, ""]
    fell_back: Bool[Array, ""]


def orthonormalize(tangents: PyTree, method: str = "cholesky") -> Factors:
    """Computes the QR factorization of k tangents on the leading axis of every leaf.

    Args:
        tangents: float leaves [k, ...].
        method: "cholesky" is CholeskyQR of columns scaled to length 1, with products of leaves only. It makes a second
            pass (CholeskyQR2) unless columns are already nearly orthogonal, and uses Householder reflections of the
            concatenated leaves if columns are too nearly dependent. "householder" always uses reflections.

    Source: CholeskyQR2, Yamamoto et al. 2015, ETNA 44.

    >>> r = orthonormalize({"w": jnp.array([[3.0, 0.0, 0.0], [1.0, 2.0, 0.0]])}).r
    >>> bool(jnp.allclose(r, jnp.array([[3.0, 1.0], [0.0, 2.0]])))
    True
    """
    require(method in METHODS, f"unknown method '{method}': choose one of {', '.join(METHODS)}")
    if method == "householder":
        q, r = _householder_qr(tangents)
        return Factors(q, r, _least_sine(r), jnp.array(False))
    gram = _gram(tangents)
    first, r_first, sine = _cholesky_qr(tangents, gram)

    def second_pass(factors):
        q, r_second, _ = _cholesky_qr(factors[0], _gram(factors[0]))
        return q, r_second @ factors[1]

    factors = masked_update((sine > SAFE) & (sine <= ONE_PASS), second_pass, (first, r_first))
    # NaN is not a conditioning failure, and Householder would not help.
    unsafe = ~(sine > SAFE) & ~jnp.any(jnp.isnan(jnp.diagonal(gram)))
    q, r = masked_update(unsafe, lambda _: _householder_qr(tangents), factors)
    return Factors(q, r, _least_sine(r), unsafe)


def normalize(tangents: PyTree) -> Factors:
    """Divides a single tangent by its norm; equals `orthonormalize` for k = 1.

    >>> normalize(jnp.array([[3.0, 4.0]])).r
    Array([[5.]], dtype=float32)
    """
    scaled, scale = _scaled(tangents)
    norm = jnp.sqrt(jnp.diagonal(_gram(scaled)))
    q = _scale_each(scaled, 1 / jnp.where(norm > 0, norm, 1))
    return Factors(q, (norm * scale)[None], jnp.ones_like(norm[0]), jnp.array(False))


def combine(tangents: PyTree, matrix: Float[Array, "k m"]) -> PyTree:
    """Computes the tangents sum_i t_i matrix_ij, on axis j.

    >>> combine(jnp.eye(2), jnp.array([[1.0], [2.0]]))
    Array([[1., 2.]], dtype=float32)
    """

    def one(leaf):
        mixed = matrix.T @ _flat(leaf).astype(matrix.dtype)
        return mixed.reshape(len(mixed), *leaf.shape[1:]).astype(leaf.dtype)

    return jax.tree.map(one, tangents)


def _flat(leaf):
    return leaf.reshape(leaf.shape[0], math.prod(leaf.shape[1:]))


def _scaled(tangents: PyTree) -> tuple[PyTree, Float[Array, " k"]]:
    """Tangents scaled to a largest element of 1, and the scales: squares then neither overflow nor underflow."""
    leaves = [jnp.max(jnp.abs(_flat(leaf)), axis=1) for leaf in jax.tree.leaves(tangents) if leaf.size]
    largest = jnp.max(jnp.stack(leaves), axis=0)
    scale = jnp.where(largest > 0, largest, 1)
    return _scale_each(tangents, 1 / scale), scale


def _scale_each(tangents: PyTree, factors: Float[Array, " k"]) -> PyTree:
    return jax.tree.map(lambda leaf: leaf * factors.reshape(-1, *[1] * (leaf.ndim - 1)).astype(leaf.dtype), tangents)


def _gram(tangents: PyTree) -> Float[Array, "k k"]:
    """Inner products of the tangents over all leaves."""
    flat = [_flat(leaf) for leaf in jax.tree.leaves(tangents)]
    grams = [jnp.matmul(leaf, leaf.T, preferred_element_type=_at_least_float32(leaf.dtype)) for leaf in flat]
    return functools.reduce(jnp.add, grams)


def _at_least_float32(dtype):
    # Half precision supports no factorizations and has too few digits for sums of squares.
    return jnp.promote_types(dtype, jnp.float32)


def _cholesky_qr(tangents: PyTree, gram: Float[Array, "k k"]):
    """Q, R and the smallest sine (NaN if Cholesky failed, or squares overflowed or underflowed)."""
    limits = jnp.finfo(gram.dtype)
    squares = jnp.diagonal(gram)
    lengths = jnp.sqrt(jnp.where((squares > limits.tiny / limits.eps) & (squares < limits.max), squares, jnp.nan))
    upper = jnp.linalg.cholesky(gram / jnp.outer(lengths, lengths)).T
    inverse = solve_triangular(upper, jnp.eye(len(lengths), dtype=upper.dtype)) / lengths[:, None]
    return combine(tangents, inverse), upper * lengths[None, :], jnp.min(jnp.diagonal(upper))


def _householder_qr(tangents: PyTree):
    tangents, scale = _scaled(tangents)
    leaves, treedef = jax.tree.flatten(tangents)
    flat = [_flat(leaf) for leaf in leaves]
    matrix = jnp.concatenate(flat, axis=1).T
    q, r = jnp.linalg.qr(matrix.astype(_at_least_float32(matrix.dtype)))
    signs = jnp.where(jnp.diagonal(r) < 0, -1, 1).astype(r.dtype)
    ends = np.cumsum([leaf.shape[1] for leaf in flat])
    parts = jnp.split((q * signs[None]).T, ends[:-1], axis=1)
    pairs = zip(parts, leaves, strict=True)
    q_tree = jax.tree.unflatten(treedef, [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in pairs])
    return q_tree, signs[:, None] * r * scale.astype(r.dtype)[None]


def _least_sine(r: Float[Array, "k k"]) -> Float[Array, ""]:
    lengths = jnp.max(jnp.abs(r), axis=0)
    lengths = lengths * jnp.linalg.norm(r / jnp.where(lengths > 0, lengths, 1)[None], axis=0)
    # A column of zeros has not collapsed onto others: its exponent is -inf.
    return jnp.min(jnp.where(lengths > 0, jnp.diagonal(r) / jnp.where(lengths > 0, lengths, 1), 1))
