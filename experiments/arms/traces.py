"""How long does the trace of an arm last, and is it more than what seeds do? Distances between what runs decide."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from pathjax.analysis.boundaries import area_between, areas_between, plane_of
from pathjax.analysis.intervals import Interval, mean_over_units
from pathjax.analysis.populations import MIN_UNITS, energy_distance, jackknife_of_units, mean_of_pairs
from pathjax.core.types import AnyArray

BASELINE = "baseline"
ONE_BIT = "one rounding error"
MAX_EXAMPLES = 500  # that figures show
NEAR, EMPTY, TEST = "where data are", "where no data are", "test set"


class Decisions(NamedTuple):
    """What runs decide, at the records of a run.

    Attributes:
        steps: int[time].
        arms: int8[time, init, point] by name, with the baseline and the roundoff member.
        weights: float[point] by name, each a measure whose sum is 1.
        loss: float[time, init], the loss of the baseline's last step.
    """

    steps: np.ndarray
    arms: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    loss: np.ndarray


class Trace(NamedTuple):
    """The distance d(t) of an arm to the baseline of the same initialization, from the step t1 at which it ends to the
    last one, T; each with a 95% interval over initializations.

    Attributes:
        after: d(t1).
        end: d(T).
        remains: d(T) / d(t1).
        late: d(T) / d((t1 + T) / 2): 1 on a plateau, and less while it decays.
        frozen: distance of the arm at t1 to the baseline at T: d(T) of a run that is frozen at t1.
        beyond_bit: d(T) less that of the member that one rounding error moved.
        beyond_control: d(T) less that of the control arm, which has the same force in a random direction.
        seeds: distance between baselines of different initializations at T.
        separation: energy distance between all runs of the arm and all baselines at T, over `seeds`: more than 0 if the
            two populations differ.
        separation_from_control: the same between the arm and the control.
        moved: distance of a baseline at t1 to itself at T: 0 if the boundary has stopped.
        loss_after, loss_end: of the baselines at t1 and T.
    """

    after: Interval
    end: Interval
    remains: Interval
    late: Interval
    frozen: Interval
    beyond_bit: Interval
    beyond_control: Interval
    seeds: Interval
    separation: Interval
    separation_from_control: Interval
    moved: Interval
    loss_after: Interval
    loss_end: Interval


def with_plane(trajectory: xr.Dataset, inputs: AnyArray, labels: AnyArray) -> xr.Dataset:
    """Adds the points of the plane, its measures and the training examples to the recorded decisions."""
    if "plane_decision" not in trajectory:
        return trajectory
    plane = plane_of(np.asarray(inputs, float), round(trajectory.sizes["plane_point"] ** 0.5))
    named = {"x": plane.points[:, 0], "y": plane.points[:, 1], "near": plane.near, "empty": plane.empty}
    found = trajectory.assign_coords({f"plane_{name}": ("plane_point", values) for name, values in named.items()})
    examples = np.column_stack([np.asarray(inputs, float), np.asarray(labels, float)])[:MAX_EXAMPLES]
    return found.assign_attrs(plane_extent=list(plane.extent), plane_examples=examples.ravel().round(4).tolist())


def decisions_of(trajectory: xr.Dataset) -> Decisions:
    """Returns what the arms decide: in the plane, or, for other data, on the test set."""
    if "plane_decision" in trajectory:
        own = trajectory.plane_decision.transpose(..., "init", "member", "plane_point")
        weights = {NEAR: trajectory.plane_near.values, EMPTY: trajectory.plane_empty.values}
        chosen = own.values
    else:
        own = trajectory.test_outputs.transpose(..., "init", "member", "test_example", "class")
        chosen = own.values.argmax(-1).astype(np.int8)
        weights = {TEST: np.full(chosen.shape[-1], 1 / chosen.shape[-1])}
    role, arm = trajectory.role.values, trajectory.arm.values
    columns = {BASELINE: int(np.flatnonzero(role == "baseline")[0])}
    columns |= {ONE_BIT: int(np.flatnonzero(role == "roundoff")[0])}
    columns |= {str(arm[i]): int(i) for i in np.flatnonzero(role == "arm")}
    steps = own[own.dims[0]].values
    loss = trajectory.batch_loss.transpose("step", "init", "member").sel(step=steps).values[:, :, columns[BASELINE]]
    return Decisions(steps, {name: chosen[:, :, i] for name, i in columns.items()}, weights, loss)


def to_baseline(found: Decisions, arm: str, measure: str) -> np.ndarray:
    """Returns the distance of an arm to the baseline of the same initialization, float[time, init]."""
    return area_between(found.arms[arm], found.arms[BASELINE], found.weights[measure])


def between_baselines(found: Decisions, measure: str) -> np.ndarray:
    """Returns the mean distance between baselines of different initializations, float[time]."""
    weights = found.weights[measure]
    return np.array([mean_of_pairs(areas_between(now, now, weights)) for now in found.arms[BASELINE]])


def ends_of(arms: Mapping[str, Mapping], num_steps: int) -> dict[str, int]:
    """Returns the step at which each arm's last window ends; arms that last until the end of the run have none.

    >>> ends_of({"always": {"l1": 0.1}, "nudge": {"l1": (0.1, 0, 100)}}, 200)
    {'nudge': 100}
    """
    found = {}
    for name, values in arms.items():
        is_window = [isinstance(value, tuple) and value[2] < num_steps for value in values.values()]
        if is_window and all(is_window):
            found[name] = max(int(value[2]) for value in values.values())
    return found


def is_push(values: Mapping) -> bool:
    """Returns whether an arm is a random push and nothing else."""
    return bool(values) and set(values) <= {"tilt", "tilt_seed"}


def control_of(arms: Mapping[str, Mapping], arm: str) -> str | None:
    """Returns the random push that has the force of an arm with L1, in the same steps; None if there is none.

    >>> control_of({"nudge": {"l1": (0.1, 0, 9)}, "push": {"tilt": (0.1, 0, 9)}}, "nudge")
    'push'
    """
    wanted = {"tilt": arms[arm].get("l1")}
    alone = set(arms[arm]) == {"l1"}
    return next(
        (name for name, values in arms.items() if alone and {**values, "tilt_seed": 0} == wanted | {"tilt_seed": 0}),
        None,
    )


def record_after(found: Decisions, ended: int) -> int | None:
    """Returns the step of the first record from `ended` on; None if it is the last one."""
    later = found.steps[:-1][found.steps[:-1] >= ended]
    return int(later[0]) if len(later) else None


def trace_of(found: Decisions, arm: str, measure: str, ended: int, control: str | None) -> Trace | None:
    """Computes an arm's trace after the step at which it ended, or the next record.

    Returns:
        Trace; None with fewer than 3 initializations, or without a record between then and the end. Without a record
        half-way, `late` is NaN; without a control, `beyond_control` is.
    """
    base, own, weights = found.arms[BASELINE], found.arms[arm], found.weights[measure]
    num, first = own.shape[1], record_after(found, ended)
    if num < MIN_UNITS or first is None:
        return None
    after = int(np.searchsorted(found.steps, first))
    middle = int(np.searchsorted(found.steps, (first + found.steps[-1]) / 2))
    distance = to_baseline(found, arm, measure)
    half_way = distance[middle] if after < middle < len(distance) - 1 else np.zeros(num)
    of_control, separation_from_control = np.full(num, np.nan), Interval(*[float("nan")] * 3)
    if control is not None:
        of_control = to_baseline(found, control, measure)[-1]
        separation_from_control = _separation(own[-1], found.arms[control][-1], base[-1], weights)
    seeds = areas_between(base[-1], base[-1], weights)

    return Trace(
        after=mean_over_units(distance[after]),
        end=mean_over_units(distance[-1]),
        remains=_ratio(distance[-1], distance[after]),
        late=_ratio(distance[-1], half_way),
        frozen=mean_over_units(area_between(own[after], base[-1], weights)),
        beyond_bit=mean_over_units(distance[-1] - to_baseline(found, ONE_BIT, measure)[-1]),
        beyond_control=mean_over_units(distance[-1] - of_control),
        seeds=jackknife_of_units(lambda units: mean_of_pairs(seeds[np.ix_(units, units)]), num),
        separation=_separation(own[-1], base[-1], base[-1], weights),
        separation_from_control=separation_from_control,
        moved=mean_over_units(area_between(base[after], base[-1], weights)),
        loss_after=mean_over_units(found.loss[after]),
        loss_end=mean_over_units(found.loss[-1]),
    )


def _separation(own: np.ndarray, other: np.ndarray, base: np.ndarray, weights: np.ndarray) -> Interval:
    """Returns the energy distance between two populations of runs, over the distance between baselines."""
    pairs = ((own, own), (other, other), (own, other), (base, base))
    *parts, seeds = (areas_between(a, b, weights) for a, b in pairs)

    def statistic(units):
        among = np.ix_(units, units)
        of_seeds = mean_of_pairs(seeds[among])
        return energy_distance(*(distances[among] for distances in parts)) / of_seeds if of_seeds > 0 else np.nan

    return jackknife_of_units(statistic, len(own))


def _ratio(over: np.ndarray, under: np.ndarray) -> Interval:
    if not under.any():
        return Interval(*[float("nan")] * 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        return jackknife_of_units(lambda units: over[units].mean() / under[units].mean(), len(over))
