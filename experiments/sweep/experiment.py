"""Sweeps of settings: python -m experiments.sweep --config=configs/sweep.py --workdir=DIR

All combinations of the continuous axes are one program; each combination of the static ones is a folder of its own in
DIR. One that is finished is not run again, one that fails does not stop the others. What there is becomes DIR/sweep.nc,
labeled arrays with an axis for each, and DIR/sweep.png.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import xarray as xr
from absl import flags, logging
from ml_collections import ConfigDict

import pathjax
from pathjax import observables as obs
from pathjax.core.errors import require
from pathjax.engine.layout import member_mesh
from pathjax.experiments.main import REQUIRED, define_flags
from pathjax.experiments.runner import command_line, devices, precision
from pathjax.experiments.runner.manifest import environment
from pathjax.experiments.runner.setup import Parts, set_up, training_examples
from pathjax.experiments.sweep.grid import cells, configured, grid_of, num_settings
from pathjax.experiments.sweep.summary import table
from pathjax.io import run_folder
from pathjax.io.to_xarray import to_dataset
from pathjax.plots.sweep import sweep as draw
from pathjax.reporting.page import Figure, draw_png

KEPT = "sweep.nc"
EXAMPLE = "python -m experiments.sweep --config=configs/sweep.py --workdir=results/sweep"


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure = config.measure
    train = training_examples(config, parts)
    return [
        obs.weight_distance(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, measure.evaluation_every),
    ]


def run_cell(config: ConfigDict) -> xr.Dataset:
    """All combinations of the continuous axes as one program: labeled arrays with an axis for each."""
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
        print(f"{name}: {num_settings(config)} settings in one program", flush=True)
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
    command_line.run_program(_main, define_flags, REQUIRED, EXAMPLE)
