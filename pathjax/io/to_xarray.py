"""Converts records of a rollout to labeled arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import State
from pathjax.engine.rollout import Rollout


def to_dataset(result: Rollout, settings: Mapping[str, Sequence] | None = None) -> xr.Dataset:
    """Returns the records of a rollout as labeled arrays, with units.

    The steps of the fastest cadence are the dimension `step`, those of slower ones `step_<every>`. Members have the
    coordinates role, epsilon and seed, and all their labels (`pathjax.with_labels`).

    The settings of a sweep are a dimension before that of the members. If one hyperparameter differs between them, the
    dimension has its name and values; otherwise it is `setting`, with a coordinate for each that differs.

    Args:
        result: of `pathjax.rollout`.
        settings: for a sweep, the name of its dimension and its labels, to choose them otherwise.

    Returns:
        A data set with a variable for each record.

    Raises:
        InputError: if `result` is not a Rollout, if a label has the name of a setting or of a time dimension, or if the
            number of labels differs from the number of settings.

    >>> import jax, jax.numpy as jnp, pathjax
    >>> key, doubling = jax.random.key(0), pathjax.map_dynamics(lambda x, batch: 2 * x)
    >>> ensemble = pathjax.perturbed_ensemble(
    ...     key, doubling, jnp.ones(9), pathjax.gaussian(), epsilons=[0.1], num_seeds=1
    ... )
    >>> schedule = pathjax.full_batch_schedule(4, num_steps=3)
    >>> result = pathjax.rollout(doubling, ensemble, jnp.zeros(4), schedule, [pathjax.observables.weight_norm()])
    >>> pathjax.to_dataset(result).weight_norm.sel(step=3).isel(member=0).item()
    24.0
    """
    is_rollout = isinstance(result, Rollout)
    require(is_rollout, f"result must be what pathjax.rollout returns, not of type {type(result).__name__}")
    ensemble = result.ensemble
    axes: Mapping[str, Sequence]
    axes, of_settings = _axis_of_settings(ensemble.state) if np.ndim(ensemble.state.step) == 2 else ({}, {})
    if settings:
        _check_settings(settings, axes)
        axes, of_settings = settings, {}
    levels = sorted({one.every for one in result.recorded})
    for name in (*axes, *(f"step_{level}" for level in levels)):
        taken = f"label '{name}' is also a setting of the sweep or a dimension of the records: rename the label"
        require(name not in ensemble.members.labels, taken)
    arrays: dict[str, Any] = {}
    coords: dict[str, Any] = _member_coords(ensemble) | {name: list(labels) for name, labels in axes.items()}
    coords |= of_settings
    for variable, every, scope, extra in result.recorded:
        coords |= {name: list(labels) for name, labels in extra}
        time = "step" if every == levels[0] else f"step_{every}"
        dims = (time, *axes, *(("member",) if scope == "member" else ()), *variable.dims)
        label = {"units": variable.units, "long_name": variable.long_name}
        arrays[variable.name] = (dims, np.asarray(result.records[variable.name]), label)
        coords[time] = (time, result.steps[variable.name], {"units": "step", "long_name": "training steps done"})
        if "leaf" in variable.dims:
            coords |= _leaf_coords(ensemble)
    return xr.Dataset(arrays, coords)


def _axis_of_settings(state: State) -> tuple[dict, dict]:
    """Returns the name and labels of a sweep's dimension, and further coordinates along it."""
    num = np.shape(state.step)[0]
    readable = {name: one for name, one in state.hparams.items() if getattr(one, "is_fully_addressable", True)}
    own = {name: [_shortest(value) for value in np.asarray(one)[:, 0]] for name, one in readable.items()}
    differing = {name: values for name, values in own.items() if len(set(values)) > 1}
    if len(differing) == 1 and all(len(set(values)) == num for values in differing.values()):
        return differing, {}
    return {"setting": range(num)}, {name: ("setting", values) for name, values in differing.items()}


def _shortest(value: np.generic) -> float | int | bool:
    """Returns a number as it was given: 0.1, not the float32 next to it."""
    return float(str(value)) if isinstance(value, np.floating) else value.item()


def _check_settings(settings: Mapping[str, Sequence], axes: Mapping[str, Sequence]) -> None:
    """Checks labels that users give, if the ensemble says how many there are."""
    for own in axes.values():
        require(len(settings) == 1, f"a sweep has one dimension of settings, not {', '.join(settings)}: name it once")
        ((name, labels),) = settings.items()
        given = f"'{name}' has {len(labels)} labels, and the sweep {len(own)} settings: give one label for each"
        require(len(labels) == len(own), given)


def _leaf_coords(ensemble):
    """Returns names of leaves, their modules and their kinds: "Dense_0/bias" is the "bias" of "Dense_0"."""
    names = trees.leaf_names(trees.split_floats(ensemble.state.params)[0])
    parts = [name.rpartition("/") for name in names]
    return {
        "leaf": list(names),
        "leaf_module": ("leaf", np.array([module or kind for module, _, kind in parts], object)),
        "leaf_kind": ("leaf", np.array([kind for _, _, kind in parts], object)),
    }


def _member_coords(ensemble):
    members = ensemble.members
    coords = {
        "role": ("member", members.role.astype(object), {"long_name": "what the member is for"}),
        "epsilon": ("member", members.epsilon, {"units": "1", "long_name": "size of the perturbation"}),
        "seed": ("member", members.seed, {"long_name": "number of the perturbation's direction (-1: none)"}),
    }
    if members.at_step is not None:
        label = {"units": "step", "long_name": "step before which the member is perturbed (-1: never)"}
        coords["at_step"] = ("member", members.at_step, label)
    return coords | {name: ("member", values) for name, values in members.labels.items()}
