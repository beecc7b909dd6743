"""Sharpness and exponents beside each other, over learning rates."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from pathjax.analysis.intervals import mean_over_units

EDGE, EXPONENT = "#08519c", "#c51b7d"
TIGHT: dict = {"columnspacing": 0.8, "handlelength": 1.0}


def edges(ax: Axes, found: dict[str, Any]) -> None:
    """Draws, for each kind of training, a row of three panels: rate times sharpness along training, for each learning
    rate; and that and the leading exponent of the last third, against the learning rate.

    Args:
        ax: the axes, whose figure is enlarged.
        found: by kind, "rates", "threshold", "edge" and "exponents" float[rate, init], and "curves", by rate with
            "rate" and "edge".
    """
    figure = ax.figure
    figure.set_size_inches(10.5, 2.5 * len(found) + 0.6)  # type: ignore[union-attr]
    ax.axis("off")
    grid = figure.add_gridspec(len(found), 3)
    for row, (kind, one) in enumerate(found.items()):
        one = one._asdict() if hasattr(one, "_asdict") else one
        is_last = row == len(found) - 1
        _along(figure.add_subplot(grid[row, 0]), kind, one, is_last)
        rates = np.array(one["rates"], float)
        panels = (("edge", EDGE, one["threshold"], "rate × sharpness"), ("exponents", EXPONENT, 0, "exponent per step"))
        for column, (name, color, level, label) in enumerate(panels):
            panel = figure.add_subplot(grid[row, 1 + column])
            _against(panel, rates, np.array(one[name], float), color)
            panel.axhline(level, color="black", linewidth=0.8, linestyle="--")
            panel.set_ylabel(label)
            panel.set_xlabel("learning rate" if is_last else "")
            if name == "exponents":
                panel.set_yscale("symlog", linthresh=1e-3)


def _along(panel: Axes, kind: str, one: dict, is_last: bool) -> None:
    count = max(len(one["curves"]) - 1, 1)
    for i, curve in enumerate(one["curves"]):
        values = np.array([np.nan if value is None else value for value in curve["edge"]], float)
        values[values > 2 * one["threshold"]] = np.nan
        if curve["diverged"]:
            continue
        places = np.linspace(0, 1, len(values))
        panel.plot(
            places, values, color=colormaps["viridis"](0.95 * i / count), linewidth=1, label=f"{curve['rate']:g}"
        )
    panel.axhline(one["threshold"], color="black", linewidth=0.8, linestyle="--")
    panel.set(title=kind, ylabel="rate × sharpness", ylim=(-0.45 * one["threshold"], 1.5 * one["threshold"]))
    panel.set_xlabel("share of training" if is_last else "")
    if panel.lines[1:]:
        panel.legend(fontsize=6, ncols=5, loc="lower center", title="learning rate", title_fontsize=6, **TIGHT)


def _against(panel: Axes, rates: np.ndarray, values: np.ndarray, color: str) -> None:
    means = [mean_over_units(own) for own in values]
    middle = np.array([one.value for one in means])
    reach = np.array([one.high - one.value for one in means])
    panel.errorbar(rates, middle, reach, fmt="o-", color=color, markersize=3.5, linewidth=1, capsize=2)
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
