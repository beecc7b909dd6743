"""What training is differentiated by: initial weights along a direction, a hyperparameter, the weight of an example."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree, State

KINDS = ("hyperparameter", "direction", "example_weight")
NOWHERE = (-1, 0)


class Parameter(NamedTuple):
    """A number theta on which a run depends; at theta = 0 it is the run as it is.

    `kind` is "hyperparameter" (`target`: its name), "direction" (`target`: a tree like the params, the displacement of
    the initial weights for theta = 1) or "example_weight" (`target`: the step, and the place in its batch). `epsilon`
    is how far theta goes to both sides for the finite difference; None: the cube root of the type's rounding error,
    times the hyperparameter, or the epsilon at which a direction is as long as the weights, or 1 for an example.
    """

    kind: str
    target: Any
    epsilon: float | None = None


def hyperparameter(name: str, epsilon: float | None = None) -> Parameter:
    """A hyperparameter, by the name of its leaf in the state; theta is added to it. For `epsilon` see `Parameter`.

    Args:
        name: of the leaf in `state.hparams`.
        epsilon: see `Parameter`.

    Returns:
        A Parameter of kind "hyperparameter".

    >>> hyperparameter("learning_rate").target
    'learning_rate'
    """
    return Parameter("hyperparameter", name, epsilon)


def direction(tree: PyTree, epsilon: float | None = None) -> Parameter:
    """A direction in which the initial weights are moved; theta times the tree is added to them.

    Args:
        tree: like the params.
        epsilon: see `Parameter`.

    Returns:
        A Parameter of kind "direction".

    >>> direction({"w": jnp.ones(3)}).kind
    'direction'
    """
    return Parameter("direction", tree, epsilon)


def example_weight(step: int, place: int, epsilon: float | None = None) -> Parameter:
    """The weight of the example at a place in the batch of a step; theta is added to it (weights are 1 by default).

    Args:
        step, place: which example; place counts within the step's batch.
        epsilon: see `Parameter`.

    Returns:
        A Parameter of kind "example_weight".

    >>> example_weight(step=10, place=0).target
    (10, 0)
    """
    return Parameter("example_weight", (step, place), epsilon)


class Displacements(NamedTuple):
    """K parameters as arrays: what theta = 1 adds to the initial weights and to hyperparameters, and `at` which step
    and `place` to an example's weight (at step -1: to none)."""

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
    """Parameters stacked, after checking that each is there to be moved; `batches` are (steps, examples).

    Raises:
        InputError: for no parameters, a hyperparameter or example that there is not, or a direction unlike the weights.

    >>> state = State(params={"w": jnp.ones(3)}, opt_state=(), hparams={"learning_rate": jnp.float32(0.1)}, step=0)
    >>> found = displacements({"rate": hyperparameter("learning_rate")}, state, (5, 2))
    >>> found.params["w"].shape, found.hparams["learning_rate"].tolist()
    ((1, 3), [1.0])
    """
    is_dict = isinstance(parameters, Mapping)
    require(is_dict, f"wrt is a {type(parameters).__name__}: expected a dict, as in {{'rate': hyperparameter('rate')}}")
    require(len(parameters) > 0, "there is nothing to differentiate by: give one parameter or more")
    dtype = trees.float_type(state.params)
    rows = [_one(label, parameter, state, batches) for label, parameter in parameters.items()]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(row.params for row in rows))
    hparams = {name: jnp.array([row.hparam == name for row in rows], dtype) for name in _continuous(state)}
    examples = jnp.array([row.example for row in rows], jnp.int32)
    return Displacements(params, hparams, examples[:, 0], examples[:, 1], _sizes(parameters, rows, dtype))


class _Row(NamedTuple):
    params: PyTree
    hparam: str | None
    example: tuple[int, int]
    scale: Any  # of what is moved: the default epsilon is a small part of it


def _one(label: str, parameter: Parameter, state: State, batches: tuple[int, int]) -> _Row:
    what = type(parameter).__name__
    require(isinstance(parameter, Parameter), f"'{label}' is a {what}: expected one such as hyperparameter('rate')")
    floats, epsilon = trees.split_floats(state.params)[0], parameter.epsilon
    usable = epsilon is None or (math.isfinite(epsilon) and epsilon > 0)
    require(usable, f"'{label}' has epsilon {epsilon}: the finite difference needs more than 0, or None")
    require(parameter.kind in KINDS, f"'{label}' is of kind '{parameter.kind}': choose one of {', '.join(KINDS)}")
    still = jax.tree.map(lambda w: jnp.zeros(w.shape, w.dtype), floats)
    if parameter.kind == "hyperparameter":
        names = _continuous(state)
        chosen = f"'{label}': no hyperparameter '{parameter.target}': choose of {', '.join(names) or 'none'}"
        require(parameter.target in names, chosen)
        return _Row(still, parameter.target, NOWHERE, jnp.abs(state.hparams[parameter.target]))
    if parameter.kind == "example_weight":
        step, place = parameter.target
        num_steps, batch = batches
        fits = 0 <= step < num_steps and 0 <= place < batch
        require(fits, f"'{label}': no example {place} of step {step}: choose 0 to {batch - 1} of 0 to {num_steps - 1}")
        return _Row(still, None, (step, place), 1.0)
    moved = trees.split_floats(parameter.target)[0]
    given, wanted = (
        dict(zip(trees.leaf_names(t), map(jnp.shape, jax.tree.leaves(t)), strict=True)) for t in (moved, floats)
    )
    require(given == wanted, f"'{label}' is a direction of leaves {given}: expected {wanted}, as the weights")
    moved = jax.tree.map(lambda d, w: jnp.asarray(d, w.dtype), moved, floats)
    length = trees.norm(moved)
    known = not isinstance(length, jax.core.Tracer)
    moves = not known or (bool(length > 0) and bool(jnp.isfinite(length)))
    said = f"'{label}' is a direction of length {length}: give one that is finite and moves something"
    require(moves, said)
    return _Row(moved, None, NOWHERE, trees.norm(floats) / length)


def _continuous(state: State) -> list[str]:
    return [name for name, value in state.hparams.items() if trees.is_float(value)]


def _sizes(parameters: Mapping[str, Parameter], rows: list[_Row], dtype) -> Float[Array, " K"]:
    """Those that are given, and the cube root of the rounding error times the scale of what is moved."""
    small = float(jnp.finfo(dtype).eps) ** (1 / 3)
    epsilons = [
        small * jnp.where(row.scale > 0, row.scale, 1) if parameter.epsilon is None else parameter.epsilon
        for parameter, row in zip(parameters.values(), rows, strict=True)
    ]
    return jnp.stack([jnp.asarray(epsilon, dtype) for epsilon in epsilons])
