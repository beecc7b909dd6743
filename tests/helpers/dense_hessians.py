"""Small networks of each family with their data, and Hessians as matrices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from pathjax.models import CNN, MLP, ResNet, TextClassifier, Transformer, ViT

KEY = jax.random.key(3)
IMAGES, LABELS = jax.random.normal(KEY, (24, 8, 8, 1)), jax.random.randint(KEY, (24,), 0, 4)
TOKENS = jax.random.randint(KEY, (16, 6), 0, 7)

NETWORKS = {
    "MLP, tanh": (MLP((10, 8), 4, "tanh"), IMAGES, LABELS),
    "MLP, ReLU": (MLP((16,), 4, "relu"), IMAGES, LABELS),
    "CNN": (CNN((4, 6), 4, "tanh"), IMAGES, LABELS),
    "ResNet": (ResNet((4,), 4), IMAGES, LABELS),
    "ViT": (ViT((8,), 4, num_heads=2), IMAGES, LABELS),
    "transformer": (Transformer((8,), 7, num_heads=2), TOKENS, jnp.roll(TOKENS, -1, 1)),
    "text classifier": (TextClassifier((8,), 4, 7), TOKENS, LABELS[:16]),
}


@functools.cache
def problem(name):
    """Weights, a loss `loss(params, examples) -> losses`, the examples, and the Hessian of the mean loss."""
    model, inputs, labels = NETWORKS[name]
    params = model.init(jax.random.key(1), inputs[:1])["params"]

    def losses(params, examples):
        logits = model.apply({"params": params}, examples[0])
        each = optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])
        return each.mean(tuple(range(1, each.ndim)))

    examples = (inputs, labels)
    flat, unravel = ravel_pytree(params)
    hessian = jax.jit(jax.hessian(lambda w: losses(unravel(w), examples).mean()))(flat)
    return params, losses, examples, np.asarray(hessian, np.float64)


def flattened(vectors):
    """Vectors on the leading axis of a tree's leaves, as rows of a matrix."""
    return np.asarray(jax.vmap(lambda one: ravel_pytree(one)[0])(vectors), np.float64)
