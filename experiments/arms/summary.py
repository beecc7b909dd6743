"""Summarizes arms: where they end, relative to the baseline of the same initialization and to other initializations."""

import itertools

import numpy as np
import xarray as xr

from pathjax.analysis.statistics import spread
from pathjax.reporting.tables import aligned, number

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


def summarize(trajectory: xr.Dataset) -> tuple[dict, str]:
    """Returns the run's numbers as a JSON-compatible dict, and their text."""
    role, arm = trajectory.role.values, trajectory.arm.values
    distance = trajectory.distance.transpose("step", "init", "member").values
    lost = trajectory.first_nonfinite.transpose(..., "init", "member").values[-1] >= 0
    members = {"baseline": role == "baseline", ONE_BIT: role == "roundoff"}
    members |= {str(name): (arm == name) & (role == "arm") for name in arm[role == "arm"]}
    rows = {name: _ends(trajectory, chosen) for name, chosen in members.items()}
    rows[SEEDS] = _between_baselines(trajectory)
    summary = {
        "members": int(lost.size),
        "initializations": int(trajectory.sizes["init"]),
        "steps": int(trajectory.step[-1]),
        "replica_largest_distance": float(distance[..., role == "replica"].max()),
        "not_finite": int(lost.sum()),
        "arms": rows,
    }
    return summary, "\n".join([*aligned([HEADER, *cells(summary)]), "", NOTE])


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
