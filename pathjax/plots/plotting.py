"""Labelled arrays -> Axes. Draws what it is given; never computes, loads or saves."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter

from pathjax.analysis.exponents import ExponentCurve
from pathjax.analysis.finite_size import FiniteSizeCurve

STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "figure.dpi": 130,
    "figure.figsize": (8.0, 4.4),
    "font.size": 10.5,
    "grid.alpha": 0.25,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "savefig.dpi": 130,
}
ROUNDOFF: dict[str, Any] = {"color": "0.35", "linestyle": ":", "linewidth": 1.5}
BASELINE: dict[str, Any] = {"color": "black", "linewidth": 1.4}


def distance(ax: Axes, trajectory: xr.Dataset) -> None:
    """Distance against step, a colour for each epsilon; thin lines are members, thick ones their median."""
    values = trajectory.distance
    lines_by_epsilon(ax, values)
    roundoff = values.isel(member=trajectory.role.values == "roundoff")
    time = roundoff.dims[0]
    ax.plot(roundoff[time], roundoff.where(roundoff > 0), **ROUNDOFF)
    handles = [Line2D([], [], **ROUNDOFF, label="one weight moved by one ulp")]
    with_epsilon_legend(ax, trajectory, handles)
    ax.set(yscale="log", xlabel="step", ylabel="distance to the baseline, $|w-w_0|$")


def collapse(ax: Axes, trajectory: xr.Dataset) -> None:
    """Growth of the distances, and of the tangents: on one curve as long as linear response holds."""
    lines_by_epsilon(ax, trajectory.distance_growth)
    tangent: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1.6}
    growth = trajectory.tangent_norm / trajectory.tangent_norm[0]
    ax.plot(growth[growth.dims[0]], growth.median("direction"), **tangent)
    with_epsilon_legend(ax, trajectory, [Line2D([], [], **tangent, label="tangent (linear response)")])
    ax.set(yscale="log", xlabel="step", ylabel="growth of the distance, $d(t)/d(0)$")
    for axis_formatter in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
        axis_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))


def exponent(ax: Axes, curve: ExponentCurve) -> None:
    """The exponent in windows, and its mean so far with a band of two standard errors."""
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.stairs(curve.local, np.concatenate([[0], curve.steps]), baseline=None, color="0.6", label="in windows")
    ax.fill_between(curve.steps, curve.mean - 2 * curve.stderr, curve.mean + 2 * curve.stderr, alpha=0.25, color="C0")
    ax.plot(curve.steps, curve.mean, color="C0", linewidth=1.8, label="mean since step 0, ± 2 standard errors")
    ax.set(xlabel="step", ylabel=r"largest exponent $\lambda_1$  [nats / step]")
    ax.legend()


def spectrum(ax: Axes, spectra: dict[str, dict]) -> None:
    """Exponents in order, with two standard errors, for each of the named spectra."""
    ax.axhline(0, color="0.6", linewidth=0.8)
    for i, (label, one) in enumerate(spectra.items()):
        numbers = np.arange(1, len(one["exponents"]) + 1)
        if "dense" in label:  # the same again by other means: dots on top
            ax.plot(numbers, one["exponents"], "k.", markersize=2.5, label=label, zorder=3)
            continue
        few = len(numbers) <= 30
        style: dict[str, Any] = {"color": f"C{i}", "linewidth": 1.0, "marker": "o", "markersize": 4}
        style |= {"linestyle": "-", "capsize": 3} if few else {"linestyle": "none", "elinewidth": 0.8}
        ax.errorbar(numbers, one["exponents"], 2 * np.nan_to_num(one["stderr"]), label=label, **style)
    if len(numbers) > 30:  # a whole spectrum reaches over decades
        ax.set_yscale("symlog", linthresh=10.0 ** np.ceil(np.log10(max(abs(one["exponents"][0]), 1e-6))))
    ax.set(xlabel="number of the exponent", ylabel=r"$\lambda_i$  [nats / step]")
    ax.legend()


def exponents_over_time(ax: Axes, ends: np.ndarray, exponents: np.ndarray) -> None:
    """Exponents [window, k] in the windows that end at `ends`[1:], as steps, a colour for each exponent."""
    ax.axhline(0, color="0.6", linewidth=0.8)
    k = exponents.shape[1]
    colors = colormaps["viridis"](np.linspace(0.05, 0.85, k))
    for i in range(k):
        label = f"$\\lambda_{{{i + 1}}}$" if k <= 10 or i in (0, k - 1) else None
        ax.stairs(exponents[:, i], ends, baseline=None, color=colors[i], linewidth=1.3, label=label)
    ax.set(xlabel="step", ylabel=r"$\lambda_i$ in the window  [nats / step]")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def finite_size(ax: Axes, curve: FiniteSizeCurve) -> None:
    """Growth rates of members by separation, with two standard errors, and their tangents' over the same steps."""
    ax.axhline(0, color="0.6", linewidth=0.8)
    if len(curve.size):
        ax.set_xscale("log")
        bar: dict[str, Any] = {"color": "C0", "fmt": "o", "markersize": 5, "capsize": 3}
        ax.errorbar(
            curve.size, curve.rate, 2 * np.nan_to_num(curve.stderr), label="members, ± 2 standard errors", **bar
        )
        dash: dict[str, Any] = {"color": "black", "linestyle": "none", "marker": "_", "markersize": 16}
        ax.plot(curve.size, curve.tangent, label="their tangents, over the same steps", **dash)
        if len(curve.size) == 1:  # an axis that fits one point has no width
            ax.set_xlim(curve.size[0] / 2, curve.size[0] * 2)
        ax.legend()
    ax.set(xlabel="separation, $|w-w_0|$", ylabel="growth rate  [nats / step]")


