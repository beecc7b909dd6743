"""Sharpness and exponents beside each other, over learning rates."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from pathjax.analysis.intervals import mean_over_units

EDGE, EXPONENT, SMALLEST = "#08519c", "#c51b7d", "#7f7f7f"
TOP = 2.1  # of the left panels, in units of the threshold
SMALL: dict = {"fontsize": 7, "columnspacing": 0.8, "handlelength": 1.2, "frameon": False}


def edges(ax: Axes, found: dict[str, Any]) -> None:
    """Draws, for each kind of training, a row of three panels: rate times sharpness along training, for each learning
    rate; and that and the leading exponent of the last third, against the learning rate.

    Args:
        ax: the axes, whose figure is enlarged.
        found: by kind, "rates", "threshold", "edge", "exponents" and "lowest_exponents" float[rate, init], and
            "curves", by rate with "rate" and "edge".
    """
    figure = ax.figure
    figure.set_size_inches(11, 2.7 * len(found) + 0.6)  # type: ignore[union-attr]
    ax.axis("off")
    grid = figure.add_gridspec(len(found), 3)
    for row, (kind, one) in enumerate(found.items()):
        one = one._asdict() if hasattr(one, "_asdict") else one
        panels = [figure.add_subplot(grid[row, column]) for column in range(3)]
        _along(panels[0], kind, one)
        _sharpness(panels[1], one)
        _exponents(panels[2], one)
        if row == len(found) - 1:
            panels[0].set_xlabel("share of training (first initialization)")
            for panel in panels[1:]:
                panel.set_xlabel("learning rate")


def _along(panel: Axes, kind: str, one: dict) -> None:
    count = max(len(one["curves"]) - 1, 1)
    for i, curve in enumerate(one["curves"]):
        values = np.array([np.nan if value is None else value for value in curve["edge"]], float)
        if curve["diverged"]:
            continue
        places = np.linspace(0, 1, len(values))
        color = colormaps["viridis"](0.95 * i / count)
        panel.plot(places, values, color=color, linewidth=1, label=f"{curve['rate']:g}")
    panel.axhline(one["threshold"], color="black", linewidth=0.8, linestyle="--")
    panel.set(title=kind, ylabel="rate × sharpness", ylim=(0, TOP * one["threshold"]))
    if panel.lines[1:]:
        panel.legend(ncols=4, loc="upper right", title="learning rate", title_fontsize=7, **SMALL)


def _sharpness(panel: Axes, one: dict) -> None:
    rates, values = np.array(one["rates"], float), np.array(one["edge"], float)
    _against(panel, rates, values, EDGE)
    panel.axhline(
        one["threshold"], color="black", linewidth=0.8, linestyle="--", label=f"quadratic: {one['threshold']:.3g}"
    )
    panel.set(ylabel="rate × sharpness", ylim=(0, 1.4 * one["threshold"]))
    num = values.shape[1]
    for rate, diverged in zip(rates, np.isnan(values).sum(1), strict=True):
        if diverged:
            panel.plot([rate], [1.2 * one["threshold"]], "x", color="black", markersize=4)
            panel.annotate(
                f"{diverged}/{num}", (rate, 1.24 * one["threshold"]), ha="center", fontsize=6.5, color="black"
            )
    if np.isnan(values).any():
        panel.plot([], [], "x", color="black", markersize=4, label="runs that diverge")
    panel.legend(loc="lower right", **SMALL)


def _exponents(panel: Axes, one: dict) -> None:
    rates = np.array(one["rates"], float)
    _against(panel, rates, np.array(one["exponents"], float), EXPONENT, label="measured")
    smallest = np.array([mean_over_units(own).value for own in np.array(one["lowest_exponents"], float)])
    smallest[smallest <= 0] = np.nan  # no negative curvature was found
    panel.plot(rates, smallest, color=SMALLEST, linewidth=1, linestyle=":", label="of the most negative curvature")
    panel.axhline(0, color="black", linewidth=0.8, linestyle="--")
    panel.set_yscale("symlog", linthresh=1e-3)
    panel.set_ylabel("exponent per step")
    panel.legend(loc="upper left", **SMALL)


def _against(panel: Axes, rates: np.ndarray, values: np.ndarray, color: str, label: str | None = None) -> None:
    means = [mean_over_units(own) for own in values]
    middle = np.array([one.value for one in means])
    reach = np.array([one.high - one.value for one in means])
    panel.errorbar(rates, middle, reach, fmt="o-", color=color, markersize=3.5, linewidth=1, capsize=2, label=label)
    panel.set_xscale("log")
    shown = _apart(rates)
    panel.set_xticks(shown, [f"{rate:g}" for rate in shown])
    panel.xaxis.set_minor_formatter(NullFormatter())


def _apart(rates: np.ndarray) -> list[float]:
    """Returns rates whose labels do not overlap on a logarithmic axis."""
    shown = [float(rates[0])]
    for rate in rates[1:]:
        if np.log(rate / shown[-1]) > np.log(rates[-1] / rates[0]) / 6:
            shown.append(float(rate))
    return shown
