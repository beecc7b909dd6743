"""Figures of interventions, by step and epsilon."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from pathjax.plots.style import ROUNDOFF, logarithmic


def heat_map(ax: Axes, outcome: xr.DataArray, label: str) -> None:
    """Draws medians over directions of an outcome (at_step, epsilon, seed), on a logarithmic scale if possible."""
    values = outcome.median("seed").values
    known = values[np.isfinite(values) & (values > 0)]
    norm = LogNorm(known.min(), known.max()) if known.size and known.min() < known.max() else None
    image = ax.pcolormesh(np.ma.masked_less_equal(values.T, 0), cmap="viridis", norm=norm)
    ax.figure.colorbar(image, ax=ax, label=label)
    ax.set_xticks(np.arange(len(outcome.at_step)) + 0.5, [str(step) for step in outcome.at_step.values])
    ax.set_yticks(np.arange(outcome.sizes["epsilon"]) + 0.5, [f"{epsilon:g}" for epsilon in outcome.epsilon.values])
    ax.set(xlabel="intervention before step", ylabel="epsilon")
    ax.tick_params(length=0)
    ax.grid(False)


def by_step(ax: Axes, outcome: xr.DataArray, label: str, floor: float = 0.0) -> None:
    """Draws the outcome against the step, one color per epsilon: medians over directions, bars from least to most.

    Args:
        outcome: (at_step, epsilon, seed).
        label: label of the y axis.
        floor: the outcome of one rounding error, drawn if positive.
    """
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
    ax.set(xlabel="intervention before step", ylabel=label, xlim=(-1, None))
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
    distance = trajectory.distance.isel(member=trajectory.epsilon.values == trajectory.epsilon.values.max())
    steps = np.unique(distance.at_step.values)
    for step, color in zip(steps, colormaps["plasma"](np.linspace(0.0, 0.85, len(steps))), strict=True):
        own = distance.isel(member=distance.at_step.values == step)
        own = own.where(own > 0)
        ax.plot(own[own.dims[0]], own, color=color, linewidth=0.9)
        ax.plot([], [], color=color, label=str(step))
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel="distance to the baseline, $|w-w_0|$")
    ax.legend(title="intervention before", loc="center left", bbox_to_anchor=(1.0, 0.5))
