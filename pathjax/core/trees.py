"""Algebra on the leaves of a pytree. It never flattens the tree to one vector, which costs more than the algebra."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, Key

from pathjax.core import fused_distance
from pathjax.core.types import PyTree


def is_float(leaf: Any) -> bool:
    """Whether a leaf has a floating-point type (ints, bools, complex numbers and PRNG keys do not).

    >>> is_float(jnp.ones(2)), is_float(jnp.arange(2)), is_float(jax.random.key(0))
    (True, False, False)
    """
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def float_type(tree: PyTree) -> np.dtype:
    """Returns the common type of the float leaves, or JAX's default float type if the tree has none.

    >>> float_type({"w": jnp.ones(2), "count": 3})
    dtype('float32')
    """
    floats = [leaf for leaf in jax.tree.leaves(tree) if is_float(leaf)]
    return jnp.result_type(*floats) if floats else jnp.result_type(float)


def split(tree: PyTree, chosen: Callable[[str, Any], bool]) -> tuple[PyTree, PyTree]:
    """Splits a tree into the leaves for which `chosen(name, leaf)` holds and the others, each with None in place of
    the other's leaves.

    >>> split({"a": 1, "b": 2}, lambda name, leaf: name == "a")
    ({'a': 1, 'b': None}, {'a': None, 'b': 2})
    """
    leaves, treedef = jax.tree.flatten(tree)
    marks = [chosen(name, leaf) for name, leaf in zip(leaf_names(tree), leaves, strict=True)]
    pairs = list(zip(leaves, marks, strict=True))
    yes = jax.tree.unflatten(treedef, [leaf if mark else None for leaf, mark in pairs])
    no = jax.tree.unflatten(treedef, [None if mark else leaf for leaf, mark in pairs])
    return yes, no


def split_floats(tree: PyTree) -> tuple[PyTree, PyTree]:
    """Splits a tree into its float leaves and its other leaves, each with None in place of the other's leaves.

    >>> split_floats({"w": 1.5, "count": 3})
    ({'count': None, 'w': 1.5}, {'count': 3, 'w': None})
    """
    return split(tree, lambda name, leaf: is_float(leaf))


def merge(floats: PyTree, others: PyTree) -> PyTree:
    """Undoes `split` or `split_floats`.

    >>> merge(*split_floats({"w": 1.5, "count": 3}))
    {'count': 3, 'w': 1.5}
    """
    return jax.tree.map(lambda a, b: b if a is None else a, floats, others, is_leaf=lambda x: x is None)


def index(tree: PyTree, i: Any) -> PyTree:
    """Returns element i of the leading axis of every leaf.

    >>> index({"w": jnp.arange(3)}, 1)
    {'w': Array(1, dtype=int32)}
    """
    return jax.tree.map(lambda leaf: leaf[i], tree)


def stack(trees: list[PyTree]) -> PyTree:
    """Stacks trees of equal structure on a new leading axis.

    >>> stack([{"w": jnp.zeros(2)}, {"w": jnp.ones(2)}])["w"].shape
    (2, 2)
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def subtract(a: PyTree, b: PyTree) -> PyTree:
    """Computes a - b, leaf by leaf.

    >>> subtract({"w": 3.0}, {"w": 1.0})
    {'w': 2.0}
    """
    return jax.tree.map(lambda x, y: x - y, a, b)


def scale(factor: ArrayLike, tree: PyTree) -> PyTree:
    """Computes factor * tree, leaf by leaf.

    >>> scale(2.0, {"w": 3.0})
    {'w': 6.0}
    """
    return jax.tree.map(lambda leaf: factor * leaf, tree)


def dot(a: PyTree, b: PyTree) -> Float[Array, ""]:
    """Computes the inner product over all leaves.

    >>> float(dot({"w": jnp.ones(3)}, {"w": jnp.arange(3.0)}))
    3.0
    """
    return sum((jnp.sum(x * y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)), jnp.zeros(()))


def squared_norms(tree: PyTree) -> Float[Array, " leaf"]:
    """Computes the squared 2-norm of each leaf, in the order of `jax.tree.leaves`.

    >>> squared_norms({"a": jnp.ones(2), "b": jnp.ones((2, 2))})
    Array([2., 4.], dtype=float32)
    """
    leaves = jax.tree.leaves(tree)
    return jnp.stack([jnp.sum(leaf**2) for leaf in leaves]) if leaves else jnp.zeros(0)


def angle(a: PyTree, b: PyTree) -> Float[Array, ""]:
    """Computes the angle between two trees as vectors, in radians; unlike an arc cosine, it is exact for small angles.

    Source: Kahan 2006, 2 atan2(|u - v|, |u + v|) with unit vectors u and v.

    >>> float(angle({"w": jnp.array([1.0, 0.0])}, {"w": jnp.array([0.0, 2.0])}))
    1.5707963705062866
    """
    u, v = (scale(1 / norm(tree), tree) for tree in (a, b))
    return 2 * jnp.arctan2(norm(subtract(u, v)), norm(jax.tree.map(jnp.add, u, v)))


