"""Changes of a member's weights, optimizer state and hyperparameters."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pathjax import trees
from pathjax.errors import require
from pathjax.interventions.intervention import Intervention
from pathjax.perturbations import Perturbation
from pathjax.perturbations.along import move_along
from pathjax.symmetry import PermutationSpec, ScaleSpec, permute, random_permutation, rescale
from pathjax.typing import PyTree, State


def of_weights(perturbation: Perturbation) -> Intervention:
    """The weights are perturbed; the size is the perturbation's epsilon.

    >>> from pathjax.perturbations import gaussian
    >>> kick, state = of_weights(gaussian()), State(jnp.ones(100), (), {}, 0)
    >>> moved = kick.on_state(state, None, jax.random.key(0), jnp.float32(0.5)).params
    >>> f"{trees.norm(moved - state.params):.4f}"
    '0.5000'
    """

    def on_state(state, batch, key, size):
        return state._replace(params=_perturbed(perturbation, state.params, key, size))

    return Intervention(on_state, None)


def of_optimizer_state(perturbation: Perturbation) -> Intervention:
    """Momentum, and whatever else the optimizer keeps in floating point, is perturbed as if it were weights.

    >>> from pathjax.perturbations import gaussian
    >>> kick, state = of_optimizer_state(gaussian()), State(jnp.ones(100), jnp.zeros(100), {}, 0)
    >>> f"{trees.norm(kick.on_state(state, None, jax.random.key(0), jnp.float32(0.5)).opt_state):.4f}"
    '0.5000'
    """

    def on_state(state, batch, key, size):
        return state._replace(opt_state=_perturbed(perturbation, state.opt_state, key, size))

    return Intervention(on_state, None, ("opt_state",))


def _perturbed(perturbation: Perturbation, tree: PyTree, key, size) -> PyTree:
    return perturbation.apply(tree, perturbation.direction(key, tree), size)


def of_hyperparameter(name: str) -> Intervention:
    """From then on the hyperparameter is (1 + size) times what it was.

    Raises:
        InputError: when it happens to a state without this hyperparameter.

    >>> state = State((), (), {"learning_rate": jnp.float32(0.5)}, 0)
    >>> of_hyperparameter("learning_rate").on_state(state, None, None, 0.5).hparams
    {'learning_rate': Array(0.75, dtype=float32)}
    """

    def on_state(state, batch, key, size):
        own = [name for name in state.hparams if "/" not in name]
        require(name in state.hparams, f"no hyperparameter '{name}' to change: choose of {', '.join(own) or 'none'}")
        return state._replace(hparams=state.hparams | {name: state.hparams[name] * (1 + size)})

    return Intervention(on_state, None, ("hparams",))


def along_gradient(loss_fn: Callable[[PyTree, PyTree], Array]) -> Intervention:
    """The weights are moved along the gradient of the loss on the step's batch, by a 2-norm of exactly the size.

    Args:
        loss_fn: `loss_fn(params, examples)`, as of `training_dynamics`.

    >>> from pathjax.typing import Batch
    >>> kick, state = along_gradient(lambda w, x: jnp.sum(w**2)), State(jnp.array([3.0, 4.0]), (), {}, 0)
    >>> kick.on_state(state, Batch(None, None, None), None, jnp.float32(5.0)).params
    Array([6., 8.], dtype=float32)
    """

    def on_state(state, batch, key, size):
        floats, others = trees.split_floats(state.params)
        gradient = jax.grad(lambda floats: jnp.mean(loss_fn(trees.merge(floats, others), batch.examples)))(floats)
        length = trees.norm(gradient)
        unit = trees.scale(1 / jnp.where(length > 0, length, 1), gradient)
        still = jax.tree.map(jnp.zeros_like, others)
        return state._replace(params=move_along(state.params, trees.merge(unit, still), size))

    return Intervention(on_state, None)


def of_permutation(spec: PermutationSpec) -> Intervention:
    """Hidden units are put in a random order, and what the optimizer keeps of their weights: the function, and all that
    training makes of it, stays as it is. It has no size.

    >>> from pathjax.symmetry import permutation_spec
    >>> spec = permutation_spec(jnp.ones(3), {"": ("hidden",)})
    >>> state = of_permutation(spec).on_state(State(jnp.arange(3.0), (), {}, 0), None, jax.random.key(0), None)
    >>> sorted(state.params.tolist())
    [0.0, 1.0, 2.0]
    """

    def on_state(state, batch, key, size):
        move = functools.partial(permute, spec, random_permutation(spec, key))
        return state._replace(params=move(state.params), opt_state=_alike(move, state.params, state.opt_state))

    return Intervention(on_state, None, ("params", "opt_state"))


def _alike(fn: Callable, params: PyTree, opt_state: PyTree) -> PyTree:
    """`fn` of all parts of an optimizer's state that are trees like the weights: momentum, second moments."""

    wanted = jax.tree.map(jnp.shape, params), jax.tree.structure(params)

    def is_like(tree) -> bool:
        return (jax.tree.map(jnp.shape, tree), jax.tree.structure(tree)) == wanted

    return jax.tree.map(lambda part: fn(part) if is_like(part) else part, opt_state, is_leaf=is_like)


