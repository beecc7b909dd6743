"""Summarizes arms: where they end, relative to the baseline of the same initialization and to other initializations."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from pathjax.analysis.statistics import spread
from pathjax.experiments.arms.traces import (
    MIN_UNITS,
    ONE_BIT,
    Trace,
    control_of,
    decisions_of,
    ends_of,
    is_push,
    record_after,
    trace_of,
)
from pathjax.experiments.arms.verdict import verdict
from pathjax.experiments.runner.settings import RunSettings
from pathjax.reporting.tables import aligned, interval, number

SEEDS = "other initializations"
QUANTITIES = {
    "distance": "distance of the weights",
    "test_disagreement": "disagreement on the test set",
    "test_loss": "test loss [nats]",
    "weight_norm": "norm of the weights",
}
HEADER = ("arm", *QUANTITIES.values())
NOTE = (
    "Means over initializations at the end, ± their standard deviation. Distance and disagreement are to the baseline "
    "of the same initialization; for other initializations, between the baselines of all pairs (± over pairs, which "
    "are not independent)."
)
TRACES = {
    "after": "when it ends",
    "end": "at the end of the run",
    "remains": "end / when it ends",
    "late": "end / half-way there",
    "frozen": "if frozen when it ends",
    "beyond_bit": "beyond one rounding error",
    "beyond_control": "beyond a random push",
    "seeds": "other initializations",
    "separation": "separation / other initializations",
    "separation_from_control": "the same from a random push",
    "moved": "baseline moved",
    "loss_after": "baseline's loss when it ends",
    "loss_end": "baseline's loss at the end",
}
TRACE_NOTE = (
    "The share of a measure on which a run decides differently than the baseline of the same initialization: where "
    "data are, points are weighted by the data's density; where no data are, all count the same. Means over "
    "initializations [95%]. If frozen when it ends: between the arm then and the baseline at the end. Beyond a random "
    "push: less the distance of an arm with the same force on each weight in a random direction, another one for each "
    "initialization. Other initializations: between baselines. Separation: energy distance between the arm's runs and "
    "all baselines, more than 0 if they are two populations. Baseline moved: between the baseline when the arm ends "
    "and itself at the end."
)


def summarize(trajectory: xr.Dataset, settings: RunSettings) -> tuple[dict, str]:
    """Returns the run's numbers as a JSON-compatible dict, and their text."""
    role, arm = trajectory.role.values, trajectory.arm.values
    distance = trajectory.distance.transpose("step", "init", "member").values
    lost = trajectory.first_nonfinite.transpose(..., "init", "member").values[-1] >= 0
    members = {"baseline": role == "baseline", ONE_BIT: role == "roundoff"}
    members |= {str(name): (arm == name) & (role == "arm") for name in arm[role == "arm"]}
    rows = {name: _ends(trajectory, chosen) for name, chosen in members.items()}
    rows[SEEDS] = _between_baselines(trajectory)
    traces = traces_of(trajectory, settings)
    verdicts = verdicts_of(traces, settings.arms)
    summary = {
        "members": int(lost.size),
        "initializations": int(trajectory.sizes["init"]),
        "steps": int(trajectory.step[-1]),
        "replica_largest_distance": float(distance[..., role == "replica"].max()),
        "not_finite": int(lost.sum()),
        "arms": rows,
        "traces": [{**row._asdict(), "trace": _plain(row.trace)} for row in traces],
        "verdicts": verdicts,
    }
    lines = [*aligned([HEADER, *cells(summary)]), "", NOTE]
    if traces:
        table = aligned([trace_header(summary), *trace_cells(summary)])
        lines += ["", *table, "", TRACE_NOTE, "", *verdicts]
    else:
        lines += _without_traces(trajectory, settings)
    return summary, "\n".join(lines)


class Row(NamedTuple):
    """The trace of an arm by one measure, from the step `since` on."""

    arm: str
    measure: str
    since: int
    trace: Trace


def traces_of(trajectory: xr.Dataset, settings: RunSettings) -> list[Row]:
    """Returns the traces of all arms that end before the run does."""
    found = decisions_of(trajectory)
    rows = []
    for arm, ended in ends_of(settings.arms, settings.num_steps).items():
        for measure in found.weights:
            trace = trace_of(found, arm, measure, ended, control_of(settings.arms, arm))
            since = record_after(found, ended)
            rows += [] if trace is None or since is None else [Row(arm, measure, since, trace)]
    return rows


def verdicts_of(rows: Sequence[Row], arms: Mapping[str, Mapping]) -> list[str]:
    """Returns the verdict on each trace but those of random pushes."""
    return [verdict(row.trace, row.arm, row.measure) for row in rows if not is_push(arms[row.arm])]


def _without_traces(trajectory: xr.Dataset, settings: RunSettings) -> list[str]:
    """Says why arms that end have no trace."""
    if not ends_of(settings.arms, settings.num_steps):
        return []
    if trajectory.sizes["init"] < MIN_UNITS:
        return ["", f"Traces are computed for {MIN_UNITS} or more initializations (init_seeds)."]
    every = settings.measure.evaluation_every
    return [
        "",
        f"Traces need a record between the end of an arm and that of the run: measure.evaluation_every={every}.",
    ]


def _plain(trace: Trace) -> dict:
    return {name: list(value) for name, value in trace._asdict().items()}


def trace_header(summary: dict) -> tuple[str, ...]:
    """Returns a column for each arm and measure."""
    return "distance", *(f"{row['arm']}, {row['measure']} (from step {row['since']})" for row in summary["traces"])


def trace_cells(summary: dict) -> list[tuple[str, ...]]:
    """Formats the traces as rows of text, one for each quantity."""
    return [(said, *(interval(*row["trace"][name]) for row in summary["traces"])) for name, said in TRACES.items()]


def cells(summary: dict) -> list[tuple[str, ...]]:
    """Formats the arms as rows of text."""
    return [(name, *(_value(found.get(key)) for key in QUANTITIES)) for name, found in summary["arms"].items()]


def _value(found: dict | None) -> str:
    if found is None:
        return ""
    spread_of = f" ± {number(found['sd'])}" if found["n"] > 1 else " (one, no error bar)"
    return f"{number(found['mean'])}{spread_of}"


def _ends(trajectory: xr.Dataset, chosen: np.ndarray) -> dict:
    """Returns each quantity of some members at the end, over initializations."""
    found = {}
    for name in QUANTITIES:
        last = trajectory[name].transpose(..., "init", "member").values[-1][:, chosen]
        found[name] = spread(last.mean(1))._asdict()
    return found


def _between_baselines(trajectory: xr.Dataset) -> dict:
    """Returns the disagreement of all pairs of baselines, each of another initialization."""
    logits = trajectory.test_outputs.isel(member=0).transpose(..., "init", "test_example", "class").values[-1]
    chosen = logits.argmax(-1)
    pairs = [np.mean(chosen[i] != chosen[j]) for i, j in itertools.combinations(range(len(chosen)), 2)]
    return {"test_disagreement": spread(pairs)._asdict()} if pairs else {}
