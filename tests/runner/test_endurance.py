"""Half a million steps: neither memory nor the time of a step grows."""

import pathlib
import re
import subprocess
import time

import numpy as np
import pytest

from helpers.processes import ROOT, command

TINY = {
    "num_steps": 500_000,
    "chunk_length": 5000,
    "checkpoint_every": 25_000,
    "data.batch_size": 8,
    "optimizer.learning_rate": 0.01,
    "model.widths": "(4,)",
    "perturbation.epsilons": "(0.1,)",
    "measure.distance_every": 100,
    "measure.tangent_every": 100,
    "measure.correlation_every": 5000,
    "measure.evaluation_every": 5000,
    "measure.anchors": "(0,)",
}


def resident_kib(pid: int) -> int:
    """Returns the VmRSS of a process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def watched(process):
    """Returns (steps done, seconds, KiB) at each new checkpoint."""
    folder, seen, start = pathlib.Path(process.args[4].split("=")[1]) / "checkpoints" / "digests", [], time.monotonic()
    while process.poll() is None:
        newest = max((int(path.stem) for path in folder.glob("[0-9]*.json")), default=0)
        if newest and (not seen or newest > seen[-1][0]):
            seen.append((newest, time.monotonic() - start, resident_kib(process.pid)))
        time.sleep(0.02)
    return np.array(seen)


@pytest.mark.slow
def test_half_a_million_steps_take_no_more_memory_than_the_first_tenth(tmp_path):
    flags = [f"--config.{key}={value}" for key, value in TINY.items()]
    process = subprocess.Popen(command(tmp_path / "run", *flags), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    steps, seconds, memory = watched(process).T
    assert process.returncode == 0 and steps[-1] == TINY["num_steps"] and len(steps) >= 15
    early, late = memory[steps <= 50_000].max(), memory[steps > 50_000].max()
    rates = np.diff(seconds) / np.diff(steps) * 1e6
    print(f"resident memory: {early:.0f} KiB in the first tenth, at most {late:.0f} after: {late / early - 1:+.2%}")
    print("microseconds per step, tenth by tenth:", *(f"{r.mean():.0f}" for r in np.array_split(rates, 10)))
    assert late < 1.02 * early
    # Medians of halves: the test looks for leaks and accumulation, and the machine may be shared.
    first, second = (np.median(half) for half in np.array_split(rates, 2))
    assert second < 1.5 * first
