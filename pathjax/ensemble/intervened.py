"""Ensembles of intervened members, each with an intervention at its own step."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import InputError, require
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.core.function_equality import Function
from pathjax.core.networks import as_network, weights_of
from pathjax.core.types import AnyArray, Dynamics, Ensemble, Floats, Members, Network, PyTree
from pathjax.ensemble.build import CONTROLS, arrays_of
from pathjax.ensemble.labels import with_labels
from pathjax.interventions.base import NEVER, When, initial_intervention_state
from pathjax.perturbations import one_ulp
from pathjax.training.hyperparameters import as_hyperparameters


@shown_in_short
class InterventionGrid(NamedTuple):
    """Steps, epsilons and directions of an intervention: all combinations.

    Attributes:
        at_steps: steps before which it happens, 0 or later.
        epsilons: sizes of the intervention, in its units.
        num_seeds: number of directions.
        duration: number of consecutive steps for which it happens.
    """

    at_steps: Sequence[int] | AnyArray
    epsilons: Floats
    num_seeds: int
    duration: int = 1


def intervened_ensemble(
    key: Key[Array, ""],
    dynamics: Dynamics,
    params: PyTree,
    name: str | Mapping[str, InterventionGrid],
    grid: InterventionGrid | None = None,
    *,
    hparams: dict | None = None,
) -> Ensemble:
    """Builds a baseline, a replica, a roundoff member, and one member for each step, epsilon and direction of a grid.

    All start from the same weights; the intervention `name` happens to each of the grid's members before its step.

    Args:
        key: typed PRNG key of the directions. A seed has the same direction at every step and epsilon.
        dynamics: dynamics with these interventions; see `pathjax.interventions.intervened`.
        params: the baseline's weights, or a `pathjax.Network` if the model has a state.
        name: name of the intervention; or several kinds in one ensemble, each with its grid, by name.
        grid: steps, epsilons and directions, for one intervention.
        hparams: hyperparameters by name, scalars; the same for every member.

    Returns:
        An Ensemble of 3 + steps * epsilons * seeds members, kind by kind; `members.at_step` is the step of each
        intervention, and with several kinds the label "kind" its name ("" for the controls).

    Raises:
        InputError: if the dynamics have no such intervention, a grid is empty or repeats a value, a step is negative
            or not an integer, an epsilon is invalid, or a duration is below 1.

    >>> import optax, pathjax
    >>> from pathjax.interventions import intervened, of_weights
    >>> kick = {"kick": of_weights(pathjax.gaussian())}
    >>> dynamics = intervened(pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1)), kick)
    >>> grid = InterventionGrid(at_steps=[0, 10], epsilons=[0.01, 0.1], num_seeds=3)
    >>> ensemble = intervened_ensemble(jax.random.key(0), dynamics, jnp.ones(100), "kick", grid)
    >>> ensemble.state.params.shape, ensemble.members.at_step[[0, 3, 14]].tolist()
    ((15, 100), [-1, 0, 10])
    """
    rows, network, num = _rows(_grids(name, grid)), arrays_of(as_network(params)), len(CONTROLS)
    members = Members(
        role=np.array([*CONTROLS, *["perturbed"] * len(rows.kind)]),
        epsilon=np.concatenate([np.zeros(num), rows.epsilon]),
        seed=np.concatenate([np.full(num, -1), rows.seed]).astype(np.int32),
        at_step=np.concatenate([np.full(num, NEVER), rows.step]).astype(np.int32),
    )
    hparams = as_hyperparameters(hparams or {}, network.params)
    state = _equal_members(Function(dynamics.init), len(rows.kind), network, one_ulp(network.params), hparams)
    occasions = {kind: _when(key, rows, kind) for kind in dict.fromkeys(rows.kind)}
    ensemble = with_interventions(dynamics, Ensemble(state, members), occasions)
    return with_labels(ensemble, kind=[""] * num + rows.kind.tolist()) if isinstance(name, Mapping) else ensemble


class _Rows(NamedTuple):
    """All members of all grids: the name of each one's intervention, its step, epsilon, direction and duration."""

    kind: np.ndarray
    step: np.ndarray
    epsilon: np.ndarray
    seed: np.ndarray
    duration: np.ndarray


def _rows(grids: dict[str, InterventionGrid]) -> _Rows:
    each = []
    for kind, (at_steps, epsilons, num_seeds, duration) in grids.items():
        steps, eps, seeds = (a.ravel() for a in np.meshgrid(at_steps, epsilons, range(num_seeds), indexing="ij"))
        each.append(_Rows(np.full(len(steps), kind, object), steps, eps, seeds, np.full(len(steps), duration)))
    return _Rows(*map(np.concatenate, zip(*each, strict=True)))


