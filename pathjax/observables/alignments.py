"""The part of a distance that is symmetry: the order of the hidden units, and their scales."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import as_network, bind, weights_of
from pathjax.core.types import Observable, PyTree, Snapshot, Variable
from pathjax.measures.interpolation import Statistics
from pathjax.observables.connectivity import (
    NUM_POINTS,
    Points,
    alphas,
    line_data,
    line_variables,
    lines,
    refreshed,
)
from pathjax.symmetry import PermutationSpec, ScaleSpec, balance, identity, invariance_error, match_weights, permute
from pathjax.symmetry.matching import activation_gains, assign


def alignment(
    spec: PermutationSpec,
    predict: Callable,
    inputs: PyTree,
    *,
    every: int = 1,
    sets: dict[str, tuple] | None = None,
    num_points: int = NUM_POINTS,
    num_restarts: int = 0,
    statistics: Statistics | None = None,
) -> Observable:
    """Records distances with each member's units permuted to bring its weights closest to the baseline's.

    Records:
        aligned_distance (): |P w_m - w_0|, with the permutation P that `match_weights` finds (on the host)
        permutation_share (): fraction of the distance due to the order of units, 1 - aligned_distance / distance
        units_moved (): the fraction of units that P moves
        invariance_error (): largest |f(P w) - f(w)| on `inputs`, relative to the largest |f(w)|: 0 except for rounding
    and the records of `linear_connectivity` on the `sets`, between the baseline and the aligned member, with the prefix
    "aligned_".

    Args:
        spec: see `pathjax.symmetry.infer_spec`.
        predict: `predict(params, inputs) -> logits`.
        inputs: examples on which the invariance is checked.
        every: steps between records; matching takes milliseconds for small networks and a second for large ones.
        sets: name -> (inputs, labels).
        num_points: number of points on the line.
        num_restarts: number of restarts of the matching.
        statistics: see `linear_connectivity`.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: when traced, if the spec does not match the weights.

    Source: Ainsworth, Hayase, Srinivasa: Git Re-Basin (2022).

    >>> spec = PermutationSpec({"w": (None, "hidden")}, {"hidden": 3})
    >>> [v.name for v in alignment(spec, lambda w, x: x, jnp.ones((2, 3))).variables][:2]
    ['aligned_distance', 'permutation_share']
    """

    def match(snapshot: Snapshot):
        return matched(spec, weights_of(snapshot.baseline), weights_of(snapshot.state), num_restarts)

    data = {"inputs": inputs} | line_data(sets or {}, statistics)
    line = _Lines(tuple(sets or ()), num_points, statistics and statistics.recompute)
    return _aligned(spec, predict, data, every, line, "", match)


def activation_alignment(
    spec: PermutationSpec,
    predict: Callable,
    activations: Callable,
    inputs: PyTree,
    *,
    every: int = 1,
    sets: dict[str, tuple] | None = None,
    num_points: int = NUM_POINTS,
    statistics: Statistics | None = None,
) -> Observable:
    """Records the same as `alignment`, with units matched by their activations on `inputs` (`match_activations`).

    Names have the prefix "activation_".

    Args:
        spec: see `pathjax.symmetry.infer_spec`.
        predict: `predict(params, inputs) -> logits`.
        activations: `activations(params, inputs) -> {group: (n, ..., units)}` for each group of the spec. For a linen
            network: `group_activations(spec, layer_outputs(model)(params, inputs))`.
        inputs: examples on which units are compared and the invariance is checked.
        every: steps between records.
        sets: name -> (inputs, labels).
        num_points: number of points on the line.
        statistics: see `linear_connectivity`.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: if a group has no activations, or the wrong number of units.

    Source: Li et al.: Convergent learning (2015); Ainsworth, Hayase, Srinivasa: Git Re-Basin (2022).

    >>> spec = PermutationSpec({"w": (None, "hidden")}, {"hidden": 3})
    >>> hidden = lambda params, x: {"hidden": jnp.tanh(x @ params["w"])}
    >>> activation_alignment(spec, lambda params, x: x, hidden, jnp.ones((2, 3))).variables[0].name
    'activation_aligned_distance'
    """

    def of(state, data):
        found = bind(activations, state)(state.params, data["inputs"])
        sizes = {group: found[group].shape[-1] for group in spec.sizes if group in found}
        require(
            sizes == dict(spec.sizes),
            f"activations must have the units of all groups, {dict(spec.sizes)}, not {sizes}",
        )
        return {group: found[group] for group in spec.sizes}

    def match(snapshot: Snapshot):
        gains = activation_gains(snapshot.reference, of(snapshot.state, snapshot.data))
        return _on_host(spec, lambda gains: assign(gains) if _finite(gains) else identity(spec), gains)

    data = {"inputs": inputs} | line_data(sets or {}, statistics)
    line = _Lines(tuple(sets or ()), num_points, statistics and statistics.recompute)
    observable = _aligned(spec, predict, data, every, line, "activation_", match)
    return observable._replace(reference=of)


class _Lines(NamedTuple):
    """Lines to the baseline, see `linear_connectivity`: names of the sets, points, and how to recompute statistics."""

    names: tuple[str, ...]
    num_points: int
    recompute: Callable | None


def _aligned(spec, predict, data, every, line: _Lines, prefix, match) -> Observable:
    """Returns the observable of members whose units are permuted by `match(snapshot)`."""
    line_prefix, then = f"{prefix}aligned_", f", once units are matched{' by activations' if prefix else ''}"

    def read(carry, snapshot: Snapshot):
        params, baseline = weights_of(snapshot.state), weights_of(snapshot.baseline)
        permutation = match(snapshot)
        aligned = permute(spec, permutation, params)
        before, after = (_distance(w, baseline) for w in (params, aligned))
        record = {
            f"{prefix}aligned_distance": after,
            f"{prefix}permutation_share": jnp.where(before > 0, 1 - after / before, 0),
            f"{prefix}units_moved": _fraction_moved(permutation, trees.float_type(params)),
            f"{prefix}invariance_error": invariance_error(predict, params, aligned, snapshot.data["inputs"]),
        }
        points = Points(line.num_points, lambda w: refreshed(line.recompute, w, snapshot.data), line_prefix)
        return carry, record | lines(predict, baseline, aligned, snapshot.data["sets"], points)

    variables = (
        Variable(f"{prefix}aligned_distance", (), "weight", f"2-norm distance of the weights to the baseline's{then}"),
        Variable(f"{prefix}permutation_share", (), "1", f"part of the distance that is the order of units{then}"),
        Variable(f"{prefix}units_moved", (), "1", f"fraction of hidden units that were moved{then}"),
        Variable(f"{prefix}invariance_error", (), "1", f"largest change of logits, relative to the largest{then}"),
        *line_variables(line.names, line_prefix, then),
    )
    coords = alphas(line.num_points) if line.names else ()
    return Observable(lambda snapshot: (), read, None, every, "member", variables, data, coords)


def matched(spec: PermutationSpec, a: PyTree, b: PyTree, num_restarts: int = 0) -> dict:
    """Runs `match_weights` on the host from a compiled program; weights that are not finite stay unpermuted.

    >>> spec = PermutationSpec({"w": ("hidden",)}, {"hidden": 3})
    >>> jax.jit(lambda a, b: matched(spec, a, b))({"w": jnp.arange(3.0)}, {"w": jnp.array([2.0, 0.0, 1.0])})
    {'hidden': Array([1, 2, 0], dtype=int32)}
    """

    def on_host(weights):
        if not _finite(weights):
            return identity(spec)
        return match_weights(spec, *weights, num_restarts=num_restarts).permutation

    return _on_host(spec, on_host, (a, b))


def _on_host(spec: PermutationSpec, find: Callable, given: PyTree) -> dict:
    """Calls the host from a compiled program for `find(given)`, a permutation."""

    def on_host(given):
        found = find(jax.tree.map(np.asarray, given))
        return {group: np.asarray(found[group], np.int32) for group in spec.sizes}

    shapes = {group: jax.ShapeDtypeStruct((size,), jnp.int32) for group, size in spec.sizes.items()}
    return jax.pure_callback(on_host, shapes, given, vmap_method="sequential")


def _finite(arrays: PyTree) -> bool:
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(arrays))


def _distance(a: PyTree, b: PyTree):
    a, b = (trees.split_floats(as_network(one).params)[0] for one in (a, b))
    return trees.norm(trees.subtract(a, b))


def _fraction_moved(permutation: dict, dtype):
    moved = [p != jnp.arange(len(p)) for p in permutation.values()]
    return jnp.mean(jnp.concatenate(moved).astype(dtype)) if moved else jnp.zeros((), dtype)


def balanced_distance(spec: ScaleSpec, predict: Callable, inputs: PyTree, *, every: int = 1) -> Observable:
    """Records the distance to the baseline after balancing both, which removes the scales of ReLU units.

    Records:
        balanced_distance (): |B w_m - B w_0|, see `pathjax.symmetry.balance`
        scale_invariance_error (): largest |f(B w) - f(w)| on `inputs`, relative to the largest |f(w)|: 0 except for
            rounding

    Args:
        spec: see `pathjax.symmetry.infer_scales`.
        predict: `predict(params, inputs) -> logits`.
        inputs: examples on which the invariance is checked.
        every: steps between records; balancing takes about ten passes over the weights per two hidden layers.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: when traced, if the spec does not match the weights.

    >>> balanced_distance(ScaleSpec({}, {}), lambda w, x: x @ w, jnp.ones((2, 3))).variables[0].name
    'balanced_distance'
    """

    def balanced(state):
        floats, others = trees.split_floats(weights_of(state))
        return trees.merge(balance(spec, floats), others)

    def reference(baseline, data):
        return balanced(baseline)

    def read(carry, snapshot):
        own = balanced(snapshot.state)
        return carry, {
            "balanced_distance": _distance(own, snapshot.reference),
            "scale_invariance_error": invariance_error(predict, weights_of(snapshot.state), own, snapshot.data),
        }

    variables = (
        Variable("balanced_distance", (), "weight", "distance to the baseline once units' scales are balanced"),
        Variable("scale_invariance_error", (), "1", "largest change of logits by that, relative to the largest"),
    )
    return Observable(lambda snapshot: (), read, None, every, "member", variables, inputs, reference=reference)
