"""Loads your own network, and makes its loss in training: with a state, with noise, or neither."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.data import Dataset
from pathjax.experiments.own import blaming, call_own
from pathjax.experiments.runner import precision
from pathjax.experiments.runner.settings.task import ModelSettings
from pathjax.measures.interpolation import Statistics

IN_TRAINING = "apply_in_training"
NUM_PASSES = 100  # after which running statistics with a momentum of .9 keep 3e-5 of what they were


def own_network(settings: ModelSettings, inputs_shape: Sequence[int], num_classes: int) -> Any:
    """Builds a network: `function(settings, inputs_shape, num_classes)` returns an object with `init` and `apply`.

    `init(key, inputs)` returns a dict of collections, of which "params" are the weights and all others the model's
    state, and `apply(collections, inputs)` the outputs. A network that has a state, or draws noise in training, also
    has `apply_in_training(collections, inputs, key)`, which returns the outputs and the new state.
    """
    found = call_own("model.name", settings.name, settings, tuple(inputs_shape), num_classes)
    is_network = callable(getattr(found, "init", None)) and callable(getattr(found, "apply", None))
    kind = f"an object of type {type(found).__name__}"
    said = f"model.name={settings.name} returned {kind}: expected a network with init and apply"
    require(is_network, said)
    return found


def check_own_network(name: str, network: Any, dataset: Dataset) -> None:
    """Checks, with shapes alone, that a custom network takes the data and returns a logit for each class.

    Raises:
        InputError: if it does not, or if nothing updates its state.
    """
    inputs, labels = dataset.train
    with blaming("model.name", name):
        variables = jax.eval_shape(network.init, jax.random.key(0), inputs[:1])
        state = state_of(variables)
        updated = not state or trains_otherwise(network)
        hint = f"give the network {IN_TRAINING}(variables, inputs, key), which returns outputs and the new state"
        require(updated, f"it has the collections {', '.join(state)} beside params, which nothing updates: {hint}")
        logits = jax.eval_shape(network.apply, variables, inputs[:1])
        _check_logits(logits, labels, dataset.num_classes)
        if trains_otherwise(network):
            _check_training(network, variables, inputs[:1], logits)


def _check_logits(logits: Any, labels: np.ndarray, num_classes: int) -> None:
    is_array = isinstance(logits, jax.ShapeDtypeStruct) and jnp.issubdtype(logits.dtype, jnp.floating)
    require(is_array, f"it returned {logits} for one example: expected an array of floats")
    if labels.dtype == np.int32:
        *places, num_logits = logits.shape or (0,)
        expected = (*labels[:1].shape, num_classes)
        is_right = (*places,) == expected[:-1] and num_logits >= expected[-1]
        require(is_right, f"it returned logits of shape {logits.shape} for one example: expected {expected}")


def _check_training(network: Any, variables: Any, inputs: Any, logits: Any) -> None:
    found = jax.eval_shape(network.apply_in_training, variables, inputs, jax.random.key(0))
    is_pair = isinstance(found, tuple) and len(found) == 2
    require(is_pair, f"{IN_TRAINING} must return a pair, outputs and the new state, not {type(found).__name__}")
    outputs, state = found
    same = getattr(outputs, "shape", None) == logits.shape
    require(same, f"{IN_TRAINING} returned outputs {outputs} where apply returns {logits}: give the same shape")
    expected = state_of(variables)
    same = trees.leaf_names(dict(state)) == trees.leaf_names(expected)
    names = f"{', '.join(state) or 'none'} instead of {', '.join(expected) or 'none'}"
    require(same, f"{IN_TRAINING} returned a state of other leaves than init, in the collections {names}")


def state_of(variables: Any) -> dict:
    """Returns the collections beside the weights; empty for a network without a state.

    >>> state_of({"params": {"w": 1.0}, "batch_stats": {"mean": 0.0}})
    {'batch_stats': {'mean': 0.0}}
    """
    return {
        name: collection for name, collection in variables.items() if name != "params" and jax.tree.leaves(collection)
    }


def trains_otherwise(network: Any) -> bool:
    """Returns whether a network has a pass of its own for training, with a state or noise.

    >>> trains_otherwise(object())
    False
    """
    return callable(getattr(network, IN_TRAINING, None))


def draws_noise(network: Any, variables: Any, inputs: Any) -> bool:
    """Returns whether the pass for training depends on its key; arguments may be shapes.

    >>> draws_noise(object(), {}, None)
    False
    """
    if not trains_otherwise(network):
        return False
    program = jax.make_jaxpr(network.apply_in_training)(variables, inputs, jax.random.key(0)).jaxpr
    key = program.invars[-1]
    return any(key in eqn.invars for eqn in program.eqns)


def recomputed(network: Any, inputs: Any, name: str) -> Statistics | None:
    """Returns how to recompute the state of a network whose weights are an average of two: by passes over examples.

    None for a network without a pass for training. `inputs` are the examples, and `name` is that of the precision.
    """
    if not trains_otherwise(network):
        return None

    def recompute(params, state, inputs):
        key = jax.random.key(0)

        def once(i, state):
            variables = {"params": precision.computed(name, params)} | state
            new = network.apply_in_training(variables, precision.computed(name, inputs), jax.random.fold_in(key, i))[1]
            return precision.stored(name, dict(new))

        return jax.lax.fori_loop(0, NUM_PASSES, once, state)

    return Statistics(recompute, inputs)


def loss_in_training(network: Any, has_state: bool, loss_of: Callable, name: str) -> Callable:
    """Returns `loss_fn(params[, model_state], examples, key)` of a network that has a pass of its own for training.

    Args:
        network: an object with `apply_in_training`.
        has_state: whether the loss takes and returns the model's state.
        loss_of: from `predict(params, inputs)` to `loss_fn(params, examples)`, which calls it once.
        name: of the precision.
    """

    def loss_fn(params, model_state, examples, key):
        states = []

        def predict(params, inputs):
            variables = {"params": precision.computed(name, params)} | model_state
            logits, new = network.apply_in_training(variables, precision.computed(name, inputs), key)
            states.append(dict(new))
            return precision.stored(name, logits)

        loss = loss_of(predict)(params, examples)
        once = f"the loss calls predict {len(states)} times: with {IN_TRAINING}, call it once, for one new state"
        require(len(states) == 1, once)
        return loss, precision.stored(name, states[0])

    if has_state:
        return loss_fn
    return lambda params, examples, key: loss_fn(params, {}, examples, key)[0]
