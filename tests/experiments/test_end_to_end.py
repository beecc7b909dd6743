"""The program as users run it: in processes that finish, are killed and resume."""

import json

import numpy as np
import pytest

from helpers import in_process
from helpers.processes import digest, run
from pathjax.analysis.derived_records import grouped_norm
from pathjax.io import run_folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "smoke"
    return workdir, run(workdir)


def test_a_run_writes_a_folder_that_can_be_opened(finished):
    workdir, done = finished
    assert done.returncode == 0
    assert {path.name for path in workdir.iterdir()} - {run_folder.LOCK} == set(run_folder.CONTENTS)
    config, manifest, summary, trajectory = run_folder.open_run(workdir)
    assert config["num_steps"] == 200 and manifest["status"] == "finished"
    assert {"git", "versions", "device", "precision", "seed"} <= set(manifest)
    assert {"wall_seconds", "compile_seconds"} <= set(manifest["sessions"][-1])
    assert trajectory.sizes["member"] == summary["members"] == 7
    assert np.all(trajectory.distance.values[:, trajectory.role.values == "replica"] == 0.0)
    assert all({"units", "long_name"} <= set(variable.attrs) for variable in trajectory.data_vars.values())
    assert len(list((workdir / "figures").glob("*.png"))) == 7


def test_the_terminal_shows_controls_growth_response_exponent_and_accuracy(finished):
    text = finished[1].stdout
    for word in (
        "replica",
        "roundoff",
        "growth",
        "eps |tangent|",
        "Lyapunov exponent",
        "±",
        "accuracy",
        "Can the tangent be trusted with tanh? Yes: linear response holds",
        "tangent's rate",
    ):
        assert word in text, word


