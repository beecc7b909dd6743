"""Figures of any record of a rollout: its dimensions decide what is drawn."""

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes

from pathjax.plots.style import (
    BASELINE,
    axis_label,
    lines_by_epsilon,
    lines_by_role,
    show_single_points,
    with_epsilon_legend,
)
from pathjax.plots.variables import take

MAX_LINES = 12  # entries of an extra dimension that are told apart as lines; more are a picture
WIDE_RANGE = 100.0  # largest over smallest value from which on the axis is logarithmic


def is_drawn(values: xr.DataArray) -> bool:
    """Whether `record` draws this variable: it has one dimension at most beside time and member, and is of numbers.

    >>> is_drawn(xr.DataArray(np.zeros((3, 2)), dims=("step", "member")))
    True
    """
    return np.issubdtype(values.dtype, np.number) and len(_extra(values)) <= 1


def record(ax: Axes, trajectory: xr.Dataset, name: str) -> None:
    """Draws a variable against step.

    A number per member: one color per epsilon, thin lines for members and thick ones for their median; the baseline is
    black, controls and networks of their own are as in all figures. Several numbers (of layers, tangents, ...): those
    of the baseline, or, where they are 0, as distances are, the median over members of the largest epsilon; as lines
    or, if there are many, as a picture.

    Args:
        trajectory: as `pathjax.to_dataset` returns it.
        name: of the variable.
    """
    values = take(trajectory, name)
    extra = _extra(values)
    if not extra:
        _of_members(ax, values) if "member" in values.dims else ax.plot(values[values.dims[0]], values, **BASELINE)
    else:
        one = _representative(values)
        (_lines if one.sizes[extra[0]] <= MAX_LINES else _picture)(ax, one, extra[0])
    is_picture = bool(ax.collections) and bool(extra)
    if not is_picture and _ranges_widely(_representative(values) if extra else values):
        ax.set(yscale="log")
    ax.set(xlabel="step", ylabel=extra[0] if is_picture else axis_label(values))
    show_single_points(ax)


def caption(values: xr.DataArray) -> str:
    """Says whose values `record` draws.

    >>> caption(xr.DataArray(np.zeros((3, 2)), dims=("step", "tangent")))
    'Of the baseline.'
    """
    if not _extra(values) and "member" in values.dims:
        return "Thin lines: members; thick ones: their median."
    return "Median over the members of the largest epsilon." if _baseline_is_zero(values) else "Of the baseline."


def _representative(values: xr.DataArray) -> xr.DataArray:
    """Returns the baseline's values, or the median over the members of the largest epsilon."""
    if "member" not in values.dims:
        return values
    if not _baseline_is_zero(values):
        return values.isel(member=0)
    return values.isel(member=values.epsilon.values == values.epsilon.values.max()).median("member", keep_attrs=True)


def _baseline_is_zero(values: xr.DataArray) -> bool:
    return "member" in values.dims and bool((values.isel(member=0) == 0).all()) and bool(values.epsilon.max() > 0)


def _extra(values: xr.DataArray) -> list:
    return [dim for dim in values.dims[1:] if dim != "member"]


def _ranges_widely(values: xr.DataArray) -> bool:
    finite = values.values[np.isfinite(values.values)]
    positive = finite[finite > 0]
    return bool(len(positive)) and bool((finite >= 0).all()) and positive.max() / positive.min() > WIDE_RANGE


def _of_members(ax: Axes, values: xr.DataArray) -> None:
    lines_by_epsilon(ax, values)
    with_epsilon_legend(ax, values.to_dataset(name="values"), lines_by_role(ax, values))


def _lines(ax: Axes, values: xr.DataArray, dim: str) -> None:
    labels = values[dim].values
    for i, label in enumerate(labels):
        color = colormaps["viridis"](0.9 * i / max(len(labels) - 1, 1))
        ax.plot(values[values.dims[0]], values.isel({dim: i}), color=color, linewidth=1.3, label=str(label))
    ax.legend(title=dim, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _picture(ax: Axes, values: xr.DataArray, dim: str) -> None:
    time = values.dims[0]
    drawn = ax.pcolormesh(values[time], np.arange(values.sizes[dim]), values.transpose(dim, time), shading="nearest")
    ax.figure.colorbar(drawn, ax=ax, label=values.attrs.get("units", "1"))
    ax.grid(False)
