"""Figures of derivatives along a run."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.core.errors import require
from pathjax.plots.style import axis_label, label_against_step, logarithmic
from pathjax.plots.variables import take

BESIDE = {"sensitivity": "difference_sensitivity", "readout_derivative": "readout_difference"}


def over_time(ax: Axes, trajectory: xr.Dataset, name: str = "sensitivity", label: str | None = None) -> None:
    """Draws absolute values of the derivative by each parameter (lines), and of finite differences (dots).

    Args:
        trajectory: `sensitivity` and `difference_sensitivity`, or `readout_derivative` and `readout_difference`, all
            (step, parameter).
        name: "sensitivity", of the weights, or "readout_derivative".
        label: label of the y axis; None: the name and the unit.
    """
    require(name in BESIDE, f"name must be {' or '.join(BESIDE)}, not {name!r}: the derivative to draw")
    derivative, differences = (take(trajectory, which, "parameter") for which in (name, BESIDE[name]))
    steps = derivative[derivative.dims[0]].values
    for i, parameter in enumerate(trajectory.parameter.values):
        color = f"C{i % 10}"
        line, dots = (np.abs(one.sel(parameter=parameter).values) for one in (derivative, differences))
        ax.plot(steps, np.where(line > 0, line, np.nan), color=color, linewidth=1.6, label=str(parameter))
        some = slice(None, None, max(1, len(steps) // 25))
        known = np.where((dots > 0) & (line > 0), dots, np.nan)  # before an example is seen, differences are rounding
        ax.plot(steps[some], known[some], "o", color=color, markersize=3.5)
    logarithmic(ax, "y")
    label_against_step(ax, axis_label(derivative, label))


def disagreement(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the disagreement of finite differences and derivatives, relative to the derivatives.

    Args:
        trajectory: `sensitivity_disagreement` (step, parameter).
    """
    values = take(trajectory, "sensitivity_disagreement", "parameter")
    steps = values[values.dims[0]].values
    ax.axhline(1, color="0.5", linestyle="--", linewidth=1.0)
    for i, parameter in enumerate(trajectory.parameter.values):
        own = values.sel(parameter=parameter).values
        ax.plot(steps, np.where(own > 0, own, np.nan), color=f"C{i % 10}", linewidth=1.5, label=str(parameter))
    logarithmic(ax, "y")
    label_against_step(ax, "$|\\Delta w/2\\delta - dw/d\\theta| \\,/\\, |dw/d\\theta|$")
