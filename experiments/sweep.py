"""Sweeps of settings: python -m experiments.sweep --config=configs/sweep.py --workdir=DIR

All combinations of the continuous axes are one program; each combination of the static ones is a folder of its own in
DIR. One that is finished is not run again, one that fails does not stop the others. What there is becomes DIR/sweep.nc,
labelled arrays with an axis for each, and DIR/sweep.png.
"""

import itertools
import json
import pathlib

import jax
import numpy as np
import xarray as xr
from absl import app, flags, logging
from ml_collections import ConfigDict

import pathjax
from experiments import command_line, devices, main, numerics
from experiments.provenance import environment
from experiments.setup_run import Parts, set_up, training_examples
from pathjax import observables as obs
from pathjax import results
from pathjax.errors import require
from pathjax.labelled import to_dataset
from pathjax.layout import member_mesh
from pathjax.models.width import width_for
from pathjax.plotting import at_the_end
from pathjax.plotting import sweep as draw
from pathjax.reports.page import Figure, draw_png
from pathjax.tables import aligned, number

KEPT = "sweep.nc"
EXAMPLE = "python -m experiments.sweep --config=configs/sweep.py --workdir=results/sweep"
STATIC = {
    "activation": "model.activation",
    "optimizer": "optimizer.name",
    "batch_size": "data.batch_size",
    "data": "data.name",
    "seed": "seed",
    "width": "",
    "depth": "",
}
INPUTS = {"digits": (64, 10), "mnist": (784, 10), "fashion_mnist": (784, 10)}  # and classes, for widths from depths


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure = config.measure
    train = training_examples(config, parts)
    return [
        obs.weight_distance(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, measure.evaluation_every),
    ]


def run_cell(config: ConfigDict) -> xr.Dataset:
    """All combinations of the continuous axes as one program: labelled arrays with an axis for each."""
    axes = {name: [float(v) for v in values] for name, values in config.sweep.continuous.items()}
    settings = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    for name, value in settings[0].items():
        config.optimizer[name] = value
    with numerics.precision(config.precision):
        setup = set_up(config, _observables)
        swept = pathjax.sweep(setup.dynamics, setup.ensemble, settings)
        options = setup.options | {"mesh": member_mesh() if jax.device_count() > 1 else None}
        parts = (setup.dynamics, swept, setup.examples, setup.schedule, setup.observables)
        done = pathjax.rollout(*parts, **options)
    one_by_one = [
        to_dataset({name: a[:, i] for name, a in done.records.items()}, done.steps, setup.observables, setup.ensemble)
        for i in range(len(settings))
    ]
    return _with_axes(one_by_one, settings, list(axes))


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
    """By name, the static settings of each folder."""
    axes = {name: list(values) for name, values in config.sweep.static.items()}
    for name in axes:
        require(name in STATIC, f"sweep.static has no axis '{name}': choose of {', '.join(STATIC)}")
    for name, values in [*axes.items(), *config.sweep.continuous.items()]:
        require(len(values) > 0, f"the sweep's {name} is empty: give at least one value, or leave it out")
    found = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
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
        width = width_for(config.sweep.num_parameters, depth, *INPUTS[own.data.name])
    if "depth" in cell or "width" in cell:
        own.model.widths = (width,) * depth
    return own


def run(config: ConfigDict, folder: pathlib.Path) -> xr.Dataset:
    """Every cell that is not there yet, and what all of them are together."""
    todo = {name: configured(config, cell) for name, cell in cells(config).items()}
    finished = {name for name, own in todo.items() if _finished(folder / name, own.to_dict())}
    failed = {}
    for name, own in todo.items():
        if name in finished:
            print(f"{name}: finished already", flush=True)
            continue
        print(f"{name}: {_count(config)} settings in one program", flush=True)
        try:
            found = run_cell(ConfigDict(own.to_dict()))
        except Exception as error:  # whatever it is, the other cells go on
            failed[name] = f"{type(error).__name__}: {results.one_line(error)}"
            print(f"{name}: failed ({failed[name]})", flush=True)
            continue
        results.write_json(folder / name / "config.json", own.to_dict())
        results.write_json(folder / name / "manifest.json", environment())
        results.write_trajectory(folder / name / KEPT, found)  # last: now the cell counts as finished
    results.write_json(folder / "failed.json", failed)
    require(len(failed) < len(todo), f"every cell failed: {'; '.join(f'{n}: {why}' for n, why in failed.items())}")
    return _gather(folder, config, [name for name in todo if name not in failed])


def _gather(folder: pathlib.Path, config: ConfigDict, names: list[str]) -> xr.Dataset:
    done, labels = [], cells(config)
    for name in names:
        with xr.open_dataset(folder / name / KEPT, engine="h5netcdf") as file:
            done.append(file.load())
    whole = _with_axes(done, [labels[name] for name in names], list(config.sweep.static))
    results.write_trajectory(folder / KEPT, whole)
    return whole


def _finished(folder: pathlib.Path, config: dict) -> bool:
    """Whether a cell is there; InputError if it is another's."""
    if not (folder / KEPT).exists():
        return False
    kept, own = results.read_json(folder / "config.json"), json.loads(json.dumps(config))
    differs = sorted(key for key in own.keys() | kept.keys() if kept.get(key) != own.get(key))
    require(not differs, f"{folder} holds a cell with other {', '.join(differs)}: choose another --workdir")
    return True


def _count(config: ConfigDict) -> int:
    return int(np.prod([len(values) for values in config.sweep.continuous.values()]))


def table(whole: xr.Dataset) -> str:
    """Test loss, and growth of the distance: medians over all settings of an axis, one axis after the other."""
    growth = at_the_end(whole, "distance_growth").isel(member=whole.role.values == "perturbed").median("member")
    loss = at_the_end(whole, "test_loss").isel(member=0)
    rows: list[tuple[str, ...]] = [
        ("axis", "value", "growth of the distance: median [16%, 84%] over settings", "test loss of baselines")
    ]
    for name in growth.dims:
        for value in growth[name].values:
            both = [np.nanquantile(a.sel({name: value}).values, (0.5, 0.16, 0.84)) for a in (growth, loss)]
            rows.append((str(name), str(value), *(f"{number(m)} [{number(a)}, {number(b)}]" for m, a, b in both)))
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
        with results.locked(folder):
            whole = run(config, folder)
            image = draw_png(Figure("Growth of the distance", "", draw), whole)
            results.replace_file(folder / "sweep.png", lambda path: path.write_bytes(image))
        print(f"\n{table(whole)}\n\nkept as {folder}/sweep.nc and sweep.png")


if __name__ == "__main__":
    parse = command_line.parse_flags
    app.run(_main, flags_parser=lambda args: parse(flags.FLAGS, args, main.define_flags, main.REQUIRED, EXAMPLE))
