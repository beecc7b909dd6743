"""Networks for two classes with one output."""

import jax.numpy as jnp
from flax import linen as nn


class LogOdds(nn.Module):
    """A network whose one output z is the log odds of class 1: its logits are (0, z).

    The cross-entropy of these logits is the logistic loss, log(1 + exp(-z)) for class 1. The weights are those of
    `model`.

    Attributes:
        model: a network with one output.

    >>> import jax
    >>> from pathjax.models import MLP
    >>> inputs, model = jnp.ones((3, 2)), LogOdds(MLP(widths=(8,), num_classes=1))
    >>> variables = model.init(jax.random.key(0), inputs)
    >>> model.apply(variables, inputs).shape, sorted(variables["params"])
    ((3, 2), ['Dense_0', 'Dense_1'])
    """

    model: nn.Module

    def setup(self):
        """Gives the weights the names that they have in `model`."""
        nn.share_scope(self, self.model)

    def __call__(self, inputs):
        """Maps inputs (batch, ...) to logits (batch, 2)."""
        z = self.model(inputs)
        return jnp.concatenate([jnp.zeros_like(z), z], axis=-1)
