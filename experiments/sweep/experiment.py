"""Sweeps of settings: python -m experiments.sweep --config=configs/sweep.py --workdir=DIR

All combinations of the continuous axes run in one program, and each combination of the static axes is a cell of a
study. A finished cell is not run again, a failed one does not stop the others, and several processes may share DIR. The
results are DIR/sweep.nc, labeled arrays with one axis for each setting, and DIR/sweep.png.
"""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import xarray as xr
from absl import flags, logging

import pathjax
from pathjax import observables as obs
from pathjax.core.errors import InputError, require
from pathjax.engine.layout import member_mesh
from pathjax.engine.observe import recorded
from pathjax.experiments.main import REQUIRED, define_flags
from pathjax.experiments.runner import command_line, devices, precision
from pathjax.experiments.runner.run import Program
from pathjax.experiments.runner.settings import parse_settings
from pathjax.experiments.runner.setup import Parts, set_up, training_examples
from pathjax.experiments.runner.study import Cell, Study, cell_digest, run_study
from pathjax.experiments.sweep.grid import SweepCell, cells, configured, grid_of, num_settings
from pathjax.experiments.sweep.settings import Settings
from pathjax.experiments.sweep.summary import table
from pathjax.io import run_folder
from pathjax.io.to_xarray import to_dataset
from pathjax.plots.sweep import sweep as draw
from pathjax.plots.sweep import sweep_outcome
from pathjax.reporting.noise import noise_words
from pathjax.reporting.page import Figure, draw_png

VERSION = 2  # of the estimator
EXAMPLE = "python -m experiments.sweep --config=configs/sweep.py --workdir=results/sweep"

# What to do in place of flags that do not apply to sweeps.
INSTEAD = {
    "distributed": "start several processes with the same --workdir",
    "dry_run": "try one setting, with the config of its experiment",
    "overwrite": "give another --workdir, or remove the folder",
}


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    train = training_examples(settings, parts)
    return [
        obs.weight_distance(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, every=measure.evaluation_every),
    ]


def run_cell(settings: Settings) -> xr.Dataset:
    """Runs all combinations of the continuous axes in one program; returns labeled arrays with an axis for each."""
    grid = grid_of(settings)
    with precision.running_in(settings.precision):
        setup = set_up(grid.starts[0], _observables)
        each = [setup.ensemble, *(setup.ensemble_of(start) for start in grid.starts[1:])]
        swept = _joined([pathjax.sweep(setup.dynamics, ensemble, grid.hparams) for ensemble in each])
        options = setup.options._replace(mesh=member_mesh() if jax.device_count() > 1 else None)
        parts = (setup.dynamics, swept, setup.dataset, setup.schedule, setup.observables)
        done = pathjax.rollout(*parts, options)
    axes = list(settings.sweep.continuous)
    own = done._replace(ensemble=setup.ensemble, recorded=recorded(setup.observables, setup.ensemble.state))
    one_by_one = [
        to_dataset(own._replace(records={name: a[:, i] for name, a in done.records.items()}))
        for i in range(len(grid.labels))
    ]
    # An axis of seeds, epsilons or steps replaces the members' labels, which are those of the first setting.
    return _with_axes([one.drop_vars(axes, errors="ignore") for one in one_by_one], grid.labels, axes)


def _joined(parts: list[pathjax.Ensemble]) -> pathjax.Ensemble:
    """Concatenates sweeps of the same members in different states."""
    state = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(part.state for part in parts))
    return parts[0]._replace(state=state)


def _with_axes(datasets: list[xr.Dataset], labels: list[dict], names: list[str]) -> xr.Dataset:
    """Joins datasets, with an axis for each name; missing combinations are NaN."""
    if not names:
        return datasets[0]
    joined = xr.concat(datasets, "setting", coords="minimal", compat="override", combine_attrs="override", join="outer")
    coords = {name: ("setting", [label[name] for label in labels]) for name in names}
    joined = joined.assign_coords(coords)
    if len(names) == 1:
        return joined.swap_dims(setting=names[0])
    return joined.set_index(setting=names).unstack("setting")


