"""Permutations of hidden units that do not change a network's function."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.function_equality import holds_constants
from pathjax.core.types import PyTree

# For one axis: None if it is fixed, a group of units, or the factors (group or None, size) of a flattened axis.
AxisGroups = str | None | tuple[tuple[str | None, int], ...]


@holds_constants
@shown_in_short
class PermutationSpec(NamedTuple):
    """The axes of the weights that are permuted together, as data.

    `axes` maps the name of each leaf (as in `trees.leaf_names`) to the group of each of its axes: a name; None for a
    fixed axis; or the factors of a flattened axis, the slowest first: ((None, 49), ("P0", 16)) for 49 positions with
    16 channels each, where "P0" permutes the channels. `sizes` has the number of units of each group. A permutation is
    a dict with an int array for each group: unit i of the permuted network is unit `permutation[group][i]` of the
    original.
    """

    axes: Mapping[str, tuple[AxisGroups, ...]]
    sizes: Mapping[str, int]


def permutation_spec(params: PyTree, axes: Mapping[str, tuple[AxisGroups, ...]]) -> PermutationSpec:
    """Builds a spec from explicit groups; leaves that are not listed stay fixed.

    Args:
        params: the weights.
        axes: the group of each axis, by leaf name.

    Returns:
        A PermutationSpec.

    Raises:
        InputError: for an unknown leaf, invalid groups, groups that do not match the leaf's axes, or a group whose
            axes differ in length.

    >>> permutation_spec({"w": jnp.ones((5, 3))}, {"w": ("hidden", None)}).sizes
    {'hidden': 5}
    """
    shapes = {
        name: jnp.shape(leaf) for name, leaf in zip(trees.leaf_names(params), jax.tree.leaves(params), strict=True)
    }
    sizes: dict[str, int] = {}
    for name, groups in axes.items():
        require(name in shapes, f"the weights have no leaf '{name}': choose from {', '.join(shapes)}")
        shape = shapes[name]
        require(isinstance(groups, (tuple, list)), f"'{name}' has groups {groups!r}: give a tuple, one for each axis")
        require(
            len(groups) == len(shape),
            f"'{name}' has {len(shape)} axes but {len(groups)} groups: give one for each axis",
        )
        for own, size in zip(groups, shape, strict=True):
            _check_axis(name, own, size)
        for group, size in zip(*unflattened(groups, shape), strict=True):
            if group is not None:
                known = sizes.setdefault(group, size)
                require(known == size, f"group '{group}' has axes of {known} and of {size} units: they must be equal")
    return PermutationSpec({name: tuple(axes.get(name, (None,) * len(shape))) for name, shape in shapes.items()}, sizes)


def _check_axis(name: str, groups, size: int) -> None:
    expected = "expected a name, None, or factors such as ((None, 49), ('P0', 16))"
    factors = groups if isinstance(groups, tuple) else ((groups, size),)
    fits = all(isinstance(f, tuple) and len(f) == 2 and isinstance(f[1], int) for f in factors)
    named = fits and all(group is None or isinstance(group, str) for group, _ in factors)
    require(named, f"'{name}' has an axis with groups {groups!r}: {expected}")
    product = math.prod(f[1] for f in factors)
    require(product == size, f"'{name}' has an axis of length {size} with factors of product {product}: must be equal")


def permute(spec: PermutationSpec, permutation: Mapping[str, Any], params: PyTree) -> PyTree:
    """Permutes the hidden units of a network.

    Args:
        spec: see `infer_spec`.
        permutation: {group: int (units,)}.
        params: the weights.

    Returns:
        Weights that compute the same function; new unit i is old unit permutation[group][i].

    Raises:
        InputError: if the weights do not match the spec, or a permutation is invalid (inside `jax.jit`, only its shape
            and type are checked).

    >>> spec = permutation_spec({"w": jnp.ones(3)}, {"w": ("hidden",)})
    >>> permute(spec, {"hidden": jnp.array([2, 0, 1])}, {"w": jnp.arange(3.0)})["w"]
    Array([2., 0., 1.], dtype=float32)
    """

    _check_permutation(spec, permutation)
    permutation = {group: np.asarray(p) if isinstance(p, (list, tuple)) else p for group, p in permutation.items()}
    moved = [
        permute_axes(own.groups, permutation, leaf.reshape(own.shape)).reshape(jnp.shape(leaf))
        for own, leaf in zip(unflattened_leaves(spec, params), jax.tree.leaves(params), strict=True)
    ]
    return jax.tree.unflatten(jax.tree.structure(params), moved)


def _check_permutation(spec: PermutationSpec, permutation: Mapping[str, Any]) -> None:
    groups = ", ".join(spec.sizes) or "none"
    is_mapping = isinstance(permutation, Mapping)
    require(is_mapping, f"permutation must be a dict with an array for each group ({groups}), not {permutation!r}")
    for group in permutation:
        require(group in spec.sizes, f"unknown group '{group}': choose from {groups}")
    for group, size in spec.sizes.items():
        require(group in permutation, f"group '{group}' has no permutation: give one of {size} units")
        units = permutation[group]
        fits = jnp.shape(units) == (size,) and jnp.issubdtype(_dtype(units), jnp.integer)
        if fits and not isinstance(units, jax.core.Tracer):
            fits = np.array_equal(np.sort(units), np.arange(size))
        require(fits, f"group '{group}' needs a permutation of 0 to {size - 1}: give each integer exactly once")


def _dtype(units):
    return np.asarray(units).dtype if isinstance(units, (list, tuple)) else units.dtype


class Leaf(NamedTuple):
    """A leaf of the weights: its name, and the group and length of each axis, with flattened axes split."""

    name: str
    groups: tuple[str | None, ...]
    shape: tuple[int, ...]


def unflattened_leaves(spec: PermutationSpec, params: PyTree) -> list[Leaf]:
    """Returns the weights' leaves in order; only the shapes of `params` are used.

    Raises:
        InputError: if the weights do not match the spec.

    >>> spec = PermutationSpec({"b": ((("P0", 2), (None, 3)),)}, {"P0": 2})
    >>> unflattened_leaves(spec, {"b": np.ones(6)})
    [Leaf(name='b', groups=('P0', None), shape=(2, 3))]
    """
    names, leaves = trees.leaf_names(params), jax.tree.leaves(params)
    require(
        set(names) == set(spec.axes),
        f"the weights have leaves {', '.join(names)}, but the spec {', '.join(spec.axes)}: infer it from these weights",
    )
    return [_unflattened_leaf(spec, name, jnp.shape(leaf)) for name, leaf in zip(names, leaves, strict=True)]


def _unflattened_leaf(spec: PermutationSpec, name: str, shape: tuple[int, ...]) -> Leaf:
    axes = spec.axes[name]
    misfit = f"'{name}' has shape {shape}, but the spec has axes {axes} with {dict(spec.sizes)} units"
    require(len(axes) == len(shape), f"{misfit}: infer it from these weights")
    groups, parts = unflattened(axes, shape)
    sizes = zip(groups, parts, strict=True)
    fits = math.prod(parts) == math.prod(shape) and all(g is None or spec.sizes[g] == size for g, size in sizes)
    require(fits, f"{misfit}: infer it from these weights")
    return Leaf(name, groups, parts)


def unflattened(axes: tuple[AxisGroups, ...], shape: tuple[int, ...]) -> tuple[tuple[str | None, ...], tuple[int, ...]]:
    """Returns a leaf's groups and shape with an axis for each factor.

    >>> unflattened((((None, 4), ("P0", 3)), "P1"), (12, 5))
    ((None, 'P0', 'P1'), (4, 3, 5))
    """
    pairs: list[tuple[str | None, int]] = []
    for groups, size in zip(axes, shape, strict=True):
        pairs += groups if isinstance(groups, tuple) else [(groups, size)]
    return tuple(group for group, _ in pairs), tuple(size for _, size in pairs)


def permute_axes(
    groups: tuple[str | None, ...], permutation: Mapping[str, Any], array: Any, but: int | None = None
) -> Any:
    """Permutes an array along all its axes except `but`; NumPy arrays stay NumPy arrays."""
    for axis, group in enumerate(groups):
        if group is not None and axis != but:
            array = array.take(permutation[group], axis)
    return array


def random_permutation(key: Key[Array, ""], spec: PermutationSpec) -> dict[str, Array]:
    """Draws a uniformly random permutation of each group.

    Args:
        key: typed PRNG key.
        spec: see `infer_spec`.

    Returns:
        {group: int (units,)}.

    >>> spec = permutation_spec({"w": jnp.ones(3)}, {"w": ("hidden",)})
    >>> sorted(random_permutation(jax.random.key(0), spec)["hidden"].tolist())
    [0, 1, 2]
    """
    keys = jax.random.split(key, max(1, len(spec.sizes)))
    return {group: jax.random.permutation(k, size) for k, (group, size) in zip(keys, spec.sizes.items(), strict=False)}


def identity(spec: PermutationSpec) -> dict[str, np.ndarray]:
    """Returns the identity permutation.

    Args:
        spec: see `infer_spec`.

    Returns:
        {group: int (units,)}.

    >>> identity(PermutationSpec({}, {"hidden": 3}))
    {'hidden': array([0, 1, 2])}
    """
    return {group: np.arange(size) for group, size in spec.sizes.items()}


def inverse(permutation: Mapping[str, Any]) -> dict[str, Array]:
    """Returns the inverse permutation.

    Args:
        permutation: {group: int (units,)}.

    Returns:
        {group: int (units,)}.

    >>> inverse({"hidden": jnp.array([2, 0, 1])})
    {'hidden': Array([1, 2, 0], dtype=int32)}
    """
    return {group: jnp.argsort(p) for group, p in permutation.items()}
