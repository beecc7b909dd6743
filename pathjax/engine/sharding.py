"""Placement of members' arrays: the order of rows, and the devices, given by the layout."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, Sharding
from jax.sharding import PartitionSpec as P

from pathjax.core import trees
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.core.types import PyTree
from pathjax.engine.layout import AXIS, Layout


def place(layout: Layout, tree: PyTree, spec: P) -> PyTree:
    """Places arrays, or shapes, according to the layout: `P()` on every device, `P("members")` split over them."""
    if layout.mesh is None:
        return tree
    sharding = NamedSharding(layout.mesh, spec)

    def one(leaf):
        if isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf.update(sharding=sharding)
        if not hasattr(leaf, "dtype"):  # a Python number needs no placement
            return leaf
        if jax.process_count() == 1 and layout.platform != "cpu":
            return jax.device_put(leaf, sharding)
        # Through the host, with keys as raw data: only so can data that every process has reach the devices of all, and
        # on a CPU it is there already, where JAX would otherwise compile a program to split it.
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = jax.device_put(np.asarray(jax.random.key_data(leaf)), sharding)
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        return jax.device_put(np.asarray(leaf), sharding)

    return jax.tree.map(one, tree)


def fetch(tree: PyTree) -> PyTree:
    """Returns arrays, wherever they are, as NumPy arrays in every process."""

    def one(array):
        if array.is_fully_addressable or array.is_fully_replicated:
            return np.asarray(array)
        return multihost_utils.process_allgather(array, tiled=True)

    return jax.tree.map(one, tree)


def members_of_rows(num_members: int, num_rows: int, num_shares: int) -> np.ndarray:
    """Returns the member of each row: each share begins with its copy of the baseline; padding, and member 1, the
    replica, come last.

    >>> members_of_rows(num_members=6, num_rows=8, num_shares=2)
    array([0, 2, 3, 4, 0, 5, 0, 1])
    """
    filler = np.zeros(num_rows - num_shares - num_members + 1, int)
    numbers = np.arange(num_members)
    others = np.concatenate([numbers[2:], filler, numbers[1:2]])
    return np.insert(others.reshape(num_shares, -1), 0, 0, axis=1).ravel()


def to_row_order(layout: Layout, tree: PyTree) -> PyTree:
    """Reorders a tree with a member axis from the ensemble's order to the devices' rows. For a sweep, whose leading
    axis are the settings, also pads the settings."""
    members = members_of_rows(layout.num_members, layout.num_rows, layout.num_shares)
    if layout.num_settings is None:
        return _take(tree, members, 0)
    return _take(pad_settings(layout, tree), members, 1)


def pad_settings(layout: Layout, tree: PyTree) -> PyTree:
    """Pads a sweep's tree with copies of the last setting to equally many per device; any other tree is unchanged."""
    return tree if layout.num_settings is None else _take(tree, np.arange(layout.num_padded_settings), 0)


def to_member_order(layout: Layout, tree: PyTree, axis: int = 0, num_shares: int | None = None) -> PyTree:
    """Undoes `to_row_order`, with members on any axis (not counting the settings').

    Args:
        layout: the layout of the rows; its tiles are not used.
        tree: arrays of rows, for any number of tiles.
        axis: the axis of the rows.
        num_shares: number of copies of the baseline in the rows, if not the layout's.
    """
    is_sweep = layout.num_settings is not None
    axis += is_sweep

    def one(leaf):
        members = members_of_rows(layout.num_members, leaf.shape[axis], num_shares or layout.num_shares)
        _, rows = np.unique(members, return_index=True)
        ordered = _take(leaf, rows, axis)
        return ordered[: layout.num_settings] if is_sweep else ordered

    return jax.tree.map(one, tree)


def _take(tree: PyTree, indices, axis: int) -> PyTree:
    """Takes rows of each array; indices beyond the end give the last row. NumPy arrays stay NumPy arrays."""

    def one(leaf):
        library = np if isinstance(leaf, np.ndarray) else jnp
        return library.take(leaf, indices, axis, mode="clip")

    return jax.tree.map(one, tree)


def replicated(sharding: Sharding) -> Sharding:
    """Returns the sharding that replicates on every device what this one splits."""
    return NamedSharding(sharding.mesh, P()) if isinstance(sharding, NamedSharding) else sharding


def relayout(layout: Layout, num_shares: int, tree: PyTree) -> PyTree:
    """Changes members from another layout, with `num_shares` copies of the baseline, to this one."""
    return spread(layout, _to_member_order(layout, tree, 0, num_shares))


def spread(layout: Layout, tree: PyTree) -> PyTree:
    """Reorders members by `to_row_order`, and places each part on its device.

    >>> from pathjax.engine.layout import plan_layout
    >>> spread(plan_layout(num_members=4, member_bytes=4), jnp.arange(4.0))
    Array([0., 2., 3., 1.], dtype=float32)
    """
    return place(layout, _to_row_order(layout, tree), P(AXIS))


def to_row_order_strongly_typed(layout: Layout, tree: PyTree) -> PyTree:
    """`to_row_order` without JAX's weak types, which the loop does not return either."""
    return trees.drop_weak_types(to_row_order(layout, tree))


_to_member_order = jit_fast_compile(to_member_order, static_argnames=("layout", "axis", "num_shares"))
_to_row_order = jit_fast_compile(to_row_order_strongly_typed, static_argnames="layout")
