"""Activations by name, also with a parameter: "leaky_relu(0.3)"."""

import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pathjax.core.errors import require

ACTIVATIONS = {
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "leaky_relu": jax.nn.leaky_relu,
    "linear": lambda x: x,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "tanh": jnp.tanh,
}
# Their derivative is discontinuous: a perturbed member can cross a kink that the baseline does not (docs/findings.md).
PIECEWISE_LINEAR = ("relu", "leaky_relu")


def smelu(x: Array, beta: float | Array) -> Array:
    """Computes SmeLU: 0 below -beta, x above beta, and the parabola (x + beta)^2 / (4 beta) between.

    Its derivative is continuous and rises over a width of 2 beta; towards beta = 0 it is ReLU.

    Source: Shamir et al. 2020, arXiv 2010.09931, equation 5.

    >>> smelu(jnp.array([-2.0, 0.0, 2.0]), 1.0).tolist()
    [0.0, 0.25, 2.0]
    """
    inside = jnp.clip(x, -beta, beta)
    return (inside + beta) ** 2 / (4 * beta) + jnp.maximum(x - beta, 0)


def leaky_relu(x: Array, slope: float | Array) -> Array:
    """Computes x above 0 and slope x below.

    >>> leaky_relu(jnp.array([-2.0, 2.0]), 0.25).tolist()
    [-0.5, 2.0]
    """
    return jnp.where(x > 0, x, slope * x)


def softplus(x: Array, sharpness: float | Array) -> Array:
    """Computes log(1 + exp(sharpness x)) / sharpness, which is ReLU for a large sharpness.

    >>> round(float(softplus(jnp.float32(0.0), 10.0)), 4)  # log(2) / 10
    0.0693
    """
    return jax.nn.softplus(sharpness * x) / sharpness


PARAMETRIC = {"leaky_relu": leaky_relu, "smelu": smelu, "softplus": softplus}


def activation_of(activation: str | Callable) -> Callable:
    """Returns the activation of this name, or the function itself.

    Args:
        activation: a name in ACTIVATIONS; one in PARAMETRIC with a number, "smelu(0.1)"; or a function.

    Raises:
        InputError: for another name.

    >>> activation_of("leaky_relu(0.5)")(jnp.float32(-1.0)).item(), activation_of(abs)(-1.0)
    (-0.5, 1.0)
    """
    if callable(activation):
        return activation
    if activation in ACTIVATIONS:
        return ACTIVATIONS[activation]
    name, value = _parsed(activation)
    return lambda x: PARAMETRIC[name](x, value)


def _parsed(activation: str) -> tuple[str, float]:
    found = re.fullmatch(r"(\w+)\(([\d.e+-]+)\)", activation)
    choices = f"choose one of {', '.join(ACTIVATIONS)}, or {', '.join(f'{name}(NUMBER)' for name in PARAMETRIC)}"
    require(found is not None and found[1] in PARAMETRIC, f"unknown activation '{activation}': {choices}")
    name, text = found.groups()  # type: ignore[union-attr]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    require(value > 0, f"activation '{activation}' needs a number above 0 in its brackets, as in {name}(0.1)")
    return name, value


def leak_of(activation: str) -> float | None:
    """Returns the slope below 0 of a piecewise linear activation; None for all others.

    >>> leak_of("relu"), leak_of("leaky_relu"), leak_of("leaky_relu(0.3)"), leak_of("tanh")
    (0.0, 0.01, 0.3, None)
    """
    if activation in PIECEWISE_LINEAR:
        return {"relu": 0.0, "leaky_relu": 0.01}[activation]
    return _parsed(activation)[1] if activation.startswith("leaky_relu(") else None