def autocorrelation(ax: Axes, trajectory: xr.Dataset) -> None:
    """Correlation of the weights with themselves at earlier steps; the baseline, and the spread over members."""
    values = trajectory.autocorrelation
    time = values.dims[0]
    for i, anchor in enumerate(trajectory.anchor.values):
        one, color = values.sel(anchor=anchor), f"C{i}"
        label = "with the initial weights" if anchor == 0 else f"with those at step {anchor}"
        ax.plot(one[time], one.isel(member=0), color=color, linewidth=1.8, label=label)
        ax.fill_between(one[time], one.min("member"), one.max("member"), color=color, alpha=0.2, linewidth=0)
    ax.set(xlabel="step", ylabel="autocorrelation of the weights")
    ax.legend()


def losses(ax: Axes, trajectory: xr.Dataset) -> None:
    """Losses of the baseline, and the range over the members."""
    batch = trajectory.batch_loss.isel(member=0)
    ax.plot(batch[batch.dims[0]], batch, color="0.75", linewidth=0.6, label="batch", zorder=1)
    for name, color in (("train", "C0"), ("test", "C1")):
        values = trajectory[f"{name}_loss"]
        time = values.dims[0]
        ax.plot(values[time], values.isel(member=0), color=color, linewidth=1.8, label=name)
        ax.fill_between(values[time], values.min("member"), values.max("member"), color=color, alpha=0.2, linewidth=0)
    ax.set(yscale="log", xlabel="step", ylabel="cross-entropy [nats]")
    ax.legend()


def disagreement(ax: Axes, trajectory: xr.Dataset) -> None:
    """Per cent of the test examples classified otherwise than by the baseline (mean over seeds), and its errors."""
    values = 100 * (1 - trajectory.test_agreement)
    for epsilon, color in epsilon_colors(values).items():
        mean = values.isel(member=values.epsilon.values == epsilon).mean("member")
        ax.plot(mean[mean.dims[0]], mean, color=color, linewidth=1.6)
    errors = 100 * (1 - trajectory.test_accuracy.isel(member=0))
    ax.plot(errors[errors.dims[0]], errors, **BASELINE)
    with_epsilon_legend(ax, trajectory, [Line2D([], [], **BASELINE, label="baseline's test errors")])
    ax.set_yscale("symlog", linthresh=0.1)
    ax.set_ylim(0, 100)
    ax.set_yticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    ax.set(xlabel="step", ylabel="% of the test set")


