"""Fully connected networks."""

from collections.abc import Callable, Sequence

import jax
from flax import linen as nn

from pathjax.core.errors import require
from pathjax.models.dense import Dense
from pathjax.models.weights import Weights, check_weights

ACTIVATIONS = {
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "leaky_relu": jax.nn.leaky_relu,
    "linear": lambda x: x,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "tanh": jax.numpy.tanh,
}
# Their derivative is discontinuous: a perturbed member can cross a kink that the baseline does not (docs/findings.md).
PIECEWISE_LINEAR = ("relu", "leaky_relu")


class MLP(nn.Module):
    """Multilayer perceptron: hidden layers and logits.

    Attributes:
        widths: widths of the hidden layers; () is a linear model.
        num_classes: number of logits.
        activation: a name in ACTIVATIONS, or a function.
        weights: initializers and parametrization.

    Raises:
        InputError: for an unknown name or a width below 1.

    >>> import jax.numpy as jnp
    >>> model = MLP(widths=(100,), num_classes=10, activation="tanh")
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 28, 28)))
    >>> model.apply(params, jnp.zeros((5, 28, 28))).shape
    (5, 10)
    """

    widths: Sequence[int]
    num_classes: int
    activation: str | Callable = "relu"
    weights: Weights = Weights()

    def __post_init__(self):
        check_layers(self.activation, (*self.widths, self.num_classes), self.weights)
        super().__post_init__()

    @nn.compact
    def __call__(self, inputs):
        """Flattens inputs (batch, ...) and maps them to logits (batch, num_classes)."""
        x = inputs.reshape(inputs.shape[0], -1)
        for depth, width in enumerate(self.widths):
            x = activation_of(self.activation)(Dense(width, "hidden" if depth else "input", self.weights)(x))
        return Dense(self.num_classes, "output" if self.widths else "fixed", self.weights)(x)


def activation_of(activation: str | Callable) -> Callable:
    """Returns the activation of this name, or the function itself.

    >>> activation_of("relu")(-1.0), activation_of(abs)(-1.0)
    (Array(0., dtype=float32, weak_type=True), 1.0)
    """
    return ACTIVATIONS[activation] if isinstance(activation, str) else activation


def check_layers(activation: str | Callable, widths: Sequence[int], weights: Weights) -> None:
    """Raises InputError for an unknown activation, a width below 1, or invalid `weights`."""
    check_weights(weights)
    known = callable(activation) or activation in ACTIVATIONS
    require(known, f"unknown activation '{activation}': choose one of {', '.join(ACTIVATIONS)}")
    for width in widths:
        require(width >= 1, f"a layer of width {width} is empty: choose 1 or more")
