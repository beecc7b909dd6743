"""Permutations of hidden units that leave a network's function as it is."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.function_equality import holds_constants
from pathjax.core.types import PyTree

# Of one axis: nothing that moves, a group of units, or the factors (group or None, size) of a flattened axis.
AxisGroups = str | None | tuple[tuple[str | None, int], ...]


@holds_constants
class PermutationSpec(NamedTuple):
    """Which axes of which weights are permuted together, as data.

    `axes` has for each leaf of the weights, by its name as in `trees.leaf_names`, the group of each axis: a name; None
    where nothing may be moved; or the factors of an axis that others were flattened into, the slowest first:
    ((None, 49), ("P0", 16)) for 49 places with 16 channels each, of which "P0" moves the channels. `sizes` has the
    number of units of each group. A permutation is a dict with an int array for each group: unit i of the permuted
    network is unit `permutation[group][i]` of the network.
    """

    axes: Mapping[str, tuple[AxisGroups, ...]]
    sizes: Mapping[str, int]


def permutation_spec(params: PyTree, axes: Mapping[str, tuple[AxisGroups, ...]]) -> PermutationSpec:
    """A spec written by hand; leaves that are not named stay as they are.

    Args:
        params: the weights.
        axes: for each leaf by its name, the group of each axis.

    Returns:
        A PermutationSpec.

    Raises:
        InputError: for a leaf that is not there, axes that are no groups or that do not fit the leaf's, or a group
            whose axes differ in length.

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
            f"'{name}' has {len(shape)} axes and {len(groups)} groups: give one for each axis",
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
    require(named, f"'{name}' has an axis of groups {groups!r}: {expected}")
    product = math.prod(f[1] for f in factors)
    require(product == size, f"'{name}' has an axis of {size} and factors of {product} in all: they must be equal")


def permute(spec: PermutationSpec, permutation: Mapping[str, Any], params: PyTree) -> PyTree:
    """The weights with their hidden units in another order.

    Args:
        spec: see `infer_spec`.
        permutation: {group: int (units,)}.
        params: the weights.

    Returns:
        Weights of the same function, with unit i that which was unit permutation[group][i].

    Raises:
        InputError: for weights that are not the spec's, or what is no permutation of its groups (within `jax.jit`,
            shapes alone are looked at).

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
    require(isinstance(permutation, Mapping), f"{permutation!r} is no dict with an array for each group: {groups}")
    for group in permutation:
        require(group in spec.sizes, f"there is no group '{group}' to permute: they are {groups}")
    for group, size in spec.sizes.items():
        require(group in permutation, f"no permutation of group '{group}' is given: give one of {size} units")
        units = permutation[group]
        fits = jnp.shape(units) == (size,) and jnp.issubdtype(_dtype(units), jnp.integer)
        if fits and not isinstance(units, jax.core.Tracer):
            fits = np.array_equal(np.sort(units), np.arange(size))
        require(fits, f"what is given for group '{group}' is no permutation of 0 to {size - 1}: each number once")


def _dtype(units):
    return np.asarray(units).dtype if isinstance(units, (list, tuple)) else units.dtype


class Leaf(NamedTuple):
    """A leaf of the weights: its name, and a group and a length for each axis, flattened ones as several."""

    name: str
    groups: tuple[str | None, ...]
    shape: tuple[int, ...]


def unflattened_leaves(spec: PermutationSpec, params: PyTree) -> list[Leaf]:
    """The weights' leaves in their order; of `params` the shapes are used.

    Raises:
        InputError: for weights that are not the spec's.

    >>> spec = PermutationSpec({"b": ((("P0", 2), (None, 3)),)}, {"P0": 2})
    >>> unflattened_leaves(spec, {"b": np.ones(6)})
    [Leaf(name='b', groups=('P0', None), shape=(2, 3))]
    """
    names, leaves = trees.leaf_names(params), jax.tree.leaves(params)
    require(
        set(names) == set(spec.axes),
        f"the weights' leaves are {', '.join(names)}, and the spec's {', '.join(spec.axes)}: infer it of these weights",
    )
    return [_unflattened_leaf(spec, name, jnp.shape(leaf)) for name, leaf in zip(names, leaves, strict=True)]


def _unflattened_leaf(spec: PermutationSpec, name: str, shape: tuple[int, ...]) -> Leaf:
    axes = spec.axes[name]
    misfit = f"'{name}' has shape {shape}, which the spec's {axes} with {dict(spec.sizes)} units does not fit"
    require(len(axes) == len(shape), f"{misfit}: infer it of these weights")
    groups, parts = unflattened(axes, shape)
    sizes = zip(groups, parts, strict=True)
    fits = math.prod(parts) == math.prod(shape) and all(g is None or spec.sizes[g] == size for g, size in sizes)
    require(fits, f"{misfit}: infer it of these weights")
    return Leaf(name, groups, parts)


def unflattened(axes: tuple[AxisGroups, ...], shape: tuple[int, ...]) -> tuple[tuple[str | None, ...], tuple[int, ...]]:
    """A leaf's groups and shape with an axis for each factor.

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
    """An array along all its axes but one; NumPy arrays stay NumPy arrays."""
    for axis, group in enumerate(groups):
        if group is not None and axis != but:
            array = array.take(permutation[group], axis)
    return array


def random_permutation(key: Key[Array, ""], spec: PermutationSpec) -> dict[str, Array]:
    """Uniformly random, each group with a key of its own.

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
    """The permutation that moves nothing.

    Args:
        spec: see `infer_spec`.

    Returns:
        {group: int (units,)}.

    >>> identity(PermutationSpec({}, {"hidden": 3}))
    {'hidden': array([0, 1, 2])}
    """
    return {group: np.arange(size) for group, size in spec.sizes.items()}


def inverse(permutation: Mapping[str, Any]) -> dict[str, Array]:
    """What undoes it.

    Args:
        permutation: {group: int (units,)}.

    Returns:
        {group: int (units,)}.

    >>> inverse({"hidden": jnp.array([2, 0, 1])})
    {'hidden': Array([1, 2, 0], dtype=int32)}
    """
    return {group: jnp.argsort(p) for group, p in permutation.items()}
