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
    expected = f"hyperparameter '{name}' must be one {'integer' if is_step else 'number'}, not"
    is_array = isinstance(value, (jax.Array, np.ndarray, np.generic))
    require(is_array or type(value) in (int, float), f"{expected} {value!r}")
    dtype = jnp.result_type(value)
    is_float = jnp.issubdtype(dtype, jnp.floating)
    is_number = jnp.shape(value) == () and (is_float or jnp.issubdtype(dtype, jnp.integer))
    require(is_number, f"{expected} an array of shape {jnp.shape(value)} and type {dtype}")
    wanted = jnp.dtype(jnp.int32) if is_step else _wide(value, dtype, least)
    if not isinstance(value, jax.core.Tracer):
        with np.errstate(over="ignore", under="ignore"):
            _check_exact(name, value, np.asarray(value).astype(wanted))
    return jax.lax.convert_element_type(value, wanted)


def _wide(value: Any, dtype: np.dtype, least: np.dtype) -> np.dtype:
    """An array of wider floats keeps its type; Python's floats, and so float64 numbers of NumPy, have none."""
    has_type = isinstance(value, jax.Array) and not value.weak_type and jnp.issubdtype(dtype, jnp.floating)
    return jnp.promote_types(dtype, least) if has_type else least


def _check_exact(name: str, value: Any, kept: np.ndarray) -> None:
    number, found = (value if isinstance(value, int) else np.asarray(value).item()), kept.item()
    is_rounded = isinstance(number, float) and kept.dtype.kind != "i"
    keeps = not math.isfinite(number) or (math.isfinite(found) and (found != 0) == (number != 0))
    message = f"hyperparameter '{name}' = {number!r} would become {found!r} as {kept.dtype}: choose another value"
    require(keeps if is_rounded else number == found, message)
