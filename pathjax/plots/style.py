"""Style shared by all figures: a color for each epsilon, scales, legends and labels."""

import itertools
from collections.abc import Collection, Mapping
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
ROLES = {"baseline": BASELINE, "roundoff": ROUNDOFF, "noise": NOISE, "independent": INDEPENDENT}
MAX_EPSILONS = 10  # entries of a legend
DASHES: tuple = ("-", "--", ":", "-.")  # of groups of members


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
    """Adds a legend of the epsilons' colors, followed by other handles; of many epsilons, some with even gaps."""
    every = list(reversed(epsilon_colors(trajectory).items()))
    shown = np.unique(np.linspace(0, len(every) - 1, min(len(every), MAX_EPSILONS)).round().astype(int))
    colors = [every[i] for i in shown]
    lines = [Line2D([], [], color=color, linewidth=1.8, label=rf"$\varepsilon$ = {eps:g}") for eps, color in colors]
    # Beside the axes: any place inside would hide curves of some run.
    if lines + others:
        ax.legend(handles=lines + others, loc="center left", bbox_to_anchor=(1.0, 0.5))
    show_single_points(ax)


def lines_by_role(
    ax: Axes, values: xr.DataArray, labels: Mapping[str, str] | None = None, without: Collection[str] = ("replica",)
) -> list[Line2D]:
    """Draws the members whose epsilon is 0 against step, one style per role; returns handles for a legend.

    Args:
        ax: the axes.
        values: (step, member); members have `role` and `epsilon`.
        labels: of the roles in the legend; by default, their names.
        without: roles that are not drawn.
    """
    time, roles = values.dims[0], values.role.values
    names = [role for role in dict.fromkeys(roles.tolist()) if role not in (*without, "perturbed")]
    names = [*(role for role in ROLES if role in names), *(role for role in names if role not in ROLES)]
    handles = []
    for i, role in enumerate(names):
        own = values.isel(member=(roles == role) & (values.epsilon.values == 0))
        style = ROLES.get(role, {"color": f"C{i}", "linewidth": 1.0})
        if own.sizes["member"]:
            ax.plot(own[time], own, **style)
            handles.append(Line2D([], [], **style, label=(labels or {}).get(role, role)))
    return handles


def axis_label(values: xr.DataArray, label: str | None = None) -> str:
    """Returns the label of an axis: the given one, or the name of a variable with its unit.

    >>> axis_label(xr.DataArray(1.0, name="weight_norm", attrs={"units": "weight"}))
    'weight norm [weight]'
    """
    return label or f"{str(values.name).replace('_', ' ')} [{values.attrs.get('units', '1')}]"


def label_against_step(ax: Axes, label: str) -> None:
    """Labels the x axis with steps and the y axis with `label`, and puts the legend beside the axes."""
    ax.set(xlabel="step", ylabel=label)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    show_single_points(ax)


def show_single_points(ax: Axes) -> None:
    """Marks lines that have one finite point, which are invisible otherwise: of a single record, for example.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> _ = ax.plot([0], [1.0])
    >>> show_single_points(ax)
    >>> ax.lines[0].get_marker()
    'o'
    """
    for line in ax.get_lines():
        known = np.isfinite(np.asarray(line.get_ydata(), float))
        if known.sum() == 1 and line.get_marker() in ("None", "", None):
            line.set(marker="o", markersize=4)


def groups_in_legend(ax: Axes, groups: Collection[str]) -> None:
    """Adds what each line style of `DASHES` stands for to the legend, if there are several groups of members."""
    for group, style in zip(groups, itertools.cycle(DASHES), strict=False) if len(groups) > 1 else ():
        ax.plot([], [], color="0.3", linestyle=style, linewidth=1.4, label=group)


def median_of(values: xr.DataArray, own: np.ndarray) -> xr.DataArray:
    """Returns the median over some of the members.

    >>> median_of(xr.DataArray([1.0, 2.0, 9.0], dims="member"), np.array([True, True, False])).item()
    1.5
    """
    return values.isel(member=own).median("member")
