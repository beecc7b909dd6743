"""Programs timed in alternating rounds, so that whatever else the machine does falls on all alike."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

WARM_UP = 2


class Suite(NamedTuple):
    """Programs to be compared: each call of `programs[name]` runs `steps` steps and returns what was computed.

    Ratios are to the first. `per_step` counts for the throughput: members, say, that advance in one step.
    """

    title: str
    programs: dict[str, Callable[[], Any]]
    steps: int
    rounds: int
    per_step: int


def measure(suite: Suite) -> dict[str, dict]:
    """For each program: milliseconds a step, throughput, and the ratio to the first program with its quartiles."""
    seconds: dict[str, list[float]] = {name: [] for name in suite.programs}
    for _ in range(WARM_UP + suite.rounds):
        for name, program in suite.programs.items():
            jax.block_until_ready(program())  # untimed: caches and threads are then its own, not the last one's
            start = time.perf_counter()
            jax.block_until_ready(program())
            seconds[name].append(time.perf_counter() - start)
    times = {name: np.array(each[WARM_UP:]) for name, each in seconds.items()}
    plain = next(iter(times.values()))
    return {name: _row(suite, each, plain) for name, each in times.items()}


def _row(suite: Suite, times, plain) -> dict:
    ratios = times / plain
    step = float(np.median(times)) / suite.steps
    return {
        "ms_per_step": 1e3 * step,
        "per_second": suite.per_step / step,
        "ratio": float(np.median(ratios)),
        "ratio_quartiles": [float(q) for q in np.quantile(ratios, [0.25, 0.75])],
    }


def format_table(suite: Suite, rows: dict[str, dict]) -> str:
    """The suite's table as text."""
    width = max(len(name) for name in rows) + 2
    lines = [f"{suite.title}; {jax.devices()[0].device_kind}; {suite.rounds} paired rounds"]
    lines.append(f"{'':{width}}{'ms/step':>9}{'steps/s':>12}{'ratio to the first [quartiles]':>34}")
    for name, row in rows.items():
        low, high = row["ratio_quartiles"]
        ratio = f"{row['ratio']:.3f} [{low:.3f}, {high:.3f}]"
        lines.append(f"{name:{width}}{row['ms_per_step']:9.2f}{row['per_second']:12,.0f}{ratio:>34}")
    return "\n".join(lines)
