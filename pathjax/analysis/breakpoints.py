"""When does an early exponential period of growth end, and at what rate does it run?"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from pathjax.analysis.growth_laws import ANY, LAWS, Law
from pathjax.analysis.law_fits import Curves, LawFit, curves_of, fit_law, part_of
from pathjax.analysis.law_selection import goodness_of_fit
from pathjax.core.display import shown_in_short


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
    ((1.0, 0.1, 0.5), (0.3, 0.3, 0.5)),
    lambda p, time, size: (p[0] / time, p[1] * time, p[2] * size / time),
)
NUM_ENDS = 40  # tried, between the records; half of them equally spaced, half in equal ratios


@shown_in_short
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

    The fit minimizes the deviance of `fit_law`: for each of many ends over the rate and the slope, and from the best of
    them over all three. An end is not smooth in the data, so that the intervals are the wider of those of `fit_law` and
    Student's with the standard error of a jackknife over units; that of the end also has all ends whose deviance is
    less than the 95% quantile of F(1, U - 1) above the least. The tests compare deviances with those of the two special
    cases, a linear and an exponential law, by F(2, U - 1) and F(1, U - 1) for U units.

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
    fit, ends = _fit(curves, _ends(curves.t))
    num = len(curves.logs)
    simpler = ((2, fit_law(curves, LAWS["linear"])), (1, fit_law(curves, LAWS["exponential"])))
    falls = [max(0.0, one.deviance - fit.deviance) / more for more, one in simpler]
    p_linear, p_exponential = (
        float(stats.f.sf(fall, more, num - 1)) for fall, (more, _) in zip(falls, simpler, strict=True)
    )
    fit = _with_intervals(curves, fit, ends)
    return ExponentialPeriod(fit, p_linear, p_exponential, goodness_of_fit(curves, fit))


def _fit(curves: Curves, ends: np.ndarray) -> tuple[LawFit, list[tuple[float, float]]]:
    """Returns the best fit, and the ends that were tried with their deviances."""
    tried = [(_at_end(curves, end), end) for end in ends]
    least = sorted(tried, key=lambda one: one[0].deviance)[:3]
    starts = tuple((fit.scaled[0], end, fit.scaled[1]) for fit, end in least)
    fit = fit_law(curves, EXPONENTIAL_THEN_LINEAR._replace(starts=starts))
    return fit._replace(law=EXPONENTIAL_THEN_LINEAR), [(end, one.deviance) for one, end in tried]


def _ends(t: np.ndarray) -> np.ndarray:
    """Returns ends to try, float[end]: from before the first record to before the last but one."""
    half = NUM_ENDS // 2
    return np.unique(np.concatenate([np.linspace(0, t[-2], half + 1)[1:], np.geomspace(t[0] / 2, t[-2], half)]))


def _at_end(curves: Curves, end: float) -> LawFit:
    """Returns the fit of the rate and the slope, for one end."""
    mean = np.exp(curves.logs.mean(0))
    at_end = np.interp(end, [0.0, *curves.t], [curves.d0, *mean])
    start = (np.log(at_end / curves.d0) / end, (mean[-1] - at_end) / (1 - end))
    law = Law(
        "at one end",
        "",
        ("rate", "slope"),
        lambda t, d0, p: _exponential_then_linear(t, d0, (p[0], end, p[1])),
        (ANY, ANY),
        (start,),
        lambda p, time, size: (p[0] / time, p[1] * size / time),
    )
    return fit_law(curves, law)


def _with_intervals(curves: Curves, fit: LawFit, ends: list[tuple[float, float]]) -> LawFit:
    """Widens the intervals to those of a jackknife, and the end's to that of its deviances."""
    num, without = len(curves.logs), []
    around = np.array([fit.scaled[1], *(end for end, _ in ends if 0.5 < end / fit.scaled[1] < 2)])
    for unit in range(num):
        others = np.delete(np.arange(num), unit)
        part = part_of(curves, others, np.ones(len(curves.t), bool))
        scale = curves.scale * np.exp(np.log(part.starts).mean())
        without.append(EXPONENTIAL_THEN_LINEAR.in_units(_fit(part, around)[0].scaled, curves.duration, scale))
    error = np.sqrt((num - 1) * np.var(np.array(without), axis=0))
    reach = stats.t.ppf(0.975, num - 1) * error
    low, high = np.minimum(fit.low, fit.parameters - reach), np.maximum(fit.high, fit.parameters + reach)
    limit = fit.deviance + stats.f.ppf(0.95, 1, num - 1)
    near = [end * curves.duration for end, deviance in ends if deviance < limit]
    low[1], high[1] = min([max(low[1], 0.0), *near]), max([high[1], *near])
    return fit._replace(low=low, high=high)
