"""Does an early nudge leave a trace? python -m experiments.nudges --workdir=DIR

Trains initializations without a regularizer, with L1 throughout, with L1 in the first steps only, and with a random
push of the same force in these steps, on four data sets with two inputs. Each pair of a data set and a condition is a
cell of a study, and several processes may share the workdir. Writes figures there.

For the claim that the trace persists count, 5,000 steps after the nudge, an area between the boundaries of nudged and
plain runs that no longer shrinks (its share of the area half-way there is not below 0.8), a separation of the two
populations beyond what seeds do, and more than a random push does; each with a 95% interval. It counts little where the
boundary itself no longer moves. Against it counts an area that shrinks, or is 0.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
import xarray as xr
from absl import flags
from ml_collections import ConfigDict

from pathjax.analysis.boundaries import area_between
from pathjax.analysis.intervals import Interval, mean_over_units
from pathjax.configs import nudge
from pathjax.core.errors import require
from pathjax.data.synthetic import PLANE_SETS
from pathjax.experiments.arms.experiment import EXPERIMENT
from pathjax.experiments.arms.summary import TRACES, control_of, traces_of
from pathjax.experiments.arms.traces import (
    BASELINE,
    MIN_UNITS,
    ONE_BIT,
    Decisions,
    Trace,
    between_baselines,
    decisions_of,
    ends_of,
    to_baseline,
    verdict,
    with_plane,
)
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.in_memory import trajectory_of
from pathjax.experiments.runner.settings import Group, parse_settings
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.experiments.runner.task import dataset_of
from pathjax.plots import boundaries as figures
from pathjax.reporting.tables import aligned, interval, number

EXAMPLE = "python -m experiments.nudges --workdir=results/nudges"
VERSION = 1  # of the measurement
# What differs from configs/nudge.py.
CONDITIONS: dict[str, dict] = {
    "2-500-500-1": {},
    "2-500-1": {"model.widths": (500,)},
    "2-500-1, label noise 0.2": {"model.widths": (500,), "data.label_noise": 0.2},
    "2-500-1, L2 of 0.001 throughout": {"model.widths": (500,), "regularization.l2": 1e-3},
    "2-500-1, 5 times the force for 20 steps": {"model.widths": (500,), "measure.evaluation_every": 20},
    "2-500-1, 10 times the force": {"model.widths": (500,)},
}
FORCE, STEPS = 3e-3, 100
FACTORS = {"2-500-1, 5 times the force for 20 steps": (5, 20), "2-500-1, 10 times the force": (10, STEPS)}
DRAWN = (0, 100, 200, 300, 400, 500, 700, 1000, 1400, 2000, 2700, 3600, 5100)


class Design(Group):
    """The settings of a cell."""

    data: str
    condition: str
    num_inits: int
    num_steps: int


def config_of(design: Design) -> ConfigDict:
    """Returns the config of a cell: that of nudge, with the changes of the condition."""
    config = nudge.get_config()
    config.init_seeds = tuple(range(design.num_inits))
    config.data.name = design.data
    config.num_steps = design.num_steps
    factor, steps = FACTORS.get(design.condition, (1, STEPS))
    window = (factor * FORCE, 0, steps)
    config.arms = {
        "always": {"l1": FORCE},
        f"first {steps} steps": {"l1": window},
        "random push": {"tilt": window},
    }
    config.update_from_flattened_dict(CONDITIONS[design.condition])
    return config


def measure(design: Design) -> dict:
    """Returns traces, distances over time, losses, and pictures of the boundaries."""
    settings = parse_settings(config_of(design))
    trajectory = trajectory_of(settings, EXPERIMENT.observables)
    trajectory = with_plane(trajectory, *dataset_of(settings.data).train)
    found = decisions_of(trajectory)
    rows = np.unique(np.searchsorted(found.steps, [t for t in DRAWN if t <= found.steps[-1]]))
    curves: dict[str, dict] = {}
    for name in found.weights:
        each = {arm: to_baseline(found, arm, name)[rows] for arm in found.arms if arm != BASELINE}
        curves[name] = {
            arm: standalone.rounded([mean_over_units(row) for row in values]) for arm, values in each.items()
        }
        curves[name]["seeds"] = standalone.rounded(between_baselines(found, name)[rows])
    traces = [
        {"arm": arm, "measure": name} | {key: standalone.rounded(getattr(trace, key)) for key in TRACES}
        for arm, name, trace in traces_of(trajectory, settings)
    ]
    return standalone.to_json(
        {
            "steps": found.steps[rows],
            "curves": curves,
            "traces": traces,
            "control": control_of(settings),
            "to_always": {name: _to_always(found, name, settings) for name in found.weights},
            "ends": _ends(trajectory),
            "pictures": {
                arm: figures.packed((values[-1] == 1).sum(0)) for arm, values in found.arms.items() if arm != ONE_BIT
            },
            "extent": trajectory.attrs["plane_extent"],
            "examples": _examples(settings),
        }
    )


def _to_always(found: Decisions, name: str, settings) -> list:
    """Returns the distance of the nudged arm to the one with L1 throughout, when the nudge ends and at the end."""
    (nudged,) = set(ends_of(settings.arms, settings.num_steps)) - {control_of(settings)}
    distance = area_between(found.arms[nudged], found.arms["always"], found.weights[name])
    after = int(np.searchsorted(found.steps, ends_of(settings.arms, settings.num_steps)[nudged]))
    return standalone.rounded([mean_over_units(distance[after]), mean_over_units(distance[-1])])


def _ends(trajectory: xr.Dataset) -> dict:
    """Returns loss on the batch and accuracy on the test set of each arm at the end, means over initializations."""
    arms = {BASELINE: 0} | {str(trajectory.arm.values[i]): int(i) for i in np.flatnonzero(trajectory.role == "arm")}
    quantities = ("batch_loss", "test_accuracy", "weight_norm")
    last = {name: trajectory[name].transpose(..., "init", "member").values[-1].mean(0) for name in quantities}
    return {arm: standalone.rounded([last[name][i] for name in quantities]) for arm, i in arms.items()}


def _examples(settings) -> list:
    inputs, labels = dataset_of(settings.data).train
    return [[*standalone.rounded(point), int(label)] for point, label in zip(inputs, labels, strict=True)]


HEADER = ("data", "condition", "measure", *TRACES.values())
ENDS = ("data", "condition", "loss, accuracy, norm: plain", "L1 always", "nudged")


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns tables and verdicts, and writes the figures."""
    found = {(cell.settings.data, cell.settings.condition): cell.outcome for cell in cells}
    parts = [aligned([HEADER, *_rows(found)]), aligned([ENDS, *_end_rows(found)]), _verdicts(found)]
    for condition in dict.fromkeys(name for _, name in found):
        some = [cell for cell in cells if cell.settings.condition == condition]
        of_condition = {c.settings.data: c.outcome | {"num_inits": c.settings.num_inits} for c in some}
        tag = "nudges_" + "".join(c if c.isalnum() else "_" for c in condition.lower())
        parts.append([standalone.save_result(folder, tag, of_condition, "", figures.of_study)])
    return "\n\n".join("\n".join(part) for part in parts)


