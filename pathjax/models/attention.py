"""Blocks of attention and dense layers, for tokens and for patches of images."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from pathjax.models.dense import Dense
from pathjax.models.mlp import ACTIVATIONS
from pathjax.models.norm import Norm
from pathjax.models.parametrization import share
from pathjax.models.weights import Weights

ATTENTION = "attention"  # the name under which blocks put down where they look


class Attention(nn.Module):
    """Each place's mixture of the values of others, by the softmax of queries times keys.

    Queries times keys are divided by sqrt(d), d the size of a head, and by r^(s/2) more in a parametrization whose
    features move with power s of the width (1 in maximal update, so by d in all; Yang et al. 2022). That is for as many
    heads as at the base width: they become larger, not more.

    Attributes:
        num_heads: which divides the width.
        causal: whether places see only themselves and earlier ones.
        weights: how they start.

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
        """Features (batch, places, width) to as many."""
        batch, places, width = x.shape

        def heads(use_bias=True):
            y = Dense(width, weights=self.weights, use_bias=use_bias)(x)
            return y.reshape(batch, places, self.num_heads, width // self.num_heads)

        # A bias of the keys would add the same to all scores of a query, of which a softmax knows nothing.
        queries, keys, values = heads(), heads(use_bias=False), heads()
        scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) * self._scale(width)
        if self.causal:
            seen = jnp.tril(jnp.ones((1, 1, places, places), bool))
            scores = jnp.where(seen, scores, jnp.finfo(scores.dtype).min)
        attention = jax.nn.softmax(scores, axis=-1)
        self.sow("intermediates", ATTENTION, attention)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", attention, values)
        return Dense(width, weights=self.weights)(mixed.reshape(batch, places, width))

    def _scale(self, width: int) -> float:
        own = self.weights.parametrization
        power = 0.0 if own.name == "standard" else share(own)
        return math.sqrt(self.num_heads / width) * (width / own.base_width) ** (-power / 2)


class Block(nn.Module):
    """x + attention(norm(x)), and then x + dense(act(dense(norm(x)))) of four times the width.

    Attributes:
        num_heads, causal, weights: see Attention.
        activation: a name in ACTIVATIONS.
        hidden: whether there are dense layers, or attention alone.

    Source: Vaswani et al. 2017; the order of Xiong et al. 2020 (normalization first).
    """

    num_heads: int
    activation: str = "gelu"
    causal: bool = True
    weights: Weights = Weights()
    hidden: bool = True

    @nn.compact
    def __call__(self, x):
        """Features (batch, places, width) to as many."""
        width = x.shape[-1]
        attention = Attention(self.num_heads, self.causal, self.weights)
        x = x + attention(Norm(weights=self.weights)(x))
        if not self.hidden:
            return x
        inner = Dense(4 * width, weights=self.weights)(Norm(weights=self.weights)(x))
        return x + Dense(width, weights=self.weights)(ACTIVATIONS[self.activation](inner))
