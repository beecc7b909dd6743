"""Figures of symmetries: the part of a distance that is due to order and scales of units."""

from typing import Any

import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import label_against_step, largest_epsilon


def symmetries(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws distances unmatched, with units matched, and with scales balanced: largest epsilon, independent networks.

    Args:
        trajectory: `distance`, `aligned_distance`, `activation_aligned_distance` and `balanced_distance` (step,
            member); members have `role` and `epsilon`.
    """
    kinds = {
        "distance": ("unmatched", ()),
        "aligned_distance": ("matched by weights", (4, 2)),
        "activation_aligned_distance": ("by activations", (5, 1.5, 1, 1.5)),
        "balanced_distance": ("scales balanced", (1, 1)),
    }
    groups = {
        f"$\\varepsilon$ = {largest_epsilon(trajectory):g}": trajectory.epsilon.values == largest_epsilon(trajectory),
        "independent": trajectory.role.values == "independent",
    }
    for i, (group, chosen) in enumerate(groups.items()):
        for name, (label, dashes) in kinds.items():
            median = trajectory[name].isel(member=chosen).median("member")
            style: dict[str, Any] = {"color": f"C{3 * i}", "dashes": dashes, "linewidth": 1.8}
            ax.plot(median[median.dims[0]], median, label=f"{group}, {label}", **style)
    label_against_step(ax, "distance to the baseline")
