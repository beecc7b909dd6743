"""Cold start: the time until the first chunk of the default run is done, in fresh processes."""

import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

ROUNDS = 5
IMPORTS = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def measure_start() -> dict[str, dict]:
    """Measures imports, compilation and the full start in seconds: medians of fresh processes, with quartiles."""
    with tempfile.TemporaryDirectory() as cache:
        ways = {
            "import jax": lambda: _import("jax"),
            "import pathjax beyond jax's own": lambda: _import("jax; t = time.perf_counter(); import pathjax"),
            "default run, no cache": lambda: _start(None),
            "second start, with the cache": lambda: _start(cache),
        }
        _start(cache)
        rounds = [_flat({name: way() for name, way in ways.items()}) for _ in range(ROUNDS)]
    return {name: _row([each[name] for each in rounds]) for name in rounds[0]}


def format_start(rows: dict[str, dict]) -> str:
    """Formats the rows as text."""
    lines = [f"Cold start, seconds; medians of {ROUNDS} alternating rounds [quartiles]"]
    for name, row in rows.items():
        low, high = row["quartiles"]
        lines.append(f"{name:64}{row['seconds']:7.2f} [{low:.2f}, {high:.2f}]")
    return "\n".join(lines)


def _flat(found: dict) -> dict[str, float]:
    """Flattens the times of a start into separate rows."""
    rows: dict[str, float] = {}
    for name, times in found.items():
        rows |= {f"{name}: {what}": t for what, t in times.items()} if isinstance(times, dict) else {name: times}
    return rows


def _row(times) -> dict:
    return {"seconds": float(np.median(times)), "quartiles": [float(q) for q in np.quantile(times, [0.25, 0.75])]}


def _import(what: str) -> float:
    done = subprocess.run([sys.executable, "-c", IMPORTS.format(what)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _start(cache: str | None) -> dict:
    """Times a fresh process that sets up the default run and computes one chunk."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_COMPILATION_CACHE")}
    environment |= {"JAX_COMPILATION_CACHE_DIR": cache} if cache else {"JAX_ENABLE_COMPILATION_CACHE": "0"}
    start = time.perf_counter()
    command = [sys.executable, "-m", "pathjax.experiments.benchmarks.start"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout) | {"from command to first chunk": time.perf_counter() - start}


def _first_chunk() -> None:
    from pathjax.configs import digits
    from pathjax.experiments.divergence import experiment as divergence
    from pathjax.experiments.runner import devices, manifest, precision
    from pathjax.experiments.runner.settings import parse_settings
    from pathjax.experiments.runner.setup import chunks_of, set_up

    settings = parse_settings(digits.get_config())
    devices.prepare(settings.num_devices)
    with precision.running_in(settings.precision), manifest.compile_clock() as total:
        setup = set_up(settings, divergence.EXPERIMENT.observables)
        with manifest.compile_clock() as run:
            chunks = chunks_of(setup)
            next(chunks), next(chunks)
    print(json.dumps({"compiling the run": run["seconds"], "compiling set-up and run": total["seconds"]}))


if __name__ == "__main__":
    _first_chunk()
