"""Times every suite, prints the tables and saves them in results/benchmark/: python -m experiments.benchmarks

With words as arguments, runs only suites whose titles contain one of them, and saves them in a separate file.
"""

import os
import pathlib
import re
import sys
from collections.abc import Iterator

import jax

from pathjax.core.errors import require
from pathjax.experiments.benchmarks import curvature, ensembles, matching, measuring, own, spectrum, streaming
from pathjax.experiments.benchmarks.paired import Suite, format_table, measure
from pathjax.experiments.benchmarks.picture import draw
from pathjax.experiments.benchmarks.start import format_start, measure_start
from pathjax.experiments.benchmarks.sweeps import format_sweep, measure_sweep
from pathjax.experiments.runner import devices
from pathjax.experiments.runner.command_line import one_line_errors
from pathjax.experiments.runner.manifest import environment
from pathjax.io.run_folder import write_json

FOLDER = pathlib.Path("results/benchmark")
# Measured in separate processes: functions that return the rows, and format them.
PROCESSES = {"Cold start": (measure_start, format_start), "Sweep": (measure_sweep, format_sweep)}


def main(words: list[str]) -> None:
    """Runs the suites one after the other."""
    # On a GPU, JAX would preallocate three quarters of the memory, which the other timed processes need.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    devices.prepare(None)
    jax.config.update("jax_default_matmul_precision", "highest")
    name = "-".join(["benchmark", *re.sub(r"\W+", " ", " ".join(words)).split()])
    kept, unfinished, tables = FOLDER / f"{name}.json", FOLDER / f"{name}.unfinished.json", {}
    for title, table in _tables(words):
        tables[title] = table
        write_json(unfinished, {"suites": tables} | environment())
    require(bool(tables), f"no suite's title contains one of {', '.join(words)}: choose from {'; '.join(_titles())}")
    unfinished.replace(kept)
    drawn = draw(tables, kept.with_suffix(".png"))
    print(f"\nsaved as {kept}{f' and {kept.stem}.png' if drawn else ''}")


def _tables(words: list[str]) -> Iterator[tuple[str, dict]]:
    """Yields titles and tables of the chosen suites, and prints each when it is ready."""
    for suite in _suites():
        if _chosen(words, suite.title):
            found = measure(suite)
            print(format_table(suite, found["rates"], found["rows"]), end="\n\n", flush=True)
            yield suite.title, found
    for title, (measure_rows, format_rows) in PROCESSES.items():
        if _chosen(words, title):
            rows = measure_rows()
            print(format_rows(rows), end="\n\n", flush=True)
            yield title, {"rows": rows}


def _titles() -> list[str]:
    return [*(suite.title for suite in _suites()), *PROCESSES]


def _suites() -> Iterator[Suite]:
    yield from ensembles.suites()
    yield measuring.suite()
    yield curvature.suite()
    yield from own.suites()
    yield from streaming.suites()
    yield matching.suite()
    yield spectrum.suite()


def _chosen(words: list[str], title: str) -> bool:
    return not words or any(word.lower() in title.lower() for word in words)


if __name__ == "__main__":
    with one_line_errors():
        main(sys.argv[1:])
