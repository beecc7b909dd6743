"""When does an early exponential period of growth end, and at what rate does it run?"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from pathjax.analysis.growth_laws import ANY, LAWS, Law
from pathjax.analysis.law_fits import LawFit, curves_of, fit_law
from pathjax.analysis.law_selection import goodness_of_fit


def _exponential_then_linear(t, d0, p):
    rate, end, slope = p
    early = d0 * np.exp(np.clip(rate * np.minimum(t, end), -50, 50))
    return early + slope * np.maximum(t - end, 0)


EXPONENTIAL_THEN_LINEAR = Law(
    "exponential, then linear",
    "d0 exp(rate t) until t = end, then d(end) + slope (t - end)",
    ("rate", "end", "slope"),
    _exponential_then_linear,
    (ANY, 1e-4, ANY),
    tuple((rate, end, 0.5) for end in (0.01, 0.03, 0.1, 0.3, 0.6) for rate in (0.1 / end, 1 / end)),
    lambda p, time, size: (p[0] / time, p[1] * time, p[2] * size / time),
)


class ExponentialPeriod(NamedTuple):
    """The early exponential period of a growth curve.

    Attributes:
        fit: of EXPONENTIAL_THEN_LINEAR: `rate` (nats per step), `end` (step) and `slope` (distance per step), each with
            its 95% interval. The rate and the end mean something only if both p-values are small.
        p_linear: of the test that growth is linear from the start; small: there is an early period.
        p_exponential: of the test that growth is exponential throughout; small: the period ends.
        p_fit: of the residuals (`goodness_of_fit`); small: growth is neither exponential before nor linear after it.
    """

    fit: LawFit
    p_linear: float
    p_exponential: float
    p_fit: float


def exponential_period(steps: ArrayLike, distance: ArrayLike) -> ExponentialPeriod:
    """Fits an exponential period that is followed by a linear one, with intervals for its rate and its end.

    The fit is that of `fit_law`; the tests compare deviances with those of its two special cases, a linear and an
    exponential law, by F(2, U - 1) and F(1, U - 1) for U units.

    Args:
        steps: float[time], with records in the early period, which is often shorter than an epoch.
        distance: float[unit, direction, time]; see `curves_of`.

    Returns:
        ExponentialPeriod.

    Raises:
        InputError: see `curves_of`.

    Source: Muggeo 2003, Statistics in Medicine 22 (broken lines).

    >>> steps = np.concatenate([np.arange(0, 50, 5), np.arange(50, 1001, 50)])
    >>> noise = 1 + 0.01 * np.random.default_rng(0).normal(size=(8, 1))
    >>> found = exponential_period(steps, EXPONENTIAL_THEN_LINEAR.distance(steps, 1.0, (0.02, 50, 0.004)) ** noise)
    >>> found.fit.parameters.round(2).tolist(), found.p_linear < 0.01, found.p_exponential < 0.01
    ([0.02, 50.0, 0.0], True, True)
    """
    curves = curves_of(steps, distance)
    fit = fit_law(curves, EXPONENTIAL_THEN_LINEAR)
    freedom = len(curves.logs) - 1
    simpler = ((2, fit_law(curves, LAWS["linear"])), (1, fit_law(curves, LAWS["exponential"])))
    falls = [max(0.0, one.deviance - fit.deviance) / more for more, one in simpler]
    p_linear, p_exponential = (
        float(stats.f.sf(fall, more, freedom)) for fall, (more, _) in zip(falls, simpler, strict=True)
    )
    return ExponentialPeriod(fit, p_linear, p_exponential, goodness_of_fit(curves, fit))
