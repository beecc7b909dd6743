"""What remains of nudges against their onset."""

import math
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

COLUMNS = 3
LEGEND_ROOM = 3  # factor by which panels extend below the lowest value, for the legend


def remains(ax: Axes, found: dict[str, Any]) -> None:
    """Draws a panel for each kind: what remains against the onset, for each strength and duration.

    Args:
        ax: the axes, whose figure is enlarged.
        found: "kinds", outcomes by kind with "rested" float[strength, duration, onset, init] and "seeds"; "onsets",
            "durations", "strengths" by kind, and "rest", the steps after a nudge.
    """
    figure = ax.figure
    kinds, onsets = found["kinds"], np.array(found["onsets"])
    rows = math.ceil(len(kinds) / COLUMNS)
    figure.set_size_inches(10.5, 2.6 * rows + 1)  # type: ignore[union-attr]
    figure.suptitle(  # type: ignore[union-attr]
        f"What remains {found['rest']} steps after a nudge ({found['data']})", fontweight="bold"
    )
    ax.axis("off")
    grid = figure.add_gridspec(rows, min(COLUMNS, len(kinds)))
    first = None
    for i, (kind, outcome) in enumerate(kinds.items()):
        panel = figure.add_subplot(grid[i // COLUMNS, i % COLUMNS], sharey=first, sharex=first)
        first = first or panel
        _panel(panel, kind, outcome, onsets, found)
        panel.set_xlabel("onset [step]" if i + COLUMNS >= len(kinds) else "")
        panel.set_ylabel("JS distance" if i % COLUMNS == 0 else "")
    if first is not None:
        first.set_ylim(bottom=first.get_ylim()[0] / LEGEND_ROOM)
    handles = [
        Line2D([], [], color="0.3", linestyle=style, label=f"{duration} steps") for duration, style in _styles(found)
    ]
    handles.append(Line2D([], [], color="black", linestyle="--", linewidth=1, label="other initializations at the end"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))  # type: ignore[union-attr]


def _styles(found: dict) -> list[tuple[int, Any]]:
    return list(zip(found["durations"], (":", "-"), strict=True))


def _panel(panel: Axes, kind: str, outcome: dict, onsets: np.ndarray, found: dict) -> None:
    rested = np.array(outcome["rested"], float)
    for s, strength in enumerate(found["strengths"][kind]):
        color = colormaps["viridis"](0.1 + 0.4 * s)
        for d, (_, style) in enumerate(_styles(found)):
            values = rested[s, d]
            mean, error = values.mean(-1), values.std(-1, ddof=1) / values.shape[-1] ** 0.5
            label = f"{strength:g}" if style == "-" else None
            panel.errorbar(onsets, mean, 2 * error, color=color, linestyle=style, marker=".", markersize=4, label=label)
    panel.axhline(outcome["seeds"][0], color="black", linestyle="--", linewidth=1)
    panel.set_xscale("symlog", linthresh=20)
    panel.set(yscale="log", title=kind)
    panel.set_xticks([0, 20, 100, 400], ["0", "20", "100", "400"])
    panel.legend(title="strength", fontsize=7, title_fontsize=7, ncols=3, loc="lower center")
