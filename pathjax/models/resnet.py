"""Residual networks of convolutions, without anything that looks at other examples of a batch."""

from collections.abc import Sequence

from flax import linen as nn

from pathjax.core.errors import require
from pathjax.models.cnn import Convolution
from pathjax.models.dense import Dense
from pathjax.models.mlp import ACTIVATIONS, check_layers
from pathjax.models.norm import Norm, check_norm
from pathjax.models.weights import Weights


class ResNet(nn.Module):
    """A convolution, stages of residual blocks of two convolutions each, the mean over all places, and logits.

    Each stage but the first halves the image. Depth is 2 + 2 len(channels) blocks: channels (16, 32, 64) with one block
    are ResNet-8, with three ResNet-20.

    Attributes:
        channels: of each stage.
        num_classes: number of logits.
        activation: a name in ACTIVATIONS.
        weights: how they start, and their parametrization.
        blocks: in each stage.
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
    activation: str = "relu"
    weights: Weights = Weights()
    blocks: int = 1
    norm: str = "group"

    def __post_init__(self):
        check_layers(self.activation, (*self.channels, self.num_classes), self.weights)
        require(self.blocks >= 1, f"stages of {self.blocks} blocks are empty: choose 1 or more")
        check_norm(self.norm)
        super().__post_init__()

    @nn.compact
    def __call__(self, images):
        """Logits (batch, num_classes) of images (batch, height, width, channels)."""
        x = Convolution(self.channels[0], role="input", weights=self.weights)(images)
        for stage, number in enumerate(self.channels):
            for block in range(self.blocks):
                strides = 2 if stage and not block else 1
                x = Residual(number, strides, self.activation, self.weights, self.norm)(x)
        x = ACTIVATIONS[self.activation](Norm(self.norm, self.weights)(x))
        return Dense(self.num_classes, "output", self.weights)(x.mean((1, 2)))


class Residual(nn.Module):
    """x + convolution(act(norm(convolution(act(norm(x)))))), where a convolution 1 x 1 makes x fit if it does not.

    >>> import jax, jax.numpy as jnp
    >>> block = Residual(8, strides=2)
    >>> block.apply(block.init(jax.random.key(0), jnp.zeros((1, 6, 6, 4))), jnp.zeros((1, 6, 6, 4))).shape
    (1, 3, 3, 8)
    """

    channels: int
    strides: int = 1
    activation: str = "relu"
    weights: Weights = Weights()
    norm: str = "group"

    @nn.compact
    def __call__(self, x):
        """Images (batch, height, width, channels) to (batch, height / strides, width / strides, self.channels)."""
        act = ACTIVATIONS[self.activation]
        fitted = x
        if x.shape[-1] != self.channels or self.strides > 1:
            fitted = Convolution(self.channels, self.strides, weights=self.weights, window=1)(x)
        y = act(Norm(self.norm, self.weights)(x))
        y = act(Norm(self.norm, self.weights)(Convolution(self.channels, self.strides, weights=self.weights)(y)))
        return fitted + Convolution(self.channels, weights=self.weights)(y)
