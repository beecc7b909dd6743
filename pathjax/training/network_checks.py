"""Checks that a step can train the given weights; without them, these mistakes would go unnoticed."""

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
        InputError: for leaves that are not arrays, complex leaves, Flax variables that are not parameters, and a state
            that is missing or that nothing takes.

    >>> check_network(Network({"w": jnp.ones(2)}), has_state=False)
    """
    check_arrays(network)
    _check_keys(network.params)
    given = network.model_state is not None
    require(given or not has_state, f"the loss takes a model_state, but there is none: {PASS}")
    require(has_state or not given, "the Network has a model_state, but the loss takes none: set model_state=True")


def check_arrays(network: Network) -> None:
    """Checks that weights are arrays that can be trained, and that the model's state holds arrays.

    >>> check_arrays(Network({"w": jnp.ones(2)}))
    """
    _check_collections(network.params)
    _check_variables(network.params)
    _check_states(network.params)
    _check_leaves("params", network.params)
    _check_leaves("model_state", network.model_state)
    require(bool(jax.tree.leaves(network.params)), "the weights have no leaves: initialize the model first")


def _check_collections(params: PyTree) -> None:
    """Checks that the weights are not all variables of a linen module, or hold those of one."""
    if isinstance(params, (tuple, list)):
        for part in params:
            _check_collections(part)
    if not isinstance(params, Mapping):
        return
    others = sorted(str(name) for name, part in params.items() if name != "params" and isinstance(part, Mapping))
    are_variables = isinstance(params.get("params"), Mapping) and bool(others)
    message = f"the weights contain the linen collections {', '.join(others)}, which are not trained"
    require(not are_variables, f"{message}: {PASS}; if they are trained, rename the key 'params'")
    for part in params.values():
        _check_collections(part)


NOT_TRAINED = {"BatchStat", "RngState", "RngCount", "RngKey", "Cache", "Intermediate"}  # kinds of nnx


def _check_variables(params: PyTree) -> None:
    """Checks that no variable of an nnx module is of a kind that is not trained."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params, is_leaf=_is_variable):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        kinds = [kind.__name__ for kind in type(leaf).__mro__]
        advice = f"split it off with nnx.split(model, nnx.Param, ...), and {PASS}"
        is_trained = not _is_variable(leaf) or NOT_TRAINED.isdisjoint(kinds)
        require(is_trained, f"the weights contain '{name}', an nnx.{kinds[0]}, which is not trained: {advice}")


def _check_keys(params: PyTree) -> None:
    """Checks that no leaf is a PRNG key: no step would advance it, and all steps would draw the same."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        is_key = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        name = jax.tree_util.keystr(path, simple=True, separator="/") or "params"
        advice = f"take the step's key (stochastic=True), or {PASS}"
        require(not is_key, f"the weights contain the PRNG key '{name}', which no step advances: {advice}")


def _check_states(params: PyTree) -> None:
    """Checks that the weights hold no state of an equinox module."""
    found = any(_is_state(part) for part in jax.tree.leaves(params, is_leaf=_is_state))
    require(not found, f"the weights contain an equinox.nn.State, which is not trained: {PASS}")


def _is_state(leaf: Any) -> bool:
    return any(kind.__name__ == "State" and kind.__module__.startswith("equinox") for kind in type(leaf).__mro__)


def _is_variable(leaf: Any) -> bool:
    kinds = type(leaf).__mro__
    return any(kind.__name__ == "Variable" and kind.__module__.startswith("flax.nnx") for kind in kinds)


def _check_leaves(what: str, tree: PyTree) -> None:
    """Checks that all leaves are arrays of numbers or PRNG keys; complex numbers would have no tangents."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        _check_leaf(what, jax.tree_util.keystr(path, simple=True, separator="/") or what, leaf)


def _check_leaf(what: str, name: str, leaf: Any) -> None:
    said = f"the {'weights' if what == 'params' else 'model_state'} contain '{name}' of type"
    is_array = isinstance(leaf, (jax.Array, np.ndarray, np.generic, float, int, jax.ShapeDtypeStruct))
    is_number = is_array and getattr(getattr(leaf, "dtype", None), "kind", "f") not in "OSU"
    split = "pass arrays only, as with eqx.partition(model, eqx.is_inexact_array) or nnx.split(model)"
    require(is_number, f"{said} {type(leaf).__name__}: {split}")
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
    is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
    require(not is_complex, f"{said} {dtype}: pass real and imaginary parts as floats")
