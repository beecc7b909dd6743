"""A fully connected layer whose weights lie as XLA on a CPU wants them."""

import math

from flax import linen as nn
from jax import lax

from pathjax.models.weights import Weights, bias, kernel


class Dense(nn.Module):
    """kernel @ x + bias, of numbers in the last axis.

    The kernel is (features, inputs), not linen's (inputs, features), and the first factor of the product. So the
    gradient of many members' kernels by `vmap` comes out of one large product as they lie, and the next product reads
    them as they lie; otherwise both are turned at every step (docs/performance.md). The bias is added before the result
    is turned to (batch, features): with nothing in between XLA swaps the factors, where members' inputs differ.

    Attributes:
        features: numbers in the result.
        role: whether inputs, outputs, both or neither become more with the width (`parametrization.ROLES`).
        weights: how they start.
        use_bias: whether there is one.
        width: of the network here, by which start and learning rate are scaled; None: the inputs, or the outputs of an
            "input" layer.

    >>> import jax, jax.numpy as jnp
    >>> Dense(3).init(jax.random.key(0), jnp.zeros((1, 5)))["params"]["kernel"].shape
    (3, 5)
    """

    features: int
    role: str = "hidden"
    weights: Weights = Weights()
    use_bias: bool = True
    width: int | None = None

    @nn.compact
    def __call__(self, inputs):
        """Inputs (..., fan_in) to (..., self.features)."""
        *lead, fan_in = inputs.shape
        width = self.width or (self.features if self.role == "input" else fan_in)
        # Drawn as linen's kernels are, so that a seed gives the network that it gives there.
        shape = (fan_in, self.features)
        matrix, multiplier = kernel(self, self.weights, self.role, fan_in, width, lambda init, key: init(key, shape).T)
        product = lax.dot_general(matrix, inputs.reshape(math.prod(lead), fan_in), (((1,), (1,)), ((), ())))
        if multiplier != 1:
            product = multiplier * product
        if self.use_bias:
            product = product + bias(self, self.weights, self.role, self.features, fan_in, width)[:, None]
        return product.T.reshape(*lead, self.features)
