"""Copies of the baseline that see the same examples in another order."""

import jax
import numpy as np

from pathjax.core.errors import require, require_count
from pathjax.core.types import Ensemble
from pathjax.ensemble.labels import rows_of, with_labels
from pathjax.ensemble.schedules import with_schedules


def with_orders(ensemble: Ensemble, num_orders: int) -> Ensemble:
    """Adds copies of the baseline that follow other schedules, 1 to num_orders; all other members follow schedule 0.

    Crossed with initializations (`pathjax.stack_ensembles`, with the same schedules for each), they separate what the
    initialization does from what the order of batches does: `pathjax.analysis.variance_components`.

    Args:
        ensemble: an ensemble that is not swept yet.
        num_orders: number of copies. The rollout's schedule holds num_orders + 1 (`pathjax.stack_schedules`).

    Returns:
        The Ensemble with the copies as last members, of role "fork"; the labels "order" and "schedule" are 0 for all
        other members.

    Raises:
        InputError: if num_orders is below 1, or the ensemble is swept.

    >>> import optax, pathjax, jax.numpy as jnp
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    >>> ensemble = with_orders(pathjax.independent_ensemble(dynamics, jnp.ones((2, 9))), 2)
    >>> ensemble.members.role.tolist(), ensemble.members.labels["order"].tolist()
    (['baseline', 'independent', 'fork', 'fork'], [0, 0, 1, 2])
    """
    require_count("num_orders", num_orders, 1)
    require(ensemble.state.step.ndim == 1, "the ensemble is already swept: add orders before the sweep")
    num = len(ensemble.members.role)
    rows = np.array([*range(num), *[0] * num_orders])
    members = rows_of(ensemble.members, rows)
    members = members._replace(role=np.array([*ensemble.members.role, *["fork"] * num_orders]))
    order = np.array([*[0] * num, *range(1, num_orders + 1)])
    state = jax.tree.map(lambda leaf: leaf[rows], ensemble.state)
    return with_labels(with_schedules(Ensemble(state, members), order), order=order)
