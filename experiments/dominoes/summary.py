"""Summarizes which pattern was learned first, how that depends on the path, and where the model of patterns holds."""

from typing import Any

import numpy as np
import xarray as xr

from pathjax.analysis.intervals import Interval, mean_over_units, share
from pathjax.analysis.variance_components import variance_components
from pathjax.experiments.dominoes.half_times import (
    SIDES,
    curve,
    first_learned,
    half_times,
    spreads,
)
from pathjax.experiments.dominoes.model import (
    Comparison,
    best_preference,
    conflict_rms,
    conflicts,
    fit_row,
    fits,
    together,
)
from pathjax.reporting.tables import aligned, interval, number

ENDS = {
    "m_accuracy": "accuracy, only m shown",
    "c_accuracy": "accuracy, only c shown",
    "both_accuracy": "accuracy, both shown",
    "conflict_m_accuracy": "conflict: m decides",
    "conflict_c_accuracy": "conflict: c decides",
    "m_randomized_auc": "AUC, m randomized",
    "c_randomized_auc": "AUC, c randomized",
}
SPREADS = (
    "runs that differ in",
    "half-time of m, sd [95%]",
    "half-time of c, sd [95%]",
    "conflict: m decides, sd [95%]",
)
SHARES = ("quantity", "initialization [95%]", "order of batches [95%]", "interaction and rest [95%]")
FITS = ("side", "prevalence [95%]", "speed per step [95%]", "half-time [95%]", "rms", "largest residual", "at step")
MODEL = ("curve", "model", "rms", "largest difference [95%]", "at step")
NOTE = (
    "Half-time: the step at which the accuracy on one-sided test dominoes is half of the way from chance to 1, "
    "interpolated between records. Intervals are over initializations, which are the independent units. The standard "
    "deviation of runs that differ in one thing is that of two such runs; for perturbations it is measured from the "
    "baseline."
)


def summarize(trajectory: xr.Dataset, origin: dict) -> tuple[dict, str]:
    """Returns the run's numbers as a JSON-compatible dict, and their text.

    Args:
        trajectory: of the dominoes experiment.
        origin: of the data set, with the counts and the names of the sides.
    """
    chance = 1 / origin["num_classes"]
    times = {side: half_times(trajectory, side, chance) for side in SIDES}
    distance = curve(trajectory, "distance")[1]
    lost = curve(trajectory, "first_nonfinite")[1][..., -1] >= 0
    steps, _ = curve(trajectory, "m_accuracy")
    of_conflicts = conflicts(trajectory, chance)
    best = best_preference(of_conflicts)
    summary: dict[str, Any] = {
        "members": int(lost.size),
        "initializations": int(trajectory.sizes["init"]),
        "steps": int(trajectory.step[-1]),
        "replica_largest_distance": float(distance[:, trajectory.role.values == "replica"].max()),
        "not_finite": int(lost.sum()),
        "chance": chance,
        "counts": origin["counts"],
        "sides": {side: origin["dominoes"][side]["source"] for side in SIDES},
        "half_times": {side: own.tolist() for side, own in times.items()},
        "first": _first(times),
        "ends": {name: mean_over_units(curve(trajectory, name)[1][:, 0, -1])._asdict() for name in ENDS},
        "spreads": _spreads(trajectory, times),
        "shares": _shares(trajectory, times),
        "fits": {side: fit_row(fit, steps) for side, fit in fits(trajectory, chance).items()},
        "together": _comparison(together(trajectory, chance)),
        "conflicts": {
            name: {"rms": conflict_rms(found)} | {side: _comparison(one) for side, one in found.items()}
            for name, found in of_conflicts.items()
        },
        "preference": best,
    }
    summary["verdict"] = verdict(summary)
    parts: list[list[tuple[str, ...]]] = [[ENDS_HEADER, *ends(summary)], [SPREADS, *spread_rows(summary)]]
    parts += [[SHARES, *share_rows(summary)]] if summary["shares"] else []
    parts += [[FITS, *fit_rows(summary)], [MODEL, *model_rows(summary)]]
    return summary, "\n".join("\n".join([*aligned(part), ""]) for part in parts) + f"{NOTE}\n\n{summary['verdict']}"


ENDS_HEADER = ("baselines at the end", "mean over initializations [95%]")


def _first(times: dict[str, np.ndarray]) -> dict:
    """Returns how often each side is first, and how much longer the other takes."""
    first = first_learned([times[side] for side in SIDES])
    ratio = np.log(times["c"][:, 0] / times["m"][:, 0])
    return {
        "members": {side: int((first == i).sum()) for i, side in enumerate(SIDES)},
        "initializations": {side: int((first[:, 0] == i).sum()) for i, side in enumerate(SIDES)},
        "differs_from_baseline": int((first != first[:, :1]).sum()),
        "ratio": dict(zip(Interval._fields, map(float, np.exp(mean_over_units(ratio))), strict=True)),
    }


