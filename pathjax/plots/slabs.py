"""The figure of which inputs of slab data a network uses."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

STYLES = {"test": "-", "s_randomized": "--", "complement_randomized": ":"}


def over_training(ax: Axes, found: dict) -> None:
    """Draws areas under the ROC curve against step, means over initializations, a color for each data set and network.

    Args:
        found: by name: "steps", and "records" with lists [init][record] of "test_auc", "s_randomized_auc" and
            "complement_randomized_auc".
    """
    for i, (name, out) in enumerate(found.items()):
        for probe, style in STYLES.items():
            values = np.array(out["records"][f"{probe}_auc"]).mean(0)
            ax.plot(
                out["steps"],
                values,
                style,
                color=colormaps["tab20"](i % 20),
                linewidth=1.4,
                label=name if probe == "test" else None,
            )
    for probe, style in STYLES.items():
        label = {"s_randomized": "S randomized", "complement_randomized": "complement randomized"}.get(
            probe, "test set"
        )
        ax.plot([], [], style, color="black", label=label)
    ax.set(xlabel="step", ylabel="area under the ROC curve", ylim=(0.45, 1.02))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
