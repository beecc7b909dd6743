"""The variables that figures draw: recorded, or derived from others; or one line about what is missing."""

import functools
from collections.abc import Callable

import numpy as np
import xarray as xr

from pathjax.analysis import derived_records as derived
from pathjax.core.errors import require

# Variables that are computed from others, and these.
DERIVED: dict[str, tuple[tuple[str, ...], Callable[[xr.Dataset], xr.DataArray]]] = {
    "linear_response_ratio": (("distance", "tangent_norm"), derived.linear_response_records),
    "regime": (("distance", "tangent_norm"), derived.regime_records),
}
for _by in ("module", "kind"):
    DERIVED[f"{_by}_distance"] = (("leaf_distance",), functools.partial(derived.group_distance, by=_by))
for _space in ("weight", "function"):
    _gram, _pairs = (f"{_space}_gram",), functools.partial(derived.pair_distance, space=_space)
    DERIVED[f"{_space}_pair_distance"] = (_gram, _pairs)
    for _name in derived.CLOUDS:
        _cloud = functools.partial(derived.cloud_records, space=_space, name=_name)
        DERIVED[f"{_space}_{_name}"] = (_gram, _cloud)
EXPECTED = "give what pathjax.to_dataset(result) returns"
PAIRS = ("member_1", "member_2")
# The observables that record what figures draw; of other variables, by the end of the name.
OBSERVABLES = {
    "angle": "weight_angle()",
    "autocorrelation": "weight_autocorrelation(anchors)",
    "batch_loss": "batch_loss()",
    "cka_angle": "linear_cka(...)",
    "distance": "weight_distance()",
    "distance_growth": "weight_distance()",
    "function_autocorrelation": "function_autocorrelation(...)",
    "function_gram": "function_gram(...)",
    "function_log_growth": "function_space_lyapunov(...)",
    "induction_score": "induction_score(...)",
    "leaf_distance": "weight_distance()",
    "log_growth": "lyapunov(...)",
    "projections": "weight_projections(...)",
    "squared_displacement": "weight_autocorrelation(anchors)",
    "tangent_norm": "linear_response(...)",
    "weight_gram": "weight_gram(num_members)",
    "weight_norm": "weight_norm()",
}
ENDINGS = {
    "_line_loss": "linear_connectivity(...)",
    "_accuracy": "classification(...)",
    "_agreement": "classification(...)",
    "_loss": "classification(...)",
    "_size": "intervention_size(name)",
    "sensitivity": "sensitivity(...)",
    "sensitivity_disagreement": "sensitivity(...)",
}


def has(trajectory: xr.Dataset, name: str) -> bool:
    """Whether a variable was recorded, or follows from what was.

    >>> has(xr.Dataset({"leaf_distance": ("step", [0.0])}), "module_distance")
    True
    """
    return name in trajectory or all(one in trajectory for one in DERIVED.get(name, (("",),))[0])


def take(trajectory: xr.Dataset, name: str, *dims: str) -> xr.DataArray:
    """Returns a variable, (time, *dims): the recorded one, or one that others imply.

    Args:
        trajectory: as `pathjax.to_dataset` returns it.
        name: of the variable.
        dims: dimensions after that of time; none: any.

    Raises:
        InputError: if it is not among the records and does not follow from them, members have no labels, or it has
            other dimensions, such as the settings of a sweep.

    >>> take(xr.Dataset({"weight_norm": (("step", "member"), [[1.0]])}), "weight_norm")
    Traceback (most recent call last):
    pathjax.core.errors.InputError: members have no label 'role': give what pathjax.to_dataset(result) returns
    """
    check_data(trajectory)
    require(has(trajectory, name), _missing(trajectory, name))
    values = trajectory[name] if name in trajectory else DERIVED[name][1](trajectory).rename(name)
    for label in ("role", "epsilon") if "member" in values.dims else ():
        if label not in trajectory.coords:  # epsilon may also be an axis of a sweep
            require_label(trajectory, label)
    if not dims:
        return values
    others = [str(dim) for dim in values.dims[1:] if dim not in dims]
    choice = f"data.isel({', '.join(f'{dim}=0' for dim in others)})"
    require(not others, f"'{name}' also has the dimensions {', '.join(others)}: choose one of each, as in {choice}")
    lacking = [dim for dim in dims if dim not in values.dims]
    require(
        not lacking, f"'{name}' has no dimension {', '.join(lacking)}: give what pathjax.to_dataset(result) returns"
    )
    sizes = {values.sizes[dim] for dim in dims if dim in PAIRS} - {trajectory.sizes.get("member")}
    subset = (
        f"'{name}' has all pairs of the members, and the data some members: choose along {' and '.join(PAIRS)} alike"
    )
    require(not sizes, subset)
    return values.transpose(values.dims[0], *dims)


