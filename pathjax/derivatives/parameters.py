"""What training is differentiated by: initial weights along a direction, a hyperparameter, the weight of an example."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pathjax import trees
from pathjax.errors import require
from pathjax.schedule import Schedule
from pathjax.typing import PyTree, State

KINDS = ("hyperparameter", "direction", "example_weight")
NOWHERE = (-1, 0)


class Parameter(NamedTuple):
    """A number theta on which a run depends; at theta = 0 it is the run as it is.

    `kind` is "hyperparameter" (`value`: its name), "direction" (`value`: a tree like the params, the displacement of
    the initial weights for theta = 1) or "example_weight" (`value`: the step, and the place in its batch). `size` is
    how far theta goes to both sides for the finite difference; None: the cube root of the type's rounding error, times
    the hyperparameter, or the size at which a direction is as long as the weights, or 1 for an example.
    """

    kind: str
    value: Any
    size: float | None = None


def hyperparameter(name: str, size: float | None = None) -> Parameter:
    """A hyperparameter, by the name of its leaf in the state; theta is added to it. For `size` see `Parameter`.

    >>> hyperparameter("learning_rate").value
    'learning_rate'
    """
    return Parameter("hyperparameter", name, size)


def direction(tree: PyTree, size: float | None = None) -> Parameter:
    """A direction in which the initial weights are moved; theta times the tree is added to them.

    >>> direction({"w": jnp.ones(3)}).kind
    'direction'
    """
    return Parameter("direction", tree, size)


def example_weight(step: int, place: int, size: float | None = None) -> Parameter:
    """The weight of the example at a place in the batch of a step; theta is added to it (weights are 1 by default).

    >>> example_weight(step=10, place=0).value
    (10, 0)
    """
    return Parameter("example_weight", (step, place), size)


class Displacements(NamedTuple):
    """K parameters as arrays: what theta = 1 adds to the initial weights and to hyperparameters, and `at` which step
    and `place` to an example's weight (at step -1: to none)."""

    params: PyTree
    hparams: dict[str, Float[Array, "K"]]
    at: Int[Array, "K"]
    place: Int[Array, "K"]
    size: Float[Array, "K"]


def displacements(parameters: Mapping[str, Parameter], state: State, schedule: Schedule) -> Displacements:
    """Parameters stacked, after checking that each is there to be moved.

    Raises:
        InputError: for no parameters, a hyperparameter or example that there is not, or a direction unlike the weights.

    >>> state = State({"w": jnp.ones(3)}, (), {"learning_rate": jnp.float32(0.1)}, 0)
    >>> schedule = Schedule(jnp.zeros((5, 2), int), None, None)
    >>> found = displacements({"rate": hyperparameter("learning_rate")}, state, schedule)
    >>> found.params["w"].shape, found.hparams["learning_rate"].tolist()
    ((1, 3), [1.0])
    """
    require(len(parameters) > 0, "there is nothing to differentiate by: give one parameter or more")
    dtype = trees.float_type(state.params)
    rows = [_one(label, parameter, state, schedule) for label, parameter in parameters.items()]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(row.params for row in rows))
    hparams = {name: jnp.array([row.hparam == name for row in rows], dtype) for name in state.hparams}
    examples = jnp.array([row.example for row in rows], jnp.int32)
    return Displacements(params, hparams, examples[:, 0], examples[:, 1], jnp.array([row.size for row in rows], dtype))


class _Row(NamedTuple):
    params: PyTree
    hparam: str | None
    example: tuple[int, int]
    size: float


def _one(label: str, parameter: Parameter, state: State, schedule: Schedule) -> _Row:
    floats, size = trees.split_floats(state.params)[0], parameter.size
    usable = size is None or (math.isfinite(size) and size > 0)
    require(usable, f"'{label}' has size {size}: the finite difference needs more than 0, or None")
    still, small = jax.tree.map(jnp.zeros_like, floats), float(jnp.finfo(trees.float_type(floats)).eps) ** (1 / 3)
    if parameter.kind == "hyperparameter":
        names = ", ".join(state.hparams) or "none"
        require(
            parameter.value in state.hparams, f"'{label}': no hyperparameter '{parameter.value}': choose of {names}"
        )
        return _Row(still, parameter.value, NOWHERE, size or small * (abs(float(state.hparams[parameter.value])) or 1))
    if parameter.kind == "example_weight":
        step, place = parameter.value
        num_steps, batch = schedule.indices.shape
        fits = 0 <= step < num_steps and 0 <= place < batch
        require(fits, f"'{label}': no example {place} of step {step}: choose 0 to {batch - 1} of 0 to {num_steps - 1}")
        return _Row(still, None, (step, place), size or small)
    require(parameter.kind == "direction", f"'{label}' is of kind '{parameter.kind}': choose one of {', '.join(KINDS)}")
    moved = trees.split_floats(parameter.value)[0]
    given, wanted = (
        dict(zip(trees.leaf_names(t), map(jnp.shape, jax.tree.leaves(t)), strict=True)) for t in (moved, floats)
    )
    require(given == wanted, f"'{label}' is a direction of leaves {given}: expected {wanted}, as the weights")
    lengths = [float(trees.norm(tree)) for tree in (floats, moved)]
    require(lengths[1] > 0, f"'{label}' is a direction of length 0: give one that moves something")
    moved = jax.tree.map(lambda d, w: jnp.asarray(d, w.dtype), moved, floats)
    return _Row(moved, None, NOWHERE, size or small * (lengths[0] or 1) / lengths[1])
