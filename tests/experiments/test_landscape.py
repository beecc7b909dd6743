"""The landscape study: regimes and crossings from curves that are known, and the programs in short."""

import numpy as np
import pytest

from helpers.in_process import call_program
from pathjax.experiments.landscape import curves, summary
from pathjax.experiments.landscape.kinds import KINDS, Kind
from pathjax.experiments.learning_coefficients.problems import problem_of
from pathjax.experiments.runner import study

RATES = (0.1, 0.2, 0.4, 0.8)


def records(edges, growths, losses):
    """Records of one run at each rate: sharpness times rate, log-growth a step, and losses from the first step on."""
    readings, every = len(edges[0]), (len(losses[0])) // (len(edges[0]) - 1)
    return {
        "train_curvature": np.stack([np.array(e) / rate for e, rate in zip(edges, RATES, strict=True)], 1)[..., None],
        "log_growth": np.stack([np.r_[0, np.full(readings - 1, g * every)] for g in growths], 1)[..., None],
        "batch_loss": np.stack([np.r_[np.nan, one] for one in losses], 1)[..., None],
        "train_tangent_alignment": np.zeros((readings, len(RATES), 1, 1)),
        "train_curvature_products": np.full((readings, len(RATES)), 9),
        "negated_curvature": np.full((readings, len(RATES), 1), 0.1),
    }


def runs(seed):
    """Four rates: stable, at the edge with a period of two, a catapult to the edge, and divergence."""
    rng, steps = np.random.default_rng(seed), np.arange(60)
    noise = 1 + 0.01 * rng.normal(size=4)
    edges = [np.full(31, 1.2), np.linspace(1.0, 2.02, 31), np.r_[3.0, np.full(30, 2.05)], np.full(31, 6.0)]
    edges[1][15:] = 2.02
    losses = [np.exp(-steps / 20.0), 0.5 + 0.1 * (-1.0) ** steps, np.exp(-steps / 30.0), np.full(60, np.inf)]
    growths = [-0.01 * noise[0], 0.01 * noise[1], 0.03 * noise[2], np.nan]
    return curves.of_rates(records(edges, growths, losses), KIND)


KIND = Kind(lambda rate: None, RATES)


def test_regimes_and_crossings_are_those_of_the_curves():
    found = summary.summarize(KIND, [runs(seed) for seed in range(4)])
    assert [summary.regime(found, i) for i in range(4)] == [
        "stable",
        "edge of stability + period two",
        "catapult + edge of stability",
        "diverges",
    ]
    zero, edge = summary.crossings(found)
    np.testing.assert_allclose(zero, 0.1 * 2**0.5, rtol=0.02)  # half-way on a logarithmic axis
    np.testing.assert_allclose(edge, 0.1 * 2 ** (0.8 / 0.82), rtol=1e-3)
    text = " ".join(summary.verdict(found))
    assert "within 5% of the threshold 2 at 0.2 (2.02" in text and "which differ" in text
    np.testing.assert_allclose(found.exponents[:3].mean(1), [-0.01, 0.01, 0.03], rtol=0.02)


def test_exponents_that_are_positive_everywhere_do_not_cross():
    outcomes = [runs(seed) for seed in range(3)]
    for rates in outcomes:
        rates[0]["exponent"] = 0.001
    text = " ".join(summary.verdict(summary.summarize(KIND, outcomes)))
    assert "The exponent crosses 0 at no rate" in text and "above 0 at 0.1, 0.2, 0.4." in text


def test_signs_and_the_smallest_curvature_are_told_where_intervals_allow():
    found = summary.summarize(KIND, [runs(seed) for seed in range(4)])
    np.testing.assert_allclose(found.lowest_exponents[:3, 0], np.log1p(0.1 * np.array(RATES[:3])))
    text = " ".join(summary.verdict(found))
    assert "below 0 at 0.1; above 0 at 0.2, 0.4." in text
    assert "it is smaller at 0.1, 0.2, 0.4." in text


def test_the_last_crossing_counts():
    values = np.array([1.0, -1.0, np.nan, 3.0])
    assert summary.crossing([1, 2, 3, 4], values, 0.0) == pytest.approx(2 * 2**0.25)
    assert np.isnan(summary.crossing([1, 2], np.array([1.0, 2.0]), 0.0))  # never below
    assert np.isnan(summary.crossing([1, 2], np.array([1.0, -2.0]), 0.0))  # never above


def test_thresholds_are_those_of_a_quadratic():
    assert KINDS["gradient descent"].threshold == 2
    assert KINDS["momentum 0.9"].threshold == pytest.approx(3.8)
    assert KINDS["Adam"].threshold == pytest.approx(38)


@pytest.mark.parametrize("name", ["gradient descent", "momentum 0.9"])
def test_exponents_of_quadratics_are_those_of_the_optimizer(name):
    kind, rate = KINDS[name], 0.1
    for curvature in (-3.0, -0.5, 1.2 * kind.threshold / rate):  # where the larger root is real
        optimizer = kind.optimizer(rate)
        weight, state = 1.0, optimizer.init(1.0)
        sizes = []
        for _ in range(80):
            update, state = optimizer.update(curvature * weight, state)
            weight = weight + update
            sizes.append(abs(float(weight)))
        expected = kind.exponent(np.array([rate * curvature]))
        np.testing.assert_allclose(np.log(sizes[79] / sizes[59]) / 20, expected, rtol=1e-3)


SHORT = {
    "landscape": ("--kinds=0,4", "--num_inits=2", "--num_train=100", "--widths=4", "--num_steps=100"),
    "learning_coefficients": ("--size=0.02", "--monomials=1x1", "--shapes=2x2x1x0"),
}
WORDS = {"landscape": "Rate times sharpness", "learning_coefficients": "cover in"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SHORT))
def test_programs_run_in_short(monkeypatch, tmp_path, name):
    monkeypatch.setattr(study, "REFERENCE", tmp_path / "none")
    done = call_program(monkeypatch, name, f"--workdir={tmp_path / name}", *SHORT[name])
    assert done.returncode == 0, done.stderr
    assert WORDS[name] in done.stdout and list((tmp_path / name).glob("*.png"))


@pytest.mark.parametrize(
    ("name", "flag", "message"),
    [
        ("landscape", "--kinds=5", "--kinds: unknown '5', choose numbers 0 to 4"),
        ("landscape", "--num_steps=150", "--num_steps=150 is out of range: choose a multiple of 100"),
        ("landscape", "--widths=wide", "--widths=wide: expected positive integers"),
        ("learning_coefficients", "--shapes=3x3x2", "a reduced rank has 4 numbers, not (3, 3, 2)"),
        ("learning_coefficients", "--shapes=3x3x2x3", "the rank must be 0 to 2, not 3"),
        ("learning_coefficients", "--monomials=0x1", "powers must be 1 or more, not 0 and 1"),
        ("learning_coefficients", "--monomials=axb", "'axb' must be numbers joined by x, such as 3x1"),
        ("learning_coefficients", "--size=0", "--size=0.0 is out of range: choose more than 0, up to 10"),
    ],
)
def test_bad_flags_are_one_line(monkeypatch, tmp_path, name, flag, message):
    done = call_program(monkeypatch, name, f"--workdir={tmp_path / 'none'}", flag)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "none").exists()


def test_known_problems_are_at_a_minimum_of_0():
    for what, numbers in (("monomial", (2, 3)), ("reduced rank", (4, 3, 2, 1)), ("quadratic", (5,))):
        problem = problem_of(what, numbers)
        assert abs(float(problem.loss(problem.weights, None))) < 1e-12
