"""How members are cut into tiles and spread over devices.

The first tile of each device begins with the baseline, and leaves its path behind for the device's other tiles: a step
communicates nothing between devices. All tiles are equally wide, and run the same arithmetic: where a member is makes
no difference. The replica is put last, in the last tile of the last device: that its distance is exactly 0 shows it.
"""

import numbers
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pathjax import trees
from pathjax.errors import require
from pathjax.once import jit_once
from pathjax.typing import PyTree

AXIS = "members"
# Bytes of state that a tile may have on a CPU, and stay in its cache: chosen on two cores that share 32 MB.
TILE_BYTES = 3 * 2**20
LEAST_TILE = 4  # where fewer fit, members go one by one: they are out of the cache anyway, and simpler to compile
SHARED_BYTES = 10 * 2**20  # of a member's state, above which the cache does not hold what two cores work on
LEAST_SHARE = 3  # members on a device, below which its own copy of the baseline costs more than the device gives


class Layout(NamedTuple):
    """Who advances with whom. Members are padded, by copies of the baseline, to full tiles.

    `num_members` counts the baseline; a device has `num_tiles` tiles of `tile` members, and the baseline is one of
    the first tile's; `mesh` has one axis, "members", or is None for one device. In a sweep, the settings of
    hyperparameters are spread over the devices, and each has a whole ensemble of its own.
    """

    num_members: int
    tile: int
    num_tiles: int
    mesh: Mesh | None
    num_settings: int | None = None

    @property
    def num_devices(self) -> int:
        return 1 if self.mesh is None else self.mesh.size

    @property
    def num_shares(self) -> int:
        """Over how many devices the members of one ensemble are spread."""
        return 1 if self.num_settings is not None else self.num_devices

    @property
    def share(self) -> int:
        """The members of an ensemble on one device, its copy of the baseline among them."""
        return 1 + -(-(self.num_members - 1) // self.num_shares)

    @property
    def num_rows(self) -> int:
        """Rows of the members' arrays: each device's copy of the baseline, the members, and what fills up."""
        return self.tile * self.num_tiles * self.num_shares

    @property
    def baseline_rows(self) -> np.ndarray:
        """The rows of the baseline, one for each device; in a sweep for each setting."""
        rows = np.arange(self.num_shares, dtype=np.int32) * (self.num_rows // self.num_shares)
        return rows if self.num_settings is None else np.tile(rows, (self.num_padded_settings, 1))

    @property
    def num_padded_settings(self) -> int:
        """A sweep's settings, with those that fill up."""
        return -(-(self.num_settings or 0) // self.num_devices) * self.num_devices

    @property
    def is_whole(self) -> bool:
        """Whether all members of an ensemble are in one tile, on one device."""
        return self.num_tiles * self.num_shares == 1

    @property
    def platform(self) -> str:
        """ "cpu", "gpu" or "tpu"."""
        return _platform(self.mesh)

    @property
    def shared_spec(self) -> P:
        """Where what belongs to no member is: on every device, but in a sweep with its setting."""
        return P() if self.num_settings is None else P(AXIS)

    @property
    def of_one_setting(self) -> "Layout":
        return self if self.num_settings is None else self._replace(mesh=None, num_settings=None)


def member_mesh(num_devices: int | None = None) -> Mesh:
    """A mesh over the first devices (default: all, of all processes), for the member axis.

    Raises:
        InputError: if there are fewer devices.

    >>> member_mesh(1).axis_names
    ('members',)
    """
    devices = jax.devices()
    num = len(devices) if num_devices is None else num_devices
    require(1 <= num <= len(devices), f"{num} devices were asked for and {len(devices)} are there: choose one of those")
    return Mesh(np.array(devices[:num]), (AXIS,))


def worthwhile_mesh(num_members: int, member_bytes: int = 0) -> Mesh | None:
    """As many of the devices as an ensemble is worth spreading over; each advances its own copy of the baseline too.

    Members with a large state (`member_bytes`) are not spread over a CPU's cores, which then share each operation.

    >>> worthwhile_mesh(num_members=3) is None
    True
    """
    if jax.process_count() > 1:
        return member_mesh()  # every process takes part
    if member_bytes >= SHARED_BYTES and _platform(None) == "cpu":
        return None
    num = min(jax.device_count(), (num_members - 1) // LEAST_SHARE)
    return member_mesh(num) if num > 1 else None


def plan_layout(
    num_members: int,
    member_bytes: int,
    member_tile: int | str | None = "auto",
    mesh: Mesh | None = None,
    num_settings: int | None = None,
) -> Layout:
    """Tiles of equal width that hold all members.

    Args:
        num_members: M, with the baseline.
        member_bytes: of one member's state.
        member_tile: members that advance together; None: all that a device has; "auto": on a CPU as many as its cache
            holds, elsewhere all.
        mesh: see `member_mesh`; None: one device.
        num_settings: of a sweep; None: no sweep.

    Raises:
        InputError: if the tile is no positive number, or the mesh has another axis.

    >>> layout = plan_layout(num_members=100, member_bytes=4, member_tile=10)
    >>> layout.num_tiles, layout.tile, layout.num_rows
    (10, 10, 100)
    """
    width = _width(member_tile)
    axes = (AXIS,) if mesh is None else mesh.axis_names
    require(axes == (AXIS,), f"a mesh of axes {axes} has no one axis '{AXIS}': make it with member_mesh()")
    layout = Layout(num_members, 1, 1, mesh, num_settings)
    if width is not None:
        return _in_tiles(layout, min(width, layout.share))
    widest = _widest_in_cache(member_bytes, mesh) if member_tile == "auto" else layout.share
    return _in_tiles(layout, _even(layout.share, widest))


def _width(member_tile) -> int | None:
    """A width that was given as a number."""
    if member_tile is None or isinstance(member_tile, str) and member_tile == "auto":
        return None
    is_number = isinstance(member_tile, numbers.Integral) and not isinstance(member_tile, bool)
    valid = is_number and int(member_tile) >= 1
    require(valid, f"member_tile={member_tile!r} is no width: choose 1 or more, None (all), or 'auto'")
    return int(member_tile)


def narrower(layout: Layout) -> Layout:
    """The same with tiles half as wide.

    >>> narrower(plan_layout(num_members=100, member_bytes=4, member_tile=10)).tile
    5
    """
    return _in_tiles(layout, _even(layout.share, max(1, layout.tile // 2)))


def _in_tiles(layout: Layout, tile: int) -> Layout:
    return layout._replace(tile=tile, num_tiles=-(-layout.share // tile))


def _even(share: int, widest: int) -> int:
    """The width of tiles that hold a device's share, as even as can be."""
    return -(-share // -(-share // min(widest, share)))


def _widest_in_cache(member_bytes: int, mesh: Mesh | None) -> int:
    if _platform(mesh) != "cpu":
        return sys.maxsize
    widest = TILE_BYTES // max(1, member_bytes)
    return widest if widest >= LEAST_TILE else 1


def _platform(mesh: Mesh | None) -> str:
    return (jax.devices()[0] if mesh is None else mesh.devices.flat[0]).platform


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


def put_together(layout: Layout, tree: PyTree, axis: int = 0, num_shares: int | None = None) -> PyTree:
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


def arrange_again(layout: Layout, num_shares: int, tree: PyTree) -> PyTree:
    """Members that were arranged for another layout, with so many copies of the baseline, as this one has them."""
    return spread(layout, _put_together(layout, tree, 0, num_shares))


def spread(layout: Layout, tree: PyTree) -> PyTree:
    """`arrange`, with each part on its device.

    >>> import jax.numpy as jnp
    >>> spread(plan_layout(num_members=4, member_bytes=4), jnp.arange(4.0))
    Array([0., 2., 3., 1.], dtype=float32)
    """
    return place(layout, _arranged(layout, tree), P(AXIS))


def arrange_strongly(layout: Layout, tree: PyTree) -> PyTree:
    """`arrange`, without JAX's marks of Python numbers' types: the loop gives back none either."""
    return trees.strong(arrange(layout, tree))


_put_together = jit_once(put_together, static_argnames=("layout", "axis", "num_shares"))
_arranged = jit_once(arrange_strongly, static_argnames="layout")
