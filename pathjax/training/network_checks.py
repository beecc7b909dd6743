"""Checks that weights are what a step can train: what is wrong here would otherwise be wrong silently."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pathjax.core.errors import require
from pathjax.core.types import Network, PyTree

PASS = "pass pathjax.Network(params, model_state), and give training_dynamics model_state=True"


def check_network(network: Network, has_state: bool) -> None:
    """Checks that weights are arrays that can be trained, and that the model's state is given if the loss takes one.

    Args:
        network: weights and the model's state.
        has_state: whether the loss takes a state.

    Raises:
        InputError: for leaves that are not arrays, complex leaves, variables of Flax that are not
            parameters, and a state that is missing or that nothing takes.

    >>> check_network(Network({"w": jnp.ones(2)}), has_state=False)
    """
    check_arrays(network.params)
    given = network.model_state is not None
    require(given or not has_state, f"the loss takes a model_state, but there is none: {PASS}")
    require(has_state or not given, "the Network has a model_state, but the loss takes none: set model_state=True")


def check_arrays(params: PyTree) -> None:
    """Checks that weights are arrays that can be trained; see `check_network`.

    >>> check_arrays({"w": jnp.ones(2)})
    """
    _check_collections(params)
    _check_variables(params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        _check_leaf(jax.tree_util.keystr(path, simple=True, separator="/") or "params", leaf)


def _check_collections(params: PyTree) -> None:
    """Checks that the weights are not all variables of a linen module."""
    if isinstance(params, Mapping) and "params" in params and len(params) > 1:
        others = ", ".join(sorted(name for name in params if name != "params"))
        require(False, f"the weights contain the linen collections {others}, which are not trained: {PASS}")


def _check_variables(params: PyTree) -> None:
    """Checks that the variables of an nnx module are parameters."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params, is_leaf=_is_variable):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        kinds = [kind.__name__ for kind in type(leaf).__mro__]
        advice = f"split it off with nnx.split(model, nnx.Param, ...), and {PASS}"
        is_parameter = not _is_variable(leaf) or "Param" in kinds
        require(is_parameter, f"the weights contain '{name}', an nnx.{kinds[0]}, which is not trained: {advice}")


def _is_variable(leaf: Any) -> bool:
    kinds = type(leaf).__mro__
    return any(kind.__name__ == "Variable" and kind.__module__.startswith("flax.nnx") for kind in kinds)


def _check_leaf(name: str, leaf: Any) -> None:
    is_array = isinstance(leaf, (jax.Array, np.ndarray, np.generic, float, int, jax.ShapeDtypeStruct))
    split = "pass arrays only, as with eqx.partition(model, eqx.is_inexact_array) or nnx.split(model)"
    require(is_array, f"the weights contain '{name}' of type {type(leaf).__name__}: {split}")
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
    is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
    require(not is_complex, f"the weights contain '{name}' of type {dtype}: pass real and imaginary parts as floats")
