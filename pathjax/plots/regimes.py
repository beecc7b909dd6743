"""Figures of regimes: the meaning of a distance, as background shading."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from pathjax.analysis.regimes import REGIMES
from pathjax.plots.style import epsilon_colors, lines_by_epsilon, logarithmic, with_epsilon_legend
from pathjax.plots.variables import has, require_perturbed, take

SHADES = ("0.85", "#dcebf7", "#fdeed8", "#f6d9d9")  # in the order of REGIMES


def regime_map(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws distances, each epsilon's over a background of the regime of most of its members.

    Args:
        trajectory: `distance` (step, member) and `tangent_norm` (step, direction), or in place of the latter `regime`
            (step, member), indices of `analysis.regimes.REGIMES`; members have `role`, `epsilon` and `seed`.
    """
    distance, _ = take(trajectory, "distance", "member"), take(trajectory, "regime", "member")
    require_perturbed(trajectory)
    distance = distance.where(distance > 0)
    lines_by_epsilon(ax, distance)
    with_epsilon_legend(ax, trajectory, shade_regimes(ax, trajectory, distance))
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel="distance to the baseline, $|w-w_0|$  [weight]")


def is_shaded(trajectory: xr.Dataset) -> bool:
    """Whether regimes are known, and there are perturbed members whose curves they could shade.

    >>> is_shaded(xr.Dataset(coords={"epsilon": ("member", [0.0])}))
    False
    """
    return has(trajectory, "regime") and bool((trajectory.epsilon > 0).any())


def shade_regimes(ax: Axes, trajectory: xr.Dataset, values: xr.DataArray) -> list[Patch]:
    """Shades behind each epsilon's curve the regime of most of its members; returns handles for a legend.

    Args:
        trajectory: see `regime_map`.
        values: (step, member), the values of the curves; shades meet halfway between their medians.
    """
    role, chosen = trajectory.role.values, [trajectory.epsilon.values == epsilon for epsilon in epsilon_colors(values)]
    regime = take(trajectory, "regime", "member")
    steps = values[values.dims[0]].values
    steps = regime[regime.dims[0]].values if len(steps) > regime.sizes[regime.dims[0]] else steps
    at = values.sel({values.dims[0]: steps}).values
    labels = regime.sel({regime.dims[0]: steps}, method="nearest").values
    low, high = _limits(at[:, (role == "perturbed") | (role == "independent")])
    medians = [_median(at[:, own], low) for own in chosen]
    order = np.argsort([np.nanmean(np.log(median)) for median in medians])
    medians = [medians[i] for i in order]
    between = [np.sqrt(lower * upper) for lower, upper in zip(medians, medians[1:], strict=False)]
    edges = [np.full(len(steps), low), *between, np.full(len(steps), high)]
    middles = (steps[1:] + steps[:-1]) / 2
    sides = np.stack(
        [[steps[0], *middles], [*middles, steps[-1]]], axis=1
    ).ravel()  # the two sides of each record's cell
    for i, lower, upper in zip(order, edges, edges[1:], strict=False):
        counts = np.array([np.bincount(row[row >= 0], minlength=len(REGIMES)) for row in labels[:, chosen[i]]])
        for number, shade in enumerate(SHADES):
            is_most = (counts.argmax(1) == number) & (counts.sum(1) > 0)
            bottom, top, shown = (np.repeat(edge, 2) for edge in (lower, upper, is_most))
            ax.fill_between(sides, bottom, top, where=shown.tolist(), color=shade, linewidth=0, zorder=0)
    ax.set_ylim(low, high)
    return [Patch(color=shade, label=name) for shade, name in zip(SHADES, REGIMES, strict=True)][::-1]


def _median(values: np.ndarray, instead: float) -> np.ndarray:
    """Returns the median over members of positive finite values, with `instead` for all others."""
    known = np.where(np.isfinite(values) & (values > 0), values, instead)
    return np.median(known, axis=1)


def _limits(distances) -> tuple[float, float]:
    known = distances[np.isfinite(distances) & (distances > 0)]
    return (known.min() / 3, known.max() * 3) if known.size else (1e-8, 1.0)
