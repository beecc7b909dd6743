"""Converts records of a rollout to labeled arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.engine.rollout import Rollout


def to_dataset(result: Rollout, settings: Mapping[str, Sequence] | None = None) -> xr.Dataset:
    """Returns the records of a rollout as labeled arrays, with units.

    The steps of the fastest cadence are the dimension `step`, those of slower ones `step_<every>`. Members have the
    coordinates role, epsilon and seed, and all their labels (`pathjax.with_labels`).

    Args:
        result: of `pathjax.rollout`.
        settings: for a sweep, the labels of its axes, by name.

    Returns:
        A data set with a variable for each record.

    Raises:
        InputError: if a label has the name of a setting or of a dimension of time.

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
    ensemble, axes = result.ensemble, settings or {}
    levels = sorted({one.every for one in result.recorded})
    for name in (*axes, *(f"step_{level}" for level in levels)):
        taken = f"label '{name}' is also a setting of the sweep or a dimension of the records: rename the label"
        require(name not in ensemble.members.labels, taken)
    arrays: dict[str, Any] = {}
    coords: dict[str, Any] = _member_coords(ensemble) | {name: list(labels) for name, labels in axes.items()}
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


def _leaf_coords(ensemble):
    """Returns names of leaves, their modules and their kinds: "Dense_0/bias" is the "bias" of "Dense_0"."""
    names = trees.leaf_names(trees.split_floats(ensemble.state.params)[0])
    parts = [name.rpartition("/") for name in names]
    return {
        "leaf": list(names),
        "leaf_module": ("leaf", np.array([module or kind for module, _, kind in parts], object)),
        "leaf_kind": ("leaf", np.array([kind for _, _, kind in parts], object)),
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
