"""Layout: how members are divided into tiles and distributed over devices.

The first tile of each device begins with the baseline and records the baseline's path for the device's other tiles, so
a step needs no communication between devices. All tiles have the same width and run the same arithmetic: the position
of a member makes no difference. The replica is in the last tile of the last device; its distance, exactly 0, proves it.
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
# Bytes of state for which a tile stays in a CPU's cache: chosen on two cores that share 32 MB.
TILE_BYTES = 3 * 2**20
MIN_TILE = 4  # if fewer fit, members run one by one: they exceed the cache anyway, and are simpler to compile
SHARED_BYTES = 10 * 2**20  # state of a member, above which the cache does not hold what two cores work on
# With a multiple of this many rows, XLA's vectorized loops have no remainder (measured with AVX2 and AVX-512).
VECTOR = 8
MIN_SHARE = 3  # members per device, below which its copy of the baseline costs more than the device gains


class Layout(NamedTuple):
    """The tiles and devices of an ensemble. Members are padded with copies of the baseline to full tiles.

    `num_members` counts the baseline. A device has `num_tiles` tiles of `tile` members, and the baseline is the first
    member of its first tile. `mesh` has one axis, "members", or is None for one device. In a sweep, the settings of
    hyperparameters are distributed over the devices, and each setting has a complete ensemble. With `whole_vectors` a
    tile has one row or a multiple of `VECTOR`: see `pathjax.engine.thin_products`.
    """

    num_members: int
    tile: int
    num_tiles: int
    mesh: Mesh | None
    num_settings: int | None = None
    whole_vectors: bool = False

    @property
    def num_devices(self) -> int:
        return 1 if self.mesh is None else self.mesh.size

    @property
    def num_shares(self) -> int:
        """Number of devices over which the members of one ensemble are distributed."""
        return 1 if self.num_settings is not None else self.num_devices

    @property
    def share(self) -> int:
        """Members of an ensemble on one device, including its copy of the baseline."""
        return 1 + -(-(self.num_members - 1) // self.num_shares)

    @property
    def num_rows(self) -> int:
        """Rows of the members' arrays: each device's copy of the baseline, the members, and padding."""
        return self.tile * self.num_tiles * self.num_shares

    @property
    def baseline_rows(self) -> np.ndarray:
        """The rows of the baseline, one for each device; in a sweep, for each setting."""
        rows = np.arange(self.num_shares, dtype=np.int32) * (self.num_rows // self.num_shares)
        return rows if self.num_settings is None else np.tile(rows, (self.num_padded_settings, 1))

    @property
    def num_padded_settings(self) -> int:
        """The number of settings of a sweep, including padding."""
        return -(-(self.num_settings or 0) // self.num_devices) * self.num_devices

    @property
    def is_whole(self) -> bool:
        """Whether all members of an ensemble are in one tile on one device."""
        return self.num_tiles * self.num_shares == 1

    @property
    def platform(self) -> str:
        """ "cpu", "gpu" or "tpu"."""
        return _platform(self.mesh)

    @property
    def shared_spec(self) -> P:
        """The placement of shared arrays: on every device; in a sweep, with their setting."""
        return P() if self.num_settings is None else P(AXIS)

    @property
    def of_one_setting(self) -> "Layout":
        return self if self.num_settings is None else self._replace(mesh=None, num_settings=None)


def member_mesh(num_devices: int | None = None) -> Mesh:
    """Returns a mesh over the first devices, for the member axis.

    Args:
        num_devices: number of devices; None: all, of all processes.

    Returns:
        A jax.sharding.Mesh with one axis, "members".

    Raises:
        InputError: if fewer devices are available.

    >>> member_mesh(1).axis_names
    ('members',)
    """
    devices = jax.devices()
    num = len(devices) if num_devices is None else num_devices
    require(1 <= num <= len(devices), f"num_devices must be 1 to {len(devices)}, not {num}")
    return Mesh(np.array(devices[:num]), (AXIS,))


def auto_mesh(num_members: int, member_bytes: int = 0) -> Mesh | None:
    """Returns a mesh over as many devices as pay off; each also advances its own copy of the baseline.

    Members with a large state (`member_bytes`) are not distributed over CPU cores, which then share each operation.

    >>> auto_mesh(num_members=3) is None
    True
    """
    if jax.process_count() > 1:
        return member_mesh()  # every process participates
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
    """Plans tiles of equal width that hold all members.

    Args:
        num_members: M, including the baseline.
        member_bytes: bytes of one member's state.
        member_tile: number of members that advance together; None: all of a device; "auto": on a CPU as many as its
            cache holds, elsewhere all.
        mesh: see `member_mesh`; None: one device.
        num_settings: number of settings of a sweep; None: no sweep.

    Raises:
        InputError: if member_tile is invalid, or the mesh has another axis.

    >>> layout = plan_layout(num_members=100, member_bytes=4, member_tile=10)
    >>> layout.num_tiles, layout.tile, layout.num_rows
    (10, 10, 100)
    """
    width = _width(member_tile)
    axes = (AXIS,) if mesh is None else mesh.axis_names
    require(axes == (AXIS,), f"the mesh must have the single axis '{AXIS}', not {axes}; make it with member_mesh()")
    layout = Layout(num_members, 1, 1, mesh, num_settings)
    if width is not None:
        return _in_tiles(layout, min(width, layout.share))
    widest = _widest_in_cache(member_bytes, mesh) if member_tile == "auto" else layout.share
    return _in_tiles(layout, _even(layout.share, widest))


def _width(member_tile) -> int | None:
    """Returns the width if `member_tile` is a number; None for None and "auto"."""
    if member_tile is None or isinstance(member_tile, str) and member_tile == "auto":
        return None
    is_number = isinstance(member_tile, numbers.Integral) and not isinstance(member_tile, bool)
    valid = is_number and int(member_tile) >= 1
    require(valid, f"member_tile must be a positive integer, None (all) or 'auto', not {member_tile!r}")
    return int(member_tile)


def narrower(layout: Layout) -> Layout:
    """Returns the layout with tiles half as wide.

    >>> narrower(plan_layout(num_members=100, member_bytes=4, member_tile=10)).tile
    5
    """
    half = layout.tile // 2
    if layout.whole_vectors:
        return _in_tiles(layout, max(1, half // VECTOR * VECTOR))
    return _in_tiles(layout, _even(layout.share, max(1, half)))


def in_whole_vectors(layout: Layout) -> Layout:
    """Returns the layout with tiles padded to whole vectors.

    >>> in_whole_vectors(plan_layout(num_members=20, member_bytes=4, member_tile=10)).tile
    16
    """
    return _in_tiles(layout._replace(whole_vectors=True), -(-layout.tile // VECTOR) * VECTOR)


def _in_tiles(layout: Layout, tile: int) -> Layout:
    return layout._replace(tile=tile, num_tiles=-(-layout.share // tile))


def _even(share: int, widest: int) -> int:
    """Returns the width of tiles that hold a device's members as evenly as possible."""
    return -(-share // -(-share // min(widest, share)))


def _widest_in_cache(member_bytes: int, mesh: Mesh | None) -> int:
    if _platform(mesh) != "cpu":
        return sys.maxsize
    widest = TILE_BYTES // max(1, member_bytes)
    return widest if widest >= MIN_TILE else 1


def _platform(mesh: Mesh | None) -> str:
    return (jax.devices()[0] if mesh is None else mesh.devices.flat[0]).platform
