"""The table of all cases, in Markdown."""

import math
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pathjax.experiments.reference import consistency, faults, known, training
from pathjax.experiments.reference.rows import Row, passes, z_score

CASES = [*known.CASES, *training.CASES, *consistency.CASES, *faults.CASES]
HEADER = (
    "| system | quantity | value | expected | error | z | off by | allowed | |\n|---|---|---|---|---|---|---|---|---|"
)


class Outcome(NamedTuple):
    """A case's rows and their run time, including compilation."""

    system: str
    rows: list[Row]
    seconds: float


def run_cases(cases: Iterable[Callable], long: bool) -> Iterable[Outcome]:
    """Runs the cases one by one."""
    for case in cases:
        start = time.perf_counter()
        rows = case(long)
        yield Outcome(str(case.__doc__), rows, time.perf_counter() - start)


def markdown(outcome: Outcome) -> str:
    """Formats the lines of one case; the first contains its time.

    >>> print(markdown(Outcome("cat map", [Row("sum", 1e-17, -1e-12, 1e-12, 0.0)], 1.23)))
    | cat map (1.2 s) | sum | 1.0e-17 | 0 | none | | 1.0e-17 | 1.0e-12 | ok |
    """
    lines = []
    for i, row in enumerate(outcome.rows):
        system = f"{outcome.system} ({outcome.seconds:.1f} s)" if i == 0 else ""
        lines.append("| " + " | ".join([system, *_cells(row)]).replace("|  |", "| |") + " |")
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    verdict = "ok" if passes(row) else "**FAILS**"
    if math.isnan(row.expected):  # a range, a count, or an expected message
        allowed = f"{row.low:g}" if row.low == row.high else f"{row.low:g} to {row.high:g}"
        return [row.what, f"{row.value:.3g}", "", "", "", "", allowed, verdict]
    off = row.value - row.expected
    if row.error > 0:
        digits = max(1, 1 - math.floor(math.log10(row.error)))
        value, expected = f"{row.value:.{digits}f}", f"{row.expected:.{digits}f}"
        return [
            row.what,
            value,
            expected,
            f"{row.error:.1e}",
            f"{z_score(row):+.2f}",
            f"{off:.1e}",
            "4 errors",
            verdict,
        ]
    tiny = row.expected == 0
    value, expected = (f"{row.value:.1e}", "0") if tiny else (f"{row.value:.6f}", f"{row.expected:.6f}")
    return [row.what, value, expected, "none", "", f"{abs(off):.1e}", f"{row.high - row.expected:.1e}", verdict]
