"""Critical periods: how fast does what remains of a nudge fall with its onset?"""

from typing import NamedTuple

import numpy as np

from pathjax.analysis.curve_fits import fit_curves


class Period(NamedTuple):
    """What remains of a nudge against its onset t, fitted by A exp(-r t).

    Attributes:
        amplitude: A, what remains of a nudge at the start.
        rate: r, per step; with its 95% interval over initializations, low and high. A critical period exists if the
            interval lies above 0; if it lies below, later nudges leave more.
        rms: root mean square of the residuals of the mean, relative to A.
    """

    amplitude: float
    rate: float
    low: float
    high: float
    rms: float

    @property
    def half(self) -> tuple[float, float, float]:
        """The onset at which half of A remains, ln 2 / r, and its interval; infinite where r may be 0."""
        values = [np.log(2) / r if r > 0 else np.inf for r in (self.rate, self.high, self.low)]
        return values[0], values[1], values[2]


def period_of(onsets: np.ndarray, remains: np.ndarray) -> Period:
    """Fits A exp(-r t) to what remains, for each initialization.

    Args:
        onsets: float[onset], 3 or more.
        remains: float[init, onset].

    Returns:
        Period.

    >>> t = np.array([0.0, 100.0, 200.0, 400.0])
    >>> found = period_of(t, np.array([[0.2], [0.3]]) * np.exp(-0.01 * t))
    >>> round(found.rate, 6), round(found.amplitude, 3), round(found.half[0])
    (0.01, 0.25, 69)
    """
    t, y = np.asarray(onsets, float), np.asarray(remains, float)
    scale, span = max(float(y.mean()), 1e-12), float(t.max() - t.min())
    starts = [(2.0, factor / span) for factor in (0.0, 1.0, 5.0)]
    bounds = {"lower": [0.0, -20 / span], "upper": [np.inf, 200 / span]}
    fit = fit_curves(lambda p: p[0] * np.exp(-p[1] * (t - t.min())), y / scale, starts, **bounds)
    amplitude, rate = fit.parameters
    return Period(
        scale * float(amplitude), float(rate), float(fit.low[1]), float(fit.high[1]), fit.rms / max(amplitude, 1e-12)
    )
