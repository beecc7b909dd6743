"""Figures of growth by the size of a perturbation and the half-width of the activation's bend."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from pathjax.plots.style import logarithmic

OFF = 1.1  # a growth that differs by this factor from the tangent's


def phases(ax: Axes, found: dict) -> None:
    """Draws growth over epsilon and beta: where tangents hold, and where kinks take over.

    Args:
        found: `betas`, `epsilons`, `growth` (init, beta, epsilon), `tangent` (init, beta), `stars` (init, beta), the
            size at which growth departs from the tangent's; `label`, what beta is.
    """
    growth = np.median(found["growth"], axis=0)
    norm = LogNorm(1, growth.max())
    mesh = ax.pcolormesh(found["epsilons"], found["betas"], growth, norm=norm, cmap="viridis", shading="nearest")
    ax.figure.colorbar(mesh, ax=ax, label="growth, $d(T)/d(0)$")
    off = np.abs(np.log(growth / np.median(found["tangent"], axis=0)[:, None])) > np.log(OFF)
    rows, columns = np.nonzero(off)
    style: dict = {"color": "white", "linestyle": ""}
    ax.plot(found["epsilons"][columns], found["betas"][rows], "x", markersize=4, label="10% off the tangent", **style)
    for i, star in enumerate(found["stars"]):
        label = "from where on, by initialization" if i == 0 else None
        ax.plot(star, found["betas"], "o", markeredgecolor="black", markersize=5, label=label, **style)
    logarithmic(ax, "x", "y")
    ax.set(xlabel="epsilon, $d(0)/|w|$", ylabel=found["label"])
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=True, facecolor="0.3", labelcolor="white"
    )


def collapse(ax: Axes, found: dict) -> None:
    """Draws growth relative to the tangent's against epsilon / beta, one color per beta: medians over initializations.

    Args:
        found: see `phases`.
    """
    _relative(ax, found, 1 / found["betas"], "$\\varepsilon / \\beta$")


def grown(ax: Axes, found: dict) -> None:
    """Draws the same against epsilon times the tangent's growth, over beta: the separation at the end that it predicts.

    Args:
        found: see `collapse`.
    """
    _relative(
        ax,
        found,
        np.median(found["tangent"], axis=0) / found["betas"],
        "$\\varepsilon g / \\beta$, $g$ the tangent's growth",
    )


def _relative(ax: Axes, found: dict, factors: np.ndarray, label: str) -> None:
    relative = np.median(found["growth"] / found["tangent"][:, :, None], axis=0)
    colors = colormaps["viridis"](np.linspace(0.05, 0.9, len(found["betas"])))
    for beta, factor, row, color in zip(found["betas"], factors, relative, colors, strict=True):
        ax.plot(found["epsilons"] * factor, row, color=color, marker=".", label=f"{beta:.2g}")
    ax.axhline(1, color="black", linewidth=0.8)
    logarithmic(ax, "x", "y")
    ax.set(xlabel=label, ylabel="growth relative to the tangent's")
    ax.legend(title="$\\beta$", fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
