"""How simple is each side of a domino? python -m experiments.simplicity --workdir=DIR

Trains networks of several widths on dominoes that show one side only. A pattern is simpler if fewer steps learn it, and
if fewer hidden units do: it counts as learned where the accuracy on one-sided test dominoes ends at 0.9 of the way from
chance to 1. Each side and width is a cell of a study. Writes a json file and a figure there.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
from absl import flags

from pathjax.analysis.intervals import mean_over_units, share
from pathjax.analysis.thresholds import time_to_threshold
from pathjax.core.errors import require
from pathjax.data import Dataset
from pathjax.experiments.dominoes.half_times import SIDES
from pathjax.experiments.patterns.experiment import COUNTS, TRAINING, define_training_flags
from pathjax.experiments.patterns.tables import times_text
from pathjax.experiments.patterns.training import Training, dominoes_of, learn
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.plots.simplicity import ends_by_width
from pathjax.reporting.tables import aligned, interval

EXAMPLE = "python -m experiments.simplicity --workdir=results/simplicity"
VERSION = 1  # of the measurement
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128)
LEARNED = 0.9  # of the way from chance to 1


class Design(Training):
    """The settings of a cell: one side, shown alone with so much noise, and one width."""

    data_sha256: str
    side: str
    noise: float


def measure(dataset: Dataset, design: Design) -> dict:
    """Returns the final accuracy and the half-time of each initialization."""
    steps, records = learn(dataset, design)
    known = records[f"{design.side}_accuracy"]
    chance = 1 / dataset.num_classes
    times = {
        name: time_to_threshold(steps, known.T, chance + level * (1 - chance)).round(3).tolist()
        for name, level in (("half", 0.5), ("learned", LEARNED))
    }
    return {"chance": chance, "ends": known[:, -1].round(4).tolist(), "times": times}


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns the tables of both sides, and writes the figure."""
    found: dict[str, dict] = {}
    for cell in cells:
        name = f"{getattr(cell.settings, cell.settings.side)} (side {cell.settings.side})"
        name += f", noise {cell.settings.noise:g}" if cell.settings.noise else ""
        found.setdefault(name, {})[cell.settings.width] = cell.outcome
    rows = [_row(name, width, out) for name, by_width in found.items() for width, out in by_width.items()]
    smallest = [_smallest(name, by_width) for name, by_width in found.items()]
    saved = standalone.save_result(folder, "simplicity", found, "How many units does a pattern take?", ends_by_width)
    return "\n".join([*aligned([HEADER, *rows]), "", *smallest, "", saved])


HEADER = ("side", "width", "accuracy at the end [95%]", "learned by [95%]", "half-time [95%]", "steps to learn [95%]")


def _row(name: str, width: int, out: dict) -> tuple[str, ...]:
    ends = np.array(out["ends"])
    return (
        name,
        str(width),
        interval(*mean_over_units(ends)),
        interval(*share(num_learned(out), len(ends))),
        *(times_text(np.array(out["times"][which], float)) for which in ("half", "learned")),
    )


def num_learned(outcome: dict) -> int:
    """Returns the number of initializations that end with the pattern learned.

    >>> num_learned({"chance": 0.1, "ends": [0.9, 0.95]})
    1
    """
    return int((np.array(outcome["ends"]) >= outcome["chance"] + LEARNED * (1 - outcome["chance"])).sum())


def _smallest(name: str, by_width: dict[int, dict]) -> str:
    counts = {width: (num_learned(out), len(out["ends"])) for width, out in sorted(by_width.items())}
    most = next((width for width, (num, total) in counts.items() if 2 * num > total), None)
    any_of = next((width for width, (num, _) in counts.items() if num), None)
    sure = next((width for width, (num, total) in counts.items() if num == total), None)
    if most is None:
        return f"{name}: no width learns it in most initializations"
    every = f"from {sure} on all do" if sure else "at no width all do"
    return (
        f"{name}: the smallest width that learns it in most initializations is {most} (some do from {any_of}, {every})"
    )


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the table and the figure.", flag_values=values)
    flags.DEFINE_list("noises", ["0"], "Standard deviations of noise in the images.", flag_values=values)
    define_training_flags(values)
    values.set_default("widths", list(map(str, WIDTHS)))


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, COUNTS)
        noises = [_number(one) for one in values.noises]
        standalone.prepare()
        given = {name: getattr(values, name) for name in TRAINING}
        sets: dict[str, Dataset] = {}
        cells = []
        for side in SIDES:
            for noise in noises:
                some = Training(width=1, **given)
                sides = {own: {"prevalence": float(own == side), "noise": noise} for own in SIDES}
                dataset = dominoes_of(some, **sides)
                digest = dataset.origin["sha256"]
                sets[digest] = dataset
                own = given | {"side": side, "noise": noise, "data_sha256": digest}
                cells += [Design(width=int(width), **own) for width in values.widths]
        command_line.make_folder(folder)
        study = Study("simplicity", VERSION, lambda cell: measure(sets[cell.data_sha256], cell), report)
        run_study(study, cells, folder)


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    require(found >= 0, f"--noises: '{text}' is not a standard deviation: give numbers, as in --noises=0,0.4")
    return found


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
