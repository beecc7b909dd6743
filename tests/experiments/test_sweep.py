"""The sweep program: cells, grids, and errors."""

import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import pathjax
from helpers.in_process import call_program
from helpers.processes import ROOT
from pathjax.configs import sweep as sweep_config
from pathjax.experiments.runner.settings import parse_settings
from pathjax.experiments.sweep.experiment import run as run_sweep
from pathjax.experiments.sweep.grid import cells, configured, grid_of
from pathjax.models.parameter_count import count_parameters, width_for

SMALL = """
from pathjax.configs import sweep


def get_config():
    config = sweep.get_config()
    config.sweep.continuous = {"learning_rate": (0.1, 0.3), "momentum": (0.0, 0.5)}
    config.sweep.static = {"activation": ("tanh", "tanned")}
    return config
"""
STARTS = """
from pathjax.configs import sweep


def get_config():
    config = sweep.get_config()
    config.sweep.continuous = {"learning_rate": (0.1, 0.3), "seed": (3, 4), "epsilon": (1e-3, 0.1), "at_step": (0, 20)}
    config.sweep.static = {}
    return config
"""


def sweep_command(tmp_path, text, *more):
    (tmp_path / "small.py").write_text(text)
    command = [sys.executable, "-m", "experiments.sweep", f"--config={tmp_path / 'small.py'}"]
    command += [f"--workdir={tmp_path / 'run'}", "--config.num_steps=100", "--config.perturbation.num_seeds=2", *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)


@pytest.mark.slow
def test_finished_cells_are_kept_and_a_failed_cell_does_not_stop_the_others(monkeypatch, tmp_path):
    done = sweep_command(tmp_path, SMALL)
    assert done.returncode == 3, done.stderr
    assert "1 of 2 cells failed" in done.stderr
    assert done.stdout.count("failed (InputError: unknown activation 'tanned'") == 1
    with xr.open_dataset(tmp_path / "run" / "sweep.nc", engine="h5netcdf") as whole:
        sizes = {"step": 6, "member": 5, "learning_rate": 2, "momentum": 2, "activation": 2}
        assert dict(whole.distance.sizes) == sizes
        right, wrong = (whole.distance.sel(activation=name) for name in ("tanh", "tanned"))
        assert np.isfinite(right).all() and (right.sel(member=1) == 0).all() and np.isnan(wrong).all()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").glob("*.json")}
    assert len(before) == 1
    # A corrected grid reuses the finished cells.
    flags = (f"--config={tmp_path / 'small.py'}", f"--workdir={tmp_path / 'run'}", "--config.num_steps=100")
    flags += ("--config.perturbation.num_seeds=2",)
    (tmp_path / "small.py").write_text(SMALL.replace("tanned", "relu"))
    again = call_program(monkeypatch, "sweep", *flags)
    assert again.returncode == 0 and again.stdout.count("in one program") == 1, again.stderr
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").glob("*.json")}
    assert len(after) == 2 and before.items() <= after.items()
    with xr.open_dataset(tmp_path / "run" / "sweep.nc", engine="h5netcdf") as whole:
        assert np.isfinite(whole.distance).all()


def test_depths_are_compared_at_the_same_number_of_parameters():
    config = sweep_config.get_config()
    config.sweep.unlock()
    config.sweep.static, config.sweep.num_parameters = {"depth": (1, 2)}, 2000
    for depth, cell in enumerate(cells(parse_settings(config)), 1):
        assert configured(cell).model.widths == (width_for(2000, depth, 64, 10),) * depth


