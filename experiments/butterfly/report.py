"""The report of disturbances by step and size."""

import functools
import pathlib

import numpy as np

from pathjax.experiments.butterfly.summary import OUTCOMES, by_step_and_size, cell_header, cell_rows, verdict
from pathjax.io.run_folder import Run
from pathjax.plots import interventions
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import number

CELL_NOTE = "Medians over directions at the end of training, in brackets the 16% and 84% quantiles."
MOVED_NOTE = (
    "The 2-norm of the change, of weights, optimizer state or hyperparameter (where a batch was another: of what the "
    "step makes of them), as it came out: medians over directions, in brackets the 16% and 84% quantiles."
)
MAP = "Median over directions; white: 0, or no number."
BARS = (
    "The same numbers against the step: dots are medians over directions, bars reach from the least above 0 to the "
    "most. A curve that falls says that early disturbances end further."
)
READ = {
    "distance": "Where rows darken to the right, late disturbances end less far: there was less time for them to grow, "
    "or training had settled. What is near the roundoff member's distance is what one rounding error comes to.",
    "growth": "The distance at the end over what was moved. With linear response all rows are alike; small "
    "disturbances that grow more than large ones meet kinks.",
    "test_js_distance": "Networks at distance 0 say the same of every test example, however far their weights are.",
    "test_disagreement": "The share of the test set that is classified otherwise than by the baseline.",
    "test_barrier": "The highest excess of the test loss on the straight line to the baseline over the chord: where "
    "there is none (0, or some 1e-6, which is rounding), the disturbance led to no other valley.",
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Write `folder`/report.html and its figures."""
    summary = run.summary
    tables = [
        Table("Controls and baseline", (), _control_rows(summary)),
        Table("What was moved", cell_header(summary), cell_rows(summary, "intervention_size"), MOVED_NOTE, True),
        *(_cells(summary, name, label) for name, label in OUTCOMES.items()),
    ]
    lead = (
        f"{summary['members']} copies {describe_training(run)}, all on the same batches; each but the controls is "
        f"disturbed ({_what(run)}), before a step of its own, and they are one program."
    )
    write_page(folder, run, lead, tables, _figures(), [], verdict(summary).splitlines())


def _what(run: Run) -> str:
    """The disturbance in words."""
    steps = run.config["perturbation"].get("duration", 1)
    often = "once" if steps == 1 else f"{steps} steps in turn"
    relative = ", relative to the weights as they are then" if run.summary["kind"] == "sphere" else ""
    return f"{run.summary['kind']}, {often}{relative}"


def _cells(summary: dict, name: str, label: str) -> Table:
    return Table(f"{label[0].upper()}{label[1:]}", cell_header(summary), cell_rows(summary, name), CELL_NOTE, True)


def _control_rows(summary: dict) -> list[tuple[str, str, str]]:
    replica = summary["replica_largest_distance"]
    return [
        ("replica, largest distance", number(replica), "exact" if replica == 0 else "not 0: something is wrong"),
        ("roundoff, largest distance", number(summary["roundoff_largest_distance"]), "one member, no error bar"),
        ("test accuracy, baseline", number(summary["baseline_test_accuracy"]), "one run, no error bar"),
    ]


def _figures() -> dict[str, Figure]:
    figures = {}
    for name, label in OUTCOMES.items():
        title = f"{label[0].upper()}{label.split(' [')[0][1:]}"
        figures[name] = Figure(title, f"{MAP} {READ[name]}", functools.partial(_map, name=name))
        figures[f"{name}_by_step"] = Figure(f"{title}, by step", BARS, functools.partial(_by_step, name=name))
    figures["trajectories"] = Figure(
        "What becomes of the largest disturbance",
        "Each line is a member, from the record after its disturbance on. Lines that meet say that its step does not "
        "matter; lines that stay below say that late ones had no time to grow.",
        interventions.trajectories,
    )
    return figures


def _map(ax, trajectory, name: str) -> None:
    interventions.heat_map(ax, by_step_and_size(trajectory, name), OUTCOMES[name])


def _by_step(ax, trajectory, name: str) -> None:
    roundoff = trajectory.distance.values[-1, trajectory.role.values == "roundoff"]
    floor = float(np.nanmax(roundoff)) if name == "distance" and np.isfinite(roundoff).any() else 0.0
    interventions.by_step(ax, by_step_and_size(trajectory, name), OUTCOMES[name], floor)
