"""The settings of all experiments."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from pathjax.experiments.runner.settings.base import (
    MAX_INT,
    Count,
    FiniteFloat,
    Group,
    NotNegative,
    Numbers,
    Seed,
    WholeNumbers,
    as_tuple,
    setting,
)
from pathjax.experiments.runner.settings.task import (
    DataSettings,
    ModelSettings,
    OptimizerSettings,
    RegularizationSettings,
)


class PerturbationSettings(Group):
    """How members are perturbed at the start."""

    kind: str = setting(
        "sphere (epsilon is a relative distance, on the sphere of the weights), gaussian (epsilon is an absolute "
        "distance), or your own, `module:function(per_leaf) -> Perturbation`",
        "perturbation",
    )
    per_leaf: bool = setting(
        "whether each tensor is perturbed separately, or all weights as one vector", "per_tensor", "per_layer"
    )
    epsilons: Numbers = setting("epsilons of the perturbation", "epsilon", "eps", "size", "sizes", "sigma", "scale")
    num_seeds: Count = setting(
        "number of directions; each is used at every epsilon", "directions", "members", "num_members"
    )
    noise: Literal["shared", "own"] = setting(
        "noise of a network that draws it in training (apply_in_training): shared by all members, or own, one for each "
        "seed",
        "dropout",
        default="shared",
    )
    num_noise_members: NotNegative = setting(
        "members that differ from the baseline only in their noise (with noise='own')", "num_noise", default=0
    )

    @model_validator(mode="after")
    def _noise_members_have_own_noise(self) -> "PerturbationSettings":
        if self.num_noise_members and self.noise != "own":
            raise ValueError("perturbation.num_noise_members needs perturbation.noise 'own'")
        return self


class InterventionSettings(PerturbationSettings):
    """The intervention on members, each at its own step."""

    kind: str = setting(
        "on the weights: sphere (relative epsilon), gaussian, one_weight, gradient, curvature (absolute epsilon), "
        "ulps, scales (of ReLU units), permutation; on the momentum: momentum (absolute); on a hyperparameter, from "
        "that step on (relative): learning_rate, momentum_rate, weight_decay, b1, b2; on the noise, from that step on: "
        "noise; on the batch: label, label_noise "
        "(share of labels), example, example_weight (added), batch (replaced); or your own, "
        "`module:function(materials) -> Intervention`",
        "intervention",
        "perturbation",
    )
    at_steps: WholeNumbers = setting(
        "steps before which members are intervened on, one member for each", "steps", "when", min_length=1
    )
    duration: Count = setting("number of consecutive steps with the intervention")


class Measure(Group):
    """The cadences of records, in steps; each divides the next."""

    distance_every: Count = setting("steps between records of distances", "every", "log_every")
    tangent_every: Count = setting("steps between records and orthonormalizations of tangents", "renormalize_every")
    evaluation_every: Count = setting("steps between evaluations on the training and test set", "eval_every")
    max_train_examples: Count = setting("largest number of training examples on which losses are evaluated")

    @model_validator(mode="after")
    def _cadences_divide(self) -> "Measure":
        tangent, distance = self.tangent_every, self.distance_every
        if tangent % distance:
            raise ValueError(f"measure.distance_every {distance} must divide measure.tangent_every {tangent}")
        return self


# A hyperparameter's value, or (value, from, until) for the steps in which it has this value.
Varied = FiniteFloat | Annotated[tuple[FiniteFloat, NotNegative, NotNegative], BeforeValidator(as_tuple)]


def _is_tile(value: str) -> str:
    if value not in ("auto", "all") and not (value.isdecimal() and 1 <= int(value) <= MAX_INT):
        raise ValueError(f"must be a positive integer, 'auto' or 'all', not '{value}'")
    return value


class RunSettings(Group):
    """The settings of one rollout: the task, its members, the measurements and the devices."""

    name: str = setting("name of the run, in the report's title", "title", "run_name")
    experiment: str = setting("which experiment records and reports the run; or your own, `module:EXPERIMENT`")
    seed: Seed = setting("seed of the random streams for init, schedule, perturbation and tangents", "key", "rng")
    data: DataSettings
    model: ModelSettings
    loss: str | None = setting(
        "cross_entropy, squared_error, or your own, `module:function(predict) -> loss_fn(params, examples)`; None: "
        "cross_entropy for classes, squared_error for real-valued labels",
        "loss_fn",
        "objective",
        default=None,
    )
    optimizer: OptimizerSettings
    regularization: RegularizationSettings = RegularizationSettings()
    windows: dict[str, Varied] = setting(
        "hyperparameters of optimizer or loss with another value in a range of steps, {name: (value, from, until)}",
        "window",
        default={},
    )
    arms: dict[str, dict[str, Varied]] = setting(
        "members like the baseline but for hyperparameters, {arm: {name: value, or (value, from, until)}}",
        "arm",
        default={},
    )
    perturbation: PerturbationSettings
    precision: str = setting(
        "float32, tf32 (on GPUs that support it), bfloat16 (mixed precision), float64", "dtype", "float_type"
    )
    checks: bool = setting(
        "whether a loss that becomes NaN or infinite ends the run and is replayed to report the operation", "check_nans"
    )
    num_steps: Count = setting("training steps", "steps", "iterations", "num_iterations", "epochs", "length")
    measure: Measure
    observables: str | None = setting(
        "your own observables, added to the experiment's: a comma-separated list of `module:function(settings, parts) "
        "-> Observable`",
        "observable",
        "measures",
        default=None,
    )
    num_devices: Count | None = setting(
        "devices of each process; None: all (on a CPU, its cores)", "devices", "gpus", "num_gpus"
    )
    member_tile: Annotated[str, BeforeValidator(_is_tile)] = setting(
        "number of members that advance together on a device: a positive integer, 'auto' or 'all'", "tile", "vmap_size"
    )
    memory_gib: Annotated[float, Field(gt=0, lt=MAX_INT)] | None = setting(
        "GiB that each device may use; None: all its memory", "memory", "max_memory"
    )
    chunk_length: Count | None = setting("steps per compiled call; None: about 200", "chunk", "chunk_size")
    checkpoint_every: Count = setting("steps between checkpoints, rounded up to a multiple of chunks", "save_every")
