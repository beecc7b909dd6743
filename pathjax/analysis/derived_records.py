"""What the labeled records of a rollout imply: ratios to tangents, regimes, clouds, groups of leaves, outcomes."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from pathjax.analysis.covariance import cloud, pair_distances
from pathjax.analysis.exponents import ExponentCurve, exponent_curve
from pathjax.analysis.finite_size import FiniteSizeCurve, finite_size_curve
from pathjax.analysis.linear_response import linear_response_ratio
from pathjax.analysis.regimes import REGIMES, regimes
from pathjax.analysis.statistics import blocking

CLOUDS = {
    "variance": ("total_variance", "{}^2", "total variance of the members of one epsilon"),
    "participation": ("participation_ratio", "1", "participation ratio of their covariance"),
    "dimension": ("effective_dimension", "1", "effective dimension of their covariance"),
}


def grouped_norm(leaf_distance: xr.DataArray, by: str, p: float = 2) -> xr.DataArray:
    """Returns distances by "module" or "kind", from those of the leaves: the p-norm over each group.

    >>> leaves = {"leaf": ["a", "b"], "leaf_kind": ("leaf", ["bias", "bias"])}
    >>> grouped_norm(xr.DataArray([3.0, 4.0], dims="leaf", coords=leaves), "kind").values.tolist()
    [5.0]
    """
    name = f"leaf_{by}"
    if np.isinf(p):
        found = leaf_distance.groupby(name).max("leaf")
    else:
        found = (leaf_distance**p).groupby(name).sum("leaf") ** (1 / p)
    return found.rename({name: by})


def group_distance(trajectory: xr.Dataset, by: str) -> xr.DataArray:
    """Returns the 2-norm distances of "module" or "kind", (step, member, <by>_name).

    Args:
        trajectory: `leaf_distance` (step, member, leaf), as `pathjax.to_dataset` labels it.
        by: "module" or "kind".

    >>> leaves = {"leaf": ["a", "b"], "leaf_kind": ("leaf", ["bias", "bias"])}
    >>> data = xr.Dataset({"leaf_distance": (("step", "member", "leaf"), [[[3.0, 4.0]]])}, leaves)
    >>> group_distance(data, "kind").dims
    ('step', 'member', 'kind_name')
    """
    # Renamed, because leaves have a coordinate of this name.
    grouped = grouped_norm(trajectory.leaf_distance, by).rename({by: f"{by}_name"})
    return grouped.assign_attrs(units="weight", long_name=f"2-norm distance to the baseline, by {by}")


def _at_tangents(trajectory: xr.Dataset) -> tuple[str, np.ndarray, np.ndarray]:
    """Returns the dimension of time and the norms of the recorded tangents, and the distances at their steps."""
    tangents, distance = trajectory.tangent_norm, trajectory.distance
    time, fast = str(tangents.dims[0]), distance.dims[0]
    return time, tangents.values, distance.sel({fast: trajectory[time].values}).values


def linear_response_records(trajectory: xr.Dataset) -> xr.DataArray:
    """Returns d / (epsilon |tangent|) of each member, at the steps with recorded tangents.

    Args:
        trajectory: `distance` (step, member) and `tangent_norm` (step, direction); members have `epsilon` and `seed`.

    >>> member = {"epsilon": ("member", [0.0, 0.1]), "seed": ("member", [-1, 0]), "step": [0]}
    >>> each = {"distance": (("step", "member"), [[0.0, 0.2]]), "tangent_norm": (("step", "direction"), [[2.0]])}
    >>> linear_response_records(xr.Dataset(each, member)).values.tolist()
    [[nan, 1.0]]
    """
    time, tangents, distance = _at_tangents(trajectory)
    ratio = linear_response_ratio(distance, tangents, trajectory.epsilon.values, trajectory.seed.values)
    label = {"units": "1", "long_name": "distance / (epsilon |tangent|)"}
    coords = {name: trajectory[name] for name in trajectory.coords if trajectory[name].dims in ((time,), ("member",))}
    return xr.DataArray(ratio, dims=(time, "member"), coords=coords, attrs=label)


def finite_size_records(trajectory: xr.Dataset) -> FiniteSizeCurve:
    """Returns growth rates by separation (`analysis.finite_size`), at the steps with recorded tangents.

    Args:
        trajectory: see `linear_response_records`.

    >>> member = {"epsilon": ("member", [1.0]), "seed": ("member", [0]), "step": [0, 1, 2]}
    >>> grown = [[1.0], [2.0], [4.0]]
    >>> each = {"distance": (("step", "member"), grown), "tangent_norm": (("step", "direction"), grown)}
    >>> finite_size_records(xr.Dataset(each, member)).rate.round(3).tolist()
    [0.693]
    """
    time, tangents, distance = _at_tangents(trajectory)
    epsilon, seed, steps = trajectory.epsilon.values, trajectory.seed.values, trajectory[time].values
    return finite_size_curve(distance, tangents, epsilon, seed, _every(steps))


def regime_records(trajectory: xr.Dataset) -> xr.DataArray:
    """Returns the regime of each member, the place in `analysis.regimes.REGIMES`, -1 for unknown.

    Without a roundoff member the floor is 0; without independent networks no distance counts as saturated.

    Args:
        trajectory: see `linear_response_records`; members have `role`.

    >>> member = {name: ("member", [value]) for name, value in (("role", "perturbed"), ("epsilon", 0.1), ("seed", 0))}
    >>> each = {"distance": (("step", "member"), [[0.2]]), "tangent_norm": (("step", "direction"), [[2.0]])}
    >>> regime_records(xr.Dataset(each, {"step": [0], **member})).values.tolist()
    [[1]]
    """
    if "linear_response_ratio" in trajectory:
        ratio = trajectory.linear_response_ratio
    else:
        ratio = linear_response_records(trajectory)
    fast, role = trajectory.distance.dims[0], trajectory.role.values
    distance = trajectory.distance.sel({fast: trajectory[ratio.dims[0]].values}).values
    floor = distance[:, role == "roundoff"].max(1, initial=0)
    others = distance[:, role == "independent"]
    saturation = np.median(others, axis=1) if others.size else np.full(len(distance), np.nan)
    label = {"units": "1", "long_name": f"regime: {', '.join(f'{i} {name}' for i, name in enumerate(REGIMES))}"}
    found = regimes(distance, floor, ratio.values, saturation)
    return xr.DataArray(found, dims=ratio.dims, coords=ratio.coords, attrs=label)


def pair_distance(trajectory: xr.Dataset, space: str) -> xr.DataArray:
    """Returns the distances of all pairs of members, (step, member_1, member_2).

    Args:
        trajectory: `<space>_gram`, of `observables.weight_gram` or `observables.function_gram`.
        space: "weight" or "function".

    >>> gram = {"weight_gram": (("step", "member_1", "member_2"), [[[9.0, 0.0], [0.0, 16.0]]])}
    >>> pair_distance(xr.Dataset(gram), "weight").values.tolist()
    [[[0.0, 5.0], [5.0, 0.0]]]
    """
    gram = trajectory[f"{space}_gram"]
    label = {"units": _unit(space), "long_name": f"distance of each pair of members in {space} space"}
    return xr.DataArray(pair_distances(gram.values), dims=gram.dims, coords=gram.coords, attrs=label)


def cloud_records(trajectory: xr.Dataset, space: str, name: str) -> xr.DataArray:
    """Returns a statistic of the cloud of each epsilon's members, (step, size), sizes being epsilons in order.

    Args:
        trajectory: see `pair_distance`; members have `epsilon`.
        space: "weight" or "function".
        name: "variance", "participation" or "dimension".

    >>> gram = {"weight_gram": (("step", "member_1", "member_2"), np.diag([0.0, 1.0, 1.0])[None])}
    >>> data = xr.Dataset(gram, {"step": [0], "epsilon": ("member", [0, 0.1, 0.1])})
    >>> cloud_records(data, "weight", "variance").values.tolist()
    [[1.0]]
    """
    gram, epsilon = trajectory[f"{space}_gram"], trajectory.epsilon.values
    attribute, units, words = CLOUDS[name]
    sizes = np.unique(epsilon[epsilon > 0])
    rows = [np.flatnonzero(epsilon == size) for size in sizes]
    found = [getattr(cloud(gram.values[:, own][:, :, own]), attribute) for own in rows]
    time = gram.dims[0]
    size = ("size", sizes, {"units": "1", "long_name": "size of the perturbation"})
    label = {"units": units.format(_unit(space)), "long_name": f"{words} in {space} space"}
    values = np.stack(found, axis=1) if found else np.zeros((gram.sizes[time], 0))
    coords = {"size": size} | ({time: trajectory[time]} if time in trajectory.coords else {})
    return xr.DataArray(values, dims=(time, "size"), coords=coords, attrs=label)


def _unit(space: str) -> str:
    return {"weight": "weight", "function": "logit"}[space]


def exponent_records(trajectory: xr.Dataset, name: str = "log_growth") -> ExponentCurve:
    """Returns the largest exponent over time (`analysis.exponents.exponent_curve`).

    Args:
        trajectory: `name` (step, tangent), as `observables.lyapunov` records it.
        name: of the log-growth.

    >>> data = xr.Dataset({"log_growth": (("step", "tangent"), [[0.0], [1.0], [1.0]])}, {"step": [0, 2, 4]})
    >>> exponent_records(data).mean.tolist()
    [0.5, 0.5]
    """
    values = trajectory[name]
    return exponent_curve(values.values[1:, 0], _every(trajectory[values.dims[0]].values))


def spectrum_records(trajectory: xr.Dataset, name: str = "log_growth") -> tuple[np.ndarray, np.ndarray]:
    """Returns the exponents of a whole run, largest first, and their standard errors by blocking, in nats per step.

    Args:
        trajectory: see `exponent_records`.
        name: of the log-growth.

    >>> growth = np.tile([0.5, 1.0], (9, 1))
    >>> data = xr.Dataset({"log_growth": (("step", "tangent"), growth)}, {"step": np.arange(0, 18, 2)})
    >>> spectrum_records(data)[0].tolist()
    [0.5, 0.25]
    """
    values = trajectory[name]
    growth, durations = values.values[1:].astype(np.float64), np.diff(trajectory[values.dims[0]].values)
    mean, stderr = blocking(growth / durations[:, None])
    order = np.argsort(-mean)
    return mean[order], stderr[order]


def exponents_in_windows(
    trajectory: xr.Dataset, name: str = "log_growth", num_windows: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps at the ends of the windows, and the exponents [window, k] in each, in nats per step.

    Args:
        trajectory: see `exponent_records`.
        name: of the log-growth.
        num_windows: the maximum number of windows.

    >>> data = xr.Dataset({"log_growth": (("step", "tangent"), [[0.0], [1.0], [2.0]])}, {"step": [0, 2, 4]})
    >>> exponents_in_windows(data)[1].tolist()
    [[0.5], [1.0]]
    """
    values = trajectory[name]
    steps = trajectory[values.dims[0]].values
    ends = np.unique(np.linspace(0, len(steps) - 1, num_windows + 1).astype(int))
    total = np.cumsum(values.values.astype(np.float64), axis=0)[ends]
    return steps[ends], np.diff(total, axis=0) / np.diff(steps[ends])[:, None]


