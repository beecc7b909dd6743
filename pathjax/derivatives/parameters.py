"""Parameters of a derivative: initial weights along a direction, a hyperparameter, or the weight of an example."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pathjax.core import trees
from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.types import PyTree, State

KINDS = ("hyperparameter", "direction", "example_weight")
NOWHERE = (-1, 0)


@shown_in_short
class Parameter(NamedTuple):
    """A parameter theta of a run; theta = 0 is the unchanged run.

    `kind` is "hyperparameter" (`target`: its name), "direction" (`target`: a tree like the params, the displacement of
    the initial weights for theta = 1) or "example_weight" (`target`: the step, and the position in its batch).
    `epsilon` is the step of theta to both sides in the finite difference. None: the cube root of the dtype's rounding
    error, times the hyperparameter, the epsilon at which a direction is as long as the weights, or 1 for an example.
    """

    kind: str
    target: Any
    epsilon: float | None = None


def hyperparameter(name: str, epsilon: float | None = None) -> Parameter:
    """Returns a hyperparameter, by the name of its leaf in the state; theta is added to it.

    Args:
        name: name of the leaf in `state.hparams`.
        epsilon: see `Parameter`.

    Returns:
        A Parameter of kind "hyperparameter".

    >>> hyperparameter("learning_rate").target
    'learning_rate'
    """
    return Parameter("hyperparameter", name, epsilon)


def direction(tree: PyTree, epsilon: float | None = None) -> Parameter:
    """Returns a direction of the initial weights; theta times the tree is added to them.

    Args:
        tree: displacement like the params.
        epsilon: see `Parameter`.

    Returns:
        A Parameter of kind "direction".

    >>> direction({"w": jnp.ones(3)}).kind
    'direction'
    """
    return Parameter("direction", tree, epsilon)


def example_weight(step: int, place: int, epsilon: float | None = None) -> Parameter:
    """Returns the weight of an example at a position in a step's batch; theta is added to it (weights are 1 by
    default).

    Args:
        step, place: the step, and the position within its batch.
        epsilon: see `Parameter`.

    Returns:
        A Parameter of kind "example_weight".

    >>> example_weight(step=10, place=0).target
    (10, 0)
    """
    return Parameter("example_weight", (step, place), epsilon)


class Displacements(NamedTuple):
    """K parameters as arrays: what theta = 1 adds to the initial weights, to hyperparameters, and to the weight of
    example `place` of step `at` (-1: to none)."""

    params: PyTree
    hparams: dict[str, Float[Array, " K"]]
    at: Int[Array, " K"]
    place: Int[Array, " K"]
    epsilon: Float[Array, " K"]


def has_examples(parameters: Mapping[str, Parameter]) -> bool:
    """Whether a parameter is the weight of an example.

    >>> has_examples({"rate": hyperparameter("learning_rate")})
    False
    """
    return any(parameter.kind == "example_weight" for parameter in parameters.values())


def displacements(parameters: Mapping[str, Parameter], state: State, batches: tuple[int, int]) -> Displacements:
    """Stacks the parameters, after checking that each exists; `batches` are (steps, examples).

    Raises:
        InputError: for no parameters, an unknown hyperparameter or example, or a direction unlike the weights.

    >>> state = State(params={"w": jnp.ones(3)}, opt_state=(), hparams={"learning_rate": jnp.float32(0.1)}, step=0)
    >>> found = displacements({"rate": hyperparameter("learning_rate")}, state, (5, 2))
    >>> found.params["w"].shape, found.hparams["learning_rate"].tolist()
    ((1, 3), [1.0])
    """
    is_dict = isinstance(parameters, Mapping)
    require(is_dict, f"wrt must be a dict, as in {{'rate': hyperparameter('rate')}}, not a {type(parameters).__name__}")
    require(len(parameters) > 0, "wrt is empty; give at least one parameter")
    dtype = trees.float_type(state.params)
    rows = [_one(label, parameter, state, batches) for label, parameter in parameters.items()]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(row.params for row in rows))
    hparams = {
        name: jnp.array([row.hparam == name for row in rows], state.hparams[name].dtype) for name in _continuous(state)
    }
    examples = jnp.array([row.example for row in rows], jnp.int32)
    return Displacements(params, hparams, examples[:, 0], examples[:, 1], _epsilons(parameters, rows, dtype))


class _Row(NamedTuple):
    params: PyTree
    hparam: str | None
    example: tuple[int, int]
    scale: Any  # of the quantity that theta changes: the default epsilon is a small fraction of it


def _one(label: str, parameter: Parameter, state: State, batches: tuple[int, int]) -> _Row:
    what = type(parameter).__name__
    require(
        isinstance(parameter, Parameter), f"'{label}' must be a Parameter, such as hyperparameter('rate'), not a {what}"
    )
    floats, epsilon = trees.split_floats(state.params)[0], parameter.epsilon
    usable = epsilon is None or (math.isfinite(epsilon) and epsilon > 0)
    require(usable, f"epsilon of '{label}' must be a positive number or None, not {epsilon}")
    require(parameter.kind in KINDS, f"'{label}' has kind '{parameter.kind}'; choose one of {', '.join(KINDS)}")
    zeros = jax.tree.map(lambda w: jnp.zeros(w.shape, w.dtype), floats)
    if parameter.kind == "hyperparameter":
        names = _continuous(state)
        chosen = f"'{label}': unknown hyperparameter '{parameter.target}'; choose one of: {', '.join(names) or 'none'}"
        require(parameter.target in names, chosen)
        return _Row(zeros, parameter.target, NOWHERE, jnp.abs(state.hparams[parameter.target]))
    if parameter.kind == "example_weight":
        step, place = parameter.target
        num_steps, batch = batches
        fits = 0 <= step < num_steps and 0 <= place < batch
        require(fits, f"'{label}': no example {place} of step {step}; choose 0 to {batch - 1} of 0 to {num_steps - 1}")
        return _Row(zeros, None, (step, place), 1.0)
    moved = trees.split_floats(parameter.target)[0]
    given, wanted = (
        dict(zip(trees.leaf_names(t), map(jnp.shape, jax.tree.leaves(t)), strict=True)) for t in (moved, floats)
    )
    require(given == wanted, f"direction '{label}' has leaves {given}; expected {wanted}, as the weights")
    moved = jax.tree.map(lambda d, w: jnp.asarray(d, w.dtype), moved, floats)
    length = trees.norm(moved)
    known = not isinstance(length, jax.core.Tracer)
    moves = not known or (bool(length > 0) and bool(jnp.isfinite(length)))
    message = f"direction '{label}' must have a finite positive length, not {length}"
    require(moves, message)
    return _Row(moved, None, NOWHERE, trees.norm(floats) / length)


def _continuous(state: State) -> list[str]:
    return [name for name, value in state.hparams.items() if trees.is_float(value)]


def _epsilons(parameters: Mapping[str, Parameter], rows: list[_Row], dtype) -> Float[Array, " K"]:
    """The given epsilons; by default the cube root of the rounding error times the scale of the changed quantity."""
    small = float(jnp.finfo(dtype).eps) ** (1 / 3)
    epsilons = [
        small * jnp.where(row.scale > 0, row.scale, 1) if parameter.epsilon is None else parameter.epsilon
        for parameter, row in zip(parameters.values(), rows, strict=True)
    ]
    wide = jnp.promote_types(dtype, jnp.float32)
    return jnp.stack([jnp.asarray(epsilon, wide) for epsilon in epsilons])
