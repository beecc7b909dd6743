"""Figures of growth rates: Lyapunov exponents, their spectra, and rates by separation."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes

from pathjax.analysis.derived_records import (
    exponent_records,
    exponents_in_windows,
    finite_size_records,
    spectrum_records,
)
from pathjax.core.errors import require
from pathjax.plots.variables import take

SPECTRA = {
    "log_growth": "weights",
    "function_log_growth": "function",
    "dense_log_growth": "weights, dense Jacobians",
}


def exponent(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the largest exponent in windows, and its running mean with a band of two standard errors.

    Args:
        trajectory: `log_growth` (step, tangent), of two records or more.
    """
    _check_growth(trajectory, "log_growth")
    curve = exponent_records(trajectory)
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.stairs(curve.local, np.concatenate([[0], curve.steps]), baseline=None, color="0.6", label="in windows")
    ax.fill_between(curve.steps, curve.mean - 2 * curve.stderr, curve.mean + 2 * curve.stderr, alpha=0.25, color="C0")
    ax.plot(curve.steps, curve.mean, color="C0", linewidth=1.8, label="mean since step 0, ± 2 standard errors")
    ax.set(xlabel="step", ylabel=r"largest exponent $\lambda_1$  [nats / step]")
    ax.legend()


def spectrum(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the exponents of a whole run in order, with two standard errors.

    Args:
        trajectory: `log_growth` (step, tangent); beside it, if they were recorded, `function_log_growth` and, as dots
            on top, `dense_log_growth`.
    """
    ax.axhline(0, color="0.6", linewidth=0.8)
    names = [name for name in SPECTRA if name in trajectory] or ["log_growth"]
    for i, name in enumerate(names):
        _check_growth(trajectory, name)
        values, stderr = spectrum_records(trajectory, name)
        numbers = np.arange(1, len(values) + 1)
        if name == "dense_log_growth":  # an independent computation of the same spectrum
            ax.plot(numbers, values, "k.", markersize=2.5, label=SPECTRA[name], zorder=3)
            continue
        few = len(numbers) <= 30
        style: dict[str, Any] = {"color": f"C{i}", "linewidth": 1.0, "marker": "o", "markersize": 4}
        style |= {"linestyle": "-", "capsize": 3} if few else {"linestyle": "none", "elinewidth": 0.8}
        ax.errorbar(numbers, values, 2 * np.nan_to_num(stderr), label=SPECTRA[name], **style)
    if len(numbers) > 30:  # a complete spectrum spans decades
        ax.set_yscale("symlog", linthresh=10.0 ** np.ceil(np.log10(max(abs(values[0]), 1e-6))))
    ax.set(xlabel="index of the exponent", ylabel=r"$\lambda_i$  [nats / step]")
    ax.legend()


def exponents_over_time(ax: Axes, trajectory: xr.Dataset, name: str = "log_growth") -> None:
    """Draws the exponents in windows against step, one color per exponent.

    Args:
        trajectory: `name` (step, tangent), of two records or more.
        name: of the log-growth.
    """
    _check_growth(trajectory, name)
    ends, exponents = exponents_in_windows(trajectory, name)
    ax.axhline(0, color="0.6", linewidth=0.8)
    k = exponents.shape[1]
    colors = colormaps["viridis"](np.linspace(0.05, 0.85, k))
    for i in range(k):
        label = f"$\\lambda_{{{i + 1}}}$" if k <= 10 or i in (0, k - 1) else None
        ax.stairs(exponents[:, i], ends, baseline=None, color=colors[i], linewidth=1.3, label=label)
    ax.set(xlabel="step", ylabel=r"$\lambda_i$ in the window  [nats / step]")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _check_growth(trajectory: xr.Dataset, name: str) -> None:
    values = take(trajectory, name)
    take(trajectory, name, str(values.dims[-1]))  # no other dimension
    require(len(values) > 1, f"'{name}' has one record, and growth takes two: record it more often, or run longer")


def finite_size(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws growth rates of members by separation, with two standard errors, and of their tangents.

    Args:
        trajectory: `distance` (step, member) and `tangent_norm` (step, direction); members have `epsilon` and `seed`.
    """
    take(trajectory, "distance", "member")
    take(trajectory, "tangent_norm", "direction")
    curve = finite_size_records(trajectory)
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
    ax.set(xlabel="separation, $|w-w_0|$  [weight]", ylabel="growth rate  [nats / step]")
