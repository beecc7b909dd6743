"""Studies of kinks: cells, tables and figures in short; what departs where it should; activations with a parameter."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pathjax
from helpers.in_process import call_program
from pathjax.experiments.bends import experiment as bends
from pathjax.experiments.bends.experiment import departures, exponents
from pathjax.experiments.kinks import experiment as kinks
from pathjax.experiments.kinks.experiment import verdict
from pathjax.experiments.runner import study
from pathjax.experiments.runner.settings import parse_settings
from pathjax.models.activations import ACTIVATIONS, activation_of, leak_of, smelu


@pytest.mark.slow
def test_the_study_of_kinks_predicts_and_reports(monkeypatch, tmp_path):
    flags = ("--networks=5", "--num_inits=4", "--num_seeds=2", "--num_steps=100")
    done = call_program(monkeypatch, "kinks", f"--workdir={tmp_path}", *flags)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "kinks.json").read_text())["kinks"]["width 30"]["epsilons"]
    largest = found[-1]
    ratios = np.array(largest["measured"]) / np.array(largest["predicted"])
    assert largest["epsilon"] == 0.1 and np.abs(np.log(ratios)).max() < np.log(1.5)
    smallest = found[0]
    assert smallest["untouched"][0] == 1 and smallest["untouched"][-1] > largest["untouched"][-1] == 0
    assert "of 1 networks" in done.stdout and (tmp_path / "kinks.png").stat().st_size > 5000


def cells(name, design):
    """The cells of a study that are committed, on which docs/findings.md reports."""
    files = sorted((study.REFERENCE / name / "cells").glob("*.json"))
    read = [json.loads(file.read_text()) for file in files]
    return [study.Cell(design.model_validate_json(json.dumps(one["settings"])), one["outcome"]) for one in read]


def test_the_findings_on_kinks_are_those_of_the_committed_cells(tmp_path):
    text = kinks.report(cells("kinks", kinks.Design), tmp_path)
    assert "8 of 10 networks" in text and "0.233 [0.07246, 0.2984]" in text and "independent" in text
    assert (tmp_path / "kinks.png").stat().st_size > 5000
    cell = kinks.Design(network="width 30", num_inits=4, num_seeds=2, num_steps=100, epsilons=kinks.EPSILONS)
    settings = parse_settings(kinks.config_of(cell))
    assert settings.model.widths == (30,) and settings.num_steps == 100 and settings.precision == "float64"


@pytest.mark.slow
def test_the_findings_on_bends_are_those_of_the_committed_cells(tmp_path):
    text = bends.report(cells("bends", bends.Design), tmp_path)
    assert all(
        exponent in text for exponent in ("beta^3.079 ± 2.411 (95%, 3", "beta^3.111 ± 3.27 ", "beta^-0.1718 ± 0.9965")
    )
    assert len(list(tmp_path.glob("*.png"))) == 9


def test_an_unknown_network_is_one_line(monkeypatch, tmp_path):
    done = call_program(monkeypatch, "kinks", f"--workdir={tmp_path}", "--networks=99")
    assert done.returncode == 2 and "unknown '99', choose numbers 0 to 9" in done.stderr


def test_the_verdict_counts_networks_whose_medians_are_within_the_factor():
    good, bad = ({"epsilons": [{"epsilon": 0.1, "measured": [m], "predicted": [1.0]}]} for m in (1.4, 1.6))
    assert "1 of 2 networks" in verdict({"good": good, "bad": bad})
    ignored = {"epsilons": [{"epsilon": 1e-5, "measured": [9.0], "predicted": [1.0]}, *good["epsilons"]]}
    assert "2 of 2 networks" in verdict({"good": good, "ignored": ignored})


@pytest.mark.slow
def test_the_study_of_bends_reports(monkeypatch, tmp_path):
    flags = ("--num_inits=1", "--num_betas=3", "--num_epsilons=3", "--num_seeds=1", "--num_steps=20", "--widths=16")
    done = call_program(monkeypatch, "bends", f"--workdir={tmp_path}", *flags)
    assert done.returncode == 0, done.stderr
    for name in ("softplus", "leaky_relu"):
        growth = np.array(json.loads((tmp_path / f"{name}.json").read_text())[name]["growth"])
        assert growth.shape == (1, 3, 3) and growth.min() > 0.5
    found = json.loads((tmp_path / "smelu.json").read_text())["smelu"]
    growth, tangent = np.array(found["growth"]), np.array(found["tangent"])
    assert growth.shape == (1, 3, 3) and found["betas"] == [1e-4, 0.01, 1.0]
    np.testing.assert_allclose(growth[0, 2, 0], tangent[0, 2], rtol=1e-3)  # a wide bend and a small perturbation
    assert (tmp_path / "smelu.png").stat().st_size > 5000 and (tmp_path / "smelu_grown.png").exists()


def test_a_scale_proportional_to_beta_is_found():
    """Against growth that departs from the tangent's at epsilon = beta^p, exactly."""
    betas, epsilons = np.geomspace(1e-4, 1, 9), np.geomspace(1e-6, 10, 15)
    for power in (1.0, 0.5):
        away = np.log(epsilons[None] / betas[:, None] ** power)  # 0 at epsilon*
        growth = 2 * np.exp(np.log(1.1) * np.exp(away / 4))
        stars = departures(growth, np.full(9, 2.0), epsilons)
        assert exponents(betas, stars[None])[0] == pytest.approx(power, abs=0.01)
    assert np.isnan(departures(np.full((1, 3), 5.0), np.ones(1), epsilons[:3])).all()  # departs from the start


def test_activations_with_a_parameter_have_their_limits():
    x = jnp.linspace(-3, 3, 61)
    np.testing.assert_allclose(activation_of("smelu(1e-6)")(x), jax.nn.relu(x), atol=1e-6)
    np.testing.assert_allclose(activation_of("softplus(1e4)")(x), jax.nn.relu(x), atol=1e-3)
    np.testing.assert_allclose(activation_of("leaky_relu(0.01)")(x), jax.nn.leaky_relu(x), atol=1e-7)
    slope = jax.vmap(jax.grad(lambda z: smelu(z, 0.5)))(jnp.array([-0.6, -0.25, 0.0, 0.25, 0.6]))
    np.testing.assert_allclose(slope, [0, 0.25, 0.5, 0.75, 1], atol=1e-6)
    assert [leak_of(name) for name in (*ACTIVATIONS, "smelu(0.1)")].count(None) == len(ACTIVATIONS) - 1


@pytest.mark.parametrize("name", ["relus", "smelu", "smelu()", "smelu(-1)", "tanh(2)", "smelu(e)"])
def test_another_activation_is_one_line(name):
    with pytest.raises(pathjax.InputError, match="unknown activation|needs a number above 0") as error:
        activation_of(name)
    assert "\n" not in str(error.value)
