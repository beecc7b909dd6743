"""What a sweep consists of: cells of static settings, and in each a grid of continuous ones."""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

from ml_collections import ConfigDict

from pathjax.core.errors import require
from pathjax.experiments.runner import members
from pathjax.experiments.runner.task import dataset_of, hparams_of
from pathjax.models.parameter_count import width_for
from pathjax.training.optimizers import named_optimizer

STATIC = {
    "model": "model.name",
    "activation": "model.activation",
    "initializer": "model.initializer",
    "parametrization": "model.parametrization",
    "optimizer": "optimizer.name",
    "batch_size": "data.batch_size",
    "data": "data.name",
    "seed": "seed",
    "width": "",
    "depth": "",
}
# Continuous axes that are no hyperparameters, but say how the members of a setting begin: (setting, value in it).
MEMBERS: dict[str, tuple[str, Callable]] = {
    "seed": ("seed", int),
    "epsilon": ("perturbation.epsilons", lambda value: (float(value),)),
    "at_step": ("perturbation.at_steps", lambda value: (int(value),)),
}


class Grid(NamedTuple):
    """The continuous axes of a sweep: configs that differ in how members begin, hyperparameters for each of them, and
    the values of both in the order of the program's settings."""

    starts: list[ConfigDict]
    hparams: list[dict[str, float]]
    labels: list[dict]


def grid_of(config: ConfigDict) -> Grid:
    """All combinations; InputError for what is out of range."""
    axes = {name: list(values) for name, values in config.sweep.continuous.items()}
    of_members = [name for name in axes if name in MEMBERS]
    of_optimizer = [name for name in axes if name not in MEMBERS]
    starts = [_started(config, start) for start in _combined(axes, of_members)]
    hparams = [{name: float(value) for name, value in one.items()} for one in _combined(axes, of_optimizer)]
    given = hparams_of(config)
    for setting in hparams:
        named_optimizer(config.optimizer.name, given | setting)
    for start in starts:
        start.optimizer.update(hparams[0])
    return Grid(starts, hparams, _combined(axes, [*of_members, *of_optimizer]))


def _combined(axes: dict[str, list], names: list[str]) -> list[dict]:
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(axes[name] for name in names))]


def _started(config: ConfigDict, start: dict) -> ConfigDict:
    """The config with other members at the beginning; InputError for those that do not fit."""
    own = ConfigDict(config.to_dict())
    for name, value in start.items():
        setting, read = MEMBERS[name]
        with own.unlocked():
            group, _, key = setting.rpartition(".")
            (own[group] if group else own)[key] = read(value)
    members.check(own)
    return own


def cells(config: ConfigDict) -> dict[str, dict]:
    """By name, the static settings of each folder; InputError for axes that are none."""
    static, continuous = dict(config.sweep.static.items()), dict(config.sweep.continuous.items())
    require(bool(static or continuous), "a sweep of no axes: give sweep.continuous or sweep.static some")
    for name in static:
        require(name in STATIC, f"sweep.static has no axis '{name}': choose of {', '.join(STATIC)}")
    for name, values in [*static.items(), *continuous.items()]:
        is_list = isinstance(values, (tuple, list))
        require(is_list, f"the sweep's {name} is {values!r}: expected a tuple, such as ({values!r},)")
        require(len(values) > 0, f"the sweep's {name} is empty: give at least one value, or leave it out")
        require(len(set(values)) == len(values), f"the sweep's {name} {tuple(values)} repeats a value: give each once")
    for name, values in continuous.items():
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in values)
        require(numbers, f"the sweep's {name} {tuple(values)}: expected finite numbers")
    both = sorted(static.keys() & continuous.keys())
    require(not both, f"the sweep's {both and both[0]} is both continuous and static: choose one")
    found = [dict(zip(static, values, strict=True)) for values in itertools.product(*static.values())]
    return {",".join(f"{name}={value}" for name, value in cell.items()) or "all": cell for cell in found}


def configured(config: ConfigDict, cell: dict) -> ConfigDict:
    """The config of a cell."""
    own = ConfigDict(config.to_dict())
    for name, value in cell.items():
        if STATIC[name]:
            own.update_from_flattened_dict({STATIC[name]: value})
    widths = tuple(own.model.widths)
    depth = int(cell.get("depth", len(widths)))
    width = int(cell.get("width", widths[0] if widths else 1))
    if config.sweep.num_parameters and "depth" in cell:
        name = own.model.name
        require(name == "mlp", f"sweep.num_parameters counts those of an mlp, and the model is '{name}': set it to 0")
        dataset = dataset_of(own)
        width = width_for(config.sweep.num_parameters, depth, dataset.train[0][0].size, dataset.num_classes)
    if "depth" in cell or "width" in cell:
        own.model.widths = (width,) * depth
    return own


def num_settings(config: ConfigDict) -> int:
    return math.prod(len(values) for values in config.sweep.continuous.values())
