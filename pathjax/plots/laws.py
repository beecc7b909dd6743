"""Figures of growth laws: the mean curve and its law, and what the law leaves."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes

from pathjax.analysis.growth_laws import predict
from pathjax.analysis.law_selection import Selection, law_of
from pathjax.analysis.statistics import half_interval
from pathjax.core.errors import require
from pathjax.plots.style import logarithmic
from pathjax.plots.variables import require_perturbed, take


def _of_units(trajectory: xr.Dataset) -> xr.Dataset:
    """Returns distances, and tangents if there are any, with the names that `law_of` takes."""
    values = take(trajectory, "distance")
    units = [dim for dim in values.dims[1:] if dim != "member"]
    expected = "roll out several as one sweep, with pathjax.stack_ensembles"
    given = ", ".join(map(str, values.dims))
    which = f"laws are fitted to several initializations, and 'distance' has the dimensions {given}"
    require(len(units) == 1, f"{which}: {expected}")
    names = {values.dims[0]: "step", units[0]: "init"}
    data = xr.Dataset({"distance": values.rename({old: new for old, new in names.items() if old != new})})
    return data.assign(mean_tangent=trajectory.mean_tangent) if "mean_tangent" in trajectory else data


def _each(trajectory: xr.Dataset) -> Iterator[tuple[float, Any, Selection]]:
    """Yields, for each epsilon, its color, and what the data say about the law."""
    data = _of_units(trajectory)
    require_perturbed(trajectory)
    epsilons = np.unique(trajectory.epsilon.values[trajectory.role.values == "perturbed"])
    for epsilon, color in zip(epsilons, colormaps["viridis"](np.linspace(0.05, 0.85, len(epsilons))), strict=True):
        yield epsilon, color, law_of(data, epsilon)


def _said(epsilon: float, found: Selection) -> str:
    return f"{epsilon:g}: {found.law}" + ("" if found.law == found.best else f"\n(dashed: {found.best})")


def fitted(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws growth against step, with intervals, and the best law of each epsilon, dashed if it is not decided.

    Args:
        trajectory: `distance` (step, init, member), of four initializations or more, by any name of the dimension;
            members have `role` and `epsilon`.
    """
    for epsilon, color, found in _each(trajectory):
        curves, best = found.curves, found.fits[found.best]
        steps, logs = curves.t * curves.duration, curves.logs - np.log(curves.d0)
        mean, reach = logs.mean(0), half_interval(logs)
        bars = [np.exp(mean) - np.exp(mean - reach), np.exp(mean + reach) - np.exp(mean)]
        style = {"fmt": ".", "color": color, "markersize": 4, "elinewidth": 0.8}
        ax.errorbar(steps, np.exp(mean), bars, **style, label=_said(epsilon, found))
        t = np.geomspace(curves.t[0], 1, 200)
        line = predict(best.law, t, curves.d0, best.scaled) / curves.d0
        ax.plot(t * curves.duration, line, "-" if found.law == found.best else "--", color=color, linewidth=1.2)
    logarithmic(ax, "x", "y")
    ax.set(xlabel="step", ylabel="growth of the distance, $d(t)/d(0)$")
    ax.legend(title="epsilon: law", fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def residuals(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the residuals of the best law of each epsilon, and the 95% interval of the mean over initializations.

    Args:
        trajectory: see `fitted`.
    """
    for epsilon, color, found in _each(trajectory):
        curves, best = found.curves, found.fits[found.best]
        steps, mean, reach = curves.t * curves.duration, curves.logs.mean(0), half_interval(curves.logs)
        left = mean - np.log(predict(best.law, curves.t, curves.d0, best.scaled))
        ax.plot(steps, left, color=color, marker=".", label=f"{epsilon:g}")
        ax.fill_between(steps, left - reach, left + reach, color=color, alpha=0.15, linewidth=0)
    ax.axhline(0, color="black", linewidth=0.8)
    logarithmic(ax, "x")
    ax.set(xlabel="step", ylabel="$\\log d$ of the data less that of the law")
    ax.legend(title="epsilon")
