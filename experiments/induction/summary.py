"""Summarizes when induction heads formed: a step for every member, and the spread over each kind of member."""

import numpy as np
import xarray as xr

from pathjax.reporting.tables import aligned, number

HEADER = ("members", "formed", "step, mean", "± sd", "error of sd", "first to last", "score at the end")
NOTE = (
    "sd: over members of a kind; its error is sd / sqrt(2 (n - 1)), as for normal values. The score is interpolated "
    "linearly between two records. Statistics exclude members that have not formed a head: spreads are then truncated."
)


def formation_steps(trajectory: xr.Dataset, formed: float) -> np.ndarray:
    """Returns the step at which each member's score first reaches `formed`, interpolated between records; NaN: never.

    >>> score = xr.DataArray([[0.0, 0.1], [0.4, 0.2], [0.6, 0.3]], dims=("step", "member"))
    >>> dataset = xr.Dataset({"induction_score": score}, {"step": [0, 10, 20]})
    >>> formation_steps(dataset, 0.5).tolist()
    [15.0, nan]
    """
    score = trajectory.induction_score
    steps = score[score.dims[0]].values.astype(float)
    found = []
    for values in score.transpose(..., "member").values.T:
        above = np.flatnonzero(values >= formed)
        if not len(above):
            found.append(np.nan)
            continue
        i = above[0]
        share = 1.0 if i == 0 else (formed - values[i - 1]) / (values[i] - values[i - 1])
        found.append(steps[max(i - 1, 0)] + share * (steps[i] - steps[max(i - 1, 0)]))
    return np.array(found)


def summarize(trajectory: xr.Dataset, formed: float) -> tuple[dict, str]:
    """Returns the run's numbers as a JSON-compatible dict, and their text."""
    steps = formation_steps(trajectory, formed)
    score = trajectory.induction_score.transpose(..., "member").values[-1]
    distance = trajectory.distance.transpose("step", "member").values
    kinds = _kinds(trajectory)
    rows = [_row(name, steps[own], score[own]) for name, own in kinds.items()]
    summary = {
        "members": int(trajectory.sizes["member"]),
        "steps": int(trajectory.step[-1]),
        "formed": formed,
        "replica_largest_distance": float(distance[:, trajectory.role.values == "replica"].max()),
        "formation_steps": steps.tolist(),
        "final_scores": score.tolist(),
        "test_accuracy": float(trajectory.test_accuracy.transpose(..., "member").values[-1, 0]),
        "rows": rows,
        "verdict": verdict(rows),
    }
    return summary, "\n".join([*aligned([HEADER, *map(cells, rows)]), NOTE, "", summary["verdict"]])


def verdict(rows: list[dict]) -> str:
    """Compares the spread of steps over perturbed members with that over other initializations."""
    independent = next((row for row in rows if row["kind"] == "other initializations"), None)
    perturbed = [row for row in rows if row["kind"].startswith("epsilon")]
    if independent is None or not np.isfinite(independent["sd"]):
        return "Too few networks of other initializations formed heads to measure their spread."
    spreads = "; ".join(
        f"{row['kind']} {number(row['sd'])} ± {number(row['sd_error'])}" for row in perturbed if np.isfinite(row["sd"])
    )
    own = f"{number(independent['sd'])} ± {number(independent['sd_error'])}"
    perturbed_text = f"perturbed members with {spreads}" if spreads else "too few perturbed members"
    return f"Standard deviation of the step, in steps: other initializations {own}; {perturbed_text}."


def cells(row: dict) -> tuple[str, ...]:
    """Formats a row as text."""
    span = f"{number(row['first'])} to {number(row['last'])}" if row["num_formed"] else ""
    error = number(row["sd_error"]) if np.isfinite(row["sd"]) else "none: fewer than 2"
    scores = f"{number(row['score_least'])} to {number(row['score_most'])}"
    counts = (row["kind"], f"{row['num_formed']} of {row['num']}")
    return (*counts, number(row["mean"]), number(row["sd"]), error, span, scores)


def member_rows(trajectory: xr.Dataset, summary: dict) -> list[tuple[str, ...]]:
    """Returns a row of text for each member: its role, its step and its last score."""
    labels = zip(trajectory.role.values, trajectory.epsilon.values, trajectory.seed.values, strict=True)
    rows: list[tuple[str, ...]] = []
    for (role, epsilon, seed), step, score in zip(
        labels, summary["formation_steps"], summary["final_scores"], strict=True
    ):
        which = f"epsilon {epsilon:g}, direction {seed}" if role == "perturbed" else str(role)
        rows.append((which, number(step) if np.isfinite(step) else "not formed", number(score)))
    return rows


def _kinds(trajectory: xr.Dataset) -> dict[str, np.ndarray]:
    role, epsilon = trajectory.role.values, trajectory.epsilon.values
    kinds = {name: role == name for name in ("baseline", "replica", "roundoff")}
    kinds |= {f"epsilon {e:g}": (role == "perturbed") & (epsilon == e) for e in np.unique(epsilon[role == "perturbed"])}
    return {name: own for name, own in (kinds | {"other initializations": role == "independent"}).items() if own.any()}


def _row(kind: str, steps: np.ndarray, scores: np.ndarray) -> dict:
    found = steps[np.isfinite(steps)]
    n = len(found)
    sd = float(found.std(ddof=1)) if n > 1 else float("nan")
    return {
        "kind": kind,
        "num": len(steps),
        "num_formed": n,
        "mean": float(found.mean()) if n else float("nan"),
        "sd": sd,
        "sd_error": sd / float(np.sqrt(2 * (n - 1))) if n > 1 else float("nan"),
        "first": float(found.min()) if n else float("nan"),
        "last": float(found.max()) if n else float("nan"),
        "score_least": float(scores.min()),
        "score_most": float(scores.max()),
    }
