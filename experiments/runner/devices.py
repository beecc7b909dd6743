"""Which devices a run has, and where it keeps compiled programs; to be settled before JAX looks for them."""

import contextlib
import os
import pathlib
import platform
from typing import Any

import jax

# On a GPU, replicas of convolutional networks left the baseline: their gradients, it seems, add up in another order
# each time if XLA is not told otherwise.
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def prepare(num_devices: int | None) -> None:
    """Make each core of a CPU a device, have a GPU repeat itself, and keep compiled programs for the next start.

    Two cores that share every operation wait for each other; on members of their own they do not
    (docs/performance.md). Other platforms have the devices that they have.
    """
    given = os.environ.get("XLA_FLAGS", "")
    if DETERMINISTIC.split("=")[0] not in given:
        os.environ["XLA_FLAGS"] = f"{given} {DETERMINISTIC}".strip()
    cores = num_devices or _num_cores()
    with contextlib.suppress(RuntimeError):  # they are in use already, and stay as they are
        jax.config.update("jax_num_cpu_devices", cores)
    config: Any = jax.config
    if config.jax_enable_compilation_cache:
        if config.jax_compilation_cache_dir is None:
            jax.config.update("jax_compilation_cache_dir", str(_cache()))
        if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # small ones add up


def _num_cores() -> int:
    """Those that this process may use; macOS tells only how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cache() -> pathlib.Path:
    """The user's, and this machine's: programs for other processors would not run."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "pathjax" / platform.node()
