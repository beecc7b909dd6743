"""How the weights of a network start, and how fast each of them learns."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from pathjax.core.errors import require
from pathjax.core.types import PyTree
from pathjax.models.initializers import BIAS_INITIALIZERS, INITIALIZERS
from pathjax.models.parametrization import Parametrization, Powers, check_parametrization, powers

RATES = "learning_rates"  # a collection of a network's variables, filled on request alone
STEPS = ("sgd", "adam", "muon")  # how an optimizer's step depends on the gradient; see Powers


class Weights(NamedTuple):
    """What all layers of a network share: names in INITIALIZERS and BIAS_INITIALIZERS, and the parametrization."""

    initializer: str = "kaiming_sphere"
    bias_initializer: str = "kaiming_sphere"
    parametrization: Parametrization = Parametrization()


def check_weights(weights: Weights) -> None:
    """Raise InputError for an unknown name, or a number out of its range."""
    for kind, name, known in (
        ("initializer", weights.initializer, INITIALIZERS),
        ("bias_initializer", weights.bias_initializer, BIAS_INITIALIZERS),
    ):
        require(name in known, f"unknown {kind} '{name}': choose one of {', '.join(known)}")
    check_parametrization(weights.parametrization)


def kernel(
    module: nn.Module, weights: Weights, role: str, fan_in: int, width: int, draw: Callable
) -> tuple[Array, float]:
    """A layer's kernel and what its products are to be multiplied by.

    Args:
        module: the layer.
        weights: of the network.
        role: of the layer, one of ROLES.
        fan_in: numbers that each output depends on.
        width: of the network here: the layer's inputs where these grow, else its outputs.
        draw: from an initializer and a key to the kernel.
    """
    p, ratio = powers(weights.parametrization, role), width / weights.parametrization.base_width
    init = INITIALIZERS[weights.initializer](fan_in)
    return _param(module, "kernel", lambda key: draw(init, key), p, ratio), ratio**p.multiplier


def vector(module: nn.Module, weights: Weights, name: str, role: str, size: int, init: Callable) -> Array:
    """A bias or gain of so many numbers, which is "input" where they become more with the width, or else "fixed"."""
    p, ratio = powers(weights.parametrization, role), size / weights.parametrization.base_width
    return _param(module, name, lambda key: init(key, (size,)), p, ratio)


def bias(module: nn.Module, weights: Weights, role: str, size: int, fan_in: float, width: int) -> Array:
    """The bias of a layer of so many outputs, of which each depends on `fan_in` numbers.

    It starts as large as at the base width, where `fan_in` grows with the width; in the standard parametrization, as
    its initializer says.
    """
    if weights.parametrization.name != "standard" and role in ("hidden", "output"):
        fan_in = fan_in * weights.parametrization.base_width / width
    grows = "input" if role in ("input", "hidden") else "fixed"
    return vector(module, weights, "bias", grows, size, BIAS_INITIALIZERS[weights.bias_initializer](fan_in))


def vectors(
    module: nn.Module, weights: Weights, name: str, number: int, width: int, deviation: float
) -> Float[Array, "number width"]:
    """A table (number, width) of vectors that become longer with the width; normal at the start."""
    p, ratio = powers(weights.parametrization, "input"), width / weights.parametrization.base_width
    return _param(module, name, lambda key: deviation * jax.random.normal(key, (number, width), jnp.float32), p, ratio)


def _param(module: nn.Module, name: str, init: Callable, p: Powers, ratio: float):
    def start(key):
        drawn = init(key)
        return drawn if p.deviation == 0 else drawn * ratio**p.deviation

    value = module.param(name, start)
    if module.is_mutable_collection(RATES) and not module.is_initializing():
        rates = [
            ratio**power for power in (p.sgd, p.adam, p.muon if name == "kernel" and jnp.ndim(value) == 2 else p.adam)
        ]
        module.variable(RATES, name, lambda: jnp.array(rates))
    return value


def learning_rate_factors(model: nn.Module, params: PyTree, inputs: Any, steps: str) -> PyTree:
    """What the learning rate of each weight is to be multiplied by, numbers in a pytree like `params`.

    Args:
        model: one of pathjax's networks.
        params: its weights, or their shapes.
        inputs: examples, or their shape.
        steps: of the optimizer, one of STEPS: "sgd" proportional to the gradient, "adam" of one size for each weight,
            "muon" for each kernel that is a matrix, and as "adam" for all else.

    Raises:
        InputError: for other steps.

    >>> from pathjax.models import MLP
    >>> model = MLP((128,), 10, weights=Weights(parametrization=Parametrization("mup", base_width=64)))
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 5)))["params"]
    >>> learning_rate_factors(model, params, jnp.zeros((1, 5)), "sgd")["Dense_0"]
    {'bias': 2.0, 'kernel': 2.0}
    """
    require(steps in STEPS, f"unknown steps '{steps}' of an optimizer: choose one of {', '.join(STEPS)}")

    def rates(params, inputs):
        return model.apply({"params": params}, inputs, mutable=[RATES])[1][RATES]

    with jax.ensure_compile_time_eval():  # numbers, also where this is called in a program
        zeros = jax.tree.map(_zeros, (params, inputs))
        found = jax.jit(rates)(*zeros)  # constants: of the network itself nothing is computed
        return jax.tree.map(lambda all_steps: float(all_steps[STEPS.index(steps)]), found)


def _zeros(like):
    return jnp.zeros(like.shape, jnp.float32 if jnp.issubdtype(like.dtype, jnp.floating) else like.dtype)
