"""Several initializations in one program, compared with the recorded runs."""

import numpy as np
import pytest
import xarray as xr

from helpers.in_process import run
from pathjax.experiments.growth import replicate
from pathjax.experiments.growth.summary import summarize
from pathjax.io import run_folder

FLAGS = ("--config.data.name=digits", "--config.num_steps=1200", "--config.perturbation.num_seeds=2")
FLAGS += ("--config.perturbation.epsilons=0.01,0.1", "--config.measure.evaluation_every=200", "--config.model.widths=8")


def made(growth_power=0.1):
    """Returns two initializations, of which the second grows twice as much; epsilons 0.1 and 1, two directions each."""
    step = np.array([0, 500, 1000, 2000, 4000])
    power = np.where(step > 0, np.maximum(step, 1) ** growth_power, 0)
    members = np.array([0, 0, 1e-7, 0.9, 1.1, 9.0, 11.0])
    distance = power[:, None, None] * np.array([1.0, 2.0])[:, None] * members
    start = np.array([1, 1, 1e-7, 0.1, 0.1, 1, 1])
    ends = np.ones((5, 2, 7))
    dims = ("step", "init", "member")
    arrays = {"distance": distance, "distance_growth": distance / start, "relative_distance": distance / 5}
    arrays |= {"test_agreement": 0.5 * ends}
    arrays |= {"first_nonfinite": -ends, "test_accuracy": 0.9 * ends, "test_loss": 0.2 * ends}
    coords = {"step": step, "init": [0, 1], "epsilon": ("member", [0, 0, 0, 0.1, 0.1, 1, 1])}
    coords["role"] = ("member", np.array(["baseline", "replica", "roundoff", *["perturbed"] * 4], object))
    return xr.Dataset({name: (dims, values) for name, values in arrays.items()}, coords)


def test_numbers_are_means_over_directions_with_their_spread_over_initializations():
    summary, _ = summarize(made())
    rows = {(row["quantity"], row["epsilon"], row["step"]): row for row in summary["rows"]}
    growth = rows["growth", 1.0, 1000]
    means = 10 * 1000**0.1 * np.array([1.0, 2.0])
    np.testing.assert_allclose(growth["mean"], means.mean())
    np.testing.assert_allclose(growth["sd_inits"], means.std(ddof=1))
    np.testing.assert_allclose(growth["sd_directions"], 1000**0.1 * np.sqrt(2) * 1.5)
    for epsilon in (0.1, 1.0):
        np.testing.assert_allclose(rows["exponent", epsilon, 4000]["mean"], 0.1, rtol=1e-9)
    assert rows["accuracy", None, 4000]["mean"] == pytest.approx(0.9) and summary["not_finite"] == 0


def test_a_recorded_number_is_judged_by_the_spread_over_initializations():
    row = {"quantity": "growth", "epsilon": 1e-2, "step": 1000, "mean": 1.0, "sd_inits": 0.1, "num_inits": 8}
    ((*_, z, within),) = replicate.comparison([row])
    assert z == f"{0.058 / (0.1 * np.sqrt(9 / 8)):+.2f}" and within == "yes"
    ((*_, within),) = replicate.comparison([row | {"sd_inits": 0.01}])
    assert within == "no"
    ((*_, z, within),) = replicate.comparison([row | {"epsilon": 0.3}])
    assert (z, within) == ("", "")


@pytest.mark.slow
def test_an_initialization_gives_the_same_results_alone_and_with_others(tmp_path):
    done = run(tmp_path / "both", *FLAGS, "--config.init_seeds=3,5", config="hoogland2023")
    assert done.returncode == 0 and "d(t)/d(0)" in done.stdout, done.stderr
    both = run_folder.open_run(tmp_path / "both")
    assert dict(both.trajectory.distance.sizes) == {"step": 13, "init": 2, "member": 7}
    assert (both.trajectory.distance.isel(member=1) == 0).all()
    assert "initialization by initialization" in (tmp_path / "both" / "report.html").read_text()
    one = run(tmp_path / "one", *FLAGS, "--config.init_seeds=5,", config="hoogland2023")
    assert one.returncode == 0, one.stderr
    alone = run_folder.open_run(tmp_path / "one").trajectory
    np.testing.assert_allclose(
        both.trajectory.distance.sel(init=5)[:, 3:], alone.distance.sel(init=5)[:, 3:], rtol=1e-4
    )
    wrong = run(tmp_path / "twice", *FLAGS, "--config.init_seeds=3,3", config="hoogland2023")
    assert wrong.returncode == 2 and "give each once" in wrong.stderr and not (tmp_path / "twice").exists()


def test_runs_are_compared_initialization_by_initialization():
    one = made()
    for _, said, largest in replicate.paired(one, one)[1:]:
        assert said == "0.0 ± 0.0 (2 initializations)" and len(set(largest.split(" and "))) == 1
    growth = 10 * 4000**0.1 * np.array([1.0, 2.0])
    for _, said, _ in replicate.paired(one, one.assign(distance_growth=one.distance_growth / 2))[1:]:
        assert float(said.split(" ±")[0]) == pytest.approx(-growth.mean() / 2, rel=1e-3)
        half = 12.706 * growth.std(ddof=1) / 2 / np.sqrt(2)  # Student's quantile of one degree of freedom
        assert float(said.split("± ")[1].split(" (")[0]) == pytest.approx(half, rel=1e-3)
