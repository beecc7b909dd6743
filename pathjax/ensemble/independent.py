"""Ensembles of networks that start independently of one another, without perturbed members."""

import jax
import numpy as np

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.core.networks import as_network, weights_of
from pathjax.core.types import Dynamics, Ensemble, Members, PyTree
from pathjax.ensemble.build import arrays_of
from pathjax.training.hyperparameters import as_hyperparameters


def independent_ensemble(dynamics: Dynamics, networks: PyTree, *, hparams: dict | None = None) -> Ensemble:
    """Builds an ensemble of any networks; the first is the baseline, from which distances are measured.

    Args:
        dynamics: initializes each member's optimizer state.
        networks: M networks' weights with a leading axis, such as `jax.vmap(init)(keys)` returns, or a
            `pathjax.Network` of such weights and states.
        hparams: hyperparameters by name: a scalar for all members, or M values.

    Returns:
        An Ensemble of M members of role "independent" ("baseline" for the first), without the controls of
        `pathjax.perturbed_ensemble`. `pathjax.fork` repeats them, `pathjax.with_labels` labels them.

    Raises:
        InputError: if leaves differ in M, weights are not finite, or hyperparameters have another shape.

    >>> import optax, pathjax, jax.numpy as jnp
    >>> dynamics = pathjax.training_dynamics(lambda w, x: jnp.sum(w**2), lambda h: optax.sgd(h["rate"]))
    >>> ensemble = independent_ensemble(dynamics, jnp.ones((3, 9)), hparams={"rate": [0.1, 0.2, 0.3]})
    >>> ensemble.members.role.tolist(), ensemble.state.hparams["rate"].shape
    (['baseline', 'independent', 'independent'], (3,))
    """
    network = arrays_of(as_network(networks))
    shapes = {leaf.shape[:1] for leaf in jax.tree.leaves(network)}
    counted = len(shapes) == 1 and () not in shapes
    stacked = "one axis of M networks to each; of a list, jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)"
    require(counted, f"networks have leaves with leading axes {sorted(shapes)}: give {stacked}")
    ((num,),) = shapes
    require(num >= 1, "networks has no network: give at least one")
    given = _each_member(hparams or {}, num, network.params)
    state = jit_fast_compile(jax.vmap(lambda own, h: dynamics.init(weights_of(own), h)))(network, given)
    role = np.array(["baseline", *["independent"] * (num - 1)])
    return Ensemble(state, Members(role, np.zeros(num), np.full(num, -1, np.int32)))


def _each_member(hparams: dict, num: int, params: PyTree) -> dict:
    """Returns M values of each hyperparameter, of the type that one has."""
    values: dict[str, list] = {}
    for name, value in hparams.items():
        shape = np.shape(value)
        require(shape in ((), (num,)), f"hyperparameter '{name}' has shape {shape}: give a scalar, or ({num},) values")
        values[name] = [value] * num if shape == () else list(value)
    each = [as_hyperparameters({name: one[i] for name, one in values.items()}, params) for i in range(num)]
    return trees.stack(each) if values else {}
