"""Figures of induction heads."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.analysis.thresholds import time_to_threshold
from pathjax.plots.style import BASELINE, epsilon_colors, show_single_points
from pathjax.plots.variables import take

OTHERS: dict[str, Any] = {"color": "0.6", "linewidth": 0.9}


def score(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the score against step: one color per epsilon, other initializations gray, the baseline black.

    Args:
        trajectory: `induction_score` (step, member), the baseline first; members have `role` and `epsilon`.
    """
    found = take(trajectory, "induction_score", "member")
    role, steps, values = trajectory.role.values, found[found.dims[0]].values, found.values
    colors = epsilon_colors(trajectory)
    for epsilon, color in colors.items():
        own = (role == "perturbed") & (trajectory.epsilon.values == epsilon)
        ax.plot(steps, values[:, own], color=color, linewidth=1.0)
        ax.plot([], [], color=color, label=f"{epsilon:g}")
    if (role == "independent").any():
        ax.plot(steps, values[:, role == "independent"], **OTHERS)
        ax.plot([], [], label="other initialization", **OTHERS)
    ax.plot(steps, values[:, 0], label="baseline", **BASELINE)
    ax.set(xlabel="step", ylabel="induction score", ylim=(0, 1))
    ax.legend(title="epsilon" if colors else None, loc="center left", bbox_to_anchor=(1.0, 0.5))
    show_single_points(ax)


def formation(ax: Axes, trajectory: xr.Dataset, formed: float = 0.5) -> None:
    """Draws the step at which each member's head formed, one row per kind of member.

    Args:
        trajectory: `induction_score` (step, member), the baseline first; members have `role` and `epsilon`.
        formed: score at which a head counts as formed.
    """
    values = take(trajectory, "induction_score", "member")
    steps = time_to_threshold(values[values.dims[0]].values, values.values, formed)
    role, epsilons = trajectory.role.values, trajectory.epsilon.values
    colors = epsilon_colors(trajectory)
    rows = [(f"epsilon {eps:g}", (role == "perturbed") & (epsilons == eps), color) for eps, color in colors.items()]
    rows.append(("other initializations", role == "independent", OTHERS["color"]))
    rows = [row for row in rows if row[1].any()]
    for place, (_, own, color) in enumerate(rows):
        ax.plot(steps[own], np.full(own.sum(), place), "o", color=color, alpha=0.8)
    if np.isfinite(steps[0]):
        ax.axvline(steps[0], label="baseline", **BASELINE)
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.set(xlabel="step at which a head formed", ylim=(-0.6, max(len(rows), 1) - 0.4))
    if np.isfinite(steps[0]):
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
