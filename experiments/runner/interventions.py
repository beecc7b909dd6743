"""The interventions that a config can name, each at a member's own step."""

from collections.abc import Callable
from typing import NamedTuple

import jax

import pathjax
from pathjax import interventions as acts
from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.experiments.own import call_own, check_returned, is_own
from pathjax.experiments.runner.settings import InterventionSettings, RunSettings
from pathjax.perturbations import one_weight, restricted
from pathjax.symmetry import infer_scales, infer_spec

MOMENTUM = r"(^|/)(trace|mu)(/|$)"  # its names in optax


class Materials(NamedTuple):
    """The arguments of interventions: the settings, the loss function and what it takes (flags of
    `training_dynamics`), `predict(params[, model_state], inputs) -> logits`,
    the shapes of the weights (or of a Network), inputs of some examples, and the number of classes."""

    settings: RunSettings
    loss_fn: Callable
    flags: dict[str, bool]
    predict: Callable
    params: PyTree
    inputs: jax.Array
    num_classes: int


class Kind(NamedTuple):
    """`make(materials)` returns the intervention. Without a size it has one epsilon, and if it is not random, one seed;
    a `lasting` one may last for several steps."""

    make: Callable[[Materials], acts.Intervention]
    has_size: bool = True
    is_random: bool = True
    lasting: bool = True


def _hyperparameter(name: str) -> Kind:
    return Kind(lambda _: acts.of_hyperparameter(name), is_random=False, lasting=False)


def _momentum(materials: Materials):
    optimizer = materials.settings.optimizer
    has_momentum = optimizer.name not in ("sgd", "rmsprop") or optimizer.momentum is not None
    hint = "give --config.optimizer.momentum=0.9, or choose adam"
    require(has_momentum, f"perturbation.kind 'momentum' needs momentum, and '{optimizer.name}' has none: {hint}")
    return acts.of_optimizer_state(restricted(pathjax.gaussian(materials.settings.perturbation.per_leaf), MOMENTUM))


def _spec(materials: Materials):
    return infer_spec(materials.predict, materials.params, materials.inputs)


def _of_weights(perturbation: Callable) -> Kind:
    return Kind(lambda materials: acts.of_weights(perturbation(materials.settings.perturbation.per_leaf)))


INTERVENTIONS = {
    "sphere": _of_weights(pathjax.on_sphere),
    "gaussian": _of_weights(pathjax.gaussian),
    "one_weight": Kind(lambda _: acts.of_weights(one_weight())),
    "ulps": Kind(lambda _: acts.of_ulps()),
    "gradient": Kind(lambda materials: acts.along_gradient(materials.loss_fn, **materials.flags), is_random=False),
    "curvature": Kind(lambda materials: acts.along_curvature(materials.loss_fn, **materials.flags)),
    "permutation": Kind(lambda materials: acts.of_permutation(_spec(materials)), has_size=False),
    "scales": Kind(
        lambda materials: acts.of_scales(
            infer_scales(materials.predict, _spec(materials), materials.params, materials.inputs)
        )
    ),
    "momentum": Kind(_momentum),
    "learning_rate": _hyperparameter("learning_rate"),
    "momentum_rate": _hyperparameter("momentum"),
    "weight_decay": _hyperparameter("weight_decay"),
    "b1": _hyperparameter("b1"),
    "b2": _hyperparameter("b2"),
    "noise": Kind(lambda _: acts.of_noise(), has_size=False, lasting=False),
    "label": Kind(lambda materials: acts.of_label(materials.num_classes), has_size=False),
    "label_noise": Kind(lambda materials: acts.of_label_noise(materials.num_classes)),
    "example": Kind(lambda _: acts.of_example(), has_size=False),
    "example_weight": Kind(lambda _: acts.of_example_weight()),
    "batch": Kind(lambda _: acts.replace_batch(), has_size=False),
}


def intervention_of(materials: Materials) -> acts.Intervention:
    """Builds the intervention that the settings name.

    Raises:
        InputError: if your own function fails or does not return an Intervention.
    """
    kind = materials.settings.perturbation.kind
    if is_own(kind):
        own = call_own("perturbation.kind", kind, materials)
        return check_returned("perturbation.kind", kind, own, acts.Intervention, "an Intervention")
    return INTERVENTIONS[kind].make(materials)


def check(settings: RunSettings) -> None:
    """Raises InputError for an unknown kind, or for epsilons, seeds or a duration that do not fit it."""
    perturbation = settings.perturbation
    if not isinstance(perturbation, InterventionSettings) or is_own(perturbation.kind):
        return
    kind, num_epsilons, num_seeds = perturbation.kind, len(perturbation.epsilons), perturbation.num_seeds
    choices = f"choose one of {', '.join(INTERVENTIONS)}, or your own, module:function"
    require(kind in INTERVENTIONS, f"unknown perturbation.kind '{kind}': {choices}")
    one, name = INTERVENTIONS[kind], f"perturbation.kind '{kind}'"
    require(
        one.has_size or num_epsilons == 1,
        f"{name} has no epsilon: give --config.perturbation.epsilons=1, instead of {num_epsilons} epsilons",
    )
    require(
        one.is_random or num_seeds == 1,
        f"{name} is the same for all {num_seeds} seeds: give --config.perturbation.num_seeds=1",
    )
    require(one.lasting or perturbation.duration == 1, f"{name} is permanent: choose perturbation.duration=1")
