"""Summarizes the growth of distances: laws, the exponential period, and what kinks predict."""

from typing import Any

import numpy as np
import xarray as xr

from pathjax.analysis.breakpoints import exponential_period
from pathjax.analysis.law_selection import NONE, Selection, distances_of, law_of
from pathjax.analysis.statistics import half_interval
from pathjax.experiments.laws.kink_law import Prediction, measured_over_predicted, predictions, rates_of
from pathjax.reporting.tables import aligned, interval, number

LAWS = (
    "epsilon",
    "d / |w| there",
    "from step",
    "growth",
    "law",
    "p",
    "not excluded",
    "parameters [95%]",
    "error ahead",
)
PERIODS = (
    "epsilon",
    "ends at step [95%]",
    "rate [95%], nats per step",
    "p (linear from the start)",
    "p (exponential throughout)",
    "p (residuals)",
)
TESTS = ("p_linear", "p_exponential", "p_fit")
SHOWN = 0.05  # level of the tests that there is a period, and that it ends
KINKS = (
    *("epsilon", "measured d(T)", "predicted d(T)", "measured / predicted [95%]"),
    *("r, crossings per step and distance [95%]", "h, healing per step [95%]"),
)
NOTE = (
    "One unit is an initialization with its batch schedule; directions of one are averaged. A law names a shape, not a "
    "mechanism. It is refused if p, that of its residuals, is below 0.05, and decided if the data exclude all laws of "
    "other families. The tangent is the mean over all initializations, taken as exact. An early period, too, is only a "
    "description where the p of its residuals is small. Error ahead: root mean square error of log d in the later half "
    "of held-out initializations, from fits to the earlier half of the others."
)


def add_mean_tangent(trajectory: xr.Dataset) -> xr.Dataset:
    """Adds `mean_tangent`: the geometric mean of tangents over initializations and directions, at the steps of the
    distances."""
    if "tangent_norm" not in trajectory:
        return trajectory
    (time,) = set(trajectory.tangent_norm.dims) - {"init", "direction"}
    logs = np.log(trajectory.tangent_norm).mean(("init", "direction")).values
    mean = np.exp(np.interp(trajectory.step.values, trajectory[time].values, logs))
    return trajectory.assign(mean_tangent=("step", mean))


def summarize(trajectory: xr.Dataset, later_step: int, learning_rate: float | None) -> tuple[dict, str]:
    """Returns the run's numbers as a JSON-compatible dict, and their text.

    Args:
        trajectory: of the laws experiment, with `add_mean_tangent`.
        later_step: laws are also fitted from this step on.
        learning_rate: of plain SGD; None with other optimizers, for which kinks predict nothing.
    """
    role = trajectory.role.values
    distance = trajectory.distance.transpose("step", "init", "member").values
    lost = trajectory.first_nonfinite.transpose(..., "init", "member").values[-1] >= 0
    epsilons = np.unique(trajectory.epsilon.values[role == "perturbed"]).tolist()
    summary: dict[str, Any] = {
        "members": int(lost.size),
        "initializations": int(trajectory.sizes["init"]),
        "steps": int(trajectory.step[-1]),
        "replica_largest_distance": float(distance[..., role == "replica"].max()),
        "not_finite": int(lost.sum()),
        "laws": [_law(trajectory, epsilon, start) for start in (0, later_step) for epsilon in epsilons],
        "periods": [_period(trajectory, epsilon) for epsilon in epsilons],
    }
    if "crossings" in trajectory and learning_rate is not None and len(epsilons) > 1:
        summary["kinks"] = [
            _kinks(one, *rates_of(trajectory, one.epsilon, learning_rate))
            for one in predictions(trajectory, epsilons[-1], learning_rate)
        ]
    parts = [aligned([LAWS, *laws(summary)]), aligned([PERIODS, *periods(summary)])]
    parts += [aligned([KINKS, *kinks(summary)])] if "kinks" in summary else []
    return summary, "\n".join("\n".join([*part, ""]) for part in [*parts, [NOTE]])


