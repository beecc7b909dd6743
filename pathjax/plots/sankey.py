"""The Sankey picture of dominoes: which images go where."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

COLORS = {"m": "C0", "c": "C1", "both": "C2", "rejected": "0.75", "empty": "0.9"}
BAR = 0.05  # width of the bars, of the picture's


def dominoes(ax: Axes, counts: Mapping[str, int], names: Mapping[str, str]) -> None:
    """Draws how the images of two sets flow into one-sided, two-sided and empty dominoes, or are rejected.

    Heights are proportional to numbers of images on the left, and to numbers of dominoes on the right; a two-sided
    domino takes one image of each set.

    Args:
        counts: as `pathjax.data.domino_counts.Counts._asdict()`.
        names: of the sets, by "m" and "c".
    """
    both, only_m, only_c, empty = (counts[name] for name in ("both", "only_m", "only_c", "empty"))
    num = {side: both + counts[f"only_{side}"] + counts[f"rejected_{side}"] for side in "mc"}
    gap = 0.06 * max(sum(num.values()), 1)
    top_m, top_c = 0.0, num["m"] + 2 * gap
    # Right: rejected m, only m, both, only c, rejected c, from top to bottom, and empty dominoes last.
    heights = [counts["rejected_m"], only_m, both, only_c, counts["rejected_c"], empty]
    offset = (top_c + num["c"] - sum(heights) - 5 * gap) / 2
    tops = offset + np.cumsum([0, *(height + gap for height in heights[:-1])])
    flows = [
        (top_m, tops[0], heights[0], COLORS["rejected"]),
        (top_m + heights[0], tops[1], only_m, COLORS["m"]),
        (top_m + heights[0] + only_m, tops[2], both, COLORS["both"]),
        (top_c, tops[2], both, COLORS["both"]),
        (top_c + both, tops[3], only_c, COLORS["c"]),
        (top_c + both + only_c, tops[4], heights[4], COLORS["rejected"]),
    ]
    for start, end, height, color in flows:
        _ribbon(ax, start, end, height, color)
    for side, top in (("m", top_m), ("c", top_c)):
        ax.add_patch(Rectangle((0, top), BAR, num[side], color=COLORS[side]))
        ax.text(-0.02, top + num[side] / 2, f"{names[side]}\n{num[side]:,}", ha="right", va="center")
    labels = ("rejected", f"only {names['m']}", "both", f"only {names['c']}", "rejected", "empty")
    colors = [COLORS[name] for name in ("rejected", "m", "both", "c", "rejected", "empty")]
    for label, top, height, color in zip(labels, tops, heights, colors, strict=True):
        if height:
            ax.add_patch(Rectangle((1 - BAR, top), BAR, height, color=color))
            ax.text(1.02, top + height / 2, f"{label}: {height:,}", ha="left", va="center")
    bottom = max(top_c + num["c"], tops[-1] + empty)
    ax.set(xlim=(-0.3, 1.4), ylim=(bottom + gap, min(0, offset) - gap))
    ax.axis("off")


def _ribbon(ax: Axes, start: float, end: float, height: float, color: str) -> None:
    """Draws a band of constant height from the left bar to the right one."""
    if not height:
        return
    left, right, middle = BAR, 1 - BAR, 0.5
    points = [
        *((left, start), (middle, start), (middle, end), (right, end)),
        *((right, end + height), (middle, end + height), (middle, start + height), (left, start + height)),
        (left, start),
    ]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    ax.add_patch(PathPatch(Path(points, codes), color=color, alpha=0.45, linewidth=0))
