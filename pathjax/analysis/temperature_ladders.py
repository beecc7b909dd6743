"""Learning coefficients from mean energies at a ladder of temperatures."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from pathjax.analysis.intervals import CONFIDENCE
from pathjax.analysis.populations import jackknife_of_units
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require

NUM_GROUPS = 20  # of chains, which are left out one by one
MIN_LEVELS = 6
SLOWEST = 0.15  # power of the next term: slower ones cannot be told from a constant
LEFT_OUT = 2  # the lowest temperatures, to see how far the law is asymptotic


@shown_in_short
class LadderFit(NamedTuple):
    """A learning coefficient, extrapolated to temperature 0.

    Attributes:
        value: the coefficient, with its 95% interval `low` to `high` and standard error `stderr`.
        multiplicity: that of the law that fits best.
        chi_squared: of that law, per degree of freedom.
    """

    value: float
    low: float
    high: float
    stderr: float
    multiplicity: int
    chi_squared: float


class _Law(NamedTuple):
    """Mean energies as a function of x = log t and parameters, of which the first is the coefficient."""

    multiplicity: int
    curve: Callable
    start: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


def _pole(x, value, distance, rate):
    return value + distance * np.exp(-rate * (x - x[0]))


def _repeated(m: int) -> Callable:
    return lambda x, value, shift: value - (m - 1) / (x - x[0] + shift)


LAWS = (
    _Law(1, _pole, (-0.05, 0.5), (-np.inf, SLOWEST), (np.inf, 2.0)),
    _Law(2, _repeated(2), (5.0,), (1.0,), (1e3,)),
)


def ladder_fit(inverse_temperatures: np.ndarray, energies: np.ndarray) -> LadderFit:
    """Fits lambda to mean energies, t E[L - L_0] = lambda - (m - 1) / (log t + c) + ..., at inverse temperatures t.

    This is the derivative of the free energy by log t. For multiplicity 1, the next term is A t^(-d). The laws with
    m = 1 and 2 are averaged with Akaike's weights, exp(-AIC / 2); the multiplicity is that of the more likely one. The
    standard error of a law is the jackknife's over groups of chains, and the change of the coefficient without the two
    lowest inverse temperatures, added in squares: laws are asymptotic. The deviation of each law from the average is
    added, too, so that the error counts the choice of the law.

    Args:
        inverse_temperatures: t, float[level], increasing.
        energies: t (L - L_0), averaged over each chain's samples, float[chain, level].

    Raises:
        InputError: if there are fewer than 6 levels or 20 chains, or values are not finite.

    Source: Watanabe 2013, JMLR 14 (the mean energy and the free energy).

    >>> t, rng = 10.0 ** np.arange(2, 8), np.random.default_rng(0)
    >>> noise = 0.01 * rng.normal(size=(100, 6))
    >>> fit = ladder_fit(t, 0.5 - 1 / (np.log(t) + 2) + noise)
    >>> f"{fit.value:.2f}", fit.multiplicity
    ('0.50', 2)
    """
    t, energies = np.asarray(inverse_temperatures, float), np.asarray(energies, float)
    require(len(t) >= MIN_LEVELS, f"{len(t)} temperatures are too few for a fit: give {MIN_LEVELS} or more")
    require(len(energies) >= NUM_GROUPS, f"{len(energies)} chains are too few: give {NUM_GROUPS} or more")
    require(bool(np.isfinite(energies).all()), "energies are not finite: chains diverged; choose smaller steps")
    x = np.log(t)
    groups = np.array([part.mean(0) for part in np.array_split(energies, NUM_GROUPS)])
    errors = energies.std(0, ddof=1) / len(energies) ** 0.5
    found = [_of_law(law, x, groups, errors) for law in LAWS]
    aics = np.array([one.chi_squared + 2 * (1 + len(law.start)) for one, law in zip(found, LAWS, strict=True)])
    weights = np.exp((aics.min() - aics) / 2)
    weights /= weights.sum()
    values = np.array([one.value for one in found])
    value = float(weights @ values)
    stderr = float(np.sqrt(weights @ (np.array([one.stderr for one in found]) ** 2 + (values - value) ** 2)))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, NUM_GROUPS - 1)) * stderr
    best = int(np.argmax(weights))
    freedom = len(x) - 1 - len(LAWS[best].start)
    chi_squared = found[best].chi_squared / freedom
    return LadderFit(value, value - reach, value + reach, stderr, LAWS[best].multiplicity, chi_squared)


class _OfLaw(NamedTuple):
    value: float
    stderr: float
    chi_squared: float


def _of_law(law: _Law, x, groups, errors) -> _OfLaw:
    """Fits one law to the mean over groups of chains."""
    mean = groups.mean(0)
    parameters, chi_squared = _fit(law, x, mean, errors)
    start = tuple(parameters)
    interval = jackknife_of_units(lambda units: _fit(law, x, groups[units].mean(0), errors, start)[0][0], NUM_GROUPS)
    student = float(stats.t.ppf((1 + CONFIDENCE) / 2, NUM_GROUPS - 1))
    later = _fit(law, x[LEFT_OUT:], mean[LEFT_OUT:], errors[LEFT_OUT:], start)[0][0]
    stderr = float(np.hypot((interval.high - interval.value) / student, later - interval.value))
    return _OfLaw(interval.value, stderr, float(chi_squared))


def _fit(law: _Law, x, values, errors, start=None) -> tuple[np.ndarray, float]:
    """Returns the parameters and chi squared of a law."""
    start = (values[-1] + 0.02, *law.start) if start is None else start
    bounds = ((-np.inf, *law.lower), (np.inf, *law.upper))
    found = optimize.least_squares(lambda p: (law.curve(x, *p) - values) / errors, start, bounds=bounds, x_scale="jac")
    return found.x, 2 * found.cost
