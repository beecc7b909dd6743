"""Decision boundaries in a plane: what all initializations of an arm decide, and how far arms are apart over time."""

import base64
import itertools
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from pathjax.plots.style import ROUNDOFF

SEEDS, ONE_BIT = "seeds", "one rounding error"
# Pale enough for examples and boundaries to be seen on them; white where initializations are divided.
SHARES = LinearSegmentedColormap.from_list("shares", ["#9ec3e6", "#f7f7f7", "#f2b391"])
ARMS = ("#7b3294", "#1b7837", "#c51b7d", "#4d4d4d", "#e08214", "#2166ac")  # beside those of the classes
EXAMPLES = ("#1f5a93", "#b4501a")


def shares(ax: Axes, chosen: np.ndarray, extent: Sequence[float], examples: np.ndarray | None = None) -> None:
    """Draws the share of runs that choose class 1 at each point of a plane, and its boundary at one half.

    Args:
        ax: the axes.
        chosen: float[side, side], 0 to 1, row by row from the lowest second input.
        extent: (left, right, bottom, top).
        examples: float[n, 3], the inputs and class of training examples.
    """
    left, right, bottom, top = extent
    side = len(chosen)
    x, y = (low + (high - low) * (np.arange(side) + 0.5) / side for low, high in ((left, right), (bottom, top)))
    ax.imshow(chosen, origin="lower", extent=(left, right, bottom, top), cmap=SHARES, vmin=0, vmax=1, aspect="auto")
    if chosen.min() < 0.5 < chosen.max():
        ax.contour(x, y, chosen, levels=[0.5], colors="black", linewidths=1.1)
    if examples is not None:
        for label, color in enumerate(EXAMPLES):
            own = examples[examples[:, 2] == label]
            ax.plot(own[:, 0], own[:, 1], ".", color=color, markersize=3.5)
    ax.set(xticks=[], yticks=[], xlim=(left, right), ylim=(bottom, top))
    ax.grid(False)


def arms(
    ax: Axes, chosen: Mapping[str, np.ndarray], extent: Sequence[float], examples: np.ndarray | None = None
) -> None:
    """Draws `shares` of several arms beside one another.

    Args:
        ax: the axes, which the panels fill.
        chosen: by arm, float[side, side].
        extent, examples: see `shares`.
    """
    ax.axis("off")
    width = 1 / len(chosen)
    for i, (arm, values) in enumerate(chosen.items()):
        panel = ax.inset_axes((i * width + 0.01, 0.0, width - 0.02, 0.92))
        shares(panel, values, extent, examples)
        panel.set_title(arm, fontsize=10)


def areas(ax: Axes, steps: np.ndarray, curves: Mapping[str, np.ndarray], label: str) -> None:
    """Draws the area between the boundaries of arms and of the baseline over time.

    Args:
        ax: the axes.
        steps: float[time].
        curves: by arm, float[time, 3], mean and interval, or float[time], a mean; "seeds" are other initializations,
            and "one rounding error" is drawn thin.
        label: of the y axis.
    """
    drawn = np.asarray(steps) > 0
    steps, curves = np.asarray(steps)[drawn], {name: np.asarray(v, float)[drawn] for name, v in curves.items()}
    if not any(values.any() for values in curves.values()):
        ax.text(0.5, 0.5, "no area", transform=ax.transAxes, ha="center", color="0.4")
        ax.set(xticks=[], yticks=[], ylabel=label)
        return
    means = {name: values[:, 0] if values.ndim == 2 else values for name, values in curves.items()}
    floor = min(float(mean[mean > 0].min(initial=1)) for mean in means.values()) / 2
    drawn_arms = [name for name in curves if name not in (SEEDS, ONE_BIT)]
    for color, arm in zip(itertools.cycle(ARMS), drawn_arms):  # noqa: B905
        ax.plot(steps, _positive(means[arm]), color=color, label=arm)
        if curves[arm].ndim == 2:
            low, high = np.maximum(curves[arm][:, 1:].T, floor)
            ax.fill_between(steps, low, high, color=color, alpha=0.15)
    if SEEDS in curves:
        ax.plot(steps, _positive(means[SEEDS]), color="black", linestyle="--", label="other initializations")
    if ONE_BIT in curves:
        ax.plot(steps, _positive(means[ONE_BIT]), label=ONE_BIT, **ROUNDOFF)
    ax.set(xscale="log", yscale="log", xlabel="step", ylabel=label)
    ax.set_ylim(bottom=floor)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def of_study(ax: Axes, found: Mapping[str, Mapping]) -> None:
    """Draws a row for each data set: the boundaries of plain, always and nudged runs at the end, and areas over time.

    Args:
        ax: the axes, whose figure is enlarged.
        found: by data set, the outcome of a cell of `experiments.nudges`.
    """
    figure = ax.figure
    figure.set_size_inches(12.5, 2.7 * len(found) + 0.5)  # type: ignore[union-attr]
    ax.axis("off")
    grid = figure.add_gridspec(len(found), 5, width_ratios=(1, 1, 1, 1.35, 1.35))
    for row, (data, outcome) in enumerate(found.items()):
        pictures = {arm: text for arm, text in outcome["pictures"].items() if arm != "random push"}
        examples = np.array(outcome["examples"], float)
        for column, (arm, text) in enumerate(pictures.items()):
            panel = figure.add_subplot(grid[row, column])
            counts = unpacked(text)
            shares(panel, counts / outcome["num_inits"], outcome["extent"], examples)
            panel.set_title(
                {"baseline": "no L1", "always": "L1 always"}.get(arm, f"L1 in {arm}") if row == 0 else "", fontsize=10
            )
            if column == 0:
                panel.set_ylabel(data)
        for column, (name, curves) in enumerate(outcome["curves"].items()):
            panel = figure.add_subplot(grid[row, 3 + column])
            areas(panel, np.array(outcome["steps"]), {arm: np.array(v, float) for arm, v in curves.items()}, "")
            panel.set_title(f"area between,\n{name}" if row == 0 else "", fontsize=10)
            panel.set_xlabel("step" if row == len(found) - 1 else "")
            if row == len(found) - 1 and column == 0:
                figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=5)  # type: ignore


def packed(counts: np.ndarray) -> str:
    """Returns whole numbers below 256 as text, compressed.

    >>> unpacked(packed(np.array([[1, 2], [3, 4]]))).tolist()
    [[1, 2], [3, 4]]
    """
    return base64.b64encode(zlib.compress(np.asarray(counts, np.uint8).tobytes(), 9)).decode()


def unpacked(text: str) -> np.ndarray:
    """Returns the square array of `packed`."""
    counts = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    side = round(len(counts) ** 0.5)
    return counts.reshape(side, side)
