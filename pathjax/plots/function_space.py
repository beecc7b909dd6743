"""Figures of function space: how far the outputs are from the baseline's, on each set of examples."""

import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import label_against_step, logarithmic, of_largest_epsilon


def sets(ax: Axes, trajectory: xr.Dataset, measure: str, label: str) -> None:
    """Draws a measure on each set, medians of the largest epsilon (lines) and of independent networks (dashed).

    Args:
        trajectory: `train_<measure>`, `test_<measure>` and `probe_<measure>` (step, member); members have `role` and
            `epsilon`.
        measure: name of the measure, such as "js_distance".
        label: label of the y axis.
    """
    for i, name in enumerate(("train", "test", "probe")):
        own = of_largest_epsilon(trajectory, f"{name}_{measure}").median("member")
        ax.plot(own[own.dims[0]], own, color=f"C{i}", linewidth=1.8, label=name)
        others = trajectory[f"{name}_{measure}"].isel(member=trajectory.role.values == "independent")
        if others.sizes["member"]:
            ax.plot(own[own.dims[0]], others.median("member"), color=f"C{i}", linestyle="--", linewidth=1.4)
    logarithmic(ax, "y")
    label_against_step(ax, label)