@pytest.mark.slow
def test_seeds_epsilons_and_steps_are_axes_of_the_same_program(monkeypatch, tmp_path):
    (tmp_path / "small.py").write_text(STARTS)
    flags = (f"--config={tmp_path / 'small.py'}", f"--workdir={tmp_path / 'run'}", "--config.num_steps=100")
    done = call_program(monkeypatch, "sweep", *flags, "--config.perturbation.num_seeds=2", "--config.num_devices=1")
    assert done.returncode == 0 and "16 settings in one program" in done.stdout, done.stderr
    with xr.open_dataset(tmp_path / "run" / "sweep.nc", engine="h5netcdf") as whole:
        distance = whole.distance.load()
    sizes = {"step": 6, "member": 5, "learning_rate": 2, "seed": 2, "epsilon": 2, "at_step": 2}
    assert dict(distance.sizes) == sizes
    assert (distance.sel(member=1) == 0).all()
    intervened = distance.isel(member=slice(3, None))
    assert (intervened.sel(at_step=0, step=20) > 0).all() and (intervened.sel(at_step=20, step=20) == 0).all()
    assert (intervened.sel(epsilon=0.1).isel(step=-1) > 3 * intervened.sel(epsilon=1e-3).isel(step=-1)).all()
    assert (intervened.isel(step=-1, seed=0) != intervened.isel(step=-1, seed=1)).all()


@pytest.mark.parametrize(
    ("continuous", "static", "message"),
    [
        ({}, {}, "a sweep needs axes"),
        ({"learning_rate": (0.1, 0.1)}, {}, "repeats a value"),
        ({"learning_rate": 0.1}, {}, "expected a tuple"),
        ({"learning_rate": (0.1, -1.0)}, {}, "learning_rate -1 is out of range"),
        ({"learning_rate": (0.1, "a")}, {}, "expected finite numbers"),
        ({"speed": (0.1,)}, {}, "has no 'speed'"),
        ({"at_step": (0, 1000)}, {}, "at_steps holds 1000"),
        ({"epsilon": (0.1, 3.0)}, {}, "epsilon 3 is out of range"),
        ({}, {"batch_size": ("a",)}, "data.batch_size is 'a': expected int"),
        ({}, {"colour": ("red",)}, "no axis 'colour'"),
        ({"seed": (0, 1)}, {"seed": (0, 1)}, "both continuous and static"),
        ({}, {"width": ("x",)}, "expected positive integers"),
        ({}, {"activation": ("tanned", "tann")}, "unknown activation 'tanned'"),  # no cell can be built
    ],
)
def test_an_invalid_grid_is_a_one_line_error(tmp_path, continuous, static, message):
    config = sweep_config.get_config()
    config.sweep.unlock()
    config.sweep.continuous, config.sweep.static = continuous, static
    config.num_steps = 100
    with pytest.raises(pathjax.InputError, match=message) as caught:
        run_sweep(parse_settings(config), tmp_path)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_hyperparameters_of_a_custom_optimizer_are_axes(tmp_path, monkeypatch):
    text = "import optax\n\ndef boosted(h):\n    return optax.sgd(h['learning_rate'] * h['boost'])\n"
    (tmp_path / "sweep_own.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    config = sweep_config.get_config()
    config.sweep.unlock()
    config.optimizer.name, config.sweep.continuous = "sweep_own:boosted", {"boost": (0.5, 1.0)}
    assert [one["boost"] for one in grid_of(parse_settings(config)).hparams] == [0.5, 1.0]
    config.sweep.continuous = {"bost": (0.5, 1.0)}
    with pytest.raises(pathjax.InputError, match="sweep_own:boosted finds no hyperparameter 'boost'"):
        grid_of(parse_settings(config))


def test_widths_of_equal_parameters_are_solved_exactly():
    for depth in (1, 2, 5):
        width = width_for(79510, depth, 784, 10)
        misses = [abs(count_parameters(w, depth, 784, 10) - 79510) for w in (width - 1, width, width + 1)]
        assert min(misses) == misses[1]
    assert width_for(79510, 1, 784, 10) == 100
    for wrong in ((79510, 0, 784, 10), (10, 1, 784, 10)):
        with pytest.raises(pathjax.InputError):
            width_for(*wrong)
