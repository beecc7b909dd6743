"""Tangent kernels from dense Jacobians, and a network in the NTK parametrization."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pathjax.core import trees

VARIANCES = (1.5, 0.3)


def dense(apply, params, inputs, factors=None):
    """Computes the kernel from the dense Jacobian of all outputs by all weights."""
    floats, others = trees.split_floats(params)
    flat, unravel = ravel_pytree(floats)
    rates = jax.tree.map(lambda leaf: jnp.ones_like(leaf), floats)
    if factors is not None:
        chosen = jax.tree.map(lambda leaf, factor: None if leaf is None else factor, floats, factors, is_leaf=_is_none)
        rates = jax.tree.map(lambda leaf, factor: factor * jnp.ones_like(leaf), floats, chosen)
    outputs = lambda w: apply(trees.merge(unravel(w), others), inputs).reshape(len(inputs), -1)  # noqa: E731
    jacobian = np.asarray(jax.jacobian(outputs)(flat))
    scaled = jacobian * np.asarray(ravel_pytree(rates)[0])
    return np.einsum("icp,jcp->ij", scaled, jacobian) / jacobian.shape[1]


def _is_none(leaf):
    return leaf is None


def relu_network(params, x):
    """Applies a network in the NTK parametrization: see `pathjax.theory.ntk`."""
    for i, (w, b) in enumerate(params):
        x = jnp.sqrt(VARIANCES[0] / w.shape[0]) * x @ w + jnp.sqrt(VARIANCES[1]) * b[None]
        x = jax.nn.relu(x) if i < len(params) - 1 else x
    return x


def random_weights(key, sizes):
    keys = jax.random.split(key, (len(sizes), 2))
    return [
        (jax.random.normal(k[0], (a, b)), jax.random.normal(k[1], (b,)))
        for k, (a, b) in zip(keys, itertools.pairwise(sizes), strict=False)
    ]
