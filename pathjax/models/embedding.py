"""Token and position embeddings."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from pathjax.models.weights import Weights, vectors


class Embedding(nn.Module):
    """Token embedding with normal initial values of standard deviation 1.

    >>> layer = Embedding(5, 8)
    >>> layer.apply(layer.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32)), jnp.ones((3, 2), jnp.int32)).shape
    (3, 2, 8)
    """

    num_tokens: int
    width: int
    weights: Weights = Weights()

    def setup(self) -> None:
        """Creates the table (num_tokens, width)."""
        self.table = vectors(self, self.weights, "table", self.num_tokens, self.width, 1.0)

    def __call__(self, tokens):
        """Maps tokens int (...) to vectors (..., self.width)."""
        # A product, because on a GPU the derivative of a look-up sums in an order that differs from run to run.
        return jax.nn.one_hot(tokens, self.num_tokens, dtype=self.table.dtype) @ self.table

    def of_counts(self, counts: Int[Array, "n tokens"]) -> Float[Array, "n width"]:
        """Maps token counts int (n, num_tokens) to mean vectors (n, self.width)."""
        total = jnp.maximum(1, jnp.sum(counts, axis=-1, keepdims=True))
        return (counts / total).astype(self.table.dtype) @ self.table


class Positions(nn.Module):
    """Position embedding: adds a vector for each position, initialized with the same norm as token embeddings.

    >>> Positions().init(jax.random.key(0), jnp.zeros((1, 6, 8)))["params"]["table"].shape
    (6, 8)
    """

    weights: Weights = Weights()

    @nn.compact
    def __call__(self, x):
        """Maps features (batch, places, width) to features of the same shape."""
        return x + vectors(self, self.weights, "table", x.shape[1], x.shape[2], 1.0)[None]
