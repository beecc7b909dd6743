"""The optimizer of a step: built from hyperparameters, called with all that optax's optimizers may ask for."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pathjax.core.calls import call
from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.training.stable_division import with_reciprocals

EXPECTED = "an optax optimizer such as optax.adam(1e-3), not optax.adam itself, or a function of hyperparameters"


def build_optimizer(optimizer: Any, hparams: dict) -> optax.GradientTransformationExtraArgs:
    """Returns the optimizer for these hyperparameters.

    Raises:
        InputError: if the function fails, for want of a hyperparameter say, or returns anything else.

    >>> build_optimizer(lambda h: optax.sgd(h["rate"]), {"rate": 0.1}).init(jnp.ones(2))[0]
    EmptyState()
    """
    if callable(optimizer):
        given = ", ".join(hparams) or "none"
        hint = f"it must be {EXPECTED}, all of which are in hparams (given: {given})"
        optimizer = call("optimizer(hparams)", hint, optimizer, hparams)
        is_one = isinstance(optimizer, optax.GradientTransformation)
        require(is_one, f"optimizer(hparams) returned a {type(optimizer).__name__}: expected an optax optimizer")
    return optax.with_extra_args_support(optimizer)


def start_optimizer(optimizer: optax.GradientTransformation, weights: PyTree) -> PyTree:
    """Returns the optimizer's state at the start.

    >>> start_optimizer(optax.sgd(0.1, momentum=0.9), jnp.ones(2))[0].trace
    Array([0., 0.], dtype=float32)
    """
    return call("optimizer.init(params)", f"pass {EXPECTED}", optimizer.init, weights)


def update_weights(
    optimizer: optax.GradientTransformationExtraArgs,
    gradients: PyTree,
    opt_state: PyTree,
    weights: PyTree,
    value: Any,
    value_fn: Callable,
) -> tuple[PyTree, PyTree]:
    """Applies one update. Weights and optimizer state keep their types, leaf by leaf.

    Args:
        optimizer: from `build_optimizer`. It gets, as optax names them, `value` and `grad` (loss and gradient of the
            batch at these weights), `value_fn(weights)`, and `grad_fn(weights, i)`, the gradient on the same batch for
            any i.
        gradients, opt_state, weights: what every optax optimizer takes.
        value: the loss.
        value_fn: the loss of the same batch as a function of the weights.

    Returns:
        The weights and the optimizer's state after the step.

    Raises:
        InputError: if the update fails, or changes the structure or the shapes of the optimizer's state.

    >>> half, one = build_optimizer(optax.sgd(0.5), {}), jnp.ones(1)
    >>> update_weights(half, one, half.init(one), one, 0.0, jnp.sum)[0]
    Array([0.5], dtype=float32)
    """

    def loss(weights, grad_fn=None):  # line searches pass on all that they get
        return value_fn(weights)

    more = {"value": value, "grad": gradients, "value_fn": loss}
    more["grad_fn"] = lambda weights, i=0: jax.grad(value_fn)(weights)
    fn = with_reciprocals(functools.partial(_update, optimizer.update, more))
    hint = f"{EXPECTED}; it gets value, grad, value_fn and grad_fn"
    updates, after = call("optimizer.update(...)", f"pass {hint}", fn, gradients, opt_state, weights)
    moved = call("optax.apply_updates(...)", f"pass {EXPECTED}", optax.apply_updates, weights, updates)
    return moved, _same_types(opt_state, after)


def _update(update: Callable, more: dict[str, Any], *args: Any) -> Any:
    """Calls an update with all that it takes; if one inside it takes less, with `grad_fn` alone, as for SAM."""
    try:
        return update(*args, **_taken(update, more))
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
    return update(*args, grad_fn=more["grad_fn"])


def _taken(update: Callable, more: dict[str, Any]) -> dict[str, Any]:
    """The arguments that an update takes: all with `**kwargs`, else those that it names."""
    parameters = inspect.signature(update).parameters
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return {name: value for name, value in more.items() if takes_all or name in parameters}


def _same_types(before: PyTree, after: PyTree) -> PyTree:
    """Casts floats of the new state to the old one's types: float32 hyperparameters would widen bfloat16 momentum."""
    structures: list[Any] = [jax.tree.structure(tree) for tree in (before, after)]
    shapes = [list(map(jnp.shape, jax.tree.leaves(tree))) for tree in (before, after)]
    same = structures[0] == structures[1] and shapes[0] == shapes[1]
    require(same, "the optimizer changes the structure or the shapes of its state, which a compiled loop cannot")

    def one(old, new):
        kinds = [jnp.result_type(leaf) for leaf in (old, new)]
        fits = kinds[0] == kinds[1] or all(jnp.issubdtype(kind, jnp.floating) for kind in kinds)
        require(fits, f"the optimizer changes a part of its state from {kinds[0]} to {kinds[1]}: keep its type")
        return new if kinds[0] == kinds[1] else jnp.asarray(new).astype(kinds[0])

    return jax.tree.map(one, before, after)
