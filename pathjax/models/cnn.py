"""Small convolutional networks."""

from collections.abc import Callable, Sequence

from flax import linen as nn

from pathjax.core.errors import require
from pathjax.models.activations import activation_of
from pathjax.models.convolution import convolution
from pathjax.models.dense import Dense
from pathjax.models.mlp import check_layers
from pathjax.models.weights import Weights, bias, kernel


class CNN(nn.Module):
    """3 x 3 convolutions, the mean over all positions (or a flattening layer), and logits.

    Attributes:
        channels: channels of each convolution.
        num_classes: number of logits.
        activation: a name in ACTIVATIONS, or a function.
        strides: strides of all convolutions except the first.
        weights: initializers and parametrization.
        flatten: whether to flatten positions instead of averaging: the network then has many more weights and learns
            faster.

    Raises:
        InputError: for an unknown name or a layer without channels.

    >>> import jax, jax.numpy as jnp
    >>> model = CNN(channels=(16, 32), num_classes=10)
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    >>> model.apply(params, jnp.zeros((5, 32, 32, 3))).shape
    (5, 10)
    """

    channels: Sequence[int]
    num_classes: int
    activation: str | Callable = "relu"
    strides: int = 1
    weights: Weights = Weights()
    flatten: bool = False

    def __post_init__(self):
        check_layers(self.activation, (*self.channels, self.num_classes), self.weights)
        require(self.strides >= 1, f"strides {self.strides} is out of range: choose 1 or more")
        super().__post_init__()

    @nn.compact
    def __call__(self, images):
        """Maps images (batch, height, width, channels) to logits (batch, num_classes)."""
        x = images
        for depth, channels in enumerate(self.channels):
            layer = Convolution(channels, self.strides if depth else 1, "hidden" if depth else "input", self.weights)
            x = activation_of(self.activation)(layer(x))
        features = x.reshape(len(x), -1) if self.flatten else x.mean((1, 2))
        role = "output" if self.channels else "fixed"
        return Dense(self.num_classes, role, self.weights, width=x.shape[-1])(features)


class Convolution(nn.Module):
    """Convolution layer with a square kernel and a bias.

    Attributes:
        channels: channels of the result.
        strides: strides in both directions.
        role: whether the channels of inputs, outputs, both or neither grow with the width (`parametrization.ROLES`).
        weights: initializers and parametrization.
        window: side of the square kernel.

    >>> import jax, jax.numpy as jnp
    >>> Convolution(4).init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]["kernel"].shape
    (3, 3, 3, 4)
    """

    channels: int
    strides: int = 1
    role: str = "hidden"
    weights: Weights = Weights()
    window: int = 3

    @nn.compact
    def __call__(self, images):
        """Maps images (batch, height, width, channels) to (batch, height / strides, width / strides, self.channels)."""
        channels = images.shape[-1]
        shape, fan_in = (self.window, self.window, channels, self.channels), self.window**2 * channels
        width = self.channels if self.role == "input" else channels
        filters, multiplier = kernel(self, self.weights, self.role, fan_in, width, lambda init, key: init(key, shape))
        offset = bias(self, self.weights, self.role, self.channels, fan_in, width)
        result = convolution(images, filters, self.strides)
        return (result if multiplier == 1 else multiplier * result) + offset.reshape(1, 1, 1, -1)
