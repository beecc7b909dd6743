"""Figures of the families of distances. Like `plotting`: draws what it is given."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pathjax.analysis.autocorrelation import two_time_correlation
from pathjax.analysis.regimes import REGIMES
from pathjax.plots.plotting import epsilon_colors, lines_by_epsilon, logarithmic, with_epsilon_legend

INDEPENDENT: dict[str, Any] = {"color": "C3", "linestyle": "--", "linewidth": 1.4}
SHADES = ("0.85", "#dcebf7", "#fdeed8", "#f6d9d9")  # of the regimes, in their order


def by_epsilon(ax: Axes, trajectory: xr.Dataset, name: str, label: str, scale: str = "log") -> None:
    """A variable against step, a colour for each epsilon, and dashed the independent networks."""
    values = trajectory[name]
    values = values.where(values > 0) if scale == "log" else values
    lines_by_epsilon(ax, values)
    others = values.isel(member=trajectory.role.values == "independent")
    ax.plot(others[others.dims[0]], others, **INDEPENDENT | {"linewidth": 0.9})
    handles: list = [Line2D([], [], **INDEPENDENT, label="independent networks")] if others.sizes["member"] else []
    ax.set(xlabel="step", ylabel=label)
    if scale == "log":
        handles += _shade_regimes(ax, trajectory, values)
        logarithmic(ax, "y")
    with_epsilon_legend(ax, trajectory, handles)


def regime_map(ax: Axes, trajectory: xr.Dataset) -> None:
    """Distances, each epsilon's over a background of the regime that most of its members are in."""
    distance = trajectory.distance.where(trajectory.distance > 0)
    lines_by_epsilon(ax, distance)
    with_epsilon_legend(ax, trajectory, _shade_regimes(ax, trajectory, distance))
    logarithmic(ax, "y")
    ax.set(xlabel="step", ylabel="distance to the baseline, $|w-w_0|$")


def _shade_regimes(ax: Axes, trajectory: xr.Dataset, values: xr.DataArray) -> list[Patch]:
    """Behind each epsilon's curve the regime that its members' distances are in; the handles for a legend."""
    role, chosen = trajectory.role.values, [trajectory.epsilon.values == epsilon for epsilon in epsilon_colors(values)]
    regime = trajectory.regime
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
    sides = np.stack([[steps[0], *middles], [*middles, steps[-1]]], axis=1).ravel()  # of each record's cell
    for i, lower, upper in zip(order, edges, edges[1:], strict=False):
        counts = np.array([np.bincount(row[row >= 0], minlength=len(REGIMES)) for row in labels[:, chosen[i]]])
        for number, shade in enumerate(SHADES):
            is_most = (counts.argmax(1) == number) & (counts.sum(1) > 0)
            bottom, top, shown = (np.repeat(edge, 2) for edge in (lower, upper, is_most))
            ax.fill_between(sides, bottom, top, where=shown.tolist(), color=shade, linewidth=0, zorder=0)
    ax.set_ylim(low, high)
    return [Patch(color=shade, label=name) for shade, name in zip(SHADES, REGIMES, strict=True)][::-1]


def _median(values: np.ndarray, instead: float) -> np.ndarray:
    """Over members, of what is known; `instead` where nothing is."""
    known = np.where(np.isfinite(values) & (values > 0), values, instead)
    return np.median(known, axis=1)


def _limits(distances) -> tuple[float, float]:
    known = distances[np.isfinite(distances) & (distances > 0)]
    return (known.min() / 3, known.max() * 3) if known.size else (1e-8, 1.0)


def by_group(ax: Axes, trajectory: xr.Dataset, by: str) -> None:
    """Distances by module or kind for the largest epsilon, each relative to its start: median over members."""
    values = _largest(trajectory, f"{by}_distance")
    medians = (values / values[0]).median("member")
    for i, group in enumerate(medians[f"{by}_name"].values):
        ax.plot(
            medians[medians.dims[0]], medians.sel({f"{by}_name": group}), color=f"C{i}", linewidth=1.8, label=str(group)
        )
    _to_the_right(ax, f"growth of the distance at $\\varepsilon$ = {_largest_epsilon(trajectory):g}")


