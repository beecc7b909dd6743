"""The losses of docs/recipes.md without any library's layers: `loss(weights, state, examples) -> loss, state`.

Dropout is not among them: its masks are drawn by the library.
"""

import jax
import jax.numpy as jnp


def cross_entropy(logits, labels):
    return jax.nn.logsumexp(logits, axis=1) - jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]


def dense(layer, x):
    return x @ layer["kernel"] + layer["bias"]


def plain(weights, state, examples):
    logits = dense(weights["Dense_1"], jnp.tanh(dense(weights["Dense_0"], examples[0])))
    return cross_entropy(logits, examples[1]), state


def auxiliary(weights, state, examples):
    hidden = dense(weights["Dense_0"], examples[0])
    return plain(weights, state, examples)[0] + 0.01 * (hidden**2).sum(1), state


def normalized(hidden, scale, bias):
    mean = hidden.mean(0)
    variance = ((hidden - mean) ** 2).mean(0)
    return (hidden - mean) / jnp.sqrt(variance + 1e-5) * scale + bias, mean, variance


def batch_norm(weights, state, examples):
    own, running = weights["BatchNorm_0"], state["BatchNorm_0"]
    hidden, mean, variance = normalized(dense(weights["Dense_0"], examples[0]), own["scale"], own["bias"])
    logits = dense(weights["Dense_1"], jnp.tanh(hidden))
    new = {"mean": 0.9 * running["mean"] + 0.1 * mean, "var": 0.9 * running["var"] + 0.1 * variance}
    return cross_entropy(logits, examples[1]), {"BatchNorm_0": new}


def equinox_batch_norm(weights, state, examples):
    first, norm, last = weights.first, weights.norm, weights.last
    hidden, *_ = normalized(examples[0] @ first.weight.T + first.bias, norm.weight, norm.bias)
    return cross_entropy(jnp.tanh(hidden) @ last.weight.T + last.bias, examples[1]), state


def averaged(weights, average, examples):
    average = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, average, weights)
    return plain(weights, None, examples)[0], average


def gru(weights, memory, examples):
    cell = weights["cell"]
    for x in jnp.moveaxis(examples[0][:, :, None], 1, 0):
        reset = jax.nn.sigmoid(dense(cell["ir"], x) + memory @ cell["hr"]["kernel"])
        update = jax.nn.sigmoid(dense(cell["iz"], x) + memory @ cell["hz"]["kernel"])
        new = jnp.tanh(dense(cell["in"], x) + reset * dense(cell["hn"], memory))
        memory = (1 - update) * new + update * memory
    return cross_entropy(memory, examples[1]), memory


BY_HAND = {
    "Linen batch normalization": batch_norm,
    "Equinox batch normalization": equinox_batch_norm,
    "Averaged weights": averaged,
    "GRU with a memory": gru,
    "Auxiliary loss": auxiliary,
}
