"""The pattern-learning model against enumeration and drawn examples; its fits against synthetic curves."""

import itertools

import numpy as np
import pytest

import pathjax
from pathjax.analysis.curve_fits import fit_curves, fit_logistic, logistic
from pathjax.theory.pattern_learning import Patterns, accuracies, deciding, learned, vector_model

DESCENT = Patterns((0.7, 1, 0.2), (0.15, 0.15, 0.05), (30, 50, 200), (1, 0, 1), (0, 0, 1))
GROKKING = DESCENT._replace(prevalence=(0, 1, 1))
STEPS = np.arange(0, 300, 3.0)


def test_published_values():
    """Davies et al.: epoch-wise double descent and grokking from the same code."""
    for patterns, test in ((DESCENT, 0.47909), (GROKKING, 0.99297)):
        found = accuracies([299], patterns)
        assert abs(found.train[0] - 1) < 1e-5 and abs(found.test[0] - test) < 1e-5
    descent = accuracies(np.arange(300), DESCENT).test
    low = int(descent[50:150].argmin()) + 50
    assert descent[:low].max() > descent[low] + 0.15 and descent[-1] > descent[low] + 0.05  # up, down, and up again


def test_three_patterns_as_published():
    p = np.array([0.3, 0.6, 0.25])
    expected = [p[0] * (1 - p[2]) * (1 - p[1] / 2), p[1] * (1 - p[2]) * (1 - p[0] / 2), p[2]]
    np.testing.assert_allclose(deciding(p, [0, 0, 1]), expected)


@pytest.mark.parametrize("seed", range(20))
def test_any_number_of_patterns_and_any_order(seed):
    """Against the sum over all sets of patterns that answer."""
    rng = np.random.default_rng(seed)
    num = int(rng.integers(1, 8))
    p, order = rng.uniform(size=num), rng.integers(0, 3, num)
    expected = np.zeros(num)
    for answers in itertools.product([False, True], repeat=num):
        fired = np.array(answers)
        if fired.any():
            best = fired & (order == order[fired].max())
            expected[best] += np.prod(np.where(fired, p, 1 - p)) / best.sum()
    np.testing.assert_allclose(deciding(p, order), expected, atol=1e-12)
    np.testing.assert_allclose(deciding(p, order).sum(), 1 - np.prod(1 - p))


def test_accuracies_are_those_of_drawn_examples():
    rng = np.random.default_rng(0)
    g, num, chance, at = np.array(DESCENT.reliability, float) * 0.8 + 0.1, 400_000, 0.1, 60.0
    p = learned([at], *DESCENT[:3])[0]
    fired = rng.random((num, 3)) < p
    score = np.where(fired, np.array(DESCENT.preference) + rng.uniform(0, 0.5, (num, 3)), -1)
    chosen = np.where(fired.any(1), score.argmax(1), 3)
    right = rng.random(num) < np.append(g, chance)[chosen]
    right_train = fired.any(1) | (rng.random(num) < chance)
    found = accuracies([at], DESCENT._replace(reliability=g), chance)
    for drawn, exact in ((right, found.test[0]), (right_train, found.train[0])):
        assert abs(drawn.mean() - exact) < 4 * drawn.std() / np.sqrt(num)


def _ar(rng, rho=0.5, sd=0.02):
    found = sd * rng.normal(size=len(STEPS))
    for i in range(1, len(STEPS)):
        found[i] += rho * found[i - 1]
    return found


TRUTH = np.array([0.7, 0.08, 80.0])
CURVE = logistic(STEPS, TRUTH)
NOISE = {
    "normal": lambda rng: CURVE + 0.03 * rng.normal(size=CURVE.shape),
    "binomial": lambda rng: rng.binomial(297, CURVE) / 297,
    "correlated": lambda rng: CURVE + _ar(rng),
    "units": lambda rng: CURVE + 0.1 * rng.normal(size=(8, *CURVE.shape)),
    "units that differ": lambda rng: np.stack(
        [logistic(STEPS, TRUTH + [0.02, 0.005, 5] * rng.normal(size=3)) for _ in range(8)]
    ),
}


