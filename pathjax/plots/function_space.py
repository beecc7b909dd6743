"""Figures of function space: how far the outputs are from the baseline's, on each set of examples."""

import itertools

import xarray as xr
from matplotlib.axes import Axes

from pathjax.core.errors import require
from pathjax.plots.style import DASHES, axis_label, groups_in_legend, label_against_step, logarithmic, median_of
from pathjax.plots.variables import compared, sets_of, take


def sets(ax: Axes, trajectory: xr.Dataset, measure: str, label: str | None = None) -> None:
    """Draws a measure on each set of examples: medians of the largest epsilon (lines) and of other roles (dashed).

    Args:
        trajectory: `<set>_<measure>` (step, member) for each set; members have `role` and `epsilon`.
        measure: name of the measure, such as "js_distance".
        label: label of the y axis; None: the measure and its unit.
    """
    names = sets_of(trajectory, measure)
    by = "pathjax.observables.classification(predict, sets, measures=...)"
    require(names, f"the data have no '<set>_{measure}': record it by {by}")
    groups = compared(trajectory)
    for i, name in enumerate(names):
        values = take(trajectory, f"{name}_{measure}", "member")
        for own, style in zip(groups.values(), itertools.cycle(DASHES), strict=False):
            median = median_of(values, own)
            named = name if style == DASHES[0] else None
            ax.plot(median[median.dims[0]], median, color=f"C{i}", linestyle=style, linewidth=1.6, label=named)
    groups_in_legend(ax, groups)
    logarithmic(ax, "y")
    label_against_step(ax, axis_label(values.rename(measure), label))
