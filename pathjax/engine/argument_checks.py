"""Checks the types of a rollout's arguments, before anything is traced. `planning` checks whether they fit."""

from typing import Any

from jax.sharding import Mesh

from pathjax.core.errors import require, require_count
from pathjax.core.types import Dynamics, Ensemble, Observable
from pathjax.engine.options import RolloutOptions
from pathjax.training.schedule import Schedule


def check_arguments(dynamics: Any, ensemble: Any, schedule: Any, observables: Any, options: Any) -> None:
    """Checks that arguments are what a rollout takes.

    Raises:
        InputError: for the first that is not.

    >>> check_arguments(Dynamics(len, len), Ensemble(None, None), Schedule(None, None, None), [], RolloutOptions())
    """
    _check_type("dynamics", dynamics, Dynamics, "training_dynamics(...)")
    _check_type("ensemble", ensemble, Ensemble, "perturbed_ensemble(...)")
    _check_type("schedule", schedule, Schedule, "batch_schedule(...)")
    is_list = isinstance(observables, (list, tuple)) and not isinstance(observables, Observable)
    require(is_list, f"observables must be a list, not of type {type(observables).__name__}; use [] for none")
    for one in observables:
        _check_type("each of observables", one, Observable, "observables.weight_distance()")
    _check_type("options", options, RolloutOptions, "RolloutOptions(...)")
    if options.memory_bytes is not None:
        require_count("memory_bytes", options.memory_bytes, 1)
    is_mesh = options.mesh is None or isinstance(options.mesh, Mesh)
    require(is_mesh, f"mesh must be a jax.sharding.Mesh, as of pathjax.member_mesh(), or None, not {options.mesh!r}")
    require(isinstance(options.checks, bool), f"checks must be True or False, not {options.checks!r}")


def _check_type(name: str, given: Any, expected: type, example: str) -> None:
    said = f"{name} must be made by pathjax.{example}, not of type {type(given).__name__}"
    require(isinstance(given, expected), said)
