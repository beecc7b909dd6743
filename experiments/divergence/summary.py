"""Summarizes a run in a few numbers with their uncertainties, and in words."""

import math

import numpy as np
import xarray as xr

from pathjax.analysis.derived_records import finite_size_records, linear_response_records
from pathjax.analysis.exponents import exponent
from pathjax.analysis.finite_size import FiniteSizeCurve
from pathjax.analysis.linear_response import largest_deviation
from pathjax.analysis.statistics import spread
from pathjax.lyapunov.check import collapse_threshold

TOLERANCE = 0.05  # linear response "holds" while the ratio is this close to 1


def add_linear_response(trajectory: xr.Dataset) -> xr.Dataset:
    """Adds `linear_response_ratio` of every member to the trajectory, at the steps with recorded tangents."""
    return trajectory.assign(linear_response_ratio=linear_response_records(trajectory))


def summarize(trajectory: xr.Dataset, num_test: int, activation: str, missed_by_tangents: str) -> dict:
    """Returns the run's numbers as a JSON-compatible dict; the statistics exclude members that became non-finite.

    Args:
        trajectory: the trajectory of the divergence experiment, with `add_linear_response`.
        num_test: number of test examples, for the standard error of the accuracy.
        activation: the activation's name.
        missed_by_tangents: what tangents miss: "noise" (members' own), the part of a step with jumps or kinks
            ("activation", "optimizer", "network"), or "".
    """
    alive = _alive(trajectory)
    epsilons = np.unique(trajectory.epsilon.values[trajectory.epsilon.values > 0])
    sizes = [_one_epsilon(trajectory, epsilon, alive) for epsilon in epsilons]
    curve = finite_size_records(trajectory)
    response = linear_response(sizes, activation, missed_by_tangents)
    response["verdict"] = f"{response['verdict']} {finite_size_words(curve)}".strip()
    return {
        "members": trajectory.sizes["member"],
        "steps": int(trajectory.step[-1]),
        "controls": _controls(trajectory),
        "perturbed": sizes,
        "linear_response": response,
        "finite_size": {name: values.tolist() for name, values in curve._asdict().items()},
        "largest_exponent": _exponent(trajectory, bool(alive[0])),
        "baseline": _baseline(trajectory, num_test, bool(alive[0])),
        "nonfinite": _nonfinite(trajectory),
        "faults": [*_faults(trajectory), *_no_training(trajectory)] if alive[0] else [],
    }


def _alive(trajectory) -> np.ndarray:
    """Returns bool[member], whether a member stayed finite; all False if the baseline, their reference, did not."""
    alive = (trajectory.first_nonfinite.values[-1] < 0) & np.isfinite(trajectory.weight_norm.values[-1])
    return alive & alive[0]


def _controls(trajectory):
    distance = trajectory.distance.values
    replica, roundoff, noise = (
        distance[:, trajectory.role.values == role] for role in ("replica", "roundoff", "noise")
    )
    return {
        "noise_last_distance": spread(noise[-1])._asdict() if noise.size else None,
        "replica_largest_distance": float(np.max(replica)),
        "roundoff_first_distance": float(roundoff[0, 0]),
        "roundoff_largest_distance": float(np.max(roundoff)),
    }


def _one_epsilon(trajectory, epsilon, alive):
    members = trajectory.epsilon.values == epsilon
    some = trajectory.isel(member=members)
    lost = ~alive[members]

    def over_members(last):
        return spread(np.where(lost, np.nan, last))._asdict()

    deviations = largest_deviation(some.linear_response_ratio.values)[~lost]
    floor = np.max(trajectory.distance.values[:, trajectory.role.values == "roundoff"])
    smallest = np.min(some.distance.values[:, ~lost], initial=math.inf)
    return {
        "epsilon": float(epsilon),
        "relative_start": float(np.median(some.relative_distance.values[0])),
        "growth": over_members(some.distance_growth.values[-1]),
        "response_ratio": over_members(some.linear_response_ratio.values[-1]),
        "response_largest_deviation": float(np.max(deviations)) if len(deviations) else math.nan,
        "test_agreement": over_members(some.test_agreement.values[-1]),
        "smallest_distance_over_roundoff": _above(float(smallest), float(floor)),
    }


