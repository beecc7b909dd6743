"""Which members a config asks for: perturbed at the start, or each disturbed at a step of its own."""

from typing import Any

import numpy as np
from ml_collections import ConfigDict

import pathjax
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import Dynamics, Ensemble, PyTree, State
from pathjax.ensemble.build import CONTROLS
from pathjax.experiments.runner import interventions
from pathjax.experiments.runner.settings import PERTURBATIONS
from pathjax.interventions import NEVER, When, intervened
from pathjax.interventions.base import books_of
from pathjax.perturbations import check_epsilons

NAME = "intervention"


def at_steps(config: ConfigDict) -> tuple[int, ...]:
    """The steps at which members are disturbed; none where they are perturbed at the start."""
    return tuple(config.perturbation.get("at_steps", ()))


def sizes(config: ConfigDict) -> list[float]:
    """How far members are moved."""
    return [float(epsilon) for epsilon in config.perturbation.epsilons]


def count(config: ConfigDict) -> int:
    """All members, the controls among them."""
    perturbed = len(sizes(config)) * config.perturbation.num_seeds * max(1, len(at_steps(config)))
    return len(CONTROLS) + perturbed + config.get("num_independent", 0)


def check(config: ConfigDict) -> None:
    """Raise InputError for sizes or steps that do not fit."""
    kind, steps = config.perturbation.kind, at_steps(config)
    if kind in PERTURBATIONS:
        check_epsilons(PERTURBATIONS[kind](config.perturbation.per_leaf), sizes(config))
    if steps:
        interventions.check(config)
    late = [step for step in steps if not 0 <= step < config.num_steps]
    require(not late, f"perturbation.at_steps holds {late and late[0]}: choose 0 to {config.num_steps - 1} (num_steps)")
    require(
        "at_steps" not in config.perturbation or len(steps) > 0,
        "perturbation.at_steps is empty: give at least one step",
    )


def directions(config: ConfigDict, key, params: PyTree) -> PyTree:
    """Those of the perturbation at the start, for tangents; None where there is none."""
    if at_steps(config):
        return None
    perturbation = PERTURBATIONS[config.perturbation.kind](config.perturbation.per_leaf)
    return pathjax.perturbation_directions(perturbation, key, params, config.perturbation.num_seeds)


def with_intervention(materials: interventions.Materials, dynamics: Dynamics) -> Dynamics:
    """The dynamics in which members are disturbed at steps of their own."""
    config = materials.config
    if not at_steps(config):
        return dynamics
    intervention = interventions.INTERVENTIONS[config.perturbation.kind].make(materials)
    intervention.check(np.array(sizes(config)))
    return intervened(dynamics, {NAME: intervention})


def with_books(config: ConfigDict, state: State) -> State:
    """The state of a member, with room for what is on the intervention's books: it never happens to this one."""
    if not at_steps(config):
        return state
    never = books_of(NAME, When(np.array([NEVER]), np.zeros(1), np.zeros(1)), trees.float_type(state.params))
    return state._replace(interventions={NAME: trees.index(never, 0)})


def build(config: ConfigDict, dynamics: Dynamics, params: PyTree, key, hparams: dict, independent) -> Ensemble:
    """All members at step 0."""
    common: dict[str, Any] = {"num_seeds": config.perturbation.num_seeds, "hparams": hparams}
    if at_steps(config):
        common |= {"at_steps": at_steps(config), "sizes": sizes(config)}
        common["duration"] = config.perturbation.get("duration", 1)
        return pathjax.intervened_ensemble(dynamics, params, NAME, key, **common)
    perturbation = PERTURBATIONS[config.perturbation.kind](config.perturbation.per_leaf)
    common |= {"epsilons": sizes(config), "independent": independent}
    return pathjax.perturbed_ensemble(dynamics, params, perturbation, key, **common)
