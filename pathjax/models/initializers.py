"""Initializers with Flax's signature `init(key, shape, dtype)`."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array


def kaiming_sphere(fan_in: float) -> Callable[..., Array]:
    """Kaiming initialization with the norm fixed to its expected value, so that weights are uniform on a sphere.

    Normal values are rescaled to the exact 2-norm sqrt(size) sqrt(2 / fan_in), for weights and biases alike, so that a
    perturbation along the sphere stays in the distribution.

    Args:
        fan_in: number of inputs of the layer (also for its bias).

    Source: He et al. 2015 (the scale), Muller 1959 (uniform points on a sphere).

    >>> w = kaiming_sphere(784)(jax.random.key(0), (784, 100))
    >>> f"{jnp.linalg.norm(w):.4f}"
    '14.1421'
    """

    def init(key, shape, dtype=jnp.float32):
        normal = jax.random.normal(key, shape, dtype)
        return normal * (math.sqrt(math.prod(shape) * 2 / fan_in) / jnp.sqrt(jnp.sum(normal**2)))

    return init


def kaiming_normal(fan_in: float) -> Callable[..., Array]:
    """Normal values of variance 2 / fan_in, with which ReLU layers preserve the mean square of activations.

    Source: He et al. 2015.
    """
    return _normal(2 / fan_in)


def lecun_normal(fan_in: float) -> Callable[..., Array]:
    """Normal values of variance 1 / fan_in, with which linear layers preserve the mean square of activations.

    Source: LeCun et al. 1998.
    """
    return _normal(1 / fan_in)


def pytorch_default(fan_in: float) -> Callable[..., Array]:
    """Uniform values between -1/sqrt(fan_in) and 1/sqrt(fan_in), for weights and biases, as PyTorch's layers draw them.

    PyTorch calls it Kaiming initialization with a = sqrt(5); its variance is 1 / (3 fan_in), a sixth of Kaiming's.

    Source: `torch.nn.Linear.reset_parameters`, PyTorch 2.

    >>> w = pytorch_default(100)(jax.random.key(0), (100, 50))
    >>> bool(jnp.abs(w).max() <= 0.1), f"{100 * jnp.var(w):.1f}"
    (True, '0.3')
    """

    def init(key, shape, dtype=jnp.float32):
        bound = 1 / math.sqrt(fan_in)
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def orthogonal(fan_in: float) -> Callable[..., Array]:
    """Orthonormal rows or columns, whichever are fewer, scaled so that weights have variance 2 / fan_in as in Kaiming
    initialization (a factor sqrt(2) if there are at least as many inputs as outputs).

    For a kernel (inputs..., outputs), the first axes are flattened; a vector gets `kaiming_sphere`.

    Source: Saxe et al. 2014.

    >>> w = orthogonal(6)(jax.random.key(0), (6, 3))
    >>> bool(jnp.allclose(w.T @ w, 2 * jnp.eye(3), atol=1e-5))
    True
    """

    def init(key, shape, dtype=jnp.float32):
        if len(shape) < 2:
            return kaiming_sphere(fan_in)(key, shape, dtype)
        scale = math.sqrt(2 * max(math.prod(shape[:-1]), shape[-1]) / fan_in)
        return jax.nn.initializers.orthogonal(scale)(key, shape, dtype)

    return init


def zeros(fan_in: float) -> Callable[..., Array]:
    """Zeros, for any number of inputs."""
    return constant(0.0)


def constant(value: float) -> Callable[..., Array]:
    """A constant value, in float32 like other initializers, even if JAX's default type is float64."""

    def init(key, shape, dtype=jnp.float32):
        return jnp.full(shape, value, dtype)

    return init


def _normal(variance: float):
    def init(key, shape, dtype=jnp.float32):
        return jax.random.normal(key, shape, dtype) * math.sqrt(variance)

    return init


# name -> function from a layer's number of inputs to its initializer
INITIALIZERS = {
    "kaiming_sphere": kaiming_sphere,
    "kaiming_normal": kaiming_normal,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
    "pytorch_default": pytorch_default,
}
BIAS_INITIALIZERS = INITIALIZERS | {"zeros": zeros}
