"""Figures of a pattern that appears after another was learned."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes


def _lines(ax: Axes, found: dict, name: str) -> None:
    """Draws the mean over initializations of a quantity against the steps since c is shown, a line for each arm."""
    arms = [arm for arm in found["arms"] if arm != "m alone"]
    colors = colormaps["viridis"](np.linspace(0.0, 0.9, max(len(arms) - 1, 1)))
    shades = iter(colors)
    for arm in arms:
        out = found["arms"][arm]
        delay = int(arm.removeprefix("c after ")) if arm.startswith("c after") else 0
        since = np.array(out["steps"]) - delay
        style = {"color": "black", "linestyle": "--"} if arm == "c alone" else {"color": next(shades)}
        values = np.array(out["curves"][name])[:, since > 0]
        ax.plot(since[since > 0], values.mean(0), label=arm, linewidth=1.6, **style)
    ax.set(xscale="log", xlabel="steps since c is shown")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def learning(ax: Axes, found: dict) -> None:
    """Draws the accuracy on c alone against the steps since it is shown.

    Args:
        found: "arms", each with "steps" and "curves" of "c_accuracy", lists [init][step].
    """
    _lines(ax, found, "c_accuracy")
    ax.set(ylabel="accuracy on one-sided c", ylim=(0, 1.02))


def gradient(ax: Axes, found: dict) -> None:
    """Draws the gradient by which c would be learned against the steps since it is shown.

    Args:
        found: "arms", each with "steps" and "curves" of "c_gradient", lists [init][step].
    """
    _lines(ax, found, "c_gradient")
    ax.set(ylabel="norm of the gradient for c", yscale="log")
