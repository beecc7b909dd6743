"""How far disturbances took training, by their step and size, with spreads over their directions."""

import math

import numpy as np
import xarray as xr
from scipy import stats

from pathjax.analysis.statistics import spread
from pathjax.tables import aligned, number, quantiles

OUTCOMES = {
    "distance": "distance at the end",
    "growth": "growth of the disturbance",
    "test_js_distance": "Jensen-Shannon distance [nats^0.5]",
    "test_disagreement": "disagreement on the test set",
    "test_barrier": "barrier of the test loss [nats]",
}


def by_step_and_size(trajectory: xr.Dataset, name: str) -> xr.DataArray:
    """An outcome at the end, (at_step, size, seed); NaN for members that became non-finite.

    "growth" is the distance at the end over what the disturbance moved.
    """
    disturbed = np.flatnonzero(trajectory.role.values == "perturbed")
    labels = [trajectory[label].values[disturbed] for label in ("at_step", "epsilon", "seed")]
    coords = [np.unique(label) for label in labels]
    places = tuple(np.searchsorted(coord, label) for coord, label in zip(coords, labels, strict=True))
    ends = trajectory.distance if name == "growth" else trajectory[name]
    found = ends.values[-1, disturbed]
    if name == "growth":
        moved = trajectory.disturbance_moved.values[-1, disturbed]
        found = found / np.where(moved > 0, moved, np.nan)
    values = np.full([len(coord) for coord in coords], np.nan)
    alive = trajectory.first_nonfinite.values[-1, disturbed] < 0
    values[places] = np.where(alive, found, np.nan)
    return xr.DataArray(values, dict(zip(("at_step", "size", "seed"), coords, strict=True)), name=name)


def summarise(trajectory: xr.Dataset, kind: str) -> tuple[dict, str]:
    """The run's numbers as a JSON-able dict, and their text."""
    outcomes = {name: by_step_and_size(trajectory, name) for name in (*OUTCOMES, "disturbance_moved")}
    trends = [_trend(outcomes["distance"], size) for size in outcomes["distance"]["size"].values]
    distance = trajectory.distance.values
    role = trajectory.role.values
    summary = {
        "members": trajectory.sizes["member"],
        "steps": int(trajectory.step[-1]),
        "kind": kind,
        "replica_largest_distance": float(distance[:, role == "replica"].max()),
        "roundoff_largest_distance": float(distance[:, role == "roundoff"].max()),
        "baseline_test_accuracy": float(trajectory.test_accuracy.values[-1, 0]),
        "trends": trends,
        "cells": [
            {"at_step": int(step), "size": float(size)}
            | {name: spread(found.sel(at_step=step, size=size).values)._asdict() for name, found in outcomes.items()}
            for step in outcomes["distance"].at_step.values
            for size in outcomes["distance"]["size"].values
        ],
    }
    return summary, "\n".join([verdict(summary), "", *aligned([cell_header(summary), *cell_rows(summary, "distance")])])


def _trend(outcome: xr.DataArray, size) -> dict:
    """Whether later disturbances of one size end less far: each direction's rank correlation of outcome and step."""
    values, steps = outcome.sel(size=size).values, outcome.at_step.values
    known = np.isfinite(values).all(0)
    ranks = [stats.spearmanr(steps, column).statistic for column in values[:, known].T] if len(steps) > 2 else []
    first, last = (spread(row)._asdict() for row in (values[0], values[-1]))
    return {"size": float(size), "correlation": spread(np.array(ranks, float))._asdict(), "first": first, "last": last}


def verdict(summary: dict) -> str:
    """A sentence for each size: do early disturbances end further than late ones?"""
    cells = summary["cells"]
    early, late = cells[0]["at_step"], cells[-1]["at_step"]
    lines = []
    for trend in summary["trends"]:
        found, ends = trend["correlation"], (trend["first"], trend["last"])
        if found["n"] < 2 or any(end["n"] < 2 for end in ends):
            lines.append(f"size {trend['size']:g}: too few members to tell.")
            continue
        error = found["sd"] / math.sqrt(found["n"])
        clear = abs(found["mean"]) > 2 * error
        word = "further" if found["mean"] < 0 else "less far"
        said = f"early ones end {word}" if clear else "no trend with the step"
        before, after = (f"{number(end['mean'])} ± {number(end['sd'])}" for end in ends)
        ranks = f"rank correlation of distance and step {found['mean']:.2f} ± {error:.2f}"
        lines.append(f"size {trend['size']:g}: {said} ({ranks}); at step {early} {before}, at step {late} {after}.")
    floor = summary["roundoff_largest_distance"]
    near = [f"{trend['size']:g}" for trend in summary["trends"] if not trend["first"]["mean"] > 3 * floor]
    if near:
        first = f"disturbances of {', '.join(near)} at the first step"
        lines.append(
            f"One rounding error at step 0 ends at {number(floor)}; {first} end less than three times as far: what "
            "they come to is the run's, and hardly theirs."
        )
    return "\n".join(lines)


def cell_header(summary: dict) -> list[str]:
    """The sizes, for a table of `cell_rows`."""
    return ["at step", *(f"{trend['size']:g}" for trend in summary["trends"])]


def cell_rows(summary: dict, name: str) -> list[list[str]]:
    """An outcome by step (rows) and size (columns): medians over directions, and quantiles."""
    rows: dict[int, list[str]] = {}
    for cell in summary["cells"]:
        rows.setdefault(cell["at_step"], [str(cell["at_step"])]).append(quantiles(cell[name]))
    return list(rows.values())
