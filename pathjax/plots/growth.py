"""Figures of the growth of distances, relative to their start."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter

from pathjax.plots.style import (
    label_against_step,
    largest_epsilon,
    lines_by_epsilon,
    logarithmic,
    of_largest_epsilon,
    with_epsilon_legend,
)


def collapse(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the growth of distances and tangents, which coincide as long as linear response holds.

    Args:
        trajectory: `distance_growth` (step, member) and `tangent_norm` (step, direction); members have `epsilon`.
    """
    lines_by_epsilon(ax, trajectory.distance_growth)
    tangent: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1.6}
    growth = trajectory.tangent_norm / trajectory.tangent_norm[0]
    ax.plot(growth[growth.dims[0]], growth.median("direction"), **tangent)
    with_epsilon_legend(ax, trajectory, [Line2D([], [], **tangent, label="tangent (linear response)")])
    ax.set(yscale="log", xlabel="step", ylabel="growth of the distance, $d(t)/d(0)$")
    for axis_formatter in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
        axis_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))


def growth(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws growth against step, one color per epsilon, and one line (the mean over directions) per initialization.

    Args:
        trajectory: `distance_growth` (step, init, member); members have `role` and `epsilon`.
    """
    perturbed = trajectory.role.values == "perturbed"
    epsilons = np.unique(trajectory.epsilon.values[perturbed])
    for epsilon, color in zip(epsilons, colormaps["viridis"](np.linspace(0.05, 0.85, len(epsilons))), strict=True):
        own = trajectory.distance_growth.isel(member=trajectory.epsilon.values == epsilon).mean("member")
        marker = "." if own.sizes["step"] < 12 else ""  # a line of one point is invisible
        ax.plot(own.step[1:], own.transpose("step", "init").values[1:], color=color, linewidth=0.9, marker=marker)
        ax.plot([], [], color=color, label=f"{epsilon:g}")
    logarithmic(ax, "x", "y")
    ax.set(xlabel="step", ylabel="growth of the distance, $d(t)/d(0)$")
    ax.legend(title="epsilon", loc="center left", bbox_to_anchor=(1.0, 0.5))


def by_group(ax: Axes, trajectory: xr.Dataset, by: str) -> None:
    """Draws distances by module or kind for the largest epsilon, relative to their start: medians over members.

    Args:
        trajectory: `<by>_distance` (step, member, <by>_name); members have `epsilon`.
        by: "module" or "kind".
    """
    values = of_largest_epsilon(trajectory, f"{by}_distance")
    medians = (values / values[0]).median("member")
    for i, group in enumerate(medians[f"{by}_name"].values):
        ax.plot(
            medians[medians.dims[0]], medians.sel({f"{by}_name": group}), color=f"C{i}", linewidth=1.8, label=str(group)
        )
    label_against_step(ax, f"growth of the distance at $\\varepsilon$ = {largest_epsilon(trajectory):g}")


def norms(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws distances by all norms, and the angle, for the largest epsilon, relative to their start: medians.

    Args:
        trajectory: `distance`, `angle` and any `distance_p<p>`, all (step, member); members have `epsilon`.
    """
    names = {str(name): f"{str(name)[10:]}-norm" for name in trajectory.data_vars if str(name).startswith("distance_p")}
    names = {"distance": "2-norm"} | names | {"angle": "angle between weights"}
    for i, (name, label) in enumerate(names.items()):
        values = of_largest_epsilon(trajectory, name)
        medians = (values / values[0]).median("member")
        style: dict[str, Any] = {"color": f"C{i}", "linewidth": 1.8, "dashes": [(), (4, 2), (2, 2), (1, 1)][i % 4]}
        ax.plot(medians[medians.dims[0]], medians, label=label, **style)
    label_against_step(ax, f"growth at $\\varepsilon$ = {largest_epsilon(trajectory):g}")
