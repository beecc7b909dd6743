"""Arms of an experiment: members that differ from the baseline only in their hyperparameters."""

from collections.abc import Mapping

import jax
import numpy as np
from jax.typing import ArrayLike

from pathjax.core.errors import require
from pathjax.core.types import Ensemble
from pathjax.ensemble.labels import rows_of, with_labels
from pathjax.training.hyperparameters import as_hyperparameter


def with_arms(ensemble: Ensemble, arms: Mapping[str, Mapping[str, ArrayLike]], baseline: str = "baseline") -> Ensemble:
    """Adds a member for each arm: the baseline's weights, with other hyperparameters.

    An arm for some steps is a window of a hyperparameter (`pathjax.interventions.windowed`): it sets "h/from",
    "h/until" and "h/value".

    Args:
        ensemble: an ensemble that is not swept yet.
        arms: by name, the hyperparameters that differ from the baseline's.
        baseline: name of the arm of the members that there are, unless they have labels "arm" already.

    Returns:
        The Ensemble with the arms as last members, of role "arm"; the label "arm" names the arm of each member.

    Raises:
        InputError: for a name that is taken, or a hyperparameter that the ensemble lacks.

    >>> import optax, pathjax, jax.numpy as jnp
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), lambda h: optax.sgd(h["rate"]))
    >>> one = pathjax.independent_ensemble(dynamics, jnp.ones((1, 9)), hparams={"rate": 0.1})
    >>> both = with_arms(one, {"slow": {"rate": 0.01}}, baseline="fast")
    >>> both.members.labels["arm"].tolist(), both.state.hparams["rate"].tolist()
    (['fast', 'slow'], [0.10000000149011612, 0.009999999776482582])
    """
    require(ensemble.state.step.ndim == 1, "the ensemble is already swept: add arms before the sweep")
    require(baseline not in arms, f"the arm '{baseline}' has the name of the members that there are: choose another")
    num, known = len(ensemble.members.role), ensemble.state.hparams
    rows = np.array([*range(num), *[0] * len(arms)])
    hparams = {name: values[rows] for name, values in known.items()}
    for i, (arm, changes) in enumerate(arms.items()):
        for name, value in changes.items():
            lacks = f"arm '{arm}' sets '{name}', and the ensemble has {', '.join(known) or 'no hyperparameter'}"
            require(name in known, lacks)
            hparams[name] = hparams[name].at[num + i].set(as_hyperparameter(name, value, known[name].dtype))
    state = jax.tree.map(lambda leaf: leaf[rows], ensemble.state)._replace(hparams=hparams)
    members = rows_of(ensemble.members, rows)
    members = members._replace(role=np.array([*ensemble.members.role, *["arm"] * len(arms)]))
    before = ensemble.members.labels.get("arm", np.full(num, baseline, object))
    taken = f"the arms {', '.join(map(str, set(before) & set(arms)))} exist already: choose other names"
    require(not set(before) & set(arms), taken)
    return with_labels(Ensemble(state, members), arm=[*before.tolist(), *arms])
