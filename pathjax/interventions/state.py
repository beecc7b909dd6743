"""Interventions on a member's weights, optimizer state and hyperparameters."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import as_network, weights_of
from pathjax.core.types import Network, PyTree, State
from pathjax.interventions.base import Intervention
from pathjax.interventions.epsilon_checks import between, check_finite
from pathjax.perturbations import Perturbation
from pathjax.symmetry import PermutationSpec, ScaleSpec, permute, random_permutation, rescale
from pathjax.symmetry.spec import permute_axes, unflattened_leaves


def of_weights(perturbation: Perturbation) -> Intervention:
    """Perturbs the weights by epsilon.

    Args:
        perturbation: see `pathjax.perturbations`.

    Returns:
        An Intervention; epsilon is the perturbation's.

    Raises:
        InputError: when added to an ensemble with an epsilon outside the perturbation's range.

    >>> from pathjax.perturbations import gaussian
    >>> kick, state = of_weights(gaussian()), State(params=jnp.ones(100), opt_state=(), hparams={}, step=0)
    >>> moved = kick.on_state(jax.random.key(0), state, None, jnp.float32(0.5)).params
    >>> f"{trees.norm(moved - state.params):.4f}"
    '0.5000'
    """

    def on_state(key, state, batch, epsilon):
        return state._replace(params=_perturbed(key, perturbation, state.params, epsilon))

    return Intervention(on_state, None, check=_within(perturbation))


def of_optimizer_state(perturbation: Perturbation) -> Intervention:
    """Perturbs the optimizer's floating-point state, such as momentum, as if it were weights.

    Adam and RMSProp also keep squares, which must not become negative: use `restricted(perturbation, "mu")`, or the
    optimizer's own name for its momentum.

    Args:
        perturbation: applied to the optimizer's float leaves as to weights; see `pathjax.perturbations`.

    Returns:
        An Intervention; epsilon is the perturbation's.

    Raises:
        InputError: when it happens to an optimizer without floating-point state.

    >>> from pathjax.perturbations import gaussian
    >>> kick = of_optimizer_state(gaussian())
    >>> state = State(params=jnp.ones(100), opt_state=jnp.zeros(100), hparams={}, step=0)
    >>> f"{trees.norm(kick.on_state(jax.random.key(0), state, None, jnp.float32(0.5)).opt_state):.4f}"
    '0.5000'
    """

    def on_state(key, state, batch, epsilon):
        return state._replace(opt_state=_perturbed(key, perturbation, state.opt_state, epsilon))

    return Intervention(on_state, None, ("opt_state",), _within(perturbation))


def of_model_state(perturbation: Perturbation) -> Intervention:
    """Perturbs the floating-point leaves of the model's state, such as running statistics, as if they were weights.

    Running variances must not become negative: use `restricted(perturbation, "mean")`, or the model's own name.

    Args:
        perturbation: applied to the state's float leaves as to weights; see `pathjax.perturbations`.

    Returns:
        An Intervention; epsilon is the perturbation's.

    Raises:
        InputError: when it happens to a model without floating-point state.

    >>> from pathjax.perturbations import gaussian
    >>> kick = of_model_state(gaussian())
    >>> state = State(params=(), opt_state=(), hparams={}, step=0, model_state=jnp.zeros(100))
    >>> f"{trees.norm(kick.on_state(jax.random.key(0), state, None, jnp.float32(0.5)).model_state):.4f}"
    '0.5000'
    """

    def on_state(key, state, batch, epsilon):
        return state._replace(model_state=_perturbed(key, perturbation, state.model_state, epsilon))

    return Intervention(on_state, None, ("model_state",), _within(perturbation))


def of_noise() -> Intervention:
    """Gives the member noise of its own from this step on, in place of the schedule's or its own. Takes no epsilon.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: when it happens in an ensemble without indices of noise; see `pathjax.with_noise`.

    >>> state = State(params=(), opt_state=(), hparams={}, step=0, noise=jnp.uint32(0))
    >>> bool(of_noise().on_state(jax.random.key(1), state, None, None).noise == 0)
    False
    """

    def on_state(key, state, batch, epsilon):
        has_noise = state.noise is not None
        require(has_noise, "members have no noise of their own: make the ensemble with pathjax.with_noise")
        return state._replace(noise=jax.random.bits(key, dtype=jnp.uint32) | 1)  # odd, so not 0, the schedule's

    return Intervention(on_state, None, ("noise",))


def _perturbed(key, perturbation: Perturbation, tree: PyTree, epsilon) -> PyTree:
    floats = jax.tree.leaves(trees.split_floats(tree)[0])
    require(bool(floats), "nothing to perturb: this part of the state has no floating-point leaves")
    dtype = jnp.promote_types(trees.float_type(tree), jnp.float32)
    return perturbation.apply(tree, perturbation.direction(key, tree), jnp.asarray(epsilon, dtype))


def _within(perturbation: Perturbation) -> Callable:
    return between(-perturbation.max_epsilon, perturbation.max_epsilon)


def of_hyperparameter(name: str) -> Intervention:
    """Multiplies a hyperparameter by 1 + epsilon, from that step on.

    Args:
        name: name of the leaf in `state.hparams`.

    Returns:
        An Intervention; epsilon is the relative change.

    Raises:
        InputError: when it happens to a state without this hyperparameter.

    >>> state = State(params=(), opt_state=(), hparams={"learning_rate": jnp.float32(0.5)}, step=0)
    >>> of_hyperparameter("learning_rate").on_state(None, state, None, 0.5).hparams
    {'learning_rate': Array(0.75, dtype=float32)}
    """

    def on_state(key, state, batch, epsilon):
        names = ", ".join(state.hparams) or "none"
        require(name in state.hparams, f"unknown hyperparameter '{name}'; choose one of: {names}")
        changed = state.hparams[name] * (1 + epsilon)
        return state._replace(hparams=state.hparams | {name: changed.astype(state.hparams[name].dtype)})

    return Intervention(on_state, None, ("hparams",))


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

    def on_state(key, state, batch, epsilon):
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

    def on_state(key, state, batch, epsilon):
        keys = jax.random.split(key, max(1, len(spec.signs)))
        widths = {group: spec.shapes[signs[0][0]][signs[0][1]] for group, signs in spec.signs.items()}
        dtype = trees.float_type(state.params)
        scales = {
            group: jnp.exp(jnp.asarray(epsilon, dtype) * jax.random.normal(k, (width,), dtype))
            for k, (group, width) in zip(keys, widths.items(), strict=False)
        }
        return state._replace(params=rescale(spec, scales, state.params))

    return Intervention(on_state, None)


def of_ulps() -> Intervention:
    """Moves one random weight away from zero by epsilon units in the last place.

    Returns:
        An Intervention; epsilon is an integer number of units in the last place.

    >>> kick, state = of_ulps(), State(params=jnp.ones(3), opt_state=(), hparams={}, step=0)
    >>> moved = kick.on_state(jax.random.key(0), state, None, 2.0).params
    >>> sorted(((moved - 1) / jnp.finfo(jnp.float32).eps).tolist())
    [0.0, 0.0, 2.0]
    """
    return _of_one_weight(
        lambda bits, epsilon: bits + jnp.asarray(epsilon, bits.dtype), between(1, 2**15, integer=True)
    )


def of_flipped_bit(bit: int) -> Intervention:
    """Flips one bit of one random weight. Takes no epsilon.

    Args:
        bit: 0 is the last bit of the mantissa; in float32, 22 is the first of the mantissa, 30 the first of the
            exponent, and 31 the sign.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: when it happens to weights that are too narrow for this bit.

    >>> kick, state = of_flipped_bit(31), State(params=jnp.ones(3), opt_state=(), hparams={}, step=0)
    >>> sorted(kick.on_state(jax.random.key(0), state, None, None).params.tolist())
    [-1.0, 1.0, 1.0]
    """

    def flip(bits, epsilon):
        width = jnp.iinfo(bits.dtype).bits
        require(0 <= bit < width, f"bit must be 0 to {width - 1} for weights of {width} bits, not {bit}")
        return bits ^ (jnp.ones((), bits.dtype) << bit)

    return _of_one_weight(flip)


def _of_one_weight(change: Callable, check: Callable = check_finite) -> Intervention:
    """Applies `change(bits, epsilon)` to one weight, all equally likely; bits are an unsigned integer."""

    def on_state(key, state: State, batch, epsilon):
        floats, others = trees.split_floats(state.params)
        leaves, treedef = jax.tree.flatten(floats)
        place = jax.random.randint(key, (), 0, trees.num_elements(floats))
        moved = []
        for leaf in leaves:
            inside = (place >= 0) & (place < leaf.size)
            at = jnp.where(inside, place, 0)
            old = leaf.ravel()[at] if leaf.size else leaf
            if leaf.size:
                bits = jax.lax.bitcast_convert_type(old, f"uint{leaf.dtype.itemsize * 8}")
                new = jax.lax.bitcast_convert_type(change(bits, epsilon), leaf.dtype)
                leaf = leaf.ravel().at[at].set(jnp.where(inside, new, old)).reshape(leaf.shape)
            moved.append(leaf)
            place = place - leaf.size
        return state._replace(params=trees.merge(jax.tree.unflatten(treedef, moved), others))

    return Intervention(on_state, None, check=check)
