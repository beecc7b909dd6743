"""Scale symmetries of units: scaling a ReLU's incoming weights by c and its outgoing weights by 1/c changes nothing."""

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.function_equality import holds_constants
from pathjax.core.networks import of_networks
from pathjax.core.types import PyTree
from pathjax.symmetry.invariance import invariance_error
from pathjax.symmetry.spec import PermutationSpec, unflattened_leaves

MAX_SWEEPS = 1000  # about ten are enough for two hidden layers, about 200 for ten
BALANCED = 1e-5  # the sweep stops when no scale's logarithm is larger
# Scales of the trial weights: a smooth activation resembles ReLU at large scales, and is nearly linear at small ones.
SCALES = (0.05, 0.5, 2.0)
MAX_AXES = 10  # groups with more axes are not tried
TOLERANCE = 1e-4  # relative change of the outputs that counts as rounding in single precision


@holds_constants
@shown_in_short
class ScaleSpec(NamedTuple):
    """For each group of units with the symmetry, the axes that scale with the unit (+1) or inversely (-1).

    `signs` has a tuple of (leaf, axis, sign) for each group. The axes refer to `shapes`, the leaves' shapes with an
    axis for each factor of a flattened axis.
    """

    signs: Mapping[str, tuple[tuple[str, int, int], ...]]
    shapes: Mapping[str, tuple[int, ...]]


def infer_scales(apply: Callable, spec: PermutationSpec, params: PyTree, *inputs) -> ScaleSpec:
    """Finds by trial which groups of a permutation spec can be scaled: random scales must not change the outputs.

    Each group gets the first combination of signs that works. Activations within 1e-4 of ReLU at the trial weights
    count as ReLU; `observables.balanced_distance` records how well the symmetry holds in a run.

    Args:
        apply: `apply(params, *inputs)` returns the outputs; see `infer_spec` for a model with a state.
        spec: see `infer_spec`.
        params: weights; only their shapes, types and leaves that are not floats are used, as trial weights are random.
        inputs: examples, enough to activate all units.

    Returns:
        A ScaleSpec of the groups that have the symmetry.

    >>> params = {"w0": jnp.ones((3, 5)), "w1": jnp.ones((5, 2))}
    >>> spec = PermutationSpec({"w0": (None, "P0"), "w1": ("P0", None)}, {"P0": 5})
    >>> infer_scales(lambda w, x: jax.nn.relu(x @ w["w0"]) @ w["w1"], spec, params, jnp.ones((1, 3))).signs
    {'P0': (('w0', 1, 1), ('w1', 0, -1))}
    """
    apply = of_networks(apply)
    floats, others = trees.split_floats(params)
    drawn = trees.random_normal_like(jax.random.key(0), floats)
    drawn = jax.tree.map(lambda w: w / max(w.shape, default=1) ** 0.5, drawn)
    trials = [trees.merge(trees.scale(scale, drawn), others) for scale in SCALES]
    leaves = unflattened_leaves(spec, params)
    groups = {leaf.name: leaf.groups for leaf in leaves}
    shapes = {leaf.name: leaf.shape for leaf in leaves}
    found = {}
    for number, (group, size) in enumerate(spec.sizes.items()):
        if any(group in groups[name] for name in trees.leaf_names(others)):
            continue
        axes = [(name, i) for name, own in groups.items() for i, other in enumerate(own) if other == group]
        scales = jnp.exp(jax.random.normal(jax.random.key(number + 1), (size,)))
        for signs in _sign_choices(len(axes)):
            candidate = tuple((name, axis, sign) for (name, axis), sign in zip(axes, signs, strict=True))
            moved = [_scaled(candidate, shapes, weights, scales) for weights in trials]
            errors = [invariance_error(apply, *both, *inputs) for both in zip(trials, moved, strict=True)]
            if all(error <= TOLERANCE for error in errors):
                found[group] = candidate
                break
    return ScaleSpec(found, shapes)


def _sign_choices(num: int):
    """All combinations of signs up to an overall sign: the first is +1."""
    return ((1, *rest) for rest in itertools.product((1, -1), repeat=num - 1)) if num <= MAX_AXES else ()


def _scaled(signs, shapes, params: PyTree, scales) -> PyTree:
    named = _by_name(params)
    for name, axis, sign in signs:
        factors = (scales**sign).reshape([-1 if i == axis else 1 for i in range(len(shapes[name]))])
        named[name] = (named[name].reshape(shapes[name]) * factors).reshape(named[name].shape)
    return jax.tree.unflatten(jax.tree.structure(params), list(named.values()))


