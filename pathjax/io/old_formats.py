"""Renamed variables and keys of run folders in earlier formats, which can be opened, but not written or resumed."""

from typing import Any

import xarray as xr

# By format: old name -> new name, for recorded variables and for keys in summary.json.
RENAMED: dict[str, dict[str, str]] = {
    "pathjax run 1": {
        "disturbance_moved": "intervention_size",
        "kinks": "nonsmooth_source",
        "disturbed": "intervened",
    },
}


def renamed_trajectory(file_format: str, trajectory: xr.Dataset) -> xr.Dataset:
    """Returns a trajectory of any format with its variables under their current names.

    >>> renamed_trajectory("pathjax run 1", xr.Dataset({"disturbance_moved": 0.1})).data_vars.keys() - {None}
    {'intervention_size'}
    """
    names = RENAMED.get(file_format, {})
    return trajectory.rename({old: new for old, new in names.items() if old in trajectory})


def renamed_summary(file_format: str, summary: Any) -> Any:
    """Returns a summary of any format with its keys under their current names.

    >>> renamed_summary("pathjax run 1", {"cells": [{"disturbance_moved": 0.1}]})
    {'cells': [{'intervention_size': 0.1}]}
    """
    names = RENAMED.get(file_format, {})
    if isinstance(summary, dict):
        return {names.get(key, key): renamed_summary(file_format, value) for key, value in summary.items()}
    if isinstance(summary, list):
        return [renamed_summary(file_format, value) for value in summary]
    return summary
