"""Figures of the baseline's displacement."""

import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import logarithmic, show_single_points
from pathjax.plots.variables import take


def displacements(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the squared displacement of the baseline since each anchor, against the steps since.

    Args:
        trajectory: `squared_displacement` (step, member, anchor), the baseline first.
    """
    values = take(trajectory, "squared_displacement", "member", "anchor").isel(member=0)
    steps = values[values.dims[0]].values
    for i, anchor in enumerate(trajectory.anchor.values):
        later = steps > anchor
        ax.plot(
            steps[later] - anchor,
            values.sel(anchor=anchor)[later],
            color=f"C{i}",
            linewidth=1.8,
            label=f"since step {anchor}",
        )
    logarithmic(ax, "x", "y")
    ax.set(xlabel="steps since", ylabel="$|w(t)-w(t_w)|^2$  [weight$^2$]")
    ax.legend()
    show_single_points(ax)
