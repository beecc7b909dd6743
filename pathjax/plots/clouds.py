"""Figures of the cloud of members: its size, dimension and spectrum, and the distances of all pairs."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Patch

from pathjax.analysis.covariance import cloud
from pathjax.core.errors import require
from pathjax.plots.style import INDEPENDENT, axis_label, epsilon_colors, logarithmic, with_epsilon_legend
from pathjax.plots.variables import require_perturbed, take

CONTROLS = ("baseline", "replica", "roundoff")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def clouds(ax: Axes, trajectory: xr.Dataset, name: str, label: str | None = None, scale: str = "log") -> None:
    """Draws a statistic of the cloud of each epsilon's members against step.

    Args:
        trajectory: `<space>_gram` (step, member_1, member_2), or the statistic itself, (step, size), where sizes are
            the members' `epsilon` in ascending order.
        name: of the statistic: "<space>_variance", "<space>_participation" or "<space>_dimension", where the space is
            "weight" or "function".
        label: label of the y axis; None: the name and the unit.
        scale: scale of the y axis, "log" or "linear".
    """
    values = take(trajectory, name, "size")
    require_perturbed(trajectory)
    for size, color in zip(values["size"].values, epsilon_colors(trajectory).values(), strict=True):
        ax.plot(values[values.dims[0]], values.sel(size=size), color=color, linewidth=1.8)
    with_epsilon_legend(ax, trajectory, [])
    ax.set(xlabel="step", ylabel=axis_label(values, label))
    if scale == "log":
        logarithmic(ax, "y")


def spectra(ax: Axes, trajectory: xr.Dataset, space: str) -> None:
    """Draws the eigenvalues of the final covariance for each epsilon, relative to the largest.

    Args:
        trajectory: `<space>_gram` (step, member_1, member_2); members have `epsilon`.
        space: "weight" or "function".
    """
    gram = take(trajectory, f"{space}_gram", "member_1", "member_2").values[-1]
    require_perturbed(trajectory)
    for epsilon, color in epsilon_colors(trajectory).items():
        own = np.flatnonzero(trajectory.epsilon.values == epsilon)
        values = cloud(gram[np.ix_(own, own)]).spectrum[:-1]
        if values.size and values[0] > 0:
            ax.plot(np.arange(1, len(values) + 1), values / values[0], "o-", color=color, markersize=4)
    with_epsilon_legend(ax, trajectory, [])
    logarithmic(ax, "y")
    ax.set(xlabel="index of the eigenvalue", ylabel="variance, relative to the largest")


def density(ax: Axes, trajectory: xr.Dataset, space: str, label: str | None = None) -> None:
    """Draws distances between members of one epsilon, or of one other role, against step: median, 50% and 90% of pairs.

    Args:
        trajectory: `<space>_gram` or `<space>_pair_distance` (step, member_1, member_2); members have `role` and
            `epsilon`.
        space: "weight" or "function".
        label: label of the y axis; None: the name and the unit.
    """
    values = take(trajectory, f"{space}_pair_distance", "member_1", "member_2")
    steps = values[values.dims[0]].values
    groups = [(trajectory.epsilon.values == eps, color) for eps, color in epsilon_colors(trajectory).items()]
    others = _others(trajectory)
    alone = "no two members are of one epsilon or role: give several seeds, or several networks"
    require(any(own.sum() > 1 for own, _ in [*groups, *others.values()]), alone)
    for own, color in [*groups, *others.values()]:
        first, second = np.triu_indices(own.sum(), 1)
        if not len(first):
            continue
        between = values.values[:, own][:, :, own][:, first, second]
        between = between[:, np.isfinite(between).all(0)]
        if not between.size:
            continue
        low, quarter, median, three, high = np.quantile(np.where(between > 0, between, np.nan), QUANTILES, axis=1)
        ax.fill_between(steps, low, high, color=color, alpha=0.15, linewidth=0)
        ax.fill_between(steps, quarter, three, color=color, alpha=0.3, linewidth=0)
        ax.plot(steps, median, color=color, linewidth=1.6)
    handles = [Patch(color=color, label=role) for role, (own, color) in others.items() if own.sum() > 1]
    with_epsilon_legend(ax, trajectory, handles)
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel=axis_label(values, label))


def _others(trajectory: xr.Dataset) -> dict[str, tuple[np.ndarray, str]]:
    """Returns the members of each role that no epsilon perturbs, and their color."""
    roles = trajectory.role.values
    names = [str(role) for role in dict.fromkeys(roles.tolist()) if role not in (*CONTROLS, "perturbed")]
    named = {"independent": "independent networks"}
    colors = {role: INDEPENDENT["color"] if role == "independent" else f"C{i}" for i, role in enumerate(names)}
    return {named.get(role, role): (roles == role, colors[role]) for role in names}


def pairs(ax: Axes, trajectory: xr.Dataset, space: str, label: str | None = None) -> None:
    """Draws the final distances of all pairs of members, on a logarithmic scale; distances of 0 are white.

    Args:
        trajectory: `<space>_gram` or `<space>_pair_distance` (step, member_1, member_2); members have `role` and
            `epsilon`.
        space: "weight" or "function".
        label: label of the color bar; None: the name and the unit.
    """
    distances = take(trajectory, f"{space}_pair_distance", "member_1", "member_2")
    values = distances.values[-1]
    known = values[np.isfinite(values) & (values > 0)]
    norm = LogNorm(known.min(), known.max()) if known.size and known.min() < known.max() else None
    image = ax.pcolormesh(np.ma.masked_less_equal(values, 0), cmap="viridis", norm=norm, rasterized=True)
    ax.figure.colorbar(image, ax=ax, label=axis_label(distances, label))
    names, starts = _groups(trajectory)
    ends = [*starts[1:], len(values)]
    middles = [(start + end) / 2 for start, end in zip(starts, ends, strict=True)]
    for edge in starts[1:]:
        ax.axhline(edge, color="white", linewidth=0.8)
        ax.axvline(edge, color="white", linewidth=0.8)
    ax.set_xticks(middles, names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(middles, names)
    ax.set(aspect="equal", xlim=(0, len(values)), ylim=(len(values), 0))
    ax.tick_params(length=0)
    ax.grid(False)


def _groups(trajectory) -> tuple[list[str], list[int]]:
    """Returns the names of consecutive members of one kind, and where each group starts."""
    each = zip(trajectory.role.values, trajectory.epsilon.values, strict=True)
    names = [_group(str(role), epsilon) for role, epsilon in each]
    starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    return [names[i] for i in starts], starts


def _group(role: str, epsilon: float) -> str:
    if epsilon > 0:
        return f"$\\varepsilon$ = {epsilon:g}"
    return "controls" if role in CONTROLS else role
