"""Pictures of a data set's images."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes


def examples(ax: Axes, images: np.ndarray, labels: Sequence[str], gap: int = 2) -> None:
    """Draws images beside one another, with a label below each.

    Args:
        images: float (n, height, width, channels); one channel is drawn gray, three as colors.
        labels: n texts.
        gap: pixels between images.
    """
    num, height, width, channels = images.shape
    canvas = np.ones((height, num * (width + gap) - gap, channels))
    for i, image in enumerate(np.clip(images, 0, 1)):
        canvas[:, i * (width + gap) : i * (width + gap) + width] = image
        ax.text(i * (width + gap) + (width - 1) / 2, height + 0.5, labels[i], ha="center", va="top")
    ax.imshow(canvas if channels == 3 else canvas[..., 0], cmap="gray", vmin=0, vmax=1)
    ax.axis("off")
