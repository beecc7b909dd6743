"""The laws experiment: initializations on batches of their own; predictions from kinks."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from helpers.in_process import run
from pathjax.experiments.laws.kink_law import coefficients, predicted_members, predictions
from pathjax.io import run_folder
from pathjax.theory.kink_crossings import kink_law

SHORT = (
    *("--config.num_steps=40", "--config.model.widths=8,", "--config.perturbation.num_seeds=2"),
    "--config.later_step=0",
    "--config.perturbation.epsilons=1e-3,1e-1",
    *("--config.measure.tangent_every=5", "--config.measure.evaluation_every=20"),
)


@pytest.mark.slow
def test_a_run_is_recorded_and_reported(tmp_path):
    short = (*SHORT, "--config.init_seeds=3,4,5,6", "--config.kinks=false", "--config.tangents=false")
    done = run(tmp_path / "laws", *short, config="laws")
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "laws")
    assert [len(found.summary[name]) for name in ("laws", "periods")] == [4, 2] and "kinks" not in found.summary
    page = (tmp_path / "laws" / "report.html").read_text()
    assert all(words in page for words in ("d / |w| there", "ends at step", "not a mechanism"))


@pytest.mark.slow
def test_each_initialization_trains_as_by_itself(tmp_path):
    """Against the divergence experiment, whose schedule is that of its seed."""
    done = run(tmp_path / "laws", *SHORT, "--config.init_seeds=3,4,5,6", "--config.seed=5", config="laws")
    assert done.returncode == 0, done.stderr
    found = run_folder.open_run(tmp_path / "laws")
    flags = ("--config.init_seeds=5,", "--config.seed=5", "--config.kinks=false", "--config.own_schedules=false")
    assert run(tmp_path / "alone", *SHORT, *flags, config="laws").returncode == 2  # one initialization shows no noise
    same = ("--config.experiment=divergence", "--config.seed=5")
    shared = [flag for flag in SHORT if "later_step" not in flag]
    flags = (
        "--config.model.activation=relu",
        "--config.optimizer.learning_rate=0.1",
        "--config.measure.distance_every=5",
    )
    done = run(tmp_path / "one", *shared, *same, *flags, config="digits")
    assert done.returncode == 0, done.stderr
    alone = run_folder.open_run(tmp_path / "one").trajectory
    own = found.trajectory.distance.sel(init=5).transpose("step", "member").values
    np.testing.assert_allclose(own, alone.distance.values, rtol=1e-3, atol=1e-6)
    assert (found.trajectory.distance.isel(member=1).values == 0).all()
    norms = found.trajectory.tangent_norm.transpose("step", "direction", "init").values
    np.testing.assert_allclose(norms[..., 2], alone.tangent_norm.values, rtol=1e-3)  # of the directions of seed 5
    np.testing.assert_allclose(found.trajectory.mean_tangent, stats.gmean(norms.reshape(len(norms), -1), 1), rtol=1e-5)
    page = (tmp_path / "laws" / "report.html").read_text()
    assert all(words in page for words in ("measured / predicted", "d / |w| there", "ends at step", "healing per step"))


def made(growth, noise, rate=3, num_inits=5):
    """A trajectory of members that follow the law exactly, with the sums that the observable would record."""
    steps, epsilons = np.arange(0, 101, 10.0), np.array([0.0, 1e-3, 0.1])
    fine = np.arange(0, 101)
    d = np.stack([np.zeros(101), *(kink_law(fine, epsilon, growth, 1.0, noise**0.5) for epsilon in epsilons[1:])], 1)
    sums = lambda values: np.concatenate([values[:1] * 0, np.add.reduceat(values[:-1], range(0, 100, 10))])  # noqa: E731
    shape = lambda values: np.repeat(values[:, None], num_inits, 1)  # noqa: E731
    variables = {
        "distance": d[::10],
        "separation_sum": sums(d),
        "separation_squared": sums(d**2),
        "kink_squared": sums(noise * d),  # at a learning rate of 1
        "kink_along": sums(0 * d),
        "crossings": sums(rate * d),
    }
    dims = ("step", "init", "member")
    coords = {"step": steps, "epsilon": ("member", epsilons), "role": ("member", ["baseline", *["perturbed"] * 2])}
    return xr.Dataset({name: (dims, shape(values)) for name, values in variables.items()}, coords)


def test_coefficients_and_predictions_of_a_known_law():
    trajectory = made(growth=0.004, noise=2e-4, rate=3e5)
    found = coefficients(trajectory, 0.1, [0, 1], 1.0)
    np.testing.assert_allclose(found.growth, 0.004, rtol=0.02)
    np.testing.assert_allclose(found.noise, 2e-4, rtol=1e-9)
    np.testing.assert_allclose(found.rate, 3e5, rtol=1e-9)
    for one in predictions(trajectory, 0.1, 1.0):
        np.testing.assert_allclose(one.predicted, one.measured, rtol=0.02)


def test_members_with_few_crossings_are_drawn_one_by_one():
    trajectory = made(growth=0.0, noise=1e-6)
    found = coefficients(trajectory, 0.1, [0, 1], 1.0)
    members = predicted_members(trajectory.step.values, 1e-3, found, num=4000)
    assert np.mean(np.isclose(members[-1], 1e-3, rtol=1e-3)) == pytest.approx(np.exp(-3e-3 * 100), abs=0.03)
    large = predicted_members(trajectory.step.values, 0.1, found)
    np.testing.assert_allclose(large.mean(1), kink_law(trajectory.step.values, 0.1, 0.0, 1.0, 1e-3), rtol=2e-3)
