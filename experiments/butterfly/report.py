"""The report of the butterfly experiment: interventions by step and epsilon."""

import functools
import pathlib

from pathjax.experiments.butterfly.summary import OUTCOMES, cell_header, cell_rows, verdict
from pathjax.io.run_folder import Run
from pathjax.plots import interventions
from pathjax.reporting.noise import noise_row
from pathjax.reporting.page import Figure, Table, describe_training, write_page
from pathjax.reporting.tables import number, replica_row

CELL_NOTE = "Medians over directions at the end of training; brackets give the 16% and 84% quantiles."
MOVED_NOTE = (
    "The measured 2-norm of the change of weights, optimizer state or hyperparameter (or, if the batch was changed, of "
    "the change after the step): medians over directions; brackets give the 16% and 84% quantiles."
)
MAP = "Median over directions; white is 0 or NaN."
BARS = (
    "The same values against the step: dots are medians over directions, bars span the smallest nonzero to the largest "
    "value. Where a curve falls, early interventions end further away."
)
READ = {
    "distance": "Where rows darken to the right, late interventions end less far away: they had less time to grow, or "
    "training had settled. Values near the roundoff member's distance are the effect of one rounding error.",
    "growth": "The distance at the end divided by the distance that the intervention moved the member. With linear "
    "response all rows are alike; small interventions that grow more than large ones cross kinks.",
    "test_js_distance": "Networks at distance 0 agree on every test example, however distant their weights are.",
    "test_disagreement": "The share of the test set that a member classifies differently than the baseline.",
    "test_barrier": "The highest excess of the test loss on the straight line to the baseline over the chord. If it "
    "is 0, or about 1e-6, which is rounding, the intervention did not lead to another valley.",
}


def write(folder: pathlib.Path, run: Run) -> None:
    """Writes `folder`/report.html and its figures."""
    summary = run.summary
    tables = [
        Table("Controls and baseline", (), _control_rows(summary)),
        Table("Size of the change", cell_header(summary), cell_rows(summary, "intervention_size"), MOVED_NOTE, True),
        *(_cells(summary, name, label) for name, label in OUTCOMES.items()),
    ]
    lead = (
        f"{summary['members']} copies {describe_training(run)}, all on the same batches and in one program. Each copy "
        f"but the controls is intervened on ({_what(run)}) before its own step."
    )
    write_page(folder, run, lead, tables, _figures(), [], verdict(summary).splitlines())


def _what(run: Run) -> str:
    """Describes the intervention."""
    steps = run.config["perturbation"].get("duration", 1)
    often = "once" if steps == 1 else f"at {steps} consecutive steps"
    relative = ", relative to the current weights" if run.summary["kind"] == "sphere" else ""
    return f"{run.summary['kind']}, {often}{relative}"


def _cells(summary: dict, name: str, label: str) -> Table:
    return Table(f"{label[0].upper()}{label[1:]}", cell_header(summary), cell_rows(summary, name), CELL_NOTE, True)


def _control_rows(summary: dict) -> list[tuple[str, str, str]]:
    return [
        replica_row(summary["replica_largest_distance"]),
        ("roundoff, largest distance", number(summary["roundoff_largest_distance"]), "one member, no error bar"),
        *noise_row(summary.get("noise_last_distance")),
        ("test accuracy, baseline", number(summary["baseline_test_accuracy"]), "one run, no error bar"),
    ]


def _figures() -> dict[str, Figure]:
    figures = {}
    for name, label in OUTCOMES.items():
        title = f"{label[0].upper()}{label.split(' [')[0][1:]}"
        figures[name] = Figure(
            title, f"{MAP} {READ[name]}", functools.partial(interventions.heat_map, name=name, label=label)
        )
        by_step = functools.partial(interventions.by_step, name=name, label=label)
        figures[f"{name}_by_step"] = Figure(f"{title}, by step", BARS, by_step)
    figures["trajectories"] = Figure(
        "The course of the largest intervention",
        "Each line is a member, from the first record after its intervention. Where lines meet, the step does not "
        "matter; where lines stay below, late interventions had no time to grow.",
        interventions.trajectories,
    )
    return figures
