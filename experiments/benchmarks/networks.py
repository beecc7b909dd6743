"""The timed networks, on random data with the shapes of MNIST and CIFAR-10."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

import pathjax
from pathjax.models import CNN, MLP

NUM_EXAMPLES, NUM_CLASSES = 4096, 10
IMAGE = (32, 32, 3)


class Network(NamedTuple):
    """A network, trained by SGD with momentum.

    `make()` returns dynamics, params, hparams and examples; `name` is also passed to PyTorch's process; `products` is
    the number of multiplications per example of a training step, and `numbers` the number of weights.
    """

    name: str
    make: Callable
    products: int
    numbers: int


def mlp(*hidden: int) -> Network:
    """Returns the MLP 784-hidden-10. Its products are those of the forward pass, of the gradient by the weights, and of
    the gradient by the inputs of all layers but the first."""
    layers = list(zip((784, *hidden), (*hidden, NUM_CLASSES), strict=True))
    products = 3 * sum(a * b for a, b in layers) - 784 * layers[0][1]
    name = "-".join(map(str, ("MLP", 784, *hidden, NUM_CLASSES)))
    return Network(name, lambda: momentum_mlp(*hidden), products, sum((a + 1) * b for a, b in layers))


def cnn(*channels: int, microbatch: int | None = None) -> Network:
    """Returns a CNN: 3 x 3 convolutions of these channels on images 32 x 32 x 3, the mean over positions, logits."""
    layers = list(zip((IMAGE[-1], *channels), channels, strict=False))
    places, head = IMAGE[0] * IMAGE[1] * 9, channels[-1] * NUM_CLASSES
    products = 3 * (places * sum(a * b for a, b in layers) + head) - places * IMAGE[-1] * channels[0]
    numbers = sum((9 * a + 1) * b for a, b in layers) + head + NUM_CLASSES
    name = "-".join(map(str, ("CNN", *channels)))
    return Network(name, lambda: _momentum(CNN(channels, NUM_CLASSES), IMAGE, microbatch), products, numbers)


def momentum_mlp(*widths: int):
    """Returns dynamics, params, hparams and examples of an MLP 784-widths-10 with ReLU and SGD with momentum."""
    return _momentum(MLP(widths, NUM_CLASSES, "relu"), (784,))


def mlp_predict(*widths: int) -> Callable:
    """Returns `predict(params, inputs) -> logits` of `momentum_mlp(*widths)`."""
    model = MLP(widths, NUM_CLASSES, "relu")
    return lambda params, inputs: model.apply({"params": params}, inputs)


def _momentum(model, shape: tuple[int, ...], microbatch: int | None = None):
    key = jax.random.key(0)
    inputs = jax.random.uniform(key, (NUM_EXAMPLES, *shape))
    labels = jax.random.randint(key, (NUM_EXAMPLES,), 0, NUM_CLASSES)

    def loss_fn(params, examples):
        logits = model.apply({"params": params}, examples[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, examples[1])

    def optimizer(hparams):
        return optax.sgd(hparams["learning_rate"], hparams["momentum"])

    dynamics = pathjax.training_dynamics(loss_fn, optimizer, microbatch=microbatch)
    params = model.init(key, inputs[:1])["params"]
    hparams = {"learning_rate": jnp.float32(0.01), "momentum": jnp.float32(0.9)}
    return dynamics, params, hparams, (inputs, labels)
