"""Ensembles of members to which something happens at a step of their own."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.core.function_equality import Function
from pathjax.core.types import Dynamics, Ensemble, Members, PyTree
from pathjax.ensemble.build import CONTROLS
from pathjax.interventions.base import NEVER, When, initial_intervention_state
from pathjax.perturbations import one_ulp


class InterventionGrid(NamedTuple):
    """At which steps an intervention happens, how large it is, and in how many directions: all combinations.

    Attributes:
        at_steps: steps, 0 or later.
        epsilons: sizes, in the intervention's units.
        num_seeds: number of directions.
        duration: for how many steps it happens, one after the other.
    """

    at_steps: Sequence[int]
    epsilons: Sequence[float]
    num_seeds: int
    duration: int = 1


def intervened_ensemble(
    key: Key[Array, ""],
    dynamics: Dynamics,
    params: PyTree,
    name: str,
    grid: InterventionGrid,
    *,
    hparams: dict | None = None,
) -> Ensemble:
    """A baseline, a replica, a roundoff member, and one member for each step, epsilon and direction of a grid.

    All start from the same weights; the intervention `name` happens to each of the grid's members before its step.

    Args:
        key: typed PRNG key of the directions. A seed has the same one at every step and epsilon.
        dynamics: knows the intervention; see `pathjax.interventions.intervened`.
        params: the baseline's parameters.
        name: of the intervention.
        grid: when it happens, and how.
        hparams: hyperparameters by name, scalars; the same for every member.

    Returns:
        An Ensemble of 3 + steps * epsilons * seeds members; `members.at_step` says when each is intervened on.

    Raises:
        InputError: if the dynamics know no such intervention, there is none of a thing, one repeats, a step is no whole
            number or negative, an epsilon means nothing, or something is to end before it begins.

    >>> import optax, pathjax
    >>> from pathjax.interventions import intervened, of_weights
    >>> kick = {"kick": of_weights(pathjax.gaussian())}
    >>> dynamics = intervened(pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1)), kick)
    >>> grid = InterventionGrid(at_steps=[0, 10], epsilons=[0.01, 0.1], num_seeds=3)
    >>> ensemble = intervened_ensemble(jax.random.key(0), dynamics, jnp.ones(100), "kick", grid)
    >>> ensemble.state.params.shape, ensemble.members.at_step[[0, 3, 14]].tolist()
    ((15, 100), [-1, 0, 10])
    """
    at_steps, epsilons, num_seeds, duration = grid
    for what, values in (("at_steps", at_steps), ("epsilons", epsilons)):
        require(len(values) >= 1, f"there are no {what}: give at least one")
        require(len(set(values)) == len(values), f"{what} {tuple(values)} repeat: give each once")
    require(num_seeds >= 1, f"num_seeds {num_seeds} is out of range: an ensemble needs at least one")
    require(min(at_steps) >= 0, f"an intervention before step {min(at_steps)}: choose 0 or more")
    require(duration >= 1, f"duration {duration} is out of range: choose 1 step or more")
    dtype = trees.float_type(params)
    steps, eps, seeds = (a.ravel() for a in np.meshgrid(at_steps, epsilons, range(num_seeds), indexing="ij"))
    num = len(CONTROLS)
    at_step = np.concatenate([np.full(num, NEVER), steps]).astype(np.int32)
    members = Members(
        role=np.array([*CONTROLS, *["perturbed"] * len(steps)]),
        epsilon=np.concatenate([np.zeros(num), eps]),
        seed=np.concatenate([np.full(num, -1), seeds]).astype(np.int32),
        at_step=at_step,
    )
    params = jax.tree.map(jnp.asarray, params)
    state = _equal_members(
        Function(dynamics.init), len(steps), params, one_ulp(params), trees.drop_weak_types(hparams or {}, dtype)
    )
    drawn = np.asarray(jax.vmap(lambda seed: jax.random.bits(jax.random.fold_in(key, seed)))(jnp.arange(num_seeds)))
    numbers = np.concatenate([np.zeros(num, np.uint32), drawn[seeds]])
    until = np.where(at_step < 0, NEVER, at_step + duration)
    when = When(np.concatenate([np.full(num, NEVER), steps]), members.epsilon, numbers, until)
    return with_interventions(dynamics, Ensemble(state, members), {name: when})


@functools.partial(jit_fast_compile, static_argnames=("init", "num"))
def _equal_members(init, num: int, params, moved_by_ulp, hparams):
    """States of the three controls, and of members that are as the baseline."""

    def stacked(baseline, moved):
        return jnp.concatenate([jnp.stack([baseline, baseline, moved]), jnp.repeat(baseline[None], num, axis=0)])

    return jax.vmap(lambda p: init(p, hparams))(jax.tree.map(stacked, params, moved_by_ulp))


def with_interventions(dynamics: Dynamics, ensemble: Ensemble, occasions: Mapping[str, When]) -> Ensemble:
    """The same ensemble, to whose members something happens, by the intervention's name.

    Args:
        dynamics: know the interventions; see `pathjax.interventions.intervened`.
        ensemble: one that is not swept yet.
        occasions: by name, for every member when and how.

    Returns:
        The Ensemble, with the occasions in its state.

    Raises:
        InputError: if the dynamics know no such intervention, it is not given for every member or is to happen to the
            baseline, or a size means nothing.

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
    require(ensemble.state.step.ndim == 1, "the ensemble is swept already: give it interventions first, then sweep")
    books, known = dict(ensemble.state.interventions), dict(dynamics.interventions)
    for name, when in occasions.items():
        require(name in known, f"the dynamics know no intervention '{name}': choose of {', '.join(known) or 'none'}")
        known[name].check(np.asarray(when.epsilon)[np.asarray(when.at_step) != NEVER])
        books[name] = initial_intervention_state(name, when, dtype)
        at = np.asarray(when.at_step)
        require(len(at) == num, f"'{name}' is given for {len(at)} of {num} members: give it for each")
        require(at[0] == NEVER, f"'{name}' happens to the baseline: its at_step must be -1")
    return ensemble._replace(state=ensemble.state._replace(interventions=books))
