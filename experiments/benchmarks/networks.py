"""The networks that are timed, on random data of MNIST's shape."""

import jax
import jax.numpy as jnp
import optax

import pathjax
from pathjax.models import MLP


def momentum_mlp(width: int):
    """MLP 784-width-10 with ReLU, SGD with momentum: dynamics, params, hparams, examples."""
    key = jax.random.key(0)
    model = MLP((width,), 10, "relu")
    inputs = jax.random.uniform(key, (4096, 784))
    labels = jax.random.randint(key, (4096,), 0, 10)

    def loss_fn(params, examples):
        logits = model.apply({"params": params}, examples[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])

    dynamics = pathjax.training_dynamics(loss_fn, lambda h: optax.sgd(h["learning_rate"], h["momentum"]))
    params = model.init(key, inputs[:1])["params"]
    hparams = {"learning_rate": jnp.float32(0.01), "momentum": jnp.float32(0.9)}
    return dynamics, params, hparams, (inputs, labels)