def roundoff(ax: Axes, distances: dict[str, xr.DataArray]) -> None:
    """Distance of the roundoff member against step, a line for each precision."""
    for i, (name, values) in enumerate(distances.items()):
        # Dashes of different lengths: lines may lie on one another.
        style: dict[str, Any] = {"color": f"C{i}", "linewidth": 1.8, "dashes": [(), (4, 2), (2, 2), (1, 1)][i % 4]}
        ax.plot(values[values.dims[0]], values.where(values > 0), label=name, **style)
    ax.set(yscale="log", xlabel="step", ylabel="distance to the baseline, $|w-w_0|$")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def at_the_end(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """A variable at its last step.

    >>> at_the_end(xr.Dataset({"loss": ("step", [3.0, 1.0])}), "loss").item()
    1.0
    """
    values = dataset[name]
    return values.isel({next(dim for dim in values.dims if str(dim).startswith("step")): -1})


def sweep_outcome(whole: xr.Dataset) -> tuple[xr.DataArray, str]:
    """How far members end (median over the perturbed ones), and what it is called: in units of the distance at the
    start or, where they are disturbed later, as it is."""
    later = "at_step" in whole.dims or ("at_step" in whole.coords and bool((whole.at_step.values >= 0).any()))
    name, label = ("distance", "distance at the end") if later else ("distance_growth", "growth of the distance")
    perturbed = whole.role.values == "perturbed"
    return at_the_end(whole, name).isel(member=perturbed).median("member"), label


def sweep(ax: Axes, whole: xr.Dataset) -> None:
    """How far members end along the last axis, a line for each value of the one before; bands span all other axes."""
    growth, label = sweep_outcome(whole)
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
    ax.set(xlabel=x.replace("_", " "), ylabel=f"{label}, $d(T)/d(0)$" if "growth" in label else f"{label}, $d(T)$")
    if by:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def shares(ax: Axes, found: dict) -> None:
    """Shares of variance by source, with their intervals, for each outcome (`analysis.variance_components`)."""
    names = list(found)
    sources = next(iter(found.values())).sources
    height = 0.8 / len(sources)
    for i, source in enumerate(sources):
        share, low, high = (np.array([getattr(found[name], which)[i] for name in names]) for which in _SHARE)
        places = np.arange(len(names)) + (i - (len(sources) - 1) / 2) * height
        bars = np.maximum(0, [share - low, high - share])  # a share of 0 has its interval above it
        ax.barh(places, share, height, color=f"C{i}", label=source)
        ax.errorbar(share, places, xerr=np.nan_to_num(bars), fmt="none", ecolor="0.25", elinewidth=1.0, capsize=2)
    ax.set_yticks(np.arange(len(names)), names)
    ax.invert_yaxis()
    ax.set(xlabel="share of the variance, with intervals of 95%", xlim=(0, 1))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


_SHARE = ("share", "low", "high")


def logarithmic(ax: Axes, *names: str) -> None:
    """Axes ("x", "y") on a logarithmic scale, if anything that is drawn can be seen on one."""
    for name in names:
        drawn = [line.get_xdata() if name == "x" else line.get_ydata() for line in ax.get_lines()]
        values = np.concatenate([np.ravel(np.asarray(data, float)) for data in drawn]) if drawn else np.zeros(0)
        if np.any(np.isfinite(values) & (values > 0)):
            ax.set(**{f"{name}scale": "log"})


def lines_by_epsilon(ax: Axes, values: xr.DataArray) -> None:
    """Values (step, member) against step, a colour for each epsilon: thin for members, thick for their median."""
    time = values.dims[0]
    for epsilon, color in epsilon_colors(values).items():
        some = values.isel(member=values.epsilon.values == epsilon)
        ax.plot(some[time], some, color=color, alpha=0.25, linewidth=0.7)
        ax.plot(some[time], some.median("member"), color=color, linewidth=1.8)


def epsilon_colors(values) -> dict:
    """Epsilon -> colour, from small to large, of what has the members' coordinates."""
    epsilons = np.unique(values.epsilon.values[values.epsilon.values > 0])
    places = np.linspace(0.05, 0.85, len(epsilons))
    return {float(epsilon): colormaps["viridis"](place) for epsilon, place in zip(epsilons, places, strict=True)}


def with_epsilon_legend(ax: Axes, trajectory, others: list) -> None:
    """A legend of the epsilons' colours, and below them of other handles."""
    colors = reversed(epsilon_colors(trajectory).items())
    lines = [Line2D([], [], color=color, linewidth=1.8, label=rf"$\varepsilon$ = {eps:g}") for eps, color in colors]
    # Beside the axes: wherever it were put inside, it would hide curves of some run.
    ax.legend(handles=lines + others, loc="center left", bbox_to_anchor=(1.0, 0.5))
