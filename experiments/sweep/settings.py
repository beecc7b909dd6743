"""The settings of a sweep."""

from typing import Any

from pathjax.experiments.runner.settings import Group, InterventionSettings, RunSettings, setting
from pathjax.experiments.runner.settings.base import Count, NotNegative, WholeNumbers


class SweepAxes(Group):
    """The axes of a sweep. Each is a tuple of values."""

    continuous: dict[str, Any] = setting(
        "hyperparameters of the optimizer; also seed (of weights and directions, on one schedule), epsilon, at_step: "
        "all their combinations run in one program, each with its own baseline",
        "axes",
    )
    static: dict[str, Any] = setting(
        "settings that need separate programs: model, activation, initializer, parametrization, width, depth, "
        "optimizer, batch_size, data, seed, noise"
    )
    num_parameters: NotNegative = setting(
        "number of parameters from which widths are computed, if depths are swept; 0: the given widths"
    )


class SweepPerturbation(InterventionSettings):
    """How members are perturbed: at the start or, if at_step is swept, before that step."""

    at_steps: WholeNumbers = setting("steps before which members are intervened on; (): at the start", default=())
    duration: Count = setting("number of consecutive steps with the intervention", default=1)


class Settings(RunSettings):
    """The settings of this experiment."""

    perturbation: SweepPerturbation
    sweep: SweepAxes
