"""Exponents and training times against the learning rate."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pathjax.analysis.intervals import mean_over_units

EXPONENT, WINDOW = "#c51b7d", "#fde0ef"
TIMES = ("#9ecae1", "#4292c6", "#08519c")


def window(ax: Axes, found: dict[str, Any]) -> None:
    """Draws two panels: exponents, and steps to each accuracy, with the rates of positive exponents shaded.

    Args:
        ax: the axes, whose figure is enlarged.
        found: "rates", "exponents" float[rate, init], "times" by accuracy float[rate, init], "positive", "steps" and
            "bar", above which exponents count as positive.
    """
    figure = ax.figure
    figure.set_size_inches(7.5, 6.4)  # type: ignore[union-attr]
    ax.axis("off")
    upper, lower = figure.subplots(2, 1, sharex=True)  # type: ignore[union-attr]
    rates = np.array(found["rates"], float)
    exponents = np.array(found["exponents"], float)
    _errorbars(upper, rates, exponents, EXPONENT, "o-", None)
    upper.axhline(0, color="black", linewidth=0.8)
    upper.axhline(found["bar"], color="black", linewidth=0.8, linestyle=":", label="counts as positive")
    upper.set(ylabel="exponent per step", title="Chaos and speed of training by gradient descent")
    upper.set_yscale("symlog", linthresh=1e-3)
    upper.set_ylim(min(-5e-4, float(np.nanmin(exponents))), 2 * float(np.nanmax(exponents)))
    upper.legend(fontsize=9, loc="upper left")
    for (level, times), color in zip(found["times"].items(), TIMES, strict=False):
        values = np.array(times, float)
        values[np.isnan(values).any(1)] = np.nan
        _errorbars(lower, rates, values, color, "s-", f"accuracy {float(level):g}")
    lower.axhline(found["steps"], color="black", linewidth=0.8, linestyle="--", label="end of training")
    lower.set(ylabel=f"steps to a test accuracy\n(if all runs reach it in {found['steps']})", xlabel="learning rate")
    lower.set(yscale="log")
    lower.legend(fontsize=9)
    for panel in (upper, lower):
        panel.set_xscale("log")
        if found["positive"]:
            panel.axvspan(*_edges(rates, found["positive"]), color=WINDOW, zorder=0, linewidth=0)


def _errorbars(panel: Axes, rates: np.ndarray, values: np.ndarray, color: str, style: str, label: str | None) -> None:
    means = [mean_over_units(own) for own in values]
    middle = np.array([one.value for one in means])
    reach = np.array([one.high - one.value for one in means])
    panel.errorbar(rates, middle, reach, fmt=style, color=color, markersize=4, linewidth=1.2, capsize=2, label=label)


def _edges(rates: np.ndarray, positive: list[float]) -> tuple[float, float]:
    """Returns the ends of the shaded window, half-way to the neighbors on a logarithmic axis."""
    logs = np.log(rates)
    first, last = int(np.argmin(abs(rates - min(positive)))), int(np.argmin(abs(rates - max(positive))))
    low = (logs[first] + logs[max(first - 1, 0)]) / 2
    high = (logs[last] + logs[min(last + 1, len(rates) - 1)]) / 2
    return float(np.exp(low)), float(np.exp(high))