@pytest.mark.parametrize("name", sorted(NOISE))
@pytest.mark.parametrize(
    ("num", "least"), [(20, 0.8), pytest.param(100, 0.9, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_intervals_of_logistic_curves_cover(name, num, least):
    rng = np.random.default_rng(1)
    inside = np.zeros(3)
    for _ in range(num):
        fit = fit_logistic(STEPS, NOISE[name](rng))
        inside += (fit.low <= TRUTH) & (fit.high >= TRUTH)
    assert inside.min() >= least * num and inside.mean() >= (least + 0.03) * num, inside


@pytest.mark.parametrize("free", [("prevalence", "speed", "half_time"), ("speed", "half_time", "reliability")])
@pytest.mark.parametrize(
    ("num", "least"), [(4, 0.8), pytest.param(100, 0.92, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_intervals_of_the_whole_model_cover(free, num, least):
    rng = np.random.default_rng(2)
    model = vector_model(STEPS, DESCENT, free)
    starts = np.stack([model.start * 0.9, np.clip(model.start * 1.15, model.lower, model.upper)])
    inside = np.zeros(len(model.start))
    for _ in range(num):
        drawn = model.predict(model.start) + 0.01 * rng.normal(size=(2, len(STEPS)))
        fit = fit_curves(model.predict, drawn, starts, lower=model.lower, upper=model.upper)
        inside += (fit.low <= model.start) & (fit.high >= model.start)
    assert inside.mean() >= least * num and inside.min() >= (least - 0.1) * num - 1, inside


def test_a_rise_between_two_records_has_an_honest_speed():
    """The speed cannot be told from above: its interval has no end there, and covers."""
    rng = np.random.default_rng(4)
    steps, truth = np.arange(0, 200, 5.0), np.array([0.7, 3.0, 32.5])
    inside, endless = np.zeros(3), 0
    for _ in range(20):
        fit = fit_logistic(steps, logistic(steps, truth) + 0.02 * rng.normal(size=len(steps)))
        inside += (fit.low <= truth) & (fit.high >= truth)
        endless += np.isinf(fit.high[1])
    assert inside.min() >= 17 and endless >= 10, (inside, endless)


def test_grokking_is_fitted_without_its_absent_pattern():
    rng = np.random.default_rng(3)
    two = Patterns((1, 1), (0.15, 0.05), (50, 200), (0, 1), (0, 1))
    np.testing.assert_allclose(accuracies(STEPS, two).test, accuracies(STEPS, GROKKING).test, atol=1e-12)
    model = vector_model(STEPS, two, ("speed", "half_time"))
    drawn = model.predict(model.start) + 0.01 * rng.normal(size=(2, len(STEPS)))
    fit = fit_curves(model.predict, drawn, model.start * 1.2)
    np.testing.assert_allclose(fit.parameters, model.start, rtol=0.05)
    assert fit.rms < 0.012 and fit.residuals.shape == (2, len(STEPS))


def test_values_that_are_not_finite_are_left_out():
    whole = fit_logistic(STEPS, CURVE)
    broken = np.where(np.arange(len(CURVE)) % 7 == 3, np.nan, CURVE)
    broken[5] = np.inf
    fit = fit_logistic(STEPS, np.stack([broken, broken]))
    np.testing.assert_allclose(fit.parameters, whole.parameters, rtol=1e-4)
    assert np.isnan(fit.residuals[5]) and np.isfinite(fit.rms)


def test_a_parameter_that_the_data_do_not_determine_has_no_interval():
    fit = fit_curves(lambda p: p[0] + 0 * p[1] + np.zeros(20), np.random.default_rng(0).normal(size=20), [0.0, 1.0])
    assert np.isnan(fit.low[1]) and np.isfinite(fit.low[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_curves(lambda p: p * np.ones(5), np.ones(6), [1.0]), r"values have shape \(6,\), but the model's"),
        (lambda: fit_curves(lambda p: p[0] * np.ones(2) + p[1], np.ones(2), [1.0, 1.0]), "2 values do not determine 2"),
        (lambda: fit_logistic([0, 2, 1, 3], np.ones(4)), "steps must increase"),
        (lambda: vector_model([0], DESCENT, ["slope"]), "free has 'slope': choose from prevalence"),
        (lambda: deciding([0.5, 0.5], [1]), "give one for each"),
        (lambda: fit_logistic(np.arange(9), np.ones(9), chance=1.0), "chance=1 is out of range"),
        (lambda: vector_model([0], DESCENT, []), "free is empty"),
        (lambda: vector_model([0], DESCENT._replace(reliability=(1, 0))), "give one for each of the 3 patterns"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(pathjax.InputError, match=message):
        call()
