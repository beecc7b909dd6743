"""How members are cut into tiles and spread over devices.

The first tile of each device begins with the baseline, and leaves its path behind for the device's other tiles: a step
communicates nothing between devices. All tiles are equally wide, and run the same arithmetic: where a member is makes
no difference. The replica is put last, in the last tile of the last device: that its distance is exactly 0 shows it.
"""

import functools
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pathjax.errors import require
from pathjax.once import jit_once
from pathjax.typing import PyTree

AXIS = "members"
# Bytes of state that a tile may have on a CPU, and stay in its cache: chosen on two cores that share 32 MB.
TILE_BYTES = 3 * 2**20
LEAST_TILE = 4  # where fewer fit, members go one by one: they are out of the cache anyway, and simpler to compile
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
    def num_padded(self) -> int:
        """Members beside the baseline, with those that fill up."""
        return (self.tile * self.num_tiles - 1) * self.num_shares

    @property
    def is_whole(self) -> bool:
        """Whether all members of an ensemble are in one tile, on one device."""
        return self.num_tiles * self.num_shares == 1

    @property
    def is_on_cpu(self) -> bool:
        return _platform(self.mesh) == "cpu"

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
        InputError: if the tile is no positive number.

    >>> layout = plan_layout(num_members=100, member_bytes=4, member_tile=10)
    >>> layout.num_tiles, layout.tile, layout.num_padded
    (10, 10, 99)
    """
    valid = member_tile in (None, "auto") or (isinstance(member_tile, int) and member_tile >= 1)
    require(valid, f"member_tile={member_tile!r} is no width: choose 1 or more, None (all), or 'auto'")
    layout = Layout(num_members, 1, 1, mesh, num_settings)
    if isinstance(member_tile, int):
        return _in_tiles(layout, min(member_tile, layout.share))
    widest = _widest_in_cache(member_bytes, mesh) if member_tile == "auto" else layout.share
    return _in_tiles(layout, _even(layout.share, widest))


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
        if jax.process_count() == 1 and not layout.is_on_cpu:
            return jax.device_put(leaf, sharding)
        # Through the host, keys as the numbers that they are: what every process has can go to the devices of all in no
        # other way, and on a CPU it is there already, where JAX would compile a program that cuts it up.
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            numbers = jax.device_put(np.asarray(jax.random.key_data(leaf)), sharding)
            return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf))
        return jax.device_put(np.asarray(leaf), sharding)

    return jax.tree.map(one, tree)


def place_states(layout: Layout, baseline: PyTree, members: PyTree) -> tuple[PyTree, PyTree]:
    """`place` the baseline and the others; in a sweep, where both have the settings' axis, both are cut up by it."""
    spec = P() if layout.num_settings is None else P(AXIS)
    return place(layout, baseline, spec), place(layout, members, P(AXIS))


def fetch(tree: PyTree) -> PyTree:
    """Arrays, wherever they are, as NumPy arrays in every process."""

    def one(array):
        if array.is_fully_addressable or array.is_fully_replicated:
            return np.asarray(array)
        return multihost_utils.process_allgather(array, tiled=True)

    return jax.tree.map(one, tree)


def split_off_baseline(layout: Layout, tree: PyTree) -> tuple[PyTree, PyTree]:
    """A tree with a member axis as the baseline's and the others', padded; member 1, the replica, comes last.

    In a sweep, where the settings' axis leads, settings are padded too: to as many for each device.
    """
    if layout.num_settings is None:
        return _split_off(layout, tree)
    filler = -layout.num_settings % layout.num_devices
    padded = jax.tree.map(lambda a: jnp.concatenate([a, jnp.repeat(a[-1:], filler, axis=0)]), tree)
    return jax.vmap(functools.partial(_split_off, layout))(padded)


def _split_off(layout: Layout, tree: PyTree) -> tuple[PyTree, PyTree]:
    def others(leaf):
        filler = jnp.broadcast_to(leaf[:1], (layout.num_padded - len(leaf) + 1, *leaf.shape[1:]))
        return jnp.concatenate([leaf[2:], filler, leaf[1:2]])

    return jax.tree.map(lambda leaf: leaf[0], tree), jax.tree.map(others, tree)


def split_devices(layout: Layout, tree: PyTree, axis: int = 0) -> tuple[PyTree, PyTree]:
    """What each device has of its own copy of the baseline and of its other members, on any axis (counted without the
    settings'), as the baseline's, of the first device, and the others'."""
    lead = (slice(None),) * (axis + (layout.num_settings is not None))

    def by_device(leaf):
        return leaf.reshape(*leaf.shape[: len(lead)], layout.num_shares, -1, *leaf.shape[len(lead) + 1 :])

    def others(leaf):
        rest = by_device(leaf)[*lead, :, 1:]
        return rest.reshape(*leaf.shape[: len(lead)], -1, *leaf.shape[len(lead) + 1 :])

    return jax.tree.map(lambda leaf: by_device(leaf)[*lead, 0, 0], tree), jax.tree.map(others, tree)


def put_together(layout: Layout, baseline: PyTree, others: PyTree, axis: int = 0) -> PyTree:
    """Undo `split_off_baseline`, with members on any axis (counted without the settings')."""
    num = layout.num_members
    lead = layout.num_settings is not None
    axis += lead

    def join(one, more):
        library = np if isinstance(more, np.ndarray) else jnp
        more = library.moveaxis(more, axis, 0)
        first = library.expand_dims(one, axis)
        parts = [library.moveaxis(first, axis, 0), more[-1:], more[: num - 2]][:num]
        whole = library.moveaxis(library.concatenate(parts), 0, axis)
        return whole[: layout.num_settings] if lead else whole

    return jax.tree.map(join, baseline, others)


def replicated(sharding):
    """The sharding that puts on every device what this one cuts up."""
    return NamedSharding(sharding.mesh, P()) if isinstance(sharding, NamedSharding) else sharding


def pad_again(layout: Layout, baseline: PyTree, others: PyTree) -> PyTree:
    """Members that were padded for another layout, as this one has them."""
    return spread(layout, _put_together(layout, baseline, others))[1]


def spread(layout: Layout, tree: PyTree) -> tuple[PyTree, PyTree]:
    """`split_off_baseline`, with the parts on their devices.

    >>> import jax.numpy as jnp
    >>> layout = plan_layout(num_members=4, member_bytes=4)
    >>> spread(layout, jnp.arange(4.0))
    (Array(0., dtype=float32), Array([2., 3., 1.], dtype=float32))
    """
    return place_states(layout, *_split_off_baseline(layout, tree))


_put_together = jit_once(put_together, static_argnames="layout")
_split_off_baseline = jit_once(split_off_baseline, static_argnames="layout")
