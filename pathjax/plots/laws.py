"""Figures of growth laws: the mean curve and its law, and what the law leaves."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from scipy import stats

from pathjax.analysis.growth_laws import LAWS, predict
from pathjax.analysis.law_fits import curves_of, fit_laws
from pathjax.plots.style import logarithmic


def _each(trajectory: xr.Dataset) -> Iterator[tuple]:
    """Yields, for each epsilon, its color, the prepared curves, and the law with the least deviance."""
    epsilons = np.unique(trajectory.epsilon.values[trajectory.role.values == "perturbed"])
    for epsilon, color in zip(epsilons, colormaps["viridis"](np.linspace(0.05, 0.85, len(epsilons))), strict=True):
        own = trajectory.distance.isel(member=trajectory.epsilon.values == epsilon)
        curves = curves_of(trajectory.step.values, own.transpose("init", "member", "step").values)
        fits = fit_laws(curves, list(LAWS.values()))
        best = min(fits.values(), key=lambda fit: fit.deviance + 5 * len(fit.scaled))
        yield epsilon, color, curves, best


def _half_interval(logs: np.ndarray) -> np.ndarray:
    """Half the 95% interval of the mean over units."""
    return stats.t.ppf(0.975, len(logs) - 1) * logs.std(axis=0, ddof=1) / np.sqrt(len(logs))


def fitted(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws growth against step, with intervals, and the best law of each epsilon.

    Args:
        trajectory: `distance` (step, init, member); members have `role` and `epsilon`.
    """
    for epsilon, color, curves, best in _each(trajectory):
        steps, logs = curves.t * curves.duration, curves.logs - np.log(curves.d0)
        mean, reach = logs.mean(0), _half_interval(logs)
        bars = [np.exp(mean) - np.exp(mean - reach), np.exp(mean + reach) - np.exp(mean)]
        style = {"fmt": ".", "color": color, "markersize": 4, "elinewidth": 0.8}
        ax.errorbar(steps, np.exp(mean), bars, **style, label=f"{epsilon:g}: {best.law.name}")
        t = np.geomspace(curves.t[0], 1, 200)
        ax.plot(
            t * curves.duration, predict(best.law, t, curves.d0, best.scaled) / curves.d0, color=color, linewidth=1.2
        )
    logarithmic(ax, "x", "y")
    ax.set(xlabel="step", ylabel="growth of the distance, $d(t)/d(0)$")
    ax.legend(title="epsilon: law", fontsize="small")


def residuals(ax: Axes, trajectory: xr.Dataset) -> None:
    """Draws the residuals of the best law of each epsilon, and the 95% interval of the mean over initializations.

    Args:
        trajectory: see `fitted`.
    """
    for epsilon, color, curves, best in _each(trajectory):
        steps, mean, reach = curves.t * curves.duration, curves.logs.mean(0), _half_interval(curves.logs)
        left = mean - np.log(predict(best.law, curves.t, curves.d0, best.scaled))
        ax.plot(steps, left, color=color, marker=".", label=f"{epsilon:g}")
        ax.fill_between(steps, left - reach, left + reach, color=color, alpha=0.15, linewidth=0)
    ax.axhline(0, color="black", linewidth=0.8)
    logarithmic(ax, "x")
    ax.set(xlabel="step", ylabel="$\\log d$ of the data less that of the law")
    ax.legend(title="epsilon")
