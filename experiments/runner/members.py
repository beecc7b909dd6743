"""The members that the settings define: perturbed at the start, or each intervened on at its own step."""

import jax.numpy as jnp
import numpy as np

import pathjax
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import as_network
from pathjax.core.types import Dynamics, Ensemble, PyTree, State
from pathjax.ensemble.build import CONTROLS
from pathjax.ensemble.noise import SHARED
from pathjax.experiments.own import call_own, check_returned, is_own
from pathjax.experiments.runner import interventions
from pathjax.experiments.runner.hyperparameters import in_arms
from pathjax.experiments.runner.settings import InterventionSettings, RunSettings
from pathjax.interventions import NEVER, When, intervened
from pathjax.interventions.base import initial_intervention_state
from pathjax.perturbations import check_epsilons

NAME = "intervention"
PERTURBATIONS = {"sphere": pathjax.on_sphere, "gaussian": pathjax.gaussian}


def at_steps(settings: RunSettings) -> tuple[int, ...]:
    """Returns the steps before which members are intervened on; empty if they are perturbed at the start."""
    return getattr(settings.perturbation, "at_steps", ())


def num_independent(settings: RunSettings) -> int:
    """Returns the number of independently initialized members; 0 if the experiment has none."""
    return getattr(settings, "num_independent", 0)


def num_orders(settings: RunSettings) -> int:
    """Returns the number of other batch orders, which copies of the baseline follow; 0 if the experiment has none."""
    return getattr(settings, "num_orders", 0)


def perturbation_of(settings: RunSettings) -> pathjax.Perturbation:
    """Returns the perturbation of members at the start.

    Raises:
        InputError: if the name is unknown, or your own function does not return a Perturbation.
    """
    kind, per_leaf = settings.perturbation.kind, settings.perturbation.per_leaf
    if is_own(kind):
        own = call_own("perturbation.kind", kind, per_leaf)
        return check_returned("perturbation.kind", kind, own, pathjax.Perturbation, "a Perturbation")
    choices = f"choose one of {', '.join(PERTURBATIONS)}, or your own, module:function"
    require(kind in PERTURBATIONS, f"unknown perturbation.kind '{kind}': {choices}")
    return PERTURBATIONS[kind](per_leaf)


def count(settings: RunSettings) -> int:
    """Returns the number of all members, including the controls."""
    perturbed = len(settings.perturbation.epsilons) * settings.perturbation.num_seeds * max(1, len(at_steps(settings)))
    others = num_independent(settings) + settings.perturbation.num_noise_members + len(settings.arms)
    others += num_orders(settings)
    return len(CONTROLS) + perturbed + others


def check(settings: RunSettings) -> None:
    """Raises InputError for invalid epsilons or steps, or orders of batches that have none."""
    has_orders = settings.data.batch_size is not None or not num_orders(settings)
    require(
        has_orders, "num_orders needs batches, and data.batch_size None takes all examples at each step: set it to 0"
    )
    steps, last = at_steps(settings), settings.num_steps - 1
    if steps:
        interventions.check(settings)
    elif settings.perturbation.epsilons or not (settings.arms or num_orders(settings)):  # what else can differ
        check_epsilons(perturbation_of(settings), settings.perturbation.epsilons)
    late = [step for step in steps if not 0 <= step <= last]
    require(not late, f"perturbation.at_steps holds {late and late[0]}: choose 0 to {last} (num_steps)")


def directions(settings: RunSettings, key, params: PyTree) -> PyTree:
    """Returns the directions of the weights at the start, for tangents; None if members are intervened on."""
    if at_steps(settings):
        return None
    weights = as_network(params).params
    return pathjax.perturbation_directions(key, perturbation_of(settings), weights, settings.perturbation.num_seeds)


def with_intervention(materials: interventions.Materials, dynamics: Dynamics) -> Dynamics:
    """Returns the dynamics with the intervention of the settings, if they have one."""
    settings = materials.settings
    if not at_steps(settings):
        return dynamics
    intervention = interventions.intervention_of(materials)
    intervention.check(np.array(settings.perturbation.epsilons))
    return intervened(dynamics, {NAME: intervention})


def check_noise(settings: RunSettings, draws_noise: bool) -> None:
    """Raises InputError if members are to have noise of their own, and training draws none."""
    has_none = "members' own noise (perturbation.noise, perturbation.kind) needs noise, and training draws none"
    hint = "choose your own network (model.name), whose apply_in_training(variables, inputs, key) uses the key"
    require(draws_noise or not _has_indices(settings), f"{has_none}: {hint}")


def _has_indices(settings: RunSettings) -> bool:
    """Whether members have an index of noise: their own from the start, or from an intervention on."""
    return settings.perturbation.noise == "own" or settings.perturbation.kind == "noise"


def with_books(settings: RunSettings, state: State) -> State:
    """Returns the state of a member that is never intervened on, with its books and its index of noise."""
    if _has_indices(settings):
        state = state._replace(noise=jnp.uint32(SHARED))
    if not at_steps(settings):
        return state
    never = initial_intervention_state(
        NAME, When(np.array([NEVER]), np.zeros(1), np.zeros(1)), trees.float_type(state.params)
    )
    return state._replace(interventions={NAME: trees.index(never, 0)})


def build(settings: RunSettings, dynamics: Dynamics, params: PyTree, key, hparams: dict, independent) -> Ensemble:
    """Builds all members at step 0; `params` are the baseline's weights, or its Network."""
    ensemble = in_arms(settings, _without_noise(settings, dynamics, params, key, hparams, independent))
    if num_orders(settings):
        ensemble = pathjax.with_orders(ensemble, num_orders(settings))
    if not _has_indices(settings):
        return ensemble
    shared = settings.perturbation.noise == "shared"
    return pathjax.with_noise(ensemble, settings.perturbation.num_noise_members, shared=shared)


def _without_noise(settings: RunSettings, dynamics: Dynamics, params: PyTree, key, hparams: dict, independent):
    asked = settings.perturbation
    if isinstance(asked, InterventionSettings) and asked.at_steps:
        grid = pathjax.InterventionGrid(asked.at_steps, asked.epsilons, asked.num_seeds, asked.duration)
        return pathjax.intervened_ensemble(key, dynamics, params, NAME, grid, hparams=hparams)
    given = {"epsilons": asked.epsilons, "num_seeds": asked.num_seeds, "hparams": hparams, "independent": independent}
    return pathjax.perturbed_ensemble(key, dynamics, params, perturbation_of(settings), **given)
