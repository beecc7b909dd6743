"""Ladders of temperatures against mean energies by quadrature."""

import numpy as np
import pytest

from pathjax.analysis.temperature_ladders import ladder_fit
from pathjax.core.errors import InputError

T = 100 * 4.0 ** np.arange(10)


def exact(a, b, t):
    """t E[K] of K = (w1^a w2^b)^2 with normal weights of variance 1, by quadrature on a logarithmic grid."""
    logs = np.linspace(-40, 3, 2000)
    w = np.exp(logs)
    density = logs - w**2 / 2
    energy = t * w[:, None] ** (2 * a) * w[None] ** (2 * b)
    weights = density[:, None] + density[None] - energy
    weights = np.exp(weights - weights.max())
    return (energy * weights).sum() / weights.sum()


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 2), (3, 1), (2, 2), (1, 4)])
def test_fits_extrapolate_exact_energies_to_the_coefficient(a, b):
    curve = np.array([exact(a, b, t) for t in T])
    noise = np.random.default_rng(0).normal(size=(400, len(T))) * 0.03
    fit = ladder_fit(T, curve + noise)
    assert fit.multiplicity == 1 + (a == b)
    assert abs(fit.value - 1 / (2 * max(a, b))) < 3 * fit.stderr and fit.stderr < 0.02


def test_intervals_cover():
    curve = 0.25 - 0.1 * (T / T[0]) ** -0.3
    hits = 0
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(size=(200, len(T))) * 0.03
        fit = ladder_fit(T, curve + noise)
        hits += fit.low <= 0.25 <= fit.high
    assert hits >= 54


def test_bad_input_is_refused_in_one_line():
    for t, energies, message in (
        (T[:3], np.zeros((40, 3)), "3 temperatures are too few for a fit: give 6 or more"),
        (T, np.zeros((5, 10)), "5 chains are too few: give 20 or more"),
        (T, np.full((40, 10), np.nan), "energies are not finite"),
    ):
        with pytest.raises(InputError, match=message):
            ladder_fit(t, energies)
