"""A decoder of tokens, whose attention can be read."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from flax import linen as nn
from flax.traverse_util import flatten_dict

from pathjax.core.errors import require
from pathjax.models.attention import ATTENTION, Block
from pathjax.models.dense import Dense
from pathjax.models.embedding import Embedding, Positions
from pathjax.models.mlp import check_layers
from pathjax.models.norm import Norm
from pathjax.models.weights import Weights


class Transformer(nn.Module):
    """Embedded tokens and their places, causal blocks, and logits of the next token at every place.

    Attributes:
        widths: of each block, all the same.
        num_tokens: size of the vocabulary.
        activation: a name in ACTIVATIONS, of the blocks' dense layers.
        weights: how they start, and their parametrization.
        num_heads: of each block, which divides the width.
        hidden: whether blocks have dense layers, or attention alone.

    Raises:
        InputError: for an unknown name, widths that differ, or heads that do not divide them.

    Source: Radford et al. 2019 (the layout); attention alone as in Olsson et al. 2022.

    >>> import jax
    >>> model = Transformer(widths=(8, 8), num_tokens=5, num_heads=2)
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 6), jnp.int32))
    >>> model.apply(params, jnp.zeros((3, 6), jnp.int32)).shape
    (3, 6, 5)
    """

    widths: Sequence[int]
    num_tokens: int
    activation: str = "gelu"
    weights: Weights = Weights()
    num_heads: int = 4
    hidden: bool = True

    def __post_init__(self):
        check_layers(self.activation, (*self.widths, self.num_tokens), self.weights)
        check_blocks(self.widths, self.num_heads)
        super().__post_init__()

    @nn.compact
    def __call__(self, tokens):
        """Logits (batch, context, num_tokens) of tokens int (batch, context)."""
        x = Embedding(self.num_tokens, self.widths[0], self.weights)(tokens)
        x = Positions(self.weights)(x)
        for _ in self.widths:
            x = Block(self.num_heads, self.activation, True, self.weights, self.hidden)(x)
        return Dense(self.num_tokens, "output", self.weights)(Norm(weights=self.weights)(x))


def check_blocks(widths: Sequence[int], num_heads: int) -> None:
    """Raise InputError for residual blocks that do not fit one another, or heads that do not fit them."""
    equal = f"blocks of widths {tuple(widths)} do not fit: choose one or more of one width, such as (64, 64)"
    require(len(set(widths)) == 1, equal)
    fits = num_heads >= 1 and widths[0] % num_heads == 0
    require(fits, f"{num_heads} heads do not divide a width of {widths[0]}: choose a divisor")


def attention_weights(model: nn.Module) -> Callable:
    """`attention(params, inputs)`: where each place of each head looks, (layers, batch, heads, places, places) that sum
    to 1 over the last axis. Calling it raises InputError for a network without attention.

    >>> import jax
    >>> model = Transformer(widths=(8, 8), num_tokens=5, num_heads=2)
    >>> tokens = jnp.zeros((3, 6), jnp.int32)
    >>> attention_weights(model)(model.init(jax.random.key(0), tokens)["params"], tokens).shape
    (2, 3, 2, 6, 6)
    """

    def attention(params, inputs):
        _, found = model.apply({"params": params}, inputs, mutable=["intermediates"])
        named = {path: values[0] for path, values in flatten_dict(found.get("intermediates", {})).items()}
        blocks = sorted((path for path in named if path[-1] == ATTENTION), key=lambda path: int(path[0].split("_")[1]))
        require(bool(blocks), f"{type(model).__name__} has no attention to read: give a Transformer or a ViT")
        return jnp.stack([named[path] for path in blocks])

    return attention
