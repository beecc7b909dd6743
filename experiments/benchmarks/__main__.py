"""Time every suite, print the tables and keep them under results/benchmark/: python -m experiments.benchmarks

With words as arguments, only suites in whose titles one of them occurs.
"""

import os
import pathlib
import sys
from collections.abc import Iterator

import jax

from experiments import devices
from experiments.benchmarks import ensembles, measuring, spectrum
from experiments.benchmarks.paired import Suite, format_table, measure
from experiments.benchmarks.picture import draw
from experiments.benchmarks.start import format_start, measure_start
from experiments.benchmarks.sweeps import format_sweep, measure_sweep
from experiments.provenance import environment
from pathjax.results import write_json

FOLDER = pathlib.Path("results/benchmark")


def main(words: list[str]) -> None:
    """Run the suites one after the other."""
    # On a GPU, JAX would take three quarters of its memory at once, and other processes are timed beside this one.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    devices.prepare(None)
    jax.config.update("jax_default_matmul_precision", "highest")
    tables = {}
    for title, table in _tables(words):
        tables[title] = table
        write_json(FOLDER / "benchmark.json", {"suites": tables} | environment())
    draw(tables, FOLDER / "benchmark.png")
    print(f"\nkept as {FOLDER}/benchmark.json and benchmark.png")


def _tables(words: list[str]) -> Iterator[tuple[str, dict]]:
    """Titles and figures of the chosen suites, each printed as soon as it is there."""
    for suite in _suites():
        if _chosen(words, suite.title):
            found = measure(suite)
            print(format_table(suite, found["rates"], found["rows"]), end="\n\n", flush=True)
            yield suite.title, found
    if _chosen(words, "cold start"):
        rows = measure_start()
        print(format_start(rows), end="\n\n", flush=True)
        yield "Cold start", {"rows": rows}
    if _chosen(words, "sweep"):
        rows = measure_sweep()
        print(format_sweep(rows), flush=True)
        yield "Sweep", {"rows": rows}


def _suites() -> Iterator[Suite]:
    yield from ensembles.suites()
    yield measuring.suite()
    yield spectrum.suite()


def _chosen(words: list[str], title: str) -> bool:
    return not words or any(word.lower() in title.lower() for word in words)


if __name__ == "__main__":
    main(sys.argv[1:])