def _every(steps: np.ndarray) -> int:
    return int(steps[1] - steps[0]) if len(steps) > 1 else 1


def outcome_by_intervention(trajectory: xr.Dataset, name: str) -> xr.DataArray:
    """Returns what interventions lead to in the end, (at_step, epsilon, seed); NaN for members that became non-finite.

    Args:
        trajectory: `name` (step, member); members have `role`, `epsilon`, `seed` and `at_step`, as those of
            `pathjax.intervened_ensemble` have. If `first_nonfinite` was recorded, it says who became non-finite.
        name: of the variable, or "growth": the distance at the end divided by `intervention_size`.

    >>> labels = {"role": "perturbed", "epsilon": 0.1, "seed": 0, "at_step": 2}
    >>> member = {label: ("member", [value]) for label, value in labels.items()}
    >>> data = xr.Dataset({"distance": (("step", "member"), [[0.0], [0.5]])}, member)
    >>> outcome_by_intervention(data, "distance").sel(at_step=2, epsilon=0.1).values.tolist()
    [0.5]
    """
    intervened = np.flatnonzero(trajectory.role.values == "perturbed")
    axes: Sequence[str] = ("at_step", "epsilon", "seed")
    labels = [trajectory[label].values[intervened] for label in axes]
    coords = [np.unique(label) for label in labels]
    places = tuple(np.searchsorted(coord, label) for coord, label in zip(coords, labels, strict=True))
    ends = trajectory.distance if name == "growth" else trajectory[name]
    found = ends.values[-1, intervened].astype(float)
    if name == "growth":
        moved = trajectory.intervention_size.values[-1, intervened]
        found = found / np.where(moved > 0, moved, np.nan)
    if "first_nonfinite" in trajectory:
        found = np.where(trajectory.first_nonfinite.values[-1, intervened] < 0, found, np.nan)
    values = np.full([len(coord) for coord in coords], np.nan)
    values[places] = found
    return xr.DataArray(values, dict(zip(axes, coords, strict=True)), name=name, attrs=ends.attrs)
