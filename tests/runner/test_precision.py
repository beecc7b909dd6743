"""Runs in every precision, and the growth of a rounding error in each."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.processes import ROOT
from pathjax import InputError
from pathjax.configs import smoke
from pathjax.engine.rollout import join_records
from pathjax.experiments.runner import precision
from pathjax.experiments.runner.settings import parse_settings
from pathjax.experiments.runner.setup import chunks_of, set_up
from pathjax.io import run_folder

obs = pathjax.observables
WEIGHTS = {"float32": jnp.float32, "tf32": jnp.float32, "bfloat16": jnp.float32, "float64": jnp.float64}


@pytest.fixture(scope="module")
def runs():
    """Returns the records and final loop of a short run in each precision."""
    config, found = smoke.get_config(), {}
    config.num_steps = 50
    for name in precision.PRECISIONS:
        config.precision = name
        with precision.running_in(name):
            setup = set_up(parse_settings(config), lambda settings, parts: [obs.weight_distance(), obs.batch_loss()])
            chunks = list(chunks_of(setup))
            found[name] = join_records([chunk.records for chunk in chunks]), chunks[-1].loop
    return found


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_weights_have_the_stored_type_and_the_replica_stays_at_0(runs, name):
    records, loop = runs[name]
    assert {leaf.dtype for leaf in [*loop.members.state.params["Dense_0"].values()]} == {jnp.dtype(WEIGHTS[name])}
    assert np.all(records["distance"][:, 1] == 0.0) and np.isfinite(records["distance"]).all()


def test_all_start_from_the_same_weights_and_batches(runs):
    losses = {name: records["batch_loss"][:10, 0] for name, (records, _) in runs.items()}
    for name, rtol in (("tf32", 2e-3), ("bfloat16", 2e-2), ("float64", 1e-5)):
        np.testing.assert_allclose(losses[name], losses["float32"], rtol=rtol)


def test_the_roundoff_member_moves_by_one_unit_of_its_type(runs):
    starts = {name: records["distance"][0, 2] for name, (records, _) in runs.items()}
    assert starts["float32"] == starts["tf32"] == starts["bfloat16"]
    np.testing.assert_allclose(starts["float64"] / starts["float32"], 2.0**-29)
    assert runs["float64"][0]["distance"][-1, 2] < 1e-12 < runs["float32"][0]["distance"][-1, 2]


def test_half_precision_is_coarser(runs):
    """The network's passes are rounded to 8 bits, so their losses are further from those of float64."""
    errors = {
        name: np.abs(records["batch_loss"][1:, 0] - runs["float64"][0]["batch_loss"][1:, 0]).max()
        for name, (records, _) in runs.items()
    }
    assert errors["bfloat16"] > 100 * errors["float32"] > 0


def test_an_unknown_precision_is_rejected():
    known = "float32, tf32, bfloat16, float64"
    with (
        pytest.raises(InputError, match=f"unknown precision 'half': choose one of {known}"),
        precision.running_in("half"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.slow
def test_the_report_compares_all_precisions(tmp_path):
    command = [sys.executable, "-m", "experiments.roundoff", "--config=configs/smoke.py", f"--workdir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    rows = run_folder.read_json(tmp_path / "roundoff.json")
    assert set(rows) == set(precision.PRECISIONS) and (tmp_path / "roundoff.png").exists()
    assert rows["float64"]["largest_distance"] < 1e-12 < rows["float32"]["largest_distance"]
    assert "one member each" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert again.returncode == 0 and again.stdout.count("is finished already") == 4