def _when(key, rows: _Rows, kind: str) -> When:
    """Returns when an intervention happens to all members: never to the controls and to those of other kinds."""
    num = len(CONTROLS)
    own = np.concatenate([np.zeros(num, bool), rows.kind == kind])
    at, until = (np.concatenate([np.full(num, NEVER), steps]) for steps in (rows.step, rows.step + rows.duration))
    bits = jax.vmap(lambda seed: jax.random.bits(jax.random.fold_in(key, seed)))(jnp.arange(max(rows.seed) + 1))
    drawn = np.concatenate([np.zeros(num, np.uint32), np.asarray(bits)[rows.seed]])
    epsilon = np.concatenate([np.zeros(num), rows.epsilon])
    return When(
        np.where(own, at, NEVER), np.where(own, epsilon, 0), np.where(own, drawn, 0), np.where(own, until, NEVER)
    )


def _grids(name: str | Mapping[str, InterventionGrid], grid: InterventionGrid | None) -> dict[str, InterventionGrid]:
    """Returns the grid of each intervention.

    Raises:
        InputError: for none, or an invalid one.
    """
    if isinstance(name, Mapping):
        require(grid is None and len(name) > 0, "give either several grids by name, or one name and its grid")
        grids = dict(name)
    else:
        if grid is None:
            raise InputError(f"give the grid of '{name}'")
        grids = {name: grid}
    for kind, one in grids.items():
        is_grid = isinstance(one, InterventionGrid)
        require(is_grid, f"the grid of '{kind}' must be a pathjax.InterventionGrid, not of type {type(one).__name__}")
        at_steps, epsilons, num_seeds, duration = one
        for what, values in (("at_steps", at_steps), ("epsilons", epsilons)):
            require(len(values) >= 1, f"{what} is empty; give at least one")
            require(len(set(values)) == len(values), f"{what} {tuple(values)} repeat a value; give each once")
        require(num_seeds >= 1, f"num_seeds must be 1 or more, not {num_seeds}")
        require(min(at_steps) >= 0, f"at_steps must be 0 or more, not {min(at_steps)}")
        require(duration >= 1, f"duration must be 1 step or more, not {duration}")
    return grids


@functools.partial(jit_fast_compile, static_argnames=("init", "num"))
def _equal_members(init, num: int, network, moved_by_ulp, hparams):
    """States of the three controls, and of members equal to the baseline."""

    def stacked(baseline, moved):
        return jnp.concatenate([jnp.stack([baseline, baseline, moved]), jnp.repeat(baseline[None], num, axis=0)])

    params = jax.tree.map(stacked, network.params, moved_by_ulp)
    return jax.vmap(lambda p: init(weights_of(Network(p, network.model_state)), hparams))(params)


def with_interventions(dynamics: Dynamics, ensemble: Ensemble, occasions: Mapping[str, When]) -> Ensemble:
    """Adds interventions to the members of an ensemble.

    Args:
        dynamics: dynamics with these interventions; see `pathjax.interventions.intervened`.
        ensemble: an ensemble that is not swept yet.
        occasions: by the intervention's name, when and how it happens to every member.

    Returns:
        The Ensemble, with the interventions in its state.

    Raises:
        InputError: if the dynamics have no such intervention, it is not given for every member, it happens to the
            baseline, or an epsilon is invalid.

    >>> import optax, pathjax
    >>> from pathjax.interventions import intervened, of_weights
    >>> plain = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    >>> dynamics = intervened(plain, {"kick": of_weights(pathjax.gaussian())})
    >>> made = {"epsilons": [0.1], "num_seeds": 1}
    >>> ensemble = pathjax.perturbed_ensemble(jax.random.key(0), dynamics, jnp.ones(100), pathjax.on_sphere(), **made)
    >>> last = When(np.array([-1, -1, -1, 5]), np.array([0, 0, 0, 0.1]), np.arange(4))
    >>> with_interventions(dynamics, ensemble, {"kick": last}).state.interventions["kick"].at_step.tolist()
    [-1, -1, -1, 5]
    """
    num, dtype = len(ensemble.members.role), trees.float_type(ensemble.state.params)
    require(ensemble.state.step.ndim == 1, "the ensemble is already swept; add interventions before the sweep")
    entries, known = dict(ensemble.state.interventions), dict(dynamics.interventions)
    for name, when in occasions.items():
        require(
            name in known, f"the dynamics have no intervention '{name}'; choose one of: {', '.join(known) or 'none'}"
        )
        known[name].check(np.asarray(when.epsilon)[np.asarray(when.at_step) != NEVER])
        entries[name] = initial_intervention_state(name, when, dtype)
        at = np.asarray(when.at_step)
        require(len(at) == num, f"'{name}' is given for {len(at)} of {num} members; give it for each")
        require(at[0] == NEVER, f"'{name}' must not happen to the baseline: its at_step must be -1")
    return ensemble._replace(state=ensemble.state._replace(interventions=entries))
