"""What may happen to members of an experiment at a step of their own, by the name that a config gives it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

import pathjax
from pathjax import interventions as acts
from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.perturbations import one_weight, restricted
from pathjax.symmetry import infer_scales, infer_spec

MOMENTUM = r"(^|/)(trace|mu)(/|$)"  # what optax calls it


class Materials(NamedTuple):
    """What disturbances are made of: the config, the loss function, `predict(params, inputs) -> logits`, the shapes of
    the weights, inputs of some examples, and the number of classes."""

    config: ConfigDict
    loss_fn: Callable
    predict: Callable
    params: PyTree
    inputs: jax.Array
    num_classes: int


class Disturbance(NamedTuple):
    """`make(materials)` gives the intervention. One without a size has one epsilon, one that is not random one seed;
    `lasting` may go on for several steps."""

    make: Callable[[Materials], acts.Intervention]
    has_size: bool = True
    is_random: bool = True
    lasting: bool = True


def _hyperparameter(name: str) -> Disturbance:
    return Disturbance(lambda _: acts.of_hyperparameter(name), is_random=False, lasting=False)


def _momentum(materials: Materials):
    optimizer = materials.config.optimizer
    there = optimizer.name not in ("sgd", "rmsprop") or optimizer.momentum is not None
    hint = "give --config.optimizer.momentum=0.9, or take adam"
    require(
        there, f"perturbation.kind 'momentum' moves the momentum, and optimizer '{optimizer.name}' has none: {hint}"
    )
    return acts.of_optimizer_state(restricted(pathjax.gaussian(materials.config.perturbation.per_leaf), MOMENTUM))


def _spec(materials: Materials):
    return infer_spec(materials.predict, materials.params, materials.inputs)


def _of_weights(perturbation: Callable) -> Disturbance:
    return Disturbance(lambda materials: acts.of_weights(perturbation(materials.config.perturbation.per_leaf)))


INTERVENTIONS = {
    "sphere": _of_weights(pathjax.on_sphere),
    "gaussian": _of_weights(pathjax.gaussian),
    "one_weight": Disturbance(lambda _: acts.of_weights(one_weight())),
    "ulps": Disturbance(lambda _: acts.of_ulps()),
    "gradient": Disturbance(lambda materials: acts.along_gradient(materials.loss_fn), is_random=False),
    "curvature": Disturbance(lambda materials: acts.along_curvature(materials.loss_fn)),
    "permutation": Disturbance(lambda materials: acts.of_permutation(_spec(materials)), has_size=False),
    "scales": Disturbance(
        lambda materials: acts.of_scales(
            infer_scales(materials.predict, _spec(materials), materials.params, materials.inputs)
        )
    ),
    "momentum": Disturbance(_momentum),
    "learning_rate": _hyperparameter("learning_rate"),
    "momentum_rate": _hyperparameter("momentum"),
    "weight_decay": _hyperparameter("weight_decay"),
    "b1": _hyperparameter("b1"),
    "b2": _hyperparameter("b2"),
    "label": Disturbance(lambda materials: acts.of_label(materials.num_classes), has_size=False),
    "label_noise": Disturbance(lambda materials: acts.of_label_noise(materials.num_classes)),
    "example": Disturbance(lambda _: acts.of_example(), has_size=False),
    "example_weight": Disturbance(lambda _: acts.of_example_weight()),
    "batch": Disturbance(lambda _: acts.replace_batch(), has_size=False),
}


def check(config: ConfigDict) -> None:
    """Raise InputError for sizes, seeds or a duration that this kind of disturbance cannot have."""
    perturbation = config.perturbation
    kind, one = perturbation.kind, INTERVENTIONS[perturbation.kind]
    epsilons, seeds, duration = perturbation.epsilons, perturbation.num_seeds, perturbation.get("duration", 1)
    require(
        one.has_size or len(epsilons) == 1,
        f"perturbation.kind '{kind}' has no size: give --config.perturbation.epsilons=1, in place of {len(epsilons)}",
    )
    require(
        one.is_random or seeds == 1,
        f"perturbation.kind '{kind}' is the same for all {seeds} seeds: give --config.perturbation.num_seeds=1",
    )
    require(
        one.lasting or duration == 1,
        f"perturbation.kind '{kind}' stays from its step on: choose perturbation.duration 1",
    )
