"""Leading eigenpairs of a symmetric matrix, from products with it: a thick-restarted block Lanczos method."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require, require_count
from pathjax.core.masked_update import masked_update
from pathjax.core.types import PyTree

GUARDS = 2  # vectors beyond those asked for, which the next call starts from, too: eigenvalues may cross
NEW = 0.3  # length of the random part of a start, for what is new; vectors given have length 1
MIN_STEPS = 6  # products for each start vector: with fewer, those given could hide larger eigenvalues
DEPENDENT = 1e-6  # below this, nothing is left of it but rounding
MORE = 10
SMALL = 0.1  # eigenvalues below this share of the largest one are as exact as those at it
WIDE = 10  # the error of an eigenvalue is about residual^2 / gap, and that of its vector residual / gap


@shown_in_short
class Eigenpairs(NamedTuple):
    """The k largest eigenvalues of a symmetric matrix A, in descending order.

    Attributes:
        values: the eigenvalues, float[k].
        vectors: orthonormal vectors, on the leading axis of each leaf.
        residuals: |A v - value v|, float[k]: some eigenvalue of A is at most this far from the value.
        num_products: number of products with A.
        space: these and a few more vectors, to start the next search from.
    """

    values: Float[Array, " k"]
    vectors: PyTree
    residuals: Float[Array, " k"]
    num_products: Int[Array, ""]
    space: PyTree


class _Krylov(NamedTuple):
    """The first j of the n vectors of `basis` were multiplied by A; the next n - m are orthonormal to them.

    Column i of `projected` has the inner products of all of them with A v_i. Eigenvalues `values`, coefficients
    `mixing` and `residuals` are those of the projection on the first j vectors.
    """

    basis: PyTree
    projected: Float[Array, "n m"]
    j: Int[Array, ""]
    num_products: Int[Array, ""]
    key: Any
    values: Float[Array, " m"]
    mixing: Float[Array, "m m"]
    residuals: Float[Array, " m"]


def leading_eigenpairs(
    key: Key[Array, ""],
    product: Callable,
    like: PyTree,
    num: int = 1,
    *,
    start: PyTree = None,
    tolerance: float = 1e-3,
    max_products: int = 200,
    max_warm_products: int | None = None,
) -> Eigenpairs:
    """Computes the largest eigenvalues of a symmetric matrix A and their vectors, from products v -> A v.

    The smallest are those of v -> -A v. The search space starts with the sum of the vectors in `start` and a random
    one, or with two such vectors if more than one eigenvalue is asked for, and grows by products with its own vectors;
    all are kept orthogonal. It ends once each residual r = |A v - value v| is at most `tolerance` times the value (or a
    tenth of the largest one), or 10 times `tolerance` times the gap g to the next eigenvalue. Some eigenvalue is within
    r of the value, and if the gap is right, within r^2 / g, with its vector at an angle of about r / g. Equal
    eigenvalues are found twice at most, unless there are few weights.

    Args:
        key: typed PRNG key of the random start.
        product: `product(v) -> A v`, linear and symmetric, on trees like `like`.
        like: a tree of floats.
        num: number of eigenvalues.
        start: vectors on the leading axis of each leaf, such as the `space` of an earlier result for a similar matrix;
            None: a random start.
        tolerance: see above. Eigenvalues that are closer to one another than this can be mistaken for one another.
        max_products: the search ends after this many products at the latest, but not before `num`; see `residuals`. It
            ends at once if a product is not finite.
        max_warm_products: the same for a search with a start that is not 0; None: `max_products`.

    Returns:
        Eigenpairs, at least in float32.

    Raises:
        InputError: if there are fewer weights than eigenvalues, `like` is not of floats, `start` has other shapes, or
            an option is out of range.

    Source: Wu & Simon 2000, SIAM J. Matrix Anal. Appl. 22, for the thick restart; Golub & Underwood 1977 for blocks.

    >>> steep = jnp.array([1.0, 5.0, 3.0, -9.0])
    >>> found = leading_eigenpairs(jax.random.key(0), lambda v: steep * v, jnp.zeros(4), 2)
    >>> [f"{value:.4f}" for value in found.values], int(found.num_products)
    (['5.0000', '3.0000'], 4)
    """
    dim = trees.num_elements(like)
    _check_shapes(like, start)
    require(tolerance >= 0, f"tolerance must be 0 or more, not {tolerance}")
    require_count("num", num, 1)
    fewer = f"ask for {dim} or fewer" if dim else "give weights"
    require(num <= dim, f"a matrix of {dim} rows has no {num} eigenvalues: {fewer}")
    require_count("max_products", max_products, 1)
    max_warm_products = max_products if max_warm_products is None else max_warm_products
    require_count("max_warm_products", max_warm_products, 1)
    size, block = _basis_size(num, dim), min(num, 2)
    enough = min(MIN_STEPS * block, dim)
    wide = jax.tree.map(lambda leaf: jnp.zeros_like(leaf, jnp.promote_types(leaf.dtype, jnp.float32)), like)

    def times(v: PyTree) -> PyTree:
        return trees.wide(product(jax.tree.map(lambda a, b: a.astype(b.dtype), v, like)))

    given, is_warm = _given_vectors(wide, start, block)
    most = jnp.maximum(num, jnp.where(is_warm, min(max_warm_products, max_products), max_products))

    def unfinished(krylov: _Krylov):
        found = jnp.all(krylov.residuals[:num] <= tolerance * _scales(krylov, num)) & (krylov.j >= num)
        found &= krylov.num_products >= enough
        broken = ~jnp.all(jnp.isfinite(krylov.projected))
        return ~(found | broken) & (krylov.num_products < most)

    def advance(krylov: _Krylov) -> _Krylov:
        krylov = masked_update(krylov.j == size, lambda full: _restart(full, num), krylov)
        return _solve(_expand(times, krylov))

    krylov = jax.lax.while_loop(unfinished, advance, _begin(key, given, wide, size))
    space = _mix(krylov.basis, krylov.mixing[:, : _num_kept(num, dim)])
    vectors = jax.tree.map(lambda a: a[:num], space)
    return Eigenpairs(krylov.values[:num], vectors, krylov.residuals[:num], krylov.num_products, space)


def _check_shapes(like: PyTree, start: PyTree) -> None:
    for leaf in jax.tree.leaves(like):
        require(jnp.issubdtype(jnp.result_type(leaf), jnp.floating), "the weights must be floats, not integers")
    if start is not None:
        first = jax.tree.map(lambda leaf: jax.eval_shape(lambda a: a[0], leaf), start)
        shapes = [jax.tree.map(jnp.shape, tree) for tree in (first, like)]
        require(shapes[0] == shapes[1], f"vectors of start have shape {shapes[0]}, but the weights {shapes[1]}")


def empty_space(like: PyTree, num: int) -> PyTree:
    """Returns zeros in the shape of the `space` of a search for `num` eigenvalues; as a start, they mean a random one.

    >>> empty_space(jnp.zeros(50), 3).shape
    (5, 50)
    """
    kept = _num_kept(num, trees.num_elements(like))
    return jax.tree.map(lambda leaf: jnp.zeros((kept, *leaf.shape), jnp.promote_types(leaf.dtype, jnp.float32)), like)


def _basis_size(num: int, dim: int) -> int:
    return min(dim, 2 * num + MORE)


def _block_of(krylov: _Krylov) -> int:
    rows, columns = krylov.projected.shape
    return rows - columns


def _num_kept(num: int, dim: int) -> int:
    return min(num + GUARDS, _basis_size(num, dim))


def _scales(krylov: _Krylov, num: int) -> Float[Array, " num"]:
    """Returns what residuals are compared with: the eigenvalue, but at least a tenth of the largest one, or WIDE times
    the gap to the next one."""
    values = krylov.values
    sizes = jnp.abs(values[:num])
    own = jnp.maximum(sizes, SMALL * jnp.max(sizes))
    gaps = jnp.where(jnp.arange(len(values) - 1) < krylov.j - 1, -jnp.diff(values), 0)
    zero = jnp.zeros(1, values.dtype)
    above, below = jnp.concatenate([zero + jnp.inf, gaps]), jnp.concatenate([gaps, zero])
    return jnp.maximum(own, WIDE * jnp.minimum(above, below)[:num])


def _given_vectors(like: PyTree, start: PyTree, block: int) -> tuple[list[PyTree], Array]:
    """Returns the sums of every `block`-th vector of `start`, and whether there is any; if not, zeros."""
    if start is None:
        return [like] * block, jnp.array(False)
    sums = [jax.tree.map(lambda a, b, i=i: jnp.sum(a[i::block], 0).astype(b.dtype), start, like) for i in range(block)]
    length = trees.norm(sums)
    is_warm = jnp.isfinite(length) & (length > 0)
    return jax.tree.map(lambda a: jnp.where(is_warm, a, 0), sums), is_warm


def _begin(key, given: list[PyTree], like: PyTree, size: int) -> _Krylov:
    """Starts with the given vectors, each with a random part."""
    block, dtype = len(given), trees.float_type(like)
    key, drawn = jax.random.split(key)
    basis = jax.tree.map(lambda leaf: jnp.zeros((size + block, *leaf.shape), leaf.dtype), like)
    for i, vector in enumerate(given):
        fresh = _random_vector(jax.random.fold_in(drawn, i), like)
        factor = NEW / trees.norm(fresh)
        vector = jax.tree.map(lambda a, b, c=factor: a + c.astype(b.dtype) * b, vector, fresh)
        basis = _put(basis, _orthogonalize(basis, vector)[0] if i else _unit(vector), i)
    square = jnp.zeros((size, size), dtype)
    far = jnp.full(size, jnp.inf, dtype)
    projected = jnp.zeros((size + block, size), dtype)
    return _Krylov(basis, projected, jnp.int32(0), jnp.int32(0), key, square[0], square, far)


def _random_vector(key, like: PyTree) -> PyTree:
    """Draws uniform values around 0: cheaper than normal ones, and as good to start from."""
    return jax.tree.map(lambda u: u - 0.5, trees.random_uniform_like(key, like))


def _unit(vector: PyTree) -> PyTree:
    return trees.scale(1 / trees.norm(vector), vector)


def _put(basis: PyTree, vector: PyTree, i) -> PyTree:
    return jax.tree.map(lambda a, v: a.at[i].set(v), basis, vector)


def _mix(basis: PyTree, mixing: Float[Array, "m q"]) -> PyTree:
    """Returns the q combinations of the first m vectors."""
    rows = jnp.zeros((mixing.shape[1], len(jax.tree.leaves(basis)[0])), mixing.dtype)
    rows = rows.at[:, : len(mixing)].set(mixing.T)  # of all vectors: a slice of the basis would be a copy
    return jax.tree.map(lambda a: jnp.tensordot(rows.astype(a.dtype), a, 1), basis)


def _orthogonalize(basis: PyTree, vector: PyTree) -> tuple[PyTree, Array, Array]:
    """Returns the unit vector of what is left beside the basis, its length (0: nothing), and the inner products.

    Vectors to come are 0. Once is not enough: what is left of a vector that mostly lies in the space is inexact.
    """
    before = trees.norm(vector)
    inner: Any = 0
    for _ in range(2):
        along = jnp.sum(jnp.stack(jax.tree.leaves(jax.tree.map(_inner_products, basis, vector))), 0)
        vector = jax.tree.map(lambda v, rows, c=along: v - jnp.tensordot(c.astype(v.dtype), rows, 1), vector, basis)
        inner = inner + along
    length = trees.norm(vector)
    length = jnp.where(length > DEPENDENT * before, length, 0)
    factor = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1), 0)
    return trees.scale(factor, vector), length, inner


def _inner_products(rows: Array, vector: Array) -> Array:
    return rows.reshape(len(rows), -1) @ vector.reshape(-1)


def _expand(times: Callable, krylov: _Krylov) -> _Krylov:
    """Multiplies vector j, and adds what is new in the product to the basis."""
    j, key = krylov.j, jax.random.fold_in(krylov.key, krylov.num_products)
    last = j + _block_of(krylov)
    unit, length, inner = _orthogonalize(krylov.basis, times(trees.index(krylov.basis, j)))
    column = inner.at[last].set(length)

    def fresh(vector: PyTree) -> PyTree:
        # The space is invariant: go on with a random vector, which A does not connect with it.
        return _orthogonalize(krylov.basis, _random_vector(key, vector))[0]

    unit = masked_update(length == 0, fresh, unit)
    return krylov._replace(
        basis=_put(krylov.basis, unit, last),
        projected=krylov.projected.at[:, j].set(column),
        j=j + 1,
        num_products=krylov.num_products + 1,
    )


def _solve(krylov: _Krylov) -> _Krylov:
    """Finds the eigenpairs of the projection, in descending order, and their residuals."""
    size = krylov.projected.shape[1]
    done = jnp.arange(size) < krylov.j
    square = jnp.where(done[:, None] & done[None], krylov.projected[:size], 0)
    square = (square + square.T) / 2
    below = -2 * jnp.linalg.norm(square) - 1  # places of vectors to come, below all others
    values, mixing = jnp.linalg.eigh(square + jnp.diag(jnp.where(done, 0, below)))
    values, mixing = values[::-1], mixing[:, ::-1]
    outside = jnp.arange(len(krylov.projected)) >= krylov.j
    beyond = jnp.where(outside[:, None], krylov.projected, 0) @ mixing
    return krylov._replace(values=values, mixing=mixing, residuals=jnp.linalg.norm(beyond, axis=0))


def _restart(krylov: _Krylov, num: int) -> _Krylov:
    """Keeps the leading half of a full space, and the vectors to come."""
    size = krylov.projected.shape[1]
    kept = min(max(num + GUARDS, size // 2), size - 1)
    mixing = krylov.mixing[:, :kept]
    leading = _mix(krylov.basis, mixing)

    def renew(leading, basis):
        rest = jnp.zeros((size - kept, *basis.shape[1:]), basis.dtype)
        return jnp.concatenate([leading, basis[size:], rest])

    projected = jnp.zeros_like(krylov.projected)
    projected = projected.at[:kept, :kept].set(jnp.diag(krylov.values[:kept]))
    projected = projected.at[kept : kept + _block_of(krylov), :kept].set(krylov.projected[size:] @ mixing)
    return krylov._replace(
        basis=jax.tree.map(renew, leading, krylov.basis), projected=projected, j=jnp.full_like(krylov.j, kept)
    )
