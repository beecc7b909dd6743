"""Confidence intervals of a model's parameters from a single curve, whose neighboring residuals may be correlated."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize, stats

from pathjax.analysis.intervals import CONFIDENCE

UNMOVED = 1e-9  # of what the parameter that moves the curve most does
LINEAR = 0.3  # relative error of a symmetric interval that is allowed
MAX_DOUBLINGS, MAX_HALVINGS = 8, 7  # of a search for the end of an interval


class _Regression(NamedTuple):
    """The local errors of one curve's parameters, and what a test of a fixed value needs.

    `inflation` is by how much the variances exceed those of independent residuals; `curvature` is the rise of the sum
    of squares per squared distance from the estimate, if the model is linear; `freedom` is the number of degrees of
    freedom that correlated residuals leave.
    """

    error: np.ndarray
    inflation: np.ndarray
    curvature: np.ndarray
    freedom: float


def interval_of_one(predict: Callable, values: np.ndarray, fit, bounds: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Returns the 95% intervals of the parameters that are fitted to one curve, or to several that share them.

    Errors are those of a regression whose residuals may vary in size, and be autoregressive of the first order. Where
    the model is far from linear, an end is where the sum of squares with that parameter fixed rises by the quantile's
    square, times the variance: the profile, which may have no end.

    Args:
        predict: the model, `predict(parameters) -> float[...]`.
        values: float[...], with time on the last axis; NaN values are left out.
        fit: what `scipy.optimize.least_squares` returns for the known values.
        bounds: (lower, upper), float[parameter] each.

    Returns:
        (low, high), float[parameter] each: infinite where the data give no limit, NaN where they say nothing.

    Source: MacKinnon and White 1985, Journal of Econometrics 29, 305 (errors whose size varies); Patterson and Thompson
    1971, Biometrika 58, 545 (restricted likelihood); Bates and Watts 1988, chapter 6 (profiles).

    >>> y = np.array([1.0, 2.0, 3.0, 2.0])
    >>> fit = optimize.least_squares(lambda p: p - y, [0.0])
    >>> low, high = interval_of_one(lambda p: p[0] + np.zeros(4), y, fit, (np.full(1, -np.inf), np.full(1, np.inf)))
    >>> bool(low[0] < 2 < high[0])
    True
    """
    found = _regression(values, fit)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, found.freedom))
    low, high = fit.x - quantile * found.error, fit.x + quantile * found.error
    moved = np.linalg.norm(fit.jac, axis=0) * np.maximum(np.abs(fit.x), 1e-3)
    unmoved = moved <= UNMOVED * moved.max()
    cost = 2 * fit.cost
    for i in np.flatnonzero(~unmoved).tolist() if cost > 0 and len(fit.x) > 1 else ():
        rise = cost / max(len(fit.fun) - len(fit.x), 1) * quantile**2 * found.inflation[i]
        low[i] = _profile_end(predict, values, fit, bounds, i, low[i], rise, found.curvature[i])
        high[i] = _profile_end(predict, values, fit, bounds, i, high[i], rise, found.curvature[i])
    low[unmoved] = high[unmoved] = np.nan
    return low, high


def _regression(values: np.ndarray, fit) -> _Regression:
    inverse = np.linalg.pinv(fit.jac.T @ fit.jac, rcond=1e-14)
    num, num_parameters = fit.jac.shape
    freedom = max(num - num_parameters, 1)
    # A value that the fit follows has a smaller residual than error.
    leverage = np.einsum("ti,ij,tj->t", fit.jac, inverse, fit.jac)
    scores = fit.jac * (fit.fun / np.maximum(1 - leverage, 1 / num))[:, None]
    plain = np.diag(inverse) * (fit.fun @ fit.fun) / freedom
    robust = np.maximum(np.diag(inverse @ scores.T @ scores @ inverse), plain)
    rho, variance, correlation = _correlated(values, fit)
    moved = correlation @ fit.jac @ inverse
    alone = np.maximum(np.diag(inverse), 1e-300) * max(float(fit.fun @ fit.fun) / freedom, 1e-300)
    inflation = np.maximum(np.diag(inverse @ fit.jac.T @ moved) * variance / alone, 1)
    curvature = 1 / np.maximum(np.diag(inverse), 1e-300)
    return _Regression(np.sqrt(robust * inflation), inflation, curvature, max(freedom * (1 - rho) / (1 + rho), 3.0))


