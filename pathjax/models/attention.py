"""Transformer blocks of attention and dense layers, for tokens and image patches."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from pathjax.models.activations import activation_of
from pathjax.models.dense import Dense
from pathjax.models.norm import Norm
from pathjax.models.parametrization import share
from pathjax.models.weights import Weights

ATTENTION = "attention"  # the name under which blocks sow their attention weights


class Attention(nn.Module):
    """Multi-head attention: softmax-weighted means of values, with scores from queries and keys.

    Scores are divided by sqrt(d), d the size of a head, and by a further r^(s/2) in a parametrization with s > 0 (in
    maximal update s is 1, so the total is proportional to d; Yang et al. 2022). This assumes a fixed number of heads:
    with the width, heads become larger, not more.

    Attributes:
        num_heads: number of heads; it divides the width.
        causal: whether positions see only themselves and earlier positions.
        weights: initializers and parametrization.

    >>> import jax.numpy as jnp
    >>> layer = Attention(num_heads=2)
    >>> layer.apply(layer.init(jax.random.key(0), jnp.zeros((1, 5, 8))), jnp.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    num_heads: int
    causal: bool = True
    weights: Weights = Weights()

    @nn.compact
    def __call__(self, x):
        """Maps features (batch, places, width) to features of the same shape."""
        batch, places, width = x.shape

        def heads(use_bias=True):
            y = Dense(width, weights=self.weights, use_bias=use_bias)(x)
            return y.reshape(batch, places, self.num_heads, width // self.num_heads)

        # A bias of the keys would add the same value to all scores of a query, which the softmax ignores.
        queries, keys, values = heads(), heads(use_bias=False), heads()
        scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) * self._scale(width)
        if self.causal:
            mask = jnp.tril(jnp.ones((1, 1, places, places), bool))
            scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
        attention = jax.nn.softmax(scores, axis=-1)
        self.sow("intermediates", ATTENTION, attention)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", attention, values)
        return Dense(width, weights=self.weights)(mixed.reshape(batch, places, width))

    def _scale(self, width: int) -> float:
        own = self.weights.parametrization
        power = 0.0 if own.name == "standard" else share(own)
        return math.sqrt(self.num_heads / width) * (width / own.base_width) ** (-power / 2)


class Block(nn.Module):
    """Transformer block: x + attention(norm(x)), then x + dense(act(dense(norm(x)))) with four times the width inside.

    Attributes:
        num_heads, causal, weights: see Attention.
        activation: a name in ACTIVATIONS, or a function.
        hidden: whether the block has dense layers, or only attention.

    Source: Vaswani et al. 2017, in the order of Xiong et al. 2020 (normalization first).
    """

    num_heads: int
    activation: str | Callable = "gelu"
    causal: bool = True
    weights: Weights = Weights()
    hidden: bool = True

    @nn.compact
    def __call__(self, x):
        """Maps features (batch, places, width) to features of the same shape."""
        width = x.shape[-1]
        attention = Attention(self.num_heads, self.causal, self.weights)
        x = x + attention(Norm(weights=self.weights)(x))
        if not self.hidden:
            return x
        inner = Dense(4 * width, weights=self.weights)(Norm(weights=self.weights)(x))
        return x + Dense(width, weights=self.weights)(activation_of(self.activation)(inner))
