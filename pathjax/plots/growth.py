"""Figures of the growth of distances, relative to their start."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter

from pathjax.core.errors import require
from pathjax.plots.style import (
    label_against_step,
    lines_by_epsilon,
    logarithmic,
    with_epsilon_legend,
)
from pathjax.plots.variables import check_data, compared, require_perturbed, take


def collapse(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the growth of distances and tangents, which coincide as long as linear response holds.

    Args:
        trajectory: `distance_growth` (step, member) and `tangent_norm` (step, direction); members have `epsilon`.
    """
    values = take(trajectory, "distance_growth", "member")
    tangents = take(trajectory, "tangent_norm", "direction")
    lines_by_epsilon(ax, values)
    tangent: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1.6}
    growth = tangents / tangents[0]
    ax.plot(growth[growth.dims[0]], growth.median("direction"), **tangent)
    with_epsilon_legend(ax, trajectory, [Line2D([], [], **tangent, label="tangent (linear response)")])
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel="growth of the distance, $d(t)/d(0)$")
    for axis_formatter in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
        axis_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))


def growth(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws growth against step, one color per epsilon, and one line (the mean over directions) per initialization.

    Args:
        trajectory: `distance_growth` (step, member), or with more dimensions in between, of initializations or
            settings of a sweep; members have `role` and `epsilon`.
    """
    values = take(trajectory, "distance_growth")
    time, epsilons = values.dims[0], np.unique(trajectory.epsilon.values[trajectory.epsilon.values > 0])
    require_perturbed(trajectory)
    for epsilon, color in zip(epsilons, colormaps["viridis"](np.linspace(0.05, 0.85, len(epsilons))), strict=True):
        own = values.isel(member=trajectory.epsilon.values == epsilon).mean("member")[1:]
        marker = "." if len(own) < 12 else ""  # a line of one point is invisible
        lines = own.values.reshape(len(own), math.prod(own.shape[1:]))
        ax.plot(own[time], lines, color=color, linewidth=0.9, marker=marker)
        ax.plot([], [], color=color, label=f"{epsilon:g}")
    logarithmic(ax, "x", "y")
    ax.set(xlabel="step", ylabel="growth of the distance, $d(t)/d(0)$")
    ax.legend(title="epsilon", loc="center left", bbox_to_anchor=(1.0, 0.5))


def by_group(ax: Axes, trajectory: xr.Dataset, by: str) -> None:
    """Draws distances by module or kind for the largest epsilon, relative to their start: medians over members.

    Args:
        trajectory: `leaf_distance` (step, member, leaf) or `<by>_distance` (step, member, <by>_name); members have
            `role` and `epsilon`.
        by: "module" or "kind".
    """
    medians, who = _growth_of_first(trajectory, f"{by}_distance", f"{by}_name")
    for i, group in enumerate(medians[f"{by}_name"].values):
        own = medians.sel({f"{by}_name": group})
        ax.plot(own[own.dims[0]], own, color=f"C{i % 10}", linewidth=1.8, label=str(group))
    label_against_step(ax, f"growth of the distance, {who}")


def _growth_of_first(trajectory: xr.Dataset, name: str, *dims: str) -> tuple[xr.DataArray, str]:
    """Returns the median growth of a variable of the largest epsilon's members, or else another group; and of whom."""
    who, chosen = next(iter(compared(trajectory).items()))
    values = take(trajectory, name, "member", *dims).isel(member=chosen)
    begins = f"'{name}' of {who} begins at 0, so that it has no growth: draw the distance itself, with plots.distance"
    require((values[0] > 0).any(), begins)
    return (values / values[0].where(values[0] > 0)).median("member"), who


def norms(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws distances by all norms, and the angle, for the largest epsilon, relative to their start: medians.

    Args:
        trajectory: `distance`, and those of `angle` and `distance_p<p>` that were recorded, all (step, member); members
            have `role` and `epsilon`.
    """
    check_data(trajectory)
    names = {str(name): f"{str(name)[10:]}-norm" for name in trajectory.data_vars if str(name).startswith("distance_p")}
    names = {"distance": "2-norm"} | names
    names |= {"angle": "angle between weights"} if "angle" in trajectory else {}
    for i, (name, label) in enumerate(names.items()):
        medians, who = _growth_of_first(trajectory, name)
        style: dict[str, Any] = {"color": f"C{i}", "linewidth": 1.8, "dashes": [(), (4, 2), (2, 2), (1, 1)][i % 4]}
        ax.plot(medians[medians.dims[0]], medians, label=label, **style)
    label_against_step(ax, f"growth, {who}")
