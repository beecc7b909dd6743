"""Summarizes the families of distances of a run: derived arrays, and a few numbers with their spreads."""

import math

import numpy as np
import xarray as xr

from pathjax.analysis.autocorrelation import integrated_time
from pathjax.analysis.covariance import cloud, pair_distances
from pathjax.analysis.normality import rejected_planes
from pathjax.analysis.regimes import REGIMES, UNKNOWN, regimes
from pathjax.analysis.statistics import spread
from pathjax.io.to_xarray import grouped_norm
from pathjax.reporting.tables import aligned, number, quantiles

CLOUDS = {"weight": "weight", "function": "logit"}  # spaces, and their units
END_COLUMNS = {
    "distance": "distance",
    "aligned_distance": "matched by weights",
    "activation_aligned_distance": "by activations",
    "balanced_distance": "scales balanced",
    "probe_js_distance": "JS distance [nats^0.5]",
    "probe_barrier": "barrier [nats]",
    "aligned_probe_barrier": "barrier, matched",
}
ON_THE_TERMINAL = ("distance", "aligned_distance", "probe_js_distance", "probe_barrier")


def add_families(trajectory: xr.Dataset) -> tuple[xr.Dataset, dict]:
    """Adds distances by module and kind, the clouds' statistics and the regimes to the trajectory; and their numbers.

    Adds module_distance and kind_distance (step, member, ...); for weights and functions <space>_pair_distance
    (step, member_1, member_2) and, by epsilon, <space>_variance, _participation, _dimension; regime (step, member), the
    place in `analysis.regimes.REGIMES`, -1 for unknown.
    """
    for by in ("module", "kind"):
        label = {"units": "weight", "long_name": f"2-norm distance to the baseline, by {by}"}
        # Renamed, because leaves have a coordinate of this name.
        grouped = grouped_norm(trajectory.leaf_distance, by).rename({by: f"{by}_name"})
        trajectory[f"{by}_distance"] = grouped.assign_attrs(label)
    trajectory = trajectory.merge(_clouds(trajectory)).merge(_pairs(trajectory)).assign(regime=_regimes(trajectory))
    return trajectory, {
        "regimes": _shares(trajectory.regime),
        "at_the_end": {f"{epsilon:g}": _one(trajectory, epsilon) for epsilon in _epsilons(trajectory)},
        "independent": _at_end(trajectory, trajectory.role.values == "independent"),
        "largest_invariance_error": {
            "matched by weights": float(trajectory.invariance_error.max()),
            "matched by activations": float(trajectory.activation_invariance_error.max()),
            "scales balanced": float(trajectory.scale_invariance_error.max()),
        },
        "memory_steps": _memory(trajectory),
    }


def family_lines(families: dict) -> str:
    """Formats the numbers as text."""
    header = ("epsilon", *(END_COLUMNS[name] for name in ON_THE_TERMINAL))
    lines = ["at the end, median over members [16%, 84%]:", *aligned([header, *end_rows(families, ON_THE_TERMINAL)])]
    shares = ", ".join(f"{name} {percent(share)}" for name, share in families["regimes"].items())
    lines.append(f"over all members and steps: {shares} (no error bar)")
    error = max(families["largest_invariance_error"].values())
    last = f"matching and balancing change the logits by at most {number(error)} of the largest logit"
    return "\n".join([*lines, last])


def end_rows(families: dict, columns=tuple(END_COLUMNS)) -> list[list[str]]:
    """Returns distances at the end: a row for each epsilon and one for the independent networks."""
    rows = [*families["at_the_end"].items(), ("independent", families["independent"])]
    return [[label, *(quantiles(row[name]) for name in columns)] for label, row in rows]


def normality_rows(families: dict) -> list[list[str]]:
    """Returns for each epsilon how often skewness and kurtosis reject, in weight and in function space."""
    return [
        [label, *(percent(row["rejected"][space][name]) for space in CLOUDS for name in ("skewness", "kurtosis"))]
        for label, row in families["at_the_end"].items()
    ]


