"""Forks: members repeated from any state, to train on in different ways."""

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core.errors import require, require_count
from pathjax.core.types import Ensemble
from pathjax.ensemble.labels import RESERVED, rows_of, with_labels


def fork(ensemble: Ensemble, num_forks: int, name: str = "fork") -> Ensemble:
    """Repeats each member, at whatever step it is: at the start, at the end of a rollout, or from a saved state.

    The forks of member m are m * num_forks, ..., (m + 1) * num_forks - 1; fork 0 of the baseline stays the baseline.
    To let them differ, choose schedules (`pathjax.with_schedules`), hyperparameters, interventions or noise; to train
    them from step t on, `pathjax.rollout(..., first_step=t)`. Forks of forks are another call, under another name.

    Args:
        ensemble: any ensemble that is not swept, such as `rollout(...).ensemble`.
        num_forks: number of copies of each member, itself included.
        name: of the label that numbers the copies of a member.

    Returns:
        An Ensemble of M * num_forks members, with all labels of their parents, and three more: `name`, 0 to
        num_forks - 1; "parent", the parent's index in the given ensemble; "fork_step", the step of the fork. Copies of
        the baseline have the role "fork", all others their parent's.

    Raises:
        InputError: if num_forks is below 1, the name is reserved or taken, or the ensemble is swept.

    >>> import optax, pathjax
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    >>> tree = fork(pathjax.independent_ensemble(dynamics, jnp.ones((2, 9))), 3, "branch")
    >>> tree.members.role.tolist(), tree.members.labels["branch"].tolist()
    (['baseline', 'fork', 'fork', 'independent', 'independent', 'independent'], [0, 1, 2, 0, 1, 2])
    """
    require_count("num_forks", num_forks, 1)
    taken = (*RESERVED, "parent", "fork_step", "schedule", *ensemble.members.labels)
    free = isinstance(name, str) and name not in taken
    require(free, f"name must be a new label, none of {', '.join(taken)}, not {name!r}")
    require(ensemble.state.step.ndim == 1, "the ensemble is already swept: fork before the sweep")
    num = len(ensemble.members.role)
    parents = np.repeat(np.arange(num), num_forks)
    state = jax.tree.map(lambda leaf: jnp.repeat(leaf, num_forks, axis=0), ensemble.state)
    members = rows_of(ensemble.members, parents)
    copies = np.where((parents == 0) & (np.arange(len(parents)) > 0), "fork", members.role)
    labels = {name: np.tile(np.arange(num_forks), num), "parent": parents, "fork_step": np.asarray(state.step)}
    return with_labels(Ensemble(state, members._replace(role=copies)), **labels)