def norms(ax: Axes, trajectory: xr.Dataset) -> None:
    """Distances by all norms, and the angle, for the largest epsilon, relative to their start: median over members."""
    names = {str(name): f"{str(name)[10:]}-norm" for name in trajectory.data_vars if str(name).startswith("distance_p")}
    names = {"distance": "2-norm"} | names | {"angle": "angle between weights"}
    for i, (name, label) in enumerate(names.items()):
        values = _largest(trajectory, name)
        medians = (values / values[0]).median("member")
        style: dict[str, Any] = {"color": f"C{i}", "linewidth": 1.8, "dashes": [(), (4, 2), (2, 2), (1, 1)][i % 4]}
        ax.plot(medians[medians.dims[0]], medians, label=label, **style)
    _to_the_right(ax, f"growth at $\\varepsilon$ = {_largest_epsilon(trajectory):g}")


def layers(ax: Axes, trajectory: xr.Dataset) -> None:
    """Angles between layers' kernels: largest epsilon (lines) and independent networks (dashes), medians."""
    for i, layer in enumerate(trajectory.layer.values):
        own = _largest(trajectory, "cka_angle").sel(layer=layer).median("member")
        ax.plot(own[own.dims[0]], np.degrees(own), color=f"C{i}", linewidth=1.8, label=str(layer))
        others = trajectory.cka_angle.isel(member=trajectory.role.values == "independent").sel(layer=layer)
        if others.sizes["member"]:
            ax.plot(own[own.dims[0]], np.degrees(others.median("member")), color=f"C{i}", linestyle="--", linewidth=1.4)
    _to_the_right(ax, "angle between kernels [degrees]")


def symmetries(ax: Axes, trajectory: xr.Dataset) -> None:
    """Distances as they are, with units matched, and with scales balanced: largest epsilon and independent networks."""
    ways = {
        "distance": ("as it is", ()),
        "aligned_distance": ("matched by weights", (4, 2)),
        "activation_aligned_distance": ("by activations", (5, 1.5, 1, 1.5)),
        "balanced_distance": ("scales balanced", (1, 1)),
    }
    groups = {
        f"$\\varepsilon$ = {_largest_epsilon(trajectory):g}": trajectory.epsilon.values == _largest_epsilon(trajectory),
        "independent": trajectory.role.values == "independent",
    }
    for i, (group, chosen) in enumerate(groups.items()):
        for name, (label, dashes) in ways.items():
            median = trajectory[name].isel(member=chosen).median("member")
            style: dict[str, Any] = {"color": f"C{3 * i}", "dashes": dashes, "linewidth": 1.8}
            ax.plot(median[median.dims[0]], median, label=f"{group}, {label}", **style)
    _to_the_right(ax, "distance to the baseline")


def sets(ax: Axes, trajectory: xr.Dataset, measure: str, label: str) -> None:
    """A measure on each set: largest epsilon (lines) and independent networks (dashes), medians."""
    for i, name in enumerate(("train", "test", "probe")):
        own = _largest(trajectory, f"{name}_{measure}").median("member")
        ax.plot(own[own.dims[0]], own, color=f"C{i}", linewidth=1.8, label=name)
        others = trajectory[f"{name}_{measure}"].isel(member=trajectory.role.values == "independent")
        if others.sizes["member"]:
            ax.plot(own[own.dims[0]], others.median("member"), color=f"C{i}", linestyle="--", linewidth=1.4)
    logarithmic(ax, "y")
    _to_the_right(ax, label)


