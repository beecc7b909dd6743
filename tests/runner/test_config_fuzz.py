"""Random configs: an error is one line with status 2 and writes nothing; a valid config runs to the end.

The draws are the same every time; PATHJAX_TEST_SEED=1 changes them.
"""

import json
import math
import os
import pathlib
import re
import tempfile

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from helpers.drawn_configs import config_flag, differentiated, intervened_on, networks, valid
from helpers.drawn_faults import invalid
from helpers.in_process import call
from helpers.processes import run
from pathjax.io import run_folder

SEED = int(os.environ.get("PATHJAX_TEST_SEED", 0))
# A message must say what is expected or what to do.
EXPECTS = re.compile(
    r"expected|choose|give|take|begin with|set one of|the nearest is|it has|must|multiple of|is missing"
    r"|is required|pass|use"
)


def seeded(num_examples: int):
    """Runs the same number of the same examples every time, however long each takes."""

    def decorate(test):
        options = settings(
            max_examples=num_examples,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # examples are already short, and shrinking could take hours
        )
        return seed(SEED)(options(test))

    return decorate


def check_refused(answer, named: str):
    assert answer.returncode == 2, answer
    assert answer.stderr.startswith("error: ") and answer.stderr.count("\n") == 1, answer.stderr
    assert re.search(named, answer.stderr) and EXPECTS.search(answer.stderr), answer.stderr
    assert "Traceback" not in answer.stderr


def contents(folder: pathlib.Path) -> dict:
    """Returns everything in a folder, by path."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def finished_run(folder: pathlib.Path) -> None:
    """Creates the folder of a finished run, which --overwrite would clear."""
    folder.mkdir()
    manifest = {"format": run_folder.RUN_FORMAT, "status": "finished", "sessions": []}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "config.json").write_text("{}")


def check_one_error(drawn, exists):
    argv, named = drawn
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if exists and "--resume" not in argv:
            finished_run(folder / "run")
            argv = [*argv, "--overwrite"]
        before = contents(folder)
        # First, so that an invalid --workdir among the drawn flags comes later and takes effect.
        check_refused(call(f"--workdir={folder / 'run'}", *argv), named)
        assert contents(folder) == before


@seeded(150)
@given(invalid(), st.booleans())
def test_one_error_is_one_line_with_status_2_and_writes_nothing(drawn, exists):
    check_one_error(drawn, exists)


@pytest.mark.slow
@seeded(1000)
@given(invalid(), st.booleans())
def test_a_thousand_errors_are_one_line_each(drawn, exists):
    check_one_error(drawn, exists)


# Errors that are also tested in a separate process.
REAL = ((("--config.num_steps=many",), "--config.num_steps=many"),)
REAL_TOO = (
    (("--config.model.widths=2000000000",), "network of model.widths .*GiB"),
    (("--config.perturbation.epsilons=1e-3,1e300", "--config.perturbation.kind=gaussian"), r"epsilon 1e\+300"),
    (("--config.data.name=mnist", "--config.data.data_dir=/absent"), "'mnist' is not in /absent"),
    (("--flagfile=/absent",), "/absent"),
)


@pytest.mark.parametrize(("wrong", "named"), [*REAL, *(pytest.param(*r, marks=pytest.mark.slow) for r in REAL_TOO)])
def test_errors_are_the_same_in_a_separate_process(tmp_path, wrong, named):
    check_refused(run(tmp_path / "run", *wrong), named)
    assert not contents(tmp_path)


# Errors that appear only after drawing the weights, or in the file system: they take seconds, so none is drawn.
LATE = (
    ("--config.perturbation.epsilons=1e-3,1e-30", "epsilon 1e-30 moved the weights by"),
    ("--workdir=/proc/pathjax", "/proc/pathjax"),
)


@pytest.mark.parametrize(("wrong", "named"), LATE)
def test_late_errors_are_raised_before_anything_is_written(tmp_path, wrong, named):
    check_refused(call(config_flag("smoke"), f"--workdir={tmp_path / 'run'}", wrong), named)
    assert not contents(tmp_path)


FILES = {
    "lacks": "from pathjax.configs import smoke\ndef get_config():\n    config = smoke.get_config()\n"
    "    del config.model.widths\n    return config",
    "types": "from ml_collections import ConfigDict\nfrom pathjax.configs import smoke\ndef get_config():\n"
    "    return ConfigDict(smoke.get_config().to_dict() | {'num_steps': 'many'})",
    "empty": "from ml_collections import ConfigDict\ndef get_config(): return ConfigDict()",
    "plain": "def get_config(): return {'seed': 0}",
    "raises": "def get_config(): raise TypeError('of two\\nlines')",
}
FAULTS = {
    "lacks": "lacks model.widths, which experiment 'divergence' needs",
    "types": "num_steps is 'many': expected int",
    "empty": "unknown experiment 'None'",
    "plain": "returns a dict: expected a ConfigDict",
    "raises": "raises.py cannot be loaded .TypeError: of two lines",
    "absent": "absent.py cannot be loaded",
}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_an_invalid_config_file_is_a_one_line_error(tmp_path, name):
    path = tmp_path / f"{name}.py"
    if name in FILES:
        path.write_text(FILES[name])
    check_refused(call(f"--config={path}", f"--workdir={tmp_path / 'run'}"), FAULTS[name])
    assert not (tmp_path / "run").exists()


def check_runs(argv):
    with tempfile.TemporaryDirectory() as name:
        workdir = pathlib.Path(name) / "run"
        answer = call(*argv, f"--workdir={workdir}")
        assert answer.returncode == 0, answer.stderr
        run = run_folder.open_run(workdir)  # complete and finished
    replica = run.trajectory.distance.values[:, run.trajectory.role.values == "replica"]
    assert np.all(replica == 0.0)
    assert run.manifest["status"] == "finished" and run.summary["steps"] == run.config["num_steps"]
    if run.config["experiment"] in ("divergence", "lyapunov"):
        assert run.summary["controls"]["replica_largest_distance"] == 0.0
        assert math.isfinite(run.trajectory.weight_norm.values.sum())
    jax.clear_caches()  # no two runs share a program, and fifty would fill the memory


@pytest.mark.slow
@seeded(1)
@given(valid())
def test_a_valid_config_runs_to_the_end(argv):
    check_runs(argv)


@pytest.mark.slow
@seeded(1)
@given(st.one_of(intervened_on(), intervened_on(), differentiated()))
def test_a_valid_config_with_interventions_or_derivatives_runs_to_the_end(argv):
    check_runs(argv)


@pytest.mark.slow
@seeded(50)
@given(st.one_of(intervened_on(), intervened_on(), differentiated()))
def test_fifty_valid_configs_with_interventions_or_derivatives_run_to_the_end(argv):
    check_runs(argv)


@pytest.mark.slow
@seeded(50)
@given(valid())
def test_fifty_valid_configs_run_to_the_end(argv):
    check_runs(argv)


@pytest.mark.slow
@seeded(50)
@given(networks())
def test_fifty_configs_of_all_networks_run_to_the_end(argv):
    check_runs(argv)
