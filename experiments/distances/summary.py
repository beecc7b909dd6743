"""Summarizes the families of distances of a run: derived arrays, and a few numbers with their spreads."""

import math

import numpy as np
import xarray as xr

from pathjax.analysis.autocorrelation import integrated_time
from pathjax.analysis.derived_records import CLOUDS, cloud_records, group_distance, pair_distance, regime_records
from pathjax.analysis.normality import rejected_planes
from pathjax.analysis.regimes import REGIMES, UNKNOWN
from pathjax.analysis.statistics import spread
from pathjax.reporting.tables import aligned, number, quantiles

SPACES = ("weight", "function")
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
    trajectory = trajectory.assign({f"{by}_distance": group_distance(trajectory, by) for by in ("module", "kind")})
    for space in SPACES:
        clouds = {f"{space}_{name}": cloud_records(trajectory, space, name) for name in CLOUDS}
        trajectory = trajectory.assign(clouds)
    pairs = {f"{space}_pair_distance": pair_distance(trajectory, space) for space in SPACES}
    trajectory = trajectory.assign(pairs).assign(regime=regime_records(trajectory))
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
        [label, *(percent(row["rejected"][space][name]) for space in SPACES for name in ("skewness", "kurtosis"))]
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
    grams = {space: trajectory[f"{space}_gram"].values[-1] for space in SPACES}
    rejected = {space: rejected_planes(gram[np.ix_(own, own)])._asdict() for space, gram in grams.items()}
    return _at_end(trajectory, own) | {"rejected": rejected}


def _at_end(trajectory, chosen) -> dict:
    return {name: spread(trajectory[name].values[-1, chosen])._asdict() for name in END_COLUMNS}


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
