"""Figures of interventions, by step and epsilon."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from pathjax.analysis.derived_records import outcome_by_intervention
from pathjax.core.errors import require
from pathjax.plots.style import ROUNDOFF, axis_label, logarithmic, show_single_points
from pathjax.plots.variables import require_perturbed, take


def heat_map(ax: Axes, trajectory: xr.Dataset, name: str, label: str | None = None) -> None:
    """Draws what interventions lead to, medians over directions by step and epsilon, in logarithmic colors if possible.

    Args:
        trajectory: `name` (step, member); members have `role`, `epsilon`, `seed` and `at_step`.
        name: of the variable, whose last record is the outcome, or "growth" (`analysis.outcome_by_intervention`).
        label: of the color bar; None: the name and the unit.
    """
    outcome = _outcome(trajectory, name)
    values = outcome.median("seed").values
    known = values[np.isfinite(values) & (values > 0)]
    norm = LogNorm(known.min(), known.max()) if known.size and known.min() < known.max() else None
    image = ax.pcolormesh(np.ma.masked_less_equal(values.T, 0), cmap="viridis", norm=norm)
    ax.figure.colorbar(image, ax=ax, label=_label(outcome, label))
    ax.set_xticks(np.arange(len(outcome.at_step)) + 0.5, [str(step) for step in outcome.at_step.values])
    ax.set_yticks(np.arange(outcome.sizes["epsilon"]) + 0.5, [f"{epsilon:g}" for epsilon in outcome.epsilon.values])
    ax.set(xlabel="intervention before step", ylabel="epsilon")
    ax.tick_params(length=0)
    ax.grid(False)


def _outcome(trajectory: xr.Dataset, name: str) -> xr.DataArray:
    for one in ("distance", "intervention_size") if name == "growth" else (name,):
        take(trajectory, one, "member")
    missing = "members have no label 'at_step', the step of their intervention: build them by {}"
    require("at_step" in trajectory.coords, missing.format("pathjax.intervened_ensemble"))
    require_perturbed(trajectory)
    return outcome_by_intervention(trajectory, name)


def _label(outcome: xr.DataArray, label: str | None) -> str:
    if outcome.name == "growth":
        return label or "growth of the change"
    return axis_label(outcome, label) if label else f"{axis_label(outcome)}, at the end"


def by_step(ax: Axes, trajectory: xr.Dataset, name: str, label: str | None = None) -> None:
    """Draws the outcome against the step, one color per epsilon: medians over directions, bars from least to most.

    Args:
        trajectory, name: see `heat_map`. The distance is drawn over that of the roundoff member.
        label: label of the y axis; None: the name and the unit.
    """
    outcome = _outcome(trajectory, name)
    last = trajectory.distance.values[-1, trajectory.role.values == "roundoff"] if name == "distance" else np.zeros(0)
    floor = float(np.max(last[np.isfinite(last)], initial=0))
    epsilons = outcome.epsilon.values
    colors = colormaps["viridis"](np.linspace(0.05, 0.85, len(epsilons)))
    for epsilon, color in zip(epsilons, colors, strict=True):
        middle, low, high = _bars(outcome.sel(epsilon=epsilon).values)
        style: dict[str, Any] = {"color": color, "fmt": "o-", "markersize": 4, "capsize": 3, "linewidth": 1.6}
        ax.errorbar(outcome.at_step.values, middle, [middle - low, high - middle], label=f"{epsilon:g}", **style)
    if floor > 0:
        ax.axhline(floor, **ROUNDOFF, label="one ulp at step 0")
    if np.isfinite(outcome.values).any():
        logarithmic(ax, "y")
    else:
        ax.set_yticks([])
        ax.text(0.5, 0.5, "no member stayed finite", transform=ax.transAxes, ha="center")
    ax.set_xscale("symlog", linthresh=10)
    ax.set(xlabel="intervention before step", ylabel=_label(outcome, label), xlim=(-1, None))
    ax.legend(title="epsilon", loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True)


def _bars(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns median, minimum and maximum of each row [at_step, seed]; NaN if the median is not positive."""
    found = np.full((3, len(values)), np.nan)
    for i, row in enumerate(values):
        known = row[np.isfinite(row)]
        if known.size and np.median(known) > 0:
            median = np.median(known)
            found[:, i] = median, min(median, known[known > 0].min()), known.max()
    return found[0], found[1], found[2]


def trajectories(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws distances against step for the largest epsilon, one color per intervention step, one line per member.

    Args:
        trajectory: `distance` (step, member); members have `epsilon` and `at_step`.
    """
    _outcome(trajectory, "distance")  # checks
    distance = take(trajectory, "distance", "member")
    distance = distance.isel(member=trajectory.epsilon.values == trajectory.epsilon.values.max())
    steps = np.unique(distance.at_step.values)
    for step, color in zip(steps, colormaps["plasma"](np.linspace(0.0, 0.85, len(steps))), strict=True):
        own = distance.isel(member=distance.at_step.values == step)
        own = own.where(own > 0)
        ax.plot(own[own.dims[0]], own, color=color, linewidth=0.9)
        ax.plot([], [], color=color, label=str(step))
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel="distance to the baseline, $|w-w_0|$  [weight]")
    ax.legend(title="intervention before", loc="center left", bbox_to_anchor=(1.0, 0.5))
    show_single_points(ax)
