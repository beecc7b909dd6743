"""The report of the laws experiment."""

import pathlib

from pathjax.experiments.laws.summary import KINKS, LAWS, NOTE, PERIODS, kinks, laws, periods
from pathjax.io.run_folder import Run
from pathjax.plots import laws as figures
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import replica_row

SAID = "Laws are refused, or left undecided, where the data do not tell."

FIGURES = {
    "laws": Figure(
        "Growth, and the law that describes it",
        "Points: distances relative to their start, geometric means over initializations, with 95% intervals. Lines: "
        "the best law.",
        figures.fitted,
    ),
    "residuals": Figure(
        "What the laws leave",
        "Residuals of the best law, with the 95% interval of the mean. Neighboring times are correlated.",
        figures.residuals,
    ),
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    summary = run.summary
    controls = [
        replica_row(summary["replica_largest_distance"]),
        ("members that became infinite or NaN", str(summary["not_finite"]), ""),
    ]
    lead = (
        f"{summary['members']} copies {describe_training(run)}, of {summary['initializations']} initializations, in "
        "one program; the copies of an initialization are perturbed at the start and see the same batches."
    )
    tables = [Table("Laws", LAWS, laws(summary), NOTE), Table("An early exponential period", PERIODS, periods(summary))]
    if "kinks" in summary:
        note = (
            "Predicted from the other initializations, at the largest epsilon: rates of growth and of the squared "
            "displacement by kinks. Medians over initializations; the ratio is a geometric mean with its 95% interval."
        )
        tables.append(Table("What kinks predict", KINKS, kinks(summary), note))
    tables.append(Table("Controls", (), controls))
    write_page(folder, run, lead, tables, FIGURES, [], [SAID])
