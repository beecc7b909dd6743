"""How members are cut into tiles and spread over devices.

The first tile of each device begins with the baseline, and leaves its path behind for the device's other tiles: a step
communicates nothing between devices. All tiles are equally wide, and run the same arithmetic: where a member is makes
no difference. The replica is put last, in the last tile of the last device: that its distance is exactly 0 shows it.
"""

import numbers
import sys
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from pathjax.core.errors import require

AXIS = "members"
# Bytes of state that a tile may have on a CPU, and stay in its cache: chosen on two cores that share 32 MB.
TILE_BYTES = 3 * 2**20
MIN_TILE = 4  # where fewer fit, members go one by one: they are out of the cache anyway, and simpler to compile
SHARED_BYTES = 10 * 2**20  # of a member's state, above which the cache does not hold what two cores work on
MIN_SHARE = 3  # members on a device, below which its own copy of the baseline costs more than the device gives


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

    Args:
        num_devices: how many of the devices that there are; None: all.

    Returns:
        A jax.sharding.Mesh with one axis, "members".

    Raises:
        InputError: if there are fewer devices.

    >>> member_mesh(1).axis_names
    ('members',)
    """
    devices = jax.devices()
    num = len(devices) if num_devices is None else num_devices
    require(1 <= num <= len(devices), f"{num} devices were asked for and {len(devices)} are there: choose one of those")
    return Mesh(np.array(devices[:num]), (AXIS,))


def auto_mesh(num_members: int, member_bytes: int = 0) -> Mesh | None:
    """As many of the devices as an ensemble is worth spreading over; each advances its own copy of the baseline too.

    Members with a large state (`member_bytes`) are not spread over a CPU's cores, which then share each operation.

    >>> auto_mesh(num_members=3) is None
    True
    """
    if jax.process_count() > 1:
        return member_mesh()  # every process takes part
    if member_bytes >= SHARED_BYTES and _platform(None) == "cpu":
        return None
    num = min(jax.device_count(), (num_members - 1) // MIN_SHARE)
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
    return widest if widest >= MIN_TILE else 1


def _platform(mesh: Mesh | None) -> str:
    return (jax.devices()[0] if mesh is None else mesh.devices.flat[0]).platform
