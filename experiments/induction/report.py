"""The report of the induction experiment."""

import functools
import pathlib

import numpy as np

from pathjax.experiments.induction.summary import HEADER, NOTE, cells, member_rows
from pathjax.io.run_folder import Run
from pathjax.plots import induction
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import number, replica_row


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    summary, trajectory = run.summary, run.trajectory
    controls = [
        replica_row(summary["replica_largest_distance"]),
        ("test accuracy of the baseline, over all positions", number(summary["test_accuracy"]), "no error bar"),
    ]
    tables = [
        Table("When heads formed", HEADER, [cells(row) for row in summary["rows"]], NOTE),
        Table("Controls", (), controls),
        Table("Every member", ("member", "step", "last score"), member_rows(trajectory, summary), folded=True),
    ]
    lead = (
        f"{summary['members']} copies {describe_training(run)}, all on the same batches. A head has formed when "
        f"{summary['formed']:g} of its attention, over all positions with an induction target, is on the target."
    )
    write_page(
        folder,
        run,
        lead,
        tables,
        _figures(summary),
        [],
        [summary["verdict"]],
    )


def _figures(summary: dict) -> dict[str, Figure]:
    drawn = {
        "score": Figure(
            "Induction score",
            "The best head's attention to the position after a token's earlier occurrence, averaged over all positions "
            "that have one. Where lines rise together, the start and the batches decide when a head forms.",
            induction.score,
        )
    }
    if np.isfinite(np.array(summary["formation_steps"], float)).any():
        drawn["formation"] = Figure(
            "When heads formed",
            "One point per member. Perturbed members that spread as widely as other initializations have forgotten "
            "their start.",
            functools.partial(induction.formation, formed=summary["formed"]),
        )
    return drawn
