"""The manifest: what ran, where and when."""

import contextlib
import datetime
import importlib.metadata
import pathlib
import platform
import subprocess
import sys
from typing import Any

import jax

from pathjax.io.run_folder import RUN_FORMAT, read_json

PACKAGES = ("pathjax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "xarray", "tensorflow-datasets")
COMPILE_EVENTS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)


def start_manifest(folder: pathlib.Path, state: str, seed: int) -> dict:
    """Returns the manifest of a new or resumed run."""
    path = folder / "manifest.json"
    if state == "unfinished" and path.exists():
        manifest = read_json(path)
        return manifest | {"sessions": [*manifest["sessions"], _session()]}
    config: Any = jax.config
    floats = "float64" if config.jax_enable_x64 else "float32"
    products = f"matrix products at {config.jax_default_matmul_precision} precision"
    ignored = ": on a CPU that of the type" if jax.default_backend() == "cpu" else ""
    start = {"format": RUN_FORMAT, "status": "running", "seed": seed, "precision": f"{floats}, {products}{ignored}"}
    return start | environment() | {"sessions": [_session()]}


def environment() -> dict:
    """Returns the commit, versions and device."""
    versions = {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}
    return {"git": _git(), "versions": versions, "device": _device()}


def finish_manifest(manifest: dict, wall_seconds: float, compile_clock: dict, num_steps: int) -> dict:
    """Returns the manifest of a finished run; times are those of its last session."""
    times = {
        "wall_seconds": round(wall_seconds, 3),
        "compile_seconds": round(compile_clock["seconds"], 3),
        "steps": num_steps,
    }
    sessions = [*manifest["sessions"][:-1], manifest["sessions"][-1] | times]
    return manifest | {"status": "finished", "sessions": sessions}


@contextlib.contextmanager
def compile_clock():
    """Yields a dict whose "seconds" is the time that JAX spends tracing and compiling in the `with` block."""
    clock = {"seconds": 0.0}

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event in COMPILE_EVENTS:
            clock["seconds"] += duration_secs

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield clock
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def _session():
    return {"started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "command": sys.argv}


def _git():
    here = pathlib.Path(__file__).parent
    try:
        # A package installed from a wheel may lie in another repository, whose commit is unrelated to this code.
        known = ["git", "ls-files", "--error-unmatch", __file__]
        subprocess.run(known, cwd=here, capture_output=True, check=True)
        commit, changes = (
            subprocess.run(["git", *args], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
            for args in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "clean": None}
    return {"commit": commit, "clean": not changes}


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device():
    device = jax.devices()[0]
    return {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()}
