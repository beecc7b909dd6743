"""Figures of members by any of their labels."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import axis_label, logarithmic, show_single_points
from pathjax.plots.variables import require_label, take


def by_label(
    ax: Axes, trajectory: xr.Dataset, name: str, by: str, label: str | None = None, scale: str = "log"
) -> None:
    """Draws a variable against step, one color per value of a label: the mean of its members, and their range.

    Controls (replica and roundoff member) are left out.

    Args:
        trajectory: the variable, (step, ..., member); members have `role` and the label.
        name: name of the variable.
        by: name of the label, such as "arm", or any other coordinate of the members.
        label: label of the y axis; None: the name and the unit.
        scale: scale of the y axis, "log" (where a mean of 0 is not drawn) or "linear".
    """
    whole = take(trajectory, name)
    require_label(trajectory, by)
    drawn = ~np.isin(trajectory.role.values, ("replica", "roundoff"))
    values = whole.isel(member=drawn)
    time, labels = values.dims[0], values[by].values
    for i, one in enumerate(dict.fromkeys(labels.tolist())):
        some = values.isel(member=labels == one)
        rest = [dim for dim in some.dims if dim != time]
        low, mean, high = some.min(rest), some.mean(rest), some.max(rest)
        if scale == "log":
            mean = mean.where(mean > 0)
        if mean.notnull().any():
            color = f"C{i % 10}"
            ax.plot(some[time], mean, color=color, linewidth=1.8, label=str(one))
            ax.fill_between(some[time], low, high, color=color, alpha=0.15, linewidth=0)
    if scale == "log":
        logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel=axis_label(whole, label))
    if ax.get_lines():
        ax.legend(title=by)
    show_single_points(ax)
