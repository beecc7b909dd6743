"""The report of the Lyapunov experiment."""

import functools
import pathlib

from pathjax.experiments.divergence.report import FIGURES as DIVERGENCE_FIGURES
from pathjax.experiments.divergence.tables import (
    FINITE_SIZE_HEADER,
    FINITE_SIZE_NOTE,
    finite_size_rows,
    result_rows,
    warning_lines,
)
from pathjax.experiments.lyapunov.summary import SPECTRUM_HEADER, alignment_lines, derived_rows, spectrum_rows
from pathjax.io.run_folder import Run
from pathjax.plots import exponents
from pathjax.reporting.page import Figure, Table, describe_training, write_page

SPECTRUM_NOTE = (
    "Nats per step over the full path, ± standard error by blocking. Weights: growth of displacements of the weights "
    "and the optimizer's state. Function: growth of their effect on the outputs on a probe set, where displacements "
    "along symmetries have no effect. Both copies see the same batches: these are exponents of the random dynamical "
    "system. Training is not stationary: read the exponents along the path first; these are their means."
)
FIGURES = {
    "spectrum": Figure(
        "Lyapunov spectrum",
        "Exponents in order, with bars of two standard errors. Above 0 neighbors separate in that direction, below 0 "
        "they converge.",
        exponents.spectrum,
    ),
    "spectrum_path": Figure(
        "Exponents along the path",
        "Exponents of the weights in twentieths of the run. The tangents start in random directions and align with "
        "the fastest directions once these have outgrown the others by a few nats; until then the exponents are too "
        "close together.",
        exponents.exponents_over_time,
    ),
    "function_path": Figure(
        "Exponents of the function along the path",
        "The same for the effect of the tangents on the outputs.",
        functools.partial(exponents.exponents_over_time, name="function_log_growth"),
    ),
} | {name: DIVERGENCE_FIGURES[name] for name in ("finite_size", "collapse", "losses")}


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    summary = run.summary
    tables = [
        Table("Lyapunov exponents", SPECTRUM_HEADER, spectrum_rows(summary), SPECTRUM_NOTE),
        Table("Derived quantities, and the run", (), [*derived_rows(summary), *result_rows(summary)]),
        Table("Growth rates, by separation", FINITE_SIZE_HEADER, finite_size_rows(summary), FINITE_SIZE_NOTE),
    ]
    lead = f"Lyapunov spectra {describe_training(run)}, with {summary['members'] - 1} copies."
    write_page(folder, run, lead, tables, FIGURES, [*warning_lines(summary), *alignment_lines(summary)])
