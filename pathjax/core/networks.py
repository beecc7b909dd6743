"""Networks with a state: what is taken for one, and functions of weights alone for a given state."""

from collections.abc import Callable
from typing import Any

from pathjax.core.types import Network, PyTree, State


def as_network(params: PyTree | Network | State) -> Network:
    """Returns the weights and the model's state: of a `State`, of a Network, or weights alone.

    >>> as_network({"w": 1.0})
    Network
      params:
        w: 1
    """
    if isinstance(params, State):
        return Network(params.params, params.model_state)
    return params if isinstance(params, Network) else Network(params)


def weights_of(state: State | Network) -> PyTree:
    """Returns the weights alone, or a Network if the model has a state.

    >>> weights_of(State(params=1.0, opt_state=(), hparams={}, step=0))
    1.0
    """
    return state.params if state.model_state is None else as_network(state)


def of_networks(fn: Callable) -> Callable:
    """Returns `fn(params, *inputs)`, or `fn(params, model_state, *inputs)`, as a function of what `weights_of` returns.

    >>> of_networks(lambda w, offset, x: w * x + offset)(Network(2.0, 1.0), 3.0)
    7.0
    """

    def apply(weights: PyTree, *inputs: Any) -> Any:
        network = as_network(weights)
        return bind(fn, network)(network.params, *inputs)

    return apply


def bind(predict: Callable, network: Any) -> Callable:
    """Returns `predict` as a function of weights and inputs alone, at the model's state.

    Args:
        predict: `predict(params, *inputs)`; for a model with a state `predict(params, model_state, *inputs)`.
        network: a `State` or a `Network`.

    >>> bind(lambda w, offset, x: w * x + offset, Network(2.0, 1.0))(2.0, 3.0)
    7.0
    """
    state = network.model_state
    return predict if state is None else lambda params, *inputs: predict(params, state, *inputs)
