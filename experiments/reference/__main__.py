"""Measures every reference value and prints the table: python -m experiments.reference [--quick] [--write PAGE]

With --write docs/lyapunov.md, replaces the table in that page. Exits with status 1 if a row fails.
"""

import argparse
import pathlib
import sys

import jax

from pathjax.experiments.reference.rows import passes
from pathjax.experiments.reference.table import CASES, HEADER, markdown, run_cases

BEGIN, END = "<!-- table: python -m experiments.reference -->", "<!-- end of table -->"


def main() -> int:
    """Prints the table, and writes it if --write is given; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter runs, as in the tests")
    parser.add_argument("--write", type=pathlib.Path, help="page whose table to replace")
    args = parser.parse_args()
    if args.write and not (args.write.is_file() and BEGIN in args.write.read_text()):
        parser.error(f"{args.write} has no line '{BEGIN}': give docs/lyapunov.md")
    jax.config.update("jax_enable_x64", True)
    print(HEADER)
    lines, failed = [HEADER], 0
    for outcome in run_cases(CASES, long=not args.quick):
        lines.append(markdown(outcome))
        failed += sum(not passes(row) for row in outcome.rows)
        print(lines[-1], flush=True)
    print(f"\n{failed} rows fail" if failed else "\nall rows hold", file=sys.stderr)
    if args.write:
        before, rest = args.write.read_text().split(BEGIN)
        args.write.write_text(before + "\n".join([BEGIN, *lines, END]) + rest.split(END)[1])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
