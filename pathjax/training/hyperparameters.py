"""Hyperparameters as leaves of the state: floats of at least 32 bits, whatever the type of the weights."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import PyTree

STEP_NAMES = ("from", "until")  # of `windowed`: steps, which must stay exact beyond the integers that float32 can hold


def as_hyperparameters(hparams: Mapping[str, Any], params: PyTree) -> dict[str, Array]:
    """Returns hyperparameters as arrays whose types training keeps.

    Numbers become floats of the weights' type, but of at least 32 bits: in bfloat16, b2 = .999 would be 1. An integer
    must stay exact, and a float must neither overflow nor underflow. Steps ("h/from", "h/until") become int32.

    Args:
        hparams: a number by name, of Python, NumPy or JAX.
        params: the weights.

    Returns:
        A dict of scalars.

    Raises:
        InputError: for anything but a scalar number, or a value that would change.

    >>> as_hyperparameters({"learning_rate": 1}, jnp.ones(2, jnp.bfloat16))
    {'learning_rate': Array(1., dtype=float32)}
    """
    is_dict = isinstance(hparams, Mapping) and all(isinstance(name, str) for name in hparams)
    require(is_dict, f"hparams must be a dict of numbers by name, such as {{'learning_rate': 0.1}}, not {hparams!r}")
    least = jnp.promote_types(trees.float_type(params), jnp.float32)
    return {name: _as_one(name, value, least) for name, value in hparams.items()}


def _as_one(name: str, value: Any, least: np.dtype) -> Array:
    is_step = name.split("/")[-1] in STEP_NAMES and "/" in name
    dtype = _type_of(name, value, is_step)
    return as_hyperparameter(name, value, jnp.dtype(jnp.int32) if is_step else _wide(value, dtype, least))


def as_hyperparameter(name: str, value: Any, dtype: np.dtype) -> Array:
    """Returns a number as an array of this type.

    Args:
        name: of the hyperparameter, for messages.
        value: a number of Python, NumPy or JAX.
        dtype: a type of floats or integers.

    Raises:
        InputError: for anything but a scalar number, or a value that would change by more than rounding.

    >>> as_hyperparameter("rate", 1, jnp.dtype("float32"))
    Array(1., dtype=float32)
    """
    _type_of(name, value, jnp.issubdtype(dtype, jnp.integer))
    if isinstance(value, jax.core.Tracer):
        return jax.lax.convert_element_type(value, dtype)
    with np.errstate(over="ignore", under="ignore"):
        try:
            kept = np.asarray(value).astype(dtype)
        except (OverflowError, TypeError):  # a Python integer of hundreds of digits
            kept = np.asarray(np.inf)
        _check_exact(name, value, kept)
    return jnp.asarray(kept)


def _type_of(name: str, value: Any, is_step: bool) -> np.dtype:
    expected = f"hyperparameter '{name}' must be one {'integer' if is_step else 'number'}, not"
    if type(value) in (int, float):
        return np.dtype(type(value))
    require(isinstance(value, (jax.Array, np.ndarray, np.generic)), f"{expected} {value!r}")
    is_number = any(jnp.issubdtype(value.dtype, kind) for kind in (jnp.floating, jnp.integer))
    is_one = is_number and jnp.shape(value) == ()
    require(is_one, f"{expected} an array of shape {jnp.shape(value)} and type {value.dtype}")
    return value.dtype


def _wide(value: Any, dtype: np.dtype, least: np.dtype) -> np.dtype:
    """An array of wider floats keeps its type; Python's floats, and so float64 numbers of NumPy, have none."""
    has_type = isinstance(value, jax.Array) and not value.weak_type and jnp.issubdtype(dtype, jnp.floating)
    return jnp.promote_types(dtype, least) if has_type else least


def _check_exact(name: str, value: Any, kept: np.ndarray) -> None:
    number, found = (value if isinstance(value, int) else np.asarray(value).item()), kept.item()
    if isinstance(number, float) and kept.dtype.kind != "i":  # rounded
        keeps = not math.isfinite(number) or (math.isfinite(found) and (found != 0) == (number != 0))
    else:
        keeps = number == found
    shown = f"{number!r}" if isinstance(number, float) or abs(number) < 10**30 else "an integer of too many digits"
    message = f"hyperparameter '{name}' = {shown} would become {found!r} as {kept.dtype}: choose another value"
    require(keeps, message)
