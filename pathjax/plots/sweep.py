"""Figures of sweeps: final distances of members along the axes of settings."""

import xarray as xr
from matplotlib.axes import Axes

from pathjax.core.errors import require
from pathjax.plots.style import logarithmic
from pathjax.plots.variables import require_perturbed, take


def at_the_end(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """Returns a variable at its last step.

    >>> at_the_end(xr.Dataset({"loss": ("step", [3.0, 1.0])}), "loss").item()
    1.0
    """
    values = take(dataset, name)
    return values.isel({next(dim for dim in values.dims if str(dim).startswith("step")): -1})


def sweep_outcome(swept: xr.Dataset) -> tuple[xr.DataArray, str]:
    """Returns the final distance (median over perturbed members) and its label: relative to the start or, if members
    are intervened later, as an absolute distance."""
    later = "at_step" in swept.dims or ("at_step" in swept.coords and bool((swept.at_step.values >= 0).any()))
    name, label = ("distance", "distance at the end") if later else ("distance_growth", "growth of the distance")
    values = at_the_end(swept, name)
    perturbed = swept.role.values == "perturbed"
    require_perturbed(swept)
    return values.isel(member=perturbed).median("member"), label


def sweep(ax: Axes, swept: xr.Dataset) -> None:
    """Draws final distances along the last axis, one line per value of the one before; bands span all other axes.

    Args:
        swept: `distance_growth` (step, *axes, member) or, if `at_step` is an axis or not negative for a member,
            `distance`; members have `role`.
    """
    growth, label = sweep_outcome(swept)
    unswept = "the data are of one setting, and have no axis to draw along: give those of a pathjax.sweep"
    require(growth.dims, unswept)
    x = str(max(growth.dims, key=lambda dim: (growth[dim].dtype.kind == "f", growth.sizes[dim])))
    others = [str(dim) for dim in growth.dims if dim != x]
    by = next(iter(others), None)
    for i, value in enumerate(growth[by].values if by else [None]):
        one = growth.sel({by: value}) if by else growth
        rest = [dim for dim in one.dims if dim != x]
        low, middle, high = (getattr(one, how)(rest) if rest else one for how in ("min", "median", "max"))
        ax.plot(one[x], middle, "o-", color=f"C{i % 10}", label=f"{by} {value}" if by else None)
        ax.fill_between(one[x], low, high, color=f"C{i % 10}", alpha=0.15, linewidth=0)
    logarithmic(ax, "y")
    if growth[x].dtype.kind == "f" and (growth[x] > 0).all():
        ax.set_xscale("log")
    what = "$d(T)/d(0)$" if "growth" in label else "$d(T)$  [weight]"
    ax.set(xlabel=x.replace("_", " "), ylabel=f"{label}, {what}")
    if by:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
