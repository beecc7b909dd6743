"""Figures of networks that memorize first and generalize later."""

import numpy as np
from matplotlib.axes import Axes


def curves(ax: Axes, found: dict) -> None:
    """Draws the accuracy of each initialization's baseline on the training set, dashed, and on the test set.

    Args:
        found: "cells", each with "steps" and "baseline" of "train" and "test".
    """
    for i, cell in enumerate(found["cells"]):
        for name, style in (("train", "--"), ("test", "-")):
            ax.plot(cell["steps"], cell["baseline"][name], style, color=f"C{i % 10}", linewidth=1.2)
    for label, style in (("training set", "--"), ("test set", "-")):
        ax.plot([], [], style, color="black", label=label)
    ax.set(xlabel="step", ylabel="accuracy", ylim=(0, 1.02))
    ax.legend(loc="lower right")


def onsets(ax: Axes, found: dict) -> None:
    """Draws for each member the step at which it knows half of the test set, by epsilon, a color per initialization.

    Args:
        found: "cells", each with "role", "epsilon" and "times" of "test".
    """
    first = found["cells"][0]
    epsilons = sorted({e for e in first["epsilon"] if e > 0})
    places = {"baseline": 0, "roundoff": 1} | {e: 2 + i for i, e in enumerate(epsilons)}
    for i, cell in enumerate(found["cells"]):
        each = zip(cell["role"], cell["epsilon"], cell["times"]["test"], strict=True)
        points = [(places[e if role == "perturbed" else role], t) for role, e, t in each if role != "replica"]
        x, y = np.array(points, float).T
        ax.plot(x + 0.08 * (i - (len(found["cells"]) - 1) / 2), y, "o", color=f"C{i % 10}", markersize=4)
    labels = ["baseline", "one rounding\nerror", *(f"$\\varepsilon$ = {e:g}" for e in epsilons)]
    ax.set_xticks(range(len(labels)), labels)
    ax.set(ylabel="step at which half of the test set is known")
