"""Configures the devices of a run and the compilation cache, before JAX initializes its backends."""

import contextlib
import os
import pathlib
import platform
import warnings
from typing import Any

import jax

# On a GPU, replicas of convolutional networks departed from the baseline, probably because XLA sums their gradients in
# a different order each time unless this flag is set.
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def prepare(num_devices: int | None) -> None:
    """Makes each CPU core a device, makes GPU operations deterministic, and enables the compilation cache.

    Two cores that share every operation wait for each other; cores that have their own members do not
    (docs/performance.md). The devices of other platforms are left as they are.
    """
    given = os.environ.get("XLA_FLAGS", "")
    if DETERMINISTIC.split("=")[0] not in given:
        os.environ["XLA_FLAGS"] = f"{given} {DETERMINISTIC}".strip()
    cores = num_devices or _num_cores()
    with contextlib.suppress(RuntimeError):  # the devices are in use already, and stay as they are
        jax.config.update("jax_num_cpu_devices", cores)
    config: Any = jax.config
    if config.jax_enable_compilation_cache:
        if config.jax_compilation_cache_dir is None:
            jax.config.update("jax_compilation_cache_dir", str(_cache()))
            # A full disk costs time only: programs are compiled anew. JAX says so for each of them.
            warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
        if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # small ones add up


def _num_cores() -> int:
    """Returns the number of cores that this process may use; on macOS, the number of all cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cache() -> pathlib.Path:
    """Returns the user's cache folder for this machine: programs compiled for other processors would not run."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "pathjax" / platform.node()
