"""Figures of layers: distances of their representations to the baseline's."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import label_against_step, of_largest_epsilon


def layers(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws angles between layers' kernels, medians of the largest epsilon (lines) and independent networks (dashed).

    Args:
        trajectory: `cka_angle` (step, member, layer) in radians; members have `role` and `epsilon`.
    """
    for i, layer in enumerate(trajectory.layer.values):
        own = of_largest_epsilon(trajectory, "cka_angle").sel(layer=layer).median("member")
        ax.plot(own[own.dims[0]], np.degrees(own), color=f"C{i}", linewidth=1.8, label=str(layer))
        others = trajectory.cka_angle.isel(member=trajectory.role.values == "independent").sel(layer=layer)
        if others.sizes["member"]:
            ax.plot(own[own.dims[0]], np.degrees(others.median("member")), color=f"C{i}", linestyle="--", linewidth=1.4)
    label_against_step(ax, "angle between kernels [degrees]")
