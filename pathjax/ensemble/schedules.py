"""The schedules that members follow, among several."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from pathjax.core.errors import require
from pathjax.core.types import AnyArray, Ensemble
from pathjax.ensemble.labels import with_labels


def with_schedules(ensemble: Ensemble, choices: Int[AnyArray, " n"]) -> Ensemble:
    """Lets each member follow one of several schedules, which a rollout takes as one; see `pathjax.stack_schedules`.

    Args:
        ensemble: an ensemble, or several that were stacked (`pathjax.stack_ensembles`).
        choices: for each of its members, or for each of the stacked ensembles, the index of its schedule. Members that
            choose for themselves get it as the label "schedule", too.

    Returns:
        The Ensemble, with the choices in its state. Distances are to the baseline, whatever schedule that follows.

    Raises:
        InputError: if there is not one integer, 0 or more, for each member or stacked ensemble.

    >>> import optax, pathjax, jax
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    >>> ensemble = pathjax.independent_ensemble(dynamics, jnp.ones((3, 9)))
    >>> with_schedules(ensemble, np.array([0, 0, 1])).state.schedule.tolist()
    [0, 0, 1]
    """
    found, shape = np.asarray(choices), ensemble.state.step.shape
    each = "member" if len(shape) == 1 else "stacked ensemble"
    is_index = found.dtype.kind in "iu" and found.shape == shape[:1]
    require(is_index, f"choices must be {shape[0]} integers, one for each {each}, not {found.dtype}{found.shape}")
    require(bool((found >= 0).all()), f"choices must be 0 or more, not {found.min()}")
    chosen = jnp.broadcast_to(jnp.asarray(found, jnp.int32).reshape(-1, *[1] * (len(shape) - 1)), shape)
    following = ensemble._replace(state=ensemble.state._replace(schedule=chosen))
    return with_labels(following, schedule=found) if len(shape) == 1 else following
