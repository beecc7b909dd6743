"""Does an early nudge leave a trace? python -m experiments.nudges --workdir=DIR

Trains initializations without a regularizer, with L1 throughout, with L1 in the first steps only, and with a random
push of the same force in these steps, on four data sets with two inputs. Each pair of a data set and a condition is a
cell of a study, and several processes may share the workdir. Writes figures there.

The claim that the trace persists is supported by an area between nudged and plain runs, 5,000 steps after the nudge,
that exceeds what one rounding error does and what a random push leaves, that stays (it is 0.8 to 1.25 of the area
half-way there), and by nudged runs that are another population than plain ones; each with a 95% interval. It says
little where plain runs no longer move. An area that is not detected, or decays (below 0.8), speaks against it.
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
from pathjax.experiments.arms.summary import TRACE_NOTE, TRACES, traces_of
from pathjax.experiments.arms.traces import (
    BASELINE,
    MIN_UNITS,
    ONE_BIT,
    Decisions,
    Trace,
    between_baselines,
    decisions_of,
    is_push,
    to_baseline,
    with_plane,
)
from pathjax.experiments.arms.verdict import verdict
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.in_memory import trajectory_of
from pathjax.experiments.runner.settings import Group, parse_settings
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.experiments.runner.task import dataset_of
from pathjax.plots import boundaries as figures
from pathjax.reporting.tables import aligned, interval, number

EXAMPLE = "python -m experiments.nudges --workdir=results/nudges"
VERSION = 3  # of the measurement
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
        {"measure": row.measure} | {name: standalone.rounded(getattr(row.trace, name)) for name in TRACES}
        for row in traces_of(trajectory, settings)
        if not is_push(settings.arms[row.arm])
    ]
    return standalone.to_json(
        {
            "steps": found.steps[rows],
            "curves": curves,
            "traces": traces,
            "to_always": {name: _to_always(found, name) for name in found.weights},
            "ends": _ends(trajectory),
            "pictures": {
                arm: figures.packed((values[-1] == 1).sum(0)) for arm, values in found.arms.items() if arm != ONE_BIT
            },
            "extent": trajectory.attrs["plane_extent"],
            "examples": _examples(settings),
        }
    )


def _to_always(found: Decisions, name: str) -> list:
    """Returns the distance of the nudged arm to the one with L1 throughout at the end, with its interval."""
    (nudged,) = (arm for arm in found.arms if arm.startswith("first"))
    distance = area_between(found.arms[nudged][-1], found.arms["always"][-1], found.weights[name])
    return standalone.rounded(mean_over_units(distance))


def _ends(trajectory: xr.Dataset) -> dict:
    """Returns loss on the batch and accuracy on the test set of each arm at the end, means over initializations."""
    arms = {BASELINE: 0} | {str(trajectory.arm.values[i]): int(i) for i in np.flatnonzero(trajectory.role == "arm")}
    quantities = ("batch_loss", "test_accuracy", "weight_norm")
    last = {name: trajectory[name].transpose(..., "init", "member").values[-1].mean(0) for name in quantities}
    return {arm: standalone.rounded([last[name][i] for name in quantities]) for arm, i in arms.items()}


def _examples(settings) -> list:
    inputs, labels = dataset_of(settings.data).train
    return [[*standalone.rounded(point), int(label)] for point, label in zip(inputs, labels, strict=True)]


SHOWN = ("after", "end", "late", "frozen", "beyond_control", "seeds", "separation", "separation_from_control", "moved")
HEADER = ("data", "condition", "measure", *(TRACES[name] for name in SHOWN))
ENDS = ("data", "condition", "loss, accuracy, norm: plain", "L1 always", "nudged", "random push")


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns tables and verdicts, and writes the figures."""
    found = {(cell.settings.data, cell.settings.condition): cell.outcome for cell in cells}
    parts = [[*aligned([HEADER, *_rows(found)]), TRACE_NOTE], aligned([ENDS, *_end_rows(found)]), _verdicts(found)]
    for condition in dict.fromkeys(name for _, name in found):
        some = [cell for cell in cells if cell.settings.condition == condition]
        of_condition = {c.settings.data: c.outcome | {"num_inits": c.settings.num_inits} for c in some}
        tag = "nudges_" + "".join(c if c.isalnum() else "_" for c in condition.lower())
        parts.append([standalone.save_result(folder, tag, of_condition, "", figures.of_study)])
    return "\n\n".join("\n".join(part) for part in parts)


def _rows(found: dict) -> list[tuple[str, ...]]:
    return [
        (*key, row["measure"], *(interval(*_known(row[name])) for name in SHOWN))
        for key, outcome in found.items()
        for row in outcome["traces"]
    ]


def _known(values: list) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _end_rows(found: dict) -> list[tuple[str, ...]]:
    return [(*key, *(", ".join(map(number, ends)) for ends in one["ends"].values())) for key, one in found.items()]


def _verdicts(found: dict) -> list[str]:
    """Returns the verdict on each cell and measure, and how many of them chance would give."""
    lines, apart = [], 0
    for (data, condition), outcome in found.items():
        for row in outcome["traces"]:
            trace = Trace(*(Interval(*_known(row[name])) for name in Trace._fields))
            apart += trace.separation.low > 0
            lines.append(f"{data}, {condition}: {verdict(trace, 'nudge', row['measure'])}")
    return [*lines, f"{apart} of {len(lines)} separations lie above 0, where chance alone gives {len(lines) / 40:.1f}."]


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