def _above(distance: float, floor: float) -> float:
    """Returns the distance relative to the floor; 0 if the floor is not finite."""
    if not math.isfinite(floor):
        return 0.0
    return distance / floor if floor > 0 else math.inf


def linear_response(sizes: list[dict], activation: str, missed_by_tangents: str) -> dict:
    """Decides for which epsilons linear response holds, using only distances well above rounding, and explains it.

    Args:
        sizes: for each epsilon, ascending: epsilon, response_largest_deviation, response_ratio (a spread) and
            smallest_distance_over_roundoff.
        activation: the activation's name.
        missed_by_tangents: as in `summarize`.
    """
    # Closer to the floor than this, rounding alone can change the ratio by the tolerance.
    judged = [s for s in sizes if s["smallest_distance_over_roundoff"] >= 1 / TOLERANCE]
    judged = [s for s in judged if math.isfinite(s["response_largest_deviation"])]
    unjudged = [s["epsilon"] for s in sizes if s not in judged]
    holds = [s["epsilon"] for s in judged if s["response_largest_deviation"] <= TOLERANCE]
    verdict = f"Can the tangent be trusted with {activation}? {_verdict(judged, holds, missed_by_tangents)}"
    if unjudged and judged:
        verdict += f" Not judged (too close to the roundoff floor, or not finite): epsilon = {_listed(unjudged)}."
    return {"tolerance": TOLERANCE, "holds_at_epsilon": holds, "not_judged": unjudged, "verdict": verdict}


def _verdict(judged, holds, missed_by_tangents):
    if not judged:
        return "This cannot be decided: no member stayed finite and well above the roundoff floor."
    if len(holds) == len(judged):
        return (
            f"Yes: linear response holds at epsilon = {_listed(holds)}: distances stay within {TOLERANCE:.0%} of "
            "epsilon times the tangent's norm at every step, so the tangent and its Lyapunov exponent predict "
            "perturbations with these epsilons."
        )
    fails = [s for s in judged if s["epsilon"] not in holds]
    first = fails[0]
    answer = "No" if first is judged[0] else "For small perturbations"
    text = (
        f"{answer}: linear response fails at epsilon = {_listed([s['epsilon'] for s in fails])}"
        + (f" and holds at {_listed(holds)}" if holds else "")
        + f": at {first['epsilon']:g} the median distance ends at {first['response_ratio']['median']:.3g} times what "
        f"the tangent predicts, and the worst member is off by {first['response_largest_deviation']:.3g}. "
    )
    if first is not judged[0]:
        return text + "Such large perturbations leave the region where the derivative holds; smaller ones follow it."
    return text + _WHY[missed_by_tangents]


_ONLY = (
    "It fails at the smallest epsilon judged, so the Lyapunov exponent describes infinitesimal perturbations only, and "
    "says little about finite ones."
)
_WHY = {
    "noise": "Members draw noise of their own. The tangent is the derivative along the baseline's noise, and says "
    "nothing about what other noise does, however small epsilon is.",
    "network": "Whether your own network has kinks is not known here. Where it has, tangents miss growth that does not "
    "shrink with epsilon; without them, perturbations grew too large for the derivative during training.",
    "activation": "The activation has kinks: when a member crosses a kink that the baseline does not cross, its "
    "gradient differs by an amount that does not shrink with epsilon, and the tangent misses that growth. " + _ONLY,
    "optimizer": "The optimizer's steps are signs: their derivative is 0, and they jump when a sign changes, by an "
    "amount that does not shrink with epsilon. The tangent misses these jumps. " + _ONLY,
    "": "The activation has no kinks: perturbations follow the derivative as long as they stay small, and these grew "
    "too large during training.",
}


