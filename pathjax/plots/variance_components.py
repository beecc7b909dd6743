"""Figures of variance components: shares of the variance in the end of training."""

import numpy as np
from matplotlib.axes import Axes

from pathjax.analysis.variance_components import VarianceShares

_SHARE = ("share", "low", "high")


def shares(ax: Axes, found: dict[str, VarianceShares]) -> None:
    """Draws shares of variance by source, with intervals, for each outcome (`analysis.variance_components`)."""
    names = list(found)
    sources = next(iter(found.values())).sources
    height = 0.8 / len(sources)
    for i, source in enumerate(sources):
        share, low, high = (np.array([getattr(found[name], which)[i] for name in names]) for which in _SHARE)
        places = np.arange(len(names)) + (i - (len(sources) - 1) / 2) * height
        bars = np.maximum(0, [share - low, high - share])  # the interval of a share of 0 is above it
        ax.barh(places, share, height, color=f"C{i}", label=source)
        ax.errorbar(share, places, xerr=np.nan_to_num(bars), fmt="none", ecolor="0.25", elinewidth=1.0, capsize=2)
    ax.set_yticks(np.arange(len(names)), names)
    ax.invert_yaxis()
    ax.set(xlabel="share of the variance, with intervals of 95%", xlim=(0, 1))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
