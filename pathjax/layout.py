"""How members are cut into tiles and spread over devices.

The first tile of each device begins with the baseline, and leaves its path behind for the device's other tiles: a step
communicates nothing between devices. All tiles are equally wide, and run the same arithmetic: where a member is makes
no difference. The replica is put last, in the last tile of the last device: that its distance is exactly 0 shows it.
"""

import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pathjax.errors import require
from pathjax.typing import PyTree

AXIS = "members"
# Bytes of state that a tile may have on a CPU, and stay in its cache: chosen on two cores that share 32 MB.
TILE_BYTES = 3 * 2**20
LEAST_TILE = 4  # where fewer fit, all are out of the cache anyway
LEAST_SHARE = 3  # members on a device, below which its own copy of the baseline costs more than the device gives


class Layout(NamedTuple):
    """Who advances with whom. Members are padded, by copies of the baseline, to full tiles.

    `num_members` counts the baseline; a device has `num_tiles` tiles of `tile` members, and the baseline is one of
    the first tile's; `mesh` has one axis, "members", or is None for one device.
    """

    num_members: int
    tile: int
    num_tiles: int
    mesh: Mesh | None

    @property
    def num_devices(self) -> int:
        return 1 if self.mesh is None else self.mesh.size

    @property
    def num_padded(self) -> int:
        """Members beside the baseline, with those that fill up."""
        return (self.tile * self.num_tiles - 1) * self.num_devices

    @property
    def is_whole(self) -> bool:
        """Whether all members are in one tile, on one device."""
        return self.num_tiles * self.num_devices == 1


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


def worthwhile_mesh(num_members: int) -> Mesh | None:
    """As many of the devices as an ensemble is worth spreading over; each advances its own copy of the baseline too.

    >>> worthwhile_mesh(num_members=3) is None
    True
    """
    if jax.process_count() > 1:
        return member_mesh()  # every process takes part
    num = min(jax.device_count(), (num_members - 1) // LEAST_SHARE)
    return member_mesh(num) if num > 1 else None


def plan_layout(
    num_members: int, member_bytes: int, member_tile: int | str | None = "auto", mesh: Mesh | None = None
) -> Layout:
    """Tiles of equal width that hold all members.

    Args:
        num_members: M, with the baseline.
        member_bytes: of one member's state.
        member_tile: members that advance together; None: all that a device has; "auto": on a CPU as many as its cache
            holds, elsewhere all.
        mesh: see `member_mesh`; None: one device.

    Raises:
        InputError: if the tile is no positive number.

    >>> layout = plan_layout(num_members=100, member_bytes=4, member_tile=10)
    >>> layout.num_tiles, layout.tile, layout.num_padded
    (10, 10, 99)
    """
    valid = member_tile in (None, "auto") or (isinstance(member_tile, int) and member_tile >= 1)
    require(valid, f"member_tile={member_tile!r} is no width: choose 1 or more, None (all), or 'auto'")
    share = 1 + -(-(num_members - 1) // (1 if mesh is None else mesh.size))
    if isinstance(member_tile, int):
        tile = min(member_tile, share)
    else:
        widest = _widest_in_cache(member_bytes, mesh) if member_tile == "auto" else share
        tile = -(-share // -(-share // min(widest, share)))  # as even as can be
    return Layout(num_members, tile, -(-share // tile), mesh)


def _widest_in_cache(member_bytes: int, mesh: Mesh | None) -> int:
    device = jax.devices()[0] if mesh is None else mesh.devices.flat[0]
    widest = TILE_BYTES // max(1, member_bytes)
    return widest if device.platform == "cpu" and widest >= LEAST_TILE else sys.maxsize


def place(layout: Layout, tree: PyTree, spec: P) -> PyTree:
    """Put arrays where the layout says: `P()` on every device, `P("members")` cut up over them."""
    if layout.mesh is None:
        return tree
    sharding = NamedSharding(layout.mesh, spec)

    def one(leaf):
        if jax.process_count() == 1:
            return jax.device_put(leaf, sharding)
        # What every process has goes to the devices of all through the host, keys as the numbers that they are.
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


def split_off_baseline(layout: Layout, tree: PyTree) -> tuple[PyTree, PyTree]:
    """A tree with a member axis as the baseline's and the others', padded; member 1, the replica, comes last."""

    def others(leaf):
        filler = jnp.broadcast_to(leaf[:1], (layout.num_padded - len(leaf) + 1, *leaf.shape[1:]))
        return jnp.concatenate([leaf[2:], filler, leaf[1:2]])

    return jax.tree.map(lambda leaf: leaf[0], tree), jax.tree.map(others, tree)


def put_together(num_members: int, baseline: PyTree, others: PyTree, axis: int = 0) -> PyTree:
    """Undo `split_off_baseline`, with members on any axis."""

    def join(one, more):
        library = np if isinstance(more, np.ndarray) else jnp
        more = library.moveaxis(more, axis, 0)
        first = library.expand_dims(one, axis)
        parts = [library.moveaxis(first, axis, 0), more[-1:], more[: num_members - 2]][:num_members]
        return library.moveaxis(library.concatenate(parts), 0, axis)

    return jax.tree.map(join, baseline, others)


def replicated(sharding):
    """The sharding that puts on every device what this one cuts up."""
    return NamedSharding(sharding.mesh, P()) if isinstance(sharding, NamedSharding) else sharding


def pad_again(layout: Layout, baseline: PyTree, others: PyTree) -> PyTree:
    """Members that were padded for another layout, as this one has them."""
    whole = jax.jit(put_together, static_argnums=0)(layout.num_members, baseline, others)
    return place(layout, jax.jit(split_off_baseline, static_argnums=0)(layout, whole)[1], P(AXIS))
