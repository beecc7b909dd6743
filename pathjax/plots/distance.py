"""Figures of distances to the baseline, and of any other scalar per member."""

from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathjax.plots.regimes import shade_regimes
from pathjax.plots.style import INDEPENDENT, NOISE, ROUNDOFF, lines_by_epsilon, logarithmic, with_epsilon_legend


def distance(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws distance against step, one color per epsilon; thin lines are members, thick ones their median.

    Below them are two floors: the roundoff member, and, if there are any, members that differ by their noise alone.

    Args:
        trajectory: `distance` (step, member); members have `role` and `epsilon`.
    """
    values = trajectory.distance
    lines_by_epsilon(ax, values)
    handles = []
    for role, style, label in (("roundoff", ROUNDOFF, "one weight moved by one ulp"), ("noise", NOISE, "noise alone")):
        floor = values.isel(member=trajectory.role.values == role)
        if floor.sizes["member"]:
            ax.plot(floor[floor.dims[0]], floor.where(floor > 0), **style)
            handles.append(Line2D([], [], **style, label=label))
    with_epsilon_legend(ax, trajectory, handles)
    ax.set(yscale="log", xlabel="step", ylabel="distance to the baseline, $|w-w_0|$")


def by_epsilon(ax: Axes, trajectory: xr.Dataset, name: str, label: str, scale: str = "log") -> None:
    """Draws a variable against step, one color per epsilon; independent networks are dashed.

    Args:
        trajectory: the variable, (step, member), and on a logarithmic scale `regime` (step, member), indices of
            `analysis.regimes.REGIMES`, as background shading; members have `role` and `epsilon`.
        name: name of the variable.
        label: label of the y axis.
        scale: scale of the y axis, "log" or "linear".
    """
    values = trajectory[name]
    values = values.where(values > 0) if scale == "log" else values
    lines_by_epsilon(ax, values)
    others = values.isel(member=trajectory.role.values == "independent")
    ax.plot(others[others.dims[0]], others, **INDEPENDENT | {"linewidth": 0.9})
    handles: list = [Line2D([], [], **INDEPENDENT, label="independent networks")] if others.sizes["member"] else []
    ax.set(xlabel="step", ylabel=label)
    if scale == "log":
        handles += shade_regimes(ax, trajectory, values)
        logarithmic(ax, "y")
    with_epsilon_legend(ax, trajectory, handles)


def roundoff(ax: Axes, distances: dict[str, xr.DataArray]) -> None:
    """Draws the distance of the roundoff member against step, one line per precision.

    Args:
        distances: {precision: distance (step,)}.
    """
    for i, (name, values) in enumerate(distances.items()):
        # Dashes of different lengths, because lines may coincide.
        style: dict[str, Any] = {"color": f"C{i}", "linewidth": 1.8, "dashes": [(), (4, 2), (2, 2), (1, 1)][i % 4]}
        ax.plot(values[values.dims[0]], values.where(values > 0), label=name, **style)
    ax.set(yscale="log", xlabel="step", ylabel="distance to the baseline, $|w-w_0|$")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
