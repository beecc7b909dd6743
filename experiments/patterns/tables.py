"""Half-times as text."""

import numpy as np

from pathjax.analysis.intervals import mean_over_units
from pathjax.reporting.tables import interval


def times_text(values: np.ndarray) -> str:
    """Formats the mean of times over initializations, with its interval, and how many did not reach theirs (NaN).

    >>> times_text(np.array([1.0, np.nan, np.nan]))
    'not reached in 2 of 3'
    """
    missing = int(np.isnan(values).sum())
    if 2 * missing > len(values):
        return f"not reached in {missing} of {len(values)}"
    return interval(*mean_over_units(values)) + (f" ({missing} of {len(values)} not reached)" if missing else "")
