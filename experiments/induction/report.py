"""The report of induction heads."""

import pathlib

import numpy as np

from pathjax.experiments.induction.summary import HEADER, NOTE, cells, member_rows
from pathjax.io.run_folder import Run
from pathjax.plots import induction
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import number


def write(folder: pathlib.Path, run: Run) -> None:
    """Write `folder`/report.html and its figures."""
    summary, trajectory = run.summary, run.trajectory
    replica = summary["replica_largest_distance"]
    controls = [
        ("replica, largest distance", number(replica), "exact" if replica == 0 else "not 0: something is wrong"),
        ("test accuracy of the baseline, of all places", number(summary["test_accuracy"]), "no error is told"),
    ]
    tables = [
        Table("When heads formed", HEADER, [cells(row) for row in summary["rows"]], NOTE),
        Table("Controls", (), controls),
        Table("Every member", ("member", "step", "last score"), member_rows(trajectory, summary), folded=True),
    ]
    lead = (
        f"{summary['members']} copies {describe_training(run)}, all on the same batches. A head has formed when "
        f"{summary['formed']:g} of the attention of all places that repeat something goes to where it was before."
    )
    write_page(folder, run, lead, tables, _figures(np.array(summary["formation_steps"])), [], [summary["verdict"]])


def _figures(steps: np.ndarray) -> dict[str, Figure]:
    drawn = {
        "score": Figure(
            "Induction score",
            "Attention of the best head to the place after a token's earlier occurrence, the mean over all places that "
            "have one. Lines that rise together say that when a head forms was decided by the start and the batches.",
            induction.score,
        )
    }
    if np.isfinite(steps).any():
        drawn["formation"] = Figure(
            "When heads formed",
            "A point for each member. What spreads as far as other starts do has forgotten its own.",
            lambda ax, trajectory: induction.formation(ax, trajectory, steps),
        )
    return drawn
