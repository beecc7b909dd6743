"""Small convolutional networks."""

from collections.abc import Sequence

from flax import linen as nn

from pathjax.models.convolution import convolution
from pathjax.models.dense import Dense
from pathjax.models.initializers import kaiming_sphere
from pathjax.models.mlp import ACTIVATIONS, check_layers


class CNN(nn.Module):
    """Convolutions 3 x 3 of the given numbers of channels, the mean over all places, and logits.

    Attributes:
        channels: of each convolution.
        num_classes: number of logits.
        activation: a name in ACTIVATIONS.
        strides: of all convolutions.

    Raises:
        InputError: for an unknown activation or a layer without channels.

    >>> import jax, jax.numpy as jnp
    >>> model = CNN(channels=(16, 32), num_classes=10)
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    >>> model.apply(params, jnp.zeros((5, 32, 32, 3))).shape
    (5, 10)
    """

    channels: Sequence[int]
    num_classes: int
    activation: str = "relu"
    strides: int = 1

    def __post_init__(self):
        check_layers(self.activation, (*self.channels, self.num_classes))
        super().__post_init__()

    @nn.compact
    def __call__(self, images):
        """Logits (batch, num_classes) of images (batch, height, width, channels)."""
        x = images
        for number in self.channels:
            x = ACTIVATIONS[self.activation](Convolution(number, self.strides)(x))
        return Dense(self.num_classes)(x.mean((1, 2)))


class Convolution(nn.Module):
    """A layer: `convolution` with a kernel 3 x 3 and a bias, both of which start on their Kaiming spheres.

    >>> import jax, jax.numpy as jnp
    >>> Convolution(4).init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]["kernel"].shape
    (3, 3, 3, 4)
    """

    channels: int
    strides: int = 1

    @nn.compact
    def __call__(self, images):
        """Images (batch, height, width, channels) to (batch, height / strides, width / strides, self.channels)."""
        fan_in = 9 * images.shape[-1]
        kernel = self.param("kernel", kaiming_sphere(fan_in), (3, 3, images.shape[-1], self.channels))
        bias = self.param("bias", kaiming_sphere(fan_in), (self.channels,))
        return convolution(images, kernel, self.strides) + bias.reshape(1, 1, 1, -1)
