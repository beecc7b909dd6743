"""The parts of a sweep: cells of static settings, each with a grid of continuous settings."""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from pathjax.core.errors import require
from pathjax.experiments.runner import hyperparameters, members
from pathjax.experiments.runner.identity import identity
from pathjax.experiments.runner.settings import with_changes
from pathjax.experiments.runner.study import Identified
from pathjax.experiments.runner.task import dataset_of, optimizer_of
from pathjax.experiments.sweep.settings import Settings
from pathjax.models.parameter_count import width_for

STATIC = {
    "model": "model.name",
    "activation": "model.activation",
    "initializer": "model.initializer",
    "parametrization": "model.parametrization",
    "optimizer": "optimizer.name",
    "batch_size": "data.batch_size",
    "data": "data.name",
    "seed": "seed",
    "noise": "perturbation.noise",
    "width": "",
    "depth": "",
}
# Continuous axes that are not hyperparameters, but decide the initial members of a setting: (setting, its value).
MEMBERS: dict[str, tuple[str, Callable]] = {
    "seed": ("seed", int),
    "epsilon": ("perturbation.epsilons", lambda value: (float(value),)),
    "at_step": ("perturbation.at_steps", lambda value: (int(value),)),
}


class Grid(NamedTuple):
    """The continuous axes of a sweep: settings that differ in the initial members, the hyperparameters for each of
    them, and the values of both in the order of the program's axis."""

    starts: list[Settings]
    hparams: list[dict[str, float]]
    labels: list[dict]


def grid_of(settings: Settings) -> Grid:
    """Returns all combinations. Raises InputError for values out of range."""
    axes = {name: list(values) for name, values in settings.sweep.continuous.items()}
    of_members = [name for name in axes if name in MEMBERS]
    of_optimizer = [name for name in axes if name not in MEMBERS]
    hparams = [{name: float(value) for name, value in one.items()} for one in _combined(axes, of_optimizer)]
    given = hyperparameters.of_optimizer(settings)
    for own in hparams:
        optimizer_of(settings, given | own)
    first = {f"optimizer.{name}": value for name, value in hparams[0].items()}
    starts = [_started(settings, start, first) for start in _combined(axes, of_members)]
    return Grid(starts, hparams, _combined(axes, [*of_members, *of_optimizer]))


def _combined(axes: dict[str, list], names: list[str]) -> list[dict]:
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(axes[name] for name in names))]


def _started(settings: Settings, start: dict, hparams: dict) -> Settings:
    """Returns the settings with other initial members. Raises InputError if these are invalid."""
    changes = {MEMBERS[name][0]: MEMBERS[name][1](value) for name, value in start.items()}
    own = with_changes(settings, changes | hparams)
    members.check(own)
    return own


class SweepCell(Identified):
    """A cell: the settings of all, and the static ones of this."""

    settings: Settings
    static: dict[str, Any]

    def identity(self) -> dict:
        """Returns what decides its numbers: data by their SHA-256, the user's own functions by their source."""
        return {"settings": identity(_with_static(self)), "static": self.static}

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.static.items()) or "all"


def cells(settings: Settings) -> list[SweepCell]:
    """Returns a cell for each combination of the static axes. Raises InputError for invalid axes."""
    static, continuous = settings.sweep.static, settings.sweep.continuous
    require(bool(static or continuous), "a sweep needs axes: give sweep.continuous or sweep.static")
    for name in static:
        require(name in STATIC, f"sweep.static has no axis '{name}': choose from {', '.join(STATIC)}")
    for name, values in [*static.items(), *continuous.items()]:
        is_list = isinstance(values, (tuple, list))
        require(is_list, f"the sweep's {name} is {values!r}: expected a tuple, such as ({values!r},)")
        require(len(values) > 0, f"the sweep's {name} is empty: give at least one value, or leave it out")
        require(len(set(values)) == len(values), f"the sweep's {name} {tuple(values)} repeats a value: give each once")
    for name in static.keys() & {"width", "depth"}:
        counts = all(isinstance(v, int) and not isinstance(v, bool) and v >= 1 for v in static[name])
        require(counts, f"the sweep's {name} {tuple(static[name])}: expected positive integers")
    for name, values in continuous.items():
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in values)
        require(numbers, f"the sweep's {name} {tuple(values)}: expected finite numbers")
    both = sorted(static.keys() & continuous.keys())
    require(not both, f"the sweep's {both and both[0]} is both continuous and static: choose one")
    alone = with_changes(settings, {"sweep.static": {}})  # a cell does not depend on the other cells
    combined = itertools.product(*static.values())
    found = [SweepCell(settings=alone, static=dict(zip(static, values, strict=True))) for values in combined]
    for cell in found:
        _with_static(cell)
    return found


def _with_static(cell: SweepCell) -> Settings:
    return with_changes(cell.settings, {STATIC[name]: value for name, value in cell.static.items() if STATIC[name]})


def configured(cell: SweepCell) -> Settings:
    """Returns the settings of a cell's program."""
    own, static, num_parameters = _with_static(cell), cell.static, cell.settings.sweep.num_parameters
    widths = own.model.widths
    depth = int(static.get("depth", len(widths)))
    width = int(static.get("width", widths[0] if widths else 1))
    if num_parameters and "depth" in static:
        name = own.model.name
        require(name == "mlp", f"sweep.num_parameters supports only mlp, not '{name}': set it to 0")
        dataset = dataset_of(own.data)
        width = width_for(num_parameters, depth, dataset.train[0][0].size, dataset.num_classes)
    if "depth" in static or "width" in static:
        own = with_changes(own, {"model.widths": (width,) * depth})
    return own


def num_settings(settings: Settings) -> int:
    return math.prod(len(values) for values in settings.sweep.continuous.values())