def finite_size_words(curve: FiniteSizeCurve) -> str:
    """Describes up to which separation members grow at their tangents' rate; "" if nothing was measured."""
    if not len(curve.size):
        return ""
    scale = np.maximum(np.abs(curve.rate), np.abs(curve.tangent))
    meets = np.abs(curve.excess) <= np.fmax(2 * curve.stderr, TOLERANCE * scale)
    decidable = meets | np.isfinite(curve.stderr)  # a difference without an error cannot be judged
    if not decidable.any():
        return "Window by window, the rates cannot be compared: with one direction they have no error."
    curve, meets = FiniteSizeCurve(*(values[decidable] for values in curve)), meets[decidable]
    if meets.all():
        low, high = curve.size[0], curve.size[-1]
        return f"Window by window, separations from {low:.2g} to {high:.2g} all grow at their tangents' rate."
    if meets[0]:
        return (
            f"Window by window, separations up to {curve.size[np.argmin(meets) - 1]:.2g} grow at their tangents' rate, "
            "and larger ones do not."
        )
    return (
        f"Window by window, even the smallest separations, near {curve.size[0]:.2g}, do not grow at their tangents' "
        "rate "
        f"of {curve.tangent[0]:.2g} nats per step, but at {curve.rate[0]:.2g} (a difference of {curve.excess[0]:.2g} ± "
        f"{curve.stderr[0]:.1g})."
    )


def _listed(epsilons) -> str:
    return ", ".join(f"{epsilon:g}" for epsilon in epsilons)


def _exponent(trajectory, alive: bool):
    growth = trajectory.log_growth.isel(tangent=0).values[1:]
    every = int(np.diff(trajectory[trajectory.log_growth.dims[0]].values[:2])[0])
    mean, stderr = exponent(growth, every) if alive else (math.nan, math.nan)
    total = float(np.sum(growth, dtype=np.float64)) if alive else math.nan
    return {"nats_per_step": mean, "stderr": stderr, "total_nats": total}


def _baseline(trajectory, num_test, alive: bool):
    names = ("test_accuracy", "test_loss", "train_accuracy", "train_loss")
    last = {name: float(trajectory[name].values[-1, 0]) if alive else math.nan for name in names}
    accuracy = last["test_accuracy"]
    return last | {"test_accuracy_stderr": math.sqrt(accuracy * (1 - accuracy) / num_test)}


def _faults(trajectory) -> list[str]:
    """Describes the faults of the tangents."""
    names = {"tangent_collapse": "weights", "function_collapse": "function"}
    return [f for name, what in names.items() if name in trajectory for f in _fault(trajectory[name].values, what)]


def _no_training(trajectory) -> list[str]:
    first, last = (float(trajectory.train_loss.values[i, 0]) for i in (0, -1))
    if last <= first:
        return []
    return [f"The baseline's training loss rose from {first:.4g} to {last:.4g}: lower the learning rate."]


def _fault(collapse, what) -> list[str]:
    worst, least = float(np.min(collapse)), collapse_threshold(collapse.dtype)
    if not np.isfinite(collapse).all():
        return [f"The tangents of the {what} are not finite, so their exponents are not meaningful."]
    if worst >= least:
        return []
    return [
        f"Tangents of the {what} collapsed: {worst:.1e} of one was left, and below {least:.0e} it is mostly rounding. "
        "Their lower exponents are not meaningful: use a smaller measure.tangent_every, or fewer tangents."
    ]


def _nonfinite(trajectory):
    """Lists the non-finite members of each role and epsilon, with the first such step."""
    first = trajectory.first_nonfinite.values[-1]
    lost = (first >= 0) | ~np.isfinite(trajectory.weight_norm.values[-1])
    groups: dict = {}
    for member in np.flatnonzero(lost):
        role, epsilon = str(trajectory.role.values[member]), float(trajectory.epsilon.values[member])
        group = groups.setdefault((role, epsilon), {"role": role, "epsilon": epsilon, "members": [], "step": None})
        group["members"].append(int(member))
        step = int(first[member]) if first[member] >= 0 else int(trajectory.step[-1])
        group["step"] = step if group["step"] is None else min(step, group["step"])
    return list(groups.values())
