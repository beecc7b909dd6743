"""The options of a rollout."""

from typing import NamedTuple

from jax.sharding import Mesh

from pathjax.core.display import shown_in_short
from pathjax.engine import memory


@shown_in_short
class RolloutOptions(NamedTuple):
    """Options of a rollout: chunks, tiles, devices and memory.

    Attributes:
        chunk_length: steps per compiled call (None: about 200). Results depend on it at most by rounding.
        member_tile: number of members that advance together; see `pathjax.engine.layout.plan_layout`. Results depend on
            it by rounding.
        mesh: devices over which the members are distributed, see `pathjax.member_mesh`; None: one device. For tiles of
            the same width the results are bit-identical on any number of devices. For a sweep, the settings are
            distributed instead.
        memory_bytes: bytes that may be used on each device; None: all that it has. With `member_tile="auto"`, tiles
            become as narrow as needed.
        checks: if a member's loss or the norm of its weights stops being finite, replay the member and report the
            operation instead of continuing.
    """

    chunk_length: int | None = None
    member_tile: int | str | None = "auto"
    mesh: Mesh | None = None
    memory_bytes: int | None = None
    checks: bool = False

    @property
    def available_bytes(self) -> int:
        """Bytes that may be used on each device."""
        return memory.of_device(self.mesh) if self.memory_bytes is None else self.memory_bytes
