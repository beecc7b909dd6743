"""A run without a folder: its trajectory in memory, for studies of many small runs."""

from collections.abc import Callable
from typing import Any

import xarray as xr

from pathjax.engine.observe import record_steps, recorded
from pathjax.engine.rollout import Rollout, join_records
from pathjax.experiments.runner import precision
from pathjax.experiments.runner.settings import RunSettings
from pathjax.experiments.runner.setup import Parts, chunks_of, set_up
from pathjax.io.to_xarray import to_dataset


def trajectory_of(settings: RunSettings, make_observables: Callable[[Any, Parts], list]) -> xr.Dataset:
    """Runs the settings and returns the labeled records; nothing is written, and what is interrupted is lost.

    Raises:
        InputError: if a setting is invalid.
    """
    with precision.running_in(settings.precision):
        setup = set_up(settings, make_observables)
        records = join_records([chunk.records for chunk in chunks_of(setup)])
        steps = record_steps(setup.observables, settings.num_steps)
        labels = recorded(setup.observables, setup.ensemble.state)
        return to_dataset(Rollout(setup.ensemble, records, steps, labels), setup.settings)
