"""A small vision transformer."""

from collections.abc import Sequence

from flax import linen as nn
from jaxtyping import Array, Float

from pathjax.core.errors import require
from pathjax.models.attention import Block
from pathjax.models.dense import Dense
from pathjax.models.embedding import Positions
from pathjax.models.mlp import check_layers
from pathjax.models.norm import Norm
from pathjax.models.transformer import check_blocks
from pathjax.models.weights import Weights


class ViT(nn.Module):
    """Patch and position embeddings, blocks without a causal mask, the mean over patches, and logits.

    Attributes:
        widths: width of each block, all equal.
        num_classes: number of logits.
        activation: a name in ACTIVATIONS, for the blocks' dense layers.
        weights: initializers and parametrization.
        num_heads: attention heads of each block; it divides the width.
        patch_size: side of the square patches, in pixels; it divides the image's height and width.

    Raises:
        InputError: for an unknown name, unequal widths, or heads that do not divide the width; when called, if the
            patch does not divide the image.

    Source: Dosovitskiy et al. 2021; the mean instead of a class token as in Zhai et al. 2022.

    >>> import jax, jax.numpy as jnp
    >>> model = ViT(widths=(8,), num_classes=10, num_heads=2)
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    >>> model.apply(params, jnp.zeros((5, 8, 8, 1))).shape
    (5, 10)
    """

    widths: Sequence[int]
    num_classes: int
    activation: str = "gelu"
    weights: Weights = Weights()
    num_heads: int = 4
    patch_size: int = 4

    def __post_init__(self):
        check_layers(self.activation, (*self.widths, self.num_classes), self.weights)
        require(self.patch_size >= 1, f"patch_size {self.patch_size} is out of range: choose 1 or more")
        check_blocks(self.widths, self.num_heads)
        super().__post_init__()

    @nn.compact
    def __call__(self, images):
        """Maps images (batch, height, width, channels) to logits (batch, num_classes)."""
        x = Dense(self.widths[0], "input", self.weights)(patches(images, self.patch_size))
        x = Positions(self.weights)(x)
        for _ in self.widths:
            x = Block(self.num_heads, self.activation, False, self.weights)(x)
        return Dense(self.num_classes, "output", self.weights)(Norm(weights=self.weights)(x).mean(1))


def patches(images: Float[Array, "batch height width channels"], size: int) -> Float[Array, "batch number values"]:
    """Cuts images (batch, height, width, channels) into patches (batch, number, size * size * channels).

    Raises:
        InputError: if the patch does not divide the image.

    >>> import jax.numpy as jnp
    >>> patches(jnp.zeros((2, 8, 8, 3)), 4).shape
    (2, 4, 48)
    """
    batch, height, width, channels = images.shape
    fits = height % size == 0 and width % size == 0
    require(fits, f"patch_size {size} does not divide images of {height} x {width}: choose a common divisor")
    cut = images.reshape(batch, height // size, size, width // size, size, channels).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(batch, -1, size * size * channels)