def of_scales(spec: ScaleSpec) -> Intervention:
    """Units of ReLU are scaled by exp(size times a normal number each), in by it and out over it: the function stays as
    it is, but not what training makes of it.

    >>> spec = ScaleSpec({"P0": (("w0", 0, 1), ("w1", 0, -1))}, {"w0": (1,), "w1": (1,)})
    >>> state = State({"w0": jnp.ones(1), "w1": jnp.ones(1)}, (), {}, 0)
    >>> moved = of_scales(spec).on_state(state, None, jax.random.key(0), 1.0).params
    >>> f"{float((moved['w0'] * moved['w1'])[0]):.4f}"
    '1.0000'
    """

    def on_state(state, batch, key, size):
        keys = jax.random.split(key, max(1, len(spec.signs)))
        widths = {group: spec.shapes[signs[0][0]][signs[0][1]] for group, signs in spec.signs.items()}
        dtype = trees.float_type(state.params)
        scales = {
            group: jnp.exp(size * jax.random.normal(k, (width,), dtype))
            for k, (group, width) in zip(keys, widths.items(), strict=False)
        }
        return state._replace(params=rescale(spec, scales, state.params))

    return Intervention(on_state, None)


def of_ulps() -> Intervention:
    """One random weight is moved away from zero by `size` units in the last place.

    >>> kick, state = of_ulps(), State(jnp.ones(3), (), {}, 0)
    >>> moved = kick.on_state(state, None, jax.random.key(0), 2.0).params
    >>> sorted(((moved - 1) / jnp.finfo(jnp.float32).eps).tolist())
    [0.0, 0.0, 2.0]
    """
    return _of_one_weight(lambda bits, size: bits + jnp.asarray(size, bits.dtype))


def of_flipped_bit(bit: int) -> Intervention:
    """One bit of one random weight is flipped. It has no size.

    Args:
        bit: 0 for the last of the mantissa; for float32, 22 is the first of the mantissa, 30 of the exponent, 31 the
            sign.

    Raises:
        InputError: when it happens to weights that have no such bit.

    >>> kick, state = of_flipped_bit(31), State(jnp.ones(3), (), {}, 0)
    >>> sorted(kick.on_state(state, None, jax.random.key(0), None).params.tolist())
    [-1.0, 1.0, 1.0]
    """

    def flip(bits, size):
        width = jnp.iinfo(bits.dtype).bits
        require(0 <= bit < width, f"weights of {width} bits have no bit {bit}: choose 0 to {width - 1}")
        return bits ^ (jnp.ones((), bits.dtype) << bit)

    return _of_one_weight(flip)


def _of_one_weight(change: Callable) -> Intervention:
    """`change(bits, size)` of one weight, each of all as likely; bits as an unsigned integer."""

    def on_state(state: State, batch, key, size):
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
                new = jax.lax.bitcast_convert_type(change(bits, size), leaf.dtype)
                leaf = leaf.ravel().at[at].set(jnp.where(inside, new, old)).reshape(leaf.shape)
            moved.append(leaf)
            place = place - leaf.size
        return state._replace(params=trees.merge(jax.tree.unflatten(treedef, moved), others))

    return Intervention(on_state, None)
