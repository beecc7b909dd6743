"""A fully connected layer whose weights lie as XLA on a CPU wants them."""

from flax import linen as nn
from jax import lax

from pathjax.models.initializers import kaiming_sphere


class Dense(nn.Module):
    """kernel @ x + bias, where kernel and bias start on their Kaiming spheres.

    The kernel is (features, inputs), not linen's (inputs, features), and the first factor of the product. So the
    gradient of many members' kernels by `vmap` comes out of one large product as they lie, and the next product reads
    them as they lie; otherwise both are turned at every step (docs/performance.md). The bias is added before the result
    is turned to (batch, features): with nothing in between XLA swaps the factors, where members' inputs differ.

    >>> import jax, jax.numpy as jnp
    >>> Dense(3).init(jax.random.key(0), jnp.zeros((1, 5)))["params"]["kernel"].shape
    (3, 5)
    """

    features: int

    @nn.compact
    def __call__(self, inputs):
        """Inputs (batch, fan_in) to (batch, self.features)."""
        on_sphere = kaiming_sphere(inputs.shape[-1])
        # Drawn as linen's kernels are, so that a seed gives the network that it gives there.
        kernel = self.param("kernel", lambda key: on_sphere(key, (inputs.shape[-1], self.features)).T)
        bias = self.param("bias", on_sphere, (self.features,))
        return (lax.dot_general(kernel, inputs, (((1,), (1,)), ((), ()))) + bias[:, None]).T
