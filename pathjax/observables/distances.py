"""Distances of each member to the baseline in weight space, and norms of weights."""

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import Observable, Snapshot, Variable
from pathjax.observables.selection import selected, selection
from pathjax.tangents.propagate import Select


def weight_distance(*, every: int = 1, select: Select | None = None, prefix: str = "") -> Observable:
    """Records the 2-norm distance of the weights to the baseline's, in total and per leaf.

    Records, for each member m at step t (w_0 is the baseline):
        distance (): |w_m - w_0|
        leaf_distance (leaf,): the same per leaf
        distance_growth (): distance(t) / distance(0); NaN where distance(0) is 0
        relative_distance (): distance / |w_0(t)|

    Args:
        every: steps between records.
        select: a predicate on the names of the state's leaves ("params/Dense_0/kernel", "model_state/BatchNorm_0/mean",
            "opt_state/0/trace/Dense_0/kernel"): measure these float leaves instead of the weights, which a model's
            state does not belong to.
        prefix: begins the names of the records, and of the dimension of selected leaves, so that several selections
            can be recorded.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> weight_distance(every=10).every
    10
    """

    what = selection(select, prefix)

    def distances(snapshot: Snapshot):
        squared = trees.squared_distances(selected(snapshot.state, select), selected(snapshot.baseline, select))
        return jnp.sqrt(squared), jnp.sqrt(jnp.sum(squared))

    def init(snapshot):
        return distances(snapshot)[1]

    def reference(baseline, data):
        # Squared: XLA divides by a root differently than by a number, and some tiles receive this from others.
        return jnp.sum(trees.squared_norms(selected(baseline, select)))

    def read(start, snapshot):
        leaves, distance = distances(snapshot)
        return start, {
            f"{prefix}distance": distance,
            f"{prefix}leaf_distance": leaves,
            f"{prefix}distance_growth": jnp.where(start > 0, distance / start, jnp.nan),
            f"{prefix}relative_distance": distance / jnp.sqrt(snapshot.reference),
        }

    variables = (
        Variable(f"{prefix}distance", (), "weight", f"2-norm distance of the {what.words} to the baseline's"),
        Variable(f"{prefix}leaf_distance", (what.leaf,), "weight", "2-norm distance to the baseline, leaf by leaf"),
        Variable(f"{prefix}distance_growth", (), "1", "distance relative to its start"),
        Variable(
            f"{prefix}relative_distance", (), "1", f"distance relative to the norm of the baseline's {what.words}"
        ),
    )
    return Observable(init, read, None, every, "member", variables, coords=what.coords, reference=reference)


def weight_norm(*, every: int = 1, select: Select | None = None, prefix: str = "") -> Observable:
    """Records the 2-norm of the weights; this is another pass over them, in addition to that for distances.

    Args:
        every: steps between records.
        select, prefix: see `weight_distance`.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> weight_norm().variables[0].units
    'weight'
    """

    what = selection(select, prefix)

    def init(snapshot):
        return ()

    def read(carry, snapshot):
        return carry, {f"{prefix}weight_norm": trees.norm(selected(snapshot.state, select))}

    variables = (Variable(f"{prefix}weight_norm", (), "weight", f"2-norm of the {what.words}"),)
    return Observable(init, read, None, every, "member", variables)


def norm_distance(p: float, *, every: int = 1, select: Select | None = None, prefix: str = "") -> Observable:
    """Records p-norm distances of the weights to the baseline's, for any p from 1 to infinity; 2 is `weight_distance`.

    The names contain p ("distance_p1", "distance_pinf"): (sum |w_m - w_0|^p)^(1/p), the largest element for infinity,
    in total () and per leaf (leaf). The total is the p-norm of the leaves' distances, and so is that of any subset.

    Args:
        p: 1 or more, or infinity.
        every: steps between records.
        select, prefix: see `weight_distance`.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: for p below 1, which does not give a metric.

    >>> [v.name for v in norm_distance(1).variables]
    ['distance_p1', 'leaf_distance_p1']
    """
    require(isinstance(p, (int, float)) and p >= 1, f"p must be 1 or more, or infinity, not {p!r}")
    name, what = f"{p:.12g}", selection(select, prefix)

    def read(carry, snapshot):
        ends = (selected(state, select) for state in (snapshot.state, snapshot.baseline))
        leaves = jnp.stack([_norm(leaf.ravel(), p) for leaf in jax.tree.leaves(trees.subtract(*ends))])
        return carry, {whole: _norm(leaves, p), of_leaves: leaves}

    whole, of_leaves = f"{prefix}distance_p{name}", f"{prefix}leaf_distance_p{name}"
    variables = (
        Variable(whole, (), "weight", f"{name}-norm distance of the {what.words} to the baseline's"),
        Variable(of_leaves, (what.leaf,), "weight", f"{name}-norm distance to the baseline, leaf by leaf"),
    )
    return Observable(lambda snapshot: (), read, None, every, "member", variables, coords=what.coords)


def _norm(vector, p: float):
    """The p-norm, scaled by the largest element so that no power overflows."""
    largest = jnp.max(jnp.abs(vector), initial=0)
    if p == float("inf"):
        return largest
    scaled = jnp.abs(vector) / jnp.where(largest > 0, largest, 1)
    return largest * jnp.sum(scaled**p) ** (1 / p)


def weight_angle(*, every: int = 1, select: Select | None = None, prefix: str = "") -> Observable:
    """Records the angle between a member's weights and the baseline's, as vectors of all weights.

    Records:
        angle (): in radians, accurate for small angles
        cosine (): its cosine

    Args:
        every: steps between records.
        select, prefix: see `weight_distance`.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    >>> weight_angle().variables[0].units
    'rad'
    """

    what = selection(select, prefix)

    def read(carry, snapshot):
        angle = trees.angle(selected(snapshot.state, select), selected(snapshot.baseline, select))
        return carry, {f"{prefix}angle": angle, f"{prefix}cosine": jnp.cos(angle)}

    variables = (
        Variable(f"{prefix}angle", (), "rad", f"angle between the {what.words} and the baseline's"),
        Variable(f"{prefix}cosine", (), "1", f"cosine between the {what.words} and the baseline's"),
    )
    return Observable(lambda snapshot: (), read, None, every, "member", variables)