def percent(share: float | None) -> str:
    """Formats a share as whole percent; "n/a" for None and NaN.

    >>> percent(0.25), percent(float("nan"))
    ('25%', 'n/a')
    """
    return f"{share:.0%}" if _known(share) else "n/a"


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def memory_rows(families: dict) -> list[tuple[str, str, str]]:
    """Returns the integrated correlation times."""
    return [
        (name, f"{number(steps)} steps", "one run, no error bar")
        if _known(steps)
        else (name, "n/a", "too long to estimate")
        for name, steps in families["memory_steps"].items()
    ]


def _epsilons(trajectory) -> np.ndarray:
    return np.unique(trajectory.epsilon.values[trajectory.epsilon.values > 0])


def _one(trajectory, epsilon) -> dict:
    own = np.flatnonzero(trajectory.epsilon.values == epsilon)
    grams = {space: trajectory[f"{space}_gram"].values[-1] for space in CLOUDS}
    rejected = {space: rejected_planes(gram[np.ix_(own, own)])._asdict() for space, gram in grams.items()}
    return _at_end(trajectory, own) | {"rejected": rejected}


def _at_end(trajectory, chosen) -> dict:
    return {name: spread(trajectory[name].values[-1, chosen])._asdict() for name in END_COLUMNS}


def _clouds(trajectory) -> xr.Dataset:
    epsilons = _epsilons(trajectory)
    arrays = {}
    for space, unit in CLOUDS.items():
        gram = trajectory[f"{space}_gram"]
        rows = [np.flatnonzero(trajectory.epsilon.values == epsilon) for epsilon in epsilons]
        found = [cloud(gram.values[:, own][:, :, own]) for own in rows]
        dims = (gram.dims[0], "size")
        for name, attribute, units, label in (
            ("variance", "total_variance", f"{unit}^2", "total variance of the members of one epsilon"),
            ("participation", "participation_ratio", "1", "participation ratio of their covariance"),
            ("dimension", "effective_dimension", "1", "effective dimension of their covariance"),
        ):
            values = np.stack([getattr(one, attribute) for one in found], axis=1)
            arrays[f"{space}_{name}"] = (dims, values, {"units": units, "long_name": f"{label} in {space} space"})
    return xr.Dataset(arrays, {"size": ("size", epsilons, {"units": "1", "long_name": "size of the perturbation"})})


def _pairs(trajectory) -> xr.Dataset:
    def one(space, unit):
        gram = trajectory[f"{space}_gram"]
        label = {"units": unit, "long_name": f"distance of each pair of members in {space} space"}
        return (gram.dims, pair_distances(gram.values), label)

    return xr.Dataset({f"{space}_pair_distance": one(space, unit) for space, unit in CLOUDS.items()})


def _regimes(trajectory) -> xr.DataArray:
    ratio, role = trajectory.linear_response_ratio, trajectory.role.values
    time, fast = ratio.dims[0], trajectory.distance.dims[0]
    distance = trajectory.distance.sel({fast: trajectory[time].values}).values
    floor = distance[:, role == "roundoff"].max(1)
    others = distance[:, role == "independent"]
    saturation = np.median(others, axis=1) if others.size else np.full(len(distance), np.nan)
    label = {"units": "1", "long_name": f"regime: {', '.join(f'{i} {name}' for i, name in enumerate(REGIMES))}"}
    return xr.DataArray(regimes(distance, floor, ratio.values, saturation), dims=(time, "member"), attrs=label)


def _shares(regime) -> dict:
    values = regime.values[:, regime.role.values == "perturbed"] if "role" in regime.coords else regime.values
    known = values[values != UNKNOWN]
    return {name: float((known == i).mean()) if known.size else float("nan") for i, name in enumerate(REGIMES)}


def _memory(trajectory) -> dict:
    """Computes the baseline's integrated correlation times since each anchor, in steps; NaN if it does not forget."""
    times = {}
    for name, what in (("autocorrelation", "weights"), ("function_autocorrelation", "logits")):
        values = trajectory[name].isel(member=0)
        steps = values[values.dims[0]].values
        every = int(steps[1] - steps[0])
        for anchor in trajectory.anchor.values:
            one = values.sel(anchor=anchor).values[steps >= anchor]
            times[f"{what} since step {anchor}"] = integrated_time(one, every) if len(one) > 1 else float("nan")
    return times
