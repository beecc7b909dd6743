"""Nine kinds of nudges, each with one strength that is 0 outside a window of steps: a hyperparameter.

Examples are (inputs, labels, other inputs, other labels): the training set and another data set of the same shapes.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from pathjax.training.regularizers import penalty

RATE = 0.1  # learning rate of all runs
PUSH = "random push"
DURATIONS = (20, 100)  # steps
ONSETS = (0, 20, 40, 100, 200, 400, 800)


class Task(NamedTuple):
    """What losses need: `predict(params, inputs) -> logits`, the number of classes, and the injected examples."""

    predict: Callable
    num_classes: int
    injected: tuple


class Nudge(NamedTuple):
    """A kind of nudge.

    Attributes:
        loss: `loss(task, params, examples, key, hparams) -> float[examples]`, of hparams["strength"]; with 0 the plain
            loss. A random push also reads hparams["tilt_seed"], its direction.
        strengths: three of them, from weak to strong.
        meaning: of the strength.
    """

    loss: Callable
    strengths: tuple[float, float, float]
    meaning: str


def plain(task: Task, params, inputs, labels):
    """The cross-entropy of each example."""
    return optax.softmax_cross_entropy_with_integer_labels(task.predict(params, inputs), labels)


def _penalized(name: str) -> Callable:
    def loss(task, params, examples, key, hparams):
        return plain(task, params, *examples[:2]) + penalty(params, hparams | {name: hparams["strength"]})

    return loss


def _label_noise(task, params, examples, key, hparams):
    inputs, labels = examples[:2]
    which, shift = jax.random.split(key)
    others = (labels + jax.random.randint(shift, labels.shape, 1, task.num_classes)) % task.num_classes
    return plain(
        task, params, inputs, jnp.where(jax.random.uniform(which, labels.shape) < hparams["strength"], others, labels)
    )


def _example_weights(task, params, examples, key, hparams):
    inputs, labels = examples[:2]
    weights = 1 + hparams["strength"] * (labels == 0)
    return plain(task, params, inputs, labels) * weights / jnp.mean(weights)


def _adversarial(task, params, examples, key, hparams):
    inputs, labels = examples[:2]
    uphill = jax.grad(lambda x: jnp.sum(plain(task, params, x, labels)))(inputs)
    return plain(task, params, inputs + hparams["strength"] * jnp.sign(jax.lax.stop_gradient(uphill)), labels)


def _injected(task, params, examples, key, hparams):
    return plain(task, params, *examples[:2]) + hparams["strength"] * jnp.mean(plain(task, params, *task.injected))


def _other_data(task, params, examples, key, hparams):
    own, other = plain(task, params, *examples[:2]), plain(task, params, *examples[2:])
    strength = hparams["strength"]
    return (1 - strength) * own + strength * other


def _learning_rate(task, params, examples, key, hparams):
    # The gradient is multiplied instead of the rate, which is the same for plain SGD.
    return (1 + hparams["strength"]) * plain(task, params, *examples[:2])


NUDGES: dict[str, Nudge] = {
    "l1": Nudge(_penalized("l1"), (3e-4, 1e-3, 3e-3), "of the sum of absolute weights"),
    "l2": Nudge(_penalized("l2"), (0.01, 0.03, 0.1), "of half the sum of squared weights"),
    PUSH: Nudge(_penalized("tilt"), (3e-4, 1e-3, 3e-3), "of the sum of weights with random signs"),
    "learning rate": Nudge(_learning_rate, (1.0, 3.0, 7.0), "added to a factor of 1"),
    "label noise": Nudge(_label_noise, (0.2, 0.5, 0.9), "share of wrong labels"),
    "example weights": Nudge(_example_weights, (3.0, 10.0, 30.0), "added to the weight of class 0"),
    "adversarial examples": Nudge(_adversarial, (0.05, 0.15, 0.5), "step along the sign of the gradient"),
    "injected examples": Nudge(_injected, (0.3, 1.0, 3.0), "weight of the mean loss of 32 wrong examples"),
    "another data set": Nudge(_other_data, (0.3, 0.7, 1.0), "share of the other set in the loss"),
}


def loss_of(kind: str, task: Task) -> Callable:
    """Returns `loss_fn(params, examples, key, hparams)` of a kind of nudge; see `Nudge.loss`."""

    def loss_fn(params, examples, key, hparams):
        return NUDGES[kind].loss(task, params, examples, key, hparams)

    return loss_fn
