"""Fits growth laws to the distances of several units, with intervals that units justify."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, optimize

from pathjax.analysis.curve_noise import CurveNoise, covariance_of_mean, estimate_curve_noise, floor_correlation
from pathjax.analysis.growth_laws import TINY, Law
from pathjax.analysis.statistics import half_interval
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require

MAX_TIMES = 60  # neighboring times are correlated: more of them add nothing but time
MIN_UNITS, MIN_TIMES = 4, 8
NORMAL = 1.96  # the quantile of the normal distribution for 95%
INEXACT = 0.003  # relative model error that intervals allow for; with FLOOR, they would cover 99%


@shown_in_short
class Curves(NamedTuple):
    """Distances prepared for fits, in units of time and distance in which both are of the order of 1.

    Attributes:
        t: float[time], above 0, to 1.
        logs: float[unit, time], mean of log(d / scale) over the directions of each unit.
        d0: the start, in units of `scale`.
        covariance: float[time, time], of the mean of `logs` over units.
        noise: that of one unit.
        starts: float[unit], the start of each unit, relative to their geometric mean.
        duration, scale: the time and the distance that are 1.
    """

    t: np.ndarray
    logs: np.ndarray
    d0: float
    covariance: np.ndarray
    noise: CurveNoise
    starts: np.ndarray
    duration: float
    scale: float

    @property
    def growth(self) -> float:
        """The factor by which the mean curve grows; infinite if it begins at 0."""
        return float(np.exp(self.logs.mean(0)[-1]) / self.d0) if self.d0 > 0 else float("inf")


def curves_of(steps: ArrayLike, distance: ArrayLike, *, max_times: int = MAX_TIMES) -> Curves:
    """Prepares distances for fits: one curve for each unit, and the noise of their mean.

    Units are what is independent: initializations, each with a batch schedule of its own. Directions of one
    initialization share its path, so that their mean is one observation.

    Args:
        steps: float[time], increasing; its first is the start.
        distance: float[unit, direction, time], or [unit, time], from at least 4 units. NaN members are left out.
        max_times: at most so many times are used, half of them equally spaced, half in equal ratios.

    Returns:
        Curves. Starts are equal for all units, or relative to each unit's own: each curve is divided by its start if
        starts are above 0.

    Raises:
        InputError: for fewer than 4 units, other shapes, distances that are negative, or 0 after the start.

    >>> steps, d = np.arange(11), np.ones((4, 2, 11)) * np.exp(0.1 * np.arange(11))
    >>> round(curves_of(steps, d).growth, 3)
    2.718
    """
    steps, d = np.asarray(steps, float), np.asarray(distance, float)
    d = d[:, None] if d.ndim == 2 else d
    expected = "give float[unit, direction, time], with the times in steps"
    require(d.ndim == 3 and d.shape[-1] == len(steps), f"distances have shape {d.shape}, not that of units: {expected}")
    fewest = f"give {MIN_UNITS} initializations and schedules, or more"
    require(len(d) >= MIN_UNITS, f"{len(d)} units cannot show their noise: {fewest}")
    require(
        len(steps) >= MIN_TIMES and bool((np.diff(steps) > 0).all()),
        f"steps must be at least {MIN_TIMES}, and increase",
    )
    good = np.isfinite(d).all(-1)
    require(bool(good.any(1).all()), "a unit has no direction with finite distances: leave it out")
    require(bool((d[good] >= 0).all() and (d[good][:, 1:] > 0).all()), "distances must be above 0 after the start")
    starts_above = bool((d[good][:, 0] > 0).all())
    logs = np.stack([_mean_log(of_unit[ok], starts_above) for of_unit, ok in zip(d, good, strict=True)])
    starts = [np.log(of_unit[ok, 0]).mean() if starts_above else 0.0 for of_unit, ok in zip(d, good, strict=True)]
    level = np.exp(np.mean(starts))
    rows = _rows(steps - steps[0], max_times)
    scale = np.exp(logs[:, rows[-1]].mean()) * level
    t = (steps[rows] - steps[0]) / (steps[-1] - steps[0])
    chosen = logs[:, rows] + np.log(level / scale)
    noise = estimate_curve_noise(chosen, t)
    covariance = covariance_of_mean(noise, len(d), t)
    d0 = level / scale if starts_above else 0.0
    relative = np.exp(starts) / level
    return Curves(t, chosen, float(d0), covariance, noise, relative, float(steps[-1] - steps[0]), float(scale))


def _mean_log(distance: np.ndarray, relative: bool) -> np.ndarray:
    """Returns the mean of log d, or of log(d / d0), over directions."""
    with np.errstate(divide="ignore"):
        logs = np.log(distance)
    return (logs - logs[:, :1] if relative else logs).mean(0)


def _rows(times: np.ndarray, num: int) -> np.ndarray:
    """Returns rows of times after the start, half of them equally spaced, half in equal ratios, with the last one."""
    last = len(times) - 1
    even = np.linspace(0, times[-1], num // 2 + 1)[1:]
    ratio = np.geomspace(times[1], times[-1], num // 2)
    found = np.abs(times[:, None] - np.concatenate([even, ratio])).argmin(0)
    return np.unique(np.clip(found, 1, last))


def part_of(curves: Curves, units: np.ndarray, times: np.ndarray) -> Curves:
    """Returns some units' curves at some times, with the noise of all.

    >>> curves = curves_of(np.arange(20), np.ones((5, 20)))
    >>> part_of(curves, np.arange(4), curves.t <= 0.5).logs.shape[0]
    4
    """
    covariance = covariance_of_mean(curves.noise, len(units), curves.t)[np.ix_(times, times)]
    return curves._replace(
        t=curves.t[times], logs=curves.logs[units][:, times], covariance=covariance, starts=curves.starts[units]
    )


@shown_in_short
class LawFit(NamedTuple):
    """A law fitted to the mean curve.

    Attributes:
        law: the law.
        parameters: float[p], in steps and in the units of the distance.
        low, high: float[p], 95% confidence intervals from the differences between units and INEXACT.
        scaled: float[p], in the units of the Curves.
        deviance: r' V^-1 r of the residuals r of log d, with the covariance V of their mean.
        rms: root mean square of these residuals.
    """

    law: Law
    parameters: np.ndarray
    low: np.ndarray
    high: np.ndarray
    scaled: np.ndarray
    deviance: float
    rms: float


def fit_law(curves: Curves, law: Law) -> LawFit:
    """Fits a law to the mean of log d by generalized least squares.

    The estimate minimizes r' V^-1 r. Its error is that of a mean over units: a unit's curve, by itself, would move the
    estimate by G = (J' V^-1 J)^-1 J' V^-1 times its deviation from the mean, and its start the unit of distance. Half
    the interval is the root of the sum of two squares: the standard deviation of these over U units, divided by sqrt(U)
    and times Student's t of U - 1 degrees of freedom, so that a wrong V costs precision and not coverage; and 1.96
    times the error that a model error of relative size INEXACT causes.

    Args:
        curves: of `curves_of`.
        law: of `pathjax.analysis.growth_laws`.

    Returns:
        LawFit.

    >>> from pathjax.analysis.growth_laws import LAWS
    >>> steps, rates = np.arange(0, 101, 5), np.array([0.019, 0.02, 0.02, 0.021])
    >>> fit = fit_law(curves_of(steps, np.exp(rates[:, None] * steps)), LAWS["exponential"])
    >>> fit.parameters.round(3).tolist(), bool(fit.low[0] < 0.02 < fit.high[0])
    ([0.02], True)
    """
    mean = curves.logs.mean(0)
    factor = linalg.cholesky(curves.covariance, lower=True)

    def residuals(p, of=mean):
        d = np.maximum(law.distance(curves.t, curves.d0, p), TINY)
        return linalg.solve_triangular(factor, of - np.log(d), lower=True)

    p = _least_squares(residuals, law)
    whitened = residuals(p)
    deviance = float(whitened @ whitened)
    rms = float(np.sqrt(np.mean((factor @ whitened) ** 2)))
    own = _in_units(curves, law, p)
    low, high = _interval(curves, law, p, residuals, factor)
    return LawFit(law, own, low, high, p, deviance, rms)


def _gain(residuals, factor: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Returns G, by which a deviation of the curve moves the parameters, float[p, time]."""
    jacobian = optimize.approx_fprime(p, residuals, 1e-6 * np.maximum(np.abs(p), 0.01))
    return -np.linalg.pinv(jacobian, rcond=1e-8) @ linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)


