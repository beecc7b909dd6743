"""Holds the pattern-learning model against measured curves: logistic growth, independence, and which side decides."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from pathjax.analysis.curve_fits import LOGISTIC, CurveFit, fit_logistic
from pathjax.analysis.statistics import half_interval
from pathjax.experiments.dominoes.half_times import SIDES, curve
from pathjax.theory.pattern_learning import deciding

PREFERENCES = {"m preferred": (1, 0), "none preferred": (0, 0), "c preferred": (0, 1)}


class Comparison(NamedTuple):
    """A curve that the model predicts from others, and the measured one, means over initializations.

    Attributes:
        steps: float[time].
        measured, predicted: float[time].
        reach: float[time], half the 95% interval of the mean difference over initializations.
        rms: root mean square of the mean difference over time.
        largest: the mean difference that is farthest from 0.
        at_step: its step.
        reach_there: half its 95% interval.
    """

    steps: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    reach: np.ndarray
    rms: float
    largest: float
    at_step: float
    reach_there: float


def compare(steps: np.ndarray, measured: np.ndarray, predicted: np.ndarray) -> Comparison:
    """Compares curves float[init, time].

    >>> compare(np.arange(3), np.zeros((2, 3)), np.array([[0, 0.1, 0.2]] * 2)).largest
    -0.2
    """
    apart = measured - predicted
    mean, reach = apart.mean(0), np.asarray(half_interval(apart))
    at = int(np.abs(mean).argmax())
    ends = float(np.sqrt((mean**2).mean())), float(mean[at]), float(steps[at]), float(reach[at])
    return Comparison(steps, measured.mean(0), predicted.mean(0), reach, *ends)


def known_shares(trajectory: xr.Dataset, chance: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps, and p(t) of the baselines, float[init, time, side]: accuracies on one-sided dominoes without
    those of guessing, (accuracy - chance) / (1 - chance), at least 0."""
    steps, _ = curve(trajectory, "m_accuracy")
    each = [curve(trajectory, f"{side}_accuracy")[1][:, 0] for side in SIDES]
    return steps, np.clip((np.stack(each, -1) - chance) / (1 - chance), 0, 1)


def fits(trajectory: xr.Dataset, chance: float) -> dict[str, CurveFit]:
    """Fits a logistic curve to the baselines' learning of each side, initialization by initialization."""
    found = {}
    for side in SIDES:
        steps, values = curve(trajectory, f"{side}_accuracy")
        found[side] = fit_logistic(steps, values[:, 0], chance)
    return found


def together(trajectory: xr.Dataset, chance: float) -> Comparison:
    """Compares the accuracy on two-sided dominoes with that of independent patterns, 1 - (1 - p_m) (1 - p_c) if either
    answers, and guessing if none does."""
    steps, p = known_shares(trajectory, chance)
    predicted = 1 - (1 - chance) * np.prod(1 - p, axis=-1)
    return compare(steps, curve(trajectory, "both_accuracy")[1][:, 0], predicted)


def conflicts(trajectory: xr.Dataset, chance: float) -> dict[str, dict[str, Comparison]]:
    """Compares which side decides conflicting dominoes with each preference of the model: by preference, then side."""
    steps, p = known_shares(trajectory, chance)
    guessed = chance * np.prod(1 - p, axis=-1)
    found: dict[str, dict[str, Comparison]] = {}
    for name, preference in PREFERENCES.items():
        decides = deciding(p, preference)
        found[name] = {
            side: compare(steps, curve(trajectory, f"conflict_{side}_accuracy")[1][:, 0], decides[..., i] + guessed)
            for i, side in enumerate(SIDES)
        }
    return found


def conflict_rms(found: dict[str, Comparison]) -> float:
    """Returns the root mean square difference over both sides' curves."""
    return float(np.sqrt(np.mean([one.rms**2 for one in found.values()])))


def best_preference(found: dict[str, dict[str, Comparison]]) -> str:
    """Returns the preference whose curves are closest to the measured ones."""
    return min(found, key=lambda name: conflict_rms(found[name]))


def fit_row(fit: CurveFit, steps: np.ndarray) -> dict:
    """Returns a fit in JSON types."""
    at = int(np.nanargmax(np.abs(fit.residuals)))
    each = zip(LOGISTIC, fit.parameters, fit.low, fit.high, strict=True)
    parameters = {name: {"value": float(v), "low": float(a), "high": float(b)} for name, v, a, b in each}
    return parameters | {"rms": fit.rms, "largest": float(fit.residuals[at]), "at_step": float(steps[at])}
