"""The report of the growth experiment."""

import pathlib

from pathjax.experiments.growth.summary import HEADER, NOTE, cells
from pathjax.io.run_folder import Run
from pathjax.plots.growth import growth
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import number, replica_row


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    summary = run.summary
    controls = [
        replica_row(summary["replica_largest_distance"]),
        ("roundoff, distance at the end", _range(summary["roundoff_distance"]), "range over initializations"),
        ("members that became infinite or NaN", str(summary["not_finite"]), ""),
    ]
    tables = [Table("Growth", HEADER, [cells(row) for row in summary["rows"]], NOTE), Table("Controls", (), controls)]
    initializations = (
        "1 initialization" if summary["initializations"] == 1 else f"{summary['initializations']} initializations"
    )
    lead = (
        f"{summary['members']} copies {describe_training(run)}, of {initializations}, all "
        "on the same batches and in one program; each tensor is perturbed on its own sphere, at the start."
    )
    said = "Means over all initializations, with the spread between them: initializations differ."
    write_page(folder, run, lead, tables, FIGURES, [], [said])


def _range(values: list) -> str:
    return f"{number(min(values))} to {number(max(values))}"


FIGURES = {
    "growth": Figure(
        "Growth, initialization by initialization",
        "Each line is the mean over the directions of one initialization. The spread of lines of one color shows the "
        "effect of the initialization; the spread of colors shows that of epsilon (with linear response, none).",
        growth,
    )
}
