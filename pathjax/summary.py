"""What a run says in a few numbers, each with its uncertainty, and in words."""

import math

import numpy as np
import xarray as xr

from pathjax.analysis.exponents import exponent
from pathjax.analysis.response import largest_deviation, linear_response_ratio, linear_up_to
from pathjax.analysis.statistics import spread

TOLERANCE = 0.05  # linear response "holds" while the ratio is this near 1


def add_linear_response(trajectory: xr.Dataset) -> xr.Dataset:
    """The trajectory with `linear_response_ratio` for every member, at the steps where tangents were recorded."""
    tangents = trajectory.tangent_norm
    time, fast = tangents.dims[0], trajectory.distance.dims[0]
    distance = trajectory.distance.sel({fast: trajectory[time].values}).values
    ratio = linear_response_ratio(distance, tangents.values, trajectory.epsilon.values, trajectory.seed.values)
    label = {"units": "1", "long_name": "distance / (epsilon |tangent|)"}
    return trajectory.assign(linear_response_ratio=((time, "member"), ratio, label))


def summarise(trajectory: xr.Dataset, num_test: int, piecewise_linear: bool) -> dict:
    """The run's numbers as a JSON-able dict.

    Args:
        trajectory: as written by the divergence experiment, with `add_linear_response`.
        num_test: size of the test set, for the accuracy's standard error.
        piecewise_linear: whether the activation has kinks, which tangents do not see.
    """
    sizes = [_one_epsilon(trajectory, epsilon) for epsilon in np.unique(trajectory.epsilon.values) if epsilon > 0]
    return {
        "members": trajectory.sizes["member"],
        "steps": int(trajectory.step[-1]),
        "controls": _controls(trajectory),
        "perturbed": sizes,
        "linear_response": _linear_response(sizes, piecewise_linear),
        "largest_exponent": _exponent(trajectory),
        "baseline": _baseline(trajectory, num_test),
        "nonfinite": _nonfinite(trajectory),
    }


def _controls(trajectory):
    distance = trajectory.distance.values
    replica, roundoff = (distance[:, trajectory.role.values == role] for role in ("replica", "roundoff"))
    return {
        "replica_largest_distance": float(np.max(replica)),
        "roundoff_first_distance": float(roundoff[0, 0]),
        "roundoff_largest_distance": float(np.max(roundoff)),
    }


def _one_epsilon(trajectory, epsilon):
    some = trajectory.isel(member=trajectory.epsilon.values == epsilon)
    ratio = some.linear_response_ratio.values
    # Median over members first: one member that jumps is a tail, not the rule; the worst is told beside it.
    deviation = largest_deviation(ratio)
    return {
        "epsilon": float(epsilon),
        "growth": spread(some.distance_growth.values[-1])._asdict(),
        "response_ratio": spread(ratio[-1])._asdict(),
        "response_largest_deviation": float(np.max(deviation)),
        "test_agreement": spread(some.test_agreement.values[-1])._asdict(),
        "smallest_distance_over_floor": _over_floor(trajectory, some),
    }


def _over_floor(trajectory, some):
    floor = np.max(trajectory.distance.values[:, trajectory.role.values == "roundoff"])
    smallest = np.min(some.distance.values)
    return float(smallest / floor) if floor > 0 else math.inf


def _linear_response(sizes, piecewise_linear):
    holds = linear_up_to([s["epsilon"] for s in sizes], [s["response_largest_deviation"] for s in sizes], TOLERANCE)
    return {"tolerance": TOLERANCE, "holds_up_to_epsilon": holds, "verdict": _verdict(sizes, holds, piecewise_linear)}


def _verdict(sizes, holds, piecewise_linear):
    smallest = sizes[0]
    kinks = (
        "The activation has kinks: a member that crosses one where the baseline does not gets a gradient that differs "
        "by an amount which does not shrink with epsilon, and the tangent, which sees no kink, misses that growth. "
    )
    if not math.isfinite(smallest["response_largest_deviation"]):
        return "Linear response cannot be told: a loss became non-finite."
    if holds > 0:
        many = "at every size tried" if holds == sizes[-1]["epsilon"] else f"up to epsilon = {holds:g}"
        return (
            f"Linear response holds {many}: distances stay within {TOLERANCE:.0%} of epsilon times the tangent's norm "
            "at every step, so the tangent and its Lyapunov exponent tell what happens to perturbations of this size."
        )
    ratio = smallest["response_ratio"]["median"]
    return (
        f"Linear response fails at every size tried: at the smallest, epsilon = {smallest['epsilon']:g}, the median "
        f"distance ends at {ratio:.3g} times what the tangent predicts. "
        + (kinks if piecewise_linear else "")
        + "The Lyapunov exponent is then that of infinitesimal perturbations only, and tells little of finite ones."
    )


def _exponent(trajectory):
    growth = trajectory.log_growth.isel(tangent=0).values[1:]
    every = int(np.diff(trajectory[trajectory.log_growth.dims[0]].values[:2])[0])
    mean, stderr = exponent(growth, every)
    return {"nats_per_step": mean, "stderr": stderr, "total_nats": float(np.sum(growth, dtype=np.float64))}


def _baseline(trajectory, num_test):
    accuracy = float(trajectory.test_accuracy.values[-1, 0])
    return {
        "test_accuracy": accuracy,
        "test_accuracy_stderr": math.sqrt(accuracy * (1 - accuracy) / num_test),
        "test_loss": float(trajectory.test_loss.values[-1, 0]),
        "train_accuracy": float(trajectory.train_accuracy.values[-1, 0]),
        "train_loss": float(trajectory.train_loss.values[-1, 0]),
    }


def _nonfinite(trajectory):
    first = trajectory.first_nonfinite.values[-1]
    return [
        {"member": int(m), "role": str(trajectory.role.values[m]), "step": int(first[m])}
        for m in np.flatnonzero(first >= 0)
    ]