def squared_distances(a: PyTree, b: PyTree) -> Float[Array, " leaf"]:
    """Computes the squared 2-norm of a - b for each leaf.

    >>> squared_distances({"w": jnp.ones(2)}, {"w": jnp.zeros(2)})
    Array([2.], dtype=float32)
    """
    b = jax.tree.map(lambda _, y: y, a, b)  # raises if the structures differ
    pairs = list(zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
    return jnp.stack(fused_distance.squared_distances(pairs)) if pairs else jnp.zeros(0)


def norm(tree: PyTree) -> Float[Array, ""]:
    """Computes the 2-norm over all leaves.

    >>> float(norm({"a": jnp.full(2, 2.0), "b": jnp.full(2, 2.0)}))
    4.0
    """
    return jnp.sqrt(jnp.sum(squared_norms(tree)))


def power_of_two(*trees: PyTree) -> Float[Array, ""]:
    """Returns the power of two next to the largest element of all float leaves, at least in float32; 1 if all are 0.

    Division by it is exact, and afterwards squares neither overflow nor underflow.

    >>> float(power_of_two({"w": jnp.array([0.3, -5.0])}))
    8.0
    """
    leaves = [wide(leaf) for leaf in jax.tree.leaves(trees) if is_float(leaf) and jnp.size(leaf)]
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in leaves])) if leaves else jnp.zeros(())
    limits = jnp.finfo(largest.dtype)
    exponent = jnp.clip(jnp.frexp(largest)[1], limits.minexp, limits.maxexp - 2)
    return jnp.where((largest > 0) & jnp.isfinite(largest), jnp.ldexp(jnp.ones_like(largest), exponent), 1)


def wide(tree: PyTree) -> PyTree:
    """Returns float leaves in at least float32: half precision has too few digits for sums.

    >>> wide(jnp.ones(2, jnp.bfloat16)).dtype
    dtype('float32')
    """

    def one(leaf):
        return (
            jnp.asarray(leaf).astype(jnp.promote_types(jnp.result_type(leaf), jnp.float32)) if is_float(leaf) else leaf
        )

    return jax.tree.map(one, tree)


def safe_norm(tree: PyTree) -> Float[Array, ""]:
    """Computes the 2-norm over all float leaves for elements of any size, at least in float32.

    >>> f"{safe_norm(jnp.array([3e-30, 4e-30])):.6g}"
    '5e-30'
    """
    unit = power_of_two(tree)
    return norm(jax.tree.map(lambda leaf: leaf / unit, wide(split_floats(tree)[0]))) * unit


def drop_weak_types(tree: PyTree, float_type: DTypeLike | None = None) -> PyTree:
    """Returns the leaves as arrays without weak types, which come and go and would cause recompilation.

    Python floats get `float_type` if it is given, and JAX's default type otherwise.

    >>> drop_weak_types({"learning_rate": 0.5})["learning_rate"].weak_type
    False
    """

    def one(leaf):
        array = jnp.asarray(leaf)
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            return array
        is_python_float = array.weak_type and float_type is not None and is_float(array)
        return jax.lax.convert_element_type(array, jnp.dtype(float_type) if is_python_float else array.dtype)

    return jax.tree.map(one, tree)


def random_normal_like(key: Key[Array, ""], tree: PyTree) -> PyTree:
    """Draws independent standard normal values in the shapes and types of the leaves, which must be floats.

    >>> random_normal_like(jax.random.key(0), {"w": jnp.zeros((2, 3))})["w"].shape
    (2, 3)
    """
    return _drawn_like(jax.random.normal, key, tree)


def random_uniform_like(key: Key[Array, ""], tree: PyTree) -> PyTree:
    """Draws independent values, uniform on [0, 1), in the shapes and types of the leaves, which must be floats.

    >>> jnp.max(random_uniform_like(jax.random.key(0), {"w": jnp.zeros(3)})["w"]) < 1
    Array(True, dtype=bool)
    """
    return _drawn_like(jax.random.uniform, key, tree)


def random_signs_like(key: Key[Array, ""], tree: PyTree) -> PyTree:
    """Draws independent values -1 and 1 in the shapes and types of the leaves; cheaper than normal values.

    >>> jnp.abs(random_signs_like(jax.random.key(0), {"w": jnp.zeros((2, 3))})["w"]).min()
    Array(1., dtype=float32)
    """
    return _drawn_like(jax.random.rademacher, key, tree)


def _drawn_like(draw: Callable, key, tree: PyTree) -> PyTree:
    leaves, treedef = jax.tree.flatten(tree)
    ends = np.cumsum([leaf.size for leaf in leaves])
    # One draw, split: separate draws would take a second of compilation for each leaf.
    values = jnp.split(draw(key, (int(ends[-1]),), float_type(tree)), ends[:-1])
    pairs = zip(values, leaves, strict=True)
    return jax.tree.unflatten(treedef, [n.reshape(leaf.shape).astype(leaf.dtype) for n, leaf in pairs])


def num_elements(tree: PyTree) -> int:
    """Returns the total number of elements of the leaves.

    >>> num_elements({"w": jnp.ones((2, 3)), "b": jnp.ones(3)})
    9
    """
    return sum(jnp.size(leaf) for leaf in jax.tree.leaves(tree))


def num_bytes(tree: PyTree) -> int:
    """Returns the total bytes of the leaves, which may be `ShapeDtypeStruct`s.

    >>> num_bytes({"w": jnp.ones((2, 3)), "b": jax.ShapeDtypeStruct((3,), "float32")})
    36
    """
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def leaf_names(tree: PyTree) -> tuple[str, ...]:
    """Returns the slash-separated paths of the leaves.

    >>> leaf_names({"Dense_0": {"bias": 0.0, "kernel": 0.0}})
    ('Dense_0/bias', 'Dense_0/kernel')
    """
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return tuple(jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in paths)
