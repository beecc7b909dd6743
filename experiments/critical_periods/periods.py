"""Critical periods: how fast does what remains of a nudge fall with its onset?"""

from typing import NamedTuple

import numpy as np
from scipy import optimize

from pathjax.analysis.intervals import Interval, mean_over_units
from pathjax.analysis.populations import jackknife_of_units

MAX_RMS = 0.15  # of the residuals, relative to A, of a fit that holds
MAX_DECAY = 50.0  # r times the range of onsets: faster ones cannot be told apart


class Period(NamedTuple):
    """What remains of a nudge against its onset t, fitted by A exp(-r t).

    Attributes:
        amplitude: A, what remains of a nudge at the first onset.
        rate: r, per step, with its 95% interval over initializations.
        fall: what remains of the first onset less that of the last, which needs no model.
        rms: root mean square of the residuals of the mean, relative to A.
        last: the last onset.
    """

    amplitude: float
    rate: Interval
    fall: Interval
    rms: float
    last: float

    @property
    def is_exponential(self) -> bool:
        """Whether the fit describes the data."""
        return self.rms < MAX_RMS

    @property
    def falls(self) -> bool:
        """Whether there is a critical period: later nudges leave less, by the fit and without it."""
        return self.rate.low > 0 and self.fall.low > 0

    @property
    def rises(self) -> bool:
        """Whether later nudges leave more."""
        return self.rate.high < 0 and self.fall.high < 0

    @property
    def half(self) -> Interval:
        """The onset at which half of A remains, ln 2 / r, and its interval; infinite where r may be 0."""
        ends = self.rate.value, self.rate.high, self.rate.low
        return Interval(*(float(np.log(2) / r) if r > 0 else float("inf") for r in ends))


def period_of(onsets: np.ndarray, remains: np.ndarray) -> Period | None:
    """Fits A exp(-r t) to the mean of what remains; the interval is by leaving out each initialization in turn.

    Args:
        onsets: float[onset], 3 or more.
        remains: float[init, onset], of 3 or more initializations; others than finite ones are left out.

    Returns:
        Period; None if nothing remains, or with fewer than 3 initializations.

    >>> t = np.array([0.0, 100.0, 200.0, 400.0])
    >>> found = period_of(t, np.array([[0.2], [0.3], [0.4]]) * np.exp(-0.01 * t))
    >>> round(found.rate.value, 6), round(found.amplitude, 3), round(found.half.value)
    (0.01, 0.3, 69)
    """
    t, y = np.asarray(onsets, float) - np.min(onsets), np.asarray(remains, float)
    y = y[np.isfinite(y).all(1)]
    if len(y) < 3 or not y.any():
        return None
    amplitude, rate = _fit(t, y.mean(0))
    mean = y.mean(0)
    rms = float(np.sqrt(np.mean((amplitude * np.exp(-rate * t) - mean) ** 2)) / amplitude)
    interval = jackknife_of_units(lambda units: _fit(t, y[units].mean(0))[1], len(y))
    return Period(amplitude, interval, mean_over_units(y[:, 0] - y[:, -1]), rms, float(np.max(onsets)))


def _fit(t: np.ndarray, mean: np.ndarray) -> tuple[float, float]:
    """Returns A and r, by least squares in A for each r."""
    span = t.max()

    def cost(r):
        shape = np.exp(-r * t / span)
        return float(((mean - shape * (shape @ mean) / (shape @ shape)) ** 2).sum())

    grid = np.concatenate([-np.geomspace(20, 0.01, 60), [0], np.geomspace(0.01, MAX_DECAY, 60)])
    best = int(np.argmin([cost(r) for r in grid]))
    ends = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    r = float(optimize.minimize_scalar(cost, bounds=ends, method="bounded", options={"xatol": 1e-10}).x)
    shape = np.exp(-r * t / span)
    return float((shape @ mean) / (shape @ shape)), r / span