def rescale(spec: ScaleSpec, scales: Mapping[str, Array], params: PyTree) -> PyTree:
    """Scales the units of some groups: multiplies incoming weights by the unit's scale and divides outgoing weights.

    Args:
        spec: see `infer_scales`.
        scales: {group: float (units,)}, positive.
        params: the weights.

    Returns:
        Weights that compute the same function.

    >>> spec = ScaleSpec({"P0": (("w0", 0, 1), ("w1", 0, -1))}, {"w0": (1,), "w1": (1,)})
    >>> rescale(spec, {"P0": jnp.array([2.0])}, {"w0": jnp.ones(1), "w1": jnp.ones(1)})["w1"]
    Array([0.5], dtype=float32)
    """
    for group, of_units in scales.items():
        params = _scaled(spec.signs[group], spec.shapes, params, of_units)
    return params


def _by_name(params: PyTree) -> dict:
    return dict(zip(trees.leaf_names(params), jax.tree.leaves(params), strict=True))


def balance(spec: ScaleSpec, params: PyTree) -> PyTree:
    """Scales each unit to minimize the norm of the weights, so that incoming and outgoing weights have equal norms.

    Weights that differ only by scales have the same balanced weights, up to rounding. Scaling one group changes the
    next, so sweeps go forward and back through the groups until nothing changes. Units stay unchanged if their
    incoming or outgoing weights are all 0, or if only one side scales (before a normalization).

    Args:
        spec: see `infer_scales`.
        params: the weights.

    Returns:
        Balanced weights that compute the same function.

    Raises:
        InputError: if the weights do not match the spec.

    Source: Stock et al.: Equi-normalization of neural networks (ICLR 2019).

    >>> spec = ScaleSpec({"P0": (("w0", 0, 1), ("w1", 0, -1))}, {"w0": (1,), "w1": (1,)})
    >>> balance(spec, {"w0": jnp.array([8.0]), "w1": jnp.array([2.0])})["w0"]
    Array([4.], dtype=float32)
    """
    _check_leaves(spec, params)
    groups = list(spec.signs.values())

    def sweep(carry):
        params, _, num = carry
        largest = jnp.zeros((), trees.float_type(params))
        for signs in (*groups, *groups[-2::-1]):
            scales = _best_scales(signs, spec.shapes, params)
            params = _scaled(signs, spec.shapes, params, scales)
            largest = jnp.maximum(largest, jnp.max(jnp.abs(jnp.log(scales))))
        return params, largest, num + 1

    def unfinished(carry):
        _, largest, num = carry
        return (largest > BALANCED) & (num < MAX_SWEEPS)  # False if weights are NaN

    if not groups:
        return params
    return jax.lax.while_loop(unfinished, sweep, sweep((params, None, 0)))[0]


def _check_leaves(spec: ScaleSpec, params: PyTree) -> None:
    sizes = {name: jnp.size(leaf) for name, leaf in _by_name(params).items()}
    for name in {name for signs in spec.signs.values() for name, _, _ in signs}:
        fits = sizes.get(name) == math.prod(spec.shapes[name])
        require(fits, f"the weights have no '{name}' of shape {spec.shapes[name]}: infer the scales for these weights")


def _best_scales(signs, shapes, params: PyTree):
    named = _by_name(params)

    def length(sign):
        lengths = [_by_unit(named[name].reshape(shapes[name]), axis) for name, axis, s in signs if s == sign]
        return functools.reduce(jnp.hypot, lengths, jnp.zeros(()))

    incoming, outgoing = length(1), length(-1)
    usable = (incoming > 0) & (outgoing > 0) & jnp.isfinite(incoming + outgoing)
    return jnp.sqrt(jnp.where(usable, outgoing, 1)) / jnp.sqrt(jnp.where(usable, incoming, 1))


def _by_unit(leaf, axis: int):
    """The norm of each unit's weights; no square overflows or underflows."""
    others = tuple(i for i in range(leaf.ndim) if i != axis)
    largest = jnp.max(jnp.abs(leaf), axis=others, keepdims=True, initial=0)
    scaled = leaf / jnp.where(largest > 0, largest, 1)
    return jnp.sqrt(jnp.sum(scaled**2, axis=others)) * jnp.squeeze(largest, others)
