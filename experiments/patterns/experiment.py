"""How do prevalence, reliability and simplicity decide what is learned? python -m experiments.patterns --workdir=DIR

Six studies: the prevalence, the reliability or the noise of one side of dominoes takes six values, and all else stays.
Each cell trains eight initializations, the same in all cells, and fits the model of patterns: logistic learning of each
side, independence of the two, and a preferred side. Several processes may share the workdir. Writes a json file and
figures there.

The model (Davies et al.) says that prevalence changes the final share gamma and not the time, that simplicity changes
speed and time, that reliability changes neither but only the test accuracy, and that a side's settings do not change
the other side. The table of effects says which of these hold.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
from absl import flags

from pathjax.analysis.curve_fits import fit_logistic
from pathjax.analysis.intervals import mean_over_units
from pathjax.analysis.statistics import half_interval
from pathjax.analysis.thresholds import time_to_threshold
from pathjax.data import Dataset
from pathjax.experiments.dominoes.half_times import SIDES
from pathjax.experiments.dominoes.model import PREFERENCES, compare, conflict_rms
from pathjax.experiments.patterns.tables import times_text
from pathjax.experiments.patterns.training import Learned, Training, dominoes_of, learn
from pathjax.experiments.runner import command_line, standalone
from pathjax.experiments.runner.study import Cell, Study, run_study
from pathjax.plots import pattern_studies as figures
from pathjax.reporting.tables import aligned, interval, number
from pathjax.theory.pattern_learning import deciding

EXAMPLE = "python -m experiments.patterns --workdir=results/patterns"
VERSION = 1  # of the measurement
# The varied setting of a side, its name in a study, and its values; all other settings are those of USUAL.
VALUES = {
    "prevalence": (0.1, 0.2, 0.4, 0.6, 0.8, 1.0),
    "reliability": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "noise": (0.0, 0.1, 0.2, 0.4, 0.6, 0.8),
}
USUAL = {"prevalence": 0.8, "reliability": 1.0, "noise": 0.0}
STUDIES = tuple(f"{name}_{side}" for name in VALUES for side in SIDES)
NUM_STORED = 24  # of the records, in equal ratios, in a cell


class Design(Training):
    """The settings of a cell: one value of one setting of one side."""

    data_sha256: str
    study: str
    value: float


def measure(dataset: Dataset, design: Design) -> dict:
    """Returns half-times, fits, ends and thinned curves of all initializations, and how well the model holds."""
    return outcome_of(learn(dataset, design), 1 / dataset.num_classes)


def outcome_of(found: Learned, chance: float) -> dict:
    """Returns what a cell keeps of learning curves, in JSON types.

    Half-times are NaN where they are not reached. `fits` has (prevalence, speed, half-time) of each initialization.
    """
    steps, records = found
    known = {side: records[f"{side}_accuracy"] for side in SIDES}
    times = {side: time_to_threshold(steps, own.T, (1 + chance) / 2) for side, own in known.items()}
    fits = {side: fit_logistic(steps, own, chance) for side, own in known.items()}
    p = np.clip((np.stack([known[side] for side in SIDES], -1) - chance) / (1 - chance), 0, 1)
    none = np.prod(1 - p, axis=-1)
    together = compare(steps, records["both_accuracy"], 1 - (1 - chance) * none)
    preferences = {}
    for name, preference in PREFERENCES.items():
        decides = deciding(p, preference) + chance * none[..., None]
        each = {
            side: compare(steps, records[f"conflict_{side}_accuracy"], decides[..., i]) for i, side in enumerate(SIDES)
        }
        preferences[name] = conflict_rms(each)
    stored = np.unique(np.searchsorted(steps, np.geomspace(steps[1], steps[-1], NUM_STORED)))
    names = ("m_accuracy", "c_accuracy", "both_accuracy", "conflict_m_accuracy", "conflict_c_accuracy")
    return {
        "chance": chance,
        "half_times": {side: own.round(3).tolist() for side, own in times.items()},
        "fits": {side: np.round(fit.of_units, 6).tolist() for side, fit in fits.items()},
        "rms": {side: round(fit.rms, 5) for side, fit in fits.items()},
        "together": {name: round(float(getattr(together, name)), 5) for name in ("rms", "largest", "at_step")},
        "preferences": {name: round(rms, 5) for name, rms in preferences.items()},
        "ends": {name: own[:, -1].round(4).tolist() for name, own in records.items()},
        "steps": steps[stored].tolist(),
        "curves": {name: records[name][:, stored].round(3).tolist() for name in names},
    }


def report(cells: Sequence[Cell], folder: pathlib.Path) -> str:
    """Returns tables of all studies, and writes the figures."""
    ordered = sorted(cells, key=lambda cell: cell.settings.value)
    by_study = {name: [cell for cell in ordered if cell.settings.study == name] for name in STUDIES}
    by_study = {name: own for name, own in by_study.items() if own}
    parts = [_table(name, own) for name, own in by_study.items()]
    found = {
        name: {"values": [cell.settings.value for cell in own], "cells": [cell.outcome for cell in own]}
        for name, own in by_study.items()
    }
    effects = [effect for name, own in found.items() for effect in effects_of(name, own)]
    if effects:
        parts.append("\n".join([*aligned([EFFECTS, *(_effect_row(effect) for effect in effects)]), "", EFFECTS_NOTE]))
    parts.append(_independence(effects, cells))
    saved = [
        standalone.save_result(
            folder, setting, found, f"What {setting} does to half-times", figures.half_times(setting)
        )
        for setting in VALUES
        if any(name.startswith(setting) for name in found)
    ]
    return "\n\n".join([*parts, "\n".join(saved)])


TABLE = (
    *("value", "half-time of m [95%]", "half-time of c [95%]", "conflict: m [95%]", "conflict: c [95%]"),
    *("both: rms (largest)", "preferred (rms)"),
)
FITS = ("value", "pattern", "gamma [95%]", "alpha per step [95%]", "b [95%]", "rms of residuals")


def _table(name: str, cells: Sequence[Cell]) -> str:
    rows, fits = [_row(cell) for cell in cells], [row for cell in cells for row in _fit_rows(cell)]
    return "\n".join([f"{name.replace('_', ' of side ')}", *aligned([TABLE, *rows]), "", *aligned([FITS, *fits])])


def _fit_rows(cell: Cell) -> list[tuple[str, ...]]:
    value, out = f"{cell.settings.value:g}", cell.outcome
    return [(value, s, *map(_mean, np.array(out["fits"][s]).T), number(out["rms"][s])) for s in SIDES]


def _row(cell: Cell) -> tuple[str, ...]:
    out = cell.outcome
    conflicts = {side: np.array(out["ends"][f"conflict_{side}_accuracy"]) for side in SIDES}
    preferred = min(out["preferences"], key=out["preferences"].get)
    return (
        f"{cell.settings.value:g}",
        *(times_text(np.array(out["half_times"][side], float)) for side in SIDES),
        *(_mean(conflicts[side]) for side in SIDES),
        f"{number(out['together']['rms'])} ({number(out['together']['largest'])})",
        f"{preferred.removesuffix(' preferred')} ({number(out['preferences'][preferred])})",
    )


def _mean(values: np.ndarray) -> str:
    return interval(*mean_over_units(values))


EFFECTS = ("varied", "from", "to", "pattern", "half-time, ratio [95%]", "speed, ratio [95%]", "gamma, difference [95%]")
EFFECTS_NOTE = (
    "The two values of a setting that are farthest apart, of those at which all initializations learn half of the "
    "pattern: the value at the end over that at the start, geometric means over initializations, which are paired."
)


def effects_of(name: str, found: dict) -> list[dict]:
    """Returns what a study's setting does to each pattern: half-time and speed as ratios, and gamma.

    Args:
        name: of the study.
        found: "values", and "cells" with their outcomes.
    """
    effects = []
    for side in SIDES:
        learned = [i for i, cell in enumerate(found["cells"]) if _all_learned(cell, side)]
        if len(learned) < 2:
            continue
        first, last = (found["cells"][learned[i]] for i in (0, -1))
        times = np.log(np.array(last["half_times"][side]) / np.array(first["half_times"][side]))
        fits = [np.array(cell["fits"][side]) for cell in (first, last)]
        speeds = np.log(fits[1][:, 1] / fits[0][:, 1])
        effects.append(
            {
                "study": name,
                "pattern": side,
                "from": found["values"][learned[0]],
                "to": found["values"][learned[-1]],
                "half_time": np.exp(_ends(times)).tolist(),
                "speed": np.exp(_ends(speeds)).tolist(),
                "prevalence": _ends(fits[1][:, 0] - fits[0][:, 0]).tolist(),
            }
        )
    return effects


def _all_learned(cell: dict, side: str) -> bool:
    return all(time is not None and np.isfinite(time) for time in cell["half_times"][side])


def _ends(values: np.ndarray) -> np.ndarray:
    mean, reach = values.mean(), float(half_interval(values))
    return np.array([mean, mean - reach, mean + reach])


def _effect_row(effect: dict) -> tuple[str, ...]:
    ends = (interval(*effect[name]) for name in ("half_time", "speed", "prevalence"))
    varied = effect["study"].replace("_", " of ")
    return (varied, f"{effect['from']:g}", f"{effect['to']:g}", effect["pattern"], *ends)


def _independence(effects: Sequence[dict], cells: Sequence[Cell]) -> str:
    """Says how much a side's settings change the other side, and how far two-sided dominoes are from independence."""
    cross = [effect for effect in effects if not effect["study"].endswith(f"_{effect['pattern']}")]
    moved = [effect for effect in cross if not effect["half_time"][1] <= 1 <= effect["half_time"][2]]
    said = [
        f"{effect['study'].replace('_', ' of ')} on {effect['pattern']}: {interval(*effect['half_time'])}"
        for effect in moved
    ]
    listed = f" ({'; '.join(said)})" if said else ""
    rms = [cell.outcome["together"]["rms"] for cell in cells]
    return (
        f"Independence: of {len(cross)} effects on the other side's half-time, {len(moved)} differ from 1 at "
        f"95%{listed}. Two-sided dominoes differ from independent answers by an rms of {number(min(rms))} to "
        f"{number(max(rms))} (median {number(float(np.median(rms)))})."
    )


