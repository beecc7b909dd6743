"""Areas between boundaries against geometry, and distances of populations against their expectation."""

import numpy as np
import pytest

import pathjax
from pathjax.analysis.boundaries import area_between, areas_between, plane_of
from pathjax.analysis.populations import energy_distance, jackknife_of_units, mean_of_pairs


def plane(num=200):
    inputs = np.random.default_rng(0).uniform(-1, 1, (4000, 2))
    return plane_of(inputs, num, margin=0.5)


def test_the_area_between_two_half_planes_is_the_strip():
    grid = plane()
    x = grid.points[:, 0]
    uniform = np.full(len(x), 1 / len(x))
    left, right = grid.extent[:2]
    found = area_between(x > 0.2, x > -0.3, uniform)
    assert abs(found - 0.5 / (right - left)) < 1 / 200
    # Where data are (uniform on a square of side 2), half of the strip's share of it is 0.25.
    assert abs(area_between(x > 0.2, x > -0.3, grid.near) - 0.25) < 0.02


def test_measures_add_up_and_lie_where_they_should():
    grid = plane(60)
    outside = np.abs(grid.points).max(1) > 1.4
    assert abs(grid.near.sum() - 1) < 1e-12 and abs(grid.empty.sum() - 1) < 1e-12
    assert grid.near[outside].sum() < 0.01 and grid.empty[np.abs(grid.points).max(1) < 1].sum() == 0


def test_areas_of_all_pairs_are_those_of_each():
    rng = np.random.default_rng(1)
    a, b, weights = rng.integers(3, size=(4, 50)), rng.integers(3, size=(5, 50)), rng.dirichlet(np.ones(50))
    found = areas_between(a, b, weights)
    each = [[sum(w for w, p, q in zip(weights, x, y, strict=True) if p != q) for y in b] for x in a]
    np.testing.assert_allclose(found, each)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_energy_distance_is_the_squared_difference_of_probabilities(shift):
    """Paired populations of coins: sum_p w_p 2 (P_a - P_b)^2 for two classes, without a bias from pairing."""
    rng = np.random.default_rng(2)
    n, points, found = 8, 40, []
    weights, p = rng.dirichlet(np.ones(points)), rng.uniform(0.2, 0.6, points)
    for _ in range(400):
        u = rng.uniform(size=(n, points))
        b, a = (u < p).astype(int), (u < p + shift).astype(int)  # of the same draws
        found.append(energy_distance(*(areas_between(x, y, weights) for x, y in ((a, a), (b, b), (a, b)))))
    error = np.std(found) / 20
    assert abs(np.mean(found) - 2 * shift**2) < 4 * error + 1e-12


def test_the_jackknife_interval_of_a_mean_is_students_and_of_pairs_covers():
    from pathjax.analysis.intervals import mean_over_units

    values = np.random.default_rng(3).normal(size=12)
    np.testing.assert_allclose(jackknife_of_units(lambda u: values[u].mean(), 12), mean_over_units(values))
    covered = 0
    for seed in range(200):
        x = np.random.default_rng(seed).normal(size=20)
        distances = np.abs(x[:, None] - x[None])
        found = jackknife_of_units(lambda u, d=distances: mean_of_pairs(d[np.ix_(u, u)]), 20)
        covered += found.low < 2 / np.sqrt(np.pi) < found.high  # E |x - y| of normal values
    assert 180 <= covered <= 199


def test_bad_input_is_one_line():
    with pytest.raises(pathjax.InputError, match=r"inputs have shape \(3, 3\): expected \(n, 2\)"):
        plane_of(np.ones((3, 3)))
    with pytest.raises(pathjax.InputError, match="inputs lie on a line"):
        plane_of(np.stack([np.arange(9.0), 2 * np.arange(9.0)], 1))
    with pytest.raises(pathjax.InputError, match="2 units do not give an interval"):
        jackknife_of_units(np.mean, 2)
