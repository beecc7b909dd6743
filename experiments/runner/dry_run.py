"""Estimates the costs of a run without running it: --dry_run."""

import sys
import time
from collections import Counter

import jax

from pathjax.core import trees
from pathjax.engine.observe import record_steps
from pathjax.experiments.runner.settings import RunSettings
from pathjax.experiments.runner.setup import Setup, chunks_of

GIB = 2**30


def describe(setup: Setup, settings: RunSettings) -> str:
    """Returns the members, memory, disk and time of a run, as lines. Runs and times its first two chunks of steps."""
    roles = Counter(map(str, setup.ensemble.members.role))
    members = ", ".join(f"{count} {role}" for role, count in roles.items())
    times = setup.settings["init"] if setup.settings else ()
    each = f", for each of {len(times)} initializations" if times else ""
    layout, available = setup.layout, setup.options.available_bytes
    tiles = f"{layout.num_devices} device{'s' * (layout.num_devices > 1)}, {layout.tile} members at a time"
    seconds, record_bytes = _measured(setup, settings.num_steps)
    state = trees.num_bytes(setup.ensemble.state)
    return "\n".join(
        [
            f"members: {roles.total()} ({members}){each}, on {tiles}",
            f"memory: at most {setup.num_bytes / GIB:.3g} GiB of {available / GIB:.3g} GiB on each device",
            f"disk: {_bytes(record_bytes)} of records, and up to {_bytes(2 * state)} of checkpoints during the run",
            f"time: {seconds}; excluding the summary and the report after the run",
        ]
    )


def _measured(setup: Setup, num_steps: int) -> tuple[str, int]:
    """What to say of the time, and the bytes of all records."""
    print("compiling, and timing two chunks of steps ...", file=sys.stderr, flush=True)
    start = time.perf_counter()
    chunks = chunks_of(setup)
    first = next(chunks)
    compiling = time.perf_counter() - start
    steps = record_steps(setup.observables, num_steps)
    num_bytes = sum(array.nbytes * len(steps[name]) for name, array in first.records.items())
    paces: list[float] = []
    last, begun = 0, time.perf_counter()
    for chunk in chunks:
        now = time.perf_counter()
        paces.append((now - begun) / (chunk.step - last))
        last, begun = chunk.step, now
        if len(paces) == 2:
            break
    low, high = min(paces) * num_steps, max(paces) * num_steps
    span = f"{low:.1f} to {high:.1f} s" if len(paces) == 2 else f"{low:.1f} s (measured once, without an error)"
    timed = f"from {last} steps on {jax.device_count()} {jax.devices()[0].platform} device(s)"
    return f"{span} of training, {timed}, after {compiling:.1f} s of compiling", num_bytes


def _bytes(number: int) -> str:
    """Formats a number of bytes in a suitable unit.

    >>> _bytes(2048), _bytes(5 * 2**20)
    ('2.0 KiB', '5.0 MiB')
    """
    value = float(number)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
