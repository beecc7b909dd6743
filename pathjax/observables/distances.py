"""How far each member is from the baseline in weight space, and how large its weights are."""

import jax.numpy as jnp

from pathjax import trees
from pathjax.typing import Observable, Snapshot, State, Variable


def _weights(state: State):
    return trees.split_floats(state.params)[0]


def weight_distance(every: int = 1) -> Observable:
    """2-norm distances of the weights to the baseline's, whole and leaf by leaf.

    Records, for each member m at step t (w_0 is the baseline):
        distance (): |w_m - w_0|
        leaf_distance (leaf,): the same for each leaf
        distance_growth (): distance(t) / distance(0); NaN where distance(0) is 0
        relative_distance (): distance / |w_0(t)|

    >>> weight_distance(every=10).every
    10
    """

    def distances(snapshot: Snapshot):
        squared = trees.squared_distances(_weights(snapshot.state), _weights(snapshot.baseline))
        return jnp.sqrt(squared), jnp.sqrt(jnp.sum(squared))

    def init(snapshot):
        return distances(snapshot)[1]

    def reference(baseline, data):
        # Squared: XLA divides by a root otherwise than by a number, and some tiles are given this by others.
        return jnp.sum(trees.squared_norms(_weights(baseline)))

    def read(start, snapshot):
        leaves, distance = distances(snapshot)
        return start, {
            "distance": distance,
            "leaf_distance": leaves,
            "distance_growth": jnp.where(start > 0, distance / start, jnp.nan),
            "relative_distance": distance / jnp.sqrt(snapshot.reference),
        }

    variables = (
        Variable("distance", (), "weight", "2-norm distance of the weights to the baseline's"),
        Variable("leaf_distance", ("leaf",), "weight", "2-norm distance to the baseline, leaf by leaf"),
        Variable("distance_growth", (), "1", "distance relative to its start"),
        Variable("relative_distance", (), "1", "distance relative to the norm of the baseline's weights"),
    )
    return Observable(init, read, None, every, "member", variables, reference=reference)


def weight_norm(every: int = 1) -> Observable:
    """The 2-norm of the weights: another pass over them, where distances are one.

    >>> weight_norm().variables[0].units
    'weight'
    """

    def init(snapshot):
        return ()

    def read(carry, snapshot):
        return carry, {"weight_norm": trees.norm(_weights(snapshot.state))}

    variables = (Variable("weight_norm", (), "weight", "2-norm of the weights"),)
    return Observable(init, read, None, every, "member", variables)
