"""The settings that all experiments have."""

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from pathjax.experiments.runner.settings.base import (
    MAX_INT,
    Count,
    Group,
    Numbers,
    Seed,
    WholeNumbers,
    setting,
)
from pathjax.experiments.runner.settings.task import DataSettings, ModelSettings, OptimizerSettings


class PerturbationSettings(Group):
    """How members are moved off the baseline at the start."""

    kind: str = setting(
        "sphere: by a relative distance, on the sphere of the weights; gaussian: by an absolute one; or your own, "
        "`module:function(per_leaf) -> Perturbation`",
        "perturbation",
        "noise",
    )
    per_leaf: bool = setting("each tensor by itself, or all weights as one vector", "per_tensor", "per_layer")
    epsilons: Numbers = setting("sizes of the perturbation", "epsilon", "eps", "size", "sizes", "sigma", "scale")
    num_seeds: Count = setting("directions; each is used at every epsilon", "directions", "members", "num_members")


class InterventionSettings(PerturbationSettings):
    """What happens to members, each at a step of its own."""

    kind: str = setting(
        "of the weights: sphere (relative), gaussian, one_weight, gradient, curvature (absolute), ulps, scales (of "
        "ReLU), permutation; of momentum: momentum (absolute); from then on, relative: learning_rate, momentum_rate, "
        "weight_decay, b1, b2; of the batch: label, label_noise (share of labels), example, example_weight (added), "
        "batch (another); or your own, `module:function(materials) -> Intervention`",
        "intervention",
        "perturbation",
    )
    at_steps: WholeNumbers = setting("steps before which it happens, one member each", "steps", "when", min_length=1)
    duration: Count = setting("steps, before each of which it happens")


class Measure(Group):
    """Steps between records; each divides the next."""

    distance_every: Count = setting("steps between distances", "every", "log_every")
    tangent_every: Count = setting("steps between tangents' records and orthonormalizations", "renormalize_every")
    evaluation_every: Count = setting("steps between evaluations on training and test set", "eval_every")
    max_train_examples: Count = setting("examples of the training set on which losses are evaluated")

    @model_validator(mode="after")
    def _cadences_divide(self) -> "Measure":
        tangent, distance = self.tangent_every, self.distance_every
        if tangent % distance:
            raise ValueError(f"measure.distance_every {distance} must divide measure.tangent_every {tangent}")
        return self


def _is_tile(value: str) -> str:
    if value not in ("auto", "all") and not (value.isdecimal() and 1 <= int(value) <= MAX_INT):
        raise ValueError(f"'{value}' must be a positive integer, 'auto' or 'all'")
    return value


class RunSettings(Group):
    """One rollout: what is trained, who are its members, what is measured, and on which machine."""

    name: str = setting("of the run, for the report's title", "title", "run_name")
    experiment: str = setting("what is recorded, summarized and reported")
    seed: Seed = setting("streams for init, schedule, perturbation and tangents are derived from it", "key", "rng")
    data: DataSettings
    model: ModelSettings
    loss: str | None = setting(
        "cross_entropy, squared_error, or your own, `module:function(predict) -> loss_fn(params, examples)`; None: the "
        "first for classes, the second for numbers",
        "loss_fn",
        "objective",
        default=None,
    )
    optimizer: OptimizerSettings
    perturbation: PerturbationSettings
    precision: str = setting(
        "float32, tf32 (on GPUs that have it), bfloat16 (mixed precision), float64", "dtype", "float_type"
    )
    checks: bool = setting("where a loss stops being finite, replay it, tell the operation and end", "check_nans")
    num_steps: Count = setting("steps of training", "steps", "iterations", "num_iterations", "epochs", "length")
    measure: Measure
    observables: str | None = setting(
        "your own, beside the experiment's: `module:function(settings, parts) -> Observable`, several with commas "
        "between them",
        "observable",
        "measures",
        default=None,
    )
    num_devices: Count | None = setting("of each process; None: all, or a CPU's cores", "devices", "gpus", "num_gpus")
    member_tile: Annotated[str, BeforeValidator(_is_tile)] = setting(
        "members that advance together on a device: a positive integer, 'auto' or 'all'", "tile", "vmap_size"
    )
    memory_gib: Annotated[float, Field(gt=0, lt=MAX_INT)] | None = setting(
        "GiB that each device may use; None: what it has", "memory", "max_memory"
    )
    chunk_length: Count | None = setting("steps a compiled call; None: about 200", "chunk", "chunk_size")
    checkpoint_every: Count = setting("steps between checkpoints, rounded up to whole chunks", "save_every")
