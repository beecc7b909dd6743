"""Rare probabilities against tails that are known."""

import math

import numpy as np
import pytest
from scipy import special, stats

import pathjax
from pathjax.analysis.subset_simulation import counted, mixed, rotated, subset_simulation


def normal(rng, num):
    return rng.normal(size=(num, 20))


def on_sphere(rng, num):
    x = rng.normal(size=(num, 50))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def first(x):
    return x[:, 0]


def test_a_normal_tail_of_50_bits_comes_out_within_one():
    found = subset_simulation(np.random.default_rng(0), normal, mixed, first, float(stats.norm.isf(2.0**-50)))
    assert abs(found.bits - 50) < 1 and found.low < 50 < found.high and not found.is_bound


def test_a_tail_on_the_sphere_comes_out():
    """P(x_1 > a) = I_{1 - a^2}((d - 1) / 2, 1 / 2) / 2."""
    a = 0.8
    known = -math.log2(special.betainc(49 / 2, 0.5, 1 - a**2) / 2)
    found = subset_simulation(np.random.default_rng(1), on_sphere, rotated, first, a, num=1000)
    assert known > 30 and abs(found.bits - known) < 1 and found.low < known < found.high


@pytest.mark.parametrize(("score", "known"), [(lambda x: np.abs(x[:, 0]), 19.0), (lambda x: (x**2).sum(1), 19.0)])
def test_tails_in_several_directions_come_out(score, known):
    threshold = stats.norm.isf(2.0**-20) if score(np.full((1, 20), 2.0))[0] == 2 else stats.chi2.isf(2.0**-19, 20)
    found = subset_simulation(np.random.default_rng(2), normal, mixed, score, float(threshold), num=1000)
    assert abs(found.bits - known) < 1


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 25])
def test_intervals_cover(bits):
    threshold, covered = float(stats.norm.isf(2.0**-bits)), 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        found = subset_simulation(rng, normal, mixed, first, threshold, num=200)
        covered += found.low < bits < found.high
    assert covered >= 88  # of the intervals' 95, less three standard deviations


def test_moves_keep_the_distribution_and_the_angle():
    rng = np.random.default_rng(3)
    x = on_sphere(rng, 20_000)
    moved = rotated(rng, x, 0.7)
    np.testing.assert_allclose((x * moved).sum(1), math.cos(0.7))
    assert stats.ks_2samp(x[:, 0], moved[:, 0]).pvalue > 1e-3
    z = mixed(rng, normal(rng, 20_000), 0.7)
    assert stats.kstest(z[:, 0], "norm").pvalue > 1e-3
    assert (rotated(rng, np.zeros((3, 4)), 0.5) == 0).all()
    signs = rotated(rng, np.full((20_000, 1), 2.0), math.pi / 4)
    assert set(np.unique(signs)) == {-2.0, 2.0} and abs((signs < 0).mean() - 0.25) < 0.02


def test_what_is_common_is_counted():
    found = counted(np.arange(100), 75)
    exact = stats.binomtest(25, 100).proportion_ci(0.95, "exact")
    np.testing.assert_allclose((found.bits, found.low, found.high), (2, -math.log2(exact.high), -math.log2(exact.low)))
    none = counted(np.zeros(100), 1)
    assert none.is_bound and none.high == math.inf and none.bits == pytest.approx(-math.log2(1 - 0.025**0.01))


def test_an_outcome_that_is_never_reached_is_a_bound():
    rng = np.random.default_rng(4)
    found = subset_simulation(rng, normal, mixed, lambda x: np.zeros(len(x)), 1.0, num_repeats=2)
    assert found.is_bound and found.high == math.inf
    rare = subset_simulation(rng, normal, mixed, first, 30.0, num=100, num_repeats=2, max_bits=20)
    assert rare.is_bound and 20 <= rare.bits < 24


def test_scores_with_ties_and_indicators_come_out():
    def steps(x):
        return np.floor(np.abs(x[:, 0]))

    known = 1 - math.log2(stats.norm.sf(4)) - 2
    found = subset_simulation(np.random.default_rng(5), normal, mixed, steps, 4.0, num=800)
    assert abs(found.bits - known) < 1 and not found.is_bound
    indicator = subset_simulation(np.random.default_rng(6), normal, mixed, lambda x: 1.0 * (x[:, 0] > 2), 1.0, num=2000)
    assert abs(indicator.bits + math.log2(stats.norm.sf(2))) < 0.5 and not indicator.is_bound
    one = subset_simulation(np.random.default_rng(7), normal, mixed, first, 30.0, num=50, num_repeats=1, max_bits=10)
    assert one.is_bound and one.low == one.bits > 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num": 4}, "num must be 8 or more, not 4"),
        ({"kept": 0.7}, "kept=0.7 is out of range"),
        ({"threshold": math.nan}, "threshold must be finite, not nan"),
        ({"score": lambda x: np.full(len(x), np.nan)}, "a score is not finite"),
        ({"score": lambda x: x}, r"score returned shape \(400, 20\): expected \(400,\)"),
    ],
)
def test_bad_input_is_one_line(changes, message):
    given = {"score": first, "threshold": 1.0} | changes
    with pytest.raises(pathjax.InputError, match=message):
        subset_simulation(np.random.default_rng(0), normal, mixed, **given)