def measure(folder: pathlib.Path, cell: SweepCell) -> dict:
    """Run a cell; its records are kept beside its outcome, which says how far members end from their baseline."""
    print(f"{cell}: {num_settings(cell.settings)} settings in one program", flush=True)
    found = run_cell(configured(cell))
    run_folder.write_trajectory(_records(folder, cell), found)
    outcome, _ = sweep_outcome(found)
    axes = {str(name): outcome[name].values.tolist() for name in outcome.dims}
    records = _records(folder, cell)
    return {"axes": axes, "ends": outcome.values.tolist(), "files": {records.name: run_folder.file_digest(records)}}


def _records(folder: pathlib.Path, cell: SweepCell) -> pathlib.Path:
    return folder / "cells" / f"{cell_digest('sweep', VERSION, cell)}.nc"


def report(static: dict[str, Any], done: Sequence[Cell], folder: pathlib.Path) -> str:
    """Writes sweep.nc, with NaN for failed cells, and its figure; returns its table."""
    available = [cell.settings for cell in done if _records(folder, cell.settings).exists()]
    if not available:
        return "the records of no cell are here: their outcomes are committed; give another study's --workdir"
    opened = []
    for cell in available:
        with xr.open_dataset(_records(folder, cell), engine="h5netcdf") as file:
            opened.append(file.load())
    whole = _with_axes(opened, [cell.static for cell in available], list(static))
    whole = whole.reindex({name: list(values) for name, values in static.items()})
    run_folder.write_trajectory(folder / "sweep.nc", whole)
    image = draw_png(Figure("How far members end from their baseline", "", draw), whole)
    run_folder.replace_file(folder / "sweep.png", lambda path: path.write_bytes(image))
    missing = len(done) - len(available)
    note = f"\nthe records of {missing} cells are not here (only their outcomes are committed): NaN" if missing else ""
    own = any(settings.perturbation.noise == "own" for settings in map(configured, (c.settings for c in done)))
    note = f"{note}\n{noise_words(whole)}" if own else note
    return f"{table(whole)}\n\nkept as {folder}/sweep.nc and sweep.png{note}"


def run(settings: Settings, folder: pathlib.Path) -> None:
    """Runs every unfinished cell and reports all cells; exits with status 3 if some failed.

    Raises:
        InputError: if the axes are invalid, before anything is written.
    """
    asked = cells(settings)
    grid_of(asked[0].settings)
    _rehearse(asked)
    command_line.make_folder(folder)
    both = (functools.partial(measure, folder), functools.partial(report, settings.sweep.static))
    run_study(Study("sweep", VERSION, *both), asked, folder)


def _rehearse(asked: Sequence[SweepCell]) -> None:
    """Builds cells until one succeeds. Raises the InputError of the first if all fail."""
    wrong = None
    for cell in asked:
        try:
            own = configured(cell)
            with precision.running_in(own.precision):
                set_up(own, _observables)
            return
        except InputError as error:
            wrong = wrong or error
    if wrong is not None:
        raise wrong


def _main(argv) -> None:
    logging.set_verbosity(logging.ERROR)
    values = flags.FLAGS
    with command_line.one_line_errors():
        for flag, instead in INSTEAD.items():
            require(not values[flag].value, f"--{flag} does not apply to sweeps: {instead}")
        is_sweep = values.config.get("experiment") == "sweep"
        require(is_sweep, "the config must have experiment=sweep: begin with configs/sweep.py")
        settings = parse_settings(values.config)
        devices.prepare(settings.num_devices)
        run(settings, pathlib.Path(values.workdir))


EXPERIMENT = Program(Settings)


def main() -> None:
    """Parses the flags and runs the program."""
    command_line.run_program(_main, define_flags, REQUIRED, EXAMPLE)
