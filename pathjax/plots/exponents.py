"""Figures of growth rates: Lyapunov exponents, their spectra, and rates by separation."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from pathjax.analysis.exponents import ExponentCurve
from pathjax.analysis.finite_size import FiniteSizeCurve


def exponent(ax: Axes, curve: ExponentCurve) -> None:
    """Draws the exponent in windows, and its running mean with a band of two standard errors."""
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.stairs(curve.local, np.concatenate([[0], curve.steps]), baseline=None, color="0.6", label="in windows")
    ax.fill_between(curve.steps, curve.mean - 2 * curve.stderr, curve.mean + 2 * curve.stderr, alpha=0.25, color="C0")
    ax.plot(curve.steps, curve.mean, color="C0", linewidth=1.8, label="mean since step 0, ± 2 standard errors")
    ax.set(xlabel="step", ylabel=r"largest exponent $\lambda_1$  [nats / step]")
    ax.legend()


def spectrum(ax: Axes, spectra: dict[str, dict]) -> None:
    """Draws the exponents of each named spectrum in order, with two standard errors.

    Args:
        spectra: {label: {"exponents": float[k], "stderr": float[k]}}; a spectrum with "dense" in its label is drawn as
            dots on top.
    """
    ax.axhline(0, color="0.6", linewidth=0.8)
    for i, (label, one) in enumerate(spectra.items()):
        numbers = np.arange(1, len(one["exponents"]) + 1)
        if "dense" in label:  # an independent computation of the same spectrum
            ax.plot(numbers, one["exponents"], "k.", markersize=2.5, label=label, zorder=3)
            continue
        few = len(numbers) <= 30
        style: dict[str, Any] = {"color": f"C{i}", "linewidth": 1.0, "marker": "o", "markersize": 4}
        style |= {"linestyle": "-", "capsize": 3} if few else {"linestyle": "none", "elinewidth": 0.8}
        ax.errorbar(numbers, one["exponents"], 2 * np.nan_to_num(one["stderr"]), label=label, **style)
    if len(numbers) > 30:  # a complete spectrum spans decades
        ax.set_yscale("symlog", linthresh=10.0 ** np.ceil(np.log10(max(abs(one["exponents"][0]), 1e-6))))
    ax.set(xlabel="index of the exponent", ylabel=r"$\lambda_i$  [nats / step]")
    ax.legend()


def exponents_over_time(ax: Axes, ends: np.ndarray, exponents: np.ndarray) -> None:
    """Draws exponents [window, k] in the windows that end at `ends`[1:] as steps, one color per exponent."""
    ax.axhline(0, color="0.6", linewidth=0.8)
    k = exponents.shape[1]
    colors = colormaps["viridis"](np.linspace(0.05, 0.85, k))
    for i in range(k):
        label = f"$\\lambda_{{{i + 1}}}$" if k <= 10 or i in (0, k - 1) else None
        ax.stairs(exponents[:, i], ends, baseline=None, color=colors[i], linewidth=1.3, label=label)
    ax.set(xlabel="step", ylabel=r"$\lambda_i$ in the window  [nats / step]")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def finite_size(ax: Axes, curve: FiniteSizeCurve) -> None:
    """Draws growth rates of members by separation, with two standard errors, and of their tangents."""
    ax.axhline(0, color="0.6", linewidth=0.8)
    if len(curve.size):
        ax.set_xscale("log")
        bar: dict[str, Any] = {"color": "C0", "fmt": "o", "markersize": 5, "capsize": 3}
        ax.errorbar(
            curve.size, curve.rate, 2 * np.nan_to_num(curve.stderr), label="members, ± 2 standard errors", **bar
        )
        dash: dict[str, Any] = {"color": "black", "linestyle": "none", "marker": "_", "markersize": 16}
        ax.plot(curve.size, curve.tangent, label="their tangents, over the same steps", **dash)
        if len(curve.size) == 1:  # the automatic limits of one point have no width
            ax.set_xlim(curve.size[0] / 2, curve.size[0] * 2)
        ax.legend()
    ax.set(xlabel="separation, $|w-w_0|$", ylabel="growth rate  [nats / step]")