def _rows(found: dict) -> list[tuple[str, ...]]:
    return [
        (*key, row["measure"], *(interval(*row[name]) for name in TRACES))
        for key, outcome in found.items()
        for row in outcome["traces"]
        if row["arm"] != outcome["control"]
    ]


def _end_rows(found: dict) -> list[tuple[str, ...]]:
    rows = []
    for key, outcome in found.items():
        arms = [name for name in outcome["ends"] if name != outcome["control"]]
        rows.append((*key, *(", ".join(map(number, outcome["ends"][name])) for name in arms)))
    return rows


def _verdicts(found: dict) -> list[str]:
    lines = []
    for (data, condition), outcome in found.items():
        for row in outcome["traces"]:
            if row["arm"] != outcome["control"]:
                trace = Trace(*(Interval(*(float("nan") if v is None else v for v in row[k])) for k in Trace._fields))
                lines.append(f"{data}, {condition}: {verdict(trace, row['arm'], row['measure'])}")
    return lines


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the tables and the figures.", flag_values=values)
    flags.DEFINE_list("data", list(PLANE_SETS), "Data sets.", flag_values=values)
    flags.DEFINE_list("conditions", list(CONDITIONS), "Conditions, by their names or numbers.", flag_values=values)
    flags.DEFINE_integer("num_inits", 20, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_steps", 5100, "Training steps.", flag_values=values)


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, {"num_inits": MIN_UNITS, "num_steps": 3 * STEPS})
        data = standalone.chosen_names("data", values.data, PLANE_SETS)
        conditions = standalone.chosen_names("conditions", values.conditions, CONDITIONS)
        fits = f"--num_steps={values.num_steps} is out of range: choose a multiple of {STEPS}"
        require(values.num_steps % STEPS == 0, fits)
        standalone.prepare()
        command_line.make_folder(folder)
        given = {name: getattr(values, name) for name in ("num_inits", "num_steps")}
        cells = [Design(data=name, condition=condition, **given) for condition in conditions for name in data]
        run_study(Study("nudges", VERSION, measure, report), cells, folder)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
