"""How much of a distance is the order of the hidden units."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from pathjax import trees
from pathjax.observables.connectivity import NUM_POINTS, alphas, line_variables, lines
from pathjax.symmetry import PermutationSpec, identity, match_weights, permute
from pathjax.typing import Observable, PyTree, Variable

THEN = ", once units are matched"


def alignment(
    spec: PermutationSpec,
    predict: Callable,
    inputs,
    every: int = 1,
    *,
    sets: dict[str, tuple] | None = None,
    num_points: int = NUM_POINTS,
    num_restarts: int = 0,
) -> Observable:
    """Each member's units in the order that brings its weights nearest to the baseline's.

    Records:
        aligned_distance (): |P w_m - w_0|, with the permutation P that `match_weights` finds (on the host)
        permutation_share (): how much of the distance is the order of units, 1 - aligned_distance / distance
        units_moved (): the fraction of units that P moves
        invariance_error (): largest |f(P w) - f(w)| on `inputs`, relative to the largest |f(w)|: 0 but for rounding
    and of `linear_connectivity` on the `sets` what is between the baseline and the aligned member, named "aligned_...".

    Args:
        spec: see `pathjax.symmetry.infer_spec`.
        predict: `predict(params, inputs) -> logits`.
        inputs: examples on which the invariance is checked.
        every: steps between records; matching takes milliseconds for small networks and a second for large ones.
        sets: name -> (inputs, labels).
        num_points: of the line.
        num_restarts: of the matching.

    Source: Ainsworth, Hayase, Srinivasa: Git Re-Basin (2022).

    >>> spec = PermutationSpec({"w": (None, "hidden")}, {"hidden": 3})
    >>> [v.name for v in alignment(spec, lambda w, x: x, jnp.ones((2, 3))).variables][:2]
    ['aligned_distance', 'permutation_share']
    """
    sets = dict(sets or {})

    def read(carry, snapshot):
        params, baseline = snapshot.state.params, snapshot.baseline.params
        permutation = matched(spec, baseline, params, num_restarts)
        aligned = permute(spec, permutation, params)
        before, after = (_distance(w, baseline) for w in (params, aligned))
        record = {
            "aligned_distance": after,
            "permutation_share": jnp.where(before > 0, 1 - after / before, 0),
            "units_moved": _fraction_moved(permutation, trees.float_type(params)),
            "invariance_error": _largest_change(predict, params, aligned, snapshot.data["inputs"]),
        }
        return carry, record | lines(predict, baseline, aligned, snapshot.data["sets"], num_points, "aligned_")

    variables = (
        Variable("aligned_distance", (), "weight", f"2-norm distance of the weights to the baseline's{THEN}"),
        Variable("permutation_share", (), "1", "part of the distance that is the order of units"),
        Variable("units_moved", (), "1", "fraction of hidden units that matching moves"),
        Variable("invariance_error", (), "1", "largest change of the logits by that, relative to the largest logit"),
        *line_variables(tuple(sets), "aligned_", THEN),
    )
    coords = alphas(num_points) if sets else ()
    data = {"inputs": inputs, "sets": sets}
    return Observable(lambda snapshot: (), read, None, every, "member", variables, data, coords)


def matched(spec: PermutationSpec, a: PyTree, b: PyTree, num_restarts: int = 0) -> dict:
    """`match_weights` within a compiled program: the host is called. Weights that are no numbers stay as they are."""

    def on_host(a, b):
        a, b = jax.tree.map(np.asarray, (a, b))
        usable = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((a, b)))
        found = match_weights(spec, a, b, num_restarts=num_restarts).permutation if usable else identity(spec)
        return {group: np.asarray(p, np.int32) for group, p in found.items()}

    shapes = {group: jax.ShapeDtypeStruct((size,), jnp.int32) for group, size in spec.sizes.items()}
    return jax.pure_callback(on_host, shapes, a, b, vmap_method="sequential")


def _distance(a: PyTree, b: PyTree):
    return trees.norm(trees.subtract(trees.split_floats(a)[0], trees.split_floats(b)[0]))


def _fraction_moved(permutation: dict, dtype):
    moved = [p != jnp.arange(len(p)) for p in permutation.values()]
    return jnp.mean(jnp.concatenate(moved).astype(dtype)) if moved else jnp.zeros((), dtype)


def _largest_change(predict, params, aligned, inputs):
    before, after = predict(params, inputs), predict(aligned, inputs)
    return jnp.max(jnp.abs(after - before)) / jnp.max(jnp.abs(before))
