"""What reports say of members that draw noise of their own."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from pathjax.analysis.statistics import spread
from pathjax.reporting.tables import number


def has_own_noise(config: Mapping[str, Any]) -> bool:
    """Returns whether a run's members draw noise of their own, by its config.

    >>> has_own_noise({"perturbation": {"noise": "own"}}), has_own_noise({})
    (True, False)
    """
    return dict(config.get("perturbation", {})).get("noise") == "own"


def noise_words(trajectory: xr.Dataset) -> str:
    """Describes what the members' own noise does to their distances.

    Args:
        trajectory: `distance` (step, ..., member) of a run in which members draw noise of their own; members have
            `role`.
    """
    last = trajectory.distance[-1].isel(member=trajectory.role.values == "noise")
    alone = "what noise alone does was not measured: set perturbation.num_noise_members"
    if last.size:
        found = spread(last.values)
        scatter = f" ± {number(found.sd)}" if found.n > 1 else ""
        members = f"{found.n} members, mean and standard deviation" if found.n > 1 else "one member, no error bar"
        alone = f"members that differ in nothing else end at {number(found.mean)}{scatter} ({members})"
    return (
        "Perturbed members draw noise of their own, from the first step on and whatever their perturbation; they share "
        f"only the batches. {alone[0].upper()}{alone[1:]}. Effects of perturbations that are smaller cannot be seen."
    )


def noise_row(last: dict | None) -> list[tuple[str, str, str]]:
    """Returns the row of the members that differ from the baseline only in their noise, if there are any.

    >>> noise_row({"mean": 0.25, "sd": 0.125, "n": 2})
    [('noise alone, last distance', '0.25 ± 0.125', 'mean and standard deviation over 2 members')]
    """
    if last is None:
        return []
    name, mean = "noise alone, last distance", number(last["mean"])
    if last["n"] == 1:
        return [(name, mean, "one member, no error bar")]
    return [(name, f"{mean} ± {number(last['sd'])}", f"mean and standard deviation over {last['n']} members")]