def check_data(trajectory: xr.Dataset) -> None:
    """Raises InputError for anything but a data set.

    >>> check_data(xr.Dataset())
    """
    require(isinstance(trajectory, xr.Dataset), f"a figure cannot draw a {type(trajectory).__name__}: {EXPECTED}")


def require_label(trajectory: xr.Dataset, label: str) -> None:
    """Raises InputError if members lack a label.

    >>> require_label(xr.Dataset(coords={"arm": ("member", ["slow"])}), "arm")
    """
    known = [str(name) for name, values in trajectory.coords.items() if values.dims == ("member",)]
    listed = f" (they have {', '.join(known)})" if known else ""
    expected = "add it by pathjax.with_labels" if known else EXPECTED
    require(label in known, f"members have no label '{label}'{listed}: {expected}")


def sets_of(trajectory: xr.Dataset, measure: str) -> list[str]:
    """Returns the names of the sets of examples on which a measure was recorded for each member; train and test first.

    >>> each = {f"{name}_loss": (("step", "member"), [[1.0]]) for name in ("probe", "train", "batch", "probe_line")}
    >>> sets_of(xr.Dataset(each), "loss")
    ['train', 'probe']
    """
    check_data(trajectory)
    end = f"_{measure}"
    names = [str(name).removesuffix(end) for name in trajectory.data_vars if str(name).endswith(end)]
    # Other records that end alike: of batches, of lines, and of the same measure with other truths.
    strange = ("batch", "mean", "counterfactual", "line", "aligned", "randomized")
    names = [name for name in names if not any(part in strange for part in name.split("_"))]
    return sorted(names, key=lambda name: ("train", "test", name).index(name))


def require_perturbed(trajectory: xr.Dataset) -> None:
    """Raises InputError unless members are perturbed.

    >>> require_perturbed(xr.Dataset(coords={"role": ("member", ["baseline", "perturbed"])}))
    """
    expected = "give the ensemble epsilons, as pathjax.perturbed_ensemble takes them"
    require(
        (trajectory.role.values == "perturbed").any(), f"no member is perturbed, which this figure draws: {expected}"
    )


def compared(trajectory: xr.Dataset) -> dict[str, np.ndarray]:
    """Returns who is compared with the baseline, bool[member] by label: the largest epsilon, then each other role.

    Controls, which stay near the baseline, are left out unless there is nobody else.

    Raises:
        InputError: if there is nobody beside the baseline.

    >>> member = {"role": ("member", ["baseline", "perturbed", "fork"]), "epsilon": ("member", [0, 0.1, 0])}
    >>> list(compared(xr.Dataset(coords=member)))
    ['$\\\\varepsilon$ = 0.1', 'fork']
    """
    role, epsilon = trajectory.role.values, trajectory.epsilon.values
    groups = {}
    if (epsilon > 0).any():
        groups[rf"$\varepsilon$ = {epsilon.max():g}"] = epsilon == epsilon.max()
    names = [one for one in dict.fromkeys(role.tolist()) if one not in ("baseline", "replica", "roundoff")]
    rest = {str(one): (role == one) & (epsilon == 0) for one in names}
    groups |= {one: own for one, own in rest.items() if own.any()}
    groups = groups or {str(one): role == one for one in dict.fromkeys(role.tolist()) if one != "baseline"}
    require(groups, "there is only the baseline: give members to compare with it, as pathjax.perturbed_ensemble does")
    return groups


def _missing(trajectory: xr.Dataset, name: str) -> str:
    parts = DERIVED.get(name, ((name,), None))[0]
    absent = next((one for one in parts if one not in trajectory), name)
    found = OBSERVABLES.get(absent) or next((by for end, by in ENDINGS.items() if absent.endswith(end)), None)
    by = f"record it by pathjax.observables.{found}" if found else "record it by one of pathjax.observables"
    needs = f" '{absent}', from which '{name}' follows" if absent != name else f" '{name}'"
    return f"the data have no{needs}: {by}"
