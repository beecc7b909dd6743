"""Checks the types of a rollout's arguments, before anything is traced. `planning` checks whether they fit."""

from typing import Any

import numpy as np
from jax.sharding import Mesh

from pathjax.core.errors import require, require_count
from pathjax.core.types import Dynamics, Ensemble, Observable
from pathjax.engine.loop_types import LoopState
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
    _check_labels(ensemble, observables)
    is_mesh = options.mesh is None or isinstance(options.mesh, Mesh)
    require(is_mesh, f"mesh must be a jax.sharding.Mesh, as of pathjax.member_mesh(), or None, not {options.mesh!r}")
    require(isinstance(options.checks, bool), f"checks must be True or False, not {options.checks!r}")


def _check_labels(ensemble: Ensemble, observables: Any) -> None:
    """Labels become coordinates beside the records, so their names must differ."""
    labels = {} if ensemble.members is None else ensemble.members.labels
    for variable in (variable for one in observables for variable in one.variables):
        for name in (variable.name, *variable.dims):
            require(name not in labels, f"'{name}' is both a record, or its dimension, and a label: rename the label")


def check_first_step(ensemble: Ensemble, schedule: Schedule, first_step: int) -> None:
    """Checks that the ensemble is at the first step, where the schedule must have steps left.

    Raises:
        InputError: otherwise.

    >>> check_first_step(Ensemble(None, None), Schedule(np.zeros((3, 2), int), None, None), 0)
    """
    num_steps = len(schedule.indices)
    require_count("first_step", first_step, 0)
    require(first_step < num_steps, f"first_step must be 0 to {num_steps - 1}, within the schedule, not {first_step}")
    if first_step:
        steps = np.unique(np.asarray(ensemble.state.step)).tolist()
        require(
            steps == [first_step], f"the ensemble is at step {steps}: give it as first_step, instead of {first_step}"
        )


def check_resume(resume: Any, first_step: int, num_steps: int) -> None:
    """Checks that a rollout resumes at a step of its own, from a loop's state.

    Args:
        resume: (step, loop).
        first_step: the rollout's first step.
        num_steps: of the schedule, from the first step on.

    Raises:
        InputError: otherwise.

    >>> try:
    ...     check_resume((40, None), 0, 10)
    ... except Exception as error:
    ...     print(error)
    resume must be (step, loop) of a Chunk, not ['int', 'NoneType']
    """
    is_pair = isinstance(resume, tuple) and len(resume) == 2 and isinstance(resume[1], LoopState)
    given = [type(part).__name__ for part in resume] if isinstance(resume, tuple) else type(resume).__name__
    require(is_pair, f"resume must be (step, loop) of a Chunk, not {given}")
    last = first_step + num_steps
    inside = f"the rollout resumes at step {resume[0]}: choose a step of it, {first_step} to {last}"
    require(first_step <= resume[0] <= last, inside)


def check_choices(ensemble: Ensemble, schedule: Schedule) -> None:
    """Checks that members choose among the schedules that there are.

    Raises:
        InputError: if a member's schedule does not exist, or members choose and there is one schedule.

    >>> from pathjax.core.types import State
    >>> check_choices(Ensemble(State((), (), {}, 0), None), Schedule(np.zeros((3, 2), int), None, None))
    """
    if ensemble.state.schedule is None:
        which = "the rollout has several schedules: choose one for each member (with_schedules)"
        require(schedule.indices.ndim == 2, which)
        return
    several = (
        "members choose among schedules (with_schedules), but the rollout has one: join several by stack_schedules"
    )
    require(schedule.indices.ndim == 3, several)
    num, largest = schedule.indices.shape[1], int(np.max(np.asarray(ensemble.state.schedule)))
    require(largest < num, f"a member follows schedule {largest}, and there are {num}: choose 0 to {num - 1}")


def check_intervention_steps(ensemble: Ensemble, num_steps: int) -> None:
    """Checks that no member's intervention is over before the run begins, or begins after its end.

    Raises:
        InputError: naming the first.

    >>> from pathjax.core.types import State
    >>> check_intervention_steps(Ensemble(State((), (), {}, 0), None), 10)
    """
    for name, entry in ensemble.state.interventions.items():
        now, at, until = (np.asarray(a) for a in (ensemble.state.step, entry.at_step, entry.until))
        over = (at >= 0) & (until <= now) & (np.asarray(entry.moved) == 0)
        gone = f"intervention '{name}' is over at step {int(until.ravel()[over.ravel()][0])}" if over.any() else ""
        require(not over.any(), f"{gone}, before the ensemble's step {int(now.max())}: choose a later step")
        late = int(np.max(at, initial=-1))
        last = f"choose a step before {num_steps}, or -1 for never"
        require(
            late < num_steps, f"intervention '{name}' happens at step {late}, and the run ends at {num_steps}: {last}"
        )


def _check_type(name: str, given: Any, expected: type, example: str) -> None:
    said = f"{name} must be made by pathjax.{example}, not of type {type(given).__name__}"
    require(isinstance(given, expected), said)
