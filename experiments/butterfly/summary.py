"""Summarizes how far interventions moved training, by step and epsilon, with spreads over directions."""

import math

import numpy as np
import xarray as xr
from scipy import stats

from pathjax.analysis.derived_records import outcome_by_intervention
from pathjax.analysis.statistics import spread
from pathjax.reporting.tables import aligned, number, quantiles

OUTCOMES = {
    "distance": "distance at the end",
    "growth": "growth of the change",
    "test_js_distance": "Jensen-Shannon distance [nats^0.5]",
    "test_disagreement": "disagreement on the test set",
    "test_barrier": "barrier of the test loss [nats]",
}
FEWEST = 3  # directions, for a trend
# The outcomes whose trends are reported for each epsilon, and their names.
TRENDS = {"distance": "in weights", "test_js_distance": "in function"}


def summarize(trajectory: xr.Dataset, kind: str) -> tuple[dict, str]:
    """Returns the run's numbers as a JSON-compatible dict, and their text."""
    outcomes = {name: outcome_by_intervention(trajectory, name) for name in (*OUTCOMES, "intervention_size")}
    epsilons = outcomes["distance"]["epsilon"].values
    distance, role = trajectory.distance.values, trajectory.role.values
    moved = outcomes["intervention_size"].values
    summary = {
        "members": trajectory.sizes["member"],
        "steps": int(trajectory.step[-1]),
        "kind": kind,
        "replica_largest_distance": float(distance[:, role == "replica"].max()),
        "roundoff_largest_distance": float(distance[:, role == "roundoff"].max()),
        "noise_last_distance": spread(distance[-1, role == "noise"])._asdict() if (role == "noise").any() else None,
        "baseline_test_accuracy": float(trajectory.test_accuracy.values[-1, 0]),
        "intervened": moved.size,
        "not_finite": int(np.isnan(moved).sum()),
        "not_moved": int((moved == 0).sum()),
        "trends": [
            {"epsilon": float(epsilon)} | {name: _trend(outcomes[name].sel(epsilon=epsilon)) for name in TRENDS}
            for epsilon in epsilons
        ],
        "cells": [
            {"at_step": int(step), "epsilon": float(epsilon)}
            | {
                name: spread(found.sel(at_step=step, epsilon=epsilon).values)._asdict()
                for name, found in outcomes.items()
            }
            for step in outcomes["distance"].at_step.values
            for epsilon in epsilons
        ],
    }
    return summary, "\n".join([verdict(summary), "", *aligned([cell_header(summary), *cell_rows(summary, "distance")])])


def _trend(outcome: xr.DataArray) -> dict:
    """Computes each direction's rank correlation of outcome and step, for the interventions of one epsilon."""
    values, steps = outcome.values, outcome.at_step.values
    known = np.isfinite(values).all(0) & (values.min(0) < values.max(0))
    ranks = [stats.spearmanr(steps, column).statistic for column in values[:, known].T] if len(steps) > 2 else []
    first, last = (spread(row)._asdict() for row in (values[0], values[-1]))
    return {"correlation": spread(np.array(ranks, float))._asdict(), "first": first, "last": last}


def verdict(summary: dict) -> str:
    """Describes for each epsilon whether early interventions end further away than late ones, in weights and in
    function; warnings come first."""
    lines = _warnings(summary)
    for trend in summary["trends"]:
        said = [f"{what} {_said(trend[name])}" for name, what in TRENDS.items()]
        lines.append(f"epsilon {trend['epsilon']:g}: {', '.join(said)}.")
    lines.append("In parentheses: rank correlation of outcome and step ± standard error over directions.")
    floor = summary["roundoff_largest_distance"]
    means = {trend["epsilon"]: trend["distance"]["first"]["mean"] for trend in summary["trends"]}
    near = [f"{epsilon:g}" for epsilon, mean in means.items() if np.isfinite(mean) and mean <= 3 * floor]
    if near and floor > 0:
        first = f"interventions with epsilon {', '.join(near)} at the first step"
        lines.append(
            f"One rounding error at step 0 ends at {number(floor)}; {first} end less than three times as far away: "
            "their outcome depends on the run and hardly on epsilon."
        )
    return "\n".join(lines)


def _warnings(summary: dict) -> list[str]:
    lines = []
    if summary["not_finite"]:
        lines.append(
            f"{summary['not_finite']} of {summary['intervened']} members became infinite or NaN after their "
            "intervention: the statistics below exclude them."
        )
    if summary["not_moved"]:
        lines.append(
            f"{summary['not_moved']} of {summary['intervened']} members did not change: their intervention is lost in "
            "rounding, or has no effect."
        )
    return lines


def _said(trend: dict) -> str:
    """Describes the trend of one outcome and epsilon, with its rank correlation and standard error."""
    found = trend["correlation"]
    if found["n"] < FEWEST:
        return "too few directions for a trend"
    error = found["sd"] / math.sqrt(found["n"])
    clear = abs(found["mean"]) > stats.t.ppf(0.975, found["n"] - 1) * error
    early = "early interventions end further away"
    late = "late interventions end further away"
    said = (early if found["mean"] < 0 else late) if clear else "no clear trend"
    return f"{said} ({found['mean']:.2f} ± {error:.2f})"


def cell_header(summary: dict) -> list[str]:
    """Returns the header of a table of `cell_rows`: the epsilons."""
    return ["at step", *(f"{trend['epsilon']:g}" for trend in summary["trends"])]


def cell_rows(summary: dict, name: str) -> list[list[str]]:
    """Returns an outcome by step (rows) and epsilon (columns): medians over directions, with quantiles."""
    rows: dict[int, list[str]] = {}
    for cell in summary["cells"]:
        rows.setdefault(cell["at_step"], [str(cell["at_step"])]).append(quantiles(cell[name]))
    return list(rows.values())
