"""The schedules that members follow, among several."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from pathjax.core.errors import require
from pathjax.core.types import AnyArray, Ensemble
from pathjax.ensemble.labels import with_labels


def with_schedules(ensemble: Ensemble, choices: Int[AnyArray, " M"]) -> Ensemble:
    """Lets each member follow one of several schedules, which a rollout takes as one; see `pathjax.stack_schedules`.

    Args:
        ensemble: an ensemble that is not swept yet.
        choices: for each member, the index of its schedule; the label "schedule" is the same.

    Returns:
        The Ensemble, with the choices in its state. Distances are to the baseline, whatever schedule that follows.

    Raises:
        InputError: if there is not one integer, 0 or more, for each member, or the ensemble is already swept.

    >>> import optax, pathjax, jax
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    >>> ensemble = pathjax.independent_ensemble(dynamics, jnp.ones((3, 9)))
    >>> with_schedules(ensemble, np.array([0, 0, 1])).state.schedule.tolist()
    [0, 0, 1]
    """
    found, num = np.asarray(choices), len(ensemble.members.role)
    require(ensemble.state.step.ndim == 1, "the ensemble is already swept: choose schedules before the sweep")
    is_index = found.dtype.kind in "iu" and found.shape == (num,)
    require(is_index, f"choices must be {num} integers, one for each member, not {found.dtype}{found.shape}")
    require(bool((found >= 0).all()), f"choices must be 0 or more, not {found.min()}")
    state = ensemble.state._replace(schedule=jnp.asarray(found, jnp.int32))
    return with_labels(ensemble._replace(state=state), schedule=found)
