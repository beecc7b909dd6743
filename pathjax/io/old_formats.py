"""What run folders of earlier formats call otherwise; they are opened, and never written or resumed."""

from typing import Any

import xarray as xr

# By format: old name -> new name, of recorded variables and of keys in summary.json.
RENAMED: dict[str, dict[str, str]] = {
    "pathjax run 1": {"disturbance_moved": "intervention_size", "kinks": "nonsmooth_source"},
}


def renamed_trajectory(file_format: str, trajectory: xr.Dataset) -> xr.Dataset:
    """A trajectory of any format, its variables by the names of today.

    >>> renamed_trajectory("pathjax run 1", xr.Dataset({"disturbance_moved": 0.1})).data_vars.keys() - {None}
    {'intervention_size'}
    """
    names = RENAMED.get(file_format, {})
    return trajectory.rename({old: new for old, new in names.items() if old in trajectory})


def renamed_summary(file_format: str, summary: Any) -> Any:
    """A summary of any format, its keys by the names of today.

    >>> renamed_summary("pathjax run 1", {"cells": [{"disturbance_moved": 0.1}]})
    {'cells': [{'intervention_size': 0.1}]}
    """
    names = RENAMED.get(file_format, {})
    if isinstance(summary, dict):
        return {names.get(key, key): renamed_summary(file_format, value) for key, value in summary.items()}
    if isinstance(summary, list):
        return [renamed_summary(file_format, value) for value in summary]
    return summary
