"""Summarizes arms: where they end, relative to the baseline of the same initialization and to other initializations."""

import itertools

import numpy as np
import xarray as xr

from pathjax.analysis.statistics import spread
from pathjax.experiments.arms.traces import MIN_UNITS, Trace, decisions_of, ends_of, trace_of, verdict
from pathjax.experiments.runner.settings import RunSettings
from pathjax.reporting.tables import aligned, interval, number

SEEDS = "other initializations"
ONE_BIT = "one rounding error"
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
    "beyond_control": "beyond the control",
    "seeds": "other initializations",
    "separation": "separation",
    "moved": "baseline moved",
}
TRACE_NOTE = (
    "The share of a measure on which a run decides otherwise than the baseline of the same initialization: where data "
    "are, points are weighted by the data's density; where no data are, all count the same. Means over "
    "initializations [95%]. If nothing moved after the arm ended, end / when it ends would be 1. Beyond the control: "
    "less the distance of a random push of the same force. Other initializations: between baselines. Separation: "
    "energy distance between the arm's runs and all baselines, more than 0 if the arm differs by more than what seeds "
    "do. Baseline moved: between the baseline when the arm ends and itself at the end."
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
    control = control_of(settings)
    verdicts = [verdict(found, name, measure) for name, measure, found in traces if name != control]
    summary = {
        "members": int(lost.size),
        "initializations": int(trajectory.sizes["init"]),
        "steps": int(trajectory.step[-1]),
        "replica_largest_distance": float(distance[..., role == "replica"].max()),
        "not_finite": int(lost.sum()),
        "arms": rows,
        "traces": [_json(*one) for one in traces],
        "verdicts": verdicts,
    }
    lines = [*aligned([HEADER, *cells(summary)]), "", NOTE]
    if traces:
        table = aligned([trace_header(summary), *trace_cells(summary)])
        lines += ["", *table, "", TRACE_NOTE, "", *verdicts]
    elif ends_of(settings.arms, settings.num_steps):
        lines += ["", f"Traces need {MIN_UNITS} initializations, and records after the arms end."]
    return summary, "\n".join(lines)


def control_of(settings: RunSettings) -> str | None:
    """Returns the arm that is a random push, if there is one."""
    return next((name for name, values in settings.arms.items() if set(values) == {"tilt"}), None)


def traces_of(trajectory: xr.Dataset, settings: RunSettings) -> list[tuple[str, str, Trace]]:
    """Returns (arm, measure, trace) of all arms that end before the run does."""
    found, control = decisions_of(trajectory), control_of(settings)
    rows = []
    for arm, ended in ends_of(settings.arms, settings.num_steps).items():
        for measure in found.weights:
            trace = trace_of(found, arm, measure, ended, None if arm == control else control)
            rows += [] if trace is None else [(arm, measure, trace)]
    return rows


def _json(arm: str, measure: str, trace: Trace) -> dict:
    return {"arm": arm, "measure": measure} | {name: list(getattr(trace, name)) for name in TRACES}


def trace_header(summary: dict) -> tuple[str, ...]:
    """Returns a column for each arm and measure."""
    return "distance", *(f"{row['arm']}, {row['measure']}" for row in summary["traces"])


def trace_cells(summary: dict) -> list[tuple[str, ...]]:
    """Formats the traces as rows of text, one for each quantity."""
    return [(said, *(interval(*row[name]) for row in summary["traces"])) for name, said in TRACES.items()]


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
