"""How long does the trace of an arm last, and is it more than what seeds do? Distances between what runs decide."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from pathjax.analysis.boundaries import area_between, areas_between, plane_of
from pathjax.analysis.intervals import Interval, mean_over_units
from pathjax.analysis.populations import energy_distance, jackknife_of_units, mean_of_pairs
from pathjax.core.types import AnyArray

BASELINE = "baseline"
ONE_BIT = "one rounding error"
MIN_UNITS = 3
MAX_EXAMPLES = 500  # that figures show
NEAR, EMPTY, TEST = "where data are", "where no data are", "test set"


class Decisions(NamedTuple):
    """What runs decide, at the records of a run.

    Attributes:
        steps: int[time].
        arms: int8[time, init, point] by name, with the baseline and the roundoff member.
        weights: float[point] by name, each a measure whose sum is 1.
    """

    steps: np.ndarray
    arms: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]


class Trace(NamedTuple):
    """The distance d(t) of an arm to the baseline of the same initialization, from the step t1 at which it ends to the
    last one, T; each with a 95% interval over initializations.

    Attributes:
        after: d(t1).
        end: d(T).
        remains: d(T) / d(t1). If nothing moved after t1, it would be 1.
        late: d(T) / d((t1 + T) / 2): 1 on a plateau, and less while it decays.
        beyond_control: d(T) less that of the control arm, which has the same force in a random direction.
        separation: energy distance between all runs of the arm and all baselines at T: more than 0 if the arm differs
            by more than what seeds do.
        seeds: distance between baselines of different initializations at T.
        moved: distance of a baseline at t1 to itself at T: 0 if the boundary has stopped.
    """

    after: Interval
    end: Interval
    remains: Interval
    late: Interval
    beyond_control: Interval
    separation: Interval
    seeds: Interval
    moved: Interval


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
    return Decisions(own[own.dims[0]].values, {name: chosen[:, :, i] for name, i in columns.items()}, weights)


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


def trace_of(found: Decisions, arm: str, measure: str, ended: int, control: str | None) -> Trace | None:
    """Computes an arm's trace after the step at which it ended; None with fewer than 3 initializations."""
    base, own, weights = found.arms[BASELINE], found.arms[arm], found.weights[measure]
    num = own.shape[1]
    after = int(np.searchsorted(found.steps, ended))
    if num < MIN_UNITS or after >= len(found.steps) - 1:
        return None
    middle = int(np.searchsorted(found.steps, (ended + found.steps[-1]) / 2))
    distance = to_baseline(found, arm, measure)
    of_control = np.full(num, np.nan) if control is None else to_baseline(found, control, measure)[-1]
    seeds, within, between = (areas_between(a[-1], b[-1], weights) for a, b in ((base, base), (own, own), (own, base)))

    def some(distances, units):
        return distances[np.ix_(units, units)]

    return Trace(
        mean_over_units(distance[after]),
        mean_over_units(distance[-1]),
        _ratio(distance[-1], distance[after]),
        _ratio(distance[-1], distance[middle]),
        mean_over_units(distance[-1] - of_control),
        jackknife_of_units(lambda u: energy_distance(some(within, u), some(seeds, u), some(between, u)), num),
        jackknife_of_units(lambda u: mean_of_pairs(some(seeds, u)), num),
        mean_over_units(area_between(base[after], base[-1], weights)),
    )


def _ratio(over: np.ndarray, under: np.ndarray) -> Interval:
    if not under.any():
        return Interval(*[float("nan")] * 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        return jackknife_of_units(lambda units: over[units].mean() / under[units].mean(), len(over))


PUSH = "a random push of the same force"
FLAT = 0.8  # d(T) / d(middle) above which a trace that may decay counts as a plateau


def verdict(found: Trace, arm: str, measure: str) -> str:
    """Says whether a trace persists, and beyond what."""
    if not found.end.low > 0:
        return f"{arm}, {measure}: no trace is left at the end ({_percent(found.end)})."
    if found.late.high < 1:
        course = "still decays"
    elif found.late.low > 1:
        course = "still grows"
    else:
        course = "stays" if found.late.low > FLAT else "may stay or decay"
    beyond = []
    beyond += ["seeds"] * bool(found.separation.low > 0)
    beyond += [PUSH] * bool(found.beyond_control.low > 0)
    verb = "does" if beyond == [PUSH] else "do"
    others = f"seeds or {PUSH}" if np.isfinite(found.beyond_control.value) else "seeds"
    more = f"beyond what {' and '.join(beyond)} {verb}" if beyond else f"but not beyond what {others} do"
    moving = (
        "the boundary has hardly moved since"
        if found.moved.value < found.end.value / 2
        else "while the boundary itself moved on"
    )
    return (
        f"{arm}, {measure}: the trace {course}, {more} ({_percent(found.end)} of the area at the end, "
        f"{_share(found.remains)} of what the nudge did); "
        f"{moving} ({_percent(found.moved)})."
    )


def _share(found: Interval) -> str:
    if not np.isfinite(found.value):
        return "an unknown share"
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]" if np.isfinite(found.low) else f"{found.value:.0%}"


def _percent(found: Interval) -> str:
    return f"{found.value:.2%} [{found.low:.2%}, {found.high:.2%}]"
