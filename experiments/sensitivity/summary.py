"""Summarizes the derivatives of a run, and whether finite differences agree."""

import numpy as np
import xarray as xr

from pathjax.derivatives.forward import TOLERANCE
from pathjax.reporting.tables import aligned, number

HEADER = ("by", "|dw/d.|", "by differences", "disagreement", "d(test loss)/d.", "by differences")


def summarize(trajectory: xr.Dataset, activation: str, nonsmooth_source: str) -> tuple[dict, str]:
    """Returns the run's numbers as a JSON-compatible dict, and their text; `nonsmooth_source` is the part of a step
    with jumps or kinks: "activation", "optimizer", "network" (perhaps), or "" for none."""
    last = {name: trajectory[name].values[-1] for name in _NAMES}
    role, distance = trajectory.role.values, trajectory.distance.values
    summary = {
        "members": trajectory.sizes["member"],
        "steps": int(trajectory.step[-1]),
        "activation": activation,
        "nonsmooth_source": nonsmooth_source,
        "replica_largest_distance": float(distance[:, role == "replica"].max()),
        "baseline_test_accuracy": float(trajectory.test_accuracy.values[-1, 0]),
        "parameters": [
            {"label": str(label)} | {name: float(values[i]) for name, values in last.items()}
            for i, label in enumerate(trajectory.parameter.values)
        ],
    }
    return summary, "\n".join([*aligned([HEADER, *rows(summary)]), "", verdict(summary)])


_NAMES = (
    "sensitivity",
    "difference_sensitivity",
    "sensitivity_disagreement",
    "readout_derivative",
    "readout_difference",
)


def rows(summary: dict) -> list[list[str]]:
    """Returns one row per parameter, at the end of training."""
    return [[one["label"], *(number(one[name]) for name in _NAMES)] for one in summary["parameters"]]


def verdict(summary: dict) -> str:
    """Describes whether the derivatives can be trusted."""
    odd = [one for one in summary["parameters"] if not one["sensitivity_disagreement"] <= TOLERANCE]
    if not odd:
        largest = max((one["sensitivity_disagreement"] for one in summary["parameters"]), default=0.0)
        return f"Finite differences agree with all derivatives, to a relative {number(largest)} at the end."
    names = ", ".join(f"{one['label']} (by a relative {number(one['sensitivity_disagreement'])})" for one in odd)
    why = {
        "activation": f"the kinks of {summary['activation']}, which no derivative sees",
        "optimizer": "the optimizer's steps, which are signs and jump when one changes, which no derivative sees",
        "network": f"kinks of {summary['activation']}, if it has any, or epsilons that are too large",
        "": "epsilons that are too large for a run that amplifies them, or rounding",
    }[summary["nonsmooth_source"]]
    return f"Finite differences differ from the derivatives by {names}; the reason may be {why}."


def first_disagreement(trajectory: xr.Dataset) -> dict[str, int]:
    """Returns for each parameter the first recorded step at which the finite difference disagrees; -1 for never."""
    off = ~(trajectory.sensitivity_disagreement.values <= TOLERANCE)
    steps = trajectory[trajectory.sensitivity_disagreement.dims[0]].values
    first = [int(steps[np.argmax(column)]) if column.any() else -1 for column in off.T]
    return dict(zip(map(str, trajectory.parameter.values), first, strict=True))
