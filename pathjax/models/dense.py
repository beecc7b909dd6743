"""A fully connected layer with the kernel layout that is fast in XLA on a CPU."""

import math

from flax import linen as nn
from jax import lax

from pathjax.models.weights import Weights, bias, kernel


class Dense(nn.Module):
    """Dense layer kernel @ x + bias on the last axis.

    The kernel is (features, inputs), not linen's (inputs, features), and the first factor of the product. So under
    `vmap` the gradients of many members' kernels come from one large product in the kernels' own layout, and the next
    product reads that layout; otherwise both are transposed at every step (docs/performance.md). The bias is added
    before the result is transposed to (batch, features): without an operation in between, XLA would swap the factors if
    members' inputs differ.

    Attributes:
        features: number of outputs.
        role: whether inputs, outputs, both or neither grow with the width (`parametrization.ROLES`).
        weights: initializers and parametrization.
        use_bias: whether the layer has a bias.
        width: the network's width at this layer, which scales initial weights and learning rates; None: the number of
            inputs, or of outputs if the role is "input".

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
        """Maps inputs (..., fan_in) to (..., self.features)."""
        *lead, fan_in = inputs.shape
        width = self.width or (self.features if self.role == "input" else fan_in)
        # Drawn in linen's layout, so that a seed gives the same network as linen.
        shape = (fan_in, self.features)
        matrix, multiplier = kernel(self, self.weights, self.role, fan_in, width, lambda init, key: init(key, shape).T)
        product = lax.dot_general(matrix, inputs.reshape(math.prod(lead), fan_in), (((1,), (1,)), ((), ())))
        if multiplier != 1:
            product = multiplier * product
        if self.use_bias:
            product = product + bias(self, self.weights, self.role, self.features, fan_in, width)[:, None]
        return product.T.reshape(*lead, self.features)
