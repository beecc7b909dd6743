"""Convolutional residual networks whose outputs do not depend on other examples of a batch."""

from collections.abc import Callable, Sequence

from flax import linen as nn

from pathjax.core.errors import require
from pathjax.models.activations import activation_of
from pathjax.models.cnn import Convolution
from pathjax.models.dense import Dense
from pathjax.models.mlp import check_layers
from pathjax.models.norm import Norm, check_norm
from pathjax.models.weights import Weights


class ResNet(nn.Module):
    """A convolution, stages of residual blocks of two convolutions each, the mean over all positions, and logits.

    Each stage except the first halves the image. The depth is 2 + 2 * len(channels) * blocks: channels (16, 32, 64)
    give ResNet-8 with one block per stage and ResNet-20 with three.

    Attributes:
        channels: channels of each stage.
        num_classes: number of logits.
        activation: a name in ACTIVATIONS, or a function.
        weights: initializers and parametrization.
        blocks: blocks in each stage.
        norm: "layer" or "group", before each convolution of a block.

    Raises:
        InputError: for an unknown name or a stage without channels.

    Source: He et al. 2016, "Identity Mappings in Deep Residual Networks".

    >>> import jax, jax.numpy as jnp
    >>> model = ResNet(channels=(4, 8), num_classes=10)
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    >>> model.apply(params, jnp.zeros((5, 8, 8, 3))).shape
    (5, 10)
    """

    channels: Sequence[int]
    num_classes: int
    activation: str | Callable = "relu"
    weights: Weights = Weights()
    blocks: int = 1
    norm: str = "group"

    def __post_init__(self):
        check_layers(self.activation, (*self.channels, self.num_classes), self.weights)
        require(self.blocks >= 1, f"blocks {self.blocks} is out of range: choose 1 or more")
        check_norm(self.norm)
        super().__post_init__()

    @nn.compact
    def __call__(self, images):
        """Maps images (batch, height, width, channels) to logits (batch, num_classes)."""
        x = Convolution(self.channels[0], role="input", weights=self.weights)(images)
        for stage, channels in enumerate(self.channels):
            for block in range(self.blocks):
                strides = 2 if stage and not block else 1
                x = Residual(channels, strides, self.activation, self.weights, self.norm)(x)
        x = activation_of(self.activation)(Norm(self.norm, self.weights)(x))
        return Dense(self.num_classes, "output", self.weights)(x.mean((1, 2)))


class Residual(nn.Module):
    """Residual block x + convolution(act(norm(convolution(act(norm(x)))))).

    A 1 x 1 convolution maps the skip connection x to the output's shape if the shapes differ.

    >>> import jax, jax.numpy as jnp
    >>> block = Residual(8, strides=2)
    >>> block.apply(block.init(jax.random.key(0), jnp.zeros((1, 6, 6, 4))), jnp.zeros((1, 6, 6, 4))).shape
    (1, 3, 3, 8)
    """

    channels: int
    strides: int = 1
    activation: str | Callable = "relu"
    weights: Weights = Weights()
    norm: str = "group"

    @nn.compact
    def __call__(self, x):
        """Maps images (batch, height, width, channels) to (batch, height / strides, width / strides, self.channels)."""
        act = activation_of(self.activation)
        skip = x
        if x.shape[-1] != self.channels or self.strides > 1:
            skip = Convolution(self.channels, self.strides, weights=self.weights, window=1)(x)
        y = act(Norm(self.norm, self.weights)(x))
        y = act(Norm(self.norm, self.weights)(Convolution(self.channels, self.strides, weights=self.weights)(y)))
        return skip + Convolution(self.channels, weights=self.weights)(y)
