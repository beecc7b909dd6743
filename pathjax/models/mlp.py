"""Fully connected networks."""

from collections.abc import Callable, Sequence

from flax import linen as nn

from pathjax.core.errors import require
from pathjax.models.activations import activation_of
from pathjax.models.dense import Dense
from pathjax.models.weights import Weights, check_weights


class MLP(nn.Module):
    """Multilayer perceptron: hidden layers and logits.

    Attributes:
        widths: widths of the hidden layers; () is a linear model.
        num_classes: number of logits.
        activation: a name in ACTIVATIONS, or a function.
        weights: initializers and parametrization.

    Raises:
        InputError: for an unknown name or a width below 1.

    >>> import jax, jax.numpy as jnp
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


def check_layers(activation: str | Callable, widths: Sequence[int], weights: Weights) -> None:
    """Raises InputError for an unknown activation, a width below 1, or invalid `weights`."""
    check_weights(weights)
    activation_of(activation)
    for width in widths:
        require(width >= 1, f"a layer of width {width} is empty: choose 1 or more")
