"""Interventions along the symmetries of a network: the order of its units, and their scales."""

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import as_network, weights_of
from pathjax.core.types import Network, PyTree, State
from pathjax.interventions.base import Intervention
from pathjax.symmetry import PermutationSpec, ScaleSpec, permute, random_permutation, rescale
from pathjax.symmetry.spec import permute_axes, unflattened_leaves


def of_permutation(spec: PermutationSpec) -> Intervention:
    """Permutes hidden units at random, together with the optimizer's and the model's state of them. The function and
    its training stay the same. Takes no epsilon.

    Args:
        spec: see `pathjax.symmetry.infer_spec`.

    Returns:
        An Intervention without an epsilon.

    >>> from pathjax.symmetry import permutation_spec
    >>> spec = permutation_spec(jnp.ones(3), {"": ("hidden",)})
    >>> state = State(params=jnp.arange(3.0), opt_state=(), hparams={}, step=0)
    >>> state = of_permutation(spec).on_state(jax.random.key(0), state, None, None)
    >>> sorted(state.params.tolist())
    [0.0, 1.0, 2.0]
    """

    def on_state(key, state: State, batch, epsilon):
        permutation, weights = random_permutation(key, spec), weights_of(state)
        moved = as_network(permute(spec, permutation, weights))
        opt_state = _alike(spec, permutation, weights, state.opt_state)
        return state._replace(params=moved.params, opt_state=opt_state, model_state=moved.model_state)

    return Intervention(on_state, None, ("params", "opt_state", "model_state"))


def _alike(spec: PermutationSpec, permutation: dict, params: PyTree, opt_state: PyTree) -> PyTree:
    """Permutes what the optimizer keeps for each weight (momentum, second moments) like the weights.

    A leaf belongs to the weight whose path its own path ends with, if the shapes are equal.
    """
    known = unflattened_leaves(spec, params)
    shapes = dict(zip(trees.leaf_names(params), map(jnp.shape, jax.tree.leaves(params)), strict=True))
    if isinstance(params, Network):
        known = [own._replace(name=own.name.removeprefix("params").removeprefix("/")) for own in known]
        shapes = {name.removeprefix("params").removeprefix("/"): shape for name, shape in shapes.items()}
    weights, inner = {own.name: own.groups for own in known}, {own.name: own.shape for own in known}
    leaves, treedef = jax.tree.flatten(opt_state)
    moved = []
    for path, leaf in zip(trees.leaf_names(opt_state), leaves, strict=True):
        ends = [name for name in weights if not name or path == name or path.endswith(f"/{name}")]
        name = max(ends, key=len, default=None)
        if name is not None and jnp.shape(leaf) == shapes[name]:
            new = permute_axes(weights[name], permutation, leaf.reshape(inner[name])).reshape(leaf.shape)
        else:
            unlike = f"the optimizer state '{path}' of shape {jnp.shape(leaf)} matches no weight"
            require(leaf.size <= 1, f"{unlike}, so it cannot be permuted; choose another optimizer")
            new = leaf
        moved.append(new)
    return jax.tree.unflatten(treedef, moved)


def of_scales(spec: ScaleSpec) -> Intervention:
    """Rescales ReLU units: incoming weights by exp(epsilon z), outgoing by its inverse, z standard normal for each. The
    function stays the same, but its training does not.

    Args:
        spec: see `pathjax.symmetry.infer_scales`.

    Returns:
        An Intervention; epsilon is the standard deviation of the scales' logarithms.

    >>> spec = ScaleSpec({"P0": (("w0", 0, 1), ("w1", 0, -1))}, {"w0": (1,), "w1": (1,)})
    >>> state = State(params={"w0": jnp.ones(1), "w1": jnp.ones(1)}, opt_state=(), hparams={}, step=0)
    >>> moved = of_scales(spec).on_state(jax.random.key(0), state, None, 1.0).params
    >>> f"{float((moved['w0'] * moved['w1'])[0]):.4f}"
    '1.0000'
    """

    def on_state(key, state: State, batch, epsilon):
        keys = jax.random.split(key, max(1, len(spec.signs)))
        widths = {group: spec.shapes[signs[0][0]][signs[0][1]] for group, signs in spec.signs.items()}
        dtype = trees.float_type(state.params)
        scales = {
            group: jnp.exp(jnp.asarray(epsilon, dtype) * jax.random.normal(k, (width,), dtype))
            for k, (group, width) in zip(keys, widths.items(), strict=False)
        }
        return state._replace(params=rescale(spec, scales, state.params))

    return Intervention(on_state, None)
