"""Sweeps of settings: python -m experiments.sweep --config=configs/sweep.py --workdir=DIR

All combinations of the continuous axes are one program; each combination of the static ones is a folder of its own in
DIR. One that is finished is not run again, one that fails does not stop the others. What there is becomes DIR/sweep.nc,
labelled arrays with an axis for each, and DIR/sweep.png.
"""

import itertools
import json
import math
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from absl import app, flags, logging
from ml_collections import ConfigDict

import pathjax
from pathjax import observables as obs
from pathjax.analysis.statistics import spread
from pathjax.core.errors import require
from pathjax.engine.layout import member_mesh
from pathjax.experiments.main import REQUIRED, define_flags
from pathjax.experiments.runner import command_line, devices, members, precision
from pathjax.experiments.runner.manifest import environment
from pathjax.experiments.runner.setup import Parts, set_up, training_examples
from pathjax.experiments.runner.task import dataset_of, hparams_of
from pathjax.io import run_folder
from pathjax.io.to_xarray import to_dataset
from pathjax.models.parameter_count import width_for
from pathjax.plots.sweep import at_the_end, sweep_outcome
from pathjax.plots.sweep import sweep as draw
from pathjax.reporting.page import Figure, draw_png
from pathjax.reporting.tables import aligned, quantiles
from pathjax.training.optimizers import named_optimizer

KEPT = "sweep.nc"
EXAMPLE = "python -m experiments.sweep --config=configs/sweep.py --workdir=results/sweep"
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


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure = config.measure
    train = training_examples(config, parts)
    return [
        obs.weight_distance(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, measure.evaluation_every),
    ]


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


def run_cell(config: ConfigDict) -> xr.Dataset:
    """All combinations of the continuous axes as one program: labelled arrays with an axis for each."""
    grid = grid_of(config)
    with precision.running_in(config.precision):
        setup = set_up(grid.starts[0], _observables)
        each = [setup.ensemble, *(setup.ensemble_of(start) for start in grid.starts[1:])]
        swept = _joined([pathjax.sweep(setup.dynamics, ensemble, grid.hparams) for ensemble in each])
        options = setup.options | {"mesh": member_mesh() if jax.device_count() > 1 else None}
        parts = (setup.dynamics, swept, setup.examples, setup.schedule, setup.observables)
        done = pathjax.rollout(*parts, **options)
    axes = list(config.sweep.continuous)
    one_by_one = [
        to_dataset({name: a[:, i] for name, a in done.records.items()}, done.steps, setup.observables, setup.ensemble)
        for i in range(len(grid.labels))
    ]
    # An axis of seeds, sizes or steps is in place of the members' labels, which are those of the first setting.
    return _with_axes([one.drop_vars(axes, errors="ignore") for one in one_by_one], grid.labels, axes)


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


def _joined(parts: list[pathjax.Ensemble]) -> pathjax.Ensemble:
    """Sweeps of the same members in other states, one after the other."""
    state = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(part.state for part in parts))
    return parts[0]._replace(state=state)


def _with_axes(datasets: list[xr.Dataset], labels: list[dict], names: list[str]) -> xr.Dataset:
    """Datasets as one, with an axis for each name; NaN where there is none."""
    if not names:
        return datasets[0]
    joined = xr.concat(datasets, "setting", coords="minimal", compat="override", combine_attrs="override", join="outer")
    coords = {name: ("setting", [label[name] for label in labels]) for name in names}
    joined = joined.assign_coords(coords)
    if len(names) == 1:
        return joined.swap_dims(setting=names[0])
    return joined.set_index(setting=names).unstack("setting")


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


