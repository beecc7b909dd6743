"""Figures of symmetries: the part of a distance that is due to order and scales of units."""

from typing import Any

import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import label_against_step, median_of
from pathjax.plots.variables import compared, take


def symmetries(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws distances unmatched, with units matched, and with scales balanced: largest epsilon, and other roles.

    Args:
        trajectory: `distance`, and those of `aligned_distance`, `activation_aligned_distance` and `balanced_distance`
            that were recorded, all (step, member); members have `role` and `epsilon`.
    """
    kinds = {
        "distance": ("unmatched", ()),
        "aligned_distance": ("matched by weights", (4, 2)),
        "activation_aligned_distance": ("by activations", (5, 1.5, 1, 1.5)),
        "balanced_distance": ("scales balanced", (1, 1)),
    }
    take(trajectory, "distance", "member")
    shown = {name: style for name, style in kinds.items() if name in trajectory}
    for i, (group, chosen) in enumerate(compared(trajectory).items()):
        for name, (label, dashes) in shown.items():
            median = median_of(take(trajectory, name, "member"), chosen)
            style: dict[str, Any] = {"color": f"C{3 * i}", "dashes": dashes, "linewidth": 1.8}
            ax.plot(median[median.dims[0]], median, label=f"{group}, {label}", **style)
    label_against_step(ax, "distance to the baseline [weight]")
