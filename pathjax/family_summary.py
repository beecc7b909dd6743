"""What the families of distances say of a run: derived arrays, and a few numbers with their spreads."""

import numpy as np
import xarray as xr

from pathjax.analysis.density import cloud, mardia
from pathjax.analysis.memory import integrated_time
from pathjax.analysis.regimes import REGIMES, UNKNOWN, regimes
from pathjax.analysis.statistics import spread
from pathjax.labelled import grouped_norm

CLOUDS = ("weight", "function")


def add_families(trajectory: xr.Dataset) -> tuple[xr.Dataset, dict]:
    """The trajectory with distances by module and kind, the clouds' statistics and the regimes; and their numbers.

    Adds module_distance and kind_distance (step, member, ...); for weights and functions, by epsilon, <space>_variance,
    _participation, _dimension; regime (step, member), the place in `analysis.regimes.REGIMES`, -1 for unknown.
    """
    for by in ("module", "kind"):
        label = {"units": "weight", "long_name": f"2-norm distance to the baseline, by {by}"}
        trajectory[f"{by}_distance"] = grouped_norm(trajectory.leaf_distance, by).assign_attrs(label)
    trajectory = trajectory.merge(_clouds(trajectory)).assign(regime=_regimes(trajectory))
    return trajectory, {
        "regimes": _shares(trajectory.regime),
        "at_the_end": {f"{epsilon:g}": _one(trajectory, epsilon) for epsilon in _epsilons(trajectory)},
        "independent": _at_end(trajectory, trajectory.role.values == "independent"),
        "largest_invariance_error": float(trajectory.invariance_error.max()),
        "memory_steps": _memory(trajectory),
    }


def family_lines(families: dict) -> str:
    """The numbers as text."""
    lines = ["at the end, median over members [16%, 84%]:"]
    lines.append(f"{'epsilon':12}{'distance':>28}{'matched':>28}{'JS distance':>34}{'barrier [nats]':>34}")
    for name, row in [*families["at_the_end"].items(), ("independent", families["independent"])]:
        cells = [row[key] for key in ("distance", "aligned_distance", "probe_js_distance", "probe_barrier")]
        texts = [f"{c['median']:.3g} [{c['low']:.3g}, {c['high']:.3g}]" for c in cells]
        lines.append(
            f"{name:12}" + "".join(f"{text:>{width}}" for text, width in zip(texts, (28, 28, 34, 34), strict=True))
        )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in families["regimes"].items())
    lines.append(f"of all members and steps: {shares} (no error: every record is counted)")
    error = families["largest_invariance_error"]
    return "\n".join([*lines, f"matching changes the logits by {error:.1g} of the largest at most, which is rounding"])


def _epsilons(trajectory) -> np.ndarray:
    return np.unique(trajectory.epsilon.values[trajectory.epsilon.values > 0])


def _one(trajectory, epsilon) -> dict:
    chosen = trajectory.epsilon.values == epsilon
    found = _at_end(trajectory, chosen)
    points = trajectory.projections[-1].values[chosen]
    gaussianity = mardia((points - trajectory.projections[-1].values[0])[:, :2])
    return found | {"skewness_p": gaussianity.skewness_p, "kurtosis_p": gaussianity.kurtosis_p}


def _at_end(trajectory, chosen) -> dict:
    names = ("distance", "aligned_distance", "balanced_distance", "probe_js_distance", "probe_barrier")
    return {name: spread(trajectory[name].values[-1, chosen])._asdict() for name in names}


def _clouds(trajectory) -> xr.Dataset:
    epsilons = _epsilons(trajectory)
    arrays = {}
    for space, units in zip(CLOUDS, ("weight^2", "logit^2"), strict=True):
        gram = trajectory[f"{space}_gram"]
        rows = [np.flatnonzero(trajectory.epsilon.values == epsilon) for epsilon in epsilons]
        found = [cloud(gram.values[:, own][:, :, own]) for own in rows]
        dims = (gram.dims[0], "size")
        for name, attribute, unit, label in (
            ("variance", "total_variance", units, "total variance of the members of one epsilon"),
            ("participation", "participation_ratio", "1", "participation ratio of their covariance"),
            ("dimension", "effective_dimension", "1", "effective dimension of their covariance"),
        ):
            values = np.stack([getattr(one, attribute) for one in found], axis=1)
            arrays[f"{space}_{name}"] = (dims, values, {"units": unit, "long_name": f"{label} in {space} space"})
    return xr.Dataset(arrays, {"size": ("size", epsilons, {"units": "1", "long_name": "size of the perturbation"})})


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
    """Integrated correlation times of the baseline since each anchor, in steps; NaN where it does not forget."""
    times = {}
    for name in ("autocorrelation", "function_autocorrelation"):
        values = trajectory[name].isel(member=0)
        steps = values[values.dims[0]].values
        every = int(steps[1] - steps[0])
        for anchor in trajectory.anchor.values:
            one = values.sel(anchor=anchor).values[steps >= anchor]
            times[f"{name} since {anchor}"] = integrated_time(one, every) if len(one) > 1 else float("nan")
    return times
