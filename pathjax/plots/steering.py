"""How rarely plain runs end as far towards a nudged outcome as nudged runs do."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

PLAIN, NUDGED = "#4d4d4d", "#c51b7d"


def prices(ax: Axes, found: dict[str, Any]) -> None:
    """Draws a panel for each nudge and data set: histograms of plain and nudged runs along the nudge's direction.

    Args:
        ax: the axes, whose figure is enlarged.
        found: by "data | nudge" an outcome with "price" and "histograms": "edges", "counts" of plain and nudged runs,
            and the "threshold", all in standard deviations of plain runs.
    """
    figure = ax.figure
    columns = 2 if len(found) > 1 else 1
    rows = -(-len(found) // columns)
    figure.set_size_inches(9.5, 1.75 * rows + 0.9)  # type: ignore[union-attr]
    figure.suptitle("How rarely do plain runs end where nudged runs do?", fontweight="bold")  # type: ignore[union-attr]
    ax.axis("off")
    grid = figure.add_gridspec(rows, columns)
    for i, (name, outcome) in enumerate(found.items()):
        panel = figure.add_subplot(grid[i % rows, i // rows])
        drawn = outcome["histograms"]
        labels = ("without the nudge", "with it")
        for counts, color, label in zip(drawn["counts"], (PLAIN, NUDGED), labels, strict=True):
            edges = np.array(drawn["edges"])
            panel.stairs(np.array(counts) / max(sum(counts), 1), edges, color=color, fill=True, alpha=0.45, label=label)
        panel.axvline(drawn["threshold"], color="black", linewidth=1, linestyle="--")
        panel.set_title(f"{name.replace(' | ', ', ')}: {_price(outcome['price'])}", fontsize=9.5)
        panel.set(yticks=[])
        panel.set_xlabel("towards the nudged outcome [sd of plain runs]" if i % rows == rows - 1 else "")
        if i == 0:
            panel.legend(fontsize=8)


def _price(price: dict) -> str:
    if price["is_bound"]:
        return f"more than {price['bits']:.0f} bits"
    return f"{price['bits']:.1f} [{price['low']:.1f}, {price['high']:.1f}] bits"
