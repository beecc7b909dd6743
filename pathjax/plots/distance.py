"""Figures of distances to the baseline, and of any other scalar per member."""

from collections.abc import Mapping
from typing import Any

import xarray as xr
from matplotlib.axes import Axes

from pathjax.core.errors import require
from pathjax.plots.regimes import is_shaded, shade_regimes
from pathjax.plots.style import (
    axis_label,
    label_against_step,
    lines_by_epsilon,
    lines_by_role,
    logarithmic,
    with_epsilon_legend,
)
from pathjax.plots.variables import compared, take

DISTANCE = "distance to the baseline, $|w-w_0|$  [weight]"
NAMES = {"roundoff": "one weight moved by one ulp", "noise": "noise alone", "independent": "independent networks"}


def distance(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws distance against step, one color per epsilon; thin lines are members, thick ones their median.

    The roundoff member is a floor below them; other roles, such as noise alone, forks and arms, have a style each.

    Args:
        trajectory: `distance` (step, member); members have `role` and `epsilon`.
    """
    values = take(trajectory, "distance", "member")
    compared(trajectory)  # checks that there is somebody
    lines_by_epsilon(ax, values)
    handles = lines_by_role(ax, values.where(values > 0), NAMES, without=("baseline", "replica"))
    with_epsilon_legend(ax, trajectory, handles)
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel=DISTANCE)


def by_epsilon(ax: Axes, trajectory: xr.Dataset, name: str, label: str | None = None, scale: str = "log") -> None:
    """Draws a variable against step, one color per epsilon; other roles, but controls, have a style each.

    Args:
        trajectory: the variable, (step, member); members have `role` and `epsilon`. On a logarithmic scale, regimes
            shade the background, if there are perturbed members and their tangents (see `regimes.regime_map`).
        name: name of the variable.
        label: label of the y axis; None: the name and the unit.
        scale: scale of the y axis, "log" or "linear".
    """
    values = take(trajectory, name, "member")
    compared(trajectory)  # checks that there is somebody
    shown = values.where(values > 0) if scale == "log" else values
    lines_by_epsilon(ax, shown)
    handles: list = lines_by_role(ax, shown, NAMES, without=("baseline", "replica", "roundoff", "noise"))
    ax.set(xlabel="step", ylabel=axis_label(values, label))
    if scale == "log":
        handles += shade_regimes(ax, trajectory, shown) if is_shaded(trajectory) else []
        logarithmic(ax, "y")
    with_epsilon_legend(ax, trajectory, handles)


def roundoff(ax: Axes, trajectories: Mapping[str, xr.Dataset]) -> None:
    """Draws the distance of the roundoff member against step, one line per precision.

    Args:
        trajectories: by precision, `distance` (step, member); members have `role`.
    """
    for i, (name, trajectory) in enumerate(trajectories.items()):
        values = take(trajectory, "distance", "member")
        own = values.isel(member=trajectory.role.values == "roundoff")
        require(own.sizes["member"], f"{name} has no roundoff member: build it with pathjax.perturbed_ensemble")
        # Dashes of different lengths, because lines may coincide.
        style: dict[str, Any] = {"color": f"C{i}", "linewidth": 1.8, "dashes": [(), (4, 2), (2, 2), (1, 1)][i % 4]}
        own = own.isel(member=0)
        ax.plot(own[own.dims[0]], own.where(own > 0), label=name, **style)
    logarithmic(ax, "y")
    label_against_step(ax, DISTANCE)
