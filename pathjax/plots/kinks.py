"""Figures of kinks: distances predicted and measured."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from pathjax.plots.style import logarithmic


def predicted_and_measured(ax: Axes, found: dict) -> None:
    """Draws measured against predicted growth of each network at each epsilon, with the spread of initializations.

    Args:
        found: by network, {"epsilons": [{"epsilon", "start", "measured", "predicted"}]}, the latter float[init].
    """
    epsilons = sorted({one["epsilon"] for outcome in found.values() for one in outcome["epsilons"]})
    colors = dict(zip(epsilons, colormaps["viridis"](np.linspace(0.05, 0.9, len(epsilons))), strict=True))
    markers = dict(zip(found, "osD^v<>Ph*X", strict=False))
    for network, outcome in found.items():
        for one in outcome["epsilons"]:
            start, measured, predicted = (np.array(one[name]) for name in ("start", "measured", "predicted"))
            growth, middle = measured / start, np.median(predicted / start)
            low, center, high = np.quantile(growth, [0.16, 0.5, 0.84])
            style = {"color": colors[one["epsilon"]], "marker": markers.get(network, "o"), "markersize": 6}
            ax.errorbar(middle, center, [[center - low], [high - center]], elinewidth=0.8, **style)
    ends = np.array(ax.get_xlim())
    ends = np.array([1.0, max(ends.max(), ax.get_ylim()[1])])
    ax.plot(ends, ends, color="black", linewidth=1)
    ax.fill_between(ends, ends / 1.5, ends * 1.5, color="black", alpha=0.08, linewidth=0)
    for epsilon, color in colors.items():
        ax.plot([], [], "s", color=color, label=f"$\\varepsilon$ = {epsilon:g}")
    for network, marker in markers.items():
        ax.plot([], [], marker, color="gray", label=network)
    logarithmic(ax, "x", "y")
    ax.set(xlabel="growth predicted from other initializations", ylabel="growth measured, $d(T)/d(0)$")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
