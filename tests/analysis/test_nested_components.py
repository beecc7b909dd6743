"""Variance components of trees and the design effect against simulated trees; times to a threshold."""

import numpy as np
import pytest

from pathjax.analysis.nested_components import design_effect, nested_components
from pathjax.analysis.thresholds import time_to_threshold
from pathjax.core.errors import InputError

TREES = {  # units of each level, standard deviations, dimensions of the outcome
    "few roots": ((4, 8, 8), (1.0, 0.5, 0.3), 1),
    "leaves vary most": ((8, 4, 4), (0.3, 0.5, 1.0), 1),
    "no forks' variance": ((8, 4, 4), (1.0, 0.0, 0.5), 1),
    "four levels": ((10, 4, 3, 2), (1.0, 0.7, 0.5, 0.3), 1),
    "five dimensions": ((6, 4, 4), (1.0, 0.5, 0.3), 5),
}


def tree(rng, counts, deviations, num_dims):
    terms = (
        sd * rng.normal(size=(*counts[: level + 1], *[1] * (len(counts) - level - 1), num_dims))
        for level, sd in enumerate(deviations)
    )
    return sum(terms)


FAST = ("few roots", "five dimensions")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n not in FAST else ()) for n in TREES])
def test_intervals_of_simulated_trees_cover_the_truth(name):
    counts, deviations, num_dims = TREES[name]
    rng, true, num = np.random.default_rng(0), num_dims * np.square(deviations), 400
    levels = tuple(map(str, range(len(counts))))
    hits = np.zeros((2, len(counts)))
    for _ in range(num):
        found = nested_components(tree(rng, *TREES[name]), levels)
        pairs = ((found.low, true, found.high), (found.share_low, true / true.sum(), found.share_high))
        hits += [(low <= value) & (value <= high) for low, value, high in pairs]
    # 90 to 98%; a variance of 0 is missed on one side only.
    assert (hits / num >= 0.90).all() and (hits / num <= 0.99).all(), hits / num


def test_components_are_those_of_the_tables_of_a_nested_analysis_of_variance():
    y = np.array([[[1.0, 3.0], [2.0, 6.0]], [[5.0, 9.0], [4.0, 4.0]]])
    found = nested_components(y, ("a", "b", "c"))
    leaves = 2 * (1 + 4 + 4 + 0) / 4  # squares about means 2, 4, 7, 4, by 4 degrees of freedom
    forks = 2 * (1 + 1 + 2.25 + 2.25) / 2  # means 2, 4 about 3; 7, 4 about 5.5
    roots = 4 * (1.25**2 + 1.25**2) / 1
    expected = [(roots - forks) / 4, (forks - leaves) / 2, leaves]
    np.testing.assert_allclose(found.variance, np.maximum(expected, 0), rtol=1e-12)


def test_the_design_effect_of_simulated_groups_is_covered():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        found = design_effect(rng.normal(size=(8, 1)) + 0.5 * rng.normal(size=(8, 6)))
        hits += found.observations_low <= 6 / (1 + 5 * 0.8) <= found.observations_high
    assert 0.92 < hits / 400 < 0.98


def test_equal_units_are_one_observation_and_unrelated_ones_are_all():
    same = design_effect(np.repeat(np.arange(5.0)[:, None], 6, 1))
    assert same.correlation == 1 and same.observations == 1
    unrelated = design_effect(np.tile([-1.0, 1.0], (5, 1)))
    assert unrelated.correlation == 0 and unrelated.observations == 2


@pytest.mark.parametrize("wrong", [np.zeros((3, 1)), np.full((3, 2), np.nan), np.zeros(3)])
def test_trees_and_groups_that_say_nothing_are_one_line(wrong):
    with pytest.raises(InputError, match="outcomes have shape"):
        nested_components(wrong, ("a", "b"))
    with pytest.raises(InputError, match="outcomes have shape"):
        design_effect(wrong)


def test_times_to_a_threshold_are_interpolated():
    steps, rng = np.arange(0, 50, 5), np.random.default_rng(0)
    curves = np.cumsum(rng.uniform(size=(10, 4)), axis=0)
    found = time_to_threshold(steps, curves, 2.0)
    np.testing.assert_allclose(found, [np.interp(2.0, curve, steps) for curve in curves.T])
    np.testing.assert_allclose(time_to_threshold(steps, -curves, -2.0, falling=True), found)
    assert np.isnan(time_to_threshold(steps, curves, 99.0)).all()
    assert (time_to_threshold(steps, curves + 5, 2.0) == 0).all()
    with_gap = np.array([np.nan, 1.0, np.nan, 3.0])
    assert time_to_threshold([0, 1, 2, 3], with_gap, 2.0) == 3.0  # nothing is known of the record before
    with pytest.raises(InputError, match="must ascend"):
        time_to_threshold([0, 2, 1], [1.0, 2.0, 3.0], 2.0)
