"""Separate noise for each member, in place of the schedule's noise that all members share."""

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core.errors import require, require_count
from pathjax.core.types import Ensemble, Members
from pathjax.ensemble.labels import rows_of

SHARED = 0  # the index of the schedule's noise
INDEPENDENT = 2**31  # offset of the indices of independent members, beyond those of all seeds


def with_noise(ensemble: Ensemble, num_members: int = 0, *, shared: bool = False) -> Ensemble:
    """Gives each member separate noise: dropout, augmentation and whatever else a stochastic loss draws from its key.

    Without it, all members draw the same noise at each step, and distances show what a perturbation does along one
    path of noise. With it, a member uses fold_in(key, n), with the step's key and the member's noise index n:
    seed + 1, whatever its epsilon, and another for each independent member and each fork. The baseline, the replica and
    the roundoff member have n = 0, and use the step's key itself. For other noise on the same batches, replace the
    schedule's `key`.

    Args:
        ensemble: an ensemble that is not swept yet, of dynamics whose loss is `stochastic`.
        num_members: number of additional members of role "noise": the baseline's weights with the noise of seed 0, 1,
            ... They show what noise does without a perturbation, the limit of epsilon to 0.
        shared: let all members draw the schedule's noise, as without this function. Stacked with an ensemble of own
            noise (`pathjax.stack_ensembles`), this makes the kind of noise an axis of a sweep.

    Returns:
        An Ensemble whose state has an index for each member in `noise`, with the noise members last.

    Raises:
        InputError: if the ensemble is already swept, or has noise already.

    >>> import optax, pathjax
    >>> noisy = lambda w, x, key: jnp.sum((w - jax.random.normal(key, w.shape)) ** 2)
    >>> dynamics, key = pathjax.training_dynamics(noisy, optax.sgd(0.1), stochastic=True), jax.random.key(0)
    >>> made = {"epsilons": [0.1, 0.2], "num_seeds": 1}
    >>> ensemble = with_noise(pathjax.perturbed_ensemble(key, dynamics, jnp.ones(9), pathjax.on_sphere(), **made), 2)
    >>> ensemble.members.role[4:].tolist(), ensemble.state.noise.tolist()
    (['perturbed', 'noise', 'noise'], [0, 0, 0, 1, 1, 1, 2])
    """
    require_count("num_members", num_members, 0)
    require(ensemble.state.step.ndim == 1, "the ensemble is already swept: add noise before the sweep")
    require(ensemble.state.noise is None, "the ensemble has noise already: add it once")
    state = jax.tree.map(lambda leaf: jnp.concatenate([leaf, jnp.repeat(leaf[:1], num_members, 0)]), ensemble.state)
    members = _with_noise_members(ensemble.members, num_members)
    indices = np.full(len(members.role), SHARED) if shared else _indices(members)
    return Ensemble(state._replace(noise=jnp.asarray(indices, jnp.uint32)), members)


def _with_noise_members(members: Members, num: int) -> Members:
    """Adds copies of the baseline, with its labels."""
    longer = rows_of(members, [*range(len(members.role)), *[0] * num])
    role = np.array([*members.role, *["noise"] * num])
    seed = np.concatenate([members.seed, np.arange(num, dtype=members.seed.dtype)])
    return longer._replace(role=role, seed=seed)


def _indices(members: Members) -> np.ndarray:
    seed, role = np.asarray(members.seed), np.asarray(members.role)
    # Forks of one member, too, are told apart only by their noise.
    has_own = np.isin(role, ("independent", "fork")) | (members.labels.get("fork_step", np.full(len(seed), -1)) >= 0)
    has_own[0] = False
    return np.where(has_own, INDEPENDENT + np.cumsum(has_own), seed + 1)
