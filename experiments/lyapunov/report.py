"""The report of the Lyapunov experiment."""

import pathlib

import numpy as np

from pathjax.experiments.divergence.report import FIGURES as DIVERGENCE_FIGURES
from pathjax.experiments.divergence.tables import (
    FINITE_SIZE_HEADER,
    FINITE_SIZE_NOTE,
    finite_size_rows,
    result_rows,
    warning_lines,
)
from pathjax.experiments.lyapunov.summary import SPECTRUM_HEADER, alignment_lines, derived_rows, spectrum, spectrum_rows
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
        lambda ax, trajectory: exponents.spectrum(ax, _spectra(trajectory)),
    ),
    "spectrum_path": Figure(
        "Exponents along the path",
        "Exponents of the weights in twentieths of the run. The tangents start in random directions and align with "
        "the fastest directions once these have outgrown the others by a few nats; until then the exponents are too "
        "close together.",
        lambda ax, trajectory: exponents.exponents_over_time(ax, *_windows(trajectory, "log_growth")),
    ),
    "function_path": Figure(
        "Exponents of the function along the path",
        "The same for the effect of the tangents on the outputs.",
        lambda ax, trajectory: exponents.exponents_over_time(ax, *_windows(trajectory, "function_log_growth")),
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


def _spectra(trajectory) -> dict[str, dict]:
    names = {"log_growth": "weights", "function_log_growth": "function", "dense_log_growth": "weights, dense Jacobians"}
    return {label: spectrum(trajectory, name) for name, label in names.items() if name in trajectory}


def _windows(trajectory, name, num_windows: int = 20):
    """Returns the steps at the windows' ends, and the exponents in each window."""
    values = trajectory[name]
    steps = trajectory[values.dims[0]].values
    ends = np.unique(np.linspace(0, len(steps) - 1, num_windows + 1).astype(int))
    total = np.cumsum(values.values.astype(np.float64), axis=0)[ends]
    return steps[ends], np.diff(total, axis=0) / np.diff(steps[ends])[:, None]
