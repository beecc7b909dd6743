"""Figures of derivatives along a run."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import logarithmic


def over_time(ax: Axes, trajectory: xr.Dataset, name: str, beside: str, label: str) -> None:
    """Draws absolute values of the derivative by each parameter (lines), and of finite differences (dots).

    Args:
        trajectory: `name` and `beside` (step, parameter).
        name: name of the derivative.
        beside: name of the finite differences.
        label: label of the y axis.
    """
    steps = trajectory[trajectory[name].dims[0]].values
    for i, parameter in enumerate(trajectory.parameter.values):
        color = f"C{i % 10}"
        line, dots = (np.abs(trajectory[which].sel(parameter=parameter).values) for which in (name, beside))
        ax.plot(steps, np.where(line > 0, line, np.nan), color=color, linewidth=1.6, label=str(parameter))
        some = slice(None, None, max(1, len(steps) // 25))
        known = np.where((dots > 0) & (line > 0), dots, np.nan)  # before an example is seen, differences are rounding
        ax.plot(steps[some], known[some], "o", color=color, markersize=3.5)
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel=label)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def disagreement(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the disagreement of finite differences and derivatives, relative to the derivatives.

    Args:
        trajectory: `sensitivity_disagreement` (step, parameter).
    """
    values = trajectory.sensitivity_disagreement
    steps = values[values.dims[0]].values
    ax.axhline(1, color="0.5", linestyle="--", linewidth=1.0)
    for i, parameter in enumerate(trajectory.parameter.values):
        own = values.sel(parameter=parameter).values
        ax.plot(steps, np.where(own > 0, own, np.nan), color=f"C{i % 10}", linewidth=1.5, label=str(parameter))
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel="$|\\Delta w/2\\delta - dw/d\\theta| \\,/\\, |dw/d\\theta|$")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
