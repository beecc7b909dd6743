"""Distances of each member to the baseline in weight space, and norms of weights."""

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import Observable, Snapshot, State, Variable


def _weights(state: State):
    return trees.split_floats(state.params)[0]


def weight_distance(*, every: int = 1) -> Observable:
    """Records the 2-norm distance of the weights to the baseline's, in total and per leaf.

    Records, for each member m at step t (w_0 is the baseline):
        distance (): |w_m - w_0|
        leaf_distance (leaf,): the same per leaf
        distance_growth (): distance(t) / distance(0); NaN where distance(0) is 0
        relative_distance (): distance / |w_0(t)|

    Args:
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> weight_distance(every=10).every
    10
    """

    def distances(snapshot: Snapshot):
        squared = trees.squared_distances(_weights(snapshot.state), _weights(snapshot.baseline))
        return jnp.sqrt(squared), jnp.sqrt(jnp.sum(squared))

    def init(snapshot):
        return distances(snapshot)[1]

    def reference(baseline, data):
        # Squared: XLA divides by a root differently than by a number, and some tiles receive this from others.
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


def weight_norm(*, every: int = 1) -> Observable:
    """Records the 2-norm of the weights; this is another pass over them, in addition to that for distances.

    Args:
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> weight_norm().variables[0].units
    'weight'
    """

    def init(snapshot):
        return ()

    def read(carry, snapshot):
        return carry, {"weight_norm": trees.norm(_weights(snapshot.state))}

    variables = (Variable("weight_norm", (), "weight", "2-norm of the weights"),)
    return Observable(init, read, None, every, "member", variables)


def norm_distance(p: float, *, every: int = 1) -> Observable:
    """Records p-norm distances of the weights to the baseline's, for any p from 1 to infinity; 2 is `weight_distance`.

    The names contain p ("distance_p1", "distance_pinf"): (sum |w_m - w_0|^p)^(1/p), the largest element for infinity,
    in total () and per leaf (leaf). The total is the p-norm of the leaves' distances, and so is that of any subset.

    Args:
        p: 1 or more, or infinity.
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: for p below 1, which does not give a metric.

    >>> [v.name for v in norm_distance(1).variables]
    ['distance_p1', 'leaf_distance_p1']
    """
    require(isinstance(p, (int, float)) and p >= 1, f"p must be 1 or more, or infinity, not {p!r}")
    name = f"{p:.12g}"

    def read(carry, snapshot):
        moved = jax.tree.leaves(trees.subtract(_weights(snapshot.state), _weights(snapshot.baseline)))
        leaves = jnp.stack([_norm(leaf.ravel(), p) for leaf in moved])
        return carry, {f"distance_p{name}": _norm(leaves, p), f"leaf_distance_p{name}": leaves}

    variables = (
        Variable(f"distance_p{name}", (), "weight", f"{name}-norm distance of the weights to the baseline's"),
        Variable(f"leaf_distance_p{name}", ("leaf",), "weight", f"{name}-norm distance to the baseline, leaf by leaf"),
    )
    return Observable(lambda snapshot: (), read, None, every, "member", variables)


def _norm(vector, p: float):
    """The p-norm, scaled by the largest element so that no power overflows."""
    largest = jnp.max(jnp.abs(vector), initial=0)
    if p == float("inf"):
        return largest
    scaled = jnp.abs(vector) / jnp.where(largest > 0, largest, 1)
    return largest * jnp.sum(scaled**p) ** (1 / p)


def weight_angle(*, every: int = 1) -> Observable:
    """Records the angle between a member's weights and the baseline's, as vectors of all weights.

    Records:
        angle (): in radians, accurate for small angles
        cosine (): its cosine

    Args:
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> weight_angle().variables[0].units
    'rad'
    """

    def read(carry, snapshot):
        angle = trees.angle(_weights(snapshot.state), _weights(snapshot.baseline))
        return carry, {"angle": angle, "cosine": jnp.cos(angle)}

    variables = (
        Variable("angle", (), "rad", "angle between the weights and the baseline's"),
        Variable("cosine", (), "1", "cosine between the weights and the baseline's"),
    )
    return Observable(lambda snapshot: (), read, None, every, "member", variables)
