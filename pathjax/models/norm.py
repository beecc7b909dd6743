"""Normalization of each example separately: outputs do not depend on the other examples of a batch."""

from flax import linen as nn

from pathjax.core.errors import require
from pathjax.models.initializers import constant
from pathjax.models.weights import Weights, vector

NORMS = ("layer", "group")
GROUPS = 4  # maximum number of channel groups


class Norm(nn.Module):
    """Normalizes features to mean 0 and variance 1, and applies a gain and a bias.

    Attributes:
        kind: "layer", over the features of each position (Ba et al. 2016), or "group", over groups of channels and all
            positions (Wu & He 2018), with the largest number of groups up to 4 that divides the channels.
        weights: of the network; the gain starts at 1 and the bias at 0.

    >>> import jax, jax.numpy as jnp
    >>> sorted(Norm().init(jax.random.key(0), jnp.zeros((1, 8)))["params"])
    ['bias', 'gain']
    """

    kind: str = "layer"
    weights: Weights = Weights()

    @nn.compact
    def __call__(self, x):
        """Maps features (batch, ..., features) to features of the same shape."""
        size = x.shape[-1]
        groups = max(n for n in range(1, GROUPS + 1) if size % n == 0)
        if self.kind == "layer":
            normalized = nn.LayerNorm(use_bias=False, use_scale=False)(x)
        else:
            normalized = nn.GroupNorm(groups, use_bias=False, use_scale=False)(x)
        gain = vector(self, self.weights, "gain", "input", size, constant(1.0))
        bias = vector(self, self.weights, "bias", "input", size, constant(0.0))
        lead = (1,) * (x.ndim - 1)
        return normalized * gain.reshape(*lead, -1) + bias.reshape(*lead, -1)


def check_norm(kind: str) -> None:
    """Raises InputError for an unknown kind."""
    require(kind in NORMS, f"unknown norm '{kind}': choose one of {', '.join(NORMS)}")