def test_the_report_is_one_page_that_loads_nothing(finished):
    page = (finished[0] / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 7 and page.count("<figcaption>") == 7
    assert "src='http" not in page and "href=" not in page and "<script" not in page


def test_a_finished_run_is_neither_overwritten_nor_run_again(finished):
    workdir, _ = finished
    before = digest(workdir)
    refused, resumed = run(workdir), in_process.run(workdir, "--resume")
    assert refused.returncode == 2 and "give --overwrite" in refused.stderr
    assert resumed.returncode == 0 and "finished already" in resumed.stdout
    described = in_process.run(workdir, "--resume", "--dry_run")
    assert described.returncode == 0 and described.stdout.endswith("finished already: nothing to resume\n")
    assert digest(workdir) == before
    other = in_process.run(workdir, "--resume", "--config.seed=1")
    assert other.returncode == 2 and "another config (seed)" in other.stderr


@pytest.mark.slow
def test_with_relu_the_report_says_that_the_tangent_fails_and_why(tmp_path):
    done = in_process.run(
        tmp_path / "relu", "--config.model.activation=relu", "--config.perturbation.epsilons=1e-4,1e-3"
    )
    assert (
        "Can the tangent be trusted with relu? No: linear response fails at epsilon = 0.0001" in done.stdout
        and "kinks" in done.stdout
    )
    assert "kinks" in (tmp_path / "relu" / "report.html").read_text()


@pytest.mark.slow
def test_a_diverging_run_finishes_and_says_so(tmp_path):
    done = in_process.run(tmp_path / "nan", "--config.optimizer.learning_rate=1e9", "--config.model.activation=linear")
    assert done.returncode == 0 and "The baseline itself diverged" in done.stdout
    assert json.loads((tmp_path / "nan" / "summary.json").read_text())["nonfinite"]


@pytest.mark.slow
def test_the_lyapunov_experiment_measures_spectra_that_agree_with_dense_jacobians(tmp_path):
    workdir = tmp_path / "lyapunov"
    settings = {"num_steps": 100, "model.widths": 1, "checkpoint_every": 100, "perturbation.epsilons": "1e-3,1e-2"}
    settings |= {"measure.tangent_every": 2}  # the exponents are so far apart that tangents would collapse in ten steps
    flags = [f"--config.{key}={value}" for key, value in settings.items()]
    done = in_process.run(workdir, *flags, config="lyapunov_small")
    assert done.returncode == 0, done.stderr
    for word in ("Lyapunov exponents", "Kaplan-Yorke", "dense Jacobians", "function", "Can the tangent be trusted"):
        assert word in done.stdout, word
    _, _, summary, trajectory = run_folder.open_run(workdir)
    spectra = summary["spectrum"]
    assert len(spectra["weights"]["exponents"]) == 64 + 1 + 10 + 10 == trajectory.sizes["tangent"]
    assert spectra["dense_largest_difference"] < 1e-4 and len(spectra["function"]["exponents"]) == 8
    np.testing.assert_array_equal(spectra["weights"]["exponents"], sorted(spectra["weights"]["exponents"])[::-1])
    assert (workdir / "report.html").read_text().count("data:image/png;base64,") == 6


def test_an_unknown_experiment_is_named(tmp_path):
    done = in_process.run(tmp_path / "x", "--config.experiment=chaos")
    assert done.returncode == 2 and "unknown experiment 'chaos': choose one of arms, butterfly, dominoes" in done.stderr


SMALL = (
    "--config.model.widths=12",
    "--config.num_steps=200",
    "--config.perturbation.epsilons=1e-3,0.3",
    "--config.measure.max_probe_examples=40",
    "--config.measure.num_projections=16",
    "--config.measure.anchors=0,100",
)
FAMILIES = (
    "regimes",
    "function",
    "layers",
    "symmetries",
    "line",
    "variance",
    "displacement",
    "two_times",
    "pairs",
    "sets",
)


@pytest.mark.slow
def test_every_family_is_measured_and_drawn(tmp_path):
    done = in_process.run(tmp_path / "run", "--config.perturbation.num_seeds=3", *SMALL, config="digits_full")
    assert done.returncode == 0 and "matching and balancing change the logits by" in done.stdout, done.stderr
    _, _, summary, trajectory = run_folder.open_run(tmp_path / "run")
    roles = list(trajectory.role.values)
    assert roles.count("independent") == 4 and max(summary["families"]["largest_invariance_error"].values()) < 1e-4
    assert abs(sum(summary["families"]["regimes"].values()) - 1) < 1e-9
    own, others = trajectory.epsilon.values == 1e-3, trajectory.role.values == "independent"
    for name in ("distance", "aligned_distance", "balanced_distance", "probe_js_distance", "distance_p1", "angle"):
        assert trajectory[name].values[-1, own].max() < trajectory[name].values[-1, others].min(), name
    distance = trajectory.distance.sel(step=trajectory.step_100.values).values
    assert (trajectory.aligned_distance.values <= distance * (1 + 1e-5)).all()
    pairs = trajectory.weight_pair_distance.values
    np.testing.assert_allclose(pairs[:, 0], distance, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(pairs, pairs.swapaxes(1, 2))
    squares = (trajectory.module_distance**2).sum("module_name")
    by_module = grouped_norm(trajectory.leaf_distance_p1, "module", 1).sum("module")
    np.testing.assert_allclose(by_module, trajectory.distance_p1, rtol=1e-5)
    np.testing.assert_allclose(squares, trajectory.distance**2, rtol=1e-5)
    page = (tmp_path / "run" / "report.html").read_text()
    for name in FAMILIES:
        assert (tmp_path / "run" / "figures" / f"{name}.png").exists(), name
    assert (
        page.count("<figcaption>")
        == page.count("data:image/png;base64,")
        == len(list((tmp_path / "run" / "figures").glob("*.png")))
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ("--config.perturbation.num_seeds=1", "--config.model.widths=()", "--config.measure.norm=inf"),
        ("--config.optimizer.learning_rate=1e6", "--config.measure.norm=3", "--config.num_steps=100"),
    ],
    ids=["no-hidden-units", "diverging"],
)
def test_families_of_a_diverging_run_or_without_hidden_units_are_reported(tmp_path, flags):
    done = in_process.run(tmp_path / "run", *SMALL, "--config.perturbation.num_seeds=2", *flags, config="digits_full")
    assert done.returncode == 0 and (tmp_path / "run" / "report.html").exists(), done.stderr


@pytest.mark.slow
def test_interventions_at_all_steps_and_epsilons_are_one_program_and_a_map(tmp_path):
    flags = (*SMALL[:2], "--config.perturbation.epsilons=1e-3,0.3", "--config.perturbation.at_steps=0,50,150")
    flags += ("--config.perturbation.num_seeds=3", "--config.measure.evaluation_every=100")
    done = in_process.run(tmp_path / "run", *flags, config="butterfly")
    assert done.returncode == 0 and "epsilon 0.3: in weights" in done.stdout, done.stderr
    _, _, summary, trajectory = run_folder.open_run(tmp_path / "run")
    assert trajectory.sizes["member"] == 3 + 3 * 2 * 3 and len(summary["cells"]) == 6
    late = trajectory.at_step.values == 150
    distance = trajectory.distance.sel(step=100).values
    assert (distance[late] == 0).all() and (distance[trajectory.at_step.values == 0] > 0).all()
    moved = trajectory.intervention_size.values[-1]
    sphere = trajectory.epsilon.values[3:] * moved[3:].max() / 0.3
    np.testing.assert_allclose(moved[3:], sphere, rtol=0.2)  # the sphere grows a little in training
    assert not moved[:3].any()
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("<figcaption>") == 11 and "Size of the change" in page


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["label"])
def test_interventions_act_on_more_than_weights(tmp_path, kind):
    flags = (*SMALL[:2], "--config.perturbation.epsilons=0.3", "--config.perturbation.at_steps=50")
    flags += ("--config.perturbation.num_seeds=2", "--config.measure.evaluation_every=100")
    flags += (f"--config.perturbation.kind={kind}", "--config.optimizer.momentum=0.5")
    done = in_process.run(tmp_path / "run", *flags, config="butterfly")
    assert done.returncode == 0, done.stderr
    _, _, _, trajectory = run_folder.open_run(tmp_path / "run")
    assert (trajectory.distance.values[0] == 0)[3:].all() and (trajectory.distance.values[-1] > 0)[3:].all()


@pytest.mark.slow
def test_derivatives_of_a_run_agree_with_finite_differences(tmp_path):
    flags = (*SMALL[:2], "--config.measure.examples=((0,0),(100,5),(900,0))")
    done = in_process.run(tmp_path / "run", *flags, config="sensitivity")
    assert done.returncode == 0 and "Finite differences agree with all derivatives" in done.stdout, done.stderr
    _, _, summary, trajectory = run_folder.open_run(tmp_path / "run")
    labels = [one["label"] for one in summary["parameters"]]
    expected = [
        "learning rate",
        "momentum",
        "direction 1",
        "direction 2",
        "example 0 of step 0",
        "example 5 of step 100",
    ]
    assert sorted(labels) == sorted(expected)
    assert (trajectory.sensitivity_disagreement.values[-1] < 1e-4).all()
    assert (trajectory.sensitivity.sel(parameter="example 5 of step 100").values[:11] == 0).all()
    assert (tmp_path / "run" / "report.html").read_text().count("<figcaption>") == 3
