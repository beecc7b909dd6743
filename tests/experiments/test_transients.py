"""Chaotic transients: exponents and times from curves that are known, and the program in short."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.in_process import call_program
from pathjax.experiments.runner import precision, study
from pathjax.experiments.transients import outcomes
from pathjax.experiments.transients.experiment import PERTURBATION, near, weights_at


def curves(rate, time, num_inits=8, seed=0):
    """Distances that grow at a rate until 1, and accuracies that pass 0.8 at a time, with noise between starts."""
    rng, steps = np.random.default_rng(seed), np.arange(0, 201, 2)[:, None]
    rates = rate + 0.02 * abs(rate) * rng.normal(size=num_inits)
    times = time + 2 * rng.normal(size=num_inits)
    return {
        "log_distance": np.minimum(steps * rates - 18, 0.0).tolist(),
        "accuracy": (1 / (1 + np.exp(-(steps - times) / 5 - np.log(4)))).tolist(),
    }


def test_exponents_and_times_are_those_of_the_curves():
    found = outcomes.summarize({0.1: curves(1e-3, 150), 1.0: curves(0.1, 100), 5.0: curves(0.5, 40)}, 2)
    np.testing.assert_allclose(found.exponents.mean(1), [1e-3, 0.1, 0.5], rtol=0.05)
    np.testing.assert_allclose(found.times[0.8].mean(1), [151, 101, 41], atol=3)
    assert found.positive == [1.0, 5.0] and found.steps == 200
    np.testing.assert_allclose(found.fastest[0.8], [0, 0, 1])


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ((150, 100, 40), "positive holds"),
        ((40, 100, 150), "positive fails"),
        ((40, 40, 150), "positive cannot be told"),
    ],
    ids=["in the window", "outside", "either"],
)
def test_the_verdict_follows_from_where_training_is_fastest(times, words):
    rates = (1e-4, 0.1, 0.5)
    made = {10.0**i: curves(*both) for i, both in enumerate(zip(rates, times, strict=True))}
    assert words in " ".join(outcomes.verdict(outcomes.summarize(made, 2)))


def test_times_that_are_not_reached_are_said():
    found = outcomes.summarize({1.0: curves(0.1, 500), 2.0: curves(-0.1, 500)}, 2)
    text = " ".join(outcomes.verdict(found))
    assert "no run reaches an accuracy of 0.8 in 200 steps" in text and found.positive == [1.0]
    assert "more than 200" in outcomes.table(found)[1]


def test_weights_are_normal_and_copies_are_within_the_perturbation():
    with precision.running_in("float64"):
        like = {"bias": jnp.zeros(50), "kernel": jnp.zeros((300, 50))}
        weights = weights_at(jax.random.key(0), like)
        moved = np.asarray(near(jax.random.key(1), weights)["kernel"] - weights["kernel"]) / PERTURBATION
        weights = jax.tree.map(np.asarray, weights)
    assert abs(np.std(weights["kernel"]) - 1) < 0.02 and not np.any(weights["bias"])
    assert abs(moved).max() <= 1 + 1e-6 and abs(moved.std() - 3**-0.5) < 0.01 and abs(moved.mean()) < 0.02


SHORT = ("--num_inits=3", "--num_train=100", "--num_test=50", "--num_steps=40", "--width=8")


@pytest.mark.slow
def test_the_program_runs_in_short(monkeypatch, tmp_path):
    monkeypatch.setattr(study, "REFERENCE", tmp_path / "none")
    done = call_program(monkeypatch, "transients", f"--workdir={tmp_path / 'run'}", "--rates=0.01,20", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "Exponents" in done.stdout and list((tmp_path / "run").glob("*.png"))


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--rates=0,1", "--rates=0,1: expected positive numbers, as in --rates=0.1,1,10"),
        ("--rates=fast", "--rates=fast: expected positive numbers"),
        ("--num_steps=30", "--num_steps=30 is out of range: choose a multiple of 20"),
        ("--num_inits=2", "--num_inits=2 is out of range: choose 3 or more"),
    ],
)
def test_bad_flags_are_one_line(monkeypatch, tmp_path, flag, message):
    done = call_program(monkeypatch, "transients", f"--workdir={tmp_path / 'none'}", flag)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "none").exists()
