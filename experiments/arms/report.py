"""The report of the arms experiment."""

import functools
import pathlib

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.analysis.intervals import mean_over_units
from pathjax.experiments.arms.summary import HEADER, NOTE, TRACE_NOTE, cells, trace_cells, trace_header
from pathjax.experiments.arms.traces import BASELINE, ONE_BIT, Decisions, between_baselines, decisions_of, to_baseline
from pathjax.io.run_folder import Run
from pathjax.plots import boundaries
from pathjax.plots.labels import by_label
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import replica_row

LINES = "Lines are means over initializations, and bands span all of them."
MAX_FRAMES = 60


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
        "Do arms decide differently?",
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
    tables = [Table("Where arms end", HEADER, cells(summary), NOTE)]
    if summary["traces"]:
        tables.append(Table("What remains of arms that end", trace_header(summary), trace_cells(summary), TRACE_NOTE))
    tables.append(Table("Controls", (), controls))
    verdict = summary["verdicts"] or ["Compare the arms with what another initialization does."]
    write_page(folder, run, lead, tables, _boundaries(run.trajectory) | FIGURES, [], verdict)


def _boundaries(trajectory: xr.Dataset) -> dict[str, Figure]:
    """Returns the figures of decisions in the plane, if the data have two inputs."""
    if "plane_decision" not in trajectory:
        return {}
    decided, num = decisions_of(trajectory), trajectory.plane_decision.shape[0]
    records = np.unique(np.linspace(0, num - 1, min(num, MAX_FRAMES)).round().astype(int))
    size = (2.6 * (1 + int((trajectory.role.values == "arm").sum())), 3.0)
    shown = "Colors: the share of initializations that choose class 1; black: where it is one half."
    found = {
        "film": Figure(
            "Decision boundaries over time",
            f"A film. {shown}",
            lambda ax, trajectory, frame: _frame(ax, trajectory, decided, int(records[frame])),
            len(records),
            size,
        ),
        "boundaries": Figure(
            "Decision boundaries at the end",
            f"{shown} Points are training examples.",
            lambda ax, trajectory: _frame(ax, trajectory, decided, -1),
            size=size,
        ),
    }
    for measure in decided.weights:
        found[f"area_{measure.replace(' ', '_')}"] = Figure(
            f"Area between boundaries, {measure}",
            "The share of the plane on which arms decide differently than the baseline of the same initialization; "
            "means and 95% intervals. Dashed: other initializations; dotted: one rounding error.",
            functools.partial(_areas, decided=decided, measure=measure),
        )
    return found


def _frame(ax: Axes, trajectory: xr.Dataset, found: Decisions, record: int) -> None:
    side = round(trajectory.sizes["plane_point"] ** 0.5)
    chosen = {
        arm: (values[record] == 1).mean(0).reshape(side, side) for arm, values in found.arms.items() if arm != ONE_BIT
    }
    step = found.steps[record]
    titles = {arm: f"{arm}, step {step}" if arm == BASELINE else arm for arm in chosen}
    examples = np.array(trajectory.attrs["plane_examples"], float).reshape(-1, 3)
    boundaries.arms(
        ax, {titles[arm]: values for arm, values in chosen.items()}, trajectory.attrs["plane_extent"], examples
    )


def _areas(ax: Axes, trajectory: xr.Dataset, decided: Decisions, measure: str) -> None:
    curves = {}
    for arm in decided.arms:
        if arm != BASELINE:
            each = to_baseline(decided, arm, measure)
            curves[arm] = np.array([mean_over_units(row) for row in each])
    curves[boundaries.SEEDS] = between_baselines(decided, measure)
    boundaries.areas(ax, decided.steps, curves, "share of the plane")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
