"""Figures of weights that move from a common start: norms, displacements, and perturbations on and off the sphere."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from pathjax.analysis.statistics import half_interval
from pathjax.plots.style import logarithmic


def norms(ax: Axes, found: dict) -> None:
    """Draws |w(t)| / |w(0)|, a line for each initialization, a color for each network.

    Args:
        found: by network, {"steps": float[time], "norms": float[init, time]}.
    """
    for (network, outcome), color in zip(found.items(), _colors(found), strict=True):
        lines = ax.plot(outcome["steps"], np.transpose(outcome["norms"]), color=color, linewidth=0.8)
        lines[0].set_label(network)
    ax.axhline(1, color="black", linewidth=0.8, linestyle=":")
    ax.set(xlabel="step", ylabel="norm of the weights, $|w(t)| / |w(0)|$")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def displacements(ax: Axes, found: dict) -> None:
    """Draws the squared displacement from the start, relative to |w(0)|^2, and the slope of Brownian motion.

    Args:
        found: by network, {"steps": float[time], "moved": float[init, time], squared, "start": float[1, init]}.
    """
    least = np.inf
    for (network, outcome), color in zip(found.items(), _colors(found), strict=True):
        steps, relative = np.array(outcome["steps"])[1:], np.transpose(outcome["moved"]) / np.square(outcome["start"])
        lines = ax.plot(steps, relative[1:], color=color, linewidth=0.8)
        lines[0].set_label(network)
        least = min(least, relative[1:].min())
    ax.plot(steps, least * steps / steps[0], color="black", linewidth=0.8, linestyle=":", label="Brownian motion, $t$")
    ax.axhline(2, color="black", linewidth=0.8, linestyle="--", label="plateau on a sphere")
    logarithmic(ax, "x", "y")
    ax.set(xlabel="step", ylabel="$|w(t) - w(0)|^2 / |w(0)|^2$")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def thickness(ax: Axes, found: dict) -> None:
    """Draws the growth of Gaussian perturbations over that of those along the sphere, with 95% intervals.

    Args:
        found: by network, {"epsilons": float[epsilon], "gaussian" and "sphere": growth, float[init, epsilon]}.
    """
    for i, ((network, outcome), color) in enumerate(zip(found.items(), _colors(found), strict=True)):
        logs = np.log(np.array(outcome["gaussian"]) / np.array(outcome["sphere"]))
        mean, reach = logs.mean(0), half_interval(logs)
        bars = [np.exp(mean) - np.exp(mean - reach), np.exp(mean + reach) - np.exp(mean)]
        beside = np.array(outcome["epsilons"]) * 1.06 ** (i - len(found) / 2)
        ax.errorbar(beside, np.exp(mean), bars, fmt="o", color=color, markersize=4, elinewidth=1, label=network)
    ax.axhline(1, color="black", linewidth=0.8)
    logarithmic(ax, "x")
    ax.set(xlabel="epsilon, $d(0)/|w|$ of each tensor", ylabel="growth: Gaussian / along the sphere")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def _colors(found: dict) -> np.ndarray:
    return colormaps["viridis"](np.linspace(0.05, 0.9, len(found)))
