"""Times programs in alternating rounds, so that other load on the machine affects all of them equally."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from pathjax.experiments.benchmarks.limits import Rates, measure_rates

WARM_UP = 1


class Timed(NamedTuple):
    """A program to compare: `seconds()` runs `steps` steps and returns their time; `close()` ends the program."""

    seconds: Callable[[], float]
    steps: int
    close: Callable[[], Any] = lambda: None


class Suite(NamedTuple):
    """Programs to compare, by name, created when the suite runs; ratios are relative to the first.

    `members` advance in each step. `limit`, if known, is the least time of a step in seconds that a machine with these
    rates allows; see limits.py.
    """

    title: str
    make: Callable[[], dict[str, Timed]]
    rounds: int
    members: int = 1
    limit: Callable[[Rates], float] | None = None


def steps_here(steps: int) -> int:
    """Returns `steps` on a CPU and ten times as many on an accelerator, where a step is short compared with a call."""
    return steps if jax.default_backend() == "cpu" else 10 * steps


def timed(program: Callable[[], Any], steps: int) -> Timed:
    """Wraps a program of this process that returns its arrays."""

    def seconds() -> float:
        jax.block_until_ready(program())  # untimed, so that caches and threads are this program's
        start = time.perf_counter()
        jax.block_until_ready(program())
        return time.perf_counter() - start

    return Timed(seconds, steps)


def measure(suite: Suite) -> dict[str, Any]:
    """Times the programs of a suite.

    Returns:
        `rows`: for each program milliseconds per member and step, the ratio of its time to the first program's, and the
        fraction of the machine's limit (the mean of the limits before and after each round), with quartiles. `rates`:
        the medians of the machine's rates.
    """
    programs, rounds = suite.make(), range(WARM_UP + suite.rounds)
    runs, rates = [], []
    try:
        for _ in rounds:
            rates.append(measure_rates())
            runs.append({name: program.seconds() / program.steps for name, program in programs.items()})
        rates.append(measure_rates())
    finally:
        for program in programs.values():
            program.close()
    rates = rates[WARM_UP:]
    times = {name: np.array([run[name] for run in runs[WARM_UP:]]) for name in programs}
    first = next(iter(times.values()))
    rows = {name: _row(suite, each, first, rates) for name, each in times.items()}
    return {"rounds": suite.rounds, "rates": Rates(*np.median(rates, axis=0).tolist())._asdict(), "rows": rows}


def _row(suite: Suite, times, first, rates) -> dict:
    step = float(np.median(times))
    row = {"ms_per_member_step": 1e3 * step / suite.members, "member_steps_per_second": suite.members / step}
    row |= _with_quartiles("ratio", times / first)
    if suite.limit is None:
        return row
    limits = np.array([suite.limit(each) for each in rates])
    return row | _with_quartiles("fraction_of_limit", (limits[:-1] + limits[1:]) / 2 / times)


def _with_quartiles(name: str, values) -> dict:
    low, middle, high = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    return {name: middle, f"{name}_quartiles": [low, high]}


def format_table(suite: Suite, rates: dict[str, float], rows: dict[str, dict]) -> str:
    """Formats the suite's table as text."""
    width = max(len(name) for name in rows) + 2
    lines = [f"{suite.title}; {jax.devices()[0].device_kind}; medians of {suite.rounds} alternating rounds"]
    lines.append(f"matrix product: {rates['flops'] / 1e9:.0f} GFLOP/s, copy: {rates['bytes'] / 1e9:.1f} GB/s")
    limit = f"{'of the limit [quartiles]':>27}" if suite.limit else ""
    lines.append(f"{'':{width}}{'ms/member/step':>15}{'member-steps/s':>16}{'time over first [quartiles]':>31}{limit}")
    for name, row in rows.items():
        ratio = _text(row, "ratio", ".3f")
        limit = f"{_text(row, 'fraction_of_limit', '.1%'):>27}" if suite.limit else ""
        rate = row["member_steps_per_second"]
        lines.append(f"{name:{width}}{row['ms_per_member_step']:15.4g}{rate:16,.0f}{ratio:>31}{limit}")
    return "\n".join(lines)


def _text(row: dict, name: str, form: str) -> str:
    low, high = row[f"{name}_quartiles"]
    return f"{row[name]:{form}} [{low:{form}}, {high:{form}}]"
