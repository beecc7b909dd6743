"""Mean energies against the inverse temperature, with the learning coefficients to which they tend."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes


def ladders(ax: Axes, found: dict[str, Any]) -> None:
    """Draws a panel for each model with a known coefficient, and one for networks along training.

    Args:
        ax: the axes, whose figure is enlarged.
        found: "cells", each with "name" and "values", "low" and "high"; with "known", "fit" and "temperatures", or with
            "steps" of training.
    """
    figure = ax.figure
    cells = found["cells"]
    columns = min(3, max(len(cells), 1))
    rows = max(-(-len(cells) // columns), 1)
    figure.set_size_inches(3.5 * columns, 2.6 * rows)  # type: ignore[union-attr]
    ax.axis("off")
    grid = figure.add_gridspec(rows, columns)
    for i, cell in enumerate(cells):
        panel = figure.add_subplot(grid[i // columns, i % columns])
        (_along_training if "steps" in cell else _ladder)(panel, cell)


def _ladder(panel: Axes, cell: dict) -> None:
    t = np.array(cell["temperatures"], float)
    values, low, high = (np.array(cell[name], float)[0] for name in ("values", "low", "high"))
    panel.errorbar(t, values, [values - low, high - values], fmt="o", color="#08519c", markersize=4, capsize=2)
    fit, known = cell["fit"], cell["known"]["coefficient"]
    panel.axhline(known, color="black", linestyle="--", linewidth=1, label=f"known: {known:.3g}")
    panel.axhspan(fit["low"], fit["high"], color="#c51b7d", alpha=0.25, label=f"estimate: {fit['value']:.3g}")
    panel.set(xscale="log", title=cell["name"], xlabel="inverse temperature t")
    panel.set_ylabel("t (mean loss − minimum)")
    panel.legend(fontsize=8, loc="lower right")


def _along_training(panel: Axes, cell: dict) -> None:
    steps = np.array(cell["steps"], float)
    values, low, high = (np.array(cell[name], float) for name in ("values", "low", "high"))
    shown = (values > 0).all(1)
    steps, values, low, high = steps[shown], values[shown], low[shown], high[shown]
    for i in range(values.shape[1]):
        reach = [values[:, i] - low[:, i], high[:, i] - values[:, i]]
        color = colormaps["viridis"](0.1 + 0.8 * i / max(values.shape[1] - 1, 1))
        panel.errorbar(steps, values[:, i], reach, fmt="o-", color=color, markersize=4, capsize=2, linewidth=1)
    panel.set(xscale="log", title="digits, each network", ylabel="learning coefficient")
    panel.set_xlabel("step of training, where values are positive")
