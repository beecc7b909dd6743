"""Checks the arguments of a rollout, before anything is traced."""

from typing import Any

import numpy as np
from jax.sharding import Mesh

from pathjax.core.errors import require
from pathjax.core.types import Dynamics, Ensemble, Observable
from pathjax.training.schedule import Schedule


def check_arguments(dynamics: Any, ensemble: Any, schedule: Any, observables: Any) -> None:
    """Checks that arguments are what a rollout takes.

    Raises:
        InputError: for the first that is not.

    >>> check_arguments(Dynamics(len, len), Ensemble(None, None), Schedule(None, None, None), [])
    """
    makers = {
        "dynamics": (dynamics, Dynamics, "training_dynamics(...)"),
        "ensemble": (ensemble, Ensemble, "perturbed_ensemble(...)"),
        "schedule": (schedule, Schedule, "batch_schedule(...)"),
    }
    for name, (given, kind, example) in makers.items():
        require(
            isinstance(given, kind), f"{name} must be made by pathjax.{example}, not of type {type(given).__name__}"
        )
    is_list = isinstance(observables, (list, tuple)) and not isinstance(observables, Observable)
    require(is_list, f"observables must be a list, not of type {type(observables).__name__}; use [] for none")
    for one in observables:
        fix = "call its factory, as in observables.weight_distance()"
        require(
            isinstance(one, Observable), f"observables must be Observables, not of type {type(one).__name__}; {fix}"
        )
        is_count = isinstance(one.every, (int, np.integer)) and not isinstance(one.every, bool) and one.every >= 1
        require(is_count, f"every must be 1 or more steps, not {one.every!r}")


def check_options(options: Any) -> None:
    """Checks the options that no other module checks.

    Raises:
        InputError: for the first that is out of range.

    >>> from pathjax.engine.planning import RolloutOptions
    >>> check_options(RolloutOptions(chunk_length=100))
    """
    kind = type(options).__name__
    require(kind == "RolloutOptions", f"options must be pathjax.RolloutOptions(...), not of type {kind}")
    for name in ("chunk_length", "memory_bytes"):
        value = getattr(options, name)
        is_count = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1
        require(value is None or is_count, f"{name} must be a positive integer or None, not {value!r}")
    is_mesh = options.mesh is None or isinstance(options.mesh, Mesh)
    require(is_mesh, f"mesh must be a jax.sharding.Mesh, as of pathjax.member_mesh(), or None, not {options.mesh!r}")
    require(isinstance(options.checks, bool), f"checks must be True or False, not {options.checks!r}")
