"""Text classification from bags of words."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from flax import linen as nn

from pathjax.models.activations import activation_of
from pathjax.models.dense import Dense
from pathjax.models.embedding import Embedding
from pathjax.models.mlp import check_layers
from pathjax.models.weights import Weights


class TextClassifier(nn.Module):
    """The mean of a text's word embeddings, hidden layers, and logits; token 0 is padding and left out.

    Attributes:
        widths: widths of the embedding and of the hidden layers after it.
        num_classes: number of logits.
        num_tokens: size of the vocabulary.
        activation: a name in ACTIVATIONS, or a function.
        weights: initializers and parametrization.

    Raises:
        InputError: for an unknown name or a width below 1.

    Source: Iyyer et al. 2015 (deep averaging networks).

    >>> import jax
    >>> model = TextClassifier(widths=(16,), num_classes=2, num_tokens=100)
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 6), jnp.int32))
    >>> model.apply(params, jnp.ones((3, 6), jnp.int32)).shape
    (3, 2)
    """

    widths: Sequence[int]
    num_classes: int
    num_tokens: int
    activation: str | Callable = "relu"
    weights: Weights = Weights()

    def __post_init__(self):
        check_layers(self.activation, (*self.widths, self.num_classes, self.num_tokens), self.weights)
        super().__post_init__()

    @nn.compact
    def __call__(self, tokens):
        """Maps tokens int (batch, length) to logits (batch, num_classes)."""
        width, *hidden = self.widths
        # All members share the counts, so their products with the tables are one large product.
        rows = jnp.arange(len(tokens))[:, None]
        counts = jnp.zeros((len(tokens), self.num_tokens), jnp.int32).at[rows, tokens].add(tokens > 0)
        x = Embedding(self.num_tokens, width, self.weights).of_counts(counts)
        for width in hidden:
            x = activation_of(self.activation)(Dense(width, weights=self.weights)(x))
        return Dense(self.num_classes, "output", self.weights)(x)
