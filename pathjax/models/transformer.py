"""A decoder-only transformer whose attention weights can be read."""

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
    """Token and position embeddings, causal blocks, and logits of the next token at every position.

    Attributes:
        widths: width of each block, all equal.
        num_tokens: size of the vocabulary.
        activation: a name in ACTIVATIONS, for the blocks' dense layers.
        weights: initializers and parametrization.
        num_heads: attention heads of each block; it divides the width.
        hidden: whether blocks have dense layers, or only attention.

    Raises:
        InputError: for an unknown name, unequal widths, or heads that do not divide the width.

    Source: Radford et al. 2019 (the layout); attention-only blocks as in Olsson et al. 2022.

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
        """Maps tokens int (batch, context) to logits (batch, context, num_tokens)."""
        x = Embedding(self.num_tokens, self.widths[0], self.weights)(tokens)
        x = Positions(self.weights)(x)
        for _ in self.widths:
            x = Block(self.num_heads, self.activation, True, self.weights, self.hidden)(x)
        return Dense(self.num_tokens, "output", self.weights)(Norm(weights=self.weights)(x))


def check_blocks(widths: Sequence[int], num_heads: int) -> None:
    """Raises InputError for blocks of unequal widths, or heads that do not divide the width."""
    equal = f"widths {tuple(widths)} of residual blocks must be equal: give one or more, such as (64, 64)"
    require(len(set(widths)) == 1, equal)
    fits = num_heads >= 1 and widths[0] % num_heads == 0
    require(fits, f"{num_heads} heads do not divide a width of {widths[0]}: choose a divisor")


def attention_weights(model: nn.Module) -> Callable:
    """Returns `attention(params, inputs)`, the attention weights (layers, batch, heads, places, places), which sum to 1
    over the last axis. It raises InputError for a network without attention.

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
