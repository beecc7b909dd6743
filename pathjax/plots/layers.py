"""Figures of layers: distances of their representations to the baseline's."""

import itertools

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from pathjax.plots.style import DASHES, groups_in_legend, label_against_step, median_of
from pathjax.plots.variables import compared, take


def layers(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws angles between layers' kernels: medians of the largest epsilon (lines) and of other roles (dashed).

    Args:
        trajectory: `cka_angle` (step, member, layer) in radians; members have `role` and `epsilon`.
    """
    angles = take(trajectory, "cka_angle", "member", "layer") * (180 / np.pi)
    groups = compared(trajectory)
    for i, layer in enumerate(trajectory.layer.values):
        for own, style in zip(groups.values(), itertools.cycle(DASHES), strict=False):
            median = median_of(angles.sel(layer=layer), own)
            named = str(layer) if style == DASHES[0] else None
            ax.plot(median[median.dims[0]], median, color=f"C{i % 10}", linestyle=style, linewidth=1.6, label=named)
    groups_in_legend(ax, groups)
    label_against_step(ax, "angle between kernels [degrees]")