def _interval(curves: Curves, law: Law, p: np.ndarray, residuals, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the 95% interval of the parameters: Student's, for the mean of what each unit says, and the floor."""
    own = _in_units(curves, law, p)
    if not law.parameters:
        return own, own
    gain = _gain(residuals, factor, p)
    of_units = p + (curves.logs - curves.logs.mean(0)) @ gain.T
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # of laws that do not fit at all
        each = [_in_units(curves, law, one, start) for one, start in zip(of_units, curves.starts, strict=True)]
        off = linalg.cholesky(floor_correlation(curves.t), lower=True).T * INEXACT
        moved = np.array([_in_units(curves, law, p + one) for one in off @ gain.T]) - own
        reach = np.sqrt(half_interval(each) ** 2 + (NORMAL**2) * (moved**2).sum(0))
        return np.maximum(own - reach, np.array(law.lower)), own + reach


def _in_units(curves: Curves, law: Law, p: np.ndarray, start: float = 1.0) -> np.ndarray:
    """Returns parameters in steps and distances, for a unit that starts at `start` times the mean start."""
    return np.array(law.in_units(p, curves.duration, curves.scale * start))


def _least_squares(residuals, law: Law) -> np.ndarray:
    """Returns the parameters of the best fit that any of the law's starts leads to."""
    best, least = np.array(law.starts[0], float), np.inf
    if not law.parameters:
        return best
    bounds = (np.array(law.lower), np.inf)
    for start in law.starts:
        found = optimize.least_squares(residuals, start, bounds=bounds, x_scale=np.maximum(np.abs(start), 0.1))
        if found.cost < least:
            best, least = found.x, found.cost
    return best


def fit_laws(curves: Curves, laws: Sequence[Law]) -> dict[str, LawFit]:
    """Fits several laws, by name.

    >>> from pathjax.analysis.growth_laws import LAWS
    >>> curves = curves_of(np.arange(20), 1 + np.arange(20) * np.array([[1.0], [1.1], [0.9], [1.0]]))
    >>> fits = fit_laws(curves, [LAWS["linear"], LAWS["diffusion"]])
    >>> fits["linear"].deviance < fits["diffusion"].deviance
    True
    """
    return {law.name: fit_law(curves, law) for law in laws}
