"""The figure of how simple patterns are."""

import numpy as np
from matplotlib.axes import Axes


def ends_by_width(ax: Axes, found: dict) -> None:
    """Draws the final accuracy against the width, one color per side: a point per initialization, and their mean.

    Args:
        found: by the name of the side, then the width: outcomes with "ends", a list over initializations.
    """
    for i, (name, by_width) in enumerate(found.items()):
        widths = sorted(by_width)
        ends = [np.array(by_width[width]["ends"]) for width in widths]
        for width, own in zip(widths, ends, strict=True):
            ax.plot(np.full(len(own), width), own, ".", color=f"C{i}", markersize=4, alpha=0.6)
        ax.plot(widths, [own.mean() for own in ends], color=f"C{i}", linewidth=1.8, label=name)
    ax.set(xscale="log", xlabel="hidden units", ylabel="accuracy at the end", ylim=(0, 1.02))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(loc="lower right")