def run(config: ConfigDict, folder: pathlib.Path) -> xr.Dataset:
    """Every cell that is not there yet, and what all of them are together."""
    todo, failed = {}, {}
    for name, cell in cells(config).items():
        try:
            todo[name] = configured(config, cell)
        except Exception as error:  # whatever it is, the other cells go on
            failed[name] = _said(error)
    finished = {name for name, own in todo.items() if _finished(folder / name, own)}
    for name, own in todo.items():
        if name in finished:
            print(f"{name}: finished already", flush=True)
            continue
        print(f"{name}: {_count(config)} settings in one program", flush=True)
        try:
            found = run_cell(ConfigDict(own.to_dict()))
        except Exception as error:
            failed[name] = _said(error)
            print(f"{name}: failed ({failed[name]})", flush=True)
            continue
        run_folder.write_json(folder / name / "config.json", own.to_dict())
        run_folder.write_json(folder / name / "manifest.json", environment())
        run_folder.write_trajectory(folder / name / KEPT, found)  # last: now the cell counts as finished
    run_folder.write_json(folder / "failed.json", failed)
    why = "; ".join(f"{name}: {why}" for name, why in failed.items())
    require(len(failed) < len(cells(config)), f"every cell failed: {why}")
    if failed:
        print(f"\n{len(failed)} of {len(cells(config))} cells failed, and are NaN below: {why}", flush=True)
    return _gather(folder, config, [name for name in todo if name not in failed])


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {run_folder.one_line(error)}"


def _gather(folder: pathlib.Path, config: ConfigDict, names: list[str]) -> xr.Dataset:
    done, labels = [], cells(config)
    for name in names:
        with xr.open_dataset(folder / name / KEPT, engine="h5netcdf") as file:
            done.append(file.load())
    whole = _with_axes(done, [labels[name] for name in names], list(config.sweep.static))
    # NaN for those that failed.
    whole = whole.reindex({name: list(values) for name, values in config.sweep.static.items()})
    run_folder.write_trajectory(folder / KEPT, whole)
    return whole


def _finished(folder: pathlib.Path, config: ConfigDict) -> bool:
    """Whether a cell is there; InputError if it is another's."""
    if not (folder / KEPT).exists():
        return False
    kept, own = (
        _of_cell(c) for c in (run_folder.read_json(folder / "config.json"), json.loads(json.dumps(config.to_dict())))
    )
    differs = sorted(key for key in own.keys() | kept.keys() if kept.get(key) != own.get(key))
    require(not differs, f"{folder} holds a cell with other {', '.join(differs)}: choose another --workdir")
    return True


def _of_cell(config: dict) -> dict:
    """What a cell's results depend on: not on which others there are."""
    return config | {"sweep": {key: value for key, value in config["sweep"].items() if key != "static"}}


def _count(config: ConfigDict) -> int:
    return int(np.prod([len(values) for values in config.sweep.continuous.values()]))


def table(whole: xr.Dataset) -> str:
    """Test loss, and how far members end: medians over all settings of an axis, one axis after the other."""
    outcome, label = sweep_outcome(whole)
    loss = at_the_end(whole, "test_loss").isel(member=0)
    rows: list[tuple[str, ...]] = [
        ("axis", "value", f"{label}: median [16%, 84%] over settings", "test loss of baselines")
    ]
    for name in outcome.dims:
        for value in outcome[name].values:
            both = [quantiles(spread(a.sel({name: value}).values)._asdict()) for a in (outcome, loss)]
            rows.append((str(name), str(value), *both))
    return "\n".join(aligned(rows))


def _main(argv) -> None:
    logging.set_verbosity(logging.ERROR)
    values = flags.FLAGS
    with command_line.one_line_errors():
        require(not values.distributed, "--distributed: a sweep runs on one machine")
        config, folder = values.config, pathlib.Path(values.workdir)
        require(config.get("experiment") == "sweep", "the config is of no sweep: begin with configs/sweep.py")
        cells(config)
        devices.prepare(config.num_devices)
        command_line.make_folder(folder)
        with run_folder.locked(folder):
            whole = run(config, folder)
            image = draw_png(Figure("How far members end from their baseline", "", draw), whole)
            run_folder.replace_file(folder / "sweep.png", lambda path: path.write_bytes(image))
        print(f"\n{table(whole)}\n\nkept as {folder}/sweep.nc and sweep.png")


def main() -> None:
    """Parse the flags and run."""
    parse = command_line.parse_flags
    app.run(_main, flags_parser=lambda args: parse(flags.FLAGS, args, define_flags, REQUIRED, EXAMPLE))
