"""Summarizes the growth of perturbations, with spreads between initializations and between directions."""

import numpy as np
import xarray as xr

from pathjax.reporting.tables import aligned, number

FIRST = 1000  # growth is fitted by a power of time from this step on, and reported at this step and the last
QUANTITIES = {
    "growth": "d(t)/d(0)",
    "exponent": "power of t, from step 1,000 on",
    "agreement": "agreement with the baseline",
    "output_distance": "distance to the baseline's outputs",
    "accuracy": "test accuracy of the baseline",
    "r2": "test variance that the baseline explains",
    "loss": "test loss of the baseline",
}


def summarize(trajectory: xr.Dataset) -> tuple[dict, str]:
    """Returns the run's numbers as a JSON-compatible dict, and their text."""
    rows = [*_of_members(trajectory), *_of_baselines(trajectory)]
    role = trajectory.role.values
    distance = trajectory.distance.transpose("step", "init", "member").values
    lost = trajectory.first_nonfinite.transpose(..., "init", "member").values[-1] >= 0
    summary = {
        "members": int(lost.size),
        "initializations": int(trajectory.sizes["init"]),
        "steps": int(trajectory.step[-1]),
        "replica_largest_distance": float(distance[..., role == "replica"].max()),
        "roundoff_distance": distance[-1][:, role == "roundoff"].ravel().tolist(),
        "not_finite": int(lost.sum()),
        "rows": rows,
    }
    return summary, "\n".join([*aligned([HEADER, *map(cells, rows)]), NOTE, _replicas(summary)])


def _replicas(summary: dict) -> str:
    largest = summary["replica_largest_distance"]
    meaning = "exact" if largest == 0 else "not 0: this machine is not deterministic, and no growth is meaningful"
    return f"replicas, largest distance: {number(largest)} ({meaning})"


HEADER = ("", "epsilon", "d(0)/|w|", "at step", "mean", "± between initializations", "± between directions")
NOTE = (
    "±: standard deviations of an initialization's mean over its directions, and of the directions of one "
    "initialization. Losses of classes are in nats; the loss of a sequence is the mean over its positions."
)


def cells(row: dict) -> tuple[str, ...]:
    """Formats a row as text."""
    size = "" if row["epsilon"] is None else f"{row['epsilon']:g}"
    spread = "" if row["sd_directions"] is None else number(row["sd_directions"])
    start = "" if row["epsilon"] is None else number(row["relative_start"])
    return (
        QUANTITIES[row["quantity"]],
        size,
        start,
        str(row["step"]),
        number(row["mean"]),
        number(row["sd_inits"]),
        spread,
    )


def _of_members(trajectory: xr.Dataset) -> list[dict]:
    """Returns growth, its power of time and agreement, for each epsilon."""
    rows = []
    ends = _reported(trajectory.step.values)
    late = trajectory.distance_growth.sel(step=trajectory.step >= min(FIRST, ends[-1]))
    for epsilon in np.unique(trajectory.epsilon.values[trajectory.role.values == "perturbed"]):
        of_size = trajectory.epsilon.values == epsilon
        growth = trajectory.distance_growth.isel(member=of_size)
        found = [_row("growth", growth.sel(step=step), step, epsilon) for step in ends]
        if late.sizes["step"] > 2:
            found.append(_row("exponent", _power(late.isel(member=of_size)), ends[-1], epsilon))
        for quantity in _recorded(trajectory, "agreement", "output_distance"):
            values = trajectory[f"test_{quantity}"]
            time = str(values.dims[0])
            found.append(_row(quantity, values.isel({"member": of_size, time: -1}), ends[-1], epsilon))
        start = float(trajectory.relative_distance.isel(member=of_size, step=0).median())
        rows += [row | {"relative_start": start} for row in found]
    return rows


def _of_baselines(trajectory: xr.Dataset) -> list[dict]:
    rows = []
    for quantity in _recorded(trajectory, "accuracy", "r2", "loss"):
        values = trajectory[f"test_{quantity}"].isel(member=slice(0, 1))
        time = str(values.dims[0])
        for step in _reported(values[time].values):
            rows.append(_row(quantity, values.sel({time: step}), step, None))
    return rows


def _recorded(trajectory: xr.Dataset, *quantities: str) -> list[str]:
    """Returns the quantities that the trajectory has for the test set: those of classes or of real values."""
    return [quantity for quantity in quantities if f"test_{quantity}" in trajectory]


def _reported(steps: np.ndarray) -> list[int]:
    """Returns step 1,000, if it was recorded, and the last step."""
    return sorted({int(step) for step in steps if step == FIRST} | {int(steps[-1])})


def _power(growth: xr.DataArray) -> xr.DataArray:
    """Computes each member's slope of log d against log t, by least squares."""
    log_time = np.log(growth.step.astype(float))
    away = log_time - log_time.mean()
    return (away * np.log(growth)).sum("step") / (away**2).sum()


def _row(quantity: str, values: xr.DataArray, step: int, epsilon: float | None) -> dict:
    """Computes the mean and spreads of values (init, member); a spread of fewer than two is NaN."""
    found = values.transpose("init", "member").values
    means = found.mean(1)
    num_inits, num_directions = found.shape
    between = found.std(1, ddof=1).mean() if num_directions > 1 else np.nan
    return {
        "quantity": quantity,
        "epsilon": None if epsilon is None else float(epsilon),
        "step": step,
        "mean": float(means.mean()),
        "sd_inits": float(means.std(ddof=1)) if num_inits > 1 else float("nan"),
        "sd_directions": None if epsilon is None else float(between),
        "num_inits": num_inits,
    }
