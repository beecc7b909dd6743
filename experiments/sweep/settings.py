"""The settings of a sweep."""

from typing import Any

from pathjax.experiments.runner.settings import Group, InterventionSettings, RunSettings, setting
from pathjax.experiments.runner.settings.base import Count, NotNegative, WholeNumbers


class SweepAxes(Group):
    """What is swept. Each axis is a tuple of values."""

    continuous: dict[str, Any] = setting(
        "hyperparameters of the optimizer; and seed (of weights and directions, on one schedule), epsilon, at_step: "
        "all their combinations are one program, each with a baseline of its own",
        "axes",
    )
    static: dict[str, Any] = setting(
        "what needs a program of its own: model, activation, initializer, parametrization, width, depth, optimizer, "
        "batch_size, data, seed"
    )
    num_parameters: NotNegative = setting(
        "where depths are swept: the width that gives so many; 0: the widths that are given"
    )


class SweepPerturbation(InterventionSettings):
    """How members are moved: at the start or, where at_step is swept, before that step."""

    at_steps: WholeNumbers = setting("steps before which it happens; () at the start", default=())
    duration: Count = setting("steps, before each of which it happens", default=1)


class Settings(RunSettings):
    """The settings of this experiment."""

    perturbation: SweepPerturbation
    sweep: SweepAxes
