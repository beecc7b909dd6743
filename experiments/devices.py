"""Which devices a run has; to be settled before JAX looks for them."""

import contextlib
import os

import jax


def prepare(num_devices: int | None) -> None:
    """Make each core of a CPU a device, so that each works on members of its own; other platforms are as they are.

    Two cores that share every operation wait for each other; on members of their own they do not
    (docs/performance.md).
    """
    cores = num_devices or len(os.sched_getaffinity(0))
    with contextlib.suppress(RuntimeError):  # they are in use already, and stay as they are
        jax.config.update("jax_num_cpu_devices", cores)