def line(ax: Axes, trajectory: xr.Dataset, set_name: str) -> None:
    """The loss on the way from the baseline to members at the end of training, as they are and matched."""
    roles = {"perturbed": trajectory.epsilon.values == _largest_epsilon(trajectory)}
    roles["independent"] = trajectory.role.values == "independent"
    for i, (role, chosen) in enumerate(roles.items()):
        label = f"$\\varepsilon$ = {_largest_epsilon(trajectory):g}" if role == "perturbed" else role
        for prefix, style, then in (("", "-", "as they are"), ("aligned_", "--", "units matched")):
            values = trajectory[f"{prefix}{set_name}_line_loss"][-1].isel(member=chosen)
            color = f"C{3 * i}"
            ax.plot(values.alpha, values.median("member"), style, color=color, linewidth=1.8, label=f"{label}, {then}")
            if not prefix:
                ax.fill_between(
                    values.alpha, values.min("member"), values.max("member"), color=color, alpha=0.15, linewidth=0
                )
    _to_the_right(ax, "cross-entropy [nats]")
    ax.set_xlabel("place on the line: 0 the baseline, 1 the member")


def two_times(ax: Axes, trajectory: xr.Dataset) -> None:
    """The correlation of the baseline's weights between any two records."""
    values = trajectory.projections.isel(member=0)
    steps = values[values.dims[0]].values
    found = two_time_correlation(values.values)
    image = ax.pcolormesh(steps, steps, found.correlation, cmap="viridis", shading="nearest", rasterized=True)
    ax.figure.colorbar(image, ax=ax, label=f"correlation (± {np.nanmax(found.stderr):.2g} at most)")
    ax.set(xlabel="step", ylabel="step", aspect="equal")
    ax.grid(False)


def displacements(ax: Axes, trajectory: xr.Dataset) -> None:
    """Squared displacement of the baseline since each anchor, against the steps since."""
    values = trajectory.squared_displacement.isel(member=0)
    steps = values[values.dims[0]].values
    for i, anchor in enumerate(trajectory.anchor.values):
        later = steps > anchor
        ax.plot(
            steps[later] - anchor,
            values.sel(anchor=anchor)[later],
            color=f"C{i}",
            linewidth=1.8,
            label=f"since step {anchor}",
        )
    logarithmic(ax, "x", "y")
    ax.set(xlabel="steps since", ylabel="$|w(t)-w(t_w)|^2$")
    ax.legend()


def function_memory(ax: Axes, trajectory: xr.Dataset) -> None:
    """Correlation of the baseline's logits (lines) and weights (dashes) with those at each anchor."""
    for name, style in (("function_autocorrelation", "-"), ("autocorrelation", "--")):
        values = trajectory[name].isel(member=0)
        for i, anchor in enumerate(trajectory.anchor.values):
            what = "logits" if style == "-" else "weights"
            one = values.sel(anchor=anchor)
            ax.plot(one[one.dims[0]], one, style, color=f"C{i}", linewidth=1.7, label=f"{what}, since step {anchor}")
    _to_the_right(ax, "autocorrelation of the baseline")


def _largest_epsilon(trajectory) -> float:
    return float(trajectory.epsilon.max())


def _largest(trajectory, name: str) -> xr.DataArray:
    return trajectory[name].isel(member=trajectory.epsilon.values == _largest_epsilon(trajectory))


def _to_the_right(ax: Axes, label: str) -> None:
    ax.set(xlabel="step", ylabel=label)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def barriers(ax: Axes, pairs: dict[int, list[dict]]) -> None:
    """Barriers of the test loss against width, as networks are and matched: dots are pairs, lines go through means."""
    widths = list(pairs)
    for prefix, color, label in (("", "C3", "as they are"), ("aligned_", "C0", "units matched")):
        values = [[float(record[f"{prefix}test_barrier"]) for record in records] for records in pairs.values()]
        for width, some in zip(widths, values, strict=True):
            ax.plot([width] * len(some), some, "o", color=color, alpha=0.5, markersize=5)
        ax.plot(widths, [np.mean(some) for some in values], color=color, linewidth=1.8, label=label)
    ax.set_xscale("log", base=2)
    ax.set_xticks(widths, [str(width) for width in widths])
    ax.set_yscale("symlog", linthresh=1e-3)  # matched networks may have none
    ax.set(ylim=(-1e-4, None), xlabel="width of both hidden layers", ylabel="barrier of the test loss [nats]")
    ax.legend()
