"""The report of the arms experiment."""

import functools
import pathlib

from pathjax.experiments.arms.summary import HEADER, NOTE, cells
from pathjax.io.run_folder import Run
from pathjax.plots.labels import by_label
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import replica_row

LINES = "Lines are means over initializations, and bands span all of them."


def _figure(title: str, caption: str, name: str, label: str, scale: str = "log") -> Figure:
    draw = functools.partial(by_label, name=name, by="arm", label=label, scale=scale)
    return Figure(title, f"{caption} {LINES}", draw)


FIGURES = {
    "distance": _figure(
        "How far do arms move?",
        "Distances of the weights to the baseline of the same initialization.",
        "distance",
        "distance to the baseline, $|w-w_0|$",
    ),
    "disagreement": _figure(
        "Do arms decide otherwise?",
        "The share of the test set that an arm classifies differently than its baseline.",
        "test_disagreement",
        "disagreement with the baseline",
        "linear",
    ),
    "loss": _figure("Test loss", "The loss without its regularizers.", "test_loss", "test loss [nats]"),
    "norm": _figure("Norm of the weights", "What regularizers do to all weights.", "weight_norm", "$|w|$", "linear"),
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    summary = run.summary
    controls = [
        replica_row(summary["replica_largest_distance"]),
        ("members that became infinite or NaN", str(summary["not_finite"]), ""),
    ]
    lead = (
        f"{summary['members']} copies {describe_training(run)}, of {summary['initializations']} initializations, all "
        "on the same batches and in one program."
    )
    tables = [Table("Where arms end", HEADER, cells(summary), NOTE), Table("Controls", (), controls)]
    write_page(folder, run, lead, tables, FIGURES, [], ["Compare the arms with what another initialization does."])