def _correlated(values: np.ndarray, fit) -> tuple[float, float, np.ndarray]:
    """Returns the correlation of neighboring residuals, their variance, and the correlation matrix of the known values.

    Residuals are taken as autoregressive of the first order, along the last axis of the curves; the likelihood is
    restricted, so that it does not take for noise what the fit followed.
    """
    known = np.isfinite(values).ravel()
    place = np.broadcast_to(np.arange(values.shape[-1]), values.shape).ravel()[known]
    curve = np.repeat(np.arange(values.size // values.shape[-1]), values.shape[-1])[known]
    apart = np.where(np.equal.outer(curve, curve), np.abs(np.subtract.outer(place, place)), np.inf)
    found = max((_likelihood(rho, apart, fit) for rho in RHOS), key=lambda one: one[0])
    return found[1], found[2], found[1] ** apart


RHOS = (*np.arange(0, 0.9, 0.05).tolist(), *np.arange(0.9, 0.985, 0.02).tolist())


def _likelihood(rho: float, apart: np.ndarray, fit) -> tuple[float, float, float]:
    """Returns the restricted log-likelihood of a correlation, the correlation, and the variance of the residuals."""
    factor = np.linalg.cholesky(rho**apart)
    whitened = linalg.solve_triangular(factor, np.column_stack([fit.jac, fit.fun]), lower=True)
    basis, triangle = np.linalg.qr(whitened[:, :-1])
    left = whitened[:, -1] - basis @ (basis.T @ whitened[:, -1])
    freedom = max(len(left) - basis.shape[1], 1)
    square = max(float(left @ left), 1e-300)
    volume = np.log(np.maximum(np.abs(np.diag(triangle)), 1e-300)).sum() + np.log(np.diag(factor)).sum()
    return -volume - freedom / 2 * np.log(square), rho, square / freedom


def _profile_end(
    predict: Callable, values: np.ndarray, fit, bounds: tuple, i: int, end: float, rise: float, curvature: float
) -> float:
    """Returns where, beyond the estimate towards `end`, the sum of squares with parameter i fixed rises by `rise`.

    That is `end` itself if the rise there is about that of a linear model.
    """
    others = np.arange(len(fit.x)) != i
    start, known = fit.x[others].copy(), np.isfinite(values)
    inside = tuple(bound[others] for bound in bounds)
    scale = np.maximum(np.abs(start), 1e-3)
    limit = float(bounds[0][i] if end < fit.x[i] else bounds[1][i])
    far = abs(limit - fit.x[i])

    def rises(distance: float) -> float:
        value = fit.x[i] + np.copysign(min(distance, far), end - fit.x[i])

        def residuals(p):
            return (predict(np.insert(p, i, value)) - values)[known]

        found = optimize.least_squares(
            residuals, np.clip(start, *inside), bounds=inside, x_scale=scale, max_nfev=30, ftol=1e-5, xtol=1e-5
        )
        return max(2 * (found.cost - fit.cost), 0.0)

    reach = abs(end - fit.x[i])
    if reach == 0 or abs(np.sqrt(rises(reach) / (curvature * min(reach, far) ** 2)) - 1) < LINEAR:
        return end
    inner, outer = 0.0, reach
    for _ in range(MAX_DOUBLINGS):
        if rises(outer) >= rise:
            break
        if outer >= far:
            return limit
        inner, outer = outer, 2 * outer
    else:
        return float(np.copysign(np.inf, end - fit.x[i]))
    for _ in range(MAX_HALVINGS):
        middle = (inner + outer) / 2
        inner, outer = (inner, middle) if rises(middle) >= rise else (middle, outer)
    return fit.x[i] + float(np.copysign(min(outer, far), end - fit.x[i]))
