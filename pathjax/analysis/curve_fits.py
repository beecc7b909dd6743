"""Fits any model to curves, with intervals that hold for correlated residuals; logistic curves."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from pathjax.analysis.curve_intervals import interval_of_one
from pathjax.analysis.intervals import CONFIDENCE
from pathjax.analysis.statistics import half_interval
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require

Values = Sequence | np.ndarray
LOGISTIC = ("prevalence", "speed", "half_time")


@shown_in_short
class CurveFit(NamedTuple):
    """A model fitted to curves.

    Attributes:
        parameters: float[parameter]: with several units, the mean of their own fits.
        low, high: float[parameter], 95% confidence intervals; NaN where the data do not determine a parameter.
        of_units: float[unit, parameter], the fit of each unit.
        residuals: float[...], of the mean over units, from the mean of their fitted curves.
        rms: root mean square of these.
    """

    parameters: np.ndarray
    low: np.ndarray
    high: np.ndarray
    of_units: np.ndarray
    residuals: np.ndarray
    rms: float


def fit_curves(
    predict: Callable[[np.ndarray], np.ndarray],
    values: Values,
    start: Values,
    *,
    lower: Values | float = -np.inf,
    upper: Values | float = np.inf,
) -> CurveFit:
    """Fits a model to curves by least squares.

    With several units, such as initializations, each is fitted by itself: the parameters are the mean of these fits,
    and the interval is Student's, from their spread. With one, the interval is that of a regression whose residuals may
    vary in size and be correlated with their neighbors (autoregressive of the first order); where the model is far from
    linear in a parameter, such as the speed of a rise between two records, its ends are those of the profile of the
    likelihood, and may be infinite.

    Args:
        predict: `predict(parameters) -> float[...]`, the curve, or several at once, such as [2, time].
        values: float[...] of the same shape, or float[unit, ...] of several units. Values that are not finite are left
            out.
        start: float[parameter], or float[start, parameter]: the best fit of all starts is taken.
        lower, upper: bounds.

    Returns:
        CurveFit.

    Raises:
        InputError: if shapes differ, or there are fewer values than parameters.

    >>> t = np.arange(50)
    >>> fit = fit_curves(lambda p: p[0] + p[1] * t, 1 + 2.0 * t + np.sin(9.0 * t), [0.0, 0.0])
    >>> fit.parameters.round(2).tolist(), bool(fit.low[1] < 2 < fit.high[1])
    ([0.99, 2.0], True)
    """
    y, starts = np.asarray(values, float), np.atleast_2d(np.asarray(start, float))
    y = np.where(np.isfinite(y), y, np.nan)
    shape = np.shape(predict(starts[0]))
    units = y[None] if y.shape == shape else y
    require(units.shape[1:] == shape and len(units) > 0, f"values have shape {y.shape}, but the model's have {shape}")
    few = f"{np.isfinite(units).sum(tuple(range(1, units.ndim))).min()} values do not determine"
    enough = (np.isfinite(units).sum(tuple(range(1, units.ndim))) > starts.shape[1]).all()
    require(bool(enough), f"{few} {starts.shape[1]} parameters: give more")
    bounds = tuple(np.broadcast_to(np.asarray(one, float), starts.shape[1:]) for one in (lower, upper))
    fits = [_fit_one(predict, unit, starts, bounds) for unit in units]
    of_units = np.stack([found.x for found in fits])
    known = np.isfinite(units).sum(0)
    mean = np.where(known > 0, np.nansum(units, axis=0) / np.maximum(known, 1), np.nan)
    mean = mean - np.mean([predict(own) for own in of_units], axis=0)
    parameters, reach = of_units.mean(0), half_interval(of_units, CONFIDENCE)
    low, high = parameters - reach, parameters + reach
    if len(units) == 1:
        low, high = interval_of_one(predict, units[0], fits[0], bounds)
    return CurveFit(parameters, low, high, of_units, mean, float(np.sqrt(np.nanmean(mean**2))))


def _fit_one(predict: Callable, values: np.ndarray, starts: np.ndarray, bounds: tuple):
    known = np.isfinite(values)

    def residuals(p):
        return (predict(p) - values)[known]

    found = [
        optimize.least_squares(residuals, np.clip(one, *bounds), bounds=bounds, x_scale=np.maximum(np.abs(one), 1e-3))
        for one in starts
    ]
    return min(found, key=lambda one: one.cost)


def logistic(steps: Values, parameters: Values, chance: float = 0.0) -> np.ndarray:
    """Computes chance + (1 - chance) gamma / (1 + exp(-alpha (t - b))) of parameters (gamma, alpha, b).

    >>> logistic([30.0], [0.7, 0.15, 30.0]).tolist()
    [0.35]
    """
    gamma, alpha, b = np.asarray(parameters, float)
    return np.asarray(chance + (1 - chance) * gamma * special.expit(alpha * (np.asarray(steps, float) - b)))


def fit_logistic(steps: Values, values: Values, chance: float = 0.0) -> CurveFit:
    """Fits chance + (1 - chance) gamma / (1 + exp(-alpha (t - b))) to the learning curve of a pattern.

    Args:
        steps: float[time], increasing.
        values: accuracies float[time], or float[unit, time].
        chance: the accuracy before anything is learned, such as 1 / classes.

    Returns:
        CurveFit of (gamma, alpha, b), as LOGISTIC names them: the prevalence, the speed per step, and the half-time in
        steps.

    Raises:
        InputError: see `fit_curves`; if steps do not increase.

    Source: Davies, Langosco, Krueger 2023, "Unifying Grokking and Double Descent" (the curve).

    >>> t = np.arange(0, 200, 5)
    >>> fit_logistic(t, logistic(t, (0.7, 0.15, 30.0))).parameters.round(3).tolist()
    [0.7, 0.15, 30.0]
    """
    t, y = np.asarray(steps, float), np.asarray(values, float)
    require(t.ndim == 1 and len(t) > 3 and bool((np.diff(t) > 0).all()), "steps must increase, and be 4 or more")
    require(y.shape[-1:] == t.shape, f"values have shape {y.shape}: give one for each of {len(t)} steps")
    require(0 <= chance < 1, f"chance={chance:g} is out of range: choose 0 or more, below 1")
    y = np.where(np.isfinite(y), y, np.nan)
    known = np.isfinite(y).reshape(-1, len(t)).sum(0)
    mean = (np.nansum(y.reshape(-1, len(t)), axis=0) / np.maximum(known, 1) - chance) / (1 - chance)
    mean = np.where(known > 0, mean, -np.inf)
    top = max(float(mean.max()), 1e-3)
    at = float(t[int(np.argmax(mean >= top / 2))])
    late = float(t[int(np.argmax(mean >= 0.9 * top))])
    rate = 2.2 / max(late - at, float(np.diff(t).min()))
    starts = [(top, rate * factor, at) for factor in (1, 0.3)]
    bounds = {"lower": [-0.2, 0.0, -np.inf], "upper": [1.2, np.inf, np.inf]}
    return fit_curves(lambda p: chance + (1 - chance) * p[0] * special.expit(p[1] * (t - p[2])), y, starts, **bounds)