def _spreads(trajectory: xr.Dataset, times: dict[str, np.ndarray]) -> dict:
    conflict = curve(trajectory, "conflict_m_accuracy")[1][..., -1]
    quantities = {"m": times["m"], "c": times["c"], "conflict": conflict}
    each = {name: spreads(trajectory, values) for name, values in quantities.items()}
    return {kind: {name: each[name][kind]._asdict() for name in quantities} for kind in each["m"]}


def _shares(trajectory: xr.Dataset, times: dict[str, np.ndarray]) -> dict:
    """Returns variance components over initializations and orders of batches, if these are crossed."""
    crossed = (trajectory.role.values == "baseline") | (trajectory.role.values == "fork")
    if crossed.sum() < 2 or trajectory.sizes["init"] < 2:
        return {}
    logs = {f"log half-time of {side}": np.log(own) for side, own in times.items()}
    logs["log of their ratio"] = logs["log half-time of c"] - logs["log half-time of m"]
    logs["conflict: m decides"] = curve(trajectory, "conflict_m_accuracy")[1][..., -1]
    found = {}
    for name, values in logs.items():
        outcomes = values[:, crossed][..., None]
        if np.isfinite(outcomes).all():
            parts = variance_components(outcomes)
            found[name] = {
                source: Interval(float(parts.share[i]), float(parts.low[i]), float(parts.high[i]))._asdict()
                for i, source in ((0, "initialization"), (1, "order"), (3, "rest"))
            }
    return found


def _comparison(one: Comparison) -> dict:
    return {name: getattr(one, name) for name in ("rms", "largest", "at_step", "reach_there")}


def verdict(summary: dict) -> str:
    """Returns one sentence on what was learned first, how sure that is, and what decides conflicts."""
    first, num, members = summary["first"], summary["initializations"], summary["members"]
    side = max(SIDES, key=lambda one: first["initializations"][one])
    (other,) = set(SIDES) - {side}
    wins = first["initializations"][side]
    names = {one: f"side {one} ({summary['sides'][one]})" for one in SIDES}
    sure = share(wins, num)
    if sure.low <= 0.5:
        said = (
            f"Which pattern is learned first cannot be told: {names[side]} in {wins} of {num} initializations [share "
            f"{number(sure.low)} to {number(sure.high)}, 95%]"
        )
    else:
        said = (
            f"{names[side]} is learned first, in {wins} of {num} initializations [share {number(sure.low)} to "
            f"{number(sure.high)}, 95%] and {first['members'][side]} of {members} members"
        )
    ratio = first["ratio"]
    ends = (ratio["value"], ratio["low"], ratio["high"])
    factor = ends if side == "m" else (1 / ends[0], 1 / ends[2], 1 / ends[1])
    slower = f"; {names[other]} takes {interval(*factor)} times as long" if np.isfinite(factor[0]) else ""
    conflict = {one: summary["ends"][f"conflict_{one}_accuracy"] for one in SIDES}
    decides = (
        f"where they conflict, m decides {_interval(conflict['m'])} of the test dominoes in the end, and c "
        f"{_interval(conflict['c'])}"
    )
    return f"{said[0].upper()}{said[1:]}{slower}; {decides}."


def _interval(found: dict) -> str:
    return interval(found["value"], found["low"], found["high"])


def ends(summary: dict) -> list[tuple[str, str]]:
    """Formats the accuracies at the end as rows of text."""
    return [(label, _interval(summary["ends"][name])) for name, label in ENDS.items()]


def spread_rows(summary: dict) -> list[tuple[str, ...]]:
    """Formats the spreads as rows of text."""
    return [(kind, *(_interval(found[name]) for name in found)) for kind, found in summary["spreads"].items()]


def share_rows(summary: dict) -> list[tuple[str, ...]]:
    """Formats the variance components as rows of text."""
    return [(name, *(_interval(found[part]) for part in found)) for name, found in summary["shares"].items()]


def fit_rows(summary: dict) -> list[tuple[str, ...]]:
    """Formats the logistic fits as rows of text."""
    return [
        (
            side,
            *(_interval(found[name]) for name in ("prevalence", "speed", "half_time")),
            number(found["rms"]),
            number(found["largest"]),
            f"{found['at_step']:g}",
        )
        for side, found in summary["fits"].items()
    ]


def model_rows(summary: dict) -> list[tuple[str, ...]]:
    """Formats the comparisons with the model as rows of text."""
    rows = [("both shown", "independent patterns", *_apart(summary["together"]))]
    for name, found in summary["conflicts"].items():
        mark = " (best)" if name == summary["preference"] else ""
        rows += [(f"conflict: {side} decides", f"{name}{mark}", *_apart(found[side])) for side in SIDES]
    return rows


def _apart(found: dict) -> tuple[str, ...]:
    largest, reach = found["largest"], found["reach_there"]
    return number(found["rms"]), interval(largest, largest - reach, largest + reach), f"{found['at_step']:g}"
