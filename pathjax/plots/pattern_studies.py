"""Figures of studies of patterns: what a setting of one side does to both."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes

from pathjax.analysis.statistics import half_interval

COLORS = {"m": "C0", "c": "C1"}


def half_times(setting: str) -> Callable[[Axes, dict], None]:
    """Returns `draw(axes, found)`: half-times of both patterns against a setting of one side, with 95% intervals.

    A pattern whose own side is varied is solid; the other one is dashed, and flat if patterns are independent.

    Args:
        setting: such as "prevalence"; `found` has studies named "prevalence_m" and "prevalence_c", each with "values"
            and "cells", whose "half_times" are lists over initializations, by side.
    """

    def draw(ax: Axes, found: dict) -> None:
        for side in COLORS:
            study = found.get(f"{setting}_{side}", {"values": [], "cells": []})
            for pattern, color in COLORS.items() if study["values"] else ():
                values = np.array(study["values"], float)
                times = np.array([cell["half_times"][pattern] for cell in study["cells"]], float)
                known = np.isfinite(times).all(1)
                logs = np.log(times[known])
                mean, reach = logs.mean(1), np.array([float(half_interval(row)) for row in logs])
                bars = [np.exp(mean) - np.exp(mean - reach), np.exp(mean + reach) - np.exp(mean)]
                style = "o-" if pattern == side else "s--"
                label = f"{pattern}, {setting} of {side}"
                ax.errorbar(values[known], np.exp(mean), bars, fmt=style, color=color, capsize=3, label=label)
        ax.set(xlabel=f"{setting} of one side", ylabel="half-time [steps]", yscale="log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("{x:g}")
        ax.legend(title="pattern, varied", loc="center left", bbox_to_anchor=(1.0, 0.5))

    return draw
