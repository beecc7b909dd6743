"""Changes of a member's weights, optimizer state and hyperparameters."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree, State
from pathjax.interventions.base import Intervention
from pathjax.interventions.epsilon_checks import between, check_finite
from pathjax.perturbations import Perturbation
from pathjax.symmetry import PermutationSpec, ScaleSpec, permute, random_permutation, rescale
from pathjax.symmetry.spec import permute_axes, unflattened_leaves


def of_weights(perturbation: Perturbation) -> Intervention:
    """The weights are perturbed by epsilon.

    Args:
        perturbation: see `pathjax.perturbations`.

    Returns:
        An Intervention; epsilon is the perturbation's.

    Raises:
        InputError: when it is given to an ensemble with an epsilon that the perturbation does not have.

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
    """Momentum, and whatever else the optimizer keeps in floating point, is perturbed as if it were weights.

    Adam and RMSProp keep squares too, which must not be negative: take `restricted(perturbation, "mu")`, or whatever
    the optimizer calls its momentum.

    Args:
        perturbation: of the optimizer's float leaves, as of weights; see `pathjax.perturbations`.

    Returns:
        An Intervention; epsilon is the perturbation's.

    Raises:
        InputError: when it happens to an optimizer that keeps nothing.

    >>> from pathjax.perturbations import gaussian
    >>> kick = of_optimizer_state(gaussian())
    >>> state = State(params=jnp.ones(100), opt_state=jnp.zeros(100), hparams={}, step=0)
    >>> f"{trees.norm(kick.on_state(jax.random.key(0), state, None, jnp.float32(0.5)).opt_state):.4f}"
    '0.5000'
    """

    def on_state(key, state, batch, epsilon):
        return state._replace(opt_state=_perturbed(key, perturbation, state.opt_state, epsilon))

    return Intervention(on_state, None, ("opt_state",), _within(perturbation))


def _perturbed(key, perturbation: Perturbation, tree: PyTree, epsilon) -> PyTree:
    there = jax.tree.leaves(trees.split_floats(tree)[0])
    require(bool(there), "there is nothing to perturb: weights, or what the optimizer keeps, have no floating point")
    return perturbation.apply(tree, perturbation.direction(key, tree), jnp.asarray(epsilon, trees.float_type(tree)))


def _within(perturbation: Perturbation) -> Callable:
    return between(-perturbation.max_epsilon, perturbation.max_epsilon)


def of_hyperparameter(name: str) -> Intervention:
    """From then on the hyperparameter is (1 + epsilon) times what it was.

    Args:
        name: of the leaf in `state.hparams`.

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
        require(name in state.hparams, f"no hyperparameter '{name}' to change: choose of {names}")
        changed = state.hparams[name] * (1 + epsilon)
        return state._replace(hparams=state.hparams | {name: changed.astype(state.hparams[name].dtype)})

    return Intervention(on_state, None, ("hparams",))


def of_permutation(spec: PermutationSpec) -> Intervention:
    """Hidden units are put in a random order, and what the optimizer keeps of their weights: the function, and all that
    training makes of it, stays as it is. It has no epsilon.

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
        permutation = random_permutation(key, spec)
        moved = permute(spec, permutation, state.params)
        return state._replace(params=moved, opt_state=_alike(spec, permutation, state.params, state.opt_state))

    return Intervention(on_state, None, ("params", "opt_state"))


def _alike(spec: PermutationSpec, permutation: dict, params: PyTree, opt_state: PyTree) -> PyTree:
    """What an optimizer keeps for each weight (momentum, second moments) in the weights' new order.

    It is told by its path, which ends as that of the weights, and by its shape.
    """
    weights = {own.name: own.groups for own in unflattened_leaves(spec, params)}
    inner = {own.name: own.shape for own in unflattened_leaves(spec, params)}
    shapes = dict(zip(trees.leaf_names(params), map(jnp.shape, jax.tree.leaves(params)), strict=True))
    leaves, treedef = jax.tree.flatten(opt_state)
    moved = []
    for path, leaf in zip(trees.leaf_names(opt_state), leaves, strict=True):
        ends = [name for name in weights if not name or path == name or path.endswith(f"/{name}")]
        name = max(ends, key=len, default=None)
        if name is not None and jnp.shape(leaf) == shapes[name]:
            new = permute_axes(weights[name], permutation, leaf.reshape(inner[name])).reshape(leaf.shape)
        else:
            unlike = f"the optimizer keeps '{path}' of shape {jnp.shape(leaf)}, which is like no weight's"
            require(leaf.size <= 1, f"{unlike}: how it is to be permuted is not known; choose another optimizer")
            new = leaf
        moved.append(new)
    return jax.tree.unflatten(treedef, moved)


def of_scales(spec: ScaleSpec) -> Intervention:
    """Units of ReLU are scaled by exp(epsilon z), z normal for each, in by it and out over it: the function stays as it
    is, but not what training makes of it.

    Args:
        spec: see `pathjax.symmetry.infer_scales`.

    Returns:
        An Intervention; epsilon is the standard deviation of the logarithms of the scales.

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
    """One random weight is moved away from zero by epsilon units in the last place.

    Returns:
        An Intervention; epsilon is a whole number of units in the last place.

    >>> kick, state = of_ulps(), State(params=jnp.ones(3), opt_state=(), hparams={}, step=0)
    >>> moved = kick.on_state(jax.random.key(0), state, None, 2.0).params
    >>> sorted(((moved - 1) / jnp.finfo(jnp.float32).eps).tolist())
    [0.0, 0.0, 2.0]
    """
    return _of_one_weight(lambda bits, epsilon: bits + jnp.asarray(epsilon, bits.dtype), between(1, 2**15, whole=True))


def of_flipped_bit(bit: int) -> Intervention:
    """One bit of one random weight is flipped. It has no epsilon.

    Args:
        bit: 0 for the last of the mantissa; for float32, 22 is the first of the mantissa, 30 of the exponent, 31 the
            sign.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: when it happens to weights that have no such bit.

    >>> kick, state = of_flipped_bit(31), State(params=jnp.ones(3), opt_state=(), hparams={}, step=0)
    >>> sorted(kick.on_state(jax.random.key(0), state, None, None).params.tolist())
    [-1.0, 1.0, 1.0]
    """

    def flip(bits, epsilon):
        width = jnp.iinfo(bits.dtype).bits
        require(0 <= bit < width, f"weights of {width} bits have no bit {bit}: choose 0 to {width - 1}")
        return bits ^ (jnp.ones((), bits.dtype) << bit)

    return _of_one_weight(flip)


def _of_one_weight(change: Callable, check: Callable = check_finite) -> Intervention:
    """`change(bits, epsilon)` of one weight, each of all as likely; bits as an unsigned integer."""

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