def define_flags(values: flags.FlagValues, argv) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("workdir", None, "Folder for the tables and the figures.", flag_values=values)
    flags.DEFINE_list("studies", list(STUDIES), "Studies, by name or number.", flag_values=values)
    define_training_flags(values)


def define_training_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the training that such studies share."""
    flags.DEFINE_string("m", "digits", "Images of the upper side.", flag_values=values)
    flags.DEFINE_string("c", "gratings", "Images of the lower side.", flag_values=values)
    flags.DEFINE_string("m_dir", None, "Folder of the set of the upper side.", flag_values=values)
    flags.DEFINE_string("c_dir", None, "Folder of the set of the lower side.", flag_values=values)
    flags.DEFINE_integer("num_train", 1000, "Training dominoes.", flag_values=values)
    flags.DEFINE_integer("num_inits", 8, "Number of initializations.", flag_values=values)
    flags.DEFINE_integer("num_steps", 2000, "Training steps.", flag_values=values)
    flags.DEFINE_integer("every", 10, "Steps between records.", flag_values=values)
    flags.DEFINE_list("widths", ["128"], "Width of the hidden layer.", flag_values=values)


COUNTS = {"num_train": 64, "num_inits": 2, "num_steps": 50, "every": 1}
TRAINING = ("m", "c", "m_dir", "c_dir", "num_train", "num_inits", "num_steps", "every")


def _main(_) -> None:
    values = flags.FLAGS
    with command_line.one_line_errors():
        folder = standalone.validate_flags(values, COUNTS)
        chosen = standalone.chosen_names("studies", values.studies, STUDIES)
        standalone.prepare()
        given = {name: getattr(values, name) for name in TRAINING} | {"width": int(values.widths[0])}
        training = Training(**given)
        sets: dict[str, Dataset] = {}
        cells = []
        for study in chosen:
            for value in VALUES[study.rpartition("_")[0]]:
                dataset = _dataset(training, study, value)
                digest = dataset.origin["sha256"]
                sets[digest] = dataset
                cells.append(Design(study=study, value=value, data_sha256=digest, **given))
        command_line.make_folder(folder)
        run_study(Study("patterns", VERSION, lambda cell: measure(sets[cell.data_sha256], cell), report), cells, folder)


def _dataset(training: Training, study: str, value: float) -> Dataset:
    name, _, side = study.rpartition("_")
    return dominoes_of(training, **{own: USUAL | ({name: value} if own == side else {}) for own in SIDES})


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, ("workdir",), EXAMPLE)
