"""Time every suite, print the tables and write results/benchmark/benchmark.json: python -m experiments.benchmarks"""

import pathlib

import jax

from experiments.benchmarks import ensemble, spectrum
from experiments.benchmarks.paired import format_table, measure
from experiments.provenance import environment
from pathjax.results import write_json

OUTPUT = pathlib.Path("results/benchmark/benchmark.json")


def main() -> None:
    """Run the suites one after the other."""
    jax.config.update("jax_default_matmul_precision", "highest")
    tables = {}
    for make in (ensemble.suite, spectrum.suite):
        suite = make()
        rows = measure(suite)
        print(format_table(suite, rows), end="\n\n", flush=True)
        tables[suite.title] = {"rounds": suite.rounds, "rows": rows}
    write_json(OUTPUT, tables | environment())


if __name__ == "__main__":
    main()
