"""A network in the middle of training, to which something may happen, for the tests."""

import jax
import optax

import pathjax
from helpers.toy_maps import network, predict, schedule
from pathjax.training.schedule import take_batch

PLAN = schedule(8, num_examples=32, batch_size=8)


def loss_fn(params, examples):
    return optax.softmax_cross_entropy_with_integer_labels(predict(params, examples[0], jax.nn.relu), examples[1])


def relu_predict(params, inputs):
    return predict(params, inputs, jax.nn.relu)


def build(hparams):
    return optax.sgd(hparams["learning_rate"], momentum=0.5)


def in_training():
    """Dynamics with a learning rate as a leaf, a state in the middle of training, and the examples."""
    _, params, examples = network(jax.random.key(0))
    dynamics = pathjax.training_dynamics(loss_fn, build)
    state = dynamics.init(params, {"learning_rate": 0.3})
    step_fn, xs = pathjax.scheduled_step(dynamics, examples, PLAN)
    for t in range(5):
        state = step_fn(state, jax.tree.map(lambda a, t=t: a[t], xs))
    return dynamics, state, examples


def batch_of(examples, t=5):
    return take_batch(examples, PLAN.key, t, (PLAN.indices[t], None))


def grid(dynamics, stand, name, **changes):
    options = {"at_steps": [0, 3, 6], "sizes": [0.1, 0.2], "num_seeds": 2, "hparams": {"learning_rate": 0.3}} | changes
    return pathjax.intervened_ensemble(dynamics, network(jax.random.key(0))[1], name, jax.random.key(5), **options)