def _law(trajectory: xr.Dataset, epsilon: float, start: int) -> dict:
    found = law_of(trajectory, epsilon, start)
    at_start = trajectory.sel(step=start)
    d, norm = distances_of(trajectory.sel(step=[start]), epsilon), float(at_start.weight_norm.isel(member=0).mean())
    return {
        "epsilon": epsilon,
        "from_step": start,
        "relative": float(d.mean()) / norm,
        "growth": found.curves.growth,
        "law": found.law,
        "best": found.best,
        "not_excluded": [] if found.law == NONE else [*found.rivals, *found.equivalent],
        "p_value": found.p_value,
        "held_out": found.held_out.get(found.best),
        "parameters": _parameters(found),
    }


def _parameters(found: Selection) -> dict:
    fit = found.fits[found.best]
    each = zip(fit.law.parameters, fit.parameters, fit.low, fit.high, strict=True)
    return {name: {"value": float(v), "low": float(a), "high": float(b)} for name, v, a, b in each}


def _period(trajectory: xr.Dataset, epsilon: float) -> dict:
    found = exponential_period(trajectory.step.values, distances_of(trajectory, epsilon))
    rate, end, slope = (
        {"value": float(v), "low": float(a), "high": float(b)}
        for v, a, b in zip(found.fit.parameters, found.fit.low, found.fit.high, strict=True)
    )
    tests = {name: getattr(found, name) for name in TESTS}
    return {"epsilon": epsilon, "rate": rate, "end": end, "slope": slope} | tests


def _kinks(one: Prediction, rate: np.ndarray, healing: np.ndarray) -> dict:
    """Returns medians over initializations at the end, and the mean of their ratio, of r and of h, with intervals."""
    ratio, low, high = measured_over_predicted(one.measured, one.predicted)
    medians = {"measured": float(np.median(one.measured)), "predicted": float(np.median(one.predicted))}
    found = {"epsilon": one.epsilon} | medians | {"ratio": {"value": ratio, "low": low, "high": high}}
    for name, values in (("rate", rate), ("healing", healing)):
        mean, reach = float(values.mean()), float(half_interval(values))
        found[name] = {"value": mean, "low": mean - reach, "high": mean + reach}
    return found


def _interval(found: dict) -> str:
    return interval(found["value"], found["low"], found["high"])


def laws(summary: dict) -> list[tuple[str, ...]]:
    """Formats the laws as rows of text."""
    return [
        (
            f"{row['epsilon']:g}",
            number(row["relative"]),
            str(row["from_step"]),
            number(row["growth"]),
            row["law"] if row["law"] == row["best"] else f"{row['law']} (best: {row['best']})",
            number(row["p_value"]),
            ", ".join(row["not_excluded"]),
            "; ".join(f"{name} {_interval(found)}" for name, found in row["parameters"].items()),
            "" if row["held_out"] is None else number(row["held_out"]),
        )
        for row in summary["laws"]
    ]


def periods(summary: dict) -> list[tuple[str, ...]]:
    """Formats the exponential periods as rows of text."""
    found: list[tuple[str, ...]] = []
    for row in summary["periods"]:
        is_shown = row["p_linear"] < SHOWN and row["p_exponential"] < SHOWN and row["rate"]["low"] > 0
        values = (_interval(row["end"]), _interval(row["rate"])) if is_shown else ("none is seen", "")
        found.append((f"{row['epsilon']:g}", *values, *(number(row[p]) for p in TESTS)))
    return found


def kinks(summary: dict) -> list[tuple[str, ...]]:
    """Formats what kinks predict as rows of text."""
    return [
        (
            f"{row['epsilon']:g}",
            number(row["measured"]),
            number(row["predicted"]),
            *(_interval(row[name]) for name in ("ratio", "rate", "healing")),
        )
        for row in summary.get("kinks", [])
    ]
