"""Checks the types of a rollout's arguments, before anything is traced. `planning` checks whether they fit."""

from typing import Any

import numpy as np
from jax.sharding import Mesh

from pathjax.core.errors import InputError, require, require_count
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


def check_run(ensemble: Ensemble, schedule: Schedule, first_step: int, resume: Any) -> None:
    """Checks that an ensemble can run on a schedule from its first step on, or from where it resumes.

    Args:
        ensemble: the members.
        schedule: from step 0 on.
        first_step: the step at which the ensemble is.
        resume: (step, loop) of a Chunk, or None.

    Raises:
        InputError: for a step outside the schedule or other than the ensemble's, for choices among schedules that do
            not exist, and for interventions that would never happen.

    >>> from pathjax.core.types import State
    >>> ensemble = Ensemble(State((), (), {}, step=np.zeros(2, int)), None)
    >>> check_run(ensemble, Schedule(np.zeros((3, 2), int), None, None), first_step=0, resume=None)
    """
    num_steps = len(schedule.indices)
    _check_first_step(ensemble, num_steps, first_step)
    _check_choices(ensemble, schedule)
    # An ensemble that was trained before, on another schedule, is at a later step than this schedule's first.
    begin = int(np.min(np.asarray(ensemble.state.step))) - first_step
    _check_interventions(ensemble, begin + num_steps)
    if resume is not None:
        _check_resume(resume, first_step, num_steps)


def _check_first_step(ensemble: Ensemble, num_steps: int, first_step: int) -> None:
    require_count("first_step", first_step, 0)
    require(first_step < num_steps, f"first_step must be 0 to {num_steps - 1}, within the schedule, not {first_step}")
    steps = np.unique(np.asarray(ensemble.state.step)).tolist()
    is_there = first_step == 0 or steps == [first_step]
    require(is_there, f"the ensemble is at step {steps}: give it as first_step, instead of {first_step}")


def _check_resume(resume: Any, first_step: int, num_steps: int) -> None:
    is_pair = isinstance(resume, tuple) and len(resume) == 2 and isinstance(resume[1], LoopState)
    given = [type(part).__name__ for part in resume] if isinstance(resume, tuple) else type(resume).__name__
    require(is_pair, f"resume must be (step, loop) of a Chunk, not {given}")
    inside = f"the rollout resumes at step {resume[0]}: choose a step of it, {first_step} to {num_steps}"
    require(first_step <= resume[0] <= num_steps, inside)


def _check_choices(ensemble: Ensemble, schedule: Schedule) -> None:
    has_several, choices = schedule.indices.ndim == 3, ensemble.state.schedule
    if choices is None:
        which = "the rollout has several schedules: choose one for each member (with_schedules)"
        require(not has_several, which)
        return
    one = "members choose among schedules (with_schedules), but the rollout has one: join several by stack_schedules"
    require(has_several, one)
    num, largest = schedule.indices.shape[1], int(np.max(np.asarray(choices)))
    require(largest < num, f"a member follows schedule {largest}, and there are {num}: choose 0 to {num - 1}")


def _check_interventions(ensemble: Ensemble, end: int) -> None:
    now = np.asarray(ensemble.state.step)
    for name, entry in ensemble.state.interventions.items():
        at, until, moved = (np.asarray(a) for a in (entry.at_step, entry.until, entry.moved))
        late = int(np.max(at, initial=-1))
        last = f"choose a step before {end}, or -1 for never"
        require(late < end, f"intervention '{name}' happens at step {late}, and the run ends at {end}: {last}")
        over = (at >= 0) & (until <= now) & (moved == 0)
        if over.any():
            gone = f"intervention '{name}' is over at step {int(until[over][0])}"
            raise InputError(f"{gone}, before the ensemble's step {int(now.max())}: choose a later step")


def _check_type(name: str, given: Any, expected: type, example: str) -> None:
    said = f"{name} must be made by pathjax.{example}, not of type {type(given).__name__}"
    require(isinstance(given, expected), said)
