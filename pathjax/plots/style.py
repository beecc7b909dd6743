"""Style shared by all figures: a color for each epsilon, scales, legends and labels."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "figure.dpi": 130,
    "figure.figsize": (8.0, 4.4),
    "font.size": 10.5,
    "grid.alpha": 0.25,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "savefig.dpi": 130,
}
ROUNDOFF: dict[str, Any] = {"color": "0.35", "linestyle": ":", "linewidth": 1.5}
BASELINE: dict[str, Any] = {"color": "black", "linewidth": 1.4}
NOISE: dict[str, Any] = {"color": "C4", "linestyle": "-.", "linewidth": 1.2}
INDEPENDENT: dict[str, Any] = {"color": "C3", "linestyle": "--", "linewidth": 1.4}


def logarithmic(ax: Axes, *names: str) -> None:
    """Makes axes ("x", "y") logarithmic if anything drawn on them is positive."""
    for name in names:
        drawn = [line.get_xdata() if name == "x" else line.get_ydata() for line in ax.get_lines()]
        values = np.concatenate([np.ravel(np.asarray(data, float)) for data in drawn]) if drawn else np.zeros(0)
        if np.any(np.isfinite(values) & (values > 0)):
            ax.set(**{f"{name}scale": "log"})


def lines_by_epsilon(ax: Axes, values: xr.DataArray) -> None:
    """Draws values (step, member) against step, one color per epsilon: thin for members, thick for their median."""
    time = values.dims[0]
    for epsilon, color in epsilon_colors(values).items():
        some = values.isel(member=values.epsilon.values == epsilon)
        ax.plot(some[time], some, color=color, alpha=0.25, linewidth=0.7)
        ax.plot(some[time], some.median("member"), color=color, linewidth=1.8)


def epsilon_colors(values: xr.Dataset | xr.DataArray) -> dict:
    """Returns {epsilon: color} in ascending order, for data with the members' coordinates."""
    epsilons = np.unique(values.epsilon.values[values.epsilon.values > 0])
    places = np.linspace(0.05, 0.85, len(epsilons))
    return {float(epsilon): colormaps["viridis"](place) for epsilon, place in zip(epsilons, places, strict=True)}


def with_epsilon_legend(ax: Axes, trajectory: xr.Dataset, others: list) -> None:
    """Adds a legend of the epsilons' colors, followed by other handles."""
    colors = reversed(epsilon_colors(trajectory).items())
    lines = [Line2D([], [], color=color, linewidth=1.8, label=rf"$\varepsilon$ = {eps:g}") for eps, color in colors]
    # Beside the axes: any place inside would hide curves of some run.
    ax.legend(handles=lines + others, loc="center left", bbox_to_anchor=(1.0, 0.5))


def largest_epsilon(trajectory: xr.Dataset) -> float:
    """Returns the largest epsilon of all members."""
    return float(trajectory.epsilon.max())


def of_largest_epsilon(trajectory: xr.Dataset, name: str) -> xr.DataArray:
    """Returns a variable of the members with the largest epsilon."""
    return trajectory[name].isel(member=trajectory.epsilon.values == largest_epsilon(trajectory))


def label_against_step(ax: Axes, label: str) -> None:
    """Labels the x axis with steps and the y axis with `label`, and puts the legend beside the axes."""
    ax.set(xlabel="step", ylabel=label)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
