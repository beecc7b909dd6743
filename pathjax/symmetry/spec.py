"""Permutations of hidden units that leave a network's function as it is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pathjax import trees
from pathjax.errors import require
from pathjax.typing import PyTree

# Of one axis: nothing that moves, a group of units, or the factors (group or None, size) of a flattened axis.
AxisGroups = str | None | tuple[tuple[str | None, int], ...]


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

    Raises:
        InputError: for a leaf that is not there, a wrong number of axes, or a group whose axes differ in length.

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
        require(
            len(groups) == len(shape),
            f"'{name}' has {len(shape)} axes and {len(groups)} groups: give one for each axis",
        )
        for group, size in zip(*unflattened(groups, shape), strict=True):
            if group is not None:
                known = sizes.setdefault(group, size)
                require(known == size, f"group '{group}' has axes of {known} and of {size} units: they must be equal")
    return PermutationSpec({name: tuple(axes.get(name, (None,) * len(shape))) for name, shape in shapes.items()}, sizes)


def permute(spec: PermutationSpec, permutation: Mapping[str, Any], params: PyTree) -> PyTree:
    """The weights with their hidden units in another order.

    >>> spec = permutation_spec({"w": jnp.ones(3)}, {"w": ("hidden",)})
    >>> permute(spec, {"hidden": jnp.array([2, 0, 1])}, {"w": jnp.arange(3.0)})["w"]
    Array([2., 0., 1.], dtype=float32)
    """

    def one(name, leaf):
        groups, shape = unflattened(spec.axes[name], jnp.shape(leaf))
        return permute_axes(groups, permutation, leaf.reshape(shape)).reshape(jnp.shape(leaf))

    leaves, treedef = jax.tree.flatten(params)
    moved = [one(name, leaf) for name, leaf in zip(trees.leaf_names(params), leaves, strict=True)]
    return jax.tree.unflatten(treedef, moved)


def unflattened(axes: tuple[AxisGroups, ...], shape: tuple[int, ...]) -> tuple[tuple[str | None, ...], tuple[int, ...]]:
    """A leaf's groups and shape with an axis for each factor.

    >>> unflattened((((None, 4), ("P0", 3)), "P1"), (12, 5))
    ((None, 'P0', 'P1'), (4, 3, 5))
    """
    pairs: list[tuple[str | None, int]] = []
    for groups, size in zip(axes, shape, strict=True):
        pairs += groups if isinstance(groups, tuple) else [(groups, size)]
    return tuple(group for group, _ in pairs), tuple(size for _, size in pairs)


def permute_axes(groups: tuple[str | None, ...], permutation: Mapping[str, Any], array, but: int | None = None):
    """An array along all its axes but one; NumPy arrays stay NumPy arrays."""
    for axis, group in enumerate(groups):
        if group is not None and axis != but:
            array = array.take(permutation[group], axis)
    return array


def random_permutation(spec: PermutationSpec, key) -> dict[str, Array]:
    """Uniformly random, each group with a key of its own.

    >>> spec = permutation_spec({"w": jnp.ones(3)}, {"w": ("hidden",)})
    >>> sorted(random_permutation(spec, jax.random.key(0))["hidden"].tolist())
    [0, 1, 2]
    """
    keys = jax.random.split(key, max(1, len(spec.sizes)))
    return {group: jax.random.permutation(k, size) for k, (group, size) in zip(keys, spec.sizes.items(), strict=False)}


def identity(spec: PermutationSpec) -> dict[str, np.ndarray]:
    """The permutation that moves nothing.

    >>> identity(PermutationSpec({}, {"hidden": 3}))
    {'hidden': array([0, 1, 2])}
    """
    return {group: np.arange(size) for group, size in spec.sizes.items()}


def inverse(permutation: Mapping[str, Any]) -> dict[str, Array]:
    """What undoes it.

    >>> inverse({"hidden": jnp.array([2, 0, 1])})
    {'hidden': Array([1, 2, 0], dtype=int32)}
    """
    return {group: jnp.argsort(p) for group, p in permutation.items()}
