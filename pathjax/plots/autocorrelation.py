"""Figures of memory: how long weights and functions resemble their earlier selves."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.analysis.autocorrelation import two_time_correlation
from pathjax.plots.style import label_against_step, show_single_points
from pathjax.plots.variables import take


def autocorrelation(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the correlation of the weights with themselves at earlier steps: the baseline, and the range of members.

    Args:
        trajectory: `autocorrelation` (step, member, anchor), the baseline first.
    """
    values = take(trajectory, "autocorrelation", "member", "anchor")
    time = values.dims[0]
    for i, anchor in enumerate(trajectory.anchor.values):
        one, color = values.sel(anchor=anchor), f"C{i}"
        label = "with the initial weights" if anchor == 0 else f"with those at step {anchor}"
        ax.plot(one[time], one.isel(member=0), color=color, linewidth=1.8, label=label)
        ax.fill_between(one[time], one.min("member"), one.max("member"), color=color, alpha=0.2, linewidth=0)
    ax.set(xlabel="step", ylabel="autocorrelation of the weights")
    ax.legend()
    show_single_points(ax)


def function_memory(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the correlation of the baseline's logits (lines) and weights (dashed) with those at each anchor.

    Args:
        trajectory: `function_autocorrelation` and `autocorrelation` (step, member, anchor), the baseline first.
    """
    for name, style in (("function_autocorrelation", "-"), ("autocorrelation", "--")):
        values = take(trajectory, name, "member", "anchor").isel(member=0)
        for i, anchor in enumerate(trajectory.anchor.values):
            what = "logits" if style == "-" else "weights"
            one = values.sel(anchor=anchor)
            ax.plot(one[one.dims[0]], one, style, color=f"C{i}", linewidth=1.7, label=f"{what}, since step {anchor}")
    label_against_step(ax, "autocorrelation of the baseline")


def two_times(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the correlation of the baseline's weights between any two records.

    Args:
        trajectory: `projections` (step, member, projection), the baseline first.
    """
    values = take(trajectory, "projections", "member", "projection").isel(member=0)
    steps = values[values.dims[0]].values
    found = two_time_correlation(values.values)
    image = ax.pcolormesh(steps, steps, found.correlation, cmap="viridis", shading="nearest", rasterized=True)
    ax.figure.colorbar(image, ax=ax, label=f"correlation (± {np.nanmax(found.stderr):.2g} at most)")
    ax.set(xlabel="step", ylabel="step", aspect="equal")
    ax.grid(False)
