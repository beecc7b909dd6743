"""Where arrays of members lie: in which order of rows, and on which device, as their layout says."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from pathjax.core import trees
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.core.types import PyTree
from pathjax.engine.layout import AXIS, Layout


def place(layout: Layout, tree: PyTree, spec: P) -> PyTree:
    """Put arrays, or shapes, where the layout says: `P()` on every device, `P("members")` cut up over them."""
    if layout.mesh is None:
        return tree
    sharding = NamedSharding(layout.mesh, spec)

    def one(leaf):
        if isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf.update(sharding=sharding)
        if not hasattr(leaf, "dtype"):  # a Python number goes everywhere as it is
            return leaf
        if jax.process_count() == 1 and layout.platform != "cpu":
            return jax.device_put(leaf, sharding)
        # Through the host, keys as the numbers that they are: what every process has can go to the devices of all in no
        # other way, and on a CPU it is there already, where JAX would compile a program that cuts it up.
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            numbers = jax.device_put(np.asarray(jax.random.key_data(leaf)), sharding)
            return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf))
        return jax.device_put(np.asarray(leaf), sharding)

    return jax.tree.map(one, tree)


def fetch(tree: PyTree) -> PyTree:
    """Arrays, wherever they are, as NumPy arrays in every process."""

    def one(array):
        if array.is_fully_addressable or array.is_fully_replicated:
            return np.asarray(array)
        return multihost_utils.process_allgather(array, tiled=True)

    return jax.tree.map(one, tree)


def members_of_rows(num_members: int, num_rows: int, num_shares: int) -> np.ndarray:
    """The members' numbers by row: before each share its copy of the baseline; what fills up, and member 1, the
    replica, come last.

    >>> members_of_rows(num_members=6, num_rows=8, num_shares=2)
    array([0, 2, 3, 4, 0, 5, 0, 1])
    """
    filler = np.zeros(num_rows - num_shares - num_members + 1, int)
    numbers = np.arange(num_members)
    others = np.concatenate([numbers[2:], filler, numbers[1:2]])
    return np.insert(others.reshape(num_shares, -1), 0, 0, axis=1).ravel()


def arrange(layout: Layout, tree: PyTree) -> PyTree:
    """A tree with a member axis, in the ensemble's order, as the devices have it; a sweep's, where the settings' axis
    leads, with as many settings for each device."""
    members = members_of_rows(layout.num_members, layout.num_rows, layout.num_shares)
    if layout.num_settings is None:
        return _take(tree, members, 0)
    return _take(pad_settings(layout, tree), members, 1)


def pad_settings(layout: Layout, tree: PyTree) -> PyTree:
    """A sweep's tree with as many settings for each device, copies of the last; any other as it is."""
    return tree if layout.num_settings is None else _take(tree, np.arange(layout.num_padded_settings), 0)


def to_member_order(layout: Layout, tree: PyTree, axis: int = 0, num_shares: int | None = None) -> PyTree:
    """Undo `arrange`, with members on any axis (counted without the settings').

    Args:
        layout: where the members were; all but the tiles.
        tree: arrays of rows, of which there are as many as the tiles needed.
        axis: of the rows.
        num_shares: copies of the baseline in them, if not the layout's.
    """
    is_sweep = layout.num_settings is not None
    axis += is_sweep

    def one(leaf):
        members = members_of_rows(layout.num_members, leaf.shape[axis], num_shares or layout.num_shares)
        _, rows = np.unique(members, return_index=True)
        whole = _take(leaf, rows, axis)
        return whole[: layout.num_settings] if is_sweep else whole

    return jax.tree.map(one, tree)


def _take(tree: PyTree, indices, axis: int) -> PyTree:
    """Rows of each array; beyond the end, the last. NumPy's remain NumPy's."""

    def one(leaf):
        library = np if isinstance(leaf, np.ndarray) else jnp
        return library.take(leaf, indices, axis, mode="clip")

    return jax.tree.map(one, tree)


def replicated(sharding):
    """The sharding that puts on every device what this one cuts up."""
    return NamedSharding(sharding.mesh, P()) if isinstance(sharding, NamedSharding) else sharding


def relayout(layout: Layout, num_shares: int, tree: PyTree) -> PyTree:
    """Members that were arranged for another layout, with so many copies of the baseline, as this one has them."""
    return spread(layout, _to_member_order(layout, tree, 0, num_shares))


def spread(layout: Layout, tree: PyTree) -> PyTree:
    """`arrange`, with each part on its device.

    >>> from pathjax.engine.layout import plan_layout
    >>> spread(plan_layout(num_members=4, member_bytes=4), jnp.arange(4.0))
    Array([0., 2., 3., 1.], dtype=float32)
    """
    return place(layout, _arranged(layout, tree), P(AXIS))


def arrange_strongly(layout: Layout, tree: PyTree) -> PyTree:
    """`arrange`, without JAX's marks of Python numbers' types: the loop gives back none either."""
    return trees.drop_weak_types(arrange(layout, tree))


_to_member_order = jit_fast_compile(to_member_order, static_argnames=("layout", "axis", "num_shares"))
_arranged = jit_fast_compile(arrange_strongly, static_argnames="layout")
