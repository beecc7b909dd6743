"""Labels of members by name, beside their role, epsilon and seed."""

from typing import Any

import numpy as np

from pathjax.core.errors import require
from pathjax.core.types import Ensemble, Members

RESERVED = ("role", "epsilon", "seed", "at_step", "member", "step", "leaf", "leaf_module", "leaf_kind")


def with_labels(ensemble: Ensemble, **labels: Any) -> Ensemble:
    """Labels the members, by any names: initialization, arm, parent and so on.

    Labels become coordinates of `member` in `pathjax.io.to_xarray.to_dataset` and in trajectory.nc, where
    `trajectory.groupby("arm")` finds them; `pathjax.plots.labels.by_label` colors lines by them. They do not affect a
    run.

    Args:
        ensemble: an ensemble, or a sweep of one.
        labels: by name, one string, number or boolean for each member.

    Returns:
        The Ensemble with these labels added to, or in place of, those that it has.

    Raises:
        InputError: for a reserved name, another number of labels than members, or other types.

    >>> import optax, pathjax, jax, jax.numpy as jnp
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), optax.sgd(0.1))
    >>> made = {"epsilons": [0.1], "num_seeds": 1}
    >>> ensemble = pathjax.perturbed_ensemble(jax.random.key(0), dynamics, jnp.ones(9), pathjax.on_sphere(), **made)
    >>> with_labels(ensemble, arm=["none", "none", "none", "kicked"]).members.labels["arm"][-1]
    'kicked'
    """
    num = len(ensemble.members.role)
    found = {name: _checked(name, values, num) for name, values in labels.items()}
    return ensemble._replace(members=ensemble.members._replace(labels=ensemble.members.labels | found))


def _checked(name: str, values: Any, num: int) -> np.ndarray:
    usable = name.isidentifier() and name not in RESERVED  # also as the name of a variable in a netCDF file
    require(usable, f"a label cannot be named '{name}': choose a name of letters, other than {', '.join(RESERVED)}")
    found = np.asarray(values)
    known = found.dtype.kind in "biufUO" and all(isinstance(one, str) for one in found.ravel() if found.dtype == object)
    require(known, f"label '{name}' has values of type {found.dtype}: give strings, numbers or booleans")
    expected = f"label '{name}' has shape {found.shape}: give one for each of the {num} members, ({num},)"
    require(found.shape == (num,), expected)
    return found.astype(object) if found.dtype.kind == "U" else found


def rows_of(members: Members, rows: Any) -> Members:
    """Returns the labels of some members, by their indices; one may come several times.

    >>> rows_of(Members(np.array(["baseline", "perturbed"]), np.array([0, 0.1]), np.array([-1, 0])), [1, 1]).seed
    array([0, 0])
    """
    at_step = None if members.at_step is None else members.at_step[rows]
    labels = {name: values[rows] for name, values in members.labels.items()}
    return Members(members.role[rows], members.epsilon[rows], members.seed[rows], at_step, labels)


def same_members(one: Members, other: Members) -> bool:
    """Whether two ensembles have the same labels.

    >>> members = Members(np.array(["baseline"]), np.zeros(1), np.array([-1]), labels={"arm": np.array([1])})
    >>> same_members(members, members), same_members(members, members._replace(labels={}))
    (True, False)
    """
    if one.labels.keys() != other.labels.keys():
        return False
    fixed = zip(one[:-1], other[:-1], strict=True)
    pairs = [*fixed, *((values, other.labels[name]) for name, values in one.labels.items())]
    return all(np.array_equal(a, b) for a, b in pairs)  # type: ignore[arg-type]
