"""Normalization that looks at one example alone: no example's answer depends on the others of its batch."""

from flax import linen as nn

from pathjax.core.errors import require
from pathjax.models.initializers import constant
from pathjax.models.weights import Weights, vector

NORMS = ("layer", "group")
GROUPS = 4  # of channels


class Norm(nn.Module):
    """Features of mean 0 and variance 1, times a gain, plus a bias.

    Attributes:
        kind: "layer", over the features of each place (Ba et al. 2016), or "group", over groups of channels and all
            places (Wu & He 2018), as many groups as divide the channels, 4 at most.
        weights: of the network; the gain starts at 1 and the bias at 0.

    >>> import jax, jax.numpy as jnp
    >>> sorted(Norm().init(jax.random.key(0), jnp.zeros((1, 8)))["params"])
    ['bias', 'gain']
    """

    kind: str = "layer"
    weights: Weights = Weights()

    @nn.compact
    def __call__(self, x):
        """Numbers (batch, ..., features) to as many."""
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
    """Raise InputError for an unknown kind."""
    require(kind in NORMS, f"unknown norm '{kind}': choose one of {', '.join(NORMS)}")
